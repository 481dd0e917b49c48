"""Max- and average-pooling: the pools of the grid against brute force, the loops and PyTorch."""

import tracemalloc

import brute
import grid
import numpy as np
import pytest
from hypothesis import given

import cnnlib
from cnnlib.errors import InputError
from cnnlib.geometry import Window
from cnnlib.pooling import avg_pool, avg_pool_delta, max_pool, max_pool_delta
from cnnlib.sums import loops

EVERY_POOL = pytest.mark.parametrize("case", grid.POOLS, ids=lambda case: case.name)
EVERY_FLOAT = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f8", "f4"])
COUNTS = pytest.mark.parametrize("count", [False, True], ids=["inputs count", "padding counts"])


def laid(case):
    """The keywords that say how a pool lies; it has no dilation."""
    return {name: value for name, value in case.geometry.items() if name != "dilation"}


def pools(x, da, case, count=False):
    """All that the public functions return for a pool."""
    a, winners = max_pool(x, case.U, **laid(case))
    return {
        "max": a,
        "winners": winners,
        "max delta": max_pool_delta(da, winners, case.x_shape),
        "mean": avg_pool(x, case.U, **laid(case), count_padding=count),
        "mean delta": avg_pool_delta(da, case.x_shape, case.U, **laid(case), count_padding=count),
    }


def close(found, expected, dtype=np.float64):
    assert found.shape == expected.shape
    assert found.dtype == dtype
    atol = 1e-12 if dtype == np.float64 else 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


# By hand


def test_pool_of_the_first_source():
    x = np.array([[1, 0, 2, 3], [4, 6, 6, 8], [3, 1, 1, 0], [1, 2, 2, 4]])[None, ..., None]
    a, winners = max_pool(x, 2)
    assert a[0, ..., 0].tolist() == [[6, 8], [3, 4]]
    assert np.transpose(np.unravel_index(winners[0, ..., 0], (4, 4)), (1, 2, 0)).tolist() == [
        [[1, 1], [1, 3]],
        [[2, 0], [3, 3]],
    ]
    da = np.array([[10, 20], [30, 40]])[None, ..., None]
    assert max_pool_delta(da, winners, x.shape)[0, ..., 0].tolist() == [
        [0, 0, 0, 0],
        [0, 10, 0, 20],
        [30, 0, 0, 0],
        [0, 0, 0, 40],
    ]
    assert avg_pool(x, 2)[0, ..., 0].tolist() == [
        [(1 + 0 + 4 + 6) / 4, (2 + 3 + 6 + 8) / 4],
        [(3 + 1 + 1 + 2) / 4, (1 + 0 + 2 + 4) / 4],
    ]
    assert avg_pool_delta(da, x.shape, 2)[0, ..., 0].tolist() == [
        [10 / 4, 10 / 4, 20 / 4, 20 / 4],
        [10 / 4, 10 / 4, 20 / 4, 20 / 4],
        [30 / 4, 30 / 4, 40 / 4, 40 / 4],
        [30 / 4, 30 / 4, 40 / 4, 40 / 4],
    ]


@pytest.mark.parametrize("flip", [False, True])
def test_first_of_equal_inputs_wins(flip):
    # Windows 0-1, 1-2, 2-3 of 5 5 5 4, whichever way the window is laid.
    x = np.array([5, 5, 5, 4]).reshape(1, 4, 1)
    _, winners = max_pool(x, 2, stride=1, flip=flip)
    assert winners.ravel().tolist() == [0, 1, 2]
    # All cells of an image are equal: the first of each window.
    _, winners = max_pool(np.zeros((1, 3, 4, 1)), 2, stride=1, flip=flip)
    assert winners[0, ..., 0].tolist() == [[0, 1, 2], [4, 5, 6]]


def test_padding_never_wins():
    x = -np.array([1, 2, 3, 4]).reshape(1, 4, 1)
    a, winners = max_pool(x, 3, stride=2, padding=1)  # windows 0-1 and 1-3
    assert a.ravel().tolist() == [-1, -2]
    assert winners.ravel().tolist() == [0, 1]


