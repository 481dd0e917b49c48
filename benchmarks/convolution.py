"""Time cnnlib beside PyTorch, both on one thread: `make bench`, or with `--help` for the options.

- W1 to W8 are one convolution each: forward pass, deltas and weight gradient, in float32, by
  `cnnlib.conv` and its two companions. PyTorch runs in both of its memory formats, and the faster
  one counts.
- W8 is the case for a Fourier transform. It runs only when `--only` names it.
- W9 is a step of training, as `training.fit` takes it. PyTorch takes it twice: as one writes it
  first, and with its faster memory format and optimizer.

Nothing is timed before its results agree with PyTorch's.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

# Libraries spread unequal shares of their work over threads, and a busy machine slows threads
# unequally. One thread each is a fair race. They read these names once, when they are loaded.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"

import measure
import numpy as np
from measure import Runs, Times

import cnnlib
from cnnlib.layers import Conv, Dense, Flatten, MaxPool, ReLU
from cnnlib.losses import SoftmaxCrossEntropy
from cnnlib.network import Network
from cnnlib.optimizers import Adam
from cnnlib.training import batches, fit

BATCH = 64
STEPS = 10  # of training in one run of W9
FORMATS = {1: (), 2: ("channels_last",), 3: ("channels_last_3d",)}  # by number of spatial axes


@dataclass(frozen=True)
class Workload:
    """One convolution: a batch of images (*P, C), and K filters (*U, C)."""

    inputs: tuple[int, ...]
    channels: int
    filters: int
    kernel: tuple[int, ...]
    stride: int = 1
    padding: int = 0
    batch: int = BATCH

    def __str__(self) -> str:
        image, kernel = ("x".join(map(str, shape)) for shape in (self.inputs, self.kernel))
        text = f"{self.batch} of {image}, {self.channels} to {self.filters}, {kernel}"
        text += f", stride {self.stride}" if self.stride > 1 else ""
        return text + (f", padding {self.padding}" if self.padding else "")


WORKLOADS = {
    "W1": Workload((28, 28), 1, 8, (5, 5)),
    "W2": Workload((12, 12), 8, 16, (5, 5)),
    "W3": Workload((32, 32), 3, 32, (3, 3), padding=1),
    "W4": Workload((32, 32), 32, 64, (3, 3), padding=1),
    "W5": Workload((32, 32), 32, 64, (3, 3), stride=2, padding=1),
    "W6": Workload((1024,), 16, 32, (9,)),
    "W7": Workload((16, 16, 16), 4, 8, (3, 3, 3)),
    "W8": Workload((256, 256), 1, 1, (31, 31), batch=4),
}
TRAINING = "W9"


def convolution_runs(work: Workload, torch: ModuleType | None) -> Runs:
    """Everybody's forward pass, deltas and weight gradient on the same numbers, compared."""
    rng = np.random.default_rng(0)
    how = {"stride": work.stride, "padding": work.padding}
    x = rng.standard_normal((work.batch, *work.inputs, work.channels), dtype=np.float32)
    w = rng.standard_normal((work.filters, *work.kernel, work.channels), dtype=np.float32)
    dz = rng.standard_normal(cnnlib.conv(x, w, **how).shape, dtype=np.float32)
    runs: Runs = {"functions": functions_run(x, w, dz, how), "layer": layer_run(x, w, dz, how)}
    if torch is not None:
        for name in ("contiguous_format", *FORMATS[len(work.inputs)]):
            runs[name] = torch_run(torch, x, w, dz, how, getattr(torch, name))
        expected = runs["contiguous_format"]()
        for run in ("functions", "layer"):
            for name, ours, theirs in zip(("z", "dx", "dw"), runs[run](), expected, strict=True):
                measure.agree(f"{work}: {name} of {run}", ours, theirs, 1e-4)
    return runs


def functions_run(x: np.ndarray, w: np.ndarray, dz: np.ndarray, how: dict) -> Callable:
    """The public functions, on channels-last arrays."""
    return lambda: (
        cnnlib.conv(x, w, **how),
        cnnlib.conv_delta(dz, w, x.shape, **how),
        cnnlib.conv_weight_gradient(x, dz, w.shape[1:-1], **how),
    )


def layer_run(x: np.ndarray, w: np.ndarray, dz: np.ndarray, how: dict) -> Callable:
    """A layer, on arrays that lie batch-last in memory."""
    x, dz = channels_last(batch_last(x)), channels_last(batch_last(dz))
    layer = Conv(len(w), w.shape[1:-1], bias=False, **how)
    layer.build(x.shape[1:], np.random.default_rng(0), x.dtype)
    layer.params["w"] = w
    return lambda: (layer.forward(x), layer.backward(dz), layer.grads["w"])


def torch_run(torch: ModuleType, x, w, dz, how: dict, memory_format) -> Callable:
    """PyTorch, in one of its memory formats."""
    conv = getattr(torch.nn.functional, f"conv{x.ndim - 2}d")
    x, w, dz = (to_torch(torch, a, memory_format) for a in (x, w, dz))
    x.requires_grad_()
    w.requires_grad_()

    def run():
        z = conv(x, w, **how)
        dx, dw = torch.autograd.grad(z, (x, w), dz)
        return [a.detach().movedim(1, -1) for a in (z, dx, dw)]  # a view: no time to speak of

    return run


