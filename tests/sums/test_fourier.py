"""Fourier transforms: equal to the loops, on the smallest circles, in blocks, kept in layers."""

import gc
import tracemalloc
from collections import Counter

import brute
import grid
import numpy as np
import pytest
from hypothesis import given

from cnnlib.convolution import Laid, lay
from cnnlib.geometry import Window
from cnnlib.learning.layers import Conv
from cnnlib.sums import fourier, gemm, loops
from cnnlib.sums.guarded import Guarded

EVERY_CASE = pytest.mark.parametrize("case", grid.CASES, ids=lambda case: case.name)


@pytest.fixture
def tight(monkeypatch):
    """Circles of as many cells as they need, not of the next number that is fast."""
    monkeypatch.setattr("scipy.fft.next_fast_len", lambda target, real: target)


@pytest.fixture
def small_blocks(monkeypatch):
    """One image and one filter at a time."""
    monkeypatch.setattr(fourier, "ROOM", 1)
    blocks = fourier.Circles.blocks

    def single(circles, count, others, room, dtype):
        return blocks(circles, count, others, 1, dtype)

    monkeypatch.setattr(fourier.Circles, "blocks", single)


def close(found, expected, dtype=np.float64):
    """Every entry, in float64 to 1e-10, in float32 to 1e-4 of the largest."""
    assert found.shape == expected.shape
    assert found.dtype == dtype
    atol = 1e-10 if dtype == np.float64 else 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


def sums(case, dtype=np.float64, kept=None):
    """The three results by Fourier transforms."""
    x, w, b, dz = (array.astype(dtype) for array in case.arrays())
    window = Window(case.U, **case.geometry)
    return (
        fourier.conv(x, w, b, window, kept),
        fourier.conv_delta(dz, w, x.shape, window, kept),
        fourier.conv_weight_gradient(x, dz, window, kept),
    )


def check(case, dtype=np.float64, kept=None):
    for found, expected in zip(sums(case, dtype, kept), grid.truth(case)[:3], strict=True):
        close(found, expected, dtype)


# The grid


@EVERY_CASE
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f8", "f4"])
def test_every_case_against_brute_force_on_tight_circles(tight, case, dtype):
    check(case, dtype)


@EVERY_CASE
def test_every_case_in_blocks(tight, small_blocks, case):
    check(case)


@EVERY_CASE
def test_every_case_with_kept_transforms(tight, case):
    check(case, kept=fourier.Transforms())


@grid.examples(120)
@given(grid.drawn())
def test_any_geometry_against_loops(case):
    x, w, b, dz = case.arrays()
    window = Window(case.U, **case.geometry)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("scipy.fft.next_fast_len", lambda target, real: target)
        z, dx, dw = sums(case)
    close(z, loops.conv(x, w, b, window))
    close(dx, loops.conv_delta(dz, w, x.shape, window))
    close(dw, loops.conv_weight_gradient(x, dz, window))


# The circles


def test_cells_by_hand():
    # Output i meets inputs 2*i - 3, 2*i - 1, 2*i + 1: the first of three weights, 2 apart, with 3
    # cells of padding before. 5 cells and 3 more for those that come back: 8.
    circles = fourier.Circles(Window(3, stride=2, dilation=2, padding=((3, 0),)), (5,))
    assert circles.lengths == (8,)
    a = np.arange(8)
    assert a[circles.cells["x"]].tolist() == [0, 1, 2, 3, 4]
    assert a[circles.cells["z"]].tolist() == [0, 2]
    assert a[circles.cells["w"]].tolist() == [8 - 3, 8 - 1, 1]
    flipped = fourier.Circles(Window(3, 2, 2, ((3, 0),), flip=True), (5,))
    assert a[flipped.cells["w"]].tolist() == [1, 8 - 1, 8 - 3]


def test_a_centre_lies_on_cell_0():
    for u0 in range(4):
        cells = fourier.Circles(Window(4, center=u0), (9,)).cells["w"][0]
        assert cells[u0] == 0


@pytest.mark.parametrize(
    "window, P, L",
    [
        (Window(31), 256, 256),  # what comes back falls on outputs that nobody reads
        (Window(31, padding=15), 256, 256 + 15),
        (Window(31, padding="full"), 256, 256 + 30),
        (Window(4, padding=((1, 2),)), 10, 10 + 2),  # one stretch of zeros serves both ends
        (Window(7, center=3), 2, 7),  # no two weights on one cell
        (Window(2, padding=((4, 3),)), 3, 9),  # no two outputs on one cell
        (Window(2, stride=2, padding=((4, 3),)), 3, 9),
    ],
)
def test_a_circle_has_no_more_cells_than_it_needs(window, P, L):
    assert fourier.least(window.axes((P,))) == [L]


