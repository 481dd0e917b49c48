"""A small residual network with and without its norms and sums, as chapter 10 writes it."""

import numpy as np

from ...learning import (
    BatchNorm,
    Conv,
    Dense,
    GlobalAveragePool,
    Network,
    ReLU,
    Residual,
    SoftmaxCrossEntropy,
)


def convolved(filters, size, stride, norm):
    """A convolution, and behind it a batch norm, which makes a bias superfluous."""
    conv = Conv(filters, size, stride=stride, padding=size // 2, bias=not norm)
    return [conv, BatchNorm()] if norm else [conv]


def unit(filters, stride, norm, sums):
    """Two convolutions, with a way past them or without."""
    main = [*convolved(filters, 3, stride, norm), ReLU(), *convolved(filters, 3, 1, norm)]
    beside = convolved(filters, 1, stride, norm) if stride > 1 else ()
    return [*([Residual(main, shortcut=beside)] if sums else main), ReLU()]


def deep(norm, sums, seed):
    """Seventeen convolutions on the main way: one, and two in each of eight units."""
    layers = [*convolved(8, 3, 2, norm), ReLU()]
    for filters, stride in 4 * [(8, 1)] + [(16, 2)] + 3 * [(16, 1)]:
        layers += unit(filters, stride, norm, sums)
    layers += [GlobalAveragePool(), Dense(10)]
    rng = np.random.default_rng(seed)
    return Network(layers, SoftmaxCrossEntropy(), input_shape=(28, 28, 1), rng=rng)
