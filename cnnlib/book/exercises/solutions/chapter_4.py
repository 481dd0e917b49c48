"""Solutions of chapter 4."""

import numpy as np

# Weight 0 met inputs 0, 1, 2; weight 1 met inputs 1, 2, 3. The deltas keep their order.
dw_by_hand = [1 * 2 + 4 * -1 + 2 * 3, 4 * 2 + 2 * -1 + 3 * 3]

# The deltas are never turned round. Weight 0 of a flipped layer belongs to the last lag, so the
# finished result is rotated.
flipped_gradient = "c"


# Output i begins at input s*i, so weight u meets input s*i + u. Inputs that are left over at the
# end never occur, and there is no lag too many.
def strided_gradient(x, dz, U, s):
    dw = np.zeros(U)
    for u in range(U):
        for i in range(len(dz)):
            dw[u] += x[s * i + u] * dz[i]
    return dw


# One slice of the padded input for each weight: read for dw, written for dx.
def own_backward(x, w, dz, s, padding):
    (P, Q, C), (K, U, V, _), (_, I, J, _) = x.shape[1:], w.shape, dz.shape
    top, left = padding
    x_ = np.pad(x, ((0, 0), (top, top), (left, left), (0, 0)))
    dx_, dw = np.zeros(x_.shape), np.zeros(w.shape)
    for u, v in np.ndindex(U, V):
        met = np.s_[:, u : u + s[0] * I : s[0], v : v + s[1] * J : s[1]]
        dw[:, u, v] = dz.reshape(-1, K).T @ x_[met].reshape(-1, C)
        dx_[met] += dz @ w[:, u, v]
    return {"dx": dx_[:, top : top + P, left : left + Q], "dw": dw, "db": dz.sum(axis=(0, 1, 2))}


# The kernel spans 2*(3-1) + 1 = 5 cells: (12 - 5)//4 + 1 = 2 outputs. The deltas span
# 4*(2-1) + 1 = 5 cells and move by 2: (12 - 5)//2 + 1 = 4 lags. Three of them are weights.
lag_counts = {"outputs": 2, "lags": 4, "kept": 3}


# The index rule on each axis; a row whose p lies outside does not exist.
def centred_gradient(x, dz, U, s, d, u0, flip):
    g, axes = (-1 if flip else 1), range(len(U))
    dw = np.zeros((dz.shape[-1], *U, x.shape[-1]))
    for i in np.ndindex(*dz.shape[1:-1]):
        for u in np.ndindex(*U):
            p = [s[a] * i[a] + g * d[a] * (u[a] - u0[a]) for a in axes]
            if all(0 <= p[a] < x.shape[1 + a] for a in axes):
                dw[:, *u] += dz[:, *i].T @ x[:, *p]  # sums over the samples
    return dw


# Back to sums, add, divide once by all: (3*[2, -4] + 1*[6, 0]) / 4.
whole_batch = [(3 * 2 + 1 * 6) / 4, (3 * -4 + 1 * 0) / 4]


# Both copies are fresh for every entry, so w itself never changes.
def slopes(f, w, h):
    result = np.zeros(w.shape)
    for m in np.ndindex(w.shape):
        above, below = w.astype(float), w.astype(float)
        above[m] += h
        below[m] -= h
        result[m] = (f(above) - f(below)) / (2 * h)
    return result


# 0 - 0.1*(1/2) and 0 - 0.1*(-1/4); 1 - 0.1*(1/2) and 1 - 0.1*(-1/4).
first_round = {"biases": [-0.05, 0.025], "row": [0.95, 1.025]}


# Weight (u, v) met the inputs s*i + u and s*j + v: the deltas lie s cells apart.
def weight_gradient(x, dz, kernel, s, padding):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    _, oh, ow, K = dz.shape
    dw = np.zeros((K, *kernel, x.shape[-1]))
    for u, v in np.ndindex(*kernel):
        met = x[:, u : u + s * oh : s, v : v + s * ow : s]
        dw[:, u, v] = np.einsum("nijk,nijc->kc", dz, met)
    return dw


gradient_found = {"mistake": "a", "mended": weight_gradient}
