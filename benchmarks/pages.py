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
# A page without what all pages share, all that it loads, one figure and the site in bytes; times in
# seconds. The site is counted without its notebooks, which run elsewhere.
GOALS = {"page": 250e3, "figure": 30e3, "site": 6e6, "text": 0.3, "explorer": 1.0}
LOADS = 5
SLOWDOWN = 4
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
LOADED = re.compile(r' (?:src|href)="((?:assets|figures)/[^"]*)"')


def sizes(path: Path) -> dict[str, float]:
    """Bytes of a page, of it gzipped, of the shared files that it loads, and of its figures."""
    text = path.read_text(encoding="utf-8")
    loaded = {file: (path.parent / file).stat().st_size for file in LOADED.findall(text)}
    figures = [size for file, size in loaded.items() if file.startswith("figures/")]
    return {
        "page": len(text.encode()),
        "gzipped": len(gzip.compress(text.encode())),
        "shared": sum(loaded.values()) - sum(figures),
        "figure": max(figures, default=0),
        "figures": sum(figures),
    }


def times(page, address: str) -> dict[str, float]:
    """Seconds until text is visible, and until the first explorer in the first screen is ready."""
    marks = {"text": "first-contentful-paint"}
    found: dict[str, list[float]] = {"text": []}
    for _ in range(LOADS):
        page.goto(address)
        if page.locator("[data-hero]").count():  # the others wait until they come into view
            marks |= {"explorer": "explorer"}
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
    files = [path for path in HTML.rglob("*") if path.is_file()]
    total = sum(path.stat().st_size for path in files if "notebooks" not in path.parts)
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    record |= {"pages": measured, "site": total}
    write(RECORD, (json.dumps(record, indent=1) + "\n").encode())

    columns = {"page": 1e3, "gzipped": 1e3, "shared": 1e3, "figure": 1e3, "text": 1, "explorer": 1}
    print(f"{'':28}" + "".join(f"{column:>10}" for column in columns))
    for name, row in [*measured.items(), ("goals", GOALS)]:
        cells = [f"{row[c] / scale:.3g}" if c in row else "" for c, scale in columns.items()]
        print(f"{name:28}" + "".join(f"{cell:>10}" for cell in cells))
    print("Sizes in kB, times in seconds. `explorer` is the one in the first screen.")
    print(f"The whole site has {total / 1e6:.1f} MB without the notebooks; the goal is 6 MB.")
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
