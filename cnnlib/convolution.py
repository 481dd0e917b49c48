"""Convolution, forwards and backwards: the public functions.

They lay the kernel's window on the images, which chooses an engine (see `cnnlib.sums`), and call
the engine's sum: `Laid` is a window that knows what it lies on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from .arrays import (
    Fn,
    check_deltas,
    check_images,
    check_shape,
    float_arrays,
    read_array,
    read_integer,
    read_word,
    spatial,
    within_memory,
)
from .errors import InputError
from .geometry import Padding, PerAxis, Shape, Window, per_axis
from .sums.choice import ENGINES, METHODS, Engine, choose, keeping

MANY = 1000  # images: fewer are added up in their own type, which takes a third of the time


def conv(
    x: ArrayLike,
    w: ArrayLike,
    b: ArrayLike | None = None,
    *,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    padding: Padding = None,
    center: PerAxis | None = None,
    flip: bool = False,
    border: str = "zeros",
    groups: int = 1,
    method: str = "auto",
) -> np.ndarray:
    """Convolve images with a kernel: the forward pass (chapter 1, "The formula").

    Every output collects the inputs its window lies on, each times its weight:

        z[n,i,k] = b[k] + sum_u sum_c w[k,u,c] * x[n,p,c],   p = s*i + o + g*d*(u - u0)

    for samples `n = 0..N-1`, outputs `i = 0..I-1` and filters `k = 0..K-1`, over weights
    `u = 0..U-1` and channels `c = 0..C-1`, leaving out each `p` outside `0..P-1` (one rule per
    spatial axis, see `cnnlib.connections`).

    Parameters
    ----------
    x : array (N, *P, C)
        Images: batch, one or more spatial axes, channels.
    w : array (K, *U, C/groups)
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
        False for a cross-correlation (`g = +1`), which is what the field calls a convolution; True
        for a true convolution (`g = -1`).
    border : {'zeros', 'reflect', 'symmetric', 'replicate', 'circular'}
        What stands around the input, see `cnnlib.Window`.
    groups : int
        Filters and channels in so many groups: a filter meets the channels of its own group alone.
        With one channel in each this is a depthwise convolution (chapter 10).
    method : {'auto', 'gemm', 'loops', 'fft', 'winograd'}
        'loops' is the specification, 'gemm' the same by matrix products, 'fft' by Fourier
        transforms, up to rounding (see `cnnlib.sums.fourier`): what is not finite spreads over all
        outputs of its image, and so does the rounding of a very large number. 'winograd' is
        minimal filtering, for kernels of 3 weights along one axis or two at stride 1 and dilation 1
        (see `cnnlib.sums.winograd`): the same spreads over tiles of 4 by 4 outputs, and in float32
        it loses two to four times as much as 'gemm'; weight gradients are those of 'gemm'. 'auto'
        is 'gemm', 'fft' or 'winograd', whichever should be faster: 'fft' for large kernels, and in
        float32 'winograd' for many channels (about 64 or more) where it saves a fifth. But it takes
        'gemm' where a number is not finite, where many are zeros or they are very unequal, and
        where another might lose more than 1e-5 (in float64 2e-14) of an output's own sum of
        |w||x|: for the whole batch in place of 'fft', for tiles in place of 'winograd'. That is
        estimated from the numbers (see `cnnlib.sums.guarded` and `cnnlib.sums.mended`). By 'fft' a
        window partly beside the image may lose as much as a whole one, so more of its own sum; by
        'winograd' one may whose inputs are large just where its weights are small.

    Returns
    -------
    array (N, *I, K)
        Float arrays keep their type; integers are computed in float64. In float16 'loops' rounds
        after each term, as NumPy does: it counts to 2048. The others add up in float32.

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
    method = _exact(method, x=x, w=w)
    x, w = float_arrays(x=x, w=w)
    check_kernel(w)
    window = Window(spatial(w.shape), stride, dilation, padding, center, flip, border)
    check_images("x", x, len(window.kernel))
    return lay(window, x.shape, w.shape, method, groups=groups).conv(x, w, b)


