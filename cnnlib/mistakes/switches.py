"""The mistakes of a convolution layer that the catalogue names, as switches of its sums.

Entries whose results are equal share a switch; an entry that people make in several ways has one
for each. The other entries are of pooling, of the head, and of the training step.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..geometry import Axis
from .sums import DoesNotFit, Sum, Switch

SWITCHES: list[Switch] = []


def _switch(quantity: str, ids: str, stage: str):
    def register(change: Callable[[Sum], None]) -> Callable[[Sum], None]:
        SWITCHES.append(Switch(quantity, tuple(ids.split()), stage, change))
        return change

    return register


# ---- Mistakes that several sums have in common


def _last(s: Sum) -> np.ndarray:
    return np.array([[axis.kernel - 1] for axis in s.axes])


def _before(s: Sum) -> np.ndarray:
    return np.array([[before] for before, _ in s.pads])


def _span(axis: Axis) -> int:
    return axis.dilation * (axis.kernel - 1) + 1


@_switch("z", "F1", "rows")
@_switch("dx", "D1 D2 D3", "rows")
@_switch("dw", "W2", "rows")
def half_turn(s: Sum) -> None:
    """w[U-1-u] where w[u] belongs."""
    s.u = _last(s) - s.u


@_switch("z", "F3", "axes")
@_switch("dx", "D4 D5", "axes")
@_switch("dw", "W3", "axes")
def no_stride(s: Sum) -> None:
    """p = i + ... where p = s*i + ... belongs."""
    s.axes = [replace(axis, stride=1) for axis in s.axes]


# ---- The forward pass and its sizes


def _sizes(s: Sum, size: Callable[[Axis, int, int], int]) -> None:
    s.axes = [
        replace(axis, outputs=size(axis, before, after))
        for axis, (before, after) in zip(s.axes, s.pads, strict=True)
    ]


@_switch("z", "F4", "axes")
def one_inside(s: Sum) -> None:
    """(P + 2*pad - U + 1)//s outputs."""
    _sizes(s, lambda a, before, after: (a.inputs + before + after - _span(a) + 1) // a.stride)


@_switch("z", "F5", "axes")
def padding_once(s: Sum) -> None:
    """(P + pad - U)//s + 1 outputs."""
    _sizes(s, lambda a, before, _: (a.inputs + before - _span(a)) // a.stride + 1)


@_switch("z", "F6", "axes")
def no_kernel(s: Sum) -> None:
    """(P + 2*pad)//s + 1 outputs."""
    _sizes(s, lambda a, before, after: (a.inputs + before + after) // a.stride + 1)


@_switch("z", "F8", "axes")
def height_for_width(s: Sum) -> None:
    """The number of rows also for the columns."""
    s.axes = [replace(axis, outputs=s.axes[0].outputs) for axis in s.axes]


@_switch("z", "F10", "result")
def reshaped_back(s: Sum) -> None:
    """(K, N*oh*ow) reshaped to (N, oh, ow, K)."""
    s.after.append(lambda z: np.moveaxis(z, -1, 0).reshape(z.shape))


@_switch("z", "F10 F11", "result")
def channels_first_back(s: Sum) -> None:
    """(N, K, oh, ow) reshaped to (N, oh, ow, K)."""
    s.after.append(lambda z: np.moveaxis(z, -1, 1).reshape(z.shape))


def _scrambled(a: np.ndarray) -> np.ndarray:
    """(N, H, W, C) read as if it lay in memory as (N, C, H, W)."""
    return np.moveaxis(a.reshape(len(a), a.shape[-1], *a.shape[1:-1]), 1, -1)


@_switch("z", "F11", "arrays")
def input_reshaped(s: Sum) -> None:
    """x.reshape(N, C, H, W)."""
    s.x = _scrambled(s.x)


@_switch("z", "F11", "arrays")
def kernel_reshaped(s: Sum) -> None:
    """w.reshape(K, C, kh, kw)."""
    s.w = _scrambled(s.w)


@_switch("z", "F11", "arrays")
def both_reshaped(s: Sum) -> None:
    """x.reshape(N, C, H, W) and w.reshape(K, C, kh, kw)."""
    s.x, s.w = _scrambled(s.x), _scrambled(s.w)


@_switch("z", "F11", "result")
def all_reshaped(s: Sum) -> None:
    """x and w reshaped to channels first, and z reshaped back."""
    both_reshaped(s)
    channels_first_back(s)


@_switch("z", "F12", "rows")
def reflected_border(s: Sum) -> None:
    """x[-1-p] where the padding's zeros belong: the image continues as its own mirror image."""
    limits = np.array([[axis.inputs] for axis in s.axes])
    s.p = np.where(s.p < 0, -1 - s.p, np.where(s.p >= limits, 2 * limits - 1 - s.p, s.p))


@_switch("z", "F13", "axes")
def padded_as_tensorflow(s: Sum) -> None:
    """ceil(P/s) outputs, and half of the padding that they need before, whatever was asked for."""
    for n, axis in enumerate(s.axes):
        outputs = -(-axis.inputs // axis.stride)
        before = max(0, axis.stride * (outputs - 1) + _span(axis) - axis.inputs) // 2
        offset = axis.offset + axis.before - before
        s.axes[n] = replace(axis, outputs=outputs, offset=offset)


# ---- The deltas of the input


@_switch("dx", "D5", "result")
def not_dilated(s: Sum) -> None:
    """The full correlation of dz as it is: I - 1 + U - 2*pad cells."""
    no_stride(s)
    s.lay()
    sizes = [a.outputs - 1 + _span(a) - sum(pads) for a, pads in zip(s.axes, s.pads, strict=True)]
    _resized(s, sizes)


@_switch("dx", "D6", "result")
def without_the_rest(s: Sum) -> None:
    """s*(I-1) + U - 2*pad cells: the remainder is not added."""
    _resized(
        s,
        [
            a.stride * (a.outputs - 1) + _span(a) - sum(pads)
            for a, pads in zip(s.axes, s.pads, strict=True)
        ],
    )


@_switch("dx", "D6", "result")
def zeros_behind_the_last(s: Sum) -> None:
    """s*I + U - 1 - 2*pad cells: s-1 zeros behind the last delta too."""
    _resized(
        s,
        [
            a.stride * a.outputs + _span(a) - 1 - sum(pads)
            for a, pads in zip(s.axes, s.pads, strict=True)
        ],
    )


def _resized(s: Sum, sizes: Sequence[int]) -> None:
    if min(sizes) < 1:
        raise DoesNotFit("nothing of dx is left")
    s.shape = list(sizes)


@_switch("dx", "D9", "rows")
def padded_by_p(s: Sum) -> None:
    """dz padded by pad where U-1-pad belongs, cut to the input's size."""
    s.p = s.p + 2 * _before(s) - _last(s)


@_switch("dx", "D9", "result")
def padded_by_p_and_slid(s: Sum) -> None:
    """dz padded by pad where U-1-pad belongs, and the kernel slid over all of it."""
    padded_by_p(s)
    sizes = [
        a.stride * (a.outputs - 1) + 1 + sum(pads) - (_span(a) - 1)
        for a, pads in zip(s.axes, s.pads, strict=True)
    ]
    _resized(s, sizes)


def _uncut(s: Sum, axis: int) -> None:
    before, after = s.pads[axis]
    s.shape[axis] += before + after
    s.p = s.p + before * (np.arange(len(s.p)) == axis)[:, None]


@_switch("dx", "D10", "result")
def columns_not_cut(s: Sum) -> None:
    """dx[:, pad:-pad] with all the padded columns."""
    _uncut(s, len(s.axes) - 1)


@_switch("dx", "D10", "result")
def rows_not_cut(s: Sum) -> None:
    """dx[:, :, pad:-pad] with all the padded rows."""
    _uncut(s, 0)


@_switch("dx", "D24", "result")
def padding_left_on(s: Sum) -> None:
    """dx as large as the padded input."""
    for axis in range(len(s.axes)):
        _uncut(s, axis)


@_switch("dx", "D24", "result")
def padded_again(s: Sum) -> None:
    """The padded input is padded once more, and one padding is cut off."""
    _resized(s, [n + sum(pads) for n, pads in zip(s.shape, s.pads, strict=True)])


@_switch("dx", "D11", "result")
def cut_to_minus_zero(s: Sum) -> None:
    """dx[:, pad:-pad] with pad = 0."""
    whole = [slice(None) if after else slice(0) for _, after in s.pads]
    s.after.append(lambda dx: dx[:, *whole])


@_switch("dx", "D13", "arrays")
def not_exchanged(s: Sum) -> None:
    """w[c, ..., k] where w[k, ..., c] belongs: w is read as if its filters were its channels."""
    K, C = len(s.w), s.w.shape[-1]
    if C > K:
        raise DoesNotFit("there is no filter for each channel")
    s.w, s.dz = np.swapaxes(s.w, 0, -1)[..., :C], s.dz[..., :C]


@_switch("dx", "D15", "arrays")
def first_axes_turned(s: Sum) -> None:
    """np.rot90(w, 2) of w (K, kh, kw, C), taken for the rotated kernel."""
    s.w = np.flip(s.w, (0, *range(2, s.w.ndim - 1)))


@_switch("dx", "D15", "arrays")
def first_axes_turned_channels_first(s: Sum) -> None:
    """np.rot90(w, 2) of w (K, C, kh, kw), taken for the rotated kernel."""
    s.w = np.flip(s.w)


@_switch("dx", "D16", "arrays")
def channels_flipped(s: Sum) -> None:
    """np.flip(w[k]) without axes: the channels are reversed as well."""
    s.w = np.flip(s.w, -1)


@_switch("dx", "D16", "arrays")
def everything_flipped(s: Sum) -> None:
    """np.flip(w) without axes: filters and channels are reversed as well."""
    s.w = np.flip(s.w, (0, -1))


def _quarter(s: Sum, turns: int) -> None:
    if s.w.ndim != 4 or s.w.shape[1] != s.w.shape[2]:
        raise DoesNotFit("a square kernel is needed")
    s.w = np.rot90(s.w, turns, axes=(1, 2))


@_switch("dx", "D18", "arrays")
def quarter_turn(s: Sum) -> None:
    """np.rot90(w[k]) for the rotated kernel."""
    _quarter(s, 3)


@_switch("dx", "D18", "arrays")
def quarter_turn_back(s: Sum) -> None:
    """np.rot90(w[k], -1) for the rotated kernel."""
    _quarter(s, 1)


@_switch("dx", "D19", "sum")
def overwritten(s: Sum) -> None:
    """dx[window] = w*dz where += belongs."""
    s.overwrites = True


def _alike(s: Sum, one: Callable[[np.ndarray], np.ndarray]) -> None:
    s.w = np.repeat(one(s.w), s.w.shape[-1], axis=-1)


@_switch("dx", "D21", "arrays")
def first_channel_for_all(s: Sum) -> None:
    """w[k, ..., 0] for every channel."""
    _alike(s, lambda w: w[..., :1])


@_switch("dx", "D21", "arrays")
def channels_added(s: Sum) -> None:
    """w[k].sum(axis=-1) for every channel."""
    _alike(s, lambda w: w.sum(axis=-1, keepdims=True))


@_switch("dx", "D21", "arrays")
def channels_averaged(s: Sum) -> None:
    """w[k].mean(axis=-1) for every channel."""
    _alike(s, lambda w: w.mean(axis=-1, keepdims=True))


@_switch("dx", "D23", "result")
def no_delta(s: Sum) -> None:
    """Zeros."""
    s.after.append(np.zeros_like)


@_switch("dx", "D25", "result")
def list_multiplied(s: Sum) -> None:
    """An axis in front, from a list that was multiplied whole."""
    s.after.append(lambda dx: dx[None])


@_switch("dx", "D26", "result")
def index_left_over(s: Sum) -> None:
    """dx[i] where dx[p] belongs, along the first axis; i is the last output that p reached."""
    axis, places, last = s.axes[0], [], None
    for p in range(axis.inputs):
        reached = s.i[0, s.p[0] == p]
        last = reached.max() if reached.size else last
        if last is None or last >= axis.inputs:
            raise DoesNotFit("there is no such output, or no such cell")
        places.append(int(last))

    def moved(dx: np.ndarray) -> np.ndarray:
        to = np.zeros_like(dx)
        for p, place in enumerate(places):
            to[:, place] = dx[:, p]
        return to

    s.after.append(moved)


# ---- The gradient of the weights


@_switch("dw", "W1", "rows")
def deltas_turned(s: Sum) -> None:
    """dz[I-1-i] where dz[i] belongs."""
    s.i = np.array([[axis.outputs - 1] for axis in s.axes]) - s.i


@_switch("dw", "W3", "rows")
def stride_at_the_weight(s: Sum) -> None:
    """p = i + s*u: stride and dilation have changed places."""
    swapped = [replace(a, stride=a.dilation, dilation=a.stride) for a in s.axes]
    lowest = [[min(a.input(0, 0), a.input(0, a.kernel - 1))] for a in swapped]
    first = [[min(a.input(0, 0), a.input(0, a.kernel - 1))] for a in s.axes]
    moved = np.array(first) - np.array(lowest)  # the padding stays where it is
    s.p = np.array([a.input(i, u) for a, i, u in zip(swapped, s.i, s.u)]) + moved  # noqa: B905


def _scaled(s: Sum, factor: float) -> None:
    s.after.append(lambda total: total * factor)


@_switch("dw", "W5", "result")
@_switch("db", "B3", "result")
def mean_for_sum(s: Sum) -> None:
    """Divided by N*oh*ow."""
    _scaled(s, 1 / math.prod(s.dz.shape[:-1]))


@_switch("dw", "W6", "result")
@_switch("db", "W6", "result")
def divided_by_the_batch(s: Sum) -> None:
    """Divided by N once more."""
    _scaled(s, 1 / len(s.dz))


def _one_for_all(s: Sum, one: Callable[[np.ndarray], np.ndarray]) -> None:
    s.after.append(lambda dw: np.repeat(one(dw), dw.shape[-1], axis=-1))


@_switch("dw", "W8", "result")
def gradient_of_the_first_channel(s: Sum) -> None:
    """dw[..., 0] for every channel."""
    _one_for_all(s, lambda dw: dw[..., :1])


@_switch("dw", "W8", "result")
def gradients_added(s: Sum) -> None:
    """The sum over the channels for every channel."""
    _one_for_all(s, lambda dw: dw.sum(axis=-1, keepdims=True))


@_switch("dw", "W8", "result")
def gradients_averaged(s: Sum) -> None:
    """The mean over the channels for every channel."""
    _one_for_all(s, lambda dw: dw.mean(axis=-1, keepdims=True))


@_switch("dw", "W9", "sum")
@_switch("db", "B1", "sum")
def last_sample(s: Sum) -> None:
    """= where += belongs: the last sample stays."""
    s.samples = slice(-1, None)


@_switch("dw", "W9", "sum")
@_switch("db", "B1", "sum")
def first_sample(s: Sum) -> None:
    """Only sample 0."""
    s.samples = slice(1)


@_switch("dw", "W10", "rows")
def not_padded(s: Sum) -> None:
    """Windows of x where windows of the padded x belong."""
    s.p = s.p + _before(s)


@_switch("dw", "W12", "result")
def axes_exchanged(s: Sum) -> None:
    """Rows and columns of the kernel exchanged."""
    if len(s.axes) < 2:
        raise DoesNotFit("a kernel with two axes is needed")
    s.after.append(lambda dw: np.swapaxes(dw, 1, 2))


# ---- The gradient of the bias


@_switch("db", "B2", "result")
def one_number(s: Sum) -> None:
    """dz.sum() for every filter."""
    s.after.append(lambda db: np.full_like(db, db.sum()))


@_switch("db", "B2", "result")
def one_number_alone(s: Sum) -> None:
    """dz.sum()."""
    s.after.append(lambda db: db.sum())


@_switch("db", "B4", "result")
def one_for_each_place(s: Sum) -> None:
    """dz.sum(axis=0)."""
    s.after.append(lambda _: s.dz[s.samples].sum(axis=0))


@_switch("db", "B4", "result")
def deltas_themselves(s: Sum) -> None:
    """dz."""
    s.after.append(lambda _: s.dz[s.samples])
