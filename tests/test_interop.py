"""Networks as models of PyTorch and Keras, and back: outputs and every gradient are the same."""

import sys
from pathlib import Path

import numpy as np
import pytest
from grid import CASES, POOLS, says

sys.path.append(str(Path(__file__).parent / "frameworks"))
from answers import connect, quiet

import cnnlib
from cnnlib.errors import InputError
from cnnlib.interop import from_keras, from_torch, to_keras, to_torch
from cnnlib.learning import ConvTranspose
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
from cnnlib.learning.losses import CrossEntropy, HalfSquaredError
from cnnlib.learning.network import Network


def network_of(*layers, shape, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    network = Network(layers, HalfSquaredError(), input_shape=shape, rng=rng, dtype=dtype)
    for p in network.params.values():
        p[...] = rng.normal(size=p.shape)  # the biases too
    return network


def backwards(network, dy):
    """The delta of the input, and every gradient by its name."""
    for layer in reversed(network.layers.values()):
        dy = layer.backward(dy)
    grads = {f"{n}.{p}": g for n, layer in network.layers.items() for p, g in layer.grads.items()}
    return dy, grads


class Torch:
    """PyTorch and the ways there and back, with arrays as cnnlib has them."""

    package, name = "torch", "torch"

    def __init__(self):
        self.torch = connect("torch").torch
        self.to, self.losses = to_torch, self.torch.nn

    def back(self, model, shape):
        return from_torch(model, HalfSquaredError(), input_shape=shape)

    def answers(self, module, network, x, dy):
        """Outputs, delta of the input, and the gradients, as cnnlib lays and names them."""
        first = np.array(np.moveaxis(x, -1, 1))
        x = self.torch.from_numpy(first).requires_grad_()
        y = module(x)
        dy = np.array(np.moveaxis(dy, -1, 1)) if y.ndim > 2 else dy
        y.backward(self.torch.from_numpy(dy))
        # Gradients travel like weights: read them as the weights of a module of the same kind.
        for p in module.parameters():
            p.data = p.grad
        grads = self.back(module, network.input_shape).params
        y, dx = y.detach().numpy(), x.grad.numpy()
        return np.moveaxis(y, 1, -1) if y.ndim > 2 else y, np.moveaxis(dx, 1, -1), grads


class Keras:
    """Keras and the ways there and back."""

    package, name = "tensorflow", "keras"

    def __init__(self):
        self.tf = connect("tensorflow").tf
        self.to = to_keras

    def back(self, model, shape):
        return from_keras(model, HalfSquaredError())

    def answers(self, model, network, x, dy):
        x = self.tf.constant(x)
        with quiet(), self.tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x)
        dx, grads = tape.gradient(y, [x, list(model.trainable_weights)], self.tf.constant(dy))
        for p, g in zip(model.trainable_weights, grads, strict=True):
            p.assign(g)
        return y.numpy(), dx.numpy(), self.back(model, network.input_shape).params


@pytest.fixture(scope="module", params=[Torch, Keras])
def framework(request):
    request.getfixturevalue(request.param.package)
    return request.param()


@pytest.fixture(scope="module")
def torch_nn(torch):
    return torch.nn


@pytest.fixture(scope="module")
def keras(tensorflow):
    return connect("tensorflow").keras


def agree(framework, network, x, seed=1):
    """Outputs, delta of the input and every gradient, for a random delta of the outputs."""
    y = network.forward(x)
    dy = np.random.default_rng(seed).normal(size=y.shape).astype(y.dtype)
    dx, grads = backwards(network, dy)
    plain = framework.back(framework.to(network), network.input_shape)  # its kernels never flip
    how_close = 1e-12 if x.dtype == np.float64 else 1e-6
    theirs, their_dx, their_grads = framework.answers(framework.to(network), network, x, dy)
    close(theirs, y, how_close)
    close(their_dx, dx, how_close)
    assert their_grads.keys() == grads.keys() == plain.params.keys()
    for name, g in grads.items():
        layer = network.layers[name.split(".")[0]]
        if (
            name.endswith("w")
            and isinstance(layer, Conv | ConvTranspose)
            and layer.geometry["flip"]
        ):
            g = np.flip(g, tuple(range(1, g.ndim - 1)))
        close(their_grads[name], g, how_close)


def close(a, b, tolerance):
    assert a.shape == b.shape and a.dtype == b.dtype
    assert abs(a - b).max() <= tolerance * max(1, abs(b).max())


