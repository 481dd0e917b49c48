"""Exercises of chapter 9, the clinic."""

from collections.abc import Callable

import numpy as np

from cnnlib.diagnosis import Report, diagnose, diagnose_head, diagnose_pool

from .desk import Exercise
from .judging import choice, values
from .mending import diagnosed, find
from .varying import varied


def _weight_gradient(fn: Callable) -> Report:
    return diagnose(lambda x, w, b, dz, stride, padding: {"dw": fn(x, w, dz, stride, padding)})


def _pool_delta(fn: Callable) -> Report:
    return diagnose_pool(
        lambda x, da, window, stride: {"dx": fn(x, da, window, stride)}, kind="avg"
    )


def _way_back(P: int, U: int, s: int) -> list[int]:
    I = (P + 2 - U) // s + 1
    cells = s * (I - 1) + U - 2
    return [I, cells, P - cells]


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "9.1",
        "agreeing",
        level=1,
        judge=choice(
            "b",
            {
                "a": "[[1, 2], [3, 4]]",
                "b": "[[1, 2], [2, 1]]",
                "c": "[[1, 2], [1, 2]]",
                "d": "[[0, 1], [0, 0]]",
            },
            because={
                "a": "turned, it is [[4, 3], [2, 1]]",
                "c": "its rows are equal, but turned they are [2, 1]",
                "d": "the 1 stands in the first row, and turned in the second",
            },
        ),
        hints=(
            "They agree for a kernel that is equal to its half turn.",
            "After half a turn the last entry comes first: read the kernel backwards.",
        ),
        wrong=("a", "c", "d"),
    ),
    Exercise(
        "9.2",
        "sizes",
        level=1,
        judge=values([6, 18, 2], reveal=False),
        variant=varied(
            "An axis of {P} cells, {U} weights, stride {s}, padding 1. How many outputs are "
            "there, how many cells does the way back have without the remainder, and what is the"
            " remainder?",
            _way_back,
            P=(20, 15, 29),
            U=(5, 3, 6),
            s=(3, 2, 4),
        ),
        hints=(
            "The outputs: the floor of (20 + 2 - 5) / 3, and 1.",
            "On the way back 6 deltas with two zeros between them take 16 cells. Add U-1, and take "
            "the padding of both sides away.",
            "The remainder is what is missing to 20.",
        ),
        wrong=([6, 20, 0], [5, 15, 5], [6, 18, 1], [6, 20, 2]),
    ),
    Exercise(
        "9.3",
        "may_hide",
        level=1,
        judge=choice(
            "b",
            {"a": "D1", "b": "D4", "c": "W8", "d": "D24"},
            because={
                "a": "random kernels are not equal to their half turn, so it was seen",
                "c": "there are 4 channels, and their gradients differ, so it was seen",
                "d": "there is padding, so it was seen",
            },
        ),
        hints=(
            "Which number of the test is an easy one?",
            "The stride was 1. What looks the same with and without a stride of 1?",
        ),
        wrong=("a", "c", "d"),
    ),
    Exercise(
        "9.4",
        "sums",
        level=1,
        judge=values([20, 20], reveal=False),
        variant=varied(
            "A layer has the kernel {w} and gets the deltas {dz}; there is no padding. What is "
            "the sum of all entries of dx, computed without computing dx? And what would it be "
            "if the deltas were exchanged?",
            lambda w, dz: [sum(w) * sum(dz)] * 2,
            w=([2, -1, 3], -3, 9),
            dz=[1, 4],
        ),
        hints=(
            "Equation (9.4): the sum of the weights times the sum of the deltas.",
            "The weights sum to 4. What do the deltas sum to, in either order?",
        ),
        wrong=([20, 5], [14, 11], [4, 5], [30, 30]),
    ),
    Exercise(
        "9.5",
        "changes",
        level=2,
        judge=values([0.5, -1.1], reveal=False),
        variant=varied(
            "Two weights have the right gradient g = {g}. The code uses {h} for it. By how much "
            "does the loss change in a small step with the rate 0.1? (Positive if it rises.) And"
            " by how much if the code uses {k}?",
            lambda g, h, k: [-0.1 * np.dot(g, h), -0.1 * np.dot(g, k)],
            g=([3, -4], -9, 9),
            h=([1, 2], -9, 9),
            k=([1, -2], -9, 9),
        ),
        hints=(
            "The change is minus the rate times the sum of the products.",
            "For the first: 3*1 + (-4)*2 = -5.",
        ),
        wrong=([-0.5, 1.1], [-5, 11], [5, -11], [-1.1, 0.5], [-2.5, -2.5]),
    ),
    Exercise(
        "9.6",
        "found_dw",
        level=2,
        faulty="clinic_dw",
        judge=find(
            "b", {"a": "W3", "b": "W9", "c": "W10", "d": "W12"}, diagnosed(_weight_gradient)
        ),
        hints=(
            "Is the stride where it belongs? Is the padded input read? Then what is left?",
            "Follow dw through two samples. What does it hold after the first, and after the "
            "second?",
        ),
        wrong=({"mistake": "a", "mended": ...}, {"mistake": "c", "mended": ...}),
    ),
    Exercise(
        "9.7",
        "found_pool",
        level=2,
        faulty="clinic_pool",
        judge=find("d", {"a": "P2", "b": "P3", "c": "P4", "d": "P6"}, diagnosed(_pool_delta)),
        hints=(
            "Where does the second window begin, in the code and in the pool?",
            "In the code it begins at cell `window`, in the pool at cell `stride`.",
        ),
        wrong=({"mistake": "b", "mended": ...}, {"mistake": "a", "mended": ...}),
    ),
    Exercise(
        "9.8",
        "found_head",
        level=2,
        faulty="clinic_head",
        judge=find(
            "a",
            {"a": "S4", "b": "S7", "c": "S6", "d": "nothing, it is right"},
            diagnosed(diagnose_head),
        ),
        hints=(
            "The loss is a mean. Over what?",
            "p.size counts the samples and the classes. A mean over the samples divides by len(x).",
        ),
        wrong=({"mistake": "b", "mended": ...}, {"mistake": "d", "mended": ...}),
    ),
)
