"""im2col with sliding_window_view, NHWC, HWIO weights flattened; a class with a params dict."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .common import CONV2, check, conv_case

TRUTH = {
    "right": False,
    "what": "The windows come as (C, kh, kw), the weights are flattened as (kh, kw, C): right for one channel only; dw likewise, and dx comes from the wrong weights too.",
    "kind": "conv",
    "limits": "",
}


class Conv:
    def __init__(self, W, b, stride, pad):
        self.params = {"W": W, "b": b}
        self.stride, self.pad = stride, pad

    def forward(self, x):
        kh, kw, c, k = self.params["W"].shape
        p, s = self.pad, self.stride
        self.xp = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
        win = sliding_window_view(self.xp, (kh, kw), axis=(1, 2))[
            :, ::s, ::s
        ]  # N, oh, ow, C, kh, kw
        self.shape = x.shape
        n, oh, ow = win.shape[:3]
        self.cols = win.reshape(n * oh * ow, -1)
        z = self.cols @ self.params["W"].reshape(-1, k) + self.params["b"]
        return z.reshape(n, oh, ow, k)

    def backward(self, dz):
        kh, kw, c, k = self.params["W"].shape
        n, oh, ow, _ = dz.shape
        s, p = self.stride, self.pad
        flat = dz.reshape(-1, k)
        grads = {"W": (self.cols.T @ flat).reshape(kh, kw, c, k), "b": flat.sum(0)}
        dcols = (flat @ self.params["W"].reshape(-1, k).T).reshape(n, oh, ow, c, kh, kw)
        dxp = np.zeros_like(self.xp)
        for i in range(oh):
            for j in range(ow):
                dxp[:, i * s : i * s + kh, j * s : j * s + kw] += dcols[:, i, j].transpose(
                    0, 2, 3, 1
                )
        _, H, W, _ = self.shape
        return dxp[:, p : p + H, p : p + W], grads


def layer(x, w, b, dz, stride, padding):
    conv = Conv(w.transpose(1, 2, 3, 0), b, stride, padding)
    z = conv.forward(x)
    dx, grads = conv.backward(dz)
    return {"z": z, "dx": dx, "dw": grads["W"].transpose(3, 0, 1, 2), "db": grads["b"]}


def report():
    from cnnlib.diagnosis import diagnose

    return diagnose(layer)


def _run(**c):
    x, w, b, dz, ref = conv_case(**c)
    last = (0, 2, 3, 1)
    got = layer(
        x.transpose(last),
        w.transpose(last),
        b,
        dz.transpose(last),
        c.get("stride", 1),
        c.get("pad", 0),
    )
    return {n: (v, ref[n] if n == "db" else ref[n].transpose(last)) for n, v in got.items()}


def truth():
    check(_run, CONV2, {"z", "dx", "dw"})
