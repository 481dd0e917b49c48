"""Right layers of another convention, and wrong ones beside them."""

import numpy as np

from cnnlib.diagnosis import true_convolution

from . import truth
from .returned import sums


@truth(True, activation="relu", says=("ReLU",))
def rectified(x, w, b, dz, stride, padding):
    """The layer and its ReLU in one."""
    z = sums(x, w, b, dz, stride, padding)["z"]
    one = sums(x, w, b, np.where(z > 0, dz, 0), stride, padding)
    return {**one, "z": np.where(z > 0, z, 0)}


@truth(True, activation="tanh", says=("tanh",))
def saturated(x, w, b, dz, stride, padding):
    """A tanh inside, its derivative from its output."""
    a = np.tanh(sums(x, w, b, dz, stride, padding)["z"])
    return {**sums(x, w, b, dz * (1 - a * a), stride, padding), "z": a}


@truth(False, wrong="dx dw db", activation="relu", names="S2 S3")
def rectified_on_the_way_there_only(x, w, b, dz, stride, padding):
    one = sums(x, w, b, dz, stride, padding)
    return {**one, "z": np.maximum(one["z"], 0)}


@truth(True, says=("N",))
def means_in_the_layer(x, w, b, dz, stride, padding):
    """The mean over the batch is taken here: the deltas that come in are p - t."""
    one = sums(x, w, b, dz, stride, padding)
    return {**one, "dw": one["dw"] / len(x), "db": one["db"] / len(x)}


@truth(False, wrong="db", names="W6")
def a_mean_for_the_bias_alone(x, w, b, dz, stride, padding):
    one = sums(x, w, b, dz, stride, padding)
    return {**one, "db": one["db"] / x.shape[0]}


def turned(x, w, b, dz, stride, padding):
    """A true convolution, forwards and backwards."""
    one = sums(x, w[:, ::-1, ::-1], b, dz, stride, padding)
    return {**one, "dw": one["dw"][:, ::-1, ::-1]}


declared = truth(True)(true_convolution(turned))


@truth(False, wrong="z dx dw", names="F1", says=("fit", "true_convolution"))
def not_declared(x, w, b, dz, stride, padding):
    """Its gradients are those of its own forward pass: only that differs from a correlation."""
    return turned(x, w, b, dz, stride, padding)


@truth(False, wrong="z", names="", says=("bias",))
def a_name_used_again(x, w, b, dz, stride, padding):
    """`b` becomes the size of the batch, and is added."""
    b, *_ = x.shape
    return {"z": sums(x, w, None, dz, stride, padding)["z"] + b}
