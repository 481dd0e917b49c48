"""Exercises: solutions pass, stubs are not attempted, wrong answers are seen, nothing raises."""

import ast
import importlib
import inspect
import re
from difflib import ndiff
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest

import cnnlib
from cnnlib.book import exercises
from cnnlib.book.exercises import Result, asking, check, desk, hint, solution
from cnnlib.book.exercises.awkward import awkward_layers
from cnnlib.book.exercises.desk import Wrong
from cnnlib.book.exercises.judging import choice, function, values
from cnnlib.book.exercises.telling import Drawn
from cnnlib.diagnosis import mistakes
from cnnlib.errors import InputError

FOLDER = Path(exercises.__file__).parent
NOTEBOOKS = FOLDER.parents[2] / "notebooks"
ALL = list(exercises.all_exercises())
FAULTY = [exercise for exercise in ALL if exercise.faulty]


def chapter(exercise):
    return exercise.id.split(".")[0]


each = pytest.mark.parametrize("exercise", ALL, ids=[f"chapter_{chapter(e)}-{e.id}" for e in ALL])


def unpacked(answer):
    return answer.answer if isinstance(answer, Wrong) else answer


# Every exercise of the book


@each
def test_the_solution_is_right(exercise):
    module = importlib.import_module(f"cnnlib.book.exercises.solutions.chapter_{chapter(exercise)}")
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
        assert "cannot be read" not in repr(result) and " at 0x" not in repr(result)
        ElementTree.fromstring(result._repr_html_())  # every tag is closed


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


def test_a_hint_asked_again_goes_on_to_the_next():
    hint("1.1", 1)
    count = len(desk.get("1.1").hints)
    assert count == 2
    assert [f"{number} of 2" in repr(hint("1.1")) for number in (2, 2)] == [True, True]


def test_a_function_that_returns_nothing_is_told_so_and_an_empty_one_is_not_attempted():
    def forgot(x, dz, U, s):
        dw = np.zeros(U)
        dw += 1

    assert "your function returned nothing" in repr(check("4.3", forgot))
    assert check("4.3", lambda x, dz, U, s: ...).status == "not attempted"


@pytest.mark.parametrize(
    ("forgotten", "smallest"),
    [
        ({"s": 1}, "P = 4, s = 2, d = 1, before = 0, flip = False"),
        ({"d": 1}, "P = 4, s = 1, d = 2, before = 0, flip = False"),
        ({"before": 0}, "P = 1, s = 1, d = 1, before = 1, flip = False"),
        ({"flip": False}, "P = 3, s = 1, d = 1, before = 0, flip = True"),
    ],
)
def test_the_smallest_case_has_one_setting_only(forgotten, smallest):
    def delta(dz, w, **given):
        given |= forgotten
        dx = np.zeros(given["P"])
        for i, u in np.ndindex(len(dz), len(w)):
            lag = len(w) - 1 - u if given["flip"] else u
            p = given["s"] * i - given["before"] + given["d"] * lag
            if 0 <= p < len(dx):
                dx[p] += w[u] * dz[i]
        return dx

    def answer(dz, w, P, s, d, before, flip):
        return delta(dz, w, P=P, s=s, d=d, before=before, flip=flip)

    assert f"The smallest: dz = [5.0, 7.0], w = [1.0, 2.0], {smallest}" in repr(
        check("3.8", answer)
    )


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
        module = importlib.import_module(f"cnnlib.book.exercises.chapter_{chapter(exercise)}")
        assert exercise in module.EXERCISES
        assert re.fullmatch(r"\d+\.\d+", exercise.id) and exercise.name.isidentifier()
        assert exercise.level in (1, 2, 3) and exercise.points >= 1


# Right answers in other forms