@pytest.mark.parametrize(
    "name", ["1-D, one pair, stride 3", "'full'", "other corner centre", "3-D, 'full'"]
)
def test_a_smaller_circle_goes_wrong(monkeypatch, tight, name):
    """Else the tests on tight circles would not see a circle that is too small."""
    case = next(case for case in grid.CASES if case.name == name)
    least = fourier.least
    monkeypatch.setattr(fourier, "least", lambda rule: [L - 1 for L in least(rule)])
    with pytest.raises((AssertionError, ValueError)):
        check(case)


def test_transforms_go_there_and_back():
    r = np.random.default_rng(0)
    circles = fourier.Circles(Window((3, 2), (1, 2), center=(0, 1)), (6, 7))
    shapes = {"x": (6, 7, 2, 4), "z": (6, 4, 3, 4), "w": (3, 2, 3, 2)}
    for name, shape in shapes.items():
        a = r.normal(size=shape)
        transform = circles.transform(name, a)
        assert transform.shape[-2:] == shape[-2:]  # a matrix for each frequency
        np.testing.assert_allclose(circles.back(name, transform), a, atol=1e-14)


# What a layer keeps


def counted(monkeypatch):
    """Counts of transforms by name, from now on."""
    count = Counter()
    transform = fourier.Circles.transform

    def counting(circles, name, a):
        count[name] += 1
        return transform(circles, name, a)

    monkeypatch.setattr(fourier.Circles, "transform", counting)
    return count


def layer_and_arrays(method):
    r = np.random.default_rng(1)
    layer = Conv(3, (3, 2), stride=(2, 1), padding=1, method=method)
    out = layer.build((9, 8, 2), r, np.float64)
    return layer, r.normal(size=(4, 9, 8, 2)), r.normal(size=(4, *out))


def test_a_layer_transforms_inputs_and_deltas_once(monkeypatch):
    layer, x, dz = layer_and_arrays("fft")
    count = counted(monkeypatch)
    layer.forward(x)
    assert count == {"x": 1, "w": 1}
    layer.backward(dz)
    assert count == {"x": 1, "z": 1, "w": 2}
    layer.forward(x)  # the weights may have moved: the next step begins anew
    layer.backward(dz)
    assert count == {"x": 2, "z": 2, "w": 4}


def test_functions_keep_nothing(monkeypatch):
    count = counted(monkeypatch)
    sums(grid.SHARPEST)
    assert count == {"x": 2, "z": 2, "w": 2}


@pytest.mark.parametrize("batch", [4, 2], ids=["same batch", "another size"])
def test_a_layer_by_fft_is_the_layer_by_gemm_step_by_step(batch):
    ours, x, dz = layer_and_arrays("fft")
    other, *_ = layer_and_arrays("gemm")
    for step in range(3):
        x, dz = (step + 1) * x[:batch], dz[:batch] - step
        close(ours.forward(x), other.forward(x))
        close(ours.backward(dz), other.backward(dz))
        for name in ("w", "b"):
            close(ours.grads[name], other.grads[name])
            ours.params[name] -= 0.1 * ours.grads[name]
            other.params[name] -= 0.1 * other.grads[name]


def test_kept_transforms_are_used_for_the_same_array_and_rule_only():
    case = grid.SHARPEST
    x, w, b, dz = case.arrays()
    window, other = Window(case.U, **case.geometry), Window(case.U, 2, padding=((2, 2), (3, 1)))
    kept = fourier.Transforms()
    close(kept.conv(x, w, b, window), grid.truth(case)[0])
    close(kept.conv(-x, w, None, window), -loops.conv(x, w, None, window))
    close(kept.conv(x, w, b, other), loops.conv(x, w, b, other))
    close(kept.conv_weight_gradient(x, dz, window), grid.truth(case)[2])
    close(kept.conv_weight_gradient(x, 2 * dz, window), 2 * grid.truth(case)[2])
    close(kept.conv_delta(dz, w, x.shape, window), grid.truth(case)[1])


def test_a_layer_lets_go_of_the_last_pass():
    layer, x, dz = layer_and_arrays("fft")
    layer.forward(x)
    layer.backward(dz)
    first = layer.sums.engine
    layer.forward(x)
    assert layer.sums.engine is not first
    keepers = Conv | Laid | dict
    assert [thing for thing in gc.get_referrers(first) if isinstance(thing, keepers)] == []


def test_transforms_are_shared_only_by_fft():
    large, small = ((16, 64, 64, 8), (8, 9, 9, 8)), ((16, 64, 64, 8), (8, 2, 2, 8))
    for shapes, method, keeps in [
        (large, "auto", True),
        (small, "fft", True),
        (small, "auto", False),
        (large, "gemm", False),
    ]:
        laid = lay(Window(shapes[1][1:-1]), *shapes, method)
        engine = laid.sharing().engine
        engine = engine.kept if isinstance(engine, Guarded) else engine
        assert isinstance(engine, fourier.Transforms) is keeps
        assert laid.sharing() == laid or keeps


