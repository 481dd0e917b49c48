"""The diagnosis of pooling and of the head."""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from cnnlib.arrays import read_integer, read_truth, read_word

from . import mistakes
from .calling import Outcome, check_callable, collect, find_limits
from .conventions import squeezed
from .errors import judge_errors
from .mistakes import choices
from .mistakes.choices import HEAD, LOSS, POOL, POOL_FORWARD, Places, Setting
from .patterns import pattern
from .progress import at, shown
from .report import Finding, Report, is_right, where
from .settings import Facts, built, enough, keeping, read_limits
from .settings import Setting as Limit


@dataclass(frozen=True)
class PartCase:
    """A part of the network in one configuration: what it gets, and what its choices give."""

    given: tuple
    words: str
    predict: Callable[[Setting], Mapping[str, Any]]
    facts: Facts | None = None  # of a pool

    @cached_property
    def right(self) -> Mapping[str, np.ndarray]:
        """What comes out with the right choices."""
        return self.predict({})

    def arguments(self) -> tuple:
        """Fresh copies of what the function gets."""
        return copy.deepcopy(self.given)

    def __str__(self) -> str:
        return self.words


def diagnose_pool(
    fn: Callable,
    *,
    kind: str = "max",
    stride: int | str | None = None,
    limits: Iterable[str] = (),
    seed: int = 0,
) -> Report:
    """Say what is wrong with somebody's pooling, as `cnnlib.diagnose` does for a convolution.

        max:      a[n,i,c] = max over rows (i,u,p) of x[n,p,c]; its delta goes to the smallest p
        average:  a[n,i,c] = sum over rows (i,u,p) of x[n,p,c] / (kh*kw)

    There is no padding, and a remainder is dropped (chapters 1 and 3).

    Parameters
    ----------
    fn : callable
        `fn(x, da, window, stride)`, called by position: `x` (N, H, W, C), the upstream delta `da`
        (N, oh, ow, C), two integers for square windows. It returns a dict with `a`, `dx`, or both,
        or a tuple `(a, dx)`.
    kind : {'max', 'avg'}
        Which pooling it is.
    stride : int, optional
        A stride that the function is limited to; 'window' for the window's own size.
    limits : collection of str
        Other limits, as in `cnnlib.diagnose`: 'square input', 'exact fit', 'one channel' ...
    seed : int
        Of the random numbers.

    Raises
    ------
    InputError
        An argument is not among these.

    Examples
    --------
    >>> def doubled(x, da, window, stride):
    ...     a, winners = cnnlib.max_pool(x, window, stride=stride)
    ...     return {"dx": 2 * cnnlib.max_pool_delta(da, winners, x.shape)}
    >>> import cnnlib
    >>> diagnose_pool(doubled).findings[0].message
    'dx is 2 times the right one.'
    """
    check_callable(fn, "fn(x, da, window, stride)", 4)
    read_word("kind", kind, ("max", "avg"))
    if stride is not None and not (isinstance(stride, str) and stride == "window"):
        stride = read_integer("stride", stride, 1)
    seed = read_integer("seed", seed, 0)
    declared = read_limits(limits)
    ties = (False, True) if kind == "max" else (False,)

    def ladder(more: Sequence[Limit]) -> list[PartCase]:
        rng, limits = np.random.default_rng(seed), [*declared, *more]
        made: dict[Facts, None] = {}
        for N, H, W, C, k, s in _POOL_LADDER:
            if stride is not None:
                s = k if isinstance(stride, str) else stride
            facts = Facts(N, C, None, (H, W), (k, k), (s, s), ((0, 0), (0, 0)))
            made[built(facts, limits)] = None
        kept = zip(made, keeping(list(made), limits), strict=True)
        chosen = [facts for facts, keeps in kept if keeps]
        return [_pool_case(kind, facts, tied, rng) for facts in chosen for tied in ties]

    other = "divide" if kind == "max" else "winner"  # a choice that this kind does not have
    places = {name: values for name, values in POOL.items() if name != other}
    return examine_choices(
        fn,
        ladder(()),
        {"a": POOL_FORWARD, "dx": places},
        more=ladder,
        orders=(("a", "dx"),),
        part="pool",
    )


# N, H, W, C, window, stride: side by side, with a remainder, overlapping, with gaps; squares with
# several maps.
_POOL_LADDER = (
    (1, 2, 2, 1, 2, 2),
    (1, 4, 4, 1, 2, 2),
    (1, 4, 4, 2, 2, 2),
    (2, 4, 4, 1, 2, 2),
    (2, 4, 6, 2, 2, 2),
    (1, 5, 4, 1, 2, 2),
    (1, 4, 3, 1, 2, 1),
    (2, 6, 6, 3, 2, 2),
    (2, 5, 5, 2, 3, 2),
    (2, 7, 6, 3, 3, 2),
    (2, 5, 7, 2, 2, 3),
)


