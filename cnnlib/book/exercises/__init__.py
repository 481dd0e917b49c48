"""Exercises with an instant check: `check("3.2", answer)`, `hint("3.2")`, `solution("3.2")`."""

from .desk import Result, all_exercises, check, every_hint, get, hint, solution

__all__ = ["Result", "all_exercises", "check", "every_hint", "get", "hint", "solution"]
