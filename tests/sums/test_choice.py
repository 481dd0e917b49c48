"""Which engine 'auto' takes, and what it weighs."""

import grid
import numpy as np

from cnnlib.geometry import Window
from cnnlib.sums import choice


def chosen(case):
    return choice.faster(case.x_shape, case.K, Window(case.U, **case.geometry))


LARGE = grid.Case("large kernel", 8, (40, 50), 2, 3, (13, 12), padding=((6, 5), (0, 3)))


def test_auto_takes_fft_for_large_kernels_only():
    for P, C, K, U in [
        ((256, 256), 1, 1, (31, 31)),
        ((64, 64), 8, 8, (9, 9)),
        ((4096,), 1, 1, (513,)),
        ((16, 16, 16), 4, 8, (7, 7, 7)),
    ]:
        assert chosen(grid.Case("", 16, P, C, K, U)) == "fft", (P, U)
    for P, C, K, U in [
        ((28, 28), 1, 8, (3, 3)),
        ((32, 32), 16, 32, (3, 3)),
        ((1024,), 16, 32, (9,)),
        ((256, 256), 1, 1, (1, 1)),
        ((16, 16, 16), 4, 8, (2, 2, 2)),
    ]:
        assert chosen(grid.Case("", 16, P, C, K, U)) == "gemm", (P, U)


def test_auto_takes_winograd_for_many_channels_and_tiles_only():
    for P, C, K, N in [
        ((56, 56), 64, 64, 16),
        ((28, 28), 128, 128, 16),
        ((16, 16), 64, 64, 64),
        ((224, 224), 64, 64, 1),
    ]:
        assert chosen(grid.Case("", N, P, C, K, (3, 3), padding=1)) == "winograd", (P, C, K)
    for P, C, K, N, how in [
        ((32, 32), 3, 32, 64, {"padding": 1}),
        ((32, 32), 16, 16, 64, {"padding": 1}),
        ((14, 14), 128, 128, 1, {"padding": 1}),  # the weights are as much work as the tiles
        ((57, 57), 64, 64, 16, {"stride": 2}),
        ((60, 60), 64, 64, 16, {"dilation": 2}),
    ]:
        assert chosen(grid.Case("", N, P, C, K, (3, 3), **how)) == "gemm", (P, C, K)


def test_auto_weighs_what_each_method_does(monkeypatch):
    for cheap in ("gemm", "fft"):
        costs = {name: [name != cheap] * len(c) for name, c in choice.COSTS.items()}
        monkeypatch.setattr(choice, "COSTS", costs)
        assert chosen(grid.SHARPEST) == chosen(LARGE) == cheap


def test_counts_by_hand(monkeypatch):
    # Two images of 4 cells and 3 channels, 5 filters of 2 weights: 3 outputs, circles of 4 cells.
    monkeypatch.setattr(choice, "estimate", lambda cuts, C, K: 1000 * C + K)
    choice.counts.cache_clear()
    work = choice.counts((2, 4, 3), 5, Window(2).axes((4,)))
    choice.counts.cache_clear()
    cells = (2 * 3 + 5 * 3 + 2 * 5) * 4
    assert work.keys() == {"gemm", "fft"}
    assert work["gemm"] == (2 * 3005, 1)
    assert work["fft"] == (2 * 3 * 5 * 4 / 2, cells * np.log2(5), cells, 1)
    # Of 3 weights and 6 outputs: two tiles of 6 inputs and 4 outputs for each of two images.
    work |= choice.counts((2, 8, 3), 5, Window(3).axes((8,)))
    products, copies = 6 * 6 * 3 + 6 * 3 * 5 + 4 * 6 * 5, 2 * 6 * 3 + 6 * 5 + 2 * 4 * 5
    assert work["winograd"] == (4 * products, 4 * copies, 6 * 3 * 5, 2 * 8 * 3, 2 * 8, 1)
    assert {name: len(costs) for name, costs in choice.COSTS.items()} == {
        name: len(each) for name, each in work.items()
    }
