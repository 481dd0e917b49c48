"""The command line of the builder: `python -m cnnlib.publish execute | render | notebooks`."""

import argparse
import errno
import sys
from pathlib import Path

from cnnlib.errors import Error
from cnnlib.publish import build

NOTEBOOKS, BUILD = Path("notebooks"), Path("build")


def main(arguments: list[str] | None = None) -> int:
    """Run one command in the repository's top folder; the exit status is 1 where it fails."""
    parser = argparse.ArgumentParser(prog="python -m cnnlib.publish", description=build.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("execute", help="execute the notebooks that changed into build/")
    render = commands.add_parser("render", help="render executed notebooks to build/html")
    render.add_argument("folder", type=Path, help="where they are: build, or notebooks")
    commands.add_parser("notebooks", help="execute in place: rewrites the committed outputs")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "execute":
            build.execute(NOTEBOOKS, BUILD)
        elif chosen.command == "render":
            build.render(NOTEBOOKS, chosen.folder, BUILD / "html")
        else:
            build.rewrite(NOTEBOOKS)
    except Error as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print("The disk is full: free some space and run this again.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
