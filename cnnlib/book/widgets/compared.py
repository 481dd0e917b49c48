"""A reader's numbers beside the right ones, and where they differ."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlib.arrays import read_array

from ..figures import Grid, grids
from ..figures.cells import number
from ..figures.style import Figure

AGREE = "they agree"
NAMED = 3  # of the differing cells: the others are counted


def compared(mine: Any, right: Any) -> tuple[Figure, str]:
    """Draw both, the cells that differ lit, and say in a line where they differ.

    `right` is an array, or a Grid where its cells are of a kind.
    """
    grid = right if isinstance(right, Grid) else Grid(right, "plain")
    ours = read_array("what is right", grid.values)
    mine = read_array("yours", mine)
    off = _off(mine, ours)
    words = _words(mine, ours, off)
    kind, title = grid.kind if isinstance(grid.kind, str) else "plain", "the library's"
    note = words.partition(" at ")[0]  # the picture shows where
    library = Grid(ours, kind, grid.title or title, highlight=_off(ours, mine), note=note)
    yours = Grid(mine, kind, "yours", highlight=off)
    return grids(yours, "=" if words == AGREE else "≠", library), words


def _off(a: NDArray, b: NDArray) -> list[tuple[int, ...]]:
    """The cells of a that b does not have, or has with another number."""
    if a.ndim != b.ndim:
        return []
    common = tuple(slice(min(sizes)) for sizes in zip(a.shape, b.shape, strict=True))
    off = np.ones(a.shape, bool)
    off[common] = ~np.isclose(a[common], b[common])
    return [tuple(map(int, cell)) for cell in np.argwhere(off)]


def _words(mine: NDArray, right: NDArray, off: list[tuple[int, ...]]) -> str:
    if mine.shape != right.shape:
        return f"they differ: shape {mine.shape}, not {right.shape}"
    if not off:
        return AGREE
    named = [
        f"{list(cell)}: {number(mine[cell])}, not {number(right[cell])}" for cell in off[:NAMED]
    ]
    count = f"{len(off)} cells" if len(off) > 1 else "one cell"
    more = [f"and {len(off) - NAMED} more"] if len(off) > NAMED else []
    return f"they differ in {count} at {'; '.join([*named, *more])}"