def forms(function_):
    """The same function with results in single precision, of another memory order, read-only."""

    def formed(change):
        return lambda *arguments: deep(function_(*arguments), change)

    def deep(result, change):
        if isinstance(result, dict):
            return {name: deep(part, change) for name, part in result.items()}
        if isinstance(result, tuple):
            return tuple(deep(part, change) for part in result)
        return change(np.asarray(result))

    def strided(a):
        wide = np.repeat(a[..., None], 2, axis=-1)
        wide[..., 1] = 7
        return wide[..., 0]

    def frozen(a):
        a = a.copy()
        a.setflags(write=False)
        return a

    return map(formed, (np.float32, strided, lambda a: np.array(a, order="F"), frozen))


@each
def test_right_answers_in_other_forms_are_right(exercise):
    module = importlib.import_module(f"cnnlib.book.exercises.solutions.chapter_{chapter(exercise)}")
    answer = getattr(module, exercise.name)
    if callable(answer):
        others = list(forms(answer))
    elif exercise.faulty:
        others = [{**answer, "mended": other} for other in forms(answer["mended"])]
    elif isinstance(answer, str):
        others = [f" {answer.upper()} "]
    elif isinstance(answer, dict):
        others = [{name: np.float32(part) for name, part in answer.items()}]
    else:
        others = [np.float32(answer), tuple(answer) if np.ndim(answer) else answer]
    for other in others:
        result = check(exercise.id, other)
        assert result.status == "right", result


def by_matrix(dz, w, P, s, d, before, flip):
    """The transposed matrix of the layer."""
    rows = np.zeros((len(dz), P + 100))
    for i, u in np.ndindex(len(dz), len(w)):
        rows[i, s * i - before + d * (len(w) - 1 - u if flip else u)] += w[u]  # below 0: the end
    return (rows.T @ dz)[:P]


def by_fft(dz, w, P, s, d, before, flip):
    after = max(0, s * (len(dz) - 1) + d * (len(w) - 1) + 1 - P - before)
    geometry = dict(stride=s, dilation=d, padding=((before, after),), flip=flip, method="fft")
    dz, w = dz[None, :, None], w[None, :, None]
    return cnnlib.conv_delta(dz, w, (1, P, 1), **geometry)[0, :, 0]


def by_full_convolution(dz, w):
    from scipy.signal import convolve2d

    return convolve2d(dz, w, mode="full")


def by_lags(x, dz, U, s):
    spread = np.zeros(s * (len(dz) - 1) + 1)
    spread[::s] = dz
    return np.correlate(x, spread, "valid")[:U]


@pytest.mark.parametrize(
    ("id", "answer"),
    [
        ("3.4", by_full_convolution),
        ("3.8", by_matrix),
        ("3.8", by_fft),
        ("4.3", by_lags),
        ("7.5", lambda x, w: np.convolve(x, w[::-1], "valid")),
        ("1.9", {"mistake": "f10", "mended": lambda x, w, b, s: cnnlib.conv(x, w, b, stride=s)}),
        ("7.10", {"mistake": "B", "mended": lambda x, w: cnnlib.conv(x, w, method="fft")}),
    ],
)
def test_other_algorithms_are_right(id, answer):
    assert check(id, answer).status == "right", check(id, answer)


@pytest.mark.parametrize("exercise", ALL, ids=[e.id for e in ALL])
def test_every_exercise_stands_in_its_chapter_with_its_hint_and_its_solution(exercise):
    (path,) = NOTEBOOKS.glob(f"{chapter(exercise):>02}_*.ipynb")
    book = nbformat.read(path, as_version=4).cells
    code = [c for c in book if c.cell_type == "code"]
    for call, tags in (
        (f'check("{exercise.id}", {exercise.name}', {"exercise"}),
        (f'hint("{exercise.id}"', {"exercise", "hint"}),
        (f'solution("{exercise.id}"', {"exercise", "solution"}),
    ):
        found = [c for c in code if call in c.source]
        assert found and tags <= set(found[0].metadata.get("tags", [])), call


# Find the mistake

faulty = pytest.mark.parametrize("exercise", FAULTY, ids=[e.id for e in FAULTY])


