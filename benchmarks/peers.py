"""The loops of the specification and `scipy.signal`, beside the library.

Both are far too slow for a whole workload, so each does a cut of it, and its time is scaled by the
count of multiplications.
"""

from collections.abc import Callable
from dataclasses import replace

import measure
import numpy as np
from convolution import Workload, functions
from scipy import signal

OUTPUTS = 16  # of the cut for the loops, about: they take as long for each connection of any image


def loops(work: Workload) -> tuple[Callable, float, Workload]:
    """All three sums by `method='loops'` on smaller images, and by what to multiply their time."""
    each = round(OUTPUTS ** (1 / len(work.inputs)))
    inputs = (
        min(P, work.stride * (each - 1) + U) for P, U in zip(work.inputs, work.kernel, strict=True)
    )
    small = replace(work, inputs=tuple(inputs))
    slow, fast = functions(small, method="loops")["all"], functions(small)["all"]
    for part, one, other in zip(("z", "dx", "dw"), slow(), fast(), strict=True):
        measure.agree(f"{small}: {part} of the loops", one, other, 1e-4)
    return slow, connections(work) / connections(small), small


def connections(work: Workload) -> int:
    """Rows of the connection table; each is a multiplication per image, channel and filter."""
    return int(np.prod([len(axis.rows()[0]) for axis in work.window.axes(work.inputs)]))


def scipy_correlate(work: Workload) -> tuple[Callable, float]:
    """Forward pass of one image by `scipy.signal.correlate`, and by what to multiply its time.

    It knows neither channels nor strides: one call for each channel and filter, summed; outputs
    that a stride would skip are thrown away. It chooses between sums and Fourier transforms itself.
    """
    one = replace(work, batch=1)
    x, w, _ = one.arrays()
    pad = [(0, 0), *[(work.padding, work.padding)] * len(work.inputs), (0, 0)]
    image = np.moveaxis(np.pad(x, pad)[0], -1, 0).copy()
    kernels = np.moveaxis(w, -1, 1).copy()
    step = (slice(None), *[slice(None, None, work.stride)] * len(work.inputs))

    def run() -> np.ndarray:
        maps = [
            sum(signal.correlate(a, u, "valid") for a, u in zip(image, kernel, strict=True))
            for kernel in kernels
        ]
        return np.moveaxis(np.array(maps)[step], 0, -1)[None]

    measure.agree(f"{one}: scipy.signal", run(), functions(one)["z"](), 1e-4)
    return run, work.batch
