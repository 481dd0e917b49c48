"""What a training needs to go on: put back after an interrupt, written for the case of a kill.

After step k the whole state is: the parameters and buffers, those before step k (they gave the last
loss, which is where a training that diverges returns to), the optimizer's memory and counts, the
number of the epoch, the state of the random numbers before its shuffle, and the history. A training
that starts from it shuffles the epoch again, passes over the batches that it has seen, and goes on
with the same numbers in the same order: it ends with the same bits.
"""

import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnlib.errors import DivergenceError, InputError

from . import storage
from .network import Network
from .optimizers import Optimizer

EVERY = 10.0  # seconds from one writing to the next
BUFFERS = {"params": "buffers", "before": "buffers_before"}  # those that belong to parameters


class TrainingState:
    """The state after the last finished step: always in memory, so that it can be put back.

    Where there is a path, a file holds it, too: the checkpoint, from which another program goes on.
    For the same training to go on, the arrays `data` must be equal, and so must what `run` names,
    such as the batch size. `history` is a `training.History`. As a context it puts a training that
    is stopped, wherever that is, back to that state, and writes it when it was interrupted.
    """

    def __init__(
        self,
        path: storage.Place | None,
        network: Network,
        optimizer: Optimizer,
        rng: np.random.Generator,
        history: Any,
        data: Sequence[np.ndarray],
        **run: Any,
    ) -> None:
        self.path, self.network, self.optimizer = path, network, optimizer
        self.rng, self.history, self.written = rng, history, -math.inf
        self.state: dict[str, Any] = {"params": _copies(network.params)}
        self.state["buffers"] = _copies(network.buffers)
        self.keep()
        self.begin(0)
        if path is not None:
            run["checksum_of_the_data"] = storage.digest({str(n): a for n, a in enumerate(data)})
            run |= {"network": network.architecture(), "optimizer": type(optimizer).__name__}
            run |= {"settings": _settings(optimizer), "rng": type(rng.bit_generator).__name__}
            self.run = storage.plain(run)

    def begin(self, epoch: int) -> None:
        """Remember that this epoch begins, and what rng is before its shuffle."""
        self.state = {**self.state, "epoch": epoch, "shuffle": self.rng.bit_generator.state}

    def keep(self, before: str = "params") -> None:
        """Remember what network, optimizer and history are now."""
        # One assignment: an interrupt meets the old state or the new one.
        self.state = {
            **self.state,
            "before": self.state[before],
            "buffers_before": self.state[BUFFERS[before]],
            "params": _copies(self.network.params),
            "buffers": _copies(self.network.buffers),
            "memory": {name: _copies(m) for name, m in self.optimizer.memory.items()},
            "steps": dict(self.optimizer.steps),
            "lengths": {k: len(v) for k, v in vars(self.history).items() if isinstance(v, list)},
        }

    def put_back(self) -> None:
        """Bring network, optimizer and history to the remembered state."""
        self.put("params")
        self.optimizer.memory = {name: _copies(m) for name, m in self.state["memory"].items()}
        self.optimizer.steps = dict(self.state["steps"])
        for name, length in self.state["lengths"].items():
            del getattr(self.history, name)[length:]

    def put(self, which: str) -> None:
        """Write remembered parameters, 'params' or 'before', and their buffers into the network."""
        for name, p in self.network.params.items():
            np.copyto(p, self.state[which][name])
        for name, a in self.network.buffers.items():
            np.copyto(a, self.state[BUFFERS[which]][name])

    def write(self, *, now: bool = False) -> None:
        """Write the remembered state, if it is time. `Network.load` reads the file as well."""
        if self.path is not None and (now or time.monotonic() - self.written > EVERY):
            tree = {"network": self.run["network"], "run": self.run, "history": vars(self.history)}
            storage.write(self.path, {**tree, **self.state})
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
        tree, cure = storage.read(self.path), "or give another path for a new training"
        if "run" not in tree:
            raise InputError(f"checkpoint {self.path} holds no training: delete it, {cure}")
        for name, given in self.run.items():
            if tree["run"][name] != given:
                why = f"{name} is {tree['run'][name]} there and {given} here. Mend it, {cure}"
                raise InputError(f"checkpoint {self.path} is of another training: {why}")
        if tree["lengths"]["loss"] > most:
            why = f"epochs: they end at step {most}, and checkpoint {self.path} is past that"
            raise InputError(f"{why}. Give more epochs, {cure}")
        vars(self.history).update(tree["history"])
        self.history.validation = [tuple(pair) for pair in self.history.validation]
        # A file from before there were buffers has none.
        self.state = {name: tree.get(name, {}) for name in self.state}
        self.rng.bit_generator.state = self.state["shuffle"]
        self.put_back()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        try:
            if not isinstance(error, DivergenceError):  # that one has put back
                self.put_back()
            if self.written > -math.inf:  # else the file may be another training's
                self.write(now=isinstance(error, KeyboardInterrupt))
        except KeyboardInterrupt:  # a second one
            self.put_back()
            raise


def _copies(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: a.copy() for name, a in arrays.items()}


def _settings(optimizer: Optimizer) -> dict[str, Any]:
    """The optimizer's arguments; files have always called the learning rate `_lr`."""
    return {"_lr" if name == "lr" else name: a for name, a in optimizer.config().items()}
