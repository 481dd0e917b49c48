"""Solutions of chapter 1."""

import numpy as np

# The kernel lies on inputs 0 and 1, then on inputs 1 and 2.
z_by_hand = [1 * 10 + 2 * 20, 1 * 20 + 2 * 30]

# A filter has a kernel for each channel, and one bias. The 8 maps are the next layer's channels.
parameters = [8 * (5 * 5 * 3 + 1), 16 * (3 * 3 * 8 + 1)]

# With its zeros the signal is 0, 1, 2, 3, 4, 0. The kernel starts at cell 0 and at cell 2.
z_padded = [1 * 0 + 10 * 1 + 100 * 2, 1 * 2 + 10 * 3 + 100 * 4]


# A kernel starts at 0, s, 2s, ..., and at `last` at the latest.
def output_size(P, U, s, d, before, after):
    last = before + P + after - (d * (U - 1) + 1)
    return last // s + 1 if last >= 0 else 0


# 3*(x0 + 2*x1) + 4*(x1 + 2*x2) = 3*x0 + (6 + 4)*x1 + 8*x2
one_kernel = [3 * 1, 3 * 2 + 4 * 1, 4 * 2]


# Only a larger number replaces the best one so far, so the first of equal numbers stays.
def max_pool(x, U, s):
    P, Q = x.shape
    I, J = (P - U) // s + 1, (Q - U) // s + 1
    a, winners = np.full((I, J), -np.inf), np.zeros((I, J), int)
    for i, j in np.ndindex(I, J):
        for u, v in np.ndindex(U, U):
            p, q = s * i + u, s * j + v
            if x[p, q] > a[i, j]:
                a[i, j], winners[i, j] = x[p, q], Q * p + q
    return a, winners


# Before the cell stand 2 rows of 7 cells and 3 cells, each with 20 channels.
flattened = [(2 * 7 + 3) * 20 + 4, 7 * 7 * 20 * 60 + 60]


# Outputs on both axes, times the filters, times the weights of a filter.
def multiplications(P, Q, C, K, U, s, padding):
    I, J = ((cells + 2 * padding - U) // s + 1 for cells in (P, Q))
    return I * J * K * U * U * C


# z has a row for each filter, so filters come first in memory. A reshape only cuts that list anew;
# the transpose puts the filters last.
def forward(x, w, b, s):
    K, U, V, C = w.shape
    view = np.lib.stride_tricks.sliding_window_view
    windows = view(x, (U, V), axis=(1, 2))[:, ::s, ::s]
    N, I, J = windows.shape[:3]
    patches = np.moveaxis(windows, 3, -1).reshape(N * I * J, U * V * C)
    z = w.reshape(K, U * V * C) @ patches.T + b[:, None]
    return z.T.reshape(N, I, J, K)


forward_found = {"mistake": "b", "mended": forward}
