"""The catalogue's mistakes, each at every place of the library where it fits.

A mistake of the convolution is planted as what it is to the diagnosis: a change of the sums
(`cnnlib.diagnosis.mistakes`). It stands at the doors of the three engines, whose insides do not
matter, at the index rule that all of them share, and, as far as a mean or a product is such a sum,
at the pools and at `Dense`. The others are a few lines each. NOWHERE says why a mistake has no
place.

Where the mistake cannot be made with the shapes of a call, or changes nothing, the library's own
result is returned: so what a test notices is the mistake, never its planting. `deviate` is called
where a result is another one; a mutant that never gets there would prove nothing.
"""

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from inspect import signature, unwrap
from math import prod
from typing import Any

import numpy as np

from cnnlib import convolution, data, pooling
from cnnlib.arrays import spatial
from cnnlib.diagnosis import mistakes  # fmt: skip
from cnnlib.diagnosis.mistakes.sums import DoesNotFit, Sum, Switch, wrong
from cnnlib.diagnosis.mistakes.switches import SWITCHES
from cnnlib.errors import InputError
from cnnlib.geometry import BORDERS, Axis, Window, per_axis
from cnnlib.learning import activations, layers, losses, network, optimizers, training
from cnnlib.learning.transposed import ConvTranspose
from cnnlib.sums import fourier, gemm, loops, reduced, winograd

ENGINES = {"loops": loops, "gemm": gemm, "fourier": fourier, "winograd": winograd}
FUNCTIONS = {"z": "conv", "dx": "conv_delta", "dw": "conv_weight_gradient"}
STEPS = ("no_stride", "not_dilated", "without_the_rest", "zeros_behind_the_last",
         "stride_at_the_weight")  # fmt: skip
SIZES = ("one_inside", "padding_once", "no_kernel", "height_for_width")
LARGEST = 10**7  # products of a sum that is still computed row by row
NOWHERE = {"T1": "it is a mistake of tests, not of code: the clinic's matrix shows which see what"}


@dataclass(frozen=True)
class Mutant:
    """One mistake at one place; the tests of `suite` must notice it."""

    id: str
    place: str
    suite: str
    plant: Callable[[], None]

    @property
    def function(self) -> str:
        """The place without the form of the mistake."""
        return self.place.partition(",")[0]


def mutants() -> list[Mutant]:
    """All of them, in the order of the catalogue."""
    found = [
        *_convolutions(), *_sizes(), *_biases(), *_means(), *_pools(), *_activations(), *_losses(),
        *_denses(), *_others(), *_updates(), *_memories(), *_starts(), *_data(),
    ]  # fmt: skip
    order = [mistake.id for mistake in mistakes.every()]
    return sorted(found, key=lambda mutant: order.index(mutant.id))


# ---- Planting


def deviate() -> None:
    """What a planted function calls where its result is another one; the runner listens here."""


def _differs(a: Any, b: Any) -> bool:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) != len(b) or any(map(_differs, a, b))
    if a is None or b is None or np.shape(a) != np.shape(b):
        return True
    a, b = (np.asarray(array, dtype=float) for array in (a, b))
    scale = np.abs(a[np.isfinite(a)]).max(initial=0)
    return not np.allclose(a, b, rtol=0, atol=1e-6 * scale, equal_nan=True)


def plant(owner: Any, name: str, made: Callable) -> None:
    """Let `made(right, *arguments)` run in the place of a function or method `right`.

    A function is changed in place, so whoever took it from its module before has the mistake too.
    """
    right = getattr(owner, name)
    if isinstance(owner, type):
        setattr(owner, name, lambda *given, **options: made(right, *given, **options))
        return
    right = unwrap(right)  # what a decorator has wrapped is called by its wrapper
    kept = types.FunctionType(
        right.__code__, right.__globals__, name, right.__defaults__, right.__closure__
    )
    kept.__kwdefaults__ = right.__kwdefaults__
    right.__signature__ = signature(right)
    right.__code__, right.__defaults__ = _door.__code__, None
    right.__kwdefaults__ = {"made": made, "right": kept}


def _door(*given, made, right, **options):
    return made(right, *given, **options)


