"""Right convolution layers, written separately: a diagnosis must accuse none of them.

Each is `fn(x, w, b, dz, stride, padding)` with a stride and a padding for each axis, and returns
what its way of computing gives: all four quantities or some of them.
"""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view
from scipy.signal import convolve2d, correlate2d

import cnnlib
from cnnlib.diagnosis import channels_first, true_convolution

RIGHT: list[Callable] = []


def right(fn: Callable) -> Callable:
    """List it; whatever comes in, it gets pairs, as most of these are written for them."""

    def paired(x, w, b, dz, stride, padding):
        pairs = (v if isinstance(v, tuple) else (v, v) for v in (stride, padding))
        return fn(x, w, b, dz, *pairs)

    paired.__name__ = fn.__name__
    RIGHT.append(paired)
    return fn


def pad(a, p):
    return np.pad(a, ((0, 0), (p[0], p[0]), (p[1], p[1]), (0, 0)))


def bias(dz):
    return dz.sum(axis=(0, 1, 2))


@right
def single_terms(x, w, b, dz, s, p):
    """Every product by itself, with the bounds checked."""
    z, dx, dw = np.zeros_like(dz), np.zeros_like(x), np.zeros_like(w)
    for i, j, u, v in np.ndindex(*dz.shape[1:3], *w.shape[1:3]):
        r, t = i * s[0] + u - p[0], j * s[1] + v - p[1]
        if 0 <= r < x.shape[1] and 0 <= t < x.shape[2]:
            z[:, i, j] += x[:, r, t] @ w[:, u, v].T
            dx[:, r, t] += dz[:, i, j] @ w[:, u, v]
            dw[:, u, v] += dz[:, i, j].T @ x[:, r, t]
    return {"z": z + b, "dx": dx, "dw": dw, "db": bias(dz)}


@right
def scatter(x, w, b, dz, s, p):
    """Window by window; dx is cut out of a larger array and is a view of it."""
    xp, (kh, kw) = pad(x, p), w.shape[1:3]
    z, dxp, dw = np.zeros_like(dz), np.zeros_like(xp), np.zeros_like(w)
    for i, j in np.ndindex(*dz.shape[1:3]):
        at = np.s_[:, i * s[0] : i * s[0] + kh, j * s[1] : j * s[1] + kw]
        z[:, i, j] = np.tensordot(xp[at], w, ((1, 2, 3), (1, 2, 3))) + b
        dxp[at] += np.tensordot(dz[:, i, j], w, 1)
        dw += np.tensordot(dz[:, i, j].T, xp[at], 1)
    dx = dxp[:, p[0] : p[0] + x.shape[1], p[1] : p[1] + x.shape[2]]
    return {"z": z, "dx": dx, "dw": dw, "db": bias(dz)}


def between_zeros(dz, x, w, s, p):
    """dz with s - 1 zeros between, k - 1 around, and the rest behind: (N, H+2p+k-1, ..., K)."""
    (N, _, _, K), (kh, kw) = dz.shape, w.shape[1:3]
    wide = np.zeros((N, x.shape[1] + 2 * p[0] + kh - 1, x.shape[2] + 2 * p[1] + kw - 1, K))
    wide = wide.astype(dz.dtype)
    rows, columns = kh - 1 + s[0] * np.arange(dz.shape[1]), kw - 1 + s[1] * np.arange(dz.shape[2])
    wide[:, rows[:, None], columns] = dz
    return wide


@right
def gather(x, w, b, dz, s, p):
    """The kernel rotated, slid over the deltas with zeros between."""
    wide, (kh, kw) = between_zeros(dz, x, w, s, p), w.shape[1:3]
    turned, dx = np.rot90(w, 2, (1, 2)), np.empty_like(x)
    for r, t in np.ndindex(*x.shape[1:3]):
        window = wide[:, r + p[0] : r + p[0] + kh, t + p[1] : t + p[1] + kw]
        dx[:, r, t] = np.einsum("nuvk,kuvc->nc", window, turned)
    return {"dx": dx}


