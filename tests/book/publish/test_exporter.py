"""`jupyter nbconvert --to cnn-course`: one page, complete in itself, or the cell and the reason."""

# make number: leave this file, its numbers are examples

import base64
import copy
import json
import re
import subprocess
import sys
from functools import cache

import pytest

pytest.importorskip("nbconvert")
pytest.importorskip("anywidget")

import nbformat
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cnnlib.book.publish import BuildError, pages
from cnnlib.book.publish.build import VIEW, without_volatile_parts
from cnnlib.book.publish.checks import Page, check_links
from cnnlib.book.publish.exporter import CourseExporter
from cnnlib.book.publish.outline import read_chapters
from cnnlib.book.publish.pages import Site
from cnnlib.book.widgets import MIME, PoolingExplorer

PIXEL = (  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNg"
    "YGBgAAAABQABpfZFQAAAAABJRU5ErkJggg=="
)
ALT = {"image/png": {"alt": "a pixel"}}


def save(folder, *cells, name="03_chapter"):
    path = folder / f"{name}.ipynb"
    copies = [copy.deepcopy(cell) for cell in (new_markdown_cell("# 3. A chapter"), *cells)]
    for number, cell in enumerate(copies):
        cell["id"] = f"cell-{number}"
    nbformat.write(new_notebook(cells=copies), path)
    return path


def picture(metadata=ALT, **more):
    return new_output("display_data", {"image/png": PIXEL, **more}, metadata=metadata)


def code(*outputs, source="x", tags=()):
    cell = new_code_cell(source, outputs=list(outputs), execution_count=1)
    if tags:
        cell.metadata["tags"] = list(tags)
    return cell


def export(folder, *cells):
    return CourseExporter().from_filename(str(save(folder, *cells)))[0]


@cache
def explorer_cell():
    data, metadata = PoolingExplorer(input=[3, 8, 5], stride=1)._repr_mimebundle_()
    return code(new_output("display_data", data, metadata=metadata))


