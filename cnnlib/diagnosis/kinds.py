"""Layers of other kinds, known by their z: they are named, and no mistake is looked for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from cnnlib.errors import InputError
from cnnlib.geometry import Axis, Window

from .cases import Case
from .mistakes.sums import DoesNotFit, wrong
from .report import is_right

Pairs = Sequence[tuple[Case, np.ndarray]]


def kind(pairs: Pairs) -> str:
    """The kind of layer whose z this is in every configuration, or ''."""
    for words, predict in _KINDS:
        if all(_is_one(predict, case, got) for case, got in pairs):
            return words
    return ""


def another_shape(pairs: Pairs) -> bool:
    """Whether z has nowhere the shape that a cross-correlation gives it, up to chance."""
    fitting = sum(got.shape == case.right["z"].shape for case, got in pairs)
    return len(pairs) > 1 and fitting <= len(pairs) // 4


def not_linear(call: Callable[[Case], np.ndarray | None], pairs: Pairs) -> bool:
    """Whether z does not grow evenly when x or w do, or not at all: no convolution does that.

    `call` gives the z of another configuration, or None.
    """
    case = max((case for case, _ in pairs), key=lambda case: case.dz.size)
    for name in "xw":
        array = getattr(case, name)
        zs = [call(replace(case, **{name: times * array})) for times in (-1, 0, 1, 2)]
        shapes = {None if z is None else z.shape for z in zs}
        if None in shapes:
            return False
        if len(shapes) > 1:
            return True
        growth = np.diff([z for z in zs if z is not None], axis=0)
        if not all(is_right(growth[0], one) for one in growth) or is_right(0 * growth, growth):
            return True
    return False


def _is_one(predict: Callable[[Case], Iterator[np.ndarray]], case: Case, got: np.ndarray) -> bool:
    try:
        return any(is_right(z, got) for z in predict(case))
    except (DoesNotFit, InputError, ValueError, IndexError):
        return False


def _both(z: np.ndarray, b: np.ndarray) -> Iterator[np.ndarray]:
    """With the bias and without."""
    if z.shape[-1] == len(b):
        yield z + b
    yield z


def _sum(case: Case, axes: Sequence[Axis], **arrays: np.ndarray) -> np.ndarray:
    return wrong("z", (), axes, case.pads, **{"x": case.x, "w": case.w, **arrays}).result()


def _depthwise(case: Case) -> Iterator[np.ndarray]:
    K, C = len(case.w), case.x.shape[-1]
    if K != C:
        raise DoesNotFit("as many filters as channels are needed")
    yield from _both(_sum(case, case.axes, w=case.w * np.eye(K).reshape(K, 1, 1, C)), case.b)
    for k in (0,):  # the filter's first plane for its channel
        own = case.w[..., k : k + 1] * np.eye(K).reshape(K, 1, 1, C)
        yield from _both(_sum(case, case.axes, w=own), case.b)


def _grouped(case: Case) -> Iterator[np.ndarray]:
    K, C = len(case.w), case.x.shape[-1]
    if K % 2 or C % 2:
        raise DoesNotFit("two groups are needed")
    same = np.arange(K)[:, None] * 2 // K == np.arange(C) * 2 // C
    yield from _both(_sum(case, case.axes, w=case.w * same.reshape(K, 1, 1, C)), case.b)


def _other_window(case: Case, dilation: int) -> Iterator[np.ndarray]:
    facts = case.facts
    window = Window(facts.kernel, facts.strides, dilation, facts.pads)
    axes = window.axes(facts.image)
    yield from _both(_sum(case, (*case.axes[: len(case.axes) - len(axes)], *axes)), case.b)


def _dilated(case: Case) -> Iterator[np.ndarray]:
    yield from _other_window(case, 2)
    yield from _other_window(case, 3)


def _transposed(case: Case) -> Iterator[np.ndarray]:
    """z[n,p',k] = sum over i, c of w[k,u,c] * x[n,i,c], where p' = s*i + u - pad."""
    facts = case.facts
    size = [
        s * (n - 1) + k - sum(pads)
        for n, k, s, pads in zip(facts.image, facts.kernel, facts.strides, facts.pads, strict=True)
    ]
    if min(size) < 1:
        raise DoesNotFit("nothing would be left")
    axes = Window(facts.kernel, facts.strides, 1, facts.pads).axes(tuple(size))
    w = np.swapaxes(case.w, 0, -1)
    whole = (*case.axes[: len(case.axes) - len(axes)], *axes)
    z = wrong("dx", (), whole, case.pads, x=None, w=w, dz=case.x).result()
    yield from _both(z, case.b)


def _full(case: Case) -> Iterator[np.ndarray]:
    facts = case.facts
    axes = Window(facts.kernel, facts.strides, 1, "full").axes(facts.image)
    yield from _both(_sum(case, (*case.axes[: len(case.axes) - len(axes)], *axes)), case.b)


def _same(case: Case) -> Iterator[np.ndarray]:
    """As large as the input over the stride, half of the kernel before."""
    facts = case.facts
    axes = Window(facts.kernel, facts.strides, 1, None, tuple(k // 2 for k in facts.kernel))
    own = axes.axes(facts.image)
    yield from _both(_sum(case, (*case.axes[: len(case.axes) - len(own)], *own)), case.b)


_KINDS = (
    ("a depthwise convolution", _depthwise),
    ("a convolution in two groups", _grouped),
    ("a convolution with dilation", _dilated),
    ("a transposed convolution", _transposed),
    ("a convolution that pads 'full'", _full),
    ("a convolution that pads 'same', whatever padding it gets (say padding='same')", _same),
)
