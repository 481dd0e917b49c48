"""The judges of "find the mistake in this code": name the mistake, and mend the code.

The notebook's cell has a short function with one real mistake, and the next one

    found = {"mistake": ..., "mended": ...}  # a letter or an id, and the function without it
    check("3.9", found)

The exercise says which letter is right, what the letters mean, and how a function is judged:

    Exercise(
        "3.9",
        "found",
        level=2,
        faulty="input_delta",  # the name of the notebook's function
        judge=find(
            "b",
            {"a": "D19", "b": "D4", "c": "D6"},  # ids of the catalogue, or sentences of your own
            diagnosed(lambda fn: diagnose(lambda x, w, b, dz, s, p: {"dx": fn(dz, w, x.shape, s)})),
        ),
        hints=...,
        wrong=({"mistake": "a", "mended": ...},),
    )

The text begins with "**Exercise 3.9: find the mistake.**" and has a line for each letter, as the
check says it: "- `b`: D4, A way back without the stride". The solution defines the mended function,
then the dict: both are shown. The tests take the function out of the notebook and prove that it is
not accepted, that the diagnosis names the mistake which the letter stands for, and that the mended
function differs in at most three lines.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from cnnlib.diagnosis import Report, mistakes

from .judging import Judge, missing
from .telling import Drawn, Named, Told, shown

_PARTS = ("mistake", "mended")
_IDS = tuple(entry.id for entry in mistakes.every())


def diagnosed(diagnosis: Callable[[Callable], Report], wanted: Collection[str] = ()) -> Judge:
    """Expect a function in which a diagnosis finds nothing.

    Parameters
    ----------
    diagnosis : callable
        Takes the reader's function and returns a Report: `diagnose`, `diagnose_pool`,
        `diagnose_head` or `diagnose_step` of `cnnlib.diagnosis`, with an adapter from their
        signature to that of the exercise. What is wrong is told with the smallest configuration
        that shows it, drawn, and with the name of the mistake.
    wanted : collection of str
        Quantities that the function itself must return: an adapter sees to it anyway.
    """

    def judge(answer: Any) -> list[Told] | None:
        if missing(answer):
            return None
        if not callable(answer):
            return [f"got {shown(answer)}; expected a function"]
        attempts = []

        def watched(*arguments: Any) -> Any:
            attempts.append(True)
            try:
                return answer(*arguments)
            except NotImplementedError:
                attempts.pop()
                raise

        report = diagnosis(watched)
        absent = [
            f"{quantity} is not returned" for quantity in wanted if quantity in report.missing
        ]
        if report.ok and not report.limits:
            return [*absent]
        if not any(attempts):
            return None
        findings: dict[str, Told] = {}  # what several findings have in common is told once
        for finding in report.findings:
            name = f"{finding.quantity}: " if finding.quantity else ""
            where = f"{name}the smallest configuration that shows it: "
            findings.setdefault(where, where + finding.config)
            if finding.arrays and all(a.ndim and a.size for a in finding.arrays):
                findings.setdefault(where + "drawn", Drawn("", *finding.arrays))
            elif not finding.quantity and finding.evidence:
                findings.setdefault(where + "line", finding.evidence)
            named = Named(finding)
            findings.setdefault(str(named), named)
        told = [*findings.values(), *(report.notes if report.limits else ()), *absent]
        return told or ["the function returns nothing that can be judged"]

    return judge


def find(
    right: str, options: Mapping[str, str], mended: Judge, because: Mapping[str, str] | None = None
) -> Judge:
    """Expect `{"mistake": a letter or an id, "mended": the function without the mistake}`.

    Parameters
    ----------
    right : str
        The letter of the mistake.
    options : mapping
        By letter, an id of the catalogue or a sentence. The notebook's text says the same.
    mended : Judge
        Judges the function: `diagnosed`, or `function` of `judging`.
    because : mapping, optional
        By letter, why it is wrong. What an entry of the catalogue looks like is said anyway.

    Notes
    -----
    While the mistake has not been found, what is said of the function names none: it says which
    configuration shows it, and draws the target beside what came out.
    """
    letters = {id.lower(): letter for letter, id in options.items() if id in _IDS}
    letters |= {letter: letter for letter in options}

    def words(letter: str) -> str:
        option = options[letter]
        return f"{option}, {mistakes.get(option).name}" if option in _IDS else option.rstrip(".")

    def named(answer: Any) -> list[Told]:
        if missing(answer):
            return ["mistake: which one is it? Give its letter, or its id in the catalogue"]
        read = answer.strip().lower() if isinstance(answer, str) else None
        if read not in letters:
            said = ", ".join(map(repr, options))
            return [f"mistake: got {shown(answer)}; expected a letter, one of {said}, or an id"]
        letter = letters[read]
        if letter == right:
            return []
        why = (because or {}).get(letter)
        if why is None and options[letter] in _IDS:
            why = f"it would look otherwise. {mistakes.get(options[letter]).signature}"
        return [f"mistake: {letter!r}, {words(letter)}: {why or 'no'}"]

    def judge(answer: Any) -> list[Told] | None:
        if missing(answer):
            return None
        if not isinstance(answer, Mapping) or set(answer) != set(_PARTS):
            return [f"got {shown(answer)}; expected a dict with exactly 'mistake' and 'mended'"]
        wrong = named(answer["mistake"])
        broken = mended(answer["mended"])
        if broken is None:
            given = callable(answer["mended"])
            empty = "the function returns nothing; " if given else ""
            broken = [f"mended: {empty}now give the function without the mistake"]
        if wrong:
            broken = [one for one in broken if not isinstance(one, Named)]
        if broken and not wrong:
            wrong = [f"mistake: {right!r}, {words(right)}: right"]
        return [*wrong, *broken] if broken or wrong else []

    return judge
