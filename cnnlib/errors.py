"""The errors that cnnlib raises on purpose. All of them derive from `Error`."""


class Error(Exception):
    """Base of every error that the library raises on purpose."""


class InputError(Error, ValueError):
    """An argument is wrong: the message names it, what came, what was expected, and the cure."""


class DataError(Error, RuntimeError):
    """A data set cannot be had: a file is missing, damaged or foreign, or there is no network."""


class DivergenceError(Error, ArithmeticError):
    """Training met a loss or a parameter that is not finite and stopped.

    `history` is what `training.fit` had recorded until then.
    """

    history = None
