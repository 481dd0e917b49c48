"""Describes where an unexplained result is right and where it is wrong."""

from collections.abc import Sequence
from types import EllipsisType
from typing import Any

import numpy as np

from .cases import Case
from .report import is_right
from .settings import regime

Index = slice | tuple[slice | EllipsisType, ...]


def pattern(quantity: str, results: Sequence[tuple[Any, np.ndarray]]) -> str:
    """Sentences on what the right configurations have in common, and which entries are wrong."""
    right = [case for case, got in results if is_right(case.right[quantity], got)]
    wrong = [(case, got) for case, got in results if not is_right(case.right[quantity], got)]
    said = []
    if not right:
        said.append("It is wrong in every configuration.")
    elif words := regime(right, [case for case, _ in wrong]):
        said.append(f"It is right with {words} only.")
    elif words := regime([case for case, _ in wrong], right):
        said.append(f"It is wrong with {words} only.")
    else:
        said.append(f"It is right in {len(right)} of {len(results)} configurations.")
    for words, selected in _PLACES.get(quantity, ()):
        if all(_only(quantity, case, got, selected) for case, got in wrong):
            said.append(f"Where it is wrong, only {words} is wrong.")
            break
    return " ".join(said)


def only_the_bias(results: Sequence[tuple[Case, np.ndarray]]) -> str:
    """A sentence if z is off by one number per filter in every configuration, and by which."""
    names: set[str] | None = None
    for case, got in results:
        right = case.right["z"]
        if got.shape != right.shape:
            return ""
        off = (got - right).reshape(-1, right.shape[-1])
        if not is_right(np.broadcast_to(off[0], off.shape), off):
            return ""
        added = off[0] + case.b
        fitting = {name for name, size in case.sizes.items() if is_right(0 * case.b + size, added)}
        fitting |= {f"{name} times b" for name, size in case.products.items()
                    if is_right(size * case.b, added)}  # fmt: skip
        names = fitting if names is None else names & fitting
    what = f" {min(names, key=len)} is added in its place." if names else ""
    return f"z is off by one number per filter: the sums are right, only the bias is not.{what} "


# Which entries of a result could be the only wrong ones: an index that leaves out these.
_EDGES = (
    ("the last row", np.s_[:, :-1]),
    ("the last column", np.s_[:, :, :-1]),
    ("the last row or column", np.s_[:, :-1, :-1]),
    ("the first row", np.s_[:, 1:]),
    ("the first column", np.s_[:, :, 1:]),
    ("the first row or column", np.s_[:, 1:, 1:]),
    ("the border", np.s_[:, 1:-1, 1:-1]),
)
_FIRST = {"z": "sample", "dx": "sample", "dw": "filter"}
_LAST = {"z": "filter", "dx": "channel", "dw": "channel"}
_PLACES = {
    quantity: (
        (f"the last {_FIRST[quantity]}", np.s_[:-1]),
        (f"the first {_FIRST[quantity]}", np.s_[1:]),
        (f"what comes after the first {_FIRST[quantity]}", np.s_[:1]),
        (f"the last {_LAST[quantity]}", np.s_[..., :-1]),
        (f"what comes after the first {_LAST[quantity]}", np.s_[..., :1]),
        *_EDGES,
    )
    for quantity in _FIRST
} | {"db": (("the last filter", np.s_[:-1]), ("what comes after the first filter", np.s_[:1]))}


def _only(quantity: str, case: Any, got: np.ndarray, rest: Index) -> bool:
    """Whether everything outside the named place is right (and there is something outside)."""
    right = case.right[quantity]
    return got.shape == right.shape and right[rest].size > 0 and is_right(right[rest], got[rest])
