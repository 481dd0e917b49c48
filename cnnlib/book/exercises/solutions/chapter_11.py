"""Solutions of chapter 11."""

import numpy as np


# What ceil(P/s) windows need, less P, is the padding; the smaller half goes before.
def same_before(P, U, s):
    I = (P + s - 1) // s
    return max(0, s * (I - 1) + U - P) // 2


# The centre of the convolution is (4 - 1)//2 = 1; reversing carries it to 4 - 1 - 1 = 2.
letter = "b"

# OpenCV names the column first.
anchor = [3, 0]

# The mirror that shows the edge cells twice makes 1 1 2 4 4 of the signal.
z_mirrored = [1 * 1 + 10 * 1 + 100 * 2, 1 * 1 + 10 * 2 + 100 * 4, 1 * 2 + 10 * 4 + 100 * 4]

# 2*4 + 4 - 2*1 + 1; 2*5; 2*4 + 4 + 1.
sizes = [11, 10, 13]


# The windows at distance s need s*(I-1) + U cells. What the axis lacks is the padding: at stride 2
# it is U - 1 for an odd number of cells, and one less for an even one.
def same(x, w, s):
    P, U = len(x), len(w)
    I = -(-P // s)
    total = max(0, s * (I - 1) + U - P)
    before = total // 2
    padded = np.pad(x, (before, total - before))
    return np.array([padded[s * i : s * i + U] @ w for i in range(I)])


same_found = {"mistake": "b", "mended": same}
