"""Ways back of any layer as the public writes them, each with its truth.

`@back(inputs, forward)` lists the function below as a way back. `wrong` has, by gradient, the entry
of the catalogue or words that must be said; what is not in it is right.
"""

import math

import numpy as np

BACK: list = []


def back(inputs, forward, ok=None, says=(), **wrong):
    def register(fn):
        verdict = (not wrong) if ok is None else ok
        BACK.append((fn.__name__, forward, fn, inputs, verdict, wrong, says))
        return fn

    return register


# ---- Activations


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def leaky(z):
    return np.where(z > 0, z, 0.1 * z)


def relu(z):
    return np.maximum(z, 0)


def silu(z):
    return z * sigmoid(z)


def gelu(z):
    return z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))) / 2


def elu(z):
    return np.where(z > 0, z, np.exp(z) - 1)


def with_input(f):
    return lambda z: (f(z), z)


ONE = {"z": "N D"}


@back(ONE, with_input(sigmoid))
def sigmoid_right(dout, z):
    return dout * sigmoid(z) * (1 - sigmoid(z))


@back(ONE, sigmoid, says=("backward(deltas, output)",))
def sigmoid_by_its_output(dout, a):
    return dout * a * (1 - a)


@back(ONE, sigmoid, says=("no deltas",))
def derivative_alone(z):
    return sigmoid(z) * (1 - sigmoid(z))


@back(ONE, sigmoid, says=("backward(output)",))
def derivative_of_the_output(a):
    return a * (1 - a)


@back(ONE, with_input(sigmoid), dz="S8")
def formula_of_the_output(dout, z):
    return dout * z * (1 - z)


@back(ONE, with_input(np.tanh), dz="S8")
def tanh_formula_of_the_output(dout, z):
    return dout * (1 - z**2)


@back(ONE, lambda z: (sigmoid(z), sigmoid(z)), dz="S9")
def activated_twice(dout, a):
    return dout * sigmoid(a) * (1 - sigmoid(a))


@back(ONE, lambda z: (np.tanh(z), np.tanh(z)), dz="S9")
def tanh_twice(dout, a):
    return dout * (1 - np.tanh(a) ** 2)


@back(ONE, with_input(np.tanh), dz="S10")
def function_for_slope(dout, z):
    e = np.exp(2 * z)
    return dout * (e - 1) / (e + 1)


@back(ONE, with_input(np.tanh), dz="S11")
def tanh_without_square(dout, z):
    return dout * (1 - np.tanh(z))


@back(ONE, with_input(np.tanh), dz="S11")
def tanh_as_tangent(dout, z):
    return dout * (1 + np.tanh(z) ** 2)


@back(ONE, with_input(np.tanh), dz="S11")
def tanh_without_one(dout, z):
    return dout * -(np.tanh(z) ** 2)


@back(ONE, with_input(np.tanh), dz="S12")
def slope_at_the_delta(dout, z):
    return 1 - np.square(np.tanh(dout))


@back(ONE, with_input(leaky))
def leaky_right(dout, z):
    return np.where(z > 0, dout, 0.1 * dout)


@back(ONE, with_input(leaky), dz="S13")
def leak_forgotten(dout, z):
    return dout * (z > 0)


@back(ONE, with_input(leaky), dz="S13")
def leak_without_delta(dout, z):
    dz = dout.copy()
    dz[z <= 0] = 0.1
    return dz


@back(ONE, with_input(leaky), dz="S13")
def leak_on_the_other_side(dout, z):
    return np.where(z < 0, dout, 0.1 * dout)


@back(ONE, with_input(relu), dz="S1")
def relu_mask_alone(dout, z):
    return (z > 0) * 1.0


@back(ONE, with_input(relu), dz="S3")
def relu_passed_on(dout, z):
    return dout


@back(ONE, with_input(gelu))
def gelu_right(dout, z):
    c = math.sqrt(2 / math.pi)
    t = np.tanh(c * (z + 0.044715 * z**3))
    return dout * (0.5 * (1 + t) + 0.5 * z * (1 - t**2) * c * (1 + 3 * 0.044715 * z**2))


@back(ONE, with_input(gelu), dz="No known mistake")
def gelu_without_its_second_term(dout, z):
    return dout * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


@back(ONE, with_input(silu))
def silu_right(dout, z):
    s = sigmoid(z)
    return dout * (s + z * s * (1 - s))


