"""The check of a network's gradients: right networks pass, layers broken on purpose do not."""

import numpy as np
import pytest

import cnnlib
from cnnlib import numerical_gradient
from cnnlib.errors import InputError
from cnnlib.learning import (
    AvgPool,
    Conv,
    Dense,
    Flatten,
    HalfSquaredError,
    Layer,
    MaxPool,
    Network,
    ReLU,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    check_gradients,
    checking,
)


def network(middle, dtype=np.float64):
    """Two convolutions, the second one `middle`, so that its delta reaches parameters too."""
    rng = np.random.default_rng(0)
    sequence = [Conv(3, 2), Tanh(), middle, Sigmoid(), Flatten(), Dense(4)]
    network = Network(sequence, SoftmaxCrossEntropy(), input_shape=(7, 8, 2), rng=rng, dtype=dtype)
    for p in network.params.values():
        p[...] = rng.normal(size=p.shape)
    return network


def batch():
    return np.random.default_rng(1).normal(size=(3, 7, 8, 2)), np.array([0, 3, 1])


def errors(middle):
    return check_gradients(network(middle), *batch(), rng=np.random.default_rng(2))


class Unrotated(Conv):
    """The delta convolves with the kernel as it is: the half turn is forgotten."""

    def delta(self, dz):
        w = np.flip(self.params["w"], (1, 2))
        return cnnlib.conv_delta(dz, w, self.x.shape, **self.geometry)


class Undilated(Conv):
    """The delta forgets the stride: no zeros between the deltas."""

    def delta(self, dz):
        dense = self.geometry | {"stride": 1}
        whole = np.zeros_like(cnnlib.conv(self.x, self.params["w"], **dense))
        whole[:, : dz.shape[1], : dz.shape[2]] = dz
        return cnnlib.conv_delta(whole, self.params["w"], self.x.shape, **dense)


class WeightsUndilated(Conv):
    """The weight gradient forgets the stride."""

    def gradients(self, dz):
        super().gradients(dz)
        dense = self.geometry | {"stride": 1}
        whole = np.zeros_like(cnnlib.conv(self.x, self.params["w"], **dense))
        whole[:, : dz.shape[1], : dz.shape[2]] = dz
        self.grads["w"] = cnnlib.conv_weight_gradient(self.x, whole, (3, 2), **dense)


class Averaging(Conv):
    """The weight gradient is a mean over the batch, whose 1/N the loss has taken already."""

    def gradients(self, dz):
        super().gradients(dz)
        self.grads["w"] = self.grads["w"] / len(dz)


class AveragingBias(Conv):
    """The bias gradient is a mean over the positions instead of a sum."""

    def gradients(self, dz):
        super().gradients(dz)
        self.grads["b"] = dz.mean(axis=(1, 2)).sum(axis=0)


@pytest.mark.parametrize(
    "middle",
    [
        lambda: Conv(4, (3, 2), stride=2, padding=1),
        lambda: Conv(2, 2, center=(0, 1), flip=True),
        lambda: Conv(2, 2, dilation=(1, 2), padding="same", bias=False),
        lambda: MaxPool(3, stride=2),
        lambda: AvgPool(2, padding=1),
    ],
)
def test_right_networks_pass(middle):
    found = errors(middle())
    assert found.keys() == network(middle()).params.keys()
    assert max(found.values()) < 1e-7


@pytest.mark.parametrize(
    ("broken", "wrong"),
    [
        (Unrotated, {"conv1.w", "conv1.b"}),
        (Undilated, {"conv1.w", "conv1.b"}),
        (WeightsUndilated, {"weightsundilated1.w"}),
        (Averaging, {"averaging1.w"}),
        (AveragingBias, {"averagingbias1.b"}),
    ],
)
def test_broken_layers_fail(broken, wrong):
    found = errors(broken(4, (3, 2), stride=2, padding=1))
    assert {name for name, error in found.items() if error > 1e-3} == wrong
    assert all(found[name] > 1e-2 for name in wrong)
    assert all(error < 1e-7 for name, error in found.items() if name not in wrong)


def test_check_of_gradients_needs_float64():
    with pytest.raises(InputError, match="float32; build it with dtype=np.float64"):
        check_gradients(network(ReLU(), np.float32), *batch(), rng=np.random.default_rng(0))


def test_a_step_that_breaks_the_loss_is_named():
    rng = np.random.default_rng(0)
    one = Network([Dense(1)], HalfSquaredError(), input_shape=(2,), rng=rng, dtype=float)
    before = one.params["dense1.w"].copy()
    with pytest.raises(InputError, match=r"step is 1e\+300; dense1.w moved by it breaks the loss"):
        check_gradients(one, np.ones((1, 2)), np.ones((1, 1)), rng=rng, step=1e300)
    assert np.array_equal(one.params["dense1.w"], before)


