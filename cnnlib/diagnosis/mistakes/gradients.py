"""Mistakes in the gradients of weights and biases."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .registry import before_each, switch
from .sums import DoesNotFit, Sum

# ---- The gradient of the weights


@switch("dw", "W1", "rows")
def deltas_turned(s: Sum) -> None:
    """dz[I-1-i] where dz[i] belongs."""
    s.i = np.array([[axis.outputs - 1] for axis in s.axes]) - s.i


@switch("dw", "W3", "rows")
def stride_at_the_weight(s: Sum) -> None:
    """p = i + s*u: stride and dilation have changed places."""
    swapped = [replace(a, stride=a.dilation, dilation=a.stride) for a in s.axes]
    lowest = [[min(a.input(0, 0), a.input(0, a.kernel - 1))] for a in swapped]
    first = [[min(a.input(0, 0), a.input(0, a.kernel - 1))] for a in s.axes]
    moved = np.array(first) - np.array(lowest)  # the padding stays where it is
    s.p = np.array([a.input(i, u) for a, i, u in zip(swapped, s.i, s.u)]) + moved  # noqa: B905


def _scaled(s: Sum, factor: float) -> None:
    s.after.append(lambda total: total * factor)


@switch("dw", "W5", "result")
@switch("db", "B3", "result")
def mean_for_sum(s: Sum) -> None:
    """Divided by N*oh*ow."""
    _scaled(s, 1 / math.prod(s.dz.shape[:-1]))


@switch("dw", "W6", "result")
@switch("db", "W6", "result")
def divided_by_the_batch(s: Sum) -> None:
    """Divided by N once more."""
    _scaled(s, 1 / len(s.dz))


def _one_for_all(s: Sum, one: Callable[[np.ndarray], np.ndarray]) -> None:
    s.after.append(lambda dw: np.repeat(one(dw), dw.shape[-1], axis=-1))


@switch("dw", "W8", "result")
def gradient_of_the_first_channel(s: Sum) -> None:
    """dw[..., 0] for every channel."""
    _one_for_all(s, lambda dw: dw[..., :1])


@switch("dw", "W8", "result")
def gradients_added(s: Sum) -> None:
    """The sum over the channels for every channel."""
    _one_for_all(s, lambda dw: dw.sum(axis=-1, keepdims=True))


@switch("dw", "W8", "result")
def gradients_averaged(s: Sum) -> None:
    """The mean over the channels for every channel."""
    _one_for_all(s, lambda dw: dw.mean(axis=-1, keepdims=True))


@switch("dw", "W9", "sum")
@switch("db", "B1", "sum")
def last_sample(s: Sum) -> None:
    """= where += belongs: the last sample stays."""
    s.samples = slice(-1, None)


@switch("dw", "W9", "sum")
@switch("db", "B1", "sum")
def first_sample(s: Sum) -> None:
    """Only sample 0."""
    s.samples = slice(1)


@switch("dw", "W10", "rows")
def not_padded(s: Sum) -> None:
    """Windows of x where windows of the padded x belong."""
    s.p = s.p + before_each(s)


@switch("dw", "W12", "result")
def axes_exchanged(s: Sum) -> None:
    """Rows and columns of the kernel exchanged."""
    if len(s.axes) < 2:
        raise DoesNotFit("a kernel with two axes is needed")
    s.after.append(lambda dw: np.swapaxes(dw, 1, 2))


# ---- The gradient of the bias


@switch("db", "B2", "result")
def one_number(s: Sum) -> None:
    """dz.sum() for every filter."""
    s.after.append(lambda db: np.full_like(db, db.sum()))


@switch("db", "B2", "result")
def one_number_alone(s: Sum) -> None:
    """dz.sum()."""
    s.after.append(lambda db: db.sum())


@switch("db", "B4", "result")
def one_for_each_place(s: Sum) -> None:
    """dz.sum(axis=0)."""
    s.after.append(lambda _: s.dz[s.samples].sum(axis=0))


@switch("db", "B4", "result")
def deltas_themselves(s: Sum) -> None:
    """dz."""
    s.after.append(lambda _: s.dz[s.samples])
