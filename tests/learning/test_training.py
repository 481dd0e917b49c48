"""Training: the loss falls, batches, fit by hand, evaluation, history, divergence, errors."""

import io
import os
import subprocess
import sys
import threading
from itertools import islice, product
from math import isnan

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits
from tqdm.auto import tqdm

from cnnlib.data import digits
from cnnlib.errors import DivergenceError, InputError
from cnnlib.learning import training
from cnnlib.learning.activations import softmax_jacobian
from cnnlib.learning.layers import Conv, Dense, Flatten, MaxPool, ReLU, Sigmoid, Softmax
from cnnlib.learning.losses import (
    CrossEntropy,
    HalfSquaredError,
    SigmoidBinaryCrossEntropy,
    value_of,
)
from cnnlib.learning.losses import SoftmaxCrossEntropy as Fused
from cnnlib.learning.network import Network
from cnnlib.learning.optimizers import SGD, Adam, RMSprop
from cnnlib.learning.training import History, batches, evaluate, fit, steps


def quiet(network, x, t, **keywords):
    """`fit` without a bar, with the defaults that most tests here want."""
    usual = dict(optimizer=SGD(0.1), epochs=1, rng=np.random.default_rng(0), progress=False)
    return fit(network, x, t, **usual | keywords)


def small(loss=Fused, outputs=3, dtype=np.float64, seed=0):
    """Two layers over rows of four numbers."""
    sequence = [Dense(5), ReLU(), Dense(outputs)]
    rng = np.random.default_rng(seed)
    return Network(sequence, loss(), input_shape=(4,), rng=rng, dtype=dtype)


def rows(count, seed=1):
    """Samples of three classes that a network can tell apart, and their labels."""
    r = np.random.default_rng(seed)
    t = r.integers(0, 3, count)
    return r.normal(size=(count, 4)) + np.eye(4)[t] * 3, t


def copies(network):
    return {name: p.copy() for name, p in network.params.items()}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


# The classical model learns


def classical(flips, center, stride, seed=2):
    rng = np.random.default_rng(seed)
    sequence = [
        Conv(5, 2, stride=stride, center=center, flip=flips[0], init=1.0),
        ReLU(),
        MaxPool(2, stride=2),
        Conv(20, 3, center=(1, 1), flip=flips[1], init=1.0),
        Sigmoid(),
        Flatten(),
        Dense(30, init="glorot"),
        Sigmoid(),
        Dense(10, init="glorot"),
        Softmax(),
    ]
    return Network(sequence, CrossEntropy(), input_shape=(8, 8, 1), rng=rng)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("center", list(product((0, 1), (0, 1))), ids=str)
@pytest.mark.parametrize("flips", list(product((False, True), (False, True))), ids=str)
def test_loss_falls_with_any_centre_flip_and_stride(flips, center, stride):
    network = classical(flips, center, stride)
    before = copies(network)
    x, t = digits().x_train[:128], digits().t_train[:128]
    history = quiet(network, x, t, optimizer=Adam(0.02), epochs=12, batch=16)
    first, last = np.mean(history.loss[:10]), np.mean(history.loss[-10:])
    assert last < 0.7 * first
    assert all(not np.array_equal(p, before[name]) for name, p in network.params.items())


def test_loss_falls_one_image_at_a_time():
    network = classical((True, False), (0, 0), 2)
    x, t = digits().x_train[:100], digits().t_train[:100]
    history = quiet(network, x, t, optimizer=Adam(0.01), epochs=6, batch=1)
    assert len(history.loss) == 600
    assert np.mean(history.loss[-100:]) < 0.7 * np.mean(history.loss[:100])


# Batches


@pytest.mark.parametrize(
    ("count", "size", "lengths"),
    [(10, 3, [3, 3, 3, 1]), (6, 3, [3, 3]), (2, 5, [2]), (4, 1, [1] * 4), (1, 1, [1])],
)
def test_batches_cover_every_index_once(count, size, lengths):
    parts = list(batches(count, size, np.random.default_rng(0)))
    assert [len(part) for part in parts] == lengths
    assert sorted(np.concatenate(parts).tolist()) == list(range(count))


def test_batches_refuse_at_once():
    for count, size, rng in ((-1, 2, np.random.default_rng(0)), (5, 0, None), (5, 2, None)):
        with pytest.raises(InputError, match="count is|size is|rng is"):
            batches(count, size, rng)


