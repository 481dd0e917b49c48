"""Convolution, forwards and backwards: the public functions.

They read and check their arguments, choose a method, and hand over: to `loops`, the sums as the
book writes them, to `gemm`, the same sums as matrix products, or to `fourier`, the same as products
of Fourier transforms.
"""

import math
from functools import lru_cache
from operator import mul
from typing import Any

import numpy as np

from .arrays import check_deltas, check_images, check_shape, float_arrays, spatial
from .errors import InputError
from .geometry import Axis, Shape, Window, per_axis
from .sums import fourier, gemm, loops
from .sums.blocks import cut, time

# Nanoseconds of each thing that `counts` counts (which are nanoseconds already where `blocks.time`
# estimates them), fitted to measurements by `python benchmarks/fourier.py --fit`. Only the ratio of
# the two sums matters.
COSTS = {"gemm": (1.1, 100000.0), "fft": (0.41, 0.39, 1.3, 220000.0)}


def conv(
    x, w, b=None, *, stride=1, dilation=1, padding=None, center=None, flip=False, method="auto"
) -> np.ndarray:
    """Convolve images with a kernel: the forward pass (chapter 1, "The formula").

    Every output collects the inputs its window lies on, each times its weight:

        z[n,i,k] = b[k] + sum_u sum_c w[k,u,c] * x[n,p,c],   p = s*i + o - g*d*(u - u0)

    for samples `n = 0..N-1`, outputs `i = 0..I-1` and filters `k = 0..K-1`, over weights
    `u = 0..U-1` and channels `c = 0..C-1`, leaving out each `p` outside `0..P-1` (one rule per
    spatial axis, see `cnnlib.connections`).

    Parameters
    ----------
    x : array (N, *P, C)
        Images: batch, one or more spatial axes, channels.
    w : array (K, *U, C)
        One kernel for each of `K` filters.
    b : array (K,), optional
        One bias for each filter.
    stride, dilation : int or one int per axis
        `s` and `d`, at least 1.
    padding : None, 'valid', 'same', 'full', int, one int per axis, or one pair per axis
        Zeros around the input, see `cnnlib.Window`. None is 'valid', unless a centre is given.
    center : int or one int per axis, optional
        The weight `u0` on the output's own place. Instead of `padding`.
    flip : bool
        True for a convolution (`g = +1`), False for a cross-correlation (`g = -1`), which is what
        the field calls a convolution.
    method : {'auto', 'gemm', 'loops', 'fft'}
        'loops' is the specification, 'gemm' the same by matrix products, 'fft' by Fourier
        transforms, up to rounding (see `cnnlib.sums.fourier`). 'auto' is 'gemm' or 'fft', whichever
        should be faster: 'fft' for large kernels.

    Returns
    -------
    array (N, *I, K)
        Float arrays keep their type; integers are computed in float64.

    Raises
    ------
    InputError
        A shape, a type or the geometry is wrong.

    Examples
    --------
    A kernel of two weights slides over three numbers: 1*10 + 2*20 and 1*20 + 2*30.

    >>> x = np.array([10, 20, 30]).reshape(1, 3, 1)
    >>> w = np.array([1, 2]).reshape(1, 2, 1)
    >>> conv(x, w).ravel().tolist()
    [50.0, 80.0]

    Flipped, the weights change places: 2*10 + 1*20 and 2*20 + 1*30.

    >>> conv(x, w, flip=True).ravel().tolist()
    [40.0, 70.0]
    """
    given = (x, w)
    x, w = float_arrays(x=x, w=w)
    if b is not None:
        x, w, b = float_arrays(x=x, w=w, b=b)
    _check_kernel(w)
    window = Window(spatial(w.shape), stride, dilation, padding, center, flip)
    check_images("x", x, len(window.kernel))
    if x.shape[-1] != w.shape[-1]:
        first = x.shape[1] == w.shape[-1]
        cure = "; did you pass channels first? np.moveaxis(x, 1, -1)" if first else ""
        raise InputError(
            f"x has {x.shape[-1]} channels (shape {x.shape}) but w was made for {w.shape[-1]} "
            f"(shape {w.shape}){cure}"
        )
    if b is not None and b.shape != (len(w),):
        raise InputError(
            f"b has shape {b.shape}; expected ({len(w)},): one bias for each filter of w, whose "
            f"shape is {w.shape}"
        )
    sums = engine(exact(method, given), x.shape, len(w), window)
    return sums.conv(x, w, b, window)


