"""Connections: one line for each row of the table, from the right cell to the right cell."""

import brute
import pytest
from grid import CASES
from matplotlib.colors import to_rgb

from cnnlib.book import figures
from cnnlib.book.figures.tables import FAINT, STROKES
from cnnlib.errors import InputError

ROWS = [case for case in CASES if len(case.P) == 1 and not case.large]


def centres(figure, name, size):
    """Where the cells `name[0]`, `name[1]`, ... stand."""
    found = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    return [found[f"{name}[{m}]"] for m in range(size)]


def lines(figure, upper, lower):
    """`(i, p, line)` for each line, by the cells at its ends; `p` is None in the padding."""
    for line in figure.axes[0].lines:
        (x0, x1), (y0, y1) = line.get_data()
        assert y0 < y1
        p = [m for m, (x, _) in enumerate(upper) if x == pytest.approx(x0)]
        (i,) = [m for m, (x, _) in enumerate(lower) if x == pytest.approx(x1)]
        yield i, p[0] if p else None, line


def drawn(case_or_sizes, **keywords):
    P, U, geometry = case_or_sizes
    figure = figures.connections(P, U, **geometry, **keywords)
    (cells,) = brute.lay((P,), (U,), **geometry)
    upper, lower = centres(figure, "x", P), centres(figure, "z", len(cells))
    return list(lines(figure, upper, lower)), cells


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.name)
def test_a_line_for_each_row(case):
    found, cells = drawn((case.P[0], case.U[0], case.geometry))
    expected = [
        (i, p, u) for i, row in enumerate(cells) for u, p in enumerate(row) if 0 <= p < case.P[0]
    ]
    looks = {to_rgb(color): u for u, (color, _, _) in enumerate(STROKES)}
    by_color = [(i, p, looks[to_rgb(line.get_color())]) for i, p, line in found]
    assert sorted(by_color) == sorted((i, p, u % len(STROKES)) for i, p, u in expected)


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.name)
def test_overhang_draws_the_rows_that_do_not_exist(case):
    found, cells = drawn((case.P[0], case.U[0], case.geometry), overhang=True)
    outside = [(i, p) for i, row in enumerate(cells) for p in row if not 0 <= p < case.P[0]]
    assert len([1 for _, p, _ in found if p is None]) == len(outside)
    assert len(found) == sum(map(len, cells))


SIMPLE = 5, 3, {"stride": 2, "padding": 1}


@pytest.mark.parametrize(
    ("chosen", "lit"),
    [
        ({"input": 1}, {(0, 1), (1, 1)}),
        ({"output": 1}, {(1, 1), (1, 2), (1, 3)}),
        ({"weight": 0}, {(1, 1), (2, 3)}),
        ({"input": 1, "output": 0}, {(0, 1)}),
    ],
)
def test_one_input_output_or_weight_is_lit(chosen, lit):
    found, _ = drawn(SIMPLE, **chosen)
    faint = [line.get_color() == FAINT for _, _, line in found]
    assert {(i, p) for (i, p, _), dim in zip(found, faint, strict=True) if not dim} == lit
    names = figures.connections(5, 3, stride=2, padding=1, **chosen).axes[0].texts
    assert len([1 for text in names if text.get_text().startswith("w[")]) == len(lit)


def test_weights_are_told_apart_without_colour():
    assert len({(str(dashes), width) for _, dashes, width in STROKES}) == len(STROKES)
    assert len({color for color, _, _ in STROKES}) == len(STROKES)


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_values_in_place_of_names():
    figure = figures.connections(
        3, 2, x=[10, 20, 30], w=[-1, "b"], z=[5, 7], z_kind="delta", x_title="dx"
    )
    found = words(figure)
    assert {"10", "20", "30", "5", "7", "−1", "b", "dx", "delta dz"} <= set(found)
    assert not [word for word in found if "[" in word]
    assert found.count("−1") == found.count("b") == 2  # a name on each line


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"input": 3}, "input is 3; expected an integer from 0 to 2"),
        ({"output": -1}, "output is -1; expected at least 0"),
        ({"weight": "a"}, "weight is 'a'"),
        ({"x": [1, 2]}, "x has 2 entries; expected 3"),
        ({"z": [1, 2, 3]}, "z has 3 entries; expected 2"),
        ({"z": [1], "z_kind": "delta"}, "dz has 1 entries; expected 2"),
        ({"stride": 0}, "stride is 0"),
        ({"z_kind": "outputs"}, "kind is 'outputs'; expected 'input', 'weight'"),
    ],
)
def test_what_does_not_fit_is_refused(keywords, message):
    with pytest.raises(InputError, match=message):
        figures.connections(3, 2, **keywords)
