"""Exercises with an instant check: `check("3.2", answer)`, `hint("3.2")`, `solution("3.2")`."""

from .desk import Result, check, every, get, hint, solution

__all__ = ["Result", "check", "every", "get", "hint", "solution"]
