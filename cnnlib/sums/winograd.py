"""Convolutions of three weights with fewer multiplications: minimal filtering (chapter 8).

Four neighbouring outputs of three weights take twelve multiplications by the definition. Winograd's
algorithm takes six, as many as these outputs meet inputs. Cut the outputs of an axis into tiles of
four. With the matrices of `minimal`

    outputs = A @ ((B @ inputs) * (G @ weights))

For two axes these are Kronecker products: 36 multiplications in place of 144. Tiles and filters
share what is transformed, and the channels are summed before the last matrix. So each of the 36
places of a tile has a matrix product of its own, and all three steps are products for BLAS:

    V[p, (tile, c)] = sum_t B[p, t] * tiles[t, (tile, c)]
    M[p, tile, k]   = sum_c V[p, tile, c] * U[p, c, k],       U = G @ weights
    Y[i, (tile, k)] = sum_p A[i, p] * M[p, (tile, k)]

The deltas are such a convolution, too, with channels and filters in each other's place. A weight
gradient is none: it has as many weights as there are outputs, and `careful` computes it.

Rounding: the matrices add and subtract numbers of unlike size. In float32 the largest error of
random sums is 1e-6 to 3e-6 of the largest result, two to four times that of `gemm`; in float64 it
stays below 1e-13 of it. The error is the same everywhere in a tile, and what is not finite spreads
over its tile. (`mended` looks at the numbers first.)
"""

import math
from functools import lru_cache, reduce
from typing import NamedTuple

import numpy as np
from numpy.polynomial import polynomial

from cnnlib.arrays import spatial
from cnnlib.geometry import Shape, Window

from . import careful
from .blocks import by_entry, in_blocks
from .gemm import SLAB, Axes, Cuts, pieces
from .workers import scratch, share

TILE = 4  # outputs of a tile along an axis of three weights
LEAST = 128  # tiles of a slab, if there are so many: rows of its products
# Where polynomials are evaluated, beside infinity. With 0, 1, -1, 2, -2, as mostly printed,
# rounding is four times as large.
POINTS = (0.0, 2 / 3, -2 / 3, 3 / 2, -3 / 2)


class Matrices(NamedTuple):
    """Of minimal filtering: outputs = A @ ((B @ inputs) * (G @ weights))."""

    A: np.ndarray
    G: np.ndarray
    B: np.ndarray


def fits(axes: Axes) -> bool:
    """Whether windows move cell by cell, with 3 weights along one axis or two, 1 along others."""
    weights = [axis.kernel for axis in axes]
    single = all(axis.stride == axis.dilation == 1 for axis in axes)
    return single and {*weights} <= {1, 3} and weights.count(3) in (1, 2)


@np.errstate(invalid="ignore")  # what is not finite spreads: results show it
def conv(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window) -> np.ndarray:
    """The forward pass; the definition is `loops.conv`."""
    axes = window.axes(spatial(x.shape))
    z = np.empty((len(x), *(axis.outputs for axis in axes), len(w)), x.dtype)
    share(len(x), lambda images: filter_tiles(x[images], w, b, axes, z[images]))
    return z


@np.errstate(invalid="ignore")  # what is not finite spreads: results show it
def conv_delta(dz: np.ndarray, w: np.ndarray, input_shape: Shape, window: Window) -> np.ndarray:
    """The deltas; the definition is `loops.conv_delta`."""
    axes, w = transposed(window.axes(spatial(input_shape))), w.swapaxes(0, -1)
    dx = np.empty(input_shape, dz.dtype)
    share(len(dz), lambda images: filter_tiles(dz[images], w, None, axes, dx[images]))
    return dx


@np.errstate(invalid="ignore")  # what is not finite spreads: results show it
def conv_weight_gradient(x: np.ndarray, dz: np.ndarray, window: Window) -> np.ndarray:
    """The weight gradient, by `careful`; the definition is `loops.conv_weight_gradient`."""
    return careful.conv_weight_gradient(x, dz, window)


def transposed(axes: Axes) -> Axes:
    """The index rule from inputs to the outputs that they went into, through all weights."""
    return tuple(back[0] for axis in axes if (back := axis.transposed(0)))