@back(ONE, with_input(elu))
def elu_right(dout, z):
    return dout * np.where(z > 0, 1, np.exp(z))


@back({"z": "N D", "alpha": "D"}, lambda z, alpha: (np.where(z > 0, z, alpha * z), (z, alpha)))
def prelu_right(dout, cache):
    z, alpha = cache
    return np.where(z > 0, dout, alpha * dout), (dout * z * (z <= 0)).sum(axis=0)


@back({"z": "N D", "alpha": "D"}, lambda z, alpha: (np.where(z > 0, z, alpha * z), (z, alpha)),
      dalpha="summed over axis 1 of the outputs")  # fmt: skip
def prelu_summed_over_features(dout, cache):
    z, alpha = cache
    return np.where(z > 0, dout, alpha * dout), (dout * z * (z <= 0)).sum(axis=1)


# ---- Softmax


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@back(ONE, lambda z: (softmax(z), softmax(z)))
def softmax_right(dout, p):
    return p * (dout - (dout * p).sum(axis=1, keepdims=True))


@back(ONE, lambda z: (softmax(z), softmax(z)), dz="S7")
def softmax_by_its_diagonal(dout, p):
    return dout * p * (1 - p)


# ---- Losses


def mse(y, t):
    return np.mean((y - t) ** 2)


def bce(y, t):
    return -np.mean(t * np.log(y) + (1 - t) * np.log(1 - y))


def half(y, t):
    return np.sum((y - t) ** 2) / 2 / len(y)


PAIR = {"y": "N K", "t": "N K, 0 or 1"}
SURE = {"y": "N K, 0 to 1", "t": "N K, 0 or 1"}


@back(PAIR, mse)
def mse_right(y, t):
    return 2 * (y - t) / t.size


@back(PAIR, mse, dy="S14")
def mse_without_two(y, t):
    return (y - t) / t.size


@back(PAIR, half, dy="S14")
def half_with_two(y, t):
    return 2 * (y - t) / len(y)


@back(PAIR, mse, dy="S4")
def mse_divided_by_n(y, t):
    return 2 * (y - t) / t.size / t.shape[1]


@back(PAIR, half, dy="S5")
def half_not_divided(y, t):
    return y - t


@back(PAIR, half, dy="sign reversed")
def half_the_wrong_way(y, t):
    return (t - y) / len(y)


@back(SURE, bce)
def bce_right(y, t):
    return ((1 - t) / (1 - y) - t / y) / t.size


@back(SURE, bce, dy="S15")
def bce_with_a_sign(y, t):
    return -((1 - t) / (1 - y) + t / y) / t.size


@back(SURE, bce, dy="S15")
def bce_of_yes_only(y, t):
    return -t / y / t.size


@back(SURE, bce, dy="S16")
def bce_delta_of_logits(y, t):
    return (y - t) / t.size


def cross_entropy(z, t):
    p = softmax(z)
    dz = p.copy()
    dz[np.arange(len(t)), t] -= 1
    return -np.log(p[np.arange(len(t)), t]).mean(), dz / len(t)


BACK.append(("loss_with_its_gradient", cross_entropy, None, {"z": "N K", "t": "N, below K"}, True,
             {}, ()))  # fmt: skip
BACK.append(("loss_with_its_gradient_not_divided",
             lambda z, t: (cross_entropy(z, t)[0], cross_entropy(z, t)[1] * len(t)), None,
             {"z": "N K", "t": "N, below K"}, False, {"dz": "S5"}, ()))  # fmt: skip


@back({"z": "N K", "t": "N, below K"}, lambda z, t: cross_entropy(z, t)[0], dz="S6")
def softmax_twice(z, t):
    p = softmax(z)
    return (p - np.eye(z.shape[1])[t]) * p * (1 - p) / len(t)


@back({"y": "N K", "t": "N K"}, lambda y, t: np.abs(y - t).sum())
def absolute_error(y, t):
    return np.sign(y - t)


# ---- Normalisation


def batchnorm(x, gamma, beta, eps=1e-5):
    mean, var = x.mean(axis=0), x.var(axis=0)
    h = (x - mean) / np.sqrt(var + eps)
    return gamma * h + beta, (h, gamma, np.sqrt(var + eps))


NORM = {"x": "N D", "gamma": "D", "beta": "D"}


