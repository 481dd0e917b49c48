"""CS231n: batch normalisation in training mode, forward and backward."""

import numpy as np

from .common import check

TRUTH = {
    "right": False,
    "what": "Two: dx misses what goes through the mean and the variance (only dx_hat / std); dgamma is formed with x instead of x_hat.",
    "kind": "gradient (batch norm)",
    "limits": "",
}


def batchnorm_forward(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    var = x.var(axis=0)
    std = np.sqrt(var + eps)
    x_hat = (x - mu) / std
    out = gamma * x_hat + beta
    return out, (x, x_hat, mu, std, gamma)


def batchnorm_backward(dout, cache):
    x, x_hat, mu, std, gamma = cache
    dbeta = dout.sum(axis=0)
    dgamma = np.sum(dout * x, axis=0)
    dx_hat = dout * gamma
    dx = dx_hat / std
    return dx, dgamma, dbeta


def report():
    from cnnlib.diagnosis import diagnose_gradient

    return diagnose_gradient(
        batchnorm_forward, batchnorm_backward, {"x": "N D", "gamma": "D", "beta": "D"}
    )


def _run(N, D):
    import torch

    r = np.random.default_rng(N)
    v = r.normal(size=(N, D)) * 2 + 1, r.normal(size=D), r.normal(size=D)
    t = [torch.tensor(a, requires_grad=True) for a in v]
    z = torch.nn.functional.batch_norm(t[0], None, None, t[1], t[2], training=True, eps=1e-5)
    out, cache = batchnorm_forward(*v)
    d = r.normal(size=out.shape)
    z.backward(torch.tensor(d))
    got = batchnorm_backward(d, cache)
    return dict(
        z=(out, z.detach().numpy()),
        **{n: (g, a.grad.numpy()) for n, g, a in zip(("dx", "dgamma", "dbeta"), got, t)},
    )


CASES = [dict(N=4, D=3), dict(N=7, D=2), dict(N=5, D=6)]


def truth():
    check(_run, CASES, {"dx", "dgamma"})
