"""How answers are judged: `values`, `choice` and `function` make the judges of exercises.

A judge takes an answer of any type and returns None (not attempted), or the list of what is wrong
with it, empty if it is right.
"""

import copy
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Judge = Callable[[Any], "list[str] | None"]
SHOWN = 4  # differences that a report names
LONGEST = 60  # characters of a value in a report


def values(expected, tolerance: float = 1e-6, reveal: bool = True) -> Judge:
    """Expect a number, an array, or a dict of named ones.

    The report says where an answer differs; `reveal` says whether it also gives the right number.
    """

    def judge(answer):
        return None if _missing(answer) else compare(answer, expected, tolerance, reveal=reveal)

    return judge


def choice(
    right: str, options: Mapping[str, str], because: Mapping[str, str] | None = None
) -> Judge:
    """Expect one letter of `options`; `because` says for a wrong one why it is wrong."""

    def judge(answer):
        if _missing(answer):
            return None
        letters = ", ".join(map(repr, options))
        if not isinstance(answer, str) or answer.strip().lower() not in options:
            return [f"got {shown(answer)}; expected one of the letters {letters}"]
        letter = answer.strip().lower()
        if letter == right:
            return []
        return [f"{letter!r}, {options[letter]}: {(because or {}).get(letter, 'no')}"]

    return judge


def function(reference: Callable, cases: Sequence[tuple], tolerance: float = 1e-6) -> Judge:
    """Expect a function that gives on all cases what the reference gives.

    Parameters
    ----------
    reference : callable
        The library or brute force. Its parameters name the arguments in the report.
    cases : sequence of tuple
        Arguments by position. The report shows the smallest case that fails.
    tolerance : float
        Largest difference, relative to the largest expected entry (absolute below 1).
    """
    names = list(inspect.signature(reference).parameters)
    ordered = sorted(cases, key=_size)

    def judge(answer):
        if _missing(answer):
            return None
        if not callable(answer):
            return [f"got {shown(answer)}; expected a function"]
        given = copy.deepcopy(ordered)
        outcomes = [_call(answer, arguments) for arguments in given]
        if all(not error and _missing(got) for got, error in outcomes):
            return None
        failures = []
        for case, arguments, (got, error) in zip(ordered, given, outcomes, strict=True):
            expected = reference(*copy.deepcopy(case))
            findings = [error] if error else compare(got, expected, tolerance)
            if not _equal(arguments, case):
                findings.append("the function changed its arguments; work on a copy")
            if findings:
                failures.append([_setting(names, case), *findings])
        if not failures:
            return []
        head, *rest = failures[0]
        return [f"{len(failures)} of {len(cases)} cases fail. The smallest: {head}", *rest]

    return judge


def compare(got, expected, tolerance: float, name: str = "", reveal: bool = True) -> list[str]:
    """What differs, entry by entry: type, shape, then up to four entries."""
    if isinstance(expected, tuple) and any(np.ndim(part) for part in expected):
        expected = dict(enumerate(expected))
        got = dict(enumerate(got)) if isinstance(got, tuple | list) else got
    if isinstance(expected, Mapping):
        if not isinstance(got, Mapping) or set(got) != set(expected):
            parts = ", ".join(map(str, expected))
            return [f"{name}got {shown(got)}; expected exactly these parts: {parts}"]
        found = [compare(got[k], expected[k], tolerance, f"{k}: ", reveal) for k in expected]
        return [finding for part in found for finding in part]
    wanted = np.asarray(expected)
    if isinstance(got, np.ma.MaskedArray):
        return [f"{name}got a masked array; expected plain numbers"]
    try:
        array = np.asarray(got)
    except Exception:
        array = np.asarray(None)
    if array.dtype.kind not in "fiub":
        kind = f"an array of shape {wanted.shape}" if wanted.ndim else "a number"
        return [f"{name}got {shown(got)} ({type(got).__name__}); expected {kind}"]
    if array.shape != wanted.shape:
        shape = wanted.shape if wanted.ndim else "(), a number"
        return [f"{name}the shape is {array.shape}; expected {shape}"]
    scale = max(1.0, float(np.abs(wanted).max(initial=0)))
    with np.errstate(invalid="ignore", over="ignore"):
        right = np.abs(array.astype(float) - wanted.astype(float)) <= tolerance * scale  # NaN: no
    places = np.argwhere(~right)
    findings = []
    for place in places[:SHOWN]:
        at = tuple(place.tolist())
        entry = f"entry [{','.join(map(str, at))}]: " if at else ""
        told = shown(wanted[at].item()) if reveal else "another number"
        findings.append(f"{name}{entry}got {shown(array[at].item())}, expected {told}")
    if len(places) > SHOWN:
        findings.append(f"{name}and {len(places) - SHOWN} of {wanted.size} entries more")
    return findings


def shown(value) -> str:
    """A short and stable text for any value."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray):
        small = value.size <= 12 and value.dtype.kind in "fiub"
        return str(value.round(4).tolist()) if small else f"an array of shape {value.shape}"
    if callable(value):
        return "a function"
    try:
        text = re.sub(" at 0x[0-9A-Fa-f]+", "", repr(value))  # an address differs in every run
    except Exception:
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."


def told(error: BaseException) -> str:
    """An exception in a line."""
    return f"it raised {type(error).__name__}: {error}"[: 3 * LONGEST]


def _missing(answer) -> bool:
    """None, `...`, or a list or dict of nothing else."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, list | tuple) and answer:
        return all(_missing(part) for part in answer)
    return answer is None or answer is ...


def _call(answer: Callable, arguments: tuple) -> tuple[Any, str]:
    """What a reader's function returns, and the error that it raised, if any."""
    try:
        return answer(*arguments), ""
    except NotImplementedError:
        return None, ""
    except (Exception, SystemExit) as error:
        return None, told(error)


def _size(case: tuple) -> int:
    """Numbers in a case, so that the smallest failing one can be shown."""
    return sum(np.size(argument) for argument in case if argument is not None)


def _equal(given: tuple, case: tuple) -> bool:
    return all(
        np.array_equal(np.asarray(a, dtype=object), np.asarray(b, dtype=object))
        for a, b in zip(given, case, strict=True)
    )


def _setting(names: Sequence[str], case: tuple) -> str:
    return ", ".join(f"{name} = {shown(value)}" for name, value in zip(names, case, strict=True))
