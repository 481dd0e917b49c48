"""Layers one after another: named, built, and walked forwards and backwards."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from inspect import signature
from typing import Any

import numpy as np

from cnnlib.arrays import Shape, read_function, read_kind, whole
from cnnlib.errors import InputError, shown

from .layers import Layer

ARRAYS = ("params", "buffers")
DEPTH = 32  # of layers inside layers


def named(layers: Sequence[Layer]) -> dict[str, Layer]:
    """The layers by name: `conv1`, `relu1`, `conv2`, ... in their order."""
    names: dict[str, Layer] = {}
    count = Counter[str]()
    for layer in layers:
        kind = type(layer).__name__.lower()
        count[kind] += 1
        while (name := f"{kind}{count[kind]}") in names:  # `tanh11` is a Tanh1, too
            count[kind] += 1
        names[name] = layer
    return names


def walk(layers: Mapping[str, Layer], depth: int = 1) -> Iterator[tuple[str, Layer]]:
    """Each layer by name, and those inside it: `residual1`, `residual1.conv1`, ...

    Raises
    ------
    InputError
        They are nested too deep, as they are where a layer contains itself.
    """
    for name, layer in layers.items():
        if depth > DEPTH:
            raise InputError(
                f"layers are nested more than {DEPTH} deep, or one contains itself: {shown(name)}; "
                "put them one after another"
            )
        yield name, layer
        read_kind(f"inner of layer {name}", layer.inner, Mapping, "a dict of its layers by name")
        for part in layer.inner.values():
            read_kind(f"an entry of inner of layer {name}", part, Layer, "an instance")
        inside = {f"{name}.{inner}": part for inner, part in layer.inner.items()}
        yield from walk(inside, depth + 1)


def check_methods(layers: Mapping[str, Layer]) -> None:
    """Refuse methods assigned to a layer: what is made from its class does not have them."""
    for name, layer in walk(layers):
        if own := sorted(key for key in vars(layer) if callable(getattr(type(layer), key, None))):
            raise InputError(
                f"layer {name} has a {own[0]} that was assigned to it, and would lose it: define "
                "it in a class of your own"
            )


class Chain:
    """Layers in the order of the forward pass, built for samples of one shape.

    A network is one; a layer that holds layers has one for each way through it.

    Attributes
    ----------
    layers : dict of Layer
        By name.
    shapes : dict of tuple
        Of an output sample of each layer.
    output_shape : tuple
        Of an output sample of the last one.
    """

    def __init__(
        self, layers: Mapping[str, Layer], shape: Shape, rng: np.random.Generator, dtype: np.dtype
    ) -> None:
        self.layers, self.input_shape, self.dtype = dict(layers), shape, dtype
        for _ in walk(self.layers):  # refuses what has no end
            pass
        self.shapes: dict[str, Shape] = {}
        for name, layer in self.layers.items():
            shape = self.shapes[name] = _build(name, layer, shape, rng, dtype)
        self.output_shape = shape
        # The outputs of the network's last pass, once it is over; a copy of it has the same layers.
        self.last_pass: list[np.ndarray] = []
        # What each layer remembers of this chain's pass: its attributes, as the pass left them.
        self._left: dict[str, dict[str, Any]] = {}
        self._with_mode = {name for name, layer in self.layers.items() if _has_mode(layer)}

    def forwards(self, y: np.ndarray, training: bool) -> Iterator[tuple[str, np.ndarray]]:
        """The walk through all layers: each one and its outputs."""
        for name, layer in self.layers.items():
            mode = {"training": True} if training and name in self._with_mode else {}
            shape = (len(y), *self.shapes[name])
            with _called("forward", name):
                y = layer.forward(y, **mode)
            self._left[name] = {**vars(layer)}
            y = self.typed(f"forward of layer {name}", y, shape)
            yield name, y

    def backwards(
        self, dz: np.ndarray, first: str | None = None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """The walk back: each layer and the deltas of its outputs, then 'x' and those of the batch.

        It fills the layers' `grads`. It ends early at the layer `first`, before which none learns:
        nobody would read the deltas of its inputs.
        """
        inputs = [self.input_shape, *self.shapes.values()]
        for n, (name, layer) in reversed([*enumerate(self.layers.items())]):
            yield name, dz
            self._refuse_another_pass(name)
            with _called("backward", name):
                if name == first:
                    layer.gradients(dz)
                    return
                back = layer.backward(dz)
            self._left[name] = {**vars(layer)}
            dz = self.typed(f"delta of layer {name}", back, (len(dz), *inputs[n]))
        yield "x", dz

    def _refuse_another_pass(self, name: str) -> None:
        """A layer that was called by itself meanwhile remembers other inputs than this chain's."""
        now, left = vars(self.layers[name]), self._left.get(name, {})
        other = [key for key in now.keys() | left.keys() if now.get(key) is not left.get(key)]
        if other:
            raise InputError(
                f"layer {name} has gone forwards by itself, or was changed, since the pass that "
                f"goes back here (it has another {other[0]}): call forward(x) right before"
            )

    def typed(self, what: str, a: np.ndarray, shape: Shape) -> np.ndarray:
        """Refuse what a part returns in another type: all that follows would be computed in it."""
        if not isinstance(a, np.ndarray) or a.dtype != self.dtype:
            kind = getattr(a, "dtype", type(a).__name__)
            raise InputError(
                f"{what} returned {kind}, this network computes in {self.dtype}: "
                "let the layer keep the dtype of what comes in, say by a.astype(x.dtype)"
            )
        if a.shape != shape:
            raise InputError(f"{what} returned the shape {a.shape}; expected {shape}")
        return a


