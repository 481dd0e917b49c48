"""What a page shows of a cell's outputs. A kind that it cannot show is refused, never left out."""

import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from traitlets import TraitError

from ..widgets import EXPLORERS, MIME, VIEW, Explorer
from . import BuildError
from .captions import Captions
from .formulas import mathml
from .outline import Addresses, tagged
from .pictures import FORMATS, SVG, lighter, picture
from .prose import to_html

PICTURES = ("image/png", SVG, *FORMATS)
# An output has the same thing in several kinds. The first of these is shown.
KINDS = (MIME, "text/html", *PICTURES, "text/markdown", "text/latex", "application/json")
NOTEBOOK = re.compile(r'(<a href="\w+)\.ipynb(["#])')  # a link to another chapter
FORMULA = re.compile(r"\$\$?([^$]+)\$\$?|(\\begin\{(.+?)\}.*\\end\{\3\})", re.DOTALL)


def outputs_html(
    cell: NotebookNode,
    folder: Path,
    equations: Addresses,
    explorers: list[Explorer],
    captions: Captions,
    alone: bool,
) -> str:
    """The outputs of a code cell; its explorers join `explorers`, those of the page.

    Raises
    ------
    BuildError
        An output has a kind that the page cannot show, or is not what its kind says.
    """
    shown = []
    for output in cell.outputs:
        if output.output_type == "stream":
            shown.append(_text(output.text))
        elif output.output_type == "error":
            lines = output.traceback or [f"{output.ename}: {output.evalue}"]
            shown.append(_text("\n".join(lines)))
        elif not _is_bar(output.data):
            kind = _kind(output.data, tagged(cell, "playground"))
            if kind == MIME:
                html = _explorer(output.data, explorers, captions, alone)
            else:
                html = _of_kind(kind, output, folder, equations, captions)
            shown.append(html)
    return "".join(f"{html}\n" for html in shown)


def _is_bar(data: Mapping[str, Any]) -> bool:
    """The bar of a finished loop: without a kernel it would stand at 0 % for ever."""
    return VIEW in data and "%|" in data.get("text/plain", "")


def _kind(data: Mapping[str, Any], playground: bool) -> str:
    """The kind that is shown of an output."""
    if VIEW in data and MIME not in data and not playground:
        raise BuildError(
            "a control cannot work without a kernel: make it an explorer of "
            "cnnlib.book.widgets, or a playground in a cell with the tag `playground`"
        )
    for kind in KINDS:
        if kind in data:
            return kind
    if "text/plain" in data and set(data) <= {VIEW, "text/plain"}:
        return "text/plain"
    unknown = " and ".join(sorted(set(data) - {"text/plain"})) or "none"
    raise BuildError(
        f"an output of the kind {unknown} cannot be shown: make it a picture, text/html or text"
    )


def _of_kind(
    kind: str, output: NotebookNode, folder: Path, equations: Addresses, captions: Captions
) -> str:
    content = output.data[kind]
    if kind == "text/html":  # a report leads to chapters, which are pages here
        linked = NOTEBOOK.sub(r"\1.html\2", content)
        return f'<div class="output scroll">{_within(linked)}</div>'
    if kind == "text/markdown":
        return f'<div class="output">{_within(to_html(content, folder, equations))}</div>'
    if kind == "text/latex":
        formula = FORMULA.fullmatch(content.strip())
        if not formula:
            raise BuildError(f"LaTeX is shown where it is one formula, not {content.strip()!r:.80}")
        return f'<span class="equation">{mathml(formula[1] or formula[2], display=True)}</span>'
    if kind in PICTURES:
        alt = output.metadata.get(kind, {}).get("alt", "")
        return f'<div class="output">{captions.framed(picture(kind, content, alt), alt)}</div>'
    if kind == "application/json":
        content = json.dumps(content, indent=2, ensure_ascii=False)
    return _text(content)


def _within(html: str) -> str:
    """What would end the element around it, and open another for its end, is refused."""
    depth = 0
    for end in re.findall(r"<(/?)div\b", html, re.IGNORECASE):
        depth += -1 if end else 1
        if depth < 0:
            raise BuildError("</div> ends the output itself: close each element in it, and once")
    return html


def _text(text: str) -> str:
    return f'<pre class="output">{escape(strip_ansi(text), quote=False)}</pre>'


def _explorer(
    data: Mapping[str, Any], explorers: list[Explorer], captions: Captions, alone: bool
) -> str:
    """Make an explorer again from what the notebook stores of it."""
    try:
        explorer = EXPLORERS[data[MIME]["explorer"]](**data[MIME]["traits"])
        still = data["image/png"]
    except (KeyError, TypeError, TraitError) as error:
        raise BuildError(f"an explorer cannot be made again ({error}): execute its cell") from None
    html = explorer_html(explorer, still, explorers)
    return f'<div class="output">{captions.live(html, "" if alone else own_page(explorer))}</div>'


def explorer_html(explorer: Explorer, png: str, shown: list[Explorer]) -> str:
    """The place of an explorer in a page: its still, which the explorer replaces.

    The explorer joins `shown`, those of the page.
    """
    shown.append(explorer)
    return f'<div class="explorer" data-explorer="{len(shown) - 1}">{still(explorer, png)}</div>'


def still(explorer: Explorer, png: str) -> str:
    """The picture of an explorer that is not alive."""
    picture("image/png", png, explorer.alt)  # refuses what is none
    drawn = picture("image/webp", lighter(png), explorer.alt)
    return drawn.replace("<img ", '<img class="still" ')


def own_page(explorer: Explorer) -> str:
    """The address at which an explorer is alone, in this state."""
    return f"explorers/{page_name(explorer)}#{explorer.address()}"


def page_name(explorer: Explorer | type[Explorer]) -> str:
    """The file of an explorer's own page in the folder `explorers`."""
    kind = explorer if isinstance(explorer, type) else type(explorer)
    return kind.__name__.removesuffix("Explorer").lower() + ".html"