@right
def im2col(x, w, b, dz, s, p):
    """One matrix product for each quantity; z is a transposed view."""
    (N, H, W, C), (K, kh, kw, _), (_, oh, ow, _) = x.shape, w.shape, dz.shape
    rows = s[0] * np.repeat(np.arange(oh), ow)[:, None] + np.repeat(np.arange(kh), kw)
    columns = s[1] * np.tile(np.arange(ow), oh)[:, None] + np.tile(np.arange(kw), kh)
    cols = pad(x, p)[:, rows, columns].reshape(N * oh * ow, -1)
    z = (w.reshape(K, -1) @ cols.T + b[:, None]).reshape(K, N, oh, ow).transpose(1, 2, 3, 0)
    flat = dz.reshape(-1, K)
    dxp = np.zeros_like(pad(x, p))
    dcols = (flat @ w.reshape(K, -1)).reshape(N, oh * ow, kh * kw, C)
    np.add.at(dxp, (slice(None), rows, columns), dcols)
    dx = dxp[:, p[0] : H + p[0], p[1] : W + p[1]]
    return {"z": z, "dx": dx, "dw": (flat.T @ cols).reshape(w.shape), "db": flat.sum(axis=0)}


@right
def toeplitz(x, w, b, dz, s, p):
    """The layer as one matrix from x to z; dx is its transpose times dz."""
    (N, H, W, C), (K, kh, kw, _), (_, oh, ow, _) = x.shape, w.shape, dz.shape
    A = np.zeros((oh, ow, K, H + 2 * p[0], W + 2 * p[1], C), dtype=x.dtype)
    for i, j in np.ndindex(oh, ow):
        A[i, j, :, i * s[0] : i * s[0] + kh, j * s[1] : j * s[1] + kw] = w
    A = A[:, :, :, p[0] : p[0] + H, p[1] : p[1] + W].reshape(oh * ow * K, H * W * C)
    z = (x.reshape(N, -1) @ A.T).reshape(dz.shape) + b
    return {"z": z, "dx": (dz.reshape(N, -1) @ A).reshape(x.shape)}


@right
def einsum_over_windows(x, w, b, dz, s, p):
    windows = sliding_window_view(pad(x, p), w.shape[1:3], axis=(1, 2))[:, :: s[0], :: s[1]]
    wide = sliding_window_view(between_zeros(dz, x, w, s, p), w.shape[1:3], axis=(1, 2))
    dx = np.einsum("nrtkuv,kuvc->nrtc", wide, w[:, ::-1, ::-1])
    return {
        "z": np.einsum("nijcuv,kuvc->nijk", windows, w, optimize=True) + b,
        "dx": dx[:, p[0] :, p[1] :][:, : x.shape[1], : x.shape[2]],
        "dw": np.einsum("nijcuv,nijk->kuvc", windows, dz, optimize=True),
        "db": np.einsum("nijk->k", dz),
    }


@right
def strided_views(x, w, b, dz, s, p):
    """as_strided, with the kernel's axes first."""
    xp, (kh, kw), (oh, ow) = pad(x, p), w.shape[1:3], dz.shape[1:3]
    n, r, t, c = xp.strides
    shape = (kh, kw, len(x), oh, ow, x.shape[-1])
    windows = as_strided(xp, shape, (r, t, n, r * s[0], t * s[1], c))
    z = np.tensordot(windows, w, ((0, 1, 5), (1, 2, 3))) + b
    dw = np.tensordot(windows, dz, ((2, 3, 4), (0, 1, 2))).transpose(3, 0, 1, 2)
    return {"z": z, "dw": dw, "db": bias(dz)}


