"""Reads the book's notebooks, and writes files that are whole or as they were."""

import json
import re
from pathlib import Path

import nbformat
from jsonschema import Draft7Validator
from nbformat import NotebookNode
from nbformat.v4.rwbase import rejoin_lines
from nbformat.validator import iter_validate

from cnnlib.data import files

from . import BuildError

START = "00_start_here"  # the first page
COMPANIONS = ("results", "scripts")  # folders beside the notebooks: what these read and run
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
# Of the metadata, Jupyter's format says little more than that they are there.
IDS = {
    "type": "object",
    "propertyNames": {"pattern": r"^[A-Za-z0-9_-]+\Z"},  # they are addresses
    "additionalProperties": {"type": "string"},
}
BOOK = {"type": "object", "properties": {"figure": {"type": "string"}}, "additionalProperties": IDS}
WORDS = {"type": "object", "properties": {"alt": {"type": "string"}}}
OUTPUT = {"properties": {"metadata": {"patternProperties": {"^image/": WORDS}}}}
SHOWN = {"type": "object", "properties": {"slide_type": {"type": "string"}}}
NEVER: dict = {"not": {}}  # only the builder's own copies have it
NOTED = {"properties": {"book": BOOK, "failed": NEVER, "slideshow": SHOWN}}
CELL = {"metadata": NOTED, "outputs": {"items": OUTPUT}}
NOTEBOOK = {"cells": {"items": {"properties": CELL}}, "metadata": {"properties": {"cnnlib": NEVER}}}
OURS = Draft7Validator({"properties": NOTEBOOK}).iter_errors
CONFLICT = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)


class UnreadableError(BuildError):
    """A file that is no notebook, and the reason."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be read: {reason}.")
        self.reason = f"its notebook cannot be read: {reason}"


def chapters(notebooks: Path) -> list[Path]:
    """List the notebooks in the order of the book."""
    found = sorted(notebooks.glob("*.ipynb"), key=lambda path: (path.stem != START, path.name))
    if not found:
        raise BuildError(f"No notebooks in {notebooks}/: run this in the repository's top folder.")
    for path in found:
        if not path.name.isprintable():
            raise BuildError(f"{path.name!a} in {notebooks}/: rename it, in printable letters")
    return found


def companions(notebooks: Path) -> dict[str, bytes]:
    """The files that notebooks read and run, by their paths beside the notebooks."""
    found = [file for name in COMPANIONS for file in sorted((notebooks / name).rglob("*.*"))]
    files = [file for file in found if file.is_file() and "__pycache__" not in file.parts]
    return {file.relative_to(notebooks).as_posix(): file.read_bytes() for file in files}


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that a kernel runs, in order; the first one is code cell 1."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def markdown(notebook: NotebookNode) -> str:
    """The text of a notebook, as it is written."""
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def titles(cell: NotebookNode) -> list[str]:
    """The headings of a cell, with their numbers."""
    return HEADING.findall(cell.source) if cell.cell_type == "markdown" else []


def read(path: Path) -> NotebookNode:
    """Read a notebook of format 4; a file that is none is named, with the reason."""
    try:
        if path.exists() and not path.is_file():
            raise BuildError("it is no file")  # a pipe would be waited for
        return _parsed(path.read_bytes())
    except FileNotFoundError:
        reason = "there is no such file"
    except OSError as error:
        reason = error.strerror or str(error)
    except BuildError as error:
        reason = str(error)
    raise UnreadableError(path, reason)


def _parsed(content: bytes) -> NotebookNode:
    """Find the reason that helps most before nbformat's own."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BuildError(f"line {line} is not in UTF-8") from None
    if text.startswith("\ufeff"):
        raise BuildError("it begins with a byte order mark; save it as UTF-8 without one")
    if not text.strip():
        raise BuildError("it is empty")
    conflict = CONFLICT.search(text)
    if conflict:
        line = text.count("\n", 0, conflict.start()) + 1
        raise BuildError(f"line {line} begins a merge conflict that is not resolved")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        place = getattr(error, "lineno", None)
        where = f"line {place} is no JSON" if place else "it is no JSON"
        raise BuildError(f"{where}, as where a file was cut off") from None
    form = [found.get("nbformat"), found.get("nbformat_minor")] if isinstance(found, dict) else []
    if [type(part) for part in form] != [int, int] or form[0] != 4:
        raise BuildError("it is no notebook of format 4; save it anew in Jupyter")
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BuildError("it has half a character, a lone surrogate such as \\ud83d") from None
    notebook = nbformat.from_dict(found)
    rules = {"in Jupyter's format": iter_validate, "the book's tools write it": OURS}
    for whose, errors in rules.items():
        try:
            wrong = next(errors(notebook), None)
        except (TypeError, ValueError):  # nbformat looks for its definition
            raise BuildError("the type of a cell or of an output is no word") from None
        if wrong:
            at = "/".join(str(part) for part in wrong.absolute_path)
            raise BuildError(f"its {at or 'top'} is not as {whose}")
    return rejoin_lines(notebook)


def write(path: Path, content: str | bytes) -> None:
    """Write a file all at once, so that a stop halfway leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, content.encode() if isinstance(content, str) else content)
