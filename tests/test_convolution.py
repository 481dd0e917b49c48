"""The public functions on the awkward grid, against brute force, differences, PyTorch, SciPy."""

import copy
import pickle
import subprocess
import sys
from itertools import repeat

import brute
import grid
import numpy as np
import pytest
from scipy import signal

import cnnlib
from cnnlib.convolution import conv, conv_bias_gradient, conv_delta, conv_weight_gradient, lay
from cnnlib.errors import InputError
from cnnlib.geometry import Window
from cnnlib.sums import choice, fourier, gemm, loops

EVERY_CASE = pytest.mark.parametrize("case", grid.CASES, ids=lambda case: case.name)
METHODS = ["gemm", "loops", "fft"]
EVERY_METHOD = pytest.mark.parametrize("method", METHODS)
EVERY_FLOAT = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f8", "f4"])
SMALL = [case for case in grid.CASES if not case.large]


def close(found, expected, dtype=np.float64):
    """Every entry to 1e-11, or in single precision to 1e-4 of the largest.

    The loops stay within 1e-12 of brute force, and Fourier transforms within 1e-12 of the loops.
    """
    assert found.shape == expected.shape
    assert found.dtype == dtype
    atol = 1e-11 if dtype == np.float64 else 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


def numbers(array):
    """As lists; a Fourier transform may be off in the last of its fifteen digits."""
    return np.round(array, 9).tolist()


# By hand


@EVERY_METHOD
def test_image_3x3_by_hand(method):
    x = np.arange(1, 10).reshape(1, 3, 3, 1)
    w = np.array([[10, 20], [30, 40]]).reshape(1, 2, 2, 1)
    assert numbers(conv(x, w, [1000], method=method)[0, ..., 0]) == [
        [1000 + 10 * 1 + 20 * 2 + 30 * 4 + 40 * 5, 1000 + 10 * 2 + 20 * 3 + 30 * 5 + 40 * 6],
        [1000 + 10 * 4 + 20 * 5 + 30 * 7 + 40 * 8, 1000 + 10 * 5 + 20 * 6 + 30 * 8 + 40 * 9],
    ]
    assert numbers(conv(x, w, flip=True, method=method)[0, ..., 0]) == [
        [40 * 1 + 30 * 2 + 20 * 4 + 10 * 5, 40 * 2 + 30 * 3 + 20 * 5 + 10 * 6],
        [40 * 4 + 30 * 5 + 20 * 7 + 10 * 8, 40 * 5 + 30 * 6 + 20 * 8 + 10 * 9],
    ]
    assert numbers(conv(x, w, stride=2, center=(0, 0), method=method)[0, ..., 0]) == [
        [10 * 1 + 20 * 2 + 30 * 4 + 40 * 5, 10 * 3 + 30 * 6],
        [10 * 7 + 20 * 8, 10 * 9],
    ]
    assert numbers(conv(x, w, stride=2, center=(0, 0), flip=True, method=method)[0, ..., 0]) == [
        [10 * 1, 20 * 2 + 10 * 3],
        [30 * 4 + 10 * 7, 40 * 5 + 30 * 6 + 20 * 8 + 10 * 9],
    ]


@EVERY_METHOD
def test_gradients_of_stride_2_by_hand(method):
    # Four cells, weights (10, 20, 30) with the centre in the middle: outputs at 0 and 2.
    # Output 0 is 20*x0 + 30*x1, output 1 is 10*x1 + 20*x2 + 30*x3. Deltas 2 and 5.
    keywords = {"stride": 2, "padding": ((1, 0),), "method": method}
    x = np.array([1, 2, 3, 4]).reshape(1, 4, 1)
    w = np.array([10, 20, 30]).reshape(1, 3, 1)
    dz = np.array([2, 5]).reshape(1, 2, 1)
    assert numbers(conv(x, w, **keywords).ravel()) == [20 * 1 + 30 * 2, 10 * 2 + 20 * 3 + 30 * 4]
    dx = conv_delta(dz, w, x.shape, **keywords)
    assert numbers(dx.ravel()) == [20 * 2, 30 * 2 + 10 * 5, 20 * 5, 30 * 5]
    dw = conv_weight_gradient(x, dz, 3, **keywords)
    assert numbers(dw.ravel()) == [2 * 5, 1 * 2 + 3 * 5, 2 * 2 + 4 * 5]


