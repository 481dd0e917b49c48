"""The layer's sums, open to mistakes.

Every quantity of the layer is a sum over the rows `(i, u, p)` of the connection table (chapter 1).
A mistake changes which rows there are, what a row multiplies, how the terms are added, or what
becomes of the result: it is a `Switch`. `wrong` makes one mistake or several at once. The diagnosis
compares a reader's numbers with them, the clinic shows them, `make mutants` plants them.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from cnnlib.geometry import Axis, Pads

_STAGES = ("axes", "rows", "arrays", "sum", "result")  # the order in which switches act


class DoesNotFit(Exception):
    """The mistake cannot be made with these shapes: a program that makes it raises."""


class Sum:
    """One quantity of the layer as the sum that it is, open to changes until `result` adds it up.

    Row `r` joins output `i[:, r]`, weight `u[:, r]` and input `p[:, r]`, one line for each axis.
    Rows that leave the input are kept until the end: a mistake may move them inside.
    """

    def __init__(
        self,
        quantity: str,
        axes: Sequence[Axis],
        pads: Pads,
        *,
        x: np.ndarray | None = None,
        w: np.ndarray | None = None,
        b: np.ndarray | None = None,
        dz: np.ndarray | None = None,
    ) -> None:
        self.quantity, self.axes, self.pads = quantity, list(axes), pads
        self.x: Any = x
        self.w: Any = w
        self.b: Any = b
        self.dz: Any = dz
        self.samples = slice(None)  # those that are added up
        self.overwrites = False  # = where += belongs
        self.after: list[Callable[[np.ndarray], np.ndarray]] = []

    def lay(self) -> None:
        """List the rows of the axes as they now are, and the spatial shape of the result."""
        self.i, self.u, self.p = _rows(tuple(self.axes))
        name = {"z": "outputs", "dx": "inputs", "dw": "kernel", "db": "outputs"}[self.quantity]
        self.shape = [getattr(axis, name) for axis in self.axes]

    @property
    def target(self) -> np.ndarray:
        """Where the term of each row goes."""
        return {"z": self.i, "dx": self.p, "dw": self.u}[self.quantity]

    def terms(self, *, apart: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The flat target of each row, and its terms: (rows, N, K), (rows, N, C) or (rows, K, C).

        With `apart`, terms that a row adds over channels, filters or samples are rows of their own.
        """
        sides = {"z": ("w", "x"), "dx": ("w", "dz"), "dw": ("x", "dz")}[self.quantity]
        arrays = {name: self._of_samples(name) for name in sides}
        index = {"x": self.p, "w": self.u, "dz": self.i}
        inside = _within(self.target, self.shape)
        for name, array in arrays.items():
            inside &= _within(index[name], array.shape[1:-1])
        taken = [array[:, *index[name][:, inside]] for name, array in arrays.items()]
        letters = {"x": "nrc", "w": "krc", "dz": "nrk"}
        out = {"z": "rnkc", "dx": "rnck", "dw": "rkcn"}[self.quantity]
        inputs = ",".join(letters[name] for name in sides)
        products = np.einsum(f"{inputs}->{out}", *taken)
        flat = np.ravel_multi_index(tuple(self.target[:, inside]), self.shape)
        if apart:
            added = products.shape[-1]
            apart_first = np.moveaxis(products, -1, 1)
            return np.repeat(flat, added), apart_first.reshape(-1, *products.shape[1:-1])
        return flat, products.sum(axis=-1)

    def _of_samples(self, name: str) -> np.ndarray:
        """An array, without the samples that are not added up."""
        array: np.ndarray = getattr(self, name)
        return array if name == "w" else array[self.samples]

    def result(self) -> np.ndarray:
        """Add up what the rows now say."""
        if self.quantity == "db":
            dz = self._of_samples("dz").reshape(-1, self.dz.shape[-1])
            total = dz[-1] if self.overwrites else dz.sum(axis=0)
        else:
            flat, terms = self.terms()
            sums = np.zeros((math.prod(self.shape), *terms.shape[1:]))
            if self.overwrites:
                sums[flat] = terms
            else:
                np.add.at(sums, flat, terms)
            total = np.moveaxis(sums, 0, 1).reshape(terms.shape[1], *self.shape, terms.shape[2])
            if self.quantity == "z" and self.b is not None:
                total = total + self.b
        for change in self.after:
            total = change(total)
        return total


@lru_cache(maxsize=256)
def _rows(axes: tuple[Axis, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rows of these axes; nobody may write into them, since others get them too."""
    sizes = [axis.outputs * axis.kernel for axis in axes]
    if min(sizes) < 1:
        raise DoesNotFit("no output is left")
    along = [np.indices((a.outputs, a.kernel)).reshape(2, -1) for a in axes]
    pick = np.indices(sizes).reshape(len(sizes), -1)
    i = np.array([iu[0][rows] for iu, rows in zip(along, pick, strict=True)])
    u = np.array([iu[1][rows] for iu, rows in zip(along, pick, strict=True)])
    p = np.array([a.input(at, by) for a, at, by in zip(axes, i, u, strict=True)])
    for array in (i, u, p):
        array.setflags(write=False)
    return i, u, p


def _within(index: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    limits = np.array(shape).reshape(-1, 1)
    return np.all((0 <= index) & (index < limits), axis=0)


Change = Callable[[Sum], None]  # of a sum, in place


@dataclass(frozen=True)
class Switch:
    """One way of making one mistake: `ids` are the entries of the catalogue with this result."""

    quantity: str
    ids: tuple[str, ...]
    stage: str
    name: str
    words: str  # how it is made
    change: Change = field(repr=False)
    side: str = ""  # a sentence, where it is made on one side only


def wrong(
    quantity: str,
    switches: Collection[Switch],
    axes: Sequence[Axis],
    pads: Pads,
    **arrays: np.ndarray | None,
) -> Sum:
    """The sum of `quantity` with these mistakes made in it; with none of them it is right.

    Parameters
    ----------
    quantity : {'z', 'dx', 'dw', 'db'}
        Which of the layer's four sums.
    switches : collection of Switch
        Mistakes in this quantity.
    axes : sequence of Axis
        The geometry.
    pads : pairs (before, after)
        The padding that a program with this geometry has.
    **arrays
        x, w, b, dz as in `cnnlib.conv`; those that the quantity needs.

    Raises
    ------
    DoesNotFit
        A mistake cannot be made with these shapes.
    """
    s = Sum(quantity, axes, pads, **arrays)
    ordered = sorted(switches, key=lambda switch: _STAGES.index(switch.stage))
    for switch in ordered:
        if switch.stage == "axes":
            switch.change(s)
    s.lay()
    for switch in ordered:
        if switch.stage != "axes":
            switch.change(s)
    return s
