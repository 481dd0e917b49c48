"""Files that can be trusted: arrays and what is said of them, whole or not at all.

A file is an npz archive without pickle, which any NumPy reads: the arrays, a JSON text `about`, and
a `checksum` over both. It is written beside its place, read again, and renamed when it is found to
be whole: a program that is killed at any moment leaves the old file or the new one. When it is
read, no more memory is asked for than it has bytes.
"""

import json
import os
import zipfile
from collections.abc import Collection, Mapping
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cnnlib.data.files import Place, blaming, reading, reason, replacing, sweep
from cnnlib.errors import DataError, Error, InputError, shown

BEGINS = b"PK\x03\x04"  # the first bytes of every file
HOUR = 3600.0  # no program takes longer for a file
FORMAT = 1  # grows when the versions before could not read what this one writes


def write(path: Place, tree: Mapping[str, Any], ours: set[str] | None = None) -> None:
    """Write a tree of dicts, lists, numbers, words and arrays; replace a file in one instant.

    Given `ours`, the checksums of the files there that the caller knows of, no other file is
    replaced, and the new checksum joins them.

    Raises
    ------
    DataError
        The file cannot be written, say because its folder is missing or the disk is full, or it is
        not one of `ours`. What was there before is untouched.
    InputError
        The tree holds what such a file could not bring back. What was there is untouched, too.
    """
    try:
        arrays: dict[str, NDArray] = {}
        versions = {"cnnlib": version("cnnlib"), "numpy": np.__version__}
        about = {"format": FORMAT, "versions": versions, "tree": _without_arrays(tree, "", arrays)}
        arrays["about"] = np.array(json.dumps(about))
        total = digest(arrays)
        if ours is not None:
            _refuse_others(path, ours)
            ours.add(total)  # before there is such a file: an interrupt may come in between
        with replacing(path) as file:
            np.savez(file, **arrays, checksum=np.array(total))  # type: ignore[arg-type]
            file.flush()
            opened(file.name)
        sweep(path, BEGINS, seconds=HOUR)  # what killed programs have left
    except OSError as error:
        if ours is not None:
            _refuse_others(path, ours)  # one who has just taken the path over may be the reason
        cure = "Name a file in a folder that exists, may be written to, and has room"
        raise DataError(f"{path} cannot be written ({reason(error)}). {cure}") from error
    except Error:
        raise
    except Exception as error:  # a name or a text may be anything
        raise InputError(f"{path} would not bring back what it shall hold: {error!r}") from error


def _refuse_others(path: Place, ours: Collection[str]) -> None:
    if os.path.exists(path) and checksum(path) not in ours:
        raise DataError(
            f"{path} was written by another program meanwhile, which may go on there: this one "
            "has not replaced it. Give each training a path of its own"
        )


def checksum(path: Place) -> str:
    """What a file says of itself; two that say the same are the same."""
    with blaming(path):
        return str(_members(path, ["checksum"])["checksum"])


def read(path: Place) -> dict[str, Any]:
    """Read the tree that `write` wrote, bit for bit; tuples come back as lists.

    Raises
    ------
    DataError
        There is no such file, it is truncated or damaged, it is not one of cnnlib's, or another
        version of the library wrote it.
    """
    with blaming(path):
        return opened(path)[0]


def opened(path: Place) -> tuple[dict[str, Any], str]:
    """The tree that a file holds, and its checksum; or an error of any kind."""
    arrays = _members(path)
    if (total := str(arrays.pop("checksum"))) != digest(arrays):
        raise ValueError("its contents do not have its checksum")
    about = json.loads(str(arrays["about"]))
    form, writer = about["format"], about["versions"]["cnnlib"]
    if form != FORMAT:
        words = f"{path} has format {shown(form)}, not {FORMAT}: install cnnlib {writer!s:.80}"
        raise DataError(f"{words} for it")
    return dict(_with_arrays(about["tree"], arrays)), total


def _members(path: Place, names: Collection[str] | None = None) -> dict[str, NDArray]:
    """The arrays of an archive, or those of these names."""
    with reading(path) as file, zipfile.ZipFile(file) as archive:
        members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
        # What is compressed might grow beyond what the archive says of it; `write` compresses
        # nothing. Parts side by side are no larger than the file.
        if any(m.compress_type != zipfile.ZIP_STORED for m in members.values()):
            raise ValueError("a part of it is compressed")
        if sum(m.file_size for m in members.values()) > os.fstat(file.fileno()).st_size:
            raise ValueError("its parts are larger than the whole")
        wanted = members if names is None else names
        return {name: _array(archive.read(members[name])) for name in wanted}


def _array(data: bytes) -> NDArray:
    """The array of an npy file, in the same memory; its header must say how long it is."""
    file = BytesIO(data)
    first = npy.read_magic(file) == (1, 0)
    shape, columns, dtype = (npy.read_array_header_1_0 if first else npy.read_array_header_2_0)(
        file
    )
    start = file.tell()
    if dtype.hasobject or prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError(f"a header promises {shape!r:.80} of {dtype!s:.80}")
    return np.ndarray(shape, dtype, data, start, order="F" if columns else "C")


def digest(arrays: Mapping[str, NDArray]) -> str:
    """SHA-256 over names, types, shapes and bytes of the arrays, in the order of their names."""
    total = sha256()
    for name, a in sorted(arrays.items()):
        total.update(f"{name} {a.dtype.str} {a.shape} ".encode())
        total.update(np.ascontiguousarray(a))  # type: ignore[arg-type]  # its bytes
    return total.hexdigest()


def plain(value: Any) -> Any:
    """The same as JSON gives it back: lists for tuples and arrays, Python's numbers for NumPy's.

    Raises
    ------
    InputError
        It holds what JSON has no word for.

    Examples
    --------
    >>> plain({"stride": (np.int64(2), 1), "center": np.array([0, 1])})
    {'stride': [2, 1], 'center': [0, 1]}
    """
    try:
        return _plain(value)
    except RecursionError:
        raise InputError("a list or dict is nested too deeply, or in a circle") from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {name: _plain(part) for name, part in value.items()}
    raise InputError(
        f"{shown(value)} is a {type(value).__name__}; a file holds numbers, words, True, False, "
        "None, and lists and dicts of them, dicts by words"
    )


def _without_arrays(part: Any, at: str, arrays: dict[str, NDArray]) -> Any:
    """Move the arrays of a tree into `arrays`, each under its place; '@' says where one was."""
    if isinstance(part, dict):
        return {name: _without_arrays(a, f"{at}/{name}", arrays) for name, a in part.items()}
    if isinstance(part, np.ndarray):
        arrays[at[1:]] = part
        return {"@": at[1:]}
    return part


def _with_arrays(part: Any, arrays: Mapping[str, NDArray]) -> Any:
    """Put the arrays back into a tree: the inverse of `_without_arrays`."""
    if not isinstance(part, dict):
        return part
    if part.keys() == {"@"}:
        return arrays[part["@"]]
    return {name: _with_arrays(a, arrays) for name, a in part.items()}
