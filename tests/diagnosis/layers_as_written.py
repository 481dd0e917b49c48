"""Layers in the forms in which people write them: classes, pairs of functions, one sample."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

LAYERS: list = []


def written(how=None, says=(), pool="", **wrong):
    """List what is below; `wrong` has the entry of the catalogue by quantity."""

    def register(layer):
        LAYERS.append((layer.__name__, layer, how or {}, says, pool, wrong))
        return layer

    return register


def padded(x, p):
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))


def windows(x, k, s):
    return sliding_window_view(x, k, axis=(2, 3))[:, :, ::s, ::s]


def sums(x, w, d, s, p):
    """dx and dw in the order NCHW, OIHW."""
    xp, (kh, kw) = padded(x, p), w.shape[2:]
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for i in range(d.shape[2]):
        for j in range(d.shape[3]):
            at = np.s_[:, :, i * s : i * s + kh, j * s : j * s + kw]
            dw += np.tensordot(d[:, :, i, j], xp[at], (0, 0))
            dxp[at] += np.tensordot(d[:, :, i, j], w, 1)
    return dxp[:, :, p : p + x.shape[2], p : p + x.shape[3]], dw


@written(says=("NCHW with kernels OIHW", "square kernel"))
class ConvLayer:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        shape = out_channels, in_channels, kernel_size, kernel_size
        self.W = np.random.default_rng().normal(size=shape)
        self.b = np.zeros((out_channels, 1))
        self.stride, self.padding = stride, padding

    def forward(self, x):
        self.x = x
        seen = windows(padded(x, self.padding), self.W.shape[2:], self.stride)
        z = np.einsum("nchwuv,kcuv->nkhw", seen, self.W)
        return z + self.b.reshape(1, -1, 1, 1)

    def backward(self, dout):
        dx, self.dW = sums(self.x, self.W, dout, self.stride, self.padding)
        self.db = dout.sum(axis=(0, 2, 3)).reshape(-1, 1)
        return dx


@written(says=("NCHW with kernels OIHW",), db="B3", dw="W6")
class ConvMeans(ConvLayer):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW /= len(dout)
        self.db = dout.mean(axis=(0, 2, 3)).reshape(-1, 1)
        return dx


@written(says=("stride 1", "padding 0", "It has no bias"))
class ConvOfABook:
    """No stride, no padding, no bias; weights in a dict; gradients returned."""

    def __init__(self, num_filters, filter_size, num_channels):
        self.params = {"W": np.zeros((filter_size, filter_size, num_channels, num_filters))}

    def forward(self, images):
        self.images = images.transpose(0, 3, 1, 2)
        seen = windows(self.images, self.params["W"].shape[:2], 1)
        return np.einsum("nchwuv,uvck->nhwk", seen, self.params["W"])

    def backward(self, dout):
        w = self.params["W"].transpose(3, 2, 0, 1)
        dx, dw = sums(self.images, w, dout.transpose(0, 3, 1, 2), 1, 0)
        return dx.transpose(0, 2, 3, 1), dw.transpose(2, 3, 1, 0)


@written(says=("CHW with kernels OIHW",))
class OneSample:
    """One image at a time, kernels of any shape."""

    def __init__(self, depth, n_kernels, kernel_size, stride, pad):
        size = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
        self.kernels, self.biases = np.zeros((n_kernels, depth, *size)), np.zeros(n_kernels)
        self.s, self.p = stride, pad

    def forward(self, image):
        self.image = image
        seen = windows(padded(image[None], self.p), self.kernels.shape[2:], self.s)[0]
        return np.einsum("chwuv,kcuv->khw", seen, self.kernels) + self.biases[:, None, None]

    def backward(self, dout):
        dx, self.d_kernels = sums(self.image[None], self.kernels, dout[None], self.s, self.p)
        self.d_biases = dout.sum(axis=(1, 2))
        return dx[0]


@written(says=("square kernel",))
class UpdatesItself:
    """The weights move inside backward; their gradient is the step at a rate of 1."""

    def __init__(self, in_channels, out_channels, k, stride=1, padding=0):
        self.weights, self.bias = (
            np.zeros((out_channels, in_channels, k, k)),
            np.zeros(out_channels),
        )
        self.stride, self.padding = stride, padding

    def forward(self, x):
        self.x = x
        seen = windows(padded(x, self.padding), self.weights.shape[2:], self.stride)
        return np.einsum("nchwuv,kcuv->nkhw", seen, self.weights) + self.bias[:, None, None]

    def backward(self, dout, learning_rate):
        dx, dw = sums(self.x, self.weights, dout, self.stride, self.padding)
        self.weights = self.weights - learning_rate * dw
        self.bias = self.bias - learning_rate * dout.sum(axis=(0, 2, 3))
        return dx


@written({"make": lambda C, K, kernel, stride, padding: Odd((C, K), kernel, (stride, padding)),
          "weight": "theta", "grads": {"dw": "nabla"}, "backward": "back"})  # fmt: skip
class Odd:
    def __init__(self, sizes, kernel, steps):
        kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        self.theta, self.steps = np.zeros((*sizes[::-1], *kernel)), steps

    def forward(self, x):
        self.x = x
        seen = windows(padded(x, self.steps[1]), self.theta.shape[2:], self.steps[0])
        return np.einsum("nchwuv,kcuv->nkhw", seen, self.theta)

    def back(self, dout):
        dx, self.nabla = sums(self.x, self.theta, dout, *self.steps)
        return dx


# ---- Pairs of functions


def conv_forward_naive(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    out = np.einsum("nchwuv,kcuv->nkhw", windows(padded(x, p), w.shape[2:], s), w)
    return out + b[:, None, None], (x, w, b, conv_param)


def conv_backward_naive(dout, cache):
    x, w, _, conv_param = cache
    return (*sums(x, w, dout, conv_param["stride"], conv_param["pad"]), dout.sum(axis=(0, 2, 3)))


def conv_backward_of_one(dout, cache):
    x, w, _, conv_param = cache
    dx, _ = sums(x, w, dout, conv_param["stride"], conv_param["pad"])
    _, dw = sums(x[-1:], w, dout[-1:], conv_param["stride"], conv_param["pad"])
    return dx, dw, dout.sum(axis=(0, 2, 3))


def conv_forward(A_prev, W, b, hparameters):
    s, p = hparameters["stride"], hparameters["pad"]
    x, w = A_prev.transpose(0, 3, 1, 2), W.transpose(3, 2, 0, 1)
    f, f2 = W.shape[:2]
    assert f == f2
    Z = np.einsum("nchwuv,kcuv->nhwk", windows(padded(x, p), (f, f), s), w) + b
    return Z, (A_prev, W, b, hparameters)


def conv_backward(dZ, cache):
    A_prev, W, _, how = cache
    x, w = A_prev.transpose(0, 3, 1, 2), W.transpose(3, 2, 0, 1)
    dx, dw = sums(x, w, dZ.transpose(0, 3, 1, 2), how["stride"], how["pad"])
    db = dZ.sum(axis=(0, 1, 2)).reshape(1, 1, 1, -1)
    return dx.transpose(0, 2, 3, 1), dw.transpose(2, 3, 1, 0), db


def conv2d(x, w, stride=1, padding=0):
    return np.einsum("nchwuv,kcuv->nkhw", windows(padded(x, padding), w.shape[2:], stride), w)


def conv2d_back(dout, x, w, stride=1, padding=0):
    return sums(x, w, dout, stride, padding)


LAYERS += [
    ("cs231n", (conv_forward_naive, conv_backward_naive), {}, ("NCHW with kernels OIHW",), "", {}),
    ("cs231n_last_sample", (conv_forward_naive, conv_backward_of_one), {}, (), "", {"dw": "W9"}),
    ("course", (conv_forward, conv_backward), {}, ("NHWC with kernels HWIO", "square kernel"), "",
     {}),
    ("no_cache", (conv2d, conv2d_back), {"layout": "NCHW"}, ("It has no bias",), "", {}),
]  # fmt: skip


# ---- Pools


@written(pool="max", says=("Read as NCHW",))
class MaxPool:
    def __init__(self, pool_size, stride):
        self.k, self.s = pool_size, stride

    def forward(self, x):
        self.x, k = x, self.k
        self.seen = windows(x, (k, k), self.s)
        return self.seen.max(axis=(4, 5))

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        flat = self.seen.reshape(*dout.shape, -1).argmax(axis=-1)
        for n, c, i, j in np.ndindex(*dout.shape):
            u, v = divmod(int(flat[n, c, i, j]), self.k)
            dx[n, c, i * self.s + u, j * self.s + v] += dout[n, c, i, j]
        return dx


@written(pool="max", dx="P1")
class MaxPoolMask(MaxPool):
    def backward(self, dout):
        dx, k, s = np.zeros_like(self.x), self.k, self.s
        for i, j in np.ndindex(*dout.shape[2:]):
            at = np.s_[:, :, i * s : i * s + k, j * s : j * s + k]
            mask = self.x[at] == self.x[at].max(axis=(2, 3), keepdims=True)
            dx[at] += mask * dout[:, :, i, j, None, None]
        return dx


def pool_forward(A_prev, hparameters, mode="max"):
    f, s = hparameters["f"], hparameters["stride"]
    seen = windows(A_prev.transpose(0, 3, 1, 2), (f, f), s)
    return seen.max(axis=(4, 5)).transpose(0, 2, 3, 1), (A_prev, hparameters)


def pool_backward(dA, cache, mode="max"):
    A_prev, hparameters = cache
    layer = MaxPool(hparameters["f"], hparameters["stride"])
    layer.forward(A_prev.transpose(0, 3, 1, 2))
    return layer.backward(dA.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)


def average_forward(x, pool_param):
    kh, kw = pool_param["pool_height"], pool_param["pool_width"]
    return windows(x, (kh, kw), pool_param["stride"]).mean(axis=(4, 5)), (x, pool_param)


def average_backward(dout, cache):
    x, how = cache
    k, s, dx = how["pool_height"], how["stride"], np.zeros_like(x)
    for i, j in np.ndindex(*dout.shape[2:]):
        dx[:, :, i * s : i * s + k, j * s : j * s + k] += dout[:, :, i, j, None, None]
    return dx


LAYERS += [
    ("course_pool", (pool_forward, pool_backward), {}, ("Read as NHWC",), "max", {}),
    ("average_too_much", (average_forward, average_backward), {}, (), "avg", {"dx": "P3"}),
]
