"""Wrong calls of everything public: each argument in turn is each of these values.

The kind of an argument says which of the values it may take; all others it has to refuse with an
error that names it, in few words. Kinds go by the names of arguments, and the rest of a right call
by its defaults: a new function is one line of `calls`, a new argument often none.

python tests/wrong_calls.py [part of a name]      counts, and lists what is not refused like that
"""
# fmt: off

import inspect
import os
import re
import sys
import warnings
from collections import Counter
from contextlib import contextmanager
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
from traitlets import TraitError

import cnnlib
from cnnlib import book, diagnosis, interop, learning
from cnnlib.book import figures
from cnnlib.book.widgets import recording
from cnnlib.errors import DataError, InputError
from cnnlib.learning import Adam, AvgPool, Conv, Dense, Flatten, MaxPool, Network, ReLU

LONGEST = 600  # letters of a message


class Mute:
    """Something that cannot even be written."""

    def __repr__(self):
        raise RuntimeError("no words")


class Rude(float):
    """A number that does not say which."""

    def __float__(self):
        raise RuntimeError("no number")


VALUES = {
    "None": None, "True": True, "0": 0, "-1": -1, "1.5": 1.5, "nan": float("nan"),
    "inf": float("inf"), "10**30": 10**30, "10**5000": 10**5000, "1j": 1j, "'no'": "no", "''": "",
    "a long text": "no" * 10**4, "b'no'": b"no", "()": (), "{}": {},
    "six numbers": (1, 2, 3, 4, 5, 6),
    "a long list": [7] * 3000, "unequal rows": [[1, 2], [3]], "a set": {1, 2}, "object()": object(),
    "Mute()": Mute(), "a class": list, "a function": lambda *_, **__: None, "a generator": None,
    "an empty array": np.zeros((0, 2)),
    "a masked array": np.ma.masked_equal(np.ones((1, 4, 4, 1)), 1),
    "objects": np.array([None, object()]), "texts": np.array(["no", "1"]),
    "complex numbers": np.ones((1, 4, 4, 1), complex), "dates": np.zeros(3, "M8[s]"),
    "a masked cell": [np.ma.masked, 1.0], "Rude()": Rude(1),
    "records": np.zeros(3, [("a", "f8"), ("b", "i4")]), "seven axes": np.ones((1,) * 7),
}

# What a kind takes of them; the other arguments of the call may still forbid it.
ARRAY = {"0", "-1", "1.5", "True", "nan", "inf", "()", "six numbers", "a long list",
         "an empty array", "seven axes"}
TAKES = {
    "array": ARRAY, "cells": {*ARRAY, "10**30"}, "written": {*ARRAY, "10**30", "texts"},
    "anything": set(VALUES), "nothing": set(),
    "integer": set(), "from 0": {"0"}, "integers": {"0", "-1"}, "shape": {"six numbers"},
    "place": {"0", "()"}, "number": {"0", "-1", "1.5", "10**30"}, "positive": {"1.5", "10**30"},
    "share": {"0"}, "spread": {"0", "1.5", "10**30"}, "truth": {"True", "0"},
    "text": {"'no'", "a long text"}, "words": {"'no'", "''", "a long text"}, "path": {"'no'"},
    "may be empty": {"()", "{}", "''", "an empty array"}, "function": {"a function", "a class"},
    "titles": {"'no'", "b'no'", "unequal rows", "a masked cell"}, "empty word": {"''"},
    "to 10": {"0", "1.5"}, "no setting": {"{}"},
}
# Kinds by the names of arguments; one with a question mark takes None as well.
KINDS = {name: kind for kind, names in {
    "array": "x w dz da z y a winners t",
    "array?": "b",
    "integer": "stride dilation kernel window input_shape output_shape filters outputs entries "
               "epochs batch groups "
               "count size fan_in fan_out inputs",
    "from 0": "cell seed start position output weight digit shown step_ filter channel image "
              "warm_up",
    "from 0?": "padding output_padding center",
    "truth": "flip count_padding bias training progress relu rotated mark_center indices overhang "
             "markers decoupled unbiased",
    "positive": "lr step peak most", "positive?": "epsilon clip_norm",
    "share": "momentum beta1 beta2 rate",
    "number": "slope",
    "share?": "rho",
    "spread": "init weight_decay", "shape": "shape",
    "nothing": "method border form quantity kind rng network optimizer loss layers dtype params "
               "grads architecture lens pool layer id name z_kind recordings probe figure table "
               "outputs_",
    "nothing?": "validation schedule", "path": "path", "path?": "checkpoint",
    "function": "fn f draw", "text": "alt",
    "words": "about drawing_", "words?": "title note xlabel ylabel missing x_title z_title",
    "may be empty": "classes rows columns_ lines times histories highlight log copying_ points_ "
                    "shortcut",
}.items() for name in names.split()}
# Names under which a message may speak of an argument: how a layer or a shape hands it on.
ALIASES = {
    "dz": "da input_shape", "da": "input_shape", "w": "input_shape kernel", "x": "kernel z",
    "shape": "input", "input_shape": "input", "window": "kernel", "input": "position",
    "probe": "x t",
    "id": "exercise",
    "table": "columns", "outputs": "output", "g": "grads", "p": "params grads",
}


