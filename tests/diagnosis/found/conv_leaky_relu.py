"""Convolution with a leaky ReLU inside, NCHW, sliding_window_view."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .common import CONV2, check, conv_case

TRUTH = {"right": True, "what": "", "kind": "conv + leaky ReLU of slope 0.01", "limits": ""}


def leaky_relu(z):
    return np.where(z > 0, z, 0.01 * z)


def leaky_relu_backward(dA, Z):
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] *= 0.01
    return dZ


def conv_relu_forward(x, w, b, stride, pad):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    win = sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    z = np.einsum("nchwij,kcij->nkhw", win, w) + b[None, :, None, None]
    return leaky_relu(z), (x, w, win, z, stride, pad)


def conv_relu_backward(dout, cache):
    x, w, win, z, stride, pad = cache
    dz = leaky_relu_backward(dout, z)
    db = dz.sum(axis=(0, 2, 3))
    dw = np.einsum("nchwij,nkhw->kcij", win, dz)
    N, C, H, W = x.shape
    dxp = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    for i in range(dz.shape[2]):
        for j in range(dz.shape[3]):
            dxp[
                :, :, i * stride : i * stride + w.shape[2], j * stride : j * stride + w.shape[3]
            ] += np.einsum("nk,kcij->ncij", dz[:, :, i, j], w)
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


def layer(x, w, b, dz, stride, padding):
    out, cache = conv_relu_forward(x, w, b, stride, padding)
    dx, dw, db = conv_relu_backward(dz, cache)
    return {"z": out, "dx": dx, "dw": dw, "db": db}


def report():
    from cnnlib.diagnosis import channels_first, diagnose

    return diagnose(channels_first(layer), activation="leaky ReLU of slope 0.01")


def _run(**c):
    import torch

    x, w, b, dz, ref = conv_case(**c, act=lambda v: torch.nn.functional.leaky_relu(v, 0.01))
    got = layer(x, w, b, dz, c.get("stride", 1), c.get("pad", 0))
    return {n: (v, ref[n]) for n, v in got.items()}


def truth():
    check(_run, CONV2)
