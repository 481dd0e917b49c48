"""Max-pooling and average-pooling, forwards and backwards: the public functions.

A pool uses the connection table of a convolution, without weights. Its window is a rectangle, so
it is taken along one axis after the other: the best of a window is the best of its lines' bests.
Along an axis, the outputs that meet their inputs through one cell `u` of the window are a slice,
and so are those inputs, a stride apart: the loops run over the few `u` in Python, over slices in
NumPy.

Along the last axis such a slice would be in pieces, of as few numbers as there are channels. So the
windows along that axis are laid a cell apart, and every `s`-th of their results is kept (`_dense`).
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from .arrays import (
    check_deltas,
    check_images,
    check_memory,
    check_shape,
    float_arrays,
    read_array,
    read_truth,
    spatial,
    within_memory,
)
from .errors import InputError
from .geometry import Axis, Padding, PerAxis, Shape, Window, per_axis

WINNER = np.dtype(np.intp).itemsize

Axes = tuple[Axis, ...]
Pooled = tuple[np.ndarray, np.ndarray]  # the outputs and their winners


def max_pool(
    x: ArrayLike,
    window: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: Padding = None,
    center: PerAxis | None = None,
    flip: bool = False,
) -> Pooled:
    """Keep the largest input of every window, and remember which it was (chapter 1, "Max-pooling").

        a[n,i,c] = max_u x[n,p,c],   p = s*i + o + g*(u - u0),   p within 0..P-1

    for samples `n`, outputs `i = 0..I-1`, channels `c`, over the cells `u = 0..U-1` of the window.
    Padding never wins: it counts as minus infinity. A tie goes to the smallest flat input position.
    A NaN wins over every number.

    Parameters
    ----------
    x : array (N, *P, C)
        Images: batch, one or more spatial axes, channels.
    window : int or one int per axis
        Shape `U` of the window.
    stride : int or one int per axis, optional
        `s`. By default the window's own shape, so that windows do not overlap.
    padding, center, flip
        As in `cnnlib.conv`.

    Returns
    -------
    a : array (N, *I, C)
        The largest inputs. Float arrays keep their type; integers become float64.
    winners : intp array (N, *I, C)
        For each output the flat index, in C order, of its winner among the `*P` cells.

    Raises
    ------
    InputError
        A shape, a type or the geometry is wrong, or a window meets no input.

    Examples
    --------
    >>> a, winners = max_pool(np.array([3, 8, 5, 5]).reshape(1, 4, 1), 2)
    >>> a.ravel().tolist(), winners.ravel().tolist()
    ([8.0, 5.0], [1, 2])
    """
    (x,) = float_arrays(x=x)
    check_images("x", x)
    return max_over(x, lay_pool(spatial(x.shape), window, stride, padding, center, flip))


@within_memory
def max_over(x: np.ndarray, axes: Axes) -> Pooled:
    """`max_pool` of images on which the window is laid already."""
    (x,) = float_arrays(x=x)
    axes = tuple(map(_trimmed, axes))
    outputs = len(x) * math.prod(axis.outputs for axis in axes) * x.shape[-1]
    _check_memory(outputs, x.itemsize + WINNER)
    has_nan = bool(np.isnan(x.max()))
    best = _padded(x, axes)
    size = math.prod(axis.kernel for axis in axes)  # cells of a window, which are numbered from 0
    number = np.zeros(best.shape, np.min_scalar_type(size - 1))
    # The last axis first. Then of equal cells the one in the first line wins, and there the first:
    # along each axis a cell replaces an earlier one only if it is better.
    step = 1  # between the numbers of cells that are neighbours along the axis
    for n, axis in reversed(list(enumerate(axes, 1))):
        last = n == len(axes)
        best, number = _best(best, number, n, _dense(axis) if last else axis, step, has_nan)
        if last:
            best, number = _kept(best, axis), _kept(number, axis)
        step *= axis.kernel
    # What is large is not kept: there may be many of them.
    find = _cells if outputs < 1 << 14 else _cells.__wrapped__
    first, first_input, steps = find(axes)
    winners = first + steps.take(number)
    if (first < first_input).any():
        # Cell 0 of a window may be padding. If it is the best all the same, no input of the window
        # is above minus infinity, and the first of them wins.
        winners = np.where(number == 0, first_input, winners)
    return np.ascontiguousarray(best), winners


@within_memory
def max_pool_delta(da: ArrayLike, winners: ArrayLike, input_shape: Sequence[int]) -> np.ndarray:
    """Carry the deltas of a max-pool back (chapter 3, "Max-pooling").

    Each delta goes to the input that won, and there they add up:

        dx[n,p,c] = sum of da[n,i,c] over the outputs i with winners[n,i,c] = p

    Parameters
    ----------
    da : array (N, *I, C)
        Derivatives of the loss by the outputs of `max_pool`.
    winners : int array (N, *I, C)
        The second result of `max_pool`, for this `input_shape`: they are numbers of its cells, and
        those of another shape of image, as long as they lie inside, would be other cells.
    input_shape : tuple (N, *P, C)
        Shape of the `x` of the forward pass.

    Returns
    -------
    array (N, *P, C)
        Derivatives of the loss by the inputs; 0 for an input that won no window.

    Raises
    ------
    InputError
        The shapes do not fit, or a winner lies outside the input.

    Examples
    --------
    Input 1 won both windows of `[3, 8, 5]`, each two cells wide at stride 1: 10 + 20.

    >>> a, winners = max_pool(np.array([3, 8, 5]).reshape(1, 3, 1), 2, stride=1)
    >>> max_pool_delta(np.array([10, 20]).reshape(1, 2, 1), winners, (1, 3, 1)).ravel().tolist()
    [0.0, 30.0, 0.0]
    """
    (da,) = float_arrays(da=da)
    check_images("da", da)
    input_shape = check_shape(input_shape, da.ndim - 2)
    winners = read_array("winners", winners)
    cells = math.prod(spatial(input_shape))
    check_deltas("da", da, (input_shape[0], *spatial(da.shape), input_shape[-1]))
    if winners.shape != da.shape or winners.dtype.kind not in "iu":
        raise InputError(
            f"winners has shape {winners.shape} and dtype {winners.dtype}; expected integers of "
            f"the shape of da, {da.shape}: pass the second result of max_pool"
        )
    if winners.min() < 0 or winners.max() >= cells:
        raise InputError(
            f"winners runs from {winners.min()} to {winners.max()}; an input of spatial shape "
            f"{spatial(input_shape)} has the flat positions 0 to {cells - 1}"
        )
    N, C = len(da), da.shape[-1]
    image = np.arange(N).reshape(N, *(1,) * (da.ndim - 1))
    place = (winners.astype(np.intp, copy=False) + image * cells) * C + np.arange(C)  # in dx, flat
    _check_memory(N * cells * C, da.itemsize)
    dx = np.zeros(N * cells * C, da.dtype)
    np.add.at(dx, place.ravel(), da.ravel())  # adds up where places repeat, unlike dx[place] +=
    return dx.reshape(input_shape)


def avg_pool(
    x: ArrayLike,
    window: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: Padding = None,
    center: PerAxis | None = None,
    flip: bool = False,
    count_padding: bool = False,
) -> np.ndarray:
    """Keep the mean of every window (chapter 1, "Average-pooling").

        a[n,i,c] = 1/count[i] * sum_u x[n,p,c],   p = s*i + o + g*(u - u0),   p within 0..P-1

    for samples `n`, outputs `i = 0..I-1`, channels `c`, over the cells `u = 0..U-1` of the window.
    `count[i]` is the number of inputs that the window meets, or with `count_padding` always the
    number of its cells.

    Parameters
    ----------
    x, window, stride, padding, center, flip
        As in `max_pool`.
    count_padding : bool
        Whether cells of padding count, as zeros.

    Returns
    -------
    array (N, *I, C)
        The means. Float arrays keep their type; integers become float64.

    Raises
    ------
    InputError
        A shape, a type or the geometry is wrong, or a window meets no input.

    Examples
    --------
    >>> avg_pool(np.array([3, 8, 5, 5]).reshape(1, 4, 1), 2).ravel().tolist()
    [5.5, 5.0]
    """
    (x,) = float_arrays(x=x)
    check_images("x", x)
    axes = lay_pool(spatial(x.shape), window, stride, padding, center, flip)
    return mean_over(x, axes, read_truth("count_padding", count_padding))


@within_memory
def mean_over(x: np.ndarray, axes: Axes, count_padding: bool) -> np.ndarray:
    """`avg_pool` of images on which the window is laid already."""
    (x,) = float_arrays(x=x)
    _check_memory(len(x) * math.prod(axis.outputs for axis in axes) * x.shape[-1], x.itemsize)
    a = _wide(x)
    for n, axis in enumerate(axes, 1):
        a = _added(a, n, axis) if n < len(axes) else _kept(_added(a, n, _dense(axis)), axis)
    a /= _count(axes, count_padding, a.dtype)
    return a.astype(x.dtype, copy=False)


def avg_pool_delta(
    da: ArrayLike,
    input_shape: Sequence[int],
    window: PerAxis,
    *,
    stride: PerAxis | None = None,
    padding: Padding = None,
    center: PerAxis | None = None,
    flip: bool = False,
    count_padding: bool = False,
) -> np.ndarray:
    """Carry the deltas of an average-pool back (chapter 3, "Average-pooling").

    Every input of a window gets an equal share:

        dx[n,p,c] = sum_i sum_u da[n,i,c] / count[i]   over i, u with s*i + o + g*(u - u0) = p

    Parameters
    ----------
    da : array (N, *I, C)
        Derivatives of the loss by the outputs of `avg_pool`.
    input_shape : tuple (N, *P, C)
        Shape of the `x` of the forward pass.
    window, stride, padding, center, flip, count_padding
        As in the forward pass, see `avg_pool`.

    Returns
    -------
    array (N, *P, C)
        Derivatives of the loss by the inputs; 0 where no window met an input.

    Raises
    ------
    InputError
        A shape, a type or the geometry is wrong.

    Examples
    --------
    >>> da = np.array([10, 20]).reshape(1, 2, 1)
    >>> avg_pool_delta(da, (1, 3, 1), 2, stride=1).ravel().tolist()
    [5.0, 15.0, 10.0]
    """
    (da,) = float_arrays(da=da)
    check_images("da", da)
    input_shape = check_shape(input_shape, da.ndim - 2)
    axes = lay_pool(spatial(input_shape), window, stride, padding, center, flip)
    return mean_delta_over(da, input_shape, axes, read_truth("count_padding", count_padding))


@within_memory
def mean_delta_over(
    da: np.ndarray, input_shape: Shape, axes: Axes, count_padding: bool
) -> np.ndarray:
    """`avg_pool_delta` of deltas for images on which the window is laid already."""
    (da,) = float_arrays(da=da)
    I = (axis.outputs for axis in axes)
    check_deltas("da", da, (input_shape[0], *I, input_shape[-1]))
    _check_memory(math.prod(input_shape), da.itemsize)
    dx = _wide(da)
    dx = dx / _count(axes, count_padding, dx.dtype)
    for n, axis in reversed(list(enumerate(axes, 1))):
        if n == len(axes):
            dx, axis = _spread(dx, axis), _dense(axis)
        dx = _added(dx, n, axis, back=True)
    return dx.astype(da.dtype, copy=False)


def lay_pool(
    P: Shape,
    window: PerAxis,
    stride: PerAxis | None,
    padding: Padding,
    center: PerAxis | None,
    flip: bool,
) -> Axes:
    """Lay the window on an input of spatial shape `P`; refuse a window that meets no input."""
    U = per_axis("window", window, len(P), 1)
    s = U if stride is None else stride
    axes = Window(U, s, padding=padding, center=center, flip=flip).axes(P)
    _refuse_empty(axes)
    return axes


def _padded(x: np.ndarray, axes: Axes) -> np.ndarray:
    """The inputs from the first window's first cell on, minus infinity where there are none."""
    pads = [(axis.before, axis.after) for axis in axes]
    if not any(map(any, pads)):
        return x
    return np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=-np.inf)


