"""The chapters as a book: sections, equations, links, pictures, and references to them."""

import ast
import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

from cnnlib.diagnosis import mistakes

ROOT = Path(__file__).parents[1]
BOOKS = {
    p.stem: nbformat.read(p, as_version=4) for p in sorted((ROOT / "notebooks").glob("*.ipynb"))
}
CHAPTERS = {int(name[:2]): name for name in BOOKS if re.match(r"0[1-9]_|[1-9]\d_", name)}
EQUATION = re.compile(r"\\qquad \((L?\d[\d.]*)\)")
QUESTIONS = 15  # what readers ask again and again; 00_start_here answers each with a link
# The most words outside folds, counted as white space parts them, formulas and tables included.
# What grows beyond folds an aside under "More", or says something shorter; no step is ever folded.
MAIN_PATH = {
    "00_start_here": 2_153,
    "01_forward_pass": 7_803,
    "02_kernel_centre": 5_042,
    "03_delta_backprop": 10_196,
    "04_weight_gradients": 8_805,
}
# What the book in one hour may use: its lines are all there are.
HOUR = {"io", "numpy", "IPython.display", "matplotlib.figure", "sklearn.datasets"}

BOOK_TEXTS = {
    name: [cell.source for cell in book.cells if cell.cell_type == "markdown"]
    for name, book in BOOKS.items()
}

each_book = pytest.mark.parametrize("name", BOOKS)
each_chapter = pytest.mark.parametrize("number", CHAPTERS)


def prose(name):
    cells = [cell.source for cell in BOOKS[name].cells if cell.cell_type == "markdown"]
    return re.sub(r"```.*?```", "", "\n\n".join(cells), flags=re.DOTALL)


def code(name):
    return [cell.source for cell in BOOKS[name].cells if cell.cell_type == "code"]


def headings(name):
    return re.findall(r"^#+ +(.+?) *$", prose(name), re.MULTILINE)


def sections(number):
    """The numbered sections of a chapter: '3.11 The kernel turns'."""
    return [title for title in headings(CHAPTERS[number]) if re.match(rf"{number}\.\d+ ", title)]


def anchor(title):
    """Jupyter's rule for the anchor of a heading."""
    return title.replace(" ", "-")


@each_chapter
def test_sections_are_numbered_in_order(number):
    numbers = [title.split()[0] for title in sections(number)]
    assert numbers == [f"{number}.{n}" for n in range(1, len(numbers) + 1)]


@each_chapter
def test_a_chapter_says_what_it_gives_and_needs(number):
    opening = prose(CHAPTERS[number])[:4000]
    for word in ("After this chapter", "You need", "min"):
        assert word in opening, word


@each_chapter
def test_equations_are_numbered_in_order_and_each_is_asserted_by_code(number):
    name = CHAPTERS[number]
    equations = EQUATION.findall(prose(name))
    assert equations == [f"{number}.{n}" for n in range(1, len(equations) + 1)]
    asserted = "\n".join(source for source in code(name) if "assert" in source)
    missing = [e for e in equations if f"({e})" not in asserted]
    assert missing == []


@pytest.mark.parametrize("name", [name for name in BOOKS if re.match(r"0[0-4]_", name)])
def test_every_displayed_equation_has_a_number_and_a_cell(name):
    """A matrix that is only an example needs none."""
    asserted = "\n".join(source for source in code(name) if "assert" in source)
    for formula in re.findall(r"\$\$(.*?)\$\$", prose(name), re.DOTALL):
        number = EQUATION.search(formula)
        assert number or r"\begin{pmatrix}" in formula, formula
        assert not number or f"({number[1]})" in asserted, formula


def imported(source):
    """The modules that a code cell imports."""
    nodes = list(ast.walk(ast.parse(source)))
    taken = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return taken + [node.module for node in nodes if isinstance(node, ast.ImportFrom)]


@each_book
def test_a_book_opens_without_scipy(name):
    """It takes a browser seconds and 26 MB to load it: the cell that first uses it imports it."""
    assert not [module for module in imported(code(name)[0]) if module.split(".")[0] == "scipy"]


def main_path(text):
    """The words of a text outside its folds."""
    return re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL).split()


@pytest.mark.parametrize("name", MAIN_PATH)
def test_the_main_path_of_the_first_chapters_is_short(name):
    words = len(main_path(prose(name)))
    assert words <= MAIN_PATH[name], words


def test_the_words_outside_folds_are_counted():
    fold = "\n\n<details><summary>More: b</summary>\n\nc\n\n</details>\n\n"
    assert main_path(f"One $a + b$.{fold}Two\nthree.{fold}") == [
        "One",
        "$a",
        "+",
        "b$.",
        "Two",
        "three.",
    ]