def there_and_back(framework, network):
    """The network that comes back computes the same, and from then on no bit changes."""
    once = framework.back(framework.to(network), network.input_shape)
    twice = framework.back(framework.to(once), network.input_shape)
    x = np.random.default_rng(2).normal(size=(2, *network.input_shape)).astype(network.dtype)
    assert np.array_equal(twice.forward(x), once.forward(x))
    # A module of PyTorch without parameters has no dtype: it comes back as float32.
    single = not network.params or network.dtype == np.float32
    close(once.forward(x).astype(x.dtype), network.forward(x), 1e-6 if single else 1e-12)
    for (name, p), (_, q), (_, r) in zip(
        network.params.items(), once.params.items(), twice.params.items(), strict=True
    ):
        layer = network.layers[name.split(".")[0]]
        if (
            name.endswith("w")
            and isinstance(layer, Conv | ConvTranspose)
            and layer.geometry["flip"]
        ):
            p = np.flip(p, tuple(range(1, p.ndim - 1)))
        assert p.dtype == q.dtype == r.dtype
        assert p.tobytes() == q.tobytes() == r.tobytes()
        assert not np.shares_memory(p, q)


# ---- The awkward grid, one layer at a time.


@pytest.mark.parametrize("case", [case for case in CASES if not case.large], ids=lambda c: c.name)
def test_convolutions(framework, case):
    x, w, b, _ = case.arrays()
    network = network_of(Conv(case.K, case.U, **case.geometry), shape=case.x_shape[1:])
    network.params["conv1.w"][...], network.params["conv1.b"][...] = w, b
    strides, dilations = np.max(case.stride), np.max(case.dilation)
    if isinstance(framework, Keras) and strides > 1 and dilations > 1:
        with pytest.raises(InputError, match="conv1 has stride .* and dilation .*MaxPool"):
            to_keras(network)
        return
    agree(framework, network, x)
    there_and_back(framework, network)


# Layers of chapter 10, the sample that they meet, and who has no counterpart: why.
OTHERS = {
    "groups": (lambda: Conv(6, (3, 2), stride=2, padding=1, groups=2), (7, 6, 4), {}),
    "depthwise, 1-D": (lambda: Conv(6, 3, groups=3, dilation=2, bias=False), (9, 3), {}),
    "groups, 3-D, flipped": (lambda: Conv(4, 2, groups=2, center=0, flip=True), (3, 4, 3, 2), {}),
    "reflect": (
        lambda: Conv(3, 3, padding=2, border="reflect"), (5, 6, 2),
        {"keras": "zeros around alone"}),
    "circular, pairs, stride 2": (
        lambda: Conv(3, 4, stride=2, padding=((2, 1), (0, 3)), border="circular"), (7, 6, 2),
        {"keras": "zeros around alone"}),
    "replicate, a centre, 1-D": (
        lambda: Conv(4, 4, center=0, border="replicate", groups=2), (6, 2),
        {"keras": "zeros around alone"}),
    "symmetric": (
        lambda: Conv(3, 3, center=1, border="symmetric"), (5, 6, 2),
        {"keras": "zeros around alone", "torch": "in a mirror"}),
    "a border that no window meets": (
        lambda: Conv(3, 3, border="symmetric"), (5, 6, 2), {}),
    "transposed": (lambda: ConvTranspose(3, 3, stride=2), (4, 3, 2), {}),
    "transposed, flipped, 1-D": (
        lambda: ConvTranspose(3, 4, stride=3, flip=True, bias=False, output_padding=1), (4, 2), {}),
    "transposed, 'same'": (
        lambda: ConvTranspose(3, 4, stride=2, padding="same"), (4, 3, 2), {}),
    "transposed, 'same', odd": (
        lambda: ConvTranspose(3, 3, stride=2, padding="same"), (4, 3, 2),
        {"torch": "crops both sides alike"}),
    "transposed, less than 'same'": (
        lambda: ConvTranspose(3, 3, stride=2, padding=1), (4, 3, 2), {}),
    "transposed, stride 1, dilation": (
        lambda: ConvTranspose(2, 3, dilation=2, padding="same"), (5, 4, 2),
        {"keras": "without dilation alone"}),
    "transposed, 3-D, remainder": (
        lambda: ConvTranspose(2, 2, stride=3, output_padding=2), (2, 2, 3, 2), {}),
    "transposed, cropped before": (
        lambda: ConvTranspose(2, 3, stride=2, padding=((1, 0), (1, 0))), (3, 4, 2),
        {"keras": "by its rule 'same' alone"}),
    "transposed, cropped after": (
        lambda: ConvTranspose(2, 4, stride=2, padding=((0, 1), (0, 2))), (3, 4, 2),
        {"keras": "by its rule 'same' alone", "torch": "crops both sides alike"}),
    "transposed, groups": (
        lambda: ConvTranspose(4, 2, stride=2, groups=2), (3, 4, 2), {"keras": "have no groups"}),
    "transposed, border": (
        lambda: ConvTranspose(4, 3, padding=1, border="circular"), (3, 4, 2),
        {"keras": "zeros around alone", "torch": "zeros around alone"}),
    "transposed, stride and dilation": (
        lambda: ConvTranspose(2, 2, stride=2, dilation=2), (3, 4, 2),
        {"keras": "without dilation alone"}),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_rows(framework, name):
    make, shape, refused = OTHERS[name]
    network = network_of(make(), shape=shape)
    if framework.name in refused:
        with pytest.raises(InputError, match=refused[framework.name]):
            framework.to(network)
        return
    agree(framework, network, RNG.normal(size=(2, *shape)))
    there_and_back(framework, network)


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("rate", [{"strides": 2}, {"dilation_rate": 2, "padding": "same"}])
def test_keras_layers_that_are_convolutions_in_groups(keras, multiplier, rate):
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((9, 8, 3), dtype="float64"),
        layers.DepthwiseConv2D(3, depth_multiplier=multiplier, activation="tanh", **rate,
                               bias_initializer="normal", dtype="float64"),
        layers.SeparableConv2D(4, (1, 2), depth_multiplier=multiplier, activation="relu",
                               bias_initializer="normal", dtype="float64"),
        layers.Conv2DTranspose(2, 3, 2, padding="same", output_padding=0, dtype="float64"),
    ])  # fmt: skip
    network = from_keras(model, HalfSquaredError())
    kinds = [type(layer) for layer in network.layers.values()]
    assert kinds == [Conv, Tanh, Conv, Conv, ReLU, ConvTranspose]
    first, _, each, across, *_ = network.layers.values()
    assert (first.groups, each.groups, across.groups) == (3, 3 * multiplier, 1)
    assert (first.bias, each.bias, across.bias) == (True, False, True)
    x = RNG.normal(size=(2, 9, 8, 3))
    close(network.forward(x), model(x).numpy(), 1e-12)


