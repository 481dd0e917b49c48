"""A kernel lying on its input: one number of a convolution, seen as the sum that it is.

Three lenses on one table. `placement` lays the kernel on the input for one output,
`delta_placement` lays it on the deltas for one input, `weight_placement` lays the deltas on the
input for one weight. Where a cell lies is asked of `geometry.Axis.input` each time.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnnlib.arrays import count_axes, read_number, read_shape, read_truth
from cnnlib.convolution import conv, conv_delta, conv_weight_gradient
from cnnlib.errors import InputError, shown
from cnnlib.geometry import BORDERS, Axis, Window

from .cells import read_index
from .grids import Grid, read_plane
from .lattices import spread
from .lenses import Cell, Lens, draw_lenses, total
from .style import Figure


def placement(
    x: ArrayLike,
    w: ArrayLike,
    output: int | Sequence[int],
    *,
    b: float = 0,
    mark_center: bool = False,
    **geometry: Any,
) -> Figure:
    """Draw the kernel on the input for one output: input, kernel, output, and the sum.

    Parameters
    ----------
    x, w : array with 1 or 2 axes
        One channel of one image, and one kernel for it.
    output : index
        The output to compute: an integer for one axis, a pair for two.
    b : float
        The bias.
    mark_center : bool
        Put a dot on the kernel's centre. A centre that is given is always marked.
    geometry
        stride, dilation, padding, center, flip, border: as in `cnnlib.conv`.
    """
    return draw_lenses([output_lens(x, w, output, b=b, mark_center=mark_center, **geometry)])


def output_lens(
    x: ArrayLike,
    w: ArrayLike,
    output: int | Sequence[int],
    *,
    b: float = 0,
    mark_center: bool = False,
    **geometry: Any,
) -> Lens:
    """The lens of `placement`, to be drawn with others."""
    b = read_number("b", b)
    base, kernel, z = _forward(x, w, b, mark_center, geometry)
    return _at_output(base, kernel, z, output, b, geometry)


def placements(
    x: ArrayLike,
    w: ArrayLike,
    outputs: Sequence,
    *,
    b: float = 0,
    mark_center: bool = False,
    **geometry: Any,
) -> Figure:
    """Draw `placement` for several outputs, one after the other, without the kernel's grid."""
    b = read_number("b", b)
    base, kernel, z = _forward(x, w, b, mark_center, geometry)
    if not isinstance(outputs, list | tuple) or not outputs:
        raise InputError(f"outputs is {shown(outputs)}; expected a list of outputs, one at least")
    lenses = [_at_output(base, kernel, z, output, b, geometry) for output in outputs]
    return draw_lenses(
        [Lens(a.base, a.tags, a.tag_kind, a.sides[1:], a.total, a.mark) for a in lenses]
    )


def delta_placement(
    dz: ArrayLike,
    w: ArrayLike,
    input_shape: Sequence[int],
    cell: int | Sequence[int],
    **geometry: Any,
) -> Figure:
    """Draw what one input owes: the kernel on the deltas, with the zeros between them.

    Parameters
    ----------
    dz, w : array with 1 or 2 axes
        The deltas of one filter's outputs, and one channel of its kernel.
    input_shape : int or tuple of int
        Spatial shape of the input.
    cell : index
        The input cell.
    geometry
        stride, dilation, padding, center, flip: as in the forward pass.
    """
    dz, w = read_plane("dz", dz), read_plane("w", w)
    P = read_shape("input_shape", input_shape)
    window = Window(w.shape, **geometry)
    axes = window.axes(P)
    dx = conv_delta(_wide(dz), _wide(w), (1, *P, 1), **geometry)[0, ..., 0]
    p = _index("cell", cell, P)
    values, kinds = spread(dz, window.stride)
    # Output i, which stands at s*i among the zeros, meets p through u where p = s*i + input(0, u).
    places = {
        tuple(q - axis.input(0, v) for axis, q, v in zip(axes, p, u, strict=True)): u
        for u in np.ndindex(w.shape)
    }
    terms = [
        (w[u], values[place])
        for place, u in places.items()
        if _inside(place, values.shape) and kinds[place] == "delta"
    ]
    sides = []
    for axis, size in zip(axes, values.shape, strict=True):
        ends = axis.input(0, 0), axis.input(0, axis.kernel - 1)
        sides.append((max(0, max(ends)), max(0, axis.inputs - min(ends) - size)))
    turned = w if window.flip else np.flip(w)
    return draw_lenses(
        [
            Lens(
                Grid(values, kinds, "deltas dz", padding=tuple(sides)),
                {place: w[u] for place, u in places.items()},
                "weight",
                (
                    Grid(turned, "weight", "w" if window.flip else "w, rotated", indices=False),
                    Grid(dx, "delta", "dx", highlight=[p]),
                ),
                total("dx", p, terms),
            )
        ]
    )


