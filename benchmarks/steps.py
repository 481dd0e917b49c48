"""One training step of chapter 6's network: `notebooks/results/steps.json`, in two minutes.

    python benchmarks/steps.py

TensorFlow asks once, when it is imported, whether it may use oneDNN's kernels, as it does where
nobody forbids it. So each rival has a process of its own, in which cnnlib takes turns with it, and
of which nothing but these two knows. Several processes show what a process alone does not tell:
memory lies elsewhere in each.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parents[1] / "notebooks" / "results"
PROCESSES, ROUNDS, RATE, BATCH = 5, 30, 0.1, 64
ALONE = {  # one thread each, no graphics card; said before the libraries are loaded
    "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1",
}  # fmt: skip
RIVALS = {  # by name: the function below, and what its process is told besides
    "PyTorch": ("torch", {}),
    "TensorFlow": ("tensorflow", {}),
    "TensorFlow without oneDNN": ("tensorflow", {"TF_ENABLE_ONEDNN_OPTS": "0"}),
}


def torch_step(network, x, t) -> tuple[str, Callable]:
    """PyTorch's version, and the step as one writes it first."""
    import numpy as np
    import torch

    from cnnlib.interop import to_torch

    torch.set_num_threads(1)
    module = to_torch(network)
    optimizer = torch.optim.SGD(module.parameters(), RATE)
    x, t = torch.from_numpy(np.moveaxis(x, -1, 1).copy()), torch.from_numpy(t)

    def step() -> float:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(x), t)
        loss.backward()
        optimizer.step()
        return loss.item()

    return torch.__version__, step


def tensorflow_step(network, x, t) -> tuple[str, Callable]:
    """TensorFlow's version, and the step as a function that it has translated."""
    import keras
    import tensorflow as tf

    from cnnlib.interop import to_keras

    model, optimizer = to_keras(network), keras.optimizers.SGD(RATE)
    x, t = tf.constant(x), tf.constant(t)

    @tf.function
    def translated():
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(t, model(x))
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, model.trainable_weights), model.trainable_weights)
        return loss

    return tf.__version__, lambda: float(translated())


def beside(library: str) -> dict[str, Any]:
    """Rounds of cnnlib and one rival in this process; both begin with the same losses."""
    import measure
    import numpy as np

    from cnnlib.book.earlier.chapter_5 import modern
    from cnnlib.data import mnist_5k
    from cnnlib.learning import SGD

    network, optimizer = modern(np.random.default_rng(0)), SGD(RATE)
    x, t, *_ = mnist_5k()
    x, t = x[:BATCH], t[:BATCH]
    version, theirs = {"torch": torch_step, "tensorflow": tensorflow_step}[library](network, x, t)

    def ours() -> float:
        loss, grads = network.gradients(x, t)
        optimizer.step(network.params, grads)
        return loss

    for _ in range(3):
        measure.agree(library, ours(), theirs(), 1e-4)
    times = measure.rounds({"cnnlib": ours, "rival": theirs}, ROUNDS)
    machine = measure.machine(measure.import_torch() if library == "torch" else None)
    if library == "tensorflow":
        machine = machine | {"TensorFlow": version}
        del machine["PyTorch"]
    return {"machine": machine, "load": measure.load(), "times": times}


def alone(name: str) -> dict[str, Any]:
    """What `beside` says in a new process, which inherits no answer about oneDNN."""
    library, told = RIVALS[name]
    inherited = {key: word for key, word in os.environ.items() if key != "TF_ENABLE_ONEDNN_OPTS"}
    done = subprocess.run(
        [sys.executable, __file__, library],
        env=inherited | ALONE | told, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def summary(processes: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of the milliseconds; the rival's time over cnnlib's in each process."""
    times = [one["times"] for one in processes]
    ratios = [median(r / c for r, c in zip(t["rival"], t["cnnlib"], strict=True)) for t in times]
    of = {run: median([one for t in times for one in t[run]]) for run in ("cnnlib", "rival")}
    return {
        "milliseconds": {run: round(value, 2) for run, value in of.items()},
        "times cnnlib's": sorted(round(ratio, 3) for ratio in ratios),
        "load": max(round(one["load"], 1) for one in processes),
    }


def main() -> None:
    found: dict[str, list] = {name: [] for name in RIVALS}
    for _ in range(PROCESSES):  # in turns, so that a slow minute meets all of them
        for name, processes in found.items():
            processes.append(alone(name))
            print(name, summary(processes[-1:]), flush=True)
    record = {
        "made_by": "python benchmarks/steps.py",
        "machine": found["TensorFlow"][0]["machine"] | found["PyTorch"][0]["machine"],
        "settings": {"processes": PROCESSES, "rounds": ROUNDS, "batch": BATCH, "dtype": "float32"},
        "steps": {name: summary(processes) for name, processes in found.items()},
    }
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    from cnnlib.data.files import write

    write(RESULTS / "steps.json", text.encode())


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(beside(sys.argv[1])))
    else:
        main()
