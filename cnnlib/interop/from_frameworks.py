"""From a model of a framework to a network. Each layer is tried beside the one it was read from."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Any, NoReturn

import numpy as np

from cnnlib.arrays import read_kind
from cnnlib.errors import InputError
from cnnlib.geometry import Shape, Window, per_axis
from cnnlib.learning.averaging import GlobalAveragePool
from cnnlib.learning.chain import Chain
from cnnlib.learning.dropping import Dropout
from cnnlib.learning.layers import AvgPool, Conv, Dense, Layer, MaxPool
from cnnlib.learning.leaking import LeakyReLU
from cnnlib.learning.losses import Loss
from cnnlib.learning.network import Network
from cnnlib.learning.normalizing import BatchNorm
from cnnlib.learning.residual import Residual
from cnnlib.learning.transposed import ConvTranspose

from .to_frameworks import BORDERS, LAID, PLAIN, check_end, framework, orders, refuse, steps

Pairs = Sequence[Sequence[int]]  # (before, after) for each axis
Run = Callable[[Any, np.ndarray], np.ndarray]  # what a part makes of a batch
WAYS = ("main", "shortcut")  # of a Residual, as `to_torch` and `to_keras` make it


@dataclass
class Found:
    """A place in the model: its parts, cnnlib's layers, and what the ways of a sum have inside."""

    place: str
    parts: list[Any]
    layers: list[Layer]
    ways: "list[list[Found]]" = field(default_factory=list)


def from_torch(module: Any, loss: Loss, *, input_shape: Shape) -> Network:
    """Turn a `torch.nn.Sequential` into a network that computes the same (chapter 6).

    Convolutions become cross-correlations with explicit paddings. On the way there and back no
    bit of a weight changes. Each layer is tried on random numbers, and refused if cnnlib's
    computes something else.

    Parameters
    ----------
    module : torch.nn.Sequential
        Of Conv, ConvTranspose, MaxPool, AvgPool, AdaptiveAvgPool to one cell with a Flatten behind
        it, BatchNorm, ConstantPad, ZeroPad, ReflectionPad, ReplicationPad and CircularPad in 1 to 3
        dimensions, Linear, Flatten, Dropout, ReLU, LeakyReLU, Sigmoid, Tanh, Softmax, the
        `Residual` that `to_torch` makes, and Sequentials of these. Its parameters and running
        statistics are copied. A Dropout has no Generator yet.
    loss : Loss
        Compares the network's outputs with the targets.
    input_shape : tuple
        Shape of one sample as cnnlib has it, channels last: `(*P, C)`.

    Returns
    -------
    Network
        Of the module's dtype, float32 or float64.

    Raises
    ------
    InputError
        A module has no exact counterpart, or does not fit `input_shape`.
    ImportError
        PyTorch is not installed.

    Examples
    --------
    >>> from torch import nn
    >>> from cnnlib.learning.losses import SoftmaxCrossEntropy
    >>> module = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Flatten(), nn.Linear(64, 10))
    >>> network = from_torch(module, SoftmaxCrossEntropy(), input_shape=(4, 4, 1))
    >>> network.params["conv1.w"].shape, network.params["dense1.w"].shape
    ((4, 3, 3, 1), (64, 10))
    """
    torch = framework("torch", "torch")
    read_kind("module", module, torch.nn.Module, "torch.nn.Sequential(...)")
    if len(list(module.named_parameters(remove_duplicate=False))) > len(list(module.parameters())):
        raise InputError("two layers of module share a parameter; give each one of its own")
    dtypes = {str(p.dtype).removeprefix("torch.") for p in module.parameters()} or {"float32"}

    def leaves(part: Any) -> list[tuple[str, Any]]:
        if type(part) is not torch.nn.Sequential:
            return [("module", part)]
        found: list[tuple[str, Any]] = []
        for path, inside in part.named_modules(remove_duplicate=False):
            within = any(path.startswith(f"{at}.") for at, _ in found)
            if type(inside) is not torch.nn.Sequential and not within:
                found.append((path, inside))
        return found

    def weights(part: Any) -> list[np.ndarray]:
        statistics = (getattr(part, name, None) for name in ("running_mean", "running_var"))
        w, *b = (p.detach().numpy() for p in (*part.parameters(), *statistics) if p is not None)
        return [np.moveaxis(w, 1, -1) if w.ndim > 2 else w.T, *b]

    def run(part: Any, x: np.ndarray) -> Any:
        # Laid out anew: an axis of one channel may have any stride, and from that PyTorch guesses
        # that channels are last, and takes other code.
        y = part(torch.from_numpy(np.ravel(x)).reshape(x.shape))
        return y.detach().numpy() if isinstance(y, torch.Tensor) else np.empty(0)

    def doubled(part: Any, x: np.ndarray) -> Any:
        return run(deepcopy(part).double(), x.astype(np.float64))

    if any(p.is_meta for p in module.parameters()):
        raise InputError("module is on the device 'meta', without numbers; expected it on the CPU")
    module = deepcopy(module).cpu().eval()
    found = _found(torch.nn, module, leaves, _torch_layers)
    return _network(module, found, weights, run, loss, input_shape, dtypes, doubled)


