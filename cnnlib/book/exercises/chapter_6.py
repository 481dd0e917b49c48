"""Exercises of chapter 6, the same network in TensorFlow and PyTorch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnlib.diagnosis import diagnose_head
from cnnlib.learning.activations import softmax

from .desk import Exercise, Wrong
from .judging import choice, function, values
from .mending import diagnosed, find


def _torch_row(m: int, P: int, C: int) -> int:
    """By the image itself: where its cell number m lies when the channels come first."""
    return int(np.flatnonzero(np.arange(P * C).reshape(P, C).T.ravel() == m)[0])


_ROWS = [(m, 2, 3) for m in range(6)] + [(7, 1, 9), (7, 9, 1), (11, 4, 5), (979, 49, 20)]


def _shares(seed: int, sizes: list[int], shape: tuple[int, ...]) -> tuple:
    r = np.random.default_rng(seed)
    return [r.integers(-5, 6, shape).astype(float) for _ in sizes], sizes


def _whole(gradients: Sequence[NDArray], sizes: Sequence[int]) -> NDArray:
    return np.sum([n * g for n, g in zip(sizes, gradients, strict=True)], axis=0) / sum(sizes)


_SHARES = [
    _shares(0, [1, 3], (2,)),
    _shares(1, [4, 4], (3,)),
    _shares(2, [5, 1, 2], (2, 3)),
    _shares(3, [7], (2, 1, 2)),
]


def _dense_rows(weight: NDArray, H: int, W: int, C: int) -> NDArray:
    """Row by row: cell (p, q) of channel c, here and in PyTorch."""
    rows = np.zeros((H * W * C, len(weight)))
    for p, q, c in np.ndindex(H, W, C):
        rows[(p * W + q) * C + c] = weight[:, (c * H + p) * W + q]
    return rows


_DENSE = ((1, 1, 2, 2), (1, 3, 2, 2), (3, 1, 2, 2), (2, 2, 1, 3), (2, 3, 2, 3), (4, 3, 2, 1))


def _dense_case(H: int, W: int, C: int, M: int) -> tuple:
    return np.arange(M * C * H * W, dtype=float).reshape(M, C * H * W), H, W, C


def _head(x: NDArray, w: NDArray, b: NDArray, t: NDArray, count: int = 0) -> dict[str, NDArray]:
    """Dense, softmax, cross-entropy; the gradient is divided by `count`, or by the batch."""
    p = softmax(x @ w + b)
    dz = (p - np.eye(len(b))[t]) / (count or len(x))
    loss = -np.log(p[np.arange(len(t)), t]).mean()
    return {"p": p, "loss": loss, "dz": dz, "dw": x.T @ dz, "db": dz.sum(0)}


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "6.1",
        "torch_row",
        level=2,
        judge=function(_torch_row, _ROWS),
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
        judge=function(_whole, _SHARES),
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
    Exercise(
        "6.6",
        "rows_found",
        level=2,
        faulty="dense_from_torch",
        judge=find(
            "c",
            {
                "a": "The matrix must not be transposed: both have (outputs, inputs).",
                "b": "The channels must come first.",
                "c": "The rows and the columns of the image are exchanged.",
                "d": "Every place must be reversed, because PyTorch correlates.",
            },
            function(_dense_rows, [_dense_case(*sizes) for sizes in _DENSE]),
            because={
                "a": "Here a dense layer has (inputs, outputs), in PyTorch (outputs, inputs).",
                "b": "They come first in PyTorch. Here they come last.",
                "d": "A dense layer has no direction.",
            },
        ),
        hints=(
            "Try an image of one row, then one of one column, then a square one.",
            "In which order do C, H and W stand in PyTorch, and in which here?",
            "(C, H, W) to (H, W, C): which numbers does transpose need?",
        ),
        wrong=(
            {"mistake": "b", "mended": _dense_rows},
            {"mistake": "c", "mended": lambda weight, H, W, C: weight.T},
            {"mistake": "c", "mended": lambda weight, H, W, C: _dense_rows(weight, H, W, C)[::-1]},
        ),
    ),
    Exercise(
        "6.7",
        "head_found",
        level=3,
        faulty="head",
        judge=find(
            "a",
            {
                "a": "The loss takes logits, and gets probabilities.",
                "b": "S5",
                "c": "S6",
                "d": "The mean is taken over the classes too.",
            },
            diagnosed(diagnose_head, ("p", "loss", "dz", "dw", "db")),
            because={"d": "mean() runs over the samples alone: p[rows, t] has one number each."},
        ),
        hints=(
            "A check by central differences passes: the gradient is that of this loss.",
            "What are the smallest and the largest probability that this head can give?",
            "Count the softmaxes.",
        ),
        wrong=(
            {"mistake": "b", "mended": _head},
            Wrong({"mistake": "a", "mended": lambda x, w, b, t: _head(x, w, b, t, 1)}, "S5"),
            {"mistake": "a", "mended": lambda x, w, b, t: {"loss": _head(x, w, b, t)["loss"]}},
        ),
    ),
)