def _pool_case(kind: str, facts: Facts, tied: bool, rng: np.random.Generator) -> PartCase:
    N, C, (H, W) = facts.samples, facts.channels, facts.image
    k, s = facts.kernel[0], facts.strides[0]
    count = N * H * W * C
    # All distinct and all negative, or only a few values; halves, so that sums are exact.
    values = rng.integers(0, 3, count) if tied else rng.permutation(count) - count - 1
    x = values.reshape(N, H, W, C) / 2
    right = choices.right({**POOL, **POOL_FORWARD})
    a = choices.pool(x, (k, k), (s, s), right, kind)
    da = rng.choice([-1, 1], a.shape) * rng.integers(1, 9, a.shape) / 2

    def predict(setting: Setting) -> Mapping[str, np.ndarray]:
        whole = {**right, **setting}
        return {
            "a": choices.pool(x, (k, k), (s, s), whole, kind),
            "dx": choices.pool_delta(x, da, (k, k), (s, s), whole, kind),
        }

    words = f"N={N}, {H}x{W} cells, C={C}, window {k}, stride {s}{', with ties' if tied else ''}"
    return PartCase((x, da, k, s), words, predict, facts)


def diagnose_head(fn: Callable, *, relu: bool = False, seed: int = 0) -> Report:
    """Say what is wrong with a dense layer with softmax and cross-entropy.

        z = x @ w + b,  p[n,k] = exp(z[n,k]) / sum over m of exp(z[n,m])
        loss = mean over n of -log p[n,t[n]],  dz[n,k] = (p[n,k] - (k == t[n])) / N

    Parameters
    ----------
    fn : callable
        `fn(x, w, b, t)`, called by position: `x` (N, D), `w` (D, K), `b` (K,), class numbers `t`
        (N,). It returns a dict with any of `p`, `loss`, `dz` (the delta of z), `dw`, `db`, `dx`. A
        logarithm that is guarded, log(p + eps) or a clipped p, is recognised.
    relu : bool
        Whether `x` first goes through a ReLU, which is then part of the function: z = max(x, 0) @ w
        + b, and `dx` is the delta before the ReLU.
    seed : int
        Of the random numbers.

    Examples
    --------
    >>> def head(x, w, b, t):
    ...     p = np.exp(x @ w + b)
    ...     p /= p.sum(axis=1, keepdims=True)
    ...     return {"dz": p - np.eye(len(b))[t]}
    >>> [(finding.quantity, finding.mistake) for finding in diagnose_head(head).findings]
    [('dz', 'S5')]
    """
    check_callable(fn, "fn(x, w, b, t)", 4)
    relu = read_truth("relu", relu)
    rng = np.random.default_rng(read_integer("seed", seed, 0))
    sizes = (1, 2, 2), (1, 3, 2), (2, 2, 3), (4, 3, 2), (5, 4, 3)
    cases = [_head_case(N, D, K, relu, rng) for N, D, K in sizes]
    softmax = {"softmax": HEAD["softmax"]}
    shared = {**softmax, **{name: HEAD[name] for name in ("mean", "delta")}}
    own = {"db": "bias"} | ({"dx": "relu", "dw": "input"} if relu else {})
    gradients = {
        q: {**shared, **({own[q]: HEAD[own[q]]} if q in own else {})}
        for q in ("dz", "dw", "db", "dx")
    }
    places: dict[str, Places] = {"p": softmax, "loss": {**softmax, **LOSS}, **gradients}
    return examine_choices(fn, cases, places, understood=_conventions, part="head")


def _conventions(outcome: Outcome) -> None:
    """Recognise a guarded logarithm, and the mean that is taken after dz."""
    _guarded(outcome)
    _mean_after_dz(outcome)


def _mean_after_dz(outcome: Outcome) -> None:
    """Read dz = p - t as right where dw and db, which have the 1/N, are right."""
    results = outcome.results
    after = [quantity for quantity in ("dw", "db") if quantity in results]
    if (
        not after
        or "dz" not in results
        or _is_times_n("dz", outcome, 0)
        or not _is_times_n("dz", outcome, 1)
        or not all(_is_times_n(quantity, outcome, 0) for quantity in after)
    ):
        return
    whole = [q for q in ("dz", "dx") if q in results and _is_times_n(q, outcome, 1)]
    for quantity in whole:
        results[quantity] = [(case, case.right[quantity]) for case, _ in results[quantity]]
    outcome.note(
        f"{' and '.join(whole)} without the 1/N of the mean loss, which {' and '.join(after)} "
        "have: right if the layers before divide as well."
    )


