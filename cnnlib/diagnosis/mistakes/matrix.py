"""Which common checks notice which mistakes: computed from the mistakes themselves.

A check runs a layer on one configuration and compares what comes out. Each of the common checks is
the awkward configuration with one thing made easy, so that a column says what that ease hides.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from cnnlib.checks import numerical_gradient
from cnnlib.geometry import Window

from . import choices
from .pools import Pair
from .sums import DoesNotFit, Sum, Switch, wrong
from .ways import Way, ways

Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class Check:
    """One common check: the configuration on which it runs, and what it compares.

    The default is the awkward one: two samples, a window that does not divide an oblong image,
    several channels and filters, stride 2, padding 2, random deltas, two calls, every entry.
    """

    name: str
    words: str
    samples: int = 2
    image: tuple[int, int] = (7, 6)
    channels: int = 3  # and filters
    kernel: tuple[int, int] = (3, 3)
    stride: int = 2
    padding: int = 2
    ones: bool = False  # deltas
    symmetric: bool = False  # kernels
    compare: str = "every entry"
    calls: int = 2


_AWKWARD = Check("awkward", "an awkward configuration, every entry, random deltas, called twice")
CHECKS = (
    _AWKWARD,
    Check("shape", "only the shapes are compared", compare="shape"),
    Check("mean", "only the means are compared", compare="mean"),
    Check("mean, no pad", "only the means, and no padding", compare="mean", padding=0),
    Check("ones", "the deltas are all one", ones=True),
    Check("C=K=1", "one channel and one filter", channels=1),
    Check("stride 1", "the window moves by one cell", stride=1),
    Check("no pad", "no padding", padding=0),
    Check("N=1", "a single sample", samples=1),
    Check("symmetric", "a kernel that equals its half turn", symmetric=True),
    Check("square", "an image as wide as high", image=(7, 7)),
    Check("one call", "the code runs once", calls=1),
    Check(
        "gradient, sum",
        "central differences of the sum of the outputs, z.sum()",
        ones=True,
        compare="numerical",
        calls=1,
    ),
    Check(
        "gradient, random",
        "central differences of (z*dz).sum() with random deltas dz",
        compare="numerical",
        calls=1,
    ),
    Check(
        "classroom",
        "5x5, one sample, channel and filter, stride 1, no padding, every entry",
        samples=1,
        image=(5, 5),
        channels=1,
        stride=1,
        padding=0,
        calls=1,
    ),
)


# Those that mean something for a layer without images, and for a ReLU.
_DENSE = ("awkward", "shape", "mean", "N=1", "one call", "classroom")
_FREE = (*_DENSE, "ones")


@cache
def by_way() -> tuple[tuple[Way, dict[str, bool | None]], ...]:
    """Whether a check notices a way of making a mistake: for each way, by the check's name.

    None: the check does not concern this part of a network.
    """
    return tuple((way, {check.name: notices(check, way) for check in CHECKS}) for way in ways())


def matrix() -> dict[str, dict[str, bool | None]]:
    """Whether a check notices a mistake: by id, then by the check's name.

    A mistake that is made in several ways is noticed only if each of them is.
    """
    table: dict[str, dict[str, bool | None]] = {}
    for way, row in by_way():
        known = table.setdefault(way.id, dict.fromkeys(row))
        for name, seen in row.items():
            known[name] = both(known[name], seen)
    return table


def both(one: bool | None, other: bool | None) -> bool | None:
    """Whether two ways are both noticed; a way that a check does not concern does not count."""
    known = [noticed for noticed in (one, other) if noticed is not None]
    return all(known) if known else None


def notices(check: Check, way: Way) -> bool | None:
    """Whether the check fails for code with this mistake; None if it does not concern that part.

    Code that cannot be run with the configuration's shapes stops with an error: that is noticed.

    Examples
    --------
    With stride 1 nobody sees that the way back forgot the stride.

    >>> way = next(way for way in ways() if way.id == "D4")
    >>> {check.name: notices(check, way) for check in CHECKS if check.name in ("ones", "stride 1")}
    {'ones': True, 'stride 1': False}
    """
    if way.part == "start":  # every sum is right: whatever compares sums sees nothing
        return False
    part = {"layer": _layer, "max": _pool, "avg": _pool, "relu": _relu, "head": _head,
            "step": _step}[way.part]  # fmt: skip
    try:
        return part(check, way)
    except (DoesNotFit, IndexError, ValueError):
        return True


def _differ(check: Check, right: Arrays, got: Arrays) -> bool:
    """Whether the check sees a difference between what is right and what came out."""
    pairs = [(np.asarray(right[name]), np.asarray(got[name])) for name in right]
    if check.compare == "mean":
        pairs = [(a.mean(), b.mean() if b.size else np.array(np.nan)) for a, b in pairs]
    if any(a.shape != b.shape for a, b in pairs):
        return True
    return check.compare != "shape" and not all(np.allclose(a, b, 1e-6, 1e-7) for a, b in pairs)


# ---- The convolution


def _layer(check: Check, way: Way) -> bool:
    switch: Switch = way.made
    if check.compare == "numerical":
        right, got = _numerical(check, switch if switch.quantity == "z" else None), {}
        for quantity in right:
            planted = [switch] if switch.quantity == quantity else []
            got[quantity] = layer_sum(check, quantity, planted).result()
    else:
        right = {switch.quantity: layer_sum(check, switch.quantity, []).result()}
        got = {switch.quantity: layer_sum(check, switch.quantity, [switch]).result()}
    return _differ(check, right, got)


def layer_sum(check: Check, quantity: str, switches: list[Switch], **changed: np.ndarray) -> Sum:
    rng = np.random.default_rng(0)
    N, P, C, U = check.samples, check.image, check.channels, check.kernel
    axes = Window(U, check.stride, 1, check.padding).axes(P)
    x, w, b = rng.normal(size=(N, *P, C)), rng.normal(size=(C, *U, C)), rng.normal(size=C)
    dz = rng.normal(size=(N, *(axis.outputs for axis in axes), C))
    if check.symmetric:
        w = w + w[:, ::-1, ::-1]
    if check.ones:
        dz = np.ones_like(dz)
    arrays = {"x": x, "w": w, "b": b, "dz": dz} | changed
    return wrong(quantity, switches, axes, ((check.padding,) * 2,) * 2, **arrays)


@cache
def _numerical(check: Check, forward: Switch | None) -> dict[str, np.ndarray]:
    """Central differences of sum(z*dz) through the code's own forward pass."""
    switches = [] if forward is None else [forward]
    start = layer_sum(check, "z", switches)
    if start.result().shape != start.dz.shape:
        raise DoesNotFit("the deltas do not fit the outputs")

    def slope(name: str) -> np.ndarray:
        def loss(array: np.ndarray) -> float:
            return float(
                (layer_sum(check, "z", switches, **{name: array}).result() * start.dz).sum()
            )

        return numerical_gradient(loss, getattr(layer_sum(check, "z", []), name))

    return {f"d{name}": slope(name) for name in ("x", "w", "b")}


