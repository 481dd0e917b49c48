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

and `dw` collects the places of a weight in `dm`, `dx` the places of an input in `drows`. Rows are
made a slab at a time, in memory that stays in the processor's cache.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .blocks import Blocks, cut, matrix, weights
from .geometry import Shape, Window
from .layout import spatial
from .workers import scratch, share

SLAB = 1 << 20  # bytes of a slab, of the order of a core's own cache
LEAST = 256  # rows of a slab all the same: for each product BLAS puts `m` into an order of its own

Cells = tuple[slice, ...]  # some images, and some blocks along each axis


def conv(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window) -> np.ndarray:
    """z = rows @ m + b; the definition is `loops.conv`."""
    x, K = np.ascontiguousarray(x), len(w)
    cuts = fitting(x, K, window)
    B, J = cuts[-1].size, cuts[-1].axis.outputs
    m = matrix(w, cuts).reshape(-1, B * K)
    bias = None if b is None else np.tile(b, B)
    z = np.empty((len(x), *(one.axis.outputs for one in cuts), K), x.dtype)

    def part(images: slice) -> None:
        for cells, rows in slabs(x[images], cuts):
            here = z[images][outputs(cells, cuts)]
            if J % B == 0:  # these blocks are one stretch of memory
                product = here.reshape(-1, B * K)
            else:  # the last block goes beyond the last output
                product = scratch("product", (len(rows), B * K), z.dtype)
            np.matmul(rows, m, out=product)
            if bias is not None:
                product += bias
            if J % B:
                here[...] = product.reshape(*here.shape[:-2], -1, K)[..., : here.shape[-2], :]

    share(len(x), part)
    return z


def conv_weight_gradient(x: np.ndarray, dz: np.ndarray, window: Window) -> np.ndarray:
    """dm = rows.T @ dz, and dw from dm; the definition is `loops.conv_weight_gradient`."""
    x, C, K = np.ascontiguousarray(x), x.shape[-1], dz.shape[-1]
    cuts = fitting(x, K, window)
    B = cuts[-1].size

    def part(images: slice) -> np.ndarray:
        dm = np.zeros((math.prod(one.span for one in cuts) * C, B * K), x.dtype)
        for cells, rows in slabs(x[images], cuts):
            dm += rows.T @ by_block(dz[images][outputs(cells, cuts)], B)
        return dm

    return weights(sum(share(len(x), part)), cuts, C, K)


def conv_delta(dz: np.ndarray, w: np.ndarray, input_shape: Shape, window: Window) -> np.ndarray:
    """drows = dz @ m.T, and dx from drows; the definition is `loops.conv_delta`.

    Of `drows` a piece is computed at a time: one line of entries, and of that line no more than the
    next block has to itself. Such a piece of all blocks together is one stretch of each line of
    `dx`, and is added in one go.
    """
    dz, C, K = np.ascontiguousarray(dz), w.shape[-1], len(w)
    finite = is_finite(dz) and is_finite(w)
    cuts = cut(window.axes(spatial(input_shape)), C, K, back=True, single=not finite)
    *lead, last = cuts
    B, L = last.size, last.piece if finite else 1
    lines = [one.span for one in lead]
    m = matrix(w, cuts).reshape(*lines, last.span, C, B * K)
    if last.span % L:
        m = np.pad(m, [(0, 0)] * len(lead) + [(0, -last.span % L), (0, 0), (0, 0)])
    mT = np.ascontiguousarray(m.reshape(*lines, -1, L * C, B * K).swapaxes(-2, -1))
    dx = np.zeros(input_shape, dz.dtype)

    def part(images: slice) -> None:
        deltas, inputs = dz[images], dx[images]
        room = SLAB // (max(B * K, L * C) * dz.itemsize)  # deltas and product: a slab each
        for cells in runs((len(deltas), *(one.count for one in cuts)), max(LEAST, room)):
            rows = by_block(deltas[outputs(cells, cuts)], B)
            product = scratch("product", (len(rows), L * C), dz.dtype)
            stretches = product.reshape(*(some.stop - some.start for some in cells[:-1]), -1, C)
            for *u, t in np.ndindex(*mT.shape[:-2]):
                entries, lengths = (*u, t * L), (*[1] * len(lead), L)
                met = map(Blocks.inputs, cuts, entries, lengths, cells[1:])
                there, p = zip(*met, strict=True)
                np.matmul(rows, mT[*u, t], out=product)
                inputs[cells[0], *p] += stretches[:, *there]

    share(len(dz), part)
    return dx


