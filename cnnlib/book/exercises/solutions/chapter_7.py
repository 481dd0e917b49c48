"""Solutions of chapter 7."""

import numpy as np

# Cell t gets x[t]*1 + x[t-1]*2, and before cell 0 lies cell 3: 2*1 + 3*2, 0*1 + 2*2, 1*1 + 0*2,
# 3*1 + 1*2.
on_a_circle = [2 * 1 + 3 * 2, 0 * 1 + 2 * 2, 1 * 1 + 0 * 2, 3 * 1 + 1 * 2]

# The full convolution has 12 outputs. Outputs 10 and 11 come back on cells 0 and 1.
wrapped = [0, 1]


# Cells below 0 come back at the end, cells from P on run into it: the same zeros serve both.
def cells(P, U, before, after):
    return P + max(before, after)


# A shift by one cell turns frequency f by 2*pi*f/L: not at all for the mean, most for the highest.
moved_centre = "b"


# The circle of len(x) cells is large enough: what wraps round lies in outputs that are cut off.
def correlate_by_fft(x, w):
    L = len(x)
    Z = np.conj(np.fft.rfft(w, L)) * np.fft.rfft(x, L)
    return np.fft.irfft(Z, L)[: L - len(w) + 1]


# 5 periods on 16 cells, every second cell kept: 8 cells tell apart 4 periods at most. 5 of them
# look like 8 - 5 = 3.
alias = 3


# The forward pass is a convolution, so the delta is a correlation. Output i meets input
# p = i + (U-1)//2 - u: in the full correlation, whose lag 0 is the last weight on the first delta,
# input 0 is lag U//2 = U-1 - (U-1)//2.
def same_delta(dz, w, input_shape):
    from scipy.signal import correlate

    P, U = input_shape[1:-1], w.shape[1:-1]
    cut = tuple(slice(u // 2, u // 2 + p) for u, p in zip(U, P, strict=True))
    dx = np.zeros(input_shape)
    for n, k, c in np.ndindex(len(dz), len(w), input_shape[-1]):
        dx[n, ..., c] += correlate(dz[n, ..., k], w[k, ..., c], "full")[cut]
    return dx


# Lag m of the padded input is weight U-1-m of a flipped layer, so the lags are reversed.
def same_gradient(x, dz, kernel):
    from scipy.signal import correlate

    pads = [(u - 1 - (u - 1) // 2, (u - 1) // 2) for u in kernel]
    dw = np.zeros((dz.shape[-1], *kernel, x.shape[-1]))
    for n, k, c in np.ndindex(len(x), dz.shape[-1], x.shape[-1]):
        lags = correlate(np.pad(x[n, ..., c], pads), dz[n, ..., k], "valid")
        dw[k, ..., c] += np.flip(lags)
    return dw


# The second layer gets 0.1 of its delta, the first 0.01, and each multiplies its step by 0.1 again.
rates = [0.1 * 0.1, 0.1 * 0.1 * 0.1]


# fftconvolve convolves along every axis that it gets, the channels, too. So every axis is turned.
def forward(x, w):
    from scipy.signal import fftconvolve

    maps = []
    for kernel in w:
        turned = np.flip(kernel)
        maps.append([fftconvolve(image, turned, mode="valid")[..., 0] for image in x])
    return np.moveaxis(np.array(maps), 0, -1)


channels_found = {"mistake": "b", "mended": forward}
