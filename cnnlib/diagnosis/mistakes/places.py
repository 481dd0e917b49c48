"""Places at which a program makes a choice, right or wrong: what `choices` is made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product


@dataclass(frozen=True)
class Slip:
    """A wrong value of a place: the catalogue's entry, if it has one, and a sentence."""

    id: str | None
    sentence: str = ""


Places = Mapping[str, Mapping[str, Slip | None]]  # place: value: None if right
Setting = Mapping[str, str]  # place: value


def settings(places: Places, most: int = 2) -> Iterator[dict[str, str]]:
    """All settings with up to `most` wrong values, the fewest first."""
    wrong = {
        place: [value for value, slip in values.items() if slip] for place, values in places.items()
    }
    for number in range(most + 1):
        for chosen in combinations(places, number):
            for values in product(*(wrong[place] for place in chosen)):
                yield {**right(places), **dict(zip(chosen, values, strict=True))}


def right(places: Places) -> dict[str, str]:
    """The setting without a wrong value."""
    return {place: next(iter(values)) for place, values in places.items()}


def mistaken(places: Places, setting: Setting) -> list[Slip]:
    """The wrong values of a setting."""
    found = (places[place][value] for place, value in setting.items())
    return [wrong for wrong in found if wrong is not None]
