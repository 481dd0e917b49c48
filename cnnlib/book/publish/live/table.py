"""The table of the files of Pyodide: what each is, its size and sum, and the part that it is in."""

import tomllib
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class File:
    """One file, as its makers published it."""

    name: str
    size: int
    sha256: str
    part: str  # of the site: what is loaded together
    package: str  # with its version
    licence: str
    source: str

    def is_right(self, content: bytes) -> bool:
        """Whether these are its bytes."""
        return len(content) == self.size and sha256(content).hexdigest() == self.sha256


@cache
def files() -> tuple[File, ...]:
    """All files that the book needs."""
    return tuple(File(**row) for row in _table()["file"])


def address() -> str:
    """Where the makers of Pyodide publish this version."""
    return str(_table()["address"])


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("pyodide.toml").read_text(encoding="utf-8"))
