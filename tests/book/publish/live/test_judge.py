"""The page judges numbers and letters without Python: with the verdicts of the book's own check."""

import json
from collections.abc import Mapping

import pytest

from cnnlib.book.exercises import all_exercises, check
from cnnlib.book.exercises.desk import Wrong
from cnnlib.book.publish.live.asking import forms, questions
from cnnlib.book.publish.live.packing import script

CHAPTERS = {id.split(".")[0] for id in forms()}
QUESTIONS = {id: one for chapter in CHAPTERS for id, one in questions(chapter).items()}


@pytest.fixture(scope="module")
def judge(browser):
    """Runs the page's own code: a function of what is called with which arguments."""
    page = browser.new_page()

    def call(name, *arguments):
        return page.evaluate(
            f"(given) => {{ {script('judge')}; return {name}(...given); }}", list(arguments)
        )

    yield call
    page.close()


def answers(exercise, question):
    """Right and wrong ones, and some that are nearly right or of another shape."""
    right = question["right"]
    yield right
    for wrong in exercise.wrong:
        yield wrong.answer if isinstance(wrong, Wrong) else wrong
    if question["letters"]:
        yield from question["letters"]
        return
    for change in (lambda x: x + 1e-9, lambda x: x * (1 + 1e-3) + 1e-3, lambda x: -x - 1):
        yield changed(right, change)
    yield {name: [one] for name, one in right.items()} if isinstance(right, dict) else [right]


def changed(value, change):
    if isinstance(value, dict):
        return {name: changed(part, change) for name, part in value.items()}
    return [changed(part, change) for part in value] if isinstance(value, list) else change(value)


def plain(answer, question):
    """Whether a reader could type it into the page's form."""
    right = question["right"]
    if isinstance(right, dict):
        return isinstance(answer, Mapping) and set(answer) == set(right)
    if question["letters"]:
        return isinstance(answer, str) and answer in question["letters"]
    try:
        return not isinstance(answer, str | Mapping) and bool(json.dumps(answer))
    except TypeError:
        return False


def test_the_page_and_python_give_the_same_verdicts(judge):
    cases = [
        (exercise.id, answer)
        for exercise in all_exercises()
        if exercise.id in QUESTIONS
        for answer in answers(exercise, QUESTIONS[exercise.id])
        if plain(answer, QUESTIONS[exercise.id])
    ]
    assert len(QUESTIONS) >= 46 and len(cases) > 200
    for id, answer in cases:
        ours = judge("judged", QUESTIONS[id], answer)
        theirs = check(id, answer)
        assert ours["right"] == (theirs.status == "right"), (id, answer, ours)
        if not ours["right"] and "html" not in ours:
            assert ours["said"], (id, answer)


def test_an_answer_that_is_foreseen_has_the_words_of_the_check(judge):
    said = judge("judged", QUESTIONS["1.1"], [40, 70])
    assert not said["right"] and "F1" in check("1.1", [40, 70]).mistakes
    assert said["html"] == check("1.1", [40, 70])._repr_html_()


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("3", 3),
        (" 50, 80 ", [50, 80]),
        ("[50, 80,]", [50, 80]),
        ("(50; 80)", None),
        ("[[4, 0], [9, 2]]", [[4, 0], [9, 2]]),
        ("1/3", 1 / 3),
        ("-1.5e-2, .5, −2.", [-0.015, 0.5, -2]),
        ("two", None),
        ("", None),
        ("[1, [2", None),
        ("1/0", None),
    ],
)
def test_what_a_reader_types_is_read(judge, typed, read):
    assert judge("readAnswer", typed) == read
