"""An answer that never ends is ended, and told so."""

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
