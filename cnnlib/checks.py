"""Ways to find out whether a gradient is right, and to see any number as the sum that it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .arrays import (
    cast,
    check_deltas,
    check_images,
    float_arrays,
    read_array,
    read_function,
    read_positive,
    read_word,
    spatial,
    within_memory,
)
from .convolution import check_bias, check_kernel, conv, conv_delta, conv_weight_gradient, lay
from .errors import InputError, shown
from .geometry import Padding, PerAxis, Shape, Window, per_axis


@within_memory
def numerical_gradient(
    f: Callable[[np.ndarray], float], x: ArrayLike, step: float = 1e-5
) -> np.ndarray:
    """Gradient of a scalar function by central differences (chapter 4, "The numerical check").

        g[m] = (f(x + step*e_m) - f(x - step*e_m)) / (2*step)   for every entry m of x

    Its error is about `step**2` from the curvature plus `1e-16 * |f| / step` from rounding, so in
    float64 a step near 1e-5 serves functions of unit size.

    Parameters
    ----------
    f : callable
        Takes an array like `x`, returns a number. It should compute in float64.
    x : array
        The place. It is not changed.
    step : float
        How far to go to either side.

    Returns
    -------
    float64 array of the shape of x

    Raises
    ------
    InputError
        An argument is none of these, `f` returns no number, or the step is lost beside an entry.

    Examples
    --------
    >>> numerical_gradient(lambda x: x[0] ** 2 + 3 * x[1], np.array([2.0, 5.0])).round(6).tolist()
    [4.0, 3.0]
    """
    f, step = read_function("f", f, "of an array"), read_positive("step", step)
    x = cast("x", read_array("x", x), np.float64).copy()
    gradient = np.zeros_like(x)
    for m in np.ndindex(x.shape):
        here = float(x[m])
        high, low = here + step, here - step
        if high == low:
            raise InputError(f"step is {step}; beside x = {here} it is lost: take a larger one")
        if high - low == np.inf:
            raise InputError(f"step is {step}; from x = {here} it leads beyond all floats")
        x[m] = high
        above = _value(f(x.copy()))
        x[m] = low
        below = _value(f(x.copy()))
        x[m] = here
        gradient[m] = (above - below) / (high - low)  # beside a large x, not quite 2*step
    return gradient


def _value(returned: Any) -> float:
    """What a function returned, if it is a number; one that is not finite shows by itself."""
    value = read_array("what f returns", returned)
    if value.ndim:
        raise InputError(f"f returns {shown(returned)}; expected one number, such as a sum")
    return float(value)


_HUGE = float(np.finfo(float).max) / 2  # the difference of two such numbers may be infinite


@within_memory
def relative_error(a: ArrayLike, b: ArrayLike) -> float:
    """Largest difference of two arrays, relative to the largest entry: `max|a-b| / max(|a|,|b|)`.

    NaN where an entry is infinite or NaN.

    Examples
    --------
    >>> relative_error([100.0, 0.0], [99.0, 0.5])
    0.01
    """
    a, b = (cast(name, read_array(name, c), np.float64) for name, c in (("a", a), ("b", b)))
    if a.shape != b.shape:
        raise InputError(f"a has shape {a.shape} and b {b.shape}; expected equal shapes")
    scale = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    unit = 0.5 if scale > _HUGE else 1.0
    with np.errstate(invalid="ignore", under="ignore"):
        return float(np.abs(unit * a - unit * b).max(initial=0) / (unit * scale)) if scale else 0.0


def adjoint_test(
    x: ArrayLike, w: ArrayLike, dz: ArrayLike, **geometry: Any
) -> tuple[float, float, float]:
    """Three inner products that are equal if both gradients of a convolution are right.

        <dz, conv(x, w)> = <dx, x> = <dw, w>

    The convolution is linear in `x` and in `w`, so each side is the same sum of
    `dz[n,i,k] * w[k,u,c] * x[n,p,c]` over the rows of the table (chapter 4, "The adjoint test").

    Parameters
    ----------
    x, w, dz : array
        (N, *P, C), (K, *U, C) and (N, *I, K), best random.
    geometry
        stride, dilation, padding, center, flip, border, groups, method: as in `cnnlib.conv`.

    Examples
    --------
    >>> x, w, dz = (np.array(a).reshape(1, -1, 1) for a in ([10, 20, 30], [1, 2], [5, 7]))
    >>> adjoint_test(x, w, dz)
    (810.0, 810.0, 810.0)
    """
    x, w, dz = float_arrays(x=x, w=w, dz=dz)
    z = conv(x, w, **geometry)
    dx = conv_delta(dz, w, x.shape, **geometry)
    dw = conv_weight_gradient(x, dz, w.shape[1:-1], **geometry)
    return float((dz * z).sum()), float((dx * x).sum()), float((dw * w).sum())


Term = tuple[tuple[str, float], ...]  # the factors of a product, each with its name
Rows = list[tuple[list[int], list[int], list[int]]]  # of the connection table: (i, u, p)


@dataclass(frozen=True)
class Explanation:
    """One number of a convolution as the sum that it is; `str()` writes it out.

    A term is a product of two named numbers, or a single one for a bias.
    """

    name: str
    words: str
    terms: tuple[Term, ...]

    @property
    def value(self) -> float:
        """The sum of the terms."""
        return float(sum(np.prod([value for _, value in term]) for term in self.terms))

    def __str__(self) -> str:
        names = ["*".join(name for name, _ in term) for term in self.terms]
        numbers = ["*".join(_number(value) for _, value in term) for term in self.terms]
        return (
            f"{self.words}\n{self.name} = {' + '.join(names) or '0'}\n"
            f"  = {' + '.join(numbers) or '0'}\n  = {self.value:.6g}"
        )


def explain(
    quantity: str,
    cell: int | Sequence[int],
    *,
    x: ArrayLike | None = None,
    w: ArrayLike | None = None,
    b: ArrayLike | None = None,
    dz: ArrayLike | None = None,
    stride: PerAxis = 1,
    dilation: PerAxis = 1,
    padding: Padding = None,
    center: PerAxis | None = None,
    flip: bool = False,
    border: str = "zeros",
    groups: int = 1,
) -> Explanation:
    """Write one entry of z, dx, dw or db as the sum over its rows of the connection table.

    Parameters
    ----------
    quantity : {'z', 'dx', 'dw', 'db'}
        Needs `x, w` and perhaps `b`; `x, w, dz`; `x, w, dz`; `dz`.
    cell : tuple of int
        Index of the entry: (n, *i, k), (n, *p, c), (k, *u, c) or (k,).
    x, w, b, dz : array
        As in `cnnlib.conv`. Of `x` only the shape counts for 'dx', of `w` for 'dw'.
    stride, dilation, padding, center, flip, border, groups
        As in `cnnlib.conv`.

    Returns
    -------
    Explanation
        `print` it, or read `terms` and `value`.

    Raises
    ------
    InputError
        An array is missing or of a wrong shape, or the entry does not exist.

    Examples
    --------
    >>> x, w = np.array([10, 20, 30]).reshape(1, 3, 1), np.array([1, 2]).reshape(1, 2, 1)
    >>> print(explain("z", (0, 1, 0), x=x, w=w, b=[4]))
    Output (1,) of sample 0, filter 0, meets 2 input cells.
    z[0,1,0] = w[0,0,0]*x[0,1,0] + w[0,1,0]*x[0,2,0] + b[0]
      = 1*20 + 2*30 + 4
      = 84
    >>> print(explain("dx", (0, 0, 0), x=x, w=w, dz=np.array([5, 7]).reshape(1, 2, 1)))
    Input (0,) of sample 0, channel 0, went into 1 output.
    dx[0,0,0] = w[0,0,0]*dz[0,0,0]
      = 1*5
      = 5
    """
    needed = {"z": "x w", "dx": "x w dz", "dw": "x w dz", "db": "dz"}
    read_word("quantity", quantity, needed)
    given = {"x": x, "w": w, "b": b, "dz": dz}
    for name in needed[quantity].split():
        if given[name] is None:
            raise InputError(f"{name} is missing; explain({quantity!r}) needs {needed[quantity]}")
    arrays = {name: float_arrays(**{name: a})[0] for name, a in given.items() if a is not None}
    if quantity == "db":
        return _explain_db(cell, arrays["dz"])
    x, w, b = arrays["x"], arrays["w"], arrays.get("b")
    check_kernel(w)
    window = Window(spatial(w.shape), stride, dilation, padding, center, flip, border)
    check_images("x", x, len(window.kernel))
    shape = lay(window, x.shape, w.shape, "auto", groups=groups).output_shape
    if b is not None:
        check_bias(b, w)
    if quantity != "z":
        check_deltas("dz", arrays["dz"], shape)
    shapes = {"z": ("output", shape), "dx": ("input", x.shape), "dw": ("weight", w.shape)}
    side, whole = shapes[quantity]
    at = _cell(cell, whole)
    rows = _rows(window, spatial(x.shape), side, at[1:-1])
    if quantity == "z":
        return _explain_z(at, rows, x, w, b)
    if quantity == "dx":
        return _explain_dx(at, rows, w, arrays["dz"], x.shape[-1])
    return _explain_dw(at, rows, x, arrays["dz"], w)


def _rows(window: Window, shape: Shape, side: str, place: Shape) -> Rows:
    """The rows (i, u, p) of the table with this cell on that side, their indices along all axes."""
    number = ("output", "weight", "input").index(side)
    along = []  # each axis, its triples with this cell: the whole table may be large
    for axis, cell in zip(window.axes(shape), place, strict=True):
        rows = np.transpose(axis.rows())
        along.append(rows[rows[:, number] == cell].tolist())
    together = (zip(*row, strict=True) for row in product(*along))
    return sorted((list(i), list(u), list(p)) for i, u, p in together)  # as in the table


def _explain_z(
    cell: Shape, rows: Rows, x: np.ndarray, w: np.ndarray, b: np.ndarray | None
) -> Explanation:
    """z[n,i,k] = b[k] + sum over rows (i,u,p), c of w[k,u,c] * x[n,p,c]."""
    n, *i, k = cell
    terms: list[Term] = [
        (_factor("w", w, (k, *u, c)), _factor("x", x, (n, *p, _channel(k, c, x, w))))
        for _, u, p in rows
        for c in range(w.shape[-1])
    ]
    if b is not None:
        terms.append((_factor("b", b, (k,)),))
    meets = _count(len({(*p,) for _, _, p in rows}), "input cell")
    words = f"Output {tuple(i)} of sample {n}, filter {k}, meets {meets}."
    return Explanation(_name("z", cell), words, tuple(terms))


def _explain_dx(
    cell: Shape, rows: Rows, w: np.ndarray, dz: np.ndarray, channels: int
) -> Explanation:
    """dx[n,p,c] = sum over rows (i,u,p), k of w[k,u,c] * dz[n,i,k]."""
    n, *p, c = cell
    g, own = divmod(c, w.shape[-1])  # its group, and its place in there
    each = len(w) * w.shape[-1] // channels  # filters of a group
    terms = tuple(
        (_factor("w", w, (k, *u, own)), _factor("dz", dz, (n, *i, k)))
        for i, u, _ in rows
        for k in range(g * each, g * each + each)
    )
    went = _count(len({(*i,) for i, _, _ in rows}), "output")
    words = f"Input {tuple(p)} of sample {n}, channel {c}, went into {went}."
    return Explanation(_name("dx", cell), words, terms)


def _explain_dw(
    cell: Shape, rows: Rows, x: np.ndarray, dz: np.ndarray, w: np.ndarray
) -> Explanation:
    """dw[k,u,c] = sum over rows (i,u,p), n of x[n,p,c] * dz[n,i,k]."""
    k, *u, c = cell
    terms = tuple(
        (_factor("x", x, (n, *p, _channel(k, c, x, w))), _factor("dz", dz, (n, *i, k)))
        for i, _, p in rows
        for n in range(len(x))
    )
    joined = _count(len(rows), "pair")
    words = f"Weight {tuple(u)} of filter {k}, channel {c}, joined {joined} in each sample."
    return Explanation(_name("dw", cell), words, terms)


def _channel(k: int, c: int, x: np.ndarray, w: np.ndarray) -> int:
    """The channel of x that weight `c` of filter `k` meets: in groups, one of its own group."""
    return k * x.shape[-1] // (len(w) * w.shape[-1]) * w.shape[-1] + c


def _explain_db(cell: int | Sequence[int], dz: np.ndarray) -> Explanation:
    """db[k] = sum over n, i of dz[n,i,k]."""
    check_images("dz", dz)
    (k,) = _cell(cell, dz.shape[-1:])
    terms = tuple((_factor("dz", dz, (*ni, k)),) for ni in np.ndindex(dz.shape[:-1]))
    words = f"The bias of filter {k} went into {_count(len(terms), 'output')}."
    return Explanation(_name("db", (k,)), words, terms)


def _cell(cell: int | Sequence[int], shape: Shape) -> Shape:
    """The index of an entry, if an array of this shape has it."""
    index = per_axis("cell", cell, len(shape), 0)
    if any(m >= size for m, size in zip(index, shape, strict=True)):
        raise InputError(f"cell is {shown(cell)}; the array has shape {tuple(shape)}")
    return index


def _factor(name: str, array: np.ndarray, index: Shape) -> tuple[str, float]:
    return _name(name, index), float(array[index])


def _name(name: str, index: Shape) -> str:
    return f"{name}[{','.join(map(str, index))}]"


def _number(value: float) -> str:
    return f"{value:.6g}" if value >= 0 else f"({value:.6g})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
