"""The leaky ReLU: what is negative leaks through (chapter 10)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnnlib.arrays import float_arrays, read_number
from cnnlib.errors import InputError

from .activations import partners, quiet
from .configured import Checked
from .layers import Activation, Remembered, read_batch


@quiet
def leaky_relu(z: ArrayLike, slope: float = 0.01) -> NDArray:
    """`a[i] = z[i]` where that is positive, else `slope * z[i]`, for every index i (chapter 10).

    Parameters
    ----------
    z : array of any shape
        Pre-activations.
    slope : float
        Of the negative side. PyTorch's own is 0.01, that of Keras 0.3; with 0 it is `relu`.

    Returns
    -------
    a : array of that shape

    Raises
    ------
    InputError
        If z does not hold real numbers, or slope is none.

    Examples
    --------
    >>> leaky_relu([-2, 0, 3], 0.5).tolist()
    [-1.0, 0.0, 3.0]
    """
    (z,) = float_arrays(z=z)
    return np.where(z > 0, z, _typed(slope, z.dtype) * z)


@quiet
def leaky_relu_delta(da: ArrayLike, z: ArrayLike, slope: float = 0.01) -> NDArray:
    """`dz[i] = da[i]` where z[i] is positive, else `slope * da[i]` (chapter 10).

    At the kink z = 0 the slope is that of the negative side, as in PyTorch and TensorFlow.

    Parameters
    ----------
    da, z : arrays of one shape
        dE/da, and the input of `leaky_relu`.
    slope : float
        As there.

    Returns
    -------
    dz : array of that shape

    Raises
    ------
    InputError
        If the shapes differ, an array does not hold real numbers, or slope is none.

    Examples
    --------
    >>> leaky_relu_delta([5, 6, 7], [-2, 0, 3], 0.5).tolist()
    [2.5, 3.0, 7.0]
    """
    da, z = partners(da, z=z)
    return np.where(z > 0, da, _typed(slope, da.dtype) * da)


def _typed(slope: float, dtype: np.dtype) -> np.floating:
    """The slope in the type of the numbers, which it must not leave."""
    typed = dtype.type(read_number("slope", slope))
    if not np.isfinite(typed):
        raise InputError(f"slope is {slope}; the numbers are {dtype}, which has none so large")
    return typed


class LeakyReLU(Activation):
    """a = z where that is positive, else slope * z (chapter 10), see `leaky_relu`."""

    slope = Checked(read_number)

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self.slope = slope

    z = Remembered()

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """a = z where z > 0, else slope * z."""
        self.z = read_batch(x)
        return leaky_relu(self.z, self.slope)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """da where z > 0, else slope * da."""
        return leaky_relu_delta(dz, self.z, self.slope)
