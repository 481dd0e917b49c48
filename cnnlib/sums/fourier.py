"""The three sums of a convolution as products of Fourier transforms (chapter 7).

Lay the arrays on circles of `L` cells, one circle for each axis: input `p` on cell `p`, output `i`
on cell `s*i`, and weight `u` on cell `q(u)`, the input that output 0 meets through it. The index
rule then says `p = s*i + q(u)`: two of the places determine the third. So each sum is a correlation
or a convolution of two arrays, and at each frequency one product of their transforms: `X`, `H` of
the kernels and `D` of the deltas.

    forward pass       conj(H) X    read at cells s*i
    deltas             H D          read at cells p
    weight gradient    conj(D) X    read at cells q(u)

Stride, dilation, padding, centre and flip only say on which cell a number lies. What leaves a
circle at one end comes back at the other, so `L` is so large that it meets zeros there.

Rounding: for random numbers the largest error of a sum is one to three times the spacing of the
type (1e-7 in float32, 2e-16 in float64) times the largest entry. It grows with the square root of
`log L`: twofold from 32 cells to 100,000, where the sums of `gemm` lose tenfold. But the error
is the same everywhere, so entries far below the largest one are less exact than by `gemm`, and one
NaN or infinity in an image makes all of its results NaN.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from cnnlib.arrays import spatial
from cnnlib.geometry import Axis, Shape, Window

ROOM = 2 << 20  # bytes of a block of transforms: about a core's own cache


class Circles:
    """On which cells of the circles inputs, outputs and weights lie; transforms there and back.

    An array is a matrix for each cell, `(*cells, rows, columns)`: `x` (*P, C, N), `z` (*I, K, N)
    and `w` (*U, K, C). Its transform is a matrix for each frequency.
    """

    def __init__(self, window: Window, P: Shape) -> None:
        from scipy import fft

        self.rule = window.axes(P)
        self.lengths: Shape = tuple(fft.next_fast_len(L, real=True) for L in least(self.rule))
        self.axes = tuple(range(len(P)))
        steps = [axis.input(1, 0) - axis.input(0, 0) for axis in self.rule]
        places = [axis.input(0, np.arange(axis.kernel)) for axis in self.rule]
        self.cells: dict[str, tuple] = {
            "x": tuple(slice(0, axis.inputs) for axis in self.rule),
            "z": tuple(
                slice(0, s * axis.outputs, s) for s, axis in zip(steps, self.rule, strict=True)
            ),
            "w": tuple(q % L for q, L in zip(places, self.lengths, strict=True)),
        }

    def transform(self, name: str, a: np.ndarray) -> np.ndarray:
        """Lay `a` on the circles and transform it, axis by axis: no line is zeros alone."""
        from scipy import fft

        for axis in reversed(self.axes):
            L, before = self.lengths[axis], (slice(None),) * axis
            circle = a
            if name == "w" or a.shape[axis] < L:
                circle = np.zeros((*a.shape[:axis], L, *a.shape[axis + 1 :]), a.dtype)
                circle[*before, self.cells[name][axis]] = a
            if axis == self.axes[-1]:
                a = fft.rfft(circle, axis=axis)
            else:
                a = fft.fft(circle, axis=axis, overwrite_x=True)
        return a

    def back(self, name: str, transform: np.ndarray) -> np.ndarray:
        """Transform back, axis by axis, and read the cells of `name`."""
        from scipy import fft

        a = transform
        for axis, cells in enumerate(self.cells[name]):
            if axis == self.axes[-1]:
                a = fft.irfft(a, self.lengths[axis], axis=axis, overwrite_x=True)
            else:
                a = fft.ifft(a, axis=axis, overwrite_x=True)
            a = a[*(slice(None),) * axis, cells]
        return a

    def blocks(self, count: int, others: int, room: int, dtype: np.dtype) -> Iterator[slice]:
        """Cut `count` rows or columns, so that a block of `others` on each fits in `room`."""
        one = math.prod(self.lengths) * others * dtype.itemsize
        step = math.ceil(count / math.ceil(count / max(1, room // one)))
        for start in range(0, count, step):
            yield slice(start, min(start + step, count))


def least(rule: Iterable[Axis]) -> list[int]:
    """Cells that each circle needs.

    The windows reach from cell `-before` to `P-1+after`. Cells below 0 come back as the last ones,
    which must not be inputs; those above must not come back to the first input. And no two outputs
    or weights may share a cell.
    """
    return [
        max(
            axis.inputs + max(axis.before, axis.after),
            axis.input(axis.outputs - 1, 0) - axis.input(0, 0) + 1,
            abs(axis.input(0, axis.kernel - 1) - axis.input(0, 0)) + 1,
        )
        for axis in rule
    ]


class Transforms:
    """The three sums of one layer, each transform computed once (Mathieu, Henaff, LeCun 2013).

    The forward pass keeps the transform of `x` for the weight gradient. Deltas and weight gradient
    share that of `dz`. An array is known by its identity: do not change it in between.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple] = {}

    def conv(
        self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window
    ) -> np.ndarray:
        """See `fourier.conv`."""
        return conv(x, w, b, window, self)

    def conv_delta(
        self, dz: np.ndarray, w: np.ndarray, input_shape: Shape, window: Window
    ) -> np.ndarray:
        """See `fourier.conv_delta`."""
        return conv_delta(dz, w, input_shape, window, self)

    def conv_weight_gradient(self, x: np.ndarray, dz: np.ndarray, window: Window) -> np.ndarray:
        """See `fourier.conv_weight_gradient`."""
        return conv_weight_gradient(x, dz, window, self)

    def get(self, circles: Circles, name: str, a: np.ndarray) -> np.ndarray:
        """Transform of the whole array, which is computed if another one was kept."""
        array, rule, transform = self._kept.get(name, (None, None, None))
        if array is not a or rule != circles.rule:
            transform = circles.transform(name, np.moveaxis(a, 0, -1))
            self._kept[name] = a, circles.rule, transform
        return transform


