"""CS231n assignment 3: lstm_step_forward and lstm_step_backward; the output is the next h."""

import numpy as np

from .common import check, numgrad

TRUTH = {
    "right": False,
    "what": "The way back through tanh(next_c) takes 1 - next_c**2 instead of 1 - tanh(next_c)**2.",
    "kind": "gradient (LSTM step)",
    "limits": "",
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i, f, o, g = (
        sigmoid(a[:, :H]),
        sigmoid(a[:, H : 2 * H]),
        sigmoid(a[:, 2 * H : 3 * H]),
        np.tanh(a[:, 3 * H :]),
    )
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    do = dnext_h * np.tanh(next_c)
    dc = dnext_h * o * (1 - next_c**2)
    df, di, dg, dprev_c = dc * prev_c, dc * g, dc * i, dc * f
    da = np.hstack((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)))
    return da.dot(Wx.T), da.dot(Wh.T), dprev_c, x.T.dot(da), prev_h.T.dot(da), da.sum(axis=0)


def sizes(rng):
    N, D, H = rng.integers(2, 5, 3)
    return {
        n: rng.normal(size=s)
        for n, s in dict(
            x=(N, D), prev_h=(N, H), prev_c=(N, H), Wx=(D, 4 * H), Wh=(H, 4 * H), b=(4 * H,)
        ).items()
    }


def report():
    from cnnlib.diagnosis import diagnose_gradient

    return diagnose_gradient(lstm_step_forward, lstm_step_backward, sizes)


def _run(seed):
    v = list(sizes(np.random.default_rng(seed)).values())
    out, cache = lstm_step_forward(*v)
    dh = np.random.default_rng(seed + 9).normal(size=out.shape)
    got = lstm_step_backward(dh, cache)
    return {
        n: (g, numgrad(lambda: lstm_step_forward(*v)[0], a, dh))
        for n, g, a in zip(("x", "h", "c", "Wx", "Wh", "b"), got, v)
    }


def truth():
    check(_run, [dict(seed=1), dict(seed=2)], {"x", "h", "c", "Wx", "Wh", "b"}, 1e-5)
