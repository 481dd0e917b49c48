"""The handout: no solutions in it, and yet an answer can be handed in and graded."""

import ast
import html
import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("nbformat")
pytest.importorskip("anywidget")

import nbformat

from cnnlib.book.exercises import all_exercises, get, solution
from cnnlib.book.publish import BuildError
from cnnlib.book.publish.handout import handout
from cnnlib.book.publish.outline import without_solutions
from cnnlib.book.publish.reading import chapters, code_cells, read
from cnnlib.book.publish.wheels import LIBRARY, wheel

ROOT = Path(__file__).parents[3]
JUDGE = re.compile(r"judge=values\(\s*[\[{\d-]")  # with numbers that are right
GRADE = """
from cnnlib.book.exercises import check, hint, solution
right, wrong, none = check("1.1", [50, 80]), check("1.1", [50, 70]), check("1.1", ...)
print([(r.status, r.points, r.possible) for r in (right, wrong, none)])
print(hint("1.1").title, "/", solution("1.1").text)
import cnnlib
print(cnnlib.__file__)
"""


def old_edition(folder):
    """An edition of last year, and two files of the instructor's own: all of it by name."""
    folder.mkdir()
    names = ("01_older.ipynb", "cnnlib-0.0.1+handout-py3-none-any.whl", "mine.ipynb", "list.txt")
    for name in names:
        (folder / name).write_text(f"{name} as it was")
    return {name: f"{name} as it was" for name in names}


@pytest.fixture
def small(tmp_path):
    """The folder of a book of two notebooks."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in ("00_in_one_hour", "01_pass"):
        cells = [nbformat.v4.new_markdown_cell(f"# {name}")]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
    return folder


def kept(folder):
    return {path.name: path.read_text(errors="replace") for path in folder.iterdir()}


@pytest.mark.parametrize("solutions", [False, True])
def test_an_edition_is_rendered_before_anything_of_the_old_one_is_replaced(
    small, tmp_path, monkeypatch, solutions
):
    before = old_edition(tmp_path / "made")
    seen = []

    def fails(*_, **__):
        seen.append(kept(tmp_path / "made"))
        raise BuildError("a link is broken")

    monkeypatch.setattr("cnnlib.book.publish.handout.render", fails)
    with pytest.raises(BuildError, match="a link is broken"):
        handout(small, tmp_path / "made", solutions)
    assert seen == [before] and kept(tmp_path / "made") == before


def test_of_the_old_edition_nothing_stays_and_of_other_files_all(small, tmp_path, monkeypatch):
    before = old_edition(tmp_path / "made")
    monkeypatch.setattr("cnnlib.book.publish.handout.render", lambda *_, **__: None)
    handout(small, tmp_path / "made")
    after = {path.name for path in (tmp_path / "made").iterdir()}
    assert {"mine.ipynb", "list.txt", "01_pass.ipynb"} < after
    assert not {"01_older.ipynb", "cnnlib-0.0.1+handout-py3-none-any.whl"} & after
    for name in ("mine.ipynb", "list.txt"):
        assert (tmp_path / "made" / name).read_text() == before[name]


def test_a_book_without_its_first_page_is_refused_in_words(small, tmp_path):
    with pytest.raises(BuildError, match="no page has such a section"):
        handout(small, tmp_path / "made")


def test_the_pages_get_what_the_edition_has_and_nothing_is_made_twice(small, tmp_path, monkeypatch):
    made, given = [], []

    def counted(name, real):
        monkeypatch.setattr(
            f"{handout.__module__}.{name}", lambda *a: made.append(name) or real(*a)
        )

    counted("wheel", wheel)
    counted("without_solutions", without_solutions)
    monkeypatch.setattr(
        f"{handout.__module__}.render", lambda _, book, __, *, packed: given.append((book, packed))
    )
    handout(small, tmp_path / "made")
    assert made == ["without_solutions", "without_solutions", "wheel"]
    ((book, (name, content)),) = given
    assert (tmp_path / "made" / name).read_bytes() == content
    for chapter, notebook in book.notebooks.items():
        assert read(tmp_path / "made" / f"{chapter}.ipynb") == notebook


@pytest.fixture(scope="module")
def editions(tmp_path_factory):
    """The folders of both editions, as `make handout` makes them."""
    folder = tmp_path_factory.mktemp("editions")
    handout(ROOT / "notebooks", folder / "handout")
    handout(ROOT / "notebooks", folder / "instructor", solutions=True)
    return folder


def texts(folder):
    """Every file below a folder as text, also those in archives, by where it is."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name, content = path.relative_to(folder).as_posix(), path.read_bytes()
        if path.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for entry in archive.namelist():
                    yield f"{name}/{entry}", archive.read(entry).decode("utf-8", "replace")
        elif path.suffix == ".ipynb":
            yield name, "\n".join(of_notebook(nbformat.reads(content.decode(), as_version=4)))
        else:
            text = content.decode("utf-8", "replace")
            yield name, of_html(text) if path.suffix == ".html" else text


