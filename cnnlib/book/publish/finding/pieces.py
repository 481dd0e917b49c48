"""Texts with each of their words once: that is less than half of what the search would read."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

PIECE = re.compile(r" ?\w+|\W")
FIRST = ord("#")  # the sign of the most frequent piece; ranking.js counts from the same
ESCAPED = ("\\", "<", "\x7f", "\u2028", "\u2029")  # signs that a script would write longer


class Pieces:
    """The words and signs of some texts, the most frequent first.

    A text is written with one character for each: that of the piece's place in `listed`. Thus the
    most frequent ones take one byte, nearly all others two.
    """

    def __init__(self, texts: Iterable[str]):
        counts = Counter(piece for text in texts for piece in PIECE.findall(text))
        self.listed: list[str] = []
        self._signs: dict[str, str] = {}
        for piece in sorted(counts, key=lambda piece: (-counts[piece], piece)):
            while chr(FIRST + len(self.listed)) in ESCAPED:
                self.listed.append("")
            self._signs[piece] = chr(FIRST + len(self.listed))
            self.listed.append(piece)

    def coded(self, text: str) -> str:
        """The text, one character a piece."""
        return "".join(map(self._signs.__getitem__, PIECE.findall(text)))


def spelt(coded: str, listed: Sequence[str]) -> str:
    """The text of `coded`: what ranking.js does as well."""
    return "".join(listed[ord(sign) - FIRST] for sign in coded)
