"""Networks that learn: layers and activations, losses, optimizers, the loop that trains them."""

from typing import TYPE_CHECKING

from .activations import (
    relu,
    relu_delta,
    sigmoid,
    sigmoid_delta,
    softmax,
    softmax_delta,
    softmax_jacobian,
    tanh,
    tanh_delta,
)
from .checking import check_gradients
from .later import LATER, later
from .layers import (
    AvgPool,
    Conv,
    Dense,
    Flatten,
    Layer,
    MaxPool,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
    first_weights,
)
from .losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Loss,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
)
from .network import Network, Trace
from .optimizers import SGD, Adam, Momentum, Optimizer, RMSprop, clip_gradients
from .schedules import Cosine
from .training import History, Step, batches, evaluate, fit, steps

if TYPE_CHECKING:  # imported when somebody asks for them
    from .averaging import GlobalAveragePool
    from .dropping import Dropout
    from .leaking import LeakyReLU, leaky_relu, leaky_relu_delta
    from .normalizing import BatchNorm
    from .receptive import receptive_field
    from .residual import Residual
    from .transposed import ConvTranspose


def __getattr__(name: str) -> object:
    """What `later.py` lists."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return later(name)


__all__ = [
    "SGD",
    "Adam",
    "AvgPool",
    "BatchNorm",
    "BinaryCrossEntropy",
    "Conv",
    "ConvTranspose",
    "Cosine",
    "CrossEntropy",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAveragePool",
    "HalfSquaredError",
    "History",
    "Layer",
    "LeakyReLU",
    "Loss",
    "MaxPool",
    "Momentum",
    "Network",
    "Optimizer",
    "RMSprop",
    "ReLU",
    "Residual",
    "Sigmoid",
    "SigmoidBinaryCrossEntropy",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Step",
    "Tanh",
    "Trace",
    "batches",
    "check_gradients",
    "clip_gradients",
    "evaluate",
    "first_weights",
    "fit",
    "leaky_relu",
    "leaky_relu_delta",
    "receptive_field",
    "relu",
    "relu_delta",
    "sigmoid",
    "sigmoid_delta",
    "softmax",
    "softmax_delta",
    "softmax_jacobian",
    "steps",
    "tanh",
    "tanh_delta",
]
