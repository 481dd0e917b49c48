"""Recordings: the format read by hand, runs taken again with cnnlib, and what is refused."""

import base64
import json
import zlib

import numpy as np
import pytest

pytest.importorskip("anywidget")

from traitlets import TraitError

from cnnlib.book.widgets import TrainingExplorer, runs
from cnnlib.book.widgets import recording as recordings
from cnnlib.book.widgets.recording import histogram, load, numbers, record, schedule, shipped
from cnnlib.data import mnist_5k
from cnnlib.errors import DivergenceError, InputError
from cnnlib.learning.layers import Conv, Dense, Flatten, MaxPool, Tanh
from cnnlib.learning.losses import HalfSquaredError, SoftmaxCrossEntropy
from cnnlib.learning.network import Network
from cnnlib.learning.optimizers import SGD, Momentum
from cnnlib.learning.training import batches, evaluate

each_shipped = pytest.mark.parametrize("name", runs.RUNS)


def draw_set(rng, count=30):
    """Images of unequal sides with two channels, and three classes."""
    return rng.random((count, 9, 7, 2)), rng.integers(0, 3, count)


def make(rng, *, loss=None, init="he", outputs=3):
    layers = [Conv(4, (3, 2), stride=(2, 1), init=init), Tanh(), MaxPool(2), Flatten()]
    layers += [Dense(5, init=init), Dense(outputs)]
    loss = loss or SoftmaxCrossEntropy()
    return Network(layers, loss, input_shape=(9, 7, 2), rng=rng, dtype=np.float64)


def take(seed=0, network=None, **options):
    """Record a small run."""
    rng = np.random.default_rng(seed)
    x, t = draw_set(rng)
    probe = draw_set(rng, 8)
    given = dict(steps=7, frames=50, batch=8, filters=3, image=5, title="small") | options
    given = dict(optimizer=Momentum(0.3), probe=probe) | given
    return record(network or make(rng), x, t, rng=rng, **given)


@pytest.fixture(scope="module")
def small():
    return take()


def test_a_recording_read_by_hand():
    """Two frames of one array of two numbers, packed with pencil and paper."""
    # Limits 63 and 126: numbers 63, -1 and 0, 126 are q = 127, 63 and 64, 127; then differences.
    packed = bytes([127, 256 + 64 - 127, 63, 127 - 63])
    film = {
        "arrays": [
            {"name": "before", "shape": [1, 3], "limits": [1]},
            {"name": "w", "shape": [2, 2, 1], "limits": [63, 126]},
        ],
        "bytes": base64.b64encode(zlib.compress(bytes([64, 1, 127]) + packed)).decode(),
    }
    assert numbers(film, "w").tolist() == [[[63], [-1]], [[0], [126]]]
    assert numbers(film, "before").tolist() == [[0, -1, 1]]
    with pytest.raises(InputError, match="'v'; this recording has before, w"):
        numbers(film, "v")


def close(film, name, frame, expected):
    """Within the rounding of the format, which is also shown to be no coarser than it says."""
    limits = next(array["limits"] for array in film["arrays"] if array["name"] == name)
    limit = limits[frame if len(limits) > 1 else 0]
    got = numbers(film, name)[frame]
    assert got.shape == expected.shape
    assert np.abs(expected).max() <= limit * (1 + 1e-12)
    np.testing.assert_allclose(got, expected, rtol=0, atol=limit / 126 * (1 + 1e-9))


def loss_behind(network, z, t):
    """The loss, given what the first layer passes on."""
    for layer in list(network.layers.values())[1:]:
        z = layer.forward(z)
    return network.loss.value(z, t)


def test_frames_are_what_the_network_was_at_their_steps(small):
    """Another loop over the same batches, measured by `evaluate` and by central differences."""
    rng = np.random.default_rng(0)
    x, t = draw_set(rng)
    x_probe, t_probe = draw_set(rng, 8)
    network, optimizer = make(rng), Momentum(0.3)
    conv, tanh, _, _, _, last = network.layers.values()
    sizes = {layer["name"]: layer for layer in small["layers"]}
    assert list(sizes) == ["conv1", "dense1", "dense2"]
    assert small["step"] == list(range(8)) and small["label"] == t_probe[5]
    np.testing.assert_allclose(numbers(small, "image")[0], x_probe[5], rtol=0, atol=1 / 126)
    order = (index for _ in range(2) for index in batches(30, 8, rng))
    for step in range(8):
        loss, accuracy = evaluate(network, x_probe, t_probe)
        assert small["loss"][step] == pytest.approx(loss, rel=1e-5)
        assert small["accuracy"][step] == pytest.approx(accuracy, rel=1e-5)
        _, grads = network.gradients(x_probe, t_probe)
        activations = {"conv1": tanh.a, "dense1": last.x, "dense2": last.forward(last.x)}
        for name, a in activations.items():
            for part, values in {"activations": a, "gradients": grads[f"{name}.w"]}.items():
                size = np.sqrt((values**2).mean())
                assert sizes[name][part][step] == pytest.approx(size, rel=5e-3)
                close(small, f"{name}.{part}", step, histogram(values))
        one, label = x_probe[5:6], t_probe[5:6]
        assert small["read"][step] == network.forward(one).argmax()
        close(small, "conv1.w", step, conv.params["w"][:3, ..., :3])
        close(small, "conv1.a", step, tanh.a[0, ..., :3])
        z = conv.forward(one)
        dz = np.empty(z.shape[1:])
        for place in np.ndindex(dz.shape):
            moved = np.zeros_like(z)
            moved[(0, *place)] = 1e-5
            more, less = (loss_behind(network, z + s * moved, label) for s in (1, -1))
            dz[place] = (more - less) / 2e-5
        np.testing.assert_allclose(
            numbers(small, "conv1.dz")[step], dz[..., :3], rtol=0, atol=np.abs(dz).max() / 110
        )
        index = next(order)
        _, grads = network.gradients(x[index], t[index])
        optimizer.step(network.params, grads)


