"""Exercises of chapter 2, the kernel's centre."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cnnlib
from cnnlib.diagnosis import Finding, Report
from cnnlib.geometry import Axis

from . import asking
from .desk import Exercise, Wrong
from .judging import function, values
from .mending import find
from .varying import varied


def _axis(P: int, U: int, **geometry: Any) -> Axis:
    return cnnlib.Window(U, **geometry).axes((P,))[0]


def _as_layer(x: NDArray, w: NDArray, u0: int) -> asking.Pose:
    return {"P": x.shape, "U": w.shape, "x": x, "w": w, "center": u0, "flip": True}


_NOT_TURNED = {"F1": "It is the cross-correlation: the kernel was not reversed."}


def _of_numpy(answer: Any, cases: Sequence[tuple]) -> Report:
    """Name `np.convolve(x, w, "same")`, which is right for some kernels; else the mistake."""

    def same(x: NDArray, w: NDArray, u0: int) -> bool:
        try:
            return np.array_equal(answer(x, w, u0), np.convolve(x, w, "same"))
        except (Exception, SystemExit):  # what the answer raises has been said
            return False

    if all(same(*case) for case in cases):
        said = (
            "It is np.convolve(x, w, 'same'): its centre is (U-1)//2 whatever u0 is, and it has as "
            "many outputs as the longer of x and w."
        )
        return Report([Finding("z", None, said)], [])
    return asking.layer("z", _as_layer, _NOT_TURNED)(answer, cases)


def _convolution(x: NDArray, w: NDArray, u0: int) -> NDArray:
    """A true convolution of an axis, with zeros outside."""
    return cnnlib.conv(x[None, :, None], w[None, :, None], center=u0, flip=True)[0, :, 0]


def _count_outputs(P: int, U: int, s: int, d: int, u0: int, flip: bool) -> int:
    """The number of outputs of a kernel with a centre."""
    return _axis(P, U, stride=s, dilation=d, center=u0, flip=flip).outputs


def _padding_of(P: int, U: int, s: int, d: int, u0: int, flip: bool) -> tuple[int, int]:
    """The zeros before and after an axis that a centre stands for."""
    axis = _axis(P, U, stride=s, dilation=d, center=u0, flip=flip)
    return axis.before, axis.after


_SIGNALS = [
    (np.array(x), np.array(w), u0)
    for x, w, u0 in (
        ([1, 2, 4], [1, 10], 0),
        ([1, 2, 4], [1, 10], 1),
        ([3, -1, 4, 1, -5], [2, 7, 1], 1),
        ([3, -1, 4, 1, -5], [2, 7, 1], 0),
        ([3, -1, 4, 1, -5, 9], [2, 7, 1, -8], 2),
        ([3, -1], [2, 7, 1, -8, 3], 4),
    )
]
# P, U, s, d, u0, flip with d <= P, every centre of each kernel.
_CENTERS = [
    (P, U, s, d, u0, flip)
    for P, U, s, d in ((5, 3, 1, 1), (7, 3, 2, 1), (8, 4, 3, 1), (6, 2, 4, 2), (9, 3, 2, 3))
    for u0, flip in product(range(U), (False, True))
]


def _centred(x: NDArray, w: NDArray, u0: int, s: int) -> asking.Pose:
    return {"P": x.shape, "U": w.shape, "x": x, "w": w, "center": u0, "stride": s}


def _layer(x: NDArray, w: NDArray, u0: int, s: int) -> NDArray:
    """A cross-correlation of an axis, with zeros outside."""
    return cnnlib.conv(x[None, :, None], w[None, :, None], center=u0, stride=s)[0, :, 0]


def _layer_case(P: int, U: int, s: int) -> tuple:
    r = np.random.default_rng(P)
    return r.integers(1, 9, P), r.integers(1, 9, U), U - 1, s


EXERCISES = (
    Exercise(
        "2.1",
        "z_by_hand",
        level=1,
        judge=values(
            [2, 9, 18, 20],
            reveal=False,
            explain=asking.by_hand("z", P=(4,), U=(3,), x=[1, 2, 4, 8], w=[5, 0, 1], center=1),
        ),
        variant=varied(
            "A text defines z[i] as the sum of w[a] * x[i + a] over a = -1, 0, 1. Its weights "
            "are {w}, for these a in this order, and the signal is {x}, with zeros outside. "
            "Which four numbers does it give?",
            lambda w, x: np.correlate(x, w, "same"),
            w=[5, 0, 1],
            x=[1, 2, 4, 8],
        ),
        hints=(
            "The weight called -1 is 5, the one called 0 is 0, the one called 1 is 1.",
            "So z[i] = 5*x[i-1] + 1*x[i+1], and x is 0 outside.",
        ),
        # turned round; the weights -1, 0, 1 taken from a NumPy array; without the padding
        wrong=(Wrong([10, 21, 42, 4], "F1"), [5, 11, 22, 44], [9, 18], [9, 18, 2, 20]),
    ),
    Exercise(
        "2.2",
        "centres",
        level=1,
        judge=values([3, 1, 2, 0], reveal=False),
        hints=(
            "Set p = i: which weight is left?",
            "In the first text, p = i + u - 3 is i for u = 3. In the second, count from its first "
            "weight, -1, up to the weight 0.",
        ),
        wrong=([-3, -1, 2, 0], [3, 0, 2, 0], [3, 1, 2, 2], [2, 2, 2, 2]),
    ),
    Exercise(
        "2.3",
        "convolution",
        level=2,
        judge=function(_convolution, _SIGNALS, explain=_of_numpy),
        hints=(
            "Reverse the kernel. Which place does the weight that was the centre have now?",
            "The weight u of U goes to the place U-1-u, and so does the centre.",
        ),
        wrong=(
            lambda x, w, u0: cnnlib.conv(x[None, :, None], w[None, ::-1, None], center=u0)[0, :, 0],
            lambda x, w, u0: cnnlib.conv(x[None, :, None], w[None, :, None], center=u0)[0, :, 0],
            lambda x, w, u0: np.convolve(x, w)[: len(x)],
            lambda x, w, u0: np.convolve(x, w, "same"),
        ),
    ),
    Exercise(
        "2.4",
        "count_outputs",
        level=3,
        judge=function(_count_outputs, _CENTERS),
        hints=(
            "How far left of the centre does the kernel reach? For a convolution, the last weight "
            "lies leftmost.",
            "The leftmost cell of window i is s*i + lo, with lo = -d*u0, or -d*(U-1-u0) if flip.",
            "Count the i >= 0 with s*i + lo <= P-1, and take at most P.",
        ),
        wrong=(
            lambda P, U, s, d, u0, flip: (P - 1) // s + 1,
            lambda P, U, s, d, u0, flip: (P - 1 + d * (U - 1 - u0 if flip else u0)) // s + 1,
            lambda P, U, s, d, u0, flip: min(P, (P - 1 + d * u0) // s + 1),
            lambda P, U, s, d, u0, flip: min(P, (P + d * (U - 1 - u0 if flip else u0)) // s),
        ),
    ),
    Exercise(
        "2.5",
        "z_corner",
        level=1,
        judge=values(
            [[4, 0], [9, 2]],
            reveal=False,
            explain=asking.by_hand(
                "z", P=(2, 2), U=(2, 2), x=[[1, 2], [3, 4]], w=[[1, 0], [0, 2]], center=(1, 0)
            ),
        ),
        variant=varied(
            "The kernel {w} has its centre at (1, 0), the lower left weight. The image is {x}, "
            "with zeros outside. What does the cross-correlation give at stride 1?",
            lambda w, x: cnnlib.conv(
                np.array(x)[None, ..., None], np.array(w)[None, ..., None], center=(1, 0)
            )[0, ..., 0],
            w=[[1, 0], [0, 2]],
            x=[[1, 2], [3, 4]],
        ),
        hints=(
            "The centre is the weight in row 1 and column 0. Lay it on cell (i, j). Where does the "
            "weight 1 lie, and where the weight 2?",
            "The weight 1 lies one row above, the weight 2 one column to the right: "
            "z[i,j] = 1*x[i-1,j] + 2*x[i,j+1].",
        ),
        wrong=([[6, 9], [0, 3]], [[9, 2], [3, 4]], [[2, 5], [0, 8]]),
    ),
    Exercise(
        "2.6",
        "padding_of",
        level=3,
        judge=function(_padding_of, _CENTERS),
        hints=(
            "The first window begins at lo. How many of its cells lie before cell 0?",
            "You have I from exercise 2.4. The last window ends at s*(I-1) + lo + d*(U-1).",
            "What lies behind cell P-1 is padding, unless the window ends before it: then 0.",
        ),
        wrong=(
            lambda P, U, s, d, u0, flip: (d * u0, d * (U - 1 - u0)),
            lambda P, U, s, d, u0, flip: (
                (d * (U - 1 - u0), d * u0) if flip else (d * u0, d * (U - 1 - u0))
            ),
            lambda P, U, s, d, u0, flip: (U // 2, U // 2),
        ),
    ),
    Exercise(
        "2.7",
        "layer_found",
        level=3,
        faulty="layer",
        judge=find(
            "b",
            {
                "a": "There are as many outputs as at stride 1.",
                "b": "The centre is multiplied by the stride.",
                "c": "The kernel is turned round.",
                "d": "Cells outside the signal are read.",
            },
            function(
                _layer,
                [_layer_case(*sizes) for sizes in product((5, 8), (2, 3), (1, 2, 3))],
                explain=asking.layer("z", _centred),
            ),
            because={
                "a": "Their number is that of (2.13).",
                "c": "Weight 0 meets the cell that lies farthest left.",
                "d": "The condition leaves them out.",
            },
        ),
        hints=(
            "Let u0 = 1 and s = 2. Which cell does weight 0 of output 0 meet, and which should it?",
            "The own cell of output i is s*i. How far from it does weight u lie?",
        ),
        wrong=(
            {"mistake": "a", "mended": _layer},
            Wrong({"mistake": "b", "mended": lambda x, w, u0, s: _layer(x, w[::-1], u0, s)}, "F1"),
            Wrong({"mistake": "b", "mended": lambda x, w, u0, s: _layer(x, w, 0, s)}, "F5"),
        ),
    ),
)
