"""Recordings of a training: what the TrainingExplorer shows, and how it is stored.

A recording is a dict that JSON can hold. `record` makes one from a real training, `shipped` reads
one of those that come with the book, `numbers` gives one of its arrays back.

Frames are taken at step 0, before anything is learned, at 1, 2, 3, and then at growing distances.
What a frame holds is measured at that step on the probe, images which the network does not learn
from: so two recordings compare, and the luck of a batch does not make the curves jump.

    format     "cnnlib recording 1"; a recording with another number follows other rules than these
    title, about    what is trained: in a few words, and in a sentence
    step       for each of the F frames the number of steps taken before it
    loss, accuracy  of the probe, for each frame, to 6 digits
    broken     null, or the step by which a number was no longer finite; the frames end before it
    label, read     the class of the one image, and for each frame the class that is read in it
    layers     for each layer with weights, in the order of the forward pass, its name, and for
               each frame, to 3 digits, the root mean square of its
        activations    on the probe: after the ReLU, Sigmoid, Tanh or Softmax that follows it
        gradients      dE/dw, of the mean loss of the probe
    arrays     for each array, in the order of their bytes: its name, shape, and limits
        image      (1, H, W, C): the one image
        conv1.w    (F, K, U, V, C): kernels
        conv1.a, conv1.dz          (F, I, J, K): maps of the image, its activations and its deltas;
                   the loss is that of the image alone
        conv1.activations, conv1.gradients     (F, bins): what `histogram` counts in the
                   activations and in the gradients, as shares of all
    bytes      base64 of the deflated bytes of all arrays

A byte q means the number `(q - 64) * limit / 63`, so zero is exact and no number is off by more
than `limit / 126`. The limit is the frame's own: no magnitude in the frame is above it. An image
or a histogram has one limit for all frames. In `bytes` the numbers of one place of an array stand
together, in the order of the frames, and each but the first is the difference to the one before,
modulo 256: what does not change is 0, and takes next to no room.
"""

import base64
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnnlib.arrays import read_array, read_integer, read_kind, read_pair, read_word
from cnnlib.errors import DivergenceError, InputError, shown
from cnnlib.learning import training
from cnnlib.learning.layers import Activation, Conv
from cnnlib.learning.network import Network
from cnnlib.learning.optimizers import Optimizer

from .sealed import read_json

FORMAT = "cnnlib recording 1"
FOLDER = Path(__file__).parent / "data"
TOP = 63  # what the limit becomes; zero becomes ZERO
ZERO = 64
EDGES = 10.0 ** (np.arange(-16, 8) / 2)  # where a histogram's bins begin, the first one excepted
PARTS = ("activations", "gradients")

Recording = dict[str, Any]


