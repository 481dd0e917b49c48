"""The paper that figures of cells are drawn on: one unit is one cell, y points down."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnnlib.arrays import count_axes, per_axis, read_kind, read_word
from cnnlib.errors import InputError, shown

from .style import GREY, INK, KINDS, Figure, new_figure, styled, tint

_PIXELS = 46  # of a cell: whole ones, so that all cells look alike and the file stays small
CELL = _PIXELS / 110  # inches; the style has 110 pixels to the inch
WIDEST = 7.2  # inches: a wider figure is scaled down
SIDE = 0.9  # of a cell's square, in cells
_MARGIN = 0.12  # around everything, in cells
_MOST_CELLS = 1000  # of a grid: nobody reads more

Point = tuple[float, float]
Written = float | str | None  # what stands in a cell


class Canvas:
    """Draws cells, words and lines anywhere; `finish` cuts the figure to what was drawn."""

    def __init__(self) -> None:
        self.figure = new_figure(WIDEST, WIDEST)
        self.figure.set_layout_engine("none")
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        size = WIDEST / CELL
        self.axes.set(xlim=(0, size), ylim=(size, 0))

    def cell(
        self,
        at: Point,
        value: Written,
        kind: str,
        lit: bool = False,
        tag: str | None = None,
        tag_kind: str = "weight",
    ) -> None:
        """A cell with a number or a word in it; `lit` cells are darker and their number is bold.

        `tag` is the number of another grid that lies on this cell, to be multiplied with it.
        """
        look = KINDS[read_word("kind", kind, KINDS)]
        x, y = at[0] - SIDE / 2, at[1] - SIDE / 2
        empty = kind in ("padding", "zero", "cut", "plain")
        fill = "white" if empty and not lit else tint(look.color, 0.42 if lit else 0.10)
        border: dict[str, Any] = dict(
            edgecolor=look.color,
            facecolor=fill,
            linewidth=look.width + (0.8 if lit else 0),
            linestyle=look.line,
        )
        self.rectangle((x, y), SIDE, SIDE, rounded=look.rounded, **border)
        if look.double:
            self._frame(at, SIDE - 0.18, look.color, look.width)
        if kind == "cut":
            for start, end in ((x, x + SIDE), (x + SIDE, x)):
                self.line((start, y), (end, y + SIDE), color=tint(look.color, 0.5), linewidth=1)
        text = number(value)
        self.text(
            (at[0], at[1] - (0.15 if tag else 0)),
            text,
            size=min(10, (28 if look.double else 34) / max(1, len(text))),
            color=GREY if empty and not lit else INK,
            weight="bold" if lit else "normal",
        )
        if tag:
            over = KINDS[tag_kind]
            for side in (1.0, SIDE - 0.1) if over.double else (1.0,):
                self._frame(at, side, over.color, 1.4 * over.width)
            self.text((at[0], at[1] + 0.22), f"×{tag}", size=8, box=tint(over.color, 0.35))

    def _frame(self, at: Point, side: float, color: str, width: float) -> None:
        """The border of a square around `at`, over what lies there."""
        corner = at[0] - side / 2, at[1] - side / 2
        look: dict[str, Any] = dict(fill=False, edgecolor=color, linewidth=width, zorder=2.5)
        self.rectangle(corner, side, side, **look)

    def text(
        self,
        at: Point,
        words: str,
        *,
        size: float = 10,
        color: str = INK,
        weight: str = "normal",
        align: str = "center",
        box: tuple[float, ...] | None = None,
    ) -> None:
        """Words, vertically centred on `at`; `box` is the colour of a background, if any."""
        from matplotlib.text import Text

        look = dict(facecolor=box, edgecolor="none", boxstyle="square,pad=0.12") if box else None
        self.axes.add_artist(
            Text(
                *at,
                words,
                fontsize=size,
                color=color,
                weight=weight,
                ha=align,
                va="center",
                bbox=look,
                parse_math=False,
            )
        )

    def line(self, start: Point, end: Point, **look: Any) -> None:
        """A straight line; keywords as matplotlib's."""
        from matplotlib.lines import Line2D

        (x0, y0), (x1, y1) = start, end
        self.axes.add_line(Line2D([x0, x1], [y0, y1], **look))

    def arrow(self, start: Point, end: Point, color: str = GREY) -> None:
        """An arrow from one point to another."""
        from matplotlib.patches import FancyArrowPatch

        arrow = FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=9, shrinkA=0, shrinkB=0
        )
        arrow.set(linewidth=1.1, color=color)
        self.axes.add_patch(arrow)

    def rectangle(
        self, corner: Point, width: float, height: float, *, rounded: bool = False, **look: Any
    ) -> None:
        """A rectangle from its upper left corner; keywords as matplotlib's."""
        from matplotlib.patches import FancyBboxPatch, Rectangle

        if rounded:
            box = "round,pad=0,rounding_size=0.28"
            self.axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=box, **look))
        else:
            self.axes.add_patch(Rectangle(corner, width, height, **look))

    def dot(self, at: Point) -> None:
        """The mark of a kernel's centre, in the corner of its cell."""
        place = at[0] - 0.36, at[1] - 0.36
        self.line(place, place, marker="o", markersize=4, color=INK)

    def finish(self) -> Figure:
        """Cut the figure to what was drawn, and scale it down if it is too wide."""
        from matplotlib.text import Text
        from matplotlib.transforms import Bbox

        with styled():
            drawn = [*self.axes.patches, *self.axes.lines, *self.axes.texts]
            boxes = [artist.get_window_extent() for artist in drawn]
        (left, top), (right, bottom) = self.axes.transData.inverted().transform(
            Bbox.union(boxes).get_points()
        )
        top, bottom = min(top, bottom) - _MARGIN, max(top, bottom) + _MARGIN
        left, right = left - _MARGIN, right + _MARGIN
        scale = min(_PIXELS, WIDEST / CELL * _PIXELS // (right - left)) / _PIXELS
        self.axes.set(xlim=(left, right), ylim=(bottom, top))
        self.figure.set_size_inches(scale * CELL * (right - left), scale * CELL * (bottom - top))
        for text in self.axes.findobj(Text):
            text.set_fontsize(scale * text.get_fontsize())
        return self.figure


def number(value: Written) -> str:
    """A number as short as it can be told; words pass, None is an empty cell."""
    if value is None or isinstance(value, str):
        return value or ""
    whole = abs(value) < 1e6 and value == int(value)
    text = str(int(value)) if whole else f"{value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")


