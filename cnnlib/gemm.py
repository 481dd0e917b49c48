"""The three sums of a convolution as matrix products over a small window matrix `col`.

For one row of outputs `i`, `col` has one line for each weight of a filter and one column for each
output of that row, for all images of the batch:

    col[(u, v, c), (j, n)] = x[n, p, q, c]     for the row (i,j), (u,v), (p,q) of the table, else 0

and each sum is one product: `z_i = w @ col`, `dw.T += col @ dz_i.T`, and `dcol = w.T @ dz_i`, whose
entries are added back to the inputs they came from. Two thoughts make it fast (chapter 8):

- Windows of neighbouring rows overlap. What one row `p` of the input contributes, its *band*
  `(v, c), (j, n)`, is written once. Bands lie one after another, so the `col` of output row `i` is
  the bands `s*i .. s*i + U-1`: a view of memory, not a copy.
- A few bands at a time are held, in a buffer that stays in the processor's cache.

Inside, arrays lie batch-last (see `layout`), and kernels lie in the order of their inputs: a
flipped kernel is reversed once, at the door.
"""

import math
from collections.abc import Iterator

import numpy as np

from .geometry import Axis, Shape, Window, partners
from .layout import batch_last, channels_last, spatial

BUFFER = 2 << 20  # bytes of a buffer: about a core's own cache, and 2 MB pages fit it
COLUMNS = 512  # outputs of a row that share bands: with fewer, a row is hardly worth its start
SMALL = 10**6  # multiplications of a product that BLAS does at once ...
NARROW = 128  # ... unless it would have fewer columns than this
SINGLE = Axis(inputs=1, outputs=1, kernel=1, stride=1, dilation=1, offset=0, center=0, sign=-1)


def conv(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window) -> np.ndarray:
    """z_i = w @ col + b; the definition is `loops.conv`."""
    xt, axes = lay(x, window)
    w2 = in_input_order(w, window).reshape(len(w), -1)  # (K, UC)
    z = np.empty((len(w), *(axis.outputs for axis in axes), len(x)), x.dtype)
    rows = z.reshape(len(w), axes[0].outputs, -1)
    for i, columns, col in window_matrices(xt, axes, len(w)):
        z_i = rows[:, i, columns]
        np.matmul(w2, col, out=z_i)
        if b is not None:
            z_i += b[:, None]
    return channels_last(z.reshape(len(w), *window.output_shape(spatial(x.shape)), len(x)))


def conv_weight_gradient(x: np.ndarray, dz: np.ndarray, window: Window) -> np.ndarray:
    """dw.T = sum over i of col @ dz_i.T; the definition is `loops.conv_weight_gradient`."""
    xt, axes = lay(x, window)
    K, C = dz.shape[-1], x.shape[-1]
    rows = batch_last(dz).reshape(K, axes[0].outputs, -1)
    dwT = np.zeros((math.prod(window.kernel) * C, K), x.dtype)
    for i, columns, col in window_matrices(xt, axes, K):
        dwT += col @ rows[:, i, columns].T  # this way round BLAS need not turn the large matrix
    return np.ascontiguousarray(in_input_order(dwT.T.reshape(K, *window.kernel, C), window))


