"""Grade right, wrong and empty answers of every assignment with nbgrader and with otter-grader.

    python tests/elsewhere/graders.py BIN [CHAPTER...]

BIN is the folder of the programs of an environment that has both graders and the handout's wheel.
Students do what they would: they get what the grader releases, say who they are, and answer.
"""

import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from cnnlib.book.exercises import Own, all_exercises, answer_of, get, solution
from cnnlib.book.publish.assignments import assignments, plain

ROOT = Path(__file__).parents[2]
COURSE = "proof"
ANSWER = re.compile(r'^mine\.check\("([\d.]+)", (\w+)\)$', re.MULTILINE)
WRONG = """from cnnlib.book.exercises import get
{name} = get("{id}").wrong[0]
{name} = getattr({name}, "answer", {name})
"""


def right(id, name, student):
    """What somebody writes who has understood it, with the numbers that are theirs."""
    exercise = get(id)
    if exercise.variant:
        return f"{name} = {plain(answer_of(exercise, Own(COURSE, student)))!r}\n"
    return solution(id).text + "\n"


def submitted(released, kind):
    """What a student hands in, from what was released."""
    notebook = nbformat.read(released, as_version=4)
    answered = 0
    for cell in notebook.cells:
        asked = ANSWER.search(cell.source) if cell.cell_type == "code" else None
        if kind != "empty" and cell.source.startswith("student = ..."):
            cell.source = f'student = "{kind}"'
        elif kind != "empty" and asked:
            id, name = asked.groups()
            answer = right(id, name, kind) if kind == "right" else WRONG.format(id=id, name=name)
            cell.source, answered = answer + asked[0], answered + 1
    assert kind == "empty" or answered
    for solved in ("BEGIN SOLUTION", "instructor"):
        assert not any(solved in cell.source for cell in notebook.cells), f"{solved} was released"
    return nbformat.writes(notebook)


def run(*command, cwd):
    """As in an activated environment, and with nothing of the repository's."""
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ["PATH"]])
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=cwd, env=clean | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"


def of_nbgrader(programs, folder, name):
    """The score of each kind of student."""
    run(f"{programs}/nbgrader", "generate_assignment", name, "--force", cwd=folder)
    for kind in ("right", "wrong", "empty"):
        file = folder / "submitted" / kind / name / f"{name}.ipynb"
        file.parent.mkdir(parents=True)
        file.write_text(submitted(folder / "release" / name / f"{name}.ipynb", kind))
    run(f"{programs}/nbgrader", "autograde", name, "--force", cwd=folder)
    run(f"{programs}/nbgrader", "export", "--to", "grades.csv", cwd=folder)
    with open(folder / "grades.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["assignment"] == name]
    return {row["student_id"]: float(row["score"]) for row in rows}


def of_otter(programs, folder, name):
    run(f"{programs}/otter", "assign", f"{name}.ipynb", "dist", "--no-pdfs", cwd=folder)
    (autograder,) = (folder / "dist" / "autograder").glob("*.zip")
    scores = {}
    for kind in ("right", "wrong", "empty"):
        file = folder / kind / f"{name}.ipynb"
        file.parent.mkdir()
        file.write_text(submitted(folder / "dist" / "student" / f"{name}.ipynb", kind))
        run(f"{programs}/otter", "run", "-a", autograder, file, "-o", file.parent, cwd=folder)
        graded = json.loads((file.parent / "results.json").read_text())["tests"]
        scores[kind] = sum(test.get("score", 0) for test in graded)
    return scores


def main():
    programs, *wanted = sys.argv[1:]
    programs = Path(programs).absolute()
    failed = []
    with tempfile.TemporaryDirectory() as scratch:
        assignments(ROOT / "notebooks", Path(scratch), COURSE)
        names = sorted(path.name for path in Path(scratch, "otter").iterdir())
        for name in [n for n in names if not wanted or n[:2] in wanted]:
            chapter = str(int(name[:2]))
            points = [one.points for one in all_exercises() if one.id.split(".")[0] == chapter]
            expected = {"right": sum(points), "wrong": 0, "empty": 0}
            for grader, grade, folder in (
                ("nbgrader", of_nbgrader, "nbgrader"),
                ("otter", of_otter, f"otter/{name}"),
            ):
                scores = grade(programs, Path(scratch, folder), name)
                print(f"{name}, {grader}: {scores}", flush=True)
                if scores != expected:
                    failed.append(f"{name}, {grader}: {scores}, expected {expected}")
    print("\n".join(failed) or "Both graders give right answers all points, and no others any.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
