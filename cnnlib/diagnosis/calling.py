"""Runs somebody's function, whatever it does, and keeps what came out."""

import inspect
import linecache
import os
import re
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from cnnlib.arrays import read_function
from cnnlib.errors import InputError, raised, shown

from .progress import each
from .report import Finding, is_right
from .settings import Setting, limits_of

# Other names of the quantities, in small letters and without "_".
_ALIASES = {
    "z": "y out output conv",
    "a": "y out output pooled",
    "p": "y a probs probabilities softmax yhat",
    "dx": "daprev dinputs dinput gradinput gradinputs gradx inputgrad dxprev gradimage",
    "dw": "dweights dweight gradweight gradweights gradw weightgrad dkernel dkernels dfilter "
    "dfilters dk",
    "db": "dbias dbiases gradbias gradbiases gradb biasgrad",
    "dz": "dlogits dscores delta",
    "loss": "cost l e",
}
_REFUSES = re.compile(r"(^|: |; )(raise|assert)\b")
_OWN = str(Path(__file__).parents[1]), sysconfig.get_paths()["stdlib"], "site-packages"


class Configuration(Protocol):
    """A configuration; `str()` of it is its words."""

    @property
    def right(self) -> Mapping[str, np.ndarray]:
        """What is right, by quantity."""

    def arguments(self) -> tuple:
        """Fresh copies of what the function gets."""


@dataclass(frozen=True)
class Failure:
    """An error, or a result that cannot be read: what is said of it, and where it arose."""

    text: str
    line: str = ""  # of the reader's code
    meant: bool = False  # the reader's own code refuses: raise, assert
    unread: bool = False  # nothing was raised


