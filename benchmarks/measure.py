"""How the benchmarks measure: agreement, rounds, ratios, tables, and what machine they ran on.

The clock is the CPU time of the process. On a busy machine it is steadier than the time of day, and
it counts every thread, so none can hide. Only what threads gain is told by the time of day.
"""

import importlib.util
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

Runs = dict[Any, Callable[[], Any]]  # by name, what is timed
Times = dict[Any, list[float]]  # by name, milliseconds of one call in each round

LEAST = 0.02  # seconds that a measurement lasts; much shorter ones are mostly noise
LARGE = 31 << 20  # bytes, larger than any array of the benchmark; above 32 MB glibc never learns
SWITCHES = (  # settings that change the speed of one side; printed where they are set
    "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS",
)  # fmt: skip


def agree(what: str, ours, theirs, tolerance: float) -> None:
    """Stop unless the largest difference is within `tolerance` of the largest number."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    error = abs(ours - theirs).max() / abs(theirs).max()
    if not error <= tolerance:  # `not`, so that a NaN stops it too
        raise SystemExit(f"{what}: off from PyTorch's by {error:.1e} of the largest number")


def rounds(
    runs: Runs,
    count: int,
    *,
    clock: Callable[[], float] = time.process_time,
    within: dict[Any, Callable[[], AbstractContextManager]] | None = None,
) -> Times:
    """Time all runs in turn, round by round, so that a slow minute of the machine hits them all.

    Every second round goes backwards: nobody always inherits the cache of the same neighbour. One
    round more than `count` is run, and the first is dropped: it pays for caches and memory. A run
    named in `within` is timed within a context. Before the clock starts, this is entered and the
    run called once: what lives as long as the context, as threads do, is there by then.
    """
    # glibc hands large freed blocks back to the system, and to fetch them anew on every call can
    # take as long as a convolution. It stops once a block of that size has come and gone, as in
    # any longer training; without this line the order of the workloads would decide.
    np.empty(LARGE, np.uint8)
    calls, within = {}, within or {}
    for name, run in runs.items():
        start = clock()
        run()
        calls[name] = max(1, math.ceil(LEAST / max(clock() - start, 1e-9)))
    times: Times = {name: [] for name in runs}
    for number in range(count + 1):
        for name in list(runs)[:: -1 if number % 2 else 1]:
            with within.get(name, nullcontext)():
                if name in within:
                    runs[name]()
                start = clock()
                for _ in range(calls[name]):
                    runs[name]()
                times[name].append((clock() - start) / calls[name] * 1000)
    return {name: values[1:] for name, values in times.items()}


def ratio(ours: list[float], theirs: list[float]) -> tuple[float, float, float]:
    """Median and quartiles of the ratio, taken round by round: what slows a round slows both."""
    middle, lower, upper = np.quantile(np.divide(ours, theirs), [0.5, 0.25, 0.75])
    return float(middle), float(lower), float(upper)


def fastest(times: Times, names: Iterable[str]) -> str:
    """Of these runs, the one with the lowest median."""
    return min(names, key=lambda name: statistics.median(times[name]))


def milliseconds(times: list[float]) -> str:
    """Median, for a table."""
    return f"{statistics.median(times):.2f} ms"


def spread(single: Iterable[float]) -> str:
    """Median and quartiles, for a table."""
    return "{:.2f} ({:.2f} to {:.2f})".format(*single)


def table(rows: list[list[str]]) -> str:
    """Columns as wide as they need to be, with a line under the first row."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows = [rows[0], ["-" * width for width in widths], *rows[1:]]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def import_torch() -> ModuleType | None:
    """PyTorch on one thread, or None where it is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(1)
    return torch


def load() -> float:
    """Load average of the last minute: how many processes wanted a core. NaN where unknown."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan


def machine(torch: ModuleType | None) -> dict[str, str]:
    """What the figures depend on: processor, libraries, threads."""
    facts = {
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "Python": platform.python_version(),
        "NumPy": f"{np.__version__}, {blas()}",
        "PyTorch": "not installed, so these are cnnlib's own times and no ratios",
    }
    if torch is not None:
        kernels, threads = torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()
        facts["PyTorch"] = f"{torch.__version__}, kernels for {kernels}, threads: {threads}"
    return facts | {name: os.environ[name] for name in SWITCHES if name in os.environ}


def processor() -> str:
    """Name of the processor, as the system knows it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def blas() -> str:
    """Name of NumPy's BLAS library, the core type whose kernels it runs, and its threads."""
    if importlib.util.find_spec("threadpoolctl") is None:
        built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        threads = os.environ["OPENBLAS_NUM_THREADS"]
        core = "core type unknown without the package threadpoolctl"
        return f"{built['name']} {built['version']}, {core}, threads: {threads}"
    import threadpoolctl

    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    pools.sort(key=lambda pool: "numpy" not in pool["filepath"])  # SciPy may have one of its own
    return "; ".join(
        f"{pool['internal_api']} {pool['version']}, core type {pool.get('architecture')}, "
        f"threads: {pool['num_threads']}"
        for pool in pools
    )
