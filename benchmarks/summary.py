"""From every round to the figures that are quoted: medians, ratios with quartiles, floors.

A record is what `bench.py` writes: `times[section][name][run]` are milliseconds, one for each
round. Nothing is timed here: the same record gives the same figures.
"""

import json
import math
import re
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from measure import fastest, ratio

PARTS = ("z", "dx", "dw")
COUNTED = [f"W{n}" for n in range(1, 8)]  # in the mean; W8 is the case for a Fourier transform
DIGITS = 3

Group = dict[str, list[float]]  # of one name, the milliseconds of each run


def figures(record: dict[str, Any]) -> dict[str, Any]:
    """The figures of all sections that the record has."""
    made: dict[str, Any] = {"made_by": "make bench"}
    made |= {name: record[name] for name in ("machine", "load", "rounds")}
    for name, of_section in SECTIONS.items():
        if name in record["times"]:
            made[name] = rounded(of_section(record["times"][name], record["works"]))
    return made


def recorded(folder: Path) -> list[dict[str, Any]]:
    """The figures of all machines that have a record there, by name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def label(machine: dict[str, str]) -> str:
    """A machine by its processor and the kernels that NumPy's BLAS took: they decide on ratios."""
    processor = re.sub(r"\(\w+\)| Processor| CPU|, \d+ cores|@.*", "", machine["processor"])
    core = re.search(r"core type (\w+)", machine["NumPy"])
    return ", ".join([" ".join(processor.split()), *([core[1]] if core else [])])


def slug(machine: dict[str, str]) -> str:
    """The name of its record."""
    return re.sub(r"[^a-z0-9]+", "-", label(machine).lower()).strip("-")


def reference(group: Group) -> str | None:
    """PyTorch's fastest run, or None where there is none."""
    names = [name for name in group if name.startswith("torch")]
    return fastest(group, names) if names else None


def beside(group: Group) -> dict[str, Any]:
    """Milliseconds of cnnlib, and of PyTorch's faster run with the ratio."""
    found: dict[str, Any] = {"milliseconds": {"cnnlib": statistics.median(group["cnnlib"])}}
    if name := reference(group):
        found["milliseconds"]["torch"] = statistics.median(group[name])
        found["format"] = name.removeprefix("torch ")
        found["ratio"] = ratio(group["cnnlib"], group[name])
    return found


def convolutions(times: dict[str, Group], works: dict[str, Any]) -> dict[str, Any]:
    """W1 to W8: the whole, its parts, and its floor."""
    found: dict[str, Any] = {}
    names = [name for name in times if " " not in name]
    for name in names:
        found[name] = {"workload": works[name]["text"], **beside(times[name])}
        found[name]["parts"] = {part: beside(times[f"{name} {part}"]) for part in PARTS}
        if "windows" in times[f"{name} z"]:
            found[name]["floor"] = floor(name, times, works[name])
    return found | means({name: found[name] for name in names if name in COUNTED})


def means(rows: dict[str, Any]) -> dict[str, float]:
    """Geometric mean and maximum of the ratios, where there are ratios."""
    ratios = [row["ratio"][0] for row in rows.values() if "ratio" in row]
    if not ratios:
        return {}
    return {"geometric mean": statistics.geometric_mean(ratios), "maximum": max(ratios)}


def floor(name: str, times: dict[str, Group], work: dict[str, Any]) -> dict[str, float]:
    """Of all three sums: bare products, bare copies, the floor, and where cnnlib stands to them."""
    whole, middle = times[name], {}
    products = bytes_moved = least = 0.0
    copies = statistics.median(times[f"{name} z"]["copies"]) / 2
    for part in PARTS:
        middle = {run: statistics.median(t) for run, t in times[f"{name} {part}"].items()}
        best = min(middle["windows"], middle["blocks"])
        products, bytes_moved = products + best, bytes_moved + copies
        least += max(best, copies)
    total = statistics.median(whole["cnnlib"])
    operations = 3 * 2 * work["multiplications"]
    peak = 2 * work["side"] ** 3 / statistics.median(whole["sgemm"])
    found = {
        "products": products,
        "bytes": bytes_moved,
        "floor": least,
        "cnnlib over floor": total / least,
        "share of peak": operations / total / peak,
        "share of bytes": bytes_moved / total,
        "peak, GFlop/s": peak / 1e6,
        "copy, GB/s": 2 * work["copied"] / statistics.median(whole["copy"]) / 1e6,
    }
    if torch := reference(whole):
        found["floor over torch"] = least / statistics.median(whole[torch])
    return found


