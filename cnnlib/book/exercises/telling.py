"""What a wrong answer is told besides sentences: the mistake's name, target and answer drawn."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnlib.diagnosis import Finding, mistakes

_LONGEST = 60  # characters of a value in a sentence
_MOST = 8  # rows and columns of a drawing


@dataclass(frozen=True)
class Named:
    """A finding of the diagnosis: the catalogue's mistake, or the relation to the right result."""

    finding: Finding

    @property
    def mistake(self) -> str | None:
        """The entry of the catalogue."""
        return self.finding.mistake

    def __str__(self) -> str:
        lines = [f"{self.finding.title}.", *self.finding.message.splitlines()]
        if self.mistake:
            lines.append(f"Explained in {mistakes.get(self.mistake).place}.")
        return "\n".join(lines)

    def html(self) -> str:
        """With a link to the chapter."""
        lines = [f"<strong>{html.escape(self.finding.title)}.</strong>"]
        lines += map(html.escape, self.finding.message.splitlines())
        if self.mistake:
            entry = mistakes.get(self.mistake)
            link, place = html.escape(entry.link), html.escape(entry.place)
            lines.append(f'Explained in <a href="{link}">{place}</a>.')
        return "<br/>".join(lines)


@dataclass(frozen=True, eq=False)
class Drawn:
    """The target and the answer side by side; wrong entries are marked by more than a colour.

    Of an array with more than two axes one plane is drawn, the first with a wrong entry, and of a
    large plane the part around that. Without `reveal` the target is not drawn.
    """

    name: str
    expected: np.ndarray
    got: np.ndarray
    reveal: bool = True
    tolerance: float = 1e-6

    @property
    def wrong(self) -> np.ndarray:
        """Which entries of the answer differ from the target, or have no place in it."""
        marks = np.ones(self.got.shape, bool)
        if self.got.ndim == self.expected.ndim:
            common = tuple(map(slice, np.minimum(self.got.shape, self.expected.shape)))
            marks[common] = ~close(self.got[common], self.expected[common], self.tolerance)
        return marks

    def _planes(self) -> list[tuple[str, np.ndarray, np.ndarray, str]]:
        """For each side its heading, what is drawn of it, the marks, and which part that is."""
        places = np.argwhere(self.wrong)
        first = places[0].tolist() if len(places) else [0] * self.got.ndim
        sides = [("yours", self.got, self.wrong)]
        if self.reveal:
            sides.insert(0, ("expected", self.expected, np.zeros(self.expected.shape, bool)))
        planes = []
        for side, array, marks in sides:
            at = first if array.ndim == len(first) else [0] * array.ndim
            index, said = _plane(array.shape, at)
            if self.got.shape != self.expected.shape:
                side = f"{side}, shape {array.shape}"
            part, mark = np.atleast_2d(array[index], marks[index])
            planes.append((side, part, mark, said))
        return planes

    def _grids(self) -> list[tuple[str, list[list[str]], list[list[bool]], str]]:
        """The planes with their numbers as texts, as short as they can be told apart."""
        planes = self._planes()
        shapes = {part.shape for _, part, *_ in planes}
        comparable = len(planes) == 2 and len(shapes) == 1
        for digits in (4, 7, 12):
            grids = [
                (side, [[_number(n, digits) for n in row] for row in part.tolist()], marks, said)
                for side, part, marks, said in planes
            ]
            texts = [np.array(rows) for _, rows, *_ in grids]
            # So many digits are enough with which no wrong entry reads like the expected one.
            wrong = planes[-1][2]
            if not comparable or (texts[0] != texts[-1])[wrong].all():
                break
        return [(side, rows, marks.tolist(), said) for side, rows, marks, said in grids]

    def __str__(self) -> str:
        blocks = []
        for side, rows, marks, said in self._grids():
            texts = [
                [f"[{text}]" if mark else f"{text} " for text, mark in zip(*line, strict=True)]
                for line in zip(rows, marks, strict=True)
            ]
            width = max((len(text) for row in texts for text in row), default=0)
            head = (
                f"{side}{said}:" if side.startswith("expected") else f"{side}{said}, wrong in []:"
            )
            block = [head, *(" ".join(text.rjust(width) for text in row) for row in texts)]
            wide = max(map(len, block))
            blocks.append([line.ljust(wide) for line in block])
        height = max(map(len, blocks))
        filled = [block + [" " * len(block[0])] * (height - len(block)) for block in blocks]
        lines = ["    ".join(parts).rstrip() for parts in zip(*filled, strict=True)]
        return "\n".join([self.name, *lines] if self.name else lines)

    def html(self) -> str:
        """Two tables; how they stand is said here, because JupyterLab has no sheet for them."""
        tables = []
        for side, rows, marks, said in self._grids():
            caption = side + said
            if not side.startswith("expected"):
                count = int(self.wrong.sum())
                caption += f": {count} of {self.wrong.size} wrong, marked ✗"
            lines = "".join(
                f"<tr>{''.join(map(_cell, row, mark))}</tr>"
                for row, mark in zip(rows, marks, strict=True)
            )
            tables.append(f"<table><caption>{html.escape(caption)}</caption>{lines}</table>")
        return (
            f"{html.escape(self.name)}"
            '<div class="sides" style="display:flex;flex-wrap:wrap;gap:0 2em;'
            f'align-items:flex-start;overflow-x:auto">{"".join(tables)}</div>'
        )


