"""A browser for the explorers: Chromium, headless, with no network."""

import shutil
from unittest import mock

import pytest

# --no-sandbox: CI runs as root in a container, where Chromium's own sandbox cannot start.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]
LOCAL = ("file:", "data:", "blob:", "about:")


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


@pytest.fixture
def open_page(browser, tmp_path):
    """Opens an explorer's page from a file; fails where the page logs an error or leaves it."""
    contexts, wrong = [], []

    def open_page(explorer, *, color_scheme="light", width=1000, height=800, address="", **options):
        context = browser.new_context(
            color_scheme=color_scheme, viewport={"width": width, "height": height}, **options
        )
        contexts.append(context)

        def guard(route):
            if route.request.url.startswith(LOCAL):
                return route.continue_()
            wrong.append(f"asked for {route.request.url}")
            return route.abort()

        context.route("**/*", guard)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
        file = tmp_path / f"page{len(contexts)}.html"
        # The still takes longer than all the rest, and the widget replaces it.
        with (
            mock.patch.object(type(explorer), "draw", lambda _: None),
            mock.patch("cnnlib.widgets.explorer.png", lambda _: b""),
        ):
            file.write_text(explorer.page(), encoding="utf-8")
        page.goto(file.as_uri() + address)
        page.wait_for_selector(".mounted")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
