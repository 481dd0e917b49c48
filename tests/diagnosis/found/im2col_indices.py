"""CS231n's im2col with index arrays, class ConvLayer, NCHW, np.add.at."""

import numpy as np

from .common import CONV2, check, conv_case

TRUTH = {"right": True, "what": "", "kind": "conv", "limits": ""}


def get_im2col_indices(x_shape, field_height, field_width, padding=1, stride=1):
    N, C, H, W = x_shape
    out_height = int((H + 2 * padding - field_height) / stride + 1)
    out_width = int((W + 2 * padding - field_width) / stride + 1)
    i0 = np.repeat(np.arange(field_height), field_width)
    i0 = np.tile(i0, C)
    i1 = stride * np.repeat(np.arange(out_height), out_width)
    j0 = np.tile(np.arange(field_width), field_height * C)
    j1 = stride * np.tile(np.arange(out_width), out_height)
    i = i0.reshape(-1, 1) + i1.reshape(1, -1)
    j = j0.reshape(-1, 1) + j1.reshape(1, -1)
    k = np.repeat(np.arange(C), field_height * field_width).reshape(-1, 1)
    return k, i, j


class ConvLayer:
    def __init__(self, in_channels, n_filters, h_filter, w_filter, stride, padding):
        self.n_filters, self.h_filter, self.w_filter = n_filters, h_filter, w_filter
        self.stride, self.padding = stride, padding
        self.W = np.random.randn(n_filters, in_channels, h_filter, w_filter) / np.sqrt(
            n_filters / 2.0
        )
        self.b = np.zeros((n_filters, 1))

    def forward(self, X):
        self.X_shape = X.shape
        n_x, _, h_x, w_x = X.shape
        h_out = (h_x - self.h_filter + 2 * self.padding) // self.stride + 1
        w_out = (w_x - self.w_filter + 2 * self.padding) // self.stride + 1
        p = self.padding
        x_padded = np.pad(X, ((0, 0), (0, 0), (p, p), (p, p)), mode="constant")
        self.idx = get_im2col_indices(X.shape, self.h_filter, self.w_filter, p, self.stride)
        k, i, j = self.idx
        cols = x_padded[:, k, i, j]
        self.X_col = cols.transpose(1, 2, 0).reshape(self.h_filter * self.w_filter * X.shape[1], -1)
        out = self.W.reshape(self.n_filters, -1) @ self.X_col + self.b
        out = out.reshape(self.n_filters, h_out, w_out, n_x)
        return out.transpose(3, 0, 1, 2)

    def backward(self, dout):
        db = np.sum(dout, axis=(0, 2, 3)).reshape(self.n_filters, -1)
        dout_flat = dout.transpose(1, 2, 3, 0).reshape(self.n_filters, -1)
        dW = (dout_flat @ self.X_col.T).reshape(self.W.shape)
        dX_col = self.W.reshape(self.n_filters, -1).T @ dout_flat
        N, C, H, W = self.X_shape
        p = self.padding
        x_padded = np.zeros((N, C, H + 2 * p, W + 2 * p))
        k, i, j = self.idx
        cols = dX_col.reshape(C * self.h_filter * self.w_filter, -1, N).transpose(2, 0, 1)
        np.add.at(x_padded, (slice(None), k, i, j), cols)
        dX = x_padded if p == 0 else x_padded[:, :, p:-p, p:-p]
        return dX, [dW, db]


def make(C, K, kernel, stride, padding):
    kh, kw = kernel if np.ndim(kernel) else (kernel, kernel)
    return ConvLayer(C, K, kh, kw, stride, padding)


def layer(x, w, b, dz, stride, padding):
    conv = make(x.shape[1], w.shape[0], w.shape[2:], stride, padding)
    conv.W, conv.b = w, b.reshape(-1, 1)
    z = conv.forward(x)
    dX, (dW, db) = conv.backward(dz)
    return {"z": z, "dX": dX, "dW": dW, "db": db}


def report():
    from cnnlib.diagnosis import channels_first, diagnose

    return diagnose(channels_first(layer))


def _run(**c):
    x, w, b, dz, ref = conv_case(**c)
    got = layer(x, w, b, dz, c.get("stride", 1), c.get("pad", 0))
    return {
        n: (np.reshape(got[m], ref[n].shape), ref[n])
        for n, m in dict(z="z", dx="dX", dw="dW", db="db").items()
    }


def truth():
    check(_run, CONV2)
