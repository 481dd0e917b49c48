"""The index rule: which input cell meets which weight for which output.

An index's range is its capital. Along one axis, output `i = 0..I-1` meets, through weight
`u = 0..U-1`, the input

    p = s*i + o + g*d*(u - u0)            if 0 <= p < P; otherwise that row does not exist

with stride `s`, dilation `d`, offset `o`, centre `u0`, and the sign `g`: +1 for cross-correlation,
-1 for a true convolution (`flip=True`). Several axes are one such rule each. The rule stands in
`Axis.input` and nowhere else; whatever the library computes, it asks there (chapter 2).

A border other than zeros keeps the rows that fall outside: they name another input (chapter 10).
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .arrays import (
    PerAxis,
    Shape,
    check_memory,
    count_axes,
    is_row,
    per_axis,
    read_shape,
    read_truth,
    read_word,
    whole,
)
from .errors import InputError, shown

Pads = tuple[tuple[int, int], ...]  # (before, after) for each axis
# What a caller may give, see `Window`.
Padding = str | PerAxis | Sequence[Sequence[int]] | None

# The input that a cell `p` beside `0..P-1` stands for; beside zeros there is none.
BORDERS: dict[str, Callable[[Any, int], Any]] = {
    "zeros": lambda p, P: p,
    "reflect": lambda p, P: _mirrored(p, 0, 2 * P - 2),
    "symmetric": lambda p, P: _mirrored(p, -1, 2 * P - 1),
    "replicate": lambda p, P: np.clip(p, 0, P - 1),
    "circular": lambda p, P: p % P,
}

# intp is the integer of an index: np.bincount and its like refuse a wider one (32-bit machines).
ROW = np.dtype([("output", np.intp), ("weight", np.intp), ("input", np.intp)])


@dataclass(frozen=True)
class Axis:
    """One axis of a window laid on an input: the index rule with all its numbers.

    `Window.axes` makes it, of numbers that were read; made by hand it checks nothing.
    """

    inputs: int  # P
    outputs: int  # I
    kernel: int  # U
    stride: int  # s
    dilation: int  # d
    offset: int  # o
    center: int  # u0
    sign: int  # g
    border: str = "zeros"

    def input(self, i: Any, u: Any) -> Any:
        """Input cell `p` that output `i` meets through weight `u`; perhaps outside `0..P-1`.

        `i` and `u` are integers, or arrays of integers.
        """
        s, o, g, d, u0 = self.stride, self.offset, self.sign, self.dilation, self.center
        return s * i + o + g * d * (u - u0)

    @property
    def before(self) -> int:
        """Cells of padding that the first output's window needs before input 0."""
        return -min(self.input(0, 0), self.input(0, self.kernel - 1))

    @property
    def after(self) -> int:
        """Cells of padding that the last output's window needs after input `P-1`."""
        i, U = self.outputs - 1, self.kernel
        return max(0, max(self.input(i, 0), self.input(i, U - 1)) - (self.inputs - 1))

    def transposed(self, r: int) -> "tuple[Axis, slice] | None":
        """The rule read backwards: which outputs meet the inputs `p = r, r+s, r+2s, ..`.

        Returns an `Axis` in which these inputs are the outputs, and the weights that reach them; or
        None if no weight does. Input `p = r + s*q` meets, for each `u` that makes it an integer,

            i = q + (r - o)/s - g*(d/s)*(u - u0)

        So the stride of this rule is 1, and its sign is the other one (chapter 8).
        """
        s, d, g = self.stride, self.dilation, self.sign
        # `i` changes by d/s from one weight to the next. So the weights that give an integer lie
        # `every` weights apart: once the first one is found, the others follow.
        every = s // math.gcd(s, d)
        for u in range(min(every, self.kernel)):
            if (r - self.input(0, u)) % s == 0:
                us = slice(u, None, every)
                count, cells = len(range(self.kernel)[us]), len(range(r, self.inputs, s))
                offset = (r - self.input(0, u)) // s
                return Axis(self.outputs, cells, count, 1, d * every // s, offset, 0, -g), us
        return None

    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All triples `(i, u, p)` of this axis with `0 <= p < P`, as three arrays."""
        if self.border != "zeros":
            every = np.indices((self.outputs, self.kernel), np.intp).reshape(2, -1)
            return *every, BORDERS[self.border](self.input(*every), self.inputs)
        met, last = self.met(), self.kernel - 1
        # By the index that has fewer values: what is beside the input takes no memory, nor time.
        if self.outputs < len(met):
            i, u = _listed(np.arange(self.outputs), *self._seen())
            u = u if self.sign > 0 else last - u
        else:
            u = np.arange(met.start, met.stop)
            p0, s = self.input(0, u), self.stride
            first = np.maximum(0, -(p0 // s))  # as `reach` has it
            u, i = _listed(u, first, np.minimum(self.outputs, (self.inputs - 1 - p0) // s + 1))
        order = np.lexsort((u, i))
        i, u = i[order], u[order]
        return i, u, self.input(i, u)

    def met(self) -> range:
        """The weights that may meet an input; all others lie beside it for every output."""
        d, last, end = self.dilation, self.input(self.outputs - 1, 0), self.inputs - 1
        # Weight u meets `g*d*u` beyond where weight 0 does, for outputs from first to last.
        first = self.input(0, 0)
        lo, hi = (-last, end - first) if self.sign > 0 else (first - end, last)
        return range(max(0, -(-lo // d)), min(self.kernel, hi // d + 1))

    def count_rows(self) -> int:
        """How many triples `rows` gives."""
        if self.border != "zeros":
            return self.outputs * self.kernel
        return self._count_below(self.inputs) - self._count_below(0)

    def _count_below(self, end: int) -> int:
        """How many pairs `(i, u)` meet an input, or a place before input 0, that is below `end`."""
        s, d, I, U = self.stride, self.dilation, self.outputs, self.kernel
        far = end - 1 + self.before  # from the first place that any window meets
        # The weight `v` places from the first meets (far - d*v)//s + 1 of them, from 0 to I.
        some, whole = (min(U, max(0, a // d + 1)) for a in (far, far - s * (I - 1)))
        return whole * I + (some - whole) + _add_quotients(some - whole, d, far - d * (some - 1), s)

    def inputs_met(self) -> np.ndarray:
        """How many inputs each output meets along this axis."""
        first, end = self._seen()
        return np.maximum(0, end - first)

    def _seen(self) -> tuple[np.ndarray, np.ndarray]:
        """For each output the first cell of its window that is an input, and one past the last."""
        i, d = np.arange(self.outputs), self.dilation
        p = np.minimum(self.input(i, 0), self.input(i, self.kernel - 1))  # p, p + d, p + 2d, ..
        return np.maximum(0, -(p // d)), np.minimum(self.kernel, (self.inputs - 1 - p) // d + 1)

    def reach(self, u: int) -> tuple[slice, slice]:
        """Outputs that weight `u` connects, and the inputs they meet.

        Both are slices, of equal length, so that `a[outputs]` and `x[inputs]` are partners: the
        inputs that one weight meets lie a stride apart.
        """
        s, p0 = self.stride, self.input(0, u)  # p = p0 + s*i
        first = max(0, -(p0 // s))  # smallest i with p >= 0: ceil(-p0 / s)
        end = min(self.outputs, (self.inputs - 1 - p0) // s + 1)  # one past the last with p < P
        if end <= first:
            return slice(0, 0), slice(0, 0)
        return slice(first, end), slice(p0 + s * first, p0 + s * (end - 1) + 1, s)


def _listed(keys: np.ndarray, first: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each key as often as it has numbers from `first` to below `end`, and these numbers."""
    count = np.maximum(0, end - first)
    begin = np.cumsum(count) - count
    return np.repeat(keys, count), np.arange(count.sum()) + np.repeat(first - begin, count)


def _add_quotients(n: int, a: int, b: int, m: int) -> int:
    """The sum of (a*j + b) // m over j = 0..n-1, in as many steps as Euclid's rule takes."""
    total = 0
    while n > 0:
        total += n * (n - 1) // 2 * (a // m) + n * (b // m)
        a, b = a % m, b % m
        # What is left counts points under a line: read it from the other side.
        n, b, a, m = (a * n + b) // m, (a * n + b) % m, m, a
    return total


@dataclass(frozen=True, init=False, repr=False)
class Window:
    """A kernel's shape and how it is laid on an input (chapter 2, "Old and new coordinates").

    A window is a value: windows that are written differently and mean the same are equal.

    Parameters
    ----------
    kernel : int or tuple of int
        Spatial shape `U` of the kernel, one integer per axis. An integer means one axis.
    stride, dilation : int or one int per axis
        `s` and `d`, at least 1.
    padding : None, 'valid', 'same', 'full', int, one int per axis, or one pair per axis
        Zeros around the input. 'same' is TensorFlow's rule: `I = ceil(P/s)` outputs, an odd cell
        goes after. 'full' is `d*(U-1)` on both sides. None is 'valid', unless a centre is given.
    center : None, int or one int per axis
        The weight `u0` that lies on the output's own place. Instead of `padding`, never with it.
    flip : bool
        True for a convolution, False for a cross-correlation.
    border : 'zeros', 'reflect', 'symmetric', 'replicate' or 'circular'
        What stands around the input `1 2 3`: `0 0 [1 2 3] 0 0`, `3 2 [1 2 3] 2 1`,
        `2 1 [1 2 3] 3 2`, `1 1 [1 2 3] 3 3` or `2 3 [1 2 3] 1 2`. All but zeros are rows of the
        table that name an input a second time (chapter 10, "What stands around the image").

    Raises
    ------
    InputError
        An argument is outside the ranges above, or both padding and center are given.

    Examples
    --------
    >>> Window(3, center=1).output_shape((3,))
    (3,)
    >>> Window((2, 2), stride=2, padding="same").output_shape((5, 4))
    (3, 2)
    >>> Window((2, 2), stride=(2, 2), padding="same")
    Window((2, 2), stride=2, padding='same')
    """

    kernel: Shape
    stride: Shape
    dilation: Shape
    padding: str | Pads | None  # 'valid', 'same', 'full', or pairs; None with a centre
    center: Shape | None
    flip: bool
    border: str

    def __init__(
        self,
        kernel: PerAxis,
        stride: PerAxis = 1,
        dilation: PerAxis = 1,
        padding: Padding = None,
        center: PerAxis | None = None,
        flip: bool = False,
        border: str = "zeros",
    ) -> None:
        U = read_shape("kernel", kernel)
        n = len(U)
        read = {
            "kernel": U,
            "stride": per_axis("stride", stride, n, 1),
            "dilation": per_axis("dilation", dilation, n, 1),
            "padding": read_padding(padding, n) if center is None else None,
            "center": None if center is None else read_center(center, padding, U),
            "flip": read_truth("flip", flip),
            "border": read_word("border", border, BORDERS),
        }
        for name, value in read.items():
            object.__setattr__(self, name, value)  # afterwards nobody can

    def __repr__(self) -> str:
        """The call that makes it, without what is so by default."""
        padding: Any = None if self.padding == "valid" else self.padding
        if isinstance(padding, tuple) and all(before == after for before, after in padding):
            padding = tuple(before for before, _ in padding)
        given = [
            ("stride", _once(self.stride), 1),
            ("dilation", _once(self.dilation), 1),
            ("padding", _once(padding), None),
            ("center", _once(self.center), None),
            ("flip", self.flip, False),
            ("border", self.border, "zeros"),
        ]
        kernel = self.kernel if len(self.kernel) > 1 else self.kernel[0]
        words = [f"{name}={value!r}" for name, value, default in given if value != default]
        return f"Window({', '.join([repr(kernel), *words])})"

    def axes(self, input_shape: Shape) -> tuple[Axis, ...]:
        """Lay the window on an input of spatial shape `P`; one `Axis` each."""
        if count_axes(input_shape) != len(self.kernel):
            raise InputError(
                f"the input has spatial shape {shown(input_shape)}, the kernel "
                f"{shown(self.kernel)}; both need the same number of axes"
            )
        # As nearly always; True or 50.0 would be found in the cache under 1 and 50.
        known = type(input_shape) is tuple and all(type(p) is int for p in input_shape)
        return _axes(self, input_shape if known else read_shape("input_shape", input_shape))

    def _axis(self, n: int, P: int) -> Axis:
        U, s, d, g = self.kernel[n], self.stride[n], self.dilation[n], -1 if self.flip else 1
        span = d * (U - 1) + 1  # cells from the first weight to the last
        if self.center is not None:
            u0 = self.center[n]
            lo = -d * (U - 1 - u0) if self.flip else -d * u0  # the smallest g*d*(u - u0)
            I = min(P, (P - 1 - lo) // s + 1)
            return self._within_reach(n, Axis(P, I, U, s, d, 0, u0, g, self.border))
        before, after = self._pads(n, P, s, span)
        if P + before + after < span:
            raise InputError(
                f"the kernel spans {span} cells on spatial axis {n} (size {U}, dilation {d}), the "
                f"padded input has {before} + {P} + {after}; use a smaller kernel, more padding, "
                "or a center"
            )
        I = (P + before + after - span) // s + 1
        o = -before + (span - 1 if self.flip else 0)  # with u0 = 0: -before - min(g*d*u)
        return self._within_reach(n, Axis(P, I, U, s, d, o, 0, g, self.border))

    def _within_reach(self, n: int, axis: Axis) -> Axis:
        """The axis, if its border finds an input for each cell: it repeats them once, at most."""
        if self.border == "zeros":
            return axis
        P, cells = axis.inputs, max(axis.before, axis.after)
        most = {"reflect": P - 1, "symmetric": P, "circular": P}.get(self.border, cells)
        if cells > most:
            raise InputError(
                f"border is {self.border!r}, and the windows reach {cells} cells beyond the "
                f"{P} of spatial axis {n}; it repeats at most {most}: use less padding, or "
                "border='replicate'"
            )
        return axis

    def _pads(self, n: int, P: int, s: int, span: int) -> tuple[int, int]:
        if self.padding == "same":
            total = max(0, (math.ceil(P / s) - 1) * s + span - P)
            return total // 2, total - total // 2
        if isinstance(self.padding, tuple):
            return self.padding[n]
        return (span - 1, span - 1) if self.padding == "full" else (0, 0)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Spatial shape `I` of the output over an input of spatial shape `P`."""
        return tuple(axis.outputs for axis in self.axes(input_shape))

    def input_shape(self, output_shape: Shape) -> Shape:
        """Spatial shape `P` of the smallest input whose output has the shape `I`.

        With a stride `s` there are up to `s` inputs that have it, each a cell larger than the one
        before: what is left over, no window reaches (chapter 10, "One size of several").
        """
        I = per_axis("output_shape", output_shape, len(self.kernel), 1)
        P = tuple(self._fewest(n, i) for n, i in enumerate(I))
        if (found := self.output_shape(P)) != I:
            raise InputError(
                f"no input has outputs of shape {I} with {self!r}: at least {found}; lessen padding"
            )
        return P

    def _fewest(self, n: int, I: int) -> int:
        """Along an axis, the fewest inputs with `I` outputs: more inputs have as many or more."""

        def outputs(P: int) -> int:
            try:
                return self._axis(n, P).outputs
            except InputError:  # the window does not fit
                return 0

        span = self.dilation[n] * (self.kernel[n] - 1) + 1
        return 1 + bisect_left(range(1, self.stride[n] * I + span), I, key=outputs)

    def connections(self, input_shape: Shape) -> np.ndarray:
        """Connection table over an input of spatial shape `P`; see `cnnlib.connections`."""
        axes = self.axes(input_shape)
        rows = math.prod(axis.count_rows() for axis in axes)
        lists = sum(min(axis.outputs, len(axis.met())) for axis in axes)
        size = (rows + lists) * 2 * ROW.itemsize  # while it is made
        check_memory("the connection table", size, "lessen input_shape or kernel")
        output, weight, input = np.zeros((3, 1), np.intp)  # before the first axis: one row of zeros
        for axis in axes:  # flat index in C order, one axis at a time
            i, u, p = axis.rows()
            output = np.add.outer(output * axis.outputs, i).ravel()
            weight = np.add.outer(weight * axis.kernel, u).ravel()
            input = np.add.outer(input * axis.inputs, p).ravel()
        order = np.lexsort((weight, output))
        table = np.empty(len(order), ROW)
        table["output"], table["weight"] = output[order], weight[order]
        table["input"] = input[order]
        return table


@lru_cache(4096)  # a network lays the same windows on the same shapes, step after step
def _axes(window: Window, P: Shape) -> tuple[Axis, ...]:
    return tuple(window._axis(n, cells) for n, cells in enumerate(read_shape("input_shape", P)))


def connections(
    input_shape: PerAxis,
    kernel: PerAxis,
    *,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    padding: Padding = None,
    center: PerAxis | None = None,
    flip: bool = False,
    border: str = "zeros",
) -> np.ndarray:
    """List the connections of a convolution or a pooling (chapter 1, "The connection table").

    A row `(i, u, p)` says that output `i` meets input `p` through weight `u`. It exists where

        p = s*i + o + g*d*(u - u0),   i = 0..I-1,  u = 0..U-1,   and  0 <= p < P

    on every axis. Three sums over the rows are the whole layer: `z[i] += w[u]*x[p]`,
    `dx[p] += w[u]*dz[i]`, `dw[u] += x[p]*dz[i]`.

    Parameters
    ----------
    input_shape, kernel : int or tuple of int
        Spatial shapes `P` and `U`, without batch and channels.
    stride, dilation, padding, center, flip, border
        The geometry, as for `Window`. The table is that of places: each row joins all channels
        with all filters, or with `groups` those of the same group.

    Returns
    -------
    structured array
        Fields `output`, `weight`, `input` (intp): flat indices in C order, sorted by output, then
        weight.

    Raises
    ------
    InputError
        The geometry is impossible; see `Window`.

    Examples
    --------
    Three inputs, a kernel of two weights: output 0 meets inputs 0 and 1, output 1 meets 1 and 2.

    >>> connections(3, 2).tolist()
    [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)]

    A kernel of three with its centre in the middle: the rows that would leave the axis are missing.

    >>> connections(2, 3, center=1).tolist()
    [(0, 1, 0), (0, 2, 1), (1, 0, 0), (1, 1, 1)]

    With a border they name an input again: output 0 meets input 0 twice, output 1 input 1.

    >>> connections(2, 3, center=1, border="replicate").tolist()
    [(0, 0, 0), (0, 1, 0), (0, 2, 1), (1, 0, 0), (1, 1, 1), (1, 2, 1)]
    """
    shape = read_shape("input_shape", input_shape)
    return Window(kernel, stride, dilation, padding, center, flip, border).connections(shape)


def _mirrored(p: Any, before: int, after: int) -> Any:
    """Cells in two mirrors: `p` and `before - p` change places, then `p` and `after - p`."""
    p = np.maximum(p, before - p)
    return np.minimum(p, after - p)


def _once(value: Any) -> Any:
    """One integer where all axes have the same, as `per_axis` reads it again."""
    if isinstance(value, tuple) and len(set(value)) == 1 and isinstance(value[0], int):
        return value[0]
    return value


def read_center(center: PerAxis, padding: Padding, U: Shape) -> Shape:
    """Read the centre of a kernel of shape `U`; there may be no padding beside it."""
    if padding is not None:
        raise InputError(
            f"padding is {shown(padding)} and center is {shown(center)}; give one of them: a "
            "centre says how much padding there is (chapter 2)"
        )
    read = per_axis("center", center, len(U), 0)
    if any(u0 >= size for u0, size in zip(read, U, strict=True)):
        raise InputError(
            f"center is {shown(center)}, outside the kernel of shape {U}; it counts from 0, so the "
            "last weight of an axis is its size minus 1"
        )
    return read


def read_padding(padding: Any, axes: int, least: int = 0) -> str | Pads:
    """Bring `padding` to 'valid', 'same', 'full' or one pair `(before, after)` per axis."""
    if padding is None or isinstance(padding, str):
        words = ("valid", "same", "full")
        return "valid" if padding is None else read_word("padding", padding, words)
    array = isinstance(padding, np.ndarray) and padding.ndim == 2
    if not is_row(padding) and not array and whole(padding) is None:
        raise InputError(
            f"padding is {shown(padding)}; expected a word, an integer, one integer per axis, or "
            "one pair (before, after) per axis"
        )
    padding = padding.tolist() if isinstance(padding, np.ndarray) else padding
    if not is_row(padding) or not any(map(is_row, padding)):
        if axes == 1 and count_axes(padding) == 2:
            pair = ", ".join(map(shown, padding))
            raise InputError(
                f"padding is {shown(padding)}, but there is one spatial axis; for cells before and "
                f"after it write (({pair}),)"
            )
        return tuple((n, n) for n in per_axis("padding", padding, axes, least))
    if len(padding) != axes or any(not is_row(pair) or len(pair) != 2 for pair in padding):
        raise InputError(
            f"padding is {shown(padding)}; expected {axes} pairs (before, after), one per spatial "
            "axis"
        )
    before, after = (per_axis("padding", side, axes, least) for side in zip(*padding, strict=True))
    return tuple(zip(before, after, strict=True))