@each_book
def test_each_fold_is_closed_in_its_cell_and_no_way_on_is_folded(name):
    for cell in BOOK_TEXTS[name]:
        marks = re.findall(r"</?details>", cell)
        assert marks == ["<details>", "</details>"] * (len(marks) // 2), cell
        for fold in re.findall(r"<details>.*?</details>", cell, re.DOTALL):
            assert not re.search(r"^\W*(?:Next|In short)\b", fold, re.MULTILINE), fold


def test_the_book_in_one_hour_needs_no_library_and_no_more_than_25_cells():
    cells = code("00_in_one_hour")
    assert len(cells) <= 25
    assert {module for source in cells for module in imported(source)} == HOUR


def test_the_layers_that_the_reader_writes_become_a_network():
    written = re.findall(r"^class (My\w+)", "\n".join(code(CHAPTERS[3])), re.MULTILINE)
    section = prose(CHAPTERS[4]).partition("A network of your own\n")[2]
    last = [source for source in code(CHAPTERS[4]) if source.startswith("class My")][-6:]
    network = {re.match(r"class (\w+)", source)[1] for source in last}
    assert network == set(written) - {"MySquare"} and "own_network" in section


@each_book
def test_every_displayed_formula_is_well_formed(name):
    for formula in re.findall(r"\$\$(.*?)\$\$", prose(name), re.DOTALL):
        assert formula.count("{") == formula.count("}"), formula
        assert formula.count(r"\left") - formula.count(r"\leftarrow") == formula.count(
            r"\right"
        ) - formula.count(r"\rightarrow"), formula
        assert not re.search(r"\\(substack|tag|label)\b", formula), formula


@each_book
def test_every_link_inside_the_book_leads_to_a_heading(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(name)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, place = unquote(target).partition("#")
        other = file.removesuffix(".ipynb") or name
        if file and not file.endswith(".ipynb"):
            assert (ROOT / "notebooks" / file).exists(), target
            continue
        assert other in BOOKS, target
        if place:
            assert place in map(anchor, headings(other)), target


MOVED = {  # sections that stood in another chapter: by their ids, its name and their headings there
    "same-in-two-frameworks": ("02_kernel_centre", "2.9 SAME in two frameworks"),
    "same-mode-of-scipy": ("02_kernel_centre", "2.10 The same mode of SciPy"),
    "origin-of-ndimage": ("02_kernel_centre", "2.11 The origin of ndimage"),
    "everyone-s-centres": ("02_kernel_centre", "2.12 Everyone's centres"),
}


@pytest.mark.parametrize("id", MOVED)
def test_the_old_addresses_of_what_moved_lead_to_a_link(id):
    """Where the section stood a line has its old addresses, and names its new place."""
    old, title = MOVED[id]
    (line,) = [line for line in prose(old).splitlines() if f'<span id="{id}"></span>' in line]
    assert f'<span id="{anchor(title)}"></span>' in line
    for name, book in BOOKS.items():
        for cell in book.cells:
            number = cell.metadata.get("book", {}).get("sections", {}).get(id)
            if number:
                assert f"]({name}.ipynb#{number}-{anchor(title.split(' ', 1)[1])})" in line


@each_book
def test_every_picture_has_alternative_text(name):
    for cell in BOOKS[name].cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                alt = output.metadata.get("image/png", {}).get("alt", "")
                assert len(alt) > 20, cell.source
    assert not re.search(r"!\[\]\(|<img(?![^>]*alt=)", prose(name))


@each_book
def test_pictures_are_small(name):
    for cell in BOOKS[name].cells:
        for output in cell.get("outputs", []):
            size = len(output.get("data", {}).get("image/png", "")) * 3 / 4
            assert size < 60_000, (size, cell.source)


@each_chapter
def test_the_start_page_links_every_section(number):
    start = prose("00_start_here")
    for title in sections(number):
        assert f"]({CHAPTERS[number]}.ipynb#{anchor(title)})" in start, title


def test_the_start_page_answers_the_questions_that_readers_ask():
    block = prose("00_start_here").split("## Readers' questions")[1].split("\n## ")[0]
    rows = re.findall(r"^(\d+)\. .+", block, re.MULTILINE)
    assert [int(row) for row in rows] == list(range(1, QUESTIONS + 1))
    for answer in re.split(r"^(?=\d+\. )", block, flags=re.MULTILINE)[1:]:
        assert re.search(r"\]\(\d\d_", answer), answer


@each_book
def test_the_source_has_one_sentence_a_line(name):
    """So that a change of a word is a change of its sentence in every comparison."""
    second = re.compile(r"\w[`$]?[.?] (?:The|A|An|It|This|That|If|So|But|You) ")
    for line in prose(name).splitlines():
        if not line.startswith(("|", "#", "<", "$$")) and "(" not in line:
            assert not second.search(re.sub(r"^\d+\. ", "", line)), line


def code_of(mistake):
    """The code of the section that explains a mistake."""
    title = ""
    for cell in BOOKS[mistake.chapter].cells:
        if cell.cell_type == "markdown":
            title = [title, *re.findall(r"^## +(.+?) *$", cell.source, re.MULTILINE)][-1]
        elif title == mistake.heading:
            yield cell.source


def test_every_mistake_is_explained_in_the_section_it_names():
    for mistake in mistakes.every():
        if not mistake.section:
            continue
        number = int(mistake.section.split(".")[0])
        assert mistake.section in [title.split()[0] for title in sections(number)], mistake.id
        shown = [source for source in code_of(mistake) if f'"{mistake.id}"' in source]
        assert shown, mistake.id


def test_the_sections_that_docstrings_name_exist():
    for path in (ROOT / "cnnlib").rglob("*.py"):
        text = re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))
        for number, title in re.findall(r'\(chapter (\d+), "([^"]+)"\)', text):
            titles = [section.split(" ", 1)[1] for section in sections(int(number))]
            assert title in titles, (path.name, title)
