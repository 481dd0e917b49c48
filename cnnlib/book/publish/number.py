"""Numbers sections, equations and exercises in the order of the book, and every mention of them.

The notebooks are read in JupyterLab and on code hosts as they stand, so numbers stand in their
texts. What is new is written with `3.?`; what moved keeps its old number until it is numbered.
"""

# make number: leave this file, its numbers are examples

import itertools
import json
import re
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from . import BuildError, mentions
from .build import without_volatile_parts
from .mentions import Follow
from .outline import ids, tagged
from .reading import chapters, read, titles, write

NUMBER = mentions.NUMBER
DEFINED = {  # in text cells: what bears a number
    "sections": re.compile(rf"^##+ +({NUMBER}) ", re.MULTILINE),
    "equations": re.compile(rf"(?:\\qquad\s*\(|\\tag\{{)({NUMBER})[)}}]"),
    "exercises": re.compile(rf"\*\*Exercise ({NUMBER})"),
}
SECTIONS = Path("cnnlib/diagnosis/mistakes/sections.toml")
EXERCISES = "cnnlib/book/exercises"
MENTIONING = ("cnnlib/**/*.py", "tests/**/*.py", "README.md", "cnnlib/**/*.md.j2")
LEFT = "make number: leave this file"
ARTICLES = {"a", "an", "the"}
MARKUP = re.compile(  # what says nothing in the id of a formula
    r"\\(?:[dt]?frac|partial|text|math\w+|operatorname|left|right|[bB]igg?[lr]?|q?quad|sum|cdot"
    r"|(?:begin|end)\{\w+\}|[lr](?:floor|ceil)|substack)(?![a-z])"
)
MOST = 12  # of what is wrong, in one message
BARE = "test_exercises.py"  # asks many exercises by strings that are numbers alone


@dataclass(frozen=True)
class Numbered:
    """A section, an equation or an exercise: its place, its number so far and the one it gets."""

    kind: str
    chapter: str
    cell: int
    old: str
    new: str
    id: str

    @property
    def unnumbered(self) -> bool:
        """Whether it is new."""
        return self.old.endswith("?")


@dataclass
class Numbering:
    """The numbers so far and those that come, and what cannot be resolved."""

    placed: list[Numbered] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)  # how many mentions each context had
    new: dict[tuple[str, str], str] = field(default_factory=dict)  # by kind and 3.4 or 3.?id

    def add(self, one: Numbered) -> None:
        """Take in what is numbered; each number and each id stands once."""
        chapter = one.old.partition(".")[0]
        cures = {f"{chapter}.?{one.id}": "take `book` out of the metadata of the copied cell"}
        if not one.unnumbered:
            cures[one.old] = f"write {chapter}.? where it is new"
        for name, cure in cures.items():
            if (one.kind, name) in self.new:
                where = f"{one.chapter}.ipynb, cell {one.cell}"
                self.wrong.append(f"{where}: {name} stands for two {one.kind}: {cure}")
            self.new[one.kind, name] = one.new
        self.placed.append(one)

    def of_cell(self, chapter: str, cell: int) -> list[Numbered]:
        """What is numbered in a cell, in its order."""
        return [one for one in self.placed if (one.chapter, one.cell) == (chapter, cell)]

    @contextmanager
    def reading(self, where: str) -> Iterator[None]:
        """Note which code is no Python."""
        try:
            yield
        except (tokenize.TokenError, SyntaxError) as error:
            self.wrong.append(f"{where}: its code cannot be read ({error}): mend it")

    def follower(self, where: str, here: Sequence[Numbered] = (), asked: str = "") -> Follow:
        """What gives the mentions of one place their numbers.

        `here` is what is numbered there; `asked` the exercise before, which `check("3.?"` means.
        """
        waiting = {kind: [one.new for one in here if one.kind == kind and one.unnumbered]
                   for kind in DEFINED}  # fmt: skip

        def follow(kind: str, mention: str, number: str) -> str:
            self.found[f"{kind}: {re.sub(NUMBER, 'N', ' '.join(mention.split()))}"] += 1
            defines = number.endswith("?") and DEFINED[kind].match(f"{mention} ")
            if defines and waiting[kind]:
                return waiting[kind].pop(0)
            if number.endswith("?") and kind == "exercises" and asked and not defines:
                return asked
            if (kind, number) in self.new:
                return self.new[kind, number]
            self.wrong.append(
                f"{where}: {' '.join(mention.split())!r} mentions {number}, but no "
                f"{kind.removesuffix('s')} has this number: name one that is there"
            )
            return number

        return follow