@pytest.mark.parametrize("flip", [False, True])
def test_infinities_and_nan(flip):
    lowest = np.full((1, 4, 1), -np.inf)
    a, winners = max_pool(lowest, 2, padding=1, flip=flip)  # windows 0, 1-2, 3
    assert a.ravel().tolist() == [-np.inf] * 3
    assert winners.ravel().tolist() == [0, 1, 3]
    x = np.array([np.inf, np.nan, 1, 2, np.nan, np.nan]).reshape(1, 6, 1)
    a, winners = max_pool(x, 3, stride=1, flip=flip)  # the first NaN of a window wins
    assert np.isnan(a.ravel()).tolist() == [True, True, True, True]
    assert winners.ravel().tolist() == [1, 1, 4, 4]
    a, winners = max_pool(x, 2, flip=flip)
    np.testing.assert_array_equal(a.ravel(), [np.nan, 2, np.nan])
    assert winners.ravel().tolist() == [1, 3, 4]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("cells", [255, 256, 257, 300])
def test_windows_of_many_cells(cells, flip):
    # More than a byte counts: rising inputs, where the last cell wins, and falling ones.
    x = np.arange(cells + 2).reshape(1, -1, 1)
    _, winners = max_pool(x, cells, stride=1, flip=flip)
    assert winners.ravel().tolist() == [cells - 1, cells, cells + 1]
    _, winners = max_pool(-x, cells, stride=1, flip=flip)
    assert winners.ravel().tolist() == [0, 1, 2]
    _, winners = max_pool(x[:, None], (1, cells), flip=flip)  # an image of one row
    assert winners.ravel().tolist() == [cells - 1]
    # Padding before the inputs: the window's cells count from outside.
    _, winners = max_pool(x, cells, stride=1, padding=((cells - 1, 0),), flip=flip)
    assert winners.ravel().tolist() == list(range(cells + 2))


def test_mean_of_what_the_window_meets():
    x = np.array([6, 9]).reshape(1, 2, 1)
    da = np.array([12, 24]).reshape(1, 2, 1)
    assert avg_pool(x, 3, stride=1, center=1).ravel().tolist() == [(6 + 9) / 2, (6 + 9) / 2]
    counted = avg_pool(x, 3, stride=1, center=1, count_padding=True)
    assert counted.ravel().tolist() == [(6 + 9) / 3, (6 + 9) / 3]
    dx = avg_pool_delta(da, x.shape, 3, stride=1, center=1)
    assert dx.ravel().tolist() == [12 / 2 + 24 / 2, 12 / 2 + 24 / 2]
    dx = avg_pool_delta(da, x.shape, 3, stride=1, center=1, count_padding=True)
    assert dx.ravel().tolist() == [12 / 3 + 24 / 3, 12 / 3 + 24 / 3]


def test_stride_is_the_window_by_default():
    x = np.arange(24).reshape(1, 4, 6, 1)
    np.testing.assert_array_equal(max_pool(x, (2, 3))[0], max_pool(x, (2, 3), stride=(2, 3))[0])
    np.testing.assert_array_equal(avg_pool(x, (2, 3)), avg_pool(x, (2, 3), stride=(2, 3)))
    assert (
        avg_pool_delta(np.ones((1, 2, 2, 1)), x.shape, (2, 3)).tolist()
        == np.full(x.shape, 1 / 6).tolist()
    )


# The grid


@EVERY_POOL
@EVERY_FLOAT
@COUNTS
def test_against_brute_force(case, dtype, count):
    x, da = (array.astype(dtype) for array in case.pool_arrays())
    a, winners = brute.max_pool(x, case.axes)
    found = pools(x, da, case, count)
    assert found["max"].dtype == dtype
    assert found["winners"].dtype == np.intp
    np.testing.assert_array_equal(found["max"], a)
    np.testing.assert_array_equal(found["winners"], winners)
    close(found["max delta"], brute.max_pool_delta(da, winners, case.P), dtype)
    close(found["mean"], brute.avg_pool(x, case.axes, count), dtype)
    close(found["mean delta"], brute.avg_pool_delta(da, case.P, case.axes, count), dtype)