@contextmanager
def _called(method: str, name: str) -> Iterator[None]:
    """Call a layer: tiny products are 0 whatever NumPy is told, and what lacks is said."""
    try:
        with np.errstate(under="ignore"):
            yield
    except NotImplementedError as error:
        raise InputError(f"{method} of layer {name}: {error}") from error
    except ValueError as error:
        if "read-only" not in str(error) or isinstance(error, InputError):
            raise
        raise InputError(
            f"{method} of layer {name} writes into the batch, which is the caller's: work on a "
            f"copy ({error})"
        ) from error


def _build(
    name: str, layer: Layer, shape: Shape, rng: np.random.Generator, dtype: np.dtype
) -> Shape:
    """Let a layer make its arrays; the shape of an output sample."""
    if not all(isinstance(getattr(layer, what, None), dict) for what in ARRAYS):
        cure = "let its __init__ begin with super().__init__()"
        raise InputError(f"layer {name} has no params: {cure}")
    read_function(f"forward of layer {name}", layer.forward, "of a batch x")
    # The dicts are new, so that a network can tell that another one has built its layer.
    layer.params, layer.buffers = copy(layer.params), copy(layer.buffers)
    try:
        built: Any = layer.build(shape, rng, dtype)
    except InputError as error:
        raise InputError(f"layer {name}, input {shape}: {error}") from None
    if not isinstance(built, tuple) or not all((whole(n) or 0) > 0 for n in built):
        cure = "let it return super().build(shape, rng, dtype)"
        raise InputError(f"build of layer {name} returned {shown(built)}, no shape: {cure}")
    for what in ARRAYS:
        for key, a in getattr(layer, what).items():
            if not isinstance(a, np.ndarray) or a.dtype.hasobject:
                raise InputError(
                    f"build of layer {name} made {what}[{shown(key)}] {shown(a)}; expected "
                    "an array of numbers"
                )
    return tuple(map(int, built))


def _has_mode(layer: Layer) -> bool:
    """Whether the layer's `forward` has the keyword `training`: it may be left out."""
    parameters = signature(layer.forward).parameters.values()
    return any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in parameters)
