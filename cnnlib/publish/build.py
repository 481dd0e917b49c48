"""Executes the notebooks, and rewrites their committed outputs."""

import hashlib
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from tqdm import tqdm

from . import BuildError

CELL_TIMEOUT = 600  # seconds; as long as nbval gives a cell in `make test`
LIBRARY = Path(__file__).parents[1]
COMPANIONS = ("results", "scripts")  # folders beside the notebooks: what these read and run
OPTIONAL = ("tensorflow", "torch")  # too large to be required
VIEW = "application/vnd.jupyter.widget-view+json"


def execute(notebooks: Path, build: Path, complete: bool = False) -> None:
    """Execute into `build` every notebook whose content or library changed since it was last done.

    Beside each result stands the fingerprint of what it was made from. A failure leaves the old
    result in place. Where a package of `OPTIONAL` that a notebook needs is missing, its committed
    outputs are taken, with a dated note; if `complete`, that is an error.
    """
    folders = (LIBRARY, *(notebooks / name for name in COMPANIONS))
    books = {path: read(path) for path in chapters(notebooks)}
    without = {path: missing(book) for path, book in books.items()}
    marks = {p: " ".join([fingerprint(book, *folders), *without[p]]) for p, book in books.items()}
    stale = [path for path, mark in marks.items() if not _is_fresh(build / path.name, mark)]
    for path in [path for path in stale if without[path]]:
        names = " and ".join(without[path])
        if complete:
            raise BuildError(f"{path.name} needs {names}: install that, or leave --complete out.")
        print(f"{path.name} keeps its committed outputs: {names} is not installed.")
        books[path].metadata["cnnlib"] = {"date": committed_on(path), "missing": without[path]}
        _keep(build / path.name, books[path], marks[path])
    due = [path for path in stale if not without[path]]
    for path, notebook in _executed(due):
        _keep(build / path.name, notebook, marks[path])
    print(f"{len(due)} of {len(marks)} notebooks executed, the others had not changed.")


def rewrite(notebooks: Path) -> None:
    """Execute every notebook in place and keep only what is the same on every machine."""
    for path, notebook in _executed(chapters(notebooks)):
        write(path, nbformat.writes(without_volatile_parts(notebook)) + "\n")


def companions(notebooks: Path) -> dict[str, bytes]:
    """The files that notebooks read and run, by their paths beside the notebooks."""
    files = [file for name in COMPANIONS for file in sorted((notebooks / name).glob("*.*"))]
    return {file.relative_to(notebooks).as_posix(): file.read_bytes() for file in files}


def chapters(notebooks: Path) -> list[Path]:
    """List the notebooks in the order of the book."""
    found = sorted(notebooks.glob("*.ipynb"))
    if not found:
        raise BuildError(f"No notebooks in {notebooks}/: run this in the repository's top folder.")
    return found


def missing(notebook: NotebookNode) -> list[str]:
    """The packages of `OPTIONAL` that its code imports and that are not installed."""
    code = "\n".join(cell.source for cell in _code(notebook))
    named = [n for n in OPTIONAL if re.search(rf"^\s*(?:import|from) {n}\b", code, re.MULTILINE)]
    return [name for name in named if find_spec(name) is None]


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
    """Hash what an executed notebook depends on: its cells without outputs, and these folders."""
    digest = hashlib.sha256()
    for cell in notebook.cells:
        digest.update(repr((cell.cell_type, cell.source, cell.metadata.get("tags"))).encode())
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


def without_progress_bars(notebook: NotebookNode) -> NotebookNode:
    """Remove the bars of finished loops: without a kernel they would stand at 0 % for ever."""
    for cell in _code(notebook):
        cell.outputs = [
            output
            for output in cell.outputs
            if not (VIEW in output.get("data", {}) and "%|" in output.data.get("text/plain", ""))
        ]
    return notebook


def _executed(paths: list[Path]) -> Iterator[tuple[Path, NotebookNode]]:
    """Execute the notebooks one after the other, with one progress bar over all their cells."""
    if not paths:
        return
    books = {path: read(path) for path in paths}
    with tqdm(total=sum(len(_code(book)) for book in books.values()), unit="cell") as bar:
        for path, notebook in books.items():
            bar.set_description(path.stem)
            _run(path, notebook, bar)
            yield path, notebook


def _run(path: Path, notebook: NotebookNode, bar: tqdm) -> None:
    """Execute the cells from top to bottom in a fresh kernel that works in their folder."""
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_TIMEOUT,
        extra_arguments=["--log-level=ERROR"],  # its start-up advice would break the bar
        coalesce_streams=True,  # otherwise the kernel's timing decides where a stream is cut
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.on_cell_executed = lambda **_: bar.update()
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        number = client.code_cells_executed
        source = _code(notebook)[number - 1].source.splitlines()
        reason = getattr(error, "traceback", None) or str(error).splitlines()[0]
        report = [f"{path.name} stops at code cell {number}. Its first lines:"]
        report += [f"    {line}" for line in source[:4]]
        report += ["The last lines of the error:"]
        report += [f"    {line}" for line in strip_ansi(reason).splitlines()[-4:]]
        raise BuildError("\n".join([*report, "The last good result is kept."])) from error


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def _is_fresh(result: Path, mark: str) -> bool:
    file = _mark_file(result)
    return result.exists() and file.exists() and file.read_text() == mark


def _keep(result: Path, notebook: NotebookNode, mark: str) -> None:
    write(result, nbformat.writes(notebook) + "\n")
    write(_mark_file(result), mark)


def _mark_file(result: Path) -> Path:
    return result.with_suffix(".sha256")


def read(path: Path) -> NotebookNode:
    if not path.exists():
        raise BuildError(f"{path} is missing: execute the notebooks first.")
    return nbformat.read(path, as_version=4)


def write(path: Path, content: str | bytes) -> None:
    """Write a file all at once, so that a stop halfway leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    try:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