@EVERY_POOL
@COUNTS
def test_against_the_loops(case, count):
    x, da = case.pool_arrays()
    window = Window(case.U, **case.geometry)
    found = pools(x, da, case, count)
    a, winners = loops.max_pool(x, window)
    np.testing.assert_array_equal(found["max"], a)
    np.testing.assert_array_equal(found["winners"], winners)
    close(found["max delta"], loops.max_pool_delta(da, winners, x.shape))
    close(found["mean"], loops.avg_pool(x, window, count))
    close(found["mean delta"], loops.avg_pool_delta(da, x.shape, window, count))


@EVERY_POOL
@EVERY_FLOAT
def test_infinities_and_nan_of_the_grid(case, dtype):
    x, _ = case.pool_arrays()
    x[x == -2] = -np.inf
    x[(x == 2) & (np.arange(x.size).reshape(x.shape) % 3 == 0)] = np.nan
    a, winners = max_pool(x.astype(dtype), case.U, **laid(case))
    expected, places = brute.max_pool(x, case.axes)
    np.testing.assert_array_equal(a, expected)
    np.testing.assert_array_equal(winners, places)


def test_grid_of_pools_is_awkward():
    def sizes(case):
        return zip(brute.each(case.stride, len(case.P)), case.U, strict=True)

    assert {len(case.P) for case in grid.POOLS} == {1, 2, 3}
    assert any(s < u for case in grid.POOLS for s, u in sizes(case))
    assert any(s > u for case in grid.POOLS for s, u in sizes(case))
    assert any(all(s == u > 1 for s, u in sizes(case)) for case in grid.POOLS)
    assert all(cells for case in grid.POOLS for cells in brute.met(case.axes, case.P).values())
    ties = 0
    for case in grid.POOLS:
        x, _ = case.pool_arrays()
        for cells in brute.met(case.axes, case.P).values():
            values = [x[0, *p, 0] for p in cells]
            ties += values.count(max(values)) > 1
    assert ties > 100


@grid.examples(150)
@given(grid.drawn(pool=True))
def test_any_pool_against_the_loops(case):
    x, da = case.pool_arrays()
    if not all(brute.met(case.axes, case.P).values()):
        for pool in (max_pool, avg_pool):
            with pytest.raises(InputError, match="meets no input"):
                pool(x, case.U, **laid(case))
        with pytest.raises(InputError, match="meets no input"):
            avg_pool_delta(da, x.shape, case.U, **laid(case))
        return
    window = Window(case.U, **case.geometry)
    for count in (False, True):
        found = pools(x, da, case, count)
        close(found["mean"], loops.avg_pool(x, window, count))
        close(found["mean delta"], loops.avg_pool_delta(da, x.shape, window, count))
        # <da, pool(x)> = <dx, x>: the mean is linear, and so is the maximum where its winners stay.
        np.testing.assert_allclose(
            np.vdot(da, found["mean"]), np.vdot(found["mean delta"], x), atol=1e-11
        )
    np.testing.assert_allclose(
        np.vdot(da, found["max"]), np.vdot(found["max delta"], x), atol=1e-11
    )
    a, winners = loops.max_pool(x, window)
    np.testing.assert_array_equal(found["max"], a)
    np.testing.assert_array_equal(found["winners"], winners)
    close(found["max delta"], loops.max_pool_delta(da, winners, x.shape))


@pytest.mark.parametrize(
    "case", [case for case in grid.POOLS if not case.large], ids=lambda case: case.name
)
@pytest.mark.parametrize("pool", ["max", "mean", "mean with padding"])
def test_deltas_against_central_differences(case, pool):
    x, da, _ = distinct(case)
    count = pool == "mean with padding"

    def loss():
        if pool == "max":
            return np.vdot(da, max_pool(x, case.U, **laid(case))[0])
        return np.vdot(da, avg_pool(x, case.U, **laid(case), count_padding=count))

    # Inputs differ by 1 at least, so a step of 1/4 changes no winner and the pool stays linear.
    expected = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        here, x[at] = x[at], x[at] + 0.25
        above, x[at] = loss(), here - 0.25
        below, x[at] = loss(), here
        expected[at] = (above - below) / 0.5
    dx = pools(x, da, case, count)["max delta" if pool == "max" else "mean delta"]
    np.testing.assert_allclose(dx, expected, rtol=0, atol=1e-9)


# PyTorch

SYMMETRIC = [
    case
    for case in grid.POOLS
    if not case.flip
    and case.center is None
    and not isinstance(case.padding, str)
    and np.ndim(case.padding) < 2
]


