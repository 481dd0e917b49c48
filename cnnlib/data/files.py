"""Files that are whole or as they were, and what becomes of one that cannot be read."""

import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape, glob
from typing import BinaryIO

from ..errors import DataError, Error, InputError, shown

Place = str | os.PathLike[str]
DRAFT = ".cnnlib.partial"  # how the name of a file ends that is not whole yet
NAME = 255  # bytes that the name of a file may have
TRIES = 50  # of a rename, a fiftieth of a second after one another


@contextmanager
def replacing(path: Place) -> Iterator[BinaryIO]:
    """Open a file for writing that takes the place of `path` in one instant, when it is whole.

    Until then it lies beside it under a name of its own, so that no two programs write the same
    one. It is on the disk before it gets its name, and it is removed where anything fails: then
    `path` is as it was. Where `path` is a link, the file that it leads to is replaced. Who might
    read and write the old file may do so with the new one; it has its owner and group as well, as
    far as the system lets this program give files away.

    Raises
    ------
    OSError
        The file cannot be written, or `path` is no file, or a file that nobody may write.
    """
    old, target = _old(place(path)), os.path.realpath(place(path))
    draft = f"{target}.{secrets.token_hex(8)}{DRAFT}"
    folder, name = os.path.split(draft)
    if len(os.fsencode(name)) > NAME:  # it has the random part alone
        draft = os.path.join(folder, name[-16 - len(DRAFT) :])
    try:
        with open(draft, "xb") as file:
            if old is not None:
                _hand_over(draft, old)
            yield file
            file.flush()
            os.fsync(file.fileno())  # else the new name might reach the disk before the contents
        _rename(draft, target)
    finally:
        with suppress(OSError):  # usually it has its new name
            os.unlink(draft)


def _hand_over(draft: str, old: os.stat_result) -> None:
    """Give a draft owner, group and permissions of the file that it replaces."""
    for owner in (old.st_uid, -1):  # the group alone, where the owner cannot be given
        with suppress(OSError, AttributeError):  # Windows has no owners
            os.chown(draft, owner, old.st_gid)
            break
    with suppress(OSError):  # there are file systems without permissions
        os.chmod(draft, stat.S_IMODE(old.st_mode))


def _old(path: str) -> os.stat_result | None:
    """What is known of a file that may be replaced; None where there is none."""
    if path.endswith((os.sep, os.altsep or os.sep)):
        raise IsADirectoryError("that is the name of a folder")
    try:
        old = os.stat(path)
    except FileNotFoundError:
        return None
    mode = old.st_mode
    if not stat.S_ISREG(mode):
        raise OSError("that is no file, but a folder or a device")
    if not mode & 0o222 or not os.access(path, os.W_OK):
        raise PermissionError("the file there is write-protected")
    return old


def write(path: Place, content: bytes) -> None:
    """Write a file all at once."""
    with replacing(path) as file:
        file.write(content)


@contextmanager
def reading(path: Place) -> Iterator[BinaryIO]:
    """Open a file to read it. What is no file might never end, or never begin.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    DataError
        It is no file, or the system does not open it.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError("it is no file, but a folder or a device")
        file = open(path, "rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read: {reason(error)}") from error
    with file:
        yield file


def reason(error: Exception) -> str:
    """What the system says of a file, without its name."""
    return getattr(error, "strerror", None) or str(error)


def sweep(path: Place, begins: bytes = b"", seconds: float = 0.0) -> None:
    """Remove what programs have left that were killed while they wrote `path`, so long ago.

    Their files begin like this, as far as they go. A program that is writing one at this moment
    fails, unless it has written to it since.
    """
    for draft in glob(f"{escape(os.path.realpath(path))}.{'[0-9a-f]' * 16}{DRAFT}"):
        # Windows keeps a file that is open; what is no file is nobody's draft.
        with suppress(OSError, DataError):
            with reading(draft) as file:
                ours = begins.startswith(file.read(len(begins)))
            if ours and time.time() - os.stat(draft).st_mtime >= seconds:
                os.unlink(draft)


def place(path: Place, name: str = "path") -> str:
    """The text of a path; what is none would be taken for the number of an open file."""
    try:
        text = os.fsdecode(path)
        if b"\0" not in os.fsencode(text):
            return text
        raise ValueError
    except Exception:  # no path, no text that has bytes, or what a foreign class raises
        raise InputError(f"{name} is {shown(path)}; expected the path of a file") from None


def absolute(path: str) -> str:
    """The path from the root.

    Raises
    ------
    DataError
        It begins in a folder that is gone.
    """
    try:
        return os.path.abspath(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read or written: the folder that this program runs in is gone "
            f"({reason(error)}). Name the file from the root, or go to another folder"
        ) from error


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
            why = str(error)
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