class _Unusable(Exception):
    """What a function did instead of returning arrays."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


@dataclass
class Outcome:
    """What came out of all calls.

    `results` has, by quantity, pairs of a configuration and an array, or None where None was
    returned. `errors` has the configurations with what went wrong there. `notes` are sentences on
    what was understood in spite of its form.
    """

    results: dict[str, list[tuple[Any, Any]]] = field(default_factory=dict)
    errors: list[tuple[Any, Failure]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tried: int = 0
    few: list[Any] = field(default_factory=list)  # configurations whose results were set aside

    def fine(self) -> list[Any]:
        """The configurations that gave something."""
        met = {id(case): case for pairs in self.results.values() for case, _ in pairs}
        return [*met.values(), *self.few]

    def note(self, sentence: str) -> None:
        """Say it once."""
        if sentence not in self.notes:
            self.notes.append(sentence)


def check_callable(fn: Callable, signature: str, arguments: int) -> None:
    """Refuse what cannot be called with so many arguments by position."""
    read_function("fn", fn, signature)
    try:
        own = inspect.signature(fn)
    except (TypeError, ValueError):
        return  # built in: it will show
    try:
        own.bind(*[None] * arguments)
    except TypeError as error:
        raise InputError(
            f"fn cannot be called as {signature}: {error}; adapt it with a function that takes "
            f"these {arguments} arguments"
        ) from None


def collect(
    fn: Callable,
    cases: Sequence[Configuration],
    quantities: Sequence[str],
    orders: Sequence[tuple[str, ...]] = (),
) -> Outcome:
    """Call `fn` on every configuration, and on the most awkward one that it takes twice.

    `orders` are the quantities that a tuple of so many arrays stands for.
    """
    outcome = Outcome()
    first, outcome.findings, case = _memory(fn, cases, quantities, orders)
    if outcome.findings:  # what is remembered would spoil all further calls
        outcome.tried = 1
        outcome.results = {quantity: [(case, value)] for quantity, value in first.items()}
        return outcome
    _run(fn, cases, quantities, orders, outcome)
    outcome.notes[:0] = getattr(fn, "notes", ())  # how it was adapted
    return outcome


def _run(
    fn: Callable,
    cases: Sequence[Configuration],
    quantities: Sequence[str],
    orders: Sequence[tuple[str, ...]],
    outcome: Outcome,
) -> None:
    """Call `fn` on further configurations."""
    for case in each("configuration", cases):
        outcome.tried += 1
        try:
            got = _call(fn, case, quantities, orders)
        except _Unusable as error:
            outcome.errors.append((case, error.failure))
            continue
        for quantity, value in got.read.items():
            outcome.results.setdefault(quantity, []).append((case, value))
        if got.order:
            outcome.note(f"The tuple is read as ({', '.join(got.order)}).")
        updates = _updates(got.changed, got.read)
        for sentence in updates:
            outcome.note(sentence)
        if got.changed and not updates:
            _add(outcome, _changes(got.changed), case, "An argument is changed")
        for name in got.unknown:
            message = (
                f"It returns {shown(name)}; known are {', '.join(quantities)}. Give it the name "
                "of what it is, or leave it out."
            )
            _add(outcome, message, case, "A name is not known", open=True)


def find_limits(
    fn: Callable,
    outcome: Outcome,
    quantities: Sequence[str],
    orders: Sequence[tuple[str, ...]],
    more: Callable[[Sequence[Setting]], Sequence[Any]],
) -> None:
    """If the function is limited to something, run it on what `more` builds within the limits."""
    for _ in range(5):
        limits = limits_of(outcome.fine(), [case for case, _ in outcome.errors], least=1)
        met = {case.facts for case in outcome.fine()}
        new = [case for case in more(limits) if case.facts not in met] if limits else []
        known = len(outcome.errors)
        _run(fn, new, quantities, orders, outcome)
        if len(outcome.errors) == known:
            return


def output_of(
    fn: Callable,
    case: Configuration,
    quantities: Sequence[str],
    orders: Sequence[tuple[str, ...]],
    quantity: str,
) -> np.ndarray | None:
    """One quantity of one configuration; None where the function does not give it."""
    try:
        return _call(fn, case, quantities, orders).read.get(quantity)
    except _Unusable:
        return None


def _add(outcome: Outcome, message: str, case: Any, about: str, open: bool = False) -> None:
    """Add a finding that is of no quantity once, with the first configuration."""
    if not any(one.message == message for one in outcome.findings):
        outcome.findings.append(Finding("", None, message, str(case), about=about, open=open))


_Changed = list[tuple[str, np.ndarray, np.ndarray]]  # the argument, before, after


@dataclass(frozen=True)
class _Returned:
    """What came back: arrays by quantity, arguments that were changed, names that are not known.

    `order` are the quantities as which a tuple was read.
    """

    read: dict[str, Any]
    changed: _Changed
    unknown: list[str]
    order: tuple[str, ...]


def _call(
    fn: Callable, case: Configuration, quantities: Sequence[str], orders: Sequence[tuple[str, ...]]
) -> _Returned:
    """Call the function on fresh arguments."""
    given = case.arguments()
    try:
        with np.errstate(all="ignore"):
            returned = fn(*given)
    except _Unusable:
        raise
    except (Exception, SystemExit) as error:
        raise _Unusable(_failure(error)) from error
    named, order = _named(returned, quantities, orders)
    read: dict[str, Any] = {}
    unknown = []
    for name, value in named.items():
        quantity = quantity_of(name, quantities)
        if value is ...:
            continue
        if quantity is None:
            if hasattr(value, "shape"):
                unknown.append(str(name))
            continue
        if quantity in read:
            raise unread(f"it returns {quantity} under two names, one of them {shown(name)}")
        read[quantity] = value if value is None else _array(quantity, value)
    before_them = case.arguments()
    names = getattr(case, "names", [str(number) for number in range(1, len(given) + 1)])
    changed = [
        (name, before, after)
        for name, before, after in zip(names, before_them, given, strict=True)
        if isinstance(before, np.ndarray) and not np.array_equal(before, after)
    ]
    return _Returned(read, changed, unknown, order)


def quantity_of(name: Any, quantities: Sequence[str]) -> str | None:
    """The quantity that a name stands for."""
    if name in quantities:
        return str(name)
    plain = str(name).lower().replace("_", "")
    for quantity in quantities:
        if plain == quantity.lower() or plain in _ALIASES.get(quantity, "").split():
            return quantity
    return None


def _named(
    returned: Any, quantities: Sequence[str], orders: Sequence[tuple[str, ...]]
) -> tuple[Mapping[Any, Any], tuple[str, ...]]:
    """What came back by names; a tuple of as many arrays as one of the orders has gets them."""
    if isinstance(returned, Mapping):
        return returned, ()
    if isinstance(returned, tuple | list):
        for order in orders:
            if len(order) == len(returned) and all(_is_array(one) for one in returned):
                return dict(zip(order, returned, strict=True)), order
    tuples = "".join(f", or a tuple ({', '.join(order)})" for order in orders)
    raise unread(
        f"it returns {type(returned).__name__}; expected a dict with any of "
        f"{', '.join(quantities)}{tuples}"
    )


def _is_array(value: Any) -> bool:
    return value is None or (hasattr(value, "shape") and hasattr(value, "dtype"))


def _updates(changed: _Changed, returned: Mapping[str, Any]) -> list[str]:
    """A sentence for each weight or bias that was moved by a multiple of its own gradient.

    Empty if anything else was changed: then it is no step of a training.
    """
    said = []
    for number, before, after in changed:
        name = {"2": "w", "3": "b"}.get(number, "")
        gradient, step = returned.get(f"d{name}"), after - before
        if gradient is None or gradient.size != step.size or not np.any(gradient):
            return []
        flat, moved = gradient.ravel(), step.ravel()
        rate = float(moved @ flat / (flat @ flat))
        if not np.allclose(moved, rate * flat, rtol=1e-6, atol=1e-9 * np.abs(before).max()):
            return []
        said.append(f"It updates {name} inside, by {rate:.3g} times its d{name}.")
    return said


def _changes(changed: _Changed) -> str:
    names = ", ".join(name for name, *_ in changed)
    names = f"number {names}" if names[0].isdigit() else names
    return (
        f"The function changes its argument {names}, which belongs to its caller. Work on a copy."
    )


def _array(quantity: str, value: Any) -> np.ndarray:
    try:
        # A copy: a buffer that is filled again later must not change it.
        array = np.asarray(plain(value)).copy()
    except Exception as error:
        raise unread(f"{quantity} is no array of numbers: {raised(error)}") from error
    if array.dtype.kind not in "fiub":
        raise unread(_short(f"{quantity} is no array of numbers: its type is {array.dtype}"))
    return array if array.dtype.kind == "f" else array.astype(float)


def plain(value: Any) -> Any:
    """A tensor without its graph; anything else as it is."""
    return value.detach().cpu() if hasattr(value, "detach") else value


def unread(text: str) -> _Unusable:
    """What to raise where a result says nothing, though nothing went wrong."""
    return _Unusable(Failure(text, unread=True))


def _failure(error: BaseException) -> Failure:
    """What is said of an error, and the line of the reader's code that it comes from."""
    text = _short(f"it raises {raised(error)}")
    meant = isinstance(error, NotImplementedError | AssertionError)
    place = place_of(error.__traceback__)
    if place is None:
        return Failure(text, meant=meant)
    file, number, source = place
    where = f"line {number}" + (f" of {os.path.basename(file)}" if os.path.isfile(file) else "")
    meant = meant or bool(_REFUSES.search(source))
    return Failure(text, f"{where}: {source}" if source else where, meant)


