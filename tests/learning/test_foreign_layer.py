"""A layer that the library does not know, with all that a layer may have, works everywhere.

It has parameters, buffers, an argument and a training mode: a batch norm over the channel axis.
"""

from itertools import pairwise

import numpy as np
import pytest

from cnnlib import interop
from cnnlib.checks import numerical_gradient
from cnnlib.errors import DivergenceError, InputError
from cnnlib.learning import (
    Adam,
    Conv,
    CrossEntropy,
    Dense,
    Flatten,
    HalfSquaredError,
    MaxPool,
    Network,
    ReLU,
    Softmax,
    SoftmaxCrossEntropy,
    check_gradients,
    evaluate,
    fit,
    steps,
)
from cnnlib.learning.layers import Layer

TINY = 1e-5  # keeps the root away from 0


class Norm(Layer):
    """y = gamma * h + beta with h = (x - mean) / s, s = sqrt(variance + TINY), channel by channel.

    A training step takes mean and variance of its batch, over all axes but the last, and moves the
    running ones by the share `rate` towards them; otherwise the running ones count.
    """

    def __init__(self, *, rate=0.1):
        super().__init__()
        self.rate = rate

    def build(self, shape, rng, dtype):
        C = shape[-1]
        self.params.update(gamma=np.ones(C, dtype), beta=np.zeros(C, dtype))
        self.buffers.update(mean=np.zeros(C, dtype), variance=np.ones(C, dtype))
        return super().build(shape, rng, dtype)

    def output_shape(self, shape):
        return shape

    def forward(self, x, *, training=False):
        mean, variance = self.buffers["mean"], self.buffers["variance"]
        self.axes, self.training = tuple(range(x.ndim - 1)), training
        if training:
            batch_mean, batch_variance = x.mean(self.axes), x.var(self.axes)
            mean += self.rate * (batch_mean - mean)
            variance += self.rate * (batch_variance - variance)
            mean, variance = batch_mean, batch_variance
        self.s = np.sqrt(variance + x.dtype.type(TINY))
        self.h = (x - mean) / self.s
        return self.params["gamma"] * self.h + self.params["beta"]

    def gradients(self, dz):
        """dgamma = sum dz * h;  dbeta = sum dz, over all axes but the channels."""
        self.grads["gamma"] = (dz * self.h).sum(self.axes)
        self.grads["beta"] = dz.sum(self.axes)

    def delta(self, dz):
        """dx = (dh - mean(dh) - h * mean(dh * h)) / s with dh = gamma * dz.

        Both means come from the batch's mean and variance, in which every x takes part: the sum of
        h over the batch is 0, that of h**2 is (nearly) their number. Running ones are constants.
        """
        dh = self.params["gamma"] * dz
        if not self.training:
            return dh / self.s
        return (dh - dh.mean(self.axes) - self.h * (dh * self.h).mean(self.axes)) / self.s


def make(seed=0, dtype=np.float32, rate=0.1):
    layers = [Conv(3, 2), Norm(rate=rate), ReLU(), MaxPool(2), Flatten(), Dense(3)]
    rng = np.random.default_rng(seed)
    return Network(layers, SoftmaxCrossEntropy(), input_shape=(5, 4, 1), rng=rng, dtype=dtype)


def data(count=43, seed=1):
    r = np.random.default_rng(seed)
    t = r.integers(0, 3, count)
    return r.normal(size=(count, 5, 4, 1)) + t[:, None, None, None], t


def bits(network):
    arrays = {**network.params, **network.buffers}
    assert len(arrays) == len(network.params) + len(network.buffers) == 8
    return {name: a.tobytes() for name, a in arrays.items()}


def trained(**how):
    """A network after 18 steps, whose running means have moved."""
    network = make()
    return network, run(network, **how)


def run(network, optimizer=None, path=None, set=None, seed=0, **how):
    usual = dict(epochs=3, batch=8, progress=False, validation=data(9, seed=2))
    optimizer, rng = optimizer or Adam(0.01), np.random.default_rng(seed)
    return fit(
        network, *(set or data()), optimizer=optimizer, rng=rng, checkpoint=path, **usual | how
    )


# The layer alone: is it right?


