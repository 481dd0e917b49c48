"""The mistakes of a convolution layer that the catalogue names, as switches of its sums.

Entries whose results are equal share a switch; an entry that people make in several ways has one
for each. The other entries are of pooling, of the head, and of the training step.
"""

from . import deltas, forward, gradients  # noqa: F401  each lists its switches
from .registry import SWITCHES

__all__ = ["SWITCHES"]
