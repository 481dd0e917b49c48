"""Networks: whole gradients against central differences and PyTorch, names, shapes, errors."""

import copy
import re

import numpy as np
import pytest

from cnnlib import learning
from cnnlib.checks import numerical_gradient
from cnnlib.convolution import Laid
from cnnlib.data import digits, mnist_5k
from cnnlib.errors import DataError, InputError
from cnnlib.learning import (
    BatchNorm,
    ConvTranspose,
    Dropout,
    GlobalAveragePool,
    LeakyReLU,
    Residual,
)
from cnnlib.learning.later import LATER
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
from cnnlib.learning.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Loss,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
)
from cnnlib.learning.network import LIBRARY, Network
from cnnlib.learning.optimizers import SGD


def classical(fused=False, flips=(False, False), input_shape=(8, 8, 1), seed=0):
    """The classical model in float64 with random biases.

    A zero bias over black background would sit on ReLU's kink, where no difference is right.
    """
    rng = np.random.default_rng(seed)
    sequence = [
        Conv(5, 2, stride=2, center=(0, 0), flip=flips[0]),
        ReLU(),
        MaxPool(2, stride=2),
        Conv(20, 3, center=(1, 1), flip=flips[1]),
        Sigmoid(),
        Flatten(),
        Dense(4),
        Sigmoid(),
        Dense(10),
    ]
    if not fused:
        sequence.append(Softmax())
    loss = SoftmaxCrossEntropy() if fused else CrossEntropy()
    network = Network(sequence, loss, input_shape=input_shape, rng=rng, dtype=np.float64)
    for name, p in network.params.items():
        if name.endswith(".b"):
            p[...] = rng.normal(size=p.shape)
    return network


def modern(rng, dtype=np.float64):
    sequence = [Conv(8, 5), ReLU(), MaxPool(2), Conv(16, 5), ReLU(), MaxPool(2)]
    sequence += [Flatten(), Dense(128), ReLU(), Dense(10)]
    loss = SoftmaxCrossEntropy()
    return Network(sequence, loss, input_shape=(28, 28, 1), rng=rng, dtype=dtype)


def small(dtype=np.float64):
    """A network of every kind of parameter, quick to run."""
    sequence = [
        Conv(3, 2),
        ReLU(),
        AvgPool(2),
        Conv(2, 2, padding=1, bias=False),
        Flatten(),
        Dense(4),
    ]
    rng = np.random.default_rng(0)
    return Network(sequence, SoftmaxCrossEntropy(), input_shape=(5, 6, 2), rng=rng, dtype=dtype)


def close(found, expected, tolerance):
    """Every array agrees, relative to its largest entry."""
    assert found.keys() == expected.keys()
    for name, a in expected.items():
        assert found[name].shape == a.shape, name
        np.testing.assert_allclose(
            found[name], a, rtol=0, atol=tolerance * abs(a).max(), err_msg=name
        )


# Whole gradients


@pytest.mark.parametrize("flips", [(True, False), (False, True)], ids=str)
def test_classical_model_against_central_differences(flips):
    network = classical(flips=flips)
    x, t = digits().x_train[:3], digits().t_train[:3]
    loss, grads = network.gradients(x, t)
    numerical = {}
    for name, p in network.params.items():
        kept = p.copy()

        def f(values, p=p):
            p[...] = values
            return network.loss.value(network.forward(x), t)

        numerical[name] = numerical_gradient(f, kept)
        p[...] = kept
    assert loss == network.loss.value(network.forward(x), t)
    assert all(abs(g).max() > 1e-6 for g in numerical.values())  # else nothing was compared
    close(grads, numerical, 1e-6)


@pytest.mark.parametrize("flips", [(False, False), (True, True)], ids=str)
def test_fused_and_separate_softmax_agree(flips):
    x, t = digits().x_train[:5], digits().t_train[:5]
    separate, fused = classical(False, flips), classical(True, flips)
    for name, p in fused.params.items():
        p[...] = separate.params[name]
    loss_separate, grads_separate = separate.gradients(x, t)
    loss_fused, grads_fused = fused.gradients(x, t)
    assert loss_fused == pytest.approx(loss_separate, rel=1e-14)
    close(grads_fused, grads_separate, 1e-12)


def test_gradient_is_the_mean_over_the_batch():
    network = classical()
    x, t = digits().x_train[:7], digits().t_train[:7]
    loss, grads = network.gradients(x, t)
    each = [network.gradients(x[n : n + 1], t[n : n + 1]) for n in range(7)]
    assert loss == pytest.approx(np.mean([part for part, _ in each]), rel=1e-13)
    means = {name: np.mean([part[name] for _, part in each], axis=0) for name in grads}
    close(grads, means, 1e-12)


def test_gradients_do_not_change_parameters_or_batch():
    network = small()
    x = np.random.default_rng(0).normal(size=(3, 5, 6, 2))
    t = np.array([0, 3, 1])
    kept, kept_x = {name: p.copy() for name, p in network.params.items()}, x.copy()
    first = network.gradients(x, t)
    second = network.gradients(x, t)
    assert first[0] == second[0]
    assert all(np.array_equal(first[1][name], second[1][name]) for name in kept)
    assert all(np.array_equal(network.params[name], p) for name, p in kept.items())
    assert np.array_equal(x, kept_x)


def test_backward_after_forward_is_gradients():
    network = small()
    x, t = np.random.default_rng(0).normal(size=(3, 5, 6, 2)), np.array([0, 3, 1])
    loss, grads = network.gradients(x, t)
    loss_again, again = network.backward(network.forward(x), t)
    assert loss_again == loss
    assert all(np.array_equal(again[name], g) for name, g in grads.items())


# PyTorch


