"""What a process of its own tells: peak memory, and how long `import cnnlib` takes."""

import json
import multiprocessing
import subprocess
import sys
import tracemalloc

import numpy as np
from convolution import Workload

import cnnlib

IMPORT = """
import json, sys, time
wall, cpu = time.perf_counter(), time.process_time()
__import__(sys.argv[1])
print(json.dumps([1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)]))
"""


def peak(work: Workload) -> dict[str, int]:
    """Bytes at the highest point of forward pass and both gradients, and of the arrays themselves.

    NumPy reports its memory to tracemalloc. The arrays are inputs, outputs and gradients: `x`, `w`,
    `dz`, `z`, `dx` and `dw`, which all lie there at the end.
    """
    # What NumPy loads only when it is asked for is no memory of a convolution.
    cnnlib.conv(np.random.default_rng(0).random((1, 2, 1)), np.ones((1, 1, 1)))
    tracemalloc.start()
    x, w, dz = work.arrays()
    z = cnnlib.conv(x, w, **work.how)
    dx = cnnlib.conv_delta(dz, w, x.shape, **work.how)
    dw = cnnlib.conv_weight_gradient(x, dz, work.kernel, **work.how)
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"peak": highest, "arrays": sum(a.nbytes for a in (x, w, dz, z, dx, dw))}


def peaks(works: dict[str, Workload]) -> dict[str, dict[str, int]]:
    """Of each workload, in a fresh process each: buffers that are kept for later count as well."""
    context = multiprocessing.get_context("spawn")
    found = {}
    for name, work in works.items():
        with context.Pool(1) as pool:
            found[name] = pool.apply(peak, (work,))
    return found


def import_times(module: str, count: int) -> dict[str, list[float]]:
    """Milliseconds that fresh interpreters take to import a module, after one that fills caches."""
    found = []
    for _ in range(count + 1):
        done = subprocess.run(
            [sys.executable, "-c", IMPORT, module], check=True, capture_output=True, text=True
        )
        found.append(json.loads(done.stdout))
    wall, cpu = zip(*found[1:], strict=True)
    return {"wall": list(wall), "cpu": list(cpu)}
