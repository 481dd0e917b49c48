"""An answer that never ends is ended, and told so."""

import sys
import threading

import pytest

from cnnlib.book import check
from cnnlib.book.exercises import ending


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(ending, "SECONDS", 0.3)


def endless(*_):
    n = 1
    while n > 0:
        n += 1  # it never gets below


def stubborn(*_):
    while True:
        try:
            endless()
        except Exception:  # catches what a reader may catch
            pass


@pytest.mark.parametrize("answer", [endless, stubborn], ids=["plain", "stubborn"])
def test_an_endless_loop_ends_and_names_its_line(answer):
    result = check("3.8", answer)
    assert result.status == "wrong"
    assert "it had not ended after 0.3 seconds" in repr(result)
    assert "while n > 0" in repr(result) or "n += 1" in repr(result)


def test_so_does_one_in_a_mended_function():
    assert "had not ended" in repr(check("9.6", {"mistake": "b", "mended": endless}))


def test_what_ends_is_judged_and_nothing_is_raised_later():
    with ending.within(0.05):
        pass
    for _ in range(10**5):  # what was to come would come here
        pass
    with pytest.raises(ending.Endless), ending.within(0.05):
        endless()
    for _ in range(10**5):
        pass


def test_a_call_that_cannot_be_ended_is_told_of_while_it_lasts(monkeypatch):
    """It waits, in one call of Python's, for the sentence itself."""
    told = threading.Event()

    class Told:
        def write(self, text):
            assert "Interrupt the kernel" in text or not text.strip()
            told.set()

    monkeypatch.setattr(ending, "_raise_in", lambda *_: None)  # as where nothing can be raised
    monkeypatch.setattr(sys, "stderr", Told())
    assert check("3.8", lambda *_: told.wait(600)).status == "wrong"
    assert told.is_set()


@pytest.mark.parametrize("error", [GeneratorExit("x"), SystemExit("x"), ValueError("a\n" * 5000)])
def test_whatever_an_answer_raises_is_told_in_a_few_lines(error):
    def answer(*_):
        raise error

    said = repr(check("1.6", answer))
    assert f"it raised {type(error).__name__}: " in said
    assert said.count("\n") < 5
