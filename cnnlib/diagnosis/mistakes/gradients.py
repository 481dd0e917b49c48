"""Mistakes in the gradients of weights and biases."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .registry import before_each, switch
from .sums import DoesNotFit, Sum

# ---- The gradient of the weights


@switch("dz[I-1-i] where dz[i] belongs.", "rows", dw="W1")
def deltas_turned(s: Sum) -> None:
    s.i = np.array([[axis.outputs - 1] for axis in s.axes]) - s.i


@switch("p = i + s*u: stride and dilation have changed places.", "rows", dw="W3")
def stride_at_the_weight(s: Sum) -> None:
    swapped = [replace(a, stride=a.dilation, dilation=a.stride) for a in s.axes]
    lowest = [[min(a.input(0, 0), a.input(0, a.kernel - 1))] for a in swapped]
    first = [[min(a.input(0, 0), a.input(0, a.kernel - 1))] for a in s.axes]
    moved = np.array(first) - np.array(lowest)  # the padding stays where it is
    s.p = np.array([a.input(i, u) for a, i, u in zip(swapped, s.i, s.u)]) + moved  # noqa: B905


def _scaled(s: Sum, factor: float) -> None:
    s.after.append(lambda total: total * factor)


@switch("Divided by N*oh*ow.", "result", dw="W5", db="B3")
def mean_for_sum(s: Sum) -> None:
    _scaled(s, 1 / math.prod(s.dz.shape[:-1]))


@switch("Divided by N once more.", "result", db="W6", dw="W6")
def divided_by_the_batch(s: Sum) -> None:
    _scaled(s, 1 / len(s.dz))


def _one_for_all(s: Sum, one: Callable[[np.ndarray], np.ndarray]) -> None:
    s.after.append(lambda dw: np.repeat(one(dw), dw.shape[-1], axis=-1))


@switch("dw[..., 0] for every channel.", "result", dw="W8")
def gradient_of_the_first_channel(s: Sum) -> None:
    _one_for_all(s, lambda dw: dw[..., :1])


@switch("The sum over the channels for every channel.", "result", dw="W8")
def gradients_added(s: Sum) -> None:
    _one_for_all(s, lambda dw: dw.sum(axis=-1, keepdims=True))


@switch("The mean over the channels for every channel.", "result", dw="W8")
def gradients_averaged(s: Sum) -> None:
    _one_for_all(s, lambda dw: dw.mean(axis=-1, keepdims=True))


@switch("= where += belongs: the last sample stays.", "sum", dw="W9", db="B1")
def last_sample(s: Sum) -> None:
    s.samples = slice(-1, None)


@switch("Only sample 0.", "sum", dw="W9", db="B1")
def first_sample(s: Sum) -> None:
    s.samples = slice(1)


@switch("Windows of x where windows of the padded x belong.", "rows", dw="W10")
def not_padded(s: Sum) -> None:
    s.p = s.p + before_each(s)


@switch("Rows and columns of the kernel exchanged.", "result", dw="W12")
def axes_exchanged(s: Sum) -> None:
    if len(s.axes) < 2:
        raise DoesNotFit("a kernel with two axes is needed")
    s.after.append(lambda dw: np.swapaxes(dw, 1, 2))


# ---- The gradient of the bias


@switch("dz.sum() for every filter.", "result", db="B2")
def one_number(s: Sum) -> None:
    s.after.append(lambda db: np.full_like(db, db.sum()))


@switch("dz.sum().", "result", db="B2")
def one_number_alone(s: Sum) -> None:
    s.after.append(lambda db: db.sum())


@switch("dz.sum(axis=0).", "result", db="B4")
def one_for_each_place(s: Sum) -> None:
    s.after.append(lambda _: s.dz[s.samples].sum(axis=0))


@switch("dz.", "result", db="B4")
def deltas_themselves(s: Sum) -> None:
    s.after.append(lambda _: s.dz[s.samples])