def conv_delta(
    dz: ArrayLike,
    w: ArrayLike,
    input_shape: Sequence[int],
    *,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    padding: Padding = None,
    center: PerAxis | None = None,
    flip: bool = False,
    border: str = "zeros",
    groups: int = 1,
    method: str = "auto",
) -> np.ndarray:
    """Carry deltas back to the input (chapter 3, "From the table to the gather form").

    Every input collects the deltas of the outputs it went into, each times the same weight:

        dx[n,p,c] = sum_i sum_u sum_k w[k,u,c] * dz[n,i,k]   over i, u with s*i + o + g*d*(u-u0) = p

    for samples `n`, inputs `p = 0..P-1` and channels `c = 0..C-1`. An input that no window met
    gets 0.

    Parameters
    ----------
    dz : array (N, *I, K)
        The deltas: derivatives of the loss by the outputs of `conv`.
    w : array (K, *U, C/groups)
        The kernel of the forward pass.
    input_shape : tuple (N, *P, C)
        Shape of the forward pass's `x`. The deltas alone do not determine it: with a stride, the
        last cells of the input may be left over.
    stride, dilation, padding, center, flip, border, groups, method
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
    method = _exact(method, dz=dz, w=w)
    dz, w = float_arrays(dz=dz, w=w)
    check_kernel(w)
    window = Window(spatial(w.shape), stride, dilation, padding, center, flip, border)
    input_shape = check_shape(input_shape, len(window.kernel))
    laid = lay(window, input_shape, w.shape, method, "input_shape", groups)
    return laid.conv_delta(dz, w)


def conv_weight_gradient(
    x: ArrayLike,
    dz: ArrayLike,
    kernel: PerAxis,
    *,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    padding: Padding = None,
    center: PerAxis | None = None,
    flip: bool = False,
    border: str = "zeros",
    groups: int = 1,
    method: str = "auto",
) -> np.ndarray:
    """Derivative of the loss by the weights of a convolution (chapter 4, "Who used this weight?").

    Every weight collects the pairs it joined, the input on one side times the delta on the other:

        dw[k,u,c] = sum_n sum_i x[n,p,c] * dz[n,i,k],   p = s*i + o + g*d*(u - u0)

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
    stride, dilation, padding, center, flip, border, groups, method
        As in the forward pass, see `conv`.

    Returns
    -------
    array (K, *U, C/groups)
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
    method = _exact(method, x=x, dz=dz)
    x, dz = float_arrays(x=x, dz=dz)
    check_images("x", x)
    kernel = per_axis("kernel", kernel, x.ndim - 2, 1)
    window = Window(kernel, stride, dilation, padding, center, flip, border)
    check_images("dz", dz, x.ndim - 2)
    groups = read_integer("groups", groups, 1)
    w_shape = (dz.shape[-1], *window.kernel, max(1, x.shape[-1] // groups))
    return lay(window, x.shape, w_shape, method, groups=groups).conv_weight_gradient(x, dz)


def conv_bias_gradient(dz: ArrayLike) -> np.ndarray:
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
    # float32 counts to 16 million, float16 to 2048: what may be many is added up in float64.
    wide = np.float64 if dz.dtype == np.float16 or len(dz) > MANY else None
    by_place = dz.sum(axis=0, dtype=wide).reshape(-1, dz.shape[-1])
    return by_place.sum(axis=0, dtype=np.float64).astype(dz.dtype)


def _computed(fn: Fn) -> Fn:
    """Whatever NumPy has been told, a product too small for its type is 0."""
    return within_memory(np.errstate(under="ignore")(fn))


@dataclass(frozen=True)
class Laid:
    """A window laid on a batch of images, with the engine of its three sums.

    It is a value: the same window on the same shapes, with the same engine, is equal. `lay` makes
    it; the functions of this module make one for each call, a layer keeps its own.
    """

    window: Window
    input_shape: Shape  # (N, *P, C)
    kernel_shape: Shape  # (K, *U, C/groups)
    chosen: str | Engine  # by name, if it is a module: that can be copied and pickled

    @property
    def engine(self) -> Engine:
        """What computes the three sums."""
        return ENGINES[self.chosen] if isinstance(self.chosen, str) else self.chosen

    @property
    def output_shape(self) -> Shape:
        """(N, *I, K)."""
        I = self.window.output_shape(spatial(self.input_shape))
        return (self.input_shape[0], *I, self.kernel_shape[0])

    @_computed
    def conv(self, x: ArrayLike, w: ArrayLike, b: ArrayLike | None = None) -> np.ndarray:
        """What do the outputs get? See `cnnlib.conv`."""
        if b is None:
            x, w = float_arrays(x=x, w=w)
            return self.engine.conv(x, w, None, self.window)
        x, w, b = float_arrays(x=x, w=w, b=b)
        check_bias(b, w)
        return self.engine.conv(x, w, b, self.window)

    @_computed
    def conv_delta(self, dz: ArrayLike, w: ArrayLike) -> np.ndarray:
        """What do the inputs owe? See `cnnlib.conv_delta`."""
        dz, w = float_arrays(dz=dz, w=w)
        check_deltas("dz", dz, self.output_shape)
        return self.engine.conv_delta(dz, w, self.input_shape, self.window)

    @_computed
    def conv_weight_gradient(self, x: ArrayLike, dz: ArrayLike) -> np.ndarray:
        """What do the weights owe? See `cnnlib.conv_weight_gradient`."""
        x, dz = float_arrays(x=x, dz=dz)
        check_deltas("dz", dz, self.output_shape)
        return self.engine.conv_weight_gradient(x, dz, self.window)

    def sharing(self) -> "Laid":
        """For one way forwards and back: what several sums transform is transformed once."""
        chosen = keeping(self.chosen)
        return self if chosen is self.chosen else replace(self, chosen=chosen)


def lay(
    window: Window, x_shape: Shape, w_shape: Shape, method: str, name: str = "x", groups: int = 1
) -> Laid:
    """Lay a window on images `(N, *P, C)` for kernels `(K, *U, C/groups)`, and choose the engine.

    Raises
    ------
    InputError
        The channels of the argument called `name` are not those of the kernels, or there is no such
        method.
    """
    groups = read_integer("groups", groups, 1)
    if window.border != "zeros" or groups > 1:
        from .sums.reduced import reduce  # few windows have either

        return Laid(
            window, x_shape, w_shape, reduce(method, window, x_shape, w_shape, groups, name)
        )
    if x_shape[-1] != w_shape[-1]:
        first = x_shape[1] == w_shape[-1]
        cure = "; did you pass channels first? np.moveaxis(x, 1, -1)" if first else ""
        raise InputError(
            f"{name} has {x_shape[-1]} channels (shape {x_shape}) but w was made for {w_shape[-1]} "
            f"(shape {w_shape}){cure}"
        )
    return Laid(window, x_shape, w_shape, choose(method, x_shape, w_shape[0], window))


def check_bias(b: np.ndarray, w: np.ndarray) -> None:
    """Refuse biases that are not one for each filter."""
    if b.shape != (len(w),):
        raise InputError(
            f"b has shape {b.shape}; expected ({len(w)},): one bias for each filter of w, "
            f"whose shape is {w.shape}"
        )


def check_kernel(w: np.ndarray) -> None:
    """Refuse an array that is no kernel `(K, *U, C)`."""
    if w.ndim < 3 or 0 in w.shape:
        raise InputError(
            f"w has shape {w.shape}; expected (K, *U, C): filters, one or more spatial axes, "
            "channels, each at least 1"
        )


def _exact(method: str, **given: ArrayLike) -> str:
    """'gemm' in place of 'auto' where all is integer: its sums are exact, transforms round."""
    method = read_word("method", method, METHODS)
    integers = all(read_array(name, a).dtype.kind in "iub" for name, a in given.items())
    return "gemm" if integers and method == "auto" else method
