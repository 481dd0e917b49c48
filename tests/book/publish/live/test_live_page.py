"""Cells that run in the reader's browser: from a folder, without a network."""

import http.server
import re
import shutil
import threading
from functools import partial
from pathlib import Path

import pytest
from comparing import FIRST_PART, PAGES, differences
from opening import Opened

from cnnlib.book.publish.live import clinic
from cnnlib.book.publish.live.packing import pack

CACHE = Path(__file__).parents[4] / "build/pyodide"
LOCAL = ("file:", "blob:", "data:")
SOURCE = "document.querySelector(\"[data-code-cell='{}']\").cell.source"


def plain(text):
    return re.sub(r"\s+", " ", text).strip()


def test_a_page_that_nobody_runs_asks_for_nothing_and_says_so(chapter):
    assert chapter.state == "off"
    assert {url.rsplit("/", 1)[1] for url in chapter.asked if "/live/" in url} == {
        "start.js",
        "live.css",
    }
    assert chapter.cell(1).locator('[data-do="run"]').is_visible()


def test_the_first_cell_waits_for_numpy_and_the_library_alone(chapter):
    chapter.run(1)
    parts = {url.rsplit("/", 1)[1] for url in chapter.asked if "/live/" in url}
    assert parts - {"start.js", "live.css", "page.js", "01_forward_pass.js"} == {
        "python.js", "numpy.js", "book.js",
    }  # fmt: skip
    assert "true" in chapter.run(2, "import sys\nprint(str('traitlets' in sys.modules).lower())")
    chapter.press(2, "reset")


def test_every_cell_of_part_a_of_chapter_1_gives_what_is_committed(browser, live_site):
    compare(browser, live_site, FIRST_PART)  # with figures, explorers, SciPy and exercises


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.long
def test_every_cell_gives_what_is_committed(browser, whole_site, name):
    compare(browser, whole_site, name)


def compare(browser, site, name):
    context = browser.new_context(offline=True, reduced_motion="reduce")
    page = context.new_page()
    opened = Opened(page)
    page.goto((site / f"{name}.html").as_uri())

    def evaluate(script, *arguments):
        return page.evaluate(f"(all) => (function () {{ {script} }})(...all)", list(arguments))

    def run(number):
        opened.run(number)
        return opened.state

    count, found = differences(evaluate, run)
    assert count > 9 and found == []
    assert all(url.startswith(LOCAL) for url in opened.asked) and opened.wrong == []
    context.close()


def test_a_cell_runs_first_what_it_needs(chapter):
    """Cell 58 needs a function of cell 53, and not what stands between them."""
    assert "NameError" not in chapter.run(58) and chapter.state == "ready"
    assert chapter.ran(53) == chapter.ran(54) == 0  # nobody has pressed their buttons
    assert plain(chapter.run(54, "print(size(8, 3, 2))")) == "(3, 1)"


def test_an_edited_cell_looks_as_before_and_the_caret_stands_in_its_text(chapter):
    """The textarea lies over the coloured text: both must break and indent alike."""
    chapter.write(9, chapter.page.evaluate(SOURCE.format(9)) + "\n\nmore = 1  # a comment")
    code, area = (chapter.cell(9).locator(f".editor {tag}") for tag in ("code", "textarea"))
    lines = area.input_value().count("\n") + 1
    height = float(area.evaluate("e => parseFloat(getComputedStyle(e).lineHeight)"))
    assert abs(code.evaluate("e => e.getBoundingClientRect().height") - lines * height) < height
    assert area.evaluate("e => e.scrollHeight - e.clientHeight") <= 0
    chapter.press(9, "reset")


def test_the_folded_code_of_a_figure_opens_to_be_edited(chapter):
    chapter.page.reload()  # Edit is there where nothing has run
    chapter.press(21, "edit")
    area = chapter.cell(21).locator(".editor textarea")
    soon(chapter.page, lambda: area.is_visible() and area.evaluate("e => e.matches(':focus')"))


def test_what_tab_reaches_is_not_under_the_bar(chapter):
    chapter.run(9)
    covered = """() => [...document.querySelectorAll(".doing button")].filter((one) => {
        one.focus();
        const bar = document.querySelector(".python").getBoundingClientRect();
        return one.offsetHeight && one.getBoundingClientRect().bottom > bar.top;
    }).length"""
    assert chapter.page.evaluate(covered) == 0


def test_an_edited_cell_fails_with_its_line_and_goes_back(chapter):
    said = chapter.run(10, "one = 1\nzero = 0\none / zero\n")
    assert "ZeroDivisionError" in said and "Line 3:" in said
    assert chapter.outputs(10).locator("mark").inner_text() == "→   3  one / zero"
    chapter.page.reload()  # Python is gone, the text is kept
    assert chapter.state == "off"
    source = "document.querySelector(\"[data-code-cell='10']\").cell.source"
    assert chapter.page.evaluate(source).startswith("one = 1")
    chapter.press(10, "reset")
    assert "cnnlib.connections((3, 3), (2, 2))" in chapter.page.evaluate(source)
    assert chapter.outputs(10).inner_text().startswith("[[1 2 1]")


