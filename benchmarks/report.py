"""The figures as text: tables for a terminal, and the README's table."""

import re
from collections.abc import Callable
from typing import Any

from measure import SWITCHES, spread, table
from summary import label

BUSY = 1.5  # load average from which others were at work too: the benchmark alone makes 1


def text(figures: dict[str, Any]) -> str:
    """Every section that is there, with a sentence on what stands in its table."""
    machine = [f"{name}: {fact}" for name, fact in figures["machine"].items()]
    loads = ", ".join(f"{name} {load}" for name, load in figures["load"].items())
    machine.append(f"load average before each section, this program included: {loads}")
    busy = [name for name, load in figures["load"].items() if load > BUSY]
    if busy:
        machine.append(
            f"The machine was busy before {', '.join(busy)}: ratios of CPU time bear that, times "
            "of day (of threads and imports) do not."
        )
    shown = [show(figures[name]) for name, show in TABLES.items() if name in figures]
    return "\n\n".join(["\n".join(machine), *shown])


def convolutions(rows: dict[str, Any]) -> str:
    """The ratios, their parts, the floors."""
    works = {name: row for name, row in rows.items() if isinstance(row, dict)}
    whole = [["", "batch, channels, kernel", "cnnlib", "torch", "format", "cnnlib / torch"]]
    parts = [["", *(f"{part}, {what}" for part in ("z", "dx", "dw") for what in ("ms", "/ torch"))]]
    floors = [[
        "", "cnnlib", "of peak", "bytes", "products", "floor", "cnnlib / floor", "floor / torch"
    ]]  # fmt: skip
    for name, row in works.items():
        cells = [milliseconds(row, "torch"), row.get("format", ""), ratio(row)]
        whole.append([name, row["workload"], milliseconds(row, "cnnlib"), *cells])
        parts.append([name])
        for part in row["parts"].values():
            parts[-1] += [f"{part['milliseconds']['cnnlib']}", ratio(part)]
        if "floor" in row:
            floors.append([name, milliseconds(row, "cnnlib"), *floor(row["floor"])])
    whole += mean_rows(rows, len(whole[0]))
    found = [
        "Forward pass and both gradients: CPU time, ratio to PyTorch's faster format (median and "
        f"quartiles over the rounds).\nMean and maximum are those of W1 to W7.\n{table(whole)}",
        f"The same, sum by sum.\n{table(parts)}",
    ]
    peaks = [row["floor"] for row in works.values() if "floor" in row]
    if peaks:
        peak, copy = (max(row[key] for row in peaks) for key in ("peak, GFlop/s", "copy, GB/s"))
        found.append(
            f"What the machine allows: large matrix products {peak} GFlop/s, large copies {copy} "
            "GB/s.\nOf peak: multiplications of the sums, at the speed of a large product. Bytes: "
            "the time to copy what must be read and written.\nProducts: the bare matrix products, "
            "in windows or in blocks, whichever are faster. Floor: for each sum the larger of "
            f"both.\n{table(floors)}"
        )
    return "\n\n".join(found)


def floor(row: dict[str, float]) -> list[str]:
    """Cells of one floor."""
    return [
        f"{row['share of peak']:.0%}",
        f"{row['bytes']} ms, {row['share of bytes']:.0%}",
        f"{row['products']} ms",
        f"{row['floor']} ms",
        f"{row['cnnlib over floor']:.2f}",
        f"{row['floor over torch']:.2f}" if "floor over torch" in row else "",
    ]


def milliseconds(row: dict[str, Any], run: str) -> str:
    """Median, for a table."""
    return f"{row['milliseconds'][run]} ms" if run in row["milliseconds"] else ""


def ratio(row: dict[str, Any]) -> str:
    """Median and quartiles, for a table."""
    return spread(row["ratio"]) if "ratio" in row else ""


def mean_rows(rows: dict[str, Any], width: int) -> list[list[str]]:
    """Geometric mean and maximum in the last column."""
    names = [name for name in ("geometric mean", "maximum") if name in rows]
    return [["", name, *[""] * (width - 3), f"{rows[name]:.2f}"] for name in names]


def training(row: dict[str, Any]) -> str:
    """A row for each training."""
    rows = [["", "a step", "cnnlib / it"]]
    for run, time in row["milliseconds"].items():
        rows.append([run, f"{time} ms", spread(row["ratio"][run]) if run in row["ratio"] else ""])
    return f"W9, a step of training.\n{table(rows)}"


def inference(rows: dict[str, Any]) -> str:
    """A row for each workload."""
    cells = [["", "cnnlib", "bare", "torch", "format", "cnnlib / torch"]]
    for name, row in rows.items():
        if isinstance(row, dict):
            cells.append([name, *(milliseconds(row, run) for run in ("cnnlib", "bare", "torch"))])
            cells[-1] += [row.get("format", ""), ratio(row)]
    cells += mean_rows(rows, len(cells[0]))
    return (
        "One image forwards. Bare: its rows and products alone, without checks, matrix and new "
        f"memory.\n{table(cells)}"
    )


