"""Checks: known gradients, errors by hand, the adjoint test, explain."""

import warnings
from collections import Counter
from dataclasses import replace

import brute
import grid
import numpy as np
import pytest

import cnnlib
from cnnlib import checks
from cnnlib.checks import adjoint_test, explain, numerical_gradient, relative_error
from cnnlib.errors import InputError
from cnnlib.geometry import Window

# Numerical gradient


def test_numerical_gradient_of_polynomials():
    # Central differences are exact up to the second degree, whatever the step.
    x = np.array([[1.0, -2.0, 0.5], [3.0, 0.0, -4.0]])
    a = np.array([[2.0, 3.0, -1.0], [0.0, 5.0, 7.0]])
    g = numerical_gradient(lambda x: (a * x**2).sum() + 4 * x[0, 0] * x[1, 2], x, step=0.25)
    expected = 2 * a * x
    expected[0, 0] += 4 * x[1, 2]
    expected[1, 2] += 4 * x[0, 0]
    np.testing.assert_allclose(g, expected, rtol=0, atol=1e-12)


def test_numerical_gradient_is_central():
    # Of x**3 at 1 with step h it is 3 + h**2; one-sided it would be 3 + 3h + h**2.
    g = numerical_gradient(lambda x: x[0] ** 3, np.array([1.0]), step=0.5)
    assert g.tolist() == [3.25]


def test_numerical_gradient_of_a_sine():
    x = np.linspace(-3, 3, 24).reshape(2, 3, 4)
    a = np.random.default_rng(0).normal(size=x.shape)
    g = numerical_gradient(lambda x: (a * np.sin(x)).sum(), x)
    np.testing.assert_allclose(g, a * np.cos(x), rtol=0, atol=1e-8)


def test_numerical_gradient_changes_nothing():
    x = np.array([1.0, 2.0, 3.0])
    seen = []

    def f(z):
        assert z is not x
        seen.append(z.tolist())
        z[:] = 0  # a careless function cannot spoil the next difference
        return seen[-1][0] * seen[-1][2]

    np.testing.assert_allclose(numerical_gradient(f, x, step=0.5), [3, 0, 1], rtol=0, atol=1e-12)
    assert x.tolist() == [1, 2, 3]
    assert seen == [[1.5, 2, 3], [0.5, 2, 3], [1, 2.5, 3], [1, 1.5, 3], [1, 2, 3.5], [1, 2, 2.5]]


def test_numerical_gradient_of_integers_and_numbers():
    g = numerical_gradient(lambda x: x[0] * x[1], np.array([2, 7]))
    assert g.dtype == np.float64
    np.testing.assert_allclose(g, [7, 2], rtol=0, atol=1e-8)
    g = numerical_gradient(lambda x: float(x) ** 2, 3)
    assert g.shape == () and float(g) == pytest.approx(6)


# Relative error


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [
        ([4.0, 1.0], [5.0, 1.0], 0.2),
        ([5.0, 1.0], [4.0, 1.0], 0.2),
        ([-8.0, 1.0], [2.0, 1.0], 1.25),
        ([1.0, 100.0], [2.0, 100.0], 0.01),
        ([[0.0], [2.0]], [[0.0], [0.0]], 1.0),
        ([0.0, 0.0], [0.0, 0.0], 0.0),
        ([3.0, -3.0], [3.0, -3.0], 0.0),
        ([1.0], [-1.0], 2.0),
        (2, 1, 0.5),
        ([], [], 0.0),
    ],
)
def test_relative_error_by_hand(a, b, error):
    assert relative_error(a, b) == error
    assert isinstance(relative_error(a, b), float)


@pytest.mark.parametrize(("a", "b"), [([np.nan, 1], [2, 1]), ([2, 1], [2, np.nan])])
def test_relative_error_does_not_hide_nan(a, b):
    assert np.isnan(relative_error(a, b))


@pytest.mark.parametrize("whole", [np.finfo(float).max, 1e308, 1.0, 5e-324])
def test_relative_error_of_numbers_of_any_size(whole):
    """The difference of the largest ones is no float."""
    with np.errstate(all="raise"):
        assert relative_error([whole], [-whole]) == 2
        assert relative_error([whole], [whole]) == 0


def test_relative_error_needs_equal_shapes():
    with pytest.raises(InputError, match=r"a has shape \(2,\) and b \(2, 1\)"):
        relative_error([1, 2], [[1], [2]])


# The adjoint test