@right
def scipy_per_channel(x, w, b, dz, s, p):
    """correlate2d forwards, convolve2d back, and all windows' sums thinned by the stride."""
    xp, (kh, kw) = pad(x, p), w.shape[1:3]
    z, dx, dw = np.zeros_like(dz), np.zeros_like(x), np.zeros_like(w)
    d = between_zeros(dz, x, w, s, p)[:, kh - 1 :, kw - 1 :]
    d = d[:, : xp.shape[1] - kh + 1, : xp.shape[2] - kw + 1]
    for n, k, c in np.ndindex(len(x), len(w), x.shape[-1]):
        image, kernel, delta = xp[n, ..., c], w[k, ..., c], d[n, ..., k]
        z[n, ..., k] += correlate2d(image, kernel, "valid")[:: s[0], :: s[1]]
        full = convolve2d(delta, kernel, "full")
        dx[n, ..., c] += full[p[0] : p[0] + x.shape[1], p[1] : p[1] + x.shape[2]]
        dw[k, ..., c] += correlate2d(image, delta, "valid")
    return {"z": z + b, "dx": dx, "dw": dw, "db": bias(dz)}


@right
def fourier(x, w, b, dz, s, p):
    """Products of spectra, large enough that nothing comes round."""
    xp, (kh, kw) = pad(x, p), w.shape[1:3]
    size, axes = (xp.shape[1] + kh - 1, xp.shape[2] + kw - 1), (1, 2)
    wide = between_zeros(dz, x, w, s, p)[:, kh - 1 :, kw - 1 :]
    X, D = np.fft.rfft2(xp, size, axes), np.fft.rfft2(wide, size, axes)
    F = np.fft.rfft2(w, size, axes)
    z = np.fft.irfft2(np.einsum("nrtc,krtc->nrtk", X, F.conj()), size, axes)
    dx = np.fft.irfft2(np.einsum("nrtk,krtc->nrtc", D, F), size, axes)
    dw = np.fft.irfft2(np.einsum("nrtc,nrtk->krtc", X, D.conj()), size, axes)
    return {
        "z": z[:, :: s[0], :: s[1]][:, : dz.shape[1], : dz.shape[2]] + b,
        "dx": dx[:, p[0] : p[0] + x.shape[1], p[1] : p[1] + x.shape[2]],
        "dw": dw[:, :kh, :kw],
    }


@right
def shifted_images(x, w, b, dz, s, p):
    """One product for each cell of the kernel, the images shifted and thinned."""
    xp, (oh, ow) = pad(x, p), dz.shape[1:3]
    z, dxp, dw = np.zeros_like(dz) + b, np.zeros_like(xp), np.zeros_like(w)
    for u, v in np.ndindex(*w.shape[1:3]):
        at = np.s_[:, u : u + s[0] * (oh - 1) + 1 : s[0], v : v + s[1] * (ow - 1) + 1 : s[1]]
        z += xp[at] @ w[:, u, v].T
        dxp[at] += dz @ w[:, u, v]
        dw[:, u, v] = np.einsum("nijk,nijc->kc", dz, xp[at])
    H, W = x.shape[1:3]
    dx = np.delete(np.delete(dxp, np.r_[: p[0], p[0] + H : H + 2 * p[0]], axis=1),
                   np.r_[: p[1], p[1] + W : W + 2 * p[1]], axis=2)  # fmt: skip
    return {"z": z, "dx": dx, "dw": dw, "db": bias(dz)}


@right
def every_second_of_stride_1(x, w, b, dz, s, p):
    """The outputs of stride 1 thinned, in an array with Fortran's order of memory."""
    windows = sliding_window_view(pad(x, p), w.shape[1:3], axis=(1, 2))
    z = np.einsum("nijcuv,kuvc->nijk", windows, w)[:, :: s[0], :: s[1]] + b
    return {"y": np.asfortranarray(z)}


