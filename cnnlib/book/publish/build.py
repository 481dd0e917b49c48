"""Makes the book: executes what changed, keeps what failed as it was committed, renders all."""

import copy
import hashlib
import subprocess
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from .execution import INTERRUPTED, Failure, execute, without_path
from .outline import tagged
from .reading import COMPANIONS, UnreadableError, chapters, code_cells, read, write

LIBRARY = Path(__file__).parents[2]
OPTIONAL = ("tensorflow", "torch")  # too large to be required
VIEW = "application/vnd.jupyter.widget-view+json"


@dataclass
class Book:
    """What the pages are made of: the notebooks by name, and why some could not be executed."""

    notebooks: dict[str, NotebookNode]
    failures: dict[str, Failure] = field(default_factory=dict)

    @property
    def unread(self) -> set[str]:
        """The notebooks that could not be read, so that not even an older output is there."""
        notes = {name: book.metadata.get("cnnlib") for name, book in self.notebooks.items()}
        return {name for name, note in notes.items() if note and "date" not in note}

    def report(self, consequence: str) -> str:
        """Which chapters failed, where, why and with what consequence; nothing if none did."""
        stopped = [name for name, one in self.failures.items() if one.reason == INTERRUPTED]
        lines = []
        for name, failure in sorted(self.failures.items()):
            if name not in stopped:
                lines += [f"{name}.ipynb: {failure.reason}", *failure.details, ""]
        failed, every = len(self.failures) - len(stopped), len(self.notebooks)
        if stopped:
            lines.append(f"Interrupted: {len(stopped)} of {every} chapters were not executed.")
        if failed:
            lines.append(f"{failed} of {every} chapters failed.")
        return "\n".join([*lines, consequence] if lines else [])


def make(notebooks: Path, build: Path, jobs: int = 0) -> Book:
    """Execute into `build` every notebook whose code or library changed since it was last done.

    Beside each result stands the fingerprint of what it was made from. Where only the text changed,
    it has the outputs of the last execution. A chapter that fails does not stop the others: the
    book has its committed outputs, with a dated note, and the next run begins with it. Where a
    package of `OPTIONAL` is missing, that is no failure.
    """
    folders = (LIBRARY, *(notebooks / name for name in COMPANIONS))
    book, due, marks, fresh = Book({}), {}, {}, 0
    for path in chapters(notebooks):
        result = build / path.name
        try:
            notebook = book.notebooks[path.stem] = read(path)
        except UnreadableError as error:
            book.notebooks[path.stem] = _placeholder(path, error.reason)
            book.failures[path.stem] = Failure(error.reason)
            print(f"{path.name}: FAILED, {error.reason}")
            continue
        absent = missing(notebook)
        mark = marks[path] = fingerprint(notebook, *folders)
        if absent:
            reason = f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed"
            print(f"{path.name} keeps its committed outputs: {reason}.")
            _explained(notebook, path, Failure(reason))
            _keep(result, notebook, f"without {' '.join(absent)}")
        elif before := _result(result, mark, notebook):
            book.notebooks[path.stem] = _with_outputs(notebook, before)
            if book.notebooks[path.stem] != before:
                _keep(result, book.notebooks[path.stem], mark)
            fresh += 1
        else:
            due[path] = copy.deepcopy(notebook)

    def done(path: Path, failure: Failure | None) -> None:
        try:
            if failure is None:
                executed = _with_outputs(book.notebooks[path.stem], due[path])
                _keep(build / path.name, executed, marks[path])
                book.notebooks[path.stem] = executed
        except OSError as error:
            failure = Failure(f"its result could not be written: {without_path(error)}")
        if failure:
            _mark_file(build / path.name).unlink(missing_ok=True)
            _explained(book.notebooks[path.stem], path, failure)
            book.failures[path.stem] = failure

    # What is missing comes first; then the last chapters, which take longest: at the end, no core
    # has to wait for a long one.
    order = sorted(reversed(due), key=lambda path: _mark_file(build / path.name).exists())
    execute({path: due[path] for path in order}, done, jobs)
    executed = sum(path.stem not in book.failures for path in due)
    unchanged = f", {fresh} had not changed" if fresh else ""
    print(f"{executed} of {len(book.notebooks)} notebooks executed{unchanged}.")
    return book


def committed(notebooks: Path) -> Book:
    """The notebooks with their committed outputs."""
    return Book({path.stem: read(path) for path in chapters(notebooks)})


