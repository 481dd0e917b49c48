"""One number of a convolution with channels and filters: which slice meets which, and the sums."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnlib.convolution import conv, conv_delta, conv_weight_gradient
from cnnlib.geometry import Axis, Window

from .cells import number
from .grids import Grid
from .lenses import Cell, Lens, draw_lenses, factor
from .placing import met, named, pads, together
from .style import Figure


def slice_placement(
    lens: str,
    position: Cell,
    *,
    x: np.ndarray,
    w: np.ndarray,
    b: Sequence[float] | None,
    dz: np.ndarray,
    groups: int = 1,
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
        (1, *P, C), (K, *U, C/groups), (K,) or None, (1, *I, K).
    groups : int
        Only slices of the chosen cell's group are drawn.
    geometry
        stride, dilation, padding, center, flip, border: as in `cnnlib.conv`.
    """
    P, U, I = x.shape[1:-1], w.shape[1:-1], dz.shape[1:-1]
    axes = Window(U, **geometry).axes(P)
    C, K, D = x.shape[-1], len(w), w.shape[-1]
    geometry["groups"] = groups
    parts: list[Lens] = []
    sums: list[float] = []
    if lens == "weight":
        dw = conv_weight_gradient(x, dz, U, **geometry)
        return draw_lenses([_weight(position, axes, x, dz, dw, groups)])
    place, last = position[:-1], position[-1]
    if lens == "forward":
        whole, kind = conv(x, w, b, **geometry), "output"
        over = {u: met(axes, place, u) for u in np.ndindex(U)}
        for own in range(D):
            c = last * groups // K * D + own
            tags = {p: w[(last, *u, own)] for u, p in over.items()}
            terms = [(one, x[(0, *q, c)]) for p, one in tags.items() if (q := named(axes, p))]
            text, value = _sum(f"channel {c}", terms)
            sums.append(value)
            kernel = _kernel(w[last, ..., own], last, c)
            parts.append(Lens(_channel(x, c, axes), tags, "weight", (kernel,), text))
        sums += [b[last]] if b else []
    else:
        whole, kind = conv_delta(dz, w, x.shape, **geometry), "delta"
        pairs = [(i, u) for i in np.ndindex(I) for u in np.ndindex(U)
                 if named(axes, met(axes, i, u)) == place]  # fmt: skip
        for k in range(K):
            if k * groups // K != last * groups // C:
                continue
            terms = [(w[(k, *u, last % D)], dz[(0, *i, k)]) for i, u in pairs]
            text, value = _sum(f"filter {k}", terms)
            sums.append(value)
            kernel = _kernel(w[k, ..., last % D], k, last)
            tags = together((i, w[(k, *u, last % D)]) for i, u in pairs)
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


def _weight(
    position: Cell, axes: Sequence[Axis], x: np.ndarray, dz: np.ndarray, dw: np.ndarray, groups: int
) -> Lens:
    """The slice of the weight at `position`: the inputs that it met, each with its delta."""
    k, u, own = position[0], position[1:-1], position[-1]
    c = k * groups // len(dw) * dw.shape[-1] + own
    places = {met(axes, i, u): dz[(0, *i, k)] for i in np.ndindex(dz.shape[1:-1])}
    terms = [(x[(0, *q, c)], one) for p, one in places.items() if (q := named(axes, p))]
    sides = (
        Grid(dz[0, ..., k], "delta", f"dz, filter {k}"),
        Grid(dw[k, ..., own], "weight", f"dw, filter {k}, channel {c}", [u]),
    )
    text, _ = _sum(f"dw[{_listed(position)}]", terms)
    return Lens(_channel(x, c, axes), places, "delta", sides, text)


def _channel(x: np.ndarray, c: int, axes: Sequence[Axis]) -> Grid:
    a = x[0, ..., c]
    return Grid(a, "input", f"x, channel {c}", padding=pads(axes), border=axes[0].border)


def _kernel(w: np.ndarray, k: int, c: int) -> Grid:
    wide = w.shape[-1] > 1  # enough for a long title
    title = f"w, filter {k}, channel {c}" if wide else "w"
    return Grid(w, "weight", title)


def _listed(index: Cell) -> str:
    return ",".join(map(str, index))


def _sum(name: str, terms: Sequence[tuple[float, float]]) -> tuple[str, float]:
    """A sum of products as text, and its value."""
    value = sum(m * n for m, n in terms)
    products = " + ".join(f"{factor(m)}×{factor(n)}" for m, n in terms) or "0"
    return f"{name}: {products} = {number(value)}", value
