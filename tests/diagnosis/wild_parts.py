"""The catalogue's mistakes in pooling, in the head and in a training step, as people write them.

Each list has functions with the keywords of their diagnosis, the quantity, and the entry.
"""

import numpy as np

POOL: list = []
HEAD: list = []
STEP: list = []


def listed(into, quantity, id, **how):
    def register(fn):
        into.append((fn, how, quantity, id))
        return fn

    return register


def windows(a, k, s):
    for i in range(a.shape[1]):
        for j in range(a.shape[2]):
            yield i, j, np.s_[:, i * s : i * s + k, j * s : j * s + k]


# ---- Pooling


@listed(POOL, "dx", "P1")
def mask_of_the_maximum(x, da, k, s):
    dx = np.zeros_like(x)
    for i, j, at in windows(da, k, s):
        mask = x[at] == x[at].max(axis=(1, 2), keepdims=True)
        dx[at] += mask * da[:, i : i + 1, j : j + 1]
    return {"dx": dx}


@listed(POOL, "dx", "P1")
def mask_window_by_window(x, da, k, s):
    dx = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(*da.shape):
        window = x[n, i * s : i * s + k, j * s : j * s + k, c]
        for u, v in np.ndindex(k, k):
            if window[u, v] == np.max(window):
                dx[n, i * s + u, j * s + v, c] += da[n, i, j, c]
    return {"dx": dx}


@listed(POOL, "dx", "P2")
def winner_assigned(x, da, k, s):
    dx = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(*da.shape):
        window = x[n, i * s : i * s + k, j * s : j * s + k, c]
        u, v = np.unravel_index(window.argmax(), window.shape)
        dx[n, i * s + u, j * s + v, c] = da[n, i, j, c]
    return {"dx": dx}


@listed(POOL, "dx", "P2")
def winner_by_a_buffered_index(x, da, k, s):
    dx = np.zeros(x.shape)
    n, i, j, c = np.indices(da.shape)
    view = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))[:, ::s, ::s]
    u, v = np.divmod(view.reshape(*da.shape, k * k).argmax(axis=-1), k)
    dx[n, i * s + u, j * s + v, c] += da
    return {"dx": dx}


@listed(POOL, "dx", "P2", kind="avg")
def average_assigned(x, da, k, s):
    dx = np.zeros(x.shape)
    for i, j, at in windows(da, k, s):
        dx[at] = da[:, i : i + 1, j : j + 1] / (k * k)
    return {"dx": dx}


@listed(POOL, "dx", "P3", kind="avg")
def average_not_divided(x, da, k, s):
    dx = np.zeros(x.shape)
    for i, j, at in windows(da, k, s):
        dx[at] += np.ones((1, k, k, 1)) * da[:, i : i + 1, j : j + 1]
    return {"dx": dx}


@listed(POOL, "a", "P3", kind="avg")
def sum_for_average(x, da, k, s):
    a = np.zeros(da.shape)
    for i, j, at in windows(da, k, s):
        a[:, i, j] = x[at].sum(axis=(1, 2))
    return {"a": a}


@listed(POOL, "dx", "P4")
def return_in_the_loop(x, da, k, s):
    dx = np.zeros(x.shape)
    for n in range(len(x)):
        for i in range(da.shape[1]):
            for j in range(da.shape[2]):
                for c in range(x.shape[3]):
                    window = x[n, i * s : i * s + k, j * s : j * s + k, c]
                    u, v = np.unravel_index(np.argmax(window), (k, k))
                    dx[n, i * s + u, j * s + v, c] += da[n, i, j, c]
                return {"dx": dx}


@listed(POOL, "dx", "P4", kind="avg")
def return_in_the_loop_over_windows(x, da, k, s):
    dx = np.zeros(x.shape)
    for i, j, at in windows(da, k, s):
        dx[at] += da[:, i : i + 1, j : j + 1] / k**2
        return {"dx": dx}


@listed(POOL, "dx", "P4")
def return_after_the_first_row(x, da, k, s):
    dx = np.zeros(x.shape)
    for i in range(da.shape[1]):
        for j in range(da.shape[2]):
            at = np.s_[:, i * s : i * s + k, j * s : j * s + k]
            flat = x[at].reshape(len(x), k * k, -1)
            first = np.arange(k * k)[None, :, None] == flat.argmax(axis=1)[:, None]
            dx[at] += first.reshape(x[at].shape) * da[:, i : i + 1, j : j + 1]
        return {"dx": dx}


@listed(POOL, "dx", "P6", kind="avg")
def repeated(x, da, k, s):
    return {"dx": da.repeat(k, axis=1).repeat(k, axis=2) / k**2}


@listed(POOL, "dx", "P6", kind="avg")
def kron(x, da, k, s):
    return {"dx": np.kron(da, np.ones((1, k, k, 1))) / (k * k)}


@listed(POOL, "dx", "P6")
def repeated_with_a_mask(x, da, k, s):
    a = np.zeros(da.shape)
    for i, j, at in windows(da, k, s):
        a[:, i, j] = x[at].max(axis=(1, 2))
    mask = a.repeat(k, 1).repeat(k, 2) == x  # raises where the sizes differ
    return {"dx": da.repeat(k, 1).repeat(k, 2) * mask}


# ---- Head


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def delta(x, w, b, t):
    d = softmax(x @ w + b)
    d[np.arange(len(t)), t] -= 1
    return d / len(t)


@listed(HEAD, "dx", "S1", relu=True)
def relu_returns_its_mask(x, w, b, t):
    a = np.maximum(x, 0)
    dx = delta(a, w, b, t) @ w.T
    dx = (a > 0).astype(float)
    return {"dx": dx}


