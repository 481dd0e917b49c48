"""Grids and lattices: every number in its place, padding outside, indices at the edges."""

import numpy as np
import pytest

from cnnlib.book import figures
from cnnlib.book.figures import Grid
from cnnlib.book.figures.style import KINDS
from cnnlib.errors import InputError


def words(figure):
    return [(text.get_text(), text.get_position()) for text in figure.axes[0].texts]


def table(figure):
    """Columns from left to right and rows from top to bottom: the numbers of a single grid."""
    sized = [text for text in figure.axes[0].texts if text.get_fontsize() > 8.2]
    cells = [
        text for text in sized if text.get_weight() == "normal" or text.get_text() != title(figure)
    ]
    found = {}
    for text in cells:
        x, y = text.get_position()
        found.setdefault(round(y, 3), {})[round(x, 3)] = text.get_text()
    return [[row[x] for x in sorted(row)] for _, row in sorted(found.items())]


def title(figure):
    return min(words(figure), key=lambda word: word[1][1])[0]


def kinds(figure):
    """The line styles and colours of the cells in the order in which they were drawn."""
    looks = {(k.line, k.rounded): name for name, k in KINDS.items() if name in ("padding", "zero")}
    return [looks.get((patch.get_linestyle(), False)) for patch in figure.axes[0].patches]


def test_numbers_are_where_they_are_in_the_array():
    x = [[1, 2, 3], [4, 5, 6]]
    figure = figures.grid(x)
    assert table(figure) == [["1", "2", "3"], ["4", "5", "6"]]
    assert title(figure) == "input x"


def test_one_axis_is_one_row():
    figure = figures.grid([1, 2, 3], "delta", title="dy")
    assert table(figure) == [["1", "2", "3"]] and title(figure) == "dy"
    assert [text for text, _ in words(figure)].count("0") == 1  # the index of the column only


@pytest.mark.parametrize(
    ("padding", "shape", "first"),
    [
        (1, (4, 5), (1, 1)),
        ((1, 0), (4, 3), (1, 0)),
        (((0, 1), (2, 0)), (3, 5), (0, 2)),
        (((0, 0), (0, 0)), (2, 3), (0, 0)),
    ],
)
def test_padding_of_two_axes(padding, shape, first):
    found = table(figures.grid([[7, 7, 7], [7, 7, 7]], padding=padding))
    assert (len(found), len(found[0])) == shape
    where = np.argwhere(np.array(found) == "7")
    assert tuple(where[0]) == first and len(where) == 6


@pytest.mark.parametrize(("padding", "row"), [(1, "0770"), (((0, 2),), "7700"), ((2,), "007700")])
def test_padding_of_one_axis(padding, row):
    figure = figures.grid([7, 7], padding=padding)
    assert table(figure) == [list(row)]
    assert kinds(figure).count("padding") == row.count("0")


def test_indices_count_from_the_first_cell_also_over_the_padding():
    figure = figures.grid([[7, 7], [7, 7]], padding=((1, 0), (0, 2)))
    small = [(text, x, y) for text, (x, y) in words(figure) if text in ("-1", "0", "1", "2", "3")]
    top = min(y for _, _, y in small)
    left = min(x for _, x, _ in small)
    assert [text for text, _, y in sorted(small, key=lambda s: s[1]) if y == top] == list("0123")
    assert [text for text, x, _ in small if x == left] == ["-1", "0", "1"]


def test_without_indices():
    assert len(words(figures.grid([[7, 7], [7, 7]], indices=False))) == 5  # and the title


def test_lit_cells():
    figure = figures.grid([[1, 2], [3, 4]], highlight=[(0, 1), (1, 0)], title="")
    bold = [t.get_text() for t in figure.axes[0].texts if t.get_weight() == "bold" and t.get_text()]
    assert bold == ["2", "3"]
    assert [t.get_text() for t in figures.grid([5, 6, 7], highlight=[2], title="").axes[0].texts
            if t.get_weight() == "bold" and t.get_text()] == ["7"]  # fmt: skip


