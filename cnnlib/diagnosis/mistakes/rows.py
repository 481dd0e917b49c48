"""Mistakes in the ways back of layers with other rows: what each gives, beside the right slopes.

The layers are those of chapter 10. The right slopes tell what forward is: a convolution if every
place looks at its cells as the place in the middle does, with the border that explains the rest; a
transposed convolution if every cell paints as the one in the middle does.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np

from cnnlib.geometry import BORDERS

Predict = Callable[..., Any]
_CHANNELS = (1, -1, None)  # the axis of the channels: first, last, or there are none
_LEAST = 3  # configurations in which a layer must be recognised
_MOST = 10**6  # slopes by cells of a larger image


def of_rows(seen: Sequence[Any]) -> Iterator[tuple[str, Predict]]:
    """What the mistakes of groups, borders, transposed convolutions, means and sums give."""
    yield from _of_means(seen)
    yield from _of_sums(seen)
    yield from _of_borders(seen)
    yield from _of_transposed(seen)
    yield from _of_kernels(seen)
    yield from _of_groups(seen)


# ---- Where each output depends on its own input alone


def of_leaks(seen: Sequence[Any]) -> Iterator[tuple[str, Predict]]:
    """What a mask by the output gives for a slope below 0 that is negative."""

    def turned(s: Any) -> np.ndarray:
        return (s.x < 0) & (s.diagonal < 0)

    if any(turned(s).any() for s in seen) and all(
        np.allclose(s.output, s.diagonal * s.x) and np.allclose(s.diagonal[s.x > 0], 1)
        for s in seen
    ):
        yield "S40", lambda s: s.deltas * np.where(turned(s), 1, s.diagonal)


# ---- The mean of a map, and a sum of two ways


def _of_means(seen: Sequence[Any]) -> Iterator[tuple[str, Predict]]:
    inner = range(1, seen[0].x.ndim)
    for axes in (some for n in inner for some in combinations(inner, n)):

        def count(s: Any, axes: tuple[int, ...] = axes) -> int:
            return math.prod(s.x.shape[axis] for axis in axes)

        if all(_near(s.output.ravel(), s.x.mean(axis=axes).ravel()) for s in seen):
            yield "S41", lambda s, count=count: s.right * count(s)
            yield "S42", lambda s, count=count: s.right * count(s) / s.output.size
            return


def _of_sums(seen: Sequence[Any]) -> Iterator[tuple[str, Predict]]:
    if any(s.x.shape != s.output.shape for s in seen):
        return
    yield "S38", lambda s: s.right - s.deltas
    yield "S39", lambda s: s.right - s.deltas * (s.output <= s.x)
    if all((s.output >= 0).all() for s in seen):  # a ReLU behind the sum
        yield "S38", lambda s: s.right - s.deltas * (s.output > 0)


# ---- Slopes by places and cells


def _slopes(s: Any, channels: int | None) -> Any:
    """Slopes within a sample, (K, C, *I, *P): of output k at place i by channel c of cell p."""
    axes = s.x.ndim
    if s.whole is None or s.output.ndim != axes or axes < (2 if channels is None else 3):
        return None
    within = s.whole.reshape(*s.output.shape, *s.x.shape)[0].take(0, axis=axes - 1)
    if channels is None:
        return within[None, None]
    at = channels % axes - 1
    return np.moveaxis(within, (at, axes - 1 + at), (0, 1))


def _places(slopes: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """I and P."""
    axes = (slopes.ndim - 2) // 2
    return slopes.shape[2 : 2 + axes], slopes.shape[2 + axes :]


class _Larger:
    """Slopes by the cells of a larger image, if all places look at it as the middle one does.

    From one place to the next one steps `step` cells; really it is `stride`. `first` is the first
    cell along each axis: those in front of the image are negative. `fits` is false if it would be
    far larger than the image: no border repeats that much.
    """

    def __init__(self, slopes: np.ndarray, stride: int, step: int = 0) -> None:
        I, self.P = _places(slopes)
        middle, step = [size // 2 for size in I], step or stride
        own = slopes
        for at in middle:
            own = own.take(at, 2)
        used = np.argwhere(own.any(axis=(0, 1)))
        lo, hi = (used.min(axis=0), used.max(axis=0) + 1) if used.size else ([0] * len(I),) * 2
        for axis, (a, b) in enumerate(zip(lo, hi, strict=True), 2):
            own = own.take(np.arange(a, b), axis)
        self.first = [at - stride * m for at, m in zip(lo, middle, strict=True)]
        sizes = [step * (n - 1) + size for n, size in zip(I, own.shape[2:], strict=True)]
        self.fits = all(size <= 3 * p for size, p in zip(sizes, self.P, strict=True))
        self.fits &= math.prod([*slopes.shape[:2], *I, *sizes]) <= _MOST
        if self.fits:
            self.slopes = np.zeros((*slopes.shape[:2], *I, *sizes))
            for i in np.ndindex(*I):
                near = zip(i, own.shape[2:], strict=True)
                self.slopes[:, :, *i, *(slice(step * n, step * n + U) for n, U in near)] = own

    @property
    def rest(self) -> list[int]:
        """By how many cells less is cut off behind the image than in front."""
        ends = zip(self.P, self.first, self.slopes.shape[2 + len(self.P) :], strict=True)
        return [max(0, cells - size - 2 * first) for cells, first, size in ends]

    def folded(self, border: str, once: bool = False) -> np.ndarray:
        """Slopes by the cells of the image: copies owe, and their originals pay.

        With `once` only the last copy of a cell counts.
        """
        slopes, axes = self.slopes, len(self.P)
        for n, size in enumerate(self.P):
            frame = np.moveaxis(slopes, 2 + axes + n, 0)
            to = BORDERS[border](self.first[n] + np.arange(len(frame)), size)
            inside = (0 <= to) & (to < size)
            own = np.zeros((size, *frame.shape[1:]))
            if once:
                own[to[inside]] = frame[inside]
            else:
                np.add.at(own, to[inside], frame[inside])
            slopes = np.moveaxis(own, 0, 2 + axes + n)
        return slopes

    def explains(self, s: Any, slopes: np.ndarray, border: str) -> bool:
        """Whether these are the slopes, with this border."""
        return self.fits and bool(np.abs(slopes - self.folded(border)).max() <= s.slopes.off)


def _owed(s: Any, channels: int | None, slopes: np.ndarray) -> np.ndarray:
    """What the deltas give with these slopes in every sample."""
    deltas = s.deltas[:, None] if channels is None else np.moveaxis(s.deltas, channels, 1)
    axes = deltas.ndim - 1
    owed = np.tensordot(deltas, np.moveaxis(slopes, 1, axes), axes)
    return owed[:, 0] if channels is None else np.moveaxis(owed, 1, channels)


# ---- Borders


def _of_borders(seen: Sequence[Any]) -> Iterator[tuple[str, Predict]]:
    for channels, stride in product(_CHANNELS, (1, 2, 3)):
        found = {id(s): _framed(s, channels, stride) for s in seen}
        shown = [set(borders) for _, borders in found.values() if borders]
        common = set.intersection(*shown) if shown else set()
        if len(shown) < min(_LEAST, len(seen)) or not common:
            continue

        def predict(
            s: Any, border: str, once: bool = False, found: Any = found, channels: Any = channels
        ) -> np.ndarray:
            larger, borders = found[id(s)]
            if not borders:
                return np.full(s.right.shape, np.nan)
            return _owed(s, channels, larger.folded(border, once))

        yield "S35", lambda s, p=predict: p(s, "zeros")
        for other in BORDERS:
            if other != "zeros" and other not in common:
                yield "S36", lambda s, p=predict, other=other: p(s, other)
        for border in common:
            yield "S37", lambda s, p=predict, border=border: p(s, border, once=True)
        return


def _framed(s: Any, channels: int | None, stride: int) -> tuple[_Larger | None, list[str]]:
    """The larger image, and the borders that explain the slopes; none if zeros do."""
    slopes = _slopes(s, channels)
    if slopes is None or 1 in _places(slopes)[1]:
        return None, []
    larger = _Larger(slopes, stride)
    if larger.explains(s, slopes, "zeros"):
        return larger, []
    return larger, [border for border in BORDERS if larger.explains(s, slopes, border)]


# ---- Transposed convolutions


def _of_transposed(seen: Sequence[Any]) -> Iterator[tuple[str, Predict]]:
    for channels, stride in product(_CHANNELS, (2, 3, 4)):
        if not all(_paints(s, channels, stride) for s in seen):
            continue

        def without(s: Any, channels: Any = channels, stride: int = stride) -> np.ndarray:
            painted = _Larger(_turned(_slopes(s, channels)), stride, step=1)
            return _owed(s, channels, _turned(painted.folded("zeros")))

        def cropped(s: Any, channels: Any = channels, stride: int = stride) -> np.ndarray:
            rest = _Larger(_turned(_slopes(s, channels)), stride).rest
            deltas = s.deltas[:, None] if channels is None else np.moveaxis(s.deltas, channels, 1)
            kept = np.zeros_like(deltas)
            inner = tuple(slice(n - r) for n, r in zip(deltas.shape[2:], rest, strict=True))
            kept[(slice(None), slice(None), *inner)] = deltas[(slice(None), slice(None), *inner)]
            return s.of(kept[:, 0] if channels is None else np.moveaxis(kept, 1, channels))

        yield "S32", without
        yield "S34", cropped
        return


def _turned(slopes: np.ndarray) -> np.ndarray:
    """Slopes with places and cells, outputs and inputs exchanged."""
    axes = (slopes.ndim - 2) // 2
    return np.moveaxis(np.swapaxes(slopes, 0, 1), range(2, 2 + axes), range(2 + axes, slopes.ndim))


def _paints(s: Any, channels: int | None, stride: int) -> bool:
    """Whether forward is a transposed convolution of this stride."""
    slopes = _slopes(s, channels)
    if slopes is None:
        return False
    outputs, inputs = _places(slopes)
    if max(inputs) < 2 or any(o < n for o, n in zip(outputs, inputs, strict=True)):
        return False
    painted = _turned(slopes)
    return _Larger(painted, stride).explains(s, painted, "zeros")


def _of_kernels(seen: Sequence[Any]) -> Iterator[tuple[str, Predict]]:
    """What the gradient of a transposed convolution's kernel (C, K, *U) or (C, *U, K) comes to."""
    for channels, stride, before in product((1, -1), (2, 3, 4), range(3)):

        def joined(
            s: Any, step: int, channels: int = channels, before: int = before
        ) -> np.ndarray | None:
            x = _image(s)
            if x is None or not 3 <= s.x.ndim == x.ndim or before >= min(s.x.shape[1:]):
                return None
            x, deltas = (np.moveaxis(a, channels, 1) for a in (x, s.deltas))
            U = np.moveaxis(s.x, channels, 1).shape[2:]
            return np.moveaxis(_painted(x, deltas, U, step, before), 1, channels)

        if all(_right(s, joined(s, stride)) for s in seen):
            yield "S32", lambda s, joined=joined: joined(s, 1)
            yield "S33", lambda s, channels=channels: np.swapaxes(s.right, 0, channels)
            return


