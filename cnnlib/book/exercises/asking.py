"""What an exercise asks for, in the terms of the diagnosis: so that a wrong answer gets its name.

An exercise has arguments of its own, often one channel of one signal. These functions lay them out
as configurations of a layer, on which the diagnosis searches as it does for `cnnlib.diagnose`.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cnnlib.diagnosis import Finding, Report, diagnose_pool, parts
from cnnlib.diagnosis.cases import ROW, Case
from cnnlib.diagnosis.convolution import examine_layer
from cnnlib.diagnosis.mistakes import choices
from cnnlib.diagnosis.mistakes.choices import Places, Setting
from cnnlib.errors import InputError
from cnnlib.geometry import Shape, Window
from cnnlib.pooling import max_pool_delta

Pose = Mapping[str, Any]  # the dict of `layer`
Explain = Callable[[Any, Sequence[tuple]], Report]  # of an answer, and its exercise's cases
# Mistakes with samples, filters or channels, with a second axis, and with a padding that is asked
# for: they need what they mix up.
_WHOLE = ("F10", "F11", "D13", "D15", "D16", "D21", "D25", "W6", "W8", "W9")
_PLANE = ("F8", "D10", "D18", "W12")
_PADDED = ("F13",)


@dataclass(frozen=True, eq=False)
class Posed(Case):
    """A configuration with the arguments and the shapes that an exercise's function has.

    A single axis lies along the columns of one row.
    """

    given: tuple
    narrow: bool  # without axes of samples, filters and channels
    without: tuple[str, ...]  # entries of the catalogue that cannot be made here

    def arguments(self) -> tuple:
        """Copies of what the reader's function gets."""
        return copy.deepcopy(self.given)

    def seen(self, array: np.ndarray) -> np.ndarray:
        """Without the axes that the reader does not know."""
        array = super().seen(array)
        return array[0, ..., 0] if self.narrow and array.ndim > 2 else array

    def __str__(self) -> str:
        return ""  # the judge has named the case by its arguments


def layer(
    quantity: str, pose: Callable[..., Pose], instead: Mapping[str, str] | None = None
) -> Explain:
    """Explain a function that computes one quantity of a convolution layer.

    Parameters
    ----------
    quantity : {'z', 'dx', 'dw'}
        What the function returns.
    pose : callable
        Takes what the function takes, and returns a dict: `P` and `U`, the spatial shapes of input
        and kernel; the keywords of `cnnlib.conv` that are not the default; and those of the arrays
        `x`, `w`, `b`, `dz` that the quantity needs. These are (N, *P, C), (K, *U, C), (K,) and
        (N, *I, K), or all of them without the axes of samples, filters and channels. Cases with
        more than two spatial axes are left out.
    instead : mapping, optional
        By entries of the catalogue, separated by spaces, what is said in their place: where the
        exercise is a true convolution, their texts would be the wrong way round.
    """

    def explain(answer: Any, cases: Sequence[tuple]) -> Report:
        poses = [(case, pose(*case)) for case in cases]
        posed = [_posed(case, one) for case, one in poses if len(one["U"]) <= 2]

        def laid(*arguments: Any) -> dict[str, Any]:
            return {quantity: _laid(answer(*arguments), posed[0].narrow)}

        return _reworded(examine_layer(laid, posed, without=posed[0].without), instead or {})

    return explain


def by_hand(quantity: str, instead: Mapping[str, str] | None = None, **pose: Any) -> Explain:
    """Explain the numbers of one small layer; the keywords are the dict of `layer`.

    Only mistakes of the catalogue are named, one at a time: a factor would give the numbers away,
    and so few numbers are explained by many a pair.
    """

    def explain(answer: Any, cases: Sequence[tuple] = ()) -> Report:
        case = _posed((), pose)
        report = examine_layer(
            lambda: {quantity: _laid(answer, case.narrow)}, [case], 1, case.without
        )
        return _reworded(_named(report), instead or {})

    return explain


def outputs(pose: Callable[..., Pose]) -> Explain:
    """Explain a function that returns the number of outputs of one axis; see `layer` for `pose`.

    The mistakes in sizes show in the shape of z, whatever the numbers are: all of them are 0.
    """

    def blank(*arguments: Any) -> Mapping[str, Any]:
        one = pose(*arguments)
        return {**one, "x": np.zeros(one["P"]), "w": np.zeros(one["U"])}

    def explain(answer: Any, cases: Sequence[tuple]) -> Report:
        def drawn(*arguments: Any) -> np.ndarray:
            number = float(answer(*arguments))
            if not number.is_integer():
                raise ValueError(f"{number} is no number of outputs")
            return np.zeros(int(min(number, 999)))

        fitting = [case for case in cases if _outputs(pose(*case)) > 0]
        report = layer("z", blank)(drawn, fitting)
        return replace(report, findings=_called(_named(report).findings, {"z": "the number"}))

    return explain


def pool(answer: Any, cases: Sequence[tuple] = ()) -> Report:
    """Explain `answer(x, window, stride)`, the max-pool of one image: its maxima and its winners.

    The winners are judged by the deltas that they get.
    """

    def pooled(x: np.ndarray, da: np.ndarray, window: int, stride: int) -> dict[str, np.ndarray]:
        def both(image: np.ndarray) -> np.ndarray:
            a, winners = result = answer(image, window, stride)
            if not isinstance(result, tuple | list):
                raise TypeError("expected a pair")
            return np.stack([np.asarray(a, float), np.asarray(winners, float)])

        images = [np.stack([both(image[..., c]) for c in range(x.shape[-1])], -1) for image in x]
        a, winners = np.stack(images, axis=1)
        winners = winners.astype(np.intp)
        dx = {"dx": max_pool_delta(da, winners, x.shape)} if winners.shape == da.shape else {}
        return {"a": a, **dx}

    # What went wrong in the adapter, not in the answer, is no finding. There is no way back in it.
    found = [one for one in diagnose_pool(pooled).findings if one.arrays and one.mistake != "D4"]
    return Report(_called(found, {"dx": "winners"}), [])


