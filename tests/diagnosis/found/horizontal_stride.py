"""Naive loops, NCHW, functions with a cache; the weights' gradient on its own loop."""

import numpy as np

from .common import CONV2, check, conv_case

TRUTH = {
    "right": False,
    "what": "dw takes the columns of the window at j, not at j * stride: right for stride 1 only.",
    "kind": "conv",
    "limits": "",
}


def conv_forward(x, w, b, stride, pad):
    n, c, h, wd = x.shape
    f, _, kh, kw = w.shape
    xp = np.pad(x, [(0,), (0,), (pad,), (pad,)])
    ho, wo = 1 + (h + 2 * pad - kh) // stride, 1 + (wd + 2 * pad - kw) // stride
    out = np.empty((n, f, ho, wo))
    for img in range(n):
        for k in range(f):
            for i in range(ho):
                for j in range(wo):
                    out[img, k, i, j] = (
                        np.sum(
                            xp[img, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
                            * w[k]
                        )
                        + b[k]
                    )
    return out, xp


def conv_backward(dout, xp, w, stride, pad):
    n, f, ho, wo = dout.shape
    _, c, kh, kw = w.shape
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for img in range(n):
        for k in range(f):
            for i in range(ho):
                for j in range(wo):
                    r = i * stride
                    dw[k] += xp[img, :, r : r + kh, j : j + kw] * dout[img, k, i, j]
                    dxp[img, :, r : r + kh, j * stride : j * stride + kw] += (
                        w[k] * dout[img, k, i, j]
                    )
    H, W = xp.shape[2:]
    return dxp[:, :, pad : H - pad, pad : W - pad], dw, dout.sum((0, 2, 3))


def layer(x, w, b, dz, stride, padding):
    z, xp = conv_forward(x, w, b, stride, padding)
    dx, dw, db = conv_backward(dz, xp, w, stride, padding)
    return {"z": z, "dx": dx, "dw": dw, "db": db}


def report():
    from cnnlib.diagnosis import channels_first, diagnose

    return diagnose(channels_first(layer))


def _run(**c):
    x, w, b, dz, ref = conv_case(**c)
    got = layer(x, w, b, dz, c.get("stride", 1), c.get("pad", 0))
    return {n: (got[n], ref[n]) for n in ref}


def truth():
    check(_run, CONV2, {"dw"})
