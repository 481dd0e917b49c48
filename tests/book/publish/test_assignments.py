"""The sources of assignments. `tests/elsewhere/graders.py` has both graders grade them."""

import ast
import re
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("nbformat")
pytest.importorskip("anywidget")

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cnnlib.book.exercises import all_exercises
from cnnlib.book.publish import BuildError
from cnnlib.book.publish.__main__ import main
from cnnlib.book.publish.assignments import assignments
from cnnlib.errors import shown

ROOT = Path(__file__).parents[3]
SOLVED = re.compile(r"#+ BEGIN SOLUTION\n.*?#+ END SOLUTION\n?", re.DOTALL)
POINTS = {}
for one in all_exercises():
    POINTS.setdefault(int(one.id.split(".")[0]), {})[one.id] = one.points


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    assignments(ROOT / "notebooks", folder, "autumn")
    return folder


def notebook(made, pattern, chapter):
    (path,) = made.glob(pattern.format(f"{chapter:02}_*"))
    return nbformat.read(path, as_version=4)


def points_of(cells):
    """What the graded cells of nbgrader give when all are executed in order."""
    space, given = {}, {}
    for cell in cells:
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and marks.get("grade"):
            given[marks["grade_id"]] = eval(cell.source, space)
        elif cell.cell_type == "code":
            exec(cell.source, space)
    return given


@pytest.mark.parametrize("chapter", POINTS)
def test_solutions_earn_all_points_and_starts_of_answers_none(made, chapter):
    cells = notebook(made, "nbgrader/source/{}/*.ipynb", chapter).cells
    wanted = {f"exercise-{id.replace('.', '-')}": n for id, n in POINTS[chapter].items()}
    graded = [cell.metadata["nbgrader"] for cell in cells if cell.cell_type == "code"
              and cell.metadata.get("nbgrader", {}).get("grade")]  # fmt: skip
    assert {one["grade_id"]: one["points"] for one in graded} == wanted
    assert points_of(cells) == wanted
    for cell in cells:
        cell.source = SOLVED.sub("", cell.source)
    assert points_of(cells) == dict.fromkeys(wanted, 0)


@pytest.mark.parametrize("chapter", POINTS)
def test_both_graders_ask_the_same(made, chapter):
    ours = notebook(made, "nbgrader/source/{}/*.ipynb", chapter).cells
    theirs = notebook(made, "otter/{}/*.ipynb", chapter).cells
    asked = [cell.source for cell in ours if cell.cell_type == "markdown"]
    assert asked == [cell.source for cell in theirs if cell.cell_type == "markdown"]
    assert len(asked) == 1 + len(POINTS[chapter])
    questions = [cell.source for cell in theirs if "# BEGIN QUESTION" in cell.source]
    points = [int(re.search(r"points: (\d+)", text)[1]) for text in questions]
    assert points == list(POINTS[chapter].values())
    answers = [SOLVED.sub("", cell.source) for cell in ours if SOLVED.search(cell.source)]
    assert answers[1:] == [
        SOLVED.sub("", cell.source) for cell in theirs if SOLVED.search(cell.source)
    ]


def test_the_seed_changes_the_numbers_and_nothing_else(made, tmp_path):
    assignments(ROOT / "notebooks", tmp_path, "spring")
    for path in sorted(made.rglob("*.ipynb")):
        now, then = (nbformat.read(f, 4) for f in (path, tmp_path / path.relative_to(made)))
        ours = [SOLVED.sub("", cell.source) for cell in now.cells]
        assert [s.replace("autumn", "spring") for s in ours] == [
            SOLVED.sub("", cell.source) for cell in then.cells
        ]
        assert now != then


def test_the_library_in_them_is_that_of_the_handout(made):
    wheels = list(made.rglob("*.whl"))
    assert len(wheels) == 1 + len(POINTS)
    assert all("+handout" in path.name for path in wheels)


