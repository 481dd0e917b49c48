"""Every way in which a mistake of the catalogue is made: the rows of the clinic's matrix."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import every
from .choices import HEAD, LOSS, POOL, POOL_FORWARD, STEP, Places
from .switches import SWITCHES

# Mistakes that no part of a network contains, and the reason.
OUTSIDE = {"T1": "it is a mistake of checks: the matrix shows it, column by column"}


@dataclass(frozen=True)
class Way:
    """One way of making one mistake.

    Attributes
    ----------
    id : str
        The entry of the catalogue.
    part : {'layer', 'max', 'avg', 'relu', 'head', 'step', 'start'}
        Where it is made: the convolution, a pooling, ReLU, the loss, a training step, its first
        weights.
    quantity : str
        What it makes wrong first.
    words : str
        How it is made.
    made : Switch, dict or str
        The switch of the sums, the setting of `choices`, or a word.
    """

    id: str
    part: str
    quantity: str
    words: str
    made: Any = field(repr=False)


def ways() -> Iterator[Way]:
    """All of them, in the order of the catalogue; mistakes in `OUTSIDE` have none."""
    order = [mistake.id for mistake in every()]
    yield from sorted(_unsorted(), key=lambda way: order.index(way.id))


def _unsorted() -> Iterator[Way]:
    for switch in SWITCHES:
        for id in switch.ids:
            yield Way(id, "layer", switch.quantity, switch.words, switch)
    for kind, other in (("max", "divide"), ("avg", "winner")):
        own = {place: values for place, values in POOL.items() if place != other}
        yield from _choices(kind, "dx", own, "P")
        yield from _choices(kind, "a", POOL_FORWARD, "P")
    relu = {"relu": HEAD["relu"]}
    yield from _choices("relu", "dx", relu, "S")
    yield from _choices("head", "dz", {name: HEAD[name] for name in ("mean", "delta")}, "S")
    yield from _choices("head", "loss", LOSS, "S")
    yield from _choices("step", "params", STEP, "DSTW")
    yield Way("T2", "start", "params", "first weights all zero", "zeros")


def _choices(part: str, quantity: str, places: Places, letters: str) -> Iterator[Way]:
    for place, values in places.items():
        for value, wrong in values.items():
            if wrong is not None and wrong.id is not None and wrong.id[0] in letters:
                yield Way(wrong.id, part, quantity, value, {place: value})