def torch_pool(torch, name, x, case, da, **keywords):
    """Results of a pool in PyTorch, and the deltas of its input, all channels-last."""
    xt = torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)
    pool = getattr(torch.nn.functional, f"{name}_pool{len(case.P)}d")
    results = pool(xt, case.U, case.stride, case.padding or 0, **keywords)
    results = results if isinstance(results, tuple) else (results,)
    results[0].backward(torch.tensor(np.moveaxis(da, -1, 1).copy()))
    return [np.moveaxis(t.detach().numpy(), 1, -1) for t in (*results, xt.grad)]


@pytest.mark.parametrize("case", SYMMETRIC, ids=lambda case: case.name)
@EVERY_FLOAT
def test_max_pool_against_pytorch(case, dtype, torch):
    x, da = (array.astype(dtype) for array in case.pool_arrays())
    found = pools(x, da, case)
    a, winners, dx = torch_pool(torch, "max", x, case, da, return_indices=True)
    np.testing.assert_array_equal(found["max"], a)
    np.testing.assert_array_equal(found["winners"], winners)
    close(found["max delta"], dx, dtype)


@pytest.mark.parametrize("case", SYMMETRIC, ids=lambda case: case.name)
@EVERY_FLOAT
@COUNTS
def test_avg_pool_against_pytorch(case, dtype, count, torch):
    x, da = (array.astype(dtype) for array in case.pool_arrays())
    found = pools(x, da, case, count)
    a, dx = torch_pool(torch, "avg", x, case, da, count_include_pad=count)
    close(found["mean"], a, dtype)
    close(found["mean delta"], dx, dtype)


# Known mistakes

OVERLAPPING = grid.Case("overlapping", 2, (5, 7), 3, 0, (3, 2), (2, 1))
APART = grid.Case("side by side", 2, (6, 4), 3, 0, (2, 2), 2)
REMAINDER = grid.Case("remainder", 2, (5, 7), 3, 0, (2, 2), 2)
ONE_WINDOW = grid.Case("one window", 2, (3, 2), 3, 0, (3, 2))
ONE_CELL = grid.Case("windows of one cell", 2, (3, 4), 2, 0, (1, 1))


def ties(case):
    return *case.pool_arrays(), case


def distinct(case):
    """`x` without equal entries, which differ by 1 at least, and random `da`."""
    x = np.random.default_rng(6).permutation(np.prod(case.x_shape)).astype(float)
    return x.reshape(case.x_shape), case.pool_arrays()[1], case


def deltas_to_every_maximum(x, da, case):
    """P1: all inputs equal to the maximum get the delta."""
    a, _ = brute.max_pool(x, case.axes)
    dx = np.zeros(x.shape)
    for i, _, p in brute.rows(case.axes, case.P):
        dx[:, *p] += np.where(x[:, *p] == a[:, *i], da[:, *i], 0)
    return dx


def deltas_overwritten(x, da, case):
    """P2: `=` for `+=` where windows overlap."""
    _, winners = brute.max_pool(x, case.axes)
    dx = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(winners.shape):
        p, q = divmod(winners[n, i, j, c], case.P[1])
        dx[n, p, q, c] = da[n, i, j, c]
    return dx


def deltas_not_divided(x, da, case):
    """P3: the factor of the mean is forgotten."""
    return brute.avg_pool_delta(da, case.P, case.axes, False) * np.prod(case.U)


def deltas_of_the_first_window(x, da, case):
    """P4: `return` stands inside the loop."""
    first = np.zeros(da.shape)
    first[:, 0, 0] = da[:, 0, 0]
    return brute.max_pool_delta(first, brute.max_pool(x, case.axes)[1], case.P)


def deltas_repeated(x, da, case):
    """P6: deltas and winners are repeated over blocks, one block for each window."""
    _, winners = brute.max_pool(x, case.axes)
    wide, places = (array.repeat(case.U[0], 1).repeat(case.U[1], 2) for array in (da, winners))
    here = np.arange(wide[0, ..., 0].size).reshape(1, *wide.shape[1:-1], 1)
    return np.where(here == places, wide, 0)


