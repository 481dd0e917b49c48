"""A sum of two ways: hand numbers, names, files, refusals."""

import copy

import numpy as np
import pytest

from cnnlib.errors import DataError, InputError
from cnnlib.learning import (
    Adam,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    GlobalAveragePool,
    HalfSquaredError,
    Layer,
    Network,
    ReLU,
    Residual,
    SoftmaxCrossEntropy,
    check_gradients,
    fit,
    storage,
)


def block(filters, **how):
    main = [Conv(filters, 3, padding="same", **how), BatchNorm(), ReLU()]
    return Residual([*main, Conv(filters, 3, padding="same")], shortcut=[Conv(filters, 1, **how)])


def network(seed=0, dtype=np.float64):
    plain = Residual([BatchNorm(), ReLU(), Conv(2, (3, 1), padding="same")])
    layers = [Conv(2, 3, padding="same"), plain, block(3, stride=2), ReLU(), GlobalAveragePool()]
    layers.append(Dense(3))
    rng = np.random.default_rng(seed)
    return Network(layers, SoftmaxCrossEntropy(), input_shape=(6, 5, 1), rng=rng, dtype=dtype)


def data(count=23):
    r = np.random.default_rng(1)
    t = r.integers(0, 3, count)
    return r.normal(size=(count, 6, 5, 1)) + t[:, None, None, None], t


def test_by_hand():
    """F doubles and adds 1, S is three times x, so z = 5 x + 1: a delta comes back five times."""
    layer = Residual([Dense(1)], shortcut=[Dense(1, bias=False)])
    layer.build((1,), np.random.default_rng(0), np.float64)
    layer.inner["dense1"].params["w"][...], layer.inner["dense1"].params["b"][...] = 2, 1
    layer.inner["shortcut.dense1"].params["w"][...] = 3
    assert layer.forward(np.array([[1.0], [10]])).ravel().tolist() == [6, 51]
    assert layer.backward(np.array([[1.0], [-2]])).ravel().tolist() == [5, -10]
    assert layer.inner["dense1"].grads["w"].tolist() == [[1 - 20]]
    assert layer.inner["dense1"].grads["b"].tolist() == [-1]
    assert layer.inner["shortcut.dense1"].grads["w"].tolist() == [[-19]]


def test_names():
    made = network()
    assert [*made.layers][:4] == ["conv1", "residual1", "residual2", "relu1"]
    inside = "conv1.w conv1.b batchnorm1.gamma batchnorm1.beta conv2.w conv2.b".split()
    inside = [f"residual2.{name}" for name in [*inside, "shortcut.conv1.w", "shortcut.conv1.b"]]
    assert [name for name in made.params if name.startswith("residual2")] == inside
    norms = ["residual1.batchnorm1", "residual2.batchnorm1"]
    assert [*made.buffers] == [f"{norm}.{name}" for norm in norms for name in ("mean", "variance")]
    inner = made.layers["residual2"].inner
    assert made.params["residual2.shortcut.conv1.w"] is inner["shortcut.conv1"].params["w"]
    # 3*3*2*3 + 3 + 6 + 3*3*3*3 + 3 + 2*3 + 3
    assert "residual2             3 x 3 x 3             156" in made.summary()
    assert "    Residual([BatchNorm(), ReLU(), Conv(2, (3, 1), padding='same')]),\n" in repr(made)
    assert "shortcut=[Conv(3, 1, stride=2)]),\n" in repr(made)


@pytest.mark.parametrize("training", [False, True])
def test_check_gradients(training):
    made, (x, t) = network(), data(5)
    for name, p in made.params.items():
        p[...] = np.random.default_rng(len(name)).normal(size=p.shape)
    errors = check_gradients(made, x, t, rng=np.random.default_rng(0), training=training)
    assert errors.keys() == made.params.keys() and len(errors) == 16
    # In front of a batch norm a bias does nothing, and its gradient is rounding.
    without = {n: e for n, e in errors.items() if n not in ("conv1.b", "residual2.conv1.b")}
    assert max(without.values()) < 1e-6


def test_where_it_is_the_first_that_learns_its_gradients_are_found_too():
    layers = [ReLU(), Residual([Dense(2)]), Dense(1)]
    rng = np.random.default_rng(0)
    made = Network(layers, HalfSquaredError(), input_shape=(2,), rng=rng, dtype=np.float64)
    x, t = rng.normal(size=(4, 2)), np.ones((4, 1))
    assert max(check_gradients(made, x, t, rng=rng).values()) < 1e-6


def test_saved_loaded_copied_and_trained_bit_for_bit(tmp_path):
    made, (x, t) = network(dtype=np.float32), data()
    how = dict(epochs=2, batch=8, progress=False)
    fit(made, x, t, optimizer=Adam(0.01), rng=np.random.default_rng(0), **how)
    made.save(tmp_path / "a.npz")
    for again in (Network.load(tmp_path / "a.npz"), copy.deepcopy(made)):
        assert again.architecture() == made.architecture() and again.summary() == made.summary()
        assert repr(again) == repr(made)
        arrays = {**made.params, **made.buffers}
        assert all(
            np.array_equal({**again.params, **again.buffers}[n], a) for n, a in arrays.items()
        )
        assert np.array_equal(again.forward(x), made.forward(x))
    first = made.params["residual2.shortcut.conv1.w"]
    assert not np.array_equal(first, network(dtype=np.float32).params["residual2.shortcut.conv1.w"])


class Own(Layer):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x

    def delta(self, dz):
        return self.factor * dz


