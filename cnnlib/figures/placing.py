"""A kernel lying on its input: one number of a convolution, seen as the sum that it is.

Three lenses on one table. `placement` lays the kernel on the input for one output,
`delta_placement` lays it on the deltas for one input, `weight_placement` lays the deltas on the
input for one weight. Where a cell lies is asked of `geometry.Axis.input` each time.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..convolution import conv, conv_delta, conv_weight_gradient
from ..errors import InputError
from ..geometry import Axis, Window
from .cells import CELL, WIDEST, Canvas, Point, number, read_index
from .grids import GAP, HEAD, Grid, draw
from .lattices import spread
from .style import Figure

Cell = tuple[int, ...]


@dataclass(frozen=True)
class Lens:
    """What one picture says: a grid, what lies on it, the grids beside it, and the sum."""

    base: Grid
    tags: dict[Cell, str]
    tag_kind: str
    mark: Cell | None
    sides: tuple[Grid, ...]
    total: str


def placement(x, w, output, *, b: float = 0, mark_center: bool = False, **geometry) -> Figure:
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
        stride, dilation, padding, center, flip: as in `cnnlib.conv`.
    """
    return _figure([_forward(x, w, output, b, mark_center, geometry)])


def placements(
    x, w, outputs: Sequence, *, b: float = 0, mark_center: bool = False, **geometry
) -> Figure:
    """Draw `placement` for several outputs, one after the other, without repeating the kernel."""
    lenses = [_forward(x, w, output, b, mark_center, geometry) for output in outputs]
    short = [Lens(a.base, a.tags, a.tag_kind, a.mark, a.sides[1:], a.total) for a in lenses]
    return _figure(short)


