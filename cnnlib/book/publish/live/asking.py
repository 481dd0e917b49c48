"""The questions that a page judges without Python: those for numbers, and those for a letter.

What is told of a wrong answer that the exercise foresees is made here, by the exercise's own check.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...exercises import all_exercises, check
from ...exercises.desk import Exercise, Wrong
from ...exercises.judging import Asked, asked
from .inside.shell import bundle


def questions(chapter: str) -> dict[str, dict[str, Any]]:
    """By their ids, those of a chapter, such as '1'."""
    found = {}
    for exercise in all_exercises():
        what = asked(exercise.judge)
        if what and exercise.id.split(".")[0] == chapter:
            found[exercise.id] = _question(exercise, what)
    return found


def forms() -> dict[str, Any]:
    """What a page shows for each: the letters, the names of several numbers, or one field."""
    shown: dict[str, Any] = {}
    for exercise in all_exercises():
        what = asked(exercise.judge)
        if what and what.letters:
            shown[exercise.id] = what.letters
        elif what:
            shown[exercise.id] = list(what.right) if isinstance(what.right, Mapping) else []
    return shown


def _question(exercise: Exercise, what: Asked) -> dict[str, Any]:
    told = []
    for wrong in exercise.wrong:
        answer = wrong.answer if isinstance(wrong, Wrong) else wrong
        plain = _plain(answer)
        if plain is not None:
            result = check(exercise.id, answer)
            if result.status == "wrong":
                told.append([plain, bundle(result)[0]["text/html"]])
    right = what.right if what.letters else _plain(what.right)
    return {"right": right, "tolerance": what.tolerance, "letters": what.letters, "told": told}


def _plain(value: Any) -> Any:
    """As JSON has it; None where that has no form for it."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    try:
        plain = value if isinstance(value, str) else np.asarray(value, float).tolist()
        return json.loads(json.dumps(plain, allow_nan=False))
    except (TypeError, ValueError):
        return None
