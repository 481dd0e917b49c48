"""CS231n: layer normalisation, forward and backward."""

import numpy as np

from .common import check

TRUTH = {"right": True, "what": "", "kind": "gradient (layer norm)", "limits": ""}


def layernorm_forward(x, gamma, beta, eps=1e-5):
    mean = x.mean(axis=1, keepdims=True)
    var = x.var(axis=1, keepdims=True)
    std = np.sqrt(var + eps)
    xhat = (x - mean) / std
    return gamma * xhat + beta, (xhat, std, gamma)


def layernorm_backward(dout, cache):
    xhat, std, gamma = cache
    D = dout.shape[1]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    dx = (
        D * dxhat
        - dxhat.sum(axis=1, keepdims=True)
        - xhat * (dxhat * xhat).sum(axis=1, keepdims=True)
    ) / (D * std)
    return dx, dgamma, dbeta


def report():
    from cnnlib.diagnosis import diagnose_gradient

    return diagnose_gradient(
        layernorm_forward, layernorm_backward, {"x": "N D", "gamma": "D", "beta": "D"}
    )


def _run(N, D, seed):
    import torch

    r = np.random.default_rng(seed)
    v = [r.normal(size=s) for s in ((N, D), (D,), (D,))]
    t = [torch.tensor(a, requires_grad=True) for a in v]
    z = torch.nn.functional.layer_norm(t[0], (D,), t[1], t[2], 1e-5)
    out, cache = layernorm_forward(*v)
    dz = r.normal(size=out.shape)
    z.backward(torch.tensor(dz))
    return dict(
        z=(out, z.detach().numpy()),
        **{n: (g, a.grad.numpy()) for n, g, a in zip("xgb", layernorm_backward(dz, cache), t)},
    )


def truth():
    check(_run, [dict(N=3, D=4, seed=1), dict(N=1, D=5, seed=2)])
