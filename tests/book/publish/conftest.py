"""The site, rendered once from the committed notebooks."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


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
