"""A network: layers one after another, and a loss at the end."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from cnnlib.arrays import (
    Shape,
    read_array,
    read_float_type,
    read_generator,
    read_kind,
    read_path,
    read_shape,
    read_truth,
)
from cnnlib.data.files import Place, blaming
from cnnlib.errors import InputError, shown

from . import storage
from .layers import AvgPool, Conv, Dense, Flatten, Layer, MaxPool, ReLU, Sigmoid, Softmax, Tanh
from .losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Loss,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
)

# The classes that a file may name without ado.
LAYERS = (AvgPool, Conv, Dense, Flatten, MaxPool, ReLU, Sigmoid, Softmax, Tanh)
LOSSES = (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
)
LIBRARY: dict[str, type] = {kind.__name__: kind for kind in (*LAYERS, *LOSSES)}


class UnknownClassError(InputError):
    """A file has a part of a class that is neither cnnlib's nor given with `classes`."""


class _FewNumbers(np.random.Generator):
    """Draws first weights that saved ones replace at once, and hardly more than are saved.

    A class of your own may draw somewhat more than it keeps. A file that asks for far more than it
    has is refused before there is memory for it.
    """

    def __init__(self, saved: int) -> None:
        super().__init__(np.random.PCG64(0))
        self.left = 10 * saved + 1_000_000

    def standard_normal(self, size: Any = None, *args: Any, **keywords: Any) -> Any:
        self.left -= math.prod(map(int, np.atleast_1d(() if size is None else size).tolist()))
        if self.left < 0:
            raise InputError(f"{size!r:.80} numbers are asked for, and far fewer are saved")
        return super().standard_normal(size, *args, **keywords)