def read_cells(name: str, values: ArrayLike) -> np.ndarray:
    """Numbers or words on one axis or two, as a 2-D object array; one axis is one row."""
    try:
        cells = np.asarray(values, dtype=object)
    except ValueError as error:  # rows of unequal length
        raise InputError(f"{name} is {shown(values)}: {error}") from None
    if cells.size > _MOST_CELLS:
        raise InputError(f"{name} has {cells.size} cells; a figure shows at most {_MOST_CELLS}")
    if cells.ndim not in (1, 2) or cells.size == 0:
        raise InputError(
            f"{name} has shape {cells.shape}; expected 1 or 2 axes: one channel of one sample, "
            "x[0, ..., 0]"
        )
    for cell in cells.flat:
        if not isinstance(cell, str | Real | None):
            raise InputError(f"{name} holds {shown(cell)}; expected numbers, words, or None")
    return np.atleast_2d(cells)


def read_index(name: str, index: Any, shape: Sequence[int]) -> tuple[int, int]:
    """A cell of a grid that `read_cells` made, from one integer (one row) or a pair."""
    place = per_axis(name, index, count_axes(index), 0)
    place = (0,) * (2 - len(place)) + place
    if len(place) != 2 or not all(m < size for m, size in zip(place, shape, strict=True)):
        raise InputError(f"{name} names the cell {shown(index)}; the grid has shape {tuple(shape)}")
    return place[0], place[1]


def read_line(name: str, text: Any) -> None:
    """Refuse what is no line of words, or None."""
    if text is not None:
        read_kind(name, text, str, "a line of words")
