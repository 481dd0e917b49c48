"""The book's formulas over the connection table, line by line: the specification.

Slow on purpose. Everything fast in the library must give what these loops give. Letters: `n`
sample, `c` channel, `k` filter; a row `(i, u, p)` of the table joins output `i`, weight `u` and
input `p` (flat indices). The lines say what happens to one row; NumPy runs over `n`, `k` and `c`.
A number in brackets is that of the equation in the book.
"""

import math
from collections.abc import Iterator

import numpy as np

from cnnlib.arrays import spatial
from cnnlib.geometry import Shape, Window


def conv(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window) -> np.ndarray:
    """z[n,i,k] = b[k] + sum over rows (i,u,p), c of w[k,u,c] * x[n,p,c] (1.15)."""
    P = spatial(x.shape)
    I = window.output_shape(P)
    x, w = flat(x), flat(w)
    z = np.zeros((len(x), math.prod(I), len(w)), x.dtype)
    for i, u, p in window.connections(P).tolist():
        z[:, i] += x[:, p] @ w[:, u].T  # z[n,i,k] += sum_c w[k,u,c] * x[n,p,c]
    if b is not None:
        z += b
    return z.reshape(len(x), *I, len(w))


def conv_delta(dz: np.ndarray, w: np.ndarray, input_shape: Shape, window: Window) -> np.ndarray:
    """dx[n,p,c] = sum over rows (i,u,p), k of w[k,u,c] * dz[n,i,k] (3.22)."""
    P = spatial(input_shape)
    dz, w = flat(dz), flat(w)
    dx = np.zeros((len(dz), math.prod(P), w.shape[-1]), dz.dtype)
    for i, u, p in window.connections(P).tolist():
        dx[:, p] += dz[:, i] @ w[:, u]  # dx[n,p,c] += sum_k w[k,u,c] * dz[n,i,k]
    return dx.reshape(input_shape)


def conv_weight_gradient(x: np.ndarray, dz: np.ndarray, window: Window) -> np.ndarray:
    """dw[k,u,c] = sum over rows (i,u,p), n of x[n,p,c] * dz[n,i,k] (4.4)."""
    P = spatial(x.shape)
    x, dz = flat(x), flat(dz)
    dw = np.zeros((dz.shape[-1], math.prod(window.kernel), x.shape[-1]), x.dtype)
    for i, u, p in window.connections(P).tolist():
        dw[:, u] += dz[:, i].T @ x[:, p]  # dw[k,u,c] += sum_n x[n,p,c] * dz[n,i,k]
    return dw.reshape(dz.shape[-1], *window.kernel, x.shape[-1])


def max_pool(x: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """a[n,i,c] = max over rows (i,u,p) of x[n,p,c], and the smallest p that gives it (1.27).

    A NaN counts as larger than every number, so that it is not lost.
    """
    P = spatial(x.shape)
    I = window.output_shape(P)
    x = flat(x)
    a = np.full((len(x), math.prod(I), x.shape[-1]), -np.inf, x.dtype)
    winners = np.full(a.shape, math.prod(P), np.intp)  # no cell yet: every tie is won against it
    for i, _, p in window.connections(P).tolist():
        new, old = x[:, p], a[:, i]
        larger = (new > old) | (np.isnan(new) & ~np.isnan(old))
        equal = (new == old) | (np.isnan(new) & np.isnan(old))
        wins = larger | (equal & (p < winners[:, i]))
        a[:, i] = np.where(wins, new, old)
        winners[:, i] = np.where(wins, p, winners[:, i])
    shape = (len(x), *I, x.shape[-1])
    return a.reshape(shape), winners.reshape(shape)


def max_pool_delta(da: np.ndarray, winners: np.ndarray, input_shape: Shape) -> np.ndarray:
    """dx[n,p,c] = sum of da[n,i,c] over the outputs i whose winner is p (3.13)."""
    dx = np.zeros((len(da), math.prod(spatial(input_shape)), da.shape[-1]), da.dtype)
    da, winners = flat(da), flat(winners)
    for n, i, c in np.ndindex(da.shape):
        dx[n, winners[n, i, c], c] += da[n, i, c]
    return dx.reshape(input_shape)


def avg_pool(x: np.ndarray, window: Window, count_padding: bool) -> np.ndarray:
    """a[n,i,c] = sum over rows (i,u,p) of x[n,p,c] / count[i] (1.29).

    `count[i]` is the number of rows of output `i`, or of all weights if padding counts.
    """
    P = spatial(x.shape)
    I = window.output_shape(P)
    x = flat(x)
    a = np.zeros((len(x), math.prod(I), x.shape[-1]), x.dtype)
    for i, share, p in _shares(P, window, count_padding):
        a[:, i] += share * x[:, p]
    return a.reshape(len(x), *I, x.shape[-1])


def avg_pool_delta(
    da: np.ndarray, input_shape: Shape, window: Window, count_padding: bool
) -> np.ndarray:
    """dx[n,p,c] = sum over rows (i,u,p) of da[n,i,c] / count[i] (3.14)."""
    P = spatial(input_shape)
    da = flat(da)
    dx = np.zeros((len(da), math.prod(P), da.shape[-1]), da.dtype)
    for i, share, p in _shares(P, window, count_padding):
        dx[:, p] += share * da[:, i]
    return dx.reshape(input_shape)


def _shares(P: Shape, window: Window, count_padding: bool) -> Iterator[tuple[int, float, int]]:
    """Rows `(i, 1/count[i], p)`: an average is a convolution whose weights are these shares."""
    table = window.connections(P)
    count = np.bincount(table["output"])
    if count_padding:
        count[:] = math.prod(window.kernel)
    for i, _, p in table.tolist():
        yield i, 1 / float(count[i]), p


def flat(x: np.ndarray) -> np.ndarray:
    """`(N, *P, C)` as `(N, cells, C)`: one flat index for all spatial axes, in C order."""
    return x.reshape(len(x), -1, x.shape[-1])
