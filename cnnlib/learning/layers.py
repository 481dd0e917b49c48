"""The steps of a network: each goes forwards, remembers what it needs, and goes backwards.

`forward(x)` gives the outputs. After it, `backward(dz)` takes the deltas of those outputs, fills
`grads`, and returns the deltas of the inputs: the book's three sums. `params` and `grads` have the
same keys. What `forward` remembers are the arrays themselves, so do not change them in between.
"""

import math

import numpy as np

from cnnlib.arrays import check_images, spatial
from cnnlib.convolution import Laid, conv_bias_gradient, lay
from cnnlib.errors import InputError
from cnnlib.geometry import Shape, Window, per_axis
from cnnlib.pooling import avg_pool, avg_pool_delta, lay_pool, max_over, max_pool_delta

from . import activations


class Layer:
    """What all layers share. A layer without parameters has no `gradients` of its own."""

    def __init__(self) -> None:
        self.params: dict[str, np.ndarray] = {}
        self.grads: dict[str, np.ndarray] = {}

    def build(self, shape: Shape, rng: np.random.Generator, dtype) -> Shape:
        """Make the parameters for samples of this shape; return the shape of an output sample."""
        return self.forward(np.zeros((1, *shape), dtype)).shape[1:]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Outputs for the batch `x`."""
        raise NotImplementedError

    def backward(self, dz: np.ndarray) -> np.ndarray:
        """Fill `grads` from the deltas of the outputs, and return the deltas of the inputs."""
        self.gradients(dz)
        return self.delta(dz)

    def gradients(self, dz: np.ndarray) -> None:
        """What do the parameters owe? Fills `grads`."""

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """What do the inputs owe?"""
        raise NotImplementedError


class Conv(Layer):
    """Convolution of images `(N, *P, C)` to maps `(N, *I, K)` (chapters 1 to 4).

    Parameters
    ----------
    filters : int
        `K`.
    kernel : int or one int per axis
        Spatial shape `U`; one integer serves every axis.
    stride, dilation, padding, center, flip, method
        As in `cnnlib.conv`.
    bias : bool
        Whether each filter has a bias, 0 at first.
    init : 'he', 'glorot' or float
        Standard deviation of the first weights, see `first_weights`.
    """

    def __init__(
        self,
        filters: int,
        kernel,
        *,
        stride=1,
        dilation=1,
        padding=None,
        center=None,
        flip=False,
        method: str = "auto",
        bias: bool = True,
        init: str | float = "he",
    ) -> None:
        super().__init__()
        self.filters, self.kernel, self.bias, self.init = filters, kernel, bias, init
        self.geometry = dict(
            stride=stride,
            dilation=dilation,
            padding=padding,
            center=center,
            flip=flip,
            method=method,
        )
        self.laid: Laid | None = None

    def build(self, shape: Shape, rng: np.random.Generator, dtype) -> Shape:
        """Make `w` (K, *U, C) and `b` (K,) for samples of shape (*P, C)."""
        if len(shape) < 2:
            raise InputError(f"samples have shape {shape}; expected images (*P, C)")
        U = per_axis("kernel", self.kernel, len(shape) - 1, 1)
        (K,) = per_axis("filters", self.filters, 1, 1)
        fans = math.prod(U) * shape[-1], math.prod(U) * K
        self.params["w"] = first_weights((K, *U, shape[-1]), *fans, self.init, rng, dtype)
        if self.bias:
            self.params["b"] = np.zeros(K, dtype)
        return super().build(shape, rng, dtype)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """z[n,i,k] = b[k] + sum_u sum_c w[k,u,c] * x[n,p,c]."""
        w = self.params["w"]
        self.x, self.sums = x, self._laid(x, w.shape).sharing()
        return self.sums.conv(x, w, self.params.get("b"))

    def _laid(self, x: np.ndarray, w_shape: Shape) -> Laid:
        """The window on images of this shape; it is laid anew when the shape changes."""
        if self.laid is None or (x.shape, w_shape) != (
            self.laid.input_shape,
            self.laid.kernel_shape,
        ):
            geometry = dict(self.geometry)
            method = geometry.pop("method")
            window = Window(spatial(w_shape), **geometry)
            check_images("x", x, len(window.kernel))
            self.laid = lay(window, x.shape, w_shape, method)
        return self.laid

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
        self.outputs, self.bias, self.init = outputs, bias, init

    def build(self, shape: Shape, rng: np.random.Generator, dtype) -> Shape:
        """Make `w` and `b` for rows of `inputs` numbers."""
        if len(shape) != 1:
            raise InputError(f"samples have shape {shape}; put a Flatten before Dense")
        (outputs,) = per_axis("outputs", self.outputs, 1, 1)
        fans = shape[0], outputs
        self.params["w"] = first_weights(fans, *fans, self.init, rng, dtype)
        if self.bias:
            self.params["b"] = np.zeros(outputs, dtype)
        return super().build(shape, rng, dtype)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """z[n,k] = b[k] + sum_l x[n,l] * w[l,k]."""
        self.x = x
        z = x @ self.params["w"]
        return z + self.params["b"] if "b" in self.params else z

    def gradients(self, dz: np.ndarray) -> None:
        """dw[l,k] = sum_n x[n,l] * dz[n,k];  db[k] = sum_n dz[n,k]."""
        self.grads["w"] = self.x.T @ dz
        if "b" in self.params:
            self.grads["b"] = dz.sum(axis=0)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """dx[n,l] = sum_k w[l,k] * dz[n,k]."""
        return dz @ self.params["w"].T


class Flatten(Layer):
    """Images `(N, *P, C)` as rows `(N, P*C)`, channels fastest (chapter 1)."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Only the shape changes."""
        self.input_shape = x.shape
        return x.reshape(len(x), -1)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """Only the shape changes back."""
        return dz.reshape(self.input_shape)


