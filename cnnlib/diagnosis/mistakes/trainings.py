"""What a training on real digits says of a mistake: does the loss fall, and how good does it get?

The mistake is planted into one place of a small network, and everything else is right. The planted
convolution has the shapes of the awkward configuration of `matrix`: images of 7x6, three channels
and filters, stride 2, padding 2.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnnlib.convolution import conv, conv_bias_gradient, conv_delta, conv_weight_gradient
from cnnlib.data import digits
from cnnlib.errors import InputError
from cnnlib.geometry import Shape, Window
from cnnlib.learning.layers import AvgPool, Conv, Dense, Flatten, Layer, MaxPool, ReLU
from cnnlib.learning.losses import SoftmaxCrossEntropy
from cnnlib.learning.network import Network
from cnnlib.learning.optimizers import SGD
from cnnlib.learning.training import evaluate, steps

from . import choices
from .matrix import RELU
from .sums import DoesNotFit, wrong
from .ways import Way, ways

RATE, BATCH, EPOCHS = 0.2, 32, 4
FILTERS = 6  # of both convolutions
GOAL, LAST = 0.5, 20  # the loss falls to this part of the first, as a mean over the last steps


@dataclass(frozen=True)
class Trained:
    """A training that was tried.

    Attributes
    ----------
    losses : list of float
        Of each step: up to the end, to the first that is not finite, or until an error.
    accuracy : float
        On held-out digits; 0 where the training broke off.
    error : str
        What stopped it, or ''.
    """

    losses: list[float]
    accuracy: float = 0.0
    error: str = ""

    @property
    def outcome(self) -> str:
        """What became of the loss: "falls", "stays", "explodes", or "stops" with an error.

        It falls if its mean over the last 20 steps is at most half of the first.
        """
        if self.error:
            return "stops"
        if not np.isfinite(self.losses).all():
            return "explodes"
        return "falls" if np.mean(self.losses[-LAST:]) <= GOAL * self.losses[0] else "stays"


def train(way: Way | None = None, pool: str = "max", seed: int = 0) -> Trained:
    """Train with this mistake, or without any: 180 steps of SGD on the digits of 8x8 pixels."""
    x_train, t_train, x_test, t_test = digits()
    losses: list[float] = []
    try:
        network = _network(way, pool, seed)
        optimizer = _Steps(way.made if way and way.part == "step" else {})
        rng = np.random.default_rng(seed + 1)
        run = steps(
            network, x_train, t_train, optimizer=optimizer, rng=rng, batch=BATCH, epochs=EPOCHS
        )
        with np.errstate(all="ignore"):  # what explodes is seen by its loss
            for step in run:
                losses.append(step.loss)
                if not np.isfinite(step.loss):
                    return Trained(losses)
        return Trained(losses, evaluate(network, x_test, t_test)[1])
    except (DoesNotFit, IndexError, InputError, ValueError) as error:
        return Trained(losses, error=f"{type(error).__name__}: {error}")


def trainings(seeds: Iterable[int]) -> Iterator[tuple[Way, list[Trained]]]:
    """Train with each way of each mistake, once from each seed."""
    seeds = list(seeds)
    done: dict[tuple[str, str, str], list[Trained]] = {}  # several entries may have one result
    for way in ways():
        same = way.part, way.quantity, way.words
        if same not in done:
            done[same] = [train(way, seed=seed) for seed in seeds]
        yield way, done[same]


def noticed(record: Iterable[Mapping[str, Any]]) -> dict[str, bool]:
    """Whether the loss never falls, whatever the way and the seed: the matrix's last row.

    Each entry of the record has a mistake's `id` and the `outcome` from each seed.

    Examples
    --------
    >>> noticed([{"id": "S5", "outcome": ["explodes"]}, {"id": "S5", "outcome": ["falls"]}])
    {'S5': False}
    """
    seen: dict[str, bool] = {}
    for entry in record:
        seen[entry["id"]] = seen.get(entry["id"], True) and "falls" not in entry["outcome"]
    return seen


def _network(way: Way | None, pool: str, seed: int) -> Network:
    part = way.part if way else ""
    made: Any = way.made if way else None
    layers: list[Layer] = [
        Conv(FILTERS, (2, 3)),
        ReLU(),
        _Conv(way if part == "layer" else None),
        _ReLU(made["relu"]) if part == "relu" else ReLU(),
        _Pool(part, made) if part in ("max", "avg") else POOLS[pool](2, stride=1),
        Flatten(),
        _Dense(10) if part == "step" and "delta" in made else Dense(10),
    ]
    loss = _Head(made) if part == "head" else SoftmaxCrossEntropy()
    rng = np.random.default_rng(seed)
    network = Network(layers, loss, input_shape=(8, 8, 1), rng=rng, dtype=np.float64)
    if part == "start":
        for p in network.params.values():
            p[...] = 0
    return network


class _Steps(SGD):
    """Gradient descent that moves some parameters alone, or uses other gradients."""

    def __init__(self, made: Mapping[str, str]) -> None:
        super().__init__(RATE)
        self.made = made
        self.used: dict[str, np.ndarray] = {}

    def step(self, params: Mapping[str, np.ndarray], grads: Mapping[str, np.ndarray]) -> None:
        updated = self.made.get("updates", "all parameters")
        names = {"nothing": [], "the last layer": ["dense1.w", "dense1.b"]}.get(updated, params)
        factor = {"not taken": float(BATCH), "twice": 1 / BATCH}.get(self.made.get("mean", ""), 1.0)
        used = {name: factor * grads[name] for name in names}
        if "gradients" in self.made:  # added to the old ones
            used = {name: gradient + self.used.get(name, 0) for name, gradient in used.items()}
        self.used = used
        super().step({name: params[name] for name in names}, used)


POOLS = {"max": MaxPool, "avg": AvgPool}
GEOMETRY: dict[str, Any] = {"stride": 2, "padding": 2}


class _Conv(Conv):
    """A convolution of which one sum may be a mistaken one."""

    def __init__(self, way: Way | None) -> None:
        super().__init__(FILTERS, 3, **GEOMETRY)
        self.way = way

    def output_shape(self, shape: Shape) -> Shape:
        """Tried, since a mistake may change it."""
        return Layer.output_shape(self, shape)

    def _made(self, quantity: str, **arrays: np.ndarray) -> np.ndarray | None:
        if self.way is None or self.way.quantity != quantity:
            return None
        window = Window((3, 3), 2, 1, 2)
        axes, pads = window.axes(self.x.shape[1:-1]), ((2, 2), (2, 2))
        return wrong(quantity, [self.way.made], axes, pads, **arrays).result()

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        self.x, w, b = x, self.params["w"], self.params["b"]
        made = self._made("z", x=x, w=w, b=b)
        return conv(x, w, b, **GEOMETRY) if made is None else made

    def backward(self, dz: np.ndarray) -> np.ndarray:
        x, w = self.x, self.params["w"]
        for name, right in (
            ("w", conv_weight_gradient(x, dz, w.shape[1:-1], **GEOMETRY)),
            ("b", conv_bias_gradient(dz)),
        ):
            made = self._made(f"d{name}", x=x, dz=dz)
            self.grads[name] = right if made is None else made
        made = self._made("dx", w=w, dz=dz)
        return conv_delta(dz, w, x.shape, **GEOMETRY) if made is None else made


class _ReLU(ReLU):
    """A ReLU with another derivative."""

    def __init__(self, value: str) -> None:
        super().__init__()
        self.value = value

    def delta(self, dz: np.ndarray) -> np.ndarray:
        return RELU[self.value](dz, self.z)


class _Pool(Layer):
    """A pooling with choices of its own."""

    def __init__(self, kind: str, made: Mapping[str, str]) -> None:
        super().__init__()
        right = choices.right({**choices.POOL, **choices.POOL_FORWARD})
        self.kind, self.setting = kind, {**right, **made}

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        self.x = x
        return choices.pool(x, (2, 2), (1, 1), self.setting, self.kind)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        return choices.pool_delta(self.x, dz, (2, 2), (1, 1), self.setting, self.kind)


class _Dense(Dense):
    """A dense layer that passes its deltas through the weights of the next step."""

    def delta(self, dz: np.ndarray) -> np.ndarray:
        return dz @ (self.params["w"] - RATE * self.grads["w"]).T


class _Head(SoftmaxCrossEntropy):
    """Softmax and cross-entropy with choices of their own."""

    def __init__(self, made: Mapping[str, str]) -> None:
        self.setting = {**choices.right({**choices.LOSS, **choices.HEAD}), **made}

    def _head(self, y: ArrayLike, t: ArrayLike) -> dict[str, np.ndarray]:
        y, t = np.asarray(y), np.asarray(t)
        return choices.head(y, np.eye(y.shape[1]), 0, t, self.setting, relu=False)

    def value(self, y: ArrayLike, t: ArrayLike) -> float:
        return float(self._head(y, t)["loss"])

    def delta(self, y: ArrayLike, t: ArrayLike) -> np.ndarray:
        return self._head(y, t)["dz"]