@EVERY_METHOD
def test_flipped_gradients_by_hand(method):
    # Output i is 10*x[i+1] + 20*x[i].
    x = np.array([1, 2, 3]).reshape(1, 3, 1)
    w = np.array([10, 20]).reshape(1, 2, 1)
    dz = np.array([5, 7]).reshape(1, 2, 1)
    keywords = {"flip": True, "method": method}
    assert numbers(conv(x, w, **keywords).ravel()) == [10 * 2 + 20 * 1, 10 * 3 + 20 * 2]
    dx = conv_delta(dz, w, x.shape, **keywords)
    assert numbers(dx.ravel()) == [20 * 5, 10 * 5 + 20 * 7, 10 * 7]
    dw = conv_weight_gradient(x, dz, (2,), **keywords)
    assert numbers(dw.ravel()) == [2 * 5 + 3 * 7, 1 * 5 + 2 * 7]


@EVERY_METHOD
def test_remainder_gets_no_delta(method):
    # Windows of 2 at stride 3 over six cells: cells 2 and 5 are in none.
    dz, w = np.array([1, 2]).reshape(1, 2, 1), np.array([10, 20]).reshape(1, 2, 1)
    dx = conv_delta(dz, w, (1, 6, 1), stride=3, method=method)
    assert numbers(dx.ravel()) == [10 * 1, 20 * 1, 0, 10 * 2, 20 * 2, 0]


@EVERY_METHOD
def test_output_that_meets_nothing_is_the_bias(method):
    # Weights 3 cells apart, the second in the centre, at stride 2: output 1 meets -1 and 2 of 0..1.
    x, w = np.array([5, 6]).reshape(1, 2, 1), np.array([10, 20]).reshape(1, 2, 1)
    z = conv(x, w, [7], stride=2, dilation=3, center=1, method=method)
    assert numbers(z.ravel()) == [7 + 20 * 5, 7]


def test_bias_gradient_by_hand():
    dz = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 9]]])  # two images, two outputs, two filters
    assert conv_bias_gradient(dz).tolist() == [1 + 3 + 5 + 7, 2 + 4 + 6 + 9]


# The grid


def test_grid_is_awkward():
    cases = grid.CASES
    pads = [pad for case in cases for pad in brute.each(case.padding, 1) if isinstance(pad, tuple)]
    assert sum(case.N >= 2 for case in cases) > sum(case.N == 1 for case in cases) > 0
    assert any(case.C != case.K for case in cases)
    assert any(case.C == case.K > 1 for case in cases)
    assert {len(case.P) for case in cases} == {1, 2, 3}
    assert all(len(set(case.P)) > 1 for case in cases if len(case.P) == 2)  # H != W
    assert any(len(set(case.U)) > 1 for case in cases)
    assert any(len(set(case.U)) == 1 and case.U[0] > 1 < len(case.U) for case in cases)
    assert any(u % 2 == 0 for case in cases for u in case.U)
    assert {1, 2, 3} <= {s for case in cases for s in brute.each(case.stride, 1)}
    assert {1, 2, 3} <= {d for case in cases for d in brute.each(case.dilation, 1)}
    assert any(a != b for a, b in pads)
    assert {"valid", "same", "full", None} <= {case.padding for case in cases}
    assert {case.flip for case in cases} == {0, 1}
    meetings = [brute.met(case.axes, case.P).values() for case in cases]
    assert sum(any(not cells for cells in outputs) for outputs in meetings) >= 4
    assert sum(remainder(case) for case in cases) >= 8


def remainder(case):
    """Whether some inputs are met by no window."""
    return len({p for _, _, p in brute.rows(case.axes, case.P)}) < np.prod(case.P)


@EVERY_CASE
@EVERY_FLOAT
@EVERY_METHOD
def test_every_method_against_brute_force(case, dtype, method):
    x, w, b, dz = (array.astype(dtype) for array in case.arrays())
    z, dx, dw, db = grid.truth(case)
    keywords = {**case.geometry, "method": method}
    close(conv(x, w, b, **keywords), z, dtype)
    close(conv_delta(dz, w, x.shape, **keywords), dx, dtype)
    close(conv_weight_gradient(x, dz, case.U, **keywords), dw, dtype)
    close(conv_bias_gradient(dz), db, dtype)


def central_difference(f, x, h=0.5):
    """df/dx, entry by entry. A convolution is linear in each argument, so the step may be large."""
    df = np.zeros(x.shape)
    for at in np.ndindex(x.shape):
        here, x[at] = x[at], x[at] + h
        above, x[at] = f(), here - h
        below, x[at] = f(), here
        df[at] = (above - below) / (2 * h)
    return df


