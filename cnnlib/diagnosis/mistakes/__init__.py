"""The catalogue of mistakes in convolution layers: `get`, `every`, `reported`, `card`.

The entries stand in `catalogue.toml`; their ids are those that the chapters name. Those of
activations, losses, optimizers and the layers of chapter 10 stand in `reported.toml`, each with the
public report that it is taken from. An entry names its section by the id of the section, of which
`sections.toml` has the present heading.
"""

import html
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from cnnlib.arrays import read_word


@dataclass(frozen=True)
class Mistake:
    """One entry of the catalogue; `chapter` and `heading` say where the book explains it.

    `source` is the address of the public report that it is taken from, or ''. `mend` is the line of
    code as it is right, or ''.
    """

    id: str
    kind: str
    name: str
    cause: str
    signature: str
    hidden_by: str
    chapter: str
    heading: str
    source: str = ""
    mend: str = ""

    def mend_in(self, part: str) -> str:
        """The line to mend in a 'layer', 'pool', 'head', 'step' or 'gradient'; '' if it is another.

        Examples
        --------
        >>> get("D4").mend_in("pool"), get("P4").mend_in("pool")
        ('', 'return dx')
        """
        fits = self.id in _FITTING[part].split() or self.id[0] in _FITTING[part].split()
        return self.mend if fits else ""

    @property
    def section(self) -> str:
        """The number of the section, such as '3.11', or ''."""
        return self.heading.partition(" ")[0]

    @property
    def place(self) -> str:
        """Where the book explains it, in words."""
        number = self.chapter.split("_")[0].lstrip("0")
        return f"section {self.section}" if self.section else f"chapter {number}"

    @property
    def link(self) -> str:
        """Its section as a link from another notebook, by Jupyter's rule for the anchor."""
        anchor = self.heading.replace(" ", "-")
        return f"{self.chapter}.ipynb" + (f"#{anchor}" if anchor else "")


# The entries, or all of a letter, whose line fits in each part.
_FITTING = {
    "layer": "F D W B S1 S2 S3 S8 S9 S10 S11 S12 S13",
    "pool": "P",
    "head": "S B",
    "step": "T D22 W13 S3 S6 S8 S9 S10 S13",
    "gradient": "S1 S2 S3 S7 S8 S9 S10 S11 S12 S13 S15 S16 "
    "S17 S18 S19 S20 S21 S22 S23 S24 S25 S26 S27 S28 S29 "
    "S30 S31 S32 S33 S34 S35 S36 S37 S38 S39 S40 S41 S42",
}


@dataclass(frozen=True, repr=False)
class Card:
    """An entry as a notebook shows it."""

    mistake: Mistake

    def _rows(self) -> list[tuple[str, str]]:
        m = self.mistake
        return [
            ("What happens", m.cause),
            ("What you see", m.signature),
            ("What hides it", m.hidden_by),
        ]

    def __repr__(self) -> str:
        head = f"Mistake {self.mistake.id}: {self.mistake.name}"
        rows = [*self._rows(), ("Explained in", self.mistake.place)]
        return "\n".join([head, *(f"  {label}: {text}" for label, text in rows)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<dt>{label}</dt><dd>{html.escape(text)}</dd>" for label, text in self._rows()
        )
        link, place = html.escape(self.mistake.link), html.escape(self.mistake.place)
        rows += f'<dt>Explained in</dt><dd><a href="{link}">{place}</a></dd>'
        head = f"Mistake {self.mistake.id}: {html.escape(self.mistake.name)}"
        return f'<div class="mistake"><p><strong>{head}</strong></p><dl>{rows}</dl></div>'


def get(id: str) -> Mistake:
    """The entry of this id.

    Examples
    --------
    >>> get("D11").signature
    'dx is empty.'
    """
    catalogue = _catalogue()
    if not isinstance(id, str) or id not in catalogue:
        read_word("id", id, [entry.id for entry in every()])
    return catalogue[id]


def every() -> Iterator[Mistake]:
    """All entries that the book makes, in the order of a layer's life."""
    yield from (entry for entry in _catalogue().values() if not entry.source)


def reported() -> Iterator[Mistake]:
    """The entries that have a public report, most of which no chapter makes."""
    yield from (entry for entry in _catalogue().values() if entry.source)


def card(id: str) -> Card:
    r"""An entry to be shown: the last line of a cell that makes the mistake.

    Examples
    --------
    >>> print(*repr(card("P4")).splitlines()[:2], sep="\n")
    Mistake P4: A return that is indented too far
      What happens: The function returns inside its loop, after the first window.
    """
    return Card(get(id))


@cache
def _catalogue() -> dict[str, Mistake]:
    headings, mends = _read("sections.toml"), _read("mends.toml")
    found = {}
    for id, entry in {**_read("catalogue.toml"), **_read("reported.toml")}.items():
        section = entry.pop("section")
        heading = headings[entry["chapter"]][section] if section else ""
        found[id] = Mistake(id, **entry, heading=heading, mend=mends.get(id, ""))
    return found


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__package__) / name).read_text(encoding="utf-8"))
