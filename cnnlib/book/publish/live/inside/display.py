"""A small stand-in for IPython: `display` and what it shows."""

import sys
import types
from typing import Any

from .shell import Shell

SHOWN = {
    "HTML": "_repr_html_",
    "Markdown": "_repr_markdown_",
    "Math": "_repr_latex_",
    "Latex": "_repr_latex_",
}


def install(shell: Shell) -> None:
    """Let `import IPython` find it. tqdm asks for its version, others for its shell."""
    classes = {name: _shown(name, method) for name, method in SHOWN.items()}
    display = module("IPython.display", display=shell.display, **classes)
    module(
        "IPython",
        display=display,
        get_ipython=lambda: None,
        version_info=(8, 23, 0, ""),
        __version__="8.23.0",
    )


def module(name: str, **contents: Any) -> types.ModuleType:
    """Let `import name` find a module with these contents."""
    made = sys.modules[name] = types.ModuleType(name)
    vars(made).update(contents)
    return made


def _shown(name: str, method: str) -> type:
    """A class whose objects show the text that they were made of."""

    def __init__(self: Any, data: Any = None, **_: Any) -> None:
        self.data = data

    return type(name, (), {"__init__": __init__, method: lambda self: self.data})
