"""Measured speed: every mark at its time, every program under its roof."""

import numpy as np
import pytest

from cnnlib.book import figures

TIMES = {"small": {"loops": 500.0, "blocks": 0.2}, "large": {"blocks": 0.04, "library": 0.05}}


def marks(figure):
    """The marks of each series, as (name, horizontal places, vertical places)."""
    (axes,) = figure.axes
    lines = [line for line in axes.get_lines() if line.get_linestyle() == "None"]
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in lines}


def test_a_ladder_has_a_row_for_each_program_in_order():
    figure = figures.ladder(TIMES, xlabel="ns")
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["loops", "blocks", "library"]
    assert marks(figure) == {"small": ([500.0, 0.2], [0, 1]), "large": ([0.04, 0.05], [1, 2])}
    low, high = axes.get_ylim()
    assert low > high  # the first row on top
    assert axes.get_xscale() == "log" and axes.get_xlabel() == "ns"


def test_a_ladder_says_what_is_missing():
    (axes,) = figures.ladder(TIMES, xlabel="ns", missing="no library").axes
    assert axes.get_xlabel() == "ns\nno library"


def test_marks_of_series_differ_in_more_than_a_colour():
    (axes,) = figures.ladder({str(n): {"a": 1.0} for n in range(5)}).axes
    assert len({line.get_marker() for line in axes.get_lines()}) == 5


@pytest.fixture
def roofs():
    points = {"im2col": [(16, 12.0), (64, 30.0)], "blocks": [(20, 20.0)]}
    return figures.roofline(32.0, {"near": 4.0, "far": 1.0}, points)


def test_programs_lie_where_they_were_measured(roofs):
    assert marks(roofs) == {"im2col": ([16, 64], [12.0, 30.0]), "blocks": ([20], [20.0])}


def test_roofs_are_slopes_up_to_the_peak(roofs):
    (axes,) = roofs.axes
    drawn = {line.get_label(): line for line in axes.get_lines() if line.get_linestyle() != "None"}
    assert list(drawn) == ["roof: copying near", "roof: copying far"]
    for line, rate in zip(drawn.values(), (4.0, 1.0), strict=True):
        m, speed = line.get_xdata(), line.get_ydata()
        assert m[0] <= 32 / 4 / 2 and m[-1] >= 2 * 64  # both ends of slope and flat part are seen
        slope = m < 32 / rate
        assert np.allclose(speed[slope], m[slope] * rate) and np.allclose(speed[~slope], 32)
    assert len({line.get_linestyle() for line in drawn.values()}) == 2
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_words_of_a_roofline(roofs):
    (axes,) = roofs.axes
    assert "multiplications" in axes.get_xlabel() and "nanosecond" in axes.get_ylabel()
    (legend,) = roofs.legends
    assert [text.get_text() for text in legend.get_texts()][2:] == ["im2col", "blocks"]
