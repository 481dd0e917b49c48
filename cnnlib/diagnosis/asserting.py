"""One call for all diagnoses: for a test of one's own, and for the command line."""

import inspect
from typing import Any

from cnnlib.arrays import read_word

from .adapting import adapt
from .convolution import diagnose
from .gradient import diagnose_gradient
from .parts import diagnose_head, diagnose_pool
from .report import Report
from .step import diagnose_step

KINDS = ("layer", "max", "avg", "head", "step", "gradient")
_ADAPTED = ("layout", "weights", "forward", "backward", "weight", "bias", "grads", "make")


def examine(layer: Any, kind: str = "layer", **how: Any) -> Report:
    """The report on a layer of this kind; see `assert_gradients`."""
    read_word("kind", kind, KINDS)
    if kind == "gradient":
        pair = layer if isinstance(layer, tuple) else (layer, None)
        return diagnose_gradient(*pair, **how)
    if kind in ("head", "step"):
        return (diagnose_head if kind == "head" else diagnose_step)(layer, **how)
    adapted = {name: how.pop(name) for name in _ADAPTED if name in how}
    fn = layer if not adapted and _is_plain(layer, kind) else adapt(layer, **adapted)
    return diagnose(fn, **how) if kind == "layer" else diagnose_pool(fn, kind=kind, **how)


def assert_gradients(layer: Any, *, kind: str = "layer", **how: Any) -> Report:
    """Fail, with the report as the message, unless a layer was examined and is right.

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
    **how
        Keywords of `adapt` and of that diagnosis: `layout=`, `limits=`, `axes=`, `inputs=` ...

    Returns
    -------
    Report
        If `ok` is True.

    Raises
    ------
    AssertionError
        It is wrong, or could not be examined.

    Examples
    --------
    >>> report = assert_gradients((lambda x: x**2, lambda d, x: 2 * x * d), kind="gradient",
    ...                           inputs={"x": "N C"})
    >>> report.right
    ['dx']
    """
    report = examine(layer, kind, **how)
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
