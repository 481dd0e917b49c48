"""Max pool, NHWC, loops; the place of the maximum by np.argmax of the window."""

import numpy as np

from .common import check, pool_case

TRUTH = {
    "right": False,
    "what": "np.argmax takes the maximum over all channels of the window on the way back: right for one channel only.",
    "kind": "pool max",
    "limits": "",
}


def pool_forward(x, size, stride):
    n, h, w, c = x.shape
    oh, ow = (h - size) // stride + 1, (w - size) // stride + 1
    out = np.zeros((n, oh, ow, c))
    for i in range(oh):
        for j in range(ow):
            out[:, i, j] = np.max(
                x[:, i * stride : i * stride + size, j * stride : j * stride + size], axis=(1, 2)
            )
    return out


def pool_backward(x, dout, size, stride):
    n, oh, ow, c = dout.shape
    dx = np.zeros_like(x)
    for b in range(n):
        for i in range(oh):
            for j in range(ow):
                window = x[b, i * stride : i * stride + size, j * stride : j * stride + size]
                u, v, _ = np.unravel_index(np.argmax(window), window.shape)
                dx[b, i * stride + u, j * stride + v] += dout[b, i, j]
    return dx


def layer(x, da, window, stride):
    return {"a": pool_forward(x, window, stride), "dx": pool_backward(x, da, window, stride)}


def report():
    from cnnlib.diagnosis import diagnose_pool

    return diagnose_pool(layer, kind="max")


def _run(N, C, size, k, s):
    x, da, ref = pool_case(N, C, size, k, s)
    last = (0, 2, 3, 1)
    got = layer(x.transpose(last), da.transpose(last), k, s)
    return {n: (v, ref[n].transpose(last)) for n, v in got.items()}


def truth():
    check(
        _run, [dict(N=2, C=3, size=(6, 6), k=2, s=2), dict(N=1, C=2, size=(7, 5), k=3, s=2)], {"dx"}
    )
    check(_run, [dict(N=2, C=1, size=(6, 6), k=2, s=2)])