def conv_delta(
    dz,
    w,
    input_shape,
    *,
    stride=1,
    dilation=1,
    padding=None,
    center=None,
    flip=False,
    method="auto",
) -> np.ndarray:
    """Carry deltas back to the input (chapter 3, "From the table to the gather form").

    Every input collects the deltas of the outputs it went into, each times the same weight:

        dx[n,p,c] = sum_i sum_u sum_k w[k,u,c] * dz[n,i,k]   over i, u with s*i + o - g*d*(u-u0) = p

    for samples `n`, inputs `p = 0..P-1` and channels `c = 0..C-1`. An input that no window met
    gets 0.

    Parameters
    ----------
    dz : array (N, *I, K)
        The deltas: derivatives of the loss by the outputs of `conv`.
    w : array (K, *U, C)
        The kernel of the forward pass.
    input_shape : tuple (N, *P, C)
        Shape of the forward pass's `x`. The deltas alone do not determine it: with a stride, the
        last cells of the input may be left over.
    stride, dilation, padding, center, flip, method
        As in the forward pass, see `conv`.

    Returns
    -------
    array (N, *P, C)
        Derivatives of the loss by the inputs.

    Raises
    ------
    InputError
        A shape, a type or the geometry is wrong, or `dz` is not of the forward pass's shape.

    Examples
    --------
    Input 1 went into output 0 through weight 2 and into output 1 through weight 1: 2*5 + 1*7 = 17.

    >>> dz = np.array([5, 7]).reshape(1, 2, 1)
    >>> w = np.array([1, 2]).reshape(1, 2, 1)
    >>> conv_delta(dz, w, (1, 3, 1)).ravel().tolist()
    [5.0, 17.0, 14.0]
    """
    given = (dz, w)
    dz, w = float_arrays(dz=dz, w=w)
    _check_kernel(w)
    window = Window(spatial(w.shape), stride, dilation, padding, center, flip)
    input_shape = check_shape(input_shape, len(window.kernel))
    if input_shape[-1] != w.shape[-1]:
        raise InputError(
            f"input_shape is {input_shape}, with {input_shape[-1]} channels, but w was made for "
            f"{w.shape[-1]} (shape {w.shape})"
        )
    check_deltas("dz", dz, (input_shape[0], *window.output_shape(spatial(input_shape)), len(w)))
    sums = engine(exact(method, given), input_shape, len(w), window)
    return sums.conv_delta(dz, w, input_shape, window)


def conv_weight_gradient(
    x, dz, kernel, *, stride=1, dilation=1, padding=None, center=None, flip=False, method="auto"
) -> np.ndarray:
    """Derivative of the loss by the weights of a convolution (chapter 4, "Who used this weight?").

    Every weight collects the pairs it joined, the input on one side times the delta on the other:

        dw[k,u,c] = sum_n sum_i x[n,p,c] * dz[n,i,k],   p = s*i + o - g*d*(u - u0)

    for filters `k`, weights `u = 0..U-1` and channels `c`, leaving out each `p` outside `0..P-1`.
    The sum runs over all images; the mean over the batch belongs to the loss (chapter 4).

    Parameters
    ----------
    x : array (N, *P, C)
        The input of the forward pass.
    dz : array (N, *I, K)
        The deltas: derivatives of the loss by the outputs of `conv`.
    kernel : int or one int per axis
        Spatial shape `U` of the kernel.
    stride, dilation, padding, center, flip, method
        As in the forward pass, see `conv`.

    Returns
    -------
    array (K, *U, C)
        Derivatives of the loss by the weights.

    Raises
    ------
    InputError
        A shape, a type or the geometry is wrong, or `dz` is not of the forward pass's shape.

    Examples
    --------
    Weight 0 joined input 10 to delta 5 and input 20 to delta 7: 10*5 + 20*7 = 190.

    >>> x = np.array([10, 20, 30]).reshape(1, 3, 1)
    >>> dz = np.array([5, 7]).reshape(1, 2, 1)
    >>> conv_weight_gradient(x, dz, 2).ravel().tolist()
    [190.0, 310.0]
    """
    given = (x, dz)
    x, dz = float_arrays(x=x, dz=dz)
    check_images("x", x)
    kernel = per_axis("kernel", kernel, x.ndim - 2, 1)
    window = Window(kernel, stride, dilation, padding, center, flip)
    check_images("dz", dz, len(kernel))
    check_deltas("dz", dz, (len(x), *window.output_shape(spatial(x.shape)), dz.shape[-1]))
    sums = engine(exact(method, given), x.shape, dz.shape[-1], window)
    return sums.conv_weight_gradient(x, dz, window)


