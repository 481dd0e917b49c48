"""Exercises: solutions pass, stubs are not attempted, wrong answers are seen, nothing raises."""

import ast
import importlib
import re
from pathlib import Path

import numpy as np
import pytest

import cnnlib
from cnnlib import exercises
from cnnlib.errors import InputError
from cnnlib.exercises import Result, check, desk, hint, solution
from cnnlib.exercises.desk import Wrong
from cnnlib.exercises.judging import choice, function, values
from cnnlib.exercises.setups import setups

FOLDER = Path(exercises.__file__).parent
ALL = list(exercises.every())


def chapter(exercise):
    return exercise.id.split(".")[0]


each = pytest.mark.parametrize("exercise", ALL, ids=[f"chapter_{chapter(e)}-{e.id}" for e in ALL])


def unpacked(answer):
    return answer.answer if isinstance(answer, Wrong) else answer


# Every exercise of the book


@each
def test_the_solution_is_right(exercise):
    module = importlib.import_module(f"cnnlib.exercises.solutions.chapter_{chapter(exercise)}")
    result = check(exercise.id, getattr(module, exercise.name))
    assert (result.status, result.points) == ("right", exercise.points), result


@each
def test_the_solution_that_is_shown_works_by_itself(exercise):
    names = {"np": np, "cnnlib": cnnlib}
    exec(solution(exercise.id).text, names)
    assert check(exercise.id, names[exercise.name]).status == "right"


@each
def test_a_stub_is_not_attempted(exercise):
    def unfinished(*arguments):
        raise NotImplementedError

    stubs = [None, ...]
    if callable(unpacked(exercise.wrong[0])):
        stubs += [lambda *arguments: None, lambda *arguments: ..., unfinished]
    else:
        stubs += [[..., ...], [[None], [...]], {"z": ...}]
    for stub in stubs:
        result = check(exercise.id, stub)
        assert (result.status, result.points) == ("not attempted", 0), stub
    assert check(exercise.id).status == "not attempted"


@each
def test_wrong_answers_are_wrong(exercise):
    assert exercise.wrong
    for answer in map(unpacked, exercise.wrong):
        result = check(exercise.id, answer)
        assert (result.status, result.points) == ("wrong", 0), answer
        assert result.findings and all(map(str, result.findings))
        assert "cannot be read" not in repr(result)


@each
def test_wrong_answers_are_told_their_mistake(exercise):
    for answer in exercise.wrong:
        named = check(exercise.id, unpacked(answer)).mistakes
        assert named == (answer.ids.split() if isinstance(answer, Wrong) else []), answer


@each
def test_hints_are_graded(exercise):
    count = len(exercise.hints)
    assert count >= 2 and len(set(exercise.hints)) == count and all(map(str.strip, exercise.hints))
    for number, text in enumerate(exercise.hints, 1):
        assert f"{number} of {count}" in repr(hint(exercise.id, number))
        assert text in repr(hint(exercise.id, number))
    for number in (0, count + 1, -1, "1", 1.5):
        with pytest.raises(InputError, match=f"the hints 1 to {count}"):
            hint(exercise.id, number)


class Hostile:
    """Whatever one does with it raises."""

    def _no(self, *arguments):
        raise RuntimeError("no")

    __repr__ = __array__ = __bool__ = __eq__ = __call__ = __len__ = __float__ = __getitem__ = _no
    __hash__ = None


RECURSIVE: list = []
RECURSIVE.append(RECURSIVE)
ODD = [
    Hostile(), Hostile, object(), type, RECURSIVE, "", "zz", b"a", "1", 1j, 10**400,
    float("nan"), float("inf"), [], {}, set(), (1, 2, 3, 4, 5, 6, 7), [[1], [2, 3]], [Hostile()],
    {"z": Hostile(), "other": 3}, np.array(["a"]), np.array([None, 3]), np.zeros((2, 0)),
    np.ma.masked_array([1.0, 2.0], [True, False]), np.datetime64("2020"), iter([1]), slice(3),
    lambda: 3, lambda *a: Hostile(), lambda *a: "text", lambda *a: (x for x in a),
    lambda *a: exit(3), lambda *a: np.full(3, np.nan), lambda *a: a, lambda *a: 1 / 0,
    lambda *a: {"z": Hostile()},
]  # fmt: skip


@each
def test_odd_answers_do_not_raise_and_are_not_right(exercise):
    for answer in ODD:
        result = check(exercise.id, answer)
        assert result.status == "wrong" and result.points == 0
        assert repr(result) == repr(check(exercise.id, answer))
        assert " at 0x" not in repr(result)
        assert result._repr_html_().startswith("<div")