def chosen(quantity: str, places: Places, predict: Callable[[Setting], Any]) -> Explain:
    """Explain numbers that follow from choices, as those of `cnnlib.diagnosis.mistakes.choices`.

    Parameters
    ----------
    quantity : str
        What the numbers are.
    places : Places
        Where a choice may be wrong.
    predict : callable
        Takes the setting of all places, and returns the numbers. Its arrays may have more axes than
        the answer: the answer gets their shape.
    """
    right = choices.right({**choices.HEAD, **choices.LOSS, **choices.POOL})

    def explain(answer: Any, cases: Sequence[tuple] = ()) -> Report:
        def predicted(setting: Setting) -> Mapping[str, Any]:
            return {quantity: np.asarray(predict({**right, **setting}))}

        case = parts.PartCase((), "", predicted)
        shape = case.right[quantity].shape
        got = np.asarray(answer)
        got = got.reshape(shape) if got.size == np.prod(shape) else got
        return _named(parts.examine_choices(lambda: {quantity: got}, [case], {quantity: places}))

    return explain


def _reworded(report: Report, instead: Mapping[str, str]) -> Report:
    """With other sentences for these mistakes, each of them once."""
    said = {id: text for ids, text in instead.items() for id in ids.split()}
    findings = [
        replace(one, mistake=None, message=said[one.mistake], mend="")
        if one.mistake in said
        else one
        for one in report.findings
    ]
    return replace(report, findings=list(dict.fromkeys(findings)))


def _called(findings: Sequence[Finding], names: Mapping[str, str]) -> list[Finding]:
    """With the names that an exercise has for these quantities."""
    return [replace(one, quantity=names.get(one.quantity, one.quantity)) for one in findings]


def _named(report: Report) -> Report:
    return replace(report, findings=[one for one in report.findings if one.mistake])


def _outputs(pose: Pose) -> int:
    try:
        return Window(pose["U"], **_geometry(pose)).output_shape(pose["P"])[0]
    except InputError:
        return 0


def _posed(given: tuple, pose: Pose) -> Posed:
    """The configuration of a diagnosis that a pose describes (see `layer`).

    Examples
    --------
    A signal of three cells becomes one row of one image with one channel.

    >>> posed = _posed((), {"P": (3,), "U": (2,), "x": [10, 20, 30], "w": [1, 2]})
    >>> posed.x.shape, posed.w.shape, posed.dz.shape
    ((1, 1, 3, 1), (1, 1, 2, 1), (1, 1, 2, 1))
    >>> posed.seen(posed.right["z"]).tolist()
    [50.0, 80.0]
    """
    window = Window(pose["U"], **_geometry(pose))
    axes = window.axes(pose["P"])
    needed = tuple((axis.before, axis.after) for axis in axes)
    pads = window.padding if isinstance(window.padding, tuple) else needed
    arrays = {name: np.asarray(pose[name], float) for name in ("x", "w", "dz") if name in pose}
    narrow = all(array.ndim == len(axes) for array in arrays.values())
    if narrow:
        arrays = {name: array[None, ..., None] for name, array in arrays.items()}
    arrays = _with_zeros(arrays, pose["P"], pose["U"], window.output_shape(pose["P"]))
    b = np.asarray(pose.get("b", np.zeros(len(arrays["w"]))), float)
    flat = len(axes) == 1
    if flat:
        arrays = {name: array[:, None] for name, array in arrays.items()}
        axes, pads = (ROW, *axes), ((0, 0), *pads)
    asked = "center" not in pose
    without = (_WHOLE if narrow else ()) + (_PLANE if flat else ()) + (() if asked else _PADDED)
    x, w, dz = (arrays[name] for name in ("x", "w", "dz"))
    return Posed(x, w, b, dz, 1, 0, axes, pads, given, narrow, without, flat=flat)


def _with_zeros(
    arrays: Mapping[str, np.ndarray], P: Shape, U: Shape, I: Shape
) -> dict[str, np.ndarray]:
    """x, w and dz: one that the quantity does not need is zeros, in sizes that the others tell."""
    one = np.zeros((1, 1))  # of what no array tells: one sample, one channel, one filter
    x, w, dz = (arrays.get(name, one) for name in ("x", "w", "dz"))
    N = max(len(x), len(dz))
    C, K = max(x.shape[-1], w.shape[-1]), max(len(w), dz.shape[-1])
    shapes = {"x": (N, *P, C), "w": (K, *U, C), "dz": (N, *I, K)}
    return {name: arrays.get(name, np.zeros(shape)) for name, shape in shapes.items()}


def _geometry(pose: Pose) -> dict[str, Any]:
    return {k: v for k, v in pose.items() if k not in ("P", "U", "x", "w", "b", "dz")}


def _laid(result: Any, narrow: bool) -> Any:
    """What the reader's function returned, with all axes of a layer of two; nothing stays that."""
    if result is None or result is ...:
        return result
    array = np.asarray(result)
    if narrow and array.ndim in (1, 2):
        array = array[None, ..., None]
    return array[:, None] if array.ndim == 3 else array
