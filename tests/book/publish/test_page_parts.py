"""Where a chapter is divided into pages, and what a page tells apart in its text."""

import pytest

pytest.importorskip("nbconvert")

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cnnlib.book.publish.blocks import kept_together, leveled, told_apart
from cnnlib.book.publish.captions import Captions
from cnnlib.book.publish.parts import divided, parts
from cnnlib.book.publish.prose import lines


def notebook(*sources):
    return new_notebook(cells=[new_markdown_cell(source) for source in sources])


THREE = notebook(
    "# 3. Chapter\n\nWords.",
    "## Part 3A\n\n**The first.**\n\n## 3.1 One",
    "End of the first.\n\n---\n\n## Part 3B\n\nThe second, and more.\n\n## 3.2 Two",
    "# Part C. The third",
)


def test_parts_are_named_by_their_headings():
    assert [(part.name, part.words) for part in parts("03_chapter", THREE)] == [
        ("03_chapter", "3A. The first"),
        ("03_chapter_b", "3B. The second, and more"),
        ("03_chapter_c", "3C. The third"),
    ]


def test_a_heading_in_the_middle_of_a_cell_cuts_it():
    pages = [
        [(one.number, one.cell.source) for one in cells]
        for _, cells in divided("03_chapter", THREE)
    ]
    assert pages == [
        [
            (1, "# 3. Chapter\n\nWords."),
            (2, "## Part 3A\n\n**The first.**\n\n## 3.1 One"),
            (3, "End of the first.\n\n---\n\n"),
        ],
        [(3, "## Part 3B\n\nThe second, and more.\n\n## 3.2 Two")],
        [(4, "# Part C. The third")],
    ]


def test_one_cell_may_hold_every_part():
    book = notebook("# 3. A\n\n## Part 3A\n\nx\n\n## Part 3B\n\ny")
    assert [[one.cell.source for one in cells] for _, cells in divided("03_a", book)] == [
        ["# 3. A\n\n", "## Part 3A\n\nx\n\n"],
        ["## Part 3B\n\ny"],
    ]


def test_a_chapter_with_one_part_or_none_is_one_page():
    for book in (notebook("# 9. A", "## Part 9A\n\nx"), notebook("# 9. A"), new_notebook()):
        ((part, cells),) = divided("09_a", book)
        assert (part.name, part.label) == ("09_a", "")
        assert [one.cell for one in cells] == book.cells


def test_the_address_of_an_exercise_stays_where_the_exercise_stands():
    cut = new_markdown_cell("**Exercise 3.1.**\nx\n\n## Part 3B\n\n**Exercise 3.2.**\ny")
    cut.metadata["book"] = {"exercises": {"one": "3.1", "two": "3.2"}}
    book = new_notebook(cells=[new_markdown_cell("## Part 3A"), cut, new_code_cell("1")])
    (_, first), (_, second) = divided("03_a", book)
    assert [one.cell.metadata.get("book") for one in first] == [None, {"exercises": {"one": "3.1"}}]
    assert second[0].cell.metadata["book"] == {"exercises": {"two": "3.2"}}
    assert second[1].cell is book.cells[2]


def block(kind, html):
    return f'<section class="block {kind}">\n{html}</section>\n'


BLOCKS = {
    "a question is one paragraph": (
        "<p><strong>A question.</strong> x?</p><p>y</p>",
        block("question", "<p><strong>A question.</strong> x?</p>") + "<p>y</p>",
    ),
    "others reach to the next": (
        "<p><strong>By hand.</strong></p><ul><li>1</li></ul><p><strong>In short.</strong> y</p>",
        block("hand", "<p><strong>By hand.</strong></p><ul><li>1</li></ul>")
        + block("summary", "<p><strong>In short.</strong> y</p>"),
    ),
    "or to a heading": (
        "<p><strong>In short.</strong> x</p><h2>y</h2>",
        block("summary", "<p><strong>In short.</strong> x</p>") + "<h2>y</h2>",
    ),
    "or to a rule": (
        "<p><strong>In short.</strong> x</p><hr>",
        block("summary", "<p><strong>In short.</strong> x</p>") + "<hr>",
    ),
    "a fold within belongs to it": (
        "<p><strong>Try it.</strong></p><details><p>y</p></details><p>z</p>",
        block("try", "<p><strong>Try it.</strong></p><details><p>y</p></details><p>z</p>"),
    ),
    "one in a fold ends there": (
        "<details><p><strong>What goes wrong here.</strong></p></details><p>z</p>",
        "<details>"
        + block("mistake", "<p><strong>What goes wrong here.</strong></p>")
        + "</details><p>z</p>",
    ),
    "an exercise": (
        "<p><strong>Exercise 3.10: find the mistake.</strong></p>",
        block("task", "<p><strong>Exercise 3.10: find the mistake.</strong></p>"),
    ),
    "other words": ("<p><strong>In shorts.</strong></p>", "<p><strong>In shorts.</strong></p>"),
}


@pytest.mark.parametrize("case", BLOCKS)
def test_blocks_are_told_apart(case):
    html, expected = BLOCKS[case]
    assert told_apart(html) == expected


def test_a_page_has_one_title():
    assert leveled(["<h1>A</h1>", "<h2>B</h2><h3>C</h3>"]) == ["<h1>A</h1>", "<h2>B</h2><h3>C</h3>"]
    # a part is a section beside its sections
    assert leveled(["<h1>A</h1><h1>Part B</h1>", "<h2>C</h2>"]) == [
        "<h1>A</h1><h2>Part B</h2>",
        "<h2>C</h2>",
    ]
    # the page of a part has it as its title
    assert leveled(['<h2 id="x"><span id="y"></span>Part B</h2><h2>C</h2>']) == [
        '<h1 id="x"><span id="y"></span>Part B</h1><h2>C</h2>'
    ]
    # several titles: all but the first go down, and what follows them
    assert leveled(["<h1>A</h1><h1>B</h1><h2>C</h2>"]) == ["<h1>A</h1><h2>B</h2><h3>C</h3>"]


def test_no_line_begins_with_what_ends_a_formula():
    formula = "<math><mi>x</mi></math>"
    assert kept_together(f"{formula}, y") == f'<span class="tied">{formula},</span> y'
    assert kept_together(f"({formula})") == f'<span class="tied">({formula})</span>'
    assert kept_together(f"{formula} y") == f"{formula} y"


def test_a_line_of_code_that_is_wrapped_stands_further_in():
    long, tight = "x" * 33, "<b>&lt;</b>" * 32
    assert lines(f"{long}\n    {long}\n\n{long}") == (
        f"<i>{long}\n</i><i class=in4>    {long}\n</i>\n<i>{long}</i>"
    )
    assert lines(f"{tight}\n{tight}x") == f"{tight}\n<i>{tight}x</i>"  # 32 characters fit
    assert lines(" " * 99 + "x").startswith("<i class=in16>")


def test_figures_are_counted_through_a_chapter():
    captions = Captions.of("3. Delta backprop")
    captions.enter("figure-a")
    assert '<a class="number" href="#figure-a">Figure 3.1.</a>' in captions.framed("<img>", "x < y")
    second = captions.framed("<img>", "x")  # in the same cell
    assert 'id="figure-a-2"' in second and 'href="#figure-a-2">Figure 3.2.' in second
    captions.enter("")
    assert "<b>Figure 3.3.</b>" in captions.live("<div></div>", "")
    assert Captions.of("Law sheet").chapter == ""
