"""The glossary's entries, which are also what the search knows of words."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Term:
    """A word of the field: other names for it, one sentence, and the sections that explain it."""

    name: str
    also: tuple[str, ...]
    says: str
    sections: tuple[str, ...]

    @property
    def id(self) -> str:
        """Its address in the glossary."""
        return self.name.replace(" ", "-").replace("'", "")


@cache
def terms() -> tuple[Term, ...]:
    """All of them, in alphabetical order."""
    return tuple(
        Term(name, tuple(entry["also"]), entry["says"], tuple(entry["sections"]))
        for name, entry in read("terms.toml").items()
    )


def read(name: str) -> dict[str, Any]:
    """One of the lists beside this module."""
    return tomllib.loads((files(__package__) / name).read_text(encoding="utf-8"))
