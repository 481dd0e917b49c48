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
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cnnlib.book.publish import BuildError, alive, pages, reading
from cnnlib.book.publish import outline as outlines
from cnnlib.book.publish import site as builder
from cnnlib.book.publish.__main__ import main
from cnnlib.book.publish.build import committed, make
from cnnlib.book.publish.checks import Page, check_links
from cnnlib.book.publish.finding import LISTS
from cnnlib.book.publish.parts import parts
from cnnlib.book.widgets import EXPLORERS, MIME, ConvolutionExplorer

ROOT = Path(__file__).parents[3]
FIRST = "00_start_here"
REST = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} - {FIRST}
CHAPTERS = [FIRST, *sorted(REST)]
PARTS = {
    path.stem: [part.name for part in parts(path.stem, reading.read(path))]
    for path in (ROOT / "notebooks").glob("*.ipynb")
}
ORDER = [page for name in CHAPTERS for page in PARTS[name]]
PAGES = [*ORDER, "index", "search", "instructor", *LISTS]
ALONE = [f"explorers/{name.removesuffix('Explorer').lower()}" for name in EXPLORERS]
ALIVE = [n for n in CHAPTERS if MIME in (ROOT / "notebooks" / f"{n}.ipynb").read_text("utf-8")]
SHARED = {"course.css", "course.js", "theme.js", "icon.svg", "search-index.js"}
LOCAL = ("file:", "data:", "blob:", "about:")


def tree(folder):
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}


def text(site, name):
    return (site / f"{name}.html").read_text(encoding="utf-8")


def whole(site, name):
    """All pages of a chapter."""
    return "\n".join(text(site, page) for page in PARTS[name])


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


def test_a_chapter_offers_what_its_notebook_reads_and_no_more(site):
    for name in CHAPTERS:
        notebook = reading.read(ROOT / "notebooks" / f"{name}.ipynb")
        code = "\n".join(cell.source for cell in reading.code_cells(notebook))
        asked = set(re.findall(r'"(results/\w+)(?:\.json)?"', code))
        offered = re.findall(r'href="notebooks/(results/[\w./-]+)" download', text(site, name))
        assert {re.match(r"results/\w+", file)[0] for file in offered} == asked, name
    assert "frameworks.json</a> below it.\nThen" in text(site, "03_delta_backprop")
    assert "the library</a> into a folder.\nThen" in text(site, "02_kernel_centre")


def test_the_site_is_small_enough(site):
    """Without what runs Python: the notebooks, their data, and the library."""
    sizes = {name: path.stat().st_size for name, path in tree(site).items()}
    assert sum(size for name, size in sizes.items() if "notebooks/" not in name) < 6 * 2**20
    for name in PAGES:
        assert sizes[f"{name}.html"] < 250e3, name


def test_what_pages_share_is_there_once(site):
    assert {path.name for path in (site / "assets").iterdir()} == SHARED
    assert len({path.read_bytes() for path in (site / "figures").iterdir()}) == len(
        list((site / "figures").iterdir())
    )
    style = (site / "explorers/explorers.css").read_text(encoding="utf-8")
    for kind in EXPLORERS.values():  # every rule of each, and none twice in a row of four
        for rule in kind().style.split("}\n"):
            assert rule.strip() in style
    assert len(style) < 0.6 * sum(len(kind().style) for kind in EXPLORERS.values())
    for name in PAGES:
        page = text(site, name)
        assert "font/woff2" not in page and "data:image/png" not in page, name
        assert "<style>" not in page.partition("</head>")[0], name
        rules = re.search(r'Content-Security-Policy" content="default-src \'none\'; (.*?)"', page)[
            1
        ]
        allowed = {word for rule in rules.split("; ") for word in rule.split()[1:]}
        known = {"'self'", "'none'", "'unsafe-inline'", "data:", "blob:"}
        assert {word for word in allowed if not word.startswith("'sha256-")} <= known, name


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
        for page in PARTS[name]:
            assert {"index.html", "search.html", "#content"} <= set(own[f"{page}.html"])
            assert f"notebooks/{name}.ipynb" in own[f"{page}.html"]
            assert {f"{part}.html" for part in PARTS[name]} <= set(own[f"{page}.html"])
            assert 'popovertarget="contents"' in text(site, page)


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
    lists = [f"{name}.html" for name in LISTS]
    assert sorted(read) == sorted([*chapters, *lists, "index.html", "search.html"])
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
    ids = set(map(unescape, re.findall(r'\bid="([^"]*)"', whole(site, name))))
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
    """At both ends of the page."""
    for before, name in pairwise(ORDER):
        assert text(site, name).count(f'rel="prev" href="{before}.html"') == 2
        assert text(site, before).count(f'rel="next" href="{name}.html"') == 2