def in_torch(torch, network):
    """The modern model as torch tensors, and its loss as a function of x and t."""
    functional = torch.nn.functional
    p = {}
    for name, a in network.params.items():
        if name.startswith("conv") and name.endswith(".w"):
            a = np.moveaxis(a, -1, 1)  # (K, *U, C) to (K, C, *U)
        p[name] = torch.tensor(a.T if name.startswith("dense") else a).requires_grad_()

    def loss(x, t):
        z = torch.tensor(np.moveaxis(x, -1, 1))
        for layer in ("conv1", "conv2"):
            z = functional.conv2d(z, p[f"{layer}.w"], p[f"{layer}.b"])
            z = functional.max_pool2d(torch.relu(z), 2)
        z = z.permute(0, 2, 3, 1).flatten(1)  # channels last, as Flatten has them
        z = torch.relu(functional.linear(z, p["dense1.w"], p["dense1.b"]))
        z = functional.linear(z, p["dense2.w"], p["dense2.b"])
        return functional.cross_entropy(z, torch.tensor(t))

    return p, loss


def from_torch(name, tensor):
    """A torch array of parameters or gradients in the library's order of axes."""
    a = tensor.detach().numpy()
    if name.startswith("conv") and name.endswith(".w"):
        return np.moveaxis(a, 1, -1)
    return a.T if name.startswith("dense") else a


def test_modern_model_against_torch(torch):
    network = modern(np.random.default_rng(0))
    p, torch_loss = in_torch(torch, network)
    x, t = mnist_5k().x_train[:6].astype(np.float64), mnist_5k().t_train[:6]
    loss, grads = network.gradients(x, t)
    expected = torch_loss(x, t)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    close(grads, {name: from_torch(name, a.grad) for name, a in p.items()}, 1e-12)


def test_modern_model_takes_torchs_steps(torch):
    network = modern(np.random.default_rng(1))
    p, torch_loss = in_torch(torch, network)
    optimizer, theirs = SGD(lr=0.1), torch.optim.SGD(p.values(), lr=0.1)
    x, t = mnist_5k().x_train[:320].astype(np.float64), mnist_5k().t_train[:320]
    ours, expected = [], []
    for step in range(20):
        part = slice(16 * step, 16 * step + 16)
        loss, grads = network.gradients(x[part], t[part])
        optimizer.step(network.params, grads)
        ours.append(loss)
        theirs.zero_grad()
        e = torch_loss(x[part], t[part])
        e.backward()
        theirs.step()
        expected.append(e.item())
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)
    assert expected[-1] < 0.9 * expected[0]  # the steps went somewhere
    close(network.params, {name: from_torch(name, a) for name, a in p.items()}, 1e-12)


# What the first layer does not compute


def test_first_layer_computes_no_delta(monkeypatch):
    calls = []

    def spy(laid, dz, w):
        calls.append(w.shape)
        return true_delta(laid, dz, w)

    true_delta = Laid.conv_delta
    network = small()
    x, t = np.random.default_rng(0).normal(size=(3, 5, 6, 2)), np.array([0, 3, 1])
    _, expected = network.gradients(x, t)
    monkeypatch.setattr(Laid, "conv_delta", spy)
    _, grads = network.gradients(x, t)
    assert calls == [network.params["conv2.w"].shape]
    assert all(np.array_equal(grads[name], g) for name, g in expected.items())


def test_single_convolution_never_calls_conv_delta(monkeypatch):
    def fail(*arguments, **keywords):
        raise AssertionError("nobody reads this delta")

    monkeypatch.setattr(Laid, "conv_delta", fail)
    rng = np.random.default_rng(0)
    # Layers before the first one that learns are not asked either.
    sequence = [AvgPool(2), Conv(3, 2), Flatten(), Dense(2)]
    network = Network(sequence, HalfSquaredError(), input_shape=(7, 6, 2), rng=rng)
    monkeypatch.setattr(sequence[0], "delta", fail)
    _, grads = network.gradients(rng.normal(size=(2, 7, 6, 2)), rng.normal(size=(2, 2)))
    assert all(abs(g).max() > 0 for g in grads.values())


def test_network_without_parameters():
    rng = np.random.default_rng(0)
    network = Network([ReLU()], HalfSquaredError(), input_shape=(2,), rng=rng, dtype=np.float64)
    loss, grads = network.gradients(np.array([[3.0, -1.0]]), np.array([[1.0, 2.0]]))
    assert (loss, grads) == (4.0, {})  # (2**2 + 2**2) / 2


# Names, shapes, parameters


def test_summary_of_the_classical_model():
    assert classical(fused=True).summary().splitlines() == [
        "layer       output shape   parameters",
        "conv1       4 x 4 x 5              25",
        "relu1       4 x 4 x 5               0",
        "maxpool1    2 x 2 x 5               0",
        "conv2       2 x 2 x 20            920",
        "sigmoid1    2 x 2 x 20              0",
        "flatten1    80                      0",
        "dense1      4                     324",
        "sigmoid2    4                       0",
        "dense2      10                     50",
        "total                            1319",
    ]


def test_shapes_and_names():
    network = classical()
    assert network.shapes == {
        "conv1": (4, 4, 5),
        "relu1": (4, 4, 5),
        "maxpool1": (2, 2, 5),
        "conv2": (2, 2, 20),
        "sigmoid1": (2, 2, 20),
        "flatten1": (80,),
        "dense1": (4,),
        "sigmoid2": (4,),
        "dense2": (10,),
        "softmax1": (10,),
    }
    assert list(network.layers) == list(network.shapes)
    assert {name: p.shape for name, p in network.params.items()} == {
        "conv1.w": (5, 2, 2, 1),
        "conv1.b": (5,),
        "conv2.w": (20, 3, 3, 5),
        "conv2.b": (20,),
        "dense1.w": (80, 4),
        "dense1.b": (4,),
        "dense2.w": (4, 10),
        "dense2.b": (10,),
    }
    y = network.forward(digits().x_test[:3])
    assert y.shape == (3, 10)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=0, atol=1e-12)


