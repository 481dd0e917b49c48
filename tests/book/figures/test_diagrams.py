"""A network's picture: every layer, every shape, every number of parameters."""

import numpy as np
import pytest

from cnnlib.book import figures
from cnnlib.learning.layers import Conv, Dense, Flatten, MaxPool, ReLU, Sigmoid, Softmax
from cnnlib.learning.losses import CrossEntropy
from cnnlib.learning.network import Network


def made(layers, shape):
    return Network(layers, CrossEntropy(), input_shape=shape, rng=np.random.default_rng(0))


def classical():
    return made(
        [Conv(5, 2, stride=2), ReLU(), MaxPool(2), Conv(3, 3, center=(1, 1)), Sigmoid(), Flatten(),
         Dense(10), Softmax()],
        (12, 16, 2),
    )  # fmt: skip


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_layer_and_shape_and_count_is_there():
    network = classical()
    found = words(figures.network(network))
    for name in network.layers:
        assert found.count(name) == 1
    shapes = [word for word in found if "×" in word or word.isdigit()]
    assert shapes == ["12×16×2", "6×8×5", "3×4×5", "3×4×3", "36", "10"]
    assert [word for word in found if "parameters" in word] == [
        f"{5 * 2 * 2 * 2 + 5} parameters",
        f"{3 * 3 * 3 * 5 + 3} parameters",
        f"{36 * 10 + 10} parameters",
    ]


def test_an_activation_shares_the_arrow_of_the_layer_before_it():
    figure = figures.network(classical())
    places = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    for first, second in (("conv1", "relu1"), ("conv2", "sigmoid1"), ("dense1", "softmax1")):
        assert places[first][0] == places[second][0] and places[first][1] < places[second][1]
    assert places["maxpool1"][0] > places["conv1"][0]


@pytest.mark.parametrize("maps", [1, 2, 4, 9])
def test_maps_are_sheets_of_their_shape(maps):
    figure = figures.network(made([Conv(maps, 3, center=(1, 1)), Flatten(), Dense(2)], (12, 16, 1)))
    sides = [
        (p.get_width(), p.get_height()) for p in figure.axes[0].patches if hasattr(p, "get_xy")
    ]
    sheets = [side for side in sides if side == pytest.approx(sides[0])]
    assert len(sheets) == 1 + min(maps, 4)
    assert sides[0][0] / sides[0][1] == pytest.approx(16 / 12)


def test_one_axis_and_an_activation_first():
    found = words(figures.network(made([ReLU(), Conv(3, 5), Flatten(), Dense(2)], (30, 2))))
    assert {"30×2", "26×3", "78", "relu1"} <= set(found)


def test_a_network_of_vectors():
    assert {"7", "3"} <= set(words(figures.network(made([Dense(3)], (7,)))))