# ---- Pooling, ReLU, the head


def _pool(check: Check, way: Way) -> bool | None:
    if check.symmetric:
        return None
    x, da, window, stride = _pooling(check, way.part)
    right = choices.right({**choices.POOL, **choices.POOL_FORWARD})
    made = {**right, **way.made}
    delta = choices.pool_delta(x, da, window, stride, made, way.part)
    if check.compare == "numerical":
        forward = {place: made[place] for place in choices.POOL_FORWARD}
        return _differ(check, {"dx": _pool_slope(check, way.part, **forward)}, {"dx": delta})
    expected, got = (
        {
            "a": choices.pool(x, window, stride, setting, way.part),
            "dx": choices.pool_delta(x, da, window, stride, setting, way.part),
        }
        for setting in (right, made)
    )
    return _differ(check, expected, got)


def _pooling(check: Check, kind: str) -> tuple[np.ndarray, np.ndarray, Pair, Pair]:
    """The images, deltas, window and stride of a check."""
    window, stride = (check.kernel[0],) * 2, (check.stride,) * 2
    if check.name == "classroom":  # side by side, as in most lessons
        window, stride = (2, 2), (2, 2)
    rng = np.random.default_rng(0)
    shape = (check.samples, *check.image, check.channels)
    # Few values, so that windows have ties; a tie has no slope, so a numerical check avoids them.
    numerical = check.compare == "numerical"
    values = rng.permutation(int(np.prod(shape))) if numerical else rng.integers(0, 4, shape)
    x = values.reshape(shape) / 2
    right = choices.right(choices.POOL_FORWARD)
    a = choices.pool(x, window, stride, right, kind)
    return x, np.ones_like(a) if check.ones else rng.normal(size=a.shape), window, stride


