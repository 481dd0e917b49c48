"""Solutions of chapter 2."""

import numpy as np

import cnnlib

# The weight called -1 is 5 and meets the cell before, the one called 1 is 1 and meets the next.
z_by_hand = [0 + 1 * 2, 5 * 1 + 1 * 4, 5 * 2 + 1 * 8, 5 * 4 + 0]

# p = i for: u = 3; the second weight of -1, 0, 1, 2, 3; the weight after two zeros; the first.
centres = [3, 1, 2, 0]


# A reversed kernel, its centre carried along.
def convolution(x, w, u0):
    turned = w[::-1]
    z = cnnlib.conv(x[None, :, None], turned[None, :, None], center=len(w) - 1 - u0)
    return z[0, :, 0]


# Windows begin at s*i + lo and exist while that is at most P-1, but at most P of them.
def count_outputs(P, U, s, d, u0, flip):
    lo = -d * (U - 1 - u0) if flip else -d * u0
    return min(P, (P - 1 - lo) // s + 1)


# z[i,j] = 1*x[i-1,j] + 2*x[i,j+1]
z_corner = [[0 + 2 * 2, 0 + 0], [1 * 1 + 2 * 4, 1 * 2 + 0]]


# The first window begins at lo, the last one ends at s*(I-1) + lo + d*(U-1).
def padding_of(P, U, s, d, u0, flip):
    lo = -d * (U - 1 - u0) if flip else -d * u0
    I = min(P, (P - 1 - lo) // s + 1)
    end = s * (I - 1) + lo + d * (U - 1)
    return -lo, max(0, end - (P - 1))


# The stride moves the window, not the centre inside it.
def layer(x, w, u0, s):
    P, U = len(x), len(w)
    I = min(P, (P - 1 + u0) // s + 1)
    z = np.zeros(I)
    for i in range(I):
        for u in range(U):
            p = s * i + (u - u0)
            if 0 <= p < P:
                z[i] += w[u] * x[p]
    return z


layer_found = {"mistake": "b", "mended": layer}
