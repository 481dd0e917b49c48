"""A course by the hour, as `plan.toml` has it, with what the chapters know of it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from ..exercises import get
from ..exercises.desk import Exercise
from ..widgets import EXPLORERS, MIME, Explorer
from . import BuildError
from .outline import ids
from .outputs import page_name
from .reading import titles

PLAN = Path(__file__).with_name("plan.toml")
MINUTES = {1: 5, 2: 15, 3: 30}  # of homework, by the level of an exercise


@dataclass(frozen=True)
class Homework:
    """An exercise with what an instructor announces of it."""

    exercise: Exercise
    address: str  # of its text
    title: str

    @property
    def minutes(self) -> int:
        """How long it takes somebody who followed the hour."""
        return MINUTES[self.exercise.level]


@dataclass(frozen=True)
class Hour:
    """One lecture."""

    number: int
    title: str
    chapter: str  # the name of its notebook
    aims: str
    needs: tuple[int, ...]
    explorer: Explorer  # to move in this hour, in the state in which a chapter shows it
    say: str
    sections: tuple[tuple[str, str, str], ...]  # number, title, id
    homework: tuple[Homework, ...]

    @property
    def demo(self) -> str:
        """The address of the explorer, with its exact state."""
        return f"explorers/{page_name(self.explorer)}#{self.explorer.address()}"

    def place(self, at: int) -> str:
        """Where one of its sections stands, as notebooks link to it."""
        number, title, _ = self.sections[at]
        return f"{self.chapter}.ipynb#{number}-{title.replace(' ', '-')}"

    @property
    def file(self) -> str:
        """Of its slides."""
        return f"hour_{self.number:02}.html"


def read_plan(notebooks: Mapping[str, NotebookNode]) -> tuple[list[Hour], dict[int, list[int]]]:
    """The hours of these notebooks, and which hours make a course of so many.

    An hour whose chapter, or that of its explorer, is not among them is left out.
    """
    plan = tomllib.loads(PLAN.read_text(encoding="utf-8"))
    hours = [
        _hour(number, entry, notebooks)
        for number, entry in enumerate(plan["hour"], 1)
        if {entry["chapter"], entry["demo"].partition("#")[0]} <= notebooks.keys()
    ]
    return hours, {int(length): chosen for length, chosen in plan["courses"].items()}


def _hour(number: int, entry: dict, notebooks: Mapping[str, NotebookNode]) -> Hour:
    chapter = entry["chapter"]
    sections = _sections(notebooks[chapter])
    chosen = sections
    if "from" in entry:
        places = [id for _, _, id in sections]
        for id in (entry["from"], entry["to"]):
            if id not in places:
                raise BuildError(f"{PLAN.name}, hour {number}: {chapter} has no section {id}")
        chosen = sections[places.index(entry["from"]) : places.index(entry["to"]) + 1]
    within = {n for n, _, _ in chosen}
    return Hour(
        number,
        entry["title"],
        chapter,
        entry["aims"],
        tuple(entry["needs"]),
        _explorer(entry["demo"], notebooks, f"{PLAN.name}, hour {number}"),
        entry["say"],
        tuple(chosen),
        tuple(_homework(chapter, notebooks[chapter], within)),
    )


def _sections(notebook: NotebookNode) -> list[tuple[str, str, str]]:
    found = []
    for cell in notebook.cells:
        known = ids(cell, "sections")
        for title in titles(cell):
            n, _, words = title.partition(" ")
            if n in known:
                found.append((n, words, known[n]))
    return found


def _homework(chapter: str, notebook: NotebookNode, within: set[str]) -> list[Homework]:
    """The exercises of some sections; where a chapter has no sections, there are none."""
    found, section = [], ""
    for cell in notebook.cells:
        for n, id in ids(cell, "exercises").items():
            if section in within:
                words = "find the mistake" if get(n).faulty else id.replace("_", " ")
                found.append(Homework(get(n), f"{chapter}.ipynb#exercise-{id}", words))
        section = next(reversed(ids(cell, "sections")), section)
    return found


def shown_explorer(cell: NotebookNode) -> Explorer | None:
    """The explorer among the outputs of a cell."""
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if MIME in data:
            return EXPLORERS[data[MIME]["explorer"]](**data[MIME]["traits"])
    return None


def _explorer(demo: str, notebooks: Mapping[str, NotebookNode], where: str) -> Explorer:
    """The one that a figure shows."""
    chapter, _, figure = demo.partition("#")
    for cell in notebooks[chapter].cells:
        if cell.metadata.get("book", {}).get("figure") == figure:
            explorer = shown_explorer(cell)
            if explorer:
                return explorer
    raise BuildError(f"{where}: no cell shows an explorer as {demo}")
