"""1-D convolution, class, (N, C, L), sliding windows and einsum."""

import numpy as np

from .common import check, conv_case

TRUTH = {
    "right": False,
    "what": "dx adds at i instead of i * stride: right for stride 1 only.",
    "kind": "conv 1-D",
    "limits": "",
}


class Conv1d:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
        bound = 1 / np.sqrt(in_channels * kernel_size)
        self.W = np.random.uniform(-bound, bound, (out_channels, in_channels, kernel_size))
        self.b = np.random.uniform(-bound, bound, out_channels)
        self.stride, self.padding, self.kernel_size = stride, padding, kernel_size

    def forward(self, A):
        self.A = np.pad(A, ((0, 0), (0, 0), (self.padding, self.padding)))
        self.L_in = A.shape[2]
        L_out = (self.A.shape[2] - self.kernel_size) // self.stride + 1
        Z = np.zeros((A.shape[0], self.W.shape[0], L_out))
        for i in range(L_out):
            s = i * self.stride
            Z[:, :, i] = (
                np.einsum("nck,ock->no", self.A[:, :, s : s + self.kernel_size], self.W) + self.b
            )
        return Z

    def backward(self, dLdZ):
        self.dLdW = np.zeros_like(self.W)
        dLdA = np.zeros_like(self.A)
        for i in range(dLdZ.shape[2]):
            s = i * self.stride
            self.dLdW += np.einsum(
                "no,nck->ock", dLdZ[:, :, i], self.A[:, :, s : s + self.kernel_size]
            )
            dLdA[:, :, i : i + self.kernel_size] += np.einsum("no,ock->nck", dLdZ[:, :, i], self.W)
        self.dLdb = dLdZ.sum(axis=(0, 2))
        return dLdA[:, :, self.padding : self.padding + self.L_in]


def layer(x, w, b, dz, stride, padding):
    conv = Conv1d(x.shape[2], w.shape[0], w.shape[1], stride, padding)
    conv.W, conv.b = w.transpose(0, 2, 1), b
    z = conv.forward(x.transpose(0, 2, 1))
    dx = conv.backward(dz.transpose(0, 2, 1))
    return {
        "z": z.transpose(0, 2, 1),
        "dx": dx.transpose(0, 2, 1),
        "dw": conv.dLdW.transpose(0, 2, 1),
        "db": conv.dLdb,
    }


def report():
    from cnnlib.diagnosis import diagnose

    return diagnose(layer, axes=1)


def _run(**c):
    x, w, b, dz, ref = conv_case(**c)
    t = (0, 2, 1)
    got = layer(
        x.transpose(t), w.transpose(t), b, dz.transpose(t), c.get("stride", 1), c.get("pad", 0)
    )
    return {n: (v, ref[n] if n == "db" else ref[n].transpose(t)) for n, v in got.items()}


CASES = [
    dict(N=1, C=1, K=1, size=(6,), kernel=(3,)),
    dict(N=3, C=2, K=4, size=(9,), kernel=(3,), stride=2, pad=1),
    dict(N=2, C=3, K=2, size=(8,), kernel=(2,), stride=3, pad=0),
    dict(N=2, C=3, K=2, size=(8,), kernel=(4,), stride=1, pad=2),
]


def truth():
    check(_run, CASES, {"dx"})
    check(_run, [c for c in CASES if c.get("stride", 1) == 1])
