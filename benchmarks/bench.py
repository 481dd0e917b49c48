"""Time the library, most of it beside PyTorch: `make bench`, or with `--help` for the options.

Sections, each of them one table or a few:

- convolutions: W1 to W8, whole and sum by sum, beside PyTorch and what the machine allows;
- training: W9, a step of training as `training.fit` takes it;
- inference: one image forwards;
- growth: cost along batch, size, channels and kernel;
- threads: two threads beside one, in time of day;
- peers: the loops of the specification, and `scipy.signal`;
- memory: peak of a forward and backward pass; import: `import cnnlib` in a fresh interpreter.

All sides of a comparison take turns in one process, on one thread. Nothing is timed before its
results agree. `compare.py` compares two files that this program wrote.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import convolution  # first of all: it limits the libraries to one thread, before they are loaded
import floors
import measure
import network
import peers
import process
import report
import summary
from convolution import WORKLOADS, Workload

import cnnlib
from cnnlib.data.files import write
from cnnlib.sums.choice import faster

ROOT = Path(__file__).parents[1]
RECORDS, README = ROOT / "notebooks" / "results" / "speed", ROOT / "README.md"
LEAST_ROUNDS = 7
BASE = Workload((32, 32), 16, 16, (3, 3), padding=1, batch=16)
SERIES: dict[str, dict[int, Workload]] = {
    "batch": {n: replace(BASE, batch=n) for n in (1, 4, 16, 64, 256)},
    "size": {n: replace(BASE, inputs=(n, n)) for n in (8, 16, 32, 64, 128)},
    "channels": {n: replace(BASE, channels=n, filters=n) for n in (4, 8, 16, 32, 64)},
    "kernel": {n: replace(BASE, kernel=(n, n), padding=n // 2) for n in (1, 3, 5, 7, 9)},
}

Record = dict[str, Any]
Timed = dict[str, Any]  # what a section found: by name, by run


class Session:
    """What all sections need to know, and the workloads they timed."""

    def __init__(self, torch: ModuleType | None, rounds: int, workloads: list[str]) -> None:
        self.torch, self.rounds, self.workloads = torch, rounds, workloads
        self.works: dict[str, dict] = {}
        self.sgemm = {"sgemm": floors.machine_runs()["sgemm"]}

    def names(self, least: str = "W1", most: str = "W8") -> list[str]:
        """The chosen convolutions from `least` to `most`."""
        return [name for name in self.workloads if least <= name <= most]

    def note(self, name: str, work: Workload) -> None:
        """Keep what the figures need to know about a workload."""
        method = faster(work.shape, work.filters, work.window)
        counts = {"multiplications": floors.multiplications(work), "method": method}
        machine = {"side": floors.SIDE, "copied": floors.COPIED}
        self.works[name] = {"text": str(work), **asdict(work), **counts, **machine}


def convolutions(session: Session) -> Timed:
    """W1 to W8, sum by sum, and the machine's own speed in the same rounds."""
    found: Timed = {}
    for name in session.names():
        say(name)
        work = WORKLOADS[name]
        session.note(name, work)
        runs = convolution.both(work, session.torch)
        runs |= {("all", machine): run for machine, run in floors.machine_runs().items()}
        if session.works[name]["method"] != "fft":
            runs |= floors.runs(work)
        for (part, run), times in measure.rounds(runs, session.rounds).items():
            found.setdefault(name if part == "all" else f"{name} {part}", {})[run] = times
    return found


def training(session: Session) -> Timed:
    """W9, a step of it."""
    runs = network.training_runs(session.torch)
    epochs = measure.rounds(runs | session.sgemm, session.rounds)
    steps = {run: network.STEPS if run in runs else 1 for run in epochs}
    return {"W9": {run: [t / steps[run] for t in times] for run, times in epochs.items()}}


def inference(session: Session) -> Timed:
    """One image."""
    found: Timed = {}
    for name in [*session.names(most="W5"), "W9"]:
        runs = network.inference_runs(name, session.torch)
        found[name] = measure.rounds(runs | session.sgemm, session.rounds)
    return found


def growth(session: Session) -> Timed:
    """Four series."""
    found: Timed = {}
    for series, works in SERIES.items():
        say(series)
        for value, work in works.items():
            name = f"{series} {value}"
            session.note(name, work)
            runs = convolution.both(work, session.torch, parts=("all",))
            runs |= {("all", run): sgemm for run, sgemm in session.sgemm.items()}
            times = measure.rounds(runs, session.rounds)
            found[name] = {run: values for (_, run), values in times.items()}
    return found


def threads(session: Session) -> Timed:
    """W3 to W5 on one thread and on two, and bare products, which tell what two could gain at all.

    All take turns: whether two cores are as fast as one alone changes from minute to minute. The
    time of day needs more rounds than that of the process.
    """
    names = session.names("W3", "W5")
    sides = {name: convolution.functions(WORKLOADS[name])["all"] for name in names}
    sides["bare products"] = floors.shared_products()
    counts = {"one thread": 1, "two threads": 2}
    pairs = list(itertools.product(sides, counts))
    times = measure.rounds(
        {(name, some): sides[name] for name, some in pairs},
        3 * session.rounds,
        clock=time.perf_counter,
        within={(name, some): partial(cnnlib.threads, counts[some]) for name, some in pairs},
    )
    return {name: {some: times[name, some] for some in counts} for name in sides}


