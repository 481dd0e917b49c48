"""Training: batches, the loop, evaluation, and the record of what happened."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnnlib.arrays import (
    check_memory,
    per_axis,
    read_array,
    read_function,
    read_generator,
    read_integer,
    read_kind,
    read_pair,
    read_path,
    read_positive,
    read_truth,
)
from cnnlib.data.files import Place, absolute
from cnnlib.errors import DivergenceError, Error, InputError, raised
from cnnlib.sums.workers import one_blas_thread

from .checkpoint import TrainingState
from .losses import accuracy_of, value_of
from .network import Network
from .optimizers import Optimizer, clip_gradients

_READ = 10_000  # targets at once
_PASSED = 1000  # epochs that are shuffled again, at most, before the first step
Pair = tuple[np.ndarray, np.ndarray]  # samples and targets
Schedule = Callable[[int], float]  # the learning rate of step 1, 2, ...


@dataclass
class History:
    """What a training recorded.

    `loss` and `accuracy` have one entry a step, measured on that step's batch before its update;
    `validation` has one `(loss, accuracy)` an epoch, and an epoch has `epoch_steps` steps.
    An accuracy is NaN where the loss is no choice between classes.
    """

    epoch_steps: int
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    validation: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """One step of a training, see `steps`.

    Attributes
    ----------
    number : int
        1, 2, ... over all epochs.
    epoch : int
        0, 1, ...
    index : int array
        Which samples are in the batch.
    loss, accuracy : float
        Of the batch, before the update.
    grads : dict of arrays
        The gradients of that loss, named like `Network.params`.
    """

    number: int
    epoch: int
    index: np.ndarray
    loss: float
    accuracy: float
    grads: dict[str, np.ndarray]


def batches(count: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Cut `0..count-1`, shuffled, into index arrays of `size`; the last one may be shorter.

    Examples
    --------
    >>> parts = list(batches(5, 2, np.random.default_rng(0)))
    >>> [len(part) for part in parts], sorted(np.concatenate(parts).tolist())
    ([2, 2, 1], [0, 1, 2, 3, 4])
    """
    count, size = read_integer("count", count, 0), read_integer("size", size, 1)
    check_memory(f"an order of {count} samples", 8 * count, "cut the set into parts")
    order = read_generator("rng", rng).permutation(count)
    return (order[start : start + size] for start in range(0, count, size))


def evaluate(
    network: Network, x: np.ndarray, t: np.ndarray, *, batch: int = 500
) -> tuple[float, float]:
    """Mean loss and accuracy over a whole set, computed in batches: `(loss, accuracy)`.

    The mean is over samples, so a short last batch counts by its size. The accuracy is the share
    of samples whose class is right, NaN where the loss is no choice between classes.
    """
    x, t = _read_set(network, x, t)
    batch = read_integer("batch", batch, 1)
    loss = hits = 0.0
    for start in range(0, len(x), batch):
        part = slice(start, start + batch)
        y = network.forward(x[part])
        loss += value_of(network.loss, y, t[part]) * len(y)
        hits += accuracy_of(network.loss, y, t[part]) * len(y)
    return loss / len(x), hits / len(x)