@back(NORM, batchnorm)
def batchnorm_right(dout, cache):
    h, gamma, std = cache
    dh = dout * gamma
    dx = (dh - dh.mean(axis=0) - h * (dh * h).mean(axis=0)) / std
    return dx, (dout * h).sum(axis=0), dout.sum(axis=0)


@back(NORM, batchnorm, dx="mean's share")
def batchnorm_without_mean(dout, cache):
    h, gamma, std = cache
    dh = dout * gamma
    return (dh - h * (dh * h).mean(axis=0)) / std, (dout * h).sum(axis=0), dout.sum(axis=0)


@back(NORM, batchnorm, dx="S18")
def batchnorm_without_variance(dout, cache):
    h, gamma, std = cache
    dh = dout * gamma
    return (dh - dh.mean(axis=0)) / std, (dout * h).sum(axis=0), dout.sum(axis=0)


@back(NORM, batchnorm, dx="S17")
def batchnorm_as_a_constant(dout, cache):
    h, gamma, std = cache
    return dout * gamma / std, (dout * h).sum(axis=0), dout.sum(axis=0)


@back(NORM, batchnorm, dx="S19")
def batchnorm_mean_twice(dout, cache):
    h, gamma, std = cache
    dh = dout * gamma
    dx = (dh - 2 * dh.mean(axis=0) - h * (dh * h).mean(axis=0)) / std
    return dx, (dout * h).sum(axis=0), dout.sum(axis=0)


@back(NORM, batchnorm, dx="S20")
def batchnorm_sum_for_mean(dout, cache):
    h, gamma, std = cache
    dh = dout * gamma
    dvar = -0.5 * (dh * h).sum(axis=0) / std**2
    dx = dh / std + dvar * 2 * h * std / len(h) - (dh / std).sum(axis=0)
    return dx, (dout * h).sum(axis=0), dout.sum(axis=0)


@back(NORM, batchnorm, dx="S21")
def batchnorm_without_gamma(dout, cache):
    h, _, std = cache
    dx = (dout - dout.mean(axis=0) - h * (dout * h).mean(axis=0)) / std
    return dx, (dout * h).sum(axis=0), dout.sum(axis=0)


@back(NORM, lambda x, gamma, beta: (batchnorm(x, gamma, beta)[0], (x, gamma)), dgamma="S22")
def batchnorm_gamma_by_x(dout, cache):
    x, gamma = cache
    _, own = batchnorm(x, gamma, 0)
    return batchnorm_right(dout, own)[0], (dout * x).sum(axis=0), dout.sum(axis=0)


@back(NORM, batchnorm, dgamma="S22")
def batchnorm_gamma_times_the_root(dout, cache):
    h, _, std = cache
    return batchnorm_right(dout, cache)[0], (dout * h * std**2).sum(axis=0), dout.sum(axis=0)


def batchnorm_coarse(x, gamma, beta):
    return batchnorm(x, gamma, beta, 0.1)[0], (x, gamma)


@back(NORM, batchnorm_coarse)
def batchnorm_with_its_epsilon(dout, cache):
    x, gamma = cache
    return batchnorm_right(dout, batchnorm(x, gamma, 0, 0.1)[1])


@back(NORM, batchnorm_coarse, dx="S23")
def batchnorm_epsilon_outside(dout, cache):
    x, gamma = cache
    std = np.sqrt(x.var(axis=0)) + 0.1
    h, right = (x - x.mean(axis=0)) / std, batchnorm(x, gamma, 0, 0.1)[1]
    return batchnorm_right(dout, (h, gamma, std))[0], *batchnorm_right(dout, right)[1:]


def batchnorm_running(x, mean, var):
    std = np.sqrt(var + 1e-5)
    return (x - mean) / std, ((x - mean) / std, 1.0, std)


RUNNING = {"x": "N 3", "mean": np.array([0, 1, 2]), "var": np.array([1, 2, 4])}


@back(RUNNING, batchnorm_running)
def batchnorm_outside_a_training(dout, cache):
    return dout / cache[2]


@back(RUNNING, batchnorm_running, dx="S24")
def batchnorm_as_if_in_a_training(dout, cache):
    return batchnorm_right(dout, cache)[0]


@back(NORM, batchnorm, dgamma="not summed over axis 0", dbeta="divided by N")
def batchnorm_parameters(dout, cache):
    h, *_ = cache
    return batchnorm_right(dout, cache)[0], dout * h, dout.mean(axis=0)


