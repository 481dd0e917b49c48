"""The execution of the book: what is executed again and what not, what it keeps, how it fails."""

# make number: leave this file, its numbers are examples

import asyncio
import os
import re
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from disks import Full

pytest.importorskip("nbconvert")

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cnnlib.book.publish import BuildError, build, execution, site
from cnnlib.book.publish.__main__ import main
from cnnlib.data import files

LONG_AGO = 10**9  # seconds: a day of 2001


@pytest.fixture
def rendered(monkeypatch):
    """In place of a site: the books that were to be rendered."""
    books = []
    monkeypatch.setattr(site, "render", lambda notebooks, book, html, **how: books.append(book))
    return books


@pytest.fixture
def book(tmp_path, monkeypatch, rendered):
    """A repository with one notebook of two code cells; the test works in its top folder."""
    monkeypatch.chdir(tmp_path)
    save("print(6 * 7)", "from pathlib import Path\nprint(Path.cwd().name)")
    return tmp_path


def save(*sources, name="00_start_here", text="# Start", tags=()):
    cells = [new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    notebook = new_notebook(cells=[new_markdown_cell(text), *cells])
    path = Path("notebooks", f"{name}.ipynb")
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)
    return path


def printed(path):
    cells = nbformat.read(path, as_version=4).cells
    return [output.text for cell in cells for output in cell.get("outputs", [])]


def executed_names(monkeypatch):
    """Replace the execution by a record of the notebooks that were due."""
    names = []

    def execute(books, done, jobs=0):
        for path in books:
            names.append(path.stem)
            done(path, None)

    monkeypatch.setattr(build, "execute", execute)
    return names


def test_a_light_site_has_a_folder_of_its_own_and_is_packed(book, monkeypatch, capsys):
    made = []

    def render(notebooks, book, html, **how):
        made.append((html, how["light"]))
        html.mkdir(parents=True)
        (html / "index.html").write_text("page")

    monkeypatch.setattr(site, "render", render)
    assert main(["html"]) == main(["html", "--light"]) == 0
    assert made == [(Path("build/html"), False), (Path("build/light"), True)]
    with zipfile.ZipFile("build/light.zip") as archive:
        assert archive.namelist() == ["light/index.html"]
    assert "to hand out: build/light.zip" in capsys.readouterr().out


def test_execute_fills_build_and_leaves_the_source_alone(book):
    before = Path("notebooks/00_start_here.ipynb").read_bytes()
    assert main(["book"]) == 0
    assert printed("build/00_start_here.ipynb") == ["42\n", "notebooks\n"]
    assert Path("notebooks/00_start_here.ipynb").read_bytes() == before


def test_execute_runs_only_what_changed(book, monkeypatch):
    save("1", name="05_training")
    names = executed_names(monkeypatch)
    main(["book"])
    assert names == ["05_training", "00_start_here"]
    main(["book"])
    assert names == ["05_training", "00_start_here"]
    save("2", name="05_training")
    main(["book"])
    assert names == ["05_training", "00_start_here", "05_training"]
    Path("build/00_start_here.ipynb").unlink()
    main(["book"])
    assert names[3:] == ["00_start_here"]
    monkeypatch.setattr(build, "fingerprint", lambda notebook, *folders: "another library")
    main(["book"])
    assert names[4:] == ["05_training", "00_start_here"]


def test_execute_sees_new_results_that_the_chapters_quote(book, monkeypatch):
    results = Path("notebooks/results")
    results.mkdir()
    (results / "numbers.json").write_text("[1]")
    names = executed_names(monkeypatch)
    main(["book"])
    (results / "numbers.json").write_text("[2]")
    main(["book"])
    assert names == ["00_start_here", "00_start_here"]


def test_fingerprint_sees_code_tags_and_library_but_no_text_and_no_outputs(tmp_path):
    library = tmp_path / "cnnlib"
    (library / "publish").mkdir(parents=True)
    (library / "loops.py").write_text("a = 1")

    def mark(text="t", source="s", tags=None, outputs=()):
        cell = new_code_cell(source, outputs=list(outputs), execution_count=7)
        if tags:
            cell.metadata["tags"] = tags
        texts = [new_markdown_cell(text) for _ in text]
        return build.fingerprint(new_notebook(cells=[*texts, cell]), library)

    first = mark()
    assert mark(outputs=[new_output("stream", text="x")]) == first
    assert mark(text="uv") == first
    assert len({first, mark(source="u"), mark(tags=["raises-exception"])}) == 3
    (library / "publish" / "build.py").write_text("b = 1")
    assert mark() == first
    (library / "loops.py").write_text("a = 2")
    second = mark()
    (library / "loops.py").rename(library / "gemm.py")
    assert len({first, second, mark()}) == 3


