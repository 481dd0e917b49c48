"""Every kind of output is shown, or refused with file, cell and kind: none is left out."""

import base64
import io
import itertools
import re
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("nbconvert")
pytest.importorskip("anywidget")

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from PIL import Image

from cnnlib.book.publish import BuildError
from cnnlib.book.publish.exporter import CourseExporter
from cnnlib.book.publish.outputs import KINDS
from cnnlib.book.publish.pages import Site
from cnnlib.book.publish.pictures import picture
from cnnlib.book.widgets import MIME, VIEW, PoolingExplorer

EXPORTER = CourseExporter()
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="3cm" height="36pt">'
    '<title>t</title><script>alert()</script><rect id="content" width="9" height="9"/></svg>'
)


def export(*outputs, tags=(), cell=None):
    if cell is None:
        cell = new_code_cell("x", outputs=list(outputs), execution_count=1)
        cell.metadata["tags"] = list(tags)
    cells = [new_markdown_cell("# Title"), cell]
    resources = {"metadata": {"name": "03_chapter"}, "site": Site({})}
    return EXPORTER.from_notebook_node(new_notebook(cells=cells), resources)[0]


def shown(data, alt="a dot"):
    """An output of these kinds, of which each picture has words."""
    metadata = {kind: {"alt": alt} for kind in data if kind.startswith("image/")}
    return new_output("display_data", data, metadata=metadata)


def drawn(form, size=(7, 3)):
    file = io.BytesIO()
    Image.new("RGB", size).save(file, form)
    return base64.b64encode(file.getvalue()).decode()


EXPLORER = PoolingExplorer(input=[3, 8, 5], stride=1).payload()
GIF = drawn("GIF")
# kind: what a notebook stores, and what the page then has
SHOWN = {
    "text/html": ("<table class='dataframe'><tr><td>1.5</td></tr></table>", "<td>1.5</td>"),
    "image/png": (drawn("PNG"), 'alt="a dot" width="7" height="3">'),
    "image/svg+xml": (SVG, 'alt="a dot" width="113" height="48">'),
    "image/jpeg": (drawn("JPEG"), '<img src="data:image/jpeg;base64,'),
    "image/gif": (GIF, f'<img src="data:image/gif;base64,{GIF}" alt="a dot" width="7"'),
    "image/webp": (drawn("WEBP"), '<img src="data:image/webp;base64,'),
    "text/markdown": ("a *b* $c$", "<p>a <em>b</em> <math><mi>c</mi></math></p>"),
    "text/latex": (r"$\displaystyle d^2$", "<msup><mi>d</mi><mn>2</mn></msup>"),
    "application/json": ({"e": [1, "<f>"]}, '"&lt;f&gt;"\n  ]\n}</pre>'),
    "text/plain": ("g < h", '<pre class="output">g &lt; h</pre>'),
    MIME: (EXPLORER, 'class="explorer"'),
}
UNKNOWN = {
    "application/vnd.plotly.v1+json": {"data": []},
    "application/vnd.vegalite.v5+json": {"mark": "bar"},
    "application/vnd.bokehjs_exec.v0+json": "",
    "application/javascript": "alert()",
    "application/pdf": "JVBERi0=",
    "text/x-python": "import this",
    "video/mp4": "AAAA",
    "image/tiff": "SUkqAA==",
}


def bundle(*kinds):
    """An output in all of these kinds."""
    data = {kind: {**SHOWN, **dict.fromkeys(UNKNOWN)}[kind] for kind in kinds}
    return {kind: UNKNOWN[kind] if pair is None else pair[0] for kind, pair in data.items()}


def test_the_table_has_every_kind():
    assert set(SHOWN) == {*KINDS, "text/plain"}


@pytest.mark.parametrize("kind", SHOWN)
@pytest.mark.parametrize("with_text", [False, True])
def test_a_kind_is_shown(kind, with_text):
    """Jupyter gives every object a text as well, such as <IPython.core.display.SVG object>."""
    data = bundle(kind, *["image/png"] * (kind == MIME))
    if with_text and kind != "text/plain":
        data = {"text/plain": "<an object>", **data}
    page = export(shown(data))
    assert SHOWN[kind][1] in page
    assert "an object" not in page


@pytest.mark.parametrize("kind", UNKNOWN)
@pytest.mark.parametrize("more", [(), ("text/plain",)])
def test_a_kind_that_is_not_known_is_refused_by_name(kind, more):
    with pytest.raises(BuildError) as error:
        export(shown(bundle(kind, *more)))
    message = str(error.value)
    assert message.startswith("03_chapter.ipynb, cell 2: ")
    assert kind in message and "make it a picture" in message


@pytest.mark.parametrize("kind", UNKNOWN)
def test_an_output_that_is_also_known_is_shown(kind):
    page = export(shown(bundle(kind, "text/html", "text/plain")))
    assert "<td>1.5</td>" in page


@given(st.sets(st.sampled_from(sorted({*SHOWN, *UNKNOWN}))))
def test_no_mixture_of_kinds_vanishes(kinds):
    """One of them is shown, never the text where there is more; or those unknown are named."""
    rich = [kind for kind in KINDS if kind in kinds]
    unknown = sorted(kinds & set(UNKNOWN))
    data = bundle(*kinds)
    if MIME in kinds:
        data["image/png"] = SHOWN["image/png"][0]
    try:
        page = export(shown(data))
    except BuildError as error:
        assert not rich and all(kind in str(error) for kind in unknown)
        assert unknown or "text/plain" not in kinds
    else:
        marks = [kind for kind in SHOWN if SHOWN[kind][1] in page]
        assert (rich or ["text/plain"])[0] in marks


