"""How a report reads: the verdict first, then for each thing that is wrong where, why, and a cure.

Findings that have one cause are one thing: several names for one result, or one mistake in several
quantities.
"""

import html
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cnnlib.errors import line as printable

from . import mistakes
from .finding import Finding

_LINES = 40  # of text: a screen
_WHOLE = 3  # things that are shown with all that is known of them
_CELLS = 9  # rows and columns of a drawing


class _Report(Protocol):
    """What a report has."""

    @property
    def ok(self) -> bool | None: ...
    @property
    def findings(self) -> list[Finding]: ...
    @property
    def right(self) -> list[str]: ...
    @property
    def missing(self) -> list[str]: ...
    @property
    def count(self) -> int: ...
    @property
    def hidden(self) -> Mapping[str, Sequence[str]]: ...
    @property
    def seen(self) -> Mapping[str, int]: ...
    @property
    def unexamined(self) -> list[str]: ...
    @property
    def limits(self) -> list[str]: ...
    @property
    def notes(self) -> list[str]: ...


@dataclass
class _Thing:
    """Findings that are told together."""

    findings: list[Finding]
    same: bool = False  # whether they are names for one result, one of which is right

    @property
    def ids(self) -> list[str]:
        return [one for one in dict.fromkeys(f.mistake for f in self.findings) if one]

    @property
    def quantities(self) -> list[str]:
        return [one for one in dict.fromkeys(f.quantity for f in self.findings) if one]

    @property
    def shown(self) -> Finding:
        """The one whose smallest case is drawn."""
        return self.findings[0]

    @property
    def title(self) -> str:
        first = self.findings[0]
        head = first.about or f"{_list(self.quantities)} {_verb(self.quantities)} wrong"
        if not self.ids:
            return head
        if len(self.ids) == 1:
            other = ", or another with the same result" if self.same else ""
            return f"{head}: mistake {self.ids[0]}, {mistakes.get(self.ids[0]).name}{other}"
        if self.together:
            return f"{head}: two mistakes together, {_list(self.together, 'or')}"
        return f"{head}: mistake {_list(self.ids, 'or')}"

    @property
    def together(self) -> list[str]:
        """Mistakes that give the result as two, such as 'D1/D2/D3 and D4/D5'."""
        lines = (line for one in self.findings for line in one.message.splitlines())
        found = (line.removeprefix(_TWO).strip(": .") for line in lines if line.startswith(_TWO))
        return list(dict.fromkeys(found))

    @property
    def why(self) -> list[str]:
        """Sentences; of several mistakes each with its name."""
        lines: list[str] = []
        for one in self.findings:
            said = one.message.splitlines()
            if self.same or len(self.ids) > 1:
                if one.mistake:
                    cause = f"{one.mistake}, {mistakes.get(one.mistake).name}: {said[0]}"
                    said = [cause, *said[1:]]
                said = [line for line in said if not line.startswith((_ONE_OF, _TWO))]
            lines += [line for line in said if line not in lines]
        if self.same and not self.together:
            lines.append("They give the same result: one of them was made.")
        return lines

    @property
    def mends(self) -> list[str]:
        """Code as it is right, each line once."""
        return list(dict.fromkeys(one.mend for one in self.findings if one.mend))

    @property
    def places(self) -> list[tuple[str, str]]:
        """Where the book explains it, and the link."""
        return list(dict.fromkeys((mistakes.get(id).place, mistakes.get(id).link)
                                  for id in self.ids))  # fmt: skip


_ONE_OF = "These give the same result; one of them was made:"
_TWO = "Two mistakes together give this result"


