"""Two-layer net of CS231n with a momentum update (v = mu * v - lr * dw; w += v)."""

import numpy as np

from .steps import torch_step_check

TRUTH = {"right": True, "what": "", "kind": "step (momentum)", "limits": ""}


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


def sgd_momentum(w, dw, config):
    v = config.get("velocity", np.zeros_like(w))
    v = config["momentum"] * v - config["learning_rate"] * dw
    config["velocity"] = v
    return w + v, config


def train_step(params, X, y, rate, state):
    loss, grads = loss_and_grads(params, X, y)
    for p in params:
        config = state.setdefault(p, {"momentum": 0.9})
        config["learning_rate"] = rate
        params[p], state[p] = sgd_momentum(params[p], grads[p], config)
    return params


def report():
    from cnnlib.diagnosis import diagnose_step
    from cnnlib.learning import Momentum

    return diagnose_step(train_step, optimizer=Momentum(lr=0.05, momentum=0.9, form="keras"))


def truth():
    import torch

    torch_step_check(
        train_step, lambda t, lr: torch.optim.SGD(list(t.values()), lr, momentum=0.9), True
    )
