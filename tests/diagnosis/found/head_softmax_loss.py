"""CS231n: affine layer and softmax_loss."""

import numpy as np

from .common import check

TRUTH = {"right": True, "what": "", "kind": "head", "limits": ""}


def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1).dot(w) + b
    return out, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def softmax_loss(x, y):
    shifted_logits = x - np.max(x, axis=1, keepdims=True)
    Z = np.sum(np.exp(shifted_logits), axis=1, keepdims=True)
    log_probs = shifted_logits - np.log(Z)
    probs = np.exp(log_probs)
    N = x.shape[0]
    loss = -np.sum(log_probs[np.arange(N), y]) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


def head(x, w, b, t):
    scores, cache = affine_forward(x, w, b)
    loss, dscores = softmax_loss(scores, t)
    dx, dw, db = affine_backward(dscores, cache)
    return {"loss": loss, "dz": dscores, "dx": dx, "dw": dw, "db": db}


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
    check(_run, CASES + [dict(N=3, D=4, K=3, scale=400.0)])