Told = str | Named | Drawn


def shown(value: object) -> str:
    """A short and stable text for any value."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray):
        small = value.size <= 12 and value.dtype.kind in "fiub"
        return str(value.round(4).tolist()) if small else f"an array of shape {value.shape}"
    if callable(value):
        return "a function"
    try:
        text = re.sub(" at 0x[0-9A-Fa-f]+", "", repr(value))  # an address differs in every run
    except Exception:
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def setting(names: Sequence[str], case: tuple) -> str:
    """The arguments of a case, by their names."""
    return ", ".join(f"{name} = {shown(value)}" for name, value in zip(names, case, strict=True))


def close(got: np.ndarray, expected: np.ndarray, tolerance: float) -> np.ndarray:
    """Entry by entry, relative to the largest expected one (absolute below 1); NaN is never."""
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    with np.errstate(invalid="ignore", over="ignore"):
        return np.abs(got.astype(float) - expected.astype(float)) <= tolerance * scale


def _plane(shape: tuple[int, ...], at: list[int]) -> tuple[tuple, str]:
    """An index that leaves at most two axes and a few cells of each, and its text.

    Samples or filters come first and channels last: what lies between is a picture.
    """
    kept = range(len(shape)) if len(shape) <= 2 else range(max(1, len(shape) - 3), len(shape) - 1)
    index: list[int | slice] = []
    for axis, (size, place) in enumerate(zip(shape, at, strict=True)):
        start = max(0, min(place - _MOST // 2, size - _MOST))
        index.append(slice(start, start + _MOST) if axis in kept else min(place, max(0, size - 1)))
    if len(shape) <= 2 and max(shape, default=0) <= _MOST:
        return tuple(index), ""
    texts = []
    for part, size in zip(index, shape, strict=True):
        if isinstance(part, int):
            texts.append(str(part))
        else:
            texts.append(":" if size <= _MOST else f"{part.start}:{min(part.stop, size)}")
    return tuple(index), f" [{','.join(texts)}]"


def _number(value: float, digits: int) -> str:
    """A rounded number, never -0."""
    return f"{value + 0.0:.{digits}g}"


def _cell(text: str, wrong: bool) -> str:
    if not wrong:
        return f"<td>{html.escape(text)}</td>"
    return f'<td class="off"><strong>{html.escape(text)} ✗</strong></td>'