# Rounding, types, NaN


def errors(module, P, dtype):
    """Largest errors of the three sums over P cells, in spacings of the largest entry."""
    r = np.random.default_rng(0)
    window = Window(P // 4)
    x, w = r.normal(size=(1, P, 1)), r.normal(size=(1, P // 4, 1))
    dz = r.normal(size=(1, P - P // 4 + 1, 1))

    def three(module, *arrays):
        x, w, dz = arrays
        yield module.conv(x, w, None, window)
        yield module.conv_delta(dz, w, x.shape, window)
        yield module.conv_weight_gradient(x, dz, window)

    found = three(module, *(a.astype(dtype) for a in (x, w, dz)))
    for ours, exact in zip(found, three(fourier, x, w, dz), strict=True):
        yield np.abs(ours - exact).max() / np.abs(exact).max() / np.finfo(dtype).eps


def test_rounding_errors_hardly_grow():
    for P in (1 << 5, 1 << 8, 1 << 12, 1 << 17):
        assert max(errors(fourier, P, np.float32)) < 5
    small, large = (max(errors(gemm, P, np.float32)) for P in (1 << 5, 1 << 17))
    assert large > 6 > 6 * small  # the direct sums do grow


def test_half_precision_stays():
    for found, expected in zip(
        sums(grid.SHARPEST, np.float16), grid.truth(grid.SHARPEST)[:3], strict=True
    ):
        assert found.dtype == np.float16
        np.testing.assert_allclose(found, expected, atol=0.01 * np.abs(expected).max())


def test_a_nan_spoils_its_image_and_no_other():
    case = grid.SHARPEST
    x, w, b, dz = case.arrays()
    window = Window(case.U, **case.geometry)
    x[1, 3, 2, 0] = dz[1, 1, 1, 1] = np.nan
    assert np.isnan(fourier.conv(x, w, b, window)).any(axis=(1, 2, 3)).tolist() == [False, True]
    dx = fourier.conv_delta(dz, w, x.shape, window)
    assert np.isnan(dx).any(axis=(1, 2, 3)).tolist() == [False, True]
    x, _, _, dz = case.arrays()
    x[1, 3, 2, 0] = np.nan
    broken = np.isnan(brute.conv_weight_gradient(x, dz, case.U, case.axes))
    assert np.isnan(fourier.conv_weight_gradient(x, dz, window))[broken].all()


# Memory

BIG = {
    "large kernel": grid.Case("", 32, (64, 64), 8, 8, (9, 9), padding=4),
    "'full' and as large as the image": grid.Case(
        "", 256, (28, 28), 1, 8, (27, 27), padding="full"
    ),
    "many filters": grid.Case("", 16, (16, 16), 128, 128, (5, 5), padding=2),
    "3-D, small outputs": grid.Case(
        "", 64, (16, 16, 16), 4, 8, (15, 15, 15), stride=4, padding="full"
    ),
    "3-D, twice the cells": grid.Case("", 16, (16, 16, 16), 4, 8, (15, 15, 15), padding="full"),
}


@pytest.mark.parametrize("case", BIG.values(), ids=BIG)
def test_memory_stays_within_a_few_times_input_and_output(case):
    import scipy.fft  # noqa: F401  # the first transform would load it, and that counts

    r = np.random.default_rng(0)
    window = Window(case.U, **case.geometry)
    x = r.normal(size=case.x_shape).astype("f4")
    w = r.normal(size=(case.K, *case.U, case.C)).astype("f4")
    dz = r.normal(size=(case.N, *window.output_shape(case.P), case.K)).astype("f4")
    total = x.nbytes + w.nbytes + dz.nbytes
    assert total > 4e6
    for run in [
        lambda: fourier.conv(x, w, None, window),
        lambda: fourier.conv_delta(dz, w, x.shape, window),
        lambda: fourier.conv_weight_gradient(x, dz, window),
    ]:
        tracemalloc.start()
        run()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 4 * total, peak / total


def test_blocks_by_hand():
    circles = fourier.Circles(Window(1), (4,))  # 4 cells of 8 bytes
    eight = np.dtype("f8")
    assert list(circles.blocks(5, 3, 2 * 4 * 3 * 8, eight)) == [
        slice(0, 2),
        slice(2, 4),
        slice(4, 5),
    ]
    assert list(circles.blocks(5, 3, 1, eight)) == [slice(n, n + 1) for n in range(5)]
    assert list(circles.blocks(5, 3, 1 << 20, eight)) == [slice(0, 5)]
