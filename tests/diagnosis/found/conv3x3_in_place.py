"""Conv3x3 of the well-known 'CNNs from scratch' post: one gray image (H, W), filters (K, 3, 3), no bias."""

import numpy as np

from .common import close, conv_case

TRUTH = {
    "right": True,
    "what": "",
    "kind": "conv",
    "limits": "3x3, one sample, one channel, stride 1, padding 0, no bias; backprop updates the filters inside and returns None",
}


class Conv3x3:
    def __init__(self, num_filters):
        self.num_filters = num_filters
        self.filters = np.random.randn(num_filters, 3, 3) / 9

    def iterate_regions(self, image):
        h, w = image.shape
        for i in range(h - 2):
            for j in range(w - 2):
                im_region = image[i : (i + 3), j : (j + 3)]
                yield im_region, i, j

    def forward(self, input):
        self.last_input = input
        h, w = input.shape
        output = np.zeros((h - 2, w - 2, self.num_filters))
        for im_region, i, j in self.iterate_regions(input):
            output[i, j] = np.sum(im_region * self.filters, axis=(1, 2))
        return output

    def backprop(self, d_L_d_out, learn_rate):
        d_L_d_filters = np.zeros(self.filters.shape)
        for im_region, i, j in self.iterate_regions(self.last_input):
            for f in range(self.num_filters):
                d_L_d_filters[f] += d_L_d_out[i, j, f] * im_region
        self.filters -= learn_rate * d_L_d_filters
        return None


def layer(x, w, b, dz, stride, padding):
    if w.shape[1:] != (3, 3, 1) or len(x) != 1:
        raise ValueError("Conv3x3 takes one gray image and 3x3 filters")
    conv = Conv3x3(len(w))
    conv.filters = w[..., 0].copy()
    z = conv.forward(x[0, :, :, 0])
    conv.backprop(dz[0], 1.0)
    # no bias in this layer: it is added outside
    return {"z": z[None] + b, "dw": w - conv.filters[..., None]}


def report():
    from cnnlib.diagnosis import diagnose

    return diagnose(
        layer,
        stride=1,
        padding=0,
        channels=1,
        limits=["one sample", "one channel", "square kernel", "odd kernel"],
    )


def truth(wrong=()):
    bad = set()
    for size, K in (((5, 5), 1), ((6, 8), 4), ((3, 3), 2)):
        x, w, b, dz, ref = conv_case(1, 1, K, size, (3, 3))
        t = (0, 2, 3, 1)
        got = layer(x.transpose(t), w.transpose(t), b, dz.transpose(t), 1, 0)
        bad |= {n for n in got if not close(got[n], ref[n].transpose(t))}
    assert bad == set(wrong), bad
