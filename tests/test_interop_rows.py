"""Batch norm, dropout, sums of two ways and their like in PyTorch and Keras, trained too."""

import numpy as np
import pytest
from grid import says
from test_interop import Keras, Torch, agree, backwards, close, connect, framework, quiet

from cnnlib.errors import InputError
from cnnlib.interop import from_keras, from_torch, to_keras, to_torch
from cnnlib.learning import (
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    HalfSquaredError,
    LeakyReLU,
    MaxPool,
    Momentum,
    Network,
    ReLU,
    Residual,
    SoftmaxCrossEntropy,
    Tanh,
)

__all__ = ["framework"]  # the fixture


def network_of(*layers, shape, dtype=np.float64, seed=0):
    """A network with random numbers in all its arrays, and a norm as the framework has it."""
    rng = np.random.default_rng(seed)
    network = Network(layers, SoftmaxCrossEntropy(), input_shape=shape, rng=rng, dtype=dtype)
    for p in network.params.values():
        p[...] = rng.normal(size=p.shape)
    for name, a in network.buffers.items():
        a[...] = (
            rng.uniform(0.5, 2, a.shape) if name.endswith("variance") else rng.normal(size=a.shape)
        )
    return network


def cases(unbiased):
    def norm():
        return BatchNorm(rate=0.3, epsilon=0.01, unbiased=unbiased)

    return {
        "norm of rows": ([norm()], (5,)),
        "norm of signals": ([norm()], (6, 3)),
        "norm of images": ([norm()], (3, 4, 2)),
        "norm of volumes": ([norm()], (2, 3, 2, 2)),
        "norm behind Flatten": ([Flatten(), norm(), Tanh(), Dense(3)], (3, 4, 2)),
        "leaky": ([Conv(2, 1), LeakyReLU(0.25)], (3, 4, 2)),
        "dropout": ([Conv(2, 1), Dropout(0.4)], (3, 4, 2)),
        "mean of signals": ([Conv(3, 1), GlobalAveragePool()], (6, 3)),
        "mean of volumes, then norm": ([GlobalAveragePool(), norm(), Dense(2)], (2, 3, 2, 2)),
        "sum with x itself": ([Residual([Conv(2, 3, padding="same"), ReLU()])], (4, 3, 2)),
        "sum of two ways": (
            [Residual([norm(), Conv(4, 3, stride=2, padding=1)], shortcut=[Conv(4, 1, stride=2)])],
            (5, 6, 2)),
        "sum in a sum, behind Flatten": (
            [Flatten(), Residual([Residual([norm()]), Tanh()]), Dense(2)], (3, 2, 2)),
        "sum of flattened": (
            [Residual([Conv(2, 1), Flatten()], shortcut=[Flatten(), Tanh()]), Dense(2)], (3, 2, 2)),
        "a Dense inside": (
            [Flatten(), Residual([Dense(5)], shortcut=[Dense(5)]), norm()], (3, 2, 2)),
    }  # fmt: skip


@pytest.mark.parametrize("case", cases(True))
def test_there_and_back(framework, case):
    dtype = np.float32 if case.endswith("Flatten") else np.float64
    layers, shape = cases(isinstance(framework, Torch))[case]
    network = network_of(*layers, shape=shape, dtype=dtype)
    once = framework.back(framework.to(network), shape)
    assert [*once.layers] == [*network.layers]
    there, back = ({**n.params, **n.buffers} for n in (network, once))
    assert there.keys() == back.keys()
    for name, a in there.items():
        assert a.tobytes() == back[name].tobytes() and not np.shares_memory(a, back[name])
    x = np.random.default_rng(1).normal(size=(3, *shape)).astype(dtype)
    close(once.forward(x), network.forward(x), 1e-6 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize(
    "case", [name for name in cases(True) if "sum" not in name and "in" not in name]
)
def test_outputs_and_gradients_in_evaluation(framework, case):
    layers, shape = cases(isinstance(framework, Torch))[case]
    network = network_of(*layers, shape=shape)
    agree(framework, network, np.random.default_rng(1).normal(size=(3, *shape)))


# ---- A small network with norms and sums, trained beside both.


def resnet(unbiased, seed=0):
    def norm():
        return BatchNorm(rate=0.25, epsilon=1e-3, unbiased=unbiased)

    def block(filters, stride=1):
        main = [Conv(filters, 3, stride=stride, padding=1, bias=False), norm(), LeakyReLU(0.125)]
        main += [Conv(filters, 3, padding=1, bias=False), norm()]
        beside = [Conv(filters, 1, stride=stride), norm()] if stride > 1 else []
        return [Residual(main, shortcut=beside), ReLU()]

    layers = [Conv(4, 3, padding=1), norm(), ReLU(), *block(4), *block(6, 2), *block(6)]
    layers += [GlobalAveragePool(), Dense(3)]
    rng = np.random.default_rng(seed)
    how = dict(input_shape=(7, 8, 2), rng=rng, dtype=np.float64)
    return Network(layers, SoftmaxCrossEntropy(), **how)


def batches():
    r = np.random.default_rng(1)
    for _ in range(50):
        t = r.integers(0, 3, 8)
        yield r.normal(size=(8, 7, 8, 2)) + t[:, None, None, None], t


RATE = 1 / 64  # Keras keeps it and the momentum in float32


def ours(network):
    optimizer, losses = Momentum(RATE, 0.875), []
    for x, t in batches():
        loss, grads = network.gradients(x, t, training=True)
        optimizer.step(network.params, grads)
        losses.append(loss)
    return losses


def compare(network, again, losses, theirs, outputs):
    """All that 50 steps have changed, and the outputs outside a training."""
    assert network.buffers and np.median(losses[-10:]) < np.mean(losses[:5]) / 2
    np.testing.assert_allclose(losses, theirs, rtol=0, atol=1e-12)
    for mine, other in ((network.params, again.params), (network.buffers, again.buffers)):
        assert mine.keys() == other.keys()
        for name, a in mine.items():
            assert abs(a - other[name]).max() <= 1e-12 * max(1, abs(a).max()), name
    np.testing.assert_allclose(network.forward(next(batches())[0]), outputs, rtol=0, atol=1e-12)


def test_fifty_steps_with_pytorch(torch):
    network = resnet(unbiased=True)
    module = to_torch(network)
    assert not module.training
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), lr=RATE, momentum=0.875)
    theirs = []
    for x, t in batches():
        optimizer.zero_grad()
        y = module(torch.from_numpy(np.moveaxis(x, -1, 1).copy()))
        loss = torch.nn.functional.cross_entropy(y, torch.from_numpy(t))
        loss.backward()
        optimizer.step()
        theirs.append(loss.item())
    with torch.no_grad():
        x = torch.from_numpy(np.moveaxis(next(batches())[0], -1, 1).copy())
        outputs = module.eval()(x).numpy()
    again = from_torch(module, SoftmaxCrossEntropy(), input_shape=network.input_shape)
    compare(network, again, ours(network), theirs, outputs)


