"""The pages in Firefox: from a folder, without a network. Chromium has the other tests."""

import re
import time

import pytest
from comparing import CELL, SHOWN, differences
from marionette import Firefox

pytestmark = pytest.mark.long

CONTROL, ENTER = "\ue009", "\ue007"  # as WebDriver writes these keys


class Page:
    """A page whose cells a test runs by mouse and keyboard."""

    def __init__(self, browser):
        self.browser = browser

    def of(self, number, script, *arguments):
        """What a script returns that knows a cell as `cell`."""
        return self.browser.evaluate(CELL + script, number, *arguments)

    def press(self, number, does):
        self.browser.click(f'[data-code-cell="{number}"] [data-do="{does}"]')

    def write(self, number, source):
        self.of(number, "cell.cell.source = arguments[1];", source)

    @property
    def state(self):
        return self.browser.evaluate("return document.documentElement.dataset.python;")

    def said(self, number):
        return self.of(number, "return cell.querySelector('[data-outputs]')?.innerText ?? '';")

    def run(self, number, source=None):
        """The text that a cell shows after a run."""
        if source is not None:
            self.write(number, source)
        ran = "return Number(cell.dataset.ran ?? 0);"
        before = self.of(number, ran)
        self.press(number, "run")
        soon(lambda: self.of(number, ran) > before)
        return self.said(number)


def soon(condition):
    """How long it takes decides nothing; so many looks end what would never end."""
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.02)
    raise TimeoutError("it never happened")


def plain(text):
    return re.sub(r"\s+", " ", text).strip()


@pytest.fixture(scope="module")
def page(firefox, live_site, tmp_path_factory):
    browser = Firefox(firefox, tmp_path_factory.mktemp("firefox"))
    browser.open((live_site / "01_forward_pass.html").as_uri())
    yield Page(browser)
    browser.close()


@pytest.fixture(autouse=True)
def nothing_goes_wrong(page):
    yield
    assert page.browser.wrong == [] and page.browser.asked == []


def test_a_page_has_its_buttons_and_python_waits(page):
    buttons = "return [...document.querySelectorAll('[data-do=run]')].map((b) => b.offsetHeight);"
    heights = page.browser.evaluate(buttons)
    assert len(heights) > 20 and min(heights) > 0 and page.state == "off"


def test_the_folded_code_of_a_figure_is_edited_by_keyboard_and_goes_back(page):
    committed = page.of(21, SHOWN)
    page.press(21, "edit")
    area = '[data-code-cell="21"] textarea'
    page.browser.type(area, f"{CONTROL}a")
    page.browser.type(area, f"for n in (1, 0):{ENTER}print(6 / n){CONTROL}{ENTER}")
    soon(lambda: "ZeroDivisionError" in page.said(21) and page.state == "ready")
    assert "6.0" in page.said(21) and "Line 2:" in page.said(21)
    source = "return cell.cell.source;"
    assert page.of(21, source) == "for n in (1, 0):\n    print(6 / n)"
    page.browser.type(area, f"{CONTROL}z")  # the browser's own undo
    assert page.of(21, source) != "for n in (1, 0):\n    print(6 / n)"
    page.press(21, "reset")
    assert page.of(21, SHOWN) == committed


def test_a_loop_without_an_end_is_stopped_and_the_page_goes_on(page):
    page.write(12, "print('before', flush=True)\nwhile True:\n    pass")
    page.press(12, "run")
    soon(lambda: "before" in page.said(12))
    assert page.state == "running"
    page.press(12, "stop")
    soon(lambda: page.state == "stopped")
    assert "Stopped." in page.said(12)
    assert plain(page.run(12, "print(1 + 1)")) == "2"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def f(n):\n    return f(n + 1)\nf(0)", "RecursionError"),
        ("import os\nos._exit(1)", "Python came to an end"),
        ("import numpy as np\n[np.empty(2 * 10**8) for _ in range(4)]", "make the arrays smaller"),
    ],
)
def test_what_the_browser_itself_limits_ends_in_a_sentence(page, source, says):
    assert says in page.run(12, source)
    assert plain(page.run(12, "print(1 + 1)")) == "2"


def test_an_exercise_is_answered_wrong_and_right(page):
    assert "not right yet" in page.run(18, 'check("1.1", [50, 70])')
    assert plain(page.run(18, 'check("1.1", [50, 80])')) == "✓ Exercise 1.1: right."


def test_an_explorer_follows_python_and_python_follows_the_explorer(page):
    page.run(
        40,
        "explorer = ConvolutionExplorer(padding=1, position=[0, 0])\n"
        "explorer.observe(lambda change: print('now at', change['new']), 'position')\n"
        "explorer",
    )
    sums = "return cell.querySelector('.cnn-sum')?.innerText;"
    soon(lambda: page.of(40, sums))
    before = page.of(40, sums)
    assert "now at [2, 2]" in page.run(41, "explorer.position = [2, 2]")
    soon(lambda: page.of(40, sums) != before)
    buttons = "[...cell.querySelectorAll('button')]"
    page.of(40, f"{buttons}.find((one) => one.innerText === 'Step').id = 'step';")
    page.browser.click("#step")
    bar = "return document.querySelector('.python').innerText;"
    soon(lambda: "now at [2, 3]" in page.browser.evaluate(bar))
    assert plain(page.run(41, "print(explorer.position)")) == "[2, 3]"


def test_an_answer_in_a_form_is_kept_for_the_page_of_progress(page, live_site):
    field = '[data-code-cell="43"] form input'
    for typed, says in (("210, 321", "not right yet"), ("210, 432", "right.")):
        page.browser.type(field, f"{CONTROL}a")
        page.browser.type(field, f"{typed}{ENTER}")
        soon(lambda says=says: says in page.said(43))
    page.browser.open((live_site / "progress.html").as_uri())
    row = "return document.querySelector(`tr[data-exercise='1.3']`).innerText;"
    assert "✓" in page.browser.evaluate(row)


@pytest.mark.parametrize("part", ["", "_b", "_c"])
def test_every_cell_of_chapter_1_gives_what_is_committed(page, live_site, part):
    address = (live_site / f"01_forward_pass{part}.html").as_uri()
    page.browser.open(address)
    page.browser.evaluate("localStorage.clear();")  # what the other tests wrote
    page.browser.open(address)

    def run(number):
        page.run(number)
        return page.state

    count, found = differences(page.browser.evaluate, run)
    assert count > 20 and found == []