def others(session: Session) -> Timed:
    """The loops and scipy.signal, their times scaled to the whole workload."""
    found = {}
    for name in session.names():
        say(name)
        work = WORKLOADS[name]
        session.note(name, work)
        ours = convolution.functions(work)
        slow, scale, _ = peers.loops(work)
        correlate, images = peers.scipy_correlate(work)
        runs = {"all": ours["all"], "z": ours["z"], "loops": slow, "scipy": correlate}
        times = measure.rounds(runs, session.rounds)
        scaled = [t * scale for t in times["loops"]], [t * images for t in times["scipy"]]
        found[f"{name} loops"] = {"cnnlib": times["all"], "loops": scaled[0]}
        found[f"{name} scipy"] = {"cnnlib": times["z"], "scipy": scaled[1]}
    return found


def memory(session: Session) -> Timed:
    """Bytes, W1 to W7."""
    works = {name: WORKLOADS[name] for name in session.names(most="W7")}
    for name, work in works.items():
        session.note(name, work)
    return process.peaks(works)


def imports(session: Session) -> Timed:
    """The library, and NumPy alone, which is part of it."""
    return {name: process.import_times(name, session.rounds) for name in ("cnnlib", "numpy")}


SECTIONS: dict[str, Callable[[Session], Timed]] = {
    "convolutions": convolutions,
    "training": training,
    "inference": inference,
    "growth": growth,
    "threads": threads,
    "peers": others,
    "memory": memory,
    "import": imports,
}


def say(what: str) -> None:
    """Where the program is, for who waits."""
    print(f"  {what} ...", file=sys.stderr)


def timed(sections: list[str], rounds: int, workloads: list[str]) -> Record:
    """Run these sections."""
    torch = measure.import_torch()
    session = Session(torch, rounds, workloads)
    record: Record = {"machine": measure.machine(torch), "rounds": rounds, "load": {}, "times": {}}
    for name in sections:
        print(f"timing {name} ...", file=sys.stderr)
        record["load"][name] = round(measure.load(), 2)
        record["times"][name] = SECTIONS[name](session)
    return summary.rounded(record | {"works": session.works}, digits=6)


def merged(old: Record, new: Record) -> Record:
    """The new record, and what only the old one has, if both come from the same machine."""
    for name in ("machine", "rounds"):
        if old[name] != new[name]:
            raise SystemExit(f"--keep: the file has another {name}: {old[name]}, not {new[name]}")
    times = {
        section: old["times"].get(section, {}) | new["times"].get(section, {})
        for section in SECTIONS
        if section in old["times"] or section in new["times"]
    }
    both = {name: old[name] | new[name] for name in ("load", "works")}
    return new | both | {"times": times}


def keep(found: Record) -> None:
    """Write the figures to the record of their machine; what else that one has stays."""
    path = RECORDS / f"{summary.slug(found['machine'])}.json"
    if path.exists():
        old = json.loads(path.read_text(encoding="utf-8"))
        if old["machine"] == found["machine"]:
            found = old | found | {"load": old["load"] | found["load"]}
    RECORDS.mkdir(exist_ok=True)
    write(path, (json.dumps(found, indent=1) + "\n").encode())


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Time cnnlib, most of it beside PyTorch.")
    parser.add_argument("--rounds", type=int, default=9, help=f"at least {LEAST_ROUNDS}")
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, default=[*SECTIONS], metavar="SECTION",
        help=f"of {', '.join(SECTIONS)}",
    )  # fmt: skip
    parser.add_argument(
        "--workloads", nargs="+", choices=WORKLOADS, default=[*WORKLOADS], metavar="W",
        help="of W1 to W8",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to a file")
    parser.add_argument("--keep", action="store_true", help="keep what else the file has")
    parser.add_argument("--record", type=Path, metavar="FILE", help="time nothing: read this file")
    parser.add_argument("--markdown", action="store_true", help="print the README's table instead")
    what = "write the record of this machine for chapter 8, and the README's table"
    parser.add_argument("--summary", action="store_true", help=what)
    given = parser.parse_args()
    if given.rounds < LEAST_ROUNDS:
        parser.error("--rounds: a median of fewer than 7 rounds says little")
    return given


def main() -> None:
    """Time or read, write, print."""
    given = arguments()
    if given.record:
        record = json.loads(given.record.read_text())
    else:
        record = timed(given.only, given.rounds, given.workloads)
        if given.keep and given.json and given.json.exists():
            record = merged(json.loads(given.json.read_text()), record)
        if given.json:
            given.json.parent.mkdir(exist_ok=True)
            write(given.json, (json.dumps(record) + "\n").encode())
    found = summary.figures(record)
    if given.summary:
        keep(found)
        table = report.markdown(summary.recorded(RECORDS))
        readme = report.README_TABLE.sub(lambda _: table, README.read_text(encoding="utf-8"))
        write(README, readme.encode())
    print(report.markdown([found]) if given.markdown else report.text(found))


if __name__ == "__main__":
    main()
