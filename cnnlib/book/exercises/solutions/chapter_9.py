"""Solutions of chapter 9."""

import numpy as np

# Read backwards, [[1, 2], [2, 1]] is 1, 2, 2, 1 again.
agreeing = "b"

# Outputs: 17 // 3 + 1. On the way back 3*5 + 1 cells and 5 - 1 more, less 2*1 of padding. The
# remainder is 17 mod 3, and 18 + 2 = 20.
sizes = [(20 + 2 - 5) // 3 + 1, 3 * 5 + 1 + 5 - 1 - 2 * 1, (20 + 2 - 5) % 3]

# At stride 1 a forgotten stride changes nothing.
may_hide = "b"

# (2 - 1 + 3) * (1 + 4), and the order of the deltas does not matter.
sums = [(2 - 1 + 3) * (1 + 4), (2 - 1 + 3) * (4 + 1)]

# Minus the rate times the sum of the products: -5 and 11.
changes = [-0.1 * (3 * 1 + -4 * 2), -0.1 * (3 * 1 + -4 * -2)]


# Each sample replaced the one before. Their gradients add up.
def clinic_dw(x, w, dz, stride, padding):
    xp = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    dw = np.zeros(w.shape)
    for n in range(len(x)):
        owed = np.zeros(w.shape)
        for u, v in np.ndindex(w.shape[1:3]):
            rows = slice(u, u + stride * (dz.shape[1] - 1) + 1, stride)
            columns = slice(v, v + stride * (dz.shape[2] - 1) + 1, stride)
            owed[:, u, v] = np.einsum("ijk,ijc->kc", dz[n], xp[n, rows, columns])
        dw += owed
    return dw


found_dw = {"mistake": "b", "mended": clinic_dw}


# Laid side by side, the windows lie where repeating would put them. Window (i, j) begins at cell
# (i*stride, j*stride).
def clinic_pool(x, da, window, stride):
    dx = np.zeros(x.shape)
    for i, j in np.ndindex(da.shape[1:3]):
        rows = slice(i * stride, i * stride + window)
        columns = slice(j * stride, j * stride + window)
        dx[:, rows, columns] += da[:, i : i + 1, j : j + 1] / window**2
    return dx


found_pool = {"mistake": "d", "mended": clinic_pool}


# The mean is over the samples, not over samples and classes.
def clinic_head(x, w, b, t):
    z = x @ w + b
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    dz = (p - np.eye(len(b))[t]) / len(x)
    return {"p": p, "dz": dz, "dw": x.T @ dz, "db": dz.sum(axis=0), "dx": dz @ w.T}


found_head = {"mistake": "a", "mended": clinic_head}
