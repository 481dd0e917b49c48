"""What somebody's forward pass gets: arrays of declared shapes, in sizes that vary."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnnlib.arrays import MOST, has_mask
from cnnlib.errors import InputError, raised, shown

Values = dict[str, Any]  # by name, in the order of the arguments
Inputs = Mapping[str, Any] | Sequence[Mapping[str, Any]] | Callable[[np.random.Generator], Any]

_ALONG = "HWLTPQ"  # letters of axes along which kernels travel: they get room
_SAMPLES = (2, 1, 3, 2, 4, 3)  # N in each configuration
_OTHERS = (2, 2, 1, 3, 2, 3)  # any other letter; the last but one rise, so that no two are equal
_RISING = (False, False, False, True, True, False)
_ROOM = (4, 4, 3, 4, 5, 4)  # H, W ...; in the last configuration all are equal
_SHAPE = re.compile(r"(\d*)([A-Za-z]?)")
_RANGES = ("0 or 1", "0 to 1", "positive")
_AXES, _CELLS = 16, 10**6  # at most
_DIGITS = 19  # that are read: a number of more is too large anyway
_GRAMMAR = (
    "sizes separated by spaces, letters or numbers, as in 'N C 5', and perhaps after a comma "
    "'0 or 1', '0 to 1', 'positive' or 'below K'"
)


@dataclass(frozen=True, eq=False)
class Given:
    """One configuration of the arguments."""

    values: Values
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def moved(self) -> list[str]:
        """The arguments by which slopes exist: arrays of floats."""
        return [name for name, value in self.values.items()
                if isinstance(value, np.ndarray) and value.dtype.kind == "f"]  # fmt: skip

    def __str__(self) -> str:
        if self.sizes:
            return ", ".join(f"{letter}={size}" for letter, size in self.sizes.items())
        return ", ".join(f"{name} {_form(value)}" for name, value in self.values.items())


def _form(value: Any) -> str:
    return str(value.shape) if isinstance(value, np.ndarray) else shown(value)


def configurations(inputs: Inputs, seed: int) -> list[Given]:
    """The configurations that are declared, from the simplest to the most awkward."""
    if isinstance(inputs, Mapping):
        letters: dict[str, None] = {}
        for name, value in inputs.items():
            if isinstance(value, str):
                letters |= dict.fromkeys(letter for _, letter in _sizes(name, value) if letter)
        if not letters:
            return [_drawn(inputs, {}, np.random.default_rng(seed))]
        return [
            _drawn(inputs, sizes, np.random.default_rng(seed + n))
            for n, sizes in enumerate(_varied(list(letters)))
        ]
    if callable(inputs):
        try:
            made = [inputs(np.random.default_rng(seed + n)) for n in range(4)]
        except Exception as error:
            raise InputError(f"inputs, called with a Generator, raises {raised(error)}") from error
    elif isinstance(inputs, list | tuple) and inputs:
        made = list(inputs)
    else:
        made = [None]
    if not all(isinstance(one, Mapping) for one in made):
        raise InputError(
            f"inputs is {shown(inputs)}; expected a mapping of each argument's name to its shape, "
            f"as in {{'x': 'N C', 'w': 'C 3'}}, or to its array; or a list of such"
        )
    if any(one.keys() != made[0].keys() for one in made):
        raise InputError(
            f"inputs have the names {shown([list(one) for one in made])}; expected the same in each"
        )
    ordered = [{name: one[name] for name in made[0]} for one in made]
    return [_drawn(one, {}, np.random.default_rng(seed)) for one in ordered]


def _varied(letters: Sequence[str]) -> Iterator[dict[str, int]]:
    for N, other, rising, room in zip(_SAMPLES, _OTHERS, _RISING, _ROOM, strict=True):
        sizes, equal = {}, room == _ROOM[-1] and not rising and N == _SAMPLES[-1]
        for rank, letter in enumerate(letters):
            if letter == "N":
                sizes[letter] = N
            elif letter in _ALONG:
                sizes[letter] = room if equal else room + _ALONG.index(letter) % 3
            else:
                sizes[letter] = other + rank * rising
        yield sizes


def _sizes(name: str, text: str) -> list[tuple[str, str]]:
    """Number and letter of each size of a declared shape."""
    found = [_SHAPE.fullmatch(one) for one in text.partition(",")[0].split()]
    limit = text.partition(",")[2].strip()
    known = not limit or limit in _RANGES or re.fullmatch(r"below (\d+|[A-Za-z])", limit)
    if not all(one and one[0] for one in found) or not known:
        raise InputError(f"the shape of {name} is {shown(text)}; expected {_GRAMMAR}")
    return [(one[1], one[2]) for one in found if one]


def _drawn(inputs: Mapping[str, Any], sizes: Mapping[str, int], rng: np.random.Generator) -> Given:
    values: Values = {}
    for name, value in inputs.items():
        if not isinstance(name, str):
            raise InputError(f"inputs has the name {shown(name)}; expected that of an argument")
        if isinstance(value, str):
            shape = [
                int(n[:_DIGITS] or 1) * sizes.get(letter, 1) for n, letter in _sizes(name, value)
            ]
            if len(shape) > _AXES or math.prod(shape) > _CELLS:
                raise InputError(
                    f"the shape of {name} is {shown(value)}; expected at most {_AXES} axes and "
                    f"{_CELLS} numbers: small ones show all there is"
                )
            values[name] = _filled(name, shape, value.partition(",")[2].strip(), sizes, rng)
        else:
            values[name] = _whole(name, value)
    return Given(values, dict(sizes))


def _whole(name: str, value: Any) -> Any:
    """A value as it was given; numbers without a slope are refused."""
    if isinstance(value, list | tuple) and not has_mask(value):
        try:
            array = np.asarray(value)
        except ValueError:
            raise InputError(
                f"{name} is {shown(value)}; expected rows of one length, which make an array"
            ) from None
        value = array if array.dtype.kind == "f" else value
    if has_mask(value):
        raise InputError(f"{name} is a masked array: fill it, {name}.filled(0)")
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not np.isfinite(value).all():
        raise InputError(f"{name} holds a number that is not finite: no slope can be taken there")
    return value


def _filled(
    name: str, shape: Sequence[int], limit: str, sizes: Mapping[str, int], rng: np.random.Generator
) -> np.ndarray:
    if limit == "0 or 1":
        return rng.integers(0, 2, shape)
    if limit == "0 to 1":
        return rng.uniform(0.1, 0.9, shape)
    if limit == "positive":
        return rng.uniform(0.5, 2, shape)
    if limit:
        end = limit.split()[1]
        below = int(end[:_DIGITS]) if end.isdigit() else sizes.get(end, 0)
        if not 1 <= below <= MOST:
            raise InputError(
                f"{name} is to be {limit}; expected a number from 1 to {MOST}, or the letter of "
                "a size"
            )
        return rng.integers(0, below, shape)
    return rng.normal(size=shape)
