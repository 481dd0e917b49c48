"""scipy.signal, one sample at a time (C, H, W), as in 'CNN from scratch' videos."""

import numpy as np
from scipy import signal

from .common import SQ1, check, conv_case

TRUTH = {
    "right": True,
    "what": "",
    "kind": "conv",
    "limits": "one sample, square kernel, stride 1, padding 0; updates its weights inside",
}


class Convolutional:
    def __init__(self, input_depth, depth, kernel_size):
        self.depth = depth
        self.input_depth = input_depth
        self.kernels = np.random.randn(depth, input_depth, kernel_size, kernel_size)
        self.biases = np.random.randn(depth)

    def forward(self, input):
        self.input = input
        self.output = np.stack(
            [
                sum(
                    signal.correlate2d(self.input[j], self.kernels[i, j], "valid")
                    for j in range(self.input_depth)
                )
                + self.biases[i]
                for i in range(self.depth)
            ]
        )
        return self.output

    def backward(self, output_gradient, learning_rate=0.1):
        kernels_gradient = np.zeros(self.kernels.shape)
        input_gradient = np.zeros(self.input.shape)
        for i in range(self.depth):
            for j in range(self.input_depth):
                kernels_gradient[i, j] = signal.correlate2d(
                    self.input[j], output_gradient[i], "valid"
                )
                input_gradient[j] += signal.convolve2d(
                    output_gradient[i], self.kernels[i, j], "full"
                )
        self.kernels_gradient = kernels_gradient
        self.biases_gradient = output_gradient.sum(axis=(1, 2))
        self.kernels = self.kernels - learning_rate * kernels_gradient
        self.biases = self.biases - learning_rate * self.biases_gradient
        return input_gradient


def layer(x, w, b, dz, stride, padding):
    conv = Convolutional(x.shape[3], w.shape[0], w.shape[1])
    conv.kernels, conv.biases = w.transpose(0, 3, 1, 2), b
    z = conv.forward(x[0].transpose(2, 0, 1))
    dx = conv.backward(dz[0].transpose(2, 0, 1))
    return {
        "z": z.transpose(1, 2, 0)[None],
        "dx": dx.transpose(1, 2, 0)[None],
        "dw": conv.kernels_gradient.transpose(0, 2, 3, 1),
        "db": conv.biases_gradient,
    }


def report():
    from cnnlib.diagnosis import diagnose

    return diagnose(layer, stride=1, padding=0, limits=["one sample", "square kernel"])


def _run(**c):
    x, w, b, dz, ref = conv_case(**dict(c, N=1))
    t = (0, 2, 3, 1)
    got = layer(x.transpose(t), w.transpose(t), b, dz.transpose(t), 1, 0)
    return {n: (v, ref[n] if n == "db" else ref[n].transpose(t)) for n, v in got.items()}


def truth():
    check(_run, SQ1)
