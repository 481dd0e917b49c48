"""What arrays may come in, and how they lie in memory.

Outside, every array is channels-last: `(N, *P, C)`. Inside, the fast sums work on `(C, *P, N)`:
neighbours in memory are then the same cell of different images, so a slice of cells is one long
run to copy, whatever the number of channels. Results are handed out as views, channels-last by
index and batch-last in memory, and elementwise NumPy keeps that order. So a network pays for the
change of layout once, at its input (chapter 8).
"""

import numpy as np

from .errors import InputError
from .geometry import Shape, per_axis

STAGE = 1 << 17  # bytes that are turned at a time: they stay in the second-level cache
ODD = 16  # numbers by which a row of the stage is longer than it must be


def float_arrays(**named) -> list[np.ndarray]:
    """Read arrays of real numbers and bring them to one common float type.

    Floats keep their type, the widest wins. Integers and booleans count as float64.
    """
    arrays = []
    for name, value in named.items():
        if isinstance(value, np.ma.MaskedArray):
            raise InputError(f"{name} is a masked array; fill the masked cells first: x.filled(0)")
        try:
            array = np.asarray(value)
        except ValueError as error:  # rows of unequal length
            raise InputError(f"{name} is no array of numbers: {error}") from None
        if array.dtype.kind not in "fiub":
            raise InputError(f"{name} has dtype {array.dtype}; expected real numbers")
        arrays.append(array)
    dtype = np.result_type(*(a.dtype if a.dtype.kind == "f" else np.float64 for a in arrays))
    return [array.astype(dtype, copy=False) for array in arrays]


def check_images(name: str, x: np.ndarray, axes: int | None = None) -> None:
    """Refuse an array that is no batch `(N, *P, C)`, with `axes` spatial axes if given."""
    cure = "a batch of images has shape (N, H, W, C); one grey image x becomes x[None, ..., None]"
    if x.ndim < 3 or (axes is not None and x.ndim != axes + 2):
        wanted = "at least 3 axes" if axes is None else f"{axes + 2} axes"
        raise InputError(
            f"{name} has shape {x.shape}; expected {wanted}: batch, "
            f"{'' if axes is None else f'{axes} '}spatial, channels ({cure})"
        )
    if x.shape[0] == 0:
        raise InputError(
            f"{name} has shape {x.shape}: the batch is empty; pass at least one sample"
        )
    if 0 in x.shape:
        raise InputError(f"{name} has shape {x.shape}; every axis needs at least one entry")


def check_shape(shape, axes: int) -> Shape:
    """Read the whole shape (N, *P, C) of an input."""
    if len(np.atleast_1d(shape)) != axes + 2:
        raise InputError(
            f"input_shape is {shape!r}; expected all {axes + 2} numbers (N, *P, C): batch, "
            f"{axes} spatial, channels"
        )
    return per_axis("input_shape", shape, axes + 2, 1)


def check_deltas(name: str, dz: np.ndarray, expected: Shape) -> None:
    """Refuse deltas that are not of the shape of the forward pass's output."""
    if dz.shape != tuple(expected):
        raise InputError(
            f"{name} has shape {dz.shape}; expected {tuple(expected)}, the shape of the forward "
            "pass's output over this input with this kernel, stride, dilation and padding or center"
        )


def batch_last(x: np.ndarray) -> np.ndarray:
    """`(N, *P, C)` as a contiguous `(C, *P, N)`; no copy if it lies in memory that way already."""
    xt = x.transpose(x.ndim - 1, *range(1, x.ndim - 1), 0)
    if xt.flags.c_contiguous or x.nbytes <= STAGE:
        return np.ascontiguousarray(xt)
    N, C = len(x), x.shape[-1]
    cells = x.reshape(N, -1, C)
    result = np.empty((C, cells.shape[1], N), x.dtype)
    step = max(1, STAGE // (N * C * x.itemsize))
    for p in range(0, cells.shape[1], step):
        some = cells[:, p : p + step]
        # Images lie a power of two apart in memory, as a rule, and then all their cells fall into
        # the same few places of the cache. Odd rows of a small copy do not.
        stage = np.empty((N, some[0].size + ODD), x.dtype)[:, : some[0].size]
        stage[...] = some.reshape(N, -1)
        result[:, p : p + step] = stage.reshape(some.shape).transpose(2, 1, 0)
    return result.reshape(xt.shape)


def channels_last(xt: np.ndarray) -> np.ndarray:
    """`(C, *P, N)` as a view `(N, *P, C)`."""
    return xt.transpose(xt.ndim - 1, *range(1, xt.ndim - 1), 0)


def spatial(x_shape: Shape) -> Shape:
    """The spatial part `P` of a shape `(N, *P, C)` or `(K, *U, C)`."""
    return tuple(x_shape[1:-1])