def test_check_of_gradients_restores_parameters_bit_for_bit():
    checked = network(Conv(2, 2))
    # Numbers that adding a step and taking it off again does not restore.
    checked.params["conv1.w"] *= 1e-9
    checked.params["dense1.w"] *= 1e7
    before = {name: p.tobytes() for name, p in checked.params.items()}
    check_gradients(checked, *batch(), rng=np.random.default_rng(0))
    assert {name: p.tobytes() for name, p in checked.params.items()} == before


@pytest.mark.parametrize(("entries", "tried"), [(3, 3), (1000, 24)])
def test_check_of_gradients_tries_so_many_entries(entries, tried, monkeypatch):
    sizes = []

    def spy(f, x, step):
        sizes.append(x.size)
        return numerical_gradient(f, x, step)

    monkeypatch.setattr(checking, "numerical_gradient", spy)
    rng = np.random.default_rng(0)
    check_gradients(network(Conv(2, 2)), *batch(), rng=rng, entries=entries)
    assert sizes[:3] == [tried, 3, tried]  # conv1.w and conv2.w have 24 entries, conv1.b has 3


def test_one_wrong_entry_is_found_when_all_are_tried(monkeypatch):
    checked = network(Conv(2, 2))
    right = checked.gradients

    def one_wrong(x, t, **mode):
        loss, grads = right(x, t, **mode)
        grads["conv2.w"][1, 0, 1, 2] *= 1.5
        return loss, grads

    monkeypatch.setattr(checked, "gradients", one_wrong)
    found = check_gradients(checked, *batch(), rng=np.random.default_rng(0), entries=1000)
    assert [name for name, error in found.items() if error > 1e-3] == ["conv2.w"]


def test_check_gradients_of_parameters_in_any_memory_order():
    rng = np.random.default_rng(0)
    network = Network([Dense(3)], HalfSquaredError(), input_shape=(4,), rng=rng, dtype=np.float64)
    layer = network.layers["dense1"]
    layer.params["w"] = np.asfortranarray(layer.params["w"])
    x, t = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    assert max(check_gradients(network, x, t, rng=rng).values()) < 1e-8


@pytest.mark.parametrize("error", [InputError, KeyboardInterrupt, "step"])
def test_what_stops_a_check_leaves_the_parameters_as_they_were(error, monkeypatch):
    rng, t = np.random.default_rng(0), np.array([0, 1])
    layers, x = [Dense(4), Dense(2)], rng.normal(size=(2, 3))
    network = Network(layers, SoftmaxCrossEntropy(), input_shape=(3,), rng=rng, dtype=np.float64)
    if error == "step":
        network.params["dense1.w"][0] = [1, 1e12, 1, 1]  # beside which a step of 1e-5 is lost
    else:
        forward, calls = network.forward, []

        def stop(x, training=False):
            calls.append(1)
            if len(calls) == 5:
                raise error
            return forward(x, training=training)

        monkeypatch.setattr(network, "forward", stop)
    before = {name: p.copy() for name, p in network.params.items()}
    with pytest.raises(InputError if error == "step" else error):
        check_gradients(network, x, t, rng=rng)
    assert all(np.array_equal(before[name], p) for name, p in network.params.items())


def test_frozen_parameters_are_named():
    rng = np.random.default_rng(0)
    how = dict(input_shape=(3,), rng=rng, dtype=np.float64)
    network = Network([Dense(2)], SoftmaxCrossEntropy(), **how)
    network.params["dense1.w"].flags.writeable = False
    with pytest.raises(InputError, match=r"params\['dense1.w'\] is read-only"):
        check_gradients(network, np.ones((1, 3)), np.array([0]), rng=rng)


class Drops(Layer):
    """Half of the numbers, drawn anew in each step of a training."""

    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(3)

    def forward(self, x, *, training=False):
        self.mask = (self.rng.random(x.shape) < 0.5) * 2.0 if training else np.ones(x.shape)
        return x * self.mask

    def delta(self, dz):
        return dz * self.mask


def test_what_a_layer_draws_stays_in_every_pass():
    drops = Drops()
    network = Network(
        [Dense(4), drops, Dense(2)], HalfSquaredError(), input_shape=(3,),
        rng=np.random.default_rng(0), dtype=np.float64,
    )  # fmt: skip
    rng = np.random.default_rng(1)
    x, t, state = rng.normal(size=(5, 3)), rng.normal(size=(5, 2)), drops.rng.bit_generator.state
    errors = check_gradients(network, x, t, rng=rng, training=True)
    assert max(errors.values()) < 1e-7
    assert drops.rng.bit_generator.state == state  # as if nothing had been drawn
    assert not drops.mask.all()
