"""Wheels of the library, made without a network: whole, or without the solutions."""

import base64
import hashlib
import io
import zipfile
import zlib
from importlib.metadata import Distribution, distribution
from pathlib import Path

from .build import LIBRARY

SOLVED = "exercises/solutions/chapter_*.py"
JUDGES = "exercises/chapter_*.py"
PACKED = '''"""Exercises of a chapter, packed: numbers that are right stand in them."""

import base64
import zlib

exec(compile(zlib.decompress(base64.b85decode({!r})), __file__, "exec"))
'''


def wheel(solutions: bool = True) -> tuple[str, bytes]:
    """The file name and the bytes of a wheel of the library, the same for the same sources.

    Without the solutions of the exercises its version ends in `+handout`. The judges are packed in
    it: nobody reads an answer by chance; who unpacks them does it on purpose.
    """
    installed = distribution("cnnlib")
    number = installed.version
    version = number if solutions else f"{number}+handout"
    info = f"cnnlib-{version}.dist-info"
    files = {
        f"cnnlib/{path.relative_to(LIBRARY).as_posix()}": _content(path, solutions)
        for path in sorted(LIBRARY.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
        if solutions or not path.match(SOLVED)
    }
    settings = f"cnnlib-{version}.data/data/etc/jupyter/jupyter_nbconvert_config.d/cnnlib.json"
    files[settings] = (LIBRARY / "book/publish/cnnlib.json").read_bytes()
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


def _content(path: Path, solutions: bool) -> bytes:
    content = path.read_bytes()
    if solutions or not path.match(JUDGES):
        return content
    return PACKED.format(base64.b85encode(zlib.compress(content, 9))).encode()


def _digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return "sha256=" + digest.decode().rstrip("=")


def _text(installed: Distribution, name: str) -> str:
    return installed.read_text(name) or ""