def test_batches_shuffle_anew_each_time():
    rng = np.random.default_rng(0)
    once, again = (np.concatenate(list(batches(50, 8, rng))).tolist() for _ in range(2))
    assert once != sorted(once) and once != again
    repeated = np.concatenate(list(batches(50, 8, np.random.default_rng(0)))).tolist()
    assert repeated == once


# Fit


def test_fit_is_the_loop_written_by_hand():
    x, t = rows(23)
    fitted, expected = small(), small()
    history = quiet(
        fitted, x, t, optimizer=Adam(0.01), epochs=3, batch=5, rng=np.random.default_rng(7)
    )
    rng, optimizer, losses, hits = np.random.default_rng(7), Adam(0.01), [], []
    for _ in range(3):
        order = rng.permutation(23)
        for start in (0, 5, 10, 15, 20):
            n = order[start : start + 5]
            hits.append(np.mean(expected.forward(x[n]).argmax(axis=1) == t[n]))
            loss, grads = expected.gradients(x[n], t[n])
            optimizer.step(expected.params, grads)
            losses.append(loss)
    assert history.loss == losses
    assert history.accuracy == hits
    assert same(fitted.params, expected.params)


def test_fit_repeats_bit_for_bit():
    x, t = digits().x_train[:100], digits().t_train[:100]
    results = []
    for seed in (0, 0, 1):
        network = classical((False, False), (0, 0), 2)
        history = quiet(
            network, x, t, epochs=2, batch=8, rng=np.random.default_rng(seed), validation=(x, t)
        )
        results.append((copies(network), history))
    (one, history), (two, repeated), (other, _) = results
    assert same(one, two) and history == repeated
    assert not same(one, other)


def test_fit_changes_neither_samples_nor_targets():
    x, t = rows(10)
    kept_x, kept_t = x.copy(), t.copy()
    quiet(small(), x, t, batch=3)
    assert np.array_equal(x, kept_x) and np.array_equal(t, kept_t)


def test_history_has_one_entry_a_step():
    x, t = rows(23)
    history = quiet(small(), x, t, epochs=3, batch=5, validation=rows(9, seed=2))
    assert history.epoch_steps == 5
    assert len(history.loss) == len(history.accuracy) == 15
    assert len(history.validation) == 3
    assert quiet(small(), x, t, epochs=2, batch=23).epoch_steps == 1
    assert quiet(small(), x, t, epochs=1, batch=64).validation == []


def test_history_starts_empty():
    assert History(4) == History(epoch_steps=4, loss=[], accuracy=[], validation=[])
    History(1).loss.append(0.0)
    assert History(1).loss == []


def test_validation_is_measured_after_each_epoch():
    x, t = rows(20)
    held_out = rows(9, seed=2)
    network = small()
    history = quiet(network, x, t, epochs=4, batch=5, validation=held_out)
    assert history.validation[-1] == evaluate(network, *held_out)
    # The shuffling does not depend on the validation, so a shorter training is the beginning.
    shorter = small()
    assert quiet(shorter, x, t, epochs=2, batch=5).loss == history.loss[:8]
    assert history.validation[1] == evaluate(shorter, *held_out)


def test_a_batch_of_64_is_the_default():
    x, t = rows(65)
    assert quiet(small(), x, t).epoch_steps == 2


# Steps


def how(batch=5, epochs=3, seed=7):
    """Arguments of `steps` and `fit` alike, made anew."""
    rng = np.random.default_rng(seed)
    return dict(optimizer=Adam(0.01), rng=rng, batch=batch, epochs=epochs)


def test_fit_takes_the_steps_that_steps_gives():
    x, t = rows(23)
    fitted, stepped = small(), small()
    history = quiet(fitted, x, t, **how())
    taken = list(steps(stepped, x, t, **how()))
    assert [step.loss for step in taken] == history.loss
    assert [step.accuracy for step in taken] == history.accuracy
    assert same(stepped.params, fitted.params)
    assert [step.number for step in taken] == list(range(1, 16))
    assert [step.epoch for step in taken] == [0] * 5 + [1] * 5 + [2] * 5
    for epoch in range(3):
        seen = np.concatenate([step.index for step in taken if step.epoch == epoch])
        assert sorted(seen.tolist()) == list(range(23))


