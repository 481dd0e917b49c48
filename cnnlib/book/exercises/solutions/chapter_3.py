"""Solutions of chapter 3."""

import numpy as np

# z[0] = 2*x[0] - x[1] + 3*x[2], and so on. Input 2 reached all three outputs:
# with 3 the first, with -1 the second, with 2 the third.
dx_by_hand = [2 * 4, -1 * 4 + 2 * 1, 3 * 4 - 1 * 1 + 2 * 2, 3 * 1 - 1 * 2, 3 * 2]

# (y - t) / N with N = 2: take 1 off at the right class, then halve.
dz_by_hand = [[0.1, -0.25, 0.15], [-0.2, 0.2, 0.0]]

# The windows are [3, 8, 8], [8, 8, 1] and [8, 1, 5]. In the first two cells 1 and 2 tie, and the
# first of them wins. The third window holds only cell 2 of the two.
pool_dx = [0, 10 + 20, 40, 0, 0]


def delta_by_turning(dz, w):
    rows, columns = w.shape
    turned = w[::-1, ::-1]
    F = np.pad(dz, ((rows - 1, rows - 1), (columns - 1, columns - 1)))
    dx = np.zeros((dz.shape[0] + rows - 1, dz.shape[1] + columns - 1))
    for u in range(rows):
        for v in range(columns):  # the whole image at once, one weight after the other
            dx += turned[u, v] * F[u : u + dx.shape[0], v : v + dx.shape[1]]
    return dx


def lattice(dz, s):
    dz = np.asarray(dz)
    D = np.zeros([s * (size - 1) + 1 for size in dz.shape])
    D[(slice(None, None, s),) * dz.ndim] = dz
    return D


# The windows are 0-2, 4-6 and 8-10. Cells 3 and 7 lie in the gaps, cell 11 is the remainder.
untouched = [3, 7, 11]

# p = 2*i - u. Output 0 met input 0 (weight 0); output 1 met the inputs 2, 1, 0 (weights 0, 1, 2);
# output 2 met the inputs 3 and 2 (weights 1 and 2).
flipped_dx = [1 * 5 + 3 * 7, 2 * 7, 1 * 7 + 3 * 4, 2 * 4]


# The scatter form: each row of the table carries one delta back, through the weight that joined it.
def delta(dz, w, P, s, d, before, flip):
    U = len(w)
    dx = np.zeros(P)
    for i in range(len(dz)):
        for u in range(U):
            p = s * i - before + d * (U - 1 - u if flip else u)
            if 0 <= p < P:
                dx[p] += w[u] * dz[i]
    return dx


# A cell that wins two windows gets both deltas: += where = stood.
def pool_delta(x, da, U, s):
    dx = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(da.shape):
        window = x[n, s * i : s * i + U, s * j : s * j + U, c]
        u, v = np.unravel_index(window.argmax(), window.shape)
        dx[n, s * i + u, s * j + v, c] += da[n, i, j, c]
    return dx


pool_found = {"mistake": "c", "mended": pool_delta}


# w[k] has three axes, and np.flip turns all that it is not told to leave: the channels, too.
def input_delta(dz, w):
    (N, I, J, K), (_, U, V, C) = dz.shape, w.shape
    F = np.pad(dz, ((0, 0), (U - 1, U - 1), (V - 1, V - 1), (0, 0)))
    dx = np.zeros((N, I + U - 1, J + V - 1, C))
    for k in range(K):
        turned = np.flip(w[k], (0, 1))
        for p, q in np.ndindex(dx.shape[1:3]):
            dx[:, p, q] += np.tensordot(F[:, p : p + U, q : q + V, k], turned, 2)
    return dx


delta_found = {"mistake": "d", "mended": input_delta}
