"""Optimizers: how gradients g become steps of the parameters p.

PyTorch and Keras mean slightly different rules by the same name: the learning rate or epsilon
stands in another place. `form='torch'` or `form='keras'` says which rule is meant; plain gradient
descent is the same in both. In all of them t = 1, 2, ... counts the steps, what the optimizer
remembers is 0 before the first, and products and roots are taken entry by entry (chapter 5).

In the Keras form some constants pass through float32, as they do in Keras whatever the dtype of
the parameters. That is why the two agree to rounding in float64 as well. (Keras does the same to
the learning rate unless `keras.config.set_floatx('float64')` is on; here lr keeps its value.)

Every rule takes a weight decay λ, which pulls each parameter towards 0, biases too. Coupled, it is
the slope of λ/2 Σ p² in the loss, and passes through the rule; decoupled, it passes by:

    coupled:    g = g + λ p        before the rule
    decoupled:  p = p - lr λ p     before the rule

In plain gradient descent the two are the same. PyTorch's `weight_decay` is coupled but in `AdamW`;
Keras's `weight_decay` is always decoupled. `Adam(weight_decay=0.01, decoupled=True)` is AdamW.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from inspect import signature
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cnnlib.arrays import (
    read_array,
    read_integer,
    read_kind,
    read_number,
    read_positive,
    read_truth,
    read_word,
    within_memory,
)
from cnnlib.errors import InputError, shown

from .activations import quiet
from .configured import Checked, Configured

Form = Literal["torch", "keras"]
FORMS = ("torch", "keras")
Memory = dict[str, NDArray]  # what a rule carries from step to step for one parameter, by letter

# What None stands for, in either form.
RHO = {"torch": 0.99, "keras": 0.9}
EPSILON = {"torch": 1e-8, "keras": 1e-7}


def _form(name: str, value: object) -> str:
    return read_word(name, value, FORMS)


def _fraction(name: str, value: object) -> float:
    wanted = "a number from 0 to below 1, in float32 too"  # else 1 - β would be 0
    return read_number(name, value, wanted, lambda β: 0 <= β < 1 and _through_float32(β) < 1)


def _epsilon(name: str, value: object) -> float:
    wanted = "a positive finite number, in float32 too"  # else 0/0 would follow
    return read_number(name, value, wanted, lambda ε: 0 < _through_float32(ε) < math.inf)


@quiet
def _through_float32(number: float) -> float:
    return float(np.float32(number))


class Optimizer(Configured, ABC):
    """Learning rate, weight decay, checks; for each parameter a memory and a count of its steps.

    `lr` and the other arguments may be assigned at any time. `memory[name][letter]` and
    `steps[name]` are all there is of state: the arrays of the rule and t, for the parameter of that
    name. By its name alone it knows a parameter, so make a new optimizer for another network.
    """

    letters: tuple[str, ...] = ()  # of the arrays that the rule remembers

    lr, decoupled = Checked(read_positive), Checked(read_truth)
    weight_decay = Checked(
        partial(read_number, wanted="a finite number from 0 on", fits=lambda λ: λ >= 0)
    )

    def __init__(self, lr: float, *, weight_decay: float = 0.0, decoupled: bool = False) -> None:
        self.lr = lr
        self.weight_decay, self.decoupled = weight_decay, decoupled
        self.memory: dict[str, Memory] = {}
        self.steps: dict[str, int] = {}
        self._kinds: dict[str, tuple[Any, Any]] = {}  # shape and type of each parameter
        self._lie: list[tuple[int, Any, Any]] = []  # where arrays lie that share no memory

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse what no rule reads, such as another library's word; your own class may."""
        known = hasattr(type(self), name) or name in ("memory", "steps", "_kinds", "_lie")
        if not known and type(self).__module__ == __name__:
            arguments = ", ".join(signature(type(self)).parameters)
            raise InputError(
                f"{type(self).__name__} has no {shown(name)}, so nothing would change; expected "
                f"one of {arguments}"
            )
        super().__setattr__(name, value)

    @quiet
    def step(self, params: Mapping[str, NDArray], grads: Mapping[str, NDArray]) -> None:
        """Move every parameter by one step of the rule, in place.

        Parameters
        ----------
        params : mapping of name to float array
            The arrays themselves change; their dtype does not.
        grads : mapping of name to array
            dE/dp for each p in `params`, under the same name and of the same shape. Not changed.

        Raises
        ------
        InputError
            If names, shapes or types do not fit. Nothing has changed then.
        """
        self._check(params, grads)
        for name, p in params.items():
            if name not in self.memory:
                self.memory[name] = {letter: np.zeros_like(p) for letter in self.letters}
            self._kinds[name] = p.shape, p.dtype
            t = self.steps[name] = self.steps.get(name, 0) + 1
            g = np.asarray(grads[name], dtype=p.dtype)  # else a float64 g would widen the sums
            if self.weight_decay and self.decoupled:
                p -= self.lr * self.weight_decay * p
            elif self.weight_decay:
                g = g + self.weight_decay * p
            self._update(p, g, t, self.memory[name])

    @abstractmethod
    def _update(self, p: NDArray, g: NDArray, t: int, memory: Memory) -> None:
        """The rule: change p and the arrays in `memory`, in place."""

    def _check(self, params: Mapping[str, NDArray], grads: Mapping[str, NDArray]) -> None:
        for name, given in (("params", params), ("grads", grads)):
            read_kind(name, given, Mapping, f"network.{name}, or a dict of arrays")
        if params.keys() != grads.keys():
            raise InputError(
                f"params and grads must have the same names; without a gradient: "
                f"{shown([*params.keys() - grads.keys()])}, without a parameter: "
                f"{shown([*grads.keys() - params.keys()])}"
            )
        for name, kept in (("memory", self.memory), ("steps", self.steps)):
            read_kind(name, kept, Mapping, "{}, with which all begins anew")
        for name, p in params.items():
            # In float16 the usual epsilons are 0, and 0/0 would follow.
            if not isinstance(p, np.ndarray) or p.dtype.kind != "f" or p.dtype.itemsize < 4:
                kind = getattr(p, "dtype", type(p).__name__)
                raise InputError(
                    f"params[{name!r:.80}] is {kind!s:.80}; expected an array of float32 or "
                    "float64: np.array(p, dtype=float)"
                )
            read_array(f"params[{name!r:.80}]", p)  # no masked one
            check_writable(name, p)
            g = _read_gradient(name, grads[name])
            if g.shape != p.shape:
                raise InputError(
                    f"grads[{name!r:.80}] is {g.dtype} {g.shape}; expected real numbers in the "
                    f"shape of its parameter, {p.shape}"
                )
            read_integer(f"steps[{name!r:.80}]", self.steps.get(name, 0), 0)
            memory = self.memory.get(name, dict.fromkeys(self.letters, p))
            if not isinstance(memory, Mapping) or not {*self.letters} <= memory.keys():
                raise InputError(
                    f"memory[{name!r:.80}] is {shown(memory)}; expected arrays by the letters "
                    f"{', '.join(self.letters)}: delete it, and they are 0 again"
                )
            for m in memory.values():
                read_kind(f"an entry of memory[{name!r:.80}]", m, np.ndarray, "delete it")
                check_writable(name, m, "memory")
            kinds = [(m.shape, m.dtype) for m in memory.values()]
            for shape, dtype in (*kinds, self._kinds.get(name, (p.shape, p.dtype))):
                if (shape, dtype) != (p.shape, p.dtype):
                    raise InputError(
                        f"params[{name!r:.80}] was {dtype} {shape} in earlier steps and is "
                        f"{p.dtype} {p.shape} now; make a new optimizer for another network"
                    )
        self._check_together(params, grads)

    def _check_together(self, params: Mapping[str, Any], grads: Mapping[str, Any]) -> None:
        """Refuse arrays that share memory; those that lie where they lay before do not."""
        named = [(f"params[{shown(name)}]", p) for name, p in params.items()]
        for grad, g in grads.items():  # new ones in each step
            for name, p in named:
                if np.may_share_memory(p, g):
                    _check_apart([(name, p), (f"grads[{shown(grad)}]", g)])
        for name in [name for name in params if name in self.memory]:
            named += [(f"memory[{shown(name)}]", m) for m in self.memory[name].values()]
        lie = [(a.__array_interface__["data"][0], a.shape, a.strides) for _, a in named]
        if lie != self._lie:
            _check_apart(named)
            self._lie = lie


