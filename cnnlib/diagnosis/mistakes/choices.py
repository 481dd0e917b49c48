"""The other parts of a network, open to mistakes: pooling, the head, a training step.

Their sums are short, so a mistake is a choice at one of a few places: how ties are read, whether
shares add up, what the loss divides by. The first value of each place is the right one. What is
said of a wrong value, and its entry in the catalogue, stand beside it.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from .places import Places, Setting, Slip, mistaken, right, settings
from .pools import POOL, POOL_FORWARD, pool, pool_delta

__all__ = [
    "HEAD",
    "LOSS",
    "POOL",
    "POOL_FORWARD",
    "STEP",
    "Batches",
    "Params",
    "Places",
    "Setting",
    "Slip",
    "head",
    "mistaken",
    "pool",
    "pool_delta",
    "right",
    "settings",
    "steps",
]

# ---- The head: a dense layer, softmax and cross-entropy; before it perhaps a ReLU

LOSS: Places = {
    "loss": {
        "mean over the samples": None,
        "sum": Slip("S5"),
        "mean over samples and classes": Slip("S4"),
    }
}

HEAD: Places = {
    "mean": {
        "over the samples": None,
        "over samples and classes": Slip("S4"),
        "not taken": Slip("S5"),
        "taken twice": Slip("S5"),
    },
    "delta": {
        "p - t": None,
        "(p - t)*p*(1 - p)": Slip("S6"),
        "J @ (p - t)": Slip("S6"),
        "p*(1 - p) * dE/dp": Slip("S7"),
        "t - p": Slip(None, "The sign is reversed: t - p where p - t belongs."),
        "p": Slip(None, "The target is missing in the delta: p where p - t belongs."),
    },
    "bias": {
        "a sum for each class": None,
        "one number for all": Slip("B2"),
        "the mean of the deltas": Slip("B3"),
        "the last sample": Slip("B1"),
    },
    "relu": {
        "delta * (x > 0)": None,
        "(x > 0)": Slip("S1"),
        "delta * (a >= 0)": Slip("S2"),
        "delta": Slip("S3"),
    },
}  # fmt: skip


def head(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | float,
    t: np.ndarray,
    setting: Setting,
    *,
    relu: bool,
) -> dict[str, np.ndarray]:
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
    divisors = {
        "over the samples": N,
        "over samples and classes": N * K,
        "not taken": 1,
        "taken twice": N**2,
    }
    dz = dz / divisors[setting["mean"]]
    dx = da = dz @ w.T
    if relu:
        dx = {
            "delta * (x > 0)": da * (x > 0),
            "(x > 0)": (x > 0).astype(float),
            "delta * (a >= 0)": da,  # a is never below 0
            "delta": da,
        }[setting["relu"]]
    db = {
        "a sum for each class": dz.sum(axis=0),
        "one number for all": np.full(K, dz.sum()),
        "the mean of the deltas": dz.mean(axis=0),
        "the last sample": dz[-1],
    }[setting["bias"]]
    loss = -np.log(p[np.arange(N), t]).sum()
    counts = {"mean over the samples": N, "sum": 1, "mean over samples and classes": N * K}
    loss /= counts[setting["loss"]]
    return {
        "p": p, "loss": np.array(loss), "dz": dz, "dw": a.T @ dz, "db": db, "dx": dx
    }  # fmt: skip


Params = Mapping[str, np.ndarray]
Batches = Sequence[tuple[np.ndarray, np.ndarray]]  # samples and their class numbers

# ---- A training step: dense, ReLU, dense, softmax and cross-entropy, then SGD

STEP: Places = {
    "delta": {
        "through the old weights": None,
        "through the new weights": Slip("D22"),
    },
    "mean": {
        "once": None,
        "not taken": Slip("S5"),
        "twice": Slip("W6"),
    },
    "rate": {
        "once": None,
        "in the delta too": Slip(None, "The learning rate is multiplied into the delta that goes "
                                       "back, so earlier layers get it twice."),
    },
    "direction": {
        "down": None,
        "up": Slip(None, "The step goes up the slope: + where - belongs."),
        "up in the first layer": Slip(None, "The step of the first layer goes up the slope: + "
                                            "where - belongs. The last layer goes down."),
    },
    "updates": {
        "all parameters": None,
        "nothing": Slip("T2"),
        "the last layer": Slip("T2"),
        "the weights": Slip(None, "The biases are not updated."),
    },
    "gradients": {
        "new in each step": None,
        "added to the old ones": Slip("W13"),
    },
}  # fmt: skip


def steps(
    params: Params, batches: Batches, rate: float, setting: Setting
) -> list[dict[str, np.ndarray]]:
    """The parameters w1, b1, w2, b2 after each batch `(x, t)`."""
    params = {name: a.copy() for name, a in params.items()}
    total = {name: np.zeros_like(a) for name, a in params.items()}
    ups = {"down": "", "up": "w1 b1 w2 b2", "up in the first layer": "w1 b1"}
    up = ups[setting["direction"]].split()
    signs = {name: 1 if name in up else -1 for name in params}
    updates = {
        "all parameters": "w1 b1 w2 b2", "nothing": "", "the last layer": "w2 b2",
        "the weights": "w1 w2",
    }  # fmt: skip
    names = updates[setting["updates"]].split()
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
