"""Describes where an unexplained result is right and where it is wrong."""

from collections.abc import Callable, Sequence
from types import EllipsisType

import numpy as np

from .cases import Case
from .search import is_right

Index = slice | tuple[slice | EllipsisType, ...]

# Settings in which many mistakes do not show, each with its words.
_SETTINGS: tuple[tuple[str, Callable[[Case], bool]], ...] = (
    ("stride 1", lambda case: all(axis.stride == 1 for axis in case.axes)),
    ("dilation 1", lambda case: all(axis.dilation == 1 for axis in case.axes)),
    ("a cross-correlation", lambda case: all(axis.sign == 1 for axis in case.axes)),
    ("padding 0", lambda case: not any(map(any, case.pads))),
    ("a single weight", lambda case: all(axis.kernel == 1 for axis in case.axes)),
    ("one sample", lambda case: len(case.x) == 1),
    ("one channel", lambda case: case.x.shape[-1] == 1),
    ("one filter", lambda case: len(case.w) == 1),
    ("one channel and one filter", lambda case: case.x.shape[-1] == len(case.w) == 1),
    ("as many filters as channels", lambda case: case.x.shape[-1] == len(case.w)),
    ("a square input", lambda case: case.axes[0].inputs == case.axes[1].inputs),
    ("a square kernel", lambda case: case.axes[0].kernel == case.axes[1].kernel),
    ("no row or column left over", lambda case: not _rest(case)),
    ("windows that do not overlap", lambda case: all(a.stride >= a.kernel for a in case.axes)),
    ("stride 1 and padding 0", lambda c: not any(map(any, c.pads)) and c.axes[0].stride == 1),
    ("stride 1 and one sample", lambda c: len(c.x) == 1 and c.axes[0].stride == 1),
)


def pattern(quantity: str, results: Sequence[tuple[Case, np.ndarray]]) -> str:
    """Sentences on what the right configurations have in common, and which entries are wrong."""
    right = [case for case, got in results if is_right(case.right[quantity], got)]
    wrong = [(case, got) for case, got in results if not is_right(case.right[quantity], got)]
    said = []
    if not right:
        said.append("It is wrong in every configuration.")
    else:
        if setting := _setting(right, [case for case, _ in wrong]):
            said.append(f"It is right with {setting} only.")
        else:
            said.append(f"It is right in {len(right)} of {len(results)} configurations.")
    for words, selected in _PLACES[quantity]:
        if all(_only(quantity, case, got, selected) for case, got in wrong):
            said.append(f"Where it is wrong, only {words} is wrong.")
            break
    return " ".join(said)


def runs_only_with(fine: Sequence[Case], failing: Sequence[Case]) -> str:
    """A sentence on what the configurations without an error have in common, if something."""
    setting = _setting(fine, failing) if fine else ""
    return f"It runs with {setting} only." if setting else ""


def _setting(fine: Sequence[Case], bad: Sequence[Case]) -> str:
    """What holds for all of the one and for none of the other."""
    fitting = (
        words for words, holds in _SETTINGS if all(map(holds, fine)) and not any(map(holds, bad))
    )
    return next(fitting, "")


def _rest(case: Case) -> bool:
    return any(
        (axis.inputs + sum(pads) - axis.kernel) % axis.stride
        for axis, pads in zip(case.axes, case.pads, strict=True)
    )


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


def _only(quantity: str, case: Case, got: np.ndarray, rest: Index) -> bool:
    """Whether everything outside the named place is right (and there is something outside)."""
    right = case.right[quantity]
    return got.shape == right.shape and right[rest].size > 0 and is_right(right[rest], got[rest])