def conv_delta(dz: np.ndarray, w: np.ndarray, input_shape: Shape, window: Window) -> np.ndarray:
    """dcol = w.T @ dz, added to the inputs; the definition is `loops.conv_delta`."""
    axes = window.axes(spatial(input_shape))
    dzt = batch_last(dz)
    dz2, wT = dzt.reshape(len(w), -1), w.reshape(len(w), -1).T  # (K, IN), (UC, K)
    dx = np.zeros((w.shape[-1], *(axis.inputs for axis in axes), len(dz)), dz.dtype)
    buffer, stop = None, 0
    for cells in blocks(dzt.shape[1:], BUFFER // (len(wT) * dz.itemsize)):
        size = [b - a for a, b in cells]
        start, stop = stop, stop + math.prod(size)
        if buffer is None:  # no later block is larger than the first
            buffer = np.empty(len(wT) * stop, dz.dtype)
        dcol = buffer[: len(wT) * (stop - start)].reshape(len(wT), -1)
        for part in pieces(wT.size, stop - start):
            np.matmul(wT, dz2[:, start:stop][:, part], out=dcol[:, part])
        dcol = dcol.reshape(*window.kernel, w.shape[-1], *size)
        *spans, batch = cells
        for u, outputs, inputs in partners(axes, spans):
            dx[:, *inputs, slice(*batch)] += dcol[u][:, *outputs]  # +=, since windows overlap
    return channels_last(dx)


def lay(x: np.ndarray, window: Window) -> tuple[np.ndarray, tuple[Axis, ...]]:
    """Bring `x` to batch-last, and choose the first axis: the one along which bands are shared.

    Bands are shared where windows overlap and lie next to each other (stride below the kernel's
    size, no dilation) and a row of outputs has columns enough for a product of its own. Elsewhere
    an axis of one cell is put in front; then all outputs are one row.
    """
    xt = batch_last(x)
    axes = window.axes(xt.shape[1:-1])
    first, rest = axes[0], axes[1:]
    columns = math.prod(axis.outputs for axis in rest) * len(x)
    if first.dilation == 1 and first.stride < first.kernel and columns >= COLUMNS // 4:
        return xt, axes
    return xt[:, None], (SINGLE, *axes)


def in_input_order(w: np.ndarray, window: Window) -> np.ndarray:
    """Reverse the spatial axes of a flipped kernel, so that `p` grows along each; or undo it."""
    return np.flip(w, tuple(range(1, w.ndim - 1))) if window.flip else w


def window_matrices(xt: np.ndarray, axes: tuple[Axis, ...], filters: int) -> Iterator:
    """Yield `(i, columns, col)` for every output row `i` and slice of its columns `(j, n)`."""
    first, rest = axes[0], axes[1:]
    C, N = len(xt), xt.shape[-1]
    U, s = first.kernel, first.stride
    height = math.prod(axis.kernel for axis in rest) * C  # lines of one band: (v, c)
    room = BUFFER // (height * xt.itemsize)  # columns of all bands that the buffer holds
    width = room // U if first.outputs == 1 else max(COLUMNS, room // (4 * U))
    buffer, stop = None, 0
    for cells in blocks((*(axis.outputs for axis in rest), N), width):
        start, stop = stop, stop + math.prod(b - a for a, b in cells)
        if buffer is None:  # no later block is larger than the first
            rows = min(first.outputs, max(1, (room // stop - U) // s + 1))
            buffer = np.empty((s * (rows - 1) + U) * height * stop, xt.dtype)
        for i0 in range(0, first.outputs, rows):
            i1 = min(i0 + rows, first.outputs)
            bands = s * (i1 - i0 - 1) + U
            band = buffer[: bands * height * (stop - start)].reshape(bands, height, -1)
            # The axis that `lay` puts in front is not the window's, so the rule does not place it.
            p0 = 0 if first is SINGLE else s * i0 - first.before
            write_bands(band, xt, axes, p0, cells)
            for i in range(i0, i1):
                col = band[s * (i - i0) :][:U].reshape(U * height, -1)
                for part in pieces(filters * len(col), stop - start):
                    yield i, slice(start + part.start, start + part.stop), col[:, part]


def write_bands(band: np.ndarray, xt: np.ndarray, axes: tuple[Axis, ...], p0: int, cells) -> None:
    """band[t, (v, c), (j, n)] = x[n, p0 + t, q, c], and 0 where that is no input."""
    first, rest = axes[0], axes[1:]
    t0 = min(len(band), max(0, -p0))  # bands t0..t1-1 come from inputs, the others are padding
    t1 = max(t0, min(len(band), first.inputs - p0))
    band[:t0], band[t1:] = 0, 0
    x = xt[:, t0 + p0 : t1 + p0].swapaxes(0, 1)  # (t, C, *Q, N)
    shape = [axis.kernel for axis in rest] + [len(xt)] + [b - a for a, b in cells]
    band = band[t0:t1].reshape(len(x), *shape)
    # The band is in the order of the inputs, which a flipped kernel meets from its last weight on.
    band = np.flip(band, tuple(1 + m for m, axis in enumerate(rest) if axis.sign > 0))
    *spans, batch = cells
    for v, outputs, inputs in partners(rest, spans):
        target = band[:, *v]  # type: ignore[arg-type]  # NumPy types no such star
        if target[:, :, *outputs].size < target.size:
            target.fill(0)
        target[:, :, *outputs] = x[:, :, *inputs, slice(*batch)]


def pieces(lines: int, columns: int) -> Iterator[slice]:
    """Cut the columns of a matrix product, so that BLAS takes each piece as a small one.

    Before a large product, BLAS copies its arguments into an order of its own. With the few
    filters of a small layer those copies cost as much as the product, so it is better done in
    pieces that need none. `lines` is the number of multiplications for one column. Where a piece
    would be too narrow, nothing is cut.
    """
    step = SMALL // lines // 16 * 16  # whole vectors of the processor
    if step < NARROW:
        step = columns
    for start in range(0, columns, step):
        yield slice(start, min(start + step, columns))


def blocks(shape: Shape, limit: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """Cut an array of this shape into runs of about `limit` cells that lie together in C order.

    Yields one `(start, stop)` per axis. One axis is cut into equal pieces; the axes behind it stay
    whole, the axes before it go one index at a time. No run is longer than the first.
    """
    cut, whole = len(shape) - 1, 1
    while cut > 0 and whole * shape[cut] <= limit:
        whole *= shape[cut]
        cut -= 1
    parts = math.ceil(shape[cut] / max(1, limit // whole))
    step = math.ceil(shape[cut] / parts)
    for lead in np.ndindex(*shape[:cut]):
        for start in range(0, shape[cut], step):
            yield (
                *((i, i + 1) for i in lead),
                (start, min(start + step, shape[cut])),
                *((0, n) for n in shape[cut + 1 :]),
            )
