"""A table of yes and no: every cell is where its names are, and looks as its value."""

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from cnnlib.book import figures

TABLE = {
    "D1": {"shape": False, "mean": True, "ones": None},
    "W1": {"shape": True, "mean": False, "ones": False},
    "unused": {"shape": True, "mean": True, "ones": True},
}
ROWS, COLUMNS = ["shape", "mean", "ones"], ["D1", "W1"]


def drawn():
    (axes,) = figures.matrix(TABLE, ROWS, COLUMNS).axes
    return axes, [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def test_each_cell_lies_below_its_column_and_beside_its_row():
    axes, squares = drawn()
    names = {text.get_text(): text.get_position() for text in axes.texts}
    assert set(names) == {*ROWS, *COLUMNS}
    places = {tuple(np.round(square.get_center(), 6)): square for square in squares}
    wanted = {
        (names[column][0], names[row][1]): TABLE[column][row]
        for column in COLUMNS
        for row in ROWS
        if TABLE[column][row] is not None
    }
    assert set(places) == set(wanted) and len(squares) == len(wanted) == 5
    sizes = {seen: {places[at].get_width() for at, value in wanted.items() if value is seen}
             for seen in (True, False)}  # fmt: skip
    assert all(len(size) == 1 for size in sizes.values())
    assert min(sizes[True]) > 1.5 * max(sizes[False])  # told apart without colours


def test_yes_is_filled_and_no_is_open():
    _, squares = drawn()
    large = max(square.get_width() for square in squares)
    for square in squares:
        face, edge = to_rgb(square.get_facecolor()), to_rgb(square.get_edgecolor())
        if square.get_width() == large:
            assert face == edge == to_rgb(figures.PALETTE["input"])
        else:
            assert edge == to_rgb(figures.PALETTE["delta"]) and min(face) > 0.8


def test_rows_go_down_and_columns_to_the_right():
    axes, _ = drawn()
    names = {text.get_text(): text.get_position() for text in axes.texts}
    assert axes.yaxis_inverted() and not axes.xaxis_inverted()
    assert names["shape"][1] < names["mean"][1] < names["ones"][1]
    assert names["D1"][0] < names["W1"][0]


def test_it_is_drawn_without_a_warning(recwarn):
    assert len(figures.png(figures.matrix(TABLE, ROWS, COLUMNS))) > 500
    assert not recwarn.list
