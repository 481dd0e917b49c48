"""Minimal filtering only where the numbers allow it; the other tiles are mended exactly."""

import copy
import pickle
from dataclasses import replace
from itertools import product

import grid
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_guarded import INTO, KINDS

from cnnlib.convolution import lay
from cnnlib.geometry import Window
from cnnlib.sums import careful, choice, loops, mended, winograd
from cnnlib.sums.mended import Mended

CASE = grid.Case("", 4, (24, 22), 48, 40, (3, 3), padding=((1, 1), (0, 1)))
WINDOW = Window(CASE.U, **CASE.geometry)
NAMES = ("z", "dx")
EVERY_SUM = pytest.mark.parametrize("name", NAMES)
ENGINES = {"mended": Mended(), "winograd": winograd, "careful": careful, "loops": loops}


def arrays(case=CASE, dtype=np.float32, seed=0):
    """x, w and dz, of normal numbers."""
    r = np.random.default_rng(seed)
    I = Window(case.U, **case.geometry).output_shape(case.P)
    shapes = {"x": case.x_shape, "w": (case.K, *case.U, case.C), "dz": (case.N, *I, case.K)}
    return {name: r.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def run(name, a, engine="mended", case=CASE):
    """One of the two sums, by its name."""
    window = Window(case.U, **case.geometry)
    if name == "z":
        return ENGINES[engine].conv(a["x"], a["w"], None, window)
    return ENGINES[engine].conv_delta(a["dz"], a["w"], a["x"].shape, window)


def lost(name, a, engine="mended", case=CASE):
    """Of each result its error, and its own sum of |w||x|; both in float64."""
    wide = {key: array.astype(np.float64) for key, array in a.items()}
    sizes = {key: np.abs(array) for key, array in wide.items()}
    found = run(name, a, engine, case) - run(name, wide, "careful", case)
    return np.abs(found), run(name, sizes, "careful", case)


def doubtful(name, a, case=CASE):
    """Which tiles are mended; None if all results are those of `careful`."""
    axes = Window(case.U, **case.geometry).axes(case.P)
    if name == "z":
        return mended.doubts(a["x"], a["w"], axes)
    return mended.doubts(a["dz"], a["w"].swapaxes(0, -1), winograd.transposed(axes))


@EVERY_SUM
def test_ordinary_numbers_are_filtered(name):
    """Normal, of any size, and with zeros for all that are negative."""
    for size in (1e-12, 1, 1e12):
        a = {key: np.float32(size) * array for key, array in arrays().items()}
        assert doubtful(name, a).mean() < 0.1  # these are corners, partly beside the image
        same = run(name, a) == run(name, a, "winograd")
        assert same.mean() > 0.9
    wide = replace(CASE, C=96, K=96, padding=1)
    a = {key: np.maximum(0, one) if key != "w" else one for key, one in arrays(wide).items()}
    assert doubtful(name, a, wide).mean() < 0.15
    assert (lost(name, a, case=wide)[0] > 0).any()


@EVERY_SUM
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_reaches_exactly_whom_it_meets(name, which, bad):
    a = arrays()
    a[INTO[name][which]][1, 1, 2, 1] = bad
    with np.errstate(invalid="ignore"):  # infinity less infinity
        expected = ~np.isfinite(run(name, a, "loops"))
        assert 0 < expected.sum() < expected.size
        np.testing.assert_array_equal(~np.isfinite(run(name, a)), expected)
        assert (~np.isfinite(run(name, a, "winograd"))).sum() > expected.sum()  # it is worth a rule


@EVERY_SUM
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("loud", [1e4, 1e8, 1e30])
def test_a_loud_number_is_not_heard_where_it_is_not(name, which, loud):
    a = arrays()
    a[INTO[name][which]][1, 2, 1, 1] = loud
    error, own = lost(name, a)
    assert (error <= 1e-5 * own).all()
    with np.errstate(all="ignore"):
        error, own = lost(name, a, "winograd")
    assert not (error <= 1e-5 * own).all()


def test_only_the_tile_of_a_loud_number_is_mended():
    a = arrays()
    a["x"][1, 6, 9, 3] = 1e5
    tiles = doubtful("z", a)
    # Tile m of a column reads the inputs 4m-1 to 4m+4, tile n of a line those from 4n to 4n+5.
    assert np.argwhere(tiles).tolist() == [[1, 1, 1], [1, 1, 2]]
    z, plain = run("z", a), run("z", a, "winograd")
    spoilt = np.s_[1, 4:8, 4:12]
    np.testing.assert_allclose(z[spoilt], run("z", a, "careful")[spoilt], rtol=1e-5, atol=1e-3)
    z[spoilt] = plain[spoilt] = 0
    np.testing.assert_array_equal(z, plain)


@EVERY_SUM
def test_the_dark_stays_dark(name):
    """Outputs that meet zeros alone are 0, next to tiles that are filtered."""
    a = arrays()
    a[INTO[name][0]][:, :6] = 0
    tiles = doubtful(name, a)
    assert 0 < tiles.mean() < mended.MOST
    own = lost(name, a)[1]
    assert (own == 0).any()
    assert (run(name, a)[own == 0] == 0).all()
    assert (run(name, a, "winograd")[own == 0] != 0).any()


@EVERY_SUM
def test_where_most_tiles_are_doubtful_all_results_are_those_of_gemm(name):
    for few in (0.02, 0.1):
        a = arrays()
        key = INTO[name][0]
        a[key] = np.where(np.random.default_rng(1).random(a[key].shape) < few, a[key], 0)
        assert doubtful(name, a) is None
        np.testing.assert_array_equal(run(name, a), run(name, a, "careful"))


@EVERY_SUM
@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_types_are_those_of_gemm(name, dtype):
    a = arrays(dtype=dtype)
    np.testing.assert_array_equal(run(name, a), run(name, a, "careful"))


def test_the_weight_gradient_is_that_of_gemm():
    x, _, dz = arrays().values()
    found, expected = (e.conv_weight_gradient(x, dz, WINDOW) for e in (Mended(), careful))
    np.testing.assert_array_equal(found, expected)


def spiky(w):
    w[3] = 0
    w[3, 1, 1, 5] = 1


def rows_of_zeros(w):
    w[:, ::2] = 0


def all_channels_alike(w):
    w[...] = w[..., :1]


def all_positive(w):
    w[...] = np.random.default_rng(1).random(w.shape)


def alike_but_for_the_sign(w):
    w[...] = 1.3 * np.sign(w)


def too_small(w):
    w *= np.float32(1e-30)


@pytest.mark.parametrize(
    "spoil",
    [spiky, rows_of_zeros, all_channels_alike, all_positive, alike_but_for_the_sign, too_small],
)
def test_filters_that_say_nothing_of_their_sums(spoil):
    a = arrays()
    spoil(a["w"])
    assert doubtful("z", a) is None


def test_a_filter_of_zeros_does_no_harm():
    a = arrays()
    a["w"][2] = 0
    assert not doubtful("z", a).any()
    assert (run("z", a)[..., 2] == 0).all()
    a["w"][...] = 0
    assert not doubtful("z", a).any()


def test_products_that_overflow_where_the_sum_does_not():
    a = arrays()
    a["x"] *= np.float32(3e17)
    a["w"] *= np.float32(1e17)
    z = run("z", a)
    assert np.isfinite(z).all()
    np.testing.assert_array_equal(z, run("z", a, "careful"))


def test_numbers_too_small_for_their_squares():
    a = arrays()
    a["x"] *= np.float32(1e-25)
    assert doubtful("z", a) is None


def test_the_bias_and_the_edges_of_what_is_mended():
    a = arrays()
    a["x"][:, -3, -2] = 1e6  # in tiles that go beyond the last output
    b = np.arange(CASE.K, dtype=np.float32)
    assert doubtful("z", a)[:, -1, -1].all()
    z = Mended().conv(a["x"], a["w"], b, WINDOW)
    np.testing.assert_allclose(z, run("z", a) + b, rtol=1e-5, atol=1e-4)


def test_flipped_tiles_are_mended_flipped():
    case = replace(CASE, flip=True, padding=None, center=(0, 2))
    for name in NAMES:
        a = arrays(case)
        a[INTO[name][0]][:, 6, 7] = 1e6
        assert doubtful(name, a, case).any()
        error, own = lost(name, a, case=case)
        assert (error <= 1e-5 * own).all()


# The bound

OTHERS = {
    "dark corner": lambda r, shape: r.normal(size=shape) * (np.indices(shape)[1] > shape[1] // 2),
    "dead channels": lambda r, shape: (
        np.maximum(0, r.normal(size=shape)) * (r.random(shape[-1]) < 0.5)
    ),
    "channels alike": lambda r, shape: np.repeat(r.normal(size=(*shape[:-1], 1)), shape[-1], -1),
    "signs": lambda r, shape: np.sign(r.normal(size=shape)),
    "about 1": lambda r, shape: 1 + 0.2 * r.normal(size=shape),
}


@st.composite
def drawn(draw):
    """A case for tiles, of many channels, and numbers of any kind."""
    n, kinds = draw(st.integers(1, 2)), KINDS | OTHERS
    P = tuple(draw(st.integers(3, 14)) for _ in range(n))
    how = draw(st.sampled_from([{"padding": 1}, {"padding": "full"}, {"center": 2}, {}]))
    C, K = draw(st.sampled_from([8, 32, 64])), draw(st.sampled_from([3, 16]))
    case = grid.Case("", 2, P, C, K, (3,) * n, flip=draw(st.booleans()), **how)
    r = np.random.default_rng(draw(st.integers(0, 2**32)))
    shapes = {key: array.shape for key, array in arrays(case).items()}
    return case, {
        key: kinds[draw(st.sampled_from(sorted(kinds)))](r, shape).astype(np.float32)
        for key, shape in shapes.items()
    }


@grid.examples(150)
@given(drawn())
def test_whatever_the_numbers_no_result_loses_more_than_it_may(drawn):
    case, a = drawn
    for name in NAMES:
        with np.errstate(all="ignore"):
            error, own = lost(name, a, case=case)
        assert (error <= 1e-5 * own).all()


def test_inputs_that_are_zeros_where_weights_are_not():
    """What `auto` does not promise: in each tile one window meets only the smallest weights."""
    r, case = np.random.default_rng(0), grid.Case("", 1, (26, 26), 64, 16, (3, 3))
    a = arrays(case)
    small = r.random(a["w"].shape) < 0.2
    a["w"] = (np.where(small, 1e-4, 1) * np.sign(a["w"])).astype(np.float32)
    x = 0.2 * np.sign(a["x"])
    for i, j in product(range(3, 24, 4), range(0, 24, 4)):
        x[0, i : i + 3, j : j + 3] = np.where(small[0], np.sign(x[0, i : i + 3, j : j + 3]), 0)
    a["x"] = x.astype(np.float32)
    assert not doubtful("z", a, case).any()
    error, own = lost("z", a, case=case)
    assert (error > 1e-4 * own)[0, 3::4, ::4, 0].any()
    sizes = np.broadcast_to(np.abs(a["w"]).mean(axis=(1, 2, 3), keepdims=True), a["w"].shape)
    mixed = run("z", {"x": np.abs(a["x"]), "w": sizes}, "careful", case)
    assert (error <= 1e-5 * mixed).all()


# Who takes it


def test_auto_looks_at_the_numbers_first():
    many, few = ((16, 28, 28, 128), (128, 3, 3, 128)), ((64, 28, 28, 8), (16, 3, 3, 8))
    window = Window((3, 3), padding=1)
    assert choice.faster(many[0], many[1][0], window) == "winograd"
    assert lay(window, *many, "auto").engine == Mended()
    assert lay(window, *few, "auto").engine is careful
    assert lay(window, *few, "winograd").engine is winograd


def test_what_is_laid_is_a_value():
    laid = lay(Window((3, 3), padding=1), (16, 28, 28, 128), (128, 3, 3, 128), "auto")
    for other in (copy.deepcopy(laid), pickle.loads(pickle.dumps(laid)), laid.sharing()):
        assert other == laid


def test_a_loud_channel_of_a_filter_rounds_more():
    w, axes = arrays()["w"], WINDOW.axes(CASE.P)
    loud = w.copy()
    loud[..., 7] *= 10
    # Its mean square is 100, that of the filter (47 + 100) / 48; both were nearly 1.
    found = mended.weigh(loud, axes).factor / mended.weigh(w, axes).factor
    unequal = [
        np.square(a).mean(axis=(1, 2)).max(axis=1) / np.square(a).mean(axis=(1, 2, 3))
        for a in (loud, w)
    ]
    assert found == pytest.approx(np.sqrt(unequal[0].max() / unequal[1].max()), rel=1e-4)
    assert found > 3


def test_tiles_are_mended_in_their_own_image():
    """Images are framed some at a time: here eight, then four."""
    many = replace(CASE, N=12)
    a = arrays(many)
    a["x"][10, 6, 9, 3] = 1e6
    assert np.unique(np.argwhere(doubtful("z", a, many))[:, 0]).tolist() == [10]
    error, own = lost("z", a, case=many)
    assert (error <= 1e-5 * own).all()
