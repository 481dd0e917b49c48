"""The pages of a chapter: its parts, where its notebook marks them; else the whole is one page."""

import copy
import re
from dataclasses import dataclass
from itertools import pairwise

from nbformat import NotebookNode

# A part begins at such a heading. Its words stand behind it, "# Part B. Corners and padding", or
# on the next line, "## Part 3B" and "**The convolution.**".
HEAD = re.compile(
    r"^#+ Part \d*([A-Z])\b(?:\. (?P<behind>.+)|\s*^\**(?P<below>\w.*?)\.?\**$)?", re.MULTILINE
)
EXERCISE = re.compile(r"^\*\*Exercise ([\d.]*\d)", re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """A page of a chapter: one of its parts, or all of it."""

    name: str  # of its file, without .html; the first part has that of the chapter
    label: str = ""  # such as 3B; empty where the chapter is one page
    title: str = ""

    @property
    def file(self) -> str:
        """Its page."""
        return f"{self.name}.html"

    @property
    def words(self) -> str:
        """What leads to it."""
        return f"{self.label}. {self.title}" if self.title else f"Part {self.label}"


@dataclass(frozen=True)
class Numbered:
    """A cell, or a piece of one, with the number of the cell in its notebook."""

    number: int
    cell: NotebookNode


def parts(name: str, notebook: NotebookNode) -> tuple[Part, ...]:
    """The pages of a chapter, in their order."""
    heads = [head for cell in notebook.cells for head in _heads(cell)]
    if len(heads) < 2:
        return (Part(name),)
    number = name[:2].lstrip("0") if name[:2].isdigit() else ""
    return tuple(
        Part(
            f"{name}_{head[1].lower()}" if n else name,
            f"{number}{head[1]}",
            head["behind"] or head["below"] or "",
        )
        for n, head in enumerate(heads)
    )


def divided(name: str, notebook: NotebookNode) -> list[tuple[Part, list[Numbered]]]:
    """The pages with their cells. What stands before the first part belongs to it."""
    pages = parts(name, notebook)
    whole = [Numbered(number, cell) for number, cell in enumerate(notebook.cells, 1)]
    if len(pages) == 1:
        return [(pages[0], whole)]
    cells: list[list[Numbered]] = [[]]
    begun = False
    for one in whole:
        starts = [head.start() for head in _heads(one.cell)]
        for source in _cut(one.cell.source, starts):
            headed = bool(starts) and HEAD.match(source) is not None
            if headed and begun:
                cells.append([])
            if source.strip() or not starts:
                cells[-1].append(Numbered(one.number, _piece(one.cell, source)))
            begun = begun or headed
    return list(zip(pages, cells, strict=True))


def _heads(cell: NotebookNode) -> list[re.Match[str]]:
    return list(HEAD.finditer(cell.source)) if cell.cell_type == "markdown" else []


def _cut(text: str, places: list[int]) -> list[str]:
    ends = [0, *places, len(text)]
    return [text[start:end] for start, end in pairwise(ends)]


def _piece(cell: NotebookNode, source: str) -> NotebookNode:
    """A cell with a part of its text: an exercise's address goes where the exercise stands."""
    if source == cell.source:
        return cell
    piece = copy.deepcopy(cell)
    piece.source = source
    exercises = piece.metadata.get("book", {}).get("exercises", {})
    here = set(EXERCISE.findall(source))
    for id in [id for id, number in exercises.items() if number not in here]:
        del exercises[id]
    return piece