def _watched(made: Callable) -> Callable:
    """A function whose results are compared with the right ones; `DoesNotFit` means: these."""

    def watched(right, *given, **options):
        good = right(*given, **options)
        try:
            with np.errstate(all="ignore"):
                bad = made(right, *given, **options)
        except DoesNotFit:
            return good
        if not _differs(good, bad):
            return good
        deviate()
        return bad

    return watched


def _at(id: str, owner: Any, name: str, words: str, suite: str, made: Callable) -> Mutant:
    """A mutant of one function or method; `words` say which form of the mistake it is."""
    where = getattr(owner, "__qualname__", owner.__name__.removeprefix("cnnlib."))
    return Mutant(id, f"{where}.{name}, {words}", suite, lambda: plant(owner, name, made))


def _summed(quantity: str, switch: Switch, axes, pads, **arrays: np.ndarray) -> np.ndarray:
    """The quantity with this mistake; `DoesNotFit` where it changes nothing."""
    terms = prod(axis.outputs * axis.kernel for axis in axes)
    for array in arrays.values():
        terms *= max(1, array.shape[-1] if array.ndim > 1 else 1)
    if terms * len(next(iter(arrays.values()))) > LARGEST:
        raise DoesNotFit("row by row this would take too long")
    with np.errstate(all="ignore"):
        try:
            bad = wrong(quantity, [switch], axes, pads, **arrays).result()
        except (IndexError, ValueError) as error:
            raise DoesNotFit from error
        good = wrong(quantity, [], axes, pads, **arrays).result()
    if not _differs(good, bad):
        raise DoesNotFit("with these arrays it does not show")
    return bad


def _pads(window: Window, axes: tuple[Axis, ...]) -> tuple[tuple[int, int], ...]:
    """The padding that a program has: what it was given, or what its windows need."""
    if isinstance(window.padding, tuple):
        return window.padding
    return tuple((axis.before, axis.after) for axis in axes)


# ---- The engines of the convolution


def _convolutions() -> Iterator[Mutant]:
    for switch in SWITCHES:
        if switch.quantity == "db" or switch.name in SIZES:
            continue
        for name, engine in ENGINES.items():
            if name == "winograd" and switch.name in STEPS:
                continue  # with single steps these are no mistakes
            for id in switch.ids:
                yield _at(id, engine, FUNCTIONS[switch.quantity], switch.name, name,
                          _engine(switch))  # fmt: skip


def _engine(switch: Switch) -> Callable:
    def made(right, *given, **options):
        if switch.quantity == "z":
            arrays = dict(zip("xwb", given, strict=False))
            P, window = spatial(given[0].shape), given[3]
        elif switch.quantity == "dx":
            arrays = dict(zip(("dz", "w"), given, strict=False))
            P, window = spatial(given[2]), given[3]
        else:
            arrays = dict(zip(("x", "dz"), given, strict=False))
            P, window = spatial(given[0].shape), given[2]
        arrays = {letter: a for letter, a in arrays.items() if a is not None}
        axes = window.axes(P)
        try:
            bad = _summed(switch.quantity, switch, axes, _pads(window, axes), **arrays)
        except DoesNotFit:
            return right(*given, **options)
        deviate()
        with np.errstate(all="ignore"):
            return bad.astype(given[0].dtype)

    return made


def _sizes() -> Iterator[Mutant]:
    """The number of outputs: every engine and every pool asks the window for it."""
    for switch in SWITCHES:
        if switch.name in SIZES:
            for id in switch.ids:
                yield _at(id, Window, "axes", switch.name, "geometry", _counted(switch))


def _counted(switch: Switch) -> Callable:
    def made(right, window, P):
        axes = right(window, P)
        s = Sum("z", axes, _pads(window, axes))
        switch.change(s)
        if min(axis.outputs for axis in s.axes) < 1 or tuple(s.axes) == axes:
            return axes
        deviate()
        return tuple(s.axes)

    return made


def _biases() -> Iterator[Mutant]:
    for switch in SWITCHES:
        if switch.quantity == "db":
            for id in switch.ids:
                yield _at(id, convolution, "conv_bias_gradient", switch.name, "bias",
                          _bias(switch))  # fmt: skip


