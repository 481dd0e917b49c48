"""What stands around the text of a page: head, contents, style, scripts, security policy."""

import base64
import gzip
import hashlib
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape, unescape
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from nbformat import NotebookNode

from ..widgets import HOST, Explorer, in_script, policy
from . import REPORT
from .checks import Page
from .finding import FILES
from .formulas import FOLDER
from .live import SCRIPT, STYLE, Live
from .outline import Addresses, Chapter, numbered, read_chapters
from .parts import Part
from .reading import read

TEMPLATES = Path(__file__).parent / "templates"
# The ids that stand around a text.
TAKEN = ("content", "contents", "explorer-data", "elsewhere")
SHARED = "assets"  # the folder of what all pages of a site load
# The folder of the explorers: their own pages, and what these and the book's pages make them from.
# It may be copied alone.
ALIVE = "explorers"
LONG = 2000  # characters of JSON: data of an explorer that are longer lie in a file
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='3' fill='%2300558c'/%3E"
    "%3Cpath d='M3 3h4v4H3zM9 9h4v4H9zM9 3h4v4H9zM3 9h4v4H3z' fill='%23fff' opacity='.35'/%3E"
    "%3Cpath d='M3 3h4v4H3zM9 9h4v4H9z' fill='%23fff'/%3E%3C/svg%3E"
)
DESCRIPTION = 160  # characters
HERO = re.compile(r'data-hero data-explorer="(\d+)"')
FIRST = re.compile(r"</h1>\s*<p>(.*?)</p>", re.DOTALL)


@dataclass(frozen=True)
class Site:
    """The pages that belong together. Without chapters, a page stands alone."""

    equations: Addresses
    repository: str = ""
    chapters: tuple[Chapter, ...] = ()
    notebooks: frozenset[str] = frozenset()  # the names of those that can be downloaded
    wheel: str = ""
    results: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # that a notebook reads

    edition: str = ""  # version, date and commit
    live: Live | None = None  # what makes cells run

    @property
    def github(self) -> str:
        """OWNER/NAME, if the repository is on GitHub: Binder takes it from there."""
        address = "https://github.com/"
        return self.repository.removeprefix(address) if address in self.repository else ""

    @property
    def report(self) -> str:
        """The address at which an error is reported."""
        return REPORT or (self.repository and f"{self.repository}/issues")

    @property
    def pages(self) -> tuple[tuple[Chapter, Part], ...]:
        """All pages of the chapters, in their order."""
        return tuple((chapter, part) for chapter in self.chapters for part in chapter.parts)


@dataclass(frozen=True)
class Text:
    """The text of a page, before anything stands around it."""

    name: str  # of the page, without .html
    html: str
    read: Page  # what was read from it
    explorers: Sequence[Explorer] = ()  # what `mount.js` puts into it
    older: Mapping[str, str] = field(default_factory=dict)  # when and why it has older outputs


def single(name: str, notebook: NotebookNode, folder: Path, repository: str) -> Site:
    """The surroundings of a page that stands alone; it may name the equations of the others."""
    books = {path.stem: read(path) for path in sorted(folder.glob("*.ipynb")) if path.stem != name}
    equations = numbered(read_chapters(books | {name: notebook}))
    return Site(equations, repository, edition=edition())


def page(
    site: Site,
    text: Text,
    scripts: Sequence[str] = (),
    elsewhere: Mapping[str, Sequence[str]] | None = None,
    needs: Sequence[str] = (),
) -> str:
    """Put the page around a text.

    Parameters
    ----------
    site : Site
        The pages that it belongs to. Without chapters everything is in the page; with them, what
        all pages share lies beside them, in the files of `assets`.
    text : Text
        What stands in it.
    scripts : sequence of str
        What it has besides those of every page.
    elsewhere : mapping, optional
        The addresses that this page once had, by the page that has them now.
    needs : sequence of str
        Files of the site that its own scripts need: scripts that come before them.
    """
    at = next((n for n, (_, part) in enumerate(site.pages) if part.name == text.name), None)
    chapter, part = site.pages[at] if at is not None else (None, None)
    notebook = chapter.name if chapter else text.name
    offered = notebook in site.notebooks or not site.chapters
    headings = text.read.headings
    title = headings[0][2] if headings else text.name
    runs = notebook if site.live and "data-code-cell" in text.html else ""
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            site=site,
            name=text.name,
            chapter=chapter,
            part=part,
            notebook=f"{notebook}.ipynb" if offered else "",
            title=title,
            description=_description(text),
            headings=headings[1:],
            body=text.html,
            note=escape(note_on(text.older)),
            before=site.pages[at - 1] if at else None,
            after=site.pages[at + 1] if at is not None and at + 1 < len(site.pages) else None,
            elsewhere=in_script(elsewhere) if elsewhere else "",
            runs=runs,
            lists=FILES,
            **(
                _beside(text, scripts, needs, bool(runs))
                if site.chapters
                else _within(text, scripts)
            ),
        )
    )


