"""The steps of a network: each goes forwards, remembers what it needs, and goes backwards.

`forward(x)` gives the outputs. After it, `backward(dz)` takes the deltas of those outputs, fills
`grads`, and returns the deltas of the inputs: the book's three sums. What `forward` remembers are
the arrays themselves, so change neither them, nor its outputs, nor parameters in between.

A network, its files, its training and its explorers ask a layer for what `Layer` lists, and for
nothing else. A layer of your own is a subclass of `Layer`, or of `Activation`; the least that it
defines is `forward` and `delta`, whose results have the dtype of what came in. Beyond that it
defines

    __init__        if it takes arguments: calls super().__init__(), and keeps each in an
                    attribute of its name
    build           if it has arrays: fills `params` and `buffers`, returns super().build(...);
                    later they keep their names, shapes and types
    gradients       if it has parameters
    output_shape    if it is not to be tried on zeros for that
    inner           if it holds layers: they, by name (`residual.py` has such a one)

If it does something else in training, its `forward` takes the keyword `training`; `backward` then
belongs to the last `forward`. What shall outlast a save or an interrupted training stands in
`params` or `buffers`. A Generator in an attribute goes on in an interrupted training, too, if it is
not the one that shuffles; anything else begins anew. A file with such a layer is loaded by
`Network.load(path, classes=[YourLayer])`.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from cnnlib.arrays import (
    check_images,
    float_arrays,
    per_axis,
    read_array,
    read_float_type,
    read_generator,
    read_integer,
    read_kind,
    read_number,
    read_shape,
    read_truth,
    spatial,
)
from cnnlib.convolution import Laid, conv_bias_gradient, lay
from cnnlib.errors import InputError, shown
from cnnlib.geometry import Axis, Padding, PerAxis, Shape, Window
from cnnlib.pooling import lay_pool, max_over, max_pool_delta, mean_delta_over, mean_over

from . import activations
from .configured import Configured


class Arrays(dict[str, np.ndarray]):
    """The arrays of a layer by name; before the layer is built, one that is asked for says so."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__()
        self.kind, self.what = kind, what

    def __missing__(self, name: str) -> np.ndarray:
        raise InputError(
            f"this {self.kind} has no {self.what}[{name!r}], only {list(self)}; a layer gets its "
            "arrays when it is built: put it into a Network, or call build(shape, rng, dtype) with "
            "the shape of a sample first"
        )


class Remembered:
    """What `forward` remembers for the way back; who asks for it before is told so."""

    def __get__(self, layer: Any, kind: type) -> Any:
        if layer is None:
            return self
        raise InputError(
            f"this {kind.__name__} has not gone forwards; call forward(x) before backward(dz)"
        )