def _bias(switch: Switch) -> Callable:
    def made(right, dz):
        good = right(dz)  # refuses what is no array of deltas
        dz = np.asarray(dz)
        try:
            bad = _summed("db", switch, *_cells(dz.shape), dz=dz)
        except DoesNotFit:
            return good
        deviate()
        return np.asarray(bad, good.dtype)

    return made


def _cells(shape: tuple[int, ...]) -> tuple[tuple[Axis, ...], tuple[tuple[int, int], ...]]:
    """Axes and padding where each cell of `(N, *P, C)` meets one output through one weight."""
    axes = tuple(
        Axis(inputs=P, outputs=P, kernel=1, stride=1, dilation=1, offset=0, center=0, sign=1)
        for P in spatial(shape)
    )
    return axes, ((0, 0),) * len(axes)


# ---- Average-pooling: each channel is a convolution with ones, divided by the cells it meets

_MEAN = {"D19": "P2"}  # an entry of the pools in place of the convolution's
# Ones have no other side, so nothing can be rotated; the other two are planted in all pools alike.
_APART = ("half_turn", "no_delta", "list_multiplied")


def _means() -> Iterator[Mutant]:
    for module in (loops, pooling):
        for switch in SWITCHES:
            if switch.quantity == "dx" and switch.stage != "arrays" and switch.name not in _APART:
                for id in switch.ids:
                    yield _at(_MEAN.get(id, id), module, "avg_pool_delta", switch.name, "pooling",
                              _watched(_mean_delta(switch)))  # fmt: skip
        yield _at("P3", module, "avg_pool", "not divided", "pooling", _watched(_total))
        yield _at("P3", module, "avg_pool_delta", "not divided", "pooling", _watched(_undivided))


def _laid(P, window, count_padding=False, *, stride=None, padding=None, center=None, flip=False):
    """The window of a pool, its axes, and what each mean is divided by, `(*I, 1)`."""
    if not isinstance(window, Window):
        U = per_axis("window", window, len(P), 1)
        window = Window(U, U if stride is None else stride, 1, padding, center, flip)
    axes, count = window.axes(P), np.ones(())
    for axis in axes:
        met = np.full(axis.outputs, axis.kernel) if count_padding else axis.inputs_met()
        count = np.multiply.outer(count, met)
    return window, axes, count[..., None]


def _mean_delta(switch: Switch) -> Callable:
    def made(_, da, input_shape, *given, **options):
        window, axes, count = _laid(spatial(input_shape), *given, **options)
        dtype = np.result_type(da, np.float16)
        da = np.asarray(da, float) / count
        one_by_one = np.moveaxis(da, -1, 1).reshape(-1, *da.shape[1:-1], 1)
        ones = np.ones((1, *window.kernel, 1))
        dx = _summed("dx", switch, axes, _pads(window, axes), dz=one_by_one, w=ones)
        dx = np.moveaxis(dx.reshape(len(da), da.shape[-1], *dx.shape[1:-1]), 1, -1)
        return dx.astype(dtype)

    return made


def _total(right, x, *given, **options):
    *_, count = _laid(spatial(np.shape(x)), *given, **options)
    return right(x, *given, **options) * count


def _undivided(right, da, input_shape, *given, **options):
    *_, count = _laid(spatial(input_shape), *given, **options)
    return right(np.asarray(da) * count, input_shape, *given, **options)


# ---- Pooling


def _pools() -> Iterator[Mutant]:
    for module in (loops, pooling):
        for name in ("max_pool", "avg_pool"):
            yield _at("F3", module, name, "windows one cell apart", "pooling",
                      _watched(_one_apart))  # fmt: skip
            delta = f"{name}_delta"
            yield _at("P4", module, delta, "first window only", "pooling", _watched(_first_window))
            yield _at("D23", module, delta, "zeros", "pooling", _watched(_zeros))
            yield _at("D25", module, delta, "an axis in front", "pooling",
                      _watched(lambda right, *given, **options: right(*given, **options)[None])
                      )  # fmt: skip
        for fitted in (True, False):
            words = "repeated" + ", cut or filled" * fitted
            yield _at("P6", module, "avg_pool_delta", words, "pooling",
                      _watched(_repeated_means(fitted)))  # fmt: skip
        yield _at("P2", module, "max_pool_delta", "overwritten", "pooling", _watched(_overwritten))
        yield _of_winners("P1", module, "every tie", _every_tie)
        yield _of_winners("P2", module, "whole windows overwritten", _whole_windows)
        yield _of_winners("P6", module, "repeated, cut or filled", _repeated_maxima)


