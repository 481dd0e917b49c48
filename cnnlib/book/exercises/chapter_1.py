"""Exercises of chapter 1, the forward pass."""

import numpy as np
from numpy.typing import NDArray

import cnnlib
from cnnlib.diagnosis import diagnose
from cnnlib.errors import InputError
from cnnlib.geometry import Window
from cnnlib.pooling import max_pool

from . import asking
from .desk import Exercise, Wrong
from .judging import function, values
from .mending import diagnosed, find
from .varying import varied


def _axis(P: int, U: int, s: int, d: int, before: int, after: int) -> asking.Pose:
    return {"P": (P,), "U": (U,), "stride": s, "dilation": d, "padding": ((before, after),)}


def _output_size(P: int, U: int, s: int, d: int, before: int, after: int) -> int:
    """The library's count; a kernel that fits nowhere has no outputs."""
    try:
        return Window(U, s, d, padding=((before, after),)).output_shape((P,))[0]
    except InputError:
        return 0


def _max_pool(x: NDArray, U: int, s: int) -> tuple[NDArray, NDArray]:
    """The library's pool of one channel of one image."""
    a, winners = max_pool(x[None, ..., None], U, stride=s)
    return a[0, ..., 0], winners[0, ..., 0]


def _multiplications(P: int, Q: int, C: int, K: int, U: int, s: int, padding: int) -> int:
    """Outputs times weights: every output uses all the weights of its filter."""
    I, J = Window((U, U), s, padding=padding).output_shape((P, Q))
    return I * J * K * U * U * C


def _last_winner(x: NDArray, U: int, s: int) -> tuple[NDArray, NDArray]:
    """As `_max_pool`, but the largest position wins a tie."""
    a, winners = _max_pool(x, U, s)
    winners = winners.copy()
    for i, j in np.ndindex(a.shape):
        u, v = np.argwhere(x[s * i : s * i + U, s * j : s * j + U] == a[i, j])[-1]
        winners[i, j] = (s * i + u) * x.shape[1] + s * j + v
    return a, winners


def _without_stride(x: NDArray, U: int, s: int) -> tuple[NDArray, NDArray]:
    """The number of outputs is right, their windows are those of stride 1."""
    size = tuple(slice(part) for part in _max_pool(x, U, s)[0].shape)
    a, winners = _max_pool(x, U, 1)
    return a[size], winners[size]


def _flipped(x: NDArray, w: NDArray, b: NDArray, s: int) -> NDArray:
    """A true convolution."""
    return cnnlib.conv(x, w[:, ::-1, ::-1], b, stride=s)


