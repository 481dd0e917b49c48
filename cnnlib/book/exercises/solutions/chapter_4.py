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
    for place in np.ndindex(w.shape):
        above, below = w.astype(float), w.astype(float)
        above[place] += h
        below[place] -= h
        result[place] = (f(above) - f(below)) / (2 * h)
    return result


# 0 - 0.1*(1/2) and 0 - 0.1*(-1/4); 1 - 0.1*(1/2) and 1 - 0.1*(-1/4).
first_round = {"biases": [-0.05, 0.025], "row": [0.95, 1.025]}


# Forwards, what the way back will ask for is kept: the padded x_, z, the maxima a, the flat rows.
def own_network(x, delta, w, b, W, B, s, padding):
    pad, (P, Q), (U, V) = padding, x.shape[1:3], w.shape[1:3]
    x_ = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    I, J = (P + 2 * pad - U) // s + 1, (Q + 2 * pad - V) // s + 1
    met = {(u, v): np.s_[:, u : u + s * I : s, v : v + s * J : s] for u, v in np.ndindex(U, V)}
    z = b + sum(x_[met[u, v]] @ w[:, u, v].T for u, v in met)
    corners = [np.s_[:, u::2, v::2] for u, v in np.ndindex(2, 2)]
    a = np.max([np.maximum(z, 0)[corner] for corner in corners], axis=0)
    flat = a.reshape(len(a), -1)

    da = (delta @ W.T).reshape(a.shape)
    dz, free = np.zeros(z.shape), np.ones(a.shape, bool)
    for corner in corners:
        won = free & (z[corner] == a) & (a > 0)  # ReLU: where the maximum is 0, nothing goes back
        dz[corner] = won * da
        free &= ~won
    dx_, dw = np.zeros(x_.shape), np.zeros(w.shape)
    for u, v in met:
        dw[:, u, v] = np.tensordot(dz, x_[met[u, v]], ((0, 1, 2), (0, 1, 2)))
        dx_[met[u, v]] += dz @ w[:, u, v]
    forth = {"scores": flat @ W + B, "dW": flat.T @ delta, "dB": delta.sum(axis=0)}
    dx, db = dx_[:, pad : pad + P, pad : pad + Q], dz.sum(axis=(0, 1, 2))
    return forth | {"dx": dx, "dw": dw, "db": db}


# Weight (u, v) met the inputs s*i + u and s*j + v: the deltas lie s cells apart.
def weight_gradient(x, dz, kernel, s, padding):
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    _, I, J, K = dz.shape
    dw = np.zeros((K, *kernel, x.shape[-1]))
    for u, v in np.ndindex(*kernel):
        met = x[:, u : u + s * I : s, v : v + s * J : s]
        dw[:, u, v] = np.einsum("nijk,nijc->kc", dz, met)
    return dw


gradient_found = {"mistake": "a", "mended": weight_gradient}
