"""What may come in: numbers and arrays of them, words, generators, files, and shapes that fit.

Every argument is read here, by the one reader of its kind: it gives the value as the library uses
it, or an `InputError` that names the argument, what came, what was expected, and the cure.

Every array is channels-last, `(N, *P, C)`, and what the library returns is contiguous in memory.
"""

import math
import operator
import os
import sys
from collections.abc import Callable, Collection, Sequence
from functools import wraps
from numbers import Real
from typing import Any, TypeVar
from typing import cast as as_type

import numpy as np
from numpy.typing import ArrayLike

from .errors import InputError, shown

Shape = tuple[int, ...]
# What a caller may give: one number for all axes or one for each.
PerAxis = int | Sequence[int] | np.ndarray

MOST = 2**31 - 1  # of a size or a step: what two of them make still fits an index
MOST_AXES = 32  # of an array, in every NumPy
Fn = TypeVar("Fn", bound=Callable)
_TRUTH = (bool, np.bool_)
_ROW = (tuple, list)


def read_integer(name: str, value: Any, least: int) -> int:
    """Read an integer that is at least `least`; True and False are none."""
    number = whole(value)
    if number is None or not least <= number <= MOST:
        wanted = "an integer" if number is None else _bounds(least, number)
        raise InputError(f"{name} is {shown(value)}; expected {wanted}")
    return number


def per_axis(name: str, value: Any, axes: int, least: int) -> Shape:
    """Read one integer for all axes, or a sequence of one integer per axis, each >= `least`."""
    if type(value) is int and least <= value <= MOST:  # as nearly always
        return (value,) * axes
    value = value.tolist() if isinstance(value, np.ndarray) else value
    given = value if isinstance(value, _ROW) else (value,) * axes
    numbers = tuple([number for number in map(whole, given) if number is not None])
    if len(numbers) < len(given):
        raise InputError(
            f"{name} is {shown(value)}; expected an integer, or a sequence of {axes} integers"
        )
    if len(numbers) != axes:
        raise InputError(
            f"{name} is {shown(value)}, with {len(numbers)} entries; expected one integer, or "
            f"{axes}: one for each axis"
        )
    for number in numbers:
        if not least <= number <= MOST:
            raise InputError(f"{name} is {shown(value)}; expected {_bounds(least, number)}")
    return numbers


def read_shape(name: str, shape: PerAxis, least: int = 1) -> Shape:
    """Read a shape, of as many axes as it has; one integer is one axis."""
    if count_axes(shape) > MOST_AXES:
        raise InputError(f"{name} is {shown(shape)}; expected at most {MOST_AXES} axes")
    return per_axis(name, shape, max(1, count_axes(shape)), least)


def is_row(value: Any) -> bool:
    """Whether it has an entry for each axis; else it is one for all of them."""
    return isinstance(value, _ROW) or (isinstance(value, np.ndarray) and value.ndim == 1)


def count_axes(value: Any) -> int:
    """For how many axes it has an entry; one integer is one axis."""
    return len(value) if is_row(value) else 1


def whole(value: Any) -> int | None:
    """An integer of any library as Python's; None for anything else."""
    if isinstance(value, _TRUTH):
        return None
    try:
        return operator.index(value)
    except Exception:  # a TypeError, or what a foreign class raises
        return None


def _bounds(least: int, number: int) -> str:
    return f"at least {least}" if number < least else f"at most {MOST}"


def read_number(
    name: str,
    value: Any,
    wanted: str = "a finite number",
    fits: Callable[[float], bool] = lambda number: True,
) -> float:
    """Read a finite real number as a Python float: one of NumPy's would widen arrays."""
    try:
        number = float(value) if isinstance(value, Real) else math.nan
    except Exception:  # an integer above all floats, or what a foreign class raises
        number = math.inf
    if isinstance(value, _TRUTH) or not math.isfinite(number) or not fits(number):
        raise InputError(f"{name} is {shown(value)}; expected {wanted}")
    return number


def read_positive(name: str, value: Any) -> float:
    """Read a positive finite number."""
    return read_number(name, value, "a positive finite number", lambda number: number > 0)