def test_by_hand():
    """One channel, x = 1 and 3: mean 2, variance 1, so h = -1 and 1."""
    layer = Norm(rate=0.5)
    layer.build((1,), np.random.default_rng(0), np.float64)
    layer.params["gamma"][:], layer.params["beta"][:] = 10, 7
    x = np.array([[1.0], [3.0]])
    np.testing.assert_allclose(layer.forward(x), [[7 + 10], [7 + 30]], rtol=1e-4)  # constants 0, 1
    assert (layer.buffers["mean"], layer.buffers["variance"]) == (0, 1)
    np.testing.assert_allclose(layer.forward(x, training=True), [[7 - 10], [7 + 10]], rtol=1e-4)
    assert (layer.buffers["mean"], layer.buffers["variance"]) == (1, 1)
    dx = layer.backward(np.array([[1.0], [0.0]]))
    assert layer.grads["beta"] == 1 and layer.grads["gamma"] == pytest.approx(-1, rel=1e-4)
    np.testing.assert_allclose(dx, 0, atol=1e-3)  # of two numbers, h is -1 and 1 whatever they are


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2, 3)], ids=str)
def test_its_delta_against_central_differences(shape, training):
    r = np.random.default_rng(0)
    layer, x, dz = Norm(), r.normal(size=shape), r.normal(size=shape)
    layer.build(shape[1:], r, np.float64)
    for a in (*layer.params.values(), *layer.buffers.values()):
        a[...] = r.uniform(0.5, 2, a.shape)
    kept = {name: a.copy() for name, a in layer.buffers.items()}

    def f(x):
        layer.buffers.update({name: a.copy() for name, a in kept.items()})
        return (layer.forward(x, training=training) * dz).sum()

    numerical = numerical_gradient(f, x)
    f(x)
    np.testing.assert_allclose(layer.backward(dz), numerical, rtol=0, atol=1e-8)


# The layer in a network


def test_network_summary_and_repr():
    network = make(rate=0.2)
    assert list(network.layers)[:2] == ["conv1", "norm1"]
    assert set(network.params) == {
        "conv1.w", "conv1.b", "norm1.gamma", "norm1.beta", "dense1.w", "dense1.b"
    }  # fmt: skip
    assert set(network.buffers) == {"norm1.mean", "norm1.variance"}
    assert network.buffers["norm1.mean"] is network.layers["norm1"].buffers["mean"]
    assert "norm1       4 x 3 x 3               6" in network.summary()
    assert "    Norm(rate=0.2),\n" in repr(network)
    assert repr(Norm()) == "Norm()" and Norm().config() == {"rate": 0.1}


def test_equal_by_their_arguments():
    assert make(seed=0).architecture() == make(seed=1).architecture()
    assert make().architecture() != make(rate=0.2).architecture()


def test_not_built():
    with pytest.raises(InputError, match=r"this Norm has no buffers\['mean'\].*put it into"):
        Norm().forward(np.ones((2, 3)))


@pytest.mark.parametrize("training", [False, True])
def test_check_gradients(training):
    network, (x, t) = make(dtype=np.float64), data(6)
    for name, p in network.params.items():
        p[...] = np.random.default_rng(len(name)).normal(size=p.shape)
    before = bits(network)
    found = check_gradients(network, x, t, rng=np.random.default_rng(0), training=training)
    assert found.keys() == network.params.keys()
    # Before the batch's mean is taken off, a bias does nothing: its gradient is rounding.
    assert max(error for name, error in found.items() if name != "conv1.b") < 1e-6
    assert training or found["conv1.b"] < 1e-6
    assert bits(network) == before
    layer = network.layers["norm1"]
    layer.delta = lambda dz: Norm.delta(layer, dz) * 1.01
    broken = check_gradients(network, x, t, rng=np.random.default_rng(0), training=training)
    assert broken["conv1.w"] > 1e-3 and broken["dense1.w"] < 1e-6


# Training


class Steps(Adam):
    """Adam that notes which arrays it is given, and what the buffers are before and after it."""

    def __init__(self, network):
        super().__init__(0.01)
        self.network, self.names, self.seen = network, set(), []

    def step(self, params, grads):
        before = {name: a.copy() for name, a in self.network.buffers.items()}
        super().step(params, grads)
        self.names |= set(params)
        self.seen.append(before)
        for name, a in self.network.buffers.items():
            assert np.array_equal(a, before[name])