def test_params_are_the_arrays_themselves():
    network = small()
    assert network.params["conv2.w"] is network.layers["conv2"].params["w"]
    x = np.ones((1, 5, 6, 2))
    before = network.forward(x)
    network.params["dense1.b"][...] += [1, 2, 3, 4]
    np.testing.assert_allclose(network.forward(x) - before, [[1, 2, 3, 4]], rtol=0, atol=1e-12)


def test_seed_decides_the_first_weights():
    one, same, other = (modern(np.random.default_rng(seed)) for seed in (3, 3, 4))
    for name, p in one.params.items():
        assert np.array_equal(p, same.params[name])
        assert name.endswith(".b") or not np.array_equal(p, other.params[name])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_images_are_brought_to_the_networks_type(dtype):
    network = small(dtype)
    for given in (np.float16, np.float32, np.float64):
        x = np.linspace(0, 1, 120).reshape(2, 5, 6, 2).astype(given)
        assert network.forward(x).dtype == dtype
        _, grads = network.gradients(x, np.array([0, 1]))
        assert {g.dtype for g in grads.values()} == {np.dtype(dtype)}


def test_default_type_is_float32():
    rng = np.random.default_rng(0)
    network = Network([Dense(2)], HalfSquaredError(), input_shape=(3,), rng=rng)
    assert network.dtype == np.float32
    assert {p.dtype for p in network.params.values()} == {np.dtype(np.float32)}


# Where numbers break


def test_first_broken_names_the_place():
    network = small()
    x = np.random.default_rng(0).random((2, 5, 6, 2))
    assert network.first_broken(x) == "the loss"
    network.params["dense1.b"][1] = np.inf
    assert network.first_broken(x) == "dense1"
    network.params["conv2.w"][0, 0, 0, 0] = np.nan
    assert network.first_broken(x) == "conv2"
    x[1, 2, 3, 0] = np.nan
    assert network.first_broken(x) == "the input x"


# Errors


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 5, 6, 2), np.uint8), "x has dtype uint8; .* divide by 255"),
        (np.zeros((2, 5, 6, 2), np.int64), "x has dtype int64; .* divide by 255"),
        (np.zeros((2, 5, 6, 2), bool), "x has dtype bool"),
        (np.zeros((2, 5, 6, 2), complex), "x has dtype complex128"),
        (np.zeros((2, 6, 5, 2)), r"x has shape \(2, 6, 5, 2\); expected \(N, 5, 6, 2\)"),
        (np.zeros((2, 2, 5, 6)), r"x has shape \(2, 2, 5, 6\); expected \(N, 5, 6, 2\)"),
        (np.zeros((5, 6, 2)), r"x has shape \(5, 6, 2\); expected \(N, 5, 6, 2\)"),
        (np.zeros((0, 5, 6, 2)), r"x has shape \(0, 5, 6, 2\); .* with N at least 1"),
        (np.float64(1), r"x has shape \(\); expected"),
    ],
)
def test_wrong_batches(x, message):
    network = small()
    for call in (network.forward, lambda x: network.gradients(x, np.array([0, 1]))):
        with pytest.raises(InputError, match=message):
            call(x)


def test_missing_channel_axis_is_named():
    network = classical()
    with pytest.raises(InputError, match=r"\(2, 8, 8\); expected \(N, 8, 8, 1\).*x\[..., None\]"):
        network.forward(np.zeros((2, 8, 8)))
    with pytest.raises(InputError) as caught:  # no cure that does not cure
        network.forward(np.zeros((2, 8, 7)))
    assert "None" not in str(caught.value)


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ([Conv(2, 3), MaxPool(2), Dense(3)], r"layer dense1, input \(2, 2, 2\): .*put a Flatten"),
        ([Conv(2, 3), Flatten(), Conv(2, 2)], r"layer conv2, input \(32,\): samples"),
        ([Conv(2, 3), Conv(2, 5)], r"layer conv2, input \(4, 4, 2\): the kernel spans 5 cells"),
        ([Flatten(), MaxPool(2)], r"layer maxpool1, input \(36,\): samples have"),
        ([ReLU(), ReLU(), Conv(2, 0)], r"layer conv1, input \(6, 6, 1\): kernel is 0"),
        ([Conv(2, 2), Conv(2, 2, init="x")], "layer conv2, .*init is 'x'"),
    ],
)
def test_neighbours_that_do_not_fit(sequence, message):
    with pytest.raises(InputError, match=message):
        Network(sequence, CrossEntropy(), input_shape=(6, 6, 1), rng=np.random.default_rng(0))


def test_what_would_give_wrong_numbers_is_refused():
    rng = np.random.default_rng(0)
    twice = ReLU()
    with pytest.raises(InputError, match="a layer occurs twice"):
        Network([Dense(4), twice, Dense(4), twice], HalfSquaredError(), input_shape=(2,), rng=rng)
    for dtype in (int, np.float16):
        with pytest.raises(InputError, match="dtype is"):
            Network([Dense(4)], HalfSquaredError(), input_shape=(2,), rng=rng, dtype=dtype)
    with pytest.raises(InputError, match="input_shape is"):
        Network([Dense(4)], HalfSquaredError(), input_shape=(0,), rng=rng)
    for init in (float("nan"), -1, None, "zeros"):
        with pytest.raises(InputError, match="init is"):
            Network([Dense(4, init=init)], HalfSquaredError(), input_shape=(2,), rng=rng)


def test_one_image_without_its_batch_axis_is_told_how_to_get_one():
    rng = np.random.default_rng(0)
    network = Network([Conv(2, 2)], HalfSquaredError(), input_shape=(4, 4, 1), rng=rng)
    with pytest.raises(InputError, match=r"add the batch axis, x\[None\]"):
        network.forward(np.ones((4, 4, 1)))