def record(
    network: Network,
    x: NDArray,
    t: NDArray,
    *,
    optimizer: Optimizer,
    steps: int,
    rng: np.random.Generator,
    probe: tuple[NDArray, NDArray],
    title: str,
    about: str = "",
    batch: int = 32,
    frames: int = 60,
    filters: int = 6,
    image: int = 0,
) -> Recording:
    """Train a network as `cnnlib.learning.training.fit` does, and record it (chapter 5).

    Parameters
    ----------
    network : Network
        For images, with a Conv, and a loss that chooses between classes. Its parameters change in
        place. In float64 another machine records the same for longer than in float32.
    x, t : array
        Images (N, H, W, C) to learn from and their labels (N,).
    optimizer : Optimizer
        Takes the steps.
    steps : int
        How many steps to take.
    rng : numpy.random.Generator
        Shuffles.
    probe : pair of arrays
        Images and labels on which every frame is measured.
    title, about : str
        What is trained: in a few words, and in a sentence.
    batch : int
        Images in a step.
    frames : int
        At most so many frames, see `schedule`.
    filters : int
        So many filters and channels of a layer are kept, the first ones.
    image : int
        Whose maps are recorded: the number of an image of the probe.

    Returns
    -------
    recording : dict
        As described at the top of this module.

    Raises
    ------
    InputError
        Network and data do not fit each other, or there is nothing to show.
    DivergenceError
        Numbers are not finite at step 0. Where they break later, the recording ends before.
    """
    steps, frames = read_integer("steps", steps, 1), read_integer("frames", frames, 2)
    filters, image = read_integer("filters", filters, 1), read_integer("image", image, 0)
    for name, words in (("title", title), ("about", about)):
        _read_words(name, words)
    probe = read_pair("probe", probe)
    _check(network, (x, t), probe)
    if image >= len(probe[0]):
        raise InputError(f"image is {image}; expected a number below {len(probe[0])}")
    wanted = schedule(steps, frames)
    run = training.steps(network, x, t, optimizer=optimizer, rng=rng, batch=batch)
    taken, broken = _film(run, wanted, lambda: _frame(network, *probe, image, filters))
    if not taken:
        raise DivergenceError("numbers are not finite at step 0; try smaller first weights")
    film = {name: np.array([frame[name] for frame in taken]) for name in taken[0]}
    film["image"] = np.asarray(probe[0][image : image + 1])
    arrays = {name: _quantise(values) for name, values in film.items() if values.ndim > 1}
    return {
        "format": FORMAT,
        "title": title,
        "about": about,
        "step": wanted[: len(taken)],
        "loss": _rounded(film["loss"], 6),
        "accuracy": _rounded(film["accuracy"], 6),
        "broken": broken,
        "label": int(probe[1][image]),
        "read": film["read"].tolist(),
        "layers": [
            {"name": name} | {part: _rounded(film[f"{name}.{part}.size"], 3) for part in PARTS}
            for name in _learning(network)
        ],
        "arrays": [
            {"name": name, "shape": list(q.shape), "limits": limits}
            for name, (q, limits) in arrays.items()
        ],
        "bytes": _pack(q for q, _ in arrays.values()),
    }


def schedule(steps: int, frames: int) -> list[int]:
    """At which steps frames are taken: `expm1(f/(frames-1) * log1p(steps))`, rounded, each once.

    Examples
    --------
    >>> schedule(100, 8)
    [0, 1, 3, 6, 13, 26, 51, 100]
    """
    steps, frames = read_integer("steps", steps, 0), read_integer("frames", frames, 1)
    even = np.linspace(0, np.log1p(steps), frames)
    return np.unique(np.rint(np.expm1(even)).astype(int)).tolist()


def histogram(values: ArrayLike) -> NDArray:
    """How magnitudes are distributed: the shares of the values in 25 bins.

    Bin 0 has the zeros, and what is smaller than 1e-8. The others are half decades: bin m has
    `10**((m - 17)/2) <= |value| < 10**((m - 16)/2)`, and the last one what is larger, too.

    Examples
    --------
    >>> shares = histogram([0, 0, -1, 2, 20])
    >>> np.flatnonzero(shares).tolist(), shares[[0, 17, 19]].tolist()
    ([0, 17, 19], [0.4, 0.4, 0.2])
    """
    values = read_array("values", values)
    if not values.size:
        raise InputError("values has none; expected one number at least")
    bins = np.searchsorted(EDGES, np.abs(values).ravel(), side="right")
    return np.bincount(bins, minlength=len(EDGES) + 1) / bins.size


def read_recording(name: str, value: Any) -> Recording:
    """Read what `record` returns; whatever else says that it is one is refused.

    Raises
    ------
    InputError
        It has another format, lacks something, or its parts do not fit each other.
    """
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise InputError(f"{name}: {shown(value)}; expected a name or what `record` returns")
    try:
        _check_whole(value)
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, zlib.error) as error:
        said = f"it has no {error}" if isinstance(error, KeyError) else f"{error!s:.120}"
        raise InputError(
            f"{name} is no whole recording: {said}; expected a name or what `record` returns"
        ) from None
    return value


def _read_words(name: str, words: Any) -> None:
    """Refuse what is no text that a page can show."""
    read_kind(name, words, str, "what is trained, in words")
    try:
        words.encode()
    except UnicodeEncodeError:  # half of a pair
        raise InputError(f"{name} is {shown(words)}; expected letters that UTF-8 has") from None


