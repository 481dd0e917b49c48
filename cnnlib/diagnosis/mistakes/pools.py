"""Pooling, open to mistakes: its places, its forward pass, its deltas."""

from collections.abc import Sequence

import numpy as np

from .places import Places, Setting, Slip, right

Pair = tuple[int, int]  # of rows and columns

_TOGETHER = (
    "The winner is looked for in all channels of the window together; each channel has its own."
)
_FROM_0 = (
    "The running maximum starts at 0, so a window of negative numbers gives 0. Start at minus "
    "infinity."
)
POOL: Places = {
    "winner": {
        "the smallest position": None,
        "every tie": Slip("P1"),
        "shared": Slip(None, "Tied cells share the delta equally; the book's rule gives all of it "
                             "to the first of them."),
        "the largest position": Slip(None, "Of tied cells the last one gets the delta; the book's "
                                           "rule takes the first."),
        "never below 0": Slip(None, _FROM_0),
        "of all channels": Slip(None, _TOGETHER),
        "of all channels, which come first": Slip(None, _TOGETHER),
    },
    "add": {
        "+=": None,
        "= at the cells that get something": Slip("P2"),
        "= over the whole window": Slip("P2"),
    },
    "divide": {
        "by the cells of the window": None,
        "not": Slip("P3"),
        "twice": Slip(None, "The average is divided twice."),
    },
    "return": {
        "after the last window": None,
        "after the first window of all": Slip("P4"),
        "after the first window of image 0": Slip("P4"),
        "after the first window of each image": Slip("P4"),
        "after the first row of windows": Slip("P4"),
    },
    "apart": {
        "a stride": None,
        "one cell": Slip("D4"),
    },
    "spread": {
        "window by window": None,
        "repeated": Slip("P6"),
        "repeated, cut or filled to the input's size": Slip("P6"),
    },
}  # fmt: skip


POOL_FORWARD: Places = {
    "windows": {
        "a stride apart": None,
        "side by side": Slip(None, "The windows lie side by side, whatever the stride is."),
        "one cell apart": Slip("F3"),
    },
    "remainder": {
        "dropped": None,
        "kept": Slip(None, "A last window that is cut by the edge gives an output; the book drops "
                           "it, as the frameworks do unless they are told otherwise."),
    },
    "value": {
        "of this kind": None,
        "never below 0": Slip(None, _FROM_0),
        "of the other kind": Slip(None, "Maximum and average are exchanged."),
        "sum": Slip("P3"),
    },
}  # fmt: skip


def pool(
    x: np.ndarray, window: Pair, stride: Pair, setting: Setting, kind: str = "max"
) -> np.ndarray:
    """The forward pass of a pooling without padding; `kind` is 'max' or 'avg'."""
    N, *P, C = x.shape
    counts = [
        (n - k) // s + 1 if setting["remainder"] == "dropped" else -(-(n - k) // s) + 1
        for n, k, s in zip(P, window, stride, strict=True)
    ]
    apart = {"side by side": window, "one cell apart": (1, 1)}.get(setting["windows"], stride)
    a = np.zeros((N, *counts, C))
    for i, j in np.ndindex(*counts):
        patch = x[:, i * apart[0] :, j * apart[1] :][:, : window[0], : window[1]]
        if patch.size == 0:
            continue
        largest, total, mean = (f(patch, axis=(1, 2)) for f in (np.max, np.sum, np.mean))
        own, other = (largest, mean) if kind == "max" else (mean, largest)
        values = {"of this kind": own, "never below 0": np.maximum(own, 0),
                  "of the other kind": other, "sum": total}  # fmt: skip
        a[:, i, j] = values[setting["value"]]
    return a


