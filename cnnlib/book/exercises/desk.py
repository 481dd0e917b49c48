"""Where answers are handed in: the exercises by their ids, and what the reader gets back.

An exercise is data in the file of its chapter. Its judge compares with the library, with brute
force or with a literal, never with the solution, so that everything works without the solutions.
"""

import ast
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from typing import Any

from cnnlib.arrays import whole
from cnnlib.errors import InputError, shown

from . import ending
from .judging import Judge, told
from .telling import Drawn, Named, Told
from .varying import Variant

_MARKS = {"not attempted": "○", "right": "✓", "wrong": "✗"}
_HINTED: dict[str, int] = {}  # the last hint that was given, by exercise


@dataclass(frozen=True)
class Exercise:
    """One exercise, apart from its text, which stands in the notebook.

    `id` is 'chapter.number', `name` what the notebook's cell and the solution define, `level` 1
    (predict a number) to 3 (write a function). `wrong` are plausible wrong answers: the tests
    prove that the judge sees through them. One that the judge must name is `Wrong(answer, ids)`.
    `points` is the level unless it is given. `faulty` is the function in the notebook that has the
    mistake, in an exercise "find the mistake" (see `mending`). `variant` asks it with numbers of a
    student's own (see `varying`).
    """

    id: str
    name: str
    level: int
    judge: Judge
    hints: tuple[str, ...]
    wrong: tuple[Any, ...]
    points: int = 0
    faulty: str = ""
    variant: Variant | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", self.points or self.level)


@dataclass(frozen=True)
class Wrong:
    """A wrong answer, and the entries of the catalogue that its check must name."""

    answer: Any
    ids: str = ""  # separated by spaces


@dataclass(frozen=True, repr=False)
class Result:
    """The verdict on an answer. Graders read `status` and `points`, people what it displays."""

    exercise: str
    status: str  # 'not attempted', 'right' or 'wrong'
    points: int
    possible: int
    findings: tuple[Told, ...] = ()

    @property
    def mistakes(self) -> list[str]:
        """The entries of the catalogue that the answer contains."""
        named = (one.mistake for one in self.findings if isinstance(one, Named))
        return list(dict.fromkeys(id for id in named if id))

    def _lines(self) -> tuple[str, tuple[Told, ...]]:
        name = f"Exercise {self.exercise}"
        if self.status == "not attempted":
            cure = f'Put your answer in place of ... or ask hint("{self.exercise}").'
            return f"{name}: not attempted yet.", (cure,)
        if self.status == "right":
            return f"{name}: right.", ()
        return f"{name}: not right yet.", self.findings

    def __repr__(self) -> str:
        head, rest = self._lines()
        lines = "\n".join(map(str, rest)).splitlines()
        return "\n".join([f"{_MARKS[self.status]} {head}", *(f"  {line}" for line in lines)])

    def _repr_html_(self) -> str:
        head, rest = self._lines()
        items = "".join(map(_item, rest))
        kind = self.status.replace(" ", "-")
        return (
            f'<div class="exercise {kind}"><p><strong>{_MARKS[self.status]} {html.escape(head)}'
            f"</strong></p>{f'<ul>{items}</ul>' if items else ''}</div>"
        )


def _item(told: Told) -> str:
    if isinstance(told, Drawn):  # a bullet would stand beside the middle of the tables
        return f'<li style="list-style:none">{told.html()}</li>'
    return f"<li>{html.escape(told) if isinstance(told, str) else told.html()}</li>"


@dataclass(frozen=True, repr=False)
class Note:
    """A hint or a solution; in HTML it is folded."""

    title: str
    text: str
    code: bool = False

    def __repr__(self) -> str:
        return f"{self.title}\n{self.text}"

    def html(self) -> str:
        """With a fold around it."""
        text = html.escape(self.text)
        body = f"<pre><code>{text}</code></pre>" if self.code else f"<p>{text}</p>"
        return f"<details><summary>{html.escape(self.title)}</summary>{body}</details>"

    _repr_html_ = html


