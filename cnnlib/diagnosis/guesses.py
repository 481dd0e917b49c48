"""What can be said of a result that no entry of the catalogue explains.

A guess is a switch like those of the catalogue, and its words are the sentence that the report
says. Guesses are combined with entries of the catalogue in the same way. Some make a mistake of the
catalogue where it is not yet known to be made: they have its id, and are not combined.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import permutations, product

import numpy as np

from .mistakes.deltas import RESIZED
from .mistakes.forward import scrambled
from .mistakes.sums import Change, DoesNotFit, Sum, Switch
from .mistakes.switches import SWITCHES

GUESSES: list[Switch] = []


def _guess(words: str, stage: str, quantities: str) -> Callable[[Change], Change]:
    """List the function below as a guess for each of these quantities, separated by spaces."""

    def register(change: Change) -> Change:
        for quantity in quantities.split():
            GUESSES.append(Switch(quantity, (), stage, change.__name__, words, change))
        return change

    return register


# ---- Cells


def _shifted(rows: int, columns: int, s: Sum) -> None:
    if len(s.axes) != 2:
        raise DoesNotFit("rows and columns are needed")
    if any(by and axis.inputs == 1 for by, axis in zip((rows, columns), s.axes, strict=True)):
        raise DoesNotFit("an axis of one cell has nothing to shift")
    s.p = s.p + np.array([[rows], [columns]])


def _say(rows: int, columns: int) -> str:
    parts = [_count(n, noun) for n, noun in ((rows, "row"), (columns, "column")) if n]
    cells = f", {_count(rows, 'cell')} along each axis" if rows == columns else ""
    return f"Input and output are shifted against each other by {' and '.join(parts)}{cells}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if abs(number) == 1 else f"{number} {noun}s"


GUESSES += [
    Switch(quantity, (), "rows", "shifted", _say(rows, columns), partial(_shifted, rows, columns))
    for rows, columns in product(range(-2, 3), repeat=2)
    if (rows, columns) != (0, 0)
    for quantity in ("z", "dx", "dw")
]


@_guess(
    "Shifted by the padding: it was put, or cut off, at the far end of each axis instead.",
    "rows",
    "z dx",
)
def shifted_by_the_padding(s: Sum) -> None:
    s.p = s.p + np.array([[before] for before, _ in s.pads])


@_guess(
    "The padding behind is taken for the one in front: with 'same' and an even kernel they differ.",
    "rows",
    "z dx",
)
def other_padding_cut_off(s: Sum) -> None:
    s.p = s.p + np.array([[before - after] for before, after in s.pads])


@_guess(
    "The padding repeats the cells of the edge, where zeros belong (np.pad with mode 'edge').",
    "rows",
    "z dw",
)
def edge_padding(s: Sum) -> None:
    limits = np.array([[axis.inputs - 1] for axis in s.axes])
    s.p = np.clip(s.p, 0, limits)


@_guess(
    "The padding mirrors the cells behind the edge, where zeros belong (mode 'reflect').",
    "rows",
    "z dw",
)
def mirrored_padding(s: Sum) -> None:
    limits = np.array([[axis.inputs - 1] for axis in s.axes])
    s.p = limits - np.abs(limits - np.abs(s.p))


@_guess(
    "The padding continues at the other end, where zeros belong (mode 'wrap', or a short FFT).",
    "rows",
    "z dw dx",
)
def circular_padding(s: Sum) -> None:
    s.p = s.p % np.array([[axis.inputs] for axis in s.axes])


@_guess("The last row of outputs is left out of the sum.", "rows", "z dx dw")
def last_output_row_left_out(s: Sum) -> None:
    _without_output(s, 0)


@_guess("The last column of outputs is left out of the sum.", "rows", "z dx dw")
def last_output_column_left_out(s: Sum) -> None:
    _without_output(s, len(s.axes) - 1)


def _without_output(s: Sum, axis: int) -> None:
    if s.axes[axis].outputs == 1:
        raise DoesNotFit("nothing would be left")
    kept = s.i[axis] != s.axes[axis].outputs - 1
    s.i, s.u, s.p = s.i[:, kept], s.u[:, kept], s.p[:, kept]


@_guess("The last row and the last column of outputs are left out of the sum.", "rows", "z dx dw")
def last_outputs_left_out(s: Sum) -> None:
    _without(s, np.array([[axis.outputs - 1] for axis in s.axes]), s.i)


@_guess("The last column of the kernel is left out.", "rows", "dw")
def last_column_of_weights(s: Sum) -> None:
    _without(s, np.array([[-1], [s.axes[1].kernel - 1]]), s.u)


@_guess("The last row of the kernel is left out.", "rows", "dw")
def last_row_of_weights(s: Sum) -> None:
    _without(s, np.array([[s.axes[0].kernel - 1], [-1]][: len(s.axes)]), s.u)


def _without(s: Sum, last: np.ndarray, index: np.ndarray) -> None:
    if all(axis.outputs == 1 and axis.kernel == 1 for axis in s.axes):
        raise DoesNotFit("nothing would be left")
    kept = (index != last).all(axis=0)
    s.i, s.u, s.p = s.i[:, kept], s.u[:, kept], s.p[:, kept]


# ---- Axes


@_guess("The rows and columns of the kernel are exchanged.", "arrays", "z dx")
def kernel_transposed(s: Sum) -> None:
    if s.axes[0].kernel != s.axes[1].kernel:
        raise DoesNotFit("a square kernel is needed")
    s.u = s.u[::-1]


@_guess("The kernel's rows are reversed, its columns are not.", "arrays", "z dx dw")
def rows_reversed(s: Sum) -> None:
    s.u = np.array([s.axes[0].kernel - 1 - s.u[0], s.u[1]])


@_guess("The kernel's columns are reversed, its rows are not.", "arrays", "z dx dw")
def columns_reversed(s: Sum) -> None:
    s.u = np.array([s.u[0], s.axes[1].kernel - 1 - s.u[1]])


@_guess("The filters are in the reverse order.", "arrays", "z dx")
def filters_reversed(s: Sum) -> None:
    s.w = s.w[::-1]


@_guess("The channels are in the reverse order.", "arrays", "z dw")
def channels_reversed(s: Sum) -> None:
    s.x = s.x[..., ::-1]


@_guess("The deltas of each image are rotated by 180 degrees.", "arrays", "dx")
def deltas_turned(s: Sum) -> None:
    s.i = np.array([[axis.outputs - 1] for axis in s.axes]) - s.i


@_guess(
    "A sample meets the deltas of another one: the samples are in the reverse order.",
    "arrays",
    "dx dw",
)
def samples_reversed(s: Sum) -> None:
    s.dz = s.dz[::-1]


# ---- Sums


@_guess(
    "Every sample gets the deltas of all samples: they were summed over the batch too early.",
    "arrays",
    "dx dw",
)
def deltas_added_over_the_batch(s: Sum) -> None:
    s.dz = np.repeat(s.dz.sum(axis=0, keepdims=True), len(s.dz), axis=0)


@_guess(
    "Only the last channel counts: = where += belongs in the sum over the channels.", "arrays", "z"
)
def last_channel(s: Sum) -> None:
    s.x, s.w = s.x[..., -1:], s.w[..., -1:]


@_guess("Only the first channel counts: the sum over the channels is missing.", "arrays", "z")
def first_channel(s: Sum) -> None:
    s.x, s.w = s.x[..., :1], s.w[..., :1]


@_guess(
    "Only the last filter counts: = where += belongs in the sum over the filters.", "arrays", "dx"
)
def last_filter(s: Sum) -> None:
    s.dz, s.w = s.dz[..., -1:], s.w[-1:]


@_guess("Only the first filter counts: the sum over the filters is missing.", "arrays", "dx")
def first_filter(s: Sum) -> None:
    s.dz, s.w = s.dz[..., :1], s.w[:1]


@_guess("Terms are overwritten where they belong added up: = where += belongs.", "sum", "z dw db")
def overwritten(s: Sum) -> None:
    s.overwrites = True


@_guess(
    "The result is cut to whole numbers: the array that holds it has an integer type.",
    "result",
    "z dx dw db",
)
def whole_numbers(s: Sum) -> None:
    s.after.append(np.trunc)


@_guess("The result is zero everywhere.", "result", "z dw db")
def nothing(s: Sum) -> None:
    s.after.append(np.zeros_like)


@_guess("The bias is missing.", "sum", "z")
def no_bias(s: Sum) -> None:
    s.b = None


@_guess("The bias is added C times, once for each channel.", "sum", "z")
def bias_per_channel(s: Sum) -> None:
    s.b = None if s.b is None else s.b * s.x.shape[-1]


@_guess("The bias is subtracted.", "sum", "z")
def bias_subtracted(s: Sum) -> None:
    s.b = None if s.b is None else -s.b


# ---- Mistakes of the catalogue on the other sides: its entry is named, wherever it is made


def _listed(id: str, stage: str, quantities: str) -> Callable[[Change], Change]:
    """List the function below as a way of making a mistake of the catalogue."""

    def register(change: Change) -> Change:
        for quantity in quantities.split():
            words = change.__name__.replace("_", " ")
            GUESSES.append(Switch(quantity, (id,), stage, change.__name__, words, change))
        return change

    return register


@_listed("F8", "rows", "dx dw")
def height_for_width_on_the_way_back(s: Sum) -> None:
    rows = s.axes[0].outputs
    if len(s.axes) != 2 or rows > s.axes[1].outputs:
        raise DoesNotFit("there is no such output")
    kept = s.i[1] < rows
    s.i, s.u, s.p = s.i[:, kept], s.u[:, kept], s.p[:, kept]


@_listed("D5", "rows", "dx")
def slid_with_the_stride(s: Sum) -> None:
    outputs = []
    for axis, p, u in zip(s.axes, *_all_pairs(s), strict=True):
        around = (axis.stride * (axis.inputs - 1) + axis.kernel - axis.outputs) // 2
        outputs.append(axis.stride * p + axis.kernel - 1 - u - around)
    s.p, s.u = _all_pairs(s)
    s.i = np.array(outputs)


def _all_pairs(s: Sum) -> tuple[np.ndarray, np.ndarray]:
    """Every input with every weight: their indices, one line for each axis."""
    sizes = [axis.inputs for axis in s.axes] + [axis.kernel for axis in s.axes]
    every = np.indices(sizes).reshape(len(sizes), -1)
    return every[: len(s.axes)], every[len(s.axes) :]


@_listed("W12", "rows", "dw")
def axes_exchanged_in_place(s: Sum) -> None:
    if len(s.axes) != 2 or s.axes[0].kernel != s.axes[1].kernel:
        raise DoesNotFit("a square kernel is needed")
    s.u = s.u[::-1]


@_listed("F11", "arrays", "dx dw")
def deltas_scrambled(s: Sum) -> None:
    s.dz = scrambled(s.dz)


@_listed("F11", "arrays", "dw")
def input_scrambled(s: Sum) -> None:
    s.x = scrambled(s.x)


@_listed("F11", "arrays", "dx")
def kernel_scrambled(s: Sum) -> None:
    s.w = scrambled(s.w)


@_listed("W9", "arrays", "dx")
def last_sample_alone(s: Sum) -> None:
    s.dz = s.dz * (np.arange(len(s.dz)) == len(s.dz) - 1).reshape(-1, *[1] * (s.dz.ndim - 1))


def _recut(layout: tuple[int, ...], order: tuple[int, ...], s: Sum) -> None:
    """The result, laid out as the reader has it, with its axes in this order and cut anew."""

    if len(s.axes) + 2 != len(order):
        raise DoesNotFit("another number of axes is needed")

    def cut(a: np.ndarray) -> np.ndarray:
        laid = a.transpose(layout)
        return laid.transpose(order).reshape(laid.shape).transpose(np.argsort(layout))

    s.after.append(cut)


_FIRST, _LAST, _KERNEL_LAST = (0, 3, 1, 2), (0, 1, 2, 3), (1, 2, 3, 0)
GUESSES += [
    Switch(quantity, ("F10",), "result", "recut", f"{order}", partial(_recut, layout, order))
    for quantity, layouts in (("z dx", (_LAST, _FIRST)), ("dw", (_LAST, _FIRST, _KERNEL_LAST)))
    for quantity in quantity.split()
    for layout in layouts
    for order in permutations(range(4))
    if order != (0, 1, 2, 3)
]


# ---- The catalogue along one axis alone, as where j is meant and i*s is right


def _along(axis: int, change: Change, s: Sum) -> None:
    """Make a change, and undo it along all other axes."""
    if len(s.axes) < 2:
        raise DoesNotFit("there is no other axis")
    names = ("axes", "i", "u", "p", "shape") if hasattr(s, "shape") else ("axes",)
    old = {name: getattr(s, name) for name in names}
    for name, value in old.items():
        setattr(s, name, value.copy())
    change(s)
    for name, value in old.items():
        made = getattr(s, name).copy()
        for other in range(len(value)):
            if other != axis % len(value):
                made[other] = value[other]
        setattr(s, name, made)


_WHOLE = ("half_turn", "height_for_width")  # have words of their own, or need two axes
GUESSES += [
    replace(switch, change=partial(_along, axis, switch.change),
            side=f"Here along the {words} axis only.")
    for switch in SWITCHES
    if (switch.stage in ("axes", "rows") or switch.name in RESIZED) and switch.name not in _WHOLE
    for axis, words in ((0, "first"), (-1, "last"))
]  # fmt: skip
