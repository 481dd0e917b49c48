"""Makes the files beside the pages: parts of Python as scripts, the cells, and the page's script.

A page from a folder cannot read a file, but it can load a script; base64 in one survives every
server, whatever it says about the encoding.
"""

import base64
import gzip
import io
import json
import re
import zipfile
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from cnnlib import data

from ...widgets import HOST
from ...widgets.scripts import joined
from ..build import LIBRARY
from ..reading import code_cells
from . import SCRIPT, STYLE, Live, clinic
from .asking import forms, questions
from .licences import notices
from .table import files

HERE = Path(__file__).parent
TITLES = {
    "python": "Python",
    "numpy": "NumPy",
    "book": "the book's library",
    "figures": "matplotlib",
    "scipy": "SciPy",
    "mnist": "the handwritten digits",
}
PACKED = ("pyodide.asm.js", "pyodide.js", "pyodide.asm.wasm")  # of the others each is packed anyway
DATA = {"book": ("digits", "photograph"), "mnist": ("mnist_5k",)}
NEVER = {"__pycache__", "publish", "interop"}  # what no page can use


def pack(
    pyodide: Mapping[str, bytes], notebooks: Mapping[str, NotebookNode], beside: Mapping[str, bytes]
) -> Live:
    """Make the parts from the files of Pyodide, the library and what the notebooks read.

    Parameters
    ----------
    pyodide : mapping
        The files of `table.files`, by name.
    notebooks : mapping
        The chapters, by name.
    beside : mapping
        The files that they read, by path.
    """
    parts = _parts(pyodide, beside)
    made = {f"live/{name}.js": _script(name, part) for name, part in parts.items()}
    manifest = {
        name: {
            "title": TITLES[name],
            "bytes": len(made[f"live/{name}.js"]),
            "packages": [
                file.package.split()[0]
                for file in files()
                if file.part == name and _is_package(file.name)
            ],
            "archives": [
                file for file, _ in part if file.startswith("cnnlib-") and file.endswith(".zip")
            ],
        }
        for name, part in parts.items()
    }
    made["live/licences.txt"] = notices(pyodide)
    made["live/page.js"] = _page(manifest).encode()
    for name, notebook in {**notebooks, clinic.NAME: clinic.notebook()}.items():
        cells = [[cell.source, cell.metadata.get("tags", [])] for cell in code_cells(notebook)]
        asked = questions(name[:2].lstrip("0"))
        made[f"live/cells/{name}.js"] = _call(f"cells/{name}", {"code": cells, "questions": asked})
    start = f"const ASKED={json.dumps(forms())};\n{script('start')}"
    made[SCRIPT] = f"(() => {{\n{start}}})();\n".encode()
    made[STYLE] = (HERE / "live.css").read_bytes()
    return Live(made)


@cache
def script(name: str) -> str:
    """A script of the page, with the modules that it imports."""
    return joined(name, HERE / "scripts")


def _page(manifest: Mapping[str, Any]) -> str:
    """The part of the page that the first button loads, in a scope of its own."""
    given = f"const MANIFEST={json.dumps(manifest)},WORKER={json.dumps(script('worker'))};"
    return f"(() => {{\n{given}\n{HOST}\n{script('page')}\n}})();\n"


def _parts(
    pyodide: Mapping[str, bytes], beside: Mapping[str, bytes]
) -> dict[str, list[tuple[str, bytes]]]:
    parts: dict[str, list[tuple[str, bytes]]] = {name: [] for name in TITLES}
    for file in files():
        content = pyodide[file.name]
        if file.name == "pyodide-lock.json":
            content = _lock(content)
        if file.name in PACKED:
            parts[file.part].append((f"{file.name}.gz", gzip.compress(content, 9, mtime=0)))
        else:
            parts[file.part].append((file.name, content))
    parts["book"].append(("cnnlib-book.zip", _library(beside)))
    parts["figures"].append(("cnnlib-fonts.zip", _fonts(pyodide)))
    for part, names in DATA.items():
        packaged = dict(map(data.packaged, names))
        parts[part].append((f"cnnlib-{part}-data.zip", _zip(packaged)))
    return parts


def _is_package(name: str) -> bool:
    return name.endswith(".whl") or name.startswith("openblas")


def _lock(content: bytes) -> bytes:
    """The lock file with the packages that are here; what these ask for besides is not needed."""
    lock = json.loads(content)
    here = {file.name for file in files()}
    packages = {name: one for name, one in lock["packages"].items() if one["file_name"] in here}
    for one in packages.values():
        one["depends"] = [name for name in one["depends"] if name in packages]
    return json.dumps(lock | {"packages": packages}, sort_keys=True).encode()


def _library(beside: Mapping[str, bytes]) -> bytes:
    """The library without what makes pages, what runs beside it, tqdm, and the chapters' files."""
    paths = [path for path in sorted(LIBRARY.rglob("*")) if path.is_file()]
    contents = {
        f"cnnlib/{path.relative_to(LIBRARY).as_posix()}": path.read_bytes()
        for path in paths
        if not NEVER & set(path.relative_to(LIBRARY).parts)
    }
    for path in sorted((HERE / "inside").glob("*.py")):
        contents[f"inside/{path.name}"] = path.read_bytes()
    for file in distribution("tqdm").files or ():
        if file.parts[0] == "tqdm" and file.suffix == ".py" and file.parts[1] != "contrib":
            contents[file.as_posix()] = Path(str(file.locate())).read_bytes()
    contents |= {f"cnnlib_beside/{name}": content for name, content in beside.items()}
    return _zip(contents)


def _fonts(pyodide: Mapping[str, bytes]) -> bytes:
    """The list of fonts that matplotlib would else make in each worker: its own is an old one."""
    wheel = next(name for name in pyodide if name.startswith("matplotlib-"))
    with zipfile.ZipFile(io.BytesIO(pyodide[wheel])) as archive:
        listed = json.loads(archive.read("matplotlib/fontlist.json"))
        code = archive.read("matplotlib/font_manager.py").decode()
        there = set(archive.namelist())
    (version,) = re.findall(r"^    __version__ = (\d+)$", code, re.MULTILINE)
    for kind in ("ttflist", "afmlist"):
        listed[kind] = [
            font for font in listed[kind] if f"matplotlib/mpl-data/{font['fname']}" in there
        ]
    listed["_version"] = int(version)
    return _zip({"matplotlib/fontlist.json": json.dumps(listed).encode()})


def _zip(contents: Mapping[str, bytes]) -> bytes:
    """The same bytes for the same contents."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, 9)
    return packed.getvalue()


def _script(name: str, part: list[tuple[str, bytes]]) -> bytes:
    return _call(name, [[file, base64.b64encode(content).decode()] for file, content in part])


def _call(name: str, contents: Any) -> bytes:
    return f"BOOK.part({json.dumps(name)},{json.dumps(contents)});\n".encode()