def numbers(*shape):
    return np.random.default_rng(0).integers(1, 5, shape) / 4


X, W, DZ, T = numbers(2, 4, 4, 1), numbers(3, 2, 2, 1), numbers(2, 3, 3, 3), np.array([0, 1])
LAID = {"stride": 1, "dilation": 1, "padding": None, "center": None, "flip": False}
RNG = partial(np.random.default_rng, 0)
FRESH = {"rng": RNG, "optimizer": Adam, "network": lambda: net()}  # made anew for each call


def net():
    layers = [Conv(2, 2), ReLU(), MaxPool(2), AvgPool(1), Flatten(), Dense(2)]
    return Network(layers, learning.SoftmaxCrossEntropy(), input_shape=(4, 4, 1), rng=RNG(),
                   dtype=np.float64)


class Call:
    """A function that `make` gives, and the arguments of a right call that are no defaults."""

    def __init__(self, group, name, make, given, kinds):
        self.name, self.make, self.kinds = f"{group}: {name or make().__qualname__}", make, kinds
        parameters = inspect.signature(make()).parameters.values()
        optional = {p.name: p.default for p in parameters if p.default is not p.empty}
        self.given = optional | given
        self.given |= {p.name: FRESH[p.name]() for p in parameters if p.name in FRESH}

    def takes(self, argument, value):
        kind = self.kind(argument)
        return value in TAKES[kind.rstrip("?")] or (kind.endswith("?") and value == "None")

    def kind(self, argument):
        return self.kinds.get(argument) or KINDS[argument]

    def run(self, argument=None, value=None):
        """What comes of a call, right but for this: clear, unnamed, raw, or accepted; and why."""
        given = self.given | {name: FRESH[name]() for name in self.given if name in FRESH}
        if argument:
            given[argument] = iter([1, 2]) if value == "a generator" else VALUES[value]
        with warnings.catch_warnings(), streams() as closed:
            warnings.simplefilter("ignore")
            try:
                made = self.make()(**given)
                if hasattr(made, "__next__"):
                    next(made, None)
                if hasattr(made, "__enter__"):
                    with made:
                        pass
                result = "accepted", ""
            except (InputError, DataError, TraitError) as error:
                result = self.judged(str(error), argument)
            except Exception as error:
                result = "raw", f"{type(error).__name__}: {str(error)[:150]}"
            return ("raw", "a standard stream is closed") if closed() else result

    def judged(self, said, argument):
        if len(said) > LONGEST:
            return "raw", f"{len(said)} letters: {said[:150]}"
        fitting = [name for name in self.given if self.kind(name).rstrip("?") == "array"]
        names = [argument, *ALIASES.get(argument, "").split()]
        if argument in fitting:  # of two that do not fit each other, it may name the other one
            names += fitting
        named = any(re.search(rf"\b{name}\b", said) for name in names)
        return "clear" if named else "unnamed", said


@contextmanager
def streams():
    """Gives a function that says whether a standard stream is closed; they are put back."""
    kept = [os.dup(number) for number in range(3)]

    def closed():
        try:
            return not [os.fstat(number) for number in range(3)]
        except OSError:
            return True

    try:
        yield closed
    finally:
        for number, copy in enumerate(kept):
            os.dup2(copy, number)
            os.close(copy)


def calls(folder):
    """All of them; files are written to the folder."""
    for group in (core, layers, losses, networks, trainings, optimizers, diagnoses, books,
                  explorers, drawings):
        def of(fn, name=None, /, kinds=None, group=group, **given):
            return Call(group.__name__, name, lambda: fn, given, kinds or {})

        def method(name, make, /, kinds=None, group=group, **given):
            return Call(group.__name__, name, make, given, kinds or {})

        yield from group(of, method, folder)


