"""Transforms only where the numbers allow it: what is loud or not finite stays where it belongs."""

import grid
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnnlib
from cnnlib.convolution import lay
from cnnlib.geometry import Window
from cnnlib.sums import careful, choice, fourier, gemm, guarded, loops
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
    """Normal, positive, and half of them zeros; of any size."""
    r = np.random.default_rng(1)
    for dtype in (np.float32, np.float64):
        for size in (1e-12, 1, 1e12):
            a = {key: size * array for key, array in arrays(dtype=dtype).items()}
            run(name, a)
            run(name, {key: np.abs(array) for key, array in a.items()})
            run(name, {**a, "w": size * r.random(a["w"].shape).astype(dtype)})
    run("dw", {key: np.maximum(0, array) for key, array in a.items()})
    assert set(taken) == {"fourier"} and len(taken) == 19


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
    a["x"][2] = a["w"][1] = a["dz"][0] = 0  # an image, a filter, an image's deltas
    for name in NAMES:
        run(name, a)
        run(name, {**a, "x": 0 * a["x"], "dz": 0 * a["dz"]})
    assert set(taken) == {"fourier"}


def test_inputs_that_no_weight_reaches_between_the_strides(taken):
    """Every second input owes nothing: 0, and no rounding of a transform."""
    case = grid.Case("", 1, (80,), 1, 1, (1,), stride=2)
    a = arrays(case)
    dx = Guarded().conv_delta(a["dz"], a["w"], a["x"].shape, Window(1, 2))
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
}


def _with_one(r, shape):
    a = r.normal(size=shape)
    a.flat[r.integers(a.size)] = 10 ** r.uniform(0, 8)
    return a


@st.composite
def cases(draw):
    n = draw(st.integers(1, 3))
    P = draw(st.tuples(*[st.integers(*{1: (50, 900), 2: (12, 60), 3: (7, 14)}[n])] * n))
    U = tuple(draw(st.integers(2, max(2, p // 2))) for p in P)
    geometry = {"stride": draw(st.sampled_from([1, 1, 1, 2, 3])), "flip": draw(st.booleans())}
    if draw(st.booleans()):
        geometry["center"] = tuple(draw(st.integers(0, u - 1)) for u in U)
    else:
        geometry["padding"] = draw(st.sampled_from(["valid", "same"]))
    N, C, K = (draw(st.integers(1, 3)) for _ in range(3))
    return grid.Case("drawn", N, P, C, K, U, **geometry)


@grid.examples(150)
@given(cases(), st.tuples(*[st.sampled_from(list(KINDS))] * 3), st.integers(0, 1 << 30))
def test_what_is_transformed_is_exact_enough(case, kinds, seed):
    """Whatever the numbers and the geometry: below 1e-5 of the own sum of every whole window."""
    r, shapes = np.random.default_rng(seed), {k: a.shape for k, a in arrays(case).items()}
    a = {k: KINDS[kind](r, shapes[k]).astype("f4") for k, kind in zip(shapes, kinds, strict=True)}
    window = Window(case.U, **case.geometry)
    axes = window.axes(case.P)
    allowed = {
        "z": guarded.harmless(a["x"], a["w"], guarded.forwards(axes)),
        "dx": guarded.harmless(a["dz"], a["w"].swapaxes(0, -1), guarded.backwards(axes)),
        "dw": guarded.harmless(a["x"], a["dz"], guarded.weights(axes), batch=True),
    }
    for name in NAMES:
        if allowed[name]:
            sums, terms = own(name, a, case)
            least = (
                1 if name != "dx" else 1 / 3 ** len(case.U)
            )  # with a stride not all have as many
            whole = terms >= least * terms.max()
            assert (error(name, a, case, "fft")[whole] <= 1e-5 * sums[whole]).all(), name


def test_sizes_by_hand():
    x = np.arange(1.0, 13).reshape(1, 12, 1)
    squares, means = guarded.sizes(-x, (5,))  # blocks of 3
    assert squares.tolist() == [sum(n * n for n in range(1, 13)) / 12]
    assert means.tolist() == [[2, 5, 8, 11]]
    # Two images of 5 by 4 with two channels, blocks of 2 by 3: a line and a column are left over.
    x = np.arange(80.0).reshape(2, 5, 4, 2)
    squares, means = guarded.sizes(x, (3, 5))
    assert squares.tolist() == [np.mean(np.arange(40.0) ** 2), np.mean(np.arange(40.0, 80) ** 2)]
    first = [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13]
    mean = np.mean(first)
    np.testing.assert_allclose(means, [[mean, mean + 16], [mean + 40, mean + 56]])


def test_of_large_blocks_only_some_lines_are_looked_at():
    x = np.zeros((1, 64, 64, 1))
    x[0, ::8] = 8
    _, means = guarded.sizes(x, (63, 63))  # 32*32 numbers a block, of which 64 are enough
    assert means.tolist() == [[8] * 4]


def test_auto_is_guarded_and_keeps_its_transforms_in_a_layer():
    laid = lay(Window(CASE.U, **CASE.geometry), CASE.x_shape, (2, 9, 8, 3), "auto")
    assert laid.engine == Guarded()
    a, sharing = arrays(), laid.sharing()
    for _ in range(2):
        np.testing.assert_array_equal(sharing.conv(a["x"], a["w"]), run("z", a, method="fft"))
    assert set(sharing.engine.kept._kept) == {"x"}
    assert choice.keeping(gemm) is gemm and choice.keeping(loops) is loops