def test_an_exercise_is_answered_wrong_and_right(chapter):
    assert "not attempted yet" in chapter.run(18)
    assert "not right yet" in chapter.run(18, 'check("1.1", [50, 70])')
    assert plain(chapter.run(18, 'check("1.1", [50, 80])')) == "✓ Exercise 1.1: right."


def test_a_hint_is_offered_when_the_one_before_it_was_opened_and_the_solution_comes_last(chapter):
    chapter.page.reload()
    hints = chapter.cell(31).locator("summary")  # of exercise 1.2
    assert [hint.inner_text() for hint in hints.all() if hint.is_visible()] == [
        "Hint 1 of 3 for exercise 1.2"
    ]
    for opened in range(3):
        hints.nth(opened).click()
        soon(chapter.page, lambda n=opened: hints.nth(min(n + 1, 2)).is_visible())
        assert sum(hint.is_visible() for hint in hints.all()) == min(opened + 2, 3)
    assert chapter.cell(32).locator("summary").inner_text() == "Solution of exercise 1.2"
    assert chapter.state == "off"


def test_a_function_is_written_checked_and_explained_in_the_page(chapter):
    assert chapter.cell(59).locator('[data-do="run"]').inner_text() == "Check"
    assert not chapter.cell(59).locator("form").count()
    chapter.cell(59).locator(".source code").click()
    area = chapter.cell(59).locator(".editor textarea")
    soon(chapter.page, area.is_visible)
    size = "return max(0, (P + before + after - d * (U - 1)) // s + 1)"
    answer = area.input_value().replace("...", size)
    area.fill(answer)
    said = chapter.run(59)
    assert "✗ Exercise 1.4: not right yet." in plain(said) and len(plain(said)) > 60  # and why
    area.fill(answer.replace("(U - 1))", "(U - 1) - 1)"))
    assert "Exercise 1.4: right." in chapter.run(59)
    chapter.press(59, "reset")


def soon(page, condition):
    for _ in range(3000):
        if condition():
            return
        page.wait_for_timeout(20)
    raise AssertionError("never happened")


def test_an_explorer_follows_python_and_python_follows_the_explorer(chapter):
    chapter.run(
        40,
        "explorer = ConvolutionExplorer(padding=1, position=[0, 0])\n"
        "explorer.observe(lambda change: print('now at', change['new']), 'position')\n"
        "explorer",
    )
    sums = chapter.outputs(40).locator(".cnn-sum").first
    before = sums.inner_text()
    assert "now at [2, 2]" in chapter.run(41, "explorer.position = [2, 2]")
    soon(chapter.page, lambda: sums.inner_text() != before)
    chapter.outputs(40).get_by_role("button", name="Step", exact=True).first.click()
    soon(chapter.page, lambda: "now at [2, 3]" in chapter.page.locator(".python").inner_text())
    assert plain(chapter.run(41, "print(explorer.position)")) == "[2, 3]"
    assert "TraitError" in chapter.run(41, "explorer.stride = 'two'")


def test_a_playground_draws_the_readers_own_function(chapter):
    chapter.run(56)
    place = chapter.outputs(56)
    picture, caption = place.locator("img").first, place.locator("figcaption")
    first = caption.inner_text()
    assert first.startswith("Figure 1.18. The outputs for stride 2") and "PNG" not in first
    assert not chapter.cell(56).locator(".note").is_visible()  # that it stands still
    assert "equal the library's" in picture.get_attribute("alt")
    slider = place.locator("input[type=range]").first
    slider.evaluate("e => { e.value = 3; e.dispatchEvent(new Event('input')); }")
    soon(chapter.page, lambda: "At stride 3" in caption.inner_text())
    assert picture.get_attribute("alt") in caption.inner_text()
    chapter.run(55, "def my_forward(x, w, s, d, padding):\n    raise ValueError('mine')")
    chapter.run(56)
    soon(chapter.page, lambda: "line 2" in place.inner_text())
    assert caption.inner_text().strip() == "Figure 1.18."  # of no picture
    chapter.press(56, "reset")
    assert caption.inner_text().startswith(first.strip()) and not place.locator(".panel").count()


def test_a_loop_without_an_end_is_stopped_and_the_page_goes_on(chapter):
    chapter.write(12, "print('before', flush=True)\nwhile True:\n    pass")
    chapter.press(12, "run")
    for _ in range(3000):
        if chapter.outputs(12).count() and "before" in chapter.outputs(12).inner_text():
            break
        chapter.page.wait_for_timeout(20)
    assert chapter.state == "running"
    chapter.press(12, "stop")
    assert chapter.until("stopped") == "stopped"
    assert "Stopped." in chapter.outputs(12).inner_text()
    assert plain(chapter.run(12, "print(1 + 1)")) == "2"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def f(n):\n    return f(n + 1)\nf(0)", "RecursionError"),
        ("import os\nos._exit(1)", "Python came to an end"),
        ("input('name')", "write the value into the cell instead"),
        ("import torch", "Only what the book needs is here"),
        ("import numpy as np\n[np.empty(2 * 10**8) for _ in range(4)]", "make the arrays smaller"),
        ("for n in range(10**6):\n    print(n)", "the rest is not shown"),
        ("raise SystemExit", "SystemExit"),
        ("x = (", "SyntaxError"),
    ],
)
def test_bad_input_ends_in_a_sentence_and_the_page_goes_on(chapter, source, says):
    assert says in chapter.run(12, source)
    assert plain(chapter.run(12, "print(1 + 1)")) == "2"


