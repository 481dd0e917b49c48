"""The command line of the builder: `python -m cnnlib.publish --help`."""

import argparse
import errno
import sys
from pathlib import Path

from ..errors import Error
from . import __doc__ as ABOUT

NOTEBOOKS, BUILD = Path("notebooks"), Path("build")


def main(arguments: list[str] | None = None) -> int:
    """Run one command in the repository's top folder; the exit status is 1 where it fails."""
    parser = argparse.ArgumentParser(prog="python -m cnnlib.publish", description=ABOUT)
    commands = parser.add_subparsers(dest="command", required=True)
    execute = commands.add_parser("execute", help="execute the notebooks that changed into build/")
    execute.add_argument("--complete", action="store_true", help="fail where a package is missing")
    render = commands.add_parser("render", help="render executed notebooks to build/html")
    render.add_argument("folder", type=Path, help="where they are: build, or notebooks")
    commands.add_parser("notebooks", help="execute in place: rewrites the committed outputs")
    commands.add_parser("pdf", help="print build/html to build/convolution-book.pdf")
    commands.add_parser("handout", help="notebooks and a wheel without solutions: build/handout")
    chosen = parser.parse_args(arguments)
    try:
        _run(chosen)
    except Error as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print("The disk is full: free some space and run this again.", file=sys.stderr)
        return 1
    return 0


def _run(chosen: argparse.Namespace) -> None:
    """Each command imports what it needs: executing does not wait for what renders."""
    if chosen.command == "execute":
        from .build import execute

        execute(NOTEBOOKS, BUILD, chosen.complete)
    elif chosen.command == "notebooks":
        from .build import rewrite

        rewrite(NOTEBOOKS)
    elif chosen.command == "render":
        from .site import render

        render(NOTEBOOKS, chosen.folder, BUILD / "html")
    elif chosen.command == "pdf":
        from .pdf import print_book

        print_book(BUILD / "html", BUILD / "convolution-book.pdf")
    else:
        from .handout import handout

        handout(NOTEBOOKS, BUILD / "handout")


if __name__ == "__main__":
    sys.exit(main())
