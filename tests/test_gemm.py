"""Matrix products over the window matrix: equal to the loops, however the work is cut."""

from itertools import chain
from math import prod

import brute
import grid
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib import gemm, layout, loops
from cnnlib.geometry import Window

EVERY_CASE = pytest.mark.parametrize("case", grid.CASES, ids=lambda case: case.name)

# (BUFFER, COLUMNS, STAGE, SMALL): how the work is cut. With few COLUMNS all windows that overlap
# share bands; with many, none do.
TINY = "one row and 4 columns at a time"
CUTS = {
    "as it is": (gemm.BUFFER, gemm.COLUMNS, layout.STAGE, gemm.SMALL),
    TINY: (1, 4, 1, 1),
    "some bands": (3000, 12, 200, 2000),
    "all bands": (2 << 20, 4, 1000, 10_000),
    "no shared bands": (2000, 1 << 20, 500, 5000),
}


def cut(monkeypatch, buffer, columns, stage, small):
    monkeypatch.setattr(gemm, "BUFFER", buffer)
    monkeypatch.setattr(gemm, "COLUMNS", columns)
    monkeypatch.setattr(gemm, "SMALL", small)
    monkeypatch.setattr(gemm, "NARROW", 16)
    monkeypatch.setattr(layout, "STAGE", stage)


def close(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


def shares_bands(case):
    x, *_ = case.arrays()
    _, axes = gemm.lay(x, Window(case.U, **case.geometry))
    return len(axes) == len(case.P)  # else an axis of one cell stands in front


# The grid


def test_grid_goes_both_ways():
    sharing = [case for case in grid.CASES if shares_bands(case)]
    apart = [case for case in grid.CASES if case not in sharing]
    assert {len(case.P) for case in sharing} == {len(case.P) for case in apart} == {1, 2, 3}
    assert {case.flip for case in sharing} == {0, 1}
    assert {brute.each(case.stride, 1)[0] for case in sharing} == {1, 2}
    assert any(case.large for case in apart)


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


# Any geometry


@settings(grid.STEADY, max_examples=200)
@given(grid.drawn(), st.sampled_from([1, 300, 2000, 1 << 20]), st.sampled_from([1, 4, 8, 1 << 20]))
def test_any_geometry_and_cut_against_loops(case, buffer, columns):
    x, w, b, dz = case.arrays()
    window = Window(case.U, **case.geometry)
    with pytest.MonkeyPatch.context() as monkeypatch:
        cut(monkeypatch, buffer, columns, 100, 20 * buffer)
        z = gemm.conv(x, w, b, window)
        dx = gemm.conv_delta(dz, w, x.shape, window)
        dw = gemm.conv_weight_gradient(x, dz, window)
    close(z, loops.conv(x, w, b, window))
    close(dx, loops.conv_delta(dz, w, x.shape, window))
    close(dw, loops.conv_weight_gradient(x, dz, window))


@settings(grid.STEADY, max_examples=100)
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


def test_window_matrix_by_hand():
    # Three cells, two images (1, 2, 3) and (10, 20, 30), a kernel of 2 with padding before.
    x = np.array([[1.0, 2, 3], [10, 20, 30]])[..., None]
    xt, axes = gemm.lay(x, Window(2, padding=((1, 0),)))
    ((i, columns, col),) = gemm.window_matrices(xt, axes, filters=1)
    assert (i, columns) == (0, slice(0, 6))
    assert col.tolist() == [
        [0, 0, 1, 10, 2, 20],  # weight 0 meets inputs -1, 0, 1
        [1, 10, 2, 20, 3, 30],  # weight 1 meets inputs 0, 1, 2
    ]


@EVERY_CASE
@pytest.mark.parametrize("how", ["as it is", "some bands", "all bands"])
def test_window_matrices_against_brute_force(monkeypatch, case, how):
    """Put together again, the matrices hold for each output the inputs that its weights meet."""
    cut(monkeypatch, *CUTS[how])
    x, *_ = case.arrays()
    xt, axes = gemm.lay(x, Window(case.U, **case.geometry))
    I, J = axes[0].outputs, prod(axis.outputs for axis in axes[1:])
    whole = np.full((I, prod(case.U) * case.C, J * case.N), np.nan)
    for i, columns, col in gemm.window_matrices(xt, axes, filters=1):
        assert np.isnan(whole[i, :, columns]).all()  # no column comes twice
        whole[i, :, columns] = col
    expected = np.zeros((*case.U, case.C, *brute.outputs(case.axes), case.N))
    for i, u, p in brute.rows(case.axes, case.P):
        if case.flip:  # the lines lie in the order of the inputs
            u = tuple(k - 1 - v for k, v in zip(case.U, u, strict=True))
        expected[*u, slice(None), *i] = x[:, *p].T
    found = whole.swapaxes(0, 1).reshape(expected.shape)
    np.testing.assert_array_equal(found, expected)


def test_kernel_in_input_order_by_hand():
    w = np.arange(12).reshape(2, 3, 2)  # (k, u, c)
    turned = gemm.in_input_order(w, Window(3, flip=True))
    assert turned[0].tolist() == [[4, 5], [2, 3], [0, 1]]
    assert gemm.in_input_order(w, Window(3)).tolist() == w.tolist()


@pytest.mark.parametrize("shape", [(1,), (7,), (3, 4), (2, 3, 5), (1, 4, 1, 3)], ids=str)
@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4, 5, 7, 12, 20, 1000])
def test_blocks_cut_an_array_into_runs(shape, limit):
    runs = []
    for cells in gemm.blocks(shape, limit):
        positions = np.arange(prod(shape)).reshape(shape)[tuple(slice(*span) for span in cells)]
        runs.append(positions.ravel().tolist())
        assert runs[-1] == list(range(runs[-1][0], runs[-1][0] + len(runs[-1])))  # together
    assert list(chain(*runs)) == list(range(prod(shape)))  # all cells, in order, once
    sizes = [len(run) for run in runs]
    assert all(0 < size <= max(1, limit) for size in sizes)
    assert max(sizes) == sizes[0]


