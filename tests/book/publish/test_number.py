"""`make number`: every mention follows what moved; what cannot be resolved is named."""

# make number: leave this file, its numbers are examples

import os
import re
import shutil
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("nbformat")

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

from cnnlib.book.publish import BuildError, mentions, number
from cnnlib.book.publish.__main__ import main

ROOT = Path(__file__).parents[3]
COPIED = ("notebooks", "cnnlib", "tests")
DELTA = "03_delta_backprop"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """What `number` reads and writes of this repository, in a folder of its own."""
    root = tmp_path_factory.mktemp("repository")
    for name in COPIED:
        kept = shutil.ignore_patterns("__pycache__", "*.npz", "*.woff2", "frameworks")
        shutil.copytree(ROOT / name, root / name, ignore=kept)
    shutil.copy(ROOT / "README.md", root / "README.md")
    return root


@pytest.fixture
def repository(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "repository"))


def read(root, name=DELTA):
    return nbformat.read(root / "notebooks" / f"{name}.ipynb", as_version=4)


def write(root, notebook, name=DELTA):
    for at, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{at}"
    nbformat.write(notebook, root / "notebooks" / f"{name}.ipynb")


def texts(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def at(notebook, start):
    """The place of the text cell in which a line begins so."""
    (found,) = [
        place
        for place, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown" and re.search(rf"^{re.escape(start)}", cell.source, re.M)
    ]
    return found


def every_id(root):
    """Each id with its number, by chapter and kind."""
    return {
        (path.stem, kind, id): number
        for path in sorted((root / "notebooks").glob("*.ipynb"))
        for cell in nbformat.read(path, as_version=4).cells
        for kind, named in cell.metadata.get("book", {}).items()
        if kind != "figure"
        for id, number in named.items()
    }


def test_the_committed_numbers_are_right(repository, capsys):
    before = texts(repository)
    found = number.renumber(repository)
    assert texts(repository) == before
    assert "Written anew" not in capsys.readouterr().out
    assert found[r"equations: \qquad (N)"] > 200 and found["sections: #N"] > 400


def test_every_number_has_one_id_and_every_exercise_its_name(original):
    from cnnlib.book.exercises import all_exercises

    ids = every_id(original)
    assert len({(chapter, kind, number) for (chapter, kind, _), number in ids.items()}) == len(ids)
    named = {number: id for (_, kind, id), number in ids.items() if kind == "exercises"}
    assert named == {exercise.id: exercise.name for exercise in all_exercises()}
    text = (ROOT / number.SECTIONS).read_text(encoding="utf-8")
    listed = {(chapter, id) for chapter, ids in tomllib.loads(text).items() for id in ids}
    assert listed == {(chapter, id) for chapter, kind, id in ids if kind == "sections"}


def insert(root):
    """A section, an equation and an exercise between those of chapter 3, and their entry."""
    book = read(root)
    place = at(book, "## 3.11 ")
    section = (
        "## 3.? A new section\n\nSee section 3.?new-section, (3.?new-section-q-1), exercise 3.?news"
    )
    book.cells[place:place] = [
        new_markdown_cell(section + r", $3.11$ and `3.11`." + "\n\n$$ q = 1 \\qquad (3.?) $$"),
        new_code_cell("q = 3.11  # (3.?new-section-q-1) and (3.1), version 3.11"),
        new_markdown_cell("**Exercise 3.?.** What is `q`?"),
        new_code_cell('news = ...\ncheck("3.?", news)'),
        new_code_cell('solution("3.?")'),
    ]
    write(root, book)
    path = root / "cnnlib/book/exercises/chapter_3.py"
    entry = (
        'EXERCISES = (\n    Exercise(\n        "3.?",\n        "news",\n        level=1,\n    ),'
    )
    text = path.read_text(encoding="utf-8")
    assert text.count("EXERCISES = (") + text.count("EXERCISES = [") == 1
    path.write_text(re.sub(r"EXERCISES = [(\[]", lambda found: entry, text), encoding="utf-8")
    return place


def test_every_mention_follows_what_is_inserted(repository, monkeypatch, capsys):
    before = every_id(repository)
    old = read(repository)
    others = {name: texts(repository)[Path(f"notebooks/{name}.ipynb")].decode()
              for name in ("00_start_here", "07_n_dimensions_and_fft")}  # fmt: skip
    place = insert(repository)
    monkeypatch.chdir(repository)
    assert main(["number"]) == 0
    assert "Written anew" in capsys.readouterr().out
    book = read(repository)

    # What was inserted.
    section, code, exercise, asked, solved = book.cells[place : place + 5]
    equation = section.metadata["book"]["equations"]["new-section-q-1"]
    assert section.metadata["book"]["sections"] == {"new-section": "3.11"}
    task = exercise.metadata["book"]["exercises"]["news"]
    heading, said = section.source.split("\n\n")[:2]
    assert heading == "## 3.11 A new section"
    assert said == f"See section 3.11, ({equation}), exercise {task}, $3.11$ and `3.11`."
    assert rf"\qquad ({equation})" in section.source
    assert code.source == f"q = 3.11  # ({equation}) and (3.1), version 3.11"
    assert exercise.source == f"**Exercise {task}.** What is `q`?"
    assert (asked.source, solved.source) == (
        f'news = ...\ncheck("{task}", news)',
        f'solution("{task}")',
    )

    # The ids are those from before, each with the number of its place.
    after = every_id(repository)
    assert before.keys() < after.keys() and len(after) == len(before) + 3
    moved = [key for key in before if before[key] != after[key]]
    assert {key[0] for key in moved} == {DELTA} and {key[1] for key in moved} == set(number.DEFINED)
    shifted = book.cells[at(book, "## 3.12 The kernel turns")]
    assert shifted.metadata["book"]["sections"] == {"kernel-turns": "3.12"}

    # Headings and mentions, in this chapter, in others, in outputs, in the library and in tests.
    assert at(book, "## 3.10 From the table") and at(book, "## 3.21 The transposed convolution")
    for name, text in others.items():
        new = (repository / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
        links = re.findall(r"03_delta_backprop\.ipynb#3\.(\d+)-([\w-]+)", text)
        assert links and re.findall(r"03_delta_backprop\.ipynb#3\.(\d+)-([\w-]+)", new) == [
            (str(int(n) + (int(n) >= 11)), title) for n, title in links
        ]
    headings = tomllib.loads((repository / number.SECTIONS).read_text(encoding="utf-8"))[DELTA]
    assert headings["kernel-turns"] == "3.12 The kernel turns"
    entries = dict(
        (name, id) for id, name in mentions.ENTRY.findall(
            (repository / "cnnlib/book/exercises/chapter_3.py").read_text(encoding="utf-8"))
    )  # fmt: skip
    assert entries == {
        id: n for (c, kind, id), n in after.items() if (c, kind) == (DELTA, "exercises")
    }
    for cell, other in zip(old.cells[place:], book.cells[place + 5 :], strict=True):
        for call in re.findall(r'(?:check|hint|solution)\("(3\.\d+)"', cell.source):
            new = next(after[k] for k in before if k[1] == "exercises" and before[k] == call)
            assert f'"{new}"' in other.source
    tests = (repository / "tests/book/test_exercises.py").read_text(encoding="utf-8")
    assert f'("{entries["delta"]}", by_matrix)' in tests and "section 3.12" in tests

    # Once is enough.
    done = texts(repository)
    number.renumber(repository)
    assert texts(repository) == done


def test_what_moves_keeps_its_id(repository):
    book = read(repository)
    before = every_id(repository)
    first, second = at(book, "## 3.8 "), at(book, "## 3.9 ")
    end = at(book, "## Part 3B")
    book.cells[first:end] = book.cells[second:end] + book.cells[first:second]
    write(repository, book)
    number.renumber(repository)
    after = every_id(repository)
    assert after.keys() == before.keys()
    assert after[DELTA, "sections", "max-pooling"] == "3.9"
    assert after[DELTA, "sections", "average-pooling"] == "3.8"
    start = read(repository, "00_start_here").cells
    assert any(
        "[3.8 Average-pooling](03_delta_backprop.ipynb#3.8-Average" in c.source for c in start
    )


def test_an_equation_that_is_cut_out_and_pasted_keeps_its_id(repository):
    before = every_id(repository)
    book = read(repository)
    cell = next(c for c in book.cells if r"\qquad (3.20)" in c.source)
    formula = re.search(r"\$\$[^$]*\\qquad \(3\.20\)\s*\$\$", cell.source)[0]
    cell.source = cell.source.replace(formula, "")
    book.cells.insert(book.cells.index(cell) + 1, new_markdown_cell(formula))
    write(repository, book)
    number.renumber(repository)
    assert every_id(repository).keys() == before.keys()


WRONG = {
    "section": ("See section 3.77.", r"'section 3\.77' mentions 3\.77, but no section"),
    "equation": ("By (3.77).", r"'\(3\.77\)' mentions 3\.77, but no equation"),
    "exercise": ('`check("3.77", x)`', r"""'check\("3\.77"' mentions 3\.77, but no exercise"""),
    "link": ("[3.77 A](#3.77-A)", r"'\[3\.77' mentions 3\.77, but no section"),
    "new": ("See section 3.?.", r"'section 3\.\?' mentions 3\.\?, but no section"),
    "twice": ("## 3.11 Again", r"3\.11 stands for two sections: write 3\.\? where it is new"),
    "no entry": ("**Exercise 3.?.** Why?", r"exercise 3\.\? has no entry"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_resolved_is_named_and_nothing_is_written(repository, name):
    text, reason = WRONG[name]
    book = read(repository)
    book.cells.append(new_markdown_cell(text))
    write(repository, book)
    before = texts(repository)
    with pytest.raises(BuildError, match=reason) as failure:
        number.renumber(repository)
    assert f"{DELTA}.ipynb, cell {len(book.cells)}: " in str(failure.value)
    assert texts(repository) == before


def test_code_that_is_no_python_is_named(repository):
    book = read(repository)
    book.cells.append(new_code_cell("x = ("))
    write(repository, book)
    with pytest.raises(BuildError, match=rf"cell {len(book.cells)}: its code cannot be read"):
        number.renumber(repository)


def test_a_copied_cell_is_named(repository):
    book = read(repository)
    copied = book.cells[at(book, "## 3.11 ")].copy()
    copied["source"] = "## 3.? Another"
    copied["metadata"] = {"book": {"sections": {"kernel-turns": "3.?"}}}
    book.cells.append(copied)
    write(repository, book)
    with pytest.raises(BuildError, match=r"kernel-turns stands for two sections: take `book` out"):
        number.renumber(repository)


@pytest.mark.parametrize(
    "text",
    [
        "Python 3.11 and 3.2 MB",
        "NumPy (3.1.1), a step of 3.2",
        "`section 3.11`",
        "$(3.4)$",
        "lecture 6.5 of 3.11",
        "section 3.11.2 of its manual",
        "version (v3.4)",
        "3.2 to 3.4 seconds",
    ],
)
def test_what_only_looks_like_a_mention_is_left(text):
    def follow(kind, mention, number):
        raise AssertionError(mention)

    assert mentions.in_markdown(text, follow) == text


def test_code_in_a_text_has_its_comments_and_calls_followed():
    text = (
        '```python\n# by (3.4)\nx = f(3.4)  # section 3.2, hint("3.1")\n```\n`check("3.1", (3.4))`'
    )
    changed = {"3.4": "3.5", "3.2": "3.9", "3.1": "3.2"}
    after = mentions.in_markdown(text, lambda kind, mention, number: changed[number])
    assert after == (
        '```python\n# by (3.5)\nx = f(3.4)  # section 3.9, hint("3.2")\n```\n`check("3.2", (3.4))`'
    )


def test_numbers_of_code_are_left():
    def follow(kind, mention, number):
        return {"(3.4)": "3.5", "section 3.2": "3.9"}[mention]

    code = 'x = f(3.4) + a[0](3.4)  # (3.4), f(3.4)\ny = "section 3.2; 3.4"\nz = (3.4)'
    after = mentions.in_python(code, follow, mentions.CODE)
    assert after == 'x = f(3.4) + a[0](3.4)  # (3.5), f(3.4)\ny = "section 3.9; 3.4"\nz = (3.4)'


def test_a_chapter_may_have_two_digits():
    seen = []

    def follow(kind, mention, number):
        seen.append((kind, number))
        return number

    text = "See section 10.3, (10.4), exercise 10.2, version 110.5.\n\n$$ a = b \\qquad (10.4) $$"
    mentions.in_markdown(text, follow)
    assert seen == [
        ("sections", "10.3"), ("equations", "10.4"), ("exercises", "10.2"), ("equations", "10.4"),
    ]  # fmt: skip


# ---- Odd books: small ones, of one chapter


@pytest.fixture
def small(tmp_path):
    """Makes a book of one chapter, of these cells; the folder of its repository."""

    def small(*cells, name="01_forward"):
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        every = [new_markdown_cell("# 1. The pass"), *cells]
        write(tmp_path, nbformat.v4.new_notebook(cells=every), name)
        return tmp_path

    return small


def refused(root, reason):
    """The message, and that nothing was written."""
    before = texts(root)
    with pytest.raises(BuildError, match=reason) as failure:
        number.renumber(root)
    assert texts(root) == before
    assert len(str(failure.value).splitlines()) <= 14
    return str(failure.value)


@pytest.mark.parametrize("text", ["**Exercise 1.?** New", "## 1.? New", "$$ a \\qquad (1.?) $$"])
def test_what_only_a_chapter_can_number_is_refused_elsewhere(small, text):
    root = small(new_markdown_cell("## 1.1 One"))
    (root / "README.md").write_text(text)
    refused(root, r"^README\.md: .* mentions 1\.\?, but no (exercise|section|equation)")
    (root / "README.md").unlink()
    cell = new_code_cell("1")
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/plain": f"{text} a"})]
    if "Exercise" in text:  # of the others, outputs have none
        refused(small(cell), r"^01_forward\.ipynb, cell 2: .* mentions 1\.\?, but no exercise")


def test_of_many_things_the_first_are_named(small):
    said = refused(small(new_markdown_cell("\n".join(f"See section 1.{n}." for n in range(200)))),
                   r"mentions 1\.0, but")  # fmt: skip
    assert "... and 188 more." in said and said.endswith("Nothing was numbered.")


def test_equal_titles_and_titles_in_other_letters_get_ids(small):
    titles = ["## 1.? Same"] * 130 + ["## 1.? ???", "## 1.? Свёртка", "## 1.? "]
    root = small(*map(new_markdown_cell, titles))
    number.renumber(root)
    ids = {cell.source.split()[1]: list(cell.metadata["book"]["sections"])
           for cell in read(root, "01_forward").cells[1:]}  # fmt: skip
    assert ids["1.1"] == ["same"] and ids["1.130"] == ["same-130"]
    assert [ids[f"1.{n}"] for n in (131, 132, 133)] == [["section"], ["section-2"], ["section-3"]]
    done = texts(root)
    number.renumber(root)
    assert texts(root) == done


@pytest.mark.parametrize(
    "text",
    ["```\n## 1.? Code\n```", "It costs $5.\n\n## 1.? Money\n\nThen $6.",
     "$5\n\n**Exercise 1.?** Why $6?", "`**Exercise 1.?**`"],
)  # fmt: skip
def test_what_would_keep_its_old_number_is_refused(small, text):
    root = small(new_markdown_cell(text))
    path = root / "cnnlib/book/exercises/chapter_1.py"
    path.parent.mkdir(parents=True)
    path.write_text('EXERCISES = [Exercise("1.?", "why")]\n' if "Exercise" in text else "")
    refused(root, r"cell 2: 1\.\? would stay as it is")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes")
@pytest.mark.parametrize("name", ["README.md", "cnnlib/book/exercises/chapter_1.py", "tests/a.py"])
def test_a_pipe_among_the_files_is_not_waited_for(small, name):
    root = small()
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(root / name)
    with pytest.raises(BuildError, match=rf"{name} cannot be read: it is no file"):
        number.renumber(root)


def test_a_page_feed_moves_no_number():
    code = "a = 1\n\f\nb = '\u2028'  # see section 3.2\nc = 1  # (3.4)\n"
    changed = mentions.in_python(code, lambda kind, mention, number: "3.77", mentions.CODE)
    assert changed == code.replace("3.2", "3.77").replace("3.4", "3.77")


def test_names_that_no_table_takes_are_refused(small):
    root = small(new_markdown_cell("## 1.? One"), name='01_a]"b')
    refused(root, r"name it in letters, digits, _ and - alone")


def test_a_name_that_cannot_be_printed_is_refused(small):
    root = small(name="02_\udcff")
    with pytest.raises(BuildError, match=r"^'02_\\udcff.ipynb' in .*: rename it"):
        number.renumber(root)


def test_slides_of_another_kind_are_refused_before_anything_is_written(small, monkeypatch, capsys):
    root = small(new_markdown_cell("## 1.? One", metadata={"slideshow": "slide"}))
    monkeypatch.chdir(root)
    before = texts(root)
    assert main(["number"]) == 1
    assert "cells/1/metadata/slideshow is not as the book's tools" in capsys.readouterr().err
    assert texts(root) == before
