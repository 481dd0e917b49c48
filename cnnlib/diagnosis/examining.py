"""Runs a layer on its configurations, and says what is wrong with each quantity."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from . import mistakes
from .calling import Outcome, collect, find_limits, output_of
from .cases import QUANTITIES, Case
from .conventions import (
    MEANS,
    activated,
    as_true_convolution,
    means,
    squeezed,
    with_activation,
    wrong_in,
)
from .errors import OTHER, judge_errors
from .fitting import own_gradients
from .kinds import another_shape, kind, not_linear
from .mistakes.slopes import slips
from .mistakes.sums import Switch
from .mistakes.switches import SWITCHES
from .patterns import only_the_bias, pattern
from .progress import at, shown
from .report import Finding, Report, is_right, where
from .search import Culprits, constant_factor, find_culprits, hidden
from .settings import Setting, enough, parts_of

_ORDERS = (("dx", "dw", "db"), ("z", "dx", "dw", "db"))  # what tuples stand for
_HINT = (
    "x has the shape (N, H, W, C). Say axes=1 or axes=3 for a layer of another number of axes, and "
    "channels_first for one of another order."
)
Pairs = Sequence[tuple[Case, Any]]
More = Callable[[Sequence[Setting]], Sequence[Case]]


@shown
def examine_layer(
    fn: Callable,
    cases: Sequence[Case],
    most: int = 2,
    without: Collection[str] = (),
    *,
    more: More | None = None,
    activation: str | None = "",
    fixed: bool = False,
) -> Report:
    """Say what is wrong with somebody's layer in these configurations.

    Parameters
    ----------
    fn : callable
        Gets `case.arguments()` of each, and returns a dict as that of `diagnose`.
    cases : sequence of Case
        From the simplest to the most awkward.
    most : {1, 2}
        How many mistakes in one quantity are looked for together. Numbers of a single small case
        are explained by many a pair.
    without : collection of str
        Entries of the catalogue that this function cannot contain.
    more : callable, optional
        Builds configurations within limits that were found out.
    activation : str, optional
        What the layer has inside; None if it is to be found out.
    fixed : bool
        Whether the report lists what stride, padding and limits hide.
    """
    outcome = collect(fn, cases, QUANTITIES, _ORDERS)
    if more is not None and not outcome.findings:
        find_limits(fn, outcome, QUANTITIES, _ORDERS, more)
    few = [
        quantity
        for quantity, pairs in outcome.results.items()
        if not enough(len(pairs), len(cases)) and all(got is not None for _, got in pairs)
    ]
    fine = outcome.fine()
    unexamined = {quantity: outcome.results.pop(quantity) for quantity in few}
    if not outcome.results:
        outcome.few = fine
    squeezed(outcome, ("db",))
    inside = activated(outcome.results) if activation is None else activation
    if inside:
        with_activation(outcome, inside)
        outcome.note(f"The layer has a {inside} inside: it is examined with it.")
    judged = _Layer(fn, outcome, most, without, strict=more is None)
    judged.examine()
    limits = judge_errors(
        outcome, lambda case: any(not one.fits(case) for one in judged.known), _HINT
    )
    told = {finding.quantity for finding in outcome.findings} | judged.excused
    right = [quantity for quantity in QUANTITIES if quantity in outcome.results.keys() - told]
    seen = {q: len(outcome.results[q]) for q in right if len(outcome.results[q]) < outcome.tried}
    met = {*outcome.results, *unexamined}
    missing = [quantity for quantity in QUANTITIES if quantity not in met]
    unseen = {}
    if fixed or limits:
        unseen = {q: hidden(q, [case for case, _ in outcome.results[q]]) for q in right}
    return Report(outcome.findings, right, missing, outcome.tried, unseen, seen,
                  [q for q in unexamined if q not in told], limits, outcome.notes)  # fmt: skip


class _Layer:
    """What came out of a layer, on the way to a report.

    `known` are the mistakes that explain something. `excused` are quantities that differ from those
    of a cross-correlation, and are nevertheless not wrong by themselves.
    """

    def __init__(
        self, fn: Callable, outcome: Outcome, most: int, without: Collection[str], strict: bool
    ) -> None:
        self.fn, self.outcome, self.most, self.without = fn, outcome, most, without
        self.known: list[Culprits] = []
        self.excused: set[str] = set()
        self.strict = strict  # whether z must be that of a cross-correlation

    def examine(self) -> None:
        """Add what is wrong to the findings."""
        results = self.outcome.results
        wrong = wrong_in(results)
        if {"dw", "db"} <= wrong and means(results):
            self.outcome.note(MEANS)
            wrong -= {"dw", "db"}
        for quantity in QUANTITIES:
            if quantity not in wrong:
                continue
            at(f"what explains {quantity}")
            if quantity == "z" and not self.strict and self._another_kind(results["z"]):
                self.excused = set(results)
                return
            if quantity == "z":
                self._add("z")
                self._excuse(wrong)
            elif quantity not in self.excused:
                self._add(quantity)

    def _add(self, quantity: str) -> None:
        findings, found = _wrong(
            quantity, self.outcome.results[quantity], self.most, self.without, not self.strict
        )
        self.outcome.findings += findings
        self.known += found

    def _another_kind(self, pairs: Pairs) -> bool:
        """Whether z is of another kind of layer; then that is a finding."""
        arrays = [(case, got) for case, got in pairs if got is not None]
        if len(arrays) < len(pairs):
            return False
        words = kind(arrays)
        if not words and only_the_bias(arrays):
            return False
        if not words:
            if find_culprits("z", arrays, 1, self.without):
                return False  # a mistake of a cross-correlation
            if another_shape(arrays):
                case, got = next((c, z) for c, z in arrays if z.shape != c.right["z"].shape)
                right = case.seen(case.right["z"]).shape
                words = f"shape {case.seen(got).shape}, where a cross-correlation has {right}"
                if find_culprits("z", arrays, 2, self.without):
                    return False
            elif not any(is_right(c.right["z"], got) for c, got in arrays) and not_linear(
                self._z, arrays
            ):
                words = "a layer that is not linear in x or in w"
            else:
                return False
        message = f"z is that of {words}. A diagnosis compares with a cross-correlation."
        if words.startswith("shape"):
            message = f"z has the {words}. Nothing was compared with it."
        message += self._fitting({"dx", "dw", "db"} & self.outcome.results.keys())
        case = next(case for case, got in arrays if not is_right(case.right["z"], got))
        self.outcome.findings.append(Finding("", None, message, str(case), about=OTHER, open=True))
        return True

    def _fitting(self, quantities: set[str]) -> str:
        """A sentence on which gradients are those of z, for a layer of any kind."""
        fit = [q for q in QUANTITIES if q in quantities and self._fits(q)]
        if not fit:
            return ""
        return f"\n{_list(fit)} {'fits' if len(fit) == 1 else 'fit'} your z by central differences."

    def _excuse(self, wrong: set[str]) -> None:
        """Take out the gradients that are those of this z, where it alone is to be mended.

        That is so for a true convolution, and where nothing known explains z. A known mistake on
        both sides is to be mended on both.
        """
        gradients = wrong - {"z"}
        names = {finding.mistake for finding in self.outcome.findings}
        if self.strict or not gradients:
            return
        if names == {"F1"}:
            turned = as_true_convolution(self.outcome)
            fit = gradients - wrong_in(turned)
            cure = "the layer is a true convolution. Say true_convolution, or mend them all"
            if fit:  # so it is one: the others are judged beside it
                self.outcome.results |= {quantity: turned[quantity] for quantity in gradients}
                self.without = {*self.without, "D1", "D2", "D3", "W2"}
        elif not self.known:
            fit = {quantity for quantity in gradients if self._fits(quantity)}
            cure = "the whole layer is another one than a cross-correlation. Mend them all"
        else:
            return
        if fit:
            self.excused |= fit
            these = [quantity for quantity in QUANTITIES if quantity in fit]
            fits = "fits" if len(these) == 1 else "fit"
            said = f"{_list(these)} {fits} your z: {cure}."
            *others, last = self.outcome.findings
            self.outcome.findings = [*others, replace(last, message=f"{last.message}\n{said}")]

    def _fits(self, quantity: str) -> bool:
        pairs = self.outcome.results[quantity]
        return all(got is not None for _, got in pairs) and own_gradients(self._z, pairs, quantity)

    def _z(self, case: Case) -> np.ndarray | None:
        return output_of(self.fn, case, QUANTITIES, _ORDERS, "z")


def _list(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _wrong(
    quantity: str, results: Pairs, most: int, without: Collection[str], apart: bool
) -> tuple[list[Finding], list[Culprits]]:
    """What is wrong with one quantity, in all cases together, and what explains it.

    With `apart`, also in the cases of one regime apart from the others.
    """
    absent = [case for case, got in results if got is None]
    if absent:
        id = "D23" if quantity == "dx" else None
        mend = mistakes.get(id).mend_in("layer") if id else ""
        return [Finding(quantity, id, f"{quantity} is None.", str(absent[0]), mend=mend)], []
    bad = [(case, got) for case, got in results if not is_right(case.right[quantity], got)]
    case, got = bad[0]

    def finding(id: str | None, message: str, shown: tuple[Case, np.ndarray]) -> Finding:
        pair = shown[0].seen(shown[0].right[quantity]), shown[0].seen(shown[1])
        mend = mistakes.get(id).mend_in("layer") if id and _is_made_in(id, quantity) else ""
        return Finding(quantity, id, message, str(shown[0]), where(*pair), pair, mend=mend)

    if got.shape == case.right[quantity].shape and not np.isfinite(got).all():
        message = f"{quantity} has entries that are not finite. {pattern(quantity, results)}"
        return [finding(None, message, bad[0])], []
    if slips := _activation_slips(quantity, results):
        return [finding(id, said, bad[0]) for id, said in slips.items()], []
    found = find_culprits(quantity, results, most, without)
    if found:
        told = _told(quantity, found)
        return [finding(id, message, bad[0]) for id, message in told.items()], found
    if apart and (said := _apart(quantity, results, without)):
        return [finding(id, message, shown) for id, message, shown in said], []
    shape = (
        "" if got.shape == case.right[quantity].shape else f"{finding(None, '', bad[0]).evidence} "
    )
    if factor := constant_factor(quantity, results):
        return [finding(None, _multiplied(quantity, factor), bad[0])], []
    bias = only_the_bias(results) if quantity == "z" else ""
    message = f"No known mistake gives this. {bias}{shape}{pattern(quantity, results)}"
    return [finding(None, message, bad[0])], []


def _is_made_in(id: str, quantity: str) -> bool:
    """Whether the catalogue makes it there; on other sides its line to mend is another one."""
    return id[0] == "S" or any(s.quantity == quantity and id in s.ids for s in SWITCHES)


def _apart(
    quantity: str, results: Pairs, without: Collection[str]
) -> list[tuple[str | None, str, tuple[Case, np.ndarray]]]:
    """What explains the results of one regime alone, such as padding 0, and what is left.

    A regime counts if it has three wrong results at least, and not all of them.
    """
    bad = [not is_right(case.right[quantity], got) for case, got in results]
    said: list[tuple[str | None, str, tuple[Case, np.ndarray]]] = []
    best = 0
    for words, inside, opposite, outside in parts_of([case for case, _ in results]):
        told, explained = [], 0
        for name, chosen in ((words, inside), (opposite, outside)):
            part = [one for one, here in zip(results, chosen, strict=True) if here]
            wrong = [one for one, here, b in zip(results, chosen, bad, strict=True) if here and b]
            if not wrong:
                continue
            found = find_culprits(quantity, part, 1, without) if len(wrong) >= 3 else []
            if found:
                explained += len(wrong)
                told += [
                    (id, f"With {name}: {text}", wrong[0])
                    for id, text in _told(quantity, found).items()
                ]
            else:
                unknown = f"With {name}: no known mistake gives this. {pattern(quantity, part)}"
                told.append((None, unknown, wrong[0]))
        if explained > best:
            said, best = told, explained
    return said


def _activation_slips(quantity: str, results: Pairs) -> dict[str | None, str]:
    """Entries on the slope of the activation that the layer has inside."""
    name = results[0][0].activation
    if not name or quantity == "z":
        return {}
    ids: dict[str, None] = {}
    for entries, slip in slips(name):
        if all(is_right(replace(c, slip=slip).right[quantity], got) for c, got in results):
            ids |= dict.fromkeys(entries.split())
    same = f"\nThese give the same result; one of them was made: {', '.join(ids)}."
    return {id: mistakes.get(id).cause + (same if len(ids) > 1 else "") for id in ids}


def _told(quantity: str, found: Sequence[Culprits]) -> dict[str | None, str]:
    """What is said, by the entry; a mistake that several pairs contain is told once."""
    said: dict[str | None, str] = {}
    for id, message in _messages(quantity, found):
        said.setdefault(id, message)
    return said


def _messages(quantity: str, found: Sequence[Culprits]) -> Iterator[tuple[str | None, str]]:
    """What is said of each mistake, after its entry of the catalogue or None."""
    alone = dict.fromkeys(
        id for one in found for switch in one.switches for id in switch.ids or ("another one",)
    )
    for culprits in found:
        factor, number = culprits.factor, len(culprits.switches)
        if number == 0:
            yield None, _multiplied(quantity, factor)
        named = ["/".join(switch.ids) for switch in culprits.switches if switch.ids]
        for switch in culprits.switches:
            for id in switch.ids or (None,):
                about = _message(switch, id, factor)
                if number > 1 and named:
                    both = f": {' and '.join(named)}."
                    others = both if len(named) == number else ", this and another one."
                    about += f"\nTwo mistakes together give this result{others}"
                elif len(alone) > 1:
                    same = ", ".join(alone)
                    about += f"\nThese give the same result; one of them was made: {same}."
                yield id, about


def _multiplied(quantity: str, factor: str) -> str:
    if quantity == "z":
        return f"The sums are {factor} times the right ones, the bias is right."
    return f"{quantity} is {factor} times the right one."


def _message(switch: Switch, id: str | None, factor: str) -> str:
    text = " ".join(filter(None, (mistakes.get(id).cause if id else switch.words, switch.side)))
    return text + (f"\nBesides, it is multiplied by {factor}." if factor else "")
