"""The connection table of one axis, drawn as lines between inputs and outputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnlib.arrays import read_integer, read_truth, read_word
from cnnlib.errors import InputError
from cnnlib.geometry import Window

from .cells import CELL, SIDE, WIDEST, Canvas, Point, Written, number, read_cells, read_line
from .style import GREY, KINDS, Figure

_DEPTH = 3.6  # cells between the row of inputs and the row of outputs
# A colour, a dash pattern and a width for each weight; after five they start again.
STROKES = (
    ("#0072B2", "-", 1.8),
    ("#D55E00", "--", 1.8),
    ("#009E73", "-.", 2.0),
    ("#A35C8A", ":", 2.4),
    ("#1A1A1A", (0, (6, 1.5)), 1.2),
)
_WIDE = 1.55  # cells from one cell to the next, where there is room
FAINT = "#CCCCCC"


def connections(
    inputs: int,
    kernel: int,
    *,
    input: int | None = None,
    output: int | None = None,
    weight: int | None = None,
    x: Sequence | None = None,
    w: Sequence | None = None,
    z: Sequence | None = None,
    z_kind: str = "output",
    x_title: str | None = None,
    z_title: str | None = None,
    overhang: bool = False,
    **geometry: Any,
) -> Figure:
    """Draw a row of inputs, a row of outputs, and a line for each row of the connection table.

    Parameters
    ----------
    inputs, kernel : int
        The sizes `P` and `U`.
    input, output, weight : int, optional
        Light only the lines of this input, output or weight.
    x, w, z : sequence, optional
        Numbers or words for the cells and the lines, instead of their names.
    z_kind : str
        How the lower cells look: 'output' or 'delta'.
    x_title, z_title : str, optional
        Names of the rows of cells.
    overhang : bool
        Show the cells of padding and the lines to them: rows that do not exist, dotted grey.
    geometry
        stride, dilation, padding, center, flip, border: as in `cnnlib.conv`.
    """
    kernel, inputs = read_integer("kernel", kernel, 1), read_integer("inputs", inputs, 1)
    (axis,) = Window(kernel, **geometry).axes((inputs,))
    P, I, U = axis.inputs, axis.outputs, axis.kernel
    chosen = {"input": input, "output": output, "weight": weight}
    for name, size in (("input", P), ("output", I), ("weight", U)):
        if chosen[name] is not None and read_integer(name, chosen[name], 0) >= size:
            raise InputError(f"{name} is {chosen[name]}; expected an integer from 0 to {size - 1}")
    read_line("x_title", x_title)
    read_line("z_title", z_title)
    read_word("z_kind", z_kind, KINDS)
    x, w = _cells("x", x, P), _cells("w", w, U)
    z = _cells("z" if z_kind == "output" else "dz", z, I)
    canvas = Canvas()
    before, after = (
        (max(0, axis.before), axis.after) if read_truth("overhang", overhang) else (0, 0)
    )
    pitch = min(_WIDE, WIDEST / CELL / (before + P + after))
    # Output i hangs below input s*i, and the row of outputs below the middle of the inputs.
    shift = (P - 1 - axis.stride * (I - 1)) / 2
    upper = {p: (pitch * p, 0.0) for p in range(-before, P + after)}
    lower = {i: (pitch * (axis.stride * i + shift), _DEPTH) for i in range(I)}
    met = {(i, u): p for i, u, p in np.transpose(axis.rows()).tolist()}
    for i, u in np.ndindex(I, U):
        p = met.get((i, u), int(axis.input(i, u)))
        here = {"input": p, "output": i, "weight": u}
        faint = any(m is not None and here[name] != m for name, m in chosen.items())
        if (i, u) in met:
            # Lines that meet at a cell bear their names at different heights.
            share = 0.5 if U == 1 else 0.30 + 0.38 * u / (U - 1)
            _row(canvas, _down(upper[p], 1), _down(lower[i], -1), u, w[u], share, faint)
        elif overhang and not faint:
            dots = dict(color=GREY, linestyle=(0, (1, 3)), linewidth=1)
            canvas.line(_down(upper[p], 1), _down(lower[i], -1), **dots)
    for p, at in upper.items():
        inside = 0 <= p < P
        canvas.cell(at, x[p] if inside else 0, "input" if inside else "padding", p == input)
        canvas.text((at[0], at[1] - 0.7), str(p), size=7.5, color=GREY)
    for i, at in lower.items():
        canvas.cell(at, z[i], z_kind, i == output)
        canvas.text((at[0], at[1] + 0.7), str(i), size=7.5, color=GREY)
    middle = pitch * (P - 1) / 2
    head: dict[str, Any] = dict(weight="bold", size=9.5)
    canvas.text((middle, -1.2), KINDS["input"].label if x_title is None else x_title, **head)
    foot = KINDS[z_kind].label if z_title is None else z_title
    canvas.text((middle, _DEPTH + 1.2), foot, **head)
    return canvas.finish()


def _down(at: Point, sign: int) -> Point:
    """The middle of a cell's lower side, or of its upper one for sign -1."""
    return at[0], at[1] + sign * SIDE / 2


def _row(
    canvas: Canvas, start: Point, end: Point, u: int, name: Written, share: float, faint: bool
) -> None:
    """A line from an input to an output; the weight's name stands at this share of the way."""
    color, dashes, width = STROKES[u % len(STROKES)]
    look = dict(color=color, linestyle=dashes, linewidth=width)
    if faint:
        look = dict(color=FAINT, linestyle="-", linewidth=0.9)
    canvas.line(start, end, zorder=0.5 if faint else 1, **look)
    if not faint:
        at = start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
        canvas.text(at, number(name), size=8, color=color, weight="bold", box=(1, 1, 1))


def _cells(name: str, values: Sequence | None, size: int) -> list:
    """What to write: the values that were given, or the names of the cells."""
    if values is None:
        return [f"{name}[{m}]" for m in range(size)]
    rows = read_cells(name, values).tolist()
    if len(rows) != 1 or len(rows[0]) != size:
        raise InputError(f"{name} has {np.size(values)} entries; expected {size} on one axis")
    return rows[0]
