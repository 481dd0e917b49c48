"""Joins the modules of an explorer's front end into one: what one imports stands before it.

A front end is one text, for anywidget and for a page that asks for nothing. The modules are written
with real imports, for editors and checkers; here the imports become the order of one scope.
"""

import re
from collections import Counter
from collections.abc import Callable
from functools import cache, cached_property, partial
from pathlib import Path

from .pressing import bare

FOLDER = Path(__file__).parent / "scripts"
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";\n', re.MULTILINE)
_DECLARED = re.compile(
    r"^(?P<export>export )?(?:async )?(?:function|class|const|let) (?P<names>\w+|[\[{][^=]*[\]}])",
    re.MULTILINE,
)


@cache
def source(name: str, folder: Path | None = None) -> str:
    """The text of the file `name`.js."""
    return ((folder or FOLDER) / f"{name}.js").read_text(encoding="utf-8")


def joined(entry: str, folder: Path | None = None) -> str:
    """Put a module and all that it imports into one text with the default export of `entry`.

    Each module stands once, after those that it imports, without its lines of comment. A name that
    two of them declare, one that is imported and not exported, and a circle of imports are errors
    of ours: ValueError.
    """
    order: list[str] = []
    text_of = partial(source, folder=folder) if folder else source
    _visit(entry, text_of, order, ())
    owners: dict[str, str] = {}
    for name in order:
        for declared in _names(text_of(name)):
            if owners.setdefault(declared, name) != name:
                raise ValueError(f"{name}.js and {owners[declared]}.js both declare {declared}")
    text = "\n".join(_IMPORT.sub("", text_of(name)) for name in order)
    if "\nexport default " in text:  # a front end; of another module all that it exports is wanted
        text = _used(text)
    return bare(re.sub(r"^export (?!default)", "", text, flags=re.M))


class FrontEnd:
    """The text of a front end, joined when it is asked for: an import need not wait for it."""

    def __init__(self, entry: str) -> None:
        self.entry = entry

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        return joined(self.entry)


def _used(text: str) -> str:
    """Leave out what a module exports and nothing in this front end names."""
    counts = Counter(re.findall(r"\w+", text))

    def named(part: str) -> bool:
        found = _DECLARED.match(part)
        names = re.findall(r"\w+", found["names"]) if found and found["export"] else [""]
        return any(counts[name] != 1 for name in names)

    kept = "".join(filter(named, re.split(r"^(?=[^\s)}\]])", text, flags=re.M)))
    return kept if kept == text else _used(kept)


def _visit(
    name: str, text_of: Callable[[str], str], order: list[str], above: tuple[str, ...]
) -> None:
    if name in above:
        raise ValueError(f"{' imports '.join([*above, name])}: a circle")
    if name in order:
        return
    for names, other in _IMPORT.findall(text_of(name)):
        missing = set(re.split(r"[\s,]+", names.strip(" \n,"))) - _names(text_of(other), True)
        if missing:
            raise ValueError(f"{name}.js imports {min(missing)}; {other}.js does not export it")
        _visit(other, text_of, order, (*above, name))
    order.append(name)


def _names(text: str, exported: bool = False) -> set[str]:
    """What a module declares at its top, or only what it exports."""
    found = [m for m in _DECLARED.finditer(text) if m["export"] or not exported]
    return {name for m in found for name in re.findall(r"\w+", m["names"])}
