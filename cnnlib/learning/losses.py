"""Losses: what the outputs y of a network cost, given the targets t, and the delta they send back.

`value(y, t)` is the mean over the batch of the loss of one sample; `delta(y, t)` is the gradient of
that mean. So the 1/N of every gradient comes from here, once; the layers only sum (chapter 3A).

A network ends in probabilities (Softmax and `CrossEntropy`, Sigmoid and `BinaryCrossEntropy`) or
in logits (`SoftmaxCrossEntropy`, `SigmoidBinaryCrossEntropy`: activation and loss fused). Both ways
give the same numbers at any logit; `activations` says how the separate one manages.
"""

import math
from abc import ABC, abstractmethod
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cnnlib.arrays import float_arrays, read_array
from cnnlib.errors import InputError, raised, shown

from .activations import ROUNDING, quiet, sigmoid, softmax
from .configured import Configured


class Loss(Configured, ABC):
    """The mean over the batch, n = 0..N-1, of a loss per sample. It has no state.

    Here t has the shape of y; the losses for a choice among K classes also read labels. A y that
    is not finite passes, for the training loop to see and trace; a t that is not finite does not.
    `activation` names the layer that the loss has inside, which no network may end in beside it.
    """

    activation = ""

    @quiet
    def value(self, y: ArrayLike, t: ArrayLike) -> float:
        """Loss of the batch: `E = 1/N sum_n E_n(y[n], t[n])`, n = 0..N-1; the class gives `E_n`.

        Parameters
        ----------
        y : array (N, ...)
            Outputs of the network.
        t : array
            Targets.

        Returns
        -------
        E : float

        Raises
        ------
        InputError
            If the batch is empty, y and t do not fit each other, or a value is out of its range.
        """
        y, t = self._read(y, t)
        return float(self._terms(y, t).sum(dtype=np.float64)) / len(y)

    @quiet
    def delta(self, y: ArrayLike, t: ArrayLike) -> NDArray:
        """Gradient of `value`: `dy[n, ...] = dE/dy[n, ...]`; the 1/N is in it.

        Parameters
        ----------
        y : array (N, ...)
            Outputs of the network.
        t : array
            Targets.

        Returns
        -------
        dy : array of the shape and dtype of y

        Raises
        ------
        InputError
            If the batch is empty, y and t do not fit each other, or a value is out of its range.
        """
        y, t = self._read(y, t)
        return self._slopes(y, t) / len(y)

    @quiet
    def accuracy(self, y: ArrayLike, t: ArrayLike) -> float:
        """Share of the samples whose class is right; NaN where y is no choice between classes.

        The class is the largest of several outputs, where each row of `t` adds up to 1. Of one
        output it is yes or no, if the loss reads it as a probability or a logit. Outputs with a NaN
        are no class: they are wrong.
        """
        y, t = self._read(y, t)
        if y.ndim != 2 or (y.shape[1] == 1 and self._yes is None):
            return float("nan")
        if y.shape[1] == 1:
            right = ((y > self._yes) == (t > 0.5))[:, 0]
        elif (t < 0).any() or (np.abs(t.sum(axis=1) - 1) > 1e-3).any():
            return float("nan")
        else:
            right = y.argmax(axis=1) == t.argmax(axis=1)
        return float((right & ~np.isnan(y).any(axis=1)).mean())

    _yes: float | None = None  # where a single output turns from no to yes

    @abstractmethod
    def _terms(self, y: NDArray, t: NDArray) -> NDArray:
        """The terms whose sum is N*E."""

    @abstractmethod
    def _slopes(self, y: NDArray, t: NDArray) -> NDArray:
        """N * dE/dy."""

    def _read(self, y: ArrayLike, t: ArrayLike) -> tuple[NDArray, NDArray]:
        """Check y and t, and bring t to the shape and dtype of y."""
        (y,) = float_arrays(y=y)
        t = read_array("t", t)  # labels stay integers
        if y.ndim == 0 or y.size == 0:
            raise InputError(f"y has shape {y.shape}; expected (N, ...) with at least one sample")
        finite = np.isfinite(t.astype(y.dtype, copy=False))
        if not finite.all():
            at = _first(~finite)
            raise InputError(
                f"t[{at}] is not finite in {y.dtype}; a target is a finite number: check the data"
            )
        return y, self._targets(y, t).astype(y.dtype, copy=False)

    def _targets(self, y: NDArray, t: NDArray) -> NDArray:
        """Targets in the shape of y."""
        if t.shape == y.shape:
            return t
        if t.size == y.size:
            cure = "bring both to the same axes: t.reshape(y.shape)"
        elif t.shape == y.shape[:1]:
            cure = f"turn labels into one-hot rows: np.eye({y.shape[-1]})[t]"
        else:
            cure = "take y and t from the same samples, one target for each output"
        raise InputError(f"t has shape {t.shape}, expected the shape of y, {y.shape}; {cure}")