def test_borders_of_torch(torch_nn):
    """Whether the convolution repeats the input, or a layer before it."""
    x = RNG.normal(size=(2, 5, 6, 2))
    for mode, pad in (("reflect", torch_nn.ReflectionPad2d), ("circular", torch_nn.CircularPad2d),
                      ("replicate", torch_nn.ReplicationPad2d)):  # fmt: skip
        one = torch_nn.Conv2d(2, 3, 3, padding=2, padding_mode=mode).double()
        two = torch_nn.Sequential(pad(2), torch_nn.Conv2d(2, 3, 3)).double()
        two[1].load_state_dict(one.state_dict())
        networks = [from_torch(m, HalfSquaredError(), input_shape=(5, 6, 2))
                    for m in (torch_nn.Sequential(one), two)]  # fmt: skip
        assert [n.layers["conv1"].border for n in networks] == [mode] * 2
        close(networks[0].forward(x), networks[1].forward(x), 0)


def pool_of(case, kind, **more):
    geometry = {name: value for name, value in case.geometry.items() if name != "dilation"}
    return kind(case.U, **geometry, **more)


@pytest.mark.parametrize("case", POOLS, ids=lambda c: c.name)
@pytest.mark.parametrize("kind", ["max", "mean", "mean with padding"])
def test_pools(framework, case, kind):
    x, _ = case.pool_arrays()  # full of ties
    more = {"count_padding": kind.endswith("padding")} if kind != "max" else {}
    layer = pool_of(case, MaxPool if kind == "max" else AvgPool, **more)
    try:
        network = network_of(layer, shape=case.x_shape[1:])
    except InputError as error:
        assert "meets no" in str(error)  # no mean and no maximum: cnnlib itself refuses
        return
    if isinstance(framework, Keras) and len(case.P) == 3:
        with pytest.raises(InputError, match="volumes in float64"):
            to_keras(network)
        network = network_of(layer, shape=case.x_shape[1:], dtype=np.float32)
        x = x.astype(np.float32)
    try:
        framework.to(network)
    except InputError as error:
        assert str(error).startswith(("layer maxpool1 has the", "layer avgpool1 has the"))
        assert not expressible(framework, case, kind)
        return
    assert expressible(framework, case, kind)
    agree(framework, network, x)
    there_and_back(framework, network)


