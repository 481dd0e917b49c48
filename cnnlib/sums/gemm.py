"""The three sums of a convolution as matrix products, block by block.

Write the inputs of one window in a row, the kernels in the columns of a matrix: their product is
one output of each filter. But windows of neighbours overlap, and such rows hold an input many
times. So a row serves a block of outputs (see `blocks`) with all the inputs that they meet, and the
matrix `m` has a column for each output of the block and each filter, with zeros where they do not
meet. Multiplying zeros takes time, copying less saves more; `blocks.cut` weighs them (chapter 8).

    rows[(n, i, block), (u, t, c)] = x[n, p, q, c],   q = first + hop*block + step*t
    m[(u, t, c), (b, k)] = w[k, u, v, c]   if output b of a block meets its entry t through weight v

So far the geometry. The three sums are now those of a dense layer:

    z = rows @ m        dm = rows.T @ dz        drows = dz @ m.T

and `dw` collects the places of a weight in `dm`, `dx` the places of an input in `drows`. Or `dx` is
a `z` itself, with deltas in the rows: `gather`, where that takes less time. Rows are made a slab at
a time, in memory that stays in the processor's cache.

All numbers must be finite: zero times infinity is NaN, so the zeros of `m`, and those around an
image, would carry an infinity to outputs that it does not meet. With `single` every row serves one
output, and its `m` has no such zeros: then `x`, or the deltas that go back, may be anything.
`careful` decides.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from cnnlib.arrays import spatial
from cnnlib.geometry import Axis, Shape, Window

from .blocks import Blocks, cut, matrix, weights
from .workers import scratch, share

SLAB = 1 << 20  # bytes of a slab, of the order of a core's own cache
LEAST = 256  # rows of a slab all the same: for each product BLAS puts `m` into an order of its own
FEW = 16  # channels: with fewer, the deltas may be scattered

Axes = tuple[Axis, ...]
Cuts = tuple[Blocks, ...]
Cells = tuple[slice, ...]  # of an array: a slice along each axis


def conv(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window, *, single: bool = False
) -> np.ndarray:
    """z = rows @ m + b; the definition is `loops.conv`."""
    axes = window.axes(spatial(x.shape))
    z = np.empty((len(x), *(axis.outputs for axis in axes), len(w)), x.dtype)
    share(len(x), lambda images: multiply(x[images], w, b, axes, z[images], single))
    return z


def conv_weight_gradient(x: np.ndarray, dz: np.ndarray, window: Window) -> np.ndarray:
    """dm = rows.T @ dz, and dw from dm; the definition is `loops.conv_weight_gradient`."""
    images, C, K = np.ascontiguousarray(x), x.shape[-1], dz.shape[-1]
    cuts = cut(window.axes(spatial(x.shape)), C, K)
    B = cuts[-1].size

    def part(some: slice) -> np.ndarray:
        dm = np.zeros((math.prod(one.span for one in cuts) * C, B * K), x.dtype)
        with np.errstate(all="ignore"):  # `careful` computes it again then, and warns
            for cells, rows in slabs(images[some], cuts):
                dm += rows.T @ by_block(dz[some][cells], B)
        return dm

    return weights(sum(share(len(x), part)), cuts, C, K)


def conv_delta(
    dz: np.ndarray, w: np.ndarray, input_shape: Shape, window: Window, *, single: bool = False
) -> np.ndarray:
    """dx from dz and w; the definition is `loops.conv_delta`."""
    # Of a single output no stride begins: with 1 there are no inputs between, one phase each.
    axes = tuple(
        axis if axis.outputs > 1 else replace(axis, stride=1)
        for axis in window.axes(spatial(input_shape))
    )
    dx = np.empty(input_shape, dz.dtype)
    if scatters(axes, w.shape[-1]) and not single:
        share(len(dz), lambda images: scatter(dz[images], w, axes, dx[images]))
    else:
        share(len(dz), lambda images: gather(dz[images], w, axes, dx[images], single))
    return dx


def scatters(axes: Axes, C: int) -> bool:
    """Whether `scatter` should take less time than `gather`.

    `gather` has a row for every input, `scatter` for every output. It wins where these are fewer,
    unless there are so many channels that its additions take longer; or the stride is so
    large that its pieces would be mostly gaps.
    """
    fewer = math.prod(axis.outputs for axis in axes) < math.prod(axis.inputs for axis in axes)
    return fewer and C < FEW and axes[-1].stride <= axes[-1].inputs


def gather(dz: np.ndarray, w: np.ndarray, axes: Axes, dx: np.ndarray, single: bool = False) -> None:
    """dx = rows @ m, with rows of deltas.

    Inputs a stride apart meet the deltas by an index rule again. So what reaches them is a
    convolution, with channels and filters in each other's place.
    """
    if len(phases(axes)) < math.prod(axis.stride for axis in axes):
        dx.fill(0)  # some inputs are met by no window
    for r, rules, us in phases(axes):
        p = (slice(n, None, axis.stride) for n, axis in zip(r, axes, strict=True))
        multiply(dz, w[:, *us].swapaxes(0, -1), None, rules, dx[:, *p], single)


@lru_cache(1024)
def phases(axes: Axes) -> list[tuple[Shape, Axes, Cells]]:
    """For each first input of a stride that is met: it, and `Axis.transposed` along each axis."""
    found = []
    for r in np.ndindex(*(min(axis.stride, axis.inputs) for axis in axes)):
        back = [axis.transposed(n) for n, axis in zip(r, axes, strict=True)]
        if None not in back:
            found.append((r, *zip(*back, strict=True)))
    return found


def scatter(dz: np.ndarray, w: np.ndarray, axes: Axes, dx: np.ndarray) -> None:
    """drows = dz @ m.T, each of its numbers added where it belongs.

    Of `drows` a piece is computed at a time: one line of entries, and of that line no more than the
    next block has to itself. So no two numbers of a piece go to the same input.
    """
    dz, C, K = np.ascontiguousarray(dz), w.shape[-1], len(w)
    cuts = cut(axes, C, K, back=True)
    lines, B, L = [one.span for one in cuts[:-1]], cuts[-1].size, cuts[-1].piece
    mT = matrix(w, cuts).reshape(*lines, -1, L * C, B * K).swapaxes(-2, -1).copy()
    dx.fill(0)
    for images, entries in framed(dx, cuts, back=True):
        limit = max(LEAST, min(SLAB, dz.nbytes) // (max(B * K, L * C) * dz.itemsize))
        for cells, places in parts(entries.shape, limit, cuts):
            deltas = by_block(dz[images][places], B)
            product = scratch("product", (len(deltas), L * C), dz.dtype)
            for *u, t in np.ndindex(*mT.shape[:-2]):
                piece = entries[*cells, *u, t * L : (t + 1) * L]
                piece += np.matmul(deltas, mT[*u, t], out=product).reshape(piece.shape)


def multiply(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None, axes: Axes, z: np.ndarray, single: bool
) -> None:
    """z = rows @ m + b."""
    x, K = np.ascontiguousarray(x), len(w)
    cuts = cut(axes, x.shape[-1], K, single=single)
    B, J = cuts[-1].size, axes[-1].outputs
    m = matrix(w, cuts).reshape(-1, B * K)
    bias = None if b is None else np.concatenate([b] * B)
    direct = J % B == 0 and z.flags.c_contiguous  # then the outputs of blocks are one stretch of z
    for places, rows in slabs(x, cuts):
        shape, here = (len(rows), B * K), z[places]
        product = here.reshape(shape) if direct else scratch("product", shape, z.dtype)
        np.matmul(rows, m, out=product)
        if bias is not None:
            product += bias
        if not direct:  # the last block of a line may go beyond its last output
            here[...] = product.reshape(*here.shape[:-2], -1, K)[..., : here.shape[-2], :]


def slabs(x: np.ndarray, cuts: Cuts) -> Iterator[tuple[Cells, np.ndarray]]:
    """Yield the `rows` of some blocks and the place of their outputs, until all had their turn."""
    width = math.prod(one.span for one in cuts) * x.shape[-1]
    limit = max(LEAST, min(SLAB, x.nbytes) // (width * x.itemsize))
    for places, read in pieces(x, cuts, limit):
        rows = scratch("rows", (read.size // width, width), x.dtype)
        rows.reshape(read.shape)[...] = read
        yield places, rows


def pieces(x: np.ndarray, cuts: Cuts, limit: int) -> Iterator[tuple[Cells, np.ndarray]]:
    """Yield the entries [n, *block, *t, c] of about `limit` blocks, and the place of their outputs.

    No entry is copied: they are a view of the images, or of their frame.
    """
    for here, entries in framed(x, cuts):
        for cells, (images, *along) in parts(entries.shape, limit, cuts):
            yield (
                (slice(here.start + images.start, here.start + images.stop), *along),
                entries[cells],
            )


def framed(x: np.ndarray, cuts: Cuts, *, back: bool = False) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield which images are read, and the entries of their blocks: an array [n, *block, *t, c].

    It is a view of the images, or where blocks read beyond them, of a copy with zeros around it.
    `back` says that what is written to it is wanted in `x`.
    """
    frame = framing(x.shape, cuts, x.itemsize)
    if frame.needed:
        whole = scratch("framed", (frame.images, *frame.shape), x.dtype)
    for n in range(0, len(x), frame.images):
        images = room = x[n : n + frame.images]
        if frame.needed:
            room = whole[: len(images)]
            if n == 0 or back:  # else the zeros around the last images are still there
                room.fill(0)
            room[frame.place] = images[frame.read]
        shape, strides = entry_view(room.shape, cuts, x.itemsize)
        yield slice(n, n + len(images)), np.ndarray(shape, x.dtype, room, 0, strides)
        if back and frame.needed:
            images[frame.read] = room[frame.place]


