"""Where the switches are listed, and the mistakes that several sums have in common."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cnnlib.geometry import Axis

from .sums import Sum, Switch

SWITCHES: list[Switch] = []


def switch(quantity: str, ids: str, stage: str):
    """List the function below as a way of making these mistakes, `ids` separated by spaces."""

    def register(change: Callable[[Sum], None]) -> Callable[[Sum], None]:
        SWITCHES.append(Switch(quantity, tuple(ids.split()), stage, change))
        return change

    return register


def last(s: Sum) -> np.ndarray:
    """The last weight of each axis."""
    return np.array([[axis.kernel - 1] for axis in s.axes])


def before_each(s: Sum) -> np.ndarray:
    """The padding before each axis."""
    return np.array([[before] for before, _ in s.pads])


def span(axis: Axis) -> int:
    """How many cells the kernel covers."""
    return axis.dilation * (axis.kernel - 1) + 1


@switch("z", "F1", "rows")
@switch("dx", "D1 D2 D3", "rows")
@switch("dw", "W2", "rows")
def half_turn(s: Sum) -> None:
    """w[U-1-u] where w[u] belongs."""
    s.u = last(s) - s.u


@switch("z", "F3", "axes")
@switch("dx", "D4 D5", "axes")
@switch("dw", "W3", "axes")
def no_stride(s: Sum) -> None:
    """p = i + ... where p = s*i + ... belongs."""
    s.axes = [replace(axis, stride=1) for axis in s.axes]
