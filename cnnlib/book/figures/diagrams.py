"""A network as a row of maps, with shapes and numbers of parameters."""

import math
from typing import Any

from cnnlib.arrays import read_kind
from cnnlib.geometry import Shape
from cnnlib.learning.network import Network

from .cells import CELL, WIDEST, Canvas, Point
from .style import GREY, PALETTE, Figure, tint

_TALLEST = 2.4  # cells: the side of the largest map, and the longest bar
_SHEETS = 4  # at most so many maps are drawn of a stack
_STEP = 0.15  # cells between two of them
_ARROW = 2.5  # cells for an arrow and its words
_ROW = 5.0  # cells from one row of the picture to the next


def network(network: Network) -> Figure:
    """Draw what the layers make of a sample: maps as sheets, vectors as bars.

    A stack has a sheet for each map, at most four; its shape stands below it. Above each arrow
    stand the layers, below it their number of parameters. An activation, which keeps the shape,
    shares the arrow of the layer before it.
    """
    read_kind("network", network, Network, "Network(layers, loss, ...)")
    canvas, widest = Canvas(), WIDEST / CELL
    largest = max(map(_extent, [network.input_shape, *network.shapes.values()]))
    left, middle = _stack(canvas, network.input_shape, (0, 0), largest, "input"), 0.0
    for names in _steps(network):
        shape = network.shapes[names[-1]]
        count = sum(a.size for name in names for a in network.layers[name].params.values())
        if left + _ARROW + _TALLEST > widest:
            left, middle = 0.0, middle + _ROW
        for line, name in enumerate(reversed(names)):
            canvas.text((left + _ARROW / 2, middle - 0.35 - 0.45 * line), name, size=9)
        if count:
            canvas.text((left + _ARROW / 2, middle + 0.35), f"{count} parameters", size=7)
        canvas.arrow((left + 0.15, middle), (left + _ARROW - 0.15, middle))
        left = _stack(canvas, shape, (left + _ARROW, middle), largest, "output")
    return canvas.finish()


def _steps(network: Network) -> list[list[str]]:
    """The names of the layers, those together that keep the shape and have no parameters."""
    steps: list[list[str]] = []
    shape = network.input_shape
    for name, layer in network.layers.items():
        if steps and network.shapes[name] == shape and not layer.params:
            steps[-1].append(name)
        else:
            steps.append([name])
        shape = network.shapes[name]
    return steps


def _extent(shape: Shape) -> float:
    """The longest side of a map; vectors are drawn by their logarithm and do not count."""
    return max(shape[:-1], default=1)


def _stack(canvas: Canvas, shape: Shape, at: Point, largest: float, kind: str) -> float:
    """Draw the maps of one sample, the left end of their middle at `at`; returns the right end."""
    color = PALETTE[kind]
    look: dict[str, Any] = dict(edgecolor=color, facecolor=tint(color, 0.15), linewidth=1.1)
    if len(shape) == 1:
        height = min(_TALLEST, 0.45 * math.log2(shape[0] + 1))
        canvas.rectangle((at[0], at[1] - height / 2), 0.35, height, **look)
        right, bottom = at[0] + 0.35, at[1] + height / 2
    else:
        rows, columns = shape[0] if len(shape) > 2 else 1, shape[-2]
        unit = _TALLEST / largest
        width, height = max(0.3, unit * columns), max(0.3, unit * rows)
        sheets = min(_SHEETS, shape[-1])
        shift = _STEP * (sheets - 1)
        for m in range(sheets):
            corner = at[0] + _STEP * m, at[1] - (height + shift) / 2 + _STEP * m
            canvas.rectangle(corner, width, height, **look)
        right, bottom = at[0] + width + shift, at[1] + (height + shift) / 2
    words = "×".join(map(str, shape))
    canvas.text(((at[0] + right) / 2, bottom + 0.35), words, size=8, color=GREY)
    return right
