"""Opens an explorer's page in a browser without a network."""

from unittest import mock

import pytest

LOCAL = ("file:", "data:", "blob:", "about:")


@pytest.fixture
def open_page(browser, tmp_path):
    """Opens an explorer's page from a file; fails where the page logs an error or leaves it."""
    contexts, wrong = [], []

    def open_page(explorer, *, color_scheme="light", width=1000, height=800, address="", **options):
        options.setdefault("reduced_motion", "reduce")  # no pass over the grid opens the page
        context = browser.new_context(
            color_scheme=color_scheme, viewport={"width": width, "height": height}, **options
        )
        context.set_default_timeout(4_000)
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
            mock.patch("cnnlib.book.widgets.explorer.png", lambda _: b""),
        ):
            file.write_text(explorer.page(), encoding="utf-8")
        page.goto(file.as_uri() + address)
        page.wait_for_selector(".mounted")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
