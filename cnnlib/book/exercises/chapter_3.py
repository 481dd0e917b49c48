"""Exercises of chapter 3, delta backprop."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import cnnlib
from cnnlib.diagnosis import diagnose, diagnose_pool
from cnnlib.diagnosis.mistakes import choices
from cnnlib.geometry import Shape

from . import asking
from .awkward import awkward_layers
from .desk import Exercise, Wrong
from .judging import function, values
from .mending import diagnosed, find
from .varying import varied


def _wide(a: ArrayLike) -> NDArray:
    """With the axes of one sample and one channel."""
    return np.asarray(a, float)[None, ..., None]


def _dx(dz: ArrayLike, w: ArrayLike, P: Shape, U: Shape, **geometry: Any) -> NDArray:
    """The library's delta of one channel of one sample."""
    return cnnlib.conv_delta(_wide(dz), _wide(w), (1, *P, 1), **geometry)[0, ..., 0]


def _full(dz: NDArray, w: NDArray) -> asking.Pose:
    """One image, stride 1, no padding."""
    P = tuple(I + U - 1 for I, U in zip(dz.shape, w.shape, strict=True))
    return {"dz": dz, "w": w, "P": P, "U": w.shape}


def _delta_by_turning(dz: NDArray, w: NDArray) -> NDArray:
    return _dx(**_full(dz, w))


_TRAILING = {"D6": "Zeros follow the last delta as well. They belong between neighbours only."}


def _spread(dz: NDArray, s: int) -> asking.Pose:
    """A kernel of one weight: each delta goes to the cell where its output lies."""
    U = (1,) * dz.ndim
    return {"dz": dz, "w": np.ones(U), "P": tuple(s * (I - 1) + 1 for I in dz.shape), "U": U,
            "stride": s}  # fmt: skip


def _lattice(dz: NDArray, s: int) -> NDArray:
    return _dx(**_spread(dz, s))


def _axis(dz: NDArray, w: NDArray, P: int, s: int, d: int, before: int, flip: bool) -> asking.Pose:
    """With the padding behind that gives as many outputs as there are deltas."""
    after = max(0, s * (len(dz) - 1) + d * (len(w) - 1) + 1 - P - before)
    return {"dz": dz, "w": w, "P": (P,), "U": w.shape, "stride": s, "dilation": d,
            "padding": ((before, after),), "flip": flip}  # fmt: skip


def _delta(dz: NDArray, w: NDArray, P: int, s: int, d: int, before: int, flip: bool) -> NDArray:
    return _dx(**_axis(dz, w, P, s, d, before, flip))


_TURNED = {
    "D1 D2 D3": "The kernel is turned round where it should not be, and not where it should: "
    "`flip` is read the wrong way round."
}
_CORRELATED = {
    "D1 D2 D3": "These are the deltas of a cross-correlation; this layer is a true convolution."
}
# Softmax undoes these logits: it gives the probabilities of exercise 3.2.
_LOGITS = np.log([[0.2, 0.5, 0.3], [0.6, 0.4, 1e-300]])


def _dz_of_softmax(setting: choices.Setting) -> NDArray:
    w, b, t = np.eye(3), np.zeros(3), np.array([1, 0])
    return choices.head(_LOGITS, w, b, t, setting, relu=False)["dz"]


def _dx_of_pool(setting: choices.Setting) -> NDArray:
    x, da = (np.array(a, float)[None, :, None, None] for a in ([3, 8, 8, 1, 5], [10, 20, 40]))
    return choices.pool_delta(x, da, (3, 1), (1, 1), setting)


def _twentieths(y: list[int], v: list[int]) -> NDArray:
    both = np.array([[*y, 20 - sum(y)], [*v, 20 - sum(v)]]) / 20
    return (both - np.eye(3)[[1, 0]]) / 2


def _untouched(P: int, s: int) -> NDArray:
    reached = cnnlib.connections((P,), (3,), stride=s)["input"]
    return np.setdiff1d(range(P), reached)


