"""The errors that cnnlib raises on purpose. All of them derive from `Error`."""

from reprlib import Repr

LETTERS = 80  # of a value in a message
LONGEST = 1000  # of a message
_short = Repr()
_short.maxlist = _short.maxtuple = _short.maxdict = 16
_short.maxstring = _short.maxlong = _short.maxother = LETTERS


class Error(Exception):
    """Base of every error that the library raises on purpose."""


class OneLine(Error):
    """What a message quotes may be anything: it is one line, and not too long (see `line`)."""

    def __init__(self, message: object = "") -> None:
        super().__init__(line(str(message)))


class InputError(OneLine, ValueError):
    """An argument is wrong: the message names it, what came, what was expected, and the cure."""


class DataError(OneLine, RuntimeError):
    """A file is missing, damaged or foreign, or cannot be written; or there is no network."""


class DivergenceError(OneLine, ArithmeticError):
    """Training met a loss or a parameter that is not finite and stopped.

    `history` is what `training.fit` had recorded until then.
    """

    history = None


def shown(value: object) -> str:
    """A value as a message shows it: one line of at most 80 letters, whatever it is.

    Examples
    --------
    >>> shown(list(range(10**6)))
    '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, ...]'
    """
    try:
        text = " ".join(_short.repr(value).split())
    except Exception:  # it may be anything, also an integer with more digits than Python writes
        text = f"<{type(value).__name__}>"
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 3]}..."


def raised(error: BaseException) -> str:
    """What somebody's code raised: the class and the first line of its text, whatever they are.

    Examples
    --------
    >>> raised(ValueError("no such axis"))
    'ValueError: no such axis'
    """
    try:
        first, *_ = (*str(error).splitlines(), "")
    except Exception:  # a class of somebody's own may say so itself
        first = "it has no text that can be shown"
    name = type(error).__name__[:LETTERS]
    return line(f"{name}: {first[:200]}" if first else name)


def line(text: str) -> str:
    """A text as one line that does nothing to a terminal, without the middle of a long one.

    Examples
    --------
    >>> print(line("two\\nlines"))
    two\\nlines
    """
    half = LONGEST // 2
    for _ in range(2):  # what is written out is longer
        text = text if len(text) <= LONGEST else f"{text[: half - 5]} ... {text[5 - half :]}"
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return text