def _best(
    cells: np.ndarray, numbers: np.ndarray, n: int, axis: Axis, step: int, has_nan: bool
) -> Pooled:
    """The best of every window along array axis `n` of padded cells, and the number of its cell.

    A cell's number is its place in its window, counted in C order over the axes done so far: cell
    `t` of this axis adds `t*step` to the number that the best of its line has.
    """
    s, end = axis.stride, axis.stride * (axis.outputs - 1) + 1
    best, number = _at(cells, n, slice(0, end, s)), _at(numbers, n, slice(0, end, s))
    for t in range(1, axis.kernel):
        there = slice(t, t + end, s)
        cell = _at(cells, n, there)
        better = cell > best
        if has_nan:
            better |= np.isnan(cell) & ~np.isnan(best)
        best = np.maximum(best, cell)
        # Later cells have higher numbers.
        number = np.maximum(number, better * (_at(numbers, n, there) + number.dtype.type(t * step)))
    return best, number


def _added(a: np.ndarray, n: int, axis: Axis, back: bool = False) -> np.ndarray:
    """The sum of every window along array axis `n`; or, back, each number to all of its window."""
    length = axis.inputs if back else axis.outputs
    total = np.zeros((*a.shape[:n], length, *a.shape[n + 1 :]), a.dtype)
    for u in axis.met():
        outputs, inputs = axis.reach(u)
        to, of = (inputs, outputs) if back else (outputs, inputs)
        part = _at(total, n, to)
        part += _at(a, n, of)
    return total


