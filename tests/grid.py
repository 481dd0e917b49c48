"""The awkward grid: the cases that every test of a convolution or a pool runs through.

An easy case hides mistakes: one channel hides exchanged axes, a square image exchanged sizes,
stride 1 a forgotten stride, a symmetric kernel a forgotten rotation. Nothing here is easy. Every
row of the tables is run unflipped and flipped, and every entry of every result is compared.
"""

import os
import re
from dataclasses import dataclass, replace
from functools import cache

import brute
import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st


def examples(count: int) -> settings:
    """So many drawn examples, the same on every run; `make ci-long` draws many more new ones.

    A busy machine is slow, not wrong: nothing depends on how long an example takes.
    """
    long = "CNNLIB_LONG" in os.environ
    return settings(
        max_examples=50 * count if long else count,
        derandomize=not long,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )


@dataclass(frozen=True)
class Case:
    """A convolution of `N` images of shape `P` and `C` channels, with `K` kernels of shape `U`."""

    name: str
    N: int
    P: tuple[int, ...]
    C: int
    K: int
    U: tuple[int, ...]
    stride: int | tuple[int, ...] = 1
    dilation: int | tuple[int, ...] = 1
    padding: object = None
    center: int | tuple[int, ...] | None = None
    flip: bool = False

    @property
    def geometry(self):
        """The keywords that say how the window lies."""
        names = ("stride", "dilation", "padding", "center", "flip")
        return {name: getattr(self, name) for name in names}

    @property
    def axes(self):
        """The cells that each output meets, counted by brute force."""
        return brute.lay(self.P, self.U, **self.geometry)

    @property
    def x_shape(self):
        return self.N, *self.P, self.C

    @property
    def large(self):
        """Whether the batch is large: slow for loops, the way for fast sums."""
        return self.N > 3

    def arrays(self):
        """Random `x`, `w`, `b` and `dz`, the same ones at each call."""
        r = np.random.default_rng(len(self.name))
        return (
            r.normal(size=self.x_shape),
            r.normal(size=(self.K, *self.U, self.C)),
            r.normal(size=self.K),
            r.normal(size=(self.N, *brute.outputs(self.axes), self.K)),
        )

    def pool_arrays(self):
        """`x` of small integers, so that most windows have ties, and random `da`."""
        r = np.random.default_rng(len(self.name))
        x = r.integers(-2, 3, self.x_shape).astype(float)
        return x, r.normal(size=(self.N, *brute.outputs(self.axes), self.C))


def both_flips(rows):
    return [
        replace(row, name=f"{row.name}{', flipped' * f}", flip=f) for row in rows for f in (0, 1)
    ]


# The one that exposes 50 of 51 known mistakes.
SHARPEST = Case("stride 2, padding 2", 2, (7, 6), 3, 3, (3, 3), stride=2, padding=2)