EXERCISES = (
    Exercise(
        "1.1",
        "z_by_hand",
        level=1,
        judge=values(
            [50, 80],
            reveal=False,
            explain=asking.by_hand("z", P=(3,), U=(2,), x=[10, 20, 30], w=[1, 2]),
        ),
        variant=varied(
            "A signal {x} meets the kernel {w}. Give both outputs in a list.",
            lambda x, w: np.correlate(x, w),
            x=[10, 20, 30],
            w=[1, 2],
        ),
        hints=(
            "Lay the two weights on the first two inputs, multiply what lies together, and add.",
            "z[0] = 1*10 + 2*20. For z[1] the kernel moves on by one cell.",
        ),
        wrong=(Wrong([40, 70], "F1"), [50, 70], 50, "50, 80"),
    ),
    Exercise(
        "1.2",
        "parameters",
        level=1,
        judge=values([608, 1168], reveal=False),
        variant=varied(
            "How many parameters (weights and biases) does a layer have with {K} filters of {U} "
            "by {U} on an image of {C} channels? And the next one, with {M} filters of {V} by "
            "{V}? Give both numbers in a list.",
            lambda K, U, C, M, V: [K * (C * U**2 + 1), M * (K * V**2 + 1)],
            K=(8, 3, 12),
            U=(5, 2, 7),
            C=(3, 2, 6),
            M=(16, 13, 24),
            V=(3, 2, 6),
        ),
        hints=(
            "A filter has a kernel for each channel of its input, and one bias.",
            "A filter of the first layer has 3 kernels of 25 weights, and its bias: 76 parameters.",
            "The input of the second layer are the 8 maps of the first.",
        ),
        wrong=([600, 1152], [208, 160], [608, 448], [608, 1153]),
    ),
    Exercise(
        "1.3",
        "z_padded",
        level=1,
        judge=values(
            [210, 432],
            reveal=False,
            explain=asking.by_hand(
                "z", P=(4,), U=(3,), x=[1, 2, 3, 4], w=[1, 10, 100], stride=2, padding=1
            ),
        ),
        variant=varied(
            "The signal is {x}, the kernel {w}, the padding one zero at each end and the stride "
            "2. Give the outputs in a list.",
            lambda x, w: np.correlate([0, *x, 0], w)[::2],
            x=[1, 2, 3, 4],
            w=[1, 10, 100],
        ),
        hints=(
            "Write the signal with its zeros: 0, 1, 2, 3, 4, 0.",
            "The kernel starts at cells 0 and 2 of the longer signal. Does it fit at 4?",
        ),
        wrong=(Wrong([210, 321], "F3"), [321], Wrong([12, 234], "F1"), [210, 432, 43]),
    ),
    Exercise(
        "1.4",
        "output_size",
        level=2,
        judge=function(
            _output_size,
            [
                (3, 2, 1, 1, 0, 0),
                (8, 3, 2, 1, 0, 0),
                (7, 3, 2, 1, 0, 0),
                (6, 3, 1, 2, 0, 0),
                (11, 2, 3, 2, 1, 2),
                (2, 5, 1, 1, 0, 0),
                (2, 5, 2, 1, 0, 0),
                (3, 3, 2, 1, 0, 1),
                (4, 2, 1, 1, 0, 2),
            ],
            explain=asking.outputs(_axis),
        ),
        hints=(
            "The first kernel starts at cell 0 of the padded axis. Where does the last one start?",
            "It starts at a multiple of s, at most at the padded length minus the span (1.12).",
            "If that is negative the kernel does not fit: 0. Else count the multiples of s.",
        ),
        wrong=(
            lambda P, U, s, d, before, after: (before + P + after - d * (U - 1) - 1) // s + 1,
            lambda P, U, s, d, before, after: max(0, (before + P + after - U) // s + 1),
            Wrong(
                lambda P, U, s, d, before, after: max(0, (before + P + after - d * (U - 1)) // s),
                "F4",
            ),
            Wrong(
                lambda P, U, s, d, before, after: max(0, (before + P - d * (U - 1) - 1) // s + 1),
                "F5",
            ),
            Wrong(lambda P, U, s, d, before, after: (before + P + after) // s + 1, "F6"),
            Wrong(
                lambda P, U, s, d, before, after: max(
                    0, (P + 2 * before - d * (U - 1) - 1) // s + 1
                ),
                "F5",
            ),
        ),
    ),
    Exercise(
        "1.5",
        "one_kernel",
        level=2,
        judge=values([3, 10, 8], reveal=False),
        variant=varied(
            "Two layers without activation have the kernels {v} and then {w}. Which single "
            "kernel does the same?",
            lambda v, w: np.convolve(v, w),
            v=[1, 2],
            w=[3, 4],
        ),
        hints=(
            "Write the first layer as h0 = x0 + 2*x1 and h1 = x1 + 2*x2.",
            "Insert both into 3*h0 + 4*h1, and collect what stands before x0, x1 and x2.",
        ),
        wrong=([3, 8], [8, 10, 3], [4, 11, 6], [4, 6]),
    ),
    Exercise(
        "1.6",
        "max_pool",
        level=3,
        judge=function(
            _max_pool,
            [
                (np.array([[1, 0, 2, 3], [4, 6, 6, 8], [3, 1, 1, 0], [1, 2, 2, 4]]), 2, 2),
                (np.array([[7, 7, 2], [7, 1, 2]]), 2, 1),
                (
                    np.array([[-3, -1, -2, -1, -9], [-4, -4, -4, -4, -8], [-5, -5, -6, -1, -1]]),
                    2,
                    2,
                ),
                (np.random.default_rng(0).integers(-5, 5, (7, 6)), 3, 2),
            ],
            explain=asking.pool,
        ),
        hints=(
            "Two loops over the outputs, two over the window: p = s*i + u, q = s*j + v.",
            "Start with minus infinity, not with 0: all numbers of a window may be negative.",
            "Replace the best only by a larger number, and note Q*p + q, where x has shape (P, Q).",
        ),
        wrong=(
            _last_winner,
            lambda x, U, s: _max_pool(x, U, U),
            lambda x, U, s: (np.maximum(_max_pool(x, U, s)[0], 0), _max_pool(x, U, s)[1]),
            Wrong(_without_stride, "F3"),
            lambda x, U, s: _max_pool(x, U, s)[0],
        ),
    ),
    Exercise(
        "1.7",
        "flattened",
        level=1,
        judge=values([344, 58860], reveal=False),
        variant=varied(
            "The maps have the shape {P} by {Q} by {C}. At which position of the flattened row "
            "stands row {p}, column {q}, channel {c}? And how many parameters does a dense layer"
            " from that row to {M} outputs have? Give both numbers in a list.",
            lambda P, Q, C, p, q, c, M: [(p * Q + q) * C + c, (P * Q * C + 1) * M],
            P=(7, 5, 9),
            Q=(7, 5, 9),
            C=(20, 10, 30),
            p=(2, 1, 4),
            q=(3, 1, 4),
            c=(4, 1, 9),
            M=(60, 20, 90),
        ),
        hints=(
            "How many numbers stand before the cell in row 2 and column 3?",
            "Each of the 2*7 + 3 cells before it has 20 numbers; then come 4 channels.",
            "Each of the 60 outputs has 7*7*20 weights and a bias.",
        ),
        wrong=([213, 58860], [344, 58800], [345, 58860], [344, 59780]),
    ),
    Exercise(
        "1.8",
        "multiplications",
        level=2,
        judge=function(
            _multiplications,
            [
                (28, 28, 1, 5, 2, 2, 0),
                (7, 7, 5, 20, 3, 1, 1),
                (9, 6, 2, 3, 3, 2, 1),
                (8, 5, 3, 2, 3, 2, 0),
            ],
        ),
        hints=(
            "Equation (1.41) needs the number of outputs on each axis.",
            "That number is (1.13), with padding zeros before and after, for P and for Q.",
        ),
        wrong=(
            lambda P, Q, C, K, U, s, padding: P * Q * K * U * U * C,
            lambda P, Q, C, K, U, s, padding: _multiplications(P, P, C, K, U, s, padding),
            lambda P, Q, C, K, U, s, padding: _multiplications(P, Q, 1, K, U, s, padding),
            lambda P, Q, C, K, U, s, padding: _multiplications(P, Q, C, K, U, 1, padding),
        ),
    ),
    Exercise(
        "1.9",
        "forward_found",
        level=3,
        faulty="forward",
        judge=find(
            "b",
            {"a": "F3", "b": "F10", "c": "F8", "d": "F1"},
            diagnosed(
                lambda answer: diagnose(
                    lambda x, w, b, dz, s, p: {"z": answer(x, w, b, s)}, padding=0
                )
            ),
        ),
        hints=(
            "Are the numbers wrong, or do they stand in the wrong places? Sort both.",
            "z has one row per filter. On which axis should the filters stand in the end?",
            "A reshape keeps the order in memory, which is filter by filter. Transpose first.",
        ),
        wrong=(
            {"mistake": "c", "mended": lambda x, w, b, s: cnnlib.conv(x, w, b, stride=s)},
            Wrong({"mistake": "b", "mended": lambda x, w, b, s: cnnlib.conv(x, w, b)}, "F3 F4 F5"),
            {"mistake": "b", "mended": ...},
            Wrong({"mistake": "F10", "mended": lambda x, w, b, s: _flipped(x, w, b, s)}, "F1"),
        ),
    ),
)
