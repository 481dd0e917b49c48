"""One call for all diagnoses: for a test of one's own, and for the command line."""

import inspect
from collections.abc import Callable, Collection
from typing import Any

from cnnlib.arrays import read_word
from cnnlib.errors import InputError, shown

from .adapting import adapt
from .convolution import diagnose
from .gradient import diagnose_gradient
from .parts import diagnose_head, diagnose_pool
from .report import Report
from .step import diagnose_step

_JUDGES: dict[str, Callable[..., Report]]
_JUDGES = {"layer": diagnose, "head": diagnose_head, "step": diagnose_step,
           "gradient": diagnose_gradient}  # fmt: skip
_LAYERS = ("layer", "max", "avg")
KINDS = ("layer", "max", "avg", "head", "step", "gradient")
_ADAPTED = ("layout", "weights", "forward", "backward", "weight", "bias", "grads", "make")


def examine(layer: Any, kind: str = "layer", **how: Any) -> Report:
    """The report on a layer of this kind; see `assert_gradients`."""
    read_word("kind", kind, KINDS)
    judge = _JUDGES.get(kind, diagnose_pool)
    known = [*inspect.signature(judge).parameters, *(_ADAPTED if kind in _LAYERS else ())]
    if unknown := [name for name in how if name not in known]:
        raise InputError(f"{unknown[0]} says nothing of a {kind}; expected some of {shown(known)}")
    if kind == "gradient":
        pair = layer if isinstance(layer, tuple) else (layer, None)
        if len(pair) != 2:
            raise InputError(f"layer is {shown(layer)}; expected a pair (forward, backward)")
        return judge(*pair, **how)
    if kind not in _LAYERS:
        return judge(layer, **how)
    adapted = {name: how.pop(name) for name in _ADAPTED if name in how}
    fn = layer if not adapted and _is_plain(layer, kind) else adapt(layer, **adapted)
    return judge(fn, **how) if kind == "layer" else judge(fn, kind=kind, **how)


def assert_gradients(
    layer: Any, *, kind: str = "layer", missing: Collection[str] = (), **how: Any
) -> Report:
    """Fail, with the report as the message, unless a layer was examined and is right.

    A gradient that is not returned fails, too, unless it is one of those that may be `missing`.

    For a test of one's own:

        def test_my_layer():
            assert_gradients(Conv, layout="NCHW", limits=["square kernel"])

    Parameters
    ----------
    layer : class, pair of functions, or function
        As `adapt` takes it, or as the diagnosis of its kind does.
    kind : {'layer', 'max', 'avg', 'head', 'step', 'gradient'}
        A convolution layer (`diagnose`), a pool (`diagnose_pool`), `diagnose_head`,
        `diagnose_step`, or anything with a pair (forward, backward) (`diagnose_gradient`).
    missing : collection of str
        What the layer need not return: `missing=["db"]` of one without biases.
    **how
        Keywords of `adapt` and of that diagnosis: `layout=`, `limits=`, `axes=`, `inputs=` ...

    Returns
    -------
    Report
        If `ok` is True.

    Raises
    ------
    AssertionError
        It is wrong, could not be examined, or does not return all that is asked of its kind.

    Examples
    --------
    >>> report = assert_gradients((lambda x: x**2, lambda d, x: 2 * x * d), kind="gradient",
    ...                           inputs={"x": "N C"})
    >>> report.right
    ['dx']
    """
    if isinstance(missing, str) or not isinstance(missing, Collection):
        raise InputError(f"missing is {shown(missing)}; expected names: missing=['db']")
    report = examine(layer, kind, **how)
    lacking = [name for name in report.missing if name not in missing]
    if lacking and report.ok:
        raise AssertionError(f"{report}\nIf that is meant, say missing={shown(lacking)}.")
    if report.ok is not True:
        raise AssertionError(str(report))
    return report


def _is_plain(layer: Any, kind: str) -> bool:
    """Whether it is a function with the arguments of a diagnosis, in its order of the axes."""
    if isinstance(layer, type | tuple) or not callable(layer):
        return False
    try:
        inspect.signature(layer).bind(*[None] * (6 if kind == "layer" else 4))
    except (TypeError, ValueError):
        return False
    return True