def _torch_layers(place: str, kind: str, n: int, part: Any, pads: list[Any]) -> Iterator[Layer]:
    """The layer of cnnlib for a module and the paddings before it, without weights."""
    means = [pad for pad in pads if type(pad).__name__.startswith("Adaptive")]
    if means and not (kind == "Flatten" and pads == means[:1]):
        why = "cnnlib has it only as the mean of a whole map, which leaves rows"
        refuse(place, f"follows {means[0]}", why, "put a Flatten right behind that one")
    if means:
        yield GlobalAveragePool()
    elif kind == "Linear":
        yield Dense(part.out_features, bias=part.bias is not None)
    elif kind in PLAIN:
        yield PLAIN[kind]()
    elif kind == "LeakyReLU":
        yield LeakyReLU(part.negative_slope)
    elif kind == "Dropout" and not n:
        yield Dropout(part.p)
    elif kind == "BatchNorm":
        if not part.affine or not part.track_running_stats or part.momentum is None:
            why = "cnnlib's learns gamma and beta, and moves its running numbers by one share"
            refuse(place, f"is {part}", why, "make it with PyTorch's defaults for these")
        yield BatchNorm(rate=part.momentum, epsilon=part.eps)
    elif kind not in LAID:
        _unknown(place, part)
    else:
        U = per_axis("kernel", part.kernel_size, n, 1)
        padding, border = _torch_padding(place, kind, n, part, pads)
        settings: dict[str, Any] = {"stride": part.stride, "padding": padding}
        if kind == "Conv":
            settings |= {"dilation": part.dilation, "bias": part.bias is not None}
            yield Conv(part.out_channels, U, border=border, groups=part.groups, **settings)
        elif kind == "ConvTranspose":
            settings |= {"dilation": part.dilation, "bias": part.bias is not None}
            settings |= {"output_padding": part.output_padding, "groups": part.groups}
            yield ConvTranspose(part.out_channels, U, **settings)
        elif kind == "MaxPool":
            yield MaxPool(U, **settings)
        else:
            yield AvgPool(U, count_padding=bool(pads) or part.count_include_pad, **settings)


def _torch_padding(place: str, kind: str, n: int, part: Any, pads: list[Any]) -> tuple[Pairs, str]:
    """The padding of a module and of what stands before it, and the border."""
    border = getattr(part, "padding_mode", "zeros")
    padding = part.padding
    if padding == "same":  # at stride 1 only, and then whatever the size of the input
        axes = Window(part.kernel_size, 1, part.dilation, "same").axes((1,) * n)
        padding = [(a.before, a.after) for a in axes]
    elif padding == "valid":
        padding = [(0, 0)] * n
    else:
        padding = [(cells, cells) for cells in per_axis("padding", padding, n, 0)]
    for pad in pads:
        repeats = {word: b for b, word in BORDERS.items()}.get(type(pad).__name__[:-2])
        if kind == "ConvTranspose" or (repeats and kind != "Conv"):
            why = "cnnlib has no such padding of its inputs"
            refuse(place, f"follows {pad}", why, "build the model without it")
        if repeats:
            if len(pads) > 1 or any(map(any, padding)):
                why = "cnnlib pads a layer once"
                refuse(place, f"follows {pad}", why, "pad in one layer")
            border = repeats
        elif border != "zeros":
            why = "cnnlib pads a layer once"
            refuse(place, f"pads by {border!r} and follows {pad}", why, "pad in one layer")
        elif pad.value != (-math.inf if kind == "MaxPool" else 0):
            why = "cnnlib pads a max-pool with minus infinity and other layers with 0"
            refuse(place, f"follows {pad}", why, "pad with that value")
        flat = pad.padding  # the last axis first
        padding = _sum(padding, [flat[2 * a : 2 * a + 2] for a in reversed(range(n))])
    return padding, border


