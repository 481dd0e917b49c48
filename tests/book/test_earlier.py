"""What later parts import of earlier ones is what those say, statement by statement."""

import ast
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "cnnlib" / "book" / "earlier").glob("chapter_*.py"))


def statements(source):
    """Functions and assignments, free of comments and of the shape of their lines."""
    kinds = (ast.FunctionDef, ast.Assign)
    return {ast.dump(node) for node in ast.parse(source).body if isinstance(node, kinds)}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_the_module_has_what_the_chapter_writes(module):
    number = int(module.stem.removeprefix("chapter_"))
    (path,) = (ROOT / "notebooks").glob(f"{number:02}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    written = set().union(*(statements(c.source) for c in cells if c.cell_type == "code"))
    assert statements(module.read_text(encoding="utf-8")) <= written