def pool_delta(
    x: np.ndarray, da: np.ndarray, window: Pair, stride: Pair, setting: Setting, kind: str = "max"
) -> np.ndarray:
    """dx[n,p,c], the sum of what each window gives to cell p, with the choices of `setting`."""
    fill = all((n - k) % k == 0 for n, k in zip(x.shape[1:3], window, strict=True))
    if setting["spread"] != "window by window" and not (fill and window == stride):
        return _repeated(x, da, window, stride, setting, kind)
    dx = np.zeros(x.shape)
    (kh, kw), (sh, sw) = window, stride if setting["apart"] == "a stride" else (1, 1)
    for i, j in np.ndindex(*da.shape[1:3]):
        at = np.s_[:, i * sh : i * sh + kh, j * sw : j * sw + kw]
        reached = _reached(setting["return"], x.shape, i, j)
        shares = _shares(x[at], setting, kind) * da[:, i : i + 1, j : j + 1]
        if setting["add"] == "+=":
            dx[at] += np.where(reached, shares, 0)
        elif setting["add"] == "= over the whole window":
            dx[at] = np.where(reached, shares, dx[at])
        else:
            dx[at] = np.where(reached & (shares != 0), shares, dx[at])
    return dx


_DIVISIONS = {"by the cells of the window": 1, "not": 0, "twice": 2}


def _reached(place: str, shape: Sequence[int], i: int, j: int) -> np.ndarray:
    """The samples and channels whose window (i, j) a function reaches that returns at `place`."""
    reached = np.ones((shape[0], 1, 1, shape[-1]), bool)
    if place == "after the last window" or (place == "after the first row of windows" and i == 0):
        return reached
    if (i, j) != (0, 0) or place == "after the first row of windows":
        return ~reached
    if place != "after the first window of each image":
        reached[1:] = False
    if place == "after the first window of all":
        reached[..., 1:] = False
    return reached


def _shares(patch: np.ndarray, setting: Setting, kind: str) -> np.ndarray:
    """What each cell of the windows (N, kh, kw, C) gets of its delta."""
    N, kh, kw, C = patch.shape
    if kind == "avg":
        return np.full(patch.shape, 1 / (kh * kw) ** _DIVISIONS[setting["divide"]])
    tied = patch == patch.max(axis=(1, 2), keepdims=True)
    if setting["winner"] == "every tie":
        return tied.astype(float)
    if setting["winner"] == "shared":
        return tied / tied.sum(axis=(1, 2), keepdims=True)
    flat = tied.reshape(N, kh * kw, C)
    winner = flat.argmax(axis=1)
    if setting["winner"] == "the largest position":
        winner = kh * kw - 1 - flat[:, ::-1].argmax(axis=1)
    if setting["winner"] == "never below 0":
        winner = np.maximum(patch, 0).reshape(flat.shape).argmax(axis=1)
    if setting["winner"] == "of all channels":
        winner = np.tile(patch.reshape(N, -1).argmax(axis=1)[:, None] // C, C)
    if setting["winner"] == "of all channels, which come first":
        first = np.moveaxis(patch, -1, 1).reshape(N, -1)
        winner = np.tile(first.argmax(axis=1)[:, None] % (kh * kw), C)
    return (np.arange(kh * kw)[:, None] == winner[:, None]).reshape(patch.shape).astype(float)


def _repeated(
    x: np.ndarray, da: np.ndarray, window: Pair, stride: Pair, setting: Setting, kind: str
) -> np.ndarray:
    """Each delta over window[0] x window[1] cells, as if the windows lay side by side."""

    def spread(a: np.ndarray) -> np.ndarray:
        return a.repeat(window[0], axis=1).repeat(window[1], axis=2)

    def fitted(a: np.ndarray) -> np.ndarray:
        to = np.zeros(x.shape)
        to[:, : a.shape[1], : a.shape[2]] = a[:, : x.shape[1], : x.shape[2]]
        return to

    dx = spread(da)
    if kind == "avg":
        dx = dx / (window[0] * window[1]) ** _DIVISIONS[setting["divide"]]
    else:
        largest = spread(pool(x, window, stride, right(POOL_FORWARD)))
        seen = x[:, : largest.shape[1], : largest.shape[2]]
        if seen.shape != largest.shape:
            dx, largest, seen = fitted(dx), fitted(largest), x
        dx = dx * (seen == largest)
    return dx if setting["spread"] == "repeated" else fitted(dx)
