"""Training steps with momentum, Adam, RMSprop and weight decay, as the public writes them."""

import numpy as np

from cnnlib.learning.optimizers import SGD, Adam, Momentum, RMSprop

STEPS: list = []
NAMES = ("w1", "b1", "w2", "b2")


def step(name=None, says="", **how):
    """List the function below; `name` is the entry that is found, or words, None if it is right."""

    def register(fn):
        STEPS.append((fn, how, name, says))
        return fn

    return register


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def top(z, t, N):
    return (softmax(z) - np.eye(z.shape[1])[t]) / N


def gradients(p, x, t, f=lambda z: np.maximum(z, 0), slope=lambda z, a: z > 0, delta=top):
    z = x @ p["w1"] + p["b1"]
    a = f(z)
    d2 = delta(a @ p["w2"] + p["b2"], t, len(x))
    d1 = (d2 @ p["w2"].T) * slope(z, a)
    return {"w1": x.T @ d1, "b1": d1.sum(axis=0), "w2": a.T @ d2, "b2": d2.sum(axis=0)}


# ---- Momentum

V = {"optimizer": Momentum(0.1)}


@step(**V)
def momentum(params, x, t, rate, state):
    for n, g in gradients(params, x, t).items():
        state[n] = 0.9 * state.get(n, 0) + g
        params[n] = params[n] - rate * state[n]
    return params


@step(**V)
def momentum_of_keras(params, x, t, rate, state):
    for n, g in gradients(params, x, t).items():
        state[n] = 0.9 * state.get(n, 0) - rate * g
        params[n] += state[n]


@step(says="1 - momentum", **V)
def momentum_damped(params, x, t, rate, state):
    for n, g in gradients(params, x, t).items():
        state[n] = 0.9 * state.get(n, 0) + 0.1 * g
        params[n] -= rate * state[n]


@step("T3", **V)
def velocity_zeroed(params, x, t, rate, state):
    v = {n: np.zeros_like(a) for n, a in params.items()}
    for n, g in gradients(params, x, t).items():
        v[n] = 0.9 * v[n] + g
        params[n] -= rate * v[n]


@step("T4", **V)
def velocity_of_before(params, x, t, rate, state):
    for n, g in gradients(params, x, t).items():
        old = state.get(n, np.zeros_like(g))
        state[n] = 0.9 * old + g
        params[n] -= rate * old


@step("T5", **V)
def velocity_uphill(params, x, t, rate, state):
    for n, g in gradients(params, x, t).items():
        state[n] = 0.9 * state.get(n, 0) + rate * g
        params[n] += state[n]


@step("T5", **V)
def velocity_subtracted(params, x, t, rate, state):
    for n, g in gradients(params, x, t).items():
        state[n] = g - 0.9 * state.get(n, 0)
        params[n] -= rate * state[n]


# ---- Adam and RMSprop

A = {"optimizer": Adam(0.01)}


def adam(params, grads, rate, state, one=0.9, two=0.999, fix=True, m=None, v=None, clock=None):
    state["t"] = state.get("t", 0) + 1
    for n, g in grads.items():
        old_m, old_v = state.get(n, (0, 0))
        new_m = one * old_m + (1 - one) * g if m is None else m(old_m, g, params[n])
        new_v = two * old_v + (1 - two) * g * g if v is None else v(old_v, g, params[n])
        state[n] = new_m, new_v
        t = clock(state, n) if clock else state["t"]
        if fix:
            new_m, new_v = new_m / (1 - one**t), new_v / (1 - two**t)
        params[n] = params[n] - rate * new_m / (np.sqrt(new_v) + 1e-8)
    return params


@step(**A)
def adam_right(params, x, t, rate, state):
    return adam(params, gradients(params, x, t), rate, state)


@step(says="form='keras'", optimizer=Adam(0.01, epsilon=0.01))
def adam_of_keras(params, x, t, rate, state):
    state["t"] = state.get("t", 0) + 1
    for n, g in gradients(params, x, t).items():
        m, v = state.get(n, (0, 0))
        m, v = state[n] = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        step = rate * np.sqrt(1 - 0.999 ** state["t"]) / (1 - 0.9 ** state["t"])
        params[n] -= step * m / (np.sqrt(v) + 0.01)


