"""A training step of any declared optimizer, activation and loss: what is wrong has its name."""

from functools import partial

import numpy as np
import pytest
from steps_back import STEPS, gradients

from cnnlib.diagnosis import diagnose_step, mistakes
from cnnlib.diagnosis.mistakes.stepping import Plan, steps
from cnnlib.errors import InputError
from cnnlib.learning.optimizers import SGD, Adam, Momentum, RMSprop

CATALOGUE = {one.id for one in (*mistakes.every(), *mistakes.reported())}


@pytest.mark.parametrize(("fn", "how", "name", "says"), STEPS, ids=[s[0].__name__ for s in STEPS])
def test_what_is_said_is_true(fn, how, name, says):
    report = diagnose_step(fn, **how)
    text = str(report)
    assert says in text, text
    if name is None:
        assert report.ok, text
        return
    assert report.ok is False, text
    told = {one.mistake for one in report.findings}
    assert told == ({name} if name in CATALOGUE else {None}), text
    if name not in CATALOGUE:
        assert name in text


def test_every_mistake_of_optimizers_is_written():
    named = {name for *_, name, _ in STEPS}
    assert {one.id for one in mistakes.reported() if one.id[0] == "T"} <= named


def test_two_at_once_are_named():
    def step(params, x, t, rate, state):
        grads = gradients(params, x, t)
        for n, g in grads.items():
            state[n] = len(x) * g  # a velocity that is forgotten, and a mean not taken
            params[n] = params[n] - rate * state[n]
        return params

    found = {one.mistake for one in diagnose_step(step, optimizer=Momentum(0.1)).findings}
    assert found == {"T3", "S5"}


def test_a_memory_of_its_own_is_no_mistake():
    class Kept:
        def __init__(self):
            self.v = {}

        def __call__(self, params, x, t, rate, state):
            for n, g in gradients(params, x, t).items():
                old = self.v.get(n, 0)
                old = old if np.shape(old) == g.shape else 0
                self.v[n] = 0.9 * old + g
                params[n] = params[n] - rate * self.v[n]
            return params

    report = diagnose_step(Kept(), optimizer=Momentum(0.1))
    assert report.ok is None and "second call" in str(report)


@pytest.mark.parametrize(
    "how",
    [{"optimizer": "Adam"}, {"activation": "swish"}, {"loss": "hinge"}, {"optimizer": Momentum}],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_declared_is_refused(how):
    with pytest.raises(InputError, match=next(iter(how))):
        diagnose_step(lambda params, x, t, rate: params, **how)


def test_a_function_without_a_place_for_its_state_is_refused():
    with pytest.raises(InputError, match="state"):
        diagnose_step(lambda params, x, t, rate: params, optimizer=Adam())


OPTIMIZERS = [
    (partial(SGD, 0.3), "SGD", {}), (partial(Momentum, 0.1, 0.8), "SGD", {"momentum": 0.8}),
    (partial(RMSprop, 0.01), "RMSprop", {}),
    (partial(Adam, 0.02, beta1=0.8), "Adam", {"betas": (0.8, 0.999)}),
]  # fmt: skip
LOSSES = {
    "softmax cross-entropy": "nn.functional.cross_entropy(z, t)",
    "half squared error": "((z - t) ** 2).sum() / 2 / len(z)",
    "mean squared error": "nn.functional.mse_loss(z, t)",
    "binary cross-entropy": "nn.functional.binary_cross_entropy_with_logits(z, t) * t.shape[1]",
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize(("optimizer", "theirs", "how"), OPTIMIZERS, ids=["sgd", "m", "r", "a"])
def test_right_steps_are_those_of_pytorch(torch, optimizer, theirs, how, biases, decoupled, loss):
    if decoupled and theirs != "Adam":
        return  # PyTorch has it of Adam only
    r = np.random.default_rng(0)
    start = {"w1": r.normal(size=(3, 4)), "b1": r.normal(size=4), "w2": r.normal(size=(4, 2)),
             "b2": r.normal(size=2)}  # fmt: skip
    targets = {"softmax cross-entropy": lambda: r.integers(0, 2, 5),
               "binary cross-entropy": lambda: r.integers(0, 2, (5, 2)) * 1.0}  # fmt: skip
    batches = [(r.normal(size=(5, 3)), targets.get(loss, lambda: r.normal(size=(5, 2)))())
               for _ in range(3)]  # fmt: skip
    declared = optimizer(weight_decay=0.1, decoupled=decoupled)
    ours = steps(start, batches, declared.lr, {}, Plan(declared, "tanh", loss, biases))[-1]
    p = {n: torch.tensor(a, requires_grad=True) for n, a in start.items()}
    groups = [{"params": [p["w1"], p["w2"]], "weight_decay": 0.1},
              {"params": [p["b1"], p["b2"]], "weight_decay": 0.1 * biases}]  # fmt: skip
    name = "AdamW" if decoupled else theirs
    stepping = getattr(torch.optim, name)(groups, lr=declared.lr, **how)
    for x, t in batches:
        z = torch.tanh(torch.tensor(x) @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]
        value = eval(LOSSES[loss], {"nn": torch.nn, "z": z, "t": torch.tensor(t)})
        stepping.zero_grad()
        value.backward()
        stepping.step()
    for n, a in ours.items():
        assert np.allclose(a, p[n].detach(), rtol=1e-9, atol=1e-12), n
