"""Training: batches, the loop, evaluation, and the record of what happened."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from cnnlib.errors import DivergenceError, InputError
from cnnlib.geometry import per_axis

from . import storage
from .checkpoint import Checkpoint
from .network import Network
from .optimizers import Optimizer


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


def batches(count: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Cut `0..count-1`, shuffled, into index arrays of `size`; the last one may be shorter.

    Examples
    --------
    >>> parts = list(batches(5, 2, np.random.default_rng(0)))
    >>> [len(part) for part in parts], sorted(np.concatenate(parts).tolist())
    ([2, 2, 1], [0, 1, 2, 3, 4])
    """
    (size,) = per_axis("batch", size, 1, 1)
    order = rng.permutation(count)
    for start in range(0, count, size):
        yield order[start : start + size]


def evaluate(network: Network, x: np.ndarray, t: np.ndarray, *, batch: int = 500):
    """Mean loss and accuracy over a whole set, computed in batches: `(loss, accuracy)`.

    The mean is over samples, so a short last batch counts by its size. The accuracy is the share
    of samples whose class is right, NaN where the loss is no choice between classes.
    """
    x, t = _read_set(network, x, t)
    (batch,) = per_axis("batch", batch, 1, 1)
    loss = hits = 0.0
    for start in range(0, len(x), batch):
        part = slice(start, start + batch)
        y = network.forward(x[part])
        loss += network.loss.value(y, t[part]) * len(y)
        hits += network.loss.accuracy(y, t[part]) * len(y)
    return loss / len(x), hits / len(x)


def fit(
    network: Network,
    x: np.ndarray,
    t: np.ndarray,
    *,
    optimizer: Optimizer,
    epochs: int,
    rng: np.random.Generator,
    batch: int = 64,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    progress: bool = True,
    checkpoint: storage.Place | None = None,
) -> History:
    """Train a network: shuffle, and for each batch go forwards, backwards, and take a step.

    Parameters
    ----------
    network : Network
        Its parameters change in place.
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
    validation : pair of arrays, optional
        Samples and targets that are evaluated after each epoch.
    progress : bool
        Whether to show a bar with loss and accuracy.
    checkpoint : path, optional
        A file for the state of the training. It is written every ten seconds and at the end, also
        when the training is interrupted. If it is there already, the training goes on from it and
        ends with the same bits as one that was never stopped, whatever stopped it. Network,
        optimizer and rng take over their state from the file; delete it to begin anew.

    Returns
    -------
    History
        Of all steps, those before a resumption too.

    Raises
    ------
    InputError
        `x` and `t` do not fit each other or the network, or the checkpoint is of a training with
        other data, batches, layers or settings.
    DataError
        The checkpoint cannot be read or written.
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
            validation = _read_set(network, *validation)
        (epochs,), (batch,) = per_axis("epochs", epochs, 1, 1), per_axis("batch", batch, 1, 1)
        history.epoch_steps = -(-len(x) // batch)
        data = [x, t, *(validation or ())]
        kept = Checkpoint(checkpoint, network, optimizer, rng, history, data, batch=batch)
        with kept:
            _train(kept, x, t, batch, epochs, validation, progress)
        return history
    except BaseException as error:  # an interrupt may come anywhere, when a file is written too
        error.history = history  # type: ignore[attr-defined]
        raise


def _train(kept: Checkpoint, x, t, batch: int, epochs: int, validation, progress: bool) -> None:
    """Resume the training, and go on to the last step; `kept` knows what happened."""
    from threadpoolctl import threadpool_limits

    history, total = kept.history, epochs * kept.history.epoch_steps
    kept.resume(most=total)
    kept.write(now=True)  # at once: a path that cannot be written fails before the work
    done = len(history.loss)
    with (
        _bar(total, done, progress) as bar,
        # On a busy machine two threads wait for each other (chapter 8).
        threadpool_limits(1, "blas"),
        # `_take_step` looks for numbers that are not finite, and says more than a warning.
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),
    ):
        for epoch in range(kept.state["epoch"], epochs):
            kept.begin(epoch)
            for number, index in enumerate(
                batches(len(x), batch, kept.rng), epoch * history.epoch_steps
            ):
                if number < done:
                    continue  # taken before the training was resumed
                _take_step(x[index], t[index], kept)
                kept.write()
                bar.update()
                if len(history.loss) % 10 == 0 or bar.n == bar.total:
                    bar.set_postfix(
                        epoch=epoch + 1,
                        loss=f"{np.mean(history.loss[-50:]):.3f}",
                        accuracy=f"{np.mean(history.accuracy[-50:]):.3f}",
                    )
            if validation is not None and len(history.validation) == epoch:
                history.validation.append(evaluate(kept.network, *validation))
                kept.keep("before")
    kept.write(now=True)


def _bar(total: int, done: int, shown: bool):
    """A progress bar that works where no thread can start, say in a browser."""
    from tqdm.auto import tqdm

    class Bar(tqdm):
        # tqdm's thread wakes a bar that skips updates, to look at the clock less often. With
        # miniters=1 none is skipped: a step takes far longer than a look at the clock.
        monitor_interval = 0

    return Bar(total=total, initial=done, miniters=1, disable=not shown)


def _take_step(x, t, kept: Checkpoint) -> None:
    """One step on one batch; `kept` holds the state before it, and after it the new one."""
    network, history = kept.network, kept.history
    y = network.forward(x)
    loss, grads = network.backward(y, t)
    step = len(history.loss) + 1
    if not np.isfinite(loss):
        _stop(kept, "before", x, f"at step {step}: the loss is {loss}")
    history.loss.append(loss)
    history.accuracy.append(network.loss.accuracy(y, t))
    kept.optimizer.step(network.params, grads)
    for name, p in network.params.items():
        if not np.isfinite(p).all():
            _stop(kept, "params", x, f"at step {step}: the update of {name} overflows")
    kept.keep()


def _stop(kept: Checkpoint, good: str, x, what: str) -> None:
    """Say where the numbers broke, put the good parameters back, and raise."""
    loss, place = kept.history.loss, kept.network.first_broken(x)
    kept.put(good)
    last = f"{loss[-1]:.4g}" if loss else "none, it was the first step"
    raise DivergenceError(
        f"training stopped {what}. First broken: {place}. Last good loss: {last}. The parameters "
        "are those that gave it. Try a smaller learning rate or smaller first weights, and look "
        "for inputs that are not finite"
    )


def _read_set(network: Network, x, t) -> tuple[np.ndarray, np.ndarray]:
    """Refuse a set that does not fit the network before anything is computed."""
    x, t = np.asarray(x), np.asarray(t)
    samples, targets = len(np.atleast_1d(x)), len(np.atleast_1d(t))
    if samples == 0 or samples != targets:
        raise InputError(
            f"x has {samples} samples and t {targets} targets; expected equal numbers, at least 1"
        )
    network.read(x[:1])
    y = np.zeros((len(x), *network.output_shape), network.dtype)
    network.loss.value(y, t)  # reads every target, and says which one is wrong
    return x, t
