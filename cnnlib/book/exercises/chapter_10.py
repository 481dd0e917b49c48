"""Exercises of chapter 10, the same table with other rows."""

import numpy as np
from numpy.typing import NDArray

from cnnlib.convolution import conv

from .desk import Exercise
from .judging import choice, function, values
from .varying import varied


def _depthwise(x: NDArray, w: NDArray) -> NDArray:
    """One axis: `len(w) / C` filters for each channel, neighbours for the same one."""
    groups = np.shape(x)[1]
    return conv(np.asarray(x)[None], np.asarray(w)[..., None], groups=groups)[0]


def _depthwise_cases() -> list[tuple]:
    r = np.random.default_rng(0)
    return [
        (r.integers(-5, 6, (P, C)), r.integers(-5, 6, (C * m, U)))
        for P, C, m, U in ((4, 1, 1, 2), (5, 3, 1, 2), (5, 2, 2, 3), (6, 3, 4, 1))
    ]


def _fold(padded: NDArray, before: int, after: int) -> NDArray:
    """What `P` inputs owe, whose border was symmetric, `before` and `after` cells wide."""
    P = len(padded) - before - after
    dx = np.zeros(P)
    np.add.at(dx, np.pad(np.arange(P), (before, after), "symmetric"), padded)
    return dx


