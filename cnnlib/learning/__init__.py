"""Networks that learn: layers and activations, losses, optimizers, the loop that trains them."""

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

__all__ = [
    "SGD",
    "Adam",
    "AvgPool",
    "BinaryCrossEntropy",
    "Conv",
    "Cosine",
    "CrossEntropy",
    "Dense",
    "Flatten",
    "HalfSquaredError",
    "History",
    "Layer",
    "Loss",
    "MaxPool",
    "Momentum",
    "Network",
    "Optimizer",
    "RMSprop",
    "ReLU",
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
