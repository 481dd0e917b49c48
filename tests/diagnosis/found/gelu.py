"""GELU by its tanh formula, class with forward and backward."""

import numpy as np

from .common import check, numgrad

TRUTH = {"right": True, "what": "", "kind": "gradient (GELU)", "limits": ""}


class GELU:
    def forward(self, x):
        self.x = x
        self.t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
        return 0.5 * x * (1 + self.t)

    def backward(self, grad):
        inner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * self.x**2)
        return grad * (0.5 * (1 + self.t) + 0.5 * self.x * (1 - self.t**2) * inner)


def report():
    from cnnlib.diagnosis import diagnose_gradient

    return diagnose_gradient(GELU(), inputs={"x": "N C"})


def _run(seed):
    r = np.random.default_rng(seed)
    x, df = r.normal(size=(3, 4)), r.normal(size=(3, 4))
    layer = GELU()
    layer.forward(x)
    return {"dx": (layer.backward(df), numgrad(lambda: GELU().forward(x), x, df))}


def truth():
    check(_run, [dict(seed=1), dict(seed=2)], (), 1e-5)
    import torch

    x = np.linspace(-3, 3, 13)
    assert np.allclose(
        GELU().forward(x), torch.nn.functional.gelu(torch.tensor(x), approximate="tanh").numpy()
    )
