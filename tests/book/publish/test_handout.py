"""The handout: no solutions in it, and yet an answer can be handed in and graded."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("nbformat")

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cnnlib.book.publish import handout

GRADE = """
from cnnlib.book.exercises import check, hint, solution
right, wrong, none = check("1.1", [50, 80]), check("1.1", [50, 70]), check("1.1", ...)
print([(r.status, r.points, r.possible) for r in (right, wrong, none)])
print(hint("1.1").title, "/", solution("1.1").text)
import cnnlib
print(cnnlib.__file__)
"""


def test_the_wheel_is_the_same_twice_and_complete():
    name, content = handout.wheel()
    assert (name, content) == handout.wheel()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = set(archive.namelist())
        record = archive.read(next(n for n in names if n.endswith("RECORD"))).decode()
    assert {line.split(",")[0] for line in record.split()} == names
    library = Path(handout.LIBRARY)
    files = {p.relative_to(library.parent).as_posix() for p in library.rglob("*.*")}
    assert {f for f in files if "__pycache__" not in f} <= names


def test_a_handout_checks_answers_without_the_solutions(tmp_path):
    notebooks = tmp_path / "notebooks"
    (notebooks / "results").mkdir(parents=True)
    (notebooks / "results" / "numbers.json").write_text("[1]")
    solved = new_code_cell('solution("1.1")', metadata={"tags": ["exercise", "solution"]})
    cells = [new_markdown_cell("# 1"), new_code_cell('hint("1.1")'), solved]
    nbformat.write(new_notebook(cells=cells), notebooks / "01_a.ipynb")
    folder = tmp_path / "handout"
    handout.handout(notebooks, folder)
    kept = nbformat.read(folder / "01_a.ipynb", as_version=4)
    assert [cell.source for cell in kept.cells] == ["# 1", 'hint("1.1")']
    assert (folder / "results" / "numbers.json").read_text() == "[1]"
    (wheel,) = folder.glob("*.whl")
    assert "+handout" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        assert not [n for n in archive.namelist() if "solutions/chapter" in n]

    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, "--target", str(target), str(wheel)], check=True)
    run = subprocess.run(
        [sys.executable, "-c", GRADE],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    graded, notes, file = run.stdout.splitlines()
    assert graded == "[('right', 1, 1), ('wrong', 0, 1), ('not attempted', 0, 1)]"
    assert notes == "Hint 1 of 2 for exercise 1.1 / This edition comes without solutions."
    assert Path(file).is_relative_to(target)
