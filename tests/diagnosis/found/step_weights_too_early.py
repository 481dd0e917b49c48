"""One SGD step of a two-layer net, layer by layer."""

import numpy as np

from .steps import torch_step_check

TRUTH = {
    "right": False,
    "what": "w2 is updated before the delta of the hidden layer is computed with it.",
    "kind": "step (SGD)",
    "limits": "",
}


def train_step(params, X, y, rate):
    N = X.shape[0]
    hidden = np.maximum(0, X @ params["w1"] + params["b1"])
    scores = hidden @ params["w2"] + params["b2"]
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    delta = exp / exp.sum(axis=1, keepdims=True)
    delta[np.arange(N), y] -= 1
    delta /= N
    # output layer
    params["w2"] = params["w2"] - rate * hidden.T @ delta
    params["b2"] = params["b2"] - rate * delta.sum(axis=0)
    # hidden layer
    delta = (delta @ params["w2"].T) * (hidden > 0)
    params["w1"] = params["w1"] - rate * X.T @ delta
    params["b1"] = params["b1"] - rate * delta.sum(axis=0)
    return params


def report():
    from cnnlib.diagnosis import diagnose_step

    return diagnose_step(train_step)


def truth():
    import torch

    make = lambda t, lr: torch.optim.SGD(list(t.values()), lr)
    torch_step_check(train_step, make, False, {"w1", "b1"}, rate=0.5, batches=1)
