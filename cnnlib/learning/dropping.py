"""Dropout: a training step sees a part of the cells (chapter 10)."""

from functools import partial
from typing import Any

import numpy as np

from cnnlib.arrays import float_arrays, read_generator, read_number, read_truth
from cnnlib.errors import InputError

from .configured import Checked
from .layers import Activation, Remembered, read_batch, read_deltas


class Dropout(Activation):
    """a = m * x, where m is 0 with the probability `rate`, else 1 / (1 - rate) (chapter 10).

    So the mean of a over all masks is x. Outside training a = x: nothing is drawn, nothing is
    scaled.

    Parameters
    ----------
    rate : float from 0 up to, and without, 1
        The probability with which a cell is dropped, as `p` in PyTorch and `rate` in Keras.
    rng : numpy.random.Generator, optional
        Draws the masks. A checkpoint keeps where it stands, and needs another one than that which
        shuffles. A file of `Network.save` keeps none: who goes on to train a loaded network gives
        it one, `network.layers["dropout1"].rng = np.random.default_rng(0)`.

    Raises
    ------
    InputError
        A training step finds no Generator.

    Examples
    --------
    >>> layer = Dropout(0.5, np.random.default_rng(0))
    >>> layer.forward(np.array([[1.0, 2.0, 3.0, 4.0]]), training=True).tolist()
    [[2.0, 0.0, 0.0, 0.0]]
    >>> layer.backward(np.array([[1.0, 1.0, 1.0, 1.0]])).tolist()
    [[2.0, 0.0, 0.0, 0.0]]
    >>> layer.forward(np.array([[1.0, 2.0, 3.0, 4.0]])).tolist()
    [[1.0, 2.0, 3.0, 4.0]]
    """

    rate = Checked(
        partial(
            read_number, wanted="a number from 0 up to, and without, 1", fits=lambda r: 0 <= r < 1
        )
    )
    rng = Checked(lambda name, rng: None if rng is None else read_generator(name, rng))

    def __init__(self, rate: float, rng: np.random.Generator | None = None) -> None:
        super().__init__()
        self.rate, self.rng = rate, rng

    def config(self) -> dict[str, Any]:
        """The rate alone: a Generator is no number, and its state is a checkpoint's."""
        return {"rate": self.rate}

    m = Remembered()

    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """a = m * x. The draws are of float64, so that a seed gives one mask in every type."""
        (x,) = float_arrays(x=read_batch(x))
        self.m = np.broadcast_to(x.dtype.type(1), x.shape)
        if not read_truth("training", training):
            return x
        if self.rng is None:
            raise InputError(
                "training is True, and this Dropout has no Generator to draw its masks with; a "
                f"file keeps none: Dropout({self.rate}, np.random.default_rng(0)), or set its rng"
            )
        kept = self.rng.random(x.shape) >= self.rate
        self.m = kept * x.dtype.type(1 / (1 - self.rate))
        return self.m * x

    def delta(self, dz: np.ndarray) -> np.ndarray:
        """dx = m * da."""
        return self.m * read_deltas(dz, self.m.shape)