def fitting(x: np.ndarray, K: int, window: Window) -> tuple[Blocks, ...]:
    """The blocks that take least for this input, or single outputs where it is not finite."""
    axes, C = window.axes(spatial(x.shape)), x.shape[-1]
    cuts = cut(axes, C, K)
    return cuts if cuts[-1].size == 1 or is_finite(x) else cut(axes, C, K, single=True)


def is_finite(a: np.ndarray) -> bool:
    """Whether all numbers are finite, by the sum of their squares: one pass over memory.

    Zero times infinity is NaN. So the zeros of `m`, and of deltas beyond the last output, would
    carry an infinity to numbers that it does not meet. Where there is one, no such zeros may be.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.vdot(a, a)))


def slabs(x: np.ndarray, cuts: tuple[Blocks, ...]) -> Iterator[tuple[Cells, np.ndarray]]:
    """Yield cells and their `rows`, until all blocks of all images have had their turn."""
    width = math.prod(one.span for one in cuts) * x.shape[-1]
    limit = max(LEAST, SLAB // (width * x.itemsize))
    for n, windows in readings(x, cuts):
        for some, *along in runs(windows.shape[: 1 + len(cuts)], limit):
            here = windows[some, *along]
            rows = scratch("rows", (here.size // width, width), x.dtype)
            rows.reshape(here.shape)[...] = here
            yield (slice(n + some.start, n + some.stop), *along), rows


def readings(x: np.ndarray, cuts: tuple[Blocks, ...]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number of an image, and a view `[n, *block, *t, c]` of it and those that follow.

    Where blocks read beyond the image, the view is of a copy with zeros around it.
    """
    N, *P, C = x.shape
    if all(one.first == 0 and one.end <= p for one, p in zip(cuts, P, strict=True)):
        yield 0, view(x, cuts)
        return
    lengths = [one.end - one.first for one in cuts]
    count = min(N, max(1, SLAB // (math.prod(lengths) * C * x.itemsize)))
    padded = scratch("padded", (count, *lengths, C), x.dtype)
    padded.fill(0)
    met = [slice(max(0, one.first), max(0, one.end)) for one in cuts]
    for n in range(0, N, count):
        some = x[n : n + count, *met]
        before = (max(0, -one.first) for one in cuts)
        to = (slice(a, a + size) for a, size in zip(before, some.shape[1:-1], strict=True))
        padded[: len(some), *to] = some
        yield n, view(padded[: len(some)], cuts)


def view(x: np.ndarray, cuts: tuple[Blocks, ...]) -> np.ndarray:
    """x[n, hop*block + step*t, c] as an array [n, *block, *t, c], without a copy."""
    n, *p, c = x.strides
    shape = (len(x), *(one.count for one in cuts), *(one.span for one in cuts), x.shape[-1])
    hops = (one.hop * stride for one, stride in zip(cuts, p, strict=True))
    steps = (one.step * stride for one, stride in zip(cuts, p, strict=True))
    return as_strided(x, shape, (n, *hops, *steps, c), writeable=False)


def outputs(cells: Cells, cuts: tuple[Blocks, ...]) -> Cells:
    """The outputs of these blocks: the images, and a slice along each axis."""
    images, *along = cells
    return images, *map(Blocks.outputs, cuts, along)


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
    index at a time.
    """
    axis, whole = len(shape) - 1, 1
    while axis > 0 and whole * shape[axis] <= limit:
        whole *= shape[axis]
        axis -= 1
    parts = math.ceil(shape[axis] / max(1, limit // whole))
    step = math.ceil(shape[axis] / parts)
    behind = [slice(0, n) for n in shape[axis + 1 :]]
    for *lead, at in np.ndindex(*shape[:axis], math.ceil(shape[axis] / step)):
        piece = slice(at * step, min((at + 1) * step, shape[axis]))
        yield *(slice(i, i + 1) for i in lead), piece, *behind