def test_the_centre_has_a_dot_in_its_cell():
    figure = figures.grid([[1, 2], [3, 4]], "weight", center=(1, 0))
    (dot,) = figure.axes[0].lines
    place = dict(words(figure))["3"]
    assert abs(dot.get_xdata()[0] - place[0]) < 0.5 and abs(dot.get_ydata()[0] - place[1]) < 0.5


def test_several_grids_stand_side_by_side_on_one_line():
    figure = figures.grids(
        Grid([[11, 12], [13, 14]]), "*", Grid([[5]], "weight"), "=", Grid([6], "output")
    )
    places = dict(words(figure))
    assert places["11"][0] < places["*"][0] < places["5"][0] < places["="][0] < places["6"][0]
    middle = (places["11"][1] + places["13"][1]) / 2
    assert (
        places["*"][1]
        == places["5"][1]
        == places["="][1]
        == places["6"][1]
        == pytest.approx(middle)
    )


def test_words_and_empty_cells():
    assert table(figures.grid([["a", "w[0]"], ["b", "c"]])) == [["a", "w[0]"], ["b", "c"]]
    assert [text for text, _ in words(figures.grid(["a", None], title="", indices=False))] == [
        "a", "", ""
    ]  # fmt: skip


def test_a_note_stands_below():
    lowest = max(words(figures.grid([1], note="zeros")), key=lambda word: word[1][1])
    assert lowest[0] == "zeros"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 2, 2)),), r"values has shape \(2, 2, 2\); expected 1 or 2 axes"),
        (([],), "expected 1 or 2 axes"),
        ((3,), "expected 1 or 2 axes"),
        (([1, 2], "inputs"), "kind is 'inputs'; expected 'input', 'weight'"),
    ],
)
def test_grids_that_cannot_be_drawn(arguments, message):
    with pytest.raises(InputError, match=message):
        figures.grid(*arguments)


def test_cells_that_are_not_there():
    with pytest.raises(InputError, match="highlight names the cell 2"):
        figures.grid([1, 2], highlight=[2])
    with pytest.raises(InputError, match=r"center names the cell \(0, 2\)"):
        figures.grid([[1, 2]], center=(0, 2))
    with pytest.raises(InputError, match="padding is -1"):
        figures.grid([1, 2], padding=-1)
    with pytest.raises(InputError, match="there is no Grid"):
        figures.grids("=")


# Lattices


def test_zeros_between_the_deltas():
    figure = figures.lattice([[5, 7], [1, 2]], stride=(2, 3))
    assert table(figure) == [list("5007"), list("0000"), list("1002")]
    assert kinds(figure).count("zero") == 12 - 4 and kinds(figure).count("padding") == 0


@pytest.mark.parametrize("padding", [1, (1,), ((1, 1),)])
def test_padding_around_a_lattice(padding):
    figure = figures.lattice([5, 7], stride=3, padding=padding)
    assert table(figure) == [list("050070")]
    assert kinds(figure).count("padding") == 2 and kinds(figure).count("zero") == 2


def test_stride_1_puts_nothing_between():
    assert table(figures.lattice([5, 7, 3])) == [list("573")]


def crosses(figure):
    return len(figure.axes[0].lines) / 2


@pytest.mark.parametrize(
    ("dz", "padding", "cut"),
    [([5, 7], ((-1, 0),), 1), ([5, 7], ((-1, -2),), 3), ([5, 7], ((2, -1),), 1), ([5, 7], 2, 0),
     ([[5, 7], [1, 2]], ((-1, 0), (0, 0)), 3), ([[5, 7], [1, 2]], ((0, 1), (0, -2)), 6)],
)  # fmt: skip
def test_negative_padding_crosses_cells_out(dz, padding, cut):
    assert crosses(figures.lattice(dz, stride=2, padding=padding)) == cut


def test_lattice_does_not_change_the_deltas():
    dz = np.array([5, 7])
    figures.lattice(dz, stride=2, padding=((-1, -1),))
    assert dz.tolist() == [5, 7]
