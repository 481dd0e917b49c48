"""Formulas: TeX to MathML when the book is built, and the font that draws them."""

import re
from functools import cache
from html import unescape
from pathlib import Path

from math_core import LatexError, LatexToMathML

from . import BuildError

FOLDER = Path(__file__).parent / "font"
FONT = FOLDER / "math.woff2"
EQUATION = re.compile(r"\\qquad\s*\((\w?\d+\.\d+)\)\s*$")  # the number at the end of a formula


def mathml(tex: str, display: bool = False) -> str:
    """Convert a formula.

    Raises
    ------
    BuildError
        A command is unknown, the TeX is malformed, or a character is not in the font.
    """
    try:
        result = LatexToMathML(fancy_error=False).convert_with_local_state(
            tex.strip(), displaystyle=display
        )
    except LatexError as error:
        place, _, reason = str(error).partition(": ")
        raise BuildError(f"the formula {tex.strip()!r}, at character {place}: {reason}") from None
    foreign = set(unescape(re.sub(r"<[^>]*>", "", result))) - drawn()
    if foreign:
        raise BuildError(
            f"the formula {tex.strip()!r}: the math font lacks {' '.join(sorted(foreign))}; "
            "add it to font/characters.txt and run python -m cnnlib.book.publish.make_font"
        )
    return result


@cache
def characters() -> set[str]:
    """The characters of the font, without the slanted letters of `italic`."""
    text = (FOLDER / "characters.txt").read_text(encoding="utf-8")
    return set(text) - {"\n"} | set("\u00a0\u2061\u2062\u2063\u2064\ufe00")  # not to be seen


@cache
def drawn() -> set[str]:
    """All that the font draws: with the slanted letters, which \\mathit names."""
    return characters() | {italic(character) for character in characters()}


def italic(letter: str) -> str:
    """The character by which a browser draws a variable: MathML says x and means 𝑥."""
    code = ord(letter)
    for first, last, target in (("A", "Z", 0x1D434), ("a", "z", 0x1D44E), ("Α", "Ω", 0x1D6E2)):
        if first <= letter <= last:
            return "ℎ" if letter == "h" else chr(target + code - ord(first))
    if "α" <= letter <= "ω":
        return chr(0x1D6FC + code - ord("α"))
    return {"∂": "𝜕", "ϵ": "𝜖", "ϑ": "𝜗", "ϕ": "𝜙", "ϱ": "𝜚", "ϖ": "𝜛"}.get(letter, letter)
