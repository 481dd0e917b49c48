"""Files of an earlier version still load: networks and trainings that commit 5bb943c saved."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from cnnlib.learning import (
    Adam,
    Conv,
    Dense,
    Flatten,
    MaxPool,
    Momentum,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    fit,
)

FOLDER = Path(__file__).with_name("saved_at_5bb943c")
# Outputs and losses that the code of that commit computed from these files.
COMPUTED = dict(np.load(FOLDER / "computed.npz"))


@pytest.mark.parametrize("name", ["images", "signals", "volumes"])
def test_a_network_loads_and_computes_the_same(name):
    """They have every layer, a centre, a flip, paddings, both types and three losses."""
    network = Network.load(FOLDER / f"{name}.npz")
    x = np.random.default_rng(7).standard_normal((3, *network.input_shape)).astype(network.dtype)
    y, tolerance = COMPUTED[name], 100 * np.finfo(network.dtype).eps
    np.testing.assert_allclose(network.forward(x), y, rtol=0, atol=tolerance * np.abs(y).max())


@pytest.mark.parametrize(
    ("name", "optimizer"), [("adam", Adam(0.01)), ("momentum", Momentum(0.05))]
)
def test_a_training_goes_on_where_it_was(name, optimizer, tmp_path):
    """Two epochs were trained then; with the third the losses are those of a whole training."""
    checkpoint = tmp_path / "training.npz"
    shutil.copy(FOLDER / f"training_{name}.npz", checkpoint)
    data = np.random.default_rng(12)
    x, t = data.standard_normal((20, 6, 6, 1)).astype("f4"), data.integers(0, 3, 20)
    rng = np.random.default_rng(99)  # anything: its state and the weights come from the file
    layers = [Conv(2, 3, padding="same"), ReLU(), MaxPool(2), Flatten(), Dense(3)]
    network = Network(layers, SoftmaxCrossEntropy(), input_shape=(6, 6, 1), rng=rng)
    history = fit(
        network,
        x,
        t,
        optimizer=optimizer,
        epochs=3,
        rng=rng,
        batch=8,
        validation=(x[:5], t[:5]),
        progress=False,
        checkpoint=checkpoint,
    )
    assert len(history.loss) == 9
    np.testing.assert_allclose(history.loss, COMPUTED[f"loss_{name}"], rtol=1e-5)
