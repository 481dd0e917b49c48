"""The mean of a whole map (chapter 10)."""

import numpy as np

from cnnlib.arrays import check_images, float_arrays
from cnnlib.geometry import Shape

from .layers import Layer, Remembered, read_deltas, read_image


class GlobalAveragePool(Layer):
    """The mean of each map: `(N, *P, C)` becomes `(N, C)`, whatever P is (chapter 10).

    Examples
    --------
    >>> layer = GlobalAveragePool()
    >>> layer.forward(np.array([1.0, 2.0, 6.0]).reshape(1, 3, 1)).tolist()
    [[3.0]]
    >>> layer.backward(np.array([[12.0]])).ravel().tolist()
    [4.0, 4.0, 4.0]
    """

    def output_shape(self, shape: Shape) -> Shape:
        """(C,)."""
        return read_image("shape", shape)[-1:]

    input_shape = Remembered()

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """a[n,c] = mean x[n,p,c] over all p."""
        (x,) = float_arrays(x=x)
        check_images("x", x)
        self.input_shape = x.shape
        axes = tuple(range(1, x.ndim - 1))
        return x.mean(axes, dtype=np.float64).astype(x.dtype, copy=False)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """dx[n,p,c] = dz[n,c] / P: each place has an equal share."""
        N, *P, C = self.input_shape
        dz = read_deltas(dz, (N, C)).reshape(N, *[1] * len(P), C)
        return np.broadcast_to(dz / dz.dtype.type(np.prod(P)), self.input_shape).copy()
