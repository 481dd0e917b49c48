"""Max pool, reshape trick and argmax, class MaxPool2D(pool_size), NCHW, windows side by side, exact fit."""

import numpy as np

from .common import check, pool_case

TRUTH = {"right": True, "what": "", "kind": "pool max", "limits": "stride = window, exact fit"}


class MaxPool2D:
    def __init__(self, pool_size=2):
        self.p = pool_size

    def forward(self, x):
        n, c, h, w = x.shape
        p = self.p
        self.shape = x.shape
        blocks = (
            x.reshape(n, c, h // p, p, w // p, p)
            .transpose(0, 1, 2, 4, 3, 5)
            .reshape(n, c, h // p, w // p, p * p)
        )
        self.arg = blocks.argmax(axis=-1)
        return blocks.max(axis=-1)

    def backward(self, grad):
        n, c, h, w = self.shape
        p = self.p
        blocks = np.zeros(grad.shape + (p * p,))
        np.put_along_axis(blocks, self.arg[..., None], grad[..., None], axis=-1)
        return (
            blocks.reshape(n, c, h // p, w // p, p, p)
            .transpose(0, 1, 2, 4, 3, 5)
            .reshape(n, c, h, w)
        )


def report():
    from cnnlib.diagnosis import adapt, diagnose_pool

    return diagnose_pool(
        adapt(MaxPool2D, "NCHW", make=lambda window, stride: MaxPool2D(window)),
        kind="max",
        stride="window",
        limits=["exact fit"],
    )


def _run(**c):
    x, da, ref = pool_case(**c)
    pool = MaxPool2D(c["k"])
    return dict(a=(pool.forward(x), ref["a"]), dx=(pool.backward(da), ref["dx"]))


def truth():
    cases = [
        dict(N=1, C=1, size=(4, 4), k=2, s=2),
        dict(N=2, C=3, size=(6, 9), k=3, s=3),
        dict(N=2, C=2, size=(8, 4), k=4, s=4),
    ]
    check(_run, cases + [dict(c, ties=True) for c in cases])
