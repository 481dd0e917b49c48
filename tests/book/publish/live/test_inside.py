"""What runs beside the library in a page, here in this Python: the shell and the plan of cells."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cnnlib.book.publish.live.inside import plan, running, shell
from cnnlib.book.publish.reading import code_cells, read

CHAPTERS = sorted((Path(__file__).parents[4] / "notebooks").glob("*.ipynb"))


@pytest.fixture
def ran(monkeypatch):
    """Runs cells in one shell; the outputs of the last one."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr("builtins.input", input)
    outputs = []
    one = shell.Shell(outputs.append)

    def run(source, number=1):
        outputs.clear()
        run.whole = one.run(source, number)
        return list(outputs)

    return run


def test_a_module_that_a_package_does_not_have_is_an_error_and_no_part_of_the_site(monkeypatch):
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr("builtins.input", input)
    posted = []
    one = running.Running(posted.append)
    one.sources = {1: "import scipy.nothing"}
    assert json.loads(one.run(1)) == {"ok": False, "lacks": ""}
    assert "No module named 'scipy.nothing'" in posted[0]
    posted.clear()
    monkeypatch.setattr(running, "find_spec", lambda name: None)  # not loaded yet
    assert json.loads(one.run(1)) == {"ok": False, "lacks": "scipy"} and not posted


def texts(outputs):
    return "".join(output["text"] for output in outputs if output["output_type"] == "stream")


def test_a_cell_prints_shows_its_last_value_and_keeps_its_names(ran):
    *printed, value = ran("x = 2\nprint('a', x)\nx + 1")
    assert texts(printed) == "a 2\n" and printed[0]["name"] == "stdout"
    assert value["output_type"] == "execute_result" and value["data"] == {"text/plain": "3"}
    assert ran("x * 5;") == [] and ran.whole
    assert ran("x")[0]["data"]["text/plain"] == "2"


def test_an_object_shows_itself_in_its_own_ways(ran):
    ran(
        "class Shown:\n"
        "    def _repr_html_(self): return '<b>1</b>'\n"
        "    def _repr_png_(self): return b'png'"
    )
    assert ran("Shown()")[0]["data"]["text/html"] == "<b>1</b>"
    assert ran("Shown()")[0]["data"]["image/png"] == "cG5n"


def test_an_error_names_the_readers_own_line_also_in_a_cell_above(ran):
    ran("def half(x):\n    return x / 0\n", 3)
    (error,) = ran("a = 1\nhalf(a)", 4)
    assert not ran.whole and error["ename"] == "ZeroDivisionError"
    assert (
        error["traceback"][1] == "Line 2 of cell 3:"
        and "→   2      return x / 0" in error["traceback"]
    )
    (error,) = ran("a = 1\nb = (", 5)
    assert error["traceback"][0].startswith("SyntaxError") and error["traceback"][1] == "Line 2:"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("input('name?')", "write the value into the cell instead"),
        ("import torch_is_not_here", "Only what the book needs is here"),
        ("def f(): f()\nf()", "RecursionError"),
        ("raise MemoryError", "make the arrays smaller"),
    ],
)
def test_what_ends_a_notebook_or_asks_ends_in_a_sentence(ran, source, says):
    assert says in ran(source)[-1]["traceback"][0] and not ran.whole
    assert texts(ran("print(1)")) == "1\n"


def test_a_million_lines_come_in_few_pieces_and_end(ran):
    outputs = ran("for n in range(10**5):\n    print(n)")
    assert len(outputs) < 200 and len(texts(outputs)) < shell.LONGEST + 100
    assert "the rest is not shown" in texts(outputs)
    assert texts(ran("print('again')")) == "again\n"


SOURCES = {
    1: "import numpy as np\nrng = np.random.default_rng(0)",
    2: "x = rng.integers(9, size=3)",
    3: "def double(a):\n    return factor * a",
    4: "factor = 2",
    5: "y = double(x)",
    6: "x[0] = 7",
    7: "print(y, x)",
    8: "unrelated = [a for a in range(3)]",
    9: "z = rng.integers(9)",
}


def test_a_cell_needs_who_defines_and_who_changes_what_it_reads_and_theirs():
    plans = {n: plan.Plan().before(n, SOURCES) for n in SOURCES}
    assert plans[5] == [1, 2, 3, 4] and plans[7] == [1, 2, 3, 4, 5, 6]
    assert plans[8] == [] and plans[2] == [1]
    assert plans[9] == [1, 2]  # a generator is in the state in which the cell before left it


