"""A network: layers one after another, and a loss at the end."""

import math
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

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
from cnnlib.errors import Error, InputError, shown

from . import storage
from .activations import quiet
from .chain import ARRAYS, Chain, check_methods, named, walk
from .configured import Checked
from .later import LATER, later
from .layers import (
    AvgPool,
    Conv,
    Dense,
    FewNumbers,
    Flatten,
    Layer,
    MaxPool,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from .losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Loss,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
    value_of,
)
from .optimizers import check_writable

MOST = 10_000  # layers of a network
# The classes that a file may name without ado, besides those of `later.py`.
LAYERS = (AvgPool, Conv, Dense, Flatten, MaxPool, ReLU, Sigmoid, Softmax, Tanh)
LOSSES = (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
)
INSIDE = ("layer", "arguments")  # a file's words for a layer that is an argument of another one
BUILT = ("layers", "shapes", "chain", "dtype", "input_shape", "output_shape")  # of a network
LIBRARY: dict[str, type] = {kind.__name__: kind for kind in (*LAYERS, *LOSSES)}


class UnknownClassError(InputError):
    """A file has a part of a class that is neither cnnlib's nor given with `classes`."""


class NoSuchArray(InputError, KeyError):
    """A network has no array of this name."""

    __str__ = Exception.__str__  # that of a KeyError shows the message in quotes