def weight_placement(
    x: ArrayLike, dz: ArrayLike, kernel: Sequence[int], weight: int | Sequence[int], **geometry: Any
) -> Figure:
    """Draw what one weight owes: the deltas on the input, each on the cell it met through it.

    Parameters
    ----------
    x, dz : array with 1 or 2 axes
        One channel of one image, and the deltas of one filter's outputs.
    kernel : int or tuple of int
        Spatial shape of the kernel.
    weight : index
        The weight.
    geometry
        stride, dilation, padding, center, flip: as in the forward pass.
    """
    x, dz, U = read_plane("x", x), read_plane("dz", dz), read_shape("kernel", kernel)
    axes = Window(U, **geometry).axes(x.shape)
    dw = conv_weight_gradient(_wide(x), _wide(dz), U, **geometry)[0, ..., 0]
    u = _index("weight", weight, U)
    places = {met(axes, i, u): i for i in np.ndindex(dz.shape)}
    return draw_lenses(
        [
            Lens(
                Grid(x, "input", padding=pads(axes), border=axes[0].border),
                {p: dz[i] for p, i in places.items()},
                "delta",
                (Grid(dz, "delta"), Grid(dw, "weight", "dw", highlight=[u])),
                total("dw", u, [(x[q], dz[i]) for p, i in places.items() if (q := named(axes, p))]),
            )
        ]
    )


def _forward(
    x: ArrayLike, w: ArrayLike, b: float, mark_center: bool, geometry: dict
) -> tuple[Grid, Grid, np.ndarray]:
    """The grids of the input and the kernel, and the outputs."""
    x, w = read_plane("x", x), read_plane("w", w)
    window = Window(w.shape, **geometry)
    axes = window.axes(x.shape)
    z = conv(_wide(x), _wide(w), [b], **geometry)[0, ..., 0]
    center = window.center
    if read_truth("mark_center", mark_center) and center is None:
        # A padding is a centre too: the weight that lies on the output's own place, s*i.
        own = [[u for u in range(axis.kernel) if axis.input(0, u) == 0] for axis in axes]
        center = tuple(u[0] for u in own) if all(own) else None
    base = Grid(x, "input", padding=pads(axes), border=window.border)
    return base, Grid(w, "weight", center=center), z


def _at_output(
    base: Grid, kernel: Grid, z: np.ndarray, output: int | Sequence[int], b: float, geometry: dict
) -> Lens:
    """The kernel on the input for one output."""
    x, w = base.values, kernel.values
    axes = Window(w.shape, **geometry).axes(x.shape)
    i = _index("output", output, z.shape)
    places = {met(axes, i, u): u for u in np.ndindex(w.shape)}
    return Lens(
        base,
        {p: w[u] for p, u in places.items()},
        "weight",
        (kernel, Grid(z, "output", highlight=[i])),
        total("z", i, [(w[u], x[q]) for p, u in places.items() if (q := named(axes, p))], b),
        None if kernel.center is None else met(axes, i, kernel.center),
    )


def met(axes: Sequence[Axis], i: Cell, u: Cell) -> Cell:
    """The input that output `i` meets through weight `u`, perhaps in the padding."""
    return tuple(axis.input(j, v) for axis, j, v in zip(axes, i, u, strict=True))


def named(axes: Sequence[Axis], p: Cell) -> Cell | None:
    """The input that a cell stands for: itself, or beside the input what the border repeats."""
    cell = tuple(int(BORDERS[axis.border](q, axis.inputs)) for axis, q in zip(axes, p, strict=True))
    return cell if _inside(cell, [axis.inputs for axis in axes]) else None


def together(pairs: Iterable[tuple[Cell, Any]]) -> dict[Cell, Any]:
    """What lies on each cell; a border lets an output meet an input through several weights."""
    tags: dict[Cell, Any] = {}
    for cell, value in pairs:
        tags[cell] = f"{tags[cell]}{value:+g}" if cell in tags else value
    return tags


def pads(axes: Sequence[Axis]) -> tuple[tuple[int, int], ...]:
    """How much padding is read before and after, on each axis."""
    return tuple((max(0, axis.before), axis.after) for axis in axes)


def _inside(p: Cell, shape: Sequence[int]) -> bool:
    return all(0 <= q < size for q, size in zip(p, shape, strict=True))


def _index(name: str, index: int | Sequence[int], shape: Cell) -> Cell:
    """A cell of an array of this shape, of as many numbers as it has axes."""
    if count_axes(index) != len(shape):
        raise InputError(
            f"{name} is {shown(index)}; expected {len(shape)} integers, one for each axis"
        )
    return read_index(name, index, (1, *shape)[-2:])[-len(shape) :]


def _wide(a: np.ndarray) -> np.ndarray:
    """The array with the axes of a single sample or filter, and of a single channel."""
    return a[None, ..., None]