@pytest.mark.parametrize(
    "mistake, result, seen, hidden",
    [
        (deltas_to_every_maximum, "max delta", ties(OVERLAPPING), distinct(OVERLAPPING)),
        (deltas_overwritten, "max delta", distinct(OVERLAPPING), distinct(APART)),
        (deltas_not_divided, "mean delta", distinct(APART), distinct(ONE_CELL)),
        (deltas_of_the_first_window, "max delta", distinct(OVERLAPPING), distinct(ONE_WINDOW)),
        (deltas_repeated, "max delta", distinct(REMAINDER), distinct(APART)),
    ],
    ids=["P1", "P2", "P3", "P4", "P6"],
)
def test_known_mistakes_are_visible(mistake, result, seen, hidden):
    """Each gives something else on the first case, and what is right on the second."""
    for (x, da, case), equal in [(seen, False), (hidden, True)]:
        right, wrong = pools(x, da, case)[result], mistake(x, da, case)
        assert (right.shape == wrong.shape and np.allclose(right, wrong)) == equal


# What goes in stays as it is, and what comes out belongs to the caller

SOME = pytest.mark.parametrize(
    "case", [OVERLAPPING, ONE_CELL, grid.POOLS[-1]], ids=lambda case: case.name
)


@SOME
def test_inputs_stay_and_results_are_new(case):
    x, da = case.pool_arrays()
    given = {"x": x.copy(), "da": da.copy()}
    found = pools(given["x"], given["da"], case)
    np.testing.assert_array_equal(given["x"], x)
    np.testing.assert_array_equal(given["da"], da)
    winners = found["winners"].copy()
    max_pool_delta(da, found["winners"], x.shape)
    np.testing.assert_array_equal(found["winners"], winners)
    arrays = list((given | found).items())
    for name, array in found.items():
        assert array.flags.writeable, name
        for other, another in arrays:
            assert name == other or not np.shares_memory(array, another), (name, other)


@SOME
def test_memory_layout_of_the_inputs_does_not_matter(case):
    x, da = case.pool_arrays()
    expected = pools(x, da, case)
    variants = zip(grid.layouts(x).items(), grid.layouts(da).values(), strict=True)
    for (name, x), da in variants:
        found = pools(x, da, case)
        for result, array in found.items():
            np.testing.assert_array_equal(array, expected[result], err_msg=f"{name}, {result}")
        for winners in grid.layouts(found["winners"]).values():
            dx = max_pool_delta(da, winners, case.x_shape)
            np.testing.assert_array_equal(dx, expected["max delta"])


@SOME
def test_integers_are_computed_in_float64(case):
    x, da = case.pool_arrays()
    da = np.round(10 * da)
    expected = pools(x, da, case)
    for dtype in (np.int64, np.int8):
        for name, array in pools(x.astype(dtype), da.astype(dtype), case).items():
            assert array.dtype == expected[name].dtype
            np.testing.assert_array_equal(array, expected[name])


def test_half_precision_stays():
    x, da = (array.astype(np.float16) for array in OVERLAPPING.pool_arrays())
    found = pools(x, da, OVERLAPPING)
    assert found.pop("winners").dtype == np.intp
    assert {array.dtype for array in found.values()} == {np.dtype(np.float16)}
    np.testing.assert_array_equal(found["max"], brute.max_pool(x, OVERLAPPING.axes)[0])


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.uint64])
def test_winners_may_be_any_integers(dtype):
    x, da = OVERLAPPING.pool_arrays()
    _, winners = max_pool(x, OVERLAPPING.U, **laid(OVERLAPPING))
    expected = max_pool_delta(da, winners, x.shape)
    np.testing.assert_array_equal(max_pool_delta(da, winners.astype(dtype), x.shape), expected)
    np.testing.assert_array_equal(max_pool_delta(da, winners.tolist(), list(x.shape)), expected)


def test_average_lets_nan_through():
    x, _ = OVERLAPPING.pool_arrays()
    x[0, 2, 3, 1] = np.nan
    a = avg_pool(x, OVERLAPPING.U, **laid(OVERLAPPING))
    seen = np.isnan(brute.avg_pool(x, OVERLAPPING.axes, False))
    assert 0 < seen.sum() < seen.size
    np.testing.assert_array_equal(np.isnan(a), seen)


