"""Where the switches are listed, and the mistakes that several sums have in common."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cnnlib.geometry import Axis

from .sums import Change, Sum, Switch

SWITCHES: list[Switch] = []


def switch(words: str, stage: str, **ids: str) -> Callable[[Change], Change]:
    """List the function below as a way of making mistakes.

    `ids` has, by quantity, the entries of the catalogue, separated by spaces. `words` say how the
    mistake is made: `dz[i] where dz[I-1-i] belongs.`
    """

    def register(change: Change) -> Change:
        for quantity, entries in ids.items():
            named = tuple(entries.split())
            SWITCHES.append(Switch(quantity, named, stage, change.__name__, words, change))
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


@switch("w[U-1-u] where w[u] belongs.", "rows", z="F1", dx="D1 D2 D3", dw="W2")
def half_turn(s: Sum) -> None:
    s.u = last(s) - s.u


@switch("p = i + ... where p = s*i + ... belongs.", "axes", z="F3", dx="D4 D5", dw="W3")
def no_stride(s: Sum) -> None:
    s.axes = [replace(axis, stride=1) for axis in s.axes]