def expressible(framework, case, kind):
    """By the table of connections alone: whether one of the framework's paddings gives this one."""
    if kind == "mean with padding" or (kind == "max" and isinstance(framework, Torch)):
        return True  # the padding is a layer of its own

    def table(**placing):
        try:
            stride = case.U if case.stride is None else case.stride
            rows = cnnlib.connections(case.P, case.U, stride=stride, flip=case.flip, **placing)
        except InputError:
            return None  # no such windows
        return rows.tolist()

    wanted = table(padding=case.padding, center=case.center)
    if isinstance(framework, Keras):
        return wanted in (table(padding="same"), table(padding="valid"))
    halves = np.ndindex(*(U // 2 + 1 for U in case.U))
    return any(table(padding=pads) == wanted for pads in halves)


# ---- Whole networks.


def random_network(seed, framework):
    """Any layers one after another, with any geometry, and twice a Flatten and a Dense."""
    r = np.random.default_rng(seed)
    n = int(r.integers(1, 4))
    P, C = tuple(int(k) for k in r.integers(4, 9 - n, n)), int(r.integers(1, 4))
    layers: list[Layer] = []
    for _ in range(2):
        U = tuple(int(k) for k in r.integers(1, 4, n))
        how = {"flip": bool(r.integers(2)), "bias": bool(r.integers(2))}
        how["stride" if r.integers(2) else "dilation"] = int(r.integers(1, 3))
        if r.integers(2):
            how["center"] = tuple(int(r.integers(k)) for k in U)
        else:
            how["padding"] = tuple((int(r.integers(1, 4)), int(r.integers(1, 4))) for _ in U)
        layers += [
            Conv(int(r.integers(2, 4)), U, **how),
            r.choice([ReLU, Tanh, Sigmoid, Softmax])(),
        ]
    pool = MaxPool(2, stride=1, padding="same")
    if framework == "keras" and n == 3:
        pool = ReLU()  # no pools of volumes in float64
    elif r.integers(2):
        pool = AvgPool(2, stride=1, padding=1, count_padding=True)
    layers += [pool, Flatten(), Tanh(), Dense(5), Sigmoid()]
    layers += [Flatten(), Dense(3, bias=False), Softmax()]
    return network_of(*layers, shape=(*P, C), seed=seed)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks(framework, seed):
    network = random_network(seed, framework.name)
    x = np.random.default_rng(seed + 100).normal(size=(3, *network.input_shape))
    agree(framework, network, x)
    there_and_back(framework, network)


# ---- What each of them cannot say.

RNG = np.random.default_rng(0)


class Doubling(Layer):
    """A layer of the reader's own."""

    def forward(self, x):
        return 2 * x


def test_a_layer_of_ones_own_has_no_counterpart(framework):
    network = network_of(Doubling(), shape=(3,))
    with pytest.raises(InputError, match="layer doubling1 is a Doubling"):
        framework.to(network)


def test_four_axes_are_too_many(framework):
    network = network_of(Conv(1, 1), shape=(2, 2, 2, 2, 1))
    with pytest.raises(InputError, match="layer conv1 is a Conv .* up to 3 spatial axes"):
        framework.to(network)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Conv(1, 2, stride=2, dilation=(1, 2)), "layer conv1 has stride (2, 2) and dilation (1, 2)"
         "; Keras lets a layer have one of them: give it stride 1 and its padding as numbers, and "
         "put MaxPool(1, stride=(2, 2)) behind"),
        (MaxPool(3, stride=2, padding=1), "layer maxpool1 has the padding ((1, 0), (1, 0)); Keras "
         "pads a pool by its rule 'same' alone: choose padding='same'"),
        (AvgPool(2, stride=1, center=1), "layer avgpool1 has the padding ((1, 0), (1, 0)); ... "
         "padding='same', or count_padding=True"),
    ],
)  # fmt: skip
def test_what_keras_does_not_have(keras, layer, message):
    with pytest.raises(InputError, match=says(message)):
        to_keras(network_of(layer, shape=(6, 6, 1)))


