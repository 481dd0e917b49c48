"""The index rule: literal tables, brute force over all small axes, errors; it stands once."""

import json
import re
from dataclasses import FrozenInstanceError
from itertools import pairwise, product
from pathlib import Path

import brute
import grid
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlib import arrays, convolution, pooling
from cnnlib.errors import InputError
from cnnlib.geometry import Axis, Window, connections
from cnnlib.sums import blocks

ROOT = Path(__file__).parents[1]
EVERY_CASE = pytest.mark.parametrize("case", grid.CASES, ids=lambda case: case.name)


def table(P, U, **geometry):
    """The connection table by brute force: flat indices, sorted by output, then weight."""
    axes = brute.lay(P, U, **geometry)
    return sorted(
        (brute.flat(i, brute.outputs(axes)), brute.flat(u, U), brute.flat(p, P))
        for i, u, p in brute.rows(axes, P)
    )


def small_axes(cells=9, weights=5, centers=True, paddings=True):
    """Every axis of at most so many cells under every kernel of at most so many weights."""
    sizes = product(range(1, cells + 1), range(1, weights + 1))
    for (P, U), s, d, flip in product(sizes, (1, 2, 3, 4), (1, 2, 3), (False, True)):
        ways = [("center", u0) for u0 in range(U)] if centers else []
        if paddings:
            words = [None, "valid", "same", "full", 0, 2]
            ways += [("padding", pads) for pads in words + [((a, b),) for a, b in PAIRS]]
        for name, value in ways:
            yield P, U, {"stride": s, "dilation": d, "flip": flip, name: value}


PAIRS = [(0, 1), (1, 0), (1, 1), (1, 3), (2, 0), (3, 2), (0, 4), (5, 5)]


def one_axis(P, U, stride, dilation, flip, padding=None, center=None):
    """The cells of one axis by brute force."""
    padding = padding[0] if isinstance(padding, tuple) else padding
    return brute.axis(P, U, stride, dilation, padding, center, flip)


# Literal numbers


def test_axis_of_length_3_with_centre_1_has_indices_minus_1_0_1():
    (axis,) = Window(3, center=1).axes((3,))
    assert [axis.input(0, u) for u in range(3)] == [-1, 0, 1]
    (axis,) = Window(3, center=1, flip=True).axes((3,))
    assert [axis.input(0, u) for u in range(3)] == [1, 0, -1]


def test_rule_by_hand():
    # p = s*i + o + g*d*(u - u0)
    axis = Axis(inputs=99, outputs=9, kernel=4, stride=3, dilation=2, offset=5, center=1, sign=1)
    assert axis.input(4, 3) == 3 * 4 + 5 + 2 * (3 - 1)
    axis = Axis(inputs=99, outputs=9, kernel=4, stride=3, dilation=2, offset=5, center=1, sign=-1)
    assert axis.input(4, 3) == 3 * 4 + 5 - 2 * (3 - 1)


# A kernel [[a, b], [c, d]] with centre (0, 0) over a 3x3 image, one drawing for each (i, j).
UNFLIPPED = """
    ab. .ab ..a
    cd. .cd ..c
    ... ... ...

    ... ... ...
    ab. .ab ..a
    cd. .cd ..c

    ... ... ...
    ... ... ...
    ab. .ab ..a
"""
FLIPPED = """
    a.. ba. .ba
    ... ... ...
    ... ... ...

    c.. dc. .dc
    a.. ba. .ba
    ... ... ...

    ... ... ...
    c.. dc. .dc
    a.. ba. .ba
"""


@pytest.mark.parametrize("flip, drawing", [(False, UNFLIPPED), (True, FLIPPED)])
def test_kernel_2x2_with_centre_0_0_over_3x3(flip, drawing):
    lines = [line.split() for line in drawing.splitlines() if line.strip()]
    expected = sorted(
        (3 * i + j, "abcd".index(lines[3 * i + p][j][q]), 3 * p + q)
        for i, j, p, q in np.ndindex(3, 3, 3, 3)
        if lines[3 * i + p][j][q] != "."
    )
    rows = connections((3, 3), (2, 2), center=(0, 0), flip=flip)
    assert rows.tolist() == expected


