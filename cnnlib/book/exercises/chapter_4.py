"""Exercises of chapter 4, weight gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cnnlib
from cnnlib.checks import numerical_gradient
from cnnlib.diagnosis import diagnose
from cnnlib.geometry import Shape

from . import asking
from .desk import Exercise, Wrong
from .judging import choice, function, values
from .mending import diagnosed, find
from .varying import varied


def _strided(x: NDArray, dz: NDArray, U: int, s: int) -> NDArray:
    """One axis: no padding, no flip."""
    x, dz = np.asarray(x), np.asarray(dz)
    return cnnlib.conv_weight_gradient(x[None, :, None], dz[None, :, None], U, stride=s).ravel()


def _axis(x: NDArray, dz: NDArray, U: int, s: int) -> asking.Pose:
    return {"x": x, "dz": dz, "P": x.shape, "U": (U,), "stride": s}


_STRIDED = (3, 2, 1), (5, 3, 2), (6, 3, 2), (12, 2, 4)  # P, U, s; cells left over in the last two


def _strided_case(P: int, U: int, s: int) -> tuple:
    r = np.random.default_rng(P)
    I = cnnlib.Window(U, s).output_shape((P,))[0]
    return r.integers(-5, 6, P), r.integers(-5, 6, I), U, s


def _unstrided(x: NDArray, dz: NDArray, U: int, s: int) -> NDArray:
    return np.correlate(x, dz, "valid")[:U]


def _all_lags(x: NDArray, dz: NDArray, U: int, s: int) -> NDArray:
    spread = np.zeros(s * (len(dz) - 1) + 1)
    spread[::s] = dz
    return np.correlate(x, spread, "valid")


def _both(x: NDArray, w: NDArray, dz: NDArray, s: Shape, padding: Shape) -> dict[str, NDArray]:
    """The three gradients of a layer of images."""
    laid: dict[str, Any] = {"stride": s, "padding": padding}
    return {
        "dx": cnnlib.conv_delta(dz, w, x.shape, **laid),
        "dw": cnnlib.conv_weight_gradient(x, dz, w.shape[1:-1], **laid),
        "db": cnnlib.conv_bias_gradient(dz),
    }


def _both_case(P: Shape, U: Shape, s: Shape, padding: Shape, C: int = 3, K: int = 2) -> tuple:
    r = np.random.default_rng(1)
    I = cnnlib.Window(U, s, padding=padding).output_shape(P)
    shapes = (2, *P, C), (K, *U, C), (2, *I, K)
    return *(r.integers(-5, 6, shape).astype(float) for shape in shapes), s, padding


def _one_stride(
    x: NDArray, w: NDArray, dz: NDArray, s: Shape, padding: Shape
) -> dict[str, NDArray]:
    laid: dict[str, Any] = {"stride": 1, "padding": padding}
    right = _both(x, w, dz, s, padding)
    whole = cnnlib.Window(w.shape[1:-1], **laid).output_shape(x.shape[1:-1])
    spread = np.zeros((len(dz), *whole, dz.shape[-1]))
    spread[:, : dz.shape[1], : dz.shape[2]] = dz
    return right | {"dx": cnnlib.conv_delta(spread, w, x.shape, **laid)}


def _network(
    x: NDArray, delta: NDArray, w: NDArray, b: NDArray, W: NDArray, B: NDArray, s: int, padding: int
) -> dict[str, NDArray]:
    """Convolution, ReLU, max-pool, flatten, dense: forwards with x, and back with delta."""
    z = cnnlib.conv(x, w, b, stride=s, padding=padding)
    a, winners = cnnlib.max_pool(np.maximum(z, 0), 2)
    flat = a.reshape(len(a), -1)
    dz = cnnlib.max_pool_delta((delta @ W.T).reshape(a.shape), winners, z.shape) * (z > 0)
    back = _both(x, w, dz, (s, s), (padding, padding))
    return back | {"scores": flat @ W + B, "dW": flat.T @ delta, "dB": delta.sum(axis=0)}


def _network_case(P: Shape, U: Shape, s: int, padding: int, C: int = 2, K: int = 3) -> tuple:
    r = np.random.default_rng(0)
    I, J = cnnlib.Window(U, s, padding=padding).output_shape(P)
    shapes = (2, *P, C), (2, 4), (K, *U, C), K, (K * (I // 2) * (J // 2), 4), 4
    return *(r.integers(-5, 6, shape).astype(float) for shape in shapes), s, padding


def _without_relu(*given: Any) -> dict[str, NDArray]:
    """The way back passes every delta."""
    x, delta, w, b, W, B, s, padding = given
    lifted = _network(x, delta, w, b + 1e6, W, B, s, padding)
    return _network(*given) | {name: lifted[name] for name in ("dx", "db")}


def _layer(
    x: NDArray, dz: NDArray, U: Shape, s: Shape, d: Shape, u0: Shape, flip: bool
) -> asking.Pose:
    return {"x": x, "dz": dz, "P": x.shape[1:-1], "U": U, "stride": s, "dilation": d,
            "center": u0, "flip": flip}  # fmt: skip


def _centred(
    x: NDArray, dz: NDArray, U: Shape, s: Shape, d: Shape, u0: Shape, flip: bool
) -> NDArray:
    """A layer whose centre is given."""
    return cnnlib.conv_weight_gradient(x, dz, U, stride=s, dilation=d, center=u0, flip=flip)


def _centred_case(P: Shape, U: Shape, s: Shape, d: Shape, u0: Shape, flip: bool) -> tuple:
    r = np.random.default_rng(0)
    I = cnnlib.Window(U, s, d, center=u0, flip=flip).output_shape(P)
    x, dz = r.integers(-5, 6, (2, *P, 3)), r.integers(-5, 6, (2, *I, 2))
    return x.astype(float), dz.astype(float), U, s, d, u0, flip


def _dw(x: NDArray, dz: NDArray, U: Shape, s: int, p: int) -> NDArray:
    return cnnlib.conv_weight_gradient(x, dz, U, stride=s, padding=p)


def _lags(P: int, s: int) -> dict[str, int]:
    I = (P - 5) // s + 1  # three weights two cells apart span five
    return {"outputs": I, "lags": (P - s * (I - 1) - 1) // 2 + 1, "kept": 3}


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "4.1",
        "dw_by_hand",
        level=1,
        judge=values(
            [4, 15],
            reveal=False,
            explain=asking.by_hand("dw", P=(4,), U=(2,), x=[1, 4, 2, 3], dz=[2, -1, 3]),
        ),
        variant=varied(
            "A signal {x} meets a kernel of two weights at stride 1, without padding. The deltas"
            " are {dz}. What is dw?",
            lambda x, dz: np.correlate(x, dz),
            x=[1, 4, 2, 3],
            dz=([2, -1, 3], -4, 5),
        ),
        hints=(
            "There are three outputs. Which three inputs did weight 0 meet?",
            "Inputs 0, 1 and 2: 1*2 + 4*(-1) + 2*3. Weight 1 met those one cell further right.",
        ),
        wrong=(Wrong([3, 16], "W1"), Wrong([15, 4], "W2"), Wrong([4 / 3, 5], "W5"), [4, 15, 0]),
    ),
    Exercise(
        "4.2",
        "flipped_gradient",
        level=1,
        judge=choice(
            "c",
            {
                "a": "correlate2d(x, dz)",
                "b": "correlate2d(x, rotated dz)",
                "c": "correlate2d(x, dz), then rotated",
                "d": "convolve2d(x, dz)",
            },
            because={
                "a": "That is the layer without flip.",
                "b": "The deltas are never turned round; it is right for no layer.",
                "d": "It turns the deltas, as b does; it is right for no layer.",
            },
        ),
        hints=(
            "When i goes up, p goes up as well, with and without flip. What must not be turned?",
            "In a flipped layer weight 0 belongs to the last lag.",
        ),
        wrong=("a", "b", "d"),
    ),
    Exercise(
        "4.3",
        "strided_gradient",
        level=2,
        judge=function(
            _strided, [_strided_case(*case) for case in _STRIDED], explain=asking.layer("dw", _axis)
        ),
        hints=(
            "Which input does weight u meet for output i? Write p as a formula of s, i and u.",
            "p = s*i + u. Two loops, over u and over i.",
            "Without a loop over i: x[u::s] holds the inputs of weight u; take the first len(dz).",
        ),
        wrong=(
            Wrong(_unstrided, "W3"),
            _all_lags,
            Wrong(lambda x, dz, U, s: _strided(x, dz, U, s)[::-1], "W2"),
        ),
    ),
    Exercise(
        "4.4",
        "own_backward",
        level=3,
        judge=function(
            _both,
            [
                _both_case((3, 3), (2, 2), (1, 1), (0, 0), C=1, K=1),
                _both_case((4, 5), (2, 3), (1, 1), (1, 0)),
                _both_case((7, 6), (3, 2), (2, 3), (1, 2)),
                _both_case((6, 8), (3, 3), (2, 1), (0, 3)),
            ],
        ),
        hints=(
            "Start from conv_backward: s becomes s[0] and s[1], padding padding[0] and padding[1].",
            "Weight (u, v) met the rows u : u + s[0]*I : s[0], the columns v : v + s[1]*J : s[1].",
            "Cut the padding off with padding[0] : padding[0] + P, and the same for the columns.",
        ),
        wrong=(
            _one_stride,
            lambda *given: _both(*given) | {"db": _both(*given)["db"] / len(given[0])},
            lambda *given: _both(*given) | {"dw": _both(*given)["dw"][:, ::-1, ::-1]},
        ),
    ),
    Exercise(
        "4.5",
        "lag_counts",
        level=1,
        judge=values({"outputs": 2, "lags": 4, "kept": 3}, reveal=False),
        variant=varied(
            "An axis of {P} inputs without padding, 3 weights, stride {s}, dilation 2. How many "
            "outputs are there, how many lags fit, and how many of them do you keep?",
            _lags,
            P=(12, 12, 19),
            s=(4, 3, 5),
        ),
        hints=(
            "The kernel spans 5 cells. How often does it fit if it moves by 4?",
            "The two deltas lie 4 apart and span 5 cells. They move by 2 cells from lag to lag.",
            "One lag is kept for each weight.",
        ),
        wrong=(
            {"outputs": 3, "lags": 4, "kept": 3},
            {"outputs": 2, "lags": 8, "kept": 3},
            {"outputs": 2, "lags": 4, "kept": 4},
        ),
    ),
    Exercise(
        "4.6",
        "centred_gradient",
        level=3,
        judge=function(
            _centred,
            [
                _centred_case((3,), (2,), (1,), (1,), (0,), False),
                _centred_case((7,), (3,), (2,), (1,), (2,), True),
                _centred_case((9,), (4,), (3,), (2,), (1,), False),
                _centred_case((4, 6), (3, 2), (2, 1), (1, 2), (0, 1), True),
                _centred_case((5, 4, 6), (2, 3, 2), (3, 3, 3), (2, 2, 2), (0, 2, 1), True),
            ],
            explain=asking.layer("dw", _layer),
        ),
        hints=(
            "Three nested questions: for each output, for each weight, which input p on each axis?",
            "np.ndindex(*dz.shape[1:-1]) runs over the outputs of any number of axes.",
            "If every p is inside: dw[:, *u] += dz[:, *i].T @ x[:, *p] sums over the samples.",
        ),
        wrong=(
            lambda x, dz, U, s, d, u0, flip: _centred(x, dz, U, s, d, u0, flip)[:, ::-1],
            Wrong(
                lambda x, dz, U, s, d, u0, flip: _centred(x, dz, U, s, d, u0, flip) / len(x), "W6"
            ),
            lambda x, dz, U, s, d, u0, flip: np.swapaxes(_centred(x, dz, U, s, d, u0, flip), 0, -1),
        ),
    ),
    Exercise(
        "4.7",
        "whole_batch",
        level=1,
        judge=values([3, -3], reveal=False),
        variant=varied(
            "A batch is treated in two parts. The first part has {n} images and the mean "
            "gradient {g}, the second has 1 image and the gradient {h}. What is the gradient of "
            "the mean loss of all?",
            lambda n, g, h: (n * np.array(g) + h) / (n + 1),
            n=(3, 3, 4),
            g=([2, -4], -9, 9),
            h=([6, 0], -9, 9),
        ),
        hints=(
            "What is the sum of the gradients of the first three images?",
            "Three times [2, -4]. Add the fourth image, and divide by all of them.",
        ),
        wrong=([4, -2], [8, -4], [2, -1], [12, -12]),
    ),
    Exercise(
        "4.8",
        "slopes",
        level=2,
        judge=function(
            lambda f, w, h: numerical_gradient(f, w, h),
            [
                (lambda w: w[0] ** 3 + 2 * w[1], np.array([1.0, 4.0]), 0.1),
                (lambda w: (w**2).sum() * w[0, 0], np.array([[2.0, -1.0], [0.5, 3.0]]), 1e-3),
                (lambda w: w[0, 0, 0] ** 3 - w[1, 0, 1] ** 2, np.arange(4.0).reshape(2, 1, 2), 0.5),
            ],
        ),
        hints=(
            "for place in np.ndindex(w.shape) runs over the entries of an array of any shape.",
            "Take two copies of w. Add h to an entry of one, subtract it from that of the other.",
            "Divide by the distance of the two places, which is 2*h.",
        ),
        wrong=(
            lambda f, w, h: _one_sided(f, w, h),
            lambda f, w, h: 2 * numerical_gradient(f, w, h),
            lambda f, w, h: numerical_gradient(f, w, h).ravel(),
        ),
    ),
    Exercise(
        "4.9",
        "first_round",
        level=1,
        judge=values({"biases": [-0.05, 0.025], "row": [0.95, 1.025]}, reveal=False),
        hints=(
            "Only step 10 changes. The gradients of step 9 stay.",
            "The biases were 0 and 0, their gradients are 1/2 and -1/4.",
        ),
        wrong=(
            {"biases": [0.05, -0.025], "row": [1.05, 0.975]},
            {"biases": [-0.125, 0.0625], "row": [0.875, 1.0625]},
        ),
    ),
    Exercise(
        "4.10",
        "own_network",
        level=3,
        judge=function(
            _network,
            [
                _network_case((4, 4), (1, 1), 1, 0, C=1, K=1),
                _network_case((6, 5), (3, 2), 1, 0),
                _network_case((7, 8), (3, 3), 2, 1),
            ],
        ),
        hints=(
            "The layers stand in section 4.17. Cover them, and begin with forward.",
            "Each layer keeps what its way back asks for: its input, or the winners of windows.",
            "Walk through the list from its end; dw and db are made where delta comes by.",
        ),
        wrong=(
            lambda *given: _network(*given) | {"dx": 0 * given[0]},
            lambda *given: _network(*given) | {"dw": _network(*given)["dw"][:, ::-1, ::-1]},
            lambda *given: _network(*given) | {"dB": _network(*given)["dB"] / len(given[0])},
            _without_relu,
        ),
    ),
    Exercise(
        "4.11",
        "gradient_found",
        level=3,
        faulty="weight_gradient",
        judge=find(
            "a",
            {"a": "W3", "b": "W9", "c": "W10", "d": "W6"},
            diagnosed(
                lambda answer: diagnose(
                    lambda x, w, b, dz, s, p: {"dw": answer(x, dz, w.shape[1:3], s, p)}
                )
            ),
        ),
        hints=(
            "At stride 1 it is right. Which inputs did weight (0, 0) meet at stride 2?",
            "Output i met input s*i + u. Which inputs does the slice take?",
            "The slice needs a step, and an end that is far enough away.",
        ),
        wrong=(
            {"mistake": "b", "mended": _dw},
            Wrong(
                {"mistake": "a", "mended": lambda x, dz, U, s, p: _dw(x[-1:], dz[-1:], U, s, p)},
                "W9",
            ),
            Wrong(
                {"mistake": "a", "mended": lambda x, dz, U, s, p: _dw(x, dz, U, s, p) / len(x)},
                "W6",
            ),
        ),
    ),
)


def _one_sided(f: Callable[[NDArray], float], w: NDArray, h: float) -> NDArray:
    slopes = np.zeros(w.shape)
    for place in np.ndindex(w.shape):
        moved = w.copy()
        moved[place] += h
        slopes[place] = (f(moved) - f(w)) / h
    return slopes
