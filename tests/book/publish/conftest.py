"""The site, rendered once from the committed notebooks."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def no_python_for_pages(monkeypatch):
    """No test gets Pyodide by itself: neither from a network nor from a folder."""

    def unreachable(*_, **__):
        raise OSError("there is no network in a test")

    monkeypatch.delenv("CNNLIB_PYODIDE", raising=False)
    monkeypatch.setattr("cnnlib.book.publish.live.bringing.urlopen", unreachable)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the rendered site."""
    pytest.importorskip("nbconvert")
    pytest.importorskip("anywidget")
    from cnnlib.book.publish.build import committed
    from cnnlib.book.publish.site import render

    folder = tmp_path_factory.mktemp("site") / "html"
    render(ROOT / "notebooks", committed(ROOT / "notebooks"), folder)
    return folder
