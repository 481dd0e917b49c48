"""Jupyter's own exporters, with the settings that an installation brings."""

import io
import json
import re
import tomllib
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("nbconvert")
pytest.importorskip("anywidget")

from nbconvert import HTMLExporter, SlidesExporter
from traitlets.config import Config

from cnnlib.book.publish.reading import read
from cnnlib.book.publish.slides import TYPES, tag
from cnnlib.book.publish.wheels import LIBRARY, wheel

ROOT = Path(__file__).parents[3]
PLACE = "etc/jupyter/jupyter_nbconvert_config.d"
FILE = LIBRARY / "book/publish/cnnlib.json"
SETTINGS = Config(json.loads(FILE.read_text(encoding="utf-8")))
CHAPTER = ROOT / "notebooks" / "03_delta_backprop.ipynb"


def texts_of(notebook):
    """The alternative texts of a notebook's pictures."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    found = [output.get("metadata", {}).get("image/png", {}).get("alt") for output in outputs]
    return [alt for alt in found if alt]


def pictures(html):
    return [re.search(r'alt="([^"]*)"', tag) for tag in re.findall("<img[^>]*>", html)]


def test_html_keeps_every_alternative_text():
    notebook = read(CHAPTER)
    wanted = texts_of(notebook)
    html = HTMLExporter(config=SETTINGS).from_notebook_node(notebook)[0]
    assert len(wanted) > 15
    assert sorted(found[1].replace("&#x27;", "'") for found in pictures(html)) == sorted(wanted)
    without = HTMLExporter().from_notebook_node(notebook)[0]
    assert not {found[1] for found in pictures(without)} & set(wanted)  # so they come from us


def test_slides_are_sections_with_something_to_see_on_them():
    notebook = read(CHAPTER)
    html = SlidesExporter(config=SETTINGS).from_notebook_node(notebook)[0]
    sections = re.findall(r"^## 3\.\d+ ", "\n".join(c.source for c in notebook.cells), re.MULTILINE)
    # reveal.js wants a section for each slide around those below each other.
    outer = re.split(r"<section[^>]*><section", html)[1:]
    assert len(sections) <= len(outer) <= len(sections) + 5
    assert not re.search(r"(?:hint|solution|check)(?:</span>)?\(", re.sub("<[^>]*>", "", html))
    shown = [cell for cell in notebook.cells if "figure" in cell.metadata.get("tags", [])]
    assert html.count("<img") == len(shown)
    assert "var scroll = true" in html  # what is longer than a screen is not cut off


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_every_cell_says_how_it_is_shown(path):
    kinds = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in read(path).cells]
    assert set(kinds) <= set(TYPES), "run make number"
    assert "slide" in kinds


def test_tagging_changes_nothing_that_is_said(tmp_path):
    copy = tmp_path / CHAPTER.name
    notebook = read(CHAPTER)
    notebook.cells[3].metadata["slideshow"]["slide_type"] = "skip"
    del notebook.cells[7].metadata["slideshow"]
    copy.write_text(json.dumps(notebook), encoding="utf-8")
    tag(tmp_path)
    cells = read(copy).cells
    assert cells[3].metadata["slideshow"]["slide_type"] == "skip"
    assert cells[7].metadata == read(CHAPTER).cells[7].metadata


def test_every_installation_brings_the_settings():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = project["tool"]["setuptools"]["data-files"]
    assert named == {PLACE: [FILE.relative_to(LIBRARY.parent).as_posix()]}
    for solutions in (True, False):
        name, content = wheel(solutions)
        data = f"{name.partition('-py3')[0]}.data/data/{PLACE}/cnnlib.json"
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.read(data) == FILE.read_bytes()
