"""Two-layer net of CS231n with Adam."""

import numpy as np

from .steps import torch_step_check

TRUTH = {
    "right": False,
    "what": "t stays 1 in the bias correction of Adam (never counted up): right in the first step only.",
    "kind": "step (Adam)",
    "limits": "",
}


def loss_and_grads(params, X, y):
    W1, b1, W2, b2 = params["w1"], params["b1"], params["w2"], params["b2"]
    N = X.shape[0]
    hidden = np.maximum(0, X.dot(W1) + b1)
    scores = hidden.dot(W2) + b2
    scores = scores - np.max(scores, axis=1, keepdims=True)
    probs = np.exp(scores) / np.sum(np.exp(scores), axis=1, keepdims=True)
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    dscores = probs
    dscores[np.arange(N), y] -= 1
    dscores /= N
    grads = {"w2": hidden.T.dot(dscores), "b2": dscores.sum(axis=0)}
    dhidden = dscores.dot(W2.T)
    dhidden[hidden <= 0] = 0
    grads["w1"] = X.T.dot(dhidden)
    grads["b1"] = dhidden.sum(axis=0)
    return loss, grads


def adam(w, dw, config):
    config["t"] = 1
    config["m"] = config["beta1"] * config["m"] + (1 - config["beta1"]) * dw
    config["v"] = config["beta2"] * config["v"] + (1 - config["beta2"]) * dw**2
    mt = config["m"] / (1 - config["beta1"] ** config["t"])
    vt = config["v"] / (1 - config["beta2"] ** config["t"])
    return w - config["learning_rate"] * mt / (np.sqrt(vt) + config["epsilon"]), config


def train_step(params, X, y, rate, state):
    loss, grads = loss_and_grads(params, X, y)
    for p in params:
        if p not in state:
            state[p] = {
                "beta1": 0.9,
                "beta2": 0.999,
                "epsilon": 1e-8,
                "m": np.zeros_like(params[p]),
                "v": np.zeros_like(params[p]),
            }
        state[p]["learning_rate"] = rate
        params[p], state[p] = adam(params[p], grads[p], state[p])
    return params


def report():
    from cnnlib.diagnosis import diagnose_step
    from cnnlib.learning import Adam

    return diagnose_step(train_step, optimizer=Adam(lr=0.05))


def truth():
    import torch

    make = lambda t, lr: torch.optim.Adam(list(t.values()), lr)
    torch_step_check(train_step, make, True, {"w1", "b1", "w2", "b2"})
    torch_step_check(train_step, make, True, batches=1)
