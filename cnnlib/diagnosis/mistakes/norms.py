"""Mistakes in the ways back of batch norm and dropout: what each gives, beside the right slopes.

The right slopes tell what forward is: a normalisation if they are those of its formula along some
axes, a dropout if each of them is 0 or one number above 1.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

_EPSILONS = (0.0, 1e-8, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1)
Axes = tuple[int, ...]
Predict = Callable[..., Any]


class _Norm:
    """A normalisation along some axes, with what its formula needs."""

    def __init__(self, x: np.ndarray, axes: Axes, epsilon: float) -> None:
        self.axes, self.epsilon = axes, epsilon
        self.count = int(np.prod([x.shape[axis] for axis in axes]))
        self.centred = x - self.mean(x)
        self.variance = self.mean(self.centred**2)
        self.root = np.sqrt(self.variance + epsilon)
        self.h = self.centred / self.root

    def mean(self, a: np.ndarray) -> np.ndarray:
        return a.mean(axis=self.axes, keepdims=True)

    def scale(self, output: np.ndarray) -> np.ndarray:
        """Gamma, by which forward has multiplied; NaN where all numbers are equal."""
        return self.mean(output * self.h) / self.mean(self.h**2)

    def delta(self, dh: np.ndarray, mean: float = 1, variance: float = 1) -> np.ndarray:
        """The three paths, with so much of the second and of the third."""
        shares = mean * self.mean(dh) + variance * self.h * self.mean(dh * self.h)
        return (dh - shares) / self.root

    def delta_beside_the_root(self, dh: np.ndarray) -> np.ndarray:
        """The same with epsilon outside."""
        root = np.sqrt(self.variance) + self.epsilon
        h = self.centred / root
        return (dh - self.mean(dh) - h * self.mean(dh * h)) / root


def _subsets(axes: int) -> list[Axes]:
    return [some for n in range(1, axes + 1) for some in combinations(range(axes), n)]


def of_norms(seen: Sequence[Any]) -> Iterator[tuple[str, Predict]]:
    """What the mistakes of a normalisation give for x, if forward is one."""
    for axes in _subsets(seen[0].x.ndim) if seen[0].x.ndim <= 5 else ():
        for epsilon in _EPSILONS:

            def laid(s: Any, a: Axes = axes, e: float = epsilon) -> tuple[_Norm, np.ndarray]:
                norm = _Norm(s.x, a, e)
                return norm, norm.scale(s.output)

            def predicted(s: Any, laid: Any = laid, **shares: float) -> np.ndarray:
                norm, gamma = laid(s)
                return norm.delta(gamma * s.deltas, **shares)

            def summed(s: Any, laid: Any = laid, predicted: Any = predicted) -> np.ndarray:
                return predicted(s, mean=laid(s)[0].count)

            def both_summed(s: Any, laid: Any = laid, predicted: Any = predicted) -> np.ndarray:
                return predicted(s, mean=laid(s)[0].count, variance=laid(s)[0].count)

            def unscaled(s: Any, laid: Any = laid) -> np.ndarray:
                return laid(s)[0].delta(s.deltas)

            def beside(s: Any, laid: Any = laid) -> np.ndarray:
                norm, gamma = laid(s)
                return norm.delta_beside_the_root(gamma * s.deltas)

            spread = [s for s in seen if s.x.shape == s.output.shape and _varies(s.x, axes)]
            if len(spread) < min(3, len(seen)) or not all(_near(s, predicted(s)) for s in spread):
                continue
            # Of equal numbers, such as a single one, gamma is NaN: there they say nothing.
            yield "S17", lambda s, p=predicted: p(s, mean=0, variance=0)
            yield "S18", lambda s, p=predicted: p(s, variance=0)
            yield "S19", lambda s, p=predicted: p(s, mean=2)
            yield "S20", summed
            yield "S20", both_summed
            yield "S21", unscaled
            yield "S23", beside
            return


def of_scales(seen: Sequence[Any]) -> Iterator[tuple[str, Predict]]:
    """What the mistakes give for gamma, if forward multiplies normalised numbers by it."""

    def normalised(s: Any) -> np.ndarray:
        return next(
            np.asarray(value, float)
            for value in s.values.values()
            if isinstance(value, np.ndarray) and value.shape == s.output.shape
        )

    for axes in _subsets(seen[0].output.ndim) if seen[0].output.ndim <= 5 else ():
        for epsilon in _EPSILONS:

            def gradient(
                s: Any, by: Callable[[_Norm], np.ndarray], a: Axes = axes, e: float = epsilon
            ) -> np.ndarray:
                total = (s.deltas * by(_Norm(normalised(s), a, e))).sum(axis=a)
                return total.reshape(s.x.shape)

            if not all(_near(s, _tried(lambda s: gradient(s, lambda n: n.h), s)) for s in seen):
                continue
            yield "S22", lambda s, g=gradient: g(s, lambda n: n.centred * n.root)
            yield "S22", lambda s, g=gradient: g(s, lambda n: n.centred)
            yield "S22", lambda s, g=gradient: g(s, lambda n: normalised(s))
            return


def of_masks(seen: Sequence[Any]) -> Iterator[tuple[str, Predict]]:
    """What the mistakes give where each output depends on its own input alone."""
    slopes = [s.diagonal for s in seen]
    kept = np.concatenate([slope[slope != 0] for slope in slopes])
    dropped = any((slope == 0).any() for slope in slopes)
    k = float(np.median(kept)) if kept.size else 0.0
    if dropped and k > 1 + 1e-6 and np.allclose(kept, k):
        yield "S25", lambda s: s.deltas
        yield "S25", lambda s: k * s.deltas
        yield "S26", lambda s: s.deltas * (s.diagonal != 0)
        yield "S28", lambda s: k / (k - 1) * s.deltas * (s.diagonal != 0)
        if any((np.asarray(s.got)[s.diagonal != 0] == 0).any() for s in seen):
            yield "S27", lambda s: np.where(s.got == 0, 0, k * s.deltas)
        return
    if all(_near(s, s.deltas) and np.allclose(s.output, s.x) for s in seen):
        ratios = np.concatenate([(s.got / s.deltas)[s.got != 0].ravel() for s in seen])
        if ratios.size and ratios[0] > 1:
            yield "S29", lambda s: np.where(s.got == 0, 0, ratios[0] * s.deltas)
        return
    for axes in _subsets(seen[0].x.ndim) if seen[0].x.ndim <= 5 else ():

        def of_batch(s: Any, a: Axes = axes) -> np.ndarray:
            norm = _Norm(s.x, a, 1e-5)
            return s.diagonal * norm.root * norm.delta(s.deltas)

        def of_outputs(s: Any, a: Axes = axes) -> np.ndarray:
            means = [(s.deltas * part).mean(axis=a, keepdims=True) for part in (1, s.output)]
            return s.diagonal * (s.deltas - means[0] - s.output * means[1])

        if all(_is_even(s, axes) for s in seen):
            yield "S24", of_batch
            yield "S24", of_outputs


def _varies(x: np.ndarray, axes: Axes) -> bool:
    """Whether no channel has equal numbers only."""
    return bool((x.max(axis=axes) > x.min(axis=axes)).all())


def _is_even(s: Any, axes: Axes) -> bool:
    """Whether all cells along these axes have one slope."""
    spread = s.diagonal.max(axis=axes) - s.diagonal.min(axis=axes)
    return bool(np.abs(spread).max(initial=0) <= 1e-5)


def _near(s: Any, predicted: Any) -> bool:
    """Whether this is the right gradient, wherever it is known."""
    if predicted is None or np.shape(predicted) != s.right.shape:
        return False
    off = np.abs(predicted - s.right)
    known = ~np.isnan(s.right)
    return bool(known.any()) and bool((off[known] <= s.allowed).all())


def _tried(predict: Predict, s: Any) -> Any:
    try:
        return predict(s)
    except (ValueError, IndexError, StopIteration):
        return None
