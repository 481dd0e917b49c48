"""Makes the files beside the pages: parts of Python as scripts, the cells, and the page's script.

A page from a folder cannot read a file, but it can load a script; base64 in one survives every
server, whatever it says about the encoding.
"""

import base64
import gzip
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from cnnlib import data

from ...widgets import HOST
from ...widgets.scripts import joined as joined_script
from ..build import LIBRARY
from ..reading import code_cells
from . import SCRIPT, STYLE, Live, archives, clinic
from .archives import joined, zipped
from .asking import forms, questions
from .compiling import compiled
from .inside import plan
from .licences import notices
from .table import File, files

HERE = Path(__file__).parent
TITLES = {
    "python": "Python",
    "numpy": "NumPy",
    "book": "the book's library",
    "figures": "matplotlib",
    "scipy": "SciPy",
    "mnist": "the handwritten digits",
}
HEAVY = ("scipy",)  # of the size it is more than a third, and few cells need it
LOCK, STDLIB = "pyodide-lock.json", "python_stdlib.zip"
DATA = {"book": ("digits", "photograph"), "mnist": ("mnist_5k",)}
COMPILED = ("numpy", "book", "figures")  # what most cells import
SITE, LIBRARIES = "/lib/python3.12/site-packages", "/lib/python312.zip"  # where it lies in a page
NEVER = {"__pycache__", "publish", "interop"}  # what no page can use


