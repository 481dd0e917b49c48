"""Networks, losses and answers of the frameworks, as chapter 6 writes them."""

import keras
import numpy as np
import tensorflow as tf
import torch

from ...learning import (
    AvgPool,
    Conv,
    CrossEntropy,
    Dense,
    Flatten,
    HalfSquaredError,
    MaxPool,
    Network,
    ReLU,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
)


def network_of(*layers, shape, loss=None, seed=0, dtype=np.float64):
    """A network with random weights and biases."""
    rng = np.random.default_rng(seed)
    network = Network(layers, loss or HalfSquaredError(), input_shape=shape, rng=rng, dtype=dtype)
    for name, b in network.params.items():
        b[...] += 0.1 * rng.standard_normal(b.shape) if name.endswith(".b") else 0
    return network


def first(x):
    """Images of the book, channels last, as PyTorch wants them: channels first."""
    return torch.from_numpy(np.moveaxis(x, -1, 1).copy())


def last(y):
    """Maps of PyTorch as the book has them; rows stay as they are."""
    return np.moveaxis(y.detach().numpy(), 1, -1) if y.ndim > 2 else y.detach().numpy()


def gap(a, b):
    """The largest difference of any entry; b may be one number for all of them."""
    assert np.ndim(b) == 0 or np.shape(a) == np.shape(b), (np.shape(a), np.shape(b))
    return np.abs(np.asarray(a) - np.asarray(b)).max()


def torch_answers(module, x):
    """The outputs, and the delta of the input for deltas that equal the outputs."""
    x = first(x).requires_grad_()
    z = module(x)
    z.backward(z.detach())
    return last(z), last(x.grad)


def keras_answers(model, x):
    """The same in TensorFlow."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        z = model(x)
    return z.numpy(), tape.gradient(z, x, output_gradients=z).numpy()


def classical(seed=0, dtype=np.float64):
    return network_of(
        Conv(5, 2, stride=2, center=(0, 0), flip=True),
        ReLU(),
        MaxPool(2),
        Conv(20, 3, center=(1, 1), flip=True, init="glorot"),
        Sigmoid(),
        Flatten(),
        Dense(60, init="glorot"),
        Sigmoid(),
        Dense(10, init="glorot"),
        Softmax(),
        shape=(28, 28, 1),
        loss=CrossEntropy(),
        seed=seed,
        dtype=dtype,
    )


def modern(seed=0, dtype=np.float64):
    return network_of(
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
        shape=(28, 28, 1),
        loss=SoftmaxCrossEntropy(),
        seed=seed,
        dtype=dtype,
    )


def awkward(seed=0, dtype=np.float64):
    return network_of(
        Conv(6, 4, stride=2, padding="same"),
        ReLU(),
        Conv(8, 3, dilation=2, padding="same", flip=True),
        Tanh(),
        MaxPool(3, stride=2, padding="same"),
        Conv(10, 2, center=(1, 1)),
        ReLU(),
        AvgPool(2),
        Flatten(),
        Dense(10),
        shape=(28, 28, 1),
        loss=SoftmaxCrossEntropy(),
        seed=seed,
        dtype=dtype,
    )


MODELS = {"classical": classical, "modern": modern, "awkward": awkward}


def nll_torch(y, t):
    """CrossEntropy of probabilities, in PyTorch."""
    return torch.nn.functional.nll_loss(y.log(), t)


def nll_keras(t, y):
    """The same in TensorFlow."""
    return -tf.reduce_mean(tf.math.log(tf.gather(y, t, batch_dims=1)))


LOSSES = {
    SoftmaxCrossEntropy: (
        torch.nn.CrossEntropyLoss(),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ),
    CrossEntropy: (nll_torch, nll_keras),
}


def turned(network, arrays):
    """Weights or gradients as a framework has them: those of a flipped kernel reversed."""
    arrays = dict(arrays)
    for name, layer in network.layers.items():
        if isinstance(layer, Conv) and layer.geometry["flip"]:
            arrays[f"{name}.w"] = arrays[f"{name}.w"][:, ::-1, ::-1]
    return arrays


def error(g, theirs):
    return gap(g, theirs) / np.abs(theirs).max()
