"""Chapter 1 with all that makes its cells run, and a page of it in a browser without a network."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from opening import Opened

ROOT = Path(__file__).parents[4]
PLACES = (
    os.environ.get("CNNLIB_PYODIDE"),
    ROOT / "build/pyodide",
    ROOT.parent / "shared/data/pyodide",
)
CACHE = ROOT / "build/pyodide"  # what `make html` keeps, too
CHAPTER = "01_forward_pass"


@pytest.fixture(scope="session")
def pyodide():
    """The files of Pyodide, by name."""
    from cnnlib.book.publish.live.table import files

    for folder in map(Path, filter(None, PLACES)):
        found = {file.name: folder / file.name for file in files()}
        if all(path.is_file() for path in found.values()):
            return {name: path.read_bytes() for name, path in found.items()}
    pytest.skip("CNNLIB_PYODIDE names no folder with the files of Pyodide: make live gets them")


@pytest.fixture(scope="session")
def live_site(pyodide, tmp_path_factory):
    """A folder with one chapter's page and what lies beside it."""
    pytest.importorskip("nbconvert")
    from cnnlib.book.publish import site as builder
    from cnnlib.book.publish.build import committed
    from cnnlib.book.publish.live.packing import pack
    from cnnlib.book.publish.reading import companions, write

    notebooks = ROOT / "notebooks"
    book = committed(notebooks)
    live = pack(pyodide, book.notebooks, companions(notebooks), CACHE)
    beside = builder._downloads(notebooks, book, ("cnnlib.whl", b""))
    site = builder._site(book, notebooks, beside, live)
    (chapter,) = [one for one in site.chapters if one.name == CHAPTER]
    only = replace(site, chapters=(chapter,))
    texts = builder._texts(book, notebooks, only) | builder._live_texts(site)
    own = builder._live_texts(site)
    made = {
        name: builder.page(site, text, [builder.script(name)] if name in own else ())
        for name, text in texts.items()
    }
    shown = [explorer for text in texts.values() for explorer in text.explorers]
    shared = builder.assets() | builder.alive(shown)
    files = live.files | {name: text.encode() for name, text in shared.items()}
    pages = {
        f"{name}.html": builder._with_pictures(text, files).encode() for name, text in made.items()
    }
    folder = tmp_path_factory.mktemp("live")
    for name, content in (files | pages).items():
        write(folder / name, content)
    return folder


@pytest.fixture(scope="session")
def whole_site(pyodide, tmp_path_factory):
    """A folder with the pages of all chapters."""
    pytest.importorskip("nbconvert")
    from cnnlib.book.publish.build import committed
    from cnnlib.book.publish.site import render

    folder = tmp_path_factory.mktemp("whole") / "html"
    render(ROOT / "notebooks", committed(ROOT / "notebooks"), folder, pyodide=pyodide)
    return folder


@pytest.fixture(scope="module")
def chapter(browser, live_site):
    """Chapter 1, from its file, without a network."""
    context = browser.new_context(offline=True, reduced_motion="reduce")
    page = context.new_page()
    opened = Opened(page)
    page.goto((live_site / f"{CHAPTER}.html").as_uri())
    yield opened
    context.close()


@pytest.fixture(scope="session")
def firefox():
    """Where Firefox is; it is driven without a package."""
    found = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
    if found is None:
        pytest.skip("there is no firefox on this machine (on Debian: apt install firefox-esr)")
    return found