# Files


def every_layer(dtype=np.float32):
    """Each kind of layer, with arguments that are no default."""
    sequence = [
        Conv(np.int64(3), (2, 3), stride=(1, 2), center=np.array([0, 1]), flip=True, init=0.3),
        ReLU(),
        AvgPool(2, stride=1, padding=((0, 1), (1, 1)), count_padding=True),
        Conv(2, 3, dilation=2, padding="same", method="gemm", bias=False, init="glorot"),
        Tanh(),
        MaxPool((2, 1), stride=1, padding=(1, 0)),
        Conv(2, [2, 2], padding=[[1, 0], [0, 1]]),
        Sigmoid(),
        ConvTranspose(4, 2, stride=[2, 1], output_padding=np.array([1, 0])),
        Conv(2, 3, padding=1, border="reflect", groups=2),
        Residual([BatchNorm(rate=0.3, epsilon=0.01, unbiased=False)], shortcut=[Conv(2, 1)]),
        LeakyReLU(0.2),
        Dropout(0.25, np.random.default_rng(0)),
        Residual([Residual([Tanh()]), MaxPool(3, stride=1, padding=1)]),
        GlobalAveragePool(),
        Flatten(),
        Dense(5, bias=False, init=np.float32(0.1)),
        Softmax(),
    ]
    rng = np.random.default_rng(0)
    return Network(sequence, CrossEntropy(), input_shape=(7, 8, 2), rng=rng, dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_saved_network_comes_back_bit_for_bit(dtype, tmp_path):
    network, x = every_layer(dtype), np.random.default_rng(1).normal(size=(4, 7, 8, 2))
    for p in network.params.values():
        p += np.random.default_rng(2).normal(size=p.shape).astype(dtype)
    network.save(tmp_path / "a.npz")
    again = Network.load(tmp_path / "a.npz")
    assert again.architecture() == network.architecture()
    assert again.summary() == network.summary() and again.dtype == dtype
    t = np.array([0, 4, 1, 2])
    (loss, grads), (loss_again, grads_again) = network.gradients(x, t), again.gradients(x, t)
    assert loss == loss_again and grads.keys() == grads_again.keys()
    assert all(np.array_equal(grads[name], g) for name, g in grads_again.items())
    again.save(tmp_path / "b.npz")
    assert all(
        np.array_equal(p, network.params[name])
        for name, p in Network.load(tmp_path / "b.npz").params.items()
    )


@pytest.mark.parametrize(
    "loss", [HalfSquaredError, BinaryCrossEntropy, SigmoidBinaryCrossEntropy, SoftmaxCrossEntropy]
)
def test_every_loss_comes_back(loss, tmp_path):
    rng = np.random.default_rng(0)
    Network([Dense(2)], loss(), input_shape=(3,), rng=rng).save(tmp_path / "a.npz")
    assert type(Network.load(tmp_path / "a.npz").loss) is loss


class Times(ReLU):
    """A layer of the reader's own, with an argument."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * super().forward(x)


class Other(HalfSquaredError):
    pass


def own(*parts, loss=None):
    rng = np.random.default_rng(0)
    return Network([Dense(2), *parts], loss or Other(), input_shape=(3,), rng=rng)


def test_classes_of_ones_own_come_back_where_they_are_named(tmp_path):
    network, x = own(Times(3)), np.random.default_rng(1).normal(size=(4, 3))
    network.save(tmp_path / "a.npz")
    again = Network.load(tmp_path / "a.npz", classes=[Times, Other])
    assert np.array_equal(again.forward(x), network.forward(x)) and network.forward(x).any()
    assert type(again.loss) is Other and again.layers["times1"].factor == 3
    assert again.architecture() == network.architecture() != own(Times(2)).architecture()
    for known, missing in (([Times], "Other"), ([Other], "Times"), ([], "Times")):
        with pytest.raises(InputError, match=rf"class {missing}, .*: classes=\[{missing}\]"):
            Network.load(tmp_path / "a.npz", classes=known)


def test_a_file_may_name_the_layers_and_losses_of_the_library_and_nothing_else():
    public = {name: getattr(learning, name) for name in learning.__all__}
    made = {n: k for n, k in public.items() if isinstance(k, type) and issubclass(k, Layer | Loss)}
    assert {"Layer", "Loss"} < made.keys()
    asked_for = {n: getattr(learning, n) for n in LATER if n in made}
    assert made == {**LIBRARY, **asked_for, "Layer": Layer, "Loss": Loss}
    assert LATER.keys() < set(learning.__all__) and not asked_for.keys() & LIBRARY.keys()


def test_what_a_file_could_not_bring_back_is_refused_when_it_is_written(tmp_path):
    class Silent(ReLU):
        def __init__(self, factor):
            super().__init__()

    class Flatten(ReLU):
        pass

    for network, message in (
        (own(Silent(2)), "silent1 cannot be written .* self.factor = factor, or define config"),
        (own(Times(object())), "times1 cannot be written .*is a object; a file holds numbers"),
        (own(Flatten()), "flatten1 cannot .*two classes Flatten, .* or cnnlib's.*: rename yours"),
    ):
        with pytest.raises(InputError, match=message):
            network.save(tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_class_that_has_changed_since_is_refused(tmp_path):
    class Shift(ReLU):
        size = 2

        def build(self, shape, rng, dtype):
            self.buffers["mean"] = np.zeros(self.size, dtype)
            return super().build(shape, rng, dtype)

    own(Shift()).save(tmp_path / "a.npz")
    Shift.size = 1  # which the two numbers would fill one after the other
    with pytest.raises(DataError, match=r"buffers of the types .*\(2,\).*\(1,\).*has changed"):
        Network.load(tmp_path / "a.npz", classes=[Shift, Other])


# The walk


def test_a_trace_is_what_the_layers_give_and_owe():
    """Each delta against central differences through the layers behind, called one by one."""
    network = small()
    x, t = np.random.default_rng(0).normal(size=(2, 5, 6, 2)), np.array([0, 3])
    seen, names = network.trace(x, t), ["x", *network.layers]
    assert list(seen.outputs) == list(seen.deltas) == names
    assert np.array_equal(seen.outputs["x"], x)
    loss, grads = network.gradients(x, t)
    assert seen.loss == loss
    assert all(np.array_equal(seen.grads[name], g) for name, g in grads.items())
    for n, name in enumerate(names):

        def behind(y, n=n):
            for layer in names[n + 1 :]:
                y = network.layers[layer].forward(y)
            return network.loss.value(y, t)

        assert behind(seen.outputs[name]) == loss
        numerical = numerical_gradient(behind, seen.outputs[name])
        np.testing.assert_allclose(seen.deltas[name], numerical, rtol=0, atol=1e-8, err_msg=name)
    assert {name: y.shape for name, y in seen.outputs.items()} == {
        "x": (2, 5, 6, 2), **{name: (2, *shape) for name, shape in network.shapes.items()}
    }  # fmt: skip


def test_a_trace_without_targets_has_no_deltas():
    seen = small().trace(np.ones((1, 5, 6, 2)))
    assert (seen.deltas, seen.grads) == ({}, {}) and np.isnan(seen.loss)
    assert seen.outputs["dense1"].shape == (1, 4)


def test_building_runs_no_data_through_the_librarys_layers(monkeypatch):
    def never(*arguments, **keywords):
        raise AssertionError("a forward pass was run")

    for kind in (Conv, ReLU, AvgPool, Tanh, MaxPool, Sigmoid, Flatten, Dense, Softmax):
        monkeypatch.setattr(kind, "forward", never)
    assert every_layer().output_shape == (5,)


def test_repr_is_the_call_that_makes_it():
    network = small()
    names = {kind.__name__: kind for kind in (Conv, ReLU, AvgPool, Flatten, Dense, Network)}
    names |= {"SoftmaxCrossEntropy": SoftmaxCrossEntropy, "np": np}
    again = eval(repr(network), names | {"rng": np.random.default_rng(0)})
    assert again.architecture() == network.architecture()
    assert all(np.array_equal(p, again.params[name]) for name, p in network.params.items())
    assert repr(network).splitlines()[4] == "    Conv(2, 2, padding=1, bias=False),"
    assert repr(network).endswith("input_shape=(5, 6, 2), rng=rng, dtype=np.float64)")
    assert repr(small(np.float32)).endswith("input_shape=(5, 6, 2), rng=rng)")


def test_an_architecture_makes_a_network_with_first_weights():
    made = every_layer().architecture()
    network = Network.from_architecture(made, rng=np.random.default_rng(0))
    assert network.architecture() == made
    expected = every_layer().params
    assert all(np.array_equal(p, expected[name]) for name, p in network.params.items())


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        Network.load(tmp_path / "a.npz")
    every_layer().save(tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.npz cannot be read: it is truncated"):
        Network.load(tmp_path / "a.npz")


# What would be lost, or be another network


class Counts(Layer):
    """A layer with an array of each kind."""

    def build(self, shape, rng, dtype):
        self.params["w"], self.buffers["n"] = np.ones(shape, dtype), np.zeros(1, dtype)
        return super().build(shape, rng, dtype)

    def forward(self, x):
        return x

    def gradients(self, dz):
        self.grads["w"] = dz.sum(0)

    def delta(self, dz):
        return dz


class Doubles(ReLU):
    """Keeps another argument than it is given."""

    def __init__(self, factor):
        super().__init__()
        self.factor = 2 * factor


class Mute:
    def __repr__(self):
        raise RuntimeError("no words")


def change(network, how):
    dense, conv = network.layers["dense1"], network.layers["conv1"]
    exec(how, {"n": network, "dense": dense, "conv": conv, "np": np, "Mute": Mute})


@pytest.mark.parametrize(
    "how",
    [
        "dense.params['w'] = np.zeros((6, 9), 'f4')",
        "dense.params['w'] = dense.params['w'].astype(float)",
        "dense.params['w'] = dense.params['w'].tolist()",
        "dense.params['w'] = None",
        "dense.params['w'] = np.array([None])",
        "del dense.params['b']",
        "dense.params['c'] = np.zeros(3, 'f4')",
        "dense.params['a\\0b'] = np.zeros(3, 'f4')",
        "dense.buffers['m'] = np.zeros(3)",
        "dense.params = dict(dense.params)",
        "dense.outputs = 7",
        "dense.bias = False",
        "conv.method = 'x'",
        "conv.stride = 2",
        "conv.padding = {1: 2}",
        "conv.stride = Mute()",
        "n.layers['extra'] = type(n.layers['times1'])(2)",
        "del n.layers['times1']",
        "n.layers['times1'].factor = {1: 3}",
        "n.layers['times1'].factor = {1, 2}",
    ],
)
def test_what_would_not_come_back_does_not_replace_the_old_file(how, tmp_path):
    rng, layers = np.random.default_rng(0), [Conv(2, 3), Times(2), Flatten(), Dense(3)]
    network = Network(layers, HalfSquaredError(), input_shape=(5, 5, 1), rng=rng)
    path = tmp_path / "a.npz"
    network.save(path)
    old = path.read_bytes()
    change(network, how)
    with pytest.raises(InputError) as caught:
        network.save(path)
    assert len(str(caught.value)) <= 1000 and path.read_bytes() == old
    Network.load(path, classes=[Times])


def test_arguments_that_do_not_come_back_as_they_were_are_refused(tmp_path):
    with pytest.raises(InputError, match="not bring this network back: an argument has changed"):
        own(Doubles(2), loss=HalfSquaredError()).save(tmp_path / "a.npz")


def test_a_list_that_its_caller_changes_does_not_change_the_layer(tmp_path):
    kernel, pad = [3, 3], np.array([1, 0])
    conv, rng = Conv(1, kernel, padding=pad), np.random.default_rng(0)
    network = Network([conv], HalfSquaredError(), input_shape=(5, 5, 1), rng=rng)
    kernel[0], pad[0] = 5, 3
    network.save(tmp_path / "a.npz")
    assert Network.load(tmp_path / "a.npz").architecture() == network.architecture()
    assert (conv.kernel, conv.padding) == ((3, 3), (1, 0))


@pytest.mark.parametrize(
    ("layer", "name", "value", "same"),
    [
        (Conv(2, 3), "flip", True, False),
        (Conv(2, 3, padding=1), "padding", (1, 1), True),
        (Conv(2, 3, padding=((0, 2), (1, 1))), "padding", ((2, 0), (1, 1)), False),
        (MaxPool(2, padding=((0, 1), (0, 1))), "padding", ((1, 0), (1, 0)), False),
        (AvgPool(2), "flip", True, True),
    ],
)
def test_an_argument_that_is_assigned_counts_at_once_and_in_the_file(
    layer, name, value, same, tmp_path
):
    rng, x = np.random.default_rng(0), np.random.default_rng(1).normal(size=(2, 5, 5, 1))
    how = dict(input_shape=(5, 5, 1), rng=rng, dtype=np.float64)
    network = Network([layer], HalfSquaredError(), **how)
    before = network.forward(x)
    setattr(layer, name, value)
    network.save(tmp_path / "a.npz")
    after = network.forward(x)
    assert np.array_equal(Network.load(tmp_path / "a.npz").forward(x), after)
    assert np.array_equal(before, after) == same


def test_a_stride_that_no_longer_fits_what_was_built_is_refused():
    network = small()
    network.layers["conv1"].stride = 3
    with pytest.raises(
        InputError, match=r"forward of layer conv1 returned the shape \(1, .*expected"
    ):
        network.forward(np.ones((1, 5, 6, 2)))


def test_a_method_that_was_assigned_to_a_layer_is_not_lost_in_a_file(tmp_path):
    network = small()
    network.layers["dense1"].forward = lambda x: x
    with pytest.raises(InputError, match="layer dense1 has a forward that was assigned to it"):
        network.save(tmp_path / "a.npz")


def test_an_argument_that_would_come_back_as_a_layer_is_refused(tmp_path):
    """A file's words for a layer inside another one."""
    rng, named = np.random.default_rng(0), {"layer": "ReLU", "arguments": {}}
    network = Network([Times(2)], HalfSquaredError(), input_shape=(3,), rng=rng)
    for factor in (named, [named]):
        network.layers["times1"].factor = factor
        with pytest.raises(InputError, match="would come back as a layer"):
            network.save(tmp_path / "a.npz")


def test_two_classes_of_one_name_are_told_apart(tmp_path):
    relu, tanh = (type("Mine", (kind,), {}) for kind in (ReLU, Tanh))
    dense = type("Dense", (Dense,), {})
    with pytest.raises(
        InputError, match="mine2 cannot be written .*two classes Mine.*rename yours"
    ):
        own(relu(), tanh()).save(tmp_path / "a.npz")
    own(relu()).save(tmp_path / "a.npz")
    for classes in ([relu, tanh, Other], [relu, Other, dense]):
        with pytest.raises(InputError, match="two classes (Mine|Dense).*rename yours"):
            Network.load(tmp_path / "a.npz", classes=classes)
    assert Network.load(tmp_path / "a.npz", classes=[relu, relu, Other]).layers.keys() == {
        "dense1", "mine1"
    }  # fmt: skip


@pytest.mark.parametrize("classes", [None, Dense, {Dense}, iter([]), [Dense(3)], "Dense"])
def test_wrong_classes_are_not_the_files_fault(classes, tmp_path):
    own(loss=HalfSquaredError()).save(tmp_path / "a.npz")
    with pytest.raises(InputError, match="^(an entry of )?classes is .*; expected a "):
        Network.load(tmp_path / "a.npz", classes=classes)


PART = ["Dense", {"outputs": 2}]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"parts": 5}, "parts is 5; expected a Sequence"),
        ({"parts": []}, "None is no Loss"),
        *(
            ({"parts": [part, ["HalfSquaredError", {}]]}, "an entry of parts is .*; expected a cl")
            for part in ("Dense", ["Dense"], [5, {}], [["Dense"], {}], ["ReLU", [1]], [*PART, 3],
                         ["Dense", None])
        ),
        *(
            ({"parts": [["Dense", config], ["HalfSquaredError", {}]]}, "Dense cannot be made with")
            for config in ({"bogus": 1}, {}, {1: 2})
        ),
        ({"dtype": None}, "dtype is None; expected np.float32"),
        ({"dtype": "banana"}, "dtype is 'banana'"),
        ({"dtype": 3}, "dtype is 3"),
    ],
    ids=lambda value: f"{value!s:.50}",
)  # fmt: skip
def test_what_is_no_architecture_is_refused(changed, words):
    made = {"parts": [PART, ["HalfSquaredError", {}]], "input_shape": [3], "dtype": "float64"}
    with pytest.raises(InputError, match=words):
        Network.from_architecture(made | changed, rng=np.random.default_rng(0))


