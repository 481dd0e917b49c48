"""The sources of assignments. `tests/elsewhere/graders.py` has both graders grade them."""

import re
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("nbformat")
pytest.importorskip("anywidget")

from cnnlib.book.exercises import all_exercises
from cnnlib.book.publish.assignments import assignments

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
