"""A mistake's picture: what it makes of a small layer, beside what is right."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np

from cnnlib.diagnosis.mistakes.sums import DoesNotFit, Switch, wrong
from cnnlib.diagnosis.mistakes.ways import ways
from cnnlib.geometry import Window

IMAGES = (2, 5, 6, 2)  # N, P, Q, C
LAYERS = (((3, 2), 1), ((3, 2), 0), ((3, 3), 1))  # kernel and padding: the first that shows it
FILTERS, STRIDE = 2, 2


@dataclass(frozen=True)
class Sides:
    """One quantity of a small layer, right and with a mistake."""

    words: str  # how the mistake is made
    quantity: str
    kernel: tuple[int, int]
    padding: int
    right: np.ndarray
    wrong: np.ndarray

    @property
    def layer(self) -> str:
        """The small layer in words."""
        of = "without padding" if not self.padding else f"padding {self.padding}"
        kernel = f"{FILTERS} filters of {self.kernel[0]} x {self.kernel[1]}"
        return f"{IMAGES[0]} images of {IMAGES[1]} x {IMAGES[2]}, {kernel}, stride {STRIDE}, {of}"

    @property
    def html(self) -> str:
        """Two tables, with what is wrong marked; of another shape only the shapes are said."""
        name = self.quantity
        if self.wrong.ndim != self.right.ndim:
            shapes = f"{name} has the shape {self.wrong.shape} and should have {self.right.shape}."
            return f"<p>{shapes}</p>"
        at = self._shown()
        tables = [
            _table(f"{name}{_place(at)}, {side}", array[at], self.right[at] if marked else None)
            for side, array, marked in (("right", self.right, False), ("wrong", self.wrong, True))
        ]
        return f'<div class="sides scroll">{"".join(tables)}</div>'

    def _shown(self) -> tuple[int | slice, ...]:
        """The first image, or filter, and channel in which something is wrong."""
        if self.right.ndim == 1:
            return (slice(None),)
        first = [(n, slice(None), slice(None), c) for n in range(2) for c in range(2)]
        found = (at for at in first if not _equal(self.right[at], self.wrong[at]))
        return next(found, first[0])


def sides(id: str) -> Iterator[Sides]:
    """The ways in which a convolution layer makes this mistake, each where it can be seen."""
    for way in ways():
        if way.id == id and way.part == "layer":
            made = (_made(way.made, *layer) for layer in LAYERS)
            seen = next((one for one in made if one and not _equal(one.right, one.wrong)), None)
            if seen:
                yield seen


def _made(switch: Switch, kernel: tuple[int, int], padding: int) -> Sides | None:
    """A quantity of the layer with this mistake; None if it cannot be made there."""
    rng = np.random.default_rng(1)
    axes = Window(kernel, STRIDE, 1, padding).axes(IMAGES[1:3])
    outputs = (IMAGES[0], *(axis.outputs for axis in axes), FILTERS)
    filters = (FILTERS, *kernel, IMAGES[3])
    arrays = {"x": IMAGES, "w": filters, "b": (FILTERS,), "dz": outputs}
    given = {name: rng.integers(-3, 6, shape).astype(float) for name, shape in arrays.items()}
    pads = ((padding, padding),) * 2
    right = wrong(switch.quantity, [], axes, pads, **given).result()
    try:
        got = wrong(switch.quantity, [switch], axes, pads, **given).result()
    except (DoesNotFit, IndexError, ValueError):
        return None
    return Sides(switch.words, switch.quantity, kernel, padding, right, np.asarray(got))


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b))


def _place(at: tuple[int | slice, ...]) -> str:
    if len(at) == 1:
        return ""
    return "[" + ", ".join(":" if isinstance(one, slice) else str(one) for one in at) + "]"


def _table(caption: str, shown: np.ndarray, right: np.ndarray | None) -> str:
    """A picture of an array; where `right` has another number, or none, the cell is marked."""
    rows = []
    for r, row in enumerate(np.atleast_2d(shown)):
        cells = [_cell(value, right, (r, c)) for c, value in enumerate(row)]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    empty = "" if shown.size else " (empty)"
    body = f"<tbody>{''.join(rows)}</tbody>"
    return f"<table><caption>{escape(caption)}{empty}</caption>{body}</table>"


def _cell(value: float, right: np.ndarray | None, at: tuple[int, int]) -> str:
    number = f"{value + 0.0:.3g}"
    if right is None:
        return f"<td>{number}</td>"
    whole = np.atleast_2d(right)
    inside = at[0] < whole.shape[0] and at[1] < whole.shape[1]
    if inside and np.isclose(whole[at], value):
        return f"<td>{number}</td>"
    return f'<td class="off">{number} ✗</td>'