def test_no_layer_is_lost_by_its_name():
    layers = [Tanh() for _ in range(11)] + [type("Tanh1", (Tanh,), {})(), Tanh()]
    rng = np.random.default_rng(0)
    network = Network(layers, HalfSquaredError(), input_shape=(2,), rng=rng)
    assert list(network.layers.values()) == layers
    assert list(network.layers)[-3:] == ["tanh11", "tanh12", "tanh13"]


def test_a_layer_is_in_one_network():
    first = small()
    w, x = first.params["conv1.w"].copy(), np.ones((1, 5, 6, 2))
    y = first.forward(x)
    how = dict(input_shape=(5, 6, 2), rng=np.random.default_rng(5), dtype=np.float64)
    with pytest.raises(InputError, match="layer conv3"):
        Network([*first.layers.values(), Conv(1, 3)], SoftmaxCrossEntropy(), **how)
    assert np.array_equal(first.params["conv1.w"], w) and np.array_equal(first.forward(x), y)
    second = Network(list(first.layers.values())[:3], HalfSquaredError(), **how)
    with pytest.raises(InputError, match="layer conv1 is in another network by now.*of its own"):
        first.forward(x)
    second.forward(x)


def test_what_is_assigned_to_parameters_is_written_into_them():
    network = small()
    w = network.params["dense1.w"]
    network.params["dense1.w"] = np.full(w.shape, 3)
    network.params["dense1.w"] += 1
    network.params.update({"dense1.b": [1, 2, 3, 4]})
    assert network.layers["dense1"].params["w"] is w and (w == 4).all()
    assert network.layers["dense1"].params["b"].tolist() == [1, 2, 3, 4]
    for wrong, words in (
        (lambda p: p.update(a=w), "there is no array 'a', only"),
        (lambda p: p.update({"dense1.b": w}), "dense1.b has shape"),
        (lambda p: p.update({"dense1.b": ["x"] * 4}), "dense1.b has dtype"),
        (lambda p: p.pop("dense1.b"), "'dense1.b' stays"),
    ):
        with pytest.raises(InputError, match=words):
            wrong(network.params)


