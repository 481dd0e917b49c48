"""What a diagnosis found, as text and as a card in a notebook."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .finding import Finding
from .showing import page, text

_SHOWN = 4  # wrong entries that a finding lists


@dataclass(frozen=True, repr=False)
class Report:
    """The result of a diagnosis: `print` it, or show it as a notebook's last line.

    Attributes
    ----------
    findings : list of Finding
        Empty if everything that was returned is right.
    right : list of str
        The quantities that are right in every configuration that gave them.
    missing : list of str
        Those that were never returned.
    count : int
        How many configurations were tried.
    hidden : mapping
        For each quantity that is right: mistakes which the given stride and padding, or the limits,
        would hide.
    seen : mapping
        For each quantity that is right, how many configurations gave it, where not all did.
    unexamined : list of str
        Quantities that too few configurations gave: nothing is said of them.
    limits : list of str
        What the function is limited to: outside, it raises.
    notes : list of str
        Conventions that were recognised, and what is not known outside the limits.
    """

    findings: list[Finding]
    right: list[str]
    missing: list[str] = field(default_factory=list)
    count: int = 0
    hidden: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)
    unexamined: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool | None:
        """True if all that was returned is right; None if something of it was not examined.

        False as soon as one thing is wrong. Limits are no mistakes: within them True is true.
        """
        if any(not finding.open for finding in self.findings):
            return False
        return None if self.findings or self.unexamined or not self.right else True

    def __repr__(self) -> str:
        return text(self)

    def _repr_html_(self) -> str:
        return self.html()

    def html(self) -> str:
        """The report as a page shows it."""
        return page(self)


def tolerance(right: np.ndarray, got: np.ndarray) -> float:
    """How far an entry of `got` may be off: a thousand roundings of the largest number.

    Of the type that came out; but float16 has so few digits that ten of its roundings are enough.
    """
    eps = float(np.finfo(got.dtype).eps)  # arrays of integers have become floats before
    roundings = 1000 if eps < 1e-6 else 10
    return max(1.0, float(np.abs(right).max(initial=0))) * roundings * eps


def is_right(right: np.ndarray, got: np.ndarray) -> bool:
    """Equal shapes, and every entry within the rounding of the type that came out."""
    return right.shape == got.shape and is_close(right, got, tolerance(right, got))


def is_close(a: np.ndarray, b: np.ndarray, allowed: float) -> bool:
    """Whether no entry is off by more than allowed; shapes may be stretched."""
    with np.errstate(invalid="ignore", over="ignore"):
        return bool((np.abs(a - b.astype(float)) <= allowed).all())


def where(right: np.ndarray, got: np.ndarray, allowed: float | None = None) -> str:
    """A picture of the first wrong plane, and its first wrong entries.

    A dot is a right entry, a cross a wrong one. An entry may be off by what is allowed, and by
    anything where what is right is not known, NaN.
    """
    if right.shape != got.shape:
        return f"The shape is {got.shape}, expected {right.shape}."
    with np.errstate(invalid="ignore"):
        off = np.abs(right - got)
        bad = ~(off <= (tolerance(right, got) if allowed is None else allowed)) & ~np.isnan(right)
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