def test_public_names_are_these_functions():
    for function in (max_pool, max_pool_delta, avg_pool, avg_pool_delta):
        assert getattr(cnnlib, function.__name__) is function


# Errors

X = np.arange(2 * 7 * 6 * 3.0).reshape(2, 7, 6, 3)
A, WINNERS = max_pool(X, 2)  # (2, 3, 3, 3)

BOTH = [
    ((X[0], (2, 2)), {}, "window is (2, 2), with 2 entries; expected one integer, or 1"),
    ((X[0, 0], 2), {}, "x has shape (6, 3); expected at least 3 axes"),
    ((X[:0], 2), {}, "x has shape (0, 7, 6, 3): the batch is empty"),
    ((X[..., :0], 2), {}, "x has shape (2, 7, 6, 0); every axis needs"),
    ((X, (2, 2, 2)), {}, "window is (2, 2, 2), with 3 entries; ... 2"),
    ((X, 0), {}, "window is 0; expected at least 1"),
    ((X, "2"), {}, "window is '2'; expected an intege"),
    ((X, None), {}, "window is None; expected an intege"),
    ((X, 2.0), {}, "window is 2.0; expected an intege"),
    ((X, 8), {}, "kernel spans 8 cells on spatial axis 0"),
    ((X, (2, 7)), {}, "kernel spans 7 cells on spatial axis 1"),
    ((X, 2), {"stride": 0}, "stride is 0; expected at least 1"),
    ((X, 2), {"stride": (1, 2, 3)}, "stride is (1, 2, 3), with 3 entries"),
    ((X, 2), {"padding": 1, "center": 0}, "give one of them"),
    ((X, 2), {"center": 2}, "center is ...outside the kernel"),
    ((X, 2), {"padding": "half"}, "padding is 'half'; expected 'valid'"),
    ((X, 2), {"padding": -1}, "padding is -1; expected at least 0"),
    ((1j * X, 2), {}, "x has dtype complex128"),
    ((X.astype(object), 2), {}, "x has dtype object"),
    ((np.ma.array(X), 2), {}, "x is a masked array"),
    # Windows in the padding: the first, the last, on one axis only
    ((X, 2), {"padding": 2}, "window 0 on spatial axis 0 meets no input: ... -2 to -1 of 7"),
    (
        (X, 2),
        {"padding": ((1, 1), (2, 0))},
        "window 0 on spatial axis 1 meets no input: ... -2 to -1 of 6",
    ),
    (
        (X, (2, 3)),
        {"stride": 1, "padding": ((0, 3), (0, 0))},
        "window 7 on spatial axis 0 meets no input: ... 7 to 8 of 7",
    ),
]


@pytest.mark.parametrize("arguments, keywords, message", BOTH, ids=[row[2][:40] for row in BOTH])
@pytest.mark.parametrize("pool", [max_pool, avg_pool], ids=lambda pool: pool.__name__)
def test_wrong_arguments_are_named(pool, arguments, keywords, message):
    with pytest.raises(InputError, match=grid.says(message)):
        pool(*arguments, **keywords)


# Short names, so that a call and what it says share a line
max_delta, avg_delta = max_pool_delta, avg_pool_delta

