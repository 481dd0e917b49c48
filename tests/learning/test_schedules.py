"""The learning rate as a function of the step: by hand, PyTorch, in a training, errors."""

import re

import numpy as np
import pytest

from cnnlib.errors import InputError
from cnnlib.learning import SGD, Cosine, Dense, HalfSquaredError, Network, fit, steps


def test_by_hand():
    # A half wave over four steps: cos 0 = 1, cos 45 degrees = 0.7071, cos 90 = 0, cos 135.
    half = 0.5**0.5
    falling = [2 * (1 + c) / 2 for c in (1, half, 0, -half)]
    np.testing.assert_allclose([Cosine(2, 4)(t) for t in (1, 2, 3, 4)], falling, rtol=1e-15)
    warmed = Cosine(2, 8, warm_up=4)
    np.testing.assert_allclose(
        [warmed(t) for t in range(1, 9)], [0.5, 1, 1.5, 2, *falling], rtol=1e-15
    )


def test_it_agrees_with_pytorch(torch):
    W, T = 5, 20
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    schedulers = torch.optim.lr_scheduler
    theirs = schedulers.SequentialLR(
        optimizer,
        [
            schedulers.LinearLR(optimizer, start_factor=1 / W, total_iters=W - 1),
            schedulers.CosineAnnealingLR(optimizer, T_max=T - W),
        ],
        milestones=[W],
    )
    rates = []
    for _ in range(T):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    ours = Cosine(0.3, T, warm_up=W)
    np.testing.assert_allclose(rates, [ours(t) for t in range(1, T + 1)], rtol=1e-12)


def one_number(start=3.0):
    """y = w x with x = t = 1: the slope of the loss is w - 1."""
    rng = np.random.default_rng(0)
    network = Network([Dense(1, bias=False)], HalfSquaredError(), input_shape=(1,), rng=rng)
    network.params["dense1.w"][...] = start
    return network, np.ones((1, 1)), rng


def test_each_step_has_its_rate():
    network, one, rng = one_number()
    walk = steps(
        network, one, one, optimizer=SGD(9), rng=rng, epochs=3, schedule=lambda t: 1 / (t + 1)
    )
    # w - 1 is 2, and loses 1/2, 1/3, 1/4 of itself
    left = [network.params["dense1.w"].item() - 1 for _ in walk]
    np.testing.assert_allclose(left, [1, 2 / 3, 1 / 2], rtol=1e-6)


def test_gradients_are_clipped_and_what_is_told_is_not():
    network, one, rng = one_number(start=11.0)
    step = next(steps(network, one, one, optimizer=SGD(1), rng=rng, clip_norm=2.5))
    assert step.grads["dense1.w"].item() == 10
    assert network.params["dense1.w"].item() == 11 - 2.5


def test_a_training_that_is_stopped_goes_on_with_the_same_rates(tmp_path):
    ends = []
    for pieces in ((4,), (1, 3, 4)):
        network, _, rng = one_number(start=11.0)
        x = np.arange(1.0, 7).reshape(6, 1) / 6
        for epochs in pieces:
            fit(
                network, x, x, optimizer=SGD(9, weight_decay=0.1), epochs=epochs, rng=rng, batch=2,
                schedule=Cosine(0.3, steps=12, warm_up=3), clip_norm=2.0, progress=False,
                checkpoint=tmp_path / f"{pieces}.npz",
            )  # fmt: skip
        ends.append(network.params["dense1.w"].item())
    assert ends[0] == ends[1] != 11


@pytest.mark.parametrize(
    ("first", "then", "why"),
    [
        ({}, {"clip_norm": 1.0}, "clip_norm: it is None there and 1.0 here"),
        ({"clip_norm": 1.0}, {}, "clip_norm: it is 1.0 there and None here"),
        ({"schedule": Cosine(0.1, 3)}, {}, "rates: it is [0.1, 0.075"),
        ({"schedule": Cosine(0.1, 9)}, {"schedule": Cosine(0.1, 6)}, "rates: it is [0.1, 0.09"),
        ({"optimizer": SGD(0.1, weight_decay=0.1)}, {}, "settings: it is"),
    ],
)
def test_a_checkpoint_of_other_rates_is_refused(first, then, why, tmp_path):
    def train(settings):
        network, _, rng = one_number()
        settings = {"optimizer": SGD(0.1), "epochs": 1, "batch": 1, **settings}
        x, path = np.ones((3, 1)), tmp_path / "run.npz"
        fit(network, x, x, rng=rng, progress=False, checkpoint=path, **settings)

    train(first)
    train(first)
    with pytest.raises(InputError, match=re.escape(why)):
        train(then)


def test_what_is_no_schedule_is_refused_before_the_work():
    network, one, rng = one_number()
    before = network.params["dense1.w"].copy()
    for schedule, why in (
        (0.1, "schedule is 0.1; expected a function of the step's number"),
        (Cosine(0.1, 2), "Cosine(0.1, 2) has 2 steps and was asked for step 3"),
        (lambda t: 0, "schedule(3) is 0; expected a positive finite number"),
        (lambda t: None, "schedule(3) is None; expected a positive finite number"),
    ):
        with pytest.raises(InputError, match=re.escape(why)):
            fit(network, one, one, optimizer=SGD(1), epochs=3, rng=rng, schedule=schedule)
        np.testing.assert_array_equal(network.params["dense1.w"], before)
    with pytest.raises(InputError, match="clip_norm is 0; expected a positive"):
        fit(network, one, one, optimizer=SGD(1), epochs=3, rng=rng, clip_norm=0)


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: Cosine(0, 3), "peak is 0; expected a positive finite number"),
        (lambda: Cosine(1, 0), "steps is 0"),
        (lambda: Cosine(1, 3, warm_up=3), "warm_up is 3, steps is 3; a warm-up must be shorter"),
        (lambda: Cosine(1, 3, warm_up=-1), "warm_up is -1"),
        (lambda: Cosine(1, 3)(0), "t is 0"),
        (lambda: setattr(Cosine(1, 3), "peak", -1), "peak is -1; expected a positive"),
        (lambda: setattr(Cosine(1, 3), "steps", 2.5), "steps is 2.5; expected an integer"),
        (lambda: Cosine(1, 3)(4), "has 3 steps and was asked for step 4"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(call, why):
    with pytest.raises(InputError, match=re.escape(why)):
        call()


def test_a_schedule_with_a_memory_is_refused_and_steps_asks_once():
    network, one, rng = one_number()
    asked = []

    def falling(number):
        asked.append(number)
        return 1 / len(asked)

    with pytest.raises(InputError, match="expected a function of the step's number alone"):
        fit(network, one, one, optimizer=SGD(1), epochs=3, rng=rng, schedule=falling)
    asked.clear()
    for _ in steps(network, one, one, optimizer=SGD(1), rng=rng, epochs=3, schedule=falling):
        pass
    assert asked == [1, 2, 3]


def test_rates_of_later_epochs_are_compared_as_well(tmp_path):
    """The two schedules agree in the first epoch, and not in the second."""

    def train(epochs, late):
        network, _, rng = one_number()
        x, path = np.ones((3, 1)), tmp_path / "run.npz"
        fit(
            network, x, x, rng=rng, progress=False, checkpoint=path, batch=1, epochs=epochs,
            optimizer=SGD(1), schedule=lambda step: 0.1 if step <= 3 else late,
        )  # fmt: skip

    train(2, late=0.2)
    train(3, late=0.2)
    with pytest.raises(InputError, match=re.escape("rates: it is [0.1, 0.1, 0.1, 0.2, 0.2")):
        train(4, late=0.3)