def core(of, method, _):
    pools = {"stride": "integer?"}
    a, winners = cnnlib.max_pool(X, 2)
    yield of(cnnlib.conv, x=X, w=W)
    yield of(cnnlib.conv_delta, dz=DZ, w=W, input_shape=X.shape)
    yield of(cnnlib.conv_weight_gradient, x=X, dz=DZ, kernel=(2, 2))
    yield of(cnnlib.conv_bias_gradient, dz=DZ)
    yield of(cnnlib.max_pool, x=X, window=2, kinds=pools)
    yield of(cnnlib.max_pool_delta, da=a, winners=winners, input_shape=X.shape)
    yield of(cnnlib.avg_pool, x=X, window=2, kinds=pools)
    yield of(cnnlib.avg_pool_delta, da=a, input_shape=X.shape, window=2, kinds=pools)
    yield of(cnnlib.Window, kernel=(2, 2), kinds={"kernel": "shape"})
    for name in ("axes", "output_shape", "connections"):
        yield of(getattr(cnnlib.Window((2, 2)), name), input_shape=(4, 4))
    yield of(cnnlib.Window((2, 2)).input_shape, output_shape=(4, 4))
    yield of(cnnlib.connections, input_shape=(4, 4), kernel=(2, 2))
    yield of(cnnlib.numerical_gradient, f=lambda x: float(x.sum()), x=np.ones(2),
             kinds={"x": "cells"} | {"f": "nothing"})
    yield of(cnnlib.relative_error, a=np.ones(2), b=np.ones(2), kinds={"b": "array"})
    yield of(cnnlib.adjoint_test, x=X, w=W, dz=DZ, method="auto", **LAID)
    yield of(cnnlib.explain, quantity="z", cell=(0, 1, 1, 0), x=X, w=W, kinds={"dz": "array?"})
    yield of(cnnlib.threads, count=1)
    for name in ("relu", "sigmoid", "tanh", "softmax", "leaky_relu"):
        yield of(getattr(learning, name), z=np.ones(3))
        yield of(getattr(learning, f"{name}_delta"), da=np.ones(3),
                 **{"z" if name.endswith("relu") else "a": np.ones(3)})
    yield of(learning.softmax_jacobian, a=np.ones(3))


def build(kind, shape, /, **given):
    return kind(**given).build(shape, RNG(), np.float32)


def layers(of, method, _):
    at_build = "kernel window stride dilation padding output_padding center border method init"
    later = dict.fromkeys(at_build.split(), "anything") | {"rng": "nothing?"}
    made = {"Conv": (3, 2), "ConvTranspose": (3, 2), "Dense": (3,), "MaxPool": (2,),
            "AvgPool": (2,), "Dropout": (0.5,), "Residual": ([ReLU()],)}
    others = ("Flatten", "ReLU", "Sigmoid", "Tanh", "Softmax", "BatchNorm", "LeakyReLU",
              "GlobalAveragePool")
    for name in (*made, *others):
        kind = getattr(learning, name)
        learns = name in ("Conv", "ConvTranspose", "Dense", "Residual")
        arguments, x = made.get(name, ()), numbers(2, 16) if name == "Dense" else X
        given = dict(zip(inspect.signature(kind).parameters, arguments, strict=False))
        shape = x.shape[1:]

        def built(kind=kind, arguments=arguments, x=x, shape=shape):
            layer = kind(*arguments)
            layer.build(shape, RNG(), np.float64)
            layer.dz = layer.forward(x)
            return layer

        if given:
            yield of(kind, kinds=later, **given)
            # Where the axes are known, the rest is read as well.
            every = {n: p.default for n, p in inspect.signature(kind).parameters.items()} | given
            yield of(partial(build, kind, shape), f"{name}, built", **every,
                     kinds={"stride": "integer?"} if "Pool" in name else {"rng": "nothing?"})
        yield method(f"{name}.forward", lambda b=built: b().forward, x=x,
                     kinds={"training": "anything"})
        for act in ("backward", "gradients", "delta"):
            unread = {"dz": "anything"} if act == "gradients" and not learns else {}
            yield method(f"{name}.{act}", lambda b=built, act=act: getattr(b(), act), dz=built().dz,
                         kinds=unread)
        yield method(f"{name}.output_shape", lambda b=built: b().output_shape, shape=shape,
                     kinds={"shape": "anything"} if name == "Dense" else {})
        yield method(f"{name}.build", lambda b=built: b().build, shape=shape, dtype=np.float64,
                     kinds={} if learns else {"rng": "anything", "dtype": "anything"})


