"""3-D convolution (N, C, D, H, W), loops over outputs and tensordot."""

import numpy as np

from .common import check, conv_case

TRUTH = {"right": True, "what": "", "kind": "conv 3-D", "limits": ""}


def conv3d_forward(x, w, b, stride=1, padding=0):
    p, s = padding, stride
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p), (p, p)))
    n, c, d, h, wd = xp.shape
    k, _, kd, kh, kw = w.shape
    od, oh, ow = (d - kd) // s + 1, (h - kh) // s + 1, (wd - kw) // s + 1
    out = np.empty((n, k, od, oh, ow))
    for a in range(od):
        for i in range(oh):
            for j in range(ow):
                block = xp[:, :, a * s : a * s + kd, i * s : i * s + kh, j * s : j * s + kw]
                out[:, :, a, i, j] = np.tensordot(block, w, axes=([1, 2, 3, 4], [1, 2, 3, 4])) + b
    return out, (x, xp, w, s, p)


def conv3d_backward(dout, cache):
    x, xp, w, s, p = cache
    kd, kh, kw = w.shape[2:]
    od, oh, ow = dout.shape[2:]
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for a in range(od):
        for i in range(oh):
            for j in range(ow):
                sl = (
                    slice(None),
                    slice(None),
                    slice(a * s, a * s + kd),
                    slice(i * s, i * s + kh),
                    slice(j * s, j * s + kw),
                )
                g = dout[:, :, a, i, j]
                dw += np.tensordot(g, xp[sl], axes=([0], [0]))
                dxp[sl] += np.tensordot(g, w, axes=([1], [0]))
    db = dout.sum(axis=(0, 2, 3, 4))
    d, h, wd = x.shape[2:]
    return dxp[:, :, p : p + d, p : p + h, p : p + wd], dw, db


def layer(x, w, b, dz, stride, padding):
    first = (0, 4, 1, 2, 3)
    last = (0, 2, 3, 4, 1)
    z, cache = conv3d_forward(x.transpose(first), w.transpose(first), b, stride, padding)
    dx, dw, db = conv3d_backward(dz.transpose(first), cache)
    return {"z": z.transpose(last), "dx": dx.transpose(last), "dw": dw.transpose(last), "db": db}


def report():
    from cnnlib.diagnosis import diagnose

    return diagnose(layer, axes=3)


def _run(**c):
    x, w, b, dz, ref = conv_case(**c)
    t = (0, 2, 3, 4, 1)
    got = layer(
        x.transpose(t), w.transpose(t), b, dz.transpose(t), c.get("stride", 1), c.get("pad", 0)
    )
    return {n: (v, ref[n] if n == "db" else ref[n].transpose(t)) for n, v in got.items()}


CASES = [
    dict(N=1, C=1, K=1, size=(4, 4, 4), kernel=(2, 2, 2)),
    dict(N=2, C=2, K=3, size=(5, 4, 6), kernel=(3, 2, 3), stride=1, pad=1),
    dict(N=2, C=3, K=2, size=(6, 7, 5), kernel=(3, 3, 2), stride=2, pad=1),
    dict(N=2, C=1, K=2, size=(5, 4, 6), kernel=(2, 2, 2), stride=2),
]


def truth():
    check(_run, CASES)
