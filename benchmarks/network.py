"""W9, a step of training of a small network, and one image through it; by cnnlib and by PyTorch.

PyTorch trains twice: as one writes it first, and with its faster memory format and optimizer.
"""

from collections.abc import Callable
from types import ModuleType

import floors
import measure
import numpy as np
from convolution import WORKLOADS, Workload, functions, to_torch, torch_functions
from measure import Runs

from cnnlib.learning.layers import Conv, Dense, Flatten, MaxPool, ReLU
from cnnlib.learning.losses import SoftmaxCrossEntropy
from cnnlib.learning.network import Network
from cnnlib.learning.optimizers import Adam
from cnnlib.learning.training import batches, fit

BATCH = 64
STEPS = 10  # of training in one run


def training_runs(torch: ModuleType | None) -> Runs:
    """Everybody's training from the same first weights, in the same order; the losses compared."""
    rng = np.random.default_rng(0)
    x = rng.random((STEPS * BATCH, 28, 28, 1), dtype=np.float32)
    t = rng.integers(10, size=len(x))
    network = small_network(rng)
    runs: Runs = {}
    if torch is not None:  # these copy the first weights, so they come before the first step
        fused = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 4)  # on a CPU, since then
        runs["torch default"] = torch_training(torch, network, x, t, "contiguous_format", {})
        best = {"fused": True} if fused else {}
        runs["torch best"] = torch_training(torch, network, x, t, "channels_last", best)
    how = {"optimizer": Adam(), "rng": np.random.default_rng(1)}
    runs["cnnlib"] = lambda: fit(network, x, t, epochs=1, batch=BATCH, progress=False, **how).loss
    losses = {run: runs[run]() for run in runs}
    for run in losses:
        measure.agree(f"W9: losses of {run}", losses["cnnlib"], losses[run], 1e-3)
    return runs


def small_network(rng: np.random.Generator) -> Network:
    """Chapter 5's modern model."""
    layers = [
        Conv(8, 5), ReLU(), MaxPool(2), Conv(16, 5), ReLU(), MaxPool(2),
        Flatten(), Dense(128), ReLU(), Dense(10),
    ]  # fmt: skip
    return Network(layers, SoftmaxCrossEntropy(), input_shape=(28, 28, 1), rng=rng)


def torch_network(torch: ModuleType, network: Network, form: str):
    """The same with the same weights in PyTorch, written as its tutorials write it."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    for p, values in zip(model.parameters(), torch_parameters(network), strict=True):
        p.data = torch.tensor(values.copy())
    return model.to(memory_format=getattr(torch, form))


def torch_parameters(network: Network) -> list[np.ndarray]:
    """The network's parameters in PyTorch's order: channels first, outputs before inputs."""
    p = dict(network.params)
    p["conv1.w"], p["conv2.w"] = (np.moveaxis(p[f"conv{n}.w"], -1, 1) for n in (1, 2))
    rows = p["dense1.w"].reshape(4, 4, 16, -1)  # (p, q, c) of the flat maps; PyTorch's: (c, p, q)
    p["dense1.w"] = rows.transpose(2, 0, 1, 3).reshape(p["dense1.w"].shape).T
    p["dense2.w"] = p["dense2.w"].T
    return list(p.values())


def torch_training(torch: ModuleType, network: Network, x, t, form: str, how: dict) -> Callable:
    """An epoch of the same training in PyTorch."""
    model = torch_network(torch, network, form)
    optimizer = torch.optim.Adam(model.parameters(), **how)
    x, t, rng = to_torch(torch, x, form), torch.tensor(t), np.random.default_rng(1)

    def epoch():
        losses = []
        for index in map(torch.tensor, batches(len(x), BATCH, rng)):
            loss = torch.nn.functional.cross_entropy(model(x[index]), t[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return epoch


def inference_runs(name: str, torch: ModuleType | None) -> Runs:
    """One image forwards: through a convolution, or through the network of W9."""
    runs = network_inference(torch) if name == "W9" else conv_inference(WORKLOADS[name], torch)
    for run in runs:
        measure.agree(f"{name}: one image by {run}", runs[run](), runs["cnnlib"](), 1e-4)
    return runs


def conv_inference(work: Workload, torch: ModuleType | None) -> Runs:
    """A convolution of one image."""
    one = Workload(**vars(work) | {"batch": 1})
    runs: Runs = {"cnnlib": functions(one)["z"], "bare": floors.rows_and_products(one)}
    if torch is not None:
        for form in ("contiguous_format", "channels_last"):
            runs[f"torch {form}"] = no_grad(torch, torch_functions(one, torch, form)["z"])
    return runs


def network_inference(torch: ModuleType | None) -> Runs:
    """The network's outputs for one image."""
    rng = np.random.default_rng(0)
    network, x = small_network(rng), rng.random((1, 28, 28, 1), dtype=np.float32)
    runs: Runs = {"cnnlib": lambda: network.forward(x)}
    if torch is not None:
        for form in ("contiguous_format", "channels_last"):
            model, image = torch_network(torch, network, form), to_torch(torch, x, form)
            runs[f"torch {form}"] = no_grad(torch, lambda m=model, x=image: m(x))
    return runs


def no_grad(torch: ModuleType, run: Callable) -> Callable:
    """Without notes for a backward pass, as one uses a trained network."""

    def without():
        with torch.inference_mode():
            return run()

    return without
