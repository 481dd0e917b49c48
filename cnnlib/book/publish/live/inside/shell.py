"""A notebook's shell without Jupyter: runs a cell and tells its outputs in nbformat's shape."""

import ast
import base64
import builtins
import io
import linecache
import sys
import time
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any

Output = dict[str, Any]
SOONER = 0.05  # seconds between two reports of what is printed
LONGEST = 200_000  # characters that a cell may print; what follows is counted
KINDS = {  # the ways in which an object shows itself, besides its repr
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
    "text/latex": "_repr_latex_",
}


class Shell:
    """Runs cells one after the other in one namespace, that of `__main__`.

    `emit` gets each output as soon as it is there; text comes in pieces.
    """

    def __init__(self, emit: Callable[[Output], None]) -> None:
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        self.names = vars(main)
        self.names["__builtins__"] = builtins
        builtins.input = _input
        self.emit = emit
        self.stdout, self.stderr = _Stream(self, "stdout"), _Stream(self, "stderr")

    def run(self, source: str, number: int) -> bool:
        """Run the cell of this number; whether it came to its end.

        As in a notebook, the value of a last expression is shown unless a semicolon follows.
        """
        name = f"<cell {number}>"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        self.stdout.begin()
        self.stderr.begin()
        outside = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self.stdout, self.stderr
        try:
            self._run(source, name)
        except BaseException as error:  # also SystemExit: the page goes on
            self._flush()
            self.emit(told(error, name))
            return False
        finally:
            sys.stdout, sys.stderr = outside
            self._flush()
        return True

    def quietly(self, function: Callable[[], None]) -> None:
        """Call what a picture makes happen: what it prints and raises is shown, too."""
        outside = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self.stdout, self.stderr
        try:
            function()
        except BaseException as error:
            self.emit(told(error, ""))
        finally:
            sys.stdout, sys.stderr = outside
            self._flush()

    def _run(self, source: str, name: str) -> None:
        tree = ast.parse(source, name)
        last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";"):
            last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
        exec(compile(tree, name, "exec"), self.names)
        if last is not None:
            value = eval(compile(last, name, "eval"), self.names)
            if value is not None:
                self.names["_"] = value
                self._put("execute_result", *bundle(value))

    def display(
        self, *objects: Any, metadata: Mapping[str, Any] | None = None, raw: bool = False, **_: Any
    ) -> None:
        """As IPython's: with `raw`, an object is what a cell shows, by kind."""
        for one in objects:
            data, more = (one, metadata or {}) if raw else bundle(one)
            self._put("display_data", data, more)

    def _put(self, kind: str, data: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        self._flush()
        plain = {
            name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for name, value in data.items()
        }
        self.emit({"output_type": kind, "data": plain, "metadata": dict(metadata)})

    def _flush(self) -> None:
        self.stdout.flush()
        self.stderr.flush()


class _Stream(io.TextIOBase):
    """What is printed goes out in pieces, not line by line: a page could not follow a million."""

    encoding = "utf-8"

    def __init__(self, shell: Shell, name: str) -> None:
        self.shell, self.name = shell, name
        self.held: list[str] = []
        self.last, self.said, self.cut = 0.0, 0, False

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        room = max(0, LONGEST - self.said)
        self.said += len(text)
        if room:
            self.held.append(text[:room])
        if len(text) > room and not self.cut:
            self.held.append(f"\n… more than {LONGEST:,} characters: the rest is not shown.\n")
            self.cut = True
        if ("\n" in text or "\r" in text) and time.monotonic() - self.last > SOONER:
            self.flush()
        return len(text)

    def begin(self) -> None:
        """The next cell may print as much as this one."""
        self.said, self.cut = 0, False

    def flush(self) -> None:
        if self.held:
            text, self.held = "".join(self.held), []
            self.shell.emit({"output_type": "stream", "name": self.name, "text": text})
            self.last = time.monotonic()


def bundle(shown: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a notebook would show of an object, by kind, and its metadata."""
    whole = getattr(shown, "_repr_mimebundle_", None)
    got = whole() if whole else None
    if got is not None:
        data, metadata = got if isinstance(got, tuple) else (got, {})
        return {"text/plain": repr(shown), **data}, metadata
    data = {"text/plain": repr(shown)}
    for kind, method in KINDS.items():
        found = getattr(type(shown), method, None)
        value = found(shown) if found else None
        if value is not None:
            data[kind] = value
    return data, {}


def told(error: BaseException, name: str) -> Output:
    """An error, short: what it says, and the reader's own lines around the one that it is from."""
    said = "".join(traceback.format_exception_only(error)).strip()
    cell, line = name, None
    if isinstance(error, SyntaxError):
        said = f"{type(error).__name__}: {error.msg}"
        cell, line = error.filename or name, error.lineno
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename.startswith("<cell "):
                cell, line = frame.filename, frame.lineno
    if isinstance(error, MemoryError):
        said += "\nPython in a page has at most 4 GB of memory: make the arrays smaller."
    if isinstance(error, ModuleNotFoundError):
        said += "\nOnly what the book needs is here: NumPy, SciPy, matplotlib and cnnlib."
    lines = [said]
    if line:
        where = "" if cell == name else f" of {cell.strip('<>')}"
        lines.append(f"Line {line}{where}:")
        for number in range(max(1, line - 2), line + 3):
            source = linecache.getline(cell, number).rstrip()
            if source or number == line:
                lines.append(f"{'→' if number == line else ' '} {number:3}  {source}")
    kind = type(error).__name__
    output = {"output_type": "error", "ename": kind, "evalue": str(error), "traceback": lines}
    return output | {"module": _missing(error)}


def _missing(error: BaseException | None) -> str:
    """The package that was not there, where that is the reason; the library may have wrapped it."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            return (error.name or "").partition(".")[0]
        error = error.__cause__ or error.__context__
    return ""


def _input(prompt: object = "") -> str:
    raise RuntimeError("input() cannot ask in a page: write the value into the cell instead")