class NamedArrays(MutableMapping[str, np.ndarray]):
    """The arrays of all layers, named like `conv1.w`. What is assigned is written into the array.

    Examples
    --------
    >>> w = np.zeros(2)
    >>> NamedArrays({"dense1.w": w})["dense1.w"] = [3, 4]
    >>> w.tolist()
    [3.0, 4.0]
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self._arrays = arrays

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            return self._arrays[name]
        except (KeyError, TypeError):
            said = f"there is no array {shown(name)}, only {shown([*self])}"
            raise NoSuchArray(said) from None

    def __setitem__(self, name: str, values: ArrayLike) -> None:
        a, values = self[name], read_array(name, values)
        if values.shape != a.shape:
            raise InputError(f"{name} has shape {a.shape}; what is assigned has {values.shape}")
        check_writable(name, a)
        with np.errstate(over="ignore"):  # it shows
            cast = values.astype(a.dtype)
        if not np.isfinite(cast).all():
            raise InputError(f"{name} gets numbers that are not finite; expected finite {a.dtype}")
        a[...] = cast

    def __delitem__(self, name: str) -> None:
        raise InputError(f"{shown(name)} stays: the layers of a network keep their arrays")

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return repr(self._arrays)


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
        In the order of the forward pass. Their first weights are drawn here. A layer is in one
        network: one that had it before refuses to go on.
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
    chain : Chain
        The layers with their shapes, as it walks them.

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

    loss = Checked(partial(read_kind, kind=Loss, cure="an instance, such as SoftmaxCrossEntropy()"))

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse another shape, type or layer: what is built was made for these."""
        if name in vars(self) and name in BUILT:
            raise InputError(f"{name} of a network stays as it was built: make a new Network")
        super().__setattr__(name, value)

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
        every = dict(walk(named(layers)))
        if len({id(layer) for layer in every.values()}) < len(every):
            raise InputError("a layer occurs twice in layers; each remembers one pass, so make two")
        if not 0 < len(every) <= MOST:
            what = f"has {len(every)} entries" if layers else "is empty"
            raise InputError(f"layers {what}; expected one layer at least, and at most {MOST}")
        self.loss = loss
        if self.loss.activation == type(layers[-1]).__name__:
            kind, name = type(loss).__name__, self.loss.activation
            raise InputError(
                f"the last layer is a {name} and {kind} has one inside, so it would be applied "
                f"twice: leave the layer out, or take {kind.removeprefix(name)}()"
            )
        self.dtype, rng = read_float_type("dtype", dtype), read_generator("rng", rng)
        self.input_shape = read_shape("input_shape", input_shape)
        before = [(layer, dict(vars(layer))) for layer in every.values()]
        try:
            self.chain = Chain(named(layers), self.input_shape, rng, self.dtype)
        except BaseException:
            for layer, state in before:  # it may be one of another network, which goes on
                vars(layer).clear()
                vars(layer).update(state)
            raise
        self.layers, self.shapes = self.chain.layers, self.chain.shapes
        self.output_shape = self.chain.output_shape
        self._held = {name: layer.params for name, layer in walk(self.layers)}
        self._kinds = self._kinds_now()

    def check_layers(self) -> None:
        """Refuse layers whose arrays are no longer those that they were built with."""
        every = dict(walk(self.layers))
        for name, layer in every.items():
            if layer.params is not self._held.get(name):
                raise InputError(
                    f"layer {name} is in another network by now, or has been put in, or its params "
                    "have: make layers of its own for each network"
                )
        if len(every) < len(self._held):
            raise InputError(f"there are the layers {[*every]}; expected {[*self._held]}")
        if (now := self._kinds_now()) != self._kinds:
            at = next(n for n in [*self._kinds, *now] if self._kinds.get(n) != now.get(n))
            name, what, key = at
            raise InputError(
                f"{name}.{what}[{shown(key)}] was {_words(self._kinds.get(at))} when the layer was "
                f"built and is {_words(now.get(at))} now: a layer makes its arrays in build, and "
                "writes into them later"
            )

    def _kinds_now(self) -> dict[tuple[str, str, Any], tuple[Any, Any]]:
        return {
            (name, what, key): (getattr(a, "dtype", type(a)), getattr(a, "shape", None))
            for name, layer in walk(self.layers)
            for what in ARRAYS
            for key, a in getattr(layer, what).items()
        }

    @property
    def params(self) -> NamedArrays:
        """All parameters, named like `conv1.w`; the arrays themselves, not copies."""
        return NamedArrays(self._named("params"))

    @property
    def buffers(self) -> NamedArrays:
        """All buffers, named like parameters: saved, but never stepped; the arrays themselves."""
        return NamedArrays(self._named("buffers"))

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """What the last backward pass found, named like `params`; the arrays themselves."""
        return self._named("grads")

    @property
    def generators(self) -> dict[str, np.random.BitGenerator]:
        """What layers draw from, named like parameters: Generators in their attributes."""
        return {
            f"{name}.{key}": value.bit_generator
            for name, layer in walk(self.layers)
            for key, value in vars(layer).items()
            if isinstance(value, np.random.Generator)
        }

    def _named(self, kind: str) -> dict[str, np.ndarray]:
        """The arrays of all layers: that of `conv1` called `w` is `conv1.w`."""
        return {
            f"{name}.{key}": array
            for name, layer in walk(self.layers)
            for key, array in getattr(layer, kind).items()
        }

    @quiet
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

    @quiet
    def backward(self, y: np.ndarray, t: np.ndarray) -> tuple[float, dict[str, np.ndarray]]:
        """As `gradients`, right after `y = forward(x)`: deltas go from the loss to all layers."""
        loss, last = value_of(self.loss, y, t), self.chain.last_pass
        if not any(y is its or np.array_equal(y, its, equal_nan=True) for its in last):
            raise InputError(
                "the network has not gone forwards to this y, or to another one since: its layers "
                "remember one pass, so call forward(x) right before backward(y, t)"
            )
        dz = self._delta(last[0], t)
        first = next(
            (name.split(".")[0] for name, layer in walk(self.layers) if layer.params), None
        )
        for _ in self.chain.backwards(dz, first):
            pass
        if last is not self.chain.last_pass:
            raise InputError("another thread has used this network; give each one a network")
        if lacking := self.params.keys() - self.grads.keys():
            raise InputError(
                f"no layer has found the gradients {shown(sorted(lacking))}: let gradients(dz) "
                "fill self.grads, under the names of self.params"
            )
        return loss, self.grads

    @quiet
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
        deltas = dict(self.chain.backwards(self._delta(y, t)))
        ordered = {name: deltas[name] for name in outputs}
        return Trace(outputs, ordered, value_of(self.loss, y, t), self.grads)

    def _forwards(self, x: np.ndarray, training: bool) -> Iterator[tuple[str, np.ndarray]]:
        """The walk through all layers: 'x' and the batch, then each layer and its outputs."""
        y, training = self.read(x), read_truth("training", training)
        self.check_layers()
        self.chain.last_pass = this = []
        yield "x", y
        batch = y.view()  # the caller's own numbers
        batch.flags.writeable = False
        for name, y in self.chain.forwards(batch, training):
            yield name, y
        this.append(y)

    def _delta(self, y: np.ndarray, t: np.ndarray) -> np.ndarray:
        """The derivative of the loss by the outputs."""
        return self.chain.typed("delta of the loss", self.loss.delta(y, t), y.shape)

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
        if x.dtype == self.dtype:
            return x
        with np.errstate(over="ignore"):  # it shows in what follows
            return x.astype(self.dtype, copy=False)

    def first_broken(self, x: np.ndarray, *, training: bool = False) -> str:
        """Name of the first place in the forward pass with a number that is not finite.

        It is 'the loss' where all outputs are finite: what broke comes after them.
        """
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
            A file would not bring this network back: say, a class of your own does not say what it
            was made with, or a layer was changed since it was built.
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
        storage.write(read_path("path", path), self.tree())

    def tree(self) -> dict[str, Any]:
        """What a file holds, for `from_tree`, which has made it into the same network once.

        Raises
        ------
        InputError
            As `save`.
        """
        self.check_layers()
        check_methods(self.layers)
        made = self.architecture()
        tree = {"network": made, "params": dict(self.params), "buffers": dict(self.buffers)}
        kinds = [type(self.loss), *(type(layer) for _, layer in walk(self.layers))]
        try:
            again = Network.from_tree(tree, classes=kinds)
            if (again.architecture(), again.shapes) != (made, self.shapes):
                raise InputError("an argument has changed since it was built, or is not kept")
        except Exception as error:  # of a layer that was changed, or a class of your own
            raise InputError(f"a file would not bring this network back: {error}") from error
        return tree

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
        path, _ = read_path("path", path), _known(classes)
        with blaming(path, but=UnknownClassError):
            return cls.from_tree(storage.read(path), classes=classes)

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any], *, classes: Sequence[type] = ()) -> "Network":
        """Make the network of a file, given what `storage.read` finds there (see `save`).

        What is no such tree is an error of any kind: the caller says which file is at fault.
        """
        saved = {kind: tree.get(kind, {}) for kind in ("params", "buffers")}  # no buffers: old
        rng = FewNumbers(sum(a.size for arrays in saved.values() for a in arrays.values()))
        network = cls.from_architecture(tree["network"], rng=rng, classes=classes)
        for kind, arrays in (("params", network.params), ("buffers", network.buffers)):
            there, here = kinds_of(saved[kind]), kinds_of(arrays)
            if there != here:
                raise InputError(
                    f"it holds {kind} of the types and shapes {there!s:.300}, its layers make "
                    f"{here!s:.300}: a class has changed since, or an argument"
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
        parts, known = [], dict(LIBRARY)
        for name, part in [*self.layers.items(), ("the loss", self.loss)]:
            try:
                parts.append(storage.plain(_said(part, known)))
            except Exception as error:
                raise InputError(f"{name} cannot be written to a file: {error}") from error
        dtype = read_float_type("dtype", self.dtype).name
        return storage.plain({"parts": parts, "input_shape": self.input_shape, "dtype": dtype})

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
        known = _known(classes)
        parts = read_kind("parts", architecture["parts"], Sequence, "network.architecture()")
        made = [_made(part, known) for part in parts]
        *layers, loss = made or [None]
        for part, kind in (*((layer, Layer) for layer in layers), (loss, Loss)):
            if not isinstance(part, kind):
                raise InputError(f"{shown(part)} is no {kind.__name__}; the loss alone comes last")
        shape, dtype = architecture["input_shape"], architecture["dtype"]
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
            parts = walk({name: layer})
            count = sum(a.size for _, part in parts for a in part.params.values())
            rows.append((name, " x ".join(map(str, self.shapes[name])), str(count)))
        rows.append(("total", "", str(sum(a.size for a in self.params.values()))))
        names, shapes, counts = (max(map(len, column)) for column in zip(*rows, strict=True))
        return "\n".join(f"{a:<{names + 4}}{b:<{shapes + 3}}{c:>{counts}}" for a, b, c in rows)


def _know(known: dict[str, type], kind: type) -> None:
    """Add a class by its name, by which alone a file tells classes."""
    name = kind.__name__
    if known.setdefault(name, later(name) if name in LATER else kind) is not kind:
        raise InputError(
            f"there are two classes {name}, of your own or cnnlib's; a file tells classes "
            "by their names: rename yours"
        )


def _known(classes: Iterable[type]) -> dict[str, type]:
    """The library's classes and these, by name."""
    known = dict(LIBRARY)
    for kind in read_kind("classes", classes, Sequence, "[MyLayer]"):
        _know(known, read_kind("an entry of classes", kind, type, "MyLayer"))
    return known


def _said(part: Any, known: dict[str, type]) -> Any:
    """What a file says of a layer or loss: its class and its arguments, layers among them too."""

    def plain(value: Any) -> Any:
        if isinstance(value, Layer):
            return dict(zip(INSIDE, _said(value, known), strict=True))
        if isinstance(value, Mapping) and set(value) == set(INSIDE):
            raise InputError(f"{shown(value)} would come back as a layer: rename its entries")
        return [plain(one) for one in value] if isinstance(value, list | tuple) else value

    _know(known, type(part))
    return type(part).__name__, {name: plain(value) for name, value in part.config().items()}


def _made(part: Any, known: Mapping[str, type]) -> Any:
    """The layer or loss that an entry of `parts` names."""
    row = part if isinstance(part, list | tuple) and len(part) == 2 else (None, None)
    name, config = row
    if not isinstance(name, str) or not isinstance(config, Mapping):
        raise InputError(
            f"an entry of parts is {shown(part)}; expected a class's name and its arguments: "
            "['Dense', {'outputs': 10}]"
        )
    if name not in known and name not in LATER:
        raise UnknownClassError(
            f"the network has a part of the class {name:.80}, which cnnlib does not have; "
            f"pass the class: classes=[{name:.80}]"
        )

    def filled(value: Any) -> Any:
        if isinstance(value, Mapping) and set(value) == set(INSIDE):
            return _made([value[word] for word in INSIDE], known)
        return [filled(one) for one in value] if isinstance(value, list | tuple) else value

    try:
        kind = known.get(name) or later(name)
        return kind(**{key: filled(value) for key, value in config.items()})
    except Error:
        raise
    except Exception as error:
        raise InputError(f"{name} cannot be made with {shown(config)}: {error}") from error


def completed(made: Any) -> Any:
    """An architecture of a file as this version writes it: with arguments that are newer than it.

    They have their defaults, which do what layers did before.
    """

    def whole_part(part: Any) -> Any:
        name, config = part if isinstance(part, list) and len(part) == 2 else (None, None)
        if not (isinstance(name, str) and name in LIBRARY and isinstance(config, Mapping)):
            return part
        parameters = signature(LIBRARY[name]).parameters.values()
        return [name, {p.name: p.default for p in parameters} | dict(config)]

    if not isinstance(made, Mapping) or not isinstance(made.get("parts"), list):
        return made
    return {**made, "parts": [whole_part(part) for part in made["parts"]]}


def _words(kind: tuple[Any, Any] | None) -> str:
    return "not there" if kind is None else " ".join(map(str, kind))


def kinds_of(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[str, Shape]]:
    """Types and shapes of arrays, whatever the order of their bytes: those that fit are equal."""
    return {name: (a.dtype.name, a.shape) for name, a in arrays.items()}