@listed(HEAD, "dx", "S1", relu=True)
def relu_assigned_where_positive(x, w, b, t):
    dx = delta(np.maximum(x, 0), w, b, t) @ w.T
    dx[x <= 0] = 0
    dx[x > 0] = 1
    return {"dx": dx}


@listed(HEAD, "dx", "S2", relu=True)
def relu_tested_at_its_output(x, w, b, t):
    a = x * (x > 0)
    return {"dx": (delta(a, w, b, t) @ w.T) * (a >= 0)}


@listed(HEAD, "dx", "S3", relu=True)
def relu_left_out(x, w, b, t):
    return {"dx": delta(np.where(x > 0, x, 0), w, b, t).dot(w.T)}


@listed(HEAD, "dz", "S4")
def divided_by_size(x, w, b, t):
    p = softmax(x @ w + b)
    return {"dz": (p - np.eye(p.shape[1])[t]) / p.size}


@listed(HEAD, "loss", "S4")
def mean_of_all(x, w, b, t):
    hot = np.eye(len(b))[t]
    return {"loss": np.mean(-hot * np.log(softmax(x @ w + b)))}


@listed(HEAD, "dw", "S5")
def never_divided(x, w, b, t):
    return {"dw": x.T @ (softmax(x @ w + b) - np.eye(len(b))[t])}


@listed(HEAD, "db", "S5")
def divided_twice(x, w, b, t):
    return {"db": delta(x, w, b, t).mean(axis=0)}


@listed(HEAD, "loss", "S5")
def summed_loss(x, w, b, t):
    return {"loss": -np.log(softmax(x @ w + b)[np.arange(len(x)), t]).sum()}


@listed(HEAD, "dz", "S6")
def derivative_applied_again(x, w, b, t):
    p = softmax(x @ w + b)
    return {"dz": (p - np.eye(len(b))[t]) * p * (1 - p) / len(x)}


@listed(HEAD, "dz", "S6")
def jacobian_applied_again(x, w, b, t):
    p = softmax(x @ w + b)
    d = (p - np.eye(len(b))[t]) / len(x)
    return {"dz": np.stack([(np.diag(q) - np.outer(q, q)) @ row for q, row in zip(p, d)])}  # noqa: B905


@listed(HEAD, "dz", "S7")
def derivative_of_a_sigmoid(x, w, b, t):
    p = softmax(x @ w + b)
    dp = -np.eye(len(b))[t] / p / len(x)
    return {"dz": dp * p * (1 - p)}


@listed(HEAD, "dx", "S7")
def only_where_the_indices_are_equal(x, w, b, t):
    p, dz = softmax(x @ w + b), np.zeros((len(x), len(b)))
    for n, m in np.ndindex(dz.shape):
        for j in range(len(b)):
            if j == m:
                dz[n, m] -= float(j == t[n]) / p[n, j] * p[n, j] * (1 - p[n, m]) / len(x)
    return {"dx": dz @ w.T}


# ---- Training step


def gradients(params, x, t):
    z = x @ params["w1"] + params["b1"]
    a = np.maximum(z, 0)
    d2 = delta(a, params["w2"], params["b2"], t)
    d1 = (d2 @ params["w2"].T) * (z > 0)
    return {"w1": x.T @ d1, "b1": d1.sum(axis=0), "w2": a.T @ d2, "b2": d2.sum(axis=0)}


@listed(STEP, "w1", "D22")
def updated_before_the_delta(params, x, t, rate):
    z = x @ params["w1"] + params["b1"]
    a = np.maximum(z, 0)
    d2 = delta(a, params["w2"], params["b2"], t)
    params["w2"] -= rate * a.T @ d2
    params["b2"] -= rate * d2.sum(axis=0)
    d1 = (d2 @ params["w2"].T) * (z > 0)
    params["w1"] -= rate * x.T @ d1
    params["b1"] -= rate * d1.sum(axis=0)


@listed(STEP, "w1", "T2")
def copies_are_updated(params, x, t, rate):
    for name, gradient in gradients(params, x, t).items():
        value = params[name]
        value = value - rate * gradient
    return params


@listed(STEP, "w1", "T2")
def only_the_last_layer(params, x, t, rate):
    g = gradients(params, x, t)
    return {**params, "w2": params["w2"] - rate * g["w2"], "b2": params["b2"] - rate * g["b2"]}


@listed(STEP, "w2", "S5")
def gradients_of_the_sum(params, x, t, rate):
    g = gradients(params, x, t)
    return {name: params[name] - rate * len(x) * g[name] for name in params}


@listed(STEP, "w2", "W6")
def divided_by_the_batch_again(params, x, t, rate):
    g = gradients(params, x, t)
    return {name: params[name] - rate * g[name] / len(x) for name in params}


class Momentless:
    """W13: gradients that no step clears."""

    def __init__(self):
        self.grads = {}

    def __call__(self, params, x, t, rate):
        for name, gradient in gradients(params, x, t).items():
            before = self.grads.get(name)
            fits = before is not None and before.shape == gradient.shape
            self.grads[name] = gradient + before if fits else gradient
            params[name] -= rate * self.grads[name]


STEP.append((Momentless(), {}, "w1", "W13"))


KEPT: dict = {}


@listed(STEP, "w2", "W13")
def gradients_kept_by_name(params, x, t, rate):
    for name, gradient in gradients(params, x, t).items():
        kept = KEPT.setdefault((name, gradient.shape), np.zeros(gradient.shape))
        kept += gradient
        params[name] = params[name] - rate * kept
    return params
