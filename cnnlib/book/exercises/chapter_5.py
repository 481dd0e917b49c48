"""Exercises of chapter 5, training."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnlib.diagnosis import diagnose_step
from cnnlib.geometry import Shape
from cnnlib.learning.activations import softmax
from cnnlib.learning.layers import first_weights
from cnnlib.learning.optimizers import Adam, Momentum, Optimizer

from .desk import Exercise, Wrong
from .judging import choice, function, values
from .mending import diagnosed, find
from .varying import varied


def _deviation(kernel: Shape, C: int) -> float:
    """The library's first weights, so many that their deviation is known to a thousandth."""
    drawn = first_weights((10**6,), math.prod(kernel) * C, 1, "he", np.random.default_rng(0), float)
    return float(drawn.std())


def _steps(optimizer: Optimizer, w: NDArray, gradients: Sequence[NDArray]) -> NDArray:
    params = {"w": np.array(w, float)}
    for g in gradients:
        optimizer.step(params, {"w": np.asarray(g, float)})
    return params["w"]


def _with_momentum(w: NDArray, gradients: Sequence[NDArray], rate: float, mu: float) -> NDArray:
    return _steps(Momentum(rate, mu), w, gradients)


def _adam_steps(
    w: NDArray,
    gradients: Sequence[NDArray],
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> NDArray:
    rule = Adam(rate, beta1=beta1, beta2=beta2, epsilon=epsilon)
    return _steps(rule, w, gradients)


def _drawn(shape: Shape, count: int, scale: float = 1.0) -> list:
    r = np.random.default_rng(count)
    return [scale * g for g in r.normal(size=(count, *shape))]


def _uncorrected(
    w: NDArray,
    gradients: Sequence[NDArray],
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
) -> NDArray:
    """Adam without the division by 1 - β**T."""
    w = np.array(w, float)
    m = v = np.zeros_like(w)
    for g in gradients:
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        w = w - rate * m / (np.sqrt(v) + epsilon)
    return w


def _counted(labels: NDArray, read: NDArray, K: int) -> NDArray:
    M = np.histogram2d(labels, read, bins=np.arange(K + 1) - 0.5)[0]
    return M.astype(int)


def _best_epoch(losses: Sequence[float], patience: int) -> int:
    """The first epoch of all whose loss the next `patience` ones do not beat."""
    for epoch in range(len(losses)):
        later = losses[epoch + 1 : epoch + 1 + patience]
        if losses[epoch] == min(losses[: epoch + 1]) and all(a >= losses[epoch] for a in later):
            return losses.index(losses[epoch]) + 1
    raise AssertionError("the lowest of all is such an epoch")


def _sgd_step(
    params: dict[str, NDArray], x: NDArray, t: NDArray, rate: float
) -> dict[str, NDArray]:
    """A step of gradient descent: dense, ReLU, dense, softmax with cross-entropy."""
    h = np.maximum(x @ params["w1"] + params["b1"], 0)
    y = softmax(h @ params["w2"] + params["b2"])
    dz2 = (y - np.eye(y.shape[1])[t]) / len(x)
    dz1 = (dz2 @ params["w2"].T) * (h > 0)
    grads = {"w1": x.T @ dz1, "b1": dz1.sum(0), "w2": h.T @ dz2, "b2": dz2.sum(0)}
    return {name: params[name] - rate * grads[name] for name in params}


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "5.1",
        "first_loss",
        level=1,
        judge=values({"loss": 5.3, "probability": 0.005}, tolerance=2e-3, reveal=False),
        variant=varied(
            "A data set has {K} classes, and the network has learned nothing yet. What is its "
            "first loss (three digits are enough), and what is the probability that it gives to "
            "the right class?",
            lambda K: {"loss": np.log(K), "probability": 1 / K},
            K=(200, 20, 400),
        ),
        hints=(
            "What probability does a network give to each class that knows nothing?",
            "One in 200. The loss is minus the natural logarithm of it.",
        ),
        wrong=(
            {"loss": 2.3, "probability": 0.1},
            {"loss": -5.3, "probability": 0.005},
            {"loss": 2.301, "probability": 0.005},
        ),
    ),
    Exercise(
        "5.2",
        "loop",
        level=1,
        judge=values({"steps": 1140, "last": 5}, reveal=False),
        variant=varied(
            "{N} images, batches of {B}, {epochs} epochs. How many steps are taken in all, and "
            "how many images are in the last batch of each epoch?",
            lambda N, B, epochs: {"steps": -(-N // B) * epochs, "last": (N - 1) % B + 1},
            N=(1797, 900, 1999),
            B=(32, 20, 64),
            epochs=(20, 5, 40),
        ),
        hints=(
            "How often do 32 images fit into 1797? What is left over is a batch, too.",
            "56 whole batches and a smaller one make an epoch.",
        ),
        wrong=({"steps": 1120, "last": 5}, {"steps": 57, "last": 5}, {"steps": 1124, "last": 32}),
    ),
    Exercise(
        "5.3",
        "first_rung",
        level=2,
        judge=choice(
            "d",
            {
                "a": "the first loss",
                "b": "the gradients",
                "c": "overfitting 50 images",
                "d": "training on all",
            },
            because={
                "a": "The network knows nothing yet; it is as wrong with any labels.",
                "b": "The gradient is that of the loss with these labels, and both agree.",
                "c": "Fifty images can be learned by heart with any labels.",
            },
        ),
        hints=(
            "Which rungs would break if the labels were drawn by dice?",
            "By heart, 50 images can be learned with any labels. What of the held-out ones?",
        ),
        wrong=("a", "b", "c"),
    ),
    Exercise(
        "5.4",
        "deviation",
        level=2,
        judge=function(
            _deviation, [((1,), 1), ((5, 5), 1), ((3, 3), 16), ((3, 2, 4), 5)], tolerance=3e-3
        ),
        hints=(
            "How many inputs does one output sum? That is M of (5.10).",
            "The kernel's cells times the channels: np.prod(kernel) * C.",
        ),
        wrong=(
            lambda kernel, C: math.sqrt(2 / math.prod(kernel)),
            lambda kernel, C: math.sqrt(1 / (math.prod(kernel) * C)),
            lambda kernel, C: 2 / (math.prod(kernel) * C),
        ),
    ),
    Exercise(
        "5.5",
        "border",
        level=2,
        judge=values({"rate": 1 / 12, "factor": 0.5}, reveal=False),
        variant=varied(
            "The loss is E = {a} w0**2 + {c} w1**2. Which learning rate is the border above "
            "which gradient descent explodes, and by which factor does w0 shrink in a step just "
            "at that border?",
            lambda a, c: {"rate": 1 / c, "factor": 1 - 2 * a / c},
            a=(3, 1, 5),
            c=(12, 11, 25),
        ),
        hints=(
            "E = c/2 w**2 has the curvature c. Which are the two curvatures here?",
            "6 and 24. The steeper direction sets the border, 2/c.",
            "At that rate w[0] is multiplied by 1 - rate * 6.",
        ),
        wrong=(
            {"rate": 1 / 3, "factor": -1},
            {"rate": 1 / 6, "factor": 0.0},
            {"rate": 1 / 12, "factor": -1},
        ),
    ),
    Exercise(
        "5.6",
        "with_momentum",
        level=2,
        judge=function(
            _with_momentum,
            [
                (10.0, [2.0], 1.0, 0.5),
                (10.0, [2.0, 2.0], 1.0, 0.5),
                (0.0, [4.0, -4.0, 4.0, -4.0], 0.25, 0.9),
                (np.array([1.0, -2.0]), _drawn((2,), 5), 0.1, 0.8),
            ],
        ),
        hints=(
            "Two lines in a loop: first v, then w.",
            "v = mu * v + g, w = w - rate * v. Begin with v = 0.",
        ),
        wrong=(
            lambda w, gradients, rate, mu: w - rate * sum(gradients),
            lambda w, gradients, rate, mu: _with_momentum(w, gradients, rate * (1 - mu), mu),
            lambda w, gradients, rate, mu: _with_momentum(w, gradients, rate, 1 - mu),
        ),
    ),
    Exercise(
        "5.7",
        "adam_steps",
        level=3,
        judge=function(
            _adam_steps,
            [
                (np.array([10.0]), _drawn((1,), 1), 1.0, 0.9, 0.999, 1e-8),
                (np.array([10.0, 5.0]), _drawn((2,), 3), 0.5, 0.5, 0.75, 1e-8),
                (np.zeros((2, 3)), _drawn((2, 3), 6, 1e-3), 0.1, 0.9, 0.99, 1e-3),
            ],
        ),
        hints=(
            "Two memories, m and v, both 0 at first, and a step number T = 1, 2, ...",
            "(5.20) updates m and v; (5.22) divides them by 1 - beta1**T and 1 - beta2**T.",
            "for T, g in enumerate(gradients, 1) counts from 1.",
        ),
        wrong=(
            _uncorrected,
            lambda w, g, rate, b1, b2, e: _adam_steps(w, g, rate, b2, b1, e),
            lambda w, g, rate, b1, b2, e: w - rate * np.sign(sum(g)),
        ),
    ),
    Exercise(
        "5.8",
        "confusion",
        level=3,
        judge=function(
            _counted,
            [
                (np.array([0]), np.array([1]), 2),
                (np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]), 2),
                (np.array([2, 2, 2, 0, 1, 0]), np.array([2, 1, 2, 0, 1, 2]), 4),
            ],
        ),
        hints=(
            "Begin with np.zeros((K, K), int).",
            "One loop over zip(labels, read); each image adds 1 to one entry.",
        ),
        wrong=(
            lambda labels, read, K: _counted(read, labels, K),
            lambda labels, read, K: np.minimum(_counted(labels, read, K), 1),
            lambda labels, read, K: _counted(labels, read, K) / len(labels),
        ),
    ),
    Exercise(
        "5.9",
        "best_epoch",
        level=2,
        judge=function(
            _best_epoch,
            [
                ([0.5], 1),
                ([0.3, 0.2, 0.15, 0.16, 0.14, 0.17, 0.18, 0.19], 2),
                ([0.3, 0.2, 0.15, 0.16, 0.14, 0.17, 0.18, 0.19], 1),
                ([0.4, 0.3, 0.3, 0.2, 0.1], 2),
                ([0.9, 0.8, 0.9, 0.9, 0.1], 2),
                ([0.9, 0.8, 0.7], 5),
            ],
        ),
        hints=(
            "Remember two things: the lowest loss so far, and its epoch.",
            "How many epochs ago was the best one? At `patience` of them, stop.",
        ),
        wrong=(
            lambda losses, patience: int(np.argmin(losses)) + 1,
            lambda losses, patience: _best_epoch(losses, patience) - 1,
            lambda losses, patience: min(len(losses), _best_epoch(losses, patience) + patience),
        ),
    ),
    Exercise(
        "5.10",
        "step_found",
        level=3,
        faulty="step",
        judge=find("c", {"a": "S5", "b": "W13", "c": "D22", "d": "S3"}, diagnosed(diagnose_step)),
        hints=(
            "Halve the learning rate: what becomes of the error of the first layer's step?",
            "Which weights carried the hidden layer's numbers forward, the old or the new ones?",
            "Compute all deltas before anything is updated.",
        ),
        wrong=(
            {"mistake": "a", "mended": _sgd_step},
            Wrong({"mistake": "c", "mended": lambda params, x, t, rate: params}, "T2"),
            Wrong(
                {
                    "mistake": "D22",
                    "mended": lambda params, x, t, rate: _sgd_step(params, x, t, rate * len(x)),
                },
                "S5",
            ),
        ),
    ),
)
