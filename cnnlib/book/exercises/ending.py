"""Ends an answer that would never end."""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cnnlib.diagnosis.calling import place_of

SECONDS = 20.0  # right answers take less than one
_HELD = (
    "The answer has run into its time limit within one call that Python cannot end, say of NumPy "
    "or of sleep, or it catches every exception. Interrupt the kernel (the square above), or wait."
)


class Endless(BaseException):
    """An answer was ended; no `except Exception` of a reader's shall catch that."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `Endless` in what runs here when it takes longer; in a browser, which can stop it, not.

    It arrives between two steps of Python's, again each second until it is through. A call that
    is one step, into NumPy or to `sleep`, cannot be ended from within Python: it is said on the
    standard error how a reader ends it.
    """
    if sys.platform == "emscripten":  # there are no threads
        yield
        return
    thread, over = threading.get_ident(), threading.Event()
    held = threading.Lock()

    def watch() -> None:
        wait, tries = seconds, 0
        while not over.wait(wait):
            with held:
                if not over.is_set():
                    _raise_in(thread, Endless)
                    tries += 1
            if tries == 2:
                print(_HELD, file=sys.stderr)
            wait = 1.0

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with held:
            over.set()


def _raise_in(thread: int, error: type[BaseException]) -> None:
    raising = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raising(ctypes.c_ulong(thread), ctypes.py_object(error))


def told(error: Endless) -> str:
    """What is said of it, with the line that was running."""
    said = f"it had not ended after {SECONDS:g} seconds: a loop may have no end"
    place = place_of(error.__traceback__)
    return said if place is None else f"{said} (line {place[1]}: {place[2]})"
