"""The deltas of a convolution as a forward pass: the layer that enlarges maps (chapter 10)."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from cnnlib.arrays import check_images, read_array
from cnnlib.convolution import Laid, conv_bias_gradient, lay
from cnnlib.errors import InputError, shown
from cnnlib.geometry import Padding, PerAxis, Shape, per_axis

from .layers import Convolution, first_weights, read_deltas, read_image


class ConvTranspose(Convolution):
    """Transposed convolution of maps `(N, *I, K)` to images `(N, *P, filters)` (chapter 10).

    It is a convolution with inputs and outputs in each other's place: row `(i, u, p)` of the table
    carries input `i` through weight `u` to output `p`,

        z[n,p,c] = b[c] + sum over rows (i,u,p), k of w[k,u,c] * x[n,i,k]

    Parameters
    ----------
    filters : int
        Channels of the outputs.
    kernel : int or one int per axis
        Spatial shape `U`; one integer serves every axis.
    output_padding : None, int or one int per axis
        With a stride, images of several sizes have maps of the same shape `I`. The smallest is
        taken, and this many cells are added to it: less than the stride. None is 0; with the
        padding 'same' it is the largest, `s*I` cells, as in Keras.
    stride, dilation, padding, center, flip, border, groups, method
        Those of the convolution from the images to the maps, as in `cnnlib.conv`.
    bias, init
        As in `Conv`. `w` has the shape (K, *U, filters/groups).

    Examples
    --------
    Two cells at stride 2 through three weights: 5 cells, or 6 with the remainder.

    >>> ConvTranspose(4, 3, stride=2).output_shape((2, 1))
    (5, 4)
    >>> ConvTranspose(4, 3, stride=2, output_padding=1).output_shape((2, 1))
    (6, 4)
    """

    ARGUMENTS = (*Convolution.ARGUMENTS, "output_padding")

    def __init__(
        self,
        filters: int,
        kernel: PerAxis,
        *,
        stride: PerAxis = 1,
        dilation: PerAxis = 1,
        padding: Padding = None,
        output_padding: PerAxis | None = None,
        center: PerAxis | None = None,
        flip: bool = False,
        border: str = "zeros",
        groups: int = 1,
        method: str = "auto",
        bias: bool = True,
        init: str | float = "he",
    ) -> None:
        geometry: dict[str, Any] = dict(stride=stride, dilation=dilation, padding=padding)
        geometry |= dict(center=center, flip=flip, border=border, groups=groups, method=method)
        super().__init__(filters, kernel, **geometry, bias=bias, init=init)
        self.output_padding = output_padding

    def build(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        """Make `w` (K, *U, filters/groups) and `b` (filters,) for samples of shape (*I, K)."""
        *P, C = self.output_shape(shape)
        K, groups, window = shape[-1], self.groups, self._window(len(P))
        w_shape = (K, *window.kernel, max(1, C // groups))
        lay(window, (1, *P, C), w_shape, self.method, "the outputs", groups)  # or refuse
        # Of the weights, every s-th along an axis reaches the same output.
        fan_in = math.prod(window.kernel) * K // (math.prod(window.stride) * groups)
        fans = max(1, fan_in), math.prod(w_shape[1:])
        self.params["w"] = first_weights(w_shape, *fans, self.init, rng, dtype)
        if self.bias:
            self.params["b"] = np.zeros(C, dtype)
        return (*P, C)

    def output_shape(self, shape: Shape) -> Shape:
        """(*P, filters): the smallest images with these maps, and `output_padding` cells more."""
        I = read_image("shape", shape)[:-1]
        window, given = self._window(len(I)), self.output_padding
        if given is None:
            same = window.padding == "same"
            more = tuple(s - 1 if same else 0 for s in window.stride)
        else:
            more = per_axis("output_padding", given, len(I), 0)
        P = tuple(p + cells for p, cells in zip(window.input_shape(I), more, strict=True))
        if window.output_shape(P) != I:
            raise InputError(
                f"output_padding is {shown(given)}; images of shape {P} would have maps of shape "
                f"{window.output_shape(P)}, not {I}: expected less than the stride"
            )
        return (*P, self.filters)

    def _lay(self, x: np.ndarray, w_shape: Shape) -> Laid:
        """The window on images that have these maps."""
        laid: Laid | None = self.laid
        if laid is None or (laid.output_shape, laid.kernel_shape) != (x.shape, w_shape):
            check_images("x", x, len(w_shape) - 2)
            if x.shape[-1] != w_shape[0]:
                raise InputError(
                    f"x has {x.shape[-1]} channels (shape {x.shape}) but w was made for "
                    f"{w_shape[0]} (shape {w_shape})"
                )
            images = (len(x), *self.output_shape(x.shape[1:]))
            window = self._window(x.ndim - 2)
            self.laid = laid = lay(window, images, w_shape, self.method, groups=self.groups)
        return laid

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """z[n,p,c] = b[c] + sum over rows (i,u,p), k of w[k,u,c] * x[n,i,k]."""
        x, w = read_array("x", x), self.params["w"]
        self.x, self.sums = x, self._lay(x, w.shape).sharing()
        z = self.sums.conv_delta(x, w)
        if "b" in self.params:
            z += self.params["b"]
        return z

    def gradients(self, dz: np.ndarray) -> None:
        """dw[k,u,c] = sum_n sum_i dz[n,p,c] * x[n,i,k];  db[c] = sum_n sum_p dz[n,p,c]."""
        dz = read_deltas(dz, self.sums.input_shape)
        self.grads["w"] = self.sums.conv_weight_gradient(dz, self.x)
        if "b" in self.params:
            self.grads["b"] = conv_bias_gradient(dz)

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """dx[n,i,k] = sum_u sum_c w[k,u,c] * dz[n,p,c]: a convolution."""
        return self.sums.conv(read_deltas(dz, self.sums.input_shape), self.params["w"])