def cells(exercise):
    """The code cells of the exercise's chapter, and its text."""
    (path,) = NOTEBOOKS.glob(f"{chapter(exercise):>02}_*.ipynb")
    book = nbformat.read(path, as_version=4).cells
    (text,) = [c.source for c in book if c.source.startswith(f"**Exercise {exercise.id}: find")]
    return [c.source for c in book if c.cell_type == "code"], text


def defined(source, name):
    names = {"np": np, "cnnlib": cnnlib}
    exec(source, names)
    return names[name]


def parts_of(exercise):
    """The source of the faulty and of the mended function, and the right answer."""
    sources, _ = cells(exercise)
    end = next(n for n, c in enumerate(sources) if f'check("{exercise.id}", {exercise.name})' in c)
    *_, source = (c for c in sources[:end] if c.startswith(f"def {exercise.faulty}("))
    module = importlib.import_module(f"cnnlib.book.exercises.solutions.chapter_{chapter(exercise)}")
    answer = getattr(module, exercise.name)
    return source, inspect.getsource(answer["mended"]), answer


@faulty
def test_the_function_in_the_notebook_is_not_accepted_and_shown_where_it_fails(exercise):
    source, _, answer = parts_of(exercise)
    unmended = {"mistake": ..., "mended": defined(source, exercise.faulty)}
    for letter in letters(exercise):
        result = check(exercise.id, unmended | {"mistake": letter})
        assert result.status == "wrong"
        assert "mallest" in repr(result) and " wrong" in result._repr_html_()
        if letter != answer["mistake"]:
            assert not result.mistakes, "the name must not be given away"
        elif catalogued(exercise, letter):
            assert catalogued(exercise, letter) in result.mistakes


@faulty
def test_the_mended_function_differs_in_a_few_lines(exercise):
    before, after, _ = parts_of(exercise)
    changes = [line for line in ndiff(code_of(before), code_of(after)) if line[0] in "+-"]
    assert 1 <= sum(line[0] == "-" for line in changes) <= 3, changes
    assert sum(line[0] == "+" for line in changes) <= 3, changes


def code_of(source):
    return [line for line in ast.unparse(ast.parse(source)).splitlines() if '"""' not in line]


@faulty
def test_the_notebook_explains_each_letter(exercise):
    _, _, answer = parts_of(exercise)
    found = letters(exercise)
    assert len(found) >= 3 and answer["mistake"] in found
    assert len(set(found.values())) == len(found)
    for letter, text in found.items():
        told = repr(check(exercise.id, {"mistake": letter, "mended": ...}))
        right = letter == answer["mistake"]
        assert f"mistake: {letter!r}, {text.rstrip('.')}: {'right' if right else ''}" in told
        assert "mended: now give the function without the mistake" in told
        if not right:
            mended = check(exercise.id, {**answer, "mistake": letter})
            assert mended.status == "wrong" and "mended" not in repr(mended)


def letters(exercise):
    return dict(re.findall(r"^- `(\w)`: (.+)$", cells(exercise)[1], re.MULTILINE))


def catalogued(exercise, letter):
    id = letters(exercise)[letter].split(",")[0]
    return id if id in {mistake.id for mistake in mistakes.every()} else ""


@faulty
def test_an_id_stands_for_its_letter(exercise):
    _, _, answer = parts_of(exercise)
    if id := catalogued(exercise, answer["mistake"]):
        assert check(exercise.id, {**answer, "mistake": f" {id.lower()} "}).status == "right"


@faulty
def test_half_an_answer_is_asked_for_the_other_half(exercise):
    _, _, answer = parts_of(exercise)
    for none in (None, ...):
        result = check(exercise.id, {**answer, "mistake": none})
        assert result.status == "wrong" and "which one is it" in repr(result)
        result = check(exercise.id, {**answer, "mended": none})
        assert result.status == "wrong" and "now give the function" in repr(result)
    for odd in (answer["mended"], answer["mistake"], {"mended": answer["mended"]}, [1, 2]):
        assert "exactly 'mistake' and 'mended'" in repr(check(exercise.id, odd))
    for odd in (7, "z", "", "zz", ["a"], b"a"):
        assert "expected a letter, one of 'a', 'b'" in repr(
            check(exercise.id, {**answer, "mistake": odd})
        )


