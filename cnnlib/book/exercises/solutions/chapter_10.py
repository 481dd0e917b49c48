"""Solutions of chapter 10."""

import numpy as np

# Each of the 24 filters has 3 by 3 places, and at each the 12/4 channels of its group.
grouped_kernel = [24, 3, 3, 12 // 4]


# m filters for each channel, neighbours: filter k meets channel k // m.
def depthwise(x, w):
    m = len(w) // x.shape[1]
    return np.stack([np.correlate(x[:, k // m], w[k], "valid") for k in range(len(w))], axis=-1)


# One layer: U*C*K. Two layers: U*C, one kernel for each channel, and C*K, one weight for each pair.
two_layers = [25 * 16 * 32, 25 * 16 + 16 * 32]

# 5 [4 5 6 7] 6: the edge stands once.
reflected = [5 + 4 + 5, 4 + 5 + 6, 5 + 6 + 7, 6 + 7 + 6]


# Cell -1-n is a copy of cell n, cell P+n of cell P-1-n: what they owe is added there.
def fold(padded, before, after):
    P = len(padded) - before - after
    dx = np.array(padded[before : before + P], float)
    for n in range(before):
        dx[n] += padded[before - 1 - n]
    for n in range(after):
        dx[P - 1 - n] += padded[before + P + n]
    return dx


# (28 + 2 - 4)//3 + 1 = 9 cells in the map; the smallest image with it has 3*8 + 4 - 2 = 26.
missing_cells = 28 - (3 * 8 + 4 - 2)

# 'same' puts as many zeros behind as before: output i meets input i + 2.
leaking = "c"

# dh = [8, 0, 0, 16], its mean 6; h * dh = [-8, 0, 0, 16], its mean 2.
dx_of_a_norm = [(8 - 6 + 2) / 2, (0 - 6 + 2) / 2, (0 - 6 - 2) / 2, (16 - 6 - 2) / 2]

# A tenth of the way from 0 to 20 is 2; a tenth of the way from there to 10 is 0.8 more.
running_after = 2 + 0.1 * (10 - 2)

# x[0] is negative: only the way past F, 2 * 1. x[1] goes both ways: (3 + 2) * 2.
delta_of_a_sum = [2 * 1, (3 + 2) * 2]

# 1, 1, 0; then 1 + 4, 2, -2; then 5 + 2 * 2, 2, -2 - 2; then 9 + 2, 4, -4.
field_of_three = [9 + 2, 4, -4]
