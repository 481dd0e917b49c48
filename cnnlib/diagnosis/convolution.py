"""The diagnosis of somebody's convolution layer."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cnnlib.arrays import read_function, read_integer

from . import mistakes
from .calling import collect, with_errors
from .cases import QUANTITIES, Case, ladder, read_setting
from .mistakes.sums import Switch
from .patterns import pattern, runs_only_with
from .report import Finding, Report, where
from .search import Culprits, find_culprits, hidden, is_right

Layer = Callable[..., Any]
_CALL = "fn(x, w, b, dz, stride, padding)"


def diagnose(
    fn: Layer,
    *,
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] | None = None,
    seed: int = 0,
) -> Report:
    """Say what is wrong with somebody's convolution, where, and which known mistake it is.

    The function is run on configurations that expose mistakes, from the simplest to the most
    awkward, and every entry is compared with

        z[n,i,k]  = b[k] + sum over rows (i,u,p), c of w[k,u,c] * x[n,p,c]
        dx[n,p,c] = sum over rows (i,u,p), k of w[k,u,c] * dz[n,i,k]
        dw[k,u,c] = sum over rows (i,u,p), n of x[n,p,c] * dz[n,i,k]
        db[k]     = sum over n, i of dz[n,i,k]

    where the rows are those of `cnnlib.connections` (chapters 1, 3 and 4).

    Parameters
    ----------
    fn : callable
        `fn(x, w, b, dz, stride, padding)`, called by position with NumPy arrays: `x` (N, H, W, C),
        `w` (K, kh, kw, C), `b` (K,), the upstream delta `dz` (N, oh, ow, K), an integer stride and
        padding. It is a cross-correlation, and returns a dict with any of `z` (or `y`), `dx`, `dw`,
        `db`. `channels_first` and `true_convolution` adapt functions of other conventions.
    stride, padding : int or pair, optional
        What the function is limited to. It gets exactly this, and the report lists the mistakes
        that nobody could see there.
    seed : int
        Of the random numbers in the arrays.

    Returns
    -------
    Report
        `findings`, `right`, `ok`; `print` it.

    Raises
    ------
    InputError
        `fn` cannot be called, or stride or padding are not possible.

    Examples
    --------
    >>> import cnnlib
    >>> def layer(x, w, b, dz, stride, padding):
    ...     return {"db": dz.mean(axis=(0, 1, 2))}
    >>> report = cnnlib.diagnose(layer)
    >>> [(finding.quantity, finding.mistake) for finding in report.findings]
    [('db', 'B3')]
    """
    read_function("fn", fn, _CALL)
    stride, padding = read_setting("stride", stride, 1), read_setting("padding", padding, 0)
    cases = ladder(stride, padding, np.random.default_rng(read_integer("seed", seed, 0)))
    report = examine_layer(fn, cases)
    fixed = stride is not None or padding is not None
    unseen = {quantity: hidden(quantity, cases) for quantity in report.right} if fixed else {}
    return replace(report, hidden=unseen)


def examine_layer(
    fn: Layer, cases: Sequence[Case], most: int = 2, without: Collection[str] = ()
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
    """
    outcome = collect(fn, cases, QUANTITIES)
    known: list[Culprits] = []
    for quantity in QUANTITIES:
        if quantity in outcome.results:
            findings, found = _wrong(quantity, outcome.results[quantity], most, without)
            outcome.findings += findings
            known += found
    outcome.findings = with_errors(
        outcome,
        lambda case: any(not one.fits(case) for one in known),
        lambda failing: runs_only_with([case for case in cases if case not in failing], failing),
    )
    told = {finding.quantity for finding in outcome.findings}
    right = [quantity for quantity in outcome.results if quantity not in told]
    missing = [quantity for quantity in QUANTITIES if quantity not in outcome.results]
    return Report(outcome.findings, right, missing, outcome.tried)


def channels_first(fn: Layer) -> Layer:
    """Adapt a function whose arrays are (N, C, H, W), (K, C, kh, kw) and (N, K, oh, ow)."""
    read_function("fn", fn, _CALL)

    def adapted(
        x: np.ndarray, w: np.ndarray, b: np.ndarray, dz: np.ndarray, stride: int, padding: int
    ) -> Any:
        x, w, dz = (np.ascontiguousarray(np.moveaxis(a, -1, 1)) for a in (x, w, dz))
        returned = fn(x, w, b, dz, stride, padding)
        return _each(returned, lambda q, a: np.moveaxis(a, 1, -1) if a.ndim == 4 else a)

    return adapted


def true_convolution(fn: Layer) -> Layer:
    """Adapt a function that convolves truly: its kernel, and its dw, are turned by 180 degrees."""
    read_function("fn", fn, _CALL)

    def adapted(
        x: np.ndarray, w: np.ndarray, b: np.ndarray, dz: np.ndarray, stride: int, padding: int
    ) -> Any:
        returned = fn(x, np.flip(w, (1, 2)).copy(), b, dz, stride, padding)
        return _each(returned, lambda q, a: np.flip(a, (1, 2)) if q == "dw" and a.ndim == 4 else a)

    return adapted


def _each(returned: Any, change: Callable[[str, np.ndarray], np.ndarray]) -> Any:
    if not isinstance(returned, Mapping):
        return returned
    return {q: a if a is None else change(q, np.asarray(a)) for q, a in returned.items()}


def _wrong(
    quantity: str, results: list[tuple[Case, Any]], most: int, without: Collection[str]
) -> tuple[list[Finding], list[Culprits]]:
    """What is wrong with one quantity, in all cases together, and what explains it."""
    absent = [case for case, got in results if got is None]
    if absent:
        id = "D23" if quantity == "dx" else None
        return [Finding(quantity, id, f"{quantity} is None.", str(absent[0]))], []
    bad = [(case, got) for case, got in results if not is_right(case.right[quantity], got)]
    if not bad:
        return [], []
    case, got = bad[0]
    right = case.right[quantity]
    pair = case.seen(right), case.seen(got)
    shown = where(*pair)

    def finding(id: str | None, message: str) -> Finding:
        return Finding(quantity, id, message, str(case), shown, pair)

    if got.shape == right.shape and not np.isfinite(got).all():
        message = f"{quantity} has entries that are not finite. {pattern(quantity, results)}"
        return [finding(None, message)], []
    found = find_culprits(quantity, results, most, without)
    if not found:
        shape = "" if got.shape == right.shape else f"{shown} "
        message = f"No known mistake gives this. {shape}{pattern(quantity, results)}"
        return [finding(None, message)], []
    messages: dict[str | None, str] = {}
    for id, message in _messages(quantity, found):
        messages.setdefault(id, message)  # a mistake that several pairs contain is told once
    return [finding(id, message) for id, message in messages.items()], found


def _messages(quantity: str, found: Sequence[Culprits]) -> Iterator[tuple[str | None, str]]:
    """What is said of each mistake, after its entry of the catalogue or None."""
    alone = dict.fromkeys(id for one in found for switch in one.switches for id in switch.ids)
    for culprits in found:
        factor, number = culprits.factor, len(culprits.switches)
        if number == 0 and quantity == "z":
            yield None, f"The sums are {factor} times the right ones, the bias is right."
        elif number == 0:
            yield None, f"{quantity} is {factor} times the right one."
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


def _message(switch: Switch, id: str | None, factor: str) -> str:
    text = mistakes.get(id).cause if id else switch.words
    return text + (f"\nBesides, it is multiplied by {factor}." if factor else "")
