"""Inverted dropout with a mask, class, numpy.random."""

import numpy as np

from .common import close, numgrad

TRUTH = {
    "right": False,
    "what": "The way back takes the mask but not the division by keep_prob that the way there has.",
    "kind": "gradient (dropout)",
    "limits": "",
}


class Dropout:
    def __init__(self, keep_prob=0.6):
        self.keep_prob = keep_prob

    def forward(self, A):
        self.D = np.random.rand(*A.shape) < self.keep_prob
        return A * self.D / self.keep_prob

    def backward(self, dA):
        return dA * self.D


def report():
    from cnnlib.diagnosis import diagnose_gradient

    return diagnose_gradient(Dropout(), inputs={"A": "N D"})


def truth():
    r = np.random.default_rng(1)
    A, d, layer = r.normal(size=(5, 6)), r.normal(size=(5, 6)), Dropout()

    def f():
        np.random.seed(3)
        return layer.forward(A)

    f()
    got, want = layer.backward(d), numgrad(f, A, d)
    assert not close(got, want, 1e-5) and close(got / 0.6, want, 1e-5)
