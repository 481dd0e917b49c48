"""The folder of the explorers in a site: what makes them alive, and a page of its own for each."""

import base64
from collections.abc import Sequence

from ..figures import png
from ..widgets import EXPLORERS, HOST, Explorer, in_script, policy
from ..widgets.explorer import EMBEDDING, FOLDER, PAGE_STYLE
from .outputs import page_name, still
from .pages import ALIVE, apart, environment, mounting, packed, source


def alive(explorers: Sequence[Explorer]) -> dict[str, str]:
    """The folder that makes `explorers` alive in the pages, with a page for each kind."""
    kinds = {name: kind() for name, kind in EXPLORERS.items()}
    files = {
        "explorers.css": _joined([one.style for one in kinds.values()]),
        "explorers.js": mounting(),
        "own.js": HOST + EMBEDDING + source("arriving.js") + source("own.js"),
    }
    content = {name: one.module for name, one in kinds.items()}
    for one in [*explorers, *kinds.values()]:
        content |= {name: in_script(one.state()[key]) for key, name in apart(one)[2].items()}
    for name, text in content.items():  # a script, because a page on a disk may not fetch
        files[f"{name}.js"] = f'(window.bookFiles ??= {{}})["{name}"] = "{packed(text)}";\n'
    for one in kinds.values():
        files[page_name(one)] = _own_page(one)
    return {f"{ALIVE}/{name}": content for name, content in files.items()}


def _own_page(explorer: Explorer) -> str:
    """The page of one explorer, for an iframe; its address is the state."""
    return (
        environment()
        .get_template("explorer.html.j2")
        .render(
            name=type(explorer).__name__,
            about=explorer.about,
            still=still(explorer, base64.b64encode(png(explorer.draw())).decode()),
            style=PAGE_STYLE,
            data=in_script(apart(explorer)),
            policy=policy(styles=[PAGE_STYLE], beside=True),
        )
    )


def _joined(styles: Sequence[str]) -> str:
    """The style sheets of the explorers; each begins with that of the parts, which comes once."""
    parts = (FOLDER / "parts.css").read_text(encoding="utf-8")
    return parts + "\n".join(style.removeprefix(parts) for style in styles)
