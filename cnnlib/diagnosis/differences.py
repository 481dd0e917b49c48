"""Slopes by differences: every entry of every output by every entry of an input."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# A slope is as sure as the type in which the outputs are computed. Step; the part of the largest
# slope by which an entry may be off; and by which both sides may differ.
_FINE, _COARSE = (1e-5, 1e-6, 1e-3), (3e-3, 1e-2, 0.05)
_TINY = 1e-2  # inputs below get steps in their own size
_CLOSER = 100  # if they differ more, a step so many times smaller tells a bend from a kink


@dataclass(frozen=True, eq=False)
class Slopes:
    """The Jacobian `J[o, p]` of flat outputs by the flat entries of one input.

    Attributes
    ----------
    jacobian : array
        Central differences.
    kinks : array of bool
        Where the slopes of both sides differ, however small the step: nothing can be said there.
    off : float
        By how much a slope may be off.
    """

    jacobian: np.ndarray
    kinks: np.ndarray
    off: float
    shape: tuple[int, ...]
    looked: int  # how many entries of the input were moved
    coarse: bool = False  # the outputs have few digits

    def gradient(self, deltas: np.ndarray) -> np.ndarray:
        """The gradient of the sum of delta times output."""
        return (deltas.ravel() @ self.jacobian).reshape(self.shape)

    @property
    def known(self) -> np.ndarray:
        """Which entries of the gradient were looked at and meet no kink."""
        unknown = self.kinks.any(axis=0) | np.isnan(self.jacobian).any(axis=0)
        return ~unknown.reshape(self.shape)

    def tolerance(self, deltas: np.ndarray) -> float:
        """By how much an entry of the gradient may be off."""
        return self.off * max(
            1.0, float(np.abs(deltas).sum(initial=0)) / max(1, deltas.size) ** 0.5
        )


def slopes(
    call: Callable[[np.ndarray], np.ndarray], x: np.ndarray, entries: np.ndarray | None = None
) -> Slopes:
    """The slopes of `call`, which gets an array like `x`, at `x`; only by these flat entries.

    Examples
    --------
    The slope of a square is twice its side; that of |x| has a kink at 0.

    >>> slopes(np.square, np.array([3.0])).jacobian.round(6).tolist()
    [[6.0]]
    >>> slopes(np.abs, np.array([-1.0, 0.0])).known.tolist()
    [True, False]
    """
    here = np.asarray(call(x.copy()))
    step, part, most = _COARSE if here.dtype in (np.float32, np.float16) else _FINE
    # Beside inputs that are all tiny, a step of a usual size leads to another place.
    size = float(np.abs(x[np.isfinite(x)]).max(initial=0))
    unit = size if 0 < size < _TINY and step == _FINE[0] else 1.0
    step, least = step * unit, 1.0 if unit == 1.0 else 0.0
    here = here.astype(float)
    entries = np.arange(x.size) if entries is None else entries
    jacobian = np.full((here.size, x.size), np.nan)
    kinks = np.zeros(jacobian.shape, bool)
    for p in entries.tolist():
        left, right = _sides(call, x, here, p, step)
        suspect = _apart(left, right, most, least)
        if suspect.any() and part == _FINE[1]:
            closer = _sides(call, x, here, p, step / _CLOSER)
            # A bend's sides come closer with the step, those of a kink do not.
            kinks[:, p] = suspect & _apart(*closer, most, least)
            left, right = (np.where(suspect, b, a) for a, b in zip((left, right), closer))  # noqa: B905
        else:
            kinks[:, p] = suspect
        jacobian[:, p] = (left + right) / 2
    noise = float(np.finfo(float).eps) * float(np.abs(here).max(initial=0)) / step
    off = part * max(least, float(np.nanmax(np.abs(jacobian), initial=0))) + 100 * noise
    return Slopes(jacobian, kinks, off, x.shape, len(entries), part == _COARSE[1])


def _sides(
    call: Callable[[np.ndarray], np.ndarray], x: np.ndarray, here: np.ndarray, p: int, step: float
) -> tuple[np.ndarray, np.ndarray]:
    """The slopes of all outputs below and above."""
    found = []
    for sign in (-1, 1):
        moved = x.copy()
        moved.flat[p] += sign * step
        real = moved.flat[p] - x.flat[p]  # of the type of x
        there = np.asarray(call(moved), float)
        if there.shape != here.shape:
            raise ValueError(f"the outputs have the shapes {here.shape} and {there.shape}")
        found.append(((there - here) / real).ravel())
    return found[0], found[1]


def _apart(left: np.ndarray, right: np.ndarray, most: float, least: float) -> np.ndarray:
    scale = max(least, float(np.abs(left).max(initial=0)), float(np.abs(right).max(initial=0)))
    with np.errstate(invalid="ignore"):
        return ~(np.abs(right - left) <= most * scale)
