"""The explorer of the convolution: three lenses on one connection table."""

from typing import Any

import numpy as np
from traitlets import Any as Anything
from traitlets import TraitError, default, observe, validate

from cnnlib.arrays import check_deltas, read_number, read_truth, read_word
from cnnlib.checks import Explanation, explain
from cnnlib.convolution import conv_delta
from cnnlib.errors import InputError, shown
from cnnlib.geometry import Shape, Window, per_axis

from ..figures import delta_placement, placement, weight_placement
from ..figures.grids import Grid
from ..figures.lenses import Lens, draw_lenses, total
from ..figures.style import Figure
from .explorer import STATE, Explorer, check_size, style
from .scripts import joined
from .traits import Read, read_grid

LARGEST = 10  # cells along an axis: more than one can follow
LAYING = ("stride", "dilation", "padding", "center", "flip")
QUANTITY = {"forward": "z", "delta": "dx", "weight": "dw"}


class Given(Anything):
    """Anything, but None is looked at like all else: traitlets would take it unseen."""

    allow_none = False


class ConvolutionExplorer(Explorer):
    """A convolution to move: input, kernel, output, and what flows back through them.

    One channel of one image and one kernel, with one axis or two. Every parameter is a trait:
    Python reads it, sets it and observes it. What cannot be is refused with a
    `traitlets.TraitError`, and the state stays. To change several that are valid together only,
    say `with explorer.hold_trait_notifications():`.

    Parameters
    ----------
    lens : {'forward', 'delta', 'weight'}
        Choose an output and see its sum, an input and see what it owes, or a weight.
    position : list of int
        The chosen cell of the lens's own grid: the outputs, the inputs, or the weights. By default
        the middle one. After another geometry, the nearest one that there is.
    stride, dilation, padding, center, flip
        As in `cnnlib.conv`; lists where `cnnlib.conv` takes tuples.
    input, kernel : list of numbers, or list of rows
        At most 10 cells along an axis.
    bias : float
        What is added to every output; 0 is left out of the written sum.
    deltas : list, optional
        The deltas of the outputs, in their shape. None, also after a geometry with another number
        of outputs, stands for the small integers `(5*m + 3) % 7 - 2` at flat place `m`. A reader's
        own come back with their shape.
    rotated : bool
        In the delta lens: show the deltas with the zeros between them and the rotated kernel on
        top, instead of the rows of the table.

    Examples
    --------
    >>> explorer = ConvolutionExplorer(input=[10, 20, 30], kernel=[1, 2], bias=4, position=[1])
    >>> print(explorer.explain())
    Output (1,) of sample 0, filter 0, meets 2 input cells.
    z[0,1,0] = w[0,0,0]*x[0,1,0] + w[0,1,0]*x[0,2,0] + b[0]
      = 1*20 + 2*30 + 4
      = 84
    >>> explorer.lens, explorer.position = "delta", [0]
    >>> print(explorer.explain().value)
    1.0
    >>> explorer.stride = 0
    Traceback (most recent call last):
    traitlets.traitlets.TraitError: stride is 0; expected at least 1
    """

    about = "A convolution to move: input, kernel, output, and what flows back through them."
    _esm = joined("convolution")
    _css = style("convolution")

    lens = Read(read_word, "forward", tuple(QUANTITY)).tag(**STATE)
    position = Given().tag(**STATE)
    stride = Given(1).tag(**STATE)
    dilation = Given(1).tag(**STATE)
    padding = Anything(None).tag(**STATE)
    center = Anything(None).tag(**STATE)
    flip = Read(read_truth, False).tag(**STATE)
    input = Read(
        read_grid,
        [[2, 0, 1, 3, 1], [1, 3, 2, 0, 2], [0, 1, 4, 2, 1], [3, 2, 0, 1, 0], [1, 0, 2, 3, 2]],
        LARGEST,
    ).tag(**STATE)
    kernel = Read(read_grid, [[1, 2, 0], [0, 3, -1], [-2, 0, 1]], LARGEST).tag(**STATE)
    bias = Read(read_number, 0).tag(**STATE)
    deltas = Read(read_grid, None, LARGEST).tag(**STATE)
    rotated = Read(read_truth, False).tag(**STATE)

    @default("position")
    def _middle(self) -> list[int]:
        return [size // 2 for size in self._shapes()[self.lens]]

    @validate(*LAYING, "input", "kernel", "deltas", "position")
    def _refuse(self, proposal: dict[str, Any]) -> Any:
        """Keep only what `cnnlib` takes, as numbers and lists."""
        name, value = proposal["trait"].name, proposal["value"]
        try:
            if isinstance(value, np.ndarray | tuple | list):
                value = np.asarray(value).tolist()
            shapes = self._shapes(**{name: value})
            if name == "deltas" and value is not None:
                check_deltas(name, np.asarray(value), shapes["forward"])
            if name == "position":
                shape = shapes[self.lens]
                cell = per_axis(name, value, len(shape), 0)
                if any(m >= size for m, size in zip(cell, shape, strict=True)):
                    raise InputError(f"position is {shown(value)}; the grid has shape {shape}")
                value = list(cell)
        except InputError as error:
            raise TraitError(str(error)) from None
        except ValueError as error:  # NumPy's about rows of unequal length
            raise TraitError(f"{name} is {shown(value)}: {error}") from None
        return value

    @observe(*LAYING, "input", "kernel", "lens")
    def _fit(self, _: object) -> None:
        """After another geometry: the nearest cell, and deltas for the outputs that there are."""
        shapes = self._shapes()
        if self.deltas is not None and np.shape(self.deltas) != shapes["forward"]:
            self.deltas = None
        shape = shapes[self.lens]
        place = [*self.position, 0][: len(shape)]
        self.position = [min(m, size - 1) for m, size in zip(place, shape, strict=True)]

    def _shapes(self, **changed: Any) -> dict[str, Shape]:
        """The shape of each lens's own grid: the outputs, the inputs, the weights."""
        now = {name: getattr(self, name) for name in (*LAYING, "input", "kernel")} | changed
        P, U = np.shape(now["input"]), np.shape(now["kernel"])
        window = Window(U, **{name: now[name] for name in LAYING})
        check_size(window, P)
        return {"forward": window.output_shape(P), "delta": P, "weight": U}

    def _arrays(self) -> dict[str, Any]:
        """`x`, `w`, `b` and `dz` as the functions of cnnlib take them."""
        I = self._shapes()["forward"]
        spare = (5 * np.arange(np.prod(I)) + 3) % 7 - 2
        dz = spare.reshape(I) if self.deltas is None else self.deltas
        x, w, dz = (np.asarray(a)[None, ..., None] for a in (self.input, self.kernel, dz))
        return {"x": x, "w": w, "b": [self.bias] if self.bias else None, "dz": dz}

    def _geometry(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in LAYING}

    def explain(self) -> Explanation:
        """The chosen number as the sum that it is, see `cnnlib.checks.explain`."""
        cell = (0, *self.position, 0)
        return explain(QUANTITY[self.lens], cell, **self._arrays(), **self._geometry())

    @property
    def alt(self) -> str:
        """What the picture says, in two sentences."""
        P, U = (" by ".join(map(str, np.shape(a))) for a in (self.input, self.kernel))
        kind = "Convolution" if self.flip else "Cross-correlation"
        said = self.explain()
        return (
            f"{kind} of {P} inputs with a kernel of {U}, stride {self.stride}. "
            f"{said.words} {said.name} = {said.value:.6g}."
        )

    def draw(self) -> Figure:
        """A still picture of the present state, by the book's figures."""
        arrays = self._arrays()
        x, w, dz = (arrays[name][0, ..., 0] for name in ("x", "w", "dz"))
        laid, place = self._geometry(), tuple(self.position)
        if self.lens == "forward":
            return placement(x, w, place, b=float(self.bias), mark_center=True, **laid)
        if self.lens == "weight":
            return weight_placement(x, dz, w.shape, place, **laid)
        if self.rotated:
            return delta_placement(dz, w, x.shape, place, **laid)
        rows = Window(w.shape, **laid).connections(x.shape)
        rows = rows[rows["input"] == np.ravel_multi_index(place, x.shape)]
        met = {np.unravel_index(i, dz.shape): w.flat[u] for i, u, _ in rows.tolist()}
        dx = conv_delta(dz[None, ..., None], w[None, ..., None], (1, *x.shape, 1), **laid)
        sides = Grid(w, "weight"), Grid(dx[0, ..., 0], "delta", "dx", highlight=[place])
        terms = [(value, dz[i]) for i, value in met.items()]
        return draw_lenses(
            [Lens(Grid(dz, "delta"), met, "weight", sides, total("dx", place, terms))]
        )
