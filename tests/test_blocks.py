"""Blocks of outputs: their tables by hand and by the index rule, the matrix, and the choice."""

import grid
import numpy as np
import pytest

import cnnlib
from cnnlib import blocks
from cnnlib.geometry import Window

SIZES = [1, 2, 3, 5]


def axis_of(P, U, **geometry):
    return Window(U, **geometry).axes((P,))[0]


def test_a_block_by_hand():
    # Outputs 0 and 1 of a kernel of three read inputs 0 to 3; the next block starts two further on.
    one = blocks.in_blocks(axis_of(8, 3), 2)
    assert (one.count, one.hop, one.first, one.step, one.span) == (3, 2, 0, 1, 4)
    assert list(zip(one.b.tolist(), one.t.tolist(), one.u.tolist(), strict=True)) == [
        (0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 1, 0), (1, 2, 1), (1, 3, 2),
    ]  # fmt: skip
    assert (one.end, one.piece) == (8, 2)


def test_a_matrix_by_hand():
    m = blocks.matrix(np.array([[[5.0], [6], [7]]]), (blocks.in_blocks(axis_of(8, 3), 2),))
    assert m[:, 0, :, 0].tolist() == [[5, 0], [6, 5], [7, 6], [0, 7]]


def test_a_flipped_matrix_by_hand():
    axis = axis_of(8, 3, flip=True)
    m = blocks.matrix(np.array([[[5.0], [6], [7]]]), (blocks.in_blocks(axis, 2),))
    assert m[:, 0, :, 0].tolist() == [[7, 0], [6, 7], [5, 6], [0, 5]]


def test_weights_collect_their_places_by_hand():
    cuts = (blocks.in_blocks(axis_of(8, 3), 2),)
    dm = np.array([[1.0, 100], [2, 20], [3, 30], [100, 40]])  # 100: where no weight stands
    assert blocks.weights(dm, cuts, 1, 1).ravel().tolist() == [1 + 20, 2 + 30, 3 + 40]


def test_gaps_of_a_dilation_are_not_read():
    single = blocks.in_blocks(axis_of(9, 3, dilation=2), 1)
    assert (single.span, single.step, single.t.tolist()) == (3, 2, [0, 1, 2])
    pair = blocks.in_blocks(axis_of(9, 3, dilation=2), 2)  # its outputs fill each other's gaps
    assert (pair.span, pair.step) == (6, 1)
    even = blocks.in_blocks(axis_of(12, 3, dilation=2, stride=2), 2)
    assert (even.span, even.step, even.hop) == (4, 2, 4)


def test_a_stride_that_skips_a_dilation_leaves_no_pieces():
    # Blocks lie 5 apart and entries 2: blocks one after another are not evenly spaced.
    assert blocks.in_blocks(axis_of(20, 3, stride=5, dilation=2), 1).piece == 1
    x, w = np.arange(20.0).reshape(1, 20, 1), np.array([[[1.0], [10], [100]]])
    dz = np.array([1.0, 2, 3, 4]).reshape(1, 4, 1)
    geometry = {"stride": 5, "dilation": 2}
    dx = cnnlib.conv_delta(dz, w, x.shape, **geometry, method="gemm")
    np.testing.assert_array_equal(dx, cnnlib.conv_delta(dz, w, x.shape, **geometry, method="loops"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", grid.CASES, ids=lambda case: case.name)
def test_every_block_is_the_table_of_the_index_rule(case, size):
    for axis in Window(case.U, **case.geometry).axes(case.P):
        one = blocks.in_blocks(axis, size)
        rows = {
            (m * size + b, u, one.first + one.hop * m + one.step * t)
            for m in range(one.count)
            for b, t, u in zip(one.b.tolist(), one.t.tolist(), one.u.tolist(), strict=True)
        }
        for i in range(axis.outputs):
            assert {(u, p) for k, u, p in rows if k == i} == {
                (u, axis.input(i, u)) for u in range(axis.kernel)
            }
        assert one.end == 1 + max(p for _, _, p in rows)
        assert one.outputs(slice(0, one.count)) == slice(0, axis.outputs)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", grid.CASES, ids=lambda case: case.name)
def test_the_inputs_of_a_piece_are_partners(case, size):
    for axis in Window(case.U, **case.geometry).axes(case.P):
        one = blocks.in_blocks(axis, size)
        for length in {1, one.piece}:
            for some in (slice(0, one.count), slice(one.count // 2, one.count)):
                for t in range(0, one.span, length):
                    there, inputs = one.inputs(t, length, some)
                    cells = [
                        one.first + one.hop * m + one.step * (t + k)
                        for m in range(some.start, some.stop)
                        for k in range(length)
                    ]
                    found = list(range(axis.inputs))[inputs]
                    assert found == cells[there]
                    assert found == [p for p in cells if 0 <= p < axis.inputs]


@pytest.mark.parametrize("case", grid.CASES, ids=lambda case: case.name)
def test_matrix_and_weights_are_adjoint(case):
    """<m(w), dm> = <w, dw(dm)> for random numbers: each weight finds all of its places."""
    r = np.random.default_rng(3)
    w = r.normal(size=(case.K, *case.U, case.C))
    for size in SIZES:
        *lead, last = Window(case.U, **case.geometry).axes(case.P)
        cuts = (*(blocks.in_blocks(axis, 1) for axis in lead), blocks.in_blocks(last, size))
        m = blocks.matrix(w, cuts)
        dm = r.normal(size=m.shape)
        dw = blocks.weights(dm, cuts, case.C, case.K)
        assert abs(np.vdot(m, dm) - np.vdot(w, dw)) < 1e-11
        assert np.count_nonzero(m) == size * w.size


def test_the_choice_follows_channels_filters_and_kernel():
    def size(P, U, C, K, **options):
        return blocks.cut(Window(U, padding="same").axes(P), C, K, **options)[-1].size

    assert size((32, 32), (3, 3), 32, 64) == 1  # many filters: no multiplication is free
    assert size((28, 28), (5, 5), 1, 8) >= 4  # few of both: copies are dear
    assert size((28, 28), (9, 9), 1, 8) >= size((28, 28), (5, 5), 1, 8)  # longer rows overlap more
    assert size((28, 28), (1, 1), 64, 64) == 1  # nothing overlaps
    for back in (False, True):
        assert size((28, 28), (5, 5), 1, 8, back=back) > 1
        assert size((28, 28), (5, 5), 1, 8, back=back, single=True) == 1
