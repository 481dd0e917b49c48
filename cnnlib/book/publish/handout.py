"""What an instructor hands out: the course without solutions, and the same with them."""

from dataclasses import replace
from pathlib import Path

import nbformat

from .build import committed
from .outline import without_solutions
from .reading import companions, write
from .site import render
from .wheels import wheel


def handout(notebooks: Path, folder: Path, solutions: bool = False) -> None:
    """Write an edition of the course: notebooks, a wheel of the library, and the pages.

    Unless it has the `solutions`, it is for students: no file of it contains one. What in the
    folder is not of an edition stays.
    """
    folder.mkdir(parents=True, exist_ok=True)  # a file in the way is found before the work
    book = committed(notebooks)
    if not solutions:
        stripped = {chapter: without_solutions(one) for chapter, one in book.notebooks.items()}
        book = replace(book, notebooks=stripped)
    name, content = packed = wheel(solutions)
    files = {name: content} | companions(notebooks)
    for chapter, notebook in book.notebooks.items():
        files[f"{chapter}.ipynb"] = (nbformat.writes(notebook) + "\n").encode()
    render(notebooks, book, folder / "html", packed=packed)  # or nothing is replaced
    for file, data in files.items():
        write(folder / file, data)
    for path in [*folder.glob("[0-9][0-9]_*.ipynb"), *folder.glob("cnnlib-*.whl")]:
        if path.name not in files:  # of an older edition
            path.unlink()
    print(f"{len(files)} files beside them in {folder}: run pip install './{name}[book]' there")