def renumber(root: Path = Path()) -> Counter[str]:
    """Number the book in the repository `root`; returns how many mentions each context has.

    Raises
    ------
    BuildError
        Something mentioned is nowhere, or two things have one number: file, cell and mention are
        named, and no file is written.
    """
    books = {path: read(path) for path in chapters(root / "notebooks")}
    numbering = Numbering()
    for path, notebook in books.items():
        _place(root, path.stem, notebook, numbering)
    texts = _files(root, numbering)
    for path, notebook in books.items():
        _follow(path.stem, notebook, numbering)
    if numbering.wrong:
        first, more = numbering.wrong[:MOST], len(numbering.wrong) - MOST
        rest = [f"... and {more} more."] if more > 0 else []
        raise BuildError("\n".join([*first, *rest, "Nothing was numbered."]))
    texts[root / SECTIONS] = _sections({path.stem: book for path, book in books.items()})
    for path, notebook in books.items():
        texts[path] = nbformat.writes(without_volatile_parts(notebook)) + "\n"
    changed = [path for path, text in texts.items() if _differs(path, text)]
    for path in changed:
        write(path, texts[path])
    print(f"{len(numbering.placed)} numbers, {numbering.found.total()} times in the texts.")
    if changed:
        print("Written anew:", *sorted(path.relative_to(root).as_posix() for path in changed))
        print("Run make notebooks: figures and outputs show numbers, too.")
    return numbering.found


def _differs(path: Path, text: str) -> bool:
    return not path.exists() or _text(path) != text


def _text(path: Path) -> str:
    """The text of a file; a pipe would be waited for."""
    if not path.is_file():
        raise BuildError(f"{path} cannot be read: it is no file, or leads to none")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BuildError(f"{path} is not in UTF-8") from None


def _place(root: Path, name: str, notebook: NotebookNode, numbering: Numbering) -> None:
    """Count what a chapter numbers, and find or make its ids."""
    if not re.match(r"\d\d_", name):
        return
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):
        numbering.wrong.append(f"{name}.ipynb: name it in letters, digits, _ and - alone")
    known = {
        (kind, number): id
        for cell in notebook.cells
        for kind in DEFINED
        for number, id in ids(cell, kind).items()
        if not number.endswith("?")
    }
    taken = {(kind, id) for (kind, _), id in known.items()}
    entries = _entries(root, int(name[:2]))
    counts: Counter[str] = Counter()
    section = "start"
    for at, cell in enumerate(notebook.cells, 1):
        for kind, old, words in _defined(cell):
            counts[kind] += 1
            new = f"{int(name[:2])}.{counts[kind]}"
            if kind == "exercises":
                words = next((name for number, name in entries if number == old), "")
                entries = [entry for entry in entries if entry[1] != words]
            start = f"{section}-" if kind == "equations" else ""
            id = known.get((kind, old)) or ids(cell, kind).get(old)
            id = id or _free(kind, words, taken, start)
            section = id if kind == "sections" else section
            if not id:
                numbering.wrong.append(
                    f"{name}.ipynb, cell {at}: exercise {old} has no entry "
                    f'Exercise("{old}", ...) in {EXERCISES}/chapter_{int(name[:2])}.py: write one'
                )
            numbering.add(Numbered(kind, name, at, old, new, id))


def _entries(root: Path, chapter: int) -> list[tuple[str, str]]:
    """The exercises of a chapter in the library: their numbers so far and their names."""
    path = root / EXERCISES / f"chapter_{chapter}.py"
    return mentions.ENTRY.findall(_text(path)) if path.exists() else []


def _defined(cell: NotebookNode) -> list[tuple[str, str, str]]:
    """What a text cell numbers, in its order: kind, number, and the words for a new id."""
    if cell.cell_type != "markdown":
        return []
    found = []
    for kind, pattern in DEFINED.items():
        for place in pattern.finditer(cell.source):
            words = cell.source[place.end() :].partition("\n")[0]  # of a section, its title
            if kind == "equations":
                words = cell.source[cell.source.rfind("$$", 0, place.start()) : place.start()]
                words = MARKUP.sub(" ", words).replace("_", " ")
            found.append((place.start(), kind, place[1], words))
    return [(kind, number, words) for _, kind, number, words in sorted(found)]


def _free(kind: str, words: str, taken: set[tuple[str, str]], start: str = "") -> str:
    """An id of a few words, of more where these are taken; an exercise has its answer's name."""
    if kind == "exercises":
        return words
    kept = [word for word in re.findall(r"[a-z0-9]+", words.lower()) if word not in ARTICLES]
    kept = kept or [kind.removesuffix("s")]  # of a title in other letters, or of signs
    few = 2 if start else 6
    tries = [start + "-".join(kept[:count]) for count in range(few, max(few, len(kept)) + 1)]
    more = (f"{tries[0]}-{number}" for number in itertools.count(2))
    free = next(one for one in itertools.chain(tries, more) if (kind, one) not in taken)
    taken.add((kind, free))
    return free


