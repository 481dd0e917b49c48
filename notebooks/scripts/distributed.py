"""Train an exported network on two processes. Each takes its share of every batch (chapter 6).

    python distributed.py FOLDER STEPS FIRST [FIRST ...]

FOLDER holds `network.npz`, which `Network.save` wrote, and `batch.npz` with images x and labels t.
Process 0 takes the first FIRST images of the batch, process 1 the others. After STEPS steps of
gradient descent, process 0 writes the first step's gradient and the last parameters as networks.
Several numbers FIRST are several trainings, one after the other.
"""

import os
import socket
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from cnnlib.interop import from_torch, to_torch
from cnnlib.learning import Network

RATE = 0.1


def work(rank: int, folder: Path, steps: int, firsts: list[int]) -> None:
    """One of the two processes."""
    names = [name for _, name in socket.if_nameindex() if name.startswith("lo")]
    os.environ.setdefault("GLOO_SOCKET_IFNAME", names[0])  # this machine alone, no network
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"  # where the two find each other
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    for first in firsts:
        train(rank, folder, steps, first)
    dist.destroy_process_group()
    # All is written. A thread of gloo's that wakes up while Python ends would abort the process.
    os._exit(0)


def train(rank: int, folder: Path, steps: int, first: int) -> None:
    """Train from the beginning, with one share of the batch."""
    network = Network.load(folder / "network.npz")
    module = to_torch(network)
    model = DistributedDataParallel(module)  # averages the gradients of all processes
    optimizer = torch.optim.SGD(module.parameters(), lr=RATE)
    mine = slice(0, first) if rank == 0 else slice(first, None)
    with np.load(folder / "batch.npz") as batch:
        x = torch.from_numpy(np.moveaxis(batch["x"][mine], -1, 1).copy())
        t = torch.from_numpy(batch["t"][mine])

    for step in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), t)  # the mean over its own share
        loss.backward()
        if step == 0:
            gradient = [p.grad.clone() for p in module.parameters()]
        optimizer.step()

    if rank == 0:
        write(network, module, folder / f"trained_{first}.npz")
        for p, g in zip(module.parameters(), gradient, strict=True):
            p.data = g
        write(network, module, folder / f"gradient_{first}.npz")


def write(network: Network, module: torch.nn.Module, path: Path) -> None:
    """Save a module's parameters as a network."""
    from_torch(module, network.loss, input_shape=network.input_shape).save(path)


if __name__ == "__main__":
    folder, steps, *firsts = sys.argv[1:]
    work_for_both = (Path(folder), int(steps), [int(first) for first in firsts])
    torch.multiprocessing.spawn(work, args=work_for_both, nprocs=2)
