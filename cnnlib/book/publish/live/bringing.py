"""Gets the files of Pyodide: from a folder, from the cache, or from where its makers publish them.

Whatever their way, bytes are taken only where their sum is that of the table.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

from cnnlib.data.files import write

from .. import BuildError
from .table import File, address, files

FOLDER = "CNNLIB_PYODIDE"  # the environment variable that names a folder with the files
PATIENCE = 10.0  # seconds without an answer
MAKE = "`make live` knows other ways to get it"


def bring(cache: Path, network: bool = True) -> tuple[dict[str, bytes] | None, str]:
    """The files by name, or None where one could not be had; and a sentence on that.

    Raises
    ------
    BuildError
        `CNNLIB_PYODIDE` names a folder that lacks a file or has another: then that is a mistake.
    """
    named = os.environ.get(FOLDER)
    if named:
        return _from_folder(Path(named)), ""
    got = {file.name: content for file in files() if (content := _kept(cache, file)) is not None}
    missing = [file for file in files() if file.name not in got]
    if missing and network:
        got |= _fetched(missing, cache)
        missing = [file for file in files() if file.name not in got]
    if missing:
        size = sum(file.size for file in missing) / 1e6
        return None, (
            f"The pages have no Run buttons: Python for browsers ({size:.0f} MB) is not here, and "
            f"{address().split('/')[2]} did not give it. {MAKE}."
        )
    return got, ""


def keep(cache: Path, contents: dict[str, bytes]) -> list[File]:
    """Put into the cache what is right of these; what is still missing."""
    for file in files():
        if file.is_right(contents.get(file.name, b"")):
            cache.mkdir(parents=True, exist_ok=True)
            write(cache / file.name, contents[file.name])
    return [file for file in files() if _kept(cache, file) is None]


def _from_folder(folder: Path) -> dict[str, bytes]:
    got = {}
    for file in files():
        content = _read(folder / file.name)
        if content is None:
            raise BuildError(f"{FOLDER} names {folder}, which lacks {file.name}. {MAKE}.")
        if not file.is_right(content):
            raise BuildError(
                f"{folder / file.name} is damaged or of another version: its sum is not that of "
                f"{file.package}. Get it again from {address()}{file.name}"
            )
        got[file.name] = content
    return got


def _kept(cache: Path, file: File) -> bytes | None:
    """From the cache; what is damaged there is as good as missing."""
    content = _read(cache / file.name)
    return content if content is not None and file.is_right(content) else None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _fetched(missing: list[File], cache: Path) -> dict[str, bytes]:
    """From the makers' address. The first file tells whether there is a network at all."""
    print(f"Getting Python for the browser from {address()} ...", flush=True)
    first, *rest = sorted(missing, key=lambda file: file.size)
    got = {first.name: _fetch(first)}
    if got[first.name]:
        with ThreadPoolExecutor(4) as pool:
            got |= dict(zip([file.name for file in rest], pool.map(_fetch, rest), strict=True))
    found = {name: content for name, content in got.items() if content}
    keep(cache, found)
    return found


def _fetch(file: File) -> bytes:
    """The bytes, or none where they did not come or are not the right ones."""
    with suppress(OSError), urlopen(address() + file.name, timeout=PATIENCE) as answer:
        content: bytes = answer.read(file.size + 1)
        if file.is_right(content):
            return content
    return b""
