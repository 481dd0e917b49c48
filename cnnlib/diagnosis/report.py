"""What a diagnosis found, as text and as a card in a notebook."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from . import mistakes

_SHOWN = 4  # wrong entries that a finding lists


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    quantity : str
        'z', 'dx', 'dw' or 'db'; other checks have quantities of their own.
    mistake : str or None
        The entry of the catalogue, where what came out is what that mistake gives.
    message : str
        What is wrong, in sentences.
    config : str
        The smallest configuration that shows it.
    evidence : str
        Where it shows: expected and obtained entries.
    arrays : pair of arrays, or None
        What is right in that configuration, and what came out.
    """

    quantity: str
    mistake: str | None
    message: str
    config: str = ""
    evidence: str = ""
    arrays: tuple[np.ndarray, np.ndarray] | None = field(default=None, repr=False, compare=False)

    @property
    def title(self) -> str:
        """The finding in a line."""
        if self.mistake is None:
            return f"{self.quantity} is wrong"
        return (
            f"{self.quantity} is wrong: mistake {self.mistake}, {mistakes.get(self.mistake).name}"
        )


@dataclass(frozen=True, repr=False)
class Report:
    """The result of a diagnosis: `print` it, or show it as a notebook's last line.

    Attributes
    ----------
    findings : list of Finding
        Empty if everything that was returned is right.
    right : list of str
        The quantities that are right in every configuration.
    missing : list of str
        Those that were never returned.
    count : int
        How many configurations were tried.
    hidden : mapping
        For each quantity that is right: mistakes which the given stride and padding would hide.
    """

    findings: list[Finding]
    right: list[str]
    missing: list[str] = field(default_factory=list)
    count: int = 0
    hidden: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Something was returned, and all of it is right."""
        return bool(self.right) and not self.findings

    def _notes(self) -> list[str]:
        notes = []
        if self.right:
            notes.append(f"Right in all {self.count} configurations: {', '.join(self.right)}.")
        if self.missing:
            notes.append(f"Not returned: {', '.join(self.missing)}.")
        for quantity, ids in self.hidden.items():
            if ids:
                notes.append(
                    f"With this stride and padding nobody would see these mistakes in {quantity}: "
                    f"{', '.join(ids)}."
                )
        return notes

    def _shown(self) -> list[tuple[Finding, bool]]:
        """The findings, and whether one is the last with its evidence: there it is shown, once."""
        evidence = [(one.quantity, one.config, one.evidence) for one in self.findings]
        return [(one, evidence[n] not in evidence[n + 1 :]) for n, one in enumerate(self.findings)]

    def __repr__(self) -> str:
        parts = []
        for finding, last in self._shown():
            lines = [finding.title, *finding.message.splitlines()]
            if finding.config and last:
                lines.append(f"Smallest configuration that shows it: {finding.config}")
            if finding.mistake:
                lines.append(f"Explained in {mistakes.get(finding.mistake).place}.")
            lines += finding.evidence.splitlines() if last else []
            parts.append("\n  ".join(lines))
        return "\n".join([*parts, *self._notes()]) or "Nothing was returned."

    def _repr_html_(self) -> str:
        cards = []
        for finding, last in self._shown():
            inside = [f"<p>{html.escape(line)}</p>" for line in finding.message.splitlines()]
            if finding.config and last:
                said = f"Smallest configuration that shows it: {finding.config}"
                inside.append(f"<p>{html.escape(said)}</p>")
            if finding.evidence and last:
                inside.append(f"<pre>{html.escape(finding.evidence)}</pre>")
            if finding.mistake:
                entry = mistakes.get(finding.mistake)
                link, place = html.escape(entry.link), html.escape(entry.place)
                inside.append(f'<p>Explained in <a href="{link}">{place}</a>.</p>')
            head = html.escape(finding.title)
            cards.append(f"<details open><summary>{head}</summary>{''.join(inside)}</details>")
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self._notes())
        return f'<div class="mistake">{"".join(cards)}{notes}</div>'


def tolerance(right: np.ndarray, got: np.ndarray) -> float:
    """How far an entry of `got` may be off: a thousand roundings of the largest number.

    Of the type that came out; but float16 has so few digits that ten of its roundings are enough.
    """
    eps = float(np.finfo(got.dtype).eps)  # arrays of integers have become floats before
    roundings = 1000 if eps < 1e-6 else 10
    return max(1.0, float(np.abs(right).max(initial=0))) * roundings * eps


def where(right: np.ndarray, got: np.ndarray) -> str:
    """A picture of the first wrong plane, and its first wrong entries.

    A dot is a right entry, a cross a wrong one.
    """
    if right.shape != got.shape:
        return f"The shape is {got.shape}, expected {right.shape}."
    with np.errstate(invalid="ignore"):
        bad = ~(np.abs(right - got) <= tolerance(right, got))
    entries = [
        f"[{','.join(map(str, at))}] is {got[tuple(at)] + 0.0:.6g}, "
        f"expected {right[tuple(at)] + 0.0:.6g}"  # + 0.0: a zero has no sign
        for at in np.argwhere(bad)[:_SHOWN].tolist()
    ]
    more = int(bad.sum()) - len(entries)
    entries += [f"and {more} more of {bad.size}"] if more else []
    if right.ndim != 4:
        return "\n".join(entries)
    first, *_, last = np.argwhere(bad)[0].tolist()
    plane = ["".join(" x" if cell else " ." for cell in row) for row in bad[first, :, :, last]]
    return "\n".join([f"[{first},:,:,{last}]:", *plane, *entries])
