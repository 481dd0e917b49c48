"""Layers of other kinds, right in their way: no mistake of a convolution may be named."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import cnnlib

from . import truth
from .limits import padded


def windows(x, w, stride, padding):
    return sliding_window_view(padded(x, padding), w.shape[1:3], axis=(1, 2))[:, ::stride, ::stride]


@truth(None, says=("depthwise",), runs=lambda x, w, s, p: len(w) == x.shape[-1])
def depthwise(x, w, b, dz, stride, padding):
    """Filter k sees channel k alone."""
    if len(w) != x.shape[-1]:
        raise ValueError("as many filters as channels")
    own = np.einsum("kuvk->kuv", w)
    return {"z": np.einsum("nijkuv,kuv->nijk", windows(x, w, stride, padding), own) + b}


@truth(None, says=("transposed",))
def transposed(x, w, b, dz, stride, padding):
    """Every input lays its kernel down: s*(P - 1) + U - 2*pad outputs."""
    (N, H, W, _), (K, kh, kw, _) = x.shape, w.shape
    wide = np.zeros((N, (H - 1) * stride + kh, (W - 1) * stride + kw, K))
    for i, j in np.ndindex(H, W):
        at = np.s_[:, i * stride : i * stride + kh, j * stride : j * stride + kw]
        wide[at] += np.einsum("nc,kuvc->nuvk", x[:, i, j], w)
    z = wide[:, padding : wide.shape[1] - padding, padding : wide.shape[2] - padding]
    return {"z": z + b}


@truth(None)
def batch_normalised(x, w, b, dz, stride, padding):
    """Normalises its input over the batch; w and b do not come in."""
    m, v = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    h = (x - m) / np.sqrt(v + 1e-5)
    return {"z": h, "dx": 0 * x}


@truth(None)
def a_pool(x, w, b, dz, stride, padding):
    """The largest of each window, channel by channel."""
    return {"z": windows(x, w, stride, padding).max(axis=(-1, -2))}


@truth(None)
def dense(x, w, b, dz, stride, padding):
    """One number per filter, from the mean of each image."""
    return {"z": x.mean(axis=(1, 2)) @ w.mean(axis=(1, 2)).T + b}


@truth(None, says=("axes=1",))
def one_axis(x, w, b, dz, stride, padding):
    N, L, C = x.shape
    return {"dx": np.zeros((N, L, C))}


@truth(None, says=("dilation",))
def dilated(x, w, b, dz, stride, padding):
    """Weights two cells apart."""
    return {"z": cnnlib.conv(x, w, b, stride=stride, padding=padding, dilation=2)}


@truth(None)
def separable(x, w, b, dz, stride, padding):
    """Rows first, then columns: the kernel's first row and column, and their product."""
    product = w[:, :, :1] * w[:, :1]
    dw_only = cnnlib.conv(x, product, b, stride=stride, padding=padding)
    return {"z": dw_only}


@truth(None)
def recurrent(x, w, b, dz, stride, padding):
    """A state that runs through the rows of the image."""
    state = np.zeros((len(x), x.shape[2], x.shape[3]))
    states = []
    for row in range(x.shape[1]):
        state = np.tanh(x[:, row] + 0.5 * state)
        states.append(state)
    return {"z": np.stack(states, axis=1)}
