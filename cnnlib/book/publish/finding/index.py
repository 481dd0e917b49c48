"""The index of the search: what `ranking.js` reads, in one file beside the pages."""

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote

from cnnlib.diagnosis import mistakes

from ...widgets import in_script
from ..checks import Page
from ..outline import Chapter
from ..pages import SHARED
from . import FILES
from .pieces import Pieces
from .sections import Section, Sections
from .terms import read, terms

FILE = f"{SHARED}/search-index.js"
MISTAKES = "mistakes.html"
# How much a hit is worth. What only lists other sections, or repeats them, must not crowd the top.
NUMBERED, OTHER, LISTING, MISTAKE = 1.0, 0.6, 0.35, 0.3
LISTINGS = ("The chapters", "Readers' questions", "What you can do now", "Questions that this")
UNANSWERED = re.compile(r"○ Exercise [\d.]+: not attempted yet\. .*? ask hint\(\S+\)\.")
LONG = 4  # of a section, what comes from here on is long
IDENTIFIER = re.compile(r"[^\W\d]\w{2,}")


def index(pages: Mapping[str, Page], places: Sections, chapters: Sequence[Chapter]) -> str:
    """A script that gives the search what it searches.

    Each section is [address, title, chapter, worth, text, words of its code, names], the last three
    written in the pieces of `pieces`; the names are those of the terms, mistakes and questions that
    it explains. `numbers` are the addresses of exercises and equations. A term is [names, id,
    sentence, sections, chapters], its sentence in pieces as well, a question [words, sections].
    """
    titles = {file: _chapter(file, page, chapters) for file, page in pages.items()}
    names = _names(places)
    sections: list[list] = []
    for file, page in pages.items():
        for level, id, title in page.headings:
            place = Section(file, id, title, level)
            worth = _worth(place, page)
            code = " ".join(dict.fromkeys(IDENTIFIER.findall(" ".join(page.code[id]))))
            text = UNANSWERED.sub("", " ".join(page.texts[id]))
            known = "; ".join(names.get(place.address, []))
            if worth:
                row = [place.address, title, titles[file], worth, text, code, known]
                sections.append(row)
    at = {row[0]: n for n, row in enumerate(sections)}
    listed = list(_terms(places, titles, at))
    pieces = Pieces([text for row in sections for text in row[LONG:]] + [one[2] for one in listed])
    book = {
        "pieces": pieces.listed,
        "sections": [row[:LONG] + [pieces.coded(text) for text in row[LONG:]] for row in sections],
        "numbers": list(_numbers(pages, chapters)),
        "terms": [[*one[:2], pieces.coded(one[2]), *one[3:]] for one in listed],
        "questions": list(_questions(places, at)),
    }
    return f"window.BOOK_INDEX = {in_script(book)};\n"


def _names(places: Sections) -> dict[str, list[str]]:
    """In whose words readers ask for a section, by its address."""
    names: dict[str, list[str]] = {}
    for mistake in [*mistakes.every(), *mistakes.reported()]:
        address = places.explaining(mistake).address
        names.setdefault(address, []).extend([f"{mistake.id} {mistake.name}", mistake.signature])
    for term in terms():
        first = places.find(term.sections[0], f"term {term.name!r}")
        names.setdefault(first.address, []).extend([term.name, *term.also])
    for asked in [one for entries in read("questions.toml").values() for one in entries]:
        first = places.find(asked["sections"][0], asked["asks"])
        names.setdefault(first.address, []).append(asked["asks"])
    return names


def _terms(places: Sections, titles: Mapping[str, str], at: Mapping[str, int]) -> Iterator[list]:
    for term in terms():
        found = places.all(term.sections, f"term {term.name!r}")
        wide = [titles[place.file] for place in found if place.level == 1]
        there = [place for place in found if place.level > 1 or len(wide) == len(found)]
        yield [[term.name, *term.also], term.id, term.says, _numbered(there, at), wide]


def _numbered(found: Sequence[Section], at: Mapping[str, int]) -> list[int]:
    """The numbers of sections; one of a chapter that cannot be read has none."""
    return [at[place.address] for place in found if place.address in at]


def _questions(places: Sections, at: Mapping[str, int]) -> Iterator[list]:
    for asked in [one for entries in read("questions.toml").values() for one in entries]:
        found = places.all(asked["sections"], asked["asks"])
        yield [asked["asks"], _numbered(found, at)]


def _numbers(pages: Mapping[str, Page], chapters: Sequence[Chapter]) -> Iterator[tuple[str, str]]:
    """Exercises and equations, on whichever page of their chapter they are."""
    for chapter in chapters:
        own = [file for file in pages if file.startswith(chapter.name)]
        for kind, addresses in (("Exercise", chapter.exercises), ("Equation", chapter.equations)):
            for number, address in addresses.items():
                mark = address.partition("#")[2]
                for file in [file for file in own if unquote(mark) in pages[file].ids][:1]:
                    yield f"{kind} {number}", f"{file}#{mark}"


def _chapter(file: str, page: Page, chapters: Sequence[Chapter]) -> str:
    """The title of the chapter that a page belongs to, or its own."""
    same = [one.title for one in chapters if file.startswith(one.name)]
    return [*same, page.headings[0][2] if page.headings else file][0]


def _worth(place: Section, page: Page) -> float:
    if place.file == MISTAKES:
        return MISTAKE if place.level == 3 else 0
    if place.file in FILES:
        return 0
    chapter = place.file[:2].isdigit() or place.file in ("law_sheet.html", "sources.html")
    numbered = any(Section(place.file, *heading[1:]).numbered for heading in page.headings)
    listing = place.title.startswith((*LISTINGS, "Part ")) or (place.level == 1 and numbered)
    if not chapter or listing:
        return LISTING
    return NUMBERED if place.numbered else OTHER