def cells(*sources):
    """Fingerprints of notebooks whose code cells have the same text, cut differently."""
    return build.fingerprint(new_notebook(cells=[new_code_cell(source) for source in sources]))


def test_fingerprint_sees_where_a_cell_ends_and_in_which_order_they_stand():
    assert (
        len({cells("a", "b"), cells("b", "a"), cells("a\nb"), cells("a"), cells("a", "b", "b")})
        == 5
    )


def test_new_text_has_the_outputs_that_were_executed(book, rendered, monkeypatch):
    """Text was changed, moved, added and taken away; nothing is executed again."""
    sources = ("x = 6\nprint(x * 7)", "x")
    save(*sources)
    assert main(["book"]) == 0
    names = executed_names(monkeypatch)
    path = save(*sources, text="# Start\n\nanew")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(2, new_markdown_cell("between"))
    notebook.cells[1].metadata["book"] = {"figure": "f"}
    nbformat.write(notebook, path)
    assert main(["book"]) == 0
    assert names == []
    made = nbformat.read("build/00_start_here.ipynb", as_version=4)
    for one in (made, rendered[-1].notebooks["00_start_here"]):
        assert [cell.source for cell in one.cells] == [
            "# Start\n\nanew",
            sources[0],
            "between",
            "x",
        ]
        assert one.cells[1].outputs[0].text == "42\n" and one.cells[1].metadata.book.figure == "f"
        assert one.cells[3].outputs[0].data == {"text/plain": "6"}
        assert [one.cells[at].execution_count for at in (1, 3)] == [1, 2]
    save("x = 6\nprint(x * 7)", "x + 1", text="# Start\n\nanew")
    main(["book"])
    assert names == ["00_start_here"]


def test_a_repeated_build_gives_the_same_notebooks(book, rendered):
    assert main(["book"]) == 0
    first = Path("build/00_start_here.ipynb").read_bytes()
    assert main(["book"]) == 0
    assert Path("build/00_start_here.ipynb").read_bytes() == first
    assert rendered[0].notebooks == rendered[1].notebooks


@pytest.mark.parametrize("damage", ["{", "code"])
def test_a_result_that_is_damaged_is_made_anew(book, monkeypatch, damage):
    assert main(["book"]) == 0
    path = Path("build/00_start_here.ipynb")
    if damage == "code":  # somebody worked in it
        damage = path.read_text().replace("6 * 7", "6 * 8")
    path.write_text(damage)
    names = executed_names(monkeypatch)
    assert main(["book"]) == 0
    assert names == ["00_start_here"]


# ---- A chapter that fails is not the end of the book


def notes(books):
    """What the pages of the last book say about older outputs."""
    return {name: one.metadata.get("cnnlib") for name, one in books[-1].notebooks.items()}


def committed_output(path, text="committed\n"):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells[1:]:
        cell.outputs = [new_output("stream", text=text)]
    nbformat.write(notebook, path)
    os.utime(path, (LONG_AGO, LONG_AGO))


def test_a_chapter_that_fails_keeps_its_committed_outputs_and_the_others_go_on(
    book, rendered, capsys
):
    path = save(
        "x = 1", "divisor = x - 1\nprint(x / divisor)", "x", name="01_next", text="## 1.7 Why"
    )
    committed_output(path)
    save("print('last')", name="02_last")
    assert main(["book"]) == 1
    message = capsys.readouterr().err
    for part in ("01_next.ipynb: code cell 2 (1.7 Why)", "divisor = x - 1", "ZeroDivisionError"):
        assert part in message
    assert "1 of 3 chapters failed" in message and "Traceback" not in message
    made = {name: printed_by(one) for name, one in rendered[-1].notebooks.items()}
    assert made["01_next"] == ["committed\n"] * 3
    assert made["00_start_here"] == ["42\n", "notebooks\n"] and made["02_last"] == ["last\n"]
    reason = "code cell 2 (1.7 Why) stops with ZeroDivisionError: division by zero"
    told = notes(rendered)
    tried = told["01_next"].pop("tried")
    assert (date.today() - date.fromisoformat(tried)).days in (0, 1)  # midnight may have passed
    failed = [cell.metadata.get("failed") for cell in rendered[-1].notebooks["01_next"].cells]
    assert failed == [None, None, "stops with ZeroDivisionError: division by zero", None]
    note = {"date": date.fromtimestamp(LONG_AGO).isoformat(), "reason": reason}
    assert told == {"00_start_here": None, "01_next": note, "02_last": None}
    assert committed_file_is_untouched(path)


