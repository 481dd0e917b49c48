"""Convolution and pooling by counting, one number at a time: what every result must be.

Written from the picture of a window that is laid on an axis and moved along it, with scalar loops
only. Nothing of the library is imported, and no formula says how many outputs there are: windows
are laid until one no longer fits. A position is a tuple with one entry per axis. `axes` holds, for
each axis, the list `cells[i][u]`: the cell that output `i` meets through weight `u`; it may lie
outside the input.
"""

from itertools import product
from math import isnan

import numpy as np


def lay(P, U, stride=1, dilation=1, padding=None, center=None, flip=False):
    """Lay a window of shape `U` on an input of shape `P`: one list `cells[i][u]` per axis."""
    numbers = zip(
        *(each(value, len(P)) for value in (stride, dilation, padding, center)), strict=True
    )
    return [axis(P[a], U[a], *four, flip) for a, four in enumerate(numbers)]


def each(value, axes):
    """One value for each axis."""
    return value if isinstance(value, tuple) else (value,) * axes


def axis(P, U, s, d, padding, center, flip):
    """One axis of `lay`: `padding` is None, a word, a number or a pair `(before, after)`."""
    places = [U - 1 - u if flip else u for u in range(U)]  # of weight u, counted from the first
    cells = []
    if center is None:
        before, after = zeros(P, d * (U - 1) + 1, s, padding)
        start = -before
        while start + d * (U - 1) < P + after:  # while the last cell lies on the padded input
            cells.append([start + d * place for place in places])
            start += s
    else:
        for i in range(P):  # the centre stands on cell s*i; never more outputs than inputs
            start = s * i - d * places[center]
            if start >= P:  # the whole window has left the input
                break
            cells.append([start + d * place for place in places])
    return cells


def zeros(P, span, s, padding):
    """Cells of padding before and after an axis, for windows of `span` cells."""
    if padding == "same":  # TensorFlow: one output for every s-th cell, each with a whole window
        last = list(range(0, P, s))[-1]  # start of the last window, counted from the first
        total = 0
        while last + span > P + total:
            total += 1
        return total // 2, total - total // 2
    if padding == "full":  # every window that meets a cell
        return span - 1, span - 1
    if padding is None or padding == "valid":
        return 0, 0
    return padding if isinstance(padding, tuple) else (padding, padding)


def outputs(axes):
    """Shape of the output."""
    return tuple(len(cells) for cells in axes)


def positions(shape):
    """All positions in C order."""
    return product(*(range(n) for n in shape))


def flat(position, shape):
    """The flat index of a position, in C order."""
    index = 0
    for k, n in zip(position, shape, strict=True):
        index = index * n + k
    return index


def rows(axes, P):
    """The connection table: all `(i, u, p)` in which `p` lies on the input."""
    for i in positions(outputs(axes)):
        for u in positions(len(cells[0]) for cells in axes):
            p = tuple(cells[k][v] for cells, k, v in zip(axes, i, u, strict=True))
            if all(0 <= q < Q for q, Q in zip(p, P, strict=True)):
                yield i, u, p


def conv(x, w, b, axes):
    """The outputs `z` of a convolution."""
    N, *P, C = x.shape
    K = len(w)
    z = np.zeros((N, *outputs(axes), K))
    for n, k in product(range(N), range(K)):
        for i in positions(outputs(axes)):
            z[n, *i, k] = 0 if b is None else b[k]
        for i, u, p in rows(axes, P):
            for c in range(C):
                z[n, *i, k] += w[k, *u, c] * x[n, *p, c]
    return z


def conv_delta(dz, w, P, axes):
    """The deltas `dx` of its input."""
    N, (K, *_, C) = len(dz), w.shape
    dx = np.zeros((N, *P, C))
    for n, k in product(range(N), range(K)):
        for i, u, p in rows(axes, P):
            for c in range(C):
                dx[n, *p, c] += w[k, *u, c] * dz[n, *i, k]
    return dx


def conv_weight_gradient(x, dz, U, axes):
    """The derivatives `dw` by its weights."""
    N, *P, C = x.shape
    K = dz.shape[-1]
    dw = np.zeros((K, *U, C))
    for n, k in product(range(N), range(K)):
        for i, u, p in rows(axes, P):
            for c in range(C):
                dw[k, *u, c] += x[n, *p, c] * dz[n, *i, k]
    return dw


def conv_bias_gradient(dz):
    """The derivatives `db` by its biases."""
    N, *I, K = dz.shape
    db = np.zeros(K)
    for n, k in product(range(N), range(K)):
        for i in positions(I):
            db[k] += dz[n, *i, k]
    return db


def met(axes, P):
    """For each output the positions it meets, in C order."""
    found = {i: [] for i in positions(outputs(axes))}
    for i, _, p in rows(axes, P):
        found[i].append(p)
    return {i: sorted(cells) for i, cells in found.items()}


def max_pool(x, axes):
    """The largest input of each window, and its flat index; the first of equal ones wins."""
    N, *P, C = x.shape
    a = np.zeros((N, *outputs(axes), C))
    winners = np.zeros(a.shape, int)
    for i, cells in met(axes, P).items():
        for n, c in product(range(N), range(C)):
            winner, *others = cells
            for p in others:
                new, best = x[n, *p, c], x[n, *winner, c]
                if new > best or (isnan(new) and not isnan(best)):
                    winner = p
            a[n, *i, c] = x[n, *winner, c]
            winners[n, *i, c] = flat(winner, P)
    return a, winners


def max_pool_delta(da, winners, P):
    """Every delta goes to its winner; deltas with the same winner add up."""
    N, *I, C = da.shape
    dx = np.zeros((N, *P, C))
    place = {flat(p, P): p for p in positions(P)}
    for n, c in product(range(N), range(C)):
        for i in positions(I):
            dx[n, *place[winners[n, *i, c]], c] += da[n, *i, c]
    return dx


def avg_pool(x, axes, count_padding):
    """The mean of each window."""
    N, *P, C = x.shape
    a = np.zeros((N, *outputs(axes), C))
    for i, cells in met(axes, P).items():
        for n, c in product(range(N), range(C)):
            for p in cells:
                a[n, *i, c] += x[n, *p, c]
            a[n, *i, c] /= window_size(axes) if count_padding else len(cells)
    return a


def avg_pool_delta(da, P, axes, count_padding):
    """Every delta goes in equal shares to the inputs of its window."""
    N, *_, C = da.shape
    dx = np.zeros((N, *P, C))
    for i, cells in met(axes, P).items():
        share = 1 / (window_size(axes) if count_padding else len(cells))
        for n, c in product(range(N), range(C)):
            for p in cells:
                dx[n, *p, c] += share * da[n, *i, c]
    return dx


def window_size(axes):
    """Number of cells of a window."""
    return sum(1 for _ in positions(len(cells[0]) for cells in axes))
