"""Real mistakes that are not in the catalogue, written before the tool that must describe them.

Each is a reader's function `fn(x, w, b, dz, stride, padding)` that returns one wrong quantity.
Beside each stands what a description must say: words of the message, in lower case.
"""

import numpy as np


def sizes(x, w, s, p):
    (_, H, W, _), (_, kh, kw, _) = x.shape, w.shape
    return (H + 2 * p - kh) // s + 1, (W + 2 * p - kw) // s + 1


def pad(x, p, **how):
    return np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)), **how)


def windows(x, w, s, p, **how):
    """The window of each output: ((i, j), x[n, a, b, c] under it)."""
    padded = pad(x, p, **how)
    for i, j in np.ndindex(sizes(x, w, s, p)):
        yield (i, j), padded[:, i * s : i * s + w.shape[1], j * s : j * s + w.shape[2]]


def forward(x, w, b, s, p, **how):
    z = np.zeros((len(x), *sizes(x, w, s, p), len(w)))
    for (i, j), patch in windows(x, w, s, p, **how):
        z[:, i, j] = np.einsum("nabc,kabc->nk", patch, w) + b
    return z


def no_bias(x, w, b, dz, s, p):
    return {"z": forward(x, w, 0 * b, s, p)}


def bias_in_the_channel_loop(x, w, b, dz, s, p):
    z = np.zeros((len(x), *sizes(x, w, s, p), len(w)))
    for c in range(x.shape[-1]):
        z += forward(x[..., c : c + 1], w[..., c : c + 1], b, s, p)
    return {"z": z}


def edge_padding(x, w, b, dz, s, p):
    return {"z": forward(x, w, b, s, p, mode="edge")}


def whole_numbers(x, w, b, dz, s, p):
    z = np.zeros((len(x), *sizes(x, w, s, p), len(w)), dtype=int)
    z[...] = forward(x, w, b, s, p)
    return {"z": z.astype(float)}


def last_channel_only(x, w, b, dz, s, p):
    for c in range(x.shape[-1]):
        z = forward(x[..., c : c + 1], w[..., c : c + 1], b, s, p)
    return {"z": z}


def mean_over_channels(x, w, b, dz, s, p):
    return {"z": forward(x, w / x.shape[-1], b, s, p)}


def one_cell_late(x, w, b, dz, s, p):
    z = np.zeros((len(x), *sizes(x, w, s, p), len(w)))
    padded = np.pad(x, ((0, 0), (p, p + 1), (p, p + 1), (0, 0)))
    for i, j in np.ndindex(z.shape[1:3]):
        patch = padded[:, i * s + 1 :][:, : w.shape[1], j * s + 1 :][:, :, : w.shape[2]]
        z[:, i, j] = np.einsum("nabc,kabc->nk", patch, w) + b
    return {"z": z}


def delta(x, w, dz, s, p):
    dx = np.zeros((len(x), x.shape[1] + 2 * p, x.shape[2] + 2 * p, x.shape[3]))
    for i, j in np.ndindex(dz.shape[1:3]):
        dx[:, i * s : i * s + w.shape[1], j * s : j * s + w.shape[2]] += np.einsum(
            "nk,kabc->nabc", dz[:, i, j], w
        )
    return dx


def cut(dx, x, p):
    return dx[:, p : p + x.shape[1], p : p + x.shape[2]]


def last_filter_only(x, w, b, dz, s, p):
    for k in range(len(w)):
        dx = cut(delta(x, w[k : k + 1], dz[..., k : k + 1], s, p), x, p)
    return {"dx": dx}


def cut_at_the_wrong_end(x, w, b, dz, s, p):
    return {"dx": delta(x, w, dz, s, p)[:, : x.shape[1], : x.shape[2]]}


def the_same_for_all_samples(x, w, b, dz, s, p):
    total = np.repeat(dz.sum(axis=0, keepdims=True), len(x), axis=0)
    return {"dx": cut(delta(x, w, total, s, p), x, p)}


def kernel_transposed(x, w, b, dz, s, p):
    return {"dx": cut(delta(x, w.swapaxes(1, 2), dz, s, p), x, p)}


def sign(x, w, b, dz, s, p):
    return {"dx": -cut(delta(x, w, dz, s, p), x, p)}


def the_last_window_is_left_out(x, w, b, dz, s, p):
    short = dz.copy()
    short[:, -1], short[:, :, -1] = 0, 0
    return {"dx": cut(delta(x, w, short, s, p), x, p)}


def weight_gradient(x, w, dz, s, p):
    dw = np.zeros(w.shape)
    for (i, j), patch in windows(x, w, s, p):
        dw += np.einsum("nabc,nk->kabc", patch, dz[:, i, j])
    return dw


def deltas_of_another_sample(x, w, b, dz, s, p):
    return {"dw": weight_gradient(x, w, dz[::-1], s, p)}


def last_column_forgotten(x, w, b, dz, s, p):
    dw = weight_gradient(x, w, dz, s, p)
    dw[:, :, -1] = 0
    return {"dw": dw}


def half(x, w, b, dz, s, p):
    return {"dw": weight_gradient(x, w, dz, s, p) / 2}


def rows_of_the_kernel_upside_down(x, w, b, dz, s, p):
    return {"dw": weight_gradient(x, w, dz, s, p)[:, ::-1]}


def rows_only(x, w, b, dz, s, p):
    return {"db": dz.sum(axis=(0, 1))}


def mean_over_the_batch(x, w, b, dz, s, p):
    return {"db": dz.sum(axis=(0, 1, 2)) / dz.shape[-1]}


# function: (quantity, words that its description must contain)
STRANGERS = {
    no_bias: ("z", ("bias", "missing")),
    bias_in_the_channel_loop: ("z", ("bias", "c times")),
    edge_padding: ("z", ("padding",)),
    whole_numbers: ("z", ("whole numbers",)),
    last_channel_only: ("z", ("last channel",)),
    mean_over_channels: ("z", ("1/c", "bias")),
    one_cell_late: ("z", ("shifted", "1 cell")),
    last_filter_only: ("dx", ("last filter",)),
    cut_at_the_wrong_end: ("dx", ("shifted",)),
    the_same_for_all_samples: ("dx", ("sample",)),
    kernel_transposed: ("dx", ("rows and columns", "kernel")),
    sign: ("dx", ("-1",)),
    the_last_window_is_left_out: ("dx", ("last",)),
    deltas_of_another_sample: ("dw", ("another", "sample")),
    last_column_forgotten: ("dw", ("last column",)),
    half: ("dw", ("1/2",)),
    rows_of_the_kernel_upside_down: ("dw", ("rows", "reversed")),
    rows_only: ("db", ("shape",)),
    mean_over_the_batch: ("db", ("1/k",)),
}
