"""Plants the catalogue's mistakes into the library one at a time, and runs the library's tests.

    python tests/mutants.py            every mistake at every place where it fits
    python tests/mutants.py --quick    every mistake once

Each must make a test fail. A mistake that none notices is a survivor: it is printed, and the exit
status is 1. Mistakes that the library's design rules out have no place; NOWHERE says why.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.signal  # noqa: F401  imported once, before the children

from cnnlib import (
    activations,
    convolution,
    fourier,
    gemm,
    layers,
    loops,
    losses,
    mistakes,
    optimizers,
    pooling,
)  # fmt: skip
from cnnlib.layout import spatial
from cnnlib.mistakes.sums import DoesNotFit, Switch, wrong
from cnnlib.mistakes.switches import SWITCHES

TESTS = Path(__file__).parent
PATIENCE = 300  # seconds for the tests of one mutant
ENGINES = {"loops": loops, "gemm": gemm, "fourier": fourier}
FUNCTIONS = {"z": "conv", "dx": "conv_delta", "dw": "conv_weight_gradient"}
# The first file that fails ends a mutant's run.
SUITES = {
    "loops": ("test_loops", "test_convolution"),
    "gemm": ("test_convolution", "test_gemm", "test_layers"),
    "fourier": ("test_convolution", "test_fourier", "test_layers"),
    "bias": ("test_convolution", "test_layers"),
    "pooling": ("test_pooling", "test_layers"),
    "head": ("test_activations", "test_losses", "test_network"),
    "training": ("test_layers", "test_network", "test_optimizers", "test_training"),
}
NOWHERE = {
    "F4": "the number of outputs is computed in geometry alone",
    "F5": "as F4",
    "F6": "as F4",
    "F8": "as F4; each axis has an Axis of its own",
    "P1": "max_pool returns one winner for each output, so a tie has one cell",
    "P6": "no pooling repeats",
    "D22": "gradients of all layers come before the optimizer's step",
    "D23": "it is a layer that is not there",
    "D25": "there is no list of samples",
    "T1": "it is a mistake of tests: the clinic's matrix shows which ones see what",
}


@dataclass(frozen=True)
class Mutant:
    """One mistake at one place."""

    id: str
    place: str
    suite: str
    plant: Callable[[], None]


def replace(old: Callable, new: Callable) -> None:
    """Put `new` wherever a module of the library has `old`."""
    for name, module in list(sys.modules.items()):
        if name == "cnnlib" or name.startswith("cnnlib."):
            for attribute, value in list(vars(module).items()):
                if value is old:
                    setattr(module, attribute, new)


def mutants() -> Iterator[Mutant]:
    """All of them, in the order of the catalogue."""
    found = [*_convolutions(), *_biases(), *_pools(), *_heads(), *_trainings()]
    order = [mistake.id for mistake in mistakes.every()]
    yield from sorted(found, key=lambda mutant: order.index(mutant.id))


# ---- Convolution


def _convolutions() -> Iterator[Mutant]:
    for switch in SWITCHES:
        if switch.quantity == "db":
            continue
        for name, engine in ENGINES.items():
            function = FUNCTIONS[switch.quantity]
            right = getattr(engine, function)
            made = _mistaken(switch, right)
            for id in switch.ids:
                if id not in NOWHERE:
                    yield Mutant(
                        id, f"{name}.{function}, {switch.name}", name,
                        lambda engine=engine, function=function, made=made:
                            setattr(engine, function, made),
                    )  # fmt: skip


def _mistaken(switch: Switch, right: Callable) -> Callable:
    """The function with this mistake, where it fits; elsewhere as it is."""

    def made(*given, **options):
        window = given[3] if switch.quantity != "dw" else given[2]
        if switch.quantity == "z":
            x, w, b = given[:3]
            arrays = {"x": x, "w": w, "b": b}
            P = spatial(x.shape)
        elif switch.quantity == "dx":
            dz, w, shape = given[:3]
            arrays = {"dz": dz, "w": w}
            P = spatial(shape)
        else:
            x, dz = given[:2]
            arrays = {"x": x, "dz": dz}
            P = spatial(x.shape)
        axes = window.axes(P)
        pads = tuple((axis.before, axis.after) for axis in axes)
        try:
            result = wrong(switch.quantity, [switch], axes, pads, **arrays).result()
        except (DoesNotFit, IndexError, ValueError):
            return right(*given, **options)
        return result.astype(next(iter(arrays.values())).dtype)

    return made


def _biases() -> Iterator[Mutant]:
    for switch in SWITCHES:
        if switch.quantity == "db":

            def made(dz, switch=switch):
                dz = np.asarray(dz)
                return np.asarray(wrong("db", [switch], (), (), dz=dz).result(), dz.dtype)

            for id in switch.ids:
                yield Mutant(
                    id, f"conv_bias_gradient, {switch.name}", "bias",
                    lambda made=made: replace(convolution.conv_bias_gradient, made),
                )  # fmt: skip


# ---- Pooling


def _pools() -> Iterator[Mutant]:
    deltas = {
        "max_pool_delta": (loops.max_pool_delta, pooling.max_pool_delta),
        "avg_pool_delta": (loops.avg_pool_delta, pooling.avg_pool_delta),
    }

    def overwritten(da, winners, input_shape):
        dx = np.zeros((len(da), int(np.prod(input_shape[1:-1])), da.shape[-1]), da.dtype)
        flat, at = (np.asarray(a).reshape(len(da), -1, da.shape[-1]) for a in (da, winners))
        np.put_along_axis(dx, at, flat, axis=1)
        return dx.reshape(input_shape)

    def first_window(right):
        def made(da, *rest, **options):
            only = np.zeros_like(da)
            only.reshape(-1)[:1] = da.reshape(-1)[:1]
            return right(only, *rest, **options)

        return made

    def undivided(right):
        def made(da, input_shape, window, *rest, **options):
            size = window.kernel if hasattr(window, "kernel") else window
            axes = len(input_shape) - 2
            return right(da, input_shape, window, *rest, **options) * np.prod(
                np.broadcast_to(size, axes)
            )

        return made

    for right in deltas["max_pool_delta"]:
        yield _planted("P2", right, overwritten, "pooling")
    for right in deltas["avg_pool_delta"]:
        yield _planted("P3", right, undivided(right), "pooling")
    for rights in deltas.values():
        for right in rights:
            yield _planted("P4", right, first_window(right), "pooling")


def _planted(id: str, right: Callable, made: Callable, suite: str) -> Mutant:
    place = f"{right.__module__.removeprefix('cnnlib.')}.{right.__name__}"
    return Mutant(id, place, suite, lambda: replace(right, made))


# ---- The head


def _heads() -> Iterator[Mutant]:
    relu = activations.relu_delta
    yield _planted("S1", relu, lambda da, z: (z > 0).astype(np.asarray(da).dtype), "head")
    yield _planted("S2", relu, lambda da, z: da * (np.maximum(z, 0) >= 0), "head")
    for name in ("relu_delta", "sigmoid_delta", "tanh_delta", "softmax_delta"):
        right = getattr(activations, name)
        yield _planted("S3", right, lambda da, _: np.array(da), "head")
    kind = losses.SoftmaxCrossEntropy
    right = kind.delta

    def scaled(factor):
        def made(self, y, t):
            delta = right(self, y, t)
            return delta * factor(*delta.shape)

        return made

    def twice(self, y, t):
        p = activations.softmax(y)
        return right(self, y, t) * p * (1 - p)

    factors = {
        "S4": ("per class", scaled(lambda N, K: 1 / K)),
        "S5": ("summed", scaled(lambda N, K: N)),
        "W6": ("divided by N twice", scaled(lambda N, K: 1 / N)),
        "S6": ("softmax twice", twice),
    }
    for id, (words, made) in factors.items():
        yield Mutant(id, f"SoftmaxCrossEntropy.delta, {words}", "head",
                     lambda made=made: setattr(kind, "delta", made))  # fmt: skip


# ---- Training


def _trainings() -> Iterator[Mutant]:
    for kind in (layers.Conv, layers.Dense):
        yield Mutant("W13", f"{kind.__name__}.gradients, added to the old ones", "training",
                     lambda kind=kind: _remember(kind))  # fmt: skip
        yield Mutant("T2", f"{kind.__name__}, first weights zero", "training",
                     lambda kind=kind: _start_at_zero(kind))  # fmt: skip
    yield Mutant("T2", "SGD.step updates a copy", "training", _update_copies)


def _remember(kind: type) -> None:
    right = kind.gradients

    def made(self, dz):
        old = dict(self.grads)
        right(self, dz)
        for name, gradient in self.grads.items():
            if name in old and np.shape(old[name]) == np.shape(gradient):
                self.grads[name] = gradient + old[name]

    kind.gradients = made


def _start_at_zero(kind: type) -> None:
    right = kind.build

    def made(self, *given, **options):
        result = right(self, *given, **options)
        for p in self.params.values():
            p[...] = 0
        return result

    kind.build = made


def _update_copies() -> None:
    right = optimizers.Optimizer.step

    def made(self, params, grads, *rest):
        return right(self, {name: p.copy() for name, p in params.items()}, grads, *rest)

    optimizers.Optimizer.step = made


# ---- Running


def killed(mutant: Mutant) -> bool:
    """Whether the tests notice: run in a child process, which alone has the mistake."""
    child = os.fork()
    if child == 0:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        signal.alarm(PATIENCE)  # an endless loop is noticed as well
        status = 70
        try:
            mutant.plant()
            files = [str(TESTS / f"{name}.py") for name in SUITES[mutant.suite]]
            status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *files]))
        finally:
            os._exit(status)
    _, result = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(result)
    # 1: a test failed; 2: a test file could not be imported with the mistake; below 0: a signal.
    if code not in (0, 1, 2) and code >= 0:
        raise RuntimeError(f"pytest ended with status {code} for {mutant.id} in {mutant.place}")
    return code != 0


def main(arguments: list[str] | None = None) -> int:
    """Run the mutants; 1 if one survives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every mistake once")
    parser.add_argument("--only", metavar="ID", help="one mistake at all its places")
    chosen = parser.parse_args(arguments)
    # The engine that is tried first differs from one mistake to the next.
    every = [one for one in mutants() if chosen.only in (None, one.id)]
    if chosen.quick:
        by_id: dict[str, list[Mutant]] = {}
        for one in every:
            by_id.setdefault(one.id, []).append(one)
        every = [some[n % len(some)] for n, some in enumerate(by_id.values())]
    survivors = []
    for one in every:
        dead = killed(one)
        print(f"{one.id:4} {one.place:60} {'noticed' if dead else 'SURVIVES'}", flush=True)
        survivors += [] if dead else [one]
    places = {one.id for one in mutants()}
    for id, reason in NOWHERE.items():
        assert id not in places, f"{id} has a place: take it from NOWHERE"
        if chosen.only is None:
            print(f"{id:4} no place: {reason}")
    missing = {mistake.id for mistake in mistakes.every()} - places - NOWHERE.keys()
    print(f"{len(every)} mutants, {len(survivors)} survivors")
    if missing:
        print(f"no mutant and no reason for: {', '.join(sorted(missing))}")
    return 1 if survivors or missing else 0


if __name__ == "__main__":
    sys.exit(main())