def filter_tiles(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None, axes: Axes, z: np.ndarray
) -> None:
    """z = A @ ((B @ tiles) * (G @ w)) + b."""
    dtype = np.result_type(x, np.float32)  # BLAS knows no half precision
    x, w, cuts = np.ascontiguousarray(x, dtype), w.astype(dtype, copy=False), tiles(axes)
    A, G, B = matrices(axes, dtype)
    (i, t), K, C = A.shape, len(w), w.shape[-1]
    U = (G @ np.moveaxis(by_entry(w, cuts), 0, -1).reshape(-1, C * K)).reshape(t, C, K)
    for places, read in pieces(x, cuts, max(LEAST, SLAB // (t * max(C, K) * x.itemsize))):
        some = read.shape[: 1 + len(cuts)]  # images, and tiles along each axis
        count = math.prod(some)
        T = scratch("tiles", (t, count, C), dtype)
        T.reshape(*read.shape[len(some) : -1], *some, C)[...] = entries_first(read)
        V = np.matmul(B, T.reshape(t, -1), out=scratch("transformed", (t, count * C), dtype))
        M = scratch("tiles", (t, count, K), dtype)  # T has done its work
        np.matmul(V.reshape(t, count, C), U, out=M)
        Y = np.matmul(A, M.reshape(t, -1), out=scratch("transformed", (i, count * K), dtype))
        lay_down(Y.reshape(*(one.size for one in cuts), *some, K), b, z[places])


def entries_first(read: np.ndarray) -> np.ndarray:
    """[n, *tile, *t, c] as [*t, n, *tile, c]."""
    n = read.ndim // 2
    return np.moveaxis(read, range(n, read.ndim - 1), range(n - 1))


def lay_down(Y: np.ndarray, b: np.ndarray | None, z: np.ndarray) -> None:
    """Bring outputs [*i, n, *tile, k] to their places in `z`, and add b."""
    axes = z.ndim - 2
    sizes, (N, *counts, K) = Y.shape[:axes], Y.shape[axes:]
    whole = (N, *(m * count for m, count in zip(sizes, counts, strict=True)), K)
    room = z if whole == z.shape else scratch("outputs", whole, Y.dtype)
    pairs = [n for pair in zip(counts, sizes, strict=True) for n in pair]
    in_pairs = [n for axis in range(axes) for n in (axes + 1 + axis, axis)]
    cells = Y.transpose(axes, *in_pairs, -1)
    np.add(cells, 0 if b is None else b, out=room.reshape(N, *pairs, K), casting="same_kind")
    if room is not z:  # the last tiles may go beyond the last outputs
        z[...] = room[tuple(map(slice, z.shape))]


@lru_cache(1024)
def tiles(axes: Axes) -> Cuts:
    """The outputs of each axis in tiles."""
    return tuple(in_blocks(axis, TILE if axis.kernel == 3 else 1) for axis in axes)


@lru_cache(256)
def matrices(axes: Axes, dtype: np.dtype) -> Matrices:
    """For all axes together: each is transformed by itself, so these are Kronecker products."""
    each = [minimal(one.size, one.axis.kernel) for one in tiles(axes)]
    return Matrices(*(reduce(np.kron, some).astype(dtype) for some in zip(*each, strict=True)))


def minimal(outputs: int, weights: int, points: tuple[float, ...] = POINTS) -> Matrices:
    """`A`, `G` and `B` for outputs y[i] = sum_v g[v] * d[i+v], from points of interpolation.

    Two polynomials with the coefficients `g` and `y` have a product of `t = outputs + weights - 1`
    coefficients. Evaluate both at `t` points, multiply there, and interpolate:

        sum_(i+v=n) g[v] * y[i] = sum_p B[p,n] * (G @ g)[p] * (A.T @ y)[p]

    Row `p` of `B` is the polynomial that is 0 at all other points. What it is at its own one would
    divide it; that divides the row of `G` instead. The point infinity reads the last coefficient.
    Multiply by numbers `d[n]` and sum over `n`. Whatever `y` is, both sides are equal; so what
    stands before each y[i] is equal: on the left an output, on the right what computes it.
    """
    t = outputs + weights - 1
    a, powers = np.array(points[: t - 1]), np.arange(t)
    A, G, B = np.zeros((outputs, t)), np.zeros((t, weights)), np.zeros((t, t))
    A[:, :-1], G[:-1] = a ** powers[:outputs, None], a[:, None] ** powers[:weights]
    A[-1, -1] = G[-1, -1] = 1  # infinity
    B[-1] = polynomial.polyfromroots(a)
    for p in range(t - 1):
        B[p, :-1] = polynomial.polyfromroots(np.delete(a, p))
        G[p] /= polynomial.polyval(a[p], B[p])
    return Matrices(A, G, B)
