"""The exercises as assignments for nbgrader and for otter-grader, a notebook a chapter.

Both are made from the same questions. They are sources: they contain the solutions, and the grader
makes of them what students get. A right answer is proven by the same `check` as in the book.
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

from cnnlib.errors import InputError

from ..exercises import Own, answer_of, get, solution
from ..exercises.desk import Exercise
from ..exercises.own import read_name
from . import BuildError
from .build import LIBRARY
from .outline import ids, tagged
from .reading import chapters, read, titles, write
from .wheels import wheel

INSTRUCTOR = "instructor"  # for whom the solutions of the sources are right
WHO = "student = ...  # your name or number, as your course has it"
SOLVED = ("### BEGIN SOLUTION", "### END SOLUTION"), ("# BEGIN SOLUTION", "# END SOLUTION")
NBGRADER = """c = get_config()
c.CourseDirectory.course_id = {course!r}
# What stands in front of a solution is the start of the answer.
c.ClearSolutions.code_stub = {{"python": ""}}
c.ExecutePreprocessor.timeout = 120
c.ExecutePreprocessor.iopub_timeout = 120  # a busy server
"""
OTTER = """# ASSIGNMENT CONFIG
name: {name}
solutions_pdf: false
template_pdf: false
export_cell:
  pdf: false
strip_solutions_from_all_cells: true
show_question_points: true
requirements: requirements.txt
files: [{wheel}]
"""


@dataclass(frozen=True)
class Task:
    """An exercise of a chapter: its text, what is given, where the answer begins."""

    exercise: Exercise
    text: str
    given: tuple[str, ...] = ()
    start: str = ""

    @property
    def title(self) -> str:
        """With its points, which a student wants to know beforehand."""
        points = self.exercise.points
        return f"## Exercise {self.exercise.id} ({points} point{'s' if points > 1 else ''})"


def assignments(notebooks: Path, folder: Path, course: str) -> None:
    """Write the sources of all chapters; `course` is the seed of the students' own numbers.

    Raises
    ------
    InputError
        The seed is not a line of text.
    BuildError
        Of an exercise something is missing, or two share a cell: none is left out in silence.
    """
    course = read_name("seed", course)
    packed, content = wheel(solutions=False)
    files: dict[str, str | bytes] = {
        "nbgrader/nbgrader_config.py": NBGRADER.format(course=course),
        f"nbgrader/{packed}": content,
    }
    for path in chapters(notebooks):
        notebook, name = read(path), path.stem
        tasks = list(_tasks(path.name, notebook))
        if not tasks:
            continue
        title = next((title for cell in notebook.cells for title in titles(cell)), name)
        source = f"nbgrader/source/{name}"
        files[f"{source}/{name}.ipynb"] = _written(for_nbgrader(title, tasks, course))
        files[f"otter/{name}/{name}.ipynb"] = _written(
            for_otter(title, tasks, course, packed, name)
        )
        files[f"otter/{name}/{packed}"] = content
        files[f"otter/{name}/requirements.txt"] = f"./files/{packed}[book]\n"
    for file, text in files.items():
        write(folder / file, text)
    made = sum(file.endswith(".ipynb") for file in files) // 2
    print(f"Assignments of {made} chapters: {folder / 'nbgrader'}, {folder / 'otter'}")


def for_nbgrader(title: str, tasks: list[Task], course: str) -> NotebookNode:
    """The source from which `nbgrader generate_assignment` makes what students get."""

    def marked(cell: NotebookNode, name: str, **what: Any) -> NotebookNode:
        plain = {"grade": False, "solution": False, "locked": False, "task": False}
        cell.metadata["nbgrader"] = plain | {"schema_version": 3, "grade_id": name} | what
        return cell

    who = f'{WHO}\n{SOLVED[0][0]}\nstudent = "{INSTRUCTOR}"\n{SOLVED[0][1]}'
    cells = [
        new_markdown_cell(f"# {title}"),
        marked(new_code_cell(_setup(tasks)), "setup", locked=True),
        marked(new_code_cell(who), "student", solution=True),
        marked(new_code_cell(_mine(course)), "numbers", locked=True),
    ]
    for task in tasks:
        id, exercise = task.exercise.id.replace(".", "-"), task.exercise
        points = f'mine.check("{exercise.id}", {exercise.name}).points'
        cells += _asked(task)
        cells += [
            marked(new_code_cell(_answer(task, course, SOLVED[0])), f"answer-{id}", solution=True),
            marked(
                new_code_cell(points), f"exercise-{id}", grade=True, locked=True,
                points=exercise.points,
            ),
        ]  # fmt: skip
    return _notebook(cells)


def for_otter(title: str, tasks: list[Task], course: str, packed: str, name: str) -> NotebookNode:
    """The master from which `otter assign` makes what students get, and the autograder."""
    cells = [
        new_raw_cell(OTTER.format(name=name, wheel=packed)),
        new_markdown_cell(f"# {title}"),
        new_code_cell(_setup(tasks)),
        new_code_cell(f"{WHO} # SOLUTION".replace("...", f'"{INSTRUCTOR}"')),
        new_code_cell(_mine(course)),
    ]
    for task in tasks:
        exercise = task.exercise
        test = new_code_cell(f'mine.check("{exercise.id}", {exercise.name}).status')
        test.outputs = [new_output("execute_result", {"text/plain": "'right'"})]
        name = f"q{exercise.id.replace('.', '_')}"
        question = f"# BEGIN QUESTION\nname: {name}\npoints: {exercise.points}"
        cells += [
            new_raw_cell(question),
            *_asked(task),
            new_raw_cell("# BEGIN SOLUTION"),
            new_code_cell(_answer(task, course, SOLVED[1])),
            new_raw_cell("# END SOLUTION"),
            new_raw_cell("# BEGIN TESTS"),
            test,
            new_raw_cell("# END TESTS"),
            new_raw_cell("# END QUESTION"),
        ]
    return _notebook(cells)


def _tasks(file: str, notebook: NotebookNode) -> Iterator[Task]:
    """The exercises of a chapter, each from its text to its solution."""
    task: Task | None = None
    where = ""
    for at, cell in enumerate(notebook.cells, 1):
        if asked := list(ids(cell, "exercises")):
            _check_whole(where, task)
            where = f"{file}, cell {at}"
            task = _begun(where, cell.source, asked)
        elif task and cell.cell_type == "code":
            if not tagged(cell, "exercise"):
                task = replace(task, given=(*task.given, cell.source))
            elif re.search(rf"^(def )?{task.exercise.name}\b", cell.source, re.MULTILINE):
                start = re.sub(r"^check\(.*\n?", "", cell.source, flags=re.MULTILINE).strip()
                task = replace(task, start=start)
            elif tagged(cell, "solution") and task.start:
                yield task
                task = None
    _check_whole(where, task)


def _begun(where: str, source: str, asked: list[str]) -> Task:
    """An exercise of which only the text is read so far."""
    if len(asked) > 1:
        raise BuildError(
            f"{where}: exercises {' and '.join(sorted(asked))} share a cell; give each a cell of "
            "its own, with its answer and its solution below it"
        )
    try:
        exercise = get(asked[0])
    except InputError as error:
        raise BuildError(f"{where}: {error}") from None
    head = f"**Exercise {exercise.id}"
    if head not in source:
        raise BuildError(f"{where}: its metadata name an exercise; begin its text with {head}.**")
    return Task(exercise, source[source.index(head) :])


def _check_whole(where: str, task: Task | None) -> None:
    """An exercise whose text was read has been handed on before the next one begins."""
    if task:
        start = f"the start of its answer, `{task.exercise.name} = ...`, tagged `exercise`"
        missing = "its solution, tagged `solution`" if task.start else start
        raise BuildError(f"{where}: below exercise {task.exercise.id} no cell has {missing}")


def _setup(tasks: list[Task]) -> str:
    """What the answers may use: the imports of the chapter's solutions."""
    chapter = tasks[0].exercise.id.split(".")[0]
    file = LIBRARY / f"book/exercises/solutions/chapter_{chapter}.py"
    tree = ast.parse(file.read_text(encoding="utf-8")).body
    imports = {ast.unparse(node) for node in tree if isinstance(node, ast.Import | ast.ImportFrom)}
    common = {"import numpy as np", "import cnnlib"}
    book = "from cnnlib.book.exercises import Own, hint"
    return "\n".join([*sorted(imports | common, reverse=True), book])