def rewrite(notebooks: Path) -> Book:
    """Execute every notebook in place and keep only what is the same on every machine.

    One after the other, so that none disturbs what another one prints of the clock.
    """
    books = {path: read(path) for path in chapters(notebooks)}
    book = Book({path.stem: notebook for path, notebook in books.items()})

    def done(path: Path, failure: Failure | None) -> None:
        if failure:
            book.failures[path.stem] = failure
        else:
            write(path, nbformat.writes(without_volatile_parts(books[path])) + "\n")

    execute(books, done, jobs=1)
    return book


def missing(notebook: NotebookNode) -> list[str]:
    """The packages of `OPTIONAL` that its cells say they need and that are not installed."""
    wanted = [n for n in OPTIONAL if any(tagged(cell, f"needs-{n}") for cell in notebook.cells)]
    return [name for name in wanted if find_spec(name) is None]


def committed_on(path: Path) -> str:
    """The day of the last commit of a file; where there is no git, the day of the file."""
    command = ["git", "log", "-1", "--format=%cs", "--", path.name]
    try:
        asked = subprocess.run(
            command, cwd=path.parent, capture_output=True, text=True, check=False
        )
        day = asked.stdout.strip()
    except OSError:
        day = ""
    return day or date.fromtimestamp(path.stat().st_mtime).isoformat()


def fingerprint(notebook: NotebookNode, *folders: Path) -> str:
    """Hash what the outputs of a notebook depend on: its code cells, and these folders."""
    digest = hashlib.sha256(repr(_code(notebook)).encode())
    for folder in folders:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = file.relative_to(folder)
            # No notebook imports the builder, and bytecode is made from the sources.
            if not {"publish", "__pycache__"} & set(name.parts):
                digest.update(name.as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def without_volatile_parts(notebook: NotebookNode) -> NotebookNode:
    """Remove from an executed notebook what another run or another machine would write anew."""
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata.pop("widgets", None)
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    notebook.metadata.get("language_info", {}).pop("version", None)
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        # A cell's id follows from its source: Jupyter and jupytext would draw one at random.
        name = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        seen[name] += 1
        cell["id"] = name if seen[name] == 1 else f"{name}-{seen[name]}"
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if VIEW in data and "image/png" in data:
                del data[VIEW]  # Jupyter then shows the still
            elif VIEW in data:
                data[VIEW]["model_id"] = ""  # Jupyter then shows nothing instead of an error
    return notebook


def _with_outputs(notebook: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """A copy of the notebook with the outputs of one that has the same code cells."""
    made = copy.deepcopy(notebook)
    for cell, done in zip(code_cells(made), code_cells(executed), strict=True):
        cell.outputs, cell.execution_count = done.outputs, done.execution_count
    return made


def _code(notebook: NotebookNode) -> list[tuple[str, list[str]]]:
    """What is executed, and the tags that say how."""
    return [(cell.source, cell.metadata.get("tags", [])) for cell in code_cells(notebook)]


def _explained(notebook: NotebookNode, path: Path, failure: Failure) -> None:
    """Leave in the notebook what its page says about its older outputs, and at which cell."""
    dates = {"date": committed_on(path), "tried": date.today().isoformat()}
    notebook.metadata["cnnlib"] = dates | {"reason": failure.reason}
    if failure.cell:
        code_cells(notebook)[failure.cell - 1].metadata["failed"] = failure.what


def _placeholder(path: Path, reason: str) -> NotebookNode:
    """A page in the place of a notebook that cannot be read: links to it lead here."""
    text = f"# {path.stem}\n\nThis chapter is missing."
    notebook = new_notebook(cells=[new_markdown_cell(text)])
    notebook.metadata["cnnlib"] = {"tried": date.today().isoformat(), "reason": reason}
    return notebook


def _result(path: Path, mark: str, notebook: NotebookNode) -> NotebookNode | None:
    """What was executed last, if it is whole and was made from the same code."""
    file = _mark_file(path)
    if path.exists() and file.exists() and file.read_text() == mark:
        with suppress(UnreadableError):
            before = read(path)
            return before if _code(before) == _code(notebook) else None
    return None


def _keep(result: Path, notebook: NotebookNode, mark: str) -> None:
    write(result, nbformat.writes(notebook) + "\n")
    write(_mark_file(result), mark)


def _mark_file(result: Path) -> Path:
    return result.with_suffix(".sha256")
