"""What makes chapter 5's modern model read digits that it has never seen: trainings for Part 5D.

`python benchmarks/results.py --only generalising` writes `notebooks/results/generalising.json`: a
quarter of an hour of one core. Of the 4000 images of `mnist_5k` 800 are learned from and 800 others
choose; the 1000 held-out ones have no say and are looked at once. Everything from ten seeds.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnnlib.book.earlier.chapter_5 import classical, course, modern, shifted, small, upright
from cnnlib.data import digits, mnist_5k
from cnnlib.learning import SGD, Adam, Cosine, Network, ReLU, Sigmoid, evaluate, fit

RATE, BATCH, EPOCHS = 1e-3, 64, 40
STEPS = EPOCHS * 13  # 800 images in batches of 64
SETS = ("learned from", "choose", "never used")

# What a training has that the first one has not.
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "shifts of 2": {"change": shifted},
    "upright": {"first": upright},
    "cosine with warm-up": {"schedule": Cosine(RATE, STEPS, warm_up=STEPS // 20)},
    "decay in the loss, 0.001": {"decay": (1e-3, False)},
    "decoupled decay, 0.3": {"decay": (0.3, True)},
    "all four": {
        "first": upright,
        "change": shifted,
        "schedule": Cosine(RATE, STEPS, warm_up=STEPS // 20),
        "decay": (0.3, True),
    },
}


def sets(first: Callable[[np.ndarray], np.ndarray] | None = None) -> list[tuple]:
    """The three sets of Part 5D."""
    x, t, x_test, t_test = mnist_5k()
    if first is not None:
        x, x_test = first(x), first(x_test)
    return [(x[0::5], t[0::5]), (x[1::5], t[1::5]), (x_test, t_test)]


def trainings(seeds: Sequence[int]) -> dict[str, list]:
    """Loss and accuracy of each way and seed, after every fourth epoch, on each set."""
    found: dict[str, list] = {}
    for name, way in WAYS.items():
        decay, decoupled = way.get("decay", (0.0, False))
        three = sets(way.get("first"))
        found[name] = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            optimizer = Adam(RATE, weight_decay=decay, decoupled=decoupled)
            measured = course(
                modern(rng), three, optimizer, EPOCHS, rng, way.get("change"), way.get("schedule")
            )
            found[name].append(measured.round(4).tolist())
            print(name, seed, measured[-1].round(4).tolist(), flush=True)
    return found


def batches_and_rates(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Accuracy of the small network of Part 5B for batches with and without a rate of their own."""
    x, t, x_test, t_test = mnist_5k()
    found = []
    for batch in (8, 32, 128):
        for rate in (0.05 * batch / 32, 0.05) if batch != 32 else (0.05,):
            accuracy = []
            for seed in seeds:
                network = small(seed)
                settings = {"epochs": 6, "batch": batch, "rng": np.random.default_rng(seed)}
                fit(network, x[:1000], t[:1000], optimizer=SGD(rate), progress=False, **settings)
                accuracy.append(round(evaluate(network, x_test, t_test)[1], 4))
            found.append({"batch": batch, "rate": rate, "accuracy": accuracy})
            print(found[-1], flush=True)
    return found


def centres_and_flips(seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Section 5.16: the classical model for every centre, both flips and two strides."""
    easy, found = digits(), []
    for stride in (1, 2):
        for flips in ((False, False), (False, True), (True, False), (True, True)):
            for center in ((0, 0), (0, 1), (1, 0), (1, 1)):
                accuracy = []
                for seed in seeds:
                    rng = np.random.default_rng(seed)
                    network = classical(rng, flips, center, stride, side=8)
                    fit(
                        network, easy.x_train, easy.t_train, optimizer=Adam(1e-2), epochs=6,
                        batch=20, rng=rng, progress=False,
                    )  # fmt: skip
                    accuracy.append(round(evaluate(network, easy.x_test, easy.t_test)[1], 4))
                found.append(
                    {"stride": stride, "flips": flips, "center": center, "accuracy": accuracy}
                )
                print(found[-1], flush=True)
    return found


def exchanged(
    build: Callable[..., Network], rng: np.random.Generator, old: type, new: type
) -> Network:
    """A model with another activation, and first weights that suit it."""
    made, layers = build(np.random.default_rng(0)), []
    for layer in made.layers.values():
        config = layer.config()
        if "init" in config:
            config["init"] = "he" if new is ReLU else "glorot"
        layers.append(new() if isinstance(layer, old) else type(layer)(**config))
    return Network(layers, made.loss, input_shape=(28, 28, 1), rng=rng)


def one_change_at_a_time(seeds: Sequence[int]) -> dict[str, dict[str, list[float]]]:
    """Section 5.12: both models, and each with the other's activations; first losses, accuracy."""
    x, t, x_test, t_test = mnist_5k()
    found = {}
    for name, build in {
        "classical": classical,
        "classical, ReLU for its sigmoids": lambda rng: exchanged(classical, rng, Sigmoid, ReLU),
        "modern": modern,
        "modern, sigmoids for its ReLU": lambda rng: exchanged(modern, rng, ReLU, Sigmoid),
    }.items():
        early, accuracy = [], []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            network = build(rng)
            history = fit(
                network, x, t, optimizer=Adam(RATE), epochs=8, batch=BATCH, rng=rng, progress=False
            )
            early.append(round(float(np.mean(history.loss[50:100])), 3))
            accuracy.append(round(evaluate(network, x_test, t_test)[1], 4))
        found[name] = {"mean loss of steps 51 to 100": early, "accuracy": accuracy}
        print(name, found[name], flush=True)
    return found


def confusions(seeds: Sequence[int]) -> list[list[list[int]]]:
    """Section 5.15: how often the modern model reads label k as l, for each seed."""
    x, t, x_test, t_test = mnist_5k()
    found = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        network = modern(rng)
        fit(network, x, t, optimizer=Adam(RATE), epochs=8, batch=BATCH, rng=rng, progress=False)
        M = np.zeros((10, 10), int)
        np.add.at(M, (t_test, network.forward(x_test).argmax(axis=1)), 1)
        found.append(M.tolist())
        print(seed, M[~np.eye(10, dtype=bool)].sum(), flush=True)
    return found


def results(seeds: Sequence[int]) -> dict[str, Any]:
    """What the record says beside the data, the versions and the machine."""
    return {
        "network": modern(np.random.default_rng(0)).architecture(),
        "settings": {
            "optimizer": "Adam", "rate": RATE, "batch": BATCH, "epochs": EPOCHS, "sets": SETS,
            "seeds": [*seeds],
        },
        "loss and accuracy by way, seed, every fourth epoch and set": trainings(seeds),
        "batches and rates": batches_and_rates(seeds),
        "centres, flips and strides": centres_and_flips(seeds),
        "one change at a time": one_change_at_a_time(seeds),
        "label and what was read": confusions(seeds),
    }  # fmt: skip