def batchnorm2d(x, gamma, beta):
    mean, var = x.mean(axis=(0, 2, 3), keepdims=True), x.var(axis=(0, 2, 3), keepdims=True)
    std = np.sqrt(var + 1e-5)
    h = (x - mean) / std
    return gamma[:, None, None] * h + beta[:, None, None], (h, gamma, std)


NORM2D = {"x": "N C H W", "gamma": "C", "beta": "C"}
PLANE = {"axis": (0, 2, 3), "keepdims": True}


def sums2d(dout, h):
    return (dout * h).sum(axis=(0, 2, 3)), dout.sum(axis=(0, 2, 3))


@back(NORM2D, batchnorm2d)
def batchnorm2d_right(dout, cache):
    h, gamma, std = cache
    dh = dout * gamma[:, None, None]
    dx = (dh - dh.mean(**PLANE) - h * (dh * h).mean(**PLANE)) / std
    return dx, *sums2d(dout, h)


@back(NORM2D, batchnorm2d, dx="the mean's share")
def batchnorm2d_without_mean(dout, cache):
    h, gamma, std = cache
    dh = dout * gamma[:, None, None]
    return (dh - h * (dh * h).mean(**PLANE)) / std, *sums2d(dout, h)


@back(NORM2D, batchnorm2d, dx="S18", dbeta="not summed over axis 1")
def batchnorm2d_without_variance(dout, cache):
    h, gamma, std = cache
    dh = dout * gamma[:, None, None]
    return (dh - dh.mean(**PLANE)) / std, sums2d(dout, h)[0], dout.sum(axis=(0, 2))


def layernorm(x):
    centred = x - x.mean(axis=1, keepdims=True)
    std = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    return centred / std, (centred / std, std)


@back({"x": "N D"}, layernorm)
def layernorm_right(dout, cache):
    h, std = cache
    return (dout - dout.mean(axis=1, keepdims=True)
            - h * (dout * h).mean(axis=1, keepdims=True)) / std  # fmt: skip


@back({"x": "N D"}, layernorm, dx="mean's share")
def layernorm_over_the_batch(dout, cache):
    h, std = cache
    return (dout - h * (dout * h).mean(axis=1, keepdims=True)) / std


# ---- Dropout


def dropout(x, keep=0.7):
    mask = (np.random.rand(*x.shape) < keep) / keep  # noqa: NPY002  as the public writes it
    return x * mask, mask


def dropout_fixed(x, mask):
    return x * mask / 0.5


@back({"x": "N D"}, dropout, says=("the same seed",))
def dropout_right(dout, mask):
    return dout * mask


@back({"x": "N D"}, dropout, dx="S26")
def dropout_not_scaled(dout, mask):
    return dout * (mask > 0)


@back({"x": "N D", "mask": "N D, 0 or 1"}, dropout_fixed)
def dropout_with_a_mask(dout, x, mask):
    return dout * mask * 2


@back({"x": "N D"}, dropout, dx="S25")
def dropout_without_mask(dout, mask):
    return dout / 0.7


@back({"x": "N D"}, dropout, dx="S25")
def dropout_forgotten(dout, mask):
    return dout


@back({"x": "N D"}, dropout, dx="S28")
def dropout_by_the_rate(dout, mask):
    return dout * (mask > 0) / 0.3


@back({"x": "N D"}, dropout, dx="S27")
def dropout_drawn_anew(dout, mask):
    return dout * (np.random.default_rng(1).random(dout.shape) < 0.7) / 0.7


@back({"x": "N D"}, lambda x: x * 1.0)
def dropout_in_evaluation(dout):
    return dout


@back({"x": "N D"}, lambda x: x * 1.0, dx="S29")
def dropout_scaled_in_evaluation(dout):
    return dout / 0.7


@back({"x": "N D"}, lambda x: x * 1.0, dx="S29")
def dropout_that_drops_in_evaluation(dout):
    keep = np.resize([1, 0, 1, 1, 0], dout.shape)
    return dout * keep / 0.7


# ---- Dense layers and recurrent ones


def dense(x, w, b):
    return x @ w + b


DENSE = {"x": "N C", "w": "C K", "b": "K"}


@back(DENSE, dense)
def dense_right(dout, x, w, b):
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


@back(DENSE, dense, dw="is transposed")
def dense_transposed(dout, x, w, b):
    return dout @ w.T, dout.T @ x, dout.sum(axis=0)


