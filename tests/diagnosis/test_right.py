"""A right layer is never accused, whatever it computes with and whatever arrays it returns."""

import numpy as np
import pytest
from right import RIGHT

from cnnlib.diagnosis import diagnose

SETTINGS = [{}, {"stride": 1, "padding": 0}, {"stride": (1, 2), "padding": (0, 1)}]


def in_type(fn, dtype):
    """Computed from start to end in this type."""
    return lambda *given: fn(*(a.astype(dtype) for a in given[:4]), *given[4:])


def rounded(fn):
    """The results in float32."""
    return lambda *given: _each(fn(*given), np.float32)


def frozen(fn):
    """The results as read-only views of every second element of a larger array."""

    def seen(a):
        wide = np.repeat(np.asarray(a), 2, axis=-1)[..., ::2]
        wide.flags.writeable = False
        return wide

    return lambda *given: _each(fn(*given), seen)


def _each(returned, change):
    return {quantity: change(a) for quantity, a in returned.items()}


def named(fn):
    """A parameter of a test; one of them computes with PyTorch."""
    marks = [pytest.mark.frameworks] if fn.__name__ == "autograd" else []
    return pytest.param(fn, id=fn.__name__, marks=marks)


def test_there_are_enough_of_them():
    assert len(RIGHT) >= 12


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("fn", [named(fn) for fn in RIGHT])
def test_right_is_not_accused(fn, settings):
    ways = [in_type(fn, np.float32)]
    if not settings:
        ways += [frozen(in_type(fn, np.float64)), rounded(fn)]
    for way in ways:
        report = diagnose(way, **settings)
        assert report.ok, str(report)


@pytest.mark.parametrize("fn", [named(fn) for fn in RIGHT[:-3:3]])
def test_nor_with_other_numbers(fn):
    for seed in (1, 2, 3):
        report = diagnose(in_type(fn, np.float32), seed=seed)
        assert report.ok, str(report)