def of_notebook(notebook):
    """What stands in it, and in its outputs."""
    for cell in notebook.cells:
        yield cell.source
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            yield from (
                text for kind, text in output.get("data", {}).items() if kind == "text/plain"
            )
            yield of_html(output.get("data", {}).get("text/html", ""))


def of_html(text):
    return html.unescape(re.sub(r"<[^>]*>", "", text))


def plain(text):
    """Without what a layout changes."""
    return re.sub(r"\s+", "", text)


def solved():
    """The statements of each solution, up to a comment: a last hint may say what a comment says."""
    marks = {}
    for exercise in all_exercises():
        text = solution(exercise.id).text
        parts = [ast.get_source_segment(text, node) for node in ast.parse(text).body]
        marks[exercise.id] = {plain(max(re.split("#.*", part), key=len)) for part in parts}
    return marks


def found(folder):
    """Which solutions stand where below a folder."""
    marks = solved()
    return {
        (id, name)
        for name, text in texts(folder)
        for squeezed in [plain(text)]
        for id, parts in marks.items()
        if any(part in squeezed for part in parts)
    }


def test_the_wheel_is_the_same_twice_and_complete():
    name, content = wheel()
    assert (name, content) == wheel()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = set(archive.namelist())
        record = archive.read(next(n for n in names if n.endswith("RECORD"))).decode()
    assert {line.split(",")[0] for line in record.split()} == names
    library = Path(LIBRARY)
    files = {p.relative_to(library.parent).as_posix() for p in library.rglob("*.*")}
    assert {f for f in files if "__pycache__" not in f} <= names


def test_no_file_of_the_handout_contains_a_solution(editions):
    assert found(editions / "handout") == set()
    assert not [n for n, _ in texts(editions / "handout") if "solutions/chapter" in n]
    assert not [n for n, text in texts(editions / "handout") if JUDGE.search(text)]
    assert any(JUDGE.search(text) for _, text in texts(editions / "instructor"))


def test_every_solution_is_found_in_the_instructors_edition(editions):
    """In notebook, page and library: so the test above looks where they would be."""
    where = found(editions / "instructor")
    for exercise in all_exercises():
        suffixes = {name.rpartition(".")[2] for id, name in where if id == exercise.id}
        assert suffixes >= {"ipynb", "html", "py"}, exercise.id


def test_the_handout_has_all_but_the_solutions(editions):
    for path in chapters(ROOT / "notebooks"):
        cells = [cell.source for cell in read(path).cells]
        kept = [cell.source for cell in read(editions / "handout" / path.name).cells]
        assert kept == [source for source in cells if not source.startswith("solution(")]
        assert (editions / "handout" / "html" / f"{path.stem}.html").exists()
    results = (ROOT / "notebooks" / "results").rglob("*.json")
    there = [path.relative_to(ROOT / "notebooks") for path in results]
    assert there and all((editions / "handout" / path).exists() for path in there)


def test_the_pages_show_every_hint_once(editions):
    pages = dict(texts(editions / "handout" / "html"))
    for path in chapters(ROOT / "notebooks"):
        of_chapter = plain("".join(t for name, t in pages.items() if name.startswith(path.stem)))
        asked = [re.fullmatch(r'hint\("(.*)"\)', cell.source) for cell in code_cells(read(path))]
        for id in [call[1] for call in asked if call]:
            hints = get(id).hints
            for n, hint in enumerate(hints, 1):
                title = f"Hint {n} of {len(hints)} for exercise {id}"
                assert of_chapter.count(plain(title + hint)) == 1, title


def test_a_handout_checks_answers_without_the_solutions(editions, tmp_path):
    (packed,) = (editions / "handout").glob("*.whl")
    assert "+handout" in packed.name
    target = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, "--target", str(target), str(packed)], check=True)
    run = subprocess.run(
        [sys.executable, "-c", GRADE],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
        check=True,
    )
    graded, notes, file = run.stdout.splitlines()
    assert ast.literal_eval(graded) == [("right", 1, 1), ("wrong", 0, 1), ("not attempted", 0, 1)]
    assert notes == "Hint 1 of 2 for exercise 1.1 / This edition comes without solutions."
    assert Path(file).is_relative_to(target)