def _check_whole(film: Recording) -> None:
    """Raise whatever says why these are not the parts of one recording."""
    frames, shapes = len(film["step"]), {a["name"]: a["shape"] for a in film["arrays"]}
    if film["step"][:1] != [0] or any(not a < b for a, b in pairwise(film["step"])):
        raise ValueError("its step does not rise from 0")
    for part in ("title", "about"):
        _read_words(part, film[part])
    for part, whole in (("step", film["step"]), ("read", film["read"]), ("label", [film["label"]])):
        for number in whole:
            read_integer(part, number, 0)
    if film["broken"] is not None:
        read_integer("broken", film["broken"], 1)
    rows = {"loss": film["loss"], "accuracy": film["accuracy"], "read": film["read"]}
    for layer in film["layers"]:
        rows |= {f"{layer['name']}.{part}.size": layer[part] for part in PARTS}
        for part in PARTS:
            shape = shapes[f"{layer['name']}.{part}"]
            if shape != [frames, len(EDGES) + 1]:
                raise ValueError(f"{layer['name']}.{part} has shape {shape}")
    for name, row in rows.items():
        if len(row) != frames or not np.isfinite(np.asarray(row, float)).all():
            raise ValueError(f"{name} is not {frames} finite numbers, one for each step")
    for array in film["arrays"]:
        name, shape = array["name"], array["shape"]
        layer, _, part = name.partition(".")
        axes = {"w": 5, "a": 4, "dz": 4, "": 4}.get(part, 2)
        count = 1 if name == "image" else frames
        if len(shape) != axes or shape[0] != count:
            raise ValueError(f"{name} has shape {shape}")
        if not np.isfinite(np.asarray(array["limits"], float)).all():
            raise ValueError(f"the limits of {name} are not finite")
        numbers(film, name)
        if part == "a" and not shape[-1] == shapes[f"{layer}.w"][1] == shapes[f"{layer}.dz"][-1]:
            raise ValueError(f"{layer} has not equally many kernels, maps and deltas")
    if shapes["image"][-1] < 1:
        raise ValueError("its image has no channel")


def numbers(recording: Recording, name: str) -> NDArray:
    """The array `name` of a recording, frames first."""
    most = sum(int(np.prod(array["shape"])) for array in recording["arrays"])
    packed = base64.b64decode(recording["bytes"])
    data = np.frombuffer(zlib.decompressobj().decompress(packed, most + 1), np.uint8)
    if len(data) != most:
        raise ValueError(f"bytes hold {len(data)} numbers, arrays name {most}")
    start = 0
    for array in recording["arrays"]:
        frames, *shape = array["shape"]
        size = frames * int(np.prod(shape))
        if array["name"] == name:
            changes = data[start : start + size].reshape(-1, frames)
            q = np.cumsum(changes, axis=1, dtype=np.uint8).T.reshape(array["shape"])
            limits = np.reshape(array["limits"], (-1, *[1] * len(shape)))
            return (q.astype(float) - ZERO) * limits / TOP
        start += size
    known = ", ".join(array["name"] for array in recording["arrays"])
    raise InputError(f"name is {name!r}; this recording has {known}")


def shipped() -> list[str]:
    """Names of the recordings that come with the book."""
    return sorted(path.name.split(".")[0] for path in FOLDER.glob("*.recording.json"))


def load(name: str) -> Recording:
    """The recording of this name that comes with the book, see `shipped`."""
    read_word("name", name, shipped())
    return read_json(FOLDER / f"{name}.recording.json")


def _check(network: Network, *sets: tuple[NDArray, NDArray]) -> None:
    """Refuse what cannot be recorded before anything is computed."""
    read_kind("network", network, Network, "Network(layers, loss, ...)")
    if len(network.input_shape) != 3 or not _convolutions(network):
        raise InputError(
            f"a recording shows kernels and maps; expected images (H, W, C) and a Conv, not "
            f"samples of shape {network.input_shape} and layers {', '.join(network.layers)}"
        )
    for x, t in sets:
        if (
            read_array("t", t).ndim != 1
            or len(network.output_shape) != 1
            or network.output_shape[0] == 1
        ):
            raise InputError(
                f"t has shape {np.shape(t)}, and the outputs {network.output_shape}; a "
                "recording counts hits, so expected labels (N,) and one output for each class"
            )
        training.evaluate(network, x, t)  # reads every sample and target, and says what is wrong


