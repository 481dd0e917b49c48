"""The NetworkExplorer in Python: its state, its numbers, and the weights and digits that ship."""

import io
import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("anywidget")

from traitlets import TraitError

from cnnlib.book.figures import png
from cnnlib.book.widgets import NetworkExplorer
from cnnlib.book.widgets.network import (
    SHIPPED,
    read_image,
    read_network,
    write_image,
    write_network,
)
from cnnlib.data import mnist, mnist_5k
from cnnlib.errors import InputError
from cnnlib.learning.layers import Conv, Dense, Flatten, MaxPool, ReLU, Sigmoid, Softmax, Tanh
from cnnlib.learning.losses import CrossEntropy
from cnnlib.learning.network import Network
from cnnlib.learning.receptive import receptive_field
from cnnlib.learning.training import evaluate

R = np.random.default_rng(7)
NOISE = R.integers(0, 64, (28, 28, 1)) / 63  # every grey level
STATES = {
    "a seven": {},
    "a misread digit": dict(digit=5),
    "another target": dict(digit=0, target=4),
    "noise": dict(drawing=write_image(NOISE), target=2),
    "nothing": dict(drawing="A"),
}
each_state = pytest.mark.parametrize("state", STATES.values(), ids=STATES)


def classical(rng):
    """The network of the book, as chapter 5 builds it."""
    layers = [
        Conv(5, 2, stride=2, center=(0, 0)), ReLU(), MaxPool(2),
        Conv(20, 3, center=(1, 1), init="glorot"), Sigmoid(),
        Flatten(), Dense(60, init="glorot"), Sigmoid(), Dense(10, init="glorot"), Softmax(),
    ]  # fmt: skip
    return Network(layers, CrossEntropy(), input_shape=(28, 28, 1), rng=rng)


# ---- What ships


def test_the_shipped_network_is_the_classical_one():
    shipped = read_network()
    ours = classical(np.random.default_rng(0))
    assert shipped.summary() == ours.summary()
    kept = [{**dict(given), "init": None} for _, given in shipped.architecture()["parts"]]
    expected = [{**dict(given), "init": None} for _, given in ours.architecture()["parts"]]
    assert kept == expected
    assert type(shipped.loss) is CrossEntropy
    assert all(w.dtype == np.float32 for w in shipped.params.values())


def test_the_shipped_data_are_small():
    assert SHIPPED.stat().st_size < 72_000
    assert sum(len(digit["pixels"]) for digit in NetworkExplorer().data["digits"]) < 5_000


def test_the_shipped_network_reads_digits():
    """Of MNIST's training images here; the measured accuracy on the test images is in the file."""
    _, accuracy = evaluate(read_network(), *mnist_5k()[2:])
    assert accuracy > 0.96
    assert NetworkExplorer().data["test"]["accuracy"] > 0.96


def test_the_file_says_what_the_network_does_on_the_test_set(mnist_folder):
    *_, x, t = mnist(mnist_folder)
    data, network = NetworkExplorer().data, read_network()
    loss, accuracy = evaluate(network, x, t)
    assert data["test"]["images"] == len(x) == 10_000
    assert abs(data["test"]["accuracy"] - accuracy) < 2e-4  # rounding may turn a digit over
    assert abs(data["test"]["loss"] - loss) < 2e-4
    for digit in data["digits"]:
        assert digit["label"] == t[digit["number"]]
        assert abs(read_image(digit["pixels"]) - x[digit["number"]]).max() <= 0.5 / 63 + 1e-7


def test_of_each_class_one_shipped_digit_is_read_right_and_one_wrong():
    data, network = NetworkExplorer().data, read_network()
    assert [digit["label"] for digit in data["digits"]] == [k for k in range(10) for _ in range(2)]
    for n, digit in enumerate(data["digits"]):
        y = network.forward(read_image(digit["pixels"])[None])
        assert y.argmax() == digit["read"]
        assert (digit["read"] == digit["label"]) == (n % 2 == 0)


