"""Batch norm: hand numbers, central differences, both frameworks, buffers, refusals."""

import numpy as np
import pytest

from cnnlib.checks import numerical_gradient
from cnnlib.errors import DataError, InputError
from cnnlib.learning import (
    SGD,
    BatchNorm,
    Conv,
    Dense,
    Flatten,
    HalfSquaredError,
    Network,
    check_gradients,
    fit,
    storage,
)

SHAPES = [(5, 3), (4, 6, 3), (3, 4, 2, 3), (2, 3, 2, 4, 3)]


def built(shape, seed=0, dtype=np.float64, **how):
    """A layer with random numbers in all its arrays, a batch and its deltas."""
    r = np.random.default_rng(seed)
    layer = BatchNorm(**how)
    assert layer.build(shape[1:], r, dtype) == shape[1:]
    for a in (*layer.params.values(), *layer.buffers.values()):
        a[...] = r.uniform(0.5, 2, a.shape)
    x = r.normal(2, 3, shape).astype(dtype)
    return layer, x, r.normal(size=shape).astype(dtype)


def test_by_hand():
    """x = 0, 2, 4, 10: the mean is 4, the variance (16 + 4 + 0 + 36) / 4 = 14; 14 + 2 is 4**2."""
    layer = BatchNorm(rate=0.5, epsilon=2)
    layer.build((1,), np.random.default_rng(0), np.float64)
    layer.params["gamma"][:], layer.params["beta"][:] = 8, 1
    x = np.array([[0.0], [2], [4], [10]])
    assert layer.forward(x, training=True).ravel().tolist() == [-7, -3, 1, 13]
    # From 0 and 1: half of the way to 4 and to 14 * 4/3.
    assert layer.buffers["mean"].tolist() == [2]
    assert layer.buffers["variance"] == pytest.approx(1 / 2 + 28 / 3, rel=1e-15)
    # h = -1, -1/2, 0, 3/2. The deltas' mean is 2, that of dz * h is (-8 + 0 + 0 + 0) / 4 = -2.
    dx = layer.backward(np.array([[8.0], [0], [0], [0]]))
    assert layer.grads["beta"].tolist() == [8] and layer.grads["gamma"].tolist() == [-8]
    # gamma / s = 2 times dz - 2 + 2 h
    assert dx.ravel().tolist() == [2 * (8 - 2 - 2), 2 * (-2 - 1), 2 * -2, 2 * (-2 + 3)]
    assert dx.sum() == 0


def test_outside_a_training_the_running_numbers_are_constants():
    layer = BatchNorm(epsilon=1)
    layer.build((1,), np.random.default_rng(0), np.float64)
    layer.buffers["mean"][:], layer.buffers["variance"][:] = 4, 3
    layer.params["gamma"][:], layer.params["beta"][:] = 6, 1
    assert layer.forward(np.array([[4.0], [6]])).ravel().tolist() == [1, 7]
    assert layer.backward(np.array([[1.0], [-2]])).ravel().tolist() == [3, -6]
    assert layer.buffers["mean"].tolist() == [4] and layer.buffers["variance"].tolist() == [3]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_against_central_differences(shape, training):
    layer, x, dz = built(shape, epsilon=0.3)
    kept = {name: a.copy() for name, a in layer.buffers.items()}

    def f(x):
        layer.buffers.update({name: a.copy() for name, a in kept.items()})
        return (layer.forward(x, training=training) * dz).sum()

    numerical = numerical_gradient(f, x)
    f(x)
    np.testing.assert_allclose(layer.backward(dz), numerical, rtol=0, atol=1e-8)
    for name, p in layer.params.items():

        def g(values, p=p):
            p[...] = values
            return f(x)

        before = p.copy()
        numerical = numerical_gradient(g, before)
        p[...] = before
        np.testing.assert_allclose(layer.grads[name], numerical, rtol=0, atol=1e-8)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_deltas_sum_to_zero_and_do_not_follow_the_outputs(shape):
    """Adding a number to all x, or (without epsilon) stretching them, changes no output."""
    layer, x, dz = built(shape, epsilon=1e-300)
    z = layer.forward(x, training=True)
    np.testing.assert_allclose(layer.forward(5 * x - 7, training=True), z, rtol=0, atol=1e-11)
    layer.forward(x, training=True)
    dx, axes = layer.backward(dz), tuple(range(x.ndim - 1))
    np.testing.assert_allclose(dx.sum(axes), 0, atol=1e-12)
    np.testing.assert_allclose((dx * x).sum(axes), 0, atol=1e-11)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_dtypes_stay_in_a_training(shape, dtype):
    layer, x, dz = built(shape, dtype=dtype)
    arrays = [layer.forward(x, training=True), layer.backward(dz)]
    arrays += [*layer.params.values(), *layer.grads.values(), *layer.buffers.values()]
    assert {a.dtype for a in arrays} == {np.dtype(dtype)}