def test_the_cure_for_stride_and_dilation_in_keras_is_exact(framework):
    one = network_of(Conv(3, 3, stride=2, dilation=2, padding=1, flip=True), shape=(9, 8, 2))
    two = network_of(
        Conv(3, 3, dilation=2, padding=1, flip=True), MaxPool(1, stride=2), shape=(9, 8, 2)
    )
    for name, p in one.params.items():
        two.params[name][...] = p
    x = RNG.normal(size=(2, 9, 8, 2))
    close(two.forward(x), one.forward(x), 1e-12)
    agree(framework, two, x)


@pytest.mark.parametrize("padding", [((1, 0), (0, 0)), ((0, 1), (1, 1)), ((2, 2), (2, 2))], ids=str)
def test_what_torch_does_not_have(torch_nn, padding):
    P, U = 6, 3
    layer = AvgPool(U, stride=1, padding=padding)
    with pytest.raises(InputError, match=says("layer avgpool1 has the padding ...; PyTorch")):
        to_torch(network_of(layer, shape=(P, P, 1)))
    AvgPool(U, stride=1, padding=padding, count_padding=True)
    to_torch(network_of(AvgPool(U, stride=1, padding=padding, count_padding=True), shape=(P, P, 1)))


@pytest.mark.parametrize("shape", [(4, 3, 2), (5, 2)])
def test_a_network_that_ends_flat_is_refused_by_torch_alone(torch_nn, keras, shape):
    network = network_of(Flatten(), Tanh(), shape=shape)
    with pytest.raises(InputError, match="flattens channels first"):
        to_torch(network)
    x = RNG.normal(size=(2, *shape))
    close(to_keras(network)(x).numpy(), network.forward(x), 1e-12)
    to_torch(network_of(Flatten(), shape=(4, 3, 1)))  # one channel: the order is the same
    to_torch(network_of(Flatten(), shape=(1, 1, 7)))  # one cell: the same


def torch_cases():
    return {
        "a border before a pool": (
            lambda nn: nn.Sequential(nn.ReflectionPad2d(1), nn.MaxPool2d(2)), "no such padding"),
        "a border before a transposed layer": (
            lambda nn: nn.Sequential(nn.ZeroPad2d(1), nn.ConvTranspose2d(2, 4, 3)),
            "no such padding"),
        "zeros and a border": (
            lambda nn: nn.Sequential(nn.CircularPad2d(1), nn.Conv2d(2, 1, 2, padding=1)),
            "in one layer"),
        "a border after zeros": (
            lambda nn: nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(2, 1, 2, padding_mode="reflect")),
            "in one layer"),
        "output_padding between stride and dilation": (
            lambda nn: nn.ConvTranspose2d(2, 4, 3, dilation=2, output_padding=1),
            "less than the stride"),
        "ceil_mode": (
            lambda nn: nn.MaxPool2d(2, ceil_mode=True),
            "ceil_mode=True); interop has no rule for ceil_mode: choose ceil_mode=False"),
        "pool dilation": (lambda nn: nn.MaxPool2d(2, dilation=2), "dilation=2"),
        "indices": (lambda nn: nn.MaxPool2d(2, return_indices=True), "MaxPool2d"),
        "divisor": (lambda nn: nn.AvgPool2d(2, divisor_override=3), "AvgPool2d"),
        "softmax": (lambda nn: nn.Softmax(dim=2), "Softmax(dim=2)"),
        "flatten": (lambda nn: nn.Sequential(nn.Flatten(2), nn.Linear(42, 3)), "Flatten(start"),
        "dropout of maps": (lambda nn: nn.Dropout2d(), "Dropout2d(p=0.5"),
        "all dropped": (lambda nn: nn.Dropout(1.0), "rate is 1.0"),
        "norm of a group": (lambda nn: nn.GroupNorm(1, 2), "GroupNorm"),
        "nothing learned": (lambda nn: nn.BatchNorm2d(2, affine=False), "learns gamma and beta"),
        "no running": (
            lambda nn: nn.BatchNorm2d(2, track_running_stats=False), "moves its running numbers"),
        "all batches alike": (lambda nn: nn.BatchNorm2d(2, momentum=None), "by one share"),
        "a mean to more cells": (lambda nn: nn.AdaptiveAvgPool2d(2), "AdaptiveAvgPool2d"),
        "a mean that stays": (lambda nn: nn.AdaptiveAvgPool2d(1), "ends in AdaptiveAvgPool2d"),
        "a mean before a convolution": (
            lambda nn: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(2, 1, 1)),
            "a Flatten right"),
        "padding before a mean": (
            lambda nn: nn.Sequential(nn.ZeroPad2d(1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            "a Flatten right behind"),
        "zeros before a max-pool": (
            lambda nn: nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(2)), "a max-pool with minus"),
        "ones before a convolution": (
            lambda nn: nn.Sequential(nn.ConstantPad2d(1, 1.0), nn.Conv2d(2, 1, 2)), "value=1.0"),
        "zeros before a mean without padding": (
            lambda nn: nn.Sequential(
                nn.ZeroPad2d(1), nn.AvgPool2d(3, padding=1, count_include_pad=False)
            ), "AvgPool2d"),
        "a crop": (lambda nn: nn.Sequential(nn.ZeroPad2d(-1), nn.Conv2d(2, 1, 2)), "at least 0"),
        "padding before ReLU": (lambda nn: nn.Sequential(nn.ZeroPad2d(1), nn.ReLU()), "ReLU()"),
        "padding at the end": (lambda nn: nn.Sequential(nn.ReLU(), nn.ZeroPad2d(1)), "pads alone"),
        "dense on images": (lambda nn: nn.Linear(7, 3), "put a Flatten before Dense"),
        "half": (lambda nn: nn.Conv2d(2, 4, 3).half(), "float16"),
        "both types": (
            lambda nn: nn.Sequential(nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1).double()), "float64"),
        "a channel too few": (lambda nn: nn.Conv2d(1, 4, 3), "channels last"),
        "shared": (lambda nn: nn.Sequential(*[nn.Conv2d(2, 2, 1)] * 2), "share a parameter"),
        "flat at the end": (lambda nn: nn.Flatten(), "channels first"),
    }  # fmt: skip