def test_a_step_is_what_one_does_by_hand_and_is_given_when_it_is_taken():
    x, t = rows(23)
    network, expected, optimizer = small(), small(), SGD(0.1)
    for step in steps(network, x, t, **how() | dict(optimizer=SGD(0.1))):
        n = step.index
        loss, grads = expected.gradients(x[n], t[n])
        assert step.loss == loss and same(step.grads, grads)
        assert step.accuracy == np.mean(expected.forward(x[n]).argmax(axis=1) == t[n])
        optimizer.step(expected.params, grads)
        assert same(network.params, expected.params)


def test_steps_have_no_end_unless_told():
    x, t = rows(6)
    run = steps(small(), x, t, optimizer=SGD(0.1), rng=np.random.default_rng(0))
    taken = list(islice(run, 7))  # one batch of 64 holds them all
    assert [step.epoch for step in taken] == list(range(7))
    assert [len(step.index) for step in taken] == [6] * 7


def test_a_step_that_is_not_finite_is_not_taken_and_is_the_last():
    x, t = rows(20)
    x[13, 2] = np.nan
    network = small()
    *good, last = steps(network, x, t, **how(batch=4, seed=0))
    assert 13 in last.index and isnan(last.loss) and isnan(last.accuracy) and len(good) > 0
    expected = small()
    for _ in islice(steps(expected, *rows(20), **how(batch=4, seed=0)), len(good)):
        pass
    assert same(network.params, expected.params)


@pytest.mark.parametrize("taken", [0, 3, 5, 7])
def test_steps_go_on_where_they_were_stopped(taken):
    x, t = rows(23)
    whole, parts, given = small(), small(), how()
    expected = [step.loss for step in steps(whole, x, t, **how())]
    states = [given["rng"].bit_generator.state]
    found = []
    for step in islice(steps(parts, x, t, **given), taken):
        found.append(step.loss)
        states[step.epoch + 1 :] = [given["rng"].bit_generator.state]
    epoch = max(0, len(states) - 2)  # that of the last step, the end of which is shuffled again
    given["rng"].bit_generator.state = states[epoch]
    rest = list(steps(parts, x, t, **given, start=(epoch, taken)))
    assert found + [step.loss for step in rest] == expected
    assert [step.number for step in rest] == list(range(taken + 1, 16))
    assert same(parts.params, whole.params)


@pytest.mark.parametrize("bad", [dict(epochs=0), dict(batch=0), dict(batch=2.5)], ids=str)
def test_steps_refuse_wrong_numbers_at_once(bad):
    (name,) = bad
    with pytest.raises(InputError, match=f"{name} is"):
        steps(small(), *rows(5), **how() | bad)
    with pytest.raises(InputError, match="x has 5 samples and t 4"):
        steps(small(), rows(5)[0], rows(5)[1][:4], **how())


def test_layers_are_told_when_they_train():
    seen = []

    class Told(ReLU):
        def forward(self, x, *, training=False):
            seen.append(training)
            return super().forward(x)

    class Anyhow(ReLU):
        def forward(self, x, **mode):
            seen.append(mode.get("training", False))
            return super().forward(x)

    class Untold(ReLU):
        def forward(self, x):
            return super().forward(x)

    layers = [Dense(3), Told(), Untold(), Anyhow(), Dense(3)]
    rng = np.random.default_rng(0)
    network, (x, t) = Network(layers, Fused(), input_shape=(4,), rng=rng), rows(10)
    quiet(network, x, t, batch=5, validation=(x, t))
    assert seen == [True] * 4 + [False] * 2
    for call in (
        lambda: network.forward(x),
        lambda: network.gradients(x, t),
        lambda: network.trace(x, t),
        lambda: evaluate(network, x, t),
    ):
        seen.clear()
        call()
        assert seen == [False] * 2


# Evaluation


def test_evaluate_by_hand():
    rng = np.random.default_rng(0)
    network = Network([Dense(2)], HalfSquaredError(), input_shape=(2,), rng=rng, dtype=np.float64)
    network.params["dense1.w"][...] = np.eye(2)
    x = np.array([[1.0, 0], [0, 1], [3, 0]])
    t = np.array([[1.0, 0], [1, 0], [0, 1]])
    # Losses 0, 1 and 5. The classes of y are 0, 1, 0, those of t 0, 0, 1.
    for size in (1, 2, 3, 500):
        loss, accuracy = evaluate(network, x, t, batch=size)
        assert loss == pytest.approx(2, rel=1e-15)
        assert accuracy == pytest.approx(1 / 3, rel=1e-15)


