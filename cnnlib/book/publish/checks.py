"""What must hold of every page, read from its finished HTML; a violation stops the build."""

import re
from collections import defaultdict
from collections.abc import Collection
from html.parser import HTMLParser
from urllib.parse import unquote

from . import BuildError

REQUESTS = {"src", "srcset", "poster", "data", "background"}  # attributes that load something
DEAD = {"script", "button", "input", "select", "textarea", "form", "iframe", "object", "embed"}
LOADS = re.compile(r"@import|url\((?!['\"]?(?:data:|#))")


class Page(HTMLParser):
    """One page: its ids, links, headings and the text below each heading, for the search."""

    def __init__(self, file: str, html: str):
        super().__init__()
        self.file = file
        self.cell = ""
        self.ids: set[str] = set()
        self.links: list[tuple[str, str]] = []  # where, target
        self.headings: list[tuple[int, str, str]] = []  # level, id, text
        self.texts: dict[str, list[str]] = defaultdict(list)  # id of a heading: what follows it
        self._silent = ""
        self._in_heading = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.cell = values.get("data-cell", self.cell)
        if "id" in values:
            if values["id"] in self.ids:
                self._fail(f"#{values['id']} stands here a second time: name one heading otherwise")
            self.ids.add(values["id"])
        loaded = [values[name] for name in REQUESTS & values.keys()]
        loaded += [values["href"]] if tag == "link" and "href" in values else []
        if any(not address.startswith("data:") for address in loaded):
            self._fail(f"<{tag}> loads {loaded[0]!r}: a page is complete in itself")
        if (
            LOADS.search(values.get("style", ""))
            or values.get("http-equiv", "").lower() == "refresh"
        ):
            self._fail(f"<{tag}> loads something: a page is complete in itself")
        if tag == "img" and not values.get("alt", "").strip():
            self._fail("an image has no alternative text: figures.show(figure, alt) gives it one")
        if tag in DEAD and self.cell:
            self._fail(f"<{tag}> cannot work without a kernel: tag the cell `playground`")
        if tag == "a" and "href" in values:
            self.links.append((self._where(), values["href"]))
        if tag == "form":
            self.links.append((self._where(), values.get("action", "")))
        if re.fullmatch("h[1-3]", tag) and "id" in values:
            self.headings.append((int(tag[1]), values["id"], ""))
            self._in_heading = True
        if tag in ("script", "style", "math") or values.get("class") == "anchor":
            self._silent = self._silent or tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._silent:
            self._silent = ""
        if tag == "main":
            self.cell = ""
        if re.fullmatch("h[1-3]", tag) and self._in_heading:
            self._in_heading = False
            level, id, text = self.headings[-1]
            self.headings[-1] = (level, id, " ".join(text.split()))

    def handle_data(self, data: str) -> None:
        if self._silent == "style" and LOADS.search(data):
            self._fail("a style sheet loads something: a page is complete in itself")
        if self._in_heading and self._silent != "a":
            level, id, text = self.headings[-1]
            self.headings[-1] = (level, id, text + data)
        elif self.cell and not self._silent and data.strip() and self.headings:
            self.texts[self.headings[-1][1]].append(data.strip())

    def _where(self) -> str:
        return f"{self.file}, cell {self.cell}" if self.cell else self.file

    def _fail(self, reason: str) -> None:
        raise BuildError(f"{self._where()}: {reason}")


def check_links(
    pages: dict[str, Page], files: set[str], unread: Collection[str] = frozenset()
) -> None:
    """Every link leads to a page of `pages` and an id on it, to one of `files`, or outside.

    What is on the pages `unread` is not known: a link to a place there leads to the page.
    """
    for name, page in pages.items():
        for where, target in page.links:
            file, mark, place = target.partition("#")
            file = unquote(file) or name
            if re.match("[a-z]+:", target) or file in files:
                continue
            if file not in pages:
                raise BuildError(f"{where}: the link to {target}: there is no such file")
            if mark and file not in unread and unquote(place) not in pages[file].ids:
                raise BuildError(f"{where}: the link to {target}: there is no such place")
