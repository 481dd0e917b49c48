"""Max pool with a running maximum, NHWC, class."""

import numpy as np

from .common import check, pool_case

TRUTH = {
    "right": False,
    "what": "Two: the running maximum begins at 0, so windows of negative values give 0; and delta is assigned, not added, where windows overlap.",
    "kind": "pool max",
    "limits": "",
}


class MaxPooling:
    def __init__(self, size, stride):
        self.size, self.stride = size, stride

    def forward(self, x):
        n, h, w, c = x.shape
        s = self.stride
        oh, ow = (h - self.size) // s + 1, (w - self.size) // s + 1
        out = np.zeros((n, oh, ow, c))
        self.where = np.zeros((n, oh, ow, c), dtype=int)
        for k in range(self.size * self.size):
            i, j = divmod(k, self.size)
            part = x[:, i : i + s * oh : s, j : j + s * ow : s]
            part = part[:, :oh, :ow]
            better = part > out
            out[better] = part[better]
            self.where[better] = k
        self.x = x
        return out

    def backward(self, da):
        dx = np.zeros_like(self.x)
        for n, i, j, c in np.ndindex(*da.shape):
            p, q = divmod(self.where[n, i, j, c], self.size)
            dx[n, i * self.stride + p, j * self.stride + q, c] = da[n, i, j, c]
        return dx


def report():
    from cnnlib.diagnosis import adapt, diagnose_pool

    return diagnose_pool(adapt(MaxPooling, "NHWC"), kind="max")


def _run(shift=0, **c):
    x, da, ref = pool_case(**c)
    t, back = (0, 3, 1, 2), (0, 2, 3, 1)
    pool = MaxPooling(c["k"], c["s"])
    a = pool.forward(x.transpose(back) + shift)
    return dict(
        a=(a.transpose(t), ref["a"] + shift),
        dx=(pool.backward(da.transpose(back)).transpose(t), ref["dx"]),
    )


def truth():
    side = [dict(N=1, C=2, size=(6, 6), k=2, s=2), dict(N=2, C=3, size=(7, 6), k=3, s=3)]
    over = [dict(N=2, C=3, size=(7, 6), k=3, s=2), dict(N=2, C=2, size=(6, 5), k=2, s=1)]
    check(_run, [dict(c, shift=10) for c in side])
    check(_run, [dict(c, shift=10) for c in over], {"dx"})
    check(_run, side, {"a", "dx"})
