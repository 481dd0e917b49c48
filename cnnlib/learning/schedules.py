"""Schedules: the learning rate as a function of the step."""

import math
from functools import partial

from cnnlib.arrays import read_integer, read_positive
from cnnlib.errors import InputError

from .configured import Checked, Configured


class Cosine(Configured):
    """A schedule of learning rates: a warm-up in equal steps, then half a wave down (chapter 5).

        η(t) = η t/W                              for t = 1 .. W
        η(t) = η (1 + cos(π (t-1-W) / (T-W))) / 2  for t = W+1 .. T

    `fit(..., schedule=Cosine(1e-3, steps=600, warm_up=60))` takes it; any other function of the
    step's number does as well.

    Parameters
    ----------
    peak : float
        η, positive.
    steps : int
        T, the length of the training.
    warm_up : int
        W, from 0 to below T.

    Raises
    ------
    InputError
        If a number is out of its range, or a rate is asked for beyond the last step.

    Examples
    --------
    >>> rate = Cosine(1.0, steps=6, warm_up=2)
    >>> [round(rate(t), 3) for t in range(1, 7)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
    """

    peak = Checked(read_positive)
    steps = Checked(partial(read_integer, least=1))
    warm_up = Checked(partial(read_integer, least=0))

    def __init__(self, peak: float, steps: int, *, warm_up: int = 0) -> None:
        self.peak, self.steps, self.warm_up = peak, steps, warm_up
        self(self.steps)

    def __call__(self, t: int) -> float:
        """The learning rate of step t = 1, 2, ..."""
        if self.warm_up >= self.steps:
            raise InputError(
                f"warm_up is {self.warm_up}, steps is {self.steps}; a warm-up must be shorter than "
                "the training"
            )
        η, T, W = self.peak, self.steps, self.warm_up
        if (t := read_integer("t", t, 1)) > T:
            raise InputError(
                f"{self!r} has {T} steps and was asked for step {t}: give it steps=epochs*batches"
            )
        return η * t / W if t <= W else η * (1 + math.cos(math.pi * (t - 1 - W) / (T - W))) / 2
