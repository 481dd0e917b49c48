"""Deltas with zeros put between them: what a stride makes of them on the way back."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from cnnlib.arrays import MOST, per_axis

from .grids import grid, read_pads, read_plane
from .style import Figure


def lattice(
    dz: ArrayLike,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence = 0,
    highlight: Sequence = (),
    title: str | None = None,
    note: str = "",
) -> Figure:
    """Draw deltas with `stride - 1` zeros between neighbours, and padding around them.

    Parameters
    ----------
    dz : array with 1 or 2 axes
        The deltas of one filter's outputs.
    stride : int or one int per axis
        `s` of the forward pass.
    padding : int, one int per axis or one pair per axis
        Dashed zeros around; a negative number cuts cells off, which are shown crossed out.
    highlight : sequence of index
        Cells to light; they count from the first delta.
    title, note : str
        Above and below the grid.
    """
    dz = read_plane("dz", dz)
    values, kinds = spread(dz, per_axis("stride", stride, dz.ndim, 1))
    pads = read_pads(padding, dz.ndim, -MOST)[-dz.ndim :]
    for axis, (before, after) in enumerate(pads):
        size = kinds.shape[axis]
        line = np.moveaxis(kinds, axis, 0)
        line[: max(0, -before)] = line[size - max(0, -after) :] = "cut"
    return grid(
        values,
        kinds,
        title="deltas dz" if title is None else title,
        highlight=highlight,
        padding=np.maximum(pads, 0).tolist(),
        note=note,
    )


def spread(dz: np.ndarray, stride: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Put `s-1` zeros between the deltas of each axis; returns numbers, and kinds of cells."""
    shape = [s * (size - 1) + 1 for s, size in zip(stride, dz.shape, strict=True)]
    values, kinds = np.zeros(shape, dz.dtype), np.full(shape, "zero", dtype=object)
    places = tuple(slice(None, None, s) for s in stride)
    values[places], kinds[places] = dz, "delta"
    return values, kinds
