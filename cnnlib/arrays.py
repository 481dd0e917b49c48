"""What arrays may come in: real numbers, batches of images, shapes that fit.

Every array is channels-last, `(N, *P, C)`, and what the library returns is contiguous in memory.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .errors import InputError
from .geometry import Shape, per_axis


def float_arrays(**named: ArrayLike) -> list[np.ndarray]:
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


def check_shape(shape: Sequence[int], axes: int) -> Shape:
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


def spatial(x_shape: Shape) -> Shape:
    """The spatial part `P` of a shape `(N, *P, C)` or `(K, *U, C)`."""
    return tuple(x_shape[1:-1])
