"""What lies beside the pages: the same bytes for the same files, and nothing that is not used."""

import base64
import io
import json
import re
import zipfile

from cnnlib.book.publish.live import licences, packing, table
from cnnlib.book.widgets import policy, scripts

ENTRIES = ("start", "page", "worker", "your_layer", "progress")


def part(live_site, name):
    """The files of a part, by name."""
    text = (live_site / "live" / f"{name}.js").read_text()
    head = f'BOOK.part("{name}",'
    assert text.startswith(head) and text.endswith(");\n")
    return {file: base64.b64decode(content) for file, content in json.loads(text[len(head) : -3])}


def test_each_file_of_python_is_in_its_part_as_it_was_published(live_site, pyodide):
    for file in table.files():
        files = part(live_site, file.part)
        if file.name not in packing.PACKED and file.name != "pyodide-lock.json":
            assert files[file.name] == pyodide[file.name]
    lock = json.loads(part(live_site, "python")["pyodide-lock.json"])
    names = set(lock["packages"])
    assert {"numpy", "scipy", "matplotlib"} <= names
    assert all(set(one["depends"]) <= names for one in lock["packages"].values())


def test_the_library_is_there_without_what_no_page_can_use(live_site):
    with zipfile.ZipFile(io.BytesIO(part(live_site, "book")["cnnlib-book.zip"])) as archive:
        names = set(archive.namelist())
    assert {"cnnlib/convolution.py", "inside/shell.py", "tqdm/auto.py"} <= names
    assert "cnnlib_beside/results/clinic.json" in names
    assert not [name for name in names if re.search("publish|interop|__pycache__", name)]


def test_the_same_files_give_the_same_bytes(live_site, pyodide):
    again = packing.pack(pyodide, {}, {})
    for name in ("numpy", "figures", "mnist", "python"):
        path = f"live/{name}.js"
        assert again.files[path] == (live_site / path).read_bytes()


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
