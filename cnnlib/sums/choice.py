"""Engines, which compute the three sums, and which should be the fastest (chapters 7 and 8)."""

import math
from functools import lru_cache
from operator import mul
from typing import NamedTuple, Protocol

import numpy as np

from cnnlib.arrays import read_word, spatial
from cnnlib.errors import InputError
from cnnlib.geometry import Axis, Shape, Window

from . import careful, fourier, loops, winograd
from .blocks import cut, estimate
from .guarded import Guarded
from .mended import Mended
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


ENGINES: dict[str, Engine] = {"gemm": careful, "loops": loops, "fft": fourier, "winograd": winograd}
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


class WinogradWork(NamedTuple):
    """What minimal filtering does for one sum; or, in `COSTS`, what each of these takes."""

    products: float  # of all three steps
    copies: float  # of tiles and outputs, and what goes from step to step
    weights: float  # that are transformed
    inputs: float  # that are looked at first
    cells: float  # for each of these sums are made
    calls: float


Work = MatrixWork | FourierWork | WinogradWork

# Nanoseconds; only their ratios matter. The first two are fitted to measurements by
# `python benchmarks/fourier.py --fit`.
COSTS: dict[str, Work] = {
    "gemm": MatrixWork(images=1.1, calls=100000.0),
    "fft": FourierWork(products=0.41, additions=0.39, passes=1.3, calls=220000.0),
    "winograd": WinogradWork(0.031, 0.5, 1.2, 0.75, 18.0, calls=300000.0),
}


# Of the time of 'gemm' that another may take. The costs of 'winograd' are those with Haswell
# kernels; with wider ones the products take less and the rest as long, and a fifth is saved still.
SAVING = {"fft": 0.85, "winograd": 0.7}
WARY: dict[str, Engine] = {"fft": Guarded(), "winograd": Mended()}  # which look at the numbers


def choose(method: str, x_shape: Shape, filters: int, window: Window) -> str | Engine:
    """An engine, or its name; for 'auto' the one that should be faster, and takes memory enough.

    Raises
    ------
    InputError
        There is no such method, or not so much memory.
    """
    method = read_word("method", method, METHODS)
    axes = window.axes(spatial(x_shape))
    if method == "winograd" and not winograd.fits(axes):
        raise InputError(
            "method 'winograd' is for stride 1, dilation 1 and kernels of 3 weights along one axis "
            f"or two, of 1 along others; not for {window!r}: let method='auto' choose"
        )
    room, auto = rooms(x_shape, filters, axes), method == "auto"
    if auto:
        method = faster(x_shape, filters, window) if modest(room, "gemm") else "loops"
        if not modest(room, method):
            method = "gemm"
    outputs = *(axis.outputs for axis in axes), filters
    check_memory(room, method, f"of shapes {x_shape} and {(x_shape[0], *outputs)}")
    return WARY[method] if auto and method in WARY else method


def keeping(engine: str | Engine) -> str | Engine:
    """The engine for one way forwards and back: what several sums transform is kept."""
    if engine == "fft":
        return fourier.Transforms()
    return Guarded(fourier.Transforms()) if isinstance(engine, Guarded) else engine


def faster(x_shape: Shape, filters: int, window: Window) -> str:
    """'fft' or 'winograd' if it should take so much less time than 'gemm' for these sizes.

    For 'gemm' is exact for more numbers. The sums do about the same work, so one answer serves all
    of them.
    """
    work = counts(x_shape, filters, window.axes(spatial(x_shape)))
    times = {method: sum(map(mul, COSTS[method], work[method])) for method in work}
    *_, a_call = COSTS["gemm"]  # with nothing to do
    if times["gemm"] <= 2 * a_call:
        return "gemm"
    return min(work, key=lambda method: times[method] / SAVING.get(method, 1))


@lru_cache(1024)  # to count takes as long as a small convolution
def counts(x_shape: Shape, filters: int, axes: tuple[Axis, ...]) -> dict[str, Work]:
    """What each method that fits does for one sum over images of shape (N, *P, C)."""
    N, *P, C = x_shape
    L = math.prod(fourier.least(axes))
    cells = (N * C + filters * C + N * filters) * L
    found: dict[str, Work] = {
        "gemm": MatrixWork(N * estimate(cut(axes, C, filters), C, filters), 1),
        "fft": FourierWork(N * C * filters * L / 2, cells * math.log2(L + 1), cells * len(axes), 1),
    }
    if winograd.fits(axes):
        cuts = winograd.tiles(axes)
        i, t = (math.prod(getattr(one, name) for one in cuts) for name in ("size", "span"))
        tiles = N * math.prod(one.count for one in cuts)
        products, copies = t * t * C + t * C * filters + i * t * filters, 2 * t * C + t * filters
        found["winograd"] = WinogradWork(
            tiles * products,
            tiles * (copies + 2 * i * filters),
            t * C * filters,
            N * math.prod(P) * C,
            N * math.prod(P),
            1,
        )
    return found
