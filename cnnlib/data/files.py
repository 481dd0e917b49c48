"""Files that are whole or as they were, and what becomes of one that cannot be read."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape, glob
from typing import BinaryIO

from ..errors import DataError, Error, InputError

Place = str | os.PathLike[str]
DRAFT = ".partial"  # how the name of a file ends that is not whole yet
TRIES = 50  # of a rename, a fiftieth of a second after one another


@contextmanager
def replacing(path: Place) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the place of `path` in one instant, when it is whole.

    Until then it lies beside it under a name of its own, so that no two programs write the same
    one. It is on the disk before it gets its name, and it is removed where anything fails: then
    `path` is as it was. Where `path` is a link, the file that it leads to is replaced.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    target = os.path.realpath(place(path))
    draft = f"{target}.{secrets.token_hex(4)}{DRAFT}"
    try:
        with open(draft, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else the new name might reach the disk before the contents
        _rename(draft, target)
    finally:
        with suppress(OSError):  # usually it has its new name
            os.unlink(draft)


def write(path: Place, content: bytes) -> None:
    """Write a file all at once."""
    with replacing(path) as file:
        file.write(content)


def sweep(path: Place) -> None:
    """Remove what programs have left that were killed while they wrote `path`.

    A program that is writing it at this moment fails.
    """
    for draft in glob(f"{escape(os.path.realpath(path))}.{'[0-9a-f]' * 8}{DRAFT}"):
        with suppress(OSError):  # Windows keeps a file that is open
            os.unlink(draft)


def place(path: Place, name: str = "path") -> str:
    """The text of a path; what is none would be taken for the number of an open file."""
    try:
        return os.fsdecode(path)
    except TypeError:
        raise InputError(f"{name} is {path!r:.80}; expected the path of a file") from None


@contextmanager
def blaming(path: Place, but: type[Exception] = DataError) -> Iterator[None]:
    """Say of whatever goes wrong with what a file holds that the file is at fault.

    The bytes may be anything, and so is what NumPy and others say of them. Errors of the class
    `but` are none of the file's.

    Raises
    ------
    DataError
        With the name of the file and the reason.
    """
    try:
        yield
    except (DataError, but):
        raise
    except Exception as error:
        if isinstance(error, FileNotFoundError):
            why = "there is no such file"
        elif isinstance(error, Error):
            why = f"{error!s:.1000}"
        else:
            why = "it is truncated, damaged, or no file that cnnlib has written; take a whole copy "
            why += f"({error!r:.200})"
        raise DataError(f"{path} cannot be read: {why}") from error


def _rename(draft: str, target: str) -> None:
    """Give a draft its name. Windows refuses that while somebody reads the old file: wait."""
    for _ in range(TRIES):
        with suppress(PermissionError):
            os.replace(draft, target)
            return
        time.sleep(0.02)
    os.replace(draft, target)
