"""The README says what is there: targets, modules, the picture of the imports, the example."""

import re
from pathlib import Path

import nbformat
import rooms

from cnnlib.book.publish.finding import LISTS
from cnnlib.book.publish.parts import parts

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTEBOOKS = len(list((ROOT / "notebooks").glob("*.ipynb")))
PARTS = [
    len(parts(path.stem, nbformat.read(path, as_version=4)))
    for path in (ROOT / "notebooks").glob("*.ipynb")
]
PAGES = sum(PARTS) + len(("index", "search", "instructor", *LISTS))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_target_exists():
    for target in set(re.findall(r"\bmake ([a-z-]+)", README)):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


def test_the_plain_test_command_is_that_of_make():
    command = re.search(r"^TEST := ((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)[1]
    assert ".venv/bin/python " + " ".join(command.replace("\\", "").split()) in README


def test_nothing_is_left_to_be_filled_in():
    assert not re.findall(r"@\w+@|TODO|TBD", README)


def test_no_number_has_to_follow_the_cells_and_the_tests():
    numbers = re.findall(r"([\d,]+) (?:code cells|cells|tests|notebooks|pages|exercises)", README)
    assert numbers == [str(NOTEBOOKS), str(PAGES)]  # in what `make book` prints


def test_what_make_book_prints_is_what_it_prints():
    said = f"{NOTEBOOKS - 1} of {NOTEBOOKS} notebooks executed.\n{PAGES} pages rendered: open"
    assert said in README


def test_the_rooms_and_their_imports_are_those_of_the_code():
    assert rooms.description() in README, "write them anew: python tests/rooms.py"


def test_the_arrows_and_the_table_show_each_import_and_no_other():
    """The picture has the short steps: the ways along its arrows lead where the imports do."""
    drawn = set(re.findall(r"^    ([\w.]+) --> ([\w.]+)$", README, re.MULTILINE))
    rows = re.findall(r"^\| `([\w.]+)` \|.*\| ([\w., ]*) \|$", README, re.MULTILINE)
    told = {(below, above) for above, cell in rows for below in cell.split(", ") if below}
    assert told == {(below, above) for above, below in rooms.arrows()}
    ways, longer = drawn, set()
    while longer != ways:
        longer, ways = ways, ways | {(a, d) for a, b in ways for c, d in ways if b == c}
    assert drawn <= told <= ways


def test_the_tests_that_hold_the_promises_exist():
    named = re.findall(r"`(tests/[\w./]+)`", README)
    assert len(named) >= 10
    for path in named:
        assert (ROOT / path).exists(), path


def test_the_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_example_runs(monkeypatch):
    """With one epoch instead of ten; chapter 5 trains the whole length."""
    from cnnlib.learning import training

    example = re.search(r"```python\n(import numpy.*?)```", README, re.DOTALL)[1]
    whole = training.fit
    monkeypatch.setattr(
        training, "fit", lambda *a, **k: whole(*a, **k | {"epochs": 1, "progress": False})
    )
    space = {}
    exec(example, space)
    assert space["accuracy"] > 0.85


def test_the_idea_is_three_sums():
    """The loop at the top of the README, on the numbers of chapter 0."""
    import numpy as np

    idea = re.search(r"```python\n(import cnnlib\n.*?)```", README, re.DOTALL)[1]
    space = {
        "input_shape": 3,
        "kernel": 2,
        "x": [10, 20, 30],
        "w": [1, 2],
        "dz": [5, 7],
        "z": np.zeros(2),
        "dx": np.zeros(3),
        "dw": np.zeros(2),
    }
    exec(idea, space)
    assert space["z"].tolist() == [1 * 10 + 2 * 20, 1 * 20 + 2 * 30]
    assert space["dx"].tolist() == [1 * 5, 2 * 5 + 1 * 7, 2 * 7]
    assert space["dw"].tolist() == [10 * 5 + 20 * 7, 20 * 5 + 30 * 7]
