"""Transforms only where the numbers allow it: what is loud or not finite stays where it belongs."""

from functools import reduce

import grid
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import cnnlib
from cnnlib.convolution import lay
from cnnlib.geometry import Window
from cnnlib.sums import careful, choice, fourier, guarded
from cnnlib.sums.guarded import Guarded

CASE = grid.Case("", 4, (24, 22), 3, 2, (9, 8), padding=((4, 3), (0, 3)))
NAMES = ("z", "dx", "dw")
EVERY_SUM = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def large(monkeypatch):
    """'auto' takes transforms, if the numbers allow it, for small arrays as well."""
    monkeypatch.setattr(choice, "faster", lambda *_: "fft")


def arrays(case=CASE, dtype=np.float32, seed=0):
    """x, w and dz, of normal numbers."""
    r = np.random.default_rng(seed)
    w_shape, I = (case.K, *case.U, case.C), Window(case.U, **case.geometry).output_shape(case.P)
    shapes = {"x": case.x_shape, "w": w_shape, "dz": (case.N, *I, case.K)}
    return {name: r.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


def run(name, a, case=CASE, method="auto"):
    """One of the three sums, by its name."""
    x, w, dz, keywords = a["x"], a["w"], a["dz"], {**case.geometry, "method": method}
    if name == "z":
        return cnnlib.conv(x, w, **keywords)
    if name == "dx":
        return cnnlib.conv_delta(dz, w, x.shape, **keywords)
    return cnnlib.conv_weight_gradient(x, dz, case.U, **keywords)


def own(name, a, case=CASE):
    """Each result's own sum of |w||x|, and of how many terms it is one."""
    wide = {key: np.abs(array.astype(np.float64)) for key, array in a.items()}
    ones = {key: np.ones_like(array) for key, array in wide.items()}
    return run(name, wide, case, "gemm"), run(name, ones, case, "gemm")


def error(name, a, case=CASE, method="auto"):
    """Of each result, in float32."""
    wide = {key: array.astype(np.float64) for key, array in a.items()}
    return np.abs(run(name, a, case, method) - run(name, wide, case, "gemm"))


@pytest.fixture
def taken(monkeypatch):
    """Which engine computed, in order."""
    found = []
    for engine in (careful, fourier):
        for name in ("conv", "conv_delta", "conv_weight_gradient"):
            true = getattr(engine, name)

            def noting(*arguments, engine=engine, true=true):
                found.append(engine.__name__.split(".")[-1])
                return true(*arguments)

            monkeypatch.setattr(engine, name, noting)
    return found


# What goes into each sum: first the array that the window lies on, then what it is multiplied by.
INTO = {"z": ("x", "w"), "dx": ("dz", "w"), "dw": ("x", "dz")}


@EVERY_SUM
def test_ordinary_numbers_are_transformed(name, taken):
    """Normal and positive; of any size."""
    r = np.random.default_rng(1)
    for dtype in (np.float32, np.float64):
        for size in (1e-12, 1, 1e12):
            a = {key: size * array for key, array in arrays(dtype=dtype).items()}
            run(name, a)
            run(name, {key: np.abs(array) for key, array in a.items()})
            run(name, {**a, "w": size * r.random(a["w"].shape).astype(dtype)})
    assert set(taken) == {"fourier"} and len(taken) == 18


@EVERY_SUM
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_reaches_exactly_whom_it_meets(name, which, bad):
    a = arrays()
    array = a[INTO[name][which]]
    array[1, 7, 5, 1] = bad
    with np.errstate(invalid="ignore"):  # infinity less infinity
        found = ~np.isfinite(run(name, a))
        expected = ~np.isfinite(run(name, a, method="loops"))
    assert 0 < expected.sum() < found.size or name == "dw"
    np.testing.assert_array_equal(found, expected)
    with np.errstate(invalid="ignore"):  # asked for, it spreads as it always did
        assert (~np.isfinite(run(name, a, method="fft"))).sum() > expected.sum() or name == "dw"


@EVERY_SUM
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("loud", [1e6, 1e30])
def test_a_loud_number_is_not_heard_where_it_is_not(name, which, loud):
    """Behind transforms a pixel of a million left errors of 0.1 in outputs that never met it."""
    a = arrays()
    a[INTO[name][which]][1, 7, 5, 1] = loud
    sums, _ = own(name, a)
    assert (error(name, a) <= 1e-5 * sums).all()
    assert (error(name, a, method="fft") > 1e-5 * sums).any()  # it is worth a rule


def test_what_else_is_not_transformed(taken):
    x, w, dz = arrays().values()
    dark = x.copy()
    dark[2, :12, :12] = 0  # windows in there see nothing at all
    spiky = np.zeros_like(w)
    spiky[0, 3, 3] = 1
    few = np.where(np.random.default_rng(0).random(x.shape) < 0.01, x, 0)
    tiny = np.full_like(x, 1e-30)  # its squares are 0
    for images, kernel in [(dark, w), (x, spiky), (few, w), (tiny, w), (1e-30 * x, w)]:
        run("z", {"x": images, "w": kernel, "dz": dz})
    assert taken == ["careful"] * 5


def signal(filters, outputs=4000, seed=0):
    """Many terms, of which no sum is small by chance."""
    case = grid.Case("", 1, (filters + outputs - 1,), 1, 1, (filters,))
    return case, {name: np.sign(a) for name, a in arrays(case, seed=seed).items()}


def test_a_quiet_half_is_not_transformed_beside_a_loud_one(taken):
    case, a = signal(4001)
    run("z", a, case)
    a["x"][:, 4000:] *= 0.05
    run("z", a, case)
    assert taken == ["fourier", "careful"]


def test_a_loud_delta_in_a_line_that_is_looked_at(taken):
    """It must not count for all the lines that are not."""
    case, a = signal(9)
    run("dw", a, case)
    a["dz"][0, 0] = 1e6
    run("dw", a, case)
    assert taken == ["fourier", "careful"]


def test_what_is_zero_as_a_whole_does_no_harm(taken):
    a = arrays()
    some = {"x": a["x"].copy(), "w": a["w"].copy(), "dz": a["dz"].copy()}
    some["x"][2] = some["dz"][0] = 0  # an image, another one's deltas
    run("dx", some)
    some["w"][1] = 0  # a filter
    run("z", some)
    for name in NAMES:
        run(name, {**a, "x": 0 * a["x"], "dz": 0 * a["dz"]})
    assert set(taken) == {"fourier"}


COMBS = [
    grid.Case("dilation", 1, (4096,), 2, 2, (401,), dilation=2),
    grid.Case("stride", 1, (4096,), 2, 2, (401,), stride=2),
    grid.Case("stride and dilation", 1, (4096,), 2, 2, (401,), stride=2, dilation=4),
    grid.Case("rows of zeros", 1, (64, 64), 2, 2, (25, 25)),
]


@EVERY_SUM
@pytest.mark.parametrize("case", COMBS, ids=lambda case: case.name)
@pytest.mark.parametrize("loud", [1e2, 1e5, 1e9])
def test_windows_that_meet_every_second_cell_do_not_hear_the_others(name, case, loud):
    """A window of ones came out as 0: the cells between its own were loud."""
    a = arrays(case)
    a["x"][:, ::2] *= loud
    a["dz"][:, ::2] *= loud
    if case.name == "rows of zeros":
        a["w"][:, ::2] = 0
    sums, _ = own(name, a, case)
    assert (error(name, a, case) <= 1e-5 * sums).all()
    wide = {key: array.astype(np.float64) for key, array in a.items()}
    twice = np.abs(run(name, wide, case) - run(name, wide, case, "gemm"))
    assert (twice <= 2e-14 * sums).all()


@pytest.mark.parametrize("zeros", ["rows", "columns", "a half", "at random"])
def test_kernels_and_images_far_from_mixed_are_not_transformed(zeros, taken):
    """Which inputs meet the other weights, nobody knows without the sum itself."""
    a = arrays()
    for key in ("x", "w"):
        far = np.zeros(a[key].shape, bool)
        places = {"rows": np.s_[:, 1::2], "columns": np.s_[:, :, ::2], "a half": np.s_[:, 4:]}
        far[places.get(zeros, ...)] = True
        if zeros == "at random":
            far = np.random.default_rng(0).random(far.shape) < 0.6
        run("z", {**a, key: np.where(far, 0, a[key])})
    assert taken == ["careful"] * 2


def test_transforms_that_overflow_where_the_sum_does_not(taken):
    a = arrays()
    z = run("z", {**a, "x": a["x"] * np.float32(3e18), "w": a["w"] * np.float32(1e17)})
    assert np.isfinite(z).all() and taken == ["careful"]


@pytest.mark.parametrize(("U", "dilation"), [(1, 1), (30, 2)])
def test_inputs_that_no_weight_reaches_between_the_strides(U, dilation, taken):
    """Every second input owes nothing: 0, and no rounding of a transform."""
    case = grid.Case("", 1, (80,), 1, 1, (U,), stride=2, dilation=dilation)
    a = arrays(case)
    dx = Guarded().conv_delta(a["dz"], a["w"], a["x"].shape, Window(U, 2, dilation))
    assert taken == ["careful"] and (dx[:, 1::2] == 0).all()


# The bound

KINDS = {
    "normal": lambda r, shape: r.normal(size=shape),
    "positive": lambda r, shape: r.random(shape),
    "constant": lambda r, shape: np.full(shape, 1.1),
    "a wave": lambda r, shape: (-1.3) ** (np.indices(shape).sum(axis=0) % 2),
    "smooth": lambda r, shape: 1 + np.cumsum(r.random(shape), axis=1),
    "half zeros": lambda r, shape: np.maximum(0, r.normal(size=shape)),
    "few": lambda r, shape: r.normal(size=shape) * (r.random(shape) < 0.15),
    "heavy tails": lambda r, shape: r.standard_t(2, size=shape),
    "channels of any size": lambda r, shape: (
        r.normal(size=shape) * 10 ** r.uniform(-2, 2, shape[-1])
    ),
    "one loud": lambda r, shape: _with_one(r, shape),
    "every second line": lambda r, shape: _comb(r, shape),
}


def _with_one(r, shape):
    a = r.normal(size=shape)
    a.flat[r.integers(a.size)] = 10 ** r.uniform(0, 8)
    return a


def _comb(r, shape):
    """Every second cell or third one is loud along an axis, from some cell on."""
    a, axis = r.normal(size=shape), r.integers(1, len(shape) - 1) if len(shape) > 3 else 1
    step = r.integers(2, 4)
    part = slice(r.integers(step), None if r.integers(2) else r.integers(1, shape[axis] + 1), step)
    a[(slice(None),) * axis + (part,)] *= 10 ** r.uniform(-9, 9)
    return a


@st.composite
def cases(draw):
    n = draw(st.integers(1, 3))
    P = draw(st.tuples(*[st.integers(*{1: (50, 900), 2: (12, 60), 3: (7, 14)}[n])] * n))
    U = tuple(draw(st.integers(2, max(2, p // 2))) for p in P)
    steps = st.sampled_from([1, 1, 1, 2, 3])
    dilation = tuple(draw(steps) if p // u > 3 else 1 for p, u in zip(P, U, strict=True))
    geometry = {"stride": draw(steps), "dilation": dilation, "flip": draw(st.booleans())}
    if draw(st.booleans()):
        geometry["center"] = tuple(draw(st.integers(0, u - 1)) for u in U)
    else:
        geometry["padding"] = draw(st.sampled_from(["valid", "same"]))
    N, C, K = (draw(st.integers(1, 3)) for _ in range(3))
    return grid.Case("drawn", N, P, C, K, U, **geometry)


def drawn(case, kinds, seed):
    """x, w and dz of these kinds, in float32."""
    r, shapes = np.random.default_rng(seed), {k: a.shape for k, a in arrays(case).items()}
    return {
        k: KINDS[kind](r, shapes[k]).astype("f4") for k, kind in zip(shapes, kinds, strict=True)
    }


def guarded_by(case):
    """For each sum, what `harmless` is asked about it."""
    axes = Window(case.U, **case.geometry).axes(case.P)
    return {
        "z": lambda a: (a["x"], a["w"], guarded.forwards(axes), 0),
        "dx": lambda a: (a["dz"], a["w"].swapaxes(0, -1), guarded.backwards(axes), 0),
        "dw": lambda a: (a["x"], a["dz"], guarded.weights(axes), -1),
    }


def whole(name, case):
    """Which results have all their terms: of no axis one lies beside the image, (1, *cells, 1)."""
    marks = []
    for cells, p, axis in zip(
        case.axes, case.P, Window(case.U, **case.geometry).axes(case.P), strict=True
    ):
        met = np.array(cells)  # [i, u]
        if name == "dx":  # through weight u an input went to one output, if that is one
            i, between = np.divmod(np.arange(p)[:, None] - met[0], axis.stride)
            marks.append(((between > 0) | (i >= 0) & (i < len(met))).all(axis=1))
        else:
            marks.append(((met >= 0) & (met < p)).all(axis=1 if name == "z" else 0))
    return reduce(np.multiply.outer, marks)[None, ..., None]


def least_whole(name, case, sums):
    """For each image and filter (or channel) the least sum of a whole window; if none is, inf."""
    return np.where(whole(name, case), sums, np.inf).min(
        axis=tuple(range(1, sums.ndim - 1)), keepdims=True
    )


# Once judged by the number of their terms alone: a window half beside the image along one axis may
# have as many as a whole one, whose remainder has fewer weights along another.
BESIDE = grid.Case("", 1, (8, 9, 8), 1, 1, (4, 2, 3), stride=2, padding="valid")
# A weight meets the inputs 0, 2 and 4: more than a second of five.
ODD = grid.Case("", 1, (5,), 1, 1, (1,), stride=2)


def test_whole_windows_by_hand():
    """Inputs of three weights at stride 2: the even ones want two outputs, the odd ones one."""
    case = grid.Case("", 1, (7,), 1, 1, (3,), stride=2)
    assert whole("dx", case).ravel().tolist() == [False, True, True, True, True, True, False]
    assert whole("z", case).all() and whole("dw", case).all()
    full = grid.Case("", 1, (4,), 1, 1, (3,), padding="full")
    assert whole("z", full).ravel().tolist() == [False, False, True, True, False, False]
    assert whole("dx", full).all()
    assert whole("dw", full).sum() == 0
    along_one = whole("dx", BESIDE)[0, ..., 0]
    assert along_one.shape == (8, 9, 8) and not along_one[0].any() and along_one[2, 0, 2]


@grid.examples(150)
@given(cases(), st.tuples(*[st.sampled_from(list(KINDS))] * 3), st.integers(0, 1 << 30))
def test_what_is_transformed_is_exact_enough(case, kinds, seed):
    """Whatever the numbers and the geometry: below 1e-5 of the least sum of a whole window."""
    a, asked = drawn(case, kinds, seed), guarded_by(case)
    for name in NAMES:
        if guarded.harmless(*asked[name](a)):
            sums, _ = own(name, a, case)
            assert (error(name, a, case, "fft") <= 1e-5 * least_whole(name, case, sums)).all(), name


def least_bound(one, other, plan, kept):
    """What the rule says that the sums of whole windows are, at least."""
    loud = guarded.heard(one, kept)[1]
    mean, missing = guarded.cut_weights(other, plan, kept)
    met, _ = guarded.cut_images(one, guarded.HEIGHT * loud, plan, kept)
    return guarded.HEIGHT**2 * (met - missing) * mean.min() * loud.min()


@grid.examples(150)
@given(cases(), st.tuples(*[st.sampled_from(list(KINDS))] * 3), st.integers(0, 1 << 30))
@example(BESIDE, ("normal", "constant", "normal"), 1)
def test_no_sum_of_a_whole_window_is_below_its_bound(case, kinds, seed):
    """This half of the rule is no estimate: it holds for any numbers."""
    a, plans = drawn(case, kinds, seed), guarded_by(case)
    for name in NAMES:
        one, other, plan, kept = plans[name](a)
        if all(len(guarded.heard(array, kept)[1]) == array.shape[kept] for array in (one, other)):
            sums, _ = own(name, a, case)
            least = least_bound(one, other, plan, kept)
            assert (least_whole(name, case, sums) >= least * (1 - 1e-4)).all(), name


def test_a_corner_has_the_error_of_all_and_a_small_sum(taken):
    """What `auto` does not promise: a `dx` that must be 0 at a corner is a rounding."""
    case = grid.Case("", 1, (48, 48), 2, 2, (15, 15))
    a = arrays(case)
    a["dz"][:, 0, 0] = 0
    lost, (sums, _) = error("dx", a, case), own("dx", a, case)
    assert taken[0] == "fourier" and (sums[:, 0, 0] == 0).all() and (lost[:, 0, 0] > 0).any()
    assert (lost <= 1e-5 * least_whole("dx", case, sums)).all()


def test_what_is_dark_at_the_edge_alone_is_not_transformed(taken):
    """Whole windows see more than that."""
    case, a = signal(401)
    run("dx", a, case)
    a["dz"][:, :200] *= 0.01
    run("dx", a, case)
    assert taken == ["fourier", "careful"]


def test_a_weight_that_meets_more_inputs_than_others():
    """Of the inputs 0, 1, 0.5, 1, 0 it meets three, of the sum 0.5; half as much again was said."""
    a = {"x": np.array([0, 1, 0.5, 1, 0]).reshape(1, 5, 1)}
    a |= {"w": np.ones((1, 1, 1)), "dz": np.ones((1, 3, 1))}
    assert own("dw", a, ODD)[0].item() == 0.5
    assert 0 < least_bound(*guarded_by(ODD)["dw"](a)) <= 0.5


def test_cut_sums_by_hand():
    x = np.arange(1.0, 13).reshape(1, 12, 1)  # 5 of them, two blocks of 2: 1 2 3 4 is the least
    (axis,) = Window(5).axes((12,))
    plan = guarded.forwards((axis,))
    assert plan.rows == (guarded.Row(1, 5, 5, 2, 2),)
    height = np.array([3.0])
    assert guarded.cut_images(-x, height, plan, 0) == ((1 + 2 + 3 + 3) / 3, 1)
    # Of 11 cells the last block is cut off: no window is there, so what it lacks is loud.
    assert guarded.cut_images(-x[:, 10::-1], height, plan, 0) == ((3 + 2 + 1 + 3) / 3, 1)
    # A dilation of 2: the odd cells or the even ones; a loud 1 among them does not matter.
    plan = guarded.forwards(Window(3, dilation=2).axes((12,)))
    assert plan.rows == (guarded.Row(2, 3, 3, 1, 3),)
    assert guarded.cut_images(np.where(x % 2, x, 0.5), height, plan, 0) == (3 * 0.5 / 3, 1)
    # Windows that may lie beside: of all halves, a block of 2, the quietest has 1 and 2.
    plan = guarded.forwards(Window(5, padding="full").axes((12,)))
    assert guarded.cut_images(x, height, plan, 0) == ((1 + 2 + 3 + 3) / 3, (1 + 2) / 3 / 2)
    plan = guarded.weights(Window(2, stride=3).axes((12,)))
    assert (plan.rows[0].step, plan.rows[0].taps) == (3, 4)
    # Two weights a remainder at stride 2: means of 4 and 1, cut at 3 and 3/4.
    w = np.array([[8.0, 0, 0, 8], [1, 1, 1, 1]]).reshape(2, 4, 1)
    plan = guarded.backwards(Window(4, stride=2).axes((12,)))
    assert plan.every == (2,) and plan.rows[0].taps == 2
    mean, missing = guarded.cut_weights(w, plan, 0)
    assert mean.tolist() == [4, 1] and missing == 1  # in both remainders of the first


def test_auto_is_guarded_and_keeps_its_transforms_in_a_layer():
    laid = lay(Window(CASE.U, **CASE.geometry), CASE.x_shape, (2, 9, 8, 3), "auto")
    assert laid.engine == Guarded()
    a, sharing = arrays(), laid.sharing()
    for _ in range(2):
        np.testing.assert_array_equal(sharing.conv(a["x"], a["w"]), run("z", a, method="fft"))
    assert set(sharing.engine.kept._kept) == {"x"}
    assert choice.keeping("gemm") == "gemm" and choice.keeping("loops") == "loops"
