"""The browser of the tests that open pages."""

import shutil

import pytest

# --no-sandbox: CI runs as root in a container, where Chromium's own sandbox cannot start.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]


@pytest.fixture(scope="session")
def chromium():
    """Where the browser is; without one the tests that need it are skipped."""
    cure = ".venv/bin/pip install -e .[browser]"
    pytest.importorskip("playwright", reason=f"playwright not installed: {cure}")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("there is no chromium on this machine (on Debian: apt install chromium)")
    return found


@pytest.fixture(scope="session")
def browser(chromium):
    """One headless Chromium for all tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()
