"""The end of a small network: ReLU, dense, softmax, cross-entropy."""

import numpy as np

from .common import check

TRUTH = {
    "right": False,
    "what": "Two: dx misses the mask of the ReLU; dw is formed with x before the ReLU.",
    "kind": "head with ReLU",
    "limits": "",
}


def head(x, w, b, t):
    n = x.shape[0]
    h = np.maximum(0, x)
    logits = h.dot(w) + b
    logits -= logits.max(axis=1, keepdims=True)
    probs = np.exp(logits) / np.sum(np.exp(logits), axis=1, keepdims=True)
    loss = np.mean(-np.log(probs[np.arange(n), t]))
    dlogits = probs.copy()
    dlogits[np.arange(n), t] -= 1
    dlogits /= n
    dw = x.T.dot(dlogits)
    db = dlogits.sum(axis=0)
    dx = dlogits.dot(w.T)
    return {"p": probs, "loss": loss, "dz": dlogits, "dw": dw, "db": db, "dx": dx}


def report():
    from cnnlib.diagnosis import diagnose_head

    return diagnose_head(head, relu=True)


RELU = True


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
    check(_run, CASES, {"dw", "dx"})
