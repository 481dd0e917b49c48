"""Max-pooling and average-pooling, forwards and backwards: the public functions.

A pool uses the connection table of a convolution, without weights. All the outputs that meet their
inputs through one cell `u` of the window are a slice, and so are those inputs, a stride apart: the
sums run over the few `u` in Python and over the slices in NumPy (`geometry.partners`).
"""

import math

import numpy as np

from .errors import InputError
from .geometry import Axis, Shape, Window, partners, per_axis
from .layout import (
    batch_last,
    channels_last,
    check_deltas,
    check_images,
    check_shape,
    float_arrays,
    spatial,
)

Pooled = tuple[np.ndarray, np.ndarray]  # the outputs and their winners


def max_pool(x, window, *, stride=None, padding=None, center=None, flip=False) -> Pooled:
    """Keep the largest input of every window, and remember which it was (chapter 1, "Max-pooling").

        a[n,i,c] = max_u x[n,p,c],   p = s*i + o - g*(u - u0),   p within 0..P-1

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
    winners : int64 array (N, *I, C)
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
    xt, axes = _read(x, window, stride, padding, center, flip)
    a = np.full((len(xt), *(axis.outputs for axis in axes), xt.shape[-1]), -np.inf, xt.dtype)
    # In the order of the inputs: it grows with each step in `u`, unless the window is flipped.
    meetings = [(outputs, xt[:, *inputs]) for _, outputs, inputs in partners(axes)]
    meetings = meetings[:: -1 if flip else 1]
    for outputs, new in meetings:
        best = a[:, *outputs]
        np.maximum(best, new, out=best)
    # The winner is the first cell of a window that equals its best. Count the cells before it:
    # bytes, which the processor compares and adds many at a time.
    has_nan = bool(np.isnan(a).any())
    searching = np.ones(a.shape, bool)
    passed = np.zeros(a.shape, np.uint8 if len(meetings) <= 256 else np.int64)
    for outputs, new in meetings[:-1]:
        loses = new != a[:, *outputs]
        if has_nan:
            loses &= ~np.isnan(new)
        still = searching[:, *outputs]
        np.logical_and(still, loses, out=still)
        np.add(passed, searching, out=passed)
    first, steps = _cells(axes)
    return channels_last(a), channels_last(first + steps[passed])


def max_pool_delta(da, winners, input_shape) -> np.ndarray:
    """Carry the deltas of a max-pool back (chapter 3, "Max-pooling").

    Each delta goes to the input that won, and there they add up:

        dx[n,p,c] = sum of da[n,i,c] over the outputs i with winners[n,i,c] = p

    Parameters
    ----------
    da : array (N, *I, C)
        Derivatives of the loss by the outputs of `max_pool`.
    winners : int array (N, *I, C)
        The second result of `max_pool`.
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
    winners = np.asarray(winners)
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
    dat, winners = batch_last(da), batch_last(winners.astype(np.int64, copy=False))
    C, N = len(dat), dat.shape[-1]
    c = np.arange(C).reshape(C, *(1,) * (dat.ndim - 1))
    place = (winners + c * cells) * N + np.arange(N)  # flat, in (C, *P, N)
    dx = np.zeros(C * cells * N, da.dtype)
    np.add.at(dx, place.ravel(), dat.ravel())  # adds up where places repeat, unlike dx[place] +=
    return channels_last(dx.reshape(C, *spatial(input_shape), N))


def avg_pool(
    x, window, *, stride=None, padding=None, center=None, flip=False, count_padding=False
) -> np.ndarray:
    """Keep the mean of every window (chapter 1, "Average-pooling").

        a[n,i,c] = 1/count[i] * sum_u x[n,p,c],   p = s*i + o - g*(u - u0),   p within 0..P-1

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
    xt, axes = _read(x, window, stride, padding, center, flip)
    a = np.zeros((len(xt), *(axis.outputs for axis in axes), xt.shape[-1]), xt.dtype)
    for _, outputs, inputs in partners(axes):
        a[:, *outputs] += xt[:, *inputs]
    a /= _count(axes, count_padding, a.dtype)
    return channels_last(a)


def avg_pool_delta(
    da,
    input_shape,
    window,
    *,
    stride=None,
    padding=None,
    center=None,
    flip=False,
    count_padding=False,
) -> np.ndarray:
    """Carry the deltas of an average-pool back (chapter 3, "Average-pooling").

    Every input of a window gets an equal share:

        dx[n,p,c] = sum_i sum_u da[n,i,c] / count[i]   over i, u with s*i + o - g*(u - u0) = p

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
    axes = _lay(spatial(input_shape), window, stride, padding, center, flip)
    I = (axis.outputs for axis in axes)
    check_deltas("da", da, (input_shape[0], *I, input_shape[-1]))
    dat = batch_last(da)
    share = dat / _count(axes, count_padding, da.dtype)
    dx = np.zeros((len(dat), *spatial(input_shape), len(da)), da.dtype)
    for _, outputs, inputs in partners(axes):
        dx[:, *inputs] += share[:, *outputs]
    return channels_last(dx)


def _read(x, window, stride, padding, center, flip) -> tuple[np.ndarray, tuple[Axis, ...]]:
    (x,) = float_arrays(x=x)
    check_images("x", x)
    return batch_last(x), _lay(spatial(x.shape), window, stride, padding, center, flip)


def _lay(P: Shape, window, stride, padding, center, flip) -> tuple[Axis, ...]:
    """Lay the window on an input of spatial shape `P`; refuse a window that meets no input."""
    U = per_axis("window", window, len(P), 1)
    s = U if stride is None else stride
    axes = Window(U, s, padding=padding, center=center, flip=flip).axes(P)
    for n, axis in enumerate(axes):
        if 0 in axis.meets():
            i = int(np.argmin(axis.meets()))
            raise InputError(
                f"window {i} on spatial axis {n} meets no input: its cells are "
                f"{axis.input(i, 0)} to {axis.input(i, axis.kernel - 1)} of {axis.inputs}; "
                "use less padding"
            )
    return axes


def _cells(axes: tuple[Axis, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Flat input position of each window's first cell, `(*I, 1)`, and the steps to its others."""
    first = steps = np.zeros((), np.int64)
    for axis in axes:  # flat index in C order, one axis at a time
        i, U = np.arange(axis.outputs), axis.kernel
        first = np.add.outer(
            first * axis.inputs, np.minimum(axis.input(i, 0), axis.input(i, U - 1))
        )
        steps = np.add.outer(steps * axis.inputs, np.arange(U))  # a pool has no dilation
    return first[..., None], steps.ravel()


def _count(axes: tuple[Axis, ...], count_padding: bool, dtype) -> np.ndarray:
    """Cells that a mean divides by, as `(*I, 1)`."""
    count = np.ones((), dtype)
    for axis in axes:
        met = np.full(axis.outputs, axis.kernel) if count_padding else axis.meets()
        count = np.multiply.outer(count, met.astype(dtype))
    return count[..., None]
