"""Blocks of outputs: their tables by hand and by the index rule, the matrix, and the choice."""

import grid
import numpy as np
import pytest

import cnnlib
from cnnlib.geometry import Window
from cnnlib.sums import blocks

SIZES = [1, 2, 3, 5]


def cut_by_hand(P, U, size, *, whole=False, **geometry):
    *lead, last = Window(U, **geometry).axes(P)
    return *(blocks.in_blocks(axis, 1) for axis in lead), blocks.in_blocks(last, size, whole=whole)


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


@pytest.mark.parametrize("case", grid.CASES, ids=lambda case: case.name)
def test_matrix_and_weights_are_adjoint(case):
    """<m(w), dm> = <w, dw(dm)> for random numbers: each weight finds all of its places."""
    r = np.random.default_rng(3)
    w = r.normal(size=(case.K, *case.U, case.C))
    for size in SIZES:
        cuts = cut_by_hand(case.P, case.U, size, **case.geometry)
        m = blocks.matrix(w, cuts)
        dm = r.normal(size=m.shape)
        dw = blocks.weights(dm, cuts, case.C, case.K)
        assert abs(np.vdot(m, dm) - np.vdot(w, dw)) < 1e-11
        assert np.count_nonzero(m) == size * w.size


@pytest.fixture
def round_costs(monkeypatch):
    """Costs that show in the digits of a time: additions, copies, runs, and multiplications."""
    costs = {"MULTIPLY": 1, "COPY": 1e3, "RUN": 1e6, "ADD": 1e9, "FETCH": 0, "REST": 0}
    for name, cost in costs.items():
        monkeypatch.setattr(blocks, name, cost)


def test_a_time_by_hand(round_costs):
    # 3 channels, 5 filters. An image of 4x6 cells, kernels of 2x3: 3x4 outputs. The 4 of a row are
    # one block, which reads 2 runs of 6 cells and makes 4*5 numbers of 36.
    cuts = cut_by_hand((4, 6), (2, 3), 4)
    assert blocks.estimate(cuts, 3, 5) == 3 * (36 * 20 + 36e3 + 2e6)
    # In blocks of 3 a row has two, the second of them with two outputs too many: 3*5 numbers of
    # 2*5*3, which are copied to and fro.
    cuts = cut_by_hand((4, 6), (2, 3), 3)
    assert blocks.estimate(cuts, 3, 5) == 6 * (30 * 15 + 30e3 + 2e6 + 2 * 15e3)
    # Deltas of blocks of 4: two lines of a piece of 4 entries and one of the 2 that remain.
    cuts = cut_by_hand((4, 6), (2, 3), 4, whole=True)
    assert blocks.estimate(cuts, 3, 5, back=True) == 3 * 4 * (20 * 12 + 12e9)


def test_a_time_where_entries_are_apart(round_costs):
    # Stride 2, dilation 2: output 0 of 7 cells reads cells 0, 2 and 4, output 1 cells 2, 4 and 6.
    # Together they are one block of 4 entries, each a run of its own.
    cuts = cut_by_hand((7,), (3,), 2, stride=2, dilation=2)
    assert blocks.estimate(cuts, 3, 5) == 12 * 10 + 12e3 + 4e6


def test_a_product_takes_columns_by_eights_then_fours_twos_and_ones(monkeypatch):
    monkeypatch.setattr(blocks, "FETCH", 6)
    monkeypatch.setattr(blocks, "REST", 3)
    monkeypatch.setattr(blocks, "MULTIPLY", 1)
    assert [blocks.estimate_row(1, n) for n in (8, 16, 12, 9, 15)] == [14, 22, 21, 18, 15 + 6 + 9]


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