def test_fit_moves_the_buffers_in_the_forward_pass_alone():
    """The running mean by hand: a share of the way to a batch's mean, and never a step of Adam."""
    network, (x, _) = make(dtype=np.float64), data()
    optimizer, mean = Steps(network), np.zeros(3)
    order = np.random.default_rng(0).permutation(43)[:8]
    z = network.layers["conv1"].forward(x[order])
    run(network, optimizer, epochs=1)
    assert optimizer.names == set(network.params) == set(optimizer.memory)
    mean += 0.1 * (z.mean((0, 1, 2)) - mean)
    np.testing.assert_allclose(optimizer.seen[0]["norm1.mean"], mean, rtol=1e-12)
    means = [seen["norm1.mean"].tolist() for seen in optimizer.seen]
    assert len(means) == 6 and all(a != b for a, b in pairwise(means))


def test_evaluation_and_a_trace_use_the_running_numbers_and_change_nothing():
    network, history = trained()
    before, (x, t) = bits(network), data(9, seed=2)
    loss, accuracy = evaluate(network, x, t)
    assert (loss, accuracy) == history.validation[-1]
    assert evaluate(network, x, t, batch=2)[0] == pytest.approx(loss, rel=1e-5)  # not the batch's
    seen = network.trace(x, t)
    assert seen.loss == pytest.approx(loss, rel=1e-6)
    layer, z = network.layers["norm1"], seen.outputs["conv1"].astype(np.float64)
    mean, variance = layer.buffers["mean"], layer.buffers["variance"]
    gamma, beta = layer.params["gamma"], layer.params["beta"]
    expected = gamma * (z - mean) / np.sqrt(variance + TINY) + beta
    np.testing.assert_allclose(seen.outputs["norm1"], expected, rtol=1e-4, atol=1e-5)
    slope = seen.deltas["norm1"] * gamma / np.sqrt(variance + TINY)
    np.testing.assert_allclose(seen.deltas["conv1"], slope, rtol=1e-4, atol=1e-7)
    assert network.first_broken(x) == "the loss"
    assert bits(network) == before
    network.forward(x, training=True)
    assert bits(network) != before


def test_it_learns():
    _, history = trained(epochs=20, optimizer=Adam(0.02))
    assert np.mean(history.loss[-6:]) < 0.5 * np.mean(history.loss[:6])
    assert history.validation[-1][1] > 0.8


# Files


def test_saved_and_loaded_bit_for_bit(tmp_path):
    network, _ = trained()
    network.save(tmp_path / "a.npz")
    again, x = Network.load(tmp_path / "a.npz", classes=[Norm]), data(9, seed=2)[0]
    assert bits(again) == bits(network) and again.layers["norm1"].buffers["mean"].any()
    assert again.architecture() == network.architecture()
    assert again.forward(x).tobytes() == network.forward(x).tobytes()
    with pytest.raises(InputError, match=r"class Norm, .*pass the class: classes=\[Norm\]"):
        Network.load(tmp_path / "a.npz")


def stopped(network, optimizer, path, stop, **how):
    """Interrupt a training in step `stop`, when the buffers have moved and the parameters not."""
    backward, calls = network.backward, []

    def interrupt(y, t):
        calls.append(1)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return backward(y, t)

    network.backward = interrupt
    with pytest.raises(KeyboardInterrupt) as caught:
        run(network, optimizer, path, **how)
    del network.backward
    return caught.value.history


@pytest.mark.parametrize("stop", [1, 4, 6, 7, 13, 18])
def test_interrupted_and_resumed_with_the_same_bits(stop, tmp_path):
    expected, history = trained()
    network, path = make(), tmp_path / "run.npz"
    assert len(stopped(network, Adam(0.01), path, stop).loss) == stop - 1
    assert bits(Network.load(path, classes=[Norm])) == bits(network)  # the file and the memory
    again = make(seed=5)  # all of it comes from the file
    resumed = run(again, path=path, seed=6)
    assert bits(again) == bits(expected) and resumed == history


class Drops(Layer):
    """y = m * x / (1 - rate), where m is 0 with the probability `rate`; outside training y = x."""

    def __init__(self, rate, seed=0):
        super().__init__()
        self.rate, self.seed = rate, seed
        self.rng = np.random.Generator(np.random.MT19937(seed))

    def forward(self, x, *, training=False):
        kept = self.rng.random(x.shape) >= self.rate if training else np.ones(x.shape)
        self.m = (kept / (1 - self.rate if training else 1)).astype(x.dtype)
        return self.m * x

    def delta(self, dz):
        return self.m * dz


def dropping(seed=0, dropout=Drops):
    layers = [Conv(3, 2), ReLU(), MaxPool(2), Flatten(), dropout(0.5), Dense(3)]
    rng = np.random.default_rng(seed)
    return Network(layers, SoftmaxCrossEntropy(), input_shape=(5, 4, 1), rng=rng)


