"""Where a section is: lists name it `03#stride`, whichever page of chapter 3 has it."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from cnnlib.diagnosis.mistakes import Mistake

from .. import BuildError
from ..checks import Page


@dataclass(frozen=True)
class Section:
    """A heading of a page."""

    file: str
    id: str
    title: str
    level: int = 2  # 1 is that of a whole page

    @property
    def address(self) -> str:
        """As a link has it."""
        return self.file + (f"#{quote(self.id)}" if self.id else "")

    @property
    def short(self) -> str:
        """The number of a section that has one, or of a chapter; otherwise the title."""
        number = self.title.partition(" ")[0]
        if self.level == 1 and number.strip(".").isdigit():
            return f"chapter {number.strip('.')}"
        return number if self.numbered else self.title

    @property
    def numbered(self) -> bool:
        """Whether it is a section with a number, such as 3.11."""
        return bool(re.match(r"\d+\.\d+ ", self.title))


class Sections:
    """The sections of all pages, by their names in the lists.

    A chapter of `unread`, whose notebook cannot be read, has a page without any section.
    """

    def __init__(self, pages: Mapping[str, Page], unread: Collection[str] = ()):
        self._pages = pages
        self._unread = unread

    def find(self, name: str, who: str) -> Section:
        """The section of this name, or the chapter of such as `03`; `who` names it.

        Raises
        ------
        BuildError
            No page has it.
        """
        chapter, _, id = name.partition("#")
        return self._found(chapter, lambda one: not id or one.id == id, f"{who} names {name!r}")

    def titled(self, chapter: str, title: str, who: str) -> Section:
        """The section of a chapter, such as `03`, with this title, spelt as in a link or not."""
        plain = title.replace("-", " ")
        return self._found(
            chapter, lambda one: one.title.replace("-", " ") == plain, f"{who} names {title!r}"
        )

    def explaining(self, mistake: Mistake) -> Section:
        """The section that explains a mistake."""
        return self.titled(mistake.chapter[:2], mistake.heading, f"mistake {mistake.id}")

    def all(self, names: Iterable[str], who: str) -> list[Section]:
        """The sections of these names."""
        return [self.find(name, who) for name in names]

    def _found(self, chapter: str, fits: Callable[[Section], bool], who: str) -> Section:
        """Pages begin with the name of their chapter, or with its number."""
        for file in [file for file in self._pages if file.startswith(chapter)]:
            if file.removesuffix(".html") in self._unread:
                return Section(file, "", f"chapter {int(chapter[:2])}", 1)
            for level, id, title in self._pages[file].headings:
                place = Section(file, id, title, level)
                if fits(place):
                    return place
        raise BuildError(f"{who}: no page has such a section")