def test_a_part_runs_alone(book, rendered, capsys):
    """Names of an earlier part are gone where a setup begins; what it imports itself is there."""
    path = save(*["import math\nprint(math.floor(2.5))"] * 2, name="01_next", tags=["setup"])
    assert main(["book"]) == 0
    assert printed_by(rendered[-1].notebooks["01_next"]) == ["2\n", "2\n"]
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2].source = "print(math.floor(2.5))"
    nbformat.write(notebook, path)
    assert main(["book"]) == 1
    assert "code cell 2 (Start) stops with NameError: name 'math'" in capsys.readouterr().err


def printed_by(notebook):
    return [output.text for cell in notebook.cells for output in cell.get("outputs", [])]


def committed_file_is_untouched(path):
    text = path.read_text(encoding="utf-8")
    return not re.search('"(cnnlib|failed)"', text)


def test_the_next_run_begins_with_what_failed_and_runs_nothing_else(book, monkeypatch, capsys):
    save("1", name="01_next")  # it has a result, and fails later
    save("1", name="02_last")  # of two that are due alike, the last one comes first
    assert main(["book"]) == 0
    save("1 / 0", name="01_next")
    assert main(["book"]) == 1
    names = executed_names(monkeypatch)
    save("2", name="02_last")
    assert main(["book"]) == 0
    assert names == ["01_next", "02_last"]
    assert "2 of 3 notebooks executed, 1 had not changed." in capsys.readouterr().out


def test_an_older_good_result_is_not_shown_for_a_chapter_that_fails(book, rendered):
    main(["book"])
    committed_output(save("1 / 0"))
    assert main(["book"]) == 1
    assert printed_by(rendered[-1].notebooks["00_start_here"]) == ["committed\n"]


def test_a_kernel_that_dies_is_named_with_its_cell(book, capsys):
    save("x = 1", "import os\nos._exit(1)")
    assert main(["book"]) == 1
    message = capsys.readouterr().err
    assert "code cell 2 (Start) ended its kernel" in message and "os._exit(1)" in message


def test_a_cell_that_is_too_slow_is_stopped(book, capsys, monkeypatch):
    monkeypatch.setattr(execution, "CELL_TIMEOUT", 1)
    save("import time\ntime.sleep(60)")
    assert main(["book"]) == 1
    assert "code cell 1 (Start) timed out: it ran longer than 1 sec" in capsys.readouterr().err


def test_a_package_that_is_missing_is_named(book, capsys):
    save("import no_such_package")
    assert main(["book"]) == 1
    assert "ModuleNotFoundError: No module named 'no_such_package'" in capsys.readouterr().err


def test_a_kernel_that_cannot_start_is_a_failure_of_its_chapter(book, monkeypatch, capsys):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied", "/home/someone/kernel.json")

    monkeypatch.setattr(execution.NotebookClient, "async_execute", refused)
    assert main(["book"]) == 1
    message = capsys.readouterr().err
    assert "its kernel could not start: Permission denied" in message and "someone" not in message


def test_a_full_disk_is_a_failure_of_the_chapters_it_meets(book, rendered, monkeypatch, capsys):
    save("1", name="01_next")

    def disk(path, mode):
        return Full(path, 100 if "01_next" in path else 10**9)

    monkeypatch.setattr(files, "open", disk, raising=False)
    assert main(["book"]) == 1
    assert "01_next.ipynb: its result could not be written: No space" in capsys.readouterr().err
    assert [name for name, note in notes(rendered).items() if note] == ["01_next"]
    assert {file.stem for file in Path("build").iterdir()} == {"00_start_here"}


def within_an_event_loop(function):
    """Call it where the thread has a running loop, as in a notebook, or beside Playwright."""

    async def calling():
        return function()

    try:
        asyncio.get_running_loop()  # Playwright's, where a test of a page ran before this one
    except RuntimeError:
        loop = asyncio.new_event_loop()
    else:
        return function()
    try:
        return loop.run_until_complete(calling())
    finally:
        loop.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that stands for Ctrl-C")
