"""From a network to the frameworks' models, and what the way back needs as well."""

import math
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, NoReturn

import numpy as np

from cnnlib.arrays import read_kind
from cnnlib.errors import InputError
from cnnlib.geometry import Axis, Shape, Window, per_axis
from cnnlib.learning.averaging import GlobalAveragePool
from cnnlib.learning.chain import Chain, check_methods
from cnnlib.learning.dropping import Dropout
from cnnlib.learning.layers import (
    AvgPool,
    Conv,
    Dense,
    Flatten,
    Layer,
    MaxPool,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from cnnlib.learning.leaking import LeakyReLU
from cnnlib.learning.network import Network
from cnnlib.learning.normalizing import BatchNorm
from cnnlib.learning.residual import Residual
from cnnlib.learning.transposed import ConvTranspose

PLAIN = {kind.__name__: kind for kind in (ReLU, Sigmoid, Tanh, Softmax, Flatten)}  # no settings
LAID = {k.__name__: k for k in (Conv, ConvTranspose, MaxPool, AvgPool)}  # a window on an image
CONVOLUTIONS = (Conv, ConvTranspose)
OTHERS = (Dense, BatchNorm, Dropout, LeakyReLU, GlobalAveragePool, Residual)
# PyTorch's paddings that repeat the input, as a layer of their own.
BORDERS = {"reflect": "ReflectionPad", "replicate": "ReplicationPad", "circular": "CircularPad"}
KERAS = {"MaxPool": "MaxPooling", "AvgPool": "AveragePooling"}
TORCH = {"w": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}
TORCH |= {"mean": "running_mean", "variance": "running_var"}
SUFFIXES = {
    "ConstantPad": "_pad",
    "ZeroPadding": "_pad",
    "AdaptiveAvgPool": "_mean",
    **dict.fromkeys(BORDERS.values(), "_pad"),
}  # what is not the layer itself
Parts = Iterator[tuple[str, dict[str, Any]]]  # classes of a framework, and what they are made with


def to_torch(network: Network) -> Any:
    """Turn a network into a `torch.nn.Sequential` that computes the same (chapter 6).

    For a batch x of the network, `module(torch.from_numpy(np.moveaxis(x, -1, 1)))` gives its
    outputs, and the module's backward pass its gradients. Outputs that are maps come channels
    first, as everywhere in PyTorch.

    - A kernel (K, *U, C) becomes (K, C, *U).
    - PyTorch pads both sides alike. Another padding becomes a ConstantPad before the layer: of
      zeros before a convolution, of minus infinity before a max-pool; or the border's own layer.
    - PyTorch flattens channels first, so the rows of the Dense after a Flatten change places.
    - A `Residual` becomes a module of that name, with the ways `main` and `shortcut`.
    - The module is in evaluation, like a network outside `fit`; `module.train()` changes that, and
      then batch norm does the same as here. The masks of a dropout are PyTorch's own.

    Parameters
    ----------
    network : Network
        Its parameters are copied. Its loss stays behind: `torch.nn.CrossEntropyLoss()` is
        `SoftmaxCrossEntropy()`.

    Returns
    -------
    torch.nn.Sequential
        Of PyTorch's own modules (and `Residual`), named like the network's layers, of its dtype,
        on the CPU.

    Raises
    ------
    InputError
        A layer has no exact counterpart; the message says why, and what would have one.
    ImportError
        PyTorch is not installed.

    Examples
    --------
    The centre is the last of two weights: one cell of padding, and only before.

    >>> from cnnlib.learning.losses import HalfSquaredError
    >>> rng = np.random.default_rng(0)
    >>> network = Network([Conv(3, 2, center=1)], HalfSquaredError(), input_shape=(5, 1), rng=rng)
    >>> print(to_torch(network))
    Sequential(
      (conv1_pad): ConstantPad1d(padding=(1, 0), value=0.0)
      (conv1): Conv1d(1, 3, kernel_size=(2,), stride=(1,))
    )
    """
    read_kind("network", network, Network, "Network(layers, loss, ...)")
    check_methods(network.layers)
    torch = framework("torch", "torch")
    state: dict[str, Any] = {}
    check_end(network.chain)
    modules = _torch_modules(torch, network.chain, None, "", state)
    modules.load_state_dict(state, assign=True)
    return modules.eval()


def _torch_modules(torch: Any, chain: Chain, order: Any, at: str, state: dict[str, Any]) -> Any:
    """The modules of a chain, without memory or random numbers; their arrays go to `state`."""
    modules = torch.nn.Sequential()
    walk = zip(steps(chain, "PyTorch"), orders(chain, order), strict=False)
    for (name, layer, shape), order in walk:
        if isinstance(layer, Residual):
            ways = [
                _torch_modules(torch, way, order, f"{at}{name}.{inside}.", state)
                for inside, way in zip(("main", "shortcut"), layer.ways, strict=True)
            ]
            modules.add_module(name, _residual_module(torch)(*ways))
            continue
        with torch.device("meta"):  # the state is loaded later
            for kind, settings in _torch_parts(name, layer, shape):
                module = getattr(torch.nn, kind)(**settings)
                modules.add_module(name + SUFFIXES.get(kind[:-2], ""), module)
        for letter, p in (_correlation(layer) | layer.buffers).items():
            if letter == "w":
                p = np.moveaxis(p, -1, 1) if isinstance(layer, CONVOLUTIONS) else p[order].T
            elif isinstance(layer, BatchNorm) and len(shape) == 1:
                p = p[order]
            state[f"{at}{name}.{TORCH[letter]}"] = torch.from_numpy(
                np.array(p, order="C")
            )  # a copy
        if isinstance(layer, BatchNorm):
            state[f"{at}{name}.num_batches_tracked"] = torch.tensor(0)
    return modules


def _residual_module(torch: Any) -> Any:
    """The class of a sum of two ways: PyTorch has none of its own."""

    class Residual(torch.nn.Module):
        def __init__(self, main: Any, shortcut: Any) -> None:
            super().__init__()
            self.main, self.shortcut = main, shortcut

        def forward(self, x: Any) -> Any:
            return self.main(x) + self.shortcut(x)

    return Residual


def _torch_parts(name: str, layer: Any, shape: Shape) -> Parts:
    """The modules that do the work of one layer."""
    settings: dict[str, Any]
    kind, bias = type(layer).__name__, {"bias": "b" in layer.params}
    if kind == "Dense":
        yield "Linear", {"in_features": shape[0], "out_features": layer.params["w"].shape[1]} | bias
    elif kind in PLAIN:
        yield kind, {"dim": 1} if kind == "Softmax" else {}
    elif kind == "Dropout":
        yield kind, {"p": layer.rate}
    elif kind == "LeakyReLU":
        yield kind, {"negative_slope": layer.slope}
    elif kind == "GlobalAveragePool":
        yield f"AdaptiveAvgPool{len(shape) - 1}d", {"output_size": 1}
        yield "Flatten", {}
    elif kind == "BatchNorm":
        if not layer.unbiased:
            why = "PyTorch's running variance is that of the batch times M / (M - 1)"
            cure = f"set {name}.unbiased = True; outside a training nothing changes"
            refuse(name, "has unbiased=False", why, cure)
        settings = {"num_features": shape[-1], "eps": layer.epsilon, "momentum": layer.rate}
        yield f"BatchNorm{max(1, len(shape) - 1)}d", settings
    elif kind == "ConvTranspose":
        yield f"ConvTranspose{len(shape) - 1}d", _torch_transposed(name, layer, shape) | bias
    else:
        yield from _torch_laid(name, layer, shape)


def _torch_transposed(name: str, layer: Any, shape: Shape) -> dict[str, Any]:
    """What PyTorch's transposed layer is made with: crop and output_padding give these images."""
    axes = _axes(layer, layer.output_shape(shape))
    _zeros_alone(name, axes, "PyTorch")
    more = [a.inputs - a.stride * (a.outputs - 1) - _span(a) + 2 * a.before for a in axes]
    if any(not 0 <= q < max(a.stride, a.dilation) for q, a in zip(more, axes, strict=True)):
        has = f"has the padding {[(a.before, a.after) for a in axes]}"
        why = "PyTorch crops both sides alike, and then adds less than a stride"
        refuse(name, has, why, "choose such a padding, or an output_padding")
    settings = {"in_channels": shape[-1], "out_channels": layer.filters}
    settings |= {word: tuple(getattr(a, word) for a in axes) for word in ("stride", "dilation")}
    settings |= {"kernel_size": tuple(a.kernel for a in axes), "groups": layer.groups}
    settings |= {"padding": tuple(a.before for a in axes), "output_padding": tuple(more)}
    return settings


def _torch_laid(name: str, layer: Any, shape: Shape) -> Parts:
    """The modules of a convolution or a pool: a padding that PyTorch lacks is one of them."""
    kind, config = type(layer).__name__, layer.config()
    axes, n = _axes(layer, shape), len(shape) - 1
    pads = [(a.before, a.after) for a in axes]
    border = config.get("border", "zeros")
    if border == "symmetric" and any(map(any, pads)):
        why = "PyTorch has no border that repeats the outermost cell in a mirror"
        refuse(name, "has border='symmetric'", why, "choose 'reflect', 'replicate' or 'circular'")
    # PyTorch pads both sides alike, and a pool by at most half its window.
    half = all(2 * a.before <= a.kernel for a in axes)
    own = (kind == "Conv" or half) and _gives(axes, [(a.before, a.before) for a in axes])
    counts = {"count_include_pad": config.get("count_padding")}
    if kind == "AvgPool" and not own and not config["count_padding"]:
        has = f"has the padding {pads}, which its means leave out"
        why = "PyTorch can do so if both sides are alike and at most half the window"
        refuse(name, has, why, "choose such a padding, or count_padding=True")
    if not own:
        flat = sum(reversed(pads), ())  # the last axis first
        value = -math.inf if kind == "MaxPool" else 0.0
        if border == "zeros":
            yield f"ConstantPad{n}d", {"padding": flat, "value": value}
        else:
            yield f"{BORDERS[border]}{n}d", {"padding": flat}
    settings: dict[str, Any] = {"kernel_size": tuple(a.kernel for a in axes)}
    settings |= {"stride": tuple(a.stride for a in axes)}
    settings |= {"padding": tuple(a.before if own else 0 for a in axes)}
    if kind == "Conv":
        settings |= {"in_channels": shape[-1], "out_channels": len(layer.params["w"])}
        settings |= {"bias": "b" in layer.params}
        settings |= {"dilation": tuple(a.dilation for a in axes), "groups": layer.groups}
        settings |= {"padding_mode": border} if own and border in BORDERS else {}
    yield f"{kind}{n}d", settings | (counts if kind == "AvgPool" else {})


def to_keras(network: Network) -> Any:
    """Turn a network into a `keras.Sequential` that computes the same (chapter 6).

    `model(x)` gives the network's outputs for a batch x, and its gradients are the network's.

    - A kernel (K, *U, C) becomes (*U, C, K).
    - A padding becomes 'valid' or 'same' where Keras's rule gives the same cells, else a
      ZeroPadding before the layer.
    - A `Residual` becomes a layer of that name, with the ways `main` and `shortcut`.
    - `model(x, training=True)` does what a training does here, but for the masks of a dropout.

    Parameters
    ----------
    network : Network
        Its parameters are copied. Its loss stays behind:
        `keras.losses.SparseCategoricalCrossentropy(from_logits=True)` is `SoftmaxCrossEntropy()`.

    Returns
    -------
    keras.Sequential
        Of Keras's own layers, named like the network's, of its dtype, channels last.

    Raises
    ------
    InputError
        A layer has no exact counterpart; the message says why, and what would have one.
    ImportError
        Keras or its backend is not installed.

    Examples
    --------
    The centre is the last of two weights: one cell of padding, and only before.

    >>> from cnnlib.learning.losses import HalfSquaredError
    >>> rng = np.random.default_rng(0)
    >>> network = Network([Conv(3, 2, center=1)], HalfSquaredError(), input_shape=(5, 1), rng=rng)
    >>> model = to_keras(network)
    >>> [layer.name for layer in model.layers], model.layers[0].padding
    (['conv1_pad', 'conv1'], (1, 0))
    """
    read_kind("network", network, Network, "Network(layers, loss, ...)")
    check_methods(network.layers)
    keras = framework("keras", "tensorflow-cpu")
    return _keras_model(keras, network.chain)


def _keras_model(keras: Any, chain: Chain, **how: Any) -> Any:
    """The Keras layers of a chain, with their weights."""
    dtype = chain.dtype.name
    model = keras.Sequential([keras.Input(chain.input_shape, dtype=dtype)], **how)
    for name, layer, shape in steps(chain, "Keras"):
        if isinstance(layer, Residual):
            inside = zip(("main", "shortcut"), layer.ways, strict=True)
            ways = [_keras_model(keras, way, name=way_name) for way_name, way in inside]
            model.add(_residual_layer(keras)(*ways, name=name, dtype=dtype))
            continue
        for kind, settings in _keras_parts(name, layer, shape, dtype):
            own = name + SUFFIXES.get(kind[:-2], "")
            model.add(getattr(keras.layers, kind)(name=own, dtype=dtype, **settings))
        p = _correlation(layer) | layer.buffers
        if isinstance(layer, CONVOLUTIONS):
            p["w"] = np.moveaxis(p["w"], 0, -1)
        if p:
            model.layers[-1].set_weights(list(p.values()))
    return model


def _residual_layer(keras: Any) -> Any:
    """The class of a sum of two ways, which a Sequential can hold."""

    class Residual(keras.layers.Layer):
        def __init__(self, main: Any, shortcut: Any, **how: Any) -> None:
            super().__init__(**how)
            self.main, self.shortcut = main, shortcut
            self.built = True  # its ways are

        def call(self, x: Any, training: bool = False) -> Any:
            beside = self.shortcut(x, training=training) if self.shortcut.layers else x
            return self.main(x, training=training) + beside

    return Residual


def _keras_parts(name: str, layer: Any, shape: Shape, dtype: str) -> Parts:
    """The Keras layers that do the work of one layer."""
    kind, last = type(layer).__name__, {"data_format": "channels_last"}
    # No random numbers are drawn for weights that are set at once.
    learned = {"use_bias": "b" in layer.params, "kernel_initializer": "zeros"}
    if kind == "Dense":
        yield kind, {"units": layer.params["w"].shape[1]} | learned
    elif kind == "Dropout":
        yield kind, {"rate": layer.rate}
    elif kind == "LeakyReLU":
        single = float(np.float32(layer.slope))
        if dtype != "float32" and layer.slope != single:
            why = "TensorFlow keeps it in float32, whatever the images are"
            refuse(name, f"has the slope {layer.slope}", why, f"set {name}.slope = {single}")
        yield kind, {"negative_slope": layer.slope}
    elif kind == "GlobalAveragePool":
        yield f"GlobalAveragePooling{len(shape) - 1}D", last
    elif kind == "BatchNorm":
        if layer.unbiased:
            why = "Keras's running variance is that of the batch, without the factor M / (M - 1)"
            cure = f"set {name}.unbiased = False; outside a training nothing changes"
            refuse(name, "has unbiased=True", why, cure)
        yield "BatchNormalization", {"momentum": 1 - layer.rate, "epsilon": layer.epsilon}
    elif kind in PLAIN:
        yield (kind, last) if kind == "Flatten" else ("Activation", {"activation": kind.lower()})
    else:
        yield from _keras_laid(name, layer, shape, dtype, last, learned)


def _keras_laid(
    name: str, layer: Any, shape: Shape, dtype: str, last: dict[str, Any], learned: dict[str, Any]
) -> Parts:
    """The Keras layers of a convolution or a pool: a padding that Keras lacks is one of them."""
    kind = type(layer).__name__
    transposed = kind == "ConvTranspose"
    axes, n = _axes(layer, layer.output_shape(shape) if transposed else shape), len(shape) - 1
    U, s, d = zip(*((a.kernel, a.stride, a.dilation) for a in axes), strict=True)
    if max(s) > 1 and max(d) > 1 and not transposed:
        has, why = f"has stride {s} and dilation {d}", "Keras lets a layer have one of them"
        cure = f"its padding as numbers, and put MaxPool(1, stride={s}) behind"
        refuse(name, has, why, f"give it stride 1 and {cure}")
    if isinstance(layer, CONVOLUTIONS):
        _zeros_alone(name, axes, "Keras")
    if transposed:
        yield f"Conv{n}DTranspose", last | learned | _keras_transposed(name, layer, axes)
        return
    if n == 3 and kind != "Conv" and dtype != "float32":
        why = "TensorFlow pools volumes in float32 only"
        refuse(name, f"pools volumes in {dtype}", why, "build the network with dtype=np.float32")
    pads = tuple((a.before, a.after) for a in axes)
    rule = [(a.before, a.after) for a in Window(U, s, d, "same").axes(shape[:-1])]
    counts = layer.config().get("count_padding")
    settings = last | {"strides": s, "padding": "valid"}
    if _gives(axes, rule) and not _gives(axes, [(0, 0)] * n) and not counts:
        settings["padding"] = "same"
    elif not _gives(axes, [(0, 0)] * n):
        if kind != "Conv" and not counts:
            cure = "choose padding='same'" + ", or count_padding=True" * (kind == "AvgPool")
            why = "Keras pads a pool by its rule 'same' alone"
            refuse(name, f"has the padding {pads}", why, cure)
        yield f"ZeroPadding{n}D", {"padding": pads if n > 1 else pads[0]} | last
    if kind == "Conv":
        settings |= {
            "filters": len(layer.params["w"]),
            "kernel_size": U,
            "dilation_rate": d,
            "groups": layer.groups,
        } | learned
    else:
        settings |= {"pool_size": U}
    yield f"{KERAS.get(kind, kind)}{n}D", settings


def _keras_transposed(name: str, layer: Any, axes: Sequence[Axis]) -> dict[str, Any]:
    """What Keras's transposed layer is made with: the padding, too, that gives these images."""
    U, s, d = zip(*((a.kernel, a.stride, a.dilation) for a in axes), strict=True)
    if layer.groups > 1:
        why = "Keras's transposed layers have no groups"
        refuse(name, f"has groups={layer.groups}", why, "choose groups=1")
    if max(d) > 1:
        why = "TensorFlow computes transposed layers without dilation alone"
        refuse(name, f"has dilation {d}", why, "choose dilation=1")
    settings = {"filters": layer.filters, "kernel_size": U, "strides": s}
    for padding, least in (("valid", U), ("same", [u % 2 for u in U])):
        more = tuple(
            a.inputs - a.stride * (a.outputs - 1) - u for a, u in zip(axes, least, strict=True)
        )
        if padding == "same" or min(more) >= 0:
            rule = Window(U, s, padding=padding).axes(tuple(a.inputs for a in axes))
            if _gives(axes, [(a.before, a.after) for a in rule]):
                if padding == "same" and all(a.inputs == a.stride * a.outputs for a in axes):
                    return settings | {"padding": padding}
                if all(0 <= cells < n for cells, n in zip(more, s, strict=True)):
                    return settings | {"padding": padding, "output_padding": more}
    has = f"has the padding {[(a.before, a.after) for a in axes]}"
    why = "Keras crops a transposed layer by its rule 'same' alone"
    refuse(name, has, why, "choose padding='same' or none")


def _zeros_alone(name: str, axes: Sequence[Axis], framework: str) -> None:
    """Refuse a border that has rows, for a layer that a framework pads with zeros."""
    for a in axes:
        if a.border != "zeros" and (a.before or a.after):
            why = f"{framework} has such layers with zeros around alone"
            refuse(name, f"has border={a.border!r}", why, "choose border='zeros'")


def _span(axis: Axis) -> int:
    """Cells from the first weight to the last."""
    return axis.dilation * (axis.kernel - 1) + 1


def steps(chain: Chain, framework: str) -> Iterator[tuple[str, Layer, Shape]]:
    """Each layer with its name and the shape of the samples that come in."""
    shape = chain.input_shape
    for name, layer in chain.layers.items():
        has = f"is a {type(layer).__name__}"
        if type(layer) not in (*OTHERS, *PLAIN.values(), *LAID.values()):
            why = f"cnnlib has no translation of it to {framework}"
            cure = "translate a network without it and add a layer of your own there"
            refuse(name, has, why, f"{cure}, or keep such a network in cnnlib")
        if len(shape) > 4:
            why = f"{framework} has counterparts for cnnlib's own layers, up to 3 spatial axes"
            has = f"{has} for samples of shape {shape}"
            refuse(name, has, why, "keep such a network in cnnlib")
        yield name, layer, shape
        shape = chain.shapes[name]


def orders(chain: Chain, order: Any = None) -> list[Any]:
    """Which numbers of a row PyTorch has first, second, ...: at each layer's input, and at the end.

    It flattens images channels first. Behind a Dense the order is the same again.
    """
    found: list[Any] = [slice(None) if order is None else order]
    for name, layer, shape in steps(chain, "PyTorch"):
        order = found[-1]
        if isinstance(layer, Residual):
            order, other = (orders(way, order)[-1] for way in layer.ways)
            cells = np.arange(chain.shapes[name][-1])
            if not np.array_equal(cells[order], cells[other]):
                why = "PyTorch flattens channels first, so the two ways end in two orders"
                refuse(name, "adds flattened images to others", why, "put the Flatten behind it")
        elif isinstance(layer, Dense | GlobalAveragePool):
            order = slice(None)
        elif isinstance(layer, Flatten) and len(shape) > 1:
            order = np.moveaxis(np.arange(math.prod(shape)).reshape(shape), -1, 0).ravel()
        found.append(order)
    return found


def check_end(chain: Chain) -> None:
    """Refuse outputs that PyTorch would have in another order."""
    last = orders(chain)[-1]
    if not isinstance(last, slice) and (np.diff(last) < 0).any():
        raise InputError(
            "the network ends in flattened images; PyTorch flattens channels first, so its outputs "
            "would have another order: leave the Flatten out, or put a Dense behind it"
        )


def _correlation(layer: Layer) -> dict[str, np.ndarray]:
    """The parameters with which the layer is a cross-correlation: a flipped kernel is reversed."""
    p = dict(layer.params)
    if layer.config().get("flip") and "w" in p:
        p["w"] = np.flip(p["w"], tuple(range(1, p["w"].ndim - 1)))
    return p


def _axes(layer: Any, shape: Shape) -> tuple[Axis, ...]:
    """The window of a convolution or a pool on samples of this shape, (*P, C)."""
    P, config = shape[:-1], layer.config()
    U = per_axis("kernel", config["kernel" if "kernel" in config else "window"], len(P), 1)
    stride = U if config["stride"] is None else config["stride"]
    names = ("dilation", "padding", "center", "flip", "border")
    return Window(U, stride, **{name: config[name] for name in names if name in config}).axes(P)


def _gives(axes: Sequence[Axis], pads: Sequence[tuple[int, int]]) -> bool:
    """Whether this padding gives the same windows: as many, and the first in its place."""
    for a, (before, after) in zip(axes, pads, strict=True):
        room = a.inputs + before + after - a.dilation * (a.kernel - 1) - 1
        if before != a.before or room // a.stride + 1 != a.outputs:
            return False
    return True


def refuse(name: str, has: str, why: str, cure: str) -> NoReturn:
    """Say which layer, what it has, why that has no counterpart, and what to do."""
    raise InputError(f"layer {name} {has}; {why}: {cure}")


def framework(module: str, package: str) -> Any:
    """Import a framework, or say how to get it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"{error}; install it with pip install {package}") from error