def place_of(trace: TracebackType | None) -> tuple[str, int, str] | None:
    """File, line and source of the last call that is neither ours nor a library's."""
    found = None
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.endswith(".pyx") and not any(part in file for part in _OWN):
            found = file, trace.tb_lineno, linecache.getline(file, trace.tb_lineno).strip()
        trace = trace.tb_next
    return found


def _short(text: str) -> str:
    """The first line, not too long, without the stop that follows it anyway."""
    return text.partition("\n")[0][:160].rstrip(" .")


def _memory(
    fn: Callable,
    cases: Sequence[Configuration],
    quantities: Sequence[str],
    orders: Sequence[tuple[str, ...]],
) -> tuple[dict[str, Any], list[Finding], Configuration]:
    """Call twice with equal arguments: what comes out must be equal as well."""
    first, case = None, cases[-1]
    for case in reversed(cases):
        try:
            first = _call(fn, case, quantities, orders).read
            second = _call(fn, case, quantities, orders).read
            break
        except _Unusable:
            if first is not None:
                return {}, [], case  # the second call fails: that will show
    if first is None:
        return {}, [], case
    found, other, bias = [], [], False
    for quantity, a in first.items():
        b = second.get(quantity)
        if a is None or b is None or (a.shape == b.shape and np.array_equal(a, b, equal_nan=True)):
            continue
        if a.shape == b.shape and np.allclose(b, 2 * a):
            message = (
                "A second call with equal arguments returns twice the result: the function keeps "
                "something between calls. Make new arrays of zeros in every call."
            )
            found.append(Finding(quantity, "W13", message, str(case)))
            continue
        other.append(quantity)
        if quantity == "z" and a.shape == b.shape and a.ndim > 2:
            bias = is_right(a - a[:1, :1, :1], b - b[:1, :1, :1])
    if other:
        message = (
            f"A second call with equal arguments returns another {', '.join(other)}: the function "
            "keeps something between calls, such as a momentum, or draws numbers at random. Start "
            "anew in every call: until then nothing can be compared."
        )
        if bias:
            message += (
                "\nThe two z differ by one number per filter, that is, by the bias. The one that "
                "is handed over is not the one that is added."
            )
        about = "The result is not repeatable"
        found.append(Finding("", None, message, str(case), about=about, open=True))
    return first, found, case