def check_gradients(case, method):
    x, w, b, dz = case.arrays()
    keywords = {**case.geometry, "method": method}

    def loss():
        return np.vdot(dz, conv(x, w, b, **keywords))

    close(conv_delta(dz, w, x.shape, **keywords), central_difference(loss, x))
    close(conv_weight_gradient(x, dz, case.U, **keywords), central_difference(loss, w))
    close(conv_bias_gradient(dz), central_difference(loss, b))


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_gradients_against_central_differences(case):
    check_gradients(case, "gemm")


@pytest.mark.parametrize("case", grid.CASES[:2], ids=lambda case: case.name)
def test_gradients_of_the_loops_against_central_differences(case):
    assert case.name.startswith(grid.SHARPEST.name)
    check_gradients(case, "loops")


# Other libraries


@EVERY_CASE
@EVERY_FLOAT
def test_against_pytorch(case, dtype, torch):
    x, w, b, dz = (array.astype(dtype) for array in case.arrays())
    n = len(case.P)

    def channels_first(array):
        return torch.tensor(np.moveaxis(array, -1, 1).copy(), requires_grad=True)

    def channels_last(tensor):
        return np.moveaxis(tensor.detach().numpy(), 1, -1)

    # Any geometry is zeros before and after each axis; PyTorch wants those of the last axis first.
    pads = [
        (-min(cells[0]), max(0, max(cells[-1]) - (P - 1)))
        for cells, P in zip(case.axes, case.P, strict=True)
    ]
    xt, wt = channels_first(x), channels_first(w)
    bt = torch.tensor(b, requires_grad=True)
    zt = getattr(torch.nn.functional, f"conv{n}d")(
        torch.nn.functional.pad(xt, [pad for pair in reversed(pads) for pad in pair]),
        wt.flip(list(range(2, n + 2))) if case.flip else wt,
        bt,
        stride=case.stride,
        dilation=case.dilation,
    )
    zt.backward(channels_first(dz))

    close(conv(x, w, b, **case.geometry), channels_last(zt), dtype)
    close(conv_delta(dz, w, x.shape, **case.geometry), channels_last(xt.grad), dtype)
    close(conv_weight_gradient(x, dz, case.U, **case.geometry), channels_last(wt.grad), dtype)
    close(conv_bias_gradient(dz), bt.grad.numpy(), dtype)


@pytest.mark.parametrize("padding", ["valid", 1, (2, 0), "same"])
def test_paddings_are_those_of_pytorch(padding, torch):
    x, w, b, _ = grid.SHARPEST.arrays()
    zt = torch.nn.functional.conv2d(
        torch.tensor(np.moveaxis(x, -1, 1)),
        torch.tensor(np.moveaxis(w, -1, 1)),
        torch.tensor(b),
        padding=padding,
    )
    close(conv(x, w, b, padding=padding), np.moveaxis(zt.numpy(), 1, -1))


def by_scipy(function, x, w, mode):
    """A convolution as sums of one-channel ones."""
    sums = [
        [sum(map(function, image, kernel, repeat(mode))) for kernel in channels(w)]
        for image in channels(x)
    ]
    return np.moveaxis(np.array(sums), 1, -1)  # (N, K, *I) to (N, *I, K)


def channels(arrays):
    """Each array as its list of channels."""
    return [np.moveaxis(array, -1, 0) for array in arrays]


SCIPY_SHAPES = pytest.mark.parametrize(
    "P, U", [((9,), (4,)), ((7, 6), (3, 2)), ((6, 8), (4, 5)), ((4, 5, 3), (2, 3, 2))], ids=str
)


def scipy_arrays(P, U):
    r = np.random.default_rng(3)
    return r.normal(size=(2, *P, 3)), r.normal(size=(2, *U, 3))


@SCIPY_SHAPES
@pytest.mark.parametrize("mode", ["full", "valid"])
def test_full_and_valid_are_those_of_scipy(P, U, mode):
    x, w = scipy_arrays(P, U)
    close(conv(x, w, padding=mode), by_scipy(signal.correlate, x, w, mode))
    close(conv(x, w, padding=mode, flip=True), by_scipy(signal.convolve, x, w, mode))


