"""Exercises of chapter 11, everyone's centres."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

import cnnlib

from . import asking
from .desk import Exercise, Wrong
from .judging import choice, function, values
from .mending import find
from .varying import varied


def _same_before(P: int, U: int, s: int) -> int:
    """The zeros that TensorFlow's SAME puts before an axis."""
    (axis,) = cnnlib.Window(U, s, padding="same").axes((P,))
    return axis.before


def _same_layer(x: NDArray, w: NDArray, s: int) -> asking.Pose:
    return {"P": x.shape, "U": w.shape, "x": x, "w": w, "stride": s, "padding": "same"}


def _same(x: NDArray, w: NDArray, s: int) -> NDArray:
    """TensorFlow's SAME on one axis."""
    return cnnlib.conv(x[None, :, None], w[None, :, None], stride=s, padding="same")[0, :, 0]


def _same_case(P: int, U: int, s: int) -> tuple:
    r = np.random.default_rng(P)
    return r.integers(1, 9, P), r.integers(1, 9, U), s


_SAME = [(P, U, s) for P, U, s in product((5, 6, 7, 8), (1, 2, 3, 4, 5), (1, 2, 3))]

EXERCISES = (
    Exercise(
        "11.1",
        "same_before",
        level=2,
        judge=function(_same_before, _SAME),
        hints=(
            "TensorFlow wants I = ceil(P/s) outputs. How long is the axis that their windows need?",
            "They need s*(I-1) + U cells. What is missing to P is the padding, never less than 0.",
            "Half of it goes before, and an odd cell goes after.",
        ),
        wrong=(
            lambda P, U, s: (U - 1) // 2,
            lambda P, U, s: U // 2,
            lambda P, U, s: -(-max(0, (-(-P // s) - 1) * s + U - P) // 2),
            lambda P, U, s: ((-(-P // s) - 1) * s + U - P) // 2,
        ),
    ),
    Exercise(
        "11.2",
        "letter",
        level=2,
        judge=choice(
            "b",
            {"a": "centre 1", "b": "centre 2", "c": "there is none"},
            because={
                "a": "that is the centre of the convolution, before the kernel is turned back",
                "c": "the cut of the full list decides it",
            },
        ),
        hints=(
            "fftconvolve cuts with the centre (U-1)//2 of a convolution. What is that for U = 4?",
            "Reversing the kernel carries the weight u to the place U-1-u, the centre too.",
        ),
        wrong=("a", "c"),
    ),
    Exercise(
        "11.3",
        "anchor",
        level=1,
        judge=values([3, 0], reveal=False),
        variant=varied(
            "A kernel has {U} rows and {V} columns. You want its centre in row {u} and column "
            "{v}. What do you hand to filter2D as anchor?",
            lambda U, V, u, v: [v, u],
            U=(2, 5, 9),
            V=(4, 5, 9),
            u=(0, 0, 4),
            v=(3, 0, 4),
        ),
        hints=(
            "OpenCV names a place in an image by x and y.",
            "x counts columns and comes first, y counts rows.",
        ),
        wrong=([0, 3], [3, 1], [2, 1], [-1, -1]),
    ),
    Exercise(
        "11.4",
        "z_mirrored",
        level=1,
        judge=values([211, 421, 442], reveal=False),
        variant=varied(
            'x = {x} and w = {w}, centre 1, with the border that scipy.ndimage calls "reflect". '
            "Which three numbers does it give?",
            lambda x, w: np.correlate([x[0], *x, x[2]], w),
            x=[1, 2, 4],
            w=[1, 10, 100],
        ),
        hints=(
            "Does this mirror show the edge cells once or twice?",
            "The padded signal is 1 1 2 4 4.",
        ),
        # the other mirror, zeros, halves of both, a ring
        wrong=([212, 421, 242], [210, 421, 42], [211, 421, 242], [214, 421, 142]),
    ),
    Exercise(
        "11.5",
        "sizes",
        level=2,
        judge=values([11, 10, 13], reveal=False),
        hints=(
            "PyTorch: s*(I-1) + U - 2*padding, and the output padding on top.",
            "Keras, left to itself, makes s*I cells with 'same'. With a number it adds it to "
            "s*(I-1) + U; with 'valid' nothing is cropped.",
        ),
        wrong=([10, 10, 12], [11, 9, 13], [12, 10, 13], [11, 10, 12]),
    ),
    Exercise(
        "11.6",
        "same_found",
        level=3,
        faulty="same",
        judge=find(
            "b",
            {
                "a": "The number of outputs is rounded up, where it must be rounded down.",
                "b": "The padding is that of stride 1.",
                "c": "The odd cell of padding goes after, and must go before.",
                "d": "The kernel is not turned round.",
            },
            function(
                _same,
                [_same_case(*sizes) for sizes in product((5, 8), (2, 3), (1, 2, 3))],
                explain=asking.layer("z", _same_layer),
            ),
            because={
                "a": "TensorFlow rounds up.",
                "c": "In TensorFlow it goes after; before is the smaller half.",
                "d": "TensorFlow does not turn it.",
            },
        ),
        hints=(
            "Compare with `cnnlib.conv` at stride 1, then at stride 2, for 8 cells and 3 weights.",
            "How many cells do I windows at distance s need? Exercise 11.1 asked for that.",
            "s*(I-1) + U - P cells are missing, and never less than none.",
        ),
        wrong=(
            {"mistake": "a", "mended": _same},
            Wrong({"mistake": "b", "mended": lambda x, w, s: _same(x, w[::-1], s)}, "F1"),
            {"mistake": "b", "mended": lambda x, w, s: _same(x, w, 1)[::s]},
        ),
    ),
)
