"""Pools as the public writes them."""

import numpy as np

from . import truth


def windows(x, window, stride):
    for i in range((x.shape[1] - window) // stride + 1):
        for j in range((x.shape[2] - window) // stride + 1):
            yield i, j, np.s_[:, i * stride : i * stride + window, j * stride : j * stride + window]


def divisible(x, window, stride):
    return not any(n % window for n in x.shape[1:3])


@truth(False, wrong="dx", names="D4", tool="max", says=("stride",))
def without_a_stride_backwards(x, da, window, stride):
    dx = np.zeros(x.shape)
    for n in range(len(x)):
        for i in range(da.shape[1]):
            for j in range(da.shape[2]):
                for c in range(x.shape[3]):
                    cells = x[n, i : i + window, j : j + window, c]
                    mask = np.zeros(cells.size)
                    mask[cells.argmax()] = da[n, i, j, c]
                    dx[n, i : i + window, j : j + window, c] += mask.reshape(cells.shape)
    return {"dx": dx}


@truth(False, wrong="dx", names="D4", tool="avg", says=("stride",))
def average_without_a_stride_backwards(x, da, window, stride):
    dx = np.zeros(x.shape)
    for i, j in np.ndindex(*da.shape[1:3]):
        share = da[:, i, j] / (window * window)
        dx[:, i : i + window, j : j + window] += share[:, None, None]
    return {"dx": dx}


@truth(
    False,
    wrong="dx",
    tool="max",
    names="P1",
    how={"stride": "window"},
    runs=divisible,
    says=("left over",),
)
def a_mask_of_repeated_maxima(x, da, window, stride):
    """Side by side; every tie is paid."""
    N, H, W, C = x.shape
    if H % window or W % window:
        raise ValueError("the window must fill the image")
    a = x.reshape(N, H // window, window, W // window, window, C).max(axis=(2, 4))

    def spread(part):
        return np.kron(part, np.ones((1, window, window, 1)))

    return {"a": a, "dx": spread(da) * (spread(a) == x)}


@truth(True, tool="avg", how={"stride": "window"}, runs=divisible, says=("left over",))
def averages_side_by_side(x, da, window, stride):
    N, H, W, C = x.shape
    assert H % window == 0 and W % window == 0
    a = x.reshape(N, H // window, window, W // window, window, C).mean(axis=(2, 4))
    return {"a": a, "dx": np.kron(da, np.ones((1, window, window, 1))) / window**2}


@truth(True, tool="max")
def winners_remembered(x, da, window, stride):
    """The flat place of each window's first maximum."""
    a, dx = np.zeros(da.shape), np.zeros(x.shape)
    for i, j, at in windows(x, window, stride):
        patch = x[at].transpose(0, 3, 1, 2).reshape(len(x), x.shape[3], -1)
        first = patch.argmax(axis=2)
        a[:, i, j] = patch.max(axis=2)
        for n, c in np.ndindex(*first.shape):
            u, v = divmod(first[n, c], window)
            dx[n, i * stride + u, j * stride + v, c] += da[n, i, j, c]
    return {"a": a, "dx": dx}


@truth(True, tool="max", runs=lambda x, k, s: x.shape[1] == x.shape[2], says=("square input",))
def one_side(x, da, window, stride):
    """Takes the side of a square image."""
    if x.shape[1] != x.shape[2]:
        raise ValueError("square images")
    return {"A": winners_remembered(x, da, window, stride)["a"]}


@truth(
    False,
    wrong="dx",
    tool="max",
    runs=lambda x, k, s: x.shape[1] == x.shape[2],
    says=("square input",),
)
def one_winner_for_all_maps(x, da, window, stride):
    """argmax over the window and its maps together: right with a single map."""
    if x.shape[1] != x.shape[2]:
        raise ValueError("square images")
    dx = np.zeros(x.shape)
    for i, j, at in windows(x, window, stride):
        for n in range(len(x)):
            patch = x[at][n]
            u, v, _ = np.unravel_index(patch.argmax(), patch.shape)
            dx[n, i * stride + u, j * stride + v] += da[n, i, j]
    return {"dx": dx}


@truth(False, wrong="dx", tool="avg", names="P3")
def averages_paid_in_full(x, da, window, stride):
    a, dx = np.zeros(da.shape), np.zeros(x.shape)
    for i, j, at in windows(x, window, stride):
        a[:, i, j] = x[at].mean(axis=(1, 2))
        dx[at] += da[:, i : i + 1, j : j + 1]
    return {"a": a, "dx": dx}