class SGD(Optimizer):
    """Gradient descent: `p = p - lr g`, the same in both frameworks (chapter 5).

    Parameters
    ----------
    lr : float
        Learning rate, positive.
    weight_decay : float
        λ, from 0 on.
    decoupled : bool
        Whether the decay passes by the rule: makes no difference here but of rounding.

    Raises
    ------
    InputError
        If a number is out of its range.

    Examples
    --------
    >>> params = {"b": np.array([3.0, 4.0])}
    >>> SGD(lr=0.5).step(params, {"b": np.array([2, -2])})
    >>> params["b"].tolist()
    [2.0, 5.0]

    With a weight decay of 1/2 and no slope, every parameter loses a quarter of itself.

    >>> SGD(lr=0.5, weight_decay=0.5).step(params, {"b": np.zeros(2)})
    >>> params["b"].tolist()
    [1.5, 3.75]
    """

    def _update(self, p: NDArray, g: NDArray, t: int, memory: Memory) -> None:
        p -= self.lr * g


class Momentum(Optimizer):
    """Gradient descent with momentum: gradients add up to a velocity v (chapter 5).

        torch:  v = μ v + g       p = p - lr v
        keras:  v = μ v - lr g    p = p + v

    The two take the same steps until lr changes: then the velocity of the torch form feels the new
    lr at once, that of the keras form keeps the steps it has already taken.

    Parameters
    ----------
    lr : float
        Learning rate, positive.
    momentum : float
        μ, from 0 to below 1.
    form : 'torch' or 'keras'
    weight_decay : float
        λ, from 0 on.
    decoupled : bool
        Whether the decay passes by the rule.

    Raises
    ------
    InputError
        If a number is out of its range or the form is unknown.

    Examples
    --------
    Two steps with g = 2: v is 2, then 0.5 * 2 + 2 = 3.

    >>> params, optimizer = {"b": np.array([10.0])}, Momentum(lr=1, momentum=0.5)
    >>> for _ in range(2):
    ...     optimizer.step(params, {"b": np.array([2.0])})
    >>> params["b"].tolist()
    [5.0]
    """

    letters = ("v",)

    form, momentum = Checked(_form), Checked(_fraction)

    def __init__(
        self,
        lr: float,
        momentum: float = 0.9,
        *,
        form: Form = "torch",
        weight_decay: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        super().__init__(lr, weight_decay=weight_decay, decoupled=decoupled)
        self.form = form
        self.momentum = momentum

    def _update(self, p: NDArray, g: NDArray, t: int, memory: Memory) -> None:
        v = memory["v"]
        if self.form == "torch":
            v *= self.momentum
            v += g
            p -= self.lr * v
        else:
            v *= _through_float32(self.momentum)
            v -= self.lr * g
            p += v


class RMSprop(Optimizer):
    """RMSprop: each entry's gradient is divided by its recent size (chapter 5).

    v is a running mean of the squared gradients, `v = ρ v + (1 - ρ) g²`:

        torch:  p = p - lr g / (√v + ε)
        keras:  p = p - lr g / √(v + ε)

    Parameters
    ----------
    lr : float
        Learning rate, positive.
    rho : float, optional
        ρ (PyTorch: alpha), from 0 to below 1. None: 0.99 (torch) or 0.9 (keras).
    epsilon : float, optional
        ε, positive. None: 1e-8 (torch) or 1e-7 (keras).
    form : 'torch' or 'keras'
    weight_decay : float
        λ, from 0 on.
    decoupled : bool
        Whether the decay passes by the rule.

    Raises
    ------
    InputError
        If a number is out of its range or the form is unknown.

    Examples
    --------
    The first step, whatever the size of g, is about lr / √(1 - ρ) = 2.

    >>> params = {"b": np.array([10.0, 10.0])}
    >>> RMSprop(lr=1, rho=0.75).step(params, {"b": np.array([3.0, -500.0])})
    >>> params["b"].round(6).tolist()
    [8.0, 12.0]
    """

    letters = ("v",)

    form, rho, epsilon = Checked(_form), Checked(_fraction), Checked(_epsilon)

    def __init__(
        self,
        lr: float = 1e-3,
        *,
        rho: float | None = None,
        epsilon: float | None = None,
        form: Form = "torch",
        weight_decay: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        super().__init__(lr, weight_decay=weight_decay, decoupled=decoupled)
        self.form = form
        self.rho = RHO[self.form] if rho is None else rho
        self.epsilon = EPSILON[self.form] if epsilon is None else epsilon

    def _defaults(self) -> dict[str, Any]:
        return super()._defaults() | {"rho": RHO[self.form], "epsilon": EPSILON[self.form]}

    def _update(self, p: NDArray, g: NDArray, t: int, memory: Memory) -> None:
        v, ρ, ε = memory["v"], self.rho, self.epsilon
        v *= ρ
        v += (1 - ρ) * g * g
        p -= self.lr * g / (np.sqrt(v) + ε if self.form == "torch" else np.sqrt(v + ε))


class Adam(Optimizer):
    """Adam: a running mean of the gradients, divided by their recent size (chapter 5).

    `m = β1 m + (1 - β1) g` and `v = β2 v + (1 - β2) g²` start at 0 and are too small at first, by
    the factors 1 - β1ᵗ and 1 - β2ᵗ, which both forms divide out:

        torch:  p = p - lr (m / (1 - β1ᵗ)) / (√(v / (1 - β2ᵗ)) + ε)
        keras:  p = p - lr √(1 - β2ᵗ) / (1 - β1ᵗ) m / (√v + ε)

    So ε counts for more in the keras form while t is small. With a decoupled weight decay it is
    AdamW: each parameter loses the same share of itself, whatever the size of its gradients.

    Parameters
    ----------
    lr : float
        Learning rate, positive: about the largest step that an entry takes.
    beta1, beta2 : float
        β1 and β2, from 0 to below 1.
    epsilon : float, optional
        ε, positive. None: 1e-8 (torch) or 1e-7 (keras).
    form : 'torch' or 'keras'
    weight_decay : float
        λ, from 0 on.
    decoupled : bool
        Whether the decay passes by the rule.

    Raises
    ------
    InputError
        If a number is out of its range or the form is unknown.

    Examples
    --------
    The first step, whatever the size of g, is about lr.

    >>> params = {"b": np.array([10.0, 10.0])}
    >>> Adam(lr=1).step(params, {"b": np.array([3.0, -500.0])})
    >>> params["b"].round(6).tolist()
    [9.0, 11.0]
    """

    letters = ("m", "v")

    form, epsilon = Checked(_form), Checked(_epsilon)
    beta1, beta2 = Checked(_fraction), Checked(_fraction)

    def __init__(
        self,
        lr: float = 1e-3,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float | None = None,
        form: Form = "torch",
        weight_decay: float = 0.0,
        decoupled: bool = False,
    ) -> None:
        super().__init__(lr, weight_decay=weight_decay, decoupled=decoupled)
        self.form = form
        self.beta1, self.beta2 = beta1, beta2
        self.epsilon = EPSILON[self.form] if epsilon is None else epsilon

    def _defaults(self) -> dict[str, Any]:
        return super()._defaults() | {"epsilon": EPSILON[self.form]}

    def _update(self, p: NDArray, g: NDArray, t: int, memory: Memory) -> None:
        m, v, β1, β2, ε = memory["m"], memory["v"], self.beta1, self.beta2, self.epsilon
        m *= β1
        m += (1 - β1) * g
        v *= β2
        v += (1 - β2) * g * g
        if self.form == "keras":
            β1, β2 = _through_float32(β1), _through_float32(β2)
        # The numbers come first, so that the arrays meet as few operations as possible.
        step, root = self.lr / (1 - β1**t), math.sqrt(1 - β2**t)
        if self.form == "torch":
            p -= step * m / (np.sqrt(v) / root + ε)
        else:
            p -= step * root * m / (np.sqrt(v) + ε)


def _check_apart(arrays: Sequence[tuple[str, NDArray]]) -> None:
    """Refuse arrays that share memory."""
    for (a, p), (b, q) in combinations(arrays, 2):
        if np.shares_memory(p, q):
            raise InputError(
                f"{a} and {b} share memory, so one step would move the other; expected arrays of "
                "their own, such as copies"
            )


def check_writable(name: str, p: NDArray, kind: str = "params") -> None:
    """Refuse an array that cannot change in place, each number by itself."""
    if not p.flags.writeable:
        cure = "pass a copy, p.copy(), or let p.flags.writeable be True"
        raise InputError(f"{kind}[{name!r:.80}] is read-only; {cure}")
    if any(step == 0 < size - 1 for step, size in zip(p.strides, p.shape, strict=True)):
        raise InputError(f"{kind}[{name!r:.80}] has numbers that share a place; pass a copy")


@within_memory
def clip_gradients(grads: Mapping[str, NDArray], most: float) -> dict[str, NDArray]:
    """Gradients, all shortened by one factor where their norm is above `most` (chapter 5).

        norm = √(Σ g²), over all entries of all gradients;  g = g most / norm  where norm > most

    The direction stays. Gradients that are not finite stay as they are. Keras calls this
    `global_clipnorm`; PyTorch's `clip_grad_norm_` divides by norm + 1e-6.

    Parameters
    ----------
    grads : mapping of name to array
        Not changed.
    most : float
        The largest norm, positive.

    Raises
    ------
    InputError
        If `most` is not a positive number.

    Examples
    --------
    The norm of 3 and 4 is 5; one of 2.5 is half as long.

    >>> clip_gradients({"w": np.array([3.0]), "b": np.array([4.0])}, 2.5)
    {'w': array([1.5]), 'b': array([2.])}
    """
    read_kind("grads", grads, Mapping, "a dict of arrays")
    most = read_positive("most", most)
    read = {name: _read_gradient(name, g) for name, g in grads.items()}
    # Of integers the smallest has no absolute value of its type.
    read = {name: g if g.dtype.kind == "f" else g.astype(float) for name, g in read.items()}
    top = np.max([np.abs(g).max() for g in read.values() if g.size], initial=0)
    if float(top) == 0 or not np.isfinite(top):
        return read
    top = float(top) if math.isfinite(float(top)) else top  # longdouble goes further
    # In units of the largest entry: else squares of huge or tiny ones would be inf or 0.
    norm = math.sqrt(sum(float(np.square(g / top, dtype=float).sum()) for g in read.values()))
    if norm * top <= most:
        return read
    return {name: (g / top * (most / norm)).astype(g.dtype, copy=False) for name, g in read.items()}


def _read_gradient(name: str, g: Any) -> NDArray:
    read = read_array(f"grads[{name!r:.80}]", g)
    if read.dtype.kind == "b":
        raise InputError(f"grads[{name!r:.80}] is bool; expected real numbers")
    return read
