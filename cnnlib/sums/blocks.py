"""Outputs in blocks: which inputs a block meets, and which size of block takes the least time.

Windows of neighbouring outputs overlap. A block is a few outputs, neighbours along the last axis,
that read their inputs together, each of them once. All blocks are alike, since the index rule knows
only differences: output `b` of any block meets its entry `t` through the same weight. So the
connection table of one block says where the weights of a layer stand in the matrix `m` that turns
the entries of a block into its outputs (chapter 8).
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from cnnlib.geometry import Axis

# Nanoseconds of a multiplication in a matrix product, of a number copied or added, and of the start
# of a run of copies; `cut` needs only their ratios, and those only roughly. To fetch its rows takes
# a product as long as FETCH more columns. It goes 8 columns at a time, then 4, 2 and 1, and each of
# these last takes as long as REST more.
MULTIPLY, COPY, ADD, RUN, FETCH, REST = 0.026, 0.3, 0.5, 8.0, 6, 3
SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


@dataclass(frozen=True, eq=False)  # known by identity, so that what follows from it can be kept
class Blocks:
    """One axis of a convolution with its outputs in blocks of `size`.

    Block `m` reads the inputs `first + hop*m + step*t`, its entries `t = 0..span-1`; some of them
    may not exist. Its output `b` meets entry `t` through weight `u`, for each row of `b`, `t`, `u`.
    The rows are complete and sorted by `b`, then `u`.
    """

    axis: Axis
    size: int
    hop: int
    first: int
    step: int
    span: int
    b: np.ndarray
    t: np.ndarray
    u: np.ndarray

    @property
    def count(self) -> int:
        """Number of blocks. The last one may go beyond the last output."""
        return -(-self.axis.outputs // self.size)

    @property
    def end(self) -> int:
        """One more than the last input that a block reads."""
        return self.first + self.hop * (self.count - 1) + self.step * (self.span - 1) + 1

    @property
    def piece(self) -> int:
        """Entries of a block before the first of the next one, if they leave no gap; else 1."""
        return self.hop // self.step if self.hop % self.step == 0 else 1

    def outputs(self, blocks: slice) -> slice:
        """The outputs of these blocks."""
        return slice(blocks.start * self.size, min(blocks.stop * self.size, self.axis.outputs))


def in_blocks(axis: Axis, size: int, *, whole: bool = False) -> Blocks:
    """Cut the outputs of an axis into blocks of this size; `whole` adds entries to the last piece.

    No output meets these additional entries.
    """
    b, u = np.indices((size, axis.kernel)).reshape(2, -1)
    p = axis.input(b, u)
    hop = axis.input(size, 0) - axis.input(0, 0)
    first = int(p.min())
    step = max(1, int(np.gcd.reduce(p - first)))  # a dilation leaves gaps that no output reads
    t = (p - first) // step
    one = Blocks(axis, size, hop, first, step, int(t.max()) + 1, b, t, u)
    return replace(one, span=one.span + -one.span % one.piece) if whole else one


@lru_cache(1024)
def cut(
    axes: tuple[Axis, ...], C: int, K: int, *, back: bool = False, single: bool = False
) -> tuple[Blocks, ...]:
    """Single outputs along all axes but the last, and there blocks of the size that takes least.

    `C` channels and `K` filters; `back` says that deltas are scattered, `single` that only single
    outputs will do.
    """
    lead = tuple(in_blocks(axis, 1) for axis in axes[:-1])
    sizes = (1,) if single else SIZES
    found = ((*lead, in_blocks(axes[-1], size, whole=back)) for size in sizes)
    return min(found, key=lambda cuts: estimate(cuts, C, K, back))


def estimate(cuts: tuple[Blocks, ...], C: int, K: int, back: bool = False) -> float:
    """Nanoseconds that an image should take, roughly."""
    last = cuts[-1]
    lines = math.prod(one.span for one in cuts[:-1])  # a block reads so many, `span` entries each
    block, columns = lines * last.span * C, last.size * K
    if back:  # a product and an addition for each piece, see `gemm.scatter`
        pieces, width = lines * last.span // last.piece, last.piece * C
        work = pieces * (estimate_row(columns, width) + ADD * width)
    else:
        work = estimate_row(block, columns) + COPY * block
        work += RUN * lines * (1 if last.step == 1 else last.span)
    if last.axis.outputs % last.size:
        work += 2 * COPY * columns  # to and from whole blocks
    return work * math.prod(one.count for one in cuts)


def estimate_row(inner: int, columns: int) -> float:
    """Nanoseconds that a row of a matrix product should take, roughly.

    Columns that are left over after the eights are taken 4, 2 and 1 at a time: as many groups as
    the rest has ones in binary, 7 = 4 + 2 + 1.
    """
    groups = (columns % 8).bit_count()
    return MULTIPLY * inner * (FETCH + columns + REST * groups)


def matrix(w: np.ndarray, cuts: tuple[Blocks, ...]) -> np.ndarray:
    """m[*t, c, *b, k] = w[k, *u, c] where output `b` meets entry `t` through weight `u`, else 0."""
    if _single(cuts):
        return np.moveaxis(by_entry(w, cuts), 0, -1)
    weights_and_0 = np.concatenate([w.ravel(), np.zeros(1, w.dtype)])
    return weights_and_0.take(_places_in_w(cuts, w.shape[-1], len(w)))


def weights(dm: np.ndarray, cuts: tuple[Blocks, ...], C: int, K: int) -> np.ndarray:
    """dw[k, *u, c] = sum of `dm` over the places where `matrix` puts w[k, *u, c]."""
    U = [one.axis.kernel for one in cuts]
    if _single(cuts):
        return np.ascontiguousarray(by_entry(dm.reshape(-1, K).T.reshape(K, *U, C), cuts))
    dw_and_rest = np.zeros(K * math.prod(U) * C + 1, dm.dtype)
    np.add.at(dw_and_rest, _places_in_w(cuts, C, K).ravel(), dm.ravel())
    return dw_and_rest[:-1].reshape(K, *U, C)


def _single(cuts: tuple[Blocks, ...]) -> bool:
    """Whether there is one weight for each entry: blocks of one output."""
    return all(one.span == one.axis.kernel for one in cuts)


def by_entry(w: np.ndarray, cuts: tuple[Blocks, ...]) -> np.ndarray:
    """The weights of single outputs in the order of the entries, and the other way about.

    A single output meets its entries in the order of its weights, or, on an axis that is flipped,
    in the opposite one: then weight 0 does not meet entry 0. To turn twice changes nothing.
    """
    return w[:, *(slice(None, None, 1 if one.t[0] == 0 else -1) for one in cuts)]


@lru_cache(256)
def _places_in_w(cuts: tuple[Blocks, ...], C: int, K: int) -> np.ndarray:
    """For each place of `m` the flat place in `w` of its weight; one after the last for none.

    For U = 2 weights, one channel and filter, and a block of two outputs at stride 1, `m` has three
    entries: [[0, 2], [1, 0], [2, 1]], where 2 stands for no weight.
    """
    t, b, u = (np.ix_(*rows) for rows in zip(*((one.t, one.b, one.u) for one in cuts), strict=True))
    U = [one.axis.kernel for one in cuts]
    w = np.arange(K * math.prod(U) * C, dtype=np.int32)
    shape = (*(one.span for one in cuts), C, *(one.size for one in cuts), K)
    places = np.full(shape, len(w), np.int32)
    met: tuple = (*t, slice(None), *b)
    places[met] = np.moveaxis(w.reshape(K, *U, C), 0, -1)[u]
    return places
