"""A recurrent cell as in the rnn_step exercises: tanh(x Wx + h Wh + b)."""

import numpy as np

from .common import check, numgrad

TRUTH = {
    "right": False,
    "what": "The derivative of tanh is taken as 1 - z**2 of the sum before it instead of 1 - tanh(z)**2.",
    "kind": "gradient (rnn step, tanh)",
    "limits": "",
}


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    z = x @ Wx + prev_h @ Wh + b
    next_h = np.tanh(z)
    return next_h, (x, prev_h, Wx, Wh, z)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, z = cache
    dz = dnext_h * (1 - z**2)
    return dz @ Wx.T, dz @ Wh.T, x.T @ dz, prev_h.T @ dz, dz.sum(axis=0)


def report():
    from cnnlib.diagnosis import diagnose_gradient

    return diagnose_gradient(
        rnn_step_forward,
        rnn_step_backward,
        {"x": "N D", "prev_h": "N H", "Wx": "D H", "Wh": "H H", "b": "H"},
    )


def _run(seed):
    r = np.random.default_rng(seed)
    v = [r.normal(size=s) for s in ((3, 4), (3, 5), (4, 5), (5, 5), (5,))]
    out, cache = rnn_step_forward(*v)
    dh = r.normal(size=out.shape)
    got = rnn_step_backward(dh, cache)
    return {
        n: (g, numgrad(lambda: rnn_step_forward(*v)[0], a, dh))
        for n, g, a in zip(("x", "h", "Wx", "Wh", "b"), got, v)
    }


def truth():
    check(_run, [dict(seed=1), dict(seed=2)], {"x", "h", "Wx", "Wh", "b"}, 1e-5)
