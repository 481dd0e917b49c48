"""Two mistakes at once."""

import numpy as np

from . import truth
from .limits import padded
from .returned import sums


@truth(False, wrong="dx", names="D11", says=("padding above 0",))
def stops_early_and_cuts_to_nothing(x, w, b, dz, stride, padding):
    """[pad:-pad] at padding 0; with padding, loops that compare starts with the bare image."""
    dwide = np.zeros(padded(x, padding).shape)
    (H, W), size = x.shape[1:3], w.shape[1]
    for i in range(dz.shape[1]):
        if i * stride > H:
            break
        for j in range(dz.shape[2]):
            if j * stride > W:
                break
            at = np.s_[:, i * stride : i * stride + size, j * stride : j * stride + w.shape[2]]
            dwide[at] += np.einsum("nk,kuvc->nuvc", dz[:, i, j], w)
        if (j + 1) * stride > H:
            break
    return {"dx": dwide[:, padding:-padding, padding:-padding]}


@truth(False, wrong="dw db", names="W12 B3")
def two_quantities(x, w, b, dz, stride, padding):
    one = sums(x, w, b, dz, stride, padding)
    dw = one["dw"]
    if w.shape[1] == w.shape[2]:
        dw = dw.swapaxes(1, 2)
    return {**one, "dw": dw, "db": dz.mean(axis=(0, 1, 2))}


@truth(False, wrong="dx", names="D1 D2 D3 D4 D5")
def turned_and_unstrided(x, w, b, dz, stride, padding):
    """The kernel is turned in a loop that scatters, and the stride is missing."""
    dwide = np.zeros(padded(x, padding).shape)
    for i, j in np.ndindex(*dz.shape[1:3]):
        at = np.s_[:, i : i + w.shape[1], j : j + w.shape[2]]
        dwide[at] += np.tensordot(dz[:, i, j], np.rot90(w, 2, (1, 2)), 1)
    return {"dx": dwide[:, padding : padding + x.shape[1], padding : padding + x.shape[2]]}


@truth(False, wrong="dx", says=("stride",))
def wrong_with_padding_and_stride_only(x, w, b, dz, stride, padding):
    """A shortcut for the case of both that adds the frame's deltas to the rim."""
    dx = sums(x, w, b, dz, stride, padding)["dx"]
    if stride > 1 and padding:
        dx[:, 0] += 1
    return {"dx": dx}
