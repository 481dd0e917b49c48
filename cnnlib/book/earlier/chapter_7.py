"""What chapter 7 trains, for the records of `make results`: the same with other seeds."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import fftconvolve

import cnnlib

from ...data import digits
from ...learning import (
    SGD,
    Adam,
    Conv,
    Dense,
    Flatten,
    Layer,
    Network,
    ReLU,
    RMSprop,
    SoftmaxCrossEntropy,
    Tanh,
    batches,
    evaluate,
    fit,
)


def bodies(size):
    """Three networks without their last layer."""
    return {
        "convolutions": [Conv(16, size, stride=2), ReLU(), Conv(32, 3), ReLU(), Flatten()],
        "hidden layer": [Flatten(), Dense(64), ReLU()],
        "linear": [Flatten()],
    }


def train(split, networks, epochs, seed=1):
    """Finish and train each of the networks, and examine it on samples never seen."""
    around = tuple(range(split.x_train.ndim - 1))  # all axes but the channels
    mean, scale = split.x_train.mean(around), split.x_train.std(around)
    x, x_test = ((a - mean) / scale for a in (split.x_train, split.x_test))
    histories = {}
    for name, layers in networks.items():
        layers = [*layers, Dense(split.t_train.max() + 1)]
        network = Network(
            layers, SoftmaxCrossEntropy(), input_shape=x.shape[1:], rng=np.random.default_rng(seed)
        )
        histories[name] = fit(
            network,
            x,
            split.t_train,
            optimizer=Adam(),
            epochs=epochs,
            batch=32,
            rng=np.random.default_rng(seed),
            progress=False,
            validation=(x_test, split.t_test),
        )
    return histories


class Asked(Layer):
    """The layer of the question: one channel, filters (K, *U), a convolution of mode 'same'."""

    def __init__(self, filters, kernel, scale=0.3):
        super().__init__()
        self.shape, self.axes = (filters, *kernel), tuple(range(1, len(kernel) + 1))
        self.scale = scale

    def build(self, shape, rng, dtype):
        self.params["w"] = self.scale * rng.normal(size=self.shape)
        return super().build(shape, rng, dtype)


def forward(self, x):
    """z_k = x convolved with w_k, for every sample."""
    self.x = x[..., 0]
    maps = [fftconvolve(self.x, w[None], "same", axes=self.axes) for w in self.params["w"]]
    return np.stack(maps, axis=-1)


def delta(self, dz):
    """The deltas of the outputs, convolved with the transposed kernels."""
    parts = [
        fftconvolve(dz[..., k], w.T[None], "same", axes=self.axes)
        for k, w in enumerate(self.params["w"])
    ]
    return sum(parts)[..., None]


def gradients(self, dz):
    """Deltas convolved with the input; then all windows of the kernel's shape are added up."""
    self.grads["w"] = np.empty(self.shape)
    for k in range(len(self.grads["w"])):
        both = fftconvolve(dz[..., k], self.x, "same", axes=self.axes)
        windows = sliding_window_view(both, self.shape[1:], axis=self.axes)
        self.grads["w"][k] = windows.sum(axis=(0, *self.axes))


Asked.forward, Asked.delta, Asked.gradients = forward, delta, gradients  # type: ignore[assignment, method-assign]


class Right(Asked):
    """The same forward pass, and gradients from the index rule."""

    def how(self):
        return {"center": tuple((U - 1) // 2 for U in self.shape[1:]), "flip": True}

    def delta(self, dz):
        return cnnlib.conv_delta(dz, self.params["w"][..., None], (*self.x.shape, 1), **self.how())

    def gradients(self, dz):
        dw = cnnlib.conv_weight_gradient(self.x[..., None], dz, self.shape[1:], **self.how())
        self.grads["w"] = dw[..., 0]


x_train, t_train, x_test, t_test = digits()
WAYS = {
    "one sample": (SGD, 0.05, 1),
    "sum of 32": (SGD, 32 * 0.05, 32),
    "mean of 32": (SGD, 0.05, 32),
    "mean of 32, RMSprop": (RMSprop, 1e-3, 32),
}


def digit_network(layer, seed=0, scale=0.3):
    """One convolution and a dense head."""
    layers = [layer(8, (5, 5), scale), Tanh(), Flatten(), Dense(10)]
    return Network(
        layers,
        SoftmaxCrossEntropy(),
        input_shape=(8, 8, 1),
        rng=np.random.default_rng(seed),
        dtype=np.float64,
    )


def trained(layer, way, seed=0, scale=0.3):
    """Losses step by step of one epoch, and the accuracy on digits never seen."""
    optimizer, rate, batch = WAYS[way]
    network = digit_network(layer, seed, scale)
    history = fit(
        network,
        x_train,
        t_train,
        optimizer=optimizer(rate),
        epochs=1,
        batch=batch,
        rng=np.random.default_rng(seed),
        progress=False,
    )
    return np.array(history.loss), evaluate(network, x_test, t_test)[1]


def frozen_head(layer, seed=0, scale=0.3, epochs=4):
    """Train the convolution only; the dense head keeps its first random weights."""
    network, rng = digit_network(layer, seed, scale), np.random.default_rng(seed)
    own = [name for name in network.params if not name.startswith("dense")]
    optimizer = RMSprop(0.01)
    for _ in range(epochs):
        for index in batches(len(x_train), 32, rng):
            _, grads = network.gradients(x_train[index], t_train[index])
            optimizer.step(
                {name: network.params[name] for name in own}, {name: grads[name] for name in own}
            )
    return evaluate(network, x_test, t_test)[1]
