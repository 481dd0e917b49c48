"""What can be said of a result that no entry of the catalogue explains.

A guess is a switch like those of the catalogue, and its docstring is the sentence that the report
says. Guesses are combined with entries of the catalogue in the same way.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from .mistakes.sums import DoesNotFit, Sum, Switch

GUESSES: list[Switch] = []


def _guess(quantities: str, stage: str):
    def register(change: Callable[[Sum], None]) -> Callable[[Sum], None]:
        GUESSES.extend(Switch(quantity, (), stage, change) for quantity in quantities.split())
        return change

    return register


# ---- Cells


def _shifted(s: Sum, rows: int, columns: int) -> None:
    if any(by and axis.inputs == 1 for by, axis in zip((rows, columns), s.axes, strict=True)):
        raise DoesNotFit("an axis of one cell has nothing to shift")
    s.p = s.p + np.array([[rows], [columns]])


def _say(rows: int, columns: int) -> str:
    parts = [f"{n} row{'s' * (abs(n) > 1)}" for n in [rows] if n]
    parts += [f"{n} column{'s' * (abs(n) > 1)}" for n in [columns] if n]
    cells = f", {rows} cell{'s' * (abs(rows) > 1)} along each axis" if rows == columns else ""
    return f"Input and output are shifted against each other by {' and '.join(parts)}{cells}."


for _rows, _columns in np.ndindex(5, 5):
    if (_rows, _columns) != (2, 2):
        _change = partial(_shifted, rows=_rows - 2, columns=_columns - 2)
        _change.__name__, _change.__doc__ = "shifted", _say(_rows - 2, _columns - 2)  # type: ignore[attr-defined]
        _guess("z dx dw", "rows")(_change)


@_guess("z dx", "rows")
def shifted_by_the_padding(s: Sum) -> None:
    """Shifted by the padding: it was put, or cut off, at the far end of each axis instead."""
    s.p = s.p + np.array([[before] for before, _ in s.pads])


@_guess("z dw", "rows")
def edge_padding(s: Sum) -> None:
    """The padding repeats the cells of the edge, where zeros belong (np.pad with mode 'edge')."""
    limits = np.array([[axis.inputs - 1] for axis in s.axes])
    s.p = np.clip(s.p, 0, limits)


@_guess("z dw", "rows")
def mirrored_padding(s: Sum) -> None:
    """The padding mirrors the cells behind the edge, where zeros belong (mode 'reflect')."""
    limits = np.array([[axis.inputs - 1] for axis in s.axes])
    s.p = limits - np.abs(limits - np.abs(s.p))


@_guess("z dw dx", "rows")
def circular_padding(s: Sum) -> None:
    """The padding continues at the other end, where zeros belong (mode 'wrap', or a short FFT)."""
    s.p = s.p % np.array([[axis.inputs] for axis in s.axes])


@_guess("z dx dw", "rows")
def last_outputs_left_out(s: Sum) -> None:
    """The last row and the last column of outputs are left out of the sum."""
    _without(s, np.array([[axis.outputs - 1] for axis in s.axes]), s.i)


@_guess("dw", "rows")
def last_column_of_weights(s: Sum) -> None:
    """The last column of the kernel is left out."""
    _without(s, np.array([[-1], [s.axes[1].kernel - 1]]), s.u)


@_guess("dw", "rows")
def last_row_of_weights(s: Sum) -> None:
    """The last row of the kernel is left out."""
    _without(s, np.array([[s.axes[0].kernel - 1], [-1]]), s.u)


def _without(s: Sum, last: np.ndarray, index: np.ndarray) -> None:
    if all(axis.outputs == 1 and axis.kernel == 1 for axis in s.axes):
        raise DoesNotFit("nothing would be left")
    kept = (index != last).all(axis=0)
    s.i, s.u, s.p = s.i[:, kept], s.u[:, kept], s.p[:, kept]


# ---- Axes


@_guess("z dx dw", "arrays")
def kernel_transposed(s: Sum) -> None:
    """The rows and columns of the kernel are exchanged."""
    if s.axes[0].kernel != s.axes[1].kernel:
        raise DoesNotFit("a square kernel is needed")
    s.u = s.u[::-1]


@_guess("z dx dw", "arrays")
def rows_reversed(s: Sum) -> None:
    """The kernel's rows are reversed, its columns are not."""
    s.u = np.array([s.axes[0].kernel - 1 - s.u[0], s.u[1]])


@_guess("z dx dw", "arrays")
def columns_reversed(s: Sum) -> None:
    """The kernel's columns are reversed, its rows are not."""
    s.u = np.array([s.u[0], s.axes[1].kernel - 1 - s.u[1]])


@_guess("z dx", "arrays")
def filters_reversed(s: Sum) -> None:
    """The filters are in the reverse order."""
    s.w = s.w[::-1]


@_guess("z dw", "arrays")
def channels_reversed(s: Sum) -> None:
    """The channels are in the reverse order."""
    s.x = s.x[..., ::-1]


@_guess("dx", "arrays")
def deltas_turned(s: Sum) -> None:
    """The deltas of each image are rotated by 180 degrees."""
    s.i = np.array([[axis.outputs - 1] for axis in s.axes]) - s.i


@_guess("dx dw", "arrays")
def samples_reversed(s: Sum) -> None:
    """A sample meets the deltas of another one: the samples are in the reverse order."""
    s.dz = s.dz[::-1]


# ---- Sums


@_guess("dx dw", "arrays")
def deltas_added_over_the_batch(s: Sum) -> None:
    """Every sample gets the deltas of all samples: they were summed over the batch too early."""
    s.dz = np.repeat(s.dz.sum(axis=0, keepdims=True), len(s.dz), axis=0)


@_guess("z", "arrays")
def last_channel(s: Sum) -> None:
    """Only the last channel counts: = where += belongs in the sum over the channels."""
    s.x, s.w = s.x[..., -1:], s.w[..., -1:]


@_guess("z", "arrays")
def first_channel(s: Sum) -> None:
    """Only the first channel counts: the sum over the channels is missing."""
    s.x, s.w = s.x[..., :1], s.w[..., :1]


@_guess("dx", "arrays")
def last_filter(s: Sum) -> None:
    """Only the last filter counts: = where += belongs in the sum over the filters."""
    s.dz, s.w = s.dz[..., -1:], s.w[-1:]


@_guess("dx", "arrays")
def first_filter(s: Sum) -> None:
    """Only the first filter counts: the sum over the filters is missing."""
    s.dz, s.w = s.dz[..., :1], s.w[:1]


@_guess("z dw", "sum")
def overwritten(s: Sum) -> None:
    """Terms are overwritten where they belong added up: = where += belongs."""
    s.overwrites = True


@_guess("z dx dw db", "result")
def whole_numbers(s: Sum) -> None:
    """The result is cut to whole numbers: the array that holds it has an integer type."""
    s.after.append(np.trunc)


@_guess("z dw db", "result")
def nothing(s: Sum) -> None:
    """The result is zero everywhere."""
    s.after.append(np.zeros_like)


@_guess("z", "sum")
def no_bias(s: Sum) -> None:
    """The bias is missing."""
    s.b = None


@_guess("z", "sum")
def bias_per_channel(s: Sum) -> None:
    """The bias is added C times, once for each channel."""
    s.b = None if s.b is None else s.b * s.x.shape[-1]


@_guess("z", "sum")
def bias_subtracted(s: Sum) -> None:
    """The bias is subtracted."""
    s.b = None if s.b is None else -s.b