SMALL = [case for case in grid.CASES if not case.large]


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_adjoint_test_on_the_grid(case):
    x, w, _, dz = case.arrays()
    found = adjoint_test(x, w, dz, **case.geometry)
    expected = (dz * brute.conv(x, w, None, case.axes)).sum()
    np.testing.assert_allclose(found, [expected] * 3, rtol=1e-11, atol=1e-11)
    assert all(isinstance(side, float) for side in found)


def test_adjoint_test_by_hand():
    # z = 1*2 + 3*4 = 14; dx = 5 * (1, 3); dw = 5 * (2, 4)
    x, w = np.reshape([2, 4], (1, 2, 1)), np.reshape([1, 3], (1, 2, 1))
    assert adjoint_test(x, w, np.full((1, 1, 1), 5)) == (70, 70, 70)


@pytest.mark.parametrize(
    ("name", "mistake", "wrong"),
    [
        ("conv_delta", lambda right, dz, w, P, **g: right(dz, np.flip(w, (1, 2)), P, **g), 1),
        ("conv_delta", lambda right, dz, w, P, **g: right(dz, w, P, **g) / len(dz), 1),
        ("conv_weight_gradient", lambda right, x, dz, U, **g: np.flip(right(x, dz, U, **g), 1), 2),
        ("conv_weight_gradient", lambda right, x, dz, U, **g: right(x, dz, U, **g) / len(x), 2),
        ("conv", lambda right, x, w, **g: right(x, w, np.ones(len(w)), **g), 0),
    ],
    ids=["delta unrotated", "delta averaged", "weights rotated", "weights averaged", "a bias"],
)
def test_adjoint_test_sees_a_broken_side(monkeypatch, name, mistake, wrong):
    x, w, _, dz = grid.SHARPEST.arrays()
    geometry = grid.SHARPEST.geometry
    right = getattr(checks, name)
    expected = adjoint_test(x, w, dz, **geometry)[0]
    monkeypatch.setattr(checks, name, lambda *a, **g: mistake(right, *a, **g))
    found = adjoint_test(x, w, dz, **geometry)
    apart = [abs(side - expected) > 1e-3 * abs(expected) for side in found]
    assert apart == [side == wrong for side in range(3)]


# Explain: every cell


AWKWARD = [
    grid.SHARPEST,
    replace(grid.SHARPEST, flip=True, padding=((1, 0), (0, 2))),
    grid.Case("1-D, remainder", 2, (8,), 2, 3, (3,), stride=3),
    grid.Case("1-D, last output meets nothing", 2, (2,), 3, 2, (2,), 2, 3, center=1),
    grid.Case(
        "dilation, centre, flip", 2, (4, 5), 2, 3, (3, 2), (1, 2), (2, 1), None, (0, 1), True
    ),
    grid.Case("corner centre, stride 2", 3, (5, 4), 1, 2, (2, 2), 2, center=(0, 0)),
    grid.Case("'same', stride 2", 1, (4, 5), 3, 2, (3, 3), 2, padding="same", flip=True),
    grid.Case("one integer each", 2, (5, 5), 1, 2, (2, 2), 2, 2, 1),
    grid.Case("one integer for the centre", 1, (3, 4), 2, 1, (2, 3), 1, 2, None, 1),
    grid.Case("3-D", 1, (2, 3, 2), 2, 2, (2, 1, 2), (1, 2, 1), padding="full"),
]


def check_every_cell(quantity, array, arrays, case, side, per_row):
    """Values, numbers of terms, and the names and numbers of all factors.

    `side` is the place of the quantity's cell in a row `(i, u, p)`, `per_row` the terms of a row.
    """
    x, w, b, dz = arrays
    given = dict(x=x, w=w, b=b, dz=dz)
    table = list(brute.rows(case.axes, case.P))
    rows = Counter(row[side] for row in table) if side is not None else None
    for cell in np.ndindex(array.shape):
        found = explain(quantity, cell, **given, **case.geometry)
        assert found.value == pytest.approx(array[cell], rel=1e-10, abs=1e-11)
        met = dz[..., 0].size if rows is None else rows[cell[1:-1]]
        assert len(found.terms) == met * per_row + (quantity == "z")
        assert found.name == f"{quantity}[{','.join(map(str, cell))}]"
        if quantity == "z":
            assert found.terms[-1] == ((f"b[{cell[-1]}]", b[cell[-1]]),)
        for term in found.terms:
            for name, value in term:
                letter, index = name[:-1].split("[")
                assert value == given[letter][tuple(map(int, index.split(",")))]


