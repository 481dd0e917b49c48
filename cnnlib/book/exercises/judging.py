"""How answers are judged: `values`, `choice` and `function` make the judges of exercises.

A judge takes an answer of any type and returns None (not attempted), or the list of what is wrong
with it, empty if it is right. Where the answer is a quantity of a layer, `explain` (of `asking`)
also names the mistake that gives what came out. `mending` has the judges of "find the mistake".
"""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnlib.errors import raised

from .asking import Explain
from .telling import Drawn, Named, Told, close, setting, shown

Judge = Callable[[Any], "list[Told] | None"]


@dataclass(frozen=True)
class Asked:
    """What a judge waits for, where that is data: a page without Python judges it, too."""

    right: Any  # numbers, or one of the letters
    tolerance: float = 0
    letters: str = ""


_ASKED: dict[Judge, Asked] = {}


def asked(judge: Judge) -> Asked | None:
    """What a judge of `values` or `choice` waits for; None of another one."""
    return _ASKED.get(judge)


def values(
    expected: Any, tolerance: float = 1e-6, reveal: bool = True, explain: Explain | None = None
) -> Judge:
    """Expect a number, an array, or a dict of named ones.

    The report says where an answer differs; `reveal` says whether it also gives the right number,
    and `explain` names the mistake that gives the wrong ones.
    """

    def judge(answer: Any) -> list[Told] | None:
        if missing(answer):
            return None
        findings = _compare(answer, expected, tolerance, reveal=reveal)
        if explain and any(isinstance(one, Drawn) for one in findings):
            findings += map(Named, explain(answer, ()).findings)
        return findings

    _ASKED[judge] = Asked(expected, tolerance)
    return judge


def choice(
    right: str, options: Mapping[str, str], because: Mapping[str, str] | None = None
) -> Judge:
    """Expect one letter of `options`; `because` says for a wrong one why it is wrong."""

    def judge(answer: Any) -> list[Told] | None:
        if missing(answer):
            return None
        letters = ", ".join(map(repr, options))
        if not isinstance(answer, str) or answer.strip().lower() not in options:
            return [f"got {shown(answer)}; expected one of the letters {letters}"]
        letter = answer.strip().lower()
        if letter == right:
            return []
        return [f"{letter!r}, {options[letter]}: {(because or {}).get(letter, 'no')}"]

    _ASKED[judge] = Asked(right, letters="".join(options))
    return judge


def function(
    reference: Callable,
    cases: Sequence[tuple],
    tolerance: float = 1e-6,
    explain: Explain | None = None,
) -> Judge:
    """Expect a function that gives on all cases what the reference gives.

    Parameters
    ----------
    reference : callable
        The library or brute force. Its parameters name the arguments in the report.
    cases : sequence of tuple
        Arguments by position. The report shows the smallest case that fails.
    tolerance : float
        Largest difference, relative to the largest expected entry (absolute below 1).
    explain : Explain, optional
        Names the mistake in a function that is wrong: `layer`, `outputs` or `pool` of `asking`.
    """
    names = list(inspect.signature(reference).parameters)
    ordered = sorted(cases, key=_size)

    def judge(answer: Any) -> list[Told] | None:
        if missing(answer):
            return None
        if not callable(answer):
            return [f"got {shown(answer)}; expected a function"]
        given = copy.deepcopy(ordered)
        outcomes = [_call(answer, arguments) for arguments in given]
        if all(not error and missing(got) for got, error in outcomes):
            started = all(got is not ... for got, _ in outcomes) and not _is_empty(answer)
            return ["your function returned nothing; does it end in return?"] if started else None
        failures, differs = [], False
        for case, arguments, (got, error) in zip(ordered, given, outcomes, strict=True):
            expected = reference(*copy.deepcopy(case))
            findings = [error] if error else _compare(got, expected, tolerance)
            differs = differs or bool(findings)
            if not _same(arguments, case):
                findings.append("the function changed its arguments; work on a copy")
            if findings:
                failures.append([setting(names, case), *findings])
        if not failures:
            return []
        head, *rest = failures[0]
        head = f"{len(failures)} of {len(cases)} cases fail. The smallest: {head}"
        # Right numbers need no name, and what keeps them from being right has been said.
        causes = map(Named, explain(answer, ordered).findings) if explain and differs else ()
        return [head, *rest, *causes]

    return judge


def _compare(
    got: Any, expected: Any, tolerance: float, name: str = "", reveal: bool = True
) -> list[Told]:
    """What differs: type, shape, then a number in words and an array in a drawing."""
    if isinstance(expected, tuple) and any(np.ndim(part) for part in expected):
        expected = {f"result {n}": part for n, part in enumerate(expected)}
        if isinstance(got, tuple | list):
            got = {f"result {n}": part for n, part in enumerate(got)}
    if isinstance(expected, Mapping):
        if not isinstance(got, Mapping) or set(got) != set(expected):
            parts = ", ".join(map(str, expected))
            return [f"{name}got {shown(got)}; expected exactly these parts: {parts}"]
        found = [_compare(got[k], expected[k], tolerance, f"{k}: ", reveal) for k in expected]
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
    drawn = Drawn(name.removesuffix(": "), wanted, array, reveal, tolerance)
    if array.shape != wanted.shape:
        shape = wanted.shape if wanted.ndim else "(), a number"
        said = f"{name}the shape is {array.shape}; expected {shape}"
        return [said, drawn] if wanted.ndim and array.size and array.ndim else [said]
    if close(array, wanted, tolerance).all():
        return []
    if wanted.ndim:
        return [drawn]
    told = shown(wanted.item()) if reveal else "another number"
    return [f"{name}got {shown(array.item())}, expected {told}"]


def told(error: BaseException) -> str:
    """An exception in a line."""
    return f"it raised {raised(error)}"


def missing(answer: object) -> bool:
    """None, `...`, or a list or dict of nothing else."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, list | tuple) and answer:
        return all(missing(part) for part in answer)
    return answer is None or answer is ...


def _call(answer: Callable, arguments: tuple) -> tuple[Any, str]:
    """What a reader's function returns, and the error that it raised, if any."""
    try:
        return answer(*arguments), ""
    except NotImplementedError:
        return ..., ""
    except (Exception, SystemExit) as error:
        return None, told(error)


def _is_empty(answer: Callable) -> bool:
    """Whether a function does nothing at all, like the start of an answer."""

    def start() -> None: ...

    code = getattr(answer, "__code__", None)
    return code is not None and code.co_code == start.__code__.co_code


def _size(case: tuple) -> tuple[int, int]:
    """Numbers in a case, then its strides and other settings: the smallest failing one is shown."""
    settings = (argument for argument in case if isinstance(argument, int | tuple))
    numbers = sum(np.size(argument) for argument in case if argument is not None)
    return numbers, sum(int(np.sum(setting)) for setting in settings)


def _same(a: Any, b: Any) -> bool:
    """Whether arguments, or what they consist of, are equal."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(map(_same, a, b))
    return np.array_equal(np.asarray(a, dtype=object), np.asarray(b, dtype=object))