@pytest.mark.parametrize("scale", [1, 2])
def test_a_step_that_works_in_place_is_judged(scale):
    from cnnlib.book.exercises.solutions.chapter_5 import step

    def in_place(params, x, t, rate):
        for name, value in step(params, x, t, scale * rate).items():
            params[name][...] = value

    result = check("5.10", {"mistake": "D22", "mended": in_place})
    assert result.status == ("right" if scale == 1 else "wrong")
    assert "now give the function" not in repr(result)


@faulty
def test_odd_functions_are_not_taken_for_mended(exercise):
    _, _, answer = parts_of(exercise)
    for odd in filter(callable, ODD):
        result = check(exercise.id, {**answer, "mended": odd})
        assert result.status == "wrong" and "cannot be read" not in repr(result), odd
        assert " at 0x" not in repr(result)
        ElementTree.fromstring(result._repr_html_())


@faulty
def test_a_mended_function_that_raises_or_returns_nothing_is_told_so(exercise):
    *_, answer = parts_of(exercise)

    def raising(*given):
        return given[0] @ "no array"

    def nothing(*given):
        return None

    def untouched(*given):
        raise NotImplementedError

    said = {fn: repr(check(exercise.id, {**answer, "mended": fn})) for fn in (raising, nothing)}
    assert "now give the function" not in said[raising]
    assert "line " in said[raising] or "it raised" in said[raising], said[raising]
    told = ("None", "the function returns nothing")
    assert any(words in said[nothing] for words in told) or exercise.id == "5.10", said[nothing]
    assert "the function returns nothing" in repr(
        check(exercise.id, {**answer, "mended": untouched})
    )
    assert "returns nothing" not in repr(check(exercise.id, {**answer, "mended": ...}))


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
    for id in ("1", "1.x", "99.1", "", "x.y", None, 1.1, "../desk.1"):
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
    *before, node = ast.parse(text).body
    assert [one.name for one in before] == [exercise.faulty] * bool(exercise.faulty)
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


def test_an_exception_without_a_text_is_told():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    def lattice(dz, s):
        raise Mute

    said = str(check("3.5", lattice))
    assert "it raised Mute: it has no text that can be shown" in said


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


# Target and answer side by side


@pytest.mark.parametrize(
    ("expected", "got", "text"),
    [
        ([1, 2], [1, 3], "expected:    yours, wrong in []:\n1  2          1  [3]"),
        (
            [[1.0], [2]],
            [[1], [3]],
            "expected:    yours, wrong in []:\n1             1\n2            [3]",
        ),
        ([0.1234], [0.12341], "expected:    yours, wrong in []:\n0.1234       [0.12341]"),
        ([1 / 3], [-1 / 3], "expected:    yours, wrong in []:\n0.3333       [-0.3333]"),
        ([0.0], [-0.0], "expected:    yours, wrong in []:\n0            0"),
        ([1], [1, 2], "expected, shape (1,):    yours, shape (2,), wrong in []:\n1"),
    ],
)
def test_a_drawing_in_text(expected, got, text):
    drawing = str(Drawn("", np.array(expected), np.array(got)))
    assert drawing.startswith(text), drawing


def test_a_drawing_without_the_target_does_not_hold_it():
    drawn = Drawn("dx", np.array([17, 19]), np.array([17, 23]), reveal=False)
    for shown in (str(drawn), drawn.html()):
        assert "23" in shown and "19" not in shown and "expected" not in shown
    (line,) = [line for line in str(drawn).splitlines() if "23" in line]
    assert line.split() == ["17", "[23]"]


