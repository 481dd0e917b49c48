"""Matrix products where all numbers are finite; where not, what keeps them apart.

A NaN or an infinity must reach exactly the results that it goes into. Matrix products of blocks
would spread it (see `gemm`), so this is the one place that looks for such numbers: where the images
or the deltas have one, single outputs are taken, and where the weights have one, or a weight
gradient comes out with one, the loops.
"""

import math

import numpy as np

from cnnlib.geometry import Shape, Window

from . import gemm, loops


def conv(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, window: Window) -> np.ndarray:
    """The forward pass; the definition is `loops.conv`."""
    if not is_finite(w):
        return loops.conv(x, w, b, window)
    return gemm.conv(x, w, b, window, single=not is_finite(x))


def conv_delta(dz: np.ndarray, w: np.ndarray, input_shape: Shape, window: Window) -> np.ndarray:
    """The deltas; the definition is `loops.conv_delta`."""
    if not is_finite(w):
        return loops.conv_delta(dz, w, input_shape, window)
    return gemm.conv_delta(dz, w, input_shape, window, single=not is_finite(dz))


def conv_weight_gradient(x: np.ndarray, dz: np.ndarray, window: Window) -> np.ndarray:
    """The weight gradient; the definition is `loops.conv_weight_gradient`."""
    dw = gemm.conv_weight_gradient(x, dz, window)
    return dw if is_finite(dw) else loops.conv_weight_gradient(x, dz, window)


def is_finite(a: np.ndarray) -> bool:
    """Whether all numbers are finite. Mostly the sum of their squares says so, in one pass."""
    return math.isfinite(np.vdot(a, a)) or bool(np.isfinite(a).all())
