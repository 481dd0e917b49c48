"""What an instructor hands out: the course without solutions, and the same with them."""

from pathlib import Path

import nbformat

from .build import committed
from .outline import without_solutions
from .reading import companions, write
from .site import render
from .wheels import wheel


def handout(notebooks: Path, folder: Path, solutions: bool = False) -> None:
    """Write an edition of the course: notebooks, a wheel of the library, and the pages.

    Unless it has the `solutions`, it is for students: no file of it contains one.
    """
    folder.mkdir(parents=True, exist_ok=True)  # a file in the way is found before the work
    book = committed(notebooks)
    name, content = wheel(solutions)
    files = {name: content} | companions(notebooks)
    for chapter, notebook in book.notebooks.items():
        edition = notebook if solutions else without_solutions(notebook)
        files[f"{chapter}.ipynb"] = (nbformat.writes(edition) + "\n").encode()
    render(notebooks, book, folder / "html", solutions=solutions)  # or nothing is replaced
    for file, data in files.items():
        write(folder / file, data)
    for path in [*folder.glob("*.ipynb"), *folder.glob("*.whl")]:  # of an older edition
        if path.name not in files:
            path.unlink()
    print(f"{len(files)} files beside them in {folder}: run pip install './{name}[book]' there")
