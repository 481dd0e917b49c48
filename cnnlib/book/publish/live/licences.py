"""What lies beside the pages besides the book's own, by whom, and under which licences."""

import io
import zipfile
from collections.abc import Mapping

from .table import files

MPL = "https://www.mozilla.org/MPL/2.0/"

NAMES = ("LICENSE", "LICENCE", "COPYING", "NOTICE")


def notices(pyodide: Mapping[str, bytes]) -> bytes:
    """A text with all packages and the licences that their wheels carry."""
    packages = {file.package: file for file in files() if file.name in pyodide}
    lines = [
        "The folder `live` holds, besides the book's own library and data, these packages as their",
        "makers published them, but without tests, headers and types, and with the byte code of",
        "sources in their place. Their sources are at the addresses named.",
        "",
    ]
    for package, file in sorted(packages.items(), key=lambda item: item[0].lower()):
        lines.append(f"{package}: {file.licence}, {file.source}")
    lines += ["tqdm: MPL-2.0 and MIT, https://github.com/tqdm/tqdm", ""]
    lines += [f"The text of MPL-2.0 is at {MPL}", ""]
    for name, content in sorted(pyodide.items()):
        if name.endswith((".whl", ".zip")):
            lines += _carried(name, content)
    return ("\n".join(lines) + "\n").encode()


def _carried(name: str, content: bytes) -> list[str]:
    """The licence files in an archive."""
    lines: list[str] = []
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in sorted(archive.namelist()):
            last = entry.rpartition("/")[2].upper()
            if last.startswith(NAMES) and not last.endswith(".PY"):
                text = archive.read(entry).decode("utf-8", "replace").strip()
                lines += [f"---- {name}: {entry}", "", text, ""]
    return lines
