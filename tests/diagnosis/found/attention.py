"""Scaled dot-product attention, one head."""

import numpy as np

from .common import check

TRUTH = {
    "right": False,
    "what": "The scale 1/sqrt(D) of the scores is forgotten on the way back: dq and dk are too large, dv is right.",
    "kind": "gradient (attention)",
    "limits": "",
}


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def forward(q, k, v):
    p = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]))
    return p @ v, (q, k, v, p)


def backward(dout, cache):
    q, k, v, p = cache
    dv = p.swapaxes(-1, -2) @ dout
    dp = dout @ v.swapaxes(-1, -2)
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
    return ds @ k, ds.swapaxes(-1, -2) @ q, dv


def report():
    from cnnlib.diagnosis import diagnose_gradient

    return diagnose_gradient(forward, backward, {"q": "B T D", "k": "B S D", "v": "B S E"})


def _run(seed):
    import torch

    r = np.random.default_rng(seed)
    a = [r.normal(size=s) for s in ((2, 3, 4), (2, 5, 4), (2, 5, 3))]
    t = [torch.tensor(x, requires_grad=True) for x in a]
    z = torch.nn.functional.scaled_dot_product_attention(*t)
    out, cache = forward(*a)
    dz = r.normal(size=out.shape)
    z.backward(torch.tensor(dz))
    return dict(
        z=(out, z.detach().numpy()),
        **{n: (g, x.grad.numpy()) for n, g, x in zip("qkv", backward(dz, cache), t)},
    )


def truth():
    check(_run, [dict(seed=1), dict(seed=2)], {"q", "k"})
