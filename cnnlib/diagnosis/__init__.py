"""Says what is wrong with somebody's own layer: `diagnose`, and the same for the other parts."""

from .convolution import channels_first, diagnose, true_convolution
from .parts import diagnose_head, diagnose_pool, diagnose_step
from .report import Finding, Report

__all__ = [
    "Finding",
    "Report",
    "channels_first",
    "diagnose",
    "diagnose_head",
    "diagnose_pool",
    "diagnose_step",
    "true_convolution",
]
