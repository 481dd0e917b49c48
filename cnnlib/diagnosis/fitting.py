"""Whether gradients are those of the function's own z, whatever layer that is."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from .cases import Case
from .report import is_close

_ARRAYS = {"dx": "x", "dw": "w", "db": "b"}
# A slow function is called once or twice for every entry that is moved: so few are enough.
_CELLS, _FEW = 40, 4  # of x and w together, in so many small configurations
_AWKWARD = 120  # in the one larger configuration

_Z = Callable[[Case], np.ndarray | None]
_Slopes = Callable[[_Z, Case, str], np.ndarray | None]


def own_gradients(call: _Z, results: Sequence[tuple[Case, np.ndarray]], quantity: str) -> bool:
    """Whether all these gradients are what differences of z give.

    Parameters
    ----------
    call : callable
        The z of a configuration, or None.
    results : sequence of (Case, array)
        What came out.
    quantity : {'dx', 'dw', 'db'}
        The gradient.
    """
    small = [one for one in results if _cells(one[0]) <= _CELLS]
    larger = [one for one in results if _CELLS < _cells(one[0]) <= _AWKWARD]
    chosen = [*small[-_FEW:], *larger[-1:]]
    return len(chosen) > 2 and any(
        all(_fits(slopes, call, case, got, quantity) for case, got in chosen)
        for slopes in (_even, _central)
    )


def _cells(case: Case) -> int:
    return case.x.size + case.w.size


def _fits(slopes: _Slopes, call: _Z, case: Case, got: np.ndarray, quantity: str) -> bool:
    own = slopes(call, case, _ARRAYS[quantity])
    if own is None or own.shape != got.shape:
        return False
    return is_close(own, got, 1e-4 * max(1.0, float(np.abs(own).max(initial=0))))


def _even(call: _Z, case: Case, name: str) -> np.ndarray | None:
    """The gradient of the sum of dz*z by this array, where z grows evenly with it: exact."""
    here = _sum(call, case)
    if here is None:
        return None
    ahead = _moved(call, case, name, 0.5)
    return None if ahead is None else (ahead - here) / 0.5


def _central(call: _Z, case: Case, name: str) -> np.ndarray | None:
    """The same for any z."""
    step = 1e-4
    ahead, behind = (_moved(call, case, name, one) for one in (step, -step))
    return None if ahead is None or behind is None else (ahead - behind) / (2 * step)


def _moved(call: _Z, case: Case, name: str, step: float) -> np.ndarray | None:
    """The sum of dz*z with each entry of the array moved by itself."""
    array = getattr(case, name)
    sums = np.zeros(array.shape)
    for at in np.ndindex(*array.shape):
        moved = array.copy()
        moved[at] += step
        total = _sum(call, replace(case, **{name: moved}))
        if total is None:
            return None
        sums[at] = total
    return sums


def _sum(call: _Z, case: Case) -> float | None:
    z = call(case)
    return None if z is None or z.shape != case.dz.shape else float((case.dz * z).sum())
