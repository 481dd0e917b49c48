"""The explorer of the pools: who wins a window, and where its delta goes."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from traitlets import Any as Anything
from traitlets import TraitError, default, observe, validate

from cnnlib.arrays import float_arrays, read_truth, read_word
from cnnlib.errors import InputError, shown
from cnnlib.geometry import Shape, Window, per_axis
from cnnlib.pooling import avg_pool, avg_pool_delta, max_pool, max_pool_delta

from ..figures.cells import number
from ..figures.grids import Grid
from ..figures.lenses import Cell, Lens, draw_lenses
from ..figures.style import Figure
from .explorer import STATE, Explorer, check_size, plain_places, style
from .scripts import FrontEnd
from .traits import Read, Some, read_grid

LARGEST = 16  # cells along an axis: more than one can follow
LAYING = ("input", "window", "stride", "padding", "center", "flip")  # they say who meets whom


class PoolingExplorer(Explorer):
    """Max- and average-pooling to move: input, window, outputs and their deltas.

    Every parameter is a trait: Python reads it, sets it and observes it. What cannot be is refused
    with a `traitlets.TraitError`, and the state stays.

    Parameters
    ----------
    input : list of numbers, or list of rows
        One channel of one image, with one axis or two, at most 16 cells along each.
    pool : {'max', 'average'}
        What is kept of a window.
    window, stride, padding, center, flip, count_padding
        As in `cnnlib.max_pool` and `cnnlib.avg_pool`.
    lens : {'forward', 'delta'}
        Choose an output and see its window, or choose an input and see what it owes.
    position : list of int
        The chosen output (forward) or input (delta).
    deltas : list, optional
        The deltas of the outputs, in their shape. None, also after a geometry with another number
        of outputs, stands for 10, 20, 30 and so on.

    Examples
    --------
    >>> explorer = PoolingExplorer(input=[3, 8, 5], stride=1, lens="delta", position=[1])
    >>> explorer.alt
    'Max-pooling, window 2, stride 1. Input 1 lies in 2 windows: dx[1] = 10 + 20 = 30.'
    """

    about = "Max- and average-pooling to move: input, window, outputs and their deltas."
    _esm = FrontEnd("pooling")
    _css = style("pooling")

    input = Read(read_grid, [[1, 0, 2, 3], [4, 6, 6, 8], [3, 1, 1, 0], [1, 2, 2, 4]], LARGEST).tag(
        **STATE
    )
    pool = Read(read_word, "max", ("max", "average")).tag(**STATE)
    window = Some(2).tag(**STATE)
    stride = Anything(None).tag(**STATE)
    padding = Anything(None).tag(**STATE)
    center = Anything(None).tag(**STATE)
    flip = Read(read_truth, False).tag(**STATE)
    count_padding = Read(read_truth, False).tag(**STATE)
    lens = Read(read_word, "forward", ("forward", "delta")).tag(**STATE)
    position = Some().tag(**STATE)
    deltas = Read(read_grid, None, LARGEST).tag(**STATE)

    @default("position")
    def _first_cell(self) -> list[int]:
        return [0] * np.ndim(self.input)

    @validate(*LAYING, "position", "deltas")
    def _refuse(self, proposal: dict[str, Any]) -> Any:
        """Keep only what `cnnlib` takes, as lists and numbers."""
        name = proposal["trait"].name
        try:
            value = np.asarray(proposal["value"]).tolist()
            pooled = self._pooled(**{name: value})
            if name == "position":
                value = _read_cell(value, pooled.chosen_from)
            if name == "deltas" and value is not None and np.shape(value) != pooled.a.shape:
                raise InputError(f"deltas has shape {np.shape(value)}; expected {pooled.a.shape}")
        except InputError as error:
            raise TraitError(str(error)) from None
        except Exception as error:  # rows of unequal length, or what a foreign class raises
            raise TraitError(f"{name} is no array of numbers: {error!s:.200}") from None
        return value

    @observe(*LAYING, "lens")
    def _fit(self, _: object) -> None:
        """After another geometry: the nearest cell, and fresh deltas if there are other outputs."""
        pooled = self._pooled()
        if np.shape(self.deltas) != pooled.a.shape:
            self.deltas = None
        nearest = zip([*self.position, 0], pooled.chosen_from, strict=False)
        self.position = [min(m, size - 1) for m, size in nearest]

    def _pooled(self, **changed: Any) -> "Pooled":
        state = {name: getattr(self, name) for name in self.trait_names(state=True)}
        return Pooled(**(state | changed))

    @property
    def alt(self) -> str:
        """What the picture says: how the windows lie, and the chosen number as its sum."""
        return self._pooled().described()

    def draw(self) -> Figure:
        """A still picture of the present state, by the book's figures."""
        return draw_lenses([self._pooled().lens()])


