"""One habit of privacy: `_name` is used in its own module alone, and every other name elsewhere."""

import ast
import json
from pathlib import Path

import pytest
import rooms

ROOT = Path(__file__).parents[1]
# Names of functions and constants without an underscore must be used by another module, too.
SHARED = ("cnnlib.checks", "cnnlib.diagnosis", "cnnlib.book.exercises", "cnnlib.book.figures")
EXEMPT = (
    "cnnlib.book.exercises.solutions",  # their names are asked for as texts, by the exercises
    "cnnlib.diagnosis.mistakes.trainings",  # its constants do not keep to it yet
)


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def parsed(path):
    """The code of a module, or that of a notebook's cells without the magics."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
        lines = "\n".join("".join(cell["source"]) for cell in cells).splitlines()
        text = "\n".join("pass" if line.startswith(("%", "!")) else line for line in lines)
    return ast.parse(text)


def foreign(tree):
    """Private names that a module takes from another, or from an object that is not its own."""
    nodes = list(ast.walk(tree))
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            own.add(node.attr)
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if is_private(alias.name))
        elif isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            if ast.unparse(node.value) not in ("self", "cls", "super()"):
                yield ast.unparse(node)


@pytest.mark.parametrize("module", rooms.MODULES)
def test_no_module_takes_a_private_name_of_another(module):
    assert not list(foreign(parsed(rooms.MODULES[module])))


@pytest.mark.parametrize(
    "code",
    ["from .cells import _frame", "import cells\ncells._frame()", "def f(lens):\n    lens._at(3)"],
)
def test_a_private_name_of_another_is_noticed(code):
    assert len(list(foreign(ast.parse(code)))) == 1


def taken(tree):
    """What code takes from modules: `module.name`. Tests also name as a text what they replace."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{last(node.module or '')}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield f"{last(ast.unparse(node.value))}.{node.attr}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".setattr"):
            module, name, *_ = node.args
            yield f"{last(ast.unparse(module))}.{getattr(name, 'value', '')}"


def last(module):
    return module.rpartition(".")[2]


def public(tree):
    """Functions and constants of a module; a decorated function is listed by its decorator."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.decorator_list:
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {
                n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)
            }
            yield from (name for name in names if name.isupper())


@pytest.fixture(scope="module")
def users():
    """What each file of the library, the tests and the book takes from others."""
    files = [*rooms.MODULES.values(), *(ROOT / "notebooks").glob("*.ipynb")]
    for folder in ("tests", "benchmarks", "notebooks/scripts"):
        files += (ROOT / folder).rglob("*.py")
    return {path: set(taken(parsed(path))) for path in files}


@pytest.mark.parametrize("module", [m for m in rooms.MODULES if m.startswith(SHARED)])
def test_what_no_other_module_uses_is_private(users, module):
    if not module.startswith(EXEMPT):
        path = rooms.MODULES[module]
        used = set().union(*(names for other, names in users.items() if other != path))
        names = {f"{last(module)}.{n}" for n in public(parsed(path)) if not n.startswith("_")}
        assert not names - used - {f"{last(module)}.EXERCISES"}  # asked for chapter by chapter