def asked(text="**Exercise 1.1.** Do it.", **ids):
    cell = new_markdown_cell(text)
    cell.metadata["book"] = {"exercises": ids or {"z_by_hand": "1.1"}}
    return cell


TITLE = new_markdown_cell("# 1. The pass")
START = new_code_cell('z_by_hand = ...\ncheck("1.1", z_by_hand)', metadata={"tags": ["exercise"]})
SOLVED_BELOW = new_code_cell('solution("1.1")', metadata={"tags": ["exercise", "solution"]})


def book(folder, *cells):
    """The folder of a book of one chapter."""
    (folder / "notebooks").mkdir()
    nbformat.write(new_notebook(cells=cells), folder / "notebooks" / "01_pass.ipynb")
    return folder / "notebooks"


@pytest.mark.parametrize("seed", ['a"b', "a'b", "a\\b", "a\\nb", "Zo\u00eb {x}", "a\0b"], ids=ascii)
def test_whatever_the_seed_the_sources_are_python_and_name_it(tmp_path, seed):
    assignments(book(tmp_path, TITLE, asked(), START, SOLVED_BELOW), tmp_path / "made", seed)
    cells = notebook(tmp_path / "made", "nbgrader/source/{}/*.ipynb", 1).cells
    (line,) = [cell.source for cell in cells if cell.source.startswith("mine = Own(")]
    assert ast.literal_eval(ast.parse(line).body[0].value.args[0]) == seed
    assert points_of(cells) == {"exercise-1-1": 1}
    config = (tmp_path / "made/nbgrader/nbgrader_config.py").read_text(encoding="utf-8")
    assert repr(seed) in config and ast.parse(config)


@pytest.mark.parametrize("seed", ["", "  ", "a\nb", "\udcff"], ids=ascii)
def test_a_seed_that_is_no_line_is_refused_and_nothing_is_written(
    tmp_path, monkeypatch, capsys, seed
):
    book(tmp_path, TITLE, asked(), START, SOLVED_BELOW)
    monkeypatch.chdir(tmp_path)
    assert main(["assignments", "--seed", seed]) == 1
    assert f"seed is {shown(seed)}; expected a line of text" in capsys.readouterr().err
    assert not (tmp_path / "build").exists()


TWO = "**Exercise 1.1** a\n\n**Exercise 1.2** b"
LOST = {
    "shared": ((asked(TWO, z_by_hand="1.1", other="1.2"), START, SOLVED_BELOW),
               "exercises 1.1 and 1.2 share a cell"),
    "reworded": ((asked("**Task 1.1** do"), START, SOLVED_BELOW), r"begin its text with "
                 r"\*\*Exercise 1\.1"),
    "unknown": ((asked(z_by_hand="1.99"), START, SOLVED_BELOW), "id is '1.99'; expected"),
    "unsolved": ((asked(), START), "below exercise 1.1 no cell has its solution"),
    "the next": ((asked(), START, asked("**Exercise 1.2.**", other="1.2")),
                 "below exercise 1.1 no cell has its solution"),
    "no start": ((asked(), SOLVED_BELOW), "no cell has the start of its answer, `z_by_hand = "),
}  # fmt: skip


@pytest.mark.parametrize("name", LOST)
def test_no_exercise_is_lost_without_a_word(tmp_path, name):
    cells, reason = LOST[name]
    with pytest.raises(BuildError, match=f"^01_pass.ipynb, cell 2: .*{reason}"):
        assignments(book(tmp_path, TITLE, *cells), tmp_path / "made", "autumn")
    assert not (tmp_path / "made").exists()


def test_a_chapter_without_a_heading_has_the_name_of_its_file(tmp_path):
    assignments(book(tmp_path, asked(), START, SOLVED_BELOW), tmp_path / "made", "autumn")
    assert notebook(tmp_path / "made", "otter/{}/*.ipynb", 1).cells[1].source == "# 01_pass"
