"""The builder: what it executes again and what not, what it keeps, how it fails, what it links."""

import errno
from pathlib import Path

import pytest

pytest.importorskip("nbconvert")

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from cnnlib.publish import build
from cnnlib.publish.__main__ import main

PIXEL = bytes.fromhex(  # a PNG of one pixel
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)


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


def test_render_makes_links_and_images_work_from_the_pages(book):
    save("1", name="05_training")
    Path("notebooks/dot.png").write_bytes(PIXEL)
    Path("figures").mkdir()
    Path("figures/far.png").write_bytes(PIXEL)
    text = """[next](05_training.ipynb#Loss) [here](#Start) [out](https://example.org/a.ipynb)
    ![dot](dot.png) [far](../figures/far.png) `href="code.ipynb"`"""
    save("1", text=text)
    Path("build/html").mkdir(parents=True)
    Path("build/html/from_a_chapter_that_is_gone.html").write_text("old")
    assert main(["render", "notebooks"]) == 0
    html = Path("build/html")
    names = ["00_start_here.html", "05_training.html", "index.html"]
    assert sorted(file.name for file in html.iterdir()) == names
    body = (html / "00_start_here.html").read_text(encoding="utf-8")
    assert (html / "index.html").read_text(encoding="utf-8") == body
    assert 'href="05_training.html#Loss"' in body
    assert 'href="#Start"' in body
    assert 'href="https://example.org/a.ipynb"' in body
    assert 'src="data:image/png;base64,' in body
    assert 'href="../../figures/far.png"' in body
    assert (html / "../../figures/far.png").read_bytes() == PIXEL
    assert "code.ipynb" in body


def test_render_drops_progress_bars_and_nothing_else():
    bar = new_output("display_data", {build.VIEW: {"model_id": ""}, "text/plain": "  0%|   | 0/9"})
    widget = new_output("display_data", {build.VIEW: {"model_id": ""}, "text/plain": "Explorer"})
    text = new_output("stream", text="50%| is said in words")
    notebook = new_notebook(cells=[new_code_cell("fit()", outputs=[bar, widget, text])])
    assert build.without_progress_bars(notebook).cells[0].outputs == [widget, text]


def test_render_refuses_a_link_to_nothing_and_keeps_the_old_pages(book, capsys):
    assert main(["render", "notebooks"]) == 0
    old = Path("build/html/index.html").read_bytes()
    save("1", text="![missing](img/missing.png)")
    assert main(["render", "notebooks"]) == 1
    message = capsys.readouterr().err
    assert "00_start_here.ipynb" in message and "img/missing.png" in message
    assert Path("build/html/index.html").read_bytes() == old


def test_render_shows_the_committed_outputs_without_executing(book, monkeypatch):
    main(["notebooks"])
    monkeypatch.setattr(build, "_run", None)  # an execution would be a TypeError
    assert main(["render", "notebooks"]) == 0
    assert "42" in Path("build/html/00_start_here.html").read_text(encoding="utf-8")


def test_render_before_execute_says_so(book, capsys):
    assert main(["render", "build"]) == 1
    assert "execute the notebooks first" in capsys.readouterr().err


def test_a_full_disk_leaves_the_old_result_and_says_so(book, monkeypatch, capsys):
    path = Path("notebooks/00_start_here.ipynb")
    before = path.read_bytes()

    def full(file, *args, **kwargs):
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    executed_names(monkeypatch)
    monkeypatch.setattr(Path, "write_text", full)
    assert main(["notebooks"]) == 1
    assert "The disk is full" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_outside_the_repository_the_message_says_where_to_go(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["execute"]) == 1
    assert "top folder" in capsys.readouterr().err
