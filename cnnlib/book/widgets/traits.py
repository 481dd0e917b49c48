"""Traits that cnnlib's readers read: the same rules, and the same words, as in functions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from traitlets import Any as Anything
from traitlets import TraitError

from cnnlib.arrays import read_array
from cnnlib.errors import InputError, shown

HUGE = 1e100


class Some(Anything):
    """Anything but None, which traitlets would take before a validation sees it."""

    allow_none = False


class Read(Anything):
    """`Read(read_integer, 14, 0)` is 14 at first, and reads by `read_integer(name, value, 0)`.

    None is looked at like all else, unless it is the default: traitlets would take it unseen.
    """

    allow_none = False

    def __init__(self, reader: Callable[..., Any], default: Any, *more: Any) -> None:
        super().__init__(default, allow_none=default is None)
        self.reader, self.more = reader, more

    def validate(self, obj: Any, value: Any) -> Any:
        """The value as the reader gives it."""
        try:
            return self.reader(self.name, value, *self.more)
        except InputError as error:
            raise TraitError(str(error)) from None


def read_list(name: str, value: Any, cure: str) -> list:
    """Read a list or a tuple as a list."""
    if not isinstance(value, list | tuple):
        raise InputError(f"{name} is {shown(value)}; expected a list: {cure}")
    return list(value)


def read_grid(name: str, value: Any, largest: int, axes: int = 2) -> list:
    """Read finite numbers on one axis or up to `axes`, of at most `largest` cells, as lists.

    Of numbers up to `HUGE`, products and their sums are finite as well.
    """
    array = read_array(name, value)
    if not 1 <= array.ndim <= axes or not 1 <= min(array.shape) <= max(array.shape) <= largest:
        raise InputError(
            f"{name} has shape {array.shape}; expected one channel of one image: 1 or 2 axes of at "
            f"most {largest} cells" + ", or with channels as in cnnlib.conv" * (axes > 2)
        )
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds a number that is not finite; replace it")
    if np.abs(array).max() > HUGE:
        raise InputError(f"{name} holds a number beyond {HUGE:g}; replace it")
    return (array + 0).tolist()  # + 0: a zero has no sign