def test_a_drawing_of_many_axes_is_the_first_wrong_plane():
    expected = np.arange(2 * 3 * 4 * 2).reshape(2, 3, 4, 2)
    got = expected + 0
    got[1, 2, 3, 1] = got[1, 2, 3, 1] + 50
    text = str(Drawn("", expected, got))
    assert "expected [1,:,:,1]:" in text and "yours [1,:,:,1]" in text
    assert text.count("[97]") == 1 and " 47" in text and " 46" not in text


@pytest.mark.parametrize(
    ("shape", "place", "plane"),
    [
        ((2, 4, 3), (1, 2, 0), "[1,:,0]"),
        ((2, 3, 4, 2), (0, 2, 3, 1), "[0,:,:,1]"),
        ((2, 3, 4, 5, 2), (1, 2, 3, 4, 0), "[1,2,:,:,0]"),
    ],
)
def test_samples_and_channels_are_fixed_in_a_drawing(shape, place, plane):
    got = np.zeros(shape)
    got[place] = 1
    drawn = Drawn("", np.zeros(shape), got)
    assert f"yours {plane}, wrong" in str(drawn) and str(drawn).count("[1]") == 1


def test_a_drawing_of_a_large_array_is_the_part_around_the_first_wrong_entry():
    expected, got = np.zeros((20, 30)), np.zeros((20, 30))
    got[12, 29] = 1
    text = str(Drawn("", expected, got))
    assert "[8:16,22:30]" in text and text.count("[1]") == 1
    assert len(text.splitlines()) == 9


def test_a_drawing_in_html_marks_with_more_than_a_colour():
    html = Drawn("dx", np.array([1, 2]), np.array([1, 3])).html()
    assert "<caption>expected</caption><tr><td>1</td><td>2</td></tr>" in html
    assert "<caption>yours: 1 of 2 wrong, marked ✗</caption>" in html
    assert '<td>1</td><td class="off"><strong>3 ✗</strong></td>' in html


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_is_drawn_as_wrong(wrong):
    drawn = Drawn("", np.array([1.0, 2]), np.array([1, wrong]))
    assert drawn.wrong.tolist() == [False, True]
    assert "✗" in drawn.html() and "[" in str(drawn).splitlines()[1]


# The name of the mistake

HAND = asking.by_hand("dx", P=(5,), U=(3,), w=[2, -1, 3], dz=[4, 1, 2])


def test_what_is_right_is_explained_by_nothing():
    assert HAND([8, -2, 15, 1, 6], ()).findings == []


def test_by_hand_no_factor_is_told():
    # "2 times the right one" would give the numbers away.
    assert HAND([16, -4, 30, 2, 12], ()).findings == []


def test_numbers_by_hand_and_their_mistake_do_not_hold_the_target():
    text = repr(check("3.1", [12, -1, 13, 0, 4]))
    assert "mistake D1" in text and "section 3.11" in text
    for number in (8, -2, 15, 6):
        assert f" {number} " not in text and f"[{number}]" not in text


def delta_cases():
    return [((3.0, -1), (2.0, 5, 1), 6, 3), ((1.0, 2, 4), (3.0, -2), 7, 2)]


def delta_pose(dz, w, P, s):
    return {"dz": dz, "w": w, "P": (P,), "U": (len(w),), "stride": s}


EXPLAIN = asking.layer("dx", delta_pose)


def by_scatter(dz, w, P, s, pitch=1, add=True):
    dx = np.zeros(P)
    for i, u in np.ndindex(len(dz), len(w)):
        dx[s * i + u * pitch] = w[u] * dz[i] + (dx[s * i + u * pitch] if add else 0)
    return dx