def test_what_has_run_does_not_run_again_unless_it_was_edited_or_overwritten():
    book = plan.Plan()
    for n in (1, 2, 3, 4, 5):
        book.ran(n, SOURCES)
    assert book.before(7, SOURCES) == [6]
    assert book.before(7, SOURCES | {4: "factor = 3"}) == [4, 5, 6]
    sources = SOURCES | {8: "x = 0"}
    book.ran(8, sources)
    assert book.before(6, sources) == [1, 2]  # x is another one by now
    book.ran(4, SOURCES, whole=False)
    assert 4 in book.before(5, SOURCES)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_run_in_order_no_cell_of_the_book_runs_twice_and_none_waits_for_a_later_one(chapter):
    cells = code_cells(read(chapter))
    sources = {number: cell.source for number, cell in enumerate(cells, 1)}
    book = plan.Plan()
    for number in sources:
        assert book.before(number, sources) == []
        book.ran(number, sources)
    needed = plan.Plan().before(len(sources), sources)
    assert needed and needed[-1] < len(sources)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_what_was_read_when_the_pages_were_made_is_what_a_page_would_read(chapter, monkeypatch):
    monkeypatch.setattr(plan, "_known", {})
    sources = {n: cell.source for n, cell in enumerate(code_cells(read(chapter)), 1)}
    cells = [[source, [], plan.written(plan.read(source))] for source in sources.values()]
    by_itself = plan.Plan().before(len(sources), sources)
    plan._known.clear()
    for source, _, lists in json.loads(json.dumps(cells)):
        plan.know(source, lists)
        assert plan._known[source] == plan.read(source)
    monkeypatch.setattr(plan, "read", None)  # nothing is read again
    assert plan.Plan().before(len(sources), sources) == by_itself


def test_code_that_is_no_python_needs_nothing():
    assert plan.Plan().before(2, {1: "x = 1", 2: "x = ("}) == []


FIRST = """
import sys
from pathlib import Path
from cnnlib.book.publish.reading import code_cells, read
for name in sys.argv[1:]:
    exec(code_cells(read(Path(name)))[0].source, {})
loaded = {module.partition(".")[0] for module in sys.modules}
assert "anywidget" in loaded
print(*sorted(loaded & {"matplotlib", "scipy"}))
"""
DRAW_AT_ONCE = ("00_in_one_hour", "06_frameworks")  # import matplotlib themselves, or frameworks


def test_the_first_cells_of_the_chapters_load_neither_matplotlib_nor_scipy():
    """In a page a reader would wait for megabytes and seconds before the first number."""
    names = [path.name for path in CHAPTERS if path.stem not in DRAW_AT_ONCE]
    assert len(names) > 10
    done = subprocess.run(
        [sys.executable, "-c", FIRST, *names],
        cwd=CHAPTERS[0].parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "\n"


PLAYED = """
import matplotlib
matplotlib.use("agg")
import sys
sys.path.insert(0, sys.argv[1])  # within cnnlib, what they stand for would come before them
from inside.running import Running, lend_widgets
lend_widgets(Running(lambda _: None))
import IPython.display
IPython.display.display = lambda data, **_: panels.append(data)
panels, seen = [], []
from cnnlib.book import playground
from inside.standins import link
from cnnlib.errors import InputError
def draw(stride, dilation, flip):
    seen.append((stride, dilation, flip))
    return matplotlib.pyplot.figure(figsize=(1, 1))
import matplotlib.pyplot
playground(draw, "A square.", stride=(1, 3), dilation=[1, 2], flip=False)
(panel,) = panels
for one in next(iter(panel.values()))["controls"]:
    print(one["label"], one["kind"])
    link.hear(one["model"], {"value": 1})
print(seen)
for choices in ([], {}, (1, 10**400), None):
    try:
        playground(lambda stride: None, "A square.", stride=choices)
    except InputError as error:
        print(str(error)[:26])
"""


def test_a_page_makes_the_same_controls_and_refuses_the_same():
    done = subprocess.run(
        [sys.executable, "-c", PLAYED, Path(shell.__file__).parents[1]],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "stride slider", "dilation menu", "flip checkbox",
        "[(2, 1, False), (1, 1, False), (1, 2, False), (1, 2, 1)]",
        "the controls {'stride': []", "the controls {'stride': {}", "stride reaches to 10000000",
        "the controls {'stride': No",
    ]  # fmt: skip
