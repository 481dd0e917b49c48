"""Minimal filtering: its matrices, the awkward grid, slabs, types, memory, what it refuses."""

import tracemalloc
from dataclasses import replace

import grid
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnnlib
from cnnlib.errors import InputError
from cnnlib.geometry import Window
from cnnlib.learning.layers import Conv
from cnnlib.sums import gemm, loops, winograd

CASES = grid.both_flips(
    [
        grid.Case("a remainder", 2, (7, 6), 3, 3, (3, 3), padding=1),
        grid.Case("whole tiles", 2, (8, 4), 2, 5, (3, 3), padding=1),
        grid.Case("'valid'", 3, (6, 9), 3, 2, (3, 3)),
        grid.Case("pairs", 2, (5, 7), 2, 2, (3, 3), padding=((2, 0), (1, 3))),
        grid.Case("more padding than weights", 2, (3, 4), 2, 3, (3, 3), padding=((4, 5), (0, 6))),
        grid.Case("'full'", 2, (4, 6), 3, 2, (3, 3), padding="full"),
        grid.Case("corner centre", 2, (6, 5), 3, 3, (3, 3), center=(0, 2)),
        grid.Case("kernel larger than the image", 2, (1, 2), 3, 4, (3, 3), center=(1, 0)),
        grid.Case("a single output", 2, (3, 3), 2, 3, (3, 3)),
        grid.Case("across lines", 2, (6, 5), 2, 3, (3, 1), padding=(1, 0)),
        grid.Case("along lines", 2, (5, 11), 3, 3, (1, 3), padding=((0, 2), (2, 0))),
        grid.Case("1-D", 3, (9,), 2, 3, (3,), padding=((1, 2),)),
        grid.Case("1-D, centre", 2, (14,), 3, 3, (3,), center=2),
        grid.Case("3-D, two axes", 2, (5, 3, 6), 2, 3, (3, 1, 3), padding=(1, 0, 2)),
        grid.Case("3-D, one axis", 2, (2, 9, 2), 3, 2, (1, 3, 1), padding="same"),
        grid.Case("many images", 300, (5, 6), 2, 3, (3, 3), padding=((1, 1), (0, 1))),
    ]
)
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def close(found, expected, dtype=np.float64):
    """Every entry, in float64 to 1e-12 of the largest, in float32 to 1e-5 of it."""
    assert found.shape == expected.shape
    assert found.dtype == dtype
    share = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(found, expected, rtol=0, atol=share * np.abs(expected).max())


def sums(case, arrays):
    """`z` and `dx` of the engine, and the public function's `dw`."""
    x, w, b, dz = arrays
    window = Window(case.U, **case.geometry)
    return (
        winograd.conv(x, w, b, window),
        winograd.conv_delta(dz, w, x.shape, window),
        winograd.conv_weight_gradient(x, dz, window),
    )


@pytest.fixture
def small_slabs(monkeypatch):
    """One tile at a time."""
    monkeypatch.setattr(winograd, "LEAST", 1)
    monkeypatch.setattr(winograd, "SLAB", 1)


# The matrices


def test_two_outputs_of_three_weights_by_hand():
    """Points 0, 1, -1 and infinity; four products in place of six."""
    A, G, B = winograd.minimal(2, 3, (0, 1, -1))
    assert A.tolist() == [[1, 1, 1, 0], [0, 1, -1, 1]]
    assert G.tolist() == [[-1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]]
    assert B.tolist() == [[-1, 0, 1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]]
    d, g = [1, 2, 0, 3], [2, 1, 3]
    V, U = B @ d, G @ g
    assert V.tolist() == [-1 + 0, 2 + 0, -2 + 0, -2 + 3]
    assert U.tolist() == [-2, (2 + 1 + 3) / 2, (2 - 1 + 3) / 2, 3]
    assert (A @ (V * U)).tolist() == [2 + 6 - 4, 6 + 4 + 3] == [1 * 2 + 2 * 1, 2 * 2 + 3 * 3]


@pytest.mark.parametrize("outputs, weights", [(1, 1), (1, 3), (2, 3), (3, 2), (4, 3), (2, 4)])
def test_as_many_products_as_inputs_make_all_outputs(outputs, weights):
    A, G, B = winograd.minimal(outputs, weights)
    t = outputs + weights - 1
    assert (A.shape, G.shape, B.shape) == ((outputs, t), (t, weights), (t, t))
    r = np.random.default_rng(outputs)
    d, g = r.normal(size=t), r.normal(size=weights)
    np.testing.assert_allclose(A @ ((B @ d) * (G @ g)), np.correlate(d, g), atol=1e-13)


