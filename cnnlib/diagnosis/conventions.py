"""What is right in another convention: it is recognised, said, and not accused."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .calling import Outcome
from .cases import Case, true_case
from .mistakes.slopes import ACTIVATIONS
from .report import is_right

Results = Mapping[str, Sequence[tuple[Case, Any]]]


def squeezed(outcome: Outcome, quantities: Sequence[str]) -> None:
    """Take out the axes of length 1 of vectors that have them everywhere, as a column has."""
    for quantity in quantities:
        pairs = outcome.results.get(quantity, [])
        if not pairs or not all(_narrow(case.right[quantity], got) for case, got in pairs):
            continue
        if all(got.shape == case.right[quantity].shape for case, got in pairs):
            continue
        shape = max((got for _, got in pairs), key=lambda got: got.size).shape
        outcome.results[quantity] = [
            (case, got.reshape(case.right[quantity].shape)) for case, got in pairs
        ]
        outcome.note(f"{quantity} has the shape of {shape}: its numbers are compared.")


def _narrow(right: np.ndarray, got: Any) -> bool:
    """Whether only axes of length 1 are added."""
    return (
        isinstance(got, np.ndarray)
        and got.size == right.size
        and sum(n > 1 for n in got.shape) <= right.ndim
    )


# ---- An activation inside the layer


def activated(results: Results) -> str:
    """The activation inside the layer, by its name in `ACTIVATIONS`, or ''.

    It is known from z; without z from the gradients, if two of them fit it.
    """
    pairs = {q: ps for q, ps in results.items() if all(got is not None for _, got in ps)}
    wrong = [q for q, ps in pairs.items() if not _fits(q, ps, "")]
    if ("z" in results and "z" not in wrong) or not wrong:
        return ""
    judged = ["z"] if "z" in pairs else list(pairs)
    if "z" not in pairs and len(pairs) < 2:
        return ""
    for name in ACTIVATIONS:
        if name and all(_fits(q, pairs[q], name) for q in judged):
            return name
    return ""


def _fits(quantity: str, pairs: Sequence[tuple[Case, Any]], name: str) -> bool:
    own = (
        (case if case.activation == name else replace(case, activation=name), got)
        for case, got in pairs
    )
    return all(is_right(case.right[quantity], got) for case, got in own)


def with_activation(outcome: Outcome, name: str) -> None:
    """Read all results as those of layers with this activation inside."""
    made: dict[int, Case] = {}
    for quantity, pairs in outcome.results.items():
        outcome.results[quantity] = [
            (made.setdefault(id(case), replace(case, activation=name)), got) for case, got in pairs
        ]


# ---- The mean over the batch in the layer


def means(results: Results) -> bool:
    """Whether dw and db are both right but for the division by N, and nothing contradicts it."""
    if not {"dw", "db"} <= results.keys():
        return False
    pairs = [(q, case, got) for q in ("dw", "db") for case, got in results[q]]
    if any(got is None for *_, got in pairs) or max(len(case.x) for _, case, _ in pairs) == 1:
        return False
    return all(is_right(case.right[q] / len(case.x), got) for q, case, got in pairs)


MEANS = (
    "dw and db are divided by N. That is right if the deltas that come in are p - t, without the "
    "1/N of the mean loss; if they have it already, it is mistake W6."
)


# ---- A true convolution


def as_true_convolution(outcome: Outcome) -> dict[str, list[tuple[Any, Any]]]:
    """The results, beside what a true convolution gives."""
    made: dict[int, Case] = {}
    return {
        quantity: [(made.setdefault(id(case), true_case(case)), got) for case, got in pairs]
        for quantity, pairs in outcome.results.items()
    }


def wrong_in(results: Results) -> set[str]:
    """The quantities that differ somewhere from what is right."""
    return {
        quantity
        for quantity, pairs in results.items()
        if any(got is None or not is_right(case.right[quantity], got) for case, got in pairs)
    }
