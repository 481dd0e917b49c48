"""A convolutional network in NumPy, as the book explains it: one connection table, three sums."""

from .checks import adjoint_test, explain, numerical_gradient, relative_error
from .convolution import conv, conv_bias_gradient, conv_delta, conv_weight_gradient
from .diagnosis import diagnose
from .geometry import Window, connections
from .pooling import avg_pool, avg_pool_delta, max_pool, max_pool_delta
from .sums.workers import threads

__version__ = "0.1.0"

__all__ = [
    "Window",
    "adjoint_test",
    "avg_pool",
    "avg_pool_delta",
    "connections",
    "conv",
    "conv_bias_gradient",
    "conv_delta",
    "conv_weight_gradient",
    "diagnose",
    "explain",
    "max_pool",
    "max_pool_delta",
    "numerical_gradient",
    "relative_error",
    "threads",
]
