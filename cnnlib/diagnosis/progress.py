"""What a diagnosis is at, once it has taken a second: a line on a terminal, which goes away."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

_AFTER, _BETWEEN = 1.0, 0.1  # seconds
_T = TypeVar("_T")
_Fn = TypeVar("_Fn", bound=Callable[..., Any])
_begun: list[float] = []  # of the diagnosis that runs, and of those that it runs itself
_last = 0.0


def shown(fn: _Fn) -> _Fn:
    """Show what is going on while this runs."""

    @wraps(fn)
    def watched(*given: Any, **named: Any) -> Any:
        _begun.append(time.monotonic())
        try:
            return fn(*given, **named)
        finally:
            _begun.pop()
            if not _begun and _last:
                _write("")

    return cast(_Fn, watched)


def each(words: str, of: Sequence[_T]) -> Iterator[_T]:
    """Go through these, and say which one it is at."""
    for number, one in enumerate(of, 1):
        at(f"{words} {number} of {len(of)}")
        yield one


def at(words: str) -> None:
    """Say it, if the diagnosis has taken a second already."""
    now = time.monotonic()
    if _begun and now - _begun[0] > _AFTER and now - _last > _BETWEEN:
        _write(f"Diagnosis, {now - _begun[0]:.0f} s: {words}")


def _write(words: str) -> None:
    global _last
    _last = time.monotonic() if words else 0.0
    terminal = sys.stderr
    if terminal is not None and not terminal.closed and terminal.isatty():
        terminal.write(f"\r\033[K{words}")
        terminal.flush()