def _is_times_n(quantity: str, outcome: Outcome, power: int) -> bool:
    """Whether this is right everywhere but for this power of N."""
    return all(
        got is not None and is_right(case.right[quantity] * len(case.given[0]) ** power, got)
        for case, got in outcome.results[quantity]
    )


def _guarded(outcome: Outcome) -> None:
    """Read a loss with a guarded logarithm as the loss without the guard."""
    pairs = outcome.results.get("loss", [])
    if any(got is None or got.shape != () for _, got in pairs) or not pairs:
        return
    if all(is_right(case.right["loss"], got) for case, got in pairs):
        return
    case, got = max(pairs, key=lambda pair: abs(pair[1] - pair[0].right["loss"]))
    for words, guard in (("p + eps", np.add), ("max(p, eps)", np.maximum)):

        def loss(case: PartCase, eps: float, guard: Callable = guard) -> np.ndarray:
            t = case.given[3]
            return -np.log(guard(case.right["p"][np.arange(len(t)), t], eps)).mean()

        low, high = 0.0, 0.1  # the loss falls as eps grows
        for _ in range(200):
            eps = (low + high) / 2
            low, high = (eps, high) if loss(case, eps) > got else (low, eps)
        if eps < 0.09 and all(abs(loss(one, eps) - a) <= 1e-9 for one, a in pairs):
            outcome.results["loss"] = [(one, one.right["loss"]) for one, _ in pairs]
            outcome.note(f"The loss has log({words}) with eps = {eps:.2g}: it is compared as such.")
            return


def _head_case(N: int, D: int, K: int, relu: bool, rng: np.random.Generator) -> PartCase:
    x, w, b = rng.normal(size=(N, D)), rng.normal(size=(D, K)), rng.normal(size=K)
    t = rng.integers(0, K, N)
    right = choices.right({**LOSS, **HEAD})

    def predict(setting: Setting) -> Mapping[str, np.ndarray]:
        return choices.head(x, w, b, t, {**right, **setting}, relu=relu)

    return PartCase((x, w, b, t), f"N={N}, {D} inputs, {K} classes", predict)


@shown
def examine_choices(
    fn: Callable,
    cases: Sequence[PartCase],
    places: Mapping[str, Places],
    *,
    more: Callable[[Sequence[Limit]], Sequence[PartCase]] | None = None,
    orders: Sequence[tuple[str, ...]] = (),
    understood: Callable[[Outcome], None] = lambda _: None,
    part: str = "",
) -> Report:
    """Run the function on all cases and look for the choices that give what came out.

    `more` builds cases within limits, `orders` are those of tuples, `understood` reads conventions.
    `part` is the one of a network whose lines are shown to mend: 'pool', 'head' or 'step'.
    """
    outcome = collect(fn, cases, list(places), orders)
    forgets = not outcome.findings
    if more is not None and forgets:
        find_limits(fn, outcome, list(places), orders, more)
    squeezed(outcome, [quantity for quantity in ("db", "loss") if quantity in places])
    understood(outcome)
    joint: list[Setting] = []
    if len({id(one) for one in places.values()}) == 1:  # one mistake may show in all quantities
        joint = _explaining(outcome.results, next(iter(places.values())))
    for quantity, results in outcome.results.items():
        at(f"what explains {quantity}")
        own = _possible(quantity, outcome, places)
        settings = joint or _explaining({quantity: results}, own)
        outcome.findings += _wrong(quantity, results, own, settings)
    if not forgets:  # of a function that remembers only this is known: what it remembers
        kept = [one for one in outcome.findings if one.mistake == "W13"]
        outcome.findings = kept or [one for one in outcome.findings if one.open]
    _repeated(outcome, places)
    if part:
        outcome.findings[:] = [
            replace(one, mend=mistakes.get(one.mistake).mend_in(part) if one.mistake else "")
            for one in outcome.findings
        ]
    limits = judge_errors(outcome)
    told = {finding.quantity for finding in outcome.findings}
    given = {quantity: len(pairs) for quantity, pairs in outcome.results.items()}
    few = [q for q, number in given.items() if q not in told and not enough(number, len(cases))]
    right = [quantity for quantity in given if quantity not in {*told, *few}]
    seen = {quantity: given[quantity] for quantity in right if given[quantity] < outcome.tried}
    missing = [quantity for quantity in places if quantity not in outcome.results]
    return Report(outcome.findings, right, missing, outcome.tried, {}, seen, few, limits,
                  outcome.notes)  # fmt: skip