@pytest.mark.parametrize("stop", [1, 4, 7, 18])
def test_a_layer_that_draws_goes_on_with_the_same_bits(stop, tmp_path):
    """In another program, from the file; and in this one."""
    expected = dropping()
    history = run(expected)
    assert len(history.loss) == 18
    expected.forward(data()[0], training=True)
    assert 0.2 < (expected.layers["drops1"].m == 0).mean() < 0.8
    network, path, optimizer = dropping(), tmp_path / "run.npz", Adam(0.01)
    stopped(network, optimizer, path, stop)
    again = dropping(seed=5)
    assert run(again, path=path, seed=6) == history
    assert all(np.array_equal(p, again.params[name]) for name, p in expected.params.items())
    path.unlink()
    stopped(network := dropping(), optimizer := Adam(0.01), path, stop)
    assert run(network, optimizer, path) == history


def test_a_layer_that_draws_from_what_shuffles_is_refused_with_a_checkpoint(tmp_path):
    rng = np.random.default_rng(0)

    class Shares(Drops):
        def build(self, shape, rng, dtype):
            self.rng = rng
            return super().build(shape, rng, dtype)

    layers = [Flatten(), Shares(0.5), Dense(3)]
    network = Network(layers, SoftmaxCrossEntropy(), input_shape=(5, 4, 1), rng=rng)
    how = dict(optimizer=Adam(0.01), rng=rng, epochs=1, progress=False)
    with pytest.raises(InputError, match="layer shares1 draws from rng.*Generator of its own"):
        fit(network, *data(), **how, checkpoint=tmp_path / "run.npz")
    assert list(tmp_path.iterdir()) == []
    assert len(fit(network, *data(), **how).loss) == 1


def test_an_interrupt_puts_the_buffers_back():
    after = [bits(make())]
    network = make()
    for _ in steps(
        network, *data(), optimizer=Adam(0.01), rng=np.random.default_rng(0), batch=8, epochs=1
    ):
        after.append(bits(network))
    for stop in (1, 2, 5):
        network = make()
        stopped(network, Adam(0.01), None, stop, epochs=1, validation=None)
        assert bits(network) == after[stop - 1]


def test_a_divergence_puts_back_what_gave_the_last_good_loss(tmp_path):
    x, t = data()
    order = np.random.default_rng(0).permutation(43)
    x[order[8 * 3]] = np.nan  # in the fourth step; the running mean takes it in
    network, path = make(), tmp_path / "run.npz"
    with pytest.raises(DivergenceError, match="step 4: .*First broken: the input x") as caught:
        run(network, set=(x, t), path=path)
    assert len(caught.value.history.loss) == 3
    expected = make()
    for step in steps(
        expected, *data(), optimizer=Adam(0.01), rng=np.random.default_rng(0), batch=8, epochs=1
    ):
        if step.number == 2:  # the third loss is theirs
            break
    assert bits(network) == bits(expected)


def test_the_place_that_broke_is_that_of_the_training_mode():
    """With the running numbers of the first step nothing would break here."""

    class Overflows(Norm):
        def forward(self, x, *, training=False):
            y = super().forward(x, training=training)
            return y * np.inf if training else y

    layers = [Conv(3, 2), Overflows(), Flatten(), Dense(3)]
    rng = np.random.default_rng(0)
    network = Network(layers, SoftmaxCrossEntropy(), input_shape=(5, 4, 1), rng=rng)
    with pytest.raises(DivergenceError, match="First broken: overflows1"):
        run(network)


# The explorers and the frameworks


def test_recording():
    pytest.importorskip("anywidget")
    from cnnlib.book.widgets.recording import numbers, record

    network, expected = make(dtype=np.float64), make(dtype=np.float64)
    how = dict(steps=9, batch=8, title="a batch norm", frames=50)
    probe, rng = data(9, seed=2), np.random.default_rng(0)
    film = record(network, *data(), optimizer=Adam(0.01), rng=rng, probe=probe, **how)
    run = steps(
        expected, *data(), optimizer=Adam(0.01), rng=np.random.default_rng(0), batch=8, epochs=2
    )
    losses = [evaluate(expected, *probe)[0]]
    for step in run:
        losses.append(evaluate(expected, *probe)[0])
        if step.number == 9:
            break
    np.testing.assert_allclose(film["loss"], losses, rtol=1e-5)  # measured with running numbers
    assert bits(network) == bits(expected)
    deltas = numbers(film, "conv1.dz")[-1]
    true = network.trace(probe[0][:1], probe[1][:1]).deltas["conv1"][0]
    np.testing.assert_allclose(deltas, true, rtol=0, atol=abs(true).max() / 100)


