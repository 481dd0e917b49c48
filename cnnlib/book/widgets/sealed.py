"""JSON files with a checksum of their own: what the explorers that ship with the library show."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from cnnlib.data.files import blaming, write

SEAL = "sha256"  # the key of the checksum: the last one in a file


def write_json(path: Path, data: dict[str, Any], indent: int | None = None) -> None:
    """Write a dict with its checksum, all at once; without `indent` as short as can be."""
    short = (",", ":") if indent is None else None
    text = json.dumps(data | {SEAL: _digest(data)}, indent=indent, separators=short)
    write(path, f"{text}\n".encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Raises
    ------
    DataError
        The file is missing, truncated or damaged, or is none of these.
    """
    with blaming(path):
        data: dict[str, Any] = json.loads(path.read_bytes())
        if data.pop(SEAL) != _digest(data):
            raise ValueError("its contents do not have its checksum")
        return data


def _digest(data: dict[str, Any]) -> str:
    """SHA-256 of the contents, however they are laid out."""
    return sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