@pytest.mark.parametrize("size", [1, 3, 7, 16, 22, 23, 100])
def test_evaluate_weighs_the_last_batch_by_its_size(size):
    network, (x, t) = small(), rows(23)
    y = network.forward(x)
    loss, accuracy = evaluate(network, x, t, batch=size)
    assert loss == pytest.approx(network.loss.value(y, t), rel=1e-13)
    assert accuracy == pytest.approx(np.mean(y.argmax(axis=1) == t), rel=1e-13)


def test_evaluate_changes_no_parameter():
    network, (x, t) = small(), rows(9)
    before = copies(network)
    evaluate(network, x, t, batch=2)
    assert same(before, network.params)


# Accuracy where it exists and where it does not


def test_half_squared_error_of_one_output_has_no_accuracy(capsys):
    network, (x, t) = small(HalfSquaredError, outputs=1), rows(10)
    t = t[:, None].astype(float)
    history = quiet(network, x, t, epochs=2, batch=4, validation=(x, t), progress=True)
    assert all(map(isnan, history.accuracy)) and len(history.accuracy) == 6
    assert all(isnan(accuracy) and np.isfinite(loss) for loss, accuracy in history.validation)
    assert np.isfinite(history.loss).all()
    assert "accuracy=nan" in capsys.readouterr().err


def test_yes_or_no_learns():
    network, (x, t) = small(SigmoidBinaryCrossEntropy, outputs=1), rows(60)
    t = (t == 1).astype(float)[:, None]
    history = quiet(network, x, t, optimizer=Adam(0.05), epochs=20, batch=10, validation=(x, t))
    assert history.validation[-1][1] > 0.9
    assert np.mean(history.loss[-6:]) < 0.5 * np.mean(history.loss[:6])


# The bar


def test_progress_shows_loss_and_accuracy(capsys):
    x, t = rows(40)
    history = quiet(small(), x, t, epochs=3, batch=5, progress=True)
    shown = capsys.readouterr().err
    assert "24/24" in shown and "epoch=3" in shown
    assert f"loss={np.mean(history.loss):.3f}" in shown  # the last 50 steps: all 24
    assert f"accuracy={np.mean(history.accuracy):.3f}" in shown


def test_no_progress_no_output(capsys):
    quiet(small(), *rows(10))
    assert capsys.readouterr() == ("", "")


def test_a_bar_needs_no_thread(monkeypatch, capsys):
    """In a browser none can start: tqdm would warn of that, and a warning is an error here."""

    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    monkeypatch.setattr(tqdm, "monitor", None)  # of bars before this one
    monkeypatch.setattr(tqdm, "monitor_interval", 10)
    quiet(small(), *rows(40), epochs=3, batch=5, progress=True)
    assert "24/24" in capsys.readouterr().err
    assert tqdm.monitor_interval == 10  # the bars of others keep theirs


def test_bar_does_not_change_the_training(capsys):
    x, t = rows(23)
    shown, hidden = small(), small()
    quiet(shown, x, t, epochs=2, batch=5, progress=True)
    quiet(hidden, x, t, epochs=2, batch=5)
    assert same(shown.params, hidden.params)


# BLAS threads


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_one_blas_thread_while_training(monkeypatch):
    with threadpool_limits(2, "blas"):
        outside = blas_threads()
        if 2 not in outside:
            pytest.skip("no BLAS here that takes a limit")
        seen = []
        network, (x, t) = small(), rows(4)
        forward = network.forward

        def spy(x, **mode):
            seen.append(blas_threads())
            return forward(x, **mode)

        monkeypatch.setattr(network, "forward", spy)
        quiet(network, x, t, validation=(x, t))
        assert seen == [[1] * len(outside)] * 2
        assert blas_threads() == outside
        with pytest.raises(DivergenceError):
            quiet(small(), x * np.nan, t)
        assert blas_threads() == outside


# Divergence


def caught(network, x, t, **keywords):
    """The error of a training that breaks."""
    with pytest.raises(DivergenceError) as info:
        quiet(network, x, t, **keywords)
    return info.value