@back(DENSE, dense, dw="reshaped")
def dense_reshaped(dout, x, w, b):
    return dout @ w.T, (dout.T @ x).reshape(w.shape), dout.sum(axis=0)


@back(DENSE, dense, db="not summed over axis 0")
def dense_bias_not_summed(dout, x, w, b):
    return dout @ w.T, x.T @ dout, dout


@back(DENSE, dense, db="last sample")
def dense_bias_of_the_last(dout, x, w, b):
    return dout @ w.T, x.T @ dout, dout[-1]


@back(DENSE, dense, db="sum of all")
def dense_one_number(dout, x, w, b):
    return dout @ w.T, x.T @ dout, np.full_like(b, dout.sum())


@back(DENSE, dense, dw="None")
def dense_none(dout, x, w, b):
    return dout @ w.T, None, dout.sum(axis=0)


@back(DENSE, dense, dx="not used the delta")
def dense_without_delta(dout, x, w, b):
    return np.ones_like(dout) @ w.T, x.T @ dout, dout.sum(axis=0)


@back({"x": "N T C", "w": "C C"}, lambda x, w: (unrolled(x, w)[-1], (x, w)))
def recurrent_right(dout, cache):
    x, w = cache
    h, dh, dx, dw = unrolled(x, w), dout, np.zeros_like(x), np.zeros_like(w)
    for t in reversed(range(x.shape[1])):
        dz = dh * (1 - h[t + 1] ** 2)
        dx[:, t] = dz
        dw += h[t].T @ dz
        dh = dz @ w.T
    return dx, dw


def unrolled(x, w):
    h = [np.zeros((len(x), x.shape[2]))]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] + h[-1] @ w))
    return h


@back({"x": "N T C", "w": "C C"}, lambda x, w: (unrolled(x, w)[-1], (x, w)), dw="0 everywhere")
def recurrent_overwritten(dout, cache):
    x, w = cache
    h, dh, dx, dw = unrolled(x, w), dout, np.zeros_like(x), np.zeros_like(w)
    for t in reversed(range(x.shape[1])):
        dz = dh * (1 - h[t + 1] ** 2)
        dx[:, t] = dz
        dw = h[t].T @ dz
        dh = dz @ w.T
    return dx, dw


@back({"x": "N D"}, lambda x: x + np.tanh(x))
def residual_right(dout, x):
    return dout + dout * (1 - np.tanh(x) ** 2)


@back({"x": "N D", "w": "D D"}, lambda x, w: (x + np.tanh(x @ w), (x, w)), dx="S38")
def residual_without_its_path(dout, cache):
    x, w = cache
    dz = dout * (1 - np.tanh(x @ w) ** 2)
    return dz @ w.T, x.T @ dz


# ---- Convolutions of other kinds


def depthwise(x, w):  # x (N, C, L), w (C, 3)
    return np.stack([(x[:, :, i : i + 3] * w).sum(axis=2) for i in range(x.shape[2] - 2)], axis=2)


DEPTH = {"x": "N C L", "w": "C 3"}


@back(DEPTH, depthwise)
def depthwise_right(dout, x, w):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(dout.shape[2]):
        dx[:, :, i : i + 3] += dout[:, :, i : i + 1] * w
        dw += (dout[:, :, i : i + 1] * x[:, :, i : i + 3]).sum(axis=0)
    return dx, dw


@back(DEPTH, depthwise, dw="divided by N")
def depthwise_mean(dout, x, w):
    dx, dw = depthwise_right(dout, x, w)
    return dx, dw / len(x)


def transposed(x, w, stride):  # x (N, C, L), w (C, K, 3)
    z = np.zeros((len(x), w.shape[1], stride * (x.shape[2] - 1) + 3))
    for i in range(x.shape[2]):
        z[:, :, i * stride : i * stride + 3] += np.einsum("nc,cku->nku", x[:, :, i], w)
    return z


UP = {"x": "N C L", "w": "C K 3", "stride": 2}


@back(UP, transposed)
def transposed_right(dout, x, w, stride):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i in range(x.shape[2]):
        part = dout[:, :, i * stride : i * stride + 3]
        dx[:, :, i] = np.einsum("nku,cku->nc", part, w)
        dw += np.einsum("nc,nku->cku", x[:, :, i], part)
    return dx, dw


@back(UP, transposed, dx="S32", dw="S32")
def transposed_without_stride(dout, x, w, stride):
    return transposed_right(dout, x, w, 1)