def training_runs(torch: ModuleType | None) -> Runs:
    """Everybody's training from the same first weights, in the same order; the losses compared."""
    rng = np.random.default_rng(0)
    x = rng.random((STEPS * BATCH, 28, 28, 1), dtype=np.float32)
    t = rng.integers(10, size=len(x))
    layers = [
        Conv(8, 5), ReLU(), MaxPool(2), Conv(16, 5), ReLU(), MaxPool(2),
        Flatten(), Dense(128), ReLU(), Dense(10),
    ]  # fmt: skip
    network = Network(layers, SoftmaxCrossEntropy(), input_shape=x.shape[1:], rng=rng)
    runs: Runs = {}
    if torch is not None:  # these copy the first weights, so they come before the first step
        fused = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 4)  # on a CPU, since then
        runs["torch, default"] = torch_training(torch, network, x, t, "contiguous_format", {})
        best = {"fused": True} if fused else {}
        runs["torch, best"] = torch_training(torch, network, x, t, "channels_last", best)
    how = {"optimizer": Adam(), "rng": np.random.default_rng(1)}
    runs["fit"] = lambda: fit(network, x, t, epochs=1, batch=BATCH, progress=False, **how).loss
    losses = {run: runs[run]() for run in runs}
    for run in losses:
        measure.agree(f"{TRAINING}: losses of {run}", losses["fit"], losses[run], 1e-3)
    return runs


def torch_training(torch: ModuleType, network: Network, x, t, form: str, how: dict) -> Callable:
    """An epoch of the same training in PyTorch, written as its tutorials write it."""
    nn, memory_format = torch.nn, getattr(torch, form)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    for p, values in zip(model.parameters(), torch_parameters(network), strict=True):
        p.data = torch.tensor(values.copy())
    model.to(memory_format=memory_format)
    optimizer = torch.optim.Adam(model.parameters(), **how)
    x, t, rng = to_torch(torch, x, memory_format), torch.tensor(t), np.random.default_rng(1)

    def epoch():
        losses = []
        for index in map(torch.tensor, batches(len(x), BATCH, rng)):
            loss = nn.functional.cross_entropy(model(x[index]), t[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return epoch


def torch_parameters(network: Network) -> list[np.ndarray]:
    """The network's parameters in PyTorch's order: channels first, outputs before inputs."""
    p = dict(network.params)
    p["conv1.w"], p["conv2.w"] = (np.moveaxis(p[f"conv{n}.w"], -1, 1) for n in (1, 2))
    rows = p["dense1.w"].reshape(4, 4, 16, -1)  # (p, q, c) of the flat maps; PyTorch's: (c, p, q)
    p["dense1.w"] = rows.transpose(2, 0, 1, 3).reshape(p["dense1.w"].shape).T
    p["dense2.w"] = p["dense2.w"].T
    return list(p.values())


def to_torch(torch: ModuleType, a: np.ndarray, memory_format):
    """Channels-last array as a channels-first tensor."""
    return torch.tensor(np.moveaxis(a, -1, 1).copy()).contiguous(memory_format=memory_format)


def convolution_table(times: dict[str, Times]) -> str:
    """A row for each convolution, and the means below."""
    both = ["functions", "layer"]
    rows = [["", "batch, channels, kernel", *both, "torch", "format", *both]]
    ratios = []
    for name, t in times.items():
        formats = [run for run in t if run not in both]
        row = [name, str(WORKLOADS[name]), *(measure.milliseconds(t[run]) for run in both)]
        if formats:
            best = measure.fastest(t, formats)
            single = [measure.ratio(t[run], t[best]) for run in both]
            ratios.append([middle for middle, *_ in single])
            row += [measure.milliseconds(t[best]), best, *map(measure.spread, single)]
        rows.append(row + [""] * (len(rows[0]) - len(row)))
    if ratios:
        for name, value in (
            ("geometric mean", np.exp(np.log(ratios).mean(axis=0))),
            ("maximum", np.max(ratios, axis=0)),
        ):
            rows.append(["", name, "", "", "", "", *(f"{r:.2f}" for r in value)])
    return measure.table(rows)


def training_table(t: Times) -> str:
    """A row for each training."""
    rows = [["", "training", "a step", "fit / torch"]]
    for run in t:
        times = measure.spread(measure.ratio(t["fit"], t[run])) if run != "fit" else ""
        rows.append([TRAINING, run, measure.milliseconds(t[run]), times])
    return measure.table(rows)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Time cnnlib beside PyTorch, on one thread.")
    parser.add_argument("--rounds", type=int, default=9, help="rounds that count, at least 7")
    names = [*WORKLOADS, TRAINING]
    usual = [name for name in names if name != "W8"]
    what = "of W1 to W9; all but W8 unless given"
    parser.add_argument("--only", nargs="+", choices=names, default=usual, metavar="W", help=what)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to a file")
    given = parser.parse_args()
    if given.rounds < 7:
        parser.error("--rounds: a median of fewer than 7 rounds says little")
    return given


def main() -> None:
    """Print the machine, then the tables."""
    given, torch = arguments(), measure.import_torch()
    facts = measure.machine(torch)
    print(*(f"{name}: {fact}" for name, fact in facts.items()), sep="\n", end="\n\n", flush=True)
    times = {}
    for name in given.only:
        print(f"timing {name} ...", file=sys.stderr)
        training = name == TRAINING
        runs = training_runs(torch) if training else convolution_runs(WORKLOADS[name], torch)
        times[name] = measure.rounds(runs, given.rounds, parts=STEPS if training else 1)
    convolutions = {name: t for name, t in times.items() if name != TRAINING}
    if convolutions:
        print("Milliseconds of CPU time; ratio to torch: median and quartiles over the rounds.")
        print(convolution_table(convolutions), end="\n\n")
    if TRAINING in times:
        print(training_table(times[TRAINING]))
    if given.json:
        shapes = {name: asdict(WORKLOADS[name]) for name in convolutions}
        record = {"machine": facts, "workloads": shapes, "milliseconds": times}
        given.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