def test_a_page_has_one_title_and_leaves_out_no_level(site):
    for name in PAGES:
        levels = [int(level) for level in re.findall(r"<h([1-6])\b", text(site, name))]
        assert levels.count(1) == 1 and levels[0] == 1, name
        assert all(after <= before + 1 for before, after in pairwise(levels)), name


def test_the_parts_of_a_chapter_hold_its_cells_once(site):
    """A heading of a part may cut a text cell; code stands whole, in the order of the notebook."""
    for name in CHAPTERS:
        cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
        shown = [int(n) for n in re.findall(r'data-cell="(\d+)"', whole(site, name))]
        assert set(shown) == set(range(1, len(cells) + 1)), name
        code = [n for n, cell in enumerate(cells, 1) if cell.cell_type == "code"]
        assert sorted(n for n in shown if n in code) == code, name


def test_every_hint_can_be_reached_one_fold_after_the_other(site):
    from cnnlib.book.exercises import all_exercises

    pages = "\n".join(whole(site, name) for name in CHAPTERS)
    for exercise in all_exercises():
        folds = re.findall(
            rf"<summary>Hint (\d+) of \d+ for exercise {exercise.id}</summary>", pages
        )
        assert folds == [str(n) for n in range(1, len(exercise.hints) + 1)], exercise.id


def test_figures_have_numbers_captions_and_files(site):
    for name in CHAPTERS:
        page = whole(site, name)
        numbers = [int(n) for n in re.findall(r">Figure (?:\d+\.)?(\d+)\.<", page)]
        assert numbers == list(range(1, len(numbers) + 1)), name
        pictures = re.findall(
            r'<div class="frame"><img src="(.*?)" loading="lazy" alt="(.*?)"', page
        )
        captions = re.findall(
            r'<span aria-hidden="true">(.*?)</span> <a class="save" href="(.*?)"', page
        )
        assert [(file, unescape(alt)) for file, alt in pictures] == [
            (file, unescape(words)) for words, file in captions
        ]
    assert 'id="figure-loss-as-parabola-over-z-with"' in text(site, "03_delta_backprop")


def test_a_page_says_what_it_is_made_from_and_how_to_cite_it(site):
    for name in PAGES:
        page = text(site, name)
        assert re.search(
            r"<footer>\s*<p>Version [\d.]+(, \d{4}-\d\d-\d\d, commit [0-9a-f]+)?\.", page
        )
        assert f"@misc{{convolution-book-{name}," in page and page.count('rel="icon"') == 1
    assert '<meta name="description" content="The loss is known at the end' in text(
        site, "03_delta_backprop"
    )


def test_every_letter_of_the_text_is_in_its_fonts(site, brotli):
    """Names of people too: a missing letter is a box on a machine without such a font."""
    from fontTools.ttLib import TTFont

    from cnnlib.book.publish.formulas import FOLDER

    known = set()
    for name in ("math", "text", "names"):
        known |= set(map(chr, TTFont(FOLDER / f"{name}.woff2").getBestCmap()))
    system = set("→←≥≤≠✓✗○●◐☰ ⟩·×■□▶⋯…\n\t")  # signs that every system has
    for name in CHAPTERS:
        body = re.sub(
            r"<script.*?</script>|<pre.*?</pre>|<[^>]*>", "", whole(site, name), flags=re.DOTALL
        )
        lacking = {letter for letter in unescape(body) if letter.isalpha()} - known - system
        assert not lacking, (name, lacking)


def test_the_page_for_instructors_lists_every_exercise(site):
    from cnnlib.book.exercises import all_exercises

    page = text(site, "instructor")
    asked = "\n".join(whole(site, name) for name in CHAPTERS)
    for exercise in all_exercises():
        if f"Exercise {exercise.id}" in asked:
            assert re.search(rf'\.html#exercise-[^"]*">{re.escape(exercise.id)}</a>', page), (
                exercise.id
            )


