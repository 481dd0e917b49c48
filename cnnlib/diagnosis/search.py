"""Finds the mistakes that give a result: one alone, a known factor, or two together."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations, product

import numpy as np

from .cases import Case
from .guesses import GUESSES
from .mistakes.sums import DoesNotFit, Sum, Switch
from .mistakes.switches import SWITCHES
from .report import is_close, is_right, tolerance

# Mistakes whose last windows hang over the edge. What a program finds there is its own affair.
_HANGING = ("no_kernel", "height_for_width", "stride_at_the_weight")
# Guesses that give in some layers what an entry of the catalogue gives: both are then named.
_BESIDE = ("other_padding_cut_off",)


Results = Sequence[tuple[Case, np.ndarray]]  # what came out in each case


@dataclass(frozen=True)
class Culprits:
    """Mistakes that together give exactly what came out, in every case."""

    switches: tuple[Switch, ...]
    factor: str = ""  # what the right result is multiplied by, in the letters of the shapes

    def fits(self, case: Case) -> bool:
        """Whether the mistakes can be made in this case without an error."""
        quantities = {switch.quantity for switch in self.switches}
        return all(_predicted(q, self.switches, case) is not None for q in quantities)


def find_culprits(
    quantity: str, results: Results, most: int = 2, without: Collection[str] = ()
) -> list[Culprits]:
    """The simplest sets of mistakes that give what came out, none if nothing known does.

    They are looked for in this order, and the first step that finds some is the last:

    1. one mistake of the catalogue; one guess; the right result times a known factor;
    2. if `most` is 2, also two mistakes of the catalogue; one, or a guess, times a factor; a
       mistake and a guess; two guesses.

    A mistake all of whose entries are in `without` is left out.

    Examples
    --------
    >>> from cnnlib.diagnosis.cases import ladder
    >>> cases = ladder(stride=1, padding=None, rng=np.random.default_rng(0))
    >>> [found] = find_culprits("db", [(case, case.dz.mean(axis=(0, 1, 2))) for case in cases])
    >>> [(switch.name, switch.ids) for switch in found.switches]
    [('mean_for_sum', ('B3',))]
    """
    # The cases in which a mistake shows come first: most guesses then fail at once.
    results = sorted(results, key=lambda result: not _differs(quantity, *result))

    def sought(s: Switch) -> bool:
        return s.quantity == quantity and not (s.ids and set(s.ids) <= set(without))

    named, guesses = list(filter(sought, SWITCHES)), list(filter(sought, GUESSES))
    one_named, one_guess = [(switch,) for switch in named], [(switch,) for switch in guesses]
    beside = [(switch,) for switch in guesses if switch.name in _BESIDE]
    # Generators: a step is computed only if those before it found nothing.
    steps = [
        _fitting(quantity, [*one_named, *beside], results),
        _fitting(quantity, one_guess, results),
        _multiplied(quantity, [()], results),
    ]
    if most == 2:
        steps.append(_pairs(quantity, named, guesses, results))
    for step in steps:
        if found := list(step):
            return found
    return []


def _pairs(
    quantity: str, named: list[Switch], guesses: list[Switch], results: Results
) -> Iterator[Culprits]:
    """What two mistakes give, or one and a factor; of those that fit some of the shapes."""

    def fit(switches: list[Switch]) -> list[Switch]:
        some = [case for case, _ in results[:: max(1, len(results) // 4)]]
        return [one for one in switches if any(_can(quantity, one, case) for case in some)]

    named, guesses = fit(named), fit(guesses)
    alone = [switch for switch in guesses if not switch.ids]  # those that may be one of two
    # Two shifts are one.
    two_guesses = ((a, b) for a, b in combinations(alone, 2) if a.name != b.name)
    for step in (
        _fitting(quantity, combinations(named, 2), results),
        _multiplied(quantity, ((switch,) for switch in named), results),
        _multiplied(quantity, ((switch,) for switch in guesses), results),
        _fitting(quantity, product(named, alone), results),
        _fitting(quantity, two_guesses, results),
    ):
        found = False
        for culprits in step:
            found = True
            yield culprits
        if found:
            return


def hidden(quantity: str, cases: Iterable[Case]) -> list[str]:
    """The mistakes of the catalogue that change nothing in any of the cases."""
    cases = list(cases)
    seen: set[str] = set()
    possible: dict[str, None] = {}
    for switch in SWITCHES:
        if switch.quantity == quantity:
            possible |= dict.fromkeys(switch.ids)
            if any(
                _differs(quantity, case, _predicted(quantity, (switch,), case)) for case in cases
            ):
                seen |= set(switch.ids)
    return [id for id in possible if id not in seen]


_Candidates = Iterable[tuple[Switch, ...]]


def _fitting(quantity: str, candidates: _Candidates, results: Results) -> Iterator[Culprits]:
    for switches in candidates:
        if _explains_all(quantity, switches, results):
            yield Culprits(switches)


def _multiplied(quantity: str, candidates: _Candidates, results: Results) -> Iterator[Culprits]:
    for switches in candidates:
        if factor := _factor(quantity, switches, results):
            yield Culprits(switches, factor)


def _explains_all(quantity: str, switches: Sequence[Switch], results: Results) -> bool:
    """Whether every result is what the mistakes give, as far as they fit.

    Where they do not, a program raises, or NumPy stretches an axis of length 1 and something else
    comes out. That is no evidence, so most of the wrong results, and two at least, must be others.
    """
    fitting = unfitting = 0
    for case, got in results:
        predicted = _predicted(quantity, switches, case)
        if predicted is None:
            unfitting += 1
            if 2 * unfitting > len(results):
                return False
        elif not _explains(quantity, switches, case, got, predicted):
            return False
        else:
            fitting += _differs(quantity, case, _filled(predicted, case.right[quantity]))
    return fitting > 0 if not unfitting else fitting >= max(2, unfitting)


def _explains(
    quantity: str, switches: Sequence[Switch], case: Case, got: np.ndarray, predicted: np.ndarray
) -> bool:
    if predicted.shape != got.shape:
        return False
    allowed = tolerance(case.right[quantity], got)
    if quantity == "db" or not any(switch.name == "overwritten" for switch in switches):
        return is_close(_filled(predicted, got), got, allowed)
    # Which term stays depends on the order of the loops: any of them will do.
    s = case.sum(quantity, switches)
    return any(_one_of(*s.terms(apart=apart), s, got, allowed) for apart in (False, True))


def _hanging_marked(s: Sum, result: np.ndarray) -> np.ndarray:
    """NaN in the entries to which a cell outside the padded input belongs."""
    lows = np.array([[-before] for before, _ in s.pads])
    ends = np.array([[a.inputs + after] for a, (_, after) in zip(s.axes, s.pads, strict=True)])
    outside = ((s.p < lows) | (s.p >= ends)).any(axis=0)
    result = result.copy()
    result[:, *s.target[:, outside]] = np.nan
    return result


def _filled(predicted: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The prediction, with the other's numbers where anything may stand."""
    if predicted.shape != other.shape:
        return predicted
    return np.where(np.isnan(predicted), other, predicted)


