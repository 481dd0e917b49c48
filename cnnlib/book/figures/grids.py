"""Grids of numbers, one or several side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnnlib.arrays import read_array, read_truth, read_word
from cnnlib.errors import InputError, shown
from cnnlib.geometry import BORDERS, Pads, read_padding

from .cells import Canvas, Point, read_cells, read_index, read_line
from .style import GREY, KINDS, Figure

GAP = 0.9  # cells between two grids
HEAD = 1.1  # height of a grid's title and indices


@dataclass(frozen=True)
class Grid:
    """Numbers or words to draw as a grid; arguments as in `grid`."""

    values: Any
    kind: Any = "input"
    title: str | None = None
    highlight: Sequence = ()
    padding: Any = 0
    center: Any = None
    indices: bool = True
    note: str = ""
    border: str = "zeros"  # what stands in the padding

    def __post_init__(self) -> None:
        cells = read_cells("values", self.values)
        try:
            kinds = np.broadcast_to(np.asarray(self.kind, dtype=object), cells.shape)
        except ValueError:
            shape = f"expected a word, or one for each cell of {cells.shape}"
            raise InputError(f"kind is {shown(self.kind)}; {shape}") from None
        for kind in kinds.flat:
            read_word("kind", kind, KINDS)
        read_line("title", self.title)
        read_line("note", self.note)
        if not isinstance(self.highlight, list | tuple | np.ndarray):
            raise InputError(f"highlight is {shown(self.highlight)}; expected a list of cells")
        read_truth("indices", self.indices)


@dataclass(frozen=True)
class Placed:
    """Where a grid lies on the canvas: the centre of its cell (0, 0), and its outer box."""

    origin: Point
    right: float
    bottom: float

    def at(self, index: Sequence[int]) -> Point:
        """Centre of a cell; one number is a column of a single row."""
        row, column = (0, *index) if len(index) == 1 else index
        return self.origin[0] + column, self.origin[1] + row


def grid(
    values: ArrayLike,
    kind: ArrayLike = "input",
    *,
    title: str | None = None,
    highlight: Sequence = (),
    padding: int | Sequence = 0,
    center: int | Sequence[int] | None = None,
    indices: bool = True,
    note: str = "",
) -> Figure:
    """Draw a grid of numbers with the indices of its rows and columns.

    Parameters
    ----------
    values : array-like with 1 or 2 axes
        Numbers, words, or None for an empty cell. One axis is drawn as one row.
    kind : {'input', 'weight', 'output', 'delta', 'padding', 'zero', 'plain'}
        How the cells look; or one such word per cell.
    title : str, optional
        Above the grid; by default what its kind is: 'input x'.
    highlight : sequence of index
        Cells to light: integers for one axis, pairs for two.
    padding : int, one int per axis or one pair per axis
        Dashed zeros around the grid.
    center : index, optional
        The cell that gets the dot of a kernel's centre.
    indices : bool
        Whether to write the indices.
    note : str
        A line below the grid.
    """
    return grids(Grid(values, kind, title, highlight, padding, center, indices, note))


def grids(*items: Grid | str) -> Figure:
    """Draw several grids side by side; words in between are written as they are: `'*'`, `'='`."""
    if not any(isinstance(item, Grid) for item in items):
        raise InputError("there is no Grid among the items; grids(Grid(x), '*', Grid(w, 'weight'))")
    canvas, left = Canvas(), 0.0
    for item in items:
        if isinstance(item, str):
            canvas.text((left, 0), item, size=14)
            left += GAP
        else:
            rows = len(read_cells("values", item.values))
            (above, below), _ = read_pads(item.padding, np.ndim(item.values))
            height = above + rows + below
            left = draw(canvas, item, (left, -height / 2)).right + GAP
    return canvas.finish()


def draw(
    canvas: Canvas,
    item: Grid,
    corner: Point,
    tags: Mapping[tuple[int, ...], str] | None = None,
    tag_kind: str = "weight",
) -> Placed:
    """Draw one grid; `corner` is the left and upper end of its cells, titles go above it.

    `tags` are the numbers that lie on the grid's cells, also on those of its padding.
    """
    tags = {((0, *cell)[-2], cell[-1]): text for cell, text in (tags or {}).items()}
    cells = read_cells("values", item.values)
    kinds = np.broadcast_to(np.asarray(item.kind, dtype=object), cells.shape)
    one_row = np.ndim(item.values) == 1
    rows, columns = cells.shape
    (above, below), (before, after) = read_pads(item.padding, np.ndim(item.values))
    lit = {read_index("highlight", index, cells.shape) for index in item.highlight}
    space = 0.55 if item.indices and not one_row else 0  # for the indices of the rows
    origin = corner[0] + space + before + 0.5, corner[1] + above + 0.5
    placed = Placed(origin, corner[0] + space + before + columns + after, corner[1] + rows + above)
    for r in range(-above, rows + below):
        for c in range(-before, columns + after):
            there = 0 <= r < rows and 0 <= c < columns
            value, kind = (cells[r, c], kinds[r, c]) if there else (0, "padding")
            if item.border != "zeros" and not there:
                value = cells[BORDERS[item.border](r, rows), BORDERS[item.border](c, columns)]
            tag = tags.get((r, c))
            canvas.cell(placed.at((r, c)), value, kind, (r, c) in lit, tag, tag_kind)
    if item.indices:
        small: dict[str, Any] = dict(size=7.5, color=GREY)
        for c in range(-before, columns + after):
            canvas.text((placed.at((0, c))[0], corner[1] - 0.22), str(c), **small)
        for r in range(-above, rows + below) if not one_row else ():
            canvas.text((corner[0] + 0.3, placed.at((r, 0))[1]), str(r), **small)
    if item.center is not None:
        canvas.dot(placed.at(read_index("center", item.center, cells.shape)))
    title = KINDS[kinds[0, 0]].label if item.title is None else item.title
    middle = (corner[0] + space + placed.right) / 2
    head = corner[1] - (0.5 if item.indices else 0) - 0.3
    canvas.text((middle, head), title, weight="bold", size=9.5)
    foot = placed.bottom + below + 0.35
    if item.note:
        canvas.text((middle, foot), item.note, size=8, color=GREY)
    return Placed(origin, placed.right, placed.bottom + below)


def read_plane(name: str, values: ArrayLike) -> np.ndarray:
    """Read numbers on one axis or two: one channel of one image, or one kernel for it."""
    array = read_array(name, values)
    read_cells(name, array)
    return array


def read_pads(padding: Any, axes: int, least: int = 0) -> Pads:
    """Read pairs (before, after) for rows and columns; a single row has none above it."""
    pairs = read_padding(padding, axes, least)
    if padding is None or isinstance(pairs, str):
        raise InputError(f"padding is {shown(padding)}; expected integers, or one pair per axis")
    return ((0, 0),) * (2 - axes) + pairs
