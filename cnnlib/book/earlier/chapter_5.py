"""The two models of chapter 5, and what beside them its later parts use."""

import numpy as np

from ...learning import (
    Conv,
    CrossEntropy,
    Dense,
    Flatten,
    MaxPool,
    Network,
    ReLU,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
)


def classical(rng, flips=(False, False), center=(0, 0), stride=2, side=28, dtype=np.float32):
    """The classical model; `flips` says which convolutions are true ones."""
    layers = [
        Conv(5, 2, stride=stride, center=center, flip=flips[0]),
        ReLU(),
        MaxPool(2),
        Conv(20, 3, center=(1, 1), flip=flips[1], init="glorot"),
        Sigmoid(),
        Flatten(),
        Dense(60, init="glorot"),
        Sigmoid(),
        Dense(10, init="glorot"),
        Softmax(),
    ]
    return Network(layers, CrossEntropy(), input_shape=(side, side, 1), rng=rng, dtype=dtype)


def modern(rng, dtype=np.float32):
    """The modern model, which chapter 6 trains as well."""
    layers = [
        Conv(8, 5),
        ReLU(),
        MaxPool(2),
        Conv(16, 5),
        ReLU(),
        MaxPool(2),
        Flatten(),
        Dense(128),
        ReLU(),
        Dense(10),
    ]
    return Network(layers, SoftmaxCrossEntropy(), input_shape=(28, 28, 1), rng=rng, dtype=dtype)


def beside_the_kink(network):
    """Small random biases, so that no ReLU sits at 0."""
    r = np.random.default_rng(2)
    for name, p in network.params.items():
        if name.endswith(".b"):
            p[:] = r.normal(0, 0.1, p.shape)
    return network
