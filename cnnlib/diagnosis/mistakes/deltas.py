"""Mistakes in the deltas of the input."""

from collections.abc import Callable, Sequence

import numpy as np

from .registry import before_each, last, no_stride, span, switch
from .sums import DoesNotFit, Sum


@switch("The full correlation of dz as it is: I - 1 + U - 2*pad cells.", "result", dx="D5")
def not_dilated(s: Sum) -> None:
    no_stride(s)
    s.lay()
    sizes = [a.outputs - 1 + span(a) - sum(pads) for a, pads in zip(s.axes, s.pads, strict=True)]
    _resized(s, sizes)


@switch("s*(I-1) + U - 2*pad cells: the remainder is not added.", "result", dx="D6")
def without_the_rest(s: Sum) -> None:
    _resized(
        s,
        [
            a.stride * (a.outputs - 1) + span(a) - sum(pads)
            for a, pads in zip(s.axes, s.pads, strict=True)
        ],
    )


@switch("s*I + U - 1 - 2*pad cells: s-1 zeros behind the last delta too.", "result", dx="D6")
def zeros_behind_the_last(s: Sum) -> None:
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


@switch("dz padded by pad where U-1-pad belongs, cut to the input's size.", "rows", dx="D9")
def padded_by_p(s: Sum) -> None:
    s.p = s.p + 2 * before_each(s) - last(s)


@switch(
    "dz padded by pad where U-1-pad belongs, and the kernel slid over all of it.", "result", dx="D9"
)
def padded_by_p_and_slid(s: Sum) -> None:
    padded_by_p(s)
    sizes = [
        a.stride * (a.outputs - 1) + 1 + sum(pads) - (span(a) - 1)
        for a, pads in zip(s.axes, s.pads, strict=True)
    ]
    _resized(s, sizes)


# Those that give dx other sizes, and nothing else.
RESIZED = ("not_dilated", "without_the_rest", "zeros_behind_the_last", "padded_by_p_and_slid",
           "padding_left_on", "padded_again")  # fmt: skip


def _uncut(s: Sum, axis: int) -> None:
    if len(s.axes) < 2:
        raise DoesNotFit("there is no other axis")
    before, after = s.pads[axis]
    s.shape[axis] += before + after
    s.p = s.p + before * (np.arange(len(s.p)) == axis)[:, None]


@switch("dx[:, pad:-pad] with all the padded columns.", "result", dx="D10")
def columns_not_cut(s: Sum) -> None:
    _uncut(s, len(s.axes) - 1)


@switch("dx[:, :, pad:-pad] with all the padded rows.", "result", dx="D10")
def rows_not_cut(s: Sum) -> None:
    _uncut(s, 0)


@switch("dx as large as the padded input.", "result", dx="D24")
def padding_left_on(s: Sum) -> None:
    s.shape = [n + sum(pads) for n, pads in zip(s.shape, s.pads, strict=True)]
    s.p = s.p + before_each(s)


@switch("The padded input is padded once more, and one padding is cut off.", "result", dx="D24")
def padded_again(s: Sum) -> None:
    _resized(s, [n + sum(pads) for n, pads in zip(s.shape, s.pads, strict=True)])


@switch("dx[:, pad:-pad] with pad = 0.", "result", dx="D11")
def cut_to_minus_zero(s: Sum) -> None:
    whole = [slice(None) if after else slice(0) for _, after in s.pads]
    s.after.append(lambda dx: dx[:, *whole])


@switch(
    "w[c, ..., k] where w[k, ..., c] belongs: w is read as if its filters were its channels.",
    "arrays",
    dx="D13",
)
def not_exchanged(s: Sum) -> None:
    K, C = len(s.w), s.w.shape[-1]
    if C > K:
        raise DoesNotFit("there is no filter for each channel")
    s.w, s.dz = np.swapaxes(s.w, 0, -1)[..., :C], s.dz[..., :C]


@switch("np.rot90(w, 2) of w (K, kh, kw, C), taken for the rotated kernel.", "arrays", dx="D15")
def first_axes_turned(s: Sum) -> None:
    s.w = np.flip(s.w, (0, *range(2, s.w.ndim - 1)))


@switch("np.rot90(w, 2) of w (K, C, kh, kw), taken for the rotated kernel.", "arrays", dx="D15")
def first_axes_turned_channels_first(s: Sum) -> None:
    s.w = np.flip(s.w)


@switch("np.flip(w[k]) without axes: the channels are reversed as well.", "arrays", dx="D16")
def channels_flipped(s: Sum) -> None:
    s.w = np.flip(s.w, -1)


@switch("np.flip(w) without axes: filters and channels are reversed as well.", "arrays", dx="D16")
def everything_flipped(s: Sum) -> None:
    s.w = np.flip(s.w, (0, -1))


def _quarter(s: Sum, turns: int) -> None:
    if s.w.ndim != 4 or s.w.shape[1] != s.w.shape[2]:
        raise DoesNotFit("a square kernel is needed")
    s.w = np.rot90(s.w, turns, axes=(1, 2))


@switch("np.rot90(w[k]) for the rotated kernel.", "arrays", dx="D18")
def quarter_turn(s: Sum) -> None:
    _quarter(s, 3)


@switch("np.rot90(w[k], -1) for the rotated kernel.", "arrays", dx="D18")
def quarter_turn_back(s: Sum) -> None:
    _quarter(s, 1)


@switch("dx[window] = w*dz where += belongs.", "sum", dx="D19")
def overwritten(s: Sum) -> None:
    s.overwrites = True


def _alike(s: Sum, one: Callable[[np.ndarray], np.ndarray]) -> None:
    s.w = np.repeat(one(s.w), s.w.shape[-1], axis=-1)


@switch("w[k, ..., 0] for every channel.", "arrays", dx="D21")
def first_channel_for_all(s: Sum) -> None:
    _alike(s, lambda w: w[..., :1])


@switch("w[k].sum(axis=-1) for every channel.", "arrays", dx="D21")
def channels_added(s: Sum) -> None:
    _alike(s, lambda w: w.sum(axis=-1, keepdims=True))


@switch("w[k].mean(axis=-1) for every channel.", "arrays", dx="D21")
def channels_averaged(s: Sum) -> None:
    _alike(s, lambda w: w.mean(axis=-1, keepdims=True))


@switch("Zeros.", "result", dx="D23")
def no_delta(s: Sum) -> None:
    s.after.append(np.zeros_like)


@switch("An axis in front, from a list that was multiplied whole.", "result", dx="D25")
def list_multiplied(s: Sum) -> None:
    s.after.append(lambda dx: dx[None])


@switch(
    "dx[i] where dx[p] belongs, along the first axis; i is the last output that p reached.",
    "result",
    dx="D26",
)
def index_left_over(s: Sum) -> None:
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
