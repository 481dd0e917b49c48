"""How a sum of products is drawn: one grid lying on another, the grids beside it, and the sum."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .cells import CELL, WIDEST, Canvas, Point, number
from .grids import GAP, HEAD, Grid, draw
from .style import Figure

Cell = tuple[int, ...]
_LETTER = 0.075  # inches: a letter of the sum


@dataclass(frozen=True)
class Lens:
    """One number of a convolution: what lies on `base`, where, and what it adds up to."""

    base: Grid
    tags: dict[Cell, Any]  # the numbers that lie on cells of the base, or on its padding
    tag_kind: str
    sides: tuple[Grid, ...]
    total: str
    mark: Cell | None = None  # the cell under the kernel's centre


def draw_lenses(lenses: Sequence[Lens]) -> Figure:
    """All lenses from left to right, in as many rows as they need."""
    canvas = Canvas()
    left = top = bottom = 0.0
    for lens in lenses:
        right, low = _draw(canvas, lens, (left, top))
        bottom, width = max(bottom, low), right - left
        left = right + 1.5 * GAP
        if left + width > WIDEST / CELL:  # the next one is as wide as this one
            left, top = 0.0, bottom + HEAD + 0.7
    return canvas.finish()


def _draw(canvas: Canvas, lens: Lens, corner: Point) -> tuple[float, float]:
    """Draw one lens; returns its right and its lower end."""
    tags = {cell: number(value) for cell, value in lens.tags.items()}
    placed = draw(canvas, lens.base, corner, tags, lens.tag_kind)
    if lens.mark is not None:
        canvas.dot(placed.at(lens.mark))
    right, bottom = placed.right, placed.bottom
    left, top = right + GAP, corner[1]
    beside = sum(np.shape(side.values)[-1] + GAP for side in lens.sides)
    if right - corner[0] + beside > 1.1 * WIDEST / CELL:  # else it would be scaled down too far
        left, top = corner[0], bottom + HEAD + 0.4
    for side in lens.sides:
        placed = draw(canvas, side, (left, top))
        left = placed.right + GAP
        right, bottom = max(right, placed.right), max(bottom, placed.bottom)
    letters = int((right - corner[0]) * CELL / _LETTER)
    for line in textwrap.wrap(lens.total, letters, subsequent_indent="   "):
        bottom += 0.5
        canvas.text((corner[0], bottom), line, align="left", size=9)
    return right, bottom


def total(name: str, cell: Cell, terms: Sequence[tuple], b: float = 0) -> str:
    """The sum written out: `z[1] = 2×10 + 3×20 + 4 = 84`."""
    parts = [f"{factor(m)}×{factor(n)}" for m, n in terms] + ([factor(b)] if b else [])
    value = sum(m * n for m, n in terms) + b
    middle = f" = {' + '.join(parts)}" if terms else ""
    return f"{name}[{','.join(map(str, cell))}]{middle} = {number(value)}"


def factor(value: float) -> str:
    """A number as it stands in a product: a negative one in parentheses."""
    return f"({number(value)})" if value < 0 else number(value)
