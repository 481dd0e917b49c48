"""Every mistake's link leads to the heading of its section, in the notebooks and in the pages."""

import re
from html import unescape
from pathlib import Path

import pytest

pytest.importorskip("nbconvert")
pytest.importorskip("anywidget")

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cnnlib.book.publish import BuildError
from cnnlib.book.publish.exporter import CourseExporter
from cnnlib.book.publish.prose import to_html
from cnnlib.diagnosis import Finding, Report, mistakes

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
REPORT = Report([Finding("dx", "D1", "What is wrong.")], [])


class _Any(dict):
    """Knows every equation: other chapters are none of this test's business."""

    def get(self, number, default=None):
        return "#"


def headings(name):
    book = nbformat.read(NOTEBOOKS / name, as_version=4)
    text = "\n\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    return re.findall(r"^#+ .+$", text, re.MULTILINE)


@pytest.mark.parametrize(
    "mistake", [*mistakes.every(), *mistakes.reported()], ids=lambda mistake: mistake.id
)
def test_the_anchor_is_that_of_the_heading(mistake):
    name, mark, anchor = mistake.link.partition("#")
    lines = headings(name)
    assert mark and f"## {mistake.heading}" in lines
    jupyter = [line.lstrip("# ").replace(" ", "-") for line in lines]
    assert jupyter.count(anchor) == 1
    book = nbformat.read(NOTEBOOKS / name, as_version=4)
    texts = [cell for cell in book.cells if cell.cell_type == "markdown"]
    page = "".join(to_html(cell.source, NOTEBOOKS, _Any(), cell) for cell in texts)
    ids = [unescape(id) for id in re.findall(r'id="([^"]*)"', page)]
    assert ids.count(anchor) == 1


def saved(folder, name, *cells):
    book = new_notebook(cells=list(cells))
    for number, cell in enumerate(book.cells):
        cell["id"] = f"cell-{number}"
    nbformat.write(book, folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


def test_a_report_in_a_page_leads_to_a_page(tmp_path):
    html = REPORT._repr_html_()
    link, place = mistakes.get("D1").link, mistakes.get("D1").place
    assert f'<a href="{link}">{place}</a>' in html
    shown = new_code_cell("report", execution_count=1)
    shown.outputs = [new_output("execute_result", {"text/html": html}, execution_count=1)]
    saved(
        tmp_path, "03_delta_backprop", new_markdown_cell(f"# 3\n\n## {mistakes.get('D1').heading}")
    )
    path = saved(tmp_path, "09_mine", new_markdown_cell("# 9. Mine"), shown)
    page, _ = CourseExporter().from_filename(str(path))
    assert f'<a href="{link.replace(".ipynb", ".html")}">{place}</a>' in page
    assert nbformat.read(path, as_version=4).cells[1].outputs[0].data["text/html"] == html


def test_a_report_that_leads_nowhere_stops_the_builder(tmp_path):
    shown = new_code_cell("report", execution_count=1)
    html = REPORT._repr_html_()
    shown.outputs = [new_output("execute_result", {"text/html": html}, execution_count=1)]
    path = saved(tmp_path, "09_mine", new_markdown_cell("# 9. Mine"), shown)
    with pytest.raises(BuildError, match=r"03_delta_backprop.*no such file"):
        CourseExporter().from_filename(str(path))