@pytest.mark.parametrize("case", torch_cases())
def test_modules_without_a_counterpart(torch_nn, case):
    make, message = torch_cases()[case]
    with quiet(), pytest.raises(InputError, match=says(message)):
        from_torch(make(torch_nn), HalfSquaredError(), input_shape=(6, 7, 2))


def test_a_padding_takes_the_place_of_ceil_mode(torch_nn):
    import torch

    pad = torch_nn.ConstantPad2d((0, 2, 0, 2), -np.inf)
    network = from_torch(
        torch_nn.Sequential(pad, torch_nn.MaxPool2d(3)), HalfSquaredError(), input_shape=(7, 7, 2)
    )
    x = RNG.normal(size=(2, 7, 7, 2)).astype(np.float32)
    z = torch_nn.MaxPool2d(3, ceil_mode=True)(torch.from_numpy(np.moveaxis(x, -1, 1).copy()))
    assert np.array_equal(network.forward(x), np.moveaxis(z.numpy(), 1, -1))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_an_image_of_one_channel_is_not_taken_for_channels_last(torch_nn, monkeypatch, n):
    """PyTorch looks at the stride of the one channel, which NumPy may choose as it likes."""
    kind, seen = getattr(torch_nn, f"Conv{n}d"), []
    true = kind.forward

    def forward(module, x):
        seen.append(x.stride() == x.new_empty(x.shape).stride())
        return true(module, x)

    monkeypatch.setattr(kind, "forward", forward)
    from_torch(kind(1, 2, 2), HalfSquaredError(), input_shape=(5,) * n + (1,))
    assert seen == [True, True]  # the layer, and the whole


def test_where_torch_itself_computes_something_else_it_says_so(torch_nn, monkeypatch):
    """As float32 conv3d of PyTorch 2.13 did for some tensors of one channel."""
    import torch

    true = torch_nn.Conv3d.forward

    def forward(module, x):
        return true(module, x) + (3 if x.dtype == torch.float32 else 0)

    monkeypatch.setattr(torch_nn.Conv3d, "forward", forward)
    module = torch_nn.Conv3d(1, 2, 2)
    message = (
        "layer module is Conv3d...; PyTorch computes something else here: ... by 3 in numbers up"
    )
    with pytest.raises(InputError, match=says(message)):
        from_torch(module, HalfSquaredError(), input_shape=(4, 5, 3, 1))
    from_torch(module.double(), HalfSquaredError(), input_shape=(4, 5, 3, 1))


