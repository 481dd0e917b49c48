"""Depthwise convolution, NCHW, one kernel per channel, written with loops over the kernel."""

import numpy as np

from .common import check

TRUTH = {
    "right": False,
    "what": "Two: db is the mean and not the sum over batch and positions; the way back to x forgets the stride.",
    "kind": "gradient (depthwise)",
    "limits": "",
}
STRIDE = 2


def depthwise_forward(x, w, b):
    N, C, H, W = x.shape
    _, kh, kw = w.shape
    oh, ow = (H - kh) // STRIDE + 1, (W - kw) // STRIDE + 1
    out = np.zeros((N, C, oh, ow))
    for i in range(kh):
        for j in range(kw):
            out += (
                x[:, :, i : i + STRIDE * oh : STRIDE, j : j + STRIDE * ow : STRIDE]
                * w[None, :, i, j, None, None]
            )
    return out + b[None, :, None, None]


def depthwise_backward(dout, x, w, b):
    N, C, H, W = x.shape
    _, kh, kw = w.shape
    oh, ow = dout.shape[2:]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(kh):
        for j in range(kw):
            patch = x[:, :, i : i + STRIDE * oh : STRIDE, j : j + STRIDE * ow : STRIDE]
            dw[:, i, j] = np.sum(patch * dout, axis=(0, 2, 3))
            dx[:, :, i : i + oh, j : j + ow] += dout * w[None, :, i, j, None, None]
    db = dout.mean(axis=(0, 2, 3))
    return dx, dw, db


def report():
    from cnnlib.diagnosis import diagnose_gradient

    return diagnose_gradient(
        depthwise_forward, depthwise_backward, {"x": "N C 7 6", "w": "C 3 2", "b": "C"}
    )


def _run(N, C, seed):
    import torch

    r = np.random.default_rng(seed)
    v = [r.normal(size=s) for s in ((N, C, 7, 6), (C, 3, 2), (C,))]
    t = [torch.tensor(a, requires_grad=True) for a in v]
    z = torch.nn.functional.conv2d(t[0], t[1][:, None], t[2], stride=STRIDE, groups=C)
    out = depthwise_forward(*v)
    dz = r.normal(size=out.shape)
    z.backward(torch.tensor(dz))
    got = depthwise_backward(dz, *v)
    return dict(
        z=(out, z.detach().numpy()),
        **{n: (g, a.grad.numpy()) for n, g, a in zip(("dx", "dw", "db"), got, t)},
    )


def truth():
    check(_run, [dict(N=2, C=3, seed=1), dict(N=1, C=2, seed=2)], {"dx", "db"})
