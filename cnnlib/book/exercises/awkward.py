"""Awkward configurations for exercises: whatever is equal or absent there hides no mistake."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnnlib.geometry import Window

# N, P, C, K, U, stride, dilation, padding, center, flip; the simplest first.
_ROWS: tuple[tuple, ...] = (
    (1, (3,), 1, 1, (2,), 1, 1, None, None, False),
    (2, (5,), 2, 3, (3,), 1, 1, ((1, 2),), None, False),
    (2, (8,), 2, 3, (3,), 2, 1, None, None, False),
    (2, (7,), 2, 2, (4,), 3, 1, None, 1, True),
    (2, (9,), 3, 2, (3,), 2, 2, 1, None, False),
    (2, (9,), 2, 3, (2,), 3, 2, None, 0, True),
    (1, (3, 4), 1, 1, (2, 2), 1, 1, None, None, False),
    (2, (4, 5), 2, 3, (2, 3), 1, 1, (1, 0), None, False),
    (2, (7, 6), 3, 3, (3, 3), 2, 1, 2, None, False),
    (2, (5, 6), 3, 2, (3, 2), (2, 1), 1, ((1, 0), (0, 2)), None, False),
    (2, (6, 7), 2, 3, (3, 2), (1, 2), (2, 1), None, (0, 1), False),
    (2, (8, 7), 3, 2, (4, 3), 3, 1, None, (1, 2), True),
)


@dataclass(frozen=True)
class AwkwardLayer:
    """A convolution with its arrays: small integers, stored as floats."""

    x: np.ndarray = field(repr=False)  # (N, *P, C)
    w: np.ndarray = field(repr=False)  # (K, *U, C)
    b: np.ndarray = field(repr=False)  # (K,)
    dz: np.ndarray = field(repr=False)  # (N, *I, K)
    stride: Any
    dilation: Any
    padding: Any
    center: Any
    flip: bool

    @property
    def geometry(self) -> dict[str, Any]:
        """The keywords of `cnnlib.conv`."""
        names = ("stride", "dilation", "padding", "center", "flip")
        return {name: getattr(self, name) for name in names}


def awkward_layers(axes: int) -> Iterator[AwkwardLayer]:
    """All configurations with this number of spatial axes, the simplest first."""
    for N, P, C, K, U, *geometry in _ROWS:
        if len(P) == axes:
            r = np.random.default_rng(0)
            I = Window(U, *geometry).output_shape(P)
            shapes = (N, *P, C), (K, *U, C), (K,), (N, *I, K)
            x, w, b, dz = (r.integers(-5, 6, shape).astype(float) for shape in shapes)
            yield AwkwardLayer(x, w, b, dz, *geometry)
