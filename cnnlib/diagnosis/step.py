"""The diagnosis of a training step."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from cnnlib.arrays import read_integer, read_word
from cnnlib.errors import InputError, shown
from cnnlib.learning.optimizers import SGD, Optimizer

from .calling import Outcome, check_callable
from .mistakes.places import Setting
from .mistakes.slopes import ACTIVATIONS
from .mistakes.stepping import LOSSES, OPTIMIZERS, WEIGHTS_ONLY, Batches, Params, Plan, steps
from .parts import PartCase, examine_choices
from .report import Report, is_right

_NAMES = ("w1", "b1", "w2", "b2")


def diagnose_step(
    fn: Callable,
    *,
    optimizer: Optimizer | None = None,
    activation: str = "ReLU",
    loss: str = LOSSES[0],
    seed: int = 0,
) -> Report:
    """Say what is wrong with a whole training step.

    The network is dense, activation, dense, with a loss that is a mean over the batch.

        params[name] -= rate * dE/dparams[name]

    or what the declared optimizer makes of it.

    Parameters
    ----------
    fn : callable
        `fn(params, x, t, rate)`, called by position: a dict with `w1` (D, M), `b1` (M,), `w2`
        (M, K), `b2` (K,), a batch `x` (N, D), its targets `t`, the learning rate. It returns the
        new dict, or changes the arrays in the one that it got. Two batches follow each other. With
        an optimizer that remembers something it is `fn(params, x, t, rate, state)`: `state` is a
        dict of its own, empty before the first of three batches.
    optimizer : Optimizer, optional
        An `SGD`, `Momentum`, `RMSprop` or `Adam` of `cnnlib.learning`, with its numbers and its
        weight decay; none is SGD with a rate of 0.5. A decay may leave the biases alone.
    activation : str
        'ReLU', 'sigmoid', 'tanh', 'leaky ReLU of slope 0.01', or '' for none.
    loss : str
        'softmax cross-entropy', with class numbers `t` (N,); or of targets (N, K) 'half squared
        error', 1/(2N) of the sum of squares; 'mean squared error', over all N*K; 'binary
        cross-entropy', with a sigmoid before it, the sum over K and the mean over N.
    seed : int
        Of the random numbers.

    Raises
    ------
    InputError
        An argument is none of these.

    Examples
    --------
    >>> diagnose_step(lambda params, x, t, rate: params).findings[0].mistake
    'T2'
    """
    plan = _plan(optimizer, activation, loss)
    call = "fn(params, x, t, rate)" if plan.is_plain else "fn(params, x, t, rate, state)"
    check_callable(fn, call, 4 if plan.is_plain else 5)
    seed = read_integer("seed", seed, 0)
    report = _examined(fn, plan, seed)
    if plan.optimizer.weight_decay and not _is_explained(report):
        other = _examined(fn, replace(plan, biases=False), seed)
        if _is_explained(other):
            return replace(other, notes=[*other.notes, WEIGHTS_ONLY])
    return report


def _is_explained(report: Report) -> bool:
    return not any(one.message.startswith("No known") for one in report.findings)


def _examined(fn: Callable, plan: Plan, seed: int) -> Report:
    rng = np.random.default_rng(seed)
    sizes = (1, 2, 3, 2), (2, 3, 4, 3), (5, 4, 5, 3)
    cases = [_case(plan, *four, rng) for four in sizes]

    def run(params: Params, batches: Batches, rate: float) -> dict[str, np.ndarray]:
        after: list[dict[str, np.ndarray]] = []
        more: tuple[dict, ...] = () if plan.is_plain else ({},)
        for x, t in batches:
            returned = fn(params, x, t, rate, *more)
            params = params if returned is None else returned
            after.append({name: np.array(a) for name, a in params.items()})
        return {name: np.stack([one[name] for one in after]) for name in after[0]}

    def understood(outcome: Outcome) -> None:
        for other, factor, said in plan.others():
            _read_as(other, factor, said, outcome)

    return examine_choices(
        run, cases, dict.fromkeys(_NAMES, plan.places), understood=understood, part="step"
    )


def _plan(optimizer: Optimizer | None, activation: str, loss: str) -> Plan:
    if optimizer is not None and type(optimizer) not in OPTIMIZERS:
        raise InputError(
            f"optimizer is {shown(optimizer)}; expected an SGD, Momentum, RMSprop or Adam of "
            "cnnlib.learning, such as Momentum(0.1)"
        )
    read_word("activation", activation, ACTIVATIONS)
    read_word("loss", loss, LOSSES)
    return Plan(optimizer or SGD(0.5), activation, loss)


def _read_as(plan: Plan, factor: float, said: str, outcome: Outcome) -> None:
    """Read a step that is right by a rule of the same name as right, and say so."""
    pairs = [(q, case, got) for q, both in outcome.results.items() for case, got in both]
    if not pairs or any(got is None for *_, got in pairs):
        return
    if all(is_right(case.right[q], got) for q, case, got in pairs):
        return
    given = {}
    for _, case, _ in pairs:
        params, batches, rate = case.given
        given[id(case)] = _after(plan, params, batches, factor * rate, {})
    if all(is_right(given[id(case)][q], got) for q, case, got in pairs):
        for quantity, both in outcome.results.items():
            outcome.results[quantity] = [(case, case.right[quantity]) for case, _ in both]
        outcome.note(said)


def _after(
    plan: Plan, params: Params, batches: Batches, rate: float, setting: Setting
) -> Mapping[str, np.ndarray]:
    """Each parameter after each step."""
    after = steps(params, batches, rate, setting, plan)
    return {name: np.stack([one[name] for one in after]) for name in after[0]}


def _case(plan: Plan, N: int, D: int, M: int, K: int, rng: np.random.Generator) -> PartCase:
    shapes = {"w1": (D, M), "b1": (M,), "w2": (M, K), "b2": (K,)}
    params = {name: rng.normal(size=shape) for name, shape in shapes.items()}

    def targets() -> np.ndarray:
        if plan.loss == LOSSES[0]:
            return rng.integers(0, K, N)
        if plan.loss == "binary cross-entropy":
            return rng.integers(0, 2, (N, K)).astype(float)
        return rng.normal(size=(N, K))

    count = 2 if plan.is_plain else 3
    batches = [(rng.normal(size=(N, D)), targets()) for _ in range(count)]
    rate = plan.optimizer.lr

    def predict(setting: Setting) -> Mapping[str, np.ndarray]:
        return _after(plan, params, batches, rate, setting)

    outputs = "classes" if plan.loss == LOSSES[0] else "outputs"
    words = (
        f"N={N}, {D} inputs, {M} hidden, {K} {outputs}, rate {rate:g}, "
        f"{'two' if count == 2 else 'three'} steps"
    )
    return PartCase((params, batches, rate), words, predict)