def test_a_class_from_elsewhere_is_refused(torch_nn, keras):
    class Conv2d(torch_nn.Conv2d):  # the same name, another computation
        def forward(self, x):
            return -super().forward(x)

    with pytest.raises(InputError, match="layer module is Conv2d"):
        from_torch(Conv2d(2, 1, 2), HalfSquaredError(), input_shape=(6, 7, 2))

    class Dense(keras.layers.Dense):
        def call(self, x):
            return -super().call(x)

    model = keras.Sequential([keras.Input((3,)), Dense(2)])
    with pytest.raises(InputError, match="is <Dense"):
        from_keras(model, HalfSquaredError())


def test_what_a_model_does_beside_its_layers_is_not_lost(torch_nn):
    def tripled(module):
        module.register_forward_hook(lambda module, given, y: y * 3)
        return module

    def assigned(module):
        module.forward = lambda x: x * 9
        return module

    for module in (
        tripled(torch_nn.Sequential(torch_nn.Linear(2, 2))),
        assigned(torch_nn.Sequential(torch_nn.Linear(2, 2))),
        torch_nn.Sequential(tripled(torch_nn.Sequential(torch_nn.Linear(2, 9))), torch_nn.Tanh()),
    ):
        with pytest.raises(InputError, match="something else than its layers one after another"):
            from_torch(module, HalfSquaredError(), input_shape=(2,))
    with pytest.raises(InputError, match="device 'meta'"):
        linear = torch_nn.Linear(4, 4, device="meta")
        from_torch(torch_nn.Sequential(linear), HalfSquaredError(), input_shape=(4,))


def test_a_method_that_was_assigned_to_a_layer_is_not_lost(framework):
    network = network_of(Dense(2), shape=(2,))
    network.layers["dense1"].forward = lambda x: x * 7
    with pytest.raises(InputError, match="layer dense1 has a forward that was assigned to it"):
        framework.to(network)


def test_a_torch_module_as_people_write_it(torch_nn):
    import torch

    relu = torch_nn.ReLU()  # used twice: it has no parameters
    features = torch_nn.Sequential(torch_nn.Conv2d(2, 3, (2, 3), padding="same"), relu)
    module = torch_nn.Sequential(
        features, torch_nn.ZeroPad2d((1, 0, 2, 1)), torch_nn.Conv2d(3, 4, 3, 2, padding=1), relu,
        torch_nn.AvgPool2d(2, 1, padding=1, count_include_pad=False), torch_nn.Flatten(),
        torch_nn.Linear(4 * 6 * 5, 6), torch_nn.Softmax(dim=-1),
    ).double()  # fmt: skip
    with quiet():
        network = from_torch(module, CrossEntropy(), input_shape=(6, 7, 2))
    x = RNG.normal(size=(3, 6, 7, 2))
    with quiet(), torch.no_grad():
        y = module(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).numpy()
    close(network.forward(x), y, 1e-12)
    network.params["conv1.w"][...] = 0  # copies: the module keeps its weights
    assert module[0][0].weight.abs().min() > 0


def test_a_mean_over_zeros_that_another_layer_padded(torch_nn):
    pool = torch_nn.AvgPool2d(3, count_include_pad=False)  # knows nothing of those zeros
    module = torch_nn.Sequential(torch_nn.ZeroPad2d((1, 0, 1, 1)), pool)
    network = from_torch(module, HalfSquaredError(), input_shape=(6, 7, 2))
    assert network.layers["avgpool1"].geometry["count_padding"]


