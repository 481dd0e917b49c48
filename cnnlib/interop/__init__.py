"""A network to PyTorch and Keras and back: architecture and weights (chapter 6).

The frameworks know neither centre nor flip, and fewer paddings than the index rule. A centre is a
padding (chapter 2, "A centre is a padding"), a flip reverses the kernel, and a padding that a
framework's layer does not have becomes a layer of its own before it. What cannot be said exactly
is refused with the reason. The frameworks are imported when a function needs them.
"""

from .from_frameworks import from_keras, from_torch
from .to_frameworks import to_keras, to_torch

__all__ = ["from_keras", "from_torch", "to_keras", "to_torch"]
