"""The pages that lead to a place: glossary, mistakes, subjects, questions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nbformat import NotebookNode

from cnnlib.diagnosis import mistakes

from ..checks import Page
from ..outline import Addresses
from ..pages import environment
from ..prose import highlighted
from ..reading import START, markdown
from . import LISTS
from .sections import Section, Sections
from .sides import Sides, sides
from .terms import Term, read, terms

KINDS = {
    "forward": "The forward pass",
    "shapes": "Shapes",
    "delta": "The delta of the input",
    "weight-gradient": "The gradient of the weights",
    "bias": "The bias",
    "pooling": "Pools",
    "fc/softmax": "Losses and softmax",
    "training": "Activations, norms, steps and checks",
}
# A question of the first page: its number, words and answer, and the sections of its route.
ASKED = re.compile(r"^(\d+)\. (.+?)\n +\*(.+?)\*\n +(Route.*?): (.+?)\.$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((\w+)\.ipynb#([^)]*)\)")
CARD = re.compile(r'mistakes\.card\("\w+"\)\s*$')
OFTEN, FEW = 2, 7  # a section that names a subject so often is listed; so many are, at most


@dataclass(frozen=True)
class Question:
    """What is asked, one sentence, and where it is derived."""

    asks: str
    says: str
    places: list[Section]
    route: str = ""


@dataclass(frozen=True)
class Entry:
    """A mistake with what its page shows of it."""

    mistake: mistakes.Mistake
    place: Section
    code: str  # of the cell that makes it, in HTML
    mend: str
    ways: list[Sides]


def lists(
    pages: Mapping[str, Page],
    places: Sections,
    notebooks: Mapping[str, NotebookNode],
    equations: Addresses,
) -> dict[str, str]:
    """The texts of these pages, in HTML, by the names of their files.

    `pages` are those of the chapters, which `places` knows.
    """
    return {
        "questions": _rendered("questions", groups=_questions(places, notebooks)),
        "glossary": _rendered("glossary", letters=_letters(places)),
        "mistakes": _rendered(
            "mistakes",
            groups=_mistakes(places, notebooks, equations),
            symptoms=_symptoms(),
            clinic=places.find("09#your-own-function", "the page of mistakes"),
        ),
        "subjects": _rendered("subjects", letters=_subjects(pages, places)),
    }


def _rendered(name: str, **given: object) -> str:
    return environment().get_template(f"{name}.html.j2").render(title=LISTS[name], **given)


# ---- Questions


def _questions(
    places: Sections, notebooks: Mapping[str, NotebookNode]
) -> dict[str, list[Question]]:
    """Those of the first page, and those beside this module, by their subjects."""
    often = []
    first = markdown(notebooks[START]) if START in notebooks else ""
    for number, asks, says, route, links in ASKED.findall(first):
        who = f"question {number}"
        there = [places.titled(name[:2], title, who) for name, title in LINK.findall(links)]
        often.append(Question(" ".join(asks.split()), says, there, route))
    found = {"Asked most often": often}
    for subject, entries in read("questions.toml").items():
        found[subject] = [
            Question(one["asks"], one["says"], places.all(one["sections"], one["asks"]))
            for one in entries
        ]
    return found


# ---- The glossary and the subjects


def _letters(places: Sections) -> dict[str, list[tuple[Term, list[Section]]]]:
    """The terms with their sections, by the first letter."""
    found: dict[str, list[tuple[Term, list[Section]]]] = {}
    for term in terms():
        there = places.all(term.sections, f"term {term.name!r}")
        found.setdefault(term.name[0].upper(), []).append((term, there))
    return found


def _subjects(pages: Mapping[str, Page], places: Sections) -> dict[str, list]:
    """Every term with all sections that speak of it, and every other name for it, by letters."""
    lines: list[tuple[str, list[Section], Term | None]] = []
    texts = {
        Section(file, id, title): " ".join([title, *page.texts[id]]).lower()
        for file, page in pages.items()
        for _, id, title in page.headings
        if file[:2].isdigit()
    }
    for term in terms():
        first = places.all(term.sections, f"term {term.name!r}")
        lines.append((term.name, [*first, *_also(term.name, texts, first)], None))
        others = [name for name in term.also if len(name.split()) <= 3]
        lines += [(name, [], term) for name in others if name[0].isalpha()]
    for mistake in [*mistakes.every(), *mistakes.reported()]:
        lines.append((f"{mistake.name} ({mistake.id})", [places.explaining(mistake)], None))
    found: dict[str, list] = {}
    for line in sorted(lines, key=lambda line: (line[0].lower(), line[0])):
        found.setdefault(line[0][0].upper(), []).append(line)
    return found


def _also(name: str, texts: Mapping[Section, str], known: list[Section]) -> list[Section]:
    """The other sections that name a subject most often, in the order of the book."""
    word = re.compile(rf"\b{re.escape(name.lower())}")
    counts = {place: len(word.findall(text)) for place, text in texts.items()}
    numbered = [place for place in texts if place.numbered and place not in known]
    often = sorted((p for p in numbered if counts[p] >= OFTEN), key=lambda p: -counts[p])
    most = often[: max(0, FEW - len(known))]
    return [place for place in numbered if place in most]


# ---- Mistakes


def _mistakes(
    places: Sections, notebooks: Mapping[str, NotebookNode], equations: Addresses
) -> dict[str, list[Entry]]:
    """The whole catalogue, by the place at which a mistake is made."""
    groups: dict[str, list[Entry]] = {kind: [] for kind in KINDS}
    for mistake in [*mistakes.every(), *mistakes.reported()]:
        code = _code(mistake, notebooks)
        entry = Entry(
            mistake,
            places.explaining(mistake),
            highlighted(code, "ipython3", equations) if code else "",
            highlighted(mistake.mend, "python", {}) if mistake.mend else "",
            list(sides(mistake.id)),
        )
        groups[mistake.kind].append(entry)
    return {KINDS[kind]: entries for kind, entries in groups.items() if entries}


def _code(mistake: mistakes.Mistake, notebooks: Mapping[str, NotebookNode]) -> str:
    """The cell of its chapter that makes it, without the line that shows a card."""
    book = notebooks.get(mistake.chapter)
    cells = [c.source for c in book.cells if c.cell_type == "code"] if book else []
    for name in (f'card("{mistake.id}")', f'"{mistake.id}"'):
        for source in cells:
            if name in source:
                return CARD.sub("", source).strip()
    return ""


def _symptoms() -> dict[str, list[mistakes.Mistake]]:
    """What one sees, and the mistakes that look so."""
    return {
        symptom: [mistakes.get(id) for id in ids.split()]
        for symptom, ids in read("symptoms.toml").items()
    }