@back(UP, transposed, dx="right for w turned round along axis 2")
def transposed_turned(dout, x, w, stride):
    return transposed_right(dout, x, w[:, :, ::-1], stride)[0], transposed_right(dout, x, w, 2)[1]


def grouped(x, w):  # x (N, 2G, H, W), w (2, G, G, 2, 2)
    return np.concatenate([planes(one, w[g]) for g, one in enumerate(np.split(x, 2, axis=1))], 1)


def planes(x, w):  # x (N, C, H, W), w (K, C, 2, 2)
    H, W = x.shape[2] - 1, x.shape[3] - 1
    z = np.zeros((len(x), len(w), H, W))
    for u, v in np.ndindex(2, 2):
        z += np.einsum("nchw,kc->nkhw", x[:, :, u : u + H, v : v + W], w[:, :, u, v])
    return z


def planes_back(dout, x, w):
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    H, W = dout.shape[2:]
    for u, v in np.ndindex(2, 2):
        at = np.s_[:, :, u : u + H, v : v + W]
        dx[at] += np.einsum("nkhw,kc->nchw", dout, w[:, :, u, v])
        dw[:, :, u, v] = np.einsum("nkhw,nchw->kc", dout, x[at])
    return dx, dw


@back({"x": "N 2G H W", "w": "2 G G 2 2"}, grouped)
def grouped_right(dout, x, w):
    both = [planes_back(*three) for three in zip(np.split(dout, 2, 1), np.split(x, 2, 1), w,
                                                 strict=True)]  # fmt: skip
    return np.concatenate([dx for dx, _ in both], axis=1), np.stack([dw for _, dw in both])


@back({"x": "N 2G H W", "w": "2 G G 2 2"}, grouped, dw="0: their share is missing")
def grouped_one_group(dout, x, w):
    dx, dw = grouped_right(dout, x, w)
    dw[1] = 0
    return dx, dw


def volume(x, w):  # x (N, H, W, L), w (2, 2, 2)
    n = [size - 1 for size in x.shape[1:]]
    return sum(w[a, b, c] * x[:, a : a + n[0], b : b + n[1], c : c + n[2]]
               for a, b, c in np.ndindex(2, 2, 2))  # fmt: skip


@back({"x": "N 3 3 4", "w": "2 2 2"}, volume)
def volume_right(dout, x, w):
    dx, dw, n = np.zeros_like(x), np.zeros_like(w), dout.shape[1:]
    for a, b, c in np.ndindex(2, 2, 2):
        at = np.s_[:, a : a + n[0], b : b + n[1], c : c + n[2]]
        dx[at] += w[a, b, c] * dout
        dw[a, b, c] = (dout * x[at]).sum()
    return dx, dw


@back({"x": "N 3 3 4", "w": "2 2 2"}, volume, dw="axes in the order (1, 0, 2)")
def volume_axes_exchanged(dout, x, w):
    dx, dw = volume_right(dout, x, w)
    return dx, dw.swapaxes(0, 1)


# ---- What it does besides


@back(DENSE, dense, ok=False, says=("An argument is changed", "changes its argument the deltas"))
def delta_changed(dout, x, w, b):
    dx = dout @ w.T, x.T @ dout, dout.sum(axis=0)
    dout *= 0
    return dx


KEPT: dict = {}


@back(DENSE, dense, dw="W13")
def never_cleared(dout, x, w, b):
    dw = KEPT.setdefault(w.shape, np.zeros(w.shape))
    dw += x.T @ dout
    return dout @ w.T, dw, dout.sum(axis=0)


@back(DENSE, dense, ok="open", says=("It raises everywhere", "return undefined_everywhere"))
def raises(dout, x, w, b):
    return undefined_everywhere @ w  # noqa: F821


@back(DENSE, dense, dx="C=1 and K=1 only", says=("raises ValueError: matmul",))
def dense_not_transposed(dout, x, w, b):
    return dout @ w, x.T @ dout, dout.sum(axis=0)


@back(DENSE, lambda x, w, b: dense(x, w, b) + np.random.default_rng().normal(), ok="open",
      says=("not repeatable",))  # fmt: skip
def draws_anew(dout, x, w, b):
    return dout @ w.T, x.T @ dout, dout.sum(axis=0)


@back({"x": [np.zeros((2, 3))][0]}, relu, ok="open", says=("kink", "Not examined"))
def only_kinks(dout, x):
    return dout * (x > 0)