def delta_placement(dz, w, input_shape, cell, **geometry) -> Figure:
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
    dz, w = np.asarray(dz), np.asarray(w)
    window, axes, p = _lay(w.shape, np.atleast_1d(input_shape), cell, "cell", geometry)
    P = tuple(axis.inputs for axis in axes)
    dx = conv_delta(_wide(dz), _wide(w), (1, *P, 1), **geometry)[0, ..., 0]
    values, kinds = spread(dz, window.stride)
    # s*i = p - input(0, u): the place of output i among the zeros.
    lying = {
        tuple(q - axis.input(0, v) for axis, q, v in zip(axes, p, u, strict=True)): u
        for u in np.ndindex(w.shape)
    }
    pads = []
    for axis, size in zip(axes, values.shape, strict=True):
        ends = [axis.input(0, 0), axis.input(0, axis.kernel - 1)]
        pads.append((max(0, max(ends)), max(0, axis.inputs - min(ends) - size)))
    s = np.array(window.stride)
    terms = [
        (w[u], dz[tuple(np.array(q) // s)])
        for q, u in sorted(lying.items(), key=lambda pair: pair[1])
        if _inside(q, values.shape) and kinds[q] == "delta"
    ]
    turned = w[(slice(None, None, -1 if not window.flip else 1),) * w.ndim]
    return _figure(
        [
            Lens(
                Grid(values, kinds, "deltas dz", padding=tuple(pads)),
                {q: number(w[u]) for q, u in lying.items()},
                "weight",
                None,
                (
                    Grid(turned, "weight", "w" if window.flip else "w, rotated", indices=False),
                    Grid(dx, "delta", "dx", highlight=[p]),
                ),
                _total("dx", p, terms),
            )
        ]
    )


def weight_placement(x, dz, kernel, weight, **geometry) -> Figure:
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
    x, dz = np.asarray(x), np.asarray(dz)
    U = tuple(int(size) for size in np.atleast_1d(kernel))
    axes = Window(U, **geometry).axes(x.shape)
    u = _index("weight", weight, U)
    dw = conv_weight_gradient(_wide(x), _wide(dz), U, **geometry)[0, ..., 0]
    lying = {
        tuple(axis.input(j, v) for axis, j, v in zip(axes, i, u, strict=True)): i
        for i in np.ndindex(dz.shape)
    }
    terms = [(x[p], dz[i]) for p, i in lying.items() if _inside(p, x.shape)]
    return _figure(
        [
            Lens(
                Grid(x, "input", padding=_pads(axes)),
                {p: number(dz[i]) for p, i in lying.items()},
                "delta",
                None,
                (Grid(dz, "delta", indices=False), Grid(dw, "weight", "dw", highlight=[u])),
                _total("dw", u, terms),
            )
        ]
    )


def _forward(x, w, output, b: float, mark_center: bool, geometry: dict) -> Lens:
    x, w = np.asarray(x), np.asarray(w)
    window, axes, _ = _lay(w.shape, x.shape, None, "", geometry)
    z = conv(_wide(x), _wide(w), [b], **geometry)[0, ..., 0]
    i = _index("output", output, z.shape)
    lying = {
        tuple(axis.input(j, v) for axis, j, v in zip(axes, i, u, strict=True)): u
        for u in np.ndindex(w.shape)
    }
    terms = [(w[u], x[p]) for p, u in lying.items() if _inside(p, x.shape)]
    center = _center(window, axes) if mark_center or window.center is not None else None
    at_center = [p for p, u in lying.items() if u == center]
    return Lens(
        Grid(x, "input", padding=_pads(axes)),
        {p: number(w[u]) for p, u in lying.items()},
        "weight",
        at_center[0] if at_center else None,
        (Grid(w, "weight", center=center), Grid(z, "output", highlight=[i])),
        _total("z", i, terms, b),
    )


def _lay(U, P, cell, name: str, geometry: dict) -> tuple[Window, tuple[Axis, ...], Cell]:
    """The window, its axes on an input of shape `P`, and a cell of that input."""
    window = Window(U, **geometry)
    axes = window.axes(tuple(int(size) for size in P))
    return window, axes, () if cell is None else _index(name, cell, tuple(P))


def _center(window: Window, axes: Sequence[Axis]) -> Cell | None:
    """The weight on the output's own place, also where a padding was given (chapter 2)."""
    if window.center is not None:
        return window.center
    own = [[u for u in range(axis.kernel) if axis.input(0, u) == 0] for axis in axes]
    return tuple(u[0] for u in own) if all(own) else None


def _pads(axes: Sequence[Axis]) -> tuple[tuple[int, int], ...]:
    return tuple((max(0, axis.before), axis.after) for axis in axes)


def _inside(p: Cell, shape: Sequence[int]) -> bool:
    return all(0 <= q < size for q, size in zip(p, shape, strict=True))


def _index(name: str, index, shape: Cell) -> Cell:
    """A cell of an array of this shape, of as many numbers as it has axes."""
    if np.size(index) != len(shape):
        raise InputError(f"{name} is {index!r}; expected {len(shape)} integers, one for each axis")
    return read_index(name, index, (1, *shape)[-2:])[-len(shape) :]


def _wide(a: np.ndarray) -> np.ndarray:
    """The array with the axes of a single sample or filter, and of a single channel."""
    return a[None, ..., None]


def _total(name: str, cell: Cell, terms: Sequence[tuple], b: float = 0) -> str:
    parts = [f"{_factor(m)}×{_factor(n)}" for m, n in terms] + ([_factor(b)] if b else [])
    value = sum(m * n for m, n in terms) + b
    at = ",".join(map(str, cell))
    middle = f" = {' + '.join(parts)}" if parts else ""
    return f"{name}[{at}]{middle} = {number(value)}"


def _factor(value) -> str:
    return f"({number(value)})" if value < 0 else number(value)


def _figure(lenses: Sequence[Lens]) -> Figure:
    """All lenses from left to right, in as many rows as they need."""
    canvas, widest = Canvas(), WIDEST / CELL
    left = top = bottom = 0.0
    for lens in lenses:
        right, low = _draw(canvas, lens, (left, top))
        bottom, width = max(bottom, low), right - left
        left = right + 1.5 * GAP
        if left + width > widest:  # the next one is as wide as this one
            left, top = 0.0, bottom + HEAD + 0.7
    return canvas.finish()


def _draw(canvas: Canvas, lens: Lens, corner: Point) -> tuple[float, float]:
    """Draw one lens; returns its right and its lower end."""
    placed = draw(canvas, lens.base, corner, lens.tags, lens.tag_kind)
    if lens.mark is not None:
        canvas.dot(placed.at(lens.mark))
    right, bottom = placed.right, placed.bottom
    for side in lens.sides:
        placed = draw(canvas, side, (right + GAP, corner[1]))
        right, bottom = placed.right, max(bottom, placed.bottom)
    width = int((right - corner[0]) * CELL / 0.075)
    lines = textwrap.wrap(lens.total, width, subsequent_indent="   ")
    for line in lines:
        bottom += 0.5
        canvas.text((corner[0], bottom), line, align="left", size=9)
    return right, bottom
