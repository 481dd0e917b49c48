"""The nbconvert exporter `cnn-course`: a notebook becomes one self-contained page."""

import copy
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from nbconvert.exporters import TemplateExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode
from traitlets import Unicode, default

from cnnlib.arrays import read_path

from ..exercises import all_exercises
from ..exercises.desk import Note
from ..widgets import Explorer
from . import REPOSITORY, BuildError
from .blocks import leveled
from .captions import Captions
from .checks import Page, check_links
from .opening import arranged
from .outline import Addresses, cell_address, tagged
from .outputs import outputs_html
from .pages import TAKEN, Site, Text, page, single
from .parts import Numbered
from .prose import highlighted, lines, to_html
from .reading import code_cells, read, titles

ELSEWHERE = ("native", "needs-torch", "needs-tensorflow")  # cells that no browser can run
FOLDED = ("hint", "solution")  # of a cell with such a tag, a page shows only what it gives
HINT = re.compile(r"""hint\(["']([\d.]+)["']\)""")


class CourseExporter(TemplateExporter):
    """Exports a page with live explorers, formulas in MathML, and nothing from outside."""

    export_from_notebook = "Page of the convolution book"
    output_mimetype = "text/html"
    repository = Unicode(
        REPOSITORY, help="Address of the repository; with it, pages offer pip and Binder."
    ).tag(config=True)

    @default("file_extension")
    def _file_extension_default(self) -> str:
        return ".html"

    @default("template_name")
    def _template_name_default(self) -> str:
        return "templates"

    @default("extra_template_basedirs")
    def _extra_template_basedirs_default(self) -> list[str]:
        return [str(Path(__file__).parent)]

    def from_filename(  # type: ignore[override]
        self, filename: str, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Convert a file; what is no notebook is named with the reason."""
        read(Path(read_path("filename", filename)))
        return super().from_filename(filename, resources, **kw)

    def from_notebook_node(  # type: ignore[override]
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Render the cells and the page around them, and check the result.

        `resources["site"]` is the site that the page belongs to; without it, the page stands alone.
        """
        resources = resources or {}
        name = resources.get("metadata", {}).get("name", "notebook")
        folder = Path(resources.get("metadata", {}).get("path") or ".")
        site: Site = resources.get("site") or single(name, nb, folder, self.repository)
        cells = [Numbered(number, cell) for number, cell in enumerate(nb.cells, 1)]
        title = next((title for cell in nb.cells for title in titles(cell)), "")
        text = self.text(site, name, nb, cells, folder, Captions.of(title))
        if not site.chapters:
            files = {f"{path.stem}.html" for path in folder.glob("*.ipynb")} - {f"{name}.html"}
            check_links({f"{name}.html": text.read}, files)
        return page(site, text), self._init_resources(resources)

    def text(
        self,
        site: Site,
        name: str,
        notebook: NotebookNode,
        cells: Sequence[Numbered],
        folder: Path,
        captions: Captions,
    ) -> Text:
        """The text of a page: these cells of a notebook, whose files are in `folder`.

        Raises
        ------
        BuildError
            See `checks` and `outputs`: the text would not be a page that works.
        """
        # Its own equations are addressed as they are seen from the page itself.
        equations = {n: at.removeprefix(f"{name}.html") for n, at in site.equations.items()}
        pieces = copy.deepcopy(notebook)
        pieces.cells = [copy.deepcopy(one.cell) for one in cells]
        pieces, _ = CoalesceStreamsPreprocessor().preprocess(pieces, {})
        older = pieces.metadata.get("cnnlib", {})  # when and why older outputs are shown
        explorers: list[Explorer] = []
        code = {id(cell): n for n, cell in enumerate(code_cells(notebook), 1)}
        for one, cell in zip(cells, pieces.cells, strict=True):
            captions.enter(cell_address(cell))
            try:
                html, outputs = _cell(cell, folder, equations), ""
                if cell.cell_type == "code":
                    alone = not site.chapters
                    outputs = outputs_html(cell, folder, equations, explorers, captions, alone)
            except BuildError as error:
                raise BuildError(f"{name}.ipynb, cell {one.number}: {error}") from None
            cell.metadata["page"] = {
                "number": one.number,
                "code": code.get(id(one.cell), ""),
                "elsewhere": any(tagged(cell, tag) for tag in ELSEWHERE),
                "id": cell_address(cell),
                "kind": _kind(cell),
                "html": html,
                "note": _failed(cell, older),
                "outputs": outputs + _hints(cell),
                "after": "",
            }
        prose = [cell.metadata["page"] for cell in pieces.cells if cell.cell_type == "markdown"]
        for piece, html in zip(prose, leveled([one["html"] for one in prose]), strict=True):
            piece["html"] = html
        pieces.cells = arranged(name, pieces.cells, explorers, not site.chapters)
        body = super().from_notebook_node(pieces, {"metadata": {"name": name}})[0]
        return Text(name, body, Page(f"{name}.ipynb", body, TAKEN), explorers, older)


def _kind(cell: NotebookNode) -> str:
    """What a code cell is for, where the page folds its code or draws it in another way."""
    return next((tag for tag in ("setup", "figure", "exercise") if tagged(cell, tag)), "")


def _hints(cell: NotebookNode) -> str:
    """The hints after the first: without a kernel nobody can ask for them."""
    asked = HINT.fullmatch(cell.source.strip())
    if cell.cell_type != "code" or not asked or not cell.outputs:
        return ""
    known = {exercise.id: exercise.hints for exercise in all_exercises()}
    hints = known.get(asked[1], ())
    notes = [
        Note(f"Hint {n} of {len(hints)} for exercise {asked[1]}", text)
        for n, text in enumerate(hints, 1)
    ]
    return "".join(f'<div class="output">{note.html()}</div>\n' for note in notes[1:])


def _cell(cell: NotebookNode, folder: Path, equations: Addresses) -> str:
    """What the author wrote, in HTML."""
    if cell.cell_type == "markdown":
        return to_html(cell.source, folder, equations, cell)
    if cell.cell_type == "raw" and cell.source.strip():
        raise BuildError("a raw cell is for other formats than pages: make it text or code")
    if cell.cell_type == "raw" or any(tagged(cell, tag) for tag in FOLDED):
        return ""
    return lines(highlighted(cell.source, "ipython3", equations))


def _failed(cell: NotebookNode, older: dict[str, str]) -> str:
    """Say at the cell that could not be run where the outputs below it come from."""
    what = cell.metadata.get("failed")
    if not what:
        return ""
    below = f" What stands below was committed on {older['date']}." if cell.outputs else ""
    return escape(f"On {older['tried']} this cell failed: it {what.rstrip('.?!')}.{below}")
