"""`python -m cnnlib.diagnosis my_layer.py:Conv --layout NCHW`: a diagnosis from the shell.

The exit status is 0 if what was returned is right, 1 if it is wrong, 2 if it was not examined.
"""

import argparse
import importlib.util
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnnlib.data.files import reason, write
from cnnlib.errors import Error, InputError, line, raised, shown

from .asserting import KINDS, examine

_STATUS = {True: 0, False: 1, None: 2}


def main(arguments: list[str] | None = None) -> int:
    """Examine what is named; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m cnnlib.diagnosis",
        description="Says what is wrong with a layer of your own. Exit status: 0 right, 1 wrong, "
        "2 not examined.",
    )
    parser.add_argument("layer", metavar="FILE.py:NAME", help="a class or function, or two "
                        "functions as FILE.py:forward,backward")  # fmt: skip
    parser.add_argument("--kind", choices=KINDS, default="layer", help="layer: a convolution")
    for name, text in (
        ("layout", "axes of its images, such as NCHW"),
        ("weights", "axes of its kernels, such as OIHW"),
        ("forward", "the method forward"),
        ("backward", "the method backward"),
        ("weight", "the attribute with the kernels"),
        ("bias", "the attribute with the biases"),
        ("activation", "what the layer has inside, or between two dense layers"),
        ("loss", "the loss of a step"),
        ("inputs", "of a gradient, as in 'x: N C; w: C K'"),
    ):
        parser.add_argument(f"--{name}", help=text)
    for name in ("stride", "padding"):
        parser.add_argument(f"--{name}", type=_number, help=f"the only {name} that it takes")
    for name in ("axes", "channels", "seed"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--limits", type=_names, help="such as 'square kernel, stride 1'")
    parser.add_argument("--html", help="also write the report to this file")
    chosen = vars(parser.parse_args(arguments))
    name, html = chosen.pop("layer"), chosen.pop("html")
    how = {key: value for key, value in chosen.items() if value is not None}
    try:
        if "inputs" in how:
            how["inputs"] = _shapes(how["inputs"])
        report = examine(_loaded(name), **how)
    except (Error, OSError, TypeError) as error:
        _say(error, sys.stderr)
        return 2
    _say(report, sys.stdout)
    try:
        if html is not None:
            write(html, f"<meta charset='utf-8'>{report.html()}".encode())
    except (Error, OSError) as error:
        _say(f"--html {line(html)} cannot be written: {reason(error)}", sys.stderr)
        return 2
    return _STATUS[report.ok]


def _say(what: object, stream: Any) -> None:
    """Print it, if anybody is there to read: the exit status says the verdict in any case."""
    try:
        known = getattr(stream, "encoding", None) or "utf-8"  # a terminal may know ASCII only
        print(str(what).encode(known, "backslashreplace").decode(known), file=stream, flush=True)
    except (OSError, ValueError):  # a pipe without a reader, a full disk; it is closed
        with suppress(OSError, ValueError):  # Python would try again at its end, and fail with it
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _number(text: str) -> int | str:
    return int(text) if text.lstrip("-").isdigit() else text


def _names(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")]


def _shapes(text: str) -> dict[str, str]:
    pairs = [one.partition(":") for one in text.split(";") if one.strip()]
    if not all(mark for _, mark, _ in pairs):
        raise InputError(f"--inputs is {shown(text)}; expected names and shapes, as in 'x: N C'")
    shapes = {name.strip(): shape.strip() for name, _, shape in pairs}
    if "" in shapes or len(shapes) < len(pairs):
        raise InputError(f"--inputs is {shown(text)}; expected a name of its own for each shape")
    return shapes


def _loaded(text: str) -> Any:
    """What a file defines under one name, or under two."""
    file, _, names = text.rpartition(":")
    path = Path(file)
    if not names or not path.is_file():
        raise InputError(f"{shown(text)} is no FILE.py:NAME of a file that there is")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{shown(file)} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))  # for what it imports beside itself
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script may end itself
        raise InputError(f"{path.name} raises {raised(error)}") from error
    found = []
    for name in _names(names):
        if not hasattr(module, name):
            raise InputError(f"{path.name} has no {name!r}")
        found.append(getattr(module, name))
    return found[0] if len(found) == 1 else tuple(found)


if __name__ == "__main__":
    sys.exit(main())
