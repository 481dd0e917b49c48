"""One number of a convolution with channels and filters: which slice meets which, and the sums."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnlib.convolution import conv, conv_delta, conv_weight_gradient
from cnnlib.geometry import Window

from .cells import number
from .grids import Grid
from .lenses import Cell, Lens, draw_lenses, factor
from .placing import met, pads
from .style import Figure


def slice_placement(
    lens: str,
    position: Cell,
    *,
    x: np.ndarray,
    w: np.ndarray,
    b: Sequence[float] | None,
    dz: np.ndarray,
    **geometry: Any,
) -> Figure:
    """Draw one lens for each slice that the sum goes over, and the grids of its results.

    Parameters
    ----------
    lens : {'forward', 'delta', 'weight'}
        The sum.
    position : tuple of int
        (*i, k), (*p, c) or (k, *u, c).
    x, w, b, dz : array
        (1, *P, C), (K, *U, C), (K,) or None, (1, *I, K).
    geometry
        stride, dilation, padding, center, flip: as in `cnnlib.conv`.
    """
    P, U, I = x.shape[1:-1], w.shape[1:-1], dz.shape[1:-1]
    axes = Window(U, **geometry).axes(P)
    reads = {(i, u): met(axes, i, u) for i in np.ndindex(I) for u in np.ndindex(U)}
    inside = dict.fromkeys(np.ndindex(P))
    parts: list[Lens] = []
    sums: list[float] = []
    if lens == "weight":
        k, u, c = position[0], position[1:-1], position[-1]
        dw = conv_weight_gradient(x, dz, U, **geometry)
        places = {reads[i, u]: dz[(0, *i, k)] for i in np.ndindex(I)}
        terms = [(x[(0, *p, c)], value) for p, value in places.items() if p in inside]
        sides = (
            Grid(dz[0, ..., k], "delta", f"dz, filter {k}"),
            Grid(dw[k, ..., c], "weight", f"dw, filter {k}, channel {c}", [u]),
        )
        base = Grid(x[0, ..., c], "input", f"x, channel {c}", padding=pads(axes))
        text, _ = _sum(f"dw[{_listed(position)}]", terms)
        return draw_lenses([Lens(base, places, "delta", sides, text)])
    place, last = position[:-1], position[-1]
    if lens == "forward":
        whole, kind = conv(x, w, b, **geometry), "output"
        places = {reads[place, u]: u for u in np.ndindex(U)}
        for c in range(x.shape[-1]):
            tags = {p: w[(last, *u, c)] for p, u in places.items()}
            terms = [(value, x[(0, *p, c)]) for p, value in tags.items() if p in inside]
            text, value = _sum(f"channel {c}", terms)
            sums.append(value)
            kernel = Grid(w[last, ..., c], "weight", f"w, filter {last}, channel {c}")
            base = Grid(x[0, ..., c], "input", f"x, channel {c}", padding=pads(axes))
            parts.append(Lens(base, tags, "weight", (kernel,), text))
        sums += [b[last]] if b else []
    else:
        whole, kind = conv_delta(dz, w, x.shape, **geometry), "delta"
        places = {i: u for (i, u), p in reads.items() if p == place}
        for k in range(dz.shape[-1]):
            tags = {i: w[(k, *u, last)] for i, u in places.items()}
            terms = [(value, dz[(0, *i, k)]) for i, value in tags.items()]
            text, value = _sum(f"filter {k}", terms)
            sums.append(value)
            kernel = Grid(w[k, ..., last], "weight", f"w, filter {k}, channel {last}")
            base = Grid(dz[0, ..., k], "delta", f"dz, filter {k}")
            parts.append(Lens(base, tags, "weight", (kernel,), text))
    letter, noun = ("z", "filter") if lens == "forward" else ("dx", "channel")
    first, *rest = (
        Grid(whole[0, ..., m], kind, f"{letter}, {noun} {m}", [place] if m == last else [])
        for m in range(whole.shape[-1])
    )
    text = " + ".join(map(factor, sums))
    text = f"{letter}[{_listed(position)}] = {text} = {number(sum(sums))}"
    return draw_lenses([*parts, Lens(first, {}, "weight", tuple(rest), text)])


def _listed(index: Cell) -> str:
    return ",".join(map(str, index))


def _sum(name: str, terms: Sequence[tuple[float, float]]) -> tuple[str, float]:
    """A sum of products as text, and its value."""
    value = sum(m * n for m, n in terms)
    products = " + ".join(f"{factor(m)}×{factor(n)}" for m, n in terms) or "0"
    return f"{name}: {products} = {number(value)}", value