def test_fifty_steps_with_keras(tensorflow):
    keras = connect("tensorflow").keras
    network = resnet(unbiased=False)
    model = to_keras(network)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")
    optimizer = keras.optimizers.SGD(RATE, momentum=0.875)
    theirs = []
    for x, t in batches():
        with quiet(), tensorflow.GradientTape() as tape:
            value = loss(t, model(x, training=True))
        weights = model.trainable_weights
        optimizer.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))
        theirs.append(float(value))
    outputs = model(next(batches())[0]).numpy()
    again = from_keras(model, SoftmaxCrossEntropy())
    compare(network, again, ours(network), theirs, outputs)


# ---- What each of them cannot say.


def test_a_running_variance_of_the_other_kind_is_refused(torch, tensorflow):
    for unbiased, to in ((True, to_keras), (False, to_torch)):
        network = network_of(Residual([BatchNorm(unbiased=unbiased)]), shape=(4, 2))
        with pytest.raises(InputError, match=rf"batchnorm1 has unbiased={unbiased}; .*running var"):
            to(network)
        norm = network.layers["residual1"].inner["batchnorm1"]
        norm.unbiased = not unbiased
        to(network)


def test_the_slope_that_tensorflow_keeps_in_float32(tensorflow):
    """It is another number in float64, by 1e-8: refused there, and read as it is."""
    keras = connect("tensorflow").keras
    with pytest.raises(
        InputError, match="leakyrelu1 has the slope 0.3; TensorFlow keeps .* float32"
    ):
        to_keras(network_of(LeakyReLU(0.3), shape=(4,)))
    to_keras(network_of(LeakyReLU(0.3), shape=(4,), dtype=np.float32))
    layers = [keras.Input((4,), dtype="float64"), keras.layers.LeakyReLU(0.3, dtype="float64")]
    model = keras.Sequential(layers)
    network = from_keras(model, HalfSquaredError())
    assert network.layers["leakyrelu1"].slope == float(np.float32(0.3))
    x = np.random.default_rng(0).normal(size=(3, 4))
    close(network.forward(x), model(x).numpy(), 1e-15)
    agree(Keras(), network_of(LeakyReLU(network.layers["leakyrelu1"].slope), shape=(4,)), x)


def test_two_ways_that_flatten_in_two_orders(torch):
    layer = Residual([Flatten()], shortcut=[Flatten(), Dense(12)])
    network = network_of(layer, Dense(2), shape=(3, 2, 2))
    with pytest.raises(InputError, match="layer residual1 adds flattened images to others"):
        to_torch(network)


def test_a_residual_that_computes_something_else_is_refused(torch):
    class Residual(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.main = torch.nn.Sequential(torch.nn.Tanh())
            self.shortcut = torch.nn.Sequential()

        def forward(self, x):
            return self.main(x) - self.shortcut(x)

    with pytest.raises(InputError, match=says("is Residual(...interop has no rule for it")):
        from_torch(Residual(), HalfSquaredError(), input_shape=(4,))


def test_a_max_pool_inside_and_a_gradient_through_both_ways(torch):
    layer = Residual([MaxPool(3, stride=1, padding=1)], shortcut=[Conv(2, 3, padding=1)])
    network = network_of(layer, shape=(5, 4, 2))
    x = np.random.default_rng(1).normal(size=(3, 5, 4, 2))
    given = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
    z = to_torch(network)(given)
    dz = np.random.default_rng(2).normal(size=(3, 5, 4, 2))
    z.backward(torch.tensor(np.moveaxis(dz, -1, 1)))
    close(network.forward(x), np.moveaxis(z.detach().numpy(), 1, -1), 1e-12)
    close(backwards(network, dz)[0], np.moveaxis(given.grad.numpy(), 1, -1), 1e-12)