CASES = both_flips(
    [
        SHARPEST,
        # One axis
        Case("1-D, stride 2, remainder", 2, (8,), 2, 3, (3,), stride=2),
        Case("1-D, corner centre", 3, (7,), 3, 3, (4,), center=3),
        Case("1-D, one pair, stride 3", 2, (11,), 4, 2, (4,), stride=3, padding=((1, 2),)),
        Case("1-D, kernel larger than the input", 2, (3,), 2, 4, (7,), center=2),
        Case("1-D, last output meets nothing", 2, (2,), 3, 2, (2,), 2, 3, center=1),
        Case("1-D, last output meets nothing if flipped", 2, (2,), 2, 3, (2,), 2, 3, center=0),
        Case("1-D, stride larger than the kernel", 2, (11,), 2, 2, (2,), stride=3),
        Case("1-D, outputs in the padding meet nothing", 2, (3,), 2, 3, (2,), padding=((4, 3),)),
        Case("1-D, 'full', stride 2, dilation 2", 2, (6,), 2, 2, (3,), 2, 2, "full"),
        Case("1-D, 'same', stride 2, odd", 2, (7,), 3, 2, (4,), stride=2, padding="same"),
        Case("1-D, 'same', stride 2, even", 2, (8,), 2, 3, (3,), stride=2, padding="same"),
        # Two axes
        Case("'valid', oblong kernel", 2, (6, 8), 2, 4, (2, 3), padding="valid"),
        Case("two strides, pairs", 3, (7, 9), 3, 2, (4, 2), (2, 3), 1, ((1, 2), (2, 1))),
        Case("dilation 2", 2, (7, 6), 2, 3, (3, 2), dilation=2, padding=1),
        Case("dilation 1 and 2, stride 2", 2, (8, 9), 3, 3, (3, 3), 2, (1, 2), (1, 2)),
        Case("dilation 2 and 1, centre", 2, (6, 7), 2, 2, (3, 2), (1, 2), (2, 1), None, (0, 1)),
        Case("even kernel, corner centre, stride 2", 2, (7, 6), 2, 5, (2, 2), 2, center=(0, 0)),
        Case("other corner centre", 2, (5, 6), 3, 3, (3, 2), center=(2, 1)),
        Case("off-centre, stride 3", 2, (8, 7), 3, 2, (4, 3), 3, center=(1, 2)),
        Case("'same', stride 2", 2, (7, 6), 2, 3, (3, 3), stride=2, padding="same"),
        Case("'same', even kernel", 2, (5, 6), 3, 3, (2, 4), padding="same"),
        Case("'full'", 2, (4, 5), 2, 3, (3, 2), padding="full"),
        Case("batch of 1, zero padding", 1, (6, 5), 2, 3, (3, 3), padding=(0, 1)),
        Case("1x1 kernel, stride 2", 2, (5, 6), 3, 3, (1, 1), stride=2),
        Case(
            "stride larger than the kernel, pairs", 2, (7, 8), 2, 3, (2, 2), 3, 1, ((1, 0), (0, 2))
        ),
        Case("kernel larger than the image", 2, (2, 3), 3, 2, (4, 5), center=(2, 1)),
        Case("padding larger than the kernel", 2, (3, 4), 2, 2, (2, 3), 1, 1, ((4, 3), (0, 4))),
        # Three axes
        Case("3-D, two strides", 2, (4, 5, 3), 2, 3, (2, 3, 2), (2, 1, 2), padding=(1, 0, 1)),
        Case(
            "3-D, off-centre, dilation",
            2,
            (3, 4, 5),
            3,
            3,
            (2, 2, 3),
            1,
            (1, 2, 1),
            None,
            (1, 0, 1),
        ),
        Case("3-D, 'same', stride 2", 2, (4, 3, 5), 2, 2, (3, 2, 3), stride=2, padding="same"),
        Case("3-D, 'full'", 2, (2, 3, 2), 3, 2, (2, 1, 3), padding="full"),
        # Many columns, so that output rows share their bands
        Case("many, 1-D, pair, stride 2", 300, (6,), 2, 3, (3,), stride=2, padding=((1, 2),)),
        Case("many, pairs", 40, (6, 7), 2, 3, (3, 2), padding=((1, 2), (0, 1))),
        Case(
            "many, off-centre, stride 2 and 3", 64, (7, 11), 3, 3, (4, 2), (2, 3), 1, None, (2, 1)
        ),
        Case("many, dilated across", 43, (5, 6), 2, 2, (2, 2), (1, 1), (1, 2), padding=1),
        Case(
            "many, 3-D", 29, (4, 3, 3), 2, 3, (3, 2, 2), (2, 1, 1), padding=((2, 1), (0, 1), (1, 0))
        ),
        # Many columns, but windows that do not overlap
        Case("many, dilation 2", 64, (6, 5), 2, 3, (3, 2), dilation=2, padding=(1, 0)),
        Case("many, windows apart", 64, (7, 6), 3, 2, (2, 2), (3, 2), padding=1),
    ]
)

