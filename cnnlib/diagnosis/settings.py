"""Settings in which mistakes hide, and to which layers are limited: square kernels, stride 1 ..."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Protocol

from cnnlib.arrays import read_word
from cnnlib.errors import InputError, shown
from cnnlib.geometry import Pads, Shape


@dataclass(frozen=True)
class Facts:
    """The numbers of a configuration; `filters` is None where there are none."""

    samples: int
    channels: int
    filters: int | None
    image: Shape
    kernel: Shape
    strides: Shape
    pads: Pads
    dilations: Shape = (1,)
    signs: Shape = (1,)


class Known(Protocol):
    """A configuration whose numbers are known."""

    @property
    def facts(self) -> Facts:
        """They."""


@dataclass(frozen=True)
class Setting:
    """One thing that holds in some configurations and not in others.

    `built` makes another configuration keep to it; a setting that nobody limits a layer to has
    none. `name` is what `limits=` calls it.
    """

    words: str
    opposite: str
    holds: Callable[[Facts], bool]
    name: str = ""
    built: Callable[[Facts], Facts] | None = None


def _alike(numbers: Sequence[Any]) -> bool:
    return len(set(numbers)) == 1


def _rest(f: Facts) -> bool:
    """Whether the windows leave a row or a column over."""
    return any(
        (n + sum(pads) - k) % s
        for n, k, s, pads in zip(f.image, f.kernel, f.strides, f.pads, strict=True)
    )


def _fitting(f: Facts) -> Facts:
    """With images so much larger that nothing is left over."""
    image = tuple(
        n + -(n + sum(pads) - k) % s
        for n, k, s, pads in zip(f.image, f.kernel, f.strides, f.pads, strict=True)
    )
    return replace(f, image=image)


def _as_large(f: Facts) -> bool:
    """Whether there are as many outputs as inputs."""
    return all(s == 1 for s in f.strides) and all(
        sum(pads) == k - 1 for k, pads in zip(f.kernel, f.pads, strict=True)
    )


def _square(numbers: Shape) -> Shape:
    return (max(numbers),) * len(numbers)


_NONE = ((0, 0),)
_SETTINGS = (
    Setting("stride 1", "stride above 1", lambda f: set(f.strides) == {1}, "stride 1",
            lambda f: replace(f, strides=(1,) * len(f.strides))),
    Setting("dilation 1", "dilation above 1", lambda f: set(f.dilations) == {1}),
    Setting("a cross-correlation", "a true convolution", lambda f: set(f.signs) == {1}),
    Setting("padding 0", "padding above 0", lambda f: not any(map(any, f.pads)), "padding 0",
            lambda f: replace(f, pads=_NONE * len(f.pads))),
    Setting("a single weight", "several weights", lambda f: set(f.kernel) == {1}),
    Setting("one sample", "several samples", lambda f: f.samples == 1, "one sample",
            lambda f: replace(f, samples=1)),
    Setting("one channel", "several channels", lambda f: f.channels == 1, "one channel",
            lambda f: replace(f, channels=1)),
    Setting("one filter", "several filters", lambda f: f.filters == 1, "one filter",
            lambda f: replace(f, filters=1)),
    Setting("one channel and one filter", "several channels or filters",
            lambda f: f.channels == f.filters == 1),
    Setting("as many filters as channels", "another number of filters than of channels",
            lambda f: f.channels == f.filters, "as many filters as channels",
            lambda f: replace(f, filters=f.channels)),
    Setting("a square input", "an oblong input", lambda f: _alike(f.image), "square input",
            lambda f: replace(f, image=_square(f.image))),
    Setting("a square kernel", "an oblong kernel", lambda f: _alike(f.kernel), "square kernel",
            lambda f: replace(f, kernel=_square(f.kernel))),
    Setting("an odd kernel", "an even kernel", lambda f: all(k % 2 for k in f.kernel),
            "odd kernel", lambda f: replace(f, kernel=tuple(k + 1 - k % 2 for k in f.kernel))),
    Setting("no row or column left over", "a row or column left over", lambda f: not _rest(f),
            "exact fit", _fitting),
    Setting("windows that do not overlap", "windows that overlap",
            lambda f: all(s >= k for s, k in zip(f.strides, f.kernel, strict=True)),
            "no overlap", lambda f: replace(f,
                kernel=tuple(min(k, s) for k, s in zip(f.kernel, f.strides, strict=True)))),
    Setting("windows side by side", "windows not side by side",
            lambda f: f.strides == f.kernel, "side by side",
            lambda f: replace(f, kernel=f.strides)),
    Setting("as many outputs as inputs", "another number of outputs than of inputs", _as_large),
)  # fmt: skip
_LIMITS = tuple(setting for setting in _SETTINGS if setting.built)


def _of_size(n: int) -> Setting:
    return Setting(f"a kernel of size {n}", f"a kernel of another size than {n}",
                   lambda f: set(f.kernel) == {n}, f"kernel of size {n}",
                   lambda f: replace(f, kernel=(n,) * len(f.kernel)))  # fmt: skip


# Looked for where those before do not do: a layer for odd kernels is one for 3x3, too, so far.
_SIZES = tuple(map(_of_size, (1, 2, 3, 5)))
_LEAST = 4  # configurations from which a limit is read, or a verdict given


def read_limits(names: Iterable[str]) -> list[Setting]:
    """The limits of these names, in an order in which one does not undo another."""
    known = {limit.name: limit for limit in (*_LIMITS, *_SIZES)}
    given = (names,) if isinstance(names, str) else names
    if not isinstance(given, tuple | list | set | frozenset):
        raise InputError(f"limits is {shown(names)}; expected the names of some, as in 'stride 1'")
    for name in given:
        read_word("an entry of limits", name, known)
    return [limit for limit in known.values() if limit.name in given]


def built(facts: Facts, limits: Sequence[Setting]) -> Facts:
    """The facts, kept to all these limits: a size that one changes may disturb another.

    A kernel that has grown has room in the image.
    """
    for _ in range(3):
        for limit in limits:
            if limit.built and not limit.holds(facts):
                facts = limit.built(facts)
        sizes = zip(facts.image, facts.kernel, facts.pads, strict=True)
        image = tuple(max(n, k - sum(pads)) for n, k, pads in sizes)
        facts = replace(facts, image=image)
    return facts


def keeping(every: Sequence[Facts], limits: Sequence[Setting]) -> list[bool]:
    """Which of these keep to all limits; if none does, they exclude each other: then all count."""
    kept = [all(limit.holds(facts) for limit in limits) for facts in every]
    return kept if any(kept) else [True] * len(kept)


def limits_of(
    fine: Sequence[Known], failing: Sequence[Known], least: int = _LEAST
) -> list[Setting]:
    """The fewest limits that hold in all of the one, and each of the other breaks one of them.

    Empty if none do, or if less than `least` ran: too little to tell.
    """
    if not failing or len(fine) < min(least, len(fine) + len(failing)):
        return []
    for known in (_LIMITS, (*_LIMITS, *_SIZES)):
        held = [limit for limit in known if all(limit.holds(case.facts) for case in fine)]
        broken = [{n for n, one in enumerate(held) if not one.holds(c.facts)} for c in failing]
        for number in range(1, 6):
            for chosen in combinations(range(len(held)), number):
                if all(one & set(chosen) for one in broken):
                    return [held[n] for n in chosen]
    return []


def parts_of(cases: Sequence[Known]) -> Iterable[tuple[str, list[bool], str, list[bool]]]:
    """The regimes apart from each other in which mistakes differ, with what lies in each."""
    for words in ("padding 0", "stride 1", "a square kernel", "one sample"):
        one = next(one for one in _SETTINGS if one.words == words)
        inside = [one.holds(case.facts) for case in cases]
        yield one.words, inside, one.opposite, [not x for x in inside]


def enough(given: int, tried: int) -> bool:
    """Whether so many of the configurations are enough for a verdict."""
    return given >= min(_LEAST, tried)


def regime(fine: Sequence[Known], bad: Sequence[Known]) -> str:
    """What holds in all of the one and in none of the other: a setting, or two together."""
    sure = min(len(fine), len(bad)) >= 3  # two settings together fit few configurations by chance
    for words, holds in _regimes(2 if sure else 1):
        if all(holds(case.facts) for case in fine) and not any(holds(c.facts) for c in bad):
            return words
    return ""


def _regimes(most: int) -> Iterable[tuple[str, Callable[[Facts], bool]]]:
    """Single settings, their opposites, and two together, the simplest first."""
    sides = [(one.words, one.holds) for one in _SETTINGS]
    sides += [(one.opposite, _no(one.holds)) for one in _SETTINGS]
    yield from sides
    for (first, a), (second, b) in combinations(sides if most == 2 else (), 2):
        yield f"{first} and {second}", _both(a, b)


def _no(holds: Callable[[Facts], bool]) -> Callable[[Facts], bool]:
    return lambda facts: not holds(facts)


def _both(a: Callable[[Facts], bool], b: Callable[[Facts], bool]) -> Callable[[Facts], bool]:
    return lambda facts: a(facts) and b(facts)
