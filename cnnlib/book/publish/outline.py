"""A notebook as data: its chapter's name, promise and time, and the addresses of what it numbers.

Tags say what a cell is. `book` in its metadata names what is numbered there, `figure` its picture:
{"sections": {"stride": "3.15"}, "equations": {"stride-d-s": "3.24"}, "exercises": ...}
An id never changes and is the address in the pages. The number beside it is that of the text;
`number` keeps both.
"""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nbformat import NotebookNode

from .formulas import EQUATION
from .parts import Part, parts
from .reading import START, markdown, titles

# The table of the first page says what each chapter promises and how long it takes.
ROW = re.compile(r"^\|.*?(?:\((\w+)\.ipynb\))?[^()|]*\|(.*)\|(.*)\|$", re.MULTILINE)

Addresses = dict[str, str]  # number to address, such as "3.4" to "03_delta_backprop.html#eq-z"


@dataclass(frozen=True)
class Chapter:
    """What the builder's steps and the other pages ask of a notebook."""

    name: str
    title: str
    equations: Addresses = field(default_factory=dict)
    exercises: Addresses = field(default_factory=dict)
    promise: str = ""  # Markdown, like the time
    time: str = ""
    note: str = ""  # why its page shows older results
    parts: tuple[Part, ...] = ()  # its pages

    @property
    def file(self) -> str:
        """Its page, or the first of them: what links name, before it is known which page it is."""
        return f"{self.name}.html"

    def minutes(self, part: Part) -> str:
        """How long a page takes: of "75 + 60 min" the share of that part."""
        shares = re.findall(r"\d+", self.time)
        at = self.parts.index(part)
        return shares[at] if len(shares) == len(self.parts) else ""


def read_chapters(notebooks: Mapping[str, NotebookNode]) -> dict[str, Chapter]:
    """Read each notebook once."""
    rows = ROW.findall(markdown(notebooks[START])) if START in notebooks else []
    promises = {name or START: (promise.strip(), time.strip()) for name, promise, time in rows}
    chapters = {}
    for name, notebook in notebooks.items():
        promise, time = promises.get(name, ("", ""))
        chapters[name] = replace(read_chapter(name, notebook), promise=promise, time=time)
    return chapters


def numbered(chapters: Mapping[str, Chapter]) -> Addresses:
    """The addresses of all equations."""
    return {n: at for chapter in chapters.values() for n, at in chapter.equations.items()}


def read_chapter(name: str, notebook: NotebookNode) -> Chapter:
    """Read one notebook; without the table of the first one it promises nothing."""
    title = next((title for cell in notebook.cells for title in titles(cell)), name)
    formulas = re.findall(r"\$\$(.*?)\$\$", markdown(notebook), re.DOTALL)
    known = {n: id for cell in notebook.cells for n, id in ids(cell, "equations").items()}
    found = [number[1] for number in map(EQUATION.search, formulas) if number]
    exercises = {n: id for cell in notebook.cells for n, id in ids(cell, "exercises").items()}
    return Chapter(
        name,
        title,
        {number: f"{name}.html#eq-{known.get(number, number)}" for number in found},
        {number: f"{name}.html#exercise-{id}" for number, id in exercises.items()},
        parts=parts(name, notebook),
    )


def tagged(cell: NotebookNode, tag: str) -> bool:
    """Whether a cell says of itself that it is this."""
    return tag in cell.metadata.get("tags", ())


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    """A copy for students, without the cells that show a solution."""
    made = copy.deepcopy(notebook)
    made.cells = [cell for cell in made.cells if not tagged(cell, "solution")]
    return made


def ids(cell: NotebookNode, kind: str) -> dict[str, str]:
    """The ids of the sections, equations or exercises of a cell, by the numbers in its text."""
    return {n: id for id, n in cell.metadata.get("book", {}).get(kind, {}).items()}


def cell_address(cell: NotebookNode) -> str:
    """The address of a whole cell in its page: that of its exercise or of its figure, or ''."""
    for id in ids(cell, "exercises").values():
        return f"exercise-{id}"
    figure = cell.metadata.get("book", {}).get("figure")
    return f"figure-{figure}" if figure else ""