def losses(of, method, _):
    rows, half, yes = numbers(2, 3), np.full((2, 1), 0.5), np.array([[0], [1]])
    pairs = {"HalfSquaredError": (rows, rows), "BinaryCrossEntropy": (half, yes),
             "SigmoidBinaryCrossEntropy": (half, yes), "CrossEntropy": (np.full((2, 2), 0.5), T),
             "SoftmaxCrossEntropy": (np.full((2, 2), 0.5), T)}
    for name, (y, t) in pairs.items():
        for act in ("value", "delta", "accuracy"):
            yield of(getattr(getattr(learning, name)(), act), y=y, t=t)


def unless_right(translate, /, **given):
    """What a framework is needed for; a wrong network is refused without."""
    if type(given["network"]) is not Network:
        translate(**given)


def networks(of, method, folder):
    path, gone = f"{folder}/net.npz", net()
    gone.save(path)
    y = gone.forward(X)
    yield of(Network, layers=[Flatten()], loss=learning.HalfSquaredError(), input_shape=(4, 4, 1),
             kinds={"input_shape": "shape"})
    yield of(gone.forward, x=X)
    yield of(gone.gradients, x=X, t=T)
    yield of(gone.backward, y=y, t=T)
    yield of(gone.trace, x=X, kinds={"t": "array?"})
    yield of(gone.read, x=X)
    yield of(gone.first_broken, x=X)
    yield of(gone.save, path=path)
    yield of(Network.load, path=path)
    yield of(Network.from_architecture, architecture=gone.architecture())
    for name in ("to_torch", "to_keras"):
        yield of(partial(unless_right, getattr(interop, name)), name, network=gone)


def trainings(of, method, _):
    data = {"x": X, "t": T, "batch": 2}
    yield of(learning.fit, **data, epochs=1, validation=(X, T), progress=False)
    yield of(learning.steps, **data, kinds={"epochs": "integer?"})
    yield of(learning.evaluate, **data)
    yield of(learning.batches, count=5, size=2, kinds={"count": "from 0"})
    yield of(learning.check_gradients, x=X, t=T, entries=2)
    yield of(learning.receptive_field)
    yield of(learning.BatchNorm, kinds={"epsilon": "positive"})
    yield of(learning.LeakyReLU)
    yield of(learning.first_weights, shape=(2, 3), fan_in=2, fan_out=3, init="he", dtype=np.float64)
    yield of(recording.record, **data, steps=1, probe=(X, T), title="no", frames=2,
             kinds={"steps": "integer", "title": "words", "frames": "integer"})
    yield of(recording.load, name="adam")


def optimizers(of, method, _):
    p = np.ones(2)
    yield of(learning.clip_gradients, grads={"w": p}, most=1.0)
    yield of(learning.Cosine, peak=1.0, steps=8, kinds={"steps": "integer"})
    yield method("Cosine()", lambda: learning.Cosine(1.0, 8), t=3, kinds={"t": "integer"})
    for name in ("SGD", "Momentum", "RMSprop", "Adam"):
        kind = getattr(learning, name)
        yield of(kind, lr=0.1)
        yield method(f"{name}.step", lambda k=kind: k(0.1).step, params={"w": p},
                     grads={"w": np.ones(2)})
        yield method(f"{name}.step of one",
                     lambda k=kind: lambda p, g: k(0.1).step({"w": p}, {"w": g}),
                     p=np.ones(2), g=p, kinds=dict.fromkeys("pg", "array"))


