"""What a training needs to go on: put back after an interrupt, written for the case of a kill.

After step k the whole state is: the parameters and buffers, those before step k (they gave the last
loss, which is where a training that diverges returns to), the optimizer's memory and counts, the
number of the epoch, the state of the random numbers before its shuffle, that of Generators which
layers have, and the history. A training that starts from it shuffles the epoch again, passes over
the batches that it has seen, and goes on with the same numbers in the same order: it ends with the
same bits.
"""

import math
import os
import secrets
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from cnnlib.data.files import Place, blaming, place, sweep
from cnnlib.errors import DataError, DivergenceError, InputError, line
from cnnlib.sums.workers import arithmetic

from . import storage
from .network import Network, completed, kinds_of
from .optimizers import Optimizer

EVERY = 10.0  # seconds from one writing to the next
BUFFERS = {"params": "buffers", "before": "buffers_before"}  # those that belong to parameters
LATER = {"clip_norm": None, "rates": None}  # files from before there were these have none
PLACES = {"pos": 624, "buffer_pos": 4}  # in NumPy's bit generators: it would read beyond them


class TrainingState:
    """The state after the last finished step: always in memory, so that it can be put back.

    Where there is a path, a file holds it, too: the checkpoint, from which another program goes on.
    For the same training to go on, the arrays `data` must be equal, and so must what `run` names,
    such as the batch size, and what the schedule `rate` gives for the steps taken. `history` is a
    `training.History`. As a context it puts a training that is stopped, wherever that is, back to
    that state, and writes it when it was interrupted.

    Of two trainings with one path, the one that began later goes on from what the other has
    written. The other finds a file that it has not written, leaves it, and stops.
    """

    def __init__(
        self,
        path: Place | None,
        network: Network,
        optimizer: Optimizer,
        rng: np.random.Generator,
        history: Any,
        data: Sequence[np.ndarray],
        rate: Callable[[int], float] | None = None,
        **run: Any,
    ) -> None:
        self.path, self.network, self.optimizer = path, network, optimizer
        self.rng, self.history, self.written = rng, history, -math.inf
        self.ours: set[str] = set()  # the checksums of the files that may be replaced
        self.rate = rate
        self.rates: list[float] = []  # what it has given for each step
        self.generators = network.generators
        self.state: dict[str, Any] = {"params": _copies(network.params)}
        self.state["buffers"] = _copies(network.buffers)
        self.keep()
        self.begin(0)
        if path is not None:
            self.path = place(path, "checkpoint")
            self._refuse_shared()
            self.writer = secrets.token_hex(8)  # no other training writes the same file
            run["checksum_of_the_data"] = storage.digest({str(n): a for n, a in enumerate(data)})
            run |= {"network": network.tree()["network"], "optimizer": type(optimizer).__name__}
            settings = _settings(optimizer, scheduled=rate is not None)
            run |= {"settings": settings, "rng": type(rng.bit_generator).__name__}
            self.run = storage.plain(run)

    def begin(self, epoch: int) -> None:
        """Remember that this epoch begins, and what rng is before its shuffle."""
        self.state = {**self.state, "epoch": epoch, "shuffle": self.rng.bit_generator.state}

    def keep(self, before: str = "params") -> None:
        """Remember what network, optimizer and history are now."""
        self.network.check_layers()
        # One assignment: an interrupt meets the old state or the new one.
        self.state = {
            **self.state,
            "before": self.state[before],
            "buffers_before": self.state[BUFFERS[before]],
            "params": _copies(self.network.params),
            "buffers": _copies(self.network.buffers),
            "memory": {name: _copies(m) for name, m in self.optimizer.memory.items()},
            "steps": dict(self.optimizer.steps),
            "generators": {name: bits.state for name, bits in self.generators.items()},
            "lengths": {k: len(v) for k, v in vars(self.history).items() if isinstance(v, list)},
        }

    def put_back(self) -> None:
        """Bring network, optimizer and history to the remembered state."""
        self.put("params")
        self.optimizer.memory = {name: _copies(m) for name, m in self.state["memory"].items()}
        self.optimizer.steps = dict(self.state["steps"])
        for name, bits in self.generators.items():
            bits.state = self.state["generators"][name]
        for name, length in self.state["lengths"].items():
            del getattr(self.history, name)[length:]

    def put(self, which: str) -> None:
        """Write remembered parameters, 'params' or 'before', and their buffers into the network."""
        for there, kept in (
            (self.network.params, self.state[which]),
            (self.network.buffers, self.state[BUFFERS[which]]),
        ):
            for name, a in kept.items():
                # What a layer has taken away or frozen is the reason, and is said already.
                with suppress(KeyError, ValueError):
                    np.copyto(there[name], a)

    def write(self, *, now: bool = False) -> None:
        """Write the remembered state, if it is time. `Network.load` reads the file as well."""
        if self.path is not None and (now or time.monotonic() - self.written > EVERY):
            # Of a function one can say only what it gives.
            rates = self.rates[: self.state["lengths"]["loss"]] if self.rate else None
            run = {**self.run, "rates": rates}
            tree = {"network": self.run["network"], "run": run, "history": vars(self.history)}
            tree |= {"writer": self.writer, "arithmetic": arithmetic(), **self.state}
            storage.write(self.path, tree, self.ours)
            if self.written == -math.inf:
                # What killed trainings left, and one that this one replaces.
                sweep(self.path, storage.BEGINS)
            self.written = time.monotonic()

    def resume(self, most: int) -> None:
        """Take everything from the file, if there is one with `most` steps or fewer.

        Raises
        ------
        DataError
            The file is damaged or foreign.
        InputError
            It is of another training, or of one that has gone further, or of none.
        """
        if self.path is None or not os.path.exists(self.path):
            return
        with blaming(self.path, but=InputError):
            tree, total = storage.opened(self.path)
            self.ours.add(total)
            self._refuse_another(tree, most)
            state, history = self._parts(tree)
            here = arithmetic()
            there = tree.get("arithmetic", here)
            changed = [f"{k} {there.get(k)!s:.80} there and {v} here" for k, v in here.items()]
        if there != here:
            words = (
                f"checkpoint {self.path} was written with other arithmetic ({', '.join(changed)}). "
                "The training goes on; its last bits may differ from one that was never stopped"
            )
            warnings.warn(line(words), stacklevel=4)
        vars(self.history).update(history)
        self.rates, self.state = self._given(len(history["loss"])) or [], state
        self.rng.bit_generator.state = state["shuffle"]
        self.put_back()

    def _refuse_shared(self) -> None:
        """Refuse a layer that draws from `rng`: shuffles are drawn again, and its draws are not."""
        for name, bits in self.generators.items():
            if bits is self.rng.bit_generator:
                layer = name.rpartition(".")[0]
                raise InputError(
                    f"layer {layer} draws from rng, which shuffles: a training that goes on from a "
                    f"checkpoint would shuffle in another way. Give {layer} a Generator of its own"
                )

    def _refuse_another(self, tree: Mapping[str, Any], most: int) -> None:
        """Refuse a file of another training, of one that has gone further, or of none."""
        cure = "or give another path for a new training"
        if "run" not in tree:
            raise InputError(f"checkpoint {self.path} holds no training: delete it, {cure}")
        there = LATER | tree["run"]
        there["network"] = completed(there["network"])
        kinds = {
            name: bits.get("bit_generator") for name, bits in tree.get("generators", {}).items()
        }
        there |= {"the Generators of layers": kinds}
        here = {"rates": self._given(len(there["rates"] or ())), **self.run}
        here["the Generators of layers"] = {
            name: type(bits).__name__ for name, bits in self.generators.items()
        }
        for name, given in here.items():
            if there[name] != given:
                # No one tells data by its checksum.
                what = "x, t or validation" if name == "checksum_of_the_data" else name
                differs = "the numbers or types are others"
                if what == name:
                    differs = f"it is {there[name]!s:.400} there and {given!s:.400} here"
                why = f"{what}: {differs}"
                why = f"checkpoint {self.path} is of another training: {why}"
                raise InputError(f"{why}. Mend it, {cure}")
        if tree["lengths"]["loss"] > most:
            why = f"epochs: they end at step {most}, and checkpoint {self.path} is past that"
            raise InputError(f"{why}. Give more epochs, {cure}")

    def _given(self, number: int) -> list[float] | None:
        """The learning rates of so many steps, if there is a schedule."""
        return [self.rate(step) for step in range(1, number + 1)] if self.rate else None

    def _parts(self, tree: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """State and history of a file, if they fit what is trained and each other; else an error.

        Its checksum says that it is whole, not who has written it.
        """
        # A file from before there were buffers has none.
        state = {name: tree.get(name, {}) for name in self.state}
        params = self.network.params
        arrays = [state["params"], state["before"], *state["memory"].values()]
        finite = all(np.isfinite(a).all() for part in arrays for a in part.values())
        _expect(finite, "a number that is not finite")
        for name in ("params", "before"):
            _expect(kinds_of(state[name]) == kinds_of(params), name)
            _expect(kinds_of(state[BUFFERS[name]]) == kinds_of(self.network.buffers), BUFFERS[name])
        for name, memory in state["memory"].items():
            _expect(name in params, f"a memory of {name}")
            alike = dict.fromkeys(self.optimizer.letters, params[name])
            _expect(kinds_of(memory) == kinds_of(alike), f"the optimizer's memory of {name}")
        steps = state["steps"]
        _expect(steps.keys() == state["memory"].keys(), "the optimizer's steps")
        _expect(all(type(t) is int and 0 < t < 1 << 53 for t in steps.values()), "a step's number")
        history = {name: tree["history"][name] for name in vars(self.history)}
        numbers = [*history["loss"], *history["accuracy"]]
        history["validation"] = [(loss, accuracy) for loss, accuracy in history["validation"]]
        numbers += [number for pair in history["validation"] for number in pair]
        _expect(all(type(number) in (int, float) for number in numbers), "a number in the history")
        lengths = {name: len(history[name]) for name in state["lengths"]}
        whole = lengths["loss"] // self.history.epoch_steps
        fits = lengths == state["lengths"] and lengths["accuracy"] == lengths["loss"]
        fits &= history["epoch_steps"] == self.history.epoch_steps
        _expect(fits and lengths["validation"] <= whole, "the lengths of the history")
        # It may lie behind: a training that goes on from an epoch's end begins no new one there.
        _expect(type(state["epoch"]) is int and 0 <= state["epoch"] <= whole, "the epoch")
        _check_bits(self.rng.bit_generator, state["shuffle"])
        for name, bits in self.generators.items():
            _check_bits(bits, state["generators"][name])
        return state, history

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        try:
            if not isinstance(error, DivergenceError):  # that one has put back
                self.put_back()
            # Before the first writing the file may be another training's; and where it could not
            # be written, it cannot now.
            if self.written > -math.inf and not isinstance(error, DataError):
                self.write(now=isinstance(error, KeyboardInterrupt))
        except KeyboardInterrupt:  # a second one
            self.put_back()
            raise


def _copies(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: a.copy() for name, a in arrays.items()}


def _expect(fits: bool, what: str) -> None:
    if not fits:
        raise ValueError(f"{what} cannot be of this training")


def _check_bits(bits: np.random.BitGenerator, state: Mapping[str, Any]) -> None:
    """Refuse a state that this kind of random numbers cannot have."""
    for name, most in PLACES.items():
        inner = {**state, **state["state"]}
        _expect(inner.get(name, 0) in range(most + 1), "the random numbers")
    type(bits)(0).state = state  # or an error


def _settings(optimizer: Optimizer, *, scheduled: bool) -> dict[str, Any]:
    """The optimizer's arguments; files have always called the learning rate `_lr`.

    Files from before there was a weight decay have none; with a schedule `lr` is always another.
    """
    config = optimizer.config()
    if not config.get("weight_decay"):
        config = {k: a for k, a in config.items() if k not in ("weight_decay", "decoupled")}
    if scheduled:
        del config["lr"]
    return {"_lr" if name == "lr" else name: a for name, a in config.items()}
