"""Exercises of chapter 6, the same network in TensorFlow and PyTorch."""

import numpy as np

from .desk import Exercise
from .judging import choice, function, values


def _torch_row(m, P, C):
    """By the image itself: where its cell number m lies when the channels come first."""
    return int(np.flatnonzero(np.arange(P * C).reshape(P, C).T.ravel() == m)[0])


ROWS = [(m, 2, 3) for m in range(6)] + [(7, 1, 9), (7, 9, 1), (11, 4, 5), (979, 49, 20)]


def _shares(seed: int, sizes: list[int], shape: tuple[int, ...]) -> tuple:
    r = np.random.default_rng(seed)
    return [r.integers(-5, 6, shape).astype(float) for _ in sizes], sizes


def _whole(gradients, sizes):
    return sum(n * g for n, g in zip(sizes, gradients, strict=True)) / sum(sizes)


SHARES = [
    _shares(0, [1, 3], (2,)),
    _shares(1, [4, 4], (3,)),
    _shares(2, [5, 1, 2], (2, 3)),
    _shares(3, [7], (2, 1, 2)),
]

EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "6.1",
        "torch_row",
        level=2,
        judge=function(_torch_row, ROWS),
        hints=(
            "Row m here belongs to place m // C and channel m % C.",
            "In PyTorch the channels come first, and each of them has P places.",
        ),
        wrong=(lambda m, P, C: m, lambda m, P, C: (m % P) * C + m // P),
    ),
    Exercise(
        "6.2",
        "zeros",
        level=2,
        judge=values({"before": 4, "after": 5}, reveal=False),
        hints=(
            "Flipped, the last weight lies first: d*(U - 1 - u0) cells before the output's place.",
            "I = min(P, (P - 1 + before)//s + 1), and (6.5) gives what the last window needs.",
            "There are 5 windows. The last one begins 12 cells after the first and spans 7.",
        ),
        wrong=({"before": 2, "after": 7}, {"before": 4, "after": 2}, {"before": 3, "after": 3}),
    ),
    Exercise(
        "6.3",
        "resnet_pool",
        level=1,
        judge=choice(
            "b",
            {
                "a": "padding='same'",
                "b": "zeros, then the pool",
                "c": "without padding",
                "d": "nothing",
            },
            because={
                "a": "112 is even: its odd cell goes after, and every window lies one cell off.",
                "c": "The first window would begin at cell 0, not before it.",
                "d": "Behind a ReLU no number is below 0. When does a zero of padding win?",
            },
        ),
        hints=(
            "Where does the first window begin in PyTorch, and where with 'same' at an even size?",
            "What is the smallest number that a ReLU lets through?",
        ),
        wrong=("a", "c", "d"),
    ),
    Exercise(
        "6.4",
        "first_steps",
        level=1,
        judge=values({"torch": 4 / 7, "keras": 4 / 3}, reveal=False),
        hints=(
            "v = 0.75*0 + 0.25*4**2.",
            "PyTorch divides by the root of v plus epsilon, Keras by the root of (v plus epsilon).",
        ),
        wrong=(
            {"torch": 4 / 3, "keras": 4 / 7},
            {"torch": 4 / 9, "keras": 4 / 9},
            {"torch": 4 / 21, "keras": 4 / 17**0.5},
        ),
    ),
    Exercise(
        "6.5",
        "whole_gradient",
        level=2,
        judge=function(_whole, SHARES),
        hints=(
            "The mean of a share, times its size, is the sum over its images.",
            "Add the sums of all shares, and divide by the number of all images.",
        ),
        wrong=(
            lambda gradients, sizes: sum(gradients) / len(gradients),
            lambda gradients, sizes: sum(gradients),
            lambda gradients, sizes: _whole(gradients, sizes[::-1]),
        ),
    ),
)
