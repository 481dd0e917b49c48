"""Activation functions with their derivatives, safe at any logit.

Each function `a = f(z)` comes with its `f_delta`, which turns `da` = dE/da into `dz` = dE/dz.
All of them keep the dtype and the memory order of what comes in; integers become float64.

Where is the derivative taken? ReLU has its kink at z = 0, a place on the axis of the input, so
`relu_delta` takes z. The derivatives of sigmoid, tanh and softmax are polynomials of the output,
which the forward pass has computed already, so their deltas take a and need no exponential
(chapter 3A). An `a` outside the range of its function is an error: it is most likely z.

Why is no probability here ever exactly 0? A separate cross-entropy divides by a, and the delta of
the activation multiplies by a again. At a = 0 that is 0 * inf, or 0 where a loss clips its
logarithm; the true delta is y - t. With the smallest normal number `tiny` in the place of 0,
a * (1/a) is 1 and the two separate steps give the right delta at any logit; 1/tiny is still
finite. A sigmoid stops at 1 - epsneg, the largest number below 1, because its loss also divides
by 1 - a.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnnlib.arrays import Fn, check_memory, float_arrays, within_memory
from cnnlib.errors import InputError

# How far above 1 (or below 0 or -1) the rounding of another library may have put an output.
ROUNDING = 1e-3


def quiet(fn: Fn) -> Fn:
    """Without a warning: what overflows, or is no number, shows; what underflows is meant to."""
    return within_memory(np.errstate(all="ignore")(fn))


@quiet
def relu(z: ArrayLike) -> NDArray:
    """Rectifier: `a[i] = max(z[i], 0)` for every index i (chapter 1). NaN stays NaN.

    Parameters
    ----------
    z : array of any shape
        Pre-activations.

    Returns
    -------
    a : array of that shape

    Raises
    ------
    InputError
        If z does not hold real numbers.

    Examples
    --------
    >>> relu([-2, 0, 3]).tolist()
    [0.0, 0.0, 3.0]
    """
    (z,) = float_arrays(z=z)
    return np.maximum(z, z.dtype.type(0))


@quiet
def relu_delta(da: ArrayLike, z: ArrayLike) -> NDArray:
    """Delta through ReLU: `dz[i] = da[i] * [z[i] > 0]` for every index i (chapter 3A).

    At the kink z = 0 every slope from 0 to 1 would do; this one is 0, as in PyTorch and TensorFlow.

    Parameters
    ----------
    da, z : arrays of one shape
        dE/da, and the input of `relu`.

    Returns
    -------
    dz : array of that shape

    Raises
    ------
    InputError
        If the shapes differ or an array does not hold real numbers.

    Examples
    --------
    >>> relu_delta([5, 6, 7], [-2, 0, 3]).tolist()
    [0.0, 0.0, 7.0]
    """
    da, z = partners(da, z=z)
    return da * (z > 0)


@quiet
def sigmoid(z: ArrayLike) -> NDArray:
    """Logistic function: `a[i] = 1 / (1 + exp(-z[i]))` for every index i (chapter 1).

    Parameters
    ----------
    z : array of any shape
        Logits.

    Returns
    -------
    a : array of that shape
        Within `tiny` .. `1 - epsneg` of its dtype; the head of this module says why.

    Raises
    ------
    InputError
        If z does not hold real numbers.

    Examples
    --------
    >>> sigmoid([-np.log(3), 0, np.log(3)]).round(12).tolist()
    [0.25, 0.5, 0.75]
    """
    (z,) = float_arrays(z=z)
    info, one = np.finfo(z.dtype), z.dtype.type(1)
    # Below log(tiny) the floor decides. Cut one lower, exp(-z) <= 2.72/tiny: it cannot overflow.
    a = one / (one + np.exp(-np.maximum(z, np.log(info.tiny) - one)))
    return np.clip(a, info.tiny, one - info.epsneg)


@quiet
def sigmoid_delta(da: ArrayLike, a: ArrayLike) -> NDArray:
    """Delta through the sigmoid: `dz[i] = da[i] * a[i] * (1 - a[i])` (chapter 3A).

    Parameters
    ----------
    da, a : arrays of one shape
        dE/da, and the output of `sigmoid` (not its input).

    Returns
    -------
    dz : array of that shape

    Raises
    ------
    InputError
        If the shapes differ, an array does not hold real numbers, or a leaves 0..1.

    Examples
    --------
    >>> sigmoid_delta([16, 16, 16], [0.25, 0.5, 0.75]).tolist()
    [3.0, 4.0, 3.0]
    """
    da, a = partners(da, a=a)
    _check_output("sigmoid", a, least=0)
    return da * a * (1 - a)


@quiet
def tanh(z: ArrayLike) -> NDArray:
    """Hyperbolic tangent: `a[i] = (exp(2 z[i]) - 1) / (exp(2 z[i]) + 1)` (chapter 1).

    Parameters
    ----------
    z : array of any shape
        Pre-activations.

    Returns
    -------
    a : array of that shape

    Raises
    ------
    InputError
        If z does not hold real numbers.

    Examples
    --------
    >>> tanh([-np.log(2), 0, 1000]).round(12).tolist()
    [-0.6, 0.0, 1.0]
    """
    (z,) = float_arrays(z=z)
    return np.tanh(z)


@quiet
def tanh_delta(da: ArrayLike, a: ArrayLike) -> NDArray:
    """Delta through tanh: `dz[i] = da[i] * (1 - a[i]**2)` for every index i (chapter 3A).

    Parameters
    ----------
    da, a : arrays of one shape
        dE/da, and the output of `tanh` (not its input).

    Returns
    -------
    dz : array of that shape

    Raises
    ------
    InputError
        If the shapes differ, an array does not hold real numbers, or a leaves -1..1.

    Examples
    --------
    >>> tanh_delta([4, 4, 4], [-0.5, 0, 1]).tolist()
    [3.0, 4.0, 0.0]
    """
    da, a = partners(da, a=a)
    _check_output("tanh", a, least=-1)
    return da * (1 - a**2)


@quiet
def softmax(z: ArrayLike) -> NDArray:
    """Softmax: `a[..., k] = exp(z[..., k]) / sum_l exp(z[..., l])`, k, l = 0..K-1 (chapter 1).

    Parameters
    ----------
    z : array (..., K)
        Logits; each row along the last axis is a distribution of its own.

    Returns
    -------
    a : array (..., K)
        Not below `tiny` of its dtype; the head of this module says why.

    Raises
    ------
    InputError
        If z has no last axis with K >= 1 entries or does not hold real numbers.

    Examples
    --------
    >>> softmax([0, np.log(2), np.log(5)]).round(12).tolist()
    [0.125, 0.25, 0.625]
    """
    (z,) = float_arrays(z=z)
    _check_row("z", z)
    # A constant taken off a row changes no ratio; with the maximum taken off exp cannot overflow.
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.maximum(e / e.sum(axis=-1, keepdims=True), np.finfo(z.dtype).tiny)


@quiet
def softmax_delta(da: ArrayLike, a: ArrayLike) -> NDArray:
    """Delta through softmax: `dz[..., l] = sum_k da[..., k] * da_k/dz_l`, k, l = 0..K-1.

    With the Jacobian of `softmax_jacobian` this sum becomes
    `dz[..., l] = a[..., l] * (da[..., l] - sum_k da[..., k] * a[..., k])` and needs no matrix
    (chapter 3A).

    Parameters
    ----------
    da, a : arrays (..., K)
        dE/da, and the output of `softmax` (not its input).

    Returns
    -------
    dz : array (..., K)

    Raises
    ------
    InputError
        If the shapes differ or have no last axis with K >= 1 entries, an array does not hold real
        numbers, or a leaves 0..1.

    Examples
    --------
    The sum over k is 8/4 + 4/2 + 0/4 = 4:

    >>> softmax_delta([8, 4, 0], [0.25, 0.5, 0.25]).tolist()
    [1.0, 0.0, -1.0]
    """
    da, a = partners(da, a=a)
    _check_row("a", a)
    _check_output("softmax", a, least=0)
    return a * (da - (da * a).sum(axis=-1, keepdims=True))


@quiet
def softmax_jacobian(a: ArrayLike) -> NDArray:
    """Jacobian of softmax: `J[..., k, l] = da_k/dz_l = a[..., k] * (delta_kl - a[..., l])`.

    k, l = 0..K-1; delta_kl is 1 where k = l and 0 elsewhere. The matrix is symmetric and each row
    sums to 0: the probabilities always sum to 1, so what one gains the others lose (chapter 3A).

    Parameters
    ----------
    a : array (..., K)
        The output of `softmax` (not its input).

    Returns
    -------
    J : array (..., K, K)

    Raises
    ------
    InputError
        If there is no last axis with K >= 1 entries, a does not hold real numbers or leaves 0..1.

    Examples
    --------
    >>> (16 * softmax_jacobian([0.25, 0.75])).tolist()
    [[3.0, -3.0], [-3.0, 3.0]]
    """
    (a,) = float_arrays(a=a)
    _check_row("a", a)
    _check_output("softmax", a, least=0)
    check_memory(f"J of a {a.shape}", 2 * a.size * a.shape[-1] * a.itemsize, "take fewer rows")
    unit = np.eye(a.shape[-1], dtype=a.dtype)  # delta_kl
    return a[..., :, None] * (unit - a[..., None, :])


def partners(da: ArrayLike, **other: ArrayLike) -> list[NDArray]:
    """Read `da` and the array that it meets entry by entry."""
    ((name, _),) = other.items()
    da, partner = float_arrays(da=da, **other)
    if da.shape != partner.shape:
        raise InputError(
            f"da has shape {da.shape} but {name} has shape {partner.shape}; expected equal shapes: "
            f"da is dE/da, one number for each activation"
        )
    return [da, partner]


def _check_row(name: str, a: NDArray) -> None:
    if a.ndim == 0 or a.shape[-1] == 0:
        raise InputError(
            f"{name} has shape {a.shape}; softmax needs a last axis with at least one entry"
        )


def _check_output(function: str, a: NDArray, least: int) -> None:
    """Refuse what cannot be an output of `function`. NaN passes: it spreads by itself."""
    if a.size and (a.min() < least - ROUNDING or a.max() > 1 + ROUNDING):
        raise InputError(
            f"a holds values from {a.min():.6g} to {a.max():.6g}, expected {least} to 1: pass the "
            f"output a = {function}(z), not the input z"
        )
