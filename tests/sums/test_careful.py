"""Numbers that are not finite reach exactly the results that they go into."""

import numpy as np
import pytest

import cnnlib
from cnnlib.geometry import Window
from cnnlib.sums import blocks, careful


@pytest.fixture(autouse=True)
def _forget_cuts():
    yield
    blocks.cut.cache_clear()


@pytest.mark.parametrize("method", ["fft", "winograd"])
@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_what_spreads_by_transforms_warns_of_nothing(method, bad):
    """A result that is not finite shows it; pytest makes warnings errors."""
    r = np.random.default_rng(0)
    x, w, dz = r.normal(size=(2, 6, 6, 3)), r.normal(size=(4, 3, 3, 3)), r.normal(size=(2, 4, 4, 4))
    x[0, 0, 0, 0] = dz[1, 3, 3, 1] = bad
    for result in (
        cnnlib.conv(x, w, method=method),
        cnnlib.conv_delta(dz, w, x.shape, method=method),
        cnnlib.conv_weight_gradient(x, dz, (3, 3), method=method),
    ):
        assert not np.isfinite(result).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_reaches_only_whom_it_meets(monkeypatch, bad):
    """Zeros of the matrix times infinity would be NaN in every output of the block."""
    monkeypatch.setattr(blocks, "SIZES", (4,))  # blocks of four, if all is finite
    blocks.cut.cache_clear()
    x, w = np.ones((1, 9, 1)), np.ones((1, 2, 1))
    x[0, 4] = bad
    z = careful.conv(x, w, None, Window(2)).ravel()
    assert np.flatnonzero(~np.isfinite(z)).tolist() == [3, 4]
    dz = np.ones((1, 4, 1))
    dz[0, 2] = bad
    dx = careful.conv_delta(dz, np.ones((1, 3, 1)), (1, 9, 1), Window(3, stride=2)).ravel()
    assert np.flatnonzero(~np.isfinite(dx)).tolist() == [4, 5, 6]
    # Three outputs in a block of four: the fourth is none, but its first weight would meet input 3.
    w = np.array([bad, 1, 1]).reshape(1, 3, 1)
    dx = careful.conv_delta(np.ones((1, 3, 1)), w, (1, 5, 1), Window(3)).ravel()
    assert np.flatnonzero(~np.isfinite(dx)).tolist() == [0, 1, 2]
    # A weight that lies on the zeros around the image, or a delta that met them.
    z = careful.conv(np.ones((1, 3, 1)), w, None, Window(3, padding=1)).ravel()
    assert np.flatnonzero(~np.isfinite(z)).tolist() == [1, 2]
    dz = np.array([bad, 1, 1]).reshape(1, 3, 1)
    dw = careful.conv_weight_gradient(np.ones((1, 3, 1)), dz, Window(3, padding=1)).ravel()
    assert np.flatnonzero(~np.isfinite(dw)).tolist() == [1, 2]
    dx = careful.conv_delta(dz, np.ones((1, 3, 1)), (1, 3, 1), Window(3, padding=1)).ravel()
    assert np.flatnonzero(~np.isfinite(dx)).tolist() == [0, 1]


def test_large_numbers_are_finite():
    """Their squares are not, which is how a number that is not finite is looked for first."""
    large = np.full(3, 1e30, np.float32)
    assert careful.is_finite(large)
    assert not careful.is_finite(np.array([1, np.inf]))
    assert not careful.is_finite(np.array([1, np.nan]))
