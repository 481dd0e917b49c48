"""A head in plain NumPy: softmax over the whole array."""

import numpy as np

from .common import check

TRUTH = {
    "right": False,
    "what": "The softmax divides by the sum over the whole batch (no axis=1): right for one sample only.",
    "kind": "head",
    "limits": "",
}


def softmax(z):
    e = np.exp(z - np.max(z))
    return e / e.sum()


def head(x, w, b, t):
    m = len(x)
    y_hat = softmax(x @ w + b)
    one_hot = np.eye(w.shape[1])[t]
    loss = -np.sum(one_hot * np.log(y_hat)) / m
    dz = (y_hat - one_hot) / m
    return {
        "p": y_hat,
        "loss": loss,
        "dz": dz,
        "dw": x.T @ dz,
        "db": dz.sum(axis=0),
        "dx": dz @ w.T,
    }


def report():
    from cnnlib.diagnosis import diagnose_head

    return diagnose_head(head)


RELU = False


def _run(N, D, K, scale=1.0, seed=1):
    import torch

    r = np.random.default_rng(seed)
    v = r.normal(size=(N, D)), r.normal(size=(D, K)) * scale, r.normal(size=K)
    y = r.integers(0, K, N)
    t = [torch.tensor(a, requires_grad=True) for a in v]
    z = (torch.relu(t[0]) if RELU else t[0]) @ t[1] + t[2]
    z.retain_grad()
    loss = torch.nn.functional.cross_entropy(z, torch.tensor(y))
    loss.backward()
    want = dict(
        p=torch.softmax(z, 1).detach().numpy(),
        loss=loss.item(),
        dz=z.grad.numpy(),
        dx=t[0].grad.numpy(),
        dw=t[1].grad.numpy(),
        db=t[2].grad.numpy(),
    )
    got = head(*v, y)
    return {n: (g, want[n]) for n, g in got.items()}


CASES = [dict(N=1, D=3, K=2), dict(N=4, D=5, K=3), dict(N=7, D=2, K=10, seed=3)]


def truth():
    check(_run, CASES, {"p", "loss", "dz", "dw", "db", "dx"})
    check(_run, CASES[:1])
