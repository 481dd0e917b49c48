"""Products of transforms where the numbers allow it; where not, matrix products.

A transform rounds all its numbers together (see `fourier`): one input of a million leaves errors of
0.1 in outputs that never met it, one NaN leaves NaN. So `method='auto'` looks at the numbers first,
and takes transforms only if what they round stays below LOST of the own sum of |w||x| of every
window that lies on the image.

What they round is estimated. Let W = sum_u sum_c |w[k,u,c]|, and rms(x) be the root of the mean
square of x over the L cells of the circles. A transform has log2(L) stages; each rounds numbers of
that mean square by `eps`, half the spacing of the type. At no frequency the kernel's transform is
above W. Say that roundings know nothing of each other: then they add up like their squares, and
four standard deviations are

    error of z[n,i,k] <= eps * (4 * sqrt(log2 L) * W * rms(x) + 2 * Z)

where the last term is for the largest output Z, which the last stages of the way back round, and
spread over its neighbours. Z <= sqrt(sum w**2 * sum x**2), and Z <= W * max|x|.

An output's own sum is bounded, however weights and inputs meet. Cut |x| off at some height, |w| at
another, and measure both in these heights: numbers a and b of at most 1. As (1 - a) * (1 - b) >= 0,

    sum |w||x| >= heights * sum a*b >= heights * (sum a + sum b - T)      over the T terms

So it is enough to know the least sum of `a` over the cells that a window meets. With a dilation
these are the cells of one remainder; so they are of dz at a stride, where each remainder of the
inputs meets weights of its own. Numbers that are mostly zeros or very unequal leave no bound, and
go to the matrix products.

A window that lies partly beside the image has the same error, at most LOST of the least sum of the
whole ones. Of its own sum that may be any multiple: the corner of a `dx` is one product of two
numbers, and if that is 0, transforms leave a rounding there. To ask for more would leave them no
`dx` at all. But what is dark at the edge is looked at: half of the sides of a window, wherever they
lie, shall have W times the mean of |x| in there. And where no window is whole, all are judged as if
the image went on. Both are estimates.

For the deltas read `dz` for x. For the weight gradient read `dz` for w: its window is all outputs,
its sums run over the images, and it has results for each channel of both.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from cnnlib.arrays import spatial
from cnnlib.geometry import Axis, Shape, Window

from . import careful, fourier
from .gemm import SLAB
from .workers import scratch

LOST = 168  # roundings of the size `eps`: 1e-5 in float32, 2e-14 in float64
HEIGHT = 0.75  # where numbers are cut off: in rms of x, in means of |w|; best for normal numbers
WHOLE = 0.75  # of the cells that a result meets are in whole blocks, or more


@dataclass(frozen=True)
class Guarded:
    """An engine: products of transforms where they are harmless, else `careful`."""

    kept: fourier.Transforms | None = None

    def conv(
        self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window
    ) -> np.ndarray:
        """The forward pass; the definition is `loops.conv`."""
        if harmless(x, w, forwards(window.axes(spatial(x.shape)))):
            return fourier.conv(x, w, b, window, self.kept)
        return careful.conv(x, w, b, window)

    def conv_delta(
        self, dz: np.ndarray, w: np.ndarray, input_shape: Shape, window: Window
    ) -> np.ndarray:
        """The deltas; the definition is `loops.conv_delta`."""
        plan = backwards(window.axes(spatial(input_shape)))
        if harmless(dz, w.swapaxes(0, -1), plan):
            return fourier.conv_delta(dz, w, input_shape, window, self.kept)
        return careful.conv_delta(dz, w, input_shape, window)

    def conv_weight_gradient(self, x: np.ndarray, dz: np.ndarray, window: Window) -> np.ndarray:
        """The weight gradient; the definition is `loops.conv_weight_gradient`."""
        if harmless(x, dz, weights(window.axes(spatial(x.shape))), kept=-1):
            return fourier.conv_weight_gradient(x, dz, window, self.kept)
        return careful.conv_weight_gradient(x, dz, window)


class Row(NamedTuple):
    """Cells that a result meets along an axis: they hold whole blocks, wherever they lie."""

    step: int  # from a cell to the next
    taps: int  # cells
    met: int  # of them, that an image can hold
    block: int  # cells of a block
    blocks: int


class Plan(NamedTuple):
    """What the geometry says of one of the sums."""

    rows: tuple[Row, ...]  # what a result meets of `x`, at least
    every: Shape  # and of the weights along each axis: every so many
    beside: bool  # whether a window lies partly beside the image
    circle: int  # L


Axes = tuple[Axis, ...]


@lru_cache(1024)
def forwards(axes: Axes) -> Plan:
    """An output meets inputs a dilation apart."""
    return _plan(axes, [(a.inputs, a.dilation, a.kernel, 1, _beside(a)) for a in axes])


@lru_cache(1024)
def backwards(axes: Axes) -> Plan:
    """An input went into outputs; with a stride through every second weight, or third.

    If stride and dilation share a divisor, inputs that no weight reaches lie in between: 0 taps.
    """
    rows = []
    for a in axes:
        taps = a.kernel // a.stride if math.gcd(a.stride, a.dilation) == 1 else 0
        rows.append((a.outputs, a.dilation, taps, a.stride, True))
    return _plan(axes, rows)


@lru_cache(1024)
def weights(axes: Axes) -> Plan:
    """A weight joined inputs a stride apart to all outputs."""
    return _plan(axes, [(a.inputs, a.stride, a.outputs, 1, _beside(a)) for a in axes])


def _beside(axis: Axis) -> bool:
    return axis.before > 0 or axis.after > 0


def _plan(axes: Axes, each: list[tuple[int, int, int, int, bool]]) -> Plan:
    """Of each axis its cells, their step, those that a result meets, `every`, and `_beside`."""
    rows = []
    for cells, step, taps, *_ in each:
        met = max(1, min(taps, -(-cells // step)))  # of the first remainder, which has most
        most = WHOLE ** (1 / len(axes)) * met  # as few blocks as will do
        block = max(g for g in range(1, met // 3 + 2) if (met + 1 - g) // g * g >= most)
        rows.append(Row(step, taps, met, block, (met + 1 - block) // block))
    *_, every, beside = zip(*each, strict=True)
    return Plan(tuple(rows), every, any(beside), math.prod(fourier.least(axes)))


def harmless(x: np.ndarray, w: np.ndarray, plan: Plan, kept: int = 0) -> bool:
    """Whether the bound is below LOST of the least sum of |w||x|, in the letters of `conv`.

    There are results for each entry of `x` and of `w` along the axis `kept`, the first or the last.
    """
    if kept == 0 and len(x) > (group := max(1, SLAB // x[0].nbytes)):  # that a cache holds
        groups = (x[n : n + group] for n in range(0, len(x), group))
        return all(harmless(images, w, plan) for images in groups)
    with np.errstate(all="ignore"):
        (x, loud), (w, strong) = heard(x, kept), heard(w, kept)
        if not x.size or not w.size:
            return True  # of zeros alone all is 0
        T, cells, limits = w.size // len(strong), x.size // len(loud), np.finfo(x.dtype)
        products = float(T * cells) * loud.max() * strong.max()  # of the transforms, at most
        if not (products < limits.max and min(loud.min(), strong.min()) ** 2 > limits.tiny):
            return False  # nor with a NaN
        mean, missing = cut_weights(w, plan, kept)
        a, mean_of_half = cut_images(x, HEIGHT * loud, plan, kept)
        # All in units of `eps * W * rms(x)`.
        own = min(HEIGHT**2 * (a - missing) / T, HEIGHT * mean_of_half / math.prod(plan.every))
        left = LOST * own
        on_circle = math.prod(spatial(x.shape)) / plan.circle  # the other cells are 0
        left -= 4 * math.sqrt(math.log2(plan.circle + 1) * on_circle)
        if 2 * (strong / mean).max() * math.sqrt(cells / T) <= left:  # by Cauchy and Schwarz
            return True
        peaks = np.maximum(over(np.max, x, kept), -over(np.min, x, kept)) if left > 0 else math.inf
        return bool(2 * (peaks / loud).max() <= left)


def heard(a: np.ndarray, kept: int) -> tuple[np.ndarray, np.ndarray]:
    """Its entries that are not 0 as a whole, and the root of the mean square of each."""
    a = np.ascontiguousarray(a, np.float32 if a.dtype == np.float16 else None)
    squares = over(add_squares, a, kept) / (a.size // a.shape[kept])
    if (squares == 0).any():  # or of numbers too small to be squared
        some = over(np.any, a, kept)
        a, squares = a.compress(some, kept), squares[some]
    return a, np.sqrt(squares)


def cut_weights(w: np.ndarray, plan: Plan, kept: int) -> tuple[np.ndarray, float]:
    """Means of |w|; and T less the sum of `b`, at most, where a result meets T of the weights."""
    b = np.abs(w)
    mean = over(np.mean, b, kept)
    np.minimum(b, along(HEIGHT * mean, b, kept), out=b)
    missing = 0.0
    for first in np.ndindex(*plan.every):
        some = b[:, *map(slice, first, spatial(b.shape), plan.every)]
        sums = over(np.sum, some, kept) / (HEIGHT * mean)
        missing = max(missing, some.size // len(mean) - float(sums.min()))
    return mean, missing


def cut_images(x: np.ndarray, heights: np.ndarray, plan: Plan, kept: int) -> tuple[float, float]:
    """The least sum of `a` over the whole blocks that a result meets; the least mean of a half."""
    N, *P, C = x.shape
    padded = [p + -p % (row.step * row.block) for p, row in zip(P, plan.rows, strict=True)]
    a = scratch("sizes", (N, *padded, C), x.dtype)
    if padded != P:
        a.fill(math.inf)  # no window that lies there is the quietest one
    np.abs(x, out=a[:, *map(slice, P)])
    np.minimum(a, along(heights, a, kept), out=a)
    behind, shape, channels, went_on = a[0].size, [N], C, 1.0
    if kept == -1:
        a, shape, channels = add_up(a, N, behind), [1], 1
    for n, (row, p) in enumerate(zip(plan.rows, padded, strict=True), 1):
        behind //= p  # cells behind this axis
        at_once = channels if n == len(P) and row.step == 1 else 1
        a = add_up(a, row.block * at_once, row.step * behind // at_once)
        shape += p // (row.step * row.block), row.step
        went_on *= row.taps / row.met
    a = add_up(a, channels // at_once, 1).reshape(*shape, C // channels)
    least, mean_of_half = quietest(a, heights, [row.blocks for row in plan.rows], kept), 1.0
    if plan.beside:
        halves = [max(1, row.blocks // 2) for row in plan.rows]
        cells = math.prod(n * row.block for n, row in zip(halves, plan.rows, strict=True))
        mean_of_half = quietest(a, heights, halves, kept) / (cells * (C if kept == 0 else N))
    return least * went_on, mean_of_half


def quietest(a: np.ndarray, heights: np.ndarray, blocks: list[int], kept: int) -> float:
    """The least sum of so many neighbouring blocks along each axis."""
    for n, count in enumerate(blocks):
        a = neighbours(a, count, 2 * n + 1)
    return float((over(np.min, a, kept) / heights).min())


def over(how: Callable, a: np.ndarray, kept: int) -> np.ndarray:
    """One number for each entry along the axis `kept`; of long rows, which takes less time."""
    if kept == 0:
        return how(a.reshape(len(a), -1), axis=1)
    C = a.shape[-1]
    by_line = how(a.reshape(-1, a.shape[-2] * C), axis=0)
    return (np.sum if how is add_squares else how)(by_line.reshape(-1, C), axis=0)


def add_squares(rows: np.ndarray, axis: int) -> np.ndarray:
    """Along an axis of a matrix."""
    if axis == 1:
        return (rows[:, None] @ rows[..., None]).ravel()
    return np.einsum("ij,ij->j", rows, rows)


def along(values: np.ndarray, a: np.ndarray, kept: int) -> np.ndarray:
    """Values for each entry along the axis `kept`, as they are taken with `a`: in long rows."""
    if kept == 0:
        return values.astype(a.dtype).reshape(-1, *(1,) * (a.ndim - 1))
    return np.tile(values.astype(a.dtype), (a.shape[-2], 1))


def add_up(a: np.ndarray, count: int, behind: int) -> np.ndarray:
    """Sums over the middle axis of an array (.., count, behind); by BLAS, as it is short."""
    if count == 1:
        return a
    ones, a = np.ones(count, a.dtype), a.reshape(-1, count, behind)
    return a[..., 0] @ ones if behind == 1 else ones @ a


def neighbours(a: np.ndarray, count: int, axis: int) -> np.ndarray:
    """Sums of so many neighbours along an axis, from those of half as many."""
    if count == 1:
        return a
    half, length = neighbours(a, count // 2, axis), a.shape[axis] + 1 - count

    def at(a: np.ndarray, first: int) -> np.ndarray:
        return a[(slice(None),) * axis + (slice(first, first + length),)]

    total = at(half, 0) + at(half, count // 2)
    return total + at(a, count - 1) if count % 2 else total