@step("T6", **A)
def adam_uncorrected(params, x, t, rate, state):
    return adam(params, gradients(params, x, t), rate, state, fix=False)


@step("T7", **A)
def adam_multiplied(params, x, t, rate, state):
    state["t"] = state.get("t", 0) + 1
    for n, g in gradients(params, x, t).items():
        m, v = state.get(n, (0, 0))
        m, v = state[n] = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        m, v = m * (1 - 0.9 ** state["t"]), v * (1 - 0.999 ** state["t"])
        params[n] -= rate * m / (np.sqrt(v) + 1e-8)


@step("T8", **A)
def adam_counts_arrays(params, x, t, rate, state):
    def clock(state, n):
        state["k"] = state.get("k", 0) + 1
        return state["k"]

    return adam(params, gradients(params, x, t), rate, state, clock=clock)


@step("T8", **A)
def adam_counts_arrays_from_the_end(params, x, t, rate, state):
    def clock(state, n):
        state["k"] = state.get("k", 0) + 1
        return state["k"]

    g = gradients(params, x, t)
    return adam(params, {n: g[n] for n in ("w2", "b2", "w1", "b1")}, rate, state, clock=clock)


@step("T9", **A)
def adam_stands_still(params, x, t, rate, state):
    return adam(params, gradients(params, x, t), rate, state, clock=lambda *_: 1)


@step("T10", **A)
def adam_squares_weights(params, x, t, rate, state):
    return adam(params, gradients(params, x, t), rate, state,
                v=lambda v, g, p: 0.999 * v + 0.001 * p**2)  # fmt: skip


@step("T11", **A)
def adam_whole_gradient(params, x, t, rate, state):
    return adam(params, gradients(params, x, t), rate, state, m=lambda m, g, p: 0.9 * m + g)


@step("T11", **A)
def adam_whole_square(params, x, t, rate, state):
    return adam(params, gradients(params, x, t), rate, state, v=lambda v, g, p: 0.999 * v + g * g)


R = {"optimizer": RMSprop(0.01, rho=0.9)}


def rmsprop(params, grads, rate, state, square):
    for n, g in grads.items():
        v = state[n] = 0.9 * state.get(n, 0) + square(g, params[n])
        params[n] = params[n] - rate * g / (np.sqrt(v) + 1e-8)
    return params


@step(**R)
def rmsprop_right(params, x, t, rate, state):
    return rmsprop(params, gradients(params, x, t), rate, state, lambda g, p: 0.1 * g**2)


@step("T10", **R)
def rmsprop_squares_weights(params, x, t, rate, state):
    return rmsprop(params, gradients(params, x, t), rate, state, lambda g, p: 0.1 * p**2)


@step("T11", **R)
def rmsprop_whole_square(params, x, t, rate, state):
    return rmsprop(params, gradients(params, x, t), rate, state, lambda g, p: g**2)


@step("root is missing", **R)
def rmsprop_without_root(params, x, t, rate, state):
    for n, g in gradients(params, x, t).items():
        v = state[n] = 0.9 * state.get(n, 0) + 0.1 * g**2
        params[n] -= rate * g / (v + 1e-8)


# ---- Weight decay

D = {"optimizer": SGD(0.3, weight_decay=0.1)}


def decayed(params, g, part=0.1, names=NAMES):
    return {n: g[n] + part * params[n] if n in names else g[n] for n in g}


def moved(params, g, rate):
    return {n: params[n] - rate * g[n] for n in params}


@step(**D)
def decay_right(params, x, t, rate):
    return moved(params, decayed(params, gradients(params, x, t)), rate)


@step(**D)
def decay_by_shrinking(params, x, t, rate):
    small = {n: a * (1 - rate * 0.1) for n, a in params.items()}
    return moved(small, gradients(params, x, t), rate)


@step("T12", **D)
def decay_subtracted(params, x, t, rate):
    return moved(params, decayed(params, gradients(params, x, t), -0.1), rate)


@step("T13", **D)
def decay_twice(params, x, t, rate):
    return moved(params, decayed(params, gradients(params, x, t), 0.2), rate)


@step("T13", **D)
def decay_half(params, x, t, rate):
    return moved(params, decayed(params, gradients(params, x, t), 0.05), rate)