def test_a_layer_of_ones_own_inside_needs_its_class(tmp_path):
    rng = np.random.default_rng(0)
    made = Network([Residual([Residual([Own(3)])])], HalfSquaredError(), input_shape=(2,), rng=rng)
    made.save(tmp_path / "a.npz")
    again = Network.load(tmp_path / "a.npz", classes=[Own])
    assert again.forward(np.ones((1, 2))).tolist() == [[5, 5]]
    with pytest.raises(InputError, match=r"part of the class Own, .*pass the class: classes=\[Own"):
        Network.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "part",
    [
        {"layer": "Dense", "arguments": 3},
        {"layer": "Gone", "arguments": {}},
        {"layer": "HalfSquaredError", "arguments": {}},
        {"layer": ["Dense"], "arguments": {"outputs": 2}},
        "Dense",
    ],
)
def test_a_forged_file_is_refused(part, tmp_path):
    rng = np.random.default_rng(0)
    made = Network([Residual([Own(1)])], HalfSquaredError(), input_shape=(2,), rng=rng)
    tree = made.tree()
    tree["network"]["parts"][0][1]["layers"] = [part]
    storage.write(tmp_path / "a.npz", tree)
    with pytest.raises((DataError, InputError)):
        Network.load(tmp_path / "a.npz", classes=[Own])


def test_a_layer_belongs_to_one_network_inside_too():
    shared, rng = Dense(2), np.random.default_rng(0)
    how = dict(input_shape=(2,), rng=rng)
    one = Network([Residual([shared])], HalfSquaredError(), **how)
    Network([shared], HalfSquaredError(), **how)
    with pytest.raises(InputError, match=r"layer residual1\.dense1 is in another network by now"):
        one.forward(np.ones((1, 2)))
    for layers in ([shared, Residual([shared])], [Residual([shared], shortcut=[shared])]):
        with pytest.raises(InputError, match="a layer occurs twice in layers"):
            Network(layers, HalfSquaredError(), **how)


def test_a_network_that_cannot_be_built_leaves_the_layers_inside():
    inside, rng = Dense(2), np.random.default_rng(0)
    one = Network([Residual([inside])], HalfSquaredError(), input_shape=(2,), rng=rng)
    before = one.forward(np.ones((1, 2)))
    with pytest.raises(InputError, match="layer residual1, input .3,.: the layers give .2,. and"):
        Network([Residual([inside])], HalfSquaredError(), input_shape=(3,), rng=rng)
    assert np.array_equal(one.forward(np.ones((1, 2))), before)


def test_an_array_inside_that_is_another_one_is_noticed():
    made = network()
    made.layers["residual1"].inner["conv1"].params["w"] = np.zeros(3)
    with pytest.raises(InputError, match=r"residual1\.conv1\.params\['w'\] was float64"):
        made.forward(data()[0])


class Lies(ReLU):
    def forward(self, x):
        return x[:, :1]


@pytest.mark.parametrize(
    ("layers", "shortcut", "message"),
    [
        ([], (), "layers is empty; expected one layer at least"),
        ([ReLU], (), "an entry of layers is .*; expected a Layer: an instance, such as ReLU"),
        (ReLU(), (), r"layers is ReLU\(\); expected a Sequence"),
        ([ReLU()], [3], "an entry of shortcut is 3; expected a Layer"),
        ([Dense(2)], (), r"layers give \(2,\) and the shortcut \(3,\), which cannot be added"),
        ([Conv(2, 1)], (), "layer conv1, input .3,.: samples have shape .3,.; expected images"),
        ([Lies()], (), "forward of layer lies1 returned the shape"),
    ],
)
def test_refusals(layers, shortcut, message):
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=message):
        made = Residual(layers, shortcut=shortcut)
        made.build((3,), rng, np.float64)
        made.forward(rng.normal(size=(2, 3)))


def test_a_layer_that_contains_itself_or_is_nested_without_end_is_refused():
    itself, one, other = (Residual([ReLU()]) for _ in range(3))
    itself.layers, one.layers, other.layers = (itself,), (other,), (one,)
    deep = ReLU()
    for _ in range(3000):
        deep = Residual([deep])
    for layer in (itself, one, deep):
        rng = np.random.default_rng(0)
        with pytest.raises(InputError, match="nested more than 32 deep, or one contains itself"):
            Network([layer], HalfSquaredError(), input_shape=(3,), rng=rng)
        with pytest.raises(InputError, match="nested more than 32 deep, or one contains itself"):
            layer.build((3,), rng, np.float64)


def test_layers_are_nested_as_deep_as_is_said():
    layer = ReLU()
    for _ in range(31):
        layer = Residual([layer])
    x, rng = np.ones((1, 2)), np.random.default_rng(0)
    network = Network([layer], HalfSquaredError(), input_shape=(2,), rng=rng, dtype=np.float64)
    y = network.forward(x)
    assert y.tolist() == [[32.0, 32.0]]  # each adds x once more
    assert network.backward(y, np.zeros((1, 2)))[0] == (32.0**2 + 32**2) / 2


def test_not_built():
    with pytest.raises(InputError, match="this Residual has not gone forwards|built"):
        Residual([ReLU()]).forward(np.ones((1, 2)))


def test_training_reaches_the_layers_inside_that_take_it():
    layer = Residual([Residual([Dropout(0.5, np.random.default_rng(0))])], shortcut=[Own(0)])
    layer.build((100,), np.random.default_rng(0), np.float64)
    x = np.ones((1, 100))
    assert np.unique(layer.forward(x)).tolist() == [2]
    assert np.unique(layer.forward(x, training=True)).tolist() == [1, 3]