def _repeated(outcome: Outcome, places: Mapping[str, Places]) -> None:
    """Name P6 where NumPy cannot join what was repeated with the input."""
    if "spread" not in places.get("dx", {}) or "dx" not in outcome.results or not outcome.errors:
        return

    def repeats(case: PartCase) -> bool:
        x, da, window, _ = case.given
        return any(n != window * i for n, i in zip(x.shape[1:3], da.shape[1:3], strict=True))

    if all(
        not failure.meant and "broadcast" in failure.text and repeats(case)
        for case, failure in outcome.errors
    ):
        case, failure = outcome.errors[0]
        message = f"{mistakes.get('P6').cause}\nWhere that does not fit, {failure.text}."
        outcome.findings.append(Finding("dx", "P6", message, str(case), failure.line))
        outcome.errors.clear()


def _possible(quantity: str, outcome: Outcome, places: Mapping[str, Places]) -> Places:
    """The places at which this quantity may go wrong.

    Where another one that has the place in common is right, nothing is wrong there.
    """
    right = [
        other
        for other, pairs in outcome.results.items()
        if other != quantity
        and all(got is not None and is_right(case.right[other], got) for case, got in pairs)
    ]
    return {
        name: values
        for name, values in places[quantity].items()
        if not any(places[other].get(name) is values for other in right)
    }


def _explaining(results: Mapping[str, list[tuple[PartCase, Any]]], places: Places) -> list[Setting]:
    """The settings with the fewest wrong choices that give all these results."""
    every = [(q, case, got) for q, pairs in results.items() for case, got in pairs]
    if any(got is None for *_, got in every):
        return []

    def right(one: tuple[str, PartCase, np.ndarray]) -> bool:
        quantity, case, got = one
        return is_right(case.right[quantity], got)

    every.sort(key=right)  # the wrong ones first: they refute most settings at once
    found: list[Setting] = []
    for setting in choices.settings(places):
        number = len(choices.mistaken(places, setting))
        if found and number > len(choices.mistaken(places, found[0])):
            break
        if all(_gives(case, setting, quantity, got) for quantity, case, got in every):
            found.append(setting)
    return found


def _wrong(
    quantity: str, results: list[tuple[PartCase, Any]], places: Places, settings: Sequence[Setting]
) -> list[Finding]:
    """What is wrong with one quantity; `settings` explain it."""
    absent = [case for case, got in results if got is None]
    if absent:
        return [Finding(quantity, None, f"{quantity} is None.", str(absent[0]))]
    bad = [(case, got) for case, got in results if not is_right(case.right[quantity], got)]
    if not bad:
        return []
    case, got = bad[0]
    pair = (case.right[quantity], got)
    shown = where(*pair)
    slips = [choices.mistaken(places, setting) for setting in settings]
    alone = dict.fromkeys(slip.id or slip.sentence for one in slips for slip in one)
    found: dict[str, Finding] = {}
    for slip in (slip for one in slips for slip in one):
        about = mistakes.get(slip.id).cause if slip.id else slip.sentence
        if (
            len(alone) > 1
            and all(len(one) == 1 for one in slips)
            and all(slip.id for one in slips for slip in one)
        ):
            about += f"\nThese give the same result; one of them was made: {', '.join(alone)}."
        key = slip.id or slip.sentence
        found.setdefault(key, Finding(quantity, slip.id, about, str(case), shown, pair))
    if found:
        return list(found.values())
    message = _factor(quantity, results)
    if not message:
        known = all(one.facts for one, _ in results)
        where_right = f" {pattern(quantity, results)}" if known else ""
        message = f"No known mistake gives this.{where_right}"
    return [Finding(quantity, None, message, str(case), shown, pair)]


def _gives(case: PartCase, setting: Setting, quantity: str, got: np.ndarray) -> bool:
    predicted = case.predict(setting)[quantity]
    return predicted.shape == got.shape and is_right(predicted, got)


def _factor(quantity: str, results: list[tuple[PartCase, Any]]) -> str:
    """A sentence if the result is the right one times the same number everywhere."""
    for factor, said in ((2.0, "2"), (0.5, "1/2"), (-1.0, "-1"), (0.0, "0")):
        if all(
            got.shape == case.right[quantity].shape and is_right(factor * case.right[quantity], got)
            for case, got in results
        ):
            return f"{quantity} is {said} times the right one."
    return ""