def test_an_answer_is_judged_without_python(chapter):
    chapter.page.reload()
    form = chapter.cell(43).locator("form.answer")
    for typed, says in (
        ("210, 321", "not right yet"),
        ("two", "Write numbers"),
        ("210, 432", "right."),
    ):
        form.locator("input").fill(typed)
        form.get_by_role("button").click()
        soon(chapter.page, lambda says=says: says in chapter.outputs(43).inner_text())
    assert chapter.state == "off"
    source = "document.querySelector(\"[data-code-cell='43']\").cell.source"
    assert chapter.page.evaluate(source).startswith("z_padded = [210,432]")
    solved = "JSON.parse(localStorage.getItem('solved'))['1.3'].by"
    assert chapter.page.evaluate(solved) == "page"
    address = chapter.page.url
    chapter.page.goto(address.replace("01_forward_pass", "progress"))
    assert "✓" in chapter.page.locator("tr[data-exercise='1.3']").inner_text()
    assert re.match(r"\d+ of \d+ exercises", chapter.page.locator("#solved").inner_text())
    chapter.page.goto(address)


def test_a_damaged_part_is_named(live_site, browser, tmp_path):
    folder = tmp_path / "site"
    shutil.copytree(live_site, folder, ignore=shutil.ignore_patterns("scipy.js", "mnist.js"))
    part = folder / "live" / "numpy.js"
    for says in ("damaged", "cannot be read"):
        if says == "damaged":
            part.write_text(part.read_text()[:1000])
        else:
            part.unlink()
        page = browser.new_page()
        page.goto((folder / "01_forward_pass.html").as_uri())
        opened = Opened(page)
        said = opened.run(9)
        assert "live/numpy.js" in said and says in said and opened.state == "failed"
        page.close()


@pytest.mark.long
def test_a_light_copy_says_what_it_does_not_have(live_site, pyodide, browser, tmp_path):
    folder = tmp_path / "site"
    shutil.copytree(live_site, folder, ignore=shutil.ignore_patterns("scipy.js"))
    for name, content in pack(pyodide, {}, {}, CACHE, light=True).files.items():
        (folder / name).write_bytes(content)
    page = browser.new_page()
    page.goto((folder / "01_forward_pass.html").as_uri())
    opened = Opened(page)
    assert opened.run(17) == "This cell needs SciPy, which this copy of the book does not have."
    assert opened.state == "ready" and opened.wrong == []
    assert plain(opened.run(12, "print(1 + 1)")) == "2"
    page.close()


def test_it_runs_from_a_server_in_a_folder_below(live_site, browser):
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=live_site.parent)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/{live_site.name}/01_forward_pass.html")
        opened = Opened(page)
        assert plain(opened.run(9, "print(40 + 2)")) == "42"
        page.close()
        server.shutdown()


def test_a_readers_own_layer_is_examined(live_site, browser):
    context = browser.new_context(offline=True)
    page = context.new_page()
    opened = Opened(page)
    page.goto((live_site / "your_layer.html").as_uri())
    said = opened.run(2)
    assert "mistake B3" in said or "B3" in said
    wrong = clinic.EXAMPLE.replace("dz.mean(", "dz.sum(")
    opened.write(1, wrong)
    assert "B3" not in opened.run(2)
    page.locator("input[type=file]").set_input_files(
        files=[{"name": "mine.py", "mimeType": "text/x-python", "buffer": b"def mine(x): return x"}]
    )
    call = "document.querySelectorAll('[data-code-cell]')[1].cell.source"
    soon(page, lambda: "examine(mine)" in page.evaluate(call))
    assert opened.run(2).strip()
    assert all(url.startswith(LOCAL) for url in opened.asked)
    context.close()


def test_a_stop_while_python_loads_ends_that_and_the_next_run_is_whole(live_site, browser):
    """What was read for the worker that was stopped goes to no other, and ends no other."""
    page = browser.new_page()
    page.goto((live_site / "01_forward_pass.html").as_uri())
    opened = Opened(page)
    opened.write(9, "import numpy as np\nprint(np.arange(3).sum())")
    again = (
        "async (cell) => { cell.querySelector('[data-do=stop]').click();"
        "await new Promise((done) => setTimeout(done));"
        "cell.querySelector('[data-do=run]').click(); }"
    )
    opened.press(9, "run")
    soon(page, lambda: page.evaluate("!!document.head.querySelector('[src=\"live/numpy.js\"]')"))
    opened.cell(9).evaluate(again)
    soon(page, lambda: page.workers)  # it starts
    opened.cell(9).evaluate(again)
    assert opened.until("ready", "failed") == "ready"
    assert plain(opened.outputs(9).inner_text()) == "3"
    assert len(page.workers) == 1 and opened.wrong == []
    page.close()