def _painted(
    x: np.ndarray, deltas: np.ndarray, U: Sequence[int], step: int, before: int
) -> np.ndarray:
    """dw[c, k, u] = sum over n and p of x[n, c, p] * dz[n, k, step*p + u - before]."""
    P, axes = x.shape[2:], (0, *range(2, x.ndim))
    room = [(before, step * p + u) for p, u in zip(P, U, strict=True)]
    frame = np.pad(deltas, [(0, 0), (0, 0), *room])
    dw = np.zeros((x.shape[1], deltas.shape[1], *U))
    for u in np.ndindex(*U):
        at = zip(u, P, strict=True)
        cells = frame[:, :, *(slice(a, a + step * (p - 1) + 1, step) for a, p in at)]
        dw[:, :, *u] = np.tensordot(x, cells, (axes, axes))
    return dw


# ---- Groups


def _of_groups(seen: Sequence[Any]) -> Iterator[tuple[str, Predict]]:
    if any(s.output.ndim < 3 for s in seen):
        return
    for channels in (1, -1):
        yield "S30", lambda s, channels=channels: _dealt(s, channels)
        for inward in (True, False):

            def exchanged(s: Any, channels: int = channels, inward: bool = inward) -> Any:
                C, K = _image(s).shape[channels], s.output.shape[channels]
                order = (C, K // C) if inward else (K // C, C)
                deltas = np.moveaxis(s.deltas, channels, 0)
                inner = deltas.reshape(*order, *deltas.shape[1:]).swapaxes(0, 1)
                made = s.of(np.moveaxis(inner.reshape(deltas.shape), 0, channels))
                return made if s.is_like(made) and _is_depthwise(s, channels) else None

            yield "S31", exchanged


def _is_depthwise(s: Any, channels: int) -> bool:
    """Whether a channel of the image reaches its share of the outputs, and no other."""
    image, K = _image(s), s.output.shape[channels]
    C = image.shape[channels]
    reached = None
    if image is s.values[s.name]:
        slopes = _slopes(s, channels)
        reached = None if slopes is None else slopes[:, 0]
    elif s.elsewhere is not None:
        first = np.zeros_like(image)
        np.moveaxis(first, channels, 0)[0] = np.moveaxis(image, channels, 0)[0]
        name = next(name for name, value in s.values.items() if value is image)
        slopes = s.elsewhere({**s.values, name: first}).jacobian
        reached = np.moveaxis(slopes.reshape(*s.output.shape, -1), channels, 0)
    if reached is None:
        return False
    return bool(
        np.count_nonzero(np.abs(reached).reshape(K, -1).max(axis=1) > s.slopes.off) == K // C
    )


def _dealt(s: Any, channels: int) -> np.ndarray | None:
    """The gradient of a kernel (K, C/G, *U) or (K, *U, C/G), if group g had channels g, g + G, ..

    Its own outputs depend on a filter alone, by the channels of its group: another group's say what
    the others' channels would give.
    """
    x = _image(s)
    if x is None or s.whole is None or s.x.ndim != x.ndim:
        return None
    K, R, C = len(s.x), s.x.shape[channels], x.shape[channels]
    G = C // R
    if C % R or K % G or s.output.shape[channels] != K:
        return None
    slopes = s.whole.reshape(*s.output.shape, *s.x.shape)
    axes = s.x.ndim
    slopes = np.moveaxis(slopes, (channels % axes, axes, axes + channels % axes), (0, 1, 2))
    strangers = [slopes[k, other] for k, other in np.ndindex(K, K) if k != other]
    if any(np.abs(slope).max() > s.slopes.off for slope in strangers):
        return None
    deltas, gradient = np.moveaxis(s.deltas, channels, 0), np.zeros((K, R, *_kernel(s, channels)))
    for k, r in np.ndindex(K, R):
        group, own = divmod(r * G + k * G // K, R)
        other = group * (K // G)
        gradient[k, r] = np.tensordot(deltas[k], slopes[other, other, own], deltas.ndim - 1)
    return np.moveaxis(gradient, 1, channels)


def _kernel(s: Any, channels: int) -> tuple[int, ...]:
    return np.moveaxis(s.x, channels, 1).shape[2:]


def _image(s: Any) -> Any:
    """The first argument with as many axes as the outputs, and as many samples."""
    for value in s.values.values():
        if isinstance(value, np.ndarray) and value.ndim == s.output.ndim:
            return value if len(value) == len(s.output) else None
    return None


def _right(s: Any, predicted: Any) -> bool:
    """Whether this is the right gradient, wherever it is known."""
    if predicted is None or np.shape(predicted) != s.right.shape:
        return False
    known = ~np.isnan(s.right)
    return bool(known.any()) and bool((np.abs(predicted - s.right)[known] <= s.allowed).all())


def _near(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-5, atol=1e-6)