def read_truth(name: str, value: Any) -> bool:
    """Read True or False, or their integers 1 and 0; no other value is taken for one of them."""
    if not isinstance(value, _TRUTH) and whole(value) not in (0, 1):
        raise InputError(f"{name} is {shown(value)}; expected True or False")
    return bool(value)


def read_word(name: str, value: Any, words: Collection[str]) -> str:
    """Read one of these words."""
    # A foreign class of words may compare as it likes.
    same = [word for word in words if isinstance(value, str) and str.__eq__(value, word)]
    if not same:
        *others, last = map(repr, words) if words else ["nothing"]
        either = f"{', '.join(others)} or {last}" if others else last
        raise InputError(f"{name} is {shown(value)}; expected {either}")
    return same[0]


def read_text(name: str, value: Any, what: str) -> str:
    """Read a text that is not empty; `what` it shall say."""
    if not isinstance(value, str) or not value.strip():
        came = "empty" if isinstance(value, str) else shown(value)
        raise InputError(f"{name} is {came}; {what}")
    return value


def read_kind(name: str, value: Any, kind: type, cure: str) -> Any:
    """Read an object of this class; the cure says how to get one."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise InputError(f"{name} is {shown(value)}; expected {article} {kind.__name__}: {cure}")
    return value


def read_generator(name: str, value: Any) -> np.random.Generator:
    """Read a source of random numbers."""
    return read_kind(name, value, np.random.Generator, f"{name}=np.random.default_rng(0)")


def read_function(name: str, value: Any, call: str) -> Callable:
    """Read what can be called; `call` says with what."""
    if not callable(value):
        raise InputError(f"{name} is {shown(value)}; expected a function {call}")
    return value


def read_pair(name: str, value: Any) -> tuple[Any, Any]:
    """Read a pair of samples and targets."""
    if not isinstance(value, _ROW) or len(value) != 2:
        raise InputError(
            f"{name} is {shown(value)}; expected a pair of samples and targets: {name}=(x, t)"
        )
    return value[0], value[1]


def read_path(name: str, value: Any) -> str:
    """Read the path of a file. A number is none: to the system it names a file that is open."""
    try:
        path = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    except Exception:  # what a foreign class raises
        path = None
    if not isinstance(path, str) or not 0 < len(path) < 4096 or "\0" in path:
        raise InputError(f"{name} is {shown(value)}; expected the path of a file: 'run.npz'")
    return path


def read_float_type(name: str, value: Any) -> np.dtype:
    """Read np.float32 or np.float64."""
    try:
        dtype = np.dtype(value if value is not None else "V")
    except Exception:  # what is no type may raise anything
        dtype = np.dtype("V")
    if dtype not in (np.float32, np.float64):
        raise InputError(f"{name} is {shown(value)}; expected np.float32 or np.float64")
    return dtype


def read_array(name: str, value: ArrayLike) -> np.ndarray:
    """Read an array of real numbers, of whatever type."""
    if type(value) is np.ndarray and value.dtype.kind in "fiub":
        return value  # as nearly always
    try:
        masked = has_mask(value)
        array = np.asarray(0 if masked else value)
    except Exception as error:  # rows of unequal length, or what another library says
        raise InputError(f"{name} is no array of numbers: {error!s:.200}") from None
    if masked:
        raise InputError(f"{name} is a masked array; fill the masked cells first: {name}.filled(0)")
    if array.dtype.kind not in "fiub":
        came = f"has dtype {array.dtype!s:.80}" if array.ndim else f"is {shown(value)}"
        raise InputError(f"{name} {came}; expected real numbers: an array of floats or integers")
    return array


def float_arrays(**named: ArrayLike) -> list[np.ndarray]:
    """Read arrays of real numbers and bring them to one common float type.

    Floats keep their type, the widest wins. Integers and booleans count as float64.
    """
    arrays = [read_array(name, value) for name, value in named.items()]
    first = arrays[0].dtype
    if first.kind == "f" and first.isnative and all(a.dtype == first for a in arrays):
        return arrays  # as nearly always
    dtype = np.result_type(*(a.dtype if a.dtype.kind == "f" else np.float64 for a in arrays))
    return [cast(name, array, dtype) for name, array in zip(named, arrays, strict=True)]


def cast(name: str, array: np.ndarray, dtype: Any) -> np.ndarray:
    """An array in another type, if there is memory for it."""
    if array.dtype != dtype:
        size = array.size * np.dtype(dtype).itemsize
        check_memory(
            f"{name}, of shape {array.shape}, in {np.dtype(dtype)}", size, "pass less of it"
        )
    return array.astype(dtype, copy=False)


def check_memory(what: str, size: int, cure: str) -> None:
    """Refuse so many bytes if the machine cannot hold them, before it is asked for them."""
    if size > (most := memory()):
        raise InputError(
            f"{what} would take {size / 1e9:.3g} GB of memory, and there are "
            f"{most / 1e9:.3g} GB: {cure}"
        )


def memory() -> int:
    """Bytes of this machine, or that are left to this process, if the system says so."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        most = os.sysconf("SC_PHYS_PAGES") * page
    except (AttributeError, OSError, ValueError):  # Windows, a browser
        return sys.maxsize
    return min(most, _left(page))