def steps(
    network: Network,
    x: np.ndarray,
    t: np.ndarray,
    *,
    optimizer: Optimizer,
    rng: np.random.Generator,
    batch: int = 64,
    epochs: int | None = None,
    schedule: Schedule | None = None,
    clip_norm: float | None = None,
    start: tuple[int, ...] = (0, 0),
) -> Iterator[Step]:
    """Train a network step by step: the loop of `fit`, to look at or to stop after each step.

    In each epoch the samples are shuffled, and each batch goes forwards, backwards, and into one
    step of the optimizer. What a step saw is given when it has been taken. One whose loss is not
    finite is not taken, and is the last one.

    Parameters
    ----------
    network : Network
        Its parameters change in place, and so do the buffers of layers that train.
    x, t : array
        Samples (N, *P, C) and their targets, as the network's loss reads them.
    optimizer : Optimizer
        Takes the steps.
    rng : numpy.random.Generator
        Shuffles.
    batch : int
        Samples in a step; the last one of an epoch may have fewer.
    epochs : int, optional
        How often every sample is used; None is without end.
    schedule : function, optional
        `schedule(number)` is the learning rate of step 1, 2, ..., in place of the optimizer's own.
        `Cosine` is one.
    clip_norm : float, optional
        The largest norm of all gradients together; above it they are shortened by `clip_gradients`.
    start : pair of int
        Where a training that was stopped goes on: the epoch whose shuffle `rng` draws next, and the
        steps that have been taken, counted from the beginning of all.

    Yields
    ------
    Step

    Raises
    ------
    InputError
        `x` and `t` do not fit each other or the network, or a number is too small.

    Examples
    --------
    With y = w x the loss (w - 1)**2 / 2 has the slope w - 1 = 2 at first, then 1 and a half.

    >>> from cnnlib.learning import SGD, Dense, HalfSquaredError
    >>> rng, one = np.random.default_rng(0), np.ones((1, 1))
    >>> layers = [Dense(1, bias=False)]
    >>> network = Network(layers, HalfSquaredError(), input_shape=(1,), rng=rng)
    >>> network.params["dense1.w"][...] = 3
    >>> for step in steps(network, one, one, optimizer=SGD(0.5), rng=rng, epochs=3):
    ...     print(step.number, step.loss, step.grads["dense1.w"].item())
    1 2.0 2.0
    2 0.5 1.0
    3 0.125 0.5
    """
    x, t = _read_set(network, x, t)
    batch = _read_run(optimizer, rng, batch)
    if epochs is not None:
        epochs = read_integer("epochs", epochs, 1)
    schedule, clip_norm = _read_steering(schedule, clip_norm)
    first, taken = start = per_axis("start", start, 2, 0)
    epoch_steps = -(-len(x) // batch)
    begins, ends = first * epoch_steps, (first + _PASSED) * epoch_steps
    if not begins <= taken <= ends:
        far = "" if taken < begins else f", and epoch {first + _PASSED} after {ends}"
        raise InputError(
            f"start is {start}; epoch {first} begins after {begins} steps{far}, and {taken} have "
            "been taken: give the epoch whose shuffle comes next, and all steps so far"
        )
    return _steps(network, x, t, optimizer, rng, batch, epochs, schedule, clip_norm, start)


def _steps(
    network: Network,
    x: np.ndarray,
    t: np.ndarray,
    optimizer: Optimizer,
    rng: np.random.Generator,
    batch: int,
    epochs: int | None,
    schedule: Schedule | None,
    clip_norm: float | None,
    start: tuple[int, ...],
) -> Iterator[Step]:
    first, taken = start
    epoch_steps = -(-len(x) // batch)
    for epoch in count(first) if epochs is None else range(first, epochs):
        for number, index in enumerate(batches(len(x), batch, rng), epoch * epoch_steps + 1):
            if number <= taken:
                continue  # before the training was stopped
            if schedule is not None:
                optimizer.lr = _rate(schedule, number)
            loss, accuracy, grads = _take_step(network, x[index], t[index], optimizer, clip_norm)
            yield Step(number, epoch, index, loss, accuracy, grads)
            if not math.isfinite(loss):
                return


def _take_step(
    network: Network, x: np.ndarray, t: np.ndarray, optimizer: Optimizer, clip_norm: float | None
) -> tuple[float, float, dict[str, np.ndarray]]:
    """Forwards, backwards, and a step of the optimizer: loss, accuracy and gradients before it."""
    y = network.forward(x, training=True)
    loss, grads = network.backward(y, t)
    if not math.isfinite(loss):
        return loss, math.nan, grads
    accuracy = accuracy_of(network.loss, y, t)
    optimizer.step(network.params, grads if clip_norm is None else clip_gradients(grads, clip_norm))
    return loss, accuracy, grads


def fit(
    network: Network,
    x: np.ndarray,
    t: np.ndarray,
    *,
    optimizer: Optimizer,
    epochs: int,
    rng: np.random.Generator,
    batch: int = 64,
    schedule: Schedule | None = None,
    clip_norm: float | None = None,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    progress: bool = True,
    checkpoint: Place | None = None,
) -> History:
    """Train a network: shuffle, and for each batch go forwards, backwards, and take a step.

    Parameters
    ----------
    network : Network
        Its parameters change in place, and so do the buffers of layers that train.
    x, t : array
        Samples (N, *P, C) and their targets, as the network's loss reads them.
    optimizer : Optimizer
        Takes the steps.
    epochs : int
        How often every sample is used.
    rng : numpy.random.Generator
        Shuffles.
    batch : int
        Samples in a step.
    schedule : function, optional
        `schedule(number)` is the learning rate of step 1, 2, ..., in place of the optimizer's own.
        `Cosine` is one. It may be asked for a number again.
    clip_norm : float, optional
        The largest norm of all gradients together; above it they are shortened by `clip_gradients`.
    validation : pair of arrays, optional
        Samples and targets that are evaluated after each epoch.
    progress : bool
        Whether to show a bar with loss and accuracy.
    checkpoint : path, optional
        A file for the state of the training. It is written every ten seconds and at the end, also
        when the training is interrupted. If it is there already, the training goes on from it and
        ends with the same bits as one that was never stopped, whatever stopped it; a warning says
        if they may differ, since it was written with other `cnnlib.threads`, or another NumPy or
        BLAS. Network, optimizer and rng take over their state from the file; delete it to begin
        anew. Of two trainings with one file, the one that began first stops and the other goes on.

    Returns
    -------
    History
        Of all steps, those before a resumption too.

    Raises
    ------
    InputError
        `x` and `t` do not fit each other or the network, or the checkpoint is of a training with
        other data, batches, layers or settings, or a layer draws from `rng`, too.
    DataError
        The checkpoint cannot be read or written, say because the disk is full, or another training
        has begun to write it. Network and optimizer are as after the last finished step, the
        error's `history` is what was recorded until then, and the file is as it was.
    KeyboardInterrupt
        You stopped it. Network and optimizer are as after the last finished step, and the
        interrupt's `history` is what was recorded until then.
    DivergenceError
        The loss or a parameter is no longer finite. The message names the step, the layer whose
        activations broke first, and the last good loss; the parameters are those that gave it, and
        the error's `history` is what was recorded until then.
    """
    history = History(epoch_steps=1)  # until x and batch are read
    try:
        x, t = _read_set(network, x, t)
        if validation is not None:
            validation = _read_set(network, *read_pair("validation", validation), "validation: ")
        if checkpoint is not None:
            # Whatever folder the program goes to meanwhile.
            checkpoint = absolute(read_path("checkpoint", checkpoint))
        batch = _read_run(optimizer, rng, batch)
        epochs, progress = read_integer("epochs", epochs, 1), read_truth("progress", progress)
        schedule, clip_norm = _read_steering(schedule, clip_norm)
        history.epoch_steps = -(-len(x) // batch)
        rate = None
        if schedule is not None:
            rate = partial(_rate, schedule)
            rate(epochs * history.epoch_steps)  # before the work, not after it
            if (first := rate(1)) != (again := rate(1)):
                raise InputError(
                    f"schedule(1) is {first} and, asked again, {again}; expected a function of the "
                    "step's number alone: `steps` asks for each number once"
                )
        data = [x, t, *(validation or ())]
        run = {"batch": batch, "clip_norm": clip_norm}
        kept = TrainingState(checkpoint, network, optimizer, rng, history, data, rate, **run)
        with kept:
            _train(kept, x, t, batch, epochs, schedule, clip_norm, validation, progress)
        return history
    except BaseException as error:  # an interrupt may come anywhere, when a file is written too
        error.history = history  # type: ignore[attr-defined]
        raise


def _train(
    kept: TrainingState,
    x: np.ndarray,
    t: np.ndarray,
    batch: int,
    epochs: int,
    schedule: Schedule | None,
    clip_norm: float | None,
    validation: Pair | None,
    progress: bool,
) -> None:
    """Resume the training, and go on to the last step; `kept` knows what happened."""
    history, total = kept.history, epochs * kept.history.epoch_steps
    kept.resume(most=total)
    kept.write(now=True)  # at once: a path that cannot be written fails before the work
    done = len(history.loss)
    with (
        _bar(total, done, progress) as bar,
        # On a busy machine two threads wait for each other (chapter 8).
        one_blas_thread,
        # `_record` looks for numbers that are not finite, and says more than a warning.
        np.errstate(all="ignore"),
    ):
        _validate(kept, validation)  # the training may have been stopped just before it
        for step in steps(
            kept.network, x, t, optimizer=kept.optimizer, rng=kept.rng, batch=batch, epochs=epochs,
            schedule=schedule, clip_norm=clip_norm, start=(kept.state["epoch"], done),
        ):  # fmt: skip
            _record(step, x, kept)
            kept.write()
            _show(bar, step, history)
            if step.number % history.epoch_steps == 0:
                _validate(kept, validation)
                kept.begin(step.epoch + 1)
    kept.write(now=True)


def _validate(kept: TrainingState, validation: Pair | None) -> None:
    """Evaluate the network, if an epoch has ended for which that has not been done."""
    history = kept.history
    if validation is None or len(history.validation) == len(history.loss) // history.epoch_steps:
        return
    history.validation.append(evaluate(kept.network, *validation))
    kept.keep("before")


def _show(bar: Any, step: Step, history: History) -> None:
    """Move the bar on; every ten steps, and at the end, it says the means of the last 50 steps."""
    bar.update()
    if step.number % 10 == 0 or bar.n == bar.total:
        bar.set_postfix(
            epoch=step.epoch + 1,
            loss=f"{np.mean(history.loss[-50:]):.3f}",
            accuracy=f"{np.mean(history.accuracy[-50:]):.3f}",
        )


def _bar(total: int, done: int, shown: bool) -> Any:
    """A progress bar that works where no thread can start, say in a browser."""
    from tqdm.auto import tqdm

    class Bar(tqdm):
        # tqdm's thread wakes a bar that skips updates, to look at the clock less often. With
        # miniters=1 none is skipped: a step takes far longer than a look at the clock.
        monitor_interval = 0

    nowhere = getattr(sys.stderr, "closed", sys.stderr is None)
    hidden = nowhere or not shown
    return Bar(total=total, initial=done, miniters=1, disable=hidden, file=_Reader(sys.stderr))


class _Reader:
    """A stream whose other end may go, as of `fit | head`: what nobody reads is no error."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # the latter where it is closed
            self.stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _record(step: Step, x: np.ndarray, kept: TrainingState) -> None:
    """Note what a step saw, and keep the state after it; stop where a number is not finite."""
    history, index = kept.history, step.index
    if not math.isfinite(step.loss):
        _stop(kept, "before", x[index], f"at step {step.number}: the loss is {step.loss}")
    history.loss.append(step.loss)
    history.accuracy.append(step.accuracy)
    kept.rates.append(kept.optimizer.lr)
    memory = kept.optimizer.memory
    for name, p in kept.network.params.items():
        if not all(np.isfinite(a).all() for a in (p, *memory.get(name, {}).values())):
            _stop(
                kept, "params", x[index], f"at step {step.number}: the update of {name} overflows"
            )
    kept.keep()


def _stop(kept: TrainingState, good: str, x: np.ndarray, what: str) -> None:
    """Say where the numbers broke, put the good parameters back, and raise."""
    loss, place = kept.history.loss, kept.network.first_broken(x, training=True)
    kept.put(good)
    last = f"{loss[-1]:.4g}" if loss else "none, it was the first step"
    raise DivergenceError(
        f"training stopped {what}. First broken: {place}. Last good loss: {last}. The parameters "
        "are those that gave it. Try a smaller learning rate or smaller first weights, and look "
        "for inputs or targets that are not finite or very large"
    )


def _read_run(optimizer: Optimizer, rng: np.random.Generator, batch: int) -> int:
    """Refuse what cannot run; the number of samples in a step."""
    read_kind("optimizer", optimizer, Optimizer, "an instance, such as Adam()")
    if not hasattr(optimizer, "memory"):
        cure = "let its __init__ begin with super().__init__(lr)"
        raise InputError(f"optimizer {type(optimizer).__name__} has no memory: {cure}")
    read_generator("rng", rng)
    return read_integer("batch", batch, 1)


def _read_steering(schedule: Any, clip_norm: Any) -> tuple[Schedule | None, float | None]:
    """Refuse what is no schedule or no norm."""
    if schedule is not None:
        read_function("schedule", schedule, "of the step's number, such as Cosine(1e-3, steps=600)")
    return schedule, None if clip_norm is None else read_positive("clip_norm", clip_norm)


def _rate(schedule: Schedule, number: int) -> float:
    """The learning rate of a step, from the caller's function."""
    call = f"schedule({number})"
    try:
        rate = schedule(number)
    except Error:
        raise
    except Exception as error:
        raise InputError(f"{call} raised {raised(error)}") from error
    return read_positive(call, rate)


def _read_set(network: Network, x: ArrayLike, t: ArrayLike, whose: str = "") -> Pair:
    """Refuse a set that does not fit the network before anything is computed."""
    read_kind("network", network, Network, "Network(layers, loss, input_shape=..., rng=...)")
    try:
        x, t = np.atleast_1d(read_array("x", x)), np.atleast_1d(read_array("t", t))
        if len(x) == 0 or len(x) != len(t):
            raise InputError(
                f"x has {len(x)} samples and t {len(t)} targets; expected equal numbers, at least 1"
            )
        network.read(x[:1])
        for start in range(0, len(x), _READ):  # reads every target, and says which one is wrong
            part = t[start : start + _READ]
            value_of(
                network.loss, np.zeros((len(part), *network.output_shape), network.dtype), part
            )
    except InputError as error:
        raise InputError(f"{whose}{error}") from None
    return x, t
