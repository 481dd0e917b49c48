"""Dropout: its masks by hand and in the mean, training and evaluation, checkpoints and files."""

import copy

import numpy as np
import pytest

from cnnlib.errors import InputError
from cnnlib.learning import (
    Adam,
    Dense,
    Dropout,
    Network,
    Residual,
    SoftmaxCrossEntropy,
    Tanh,
    check_gradients,
    fit,
)


class Draws(np.random.Generator):
    """A Generator that draws these numbers."""

    def __init__(self, numbers):
        super().__init__(np.random.PCG64(0))
        self.numbers = np.array(numbers)

    def random(self, size):
        return self.numbers.reshape(size)


def test_by_hand():
    """Of the rate 3/4 a cell is kept where 3/4 or more is drawn, and counts four times."""
    layer = Dropout(0.75, Draws([0.0, 0.74, 0.75, 0.99]))
    x = np.array([[1.0, 2], [3, 4]])
    assert layer.forward(x, training=True).tolist() == [[0, 0], [12, 16]]
    assert layer.backward(np.array([[5.0, 6], [7, 8]])).tolist() == [[0, 0], [28, 32]]
    assert layer.forward(x).tolist() == x.tolist()
    assert layer.backward(x).tolist() == x.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_the_mean_nothing_changes(dtype):
    layer = Dropout(0.3, np.random.default_rng(0))
    x = np.full((100, 10, 10, 3), 2, dtype)
    a = layer.forward(x, training=True)
    assert a.dtype == layer.backward(a).dtype == dtype
    assert (a == 0).mean() == pytest.approx(0.3, abs=0.01) and a.mean() == pytest.approx(
        2, abs=0.02
    )
    assert np.unique(a).tolist() == [0, dtype(2) * dtype(1 / 0.7)]
    # Each cell of each channel for itself
    assert 0.25 < (a[..., 0] == 0)[a[..., 1] == 0].mean() < 0.35


def test_a_seed_gives_one_mask_in_every_type():
    masks = []
    for dtype in (np.float32, np.float64):
        layer = Dropout(0.5, np.random.default_rng(7))
        masks.append(layer.forward(np.ones((9, 9), dtype), training=True))
    assert np.array_equal(*masks)


def test_nothing_is_drawn_outside_a_training_and_with_rate_0_nothing_dropped():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    layer, x = Dropout(0.5, rng), np.ones((3, 4))
    layer.forward(x)
    assert rng.bit_generator.state == before
    assert Dropout(0, rng).forward(x, training=True).tolist() == x.tolist()


def network(*layers, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    how = dict(input_shape=(4,), rng=rng, dtype=dtype)
    return Network([Dense(5), Tanh(), *layers, Dense(3)], SoftmaxCrossEntropy(), **how)


def data(count=30):
    r = np.random.default_rng(1)
    return r.normal(size=(count, 4)), r.integers(0, 3, count)


def test_check_gradients_keeps_one_mask_and_puts_the_generator_back():
    rng = np.random.default_rng(0)
    made = network(Dropout(0.5, rng), Residual([Dropout(0.5, rng), Dense(5)]))
    before = rng.bit_generator.state
    errors = check_gradients(made, *data(6), rng=np.random.default_rng(0), training=True)
    assert max(errors.values()) < 1e-6 and len(errors) == 6
    assert rng.bit_generator.state == before
    made.layers["dropout1"].delta = lambda dz: dz  # the mask forgotten
    errors = check_gradients(made, *data(6), rng=np.random.default_rng(0), training=True)
    assert errors["dense1.w"] > 0.1


def run(made, **how):
    how = dict(epochs=4, batch=8, progress=False, optimizer=Adam(0.01)) | how
    return fit(made, *data(), rng=np.random.default_rng(3), **how)


def drops(seed=5):
    """In a layer and in one inside it, each with a Generator of its own."""
    one, two = (np.random.default_rng([seed, n]) for n in range(2))
    return network(Dropout(0.5, one), Residual([Dropout(0.5, two), Dense(5)]), seed=seed)


@pytest.mark.parametrize("stop", [1, 3, 8])
def test_a_training_that_is_interrupted_goes_on_with_the_same_masks(stop, tmp_path):
    expected = drops()
    history = run(expected)
    made, path, calls = drops(), tmp_path / "run.npz", []
    backward = made.backward

    def interrupt(y, t):
        calls.append(1)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return backward(y, t)

    made.backward = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(made, checkpoint=path)
    again = drops(seed=6)  # its first weights and its Generators are others: all is in the file
    assert run(again, checkpoint=path) == history
    assert all(np.array_equal(p, again.params[name]) for name, p in expected.params.items())


def test_what_shuffles_is_refused_with_a_checkpoint_inside_too(tmp_path):
    rng = np.random.default_rng(0)
    made = network(Residual([Dropout(0.5, rng), Dense(5)]))
    with pytest.raises(InputError, match=r"layer residual1\.dropout1 draws from rng, which shuffl"):
        fit(made, *data(), rng=rng, epochs=1, optimizer=Adam(), checkpoint=tmp_path / "run.npz")


def test_a_loaded_network_evaluates_and_says_what_training_lacks(tmp_path):
    made, (x, _) = drops(), data()
    made.save(tmp_path / "a.npz")
    again = Network.load(tmp_path / "a.npz")
    assert np.array_equal(again.forward(x), made.forward(x))
    with pytest.raises(
        InputError, match="training is True, and this Dropout has no Generator.*or set its rng"
    ):
        run(again)
    for layer in (again.layers["dropout1"], again.layers["residual1"].inner["dropout1"]):
        assert layer.rng is None
        layer.rng = np.random.default_rng(0)
    assert len(run(again).loss) == 16
    assert "Dropout(0.5)" in repr(made)
    assert made.layers["dropout1"].config() == {"rate": 0.5}  # no file has a word for a Generator


def test_a_copy_goes_its_own_way():
    made, (x, _) = drops(), data()
    other = copy.deepcopy(made)
    assert np.array_equal(made.forward(x, training=True), other.forward(x, training=True))
    other.params["dense1.w"][...] = 0
    assert made.params["dense1.w"].all()
    run(other)
    assert made.layers["dropout1"].rng is not other.layers["dropout1"].rng


@pytest.mark.parametrize("rate", [1, -0.1, "half", None, True])
def test_wrong_rates(rate):
    with pytest.raises(InputError, match=f"rate is {rate!r}; expected a number from 0 up to"):
        Dropout(rate)


def test_a_seed_is_no_generator():
    with pytest.raises(InputError, match="rng is 3; expected a Generator: rng=np.random"):
        Dropout(0.5, 3)


@pytest.mark.parametrize(
    ("rng", "here"),
    [(None, "{}"), (np.random.Generator(np.random.MT19937(0)), "{'dropout1.rng': 'MT19937'}")],
    ids=["none", "another"],
)
def test_a_checkpoint_of_a_layer_with_another_generator_is_not_called_damaged(rng, here, tmp_path):
    made = network(Dropout(0.5, np.random.default_rng(5)))
    run(made, checkpoint=tmp_path / "run.npz")
    with pytest.raises(InputError, match=f"'dropout1.rng': 'PCG64'.* there and {here} here"):
        run(network(Dropout(0.5, rng)), checkpoint=tmp_path / "run.npz")
