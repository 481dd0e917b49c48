"""The book as PDF, printed by chromium: as a whole, and each chapter for itself.

What is folded in a page for those who want to guess first stands at the end here: answers, hints
and solutions.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape, unescape
from importlib.metadata import metadata
from pathlib import Path
from urllib.parse import unquote

from nbformat import NotebookNode

from ..exercises import get, solution
from . import BuildError
from .build import Book, committed_on
from .checks import Page
from .exporter import CourseExporter
from .outline import ids, tagged
from .pages import environment, style
from .prose import highlighted
from .reading import write

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
TITLE = "How a convolutional network computes and learns"
FOLDED = re.compile(r"<details[^>]*><summary>Answer</summary>(.*?)</details>", re.DOTALL)
HEADING = re.compile(r'<h[1-3] id="([^"]*)"[^>]*>(.*?)</h[1-3]>', re.DOTALL)


@dataclass(frozen=True)
class Printed:
    """A chapter as it is printed. Its addresses are unique in the whole book."""

    name: str
    title: str
    text: str
    headings: Sequence[tuple[int, str, str]]  # level, id, text
    answers: str


def print_book(notebooks: Path, book: Book, target: Path, folder: Path) -> None:
    """Print all chapters to the file `target`, and each to a file of its name in `folder`.

    Chromium numbers the pages but cannot write a table of contents with their numbers. So it prints
    the book twice: the first PDF says on which page each heading came to stand.
    """
    names = [name for name in book.notebooks if name not in book.unread]
    chapters = [chapter(name, book.notebooks[name], notebooks) for name in names]
    days = {name: committed_on(notebooks / f"{name}.ipynb") for name in names}
    numbers = _places(_printed(chapters, {}, TITLE, max(days.values())))
    content = _printed(chapters, numbers, TITLE, max(days.values()))
    write(target, content)
    for one in chapters:
        write(folder / f"{one.name}.pdf", _printed([one], {}, one.title, days[one.name]))
    print(f"{numbers['pages']} pages printed: open {target}; each chapter: {folder}")


def browser() -> str:
    """The path of chromium, or of another browser of its kind."""
    found = [path for path in map(shutil.which, BROWSERS) if path]
    if not found:
        raise BuildError(f"printing needs a browser: install one of {', '.join(BROWSERS)}")
    return found[0]


def chapter(name: str, notebook: NotebookNode, folder: Path) -> Printed:
    told = notebook.copy()
    told.cells = [c for c in notebook.cells if not (tagged(c, "hint") or tagged(c, "solution"))]
    resources = {"metadata": {"name": name, "path": str(folder)}}
    page = CourseExporter().from_notebook_node(told, resources)[0]
    body = re.search(r'<main id="content"[^>]*>(.*)</main>', page, re.DOTALL)
    if body is None:
        raise BuildError(f"{name}.ipynb has no text")
    text, answers = _apart(body[1])
    text, answers = _within(name, text), _within(name, answers)
    headings = [h for h in Page(name, text).headings if h[0] <= 2]
    return Printed(name, headings[0][2], text, headings[1:], answers + _solutions(name, notebook))


def _within(name: str, html: str) -> str:
    """Names and links of a chapter as those of a whole: each begins with its chapter's name."""
    html = re.sub(r'\bid="', f'id="{name}.', html)
    html = html.replace('href="#', f'href="#{name}.')
    html = re.sub(r'href="(\w+)\.html#', r'href="#\1.', html)
    return re.sub(r'href="(\w+)\.html"', r'href="#\1"', html)


def _apart(text: str) -> tuple[str, str]:
    """A text without its folded answers, and these, each under the heading that it belongs to."""
    answers: list[str] = []

    def taken(found: re.Match[str]) -> str:
        number = len(answers) + 1
        heading = list(HEADING.finditer(text, 0, found.start()))[-1:]
        title = re.sub(r"<[^>]*>", "", heading[0][2]).rstrip("# \n") if heading else ""
        back = f'<a href="#asked-{number}">{title}</a>'
        answers.append(f'<h4 id="answer-{number}">{back}</h4>{found[1]}')
        there = f'<a href="#answer-{number}">The answer stands at the end.</a>'
        return f'<p id="asked-{number}">{there}</p>'

    return FOLDED.sub(taken, text), "".join(answers)


def _solutions(name: str, notebook: NotebookNode) -> str:
    """Hints and solutions of the exercises of a chapter."""
    html = []
    for cell in notebook.cells:
        for number, id in ids(cell, "exercises").items():
            hints = "".join(f"<li>{escape(hint)}</li>" for hint in get(number).hints)
            code = highlighted(solution(number).text, "python", {})
            html.append(
                f'<h4><a href="#{name}.exercise-{id}">Exercise {number}</a></h4><ol>{hints}</ol>'
                f"<pre><code>{code}</code></pre>"
            )
    return "".join(html)


def _printed(chapters: list[Printed], numbers: dict[str, int], title: str, day: str) -> bytes:
    """The bytes of a PDF with bookmarks, and with what a library asks: author, version, date."""
    from pypdf import PdfWriter

    about = metadata("cnnlib")
    # Its installation says so in one of two fields.
    author = about["Author"] or about["Author-email"]
    with tempfile.TemporaryDirectory() as scratch:
        source, result = Path(scratch, "book.html"), Path(scratch, "book.pdf")
        source.write_text(
            environment()
            .get_template("book.html.j2")
            .render(
                chapters=chapters,
                numbers=numbers,
                style=style(),
                title=title,
                author=author,
                version=about["Version"],
                day=day,
            ),
            encoding="utf-8",
        )
        _print(source, result)
        writer = PdfWriter(clone_from=result)
        stamp = date.fromisoformat(day).strftime("D:%Y%m%d000000Z")
        writer.add_metadata(
            {
                "/Title": title,
                "/Author": author,
                "/Subject": f"Version {about['Version']}, {day}",
                "/CreationDate": stamp,
                "/ModDate": stamp,
            }
        )
        writer.page_mode = "/UseOutlines"
        writer.write(result)
        return result.read_bytes()


def _print(source: Path, target: Path) -> None:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    options += ["--generate-pdf-document-outline"]
    command = [browser(), *options, f"--print-to-pdf={target}", source.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if not target.exists():
        raise BuildError("chromium printed nothing:\n" + done.stderr[-1000:])


def _places(pdf: bytes) -> dict[str, int]:
    """The page of every address that something links to, and `pages`, how many there are."""
    import io

    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(pdf))
    places = {"pages": len(reader.pages)}
    for name, target in reader.named_destinations.items():
        number = reader.get_destination_page_number(target)
        if number is not None:
            places[unquote(unescape(name)).removeprefix("/")] = number + 1
    return places
