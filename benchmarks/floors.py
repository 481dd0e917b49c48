"""What the machine allows: the speed of a large matrix product, bare products, bare copies.

NumPy multiplies fast by matrix products only, and they are not all equally fast: few columns or
short rows keep a processor waiting. So a sum of a convolution takes at least as long as its matrix
products take bare, on rows that lie ready in the cache; and at least as long as it takes to copy
the bytes that must be read and written. A floor is the larger of both.
"""

import math
from collections.abc import Callable

import numpy as np
from convolution import PARTS, Workload
from measure import Runs

from cnnlib import gemm
from cnnlib.blocks import cut

SIDE = 1024  # rows and columns of the large product
COPIED = 64 << 20  # bytes of the large copy, more than a processor's caches hold
Product = tuple[int, int, int, int]  # times, rows, inner, columns


def multiplications(work: Workload) -> int:
    """Of one sum, all places of the windows counted."""
    cells = math.prod(work.outputs) * math.prod(work.kernel)
    return work.batch * cells * work.channels * work.filters


def bytes_of(work: Workload) -> int:
    """Read and written by one sum: input and output once each, in float32. Weights are few."""
    inputs, outputs = math.prod(work.inputs) * work.channels, math.prod(work.outputs) * work.filters
    return 4 * work.batch * (inputs + outputs)


def machine_runs() -> Runs:
    """A large product and a large copy."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, SIDE, SIDE), dtype=np.float32)
    product, large = np.empty_like(a), np.zeros(COPIED, np.uint8)
    copy = np.ones_like(large)
    return {"sgemm": lambda: np.matmul(a, b, out=product), "copy": lambda: np.copyto(copy, large)}


def products(work: Workload, single: bool) -> dict[str, Product]:
    """The matrix products of each sum, on single windows or in blocks of the library's choice."""
    axes, C, K = work.window.axes(work.inputs), work.channels, work.filters
    found = {}
    for part in PARTS:
        cuts = cut(axes, C, K, back=part == "dx", single=single)
        last, lines = cuts[-1], math.prod(one.span for one in cuts[:-1])
        rows = work.batch * math.prod(one.count for one in cuts)
        inner, columns = lines * last.span * C, last.size * K
        pieces = 1
        if part == "dx":
            pieces, inner = lines * math.ceil(last.span / last.piece), last.piece * C
        held = inner + columns if part == "dx" else inner
        slabs = math.ceil(rows / max(gemm.LEAST, gemm.SLAB // (4 * held)))
        found[part] = slabs * pieces, math.ceil(rows / slabs), inner, columns
    return found


def product_run(part: str, product: Product) -> Callable:
    """These products on the same few arrays, which stay in the cache."""
    times, rows, inner, columns = product
    a, m, b = (
        np.ones(shape, np.float32) for shape in ((rows, inner), (inner, columns), (rows, columns))
    )
    left, right, out = {"z": (a, m, b), "dx": (b, m.T.copy(), a), "dw": (a.T, b, m)}[part]

    def run() -> None:
        for _ in range(times):
            np.matmul(left, right, out=out)

    return run


def copies_run(work: Workload) -> Callable:
    """Copy arrays of the sizes of `x` and `z`: twice the bytes of one sum."""
    arrays = [np.ones((*s, c), np.float32) for s, c in (
        ((work.batch, *work.inputs), work.channels), ((work.batch, *work.outputs), work.filters),
    )]  # fmt: skip
    pairs = [(np.empty_like(a), a) for a in arrays]
    return lambda: [np.copyto(*pair) for pair in pairs]


def runs(work: Workload) -> Runs:
    """By part and name: bare products in windows and in blocks, and the copies."""
    every: Runs = {("z", "copies"): copies_run(work)}
    for name, single in (("windows", True), ("blocks", False)):
        for part, product in products(work, single).items():
            every[part, name] = product_run(part, product)
    return every