def _things(findings: Sequence[Finding]) -> list[_Thing]:
    """The findings, put together where they have one cause."""
    things: list[_Thing] = []
    for finding in findings:
        for thing in things:
            first = thing.findings[0]
            alike = (finding.quantity, finding.config) == (first.quantity, first.config)
            if alike and finding.quantity and _is_one_of(finding) and _is_one_of(first):
                thing.findings.append(finding)
                thing.same = True
                break
            spread = finding.quantity and not finding.about and not thing.same
            if spread and finding.quantity not in thing.quantities and _cause(finding) == _cause(
                first
            ) and len(thing.ids) <= 1:  # fmt: skip
                thing.findings.append(finding)
                break
        else:
            things.append(_Thing([finding]))
    return things


def _is_one_of(finding: Finding) -> bool:
    """Whether other findings explain the same result."""
    return _ONE_OF in finding.message or _TWO in finding.message


def _cause(finding: Finding) -> tuple:
    """What two findings of different quantities have in common if they are one thing."""
    if finding.mistake is None and finding.message.startswith("No known mistake"):
        return (finding.quantity,)
    return finding.mistake, re.sub(rf"\b{re.escape(finding.quantity)}\b", "", finding.message)


def _list(words: Sequence[str], word: str = "and") -> str:
    *others, last = words
    return f"{', '.join(others)} {word} {last}" if others else last


def _verb(words: Sequence[str]) -> str:
    return "are" if len(words) > 1 else "is"


# ---- The verdict


def _verdict(report: _Report) -> str:
    """The first sentence."""
    wrong = list(dict.fromkeys(f.quantity for f in report.findings if f.quantity and not f.open))
    if wrong:
        said = f"Wrong: {', '.join(wrong)}."
        return said + (f" Right: {', '.join(report.right)}." if report.right else "")
    if report.ok is False:
        return "Not right, though no quantity is wrong." if report.right else "Not right."
    if report.ok is None and report.findings:
        return "No verdict."
    return ""


def _notes(report: _Report) -> list[str]:
    notes: list[str] = []
    for count in sorted({report.seen.get(quantity, report.count) for quantity in report.right}):
        these = [q for q in report.right if report.seen.get(q, report.count) == count]
        number = f"all {count}" if count == report.count else f"{count} of {report.count}"
        those = "the only configuration" if report.count == 1 else f"{number} configurations"
        notes.insert(0, f"Right in {those}: {', '.join(these)}.")
    if report.unexamined:
        few = ", ".join(report.unexamined)
        notes.append(f"Not examined, since too few results can be compared: {few}.")
    if report.missing:
        notes.append(f"Not returned: {', '.join(report.missing)}.")
    notes += report.notes
    within = "Within these limits" if report.limits else "With this stride and padding"
    for quantity, ids in report.hidden.items():
        if ids:
            notes.append(
                f"{within} nobody would see these mistakes in {quantity}: {', '.join(ids)}."
            )
    return notes


# ---- Text


def text(report: _Report) -> str:
    """At most a screen: what does not fit is named in a line."""
    things, notes = _things(report.findings), _notes(report)
    first = [_verdict(report)] if _verdict(report) else []
    for whole in range(min(len(things), _WHOLE), -1, -1):
        for cells in (True, False):
            lines = [*first]
            for n, thing in enumerate(things):
                lines += _block(thing, cells) if n < whole else [thing.title]
            lines += notes
            if len(lines) <= _LINES or (whole <= 1 and not cells):
                return _joined(lines) or "Nothing was returned."
    return _joined([*first, *notes])


def _joined(lines: Sequence[str]) -> str:
    """Lines that do nothing to a terminal, whatever the reader's own names and errors say."""
    return "\n".join(map(printable, lines))


def _block(thing: _Thing, cells: bool) -> list[str]:
    lines = [thing.title, *(f"  {line}" for line in thing.why)]
    lines += [f"  To mend: {mend}" for mend in thing.mends]
    if thing.shown.config:
        lines.append(f"  Smallest configuration that shows it: {thing.shown.config}")
    evidence = thing.shown.evidence.splitlines()
    picture = [line for line in evidence if not line.startswith(" ") and line[-1:] != ":"]
    lines += [f"  {line}" for line in (evidence if cells else picture)]
    if thing.places:
        lines.append(f"  Explained in {_list([place for place, _ in thing.places])}.")
    return lines


