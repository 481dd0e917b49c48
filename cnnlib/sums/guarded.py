"""Products of transforms where the numbers allow it; where not, matrix products.

A transform rounds all its numbers together (see `fourier`): one input of a million leaves errors of
0.1 in outputs that never met it, one NaN leaves NaN. So `method='auto'` looks at the numbers first,
and takes transforms only if what they round stays below LOST of an output's own sum of |w||x|.

What they round. Let W = sum_u sum_c |w[k,u,c]|, and rms(x) be the root of the mean square of x over
the L cells of the circles. A transform has log2(L) stages; each rounds numbers of that mean square
by `eps`, half the spacing of the type. At no frequency the kernel's transform is above W. Roundings
know nothing of each other and add up like their squares; four standard deviations are

    error of z[n,i,k] <= eps * (4 * sqrt(log2 L) * W * rms(x) + 2 * Z)

where the last term is for the largest output Z, which the last stages of the way back round, and
spread over its neighbours. Z <= sqrt(sum w**2 * sum x**2), and Z <= W * max|x|.

An output's own sum. Say that weights and inputs meet as if mixed. Then T terms sum up to W * m,
with m the mean of |x|, and by chance to three standard deviations less, each of which is
rms(w) * rms(x) * sqrt(T). A window, wherever it lies, holds a whole block of half its sides; so m
is that of the quietest block. A window that lies partly beside the image is taken as if the image
went on there: else no `dx` could be a product of transforms, for its corner is one product of two
numbers.

For the deltas read `dz` for x; for the weight gradient, whose window is all outputs, `dz` for w.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from cnnlib.arrays import spatial
from cnnlib.geometry import Axis, Shape, Window

from . import careful, fourier

LOST = 168  # roundings of the size `eps`: 1e-5 in float32, 2e-14 in float64
ENOUGH = 64  # numbers of a block that are looked at, for the mean of their sizes


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
        if harmless(x, dz, weights(window.axes(spatial(x.shape))), batch=True):
            return fourier.conv_weight_gradient(x, dz, window, self.kept)
        return careful.conv_weight_gradient(x, dz, window)


class Plan(NamedTuple):
    """What the geometry says of one of the sums."""

    sides: Shape  # of a window, in cells of the array that it lies on
    share: float  # of the weights, that one result has terms with
    circle: int  # L


Axes = tuple[Axis, ...]


@lru_cache(1024)
def forwards(axes: Axes) -> Plan:
    """A window lies on inputs."""
    sides = tuple(axis.dilation * (axis.kernel - 1) + 1 for axis in axes)
    return Plan(sides, 1, math.prod(fourier.least(axes)))


@lru_cache(1024)
def backwards(axes: Axes) -> Plan:
    """An input went into these outputs; with a stride through every second weight, or third."""
    every = [axis.stride // math.gcd(axis.stride, axis.dilation) for axis in axes]
    share = math.prod(a.kernel // n / a.kernel for a, n in zip(axes, every, strict=True))
    sides = tuple(axis.dilation * (axis.kernel - 1) // axis.stride + 1 for axis in axes)
    return Plan(sides, share, math.prod(fourier.least(axes)))


@lru_cache(1024)
def weights(axes: Axes) -> Plan:
    """A weight joined these inputs to all outputs."""
    sides = tuple(axis.stride * (axis.outputs - 1) + 1 for axis in axes)
    return Plan(sides, 1, math.prod(fourier.least(axes)))


def harmless(x: np.ndarray, w: np.ndarray, plan: Plan, *, batch: bool = False) -> bool:
    """Whether the bound is below LOST of the least sum of |w||x|, in the letters of `conv`.

    `batch` says that a result is a sum over all images, which `w` has as well.
    """
    with np.errstate(all="ignore"):
        squares, means = sizes(x, plan.sides)
        if batch:
            quarters = tuple(max(1, side // 4) for side in spatial(w.shape))
            w_squares, w_means = sizes(w, quarters)
            w_squares, w_means = w_squares.mean(), np.median(w_means)  # one may have a loud line
            squares, least = squares.mean(), means.mean(axis=0).min()
            T, cells = w.size // w.shape[-1], x.size * w.size
        else:
            axes = tuple(range(1, w.ndim))
            w_squares, w_means = np.square(w).mean(axis=axes), np.abs(w).mean(axis=axes)
            least = means.min(axis=1)
            T, cells = w[0].size, x[0].size * w[0].size
        q, r = ratio(np.sqrt(w_squares), w_means), ratio(np.sqrt(squares), least)
        if not q * r < math.inf or plan.share == 0:
            return False
        # All in units of `eps * W * m`.
        own = LOST * plan.share * (1 - 3 * q * r / math.sqrt(T * plan.share))
        on_circle = math.prod(spatial(x.shape)) / plan.circle  # the other cells are 0
        own -= 4 * math.sqrt(math.log2(plan.circle + 1) * on_circle) * r
        if 2 * q * r * math.sqrt(cells) / T <= own:  # by Cauchy and Schwarz
            return True
        axes = tuple(range(0 if batch else 1, x.ndim))
        peak = np.maximum(x.max(axis=axes), -x.min(axis=axes))
        return own > 0 and 2 * ratio(peak, least) <= own


def sizes(a: np.ndarray, sides: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Mean squares, one for each image; and means of |a|, for each image and block.

    Wherever a window of these sides lies, a block is in it. All numbers are squared: so no loud
    one escapes. The means are of a part of the lines.
    """
    a = np.ascontiguousarray(a, np.float32 if a.dtype == np.float16 else None)
    N, *P, C = a.shape
    rows = a.reshape(N, 1, -1)
    squares = (rows @ rows.swapaxes(1, 2)).ravel() / rows.shape[-1]
    block = [max(1, min((side + 1) // 2, p)) for side, p in zip(sides, P, strict=True)]
    step = max(1, min(block[0], math.prod(block) * C // ENOUGH))
    rows, P[0], block[0] = np.abs(a[:, ::step]), -(-P[0] // step), block[0] // step
    for p, side in zip(P[:-1], block[:-1], strict=True):
        rows = rows.reshape(len(rows), p, -1)[:, : p // side * side]
        rows = rows.reshape(-1, side, rows.shape[-1])
        rows = np.ones(side, a.dtype) @ rows if side > 1 else rows[:, 0]
    p, side = P[-1] * C, block[-1] * C
    rows = rows.reshape(-1, p)[:, : p // side * side].reshape(-1, side)
    means = rows @ np.full(side, 1 / (math.prod(block) * C), a.dtype)
    return squares, means.reshape(N, -1)


def ratio(size: np.ndarray, mean: np.ndarray) -> float:
    """How many times as large as the mean, at most. Of zeros alone: 0."""
    zero = np.where(mean == 0, 0.0, np.inf)  # squares of tiny numbers are 0
    return float(np.where(size == 0, zero, size / mean).max())
