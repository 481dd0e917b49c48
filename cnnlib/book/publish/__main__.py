"""The command line of the builder: `python -m cnnlib.book.publish --help`."""

import argparse
import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cnnlib.errors import Error

if TYPE_CHECKING:
    from .build import Book

ABOUT = (
    "The builder of the book: executes the notebooks and renders them to HTML. `python -m "
    "cnnlib.book.publish --help` lists its commands; the Makefile's targets call them. Jupyter's "
    "own `jupyter nbconvert --to cnn-course` makes one self-contained page of one notebook."
)
CONSEQUENCE = (
    "Their pages show the committed results, where there are any, and say why. The next run begins "
    "with these chapters."
)
NOTEBOOKS, BUILD = Path("notebooks"), Path("build")


def main(arguments: list[str] | None = None) -> int:
    """Run one command in the repository's top folder; the exit status is 1 where it fails."""
    parser = argparse.ArgumentParser(prog="python -m cnnlib.book.publish", description=ABOUT)
    commands = parser.add_subparsers(dest="command", required=True)
    book = commands.add_parser("book", help="execute what changed, render all to build/html")
    book.add_argument("--jobs", type=_count, default=0, help="kernels side by side (one per core)")
    html = commands.add_parser("html", help="render the committed outputs to build/html")
    html.add_argument(
        "--light", action="store_true", help="without SciPy, and as an archive: build/light.zip"
    )
    commands.add_parser("notebooks", help="execute in place: rewrites the committed outputs")
    commands.add_parser("live", help="get Python, which the pages need to run cells: build/pyodide")
    commands.add_parser(
        "pdf", help="print all to build/convolution-book.pdf, chapters to build/pdf"
    )
    commands.add_parser("handout", help="for a class, without solutions: build/handout")
    exams = commands.add_parser("assignments", help="for nbgrader and otter: build/assignments")
    exams.add_argument("--seed", default="2026", help="draws the numbers of each student")
    commands.add_parser("slides", help="an hour of lecture each: build/slides")
    tagged = commands.add_parser("release", help="archives of what was made: build/release")
    tagged.add_argument("--tag", required=True, help="that of this version, such as v0.1.0")
    commands.add_parser("number", help="number sections, equations, exercises and their mentions")
    chosen = parser.parse_args(arguments)
    try:
        return _run(chosen)
    except Error as error:
        print(error, file=sys.stderr)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            print("The disk is full: free some space and run this again.", file=sys.stderr)
        elif error.filename is None:
            raise
        else:
            print(f"{error.filename} cannot be used: {error.strerror}.", file=sys.stderr)
    except KeyboardInterrupt:
        print("Interrupted. What was done before is kept.", file=sys.stderr)
    return 1


def _run(chosen: argparse.Namespace) -> int:
    """Each command imports what it needs: executing does not wait for what renders."""
    if chosen.command in ("book", "notebooks"):
        return _executed(chosen)
    if chosen.command == "live":
        from .live.carrying import get

        print(get(BUILD / "pyodide"))
    elif chosen.command == "assignments":
        from .assignments import assignments

        assignments(NOTEBOOKS, BUILD / "assignments", chosen.seed)
    elif chosen.command == "release":
        from .release import release

        release(BUILD, Path("CHANGELOG.md"), chosen.tag)
    elif chosen.command == "number":
        from .number import renumber
        from .slides import tag

        renumber()
        tag(NOTEBOOKS)
    elif chosen.command == "handout":
        from .handout import handout

        handout(NOTEBOOKS, BUILD / "handout")
        handout(NOTEBOOKS, BUILD / "instructor", solutions=True)
    elif chosen.command == "html" and chosen.light:
        _light()
    else:
        _shown(chosen.command)
    return 0


def _executed(chosen: argparse.Namespace) -> int:
    from .build import make, rewrite

    if chosen.command == "notebooks":
        book = rewrite(NOTEBOOKS)
        _say(book.report("Their files are as they were."))
        return bool(book.failures)
    book = make(NOTEBOOKS, BUILD, chosen.jobs)
    try:
        print("Rendering the pages ...", flush=True)
        _render(book)
    finally:
        _say(book.report(CONSEQUENCE))
    return bool(book.failures)


def _shown(command: str) -> None:
    """What is made of the committed outputs: pages, slides, paper."""
    from .build import committed

    book = committed(NOTEBOOKS)
    if command == "html":
        _render(book)
    elif command == "pdf":
        from .pdf import print_book

        print_book(NOTEBOOKS, book, BUILD / "convolution-book.pdf", BUILD / "pdf")
    else:
        from .slides import slides

        slides(NOTEBOOKS, book, BUILD / "slides")


def _light() -> None:
    """A smaller site to hand out; `make html` has its own folder."""
    from cnnlib.data.files import write

    from .build import committed
    from .release import archive

    _render(committed(NOTEBOOKS), "light")
    packed = archive(BUILD / "light")
    write(BUILD / "light.zip", packed)
    print(f"{len(packed) / 1e6:.0f} MB to hand out: {BUILD / 'light.zip'}")


def _render(book: "Book", folder: str = "html") -> None:
    """The site, with Python for its cells where that is here or can be had."""
    from .live.bringing import bring
    from .site import render

    pyodide, said = bring(BUILD / "pyodide")
    if said:
        print(said)
    render(NOTEBOOKS, book, BUILD / folder, pyodide=pyodide, light=folder == "light")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r:.80} is no number from 0 on")
    return int(text)


def _say(report: str) -> None:
    if report:
        print(f"\n{report}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
