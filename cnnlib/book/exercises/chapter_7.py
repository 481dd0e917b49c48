"""Exercises of chapter 7, N dimensions and Fourier transforms."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlib.convolution import conv, conv_delta, conv_weight_gradient
from cnnlib.geometry import Shape

from . import asking
from .desk import Exercise, Wrong
from .judging import choice, function, values
from .mending import find
from .varying import varied


def _cells(P: int, U: int, before: int, after: int) -> int:
    """Least number of cells of a circle that shows no wrap."""
    return P + max(before, after)


def _correlate(x: NDArray, w: NDArray) -> NDArray:
    """Valid cross-correlation of two signals."""
    return np.correlate(np.asarray(x, float), np.asarray(w, float), "valid")


def _valid(x: NDArray, w: NDArray) -> asking.Pose:
    return {"x": x, "w": w, "P": (len(x),), "U": (len(w),)}


def _same(U: Shape) -> dict[str, Any]:
    """The geometry of the question's layer: a true convolution of mode 'same'."""
    return {"U": U, "center": tuple((u - 1) // 2 for u in U), "flip": True}


def _delta_of_same(dz: NDArray, w: NDArray, input_shape: Shape) -> asking.Pose:
    return {"dz": dz, "w": w, "P": input_shape[1:-1], **_same(w.shape[1:-1])}


def _gradient_of_same(x: NDArray, dz: NDArray, kernel: Shape) -> asking.Pose:
    return {"x": x, "dz": dz, "P": x.shape[1:-1], **_same(kernel)}


_NOT_TURNED = {
    "D1 D2 D3": "The deltas meet a turned kernel: that is the delta of a cross-correlation, and "
    "this layer is a true convolution."
}


def _delta_flipped(dz: NDArray, w: NDArray, input_shape: Shape) -> NDArray:
    """A true convolution of mode 'same': its centre is `(U-1)//2`."""
    center = tuple((U - 1) // 2 for U in w.shape[1:-1])
    return conv_delta(dz, w, input_shape, center=center, flip=True)


def _same_of_scipy(dz: NDArray, w: NDArray, input_shape: Shape) -> NDArray:
    """What the layer of the case does for even kernels, too."""
    center = tuple((U - 1) // 2 for U in w.shape[1:-1])
    return conv_delta(dz, w[:, ::-1], input_shape, center=center, flip=True)


def _gradient_same(x: NDArray, dz: NDArray, kernel: Shape) -> NDArray:
    """The weight gradient of the same layer."""
    center = tuple((U - 1) // 2 for U in kernel)
    return conv_weight_gradient(x, dz, kernel, center=center, flip=True)


def _same_cases() -> list[tuple]:
    """Awkward layers of one, two and three axes with even and odd kernels."""
    cases = []
    for seed, (P, U) in enumerate([((7,), (4,)), ((5, 6), (2, 3)), ((3, 4, 5), (2, 1, 4))]):
        r = np.random.default_rng(seed)
        x, dz = r.integers(-5, 6, (2, *P, 3)), r.integers(-5, 6, (2, *P, 2))
        cases.append((x.astype(float), dz.astype(float), U))
    return cases


def _case_of_delta(x: NDArray, dz: NDArray, U: Shape, seed: int = 0) -> tuple:
    r = np.random.default_rng(seed)
    return dz, r.integers(-5, 6, (2, *U, 3)).astype(float), x.shape


def _forward_layer(x: NDArray, w: NDArray) -> asking.Pose:
    return {"x": x, "w": w, "P": x.shape[1:-1], "U": w.shape[1:-1]}


def _forward(x: NDArray, w: NDArray) -> NDArray:
    return conv(x, w)


def _forward_cases() -> list[tuple]:
    """One, two and three axes, with one channel and with several."""
    r = np.random.default_rng(0)
    cases = []
    for N, P, C, K, U in [
        (1, (4,), 1, 1, (2,)),
        (1, (4,), 2, 1, (2,)),
        (2, (5,), 3, 2, (3,)),
        (2, (4, 5), 1, 2, (2, 3)),
        (2, (4, 5), 3, 2, (2, 3)),
        (1, (3, 4, 5), 2, 2, (2, 1, 3)),
    ]:
        x, w = r.integers(-5, 6, (N, *P, C)), r.integers(-5, 6, (K, *U, C))
        cases.append((x.astype(float), w.astype(float)))
    return cases


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "7.1",
        "on_a_circle",
        level=1,
        judge=values([8, 4, 1, 5], reveal=False),
        variant=varied(
            "x = {x} on a circle of four, with h = [{a}, {b}, 0, 0]: what is y?",
            lambda x, a, b: a * np.array(x) + b * np.roll(x, 1),
            x=[2, 0, 1, 3],
            a=1,
            b=2,
        ),
        hints=(
            "Cell t gets x[t]*1 + x[t-1]*2, and cell -1 of a circle of four is cell 3.",
            "Cell 0: 2*1 + 3*2 = 8.",
        ),
        wrong=([2, 4, 1, 3, 6], [2, 4, 1, 3], [4, 2, 6, 6]),
    ),
    Exercise(
        "7.2",
        "wrapped",
        level=1,
        judge=values([0, 1], reveal=False),
        hints=(
            "The linear convolution has 10 + 3 - 1 = 12 outputs. Which do not fit on the circle?",
            "Outputs 10 and 11 come back as ...",
        ),
        wrong=([0], [0, 1, 2], [8, 9]),
    ),
    Exercise(
        "7.3",
        "cells",
        level=2,
        judge=function(_cells, [(10, 3, 0, 0), (10, 3, 2, 0), (7, 4, 1, 2), (5, 9, 4, 4)]),
        hints=(
            "The windows reach from cell -before to cell P-1+after. What must they not meet?",
            "Cell -before comes back as L-before: it must lie behind the last input.",
            "The zeros at the end serve both: those before, and those after.",
        ),
        wrong=(
            lambda P, U, before, after: P + before + after,
            lambda P, U, before, after: P + U - 1,
            lambda P, U, before, after: P + before,
        ),
    ),
    Exercise(
        "7.4",
        "moved_centre",
        level=2,
        judge=choice(
            "b",
            {
                "a": "Its magnitude, at high frequencies.",
                "b": "Its phase, the more the higher the frequency.",
                "c": "Its phase, by the same angle everywhere.",
                "d": "Nothing: the kernel is the same.",
            },
            because={
                "a": "A shift changes no magnitude.",
                "c": "One cell is a larger part of a short wave than of a long one.",
                "d": "Every output moves by one cell.",
            },
        ),
        hints=(
            "A wave that is moved by one cell: what is another, its height or its phase?",
            "One cell is a small part of a long wave and a large part of a short one.",
        ),
        wrong=("a", "c", "d"),
    ),
    Exercise(
        "7.5",
        "correlate_by_fft",
        level=3,
        judge=function(
            _correlate,
            [
                ([1.0, 2.0, 0.0, 3.0], [2.0, 1.0]),
                ([1.0, -2.0, 4.0, 3.0, 5.0], [2.0, 0.0, -1.0, 7.0]),
                ([3.0, 1.0, 2.0], [2.0, 1.0, 5.0]),
                ([3.0, 1.0, 2.0, 4.0, -5.0, 6.0, 1.0], [2.0]),
            ],
            explain=asking.layer("z", _valid),
        ),
        hints=(
            "np.fft.rfft(w, len(x)) appends the zeros.",
            "A correlation takes the conjugate of one transform: that of w.",
            "np.fft.irfft(Z, len(x)) needs the length. Keep the first len(x) - len(w) + 1 outputs.",
        ),
        wrong=(
            Wrong(lambda x, w: np.convolve(x, w, "valid"), "F1"),
            lambda x, w: np.correlate(x, w, "full"),
            lambda x, w: _correlate(x, w)[::-1],
        ),
    ),
    Exercise(
        "7.6",
        "alias",
        level=1,
        judge=values(3, reveal=False),
        hints=(
            "16 cells at stride 2 leave 8. How many periods can 8 cells tell apart?",
            "On 8 cells a wave of 5 periods looks like one of 8 - 5.",
        ),
        wrong=(5, 10, 2.5),
    ),
    Exercise(
        "7.7",
        "same_delta",
        level=3,
        judge=function(
            _delta_flipped,
            [_case_of_delta(*case) for case in _same_cases()],
            explain=asking.layer("dx", _delta_of_same, _NOT_TURNED),
        ),
        hints=(
            "The forward pass is a convolution with centre (U-1)//2. What is the delta's flip?",
            "correlate each delta with its kernel in full, and cut P cells out of the result.",
            "Where to cut: z[i] = sum_u w[u] x[i + (U-1)//2 - u], so dx[p] begins at lag U//2.",
        ),
        wrong=(
            lambda dz, w, input_shape: _same_of_scipy(dz, w, input_shape),
            lambda dz, w, input_shape: 0.1 * _delta_flipped(dz, w, input_shape),
        ),
    ),
    Exercise(
        "7.8",
        "same_gradient",
        level=3,
        judge=function(
            _gradient_same, _same_cases(), explain=asking.layer("dw", _gradient_of_same)
        ),
        hints=(
            "Pad x with U-1-(U-1)//2 cells before and (U-1)//2 after, along each axis.",
            "correlate(padded x, dz, 'valid') has one lag for each weight.",
            "The layer is a true convolution: reverse the lags along every axis.",
        ),
        wrong=(
            Wrong(
                lambda x, dz, kernel: np.flip(
                    _gradient_same(x, dz, kernel), tuple(range(1, x.ndim - 1))
                ),
                "W2",
            ),
            Wrong(lambda x, dz, kernel: _gradient_same(x, dz, kernel) / len(x), "W6"),
        ),
    ),
    Exercise(
        "7.9",
        "rates",
        level=1,
        judge=values([0.01, 0.001], tolerance=1e-9, reveal=False),
        hints=(
            "The last layer gets the true delta and hands down 0.1 of the next one.",
            "Each layer multiplies its own step by 0.1, as it should, and what it hands down too.",
        ),
        wrong=([0.1, 0.1], [0.1, 0.01], [0.001, 0.01]),
    ),
    Exercise(
        "7.10",
        "channels_found",
        level=3,
        faulty="forward",
        judge=find(
            "b",
            {
                "a": "The kernel must not be turned round: the layer correlates.",
                "b": "The channels are turned round by the convolution, and not turned back.",
                "c": "The circle of the transform is too small.",
                "d": "The sum over the channels is missing.",
            },
            function(_forward, _forward_cases(), explain=asking.layer("z", _forward_layer)),
            because={
                "a": "fftconvolve turns it: turning it before undoes that.",
                "c": "fftconvolve appends the zeros that it needs.",
                "d": "Mode 'valid' leaves one place along the last axis: the sum over channels.",
            },
        ),
        hints=(
            "With one channel it is right, for any number of axes.",
            "fftconvolve knows nothing of channels: how many axes does it convolve here?",
            "It convolves along all of them, so each of them must be turned before.",
        ),
        wrong=(
            {"mistake": "a", "mended": _forward},
            {"mistake": "b", "mended": lambda x, w: _forward(x, w[..., ::-1])},
            Wrong(
                {
                    "mistake": "b",
                    "mended": lambda x, w: _forward(x, np.flip(w, tuple(range(1, w.ndim - 1)))),
                },
                "F1",
            ),
        ),
    ),
)