def test_the_fields_are_those_of_the_library():
    fields = NetworkExplorer().data["fields"]
    right = receptive_field(classical(np.random.default_rng(0)))
    assert list(fields) == list(right)
    for name, field in right.items():
        of = {"size": field.size, "jump": field.jump, "start": field.start}
        assert {part: tuple(fields[name][part]) for part in of} == of
    # conv1 reads 2 at stride 2, the pool 2 of these, conv2 3 of those: 4 + 4*2 cells, 4 apart.
    assert fields["conv2"] == {"size": [12, 12], "jump": [4, 4], "start": [-4, -4]}
    explorer = NetworkExplorer(lens="field", cell=["conv2", 0, 3, 1])
    assert explorer.alt.endswith("It may see rows -4 to 7 and columns 8 to 19 of the image.")
    assert NetworkExplorer(lens="field", cell=["image", 3, 9, 0]).alt.endswith(
        "rows 3 to 3 and columns 9 to 9 of the image."
    )
    assert NetworkExplorer(lens="field", cell=["dense1", 7]).alt.endswith(
        "rows -4 to 31 and columns -4 to 31 of the image."
    )
    pictures = [png(NetworkExplorer(lens=lens).draw()) for lens in ("forward", "field")]
    assert pictures[0] != pictures[1]


# ---- Writing and reading


@pytest.fixture(scope="module")
def judged():
    """A network whose weights are no levels, 300 images, and labels: each seventh is wrong."""
    network, split = read_network(), mnist_5k()
    for p in network.params.values():
        p += R.normal(0, 0.02, p.shape).astype(np.float32)
    x = split.x_test[:300]
    t = network.forward(x).argmax(axis=1)
    t[::7] = (t[::7] + 1) % 10
    return network, x, t


def test_weights_come_back_within_half_a_level(judged, tmp_path):
    network, x, t = judged
    path = tmp_path / "made.json"
    write_network(network, x, t, "for a test", path)
    again = read_network(path)
    for name, w in network.params.items():
        levels = 31 if name == "dense1.w" else 2047  # on each side of 0
        assert abs(again.params[name] - w).max() <= 0.501 * abs(w).max() / levels, name
        assert len(np.unique(again.params[name])) <= 2 * levels + 1
    data = json.loads(path.read_text())
    loss, accuracy = evaluate(again, x, t)
    measured = {"images": 300, "accuracy": round(accuracy, 4), "loss": round(loss, 4)}
    assert data["about"] == "for a test" and data["test"] == measured
    assert accuracy < 0.9  # the wrong labels count
    for k, (right, wrong) in enumerate(zip(*[iter(data["digits"])] * 2, strict=True)):
        read = again.forward(x).argmax(axis=1)
        assert right["number"] == np.flatnonzero((t == k) & (read == k))[0]
        assert wrong["number"] == np.flatnonzero((t == k) & (read != k))[0]
    write_network(again, x, t, "a second time", path)
    for name, w in read_network(path).params.items():  # a level stays where it is
        assert np.allclose(w, again.params[name], rtol=1e-6, atol=0), name


def test_a_layer_that_the_explorer_does_not_know_is_refused(judged, tmp_path):
    class Own(ReLU):
        pass

    _, x, t = judged
    rng = np.random.default_rng(0)
    for layer, name in ((Own(), "own1"), (Tanh(), "tanh1")):
        layers = [Flatten(), layer, Dense(10), Softmax()]
        network = Network(layers, CrossEntropy(), input_shape=(28, 28, 1), rng=rng)
        with pytest.raises(InputError, match=rf"layer {name} is .*; the explorer draws only Conv"):
            write_network(network, x, t, "", tmp_path / "refused.json")
    assert list(tmp_path.iterdir()) == []