def test_one_output_of_that_kernel_as_numbers():
    # Output (1, 1) is flat 4. Weight (u, v) meets (1 + u, 1 + v); flipped, (1 - u, 1 - v).
    unflipped = connections((3, 3), (2, 2), center=(0, 0))
    assert unflipped[unflipped["output"] == 4].tolist() == [
        (4, 0, 4),
        (4, 1, 5),
        (4, 2, 7),
        (4, 3, 8),
    ]
    flipped = connections((3, 3), (2, 2), center=(0, 0), flip=True)
    assert flipped[flipped["output"] == 4].tolist() == [(4, 0, 4), (4, 1, 3), (4, 2, 1), (4, 3, 0)]


def test_tensorflows_same_moves_the_centre():
    # A kernel of 3 at stride 2. Five inputs need 2 zeros, one on each side; six need one, after.
    odd = [(0, 1, 0), (0, 2, 1), (1, 0, 1), (1, 1, 2), (1, 2, 3), (2, 0, 3), (2, 1, 4)]
    even = [(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 0, 2), (1, 1, 3), (1, 2, 4), (2, 0, 4), (2, 1, 5)]
    assert connections(5, 3, stride=2, padding="same").tolist() == odd
    assert connections(6, 3, stride=2, padding="same").tolist() == even


