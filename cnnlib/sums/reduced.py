"""Groups and borders, each reduced to convolutions without them (chapter 10).

Filters that meet some of the channels alone are the filters of a convolution of these channels. And
rows that name an input a second time are those of a larger image, whose cells outside are copies:
what the copies owe, the input owes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cnnlib.arrays import check_memory, spatial
from cnnlib.errors import InputError
from cnnlib.geometry import BORDERS, Axis, Shape, Window

from .choice import ENGINES, Engine, choose
from .room import FREE, NUMBER


def reduce(
    method: str, window: Window, x_shape: Shape, w_shape: Shape, groups: int, name: str
) -> str | Engine:
    """An engine for a window with a border, for kernels in groups, or both.

    Raises
    ------
    InputError
        The channels and filters are none of so many groups, or there is no such method.
    """
    check_groups(x_shape, w_shape, groups, name)
    axes, K = window.axes(spatial(x_shape)), w_shape[0]
    z = x_shape[0] * math.prod(axis.outputs for axis in axes) * K
    check_memory("input and output", 4 * (math.prod(x_shape) + z), "pass fewer images at a time")
    inner, P = window, spatial(x_shape)
    framed = x_shape[0] * math.prod(map(framed_size, axes)) * x_shape[-1]
    if method == "auto" and framed * NUMBER > FREE + 16 * NUMBER * (math.prod(x_shape) + z):
        method = "loops"  # which have no frame
    if window.border != "zeros" and method != "loops":  # the loops read such rows as they are
        inner, P = without_border(window), tuple(map(framed_size, axes))
    engine = choose(method, (x_shape[0], *P, x_shape[-1] // groups), K // groups, inner)
    if groups > 1:
        engine = Grouped(engine, groups)
    return engine if inner is window else Bordered(engine)


def check_groups(x_shape: Shape, w_shape: Shape, groups: int, name: str) -> None:
    """Refuse channels and filters that cannot be in so many groups."""
    C, K = x_shape[-1], w_shape[0]
    for count, what in ((C, f"channels of {name}"), (K, "filters of w")):
        if count % groups:
            raise InputError(
                f"groups is {groups}, and the {what} are {count}; expected a multiple of {groups}: "
                "each group has as many of them"
            )
    if w_shape[-1] * groups != C:
        raise InputError(
            f"{name} has {C} channels (shape {x_shape}) but w was made for {w_shape[-1]} in each "
            f"of {groups} groups (shape {w_shape}); expected w (K, *U, C/groups), here with "
            f"{C // groups} at the end"
        )


@dataclass(frozen=True)
class Grouped:
    """An engine: as many convolutions as there are groups, each of its own channels and filters."""

    chosen: str | Engine
    groups: int

    def conv(
        self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window
    ) -> np.ndarray:
        """The forward pass: filter `k` meets the channels of its group."""
        z = np.empty((len(x), *window.output_shape(spatial(x.shape)), len(w)), x.dtype)
        for c, k in self._parts(x.shape[-1], len(w)):
            bias = None if b is None else b[k]
            z[..., k] = _engine(self.chosen).conv(x[..., c], w[k], bias, window)
        return z

    def conv_delta(
        self, dz: np.ndarray, w: np.ndarray, input_shape: Shape, window: Window
    ) -> np.ndarray:
        """The deltas: channel `c` went into the filters of its group."""
        dx, shape = np.empty(input_shape, dz.dtype), (*input_shape[:-1], w.shape[-1])
        for c, k in self._parts(input_shape[-1], len(w)):
            dx[..., c] = _engine(self.chosen).conv_delta(dz[..., k], w[k], shape, window)
        return dx

    def conv_weight_gradient(self, x: np.ndarray, dz: np.ndarray, window: Window) -> np.ndarray:
        """The weight gradient: a weight joined its own channel to its own filter."""
        C, K = x.shape[-1], dz.shape[-1]
        dw = np.empty((K, *window.kernel, C // self.groups), x.dtype)
        for c, k in self._parts(C, K):
            dw[k] = _engine(self.chosen).conv_weight_gradient(x[..., c], dz[..., k], window)
        return dw

    def _parts(self, C: int, K: int) -> Iterator[tuple[slice, slice]]:
        """The channels and the filters of each group."""
        c, k = C // self.groups, K // self.groups
        for g in range(self.groups):
            yield slice(g * c, g * c + c), slice(g * k, g * k + k)


@dataclass(frozen=True)
class Bordered:
    """An engine: the sums over a larger image, whose cells outside are copies."""

    chosen: str | Engine

    def conv(
        self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window
    ) -> np.ndarray:
        """The forward pass over the larger image."""
        x = framed(x, window.axes(spatial(x.shape)))
        return _engine(self.chosen).conv(x, w, b, without_border(window))

    def conv_delta(
        self, dz: np.ndarray, w: np.ndarray, input_shape: Shape, window: Window
    ) -> np.ndarray:
        """The deltas of the larger image; those of the copies go to the cells that were copied."""
        axes = window.axes(spatial(input_shape))
        shape = (input_shape[0], *map(framed_size, axes), input_shape[-1])
        dx = _engine(self.chosen).conv_delta(dz, w, shape, without_border(window))
        return folded(dx, axes)

    def conv_weight_gradient(self, x: np.ndarray, dz: np.ndarray, window: Window) -> np.ndarray:
        """The weight gradient over the larger image."""
        x = framed(x, window.axes(spatial(x.shape)))
        return _engine(self.chosen).conv_weight_gradient(x, dz, without_border(window))


def _engine(chosen: str | Engine) -> Engine:
    return ENGINES[chosen] if isinstance(chosen, str) else chosen


def without_border(window: Window) -> Window:
    """The window on the larger image, within which all of its outputs lie."""
    return Window(window.kernel, window.stride, window.dilation, flip=window.flip)


def framed_size(axis: Axis) -> int:
    """Cells of the larger image along an axis."""
    return axis.before + axis.inputs + axis.after


def framed(x: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    """The larger image, along one axis after the other."""
    for n, axis in enumerate(axes, 1):
        if framed_size(axis) > axis.inputs:
            p = np.arange(-axis.before, axis.inputs + axis.after)
            x = x.take(BORDERS[axis.border](p, axis.inputs), n)
    return x


def folded(dx: np.ndarray, axes: tuple[Axis, ...]) -> np.ndarray:
    """What the cells of the larger image owe, added up at the inputs that they are copies of."""
    for n, axis in enumerate(axes, 1):
        P, before = axis.inputs, axis.before
        frame = np.moveaxis(dx, n, 0)
        own = frame[before : before + P].copy()
        for p in (*range(-before, 0), *range(P, P + axis.after)):
            own[BORDERS[axis.border](p, P)] += frame[before + p]
        dx = np.moveaxis(own, 0, n)
    return np.ascontiguousarray(dx)
