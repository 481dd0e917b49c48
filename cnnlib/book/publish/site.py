"""The site: a page for each chapter, a start page, search, a page for instructors, explorers."""

import base64
import hashlib
import inspect
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ClearOutputPreprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from ..exercises import every
from ..figures import png
from ..widgets import EXPLORERS, ConvolutionExplorer, Explorer
from . import REPOSITORY
from .build import LIBRARY, Book
from .checks import Page, check_links
from .exporter import CourseExporter, explorer_html, page_name
from .formulas import FOLDER
from .handout import wheel
from .pages import Chapter, Site, environment, in_script, note_on, page, source
from .prose import REFERENCE, Equations, equations_of, markdown, to_html
from .reading import chapters, companions, read, write

START = "00_start_here"  # its table says what each chapter promises and how long it takes
CITATION = "CITATION.cff"
ROW = re.compile(r"^\|.*?(?:\((\w+)\.ipynb\))?[^()|]*\|(.*)\|(.*)\|$", re.MULTILINE)


def render(notebooks: Path, book: Book, html: Path) -> None:
    """Render the notebooks of the book, whose sources are in `notebooks`, to a site in `html`.

    Nothing of an older site is touched before all pages are made and checked. Where neither what
    the site is made from nor its files have changed, nothing is done.
    """
    record = html.with_name(html.name + ".sha256")
    books = book.notebooks
    contents = hashlib.sha256("".join(map(nbformat.writes, books.values())).encode()).hexdigest()
    inputs = contents + _digest(_below(LIBRARY), _below(notebooks), [notebooks.parent / CITATION])
    if record.exists() and record.read_text() == f"{inputs} {_digest(_below(html))}":
        print(f"Nothing has changed: open {html / 'index.html'}")
        return
    files = _downloads(notebooks, book)
    site = _site(book, notebooks, files)
    texts = {name: _rendered(book, name, notebooks, site) for name, book in books.items()}
    texts["instructor"] = _rendered(_instructor(books, notebooks), "instructor", notebooks, site)
    read_pages = {f"{name}.html": Page(f"{name}.ipynb", text) for name, text in texts.items()}
    texts["index"] = _start_page(site)
    texts["search"] = _search_page(site, read_pages)
    for name in ("index", "search"):
        read_pages[f"{name}.html"] = Page(f"{name}.html", texts[name])
    for kind in EXPLORERS.values():  # what follows # in their addresses is a state, not a place
        file = f"explorers/{page_name(kind)}"
        text = kind().page()
        Page(file, text)
        files[file] = text.encode()
    check_links(read_pages, set(files), {f"{name}.html" for name in book.unread})
    files |= {f"{name}.html": text.encode() for name, text in texts.items()}
    for old in [path for path in html.rglob("*") if path.is_file()]:
        if old.relative_to(html).as_posix() not in files:
            old.unlink()
    for name, content in files.items():
        write(html / name, content)
    write(record, f"{inputs} {_digest(_below(html))}")
    print(f"{len(texts)} pages rendered: open {html / 'index.html'}")


def _below(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.rglob("*")) if p.is_file() and "__pycache__" not in p.parts]


