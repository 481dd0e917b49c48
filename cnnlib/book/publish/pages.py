"""What stands around the text of a page: head, contents, style, scripts, security policy."""

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..widgets import HOST, Explorer
from .formulas import FONT
from .outline import Addresses, Chapter, read_chapter
from .reading import read

TEMPLATES = Path(__file__).parent / "templates"


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


def single(name: str, folder: Path, repository: str) -> Site:
    """The surroundings of a page that stands alone; it may name the equations of the others."""
    equations: Addresses = {}
    for path in sorted(folder.glob("*.ipynb")):
        if path.stem != name:
            equations |= read_chapter(path.stem, read(path)).equations
    return Site(equations, repository)


def page(
    site: Site,
    name: str,
    body: str,
    headings: Sequence[tuple[int, str, str]],
    explorers: Sequence[Explorer] = (),
    outputs: dict[str, str] | None = None,
    scripts: Sequence[str] = (),
) -> str:
    """Put the page around a body. `outputs` says when and why older outputs are shown."""
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
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            site=site,
            file=file,
            notebook=f"{name}.ipynb" if name in site.notebooks or not site.chapters else "",
            title=headings[0][2] if headings else name,
            headings=headings,
            body=body,
            note=escape(note_on(outputs or {})),
            before=site.chapters[at - 1] if at else None,
            after=site.chapters[at + 1] if at is not None and at + 1 < len(files) else None,
            style="\n".join([style(), *styles]),
            theme=source("theme.js"),
            data=data,
            scripts=scripts,
            policy=policy(source("theme.js"), *scripts),
        )
    )


def policy(*scripts: str) -> str:
    """A content security policy: these scripts, the explorers' modules, and no request."""
    hashes = [hashlib.sha256(script.encode()).digest() for script in scripts]
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed} blob:; style-src 'unsafe-inline'; "
        "img-src data:; font-src data:; base-uri 'none'; form-action 'self'"
    )


def in_script(value: Any) -> str:
    """JSON that may stand in a script element: no tag can end it."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False).replace("<", "\\u003c")


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


def note_on(outputs: dict[str, str]) -> str:
    """Say of older outputs when they were computed, and why not on the day of the others."""
    if not outputs:
        return ""
    tried, reason = outputs["tried"], outputs["reason"].rstrip(".?!")
    if "date" not in outputs:
        return f"On {tried} this chapter could not be made: {reason}."
    shown = f"This page shows the results that were committed on {outputs['date']}."
    return f"{shown} On {tried} they could not be computed anew: {reason}."
