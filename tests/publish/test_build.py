"""The execution of the book: what is executed again and what not, what it keeps, how it fails."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("nbconvert")

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cnnlib.publish import build
from cnnlib.publish.__main__ import main


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A repository with one notebook of two code cells; the test works in its top folder."""
    monkeypatch.chdir(tmp_path)
    save("print(6 * 7)", "from pathlib import Path\nprint(Path.cwd().name)")
    return tmp_path


def save(*sources, name="00_start_here", text="# Start"):
    notebook = new_notebook(cells=[new_markdown_cell(text), *map(new_code_cell, sources)])
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
    monkeypatch.setattr(build, "_run", lambda path, notebook, bar: names.append(path.stem))
    return names


def test_execute_fills_build_and_leaves_the_source_alone(book):
    before = Path("notebooks/00_start_here.ipynb").read_bytes()
    assert main(["execute"]) == 0
    assert printed("build/00_start_here.ipynb") == ["42\n", "notebooks\n"]
    assert Path("notebooks/00_start_here.ipynb").read_bytes() == before


def test_execute_runs_only_what_changed(book, monkeypatch):
    save("1", name="05_training")
    names = executed_names(monkeypatch)
    main(["execute"])
    assert names == ["00_start_here", "05_training"]
    main(["execute"])
    assert names == ["00_start_here", "05_training"]
    save("2", name="05_training")
    main(["execute"])
    assert names == ["00_start_here", "05_training", "05_training"]
    Path("build/00_start_here.ipynb").unlink()
    main(["execute"])
    assert names[3:] == ["00_start_here"]
    monkeypatch.setattr(build, "fingerprint", lambda notebook, *folders: "another library")
    main(["execute"])
    assert names[4:] == ["00_start_here", "05_training"]


def test_execute_sees_new_results_that_the_chapters_quote(book, monkeypatch):
    results = Path("notebooks/results")
    results.mkdir()
    (results / "numbers.json").write_text("[1]")
    names = executed_names(monkeypatch)
    main(["execute"])
    (results / "numbers.json").write_text("[2]")
    main(["execute"])
    assert names == ["00_start_here", "00_start_here"]


def test_fingerprint_sees_cells_tags_and_library_but_no_outputs(tmp_path):
    library = tmp_path / "cnnlib"
    (library / "publish").mkdir(parents=True)
    (library / "loops.py").write_text("a = 1")

    def mark(text="t", source="s", tags=None, outputs=()):
        cell = new_code_cell(source, outputs=list(outputs), execution_count=7)
        if tags:
            cell.metadata["tags"] = tags
        return build.fingerprint(new_notebook(cells=[new_markdown_cell(text), cell]), library)

    first = mark()
    assert mark(outputs=[new_output("stream", text="x")]) == first
    assert len({first, mark(text="u"), mark(source="u"), mark(tags=["raises-exception"])}) == 4
    (library / "publish" / "build.py").write_text("b = 1")
    assert mark() == first
    (library / "loops.py").write_text("a = 2")
    second = mark()
    (library / "loops.py").rename(library / "gemm.py")
    assert len({first, second, mark()}) == 3


def test_a_failing_cell_is_named_and_the_old_result_kept(book, capsys):
    main(["execute"])
    old = {path: path.read_bytes() for path in Path("build").iterdir()}
    save("x = 1", "divisor = x - 1\nprint(x / divisor)", "x")
    capsys.readouterr()
    assert main(["execute"]) == 1
    message = capsys.readouterr().err
    for part in ("00_start_here.ipynb", "code cell 2", "divisor = x - 1", "ZeroDivisionError"):
        assert part in message
    assert {path: path.read_bytes() for path in Path("build").iterdir()} == old


def test_a_kernel_that_dies_is_named_with_its_cell(book, capsys):
    save("x = 1", "import os\nos._exit(1)")
    assert main(["execute"]) == 1
    message = capsys.readouterr().err
    assert "code cell 2" in message and "Kernel died" in message


def test_a_cell_that_is_too_slow_is_stopped(book, capsys, monkeypatch):
    monkeypatch.setattr(build, "CELL_TIMEOUT", 1)
    save("import time\ntime.sleep(60)")
    assert main(["execute"]) == 1
    message = capsys.readouterr().err
    assert "code cell 1" in message and "timed out" in message and "1 seconds" in message


def test_an_error_that_is_meant_does_not_stop_the_book(book):
    path = save("1 / 0", "print('after')")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].metadata["tags"] = ["raises-exception"]
    nbformat.write(notebook, path)
    assert main(["execute"]) == 0
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
    path = save("import no_such_package\nprint(1)", name="06_frameworks")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].outputs = [new_output("stream", text="committed\n")]
    nbformat.write(notebook, path)
    os.utime(path, (0, 0))
    monkeypatch.setattr(build, "OPTIONAL", ("no_such_package",))
    assert main(["execute"]) == 0
    assert "06_frameworks.ipynb keeps its committed outputs" in capsys.readouterr().out
    assert printed("build/06_frameworks.ipynb") == ["committed\n"]
    kept = nbformat.read("build/06_frameworks.ipynb", as_version=4).metadata["cnnlib"]
    assert kept == {"date": "1970-01-01", "missing": ["no_such_package"]}
    assert "cnnlib" not in nbformat.read("build/00_start_here.ipynb", as_version=4).metadata


def test_a_complete_book_needs_every_package(book, monkeypatch, capsys):
    save("import no_such_package", name="06_frameworks")
    monkeypatch.setattr(build, "OPTIONAL", ("no_such_package",))
    assert main(["execute", "--complete"]) == 1
    assert "06_frameworks.ipynb needs no_such_package" in capsys.readouterr().err


def test_a_package_that_came_makes_the_chapter_due(book, monkeypatch):
    save("import no_such_package", name="06_frameworks")
    names = executed_names(monkeypatch)
    monkeypatch.setattr(build, "OPTIONAL", ("no_such_package",))
    main(["execute"])
    assert names == ["00_start_here"]
    monkeypatch.setattr(build, "find_spec", lambda name: "found")
    main(["execute"])
    assert names == ["00_start_here", "06_frameworks"]


def test_the_day_of_a_file_is_that_of_its_last_commit(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text("{}")
    mail = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], [*mail, "commit", "-qm", "a"]):
        day = os.environ | {"GIT_COMMITTER_DATE": "2020-02-03T12:00:00Z"}
        subprocess.run(["git", *command], cwd=tmp_path, check=True, env=day)
    assert build.committed_on(path) == "2020-02-03"


def test_progress_bars_go_and_nothing_else():
    bar = new_output("display_data", {build.VIEW: {"model_id": ""}, "text/plain": "  0%|   | 0/9"})
    widget = new_output("display_data", {build.VIEW: {"model_id": ""}, "text/plain": "Explorer"})
    text = new_output("stream", text="50%| is said in words")
    notebook = new_notebook(cells=[new_code_cell("fit()", outputs=[bar, widget, text])])
    assert build.without_progress_bars(notebook).cells[0].outputs == [widget, text]


def test_a_full_disk_leaves_the_old_result_and_says_so(book, monkeypatch, capsys):
    path = Path("notebooks/00_start_here.ipynb")
    before = path.read_bytes()

    def full(file, *args, **kwargs):
        file.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    executed_names(monkeypatch)
    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["notebooks"]) == 1
    assert "The disk is full" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_outside_the_repository_the_message_says_where_to_go(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["execute"]) == 1
    assert "top folder" in capsys.readouterr().err