def test_ids_and_names_are_unique_and_in_their_chapters():
    assert {"1.1", "1.2"} <= {exercise.id for exercise in ALL}
    assert len({exercise.id for exercise in ALL}) == len(ALL)
    assert len({(chapter(exercise), exercise.name) for exercise in ALL}) == len(ALL)
    for exercise in ALL:
        module = importlib.import_module(f"cnnlib.exercises.chapter_{chapter(exercise)}")
        assert exercise in module.EXERCISES
        assert re.fullmatch(r"\d+\.\d+", exercise.id) and exercise.name.isidentifier()
        assert exercise.level in (1, 2, 3) and exercise.points >= 1


# Without the solutions


def test_no_judge_looks_into_the_solutions():
    for path in FOLDER.glob("*.py"):
        imports = re.findall(r"^\s*(?:from|import) .*", path.read_text(encoding="utf-8"), re.M)
        assert not [line for line in imports if "solutions" in line], path.name


def test_a_handout_checks_without_the_solutions(monkeypatch, tmp_path):
    for path in FOLDER.glob("*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "solutions").mkdir()
    monkeypatch.setattr(desk, "files", lambda package: tmp_path)
    assert check("1.1", [50, 80]).status == "right"
    assert "without solutions" in repr(solution("1.1"))


# What the reader gets


def test_unknown_exercises():
    for id in ("1", "1.99", "99.1", "", "x.y", None, 1.1, "../desk.1"):
        for function_ in (check, hint, solution):
            with pytest.raises(InputError, match=r"expected 'chapter\.number'"):
                function_(id)


def test_a_result_in_words_and_in_html():
    result = Result("1.1", "wrong", 0, 2, ("got <b>", "shape (2,)"))
    assert repr(result) == "✗ Exercise 1.1: not right yet.\n  got <b>\n  shape (2,)"
    html = result._repr_html_()
    assert "<li>got &lt;b&gt;</li>" in html and 'class="exercise wrong"' in html
    assert repr(Result("1.1", "right", 2, 2)) == "✓ Exercise 1.1: right."


def test_hints_and_solutions_are_folded_in_html():
    for note in (hint("1.1"), solution("1.1")):
        html = note._repr_html_()
        assert html.startswith("<details><summary>") and html.endswith("</details>")
    assert "<pre><code>" in html and "z_by_hand = [" in html


@each
def test_a_solution_is_shown_alone_with_its_comments(exercise):
    text = solution(exercise.id).text
    *_, node = ast.parse(text).body
    name = node.name if isinstance(node, ast.FunctionDef) else node.targets[0].id
    assert name == exercise.name
    path = FOLDER / "solutions" / f"chapter_{chapter(exercise)}.py"
    before, _, after = path.read_text(encoding="utf-8").partition(text)
    assert after == "\n" or after.startswith("\n\n")
    assert not before.rstrip("\n").rpartition("\n")[2].startswith("#")  # no comment is left out


# Judges


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        ([5, 17, 14], []),
        ((5.0, 17.0, 14.0), []),
        (np.array([5, 17, 14], np.int8), []),
        ([5, 17 + 1e-9, 14], []),
        ([5, 19, 14], ["5  17  14       5  [19]  14"]),
        ([5, 17.001, 14], ["5  17  14           5  [17.001]      14"]),
        ([5, np.nan, 14], ["5  17  14        5  [nan]   14"]),
        ([5, 17], ["the shape is (2,); expected (3,)", "5  17  14                5  17"]),
        ([5, 17, 14, 2], ["the shape is (4,); expected (3,)", "14                5  17  14  [2]"]),
        ([[5, 17, 14]], ["the shape is (1, 3); expected (3,)", "[5] [17] [14]"]),
        ("5 17 14", ["got '5 17 14' (str); expected an array of shape (3,)"]),
        ([5, ..., 14], ["got [5, Ellipsis, 14] (list); expected an array of shape (3,)"]),
        ([5, 17, 14j], ["got [5, 17, 14j] (list); expected an array of shape (3,)"]),
        (np.ma.masked_equal([5, 17, 14], 17), ["got a masked array; expected plain numbers"]),
    ],
)
def test_values(answer, finding):
    got = values([5, 17, 14])(answer)
    assert len(got) == len(finding)
    assert all(str(one).endswith(end) for one, end in zip(got, finding, strict=True)), got


def test_values_of_a_number():
    assert values(3)(3) == values(3)(3.0) == values(3)(np.int64(3)) == []
    assert values(3)(4) == ["got 4, expected 3"]
    assert values(3)([3]) == ["the shape is (1,); expected (), a number"]
    assert values(3)("c") == ["got 'c' (str); expected a number"]
    assert values(3, reveal=False)(4) == ["got 4, expected another number"]


