"""The other parts of a network, open to mistakes: pooling, the head, a training step.

Their sums are short, so a mistake is a choice at one of a few places: how ties are read, whether
shares add up, what the loss divides by. The first value of each place is the right one. What is
said of a wrong value, and its entry in the catalogue, stand beside it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np


@dataclass(frozen=True)
class Wrong:
    """A wrong value of a place: the catalogue's entry, if it has one, and a sentence."""

    id: str | None
    sentence: str = ""


Places = Mapping[str, Mapping[str, Wrong | None]]  # place: value: None if right


def settings(places: Places, most: int = 2) -> Iterator[dict[str, str]]:
    """All settings with up to `most` wrong values, the fewest first."""
    every = [
        dict(zip(places, values, strict=True))
        for values in product(*(list(place) for place in places.values()))
    ]
    for number in range(most + 1):
        yield from (one for one in every if len(mistaken(places, one)) == number)


def right(places: Places) -> dict[str, str]:
    """The setting without a wrong value."""
    return {place: next(iter(values)) for place, values in places.items()}


def mistaken(places: Places, setting: Mapping[str, str]) -> list[Wrong]:
    """The wrong values of a setting."""
    found = (places[place][value] for place, value in setting.items())
    return [wrong for wrong in found if wrong is not None]


# ---- Pooling

POOL: Places = {
    "winner": {
        "the smallest position": None,
        "every tie": Wrong("P1"),
        "shared": Wrong(None, "Tied cells share the delta equally; the book's rule gives all of it "
                              "to the first of them."),
        "the largest position": Wrong(None, "Of tied cells the last one gets the delta; the book's "
                                            "rule takes the first."),
    },
    "add": {
        "+=": None,
        "= at the cells that get something": Wrong("P2"),
        "= over the whole window": Wrong("P2"),
    },
    "divide": {
        "by the cells of the window": None,
        "not": Wrong("P3"),
        "twice": Wrong(None, "The average is divided twice."),
    },
    "return": {
        "after the last window": None,
        "after the first window of all": Wrong("P4"),
        "after the first window of image 0": Wrong("P4"),
        "after the first window of each image": Wrong("P4"),
        "after the first row of windows": Wrong("P4"),
    },
    "spread": {
        "window by window": None,
        "repeated": Wrong("P6"),
        "repeated, cut or filled to the input's size": Wrong("P6"),
    },
}  # fmt: skip


POOL_FORWARD: Places = {
    "windows": {
        "a stride apart": None,
        "side by side": Wrong(None, "The windows lie side by side, whatever the stride is."),
        "one cell apart": Wrong("F3"),
    },
    "remainder": {
        "dropped": None,
        "kept": Wrong(None, "A last window that is cut by the edge gives an output; the book drops "
                            "it, as the frameworks do unless they are told otherwise."),
    },
    "value": {
        "of this kind": None,
        "never below 0": Wrong(None, "The running maximum starts at 0, so a window of negative "
                                     "numbers gives 0. Start at minus infinity."),
        "of the other kind": Wrong(None, "Maximum and average are exchanged."),
        "sum": Wrong("P3"),
    },
}  # fmt: skip


def pool(x, window, stride, setting: Mapping[str, str], kind="max") -> np.ndarray:
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
        values = {"of this kind": own, "never below 0": np.maximum(own, 0), "sum": total}
        a[:, i, j] = values.get(setting["value"], other)
    return a


def pool_delta(x, da, window, stride, setting: Mapping[str, str], kind="max") -> np.ndarray:
    """dx[n,p,c], the sum of what each window gives to cell p, with the choices of `setting`."""
    if setting["spread"] != "window by window":
        return _repeated(x, da, window, stride, setting, kind)
    dx = np.zeros(x.shape)
    (kh, kw), (sh, sw) = window, stride
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


def _shares(patch: np.ndarray, setting: Mapping[str, str], kind: str) -> np.ndarray:
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
    smallest = setting["winner"] == "the smallest position"
    winner = flat.argmax(axis=1) if smallest else kh * kw - 1 - flat[:, ::-1].argmax(axis=1)
    return (np.arange(kh * kw)[:, None] == winner[:, None]).reshape(patch.shape).astype(float)


def _repeated(x, da, window, stride, setting, kind) -> np.ndarray:
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


# ---- The head: a dense layer, softmax and cross-entropy; before it perhaps a ReLU

LOSS: Places = {
    "loss": {
        "mean over the samples": None,
        "sum": Wrong("S5"),
        "mean over samples and classes": Wrong("S4"),
    }
}

