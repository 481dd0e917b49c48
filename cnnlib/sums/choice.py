"""Engines, which compute the three sums, and which of them should be the fastest (chapter 7)."""

import math
from functools import lru_cache
from operator import mul
from typing import NamedTuple, Protocol

import numpy as np

from cnnlib.arrays import read_word, spatial
from cnnlib.geometry import Axis, Shape, Window

from . import careful, fourier, loops
from .blocks import cut, estimate
from .guarded import Guarded
from .room import check_memory, modest, rooms


class Engine(Protocol):
    """The three sums over the connection table of a window; `loops` is the specification.

    The arrays have been read: real numbers of one type, whose shapes fit each other.
    """

    def conv(
        self, x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window, /
    ) -> np.ndarray:
        """What do the outputs get? `z` (N, *I, K)."""

    def conv_delta(
        self, dz: np.ndarray, w: np.ndarray, input_shape: Shape, window: Window, /
    ) -> np.ndarray:
        """What do the inputs owe? `dx` (N, *P, C)."""

    def conv_weight_gradient(self, x: np.ndarray, dz: np.ndarray, window: Window, /) -> np.ndarray:
        """What do the weights owe? `dw` (K, *U, C)."""


ENGINES: dict[str, Engine] = {"gemm": careful, "loops": loops, "fft": fourier}
METHODS = ("auto", *ENGINES)


class MatrixWork(NamedTuple):
    """What matrix products do for one sum; or, in `COSTS`, what each of these takes."""

    images: float  # nanoseconds already, see `blocks.estimate`
    calls: float


class FourierWork(NamedTuple):
    """What Fourier transforms do for one sum; or, in `COSTS`, what each of these takes."""

    products: float  # of complex numbers, for all frequencies
    additions: float  # of the transforms: about L*log2(L) for L cells
    passes: float  # cells that go through memory, once an axis
    calls: float


Work = MatrixWork | FourierWork

# Nanoseconds, fitted to measurements by `python benchmarks/fourier.py --fit`. Only the ratio of
# the two sums matters.
COSTS: dict[str, Work] = {
    "gemm": MatrixWork(images=1.1, calls=100000.0),
    "fft": FourierWork(products=0.41, additions=0.39, passes=1.3, calls=220000.0),
}


def choose(method: str, x_shape: Shape, filters: int, window: Window) -> str | Engine:
    """An engine, or its name; for 'auto' the one that should be faster, and takes memory enough.

    Raises
    ------
    InputError
        There is no such method, or not so much memory.
    """
    method = read_word("method", method, METHODS)
    axes = window.axes(spatial(x_shape))
    room, auto = rooms(x_shape, filters, axes), method == "auto"
    if auto:
        method = faster(x_shape, filters, window) if modest(room, "gemm") else "loops"
        if not modest(room, method):
            method = "gemm"
    outputs = *(axis.outputs for axis in axes), filters
    check_memory(room, method, f"of shapes {x_shape} and {(x_shape[0], *outputs)}")
    return Guarded() if auto and method == "fft" else method


def keeping(engine: str | Engine) -> str | Engine:
    """The engine for one way forwards and back: what several sums transform is kept."""
    if engine == "fft":
        return fourier.Transforms()
    return Guarded(fourier.Transforms()) if isinstance(engine, Guarded) else engine


def faster(x_shape: Shape, filters: int, window: Window) -> str:
    """'fft' if it should take a seventh less time than 'gemm' for these sizes (chapter 7).

    To look at the numbers first takes a tenth of it, and 'gemm' is exact for more of them. The
    three sums do about the same work, so one answer serves all of them.
    """
    work = counts(x_shape, filters, window.axes(spatial(x_shape)))
    gemm, fft = (sum(map(mul, COSTS[method], work[method])) for method in ("gemm", "fft"))
    *_, a_call = COSTS["gemm"]  # with nothing to do
    return "fft" if gemm > 2 * a_call and fft < 0.85 * gemm else "gemm"


@lru_cache(1024)  # to count takes as long as a small convolution
def counts(x_shape: Shape, filters: int, axes: tuple[Axis, ...]) -> dict[str, Work]:
    """What each method does for one sum over images of shape (N, *P, C)."""
    N, *_, C = x_shape
    L = math.prod(fourier.least(axes))
    cells = (N * C + filters * C + N * filters) * L
    return {
        "gemm": MatrixWork(N * estimate(cut(axes, C, filters), C, filters), 1),
        "fft": FourierWork(N * C * filters * L / 2, cells * math.log2(L + 1), cells * len(axes), 1),
    }