class HalfSquaredError(Loss):
    """Half the squared error: `E = 1/(2N) sum_n sum_k (y[n,k] - t[n,k])**2`.

    n = 0..N-1; k runs over all outputs of a sample, on whatever axes: y and t are `(N, ...)`.
    The half cancels the 2 of the derivative, `dE/dy[n,k] = (y[n,k] - t[n,k]) / N` (chapter 3A).

    Examples
    --------
    >>> y, t = [[1, 2], [3, 4]], [[1, 0], [2, 5]]
    >>> HalfSquaredError().value(y, t)  # (0 + 4 + 1 + 1) / (2*2)
    1.5
    >>> HalfSquaredError().delta(y, t).tolist()
    [[0.0, 1.0], [0.5, -0.5]]
    """

    def _terms(self, y: NDArray, t: NDArray) -> NDArray:
        return (y - t) ** 2 / 2

    def _slopes(self, y: NDArray, t: NDArray) -> NDArray:
        return y - t


class BinaryCrossEntropy(Loss):
    """Cross-entropy of yes-or-no probabilities y, such as a Sigmoid gives.

    `E = -1/N sum_n sum_k (t[n,k] log y[n,k] + (1 - t[n,k]) log(1 - y[n,k]))`, n = 0..N-1, k over
    all outputs of a sample; y and t are `(N, ...)` within 0..1. Its gradient is
    `dE/dy[n,k] = ((1 - t[n,k]) / (1 - y[n,k]) - t[n,k] / y[n,k]) / N` (chapter 3A). A y of 0 or 1
    counts as the next number inside, the extremes of `activations.sigmoid`.

    Examples
    --------
    >>> from math import log
    >>> y, t = [[0.25], [0.5]], [[1], [0]]
    >>> round(BinaryCrossEntropy().value(y, t) / log(2), 12)  # (log 4 + log 2) / 2
    1.5
    >>> BinaryCrossEntropy().delta(y, t).tolist()
    [[-2.0], [1.0]]
    """

    _yes = 0.5

    def _terms(self, y: NDArray, t: NDArray) -> NDArray:
        return -(t * np.log(y) + (1 - t) * np.log1p(-y))

    def _slopes(self, y: NDArray, t: NDArray) -> NDArray:
        return (1 - t) / (1 - y) - t / y

    def _read(self, y: ArrayLike, t: ArrayLike) -> tuple[NDArray, NDArray]:
        y, t = super()._read(y, t)
        _check_range("y", y, ROUNDING, "do logits come in? they go to SigmoidBinaryCrossEntropy")
        _check_range("t", t, 0, "a target is the probability of yes")
        info = np.finfo(y.dtype)
        return np.clip(y, info.tiny, 1 - info.epsneg), t