def _cases() -> Iterator[tuple]:
    """Each setting by itself, one channel of every awkward row, a padding that cuts deltas off."""
    for row in [(4, 2, 1, 0, False), (4, 1, 2, 0, False), (1, 1, 1, 1, False), (3, 1, 1, 0, True)]:
        yield (np.array([5.0, 7]), np.array([1.0, 2]), *row)
    for a in awkward_layers(1):
        (axis,) = cnnlib.Window(a.w.shape[1:-1], **a.geometry).axes(a.x.shape[1:-1])
        row = (axis.inputs, axis.stride, axis.dilation, axis.before, a.flip)
        yield (a.dz[0, :, 0], a.w[0, :, 0], *row)
    yield (np.array([5.0, 7, 4, 6]), np.array([1.0, 2]), 1, 1, 1, 2, False)
    yield (np.array([5.0, 7, 4]), np.array([1.0, 2, 3]), 7, 3, 2, 0, True)


def _planes() -> Iterator[tuple[NDArray, NDArray]]:
    r = np.random.default_rng(0)
    for I, U in [((1, 1), (1, 1)), ((2, 2), (2, 2)), ((3, 4), (2, 3)), ((2, 5), (3, 1))]:
        yield r.integers(-5, 6, I).astype(float), r.integers(-5, 6, U).astype(float)


def _not_turned(dz: NDArray, w: NDArray) -> NDArray:
    return _delta_by_turning(dz, w[::-1, ::-1])


def _without_stride(
    dz: NDArray, w: NDArray, P: int, s: int, d: int, before: int, flip: bool
) -> NDArray:
    dx = np.zeros(P)
    for i, u in np.ndindex(len(dz), len(w)):
        p = i - before + d * (len(w) - 1 - u if flip else u)
        if 0 <= p < P:
            dx[p] += w[u] * dz[i]
    return dx


_OWED = asking.by_hand("dx", P=(5,), U=(3,), w=[2, -1, 3], dz=[4, 1, 2])
_OF_SOFTMAX = asking.chosen("dz", {n: choices.HEAD[n] for n in ("mean", "delta")}, _dz_of_softmax)
_OF_POOL = asking.chosen("dx", choices.POOL, _dx_of_pool)
_FLIPPED = {"P": (4,), "U": (3,), "stride": 2, "center": 0, "flip": True}
_OF_FLIPPED = asking.by_hand("dx", _CORRELATED, w=[1, 2, 3], dz=[5, 7, 4], **_FLIPPED)


def _pool_delta(x: NDArray, da: NDArray, k: int, s: int) -> NDArray:
    return cnnlib.max_pool_delta(da, cnnlib.max_pool(x, k, stride=s)[1], x.shape)


def _every_tie(x: NDArray, da: NDArray, k: int, s: int) -> NDArray:
    """Every cell that equals the maximum gets the delta."""
    dx = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(da.shape):
        window = (n, slice(s * i, s * i + k), slice(s * j, s * j + k), c)
        dx[window] += da[n, i, j, c] * (x[window] == x[window].max())
    return dx


def _input_delta(dz: NDArray, w: NDArray) -> NDArray:
    sizes = [I + U - 1 for I, U in zip(dz.shape[1:-1], w.shape[1:-1], strict=True)]
    return cnnlib.conv_delta(dz, w, (len(dz), *sizes, w.shape[-1]))


