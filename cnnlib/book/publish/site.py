"""The site: a page for each part of a chapter, a start page, search, instructors, explorers."""

import base64
import copy
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

import nbformat
from nbconvert.preprocessors import ClearOutputPreprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from ..exercises import all_exercises
from ..figures import png
from ..widgets import EXPLORERS, ConvolutionExplorer, Explorer
from . import REPOSITORY
from .alive import alive
from .build import LIBRARY, Book
from .captions import Captions
from .checks import Page, check_links
from .exporter import CourseExporter
from .finding import FILES
from .finding.index import FILE as INDEX
from .finding.index import index
from .finding.lists import lists
from .finding.sections import Sections
from .formulas import FOLDER
from .live import Live, clinic, progress
from .live.packing import pack, script
from .opening import first_seen
from .outline import Addresses, Chapter, numbered, read_chapters
from .outputs import explorer_html, page_name
from .pages import TAKEN, Site, Text, assets, edition, environment, note_on, page, source
from .parts import Numbered, divided
from .places import Places
from .plan import read_plan
from .prose import REFERENCE, to_html
from .reading import code_cells, companions, markdown, write
from .wheels import wheel

CITATION = "CITATION.cff"


def render(
    notebooks: Path,
    book: Book,
    html: Path,
    *,
    pyodide: Mapping[str, bytes] | None = None,
    packed: tuple[str, bytes] | None = None,
    light: bool = False,
) -> None:
    """Render the notebooks of the book, whose sources are in `notebooks`, to a site in `html`.

    With the files of `pyodide`, its code cells run in the pages. `packed` is the wheel that lies
    beside them, by name and content; without it that of the whole library is made. A `light` site
    has no SciPy for its cells.

    Nothing of an older site is touched before all pages are made and checked. Where neither what
    the site is made from nor its files have changed, nothing is done.
    """
    record = html.with_name(html.name + ".sha256")
    books = book.notebooks
    contents = hashlib.sha256("".join(map(nbformat.writes, books.values())).encode()).hexdigest()
    inputs = contents + _digest(_below(LIBRARY), _below(notebooks), [notebooks.parent / CITATION])
    inputs += edition() + " live" * bool(pyodide) + " light" * light
    if record.exists() and record.read_text() == f"{inputs} {_digest(_below(html))}":
        print(f"Nothing has changed: open {html / 'index.html'}")
        return
    files = _downloads(notebooks, book, packed or wheel())
    kept = html.with_name("pyodide")
    beside = companions(notebooks)
    live = pack(pyodide, books, beside, kept, light=light) if pyodide else None
    files |= live.files if live else {}
    site = _site(book, notebooks, files, live)
    texts = _texts(book, notebooks, site)
    own = _live_texts(site) if live else {}
    texts |= own
    places = Places(site, texts)
    texts = {name: places.led(text) for name, text in texts.items()}
    sections = Sections(_read(texts), book.unread)
    for name, body in lists(_read(texts), sections, books, site.equations).items():
        texts[name] = places.led(Text(name, body, Page(f"{name}.html", body, TAKEN)))
    files[INDEX] = index(_read(texts), sections, site.chapters).encode()
    html_of = {
        name: page(site, text, [script(name)] if name in own else (), places.moved(name))
        for name, text in texts.items()
    }
    texts["search"] = _search()
    scripts = [source("ranking.js"), source("search.js")]
    html_of["search"] = page(site, texts["search"], scripts, needs=[INDEX])
    files |= {name: text.encode() for name, text in assets().items()}
    shown = [explorer for text in texts.values() for explorer in text.explorers]
    files |= {name: text.encode() for name, text in alive(shown).items()}
    unread = {f"{name}.html" for name in book.unread}
    check_links({f"{name}.html": text.read for name, text in texts.items()}, set(files), unread)
    for name, text in html_of.items():
        files[f"{name}.html"] = _with_pictures(text, files).encode()
    for old in [path for path in html.rglob("*") if path.is_file()]:
        if old.relative_to(html).as_posix() not in files:
            old.unlink()
    for name, content in files.items():
        write(html / name, content)
    write(record, f"{inputs} {_digest(_below(html))}")
    print(f"{len(html_of)} pages rendered: open {html / 'index.html'}")


def _below(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.rglob("*")) if p.is_file() and "__pycache__" not in p.parts]