def _left(page: int) -> int:
    """Bytes that a process with a limit, as of `ulimit -v`, has not taken yet."""
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most == resource.RLIM_INFINITY:
            return sys.maxsize
        with open("/proc/self/statm", encoding="ascii") as file:
            return max(0, most - int(file.read().split()[0]) * page)
    except (AttributeError, ImportError, OSError, ValueError):  # no system with such limits
        return sys.maxsize


def within_memory(fn: Fn) -> Fn:
    """What an estimate did not foresee, and the system refuses, is an `InputError` as well."""

    @wraps(fn)
    def computed(*given: Any, **named: Any) -> Any:
        try:
            return fn(*given, **named)
        except MemoryError as error:
            raise InputError(
                f"there is too little memory ({error}): pass less of it, or lessen stride, "
                "dilation or padding"
            ) from error

    return as_type(Fn, computed)


def has_mask(value: Any) -> bool:
    """Whether it is, or gives, a masked array, or is a row with one: NumPy would drop the mask."""
    if hasattr(value, "__array__"):
        return isinstance(np.asanyarray(value), np.ma.MaskedArray)
    if isinstance(value, str | bytes | bytearray | memoryview):
        return False
    return hasattr(value, "__getitem__") and hasattr(value, "__len__") and any(map(has_mask, value))


def check_images(name: str, x: np.ndarray, axes: int | None = None) -> None:
    """Refuse an array that is no batch `(N, *P, C)`, with `axes` spatial axes if given."""
    cure = "a batch of images has shape (N, H, W, C); one grey image x becomes x[None, ..., None]"
    if x.ndim < 3 or (axes is not None and x.ndim != axes + 2):
        wanted = "at least 3 axes" if axes is None else f"{axes + 2} axes"
        raise InputError(
            f"{name} has shape {x.shape}; expected {wanted}: batch, "
            f"{'' if axes is None else f'{axes} '}spatial, channels ({cure})"
        )
    if x.shape[0] == 0:
        raise InputError(
            f"{name} has shape {x.shape}: the batch is empty; pass at least one sample"
        )
    if 0 in x.shape:
        raise InputError(f"{name} has shape {x.shape}; every axis needs at least one entry")


def check_shape(shape: Sequence[int], axes: int) -> Shape:
    """Read the whole shape (N, *P, C) of an input."""
    if not isinstance(shape, (*_ROW, np.ndarray)) or count_axes(shape) != axes + 2:
        raise InputError(
            f"input_shape is {shown(shape)}; expected all {axes + 2} numbers (N, *P, C): batch, "
            f"{axes} spatial, channels"
        )
    return per_axis("input_shape", shape, axes + 2, 1)


def check_deltas(name: str, dz: np.ndarray, expected: Shape) -> None:
    """Refuse deltas that are not of the shape of the forward pass's output."""
    if dz.shape != tuple(expected):
        raise InputError(
            f"{name} has shape {dz.shape}; expected {tuple(expected)}, the shape of the forward "
            "pass's output over this input with this kernel, stride, dilation and padding or center"
        )


def spatial(x_shape: Shape) -> Shape:
    """The spatial part `P` of a shape `(N, *P, C)` or `(K, *U, C)`."""
    return tuple(x_shape[1:-1])