def _digest(*groups: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in [path for group in groups for path in group if path.exists()]:
        digest.update(path.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _downloads(notebooks: Path, book: Book) -> dict[str, bytes]:
    """What lies beside the pages: notebooks, what they read, the library, the font's licence."""
    name, content = wheel()
    files = {f"notebooks/{name}": content, "font-licence.txt": (FOLDER / "OFL.txt").read_bytes()}
    for path in chapters(notebooks):
        if path.stem not in book.unread:  # the page shows the outputs, and running makes them
            cleared = ClearOutputPreprocessor().preprocess(read(path), {})[0]
            files[f"notebooks/{path.name}"] = (nbformat.writes(cleared) + "\n").encode()
    return files | {f"notebooks/{name}": data for name, data in companions(notebooks).items()}


def _site(book: Book, notebooks: Path, files: dict[str, bytes]) -> Site:
    equations: Equations = {}
    books = book.notebooks
    for name in book.unread:  # whatever is cited from there leads to its page
        cited = {number for one in books.values() for number in REFERENCE.findall(markdown(one))}
        own = [number for number in cited if number.split(".")[0] == name[:2].lstrip("0")]
        equations |= dict.fromkeys(own, f"{name}.html")
    for name, notebook in books.items():
        equations |= equations_of(notebook, f"{name}.html")
    cells = books[START].cells if START in books else []
    rows = ROW.findall("\n".join(cell.source for cell in cells))
    promises = {name or START: (promise.strip(), time.strip()) for name, promise, time in rows}
    listed = []
    for name, notebook in books.items():
        title = next((title for title, _ in _sections(notebook)), name)
        promise, time = promises.get(name, ("", ""))
        promise = re.sub("</?p>", "", to_html(promise, notebooks, equations)).strip()
        note = escape(note_on(notebook.metadata.get("cnnlib", {})))
        listed.append(Chapter(f"{name}.html", title, promise, time, note))
    below = [file.partition("/")[2] for file in files if file.startswith("notebooks/")]
    return Site(
        equations,
        REPOSITORY,
        tuple(listed),
        frozenset(Path(file).stem for file in below if file.endswith(".ipynb")),
        next(file for file in below if file.endswith(".whl")),
        tuple(file for file in below if file.endswith(".json")),
    )


def _rendered(notebook: NotebookNode, name: str, folder: Path, site: Site) -> str:
    resources = {"metadata": {"name": name, "path": str(folder)}, "site": site}
    return CourseExporter().from_notebook_node(notebook, resources)[0]


def _sections(book: NotebookNode) -> Iterator[tuple[str, str]]:
    """The headings of a notebook, each with the code that follows until the next one."""
    title, code = "", ""
    for cell in book.cells:
        found = re.findall(r"^#+ +(.+?) *$", cell.source, re.MULTILINE)
        if cell.cell_type == "code" or not found:
            code += cell.source
            continue
        if title:
            yield title, code
        yield from [(other, "") for other in found[:-1]]
        title, code = found[-1], ""
    if title:
        yield title, code


def _instructor(books: dict[str, NotebookNode], notebooks: Path) -> NotebookNode:
    """The page for instructors is written as a notebook, so that its links are checked likewise."""
    places = {}
    for name, book in books.items():
        for title, code in _sections(book):
            for id in re.findall(r'\bcheck\("([\d.]+)"', code):
                places[id] = f"{name}.ipynb#{title.replace(' ', '-')}"
    cited = notebooks.parent / CITATION
    lines = cited.read_text(encoding="utf-8") if cited.exists() else ""
    text = (
        environment()
        .get_template("instructor.md.j2")
        .render(
            exercises=[exercise for exercise in every() if exercise.id in places],
            places=places,
            chapters=set(books),
            explorers=[page_name(kind) for kind in EXPLORERS.values()],
            citation=dict(re.findall(r'^[ -]*([a-z-]+): "?(.+?)"?$', lines, re.MULTILINE)),
        )
    )
    return new_notebook(cells=[new_markdown_cell(text)])


def _start_page(site: Site) -> str:
    listed = [
        (page_name(kind), (inspect.getdoc(kind) or "").split("\n")[0])
        for kind in EXPLORERS.values()
    ]
    shown: list[Explorer] = []
    explorer = ConvolutionExplorer()
    html = explorer_html(explorer, base64.b64encode(png(explorer.draw())).decode(), shown)
    template = environment().get_template("index_page.html.j2")
    body = template.render(site=site, explorers=listed, explorer=html)
    return page(site, "index", body, Page("index.html", body).headings, shown)


def _search_page(site: Site, pages: dict[str, Page]) -> str:
    """The index stands in the page itself, as a script: that works without a server, too."""
    index = []
    for file, read_page in pages.items():
        for _, place, title in read_page.headings:
            index.append([f"{file}#{place}", title, " ".join(read_page.texts[place])])
    body = environment().get_template("search.html.j2").render()
    scripts = [f"window.BOOK_INDEX = {in_script(index)};", source("search.js")]
    return page(site, "search", body, Page("search.html", body).headings, scripts=scripts)