def _one_apart(right, x, window, *given, **options):
    """Window i starts at cell i."""
    laid, axes, _ = _laid(spatial(np.shape(x)), window, *given, **options)
    place = {"padding": _pads(laid, axes), "center": None}
    if laid.center is not None:
        place = {"padding": None, "center": laid.center}
    try:
        if laid is window:
            result = right(x, Window(laid.kernel, flip=laid.flip, **place), *given)
        else:
            result = right(x, laid.kernel, **{**options, **place, "stride": 1})
    except InputError as error:
        raise DoesNotFit from error
    kept = tuple(slice(axis.outputs) for axis in axes)
    return tuple(a[:, *kept] for a in result) if isinstance(result, tuple) else result[:, *kept]


def _first_window(right, da, *given, **options):
    only = np.zeros_like(da)
    only.reshape(-1)[:1] = np.reshape(da, -1)[:1]
    return right(only, *given, **options)


def _zeros(right, *given, **options):
    return np.zeros_like(right(*given, **options))


def _overwritten(right, da, winners, input_shape):
    dx = np.zeros_like(right(da, winners, input_shape))
    flat, at, cells = map(loops.flat, (np.asarray(da), np.asarray(winners), dx))
    np.put_along_axis(cells, at, flat, axis=1)
    return cells.reshape(dx.shape)


def _spread(a: np.ndarray, kernel) -> np.ndarray:
    """Each output over as many cells as its window has, as if the windows lay side by side."""
    for axis, size in enumerate(kernel, 1):
        a = a.repeat(size, axis=axis)
    return a


def _fitted(a: np.ndarray, shape) -> np.ndarray:
    """Cut or filled with zeros to this shape."""
    to = np.zeros(shape, a.dtype)
    kept = tuple(map(slice, np.minimum(a.shape, shape)))
    to[kept] = a[kept]
    return to


def _repeated_means(fitted: bool) -> Callable:
    def made(_, da, input_shape, *given, **options):
        window, _, count = _laid(spatial(input_shape), *given, **options)
        dx = _spread(np.asarray(da) / count.astype(np.result_type(da, np.float16)), window.kernel)
        return _fitted(dx, input_shape) if fitted else dx

    return made


def _of_winners(entry: str, module: Any, words: str, made: Callable) -> Mutant:
    """A max-pool's delta that looks at the images again, which `max_pool` keeps for it."""

    def both() -> None:
        met: dict[int, tuple] = {}

        def keep(right, x, window, **options):
            a, winners = right(x, window, **options)
            met[id(winners)] = winners, a, np.array(x), _laid(spatial(np.shape(x)), window,
                                                               **options)[0]  # fmt: skip
            return a, winners

        def delta(_, da, winners, input_shape):
            kept, *rest = met.get(id(winners), (None,))
            if kept is not winners:
                raise DoesNotFit("these winners do not come from max_pool")
            return made(np.asarray(da), winners, *rest)

        plant(module, "max_pool", keep)
        plant(module, "max_pool_delta", _watched(delta))

    place = f"{module.__name__.removeprefix('cnnlib.')}.max_pool_delta, {words}"
    return Mutant(entry, place, "pooling", both)


def _every_tie(da, winners, a, x, window):
    """Each cell that equals the largest of a window gets the window's delta."""
    dx = np.zeros_like(loops.flat(x), da.dtype)
    cells, a, da = map(loops.flat, (x, a, da))
    for i, _, p in window.connections(spatial(x.shape)).tolist():
        dx[:, p] += da[:, i] * (cells[:, p] == a[:, i])
    return dx.reshape(x.shape)


def _whole_windows(da, winners, a, x, window):
    """A window writes the zeros of those that did not win as well."""
    dx = np.zeros_like(loops.flat(x), da.dtype)
    winners, da = loops.flat(winners), loops.flat(da)
    for i, _, p in window.connections(spatial(x.shape)).tolist():
        dx[:, p] = da[:, i] * (winners[:, i] == p)
    return dx.reshape(x.shape)


