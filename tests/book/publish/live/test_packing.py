"""What lies beside the pages: the same bytes for the same files, and nothing that is not used."""

import base64
import gzip
import io
import json
import re
import shutil
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from cnnlib.book.publish.live import archives, compiling, licences, packing, table
from cnnlib.book.widgets import policy, scripts

CACHE = Path(__file__).parents[4] / "build/pyodide"
ENTRIES = ("start", "page", "worker", "your_layer", "progress")


def part(live_site, name):
    """The files of a part, by name."""
    text = (live_site / "live" / f"{name}.js").read_text()
    head = f'BOOK.part("{name}",'
    assert text.startswith(head) and text.endswith(");\n")
    packed = json.loads(text[len(head) : -3])
    return {file: gzip.decompress(base64.b64decode(content)) for file, content in packed}


def laid(live_site, name):
    """The contents of what lies in Python's folder of packages, by path."""
    line, _, contents = part(live_site, name)[f"{name}.files"].partition(b"\n")
    stream, listed = io.BytesIO(contents), json.loads(line)
    files = {path: stream.read(size) for path, size in listed}
    assert not stream.read() and len(files) == len(listed)
    return files


def members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name[-1] != "/"}


CHANGED = {"pyodide-lock.json", "matplotlib/fontlist.json"}


def test_what_is_in_a_part_is_as_it_was_published(live_site, pyodide):
    for file in table.files():
        content = pyodide[file.name]
        if file.name.endswith(".whl"):
            there, published = laid(live_site, file.part), members(content)
        elif file.name == "python_stdlib.zip":
            there, published = members(part(live_site, file.part)[file.name]), members(content)
        else:
            there, published = part(live_site, file.part), {file.name: content}
        same = [name for name in published if name in there and name not in CHANGED]
        assert all(there[name] == published[name] for name in same)
        missing = [n for n in published if n not in there and f"{n}c" not in there]
        assert all(archives.UNUSED.search(name) for name in missing), missing
        assert not [name for name in missing if re.search("(?i)licen[cs]e|METADATA|[.]so$", name)]
    lock = json.loads(part(live_site, "python")["pyodide-lock.json"])
    assert set(lock["packages"]) == {"openblas"}


def test_byte_code_stands_for_its_source_and_the_books_own_sources_stay(live_site, pyodide):
    if not shutil.which("node"):
        pytest.skip("node is not here: the pages compile")
    numpy, book = laid(live_site, "numpy"), laid(live_site, "book")
    stdlib = members(part(live_site, "python")["python_stdlib.zip"])
    assert {"numpy/__init__.pyc", "numpy/lib/_npyio_impl.pyc"} <= set(numpy)
    assert "numpy/__init__.py" not in numpy and "asyncio/__init__.pyc" in stdlib
    assert "matplotlib/backends/backend_agg.pyc" in laid(live_site, "figures")
    own = [name for name in book if name.startswith("cnnlib/") and name.endswith(".pyc")]
    assert len(own) > 100 and "inside/running.pyc" in book
    for name in own:
        assert name.replace("__pycache__/", "").replace(".cpython-312.pyc", ".py") in book
    # Python 3.12's magic number; a file that is not compared with a source; a code object.
    for content in [*numpy.values(), *book.values(), *stdlib.values()]:
        if content[2:4] == b"\r\n":
            assert content[:8] == b"\xcb\r\r\n\x01\0\0\0" and content[16:17] == b"\xe3"


def test_without_node_the_pages_compile(pyodide, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(compiling.shutil, "which", lambda _: None)
    assert compiling.compiled(pyodide, {"a.py": b"x = 1"}, tmp_path) == {}
    assert packing.with_code({"a.py": b"x"}, {}, packing.SITE) == {"a.py": b"x"}
    monkeypatch.setattr(compiling.shutil, "which", lambda _: "/bin/false")
    assert compiling.compiled(pyodide, {"a.py": b"x = 1"}, tmp_path) == {}
    assert "the pages" in capsys.readouterr().out and not list(tmp_path.iterdir())


def test_the_library_is_there_without_what_no_page_can_use(live_site):
    names = set(laid(live_site, "book"))
    assert {"cnnlib/convolution.py", "tqdm/auto.py"} <= names
    assert f"cnnlib-{version('cnnlib')}.dist-info/METADATA" in names  # a file of weights names it
    assert "cnnlib_beside/results/clinic.json" in names
    assert not [name for name in names if re.search("publish|interop", name)]


def test_the_same_files_give_the_same_bytes(live_site, pyodide):
    again = packing.pack(pyodide, {}, {}, CACHE)
    for name in ("numpy", "figures", "mnist", "python"):
        path = f"live/{name}.js"
        assert again.files[path] == (live_site / path).read_bytes()


def test_a_light_copy_has_all_but_scipy(live_site, pyodide):
    files = packing.pack(pyodide, {}, {}, CACHE, light=True).files
    whole = packing.pack(pyodide, {}, {}, CACHE).files
    assert set(whole) - set(files) == {"live/scipy.js"}
    assert sum(map(len, files.values())) < 0.6 * sum(map(len, whole.values()))
    for name in ("numpy", "book", "figures", "mnist"):
        assert files[f"live/{name}.js"] == whole[f"live/{name}.js"]
    assert b"scipy 1." not in files["live/licences.txt"]
    assert b"scipy 1." in whole["live/licences.txt"]


def test_every_script_belongs_to_a_page():
    folder = packing.HERE / "scripts"
    visited = []
    for entry in ENTRIES:
        scripts._visit(entry, lambda name: scripts.source(name, folder), visited, ())
    assert set(visited) == {path.stem for path in folder.glob("*.js")}


def test_a_page_that_runs_python_may_not_ask_outside():
    rules = dict(rule.split(" ", 1) for rule in policy(beside=True, runs=True).split("; "))
    assert rules["default-src"] == "'none'" and "connect-src" not in rules
    assert "'wasm-unsafe-eval'" in rules["script-src"] and rules["worker-src"] == "blob:"
    assert "'unsafe-eval'" not in rules["script-src"]
    assert "wasm" not in policy(beside=True)


def test_whose_software_it_is_stands_beside_it(pyodide):
    text = licences.notices(pyodide).decode()
    for file in table.files():
        assert f"{file.package}: {file.licence}, {file.source}" in text
    assert "---- numpy-2.0.2" in text and "Permission is hereby granted" in text
