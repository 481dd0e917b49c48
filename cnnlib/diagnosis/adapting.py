"""Turns somebody's layer, as it stands, into the function that a diagnosis calls."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from cnnlib.arrays import read_text
from cnnlib.convolution import conv, conv_delta, conv_weight_gradient
from cnnlib.errors import InputError, raised, shown
from cnnlib.pooling import avg_pool, max_pool

from .forms import Applied, Class, Form, Pair, Single, is_torch_function
from .layouts import Layout, every, read_layout
from .report import is_right

_CONVOLUTION, _POOL = 6, 4  # numbers of arguments by which a diagnosis calls


def adapt(
    layer: Any,
    layout: str | None = None,
    weights: str | None = None,
    *,
    forward: str = "forward",
    backward: str = "backward",
    weight: str | None = None,
    bias: str | None = None,
    grads: Mapping[str, str] | None = None,
    make: Callable | None = None,
) -> Callable:
    """The function that `diagnose` or `diagnose_pool` calls, of a layer in any usual form.

    Parameters
    ----------
    layer : class, pair of functions, or function
        A class has a constructor that takes numbers of channels and filters, kernel size, stride
        and padding, as far as it has them, and methods forward and backward; it may be a
        `torch.nn.Module` or a `torch.autograd.Function`. Of a pair, forward takes `(x, w, b)` and
        stride and padding or a dict of them, and returns the output or a tuple of it and a cache;
        backward takes `(deltas, cache)` or `(deltas, x, w, b, ...)`. A pool has neither w nor b. A
        single function already takes what a diagnosis gives, in another order of the axes.
    layout : str, optional
        The axes of its images: 'NCHW', 'NHWC', 'CHW' for one sample at a time, 'HW' ... With None
        it is found out by calling the layer, and the report says what was found.
    weights : str, optional
        Those of its kernels: 'OIHW', 'HWIO' ...
    forward, backward : str
        The methods of a class.
    weight, bias : str, optional
        The attributes of a class that hold kernel and bias, if they are called unusually.
    grads : mapping, optional
        The attributes that hold `dw` and `db`, as in `{"dw": "nabla_w"}`.
    make : callable, optional
        `make(C, K, kernel, stride, padding)` makes the layer, or `make(window, stride)` a pool, if
        its constructor takes other arguments.

    Returns
    -------
    callable
        For `diagnose`, and for `diagnose_pool` if it is a pool.

    Raises
    ------
    InputError
        It is no such layer, or an argument is none of these.

    Examples
    --------
    >>> from cnnlib.diagnosis import diagnose
    >>> import cnnlib
    >>> class Conv:
    ...     def __init__(self, in_channels, out_channels, kernel_size, stride=1):
    ...         self.W = np.zeros((out_channels, kernel_size, kernel_size, in_channels))
    ...         self.b, self.stride = np.zeros(out_channels), stride
    ...     def forward(self, x):
    ...         return cnnlib.conv(x, self.W, self.b, stride=self.stride)
    ...     def backward(self, deltas):
    ...         self.db = deltas.mean(axis=(0, 1, 2))
    >>> report = diagnose(adapt(Conv))
    >>> report.right, [finding.mistake for finding in report.findings]
    (['z'], ['B3'])
    """
    images = read_layout("layout", layout, "NC")
    kernels = read_layout("weights", weights, "OI")
    read_text("forward", forward, "the name of a method")
    read_text("backward", backward, "the name of a method")
    for which, attribute in (("weight", weight), ("bias", bias)):
        if attribute is not None:
            read_text(which, attribute, "the name of an attribute")
    if grads is not None and not (isinstance(grads, Mapping) and {*grads} <= {"dw", "db"}):
        raise InputError(f"grads is {shown(grads)}; expected attributes by 'dw' and 'db'")
    if make is not None and not callable(make):
        raise InputError(f"make is {shown(make)}; expected a function that makes the layer")
    form: Form
    if isinstance(layer, tuple | list) and len(layer) == 2 and all(map(callable, layer)):
        form = Pair(*layer)
    elif isinstance(layer, type) and is_torch_function(layer):
        form = Applied(layer)
    elif isinstance(layer, type) or (make is not None and layer is None):
        form = Class(layer, make, forward, backward, weight, bias, dict(grads or {}))
    elif callable(layer) and not hasattr(layer, "backward"):
        form = Single(layer)
    else:
        raise InputError(
            f"layer is {shown(layer)}; expected a class, a pair (forward, backward), or a function "
            "with the arguments of a diagnosis; of an object hand over its class, or say make="
        )
    return _Adapted(form, images, kernels)


class _Adapted:
    """The function: it finds out the layout at its first call."""

    def __init__(self, form: Form, images: str | None, kernels: str | None) -> None:
        self.form, self.images, self.kernels = form, images, kernels
        self.layout: Layout | None = None
        self.notes: list[str] = []
        self.__name__ = getattr(form, "name", "layer")

    def __call__(self, *given: Any) -> dict[str, Any]:
        if len(given) not in (_CONVOLUTION, _POOL):
            raise TypeError(
                f"called with {len(given)} arguments; a convolution gets six, a pool four"
            )
        if self.layout is None:
            self.layout = self._found(given[0].ndim - 2, len(given) == _CONVOLUTION)
        result = self.form.run(given, self.layout)
        for sentence in self.form.notes:
            if sentence not in self.notes:
                self.notes.append(sentence)
        return result

    def _found(self, axes: int, convolution: bool) -> Layout:
        """The layout that is declared, or the one in which the layer gives the right output."""
        parted = convolution and self.form.asks
        fitting = list(every(axes, self.images, self.kernels, parted))
        if len(fitting) == 1:
            return fitting[0]
        best, found, error = 0, fitting[0], None
        for given, right in _probes(axes, convolution):
            for layout in fitting:
                try:
                    with np.errstate(all="ignore"):
                        result = self.form.run([_copied(one) for one in given], layout)
                    score = _score(result, right)
                except Exception as why:
                    error = error or why
                    continue
                if score > best:
                    best, found = score, layout
            if best:
                break
        if not best and error is not None:
            self.notes.append(
                f"No order of axes was found in which it runs: as {found} it raises "
                f"{raised(error)}. Say layout= and weights=."
            )
        elif self.images is None or (parted and self.kernels is None):
            self.notes.append(
                f"Read as {found}, "
                + ("which gives the right output" if best > 1 else "by the shapes alone")
                + "; if that is wrong, say layout= and weights=."
            )
        return found


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value


def _score(result: Mapping[str, Any], right: Mapping[str, np.ndarray]) -> int:
    """1 if what is returned has the right shapes, 2 if something of it is right."""
    given = {q: np.asarray(result[q]) for q in right if result.get(q) is not None}
    if not given or any(a.shape != right[q].shape for q, a in given.items()):
        return 0
    return 1 + any(is_right(right[q], a) for q, a in given.items())


def _probes(axes: int, convolution: bool) -> Iterator[tuple[tuple, dict[str, np.ndarray]]]:
    """Small calls by which a layout is told, and what is right: all sizes differ at first."""
    r = np.random.default_rng(0)
    for N, H, W, C, K, k, padding in (
        (2, 6, 5, 3, 4, 3, 0), (2, 5, 5, 3, 4, 3, 0), (2, 6, 5, 3, 4, 3, 1), (2, 6, 6, 3, 4, 2, 0),
        (1, 6, 6, 3, 4, 3, 0), (2, 5, 5, 1, 4, 3, 0), (1, 5, 5, 1, 1, 3, 0),
    ):  # fmt: skip
        P = (W, H, 7)[-axes:] if axes < 3 else (W, H, 7)
        x, w, b = r.normal(size=(N, *P, C)), r.normal(size=(K, *[k] * axes, C)), r.normal(size=K)
        if convolution:
            z = conv(x, w, b, padding=padding)
            dz = r.normal(size=z.shape)
            dx = conv_delta(dz, w, x.shape, padding=padding)
            dw = conv_weight_gradient(x, dz, w.shape[1:-1], padding=padding)
            yield (x, w, b, dz, 1, padding), {"z": z, "dx": dx, "dw": dw}
        else:
            for a in (max_pool(x, 2)[0], avg_pool(x, 2)):
                yield (x, r.normal(size=a.shape), 2, 2), {"a": a}
