"""Winograd's tiles where the numbers allow it; the other tiles are mended by matrix products.

Minimal filtering rounds all the numbers of a tile together (see `winograd`): one input of a million
leaves errors of 1 in outputs of its tile that never met it, one NaN leaves NaN. So `method='auto'`
looks at the numbers first, and has a tile computed by `careful` where what is rounded might be more
than LOST of the own sum of |w||x| of one of its outputs. If these are many, all are.

What is rounded is estimated. Take a tile of `t` inputs for each of `C` channels, with the mean
square x2. Rows of `B` make of them numbers of mean square |B[p]|**2 * x2, rows of `G` of the
weights |G[p]|**2 * w2, where w2 is the mean square of the loudest channel of the filter. Each of
the sums over channels has roundings of `eps` of its terms, and of its partial sums. Say that
roundings know nothing of each other: then they add up like their squares. By measurements

    error of an output <= 4 * eps * K * sqrt(C * (2 + C/16) * w2 * x2)

where K**2 = sum_p A[i,p]**2 * |B[p]|**2 * |G[p]|**2 is the most that an output gathers. Filters
whose channels are all alike make roundings alike, and are not filtered so.

An output's own sum is bounded. Cut |w| off at some height, and measure it in this height: numbers b
of at most 1, with the mean m over the channels. By Cauchy and Schwarz

    sum |w||x| >= height * sum b*|x| >= height * (m * sum |x| - sqrt(sum (b-m)**2 * sum x**2))

The root in full would say that inputs are large exactly where weights are small, and leave nearly
no tile of inputs that are half zeros. Half of it is taken, an estimate as well. Where they do lie
like that, an output may lose more of its own sum: a thousandth of it, where a window has zeros for
all weights but the smallest. What it loses is still below LOST of the sum that it would have with
the weights of its filter mixed, their mean size times sum |x|.

Both sums of x run over one window, that of x2 over its tile; as the channels are added up first, to
look takes a tenth of the time. Numbers of which most are zeros, or that are very unequal, leave no
bound. Windows that lie partly beside the image have their own sums.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cnnlib.arrays import spatial
from cnnlib.geometry import Shape, Window

from . import careful, winograd
from .blocks import Blocks, by_entry, in_blocks
from .gemm import SLAB, Axes, framed
from .guarded import LOST
from .workers import scratch, share

HEIGHT = 0.3  # where |w| is cut off, in root mean squares of a filter
UNFAVOURABLE = 0.5  # weights and inputs lie to each other at most, of what is possible
TYPE = np.finfo(np.float32)
# Of a filter, mean square of the means over the channels of `w` and of |w|, in mean squares of `w`.
SIGNED, SIZES = 0.4, 0.9
MOST = 0.25  # of the tiles may be mended; if more are doubtful, no tile pays


@dataclass(frozen=True)
class Mended:
    """An engine: minimal filtering in float32, mended where numbers want it; else `careful`."""

    def conv(
        self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window
    ) -> np.ndarray:
        """The forward pass; the definition is `loops.conv`."""
        axes = window.axes(spatial(x.shape))
        doubtful = doubts(x, w, axes)
        if doubtful is None:
            return careful.conv(x, w, b, window)
        with np.errstate(all="ignore"):
            z = winograd.conv(x, w, b, window)
        if doubtful.any():
            mend(x, w, b, axes, z, doubtful)
        return z

    def conv_delta(
        self, dz: np.ndarray, w: np.ndarray, input_shape: Shape, window: Window
    ) -> np.ndarray:
        """The deltas; the definition is `loops.conv_delta`."""
        axes, turned = winograd.transposed(window.axes(spatial(input_shape))), w.swapaxes(0, -1)
        doubtful = doubts(dz, turned, axes)
        if doubtful is None:
            return careful.conv_delta(dz, w, input_shape, window)
        with np.errstate(all="ignore"):
            dx = winograd.conv_delta(dz, w, input_shape, window)
        if doubtful.any():
            mend(dz, turned, None, axes, dx, doubtful)
        return dx

    def conv_weight_gradient(self, x: np.ndarray, dz: np.ndarray, window: Window) -> np.ndarray:
        """The weight gradient; the definition is `loops.conv_weight_gradient`."""
        return careful.conv_weight_gradient(x, dz, window)


def mend(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    axes: Axes,
    z: np.ndarray,
    doubtful: np.ndarray,
) -> None:
    """Compute the doubtful tiles of `z` again: each is a small image of its own."""
    cuts = winograd.tiles(axes)
    kernel, w = Window(spatial(w.shape)), by_entry(w, cuts)
    for images, entries in framed(np.ascontiguousarray(x), cuts):
        which = doubtful[images]
        if which.any():
            outputs = careful.conv(entries[which], w, b, kernel)
            for (n, *tile), one in zip(np.argwhere(which), outputs, strict=True):
                spans = (slice(number, number + 1) for number in tile)
                place = z[images.start + n, *map(Blocks.outputs, cuts, spans)]
                place[...] = one[tuple(map(slice, place.shape))]  # it may go beyond the last one


class Bound(NamedTuple):
    """What the filters say of windows that are harmless, see `judge`."""

    mean: float  # of b over the channels, for the weight and filter where it is least
    spread: float  # root of the sum of squares of b about its means, the largest
    factor: float  # by which an error may be larger than the root of a tile's sum of x**2
    least: float  # of this sum, so that no product is too small for its type
    most: float  # nor too large


def doubts(x: np.ndarray, w: np.ndarray, axes: Axes) -> np.ndarray | None:
    """Which tiles (N, *tile) want to be mended; None if too many do."""
    if x.dtype != np.float32:
        return None
    with np.errstate(all="ignore"):
        bound = weigh(w, axes)
        doubtful = np.concatenate(share(len(x), lambda images: judge(x[images], bound, axes)))
    return None if doubtful.mean() > MOST else doubtful


def weigh(w: np.ndarray, axes: Axes) -> Bound:
    """The bound of the worst filter; with weights that are not finite no window is harmless."""
    A, G, B = winograd.matrices(axes, np.dtype(np.float64))
    gathered = (A**2 @ ((B**2).sum(axis=1) * (G**2).sum(axis=1))).max()
    K, C = len(w), w.shape[-1]
    w = w.reshape(K, -1, C)
    w = w[w.any(axis=(1, 2))]  # what meets zeros alone is not rounded
    if not len(w):
        return Bound(1, 0, 0, 0, math.inf)
    channels = np.einsum("kuc,kuc->kc", w, w) / w.shape[1]
    w2 = channels.mean(axis=1)
    signed, w = np.square(w.mean(axis=2)).mean(axis=1), np.abs(w)
    sizes = np.square(w.mean(axis=2)).mean(axis=1)
    b = np.minimum(np.divide(w, HEIGHT * np.sqrt(w2)[:, None, None], out=w), 1, out=w)
    mean = b.mean(axis=2)
    spread = np.einsum("kuc,kuc->k", b, b) - C * np.einsum("ku,ku->k", mean, mean)
    unequal = (channels.max(axis=1) / w2).max()
    factor = 4 / (HEIGHT * LOST) * np.sqrt(gathered * (2 + C / 16) / len(B) * unequal)
    tiny, huge = float(TYPE.tiny), float(TYPE.max)
    quiet, loud = (float(some) * w[0].size for some in (w2.min(), w2.max()))
    if not (quiet > 1e6 * tiny and (signed / w2).max() < SIGNED and (sizes / w2).max() < SIZES):
        return Bound(0, 0, math.inf, 0, 0)
    least, most = max(1e6 * tiny, (1e10 * tiny) ** 2 / quiet), min(huge, (1e-3 * huge) ** 2 / loud)
    return Bound(float(mean.min()), math.sqrt(max(0, spread.max())), float(factor), least, most)


def judge(x: np.ndarray, bound: Bound, axes: Axes) -> np.ndarray:
    """Which tiles (N, *tile) have a window that may not be harmless."""
    absolute, squares = over_channels(np.ascontiguousarray(x))
    windows, tiles = [in_blocks(axis, 1) for axis in axes], winograd.tiles(axes)
    met, tile = over_entries(absolute, windows), over_entries(squares, tiles)
    own = bound.mean * met
    own -= UNFAVOURABLE * bound.spread * np.sqrt(over_entries(squares, windows))
    harmless = of_tiles(np.minimum, own, tiles) >= bound.factor * np.sqrt(tile)  # not with a NaN
    harmless &= tile < bound.most
    if not (heard := tile > bound.least).all():
        harmless &= heard | (of_tiles(np.maximum, met, tiles) == 0)
    return ~harmless


def of_tiles(how: np.ufunc, a: np.ndarray, tiles: Sequence[Blocks]) -> np.ndarray:
    """The least, or largest, of the outputs (N, *I) of each tile: (N, *tile)."""
    for n, one in enumerate(tiles, 1):
        before = (slice(None),) * n
        best = a[*before, :: one.size].copy()
        for i in range(1, one.size):
            other = a[*before, i :: one.size]  # the last tile may have none
            some = best[*before, : other.shape[n]]
            how(some, other, out=some)
        a = best
    return a


def over_channels(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of |x| and of x**2 over the channels, (N, *P) each."""
    rows, ones = x.reshape(-1, x.shape[-1]), np.ones(x.shape[-1], x.dtype)
    absolute, squares = np.empty((2, len(rows)), x.dtype)
    step = max(1, SLAB // (2 * rows[0].nbytes))
    for some in (slice(n, n + step) for n in range(0, len(rows), step)):
        part = rows[some]
        sizes = np.abs(part, out=scratch("sizes", part.shape, x.dtype))
        np.matmul(sizes, ones, out=absolute[some])
        np.einsum("ij,ij->i", part, part, out=squares[some])
    return absolute.reshape(x.shape[:-1]), squares.reshape(x.shape[:-1])


def over_entries(a: np.ndarray, cuts: Sequence[Blocks]) -> np.ndarray:
    """Sums of (N, *P) over the entries that each block has along each axis: (N, *block)."""
    for n, one in enumerate(cuts, 1):
        before, start = (slice(None),) * n, max(0, -one.first)
        read = a[*before, max(0, one.first) : max(0, one.end)]
        room = np.zeros((*a.shape[:n], one.end - one.first, *a.shape[n + 1 :]), a.dtype)
        room[*before, start : start + read.shape[n]] = read
        last = one.hop * (one.count - 1) + 1
        first, *others = (room[*before, t : t + last : one.hop] for t in range(one.span))
        a = first.copy()
        for each in others:
            a += each
    return a
