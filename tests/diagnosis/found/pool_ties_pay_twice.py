"""CS231n: naive max pool, mask by comparison, NCHW."""

import numpy as np

from .common import check, pool_case

TRUTH = {
    "right": False,
    "what": "At ties each maximum of a window gets the whole delta (mask window == max): too much goes back; right without ties.",
    "kind": "pool max",
    "limits": "",
}


def max_pool_forward_naive(x, pool_param):
    N, C, H, W = x.shape
    HH, WW, S = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    Ho, Wo = 1 + (H - HH) // S, 1 + (W - WW) // S
    out = np.zeros((N, C, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            out[:, :, i, j] = x[:, :, i * S : i * S + HH, j * S : j * S + WW].max(axis=(2, 3))
    return out, (x, pool_param)


def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    N, C, H, W = x.shape
    HH, WW, S = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    window = x[n, c, i * S : i * S + HH, j * S : j * S + WW]
                    mask = window == np.max(window)
                    dx[n, c, i * S : i * S + HH, j * S : j * S + WW] += mask * dout[n, c, i, j]
    return dx


def pool(x, da, window, stride):
    t, back = (0, 3, 1, 2), (0, 2, 3, 1)
    out, cache = max_pool_forward_naive(
        x.transpose(t), {"pool_height": window, "pool_width": window, "stride": stride}
    )
    return {
        "a": out.transpose(back),
        "dx": max_pool_backward_naive(da.transpose(t), cache).transpose(back),
    }


def report():
    from cnnlib.diagnosis import diagnose_pool

    return diagnose_pool(pool, kind="max")


def _run(**c):
    x, da, ref = pool_case(**c)
    t, back = (0, 3, 1, 2), (0, 2, 3, 1)
    got = pool(x.transpose(back), da.transpose(back), c["k"], c["s"])
    return {n: (v.transpose(t), ref[n]) for n, v in got.items()}


CASES = [
    dict(N=1, C=1, size=(4, 4), k=2, s=2),
    dict(N=2, C=3, size=(7, 6), k=3, s=2),
    dict(N=2, C=2, size=(7, 5), k=2, s=3),
    dict(N=2, C=2, size=(6, 5), k=2, s=1),
]


def truth():
    check(_run, CASES)
    check(_run, [dict(c, ties=True) for c in CASES], {"dx"})
