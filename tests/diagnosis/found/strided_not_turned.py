"""as_strided and tensordot, NHWC, HWIO, stride 1 and 'valid' only."""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .common import CONV2, check, conv_case

TRUTH = {
    "right": False,
    "what": "dx correlates the padded delta with the kernel without turning it by 180 degrees.",
    "kind": "conv",
    "limits": "stride 1, padding 0",
}


def windows(x, kh, kw):
    n, h, w, c = x.shape
    sn, sh, sw, sc = x.strides
    return as_strided(
        x,
        shape=(n, h - kh + 1, w - kw + 1, kh, kw, c),
        strides=(sn, sh, sw, sh, sw, sc),
        writeable=False,
    )


class Conv2D:
    """Valid convolution with stride 1."""

    def __init__(self, in_channels, out_channels, kernel_size):
        kh, kw = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
        self.kernel = np.random.randn(kh, kw, in_channels, out_channels) * np.sqrt(
            2 / (kh * kw * in_channels)
        )
        self.bias = np.zeros(out_channels)

    def forward(self, x):
        kh, kw = self.kernel.shape[:2]
        self.shape = x.shape
        self.win = windows(np.ascontiguousarray(x), kh, kw)
        return np.tensordot(self.win, self.kernel, axes=3) + self.bias

    def backward(self, grad):
        kh, kw = self.kernel.shape[:2]
        self.grad_kernel = np.tensordot(self.win, grad, axes=((0, 1, 2), (0, 1, 2)))
        self.grad_bias = grad.sum(axis=(0, 1, 2))
        padded = np.pad(grad, ((0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1), (0, 0)))
        kernel_t = self.kernel.transpose(0, 1, 3, 2)
        return np.tensordot(windows(padded, kh, kw), kernel_t, axes=3)


def report():
    from cnnlib.diagnosis import adapt, diagnose

    fn = adapt(
        Conv2D,
        "NHWC",
        "HWIO",
        weight="kernel",
        bias="bias",
        grads={"dw": "grad_kernel", "db": "grad_bias"},
    )
    return diagnose(fn, stride=1, padding=0)


def _run(**c):
    c = dict(c, stride=1, pad=0)
    x, w, b, dz, ref = conv_case(**c)
    conv = Conv2D(c["C"], c["K"], c["kernel"])
    conv.kernel, conv.bias = w.transpose(2, 3, 1, 0), b
    z = conv.forward(x.transpose(0, 2, 3, 1))
    dx = conv.backward(dz.transpose(0, 2, 3, 1))
    return dict(
        z=(z.transpose(0, 3, 1, 2), ref["z"]),
        dx=(dx.transpose(0, 3, 1, 2), ref["dx"]),
        dw=(conv.grad_kernel.transpose(3, 2, 0, 1), ref["dw"]),
        db=(conv.grad_bias, ref["db"]),
    )


def truth():
    check(_run, CONV2, {"dx"})
