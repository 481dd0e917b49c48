"""Solutions of chapter 8."""

import numpy as np

# 2 images, 6 * 6 places, 3 * 3 weights, 3 channels, 4 filters.
multiplications = 2 * (6 * 6) * (3 * 3) * 3 * 4

# Images; 6 - 3 + 1 and 7 - 2 + 1 places; the window; the channels.
windows_shape = [2, 4, 6, 3, 2, 3]

# 8 * 8 windows of 3 * 3 * 16 numbers, of 4 bytes each: 36864 bytes for an image.
memory = {"bytes": 32 * (8 * 8) * (3 * 3 * 16) * 4, "images": 2**20 // (64 * 144 * 4)}

# A column for each output, its weights one place lower than those of the output before.
band = [[2, 0, 0], [1, 2, 0], [0, 1, 2], [0, 0, 1]]


# For an output a block takes C*U*(s*B + V - s)*(rho/B + K) + U*sigma/B. The terms with B are
# U*C*s*K*B, those with 1/B are U*C*(rho*(V - s) + sigma/C): their quotient is B squared.
def best_block(s, V, C, K, rho, sigma):
    return np.sqrt((rho * (V - s) + sigma / C) / (s * K))


# Weight v of output b stands at entry b + v.
def collect(dm, V):
    dw = np.zeros(V)
    for v in range(V):
        for b in range(dm.shape[1]):
            dw[v] += dm[b + v, b]
    return dw


# 2 * 8 = 16 multiplications are allowed by the copies, 2 * 64 = 128 are more than the core makes.
roofs = [min(40, 2 * 8), min(40, 2 * 64)]

# A number of Python takes the type of the array; the other three make float64 arrays.
stays = "c"

# BLAS: 90 + 30/3. Shared images: (90 + 30)/3.
milliseconds = [90 + 30 / 3, (90 + 30) / 3]

# Of a tile: 16*16*C to transform it, 16*C*K at its places, 4*16*K back; it has 4 outputs.
per_output = {"CK": 16 / 4, "C": 16 * 16 / 4, "K": 4 * 16 / 4}


# The rows are for the function itself and may be kept. The outputs are the caller's: a new array.
def forward(x, w, kept={}):  # noqa: B006 (made once: it is meant to stay)
    def room(name, *shape):
        key = name, shape, x.dtype
        if key not in kept:
            kept[key] = np.empty(shape, x.dtype)
        return kept[key]

    K, U, V, C = w.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, (U, V), (1, 2))
    windows = np.moveaxis(windows, 3, -1)
    rows, z = room("rows", *windows.shape), np.empty((*windows.shape[:3], K), x.dtype)
    rows[...] = windows
    np.matmul(rows.reshape(-1, U * V * C), w.reshape(K, -1).T, out=z.reshape(-1, K))
    return z


kept_found = {"mistake": "b", "mended": forward}
