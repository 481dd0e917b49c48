"""Memory that a sum takes, known before anybody asks the system for it.

A dilation or a stride far beyond the image costs the definition nothing: rows that would leave the
image do not exist. But matrix products read images in a frame of zeros as wide as the windows
reach, and transforms need circles of that size.
"""

import math
import os
import sys
from functools import lru_cache

from cnnlib.errors import InputError
from cnnlib.geometry import Axis, Shape

from . import fourier

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
    rows = math.prod(
        sum(len(range(a.outputs)[a.reach(u)[0]]) for u in range(a.kernel)) for a in axes
    )
    circles = math.prod(fourier.least(axes)) * (C + filters)
    frames = max(_framed(axes) * C, _framed_back(axes) * filters)
    return {
        "arrays": (x + z) * NUMBER,
        "gemm": frames * NUMBER,
        "fft": 4 * circles * NUMBER,  # complex, before and after a product
        "loops": rows * ROW,
    }


def modest(room: dict[str, int], method: str) -> bool:
    """Whether a method takes little, or no more than some times the arrays."""
    return room[method] <= FREE + 16 * room["arrays"]


def check_memory(room: dict[str, int], method: str, shapes: str) -> None:
    """Refuse what the machine cannot hold, before it is asked for."""
    most, cure = memory(), "lessen stride, dilation or padding"
    need, what = room["arrays"] // 2, f"input and output ({shapes})"  # at least: float32
    if need <= most:
        need, what = room[method] // 2, f"method {method!r}"
        if modest(room, "loops"):
            cure += ", or let method='auto' choose"
    if need > most:
        raise InputError(
            f"{what} would take {need / 1e9:.3g} GB of memory, and this machine has "
            f"{most / 1e9:.3g} GB: {cure}"
        )


def memory() -> int:
    """Bytes of this machine, if the system says so."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows, a browser
        return sys.maxsize


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