# ---- A page


def page(report: _Report) -> str:
    """The same as HTML, with the smallest case drawn: what is right beside what came."""
    inside = (
        [f"<p><strong>{html.escape(_verdict(report))}</strong></p>"] if _verdict(report) else []
    )
    for n, thing in enumerate(_things(report.findings)):
        inside.append(
            f"<details{' open' if n < _WHOLE else ''}><summary>{html.escape(thing.title)}"
            f"</summary>{''.join(_parts(thing))}</details>"
        )
    inside += [f"<p>{html.escape(note)}</p>" for note in _notes(report)]
    return f'<div class="mistake">{"".join(inside)}</div>'


def _parts(thing: _Thing) -> Iterator[str]:
    for line in thing.why:
        yield f"<p>{html.escape(line)}</p>"
    if thing.mends:
        code = "\n".join(map(html.escape, thing.mends))
        yield f"<p>To mend:</p><pre><code>{code}</code></pre>"
    finding = thing.shown
    if finding.config:
        yield f"<p>Smallest configuration that shows it: {html.escape(finding.config)}</p>"
    drawing = _drawing(finding)
    if drawing:
        yield drawing
    elif finding.evidence:
        yield f"<pre>{html.escape(finding.evidence)}</pre>"
    if thing.places and "cnnlib.book" in sys.modules:
        links = [f'<a href="{html.escape(link)}">{html.escape(place)}</a>'
                 for place, link in thing.places]  # fmt: skip
        yield f"<p>Explained in {_list(links)}.</p>"
    elif thing.places:  # outside the book a link to its notebooks leads nowhere
        for entry in map(mistakes.get, thing.ids):
            sees = f"You see it so: {entry.signature} What hides it: {entry.hidden_by}"
            yield f"<p>{html.escape(f'{entry.id}, {entry.name}. {sees}')}</p>"
        yield f"<p>The book explains it in {_list([place for place, _ in thing.places])}.</p>"


def _drawing(finding: Finding) -> str:
    """The first wrong plane, expected beside obtained, if it is small."""
    if finding.arrays is None:
        return ""
    right, got = finding.arrays
    if right.shape != got.shape or not 1 <= right.ndim <= 4 or not right.size:
        return ""
    with np.errstate(invalid="ignore"):
        off = ~(np.abs(right - got) <= 1e-6 * max(1.0, float(np.abs(right).max(initial=0))))
    if not off.any():
        return ""
    first = np.argwhere(off)[0].tolist()
    index: tuple = (slice(None),) * right.ndim
    if right.ndim > 2:  # samples or filters come first, channels last
        index = (first[0], *index[1:-1], first[-1])
    planes = [np.atleast_2d(a[index]) for a in (right, got, off)]
    if planes[0].ndim != 2 or max(planes[0].shape) > _CELLS:
        return ""
    place = "".join(f"[{','.join(':' if isinstance(i, slice) else str(i) for i in index)}]")
    tables = []
    for words, plane in (("expected", planes[0]), ("yours", planes[1])):
        rows = "".join(
            "<tr>" + "".join(_cell(value, bad and words == "yours")
                             for value, bad in zip(*row, strict=True)) + "</tr>"
            for row in zip(plane.tolist(), planes[2].tolist(), strict=True)
        )  # fmt: skip
        tables.append(f"<table><caption>{words} {place}</caption>{rows}</table>")
    return (
        '<div class="sides" style="display:flex;flex-wrap:wrap;gap:0 2em;align-items:flex-start;'
        f'overflow-x:auto">{"".join(tables)}</div>'
    )


def _cell(value: float, wrong: bool) -> str:
    number = f"{value + 0.0:.4g}"
    return f'<td class="off"><strong>{number} ✗</strong></td>' if wrong else f"<td>{number}</td>"
