"""Settings that all tests share."""

import os
import shutil
from importlib.util import find_spec

import pytest
from hypothesis import settings

# No deadline: a busy machine is slow, not wrong. On CI the drawn examples are the same every time.
settings.register_profile("book", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("book")

# TensorFlow reads this once, whichever test imports it first: with oneDNN it does not refuse what
# the records say that it refuses.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

# --no-sandbox: CI runs as root in a container, where Chromium's own sandbox cannot start.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]


def pytest_collection_modifyitems(items):
    """The examples of `cnnlib.interop` need the frameworks: without them they are skipped."""
    missing = [name for name in ("torch", "tensorflow") if find_spec(name) is None]
    for item in items:
        if missing and item.nodeid.startswith("cnnlib/interop/"):
            said = f"{', '.join(missing)} not installed: make test-frameworks"
            item.add_marker(pytest.mark.skip(said))


@pytest.fixture(scope="session")
def chromium():
    """Where the browser is; without one the tests that need it are skipped."""
    pytest.importorskip("playwright", reason="the package playwright is not installed")
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