def _one_of(target: np.ndarray, terms: np.ndarray, s: Sum, got: np.ndarray, allowed: float) -> bool:
    """Whether each entry of `got` is one of the terms that belong into it, or 0 where none does."""
    if s.quantity == "z" and s.b is not None:
        got = got - s.b
    lines = np.moveaxis(got.reshape(len(got), -1, got.shape[-1]), 1, 0)
    padded = _meeting_padding(s)
    for cell, line in enumerate(lines):
        own = terms[target == cell]
        if not len(own) or cell in padded:  # a padded array has zeros to multiply
            own = np.concatenate([own, np.zeros_like(line)[None]])
        if (np.abs(own - line).min(axis=0) > allowed).any():
            return False
    return True


def _meeting_padding(s: Sum) -> set[int]:
    """The flat entries of z or dw to which a cell outside the input belongs."""
    if s.quantity == "dx":
        return set()
    inside = [
        ((0 <= index) & (index < np.array(limits)[:, None])).all(axis=0)
        for index, limits in ((s.target, s.shape), (s.p, [axis.inputs for axis in s.axes]))
    ]
    rows = s.target[:, inside[0] & ~inside[1]]
    return set(np.ravel_multi_index(tuple(rows), s.shape).tolist())


def _predicted(quantity: str, switches: Sequence[Switch], case: Case) -> np.ndarray | None:
    try:
        s = case.sum(quantity, switches)
        if any(switch.name in _HANGING for switch in switches):
            s.after.insert(0, partial(_hanging_marked, s))
        return s.result()
    except (DoesNotFit, ValueError, IndexError):
        return None


def _can(quantity: str, switch: Switch, case: Case) -> bool:
    """Whether the mistake can be made in this case; what it gives is not computed."""
    try:
        case.sum(quantity, (switch,))
    except (DoesNotFit, ValueError, IndexError):
        return False
    return True


def _differs(quantity: str, case: Case, got: np.ndarray | None) -> bool:
    return got is not None and not is_right(case.right[quantity], got)


def _factor(quantity: str, switches: Sequence[Switch], results: Results) -> str:
    """What the prediction must be multiplied by in all cases, or '' if no known factor does it."""
    names: set[str] | None = None
    for case, got in results:
        s = _predicted(quantity, switches, case)
        if s is None or s.shape != got.shape:
            return ""
        bias = case.b if quantity == "z" else 0  # a factor of the sums leaves the bias as it is
        fitting = {
            name
            for name, value in _factors(case)
            if is_close((s - bias) * value + bias, got, tolerance(case.right[quantity], got))
        }
        names = fitting if names is None else names & fitting
        if not names:
            return ""
    return min(names, key=len) if names and "1" not in names else ""


def constant_factor(quantity: str, results: Results) -> str:
    """The number that the right result is multiplied by in all cases, or ''."""
    factors = set()
    for case, got in results:
        right, bias = case.right[quantity], case.b if quantity == "z" else 0
        sums = right - bias
        if got.shape != right.shape or not sums.any():
            return ""
        factor = float(((got - bias) * sums).sum() / (sums * sums).sum())
        if not is_close(sums * factor + bias, got, tolerance(right, got)):
            return ""
        factors.add(f"{factor:.4g}")
    return factors.pop() if len(factors) == 1 else ""


def _factors(case: Case) -> Iterator[tuple[str, float]]:
    yield from (("1", 1.0), ("-1", -1.0), ("2", 2.0), ("1/2", 0.5))
    for name, size in case.sizes.items():
        yield name, float(size)
        yield f"1/{name}" if name.isidentifier() else f"1/({name})", 1 / size