class Pooled:
    """An explorer's state, computed forwards and backwards, and how its chosen cell is shown."""

    def __init__(
        self,
        *,
        input: ArrayLike,
        pool: str,
        window: int | Sequence[int],
        stride: int | Sequence[int] | None,
        padding: Any,
        center: int | Sequence[int] | None,
        flip: bool,
        count_padding: bool,
        lens: str,
        position: Sequence[int],
        deltas: Any,
    ) -> None:
        (self.x,) = float_arrays(input=input)
        P = self.x.shape
        self.pool, self.backward, self.position = pool, lens == "delta", position
        U = per_axis("window", window, len(P), 1)
        laid: dict[str, Any] = dict(padding=padding, center=center, flip=flip)
        laid["stride"] = U if stride is None else stride
        wide = _wide(self.x)
        if max(U) > LARGEST:
            raise InputError(
                f"window is {window!r}; the explorer draws at most {LARGEST} cells of it"
            )
        check_size(Window(U, **laid), P)
        a, winners = max_pool(wide, U, **laid)
        fresh = 10 * (1 + np.arange(a.size)).reshape(a.shape[1:-1])
        (self.da,) = float_arrays(deltas=deltas if np.shape(deltas) == fresh.shape else fresh)
        self.axes, table = Window(U, **laid).axes(P), Window(U, **laid).connections(P)
        self.met = table[["output", "input"]].tolist()  # pairs of flat places
        if pool == "max":
            dx = max_pool_delta(_wide(self.da), winners, wide.shape)
            self.sent = [(i, p, 1) for i, p in enumerate(winners.ravel().tolist())]
        else:
            laid["count_padding"] = count_padding
            a = avg_pool(wide, U, **laid)
            dx = avg_pool_delta(_wide(self.da), wide.shape, U, **laid)
            counts = np.bincount(table["output"]).tolist()
            size = math.prod(U)
            self.sent = [(i, p, size if count_padding else counts[i]) for i, p in self.met]
        self.a, self.dx = a[0, ..., 0], dx[0, ..., 0]
        self.outside: Any = "−∞" if pool == "max" else 0 if count_padding else None

    @property
    def chosen_from(self) -> Shape:
        """Shape of the grid that the chosen cell belongs to."""
        return self.x.shape if self.backward else self.a.shape

    def partners(self) -> tuple[list[int], dict[int, int]]:
        """Who shares a window with the chosen cell, and with which of them a delta passes.

        Flat places of inputs or outputs; the second with the share of the delta.
        """
        here = int(np.ravel_multi_index(self.position, self.chosen_from))
        own, other = (1, 0) if self.backward else (0, 1)
        met = sorted(row[other] for row in self.met if row[own] == here)
        return met, {row[other]: row[2] for row in self.sent if row[own] == here}

    def written(self) -> str:
        """The chosen number as what it is made of: `a[0,1] = max(2, 3, 6, 8) = 8`."""
        met, sent = self.partners()
        at = ",".join(map(str, self.position))
        if self.backward:
            shares = [_factor(self.da.flat[i]) + _over(n) for i, n in sent.items()]
            name, made, value = "dx", " + ".join(shares) or "0", self.dx[tuple(self.position)]
        else:
            name, value = "a", self.a[tuple(self.position)]
            inputs = self.x.flat[met]
            if self.pool == "max":
                made = f"max({', '.join(map(number, inputs))})"
            else:
                made = f"({' + '.join(map(_factor, inputs))}){_over(sent[met[0]])}"
        return " = ".join(dict.fromkeys([f"{name}[{at}]", made, number(value)]))

    def described(self) -> str:
        """The alternative text of the picture."""
        U, s = (
            " by ".join(map(str, n))
            for n in zip(*((a.kernel, a.stride) for a in self.axes), strict=True)
        )
        met, _ = self.partners()
        noun = ("window" if self.backward else "input") + "s" * (len(met) != 1)
        verb = "Input {} lies in" if self.backward else "Output {} meets"
        cell = plain_places(verb.format(tuple(self.position)))
        return (
            f"{self.pool.capitalize()}-pooling, window {U}, stride {s}. {cell} {len(met)} {noun}: "
            f"{self.written()}."
        )

    def lens(self) -> Lens:
        """The grids to draw. A cell that has no part in the chosen number is grey."""
        met, sent = self.partners()
        base, kind = (self.da, "delta") if self.backward else (self.x, "input")
        pads = [(0, 0) if self.backward else (max(0, a.before), a.after) for a in self.axes]
        values = np.pad(base.astype(object), pads, constant_values=self.outside)
        kinds = np.pad(np.full(base.shape, "plain", object), pads, constant_values="padding")
        places: dict[int, Cell] = {
            m: tuple(n + before for n, (before, _) in zip(_cell(m, base.shape), pads, strict=True))
            for m in met
        }
        for place in places.values():
            kinds[place] = kind
        at = tuple(self.position)
        sides = [Grid(self.a, "output", title="output a", highlight=[at])]
        if self.backward:
            sides = [
                Grid(self.x, title="input x", highlight=[at]),
                Grid(self.dx, "delta", title="dx", highlight=[at]),
            ]
        return Lens(
            Grid(
                values,
                kinds,
                title="deltas da" if self.backward else "input x",
                highlight=[places[m] for m in sent],
                indices=not np.any(pads),
            ),
            {places[m]: f"1{_over(n)}" for m, n in sent.items() if n > 1},
            "weight",
            tuple(sides),
            self.written(),
        )


def _wide(a: np.ndarray) -> np.ndarray:
    return a[None, ..., None]


def _cell(flat: int, shape: Shape) -> Cell:
    return tuple(map(int, np.unravel_index(flat, shape)))


def _factor(value: float) -> str:
    return f"({number(value)})" if value < 0 else number(value)


def _over(share: int) -> str:
    return f"/{share}" if share > 1 else ""


def _read_cell(place: Any, shape: Shape) -> list[int]:
    index = per_axis("position", place, len(shape), 0)
    if any(m >= size for m, size in zip(index, shape, strict=True)):
        raise InputError(f"position is {shown(place)}; expected a cell of a grid of shape {shape}")
    return list(index)