def _digest(*groups: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in [path for group in groups for path in group if path.exists()]:
        digest.update(path.as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _downloads(notebooks: Path, book: Book, packed: tuple[str, bytes]) -> dict[str, bytes]:
    """What lies beside the pages: notebooks, what they read, the library, the font's licence."""
    name, content = packed
    files = {f"notebooks/{name}": content, "font-licence.txt": (FOLDER / "OFL.txt").read_bytes()}
    for chapter, notebook in book.notebooks.items():
        if chapter not in book.unread:  # the page shows the outputs, and running makes them
            files[f"notebooks/{chapter}.ipynb"] = (
                nbformat.writes(_empty(notebook)) + "\n"
            ).encode()
    return files | {f"notebooks/{name}": data for name, data in companions(notebooks).items()}


def _empty(notebook: NotebookNode) -> NotebookNode:
    """A copy without outputs, and without what the builder has noted in it."""
    made = copy.deepcopy(notebook)
    made.metadata.pop("cnnlib", None)
    for cell in made.cells:
        cell.metadata.pop("failed", None)
    return ClearOutputPreprocessor().preprocess(made, {})[0]


def _site(book: Book, notebooks: Path, files: dict[str, bytes], live: Live | None) -> Site:
    listed = read_chapters(book.notebooks)
    equations = _cited_from_unread(book) | numbered(listed)
    for name, chapter in listed.items():
        promise = re.sub("</?p>", "", to_html(chapter.promise, notebooks, equations)).strip()
        note = escape(note_on(book.notebooks[name].metadata.get("cnnlib", {})))
        listed[name] = replace(chapter, promise=promise, note=note)
    below = [file.partition("/")[2] for file in files if file.startswith("notebooks/")]
    return Site(
        equations,
        REPOSITORY,
        tuple(listed.values()),
        frozenset(Path(file).stem for file in below if file.endswith(".ipynb")),
        next(file for file in below if file.endswith(".whl")),
        {name: _named(notebook, below) for name, notebook in book.notebooks.items()},
        edition(),
        live,
    )


def _named(notebook: NotebookNode, files: Sequence[str]) -> tuple[str, ...]:
    """Those of the files with results whose name, or folder, stands in the code of a notebook."""
    code = "\n".join(cell.source for cell in code_cells(notebook))
    names = {file: (f'"{file}"', f'"{file.rpartition("/")[0]}"') for file in files}
    return tuple(
        file for file in files if file.endswith(".json") and any(n in code for n in names[file])
    )


def _cited_from_unread(book: Book) -> Addresses:
    """What the others cite from a chapter that cannot be read leads to its page."""
    cited = {n for one in book.notebooks.values() for n in REFERENCE.findall(markdown(one))}
    places = {name[:2].lstrip("0"): f"{name}.html" for name in book.unread}
    return {n: places[n.split(".")[0]] for n in cited if n.split(".")[0] in places}


def _texts(book: Book, folder: Path, site: Site) -> dict[str, Text]:
    """The texts of all pages but the search, by their names."""
    exporter, texts = CourseExporter(), {}
    for chapter in site.chapters:
        captions = Captions.of(chapter.title)
        notebook = book.notebooks[chapter.name]
        for part, cells in divided(chapter.name, notebook):
            text = exporter.text(site, chapter.name, notebook, cells, folder, captions)
            texts[part.name] = replace(text, name=part.name)
    written = _instructor(site.chapters, folder, book)
    cells = [Numbered(number, cell) for number, cell in enumerate(written.cells, 1)]
    texts["instructor"] = exporter.text(site, "instructor", written, cells, folder, Captions())
    texts["index"] = _start_page(site)
    return texts


PICTURE = re.compile(r'src="data:image/(\w+)[^;"]*;base64,([^"]*)"')
CAPTIONED = re.compile(
    r'(<img src="(figures/[^"]*)"[^>]*></div><figcaption class="words">(?:(?!</figcaption>).)*)'
)


def _with_pictures(html: str, files: dict[str, bytes]) -> str:
    """The pictures of a page as files beside it, which join `files`, and links that save them."""

    def moved(found: re.Match[str]) -> str:
        content = base64.b64decode(found[2])
        name = hashlib.sha256(content).hexdigest()[:12]
        file = f"figures/{name}.{found[1]}"
        files[file] = content
        return f'src="{file}" loading="lazy"'

    html = PICTURE.sub(moved, html)
    return CAPTIONED.sub(r'\1 <a class="save" href="\2" download>PNG</a>', html)


def _instructor(chapters: Sequence[Chapter], notebooks: Path, book: Book) -> NotebookNode:
    """The page for instructors is written as a notebook, so that its links are checked likewise."""
    places = {id: address for one in chapters for id, address in one.exercises.items()}
    places = {id: address.replace(".html", ".ipynb") for id, address in places.items()}
    hours, courses = read_plan({n: b for n, b in book.notebooks.items() if n not in book.unread})
    cited = notebooks.parent / CITATION
    lines = cited.read_text(encoding="utf-8") if cited.exists() else ""
    text = (
        environment()
        .get_template("instructor.md.j2")
        .render(
            exercises=[exercise for exercise in all_exercises() if exercise.id in places],
            places=places,
            hours=hours,
            courses=courses if hours else {},
            varied=sum(exercise.variant is not None for exercise in all_exercises()),
            explorers=[page_name(kind) for kind in EXPLORERS.values()],
            citation=dict(re.findall(r'^[ -]*([a-z-]+): "?(.+?)"?$', lines, re.MULTILINE)),
        )
    )
    return new_notebook(cells=[new_markdown_cell(text)])


def _start_page(site: Site) -> Text:
    shown: list[Explorer] = []
    explorer = ConvolutionExplorer()
    html = explorer_html(explorer, base64.b64encode(png(explorer.draw())).decode(), shown)
    listed = [(page_name(kind), kind.about) for kind in EXPLORERS.values()]
    template = environment().get_template("index_page.html.j2")
    body = template.render(site=site, explorers=listed, explorer=first_seen(html))
    return Text("index", body, Page("index.html", body, TAKEN), shown)


def _live_texts(site: Site) -> dict[str, Text]:
    """A layer of the reader's own, and what the reader has solved."""
    places = {id: address for one in site.chapters for id, address in one.exercises.items()}
    written = {clinic.NAME: clinic.body(), progress.NAME: progress.body(places)}
    return {
        name: Text(name, body, Page(f"{name}.html", body, TAKEN)) for name, body in written.items()
    }


def _read(texts: Mapping[str, Text]) -> dict[str, Page]:
    """What was read from the pages that are searched, by their files."""
    return {f"{name}.html": text.read for name, text in texts.items() if name != "index"}


def _search() -> Text:
    """Its index lies beside the page, as a script: that works without a server, too."""
    body = environment().get_template("search.html.j2").render(lists=FILES)
    return Text("search", body, Page("search.html", body, TAKEN))