def test_an_axis_of_one_weight_is_left_alone():
    A, G, B = winograd.matrices(Window((1, 3)).axes((5, 9)), np.dtype("f8"))
    assert (A.shape, G.shape, B.shape) == ((4, 6), (6, 3), (6, 6))


def test_the_points_are_where_rounding_is_least():
    """As many roundings as a result gathers, beside the points that are mostly printed."""

    def gathered(points):
        A, G, B = winograd.minimal(4, 3, points)
        return (A**2 @ ((B**2).sum(axis=1) * (G**2).sum(axis=1))).max()

    assert 4 * gathered(winograd.POINTS) < gathered((0, 1, -1, 2, -2))


# The grid


@EVERY_CASE
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f8", "f4"])
def test_every_case_against_brute_force(case, dtype):
    arrays = [array.astype(dtype) for array in case.arrays()]
    for found, expected in zip(sums(case, arrays), grid.truth(case)[:3], strict=True):
        close(found, expected, dtype)


@EVERY_CASE
def test_every_case_tile_by_tile(small_slabs, case):
    if not case.large:
        for found, expected in zip(sums(case, case.arrays()), grid.truth(case)[:3], strict=True):
            close(found, expected)


@EVERY_CASE
def test_every_case_by_the_public_functions(case):
    x, w, b, dz = case.arrays()
    how = {**case.geometry, "method": "winograd"}
    close(cnnlib.conv(x, w, b, **how), grid.truth(case)[0])
    close(cnnlib.conv_delta(dz, w, x.shape, **how), grid.truth(case)[1])
    close(cnnlib.conv_weight_gradient(x, dz, case.U, **how), grid.truth(case)[2])


@st.composite
def drawn(draw):
    """A case with any geometry that fits."""
    case, n = draw(grid.drawn()), draw(st.integers(1, 3))
    U = draw(st.permutations([3, draw(st.sampled_from([1, 3])), 1]).filter(lambda u: 3 in u[:n]))
    P = tuple(draw(st.integers(1, 11 if n < 3 else 6)) for _ in range(n))
    pads = tuple((draw(st.integers(2, 5)), draw(st.integers(0, 4))) for _ in range(n))
    how = draw(st.sampled_from([{"padding": pads}, {"padding": "full"}, {"padding": "same"}, {}]))
    center = None if how else tuple(draw(st.integers(0, u - 1)) for u in U[:n])
    how = {"padding": None, "center": center} | how
    return replace(case, P=P, U=tuple(U[:n]), stride=1, dilation=1, **how)


@grid.examples(60)
@given(drawn())
def test_any_geometry_against_loops(case):
    x, w, b, dz = case.arrays()
    window = Window(case.U, **case.geometry)
    z, dx, dw = sums(case, (x, w, b, dz))
    close(z, loops.conv(x, w, b, window))
    close(dx, loops.conv_delta(dz, w, x.shape, window))
    close(dw, loops.conv_weight_gradient(x, dz, window))


def test_however_arrays_lie_in_memory():
    case = CASES[0]
    x, w, b, dz = case.arrays()
    window = Window(case.U, **case.geometry)
    expected = sums(case, (x, w, b, dz))
    for name in grid.layouts(x):
        found = sums(
            case, (grid.layouts(x)[name], grid.layouts(w)[name], b, grid.layouts(dz)[name])
        )
        for one, right in zip(found, expected, strict=True):
            close(one, right)
            assert one.flags.c_contiguous
    assert not np.shares_memory(winograd.conv(x, w, b, window), winograd.conv(x, w, b, window))


def test_threads_share_the_images():
    case = grid.Case("", 5, (7, 9), 3, 4, (3, 3), padding=1)
    expected = sums(case, case.arrays())
    with cnnlib.threads(2):
        for found, right in zip(sums(case, case.arrays()), expected, strict=True):
            close(found, right)


# Rounding