class MaxPool(Layer):
    """Largest input of each window (chapters 1 and 3); arguments as in `cnnlib.max_pool`."""

    def __init__(self, window, *, stride=None, padding=None, center=None, flip=False) -> None:
        super().__init__()
        self.window = window
        self.geometry = dict(stride=stride, padding=padding, center=center, flip=flip)
        self.input_shape: Shape = ()  # on which the window is laid

    def forward(self, x: np.ndarray) -> np.ndarray:
        """a[n,i,c] = max x[n,p,c] over the window."""
        if x.shape != self.input_shape:
            self.input_shape, self.axes = x.shape, lay_pool(x, self.window, **self.geometry)
        a, self.winners = max_over(x, self.axes)
        return a

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """Each delta goes to its winner."""
        return max_pool_delta(dz, self.winners, self.input_shape)


class AvgPool(Layer):
    """Mean of each window (chapters 1 and 3); arguments as in `cnnlib.avg_pool`."""

    def __init__(
        self, window, *, stride=None, padding=None, center=None, flip=False, count_padding=False
    ) -> None:
        super().__init__()
        self.window = window
        self.geometry = dict(
            stride=stride, padding=padding, center=center, flip=flip, count_padding=count_padding
        )

    def forward(self, x: np.ndarray) -> np.ndarray:
        """a[n,i,c] = mean x[n,p,c] over the window."""
        self.input_shape = x.shape
        return avg_pool(x, self.window, **self.geometry)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """Each delta is shared out to its window."""
        return avg_pool_delta(dz, self.input_shape, self.window, **self.geometry)


class ReLU(Layer):
    """a = max(z, 0) (chapter 1). The derivative is read from the input, so `z` is kept."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """a = max(z, 0)."""
        self.z = x
        return activations.relu(x)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """da * 1[z > 0]."""
        return activations.relu_delta(dz, self.z)


class Sigmoid(Layer):
    """a = 1 / (1 + exp(-z)) (chapter 1). The derivative is read from the output `a`."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """a = 1 / (1 + exp(-z))."""
        self.a = activations.sigmoid(x)
        return self.a

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """da * a*(1 - a)."""
        return activations.sigmoid_delta(dz, self.a)


class Tanh(Layer):
    """a = tanh z (chapter 1). The derivative is read from the output `a`."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """a = tanh z."""
        self.a = activations.tanh(x)
        return self.a

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """da * (1 - a**2)."""
        return activations.tanh_delta(dz, self.a)


class Softmax(Layer):
    """a_k = exp z_k / sum_l exp z_l (chapter 1). The derivative is read from the output `a`."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """a_k = exp z_k / sum_l exp z_l over the last axis."""
        self.a = activations.softmax(x)
        return self.a

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """dz_k = a_k * (da_k - sum_l a_l * da_l): the full Jacobian, times da."""
        return activations.softmax_delta(dz, self.a)


def first_weights(
    shape: Shape, fan_in: int, fan_out: int, init: str | float, rng: np.random.Generator, dtype
) -> np.ndarray:
    """Normal random weights of mean 0.

    Their standard deviation is `sqrt(2 / fan_in)` for 'he', which keeps the size of activations
    through ReLUs, `sqrt(2 / (fan_in + fan_out))` for 'glorot', made for sigmoids, or the number
    given. `fan_in` inputs go into an output, `fan_out` outputs come from an input (chapter 5).
    """
    known = {"he": math.sqrt(2 / fan_in), "glorot": math.sqrt(2 / (fan_in + fan_out))}
    try:
        deviation = known[init] if isinstance(init, str) else float(init)
    except (KeyError, TypeError):
        deviation = math.nan
    if not 0 <= deviation < math.inf:  # NaN is not in the range
        raise InputError(f"init is {init!r}; expected 'he', 'glorot' or a number from 0 up")
    return (deviation * rng.standard_normal(shape)).astype(dtype)
