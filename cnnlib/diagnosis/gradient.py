"""The diagnosis of any way back: what it returns, beside the slopes of the way there."""

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnnlib.arrays import read_integer
from cnnlib.errors import InputError, raised

from . import mistakes
from .calling import Outcome, collect, plain, unread
from .differences import Slopes, slopes
from .errors import judge_errors
from .inputs import Given, Inputs, configurations
from .likenesses import Seen, likeness
from .mistakes.slopes import named
from .passes import Form, Passes
from .progress import each, shown
from .report import Finding, Report, where
from .settings import enough

_OUTPUT = "output"
_MOST = 150  # entries of an argument that are moved; of a larger one so many are drawn
_RAISED = (Exception, SystemExit)  # what the reader's code may do, wherever it runs
_SLOPES = 3 * 10**7  # of outputs by inputs: seconds, and 0.3 GB
_RIGHT = 2  # how well a form fits, at best
_KNOWN = 0.5  # the part of a gradient that must meet no kink


@dataclass(frozen=True, eq=False)
class GradientCase:
    """One configuration: the inputs, and the deltas of their output."""

    given: Given
    deltas: np.ndarray

    def arguments(self) -> tuple:
        """Fresh copies of inputs and deltas."""
        return copy.deepcopy((*self.given.values.values(), self.deltas))

    @property
    def names(self) -> tuple[str, ...]:
        """What the arguments are called."""
        return (*self.given.values, "the deltas")

    @property
    def right(self) -> Mapping[str, np.ndarray]:
        """Nothing is known before slopes are taken."""
        return {}

    def __str__(self) -> str:
        return str(self.given)


def diagnose_gradient(
    forward: Any, backward: Any = None, inputs: Inputs = (), *, seed: int = 0
) -> Report:
    """Say what is wrong with the way back of anything that has a way there.

        dx[p] = sum over o of deltas[o] * d output[o] / d x[p]

    for each input x, by central differences of forward with random deltas. That covers batch
    normalisation, dropout, any activation and any loss, transposed, grouped and depthwise
    convolutions of any number of axes, recurrent layers, whole networks. What forward computes is
    taken as it is: only whether the way back belongs to it is judged (chapter 4, section 4.10).

    Parameters
    ----------
    forward : callable, or an object with methods `forward` and `backward`
        `forward(*inputs)` returns the output, or a tuple of it and what the way back needs. A loss
        may return (number, gradients); then there is no backward. Of an object, inputs beyond those
        that its `forward` takes are its attributes, and so are their gradients.
    backward : callable, optional
        `backward(deltas, cache)`, `backward(deltas, *inputs)`, `backward(deltas)`; of a loss also
        `backward(*inputs)`. It returns the gradient of the first input, or a tuple in the order of
        the inputs, or a dict (`dx` or `x` for that of `x`).
    inputs : mapping, list of mappings, or callable
        By the name of each argument, in their order, a shape: letters and numbers as in `{"x": "N C
        5", "w": "C 3"}`. Letters get several sizes, so that N, C and shapes vary. After a comma
        may stand what the numbers are: '0 to 1', 'positive', '0 or 1', or 'below K' for class
        numbers. An array or anything else is handed over as it is; a list has such mappings, and
        a callable makes one from a Generator. There are gradients by arrays of floats only.
    seed : int
        Of the random numbers.

    Returns
    -------
    Report
        Its quantities are the gradients, `dx` for the input `x`.

    Raises
    ------
    InputError
        The inputs or the functions are none of these.

    Notes
    -----
    A slope has two sides. Where they differ, at the kink of a ReLU or a tie of a maximum, nothing
    is compared, and the report says how many entries that are. Where forward draws from
    `numpy.random`, each call begins with the same seed: so a mask of dropout stays. Of a large
    input 150 entries are drawn.

    Examples
    --------
    >>> def forward(x, w):
    ...     return x @ w
    >>> def backward(deltas, x, w):
    ...     return deltas @ w.T, deltas.T @ x
    >>> report = diagnose_gradient(forward, backward, {"x": "N C", "w": "C K"})
    >>> report.right, report.findings[0].message
    (['dx'], 'dw is transposed.')
    """
    seed = read_integer("seed", seed, 0)
    given = configurations(inputs, seed)
    if not given[0].moved:
        raise InputError(
            "inputs has no array of floats, by which a slope could be taken; give a shape, as in "
            "{'x': 'N C'}"
        )
    return _examined(Passes(forward, backward, list(given[0].values)), given, seed)


