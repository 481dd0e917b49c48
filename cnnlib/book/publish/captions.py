"""Figures have a number, an address and a caption: the alternative text, for all to read."""

import re
from dataclasses import dataclass
from html import escape


@dataclass
class Captions:
    """Counts the figures of a chapter, through all its pages."""

    chapter: str = ""  # such as "3."
    count: int = 0
    cell: str = ""  # the address of the cell in which they stand
    inside: int = 0  # how many stand in that cell so far

    @classmethod
    def of(cls, title: str) -> "Captions":
        """Those of a chapter: its number is the first word of its title."""
        number = re.match(r"\d+\.(?= )", title)
        return cls(number[0] if number else "")

    def enter(self, cell: str) -> None:
        """What comes next stands in this cell."""
        self.cell, self.inside = cell, 0

    def framed(self, picture: str, alt: str) -> str:
        """A picture with its caption. Its words are read out once, as those of the picture."""
        said = f'<span aria-hidden="true">{escape(alt, quote=False)}</span>'
        return self._figure(f'<div class="frame">{picture}</div>', f"{self._next()} {said}")

    def live(self, explorer: str, address: str) -> str:
        """An explorer with its number, and the address of its own page, if it has one."""
        link = f' <a href="{escape(address)}">This explorer on its own page</a>' if address else ""
        return self._figure(explorer, f"{self._next()}{link}", "beside")

    def _next(self) -> str:
        self.count += 1
        self.inside += 1
        place = self.cell if self.inside == 1 else self._id()
        name = f"Figure {self.chapter}{self.count}."
        return f'<a class="number" href="#{place}">{name}</a>' if place else f"<b>{name}</b>"

    def _id(self) -> str:
        return f"{self.cell}-{self.inside}" if self.cell else ""

    def _figure(self, shown: str, words: str, kind: str = "words") -> str:
        id = f' id="{self._id()}"' if self.cell and self.inside > 1 else ""
        return f'<figure{id}>{shown}<figcaption class="{kind}">{words}</figcaption></figure>'
