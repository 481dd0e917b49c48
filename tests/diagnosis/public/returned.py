"""What a function returns, keeps and changes besides its sums."""

import numpy as np

import cnnlib

from . import truth
from .limits import padded


def sums(x, w, b, dz, stride, padding):
    """All four, right."""
    how = {"stride": stride, "padding": padding}
    return {
        "z": cnnlib.conv(x, w, b, **how),
        "dx": cnnlib.conv_delta(dz, w, x.shape, **how),
        "dw": cnnlib.conv_weight_gradient(x, dz, w.shape[1:-1], **how),
        "db": cnnlib.conv_bias_gradient(dz),
    }


@truth(False, wrong="dx dw")
def capital_names(x, w, b, dz, stride, padding):
    """Names of a course; two of the three are nonsense."""
    return {"dX": x * 0 + 7, "dW": w * 0 + 7, "db": sums(x, w, b, dz, stride, padding)["db"]}


@truth(True)
def three_in_a_row(x, w, b, dz, stride, padding):
    """What a backward pass of an autograd returns: the gradients of x, w and b."""
    one = sums(x, w, b, dz, stride, padding)
    return one["dx"], one["dw"], one["db"]


@truth(False, wrong="dw", names="W12")
def three_in_a_row_and_one_wrong(x, w, b, dz, stride, padding):
    """The loops over a kernel are written into the other's index."""
    one = sums(x, w, b, dz, stride, padding)
    wide, dw = padded(x, padding), np.zeros((len(w), *w.shape[2:0:-1], w.shape[3]))
    rows, columns = (stride * np.arange(n) for n in dz.shape[1:3])
    for u, v in np.ndindex(*w.shape[1:3]):
        seen = wide[:, u + rows[:, None], v + columns]
        dw[:, v, u] = np.einsum("nijk,nijc->kc", dz, seen)
    return [one["dx"], dw, one["db"]]


@truth(True)
def a_column_of_biases(x, w, b, dz, stride, padding):
    """(K, 1), as many keep it."""
    return {"db": np.einsum("nijk->k", dz).reshape(-1, 1)}


@truth(True, says=("updates w",))
def weights_moved_inside(x, w, b, dz, stride, padding):
    """Right sums; then the weights, which belong to the caller, are updated."""
    one = sums(x, w, b, dz, stride, padding)
    np.subtract(w, 0.1 * one["dw"], out=w)
    return one


@truth(None, says=("second call",))
def its_own_bias(x, w, b, dz, stride, padding):
    """The layer draws a bias of its own, and nobody hands over the caller's."""
    own = np.random.default_rng().normal(size=len(b))
    one = sums(x, w, own, dz, stride, padding)
    return {"z": one["z"], "dx": one["dx"]}


@truth(None, says=("raises",))
def always_raises(x, w, b, dz, stride, padding):
    return {"dx": undefined_everywhere * dz}  # noqa: F821


@truth(None)
def nothing_at_all(x, w, b, dz, stride, padding):
    sums(x, w, b, dz, stride, padding)