def check_good_parameters(network, error, x, t, batch, seed=0):
    """The parameters are finite, and give the last good loss on that step's batch."""
    assert all(np.isfinite(p).all() for p in network.params.values())
    steps, rng, order = len(error.history.loss), np.random.default_rng(seed), []
    while len(order) < steps:
        order += list(batches(len(x), batch, rng))
    n = order[steps - 1]
    with threadpool_limits(1, "blas"):  # as in the training, so that even the rounding is equal
        loss = network.loss.value(network.forward(x[n]), t[n])
    assert loss == error.history.loss[-1]
    assert f"Last good loss: {error.history.loss[-1]:.4g}." in str(error)


def test_learning_rate_too_large():
    x, t = digits().x_train[:48], digits().t_train[:48]
    sequence = [Conv(4, 3), ReLU(), Conv(4, 3), ReLU(), Flatten(), Dense(10)]
    rng = np.random.default_rng(0)
    network = Network(sequence, Fused(), input_shape=(8, 8, 1), rng=rng)
    error = caught(network, x, t, optimizer=SGD(1e9), epochs=50, batch=16)
    steps = len(error.history.loss)
    assert steps == 2 and len(error.history.accuracy) == steps
    assert np.isfinite(error.history.loss).all()
    check_good_parameters(network, error, x, t, 16)
    # Redo the step that broke, and look for the first output that is not finite.
    good, bad = list(batches(48, 16, np.random.default_rng(0)))[1:]
    with np.errstate(over="ignore", invalid="ignore"):
        _, grads = network.gradients(x[good], t[good])
        SGD(1e9).step(network.params, grads)
        broken, y = [], x[bad]
        for name, layer in network.layers.items():
            y = layer.forward(y)
            broken += [] if np.isfinite(y).all() else [name]
    assert "stopped at step 3: the loss is nan. " in str(error)
    assert f"First broken: {broken[0]}. " in str(error)
    assert "smaller learning rate" in str(error)


def test_loss_itself_overflows():
    # y is finite in float32, its square is not.
    x, t = np.ones((6, 4)), np.ones((6, 1))
    network = small(HalfSquaredError, outputs=1, dtype=np.float32)
    network.params["dense2.b"][...] = 1e25
    error = caught(network, x, t, batch=3)
    assert "step 1: the loss is inf. First broken: the loss. " in str(error)
    assert "Last good loss: none, it was the first step" in str(error)
    assert error.history.loss == [] and error.history.epoch_steps == 2


def test_nan_in_the_images_names_the_input():
    x, t = rows(20)
    x[13, 2] = np.nan
    network = small()
    error = caught(network, x, t, batch=4, epochs=2)
    order = np.random.default_rng(0).permutation(20)
    step = order.tolist().index(13) // 4 + 1
    assert step > 1  # so that there is a last good loss
    assert f"step {step}: the loss is nan. First broken: the input x. " in str(error)
    assert len(error.history.loss) == step - 1
    check_good_parameters(network, error, x, t, 4)


def test_divergence_at_the_first_step_keeps_the_first_parameters():
    network, (x, t) = small(), rows(8)
    before = copies(network)
    error = caught(network, np.full_like(x, np.inf), t, batch=4)
    assert "step 1: the loss is nan. First broken: the input x. " in str(error)
    assert "Last good loss: none, it was the first step" in str(error)
    assert same(network.params, before)
    assert error.history == History(epoch_steps=2)


@pytest.mark.parametrize("first", [1, 3])
def test_parameter_that_becomes_infinite(first):
    """An update breaks after `first` steps with a good loss; that step is the one to name."""

    class Breaks(SGD):
        calls = 0

        def step(self, params, grads):
            super().step(params, grads)
            self.calls += 1
            if self.calls == first:
                params["dense2.b"][1] = np.inf

    network, (x, t) = small(), rows(20)
    error = caught(network, x, t, optimizer=Breaks(0.1), batch=4)
    assert len(error.history.loss) == first
    assert f"stopped at step {first}: the update of dense2.b " in str(error)
    assert "First broken: dense2." in str(error)
    check_good_parameters(network, error, x, t, 4)
    # The parameters are those before the broken update.
    expected = small()
    for n in list(batches(20, 4, np.random.default_rng(0)))[: first - 1]:
        _, grads = expected.gradients(x[n], t[n])
        SGD(0.1).step(expected.params, grads)
    assert same(network.params, expected.params)