EXERCISES = (
    Exercise(
        "3.1",
        "dx_by_hand",
        level=1,
        judge=values([8, -2, 15, 1, 6], reveal=False, explain=_OWED),
        variant=varied(
            "Five inputs meet the kernel {w}; the deltas of the three outputs are {dz}. What do "
            "the five inputs owe? Do it on paper.",
            lambda w, dz: np.convolve(dz, w),
            w=([2, -1, 3], -4, 5),
            dz=[4, 1, 2],
        ),
        hints=(
            "Write the three outputs as sums. Underline input 2 wherever it stands.",
            "Input 0 stands in one sum, with weight 2, and that output has the delta 4.",
            "Input 1 reached output 0 with -1 and output 1 with 2: -1*4 + 2*1.",
        ),
        wrong=(
            Wrong([12, -1, 13, 0, 4], "D1 D2 D3"),
            [12, 3, 9, 5, 4],
            Wrong([8, 2, 4, -2, 6], "D19"),
        ),
    ),
    Exercise(
        "3.2",
        "dz_by_hand",
        level=1,
        judge=values([[0.1, -0.25, 0.15], [-0.2, 0.2, 0]], reveal=False, explain=_OF_SOFTMAX),
        variant=varied(
            "A batch of two samples. In twentieths, the softmax gives {y} and {v} for the first "
            "two classes, and the third has the rest; the right classes are 1 and 0. Give the "
            "deltas of the logits, two rows of three numbers.",
            _twentieths,
            y=[4, 10],
            v=[12, 8],
        ),
        hints=(
            "Softmax and cross-entropy together send back y - t. What is t of each sample?",
            "t is [0, 1, 0] and [1, 0, 0]. And the loss is a mean over how many samples?",
        ),
        wrong=(
            Wrong([[0.2, -0.5, 0.3], [-0.4, 0.4, 0]], "S5"),
            [[-0.1, 0.25, -0.15], [0.2, -0.2, 0]],
        ),
    ),
    Exercise(
        "3.3",
        "pool_dx",
        level=1,
        judge=values([0, 30, 40, 0, 0], reveal=False, explain=_OF_POOL),
        variant=varied(
            "x = {x}, a max-pool with a window of 3 and stride 1, and the deltas {da}. What do "
            "the five inputs owe?",
            lambda x, da: sum(da[i] * np.eye(5)[i + np.argmax(x[i : i + 3])] for i in range(3)),
            x=[3, 8, 8, 1, 5],
            da=([10, 20, 40], 10, 40),
        ),
        hints=(
            "Write down the three windows, and the index of the winner of each.",
            "Where two cells tie, the one with the smaller index wins, and it takes all.",
            "The winners are 1, 1 and 2.",
        ),
        wrong=(Wrong([0, 30, 70, 0, 0], "P1"), Wrong([0, 20, 40, 0, 0], "P2")),
    ),
    Exercise(
        "3.4",
        "delta_by_turning",
        level=2,
        judge=function(_delta_by_turning, list(_planes()), explain=asking.layer("dx", _full)),
        hints=(
            "How many zeros go around the deltas? Rows and columns may need different numbers.",
            "((rows - 1, rows - 1), (columns - 1, columns - 1)) for np.pad, and w[::-1, ::-1].",
            "Then dx[p, q] is the sum over u, v of turned[u, v] * F[p + u, q + v].",
        ),
        wrong=(Wrong(_not_turned, "D1 D2 D3"), lambda dz, w: dz),
    ),
    Exercise(
        "3.5",
        "lattice",
        level=2,
        judge=function(
            _lattice,
            [
                (np.array([5.0, 7]), 2),
                (np.array([5.0, 7, 4]), 1),
                (np.array([5.0]), 3),
                (np.array([[1.0, 2, 3], [4, 5, 6]]), 3),
            ],
            explain=asking.layer("dx", _spread, _TRAILING),
        ),
        hints=(
            "Make the list of zeros first. How long is it? The last delta stands at its end.",
            "Its length is s*(I - 1) + 1 on every axis. Then D[::s] = dz on one axis.",
        ),
        wrong=(
            Wrong(lambda dz, s: dz, "D5"),
            # with zeros after the last delta
            lambda dz, s: np.kron(dz, np.eye(1, s)[0] if dz.ndim == 1 else np.eye(s)),
        ),
    ),
    Exercise(
        "3.6",
        "untouched",
        level=1,
        judge=values([3, 7, 11], reveal=False),
        variant=varied(
            "{P} inputs, a kernel of three, stride {s}, no padding. Which inputs owe 0, whatever"
            " the deltas are?",
            _untouched,
            P=(12, 13, 19),
            s=(4, 4, 6),
        ),
        hints=(
            "At which cells do the windows start? How far does each reach?",
            "The windows are 0 to 2, 4 to 6, and one more.",
        ),
        wrong=([11], [3, 7], [9, 10, 11]),
    ),
    Exercise(
        "3.7",
        "flipped_dx",
        level=2,
        judge=values([26, 14, 19, 8], reveal=False, explain=_OF_FLIPPED),
        variant=varied(
            "Four inputs, w = {w} with the centre on weight 0, a true convolution with stride 2."
            " There are three outputs, with the deltas {dz}. What do the four inputs owe?",
            lambda w, dz: _dx(dz, w, (4,), (3,), stride=2, center=0, flip=True),
            w=[1, 2, 3],
            dz=[5, 7, 4],
        ),
        hints=(
            "The centre is weight 0, so output i lies at input 2*i. Where do the weights 1, 2 go?",
            "p = 2*i - u. Write down the rows with p from 0 to 3.",
            "There are six rows. Output 2 lies at 4, outside, but its weights 1 and 2 are inside.",
        ),
        wrong=([5, 10, 22, 14], [26, 14, 7, 0]),
    ),
    Exercise(
        "3.8",
        "delta",
        level=3,
        judge=function(_delta, list(_cases()), explain=asking.layer("dx", _axis, _TURNED)),
        hints=(
            "The scatter form is the shortest: which input does output i meet through weight u?",
            "p = s*i - before + d*u, and with a flip U - 1 - u in place of u.",
            "Leave out each p outside 0..P-1, and add: an input may be met many times.",
        ),
        wrong=(
            Wrong(_without_stride, "D4 D5"),
            lambda dz, w, P, s, d, before, flip: _delta(dz, w, P, s, d, before, not flip),
        ),
    ),
    Exercise(
        "3.9",
        "pool_found",
        level=2,
        faulty="pool_delta",
        judge=find(
            "c",
            {"a": "P1", "b": "P3", "c": "P2", "d": "P4"},
            diagnosed(
                lambda answer: diagnose_pool(lambda x, da, k, s: {"dx": answer(x, da, k, s)})
            ),
        ),
        hints=(
            "Try it with windows that lie side by side, then with windows that overlap.",
            "May one cell win two windows? What does it get then?",
        ),
        wrong=(
            {"mistake": "a", "mended": _pool_delta},
            {"mistake": "P2", "mended": lambda x, da, k, s: _pool_delta(x, da, k, s) / k**2},
            Wrong({"mistake": "P2", "mended": lambda x, da, k, s: _every_tie(x, da, k, s)}, "P1"),
        ),
    ),
    Exercise(
        "3.10",
        "delta_found",
        level=3,
        faulty="input_delta",
        judge=find(
            "d",
            {"a": "D1", "b": "D13", "c": "D19", "d": "D16"},
            diagnosed(
                lambda answer: diagnose(
                    lambda x, w, b, dz, s, p: {"dx": answer(dz, w)}, stride=1, padding=0
                )
            ),
        ),
        hints=(
            "With one channel it is right, with two it is not. What becomes of the channels?",
            "w[k] has the shape (U, V, C). Which of its axes does np.flip turn round?",
            "np.flip(w[k], (0, 1)) turns the plane alone.",
        ),
        wrong=(
            {"mistake": "a", "mended": _input_delta},
            Wrong(
                {"mistake": "d", "mended": lambda dz, w: _input_delta(dz, w[:, ::-1, ::-1])},
                "D1 D2 D3",
            ),
            {"mistake": "D16", "mended": lambda dz, w: 2 * _input_delta(dz, w)},
        ),
    ),
)
