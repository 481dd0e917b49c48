"""The rendered site: the same bytes twice, valid, complete in itself, alive in a browser."""

import hashlib
import re
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("nbconvert")
pytest.importorskip("anywidget")

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cnnlib.book.publish import BuildError, pages
from cnnlib.book.publish import outline as outlines
from cnnlib.book.publish import site as builder
from cnnlib.book.publish.__main__ import main
from cnnlib.book.publish.build import committed, make
from cnnlib.book.publish.checks import Page, check_links
from cnnlib.book.widgets import EXPLORERS, MIME, ConvolutionExplorer

ROOT = Path(__file__).parents[3]
FIRST = "00_start_here"
REST = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} - {FIRST}
CHAPTERS = [FIRST, *sorted(REST)]
PAGES = [*CHAPTERS, "index", "search", "instructor"]
ALONE = [f"explorers/{name.removesuffix('Explorer').lower()}" for name in EXPLORERS]
ALIVE = [n for n in CHAPTERS if MIME in (ROOT / "notebooks" / f"{n}.ipynb").read_text("utf-8")]
LOCAL = ("file:", "data:", "blob:", "about:")


def tree(folder):
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}


def text(site, name):
    return (site / f"{name}.html").read_text(encoding="utf-8")


# ---- The files


def test_the_same_notebooks_give_the_same_bytes(site, tmp_path):
    builder.render(ROOT / "notebooks", committed(ROOT / "notebooks"), tmp_path / "html")
    one, two = (
        {name: hashlib.sha256(path.read_bytes()).digest() for name, path in tree(folder).items()}
        for folder in (site, tmp_path / "html")
    )
    assert one == two and len(one) > 15


def test_the_site_has_all_its_pages_and_files(site):
    names = set(tree(site))
    assert {f"{name}.html" for name in PAGES + ALONE} <= names
    assert {f"notebooks/{name}.ipynb" for name in CHAPTERS} <= names
    assert {"font-licence.txt", "notebooks/results/frameworks.json"} <= names
    assert any(re.fullmatch(r"notebooks/cnnlib-[\d.]+-py3-none-any\.whl", name) for name in names)
    for name in CHAPTERS:
        ours = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
        theirs = nbformat.read(site / "notebooks" / f"{name}.ipynb", as_version=4).cells
        assert [cell.source for cell in theirs] == [cell.source for cell in ours]
        assert not any(cell.get("outputs") for cell in theirs)


def test_the_site_is_small_enough(site):
    sizes = {name: path.stat().st_size for name, path in tree(site).items()}
    assert sum(sizes.values()) < 3 * 8e6
    for name in PAGES:
        if name != "search":  # it holds the text of the whole book
            page = re.sub(r"data:image/png;base64,[^\"]*", "", text(site, name))
            assert len(page.encode()) < 3 * 250e3, name


@pytest.mark.parametrize("name", PAGES + ALONE)
def test_a_page_is_valid_html(site, name):
    html5lib = pytest.importorskip("html5lib")
    parser = html5lib.HTMLParser()
    parser.parse(text(site, name))
    assert [(place, code, data) for place, code, data in parser.errors] == []


def test_every_link_of_the_finished_pages_leads_somewhere(site):
    """The builder reads the text of a page; here, what stands around it as well."""
    whole = {f"{name}.html": Page(name, text(site, name)) for name in PAGES}
    check_links(whole, set(tree(site)) - set(whole))
    own = {file: [target for _, target in page.links] for file, page in whole.items()}
    for name in CHAPTERS:
        assert {"index.html", "search.html", "#content", "#contents"} <= set(own[f"{name}.html"])
        assert f"notebooks/{name}.ipynb" in own[f"{name}.html"]