@pytest.mark.parametrize("P", range(1, 12))
def test_same_is_centre_1_for_odd_inputs_and_centre_0_for_even_ones(P):
    same = connections(P, 3, stride=2, padding="same")
    assert same.tolist() == connections(P, 3, stride=2, center=P % 2).tolist()


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("U", [1, 2, 3, 4, 5])
def test_symmetric_padding_of_half_the_kernel_is_a_centre(U, stride):
    padded = connections(6, U, stride=stride, padding=U // 2)
    centered = connections(6, U, stride=stride, center=U // 2)
    # One of them may have another output at the end; those that both have lie on the same cells.
    last = min(padded["output"].max(), centered["output"].max())
    padded, centered = (rows[rows["output"] <= last].tolist() for rows in (padded, centered))
    assert padded == centered
    assert last >= 1


def test_words_are_these_pads():
    def pads(words, P=7, U=3, d=1, s=1):
        (axis,) = Window(U, s, d, words).axes((P,))
        return axis.before, axis.after, axis.outputs

    assert pads("valid") == (0, 0, 5)
    assert pads(None) == (0, 0, 5)
    assert pads("same") == (1, 1, 7)
    assert pads("same", U=4) == (1, 2, 7)  # the odd cell goes after
    assert pads("full") == (2, 2, 9)
    assert pads("full", d=2) == (4, 4, 11)
    assert pads("same", d=2) == (2, 2, 7)
    assert pads("same", P=8, s=3) == (0, 1, 3)


# Brute force


def test_number_of_outputs_and_their_cells_against_brute_force():
    tried = refused = 0
    for P, U, geometry in small_axes():
        cells = one_axis(P, U, **geometry)
        if not cells:
            with pytest.raises(InputError, match="kernel spans"):
                Window(U, **geometry).axes((P,))
            refused += 1
            continue
        (axis,) = Window(U, **geometry).axes((P,))
        assert axis.outputs == len(cells), (P, U, geometry)
        found = [[axis.input(i, u) for u in range(U)] for i in range(axis.outputs)]
        assert found == cells, (P, U, geometry)
        tried += 1
    assert tried > 15_000
    assert refused > 1_000


def test_pads_and_meetings_against_brute_force():
    for P, U, geometry in small_axes():
        cells = one_axis(P, U, **geometry)
        if not cells:
            continue
        (axis,) = Window(U, **geometry).axes((P,))
        assert axis.before == -min(cells[0])
        assert axis.after == max(0, max(cells[-1]) - (P - 1))
        assert axis.inputs_met().tolist() == [sum(0 <= p < P for p in window) for window in cells]


def test_centre_is_a_padding():
    for P, U, geometry in small_axes(paddings=False):
        (axis,) = Window(U, **geometry).axes((P,))
        del geometry["center"]
        (padded,) = Window(U, **geometry, padding=((axis.before, axis.after),)).axes((P,))
        assert padded.outputs == axis.outputs >= 1
        assert all(
            padded.input(i, u) == axis.input(i, u) for i in range(axis.outputs) for u in range(U)
        )


def test_flipping_reverses_the_kernel():
    # A padding fixes where the window lies, so the flip only renames its weights.
    for P, U, geometry in small_axes(centers=False):
        if geometry["flip"] or not one_axis(P, U, **geometry):
            continue
        (axis,) = Window(U, **geometry).axes((P,))
        (turned,) = Window(U, **{**geometry, "flip": True}).axes((P,))
        assert turned.outputs == axis.outputs
        assert [turned.input(0, u) for u in range(U)] == [
            axis.input(0, U - 1 - u) for u in range(U)
        ]


@EVERY_CASE
def test_connections_against_brute_force(case):
    rows = connections(case.P, case.U, **case.geometry)
    assert rows.tolist() == table(case.P, case.U, **case.geometry)
    assert Window(case.U, **case.geometry).output_shape(case.P) == brute.outputs(case.axes)


@grid.examples(150)
@given(grid.drawn())
def test_connections_of_any_geometry(case):
    rows = connections(case.P, case.U, **case.geometry)
    assert rows.tolist() == table(case.P, case.U, **case.geometry)


def test_connections_has_intp_fields_in_order():
    rows = connections((7, 6), (3, 2), stride=2, padding=1, flip=True)
    assert rows.dtype.names == ("output", "weight", "input")
    assert all(rows.dtype[name] == np.intp for name in rows.dtype.names)
    assert all(
        one < other for one, other in pairwise(zip(rows["output"], rows["weight"], strict=True))
    )


# Where the library or a notebook may speak of 64-bit integers: a file and its line, and why.
WIDE = {
    ("storage.py", '>>> plain({"stride": (np.int64(2), 1), "center": np.array([0, 1])})'): (
        "a setting as somebody may give it, no index"
    )
}


def sources():
    """The lines of every module of the library, and of the code cells of every notebook."""
    for path in sorted((ROOT / "cnnlib").rglob("*.py")):
        yield path.name, path.read_text(encoding="utf-8").splitlines()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        yield path.name, "\n".join(code).splitlines()


def test_no_index_is_wider_than_the_machine():
    """On a machine of 32 bits NumPy refuses indices of 64, in `np.bincount` for one.

    Here `intp` and `int64` are the same type, and no result can tell them apart: the sources can.
    """
    wide = re.compile(r"""\bint64\b|\blonglong\b|["'][<>=]?i8["']""")
    found = [(name, line.strip()) for name, lines in sources() for line in lines]
    assert [place for place in found if wide.search(place[1])] == list(WIDE)


def test_table_may_be_empty():
    # One output over two zeros of padding: it meets nothing.
    assert connections(1, 1, stride=9, padding=((2, 0),)).tolist() == []


def test_reach_against_brute_force():
    for P, U, geometry in small_axes(cells=6, weights=4):
        cells = one_axis(P, U, **geometry)
        if not cells:
            continue
        (axis,) = Window(U, **geometry).axes((P,))
        for u in range(U):
            outputs, inputs = axis.reach(u)
            found = zip(range(len(cells))[outputs], range(P)[inputs], strict=True)
            met = [(i, window[u]) for i, window in enumerate(cells) if 0 <= window[u] < P]
            assert list(found) == met, (P, U, geometry, u)


# The ways to write one geometry


def test_equal_geometries_may_be_written_in_many_ways():
    rows = connections((7, 6), (3, 2), stride=(2, 2), dilation=(1, 1), padding=((1, 1), (1, 1)))
    for geometry in [
        {"stride": 2, "padding": 1},
        {"stride": [2, 2], "padding": [1, 1]},
        {"stride": np.array([2, 2]), "padding": np.array([[1, 1], [1, 1]])},
        {"stride": np.int32(2), "dilation": np.int8(1), "padding": np.int64(1)},
        {"stride": (2, 2), "padding": [[1, 1], (1, 1)]},
    ]:
        np.testing.assert_array_equal(connections([7, 6], np.array([3, 2]), **geometry), rows)
    assert connections(5, 3).tolist() == connections((5,), (3,)).tolist()
    window = Window(3, center=1)
    assert window.axes((4,)) == Window((3,), 1, (1,), None, (1,)).axes([4])
    assert [axis.inputs for axis in window.axes((5,))] == [5]  # not what it was laid on before


def test_a_transposed_axis_by_hand():
    # 7 inputs, a kernel of 3, stride 2: outputs 0 to 2. Inputs 0, 2, 4, 6 met weights 0 and 2,
    # inputs 1, 3, 5 weight 1.
    (axis,) = Window(3, 2).axes((7,))
    even, us = axis.transposed(0)
    assert (even.inputs, even.outputs, even.stride, us) == (3, 4, 1, slice(0, None, 2))
    assert [even.input(q, np.arange(2)).tolist() for q in range(4)] == [
        [0, -1], [1, 0], [2, 1], [3, 2],  # input 2 is q = 1: output 1 by weight 0, 0 by weight 2
    ]  # fmt: skip
    odd, us = axis.transposed(1)
    assert (odd.inputs, odd.outputs, odd.kernel, us) == (3, 3, 1, slice(1, None, 2))
    assert [odd.input(q, 0) for q in range(3)] == [0, 1, 2]
    # Windows of 2 cells, 3 apart: nothing meets every third input.
    (apart,) = Window(2, 3).axes((8,))
    assert [apart.transposed(r) is None for r in range(3)] == [False, False, True]


@EVERY_CASE
def test_transposed_axes_hold_every_row_once(case):
    for axis in Window(case.U, **case.geometry).axes(case.P):
        rows = []
        for r in range(min(axis.stride, axis.inputs)):
            back = axis.transposed(r)
            if back is not None:
                rule, us = back
                q, v, i = rule.rows()
                rows += np.transpose([i, us.start + us.step * v, r + axis.stride * q]).tolist()
        assert sorted(rows) == np.transpose(axis.rows()).tolist()


# A window is a value

WINDOWS = {
    "Window(3)": Window((3,), stride=[1], padding="valid", flip=np.False_),
    "Window((3, 3), padding=0)": Window([3, 3], (1, 1), 1, np.zeros(2, int)),
    "Window((2, 3), stride=2, dilation=(1, 2))": Window((2, 3), [2, 2], dilation=(1, 2)),
    "Window((3, 3), padding='same')": Window((3, 3), padding="same"),
    "Window((3, 3), padding=1)": Window((3, 3), padding=((1, 1), (1, 1))),
    "Window((3, 3), padding=(1, 2))": Window((3, 3), padding=((1, 1), (2, 2))),
    "Window(3, padding=((1, 2),))": Window(3, padding=[[1, 2]]),
    "Window((3, 4), center=(1, 0), flip=True)": Window((3, 4), center=[1, 0], flip=True),
    "Window((3, 3), stride=3, center=1)": Window((3, 3), 3, center=(1, 1)),
}


@pytest.mark.parametrize("written", WINDOWS)
def test_a_window_is_written_as_the_call_that_makes_it(written):
    window = WINDOWS[written]
    assert repr(window) == written
    again = eval(written)
    assert again == window and hash(again) == hash(window)
    assert again.axes((9,) * len(window.kernel)) is window.axes([9] * len(window.kernel))


def test_windows_that_mean_different_things_differ():
    assert len(set(WINDOWS.values())) == len(WINDOWS)
    assert Window(3) != Window(3, flip=True) and Window(3) != "Window(3)"


def test_a_window_cannot_be_changed():
    window = Window(3)
    with pytest.raises(FrozenInstanceError):
        window.stride = (2,)


# Errors

WRONG = [
    (5, 3, {"padding": 1, "center": 1}, "padding is 1 and center is 1; give one of them"),
    (5, 3, {"padding": 0, "center": 0}, "padding is 0 and center is 0; give one of them"),
    (5, 3, {"padding": "valid", "center": 0}, "padding is 'valid' and center is 0; give one"),
    (5, 3, {"center": 3}, "center is 3, outside the kernel of shape (3,)"),
    ((5, 5), (3, 2), {"center": (1, 2)}, "center is (1, 2), outside the kernel of shape (3, 2)"),
    (5, 3, {"center": -1}, "center is -1; expected at least 0"),
    (5, 3, {"center": 1.0}, "center is 1.0; expected an intege"),
    ((5, 5), (3, 3), {"center": (1,)}, "center is (1,)...expected one integer, or 2"),
    (5, 3, {"flip": "no"}, "flip is 'no'; expected True"),
    (5, 3, {"flip": 2}, "flip is 2; expected True"),
    (5, 3, {"padding": {0, 1}}, "padding is {0, 1}; expected a word"),
    (5, 3, {"stride": 0}, "stride is 0; expected at least 1"),
    (5, 3, {"stride": -2}, "stride is -2; expected at least 1"),
    ((5, 5), (3, 3), {"stride": (1, 0)}, "stride is (1, 0); expected at least 1"),
    ((5, 5), (3, 3), {"stride": (1, 1, 1)}, "stride is (1, 1, 1), with 3 entries; ... or 2"),
    (5, 3, {"stride": 1.0}, "stride is 1.0; expected an intege"),
    (5, 3, {"stride": "2"}, "stride is '2'; expected an intege"),
    (5, 3, {"stride": None}, "stride is None; expected an intege"),
    ((5, 5), (3, 3), {"stride": ()}, "stride is (), with 0 entries"),
    (5, 3, {"dilation": 0}, "dilation is 0; expected at least 1"),
    ((5, 5), (3, 3), {"dilation": (1, 1.5)}, "dilation is (1, 1.5); expected an integer"),
    (5, 3, {"padding": (1, 2)}, "padding is (1, 2), ...write ((1, 2),)"),
    (5, 3, {"padding": [1, 2]}, "padding is [1, 2], ...write ((1, 2),)"),
    (5, 3, {"padding": (1, 2, 3)}, "padding is (1, 2, 3), with 3 entries"),
    (5, 3, {"padding": -1}, "padding is -1; expected at least 0"),
    (5, 3, {"padding": ((0, -1),)}, "padding is ...expected at least 0"),
    (5, 3, {"padding": 1.5}, "padding is 1.5; expected a word, an integer"),
    (5, 3, {"padding": ((1, 1.5),)}, "padding is ...expected an intege"),
    (5, 3, {"padding": "half"}, "padding is 'half'; expected 'valid', 'same' or 'full'"),
    ((5, 5), (3, 3), {"padding": ((1, 2),)}, "padding is ((1, 2),); expected 2 pairs"),
    ((5, 5), (3, 3), {"padding": ((1, 2, 3), (1, 2, 3))}, "padding is ...expected 2 pairs"),
    ((5, 5), (3, 3), {"padding": (1, 2, 3)}, "padding is (1, 2, 3), with 3 entries"),
    (2, 3, {}, "kernel spans 3 cells on spatial axis 0 ...the padded input has 0 + 2 + 0"),
    (
        (9, 4),
        (3, 3),
        {"dilation": 3, "padding": ((0, 0), (1, 1))},
        "spans 7 ...axis 1... 1 + 4 + 1",
    ),
    (0, 3, {"center": 1}, "input_shape is 0; expected at least 1"),
    ((5, 0), (3, 3), {"center": 1}, "input_shape is (5, 0); expected at least 1"),
    (5.0, 3, {}, "input_shape is 5.0; expected an intege"),
    (5, 0, {}, "kernel is 0; expected at least 1"),
    (5, "3", {}, "kernel is '3'; expected an intege"),
    (5, 2.0, {}, "kernel is 2.0; expected an intege"),
    ((), (), {}, "input_shape is ()"),
    ((5, 5), (3, 3), {"padding": (1, (1, 2))}, "padding is (1, (1, 2)); expected"),
    ((5, 5), 3, {}, "spatial shape (5, 5), the kernel (3,)...the same number of axes"),
    (5, (3, 3), {}, "spatial shape (5,), the kernel (3, 3)...the same number of axes"),
]


@pytest.mark.parametrize("P, U, geometry, message", WRONG, ids=lambda value: str(value)[:40])
def test_wrong_geometry_is_named(P, U, geometry, message):
    with pytest.raises(InputError, match=grid.says(message)):
        connections(P, U, **geometry)


def test_window_refuses_an_axis_without_cells():
    with pytest.raises(InputError, match=r"input_shape is \(4, 0\); expected at least 1"):
        Window((3, 3), padding=2).axes((4, 0))


def test_cure_of_a_pair_on_one_axis_is_right():
    with pytest.raises(InputError) as caught:
        connections(5, 3, padding=(1, 2))
    cure = re.search(r"write (.*)$", str(caught.value)).group(1)
    assert cure == "((1, 2),)"
    assert connections(5, 3, padding=((1, 2),)).tolist() == table((5,), (3,), padding=((1, 2),))


# The rule stands in one place


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("size", [1, 3], ids=["single outputs", "blocks"])
def test_one_shifted_offset_changes_everything_alike(monkeypatch, size, flip):
    """If any part of the library had its own copy of the rule, it would stay where it was."""
    case = grid.Case("shift", 2, (7, 6), 3, 3, (3, 4), (2, 1), center=(1, 2), flip=flip)
    monkeypatch.setattr(blocks, "SIZES", (size,))
    forget()
    unshifted = everything(case, case.axes)

    rule = Axis.input

    def one_further(axis, i, u):
        return rule(axis, i, u) + 1

    monkeypatch.setattr(Axis, "input", one_further)
    forget()
    shifted = everything(
        case, [[[p + 1 for p in window] for window in cells] for cells in case.axes]
    )
    forget()
    for name in unshifted:
        assert not np.array_equal(unshifted[name], shifted[name]), f"{name} did not change"


def forget():
    """Drop what the library keeps of axes it has seen: the rule is about to change."""
    for kept in (blocks.cut, pooling._cells, pooling._refuse_empty):
        kept.cache_clear()


def everything(case, axes):
    """All that the library computes for a case; asserts that it is what brute force says."""
    x, w, b, dz = case.arrays()
    da = dz  # the window of the pools lies like that of the convolution, and C = K
    pool = {k: v for k, v in case.geometry.items() if k != "dilation"}
    found = {"connections": connections(case.P, case.U, **case.geometry).tolist()}
    expected = {
        "connections": sorted(
            (brute.flat(i, brute.outputs(axes)), brute.flat(u, case.U), brute.flat(p, case.P))
            for i, u, p in brute.rows(axes, case.P)
        )
    }
    for method in ("loops", "gemm", "fft"):
        keywords = {**case.geometry, "method": method}
        found[f"{method} conv"] = convolution.conv(x, w, b, **keywords)
        expected[f"{method} conv"] = brute.conv(x, w, b, axes)
        found[f"{method} delta"] = convolution.conv_delta(dz, w, x.shape, **keywords)
        expected[f"{method} delta"] = brute.conv_delta(dz, w, case.P, axes)
        found[f"{method} dw"] = convolution.conv_weight_gradient(x, dz, case.U, **keywords)
        expected[f"{method} dw"] = brute.conv_weight_gradient(x, dz, case.U, axes)
    found["max"], found["winners"] = pooling.max_pool(x, case.U, **pool)
    expected["max"], expected["winners"] = brute.max_pool(x, axes)
    found["max delta"] = pooling.max_pool_delta(da, found["winners"], x.shape)
    expected["max delta"] = brute.max_pool_delta(da, expected["winners"], case.P)
    found["mean"] = pooling.avg_pool(x, case.U, **pool)
    expected["mean"] = brute.avg_pool(x, axes, False)
    found["mean delta"] = pooling.avg_pool_delta(da, x.shape, case.U, **pool)
    expected["mean delta"] = brute.avg_pool_delta(da, case.P, axes, False)
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-11, err_msg=name)
    return found


def test_a_shape_that_equals_a_known_one_is_read_all_the_same():
    window = Window(3)
    assert window.output_shape((50,)) == (48,) and Window(1).output_shape((1,)) == (1,)
    for shape in ((50.0,), (True,)):
        for again in (window, Window(1)):
            with pytest.raises(InputError, match="input_shape is"):
                again.output_shape(shape)


@grid.examples(200)
@given(st.data())
def test_which_weights_meet_an_input_and_how_many(data):
    P, U, s, d = (data.draw(st.integers(1, n)) for n in (9, 9, 4, 4))
    pads = data.draw(st.tuples(st.integers(0, 9), st.integers(0, 9)))
    how = {"padding": (pads,)} if data.draw(st.booleans()) else {"center": U // 2}
    try:
        (axis,) = Window(U, s, d, flip=data.draw(st.booleans()), **how).axes((P,))
    except InputError:
        return
    rows = [(i, u) for i in range(axis.outputs) for u in range(U) if 0 <= axis.input(i, u) < P]
    assert {u for _, u in rows} <= set(axis.met()) <= set(range(U))
    assert axis.count_rows() == len(rows)
    assert np.transpose(axis.rows()).tolist() == [[i, u, axis.input(i, u)] for i, u in rows]
    assert axis.inputs_met().tolist() == [sum(i == j for j, _ in rows) for i in range(axis.outputs)]


def test_a_kernel_far_larger_than_the_input_takes_no_time():
    assert connections(3, 10**8, center=0).tolist() == connections(3, 3, center=0).tolist()


def test_no_weight_takes_a_step_of_its_own(monkeypatch):
    """A kernel as large as its input: one output. And rows are counted without a list."""

    def never(*_):
        raise AssertionError

    monkeypatch.setattr(Axis, "reach", never)
    table = connections(10**5, 10**5)
    assert table["output"].max() == 0
    assert (table["weight"] == np.arange(10**5)).all() and (table["input"] == table["weight"]).all()
    most = 2**31 - 1
    for P, U, rows in [(most, most, most), (most, 2**30, 2**60), (10**8, 10, 10 * (10**8 - 9))]:
        (axis,) = Window(U).axes((P,))
        assert axis.count_rows() == rows
    (axis,) = Window(most, padding=most, stride=2**30).axes((5,))
    assert connections(5, most, padding=most, stride=2**30)["output"].max() < axis.outputs == 3


@pytest.mark.parametrize("P, U", [((10**5, 10**5), (3, 3)), (2**31 - 1, 1), (2**31 - 1, 2**30)])
def test_a_table_that_no_machine_holds_is_refused(monkeypatch, P, U):
    monkeypatch.setattr(arrays, "memory", lambda: 10**10)
    with pytest.raises(InputError, match="the connection table would take .* GB of memory"):
        connections(P, U)