@pytest.mark.parametrize("case", AWKWARD, ids=lambda case: case.name)
def test_explain_every_cell(case):
    arrays = x, w, b, dz = case.arrays()
    z = cnnlib.conv(x, w, b, **case.geometry)
    dx = cnnlib.conv_delta(dz, w, x.shape, **case.geometry)
    dw = cnnlib.conv_weight_gradient(x, dz, case.U, **case.geometry)
    check_every_cell("z", z, arrays, case, 0, case.C)
    check_every_cell("dx", dx, arrays, case, 2, case.K)
    check_every_cell("dw", dw, arrays, case, 1, case.N)
    check_every_cell("db", cnnlib.conv_bias_gradient(dz), arrays, case, None, 1)


def test_explain_meets_every_connection_once():
    """The rows that the terms of all z name are the connection table."""
    case = grid.SHARPEST
    x, w, _, dz = case.arrays()
    named = []
    for cell in np.ndindex(dz.shape[1:-1]):
        for (name_w, _), (name_x, _) in explain(
            "z", (0, *cell, 0), x=x, w=w, **case.geometry
        ).terms:
            u = tuple(map(int, name_w[2:-1].split(",")))
            p = tuple(map(int, name_x[2:-1].split(",")))
            assert u[-1] == p[-1] and u[0] == p[0] == 0
            named.append((cell, u[1:-1], p[1:-1], u[-1]))
    expected = {(i, u, p, c) for i, u, p in brute.rows(case.axes, case.P) for c in range(case.C)}
    assert set(named) == expected and len(named) == len(expected)


# Explain: the written text


def image(*numbers):
    return np.reshape(numbers, (1, -1, 1))


def test_text_of_an_output_with_negative_numbers():
    found = explain("z", (0, 1, 0), x=image(10, -20, 30), w=image(-2, 0.5), b=[-4])
    assert str(found) == (
        "Output (1,) of sample 0, filter 0, meets 2 input cells.\n"
        "z[0,1,0] = w[0,0,0]*x[0,1,0] + w[0,1,0]*x[0,2,0] + b[0]\n"
        "  = (-2)*(-20) + 0.5*30 + (-4)\n"
        "  = 51"
    )
    assert found.value == 51


def test_text_of_an_input_that_no_window_met():
    found = explain("dx", (0, 2, 0), x=image(1, 2, 3), w=image(4, 5), dz=image(6), stride=2)
    assert str(found) == (
        "Input (2,) of sample 0, channel 0, went into 0 outputs.\ndx[0,2,0] = 0\n  = 0\n  = 0"
    )
    assert found.terms == () and found.value == 0


def test_text_of_a_weight_over_two_samples():
    x = np.reshape([1, 2, 3, 4, 5, 6, 7, 8], (2, 2, 2, 1))
    dz = np.reshape([10, -20], (2, 1, 1, 1))
    found = explain("dw", (0, 1, 0, 0), x=x, w=np.ones((1, 2, 2, 1)), dz=dz)
    assert str(found) == (
        "Weight (1, 0) of filter 0, channel 0, joined 1 pair in each sample.\n"
        "dw[0,1,0,0] = x[0,1,0,0]*dz[0,0,0,0] + x[1,1,0,0]*dz[1,0,0,0]\n"
        "  = 3*10 + 7*(-20)\n"
        "  = -110"
    )
    # Flipped, the weight meets the cell on the other side.
    found = explain("dw", (0, 1, 0, 0), x=x, w=np.ones((1, 2, 2, 1)), dz=dz, flip=True)
    assert str(found).splitlines()[2] == "  = 2*10 + 6*(-20)"


def test_text_of_a_bias():
    found = explain("db", (1,), dz=np.reshape([1, 2, 3, 4, 5, -6], (1, 3, 2)))
    assert str(found) == (
        "The bias of filter 1 went into 3 outputs.\n"
        "db[1] = dz[0,0,1] + dz[0,1,1] + dz[0,2,1]\n"
        "  = 2 + 4 + (-6)\n"
        "  = 0"
    )
    assert str(explain("db", 0, dz=image(7))).startswith("The bias of filter 0 went into 1 output.")


