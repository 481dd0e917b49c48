"""The book on paper."""

import re
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

pytest.importorskip("nbconvert")
pytest.importorskip("anywidget")

from cnnlib.book.exercises import solution
from cnnlib.book.publish import pdf
from cnnlib.book.publish.build import Book, committed

ROOT = Path(__file__).parents[3]
NAMES = ("00_start_here", "05_training")


def titles(outline):
    """The bookmarks, those below others too."""
    for one in outline:
        if isinstance(one, list):
            yield from titles(one)
        else:
            yield one.title


@pytest.mark.parametrize("name", ["05_training", "08_from_loops_to_blas"])
def test_each_link_of_a_chapter_leads_somewhere(name):
    """Its name begins with digits, which no pattern may take for a number of its own."""
    notebooks = ROOT / "notebooks"
    made = pdf.chapter(name, nbformat.read(notebooks / f"{name}.ipynb", 4), notebooks)
    html = made.text + made.answers
    links, names = (re.findall(rf'\b{what}="([^"]*)"', html) for what in ("href", "id"))
    assert all(link.startswith(("#", "https://")) for link in links)
    own = {unquote(link[1:]) for link in links if link.startswith(f"#{name}.")}
    assert own <= {*names} and any(".answer-" in link for link in own)
    assert len(names) == len({*names}) and all(one.startswith(f"{name}.") for one in names)


@pytest.fixture(scope="module")
def printed(chromium, tmp_path_factory):
    """Two chapters as a book, and each for itself."""
    pypdf = pytest.importorskip("pypdf")
    folder = tmp_path_factory.mktemp("pdf")
    all_of_them = committed(ROOT / "notebooks").notebooks
    book = Book({name: all_of_them[name] for name in NAMES})
    pdf.print_book(ROOT / "notebooks", book, folder / "book.pdf", folder)
    return {path.stem: pypdf.PdfReader(path) for path in folder.glob("*.pdf")}


def texts(reader):
    return [page.extract_text() for page in reader.pages]


def test_the_book_is_printed_with_its_page_numbers(printed):
    pages = texts(printed["book"])
    listed = dict(re.findall(r"^(.+) (\d+)$", pages[1], re.MULTILINE))
    for title in ("Start here", "5. Training", "5.4 The loop", "Answers"):
        number = int(listed[title])
        assert title in pages[number - 1].splitlines(), title
        assert str(number) in pages[number - 1].splitlines()


def test_it_has_bookmarks_author_version_and_date(printed):
    for name, reader in printed.items():
        marks = list(titles(reader.outline))
        assert "Answers" in marks and ("5.4 The loop" in marks) == (name != "00_start_here"), name
        about = reader.metadata
        assert about.author and re.search(r"Version \d+\.\d+\.\d+, \d{4}-\d\d-\d\d", about.subject)
        assert about.creation_date and about.title in " ".join(texts(reader)[0].splitlines())


def test_answers_hints_and_solutions_stand_at_the_end(printed):
    for name in ("book", "05_training"):
        pages = texts(printed[name])
        last = max(n for n, text in enumerate(pages) if "Answers" in text.splitlines())
        before, after = ("".join("".join(part).split()) for part in (pages[:last], pages[last:]))
        for id in ("5.1", "5.4", "5.8"):
            code = "".join(solution(id).text.split())
            assert code in after and code not in before, id
            assert f"Exercise{id}" in after
        assert "Theanswerstandsattheend." in before
        assert "Hint1" not in before and "Solutionof" not in before


def test_each_chapter_has_a_file_of_its_own(printed):
    assert set(printed) == {"book", *NAMES}
    assert len(printed["05_training"].pages) < len(printed["book"].pages)
    assert "A chapter of How a convolutional" in " ".join(texts(printed["05_training"])[0].split())
