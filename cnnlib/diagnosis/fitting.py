"""Whether gradients are those of the function's own z, whatever layer that is."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from .cases import Case
from .report import is_close

_ARRAYS = {"dx": "x", "dw": "w", "db": "b"}
_CELLS = 40  # of x and w together, in configurations of which every entry is moved
_AWKWARD = 120  # in the one larger configuration
_STEPS = (0.5, 1e-4)  # exact where z is linear; small where it is not

_Z = Callable[[Case], np.ndarray | None]


def own_gradients(call: _Z, results: Sequence[tuple[Case, np.ndarray]], quantity: str) -> bool:
    """Whether all these gradients are what central differences of z give.

    Parameters
    ----------
    call : callable
        The z of a configuration, or None.
    results : sequence of (Case, array)
        What came out.
    quantity : {'dx', 'dw', 'db'}
        The gradient.
    """
    chosen = [one for one in results if _cells(one[0]) <= _CELLS]
    larger = [one for one in results if _CELLS < _cells(one[0]) <= _AWKWARD]
    chosen += larger[-1:]
    return len(chosen) > 2 and all(_fits(call, case, got, quantity) for case, got in chosen)


def _cells(case: Case) -> int:
    return case.x.size + case.w.size


def _fits(call: _Z, case: Case, got: np.ndarray, quantity: str) -> bool:
    array = getattr(case, _ARRAYS[quantity])
    if got.shape != array.shape:
        return False
    for step in _STEPS:
        own = _differences(call, case, _ARRAYS[quantity], step)
        if own is None:
            return False
        if is_close(own, got, 1e-4 * max(1.0, float(np.abs(own).max(initial=0)))):
            return True
    return False


def _differences(call: _Z, case: Case, name: str, step: float) -> np.ndarray | None:
    """The gradient of the sum of dz*z by this array."""
    array = getattr(case, name)
    gradient = np.zeros(array.shape)
    for at in np.ndindex(*array.shape):
        sides = []
        for sign in (1, -1):
            moved = array.copy()
            moved[at] += sign * step
            z = call(replace(case, **{name: moved}))
            if z is None or z.shape != case.dz.shape:
                return None
            sides.append(float((case.dz * z).sum()))
        gradient[at] = (sides[0] - sides[1]) / (2 * step)
    return gradient