@dataclass(frozen=True)
class Trace:
    """What a network did with one batch (see `Network.trace`), by the names of its layers.

    Attributes
    ----------
    outputs : dict of arrays
        What each layer gave. The batch itself, as the network read it, comes first, under 'x'.
    deltas : dict of arrays
        The derivatives of the loss by `outputs`, under the same names.
    loss : float
        Mean loss of the batch; NaN where there were no targets.
    grads : dict of arrays
        The derivatives of the loss by the parameters, named like `Network.params`.
    """

    outputs: dict[str, np.ndarray]
    deltas: dict[str, np.ndarray] = field(default_factory=dict)
    loss: float = math.nan
    grads: dict[str, np.ndarray] = field(default_factory=dict)


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

    Attributes
    ----------
    layers : dict of Layer
        By name: `conv1`, `relu1`, `conv2`, ... in the order of the forward pass.
    shapes : dict of tuple
        Of an output sample of each layer.
    output_shape : tuple
        Of an output sample of the last one.

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
    >>> network
    Network([
        Conv(8, 5),
        ReLU(),
        MaxPool(2),
        Flatten(),
        Dense(10),
    ], SoftmaxCrossEntropy(), input_shape=(28, 28, 1), rng=rng)
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        loss: Loss,
        *,
        input_shape: Shape,
        rng: np.random.Generator,
        dtype: DTypeLike = np.float32,
    ) -> None:
        read_kind("layers", layers, Sequence, "[Flatten(), Dense(10)]")
        for layer in layers:
            read_kind("an entry of layers", layer, Layer, "an instance, such as ReLU()")
        if len({id(layer) for layer in layers}) < len(layers):
            raise InputError("a layer occurs twice in layers; each remembers one pass, so make two")
        if not layers:
            raise InputError("layers is empty; expected one layer at least")
        self.loss = read_kind("loss", loss, Loss, "an instance, such as SoftmaxCrossEntropy()")
        self.dtype, rng = read_float_type("dtype", dtype), read_generator("rng", rng)
        self.input_shape = read_shape("input_shape", input_shape)
        self.layers: dict[str, Layer] = {}
        self.shapes: dict[str, Shape] = {}
        shape, count = self.input_shape, Counter[str]()
        for layer in layers:
            kind = type(layer).__name__.lower()
            count[kind] += 1
            name = f"{kind}{count[kind]}"
            if not hasattr(layer, "params"):
                cure = "let its __init__ begin with super().__init__()"
                raise InputError(f"layer {name} has no params: {cure}")
            try:
                built: Any = layer.build(shape, rng, self.dtype)
            except InputError as error:
                raise InputError(f"layer {name}, input {shape}: {error}") from None
            if not isinstance(built, tuple):
                cure = "let it return super().build(shape, rng, dtype)"
                raise InputError(f"build of layer {name} returned {shown(built)}, no shape: {cure}")
            shape = built
            self.layers[name], self.shapes[name] = layer, shape
        self.output_shape = shape
        self._with_mode = {name for name, layer in self.layers.items() if _has_mode(layer)}

    @property
    def params(self) -> dict[str, np.ndarray]:
        """All parameters, named like `conv1.w`; the arrays themselves, not copies."""
        return self._named("params")

    @property
    def buffers(self) -> dict[str, np.ndarray]:
        """All buffers, named like parameters: saved, but never stepped; the arrays themselves."""
        return self._named("buffers")

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """What the last backward pass found, named like `params`; the arrays themselves."""
        return self._named("grads")

    def _named(self, kind: str) -> dict[str, np.ndarray]:
        """The arrays of all layers: that of `conv1` called `w` is `conv1.w`."""
        return {
            f"{name}.{key}": array
            for name, layer in self.layers.items()
            for key, array in getattr(layer, kind).items()
        }

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """Outputs `y` of the last layer for the batch `x`.

        Layers that behave otherwise in the steps of a training do so where `training` is True.
        """
        for _, y in self._forwards(x, training):  # noqa: B007 (the last one is wanted)
            pass
        return y

    def gradients(
        self, x: np.ndarray, t: np.ndarray, *, training: bool = False
    ) -> tuple[float, dict[str, np.ndarray]]:
        """Mean loss of a batch, and its derivative by every parameter, named like `params`."""
        return self.backward(self.forward(x, training=training), t)

    def backward(self, y: np.ndarray, t: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        """As `gradients`, after `y = forward(x)`: deltas go from the loss through all layers."""
        loss, dz = self.loss.value(y, t), self.loss.delta(y, t)
        first = next((name for name, layer in self.layers.items() if layer.params), None)
        for _ in self._backwards(dz, first):
            pass
        return loss, self.grads

    def trace(self, x: np.ndarray, t: np.ndarray | None = None, *, training: bool = False) -> Trace:
        """Go forwards and, given targets, backwards; keep what every layer gives and owes.

        Parameters
        ----------
        x : array (N, *P, C)
            A batch.
        t : array, optional
            Its targets, as the loss reads them. Without them there are no deltas and no loss.
        training : bool
            As for `forward`.

        Returns
        -------
        Trace

        Raises
        ------
        InputError
            `x` or `t` does not fit the network.

        Examples
        --------
        >>> from cnnlib.learning.layers import Dense, ReLU
        >>> from cnnlib.learning.losses import HalfSquaredError
        >>> rng = np.random.default_rng(0)
        >>> network = Network([Dense(1), ReLU()], HalfSquaredError(), input_shape=(2,), rng=rng)
        >>> network.params["dense1.w"][...] = [[2], [3]]
        >>> seen = network.trace(np.array([[1.0, 1.0]]), np.array([[4.0]]))
        >>> {name: a.tolist() for name, a in seen.outputs.items()}
        {'x': [[1.0, 1.0]], 'dense1': [[5.0]], 'relu1': [[5.0]]}
        >>> {name: a.tolist() for name, a in seen.deltas.items()}, seen.loss
        ({'x': [[2.0, 3.0]], 'dense1': [[1.0]], 'relu1': [[1.0]]}, 0.5)
        """
        outputs = dict(self._forwards(x, training))
        if t is None:
            return Trace(outputs)
        *_, y = outputs.values()
        deltas = dict(self._backwards(self.loss.delta(y, t)))
        ordered = {name: deltas[name] for name in outputs}
        return Trace(outputs, ordered, self.loss.value(y, t), self.grads)

    def _forwards(self, x: np.ndarray, training: bool) -> Iterator[tuple[str, np.ndarray]]:
        """The walk through all layers: 'x' and the batch, then each layer and its outputs."""
        y, training = self.read(x), read_truth("training", training)
        yield "x", y
        for name, layer in self.layers.items():
            mode = {"training": True} if training and name in self._with_mode else {}
            y = self._typed(name, "forward", layer.forward(y, **mode))
            yield name, y

    def _backwards(
        self, dz: np.ndarray, first: str | None = None
    ) -> Iterator[tuple[str, np.ndarray]]:
        """The walk back: each layer and the deltas of its outputs, then 'x' and those of the batch.

        It fills the layers' `grads`. It ends early at the layer `first`, before which none learns:
        nobody would read the deltas of its inputs.
        """
        for name, layer in reversed(self.layers.items()):
            yield name, dz
            if name == first:
                layer.gradients(dz)
                return
            dz = self._typed(name, "delta", layer.backward(dz))
        yield "x", dz

    def _typed(self, name: str, what: str, a: np.ndarray) -> np.ndarray:
        """Refuse what a layer returns in another type: all that follows would be computed in it."""
        if getattr(a, "dtype", None) != self.dtype:
            kind = getattr(a, "dtype", type(a).__name__)
            raise InputError(
                f"{what} of layer {name} returned {kind}, this network computes in {self.dtype}: "
                "let the layer keep the dtype of what comes in, say by a.astype(x.dtype)"
            )
        return a

    def read(self, x: np.ndarray) -> np.ndarray:
        """Check a batch and bring it to the network's type."""
        x = read_array("x", x)
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

    def first_broken(self, x: np.ndarray, *, training: bool = False) -> str:
        """Name of the first place in the forward pass with a number that is not finite."""
        with np.errstate(all="ignore"):  # what is behind the place may be anything
            outputs = self.trace(x, training=training).outputs
        for name, y in outputs.items():
            if not np.isfinite(y).all():
                return "the input x" if name == "x" else name
        return "the loss"

    def save(self, path: Place) -> None:
        """Write architecture, parameters and buffers to a file; `Network.load` makes it again.

        The file is an npz archive without pickle, with the versions of the libraries and a
        checksum. It is complete or not there at all, also if the program is killed meanwhile.

        Raises
        ------
        InputError
            A layer or the loss is of a class of your own that does not say what it was made with.
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
        tree = {"network": self.architecture(), "params": self.params, "buffers": self.buffers}
        storage.write(read_path("path", path), tree)

    @classmethod
    def load(cls, path: Place, *, classes: Sequence[type] = ()) -> "Network":
        """Make the network that a file of `save`, or a checkpoint of `training.fit`, holds.

        Its outputs are those of the saved network, bit for bit.

        Parameters
        ----------
        path : path
            The file.
        classes : sequence of classes
            Those of your own that the network has, layers and the loss.

        Raises
        ------
        DataError
            There is no such file, or it is truncated, damaged, foreign or of a newer version; or
            a class of your own makes other arrays now. A file that asks for more memory than its
            arrays need is refused before it gets any.
        InputError
            The network has a layer or a loss of a class that is neither cnnlib's nor in `classes`.
        """
        path = read_path("path", path)
        with blaming(path, but=UnknownClassError):
            return cls.from_tree(storage.read(path), classes=classes)

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any], *, classes: Sequence[type] = ()) -> "Network":
        """Make the network of a file, given what `storage.read` finds there (see `save`).

        What is no such tree is an error of any kind: the caller says which file is at fault.
        """
        saved = {kind: tree.get(kind, {}) for kind in ("params", "buffers")}  # no buffers: old
        rng = _FewNumbers(sum(a.size for arrays in saved.values() for a in arrays.values()))
        network = cls.from_architecture(tree["network"], rng=rng, classes=classes)
        for kind, arrays in (("params", network.params), ("buffers", network.buffers)):
            there, here = kinds_of(saved[kind]), kinds_of(arrays)
            if there != here:
                raise InputError(
                    f"it holds {kind} of the types and shapes {there!s:.300}, its layers make "
                    f"{here!s:.300}: a class has changed since; load with the class as it was"
                )
            for name, a in arrays.items():
                a[...] = saved[kind][name]
        return network

    def architecture(self) -> dict[str, Any]:
        """All but the arrays, as a file keeps it: layers and loss with their arguments.

        Two networks of the same architecture compute the same from the same arrays.

        Raises
        ------
        InputError
            A class of your own does not say what it was made with, or has the name of another one.
        """
        parts = []
        for name, part in [*self.layers.items(), ("the loss", self.loss)]:
            kind = type(part)
            if LIBRARY.get(kind.__name__, kind) is not kind:
                raise InputError(
                    f"{name} is a {kind.__name__} of your own; a file tells classes by their names "
                    "and cnnlib has one of that name: rename yours"
                )
            try:
                parts.append((kind.__name__, storage.plain(part.config())))
            except InputError as error:
                raise InputError(f"{name} cannot be written to a file: {error}") from None
        made = {"parts": parts, "input_shape": self.input_shape, "dtype": self.dtype.name}
        return storage.plain(made)

    @classmethod
    def from_architecture(
        cls,
        architecture: Mapping[str, Any],
        *,
        rng: np.random.Generator,
        classes: Sequence[type] = (),
    ) -> "Network":
        """Make a network of this architecture, with first weights.

        Parameters
        ----------
        architecture : dict
            As `network.architecture()` gives it: `parts`, pairs of a class's name and its
            arguments by name, the loss last; `input_shape`; and `dtype`.
        rng : numpy.random.Generator
            Source of the first weights.
        classes : sequence of classes
            Those of your own that `parts` name.

        Raises
        ------
        InputError
            A part is of a class that is neither cnnlib's nor in `classes`.

        Examples
        --------
        >>> made = {"parts": [["Dense", {"outputs": 2}], ["HalfSquaredError", {}]]}
        >>> made |= {"input_shape": [3], "dtype": "float64"}
        >>> Network.from_architecture(made, rng=np.random.default_rng(0)).shapes
        {'dense1': (2,)}
        """
        read_kind("architecture", architecture, Mapping, "network.architecture()")
        if not {"parts", "input_shape", "dtype"} <= architecture.keys():
            raise InputError(
                f"architecture is {shown(architecture)}; expected parts, input_shape and dtype, as "
                "network.architecture() gives them"
            )
        read_kind("classes", classes, Sequence, "[MyLayer]")
        known = LIBRARY | {
            read_kind("an entry of classes", kind, type, "MyLayer").__name__: kind
            for kind in classes
        }
        parts = []
        for name, config in architecture["parts"]:
            if name not in known:
                raise UnknownClassError(
                    f"the network has a part of the class {name:.80}, which cnnlib does not have; "
                    f"pass the class: classes=[{name:.80}]"
                )
            parts.append(known[name](**config))
        *layers, loss = parts
        for part, kind in (*((layer, Layer) for layer in layers), (loss, Loss)):
            if not isinstance(part, kind):
                raise InputError(f"{part!r:.80} is no {kind.__name__}; the loss alone comes last")
        shape, dtype = architecture["input_shape"], np.dtype(architecture["dtype"])
        return cls(layers, loss, input_shape=shape, rng=rng, dtype=dtype)

    def __repr__(self) -> str:
        """The call that makes it, given a source of first weights."""
        layers = "".join(f"    {layer!r},\n" for layer in self.layers.values())
        dtype = "" if self.dtype == np.float32 else f", dtype=np.{self.dtype}"
        return (
            f"Network([\n{layers}], {self.loss!r}, input_shape={self.input_shape}, rng=rng{dtype})"
        )

    def summary(self) -> str:
        """A table of layers, shapes and numbers of parameters."""
        rows = [("layer", "output shape", "parameters")]
        for name, layer in self.layers.items():
            count = sum(a.size for a in layer.params.values())
            rows.append((name, " x ".join(map(str, self.shapes[name])), str(count)))
        rows.append(("total", "", str(sum(a.size for a in self.params.values()))))
        names, shapes, counts = (max(map(len, column)) for column in zip(*rows, strict=True))
        return "\n".join(f"{a:<{names + 4}}{b:<{shapes + 3}}{c:>{counts}}" for a, b, c in rows)


def kinds_of(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[str, Shape]]:
    """Types and shapes of arrays, whatever the order of their bytes: those that fit are equal."""
    return {name: (a.dtype.name, a.shape) for name, a in arrays.items()}


def _has_mode(layer: Layer) -> bool:
    """Whether the layer's `forward` has the keyword `training`: it may be left out."""
    parameters = signature(layer.forward).parameters.values()
    return any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in parameters)
