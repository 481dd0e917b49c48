"""What layers, losses and optimizers say of themselves: their arguments, and the call."""

import copy
import pickle

import numpy as np
import pytest

from cnnlib import learning
from cnnlib.errors import InputError
from cnnlib.learning import (
    SGD,
    Adam,
    AvgPool,
    BatchNorm,
    Conv,
    CrossEntropy,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    MaxPool,
    Momentum,
    Network,
    ReLU,
    RMSprop,
    SoftmaxCrossEntropy,
)
from cnnlib.learning.layers import Layer

# How it is written, and how it is written shortest.
WRITTEN = [
    ("Conv(8, 5)", "Conv(8, 5)"),
    ("Conv(filters=8, kernel=5, stride=1, init='he')", "Conv(8, 5)"),
    ("Conv(8, (5, 3), stride=2)", "Conv(8, (5, 3), stride=2)"),
    ("Conv(np.int64(8), 5, center=np.array([0, 1]))", "Conv(8, 5, center=(0, 1))"),
    ("Conv(1, 2, bias=False, flip=True)", "Conv(1, 2, flip=True, bias=False)"),
    ("Conv(1, 2, method='fft', init=0.1)", "Conv(1, 2, method='fft', init=0.1)"),
    (
        "Conv(6, 3, groups=np.int64(2), border='circular')",
        "Conv(6, 3, border='circular', groups=2)",
    ),
    (
        "ConvTranspose(2, 3, output_padding=[1, 0], stride=2)",
        "ConvTranspose(2, 3, stride=2, output_padding=(1, 0))",
    ),
    ("Dense(10, init=np.float64(0.5))", "Dense(10, init=0.5)"),
    ("MaxPool(2, stride=None)", "MaxPool(2)"),
    ("AvgPool((2, 1), padding=1, count_padding=True)",) * 2,
    ("Flatten()", "Flatten()"),
    ("ReLU()", "ReLU()"),
    ("SoftmaxCrossEntropy()", "SoftmaxCrossEntropy()"),
    ("CrossEntropy()", "CrossEntropy()"),
    ("SGD(lr=0.1)", "SGD(0.1)"),
    ("Momentum(0.1, 0.8)", "Momentum(0.1, momentum=0.8)"),
    ("Momentum(0.1, form='torch')", "Momentum(0.1)"),
    ("Adam()", "Adam()"),
    ("Adam(1e-3, epsilon=1e-8)", "Adam()"),
    ("Adam(0.01, form='keras')", "Adam(lr=0.01, form='keras')"),
    ("Adam(epsilon=1e-8, form='keras')", "Adam(epsilon=1e-08, form='keras')"),
    ("RMSprop(form='keras', rho=0.9)", "RMSprop(form='keras')"),
    ("RMSprop(rho=0.9)", "RMSprop(rho=0.9)"),
]
NAMES = {"np": np, **{name: getattr(learning, name) for name in learning.__all__}}


@pytest.mark.parametrize(("written", "shortest"), WRITTEN)
def test_the_repr_is_the_shortest_call_that_makes_it(written, shortest):
    part = eval(written, NAMES)
    assert repr(part) == shortest
    again = eval(shortest, NAMES)
    assert repr(again) == shortest and type(again) is type(part)
    assert type(part)(**part.config()).config().keys() == part.config().keys()


def test_config_has_every_argument():
    assert Conv(8, 5, stride=2).config() == dict(
        filters=8, kernel=5, stride=2, dilation=1, padding=None, center=None, flip=False,
        border="zeros", groups=1, method="auto", bias=True, init="he",
    )  # fmt: skip
    assert Adam(form="keras").config() == dict(
        lr=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-7, form="keras", weight_decay=0.0,
        decoupled=False,
    )  # fmt: skip
    optimizer = SGD(0.1)
    optimizer.lr = 0.2
    assert optimizer.config()["lr"] == 0.2 and repr(optimizer) == "SGD(0.2)"
    assert ReLU().config() == Flatten().config() == CrossEntropy().config() == {}
    assert SoftmaxCrossEntropy().config() == {}


