"""Ways to find out whether a gradient is right, and to see any number as the sum that it is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .arrays import check_deltas, check_images, float_arrays, spatial
from .convolution import conv, conv_delta, conv_weight_gradient
from .errors import InputError
from .geometry import Window, per_axis


def numerical_gradient(f: Callable[[np.ndarray], float], x, step: float = 1e-5) -> np.ndarray:
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

    Examples
    --------
    >>> numerical_gradient(lambda x: x[0] ** 2 + 3 * x[1], np.array([2.0, 5.0])).round(6).tolist()
    [4.0, 3.0]
    """
    x = np.array(x, np.float64)
    gradient = np.zeros_like(x)
    for m in np.ndindex(x.shape):
        here = x[m]
        x[m] = here + step
        above = f(x.copy())
        x[m] = here - step
        below = f(x.copy())
        x[m] = here
        gradient[m] = (above - below) / (2 * step)
    return gradient


def relative_error(a, b) -> float:
    """Largest difference of two arrays, relative to the largest entry: `max|a-b| / max(|a|,|b|)`.

    Examples
    --------
    >>> relative_error([100.0, 0.0], [99.0, 0.5])
    0.01
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise InputError(f"a has shape {a.shape} and b {b.shape}; expected equal shapes")
    scale = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    return float(np.abs(a - b).max(initial=0) / scale) if scale else 0.0


def adjoint_test(x, w, dz, **geometry) -> tuple[float, float, float]:
    """Three inner products that are equal if both gradients of a convolution are right.

        <dz, conv(x, w)> = <dx, x> = <dw, w>

    The convolution is linear in `x` and in `w`, so each side is the same sum of
    `dz[n,i,k] * w[k,u,c] * x[n,p,c]` over the rows of the table (chapter 4, "The adjoint test").

    Parameters
    ----------
    x, w, dz : array
        (N, *P, C), (K, *U, C) and (N, *I, K), best random.
    geometry
        stride, dilation, padding, center, flip, method: as in `cnnlib.conv`.

    Examples
    --------
    >>> x, w, dz = (np.array(a).reshape(1, -1, 1) for a in ([10, 20, 30], [1, 2], [5, 7]))
    >>> adjoint_test(x, w, dz)
    (810.0, 810.0, 810.0)
    """
    x, w, dz = float_arrays(x=x, w=w, dz=dz)
    dx = conv_delta(dz, w, x.shape, **geometry)
    dw = conv_weight_gradient(x, dz, w.shape[1:-1], **geometry)
    z = conv(x, w, **geometry)
    return float((dz * z).sum()), float((dx * x).sum()), float((dw * w).sum())


Term = tuple[tuple[str, float], ...]  # the factors of a product, each with its name


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
    cell,
    *,
    x=None,
    w=None,
    b=None,
    dz=None,
    stride=1,
    dilation=1,
    padding=None,
    center=None,
    flip=False,
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
    stride, dilation, padding, center, flip
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
    if quantity not in needed:
        raise InputError(f"quantity is {quantity!r}; expected 'z', 'dx', 'dw' or 'db'")
    given = {"x": x, "w": w, "b": b, "dz": dz}
    for name in needed[quantity].split():
        if given[name] is None:
            raise InputError(f"{name} is missing; explain({quantity!r}) needs {needed[quantity]}")
    arrays = {name: float_arrays(**{name: a})[0] for name, a in given.items() if a is not None}
    if quantity == "db":
        return _explain_bias(cell, arrays["dz"])
    x, w, b, dz = (arrays.get(name) for name in given)
    z = conv(x, w, b, stride=stride, dilation=dilation, padding=padding, center=center, flip=flip)
    if quantity != "z":
        check_deltas("dz", dz, z.shape)
    P, I, U = spatial(x.shape), spatial(z.shape), spatial(w.shape)
    rows = Window(U, stride, dilation, padding, center, flip).connections(P)
    shape = {"z": z.shape, "dx": x.shape, "dw": w.shape}[quantity]
    first, *place, last = _cell(cell, shape)
    side = {"z": "output", "dx": "input", "dw": "weight"}[quantity]
    rows = rows[rows[side] == np.ravel_multi_index(place, shape[1:-1])]
    terms: list[Term] = []
    for row in rows:
        i, u, p = (
            tuple(map(int, np.unravel_index(row[f], size)))
            for f, size in (("output", I), ("weight", U), ("input", P))
        )
        if quantity == "z":  # first, last = n, k
            c = range(x.shape[-1])
            terms += [(_factor("w", w, (last, *u, m)), _factor("x", x, (first, *p, m))) for m in c]
        elif quantity == "dx":  # first, last = n, c
            k = range(len(w))
            terms += [
                (_factor("w", w, (m, *u, last)), _factor("dz", dz, (first, *i, m))) for m in k
            ]
        else:  # first, last = k, c
            n = range(len(x))
            terms += [
                (_factor("x", x, (m, *p, last)), _factor("dz", dz, (m, *i, first))) for m in n
            ]
    if quantity == "z" and b is not None:
        terms.append((_factor("b", b, (last,)),))
    at, count = tuple(place), len(rows)
    words = {
        "z": f"Output {at} of sample {first}, filter {last}, meets {_count(count, 'input cell')}.",
        "dx": f"Input {at} of sample {first}, channel {last}, went into {_count(count, 'output')}.",
        "dw": f"Weight {at} of filter {first}, channel {last}, joined "
        f"{_count(count, 'pair')} in each sample.",
    }[quantity]
    return Explanation(_name(quantity, (first, *place, last)), words, tuple(terms))


def _explain_bias(cell, dz: np.ndarray) -> Explanation:
    check_images("dz", dz)
    (k,) = _cell(cell, dz.shape[-1:])
    terms = tuple((_factor("dz", dz, (*i, k)),) for i in np.ndindex(dz.shape[:-1]))
    words = f"The bias of filter {k} went into {_count(len(terms), 'output')}."
    return Explanation(f"db[{k}]", words, terms)


def _cell(cell, shape) -> tuple[int, ...]:
    index = per_axis("cell", cell, len(shape), 0)
    if any(m >= size for m, size in zip(index, shape, strict=True)):
        raise InputError(f"cell is {cell!r}; the array has shape {tuple(shape)}")
    return index


def _factor(name: str, array: np.ndarray, index: tuple[int, ...]) -> tuple[str, float]:
    return _name(name, index), float(array[index])


def _name(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{','.join(map(str, index))}]"


def _number(value: float) -> str:
    return f"{value:.6g}" if value >= 0 else f"({value:.6g})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
