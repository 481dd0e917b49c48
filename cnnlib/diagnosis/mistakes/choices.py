"""The other parts of a network, open to mistakes: pooling, the head, a training step.

Their sums are short, so a mistake is a choice at one of a few places: how ties are read, whether
shares add up, what the loss divides by. The first value of each place is the right one. What is
said of a wrong value, and its entry in the catalogue, stand beside it.
"""

import numpy as np

from .places import Places, Setting, Slip, mistaken, right, settings
from .pools import POOL, POOL_FORWARD, pool, pool_delta
from .stepping import STEP, Batches, Params, steps

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

_OF_BATCH, _OF_SAMPLES = (
    f"The softmax divides by the sum over {axis}, where each sample has a sum of its own (axis=1)."
    for axis in ("the whole batch", "the samples (axis=0)")
)
HEAD: Places = {
    "softmax": {
        "over the classes": None,
        "over the whole batch": Slip(None, _OF_BATCH),
        "over the whole batch, rows less their maximum": Slip(None, _OF_BATCH),
        "over the samples": Slip(None, _OF_SAMPLES),
        "over the samples, rows less their maximum": Slip(None, _OF_SAMPLES),
    },
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
    "input": {
        "max(x, 0)": None,
        "x": Slip(None, "dw has x before the ReLU; the weights met max(x, 0)."),
    },
}  # fmt: skip
# The axes of the maximum and of the sum.
_AXES = dict(zip(HEAD["softmax"], ((1, 1), (None, None), (1, None), (0, 0), (1, 0)), strict=True))


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
    of_maximum, of_sum = _AXES[setting["softmax"]]
    e = np.exp(z - z.max(axis=of_maximum, keepdims=True))
    p = e / e.sum(axis=of_sum, keepdims=True)
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
    dw = (a if setting["input"] == "max(x, 0)" else x).T @ dz
    return {"p": p, "loss": np.array(loss), "dz": dz, "dw": dw, "db": db, "dx": dx}