def test_a_page_is_read_once(monkeypatch, book):
    """One reading gives its headings, its links and its words; the outline is read once, too."""
    read, outlined = [], []
    feed, outline = Page.__init__, outlines.read_chapters
    monkeypatch.setattr(
        Page, "__init__", lambda page, file, *rest: read.append(file) or feed(page, file, *rest)
    )
    for module in (pages, builder):
        monkeypatch.setattr(
            module, "read_chapters", lambda books: outlined.append(set(books)) or outline(books)
        )
    assert main(["html"]) == 0
    chapters = ["00_start_here.ipynb", "01_next.ipynb", "instructor.ipynb"]
    assert sorted(read) == sorted([*chapters, "index.html", "search.html"])
    assert outlined == [{"00_start_here", "01_next"}]


def test_the_start_page_says_what_each_chapter_promises_and_how_long_it_takes(site):
    cards = re.findall(
        r"<li><h3><a href=\"(\w+)\.html\">(.*?)</li>", text(site, "index"), re.DOTALL
    )
    assert [name for name, _ in cards] == CHAPTERS
    for name, card in cards:
        assert "After it you can" in card, name
        assert name == "law_sheet" or re.search(r'class="time">[\d +]+ min<', card), name


def test_the_start_page_shows_an_explorer_before_anything_else_that_moves_or_lists(site):
    page = text(site, "index")
    assert page.count('class="explorer"') == 1
    assert (
        page.index('class="explorer"') < page.index('id="chapters"') < page.index('id="explorers"')
    )


@pytest.mark.parametrize("name", CHAPTERS)
def test_what_has_an_id_has_it_as_address_and_keeps_the_old_one(site, name):
    page = text(site, name)
    ids = set(map(unescape, re.findall(r'\bid="([^"]*)"', page)))
    for cell in nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells:
        book = cell.metadata.get("book", {})
        for id, number in book.get("sections", {}).items():
            (title,) = re.findall(rf"^## ({re.escape(number)} .+)$", cell.source, re.MULTILINE)
            assert {id, title.replace(" ", "-")} <= ids
        for id, number in book.get("equations", {}).items():
            assert {f"eq-{id}", f"eq-{number}"} <= ids
        assert {f"exercise-{id}" for id in book.get("exercises", {})} <= ids
        assert "figure" not in book or f"figure-{book['figure']}" in ids


def test_chapters_know_their_neighbours(site):
    for before, name in pairwise(CHAPTERS):
        assert f'rel="prev" href="{before}.html"' in text(site, name)
        assert f'rel="next" href="{name}.html"' in text(site, before)


def test_the_page_for_instructors_lists_every_exercise(site):
    from cnnlib.book.exercises import all_exercises

    page = text(site, "instructor")
    asked = "\n".join(text(site, name) for name in CHAPTERS)
    for exercise in all_exercises():
        if f"Exercise {exercise.id}" in asked:
            assert re.search(rf'\.html#[^"]*">{re.escape(exercise.id)}</a>', page), exercise.id