def _wide(a: np.ndarray) -> np.ndarray:
    """What sums are computed in: float16 counts to 2048, and ends at 65504."""
    return a.astype(np.result_type(a, np.float32), copy=False)


@lru_cache(1024)  # a small image takes less time
def _trimmed(axis: Axis) -> Axis:
    """The same windows without the cells that always lie beside the input: they never win."""
    met = axis.met()
    if len(met) == axis.kernel:
        return axis
    moved = axis.input(0, met.start) - axis.input(0, 0)
    return replace(axis, kernel=len(met), offset=axis.offset + moved)


def _check_memory(numbers: int, each: int) -> None:
    check_memory("the result", numbers * each, "pass fewer images, or smaller ones")


@lru_cache(1024)  # a small image takes less time
def _dense(axis: Axis) -> Axis:
    """The same windows and those between them: one on every cell."""
    return replace(axis, stride=1, outputs=axis.stride * (axis.outputs - 1) + 1)


def _kept(a: np.ndarray, axis: Axis) -> np.ndarray:
    """Of the results of `_dense`, those of the axis itself."""
    return a[..., :: axis.stride, :].copy()


def _spread(a: np.ndarray, axis: Axis) -> np.ndarray:
    """`_kept` backwards: zeros for the windows between."""
    dense = np.zeros((*a.shape[:-2], _dense(axis).outputs, a.shape[-1]), a.dtype)
    dense[..., :: axis.stride, :] = a
    return dense


