"""A convolutional network in NumPy, as the book explains it: one connection table, three sums."""

from .convolution import conv, conv_bias_gradient, conv_delta, conv_weight_gradient
from .geometry import Window, connections
from .pooling import avg_pool, avg_pool_delta, max_pool, max_pool_delta
from .workers import threads

__version__ = "0.1.0"

__all__ = [
    "Window",
    "avg_pool",
    "avg_pool_delta",
    "connections",
    "conv",
    "conv_bias_gradient",
    "conv_delta",
    "conv_weight_gradient",
    "diagnose",
    "max_pool",
    "max_pool_delta",
    "threads",
]


def __getattr__(name: str):
    if name == "diagnose":  # loaded when it is asked for: the catalogue is not needed to compute
        from .diagnosis import diagnose

        return diagnose
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
