"""Plants the catalogue's mistakes into the library one at a time, and runs the library's tests.

    python tests/mutants.py            every mistake at every place where it fits
    python tests/mutants.py --quick    every mistake once, and all functions with some mistake

Each must make a test fail. A mistake that none notices SURVIVES; one that changed no result in any
test is VACUOUS, for then nothing was tried; a BROKEN one raised an error itself, which any test
notices. All of them make the exit status 1. A mistake that the library's design rules out has no
place: `planting.NOWHERE` says why.

The tests are collected once. For each mutant a child process is forked, which alone has the
mistake. It stops at the first test that fails. Those that noticed earlier mutants come first, then
the sums by hand; only a mutant that nobody notices has to wait for all of them.
"""

import argparse
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import planting
import pytest
from planting import NOWHERE, Mutant, mutants

from cnnlib.diagnosis import mistakes

TESTS = Path(__file__).parent
PATIENCE = 300  # seconds for the tests of one mutant: an endless loop is noticed as well
# The files that must notice what is planted there.
SUITES = {
    "geometry": ("test_geometry", "test_loops", "test_convolution", "test_pooling"),
    "loops": ("test_loops", "test_convolution"),
    "gemm": ("test_convolution", "test_layers"),
    "fourier": ("test_fourier", "test_convolution", "test_layers"),
    "winograd": ("test_winograd",),
    "bias": ("test_convolution", "test_layers"),
    "pooling": ("test_pooling", "test_loops", "test_layers"),
    "head": ("test_activations", "test_layers"),
    "losses": ("test_losses", "test_network"),
    "dense": ("test_layers", "test_network"),
    "layers": ("test_layers", "test_network"),
    "reduced": ("test_reduced",),
    "transposed": ("test_transposed", "test_layers"),
    "network": ("test_network",),
    "training": ("test_training",),
    "data": ("test_data",),
}


@dataclass
class Verdict:
    """What the tests of one mutant said."""

    mutant: Mutant
    deviated: bool = False
    noticed: str = ""  # the test that failed
    broken: bool = False
    seconds: float = 0.0

    @property
    def words(self) -> str:
        """VACUOUS, BROKEN, SURVIVES or noticed."""
        if not self.deviated:
            return "VACUOUS"
        if self.broken:
            return "BROKEN"
        return "noticed" if self.noticed else "SURVIVES"


@dataclass
class Forks:
    """A pytest plugin: in place of one run of the tests, a run of a child for each mutant."""

    chosen: Sequence[Mutant]
    verdicts: list[Verdict] = field(default_factory=list)
    pipe: int | None = None  # a child says there what happens

    def pytest_collection(self) -> None:
        """One failing example is enough: Hypothesis need not look for the smallest."""
        phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
        profile = hypothesis.settings(deadline=None, derandomize=True, phases=phases)
        hypothesis.settings.register_profile("mutants", profile)
        hypothesis.settings.load_profile("mutants")

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """The parent has run all when this returns True; in a child, None: pytest goes on."""
        if session.testsfailed:
            raise session.Failed("the tests could not be collected")
        every, kills = list(session.items), Counter[str]()
        for mutant in self.chosen:
            files = SUITES[mutant.suite]
            own = [item for item in every if item.path.stem in files]
            place = {item.nodeid: files.index(item.path.stem) for item in own}
            # Sums by hand take no time, and not much escapes them.
            own.sort(key=lambda item: (-kills[item.nodeid], "by_hand" not in item.name,
                                       place[item.nodeid]))  # fmt: skip
            verdict = self._forked(mutant)
            if verdict is None:
                session.items[:] = own
                return None
            kills[verdict.noticed] += 1
            self.verdicts.append(verdict)
            print(f"{mutant.id:4} {mutant.place:66} {verdict.words:8} {verdict.seconds:6.1f} s  "
                  f"{verdict.noticed}", flush=True)  # fmt: skip
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """In a child: the test that noticed."""
        if report.failed:
            self.say(report.nodeid)
            if _breaks(report):
                self.say("breaks")

    def say(self, words: str) -> None:
        """Tell the parent."""
        if self.pipe is not None:
            os.write(self.pipe, f"{words}\n".encode())

    def _forked(self, mutant: Mutant) -> Verdict | None:
        """The verdict of a child; in the child itself None, and the mistake is planted."""
        begun, (reading, writing) = time.monotonic(), os.pipe()
        child = os.fork()
        if child == 0:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            signal.alarm(PATIENCE)
            os.close(reading)
            self.pipe = writing
            planting.deviate = self._deviates
            mutant.plant()
            return None
        os.close(writing)
        with os.fdopen(reading) as said:
            lines = said.read().splitlines()
        _, result = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(result)
        if code not in (0, 1) and code >= 0:
            raise RuntimeError(f"pytest ended with status {code}: {mutant.id} in {mutant.place}")
        failed = [line for line in lines if line not in ("deviates", "breaks")]
        if code < 0:
            failed.append(f"stopped by {signal.Signals(-code).name}")
        seconds = time.monotonic() - begun
        test = (failed or [""])[0]
        return Verdict(mutant, "deviates" in lines, test, "breaks" in lines, seconds)

    def _deviates(self) -> None:
        """The first result that is another one."""
        planting.deviate = lambda: None
        self.say("deviates")


