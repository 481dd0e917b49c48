"""Curves: every line with its values and its own pattern."""

import pytest

from cnnlib.book import figures


def test_curves_have_their_values_names_and_patterns():
    lines = {"one": [1, 2, 3], "two": [3, 2, 1], "three": [1, 1, 1]}
    figure = figures.curves([1, 10, 100], lines, xlabel="a", ylabel="b", title="c", log="x")
    (axes,) = figure.axes
    drawn = axes.get_lines()
    assert [line.get_label() for line in drawn] == ["one", "two", "three"]
    for line, values in zip(drawn, lines.values(), strict=True):
        assert (list(line.get_xdata()), list(line.get_ydata())) == ([1, 10, 100], values)
        assert line.get_marker() == "None"
    assert len({line.get_linestyle() for line in drawn}) == 3
    assert len({line.get_color() for line in drawn}) == 3
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("a", "b", "c")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(lines)


@pytest.mark.parametrize(
    ("log", "scales"),
    [
        ("", ("linear", "linear")),
        ("x", ("log", "linear")),
        ("y", ("linear", "log")),
        ("xy", ("log", "log")),
    ],
)
def test_logarithmic_axes(log, scales):
    (axes,) = figures.curves([1, 2], {"": [1, 2]}, log=log).axes
    assert (axes.get_xscale(), axes.get_yscale()) == scales
    assert axes.get_legend() is None


def test_markers_differ():
    (axes,) = figures.curves([1, 2], {"a": [1, 2], "b": [2, 1]}, markers=True, size=(4, 2)).axes
    markers = [line.get_marker() for line in axes.get_lines()]
    assert "None" not in markers and len(set(markers)) == 2
    assert tuple(axes.figure.get_size_inches()) == (4, 2)
