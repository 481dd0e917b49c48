"""Layers as the public writes them, and what is true of each: the diagnosis is measured on them.

Each stands beside its truth as data. `test_public.py` proves the truth by brute force and with
PyTorch before it asks the diagnosis.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

PARTS = ("limits", "layouts", "returned", "conventions", "single", "combined", "kinds", "pools",
         "heads")  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """What is true of a function.

    Attributes
    ----------
    fn : callable
        The function; `tool` says what it gets: 'layer', 'max', 'avg' or 'head'.
    ok : True, False or None
        Whether it is right, or is no layer that a diagnosis can judge.
    wrong : set of str
        The quantities that are wrong somewhere.
    names : set of str
        Entries of the catalogue that a report may name; it must name one of them, if any.
    says : tuple of str
        What the report must say.
    runs : callable
        Of (x, w, stride, padding), or of a pool's (x, window, stride): where it is meant to run.
    how : mapping
        Keywords of the diagnosis.
    activation : str
        What is inside the layer.
    """

    fn: Callable
    ok: bool | None
    wrong: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    says: tuple[str, ...] = ()
    tool: str = "layer"
    runs: Callable[..., bool] = lambda *given: True
    how: Mapping[str, Any] = field(default_factory=dict)
    activation: str = ""


TRUTHS: list[Truth] = []


def truth(ok: bool | None, wrong: str = "", names: str = "", **more: Any) -> Callable:
    """List the function below with its truth."""

    def register(fn: Callable) -> Callable:
        sets = frozenset(wrong.split()), frozenset(names.split())
        TRUTHS.append(Truth(fn, ok, *sets, **more))
        return fn

    return register


def every() -> list[Truth]:
    """All of them, in the order of the files."""
    for part in PARTS:
        import_module(f"public.{part}")
    return TRUTHS
