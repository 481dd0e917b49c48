"""What a wrong gradient looks like beside the right one, of whatever layer: in sentences."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, permutations
from typing import Any

import numpy as np

from .differences import Slopes

_CLEAR = 4  # by how much a gradient must be above what is allowed for its errors to show


@dataclass(frozen=True, eq=False)
class Seen:
    """One gradient in one configuration: what came, and what the slopes say.

    `right` is NaN where nothing is known: at kinks, and in entries that were not looked at.
    """

    name: str  # of the argument
    got: Any
    slopes: Slopes
    deltas: np.ndarray  # of the outputs
    values: Mapping[str, Any]  # the arguments
    output: np.ndarray
    sizes: Mapping[str, int]
    words: str
    elsewhere: Callable[[Mapping[str, Any]], Slopes] | None = None  # with other arguments

    @cached_property
    def right(self) -> np.ndarray:
        """The gradient."""
        return self.of(self.deltas)

    def of(self, deltas: np.ndarray) -> np.ndarray:
        """The gradient with other deltas."""
        return np.where(self.slopes.known, self.slopes.gradient(deltas), np.nan)

    @property
    def x(self) -> np.ndarray:
        """The argument."""
        return np.asarray(self.values[self.name], float)

    @property
    def allowed(self) -> float:
        """By how much an entry may be off."""
        return self.slopes.tolerance(self.deltas)

    @property
    def is_faint(self) -> bool:
        """Whether a wrong gradient would pass: the right one is hardly above what is allowed."""
        return float(np.nanmax(np.abs(self.right), initial=0)) < _CLEAR * self.allowed

    def is_like(self, other: Any) -> bool:
        """Whether this is what came, wherever it is known."""
        if other is None or np.shape(other) != np.shape(self.got) or not np.size(other):
            return False
        with np.errstate(all="ignore"):
            off = np.abs(np.asarray(other, float) - self.got)
        unknown = np.isnan(np.asarray(other, float))
        return not unknown.all() and bool(((off <= self.allowed) | unknown).all())

    @property
    def is_right(self) -> bool:
        """Whether what came is the gradient."""
        return self.is_like(self.right)

    @cached_property
    def whole(self) -> np.ndarray | None:
        """The Jacobian with all entries; None if it has kinks, or is large and was not taken."""
        if self.slopes.known.all():
            return self.slopes.jacobian
        if self.elsewhere is None or self.right.size > _MIDDLE or self.slopes.kinks.any():
            return None
        return self.elsewhere(self.values).jacobian

    @property
    def diagonal(self) -> np.ndarray | None:
        """The slope of each output by the entry at its own place, if the shapes are equal."""
        if self.x.shape != self.output.shape:
            return None
        return np.diagonal(self.slopes.jacobian).reshape(self.x.shape)

    @property
    def is_elementwise(self) -> bool:
        """Whether each output depends on the entry at its place only."""
        if self.diagonal is None:
            return False
        rest = self.slopes.jacobian * (1 - np.eye(self.x.size))
        return bool(np.abs(rest).max(initial=0) <= self.slopes.off)


Predict = Callable[..., Any]  # of a Seen


def likeness(seen: Sequence[Seen]) -> str:
    """The first sentence that is true of every configuration, or what can be said of the places.

    A sentence is a prediction: it is said only where every known entry is what it predicts.
    """
    name = f"d{seen[0].name}"
    for sentence, predict in _sentences(seen):
        if _holds(predict, seen):
            return sentence.format(name)
    factor = _factor(seen)
    if factor in ("0", "-0"):
        return f"{name} is 0 everywhere: nothing is ever added to it."
    if factor:
        return f"{name} is {factor} times the right one."
    return _places(seen)


def _holds(predict: Predict, seen: Sequence[Seen]) -> bool:
    """Whether a prediction is what came, in each configuration in which it says anything.

    Where slopes are not known, a sum over them is not: then it says nothing.
    """
    spoken = wrong = 0
    with np.errstate(all="ignore"):
        for one in seen:
            predicted = _tried(predict, one)
            if predicted is not None and np.size(predicted) and np.isnan(predicted).all():
                continue
            if not one.is_like(predicted):
                return False
            spoken += 1
            wrong += not one.is_right
    return spoken >= min(_LEAST, len(seen)) and wrong > 0


_LEAST = 3  # configurations in which a prediction must say something


def _whole(seen: Sequence[Seen]) -> list[Seen]:
    """The configurations in which every slope is known, none if they are too few."""
    found = [s for s in seen if s.slopes.known.all()]
    return found if len(found) >= min(_LEAST, len(seen)) else []


def _tried(predict: Predict, one: Seen) -> Any:
    try:
        return predict(one)
    except (ValueError, IndexError, KeyError, TypeError, ZeroDivisionError):
        return None


def _sentences(seen: Sequence[Seen]) -> Iterator[tuple[str, Predict]]:
    """Each sentence with what it predicts, the simplest first."""
    yield "{} has the sign reversed.", lambda s: -s.right
    yield from _numbers(seen)
    yield from _orders(seen)
    yield from _deltas()
    yield from _sums(seen)
    yield from _shares(seen)
    yield from _turned(seen)


# ---- Factors


def _numbers(seen: Sequence[Seen]) -> Iterator[tuple[str, Predict]]:
    """Factors that are sizes: N where the 1/N of a mean was forgotten, and the like."""
    letters = [letter for letter in seen[0].sizes if any(s.sizes[letter] > 1 for s in seen)]
    pairs = [*((a,) for a in letters), *combinations(letters, 2)]
    for chosen in pairs:
        words = "*".join(chosen)

        def size(s: Seen, chosen: tuple[str, ...] = chosen) -> float:
            return math.prod(s.sizes[letter] for letter in chosen)

        yield (
            f"{{}} is {words} times the right one: the 1/{words} of a mean is missing.",
            lambda s, size=size: size(s) * s.right,
        )
        yield (
            f"{{}} is the right one divided by {words}: a mean where a sum belongs, or the "
            "division made twice.",
            lambda s, size=size: s.right / size(s),
        )
    for letter in letters:
        yield (
            f"{{}} is the root of {letter} times the right one: a division by it is missing.",
            lambda s, letter=letter: s.sizes[letter] ** 0.5 * s.right,
        )
    for words, count in (
        ("outputs", lambda s: s.output.size),
        ("entries of the argument", lambda s: s.x.size),
        ("outputs for each entry: a mean where a sum belongs", lambda s: s.output.size / s.x.size),
    ):
        yield (
            f"{{}} is the right one divided by the number of {words}.",
            lambda s, count=count: s.right / count(s),
        )


def _factor(seen: Sequence[Seen]) -> str:
    """The number that the right one is multiplied by in all configurations, or ''."""
    found = set()
    for s in seen:
        if np.shape(s.got) != s.right.shape:
            return ""
        known = ~np.isnan(s.right)
        right, got = s.right[known], s.got[known]
        if not np.abs(right).max(initial=0) > s.allowed:
            if np.abs(got).max(initial=0) > s.allowed:
                return ""
            continue
        factor = float(got @ right / (right @ right))
        if not s.is_like(factor * s.right):
            return ""
        found.add(f"{factor:.4g}")
    return found.pop() if len(found) == 1 else ""


# ---- The order of the entries


def _orders(seen: Sequence[Seen]) -> Iterator[tuple[str, Predict]]:
    axes = seen[0].right.ndim
    if axes > 4:
        return
    if axes >= 2:
        yield (
            "{} is reshaped where it should be transposed: the right numbers in a wrong order.",
            lambda s: s.right.T.reshape(s.right.shape),
        )
        yield "{} is turned round: its entries come in reverse order.", lambda s: np.flip(s.right)
    for order in list(permutations(range(axes)))[1:]:
        if order == tuple(range(axes))[::-1]:
            words = "is transposed"
        else:
            words = f"has its axes in the order {order}"
        yield f"{{}} {words}.", lambda s, order=order: s.right.transpose(order)


# ---- The deltas


def _deltas() -> Iterator[tuple[str, Predict]]:
    yield (
        "{} has not used the delta that comes in: it is the gradient for deltas that are all 1.",
        lambda s: s.of(np.ones_like(s.deltas)),
    )
    yield (
        "{} is the delta itself, passed on unchanged: the slope of the layer is missing.",
        lambda s: s.deltas if s.deltas.shape == s.right.shape else None,
    )
    yield (
        "{} has only the diagonal of the Jacobian: an output depends on other entries as well.",
        lambda s: None if s.diagonal is None else s.deltas * s.diagonal,
    )
    for words, kept in (("last", slice(-1, None)), ("first", slice(1))):
        yield (
            f"{{}} has the share of the {words} sample only: = where += belongs.",
            lambda s, kept=kept: s.of(_only(s.deltas, kept)),
        )
    for words, sign in (("added once too often", 1), ("missing", -1)):
        yield (
            f"{{}} differs from the right one by the delta itself, which is {words}: a path that "
            "passes the input on unchanged.",
            lambda s, sign=sign: s.right + sign * s.deltas,
        )

    yield (
        "Each entry of {} has the share of one output only, the last that it reached: = where += "
        "belongs.",
        _last_share,
    )
    for stride in (2, 3, 4):
        yield (
            f"{{}} adds to cells that lie side by side what belongs {stride} cells apart: the "
            "stride is missing on the way back.",
            lambda s, stride=stride: _without_stride(s, stride),
        )


def _last_share(s: Seen) -> np.ndarray:
    """What the last output with a slope by each entry adds to it."""
    reached = np.abs(s.slopes.jacobian) > s.slopes.off
    last = len(reached) - 1 - reached[::-1].argmax(axis=0)
    shares = s.slopes.jacobian[last, np.arange(s.right.size)] * s.deltas.ravel()[last]
    return np.where(s.slopes.known, (shares * reached.any(axis=0)).reshape(s.right.shape), np.nan)


def _without_stride(s: Seen, stride: int) -> np.ndarray | None:
    """The shares of output i moved from cell stride*i + ... to i + ..., along strided axes."""
    if s.x.ndim != s.output.ndim:
        return None
    if s.whole is None:
        return np.full(s.right.shape, np.nan)
    axes = [a for a, (n, P) in enumerate(zip(s.output.shape, s.x.shape, strict=True))
            if a and 1 < n <= (P - 1) // stride + 1]  # fmt: skip
    shares = (s.deltas.ravel()[:, None] * s.whole).reshape(-1, *s.x.shape)
    moved = np.zeros(s.right.shape)
    for share, at in zip(shares, np.ndindex(*s.output.shape), strict=True):
        back = [-(stride - 1) * at[a] for a in axes]
        moved += np.roll(share, back, axes)
    return moved


def _only(deltas: np.ndarray, kept: slice) -> np.ndarray:
    masked = np.zeros_like(deltas)
    masked[kept] = deltas[kept]
    return masked


# ---- Sums over axes


def _sums(seen: Sequence[Seen]) -> Iterator[tuple[str, Predict]]:
    axes = range(seen[0].right.ndim)
    for axis in axes if len(axes) > 1 else ():
        yield (
            f"Each entry of {{}} has the sum along axis {axis}, where it has one of its own.",
            lambda s, a=axis: np.broadcast_to(s.right.sum(axis=a, keepdims=True), s.right.shape),
        )
        yield (
            f"Each entry of {{}} has the mean along axis {axis}, where it has one of its own.",
            lambda s, a=axis: np.broadcast_to(s.right.mean(axis=a, keepdims=True), s.right.shape),
        )
    for number in range(1, len(axes) + 1):
        for chosen in combinations(axes, number):
            words = _axes(chosen)
            yield (
                f"{{}} is summed over {words}, which it should keep.",
                (lambda s, c=chosen: s.right.sum(axis=c)),
            )
            yield (
                f"{{}} is averaged over {words}, which it should keep.",
                (lambda s, c=chosen: s.right.mean(axis=c)),
            )
    yield (
        "Every entry of {} is the sum of all: one number where each has one of its own.",
        lambda s: np.full(s.right.shape, s.right.sum()),
    )
    for chosen in (c for n in axes for c in combinations(range(seen[0].output.ndim), n + 1)):
        yield (
            f"{{}} is summed over {_axes(chosen)} of the outputs, which are the wrong ones.",
            lambda s, c=chosen: _shares_of_outputs(s).sum(axis=c),
        )
    for name, value in seen[0].values.items():
        if name == seen[0].name or np.shape(value) != seen[0].output.shape:
            continue
        for chosen in (
            c for n in range(value.ndim) for c in combinations(range(value.ndim), n + 1)
        ):
            yield (
                f"{{}} is the sum of delta * {name} over {_axes(chosen)}: forward multiplies with "
                f"something else than {name}.",
                lambda s, name=name, c=chosen: (s.deltas * s.values[name]).sum(axis=c),
            )
    extra = {np.ndim(s.got) for s in seen}
    if len(extra) == 1 and extra.pop() >= seen[0].right.ndim:
        whole = range(np.ndim(seen[0].got))
        for number in range(1, len(whole) + 1):
            for chosen in combinations(whole, number):
                yield (
                    f"{{}} is not summed over {_axes(chosen)}, where its argument was repeated.",
                    lambda s, c=chosen: s.got if _summed(s, c) else None,
                )


def _shares_of_outputs(s: Seen) -> np.ndarray:
    """What each output adds to all entries together."""
    return (s.deltas.ravel() * s.slopes.jacobian.sum(axis=1)).reshape(s.output.shape)


def _summed(s: Seen, axes: tuple[int, ...]) -> bool:
    total = np.sum(s.got, axis=axes)
    if total.size != s.right.size or np.size(s.got) < s.right.size or np.size(total) == 0:
        return False
    off = np.abs(total.reshape(s.right.shape) - s.right)
    return bool(((off <= s.allowed) | np.isnan(off)).all())


def _axes(chosen: Sequence[int]) -> str:
    if len(chosen) == 1:
        return f"axis {chosen[0]}"
    *others, last = chosen
    return f"the axes {', '.join(map(str, others))} and {last}"


# ---- Shares of a mean and a variance


def _shares(seen: Sequence[Seen]) -> Iterator[tuple[str, Predict]]:
    """What is missing in layers that subtract a mean and divide by a deviation.

    The slopes tell such a layer: when all entries along some axes rise together, or move away from
    their mean together, the outputs do not change.
    """
    axes = range(seen[0].right.ndim)
    for number in range(1, len(axes) + 1):
        for chosen in combinations(axes, number):
            whole = _whole(seen)
            if not whole or not all(_centred(s, chosen) for s in whole):
                continue
            words = _axes(chosen)
            yield (
                f"{{}} is off by one number along {words}: forward subtracts a mean there, and the "
                "mean's share of the gradient is missing or wrong.",
                lambda s, c=chosen: s.right + (s.got - s.right).mean(axis=c, keepdims=True),
            )
            if not all(_scaled(s, chosen) for s in whole):
                continue
            yield (
                f"{{}} is off by a multiple of x - mean along {words}: forward divides by a "
                "deviation there, and the variance's share of the gradient is missing or wrong.",
                lambda s, c=chosen: s.right + _along(s, c, mean=False),
            )
            yield (
                f"{{}} is off by a number and a multiple of x - mean along {words}: forward "
                "subtracts a mean and divides by a deviation there; the shares of both in the "
                "gradient are missing or wrong.",
                lambda s, c=chosen: s.right + _along(s, c, mean=True),
            )


def _centred(s: Seen, axes: tuple[int, ...]) -> bool:
    jacobian = s.slopes.jacobian.reshape(-1, *s.slopes.shape)
    total = jacobian.sum(axis=tuple(a + 1 for a in axes))
    return bool(np.abs(total).max(initial=0) <= _LOOSE * s.slopes.off * jacobian[0].size)


def _scaled(s: Seen, axes: tuple[int, ...]) -> bool:
    """Up to the epsilon under the root, which lets a little through."""
    away = s.x - s.x.mean(axis=axes, keepdims=True)
    jacobian = s.slopes.jacobian.reshape(-1, *s.slopes.shape)
    total = (jacobian * away).sum(axis=tuple(a + 1 for a in axes))
    return bool(np.abs(total).max(initial=0) <= 0.01 * max(1.0, float(np.abs(jacobian).max())))


_LOOSE = 10


def _along(s: Seen, axes: tuple[int, ...], mean: bool) -> np.ndarray:
    """The part of the difference that is a multiple of x - mean, and perhaps a number besides."""
    away, off = s.x - s.x.mean(axis=axes, keepdims=True), s.got - s.right
    square = (away * away).sum(axis=axes, keepdims=True)
    part = away * np.divide((off * away).sum(axis=axes, keepdims=True), square,
                            out=np.zeros_like(square), where=square > 0)  # fmt: skip
    return part + off.mean(axis=axes, keepdims=True) if mean else part


# ---- Another argument, turned round


def _turned(seen: Sequence[Seen]) -> Iterator[tuple[str, Predict]]:
    """The gradient that belongs to a kernel turned round, in layers that have one."""
    first = min(seen, key=lambda s: s.right.size)
    for name, value in first.values.items():
        if name == first.name or not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            continue
        n = value.ndim
        for axes in dict.fromkeys(((n - 1,), (n - 2, n - 1), tuple(range(1, n - 1)))):
            if min(axes, default=-1) < 0:
                continue
            words = _axes(axes)

            def predict(s: Seen, name: str = name, axes: tuple[int, ...] = axes) -> Any:
                if s.elsewhere is None or s.right.size > _SMALL:
                    return np.full(s.right.shape, np.nan)
                turned = {**s.values, name: np.flip(s.values[name], axes).copy()}
                return s.elsewhere(turned).gradient(s.deltas)

            yield (
                f"{{}} is right for {name} turned round along {words}: it was turned once too "
                "often, or not at all.",
                predict,
            )


_SMALL, _MIDDLE = 150, 400  # entries of which slopes are taken anew, often and once


# ---- Where it is wrong, when nothing explains it


def _places(seen: Sequence[Seen]) -> str:
    """The configurations and entries that are wrong."""
    bad = [s for s in seen if not s.is_right]
    good = [s for s in seen if s.is_right]
    shapes = [s for s in bad if np.shape(s.got) != s.right.shape]
    if shapes:
        shape = f"Its shape is {np.shape(shapes[0].got)}, expected {shapes[0].right.shape}."
        return f"No known mistake gives this. {shape}"
    said = ["No known mistake gives this."]
    ones = [a for a in seen[0].sizes if good and all(s.sizes[a] == 1 for s in good)]
    if 1 <= len(ones) <= 2 and not any(all(s.sizes[a] == 1 for a in ones) for s in bad):
        said.append(f"It is right with {' and '.join(f'{a}=1' for a in ones)} only.")
    if not good:
        said.append("It is wrong in every configuration.")
    elif len(said) == 1:
        said.append(f"It is right in {len(good)} of {len(seen)} configurations.")
    if all(_wrong(s)[np.abs(s.right) <= s.allowed].any() for s in bad) and not any(
        _wrong(s)[np.abs(s.right) > s.allowed].any() for s in bad
    ):
        said.append(
            "Only entries are wrong that should be 0, where forward lets nothing through: a mask "
            "is missing."
        )
    elif all((s.got[_wrong(s)] == 0).all() for s in bad):
        said.append("The entries that are wrong are 0: their share is missing.")
    elif words := _samples(bad):
        said.append(words)
    return " ".join(said)


def _wrong(s: Seen) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.abs(s.got - s.right) > s.allowed


def _samples(bad: Sequence[Seen]) -> str:
    """Whether only the ends of an axis are wrong."""
    axes = bad[0].right.ndim
    for axis in range(axes):
        for words, rest in (("last", slice(None, -1)), ("first", slice(1, None))):
            index = (slice(None),) * axis + (rest,)
            wide = [s for s in bad if s.right.shape[axis] > 1]
            if wide and not any(_wrong(s)[index].any() for s in wide):
                return f"Only the {words} entries along axis {axis} are wrong."
    return ""
