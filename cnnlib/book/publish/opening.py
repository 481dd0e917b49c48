"""The first screen of a chapter, by one template: question, explorer, what one can do afterwards.

A notebook has them in the order in which it runs: question and aims, the imports, "See it first",
an explorer. A page shows the explorer before the aims. Chapters that have none of their own begin
with one of these.
"""

import base64
import re
from collections.abc import Callable
from html import escape

from nbformat import NotebookNode

from ..figures import png
from ..widgets import ConvolutionExplorer, Explorer, NetworkExplorer
from .outline import tagged
from .outputs import explorer_html, own_page

AIMS = re.compile(r"<p><strong>After this (?:chapter|page)</strong>")
NEXT = re.compile(r"\n(?=<strong>(?:Time|You need):</strong>)")
SEEN = "**See it first.**"
SOON = 6  # cells, among which a chapter's own explorer stands

HEROES: dict[str, tuple[str, Callable[[], Explorer]]] = {
    "00_in_one_hour": (
        "This network reads a digit. Choose any cell: which cells did it get its number from?",
        NetworkExplorer,
    ),
    "06_frameworks": (
        "Padding <em>same</em> at stride 2, as TensorFlow has it: the zero is put behind the four "
        "inputs. Choose padding 1, as one writes it in PyTorch: where do the two windows go?",
        lambda: ConvolutionExplorer(
            input=[1, 2, 4, 8], kernel=[1, 10, 100], stride=2, padding="same", position=[0]
        ),
    ),
    "07_n_dimensions_and_fft": (
        "A convolution turns its kernel round, and with padding <em>full</em> it keeps every "
        "output that meets an input. This sum is the product of two transforms.",
        lambda: ConvolutionExplorer(
            input=[1, 2, 0, 3], kernel=[2, 1], flip=True, padding="full", position=[1]
        ),
    ),
    "08_from_loops_to_blas": (
        "Each output is a row of products. Step through them: how many numbers does the next "
        "window share with the one before?",
        lambda: ConvolutionExplorer(position=[0, 0]),
    ),
    "09_clinic": (
        "What each input owes at stride 2. A backward pass is right if it gives all of these "
        "numbers; some cells have one way to the loss, others four.",
        lambda: ConvolutionExplorer(lens="delta", stride=2, padding=1, position=[1, 1]),
    ),
    "11_everyones_centres": (
        "Drag the dot, the centre of the kernel, to another weight. This is all in which the "
        "libraries of this appendix differ.",
        lambda: ConvolutionExplorer(
            input=[1, 2, 4, 8], kernel=[1, 10, 100], center=1, stride=2, position=[0]
        ),
    ),
}


def arranged(
    name: str, cells: list[NotebookNode], explorers: list[Explorer], alone: bool
) -> list[NotebookNode]:
    """The cells of a chapter's first page, converted, in the order of its first screen.

    An explorer that it is given joins `explorers`, those of the page; `alone`, without its address.
    """
    first = cells[0].metadata["page"] if cells else {}
    aims = AIMS.search(first.get("html", ""))
    if not aims or cells[0].cell_type != "markdown":
        return cells
    question, after = first["html"][: aims.start()], first["html"][aims.start() :]
    after = NEXT.sub("</p>\n<p>", after)
    after = f'<section class="aims">\n{after}</section>\n'
    own = next((n for n, one in enumerate(cells[:SOON]) if one.source.startswith(SEEN)), 0)
    if own:
        seen = [cell for cell in cells[own : own + 2] if cell is cells[own] or _drawn(cell)]
        others = [cell for cell in cells[1:] if not any(cell is one for one in seen)]
        first["html"] = question
        shown = seen[-1].metadata["page"]
        shown["after"], shown["outputs"] = after, first_seen(shown["outputs"])
        return [cells[0], *seen, *others]
    first["html"] = question + (_hero(name, explorers, alone) if name in HEROES else "") + after
    return cells


def first_seen(html: str) -> str:
    """Mark the first explorer in it: nothing below that may move when it is there."""
    return html.replace(" data-explorer=", " data-hero data-explorer=", 1)


def _drawn(cell: NotebookNode) -> bool:
    return tagged(cell, "figure")


def _hero(name: str, explorers: list[Explorer], alone: bool) -> str:
    words, made = HEROES[name]
    explorer = made()
    html = explorer_html(explorer, base64.b64encode(png(explorer.draw())).decode(), explorers)
    link = f'<a href="{escape(own_page(explorer))}">This explorer on its own page</a>'
    below = "" if alone else f'<figcaption class="beside">{link}</figcaption>'
    return (
        f'<section class="block try"><p><strong>See it first.</strong> {words}</p></section>\n'
        f"<figure>{first_seen(html)}{below}</figure>\n"
    )
