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


@switch("z", "F4", "axes")
def one_inside(s: Sum) -> None:
    """(P + 2*pad - U + 1)//s outputs."""
    _sizes(s, lambda a, before, after: (a.inputs + before + after - span(a) + 1) // a.stride)


@switch("z", "F5", "axes")
def padding_once(s: Sum) -> None:
    """(P + pad - U)//s + 1 outputs."""
    _sizes(s, lambda a, before, _: (a.inputs + before - span(a)) // a.stride + 1)


@switch("z", "F6", "axes")
def no_kernel(s: Sum) -> None:
    """(P + 2*pad)//s + 1 outputs."""
    _sizes(s, lambda a, before, after: (a.inputs + before + after) // a.stride + 1)


@switch("z", "F8", "axes")
def height_for_width(s: Sum) -> None:
    """The number of rows also for the columns."""
    s.axes = [replace(axis, outputs=s.axes[0].outputs) for axis in s.axes]


@switch("z", "F10", "result")
def reshaped_back(s: Sum) -> None:
    """(K, N*oh*ow) reshaped to (N, oh, ow, K)."""
    s.after.append(lambda z: np.moveaxis(z, -1, 0).reshape(z.shape))


@switch("z", "F10 F11", "result")
def channels_first_back(s: Sum) -> None:
    """(N, K, oh, ow) reshaped to (N, oh, ow, K)."""
    s.after.append(lambda z: np.moveaxis(z, -1, 1).reshape(z.shape))


def _scrambled(a: np.ndarray) -> np.ndarray:
    """(N, H, W, C) read as if it lay in memory as (N, C, H, W)."""
    return np.moveaxis(a.reshape(len(a), a.shape[-1], *a.shape[1:-1]), 1, -1)


@switch("z", "F11", "arrays")
def input_reshaped(s: Sum) -> None:
    """x.reshape(N, C, H, W)."""
    s.x = _scrambled(s.x)


@switch("z", "F11", "arrays")
def kernel_reshaped(s: Sum) -> None:
    """w.reshape(K, C, kh, kw)."""
    s.w = _scrambled(s.w)


@switch("z", "F11", "arrays")
def both_reshaped(s: Sum) -> None:
    """x.reshape(N, C, H, W) and w.reshape(K, C, kh, kw)."""
    s.x, s.w = _scrambled(s.x), _scrambled(s.w)


@switch("z", "F11", "result")
def all_reshaped(s: Sum) -> None:
    """x and w reshaped to channels first, and z reshaped back."""
    both_reshaped(s)
    channels_first_back(s)


@switch("z", "F12", "rows")
def reflected_border(s: Sum) -> None:
    """x[-1-p] where the padding's zeros belong: the image continues as its own mirror image."""
    limits = np.array([[axis.inputs] for axis in s.axes])
    s.p = np.where(s.p < 0, -1 - s.p, np.where(s.p >= limits, 2 * limits - 1 - s.p, s.p))


@switch("z", "F13", "axes")
def padded_as_tensorflow(s: Sum) -> None:
    """ceil(P/s) outputs, and half of the padding that they need before, whatever was asked for."""
    for n, axis in enumerate(s.axes):
        outputs = -(-axis.inputs // axis.stride)
        before = max(0, axis.stride * (outputs - 1) + span(axis) - axis.inputs) // 2
        offset = axis.offset + axis.before - before
        s.axes[n] = replace(axis, outputs=outputs, offset=offset)