def test_a_recording_is_json_and_says_what_it_is(small):
    assert json.loads(json.dumps(small, allow_nan=False)) == small
    assert small["format"] == recordings.FORMAT and small["title"] == "small"
    assert small["broken"] is None
    shapes = {array["name"]: array["shape"] for array in small["arrays"]}
    assert shapes["image"] == [1, 9, 7, 2]
    assert shapes["conv1.w"] == [8, 3, 3, 2, 2]  # three of four filters, both channels
    assert shapes["conv1.a"] == shapes["conv1.dz"] == [8, 4, 6, 3]
    assert shapes["dense2.gradients"] == [8, 25]
    for array in small["arrays"]:  # a limit for each frame of what changes its size, else one
        assert len(array["limits"]) == (
            8 if array["name"].startswith("conv1.") and len(array["shape"]) > 2 else 1
        )
    shapes = {array["name"]: array["shape"] for array in take(filters=1)["arrays"]}
    assert shapes["conv1.w"] == [8, 1, 3, 2, 1] and shapes["conv1.dz"] == [8, 4, 6, 1]


def test_the_same_run_gives_the_same_recording(small):
    assert take() == small
    assert take(seed=1) != small


def test_all_zero_stays_exactly_zero():
    film = take(network=make(np.random.default_rng(0), init=0.0))
    assert not numbers(film, "conv1.w").any() and not numbers(film, "conv1.dz").any()
    assert film["loss"][0] == pytest.approx(np.log(3), rel=1e-5)
    assert numbers(film, "conv1.gradients")[:, 0].tolist() == [1] * 8


def test_tiny_numbers_keep_their_digits():
    q, limits = recordings._quantise(np.array([[[3e-290, -6e-290]], [[1e-320, 0]]]))
    assert limits == [6e-290, 0.0]
    assert q.tolist() == [[[64 + 32, 1]], [[64, 64]]]


@pytest.mark.parametrize(
    ("value", "limit"),
    [(0, 0), (1, 1), (0.13, 0.13), (0.131, 0.14), (99.1, 100), (1000, 1000), (1001, 1100)],
)
def test_a_limit_has_two_digits_and_is_not_below(value, limit):
    assert recordings._round_up(value) == pytest.approx(limit, rel=1e-12)


def test_a_run_that_breaks_is_recorded_until_then():
    film = take(optimizer=SGD(1e200), steps=40, frames=20)
    assert (
        film["broken"] in schedule(40, 20)
        and film["step"] == schedule(40, 20)[: film["step"][-1] + 1]
    )
    assert film["step"][-1] < film["broken"]
    assert np.isfinite(film["loss"]).all()
    json.dumps(film, allow_nan=False)
    broken = make(np.random.default_rng(0))
    broken.params["conv1.w"][:] = np.nan
    with pytest.raises(DivergenceError, match="step 0"):
        take(network=broken)


def test_a_schedule_begins_with_every_step_and_ends_with_the_last():
    steps = schedule(1250, 60)
    assert 40 <= len(steps) <= 60
    assert steps[:8] == list(range(8)) and steps[-1] == 1250
    gaps = np.diff(steps)
    assert (gaps[8:] >= 0.9 * gaps[7:-1] - 1).all()  # they grow, but for rounding
    assert schedule(3, 60) == [0, 1, 2, 3]


def test_a_histogram_counts_every_value_once():
    values = np.array([0, 5e-9, 1e-8, 3e-8, -3.2e-8, 0.5, 1, -3, 3.2, 3000, 4000, 1e30])
    expected = np.zeros(25)
    for value in values:  # bin m begins at 10**((m - 17) / 2)
        begins = [m for m in range(1, 25) if abs(value) >= 10.0 ** ((m - 17) / 2)]
        expected[max(begins, default=0)] += 1 / 12
    np.testing.assert_allclose(histogram(values), expected, rtol=1e-12)
    assert histogram(values).sum() == pytest.approx(1)


