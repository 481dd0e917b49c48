"""Exercises with an instant check: `check("3.2", answer)`, `hint("3.2")`, `solution("3.2")`."""

from .desk import Result, all_exercises, check, get, hint, solution
from .own import Own, answer_of

__all__ = ["Own", "Result", "all_exercises", "answer_of", "check", "get", "hint", "solution"]
