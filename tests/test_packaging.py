"""The repository's own rules: equal dependencies, imports in one direction, short functions."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import rooms
import yaml

ROOT = Path(__file__).parents[1]

# What conda-forge does not have; `pip install -e .[book,test]` in environment.yml brings it.
ONLY_ON_PYPI = {"math-core", "seglearn"}
LONGEST = 50  # lines of one function
MOST_ENTRIES = 12  # of the library's folder: `ls` is its table of contents
# To be imported they need NumPy alone.
NUMPY_ONLY = "errors data geometry arrays pooling sums convolution checks learning interop".split()


def bounds(requirements):
    """Map the names of requirements such as 'numpy>=1.26' to their bounds."""
    pairs = [re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)", text) for text in requirements]
    assert None not in pairs, f"not all of the form name>=bound: {requirements}"
    return {pair[1]: pair[2] for pair in pairs}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def conda():
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


each_module = pytest.mark.parametrize("module", rooms.MODULES)


def parse(module):
    return ast.parse(rooms.MODULES[module].read_text(encoding="utf-8"))


def module_level(tree):
    """The statements that run on import: not the bodies of functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        yield from module_level(node)


def test_conda_has_the_dependencies_of_the_base_the_book_and_the_tests(project, conda):
    extras = project["optional-dependencies"]
    wanted = bounds(project["dependencies"] + extras["book"] + extras["test"])
    named = [item for item in conda["dependencies"] if isinstance(item, str) and item != "pip"]
    there = bounds(named)
    assert there.pop("python") == project["requires-python"].removeprefix(">=")
    assert there == {name: bound for name, bound in wanted.items() if name not in ONLY_ON_PYPI}
    assert ONLY_ON_PYPI <= wanted.keys()


def test_conda_installs_the_library_from_the_clone(conda):
    assert conda["name"] == "cnn-book"
    assert conda["channels"] == ["conda-forge"]
    assert {"pip": ["-e .[book,test]"]} in conda["dependencies"]
    assert "pip" in conda["dependencies"]


def test_the_oldest_python_is_the_same_everywhere(project):
    oldest = project["requires-python"].removeprefix(">=")
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert tools["mypy"]["python_version"] == oldest
    assert tools["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    checked = re.findall(r"version_info < \((\d+), (\d+)\)", makefile)
    assert [".".join(pair) for pair in checked] == [oldest]
    said = re.findall(r"install (?:Python )?(\d\.\d+) or newer", makefile)
    assert said == [oldest, oldest]
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    setup = next(step for step in workflow["jobs"]["check"]["steps"] if "python" in str(step))
    assert setup["with"]["python-version"] == oldest
    elsewhere = workflow["jobs"]["newcomer"]["strategy"]["matrix"]["include"]
    for system in ("windows-latest", "macos-latest"):
        assert {"system": system, "python": oldest}.items() <= elsewhere[
            [one["system"] for one in elsewhere].index(system)
        ].items()


def test_ci_installs_the_oldest_numpy(project):
    oldest = bounds(project["dependencies"])["numpy"]
    script = (ROOT / ".ci" / "common").read_text(encoding="utf-8")
    assert re.findall(r"numpy==([\d.]+)\.\*", script) == [oldest]


def test_the_citation_is_of_this_version(project):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert citation["version"] == project["version"]
    assert citation["authors"] == project["authors"]


def test_make_test_compares_every_notebook():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    command = re.search(r"^TEST := (.*(?:\\\n.*)*)", makefile, re.MULTILINE)[1].split()
    assert {"cnnlib", "tests", "notebooks", "--nbval", "--nbval-current-env"} <= set(command)
    assert not any(word.startswith(("--nbval-lax", "--ignore", "-k")) for word in command)


def test_make_alone_lists_every_target_with_one_line():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)", makefile, re.MULTILINE)[1].split()
    listed = re.findall(r"^([a-z-]+):.*  ## \S", makefile, re.MULTILINE)
    assert listed == [target for target in phony if target != "help"]


def test_the_library_has_few_rooms():
    entries = {path.name for path in rooms.LIBRARY.iterdir()} - {"__pycache__"}
    assert {"__init__.py", "py.typed"} < entries
    assert len(entries) - 2 <= MOST_ENTRIES


def test_imports_go_one_way():
    """Among the rooms, and among the modules of each; a package is what its `__init__.py` does."""
    assert rooms.floors(rooms.arrows())
    assert rooms.floors({(one, other) for one in rooms.MODULES for other in rooms.imports(one)})


def test_an_import_that_runs_back_is_noticed():
    pairs = rooms.arrows()
    assert ("learning", "geometry") in pairs and ("geometry", "learning") not in pairs
    assert rooms.floors(pairs | {("geometry", "learning")}) is None


@each_module
def test_up_to_interop_a_module_needs_numpy_alone_to_be_imported(module):
    if rooms.room(module) in NUMPY_ONLY:
        tops = set()
        for node in module_level(parse(module)):
            if isinstance(node, ast.Import):
                tops |= {alias.name.split(".")[0] for alias in node.names}
            elif not node.level:
                tops.add(node.module.split(".")[0])
        assert tops - sys.stdlib_module_names <= {"cnnlib", "numpy"}


def test_importing_the_library_imports_nothing_large():
    large = "scipy tqdm matplotlib sklearn mlxtend IPython torch tensorflow pandas"
    code = f"import sys, cnnlib; print(sorted(set('{large}'.split()) & sys.modules.keys()))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@each_module
def test_a_function_fits_on_a_screen(module):
    """Without its docstring: explanations cost nothing."""
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert not body or body[-1].end_lineno - body[0].lineno < LONGEST, node.name
