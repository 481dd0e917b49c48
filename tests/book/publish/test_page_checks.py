"""What an author's HTML may do to a page: nothing around its own cell. A real parser judges."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("nbconvert")
pytest.importorskip("anywidget")
pytest.importorskip("html5lib")

import html5lib
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cnnlib.book.publish import BuildError
from cnnlib.book.publish.checks import MATH, TEXT, VOID, Page
from cnnlib.book.publish.exporter import CourseExporter
from cnnlib.book.publish.pages import Site

EXPORTER = CourseExporter()


def markdown(fragment):
    return new_markdown_cell(fragment)


def output(fragment):
    shown = new_output("display_data", {"text/html": fragment})
    return new_code_cell("x", outputs=[shown], execution_count=1)


PLACES = {"text": markdown, "output": output}


def exported(*cells):
    """The page of a chapter of these cells, with one before and one after."""
    every = [new_markdown_cell("# Title"), *cells, new_markdown_cell("## After\n\n*last* `words`")]
    resources = {"metadata": {"name": "03_chapter"}, "site": Site({})}
    return EXPORTER.from_notebook_node(new_notebook(cells=every), resources)[0]


def around(page):
    """What a browser makes of the page around the second cell, as text."""
    page = re.sub(r"<(style|script)>.*?</\1>", "", page, count=2, flags=re.DOTALL)  # our own
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    (body,) = tree.findall("body")
    (main,) = tree.findall("body/div[@class='page']/main")
    cells = main.findall("div[@data-cell]")
    assert [cell.get("data-cell") for cell in cells] == ["1", "2", "3"]
    cells[1].clear()
    cells[1].set("data-cell", "2")
    text = html5lib.serialize(tree, quote_attr_values="always", omit_optional_tags=False)
    assert len(body.findall("footer")) == 1
    return text


@pytest.fixture(scope="module")
def harmless():
    """The same page around a harmless cell of either kind."""
    return around(exported(markdown("words")))


SWALLOWING = [
    *(f"<{tag}>" for tag in (
        "title", "plaintext", "xmp", "noscript", "noembed", "noframes", "listing", "textarea",
        "template", "frameset", "select", "svg", "math", "style", "head", "body", "html", "base",
        "button", "form", "option", "object", "video", "canvas", "dialog", "marquee", "image",
        "nobr", "keygen", "param", "b", "a", "div", "p", "li", "table", "td", "details", "h2",
        "pre", "code", "ruby", "section", "nav",
    )),
    '<base href="https://example.org/">',
    "<title>My page</title>",
    "<noscript><p>x</p></noscript>",
    "<math><mtext><title>x</title></mtext></math>",
    "<math><mi><plaintext></mi></math>",
    "<div><svg><style><a title='</style>'></a></style></svg></div>",
    "</div>", "</div></div>", "</main>", "</body>", "</html>", "</p>", "</br>", "</div><div>",
    "</div><nav></nav><div>", "</div>x<div class='cell'>",
    "<b><i>x</b></i>", "<p><b>x</p></b>", "<table><b></table></b>", "<div/>", "<p/>", "<b/>x",
    "<!--", "<!-- x", "<!-- x --", "<!-->", "<!--->", "<!-- x --!>", "<!-- a -- b", "<!---x",
    "<!", "<!x>", "<!DOCTYPE html", "<![CDATA[", "<![CDATA[x]]>", "<?", "<?xml version='1.0'?>",
    "</", "</ div>", "</ ", "</3>", "<div", '<div class="x', "<div class='x", '<a href="x>y</a>',
    "<div class=>", "<div =x>", '<div a"b>', "<div a=b'c>", "<div a=`>", "<a<b>", "<div><",
    "<style><", "<style>a{}<p></style>", "<style><!-- </style> -->",
]  # fmt: skip
STANDING = [
    "words", "<!-- a note -->", "a<br>b", "a<br/>b", "<hr>", "<b>x</b>", "<kbd>Ctrl</kbd>",
    "<details><summary>s</summary>\n\n*x*\n\n</details>", "<table><tr><td>1</td></tr></table>",
    "<div><p>a</p></div>", '<p title="a > b">x</p>', "<p title='a \"q\" b' class=x>x</p>",
    "$x$", "$$ \\frac{1}{2} $$", "a &lt; b", "a &lt;title> b", "<dl><dt>a</dt><dd>b</dd></dl>",
    "<ul><li>a</li></ul>", "<style scoped>.x td { color: red }</style>",
    "<math><mi>x</mi><mspace/><mo>=</mo></math>",
    '<figure><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" alt="a dot"></figure>',
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fragment", SWALLOWING)
def test_what_would_swallow_the_page_is_refused_with_file_and_cell(harmless, fragment, place):
    """Or it is text: in Markdown, what is no tag of a block is often shown as it is written."""
    try:
        page = exported(PLACES[place](fragment))
    except BuildError as error:
        assert re.match(r"03_chapter\.ipynb, cell 2: .*(write|close|tag the cell)", str(error))
        assert "\n" not in str(error) and len(str(error)) < 200
    else:
        assert place == "text"
        assert around(page) == harmless
        assert fragment.replace("<", "&lt;").replace(">", "&gt;")[:5] in page


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fragment", STANDING)
def test_what_an_author_writes_stands(harmless, fragment, place):
    assert around(exported(PLACES[place](fragment))) == harmless


@pytest.mark.parametrize("tag", sorted(TEXT - VOID - {"math", "style"}))
def test_every_element_that_may_stand_leaves_the_page_as_it_is(harmless, tag):
    assert around(exported(output(f"<{tag} class='a'>x</{tag}>"))) == harmless


@pytest.mark.parametrize("tag", sorted(MATH))
def test_so_does_every_element_of_a_formula(harmless, tag):
    assert around(exported(output(f"<math><{tag}>x</{tag}></math>"))) == harmless


ELEMENTS = sorted(TEXT - {"img", "math"})
PIECES = [
    *(f"<{tag}>" for tag in ELEMENTS), *(f"</{tag}>" for tag in ELEMENTS), *SWALLOWING, *STANDING,
    "\n\n", "    ", "`", "```", "$", "*", "- ", "# ", "| a |\n|---|\n", ">", '"', "'", "-->", "]]>",
    "&", "&amp;", "&#60;", "&lt", "\\", "[a](#After)", "<MATH>", "</MATH>", "<Title>", "<mi>",
]  # fmt: skip


def nested(inner):
    """An element, and for a third of them another one's end."""
    around = st.tuples(st.sampled_from(ELEMENTS), inner, st.sampled_from(["", "", " class='x'"]))
    return around.map(
        lambda one: f"<{one[0]}{one[2]}>{one[1]}" + f"</{one[0]}>" * (one[0] not in VOID)
    )