def from_keras(model: Any, loss: Loss) -> Network:
    """Turn a `keras.Sequential` into a network that computes the same (chapter 6).

    Convolutions become cross-correlations. An `activation` becomes a layer of its own. On the way
    there and back no bit of a weight changes. Each layer is tried on random numbers, and
    refused if cnnlib's computes something else.

    Parameters
    ----------
    model : keras.Sequential
        Built, channels last, of Conv, DepthwiseConv, SeparableConv, ConvTranspose, MaxPooling,
        AveragePooling and ZeroPadding in 1 to 3 dimensions, GlobalAveragePooling,
        BatchNormalization, Dense, Flatten, Dropout, Activation, ReLU, LeakyReLU and Softmax, and
        the `Residual` that `to_keras` makes; activations are relu, sigmoid, tanh and softmax. Its
        parameters and running statistics are copied. A Dropout has no Generator yet. A separable
        layer becomes the two that it is.
    loss : Loss
        Compares the network's outputs with the targets.

    Returns
    -------
    Network
        Of the model's dtype, float32 or float64.

    Raises
    ------
    InputError
        A layer has no exact counterpart, or the model is not built.
    ImportError
        Keras or its backend is not installed.

    Examples
    --------
    >>> import keras
    >>> from cnnlib.learning.losses import SoftmaxCrossEntropy
    >>> layers = [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3, activation="relu")]
    >>> network = from_keras(keras.Sequential(layers), SoftmaxCrossEntropy())
    >>> list(network.layers), network.params["conv1.w"].shape
    (['conv1', 'relu1'], (2, 3, 3, 1))
    """
    keras = framework("keras", "tensorflow-cpu")
    if type(model) is not keras.Sequential or not model.built or None in model.input_shape[1:]:
        raise InputError(
            f"model is a {type(model).__name__} without a fixed input shape; expected a "
            "keras.Sequential that begins with keras.Input((*P, C))"
        )
    if any(w.regularizer or w.constraint for w in model.weights):
        raise InputError("model has regularizers or constraints; cnnlib trains by the loss alone")
    dtypes = {name for part in model.layers for name in (part.compute_dtype, part.variable_dtype)}

    def leaves(part: Any) -> list[tuple[str, Any]]:
        return [(layer.name, layer) for layer in part.layers]

    def weights(part: Any) -> list[np.ndarray]:
        w, *rest = part.get_weights()
        if isinstance(part, keras.layers.Dense):
            return [w, *rest]
        if re.match("Depthwise|Separable", type(part).__name__):  # (*U, C, multiplier)
            w = w.reshape(*w.shape[:-2], 1, -1)
        return [np.moveaxis(one, -1, 0) if one.ndim > 2 else one for one in (w, *rest)]

    def run(part: Any, x: np.ndarray) -> Any:
        return keras.ops.convert_to_numpy(part(x))

    read = partial(_keras_layers, keras.activations)
    found = _found(keras.layers, model, leaves, read)
    return _network(model, found, weights, run, loss, model.input_shape[1:], dtypes)


def _keras_layers(
    known: Any, place: str, kind: str, n: int, part: Any, pads: list[Any]
) -> Iterator[Layer]:
    """The layers of cnnlib for a Keras layer and the paddings before it, without weights."""
    activation = getattr(part, "activation", known.linear)
    plain = {getattr(known, word.lower(), None): word for word in PLAIN}
    first = getattr(part, "data_format", "channels_last") != "channels_last"
    if first or part.activity_regularizer or activation not in {known.linear, *plain}:
        _unknown(place, f"{part}, activation {activation}")
    if kind == "BatchNormalization":
        if not (part.center and part.scale and part.axis == -1):
            _unknown(place, part)
        yield BatchNorm(rate=1 - part.momentum, epsilon=part.epsilon, unbiased=False)
    elif kind == "Dropout" and part.noise_shape is None:
        yield Dropout(part.rate)
    elif kind == "LeakyReLU":
        slope = float(part.negative_slope)  # which TensorFlow keeps in float32
        yield LeakyReLU(slope if part.compute_dtype == "float32" else float(np.float32(slope)))
    elif kind == "GlobalAveragePooling":
        yield GlobalAveragePool()
    elif kind == "Dense":
        yield Dense(part.units, bias=part.use_bias)
    elif kind in PLAIN:
        yield PLAIN[kind]()
    elif kind == "ConvTranspose":
        if pads:
            why = "cnnlib has no such padding of its inputs"
            refuse(place, f"follows {pads[0].name}", why, "build the model without it")
        settings = {"stride": part.strides, "dilation": part.dilation_rate, "bias": part.use_bias}
        settings |= {"padding": part.padding, "output_padding": _keras_more(place, part)}
        yield ConvTranspose(part.filters, part.kernel_size, **settings)
    elif kind in ("Conv", "DepthwiseConv", "SeparableConv", "MaxPooling", "AveragePooling"):
        yield from _keras_laid(place, kind, n, part, pads)
    elif kind != "Activation":
        _unknown(place, part)
    if activation in plain:
        yield PLAIN[plain[activation]]()