@step(says="leaves the biases alone", **D)
def decay_of_weights(params, x, t, rate):
    return moved(params, decayed(params, gradients(params, x, t), names=("w1", "w2")), rate)


@step("T12", says="leaves the biases alone", **D)
def decay_of_weights_subtracted(params, x, t, rate):
    g = decayed(params, gradients(params, x, t), -0.1, ("w1", "w2"))
    return moved(params, g, rate)


@step("T15", **D)
def decay_without_rate(params, x, t, rate):
    after = moved(params, gradients(params, x, t), rate)
    return {n: after[n] - 0.1 * params[n] for n in params}


@step("decay is left out", **D)
def decay_left_out(params, x, t, rate):
    return moved(params, gradients(params, x, t), rate)


@step(optimizer=Adam(0.01, weight_decay=0.1, decoupled=True))
def adamw(params, x, t, rate, state):
    g = gradients(params, x, t)
    small = {n: a * (1 - rate * 0.1) for n, a in params.items()}
    return adam(small, g, rate, state)


@step("takes the other way", optimizer=Adam(0.01, weight_decay=0.1, decoupled=True))
def adamw_through_the_memory(params, x, t, rate, state):
    return adam(params, decayed(params, gradients(params, x, t)), rate, state)


# ---- Other activations and losses


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


S = {"activation": "sigmoid", "loss": "half squared error", "optimizer": SGD(0.3)}


def error(z, t, N):
    return (z - t) / N


@step(**S)
def sigmoid_right(params, x, t, rate):
    g = gradients(params, x, t, sigmoid, lambda z, a: a * (1 - a), error)
    return moved(params, g, rate)


@step("S3", **S)
def sigmoid_left_out(params, x, t, rate):
    return moved(params, gradients(params, x, t, sigmoid, lambda z, a: 1, error), rate)


@step("S8", **S)
def sigmoid_formula_of_z(params, x, t, rate):
    g = gradients(params, x, t, sigmoid, lambda z, a: z * (1 - z), error)
    return moved(params, g, rate)


@step("S9", **S)
def sigmoid_twice(params, x, t, rate):
    g = gradients(params, x, t, sigmoid, lambda z, a: sigmoid(a) * (1 - sigmoid(a)), error)
    return moved(params, g, rate)


@step("S14", **S)
def error_twice(params, x, t, rate):
    g = gradients(params, x, t, sigmoid, lambda z, a: a * (1 - a), lambda *one: 2 * error(*one))
    return moved(params, g, rate)


B = {"activation": "tanh", "loss": "binary cross-entropy"}


@step(**B)
def logits_right(params, x, t, rate):
    g = gradients(params, x, t, np.tanh, lambda z, a: 1 - a**2,
                  lambda z, t, N: (sigmoid(z) - t) / N)  # fmt: skip
    return moved(params, g, rate)


@step("S6", **B)
def sigmoid_slope_again(params, x, t, rate):
    def delta(z, t, N):
        return (sigmoid(z) - t) * sigmoid(z) * (1 - sigmoid(z)) / N

    return moved(params, gradients(params, x, t, np.tanh, lambda z, a: 1 - a**2, delta), rate)


@step("S10", **B)
def tanh_for_its_slope(params, x, t, rate):
    g = gradients(params, x, t, np.tanh, lambda z, a: a, lambda z, t, N: (sigmoid(z) - t) / N)
    return moved(params, g, rate)


L = {"activation": "leaky ReLU of slope 0.1", "loss": "mean squared error"}


@step("S13", **L)
def leak_forgotten(params, x, t, rate):
    g = gradients(params, x, t, lambda z: np.where(z > 0, z, 0.1 * z), lambda z, a: z > 0,
                  lambda z, t, N: 2 * (z - t) / t.size)  # fmt: skip
    return moved(params, g, rate)


@step("S14", **L)
def two_forgotten(params, x, t, rate):
    g = gradients(params, x, t, lambda z: np.where(z > 0, z, 0.1 * z),
                  lambda z, a: np.where(z > 0, 1, 0.1),
                  lambda z, t, N: (z - t) / t.size)  # fmt: skip
    return moved(params, g, rate)