@SCIPY_SHAPES
def test_same_of_scipy_is_a_centre(P, U):
    x, w = scipy_arrays(P, U)
    z = by_scipy(signal.correlate, x, w, "same")
    close(conv(x, w, center=tuple(u // 2 for u in U)), z)
    z = by_scipy(signal.convolve, x, w, "same")
    close(conv(x, w, center=tuple((u - 1) // 2 for u in U), flip=True), z)


# What goes in stays as it is, and what comes out belongs to the caller


def results(x, w, b, dz, case, method):
    """All that the public functions return for these arrays."""
    keywords = {**case.geometry, "method": method}
    return {
        "z": conv(x, w, b, **keywords),
        "dx": conv_delta(dz, w, case.x_shape, **keywords),
        "dw": conv_weight_gradient(x, dz, case.U, **keywords),
        "db": conv_bias_gradient(dz),
    }


SOME = pytest.mark.parametrize(
    "case",
    [
        grid.SHARPEST,
        grid.Case("1x1", 2, (3, 4), 2, 2, (1, 1)),  # nothing to sum up but channels
        grid.Case("flip", 3, (5, 6), 2, 3, (2, 3), (1, 2), center=(1, 0), flip=True),
        grid.Case("bands", 32, (6, 7), 2, 3, (3, 2), padding=1),
    ],
    ids=lambda case: case.name,
)


@SOME
@EVERY_METHOD
def test_inputs_stay_and_results_are_new(case, method):
    given = dict(zip(("x", "w", "b", "dz"), case.arrays(), strict=True))
    before = {name: array.copy() for name, array in given.items()}
    found = results(*given.values(), case, method)
    for name, array in given.items():
        np.testing.assert_array_equal(array, before[name])
    arrays = list((given | found).items())
    for name, array in found.items():
        assert array.flags.writeable, name
        for other, another in arrays:
            assert name == other or not np.shares_memory(array, another), (name, other)


@SOME
@EVERY_METHOD
def test_memory_layout_of_the_inputs_does_not_matter(case, method):
    x, w, b, dz = case.arrays()
    expected = results(x, w, b, dz, case, method)
    variants = zip(
        grid.layouts(x).items(), grid.layouts(w).items(), grid.layouts(dz).items(), strict=True
    )
    for (name, x), (_, w), (_, dz) in variants:
        b = np.repeat(b, 2)[::2]
        for result, array in results(x, w, b, dz, case, method).items():
            np.testing.assert_allclose(
                array, expected[result], atol=1e-12, err_msg=f"{name}, {result}"
            )


@SOME
@EVERY_METHOD
def test_repeated_calls_agree_bit_by_bit(case, method):
    arrays = case.arrays()
    first, second = (results(*arrays, case, method) for _ in range(2))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


@SOME
@EVERY_METHOD
def test_result_of_one_layer_goes_into_the_next(case, method):
    x, w, b, dz = case.arrays()
    z = conv(x, w, b, **case.geometry, method=method)
    again = {"padding": 1, "method": method}
    r = np.random.default_rng(5)
    v = r.normal(size=(2, *(3,) * len(case.P), case.K))
    close(conv(z, v, **again), conv(z.copy(), v, **again))
    dy = conv(z, v, **again)
    dz = conv_delta(dy, v, z.shape, **again)
    dx = conv_delta(dz, w, x.shape, **case.geometry, method=method)
    close(dx, conv_delta(dz.copy(), w, x.shape, **case.geometry, method=method))


@EVERY_METHOD
@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8, np.bool_])
def test_integers_are_computed_in_float64(method, dtype):
    case = grid.SHARPEST
    arrays = [(np.abs(array) > 0.5).astype(dtype) for array in case.arrays()]
    if dtype != np.bool_:
        arrays = [100 * array for array in arrays]  # sums beyond what a byte holds
    expected = results(*(array.astype(float) for array in arrays), case, method)
    for name, array in results(*arrays, case, method).items():
        close(array, expected[name])


def test_lists_are_arrays():
    assert conv([[[1], [2]]], [[[3], [4]]], [5]).tolist() == [[[5 + 3 * 1 + 4 * 2]]]


@EVERY_METHOD
def test_half_precision_stays_and_mixed_types_take_the_widest(method):
    case = grid.SHARPEST
    expected = grid.truth(case)
    half = [array.astype(np.float16) for array in case.arrays()]
    for array, exact in zip(results(*half, case, method).values(), expected, strict=True):
        assert array.dtype == np.float16
        np.testing.assert_allclose(array, exact, atol=0.02 * np.abs(exact).max())
    x, w, _, dz = case.arrays()
    keywords = {**case.geometry, "method": method}
    for one, other in [("f4", "f8"), ("f8", "f4"), ("f4", "i8")]:
        assert conv(x.astype(one), w.astype(other), **keywords).dtype == np.float64
        dw = conv_weight_gradient(x.astype(one), dz.astype(other), case.U, **keywords)
        assert dw.dtype == np.float64


@SOME
def test_nan_stays_visible_exactly_where_it_went(case):
    x, w, b, dz = case.arrays()
    x[1, *(p // 2 for p in case.P), 0] = np.nan
    in_z = np.isnan(brute.conv(x, w, b, case.axes))
    in_dw = np.isnan(brute.conv_weight_gradient(x, dz, case.U, case.axes))
    bad = dz.copy()
    bad[1, *(i // 2 for i in dz.shape[1:-1]), 1] = np.nan
    in_dx = np.isnan(brute.conv_delta(bad, w, case.P, case.axes))
    assert all(0 < seen.sum() < seen.size for seen in (in_z, in_dx))
    assert in_dw.any()
    for method in ("gemm", "loops"):  # of 'fft' see test_fourier
        keywords = {**case.geometry, "method": method}
        np.testing.assert_array_equal(np.isnan(conv(x, w, b, **keywords)), in_z)
        np.testing.assert_array_equal(np.isnan(conv(x, 0 * w, b, **keywords)), in_z)
        dw = conv_weight_gradient(x, dz, case.U, **keywords)
        np.testing.assert_array_equal(np.isnan(dw), in_dw)
        dx = conv_delta(bad, w, case.x_shape, **keywords)
        np.testing.assert_array_equal(np.isnan(dx), in_dx)
    assert np.isnan(conv_bias_gradient(bad)).tolist() == [k == 1 for k in range(case.K)]


def test_auto_is_the_default_and_one_of_the_others():
    case = grid.SHARPEST
    x, w, b, dz = case.arrays()
    expected = results(x, w, b, dz, case, "gemm")
    for name, array in results(x, w, b, dz, case, "auto").items():
        np.testing.assert_array_equal(array, expected[name])
    default = conv(x, w, b, **case.geometry), conv_delta(dz, w, x.shape, **case.geometry)
    np.testing.assert_array_equal(default[0], expected["z"])
    np.testing.assert_array_equal(default[1], expected["dx"])
    dw = conv_weight_gradient(x, dz, case.U, **case.geometry)
    np.testing.assert_array_equal(dw, expected["dw"])


ENGINES = {"loops": loops, "gemm": gemm, "fft": fourier}


@EVERY_METHOD
def test_each_method_runs_its_own_code(monkeypatch, method):
    def refuse(*arguments):
        raise AssertionError(f"{method} called another method")

    for name in ("conv", "conv_delta", "conv_weight_gradient"):
        for other in ENGINES.keys() - {method}:
            monkeypatch.setattr(ENGINES[other], name, refuse)
    results(*grid.SHARPEST.arrays(), grid.SHARPEST, method)


# The choice of 'auto'

LARGE = grid.Case("large kernel", 8, (40, 50), 2, 3, (13, 12), padding=((6, 5), (0, 3)))


def test_auto_runs_what_it_chose():
    assert choice.faster(LARGE.x_shape, LARGE.K, Window(LARGE.U, **LARGE.geometry)) == "fft"
    arrays = LARGE.arrays()
    expected = results(*arrays, LARGE, "fft")
    for name, array in results(*arrays, LARGE, "auto").items():
        np.testing.assert_array_equal(array, expected[name])


def test_auto_sums_integers_exactly():
    x, w, b, dz = (np.round(9 * array).astype(int) for array in LARGE.arrays())
    exact = results(x, w, b, dz, LARGE, "loops")
    for name, array in results(x, w, b, dz, LARGE, "auto").items():
        np.testing.assert_array_equal(array, exact[name])
    rounded = results(x, w, b, dz, LARGE, "fft")
    assert any((rounded[name] != exact[name]).any() for name in exact)  # it is worth a rule


def test_scipy_is_loaded_by_the_first_transform_only():
    code = """
import sys
import numpy as np
import cnnlib
x, w = np.ones((1, 9, 9, 1)), np.ones((1, 2, 2, 1))
cnnlib.conv(x, w)
assert "scipy" not in sys.modules
cnnlib.conv(x, w, method="fft")
assert "scipy.fft" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_window_laid_on_images_is_a_value_with_three_sums():
    case = grid.SHARPEST
    x, w, b, dz = case.arrays()
    laid = lay(Window(case.U, **case.geometry), x.shape, w.shape, "gemm")
    again = lay(Window(case.U, **case.geometry), x.shape, w.shape, "gemm")
    assert laid == again and hash(laid) == hash(again) and laid is not again
    assert laid != lay(laid.window, x.shape, w.shape, "loops")
    assert laid.output_shape == dz.shape
    found = {
        "z": laid.conv(x, w, b),
        "dx": laid.conv_delta(dz, w),
        "dw": laid.conv_weight_gradient(x, dz),
    }
    expected = results(x, w, b, dz, case, "gemm")
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])


@EVERY_METHOD
def test_a_laid_window_can_be_copied_and_pickled(method):
    """So can a network that has gone forwards: its layers keep such a window."""
    laid = lay(Window(2), (1, 9, 1), (1, 2, 1), method)
    for one in (laid, laid.sharing()):
        for again in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
            assert again.window == laid.window
            assert again.conv(np.ones((1, 9, 1)), np.ones((1, 2, 1))).shape == (1, 8, 1)
    assert pickle.loads(pickle.dumps(laid)) == laid


def test_public_names_are_these_functions():
    assert cnnlib.conv is conv
    assert cnnlib.conv_delta is conv_delta
    assert cnnlib.conv_weight_gradient is conv_weight_gradient
    assert cnnlib.conv_bias_gradient is conv_bias_gradient


# Errors


def images(*shape):
    return np.ones(shape)


X = images(2, 7, 6, 1)
W = images(4, 3, 3, 1)  # four filters over one channel
B = images(4)
DZ = images(2, 5, 4, 4)

# Short names, so that a call and what it says share a line
dx, dw, db = conv_delta, conv_weight_gradient, conv_bias_gradient

WRONG = [
    (
        lambda: conv(images(2, 7, 6, 3), W),
        "x has 3 channels (shape (2, 7, 6, 3)) but w was made for 1",
    ),
    (lambda: conv(images(28, 28), W), "x has shape (28, 28); expected 4 axes"),
    (lambda: conv(images(2, 28, 28), W), "x has shape (2, 28, 28); expected 4 axes"),
    (lambda: conv(images(0, 7, 6, 1), W), "x has shape (0, 7, 6, 1): the batch is empty"),
    (lambda: conv(images(2, 7, 0, 1), W), "x has shape (2, 7, 0, 1); every axis"),
    (lambda: conv(X, images(3, 3)), "w has shape (3, 3); expected (K, *U, C)"),
    (lambda: conv(X, images(0, 3, 3, 1)), "w has shape (0, 3, 3, 1)"),
    (lambda: conv(X, W, images(3)), "b has shape (3,); expected (4,)"),
    (lambda: conv(X, W, 1.0), "b has shape (); expected (4,)"),
    (lambda: conv(X, W, images(4, 1)), "b has shape (4, 1); expected (4,)"),
    (lambda: conv(images(2, 2, 6, 1), W), "kernel spans 3 cells on spatial axis 0"),
    (lambda: conv(X, W, stride=0), "stride is 0; expected at least 1"),
    (lambda: conv(X, W, stride="2"), "stride is '2'; expected an intege"),
    (lambda: conv(X, W, padding=1, center=1), "padding is 1 and center is"),
    (lambda: conv(X, W, center=3), "center is ...outside the kernel"),
    (lambda: conv(images(2, 7, 1), images(4, 3, 1), padding=(1, 2)), "write ((1, 2),)"),
    (lambda: conv(X, W, method="fast"), "method is 'fast'; expected 'auto', 'gemm'"),
    (lambda: conv(X, W, method=["gemm"]), "method is ['gemm']; expected 'auto', 'gemm'"),
    (lambda: conv(None, W), "x is None; expected real numbers"),
    (lambda: conv(X, W, method=None), "method is None; expected 'auto', 'gemm'"),
    (lambda: conv(1j * X, W), "x has dtype complex128; expected real numbers"),
    (lambda: conv(X, W.astype(object)), "w has dtype object; expected real"),
    (lambda: conv(X, W, ["1"] * 4), "b has dtype <U1; expected real numbers"),
    (lambda: conv(np.ma.array(X), W), "x is a masked array; ...x.filled(0)"),
    (lambda: conv(X, np.ma.array(W)), "w is a masked array"),
    # The backward passes
    (
        lambda: dx(images(2, 5, 5, 4), W, (2, 7, 6, 1)),
        "dz has shape (2, 5, 5, 4); expected (2, 5, 4, 4)",
    ),
    (lambda: dx(images(2, 5, 4, 3), W, (2, 7, 6, 1)), "expected (2, 5, 4, 4)"),
    (lambda: dx(images(1, 5, 4, 4), W, (2, 7, 6, 1)), "expected (2, 5, 4, 4)"),
    (lambda: dx(images(5, 4, 4), W, (2, 7, 6, 1)), "expected (2, 5, 4, 4)"),
    (lambda: dx(DZ, W, (7, 6, 1)), "input_shape is (7, 6, 1); expected all 4"),
    (lambda: dx(DZ, W, (7, 6)), "input_shape is (7, 6); expected all 4"),
    (
        lambda: dx(DZ, W, (2, 7, 6, 3)),
        "input_shape has 3 channels (shape (2, 7, 6, 3)) but w was made for 1",
    ),
    (lambda: dx(DZ, W, (0, 7, 6, 1)), "input_shape ...at least 1"),
    (lambda: dx(DZ, images(3, 3), (2, 7, 6, 1)), "w has shape (3, 3)"),
    (lambda: dx(1j * DZ, W, (2, 7, 6, 1)), "dz has dtype complex128"),
    (lambda: dx(DZ, W, (2, 7, 6, 1), method=""), "method is ''"),
    (lambda: dw(X, images(2, 5, 5, 4), 3), "dz has shape (2, 5, 5, 4); expected (2, 5, 4, 4)"),
    (lambda: dw(X, images(3, 5, 4, 4), 3), "expected (2, 5, 4, 4)"),
    (lambda: dw(X, images(5, 4, 4), 3), "dz has shape (5, 4, 4)"),
    (lambda: dw(X, images(2, 5, 4, 0), 3), "dz has shape ...at least one"),
    (lambda: dw(images(7, 6), DZ, 3), "x has shape (7, 6)"),
    (lambda: dw(X, DZ, (3,)), "kernel is (3,), with 1 entries"),
    (lambda: dw(X, DZ, 0), "kernel is 0; expected at least 1"),
    (lambda: dw(X, DZ, 3, method=0), "method is 0"),
    (lambda: db(images(5, 4)), "dz has shape (5, 4); expected at least 3 axes"),
    (lambda: db(images(0, 5, 4)), "the batch is empty"),
    (lambda: db(images(2, 5, 4).astype(str)), "dz has dtype"),
]


@pytest.mark.parametrize("call, message", WRONG, ids=[message[:50] for _, message in WRONG])
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(InputError, match=grid.says(message)):
        call()


def test_channels_first_is_guessed():
    with pytest.raises(InputError, match="did you pass channels first"):
        conv(images(2, 1, 7, 3), images(4, 3, 3, 1))
    with pytest.raises(InputError) as caught:
        conv(images(2, 5, 7, 3), W)
    assert "channels first" not in str(caught.value)


def test_bias_gradients_of_many_numbers():
    """float32 counts to 16,777,216, float16 to 2048."""
    many = 2**24 + 64
    one = np.ones(1, np.float32)
    for shape in [(1, many, 1), (many, 1, 1)]:
        assert conv_bias_gradient(np.broadcast_to(one, shape)).tolist() == [many]
    half = conv_bias_gradient(np.ones((100, 100, 2), np.float16))
    assert half.tolist() == [10000, 10000] and half.dtype == np.float16


@pytest.mark.parametrize("method", ["loops", "gemm", "fft", "auto"])
def test_products_too_small_for_their_type_are_zeros_whatever_numpy_is_told(method):
    tiny = [np.full(shape, 1e-30, np.float32) for shape in ((1, 5, 5, 1), (1, 3, 3, 1))]
    with np.errstate(all="raise"):
        z = cnnlib.conv(*tiny, method=method)
        dx = cnnlib.conv_delta(tiny[0][:, :3, :3], tiny[1], (1, 5, 5, 1), method=method)
        dw = cnnlib.conv_weight_gradient(tiny[0], tiny[0][:, :3, :3], (3, 3), method=method)
    for a in (z, dx, dw):
        assert not a.any()
