"""A table of yes and no: which check notices which mistake."""

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlib.arrays import read_kind, read_word
from cnnlib.errors import InputError, shown

from .cells import read_line
from .style import INK, PALETTE, Figure, new_figure, styled, tint

_SIDE = 0.23  # inches of a cell
_MARGIN = 1.35  # for the names of the rows


def matrix(
    table: Mapping[str, Mapping[str, bool | None]], rows: Sequence[str], columns: Sequence[str]
) -> Figure:
    """Draw `table[column][row]`: a filled square for True, an open one for False, none for None.

    Parameters
    ----------
    table : mapping of mappings
        What stands in each column, by the names of the rows.
    rows, columns : sequence of str
        Which of them are drawn, in this order.
    """
    read_kind("table", table, Mapping, "table[column][row]")
    for name, names in (("rows", rows), ("columns", columns)):
        if not isinstance(names, list | tuple):
            raise InputError(f"{name} is {shown(names)}; expected a list of names")
        for entry in names:
            read_line(f"an entry of {name}", entry)
    for column in columns:
        read_word("an entry of columns", column, table)
    width, height = _MARGIN + _SIDE * len(columns), _SIDE * (len(rows) + 2)
    with styled():
        figure = new_figure(width, height)
        figure.set_layout_engine("none")  # the cells have a size of their own
        axes = figure.add_axes((_MARGIN / width, 0, 1 - _MARGIN / width, 1))
        axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -2.5))
        axes.set_axis_off()
        for m, column in enumerate(columns):
            axes.text(m, -0.7, column, rotation=90, ha="center", va="bottom", size=7.5, color=INK)
            for n, row in enumerate(rows):
                seen = table[column].get(row)
                if seen is not None:
                    _square(axes, m, n, seen)
        for n, row in enumerate(rows):
            axes.text(-0.8, n, row, ha="right", va="center", size=8.5, color=INK)
    return figure


def _square(axes: Any, m: int, n: int, seen: bool) -> None:
    """A cell that was noticed is filled; one that was not is small and open."""
    from matplotlib.patches import Rectangle

    half = 0.42 if seen else 0.25
    face = PALETTE["input"] if seen else tint(PALETTE["delta"], 0.15)
    edge = PALETTE["input"] if seen else PALETTE["delta"]
    corner = m - half, n - half
    look: dict[str, Any] = dict(facecolor=face, edgecolor=edge, linewidth=0.9)
    axes.add_patch(Rectangle(corner, 2 * half, 2 * half, **look))
