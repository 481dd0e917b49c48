"""What stands around the text of a page: head, contents, style, scripts, security policy."""

import base64
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from nbformat import NotebookNode

from ..widgets import HOST, Explorer, in_script, policy
from .checks import Page
from .formulas import FONT
from .outline import Addresses, Chapter, numbered, read_chapters
from .reading import read

TEMPLATES = Path(__file__).parent / "templates"
TAKEN = ("content", "contents", "explorer-data")  # the ids that stand around a text


@dataclass(frozen=True)
class Site:
    """The pages that belong together. Without chapters, a page stands alone."""

    equations: Addresses
    repository: str = ""
    chapters: tuple[Chapter, ...] = ()
    notebooks: frozenset[str] = frozenset()  # the names of those that can be downloaded
    wheel: str = ""
    results: tuple[str, ...] = ()

    @property
    def github(self) -> str:
        """OWNER/NAME, if the repository is on GitHub: Binder takes it from there."""
        address = "https://github.com/"
        return self.repository.removeprefix(address) if address in self.repository else ""


def single(name: str, notebook: NotebookNode, folder: Path, repository: str) -> Site:
    """The surroundings of a page that stands alone; it may name the equations of the others."""
    books = {path.stem: read(path) for path in sorted(folder.glob("*.ipynb")) if path.stem != name}
    return Site(numbered(read_chapters(books | {name: notebook})), repository)


def page(
    site: Site,
    name: str,
    body: str,
    origin: str,
    explorers: Sequence[Explorer] = (),
    older: Mapping[str, str] | None = None,
    scripts: Sequence[str] = (),
) -> tuple[str, Page]:
    """Put the page around a body; the second result is what was read from the body.

    Parameters
    ----------
    site : Site
        The pages that it belongs to.
    name : str
        That of its file, without `.html`.
    body : str
        Its text, in HTML.
    origin : str
        The file that an error names.
    explorers : sequence of Explorer
        What `mount.js` puts into the text.
    older : mapping, optional
        When and why it shows older outputs.
    scripts : sequence of str
        What it has besides those of every page.

    Raises
    ------
    BuildError
        See `checks`: the body would not be a page that works.
    """
    text = Page(origin, body, TAKEN)
    files = [chapter.file for chapter in site.chapters]
    file = f"{name}.html"
    at = files.index(file) if file in files else None
    scripts = [source("course.js"), *scripts]
    data = ""
    if explorers:
        modules = {type(explorer).__name__: packed(explorer.module) for explorer in explorers}
        shown = [(type(explorer).__name__, explorer.state()) for explorer in explorers]
        data = in_script({"modules": modules, "shown": shown})
        scripts += [HOST + source("mount.js")]
    styles = dict.fromkeys(explorer.style for explorer in explorers)
    html = (
        environment()
        .get_template("page.html.j2")
        .render(
            site=site,
            file=file,
            notebook=f"{name}.ipynb" if name in site.notebooks or not site.chapters else "",
            title=text.headings[0][2] if text.headings else name,
            headings=text.headings,
            body=body,
            note=escape(note_on(older or {})),
            before=site.chapters[at - 1] if at else None,
            after=site.chapters[at + 1] if at is not None and at + 1 < len(files) else None,
            style="\n".join([style(), *styles]),
            theme=source("theme.js"),
            data=data,
            scripts=scripts,
            policy=policy(source("theme.js"), *scripts),
        )
    )
    return html, text


def packed(text: str) -> str:
    """Compress a text for a page: mount.js unpacks it."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


@cache
def source(name: str) -> str:
    """The text of one of the files that all pages share."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def style() -> str:
    """The style sheet with the font in it."""
    font = base64.b64encode(FONT.read_bytes()).decode()
    return source("course.css").replace("{{ font }}", font)


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
