"""Exercises with numbers of one's own: each student of a course gets others, and the same again.

They are drawn from a hash, not from a Generator: a student's NumPy and the grader's may be of
different ages.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

Answer = Callable[..., Any]


@dataclass(frozen=True)
class Variant:
    """How an exercise is asked with other numbers: see `varied`."""

    text: str
    answer: Answer
    numbers: Mapping[str, Any]
    ranges: Mapping[str, tuple[int, int]]

    def drawn(self, key: str) -> dict[str, Any]:
        """The numbers that belong to a key, in the shapes of the book's."""
        return {
            name: _drawn(f"{key}/{name}", like, *self.ranges[name])
            for name, like in self.numbers.items()
        }


def varied(text: str, answer: Answer, **numbers: Any) -> Variant:
    """A variant: its `text` has the names of the numbers in braces, its `answer` takes them.

    A number, or a list of lists of them, is the one of the book, to be replaced by 1 to 9; a tuple
    of it and two bounds says other ones.

    Examples
    --------
    >>> variant = varied("How much is {a} times {b}?", lambda a, b: a * b, a=7, b=(10, 20, 50))
    >>> variant.answer(**variant.numbers)
    70
    >>> drawn = variant.drawn("ada")
    >>> drawn == variant.drawn("ada") and 1 <= drawn["a"] <= 9 and 20 <= drawn["b"] <= 50
    True
    """
    said = {name: n if isinstance(n, tuple) else (n, 1, 9) for name, n in numbers.items()}
    books = {name: like for name, (like, _, _) in said.items()}
    return Variant(text, answer, books, {name: (a, b) for name, (_, a, b) in said.items()})


def _drawn(key: str, like: Any, low: int, high: int) -> Any:
    if isinstance(like, list):
        return [_drawn(f"{key}/{n}", one, low, high) for n, one in enumerate(like)]
    return low + int.from_bytes(sha256(key.encode()).digest()[:8]) % (high - low + 1)
