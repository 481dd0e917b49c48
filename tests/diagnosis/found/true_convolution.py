"""A true convolution with scipy.signal.convolve, NCHW, stride 1, 'valid'."""

import numpy as np
from scipy.signal import convolve, correlate

from .common import SQ1, check, conv_case

TRUTH = {
    "right": True,
    "what": "",
    "kind": "conv (true convolution)",
    "limits": "stride 1, padding 0",
}


def forward(X, K, b):
    out = np.zeros(
        (X.shape[0], K.shape[0], X.shape[2] - K.shape[2] + 1, X.shape[3] - K.shape[3] + 1)
    )
    for n in range(X.shape[0]):
        for o in range(K.shape[0]):
            for c in range(K.shape[1]):
                out[n, o] += convolve(X[n, c], K[o, c], mode="valid", method="direct")
            out[n, o] += b[o]
    return out


def backward(dout, X, K, b):
    dX, dK = np.zeros_like(X), np.zeros_like(K)
    for n in range(X.shape[0]):
        for o in range(K.shape[0]):
            for c in range(K.shape[1]):
                dX[n, c] += correlate(dout[n, o], K[o, c], mode="full", method="direct")
                dK[o, c] += correlate(X[n, c], dout[n, o], mode="valid", method="direct")[
                    ::-1, ::-1
                ]
    return dX, dK, dout.sum(axis=(0, 2, 3))


def layer(x, w, b, dz, stride, padding):
    dx, dw, db = backward(dz, x, w, b)
    return {"z": forward(x, w, b), "dx": dx, "dw": dw, "db": db}


def report():
    from cnnlib.diagnosis import channels_first, diagnose, true_convolution

    return diagnose(true_convolution(channels_first(layer)), stride=1, padding=0)


def _run(**c):
    x, w, b, dz, ref = conv_case(**dict(c, kernel=(3, 2)))
    got = layer(x, w[:, :, ::-1, ::-1], b, dz, 1, 0)
    got["dw"] = got["dw"][:, :, ::-1, ::-1]
    return {n: (v, ref[n]) for n, v in got.items()}


def truth():
    check(_run, SQ1)
