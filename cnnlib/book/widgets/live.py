"""The small training of the TrainingExplorer that its page makes live, and Python as well.

A page and `run` take the same steps on the same digits from the same random numbers; a test
compares them number for number.
"""

import base64
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlib.arrays import read_integer, read_number, read_word
from cnnlib.errors import InputError
from cnnlib.learning.layers import Conv, Dense, Flatten, MaxPool, ReLU
from cnnlib.learning.losses import SoftmaxCrossEntropy
from cnnlib.learning.network import Network
from cnnlib.learning.optimizers import SGD

from .recording import FOLDER, Recording, record
from .sealed import read_json, write_json

DIGITS = FOLDER / "digits.json"
LEARNED, PROBE = 300, 100  # digits to learn from, and others on which the frames are measured
LEVELS = 16  # of grey, from 0 to this
FILM = {"steps": 400, "frames": 50, "image": 3}
SETTINGS = ("rate", "batch", "init", "filters", "seed")  # the arguments of `run`
WIDEST = 10.0  # deviation of the first weights: with more, the numbers break at step 0


@lru_cache(1)
def shipped_digits() -> dict[str, Any]:
    """What the page gets: labels, grey levels as base64 of deflated bytes, and how to read them."""
    return read_json(DIGITS) | {"film": FILM}


def digits() -> tuple[NDArray, NDArray]:
    """All shipped digits (N, 8, 8, 1) from 0 to 1, and their labels; first those to learn from."""
    data = shipped_digits()
    levels = np.frombuffer(zlib.decompress(base64.b64decode(data["pixels"])), np.uint8)
    x = levels.reshape(-1, *data["shape"]) / float(data["levels"])
    return x, np.array([int(label) for label in data["labels"]])


def network(init: str | float, filters: int, rng: np.random.Generator) -> Network:
    """The network at step 0."""
    layers = [Conv(filters, 3, init=init), ReLU(), MaxPool(2), Flatten(), Dense(10, init=init)]
    loss = SoftmaxCrossEntropy()
    return Network(layers, loss, input_shape=(8, 8, 1), rng=rng, dtype=np.float64)


def read_init(name: str, value: Any) -> str | float:
    """Read 'he', 'glorot' or a deviation."""
    if isinstance(value, str):
        return read_word(name, value, ("he", "glorot"))
    wanted = f"'he', 'glorot' or a number from 0 to {WIDEST:g}"
    return read_number(name, value, wanted, lambda number: 0 <= number <= WIDEST)


def read_most(name: str, value: Any, least: int, most: int) -> int:
    """Read an integer from `least` to `most`."""
    number = read_integer(name, value, least)
    if number > most:
        raise InputError(f"{name} is {number}; expected at most {most}")
    return number


@lru_cache(8)
def run(rate: float, batch: int, init: str | float, filters: int, seed: int) -> Recording:
    """Train with these settings, and record it."""
    x, t = digits()
    rng = np.random.default_rng(seed)
    return record(
        network(init, filters, rng),
        x[:LEARNED],
        t[:LEARNED],
        optimizer=SGD(rate),
        steps=FILM["steps"],
        rng=rng,
        probe=(x[LEARNED:], t[LEARNED:]),
        title=f"rate {rate:g}, batch {batch}, {init}, seed {seed}",
        batch=batch,
        frames=FILM["frames"],
        filters=filters,
        image=FILM["image"],
    )


def main() -> None:
    """Cut the shipped digits from those of scikit-learn: `python -m cnnlib.book.widgets.live`."""
    from cnnlib.data import digits

    split = digits()
    x = np.concatenate([split.x_train[:LEARNED], split.x_test[:PROBE]])
    t = np.concatenate([split.t_train[:LEARNED], split.t_test[:PROBE]])
    levels = np.rint(LEVELS * x).astype(np.uint8)
    data = {
        "about": "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (UCI "
        "Machine Learning Repository), from scikit-learn",
        "shape": x.shape[1:],
        "levels": LEVELS,
        "learned": LEARNED,
        "labels": "".join(map(str, t)),
        "pixels": base64.b64encode(zlib.compress(levels.tobytes(), 9)).decode(),
    }
    write_json(DIGITS, data)


if __name__ == "__main__":
    main()
