"""The nbconvert exporter `cnn-course`: a notebook becomes one self-contained page."""

import copy
import re
from html import escape
from pathlib import Path
from typing import Any

from nbconvert.exporters import TemplateExporter
from nbformat import NotebookNode
from traitlets import Unicode, default
from traitlets.config import Config

from ..widgets import EXPLORERS, MIME, VIEW, Explorer
from . import REPOSITORY, BuildError
from .build import without_progress_bars
from .checks import Page, check_links
from .outline import Addresses, cell_address, read_chapter, tagged
from .pages import Site, page, single
from .prose import highlighted, picture, to_html

NOTEBOOK = re.compile(r'(<a href="\w+)\.ipynb(["#])')  # a link to another chapter
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

    @property
    def default_config(self) -> Config:
        order = [MIME, "text/html", "image/png", "text/plain"]
        config = Config({"NbConvertBase": {"display_data_priority": order}})
        config.merge(super().default_config)
        return config

    def from_notebook_node(  # type: ignore[override]
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Render the cells and the page around them, and check the result.

        `resources["site"]` is the site that the page belongs to; without it, the page stands alone.
        """
        resources = resources or {}
        name = resources.get("metadata", {}).get("name", "notebook")
        folder = Path(resources.get("metadata", {}).get("path") or ".")
        site: Site = resources.get("site") or single(name, folder, self.repository)
        equations = site.equations | _own(read_chapter(name, nb).equations)
        prepared = without_progress_bars(copy.deepcopy(nb))
        explorers: list[Explorer] = []
        for number, cell in enumerate(prepared.cells, 1):
            cell.metadata["page"] = {"number": number, "html": "", "id": cell_address(cell)}
            try:
                if cell.cell_type == "markdown":
                    html = to_html(cell.source, folder, equations, cell)
                    cell.metadata["page"]["html"] = html
                elif cell.cell_type == "code":
                    if not any(tagged(cell, tag) for tag in FOLDED):
                        html = highlighted(cell.source, "ipython3", equations)
                        cell.metadata["page"]["html"] = html
                    _prepare_outputs(cell, explorers, alone=not site.chapters)
            except BuildError as error:
                raise BuildError(f"{name}.ipynb, cell {number}: {error}") from None
        body, resources = super().from_notebook_node(prepared, resources, **kw)
        headings = Page(f"{name}.ipynb", body).headings
        html = page(site, name, body, headings, explorers, prepared.metadata.get("cnnlib", {}))
        if not site.chapters:
            rendered = Page(f"{name}.ipynb", html)
            files = {f"{path.stem}.html" for path in folder.glob("*.ipynb")} - {f"{name}.html"}
            check_links({f"{name}.html": rendered}, files)
        return html, resources


def _own(equations: Addresses) -> Addresses:
    """Addresses as they are seen from the page itself."""
    return {number: f"#{address.partition('#')[2]}" for number, address in equations.items()}


def _prepare_outputs(cell: NotebookNode, explorers: list[Explorer], alone: bool) -> None:
    """Write what the template shows of pictures and explorers; refuse controls without a kernel."""
    for output in cell.outputs:
        data = output.get("data", {})
        if "text/html" in data:  # a report leads to chapters, which are pages here
            data["text/html"] = NOTEBOOK.sub(r"\1.html\2", data["text/html"])
        if VIEW in data and MIME not in data and not tagged(cell, "playground"):
            raise BuildError(
                "a control cannot work without a kernel: make it an explorer of "
                "cnnlib.book.widgets, or a playground in a cell with the tag `playground`"
            )
        if "image/png" not in data:
            continue
        alt = output.metadata.get("image/png", {}).get("alt", "")
        if not alt.strip():
            raise BuildError(
                "a picture has no alternative text: end with figures.show(figure, alt)"
            )
        if MIME in data:
            explorer = EXPLORERS[data[MIME]["explorer"]](**data[MIME]["traits"])
            html = explorer_html(explorer, data["image/png"], explorers, alone)
        else:
            html = picture(data["image/png"], alt)
        output.metadata["page"] = html


def explorer_html(explorer: Explorer, png: str, shown: list[Explorer], alone: bool = False) -> str:
    """The place of an explorer in a page: its still, which the explorer replaces, and its address.

    The explorer joins `shown`, those of the page.
    """
    still = picture(png, explorer.alt).replace("<img ", '<img class="still" ')
    html = f'<div class="explorer" data-explorer="{len(shown)}">{still}</div>'
    shown.append(explorer)
    if alone:
        return html
    address = escape(f"explorers/{page_name(explorer)}#{explorer.address()}")
    return html + f'<p class="beside"><a href="{address}">This explorer on its own page</a></p>'


def page_name(explorer: Explorer | type[Explorer]) -> str:
    """The file of an explorer's own page in the folder `explorers`."""
    kind = explorer if isinstance(explorer, type) else type(explorer)
    return kind.__name__.removesuffix("Explorer").lower() + ".html"
