"""What only the book needs: exercises, figures, explorers, and the builder of its pages."""

from cnnlib.diagnosis import mistakes

from . import figures
from .exercises import check, hint, solution
from .widgets import (
    ConvolutionExplorer,
    NetworkExplorer,
    PoolingExplorer,
    TrainingExplorer,
    playground,
)

__all__ = [
    "ConvolutionExplorer",
    "NetworkExplorer",
    "PoolingExplorer",
    "TrainingExplorer",
    "check",
    "figures",
    "hint",
    "mistakes",
    "playground",
    "solution",
]