@shown
@np.errstate(all="ignore")  # what overflows is seen in what comes out
def _examined(passes: Passes, given: Sequence[Given], seed: int) -> Report:
    notes = _prepared(passes, given)
    cases = [_case(passes, one, np.random.default_rng(seed + n)) for n, one in enumerate(given)]
    moved = given[0].moved
    quantities = [f"d{name}" for name in moved]

    def run(*arguments: Any) -> Any:
        *values, deltas = arguments
        output, returned = passes.gradients(values, deltas)
        if not np.size(output):
            raise unread("the output is empty, so that nothing has a slope")
        read = passes.named(returned, moved)
        return {_OUTPUT: output, **read} if isinstance(read, Mapping) else read

    outcome = collect(run, cases, [_OUTPUT, *quantities])
    outcome.notes[:0] = notes
    if len(given) == 1:
        outcome.note("One configuration was given: what others would show is not known.")
    outcome.results.pop(_OUTPUT, None)
    return _judged(passes, outcome, quantities, len(cases))


def _prepared(passes: Passes, given: Sequence[Given]) -> list[str]:
    """Find out how the functions are to be called; what is to be said of that."""
    running, notes = None, []
    for one in given:
        try:
            repeats = _repeats(passes, one)
        except _RAISED:
            continue
        running = running or one
        if not repeats:
            passes.seeded = True
            passes.seeded = _repeats(passes, one)
            if passes.seeded:
                notes.append(
                    "forward draws from numpy.random: each call begins with the same seed, so that "
                    "what it draws stays."
                )
            break
    return notes + _formed(passes, running) if running else notes


def _repeats(passes: Passes, given: Given) -> bool:
    first, second = (passes.output(copy.deepcopy(given.values)) for _ in range(2))
    return np.array_equal(first, second, equal_nan=True)


def _formed(passes: Passes, given: Given) -> list[str]:
    """Choose how backward is called: if there are several ways, one in which it is right."""
    if passes.backward is None:
        return []
    try:
        output, kept = passes.run(list(copy.deepcopy(given.values).values()))
    except _RAISED:  # not the first time; it will raise again, and is then reported
        return []
    forms = passes.forms(list(given.values.values()), output, kept)
    if not forms:
        raise InputError(
            "backward cannot be called as one of backward(deltas, cache), backward(deltas, "
            "*inputs), backward(deltas), or for a loss backward(*inputs); adapt it"
        )
    # A number has no deltas worth the name: a loss that gets its inputs only is the likelier.
    if not np.ndim(output):
        forms.sort(key=lambda form: form.deltas)
    fits = [_fit(passes, form, given) for form in forms] if len(forms) > 1 else [_RIGHT]
    passes.form = forms[fits.index(max(fits))]
    notes = [f"backward is called as {passes.form.words}."] if passes.form.said else []
    likely = [form for form, fit in zip(forms, fits, strict=True) if fit == max(fits)]
    if max(fits) < _RIGHT and len({form.deltas for form in likely}) > 1:
        words = " or ".join(form.words for form in likely)
        notes = [
            f"backward may be meant as {words}, and is right as none of them. What is said of it "
            f"is true of {passes.form.words}."
        ]
    if not passes.form.deltas and np.ndim(output):
        notes.append("backward takes no deltas: it is compared with deltas that are all 1.")
    return notes


def _fit(passes: Passes, form: Form, given: Given) -> int:
    """How well the gradients of one configuration fit in this form: their shapes, their numbers."""
    passes.form = form
    try:
        case = _case(passes, given, np.random.default_rng(0))
        *values, deltas = case.arguments()
        read = passes.named(passes.gradients(values, deltas)[1], given.moved)
        outcome = Outcome()
        seen = [
            _seen(passes, case, quantity, np.asarray(plain(gradient), float), outcome)
            for quantity, gradient in read.items()
            if quantity[1:] in given.moved
        ]
    except _RAISED:
        return 0
    shaped = [one for one in seen if one is not None and np.shape(one.got) == one.right.shape]
    if not seen or len(shaped) < len(seen):
        return 0
    return _RIGHT if all(one.is_right for one in shaped) else 1


def _case(passes: Passes, given: Given, rng: np.random.Generator) -> GradientCase:
    try:
        shape = passes.output(copy.deepcopy(given.values)).shape
    except _RAISED:  # it will raise again, and is then reported
        shape = ()
    for name in given.moved:
        size = given.values[name].size
        if size * math.prod(shape) > _SLOPES:
            raise InputError(
                f"{name} has {size} numbers and the output {math.prod(shape)}: these are too many "
                "slopes; give less, small inputs show all there is"
            )
    if passes.backward is None or not passes.form.deltas:
        return GradientCase(given, np.ones(shape))
    return GradientCase(given, rng.choice([-1, 1], shape) * rng.integers(1, 9, shape) / 2)


# ---- What came, beside the slopes