# One pass at a time


def test_deltas_belong_to_the_last_forward_pass():
    network, rng = small(), np.random.default_rng(0)
    x, other = rng.normal(size=(2, 2, 5, 6, 2))
    t = np.array([0, 3])
    expected = network.gradients(x, t)[1]
    y = network.forward(x)
    network.forward(other)
    with pytest.raises(
        InputError, match="has not gone forwards to this y, or to another one since"
    ):
        network.backward(y, t)
    found = network.backward(network.forward(x).copy(), t)[1]
    assert all(np.array_equal(found[name], g) for name, g in expected.items())


def test_numbers_that_are_not_finite_go_through_without_a_warning():
    network = small()
    for value in (np.inf, -np.inf, np.nan, 1e308):
        x = np.full((1, 5, 6, 2), value)
        with np.errstate(all="raise"):
            assert network.forward(x).shape == (1, 4)
            network.gradients(x, np.array([0]))


def test_a_parameter_that_is_read_only_is_named():
    network = small()
    network.params["dense1.w"].setflags(write=False)
    with pytest.raises(InputError, match="dense1.w"):
        network.params["dense1.w"] = np.zeros(network.params["dense1.w"].shape)


def test_a_copy_has_the_same_layers_so_its_pass_is_the_networks():
    network, rng = small(), np.random.default_rng(0)
    x, other = rng.normal(size=(2, 2, 5, 6, 2))
    twin = copy.copy(network)
    y = network.forward(x)
    twin.forward(other)
    with pytest.raises(InputError, match="has not gone forwards to this y"):
        network.backward(y, np.array([0, 3]))


