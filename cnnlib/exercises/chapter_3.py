"""Exercises of chapter 3, delta backprop."""

import numpy as np

import cnnlib

from .desk import Exercise
from .judging import function, values
from .setups import setups


def _wide(a) -> np.ndarray:
    """With the axes of one sample and one channel."""
    return np.asarray(a, float)[None, ..., None]


def _delta_by_turning(dz, w):
    shape = [I + U - 1 for I, U in zip(dz.shape, w.shape, strict=True)]
    return cnnlib.conv_delta(_wide(dz), _wide(w), (1, *shape, 1), method="loops")[0, ..., 0]


def _lattice(dz, s):
    """The deltas of a kernel of one weight: each goes to the cell where its output lies."""
    shape = [s * (I - 1) + 1 for I in dz.shape]
    one = np.ones((1,) * (dz.ndim + 2))
    return cnnlib.conv_delta(_wide(dz), one, (1, *shape, 1), stride=s)[0, ..., 0]


def _delta(dz, w, P, s, d, before, flip):
    """With the padding behind that gives as many outputs as there are deltas."""
    after = max(0, s * (len(dz) - 1) + d * (len(w) - 1) + 1 - P - before)
    geometry = dict(stride=s, dilation=d, padding=((before, after),), flip=flip)
    return cnnlib.conv_delta(_wide(dz), _wide(w), (1, P, 1), **geometry).ravel()


def _cases():
    """One channel of every awkward row, and a padding that cuts deltas off."""
    for a in setups(1):
        (axis,) = cnnlib.Window(a.w.shape[1:-1], **a.geometry).axes(a.x.shape[1:-1])
        row = (axis.inputs, axis.stride, axis.dilation, axis.before, a.flip)
        yield (a.dz[0, :, 0], a.w[0, :, 0], *row)
    yield (np.array([5.0, 7, 4, 6]), np.array([1.0, 2]), 1, 1, 1, 2, False)
    yield (np.array([5.0, 7, 4]), np.array([1.0, 2, 3]), 7, 3, 2, 0, True)


def _planes():
    r = np.random.default_rng(0)
    for I, U in [((1, 1), (1, 1)), ((2, 2), (2, 2)), ((3, 4), (2, 3)), ((2, 5), (3, 1))]:
        yield r.integers(-5, 6, I).astype(float), r.integers(-5, 6, U).astype(float)


def _not_turned(dz, w):
    return _delta_by_turning(dz, w[::-1, ::-1])


def _without_stride(dz, w, P, s, d, before, flip):
    dx = np.zeros(P)
    for i, u in np.ndindex(len(dz), len(w)):
        p = i - before + d * (len(w) - 1 - u if flip else u)
        if 0 <= p < P:
            dx[p] += w[u] * dz[i]
    return dx


EXERCISES = (
    Exercise(
        "3.1",
        "dx_by_hand",
        level=1,
        judge=values([8, -2, 15, 1, 6], reveal=False),
        hints=(
            "Write the three outputs as sums. Underline input 2 wherever it stands.",
            "Input 0 stands in one sum, with weight 2, and that output has the delta 4.",
            "Input 1 reached output 0 with -1 and output 1 with 2: -1*4 + 2*1.",
        ),
        wrong=([12, 3, 9, 5, 4], [8, 2, 4, -2, 6]),
    ),
    Exercise(
        "3.2",
        "dz_by_hand",
        level=1,
        judge=values([[0.1, -0.25, 0.15], [-0.2, 0.2, 0]], reveal=False),
        hints=(
            "Softmax and cross-entropy together send back y - t. What is t of each sample?",
            "t is [0, 1, 0] and [1, 0, 0]. And the loss is a mean over how many samples?",
        ),
        wrong=([[0.2, -0.5, 0.3], [-0.4, 0.4, 0]], [[-0.1, 0.25, -0.15], [0.2, -0.2, 0]]),
    ),
    Exercise(
        "3.3",
        "pool_dx",
        level=1,
        judge=values([0, 30, 40, 0, 0], reveal=False),
        hints=(
            "Write down the three windows, and the index of the winner of each.",
            "Where two cells tie, the one with the smaller index wins, and it takes all.",
            "The winners are 1, 1 and 2.",
        ),
        wrong=([0, 30, 70, 0, 0], [0, 20, 40, 0, 0]),
    ),
    Exercise(
        "3.4",
        "delta_by_turning",
        level=2,
        judge=function(_delta_by_turning, list(_planes())),
        hints=(
            "How many zeros go around the deltas? Rows and columns may need different numbers.",
            "((rows - 1, rows - 1), (columns - 1, columns - 1)) for np.pad, and w[::-1, ::-1].",
            "Then dx[p, q] is the sum over u, v of turned[u, v] * F[p + u, q + v].",
        ),
        wrong=(_not_turned, lambda dz, w: dz),
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
        ),
        hints=(
            "Make the list of zeros first. How long is it? The last delta stands at its end.",
            "Its length is s*(I - 1) + 1 on every axis. Then D[::s] = dz on one axis.",
        ),
        wrong=(
            lambda dz, s: dz,
            lambda dz, s: np.kron(dz, np.eye(1, s)[0] if dz.ndim == 1 else np.eye(s)),
        ),
    ),
    Exercise(
        "3.6",
        "untouched",
        level=1,
        judge=values([3, 7, 11], reveal=False),
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
        judge=values([26, 14, 19, 8], reveal=False),
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
        judge=function(_delta, list(_cases())),
        hints=(
            "The scatter form is the shortest: which input does output i meet through weight u?",
            "p = s*i - before + d*u, and with a flip U - 1 - u in place of u.",
            "Leave out each p outside 0..P-1, and add: an input may be met many times.",
        ),
        wrong=(
            _without_stride,
            lambda dz, w, P, s, d, before, flip: _delta(dz, w, P, s, d, before, not flip),
        ),
    ),
)
