"""What is imported when somebody asks for it: layers of chapter 10, by their modules."""

from importlib import import_module
from typing import Any

LATER = {
    "BatchNorm": "normalizing",
    "ConvTranspose": "transposed",
    "Dropout": "dropping",
    "GlobalAveragePool": "averaging",
    "LeakyReLU": "leaking",
    "Residual": "residual",
    "leaky_relu": "leaking",
    "leaky_relu_delta": "leaking",
    "receptive_field": "receptive",
}


def later(name: str) -> Any:
    """The class or function of this name, which stands in `LATER`."""
    return getattr(import_module(f".{LATER[name]}", __package__), name)
