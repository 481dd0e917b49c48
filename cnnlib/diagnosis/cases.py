"""The configurations on which somebody's layer is run: from the simplest to the most awkward."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cnnlib.errors import InputError, shown
from cnnlib.geometry import Axis, Pads, Window, per_axis

from .mistakes.sums import Sum, Switch, wrong

PerAxis = int | tuple[int, ...] | None  # a stride or a padding, None where it is not fixed

QUANTITIES = ("z", "dx", "dw", "db")

# N, (H, W), C, K, (kh, kw), stride, padding. Each line adds one difficulty to an earlier one, so
# that the first that fails says which; the last ones have several at once.
LADDER = (
    (1, (3, 3), 1, 1, (2, 2), 1, 0),
    (1, (4, 3), 1, 1, (2, 2), 1, 0),
    (1, (4, 4), 1, 1, (3, 2), 1, 0),
    (2, (3, 3), 1, 1, (2, 2), 1, 0),
    (1, (3, 3), 2, 1, (2, 2), 1, 0),
    (1, (3, 3), 1, 2, (2, 2), 1, 0),
    (1, (3, 3), 2, 2, (2, 2), 1, 0),
    (2, (4, 3), 3, 2, (2, 2), 1, 0),
    (1, (3, 3), 1, 1, (3, 3), 1, 1),
    (1, (3, 3), 1, 1, (2, 2), 1, 1),
    (1, (5, 5), 1, 1, (3, 3), 2, 0),
    (1, (6, 5), 1, 1, (3, 3), 2, 0),
    (1, (5, 7), 1, 1, (2, 2), 3, 1),
    (2, (4, 4), 1, 3, (4, 3), 1, 2),
    (2, (8, 5), 3, 2, (2, 3), 1, 1),
    (2, (7, 6), 2, 3, (3, 3), 2, 1),
    (2, (7, 6), 3, 3, (3, 3), 2, 2),
    (3, (6, 8), 2, 2, (2, 4), 3, 1),
)


@dataclass(frozen=True, eq=False)
class Case:
    """One configuration with its arrays, and what is right for it."""

    x: np.ndarray
    w: np.ndarray
    b: np.ndarray
    dz: np.ndarray
    stride: int | tuple[int, ...]  # as the reader's function gets it
    padding: int | tuple[int, ...]
    axes: tuple[Axis, ...]
    pads: Pads

    @cached_property
    def right(self) -> dict[str, np.ndarray]:
        """The four quantities."""
        return {quantity: self.sum(quantity).result() for quantity in QUANTITIES}

    def sum(self, quantity: str, switches: Sequence[Switch] = ()) -> Sum:
        """One quantity with these mistakes in it."""
        arrays = {"x": self.x, "w": self.w, "b": self.b, "dz": self.dz}
        return wrong(quantity, switches, self.axes, self.pads, **arrays)

    def arguments(self) -> tuple:
        """Copies of what the reader's function gets."""
        arrays = (a.copy() for a in (self.x, self.w, self.b, self.dz))
        return (*arrays, self.stride, self.padding)

    def seen(self, array: np.ndarray) -> np.ndarray:
        """A result in the shape in which the reader knows it."""
        return array

    @property
    def sizes(self) -> dict[str, int]:
        """The numbers that a wrong factor may consist of."""
        (N, *_, C), (K, *U, _) = self.x.shape, self.w.shape
        return {
            "N": N,
            "C": C,
            "K": K,
            "kh*kw": int(np.prod(U)),
            "oh*ow": int(np.prod(self.dz.shape[1:-1])),
            "N*oh*ow": int(np.prod(self.dz.shape[:-1])),
            "stride": self.axes[-1].stride,
            "stride^2": self.axes[-1].stride ** 2,
        }

    def __str__(self) -> str:
        (N, H, W, C), (K, kh, kw, _) = self.x.shape, self.w.shape
        return (
            f"N={N}, {H}x{W} cells, C={C}, K={K}, kernel {kh}x{kw}, stride={self.stride}, "
            f"padding={self.padding}"
        )


def ladder(stride: PerAxis, padding: PerAxis, rng: np.random.Generator) -> list[Case]:
    """The configurations, with this stride and this padding where they are given.

    Numbers are halves between -4 and 4, never 0: sums of products of halves are exact, and rounding
    to whole numbers shows.
    """
    chosen = {}
    for N, sizes, C, K, U, s, pad in LADDER:
        given = s if stride is None else stride, pad if padding is None else padding
        steps, pads = per_axis("stride", given[0], 2, 1), per_axis("padding", given[1], 2, 0)
        # Two outputs along each axis at least, however large a given stride is.
        P = tuple(
            max(size, u + step - 2 * before) if step > 1 else size
            for size, u, step, before in zip(sizes, U, steps, pads, strict=True)
        )
        # Of configurations that a given stride or padding makes equal, one is enough.
        chosen[N, P, C, K, U, steps, pads] = given
    return [_case(shape, given, rng) for shape, given in chosen.items()]


def _case(shape: tuple, given: tuple, rng: np.random.Generator) -> Case:
    N, P, C, K, U, stride, padding = shape
    window = Window(U, stride, 1, padding)
    axes = window.axes(P)
    I = tuple(axis.outputs for axis in axes)

    def halves(*size: int) -> np.ndarray:
        return rng.choice([-1, 1], size) * rng.integers(1, 9, size) / 2

    pads = tuple((before, before) for before in padding)
    x, w, b, dz = halves(N, *P, C), halves(K, *U, C), halves(K), halves(N, *I, K)
    given_stride, given_padding = given
    return Case(x, w, b, dz, given_stride, given_padding, axes, pads)


def read_setting(name: str, value: int | Sequence[int] | None, least: int) -> PerAxis:
    """Check a stride or a padding that the reader fixes: None, an integer, or a pair."""
    if value is None:
        return None
    read = per_axis(name, value, 2, least)
    if name == "padding" and max(read) > 3:
        raise InputError(
            f"padding is {shown(value)}; a diagnosis uses small images: give at most 3"
        )
    return read[0] if np.ndim(value) == 0 else read
