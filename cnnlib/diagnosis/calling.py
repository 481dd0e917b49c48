"""Runs somebody's function, whatever it does, and keeps what came out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from .report import Finding


class Configuration(Protocol):
    """A configuration; `str()` of it is its words."""

    @property
    def right(self) -> Mapping[str, np.ndarray]:
        """What is right, by quantity."""

    def arguments(self) -> tuple:
        """Fresh copies of what the function gets."""


class _Unusable(Exception):
    """What a function did instead of returning arrays."""


@dataclass
class Outcome:
    """What came out of all calls.

    `results` has, by quantity, pairs of a configuration and an array, or None where None was
    returned. `errors` has the configurations with what went wrong there.
    """

    results: dict[str, list[tuple[Any, Any]]] = field(default_factory=dict)
    errors: list[tuple[Any, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    tried: int = 0

    def first(self) -> str:
        """The quantity to which something that concerns none of them in particular is put."""
        return next((f.quantity for f in self.findings), next(iter(self.results), ""))


def collect(fn: Callable, cases: Sequence[Configuration], quantities: Sequence[str]) -> Outcome:
    """Call `fn` on every configuration, and on the last one twice."""
    outcome = Outcome()
    first, outcome.findings = _memory(fn, cases[-1], quantities)
    if outcome.findings:  # what is remembered would spoil all further calls
        outcome.tried = 1
        outcome.results = {quantity: [(cases[-1], value)] for quantity, value in first.items()}
        return outcome
    for case in cases:
        outcome.tried += 1
        try:
            returned, changed = _call(fn, case, quantities)
        except _Unusable as error:
            outcome.errors.append((case, str(error)))
            continue
        for quantity, value in returned.items():
            outcome.results.setdefault(quantity, []).append((case, value))
        if changed and not any(f.message == _changes(changed) for f in outcome.findings):
            quantity = next(iter(returned), quantities[0])
            outcome.findings.append(Finding(quantity, None, _changes(changed), str(case)))
    return outcome


def with_errors(
    outcome: Outcome, explained: Callable[[Any], bool], common: Callable[[list], str] = lambda _: ""
) -> list[Finding]:
    """The findings, and the errors unless a mistake that was found explains all of them.

    A mistake that was found may cause them: then they are a remark, not a second mistake.
    `common` says what the failing configurations have in common.
    """
    failing = [(case, text) for case, text in outcome.errors if not explained(case)]
    if not failing:
        return outcome.findings
    case, text = failing[0]
    message = f"In {len(failing)} of {outcome.tried} configurations {text}."
    if said := common([case for case, _ in failing]):
        message += f" {said}"
    if outcome.findings:
        *others, last = outcome.findings
        remark = f"{message} This may have the same cause: mend it first."
        return [*others, replace(last, message=f"{last.message}\n{remark}")]
    return [Finding(outcome.first() or next(iter(case.right)), None, message, str(case))]


def _call(
    fn: Callable, case: Configuration, quantities: Sequence[str]
) -> tuple[dict[str, Any], str]:
    """What the function returns, read as arrays, and the names of the arrays that it changed."""
    given = case.arguments()
    try:
        with np.errstate(all="ignore"):
            returned = fn(*given)
    except (Exception, SystemExit) as error:
        raise _Unusable(_short(f"it raises {type(error).__name__}: {error}")) from error
    if not isinstance(returned, Mapping):
        wanted = ", ".join(quantities)
        raise _Unusable(
            f"it returns {type(returned).__name__}; expected a dict with any of {wanted}"
        )
    read: dict[str, Any] = {}
    for name, value in returned.items():
        quantity = "z" if name == "y" else name
        if quantity in quantities and value is not ...:
            read[quantity] = value if value is None else _array(quantity, value)
    pairs = enumerate(zip(case.arguments(), given, strict=True), 1)
    changed = [
        str(number)
        for number, (before, after) in pairs
        if isinstance(before, np.ndarray) and not np.array_equal(before, after)
    ]
    return read, ", ".join(changed)


def _changes(numbers: str) -> str:
    return (
        f"The function changes its argument number {numbers}, which belongs to its caller. Work on "
        "a copy."
    )


def _array(quantity: str, value: Any) -> np.ndarray:
    try:
        # A copy: a buffer that is filled again later must not change it.
        array = np.asarray(value).copy()
        if array.dtype.kind not in "fiub":
            raise TypeError(f"its type is {array.dtype}")
    except Exception as error:
        raise _Unusable(_short(f"{quantity} is no array of numbers: {error}")) from error
    return array if array.dtype.kind == "f" else array.astype(float)


def _short(text: str) -> str:
    """The first line, not too long, without the stop that follows it anyway."""
    return text.partition("\n")[0][:160].rstrip(" .")


def _memory(
    fn: Callable, case: Configuration, quantities: Sequence[str]
) -> tuple[dict[str, Any], list[Finding]]:
    """Call twice with equal arguments: what comes out must be equal as well."""
    try:
        first, second = (_call(fn, case, quantities)[0] for _ in range(2))
    except _Unusable:
        return {}, []
    found = []
    for quantity, a in first.items():
        b = second.get(quantity)
        if a is None or b is None or (a.shape == b.shape and np.array_equal(a, b, equal_nan=True)):
            continue
        doubled = a.shape == b.shape and np.allclose(b, 2 * a)
        how = "twice the result" if doubled else "another result"
        message = (
            f"A second call with equal arguments returns {how}: the function keeps something "
            "between calls. Make new arrays of zeros in every call."
        )
        # Numbers drawn at random differ as well, but nothing was kept then: no entry is named.
        found.append(Finding(quantity, "W13" if doubled else None, message, str(case)))
    return first, found
