"""The committed notebooks: executed from top to bottom, small cells, nothing hidden from nbval."""

import configparser
import json
import re
from pathlib import Path

import clocks
import pytest

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))

# Every tag that a cell may bear, and the source of the cells that must. The builder reads the tags,
# never the source. No tag that skips a cell or its comparison belongs here.
TAGS = {
    "setup": None,  # the first cell of a part: imports and seeds; names from before it are cleared
    "figure": None,  # what shows a picture, also an explorer's still
    "exercise": r"\b(?:check|hint|solution)\(",
    "hint": r"\Ahint\([^()]*\)\Z",  # a page shows only what these two give, folded
    "solution": r"\Asolution\([^()]*\)\Z",  # a handout leaves it out
    "playground": r"^playground\(",  # needs a kernel: the HTML shows its still and says so
    "needs-tensorflow": r"^\s*(?:import|from) tensorflow\b|^import keras\b",
    "needs-torch": r"^\s*(?:import|from) torch\b",
    "native": r"\b(?:subprocess|ThreadPoolExecutor|multiprocessing|threading\.Thread)\b",
    "raises-exception": None,  # an error that a cell is meant to raise is shown and compared
}
# Every rule of sanitize.cfg, with its reason. Only what a clock says may be ignored.
RULES = {
    "seconds": "how long a cell took differs from machine to machine",
    "machine": "a sentence that a cell makes from what its clock said",
}

LONGEST_CELL, LONGEST_SETUP = 15, 35
VIEW = "application/vnd.jupyter.widget-view+json"


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(path):
    """Each code cell with its number and its source as one string."""
    cells = [cell for cell in load(path)["cells"] if cell["cell_type"] == "code"]
    return [(number, cell, "".join(cell["source"])) for number, cell in enumerate(cells, 1)]


each_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def test_the_book_starts_and_trains():
    assert {"00_start_here", "05_training"} <= {path.stem for path in PATHS}


@each_notebook
def test_executed_once_from_top_to_bottom(path):
    counts = [cell["execution_count"] for _, cell, _ in code_cells(path)]
    # A null would also be a silent pass: nbval does not compare a cell that never ran.
    assert counts == list(range(1, len(counts) + 1)), "run make notebooks"


@each_notebook
def test_errors_are_meant_and_meant_errors_happen(path):
    for number, cell, _ in code_cells(path):
        raised = any(output["output_type"] == "error" for output in cell["outputs"])
        meant = "raises-exception" in cell["metadata"].get("tags", [])
        assert raised == meant, f"code cell {number}: raised {raised}, tagged {meant}"


@each_notebook
def test_no_warnings_in_the_outputs(path):
    for number, cell, _ in code_cells(path):
        texts = [output["text"] for output in cell["outputs"] if output.get("name") == "stderr"]
        assert texts == [], f"code cell {number}"


@each_notebook
def test_cells_are_short_and_not_empty(path):
    for number, cell, source in code_cells(path):
        size = len(source.splitlines())
        most = LONGEST_SETUP if "setup" in cell["metadata"].get("tags", []) else LONGEST_CELL
        assert source.strip() and size <= most, f"code cell {number} has {size} lines"


@each_notebook
def test_each_part_begins_with_its_setup(path):
    """So that it runs alone: `make book` clears all names there (`publish/execution.py`)."""
    cells, parts = load(path)["cells"], []
    for number, cell in enumerate(cells):
        if re.search(r"^#+ Part \w+", "".join(cell["source"]), re.MULTILINE):
            parts.append(number)
    setups = [n for n, cell in enumerate(cells) if "setup" in cell["metadata"].get("tags", [])]
    assert setups[1:] == [part + 1 for part in parts[1:]]  # the first one stands above its part


@each_notebook
def test_cells_bear_only_listed_tags_and_no_nbval_comments(path):
    used = {tag for cell in load(path)["cells"] for tag in cell["metadata"].get("tags", [])}
    assert used <= set(TAGS)
    assert not [number for number, _, source in code_cells(path) if "NBVAL" in source.upper()]


@each_notebook
@pytest.mark.parametrize("tag", [tag for tag, source in TAGS.items() if source])
def test_the_cells_bear_the_tags_of_what_they_do(path, tag):
    for number, cell, source in code_cells(path):
        asked = re.search(TAGS[tag], source, re.MULTILINE) is not None
        assert (tag in cell["metadata"].get("tags", [])) == asked, f"code cell {number}: {tag}"


@each_notebook
def test_the_first_cell_is_the_setup_and_pictures_are_figures(path):
    for number, cell, _ in code_cells(path):
        tags, book = cell["metadata"].get("tags", []), cell["metadata"].get("book", {})
        shown = any("image/png" in output.get("data", {}) for output in cell["outputs"])
        assert number > 1 or "setup" in tags
        assert ("figure" in tags) == ("figure" in book) == shown, f"code cell {number}"


def test_sanitising_rules_are_listed():
    rules = configparser.ConfigParser()
    rules.read(ROOT / "tests" / "sanitize.cfg", encoding="utf-8")
    assert set(rules.sections()) == set(RULES)


@pytest.mark.parametrize("text", ["0.31 s", "12 ms", "4.5 µs", "61s", "3 min"])
def test_a_timing_is_ignored(text):
    assert sanitised(f"took {text}.") == "took TIME."


def test_a_sentence_made_from_a_timing_is_ignored():
    assert sanitised("a\nOn this machine, 3 by 3 wins.\nb") == "a\nON THIS MACHINE\nb"


@each_notebook
def test_only_a_cell_that_reads_a_clock_says_what_holds_on_this_machine(path):
    cells = code_cells(path)
    measured = clocks.printed([source for _, _, source in cells])
    for number, cell, source in cells:
        said = "".join("".join(output.get("text", "")) for output in cell["outputs"])
        if "On this machine" in said + source:
            assert number in measured, f"code cell {number}"


@pytest.mark.parametrize("text", ["95.3 %", "3 steps", "s = 2", "loss 0.31", "5 maps", "1e-3"])
def test_a_result_is_compared(text):
    assert sanitised(text) == text


def sanitised(text):
    rules = configparser.ConfigParser()
    rules.read(ROOT / "tests" / "sanitize.cfg", encoding="utf-8")
    for name in rules.sections():
        text = re.sub(rules[name]["regex"], rules[name]["replace"], text)
    return text


@each_notebook
def test_same_bytes_on_another_machine(path):
    notebook = load(path)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert "widgets" not in notebook["metadata"]
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "version" not in notebook["metadata"]["language_info"]
    for number, cell, _ in code_cells(path):
        assert "execution" not in cell["metadata"], f"code cell {number}"
        for output in cell["outputs"]:
            view = output.get("data", {}).get(VIEW, {"model_id": ""})
            assert view["model_id"] == "", f"code cell {number}: run make notebooks"


@each_notebook
def test_no_path_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"/(?:home|root|tmp|work|Users)/\w[^\"\s]*|[A-Z]:\\\\Users", text) == []