def test_the_tolerance_is_relative_to_the_largest_entry():
    assert values([1e6, 0])([1e6 + 0.5, 0.5]) == []
    assert values([1e-3])([1.002e-3]) != []
    assert values([1.0], tolerance=0.1)([1.05]) == []


def test_values_with_names():
    judge = values({"z": 3, "dx": [1, 2]})
    assert judge({"dx": [1, 2], "z": 3}) == []
    assert list(map(str, judge({"dx": [1, 3], "z": 4}))) == [
        "z: got 4, expected 3",
        "dx\nexpected:    yours, wrong in []:\n1  2          1  [3]",
    ]
    assert judge({"z": 3})[0].endswith("expected exactly these parts: z, dx")
    assert judge([3, 4])[0] == "got [3, 4]; expected exactly these parts: z, dx"


def test_choice():
    judge = choice("b", {"a": "left", "b": "right", "c": "both"}, {"a": "There is no cell."})
    assert judge("b") == judge(" B ") == []
    assert judge("a") == ["'a', left: There is no cell."]
    assert judge("c") == ["'c', both: no"]
    assert judge("d") == ["got 'd'; expected one of the letters 'a', 'b', 'c'"]
    assert judge(1)[0].startswith("got 1; expected")
    assert judge(...) is None


def double(x, times):
    return x * 2 * times


CASES = [(np.array([1.0, 2.0, 3.0]), 2), (np.array([4.0]), 1), (np.array([1.0, -1.0]), 3)]
judge_double = function(double, CASES)


def test_function():
    assert judge_double(double) == []
    assert judge_double(lambda x, times: [2 * times * n for n in x]) == []
    assert judge_double(3) == ["got 3; expected a function"]
    assert judge_double(lambda x, times: None) is None


def test_a_function_is_told_the_smallest_case_that_fails():
    head, drawn = judge_double(lambda x, times: 2 * x)
    assert head == "2 of 3 cases fail. The smallest: x = [1.0, -1.0], times = 3"
    assert str(drawn) == "expected:    yours, wrong in []:\n 6  -6        [2] [-2]"


def test_a_function_that_raises():
    def broken(x, times):
        return x[1]

    head, text, *_ = judge_double(broken)
    assert head == "3 of 3 cases fail. The smallest: x = [4.0], times = 1"
    assert text.startswith("it raised IndexError: index 1 is out of bounds")
    assert "TypeError" in judge_double(lambda x: x)[1]
    assert "SystemExit" in judge_double(lambda x, times: exit(3))[1]


def test_a_function_must_not_change_its_arguments():
    def greedy(x, times):
        x *= 2 * times
        return x

    findings = judge_double(greedy)
    assert findings[1:] == ["the function changed its arguments; work on a copy"]
    assert CASES[0][0].tolist() == [1, 2, 3] and judge_double(double) == []


def test_a_function_that_answers_in_some_cases_only():
    found = judge_double(lambda x, times: 2 * x if times == 1 else None)
    assert found[0].startswith("2 of 3 cases fail. The smallest: x = [1.0, -1.0]")
    assert "got None (NoneType)" in found[1]


def test_a_function_with_several_results():
    judge = function(lambda x: (x.sum(), x + 1), [(np.array([1.0, 2.0]),)])
    assert judge(lambda x: (3, [2, 3])) == judge(lambda x: [3, [2, 3]]) == []
    assert str(judge(lambda x: (3, [2, 4]))[1]).startswith("result 1\nexpected:")
    assert judge(lambda x: 3)[1] == "got 3; expected exactly these parts: result 0, result 1"


def test_a_long_value_is_cut():
    assert len(values(3)("x" * 500)[0]) < 120
    assert values(3)(np.zeros(50))[0] == "the shape is (50,); expected (), a number"


# Configurations for the cases


@pytest.mark.parametrize("axes", [1, 2])
def test_setups_are_awkward_and_fit(axes):
    found = list(setups(axes))
    for a in found:
        assert a.x.ndim == axes + 2
        assert cnnlib.conv(a.x, a.w, a.b, **a.geometry).shape == a.dz.shape
        for array in (a.x, a.w, a.b, a.dz):
            assert array.dtype == np.float64 and np.array_equal(array, array.round())
    for name in ("stride", "dilation", "padding", "center", "flip"):
        assert len({repr(getattr(a, name)) for a in found}) > 1, name
    assert any(a.x.shape[-1] == a.dz.shape[-1] > 1 for a in found)
    assert any(a.x.shape[-1] != a.dz.shape[-1] for a in found)
    assert any(not np.allclose(a.dz, 1) for a in found)
