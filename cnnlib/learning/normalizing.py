"""Batch norm: each channel is brought to mean 0 and variance 1 (chapter 10)."""

from functools import partial

import numpy as np
from numpy.typing import DTypeLike

from cnnlib.arrays import (
    float_arrays,
    read_float_type,
    read_number,
    read_positive,
    read_shape,
    read_truth,
)
from cnnlib.errors import InputError
from cnnlib.geometry import Shape

from .activations import quiet
from .configured import Checked
from .layers import Activation, FewNumbers, Remembered, read_deltas


class BatchNorm(Activation):
    """z = gamma * h + beta with h = (x - m) / sqrt(v + epsilon), channel by channel (chapter 10).

    In a training m and v are the mean and the variance of the batch, over all axes but the last;
    otherwise they are the running ones, the buffers `mean` and `variance`. A training step moves
    these towards those of its batch:

        mean += rate * (m - mean);  variance += rate * (v * M / (M - 1) - variance)

    where M numbers of the batch make up a channel. Without `unbiased` the factor M / (M - 1) is
    left out. A batch whose m or v is not finite leaves the running ones as they are: its outputs
    say that it is broken, and those of later batches are sound.

    Parameters
    ----------
    rate : float from 0 to 1
        The share that a batch has in the running numbers. The frameworks call two things
        `momentum`: this share in PyTorch, what is kept in Keras. So `rate=0.1` is `momentum=0.1`
        there and `momentum=0.9` here.
    epsilon : float
        Keeps the root away from 0. PyTorch's own is 1e-5, that of Keras 1e-3.
    unbiased : bool
        Whether the running variance estimates that of all data, as in PyTorch, or is the mean of
        those of the batches, as in Keras. The batch itself is always divided by the root of v.

    Raises
    ------
    InputError
        A training step has one number in a channel: its variance is 0 whatever the number is. Or
        the channels are not those that the layer was built for.

    Examples
    --------
    The mean of 1 and 5 is 3, their variance is 4, so h is -1 and 1.

    >>> layer = BatchNorm(rate=0.5, epsilon=1e-12)
    >>> layer.build((1,), np.random.default_rng(0), np.float64)
    (1,)
    >>> layer.forward(np.array([[1.0], [5.0]]), training=True).round(6).tolist()
    [[-1.0], [1.0]]
    >>> layer.buffers["mean"].tolist(), layer.buffers["variance"].tolist()  # from 0 and 1
    ([1.5], [4.5])
    """

    rate = Checked(
        partial(read_number, wanted="a number from 0 to 1", fits=lambda rate: 0 <= rate <= 1)
    )
    epsilon, unbiased = Checked(read_positive), Checked(read_truth)

    def __init__(self, *, rate: float = 0.1, epsilon: float = 1e-5, unbiased: bool = True) -> None:
        super().__init__()
        self.rate, self.epsilon, self.unbiased = rate, epsilon, unbiased

    def build(self, shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        """Make `gamma`, `beta`, and the running `mean` and `variance`, each (C,)."""
        C, dtype = read_shape("shape", shape)[-1], read_float_type("dtype", dtype)
        self._epsilon_in(dtype)
        if isinstance(rng, FewNumbers):  # of a file; nothing is drawn that would be counted
            rng.count(4 * C)
        self.params.update(gamma=np.ones(C, dtype), beta=np.zeros(C, dtype))
        self.buffers.update(mean=np.zeros(C, dtype), variance=np.ones(C, dtype))
        return super().build(shape, rng, dtype)

    h, s = Remembered(), Remembered()

    @quiet
    def forward(self, x: np.ndarray, *, training: bool = False) -> np.ndarray:
        """z[n,i,c] = gamma[c] * h[n,i,c] + beta[c]."""
        (x,) = float_arrays(x=x)
        mean, variance = self.buffers["mean"], self.buffers["variance"]
        if x.ndim < 2 or x.shape[-1] != len(mean) or x.size == 0:
            raise InputError(
                f"x has shape {x.shape}; expected (N, ..., {len(mean)}): this BatchNorm was built "
                f"for {len(mean)} channels, which come last"
            )
        self.of_batch = read_truth("training", training)
        if training:
            centred = x - (m := _mean(x))
            v = _mean(centred**2)
            self._move(m, v, x.size // x.shape[-1])
        else:
            centred, v = x - mean.astype(x.dtype, copy=False), variance
        self.s = np.sqrt(v + self._epsilon_in(x.dtype)).astype(x.dtype, copy=False)
        self.h = centred / self.s
        return self.params["gamma"] * self.h + self.params["beta"]

    @quiet
    def _epsilon_in(self, dtype: np.dtype) -> float:
        """The epsilon, if numbers of this type can be as small and as large."""
        if not 0 < dtype.type(self.epsilon) < np.inf:
            raise InputError(
                f"epsilon is {self.epsilon}, which is {dtype.type(self.epsilon)} in {dtype}; "
                "expected a number that keeps the root away from 0, such as 1e-5"
            )
        return self.epsilon

    def _move(self, m: np.ndarray, v: np.ndarray, M: int) -> None:
        """Move the running numbers towards those of a batch, of M numbers a channel."""
        if M == 1:
            raise InputError(
                "a training step has one number in each channel: its variance is 0, and all that "
                "BatchNorm could give is beta. Choose a batch that leaves no single sample at the "
                "end of an epoch, or put BatchNorm where an image still has more than one place"
            )
        if np.isfinite(m).all() and np.isfinite(v).all():
            mean, variance = self.buffers["mean"], self.buffers["variance"]
            mean += self.rate * (m - mean)
            variance += self.rate * (v * (M / (M - 1) if self.unbiased else 1) - variance)

    @quiet
    def gradients(self, dz: np.ndarray) -> None:
        """dgamma[c] = sum_n sum_i dz[n,i,c] * h[n,i,c];  dbeta[c] = sum_n sum_i dz[n,i,c]."""
        dz, M = read_deltas(dz, self.h.shape), self.h.size // self.h.shape[-1]
        self.grads["gamma"], self.grads["beta"] = M * _mean(dz * self.h), M * _mean(dz)

    @quiet
    def delta(self, dz: np.ndarray) -> np.ndarray:
        """dx = gamma / s * (dz - mean(dz) - h * mean(dz * h)): itself, the mean, the variance.

        The running numbers are constants: outside training dx = gamma / s * dz.
        """
        dz = read_deltas(dz, self.h.shape)
        if self.of_batch:
            dz = dz - _mean(dz) - self.h * _mean(dz * self.h)
        return self.params["gamma"] / self.s * dz


def _mean(a: np.ndarray) -> np.ndarray:
    """The mean of each channel; its sum is taken in float64, since it may have many terms."""
    return a.mean(tuple(range(a.ndim - 1)), dtype=np.float64).astype(a.dtype)
