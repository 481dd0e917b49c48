"""A sum of two ways (chapter 10)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from cnnlib.arrays import (
    float_arrays,
    read_float_type,
    read_generator,
    read_kind,
    read_shape,
    read_truth,
)
from cnnlib.errors import InputError
from cnnlib.geometry import Shape

from .chain import Chain, named
from .layers import Layer, Remembered, read_deltas


class Residual(Layer):
    """z = F(x) + S(x): layers, and a shortcut past them (chapter 10).

    A cell of z has two ways back, so its delta goes down both, and x owes the sum of what comes
    out of them. A shortcut without layers hands the delta on as it is.

    Parameters
    ----------
    layers : sequence of Layer
        F, in the order of the forward pass.
    shortcut : sequence of Layer, optional
        S, for an F that changes the shape: say `[Conv(8, 1, stride=2)]`. Without it S(x) = x.

    Attributes
    ----------
    inner : dict of Layer
        By name: `conv1`, `relu1`, ... of F, `shortcut.conv1`, ... of S. In a network their
        parameters are called `residual1.conv1.w` and so on.

    Raises
    ------
    InputError
        The two ways do not end in one shape.

    Examples
    --------
    >>> from cnnlib.learning.layers import ReLU
    >>> layer = Residual([ReLU()])
    >>> layer.build((2,), np.random.default_rng(0), np.float64)
    (2,)
    >>> layer.forward(np.array([[-3.0, 5.0]])).tolist()  # what F gives, and x itself
    [[-3.0, 10.0]]
    >>> layer.backward(np.array([[1.0, 1.0]])).tolist()
    [[1.0, 2.0]]
    """

    def __init__(self, layers: Sequence[Layer], *, shortcut: Sequence[Layer] = ()) -> None:
        super().__init__()
        for name, way in (("layers", layers), ("shortcut", shortcut)):
            read_kind(name, way, Sequence, "[Conv(8, 3, padding='same'), ReLU()]")
            for layer in way:
                read_kind(f"an entry of {name}", layer, Layer, "an instance, such as ReLU()")
        if not layers:
            raise InputError("layers is empty; expected one layer at least: Residual([ReLU()])")
        self.layers, self.shortcut = tuple(layers), tuple(shortcut)

    def config(self) -> dict[str, Any]:
        """The layers, which files keep with their own arguments."""
        return {"layers": [*self.layers], "shortcut": [*self.shortcut] or ()}

    @property
    def inner(self) -> Mapping[str, Layer]:  # type: ignore[override]
        """The layers of both ways, by name."""
        beside = {f"shortcut.{name}": layer for name, layer in named(self.shortcut).items()}
        return named(self.layers) | beside

    ways, shape = Remembered(), Remembered()

    def build(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        """Let the layers of both ways make their arrays."""
        shape, dtype = read_shape("shape", shape), read_float_type("dtype", dtype)
        rng = read_generator("rng", rng)
        main, beside = (
            Chain(named(way), shape, rng, dtype) for way in (self.layers, self.shortcut)
        )
        if main.output_shape != beside.output_shape:
            raise InputError(
                f"the layers give {main.output_shape} and the shortcut {beside.output_shape}, "
                "which cannot be added: choose padding='same', or a shortcut with the same number "
                "of filters and the same stride"
            )
        self.ways = main, beside
        return main.output_shape

    def output_shape(self, shape: Shape) -> Shape:
        """That of either way."""
        shape = read_shape("shape", shape)
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """z = F(x) + S(x)."""
        (x,), training = float_arrays(x=x), read_truth("training", training)
        shape = self.ways[0].input_shape
        if x.shape[1:] != shape or x.size == 0:
            raise InputError(
                f"x has shape {x.shape}; expected (N, "
                f"{', '.join(map(str, shape))}), as the layer was built"
            )
        self.shape = (len(x), *self.ways[0].output_shape)
        z, beside = (_last(x, way.forwards(x, training)) for way in self.ways)
        return z + beside

    def backward(self, dz: np.ndarray) -> np.ndarray:
        """dx = what F makes of dz, and what S makes of it."""
        dz = read_deltas(dz, self.shape)
        dx, beside = (_last(dz, way.backwards(dz)) for way in self.ways)
        return dx + beside

    def gradients(self, dz: np.ndarray) -> None:
        """Fill the `grads` of the layers inside."""
        self.backward(dz)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """As `backward`: a way cannot be gone back without its layers."""
        return self.backward(dz)


def _last(given: np.ndarray, steps: Iterable[tuple[str, np.ndarray]]) -> np.ndarray:
    """The last array of a walk, or what it began with."""
    *_, (_, last) = ("", given), *steps
    return last