class SigmoidBinaryCrossEntropy(Loss):
    """Sigmoid and `BinaryCrossEntropy` in one: y holds logits `(N, ...)`, t is within 0..1.

    With a = sigmoid(y), `E = -1/N sum_n sum_k (t[n,k] log a[n,k] + (1 - t[n,k]) log(1 - a[n,k]))`,
    n = 0..N-1, k over all outputs of a sample. In the gradient the denominators cancel:
    `dE/dy[n,k] = (a[n,k] - t[n,k]) / N` (chapter 3A).

    Examples
    --------
    >>> from math import log
    >>> y, t = [[0], [log(3)]], [[1], [0]]
    >>> round(SigmoidBinaryCrossEntropy().value(y, t) / log(2), 12)  # (log 2 + log 4) / 2
    1.5
    >>> SigmoidBinaryCrossEntropy().delta(y, t).round(12).tolist()
    [[-0.25], [0.375]]
    """

    activation = "Sigmoid"

    _yes = 0.0

    def _terms(self, y: NDArray, t: NDArray) -> NDArray:
        # -log(1 - a) = log(1 + exp(y)), and -log a is that minus y. So a term is
        # log(1 + exp(y)) - t y, where log(1 + exp(y)) = max(y, 0) + log(1 + exp(-|y|)) is safe.
        return np.maximum(y, 0) - t * y + np.log1p(np.exp(-np.abs(y)))

    def _slopes(self, y: NDArray, t: NDArray) -> NDArray:
        return sigmoid(y) - t

    def _read(self, y: ArrayLike, t: ArrayLike) -> tuple[NDArray, NDArray]:
        y, t = super()._read(y, t)
        _check_range("t", t, 0, "a target is the probability of yes")
        return y, t


class _OneOfK(Loss):
    """A choice among K classes: y is `(N, K)`, t labels `(N,)` or rows `(N, K)` that sum to 1."""

    def _targets(self, y: NDArray, t: NDArray) -> NDArray:
        if y.ndim != 2 or y.shape[1] < 2:
            cure = "one output: SigmoidBinaryCrossEntropy" if y.ndim == 2 else "flatten each sample"
            raise InputError(f"y has shape {y.shape}, expected (N, K) with K >= 2 classes; {cure}")
        N, K = y.shape
        if t.shape == (N,) and t.dtype.kind in "iu":
            return _one_hot(t, y)
        if t.shape == (N, K):
            _check_range("t", t, 0, "a row of targets holds probabilities")
            wrong = abs(t.sum(axis=1) - 1) > ROUNDING
            if wrong.any():
                n = _first(wrong)
                raise InputError(
                    f"t[{n}] sums to {t.sum(axis=1)[wrong][0]:.6g}, expected 1; where several "
                    f"classes may be right at once, use SigmoidBinaryCrossEntropy"
                )
            return t
        if t.shape == (N,):
            cure = f"labels are integers, not {t.dtype}: t.astype(int)"
        elif t.shape == (N, 1):
            cure = "labels have one axis: t.ravel()"
        elif t.ndim == 2 and len(t) == N:
            cure = f"a row of targets has one entry for each of the {K} columns of y"
        else:
            cure = f"y has {N} samples: take y and t from the same samples"
        raise InputError(
            f"t has shape {t.shape}, expected labels ({N},) or rows ({N}, {K}); {cure}"
        )


class CrossEntropy(_OneOfK):
    """Cross-entropy of probabilities y `(N, K)`, such as a Softmax gives.

    `E = -1/N sum_n sum_k t[n,k] log y[n,k]`, n = 0..N-1, k = 0..K-1. t holds integer labels
    `(N,)`, or rows `(N, K)` of probabilities; label l stands for the row with 1 at k = l and 0
    elsewhere. `dE/dy[n,k] = -t[n,k] / y[n,k] / N` (chapter 3A). A y of 0 counts as the smallest
    normal number, the least that `activations.softmax` gives.

    Examples
    --------
    >>> from math import log
    >>> y, t = [[0.25, 0.75], [0.5, 0.5]], [0, 1]
    >>> round(CrossEntropy().value(y, t) / log(2), 12)  # (log 4 + log 2) / 2
    1.5
    >>> CrossEntropy().delta(y, t).astype(int).tolist()
    [[-2, 0], [0, -1]]
    """

    def _terms(self, y: NDArray, t: NDArray) -> NDArray:
        return -t * np.log(y)

    def _slopes(self, y: NDArray, t: NDArray) -> NDArray:
        return -t / y

    def _read(self, y: ArrayLike, t: ArrayLike) -> tuple[NDArray, NDArray]:
        y, t = super()._read(y, t)
        _check_range("y", y, ROUNDING, "do logits come in? they go to SoftmaxCrossEntropy")
        return np.maximum(y, np.finfo(y.dtype).tiny), t