@np.errstate(invalid="ignore")  # what is not finite spreads: results show it
def conv(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    window: Window,
    kept: Transforms | None = None,
) -> np.ndarray:
    """conj(H) X at each frequency; the definition is `loops.conv`."""
    circles = Circles(window, spatial(x.shape))
    z = np.empty((len(x), *(axis.outputs for axis in circles.rule), len(w)), x.dtype)
    for n, X in images(circles, kept, max(ROOM, x.nbytes + z.nbytes), x=x):
        for k in circles.blocks(len(w), max(X.shape[-2:]), ROOM, x.dtype):
            H = circles.transform("w", np.moveaxis(w[k], 0, -2))
            z[n, ..., k] = np.moveaxis(circles.back("z", H.conj() @ X), -1, 0)
    if b is not None:
        z += b
    return z


@np.errstate(invalid="ignore")  # what is not finite spreads: results show it
def conv_delta(
    dz: np.ndarray,
    w: np.ndarray,
    input_shape: Shape,
    window: Window,
    kept: Transforms | None = None,
) -> np.ndarray:
    """H.T D at each frequency; the definition is `loops.conv_delta`."""
    circles = Circles(window, spatial(input_shape))
    dx = np.empty(input_shape, dz.dtype)
    for n, D in images(circles, kept, max(ROOM, dx.nbytes + dz.nbytes), z=dz):
        for c in circles.blocks(dx.shape[-1], max(D.shape[-2:]), ROOM, dz.dtype):
            H = circles.transform("w", np.moveaxis(w[..., c], 0, -2))
            dx[n, ..., c] = np.moveaxis(circles.back("x", H.swapaxes(-2, -1) @ D), -1, 0)
    return dx


@np.errstate(invalid="ignore")  # what is not finite spreads: results show it
def conv_weight_gradient(
    x: np.ndarray, dz: np.ndarray, window: Window, kept: Transforms | None = None
) -> np.ndarray:
    """conj(D) X.T at each frequency; the definition is `loops.conv_weight_gradient`."""
    circles = Circles(window, spatial(x.shape))
    dw = np.zeros((dz.shape[-1], *window.kernel, x.shape[-1]), x.dtype)
    for _, X, D in images(circles, kept, max(ROOM, x.nbytes + dz.nbytes), x=x, z=dz):
        for k in circles.blocks(len(dw), max(X.shape[-2:]), ROOM, x.dtype):
            products = D[..., k, :].conj() @ X.swapaxes(-2, -1)
            dw[k] += np.moveaxis(circles.back("w", products), -2, 0)
    return dw


def images(circles: Circles, kept: Transforms | None, room: int, **arrays: np.ndarray) -> Iterator:
    """Yield a slice of the batch, and the transforms of these images in each of the arrays.

    Without `kept` they are computed block by block; with it, once for the whole batch.
    """
    if kept:
        yield slice(None), *(kept.get(circles, name, a) for name, a in arrays.items())
        return
    first = next(iter(arrays.values()))
    rows = sum(a.shape[-1] for a in arrays.values())
    for n in circles.blocks(len(first), rows, room, first.dtype):
        yield n, *(circles.transform(name, np.moveaxis(a[n], 0, -1)) for name, a in arrays.items())
