"""The explorer of the convolution: three lenses on one connection table."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
from traitlets import Any as Anything
from traitlets import TraitError, default, observe, validate

from cnnlib.arrays import (
    check_deltas,
    read_array,
    read_function,
    read_integer,
    read_number,
    read_truth,
    read_word,
)
from cnnlib.checks import Explanation, explain
from cnnlib.convolution import conv, conv_delta, conv_weight_gradient, lay
from cnnlib.diagnosis.report import is_right, tolerance
from cnnlib.errors import InputError, raised, shown
from cnnlib.geometry import BORDERS, Shape, Window, per_axis

from ..exercises.asking import by_hand
from ..figures import delta_placement, weight_placement
from ..figures.grids import Grid
from ..figures.lenses import Lens, draw_lenses, total
from ..figures.placing import output_lens, together
from ..figures.slices import slice_placement
from ..figures.style import Figure
from .explorer import STATE, Explorer, check_size, plain_places, style
from .scripts import FrontEnd
from .traits import Read, read_grid

LARGEST = 10  # cells along an axis: more than one can follow
CHANNELS, FILTERS = 3, 4  # at most
LAYING = ("stride", "dilation", "padding", "center", "flip", "border")
QUANTITY = {"forward": "z", "delta": "dx", "weight": "dw"}


def _read_bias(name: str, value: Any) -> Any:
    """One number, or a list of them."""
    if isinstance(value, list | tuple | np.ndarray):
        array = read_array(name, value)
        if array.ndim == 1 and 1 < array.size <= FILTERS:
            return [read_number(f"{name}[{k}]", one) for k, one in enumerate(array.tolist())]
        value = array.tolist()
    return read_number(name, value)


def _apart(laid: dict[str, Any], beside: dict[str, Any]) -> dict[str, Any]:
    """The second setting: its padding takes the place of a centre, its centre that of a padding."""
    given = {name: laid[name] for name in LAYING}
    if "padding" in beside:
        given["center"] = None
    elif "center" in beside:
        given["padding"] = None
    return given | beside


def _verdict(
    right: np.ndarray,
    got: np.ndarray,
    quantity: str,
    arrays: dict[str, Any],
    P: Shape,
    window: Window,
    geometry: dict[str, Any],
) -> str:
    """What a function did, and its mistake where the diagnosis knows one."""
    if got.shape != right.shape:
        said = f"Your function gave shape {got.shape}; expected {right.shape}."
    elif is_right(right, got):
        return f"Your function is right in all {right.size} cells."
    else:
        wrong = int((abs(right - got) > tolerance(right, got)).sum())
        said = f"Your function differs in {wrong} of {right.size} cells."
    if window.border != "zeros" or geometry["groups"] > 1:
        return said  # the catalogue names no mistakes in one sum of these
    plain = (None, False, "zeros")
    laid = {name: geometry[name] for name in LAYING if geometry[name] not in plain}
    pose = {name: value for name, value in arrays.items() if value is not None} | laid
    answer = got.reshape(got.shape if quantity == "dw" else (1, *got.shape))
    if got.ndim == len(P):  # as drawn, without channels
        answer = got[None, ..., None]
    report = by_hand(quantity, P=P, U=window.kernel, **pose)(answer, ())
    return " ".join([said, *(finding.title for finding in report.findings if finding.mistake)])


def read_setting(name: str, value: Any) -> dict[str, Any]:
    """Read what says how a kernel is laid, as JSON has it."""
    if not isinstance(value, dict) or not value.keys() <= set(LAYING):
        raise InputError(f"{name} is {shown(value)}; expected a dict of {', '.join(LAYING)}")
    try:
        return {
            one: np.asarray(given).tolist()
            if isinstance(given, np.ndarray | tuple | list)
            else given
            for one, given in value.items()
        }
    except ValueError as error:  # NumPy's about rows of unequal length
        raise InputError(f"{name} is {shown(value)}: {error}") from None


class Given(Anything):
    """Anything, but None is looked at like all else: traitlets would take it unseen."""

    allow_none = False


class ConvolutionExplorer(Explorer):
    """A convolution to move: input, kernel, output, and what flows back through them.

    One channel of one image and one kernel, with one axis or two; or up to 3 channels and 4
    filters. Every parameter is a trait: Python reads it, sets it and observes it. What cannot be is
    refused with a `traitlets.TraitError`, and the state stays. To change several that are valid
    together only, say `with explorer.hold_trait_notifications():`.

    Parameters
    ----------
    lens : {'forward', 'delta', 'weight'}
        Choose an output and see its sum, an input and see what it owes, or a weight.
    position : list of int
        The chosen cell of the lens's own grid: the outputs, the inputs, or the weights. By default
        the middle one. After another geometry, the nearest one that there is. With channels it ends
        in the filter of an output or the channel of an input; that of a weight is [k, *u, c].
    stride, dilation, padding, center, flip, border
        As in `cnnlib.conv`; lists where `cnnlib.conv` takes tuples. Cells beside the image show
        which input they repeat.
    groups : int
        As in `cnnlib.conv`, with channels: of the others a filter has no slice.
    input, kernel : list of numbers, or list of rows
        At most 10 cells along an axis. With channels as in `cnnlib.conv`: `input` (*P, C) and
        `kernel` (K, *U, C/groups).
    bias : float, or list of K
        What is added to every output; 0 is left out of the written sum.
    deltas : list, optional
        The deltas of the outputs, in their shape. None, also after a geometry with another number
        of outputs, stands for the small integers `(5*m + 3) % 7 - 2` at flat place `m`. A reader's
        own come back with their shape.
    beside : dict, optional
        A second setting, drawn beside the first in the forward lens of one channel, with what
        differs marked: some of stride, dilation, padding, center, flip and border.
    rotated : bool
        In the delta lens beside zeros: show the deltas with the zeros between them and the rotated
        kernel on top, instead of the rows of the table.
    transposed : bool
        In the delta lens: call it what it is as a layer, a transposed convolution. The deltas are
        its input x, and dx its output z; an input longer than the kernels reach is output padding.
    coverage : bool
        Tint the inputs by how often they are read; in the weight lens go on to the lags that are
        dropped.
    shades : bool
        In the forward lens: inputs and outputs as shades, each number where one looks.

    Examples
    --------
    >>> explorer = ConvolutionExplorer(input=[10, 20, 30], kernel=[1, 2], bias=4, position=[1])
    >>> print(explorer.explain())
    Output (1,) of sample 0, filter 0, meets 2 input cells.
    z[0,1,0] = w[0,0,0]*x[0,1,0] + w[0,1,0]*x[0,2,0] + b[0]
      = 1*20 + 2*30 + 4
      = 84
    >>> explorer.lens, explorer.position = "delta", [0]
    >>> print(explorer.explain().value)
    1.0
    >>> explorer.stride = 0
    Traceback (most recent call last):
    traitlets.traitlets.TraitError: stride is 0; expected at least 1
    """

    about = "A convolution to move: input, kernel, output, and what flows back through them."
    _esm = FrontEnd("convolution")
    _css = style("convolution")

    lens = Read(read_word, "forward", tuple(QUANTITY)).tag(**STATE)
    position = Given().tag(**STATE)
    stride = Given(1).tag(**STATE)
    dilation = Given(1).tag(**STATE)
    padding = Anything(None).tag(**STATE)
    center = Anything(None).tag(**STATE)
    flip = Read(read_truth, False).tag(**STATE)
    input = Read(
        read_grid,
        [[2, 0, 1, 3, 1], [1, 3, 2, 0, 2], [0, 1, 4, 2, 1], [3, 2, 0, 1, 0], [1, 0, 2, 3, 2]],
        LARGEST,
        3,
    ).tag(**STATE)
    kernel = Read(read_grid, [[1, 2, 0], [0, 3, -1], [-2, 0, 1]], LARGEST, 4).tag(**STATE)
    bias = Read(_read_bias, 0).tag(**STATE)
    deltas = Read(read_grid, None, LARGEST, 3).tag(**STATE)
    rotated = Read(read_truth, False).tag(**STATE)
    beside = Read(read_setting, None).tag(**STATE)
    transposed = Read(read_truth, False).tag(**STATE)
    coverage = Read(read_truth, False).tag(**STATE)
    shades = Read(read_truth, False).tag(**STATE)
    border = Read(read_word, "zeros", BORDERS).tag(**STATE)
    groups = Read(read_integer, 1, 1).tag(**STATE)
    theirs = Anything(None, read_only=True).tag(sync=True)  # what a compared function gave
    _compared: Callable[..., Any] | None = None

    @default("position")
    def _middle(self) -> list[int]:
        return [size // 2 for size in self._shapes()[self.lens]]

    @validate(*LAYING, "groups", "input", "kernel", "bias", "deltas", "position", "beside")
    def _refuse(self, proposal: dict[str, Any]) -> Any:
        """Keep only what `cnnlib` takes, as numbers and lists."""
        name, value = proposal["trait"].name, proposal["value"]
        try:
            if isinstance(value, np.ndarray | np.generic | tuple | list):
                value = np.asarray(value).tolist()
            shapes = self._shapes(**{name: value})
            if name == "bias" and isinstance(value, list) and len(value) != self._filters():
                raise InputError(f"bias is {shown(value)}; expected one number for each filter")
            if name == "deltas" and value is not None:
                check_deltas(name, np.asarray(value), shapes["forward"])
            if name == "position":
                shape = shapes[self.lens]
                cell = per_axis(name, value, len(shape), 0)
                if any(m >= size for m, size in zip(cell, shape, strict=True)):
                    raise InputError(f"position is {shown(value)}; the grid has shape {shape}")
                value = list(cell)
        except InputError as error:
            raise TraitError(str(error)) from None
        except ValueError as error:  # NumPy's about rows of unequal length
            raise TraitError(f"{name} is {shown(value)}: {error}") from None
        return value

    @observe(*LAYING, "groups", "input", "kernel", "lens")
    def _fit(self, _: object) -> None:
        """After another geometry: the nearest cell, and deltas for the outputs that there are."""
        shapes = self._shapes()
        if self.deltas is not None and np.shape(self.deltas) != shapes["forward"]:
            self.deltas = None
        shape = shapes[self.lens]
        place = [*self.position, 0][: len(shape)]
        self.position = [min(m, size - 1) for m, size in zip(place, shape, strict=True)]

    def _laid(self, **changed: Any) -> tuple[Window, Shape, tuple[int, int] | None]:
        """The window, the input's spatial shape, and how many filters and channels there are.

        None without channels: the kernel has one axis more than the input where there are some.
        """
        names = (*LAYING, "groups", "input", "kernel", "beside")
        now = {name: getattr(self, name) for name in names} | changed
        X, W = np.shape(now["input"]), np.shape(now["kernel"])
        deep = len(X) > 1 and len(W) == len(X) + 1
        if max(len(X), len(W)) > 2 and not deep:
            raise InputError(
                f"input has shape {X}, kernel {W}; with channels they are (*P, C) and "
                "(K, *U, C/groups)"
            )
        groups = now["groups"]
        if deep and groups == 1 and W[-1] != X[-1]:
            raise InputError(f"the input has {X[-1]} channels, the kernel {W[-1]}; both need the "
                             "same number")  # fmt: skip
        if deep and (X[-1] > CHANNELS or W[0] > FILTERS):
            raise InputError(f"there are {X[-1]} channels and {W[0]} filters; the explorer draws "
                             f"at most {CHANNELS} and {FILTERS}")  # fmt: skip
        P, U = (X[:-1], W[1:-1]) if deep else (X, W)
        window = Window(U, **{name: now[name] for name in LAYING})
        K, C, D = (W[0], X[-1], W[-1]) if deep else (1, 1, 1)
        lay(window, (1, *P, C), (K, *U, D), "auto", "the input", groups)  # or refuse
        check_size(window, P)
        if now["beside"] is not None:
            check_size(Window(U, **_apart(now, now["beside"])), P)
        return window, P, (K, C) if deep else None

    def _shapes(self, **changed: Any) -> dict[str, Shape]:
        """The shape of each lens's own array: the outputs, the inputs, the weights."""
        window, P, deep = self._laid(**changed)
        I, U = window.output_shape(P), window.kernel
        if deep is None:
            return {"forward": I, "delta": P, "weight": U}
        K, C = deep
        D = C // changed.get("groups", self.groups)
        return {"forward": (*I, K), "delta": (*P, C), "weight": (K, *U, D)}

    def _filters(self) -> int:
        _, _, deep = self._laid()
        return deep[0] if deep else 1

    def _arrays(self) -> dict[str, Any]:
        """`x`, `w`, `b` and `dz` as the functions of cnnlib take them."""
        window, P, deep = self._laid()
        K, C = deep or (1, 1)
        I = window.output_shape(P)
        spare = (5 * np.arange(np.prod(I) * K) + 3) % 7 - 2
        dz = spare if self.deltas is None else np.asarray(self.deltas)
        return {
            "x": np.reshape(self.input, (1, *P, C)),
            "w": np.reshape(self.kernel, (K, *window.kernel, C // self.groups)),
            "b": np.broadcast_to(self.bias, K).tolist() if np.any(self.bias) else None,
            "dz": dz.reshape(1, *I, K),
        }

    def _geometry(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in (*LAYING, "groups")}

    def explain(self) -> Explanation:
        """The chosen number as the sum that it is, see `cnnlib.checks.explain`."""
        _, _, deep = self._laid()
        ends = (((), ()) if self.lens == "weight" else ((0,), ())) if deep else ((0,), (0,))
        cell = (*ends[0], *self.position, *ends[1])
        return explain(QUANTITY[self.lens], cell, **self._arrays(), **self._geometry())

    def compare(self, fn: Callable[..., Any] | None) -> "ConvolutionExplorer":
        """Mark the cells in which somebody's own function differs, and name its mistake if known.

        Parameters
        ----------
        fn : callable or None
            Called with the arrays that are drawn, as in `cnnlib` without the axis of samples:
            `fn(x, w)` in the forward lens (and `b` where there is a bias), `fn(dz, w, x.shape)` in
            the delta lens, `fn(x, dz, w.shape)` in that of the weights, where the last is the
            spatial shape. Of stride, dilation, padding, center and flip it gets those that it has
            arguments for, by name. It is called again after each change. None ends it.

        Returns
        -------
        ConvolutionExplorer
            This explorer, to be shown.

        Examples
        --------
        >>> def flipped(x, w):
        ...     return [sum(w[1 - u] * x[i + u] for u in range(2)) for i in range(2)]
        >>> explorer = ConvolutionExplorer(input=[10, 20, 30], kernel=[1, 2]).compare(flipped)
        >>> print(explorer.theirs["says"])  # doctest: +NORMALIZE_WHITESPACE
        Your function differs in 2 of 2 cells.
        z is wrong: mistake F1, A library function that turns the kernel round
        """
        if fn is not None:
            read_function("fn", fn, "of the arrays that are drawn")
        self._compared = fn
        self._judge(None)
        return self

    @observe(*LAYING, "groups", "input", "kernel", "bias", "deltas", "lens")
    def _judge(self, change: object) -> None:
        fn, lens = self._compared, self.lens
        if fn is None:
            self.set_trait("theirs", None)
            return
        arrays, (window, P, deep) = self._arrays(), self._laid()
        whole = {name: a[0] if name != "w" else a for name, a in arrays.items() if name != "b"}
        if deep is None:
            whole = {name: np.squeeze(arrays[name][0], -1) for name in whole}
        x, w, dz = (whole[name].astype(float) for name in ("x", "w", "dz"))
        b = [] if arrays["b"] is None else [np.array(arrays["b"]) if deep else arrays["b"][0]]
        given = {"forward": (x, w, *b), "delta": (dz, w, x.shape), "weight": (x, dz, window.kernel)}
        taken = signature(fn).parameters
        geometry = {name: value for name, value in self._geometry().items() if name in taken}
        right = self._right().reshape(self._shapes()[lens])
        values, says = [], ""
        try:
            got = np.asarray(fn(*given[lens], **geometry), float)
            values = got.ravel().tolist() if got.shape == right.shape else []
            says = _verdict(right, got, QUANTITY[lens], arrays, P, window, self._geometry())
        except Exception as reason:  # the reader's own: first it is shown as it is, later told
            if change is None:
                raise
            says = f"Your function raised {raised(reason)}"
        told = {"right": right.ravel().tolist(), "values": values, "says": says}
        self.set_trait("theirs", {"lens": lens, **told})

    def _right(self) -> np.ndarray:
        arrays, laid = self._arrays(), self._geometry()
        x, w, dz = (arrays[name] for name in ("x", "w", "dz"))
        if self.lens == "forward":
            return conv(x, w, arrays["b"], **laid)
        if self.lens == "delta":
            return conv_delta(dz, w, x.shape, **laid)
        return conv_weight_gradient(x, dz, w.shape[1:-1], **laid)

    @property
    def alt(self) -> str:
        """What the picture says, in two sentences."""
        window, P, deep = self._laid()
        renamed = self.transposed and self.lens == "delta"
        sizes = (window.output_shape(P) if renamed else P), window.kernel
        inputs, kernel = (" by ".join(map(str, axes)) for axes in sizes)
        kind = "Convolution" if self.flip else "Cross-correlation"
        kernels = f"a kernel of {kernel}"
        if deep:
            groups = f" in {self.groups} groups" if self.groups > 1 else ""
            kernels = f"{deep[0]} kernels of {kernel}{groups}, {deep[1]} channels"
        if window.border != "zeros":
            kernels += f", border {window.border!r}"
        said = self.explain()
        name, words = said.name, said.words
        if renamed:
            kind, name = "Transposed convolution", name.removeprefix("d").replace("x", "z")
            place = tuple(self.position[: len(P)])
            words = f"Output {place} is a sum of {len(said.terms)} products."
        return (
            f"{kind} of {inputs} inputs with {kernels}, stride {self.stride}. "
            f"{plain_places(words)} {name} = {said.value:.6g}.{self._second()}"
        )

    def _second(self) -> str:
        if self.beside is None:
            return ""
        return f" Beside it: {', '.join(f'{name} {one}' for name, one in self.beside.items())}."

    def draw(self) -> Figure:
        """A still picture of the present state, by the book's figures."""
        arrays = self._arrays()
        if self._laid()[2] is not None:
            return slice_placement(self.lens, tuple(self.position), **arrays, **self._geometry())
        x, w, dz = (arrays[name][0, ..., 0] for name in ("x", "w", "dz"))
        laid, place = self._geometry(), tuple(self.position)
        del laid["groups"]  # of one channel
        if self.lens == "forward":
            settings = [laid] if self.beside is None else [laid, _apart(laid, self.beside)]
            shapes = [Window(w.shape, **one).output_shape(x.shape) for one in settings]
            return draw_lenses(
                [
                    output_lens(x, w, np.minimum(place, np.subtract(I, 1)).tolist(),
                                b=float(self.bias), mark_center=True, **one)
                    for one, I in zip(settings, shapes, strict=True)
                ]
            )  # fmt: skip
        if self.lens == "weight":
            return weight_placement(x, dz, w.shape, place, **laid)
        if self.rotated and not self.transposed and self.border == "zeros":
            return delta_placement(dz, w, x.shape, place, **laid)
        rows = Window(w.shape, **laid).connections(x.shape)
        rows = rows[rows["input"] == np.ravel_multi_index(place, x.shape)]
        pairs = [(np.unravel_index(i, dz.shape), w.flat[u]) for i, u, _ in rows.tolist()]
        dx = conv_delta(dz[None, ..., None], w[None, ..., None], (1, *x.shape, 1), **laid)
        base, owed, name = Grid(dz, "delta"), "delta", "dx"
        if self.transposed:
            base, owed, name = Grid(dz, "input", "input x"), "output", "z"
        sides = Grid(w, "weight"), Grid(dx[0, ..., 0], owed, name, highlight=[place])
        terms = [(value, dz[i]) for i, value in pairs]
        return draw_lenses(
            [Lens(base, together(pairs), "weight", sides, total(name, place, terms))]
        )