def conv_bias_gradient(dz) -> np.ndarray:
    """Derivative of the loss by the biases (chapter 4, "The bias").

    A filter's bias went into each of its outputs:

        db[k] = sum_n sum_i dz[n,i,k]

    Parameters
    ----------
    dz : array (N, *I, K)
        The deltas: derivatives of the loss by the outputs of `conv`.

    Returns
    -------
    array (K,)
        One number for each filter.

    Raises
    ------
    InputError
        `dz` is no batch of images.

    Examples
    --------
    >>> conv_bias_gradient(np.array([5, 7]).reshape(1, 2, 1)).tolist()
    [12.0]
    """
    (dz,) = float_arrays(dz=dz)
    check_images("dz", dz)
    # Image after image, whole: a sum of long rows. Filter by filter it would jump through memory.
    return dz.sum(axis=0).reshape(-1, dz.shape[-1]).sum(axis=0)


def _check_kernel(w: np.ndarray) -> None:
    if w.ndim < 3 or 0 in w.shape:
        raise InputError(
            f"w has shape {w.shape}; expected (K, *U, C): filters, one or more spatial axes, "
            "channels, each at least 1"
        )


def exact(method: Any, given: tuple) -> Any:
    """'gemm' in place of 'auto' where all is integer: its sums are exact, transforms round."""
    integers = all(np.asarray(array).dtype.kind in "iub" for array in given)
    return "gemm" if integers and isinstance(method, str) and method == "auto" else method


def engine(method: Any, x_shape: Shape, filters: int, window: Window) -> Any:
    """What computes the sums: `loops`, `gemm`, `fourier`, or the `fourier.Transforms` given."""
    if isinstance(method, fourier.Transforms):
        return method
    engines = {"loops": loops, "gemm": gemm, "fft": fourier}
    if isinstance(method, str) and method == "auto":
        method = faster(x_shape, filters, window)
    if not isinstance(method, str) or method not in engines:
        raise InputError(f"method is {method!r}; expected 'auto', 'gemm', 'loops' or 'fft'")
    return engines[method]


def shared(x_shape: Shape, w_shape: Shape, *, method: Any = "auto", **geometry: Any) -> dict:
    """Keywords for the three passes of one layer, which then share what they transform."""
    window = Window(spatial(w_shape), **geometry)
    if engine(method, x_shape, w_shape[0], window) is fourier:
        method = fourier.Transforms()
    return {"method": method, **geometry}


def faster(x_shape: Shape, filters: int, window: Window) -> str:
    """'fft' if it should take a twentieth less time than 'gemm' for these sizes (chapter 7).

    Where they are close, or little is to be done, 'gemm' is exact for more numbers. The three sums
    do about the same work, so one answer serves all of them.
    """
    work = counts(x_shape, filters, window.axes(spatial(x_shape)))
    gemm, fft = (sum(map(mul, COSTS[method], work[method])) for method in ("gemm", "fft"))
    # The last cost of 'gemm' is that of a call with nothing to do.
    return "fft" if gemm > 2 * COSTS["gemm"][-1] and fft < 0.95 * gemm else "gemm"


@lru_cache(1024)  # to count takes as long as a small convolution
def counts(x_shape: Shape, filters: int, axes: tuple[Axis, ...]) -> dict[str, tuple[float, ...]]:
    """What each method does for one sum.

    'gemm' takes the same time for every image, see `blocks.time`. 'fft' multiplies transforms; a
    transform of `L` cells takes about `L*log2(L)` additions, and passes over memory once an axis.
    The last count of both is for what a call costs whatever the sizes.
    """
    N, *_, C = x_shape
    L = math.prod(fourier.least(axes))
    cells = (N * C + filters * C + N * filters) * L
    return {
        "gemm": (N * time(cut(axes, C, filters), C, filters), 1),
        "fft": (N * C * filters * L / 2, cells * math.log2(L + 1), cells * len(axes), 1),
    }
