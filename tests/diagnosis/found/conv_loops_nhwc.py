"""Coursera, deep learning, week 1: conv_forward and conv_backward, NHWC, W (f, f, C_prev, C)."""

import numpy as np

from .common import SQ, check, conv_case

TRUTH = {"right": True, "what": "", "kind": "conv", "limits": "square kernel"}


def zero_pad(X, pad):
    return np.pad(
        X, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="constant", constant_values=(0, 0)
    )


def conv_single_step(a_slice_prev, W, b):
    s = np.multiply(a_slice_prev, W)
    Z = np.sum(s)
    return Z + b.item()


def conv_forward(A_prev, W, b, hparameters):
    (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
    (f, f, n_C_prev, n_C) = W.shape
    stride = hparameters["stride"]
    pad = hparameters["pad"]
    n_H = int((n_H_prev - f + 2 * pad) / stride) + 1
    n_W = int((n_W_prev - f + 2 * pad) / stride) + 1
    Z = np.zeros((m, n_H, n_W, n_C))
    A_prev_pad = zero_pad(A_prev, pad)
    for i in range(m):
        a_prev_pad = A_prev_pad[i]
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vert_start = h * stride
                    vert_end = vert_start + f
                    horiz_start = w * stride
                    horiz_end = horiz_start + f
                    a_slice_prev = a_prev_pad[vert_start:vert_end, horiz_start:horiz_end, :]
                    Z[i, h, w, c] = conv_single_step(a_slice_prev, W[:, :, :, c], b[:, :, :, c])
    cache = (A_prev, W, b, hparameters)
    return Z, cache


def conv_backward(dZ, cache):
    (A_prev, W, b, hparameters) = cache
    (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
    (f, f, n_C_prev, n_C) = W.shape
    stride = hparameters["stride"]
    pad = hparameters["pad"]
    (m, n_H, n_W, n_C) = dZ.shape
    dA_prev = np.zeros((m, n_H_prev, n_W_prev, n_C_prev))
    dW = np.zeros((f, f, n_C_prev, n_C))
    db = np.zeros((1, 1, 1, n_C))
    A_prev_pad = zero_pad(A_prev, pad)
    dA_prev_pad = zero_pad(dA_prev, pad)
    for i in range(m):
        a_prev_pad = A_prev_pad[i]
        da_prev_pad = dA_prev_pad[i]
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    vert_start = h * stride
                    vert_end = vert_start + f
                    horiz_start = w * stride
                    horiz_end = horiz_start + f
                    a_slice = a_prev_pad[vert_start:vert_end, horiz_start:horiz_end, :]
                    da_prev_pad[vert_start:vert_end, horiz_start:horiz_end, :] += (
                        W[:, :, :, c] * dZ[i, h, w, c]
                    )
                    dW[:, :, :, c] += a_slice * dZ[i, h, w, c]
                    db[:, :, :, c] += dZ[i, h, w, c]
        if pad:
            dA_prev[i, :, :, :] = da_prev_pad[pad:-pad, pad:-pad, :]
        else:
            dA_prev[i, :, :, :] = da_prev_pad
    return dA_prev, dW, db


def layer(x, w, b, dz, stride, padding):
    Z, cache = conv_forward(
        x, w.transpose(1, 2, 3, 0), b.reshape(1, 1, 1, -1), {"stride": stride, "pad": padding}
    )
    dA_prev, dW, db = conv_backward(dz, cache)
    return {"Z": Z, "dA_prev": dA_prev, "dW": dW.transpose(3, 0, 1, 2), "db": db.ravel()}


def report():
    from cnnlib.diagnosis import diagnose

    return diagnose(layer, limits=["square kernel"])


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
    got = dict(z=got["Z"], dx=got["dA_prev"], dw=got["dW"], db=got["db"])
    return {n: (v, ref[n] if n == "db" else ref[n].transpose(last)) for n, v in got.items()}


def truth():
    check(_run, SQ)
