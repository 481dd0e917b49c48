"""Other orders of the axes, and other numbers of them."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import fftconvolve

from cnnlib.diagnosis import channels_first

from . import truth
from .limits import exact, square_kernel


@truth(True, runs=square_kernel, says=("square kernel",))
@channels_first
def loops_over_everything(x, w, b, dz, stride, padding):
    """Images (N, C, H, W), seven nested loops."""
    (N, _, H, W), (F, _, size, _) = x.shape, w.shape
    if w.shape[3] != size:
        raise ValueError("square filters")
    wide = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    out, dwide, dw, db = np.zeros(dz.shape), np.zeros(wide.shape), np.zeros(w.shape), np.zeros(F)
    for n in range(N):
        for f in range(F):
            for i in range(dz.shape[2]):
                for j in range(dz.shape[3]):
                    at = np.s_[n, :, i * stride : i * stride + size, j * stride : j * stride + size]
                    out[n, f, i, j] = (wide[at] * w[f]).sum() + b[f]
                    dwide[at] += dz[n, f, i, j] * w[f]
                    dw[f] += dz[n, f, i, j] * wide[at]
                    db[f] += dz[n, f, i, j]
    dx = dwide[:, :, padding : padding + H, padding : padding + W]
    return {"out": out, "dx": dx, "dw": dw, "db": db}


@truth(True, runs=lambda *g: square_kernel(*g) and exact(*g), says=("square kernel", "left over"))
def filters_last(x, w, b, dz, stride, padding):
    """Weights (f, f, C, K), the bias (1, 1, 1, K), results under a course's names."""
    W, bias = w.transpose(1, 2, 3, 0), b.reshape(1, 1, 1, -1)
    f, (m, H, V, _) = W.shape[0], x.shape
    if W.shape[1] != f:
        raise ValueError("square filters")
    assert (H - f + 2 * padding) % stride == 0 and (V - f + 2 * padding) % stride == 0
    A_prev_pad = np.pad(x, ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0)))
    Z, dA, dW = np.zeros(dz.shape), np.zeros(A_prev_pad.shape), np.zeros(W.shape)
    db = np.zeros(bias.shape)
    for i in range(m):
        for h in range(dz.shape[1]):
            for v in range(dz.shape[2]):
                for k in range(dz.shape[3]):
                    rows, columns = (
                        slice(h * stride, h * stride + f),
                        slice(v * stride, v * stride + f),
                    )
                    a = A_prev_pad[i, rows, columns]
                    Z[i, h, v, k] = (a * W[..., k]).sum() + bias[..., k].item()
                    dA[i, rows, columns] += W[..., k] * dz[i, h, v, k]
                    dW[..., k] += a * dz[i, h, v, k]
                    db[..., k] += dz[i, h, v, k]
    dA = dA[:, padding : padding + H, padding : padding + V]
    return {"Z": Z, "dA_prev": dA, "dW": dW.transpose(3, 0, 1, 2), "db": db}


@truth(False, wrong="dx", names="D13", runs=lambda x, w, s, p: True)
@channels_first
def filters_and_channels_not_exchanged(x, w, b, dz, stride, padding):
    """A gather over the spread deltas; w keeps its first two axes."""
    (N, C, H, W), (K, _, kh, kw) = x.shape, w.shape
    wide = np.zeros((N, K, H + 2 * padding + kh - 1, W + 2 * padding + kw - 1))
    last = kh - 1 + stride * dz.shape[2], kw - 1 + stride * dz.shape[3]
    wide[:, :, kh - 1 : last[0] : stride, kw - 1 : last[1] : stride] = dz
    windows = sliding_window_view(wide, (kh, kw), axis=(2, 3))
    turned = w[:, :, ::-1, ::-1]
    dx = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    for c in range(C):
        for k in range(K):
            # IndexError where there is no such filter or channel
            dx[:, c] += np.einsum("nijuv,uv->nij", windows[:, k], turned[c, k])
    return {"dx": dx[:, :, padding : padding + H, padding : padding + W]}


@truth(True, how={"axes": 1})
def a_signal(x, w, b, dz, stride, padding):
    """One axis: (N, L, C), (K, U, C)."""
    L, U = x.shape[1], w.shape[1]
    wide = np.pad(x, ((0, 0), (padding, padding), (0, 0)))
    z, dwide, dw = np.zeros(dz.shape), np.zeros(wide.shape), np.zeros(w.shape)
    for i in range(dz.shape[1]):
        here = slice(i * stride, i * stride + U)
        z[:, i] = np.einsum("nuc,kuc->nk", wide[:, here], w) + b
        dwide[:, here] += np.einsum("nk,kuc->nuc", dz[:, i], w)
        dw += np.einsum("nk,nuc->kuc", dz[:, i], wide[:, here])
    return {"z": z, "dx": dwide[:, padding : padding + L], "dw": dw, "db": dz.sum(axis=(0, 1))}


@truth(False, wrong="dw", names="W3", how={"axes": 1})
def a_signal_without_stride(x, w, b, dz, stride, padding):
    """The weights of a signal: the deltas are taken as neighbours."""
    wide, dw = np.pad(x, ((0, 0), (padding, padding), (0, 0))), np.zeros(w.shape)
    for i in range(dz.shape[1]):
        dw += np.einsum("nk,nuc->kuc", dz[:, i], wide[:, i : i + w.shape[1]])
    return {"dw": dw, "db": dz.sum(axis=(0, 1))}


@truth(True, how={"axes": 3, "stride": 1, "padding": "same", "channels": 1})
def a_volume(x, w, b, dz, stride, padding):
    """Three axes, mode 'same', by Fourier transforms; the kernel turned so that it correlates."""
    turned = np.flip(w, (1, 2, 3))
    # TensorFlow's rule for an even kernel: the odd cell after.
    before = [(u - 1) // 2 for u in w.shape[1:4]]
    whole = np.stack(
        [[fftconvolve(image[..., 0], kernel[..., 0], "full") for kernel in turned] for image in x]
    )
    at = tuple(
        slice(u - 1 - q, u - 1 - q + n)
        for u, q, n in zip(w.shape[1:4], before, x.shape[1:4], strict=True)
    )
    return {"z": np.moveaxis(whole[:, :, *at], 1, -1) + b, "db": dz.sum(axis=(0, 1, 2, 3))}


@truth(False, wrong="z", names="F1", how={"axes": 3, "stride": 1, "padding": "same", "channels": 1})
def a_volume_turned(x, w, b, dz, stride, padding):
    """The same, with the kernel as it is."""
    return {"z": a_volume(x, np.flip(w, (1, 2, 3)), b, dz, stride, padding)["z"]}
