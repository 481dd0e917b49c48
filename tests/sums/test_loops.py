"""The specification: hand arithmetic, and brute force over the whole grid."""

import brute
import grid
import numpy as np
import pytest
from hypothesis import given

from cnnlib.geometry import Window
from cnnlib.sums import loops

EVERY_CASE = pytest.mark.parametrize("case", grid.CASES, ids=lambda case: case.name)
EVERY_POOL = pytest.mark.parametrize("case", grid.POOLS, ids=lambda case: case.name)


def close(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


# By hand. A line of three cells with two channels: (1, 2), (3, 4), (5, 6). Two filters with two
# weights each: the first has (10, 20) and (30, 40), the second (50, 60) and (70, 80).

X = np.array([[[1.0, 2], [3, 4], [5, 6]]])
W = np.array([[[10.0, 20], [30, 40]], [[50, 60], [70, 80]]])
DZ = np.array([[[1.0, 2], [3, 5]]])
VALID = Window(2)


def test_conv_by_hand():
    z = loops.conv(X, W, np.array([1000.0, 2000.0]), VALID)
    assert z.tolist() == [
        [
            [1000 + 10 * 1 + 20 * 2 + 30 * 3 + 40 * 4, 2000 + 50 * 1 + 60 * 2 + 70 * 3 + 80 * 4],
            [1000 + 10 * 3 + 20 * 4 + 30 * 5 + 40 * 6, 2000 + 50 * 3 + 60 * 4 + 70 * 5 + 80 * 6],
        ]
    ]


def test_conv_delta_by_hand():
    assert loops.conv_delta(DZ, W, X.shape, VALID).tolist() == [
        [
            [10 * 1 + 50 * 2, 20 * 1 + 60 * 2],
            [30 * 1 + 70 * 2 + 10 * 3 + 50 * 5, 40 * 1 + 80 * 2 + 20 * 3 + 60 * 5],
            [30 * 3 + 70 * 5, 40 * 3 + 80 * 5],
        ]
    ]


def test_conv_weight_gradient_by_hand():
    assert loops.conv_weight_gradient(X, DZ, VALID).tolist() == [
        [[1 * 1 + 3 * 3, 2 * 1 + 4 * 3], [3 * 1 + 5 * 3, 4 * 1 + 6 * 3]],
        [[1 * 2 + 3 * 5, 2 * 2 + 4 * 5], [3 * 2 + 5 * 5, 4 * 2 + 6 * 5]],
    ]


def test_pools_by_hand():
    x = np.array([7.0, 2, 7, 9]).reshape(1, 4, 1)
    da = np.array([10.0, 20, 30]).reshape(1, 3, 1)
    window = Window(3, center=1, stride=1)  # windows 0-1, 0-2, 1-3, 2-3
    a, winners = loops.max_pool(x, window)
    assert a.ravel().tolist() == [7, 7, 9, 9]
    assert winners.ravel().tolist() == [0, 0, 3, 3]
    window = Window(2)  # windows 0-1, 1-2, 2-3
    a, winners = loops.max_pool(x, window)
    assert winners.ravel().tolist() == [0, 2, 3]
    assert loops.max_pool_delta(da, winners, x.shape).ravel().tolist() == [10, 0, 20, 30]
    assert loops.avg_pool(x, window, False).ravel().tolist() == [
        (7 + 2) / 2,
        (2 + 7) / 2,
        (7 + 9) / 2,
    ]
    assert loops.avg_pool_delta(da, x.shape, window, False).ravel().tolist() == [
        10 / 2,
        10 / 2 + 20 / 2,
        20 / 2 + 30 / 2,
        30 / 2,
    ]


def test_padding_counts_if_asked():
    x = np.array([6.0, 9]).reshape(1, 2, 1)
    window = Window(3, center=1)
    assert loops.avg_pool(x, window, False).ravel().tolist() == [(6 + 9) / 2, (6 + 9) / 2]
    assert loops.avg_pool(x, window, True).ravel().tolist() == [(6 + 9) / 3, (6 + 9) / 3]


# Brute force


@EVERY_CASE
def test_convolution_against_brute_force(case):
    x, w, b, dz = case.arrays()
    z, dx, dw, _ = grid.truth(case)
    window = Window(case.U, **case.geometry)
    close(loops.conv(x, w, b, window), z)
    close(loops.conv(x, w, None, window), z - b)
    close(loops.conv_delta(dz, w, x.shape, window), dx)
    close(loops.conv_weight_gradient(x, dz, window), dw)


@grid.examples(60)
@given(grid.drawn())
def test_convolution_of_any_geometry(case):
    x, w, b, dz = case.arrays()
    window = Window(case.U, **case.geometry)
    close(loops.conv(x, w, b, window), brute.conv(x, w, b, case.axes))
    close(loops.conv_delta(dz, w, x.shape, window), brute.conv_delta(dz, w, case.P, case.axes))
    dw = brute.conv_weight_gradient(x, dz, case.U, case.axes)
    close(loops.conv_weight_gradient(x, dz, window), dw)


@EVERY_POOL
def test_pools_against_brute_force(case):
    x, da = case.pool_arrays()
    window = Window(case.U, **case.geometry)
    a, winners = loops.max_pool(x, window)
    expected, places = brute.max_pool(x, case.axes)
    np.testing.assert_array_equal(a, expected)
    np.testing.assert_array_equal(winners, places)
    close(loops.max_pool_delta(da, winners, x.shape), brute.max_pool_delta(da, places, case.P))
    for count in (False, True):
        close(loops.avg_pool(x, window, count), brute.avg_pool(x, case.axes, count))
        dx = brute.avg_pool_delta(da, case.P, case.axes, count)
        close(loops.avg_pool_delta(da, x.shape, window, count), dx)


@EVERY_POOL
def test_max_pool_of_infinities_and_nan_against_brute_force(case):
    x, _ = case.pool_arrays()
    x[x == -2] = -np.inf
    x[(x == 2) & (np.arange(x.size).reshape(x.shape) % 3 == 0)] = np.nan
    a, winners = loops.max_pool(x, Window(case.U, **case.geometry))
    expected, places = brute.max_pool(x, case.axes)
    np.testing.assert_array_equal(a, expected)
    np.testing.assert_array_equal(winners, places)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loops_keep_the_type(dtype):
    case = grid.SHARPEST
    x, w, b, dz = (array.astype(dtype) for array in case.arrays())
    window = Window(case.U, **case.geometry)
    a, winners = loops.max_pool(x, window)
    for result in [
        loops.conv(x, w, b, window),
        loops.conv_delta(dz, w, x.shape, window),
        loops.conv_weight_gradient(x, dz, window),
        a,
        loops.max_pool_delta(a, winners, x.shape),
        loops.avg_pool(x, window, False),
        loops.avg_pool_delta(a, x.shape, window, False),
    ]:
        assert result.dtype == dtype
