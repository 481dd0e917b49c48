"""Executes the notebooks, renders them to HTML and rewrites their committed outputs."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from os.path import relpath
from pathlib import Path
from urllib.parse import unquote

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from tqdm import tqdm

from cnnlib.errors import Error

CELL_TIMEOUT = 600  # seconds; as long as nbval gives a cell in `make test`
LIBRARY = Path(__file__).parents[1]
START_PAGE = "00_start_here"
VIEW = "application/vnd.jupyter.widget-view+json"


class BuildError(Error, RuntimeError):
    """The book cannot be built: the message names the notebook, the place in it and the reason."""


def execute(notebooks: Path, build: Path) -> None:
    """Execute into `build` every notebook whose content or library changed since it was last done.

    Beside each result stands the fingerprint of what it was made from. A failure leaves the old
    result in place.
    """
    read = (LIBRARY, notebooks / "results")  # what a notebook reads besides itself
    marks = {path: fingerprint(_read(path), *read) for path in chapters(notebooks)}
    stale = [path for path, mark in marks.items() if not _is_fresh(build / path.name, mark)]
    for path, notebook in _executed(stale):
        _write(build / path.name, nbformat.writes(notebook) + "\n")
        _write(_mark_file(build / path.name), marks[path])
    print(f"{len(stale)} of {len(marks)} notebooks executed, the others had not changed.")


def rewrite(notebooks: Path) -> None:
    """Execute every notebook in place and keep only what is the same on every machine."""
    for path, notebook in _executed(chapters(notebooks)):
        _write(path, nbformat.writes(without_volatile_parts(notebook)) + "\n")


def render(notebooks: Path, executed: Path, html: Path) -> None:
    """Render each notebook of the book, taken as it stands in `executed`, to a page in `html`.

    The start page is also the folder's `index.html`.
    """
    pages = {path.stem: page(executed / path.name, notebooks, html) for path in chapters(notebooks)}
    if START_PAGE in pages:
        pages["index"] = pages[START_PAGE]
    for old in html.glob("*.html"):
        if old.stem not in pages:
            old.unlink()
    for name, text in pages.items():
        _write(html / f"{name}.html", text)
    print(f"{len(pages)} pages rendered: open {html / 'index.html'}")


def page(path: Path, notebooks: Path, html: Path) -> str:
    """Render one executed notebook. Its links and images count from the folder `notebooks`."""
    resources = {"metadata": {"name": path.stem, "path": str(notebooks)}}
    exporter = HTMLExporter(embed_images=True)
    body, _ = exporter.from_notebook_node(without_progress_bars(_read(path)), resources)

    def relocated(link: re.Match[str]) -> str:
        opening, target, rest = link.groups()
        file = notebooks / unquote(target)
        if not file.exists():
            raise BuildError(f"{path.name} names {target}, which is not there: mend the link.")
        if file.suffix == ".ipynb" and file.resolve().parent == notebooks.resolve():
            return f'{opening}{file.stem}.html{rest}"'
        return f'{opening}{relpath(file, html)}{rest}"'

    # Relative links only: an address has a colon or starts with two slashes, an anchor with #.
    links = r'(<(?:a|img)\b[^<>]*?\b(?:href|src)=")(?!//)([^":#?]+)([^":]*)"'
    return re.sub(links, relocated, body)


def chapters(notebooks: Path) -> list[Path]:
    """List the notebooks in the order of the book."""
    found = sorted(notebooks.glob("*.ipynb"))
    if not found:
        raise BuildError(f"No notebooks in {notebooks}/: run this in the repository's top folder.")
    return found


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
            if VIEW in output.get("data", {}):
                # Empty means removed: Jupyter then shows nothing instead of an error.
                output["data"][VIEW]["model_id"] = ""
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
    books = {path: _read(path) for path in paths}
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


def _mark_file(result: Path) -> Path:
    return result.with_suffix(".sha256")


def _read(path: Path) -> NotebookNode:
    if not path.exists():
        raise BuildError(f"{path} is missing: execute the notebooks first.")
    return nbformat.read(path, as_version=4)


def _write(path: Path, text: str) -> None:
    """Write a file all at once, so that a stop halfway leaves the old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    try:
        draft.write_text(text, encoding="utf-8", newline="\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