class Layer(Configured):
    """What all layers share; the top of this module says what a layer of your own defines.

    Attributes
    ----------
    params : dict of arrays
        What is learned. An optimizer changes the arrays in place.
    grads : dict of arrays
        The derivatives of the loss by `params`, under the same names, after `backward`.
    buffers : dict of arrays
        What is saved with the layer, but no optimizer steps: say, a running mean, which `forward`
        itself changes while it trains.
    inner : dict of Layer
        The layers that it holds, by name; their arrays are the network's like its own.

    Examples
    --------
    >>> class Scale(Layer):
    ...     def __init__(self, factor):
    ...         super().__init__()
    ...         self.factor = factor
    ...
    ...     def forward(self, x, *, training=False):
    ...         return self.factor * x
    ...
    ...     def delta(self, dz):
    ...         return self.factor * dz
    >>> layer = Scale(3)
    >>> layer, layer.forward(np.array([[2.0]])).tolist(), layer.backward(np.array([[5.0]])).tolist()
    (Scale(3), [[6.0]], [[15.0]])
    """

    inner: Mapping[str, "Layer"] = MappingProxyType({})

    def __init__(self) -> None:
        kind = type(self).__name__
        self.params: dict[str, np.ndarray] = Arrays(kind, "params")
        self.grads: dict[str, np.ndarray] = {}
        self.buffers: dict[str, np.ndarray] = Arrays(kind, "buffers")

    def build(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        """Make the arrays for samples of this shape; return the shape of an output sample."""
        return self.output_shape(shape)

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of an output sample, given that of an input sample.

        The library's layers compute it. One that does not define it is tried on a sample of zeros.
        """
        y = self.forward(np.zeros((1, *shape)))
        read_kind("what forward returns", y, np.ndarray, "an array (N, ...)")
        return y.shape[1:]

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """Outputs for the batch `x`.

        `training` is True in the steps of a training alone. A layer that does the same in both
        cases may leave the keyword out.
        """
        raise NotImplementedError(f"{type(self).__name__} has no forward: define forward(self, x)")

    def backward(self, dz: np.ndarray) -> np.ndarray:
        """Fill `grads` from the deltas of the outputs, and return the deltas of the inputs."""
        self.gradients(dz)
        return self.delta(dz)

    def gradients(self, dz: np.ndarray) -> None:
        """What do the parameters owe? Fills `grads`."""

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """What do the inputs owe?"""
        raise NotImplementedError(f"{type(self).__name__} has no delta: define delta(self, dz)")


class Windowed(Layer):
    """What layers with a window share: arguments that keep their values, and count.

    A list or an array that a caller goes on to change does not change the layer. An argument that
    is assigned does: what was laid with the former one is forgotten.
    """

    ARGUMENTS: tuple[str, ...] = (
        *"kernel window stride dilation padding center flip border groups method".split(),
    )
    laid: Any  # the window on the images of the last pass

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep the value as it is now."""
        if name in self.ARGUMENTS:
            value, self.laid = _fixed(value), None
        super().__setattr__(name, value)


def _fixed(value: Any) -> Any:
    value = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(value, list | tuple):
        return value
    return tuple([tuple(pair) if isinstance(pair, list) else pair for pair in value])


class Convolution(Windowed):
    """What `Conv` and `ConvTranspose` share: a kernel, and how it is laid."""

    def __init__(
        self,
        filters: int,
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
        bias: bool = True,
        init: str | float = "he",
    ) -> None:
        super().__init__()
        self.filters, self.kernel = read_integer("filters", filters, 1), kernel
        self.bias, self.flip = read_truth("bias", bias), read_truth("flip", flip)
        self.stride, self.dilation, self.padding = stride, dilation, padding
        self.center, self.method, self.init = center, method, init
        self.border, self.groups = border, read_integer("groups", groups, 1)

    @property
    def geometry(self) -> dict[str, Any]:
        """The keywords of `cnnlib.conv`."""
        names = ("stride", "dilation", "padding", "center", "flip", "border", "groups", "method")
        return {name: getattr(self, name) for name in names}

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep the value as it is now; the weights decide the kernel once they are there."""
        if name == "kernel" and getattr(self, "params", None) and _fixed(value) != self.kernel:
            raise InputError(
                f"kernel of a layer that has its weights is {shown(self.kernel)} and cannot be "
                f"{shown(value)}: make a new layer"
            )
        super().__setattr__(name, value)

    def _window(self, axes: int) -> Window:
        U = per_axis("kernel", self.kernel, axes, 1)
        how = self.stride, self.dilation, self.padding, self.center, self.flip, self.border
        return Window(U, *how)

    x, sums = Remembered(), Remembered()


class Conv(Convolution):
    """Convolution of images `(N, *P, C)` to maps `(N, *I, K)` (chapters 1 to 4).

    Parameters
    ----------
    filters : int
        `K`.
    kernel : int or one int per axis
        Spatial shape `U`; one integer serves every axis.
    stride, dilation, padding, center, flip, border, groups, method
        As in `cnnlib.conv`.
    bias : bool
        Whether each filter has a bias, 0 at first.
    init : 'he', 'glorot' or float
        Standard deviation of the first weights, see `first_weights`.
    """

    def build(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        """Make `w` (K, *U, C/groups) and `b` (K,) for samples of shape (*P, C)."""
        shape, K, groups = read_image("shape", shape), self.filters, self.groups
        U = per_axis("kernel", self.kernel, len(shape) - 1, 1)
        w_shape = (K, *U, max(1, shape[-1] // groups))
        lay(self._window(len(U)), (1, *shape), w_shape, self.method, groups=groups)  # or refuse
        fans = math.prod(w_shape[1:]), math.prod(U) * K // groups
        self.params["w"] = first_weights(w_shape, *fans, self.init, rng, dtype)
        if self.bias:
            self.params["b"] = np.zeros(K, dtype)
        return super().build(shape, rng, dtype)

    def output_shape(self, shape: Shape) -> Shape:
        """(*I, K), by the index rule."""
        shape = read_shape("shape", shape)
        return (*self._window(len(shape) - 1).output_shape(shape[:-1]), self.filters)

    def axes_on(self, shape: Shape) -> tuple[Axis, ...]:
        """The index rule of each axis on samples of this shape, (*P, C)."""
        return self._window(len(shape) - 1).axes(shape[:-1])

    def _lay(self, x: np.ndarray, w_shape: Shape) -> Laid:
        """The window on these images. It is laid once, and again where the shape is another one."""
        laid: Laid | None = self.laid
        if laid is None or (laid.input_shape, laid.kernel_shape) != (x.shape, w_shape):
            check_images("x", x, len(w_shape) - 2)
            window = self._window(x.ndim - 2) if laid is None else laid.window
            self.laid = laid = lay(window, x.shape, w_shape, self.method, groups=self.groups)
        return laid

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """z[n,i,k] = b[k] + sum_u sum_c w[k,u,c] * x[n,p,c]."""
        x, w = read_array("x", x), self.params["w"]
        self.x, self.sums = x, self._lay(x, w.shape).sharing()
        return self.sums.conv(x, w, self.params.get("b"))

    def gradients(self, dz: np.ndarray) -> None:
        """dw[k,u,c] = sum_n sum_i x[n,p,c] * dz[n,i,k];  db[k] = sum_n sum_i dz[n,i,k]."""
        self.grads["w"] = self.sums.conv_weight_gradient(self.x, dz)
        if "b" in self.params:
            self.grads["b"] = conv_bias_gradient(dz)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """dx[n,p,c] = sum over (i, u) at p, k of w[k,u,c] * dz[n,i,k]."""
        return self.sums.conv_delta(dz, self.params["w"])


class Dense(Layer):
    """z = x @ w + b for rows `(N, inputs)`; `w` is (inputs, outputs) (chapters 1, 3 and 4)."""

    def __init__(self, outputs: int, *, bias: bool = True, init: str | float = "he") -> None:
        super().__init__()
        self.outputs, self.bias = read_integer("outputs", outputs, 1), read_truth("bias", bias)
        self.init = init

    def build(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        """Make `w` and `b` for rows of `inputs` numbers."""
        shape = read_shape("shape", shape)
        if len(shape) != 1:
            raise InputError(f"samples have shape {shape}; put a Flatten before Dense")
        fans = shape[0], self.outputs
        self.params["w"] = first_weights(fans, *fans, self.init, rng, dtype)
        if self.bias:
            self.params["b"] = np.zeros(self.outputs, dtype)
        return super().build(shape, rng, dtype)

    def output_shape(self, shape: Shape) -> Shape:
        """(outputs,)."""
        return (self.outputs,)

    x = Remembered()

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """z[n,k] = b[k] + sum_l x[n,l] * w[l,k]."""
        (x,), inputs = float_arrays(x=x), len(self.params["w"])
        if x.ndim != 2 or x.shape[1] != inputs:
            raise InputError(
                f"x has shape {x.shape}; expected rows (N, {inputs}): put a Flatten before"
            )
        self.x = x
        z = x @ self.params["w"]
        return z + self.params["b"] if "b" in self.params else z

    def gradients(self, dz: np.ndarray) -> None:
        """dw[l,k] = sum_n x[n,l] * dz[n,k];  db[k] = sum_n dz[n,k]."""
        dz = read_deltas(dz, (len(self.x), self.outputs))
        self.grads["w"] = self.x.T @ dz
        if "b" in self.params:
            self.grads["b"] = dz.sum(axis=0)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """dx[n,l] = sum_k w[l,k] * dz[n,k]."""
        (dz,) = float_arrays(dz=dz)
        return read_deltas(dz, (*dz.shape[:1], self.outputs)) @ self.params["w"].T


class Flatten(Layer):
    """Images `(N, *P, C)` as rows `(N, P*C)`, channels fastest (chapter 1)."""

    def output_shape(self, shape: Shape) -> Shape:
        """(P*C,)."""
        return (math.prod(read_shape("shape", shape)),)

    input_shape = Remembered()

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """Only the shape changes."""
        x = read_batch(x)
        self.input_shape = x.shape
        return x.reshape(len(x), -1)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """Only the shape changes back."""
        N, *sample = self.input_shape
        return read_deltas(dz, (N, math.prod(sample))).reshape(self.input_shape)


class Pool(Windowed):
    """What both pools share: a window, which is laid on the images once."""

    def __init__(
        self,
        window: PerAxis,
        *,
        stride: PerAxis | None = None,
        padding: Padding = None,
        center: PerAxis | None = None,
        flip: bool = False,
    ) -> None:
        super().__init__()
        self.window, self.stride, self.padding = window, stride, padding
        self.center, self.flip = center, read_truth("flip", flip)

    def output_shape(self, shape: Shape) -> Shape:
        """(*I, C), by the index rule."""
        return (*(axis.outputs for axis in self.axes_on(shape)), shape[-1])

    def axes_on(self, shape: Shape) -> tuple[Axis, ...]:
        """The index rule of each axis on samples of this shape, (*P, C)."""
        return self._axes(read_image("shape", shape)[:-1])

    def _axes(self, P: Shape) -> tuple[Axis, ...]:
        return lay_pool(P, self.window, self.stride, self.padding, self.center, self.flip)

    input_shape, axes = Remembered(), Remembered()

    def _lay(self, x: np.ndarray) -> tuple[Axis, ...]:
        """The window on these images; it is laid anew only where the shape is another one."""
        if self.laid is None or x.shape != self.input_shape:
            check_images("x", x)
            self.laid = self._axes(spatial(x.shape))
        self.input_shape, self.axes = x.shape, self.laid
        return self.axes


class MaxPool(Pool):
    """Largest input of each window (chapters 1 and 3); arguments as in `cnnlib.max_pool`."""

    @property
    def geometry(self) -> dict[str, Any]:
        """The keywords of `cnnlib.max_pool`."""
        return {name: getattr(self, name) for name in ("stride", "padding", "center", "flip")}

    winners = Remembered()

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """a[n,i,c] = max x[n,p,c] over the window."""
        x = read_array("x", x)
        a, self.winners = max_over(x, self._lay(x))
        return a

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """Each delta goes to its winner."""
        return max_pool_delta(dz, self.winners, self.input_shape)


class AvgPool(Pool):
    """Mean of each window (chapters 1 and 3); arguments as in `cnnlib.avg_pool`."""

    def __init__(
        self,
        window: PerAxis,
        *,
        stride: PerAxis | None = None,
        padding: Padding = None,
        center: PerAxis | None = None,
        flip: bool = False,
        count_padding: bool = False,
    ) -> None:
        super().__init__(window, stride=stride, padding=padding, center=center, flip=flip)
        self.count_padding = read_truth("count_padding", count_padding)

    @property
    def geometry(self) -> dict[str, Any]:
        """The keywords of `cnnlib.avg_pool`."""
        names = ("stride", "padding", "center", "flip", "count_padding")
        return {name: getattr(self, name) for name in names}

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """a[n,i,c] = mean x[n,p,c] over the window."""
        x = read_array("x", x)
        return mean_over(x, self._lay(x), self.count_padding)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """Each delta is shared out to its window."""
        return mean_delta_over(dz, self.input_shape, self.axes, self.count_padding)


class Activation(Layer):
    """A function of each cell, or of the cells of a place: the shape stays."""

    def output_shape(self, shape: Shape) -> Shape:
        """That of the inputs."""
        return read_shape("shape", shape)


class ReLU(Activation):
    """a = max(z, 0) (chapter 1). The derivative is read from the input, so `z` is kept."""

    z = Remembered()

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """a = max(z, 0)."""
        self.z = read_batch(x)
        return activations.relu(self.z)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """da * 1[z > 0]."""
        return activations.relu_delta(dz, self.z)


class Sigmoid(Activation):
    """a = 1 / (1 + exp(-z)) (chapter 1). The derivative is read from the output `a`."""

    a = Remembered()

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """a = 1 / (1 + exp(-z))."""
        self.a = activations.sigmoid(read_batch(x))
        return self.a

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """da * a*(1 - a)."""
        return activations.sigmoid_delta(dz, self.a)


class Tanh(Activation):
    """a = tanh z (chapter 1). The derivative is read from the output `a`."""

    a = Remembered()

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """a = tanh z."""
        self.a = activations.tanh(read_batch(x))
        return self.a

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """da * (1 - a**2)."""
        return activations.tanh_delta(dz, self.a)


class Softmax(Activation):
    """a_k = exp z_k / sum_l exp z_l (chapter 1). The derivative is read from the output `a`."""

    a = Remembered()

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """a_k = exp z_k / sum_l exp z_l over the last axis."""
        self.a = activations.softmax(read_batch(x))
        return self.a

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """dz_k = a_k * (da_k - sum_l a_l * da_l): the full Jacobian, times da."""
        return activations.softmax_delta(dz, self.a)


class FewNumbers(np.random.Generator):
    """Draws first weights that saved ones replace at once, and hardly more than are saved.

    A class of your own may draw somewhat more than it keeps. A file that asks for far more than it
    has is refused before there is memory for it.
    """

    def __init__(self, saved: int) -> None:
        super().__init__(np.random.PCG64(0))
        self.left = 10 * saved + 1_000_000

    def count(self, size: Any) -> None:
        """Refuse so many numbers, if they are far more than are saved."""
        self.left -= math.prod(map(int, np.atleast_1d(() if size is None else size).tolist()))
        if self.left < 0:
            raise InputError(f"{size!r:.80} numbers are asked for, and far fewer are saved")

    def standard_normal(self, size: Any = None, *args: Any, **keywords: Any) -> Any:
        """As any Generator, where so many may be drawn."""
        self.count(size)
        return super().standard_normal(size, *args, **keywords)


def first_weights(
    shape: Shape,
    fan_in: int,
    fan_out: int,
    init: str | float,
    rng: np.random.Generator,
    dtype: DTypeLike,
) -> np.ndarray:
    """Normal random weights of mean 0.

    Their standard deviation is `sqrt(2 / fan_in)` for 'he', which keeps the size of activations
    through ReLUs, `sqrt(2 / (fan_in + fan_out))` for 'glorot', made for sigmoids, or the number
    given. `fan_in` inputs go into an output, `fan_out` outputs come from an input (chapter 5).
    """
    fan_in, fan_out = read_integer("fan_in", fan_in, 1), read_integer("fan_out", fan_out, 1)
    known = {"he": math.sqrt(2 / fan_in), "glorot": math.sqrt(2 / (fan_in + fan_out))}
    if isinstance(init, str) and init in known:
        deviation = known[init]
    else:
        wanted = "'he', 'glorot' or a number from 0 up"
        deviation = read_number("init", init, wanted, lambda number: number >= 0)
    shape, dtype = read_shape("shape", shape), read_float_type("dtype", dtype)
    if deviation > float(np.finfo(dtype).max) / 100:  # no entry will be a hundred times as large
        raise InputError(f"init is {shown(init)}; too large for {dtype}")
    try:
        drawn = read_generator("rng", rng).standard_normal(shape)
    except (MemoryError, OverflowError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"shape is {shape}; that takes more memory than there is") from None
    return (deviation * drawn).astype(dtype)


def read_image(name: str, shape: Shape) -> Shape:
    """Read the shape (*P, C) of a sample."""
    shape = read_shape(name, shape)
    if len(shape) < 2:
        raise InputError(f"samples have shape {shape}; expected images (*P, C)")
    return shape


def read_batch(x: np.ndarray) -> np.ndarray:
    """Read a batch (N, ...)."""
    x = read_array("x", x)
    if x.size == 0 or x.ndim == 0:
        raise InputError(f"x has shape {x.shape}; expected a batch of at least one sample")
    return x


def read_deltas(dz: np.ndarray, expected: Shape) -> np.ndarray:
    """Read the deltas of outputs of this shape."""
    (dz,) = float_arrays(dz=dz)
    if dz.shape != expected:
        raise InputError(
            f"dz has shape {dz.shape}; expected {expected}, the shape of the outputs of forward(x)"
        )
    return dz