def training(times: dict[str, Group], _works: Any) -> dict[str, Any]:
    """W9: milliseconds of a step, and cnnlib over each PyTorch."""
    group = times["W9"]
    torch = [run for run in group if run.startswith("torch")]
    return {
        "milliseconds": {run: statistics.median(group[run]) for run in ("cnnlib", *torch)},
        "ratio": {run: ratio(group["cnnlib"], group[run]) for run in torch},
    }


def inference(times: dict[str, Group], _works: Any) -> dict[str, Any]:
    """One image forwards; and the bare rows and products of it."""
    rows = {name: beside(group) for name, group in times.items()}
    for name, group in times.items():
        if "bare" in group:
            rows[name]["milliseconds"]["bare"] = statistics.median(group["bare"])
    return rows | means(rows)


def peers(times: dict[str, Group], works: dict[str, Any]) -> dict[str, Any]:
    """How many times as long the loops take, and `scipy.signal` for the forward pass."""
    found: dict[str, Any] = {}
    for name, group in times.items():
        work, peer = name.split()
        times_as_long = ratio(group[peer], group["cnnlib"])
        found.setdefault(work, {"workload": works[work]["text"]})[peer] = times_as_long
    return found


def memory(times: dict[str, dict[str, int]], works: dict[str, Any]) -> dict[str, Any]:
    """Peak of a forward and backward pass over the arrays themselves."""
    return {
        name: {
            "workload": works[name]["text"],
            "arrays, MB": found["arrays"] / 1e6,
            "ratio": found["peak"] / found["arrays"],
        }
        for name, found in times.items()
    }


def imports(times: dict[str, Group], _works: Any) -> dict[str, Any]:
    """Milliseconds that the import takes."""
    return {
        module: {clock: statistics.median(values) for clock, values in clocks.items()}
        for module, clocks in times.items()
    }


def threads(times: dict[str, Group], _works: Any) -> dict[str, Any]:
    """One thread over two, in time of day."""
    return {
        name: {
            "milliseconds": {run: statistics.median(values) for run, values in group.items()},
            "speedup": ratio(group["one thread"], group["two threads"]),
        }
        for name, group in times.items()
    }


def growth(times: dict[str, Group], works: dict[str, Any]) -> dict[str, Any]:
    """Cost along each series, and the exponent of the power that fits it best."""
    found: dict[str, Any] = {}
    for name, group in times.items():
        series, value = name.split()
        point = {series: int(value), "method": works[name]["method"], **beside(group)}
        found.setdefault(series, {"points": []})["points"].append(point)
    for series, row in found.items():
        row["exponent"] = {
            run: slope(
                [point[series] for point in row["points"]],
                [point["milliseconds"][run] for point in row["points"]],
            )
            for run in row["points"][0]["milliseconds"]
        }
    return found


def slope(x: list[float], y: list[float]) -> float:
    """The exponent e of the power x**e that fits y best, in logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


SECTIONS = {
    "convolutions": convolutions,
    "training": training,
    "inference": inference,
    "growth": growth,
    "threads": threads,
    "peers": peers,
    "memory": memory,
    "import": imports,
}


def rounded(value: Any, digits: int = DIGITS) -> Any:
    """Every number with so many digits, all the way down."""
    if isinstance(value, dict):
        return {name: rounded(part, digits) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(part, digits) for part in value]
    if isinstance(value, float) and value and math.isfinite(value):
        return round(value, digits - 1 - math.floor(math.log10(abs(value))))
    return value