def test_the_mean_of_many_float32_is_their_mean():
    """Added up one after another in float32, 10**6 numbers near 1000 are off by more than this."""
    layer = BatchNorm(rate=1)
    layer.build((1000, 3), np.random.default_rng(0), np.float32)
    x = np.random.default_rng(1).normal(1000, 1, (1000, 1000, 3)).astype(np.float32)
    layer.forward(x, training=True)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(layer.buffers["mean"], exact.mean((0, 1)), rtol=1e-7)
    np.testing.assert_allclose(layer.buffers["variance"], exact.var((0, 1)), rtol=1e-5)


def test_any_place_in_memory_gives_the_same():
    layer, x, dz = built((3, 4, 2, 3))
    turned = [np.ascontiguousarray(a.transpose(3, 1, 2, 0)).transpose(3, 1, 2, 0) for a in (x, dz)]
    z, dx = layer.forward(x, training=True), layer.backward(dz)
    np.testing.assert_allclose(layer.forward(turned[0], training=True), z, rtol=0, atol=1e-12)
    np.testing.assert_allclose(layer.backward(turned[1]), dx, rtol=0, atol=1e-12)


# The frameworks


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_agrees_with_pytorch(shape, torch):
    layer, x, dz = built(shape, rate=0.3, epsilon=0.01)
    kind = getattr(torch.nn, f"BatchNorm{max(1, len(shape) - 2)}d")
    theirs = kind(3, eps=0.01, momentum=0.3, dtype=torch.float64)
    state = zip(("weight", "bias", "running_mean", "running_var"),
                (*layer.params.values(), *layer.buffers.values()), strict=True)  # fmt: skip
    theirs.load_state_dict({n: torch.tensor(a) for n, a in state}, strict=False)
    for training in (True, True, False):
        theirs.train(training)
        given = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
        theirs.zero_grad()
        z = theirs(given)
        z.backward(torch.tensor(np.moveaxis(dz, -1, 1)))
        ours = layer.forward(x, training=training), layer.backward(dz)
        for a, b in zip(ours, (z, given.grad), strict=True):
            b = np.moveaxis(b.detach().numpy(), 1, -1)
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
        np.testing.assert_allclose(layer.grads["gamma"], theirs.weight.grad, rtol=0, atol=1e-12)
        np.testing.assert_allclose(layer.grads["beta"], theirs.bias.grad, rtol=0, atol=1e-12)
        np.testing.assert_allclose(layer.buffers["mean"], theirs.running_mean, rtol=1e-13)
        np.testing.assert_allclose(layer.buffers["variance"], theirs.running_var, rtol=1e-13)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_agrees_with_keras(shape, tensorflow):
    import keras

    layer, x, dz = built(shape, rate=0.3, epsilon=0.01, unbiased=False)
    theirs = keras.layers.BatchNormalization(momentum=0.7, epsilon=0.01, dtype="float64")
    theirs.build(shape)
    theirs.set_weights([*layer.params.values(), *layer.buffers.values()])
    for training in (True, True, False):
        given = tensorflow.constant(x)
        with tensorflow.GradientTape() as tape:
            tape.watch(given)
            z = theirs(given, training=training)
        grads = tape.gradient(z, [given, theirs.gamma, theirs.beta], tensorflow.constant(dz))
        ours = layer.forward(x, training=training), layer.backward(dz)
        for a, b in zip((*ours, *layer.grads.values()), (z, *grads), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
        weights = [*layer.params.values(), *layer.buffers.values()]
        for a, b in zip(weights, theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)


# In a network


def network(*layers, shape=(4, 1), dtype=np.float64):
    rng = np.random.default_rng(0)
    return Network(layers, HalfSquaredError(), input_shape=shape, rng=rng, dtype=dtype)


def test_the_bias_before_it_does_nothing():
    """What is added to all of a channel goes with the mean."""
    made = network(Conv(2, 2), BatchNorm(), Flatten(), Dense(1))
    x, t = np.random.default_rng(1).normal(size=(5, 4, 1)), np.ones((5, 1))
    before = made.forward(x, training=True)
    made.params["conv1.b"][...] = [3, -8]
    np.testing.assert_allclose(made.forward(x, training=True), before, rtol=0, atol=1e-12)
    _, grads = made.gradients(x, t, training=True)
    np.testing.assert_allclose(grads["conv1.b"], 0, atol=1e-13)
    assert abs(grads["conv1.w"]).max() > 1e-3


def test_check_gradients_leaves_the_buffers():
    made = network(Conv(2, 2), BatchNorm(), Flatten(), Dense(2))
    x, t = np.random.default_rng(1).normal(size=(5, 4, 1)), np.ones((5, 2))
    made.forward(x, training=True)
    before = {name: a.copy() for name, a in made.buffers.items()}
    errors = check_gradients(made, x, t, rng=np.random.default_rng(0), training=True)
    assert max(error for name, error in errors.items() if name != "conv1.b") < 1e-6
    assert before.keys() == {"batchnorm1.mean", "batchnorm1.variance"}
    assert all(np.array_equal(a, made.buffers[name]) for name, a in before.items())


# Refusals


def test_one_number_in_a_channel_is_refused_in_a_training_alone():
    layer, x, _ = built((1, 3))
    before = {name: a.copy() for name, a in layer.buffers.items()}
    with pytest.raises(InputError, match="one number in each channel: its variance is 0"):
        layer.forward(x, training=True)
    assert all(np.array_equal(a, layer.buffers[name]) for name, a in before.items())
    assert layer.forward(x).shape == x.shape
    built((1, 2, 3))[0].forward(np.ones((1, 2, 3)), training=True)  # an image with two places


def test_an_epoch_that_ends_in_a_single_sample_is_refused():
    made = network(Flatten(), Dense(2), BatchNorm(), Dense(1))
    x, t = np.random.default_rng(1).normal(size=(9, 4, 1)), np.ones((9, 1))
    how = dict(optimizer=SGD(0.1), epochs=1, progress=False)
    with pytest.raises(InputError, match="leaves no single sample at the end of an epoch"):
        fit(made, x, t, rng=np.random.default_rng(0), batch=4, **how)
    assert len(fit(made, x, t, rng=np.random.default_rng(0), batch=5, **how).loss) == 2


@pytest.mark.parametrize("shape", [(2, 4), (2, 3, 1), (3,), (0, 3)])
def test_other_channels_are_refused(shape):
    layer, _, _ = built((5, 3))
    for training in (False, True):
        with pytest.raises(InputError, match=r"x has shape .*; expected \(N, ..., 3\)"):
            layer.forward(np.ones(shape), training=training)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (dict(rate=1.5), "rate is 1.5; expected a number from 0 to 1"),
        (dict(rate=None), "rate is None; expected a number from 0 to 1"),
        (dict(epsilon=0), "epsilon is 0; expected a positive finite number"),
        (dict(unbiased="yes"), "unbiased is 'yes'; expected True or False"),
    ],
)
def test_wrong_arguments(how, message):
    with pytest.raises(InputError, match=message):
        BatchNorm(**how)


