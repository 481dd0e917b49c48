"""The explorers: every connection of a layer to see and to move, live and in plain HTML."""

from .convolution import ConvolutionExplorer
from .explorer import HOST, Explorer, in_script, policy
from .host import MIME, VIEW
from .network import NetworkExplorer
from .playground import playground
from .pooling import PoolingExplorer
from .training import TrainingExplorer

EXPLORERS: dict[str, type[Explorer]] = {
    explorer.__name__: explorer
    for explorer in (ConvolutionExplorer, PoolingExplorer, NetworkExplorer, TrainingExplorer)
}

__all__ = [
    "EXPLORERS",
    "HOST",
    "MIME",
    "VIEW",
    "ConvolutionExplorer",
    "NetworkExplorer",
    "PoolingExplorer",
    "TrainingExplorer",
    "in_script",
    "playground",
    "policy",
]