def test_a_set_without_a_misread_digit_is_refused(judged, tmp_path):
    network, x, _ = judged
    write_network(*judged, "for a test", tmp_path / "made.json")
    t = read_network(tmp_path / "made.json").forward(x).argmax(axis=1)
    with pytest.raises(InputError, match="no 0 that the network reads wrong; use a larger"):
        write_network(network, x, t, "never wrong", tmp_path / "refused.json")
    assert not (tmp_path / "refused.json").exists()


@pytest.mark.parametrize(
    ("name", "x"),
    {
        "noise": NOISE,
        "black": np.zeros((28, 28, 1)),
        "white": np.ones((28, 28, 1)),
        "one pixel at the end": np.eye(1, 784, 783).reshape(28, 28, 1),
        "one pixel at the beginning": np.eye(1, 784).reshape(28, 28, 1),
        "runs of 0 to 70 black pixels": np.concatenate(
            [np.eye(1, n + 1, n)[0] for n in range(34)] + [np.zeros(70), np.ones(119)]
        ).reshape(28, 28, 1),
    }.items(),
)
def test_an_image_comes_back(name, x):
    text = write_image(x)
    assert np.allclose(read_image(text), x, rtol=0, atol=1e-7), name
    assert text and all(letter.isalnum() or letter in "-_." for letter in text)


def test_grey_values_are_rounded_to_64_levels():
    x = R.random((28, 28, 1))
    assert abs(read_image(write_image(x)) - x).max() <= 0.5 / 63 + 1e-7


@pytest.mark.parametrize("x", [np.zeros((28, 28)), np.full((28, 28, 1), 1.5), -NOISE])
def test_what_is_no_image_is_not_written(x):
    with pytest.raises(InputError, match=r"expected an image of shape \(28, 28, 1\) from 0 to 1"):
        write_image(x)


# ---- The state

REFUSED = [
    ("lens", "sideways", "forward"),
    ("digit", 20, "expected one of 0, 1, 2"),
    ("digit", -1, "expected one of 0, 1, 2"),
    ("target", 10, "expected one of None, 0, 1"),
    ("target", "7", "expected one of None, 0, 1"),
    ("drawing", "%", "as write_image gives it"),
    ("drawing", ".", "as write_image gives it"),
    ("drawing", 785 * "B", "as write_image gives it"),
    ("cell", [], "the name of a map and an index"),
    ("cell", ["conv3", 0, 0, 0], "the name of a map and an index"),
    ("cell", ["conv1", 0, 0], r"'conv1': \(14, 14, 5\)"),
    ("cell", ["conv1", 0, 0, 5], r"'conv1': \(14, 14, 5\)"),
    ("cell", ["dense1", 60], r"'dense1': \(60,\)"),
    ("cell", ["dense1", -1], r"'dense1': \(60,\)"),
    ("cell", ["dense1", 1.5], r"'dense1': \(60,\)"),
]


@pytest.mark.parametrize(("name", "value", "reason"), REFUSED)
def test_what_cannot_be_is_refused_with_the_reason(name, value, reason):
    explorer = NetworkExplorer()
    before = explorer.state()
    with pytest.raises(TraitError, match=reason):
        setattr(explorer, name, value)
    assert explorer.state() == before
    with pytest.raises(TraitError, match=reason):
        NetworkExplorer(**{name: value})


def test_the_integers_of_numpy_are_taken():
    explorer = NetworkExplorer(cell=["conv1", *np.array([3, 2, 1])], target=np.int64(4))
    assert json.dumps(explorer.state()["cell"]) == '["conv1", 3, 2, 1]'
    assert json.dumps(explorer.state()["target"]) == "4"


def test_python_observes_the_state():
    explorer, seen = NetworkExplorer(), []
    explorer.observe(lambda change: seen.append((change.name, change.new)))
    explorer.cell = ["dense1", 59]
    explorer.target = 3
    explorer.lens = "backward"
    assert seen == [("cell", ["dense1", 59]), ("target", 3), ("lens", "backward")]


