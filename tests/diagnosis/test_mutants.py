"""`make mutants` plants every mistake, and says so when that proved nothing."""

import subprocess
import sys
from collections import Counter
from inspect import signature
from types import ModuleType

import mutants
import numpy as np
import planting
import pytest
from planting import NOWHERE, DoesNotFit

from cnnlib.diagnosis import mistakes

EVERY = planting.mutants()
IDS = [mistake.id for mistake in mistakes.every()]


def test_every_mistake_has_a_place_or_a_reason():
    placed = {mutant.id for mutant in EVERY}
    assert placed | NOWHERE.keys() == set(IDS)
    assert not placed & NOWHERE.keys()


def test_every_place_is_named_once_and_has_tests():
    names = Counter((mutant.id, mutant.place) for mutant in EVERY)
    assert names.most_common(1)[0][1] == 1
    assert {mutant.suite for mutant in EVERY} == mutants.SUITES.keys()
    for files in mutants.SUITES.values():
        assert all(len([*mutants.TESTS.rglob(f"{name}.py")]) == 1 for name in files)


def test_the_quick_selection_has_every_mistake_and_every_function():
    chosen = mutants.quick(EVERY)
    assert {mutant.id for mutant in chosen} == set(IDS) - NOWHERE.keys()
    assert {mutant.function for mutant in chosen} == {mutant.function for mutant in EVERY}
    assert len(set(map(id, chosen))) == len(chosen) < len(EVERY) / 3


@pytest.fixture
def module():
    """A module with one function, `scaled`."""
    made = ModuleType("made")
    exec("def scaled(x, *, by=2):\n    return by * x", vars(made))
    return made


def test_who_took_the_function_before_has_the_mistake_too(module):
    before = module.scaled
    planting.plant(module, "scaled", lambda right, x, **options: right(x, **options) + 1)
    assert (before(10), before(10, by=3)) == (21, 31)
    assert module.scaled is before
    assert str(signature(before)) == "(x, *, by=2)"


def test_a_method_is_planted_in_its_class():
    class Tail:
        def last(self, items):
            return items[-1]

    tail = Tail()
    planting.plant(Tail, "last", lambda right, self, items: right(self, items[:-1]))
    assert tail.last([1, 2, 3]) == 2


def test_what_changes_nothing_is_no_deviation(module, monkeypatch):
    seen = []
    monkeypatch.setattr(planting, "deviate", lambda: seen.append(1))

    def made(right, x):
        if x < 0:
            raise DoesNotFit
        return right(x) * (x + 1)

    planting.plant(module, "scaled", planting._watched(made))
    assert (module.scaled(0), module.scaled(-1), seen) == (0, -2, [])
    assert (module.scaled(1), seen) == (4, [1])


@pytest.mark.parametrize(
    ("a", "b", "differ"),
    [
        (1.0, 1.0, False),
        (np.ones(2), np.ones((2, 1)), True),
        (np.array([1e3, 0]), np.array([1e3, 1e-4]), False),  # rounding
        (np.array([1e3, 0]), np.array([1e3, 1e-2]), True),
        (np.array([np.nan, 1]), np.array([np.nan, 1]), False),
        (np.array([np.inf, 1]), np.array([1, 1]), True),
        ((np.ones(2), np.ones(2)), (np.ones(2), np.zeros(2)), True),
        (np.ones(2), None, True),
    ],
)
def test_what_differs(a, b, differ):
    assert planting._differs(a, b) == differ


# In a process of its own, with tests that take no time: all that a run can say.
RUN = """
import signal
import sys
import time
import mutants
import planting
from cnnlib.diagnosis import mistakes
from planting import Mutant, plant

def harmless():
    plant(mistakes, "get", lambda right, id: (planting.deviate(), right(id))[1])

def other():
    plant(mistakes, "get", lambda right, id: (planting.deviate(), right("F1"))[1])

def endless():
    def made(right, id):
        signal.alarm(min(1, signal.alarm(0)))  # shortens the patience, if there is any
        time.sleep(60)
    plant(mistakes, "get", made)

def raising():
    def made(right, id):
        planting.deviate()
        planting._spread(None, (2,))
    plant(mistakes, "get", made)

mutants.SUITES["small"] = ("test_mistakes",)
every = [
    Mutant("F1", "a.a, nothing", "small", lambda: None),
    Mutant("F1", "a.a, unseen", "small", harmless),
    Mutant("F3", "b.b, seen", "small", other),
    Mutant("F3", "b.b, endless", "small", endless),
    Mutant("F3", "b.b, raising", "small", raising),
]
mutants.mutants = lambda: every
sys.exit(mutants.main(sys.argv[1:]))
"""


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-c", RUN, *arguments], cwd=mutants.TESTS, capture_output=True, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")
def test_what_proves_nothing_or_is_not_noticed_fails_the_run():
    done = run()
    said = [line.split() for line in done.stdout.splitlines() if line[:2] in ("F1", "F3")]
    assert [words[3] for words in said] == [
        "VACUOUS",
        "SURVIVES",
        "noticed",
        "VACUOUS",
        "BROKEN",
    ], done
    assert said[2][-1].startswith("tests/diagnosis/test_mistakes.py::")
    assert "stopped by SIGALRM" in done.stdout
    assert "5 mutants of 2 mistakes" in done.stdout
    assert "1 noticed, 1 survivors, 2 vacuous, 1 broken" in done.stdout
    assert "no mutant and no reason for: B1" in done.stdout
    assert done.returncode == 1
