"""Matrix products over blocks: equal to brute force, however the work is cut."""

import tracemalloc
from itertools import chain
from math import prod

import brute
import grid
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.geometry import Window
from cnnlib.sums import blocks, gemm, loops

# (SLAB, LEAST, SIZES): bytes and rows of a slab, and the sizes that a block may have. A size that
# is alone is taken whether it pays or not.
TINY = "one row at a time"
CUTS = {
    "as it is": (gemm.SLAB, gemm.LEAST, blocks.SIZES),
    TINY: (1, 1, (1,)),
    "pairs, small slabs": (2000, 3, (2,)),
    "threes, small slabs": (2000, 4, (3,)),
    "blocks larger than the axis": (3000, 2, (64,)),
}


def cut(monkeypatch, slab, least, sizes):
    monkeypatch.setattr(gemm, "SLAB", slab)
    monkeypatch.setattr(gemm, "LEAST", least)
    monkeypatch.setattr(blocks, "SIZES", sizes)
    blocks.cut.cache_clear()


@pytest.fixture(autouse=True)
def _forget_cuts():
    blocks.cut.cache_clear()
    yield
    blocks.cut.cache_clear()


def close(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


CASES_AND_CUTS = [
    pytest.param(case, how, id=f"{case.name}-{how}")
    for case in grid.CASES
    for how in CUTS
    if not (case.large and how == TINY)  # thousands of products of one row
]


@pytest.mark.parametrize("case, how", CASES_AND_CUTS)
def test_every_cut_against_brute_force(monkeypatch, case, how):
    cut(monkeypatch, *CUTS[how])
    x, w, b, dz = case.arrays()
    z, dx, dw, _ = grid.truth(case)
    window = Window(case.U, **case.geometry)
    close(gemm.conv(x, w, b, window), z)
    close(gemm.conv(x, w, None, window), z - b)
    close(gemm.conv_delta(dz, w, x.shape, window), dx)
    close(gemm.conv_weight_gradient(x, dz, window), dw)


@pytest.mark.parametrize("how", [gemm.gather, gemm.scatter])
@pytest.mark.parametrize("case, cuts", CASES_AND_CUTS)
def test_both_ways_of_the_deltas_against_brute_force(monkeypatch, case, cuts, how):
    cut(monkeypatch, *CUTS[cuts])
    _, w, _, dz = case.arrays()
    dx = np.full(case.x_shape, np.nan)
    how(dz, w, Window(case.U, **case.geometry).axes(case.P), dx)
    close(dx, grid.truth(case)[1])


def test_deltas_go_the_way_that_suits_their_shape(monkeypatch):
    taken = []
    for name in ("gather", "scatter"):
        monkeypatch.setattr(gemm, name, lambda *_, name=name: taken.append(name))
    for channels, padding, single in [(8, 0, False), (8, 1, False), (16, 0, False), (8, 0, True)]:
        dz, w = np.ones((1, 6 + 2 * padding, 4)), np.ones((4, 3, channels))
        gemm.conv_delta(dz, w, (1, 8, channels), Window(3, padding=padding), single=single)
    # Few outputs and channels; as many outputs as inputs; many channels; a number not finite.
    assert taken == ["scatter", "gather", "gather", "gather"]


@grid.examples(200)
@given(grid.drawn(), st.sampled_from([1, 300, 2000, 1 << 20]), st.sampled_from([1, 2, 3, 4, 6, 64]))
def test_any_geometry_and_cut_against_loops(case, slab, size):
    x, w, b, dz = case.arrays()
    window = Window(case.U, **case.geometry)
    with pytest.MonkeyPatch.context() as monkeypatch:
        cut(monkeypatch, slab, 2, (size,))
        z = gemm.conv(x, w, b, window)
        dx = gemm.conv_delta(dz, w, x.shape, window)
        dw = gemm.conv_weight_gradient(x, dz, window)
    close(z, loops.conv(x, w, b, window))
    close(dx, loops.conv_delta(dz, w, x.shape, window))
    close(dw, loops.conv_weight_gradient(x, dz, window))


@grid.examples(100)
@given(grid.drawn())
def test_adjoint_identity_of_any_geometry(case):
    """<dz, conv(x)> = <dx, x> = <dw, w>: three readings of one table."""
    x, w, _, dz = case.arrays()
    window = Window(case.U, **case.geometry)
    forward = np.vdot(dz, gemm.conv(x, w, None, window))
    size = np.abs(dz).sum() * np.abs(w).sum() + 1
    assert abs(forward - np.vdot(gemm.conv_delta(dz, w, x.shape, window), x)) < 1e-13 * size
    assert abs(forward - np.vdot(gemm.conv_weight_gradient(x, dz, window), w)) < 1e-13 * size


# The parts


def test_rows_by_hand(monkeypatch):
    # Two images of 4 cells, a kernel of 3 with a cell of padding before: outputs 0, 1 and 2 in
    # blocks of two. The second block has an output too many; what it reads there is a zero.
    cut(monkeypatch, 1 << 20, 4, (2,))
    x = np.array([[1.0, 2, 3, 4], [10, 20, 30, 40]])[..., None]
    cuts = blocks.cut(Window(3, padding=((1, 0),)).axes((4,)), 1, 1)
    ((cells, rows),) = gemm.slabs(x, cuts)
    assert cells == (slice(0, 2), slice(0, 3))
    assert rows.tolist() == [[0, 1, 2, 3], [2, 3, 4, 0], [0, 10, 20, 30], [20, 30, 40, 0]]


def test_deltas_by_block_by_hand():
    dz = np.array([[1.0, 2, 3], [4, 5, 6]])[..., None]
    assert gemm.by_block(dz, 2).tolist() == [[1, 2], [3, 0], [4, 5], [6, 0]]
    assert gemm.by_block(dz, 3).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert np.shares_memory(gemm.by_block(dz, 3), dz)


@pytest.mark.parametrize("case", grid.CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("how", ["as it is", "pairs, small slabs", "threes, small slabs"])
def test_rows_hold_what_brute_force_says(monkeypatch, case, how):
    """Every block comes once, and holds at entry `t` the input that its outputs meet there."""
    cut(monkeypatch, *CUTS[how])
    x, *_ = case.arrays()
    cuts = blocks.cut(Window(case.U, **case.geometry).axes(case.P), case.C, case.K)
    counts, spans = [one.count for one in cuts], [one.span for one in cuts]
    whole = np.full((case.N, *counts, *spans, case.C), np.nan)
    for (images, *made), rows in gemm.slabs(x, cuts):
        along = [
            slice(i.start // k.size, -(-i.stop // k.size)) for i, k in zip(made, cuts, strict=True)
        ]
        assert np.isnan(whole[images, *along]).all()
        whole[images, *along] = rows.reshape(whole[images, *along].shape)
    assert not np.isnan(whole).any()
    for i, u, p in brute.rows(case.axes, case.P):
        block = tuple(k // one.size for k, one in zip(i, cuts, strict=True))
        b = tuple(k % one.size for k, one in zip(i, cuts, strict=True))
        t = tuple(
            int(one.t[b_ * one.axis.kernel + u_]) for one, b_, u_ in zip(cuts, b, u, strict=True)
        )
        np.testing.assert_array_equal(whole[:, *block, *t], x[:, *p])


@pytest.mark.parametrize("shape", [(1,), (7,), (3, 4), (2, 3, 5), (1, 4, 1, 3)], ids=str)
@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 5, 7, 12, 20, 1000])
def test_runs_cut_an_array(shape, limit):
    found = []
    for cells in gemm.runs(shape, limit):
        positions = np.arange(prod(shape)).reshape(shape)[cells]
        found.append(positions.ravel().tolist())
        assert found[-1] == list(range(found[-1][0], found[-1][0] + len(found[-1])))  # together
    assert list(chain(*found)) == list(range(prod(shape)))  # all cells, in order, once
    assert all(0 < len(run) <= max(1, limit) for run in found)


def test_runs_by_hand():
    # Rows of 4 go in halves, which are equal; two rows of 4 fit in 10; all 12 in 12.
    assert list(gemm.runs((3, 4), 3))[:3] == [
        (slice(0, 1), slice(0, 2)),
        (slice(0, 1), slice(2, 4)),
        (slice(1, 2), slice(0, 2)),
    ]
    assert list(gemm.runs((3, 4), 10)) == [(slice(0, 2), slice(0, 4)), (slice(2, 3), slice(0, 4))]
    assert list(gemm.runs((3, 4), 12)) == [(slice(0, 3), slice(0, 4))]


def test_cuts_are_many(monkeypatch):
    """The small slabs do cut: else the tests above would see one slab only."""
    case = next(case for case in grid.CASES if case.name == "many, off-centre, stride 2 and 3")
    x, *_ = case.arrays()
    counts = {}
    for how, numbers in CUTS.items():
        cut(monkeypatch, *numbers)
        cuts = blocks.cut(Window(case.U, **case.geometry).axes(case.P), case.C, case.K)
        counts[how] = len(list(gemm.slabs(x, cuts)))
    assert counts["as it is"] == 2
    assert min(counts[how] for how in CUTS if how != "as it is") > 3


def test_a_block_that_lies_in_the_padding(monkeypatch):
    # Windows of 3 with 8 cells of padding: most blocks meet no input.
    cut(monkeypatch, 1, 1, (2,))
    x, w, b, dz = grid.SHARPEST.arrays()
    for padding in [((8, 0), (1, 1)), ((0, 8), (1, 1)), 8]:
        axes = brute.lay((7, 6), (3, 3), padding=padding)
        window = Window((3, 3), padding=padding)
        close(gemm.conv(x, w, b, window), brute.conv(x, w, b, axes))
        dz = np.resize(dz, (2, *brute.outputs(axes), 3))
        close(gemm.conv_delta(dz, w, x.shape, window), brute.conv_delta(dz, w, (7, 6), axes))


@pytest.mark.parametrize("padding", [0, 2])
def test_memory_does_not_grow_with_the_batch(padding):
    """A few MB of buffers, where the rows of the whole batch would have more than 100 MB."""
    x, w = np.ones((256, 28, 28, 8), np.float32), np.ones((4, 5, 5, 8), np.float32)
    window = Window((5, 5), padding=padding)
    dz = np.ones((256, 24 + 2 * padding, 24 + 2 * padding, 4), np.float32)
    matrix = dz[..., 0].size * w[0].size * x.itemsize
    assert matrix > 100e6 and x.nbytes > 4 * gemm.SLAB
    for run in [
        lambda: gemm.conv(x, w, None, window),
        lambda: gemm.conv_delta(dz, w, x.shape, window),
        lambda: gemm.conv_weight_gradient(x, dz, window),
    ]:
        tracemalloc.start()
        run()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < x.nbytes + dz.nbytes + 4 * gemm.SLAB
        assert peak < matrix / 2
