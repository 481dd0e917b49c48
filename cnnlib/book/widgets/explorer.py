"""What all explorers share: how one gets its front end, and what a cell's output carries."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anywidget
from traitlets import Dict, TraitError

from cnnlib.errors import InputError
from cnnlib.geometry import Shape, Window

from ..figures import png
from ..figures.style import Figure
from .host import host
from .scripts import bare, source

FOLDER = Path(__file__).parent
STATE = dict(sync=True, state=True)  # the tags of a trait that is part of an explorer's state
HOST = bare(source("host"))
EMBEDDING = bare(source("embedding"))
DRAWN = 30  # cells along an axis, with the padding: sides.js has the same bound


def style(name: str) -> str:
    """The style sheet of the explorer `name`, after that of the shared parts."""
    files = ("parts.css", f"{name}.css")
    return "\n".join((FOLDER / file).read_text(encoding="utf-8") for file in files)


def check_size(window: Window, P: Shape) -> None:
    """Refuse a layer with more cells along an axis than a page can draw."""
    for n, axis in enumerate(window.axes(P)):
        given = window.padding[n] if isinstance(window.padding, tuple) else (0, 0)
        before, after = max(axis.before, given[0]), max(axis.after, given[1])
        if before + P[n] + after > DRAWN:
            raise InputError(
                f"the padded input has {before} + {P[n]} + {after} cells on spatial axis {n}; "
                f"the explorer draws at most {DRAWN}"
            )


def plain_places(text: str) -> str:
    """Write a place on one axis as it is read: (2,) is 2."""
    return re.sub(r"\((\d+),\)", r"\1", text)


def policy(
    *scripts: str, styles: Sequence[str] = (), beside: bool = False, runs: bool = False
) -> str:
    """A content security policy of a page: these scripts and style sheets, and no request.

    The explorers' modules come from a blob of the page itself. Without `styles` any style is
    allowed: formulas and tables have theirs in attributes, which a policy cannot name. `beside`
    allows scripts, styles and pictures from the folder of the page, and nothing from outside.
    Where Python `runs`, a worker is made from a blob.
    """
    style = _hashes(styles) if styles else "'unsafe-inline'"
    own = "'self' " if beside else ""
    wasm, worker = (" 'wasm-unsafe-eval'", "worker-src blob:; ") if runs else ("", "")
    return (
        f"default-src 'none'; script-src {own}{_hashes(scripts)} blob:{wasm}; {worker}"
        f"style-src {own}{style}; "
        f"img-src {own}data:; font-src data:; base-uri 'none'; form-action 'self'"
    )


def _hashes(texts: Sequence[str]) -> str:
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def in_script(value: Any) -> str:
    """JSON that may stand in a script element: no tag can end it."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


class Explorer(anywidget.AnyWidget):
    """A widget whose cell output also works without a kernel.

    A subclass sets `_esm = FrontEnd(name)` and `_css = style(name)`, says `about`, tags the traits
    that make up its state with `sync=True, state=True`, and defines `alt` and `draw`.
    """

    about: str  # what one moves and sees: on the start page, and in the head of its own page
    first = Dict(read_only=True).tag(sync=True)  # what the button Reset goes back to

    def __init__(self, **traits: Any) -> None:
        unknown = sorted(set(traits) - set(self.class_trait_names()))
        if unknown:
            settings = ", ".join(sorted(self.class_trait_names(state=True)))
            raise TraitError(f"{unknown[0]} is no setting of {type(self).__name__}: {settings}")
        super().__init__(**traits)
        self.set_trait("first", self._values(state=True))

    @property
    def alt(self) -> str:
        """What the present picture says, in one or two sentences."""
        raise NotImplementedError

    def draw(self) -> Figure:
        """A still picture of the present state."""
        raise NotImplementedError

    @property
    def module(self) -> str:
        """The front end's whole ES module."""
        return str(self._esm)

    @property
    def style(self) -> str:
        """The front end's style sheet."""
        return str(self._css)

    def payload(self) -> dict[str, Any]:
        """What a notebook stores: from it `EXPLORERS[name](**traits)` makes this explorer again."""
        return {"explorer": type(self).__name__, "traits": self._values(state=True)}

    def state(self) -> dict[str, Any]:
        """Everything that the front end reads, shipped data included."""
        return self._values(sync=True)

    def address(self) -> str:
        """The state as the part of an address after `#`: what differs from the first picture."""
        first = type(self)()._values(state=True, sync=True)
        present = self._values(state=True, sync=True)
        changed = {name: value for name, value in present.items() if value != first[name]}
        return "&".join(f"{name}={_in_address(value)}" for name, value in changed.items())

    def page(self) -> str:
        """A page of its own, for an iframe; its address is the state."""
        name = type(self).__name__
        data = [self.module, self.state(), {"address": True}]
        arguments = ", ".join(map(in_script, data))
        mount = (
            'const place = document.getElementById("explorer");\n'
            f"mountExplorer(place, {arguments}).then(() => embed(place));"
        )
        script, style = f"\n{HOST}\n{EMBEDDING}\n{mount}\n", f"\n{PAGE_STYLE}{self.style}"
        still = base64.b64encode(png(self.draw())).decode()
        return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy(script, styles=[style])}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="description" content="{escape(self.about)}">
<title>{name}</title>
<style>{style}</style>
</head>
<body>
<main id="explorer"><h1>{name}</h1><img class="still" src="data:image/png;base64,{still}"
 alt="{escape(self.alt)}"></main>
<script>{script}</script>
</body>
</html>
"""

    def _values(self, **tags: bool) -> dict[str, Any]:
        """The explorer's own traits with these tags; those of every widget are not among them."""
        general = anywidget.AnyWidget.class_trait_names()
        names = [n for n in self.trait_names(**tags) if n not in general and n[0] != "_"]
        return {name: _plain(getattr(self, name)) for name in sorted(names)}

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict, dict]:
        return host().explorer(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}: {self.alt}"


# On the screen the widget replaces its still, on paper the still replaces the widget.
PAGE_STYLE = """\
:root { color-scheme: light dark; }
body { margin: 0.5rem; }
h1 { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.still { max-width: 100%; height: auto; }
.embed { font: 0.875rem/1.4 system-ui, sans-serif; margin: 0.5rem 0; }
.embed + pre { white-space: pre-wrap; overflow-wrap: anywhere; }
@media screen { .mounted > .still { display: none; } }
@media print { .mounted > .cnn-explorer, .embed, .embed + pre { display: none; } }
"""


def _plain(value: Any) -> Any:
    """A trait as JSON has it: tuples are lists there."""
    return json.loads(json.dumps(value))


def _in_address(value: Any) -> str:
    """Write a value as host.js reads it: lists as 0,1 or 1,2;3,4, a lone entry as 0 and a comma."""
    if isinstance(value, list):
        depth, first = 0, value
        while first and isinstance(first[0], list):
            depth, first = depth + 1, first[0]
        between = ",;:/"[depth]
        return between.join(map(_in_address, value)) + (between if len(value) == 1 else "")
    if isinstance(value, dict):
        return quote(json.dumps(value, separators=(",", ":")), safe="")
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return quote(str(value))
