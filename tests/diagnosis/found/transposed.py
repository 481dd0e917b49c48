"""Transposed convolution, NCHW, weights (C_in, C_out, kh, kw), loops over the input positions."""

import numpy as np

from .common import check

TRUTH = {"right": True, "what": "", "kind": "gradient (transposed)", "limits": ""}


class ConvTranspose2d:
    def __init__(self, stride=2, padding=1):
        self.stride, self.padding = stride, padding

    def forward(self, x, w, b):
        s, p = self.stride, self.padding
        N, C, H, W = x.shape
        _, K, kh, kw = w.shape
        full = np.zeros((N, K, (H - 1) * s + kh, (W - 1) * s + kw))
        for i in range(H):
            for j in range(W):
                full[:, :, i * s : i * s + kh, j * s : j * s + kw] += np.einsum(
                    "nc,ckuv->nkuv", x[:, :, i, j], w
                )
        self.x, self.w = x, w
        return full[:, :, p : full.shape[2] - p, p : full.shape[3] - p] + b[None, :, None, None]

    def backward(self, dout):
        s, p = self.stride, self.padding
        kh, kw = self.w.shape[2:]
        dfull = np.pad(dout, ((0, 0), (0, 0), (p, p), (p, p)))
        dx, dw = np.zeros_like(self.x), np.zeros_like(self.w)
        for i in range(self.x.shape[2]):
            for j in range(self.x.shape[3]):
                g = dfull[:, :, i * s : i * s + kh, j * s : j * s + kw]
                dx[:, :, i, j] = np.einsum("nkuv,ckuv->nc", g, self.w)
                dw += np.einsum("nc,nkuv->ckuv", self.x[:, :, i, j], g)
        return dx, dw, dout.sum(axis=(0, 2, 3))


def report():
    from cnnlib.diagnosis import diagnose_gradient

    return diagnose_gradient(ConvTranspose2d(), inputs={"x": "N C 3 4", "w": "C K 3 3", "b": "K"})


def _run(N, C, K, s, p):
    import torch

    r = np.random.default_rng(N)
    v = [r.normal(size=q) for q in ((N, C, 3, 4), (C, K, 3, 3), (K,))]
    t = [torch.tensor(a, requires_grad=True) for a in v]
    z = torch.nn.functional.conv_transpose2d(*t, stride=s, padding=p)
    layer = ConvTranspose2d(s, p)
    out = layer.forward(*v)
    d = r.normal(size=out.shape)
    z.backward(torch.tensor(d))
    got = layer.backward(d)
    return dict(
        z=(out, z.detach().numpy()),
        **{n: (g, a.grad.numpy()) for n, g, a in zip(("dx", "dw", "db"), got, t)},
    )


def truth():
    check(
        _run,
        [
            dict(N=2, C=3, K=2, s=2, p=1),
            dict(N=1, C=1, K=4, s=1, p=0),
            dict(N=3, C=2, K=2, s=3, p=1),
        ],
    )