def _mine(course: str) -> str:
    text = json.dumps(course, ensure_ascii=False)
    return f"mine = Own({text}, student)  # exercises with numbers of your own"


def _asked(task: Task) -> list[NotebookNode]:
    """The text, or the cell that asks with the student's numbers, and what is given."""
    if task.exercise.variant:
        asked = [new_markdown_cell(task.title), new_code_cell(f'mine.ask("{task.exercise.id}")')]
    else:
        asked = [new_markdown_cell(f"{task.title}\n\n{task.text}")]
    return [*asked, *map(new_code_cell, task.given)]


def _answer(task: Task, course: str, marks: tuple[str, str]) -> str:
    exercise = task.exercise
    if exercise.variant:
        right = plain(answer_of(exercise, Own(course, INSTRUCTOR)))
        solved = f"{exercise.name} = {right!r}  # of the student {INSTRUCTOR!r}"
    else:
        solved = solution(exercise.id).text
    check = f'mine.check("{exercise.id}", {exercise.name})'
    return "\n".join([task.start, marks[0], solved, marks[1], check])


def plain(value: Any) -> Any:
    """An answer as one would write it: numbers and lists."""
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return np.round(np.asarray(value), 9).tolist()


def _notebook(cells: list[NotebookNode]) -> NotebookNode:
    """With ids that say where a cell stands: the same source gives the same file."""
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _written(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook) + "\n"
