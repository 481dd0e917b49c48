"""Exercises of chapter 8, from loops to BLAS."""

import math

import numpy as np
from numpy.typing import NDArray

from cnnlib.convolution import conv

from .desk import Exercise
from .judging import choice, function, values
from .mending import find
from .varying import varied


def _best_block(s: int, V: int, C: int, K: int, rho: float, sigma: float) -> float:
    """Outputs in the block that takes least time for each of them."""
    return math.sqrt((rho * (V - s) + sigma / C) / (s * K))


def _collect(dm: NDArray, V: int) -> NDArray:
    """Sums along the diagonals: a weight stands one place lower for each output of a block."""
    return np.array([np.trace(np.asarray(dm)[v:]) for v in range(V)])


def _columns(V: int, B: int, seed: int) -> tuple:
    dm = np.random.default_rng(seed).integers(-9, 10, (B + V - 1, B))
    return dm.astype(float), V


def _forward(x: NDArray, w: NDArray) -> NDArray:
    return conv(x, w)


def _twice_of_a_shape() -> list[tuple]:
    """Two batches of every shape: what is kept from the first call meets the second one."""
    r = np.random.default_rng(0)
    cases = []
    for N, P, C, K, U in [(1, (2, 3), 1, 1, (2, 2)), (2, (4, 5), 2, 3, (2, 3))]:
        for _ in range(2):
            x, w = r.integers(-5, 6, (N, *P, C)), r.integers(-5, 6, (K, *U, C))
            cases.append((x.astype(float), w.astype(float)))
    return cases


def _overwriting(x: NDArray, w: NDArray, kept: dict[tuple, NDArray] = {}) -> NDArray:  # noqa: B006
    """The mistake: calls of one shape share their outputs."""
    z = conv(x, w)
    kept.setdefault(z.shape, z)[...] = z
    return kept[z.shape]