TREES = st.recursive(
    st.sampled_from(["x", "", *STANDING]),
    lambda inner: nested(inner) | st.lists(inner, max_size=4).map("".join),
    max_leaves=12,
)
SOUP = st.lists(st.sampled_from(PIECES) | st.text("<>/!-=\"' abp", max_size=6), max_size=12)
seen = {"refused": 0, "shown": 0}


@pytest.mark.parametrize("place", PLACES)
@given(fragment=TREES | SOUP.map("".join) | st.tuples(TREES, SOUP.map("".join)).map("".join))
def test_whatever_an_author_writes_the_page_around_it_stays(harmless, place, fragment):
    try:
        page = exported(PLACES[place](fragment))
    except BuildError as error:
        seen["refused"] += 1
        assert str(error).startswith("03_chapter.ipynb, cell 2: ")
    else:
        seen["shown"] += 1
        assert heading_free(around(page)) == heading_free(harmless)


def heading_free(text):
    """Without the contents, which list the cell's own headings."""
    return re.sub(r'<nav class="contents".*?</nav>', "", text, flags=re.DOTALL)


@given(st.text("<>/!-=\"' ab&;\n"))
def test_a_page_is_read_or_refused(text):
    try:
        Page("a.ipynb", text)
    except BuildError as error:
        assert str(error).startswith("a.ipynb: ")
