"""Memory that a sum takes, known before anybody asks the system for it.

A dilation or a stride far beyond the image costs the definition nothing: rows that would leave the
image do not exist. But matrix products read images in a frame of zeros as wide as the windows
reach, and transforms need circles of that size.
"""

import math
from functools import lru_cache

from cnnlib import arrays
from cnnlib.geometry import Axis, Shape

from . import fourier, winograd

NUMBER = 8  # bytes, of float64
ROW = 256  # bytes of a row of the connection table as a list of Python
FREE = 1 << 28  # bytes that any call may take for itself

Axes = tuple[Axis, ...]


@lru_cache(1024)  # to count takes as long as a small convolution
def rooms(x_shape: Shape, filters: int, axes: Axes) -> dict[str, int]:
    """Bytes that each method takes, for the most of the three sums; and those of the arrays."""
    N, *P, C = x_shape
    x = N * math.prod(P) * C
    z = N * math.prod(axis.outputs for axis in axes) * filters
    w = filters * math.prod(axis.kernel for axis in axes) * C
    rows = math.prod(axis.count_rows() for axis in axes)
    circles = math.prod(fourier.least(axes)) * (C + filters)
    frames = max(_framed(axes) * C, _framed_back(axes) * filters)
    return {
        "arrays": (x + z) * NUMBER,
        "kernel": w * NUMBER,
        "gemm": frames * NUMBER,
        "fft": 4 * circles * NUMBER,  # complex, before and after a product
        "winograd": (frames + _tiled(axes, C, filters)) * NUMBER,
        "loops": rows * ROW,
    }


def modest(room: dict[str, int], method: str) -> bool:
    """Whether a method takes little, or no more than some times the arrays."""
    return room[method] <= FREE + 16 * room["arrays"]


def check_memory(room: dict[str, int], method: str, shapes: str) -> None:
    """Refuse what the machine cannot hold, before it is asked for."""
    cure = "lessen stride, dilation or padding"
    size = (room["arrays"] + room["kernel"]) // 2  # at least: float32
    arrays.check_memory(f"input, kernel and output ({shapes})", size, cure)
    if modest(room, "loops"):
        cure += ", or let method='auto' choose"
    arrays.check_memory(f"method {method!r}", room[method] // 2, cure)


def _framed(axes: Axes) -> int:
    """Cells of an image with its frame; 0 if it needs none."""
    if all(axis.before <= 0 and axis.after <= 0 for axis in axes):
        return 0
    return math.prod(axis.inputs + max(0, axis.before) + axis.after for axis in axes)


def _framed_back(axes: Axes) -> int:
    """The same for deltas, over which the windows of the inputs lie (see `gemm.gather`)."""
    cells = 1
    for a in axes:  # input p meets output (p - input(0, u)) / s
        first, last = -a.before, max(a.input(0, 0), a.input(0, a.kernel - 1))
        beyond = (a.inputs - 1 - first) // a.stride - (a.outputs - 1)
        cells *= a.outputs + max(0, last // a.stride) + max(0, beyond)
    return cells


def _tiled(axes: Axes, C: int, filters: int) -> int:
    """Numbers of a slab of tiles, twice, and of the transformed weights."""
    if not winograd.fits(axes):
        return 0
    cells = math.prod(one.span for one in winograd.tiles(axes))
    return 2 * cells * (winograd.LEAST * max(C, filters) + C * filters)
