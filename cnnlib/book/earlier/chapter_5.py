"""The two models of chapter 5, and what beside them its later parts and its record use."""

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
    evaluate,
    steps,
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


def small(seed=0, init="he"):
    """Two strided convolutions and a dense layer, for quick comparisons."""
    layers = [
        Conv(8, 5, stride=2, init=init),
        ReLU(),
        Conv(16, 3, stride=2, init=init),
        ReLU(),
        Flatten(),
        Dense(10, init=init),
    ]
    rng = np.random.default_rng(seed)
    return Network(layers, SoftmaxCrossEntropy(), input_shape=(28, 28, 1), rng=rng)


def beside_the_kink(network):
    """Small random biases, so that no ReLU sits at 0."""
    r = np.random.default_rng(2)
    for name, p in network.params.items():
        if name.endswith(".b"):
            p[:] = r.normal(0, 0.1, p.shape)
    return network


def shifted(x, rng, reach=2):
    """Each image moved by up to `reach` pixels along both axes; what moves in is black."""
    around = np.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    moved = np.empty_like(x)
    for n, (p, q) in enumerate(rng.integers(0, 2 * reach + 1, (len(x), 2))):
        moved[n] = around[n, p : p + x.shape[1], q : q + x.shape[2]]
    return moved


def lean(image):
    """How many columns a digit moves from row to row, and its mean row."""
    p, q = np.arange(image.shape[0])[:, None], np.arange(image.shape[1])
    ink = image.sum()
    p_mean, q_mean = (p * image).sum() / ink, (q * image).sum() / ink
    tilt = ((p - p_mean) * (q - q_mean) * image).sum() / ((p - p_mean) ** 2 * image).sum()
    return tilt, p_mean


def upright(x):
    """Each digit sheared so that it does not lean."""
    straight, q = np.empty_like(x), np.arange(x.shape[2])
    for n, image in enumerate(x[..., 0]):
        tilt, p_mean = lean(image)
        for p, row in enumerate(image):
            straight[n, p, :, 0] = np.interp(q + tilt * (p - p_mean), q, row, 0, 0)
    return straight


def course(network, sets, optimizer, epochs, rng, change=None, schedule=None):
    """Train on the first set; after every fourth epoch loss and accuracy on each set."""
    (x, t), measured = sets[0], []
    count = -(-len(x) // 64)  # steps in an epoch
    for epoch in range(epochs):
        seen = x if change is None else change(x, rng)
        for _ in steps(
            network,
            seen,
            t,
            optimizer=optimizer,
            rng=rng,
            epochs=epoch + 1,
            start=(epoch, epoch * count),
            schedule=schedule,
        ):
            pass
        if epoch % 4 == 3:
            measured.append([evaluate(network, *one) for one in sets])
    return np.array(measured)
