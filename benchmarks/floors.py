"""What the machine allows: the speed of a large matrix product, bare products, bare copies.

NumPy multiplies fast by matrix products only, and they are not all equally fast: few columns or
short rows keep a processor waiting. So a sum of a convolution takes at least as long as its matrix
products take bare, on rows that lie ready in the cache; and at least as long as it takes to copy
the bytes that must be read and written. A floor is the larger of both.
"""

import math
from collections.abc import Callable

import numpy as np
from convolution import Workload
from measure import Runs

from cnnlib.sums import gemm
from cnnlib.sums.blocks import cut, matrix
from cnnlib.sums.workers import share

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


def products(work: Workload, single: bool) -> dict[str, list[Product]]:
    """The matrix products of each sum, on single windows or in blocks of the library's choice."""
    axes, C, K = work.window.axes(work.inputs), work.channels, work.filters
    forward = rows_by_matrix(work.batch, axes, C, K, single)
    if gemm.scatters(axes, C) and not single:
        back = [matrix_by_rows(work.batch, axes, C, K)]
    else:
        rules = [rule for _, rule, _ in gemm.phases(axes)]
        back = [rows_by_matrix(work.batch, rule, K, C, single) for rule in rules]
    return {"z": [forward], "dx": back, "dw": [forward]}


def rows_by_matrix(batch: int, axes: gemm.Axes, C: int, K: int, single: bool) -> Product:
    """The products of `gemm.multiply` and of weight gradients."""
    cuts = cut(axes, C, K, single=single)
    rows = batch * math.prod(one.count for one in cuts)
    inner = math.prod(one.span for one in cuts) * C
    slabs = math.ceil(rows / max(gemm.LEAST, gemm.SLAB // (4 * inner)))
    return slabs, math.ceil(rows / slabs), inner, cuts[-1].size * K


def matrix_by_rows(batch: int, axes: gemm.Axes, C: int, K: int) -> Product:
    """The products of `gemm.scatter`."""
    cuts = cut(axes, C, K, back=True)
    last = cuts[-1]
    rows = batch * math.prod(one.count for one in cuts)
    inner, columns = last.size * K, last.piece * C
    slabs = math.ceil(rows / max(gemm.LEAST, gemm.SLAB // (4 * max(inner, columns))))
    pieces = math.prod(one.span for one in cuts) // last.piece
    return slabs * pieces, math.ceil(rows / slabs), inner, columns


def product_run(part: str, every: list[Product]) -> Callable:
    """These products on the same few arrays, which stay in the cache."""
    made = []
    for times, rows, inner, columns in every:
        a, m, b = (
            np.ones(shape, np.float32)
            for shape in ((rows, inner), (inner, columns), (rows, columns))
        )
        made.append((times, *((a.T, b, m) if part == "dw" else (a, m, b))))

    def run() -> None:
        for times, left, right, out in made:
            for _ in range(times):
                np.matmul(left, right, out=out)

    return run


def rows_and_products(work: Workload) -> Callable:
    """The forward pass without checks, matrix and new memory: what no call can leave out."""
    x, w, _ = work.arrays()
    cuts = cut(work.window.axes(work.inputs), work.channels, work.filters)
    m = matrix(w, cuts).reshape(-1, cuts[-1].size * work.filters)
    z = np.empty((work.batch, *work.outputs, work.filters), np.float32)

    def run() -> np.ndarray:
        for places, rows in gemm.slabs(x, cuts):
            np.matmul(rows, m, out=z[places].reshape(len(rows), -1))
        return z

    return run


def shared_products() -> Callable:
    """Products of the size that W4 needs for an image, shared among threads as images are."""
    a, m = np.ones((64, 1024, 288), np.float32), np.ones((288, 64), np.float32)
    out = np.empty((64, 1024, 64), np.float32)

    def part(images: slice) -> None:
        for n in range(images.start, images.stop):
            np.matmul(a[n], m, out=out[n])

    return lambda: share(len(a), part)


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
        for part, some in products(work, single).items():
            every[part, name] = product_run(part, some)
    return every
