"""Layers that are right, or wrong, within limits of their own."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import truth


def square_kernel(x, w, s, p):
    return w.shape[1] == w.shape[2]


def square(x, w, s, p):
    return square_kernel(x, w, s, p) and x.shape[1] == x.shape[2]


def exact(x, w, s, p):
    return not any((x.shape[m] + 2 * p - w.shape[m]) % s for m in (1, 2))


def padded(x, p):
    return np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))


@truth(True, says=("square kernel",), runs=square_kernel)
def one_kernel_size(x, w, b, dz, stride, padding):
    """One number for both sides of the kernel."""
    size = w.shape[1]
    wide = padded(x, padding)
    z, dwide, dw = np.zeros(dz.shape), np.zeros(wide.shape), np.zeros(w.shape)
    for r in range(dz.shape[1]):
        for t in range(dz.shape[2]):
            rows = slice(r * stride, r * stride + size)
            columns = slice(t * stride, t * stride + size)
            z[:, r, t] = np.einsum("nuvc,kuvc->nk", wide[:, rows, columns], w) + b
            dw += np.einsum("nk,nuvc->kuvc", dz[:, r, t], wide[:, rows, columns])
            dwide[:, rows, columns] += np.einsum("nk,kuvc->nuvc", dz[:, r, t], w)
    inside = slice(padding, padding + x.shape[1]), slice(padding, padding + x.shape[2])
    return {"z": z, "dx": dwide[:, *inside], "dw": dw, "db": dz.sum(axis=(0, 1, 2))}


class Im2col:
    """A class that refuses what does not fit; matrices of columns, and back again."""

    def __init__(self, x, w, b, dz, stride, padding):
        assert w.shape[1] == w.shape[2], "one kernel size"
        self.s, self.p, self.f = stride, padding, w.shape[1]
        self.shape = x.shape
        for side in x.shape[1:3]:
            if (side + 2 * padding - self.f) % stride != 0:
                raise ValueError("the filter does not fit")

    def columns(self, x):
        """(N*I*J, f*f*C)."""
        seen = sliding_window_view(padded(x, self.p), (self.f, self.f), axis=(1, 2))
        seen = seen[:, :: self.s, :: self.s].transpose(0, 1, 2, 4, 5, 3)
        return seen.reshape(-1, self.f * self.f * x.shape[-1]), seen.shape[1:3]

    def back(self, columns, size):
        N, H, W, C = self.shape
        wide = np.zeros((N, H + 2 * self.p, W + 2 * self.p, C))
        columns = columns.reshape(N, *size, self.f, self.f, C)
        for u in range(self.f):
            for v in range(self.f):
                end = u + self.s * size[0], v + self.s * size[1]
                wide[:, u : end[0] : self.s, v : end[1] : self.s] += columns[:, :, :, u, v]
        return wide[:, self.p : H + self.p, self.p : W + self.p]

    def __call__(self, x, w, b, dz):
        columns, size = self.columns(x)
        flat = dz.reshape(-1, len(w))
        z = (columns @ w.reshape(len(w), -1).T + b).reshape(dz.shape)
        dx = self.back(flat @ w.reshape(len(w), -1), size)
        return {"z": z, "dx": dx, "dw": (flat.T @ columns).reshape(w.shape), "db": flat.sum(0)}


@truth(True, says=("square kernel", "left over"), runs=lambda *g: square_kernel(*g) and exact(*g))
def a_class_that_refuses(x, w, b, dz, stride, padding):
    return Im2col(x, w, b, dz, stride, padding)(x, w, b, dz)


@truth(
    False,
    wrong="dx",
    names="D19",
    says=("square kernel",),
    runs=lambda *g: square_kernel(*g) and exact(*g),
)
def columns_written_back(x, w, b, dz, stride, padding):
    """The same class, whose way back assigns."""

    class Overwriting(Im2col):
        def back(self, columns, size):
            N, H, W, C = self.shape
            wide = np.zeros((N, H + 2 * self.p, W + 2 * self.p, C))
            columns = columns.reshape(N, *size, self.f, self.f, C)
            for i, j in np.ndindex(*size):
                at = np.s_[:, i * self.s : i * self.s + self.f, j * self.s : j * self.s + self.f]
                wide[at] = columns[:, i, j]
            return wide[:, self.p : H + self.p, self.p : W + self.p]

    return Overwriting(x, w, b, dz, stride, padding)(x, w, b, dz)


@truth(False, wrong="dx", names="D4 D5", runs=lambda *g: square(*g) and exact(*g))
def one_routine_for_both_ways(x, w, b, dz, stride, padding):
    """Forwards and backwards slide windows with the same stride; squares only, exact fit only."""

    def slid(a, size, pad):
        if (a.shape[1] + 2 * pad - size) % stride:
            raise ValueError("no whole number of outputs")
        return sliding_window_view(padded(a, pad), (size, size), axis=(1, 2))[:, ::stride, ::stride]

    side, size, out = x.shape[2], w.shape[1], dz.shape[2]
    if x.shape[1] != side or w.shape[2] != size:
        raise ValueError("only squares")
    windows = slid(x, size, padding)
    around = (stride * (side - 1) + size - out) // 2
    turned = np.rot90(w, 2, axes=(1, 2))
    return {
        "z": np.einsum("nijcuv,kuvc->nijk", windows, w) + b,
        "dx": np.einsum("nijkuv,kuvc->nijc", slid(dz, size, around), turned),
        "dw": np.einsum("nijcuv,nijk->kuvc", windows, dz),
        "db": np.einsum("nijk->k", dz),
    }


def odd(x, w, s, p):
    return all(k % 2 for k in w.shape[1:-1])


@truth(True, says=("odd kernel",), runs=odd, how={"padding": "same", "stride": 1})
def same_for_odd_kernels(x, w, b, dz, stride, padding):
    """As large as the input, whatever the odd kernel is; stride 1."""
    kh, kw = w.shape[1:3]
    assert kh % 2 == 1 and kw % 2 == 1, "odd kernels"
    up, left = kh // 2, kw // 2
    wide = np.pad(x, ((0, 0), (up, up), (left, left), (0, 0)))
    dwide, z, dw = np.zeros_like(wide), np.zeros(dz.shape), np.zeros_like(w)
    for i, j in np.ndindex(*x.shape[1:3]):
        at = np.s_[:, i : i + kh, j : j + kw]
        z[:, i, j] = np.tensordot(wide[at], w, ((1, 2, 3), (1, 2, 3))) + b
        dw += np.tensordot(dz[:, i, j], wide[at], (0, 0))
        dwide[at] += np.tensordot(dz[:, i, j], w, 1)
    dx = dwide[:, up : up + x.shape[1], left : left + x.shape[2]]
    return {"z": z, "dx": dx, "dw": dw, "db": dz.sum((0, 1, 2))}


@truth(False, wrong="dx", names="D1 D2 D3", runs=odd, how={"padding": "same", "stride": 1})
def same_without_the_half_turn(x, w, b, dz, stride, padding):
    """The deltas are correlated with the kernel as it is."""
    right = same_for_odd_kernels(x, w, b, dz, stride, padding)
    back = same_for_odd_kernels(dz, w.transpose(3, 1, 2, 0), 0 * x[0, 0, 0], x, 1, padding)
    return {**right, "dx": back["z"]}


@truth(
    True,
    says=("one sample", "one channel"),
    runs=lambda x, w, s, p: len(x) == x.shape[-1] == len(w) == 1,
)
def a_single_picture(x, w, b, dz, stride, padding):
    """Two-dimensional loops: one image, one kernel, one number for the bias."""
    if len(x) > 1 or x.shape[-1] > 1 or len(w) > 1:
        raise NotImplementedError("one grey image, one kernel")
    image, kernel, delta = np.pad(x[0, :, :, 0], padding), w[0, :, :, 0], dz[0, :, :, 0]
    out, dimage, dkernel = np.zeros(delta.shape), np.zeros(image.shape), np.zeros(kernel.shape)
    for i in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            for u in range(kernel.shape[0]):
                for v in range(kernel.shape[1]):
                    out[i, j] += kernel[u, v] * image[i * stride + u, j * stride + v]
                    dkernel[u, v] += delta[i, j] * image[i * stride + u, j * stride + v]
                    dimage[i * stride + u, j * stride + v] += delta[i, j] * kernel[u, v]
    dimage = dimage[padding : padding + x.shape[1], padding : padding + x.shape[2]]
    return {
        "z": out[None, :, :, None] + b,
        "dx": dimage[None, :, :, None],
        "dw": dkernel[None, :, :, None],
        "db": delta.sum().reshape(1),
    }


@truth(True, says=("stride 1",), runs=lambda x, w, s, p: s == 1)
def refuses_a_stride(x, w, b, dz, stride, padding):
    if stride != 1:
        raise NotImplementedError("stride")
    windows = sliding_window_view(padded(x, padding), w.shape[1:3], axis=(1, 2))
    return {
        "z": np.einsum("nijcuv,kuvc->nijk", windows, w) + b,
        "dw": np.einsum("nijcuv,nijk->kuvc", windows, dz),
    }


@truth(False, wrong="dw", names="W9", says=("square input", "square kernel"), runs=square)
def the_last_image_counts(x, w, b, dz, stride, padding):
    """Square images; each image's dw replaces the one before."""
    size, side = w.shape[1], x.shape[1]
    if x.shape[2] != side or w.shape[2] != size:
        raise ValueError("expected squares")
    for n in range(len(x)):
        dw, image = np.zeros(w.shape), padded(x, padding)[n]
        for i, j in np.ndindex(*dz.shape[1:3]):
            patch = image[i * stride : i * stride + size, j * stride : j * stride + size]
            dw += dz[n, i, j][:, None, None, None] * patch
    return {"dw": dw, "db": dz.sum(axis=(0, 1, 2))}