def test_update_overflows():
    x, t = 1e30 * rows(4)[0], np.ones((4, 1))
    network = small(HalfSquaredError, outputs=1, dtype=np.float32)
    for p in network.params.values():
        p *= 1e-15
    error = caught(network, x, t, optimizer=SGD(1e35))
    assert "the update of dense" in str(error)
    assert all(np.isfinite(p).all() for p in network.params.values())


def test_training_can_go_on_from_the_good_parameters():
    x, t = digits().x_train[:48], digits().t_train[:48]
    network = Network(
        [Flatten(), Dense(10)], Fused(), input_shape=(8, 8, 1), rng=np.random.default_rng(0)
    )
    spoilt = x.copy()
    spoilt[40] = np.nan
    error = caught(network, spoilt, t, batch=8, epochs=3)
    history = quiet(network, x, t, batch=8, epochs=10, optimizer=SGD(0.5))
    assert len(error.history.loss) > 0 and history.loss[-1] < error.history.loss[0]


# Errors


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (dict(epochs=0), "epochs is 0; expected at least 1"),
        (dict(epochs=-1), "epochs is -1"),
        (dict(batch=0), "batch is 0; expected at least 1"),
        (dict(validation=(np.ones((3, 4)), np.zeros(2, int))), "x has 3 samples and t 2 targets"),
    ],
)
def test_wrong_numbers(keywords, message):
    with pytest.raises(InputError, match=message):
        quiet(small(), *rows(5), **keywords)


def test_samples_and_targets_of_different_length():
    network, (x, t) = small(), rows(5)
    for call in (evaluate, quiet):
        with pytest.raises(InputError, match="x has 5 samples and t 4 targets"):
            call(network, x, t[:4])
        with pytest.raises(InputError, match="x has 0 samples and t 0 targets"):
            call(network, x[:0], t[:0])


def test_label_out_of_range_is_named():
    network, (x, t) = small(), rows(5)
    before = copies(network)
    t[3] = 3
    with pytest.raises(InputError, match="is 3, but y has 3 classes; .* from 0 to 2"):
        quiet(network, x, t)
    with pytest.raises(InputError, match=r"t\[3\] is 3, but y has 3 classes"):
        evaluate(network, x, t)
    assert same(network.params, before)


def test_wrong_images_are_refused():
    network, (x, t) = small(), rows(5)
    with pytest.raises(InputError, match="divide by 255"):
        quiet(network, x.astype(np.uint8), t)
    with pytest.raises(InputError, match=r"expected \(N, 4\)"):
        quiet(network, x[:, :3], t)


def test_targets_that_are_not_finite_are_refused():
    network, (x, t) = small(HalfSquaredError, outputs=1), rows(5)
    t = t[:, None].astype(float)
    t[2] = np.nan
    with pytest.raises(InputError, match="is not finite"):
        quiet(network, x, t)


# Sets and numbers that do not fit are refused before the first step


def test_sizes_below_one_are_refused_everywhere():
    network = four_to_three(np.random.default_rng(0))
    x, t = np.ones((5, 4)), np.zeros(5, int)
    for size in (0, -1, 2.5):
        with pytest.raises(InputError, match="size is"):
            list(batches(5, size, np.random.default_rng(0)))
        with pytest.raises(InputError, match="batch is"):
            evaluate(network, x, t, batch=size)


def test_a_wrong_label_is_named_by_its_place_in_the_set_and_nothing_is_trained():
    network = four_to_three(np.random.default_rng(0))
    x, t = np.ones((50, 4)), np.zeros(50, int)
    t[37] = 9
    before = {name: p.copy() for name, p in network.params.items()}
    run = {"optimizer": SGD(0.1), "epochs": 1, "rng": np.random.default_rng(0), "progress": False}
    with pytest.raises(InputError, match=r"t\[37\] is 9"):
        fit(network, x, t, **run)
    with pytest.raises(InputError, match=r"t\[37\] is 9"):
        fit(network, x, np.zeros(50, int), validation=(x, t), **run)
    for name, p in network.params.items():
        np.testing.assert_array_equal(p, before[name])


def four_to_three(rng):
    layers = [Dense(3)]
    return Network(layers, Fused(), input_shape=(4,), rng=rng, dtype=np.float64)


