"""Calls somebody's forward and backward pass, in whatever form they hand over what they keep."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnlib.errors import InputError, shown

from .calling import plain, quantity_of


@dataclass(frozen=True)
class Form:
    """One way of calling `backward`: its arguments, of (inputs, what is kept, output, deltas)."""

    words: str
    arguments: Callable[[Sequence[Any], Any, Any, Any], tuple]
    keeps: bool = False  # it gets what forward has kept
    deltas: bool = True
    single: bool = False  # only where there is one input
    said: bool = False  # worth a sentence in a report


_FORMS = (
    Form("backward(deltas, cache)", lambda x, c, y, d: (d, c), keeps=True),
    Form("backward(cache)", lambda x, c, y, d: (c,), keeps=True, deltas=False),
    Form("backward(deltas, *inputs)", lambda x, c, y, d: (d, *x)),
    Form("backward(deltas)", lambda x, c, y, d: (d,)),
    Form("backward(*inputs)", lambda x, c, y, d: (*x,), deltas=False),
    Form("backward(deltas, output)", lambda x, c, y, d: (d, y), single=True, said=True),
    Form("backward(output)", lambda x, c, y, d: (y,), single=True, deltas=False, said=True),
    Form("backward(deltas, *inputs, output)", lambda x, c, y, d: (d, *x, y)),
    Form("backward()", lambda x, c, y, d: (), deltas=False),
)


class Passes:
    """Forward and backward pass of somebody's layer.

    Parameters
    ----------
    forward : callable, or an object with the methods `forward` and `backward`
        Gets the inputs by position. It returns the output, or a tuple of the output and what the
        way back needs; without `backward`, a number and its gradients. Of an object, inputs beyond
        those that its `forward` takes are set as attributes.
    backward : callable or None
        Gets the deltas first, unless it is that of a loss or an activation and takes none.
    names : sequence of str
        Those of the inputs.
    """

    def __init__(self, forward: Any, backward: Any, names: Sequence[str]) -> None:
        self.names, self.owner, self.kept = list(names), None, len(names)
        if not callable(backward) and callable(getattr(forward, "backward", None)):
            self.owner = forward
            forward, backward = forward.forward, forward.backward
            taken = _positions(forward)
            self.kept = len(names) if taken is None else min(taken, len(names))
        if not callable(forward) or not (backward is None or callable(backward)):
            raise InputError(
                f"forward is {shown(forward)} and backward {shown(backward)}; expected two "
                "functions, or an object with the methods forward and backward"
            )
        self.forward, self.backward = forward, backward
        self.seeded = False
        self.form = _FORMS[2]

    def output(self, values: Mapping[str, Any]) -> np.ndarray:
        """What comes out of these inputs."""
        return np.asarray(plain(self.run(list(values.values()))[0]))

    def run(self, given: Sequence[Any]) -> tuple[Any, Any]:
        """The output, and what is kept or ...; random numbers begin anew if they are seeded."""
        for name, value in zip(self.names[self.kept :], given[self.kept :], strict=True):
            if not hasattr(self.owner, name):
                raise AttributeError(f"the layer has no attribute {name!r}")
            setattr(self.owner, name, value)
        state = np.random.get_state() if self.seeded else None  # noqa: NPY002  the reader's
        if self.seeded:
            np.random.seed(0)  # noqa: NPY002
        try:
            returned = self.forward(*given[: self.kept])
        finally:
            if state is not None:
                np.random.set_state(state)  # noqa: NPY002
        if isinstance(returned, tuple) and len(returned) >= 2:
            return returned[0], returned[1] if len(returned) == 2 else returned[1:]
        return returned, ...

    def gradients(self, given: Sequence[Any], deltas: np.ndarray) -> tuple[np.ndarray, Any]:
        """The output, and whatever the way back returns."""
        output, kept = self.run(given)
        if self.backward is None:
            if kept is ...:
                raise TypeError(
                    "forward alone is given, and it returns no pair (loss, gradients); hand over "
                    "backward as well"
                )
            return output, kept
        inputs = given[: self.kept]
        return output, self.backward(*self.form.arguments(inputs, kept, output, deltas))

    def forms(self, given: Sequence[Any], output: Any, kept: Any) -> list["Form"]:
        """The ways in which `backward` may be meant to be called, the likeliest first."""
        number, inputs = _positions(self.backward), given[: self.kept]

        def fits(form: Form) -> bool:
            whole = len(form.arguments(inputs, kept, output, output))
            return number in (None, whole) and not (form.single and len(inputs) > 1)

        fitting = [form for form in _FORMS if fits(form)]
        keeping = [form for form in fitting if form.keeps and kept is not ...]
        return keeping or [form for form in fitting if not form.keeps]

    def named(self, returned: Any, moved: Sequence[str]) -> Any:
        """The gradients by names, `dx` for `x`; as it came if it cannot be read."""
        quantities = [f"d{name}" for name in moved]
        if isinstance(returned, Mapping):
            found = {
                f"d{key}" if key in moved else quantity_of(key, quantities) or key: value
                for key, value in returned.items()
            }
            # The gradients of what is no input, such as of labels, are nobody's concern.
            found = {q: g for q, g in found.items() if q not in {f"d{n}" for n in self.names}
                     or q in quantities}  # fmt: skip
        elif isinstance(returned, tuple | list):
            whole = self.names if len(returned) == len(self.names) else list(moved)
            if len(returned) > len(whole):
                return returned
            pairs = zip(whole, returned, strict=False)
            found = {f"d{name}": gradient for name, gradient in pairs if name in moved}
        else:
            found = {quantities[0]: returned}
        if self.owner is not None:
            for name in self.names[self.kept :]:
                if name in moved and f"d{name}" not in found:
                    found[f"d{name}"] = gradient_of(self.owner, name)
        return {q: gradient for q, gradient in found.items() if gradient is not ...}


def gradient_of(owner: Any, name: str) -> Any:
    """The gradient that an object keeps beside an array of this name, or `...`."""
    for attribute in _kept_names(name):
        if hasattr(owner, attribute):
            return getattr(owner, attribute)
    for attribute in ("grads", "grad", "gradients"):
        kept = getattr(owner, attribute, None)
        if isinstance(kept, Mapping):
            for key in (name, *_kept_names(name)):
                if key in kept:
                    return kept[key]
    return ...


def _kept_names(name: str) -> tuple[str, ...]:
    plain, low = name.strip("_"), name.strip("_").lower()
    return tuple(
        dict.fromkeys(
            f.format(one)
            for one in (plain, low, low[:1], plain.capitalize(), plain.upper())
            for f in ("d{}", "d_{}", "grad_{}", "{}_grad", "grad{}", "delta_{}", "{}_gradient")
        )
    )


def _positions(fn: Callable) -> int | None:
    """How many arguments a function needs by position; None if it takes any number."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return None
    return sum(
        one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) and one.default is one.empty
        for one in parameters
    )