def _breaks(report: pytest.TestReport) -> bool:
    """Whether an error came out of planted code, not out of the library or a test."""
    entries = getattr(getattr(report.longrepr, "reprtraceback", None), "reprentries", [])
    files = [Path(one.reprfileloc.path) for one in entries if getattr(one, "reprfileloc", None)]
    while files and files[-1].name != "planting.py":
        parts = files.pop().parts
        if "cnnlib" in parts and "mistakes" not in parts:
            return False
    return bool(files)


def judged(chosen: Sequence[Mutant]) -> list[Verdict]:
    """Run them all. In a child this does not return."""
    names = dict.fromkeys(name for mutant in chosen for name in SUITES[mutant.suite])
    forks = Forks(chosen)
    # Without nbval and the like: only what these tests need is loaded.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    files = [str(path) for name in names for path in TESTS.rglob(f"{name}.py")]
    status = pytest.main(["-x", "-s", "-qq", "--no-header", "-p", "no:cacheprovider", *files],
                         plugins=[forks])  # fmt: skip
    if forks.pipe is not None:
        os._exit(int(status))
    if len(forks.verdicts) < len(chosen):
        raise RuntimeError(f"pytest ended with {status!r} before all mutants had run")
    return forks.verdicts


def quick(every: Sequence[Mutant]) -> list[Mutant]:
    """Every mistake once, at the function that had the fewest so far; then one for each other."""
    had, chosen = Counter[str](), []
    for id in dict.fromkeys(one.id for one in every):
        places = [one for one in every if one.id == id]
        chosen.append(min(places, key=lambda one: had[one.function]))
        had[chosen[-1].function] += 1
    first = {one.function: one for one in reversed(every)}
    return chosen + [one for function, one in first.items() if not had[function]]


def main(arguments: list[str] | None = None) -> int:
    """Run the mutants; 1 if one survives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every mistake once")
    parser.add_argument(
        "--only", metavar="ID", nargs="+", help="these mistakes at all their places"
    )
    options = parser.parse_args(arguments)
    every = mutants()
    chosen = [one for one in every if not options.only or one.id in options.only]
    if options.quick:
        chosen = quick(chosen)
    begun = time.monotonic()
    verdicts = judged(chosen)
    for id, reason in NOWHERE.items():
        print(f"{id:4} no place: {reason}")
    count = Counter(verdict.words for verdict in verdicts)
    print(f"{len(verdicts)} mutants of {len({one.id for one in chosen})} mistakes in "
          f"{time.monotonic() - begun:.0f} s: {count['noticed']} noticed, "
          f"{count['SURVIVES']} survivors, {count['VACUOUS']} vacuous, {count['BROKEN']} broken"
          )  # fmt: skip
    missing = {mistake.id for mistake in mistakes.every()} - {one.id for one in every} - {*NOWHERE}
    if missing:
        print(f"no mutant and no reason for: {', '.join(sorted(missing))}")
    return 1 if missing or count["noticed"] < len(verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