def one_weight(dtype=np.float32):
    rng = np.random.default_rng(0)
    layers = [Dense(1, bias=False)]
    return Network(layers, HalfSquaredError(), input_shape=(1,), rng=rng, dtype=dtype)


@pytest.mark.parametrize("optimizer", [Adam(), RMSprop()])
def test_an_optimizer_that_stands_still_since_its_memory_overflows_is_stopped(optimizer):
    """Gradients of 1e24: their squares are infinite in float32, and every step is 0."""
    network, x = one_weight(), np.full((1, 1), 1e12, "f4")
    before = network.params["dense1.w"].copy()
    how = dict(epochs=50, rng=np.random.default_rng(0), progress=False)
    with pytest.raises(DivergenceError, match="at step 1: the update of dense1.w overflows"):
        fit(network, x, x, optimizer=optimizer, **how)
    assert np.array_equal(network.params["dense1.w"], before)


def test_a_divergence_speaks_of_targets_too():
    x = np.ones((1, 1), "f4")
    how = dict(optimizer=SGD(0.1), epochs=1, rng=np.random.default_rng(0), progress=False)
    with pytest.raises(DivergenceError, match="inputs or targets that are not finite or very lar"):
        fit(one_weight(), x, 1e30 * x, **how)


def test_the_reason_is_not_hidden_by_putting_back(tmp_path):
    x = np.ones((1, 1), "f4")
    how = dict(optimizer=SGD(0.1), epochs=1, rng=np.random.default_rng(0), progress=False)
    frozen = one_weight()
    frozen.params["dense1.w"].flags.writeable = False
    with pytest.raises(InputError, match=r"params\['dense1.w'\] is read-only"):
        fit(frozen, x, x, **how)

    class Grows(Dense):
        def forward(self, x, *, training=False):
            if training:
                self.params["new"] = x[0]
                raise InputError("the reason")
            return super().forward(x)

    growing = Network([Grows(1)], HalfSquaredError(), input_shape=(1,), rng=how["rng"])
    with pytest.raises(InputError, match="the reason"):
        fit(growing, x, x, **how)


def test_a_buffer_that_a_training_adds_is_refused_at_the_first_checkpoint(tmp_path):
    class Late(ReLU):
        def forward(self, x, *, training=False):
            if training:
                self.buffers["v"] = x.var(0)
            return super().forward(x)

    x, rng = np.ones((1, 2), "f4"), np.random.default_rng(0)
    network = Network([Late(), Dense(1)], HalfSquaredError(), input_shape=(2,), rng=rng)
    how = dict(optimizer=SGD(0.1), epochs=1, rng=rng, progress=False)
    with pytest.raises(InputError, match=r"late1.buffers\['v'\] was not there when the layer"):
        fit(network, x, x[:, :1], **how, checkpoint=tmp_path / "a.npz")
    assert Network.load(tmp_path / "a.npz", classes=[Late]).buffers.keys() == set()


def test_a_bar_whose_reader_has_gone_stops_no_training():
    """As that of `python train.py 2>&1 | head -1`."""
    code = """
import numpy as np
from cnnlib.learning import SGD, Dense, HalfSquaredError, Network, fit
rng, x = np.random.default_rng(0), np.ones((50, 1), "f4")
network = Network([Dense(1)], HalfSquaredError(), input_shape=(1,), rng=rng)
fit(network, x, x, optimizer=SGD(0.1), epochs=20, rng=rng, batch=1, progress=True)
print("done", flush=True)
"""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as gone:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=gone, text=True, timeout=60
        )
    assert done.stdout == "done\n"


