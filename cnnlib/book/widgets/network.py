"""The explorer of a whole network: every map of it, and what each cell gets and owes."""

import re
from functools import cache
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from traitlets import Any as Anything
from traitlets import Dict, TraitError, validate

from cnnlib.arrays import MOST, read_integer, read_kind, read_word
from cnnlib.data.files import blaming
from cnnlib.errors import InputError, shown
from cnnlib.learning.layers import Conv, Dense, Flatten, MaxPool, ReLU, Sigmoid, Softmax
from cnnlib.learning.network import Network
from cnnlib.learning.training import evaluate

from ..figures.style import PALETTE, Figure, new_figure, styled
from .explorer import FOLDER, STATE, Explorer, style
from .scripts import FrontEnd
from .sealed import read_json, write_json
from .traits import Read, read_list

SHIPPED = FOLDER / "data" / "network.json"
LETTERS = ascii_uppercase + ascii_lowercase + digits + "-_"  # 64 of them, all fit for an address
DRAWN = (Conv, MaxPool, ReLU, Sigmoid, Flatten, Dense, Softmax)  # the layers that it computes
COARSE = 10_000  # weights of a larger array get one letter each instead of two


class NetworkExplorer(Explorer):
    """A trained network on one digit: all maps, all deltas, and the connections of any cell.

    Every parameter is a trait: Python reads it, sets it and observes it. What cannot be is refused
    with a `traitlets.TraitError`, and the state stays.

    Parameters
    ----------
    lens : {'forward', 'backward', 'field'}
        Show what the cells hold, or their deltas: the derivative of the loss by what they hold; or
        what of the image the chosen cell has seen, with size, jump and start of each layer's field
        (see `cnnlib.learning.receptive_field`).
    digit : int
        Number of a shipped digit: `2*k` is a k that the network reads right, `2*k + 1` is one that
        it reads wrong.
    drawing : str
        An image instead of a shipped digit, as `write_image` gives it; '' for none.
    target : int, optional
        The class whose loss is taken: by default the label of the shipped digit, or what the
        network reads in the drawing.
    cell : list
        The chosen cell: the name of its layer, or 'image', and its index there.

    Examples
    --------
    >>> explorer = NetworkExplorer(digit=14, cell=["softmax1", 7])
    >>> print(explorer.alt.split(" with ")[0])
    The classical network reads a 7 as 7
    """

    about = "A trained network on one digit: all maps, all deltas, and the connections of any cell."
    _esm = FrontEnd("network")
    _css = style("network")

    lens = Read(read_word, "forward", ("forward", "backward", "field")).tag(**STATE)
    digit = Read(read_integer, 14, -MOST).tag(**STATE)
    drawing = Read(read_kind, "", str, "what write_image gives").tag(**STATE)
    target = Anything(None).tag(**STATE)
    cell = Read(read_list, ["conv2", 3, 3, 0], '["softmax1", 7]').tag(**STATE)
    data = Dict(read_only=True).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        self.set_trait("data", _shipped() | {"fields": _fields()})
        super().__init__(**traits)

    @validate("digit", "drawing", "target", "cell")
    def _refuse(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        shapes = {layer["name"]: tuple(layer["shape"]) for layer in self.data["layers"]}
        shapes["image"] = tuple(self.data["input_shape"])
        numbers: dict[str, Any] = {
            "digit": range(len(self.data["digits"])), "target": (None, *range(10))
        }  # fmt: skip
        expected = {
            "drawing": "'', or the text of an image as write_image gives it",
            "cell": f"the name of a map and an index below its shape: {shapes}",
        }.get(name, f"one of {', '.join(map(str, numbers.get(name, ())))}")
        try:
            if name == "cell":
                np.ravel_multi_index(tuple(value[1:]), shapes[value[0]])
                return [value[0], *map(int, value[1:])]  # NumPy's integers become Python's
            if name == "drawing":
                read_image(value)
                return value
            if value is not None:
                value = read_integer(name, value, 0)  # 1.0 and True are equal to 1
            return numbers[name][numbers[name].index(value)]
        except (IndexError, KeyError, TypeError, ValueError):
            raise TraitError(f"{name} is {shown(value)}; expected {expected}") from None

    @property
    def image(self) -> NDArray:
        """The image that the network sees, (28, 28, 1), from 0 to 1."""
        return read_image(self.drawing or self.data["digits"][self.digit]["pixels"])

    def passes(
        self, dtype: DTypeLike = np.float32
    ) -> tuple[dict[str, NDArray], dict[str, NDArray], float, int]:
        """Go forwards and backwards: what each layer gives, its deltas, the loss, its target."""
        network, x = read_network(dtype=dtype), self.image[None]
        target = self.target
        if target is None and self.drawing:
            target = network.forward(x).argmax()
        elif target is None:
            target = self.data["digits"][self.digit]["label"]
        seen = network.trace(x, np.array([target]))
        maps, deltas = (
            {"image" if name == "x" else name: a for name, a in arrays.items()}
            for arrays in (seen.outputs, seen.deltas)
        )
        return maps, deltas, seen.loss, int(target)

    @property
    def alt(self) -> str:
        """What the network reads, and what the chosen cell holds or owes."""
        maps, deltas, loss, target = self.passes()
        y = list(maps.values())[-1][0]
        cell: list[Any] = self.cell
        name, *index = cell
        seen = "a drawing" if self.drawing else f"a {self.data['digits'][self.digit]['label']}"
        forward = self.lens != "backward"
        value = (maps if forward else deltas)[name][(0, *index)] + 0  # no -0
        return (
            f"The classical network reads {seen} as {y.argmax()} with probability {y.max():.2f}; "
            f"its loss for class {target} is {loss:.2g}. Beside the image stand the "
            f"{'maps' if forward else 'deltas'} of its layers. Cell {tuple(index)} of {name} "
            f"{'is' if forward else 'owes'} {value:.3g}.{self._seen()}"
        )

    def _seen(self) -> str:
        if self.lens != "field":
            return ""
        rows, columns = (f"{first} to {end - 1}" for first, end in self._field())
        return f" It may see rows {rows} and columns {columns} of the image."

    def _field(self) -> list[tuple[int, int]]:
        """Along both axes of the image, the first cell that the chosen one may see, and the end."""
        name, *index = self.cell
        field = self.data["fields"].get(name, {"size": [1, 1], "jump": [1, 1], "start": [0, 0]})
        at = [field["start"][n] + field["jump"][n] * index[min(n, len(index) - 1)] for n in (0, 1)]
        return [(first, first + size) for first, size in zip(at, field["size"], strict=True)]

    def draw(self) -> Figure:
        """The image, the probabilities, and all maps or their deltas; the chosen cell is ringed."""
        maps, deltas, *_ = self.passes()
        shown = deltas if self.lens == "backward" else maps
        names = [name for name in maps if not name.startswith("flatten")]
        with styled():
            figure = new_figure(7.0, 4.6)
            ratios = dict(
                width_ratios=(1, 3.2),
                height_ratios=[2 if shown[name].ndim > 2 else 1 for name in names[1:]],
            )
            grid = figure.add_gridspec(len(names) - 1, 2, **ratios)
            half = len(names) // 2
            image = figure.add_subplot(grid[:half, 0])
            _draw_maps(image, "image", shown["image"][0], self.cell)
            if self.lens == "field":
                (top, bottom), (left, right) = self._field()
                edges = [left, left, right, right, left], [top, bottom, bottom, top, top]
                lines = [np.clip(edge, 0, 28) - 0.5 for edge in edges]
                image.plot(*lines, color=PALETTE["delta"], lw=2)
            bars = figure.add_subplot(grid[half:, 0])
            bars.barh(range(10), list(maps.values())[-1][0])
            bars.set(yticks=range(10), xlim=(0, 1), title="probability")
            bars.invert_yaxis()
            for row, name in enumerate(names[1:]):
                _draw_maps(figure.add_subplot(grid[row, 1]), name, shown[name][0], self.cell)
        return figure


def _draw_maps(axes: Any, name: str, a: NDArray, cell: list) -> None:
    """Draw the maps of a layer side by side, from blue through grey (0) to yellow."""
    maps = a if a.ndim > 1 else a.reshape(1, -1, 1)
    I, J, _ = maps.shape
    wide = np.pad(maps, ((0, 0), (0, 1), (0, 0)), constant_values=np.nan)  # a gap after each map
    limit = abs(a).max() or 1
    picture = wide.transpose(0, 2, 1).reshape(I, -1)
    grey = name == "image" and a.min() >= 0  # not its deltas
    look = dict(cmap="gray", vmin=0) if grey else dict(cmap="cividis", vmin=-limit)
    axes.imshow(picture, vmax=limit, aspect=1 if I > 1 else "auto", **look)
    axes.set_axis_off()
    axes.set_anchor("W")
    axes.set_title(name, loc="left", size=8, pad=2)
    if cell[0] == name:
        i, j, k = cell[1:] if a.ndim > 1 else (0, cell[1], 0)
        axes.plot(k * (J + 1) + j, i, "o", mfc="none", mec=PALETTE["delta"], ms=7, mew=1.5)


def write_network(
    network: Network, x: NDArray, t: NDArray, about: str, path: Path = SHIPPED
) -> None:
    """Write a trained network for the explorer, with digits of a test set and its accuracy there.

    The weights are rounded: to 64 levels where an array has more than 10,000 of them, else to 4096.
    The file's network is the rounded one; its accuracy and loss are measured, and of each class
    the first digit that it reads right and the first that it reads wrong are kept.

    Parameters
    ----------
    network : Network
        Of Conv, MaxPool, ReLU, Sigmoid, Flatten, Dense and, at the end, Softmax layers.
    x, t : array
        Images `(N, H, W, 1)` of a test set, 0 to 1, and their labels, 0 to 9.
    about : str
        How the network was trained, and on what.
    path : path
        The file; by default the one that ships with the library.

    Raises
    ------
    InputError
        The network has another layer, or the test set too few digits.
    DataError
        The file cannot be written.
    """
    for name, layer in network.layers.items():
        if type(layer) not in DRAWN:
            kinds = ", ".join(kind.__name__ for kind in DRAWN)
            raise InputError(f"layer {name} is {layer!r:.80}; the explorer draws only {kinds}")
        if isinstance(layer, Conv) and (layer.border, layer.groups) != ("zeros", 1):
            cure = "border='zeros' and groups=1"
            raise InputError(f"layer {name} is {layer!r:.80}; the explorer draws only {cure}")
    made = network.architecture()
    data = {
        "about": about,
        "input_shape": made["input_shape"],
        "layers": [
            {"name": name, "kind": kind, "settings": settings, "shape": network.shapes[name]}
            for name, (kind, settings) in zip(network.layers, made["parts"], strict=False)
        ],
        "params": {name: _write_array(w) for name, w in network.params.items()},
    }
    rounded = _build(data)
    loss, accuracy = evaluate(rounded, x, t)
    read = np.concatenate([rounded.forward(part).argmax(axis=1) for part in np.array_split(x, 20)])
    kept = [_first(t, read, label, right) for label in range(10) for right in (True, False)]
    data["test"] = {"images": len(x), "accuracy": round(accuracy, 4), "loss": round(loss, 4)}
    data["digits"] = [
        {"label": int(t[n]), "read": int(read[n]), "number": n, "pixels": write_image(x[n])}
        for n in kept
    ]
    write_json(path, data, indent=1)


def _first(t: NDArray, read: NDArray, label: int, right: bool) -> int:
    found = np.flatnonzero((t == label) & ((read == t) == right))
    if not len(found):
        how = "right" if right else "wrong"
        raise InputError(f"x has no {label} that the network reads {how}; use a larger test set")
    return int(found[0])


def read_network(path: Path = SHIPPED, dtype: DTypeLike = np.float32) -> Network:
    """The cnnlib Network of a file that `write_network` wrote: the very numbers of the explorer."""
    with blaming(path):
        return _build(_shipped() if path == SHIPPED else read_json(path), dtype)


@cache
def _fields() -> dict[str, dict[str, list[int]]]:
    """What the outputs of each layer may see of the image."""
    from cnnlib.learning.receptive import receptive_field

    fields = receptive_field(_build(_shipped()))
    return {
        name: {"size": [*field.size], "jump": [*field.jump], "start": [*field.start]}
        for name, field in fields.items()
    }


@cache
def _shipped() -> dict[str, Any]:
    return read_json(SHIPPED)


def _build(data: dict[str, Any], dtype: DTypeLike = np.float32) -> Network:
    parts = [(layer["kind"], layer["settings"]) for layer in data["layers"]]
    made = {"parts": [*parts, ("CrossEntropy", {})], "input_shape": data["input_shape"]}
    params = {name: _read_array(w).astype(dtype) for name, w in data["params"].items()}
    return Network.from_tree({"network": made | {"dtype": np.dtype(dtype).name}, "params": params})


def _write_array(w: NDArray) -> dict[str, Any]:
    """Levels of equal distance, as many as one or two letters count; the one in the middle is 0."""
    letters = 1 if w.size > COARSE else 2
    half = 64**letters // 2
    scale = float(abs(w).max()) / (half - 1) or 1.0
    levels = np.rint(w.ravel() / scale).astype(int) + half
    places = levels[:, None] // 64 ** np.arange(letters)[::-1] % 64
    text = "".join(LETTERS[place] for place in places.ravel())
    return {"shape": w.shape, "scale": scale, "letters": letters, "values": text}


def _read_array(array: dict[str, Any]) -> NDArray:
    """The weights as float32: (level - half) * scale, rounded once."""
    letters = array["letters"]
    places = np.array([LETTERS.index(letter) for letter in array["values"]]).reshape(-1, letters)
    levels = places @ 64 ** np.arange(letters)[::-1] - 64**letters // 2
    return (levels * array["scale"]).astype(np.float32).reshape(array["shape"])


def write_image(x: NDArray) -> str:
    """An image (28, 28, 1) from 0 to 1 as text that fits into an address.

    Each pixel is a letter, its grey level of 64: A to Z, a to z, 0 to 9, - and _. A dot and a
    letter stand for so many black pixels, and the black ones at the end are left out.

    Raises
    ------
    InputError
        It is no such image.

    Examples
    --------
    >>> x = np.zeros((28, 28, 1))
    >>> x[0, 3:5] = 1
    >>> write_image(x)
    '.D__'
    >>> bool((read_image(".D__") == x).all())
    True
    """
    x = np.asarray(x, float)
    if x.shape != (28, 28, 1) or not abs(x - 0.5).max() < 0.501:  # rounding may have gone beyond
        raise InputError(
            f"x has shape {x.shape}, values {x.min():.3g} to {x.max():.3g}; expected an image of "
            "shape (28, 28, 1) from 0 to 1"
        )
    text = "".join(LETTERS[level] for level in np.rint(63 * x.ravel()).astype(int)).rstrip("A")
    return re.sub("A{2,63}", lambda run: "." + LETTERS[len(run[0])], text) or "A"


def read_image(text: str) -> NDArray:
    """The image that `write_image` wrote; a ValueError where the text is none."""
    text = re.sub(r"\.(.)", lambda run: "A" * LETTERS.index(run[1]), text).ljust(784, "A")
    levels = np.array([LETTERS.index(letter) for letter in text], np.float32)
    return levels.reshape(28, 28, 1) / 63