def test_deltas_of_another_shape_are_refused():
    layer, x, dz = built((5, 3))
    layer.forward(x, training=True)
    with pytest.raises(InputError, match=r"dz has shape \(4, 3\); expected \(5, 3\)"):
        layer.backward(dz[:4])


@pytest.mark.parametrize("epsilon", [1e-46, 1e39])
def test_an_epsilon_that_the_dtype_does_not_have_is_refused(epsilon):
    with pytest.raises(InputError, match=r"epsilon is .*, which is (0.0|inf) in float32; expected"):
        built((5, 3), dtype=np.float32, epsilon=epsilon)
    layer, x, _ = built((5, 3), epsilon=epsilon)  # of float64
    assert np.isfinite(layer.forward(x, training=True)).all()
    layer, x, _ = built((5, 3), dtype=np.float32)
    layer.epsilon = epsilon
    with pytest.raises(InputError, match="epsilon is .* in float32"):
        layer.forward(x)


@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e30])
def test_a_broken_batch_leaves_the_running_numbers(broken):
    """The square of 1e30 is beyond float32."""
    layer, x, _ = built((5, 3), dtype=np.float32)
    layer.forward(x, training=True)
    before = {name: a.copy() for name, a in layer.buffers.items()}
    worse = x.copy()
    worse[0, 0] = broken
    layer.forward(worse, training=True)
    assert all(np.array_equal(a, layer.buffers[name]) for name, a in before.items())
    layer.forward(x, training=True)
    assert not np.array_equal(before["mean"], layer.buffers["mean"])


def test_a_forged_file_is_refused_before_its_arrays_are_made(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    network(BatchNorm()).save(path)
    tree = storage.read(path)
    tree["network"]["input_shape"] = [10**8]
    storage.write(path, tree)
    make = np.ones
    monkeypatch.setattr(np, "ones", lambda C, *how: make(C, *how) if C != 10**8 else pytest.fail())
    with pytest.raises(DataError, match="far fewer are saved"):
        Network.load(path)
