"""The nbconvert exporter `cnn-course`: a notebook becomes one self-contained page."""

import copy
from html import escape
from pathlib import Path
from typing import Any

from nbconvert.exporters import TemplateExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode
from traitlets import Unicode, default

from cnnlib.arrays import read_path

from ..widgets import Explorer
from . import REPOSITORY, BuildError
from .checks import check_links
from .outline import Addresses, cell_address, tagged
from .outputs import outputs_html
from .pages import Site, page, single
from .prose import highlighted, to_html
from .reading import read

FOLDED = ("hint", "solution")  # of a cell with such a tag, a page shows only what it gives


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

        `resources["site"]` is the site that the page belongs to; without it, the page stands
        alone. `resources["page"]` is then what was read from its HTML.
        """
        resources = resources or {}
        name = resources.get("metadata", {}).get("name", "notebook")
        folder = Path(resources.get("metadata", {}).get("path") or ".")
        site: Site = resources.get("site") or single(name, nb, folder, self.repository)
        # Its own equations are addressed as they are seen from the page itself.
        equations = {n: at.removeprefix(f"{name}.html") for n, at in site.equations.items()}
        prepared, _ = CoalesceStreamsPreprocessor().preprocess(copy.deepcopy(nb), {})
        older = prepared.metadata.get("cnnlib", {})  # when and why older outputs are shown
        explorers: list[Explorer] = []
        for number, cell in enumerate(prepared.cells, 1):
            try:
                html = _cell(cell, folder, equations)
                outputs = ""
                if cell.cell_type == "code":
                    alone = not site.chapters
                    outputs = outputs_html(cell, folder, equations, explorers, alone)
            except BuildError as error:
                raise BuildError(f"{name}.ipynb, cell {number}: {error}") from None
            cell.metadata["page"] = {
                "number": number,
                "id": cell_address(cell),
                "html": html,
                "note": _failed(cell, older),
                "outputs": outputs,
            }
        body, resources = super().from_notebook_node(prepared, resources, **kw)
        html, resources["page"] = page(site, name, body, f"{name}.ipynb", explorers, older)
        if not site.chapters:
            files = {f"{path.stem}.html" for path in folder.glob("*.ipynb")} - {f"{name}.html"}
            check_links({f"{name}.html": resources["page"]}, files)
        return html, resources


def _cell(cell: NotebookNode, folder: Path, equations: Addresses) -> str:
    """What the author wrote, in HTML."""
    if cell.cell_type == "markdown":
        return to_html(cell.source, folder, equations, cell)
    if cell.cell_type == "raw" and cell.source.strip():
        raise BuildError("a raw cell is for other formats than pages: make it text or code")
    if cell.cell_type == "raw" or any(tagged(cell, tag) for tag in FOLDED):
        return ""
    return highlighted(cell.source, "ipython3", equations)


def _failed(cell: NotebookNode, older: dict[str, str]) -> str:
    """Say at the cell that could not be run where the outputs below it come from."""
    what = cell.metadata.get("failed")
    if not what:
        return ""
    below = f" What stands below was committed on {older['date']}." if cell.outputs else ""
    return escape(f"On {older['tried']} this cell failed: it {what.rstrip('.?!')}.{below}")