def test_the_network_explorer(monkeypatch):
    """Its Python side draws what a trace says; the network that ships has other layers."""
    pytest.importorskip("anywidget")
    from cnnlib.book.widgets import network as widgets

    layers = [Conv(2, 5, stride=4), Norm(), ReLU(), Flatten(), Dense(10), Softmax()]
    rng = np.random.default_rng(0)
    network = Network(layers, CrossEntropy(), input_shape=(28, 28, 1), rng=rng)
    for name, a in network.buffers.items():
        a[...] = 0.5 if name.endswith("mean") else 0.25
    explorer = widgets.NetworkExplorer()
    monkeypatch.setattr(widgets, "read_network", lambda dtype: network)
    maps, deltas, loss, target = explorer.passes()
    assert list(maps) == list(deltas) == ["image", *network.layers]
    scale = 1 / np.sqrt(0.25 + TINY)
    expected = (maps["conv1"] - 0.5) * scale
    np.testing.assert_allclose(maps["norm1"], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(deltas["conv1"], deltas["norm1"] * scale, rtol=1e-4, atol=1e-9)
    assert loss == pytest.approx(-np.log(maps["softmax1"][0, target]), rel=1e-5)


UNKNOWN = (
    "layer norm1 is a Norm; cnnlib has no translation of it to .*: translate a network "
    "without it .*, or keep such a network in cnnlib"
)


def test_pytorch_does_not_know_it(torch):
    with pytest.raises(InputError, match=UNKNOWN):
        interop.to_torch(make())


def test_keras_does_not_know_it(tensorflow):
    with pytest.raises(InputError, match=UNKNOWN):
        interop.to_keras(make())


class Forgetful(Layer):
    """Each of the things that a layer of one's own may forget."""

    def forward(self, x):
        return x


class Unfinished(Forgetful):
    def __init__(self):
        pass


class Shapeless(Forgetful):
    def build(self, shape, rng, dtype):
        super().build(shape, rng, dtype)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Unfinished, r"unfinished1 has no params: let its __init__ begin with super"),
        (Shapeless, r"shapeless1 returned None, no shape: let it return super\(\).build"),
    ],
)
def test_what_a_layer_forgets_is_named_with_its_cure(layer, message):
    with pytest.raises(InputError, match=message):
        Network([layer()], HalfSquaredError(), input_shape=(3,), rng=np.random.default_rng(0))


class Widens(Layer):
    """Returns float64 whatever comes in: half of a training would be computed in it unseen."""

    def __init__(self, where):
        super().__init__()
        self.where = where

    def output_shape(self, shape):
        return shape

    def forward(self, x):
        return x * np.ones(1) if self.where == "forward" else x

    def delta(self, dz):
        return dz * np.ones(1) if self.where == "delta" else dz


@pytest.mark.parametrize("where", ["forward", "delta"])
def test_a_layer_that_changes_the_type_is_refused(where):
    layers = [Dense(2), Widens(where), Dense(2)]
    rng, x = np.random.default_rng(0), np.ones((1, 3), "f4")
    network = Network(layers, HalfSquaredError(), input_shape=(3,), rng=rng)
    message = rf"{where} of layer widens1 returned float64, this network computes in float32"
    with pytest.raises(InputError, match=message):
        network.gradients(x, np.ones((1, 2), "f4"))
    wide = [Dense(2), Widens(where), Dense(2)]
    network = Network(wide, HalfSquaredError(), input_shape=(3,), rng=rng, dtype=np.float64)
    network.gradients(x, np.ones((1, 2)))


def test_a_layer_without_a_delta_says_so():
    layers = [Dense(2), Forgetful()]
    rng = np.random.default_rng(0)
    network = Network(layers, HalfSquaredError(), input_shape=(3,), rng=rng)
    with pytest.raises(InputError, match="forgetful1: Forgetful has no delta: define delta"):
        network.gradients(np.ones((1, 3), "f4"), np.ones((1, 2), "f4"))
    with pytest.raises(NotImplementedError, match="Layer has no forward: define forward"):
        Layer().forward(np.ones((1, 3)))
