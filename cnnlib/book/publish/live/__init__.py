"""The book that runs: what stands beside the pages so that their code cells run in a browser.

Python itself is Pyodide's, taken by a table of sizes and sums; `packing` makes parts of it that a
page loads without a server. `inside/` runs there, beside the library; `scripts/` is the page.
"""

from dataclasses import dataclass

SCRIPT, STYLE = "live/start.js", "live/live.css"  # what each page that has cells loads


@dataclass(frozen=True)
class Live:
    """What the pages need so that their cells run."""

    files: dict[str, bytes]  # beside the pages, by path