def _follow(name: str, notebook: NotebookNode, numbering: Numbering) -> None:
    """Write the numbers that come into a notebook, its outputs and its metadata."""
    asked = ""
    figures: set[tuple[str, str]] = {
        ("figures", cell.metadata["book"]["figure"])
        for cell in notebook.cells
        if "figure" in cell.metadata.get("book", {})
    }
    for at, cell in enumerate(notebook.cells, 1):
        here = numbering.of_cell(name, at)
        asked = next((one.new for one in reversed(here) if one.kind == "exercises"), asked)
        follow = numbering.follower(f"{name}.ipynb, cell {at}", here, asked)
        if cell.cell_type == "markdown":
            cell.source = mentions.in_markdown(cell.source, follow)
            new = [(one.kind, one.new) for one in here]
            if here and not numbering.wrong and [found[:2] for found in _defined(cell)] != new:
                old = " and ".join(one.old for one in here)
                numbering.wrong.append(
                    f"{name}.ipynb, cell {at}: {old} would stay as it is: take what is numbered "
                    "out of code and from between $ signs"
                )
        elif cell.cell_type == "code":
            with numbering.reading(f"{name}.ipynb, cell {at}"):
                cell.source = mentions.in_python(cell.source, follow, mentions.CODE)
            known = mentions.CODE if tagged(cell, "exercise") else mentions.WORDS
            for output in cell.outputs:
                _follow_in_output(output, follow, known)
        book: dict[str, Any] = {}
        for one in here:
            book.setdefault(one.kind, {})[one.id] = one.new
        if tagged(cell, "figure"):
            old = cell.metadata.get("book", {}).get("figure")
            book["figure"] = old or _free("figures", _alt(cell), figures)
        cell.metadata.pop("book", None)
        if book:
            cell.metadata["book"] = book


def _alt(cell: NotebookNode) -> str:
    """What its first picture shows, in words."""
    alts = [output.get("metadata", {}).get("image/png", {}).get("alt") for output in cell.outputs]
    return next((alt for alt in alts if alt), "picture")


def _follow_in_output(output: NotebookNode, follow: Follow, known: re.Pattern[str]) -> None:
    """Texts and alternative texts; a number that is drawn comes with make notebooks."""
    data = output.get("data", {})
    for place, key in [(output, "text"), *((data, kind) for kind in data if "text/" in kind)]:
        if key in place:
            place[key] = mentions.in_words(place[key], follow, known)
    shown = output.get("metadata", {}).get("image/png", {})
    if "alt" in shown:
        shown["alt"] = mentions.in_words(shown["alt"], follow)


def _files(root: Path, numbering: Numbering) -> dict[Path, str]:
    """The texts of all other files, with the numbers that come."""
    texts = {}
    for path in sorted({path for pattern in MENTIONING for path in root.glob(pattern)}):
        text = _text(path)
        if LEFT in text:
            continue
        name = path.relative_to(root).as_posix()
        follow = numbering.follower(name)
        if path.suffix != ".py":
            texts[path] = mentions.in_markdown(text, follow)
            continue
        entries = re.fullmatch(rf"{EXERCISES}/chapter_(\d+)\.py", name)
        known = mentions.CODE if name.startswith(EXERCISES) else mentions.WORDS
        with numbering.reading(name):
            text = mentions.in_python(text, follow, known, bare=path.name == BARE)
        if entries:
            text = mentions.in_entries(text, _entry_numbers(numbering, name, entries[1]))
        texts[path] = text
    return texts


def _entry_numbers(numbering: Numbering, file: str, chapter: str) -> Callable[[str, str], str]:
    """The number of an exercise in the library is that of its name in the notebook."""

    def numbered(name: str, old: str) -> str:
        new = numbering.new.get(("exercises", f"{chapter}.?{name}"))
        numbering.found["exercises: Exercise('N', name"] += 1
        if new is None:
            numbering.wrong.append(
                f'{file}: Exercise("{old}", "{name}") is in no notebook: write its text there, '
                f"**Exercise {chapter}.?**"
            )
        return new or old

    return numbered


def _sections(notebooks: dict[str, NotebookNode]) -> str:
    """The headings by their ids: the catalogue of mistakes finds them where no notebooks are."""
    lines = ["# Made by `make number`: the present heading of each section, by the section's id."]
    for name, notebook in notebooks.items():
        headings = {
            title.partition(" ")[0]: title for cell in notebook.cells for title in titles(cell)
        }
        named = {n: id for cell in notebook.cells for n, id in ids(cell, "sections").items()}
        if named:
            lines += ["", f"[{name}]"]
            lines += [f"{id} = {json.dumps(headings[n])}" for n, id in named.items()]
    return "\n".join(lines) + "\n"
