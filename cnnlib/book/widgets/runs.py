"""The trainings that are recorded for the TrainingExplorer: `python -m cnnlib.book.widgets.runs`.

One network on the 5000 images of MNIST, five times; each differs from the first in one choice.
"""

import numpy as np

from cnnlib.data import mnist_5k
from cnnlib.learning.layers import Conv, Dense, Flatten, Layer, ReLU, Sigmoid
from cnnlib.learning.losses import SoftmaxCrossEntropy
from cnnlib.learning.network import Network
from cnnlib.learning.optimizers import SGD, Adam

from .recording import FOLDER, Recording, record
from .sealed import write_json

# name: title, nonlinearity, deviation of the first weights, optimizer, learning rate
RUNS: dict[str, tuple[str, type[Layer], str | float, type[Adam] | type[SGD], float]] = {
    "adam": ("He, Adam", ReLU, "he", Adam, 2e-3),
    "sgd": ("He, SGD", ReLU, "he", SGD, 2e-2),
    "large": ("weights too large", ReLU, 1.0, Adam, 2e-3),
    "zero": ("weights zero", ReLU, 0.0, Adam, 2e-3),
    "sigmoid": ("sigmoids", Sigmoid, "glorot", Adam, 2e-3),
}


def run(name: str, steps: int = 1250) -> Recording:
    """Train and record one of `RUNS`."""
    title, nonlinearity, init, optimizer, lr = RUNS[name]
    rng = np.random.default_rng(0)
    layers = [Conv(4, 5, stride=2, init=init), nonlinearity()]
    layers += [Conv(6, 3, stride=2, init=init), nonlinearity(), Flatten()]
    layers += [Dense(32, init=init), nonlinearity(), Dense(10, init=init)]
    loss = SoftmaxCrossEntropy()
    network = Network(layers, loss, input_shape=(28, 28, 1), rng=rng, dtype=np.float64)
    x, t, x_test, t_test = mnist_5k()
    return record(
        network,
        x,
        t,
        optimizer=optimizer(lr),
        steps=steps,
        rng=rng,
        probe=(x_test, t_test),
        title=title,
        about=f"{nonlinearity.__name__}, init={init!r}, {optimizer.__name__}({lr}).",
        image=3,
    )


def main() -> None:
    """Make all shipped recordings again."""
    for name in RUNS:
        write_json(FOLDER / f"{name}.recording.json", run(name))


if __name__ == "__main__":
    main()