@right
def differences(x, w, b, dz, s, p):
    """The layer is linear in x and w: a unit in place of one number gives its gradient."""
    if x.size > 60:  # slow
        windows = sliding_window_view(pad(x, p), w.shape[1:3], axis=(1, 2))[:, :: s[0], :: s[1]]
        return {"z": np.einsum("nijcuv,kuvc->nijk", windows, w) + b}

    def z(x, w):
        windows = sliding_window_view(pad(x, p), w.shape[1:3], axis=(1, 2))[:, :: s[0], :: s[1]]
        return np.einsum("nijcuv,kuvc->nijk", windows, w)

    dx = [np.vdot(dz, z(e.reshape(x.shape), w)) for e in np.eye(x.size, dtype=x.dtype)]
    dw = [np.vdot(dz, z(x, e.reshape(w.shape))) for e in np.eye(w.size, dtype=x.dtype)]
    return {"z": z(x, w) + b, "dx": np.reshape(dx, x.shape), "dw": np.reshape(dw, w.shape)}


@right
def autograd(x, w, b, dz, s, p):
    torch = pytest.importorskip("torch", reason="torch not installed: make test-frameworks")
    x, w, b = (torch.tensor(np.ascontiguousarray(a), requires_grad=True) for a in (x, w, b))
    z = torch.nn.functional.conv2d(x.permute(0, 3, 1, 2), w.permute(0, 3, 1, 2), b, s, p)
    z = z.permute(0, 2, 3, 1)
    z.backward(torch.tensor(np.ascontiguousarray(dz)))
    return {"z": z.detach().numpy(), "dx": x.grad.numpy(), "dw": w.grad.numpy(), "db": b.grad}


@right
def the_library(x, w, b, dz, s, p):
    how = {"stride": s, "padding": p}
    return {
        "z": cnnlib.conv(x, w, b, **how),
        "dx": cnnlib.conv_delta(dz, w, x.shape, **how),
        "dw": cnnlib.conv_weight_gradient(x, dz, w.shape[1:3], **how),
        "db": cnnlib.conv_bias_gradient(dz),
    }


@right
@channels_first
def with_channels_first(x, w, b, dz, s, p):
    xp = np.pad(x, ((0, 0), (0, 0), (p[0], p[0]), (p[1], p[1])))
    windows = sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, :: s[0], :: s[1]]
    z = np.einsum("ncijuv,kcuv->nkij", windows, w) + b[:, None, None]
    dxp = np.zeros_like(xp)
    for i, j in np.ndindex(*dz.shape[2:]):
        window = np.einsum("nk,kcuv->ncuv", dz[:, :, i, j], w)
        dxp[:, :, i * s[0] :, j * s[1] :][:, :, : w.shape[2], : w.shape[3]] += window
    dx = dxp[:, :, p[0] : p[0] + x.shape[2], p[1] : p[1] + x.shape[3]]
    dw = np.einsum("ncijuv,nkij->kcuv", windows, dz)
    return {"z": z, "dx": dx, "dw": dw, "db": dz.sum(axis=(0, 2, 3))}


@right
@true_convolution
def truly_convolving(x, w, b, dz, s, p):
    """convolve2d forwards, the kernel as it is backwards."""
    xp, (kh, kw) = pad(x, p), w.shape[1:3]
    d = between_zeros(dz, x, w, s, p)[:, kh - 1 :, kw - 1 :]
    d = d[:, : xp.shape[1] - kh + 1, : xp.shape[2] - kw + 1]
    z, dx, dw = np.zeros_like(dz), np.zeros_like(x), np.zeros_like(w)
    for n, k, c in np.ndindex(len(x), len(w), x.shape[-1]):
        image, kernel, delta = xp[n, ..., c], w[k, ..., c], d[n, ..., k]
        z[n, ..., k] += convolve2d(image, kernel, "valid")[:: s[0], :: s[1]]
        full = correlate2d(delta, kernel, "full")
        dx[n, ..., c] += full[p[0] : p[0] + x.shape[1], p[1] : p[1] + x.shape[2]]
        dw[k, ..., c] += np.rot90(correlate2d(image, delta, "valid"), 2)
    return {"z": z + b, "dx": dx, "dw": dw, "db": bias(dz)}
