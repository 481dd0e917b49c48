"""The exercises as one student of a course gets them: `Own(course, student)`, for assignments."""

import html
from dataclasses import dataclass, replace
from typing import Any

from cnnlib.arrays import whole
from cnnlib.errors import InputError, shown

from .desk import Exercise, Result, get, judged
from .judging import missing, values
from .varying import Variant

_NOBODY = "Write into the first cell who you are, and run it and this one again."


@dataclass(frozen=True, repr=False)
class Question:
    """What is asked, with the student's numbers."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.text)}</p>"


@dataclass(frozen=True)
class Own:
    """The exercises with the numbers of one student; the same course and student, the same numbers.

    Examples
    --------
    >>> mine = Own("autumn", "ada")
    >>> mine.ask("1.1")
    A signal [1, 4, 6] meets the kernel [4, 2]. Give both outputs in a list.
    >>> mine.check("1.1", [12, 28]).status
    'right'
    """

    course: str | int
    student: Any  # a name or a number; None or `...` is nobody

    def __post_init__(self) -> None:
        read_name("course", self.course)
        if not missing(self.student):
            read_name("student", self.student)

    def ask(self, id: str) -> Question:
        """The exercise with the student's numbers."""
        exercise = get(id)
        if exercise.variant is None:
            return Question("This exercise is the same for everybody.")
        if missing(self.student):
            return Question(_NOBODY)
        return Question(exercise.variant.text.format(**self._numbers(exercise)))

    def check(self, id: str, answer: Any = None) -> Result:
        """Judge an answer, as `cnnlib.book.check` does; of nobody, nothing is attempted."""
        exercise = get(id)
        if missing(self.student):
            return Result(id, "not attempted", 0, exercise.points)
        return judged(self._exercise(exercise), answer)

    def _exercise(self, exercise: Exercise) -> Exercise:
        if exercise.variant is None:
            return exercise
        right = answer_of(exercise, self)
        # What is asked for in three digits may be off by a few thousandths.
        return replace(exercise, judge=values(right, tolerance=2e-3, reveal=False))

    def _numbers(self, exercise: Exercise) -> dict[str, Any]:
        """By the exercise's name: its number moves when another one comes in front of it."""
        student, chapter = read_name("student", self.student), exercise.id.split(".")[0]
        key = f"{self.course}/{student.strip().lower()}/{chapter}/{exercise.name}"
        return _variant(exercise).drawn(key)


def read_name(name: str, value: Any) -> str:
    """Read who or what is meant: a line of text, or a whole number as text."""
    try:
        number = whole(value)
        text = value if isinstance(value, str) else "" if number is None else str(number)
        text.encode()
    except ValueError:  # half a character, or more digits than Python writes
        text = ""
    if len(text.strip().splitlines()) != 1:
        raise InputError(
            f"{name} is {shown(value)}; expected a line of text or a whole number, the same each "
            "time: numbers are drawn from it"
        )
    return text


def answer_of(exercise: Exercise, own: Own) -> Any:
    """The right answer to a student's variant."""
    return _variant(exercise).answer(**own._numbers(exercise))


def _variant(exercise: Exercise) -> Variant:
    if exercise.variant is None:
        raise InputError(f"exercise {exercise.id} is the same for everybody: it has no variant")
    return exercise.variant