HEAD: Places = {
    "mean": {
        "over the samples": None,
        "over samples and classes": Wrong("S4"),
        "not taken": Wrong("S5"),
        "taken twice": Wrong("S5"),
    },
    "delta": {
        "p - t": None,
        "(p - t)*p*(1 - p)": Wrong("S6"),
        "J @ (p - t)": Wrong("S6"),
        "p*(1 - p) * dE/dp": Wrong("S7"),
        "t - p": Wrong(None, "The sign is reversed: t - p where p - t belongs."),
        "p": Wrong(None, "The target is missing in the delta: p where p - t belongs."),
    },
    "relu": {
        "delta * (x > 0)": None,
        "(x > 0)": Wrong("S1"),
        "delta * (a >= 0)": Wrong("S2"),
        "delta": Wrong("S3"),
    },
}  # fmt: skip


def head(x, w, b, t, setting: Mapping[str, str], *, relu: bool) -> dict[str, np.ndarray]:
    """Loss and gradients of the head; `t` are class numbers."""
    a = np.maximum(x, 0) if relu else x
    z = a @ w + b
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    N, K = p.shape
    hot = np.eye(K)[t]
    d = p - hot
    dz = {
        "p - t": d,
        "(p - t)*p*(1 - p)": d * p * (1 - p),
        "J @ (p - t)": p * (d - (d * p).sum(axis=1, keepdims=True)),  # J = diag(p) - p p^T
        "p*(1 - p) * dE/dp": hot * (p - 1),  # dE/dp = -t/p
        "t - p": -d,
        "p": p,
    }[setting["delta"]]
    divisors = {"over the samples": N, "over samples and classes": N * K, "not taken": 1}
    dz = dz / divisors.get(setting["mean"], N**2)
    da = dz @ w.T
    dx = {
        "delta * (x > 0)": da * (x > 0),
        "(x > 0)": (x > 0).astype(float),
    }.get(setting["relu"], da) if relu else da  # fmt: skip
    loss = -np.log(p[np.arange(N), t]).sum()
    loss /= {"mean over the samples": N, "sum": 1}.get(setting["loss"], N * K)
    return {
        "p": p, "loss": np.array(loss), "dz": dz, "dw": a.T @ dz, "db": dz.sum(axis=0), "dx": dx
    }  # fmt: skip


# ---- A training step: dense, ReLU, dense, softmax and cross-entropy, then SGD

STEP: Places = {
    "delta": {
        "through the old weights": None,
        "through the new weights": Wrong("D22"),
    },
    "mean": {
        "once": None,
        "not taken": Wrong("S5"),
        "twice": Wrong("W6"),
    },
    "rate": {
        "once": None,
        "in the delta too": Wrong(None, "The learning rate is multiplied into the delta that goes "
                                        "back, so earlier layers get it twice."),
    },
    "direction": {
        "down": None,
        "up": Wrong(None, "The step goes up the slope: + where - belongs."),
        "up in the first layer": Wrong(None, "The step of the first layer goes up the slope: + "
                                             "where - belongs. The last layer goes down."),
    },
    "updates": {
        "all parameters": None,
        "nothing": Wrong("T2"),
        "the last layer": Wrong("T2"),
        "the weights": Wrong(None, "The biases are not updated."),
    },
    "gradients": {
        "new in each step": None,
        "added to the old ones": Wrong("W13"),
    },
}  # fmt: skip


def steps(params, batches, rate: float, setting: Mapping[str, str]) -> list[dict[str, np.ndarray]]:
    """The parameters w1, b1, w2, b2 after each batch `(x, t)`."""
    params = {name: a.copy() for name, a in params.items()}
    total = {name: np.zeros_like(a) for name, a in params.items()}
    up = {"up": "w1 b1 w2 b2", "up in the first layer": "w1 b1"}.get(setting["direction"], "")
    signs = {name: 1 if name in up.split() else -1 for name in params}
    updated = {"all parameters": "w1 b1 w2 b2", "nothing": "", "the last layer": "w2 b2"}
    names = updated.get(setting["updates"], "w1 w2").split()
    after = []
    for x, t in batches:
        z1 = x @ params["w1"] + params["b1"]
        top = head(z1, params["w2"], params["b2"], t, right({**LOSS, **HEAD}), relu=True)
        scale = {"once": 1.0, "not taken": float(len(x)), "twice": 1 / len(x)}[setting["mean"]]
        dz2 = top["dz"] * scale
        grads = {"w2": top["dw"] * scale, "b2": top["db"] * scale}
        w2 = params["w2"]
        if setting["delta"] == "through the new weights":
            w2 = w2 + signs["w2"] * rate * grads["w2"]
        dz1 = (dz2 @ w2.T) * (z1 > 0) * (rate if setting["rate"] != "once" else 1)
        grads |= {"w1": x.T @ dz1, "b1": dz1.sum(axis=0)}
        for name in names:
            kept = setting["gradients"] == "added to the old ones"
            total[name] = grads[name] + (total[name] if kept else 0)
            params[name] = params[name] + signs[name] * rate * total[name]
        after.append(dict(params))
    return after
