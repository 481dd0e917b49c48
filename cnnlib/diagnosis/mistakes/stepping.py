"""A training step, open to mistakes: dense, activation, dense, loss, then an optimizer.

What is declared is a `Plan`; the places at which a step of that plan may go wrong follow from it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cnnlib.learning.optimizers import SGD, Adam, Momentum, Optimizer, RMSprop

from .places import Places, Setting, Slip, right
from .slopes import ACTIVATIONS, OF_OUTPUTS, softmax

Params = Mapping[str, np.ndarray]
Batches = Sequence[tuple[np.ndarray, np.ndarray]]  # samples and their targets
LOSSES = ("softmax cross-entropy", "half squared error", "mean squared error",
          "binary cross-entropy")  # fmt: skip
OPTIMIZERS = (SGD, Momentum, RMSprop, Adam)


@dataclass(frozen=True)
class Plan:
    """What a training step is declared to be.

    Attributes
    ----------
    optimizer : Optimizer
        Whose rule, numbers and weight decay count; it is never asked to take a step.
    activation : str
        Between the two dense layers.
    loss : str
        One of `LOSSES`, a mean over the batch.
    biases : bool
        Whether they decay as well.
    """

    optimizer: Optimizer = field(default_factory=lambda: SGD(0.5))
    activation: str = "ReLU"
    loss: str = LOSSES[0]
    biases: bool = True

    @property
    def places(self) -> Places:
        """Where a step of this plan may go wrong."""
        rule = {Momentum: _VELOCITY, RMSprop: _SQUARES, Adam: {**_SQUARES, **_CORRECTION}}
        slopes = {"right": None, "left out": Slip("S3")}
        if self.activation in OF_OUTPUTS:
            slopes |= {"formula of z": Slip("S8"), "at the output": Slip("S9"),
                       "the function": Slip("S10")}  # fmt: skip
        if self.activation.startswith("leaky"):
            slopes["of ReLU"] = Slip("S13")
        uphill = {"direction": {**STEP["direction"], "up": Slip("T5")}}
        return {
            **STEP,
            **(uphill if isinstance(self.optimizer, Momentum) else {}),
            **rule.get(type(self.optimizer), {}),
            **({} if self.activation in ("", "ReLU") else {"slope": slopes}),
            **({} if self.loss == LOSSES[0] else {"loss": _DELTAS[self.loss]}),
            **(_DECAY if self.optimizer.weight_decay else {}),
        }

    @property
    def is_plain(self) -> bool:
        """Whether it is plain gradient descent, which remembers nothing."""
        return type(self.optimizer) is SGD

    def others(self) -> list[tuple["Plan", float, str]]:
        """Plans that go by the same name, the factor of their rate, and what is said of them."""
        o = self.optimizer
        if o.weight_decay and self.biases:
            return [(replace(self, biases=False), 1.0, WEIGHTS_ONLY)]
        if isinstance(o, Momentum):
            said = (
                "The velocity takes 1 - momentum of the gradient, so that all steps are so many "
                "times smaller than those of the declared optimizer: judged as such."
            )
            return [(self, 1 - o.momentum, said)]
        if isinstance(o, RMSprop | Adam):
            form: Any = "keras" if o.form == "torch" else "torch"
            other = type(o)(**{**o.config(), "form": form, "epsilon": o.epsilon})
            said = f"Epsilon stands where form={form!r} has it: judged as such."
            return [(replace(self, optimizer=other), 1.0, said)]
        return []


WEIGHTS_ONLY = "The decay leaves the biases alone: judged as such."

# ---- Places; the first value is the right one

STEP: Places = {
    "delta": {
        "through the old weights": None,
        "through the new weights": Slip("D22"),
    },
    "mean": {
        "once": None,
        "not taken": Slip("S5"),
        "twice": Slip("W6"),
    },
    "rate": {
        "once": None,
        "in the delta too": Slip(None, "The learning rate is multiplied into the delta that goes "
                                       "back, so earlier layers get it twice."),
    },
    "direction": {
        "down": None,
        "up": Slip(None, "The step goes up the slope: + where - belongs."),
        "up in the first layer": Slip(None, "The step of the first layer goes up the slope: + "
                                            "where - belongs. The last layer goes down."),
    },
    "updates": {
        "all parameters": None,
        "nothing": Slip("T2"),
        "the last layer": Slip("T2"),
        "the weights": Slip(None, "The biases are not updated."),
    },
    "gradients": {
        "new in each step": None,
        "added to the old ones": Slip("W13"),
    },
}  # fmt: skip

_VELOCITY: Places = {
    "velocity": {
        "kept": None,
        "forgotten": Slip("T3"),
        "one step old": Slip("T4"),
        "subtracted": Slip("T5"),
    }
}  # fmt: skip

_SQUARES: Places = {
    "squares": {"of the gradient": None, "of the weight": Slip("T10"),
                "not taken": Slip(None, "The running mean is that of the gradient's size, where "
                                        "it is that of its square.")},
    "shares": {"new ones": None, "whole": Slip("T11")},
    "root": {"taken": None, "left out": Slip(None, "The root is missing: the step is divided by "
                                                   "the running mean of the squares itself.")},
}  # fmt: skip

_CORRECTION: Places = {
    "correction": {
        "divides": None,
        "left out": Slip("T6"),
        "multiplies": Slip("T7"),
        "counts parameters": Slip("T8"),
        "counts parameters from the end": Slip("T8"),
        "stands still": Slip("T9"),
        "of the mean only": Slip(None, "Only m is corrected, v is not."),
    },
    "shares": {"new ones": None, "whole": Slip("T11"), "whole in m": Slip("T11"),
               "whole in v": Slip("T11")},
}  # fmt: skip

_DECAY: Places = {
    "decay": {
        "added": None,
        "subtracted": Slip("T12"),
        "twice": Slip("T13"),
        "half": Slip("T13"),
        "without the rate": Slip("T15"),
        "left out": Slip(None, "The decay is left out."),
        "the other way": Slip(None, "The decay takes the other way: through the optimizer's memory "
                                    "or past it (see its decoupled=)."),
    }
}  # fmt: skip

_DELTAS: dict[str, Mapping[str, Slip | None]] = {
    "half squared error": {"y - t": None, "2*(y - t)": Slip("S14"),
                           "over all entries": Slip("S4")},
    "mean squared error": {"2*(y - t)": None, "y - t": Slip("S14")},
    "binary cross-entropy": {"a - t": None, "(a - t)*a*(1 - a)": Slip("S6"),
                             "over all entries": Slip("S4")},
}  # fmt: skip


# ---- The step


def steps(
    params: Params, batches: Batches, rate: float, setting: Setting, plan: Plan | None = None
) -> list[dict[str, np.ndarray]]:
    """The parameters w1, b1, w2, b2 after each batch `(x, t)`."""
    plan = plan or Plan()
    setting = {**right(plan.places), **setting}
    params = {name: a.copy() for name, a in params.items()}
    total = {name: np.zeros_like(a) for name, a in params.items()}
    ups = {"down": "", "up": "w1 b1 w2 b2", "up in the first layer": "w1 b1"}
    up = ups[setting["direction"]].split()
    signs = {name: 1 if name in up else -1 for name in params}
    updates = {
        "all parameters": "w1 b1 w2 b2", "nothing": "", "the last layer": "w2 b2",
        "the weights": "w1 w2",
    }  # fmt: skip
    names = updates[setting["updates"]].split()
    memory: dict[str, dict[str, np.ndarray]] = {name: {} for name in params}
    after = []
    for t, batch in enumerate(batches, 1):
        grads = _gradients(params, batch, rate, setting, signs["w2"], plan)
        for name in names:
            kept = setting["gradients"] == "added to the old ones"
            total[name] = grads[name] + (total[name] if kept else 0)
            g, past = _decayed(total[name], params[name], name, rate, setting, plan)
            clock = _clock(t, name, setting.get("correction", ""))
            step = _step(plan.optimizer, rate, params[name], g, clock, memory[name], setting)
            params[name] = params[name] + signs[name] * (step + past)
        after.append(dict(params))
    return after


def _gradients(
    params: Params, batch: tuple[np.ndarray, np.ndarray], rate: float, setting: Setting, sign: int,
    plan: Plan,
) -> dict[str, np.ndarray]:  # fmt: skip
    x, t = batch
    z1 = x @ params["w1"] + params["b1"]
    f, slope = ACTIVATIONS[plan.activation]
    a1 = f(z1)
    scale = {"once": 1.0, "not taken": float(len(x)), "twice": 1 / len(x)}[setting["mean"]]
    dz2 = scale * _delta(a1 @ params["w2"] + params["b2"], t, setting.get("loss", ""), plan.loss)
    grads = {"w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}
    w2 = params["w2"]
    if setting["delta"] == "through the new weights":
        w2 = w2 + sign * rate * grads["w2"]
    slopes = {
        "right": lambda: slope(z1),
        "left out": lambda: np.ones_like(z1),
        "formula of z": lambda: OF_OUTPUTS[plan.activation](z1),
        "at the output": lambda: slope(a1),
        "the function": lambda: a1,
        "of ReLU": lambda: (z1 > 0).astype(float),
    }
    dz1 = (dz2 @ w2.T) * slopes[setting.get("slope", "right")]()
    dz1 = dz1 * (rate if setting["rate"] != "once" else 1)
    return grads | {"w1": x.T @ dz1, "b1": dz1.sum(axis=0)}


def _delta(z: np.ndarray, t: np.ndarray, made: str, loss: str) -> np.ndarray:
    """The delta of z, of the mean loss; `t` are class numbers, or numbers like z."""
    N, K = z.shape
    if loss == "softmax cross-entropy":
        return (softmax(z) - np.eye(K)[t]) / N
    if loss == "binary cross-entropy":
        a = ACTIVATIONS["sigmoid"][0](z)
        d = (a - t) / N
        return {"(a - t)*a*(1 - a)": d * a * (1 - a), "over all entries": d / K}.get(made, d)
    if loss == "half squared error":
        d = (z - t) / N
        return {"2*(y - t)": 2 * d, "over all entries": d / K}.get(made, d)
    return (z - t) / z.size * (1 if made == "y - t" else 2)


def _decayed(
    g: np.ndarray, p: np.ndarray, name: str, rate: float, setting: Setting, plan: Plan
) -> tuple[np.ndarray, np.ndarray | float]:
    """The gradient with the decay's share, and what goes past the optimizer."""
    made = setting.get("decay", "left out")
    if made == "left out" or (name[0] == "b" and not plan.biases):
        return g, 0.0
    size = {"subtracted": -1.0, "twice": 2.0, "half": 0.5}.get(made, 1.0)
    share = plan.optimizer.weight_decay * size * p
    if made == "without the rate":
        return g, share
    if plan.optimizer.decoupled != (made == "the other way"):
        return g, rate * share
    return g + share, 0.0


