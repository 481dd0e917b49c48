"""Mistakes in the slopes of activations and losses: what each gives, beside the right slopes.

Which function forward is shows its values. A mistake is named only where what it predicts is what
came, entry by entry, in every configuration.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from . import norms, rows


class Seen(Protocol):
    """One gradient in one configuration: what came, and what is right."""

    @property
    def name(self) -> str: ...
    @property
    def deltas(self) -> np.ndarray: ...
    @property
    def output(self) -> np.ndarray: ...
    @property
    def values(self) -> Mapping[str, Any]: ...
    @property
    def x(self) -> np.ndarray: ...
    @property
    def right(self) -> np.ndarray: ...
    @property
    def is_elementwise(self) -> bool: ...
    def of(self, deltas: np.ndarray) -> np.ndarray: ...
    def is_like(self, other: Any) -> bool: ...


Predict = Callable[..., Any]  # of a Seen
_Slope = Callable[..., np.ndarray]  # of an array


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


# What a layer may have inside: its value and its slope, of z.
ACTIVATIONS: dict[str, tuple[_Slope, _Slope]] = {
    "": (lambda z: z, np.ones_like),
    "ReLU": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * (1 - _sigmoid(z))),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    **{
        f"leaky ReLU of slope {slope}": (
            lambda z, slope=slope: np.where(z > 0, z, slope * z),
            lambda z, slope=slope: np.where(z > 0, 1, slope),
        )
        for slope in (0.01, 0.1, 0.2, 0.3)
    },
}
# The slope by the output, of those that have a formula of it.
OF_OUTPUTS: dict[str, _Slope] = {"sigmoid": lambda a: a * (1 - a), "tanh": lambda a: 1 - a * a}
_INVERSE: dict[str, _Slope] = {"sigmoid": lambda a: np.log(a / (1 - a)), "tanh": np.arctanh}


Slip = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # of z, a and the delta


def slips(name: str) -> Iterator[tuple[str, Slip]]:
    """What people take for delta * slope(z): the entries of the catalogue, and what each gives.

    Each of z, the output a and the delta d can stand where another belongs.
    """
    slope, formula = ACTIVATIONS[name][1], OF_OUTPUTS.get(name)
    yield ("S3 S2" if name == "ReLU" else "S3"), lambda z, a, d: d
    if name == "ReLU":
        yield "S1", lambda z, a, d: slope(z)
    if name.startswith("leaky"):
        leak = slope(np.array([-1.0]))
        yield "S13", lambda z, a, d: d * (z > 0)
        yield "S13", lambda z, a, d: np.where(z > 0, d, leak)
        yield "S13", lambda z, a, d: np.where(z > 0, leak, 1) * d
    else:
        yield "S9", lambda z, a, d: d * slope(a)
        yield "S10", lambda z, a, d: d * a
    yield from _at_the_delta(slope)
    if formula:
        yield from _at_the_delta(formula)
        yield "S8", lambda z, a, d: d * formula(z)
    if name == "tanh":
        yield "S11", lambda z, a, d: d * (1 - a)
        yield "S11", lambda z, a, d: d * (1 + a**2)
        yield "S11", lambda z, a, d: -d * a**2


def _at_the_delta(g: _Slope) -> Iterator[tuple[str, Slip]]:
    yield "S12", lambda z, a, d: d * g(d)
    yield "S12", lambda z, a, d: g(d)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def named(seen: Sequence[Seen]) -> list[str]:
    """The entries of the catalogue that give what came in every configuration."""
    with np.errstate(all="ignore"):
        found: list[str] = []
        for ids, predict in _candidates(seen):
            if _holds(predict, seen):
                found += [id for id in ids.split() if id not in found]
        return found


def _holds(predict: Predict, seen: Sequence[Seen]) -> bool:
    """Whether this came, in every configuration of which a prediction says something."""
    spoken = 0
    for one in seen:
        predicted = _tried(predict, one)
        if predicted is None or not np.isnan(predicted).all():
            spoken += 1
            if not one.is_like(predicted):
                return False
    return spoken >= min(3, len(seen))


def _tried(predict: Predict, one: Seen) -> Any:
    try:
        return predict(one)
    except (ValueError, IndexError, TypeError):
        return None


def _candidates(seen: Sequence[Seen]) -> Iterator[tuple[str, Predict]]:
    if all(one.is_elementwise for one in seen):
        yield from _of_activations(seen)
        yield from norms.of_masks(seen)
        yield from rows.of_leaks(seen)
    elif all(one.output.ndim == 0 for one in seen):
        yield from _of_losses(seen)
    elif all(_near(one.output, softmax(one.x)) for one in seen if one.x.ndim):
        yield "S7", lambda s: s.deltas * s.output * (1 - s.output)
        yield "S3", lambda s: s.deltas
    else:
        yield from _of_ends(seen)
        yield from norms.of_norms(seen)
        yield from norms.of_scales(seen)
        yield from rows.of_rows(seen)


def _near(a: Any, b: Any) -> bool:
    return np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-5, atol=1e-6)


# ---- Activations

_erf = np.vectorize(math.erf, otypes=[float])

# Others, by their values only.
_OTHERS: tuple[_Slope, ...] = (
    lambda z: z * _sigmoid(z),  # SiLU, swish
    lambda z: z * (1 + _erf(z / math.sqrt(2))) / 2,  # GELU
    lambda z: z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))) / 2,
    lambda z: z * _sigmoid(1.702 * z),
    lambda z: np.log1p(np.exp(z)),  # softplus
    lambda z: np.where(z > 0, z, np.exp(z) - 1),  # ELU
    lambda z: z / (1 + np.abs(z)),  # softsign
)


def _of_activations(seen: Sequence[Seen]) -> Iterator[tuple[str, Predict]]:
    def is_(f: _Slope) -> bool:
        return all(_near(one.output, f(one.x)) for one in seen)

    leak = _leak(seen)
    if leak is not None and not any(is_(f) for f, _ in ACTIVATIONS.values()):
        yield "S3", lambda s: s.deltas
        yield "S13", lambda s: s.deltas * (s.x > 0)
        yield "S13", lambda s: np.where(s.x > 0, s.deltas, leak)
        yield "S13", lambda s: np.where(s.x > 0, leak, 1) * s.deltas
    for name, (f, _) in ACTIVATIONS.items():
        if name and is_(f):
            for ids, slip in slips(name):
                yield ids, lambda s, slip=slip: slip(s.x, s.output, s.deltas)
    if any(map(is_, _OTHERS)):
        yield "S3", lambda s: s.deltas
        yield "S10", lambda s: s.deltas * s.output


_FLAT = 1e-3  # a slope by which a difference cannot be divided


def _of_ends(seen: Sequence[Seen]) -> Iterator[tuple[str, Predict]]:
    """Of layers that end in an activation: its input z follows from the output."""
    for name, inverse in _INVERSE.items():
        if not all((np.abs(one.output) < 1).all() for one in seen) or (
            name == "sigmoid" and any((one.output <= 0).any() for one in seen)
        ):
            continue
        slope = ACTIVATIONS[name][1]
        for ids, slip in slips(name):

            def predict(s: Seen, slip: Slip = slip, inverse: _Slope = inverse,
                        slope: _Slope = slope) -> np.ndarray:  # fmt: skip
                z = inverse(s.output)
                sure = slope(z) > _FLAT
                d = slip(z, s.output, s.deltas)
                met = s.of(np.where(sure, 0.0, 1.0)) != 0  # by an output that is flat there
                return np.where(
                    met, np.nan, s.of(np.divide(d, slope(z), where=sure, out=np.zeros(d.shape)))
                )

            yield ids, predict


def _leak(seen: Sequence[Seen]) -> float | None:
    """The slope below 0 of a leaky ReLU."""
    below = [float(a / z) for s in seen for a, z in zip(s.output.flat, s.x.flat, strict=True)
             if z < -1e-3]  # fmt: skip
    if not below or not np.allclose(below, below[0]) or not 0 < below[0] < 1:
        return None
    above = (_near(s.output[s.x > 0], s.x[s.x > 0]) for s in seen)
    return below[0] if all(above) else None


# ---- Losses


def _of_losses(seen: Sequence[Seen]) -> Iterator[tuple[str, Predict]]:
    """The slope tells which loss it is: a multiple of y - t, of p - t, or of both quotients."""

    def others(s: Seen) -> list[np.ndarray]:
        """What is not the prediction: the target, if there is one."""
        return [value for name, value in s.values.items()
                if name != s.name and isinstance(value, np.ndarray)]  # fmt: skip

    def hot(s: Seen) -> np.ndarray:
        t = others(s)[0]
        if t.ndim == s.x.ndim - 1 and t.dtype.kind in "iu":
            return np.eye(s.x.shape[-1])[t]
        return t.astype(float)

    def like(slope: Predict) -> bool:
        """Whether the right slope is a multiple of this, in every configuration."""
        return all(_multiple(s.right, _tried(slope, s)) is not None for s in seen)

    def times(part: Predict, by: Predict) -> Predict:
        """`by`, by the multiple in which the right slope has `part`."""
        return lambda s: _multiple(s.right, part(s)) * by(s)

    yield "S5", lambda s: s.right * len(s.x)
    yield "S5", lambda s: s.right / len(s.x)
    if seen[0].x.ndim > 1:
        yield "S4", lambda s: s.right / (s.x.size // len(s.x))
    if not all(map(others, seen)):
        return
    difference: Predict = lambda s: s.x - hot(s)  # noqa: E731
    if like(difference):
        yield "S14", lambda s: 2 * s.right
        yield "S14", lambda s: s.right / 2
    quotients: Predict = lambda s: (1 - hot(s)) / (1 - s.x) - hot(s) / s.x  # noqa: E731
    if like(quotients):
        yield "S15", times(quotients, lambda s: -(1 - hot(s)) / (1 - s.x) - hot(s) / s.x)
        yield "S15", times(quotients, lambda s: (1 - hot(s)) / (1 - s.x) + hot(s) / s.x)
        yield "S15", times(quotients, lambda s: -hot(s) / s.x)
        yield "S16", times(quotients, difference)
    for f in (softmax, _sigmoid):
        top: Predict = lambda s, f=f: f(s.x) - hot(s)  # noqa: E731
        if like(top):
            yield "S6", lambda s, f=f: s.right * f(s.x) * (1 - f(s.x))


def _multiple(right: np.ndarray, part: Any) -> float | None:
    """The number by which `part` is the right slope, or None."""
    if part is None or np.shape(part) != right.shape:
        return None
    known = ~np.isnan(right)
    a, b = np.asarray(part, float)[known], right[known]
    if not a.size or not a @ a > 0:
        return 1.0 if np.abs(b).max(initial=0) < 1e-6 else None  # nothing, of nothing
    factor = float(a @ b / (a @ a))
    near = np.abs(factor * a - b).max() <= 1e-5 * max(1.0, float(np.abs(b).max()))
    return factor if near and factor else None