def _image(P: int, C: int) -> int:
    """The bytes of the rows of one image."""
    return (P - 2) ** 2 * (3 * 3 * C) * 4


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "8.1",
        "multiplications",
        level=1,
        judge=values(7776, reveal=False),
        variant=varied(
            "{N} images of {P} by {P} cells with {C} channels meet {K} filters of {U} by {U}, "
            "without padding. How many multiplications are that?",
            lambda N, P, C, K, U: N * (P - U + 1) ** 2 * U**2 * C * K,
            N=(2, 2, 9),
            P=(8, 6, 12),
            C=(3, 2, 5),
            K=(4, 2, 9),
            U=(3, 2, 5),
        ),
        hints=(
            "Equation (8.1). In how many places does a kernel of 3 by 3 lie on 8 by 8 cells?",
            "2 images, 6 * 6 places, 3 * 3 weights, 3 channels, 4 filters.",
        ),
        wrong=(2 * 64 * 9 * 3 * 4, 36 * 9 * 3 * 4, 2 * 36 * 9 * 4),
    ),
    Exercise(
        "8.2",
        "windows_shape",
        level=1,
        judge=values([2, 4, 6, 3, 2, 3], reveal=False),
        variant=varied(
            "{N} images of {P} by {Q} cells with {C} channels, windows of {U} by {V}. What is "
            "the shape of view(x, {U}, {V})?",
            lambda N, P, Q, C, U, V: [N, P - U + 1, Q - V + 1, U, V, C],
            N=(2, 2, 9),
            P=(6, 6, 9),
            Q=(7, 6, 9),
            C=(3, 2, 5),
            U=(3, 2, 5),
            V=(2, 2, 5),
        ),
        hints=(
            "Images, then the places along both axes, then the window, then the channels.",
            "Along an axis of 6 cells a window of 3 has 6 - 3 + 1 places.",
        ),
        wrong=([2, 4, 6, 3, 3, 2], [2, 6, 7, 3, 2, 3], [2, 3, 5, 3, 2, 3]),
    ),
    Exercise(
        "8.3",
        "memory",
        level=2,
        judge=values({"bytes": 1179648, "images": 28}, reveal=False),
        variant=varied(
            "A batch of {N} images of {P} by {P} cells with {C} channels, kernels of 3 by 3, no "
            "padding, float32. How many bytes do all rows take, and how many images fit into a "
            "slab of 2**20 bytes?",
            lambda N, P, C: {"bytes": N * _image(P, C), "images": 2**20 // _image(P, C)},
            N=(32, 10, 60),
            P=(10, 8, 14),
            C=(16, 8, 24),
        ),
        hints=(
            "A row has 3 * 3 * 16 numbers of 4 bytes. How many rows has an image?",
            "64 rows: an image takes 36 864 bytes. The batch takes 32 times as many.",
            "For the slab divide 2**20 by that, and take the floor.",
        ),
        wrong=(
            {"bytes": 294912, "images": 113},
            {"bytes": 1179648, "images": 28.4},
            {"bytes": 32 * 100 * 144 * 4, "images": 18},
        ),
    ),
    Exercise(
        "8.4",
        "band",
        level=1,
        judge=values([[2, 0, 0], [1, 2, 0], [0, 1, 2], [0, 0, 1]], reveal=False),
        variant=varied(
            "Two weights {w} and blocks of three outputs. Write the matrix, a list for each entry.",
            lambda w: w[0] * np.eye(4, 3) + w[1] * np.eye(4, 3, -1),
            w=[2, 1],
        ),
        hints=(
            "Three outputs of two weights read 3 + 2 - 1 = 4 entries: a row for each.",
            "The column of output b has the weights 2 and 1 at the entries b and b + 1.",
        ),
        wrong=(
            [[1, 0, 0], [2, 1, 0], [0, 2, 1], [0, 0, 2]],
            [[2, 1, 0, 0], [0, 2, 1, 0], [0, 0, 2, 1]],
            [[2, 0], [1, 2], [0, 1]],
        ),
    ),
    Exercise(
        "8.5",
        "best_block",
        level=3,
        judge=function(
            _best_block,
            [
                (1, 5, 1, 8, 18.0, 0.0),
                (1, 3, 8, 16, 18.0, 385.0),
                (2, 5, 1, 8, 18.0, 0.0),
                (3, 7, 4, 2, 10.0, 100.0),
            ],
        ),
        hints=(
            "Put T = s*(B - 1) + V into (8.9). Which terms have B above, which below?",
            "s*B + (V - s) times (rho/B + K): the term with B is s*K*B.",
            "The terms with 1/B are rho*(V - s) and sigma/C.",
        ),
        wrong=(
            lambda s, V, C, K, rho, sigma: _best_block(1, V, C, K, rho, sigma),
            lambda s, V, C, K, rho, sigma: _best_block(s, V, C, K, rho, sigma * C),
            lambda s, V, C, K, rho, sigma: _best_block(s, V, C, K, rho, sigma) ** 2,
            lambda s, V, C, K, rho, sigma: math.sqrt((rho * (V - 1) + sigma / C) / (s * K)),
        ),
    ),
    Exercise(
        "8.6",
        "collect",
        level=3,
        judge=function(_collect, [_columns(2, 2, 0), _columns(3, 2, 1), _columns(2, 4, 2)]),
        hints=(
            "Weight v of output b stands at entry b + v.",
            "For each weight sum dm[b + v, b] over the outputs b of a block.",
        ),
        wrong=(
            lambda dm, V: dm[:V, 0],
            lambda dm, V: _collect(dm, V)[::-1],
            lambda dm, V: dm.sum(axis=1)[:V],
            lambda dm, V: _collect(dm, V) / dm.shape[1],
        ),
    ),
    Exercise(
        "8.7",
        "roofs",
        level=1,
        judge=values([16, 40], reveal=False),
        hints=(
            "For im2col there are as many multiplications for each copied number as filters.",
            "Two copied numbers in a nanosecond allow 2 * 8 multiplications. Then compare with 40.",
        ),
        wrong=([16, 128], [40, 40], [20, 40], [4, 32]),
    ),
    Exercise(
        "8.8",
        "stays",
        level=1,
        judge=choice(
            "c",
            {"a": "a + np.zeros(3)", "b": "a * np.arange(3)", "c": "a / 255", "d": "a @ np.eye(3)"},
            because={
                "a": "zeros without a type are float64",
                "b": "arange gives integers of 8 bytes, and float32 cannot hold all of those",
                "d": "eye without a type is float64",
            },
        ),
        hints=(
            "What is the type of an array that was made without one?",
            "A single number of Python takes the type of the array.",
        ),
        wrong=("a", "b", "d"),
    ),
    Exercise(
        "8.9",
        "milliseconds",
        level=1,
        judge=values([100, 40], reveal=False),
        hints=(
            "BLAS divides the products only: 90 ms stay.",
            "Who shares the images divides everything by three.",
        ),
        wrong=([40, 40], [60, 40], [100, 60], [120, 40]),
    ),
    Exercise(
        "8.10",
        "per_output",
        level=2,
        judge=values({"CK": 4, "C": 64, "K": 16}, reveal=False),
        hints=(
            "A tile's three products, as in the code of (8.24): 16*16*C, 16*C*K and 4*16*K.",
            "Divide by the 4 outputs of the tile.",
        ),
        wrong=(
            {"CK": 16, "C": 256, "K": 64},
            {"CK": 2.25, "C": 81, "K": 36},
            {"CK": 4, "C": 16, "K": 64},
        ),
    ),
    Exercise(
        "8.11",
        "kept_found",
        level=3,
        faulty="forward",
        judge=find(
            "b",
            {
                "a": "The entries of a window are in another order than the weights.",
                "b": "The outputs of a later call are written over those of an earlier one.",
                "c": "Kept memory must be set to zero before it is used again.",
                "d": "Images of another size get rows of the wrong length.",
            },
            function(_forward, _twice_of_a_shape()),
            because={
                "a": "a single call gives the right outputs, with several channels, too",
                "c": "every entry is written anew in each call",
                "d": "memory is kept by its shape: another size gets another one",
            },
        ),
        hints=(
            "Call it twice with different images of one shape, and look at the first result again.",
            "Two arrays are kept. Which of them leaves the function?",
            "The rows may stay kept. The outputs must be new.",
        ),
        wrong=(
            {"mistake": "a", "mended": _forward},
            {"mistake": "b", "mended": _overwriting},
            {"mistake": "b", "mended": lambda x, w: _forward(x, w[:, ::-1])},
        ),
    ),
)