# ---- The builder, on small books


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A repository of two chapters; the test works in its top folder."""
    monkeypatch.chdir(tmp_path)
    save("00_start_here", "# Start\n\n[next](01_next.ipynb#There)")
    save("01_next", "# Next\n\n## There\n\nThe *quick* fox.")
    monkeypatch.setattr(builder, "EXPLORERS", {"ConvolutionExplorer": ConvolutionExplorer})
    instructor = new_notebook(cells=[new_markdown_cell("# For instructors")])
    monkeypatch.setattr(builder, "_instructor", lambda *_: instructor)
    return tmp_path


def save(name, *sources, code="1"):
    cells = [*map(new_markdown_cell, sources), new_code_cell(code, execution_count=1)]
    Path("notebooks").mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells), Path("notebooks", f"{name}.ipynb"))


def test_render_writes_only_what_belongs_to_the_site(book):
    Path("build/html/old").mkdir(parents=True)
    Path("build/html/old/chapter.html").write_text("old")
    assert main(["html"]) == 0
    names = {name for name in tree(Path("build/html")) if name.endswith(".html")}
    pages = ("00_start_here", "01_next", "index", "instructor", "search")
    assert names == {f"{name}.html" for name in pages} | {"explorers/convolution.html"}


def test_render_does_nothing_twice(book, capsys, monkeypatch):
    assert main(["html"]) == 0
    with monkeypatch.context() as patched:
        patched.setattr(builder, "CourseExporter", None)  # rendering would be a TypeError
        assert main(["html"]) == 0
        assert "Nothing has changed" in capsys.readouterr().out
    page = Path("build/html/01_next.html")
    right = page.read_bytes()
    page.write_bytes(b"damaged")
    assert main(["html"]) == 0
    assert page.read_bytes() == right
    save("01_next", "# Next\n\n## There\n\nThe lazy dog.")
    assert main(["html"]) == 0
    assert b"lazy dog" in page.read_bytes()


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("[a](01_next.ipynb#Nowhere)", "01_next.html#Nowhere: there is no such place"),
        ("[a](02_none.ipynb)", "02_none.ipynb: there is no such file"),
        ('<a href="01_next.ipynb">a</a>', "01_next.ipynb: there is no such file"),
        ("By (1.1).", "(1.1) names an equation that is nowhere"),
    ],
)
def test_a_broken_page_is_named_and_the_old_site_kept(book, capsys, link, reason):
    assert main(["html"]) == 0
    old = {name: path.read_bytes() for name, path in tree(Path("build/html")).items()}
    save("00_start_here", "# Start", f"Text. {link}")
    assert main(["html"]) == 1
    message = capsys.readouterr().err
    assert "00_start_here.ipynb, cell 2: " in message and reason in message
    assert {name: path.read_bytes() for name, path in tree(Path("build/html")).items()} == old


def test_render_shows_what_was_executed(book):
    made = committed(Path("notebooks"))
    for notebook in made.notebooks.values():
        notebook.cells[-1].source = "executed = True"
    builder.render(Path("notebooks"), made, Path("build/html"))
    page = Path("build/html/01_next.html").read_text(encoding="utf-8")
    assert "executed" in page
    assert b"executed" not in Path("build/html/notebooks/01_next.ipynb").read_bytes()


def test_an_unreadable_chapter_has_a_page_that_says_so_and_no_link_breaks(book):
    save("00_start_here", "# Start\n\n[next](01_next.ipynb#There), by (1.1).")
    Path("notebooks/01_next.ipynb").write_text("{")
    with pytest.raises(BuildError, match="01_next.ipynb cannot be read"):
        committed(Path("notebooks"))
    made = make(Path("notebooks"), Path("build"))
    builder.render(Path("notebooks"), made, Path("build/html"))
    page = Path("build/html/01_next.html").read_text(encoding="utf-8")
    assert "this chapter could not be made: its notebook cannot be read: line 1 is no JSON" in page
    start = Path("build/html/00_start_here.html").read_text(encoding="utf-8")
    assert 'href="01_next.html#There"' in start and '<a href="01_next.html">(1.1)</a>' in start
    assert not Path("build/html/notebooks/01_next.ipynb").exists()
    assert "this chapter could not be made" in Path("build/html/index.html").read_text("utf-8")


# ---- In a browser, from file://, with the network blocked


@pytest.fixture(scope="module")
def visit(browser):
    """Opens a page; what it asks for outside, and what it logs, is in `visit.wrong`."""
    contexts = {}

    def visit(path, scheme="light", width=1200, scripts=True):
        key = (scheme, width, scripts)
        if key not in contexts:
            contexts[key] = context = browser.new_context(
                color_scheme=scheme,
                viewport={"width": width, "height": 800},
                java_script_enabled=scripts,
                reduced_motion="reduce",  # no pass over a grid opens a page
            )
            context.route("**/*", guard)
            context.on("weberror", lambda error: visit.wrong.append(str(error.error)))
            context.on("console", heard)
        page = contexts[key].new_page()
        page.goto(path if str(path).startswith("file:") else path.as_uri())
        return page

    def guard(route):
        if route.request.url.startswith(LOCAL):
            route.continue_()
        else:
            visit.wrong.append(route.request.url)
            route.abort()

    def heard(message):
        if message.type in ("error", "warning"):
            visit.wrong.append(message.text)

    visit.wrong = []
    yield visit
    for context in contexts.values():
        context.close()


@pytest.fixture(scope="module")
def axe():
    return pytest.importorskip("axe_playwright_python.sync_playwright").Axe()


def until(page, condition):
    """Playwright's own waiting would need `eval`, which the pages' policy forbids.

    Two minutes end a wait that would never end; how long one takes decides nothing.
    """
    for _ in range(1200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"never happened: {condition}")


def mounted(page):
    until(page, "!document.querySelector('.explorer:not(.mounted)')")


# A colour follows from an element's tag and classes and from those around it. One element of each
# kind is as good as all of them, and a page of ten thousand elements takes seconds, not a minute.
KINDS = """() => {
    const kinds = new Set();
    for (const element of document.body.querySelectorAll("*")) {
        let kind = "";
        for (let e = element; e; e = e.parentElement) kind += ` ${e.tagName}.${e.className}`;
        const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
        if (own && !kinds.has(kind)) element.dataset.kind = kinds.add(kind).size;
    }
}"""


def violations(axe, page, rules, context=None):
    found = axe.run(page, context, {"resultTypes": ["violations"], **rules}).response["violations"]
    return [(v["id"], n["target"], n["failureSummary"]) for v in found for n in v["nodes"]]


@pytest.mark.parametrize("name", PAGES + ALONE)
def test_a_page_is_quiet_accessible_and_no_wider_than_a_phone(site, visit, axe, name):
    page = visit(site / f"{name}.html")
    mounted(page)
    assert violations(axe, page, {"rules": {"color-contrast": {"enabled": False}}}) == []
    page.evaluate(KINDS)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        contrast = {"runOnly": ["color-contrast"]}
        assert violations(axe, page, contrast, {"include": [["[data-kind]"]]}) == [], scheme
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.close()
    assert visit.wrong == []


@pytest.mark.parametrize("name", ["index", *ALIVE])
def test_an_explorer_of_a_page_steps_and_its_sum_changes(site, visit, name):
    page = visit(site / f"{name}.html")
    mounted(page)
    sums = ".explorer .cnn-sum"
    before = page.locator(sums).first.inner_text()
    assert re.search(r"\d", before)
    page.locator(".explorer").first.get_by_role("button", name="Step", exact=True).first.click()
    assert page.locator(sums).first.inner_text() != before
    page.close()
    assert visit.wrong == []


def test_an_explorers_own_page_opens_in_the_same_state(site, visit):
    page = visit(site / "03_delta_backprop.html")
    mounted(page)
    places = page.locator(".explorer")
    shown = [
        places.nth(number).locator(".cnn-sum").inner_text() for number in range(places.count())
    ]
    links = page.locator(".beside a").evaluate_all("links => links.map((link) => link.href)")
    assert len(links) == len(set(shown)) > 1
    for link, text_there in zip(links, shown, strict=True):
        assert "/explorers/" in link
        page.goto(link)
        page.wait_for_selector(".mounted")
        assert page.locator(".cnn-sum").inner_text() == text_there
    page.close()


def test_a_word_is_searched_and_found(site, visit):
    page = visit(site / "01_forward_pass.html")
    page.get_by_role("searchbox").fill("remainder")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/search.html?q=remainder")
    found = page.locator("#found li a")
    assert found.first.inner_text() == "3.16 The remainder"
    assert re.fullmatch(r"\d+ sections", page.locator("#status").inner_text())
    assert "remainder" in page.locator("#found mark").first.inner_text().lower()
    field = page.locator("main").get_by_role("searchbox")
    field.fill("remainder nosuchword")
    assert found.count() == 0 and page.locator("#status").inner_text() == "0 sections"
    field.fill("remainder")
    found.first.click()
    page.wait_for_url("**/03_delta_backprop.html#remainder")
    page.close()
    assert visit.wrong == []


def test_text_and_formulas_need_no_javascript(site, visit):
    page = visit(site / "03_delta_backprop.html", scripts=False)
    assert "what the inputs" in page.locator("main").inner_text()
    wide = page.locator("#eq-what-delta-is-dz-i math").bounding_box()
    assert wide["width"] > 50 and wide["height"] > 20
    assert page.locator(".theme, .copy").filter(visible=True).count() == 0
    page.close()


@pytest.mark.parametrize("name", ["law_sheet", "03_delta_backprop"])  # formulas at once, explorers
def test_nothing_moves_while_a_chapter_loads(site, visit, name):
    page = visit(site / f"{name}.html")
    mounted(page)
    shifts = """() => new Promise((done) => new PerformanceObserver((list) => {
        done(list.getEntries().reduce((sum, entry) => sum + entry.value, 0));
    }).observe({ type: "layout-shift", buffered: true }) || setTimeout(() => done(0), 500))"""
    assert page.evaluate(shifts) < 0.001
    page.close()


def test_colours_can_be_chosen_and_stay_chosen(site, visit):
    page = visit(site / "00_start_here.html")
    light = "getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'"
    assert page.evaluate(light)
    for label, bright in (("light", True), ("dark", False)):
        page.locator(".theme").click()
        assert page.locator(".theme").get_attribute("aria-label") == f"Colours: {label}. Change"
        assert page.evaluate(light) == bright
    page.reload()
    assert not page.evaluate(light)
    page.evaluate("localStorage.clear()")
    page.close()


def test_the_place_and_the_folds_are_kept(site, visit):
    page = visit(site / "01_forward_pass.html")
    fold = page.locator("main details:not(.cnn-explorer details)").nth(3)
    fold.evaluate("fold => { fold.open = true; scrollTo(0, 5000); }")
    until(page, "(localStorage.getItem(`open:${location.pathname}`) || '').includes('3')")
    place = page.evaluate("scrollY")
    page.reload()
    until(page, f"Math.abs(scrollY - {place}) < 2")
    assert fold.evaluate("fold => fold.open")
    page.evaluate("localStorage.clear()")
    page.close()


def test_code_is_copied(site, visit):
    page = visit(site / "00_start_here.html")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    source = page.locator(".source").first
    source.hover()
    source.get_by_role("button", name="Copy").click()
    source.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "import numpy as np\n\nimport cnnlib"
    page.close()


def test_on_paper_a_chapter_is_text_and_stills(site, visit):
    page = visit(site / "index.html")
    mounted(page)
    page.emulate_media(media="print")
    hidden = page.locator("header, nav, button, .mounted > .cnn-explorer")
    assert hidden.filter(visible=True).count() == 0
    assert page.locator(".still").first.is_visible()
    page.close()


def test_the_book_is_printed_with_its_page_numbers(site, chromium, tmp_path, monkeypatch):
    pypdf = pytest.importorskip("pypdf")
    from cnnlib.book.publish import pdf

    short = tmp_path / "html"
    (short / "notebooks").mkdir(parents=True)
    for name in ("00_start_here", "05_training"):
        (short / f"{name}.html").write_text(text(site, name), encoding="utf-8")
        (short / "notebooks" / f"{name}.ipynb").touch()
    pdf.print_book(short, tmp_path / "book.pdf")
    pages = [page.extract_text() for page in pypdf.PdfReader(tmp_path / "book.pdf").pages]
    listed = dict(re.findall(r"^(.+) (\d+)$", pages[1], re.MULTILINE))
    for title in ("Start here", "5. Training", "5.4 The loop"):
        number = int(listed[title])
        assert title in pages[number - 1].splitlines(), title
        assert (
            pages[number - 1].rstrip().endswith(str(number)) or f"\n{number}\n" in pages[number - 1]
        )