def _keras_laid(place: str, kind: str, n: int, part: Any, pads: list[Any]) -> Iterator[Layer]:
    """The layers for a convolution or a pool of Keras."""
    padding: Any = part.padding
    if pads and (padding == "same" or kind == "MaxPooling"):
        why = "cnnlib pads a layer once, and a max-pool with minus infinity"
        refuse(place, f"pads {padding} and follows {pads[0].name}", why, "pad in one layer")
    if padding != "same":
        span = part.dilation_rate[0] * (part.kernel_size[0] - 1) if padding == "causal" else 0
        padding = [(span, 0)] * n
    for pad in pads:
        padding = _sum(padding, [pad.padding] if n == 1 else pad.padding)
    settings = {"stride": part.strides, "padding": padding}
    if kind.endswith("Conv"):
        settings |= {"dilation": part.dilation_rate, "bias": part.use_bias}
    if kind == "Conv":
        yield Conv(part.filters, part.kernel_size, groups=part.groups, **settings)
    elif kind.endswith("Conv"):
        C = part.input_spec.axes[-1]
        settings |= {"bias": part.use_bias and kind == "DepthwiseConv", "groups": C}
        yield Conv(C * part.depth_multiplier, part.kernel_size, **settings)
        if kind == "SeparableConv":
            yield Conv(part.filters, 1, bias=part.use_bias)
    elif kind == "MaxPooling":
        yield MaxPool(part.pool_size, **settings)
    else:
        yield AvgPool(part.pool_size, count_padding=bool(pads), **settings)


def _keras_more(place: str, part: Any) -> Any:
    """The output_padding of a transposed layer as cnnlib counts it: from the smallest images."""
    spans = [d * (U - 1) + 1 for U, d in zip(part.kernel_size, part.dilation_rate, strict=True)]
    if part.padding == "valid":
        rule = [max(0, s - span) for s, span in zip(part.strides, spans, strict=True)]
        return rule if part.output_padding is None else part.output_padding
    if part.output_padding is None:
        return None
    pairs = zip(part.output_padding, spans, strict=True)
    more = [cells + span % 2 - 1 for cells, span in pairs]
    if min(more) < 0:
        why = "images so small would have fewer maps"
        has = f"has padding='same' and output_padding={part.output_padding}"
        refuse(place, has, why, "give it an output_padding of 1 or more")
    return more


def _found(home: Any, model: Any, leaves: Callable[[Any], Any], read: Any) -> list[Found]:
    """Read a model's parts in order; paddings wait for the layer behind them."""
    found: list[Found] = []
    pads: list[Any] = []
    for place, part in leaves(model):
        # 'Conv', 2 for the framework's own Conv2d or Conv2D; a class from elsewhere has no kind.
        own = getattr(home, type(part).__name__, None) is type(part)
        words = re.sub("([123]D)Transpose$", r"Transpose\1", type(part).__name__)
        kind, n = re.findall(r"^(.*?)(?:([123])[dD])?$", words)[0]
        if own and kind in ("ConstantPad", "ZeroPad", "ZeroPadding", *BORDERS.values()):
            pads.append(part)
        elif own and kind == "AdaptiveAvgPool" and {*np.ravel(part.output_size)} == {1}:
            pads.append(part)
        elif kind == "Residual" and not pads and all(hasattr(part, way) for way in WAYS):
            ways = [_found(home, getattr(part, way), leaves, read) for way in WAYS]
            main, beside = ([layer for one in way for layer in one.layers] for way in ways)
            found.append(Found(place, [part], [Residual(main, shortcut=beside)], ways))
        else:
            layers = list(read(place, kind if own else "", int(n or 0), part, pads))
            found.append(Found(place, [*pads, part], layers))
            pads = []
    if pads:
        raise InputError(f"the model ends in {pads[-1]}; no layer of cnnlib pads alone: remove it")
    return found