def diagnoses(of, method, _):
    none = {"stride": "integer?", "padding": "from 0?", "axes": "integer", "channels": "integer?",
            "limits": "may be empty", "activation": "empty word?"}
    for name in ("diagnose", "diagnose_pool", "diagnose_head", "channels_first",
                 "true_convolution"):
        yield of(getattr(diagnosis, name), fn=lambda *_: {}, kinds=none)
    yield of(diagnosis.diagnose_step, fn=lambda *_: {}, kinds={
        "activation": "empty word", "optimizer": "nothing?"})
    yield of(diagnosis.diagnose_gradient, forward=np.tanh, inputs={"x": "N C"}, kinds={
        "forward": "function", "backward": "function?", "inputs": "nothing"})
    yield of(diagnosis.adapt, layer=lambda *_: {}, kinds={
        "layer": "function", "layout": "nothing?", "weights": "nothing?", "forward": "words",
        "backward": "words", "weight": "words?", "bias": "words?", "grads": "may be empty?",
        "make": "function?"})
    yield of(book.mistakes.get, id="F1")
    yield of(book.mistakes.card, id="F1")


def books(of, method, _):
    figure = figures.grid([1, 2])
    yield of(book.check, id="1.1", kinds={"answer": "anything"})
    yield of(book.hint, id="1.1", kinds={"number": "integer"})
    yield of(book.solution, id="1.1")
    yield of(book.playground, draw=lambda: figure, alt="no", kinds={"draw": "nothing"})
    yield of(figures.show, figure=figure, alt="no")
    yield of(figures.png, figure=figure)


def explorers(of, method, _):
    cells = {"input": "cells", "kernel": "cells", "deltas": "cells?", "bias": "number"}
    shown = dict.fromkeys(("coverage", "shades", "transposed"), "truth")
    for kind, kinds in {
        book.ConvolutionExplorer: cells | shown | {"beside": "no setting?"},
        book.PoolingExplorer: cells | {"stride": "integer?"},
        book.NetworkExplorer: {"drawing": "words", "target": "from 0?", "cell": "nothing"},
        book.TrainingExplorer: {
            "step": "from 0", "live": "truth", "rate": "positive", "init": "to 10"},
    }.items():
        yield of(kind, kinds=kinds, **kind()._values(state=True))


def drawings(of, method, _):
    grid, small = np.arange(9).reshape(3, 3), np.arange(4).reshape(2, 2)
    cells = {"x": "cells", "w": "cells", "dz": "cells", "b": "number", "outputs": "nothing"}
    yield of(figures.grid, values=grid,
             kinds={"values": "written", "padding": "from 0", "center": "place?"})
    yield of(figures.lattice, dz=grid, kinds=cells | {"padding": "integers"})
    yield of(figures.placement, x=grid, w=small, output=(0, 0), kinds=cells, **LAID)
    yield of(figures.placements, x=grid, w=small, outputs=[(0, 0)], kinds=cells, **LAID)
    yield of(figures.delta_placement, dz=grid, w=small, input_shape=(4, 4), cell=(0, 0),
             kinds=cells, **LAID)
    yield of(figures.weight_placement, x=grid, dz=small, kernel=(2, 2), weight=(0, 0), kinds=cells,
             **LAID)
    chosen = dict.fromkeys(("input", "output", "weight"), "from 0?")
    yield of(figures.connections, inputs=4, kernel=2, **LAID,
             kinds=chosen | dict.fromkeys("xwz", "written?"))
    yield of(figures.kernels, w=np.ones((2, 3, 3, 1)))
    yield of(figures.images, x=np.ones((2, 3, 3, 1)),
             kinds={"titles": "titles?", "columns": "integer", "size": "positive"})
    yield of(figures.network)
    yield of(figures.curves, x=[1, 2], lines={"a": [1, 2]}, kinds={"size": "nothing"})
    yield of(figures.training_curves, histories=learning.History(1, [1.0], [0.5]))
    yield of(figures.matrix, table={"a": {"b": True}}, rows=["b"], columns=["a"],
             kinds={"columns": "may be empty"})
    yield of(figures.ladder, times={"a": {"b": 1.0}})
    yield of(figures.roofline, peak=1.0, copying={"a": 1.0}, points={"a": [(1, 1)]},
             kinds={"copying": "nothing", "points": "nothing"})


if __name__ == "__main__":
    counts = Counter()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        for call in calls(folder):
            if any(part not in call.name for part in sys.argv[1:]):
                continue
            assert call.run()[0] == "accepted", (call.name, call.run())
            for argument in call.given:
                for value in VALUES:
                    result, said = call.run(argument, value)
                    if result == "accepted" and call.takes(argument, value):
                        result = "right"
                    counts[result] += 1
                    if result not in ("clear", "right"):
                        print(f"{result:9}{call.name}({argument}={value}): {said}")
    print(sum(counts.values()), dict(counts))