def _at(a: np.ndarray, n: int, part: slice) -> np.ndarray:
    return a[(slice(None),) * n + (part,)]


@lru_cache(256)  # for steps of a training, which pool the same shapes again and again
def _refuse_empty(axes: Axes) -> None:
    """Without a list of the windows: a file may promise more of them than there is memory."""
    for n, axis in enumerate(axes):
        # A pool has no dilation. So windows that meet nothing lie before the input, and window 0 is
        # one, or behind it: those with s*i - before >= P.
        behind = -(-(axis.inputs + axis.before) // axis.stride)
        i = 0 if axis.before >= axis.kernel else behind
        if i < axis.outputs:
            raise InputError(
                f"window {i} on spatial axis {n} meets no input: its cells are "
                f"{axis.input(i, 0)} to {axis.input(i, axis.kernel - 1)} of {axis.inputs}; "
                "use less padding"
            )


@lru_cache(256)
def _cells(axes: Axes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flat positions of each window's first cell and first input, `(*I, 1)`; steps to its cells."""
    first = first_input = steps = np.zeros((), np.intp)
    for axis in axes:  # flat index in C order, one axis at a time
        i, U = np.arange(axis.outputs), axis.kernel
        p = np.minimum(axis.input(i, 0), axis.input(i, U - 1))
        first = np.add.outer(first * axis.inputs, p)
        first_input = np.add.outer(first_input * axis.inputs, np.maximum(p, 0))
        steps = np.add.outer(steps * axis.inputs, np.arange(U))  # a pool has no dilation
    return first[..., None], first_input[..., None], steps.ravel()


def _count(axes: Axes, count_padding: bool, dtype: np.dtype) -> np.ndarray:
    """Cells that a mean divides by, as `(*I, 1)`."""
    count = np.ones((), dtype)
    for axis in axes:
        met = np.full(axis.outputs, axis.kernel) if count_padding else axis.inputs_met()
        count = np.multiply.outer(count, met.astype(dtype))
    return count[..., None]
