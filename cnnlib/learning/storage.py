"""Files that can be trusted: arrays and what is said of them, whole or not at all.

A file is an npz archive without pickle, which any NumPy reads: the arrays, a JSON text `about`, and
a `checksum` over both. It is written beside its place, under the name + '.partial', and renamed
when it is complete: a program that is killed at any moment leaves the old file or the new one.
"""

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlib.errors import DataError, InputError

FORMAT = 1  # grows when the versions before could not read what this one writes

Place = str | os.PathLike[str]


def write(path: Place, tree: Mapping[str, Any]) -> None:
    """Write a tree of dicts, lists, numbers, words and arrays; replace a file in one instant.

    Raises
    ------
    DataError
        The file cannot be written, say because its folder is missing or the disk is full. What
        was there before is untouched.
    """
    arrays: dict[str, NDArray] = {}
    versions = {"cnnlib": version("cnnlib"), "numpy": np.__version__}
    about = {"format": FORMAT, "versions": versions, "tree": _without_arrays(tree, "", arrays)}
    arrays["about"] = np.array(json.dumps(about))
    try:
        with open(f"{os.fspath(path)}.partial", "wb") as file:
            np.savez(file, **arrays, checksum=np.array(digest(arrays)))  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())  # else the new name might reach the disk before the contents
        os.replace(file.name, path)
    except OSError as error:
        cure = "Name a file in a folder that exists, may be written to, and has room"
        raise DataError(f"{path} cannot be written ({error}). {cure}") from error


def read(path: Place) -> dict[str, Any]:
    """Read the tree that `write` wrote, bit for bit; tuples come back as lists.

    Raises
    ------
    DataError
        There is no such file, it is truncated or damaged, it is not one of cnnlib's, or another
        version of the library wrote it.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as members:
            arrays = dict(members)
        if str(arrays.pop("checksum")) != digest(arrays):
            raise ValueError("its contents do not have its checksum")
        about = json.loads(str(arrays["about"]))
        form, writer = about["format"], about["versions"]["cnnlib"]
    except Exception as error:  # the bytes may be anything, and so is what NumPy says of them
        if isinstance(error, FileNotFoundError):
            why = "there is no such file"
        else:
            why = "it is truncated, damaged, or no file that cnnlib has written; take a whole copy"
        raise DataError(f"{path} cannot be read: {why} ({error!r})") from error
    if form != FORMAT:
        raise DataError(f"{path} has format {form}, not {FORMAT}: install cnnlib {writer} for it")
    return _with_arrays(about["tree"], arrays)


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
    return json.loads(json.dumps(value, default=_listed))


def _listed(value: Any) -> Any:
    """What JSON writes for a number or an array of NumPy."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise InputError(
        f"{value!r} is a {type(value).__name__}; a file holds numbers, words, True, False, None, "
        "and lists and dicts of them"
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
