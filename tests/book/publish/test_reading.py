"""What is no notebook names itself and the reason; no traceback, and no half-read chapter."""

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("nbformat")

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cnnlib.book.publish import BuildError
from cnnlib.book.publish.__main__ import main
from cnnlib.book.publish.reading import read, write

CELL = new_code_cell("1", outputs=[new_output("stream", text="é\n")], execution_count=1)
NOTEBOOK = new_notebook(cells=[new_markdown_cell("# é"), CELL])
TEXT = nbformat.writes(NOTEBOOK)


def changed(**parts):
    return json.dumps(json.loads(TEXT) | parts)


def with_cell(**parts):
    whole = json.loads(TEXT)
    whole["cells"][1] = {**whole["cells"][1], **parts}
    return json.dumps(whole)


def without(*names):
    whole = json.loads(TEXT)
    for name in names:
        del whole["cells"][1][name]
    return json.dumps(whole)


SHOWN = {"output_type": "display_data", "data": {}}
CONFLICT = TEXT.replace('"1"', '<<<<<<< HEAD\n"1"\n=======\n"2"\n>>>>>>> other')
ODD = {
    "empty": ("", "it is empty"),
    "blank": (" \n\n", "it is empty"),
    "cut off": (TEXT[:-40], "is no JSON, as where a file was cut off"),
    "cut off at once": (TEXT[:1], "line 1 is no JSON"),
    "merge conflict": (CONFLICT, "begins a merge conflict"),
    "latin-1": (TEXT.encode("latin-1"), "is not in UTF-8"),
    "utf-16": (TEXT.encode("utf-16"), "line 1 is not in UTF-8"),
    "byte order mark": (TEXT.encode("utf-8-sig"), "it begins with a byte order mark"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "is not in UTF-8"),
    "zeros": (b"\0" * 500, "is no JSON"),
    "a page": ("<!DOCTYPE html>", "line 1 is no JSON"),
    "two": (TEXT + TEXT, "is no JSON"),
    "a list": ("[]", "it is no notebook of format 4"),
    "a number": ("7", "it is no notebook of format 4"),
    "null": ("null", "it is no notebook of format 4"),
    "an empty object": ("{}", "it is no notebook of format 4"),
    "too deep": ("[" * 100_000, "is no JSON"),
    "format 3": (changed(nbformat=3, worksheets=[]), "it is no notebook of format 4"),
    "a future format": (changed(nbformat=5), "it is no notebook of format 4"),
    "a format in words": (changed(nbformat="four"), "it is no notebook of format 4"),
    "a format that is no integer": (changed(nbformat=4.0), "it is no notebook of format 4"),
    "no minor": (changed(nbformat_minor=None), "it is no notebook of format 4"),
    "cells missing": (json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}}), "its top"),
    "cells an object": (changed(cells={}), "its cells is not as"),
    "cells of null": (changed(cells=[None]), "its cells/0 is not as"),
    "metadata a list": (changed(metadata=[]), "its metadata is not as"),
    "source a number": (with_cell(source=3), "its cells/1"),
    "outputs an object": (with_cell(outputs={}), "its cells/1"),
    "output without a type": (with_cell(outputs=[{}]), "its cells/1"),
    "no outputs": (without("outputs"), "its cells/1"),
    "a strange cell": (with_cell(cell_type="sheet"), "its cells/1"),
    "no source": (without("source"), "its cells/1"),
    "a number as a type": (with_cell(cell_type=3), "type of a cell or of an output is no word"),
    "half a character": (with_cell(source="\ud83d"), "it has half a character"),
    "tags in words": (with_cell(metadata={"tags": "setup"}), "its cells/1"),
    "a list as its ids": (with_cell(metadata={"book": []}), "cells/1/metadata/book is not as"),
    "ids in a list": (with_cell(metadata={"book": {"sections": ["a"]}}), "metadata/book"),
    "a number as a number": (
        with_cell(metadata={"book": {"sections": {"a": 3.1}}}),
        "its cells/1/metadata/book",
    ),
    "an id that is no address": (
        with_cell(metadata={"book": {"sections": {"a b = c\n[x]": "3.1"}}}),
        "its cells/1/metadata/book/sections is not as the book's tools",
    ),
    "slides in words": (
        with_cell(metadata={"slideshow": "slide"}),
        "cells/1/metadata/slideshow is",
    ),
    "slides in a list": (with_cell(metadata={"slideshow": ["slide"]}), "cells/1/metadata/slides"),
    "slides of a number": (
        with_cell(metadata={"slideshow": {"slide_type": 1}}),
        "slideshow/slide_",
    ),
    "words as a list": (
        with_cell(outputs=[{**SHOWN, "metadata": {"image/png": {"alt": []}}}]),
        "its cells/1/outputs/0",
    ),
    "a note of the builder": (changed(metadata={"cnnlib": 3}), "its metadata/cnnlib is not as the"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_read_names_its_file_and_the_reason(name, tmp_path):
    content, reason = ODD[name]
    path = tmp_path / "05_training.ipynb"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(BuildError) as error:
        read(path)
    assert "05_training.ipynb cannot be read: " in str(error.value)
    assert reason in str(error.value)
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < 300


def test_a_file_that_is_not_there_and_a_folder(tmp_path):
    with pytest.raises(BuildError, match="there is no such file"):
        read(tmp_path / "a.ipynb")
    (tmp_path / "b.ipynb").mkdir()
    with pytest.raises(BuildError, match=r"b\.ipynb cannot be read: it is no file\."):
        read(tmp_path / "b.ipynb")
    (tmp_path / "c.ipynb").symlink_to("nowhere")
    with pytest.raises(BuildError, match=r"c\.ipynb cannot be read: there is no such file\."):
        read(tmp_path / "c.ipynb")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.ipynb")
    with pytest.raises(BuildError, match=r"a\.ipynb cannot be read: it is no file\."):
        read(tmp_path / "a.ipynb")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", "/home/someone")

    (tmp_path / "a.ipynb").write_text(TEXT)
    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(BuildError, match=r"a\.ipynb cannot be read: Permission denied\.$"):
        read(tmp_path / "a.ipynb")


@pytest.mark.parametrize("command", ["html", "notebooks", "handout", "number"])
def test_each_command_names_the_file_in_one_line(tmp_path, monkeypatch, capsys, command):
    (tmp_path / "notebooks" / "00_start_here.ipynb").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert main([command]) == 1
    said = capsys.readouterr().err
    assert said == "notebooks/00_start_here.ipynb cannot be read: it is no file.\n"


def test_a_notebook_is_read_as_jupyter_reads_it():
    for path in sorted((Path(__file__).parents[3] / "notebooks").glob("*.ipynb")):
        assert read(path) == nbformat.read(path, as_version=4)


def test_a_file_is_replaced_in_one_instant(tmp_path, monkeypatch):
    """A stop just before leaves the old one, whole, and no draft."""
    path = tmp_path / "page.html"
    path.write_text("old")

    def stopped(draft, target):
        assert Path(draft).read_text() == "new" and target == str(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stopped)
    with pytest.raises(KeyboardInterrupt):
        write(path, "new")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("page.html", "old")]
