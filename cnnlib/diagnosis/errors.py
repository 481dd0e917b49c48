"""What errors tell: a limit, a mistake with a fingerprint, or something to be mended first."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from . import mistakes
from .calling import Failure, Outcome
from .report import Finding
from .settings import Facts, Setting, limits_of, regime

# Nobody limits a layer to these by accident: code that gets a stride and stumbles over it is wrong.
_MEANT = ("stride 1", "padding 0")
_EMPTY = re.compile(r"\(0,|, ?0[,)]")
_SHAPES = re.compile(r"shapes? \(([\d,]+)\).*shape \(([\d,]+)\)")
_UNPACKED = re.compile(r"values to unpack|axes don't match|too many indices")
OTHER = "Not examined: another kind of layer"


def judge_errors(
    outcome: Outcome, explained: Callable[[Any], bool] = lambda _: False, hint: str = ""
) -> list[str]:
    """Add to the findings and notes what the errors tell; return the limits.

    A mistake that was found may cause errors: `explained` says where. Others then are a remark, not
    a second mistake. `hint` is said of a function that never returns.
    """
    failing = [(case, failure) for case, failure in outcome.errors if not explained(case)]
    if not failing or any(one.about == OTHER for one in outcome.findings):
        return []
    fine, cases = outcome.fine(), [case for case, _ in failing]
    count = f"In {len(failing)} of {outcome.tried} configurations"
    case, failure = failing[0]
    if not fine:
        about = "What it returns is not understood" if failure.unread else "It raises everywhere"
        message = f"{count} {failure.text}. So nothing was examined."
        if hint and _UNPACKED.search(failure.text):
            message += f" {hint}"
        outcome.findings.append(_finding(case, failure, message, about, open=True))
        return []
    known = all(getattr(one, "facts", None) for one in (*fine, *cases))
    words = regime(fine, cases) if known else ""
    if known and (slip := _slip(outcome, failing, words)):
        id, those = slip
        message = f"{mistakes.get(id).cause}\n{count}, those {those}, {failure.text}."
        found = _finding(case, failure, message, "")
        mend = mistakes.get(id).mend_in("layer")
        outcome.findings.append(replace(found, quantity="dx", mistake=id, mend=mend))
        return []
    limits = limits_of(fine, cases) if known else []
    # Each error is meant, or comes of a limit that people have by accident.
    if limits and all(
        one.meant or any(not a.holds(case.facts) for a in limits if a.name not in _MEANT)
        for case, one in failing
    ):
        outcome.note(_limited(limits, count, failure))
        return [limit.words for limit in limits]
    message = f"{count} {failure.text}."
    message += f" It runs with {words} only." if words else ""
    _remark(outcome, failing, message + _exchanged(failure.text))
    return []


def _slip(
    outcome: Outcome, failing: Sequence[tuple[Any, Failure]], words: str
) -> tuple[str, str] | None:
    """A mistake in dx whose fingerprint the errors are, and in which configurations it shows."""
    if not _dx_is_right(outcome) or all(one.meant for _, one in failing):
        return None
    if all(_without_the_rest(one.facts, text.text) for one, text in failing):
        return "D6", "with a rest"
    if words == "padding above 0" and _EMPTY.search(failing[0][1].text):
        return "D11", "without padding"
    return None


def _remark(outcome: Outcome, failing: Sequence[tuple[Any, Failure]], message: str) -> None:
    """Say it beside a mistake that may be its cause, or as a finding of its own."""
    if any(not one.open for one in outcome.findings):
        *others, last = outcome.findings
        remark = f"{message} This may have the same cause: mend it first."
        outcome.findings[:] = [*others, replace(last, message=f"{last.message}\n{remark}")]
        return
    (case, failure), unread = failing[0], all(one.unread for _, one in failing)
    open = all(one.meant for _, one in failing) and not unread
    about = "Not all results are understood" if unread else "It raises"
    outcome.findings.append(_finding(case, failure, message, about, open))


def _finding(case: Any, failure: Failure, message: str, about: str, open: bool = False) -> Finding:
    return Finding("", None, message, str(case), failure.line, about=about, open=open)


def _limited(limits: Sequence[Setting], count: str, failure: Failure) -> str:
    words = " and ".join(limit.words for limit in limits)
    line = f" ({failure.line})" if failure.line else ""
    return (
        f"It is limited to {words}. {count} outside {failure.text}{line}. Nothing is known there."
    )


def _dx_is_right(outcome: Outcome) -> bool:
    told = {finding.quantity for finding in outcome.findings}
    return "dx" in outcome.results and "dx" not in told


def _without_the_rest(facts: Facts, text: str) -> bool:
    """Whether a message has the size that the padded dx has, and the one without the rest."""
    whole = [n + sum(pads) for n, pads in zip(facts.image, facts.pads, strict=True)]
    rests = [(n - k) % s for n, k, s in zip(whole, facts.kernel, facts.strides, strict=True)]
    if not any(rests):
        return False
    short = [n - rest for n, rest in zip(whole, rests, strict=True)]
    cut = [
        [n - sum(pads) for n, pads in zip(sizes, facts.pads, strict=True)]
        for sizes in (whole, short)
    ]
    found = {part.replace(" ", "") for part in re.findall(r"\(([\d, ]+)\)", text)}
    return any(
        all(any(_part_of(sizes, shape) for shape in found) for sizes in pair)
        for pair in ((whole, short), cut)
    )


def _part_of(sizes: Sequence[int], shape: str) -> bool:
    """Whether these sizes follow each other in a shape."""
    return f",{','.join(map(str, sizes))}," in f",{shape},"


def _exchanged(text: str) -> str:
    """A sentence where two shapes in a message are each other's mirror image."""
    found = _SHAPES.search(text)
    if not found:
        return ""
    one, other = (tuple(part.strip(",").split(",")) for part in found.groups())
    return " Rows and columns are exchanged." if one != other and one == other[::-1] else ""