def _network(
    model: Any,
    found: list[Found],
    weights: Callable[[Any], list[np.ndarray]],
    run: Run,
    loss: Loss,
    input_shape: Shape,
    dtypes: set[str],
    doubled: Run | None = None,
) -> Network:
    """Fill a network with what was found, and try each layer and the whole on random numbers.

    PyTorch has channels first, and `doubled`: what `run` gives, computed in float64.
    """
    if dtypes not in ({"float32"}, {"float64"}):
        raise InputError(f"the dtypes are {sorted(dtypes)}; expected float32 or float64 throughout")
    rng, dtype = np.random.default_rng(0), np.dtype(min(dtypes)).type
    layers = [layer for one in found for layer in one.layers]
    network = Network(layers, loss, input_shape=input_shape, rng=rng, dtype=dtype)
    if doubled is not None:
        check_end(network.chain)
    _fill(found, network.chain, None, weights, run, rng, doubled)
    x = 4 * rng.standard_normal((2, *network.input_shape)).astype(dtype)
    ours, theirs = (
        np.moveaxis(a, -1, 1) if doubled is not None and a.ndim > 2 else a
        for a in (network.forward(x), x)
    )
    if np.isfinite(ours).all() and not _equal(run(model, theirs), ours):
        raise InputError(
            "model computes something else than its layers one after another: it has a hook, or "
            "a forward of its own; remove that, or give it a layer of its own"
        )
    return network


def _fill(
    found: list[Found],
    chain: Chain,
    first: Any,
    weights: Callable[[Any], list[np.ndarray]],
    run: Run,
    rng: np.random.Generator,
    doubled: Run | None,
) -> None:
    """Fill the layers of a chain, whose rows PyTorch has in the order `first`."""
    channels_first, dtype = doubled is not None, chain.dtype.type
    order = orders(chain, first) if channels_first else [slice(None)] * (1 + len(chain.layers))

    def laid(x: np.ndarray, at: int) -> np.ndarray:
        """What goes into layer number `at`, as the framework lays it."""
        return np.moveaxis(x, -1, 1) if channels_first and x.ndim > 2 else x[:, order[at]]

    at, walk = 0, list(steps(chain, "the framework"))
    for one in found:
        shape, first = walk[at][2], walk[at][1]
        place, parts = one.place, one.parts
        for inside, way in zip(one.ways, getattr(first, "ways", ()), strict=True):
            _fill(inside, way, order[at], weights, run, rng, doubled)
        group = [(n, *walk[n]) for n in range(at, at + len(one.layers))]
        learned = iter(weights(parts[-1]) if any(layer.params for _, _, layer, _ in group) else [])
        for n, name, layer, _ in group:
            for letter, p in (layer.params | layer.buffers).items():
                values = next(learned)
                if values.shape != p.shape:
                    raise InputError(
                        f"{place} becomes {name}, but its {letter} has shape {values.shape}; "
                        f"samples of shape {chain.input_shape} need {p.shape}: input_shape is that "
                        "of one sample of cnnlib, channels last"
                    )
                by_row = letter == "w" or (isinstance(layer, BatchNorm) and len(shape) == 1)
                p[order[n] if by_row else slice(None)] = values
        x = y = 4 * rng.standard_normal((2, *shape)).astype(dtype)
        theirs = given = laid(x, at)
        for part in parts:
            theirs = run(part, theirs)
        for layer in one.layers:
            y = layer.forward(y)
        at += len(one.layers)
        ours = laid(y, at)
        if not _equal(theirs, ours):
            if doubled is not None and dtype == np.float32:
                exact = reduce(lambda given, part: doubled(part, given), parts, given)
                if _equal(exact, ours):
                    off, most = abs(theirs - exact).max(), abs(exact).max()
                    raise InputError(
                        f"layer {place} is {parts[-1]}; PyTorch computes something else here: its "
                        f"float32 is off from its own float64, with which cnnlib agrees, by "
                        f"{off:.2g} in numbers up to {most:.2g}. Give module.double(), or try "
                        "another version of PyTorch"
                    )
            _unknown(place, parts[-1])


def _equal(theirs: np.ndarray, ours: np.ndarray) -> bool:
    """Up to rounding, which another layer is far from."""
    return theirs.shape == ours.shape and bool(abs(theirs - ours).max() <= 1e-3 * abs(ours).max())


def _sum(pads: Pairs, more: Pairs) -> Pairs:
    """The padding that two paddings make."""
    return [(a + c, b + d) for (a, b), (c, d) in zip(pads, more, strict=True)]


def _unknown(place: str, part: Any) -> NoReturn:
    if getattr(part, "ceil_mode", False):
        why = "interop has no rule for ceil_mode"
        refuse(place, f"is {part}", why, "choose ceil_mode=False, and a padding in its place")
    why = "interop has no rule for it"
    refuse(place, f"is {part}", why, "build the model of the layers that the docstring lists")