_PARAMETERS = ("w1", "b1", "w2", "b2")


def _clock(t: int, name: str, made: str) -> int:
    """The number of the step, or what goes for it."""
    place = _PARAMETERS.index(name)
    if made == "counts parameters":
        return (t - 1) * len(_PARAMETERS) + place + 1
    if made == "counts parameters from the end":  # w2, b2, w1, b1
        return (t - 1) * len(_PARAMETERS) + (place + 2) % 4 + 1
    return 1 if made == "stands still" else t


def _step(
    o: Optimizer, rate: float, p: np.ndarray, g: np.ndarray, t: int, memory: dict[str, Any],
    setting: Setting,
) -> np.ndarray:  # fmt: skip
    """What the optimizer subtracts from p; `memory` changes."""
    if isinstance(o, Momentum):
        old, made = memory.get("v", 0 * g), setting["velocity"]
        v = {"forgotten": g, "subtracted": g - o.momentum * old}.get(made, o.momentum * old + g)
        memory["v"] = v
        return rate * (old if made == "one step old" else v)
    if isinstance(o, RMSprop | Adam):
        square = {"of the weight": p * p, "not taken": np.abs(g)}.get(setting["squares"], g * g)
        whole, keras = setting["shares"], o.form == "keras"
        keep = o.rho if isinstance(o, RMSprop) else o.beta2
        part = 1.0 if whole in ("whole", "whole in v") else 1 - keep
        v = memory["v"] = keep * memory.get("v", 0) + part * square
        root = np.sqrt if setting["root"] == "taken" else np.copy
        if isinstance(o, RMSprop):
            return rate * g / (root(v + o.epsilon) if keras else root(v) + o.epsilon)
        part = 1.0 if whole in ("whole", "whole in m") else 1 - o.beta1
        m = memory["m"] = o.beta1 * memory.get("m", 0) + part * g
        one, two = 1 - o.beta1**t, 1 - o.beta2**t
        made = setting["correction"]
        one = {"left out": 1.0, "multiplies": 1 / one}.get(made, one)
        two = {"left out": 1.0, "multiplies": 1 / two, "of the mean only": 1.0}.get(made, two)
        if keras:
            return rate * math.sqrt(two) / one * m / (root(v) + o.epsilon)
        return rate * (m / one) / (root(v / two) + o.epsilon)
    return rate * g
