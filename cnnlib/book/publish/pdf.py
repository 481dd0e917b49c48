"""The whole book as one PDF, printed by chromium from the rendered pages."""

import re
import shutil
import subprocess
import tempfile
from html import unescape
from pathlib import Path
from urllib.parse import unquote

from . import BuildError
from .checks import Page
from .pages import environment, style
from .reading import write

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def print_book(html: Path, target: Path) -> None:
    """Print the chapters of the site in `html` to the file `target`.

    Chromium numbers the pages but cannot write a table of contents with their numbers. So it prints
    twice: the first PDF says on which page each heading came to stand.
    """
    names = [path.stem for path in sorted(html.glob("*.html"))]
    names = [name for name in names if (html / "notebooks" / f"{_chapter_of(name)}.ipynb").exists()]
    if not names:
        raise BuildError(f"there are no chapters in {html}: run make book or make html first")
    chapters = [_page(html / f"{name}.html") for name in names]
    numbers: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as scratch:
        source, result = Path(scratch, "book.html"), Path(scratch, "book.pdf")
        for _ in range(2):
            template = environment().get_template("book.html.j2")
            text = template.render(chapters=chapters, numbers=numbers, style=style())
            source.write_text(text, encoding="utf-8")
            _print(source, result)
            numbers = _places(result)
        write(target, result.read_bytes())
    print(f"{numbers['pages']} pages printed: open {target}")


def browser() -> str:
    """The path of chromium, or of another browser of its kind."""
    found = [path for path in map(shutil.which, BROWSERS) if path]
    if not found:
        raise BuildError(f"printing needs a browser: install one of {', '.join(BROWSERS)}")
    return found[0]


def _chapter_of(name: str) -> str:
    """The chapter of a page: 03_delta_backprop_b is its second part."""
    return re.sub("_[a-z]$", "", name)


def _page(path: Path) -> dict:
    """The text of a page, with addresses that are unique in the whole book, and its pictures."""
    name = path.stem
    page = path.read_text(encoding="utf-8")
    body = re.search(r'<main id="content">(.*)</main>', page, re.DOTALL)
    if body is None:
        raise BuildError(f"{path} has no text: render the book again")
    text = re.sub(r'\bid="([^"]*)"', rf'id="{name}.\1"', body[1])
    text = re.sub(r'href="#([^"]*)"', rf'href="#{name}.\1"', text)
    text = re.sub(r'href="(\w+)\.html#([^"]*)"', r'href="#\1.\2"', text)
    text = re.sub(r'href="(\w+)\.html"', r'href="#\1"', text)
    headings = [h for h in Page(path.name, text).headings if h[0] <= 2]
    pictures = (path.parent / "figures").resolve().as_uri()
    text = re.sub(r'src="figures/([^"]*)" loading="lazy"', rf'src="{pictures}/\1"', text)
    return {"name": name, "title": headings[0][2], "text": text, "headings": headings[1:]}


def _print(source: Path, target: Path) -> None:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    command = [browser(), *options, f"--print-to-pdf={target}", source.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if not target.exists():
        raise BuildError("chromium printed nothing:\n" + done.stderr[-1000:])


def _places(pdf: Path) -> dict[str, int]:
    """The page of every address that something links to, and `pages`, how many there are."""
    from pypdf import PdfReader

    reader = PdfReader(pdf)
    places = {"pages": len(reader.pages)}
    for name, target in reader.named_destinations.items():
        number = reader.get_destination_page_number(target)
        if number is not None:
            places[unquote(unescape(name)).removeprefix("/")] = number + 1
    return places
