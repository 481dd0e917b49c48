"""Mistakes in the deltas of the input."""

from collections.abc import Callable, Sequence

import numpy as np

from .registry import before_each, last, no_stride, span, switch
from .sums import DoesNotFit, Sum


@switch("dx", "D5", "result")
def not_dilated(s: Sum) -> None:
    """The full correlation of dz as it is: I - 1 + U - 2*pad cells."""
    no_stride(s)
    s.lay()
    sizes = [a.outputs - 1 + span(a) - sum(pads) for a, pads in zip(s.axes, s.pads, strict=True)]
    _resized(s, sizes)


@switch("dx", "D6", "result")
def without_the_rest(s: Sum) -> None:
    """s*(I-1) + U - 2*pad cells: the remainder is not added."""
    _resized(
        s,
        [
            a.stride * (a.outputs - 1) + span(a) - sum(pads)
            for a, pads in zip(s.axes, s.pads, strict=True)
        ],
    )


@switch("dx", "D6", "result")
def zeros_behind_the_last(s: Sum) -> None:
    """s*I + U - 1 - 2*pad cells: s-1 zeros behind the last delta too."""
    _resized(
        s,
        [
            a.stride * a.outputs + span(a) - 1 - sum(pads)
            for a, pads in zip(s.axes, s.pads, strict=True)
        ],
    )


def _resized(s: Sum, sizes: Sequence[int]) -> None:
    if min(sizes) < 1:
        raise DoesNotFit("nothing of dx is left")
    s.shape = list(sizes)


@switch("dx", "D9", "rows")
def padded_by_p(s: Sum) -> None:
    """dz padded by pad where U-1-pad belongs, cut to the input's size."""
    s.p = s.p + 2 * before_each(s) - last(s)


@switch("dx", "D9", "result")
def padded_by_p_and_slid(s: Sum) -> None:
    """dz padded by pad where U-1-pad belongs, and the kernel slid over all of it."""
    padded_by_p(s)
    sizes = [
        a.stride * (a.outputs - 1) + 1 + sum(pads) - (span(a) - 1)
        for a, pads in zip(s.axes, s.pads, strict=True)
    ]
    _resized(s, sizes)


def _uncut(s: Sum, axis: int) -> None:
    before, after = s.pads[axis]
    s.shape[axis] += before + after
    s.p = s.p + before * (np.arange(len(s.p)) == axis)[:, None]


@switch("dx", "D10", "result")
def columns_not_cut(s: Sum) -> None:
    """dx[:, pad:-pad] with all the padded columns."""
    _uncut(s, len(s.axes) - 1)


@switch("dx", "D10", "result")
def rows_not_cut(s: Sum) -> None:
    """dx[:, :, pad:-pad] with all the padded rows."""
    _uncut(s, 0)


@switch("dx", "D24", "result")
def padding_left_on(s: Sum) -> None:
    """dx as large as the padded input."""
    for axis in range(len(s.axes)):
        _uncut(s, axis)


@switch("dx", "D24", "result")
def padded_again(s: Sum) -> None:
    """The padded input is padded once more, and one padding is cut off."""
    _resized(s, [n + sum(pads) for n, pads in zip(s.shape, s.pads, strict=True)])


@switch("dx", "D11", "result")
def cut_to_minus_zero(s: Sum) -> None:
    """dx[:, pad:-pad] with pad = 0."""
    whole = [slice(None) if after else slice(0) for _, after in s.pads]
    s.after.append(lambda dx: dx[:, *whole])


@switch("dx", "D13", "arrays")
def not_exchanged(s: Sum) -> None:
    """w[c, ..., k] where w[k, ..., c] belongs: w is read as if its filters were its channels."""
    K, C = len(s.w), s.w.shape[-1]
    if C > K:
        raise DoesNotFit("there is no filter for each channel")
    s.w, s.dz = np.swapaxes(s.w, 0, -1)[..., :C], s.dz[..., :C]


@switch("dx", "D15", "arrays")
def first_axes_turned(s: Sum) -> None:
    """np.rot90(w, 2) of w (K, kh, kw, C), taken for the rotated kernel."""
    s.w = np.flip(s.w, (0, *range(2, s.w.ndim - 1)))


@switch("dx", "D15", "arrays")
def first_axes_turned_channels_first(s: Sum) -> None:
    """np.rot90(w, 2) of w (K, C, kh, kw), taken for the rotated kernel."""
    s.w = np.flip(s.w)


@switch("dx", "D16", "arrays")
def channels_flipped(s: Sum) -> None:
    """np.flip(w[k]) without axes: the channels are reversed as well."""
    s.w = np.flip(s.w, -1)


@switch("dx", "D16", "arrays")
def everything_flipped(s: Sum) -> None:
    """np.flip(w) without axes: filters and channels are reversed as well."""
    s.w = np.flip(s.w, (0, -1))


def _quarter(s: Sum, turns: int) -> None:
    if s.w.ndim != 4 or s.w.shape[1] != s.w.shape[2]:
        raise DoesNotFit("a square kernel is needed")
    s.w = np.rot90(s.w, turns, axes=(1, 2))


@switch("dx", "D18", "arrays")
def quarter_turn(s: Sum) -> None:
    """np.rot90(w[k]) for the rotated kernel."""
    _quarter(s, 3)


@switch("dx", "D18", "arrays")
def quarter_turn_back(s: Sum) -> None:
    """np.rot90(w[k], -1) for the rotated kernel."""
    _quarter(s, 1)


@switch("dx", "D19", "sum")
def overwritten(s: Sum) -> None:
    """dx[window] = w*dz where += belongs."""
    s.overwrites = True


def _alike(s: Sum, one: Callable[[np.ndarray], np.ndarray]) -> None:
    s.w = np.repeat(one(s.w), s.w.shape[-1], axis=-1)


@switch("dx", "D21", "arrays")
def first_channel_for_all(s: Sum) -> None:
    """w[k, ..., 0] for every channel."""
    _alike(s, lambda w: w[..., :1])


@switch("dx", "D21", "arrays")
def channels_added(s: Sum) -> None:
    """w[k].sum(axis=-1) for every channel."""
    _alike(s, lambda w: w.sum(axis=-1, keepdims=True))


@switch("dx", "D21", "arrays")
def channels_averaged(s: Sum) -> None:
    """w[k].mean(axis=-1) for every channel."""
    _alike(s, lambda w: w.mean(axis=-1, keepdims=True))


@switch("dx", "D23", "result")
def no_delta(s: Sum) -> None:
    """Zeros."""
    s.after.append(np.zeros_like)


@switch("dx", "D25", "result")
def list_multiplied(s: Sum) -> None:
    """An axis in front, from a list that was multiplied whole."""
    s.after.append(lambda dx: dx[None])


@switch("dx", "D26", "result")
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