@pytest.mark.parametrize("call", [lambda f: f(), within_an_event_loop], ids=["plain", "loop"])
def test_an_interrupt_ends_the_book_with_what_is_done(call, book, rendered, capfd):
    """The first chapter interrupts the builder, as Ctrl-C would, and would then run for ever."""
    interrupting = (
        "import os, signal, time\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"
        "while True:\n    time.sleep(0.1)"
    )
    save("1")
    committed_output(save("1", interrupting, "2", name="01_next"))
    # Where the tests run in the background, the shell has told them to ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert call(lambda: main(["book", "--jobs", "1"])) == 1
    finally:
        signal.signal(signal.SIGINT, before)
    said = capfd.readouterr().err
    assert "Interrupted: 2 of 2 chapters were not executed." in said and "Traceback" not in said
    assert "failed" not in said
    assert set(rendered[-1].failures) == {"00_start_here", "01_next"}
    assert printed_by(rendered[-1].notebooks["01_next"]) == ["committed\n"] * 3


def test_no_cell_begins_once_a_run_is_stopped(book):
    """An interrupt between two cells meets none that runs."""
    path = save("print(1)", "print(2)", "print(3)")
    notebook = nbformat.read(path, as_version=4)
    run = execution.Run(path, notebook, tick=lambda: run.stopped.set())
    with ThreadPoolExecutor(1) as pool:  # as the builder does it
        assert pool.submit(run).result() == execution.Failure(execution.INTERRUPTED)
    assert printed_by(notebook) == ["1\n"]


def test_a_failure_is_reported_even_where_the_pages_cannot_be_made(book, monkeypatch, capsys):
    def broken(*_, **__):
        raise BuildError("01_next.ipynb, cell 2: a broken link")

    monkeypatch.setattr(site, "render", broken)
    save("1 / 0")
    assert main(["book"]) == 1
    message = capsys.readouterr().err
    assert "ZeroDivisionError" in message and "a broken link" in message


def test_notebooks_run_side_by_side(book):
    """Each waits for the file that the other one writes."""
    wait = (
        "import pathlib, time\n"
        "pathlib.Path('{}').touch()\n"
        "while not pathlib.Path('{}').exists():\n    time.sleep(0.05)"
    )
    save(wait.format("a", "b"))
    save(wait.format("b", "a"), name="01_next")
    assert main(["book", "--jobs", "2"]) == 0


def test_a_kernel_has_one_thread_of_blas_unless_the_reader_says_otherwise(book, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    save("import os\nprint([os.environ[f'{n}_NUM_THREADS'] for n in ('OPENBLAS', 'OMP')])")
    assert main(["book"]) == 0
    assert printed("build/00_start_here.ipynb") == ["['1', '2']\n"]


# ---- Outputs that are meant, and the committed ones


def test_an_error_that_is_meant_does_not_stop_the_book(book):
    path = save("1 / 0", "print('after')")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].metadata["tags"] = ["raises-exception"]
    nbformat.write(notebook, path)
    assert main(["book"]) == 0
    outputs = nbformat.read("build/00_start_here.ipynb", as_version=4).cells[1].outputs
    assert outputs[0].ename == "ZeroDivisionError"


def test_notebooks_writes_the_same_bytes_again(book):
    bar = "from tqdm.auto import tqdm\nfor i in tqdm(range(2)):\n    print(i)"
    path = save(bar, "1", "1")
    assert main(["notebooks"]) == 0
    first = path.read_bytes()
    ids = [cell.id for cell in nbformat.read(path, as_version=4).cells]
    assert len(set(ids)) == 4
    save(bar, "1", "1")  # draws new ids
    assert main(["notebooks"]) == 0
    assert path.read_bytes() == first
    notebook = nbformat.read(path, as_version=4)
    assert [cell.execution_count for cell in notebook.cells[1:]] == [1, 2, 3]
    assert [cell.id for cell in notebook.cells] == ids


