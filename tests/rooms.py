"""The rooms of the library and the arrows between them, as the imports have it.

python tests/rooms.py      writes the picture and the table into README.md
"""

import ast
import re
from importlib.util import resolve_name
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "cnnlib"
README = ROOT / "README.md"


def files():
    """All modules by their full names; a package stands for its `__init__.py`."""
    for path in sorted(LIBRARY.rglob("*.py")):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


MODULES = dict(files())


def room(module):
    """A module at the top, a package there, or a package in it: `diagnosis.mistakes`."""
    parts = module.split(".")[1:]
    packages = [part for n, part in enumerate(parts[:2]) if _is_package(parts[: n + 1])]
    return ".".join(packages or parts[:1]) or "cnnlib"


def _is_package(parts):
    return LIBRARY.joinpath(*parts).is_dir()


def imports(module, tree=None):
    """The modules of the library that a module imports, at its top or inside a function."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree or ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                full = f"{source}.{alias.name}"
                if full in MODULES or source in MODULES:
                    yield full if full in MODULES else source


def arrows():
    """Who imports whom: pairs (above, below) of rooms."""
    pairs = {(room(module), room(other)) for module in MODULES for other in imports(module)}
    return {(above, below) for above, below in pairs if above != below}


def floors(pairs):
    """Each room's floor: one above the highest that it imports. None where they go in a circle."""
    rooms, floor = {end for pair in pairs for end in pair}, {}
    while rooms - floor.keys():
        free = {
            name
            for name in rooms - floor.keys()
            if all(below in floor for above, below in pairs if above == name)
        }
        if not free:
            return None
        for name in free:
            floor[name] = 1 + max((floor[b] for a, b in pairs if a == name), default=-1)
    return floor


def steps(pairs):
    """The arrows without those that a longer way along the others already shows."""

    def reached(name):
        direct = {below for above, below in pairs if above == name}
        return direct.union(*map(reached, direct))

    return {
        (above, below)
        for above, below in pairs
        if not any(below in reached(other) for one, other in pairs if one == above)
    }


def description():
    """The rooms as README.md describes them: a diagram that code hosts draw, and a table."""
    pairs = arrows()
    floor = floors(pairs)
    upwards = sorted(floor, key=lambda name: (floor[name], name))
    drawn = sorted(steps(pairs), key=lambda pair: [upwards.index(end) for end in pair])
    lines = ["```mermaid", "flowchart BT"]
    lines += [f"    {below} --> {above}" for above, below in drawn]
    lines += ["```", "", "| room | what is in it | imports |", "|---|---|---|"]
    for name in upwards:
        below = [other for other in upwards if (name, other) in pairs]
        lines.append(f"| `{name}` | {purpose(name)} | {', '.join(below)} |")
    return "\n".join(lines)


def purpose(name):
    """The first sentence of a room's docstring."""
    module = "cnnlib" if name == "cnnlib" else f"cnnlib.{name}"
    text = ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    return text.splitlines()[0].removesuffix(".")


DESCRIPTION = re.compile(r"```mermaid\n.*?(?=\n\n## )", re.DOTALL)

if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    README.write_text(DESCRIPTION.sub(lambda _: description(), text), encoding="utf-8")
