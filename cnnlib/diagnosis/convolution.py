"""The diagnosis of somebody's convolution layer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

from cnnlib.arrays import read_function, read_integer, read_word
from cnnlib.errors import InputError

from .calling import check_callable, plain, quantity_of
from .cases import Case, ladder, read_setting
from .examining import examine_layer
from .mistakes.slopes import ACTIVATIONS
from .report import Report
from .settings import Setting, read_limits

Layer = Callable[..., Any]
_CALL = "fn(x, w, b, dz, stride, padding)"


def diagnose(
    fn: Layer,
    *,
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] | str | None = None,
    axes: int = 2,
    channels: int | None = None,
    limits: Iterable[str] = (),
    activation: str | None = None,
    seed: int = 0,
) -> Report:
    """Say what is wrong with somebody's convolution, where, and which known mistake it is.

    The function is run on configurations that expose mistakes, from the simplest to the most
    awkward, and every entry is compared with

        z[n,i,k]  = b[k] + sum over rows (i,u,p), c of w[k,u,c] * x[n,p,c]
        dx[n,p,c] = sum over rows (i,u,p), k of w[k,u,c] * dz[n,i,k]
        dw[k,u,c] = sum over rows (i,u,p), n of x[n,p,c] * dz[n,i,k]
        db[k]     = sum over n, i of dz[n,i,k]

    where the rows are those of `cnnlib.connections` (chapters 1, 3 and 4).

    Parameters
    ----------
    fn : callable
        `fn(x, w, b, dz, stride, padding)`, called by position with NumPy arrays: `x` (N, H, W, C),
        `w` (K, kh, kw, C), `b` (K,), the upstream delta `dz` (N, oh, ow, K), an integer stride and
        padding. It is a cross-correlation, and returns a dict with any of `z`, `dx`, `dw`, `db`
        (or names such as `dW`, `dA_prev`, `grad_input`), or a tuple `(dx, dw, db)`.
        `channels_first` and `true_convolution` adapt functions of other conventions.
    stride, padding : int or pair, optional
        What the function is limited to. It gets exactly this, and the report lists the mistakes
        that nobody could see there. The padding may be 'same': as many outputs as TensorFlow's
        rule gives.
    axes : {1, 2, 3}
        The number of spatial axes: with one, `x` is (N, L, C) and `w` (K, U, C).
    channels : int, optional
        The number of channels that the function is limited to.
    limits : collection of str
        Other limits: 'square kernel', 'square input', 'odd kernel', 'exact fit', 'one sample', 'one
        channel', 'one filter', 'stride 1', 'padding 0', 'no overlap', 'side by side', 'as many
        filters as channels', 'kernel of size 3'. Limits are found out, too, from where the function
        raises.
    activation : str, optional
        What the layer has inside, after its sums: 'ReLU', 'sigmoid', 'tanh', 'leaky ReLU of slope
        0.01'; '' says that there is none. It is found out as well.
    seed : int
        Of the random numbers in the arrays.

    Returns
    -------
    Report
        `findings`, `right`, `ok`; `print` it. `ok` is True, False, or None where something was
        returned that could not be examined: another kind of layer, a result that is not repeatable,
        errors everywhere. What can be judged says the head of `cnnlib.diagnosis`.

    Raises
    ------
    InputError
        `fn` cannot be called, or stride or padding are not possible.

    Examples
    --------
    >>> import cnnlib
    >>> def layer(x, w, b, dz, stride, padding):
    ...     return {"db": dz.mean(axis=(0, 1, 2))}
    >>> report = cnnlib.diagnose(layer)
    >>> [(finding.quantity, finding.mistake) for finding in report.findings]
    [('db', 'B3')]
    """
    check_callable(fn, _CALL, 6)
    if read_integer("axes", axes, 1) > 3:
        raise InputError(f"axes is {axes}; expected 1, 2 or 3")
    if channels is not None:
        channels = read_integer("channels", channels, 1)
    if activation is not None:
        read_word("activation", activation, ACTIVATIONS)
    seed = read_integer("seed", seed, 0)
    steps = read_setting("stride", stride, 1, axes)
    pads = read_setting("padding", padding, 0, axes)
    declared = read_limits(limits)

    def built(limits: Sequence[Setting]) -> list[Case]:
        rng = np.random.default_rng(seed)
        every = {limit.name: limit for limit in (*declared, *limits)}
        return ladder(steps, pads, rng, axes, channels, list(every.values()))

    fixed = stride is not None or padding is not None or channels is not None or bool(declared)
    fn = _along_a_row(fn) if axes == 1 else fn
    return examine_layer(fn, built(()), more=built, activation=activation, fixed=fixed)


def channels_first(fn: Layer) -> Layer:
    """Adapt a function whose arrays are (N, C, H, W), (K, C, kh, kw) and (N, K, oh, ow)."""
    read_function("fn", fn, _CALL)

    @wraps(fn)
    def adapted(
        x: np.ndarray, w: np.ndarray, b: np.ndarray, dz: np.ndarray, stride: int, padding: int
    ) -> Any:
        axes = x.ndim
        x, w, dz = (np.ascontiguousarray(np.moveaxis(a, -1, 1)) for a in (x, w, dz))
        returned = fn(x, w, b, dz, stride, padding)
        return _each(returned, lambda a: np.moveaxis(a, 1, -1) if a.ndim == axes else a)

    return adapted


def true_convolution(fn: Layer) -> Layer:
    """Adapt a function that convolves truly: its kernel, and its dw, are turned by 180 degrees."""
    read_function("fn", fn, _CALL)

    @wraps(fn)
    def adapted(
        x: np.ndarray, w: np.ndarray, b: np.ndarray, dz: np.ndarray, stride: int, padding: int
    ) -> Any:
        axes = tuple(range(1, w.ndim - 1))
        returned = fn(x, np.flip(w, axes).copy(), b, dz, stride, padding)

        def turned(a: np.ndarray) -> np.ndarray:
            return np.flip(a, axes) if a.shape == w.shape else a

        if isinstance(returned, Mapping):
            return {q: turned(np.asarray(a)) if _is_dw(q) and a is not None else a
                    for q, a in returned.items()}  # fmt: skip
        return _each(returned, turned)

    return adapted


def _is_dw(name: Any) -> bool:
    return quantity_of(name, ("dw",)) == "dw"


def _along_a_row(fn: Layer) -> Layer:
    """Adapt a function of one axis to images of one row."""

    @wraps(fn)
    def adapted(
        x: np.ndarray, w: np.ndarray, b: np.ndarray, dz: np.ndarray, stride: int, padding: int
    ) -> Any:
        returned = fn(x[:, 0], w[:, 0], b, dz[:, 0], stride, padding)
        return _each(returned, lambda a: a[:, None] if a.ndim == 3 else a)

    return adapted


def _each(returned: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """Whatever was returned, with its arrays changed."""
    if isinstance(returned, Mapping):
        return {q: _one(a, change) for q, a in returned.items()}
    if isinstance(returned, tuple | list):
        return tuple(_one(a, change) for a in returned)
    return returned


def _one(value: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    if value is None or value is ...:
        return value
    try:
        return change(np.asarray(plain(value)))
    except Exception:
        return value  # no array: that will be said