class SoftmaxCrossEntropy(_OneOfK):
    """Softmax and `CrossEntropy` in one: y holds logits `(N, K)`.

    With a = softmax(y), `E = -1/N sum_n sum_k t[n,k] log a[n,k]`, n = 0..N-1, k = 0..K-1, where
    `log a[n,k] = y[n,k] - log sum_l exp(y[n,l])`, l = 0..K-1. t is as for `CrossEntropy`. Since
    each row of t sums to 1, `dE/dy[n,k] = (a[n,k] - t[n,k]) / N` (chapter 3A).

    Examples
    --------
    >>> from math import log
    >>> y, t = [[0, log(3)], [5, 5]], [0, 1]
    >>> round(SoftmaxCrossEntropy().value(y, t) / log(2), 12)  # (log 4 + log 2) / 2
    1.5
    >>> SoftmaxCrossEntropy().delta(y, t).round(12).tolist()
    [[-0.375, 0.375], [0.25, -0.25]]
    """

    activation = "Softmax"

    def _terms(self, y: NDArray, t: NDArray) -> NDArray:
        y = y - y.max(axis=1, keepdims=True)  # changes no a; now exp cannot overflow
        return -t * (y - np.log(np.exp(y).sum(axis=1, keepdims=True)))

    def _slopes(self, y: NDArray, t: NDArray) -> NDArray:
        return softmax(y) - t


def _float(number: Any) -> float:
    """A number as a float; one that is too large for that is infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf
    except Exception as error:  # what a foreign class raises
        raise InputError(f"{shown(number)} is no number ({raised(error)})") from error


def value_of(loss: Loss, y: ArrayLike, t: ArrayLike) -> float:
    """What a loss says of a batch, also one of a class of your own."""
    value: Any = loss.value(y, t)
    if not isinstance(value, Real):
        kind = type(loss).__name__
        raise InputError(f"value of {kind} returned {shown(value)}; expected a number: float(E)")
    return _float(value)


def accuracy_of(loss: Loss, y: ArrayLike, t: ArrayLike) -> float:
    """The share of right classes as a loss says it, also one of a class of your own."""
    share: Any = loss.accuracy(y, t)
    number = _float(share) if isinstance(share, Real) else math.inf
    if not (0 <= number <= 1 or math.isnan(number)):
        kind = type(loss).__name__
        raise InputError(
            f"accuracy of {kind} returned {shown(share)}; expected a number from 0 to 1, or NaN "
            "where there is no choice between classes"
        )
    return number


def _one_hot(labels: NDArray, y: NDArray) -> NDArray:
    N, K = y.shape
    wrong = (labels < 0) | (labels >= K)
    if wrong.any():
        raise InputError(
            f"t[{_first(wrong)}] is {labels[wrong][0]}, but y has {K} classes; labels are integers "
            f"from 0 to {K - 1}"
        )
    t = np.zeros_like(y)
    t[np.arange(N), labels] = 1
    return t


def _check_range(name: str, a: NDArray, slack: float, cure: str) -> None:
    """Refuse an entry outside 0..1. NaN passes: it shows by itself."""
    wrong = (a < -slack) | (a > 1 + slack)
    if wrong.any():
        raise InputError(f"{name}[{_first(wrong)}] is {a[wrong][0]:.6g}, expected 0 to 1; {cure}")


def _first(wrong: NDArray) -> str:
    """Index of the first True, as one writes it between brackets."""
    return ", ".join(str(i) for i in np.argwhere(wrong)[0])