# A pool: the window is U, and K is not used.
POOLS = both_flips(
    [
        Case("stride of the window, remainder", 2, (7, 9), 3, 0, (2, 4), (2, 4)),
        Case("overlapping, pairs", 3, (6, 7), 2, 0, (3, 2), (2, 1), 1, ((1, 2), (0, 1))),
        Case("overlapping, symmetric padding", 2, (7, 6), 3, 0, (3, 2), (2, 1), padding=1),
        Case("windows apart", 2, (8, 9), 2, 0, (2, 2), 3),
        Case("off-centre, stride 1", 2, (5, 6), 2, 0, (3, 2), center=(0, 1)),
        Case("centre, stride 2", 2, (7, 6), 3, 0, (4, 3), 2, center=(1, 2)),
        Case("'same', stride 2", 2, (7, 6), 2, 0, (3, 3), 2, padding="same"),
        Case("'full'", 2, (4, 5), 3, 0, (2, 3), padding="full"),
        Case("larger than the image", 2, (2, 3), 3, 0, (4, 5), center=(1, 2)),
        Case("batch of 1, one cell", 1, (3, 4), 2, 0, (1, 1), 2),
        Case("1-D, overlapping", 2, (9,), 3, 0, (4,), 3, padding=((2, 1),)),
        Case("1-D, windows apart", 3, (10,), 2, 0, (2,), 4, padding=1),
        Case("1-D, centre", 2, (7,), 2, 0, (3,), 2, center=0),
        Case("3-D, overlapping", 2, (4, 5, 3), 2, 0, (2, 3, 2), (2, 2, 1), padding=(1, 1, 0)),
        Case("3-D, centre", 2, (3, 4, 5), 3, 0, (2, 2, 3), (1, 2, 2), center=(1, 0, 1)),
        Case("many images", 100, (5, 6), 3, 0, (3, 2), 2, padding=((1, 1), (1, 0))),
    ]
)


@cache
def truth(case):
    """What brute force says of a case: `z`, `dx`, `dw`, `db`. Read-only, since tests share it."""
    x, w, b, dz = case.arrays()
    results = (
        brute.conv(x, w, b, case.axes),
        brute.conv_delta(dz, w, case.P, case.axes),
        brute.conv_weight_gradient(x, dz, case.U, case.axes),
        brute.conv_bias_gradient(dz),
    )
    for result in results:
        result.flags.writeable = False
    return results


def layouts(x):
    """The same array, `(N, *P, C)`, as it may lie in memory."""
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    swap = (x.ndim - 1, *range(1, x.ndim - 1), 0)  # the first axis with the last, and back
    locked = x.copy()
    locked.flags.writeable = False
    return {
        "as it is": x,
        "read-only": locked,
        "Fortran order": np.asfortranarray(x),
        "negative strides": np.flip(np.flip(x).copy()),
        "every second entry": wide[..., ::2],
        "batch last": x.transpose(swap).copy().transpose(swap),
        "channels first": np.moveaxis(np.moveaxis(x, -1, 1).copy(), 1, -1),
    }


def says(message):
    """A pattern for `pytest.raises`: the message as it is, where `...` stands for anything."""
    return ".*".join(re.escape(part) for part in message.split("..."))


@st.composite
def drawn(draw, pool=False):
    """A case with any legal geometry. Windows of a `pool` are dense and may meet no input."""
    n = draw(st.integers(1, 3))
    most = (5, 3, 2)[n - 1]  # more axes, fewer cells

    def each(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(n))

    U, s, d = each(1, most), each(1, 3), each(1, 1 if pool else 3)
    spans = [b * (a - 1) + 1 for a, b in zip(U, d, strict=True)]
    padding = center = None
    kind = draw(st.sampled_from(["center", "pairs", "numbers", "number", "valid", "same", "full"]))
    least = [1] * n
    if kind == "center":
        center = tuple(draw(st.integers(0, a - 1)) for a in U)
    elif kind == "pairs":
        padding = tuple(zip(each(0, 4), each(0, 4), strict=True))
        least = [span - sum(pair) for span, pair in zip(spans, padding, strict=True)]
    elif kind in ("number", "numbers"):
        padding = draw(st.integers(0, 4)) if kind == "number" else each(0, 3)
        pads = brute.each(padding, n)
        least = [span - 2 * pad for span, pad in zip(spans, pads, strict=True)]
    else:
        padding = kind
        least = spans if kind == "valid" else least
    P = tuple(max(1, k) + draw(st.integers(0, most)) for k in least)
    N, C, K, flip = (draw(st.integers(1, k)) for k in (3, 3, 3, 2))
    return Case("drawn", N, P, C, K, U, s, d, padding, center, flip == 2)