def keras_cases():
    return {
        "zeros before a transposed layer": (
            lambda k: [k.ZeroPadding2D(1), k.Conv2DTranspose(1, 3)], "no such padding"),
        "fewer maps": (
            lambda k: k.Conv2DTranspose(1, 4, 2, padding="same", output_padding=0), "fewer maps"),
        "elu": (lambda k: k.Conv2D(4, 3, activation="elu"), "activation <function elu"),
        "first": (lambda k: k.MaxPooling2D(2, data_format="channels_first"), "MaxPooling2D"),
        "relu6": (lambda k: k.ReLU(max_value=6), "ReLU"),
        "softmax": (lambda k: k.Softmax(axis=1), "Softmax"),
        "dropout of maps": (lambda k: k.SpatialDropout2D(0.5), "SpatialDropout2D"),
        "one mask for all": (lambda k: k.Dropout(0.5, noise_shape=(1, 6, 6, 2)), "Dropout"),
        "norm of rows of pixels": (lambda k: k.BatchNormalization(axis=1), "BatchNormalization"),
        "no gamma": (lambda k: k.BatchNormalization(scale=False), "BatchNormalization"),
        "no beta": (lambda k: k.BatchNormalization(center=False), "BatchNormalization"),
        "a mean that keeps": (
            lambda k: k.GlobalAveragePooling2D(keepdims=True), "GlobalAveragePooling2D"),
        "padding before a norm": (
            lambda k: [k.ZeroPadding2D(1), k.BatchNormalization()], "BatchNormalization"),
        "regularizer": (lambda k: k.Conv2D(1, 2, kernel_regularizer="l2"), "regularizers"),
        "constraint": (lambda k: k.Conv2D(1, 2, kernel_constraint="non_neg"), "constraints"),
        "activity": (lambda k: k.Conv2D(1, 2, activity_regularizer="l2"), "Conv2D"),
        "zeros before a max-pool": (
            lambda k: [k.ZeroPadding2D(1), k.MaxPooling2D(2)], "minus infinity"),
        "padded twice": (
            lambda k: [k.ZeroPadding2D(1), k.Conv2D(1, 3, padding="same")], "in one layer"),
        "padding before ReLU": (lambda k: [k.ZeroPadding2D(1), k.Activation("relu")], "Activation"),
        "padding at the end": (lambda k: [k.Activation("relu"), k.ZeroPadding2D(1)], "pads alone"),
        "dense on images": (lambda k: k.Dense(3), "put a Flatten before Dense"),
        "both types": (lambda k: [k.Conv2D(2, 1), k.Conv2D(2, 1, dtype="float64")], "float64"),
        "half": (lambda k: k.Conv2D(2, 1, dtype="mixed_float16"), "float16"),
    }  # fmt: skip


@pytest.mark.parametrize("case", keras_cases())
def test_keras_layers_without_a_counterpart(keras, case):
    make, message = keras_cases()[case]
    layers = make(keras.layers)
    layers = layers if isinstance(layers, list) else [layers]
    model = keras.Sequential([keras.Input((6, 6, 2)), *layers])
    with quiet(), pytest.raises(InputError, match=says(message)):
        from_keras(model, HalfSquaredError())


def test_models_that_are_not_built_or_not_sequential(keras):
    inputs = keras.Input((4,))
    for model in [
        keras.Sequential([keras.layers.Dense(3)]),
        keras.Sequential([keras.Input((None, 3)), keras.layers.Conv1D(2, 2)]),
        keras.Model(inputs, keras.layers.Dense(2)(inputs)),
    ]:
        with pytest.raises(InputError, match="begins with keras.Input"):
            from_keras(model, HalfSquaredError())


def test_a_keras_model_as_people_write_it(keras):
    k = keras.layers
    model = keras.Sequential([
        keras.Input((9, 2), dtype="float64"),
        k.Conv1D(3, 2, padding="causal", dilation_rate=2, activation="tanh", dtype="float64"),
        k.ZeroPadding1D((2, 1), dtype="float64"), k.ZeroPadding1D(1, dtype="float64"),
        k.Conv1D(4, 3, strides=2, dtype="float64"), k.ReLU(dtype="float64"),
        k.MaxPooling1D(3, 2, padding="same", dtype="float64"), k.Flatten(dtype="float64"),
        k.Dense(5, activation="softmax", dtype="float64"),
    ])  # fmt: skip
    for p in model.weights:
        p.assign(RNG.normal(size=p.shape))
    network = from_keras(model, HalfSquaredError())
    x = RNG.normal(size=(3, 9, 2))
    close(network.forward(x), model(x).numpy(), 1e-12)
    kinds = ["conv1", "tanh1", "conv2", "relu1", "maxpool1", "flatten1", "dense1", "softmax1"]
    assert list(network.layers) == kinds


def test_translating_draws_no_random_numbers(torch_nn, keras):
    import torch

    network = random_network(0, "keras")
    torch.manual_seed(3)
    before = torch.get_rng_state()
    to_torch(network)
    assert torch.equal(torch.get_rng_state(), before)
    keras.utils.set_random_seed(3)
    first = keras.random.normal((2,)).numpy()
    keras.utils.set_random_seed(3)
    to_keras(network)
    assert np.array_equal(keras.random.normal((2,)).numpy(), first)


def test_a_missing_framework_is_named_with_its_cure(monkeypatch):
    network = network_of(Dense(2), shape=(3,))
    for module, translate in {"torch": to_torch, "keras": to_keras}.items():
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ImportError, match=f"{module}.*pip install"):
            translate(network)