def errors(dtype, points=winograd.POINTS):
    """Largest errors of `z` and `dx` of random numbers, of the largest result."""
    case = grid.Case("", 2, (18, 15), 64, 40, (3, 3), padding=1)
    x, w, b, dz = case.arrays()
    window = Window(case.U, **case.geometry)
    exact = gemm.conv(x, w, b, window), gemm.conv_delta(dz, w, x.shape, window)
    winograd.matrices.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd.minimal, "__defaults__", (points,))
        found = sums(case, [a.astype(dtype) for a in (x, w, b, dz)])[:2]
    winograd.matrices.cache_clear()
    return [np.abs(a - e).max() / np.abs(e).max() for a, e in zip(found, exact, strict=True)]


def test_errors_are_as_large_as_the_docstring_says():
    assert max(errors(np.float64)) < 1e-13
    ours, printed = errors(np.float32), errors(np.float32, (0, 1, -1, 2, -2))
    assert 2e-7 < max(ours) < 5e-6
    assert min(printed) > 2 * max(ours)


def test_half_precision_adds_up_in_float32():
    case = grid.Case("", 2, (6, 5), 40, 3, (3, 3), padding=1)
    arrays = [a.astype(np.float16) for a in case.arrays()]
    wide = sums(case, [a.astype(np.float64) for a in arrays])
    for found, expected in zip(sums(case, arrays), wide, strict=True):
        assert found.dtype == np.float16
        np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_what_is_not_finite_stays_within_its_tile():
    case = grid.Case("", 2, (12, 12), 2, 3, (3, 3), padding=1)
    x, w, b, _ = case.arrays()
    x[1, 5, 5] = np.nan
    with np.errstate(invalid="ignore"):
        seen = np.isnan(winograd.conv(x, w, b, Window((3, 3), padding=1))).all(axis=-1)
    expected = np.zeros((2, 12, 12), bool)
    expected[1, 4:8, 4:8] = True  # its windows are outputs 4 to 6: all of them lie in one tile
    np.testing.assert_array_equal(seen, expected)


# What it is for


@pytest.mark.parametrize(
    "kernel, how",
    [
        ((5, 5), {}),
        ((2, 3), {}),
        ((1, 1), {}),
        ((3, 3), {"stride": 2}),
        ((3, 3), {"dilation": (1, 2)}),
        ((3, 3, 3), {"padding": 1}),
    ],
)
def test_other_windows_are_refused_with_the_cure(kernel, how):
    shape = (2, *(9 for _ in kernel), 2)
    x, w = np.ones(shape), np.ones((3, *kernel, 2))
    what = grid.says("method 'winograd' is for stride 1, ...; not for Window(...method='auto'")
    with pytest.raises(InputError, match=what):
        cnnlib.conv(x, w, method="winograd", **how)
    with pytest.raises(InputError, match=what):
        Conv(3, kernel, method="winograd", **how).build(shape[1:], np.random.default_rng(0), float)


def test_a_layer_is_that_of_gemm_step_by_step():
    def layer(method):
        made = Conv(3, 3, padding=1, method=method)
        made.build((7, 6, 2), np.random.default_rng(1), np.float64)
        return made

    ours, other, r = layer("winograd"), layer("gemm"), np.random.default_rng(2)
    x = r.normal(size=(4, 7, 6, 2))
    for _ in range(3):
        z = ours.forward(x)
        close(z, other.forward(x))
        close(ours.backward(np.sin(z)), other.backward(np.sin(z)))
        for name in ("w", "b"):
            close(ours.grads[name], other.grads[name])
            ours.params[name] -= 0.1 * ours.grads[name]
            other.params[name] -= 0.1 * other.grads[name]


BIG = {
    "large images": grid.Case("", 2, (256, 256), 16, 16, (3, 3), padding=1),
    "many channels": grid.Case("", 16, (28, 28), 128, 128, (3, 3), padding=1),
    "long lines": grid.Case("", 4, (50_000,), 16, 16, (3,), padding=1),
}


@pytest.mark.parametrize("case", BIG.values(), ids=BIG)
def test_memory_stays_within_a_few_times_input_and_output(case):
    r, window = np.random.default_rng(0), Window(case.U, **case.geometry)
    x = r.normal(size=case.x_shape).astype("f4")
    w = r.normal(size=(case.K, *case.U, case.C)).astype("f4")
    dz = r.normal(size=(case.N, *window.output_shape(case.P), case.K)).astype("f4")
    assert (total := x.nbytes + w.nbytes + dz.nbytes) > 4e6
    for run in (
        lambda: winograd.conv(x, w, None, window),
        lambda: winograd.conv_delta(dz, w, x.shape, window),
    ):
        tracemalloc.start()
        run()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 3 * total, peak / total