def test_notebooks_keeps_the_committed_file_when_a_cell_fails(book):
    path = save("1 / 0")
    before = path.read_bytes()
    assert main(["notebooks"]) == 1
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_volatile_parts_go_and_the_rest_stays():
    view = {"model_id": "3f2a", "version_major": 2, "version_minor": 0}
    output = new_output("display_data", {build.VIEW: view, "text/plain": "  0%|"})
    cell = new_code_cell("x", outputs=[output])
    cell.metadata.update(execution={"iopub.execute_input": "2026"}, tags=["raises-exception"])
    notebook = new_notebook(cells=[cell])
    notebook.metadata.update(
        widgets={"state": {}},
        kernelspec={"name": "mine", "display_name": "Mine"},
        language_info={"name": "python", "version": "3.12.1"},
        title="kept",
    )
    clean = build.without_volatile_parts(notebook)
    assert clean.metadata == {
        "kernelspec": {
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
        "title": "kept",
    }
    assert clean.cells[0].metadata == {"tags": ["raises-exception"]}
    assert clean.cells[0].outputs[0].data == {
        build.VIEW: {**view, "model_id": ""},
        "text/plain": "  0%|",
    }


def test_a_view_with_a_still_becomes_the_still():
    data = {build.VIEW: {"model_id": "3f2a"}, "image/png": "iVBORw0KGgo=", "text/plain": "Explorer"}
    notebook = new_notebook(cells=[new_code_cell("x", outputs=[new_output("display_data", data)])])
    (output,) = build.without_volatile_parts(notebook).cells[0].outputs
    assert output.data == {"image/png": "iVBORw0KGgo=", "text/plain": "Explorer"}


def test_a_chapter_without_its_packages_keeps_its_committed_outputs(book, monkeypatch, capsys):
    path = save("print(1)", name="06_frameworks", tags=["needs-no_such_package"])
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].outputs = [new_output("stream", text="committed\n")]
    nbformat.write(notebook, path)
    os.utime(path, (LONG_AGO, LONG_AGO))
    monkeypatch.setattr(build, "OPTIONAL", ("no_such_package",))
    assert main(["book"]) == 0
    assert "06_frameworks.ipynb keeps its committed outputs" in capsys.readouterr().out
    assert printed("build/06_frameworks.ipynb") == ["committed\n"]
    kept = nbformat.read("build/06_frameworks.ipynb", as_version=4).metadata["cnnlib"]
    assert kept["date"] == date.fromtimestamp(LONG_AGO).isoformat()
    assert kept["reason"] == "no_such_package is not installed"
    assert "cnnlib" not in nbformat.read("build/00_start_here.ipynb", as_version=4).metadata


def test_a_chapter_without_its_packages_has_what_is_committed_now(book, rendered, monkeypatch):
    monkeypatch.setattr(build, "OPTIONAL", ("no_such_package",))
    for text in ("one\n", "two\n"):
        path = save("print(1)", name="06_frameworks", tags=["needs-no_such_package"])
        committed_output(path, text)
        assert main(["book"]) == 0
        assert printed_by(rendered[-1].notebooks["06_frameworks"]) == [text]
        assert printed("build/06_frameworks.ipynb") == [text]


def test_a_package_that_came_makes_the_chapter_due(book, monkeypatch):
    save("1", name="06_frameworks", tags=["needs-no_such_package"])
    names = executed_names(monkeypatch)
    monkeypatch.setattr(build, "OPTIONAL", ("no_such_package",))
    main(["book"])
    assert names == ["00_start_here"]
    monkeypatch.setattr(build, "find_spec", lambda name: "found")
    main(["book"])
    assert names == ["00_start_here", "06_frameworks"]


def test_the_day_of_a_file_is_that_of_its_last_commit(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text("{}")
    mail = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*mail, "commit", "-qm", "a"]):
        day = os.environ | {"GIT_COMMITTER_DATE": "2020-02-03T12:00:00Z"}
        subprocess.run(["git", *command], cwd=tmp_path, check=True, env=day)
    assert build.committed_on(path) == "2020-02-03"


def test_a_full_disk_leaves_the_committed_file(book, monkeypatch, capsys):
    path = Path("notebooks/00_start_here.ipynb")
    before = path.read_bytes()

    executed_names(monkeypatch)
    monkeypatch.setattr(files, "open", lambda path, mode: Full(path, 100), raising=False)
    assert main(["notebooks"]) == 1
    assert "The disk is full" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_outside_the_repository_the_message_says_where_to_go(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["book"]) == 1
    assert "top folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["book", "handout"])
def test_a_file_in_the_way_is_named(command, book, capsys):
    Path("build").write_text("in the way")
    assert main([command]) == 1
    assert "build" in capsys.readouterr().err


@pytest.mark.parametrize("jobs", ["-3", "two", "1.5", ""])
def test_a_number_of_kernels_that_is_none_is_refused(jobs, capsys):
    with pytest.raises(SystemExit):
        main(["book", "--jobs", jobs])
    assert "is no number from 0 on" in capsys.readouterr().err