def _beside(
    text: Text, scripts: Sequence[str], needs: Sequence[str], runs: bool
) -> dict[str, object]:
    """What a page of a site loads from the files beside it."""
    styles, files = [f"{SHARED}/course.css"], [f"{SHARED}/course.js"]
    if text.explorers:
        first = HERO.search(text.html)  # its module is there at once, the others when wanted
        modules = [f"{ALIVE}/{type(text.explorers[int(first[1])]).__name__}.js"] if first else []
        styles = [*styles, f"{ALIVE}/explorers.css"]
        files = [*files, *modules, f"{ALIVE}/explorers.js"]
    return {
        "links": styles + [STYLE] * runs,
        "icon": f"{SHARED}/icon.svg",
        "first": f"{SHARED}/theme.js",
        "files": [*files, *needs] + [SCRIPT] * runs,
        "style": "",
        "theme": "",
        "scripts": scripts,
        "data": in_script({"shown": list(map(apart, text.explorers))}) if text.explorers else "",
        "policy": policy(*scripts, beside=True, runs=runs),
    }


def _within(text: Text, scripts: Sequence[str]) -> dict[str, object]:
    """The same for a page that stands alone."""
    scripts, data = [source("course.js"), *scripts], ""
    if text.explorers:
        modules = {type(explorer).__name__: packed(explorer.module) for explorer in text.explorers}
        shown = [(type(explorer).__name__, explorer.state()) for explorer in text.explorers]
        data = in_script({"modules": modules, "shown": shown})
        scripts += [mounting()]
    return {
        "links": [],
        "icon": ICON,
        "first": "",
        "files": [],
        "style": "\n".join([style(), *dict.fromkeys(one.style for one in text.explorers)]),
        "theme": source("theme.js"),
        "scripts": scripts,
        "data": data,
        "policy": policy(source("theme.js"), *scripts),
    }


def mounting() -> str:
    """The script that puts the explorers into a page."""
    return HOST + source("arriving.js") + source("mount.js")


def apart(explorer: Explorer) -> tuple[str, dict, dict[str, str]]:
    """Kind and state of an explorer, and the names of the files that have its long data."""
    state, name = explorer.state(), type(explorer).__name__
    files = {}
    for key, text in [(key, in_script(value)) for key, value in state.items()]:
        if len(text) > LONG:
            files[key] = f"{name}-{key}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return name, {key: value for key, value in state.items() if key not in files}, files


def assets() -> dict[str, str]:
    """The files that the pages of a site share: style with fonts, scripts."""
    names = ("theme.js", "course.js")
    files = {"course.css": style(), "icon.svg": unquote(ICON.partition(",")[2])}
    files |= {name: source(name) for name in names}
    return {f"{SHARED}/{name}": content for name, content in files.items()}


def _description(text: Text) -> str:
    """The first paragraph of a page: search engines and messengers show it."""
    found = FIRST.search(text.html)
    words = " ".join(unescape(re.sub("<[^>]*>", "", found[1])).split()) if found else ""
    if len(words) > DESCRIPTION:
        words = words[:DESCRIPTION].rpartition(" ")[0] + " …"
    return words


@cache
def edition() -> str:
    """Version, and in a repository date and commit of what the pages are made from."""
    number = f"Version {version('cnnlib')}"
    root = Path(__file__).parents[3]
    if not (root / ".git").exists():
        return number
    command = ["git", "log", "-1", "--format=%cs, commit %h"]
    try:
        asked = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return number
    return ", ".join(filter(None, [number, asked.stdout.strip()]))


def packed(text: str) -> str:
    """Compress a text for a page: arriving.js unpacks it."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


@cache
def source(name: str) -> str:
    """The text of one of the files that all pages share."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def style() -> str:
    """The style sheet with the fonts in it: a page on a disk may not load them as files."""
    text = source("course.css")
    for name in ("math", "text", "bold", "italic", "names"):
        font = base64.b64encode((FOLDER / f"{name}.woff2").read_bytes()).decode()
        text = text.replace(f"{{{{ {name} }}}}", font)
    return text


@cache
def environment() -> Environment:
    """Jinja on the templates. Nothing is escaped by itself: most of what comes in is HTML."""
    return Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined)


def note_on(older: Mapping[str, str]) -> str:
    """Say of older outputs when they were computed, and why not on the day of the others."""
    if not older:
        return ""
    tried, reason = older["tried"], older["reason"].rstrip(".?!")
    if "date" not in older:
        return f"On {tried} this chapter could not be made: {reason}."
    shown = f"This page shows the results that were committed on {older['date']}."
    return f"{shown} On {tried} they could not be computed anew: {reason}."