def check(id: str, answer: Any = None) -> Result:
    """Judge an answer; a wrong one is a result, never an error.

    A function that runs for 20 seconds is ended between two steps of Python's, so a loop without
    end is told of. One single call, into NumPy or to `sleep`, cannot be ended from within Python:
    then a sentence says so, and interrupting the kernel ends it.

    Parameters
    ----------
    id : str
        'chapter.number'.
    answer : any
        A number, an array, a letter or a function, as the exercise asks, or a dict of them. None,
        `...` and a function that returns one of them are not attempted.

    Returns
    -------
    Result
        Its display says: not attempted, right, or what differs, and where one is known, the mistake
        that gives exactly this.

    Examples
    --------
    >>> check("1.1", ...)
    ○ Exercise 1.1: not attempted yet.
      Put your answer in place of ... or ask hint("1.1").
    >>> check("1.1", [50, 80]).status
    'right'
    >>> check("1.1", [50, 70])
    ✗ Exercise 1.1: not right yet.
      yours, wrong in []:
       50  [70]
    """
    return judged(get(id), answer)


def judged(exercise: Exercise, answer: Any) -> Result:
    """The verdict of an exercise's judge."""
    id = exercise.id
    try:
        with ending.within(ending.SECONDS):
            verdict = exercise.judge(answer)
    except ending.Endless as error:
        verdict = [ending.told(error)]
    except (Exception, GeneratorExit) as error:  # an answer, and looking at it, may do anything
        verdict = [f"the answer cannot be read: {told(error)}"]
    if verdict is None:
        return Result(id, "not attempted", 0, exercise.points)
    if verdict:
        return Result(id, "wrong", 0, exercise.points, tuple(verdict))
    return Result(id, "right", exercise.points, exercise.points)


def hint(id: str, number: int | None = None) -> Note:
    """One of the hints of an exercise; the first is the gentlest, and says how many there are.

    Asked again without a number, it goes on to the next hint, up to the last.
    """
    hints = get(id).hints
    if number is None:
        number = min(_HINTED.get(id, 0) + 1, len(hints))
    asked = whole(number)
    if asked is None or not 1 <= asked <= len(hints):
        came = shown(number)
        raise InputError(f"number is {came}; exercise {id} has the hints 1 to {len(hints)}")
    _HINTED[id] = asked
    return Note(f"Hint {asked} of {len(hints)} for exercise {id}", hints[asked - 1])


def solution(id: str) -> Note:
    """The source of the tested solution, folded in HTML; a handout has none."""
    source, title = _solution_source(id), f"Solution of exercise {id}"
    if source is None:
        return Note(title, "This edition comes without solutions.")
    return Note(title, source, code=True)


def _solution_source(id: str) -> str | None:
    """The lines of the solution's file that lead to the exercise's name, with their comments.

    They begin behind the solution before, or the imports: a solution may define a function first.
    """
    exercise = get(id)
    names = {one.name for one in _of_chapter(id.split(".")[0])}
    file = files(__package__) / "solutions" / f"chapter_{id.split('.')[0]}.py"
    if not file.is_file():
        return None
    text = file.read_text(encoding="utf-8")
    end = 0
    for node in ast.parse(text).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node]
        defined = {getattr(target, "id", getattr(target, "name", None)) for target in targets}
        if exercise.name in defined:
            return "\n".join(text.splitlines()[end : node.end_lineno]).strip()
        if defined & names or isinstance(node, ast.Import | ast.ImportFrom | ast.Expr):
            end = node.end_lineno or end
    raise InputError(f"{file.name} does not define {exercise.name}, the solution of {id}")


def get(id: str) -> Exercise:
    """The exercise of this id."""
    known = re.fullmatch(r"(\d{1,2})\.\d+", id) if isinstance(id, str) else None
    if known:
        for exercise in _of_chapter(known[1]):
            if exercise.id == known[0]:  # not `id`: a class of somebody's own may equal anything
                return exercise
    raise InputError(f"id is {shown(id)}; expected 'chapter.number' of an exercise, like '1.1'")


def all_exercises() -> Iterator[Exercise]:
    """All exercises, chapter by chapter."""
    names = [path.name for path in files(__package__).iterdir()]
    chapters = [re.fullmatch(r"chapter_(\d+)\.py", name) for name in names]
    for number in sorted(int(chapter[1]) for chapter in chapters if chapter):
        yield from _of_chapter(str(number))


def _of_chapter(chapter: str) -> tuple[Exercise, ...]:
    """The exercises of one chapter; its module is imported when it is asked for."""
    if not (files(__package__) / f"chapter_{chapter}.py").is_file():
        return ()
    return tuple(import_module(f".chapter_{chapter}", __package__).EXERCISES)
