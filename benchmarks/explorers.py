"""Time one step of each explorer in Chromium: `python benchmarks/explorers.py`, or `make measure`.

A step is a change of the state, from the change until the picture stands: script, style, layout
and paint, as milliseconds of CPU time of the page's main thread. The medians go into
build/measure.json.
"""

import itertools
import json
import shutil
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cnnlib.book.widgets import (
    ConvolutionExplorer,
    NetworkExplorer,
    PoolingExplorer,
    TrainingExplorer,
)
from cnnlib.data.files import write

RESULTS = Path(__file__).parents[1] / "build" / "measure.json"
GOAL = 16.0  # milliseconds: 60 pictures in a second
STEPS = 60
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SQUARE = np.arange(81).reshape(9, 9) * 7 % 19  # a 9x9 input

# The explorer once more, on a model that the benchmark holds.
MOUNT = """async ([text, state]) => {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  window.model = explorerModel(state);
  const root = document.createElement("div");
  document.body.replaceChildren(root);
  await widget.render({ model, el: root });
}"""
CHANGE = """async (changes) => {
  for (const [name, value] of Object.entries(changes)) model.set(name, value);
  const frame = () => new Promise(requestAnimationFrame);
  await frame();
  await frame();
}"""

Steps = tuple[Any, Iterator[dict[str, Any]]]  # an explorer, and changes of its state without end


def convolution(lens: str, rotated: bool = False) -> Steps:
    """The choice moves over all cells of the lens's grid."""
    explorer = ConvolutionExplorer(
        input=SQUARE, padding="same", lens=lens, rotated=rotated, stride=2 if rotated else 1
    )
    size = 3 if lens == "weight" else 9
    return explorer, ({"position": list(p)} for p in itertools.cycle(np.ndindex(size, size)))


def pooling() -> Steps:
    """The choice moves over all outputs."""
    explorer = PoolingExplorer(input=SQUARE, window=2, stride=1)
    return explorer, ({"position": list(p)} for p in itertools.cycle(np.ndindex(8, 8)))


def network() -> Steps:
    """The choice moves over the maps of the second convolution."""
    explorer = NetworkExplorer()
    name = explorer.cell[0]
    (shape,) = [layer["shape"] for layer in explorer.data["layers"] if layer["name"] == name]
    return explorer, ({"cell": [name, *p]} for p in itertools.cycle(np.ndindex(*shape)))


def training() -> Steps:
    """The recording plays."""
    explorer = TrainingExplorer()
    recording = explorer.data[explorer.recordings[0]]
    return explorer, ({"step": step} for step in itertools.cycle(recording["step"]))


EXPLORERS = {
    "convolution, forward": lambda: convolution("forward"),
    "convolution, delta": lambda: convolution("delta"),
    "convolution, rotated": lambda: convolution("delta", rotated=True),
    "convolution, weight": lambda: convolution("weight"),
    "pooling": pooling,
    "network": network,
    "training": training,
}


def measure(browser, explorer, changes: Iterator[dict[str, Any]]) -> list[float]:
    """Milliseconds of each step."""
    page = browser.new_page(
        viewport={"width": 1000, "height": 900},
        reduced_motion="reduce",  # no pass that opens the picture beside the steps
    )
    page.set_content(explorer.page())
    page.wait_for_selector(".mounted")
    page.evaluate(MOUNT, [explorer.module, explorer.state()])
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})  # a busy machine counts less

    def busy() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(m["value"] for m in metrics if m["name"] == "TaskDuration")

    times = []
    for change in itertools.islice(changes, STEPS + 10):
        before = busy()
        page.evaluate(CHANGE, change)
        times.append(busy() - before)
    page.close()
    return times[10:]  # the first ones pay for the compiler


def main() -> None:
    """Print the medians and record them."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("There is no chromium on this machine (on Debian: apt install chromium).")
    medians = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for name, make in EXPLORERS.items():
            medians[name] = round(statistics.median(measure(browser, *make())), 2)
            print(f"{name:22}{medians[name]:7.2f} ms a step; the goal is {GOAL:g}", flush=True)
        browser.close()
    known = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    known["explorers"] = {"goal": GOAL, "milliseconds a step, median": medians}
    RESULTS.parent.mkdir(exist_ok=True)
    write(RESULTS, (json.dumps(known, indent=2, sort_keys=True) + "\n").encode())


if __name__ == "__main__":
    main()
