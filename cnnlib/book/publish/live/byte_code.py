"""Runs once within Pyodide, when the pages are made: the byte code of what a page imports.

It imports the whole library and draws a figure; what is loaded then is what readers wait for.
"""

import importlib
import importlib.util
import marshal
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

SITE = Path("/lib/python3.12/site-packages")
STDLIB = "/lib/python312.zip"
MADE = "/made.zip"
HEAD = importlib.util.MAGIC_NUMBER + bytes([1, *bytes(11)])  # not compared with a source


def load() -> None:
    """Import what pages import, with their stand-ins; some of it asks for what is not here."""
    importlib.import_module("inside.running").start(print)
    for path in sorted((SITE / "cnnlib").rglob("*.py")):
        if path.stem != "__main__" and "solutions" not in path.parts:
            names = path.relative_to(SITE).with_suffix("").parts
            with suppress(ImportError):
                importlib.import_module(".".join(names).removesuffix(".__init__"))
    figures = importlib.import_module("cnnlib.book.figures")
    figures.png(figures.grids(figures.Grid([[1.5]], "weight", title="$w$")))


def compiled() -> dict[str, bytes]:
    """The byte code by the path of its source, for all that is loaded; it fits unseen."""
    specs = [getattr(module, "__spec__", None) for module in sys.modules.values()]
    origins = {spec.origin for spec in specs if spec}
    made = {}
    with zipfile.ZipFile(STDLIB) as archive:
        for path in sorted(path for path in origins if path and path.endswith(".py")):
            if path.startswith(STDLIB):
                source = archive.read(path.removeprefix(f"{STDLIB}/"))
            else:
                source = Path(path).read_bytes()
            code = compile(source, path, "exec", dont_inherit=True, optimize=0)
            made[path] = HEAD + marshal.dumps(code)
    return made


if __name__ == "__main__":
    load()
    with zipfile.ZipFile(MADE, "w") as out:
        for name, content in compiled().items():
            out.writestr(zipfile.ZipInfo(name), content)
