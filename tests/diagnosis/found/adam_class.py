"""A two-layer net with the Adam of 'Deep Learning from Scratch': the rate corrected, no m_hat."""

import numpy as np

from .steps import torch_step_check

TRUTH = {
    "right": True,
    "what": "",
    "kind": "step (Adam)",
    "limits": "epsilon where the paper's shorter form has it",
}


class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999):
        self.lr, self.beta1, self.beta2 = lr, beta1, beta2
        self.iter, self.m, self.v = 0, None, None

    def update(self, params, grads):
        if self.m is None:
            self.m, self.v = {}, {}
            for key, val in params.items():
                self.m[key], self.v[key] = np.zeros_like(val), np.zeros_like(val)
        self.iter += 1
        lr_t = self.lr * np.sqrt(1.0 - self.beta2**self.iter) / (1.0 - self.beta1**self.iter)
        for key in params.keys():
            self.m[key] += (1 - self.beta1) * (grads[key] - self.m[key])
            self.v[key] += (1 - self.beta2) * (grads[key] ** 2 - self.v[key])
            params[key] -= lr_t * self.m[key] / (np.sqrt(self.v[key]) + 1e-8)


def gradients(p, x, t):
    a1 = x @ p["w1"] + p["b1"]
    z1 = np.maximum(a1, 0)
    a2 = z1 @ p["w2"] + p["b2"]
    y = np.exp(a2 - a2.max(axis=1, keepdims=True))
    y /= y.sum(axis=1, keepdims=True)
    d = y.copy()
    d[np.arange(len(t)), t] -= 1
    d /= len(t)
    da1 = (d @ p["w2"].T) * (a1 > 0)
    return {"w2": z1.T @ d, "b2": d.sum(axis=0), "w1": x.T @ da1, "b1": da1.sum(axis=0)}


def train_step(params, x, t, rate, state):
    optimizer = state.setdefault("optimizer", Adam(lr=rate))
    optimizer.update(params, gradients(params, x, t))


def report():
    from cnnlib.diagnosis import diagnose_step
    from cnnlib.learning import Adam as Declared

    return diagnose_step(train_step, optimizer=Declared(0.05))


def truth():
    import torch

    torch_step_check(
        train_step, lambda t, lr: torch.optim.Adam(list(t.values()), lr), True, tol=1e-3
    )
