"""What is wrong is refused by name and in few words, everywhere: see `wrong_calls`."""

import os
from inspect import signature

import numpy as np
import pytest
import wrong_calls
from wrong_calls import VALUES, X, net

import cnnlib
from cnnlib import book, diagnosis, interop, learning
from cnnlib.book import figures
from cnnlib.errors import DataError, DivergenceError, InputError
from cnnlib.learning import Adam, AvgPool, Conv, Dense, Flatten, MaxPool, ReLU, fit

# `make test` takes every 17th pair of an argument and a value, `make ci-long` takes all. The 35
# values come round for each argument: with 17 each of them has its turn.
EVERY = 1 if "CNNLIB_LONG" in os.environ else 17
# Values that the library makes, and what is tried through the classes and functions around it.
NOT_CALLED = {
    "History", "Layer", "Loss", "Optimizer", "Step", "Trace", "PALETTE", "Grid", "grids", "figures",
    "mistakes", "Finding", "Report", "from_keras", "from_torch", "assert_gradients",
}  # fmt: skip
MODULES = (cnnlib, learning, diagnosis, book, figures, interop)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def calls(folder):
    return list(wrong_calls.calls(folder))


def test_every_public_name_is_called(calls):
    called = {word for call in calls for word in call.name.replace(".", " ").split()}
    names = {name for module in MODULES for name in module.__all__}
    losses = {name for name in names if name.endswith(("Error", "Entropy"))}
    assert names - called - NOT_CALLED - losses == set()


def test_every_argument_of_every_call_is_tried(calls):
    for call in calls:
        named = {
            p.name for p in signature(call.make()).parameters.values() if p.kind < p.VAR_KEYWORD
        }
        assert named - {"args"} <= call.given.keys(), call.name
        assert all(call.kind(argument) for argument in call.given)


def test_what_is_wrong_is_refused_by_name(calls, folder, monkeypatch):
    monkeypatch.chdir(folder)
    number, bad = 0, []
    for call in calls:
        assert call.run() == ("accepted", ""), call.name
        for argument in call.given:
            for value in VALUES:
                number += 1
                if number % EVERY == 0:
                    result, said = call.run(argument, value)
                    if result != "clear" and not (
                        result == "accepted" and call.takes(argument, value)
                    ):
                        bad.append(f"{call.name}({argument}={value}) is {result}: {said}")
    assert bad == []


def test_the_table_would_see_a_raw_error_a_silent_one_and_a_long_message():
    def raw(lr):
        return 1 / np.asarray(lr)["no"]

    def silent(lr):
        return lr

    def long(lr):
        raise InputError(f"lr is {'no' * 1000}")

    def unnamed(lr):
        raise InputError("something is wrong")

    def closing(lr):
        os.close(1)

    for function, result in (
        (raw, "raw"),
        (silent, "accepted"),
        (long, "raw"),
        (unnamed, "unnamed"),
        (closing, "raw"),
    ):
        call = wrong_calls.Call("here", None, lambda f=function: f, {"lr": 1.0}, {})
        assert call.run("lr", "None")[0] == result and not call.takes("lr", "None")
    os.fstat(1)  # is open again


@pytest.mark.parametrize(
    "layer",
    [
        Conv(2, 2),
        Dense(2),
        Flatten(),
        MaxPool(2),
        AvgPool(2),
        ReLU(),
        learning.Softmax(),
        learning.BatchNorm(),
        learning.Dropout(0.5),
        learning.LeakyReLU(),
        learning.Residual([ReLU()]),
        learning.GlobalAveragePool(),
    ],
)
def test_backwards_before_forwards_says_so(layer):
    shape = (4,) if isinstance(layer, Dense) else (4, 4, 1)
    layer.build(shape, np.random.default_rng(0), np.float64)
    with pytest.raises(InputError, match=r"has not gone forwards; call forward\(x\) before"):
        layer.backward(np.ones((1, 2)))


def test_a_network_goes_backwards_after_it_has_gone_forwards():
    network = net()
    with pytest.raises(InputError, match="has not gone forwards"):
        network.backward(np.ones((2, 2)), np.array([0, 1]))


def test_integers_and_numbers_of_numpy_are_welcome():
    one, two = np.int64(1), np.uint8(2)
    x = np.ones((1, 4, 4, 1))
    z = cnnlib.conv(x, np.ones((1, 2, 2, 1)), stride=two, padding=(one, two), flip=np.True_)
    assert z.shape == (1, 3, 4, 1)
    assert cnnlib.max_pool(x, np.array([2, 2]))[0].shape == (1, 2, 2, 1)
    layers = [Conv(two, two, bias=np.bool_(False)), Flatten(), Dense(two, init=np.float32(0.1))]
    rng, loss = np.random.default_rng(0), learning.SoftmaxCrossEntropy()
    network = learning.Network(layers, loss, input_shape=np.array([4, 4, 1]), rng=rng)
    optimizer = Adam(np.float64(0.1), beta1=np.float32(0.5))
    fit(network, x, np.array([1]), optimizer=optimizer, epochs=one, rng=rng, progress=np.False_)
    assert list(network.params) == ["conv1.w", "dense1.w", "dense1.b"]


def test_a_checkpoint_that_is_no_path_leaves_the_streams_open(capfd):
    run = {"optimizer": Adam(), "epochs": 1, "rng": np.random.default_rng(0), "progress": False}
    for wrong in (True, 1, b"run.npz", "", "a\0b"):
        with pytest.raises(InputError, match="checkpoint is .* expected the path of a file"):
            fit(net(), X, np.array([0, 1]), checkpoint=wrong, **run)
    print("still here")
    assert capfd.readouterr().out == "still here\n"


def test_a_wrong_validation_set_is_called_so():
    run = {"optimizer": Adam(), "epochs": 1, "rng": np.random.default_rng(0), "progress": False}
    with pytest.raises(InputError, match="^validation: x has shape"):
        fit(net(), X, np.array([0, 1]), validation=(X[:, 1:], np.array([0, 1])), **run)


def test_a_step_that_is_lost_is_no_gradient_of_zero():
    with pytest.raises(InputError, match="step is 1e-20; beside x = 3.0 it is lost"):
        cnnlib.numerical_gradient(lambda x: float(x.sum()), [3.0], 1e-20)
    with pytest.raises(InputError, match="f returns .*; expected one number"):
        cnnlib.numerical_gradient(lambda x: x, [3.0])


def test_a_class_in_place_of_an_object_is_told_apart():
    rng = np.random.default_rng(0)
    for layers, loss in (
        ([ReLU], learning.HalfSquaredError()),
        ([ReLU()], learning.HalfSquaredError),
    ):
        with pytest.raises(InputError, match="is <class .*; expected a L.*: an instance, such as"):
            learning.Network(layers, loss, input_shape=(2,), rng=rng)


def test_a_message_is_one_line_that_does_nothing_to_a_terminal():
    hostile = "E\n\x1b[31m" * 40
    for kind in (InputError, DataError, DivergenceError):
        said = str(kind(f"layer {hostile} is lost: α ≠ β"))
        assert said.isprintable() and said.endswith("is lost: α ≠ β") and r"E\n\x1b[31m" in said
        said = str(kind("begin " + "\n" * 10**6 + " end"))
        assert len(said) <= 1000 and said.startswith("begin") and said.endswith("end")
    assert str(InputError(InputError("a\\n"))) == "a\\n"  # what has been written out stays so