def test_what_cannot_be_recorded_is_refused():
    rng = np.random.default_rng(0)
    flat = Network([Dense(3)], SoftmaxCrossEntropy(), input_shape=(4,), rng=rng)
    x, t = draw_set(rng)
    with pytest.raises(InputError, match="images .* and a Conv"):
        record(flat, x, t, optimizer=SGD(1), steps=1, rng=rng, probe=(x, t), title="")
    with pytest.raises(InputError, match="labels"):
        take(network=make(rng, loss=HalfSquaredError()), probe=(x, np.eye(3)[t]))
    with pytest.raises(InputError, match="one output for each class"):
        take(network=make(rng, outputs=1))
    with pytest.raises(InputError, match="samples"):
        take(probe=(x, t[:-1]))
    with pytest.raises(InputError, match="image is 8"):
        take(image=8)
    with pytest.raises(InputError, match="steps"):
        take(steps=0)
    with pytest.raises(InputError, match=r"'best'; expected 'adam', 'large'"):
        load("best")


# ---- What the book ships


def test_the_shipped_ones_are_the_runs_and_small():
    assert shipped() == sorted(runs.RUNS)
    files = [recordings.FOLDER / f"{name}.recording.json" for name in runs.RUNS]
    assert sum(file.stat().st_size for file in files) < 150_000
    sizes = sorted(len(load(name)["bytes"]) for name in runs.RUNS)
    assert sum(sizes[-2:]) < 90_000


@each_shipped
def test_a_shipped_recording_is_a_run_of_cnnlib(name):
    """The first steps taken again: the numbers are those of a network that learns MNIST."""
    film, again = load(name), runs.run(name, steps=3)
    assert 40 <= len(film["step"]) <= 60
    count = len(again["step"])
    assert count == 4
    for key in ("step", "read"):
        assert film[key][:count] == again[key][:count]
    for key in ("loss", "accuracy"):
        np.testing.assert_allclose(film[key][:count], again[key][:count], rtol=1e-5)
    for array in film["arrays"]:
        limits = np.resize(array["limits"], array["shape"][0])[:count]
        a, b = (numbers(each, array["name"])[:count] for each in (film, again))
        off = np.abs(a - b[: len(a)]).reshape(len(a), -1).max(axis=1)
        assert (off <= limits[: len(a)] / 60).all(), array["name"]


def test_the_shipped_images_are_mnist():
    _, _, x_test, t_test = mnist_5k()
    for name in runs.RUNS:
        film = load(name)
        np.testing.assert_allclose(numbers(film, "image")[0], x_test[3], rtol=0, atol=1 / 126)
        assert film["label"] == t_test[3]


def test_what_the_shipped_recordings_teach():
    """The story that the book tells about them."""
    films = {name: load(name) for name in runs.RUNS}
    last = {name: film["accuracy"][-1] for name, film in films.items()}
    assert last["adam"] > 0.93 > last["sgd"] > 0.88
    assert films["large"]["loss"][0] > 100 and last["large"] < 0.15
    assert set(films["zero"]["accuracy"]) == {0.1}
    slow = films["sigmoid"]
    assert max(slow["accuracy"][: slow["step"].index(111)]) < 0.2 < last["sigmoid"]
    start = {layer["name"]: layer["gradients"][0] for layer in slow["layers"]}
    assert start["conv1"] < start["dense2"] / 20  # the deltas vanish on their way back


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: schedule(-5, 5), "steps is -5"),
        (lambda: schedule(5, -5), "frames is -5"),
        (lambda: schedule("5", 5), "steps is '5'"),
        (lambda: schedule(100, 2.5), "frames is 2.5"),
        (lambda: histogram([]), "values has none; expected one number at least"),
        (lambda: histogram("a"), "values is 'a'"),
        (lambda: histogram(None), "values is None"),
        (lambda: histogram([[1], [1, 2]]), "values"),
    ],
)
def test_what_is_no_schedule_and_no_histogram_is_refused(call, why):
    with pytest.raises(InputError, match=why):
        call()


def test_dollars_in_a_title_are_dollars(small):
    """Matplotlib would read a formula between two, or stumble over it."""
    film = {**small, "title": r"5$ and $\frac{ 6$"}
    figure = TrainingExplorer(recordings=[film]).draw()
    figure.canvas.draw()
    assert any(r"5\$ and \$" in axes.get_title() for axes in figure.axes)


def test_half_a_letter_is_no_title(small):
    with pytest.raises(TraitError, match="title is .*; expected letters that UTF-8 has"):
        TrainingExplorer(recordings=[{**small, "title": "\ud800"}])
