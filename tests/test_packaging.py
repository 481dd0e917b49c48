"""The repository's own rules: equal dependencies, imports in one direction, short functions."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.util import resolve_name
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "cnnlib"

# Each module imports only modules above it in this list. A new module gets its place here.
ORDER = [
    "errors",
    "storage",
    "geometry",
    "layout",
    "loops",
    "blocks",
    "workers",
    "gemm",
    "fourier",
    "convolution",
    "pooling",
    "activations",
    "losses",
    "layers",
    "network",
    "optimizers",
    "checkpoint",
    "training",
    "checks",
    "data",
    "interop",
    "mistakes",
    "diagnosis",
    "exercises",
    "figures",
    "widgets",
    "publish",
]
# A history draws itself: training asks figures for that when it happens, not when it is imported.
LATE = {"training": {"figures"}}
# What conda-forge does not have; `pip install -e .[book,test]` in environment.yml brings it.
ONLY_ON_PYPI = {"math-core", "seglearn"}
LONGEST = 50  # lines of one function
NUMPY_ONLY = ORDER[: ORDER.index("data") + 1]


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


def modules():
    """The name and path of every module; those of a package bear the package's name."""
    files = [path for path in sorted(LIBRARY.rglob("*.py")) if path != LIBRARY / "__init__.py"]
    return [(path.relative_to(LIBRARY).parts[0].removesuffix(".py"), path) for path in files]


each_module = pytest.mark.parametrize(
    ("name", "path"), modules(), ids=lambda value: str(getattr(value, "name", value))
)


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(node, package="cnnlib"):
    """The full names of all modules imported at or below `node`, in a file of `package`."""
    for part in ast.walk(node):
        if isinstance(part, ast.Import):
            yield from (alias.name for alias in part.names)
        elif isinstance(part, ast.ImportFrom):
            source = resolve_name("." * part.level + (part.module or ""), package)
            # `from cnnlib import loops` names the module in what it takes.
            names = [alias.name for alias in part.names] if source == "cnnlib" else []
            yield from [f"cnnlib.{name}" for name in names] or [source]


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


@each_module
def test_a_module_imports_only_modules_above_it(name, path):
    assert name in ORDER, f"give {name} its place in ORDER"
    package = ".".join(path.relative_to(ROOT).parts[:-1])
    found = [full.split(".") for full in imported(parse(path), package)]
    own = {
        full[1] if len(full) > 1 else "the whole of cnnlib" for full in found if full[0] == "cnnlib"
    }
    if name not in NUMPY_ONLY:  # what stands on the public functions may say cnnlib.conv
        own -= {"the whole of cnnlib"}
    above = ORDER[: ORDER.index(name)] + ([name] if package != "cnnlib" else [])
    assert own - set(above) - LATE.get(name, set()) == set()
    early = {full for node in module_level(parse(path)) for full in imported(node, package)}
    assert not {f"cnnlib.{late}" for late in LATE.get(name, set())} & early


@each_module
def test_up_to_data_a_module_needs_numpy_alone_to_be_imported(name, path):
    if name in NUMPY_ONLY:
        found = [full for node in module_level(parse(path)) for full in imported(node)]
        tops = {full.split(".")[0] for full in found}
        assert tops - sys.stdlib_module_names <= {"cnnlib", "numpy"}


def test_importing_the_library_imports_nothing_large():
    large = "scipy tqdm matplotlib sklearn mlxtend IPython torch tensorflow pandas"
    code = f"import sys, cnnlib; print(sorted(set('{large}'.split()) & sys.modules.keys()))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@each_module
def test_a_function_fits_on_a_screen(name, path):
    """Without its docstring: explanations cost nothing."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert not body or body[-1].end_lineno - body[0].lineno < LONGEST, node.name