class Tried(ReLU):
    """A layer of one's own whose output_shape is tried on zeros."""

    output_shape = Layer.output_shape


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda layers, x: layers["dense1"].forward(2 * x),
        lambda layers, x: layers["tried1"].forward(2 * x),
        lambda layers, x: layers["tried1"].output_shape((3,)),
        lambda layers, x: layers["residual1"].forward(2 * x),
        lambda layers, x: layers["residual1"].inner["dense1"].forward(2 * x),
        lambda layers, x: layers["dropout1"].forward(x),
        lambda layers, x: layers["batchnorm1"].forward(x),
    ],
)
def test_a_layer_that_is_called_by_itself_in_between_is_named(meanwhile):
    rng = np.random.default_rng(0)
    layers = [Dense(3), Tried(), Residual([Dense(3), ReLU()]), BatchNorm(), Dropout(0.5, rng)]
    network = Network(layers, HalfSquaredError(), input_shape=(3,), rng=rng, dtype=float)
    x, t = rng.normal(size=(2, 5, 3))
    y = network.forward(x, training=True)
    _, first = network.backward(y, t)
    first = {name: g.copy() for name, g in first.items()}
    again = network.backward(y, t)[1]  # twice after one pass is right
    assert all(np.array_equal(g, again[name]) for name, g in first.items())
    meanwhile(network.layers, x)
    with pytest.raises(InputError, match="^layer .*1 has gone forwards by itself, or was changed"):
        network.backward(y, t)
    network.backward(network.forward(x), t)


@pytest.mark.parametrize("name", ["layers", "shapes", "chain", "dtype", "input_shape"])
def test_what_a_network_was_built_for_stays(name):
    with pytest.raises(InputError, match=f"^{name} of a network stays as it was built"):
        setattr(small(), name, None)


def test_a_pass_of_another_thread_in_between_is_noticed():
    """As if another thread went forwards while this one goes forwards, or back."""
    network = small()
    x, t = np.random.default_rng(0).normal(size=(1, 5, 6, 2)), np.array([0])
    dense = network.layers["dense1"]
    for act, words in (("forward", "not gone forwards to this y"), ("gradients", "another thread")):

        def meanwhile(*arguments, act=act):
            delattr(dense, act)
            network.forward(2 * x)
            return getattr(dense, act)(*arguments)

        setattr(dense, act, meanwhile)
        with pytest.raises(InputError, match=words):
            network.backward(network.forward(x), t)


# Parts that lie


def lying(**defined):
    return type("Lies", (Counts,), defined)()


