"""Sizes and times of the rendered pages, beside the goals: `make measure`.

It reads build/html (`make html` makes it), prints a table and writes build/measure.json. Times are
medians of several loads from file:// in chromium with the CPU slowed down 4 times. The exit status
is 1 only where a figure is more than three times its goal.
"""

import gzip
import json
import re
import statistics
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from cnnlib.book.publish.pdf import browser
from cnnlib.data.files import write

HTML, RECORD = Path("build/html"), Path("build/measure.json")
# Text, font, style and scripts of a page, one figure and the site in bytes; times in seconds.
GOALS = {"page": 250e3, "figure": 30e3, "site": 8e6, "text": 0.3, "explorer": 1.0}
LOADS = 5
SLOWDOWN = 4
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FIGURE = re.compile(r"data:image/png;base64,([^\"]*)")


def sizes(path: Path) -> dict[str, float]:
    """Bytes of a page without its figures, of that gzipped, and of its largest figure."""
    text = path.read_text(encoding="utf-8")
    figures = [len(figure) * 3 / 4 for figure in FIGURE.findall(text)]
    rest = FIGURE.sub("", text).encode()
    return {
        "page": len(rest),
        "gzipped": len(gzip.compress(rest)),
        "figure": max(figures, default=0),
        "figures": sum(figures),
    }


def times(page, address: str) -> dict[str, float]:
    """Seconds until text is visible, the first explorer is ready, and all explorers are."""
    marks = {"text": "first-contentful-paint"}
    found: dict[str, list[float]] = {"text": []}
    for _ in range(LOADS):
        page.goto(address)
        if page.locator(".explorer").count():
            marks |= {"explorer": "explorer", "explorers": "explorers"}
        for kind, mark in marks.items():
            first = f"performance.getEntriesByName('{mark}')[0]?.startTime"
            while (milliseconds := page.evaluate(first)) is None:
                page.wait_for_timeout(20)
            found.setdefault(kind, []).append(milliseconds / 1000)
    return {kind: statistics.median(values) for kind, values in found.items()}


def main() -> int:
    """Measure every page, print the table, and say what is too far from its goal."""
    names = [path.stem for path in sorted(HTML.glob("*.html"))]
    if not names:
        print(f"There are no pages in {HTML}: run make html first.", file=sys.stderr)
        return 1
    measured = {name: sizes(HTML / f"{name}.html") for name in names}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser(), args=FLAGS)
        page = chromium.new_page()
        slower = page.context.new_cdp_session(page)
        slower.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
        for name in names:
            measured[name] |= times(page, (HTML / f"{name}.html").resolve().as_uri())
        chromium.close()
    total = sum(path.stat().st_size for path in HTML.rglob("*") if path.is_file())
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    record |= {"pages": measured, "site": total}
    write(RECORD, (json.dumps(record, indent=1) + "\n").encode())

    columns = {"page": 1e3, "gzipped": 1e3, "figure": 1e3, "text": 1, "explorer": 1, "explorers": 1}
    print(f"{'':20}" + "".join(f"{column:>10}" for column in columns))
    for name, row in [*measured.items(), ("goals", GOALS)]:
        cells = [f"{row[c] / scale:.3g}" if c in row else "" for c, scale in columns.items()]
        print(f"{name:20}" + "".join(f"{cell:>10}" for cell in cells))
    print(
        "Sizes in kB, times in seconds. `explorer` is the first one that is ready, `explorers` all."
    )
    print(f"The whole site has {total / 1e6:.1f} MB; the goal is 8 MB.")
    # The search page holds the text of the whole book; its size has no goal.
    figures = [
        (f"{name}: {kind}", m[kind], GOALS[kind])
        for name, m in measured.items()
        for kind in GOALS.keys() & m.keys()
        if (name, kind) != ("search", "page")
    ]
    far = [
        f"{what} {value:.3g}"
        for what, value, goal in [*figures, ("site", total, GOALS["site"])]
        if value > 3 * goal
    ]
    print(f"More than three times a goal: {', '.join(far) or 'nothing'}.")
    return bool(far)


if __name__ == "__main__":
    sys.exit(main())
