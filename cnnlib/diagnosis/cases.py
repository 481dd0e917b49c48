"""The configurations on which somebody's layer is run: from the simplest to the most awkward."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from cnnlib.errors import InputError, shown
from cnnlib.geometry import Axis, Pads, Window, per_axis

from .mistakes.slopes import ACTIVATIONS, Slip
from .mistakes.sums import Change, Sum, Switch, wrong
from .settings import Facts, Setting, built, keeping

# A stride or a padding, None where it is not fixed.
PerAxis = int | tuple[int, ...] | None
Padded = PerAxis | Literal["same"]

QUANTITIES = ("z", "dx", "dw", "db")

# N, (H, W), C, K, (kh, kw), stride, padding. Each line adds one difficulty to an earlier one, so
# that the first that fails says which; the last ones have several at once. Those before the last
# are what layers with a limit still run on: a square, an exact fit, one sample, one channel.
_LADDER = (
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
    (2, (7, 7), 2, 3, (3, 3), 2, 1),
    (2, (7, 7), 3, 2, (3, 3), 2, 0),
    (2, (6, 6), 2, 2, (2, 2), 2, 0),
    (2, (7, 9), 3, 2, (3, 3), 2, 1),
    (2, (5, 4), 2, 3, (3, 3), 1, 1),
    (1, (6, 8), 2, 3, (3, 2), 2, 1),
    (2, (7, 6), 1, 2, (3, 3), 2, 1),
    (2, (6, 7), 3, 1, (3, 2), 2, 1),
    (1, (7, 5), 1, 1, (3, 3), 2, 1),
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
    padding: int | tuple[int, ...] | str
    axes: tuple[Axis, ...]
    pads: Pads
    flat: bool = field(default=False, kw_only=True)  # a single axis, along the columns of one row
    activation: str = field(default="", kw_only=True)  # inside the layer
    slip: Slip | None = field(default=None, kw_only=True)  # what is taken for its delta

    @cached_property
    def right(self) -> dict[str, np.ndarray]:
        """The four quantities."""
        return {quantity: self.sum(quantity).result() for quantity in QUANTITIES}

    def sum(self, quantity: str, switches: Sequence[Switch] = ()) -> Sum:
        """One quantity with these mistakes in it; a single row stays one."""
        if self.flat:
            switches = [replace(one, change=_beside_the_row(one)) for one in switches]
        arrays = {"x": self.x, "w": self.w, "b": self.b, "dz": self.delta}
        made = wrong(quantity, switches, self.axes, self.pads, **arrays)
        if self.activation and quantity == "z":
            made.after.append(ACTIVATIONS[self.activation][0])
        return made

    @cached_property
    def delta(self) -> np.ndarray:
        """The deltas before the activation."""
        if not self.activation:
            return self.dz
        z = replace(self, activation="").right["z"]
        f, slope = ACTIVATIONS[self.activation]
        return self.slip(z, f(z), self.dz) if self.slip else self.dz * slope(z)

    def arguments(self) -> tuple:
        """Copies of what the reader's function gets."""
        arrays = (a.copy() for a in (self.x, self.w, self.b, self.dz))
        return (*arrays, self.stride, self.padding)

    def seen(self, array: np.ndarray) -> np.ndarray:
        """A result in the shape in which the reader knows it."""
        return array[:, 0] if self.flat and array.ndim == 4 else array

    @property
    def facts(self) -> Facts:
        """The numbers of the configuration, along the axes that the reader knows."""
        axes, pads = (self.axes[1:], self.pads[1:]) if self.flat else (self.axes, self.pads)
        numbers = [(a.inputs, a.kernel, a.stride, a.dilation, a.sign) for a in axes]
        image, kernel, strides, dilations, signs = zip(*numbers, strict=True)
        C, K = self.x.shape[-1], len(self.w)
        return Facts(len(self.x), C, K, image, kernel, strides, pads, dilations, signs)

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

    @property
    def products(self) -> dict[str, int]:
        """How often a bias may be added: once for each of these."""
        sizes = self.sizes
        return {
            "2": 2,
            **{name: sizes[name] for name in ("N", "C", "K", "kh*kw")},
            "kh*kw*C": sizes["kh*kw"] * sizes["C"],
        }

    def __str__(self) -> str:
        f = self.facts
        image, kernel = ("x".join(map(str, sizes)) for sizes in (f.image, f.kernel))
        return (
            f"N={f.samples}, {image} cells, C={f.channels}, K={f.filters}, kernel {kernel}, "
            f"stride={self.stride}, padding={self.padding}"
        )


