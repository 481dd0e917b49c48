"""The site, rendered once from the committed notebooks, and a browser without a network."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# --no-sandbox: CI runs as root in a container, where Chromium's own sandbox cannot start.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the rendered site."""
    pytest.importorskip("nbconvert")
    pytest.importorskip("anywidget")
    from cnnlib.publish.site import render

    folder = tmp_path_factory.mktemp("site") / "html"
    render(ROOT / "notebooks", ROOT / "notebooks", folder)
    return folder


@pytest.fixture(scope="session")
def chromium():
    """Where the browser is; without one the tests that need it are skipped."""
    pytest.importorskip("playwright", reason="the package playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("there is no chromium on this machine (on Debian: apt install chromium)")
    return found


@pytest.fixture(scope="module")
def browser(chromium):
    """One headless Chromium for the tests of a module."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()