def test_a_notebook_stores_little_and_the_page_gets_all():
    explorer = NetworkExplorer(digit=3, cell=["image", 1, 2, 0])
    assert len(json.dumps(explorer.payload())) < 200
    assert set(explorer.payload()["traits"]) == {"lens", "digit", "drawing", "target", "cell"}
    data = json.loads(SHIPPED.read_text())
    assert data.pop("sha256")
    assert explorer.state()["data"] == data | {"fields": explorer.data["fields"]}
    assert explorer.address() == "cell=image,1,2,0&digit=3"


# ---- The numbers


@each_state
def test_the_forward_pass_is_the_networks(state):
    explorer = NetworkExplorer(**state)
    maps, _, loss, target = explorer.passes(np.float64)
    network = read_network(dtype=np.float64)
    x = explorer.image[None].astype(np.float64)
    y = network.forward(x)
    assert list(maps) == ["image", *network.layers]
    assert (maps["image"] == x).all() and (maps["softmax1"] == y).all()
    assert np.isclose(loss, -np.log(y[0, target]))


def test_a_target_is_the_label_or_what_is_read_in_a_drawing():
    assert NetworkExplorer(digit=5).passes()[3] == 2  # misread
    assert NetworkExplorer(digit=5, target=9).passes()[3] == 9
    seven = NetworkExplorer(drawing=NetworkExplorer().data["digits"][14]["pixels"], digit=0)
    assert seven.passes()[3] == 7


@pytest.mark.parametrize("target", [2, 7, None])
@pytest.mark.parametrize("lit", [0, 0.6], ids=["noise", "a digit in noise"])
def test_the_deltas_are_the_slopes_of_the_loss(target, lit):
    """Move a cell of any map a little up and down, and go on from there.

    In noise all slopes exist, but for one place: where several zeros of a ReLU share a window, one
    that grows wins it, and one that shrinks loses nothing. There the delta is one of two slopes.
    """
    x = lit * NetworkExplorer(digit=14).image + (1 - lit) * NOISE
    explorer = NetworkExplorer(drawing=write_image(x), target=target)
    maps, deltas, loss, target = explorer.passes(np.float64)
    network = read_network(dtype=np.float64)
    names = list(maps)
    for n, name in enumerate(names):
        limit = 1e-4 * abs(deltas[name]).max() + 1e-8
        for flat in R.integers(0, maps[name].size, 12):
            slopes = []
            for step in (-1e-6, 1e-6):
                z = maps[name].copy()
                z.flat[flat] += step
                for later in names[n + 1 :]:
                    z = network.layers[later].forward(z)
                slopes.append((-np.log(z[0, target]) - loss) / step)
            delta = deltas[name].flat[flat]
            assert min(slopes) - limit <= delta <= max(slopes) + limit, (name, flat)
            if name not in ("relu1", "softmax1"):  # -log is steep and curved where y is tiny
                assert abs(slopes[1] - slopes[0]) <= 10 * limit, (name, flat)


# ---- What a reader without a browser gets


@pytest.mark.parametrize("lens", ["forward", "backward"])
@pytest.mark.parametrize("state", [STATES["a seven"], STATES["noise"]], ids=["seven", "noise"])
def test_the_still_is_small_and_its_words_are_right(state, lens):
    explorer = NetworkExplorer(**state, lens=lens, cell=["conv2", 3, 4, 6])
    maps, deltas, loss, target = explorer.passes()
    y = maps["softmax1"][0]
    still = png(explorer.draw())
    assert len(still) < 30_000
    assert Image.open(io.BytesIO(still)).width > 600
    value = (maps if lens == "forward" else deltas)["conv2"][0, 3, 4, 6]
    for words in (
        f"as {y.argmax()} with probability {y.max():.2f}",
        f"class {target} is {loss:.2g}.",
        f"Cell (3, 4, 6) of conv2 {'is' if lens == 'forward' else 'owes'} {value:.3g}.",
    ):
        assert words in explorer.alt
    assert repr(explorer) == f"NetworkExplorer: {explorer.alt}"