class Kept(Conv):
    """A layer of one's own that fixes some arguments of its base."""

    def __init__(self, filters, kernel):
        super().__init__(filters, kernel, center=0, flip=True)


class Lost(Layer):
    def __init__(self, size):
        super().__init__()
        self.width = size


class Mended(Lost):
    def config(self):
        return {"size": self.width}


def test_classes_of_ones_own():
    assert repr(Kept(3, 2)) == "Kept(3, 2)" and Kept(3, 2).config() == {"filters": 3, "kernel": 2}
    assert repr(Mended(7)) == "Mended(7)"
    assert repr(Lost(7)) == "Lost(...)"
    with pytest.raises(InputError, match="Lost is made with size.*self.size = size, or define"):
        Lost(7).config()


@pytest.mark.parametrize(("layer", "shape"), [(Conv(2, 3), (4, 5, 1)), (Dense(2), (4,))])
def test_a_layer_that_is_not_built_says_so(layer, shape):
    kind = type(layer).__name__
    with pytest.raises(InputError, match=rf"this {kind} has no params\['w'\].*put it into a Net"):
        layer.forward(np.ones((1, *shape)))
    layer.build(shape, np.random.default_rng(0), np.float64)
    layer.forward(np.ones((1, *shape)))
    with pytest.raises(InputError, match=rf"this {kind} has no buffers\['mean'\]"):
        layer.buffers["mean"]


@pytest.mark.parametrize("way", [copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))])
def test_layers_can_be_copied(way):
    layer = Dense(2)
    layer.build((3,), np.random.default_rng(0), np.float64)
    again, x = way(layer), np.ones((1, 3))
    assert np.array_equal(again.forward(x), layer.forward(x))
    assert not np.shares_memory(again.params["w"], layer.params["w"])
    with pytest.raises(InputError, match="this Dense has no params"):
        way(Dense(2)).params["w"]


def test_pools_need_no_building():
    x = np.arange(8.0).reshape(1, 4, 2, 1)
    assert MaxPool(2).forward(x).ravel().tolist() == [3, 7]
    assert AvgPool(2).forward(x, training=True).ravel().tolist() == [1.5, 5.5]


def test_a_repr_stops_no_program():
    class Raises(Layer):
        def config(self):
            raise KeyError("x")

    assert repr(Raises()) == "Raises(...)"


@pytest.mark.parametrize(
    ("made", "name", "value"),
    [
        (Dropout(0.5), "rng", 5),
        (Dropout(0.5), "rate", 1.0),
        (Dropout(0.5), "rate", "x"),
        (BatchNorm(), "rate", 5),
        (BatchNorm(), "epsilon", -5),
        (BatchNorm(), "unbiased", "no"),
        (LeakyReLU(), "slope", None),
        (SGD(0.1), "lr", -1),
        (SGD(0.1), "weight_decay", "x"),
        (SGD(0.1), "decoupled", "x"),
        (Momentum(0.1), "momentum", 1.0),
        (RMSprop(), "rho", "x"),
        (Adam(), "beta1", 2),
        (Adam(), "epsilon", 0),
        (Adam(), "form", "jax"),
        (
            Network(
                [ReLU()], SoftmaxCrossEntropy(), input_shape=(2,), rng=np.random.default_rng(0)
            ),
            "loss",
            None,
        ),
    ],
    ids=lambda value: str(value)[:12],
)
def test_an_argument_that_is_assigned_later_is_read_as_in_the_call(made, name, value):
    before = getattr(made, name)
    with pytest.raises(InputError, match=f"^{name} is {value!r}; expected"):
        setattr(made, name, value)
    assert getattr(made, name) is before
    setattr(made, name, before)


def test_an_argument_that_init_has_not_kept_is_no_attribute():
    layer = Dropout.__new__(Dropout)
    assert not hasattr(layer, "rate")