WRONG = [
    (
        lambda: max_delta(A[:, :2], WINNERS, X.shape),
        "winners has shape (2, 3, 3, 3)...(2, 2, 3, 3)",
    ),
    (lambda: max_delta(A, WINNERS[..., 0], X.shape), "winners has shape (2, 3, 3)...(2, 3, 3, 3)"),
    (lambda: max_delta(A, A, X.shape), "winners has shape ...dtype float64; expected integers"),
    (lambda: max_delta(A, A > 0, X.shape), "winners has ...dtype bool; expected integers"),
    (lambda: max_delta(A, None, X.shape), "winners is None; expected real numbers"),
    (lambda: max_delta(A, WINNERS - 99, X.shape), "winners runs from -92 to ... 0 to 41"),
    (
        lambda: max_delta(A, WINNERS + 7, X.shape),
        "winners runs from 14 to 42; ...(7, 6) has the flat positions 0 to 41",
    ),
    (lambda: max_delta(A, WINNERS, (2, 5, 6, 3)), "winners runs from 7 to 35; ... 0 to 29"),
    (lambda: max_delta(A, WINNERS, (7, 6, 3)), "input_shape is (7, 6, 3); expected all 4 numbers"),
    (
        lambda: max_delta(A, WINNERS, (1, 7, 6, 3)),
        "da has shape (2, 3, 3, 3); expected (1, 3, 3, 3)",
    ),
    (
        lambda: max_delta(A, WINNERS, (2, 7, 6, 1)),
        "da has shape (2, 3, 3, 3); expected (2, 3, 3, 1)",
    ),
    (lambda: max_delta(A[0, 0], WINNERS, X.shape), "da has shape (3, 3); expected at least 3 axes"),
    (lambda: max_delta(1j * A, WINNERS, X.shape), "da has dtype complex128"),
    (lambda: avg_delta(A, (7, 6, 3), 2), "input_shape is (7, 6, 3); expected all 4 numbers"),
    (lambda: avg_delta(A, (2, 9, 6, 3), 2), "da has shape (2, 3, 3, 3); expected (2, 4, 3, 3)"),
    (lambda: avg_delta(A, (2, 7, 6, 1), 2), "da has shape (2, 3, 3, 3); expected (2, 3, 3, 1)"),
    (lambda: avg_delta(A, X.shape, 2, stride=1), "da has shape ... expected (2, 6, 5, 3)"),
    (lambda: avg_delta(A, X.shape, 0), "window is 0; expected at least 1"),
    (lambda: avg_delta(A, X.shape, 2, padding=2), "window 0 on spatial axis 0 meets no input"),
    (lambda: avg_delta(A[:0], X.shape, 2), "the batch is empty"),
]


@pytest.mark.parametrize("call, message", WRONG, ids=[message[:40] for _, message in WRONG])
def test_wrong_deltas_are_named(call, message):
    with pytest.raises(InputError, match=grid.says(message)):
        call()


def test_largest_winner_is_allowed():
    winners = np.full(A.shape, 41)
    dx = max_pool_delta(A, winners, X.shape)
    np.testing.assert_array_equal(dx[:, 6, 5], A.sum(axis=(1, 2)))
    assert np.count_nonzero(dx) == np.count_nonzero(A.sum(axis=(1, 2)))


def test_means_in_half_precision():
    """A sum of them stopped at 2048, or at infinity; so did the count of the cells."""
    ones = np.ones((1, 300, 300, 1), np.float16)
    a = avg_pool(ones, 300)
    assert a.tolist() == [[[[1]]]] and a.dtype == np.float16
    assert avg_pool(255 * ones[:, :28, :28], 28).tolist() == [[[[255]]]]
    dx = avg_pool_delta(np.full((1, 1, 1, 1), 9000, np.float16), ones.shape, 300)
    assert dx.dtype == np.float16 and (dx == np.float16(0.1)).all()


@pytest.mark.parametrize("flip", [False, True])
def test_windows_far_larger_than_the_input(flip):
    """Cells that always lie beside it cost nothing; a window of 10**7 took minutes."""
    x = np.array([3.0, 8, 5]).reshape(1, 3, 1)
    how = {"padding": "same", "stride": 1, "flip": flip}
    for window in (10**9, 5):
        a, winners = max_pool(x, window, **how)
        assert a.ravel().tolist() == [8] * 3 and winners.ravel().tolist() == [1] * 3
        assert avg_pool(x, window, **how).ravel().tolist() == [16 / 3] * 3
        dx = avg_pool_delta(np.ones((1, 3, 1)), x.shape, window, **how)
        np.testing.assert_allclose(dx.ravel(), 1)
        whole = avg_pool(x, window, count_padding=True, **how)
        np.testing.assert_allclose(whole.ravel(), 16 / window)
    assert max_pool(x, 10**9, padding="same")[0].ravel().tolist() == [8]


def test_no_pool_keeps_memory_of_the_size_of_its_images():
    """Places of windows are kept for a training's steps, but not those of large images."""
    tracemalloc.start()
    try:
        for p in range(200, 220):
            max_pool(np.zeros((1, p, 200, 1), np.float32), 2, stride=1)
        assert tracemalloc.get_traced_memory()[0] < 2e6
    finally:
        tracemalloc.stop()