@pytest.mark.parametrize(
    ("answer", "ids"),
    [
        (by_scatter, []),
        (lambda dz, w, P, s: by_scatter(dz, w, P, 1), ["D4", "D5"]),
        (lambda dz, w, P, s: by_scatter(dz, w[::-1], P, s), ["D1", "D2", "D3"]),
        (lambda dz, w, P, s: by_scatter(dz, w, P, s)[: s * (len(dz) - 1) + len(w)], ["D6"]),
        (lambda dz, w, P, s: np.zeros(P), ["D23"]),
        (lambda dz, w, P, s: 2 * by_scatter(dz, w, P, s), [None]),
    ],
)
def test_one_axis_without_samples_and_channels_is_named(answer, ids):
    assert [one.mistake for one in EXPLAIN(answer, delta_cases()).findings] == ids


def test_one_axis_cannot_be_cut_in_one_of_two_axes():
    explain = asking.layer("dx", lambda *case: {**delta_pose(*case), "padding": 1})
    cases = [((3.0, -1, 2), (2.0, 5, 1), 3, 1), ((1.0, 2, 4, 3, 5), (3.0, -2), 4, 1)]
    found = explain(lambda dz, w, P, s: by_scatter(dz, w, P + 2, s), cases).findings
    assert [one.mistake for one in found] == ["D24"]  # and not D10


def test_the_winners_of_a_pool_are_judged_by_the_deltas_that_they_get():
    text = repr(check("1.6", exercises.get("1.6").wrong[0]))
    assert "winners is wrong." in text and "a is wrong" not in text
    assert "Of tied cells the last one gets the delta" in text


def test_a_relation_is_told_where_nothing_is_known():
    (finding,) = EXPLAIN(lambda *a: 2 * by_scatter(*a), delta_cases()).findings
    assert finding.message == "dx is 2 times the right one."
    (finding,) = EXPLAIN(lambda *a: np.roll(by_scatter(*a), 1) + 100, delta_cases()).findings
    assert finding.message.startswith("No known mistake gives this.")


def test_other_words_take_the_place_of_an_entry():
    explain = asking.layer("dx", delta_pose, {"D1 D2 D3": "Turned."})
    (finding,) = explain(lambda dz, w, P, s: by_scatter(dz, w[::-1], P, s), delta_cases()).findings
    assert (finding.mistake, finding.message) == (None, "Turned.")


def test_a_shape_is_told_as_the_reader_knows_it():
    (finding,) = EXPLAIN(lambda dz, w, P, s: np.ones(P + 4), delta_cases()).findings
    assert "The shape is (10,), expected (6,)." in finding.message


# Configurations for the cases


@pytest.mark.parametrize("axes", [1, 2])
def test_layers_are_awkward_and_fit(axes):
    found = list(awkward_layers(axes))
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


def with_zeros_behind(dz, s):
    wide = np.zeros([n * s for n in dz.shape])
    wide[tuple(slice(None, None, s) for _ in dz.shape)] = dz
    return wide


def an_index_too_far(dz, w, P, s, d, before, flip):
    dx = np.zeros(P)
    for i in range(len(dz)):
        for u in range(len(w)):
            dx[s * i - before + d * u] += w[u] * dz[i]
    return dx


def raises_a_name(*_):
    return undefined_everywhere  # noqa: F821


@pytest.mark.parametrize(
    ("id", "answer", "words", "unsaid"),
    [
        ("3.5", with_zeros_behind, "Zeros follow the last delta as well", "D6"),
        ("2.3", lambda x, w, u0: np.convolve(x, w, "same"), "np.convolve(x, w, 'same')", "F1"),
        ("3.8", an_index_too_far, "it raised IndexError", "z is wrong"),
        ("9.6", {"mistake": "b", "mended": raises_a_name}, "NameError", "give the function"),
        ("9.6", {"mistake": "b", "mended": lambda *_: None}, "dw is None", "give the f"),
    ],
    ids=["zeros", "numpy", "index", "raises", "none"],
)  # fmt: skip
def test_what_people_write_is_told_what_it_is(id, answer, words, unsaid):
    said = repr(check(id, answer))
    assert words in said and unsaid not in said, said
