"""Coursera: average pooling with distribute_value, NHWC."""

import numpy as np

from .common import check, pool_case

TRUTH = {"right": True, "what": "", "kind": "pool average", "limits": ""}


def pool_forward(A_prev, hparameters):
    (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
    f, stride = hparameters["f"], hparameters["stride"]
    n_H = int(1 + (n_H_prev - f) / stride)
    n_W = int(1 + (n_W_prev - f) / stride)
    A = np.zeros((m, n_H, n_W, n_C_prev))
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C_prev):
                    A[i, h, w, c] = np.mean(
                        A_prev[i, h * stride : h * stride + f, w * stride : w * stride + f, c]
                    )
    return A, (A_prev, hparameters)


def distribute_value(dz, shape):
    (n_H, n_W) = shape
    average = dz / (n_H * n_W)
    return np.ones(shape) * average


def pool_backward(dA, cache):
    (A_prev, hparameters) = cache
    stride, f = hparameters["stride"], hparameters["f"]
    m, n_H, n_W, n_C = dA.shape
    dA_prev = np.zeros(A_prev.shape)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    da = dA[i, h, w, c]
                    dA_prev[i, h * stride : h * stride + f, w * stride : w * stride + f, c] += (
                        distribute_value(da, (f, f))
                    )
    return dA_prev


def pool(x, da, window, stride):
    A, cache = pool_forward(x, {"f": window, "stride": stride})
    return A, pool_backward(da, cache)


def report():
    from cnnlib.diagnosis import diagnose_pool

    return diagnose_pool(pool, kind="avg")


def _run(**c):
    x, da, ref = pool_case(**c, kind="avg")
    t, back = (0, 3, 1, 2), (0, 2, 3, 1)
    got = dict(zip(("a", "dx"), pool(x.transpose(back), da.transpose(back), c["k"], c["s"])))
    return {n: (v.transpose(t), ref[n]) for n, v in got.items()}


def truth():
    check(
        _run,
        [
            dict(N=1, C=1, size=(4, 4), k=2, s=2),
            dict(N=2, C=3, size=(7, 6), k=3, s=2),
            dict(N=2, C=2, size=(7, 5), k=2, s=3),
            dict(N=2, C=2, size=(6, 5), k=2, s=1),
        ],
    )