def test_blocks_by_hand():
    # Rows of 4 go in halves, which are equal; two rows of 4 fit in 10; all 12 in 12.
    assert list(gemm.blocks((3, 4), 3))[:3] == [
        ((0, 1), (0, 2)),
        ((0, 1), (2, 4)),
        ((1, 2), (0, 2)),
    ]
    assert list(gemm.blocks((3, 4), 10)) == [((0, 2), (0, 4)), ((2, 3), (0, 4))]
    assert list(gemm.blocks((3, 4), 12)) == [((0, 3), (0, 4))]


def test_pieces_by_hand(monkeypatch):
    monkeypatch.setattr(gemm, "SMALL", 1000)
    monkeypatch.setattr(gemm, "NARROW", 16)
    # 10 multiplications a column: 100 columns fit, 96 of them are whole vectors of 16.
    assert list(gemm.pieces(10, 250)) == [slice(0, 96), slice(96, 192), slice(192, 250)]
    assert list(gemm.pieces(10, 96)) == [slice(0, 96)]
    # 100 multiplications a column: 10 columns would be too narrow, so nothing is cut.
    assert list(gemm.pieces(100, 250)) == [slice(0, 250)]


def test_cuts_are_many(monkeypatch):
    """The small buffers do cut: else the tests above would see one block only."""
    case = next(case for case in grid.CASES if case.name == "many, off-centre, stride 2 and 3")
    x, *_ = case.arrays()
    counts = {}
    for how, numbers in CUTS.items():
        cut(monkeypatch, *numbers)
        matrices = gemm.window_matrices(
            *gemm.lay(x, Window(case.U, **case.geometry)), filters=case.K
        )
        counts[how] = len({(columns.start, columns.stop) for _, columns, _ in matrices})
    assert counts["as it is"] == 1
    assert counts["some bands"] > 3
    assert counts["no shared bands"] > 3


def test_a_block_that_lies_in_the_padding(monkeypatch):
    # Windows of 3 with 8 cells of padding, one row of bands at a time: most bands meet no input.
    cut(monkeypatch, 1, 4, 1, 1)
    x, w, b, _ = grid.SHARPEST.arrays()
    for padding in [((8, 0), (1, 1)), ((0, 8), (1, 1)), 8]:
        z = brute.conv(x, w, b, brute.lay((7, 6), (3, 3), padding=padding))
        close(gemm.conv(x, w, b, Window((3, 3), padding=padding)), z)


@pytest.mark.parametrize("buffer", [13_000, 16_000, 20_000, 40_000, 500_000])
def test_bands_stay_within_the_buffer(monkeypatch, buffer):
    for case in [case for case in grid.CASES if case.large]:
        cut(monkeypatch, buffer, 64, 1000, 10_000)
        x, *_ = case.arrays()
        matrices = gemm.window_matrices(*gemm.lay(x, Window(case.U, **case.geometry)), case.K)
        assert all(col.base.nbytes <= buffer for _, _, col in matrices), case.name


def test_memory_does_not_grow_with_the_batch():
    """A few MB of buffers, where the window matrix of the whole batch would have 29 MB."""
    import tracemalloc

    r = np.random.default_rng(0)
    x, w = r.normal(size=(64, 28, 28, 8)).astype("f4"), r.normal(size=(4, 5, 5, 8)).astype("f4")
    window = Window((5, 5))
    dz = r.normal(size=(64, 24, 24, 4)).astype("f4")
    matrix = dz[..., 0].size * w[0].size * x.itemsize
    assert matrix > 29e6
    for run in [
        lambda: gemm.conv(x, w, None, window),
        lambda: gemm.conv_delta(dz, w, x.shape, window),
        lambda: gemm.conv_weight_gradient(x, dz, window),
    ]:
        tracemalloc.start()
        run()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < x.nbytes + dz.nbytes + 4 * gemm.BUFFER
        assert peak < matrix / 2
