"""A word embedding: rows of W by index; the way back assigns instead of adding where a word comes twice."""

import numpy as np

from .common import check

TRUTH = {
    "right": False,
    "what": "dW[idx] += dout adds once where a word occurs several times; np.add.at belongs.",
    "kind": "gradient (embedding)",
    "limits": "",
}


def forward(W, idx):
    return W[idx]


def backward(dout, W, idx):
    dW = np.zeros_like(W)
    dW[idx] += dout
    return dW


def words(rng):
    V, D, N = rng.integers(3, 6), rng.integers(2, 5), rng.integers(5, 9)
    return {"W": rng.normal(size=(V, D)), "idx": rng.integers(0, V, N)}


def report():
    from cnnlib.diagnosis import diagnose_gradient

    return diagnose_gradient(forward, backward, words)


def _run(seed):
    import torch

    v = words(np.random.default_rng(seed))
    t = torch.tensor(v["W"], requires_grad=True)
    z = torch.nn.functional.embedding(torch.tensor(v["idx"]), t)
    dz = np.random.default_rng(seed).normal(size=z.shape)
    z.backward(torch.tensor(dz))
    return {"dW": (backward(dz, **v), t.grad.numpy())}


def truth():
    check(_run, [dict(seed=1), dict(seed=2)], {"dW"})