def test_text_of_an_output_that_is_the_bias_alone():
    w = np.ones((1, 2, 1))
    found = explain("z", (0, 1, 0), x=image(3, 4), w=w, b=[2.5], stride=2, dilation=3, center=1)
    assert str(found) == (
        "Output (1,) of sample 0, filter 0, meets 0 input cells.\nz[0,1,0] = b[0]\n  = 2.5\n  = 2.5"
    )
    bare = explain("z", (0, 1, 0), x=image(3, 4), w=w, stride=2, dilation=3, center=1)
    assert str(bare).splitlines()[1:] == ["z[0,1,0] = 0", "  = 0", "  = 0"]


def test_numbers_are_written_with_six_digits():
    found = explain("z", (0, 0, 0), x=image(1 / 3), w=image(1e7))
    assert str(found).splitlines()[2:] == ["  = 1e+07*0.333333", "  = 3.33333e+06"]


# Explain: errors


@pytest.mark.parametrize(
    ("quantity", "missing", "needs"),
    [
        ("z", "x", "x w"),
        ("z", "w", "x w"),
        ("dx", "x", "x w dz"),
        ("dx", "w", "x w dz"),
        ("dx", "dz", "x w dz"),
        ("dw", "x", "x w dz"),
        ("dw", "w", "x w dz"),
        ("dw", "dz", "x w dz"),
        ("db", "dz", "dz"),
    ],
)
def test_missing_arrays_are_named(quantity, missing, needs):
    given = dict(x=image(1, 2, 3), w=image(1, 2), dz=image(5, 7))
    del given[missing]
    message = f"^{missing} is missing; explain.'{quantity}'. needs {needs}$"
    with pytest.raises(InputError, match=message):
        explain(quantity, (0, 0, 0), **given)


@pytest.mark.parametrize(
    ("quantity", "cell", "message"),
    [
        ("y", (0, 0, 0), "quantity is 'y'; expected 'z', 'dx', 'dw' or 'db'"),
        ("z", (0, 2, 0), r"cell is \(0, 2, 0\); the array has shape \(1, 2, 1\)"),
        ("dx", (0, 3, 0), r"cell is \(0, 3, 0\); the array has shape \(1, 3, 1\)"),
        ("dw", (1, 0, 0), r"cell is \(1, 0, 0\); the array has shape \(1, 2, 1\)"),
        ("db", (1,), r"cell is \(1,\); the array has shape \(1,\)"),
        ("z", (0, -1, 0), "cell is"),
        ("z", (0, 1), "cell is"),
        ("db", (0, 0), "cell is"),
        ("z", (0, 0.5, 0), "cell is"),
    ],
)
def test_wrong_cells_and_quantities(quantity, cell, message):
    with pytest.raises(InputError, match=message):
        explain(quantity, cell, x=image(1, 2, 3), w=image(1, 2), dz=image(5, 7))


@pytest.mark.parametrize("quantity", ["dx", "dw"])
def test_deltas_of_a_wrong_shape(quantity):
    with pytest.raises(InputError, match=r"dz has shape \(1, 3, 1\); expected \(1, 2, 1\)"):
        explain(quantity, (0, 0, 0), x=image(1, 2, 3), w=image(1, 2), dz=image(5, 7, 9))


def test_explain_passes_the_errors_of_geometry_on():
    with pytest.raises(InputError, match="padding is 1 and center is"):
        explain("z", (0, 0, 0), x=image(1, 2), w=image(1), padding=1, center=0)
    with pytest.raises(InputError, match="channels"):
        explain("z", (0, 0, 0), x=np.ones((1, 3, 2)), w=image(1))


def test_a_step_that_is_partly_lost_is_not_counted_whole():
    """Beside 1e11 numbers lie 1.5e-5 apart: the slope of x came out as 1.526."""
    assert numerical_gradient(lambda x: float(x[0]), [1e11]).tolist() == [1]
    with pytest.raises(InputError, match="step is 1e.308; from x = 1.0 it leads beyond"):
        numerical_gradient(lambda x: float(x[0]), [1.0], 1e308)


def test_infinite_entries_have_no_relative_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(relative_error([np.inf], [np.inf]))


def test_one_cell_of_a_large_image_is_explained_without_the_whole_table(monkeypatch):
    """The table of these images would take 20 GB."""
    monkeypatch.setattr(Window, "connections", None)
    x = np.broadcast_to(np.float32(1), (1, 3000, 3000, 1))
    w = np.ones((1, 7, 7, 1), np.float32)
    assert explain("z", (0, 5, 5, 0), x=x, w=w).value == 49
    dz = np.broadcast_to(np.float32(1), (1, 2994, 2994, 1))
    assert explain("dx", (0, 1, 2, 0), x=x, w=w, dz=dz).value == 6