ROW = Axis(inputs=1, outputs=1, kernel=1, stride=1, dilation=1, offset=0, center=0, sign=1)


def _beside_the_row(switch: Switch) -> Change:
    """The change of this switch, after which the first axis is one row again."""

    def change(s: Sum) -> None:
        switch.change(s)
        if switch.stage == "axes":
            s.axes[0] = ROW

    return change


def true_case(case: Case) -> Case:
    """The same configuration of a true convolution."""
    flat = int(case.flat)
    f = case.facts
    axes = Window(f.kernel, f.strides, f.dilations, f.pads, flip=True).axes(f.image)
    return replace(case, axes=(*case.axes[:flat], *axes))


def ladder(
    stride: PerAxis,
    padding: Padded,
    rng: np.random.Generator,
    axes: int = 2,
    channels: int | None = None,
    limits: Sequence[Setting] = (),
) -> list[Case]:
    """The configurations, with this stride and this padding where they are given.

    They keep to the limits, and are awkward in all that the limits leave free. Numbers are halves
    between -4 and 4, never 0: sums of products of halves are exact, and rounding to whole numbers
    shows.
    """
    made: list[tuple[Facts, tuple]] = []
    for N, plane, C, K, square, s, pad in _LADDER:
        # One axis has the columns of these; the third one is short.
        P = plane[1:] if axes == 1 else (*plane, 3 + s)[:axes]
        U = square[1:] if axes == 1 else (*square, 2)[:axes]
        steps = per_axis("stride", s if stride is None else stride, axes, 1)
        before = per_axis("padding", pad if padding in (None, "same") else padding, axes, 0)
        pads = tuple((one, one) for one in before)
        facts = built(Facts(N, channels or C, K, P, U, steps, pads), limits)
        # Two outputs along each axis at least, however large a given stride is.
        numbers = zip(facts.image, facts.kernel, facts.strides, facts.pads, strict=True)
        sizes = tuple(
            max(size, u + step - sum(both)) if step > 1 else size for size, u, step, both in numbers
        )
        facts = built(replace(facts, image=sizes), limits)
        given = (
            facts.strides[0] if stride is None else stride,
            facts.pads[0][0] if padding is None else padding,
        )
        made.append((facts, given))
    kept = keeping([facts for facts, _ in made], limits)
    # Of configurations that a given stride or padding makes equal, one is enough.
    chosen = {
        facts if padding != "same" else replace(facts, pads=()): given
        for (facts, given), keeps in zip(made, kept, strict=True)
        if keeps
    }
    return [_case(facts, given, rng) for facts, given in chosen.items()]


def _case(facts: Facts, given: tuple, rng: np.random.Generator) -> Case:
    N, C, K = facts.samples, facts.channels, facts.filters or 1
    P, U = facts.image, facts.kernel
    before = tuple(one for one, _ in facts.pads)
    window = Window(U, facts.strides, 1, "same" if given[1] == "same" else before)
    axes = window.axes(P)
    I = tuple(axis.outputs for axis in axes)
    pads = facts.pads or tuple((axis.before, axis.after) for axis in axes)

    def halves(*size: int) -> np.ndarray:
        return rng.choice([-1, 1], size) * rng.integers(1, 9, size) / 2

    x, w, b, dz = halves(N, *P, C), halves(K, *U, C), halves(K), halves(N, *I, K)
    flat = len(P) == 1
    if flat:
        x, w, dz = x[:, None], w[:, None], dz[:, None]
        axes, pads = (ROW, *axes), ((0, 0), *pads)
    stride, padding = given
    return Case(x, w, b, dz, stride, padding, axes, pads, flat=flat)


def read_setting(
    name: str, value: int | Sequence[int] | str | None, least: int, axes: int = 2
) -> Any:
    """Check a stride or a padding that the reader fixes: None, an integer, one for each axis."""
    if value is None or (name == "padding" and isinstance(value, str) and value == "same"):
        return value
    read = per_axis(name, value, axes, least)
    if name == "padding" and max(read) > 3:
        raise InputError(
            f"padding is {shown(value)}; a diagnosis uses small images: give at most 3"
        )
    return read[0] if np.ndim(value) == 0 else read
