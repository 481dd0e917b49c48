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
        ((32, 32), 32, 64, (3, 3)),
        ((1024,), 16, 32, (9,)),
        ((256, 256), 1, 1, (1, 1)),
        ((16, 16, 16), 4, 8, (2, 2, 2)),
    ]:
        assert chosen(grid.Case("", 16, P, C, K, U)) == "gemm", (P, U)


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
    assert work["gemm"] == (2 * 3005, 1)
    assert work["fft"] == (2 * 3 * 5 * 4 / 2, cells * np.log2(5), cells, 1)
    assert {name: len(costs) for name, costs in choice.COSTS.items()} == {
        name: len(each) for name, each in work.items()
    }
