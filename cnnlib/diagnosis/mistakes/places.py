"""Places at which a program makes a choice, right or wrong: what `choices` is made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Slip:
    """A wrong value of a place: the catalogue's entry, if it has one, and a sentence."""

    id: str | None
    sentence: str = ""


Places = Mapping[str, Mapping[str, Slip | None]]  # place: value: None if right
Setting = Mapping[str, str]  # place: value


def settings(places: Places, most: int = 2) -> Iterator[dict[str, str]]:
    """All settings with up to `most` wrong values, the fewest first."""
    every = [
        dict(zip(places, values, strict=True))
        for values in product(*(list(place) for place in places.values()))
    ]
    for number in range(most + 1):
        yield from (one for one in every if len(mistaken(places, one)) == number)


def right(places: Places) -> dict[str, str]:
    """The setting without a wrong value."""
    return {place: next(iter(values)) for place, values in places.items()}


def mistaken(places: Places, setting: Setting) -> list[Slip]:
    """The wrong values of a setting."""
    found = (places[place][value] for place, value in setting.items())
    return [wrong for wrong in found if wrong is not None]