def _film(
    run: Iterator[training.Step], wanted: list[int], take: Callable[[], dict[str, Any]]
) -> tuple[list[dict[str, Any]], int | None]:
    """Take a frame at each wanted step; and the one by which a number was not finite, if any was.

    The frames end before it.
    """
    from threadpoolctl import threadpool_limits

    taken: list[dict[str, Any]] = []
    with (
        threadpool_limits(1, "blas"),
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),  # looked for in each frame
    ):
        for before, step in pairwise([0, *wanted]):
            losses = [each.loss for each in islice(run, step - before)]
            frame = take()
            if not all(np.isfinite(part).all() for part in (losses, *frame.values())):
                return taken, step
            taken.append(frame)
    return taken, None


def _frame(
    network: Network, x: np.ndarray, t: np.ndarray, image: int, filters: int
) -> dict[str, Any]:
    """What is recorded of one moment, by the names that the arrays have."""
    learning, last = _learning(network), list(network.layers)[-1]
    probe = network.trace(x, t)
    frame: dict[str, Any] = {"loss": probe.loss}
    frame["accuracy"] = network.loss.accuracy(probe.outputs[last], t)
    for name, after in learning.items():
        measured = (probe.outputs[after], probe.grads[f"{name}.w"])
        for part, values in zip(PARTS, measured, strict=True):
            frame[f"{name}.{part}"] = histogram(values)
            frame[f"{name}.{part}.size"] = np.sqrt(np.mean(np.square(values)))
    one = network.trace(x[image : image + 1], t[image : image + 1])
    frame["read"] = one.outputs[last].argmax()
    for name in _convolutions(network):
        frame[f"{name}.w"] = network.params[f"{name}.w"][:filters, ..., :filters].copy()
        frame[f"{name}.a"] = one.outputs[learning[name]][0, ..., :filters]
        frame[f"{name}.dz"] = one.deltas[name][0, ..., :filters]
    return frame


def _learning(network: Network) -> dict[str, str]:
    """Names of the layers with weights, each with the name of the layer of its activations."""
    after, last = {}, ""
    for name, layer in network.layers.items():
        if "w" in layer.params:
            after[name] = name
        elif last in after and isinstance(layer, Activation):
            after[last] = name
        last = name
    return after


def _convolutions(network: Network) -> list[str]:
    return [name for name, layer in network.layers.items() if isinstance(layer, Conv)]


def _quantise(film: NDArray) -> tuple[NDArray, list[float]]:
    """Bytes and limits of an array, frames first; an image or a histogram gets one limit."""
    most = np.abs(film).reshape(len(film) if film.ndim > 2 else 1, -1).max(axis=1)
    limits = [_round_up(value) for value in most]
    scale = np.reshape([limit or 1.0 for limit in limits], (-1, *[1] * (film.ndim - 1)))
    return np.rint(film / scale * TOP).astype(int) + ZERO, limits


def _round_up(value: float) -> float:
    """The next number of two digits, so that a limit is short to write and to read."""
    if value < np.finfo(float).tiny:  # below, the unit would have no digits left
        return 0.0
    unit = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(f"{np.ceil(value / unit) * unit:.2g}")


def _pack(parts: Iterable[NDArray]) -> str:
    """All bytes, as differences in the order of time, deflated, as base64."""
    changes = (np.diff(q, axis=0, prepend=0).astype(np.uint8) for q in parts)
    data = b"".join(change.reshape(len(change), -1).T.tobytes() for change in changes)
    return base64.b64encode(zlib.compress(data, 9)).decode()


def _rounded(values: NDArray, digits: int) -> list[float]:
    return [float(f"{value:.{digits}g}") for value in values]
