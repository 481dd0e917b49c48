"""Mistakes in the forward pass and its sizes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cnnlib.geometry import Axis

from .registry import span, switch
from .sums import Sum


def _sizes(s: Sum, size: Callable[[Axis, int, int], int]) -> None:
    s.axes = [
        replace(axis, outputs=size(axis, before, after))
        for axis, (before, after) in zip(s.axes, s.pads, strict=True)
    ]


@switch("(P + 2*pad - U + 1)//s outputs.", "axes", z="F4")
def one_inside(s: Sum) -> None:
    _sizes(s, lambda a, before, after: (a.inputs + before + after - span(a) + 1) // a.stride)


@switch("(P + pad - U)//s + 1 outputs.", "axes", z="F5")
def padding_once(s: Sum) -> None:
    _sizes(s, lambda a, before, _: (a.inputs + before - span(a)) // a.stride + 1)


@switch("(P + 2*pad)//s + 1 outputs.", "axes", z="F6")
def no_kernel(s: Sum) -> None:
    _sizes(s, lambda a, before, after: (a.inputs + before + after) // a.stride + 1)


@switch("The number of rows also for the columns.", "axes", z="F8")
def height_for_width(s: Sum) -> None:
    s.axes = [replace(axis, outputs=s.axes[0].outputs) for axis in s.axes]


@switch("(K, N*oh*ow) reshaped to (N, oh, ow, K).", "result", z="F10")
def reshaped_back(s: Sum) -> None:
    s.after.append(lambda z: np.moveaxis(z, -1, 0).reshape(z.shape))


@switch("(N, K, oh, ow) reshaped to (N, oh, ow, K).", "result", z="F10 F11")
def channels_first_back(s: Sum) -> None:
    s.after.append(lambda z: np.moveaxis(z, -1, 1).reshape(z.shape))


def scrambled(a: np.ndarray) -> np.ndarray:
    """(N, H, W, C) read as if it lay in memory as (N, C, H, W)."""
    return np.moveaxis(a.reshape(len(a), a.shape[-1], *a.shape[1:-1]), 1, -1)


@switch("x.reshape(N, C, H, W).", "arrays", z="F11")
def input_reshaped(s: Sum) -> None:
    s.x = scrambled(s.x)


@switch("w.reshape(K, C, kh, kw).", "arrays", z="F11")
def kernel_reshaped(s: Sum) -> None:
    s.w = scrambled(s.w)


@switch("x.reshape(N, C, H, W) and w.reshape(K, C, kh, kw).", "arrays", z="F11")
def both_reshaped(s: Sum) -> None:
    s.x, s.w = scrambled(s.x), scrambled(s.w)


@switch("x and w reshaped to channels first, and z reshaped back.", "result", z="F11")
def all_reshaped(s: Sum) -> None:
    both_reshaped(s)
    channels_first_back(s)


@switch(
    "x[-1-p] where the padding's zeros belong: the image continues as its own mirror image.",
    "rows",
    z="F12",
)
def reflected_border(s: Sum) -> None:
    limits = np.array([[axis.inputs] for axis in s.axes])
    s.p = np.where(s.p < 0, -1 - s.p, np.where(s.p >= limits, 2 * limits - 1 - s.p, s.p))


@switch(
    "ceil(P/s) outputs, and half of the padding that they need before, whatever was asked for.",
    "axes",
    z="F13",
)
def padded_as_tensorflow(s: Sum) -> None:
    for n, axis in enumerate(s.axes):
        outputs = -(-axis.inputs // axis.stride)
        before = max(0, axis.stride * (outputs - 1) + span(axis) - axis.inputs) // 2
        offset = axis.offset + axis.before - before
        s.axes[n] = replace(axis, outputs=outputs, offset=offset)
