"""Whether gradients are those of the function's own z, whatever layer that is."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from .cases import Case
from .report import is_close, is_right

_ARRAYS = {"dx": "x", "dw": "w", "db": "b"}
# A slow function is called once or twice for every entry that is moved: so few are enough.
_CASES, _ENTRIES = 4, 10

_Z = Callable[[Case], np.ndarray | None]


def own_gradients(call: _Z, results: Sequence[tuple[Case, np.ndarray]], quantity: str) -> bool:
    """Whether these gradients are what differences of z give.

    Parameters
    ----------
    call : callable
        The z of a configuration, or None.
    results : sequence of (Case, array)
        What came out: those that differ from a cross-correlation's are looked at first.
    quantity : {'dx', 'dw', 'db'}
        The gradient.
    """
    small_first = sorted(results, key=lambda one: one[0].x.size + one[0].w.size)
    wrong = [one for one in small_first if not is_right(one[0].right[quantity], one[1])]
    right = [one for one in small_first if is_right(one[0].right[quantity], one[1])]
    chosen = [*wrong[:_CASES], *wrong[_CASES:][-1:], *right[: max(0, _CASES - len(wrong))]]
    # With an even step z need not be smooth; with two small ones it need not be linear.
    return len(chosen) > 2 and any(
        all(_fits(steps, call, case, got, quantity) for case, got in chosen)
        for steps in ((0.5, 0.0), (1e-4, -1e-4))
    )


def _fits(steps: tuple[float, float], call: _Z, case: Case, got: np.ndarray, quantity: str) -> bool:
    """Whether the sum of dz*z rises as `got` says, by entries that are wrong and some others."""
    name = _ARRAYS[quantity]
    array, right = getattr(case, name), case.right[quantity]
    if got.shape != array.shape:
        return False
    entries = [*np.flatnonzero(np.abs(got - right) > 1e-6)[:_ENTRIES],
               *np.linspace(0, array.size - 1, _ENTRIES).astype(int)]  # fmt: skip
    own = []
    for at in entries:
        sums = []
        for step in steps:
            moved = array.copy()
            moved.flat[at] += step
            z = call(replace(case, **{name: moved}))
            if z is None or z.shape != case.dz.shape:
                return False
            sums.append(float((case.dz * z).sum()))
        own.append((sums[0] - sums[1]) / (steps[0] - steps[1]))
    largest = max(1.0, float(np.abs(own).max()))
    return is_close(np.array(own), got.ravel()[entries], 1e-4 * largest)