ODD = {
    "no kind at all": ({}, "of the kind none cannot be shown"),
    "png that is none": ({"image/png": "bm9uZQ=="}, "a picture is no image/png"),
    "png not in base64": ({"image/png": "n"}, "a picture is no image/png"),
    "png cut off": ({"image/png": drawn("PNG", (90, 90))[:80]}, "a picture is no image/png"),
    "a jpeg called png": ({"image/png": drawn("JPEG")}, r"no image/png \(it is of another kind\)"),
    "svg that is none": ({"image/svg+xml": "<p>x</p>"}, "a picture is no image/svg"),
    "svg cut off": ({"image/svg+xml": SVG[:-9]}, "a picture is no image/svg"),
    "svg without its namespace": (
        {"image/svg+xml": "<svg width='9' height='9'></svg>"}, "a picture is no image/svg"),
    "svg without a size": (
        {"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'/>"}, "nor a viewBox"),
    "svg of a bad size": (
        {"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg' viewBox='a b c d'/>"},
        "a picture is no image/svg"),
    "latex that is text": ({"text/latex": r"\textbf{x}"}, "LaTeX is shown where it is one formula"),
    "latex unknown": ({"text/latex": r"$\nosuch$"}, "Unknown command"),
    "an unknown explorer": (
        {MIME: {"explorer": "None", "traits": {}}, "image/png": drawn("PNG")}, "made again"),
    "an explorer of bad traits": (
        {MIME: {**EXPLORER, "traits": {"stride": "x"}}, "image/png": drawn("PNG")}, "made again"),
    "an explorer without a still": ({MIME: EXPLORER}, "made again"),
    "a view alone": ({VIEW: {}}, "a control cannot work without a kernel"),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_is_not_as_its_kind_says_is_refused(name):
    data, reason = ODD[name]
    with pytest.raises(BuildError, match=rf"03_chapter\.ipynb, cell 2: .*{reason}"):
        export(shown(data))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("image/")])
def test_a_picture_of_any_kind_needs_words(kind):
    with pytest.raises(BuildError, match="cell 2: a picture has no alternative text"):
        export(shown(bundle(kind), alt=" "))


def test_an_svg_is_a_picture_in_which_nothing_runs():
    page = export(shown(bundle("image/svg+xml")))
    assert "alert" not in page and page.count('id="content"') == 1
    assert base64.b64encode(SVG.encode()).decode() in page


@pytest.mark.parametrize(
    ("size", "width", "height"),
    [
        ('width="460.8pt" height="345.6pt" viewBox="0 0 460.8 345.6"', 614, 461),
        ('width="100%" viewBox="0 0 30 20"', 30, 20),
        ('viewBox="1,2,30,20"', 30, 20),
        ('width="30" height="20px"', 30, 20),
    ],
)
def test_an_svg_has_its_size(size, width, height):
    text = f'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" {size}/>'
    assert f'width="{width}" height="{height}"' in export(shown({"image/svg+xml": text}))


@pytest.mark.parametrize("latex", ["$$ x $$", "\\begin{aligned}x\\end{aligned}", " $x$\n"])
def test_a_formula_comes_in_all_the_ways_of_jupyter(latex):
    assert "<mi>x</mi>" in export(shown({"text/latex": latex}))


@pytest.mark.parametrize("name", ["stdout", "stderr", "stdin", "other"])
def test_a_stream_of_any_name_is_shown(name):
    assert '<pre class="output">a &lt; b</pre>' in export(
        new_output("stream", name=name, text="a < b")
    )


def test_parts_of_a_stream_are_one_text():
    page = export(*(new_output("stream", text=text) for text in ("a", "b\n", "1 %\r2 %")))
    assert '<pre class="output">ab\n2 %</pre>' in page


def test_an_error_without_its_lines_is_named():
    page = export(new_output("error", ename="E", evalue="<v>", traceback=[]))
    assert '<pre class="output">E: &lt;v&gt;</pre>' in page


def test_a_raw_cell_is_refused_unless_it_is_empty():
    with pytest.raises(BuildError, match=r"03_chapter\.ipynb, cell 2: a raw cell"):
        export(cell=new_raw_cell("words"))
    export(cell=new_raw_cell(" \n"))


def test_bars_of_finished_loops_go_and_nothing_else():
    bar = shown({VIEW: {"model_id": ""}, "text/plain": "  0%|   | 0/9"})
    page = export(bar, new_output("stream", text="50%| is said in words"))
    assert "0/9" not in page and "50%| is said in words" in page


def test_outputs_keep_their_order():
    kinds = ("text/plain", "text/html", "image/svg+xml", "text/markdown")
    for order in itertools.permutations(kinds):
        page = export(*(shown(bundle(kind)) for kind in order))
        places = [page.index(SHOWN[kind][1]) for kind in order]
        assert places == sorted(places)


def huge_png():
    """The head of a picture of 60,000 by 60,000 pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    content = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    content += struct.pack(">I", 4) + b"IDAT" + bytes(8)
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + content).decode()


@pytest.mark.parametrize(
    ("kind", "data"),
    [("image/png", "@@"), ("image/png", huge_png()),
     ("image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg" width="1e999" height="1"/>')],
    ids=["no base64", "of a huge size", "endless"],
)  # fmt: skip
def test_a_picture_that_is_none_is_refused_in_a_sentence(kind, data):
    with pytest.raises(BuildError, match=f"^a picture is no {re.escape(kind)} .*: make it anew$"):
        picture(kind, data, "A square.")
