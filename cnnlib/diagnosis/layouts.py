"""Orders of axes: the arrays of a diagnosis in those of somebody's layer, and back."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cnnlib.errors import InputError, shown

_SPATIAL = {1: "L", 2: "HW", 3: "DHW"}


@dataclass(frozen=True)
class Layout:
    """The axes of images, such as NCHW, and of kernels, such as OIHW.

    Without N the layer takes one sample at a time, without C or I it has a single channel, without
    O a single filter.
    """

    images: str
    kernels: str = ""

    @property
    def is_single(self) -> bool:
        """Whether one sample is taken at a time."""
        return "N" not in self.images

    def image(self, x: np.ndarray) -> np.ndarray:
        """(N, *P, C) in this order; or (*P, C) of one sample."""
        return _laid(x, _images(x.ndim - (1 if self.is_single else 2), self.is_single), self.images)

    def image_back(self, x: np.ndarray) -> np.ndarray:
        """An image as a diagnosis has it."""
        axes = len(self.images.replace("N", "").replace("C", ""))
        return _laid(x, self.images, _images(axes, self.is_single))

    def kernel(self, w: np.ndarray) -> np.ndarray:
        """(K, *U, C) in this order."""
        return _laid(w, _kernels(w.ndim - 2), self.kernels)

    def kernel_back(self, w: np.ndarray) -> np.ndarray:
        """A kernel as a diagnosis has it."""
        axes = len(self.kernels.replace("O", "").replace("I", ""))
        return _laid(w, self.kernels, _kernels(axes))

    def __str__(self) -> str:
        return self.images + (f" with kernels {self.kernels}" if self.kernels else "")


def _images(axes: int, single: bool = False) -> str:
    return ("" if single else "N") + _SPATIAL[axes] + "C"


def _kernels(axes: int) -> str:
    return f"O{_SPATIAL[axes]}I"


def _laid(a: np.ndarray, before: str, after: str) -> np.ndarray:
    """An array whose axes have these letters, with them in another order."""
    a = np.asarray(a)
    if a.ndim != len(before):
        raise ValueError(f"an array of shape {a.shape} is no {before}")
    for letter in before:
        if letter not in after:
            axis = before.index(letter)
            if a.shape[axis] != 1:
                what = {"C": "channel", "I": "channel", "O": "filter"}.get(letter, "sample")
                raise NotImplementedError(f"one {what} only")
            a, before = a.squeeze(axis), before.replace(letter, "")
    for letter in after:
        if letter not in before:
            a, before = a[None], letter + before
    order = [before.index(letter) for letter in after]
    return np.ascontiguousarray(a.transpose(order))


def read_layout(name: str, text: str | None, letters: str) -> str | None:
    """Check a layout: letters of which each axis has one."""
    if text is None:
        return None
    cure = "one letter for each axis, such as 'NCHW'" if "N" in letters else "such as 'OIHW'"
    if not isinstance(text, str):
        raise InputError(f"{name} is {shown(text)}; expected {cure}")
    read = text.upper()
    spatial = "".join(letter for letter in read if letter not in letters)
    if sorted(spatial) not in [sorted(one) for one in _SPATIAL.values()] or len(set(read)) < len(
        read
    ):
        raise InputError(f"{name} is {shown(text)}; expected {cure}")
    return read


def every(axes: int, images: str | None, kernels: str | None, parted: bool) -> Iterator[Layout]:
    """The layouts that may be meant, the most frequent first; `parted`: kernels have one, too."""
    P = _SPATIAL[axes]
    first = [f"NC{P}", f"N{P}C", f"C{P}", f"{P}C", f"N{P}", P]
    second = [f"OI{P}", f"{P}IO", f"O{P}I", f"IO{P}", f"{P}OI", f"O{P}", P] if parted else [""]
    for image in [images] if images else first:
        for kernel in [kernels] if kernels else second:
            yield Layout(image, kernel)