BROKEN = {
    "formula": (new_markdown_cell(r"$\nosuch$"), r"the formula '\\+nosuch'.*Unknown command"),
    "link": (new_markdown_cell("[a](09_none.ipynb)"), "link to 09_none.ipynb: there is no such"),
    "heading": (new_markdown_cell("[a](#Nowhere)"), "link to #Nowhere: there is no such place"),
    "equation": (new_markdown_cell("By (3.7)."), r"\(3\.7\) names an equation that is nowhere"),
    "image": (new_markdown_cell("![a](none.png)"), "image none.png: there is no such file"),
    "words for an image": (new_markdown_cell("![](a.png)"), "no alternative text"),
    "words for a figure": (code(picture({})), "a picture has no alternative text"),
    "words in HTML": (new_markdown_cell('<img src="data:,">'), "an image has no alternative text"),
    "image from outside": (
        new_markdown_cell('<img src="https://example.org/a.png" alt="a">'),
        "<img> loads 'https://example.org/a.png'",
    ),
    "style from outside": (
        new_markdown_cell('<p style="background: url(https://example.org/a.png)">a</p>'),
        "<p> loads something",
    ),
    "style in other words": (
        new_markdown_cell(r'<p style="background: u\72l(https://example.org/a.png)">a</p>'),
        "<p> loads something",
    ),
    "set of images": (
        new_markdown_cell("<p style=\"background: image-set('a.png' 1x)\">a</p>"),
        "<p> loads something",
    ),
    "choice of images": (
        new_markdown_cell('<img src="data:," srcset="data:, 1x, a.png 2x" alt="a">'),
        "<img> loads something",
    ),
    "link that reports": (
        new_markdown_cell('<a href="#" ping="https://example.org/">a</a>'),
        "<a> loads something",
    ),
    "link that runs": (new_markdown_cell('<a href="JavaScript:alert(1)">a</a>'), "link to 'JavaS"),
    "link that runs, hidden": (
        code(new_output("display_data", {"text/html": '<a href=" java&#10;script:a()">a</a>'})),
        "write one to http, https, mailto",
    ),
    "link to a disk": (new_markdown_cell("[a](file:///etc/passwd)"), "a link to 'file:"),
    "link to data": (new_markdown_cell('<a href="data:text/html,a">a</a>'), "a link to 'data:"),
    "style sheet from outside": (
        code(new_output("display_data", {"text/html": "<style>@import 'a.css';</style>"})),
        "style sheet loads something",
    ),
    "link element": (
        new_markdown_cell('<link rel="stylesheet" href="https://example.org/a.css">'),
        "<link> loads 'https://example.org/a.css'",
    ),
    "frame": (new_markdown_cell('<iframe src="https://example.org/"></iframe>'), "<iframe> loads"),
    "control": (
        code(new_output("display_data", {VIEW: {"model_id": "7"}, "text/plain": "IntSlider()"})),
        "a control cannot work without a kernel",
    ),
    "control with a still": (code(picture(**{VIEW: {"model_id": "7"}})), "tag `playground`"),
    "button": (
        code(new_output("display_data", {"text/html": "<button>Run</button>"})),
        "<button> cannot work without a kernel",
    ),
    "script": (
        code(new_output("display_data", {"text/html": "<script>alert()</script>"})),
        "<script> cannot work without a kernel",
    ),
    "two equal headings": (new_markdown_cell("## A\n\n## A"), "#A stands here a second time"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_broken_is_named_with_file_and_cell(tmp_path, kind):
    cell, reason = BROKEN[kind]
    (tmp_path / "a.png").write_bytes(base64.b64decode(PIXEL))
    fine = [new_markdown_cell("Some *text*."), code(picture())]
    export(tmp_path, *fine)
    with pytest.raises(BuildError, match=f"03_chapter.ipynb, cell 4: .*{reason}"):
        export(tmp_path, *fine, cell, *fine)


def test_an_explorer_is_made_again_from_its_traits(tmp_path):
    page = export(tmp_path, explorer_cell(), explorer_cell())
    data = json.loads(re.search(r'id="explorer-data">(.*?)</script>', page)[1])
    assert list(data["modules"]) == ["PoolingExplorer"]  # once, though two are shown
    assert [name for name, _ in data["shown"]] == ["PoolingExplorer"] * 2
    assert data["shown"][0][1]["input"] == [3, 8, 5]
    assert page.count('class="explorer"') == page.count('class="still"') == 2
    assert "on its own page" not in page


def test_a_committed_explorer_gives_the_same_page(tmp_path):
    live = export(tmp_path, explorer_cell())
    path = save(tmp_path, explorer_cell())
    notebook = without_volatile_parts(nbformat.read(path, as_version=4))
    assert VIEW not in notebook.cells[1].outputs[0].data
    assert MIME in notebook.cells[1].outputs[0].data
    nbformat.write(notebook, path)
    assert CourseExporter().from_filename(str(path))[0] == live


def test_a_playground_becomes_its_still_with_a_note(tmp_path):
    output = picture(**{VIEW: {"model_id": "7"}, "text/plain": "Playground: a pixel"})
    page = export(tmp_path, code(output, tags=["playground"]))
    assert f'src="data:image/png;base64,{PIXEL}"' in page
    assert page.count("needs the notebook") == 1
    assert "needs the notebook" not in export(tmp_path, code(picture()))


def test_hints_and_solutions_show_their_folds_alone(tmp_path):
    fold = new_output("execute_result", {"text/html": "<details>x</details>"}, execution_count=1)
    cells = [code(fold, source='hint("3.1", 2)', tags=["hint"]), code(source='hint("3.2")')]
    page = export(tmp_path, *cells)
    assert "<details>x</details>" in page
    assert page.count('<div class="source">') == 1


def test_a_first_screen_has_the_question_the_explorer_and_then_the_aims():
    shown = explorer_cell()
    shown = code(*shown.outputs, source="PoolingExplorer()", tags=["figure"])
    intro = "# 3. A\n\nWhy?\n\n**After this chapter** you can x.\n**You need:** y."
    cells = [
        new_markdown_cell(intro),
        code(source="import numpy", tags=["setup"]),
        new_markdown_cell("**See it first.**\nLook."),
        shown,
        new_markdown_cell("## 3.1 Next"),
    ]
    page = CourseExporter().from_notebook_node(new_notebook(cells=cells))[0]
    assert re.findall(r'data-cell="(\d)"', page) == ["1", "3", "4", "2", "5"]
    order = ["<p>Why?", "Look.", "data-hero data", 'class="aims"', "<summary>Setup", "3.1 Next <a"]
    places = [page.index(words) for words in order]
    assert places == sorted(places)
    assert "you can x.</p>\n<p><strong>You need:" in page
    # A chapter without an explorer of its own gets one, if the builder knows it.
    for name, known in (("09_clinic", 1), ("09_other", 0)):
        resources = {"metadata": {"name": name}}
        page = CourseExporter().from_notebook_node(new_notebook(cells=cells[:2]), resources)[0]
        assert page.count("data-hero data-") == known and page.count('class="aims"') == 1


def test_code_that_draws_is_folded_below_its_figure(tmp_path):
    page = export(tmp_path, code(picture(), source="draw()", tags=["figure"]), code(source="y = 1"))
    assert page.index("<figcaption") < page.index("Show the code of this figure</summary>")
    assert page.index('</summary>\n<div class="source"><pre><code>draw()') > 0
    assert page.count('<details class="code') == 1 and page.count('<div class="source">') == 2
    assert '<b>Figure 3.1.</b> <span aria-hidden="true">a pixel</span>' in page


def test_a_page_asks_for_errors_where_an_address_is_set(tmp_path, monkeypatch):
    assert "Report an error" not in export(tmp_path)
    monkeypatch.setattr(pages, "REPORT", "mailto:someone@example.org")
    assert '<a href="mailto:someone@example.org">Report an error</a>' in export(tmp_path)
    monkeypatch.setattr(pages, "REPORT", "")
    exporter = CourseExporter(repository="https://github.com/owner/name")
    page = exporter.from_filename(str(save(tmp_path)))[0]
    assert '<a href="https://github.com/owner/name/issues">Report an error</a>' in page


def test_outputs_are_text_and_not_markup(tmp_path):
    outputs = [
        new_output("stream", text="a < b\x1b[31m!"),
        new_output("execute_result", {"text/plain": "<b>"}, execution_count=1),
        new_output("error", ename="E", evalue="<i>", traceback=["\x1b[31mE\x1b[0m", "<i>"]),
    ]
    page = export(tmp_path, code(*outputs, source="a < b"))
    for text in ("a &lt; b!</pre>", "&lt;b&gt;</pre>", "E\n&lt;i&gt;</pre>"):
        assert text in page


def test_state_and_text_cannot_end_their_script(tmp_path):
    page = export(tmp_path, explorer_cell())
    for script in re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL):
        assert "<!--" not in script
    assert "<" not in re.search(r'id="explorer-data">(.*?)</script>', page)[1]


def test_the_policy_names_every_script_and_allows_no_request(tmp_path):
    import hashlib

    page = export(tmp_path, explorer_cell())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == "'none'"
    assert rules["img-src"] == rules["font-src"] == "data:"
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    assert rules["script-src"] == " ".join([f"'sha256-{h}'" for h in hashes] + ["blob:"])


def test_equations_of_other_chapters_are_linked(tmp_path):
    save(tmp_path, new_markdown_cell(r"$$ a \qquad (2.1) $$"), name="02_before")
    page = export(tmp_path, new_markdown_cell("By (2.1)."))
    assert '<a href="02_before.html#eq-2.1">(2.1)</a>' in page


def test_a_repository_offers_pip_and_binder(tmp_path):
    path = str(save(tmp_path))
    plain = CourseExporter().from_filename(path)[0]
    assert "Binder" not in plain and "pip install" not in plain and "JupyterLab" in plain
    exporter = CourseExporter(repository="https://github.com/owner/name")
    page = exporter.from_filename(path)[0]
    assert "git+https://github.com/owner/name" in page
    assert "mybinder.org/v2/gh/owner/name/HEAD?labpath=notebooks/03_chapter.ipynb" in page
    page = CourseExporter(repository="https://example.org/name.git").from_filename(path)[0]
    assert "git+https://example.org/name.git" in page and "Binder" not in page


def test_old_outputs_are_dated(tmp_path):
    notebook = nbformat.read(save(tmp_path), as_version=4)
    reason = "code cell 7 (2.1 <i>) stops with AssertionError"
    dates = {"date": "2020-02-03", "tried": "2020-04-05"}
    notebook.metadata["cnnlib"] = dates | {"reason": reason}
    page = CourseExporter().from_notebook_node(notebook)[0]
    assert "This page shows the results that were committed on 2020-02-03. " in page
    said = "On 2020-04-05 they could not be computed anew: "
    assert f"{said}code cell 7 (2.1 &lt;i&gt;) stops with AssertionError." in page
    assert page.index('class="note"') < page.index("<h1")


def test_a_cell_that_failed_says_so_above_its_older_output(tmp_path):
    cells = [code(new_output("stream", text="1")), code(new_output("stream", text="2"))]
    notebook = nbformat.read(save(tmp_path, *cells), as_version=4)
    dates = {"date": "2020-02-03", "tried": "2020-04-05"}
    notebook.metadata["cnnlib"] = dates | {"reason": "code cell 2 stops with E: <i>."}
    notebook.cells[2].metadata["failed"] = "stops with E: <i>."
    page = CourseExporter().from_notebook_node(notebook)[0]
    note = (
        '<p class="note">On 2020-04-05 this cell failed: it stops with E: &lt;i&gt;. '
        "What stands below was committed on 2020-02-03.</p>"
    )
    before, after = page.split(note)
    assert ">1</pre>" in before and ">2</pre>" in after
    assert before.count('<div class="source">') == 2
    notebook.cells[2].outputs = []
    assert "What stands below" not in CourseExporter().from_notebook_node(notebook)[0]


@pytest.mark.parametrize("title", ["`</title>` & more", "a <!-- b", '"<', "`<plaintext>`"])
def test_a_title_is_text_wherever_it_stands(tmp_path, title):
    html5lib = pytest.importorskip("html5lib")
    path = save(tmp_path, new_markdown_cell("## words"))
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = f"# {title}"
    both = read_chapters({"03_chapter": notebook, "04": notebook}).values()
    site = Site({}, chapters=tuple(both), wheel="w")
    for resources in ({}, {"site": site, "metadata": {"name": "03_chapter"}}):
        page = CourseExporter().from_notebook_node(notebook, resources)[0]
        tree = html5lib.parse(page, namespaceHTMLElements=False)
        assert tree.find("head/title").text == title.replace("`", "")
        contents = "".join(tree.find("body/div/nav").itertext())
        assert "words" in contents and contents.count(title) == 2 * bool(resources)
        assert tree.find("body/footer") is not None


def test_a_file_that_is_no_notebook_is_named_by_jupyter_as_well(tmp_path):
    (tmp_path / "03_chapter.ipynb").write_text('{"cells": [')
    command = [sys.executable, "-m", "nbconvert", "--to", "cnn-course", "03_chapter.ipynb"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert "03_chapter.ipynb cannot be read: line 1 is no JSON, as where a file was cut" in last


def test_jupyter_finds_the_exporter(tmp_path):
    path = save(tmp_path, explorer_cell())
    command = [sys.executable, "-m", "nbconvert", "--to", "cnn-course", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    page = (tmp_path / "03_chapter.html").read_text(encoding="utf-8")
    assert page == CourseExporter().from_filename(str(path))[0]


ODD = [None, 0, -1, 1.5, True, "", "x", [], {}, [None], {"a": 1}, "\ud800", "\0", "<plaintext>"]
ODD += [{"image/png": 3}, {"alt": 3}, [["x"]], {"text/plain": []}, {"sections": "x"}]
NAMES = [
    "book",
    "tags",
    "image/png",
    "text/html",
    "cnnlib",
    "failed",
    "page",
    "alt",
    "outputs",
    MIME,
]


def places(value):
    """Every object and list in a notebook, with each of its keys."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def damage(data, whole):
    """Another value, a value gone, or one more in one or two places."""
    for _ in range(data.draw(st.integers(1, 2))):
        every = list(places(whole))
        holder, key = every[data.draw(st.integers(0, len(every) - 1))]
        odd = data.draw(st.sampled_from(ODD))
        if isinstance(holder, dict) and data.draw(st.booleans()):
            holder[data.draw(st.sampled_from(NAMES))] = odd
        elif odd is None and isinstance(holder, dict):
            del holder[key]
        else:
            holder[key] = odd


@given(data=st.data())
def test_whatever_stands_in_a_notebook_it_is_shown_or_refused(tmp_path_factory, data):
    """In one line, with its file; as an object that is no longer what it was, or as bytes."""
    folder = tmp_path_factory.getbasetemp() / "odd"
    folder.mkdir(exist_ok=True)
    cells = [explorer_cell(), code(picture()), code(new_output("stream", text="1"), tags=["hint"])]
    path = save(folder, new_markdown_cell("## 3.1 Words"), *cells)
    if data.draw(st.booleans()):
        whole = json.loads(path.read_text(encoding="utf-8"))
        damage(data, whole)
        content = json.dumps(whole).encode()
    else:
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= 1 << data.draw(st.integers(0, 7))
        content = content[: data.draw(st.sampled_from([at + 1, len(content)]))]
    path.write_bytes(content)
    try:
        CourseExporter().from_filename(str(path))[0].encode()
    except BuildError as error:
        assert "03_chapter.ipynb" in str(error) and "\n" not in str(error)
        assert len(str(error)) < 400


def test_links_between_pages_are_checked():
    pages = {"a.html": Page("a", '<p id="x"></p>'), "b.html": Page("b", '<a href="a.html#x">a</a>')}
    check_links(pages, set())
    pages["b.html"] = Page("b", '<a href="a.html#y">a</a>')
    with pytest.raises(BuildError, match="b: the link to a.html#y: there is no such place"):
        check_links(pages, set())
    pages["b.html"] = Page("b", '<a href="c.ipynb">a</a>')
    with pytest.raises(BuildError, match=r"b: the link to c.ipynb: there is no such file"):
        check_links(pages, set())
    check_links(pages, {"c.ipynb"})
