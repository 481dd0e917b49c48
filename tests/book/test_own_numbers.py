"""Exercises with a student's own numbers: asked and judged as those of the book."""

import re

import numpy as np
import pytest

from cnnlib.book.exercises import Own, all_exercises, answer_of, check, get, hint, solution
from cnnlib.errors import InputError

VARIED = [exercise.id for exercise in all_exercises() if exercise.variant]
CLASS = [f"student {n}" for n in range(12)]


def flat(answer):
    parts = answer.values() if isinstance(answer, dict) else np.atleast_1d(answer).ravel()
    return tuple(np.round([float(part) for part in parts], 9))


@pytest.mark.parametrize("id", VARIED)
def test_with_the_numbers_of_the_book_it_is_the_exercise_of_the_book(id):
    """The book's judge, with numbers worked out by hand, accepts what the variant computes."""
    variant = get(id).variant
    assert check(id, variant.answer(**variant.numbers)).status == "right"


@pytest.mark.parametrize("id", VARIED)
def test_students_get_numbers_of_their_own_and_are_judged_by_them(id):
    answers = {student: flat(answer_of(get(id), Own("autumn", student))) for student in CLASS}
    assert len(set(answers.values())) >= len(CLASS) // 3
    questions = {str(Own("autumn", student).ask(id)) for student in CLASS}
    assert len(questions) >= len(CLASS) // 2
    ada = Own("autumn", "ada")
    right = answer_of(get(id), ada)
    assert ada.check(id, right).points == get(id).points
    others = [Own("autumn", student) for student in CLASS if answers[student] != flat(right)]
    assert all(ada.check(id, answer_of(get(id), one)).status == "wrong" for one in others)


@pytest.mark.parametrize("id", VARIED)
def test_the_question_names_all_its_numbers(id):
    variant = get(id).variant
    assert set(re.findall(r"\{(\w+)\}", variant.text)) == set(variant.numbers)
    assert "{" not in str(Own("autumn", "ada").ask(id))


def test_every_chapter_with_numbers_by_hand_has_some():
    chapters = {id.split(".")[0] for id in VARIED}
    assert chapters >= {"1", "2", "3", "4", "5", "7", "8", "9", "10", "11"} and len(VARIED) >= 33


def test_another_seed_gives_other_numbers_and_case_gives_none():
    asked = str(Own("autumn", "ada").ask("3.1"))
    assert asked == str(Own("autumn", " Ada ").ask("3.1"))
    assert asked != str(Own("spring", "ada").ask("3.1"))
    assert asked == (
        "Five inputs meet the kernel [4, -3, -3]; the deltas of the three outputs are [9, 5, 9]. "
        "What do the five inputs owe? Do it on paper."
    )  # a later version must not draw others for a course that has begun


def test_nobody_has_numbers_and_attempts_nothing():
    nobody = Own("autumn", ...)
    assert "who you are" in str(nobody.ask("3.1"))
    assert nobody.check("3.1", [8, -2, 15, 1, 6]).status == "not attempted"


def test_what_has_no_variant_is_the_exercise_of_the_book():
    ada = Own("autumn", "ada")
    assert "the same for everybody" in str(ada.ask("3.5"))
    space = {"np": np}
    exec(solution("3.5").text, space)
    assert ada.check("3.5", space["lattice"]).points == 2
    assert ada.check("3.5", lambda dz, s: dz).points == 0


class Odd:
    def __str__(self):
        raise KeyError("no")

    def __index__(self):
        return 1


@pytest.mark.parametrize(
    "odd",
    ["", " ", "a\nb", "\udcff", b"ada", ["ada"], {"a": 1}, 2.0, float("nan"), True, object(),
     np.arange(3), 10**5000],
    ids=lambda odd: type(odd).__name__,
)  # fmt: skip
def test_a_student_and_a_course_are_a_line_or_a_number(odd):
    """Of anything else, other people would have the same numbers, or the next run others."""
    for who in (("autumn", odd), (odd, "ada")):
        with pytest.raises(InputError, match=r"(student|course) is .*; expected a line of text"):
            Own(*who)


def test_a_number_is_the_student_of_its_digits():
    asked = {str(Own(2026, one).ask("3.1")) for one in (4711, "4711", np.int64(4711), " 4711")}
    assert asked == {str(Own("2026", 4711).ask("3.1"))}
    with pytest.raises(InputError, match="course is None"):
        Own(None, "ada")


def test_an_id_is_its_digits_whatever_a_class_says_it_equals():
    class Equal(str):
        __eq__ = lambda self, other: True  # noqa: E731
        __hash__ = str.__hash__

    assert check(Equal("1.7"), ...).exercise == get("1.7").id == get(Equal("1.7")).id
    assert hint("1.1", Odd()).title == hint("1.1", 1).title
