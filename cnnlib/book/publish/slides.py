"""Slides, an hour of lecture each, from the chapters: the same words, formulas and explorers.

In each cell's metadata, `slideshow` says whether and how it is shown: JupyterLab edits that, and
Jupyter's own `nbconvert --to slides` reads it, too. `tag` fills in what is missing by the cell's
kind. A cell of Markdown has several blocks; a slide here shows one of them.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from ..figures import png
from ..widgets import Explorer, in_script, policy
from .build import Book
from .outline import Addresses, ids, numbered, read_chapters, tagged
from .outputs import explorer_html, page_name
from .pages import environment, mounting, packed, source, style
from .pictures import picture
from .plan import Hour, read_plan, shown_explorer
from .prose import highlighted, to_html
from .reading import chapters, read, write

TYPES = ("slide", "subslide", "fragment", "skip", "notes", "-")
LABEL = re.compile(r"\*\*([^*]+?)[.:]?\*\*")
SHOWN = ("By hand", "What goes wrong here", "In short", "The rule")  # blocks, as they are
DERIVED = ("The derivation", "Why")  # their formulas are shown, their words are said
NUMBERED = re.compile(r"^ .*# .*\(\d+\.\d+\)", re.MULTILINE)  # a loop that is the equation
FORMULA = re.compile(r"\$\$.*?\$\$", re.DOTALL)
ASIDE = re.compile(r"<details>.*?</details>\n*|^\*Needs [^\n]*\*$\n*", re.DOTALL | re.MULTILINE)
MOST_WORDS = 110  # on one slide


@dataclass(frozen=True)
class Slide:
    """What is shown, and what is said to it; both in HTML."""

    html: str
    notes: str = ""
    heading: bool = False


@dataclass(frozen=True)
class Block:
    """A part of a cell: Markdown that belongs together, or code with its outputs."""

    cell: NotebookNode
    section: str  # its number
    text: str = ""  # of code it is empty
    title: str = ""  # of the section that it begins

    @property
    def label(self) -> str:
        """The bold words that a block of Markdown begins with."""
        found = LABEL.match(self.text)
        return found[1] if found else ""

    @property
    def kind(self) -> str:
        """How its cell is shown, as the metadata says."""
        return self.cell.metadata.get("slideshow", {}).get("slide_type", "-")


@dataclass
class Deck:
    """The slides of one hour while they are made."""

    folder: Path
    equations: Addresses
    explorers: list[Explorer] = field(default_factory=list)
    slides: list[Slide] = field(default_factory=list)

    def prose(self, text: str) -> str:
        """Markdown without links: a slide is no place to go away from."""
        return re.sub(r"</?a\b[^>]*>|<span id=[^>]*></span>", "",
                      to_html(text, self.folder, self.equations))  # fmt: skip

    def show(self, html: str, notes: str = "") -> None:
        """One more slide."""
        self.slides.append(Slide(html, notes))

    def move(self, explorer: Explorer, head: str) -> None:
        """A slide with an explorer, alive; until it is, its still."""
        drawn = base64.b64encode(png(explorer.draw())).decode()
        alive = explorer_html(explorer, drawn, self.explorers)
        self.show(head + alive, f"<p>{escape(explorer.alt)}</p>")

    def say(self, html: str) -> None:
        """A note to the last slide."""
        if self.slides:
            self.slides[-1] = replace(self.slides[-1], notes=self.slides[-1].notes + html)

    def add(self, html: str) -> None:
        """Something more on the last slide."""
        self.slides[-1] = replace(self.slides[-1], html=self.slides[-1].html + html)


def slide_type(cell: NotebookNode, before: NotebookNode | None) -> str:
    """How a cell is shown by its kind: what the text says aloud becomes a note."""
    if cell.cell_type == "markdown":
        text = ASIDE.sub("", cell.source).strip()
        if ids(cell, "exercises") or not text:
            return "skip"
        if re.search(r"^#{1,2} ", text, re.MULTILINE):
            return "slide"
        label = LABEL.match(text)
        return "subslide" if label and len(text.split()) <= MOST_WORDS else "notes"
    if cell.cell_type == "raw" or any(tagged(cell, tag) for tag in ("setup", "exercise")):
        return "skip"
    if not (tagged(cell, "figure") or NUMBERED.search(cell.source) or _card(cell)):
        return "skip"
    short = before is not None and len(before.source.split()) <= 60
    led = short and before is not None and before.metadata["slideshow"]["slide_type"] == "subslide"
    return "-" if led else "subslide"


def tag(notebooks: Path) -> None:
    """Write into the notebooks how each cell is shown, where they do not say it."""
    for path in chapters(notebooks):
        notebook, before, changed = read(path), None, False
        for cell in notebook.cells:
            if cell.metadata.get("slideshow", {}).get("slide_type") not in TYPES:
                cell.metadata["slideshow"] = {"slide_type": slide_type(cell, before)}
                changed = True
            before = cell if cell.cell_type == "markdown" else None
        if changed:
            write(path, nbformat.writes(notebook) + "\n")


def slides(notebooks: Path, book: Book, folder: Path) -> None:
    """Write a file for each hour of the plan, complete in itself, and a page that lists them."""
    hours, courses = read_plan(book.notebooks)
    equations = numbered(read_chapters(book.notebooks))
    files = {hour.file: _page(hour, book.notebooks, notebooks, equations) for hour in hours}
    template = environment().get_template("slides_index.html.j2")
    files["index.html"] = template.render(
        hours=hours, courses=courses, style=style(), policy=policy()
    )
    for old in folder.glob("hour_*.html"):
        old.unlink()
    for name, text in files.items():
        write(folder / name, text)
    print(f"{len(hours)} hours of slides: open {folder / 'index.html'}")


def _page(
    hour: Hour, notebooks: Mapping[str, NotebookNode], folder: Path, equations: Addresses
) -> str:
    deck = Deck(folder, equations)
    _fill(deck, hour, notebooks[hour.chapter])
    modules = {type(one).__name__: packed(one.module) for one in deck.explorers}
    shown = [(type(one).__name__, one.state()) for one in deck.explorers]
    scripts = [source("slides.js"), mounting()]
    return (
        environment()
        .get_template("slides.html.j2")
        .render(
            hour=hour,
            slides=deck.slides,
            style="\n".join([style(), *dict.fromkeys(one.style for one in deck.explorers)]),
            own=source("slides.css"),
            data=in_script({"modules": modules, "shown": shown}),
            scripts=scripts,
            policy=policy(*scripts),
        )
    )


def _fill(deck: Deck, hour: Hour, notebook: NotebookNode) -> None:
    """The slides of the sections of an hour, in their order, and what moves at their end."""
    wanted, lead, beside = {n for n, _, _ in hour.sections}, "", False
    for block in _blocks(notebook):
        if (wanted and block.section not in wanted) or block.kind == "skip":
            continue
        if block.cell.cell_type == "code":
            _code(deck, block.cell, lead, beside)
            lead, beside = "", False
            continue
        if lead:
            deck.say(deck.prose(lead))  # nothing to look at came after it
            lead = ""
        if block.title:
            heading = f"<h2>{escape(block.title, quote=False)}</h2>"
            deck.show(heading + _short(deck, block.text))
        elif block.label in DERIVED or FORMULA.search(block.text):
            formulas = "\n\n".join(FORMULA.findall(block.text))
            words = len(FORMULA.sub("", block.text).split())
            shown = block.text if words <= MOST_WORDS / 2 else f"**{block.label}.**\n\n{formulas}"
            deck.show(deck.prose(shown), "" if shown == block.text else deck.prose(block.text))
        elif block.label in SHOWN and deck.slides:
            deck.show(_short(deck, block.text))
            beside = block.label == "By hand"
        elif block.kind == "notes" or len(block.text.split()) > MOST_WORDS:
            deck.say(deck.prose(block.text))
        else:
            lead = block.text
    if hour.demo not in [f"explorers/{page_name(one)}#{one.address()}" for one in deck.explorers]:
        deck.move(hour.explorer, f"<p>{escape(hour.say, quote=False)}</p>")


def _code(deck: Deck, cell: NotebookNode, lead: str, beside: bool) -> None:
    """What a cell shows: an explorer, a picture, a mistake, or the code that is an equation."""
    head, explorer = deck.prose(lead) if lead else "", shown_explorer(cell)
    for output in cell.outputs:
        data = output.get("data", {})
        if explorer:
            deck.move(explorer, head)
        elif "image/png" in data:
            alt = output.metadata.get("image/png", {}).get("alt", "")
            html = picture("image/png", data["image/png"], alt)
            html, said = f'{head}<div class="output">{html}</div>', f"<p>{escape(alt)}</p>"
            if beside:  # an example by hand has its picture on the same slide
                deck.add(html)
                deck.say(said)
            else:
                deck.show(html, said)
        elif _card(cell) and deck.slides:
            if 'class="output card"' in deck.slides[-1].html:
                return  # one mistake is enough for a slide
            card = re.sub(r"</?a\b[^>]*>", "", data.get("text/html", ""))
            deck.add(f'<div class="output card">{card}</div>')
        else:
            continue
        return
    if NUMBERED.search(cell.source):
        code = highlighted(cell.source, "ipython3", {})
        deck.show(f'{head}<div class="source"><pre><code>{code}</code></pre></div>')


def _short(deck: Deck, text: str) -> str:
    """Its first paragraphs; what is too much for a slide is said."""
    kept: list[str] = []
    words = 0
    for part in text.split("\n\n"):
        words += len(part.split())
        if kept and words > MOST_WORDS:
            break
        kept.append(part)
    return deck.prose("\n\n".join(kept))


def _card(cell: NotebookNode) -> bool:
    """Whether a cell shows an entry of the catalogue."""
    return "mistakes.card(" in cell.source


def _blocks(notebook: NotebookNode) -> Iterator[Block]:
    """The parts of all cells: a heading with its question, then what begins with bold words."""
    section, title = "", ""
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            yield Block(cell, section)
            continue
        known = ids(cell, "sections")
        for part in re.split(r"(?m)^(?=##? |\*\*[A-Z])", ASIDE.sub("", cell.source)):
            heading = re.match(r"##? (.*)\n*", part)
            if heading:
                title = heading[1]
                number = title.partition(" ")[0]
                section = number if number in known else section
                part = part[heading.end() :]
            if part.strip():
                if not title.startswith("Part "):
                    yield Block(cell, section, part.strip(), title)
                title = ""
