"""Wheels of the library, made without a network, and the handout: a course without solutions."""

import base64
import hashlib
import io
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import nbformat

from .build import LIBRARY
from .outline import tagged
from .reading import chapters, companions, read, write

SOLVED = "exercises/solutions/chapter_*.py"


def wheel(edition: str = "", without: str = "") -> tuple[str, bytes]:
    """The file name and the bytes of a wheel of the library, the same for the same sources.

    Parameters
    ----------
    edition : str
        Marks the version, such as `handout`.
    without : str
        A pattern of files that are left out.
    """
    installed = distribution("cnnlib")
    number = installed.version
    version = f"{number}+{edition}" if edition else number
    info = f"cnnlib-{version}.dist-info"
    files = {
        f"cnnlib/{path.relative_to(LIBRARY).as_posix()}": path.read_bytes()
        for path in sorted(LIBRARY.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
        if not (without and path.match(without))
    }
    # In the repository's folder, Python finds what pip left there; it calls the same PKG-INFO.
    metadata = _text(installed, "METADATA") or _text(installed, "PKG-INFO")
    metadata = metadata.replace(f"Version: {number}\n", f"Version: {version}\n")
    files[f"{info}/METADATA"] = metadata.encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/entry_points.txt"] = _text(installed, "entry_points.txt").encode()
    record = [f"{name},{_digest(content)},{len(content)}" for name, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,\n"]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)  # its date is always the same
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return f"cnnlib-{version}-py3-none-any.whl", packed.getvalue()


def handout(notebooks: Path, folder: Path) -> None:
    """Write the notebooks without their solution cells, and a wheel without the solutions."""
    name, content = wheel("handout", without=SOLVED)
    files = {name: content}
    for path in chapters(notebooks):
        notebook = read(path)
        notebook.cells = [c for c in notebook.cells if not tagged(c, "solution")]
        files[path.name] = (nbformat.writes(notebook) + "\n").encode()
    files |= companions(notebooks)
    for old in folder.glob("cnnlib-*.whl"):
        old.unlink()
    for file, data in files.items():
        write(folder / file, data)
    print(f"{len(files)} files in {folder}: students run pip install ./{name}[book] there")


def _digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return "sha256=" + digest.decode().rstrip("=")


def _text(installed: Distribution, name: str) -> str:
    return installed.read_text(name) or ""