# ---- The builder, on small books


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A repository of two chapters, to which no list leads; the test works in its top folder."""
    monkeypatch.chdir(tmp_path)
    save("00_start_here", "# Start\n\n[next](01_next.ipynb#There)")
    save("01_next", "# Next\n\n## There\n\nThe *quick* fox.")
    for module in (builder, alive):
        monkeypatch.setattr(module, "EXPLORERS", {"ConvolutionExplorer": ConvolutionExplorer})
    instructor = new_notebook(cells=[new_markdown_cell("# For instructors")])
    monkeypatch.setattr(builder, "_instructor", lambda *_: instructor)
    empty = dict.fromkeys(LISTS, '<h1 id="top">A list</h1>')
    monkeypatch.setattr(builder, "lists", lambda *_: empty)
    monkeypatch.setattr(builder, "index", lambda *_: "")
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
    pages = ("00_start_here", "01_next", "index", "instructor", "search", *LISTS)
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
    """What was noted where it failed is on the page alone: what is downloaded is as it was read."""
    made = committed(Path("notebooks"))
    for notebook in made.notebooks.values():
        notebook.metadata["cnnlib"] = {"date": "1", "tried": "2", "reason": "executed anew"}
        notebook.cells[-1].metadata["failed"] = "executed in vain"
        notebook.cells[-1].outputs = [new_output("stream", text="executed = True")]
    builder.render(Path("notebooks"), made, Path("build/html"))
    page = Path("build/html/01_next.html").read_text(encoding="utf-8")
    assert all(said in page for said in ("executed = True", "executed anew", "executed in vain"))
    below = Path("build/html/notebooks/01_next.ipynb")
    assert b"executed" not in below.read_bytes()
    assert [one.source for one in reading.read(below).cells] == [
        one.source for one in reading.read(Path("notebooks/01_next.ipynb")).cells
    ]


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
    """Go through the page: an explorer is made when it comes into view."""
    while page.locator(".explorer:not(.mounted)").count():
        page.evaluate("document.querySelector('.explorer:not(.mounted)')?.scrollIntoView()")
        page.wait_for_timeout(50)
    page.evaluate("scrollTo(0, 0)")


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
    # Without `preload`: it would fetch the style sheets, which the policy forbids.
    options = {"resultTypes": ["violations"], "preload": False, **rules}
    found = axe.run(page, context, options).response["violations"]
    return [(v["id"], n["target"], n["failureSummary"]) for v in found for n in v["nodes"]]


# Later parts are made as first parts are, so they wait for `make ci-long`.
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if re.search("_[b-e]$", name) else ())
        for name in PAGES + ALONE
    ],
)
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
    links = page.locator(".beside a:not(.number)").evaluate_all(
        "links => links.map((link) => link.href)"
    )
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
    page.get_by_role("button", name="Search", exact=True).click()
    page.wait_for_url("**/search.html?q=remainder")
    found = page.locator("#found li a")
    assert found.first.inner_text() == "3.16 The remainder"
    found.first.click()
    page.wait_for_url("**/03_delta_backprop_c.html#remainder")
    page.close()
    assert visit.wrong == []


def test_text_and_formulas_need_no_javascript(site, visit):
    page = visit(site / "03_delta_backprop.html", scripts=False)
    assert "what the inputs" in page.locator("main").inner_text()
    wide = page.locator("#eq-what-delta-is-dz-i math").bounding_box()
    assert wide["width"] > 50 and wide["height"] > 20
    assert page.locator(".theme, .copy").filter(visible=True).count() == 0
    page.close()


# Formulas at once; an explorer in the first screen, high and low.
@pytest.mark.parametrize("name", ["law_sheet", "03_delta_backprop", "00_start_here", "index"])
def test_nothing_moves_while_a_chapter_loads(site, visit, name):
    page = visit(site / f"{name}.html")
    until(page, "!document.querySelector('[data-hero]:not(.mounted)')")
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
    until(page, "Object.keys(localStorage).some((key) => key.startsWith('folds:'))")
    # The text stays; the number may change, as an explorer above it takes its own height.
    headings = "[...document.querySelectorAll('main h2')]"
    tops = page.evaluate(f"{headings}.map((one) => one.getBoundingClientRect().top)")
    near = min(range(len(tops)), key=lambda n: abs(tops[n]))
    page.reload()
    now = f"{headings}[{near}].getBoundingClientRect().top"
    until(page, f"Math.abs({now} - {tops[near]}) < 100")
    assert fold.evaluate("fold => fold.open")
    # A fold is known by its section and its words, not by how many stand before it.
    page.add_init_script(
        "document.addEventListener('DOMContentLoaded', () => document.querySelector('main h1')"
        ".insertAdjacentHTML('afterend', '<details><summary>New</summary>x</details>'))"
    )
    page.reload()
    assert page.locator("main details").first.evaluate("fold => !fold.open")
    assert fold.evaluate("fold => !fold.open")
    following = page.locator("main details:not(.cnn-explorer details)").nth(4)
    assert following.evaluate("fold => fold.open")
    page.evaluate("localStorage.clear()")
    page.close()


def test_an_old_address_leads_to_the_part_that_has_the_place_now(site, visit):
    page = visit((site / "03_delta_backprop.html").as_uri() + "#3.16-The-remainder")
    page.wait_for_url("**/03_delta_backprop_c.html#3.16-The-remainder")
    until(page, "Math.abs(document.getElementById('remainder').getBoundingClientRect().top) < 200")
    page.goto((site / "03_delta_backprop.html").as_uri() + "#loss")
    assert page.url.endswith("03_delta_backprop.html#loss")
    page.evaluate("localStorage.clear()")
    page.close()


def test_the_contents_mark_what_is_read_and_the_start_page_goes_on_there(site, visit):
    page = visit(site / "03_delta_backprop_b.html")
    page.evaluate("document.getElementById('padding').scrollIntoView()")
    marked = "document.querySelector('.contents [aria-current=location]')?.textContent"
    until(page, f"({marked} || '').startsWith('3.12')")
    assert page.locator(".top .section").inner_text() == "3.12 Padding"
    header = page.locator(".top").bounding_box()
    assert header["y"] == 0 and header["height"] < 60  # it stays, and it is slim
    assert page.locator(".contents [data-read=read]").count() == 0
    # Its end comes into view; the sections that were leapt over have not been read.
    page.evaluate(
        "document.getElementById('matrix-and-its-transpose').scrollIntoView({block: 'end'})"
    )
    until(page, "document.querySelector('.contents .sections [data-read=read]')")
    assert page.locator(".contents .sections [data-read=read]").all_inner_texts() == [
        "3.12 Padding"
    ]
    assert page.locator(".contents [aria-current=page]").get_attribute("data-read") == "1 of 5 read"
    page.goto((site / "index.html").as_uri())
    link = page.locator("p.continue a")
    assert link.inner_text() == "3.12 Padding"
    link.click()
    page.wait_for_url("**/03_delta_backprop_b.html#padding")
    page.evaluate("localStorage.clear()")
    page.close()


def test_a_citation_names_the_section_and_its_address(site, visit):
    page = visit(site / "03_delta_backprop_b.html")
    page.evaluate("document.getElementById('padding').scrollIntoView()")
    until(page, "document.querySelector('.top .section').textContent === '3.12 Padding'")
    page.evaluate("document.querySelector('.cite').open = true")
    until(page, "document.querySelector('.cite pre').textContent.includes('url = ')")
    cited = page.locator(".cite pre").text_content()
    assert "note = {3.12 Padding. Part 3B. Version" in cited
    assert cited.rstrip().endswith("03_delta_backprop_b.html#padding}\n}")
    page.evaluate("localStorage.clear()")
    page.close()


def test_on_a_phone_the_contents_open_from_the_header(site, visit):
    page = visit(site / "03_delta_backprop_b.html", width=390)
    assert page.locator("nav.contents").is_hidden()
    page.evaluate("scrollTo(0, 4000)")
    page.get_by_role("button", name="Contents").click()
    page.locator("nav.contents").get_by_text("3.14 Several channels").click()
    page.wait_for_url("**#several-channels")
    assert page.locator("nav.contents").is_hidden()
    page.evaluate("localStorage.clear()")
    page.close()


def test_explorers_are_made_when_they_come_into_view(site, visit):
    page = visit(site / "01_forward_pass.html")
    until(page, "document.readyState === 'complete'")
    places = page.locator(".explorer")
    assert places.count() > 1 and page.locator(".mounted").count() < places.count()
    mounted(page)
    assert page.locator(".mounted").count() == places.count()
    page.close()
    assert visit.wrong == []


@pytest.mark.parametrize("name", ["03_delta_backprop", "11_everyones_centres_b"])
def test_text_has_a_measure_and_code_wraps(site, visit, name):
    page = visit(site / f"{name}.html", width=1366)
    wide = """() => [...document.querySelectorAll('.source pre')]
        .filter((pre) => pre.scrollWidth > pre.clientWidth).length"""
    assert page.evaluate(wide) == 0
    line = """() => {
        const code = document.querySelector('.cell > .source code');
        const one = document.createElement('i');
        one.textContent = 'x'.repeat(85);
        code.append(one);
        const height = parseFloat(getComputedStyle(one).lineHeight);
        return one.getBoundingClientRect().height / height;
    }"""
    assert page.evaluate(line) < 1.5  # 85 characters stand on one line
    letters = """() => {
        const p = document.createElement('p');
        p.textContent = 'The loss is known at the end, and the chapter goes back. '.repeat(9);
        document.querySelector('.cell').append(p);
        const lines = p.getBoundingClientRect().height / parseFloat(getComputedStyle(p).lineHeight);
        return p.textContent.length / Math.round(lines);
    }"""
    assert 65 <= page.evaluate(letters) <= 75
    page.close()


def test_code_is_copied(site, visit):
    page = visit(site / "00_start_here.html")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_text("Setup", exact=True).click()
    source = page.locator(".setup-cell .source").first
    source.hover()
    source.get_by_role("button", name="Copy").click()
    source.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "import numpy as np\n\nimport cnnlib"
    page.evaluate("localStorage.clear()")
    page.close()


def test_on_paper_a_chapter_is_text_and_stills(site, visit):
    page = visit(site / "index.html")
    mounted(page)
    page.emulate_media(media="print")
    hidden = page.locator("header, nav, button, .mounted > .cnn-explorer")
    assert hidden.filter(visible=True).count() == 0
    assert page.locator(".still").first.is_visible()
    page.close()
