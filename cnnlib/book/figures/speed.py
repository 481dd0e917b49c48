"""Measured speed: which program takes how long, and which roof it lies under."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np

from cnnlib.arrays import read_kind, read_positive
from cnnlib.errors import InputError

from .cells import read_line
from .style import GREY, Figure, new_figure, styled

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_STEP = 0.3  # inches from one row to the next
Point = tuple[float, float]


def ladder(
    times: Mapping[str, Mapping[str, float]], *, xlabel: str = "", missing: str = ""
) -> Figure:
    """Draw `times[series][row]` as marks on a logarithmic axis, a row for each name.

    Parameters
    ----------
    times : mapping of mappings
        For each series its measured times, by the name of the row; a series may lack rows. Rows
        come in the order in which they first occur, from the top down.
    xlabel : str
        Words at the axis.
    missing : str
        A line below: what was not measured, and why.
    """
    read_kind("times", times, Mapping, "{series: {row: time}}")
    read_line("xlabel", xlabel)
    read_line("missing", missing)
    rows = list(dict.fromkeys(row for series in times.values() for row in series))
    with styled():
        figure = new_figure(5.6, 1.2 + _STEP * (len(rows) + len(times) / 2))
        axes = figure.subplots()
        for (name, series), marker in zip(times.items(), cycle(_MARKERS)):
            heights = [rows.index(row) for row in series]
            axes.plot(list(series.values()), heights, marker, label=name, markersize=5.5)
        axes.set(xscale="log", ylim=(len(rows) - 0.5, -0.5))
        axes.set_yticks(range(len(rows)), rows)
        axes.set_xlabel(f"{xlabel}\n{missing}" if missing else xlabel)
        figure.legend(loc="outside lower center", ncols=2)  # beside the axes it would squeeze them
    return figure


def roofline(
    peak: float,
    copying: Mapping[str, float],
    points: Mapping[str, Sequence[Point]],
    *,
    xlabel: str = "multiplications for each number copied",
    ylabel: str = "multiplications per nanosecond",
) -> Figure:
    """Draw programs under the roofs of a machine: how fast it multiplies, and how fast it copies.

    A program that makes `m` multiplications for each number that it copies makes no more of them
    in a nanosecond than `min(peak, m * copying)`. Both axes are logarithmic.

    Parameters
    ----------
    peak : float
        Multiplications per nanosecond of the best matrix product.
    copying : mapping
        Numbers copied per nanosecond, by the name of the memory they lie in.
    points : mapping
        For each program its points (multiplications for each number copied, multiplications per
        nanosecond).
    """
    peak = read_positive("peak", peak)
    read_line("xlabel", xlabel)
    read_line("ylabel", ylabel)
    for name, table in (("copying", copying), ("points", points)):
        if not read_kind(name, table, Mapping, "one entry for each name"):
            raise InputError(f"{name} is empty; expected one entry at least")
    places = [m for many in points.values() for m, _ in many]
    low = min([*places, peak / max(copying.values())]) / 2
    high = max([*places, peak / min(copying.values())]) * 2
    m = np.geomspace(low, high, 200)
    with styled():
        figure = new_figure(5.6, 4.6)
        axes = figure.subplots()
        for (name, rate), dashes in zip(copying.items(), cycle(("-", "--", ":"))):
            roof = np.minimum(peak, m * rate)
            axes.plot(m, roof, dashes, color=GREY, label=f"roof: copying {name}", zorder=1)
        for (name, many), marker in zip(points.items(), cycle(_MARKERS)):
            axes.plot(*zip(*many, strict=True), marker, label=name, markersize=5.5, zorder=2)
        axes.set(xscale="log", yscale="log", xlabel=xlabel, ylabel=ylabel)
        figure.legend(loc="outside lower center", ncols=2)  # beside the axes it would squeeze them
    return figure
