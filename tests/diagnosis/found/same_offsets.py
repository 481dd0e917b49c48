"""'same' only, stride 1, NHWC, HWIO; sum over kernel offsets."""

import numpy as np

from .common import close

TRUTH = {
    "right": True,
    "what": "",
    "kind": "conv same",
    "limits": "padding 'same', stride 1 (any kernel size)",
}


class SameConv:
    def __init__(self, n_in, n_out, kh, kw):
        self.W = np.random.randn(kh, kw, n_in, n_out) * 0.1
        self.b = np.zeros(n_out)

    def forward(self, x):
        kh, kw = self.W.shape[:2]
        self.top, self.left = (kh - 1) // 2, (kw - 1) // 2
        bottom, right = kh - 1 - self.top, kw - 1 - self.left
        self.h, self.w = x.shape[1:3]
        self.xp = np.pad(x, ((0, 0), (self.top, bottom), (self.left, right), (0, 0)))
        z = np.zeros(x.shape[:3] + (self.W.shape[3],))
        for i in range(kh):
            for j in range(kw):
                z += self.xp[:, i : i + self.h, j : j + self.w] @ self.W[i, j]
        return z + self.b

    def backward(self, dz):
        kh, kw = self.W.shape[:2]
        dxp = np.zeros_like(self.xp)
        self.dW = np.zeros_like(self.W)
        for i in range(kh):
            for j in range(kw):
                self.dW[i, j] = np.einsum(
                    "nhwc,nhwk->ck", self.xp[:, i : i + self.h, j : j + self.w], dz
                )
                dxp[:, i : i + self.h, j : j + self.w] += dz @ self.W[i, j].T
        self.db = dz.sum(axis=(0, 1, 2))
        return dxp[:, self.top : self.top + self.h, self.left : self.left + self.w]


def layer(x, w, b, dz, stride, padding):
    conv = SameConv(x.shape[3], w.shape[0], w.shape[1], w.shape[2])
    conv.W, conv.b = w.transpose(1, 2, 3, 0), b
    z = conv.forward(x)
    dx = conv.backward(dz)
    return {"z": z, "dx": dx, "dw": conv.dW.transpose(3, 0, 1, 2), "db": conv.db}


def report():
    from cnnlib.diagnosis import diagnose

    return diagnose(layer, stride=1, padding="same")


def truth(wrong=()):
    import torch
    import torch.nn.functional as F

    r = np.random.default_rng(3)
    bad = set()
    for N, C, K, H, W, kh, kw in (
        (1, 1, 1, 4, 4, 3, 3),
        (2, 3, 4, 5, 6, 3, 3),
        (3, 2, 3, 6, 5, 2, 4),
        (2, 2, 2, 7, 5, 5, 2),
    ):
        v = r.normal(size=(N, C, H, W)), r.normal(size=(K, C, kh, kw)), r.normal(size=K)
        t = [torch.tensor(a, requires_grad=True) for a in v]
        z = F.conv2d(*t, padding="same")  # PyTorch too puts the larger half at the end
        dz = r.normal(size=z.shape)
        z.backward(torch.tensor(dz))
        last = (0, 2, 3, 1)
        got = layer(v[0].transpose(last), v[1].transpose(last), v[2], dz.transpose(last), 1, "same")
        want = dict(
            z=z.detach().numpy().transpose(last),
            dx=t[0].grad.numpy().transpose(last),
            dw=t[1].grad.numpy().transpose(last),
            db=t[2].grad.numpy(),
        )
        now = {n for n in want if not close(got[n], want[n])}
        assert not (now and kh % 2 and kw % 2)
        bad |= now
    assert bad == set(wrong), bad