def _fold_cases() -> list[tuple]:
    r = np.random.default_rng(1)
    return [
        (r.integers(-9, 10, before + P + after), before, after)
        for P, before, after in ((3, 0, 0), (3, 1, 0), (3, 0, 1), (4, 2, 3), (5, 5, 1))
    ]


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "10.1",
        "grouped_kernel",
        level=1,
        judge=values([24, 3, 3, 3], reveal=False),
        variant=varied(
            "Images with {C} channels for each of 4 groups, {K} filters for each of them, of {U} "
            "by {U} cells. Which shape has the kernel?",
            lambda C, K, U: [4 * K, U, U, C],
            C=(3, 2, 9),
            K=(6, 2, 9),
            U=(3, 2, 7),
        ),
        hints=(
            "Each of the 24 filters still has its 3 by 3 places. How many channels does it meet?",
            "Twelve channels in four groups: a filter meets 12/4 of them.",
        ),
        wrong=([24, 3, 3, 12], [6, 3, 3, 3], [24, 3, 3, 4]),
    ),
    Exercise(
        "10.2",
        "depthwise",
        level=2,
        judge=function(_depthwise, _depthwise_cases()),
        hints=(
            "There are m = len(w) / C filters for each channel: filter k meets channel k // m.",
            "Along the axis it is np.correlate(x[:, c], w[k], 'valid').",
            "Put the results beside each other: np.stack(..., axis=-1).",
        ),
        wrong=(
            lambda x, w: np.stack(
                [np.correlate(x[:, k % x.shape[1]], w[k], "valid") for k in range(len(w))], -1
            ),
            lambda x, w: np.stack(
                [np.correlate(x.sum(1), w[k], "valid") for k in range(len(w))], -1
            ),
        ),
    ),
    Exercise(
        "10.3",
        "two_layers",
        level=1,
        judge=values([25 * 16 * 32, 25 * 16 + 16 * 32], reveal=False),
        variant=varied(
            "{C} channels, {K} filters, {U} by {U} cells, no biases. How many weights has one "
            "layer, and how many have a depthwise one and a 1 by 1 one together?",
            lambda C, K, U: [U * U * C * K, U * U * C + C * K],
            C=(16, 8, 64),
            K=(32, 8, 64),
            U=(5, 2, 7),
        ),
        hints=(
            "One layer has U*C*K weights; of the two, the first has one channel for each filter.",
            "Depthwise 25*16; then each of 32 filters reads 16 numbers at its place.",
        ),
        wrong=([12800, 25 * 16], [12800, 25 * 32 + 16 * 32], [25 * 16, 912]),
    ),
    Exercise(
        "10.4",
        "reflected",
        level=1,
        judge=values([14, 15, 18, 19], reveal=False),
        variant=varied(
            "x = {x}, w = [1, 1, 1] with the centre in the middle, border='reflect'. What are the "
            "four outputs?",
            lambda x: np.correlate([x[1], *x, x[2]], [1, 1, 1]),
            x=[4, 5, 6, 7],
        ),
        hints=(
            "The border is 'reflect': the edge stands once. What stands before 4, what after 7?",
            "5 [4 5 6 7] 6: the first output is 5 + 4 + 5.",
        ),
        wrong=([9, 15, 18, 13], [13, 15, 18, 20], [16, 15, 18, 17]),
    ),
    Exercise(
        "10.5",
        "fold",
        level=3,
        judge=function(_fold, _fold_cases()),
        hints=(
            "padded[before:-after or None] are the cells' own deltas. Copy them first.",
            "Symmetric: cell -1 is a copy of 0, cell -2 of 1, cell P of P-1, cell P+1 of P-2.",
            "for n in range(before): the cell -1-n stands at padded[before - 1 - n].",
        ),
        wrong=(
            lambda padded, before, after: padded[before : len(padded) - after],
            lambda padded, before, after: _once(padded, before, after),
        ),
    ),
    Exercise(
        "10.6",
        "missing_cells",
        level=2,
        judge=values(2, reveal=False),
        hints=(
            "First the map: I = (28 + 2 - 4)//3 + 1.",
            "The smallest image with a map of nine cells has s*(I-1) + U - 2 cells.",
        ),
        wrong=(0, 1, 3),
    ),
    Exercise(
        "10.7",
        "leaking",
        level=1,
        judge=choice(
            "c",
            {
                "a": "center=2 with dilation 4",
                "b": "padding=((4, 0),) with dilation 2",
                "c": "padding='same' with dilation 2",
                "d": "the signal one place later, then padding=((1, 0),)",
            },
            {
                "a": "the centre is the last of three weights: no cell lies behind it",
                "b": "d*(U-1) = 4 zeros before, none after: the centre is the last weight",
                "d": "the window of output i ends at cell i+1, which holds what was at i",
            },
        ),
        hints=(
            "For each: does output i meet an input beyond i?",
            "'same' puts half of the zeros before, and half after.",
        ),
        wrong=("a", "b", "d"),
    ),
    Exercise(
        "10.8",
        "dx_of_a_norm",
        level=2,
        judge=values([2, -2, -4, 4], reveal=False),
        hints=(
            "Equation (10.25) first: each dh is 4 times its dz.",
            "The mean of dh is 6. What is the mean of h * dh?",
            "(10.26): dh - 6 - h * 2, and all of it divided by s = 2. The four must sum to zero.",
        ),
        wrong=([4, 0, 0, 8], [1, -3, -3, 5], [5, 1, -1, 7], [4, -4, -8, 8], [0.5, -0.5, -1, 1]),
    ),
    Exercise(
        "10.9",
        "running_after",
        level=1,
        judge=values(2.8, reveal=False),
        variant=varied(
            "A fresh BatchNorm with rate=0.1 sees a batch of the mean {first} and then one of the "
            "mean {second}. What is its running mean?",
            lambda first, second: 0.09 * first + 0.1 * second,
            first=(20, 10, 60),
            second=(10, 10, 60),
        ),
        hints=(
            "It begins with 0, and goes a tenth of the way to 20.",
            "(10.29) from 2: a tenth of the way from there to 10.",
        ),
        wrong=(15, 3, 10.8, 11, 2),
    ),
    Exercise(
        "10.10",
        "delta_of_a_sum",
        level=2,
        judge=values([2, 10], reveal=False),
        variant=varied(
            "F(x) = 3 * relu(x), and the layer gives z = F(x) + 2 * x. The inputs are x = [-{left},"
            " {right}], the deltas of the outputs dz = {dz}. What do the inputs owe?",
            lambda left, right, dz: [2 * dz[0], 5 * dz[1]],  # whatever the inputs' sizes
            left=4,
            right=5,
            dz=[1, 2],
        ),
        hints=(
            "Two ways: through F, where a ReLU decides, and past it with the weight 2.",
            "A negative input reaches nobody through F. For 5 the slopes are 3 and 2.",
        ),
        wrong=([5, 10], [0, 6], [2, 4], [1, 8], [2, 5]),
    ),
    Exercise(
        "10.11",
        "field_of_three",
        level=2,
        judge=values([11, 4, -4], reveal=False),
        hints=(
            "Begin with size 1, jump 1, start 0; the padding before is minus low.",
            "Behind the first layer it is 5, 2, -2. The next one adds jump * (3 - 1) cells.",
            "Behind the second it is 9, 2, -4. A pool of 2 adds one jump, and doubles it.",
        ),
        wrong=([8, 4, -3], [9, 4, -4], [13, 4, -4], [11, 2, -4], [11, 4, -3]),
    ),
)


def _once(padded: NDArray, before: int, after: int) -> NDArray:
    """Deltas of copies at the wrong cells: as if the edge stood once."""
    P = len(padded) - before - after
    dx = np.zeros(P)
    np.add.at(dx, np.abs(np.arange(-before, P + after)) % max(P, 1), padded)
    return dx