def growth(rows: dict[str, Any]) -> str:
    """The series one below the other."""
    cells = [["", "", "method", "cnnlib", "torch", "cnnlib / torch"]]
    for series, row in rows.items():
        for point in row["points"]:
            times = [milliseconds(point, run) for run in ("cnnlib", "torch")]
            cells.append([series, str(point[series]), point["method"], *times, ratio(point)])
        powers = (row["exponent"].get(run) for run in ("cnnlib", "torch"))
        fitted = ["" if power is None else f"^{power:.2f}" for power in powers]
        cells.append(["", "", "exponent", *fitted, ""])
    return (
        "Growth along one number; the others stay as in 16 of 32x32, 16 to 16, 3x3. The exponent "
        f"of the power that fits best stands below.\n{table(cells)}"
    )


def threads(rows: dict[str, Any]) -> str:
    """A row for each workload."""
    cells = [["", "one thread", "two threads", "times as fast"]]
    for name, row in rows.items():
        times = (milliseconds(row, run) for run in ("one thread", "two threads"))
        cells.append([name, *times, spread(row["speedup"])])
    return (
        "Two threads (cnnlib.threads) beside one, in time of day: it says something only where no "
        f"other process wants a core. Bare products gain what the machine allows.\n{table(cells)}"
    )


def peers(rows: dict[str, Any]) -> str:
    """A row for each workload."""
    cells = [["", "batch, channels, kernel", "loops", "scipy.signal, forwards"]]
    for name, row in rows.items():
        cells.append(
            [name, row["workload"], *(f"{row[peer][0]:.4g}" for peer in ("loops", "scipy"))]
        )
    return (
        "How many times as long others take as cnnlib. The loops run over the connection table, "
        "NumPy over images,\nchannels and filters; scipy.signal.correlate takes a channel and a "
        "filter. They ran on a cut, smaller images\nor one image, and their times are scaled by "
        f"the count of multiplications.\n{table(cells)}"
    )


def memory(rows: dict[str, Any]) -> str:
    """A row for each workload."""
    cells = [["", "inputs, outputs, gradients", "peak / these"]]
    cells += [
        [name, f"{row['arrays, MB']} MB", f"{row['ratio']:.2f}"] for name, row in rows.items()
    ]
    return f"Peak memory of forward pass and both gradients.\n{table(cells)}"


def imports(rows: dict[str, Any]) -> str:
    """A row for each module."""
    cells = [["", "time of day", "CPU time"]]
    cells += [[name, f"{row['wall']} ms", f"{row['cpu']} ms"] for name, row in rows.items()]
    return f"Import in a fresh interpreter.\n{table(cells)}"


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "convolutions": convolutions,
    "training": training,
    "inference": inference,
    "growth": growth,
    "threads": threads,
    "peers": peers,
    "memory": memory,
    "import": imports,
}

README_TABLE = re.compile(
    r"^\| workload \|.*?\n\n\| machine \|.*?(?=\n\n)", re.DOTALL | re.MULTILINE
)
README_ROWS = {
    "W1": "64 images 28x28, 1 to 8 channels, 5x5",
    "W2": "64 images 12x12, 8 to 16 channels, 5x5",
    "W3": "64 images 32x32, 3 to 32 channels, 3x3",
    "W4": "64 images 32x32, 32 to 64 channels, 3x3",
    "W5": "the same at stride 2",
    "W6": "64 signals of 1024, 16 to 32 channels, 9",
    "W7": "64 volumes 16x16x16, 4 to 8 channels, 3x3x3",
}


def markdown(machines: list[dict[str, Any]]) -> str:
    """The tables of the README: a column for each machine, and what these are."""
    names = [label(figures["machine"]) for figures in machines]
    lines = [row(["workload", *names]), row(["---"] * (1 + len(names)))]
    for name, text in README_ROWS.items():
        lines.append(row([text, *(f"{m['convolutions'][name]['ratio'][0]:.2f}" for m in machines)]))
    means = [f"**{m['convolutions']['geometric mean']:.2f}**" for m in machines]
    lines.append(row(["**geometric mean**", *means]))
    for run, how in (("default", "as one writes it first"), ("best", "at its best")):
        text = f"a whole training step (conv, pool, conv, pool, dense, dense, Adam), PyTorch {how}"
        steps = [f"{m['training']['ratio'][f'torch {run}'][0]:.2f}" for m in machines]
        lines.append(row([text, *steps]))
    lines += ["", row(["machine", "NumPy", "PyTorch", "limited by", "load"]), row(["---"] * 5)]
    for name, figures in zip(names, machines, strict=True):
        facts, load = figures["machine"], figures["load"]["convolutions"]
        # Of several BLAS libraries the first is NumPy's own; SciPy brings another.
        numpy, limits = facts["NumPy"].split(";")[0], [s for s in SWITCHES if s in facts]
        limited = " ".join(f"`{switch}={facts[switch]}`" for switch in limits)
        lines.append(row([name, numpy, facts["PyTorch"], limited, f"{load}"]))
    return "\n".join(lines)


def row(cells: list[str]) -> str:
    """Of a table."""
    return f"| {' | '.join(cells)} |"
