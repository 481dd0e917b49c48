"""A network: layers one after another, and a loss at the end."""

import math
from collections import Counter
from collections.abc import Sequence
from inspect import signature
from typing import Any

import numpy as np

from cnnlib.errors import InputError
from cnnlib.geometry import Shape, per_axis

from . import layers as layers_module
from . import losses as losses_module
from . import storage
from .layers import Layer
from .losses import Loss


class Network:
    """A list of layers and a loss (chapter 1, "The whole network").

    Parameters
    ----------
    layers : sequence of Layer
        In the order of the forward pass. Their first weights are drawn here.
    loss : Loss
        Compares the last layer's outputs with the targets.
    input_shape : tuple
        Shape of one sample, `(*P, C)` for images.
    rng : numpy.random.Generator
        Source of the first weights.
    dtype : float type
        Type of parameters and activations.

    Raises
    ------
    InputError
        Two neighbours do not fit; the message names the layer.

    Examples
    --------
    >>> from cnnlib.learning.layers import Conv, Dense, Flatten, MaxPool, ReLU
    >>> from cnnlib.learning.losses import SoftmaxCrossEntropy
    >>> rng = np.random.default_rng(0)
    >>> layers = [Conv(8, 5), ReLU(), MaxPool(2), Flatten(), Dense(10)]
    >>> network = Network(layers, SoftmaxCrossEntropy(), input_shape=(28, 28, 1), rng=rng)
    >>> print(network.summary())
    layer       output shape   parameters
    conv1       24 x 24 x 8           208
    relu1       24 x 24 x 8             0
    maxpool1    12 x 12 x 8             0
    flatten1    1152                    0
    dense1      10                  11530
    total                           11738
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: Loss,
        *,
        input_shape: Shape,
        rng: np.random.Generator,
        dtype=np.float32,
    ) -> None:
        if dtype not in (np.float32, np.float64):
            raise InputError(f"dtype is {dtype}; expected np.float32 or np.float64")
        if len(set(map(id, layers))) < len(layers):
            raise InputError("a layer occurs twice in layers; each remembers one pass, so make two")
        self.loss, self.dtype = loss, np.dtype(dtype)
        self.input_shape = per_axis("input_shape", input_shape, np.size(input_shape), 1)
        self.layers: dict[str, Layer] = {}
        self.shapes: dict[str, Shape] = {}
        shape, count = self.input_shape, Counter[str]()
        for layer in layers:
            kind = type(layer).__name__.lower()
            count[kind] += 1
            name = f"{kind}{count[kind]}"
            try:
                shape = layer.build(shape, rng, self.dtype)
            except InputError as error:
                raise InputError(f"layer {name}, input {shape}: {error}") from None
            self.layers[name], self.shapes[name] = layer, shape
        self.output_shape = shape

    @property
    def params(self) -> dict[str, np.ndarray]:
        """All parameters, named like `conv1.w`; the arrays themselves, not copies."""
        return {f"{n}.{p}": a for n, layer in self.layers.items() for p, a in layer.params.items()}

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Outputs `y` of the last layer for the batch `x`."""
        y = self.read(x)
        for layer in self.layers.values():
            y = layer.forward(y)
        return y

    def gradients(self, x: np.ndarray, t: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        """Mean loss of a batch, and its derivative by every parameter, named like `params`."""
        return self.backward(self.forward(x), t)

    def backward(self, y: np.ndarray, t: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        """As `gradients`, after `y = forward(x)`: deltas go from the loss through all layers."""
        loss, dz = self.loss.value(y, t), self.loss.delta(y, t)
        learns = [name for name, layer in self.layers.items() if layer.params]
        for name, layer in reversed(self.layers.items()):
            if name in learns[:1]:  # nothing before it learns: nobody reads the delta of its input
                layer.gradients(dz)
                break
            dz = layer.backward(dz)
        grads = {f"{n}.{p}": a for n, layer in self.layers.items() for p, a in layer.grads.items()}
        return loss, grads

    def read(self, x: np.ndarray) -> np.ndarray:
        """Check a batch and bring it to the network's type."""
        x = np.asarray(x)
        if x.dtype.kind != "f":
            raise InputError(
                f"x has dtype {x.dtype}; a network wants floats of about unit size: divide by 255, "
                "x.astype(np.float32) / 255"
            )
        if x.shape[1:] != self.input_shape or len(x) == 0:
            cure = ""
            if x.shape == self.input_shape:
                cure = "; add the batch axis, x[None]"
            elif (*x.shape[1:], 1) == self.input_shape:
                cure = "; add the channel axis, x[..., None]"
            raise InputError(
                f"x has shape {x.shape}; expected (N, {', '.join(map(str, self.input_shape))}) "
                f"with N at least 1{cure}"
            )
        return x.astype(self.dtype, copy=False)

    def first_broken(self, x: np.ndarray) -> str:
        """Name of the first place in the forward pass with a number that is not finite."""
        y = self.read(x)
        if not np.isfinite(y).all():
            return "the input x"
        for name, layer in self.layers.items():
            y = layer.forward(y)
            if not np.isfinite(y).all():
                return name
        return "the loss"

    def save(self, path: storage.Place) -> None:
        """Write architecture and parameters to a file; `Network.load` makes the network again.

        The file is an npz archive without pickle, with the versions of the libraries and a
        checksum. It is complete or not there at all, also if the program is killed meanwhile.

        Raises
        ------
        InputError
            A layer or the loss is of a class of your own, which `load` could not make.
        DataError
            The file cannot be written.

        Examples
        --------
        >>> import os, tempfile
        >>> from cnnlib.learning.layers import Dense
        >>> from cnnlib.learning.losses import HalfSquaredError
        >>> rng = np.random.default_rng(0)
        >>> network = Network([Dense(2)], HalfSquaredError(), input_shape=(3,), rng=rng)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     network.save(os.path.join(folder, "small.npz"))
        ...     again = Network.load(os.path.join(folder, "small.npz"))
        >>> np.array_equal(again.params["dense1.w"], network.params["dense1.w"])
        True
        """
        storage.write(path, {"network": self.architecture(), "params": self.params})

    @classmethod
    def load(cls, path: storage.Place) -> "Network":
        """Make the network that a file of `save`, or a checkpoint of `training.fit`, holds.

        Its outputs are those of the saved network, bit for bit.

        Raises
        ------
        DataError
            There is no such file, or it is truncated, damaged, foreign or of a newer version.
        """
        tree, known = storage.read(path), vars(layers_module) | vars(losses_module)
        made = tree["network"]
        *sequence, loss = (known[kind](**given) for kind, given in made["parts"])
        rng = np.random.default_rng(0)  # draws weights that the saved ones replace at once
        dtype = np.dtype(made["dtype"])
        network = cls(sequence, loss, input_shape=made["input_shape"], rng=rng, dtype=dtype)
        for name, p in network.params.items():
            p[...] = tree["params"][name]
        return network

    def architecture(self) -> dict[str, Any]:
        """All but the parameters, as a file keeps it: layers and loss with their arguments."""
        parts = []
        for name, part in [*self.layers.items(), ("the loss", self.loss)]:
            kind = type(part)
            if kind.__module__ not in (layers_module.__name__, losses_module.__name__):
                raise InputError(
                    f"{name} is a {kind.__name__} of your own, which a file could not bring back; "
                    "keep its parameters by yourself: np.savez(path, **network.params)"
                )
            kept = vars(part) | getattr(part, "geometry", {})
            parts.append((kind.__name__, {name: kept[name] for name in signature(kind).parameters}))
        made = {"parts": parts, "input_shape": self.input_shape, "dtype": self.dtype.name}
        return storage.plain(made)

    def summary(self) -> str:
        """A table of layers, shapes and numbers of parameters."""
        rows = [("layer", "output shape", "parameters")]
        for name, layer in self.layers.items():
            count = sum(a.size for a in layer.params.values())
            rows.append((name, " x ".join(map(str, self.shapes[name])), str(count)))
        total = sum(math.prod(a.shape) for a in self.params.values())
        rows.append(("total", "", str(total)))
        widths = [max(len(row[n]) for row in rows) for n in range(3)]
        return "\n".join(
            f"{a:<{widths[0] + 4}}{b:<{widths[1] + 3}}{c:>{widths[2]}}" for a, b, c in rows
        )