def fit_once(network):
    x, t = np.ones((2, 3), "f4"), np.ones((2, 2), "f4")
    how = dict(epochs=2, rng=np.random.default_rng(0), progress=False)
    return learning.fit(network, x, t, optimizer=learning.SGD(0.1), **how)


def built(what, value):
    def build(self, shape, rng, dtype):
        getattr(self, what)["w"] = value
        return shape

    return build


def adds(what):
    def forward(self, x):
        getattr(self, what)["new"] = x[0]
        return x

    return forward


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (lying(forward=lambda self, x: None), "what forward returns is None; expected a ndarray"),
        (lying(build=lambda *_: (None,)), r"build of layer lies1 returned \(None,\), no shape"),
        (lying(build=lambda *_: (0,)), r"build of layer lies1 returned \(0,\), no shape"),
        (lying(build=lambda *_: (7,) * 10**5), "build of layer lies1 returned|at most 32 axes"),
        (lying(build=built("params", 3.0)), r"made params\['w'\] 3.0; expected an array"),
        (lying(build=built("buffers", [1])), r"made buffers\['w'\] \[1\]; expected an array"),
        (lying(build=built("buffers", np.array([None]))), "made buffers.*expected an array"),
        (lying(forward=adds("params")), r"the gradients \['lies1.new'\]"),
        (lying(forward=adds("buffers")), r"buffers\['new'\] was float64"),
        (
            lying(gradients=Layer.gradients),
            r"no layer has found the gradients \['lies1.w'\]: let gradients\(dz\) fill",
        ),
        (lying(inner=None), "inner of layer lies1 is None; expected a Mapping"),
        (lying(inner={"a": 3}), "an entry of inner of layer lies1 is 3; expected a Layer"),
        (lying(forward=None), "forward of layer lies1 is None; expected a function"),
        (lying(delta=lambda self, dz: None), "delta of layer lies1 returned NoneType"),
        (lying(delta=lambda self, dz: dz[:1]), "delta of layer lies1 returned the shape"),
    ],
)
def test_a_layer_that_lies_is_named(layer, words):
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=words) as caught:
        layers = [Dense(2), layer, Dense(2)]
        fit_once(Network(layers, HalfSquaredError(), input_shape=(3,), rng=rng))
    assert len(str(caught.value)) <= 1000


class Wordless(float):
    def __float__(self):
        return {}["number"]


@pytest.mark.parametrize(
    ("defined", "words"),
    [
        ({"value": lambda self, y, t: None}, "value of Lies returned None; expected a number"),
        ({"value": lambda self, y, t: np.ones(2)}, r"value of Lies returned array\(\[1., 1.\]\)"),
        ({"value": lambda *_: Wordless()}, "is no number .KeyError"),
        ({"delta": lambda self, y, t: None}, "delta of the loss returned NoneType"),
        ({"delta": lambda self, y, t: np.ones(5, "f4")}, "delta of the loss returned the shape"),
    ],
)
def test_a_loss_that_lies_is_named(defined, words):
    loss = type("Lies", (HalfSquaredError,), defined)()
    with pytest.raises(InputError, match=words):
        fit_once(own(loss=loss))


# ---- What a network would compute twice, lose, or take from its caller


@pytest.mark.parametrize(
    ("layer", "loss", "cure"),
    [
        (Softmax(), SoftmaxCrossEntropy(), "take CrossEntropy()"),
        (Sigmoid(), SigmoidBinaryCrossEntropy(), "take BinaryCrossEntropy()"),
    ],
)
def test_an_activation_that_the_loss_has_inside_is_refused_before_it(layer, loss, cure):
    why = f"{type(loss).__name__} has one inside, so it would be applied twice"
    with pytest.raises(InputError, match=re.escape(why)) as caught:
        Network([Dense(2), layer], loss, input_shape=(3,), rng=np.random.default_rng(0))
    assert cure in str(caught.value)


def test_an_unknown_array_is_an_error_that_lists_the_known_ones():
    network = two_layers()
    with pytest.raises(InputError, match="there is no array 'w', only .'dense1.w'"):
        network.params["w"]
    assert "w" not in network.params and network.params.get("w") is None
    with pytest.raises(KeyError):
        network.params[["a list"]]


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, 1e300])
def test_what_is_not_finite_is_not_assigned(bad):
    network = two_layers()
    before = network.params["dense1.w"].copy()
    with pytest.raises(InputError, match="dense1.w gets numbers that are not finite"):
        network.params["dense1.w"] = np.full(before.shape, bad)
    np.testing.assert_array_equal(network.params["dense1.w"], before)


def two_layers():
    layers = [Dense(2), Dense(2)]
    return Network(layers, HalfSquaredError(), input_shape=(3,), rng=np.random.default_rng(0))


class InPlace(Layer):
    def forward(self, x):
        x *= 2
        return x

    def delta(self, dz):
        return 2 * dz


def test_a_layer_that_writes_into_the_callers_batch_is_refused():
    network = Network(
        [InPlace(), Dense(2)], HalfSquaredError(), input_shape=(3,), rng=np.random.default_rng(0)
    )
    x, t = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
    with pytest.raises(InputError, match="inplace1 writes into the batch, which is the caller's"):
        learning.evaluate(network, x, t)
    assert (x == 1).all() and x.flags.writeable


def test_numbers_too_small_for_their_type_are_zeros_whatever_numpy_is_told():
    layers = [Conv(2, 3), ReLU(), Flatten(), Dense(2)]
    network = Network(
        layers, SoftmaxCrossEntropy(), input_shape=(6, 6, 1), rng=np.random.default_rng(0)
    )
    for p in network.params.values():
        p *= np.float32(1e-25)
    x = np.full((2, 6, 6, 1), 1e-25, np.float32)
    with np.errstate(all="raise"):
        loss, _ = network.gradients(x, np.array([0, 1]))
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)