def _judged(passes: Passes, outcome: Outcome, quantities: Sequence[str], tried: int) -> Report:
    unexamined, right, said = [], [], {}
    for quantity in quantities:
        pairs = outcome.results.get(quantity)
        if not pairs or (
            outcome.findings and any(f.quantity == quantity for f in outcome.findings)
        ):
            continue
        if any(got is None for _, got in pairs):
            message = f"{quantity} is None."
            outcome.findings.append(Finding(quantity, None, message, str(pairs[0][0])))
            continue
        seen = [
            one
            for case, got in each(f"slopes of {quantity}, configuration", pairs)
            if (one := _seen(passes, case, quantity, got, outcome))
        ]
        seen = _with_all_axes(quantity, seen, outcome)
        if not enough(len(seen), tried) or not _is_known(seen):
            unexamined.append(quantity)
        elif not all(one.is_right for one in seen):
            said[quantity] = seen
        elif all(one.is_faint for one in seen):
            unexamined.append(quantity)
            outcome.note(
                f"{quantity} came out as expected, but its slopes are zero or drown in rounding: "
                "zeros would pass as well. Give inputs, or a scale of forward, where they show."
            )
        else:
            right.append(quantity)
    for quantity, seen in said.items():
        outcome.findings += _findings(quantity, seen)
    judge_errors(outcome)
    known = {finding.quantity for finding in outcome.findings}
    given = {q: len(outcome.results[q]) for q in right}
    return Report(
        outcome.findings,
        [q for q in right if q not in known],
        [q for q in quantities if q not in outcome.results],
        outcome.tried,
        {},
        {q: n for q, n in given.items() if n < outcome.tried},
        unexamined,
        [],
        outcome.notes,
    )


def _seen(
    passes: Passes, case: GradientCase, quantity: str, got: np.ndarray, outcome: Outcome
) -> Seen | None:
    """A gradient and the slopes; None where forward stumbles over a moved input."""
    name, values = quantity[1:], copy.deepcopy(case.given.values)
    x = values[name]

    others = {**values, name: None}  # what is moved needs no further copy

    def call(moved: np.ndarray) -> np.ndarray:
        return passes.output({**copy.deepcopy(others), name: moved})

    try:
        output = call(x.copy())
        found = slopes(call, x, _drawn(x.size))
    except _RAISED as error:
        outcome.note(f"Beside its inputs forward raises {raised(error)}.")
        return None
    if found.kinks.any():
        outcome.note(
            "Where a slope has two sides, at a kink or a tie, nothing is compared: "
            f"{quantity}, {int(found.kinks.any(axis=0).sum())} of {x.size} entries with {case}."
        )
    if found.coarse:
        outcome.note("forward computes in float32: its slopes are known to two digits only.")

    def elsewhere(others: Mapping[str, Any]) -> Slopes:
        return slopes(lambda moved: passes.output({**copy.deepcopy(dict(others)), name: moved}), x)

    return Seen(
        name, got, found, case.deltas, values, output, case.given.sizes, str(case), elsewhere
    )  # fmt: skip


def _drawn(size: int) -> np.ndarray:
    """Which entries are moved."""
    if size <= _MOST:
        return np.arange(size)
    return np.sort(np.random.default_rng(size).choice(size, _MOST, replace=False))


def _is_known(seen: Sequence[Seen]) -> bool:
    """Whether most entries that were looked at meet no kink."""
    looked = sum(one.slopes.looked for one in seen)
    known = sum(int(one.slopes.known.sum()) for one in seen)
    return known > 0 and known >= _KNOWN * looked


def _with_all_axes(quantity: str, seen: Sequence[Seen], outcome: Outcome) -> list[Seen]:
    """Give a gradient the axes of length 1 that it has too many or too few, as a column has."""

    def narrow(shape: Sequence[int]) -> list[int]:
        return [n for n in shape if n > 1]

    if all(np.shape(one.got) == one.right.shape for one in seen) or not all(
        narrow(np.shape(one.got)) == narrow(one.right.shape) for one in seen
    ):
        return list(seen)
    if len({np.ndim(one.got) - one.right.ndim for one in seen}) > 1:
        return list(seen)
    outcome.note(
        f"{quantity} has the shape of {np.shape(seen[-1].got)}, its argument that of "
        f"{seen[-1].right.shape}: its numbers are compared."
    )
    return [replace(s, got=np.reshape(s.got, s.right.shape)) for s in seen]


def _findings(quantity: str, seen: Sequence[Seen]) -> list[Finding]:
    wrong = [one for one in seen if not one.is_right]
    bad = min(wrong, key=lambda one: (1 in one.sizes.values(), one.right.size))
    right = np.where(np.isnan(bad.right), np.nan, bad.right)
    evidence = where(right, bad.got, bad.allowed)
    drawn = None if np.isnan(right).any() else (right, bad.got)
    if not np.isfinite(bad.got).all():
        message = f"{quantity} has entries that are not finite."
        return [Finding(quantity, None, message, bad.words, evidence, drawn)]
    ids = named(seen)
    if not ids:
        return [Finding(quantity, None, likeness(seen), bad.words, evidence, drawn)]
    same = f"\nThese give the same result; one of them was made: {', '.join(ids)}."
    return [
        Finding(quantity, id, mistakes.get(id).cause + (same if len(ids) > 1 else ""), bad.words,
                evidence, drawn, mend=mistakes.get(id).mend_in("gradient"))
        for id in ids
    ]  # fmt: skip
