"""Images and kernels as small pictures in rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnnlib.arrays import read_array, read_integer, read_kind, read_positive
from cnnlib.errors import InputError

from .style import Figure, new_figure, styled

_SIZE = 0.85  # inches: the width of a picture


def kernels(w: np.ndarray, channel: int = 0) -> Figure:
    """Draw one channel of every kernel `(K, kh, kw, C)`: blue negative, white 0, red positive."""
    w, channel = _read_tiles("w", w), read_integer("channel", channel, 0)
    if channel >= w.shape[-1]:
        raise InputError(f"channel is {channel}; the kernels have {w.shape[-1]}, from 0")
    limit = float(np.abs(w[..., channel]).max()) or 1.0
    with styled():
        figure, axes = _tiles(w.shape, room=0.6)
        for k, ax in enumerate(axes[: len(w)]):
            picture = ax.imshow(w[k, ..., channel], cmap="RdBu_r", vmin=-limit, vmax=limit)
            ax.set_title(f"filter {k}")
        figure.colorbar(picture, ax=axes, label="weight", shrink=0.8)
    return figure


def images(
    x: np.ndarray, titles: Sequence[str] | None = None, *, columns: int = 8, size: float = _SIZE
) -> Figure:
    """Draw images `(N, H, W, 1)` or `(N, H, W, 3)` with values 0 to 1, each with its title.

    `columns` is the number of images in a row, `size` the width of each in inches.
    """
    x, columns = _read_tiles("x", x), read_integer("columns", columns, 1)
    size = read_positive("size", size)
    if x.shape[-1] not in (1, 3):
        raise InputError(f"x has shape {x.shape}; expected 1 channel, or 3: red, green and blue")
    if titles is not None and len(read_kind("titles", titles, Sequence, "words")) != len(x):
        raise InputError(f"titles has {len(titles)} entries; expected {len(x)}, one for each image")
    with styled():
        figure, axes = _tiles(x.shape, columns, size)
        for n, ax in enumerate(axes[: len(x)]):
            ax.imshow(x[n].squeeze(axis=-1) if x.shape[-1] == 1 else x[n], vmin=0, vmax=1)
            if titles is not None:
                ax.set_title(titles[n])
    return figure


def _read_tiles(name: str, values: ArrayLike) -> np.ndarray:
    array = read_array(name, values)
    if array.ndim != 4 or array.size == 0:
        raise InputError(f"{name} has shape {array.shape}; expected (N, H, W, C), none of them 0")
    return array


def _tiles(
    shape: Sequence[int], columns: int = 8, size: float = _SIZE, room: float = 0
) -> tuple[Figure, list[Any]]:
    """A figure with axes for pictures of this shape `(N, H, W, C)`, in rows of up to `columns`.

    `room` is left free at the right.
    """
    N, H, W, _ = shape
    rows, columns = -(-N // columns), min(N, columns)
    figure = new_figure(size * columns + room, (size * H / W + 0.25) * rows)
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    return figure, list(axes.flat)