@cache
def _pool_slope(check: Check, kind: str, **forward: str) -> np.ndarray:
    """Central differences of sum(a*da) through the code's own forward pass."""
    x, da, window, stride = _pooling(check, kind)

    def loss(x: np.ndarray) -> float:
        return float((choices.pool(x, window, stride, forward, kind) * da).sum())

    return numerical_gradient(loss, x)


RELU: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "delta * (x > 0)": lambda da, x: da * (x > 0),
    "(x > 0)": lambda da, x: (x > 0).astype(da.dtype),
    "delta * (a >= 0)": lambda da, x: da * (np.maximum(x, 0) >= 0),
    "delta": lambda da, x: da,
}


def _relu(check: Check, way: Way) -> bool | None:
    numerical = check.compare == "numerical"
    if check.name not in _FREE and not numerical:
        return None
    rng = np.random.default_rng(0)
    x = rng.normal(size=(check.samples, *check.image, check.channels))
    da = np.ones_like(x) if check.ones else rng.normal(size=x.shape)
    right, made = (RELU[value](da, x) for value in ("delta * (x > 0)", way.made["relu"]))
    if numerical:
        right = numerical_gradient(lambda x: float((np.maximum(x, 0) * da).sum()), x)
    return _differ(check, {"dx": right}, {"dx": made})


def _head(check: Check, way: Way) -> bool | None:
    numerical = check.compare == "numerical"
    if check.name not in _DENSE and not numerical:
        return None
    rng = np.random.default_rng(0)
    N, D, K = (5 if check.samples > 1 else 1), 4, 3
    x, w, b = rng.normal(size=(N, D)), rng.normal(size=(D, K)), rng.normal(size=K)
    t = rng.integers(0, K, N)
    right = choices.right({**choices.LOSS, **choices.HEAD})
    made = choices.head(x, w, b, t, {**right, **way.made}, relu=False)
    expected = dict(choices.head(x, w, b, t, right, relu=False))
    if numerical:

        def loss(w: np.ndarray) -> float:
            return float(choices.head(x, w, b, t, {**right, **way.made}, relu=False)["loss"])

        return _differ(check, {"dw": numerical_gradient(loss, w)}, made)
    return _differ(check, expected, made)


# ---- A training step


def _step(check: Check, way: Way) -> bool | None:
    numerical = check.compare == "numerical"
    if check.name not in _DENSE and not numerical:
        return None
    rng = np.random.default_rng(0)
    N, D, M, K, rate = (5 if check.samples > 1 else 1), 4, 5, 3, 0.5
    shapes = {"w1": (D, M), "b1": (M,), "w2": (M, K), "b2": (K,)}
    params = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    batches = [(rng.normal(size=(N, D)), rng.integers(0, K, N)) for _ in range(check.calls)]
    right = choices.right(choices.STEP)
    made = choices.steps(params, batches, rate, {**right, **way.made})[-1]
    if numerical:  # what the first step moved, over the rate, is the gradient that it used
        x, t = batches[0]

        def loss(w: np.ndarray) -> float:
            z1 = x @ w + params["b1"]
            whole = choices.right({**choices.LOSS, **choices.HEAD})
            top = choices.head(z1, params["w2"], params["b2"], t, whole, relu=True)
            return float(top["loss"])

        used = {"w1": (params["w1"] - made["w1"]) / rate}
        return _differ(check, {"w1": numerical_gradient(loss, params["w1"])}, used)
    return _differ(check, choices.steps(params, batches, rate, right)[-1], made)