def pack(
    pyodide: Mapping[str, bytes],
    notebooks: Mapping[str, NotebookNode],
    beside: Mapping[str, bytes],
    cache: Path,
    *,
    light: bool = False,
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
    cache : Path
        A folder that keeps what was compiled.
    light : bool
        Without the parts of `HEAVY`: a cell that needs one says that this copy has none.
    """
    if light:
        pyodide = {file.name: pyodide[file.name] for file in files() if file.part not in HEAVY}
    parts = _parts(pyodide, beside, cache)
    made = {f"live/{name}.js": _script(name, part) for name, part in parts.items()}
    manifest = {
        name: {
            "title": TITLES[name],
            "bytes": len(made[f"live/{name}.js"]),
            "packages": [
                file.package.split()[0]
                for file in _taken(pyodide)
                if file.part == name and file.name.startswith("openblas")
            ],
        }
        for name in parts
    }
    for name in set(TITLES) - set(parts):
        manifest[name] = {"title": TITLES[name], "bytes": 0, "packages": []}
    made["live/licences.txt"] = notices(pyodide)
    made["live/page.js"] = _page(manifest).encode()
    for name, notebook in {**notebooks, clinic.NAME: clinic.notebook()}.items():
        cells = [_cell(cell) for cell in code_cells(notebook)]
        asked = questions(name[:2].lstrip("0"))
        made[f"live/cells/{name}.js"] = _call(f"cells/{name}", {"code": cells, "questions": asked})
    start = f"const ASKED={json.dumps(forms())};\n{script('start')}"
    made[SCRIPT] = f"(() => {{\n{start}}})();\n".encode()
    made[STYLE] = (HERE / "live.css").read_bytes()
    return Live(made)


@cache
def script(name: str) -> str:
    """A script of the page, with the modules that it imports."""
    return joined_script(name, HERE / "scripts")


def _taken(pyodide: Mapping[str, bytes]) -> list[File]:
    """The files of the table that this copy of the book has."""
    return [file for file in files() if file.name in pyodide]


def _cell(cell: NotebookNode) -> list[Any]:
    """A code cell for its page: its source, tags, and the names in it."""
    return [cell.source, cell.metadata.get("tags", []), plan.written(plan.read(cell.source))]


def _page(manifest: Mapping[str, Any]) -> str:
    """The part of the page that the first button loads, in a scope of its own."""
    given = f"const MANIFEST={json.dumps(manifest)},WORKER={json.dumps(script('worker'))};"
    return f"(() => {{\n{given}\n{HOST}\n{script('page')}\n}})();\n"


def _parts(
    pyodide: Mapping[str, bytes], beside: Mapping[str, bytes], cache: Path
) -> dict[str, list[tuple[str, bytes]]]:
    """The files of each part, with their byte code where that could be made."""
    opened = _opened(pyodide)
    code = compiled(
        pyodide, {n: one for part in COMPILED for n, one in opened[part].items()}, cache
    )
    opened["book"] |= {f"cnnlib_beside/{name}": content for name, content in beside.items()}
    there = {"python", *opened}
    parts: dict[str, list[tuple[str, bytes]]] = {name: [] for name in TITLES if name in there}
    for file in _taken(pyodide):
        if not file.name.endswith(".whl"):
            content = pyodide[file.name]
            content = _lock(content, pyodide) if file.name == LOCK else content
            content = _quick(content, code) if file.name == STDLIB else content
            parts[file.part].append((file.name, content))
    for part, contents in opened.items():
        parts[part].append((f"{part}.files", joined(with_code(contents, code, SITE))))
    return parts


def _opened(pyodide: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """What lies in Python's folder of packages, by part and path."""
    there = {*DATA, *(file.part for file in _taken(pyodide))} - {"python"}
    parts: dict[str, dict[str, bytes]] = {name: {} for name in TITLES if name in there}
    for file in _taken(pyodide):
        if file.name.endswith(".whl"):
            parts[file.part] |= archives.opened(pyodide[file.name])
    parts["book"] |= _library()
    parts["figures"]["matplotlib/fontlist.json"] = _fonts(parts["figures"])
    for part, names in DATA.items():
        parts[part] |= dict(map(data.packaged, names))
    return parts


def with_code(
    contents: Mapping[str, bytes], code: Mapping[str, bytes], place: str
) -> dict[str, bytes]:
    """The contents of a folder with its byte code: instead of sources, beside the book's own."""
    made = {}
    for name, content in contents.items():
        byte_code = code.get(f"{place}/{name}")
        folder, _, file = name.rpartition("/")
        if byte_code is None or name.startswith("cnnlib/"):
            made[name] = content
        if byte_code is not None and name.startswith("cnnlib/"):
            made[f"{folder}/__pycache__/{file[:-3]}.cpython-312.pyc"] = byte_code
        elif byte_code is not None:
            made[f"{name}c"] = byte_code
    return made


def _quick(stdlib: bytes, code: Mapping[str, bytes]) -> bytes:
    """Python's own modules, with the byte code of those that always load."""
    return zipped(with_code(archives.opened(stdlib), code, LIBRARIES))


def _lock(content: bytes, pyodide: Mapping[str, bytes]) -> bytes:
    """The lock file with what Pyodide itself takes; what is in the wheels the page lays out."""
    lock = json.loads(content)
    names = {name for name in pyodide if not name.endswith(".whl")}
    packages = {name: one for name, one in lock["packages"].items() if one["file_name"] in names}
    return json.dumps(lock | {"packages": packages}, sort_keys=True).encode()


def _library() -> dict[str, bytes]:
    """The library without what makes pages, its version, what runs beside it, and tqdm."""
    paths = [path for path in sorted(LIBRARY.rglob("*")) if path.is_file()]
    contents = {
        f"cnnlib/{path.relative_to(LIBRARY).as_posix()}": path.read_bytes()
        for path in paths
        if not NEVER & set(path.relative_to(LIBRARY).parts)
    }
    contents |= _version("cnnlib")
    for path in sorted((HERE / "inside").glob("*.py")):
        contents[f"inside/{path.name}"] = path.read_bytes()
    for file in distribution("tqdm").files or ():
        if file.parts[0] == "tqdm" and file.suffix == ".py" and file.parts[1] != "contrib":
            contents[file.as_posix()] = Path(str(file.locate())).read_bytes()
    return contents


def _version(package: str) -> dict[str, bytes]:
    """What tells `importlib.metadata` of a package which one it is: a file of weights names it."""
    number = version(package)
    text = f"Metadata-Version: 2.1\nName: {package}\nVersion: {number}\n"
    return {f"{package}-{number}.dist-info/METADATA": text.encode()}


def _fonts(there: Mapping[str, bytes]) -> bytes:
    """The list of fonts that matplotlib would else make in each worker: its own is an old one."""
    listed = json.loads(there["matplotlib/fontlist.json"])
    code = there["matplotlib/font_manager.py"].decode()
    (version,) = re.findall(r"^    __version__ = (\d+)$", code, re.MULTILINE)
    for kind in ("ttflist", "afmlist"):
        listed[kind] = [
            font for font in listed[kind] if f"matplotlib/mpl-data/{font['fname']}" in there
        ]
    listed["_version"] = int(version)
    return json.dumps(listed).encode()


def _script(name: str, part: list[tuple[str, bytes]]) -> bytes:
    """Packed, which a browser undoes quicker than Python in it."""
    packed = [(file, gzip.compress(content, 6, mtime=0)) for file, content in part]
    return _call(name, [[file, base64.b64encode(content).decode()] for file, content in packed])


def _call(name: str, contents: Any) -> bytes:
    return f"BOOK.part({json.dumps(name)},{json.dumps(contents)});\n".encode()