class Frame(NamedTuple):
    """How images are read whose blocks may reach beyond them."""

    images: int  # so many at a time
    needed: bool  # whether a block reaches beyond an image; else the rest says nothing
    shape: Shape  # of an image with its frame of zeros
    place: Cells  # of the images in there
    read: Cells  # what is read of the images: blocks may also leave cells out


@lru_cache(1024)  # a small image takes less time than these three functions
def framing(shape: Shape, cuts: Cuts, itemsize: int) -> Frame:
    """The frame that images of this shape need for these blocks."""
    N, *P, C = shape
    if all(one.first == 0 and one.end <= p for one, p in zip(cuts, P, strict=True)):
        return Frame(N, False, shape[1:], (), ())
    lengths = *(one.end - one.first for one in cuts), C
    met = [slice(max(0, one.first), max(0, one.end)) for one in cuts]
    to = [
        slice(max(0, -one.first), max(0, -one.first) + len(range(p)[some]))
        for one, p, some in zip(cuts, P, met, strict=True)
    ]
    count = min(N, max(1, SLAB // (math.prod(lengths) * itemsize)))
    return Frame(count, True, lengths, (slice(None), *to), (slice(None), *met))


@lru_cache(1024)
def entry_view(shape: Shape, cuts: Cuts, itemsize: int) -> tuple[Shape, Shape]:
    """Shape and strides of a view [n, *block, *t, c] of images[n, hop*block + step*t, c]."""
    n, *p, c = (math.prod(shape[axis + 1 :]) * itemsize for axis in range(len(shape)))
    hops = (one.hop * stride for one, stride in zip(cuts, p, strict=True))
    steps = (one.step * stride for one, stride in zip(cuts, p, strict=True))
    counts, spans = (one.count for one in cuts), (one.span for one in cuts)
    return (shape[0], *counts, *spans, shape[-1]), (n, *hops, *steps, c)


@lru_cache(64)  # of a large batch they are many
def parts(shape: Shape, limit: int, cuts: Cuts) -> list[tuple[Cells, Cells]]:
    """Cut entries of this shape into runs of blocks: the cells, and the place of the outputs."""
    blocks = runs(shape[: 1 + len(cuts)], limit)
    return [(cells, (cells[0], *map(Blocks.outputs, cuts, cells[1:]))) for cells in blocks]


def by_block(dz: np.ndarray, size: int) -> np.ndarray:
    """Deltas with a row (b, k) for each block, and 0 beyond the last output."""
    *lead, J, K = dz.shape
    if J % size:
        whole = np.zeros((*lead, J + -J % size, K), dz.dtype)
        whole[..., :J, :] = dz
        dz = whole
    return dz.reshape(-1, size * K)


def runs(shape: Shape, limit: int) -> Iterator[Cells]:
    """Cut an array of this shape into runs of about `limit` cells that lie together in C order.

    One axis is cut into equal pieces; the axes behind it stay whole, the axes before it go one
    index at a time. Of shape (3, 4) with a limit of 10 these are rows 0 and 1, and row 2; with a
    limit of 3 each row is two runs of 2 cells.
    """
    axis, whole = len(shape) - 1, 1  # `whole` cells lie behind the axis
    while axis > 0 and whole * shape[axis] <= limit:
        whole *= shape[axis]
        axis -= 1
    pieces = math.ceil(shape[axis] / max(1, limit // whole))
    step = math.ceil(shape[axis] / pieces)
    behind = [slice(0, n) for n in shape[axis + 1 :]]
    for *lead, at in np.ndindex(*shape[:axis], math.ceil(shape[axis] / step)):
        piece = slice(at * step, min((at + 1) * step, shape[axis]))
        yield *(slice(i, i + 1) for i in lead), piece, *behind