def _repeated_maxima(da, winners, a, x, window):
    """The delta stands in the whole block, where the image equals the block's largest."""
    largest, dx = (_fitted(_spread(part, window.kernel), x.shape) for part in (a, da))
    return dx * (x == largest)


# ---- The head: activations, losses, dense layers


def _activations() -> Iterator[Mutant]:
    def at(id, name, words, made):
        return _at(id, activations, name, words, "head", _watched(made))

    yield at("S1", "relu_delta", "the mask alone",
             lambda right, da, z: right(np.ones_like(right(da, z)), z))  # fmt: skip
    yield at("S2", "relu_delta", ">= 0 on the output",
             lambda right, da, z: right(da, np.ones_like(right(da, z))))  # fmt: skip
    for name in ("relu_delta", "sigmoid_delta", "tanh_delta", "softmax_delta"):
        yield at("S3", name, "left out",
                 lambda right, da, z: np.array(da, right(da, z).dtype))  # fmt: skip
    yield at("S7", "softmax_delta", "its diagonal alone",
             lambda right, da, a: right(da, a) * 0 + da * (a - np.square(a)))  # fmt: skip


def _losses() -> Iterator[Mutant]:
    def at(id, kind, name, words, made):
        return _at(id, kind, name, words, "losses", _watched(made))

    def times(factor):
        return lambda right, self, y, t: right(self, y, t) * factor(len(y), np.size(y) // len(y))

    def with_derivative(right, self, y, t):
        p = probabilities[type(self)](np.asarray(y))
        return right(self, y, t) * p * (1 - p)

    def with_jacobian(right, self, y, t):
        return activations.softmax_delta(right(self, y, t), activations.softmax(y))

    for kind in (
        losses.HalfSquaredError, losses.BinaryCrossEntropy, losses.SigmoidBinaryCrossEntropy,
        losses.CrossEntropy, losses.SoftmaxCrossEntropy,
    ):  # fmt: skip
        for name in ("delta", "value"):
            yield at("S4", kind, name, "mean over the outputs too", times(lambda N, K: 1 / K))
            yield at("S5", kind, name, "summed", times(lambda N, K: N))
        yield at("S5", kind, "delta", "divided by N twice", times(lambda N, K: 1 / N))
        yield at("W6", kind, "delta", "divided by N twice", times(lambda N, K: 1 / N))
    probabilities = {
        losses.SoftmaxCrossEntropy: activations.softmax,
        losses.SigmoidBinaryCrossEntropy: activations.sigmoid,
    }
    for kind in probabilities:
        yield at("S6", kind, "delta", "times p(1 - p)", with_derivative)
    yield at("S6", losses.SoftmaxCrossEntropy, "delta", "times the Jacobian", with_jacobian)


# A dense layer is a convolution on an image of one cell.
_ON_ONE_CELL = {
    "z": ("reshaped_back",),
    "dx": (
        "not_exchanged", "channels_flipped", "everything_flipped", "first_channel_for_all",
        "channels_added", "channels_averaged", "no_delta", "list_multiplied",
    ),
    "dw": (
        "mean_for_sum", "divided_by_the_batch", "last_sample", "first_sample",
        "gradient_of_the_first_channel", "gradients_added", "gradients_averaged",
    ),
    "db": (
        "mean_for_sum", "divided_by_the_batch", "last_sample", "first_sample", "one_number",
        "one_number_alone",
    ),
}  # fmt: skip


def _denses() -> Iterator[Mutant]:
    made = {"z": _dense_forward, "dx": _dense_delta, "dw": _dense_gradients, "db": _dense_gradients}
    names = {"z": "forward", "dx": "delta", "dw": "gradients", "db": "gradients"}
    for switch in SWITCHES:
        if switch.name in _ON_ONE_CELL[switch.quantity]:
            for id in switch.ids:
                yield _at(id, layers.Dense, names[switch.quantity],
                          f"{switch.quantity}, {switch.name}", "dense",
                          made[switch.quantity](switch))  # fmt: skip


def _on_one_cell(switch: Switch, **arrays: np.ndarray) -> np.ndarray:
    one = {name: a[:, None] for name, a in arrays.items()}
    return _summed(switch.quantity, switch, *_cells((1, 1, 1)), **one)


def _dense_forward(switch: Switch) -> Callable:
    def made(right, self, x):
        z = right(self, x)
        wrong_sum = _on_one_cell(switch, x=x, w=self.params["w"].T)[:, 0]
        return (wrong_sum + self.params.get("b", 0)).astype(z.dtype)

    return _watched(made)


def _dense_delta(switch: Switch) -> Callable:
    def made(right, self, dz):
        dx = right(self, dz)
        return np.squeeze(_on_one_cell(switch, dz=dz, w=self.params["w"].T), -2).astype(dx.dtype)

    return _watched(made)


def _dense_gradients(switch: Switch) -> Callable:
    def made(right, self, dz):
        right(self, dz)
        name = switch.quantity[1]
        if name not in self.params:
            return
        arrays = {"x": self.x, "dz": dz} if name == "w" else {"dz": dz}
        try:
            bad = _on_one_cell(switch, **arrays)
        except DoesNotFit:
            return
        deviate()
        bad = bad[:, 0].T if name == "w" else bad
        self.grads[name] = np.asarray(bad, self.grads[name].dtype)

    return made


# ---- What a step does, and in which order


@contextmanager
def _updated_first(rate: float) -> Iterator[None]:
    """While this lasts, a layer updates its parameters before it takes the delta of its input."""
    kept = layers.Layer.backward

    def backward(self, dz):
        self.gradients(dz)
        before = {name: p.copy() for name, p in self.params.items()}
        for name, p in self.params.items():
            p -= rate * self.grads[name]
            if self.grads[name].any():
                deviate()
        dx = self.delta(dz)
        for name, p in self.params.items():
            p[...] = before[name]
        return dx

    layers.Layer.backward = backward  # type: ignore[method-assign]
    try:
        yield
    finally:
        layers.Layer.backward = kept  # type: ignore[method-assign]


def _updates() -> Iterator[Mutant]:
    def layer(right, self, dz):
        with _updated_first(0.01):
            return layers.Layer.backward(self, dz)

    def whole(right, self, y, t):
        with _updated_first(0.01):
            return right(self, y, t)

    def step(right, network, x, t, optimizer, clip_norm):
        with _updated_first(optimizer.lr):
            return right(network, x, t, optimizer, clip_norm)

    yield _at("D22", layers.Layer, "backward", "through new weights", "layers", layer)
    yield _at("D22", network.Network, "backward", "through new weights", "network", whole)
    yield _at("D22", training, "_take_step", "through new weights", "training", step)

    def nothing(right, self, params, grads, *rest):
        if any(np.any(g) for g in grads.values()):
            deviate()
        return right(self, {name: p.copy() for name, p in params.items()}, grads, *rest)

    def last_only(right, self, params, grads, *rest):
        *others, last = params
        if any(np.any(grads[name]) for name in others):
            deviate()
        passed = {name: p if name == last else p.copy() for name, p in params.items()}
        return right(self, passed, grads, *rest)

    for words, made in (("a copy is updated", nothing), ("the last one only", last_only)):
        yield _at("T2", optimizers.Optimizer, "step", words, "training", made)


# ---- Other rows


def _others() -> Iterator[Mutant]:
    """What groups, borders and the transposed convolution make of the sums: chapter 10."""
    at = "reduced"
    yield _at("D19", reduced, "folded", "the last copy's delta alone", at, _watched(_last_copy))
    yield _at("D10", reduced, "folded", "the last axis cut off", at, _watched(_cut_off))
    yield _at("F12", reduced, "framed", "whatever the border", at, _watched(_reflected))
    grouped = reduced.Grouped
    yield _at("D21", grouped, "conv_delta", "the first group's", at, _watched(_first_group(-1)))
    yield _at("W8", grouped, "conv_weight_gradient", "the first group's", at,
              _watched(_first_group(0)))  # fmt: skip
    yield _at("D6", ConvTranspose, "output_shape", "left out", "transposed", _watched(_smallest))
    yield _at("D13", ConvTranspose, "forward", "exchanged", "transposed", _watched(_exchanged))
    yield _at("W2", ConvTranspose, "gradients", "turned round", "transposed", _turned)


def _last_copy(right, dx, axes):
    """`=` for `+=`, one axis after the other."""
    for n, axis in enumerate(axes, 1):
        frame = np.moveaxis(dx, n, 0)
        own = frame[axis.before : axis.before + axis.inputs].copy()
        for p in (*range(-axis.before, 0), *range(axis.inputs, axis.inputs + axis.after)):
            own[BORDERS[axis.border](p, axis.inputs)] = frame[axis.before + p]
        dx = np.moveaxis(own, 0, n)
    return dx


def _cut_off(right, dx, axes):
    *lead, last = axes
    inner = dx[..., last.before : last.before + last.inputs, :]
    return right(inner, (*lead, replace(last, center=0, offset=0, kernel=1, outputs=1, stride=1)))


def _reflected(right, x, axes):
    if any(max(axis.before, axis.after) >= axis.inputs for axis in axes):
        raise DoesNotFit("a mirror on the edge cell shows too little")
    return right(x, tuple(replace(axis, border="reflect") for axis in axes))


def _first_group(axis: int) -> Callable:
    def made(right, self, *given):
        good = right(self, *given)
        first = np.split(good, self.groups, axis)[0]
        return np.concatenate([first] * self.groups, axis)

    return made


def _smallest(right, self, shape):
    kept = self.output_padding
    self.output_padding = 0
    try:
        return right(self, shape)
    finally:
        self.output_padding = kept


def _exchanged(right, self, x, **options):
    w = self.params["w"]
    if w.shape[0] != w.shape[-1]:
        raise DoesNotFit("as many channels come in as go out")
    self.params["w"] = np.ascontiguousarray(np.swapaxes(w, 0, -1))
    try:
        return right(self, x, **options)
    finally:
        self.params["w"] = w


def _turned(right, self, dz):
    right(self, dz)
    good = self.grads["w"]
    bad = np.flip(good, tuple(range(1, good.ndim - 1))).copy()
    if _differs(good, bad):
        deviate()
        self.grads["w"] = bad


def _memories() -> Iterator[Mutant]:
    """W13: what was there before is added."""
    for name, engine in ENGINES.items():
        yield _at("W13", engine, "conv_weight_gradient", "added to the last one", name,
                  _added_to_the_last)  # fmt: skip
    yield _at("W13", convolution, "conv_bias_gradient", "added to the last one", "bias",
              _added_to_the_last)  # fmt: skip
    for kind in (layers.Conv, ConvTranspose, layers.Dense):
        yield _at("W13", kind, "gradients", "added to the old ones", "layers", _accumulated)


_last: dict[tuple, np.ndarray] = {}  # each mutant runs in a process of its own


def _added_to_the_last(right, *given, **options):
    gradient = right(*given, **options)
    key = gradient.shape, gradient.dtype
    old = _last.get(key)
    _last[key] = gradient if old is None else gradient + old
    if old is not None and old.any():
        deviate()
    return _last[key]


def _accumulated(right, self, dz):
    old = dict(self.grads)
    right(self, dz)
    for name, gradient in self.grads.items():
        if name in old and np.shape(old[name]) == np.shape(gradient) and np.any(old[name]):
            deviate()
            self.grads[name] = gradient + old[name]


# ---- What a training starts from


def _starts() -> Iterator[Mutant]:
    def zeros(right, self, *given):
        shape = right(self, *given)
        for p in self.params.values():
            if p.any():
                deviate()
            p[...] = 0
        return shape

    for kind in (layers.Conv, layers.Dense):
        yield _at("T2", kind, "build", "first weights zero", "layers", zeros)
    yield _at("T2", layers, "first_weights", "deviation 1", "layers", _unit_weights)


def _unit_weights(right, shape, fan_in, fan_out, init, rng, dtype):
    right(shape, fan_in, fan_out, init, np.random.default_rng(0), dtype)  # refuses what is wrong
    deviate()
    return right(shape, fan_in, fan_out, 1.0, rng, dtype)


def _data() -> Iterator[Mutant]:
    def undivided(right):
        deviate()
        x_train, t_train, x_test, t_test = right()
        return data.Split(255 * x_train, t_train, 255 * x_test, t_test)

    for name in ("digits", "mnist_5k"):
        yield _at("T2", data, name, "pixels 0..255", "data", undivided)
