"""Heads: dense, softmax, cross-entropy."""

import numpy as np

from . import truth


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def gradients(x, w, dz):
    return {"dz": dz, "dw": x.T @ dz, "db": dz.sum(axis=0), "dx": dz @ w.T}


def hot(t, b):
    return np.eye(len(b))[t]


@truth(True, tool="head")
def a_guarded_logarithm(x, w, b, t):
    """log(p + eps), as in many a repository."""
    p = softmax(x @ w + b)
    loss = -(hot(t, b) * np.log(p + 1e-7)).sum() / len(t)
    return {"p": p, "loss": loss, **gradients(x, w, (p - hot(t, b)) / len(t))}


@truth(True, tool="head")
def a_clipped_logarithm(x, w, b, t):
    p = softmax(x @ w + b)
    clipped = np.clip(p, 1e-5, 1 - 1e-5)
    return {"loss": -np.log(clipped[np.arange(len(t)), t]).mean(), "p": p}


@truth(False, wrong="db", names="B2", tool="head")
def one_bias_for_all(x, w, b, t):
    """The sum over everything, which is 0."""
    dz = (softmax(x @ w + b) - hot(t, b)) / len(t)
    return {"dw": x.T @ dz, "db": np.zeros(len(b)) + dz.sum()}


@truth(True, tool="head")
def a_row_of_biases(x, w, b, t):
    """db of shape (1, K)."""
    dz = (softmax(x @ w + b[None]) - hot(t, b)) / x.shape[0]
    return {"db": dz.sum(axis=0, keepdims=True), "dW": x.T.dot(dz)}


@truth(False, wrong="dz dw", names="S6", tool="head")
def derivative_of_the_softmax_twice(x, w, b, t):
    p = softmax(x @ w + b)
    delta = (p - hot(t, b)) * p * (1 - p) / len(t)
    return {"p": p, "dz": delta, "dw": x.T @ delta}


@truth(False, wrong="loss", names="S5", tool="head")
def a_loss_that_is_a_sum(x, w, b, t):
    p = softmax(x @ w + b)
    return {"loss": -np.log(p[np.arange(len(t)), t]).sum(),
            **gradients(x, w, (p - hot(t, b)) / len(t))}  # fmt: skip


@truth(True, tool="head", says=("without the 1/N",))
def the_mean_at_the_parameters(x, w, b, t):
    """dz is p - t; the parameters' gradients are means."""
    p = softmax(x @ w + b)
    dz = p - hot(t, b)
    return {"loss": -np.log(p[np.arange(len(t)), t]).mean(), "dW": x.T @ dz / len(t),
            "db": dz.sum(axis=0) / len(t)} | {"dz": dz}  # fmt: skip
