"""What a layer, a loss or an optimizer was made with, and the call that makes it again."""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import numpy as np

from cnnlib.errors import InputError


class Checked:
    """An argument that may be assigned later, too: `read(name, value)` looks at it each time.

    Examples
    --------
    >>> from cnnlib.arrays import read_positive
    >>> class Cut:
    ...     cells = Checked(read_positive)
    >>> cut = Cut()
    >>> cut.cells = -1
    Traceback (most recent call last):
        ...
    cnnlib.errors.InputError: cells is -1; expected a positive finite number
    """

    def __init__(self, read: Callable[[str, Any], Any]) -> None:
        self.read = read

    def __set_name__(self, kind: type, name: str) -> None:
        self.name = name

    def __get__(self, part: Any, kind: type) -> Any:
        if part is None:
            return self
        try:
            return vars(part)[self.name]
        except KeyError:
            raise AttributeError(f"this {kind.__name__} has no {self.name}") from None

    def __set__(self, part: Any, value: Any) -> None:
        vars(part)[self.name] = self.read(self.name, value)


class Configured:
    """Knows its arguments: `config()` for files and comparisons, `repr` for the eye.

    A class of your own keeps each argument of its `__init__` in an attribute of the same name, or
    defines `config` itself.

    Examples
    --------
    >>> class Cut(Configured):
    ...     def __init__(self, cells, *, before=0):
    ...         self.cells, self.before = cells, before
    >>> Cut(3).config()
    {'cells': 3, 'before': 0}
    >>> Cut(3), Cut(3, before=1)
    (Cut(3), Cut(3, before=1))
    """

    def config(self) -> dict[str, Any]:
        """All arguments by name, so that `type(self)(**self.config())` makes the same again.

        Raises
        ------
        InputError
            An argument is kept under another name, or not at all.
        """
        kind, arguments = type(self), {}
        for name in signature(kind).parameters:
            if not hasattr(self, name):
                raise InputError(
                    f"{kind.__name__} is made with {name}, but has no attribute of that name: let "
                    f"its __init__ say self.{name} = {name}, or define config(), which returns the "
                    "arguments by name"
                )
            arguments[name] = getattr(self, name)
        return arguments

    def __repr__(self) -> str:
        """The call that makes it, without the arguments that have their defaults."""
        kind = type(self)
        try:
            config, defaults = self.config(), self._defaults()
        except Exception:  # a repr is for the eye, and must not stop a program
            return f"{kind.__name__}(...)"
        words = []
        for name, parameter in signature(kind).parameters.items():
            value = _plain(config.get(name))
            if name not in config or (name in defaults and _plain(defaults[name]) == value):
                continue
            by_place = name not in defaults and parameter.kind is not Parameter.KEYWORD_ONLY
            words.append(repr(value) if by_place else f"{name}={value!r}")
        return f"{kind.__name__}({', '.join(words)})"

    def _defaults(self) -> dict[str, Any]:
        """What the arguments are that a call leaves out."""
        parameters = signature(type(self)).parameters.items()
        return {name: p.default for name, p in parameters if p.default is not Parameter.empty}


def _plain(value: Any) -> Any:
    """Python's numbers and lists for NumPy's, which compare as a whole and print short."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
