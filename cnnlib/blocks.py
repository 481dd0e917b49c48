"""Outputs in blocks: which inputs a block meets, and which size of block takes the least time.

Windows of neighbouring outputs overlap. A block is a few outputs, neighbours along the last axis,
that read their inputs together, each of them once. All blocks are alike, since the index rule knows
only differences: output `b` of any block meets its entry `t` through the same weight. So the
connection table of one block says where the weights of a layer stand in the matrix `m` that turns
the entries of a block into its outputs (chapter 8).
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .geometry import Axis, Shape

# Nanoseconds of a multiplication in a matrix product, of a number copied or added, and of the start
# of a run of them. A product also has to fetch its rows, for as long as FETCH more columns take.
# `cut` needs only their ratios, and those only roughly.
MULTIPLY, COPY, RUN, FETCH = 0.026, 0.3, 8.0, 6
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

    def inputs(self, t: int, length: int, blocks: slice) -> tuple[slice, slice]:
        """Where the entries `t..t+length-1` of these blocks lie, `length` being 1 or `piece`.

        One block after another, they are evenly spaced. Returns which of them exist, and their
        inputs: partners, as slices of equal length.
        """
        start = self.first + self.hop * blocks.start + self.step * t
        step = self.hop if length == 1 else self.step
        low = max(0, -(start // step))
        high = min(
            length * (blocks.stop - blocks.start), (self.axis.inputs - 1 - start) // step + 1
        )
        if high <= low:
            return slice(0, 0), slice(0, 0)
        return slice(low, high), slice(start + step * low, start + step * (high - 1) + 1, step)


def in_blocks(axis: Axis, size: int) -> Blocks:
    """Cut the outputs of an axis into blocks of this size."""
    b, u = np.indices((size, axis.kernel)).reshape(2, -1)
    p = axis.input(b, u)
    hop = axis.input(size, 0) - axis.input(0, 0)
    first = int(p.min())
    step = max(1, int(np.gcd.reduce(p - first)))  # a dilation leaves gaps that no output reads
    t = (p - first) // step
    return Blocks(axis, size, hop, first, step, int(t.max()) + 1, b, t, u)


@lru_cache(1024)
def cut(
    axes: tuple[Axis, ...], C: int, K: int, *, back: bool = False, single: bool = False
) -> tuple[Blocks, ...]:
    """Single outputs along all axes but the last, and there blocks of the size that takes least.

    `C` channels and `K` filters; `back` says that the deltas are wanted, `single` that only single
    outputs will do.
    """
    lead = tuple(in_blocks(axis, 1) for axis in axes[:-1])
    lines = math.prod(one.span for one in lead)  # a block reads so many lines of `span` entries

    def time(one: Blocks) -> float:
        columns = one.size * K
        if back:  # a product and an addition for each piece, see `gemm.conv_delta`
            pieces = lines * -(-one.span // one.piece)
            width = one.piece * C
            work = pieces * (MULTIPLY * columns * (FETCH + width) + COPY * width)
        else:
            starts = lines * (1 if one.step == 1 else one.span)
            width = lines * one.span * C
            work = MULTIPLY * width * (FETCH + columns) + COPY * width + RUN * starts
        if one.axis.outputs % one.size:
            work += 2 * COPY * columns  # to and from whole blocks
        return one.count * work

    sizes = (1,) if single else SIZES
    return *lead, min((in_blocks(axes[-1], size) for size in sizes), key=time)


def matrix(w: np.ndarray, cuts: tuple[Blocks, ...]) -> np.ndarray:
    """m[*t, c, *b, k] = w[k, *u, c] where output `b` meets entry `t` through weight `u`, else 0."""
    shape, places, weights_there = _table(cuts, w.shape[-1], len(w))
    m = np.zeros(shape, w.dtype)
    m[places] = w.transpose(*range(1, w.ndim), 0)[weights_there]
    return m


def weights(dm: np.ndarray, cuts: tuple[Blocks, ...], C: int, K: int) -> np.ndarray:
    """dw[k, *u, c] = sum of `dm` over the places where `matrix` puts w[k, *u, c]."""
    shape, places, _ = _table(cuts, C, K)
    terms = dm.reshape(shape)[places]
    each = [n for one in cuts for n in (one.size, one.axis.kernel)]  # rows are sorted by b, then u
    dw = terms.reshape(*each, C, K).sum(axis=tuple(range(0, len(each), 2)))
    return np.ascontiguousarray(np.moveaxis(dw, -1, 0))


@lru_cache(256)
def _table(cuts: tuple[Blocks, ...], C: int, K: int) -> tuple[Shape, tuple, tuple]:
    """The shape of `m`, and the index of its places that hold weights, and that of these weights.

    Both indices run over the rows of the tables, one axis for each, and over channels and filters.
    """
    shape = (*(one.span for one in cuts), C, *(one.size for one in cuts), K)
    t, b, u = (np.ix_(*rows) for rows in zip(*((one.t, one.b, one.u) for one in cuts), strict=True))
    return shape, (*t, slice(None), *b), u
