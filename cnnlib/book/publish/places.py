"""Where an address leads: chapters are named by their notebooks, and have several pages."""

import re
from collections.abc import Mapping
from dataclasses import replace
from html import escape, unescape
from urllib.parse import unquote

from .pages import TAKEN, Site, Text

ADDRESS = re.compile(r"(?:(\w+)\.html)?#(.+)")
LINK = re.compile(r'(?<=<a )([^>]*?)href="([^"]*)"')


class Places:
    """The page of every id, among the pages of its chapter."""

    def __init__(self, site: Site, texts: Mapping[str, Text]):
        self.texts = texts
        self.pages = {one.name: [part.name for part in one.parts] for one in site.chapters}
        self.chapter = {page: name for name, pages in self.pages.items() for page in pages}

    def led(self, text: Text) -> Text:
        """The text with every link to a place of a chapter leading to the page that has it."""

        def relinked(found: re.Match[str]) -> str:
            target = escape(self.place(text.name, unescape(found[2])))
            return f'{found[1]}href="{target}"'

        html = LINK.sub(relinked, text.html)
        text.read.links = [(at, self.place(text.name, link)) for at, link in text.read.links]
        return replace(text, html=html)

    def place(self, page: str, address: str) -> str:
        """The address of the same place as it is seen from a page."""
        found = ADDRESS.fullmatch(address)
        chapter = found and (found[1] or self.chapter.get(page, ""))
        if not found or chapter not in self.pages:
            return address
        for name in self.pages[chapter]:
            if unquote(found[2]) in self.texts[name].read.ids - set(TAKEN):
                return f"#{found[2]}" if name == page else f"{name}.html#{found[2]}"
        return address

    def moved(self, chapter: str) -> dict[str, list[str]]:
        """The places of a chapter that are not on its first page, by the pages that have them.

        An address from before a chapter had several pages names the first.
        """
        first, *others = self.pages.get(chapter, [chapter])
        known = self.texts[first].read.ids if first in self.texts else set()
        return {name: sorted(self.texts[name].read.ids - known) for name in others}
