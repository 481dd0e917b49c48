"""Grouped convolution, (N, C, H, W), weights (O, C/groups, kh, kw), two groups."""

import numpy as np

from .common import check

TRUTH = {"right": True, "what": "", "kind": "gradient (grouped)", "limits": ""}


class GroupedConv:
    def __init__(self, w, b, groups=2, pad=1):
        self.w, self.b, self.groups, self.pad = w, b, groups, pad

    def forward(self, x):
        p, g = self.pad, self.groups
        self.x_shape = x.shape
        xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        win = np.lib.stride_tricks.sliding_window_view(xp, self.w.shape[2:], axis=(2, 3))
        n, c, oh, ow, kh, kw = win.shape
        self.win = win.reshape(n, g, c // g, oh, ow, kh, kw)
        self.wg = self.w.reshape(g, -1, c // g, kh, kw)
        out = np.einsum("ngchwij,gkcij->ngkhw", self.win, self.wg, optimize=True)
        return out.reshape(n, -1, oh, ow) + self.b[:, None, None]

    def backward(self, dout):
        p, g = self.pad, self.groups
        n, k, oh, ow = dout.shape
        d = dout.reshape(n, g, k // g, oh, ow)
        self.db = dout.sum((0, 2, 3))
        self.dw = np.einsum("ngchwij,ngkhw->gkcij", self.win, d, optimize=True).reshape(
            self.w.shape
        )
        _, c, h, w = self.x_shape
        dxp = np.zeros((n, g, c // g, h + 2 * p, w + 2 * p))
        for i in range(self.w.shape[2]):
            for j in range(self.w.shape[3]):
                dxp[..., i : i + oh, j : j + ow] += np.einsum(
                    "ngkhw,gkc->ngchw", d, self.wg[..., i, j]
                )
        return dxp.reshape(n, c, h + 2 * p, w + 2 * p)[:, :, p : p + h, p : p + w]


def forward(x, w, b):
    layer = GroupedConv(w, b)
    return layer.forward(x), layer


def backward(dout, layer):
    dx = layer.backward(dout)
    return dx, layer.dw, layer.db


def report():
    from cnnlib.diagnosis import diagnose_gradient

    return diagnose_gradient(forward, backward, {"x": "N 4 H 5", "w": "6 2 3 3", "b": "6"})


def _run(N, H, seed):
    import torch

    r = np.random.default_rng(seed)
    v = [r.normal(size=s) for s in ((N, 4, H, 5), (6, 2, 3, 3), (6,))]
    t = [torch.tensor(a, requires_grad=True) for a in v]
    z = torch.nn.functional.conv2d(*t, padding=1, groups=2)
    out, cache = forward(*v)
    dz = r.normal(size=out.shape)
    z.backward(torch.tensor(dz))
    got = backward(dz, cache)
    return dict(
        z=(out, z.detach().numpy()),
        **{n: (g, a.grad.numpy()) for n, g, a in zip(("dx", "dw", "db"), got, t)},
    )


def truth():
    check(_run, [dict(N=2, H=4, seed=1), dict(N=1, H=3, seed=2), dict(N=3, H=6, seed=3)])