@pytest.mark.parametrize("stderr", ["None", "closed"])
def test_a_bar_needs_no_stderr(stderr, monkeypatch):
    stream = io.StringIO()
    stream.close()
    x = np.ones((1, 1), "f4")
    how = dict(optimizer=SGD(0.1), epochs=1, rng=np.random.default_rng(0), progress=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", None if stderr == "None" else stream)
        assert len(fit(one_weight(), x, x, **how).loss) == 1


def test_an_optimizer_without_a_memory_is_told_its_cure():
    class Forgets(SGD):
        def __init__(self):
            pass

    x, rng = np.ones((1, 1), "f4"), np.random.default_rng(0)
    with pytest.raises(InputError, match=r"Forgets has no memory: let its __init__ begin with sup"):
        fit(one_weight(), x, x, optimizer=Forgets(), epochs=1, rng=rng, progress=False)


def test_a_training_goes_on_where_numpy_is_told_to_raise():
    x, rng = np.random.default_rng(0).normal(size=(9, 3)).astype("f4"), np.random.default_rng(0)
    layers = [Dense(4), Sigmoid(), Dense(2)]
    network = Network(layers, Fused(), input_shape=(3,), rng=rng)
    network.params["dense1.w"] *= 1000
    with np.errstate(all="raise"):
        how = dict(optimizer=Adam(), epochs=1, rng=rng, progress=False)
        assert len(fit(network, x, np.arange(9) % 2, **how).loss) == 1


@pytest.mark.parametrize("start", [(2, 1), (1, 0), (3, 5)])
def test_a_start_in_an_epoch_that_has_not_begun_is_refused(start):
    x = np.ones((8, 1), np.float32)
    network = Network(
        [Dense(1)], HalfSquaredError(), input_shape=(1,), rng=np.random.default_rng(0)
    )
    with pytest.raises(InputError, match=f"epoch {start[0]} begins after {2 * start[0]} steps"):
        steps(network, x, x, optimizer=SGD(0.1), rng=np.random.default_rng(0), batch=4, start=start)


@pytest.mark.parametrize("start", [(0, 2001), (1, 2003), (0, 2**31 - 1)])
def test_a_start_far_beyond_its_epoch_is_refused(start):
    """It would shuffle epoch after epoch without a step."""
    x, ends = np.ones((8, 1), np.float32), 2 * start[0] + 2000
    network = Network(
        [Dense(1)], HalfSquaredError(), input_shape=(1,), rng=np.random.default_rng(0)
    )
    with pytest.raises(InputError, match=f"after {ends}, and {start[1]} have been taken"):
        steps(network, x, x, optimizer=SGD(0.1), rng=np.random.default_rng(0), batch=4, start=start)


@pytest.mark.parametrize("said", [None, "0.5", np.zeros(4), 2.0, -0.1, np.inf])
def test_an_accuracy_that_is_none_is_refused(said):
    class Own(Fused):
        def accuracy(self, y, t):
            return said

    x, t = rows(6)
    for run in (quiet, evaluate):
        with pytest.raises(InputError, match="accuracy of Own returned .*; expected a number"):
            run(small(Own), x, t)


@pytest.mark.parametrize("said", [np.nan, 1, 0.25, np.float32(0.5)])
def test_an_accuracy_of_ones_own_is_a_number(said):
    class Own(Fused):
        def accuracy(self, y, t):
            return said

    x, t = rows(6)
    (accuracy,) = quiet(small(Own), x, t).accuracy
    assert type(accuracy) is float and (accuracy == said or isnan(said))
    assert evaluate(small(Own), x, t)[1] == said or isnan(said)


def test_a_set_is_read_without_room_for_all_its_outputs(monkeypatch):
    """A million outputs for each of 20,000 samples would take 80 GB; the network has few."""
    asked = []
    network = Network(
        [Dense(2)], HalfSquaredError(), input_shape=(1,), rng=np.random.default_rng(0)
    )
    monkeypatch.setattr(
        training, "value_of", lambda loss, y, t: asked.append(len(y)) or value_of(loss, y, t)
    )
    x = np.ones((20_500, 1), np.float32)
    steps(network, x, np.ones((20_500, 2)), optimizer=SGD(0.1), rng=np.random.default_rng(0))
    assert asked == [10_000, 10_000, 500]
    wrong = np.ones((20_500, 2))
    wrong[20_400] = np.nan
    with pytest.raises(InputError, match="t"):
        steps(network, x, wrong, optimizer=SGD(0.1), rng=np.random.default_rng(0))


def test_what_no_machine_holds_is_refused_before_it_is_asked_for(monkeypatch):
    monkeypatch.setattr("cnnlib.arrays.memory", lambda: 10**9)
    with pytest.raises(InputError, match="an order of 2000000000 samples would take 16 GB"):
        batches(2_000_000_000, 64, np.random.default_rng(0))
    with pytest.raises(InputError, match="would take .* GB of memory"):
        softmax_jacobian(np.full(20_000, 1 / 20_000))
