"""Global average pooling, NCHW, class with forward and backward."""

import numpy as np

from .common import check

TRUTH = {"right": True, "what": "", "kind": "gradient (global average pool)", "limits": ""}


class GlobalAvgPool:
    def forward(self, x):
        self.x_shape = x.shape
        return x.mean(axis=(2, 3))

    def backward(self, dout):
        n, c, h, w = self.x_shape
        return np.broadcast_to(dout[:, :, None, None] / (h * w), self.x_shape).copy()


def report():
    from cnnlib.diagnosis import diagnose_gradient

    return diagnose_gradient(GlobalAvgPool(), inputs={"x": "N C H W"})


def _run(shape):
    import torch

    r = np.random.default_rng(1)
    x = r.normal(size=shape)
    t = torch.tensor(x, requires_grad=True)
    z = torch.nn.functional.adaptive_avg_pool2d(t, 1)[:, :, 0, 0]
    layer = GlobalAvgPool()
    out = layer.forward(x)
    dz = r.normal(size=out.shape)
    z.backward(torch.tensor(dz))
    return dict(a=(out, z.detach().numpy()), dx=(layer.backward(dz), t.grad.numpy()))


def truth():
    check(_run, [dict(shape=(2, 3, 4, 5)), dict(shape=(1, 1, 3, 2))])
