"""Time Fourier transforms beside matrix products and PyTorch: `python benchmarks/fourier.py`.

A row is a convolution's forward pass, deltas and weight gradient in float32, each on one thread;
median milliseconds of all in turn in one process. "layer" is `layers.Conv(method='fft')`, which
computes each transform once. "auto" is what `method='auto'` chooses, and "loss" the time of that
over the time of the better one. Under the table stands the crossover: from which kernel on the
Fourier transforms win. Nothing is timed before its results agree.

With `--fit` it fits the costs in `cnnlib/sums/choice.py` to this machine: put the result there.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace

import convolution  # first of all: it limits the libraries to one thread, before they are loaded
import measure
import numpy as np
from convolution import Workload
from measure import Times
from scipy.optimize import least_squares

from cnnlib.learning.layers import Conv
from cnnlib.sums.choice import COSTS, counts, faster

# A family is one layer with kernels of several sizes, the same along every axis.
FAMILIES: dict[str, tuple[Workload, tuple[int, ...]]] = {
    "1-D": (Workload((4096,), 1, 1, (1,), batch=64), (3, 9, 33, 129, 257, 513)),
    "1-D, channels": (Workload((1024,), 16, 32, (1,), batch=16), (3, 9, 17, 33, 65)),
    "1-D, short": (Workload((100,), 8, 8, (1,), batch=64), (3, 9, 17, 33)),
    "2-D": (Workload((256, 256), 1, 1, (1,), batch=4), (3, 5, 7, 9, 15, 31)),
    "2-D, first layer": (Workload((28, 28), 1, 8, (1,), batch=64), (3, 5, 9, 13)),
    "2-D, inner layer": (Workload((14, 14), 16, 16, (1,), batch=64), (3, 5, 7, 9)),
    "2-D, channels": (Workload((64, 64), 8, 8, (1,), batch=16), (3, 5, 7, 9, 15)),
    "2-D, many channels": (Workload((32, 32), 32, 64, (1,), batch=16), (3, 5, 7, 9, 15)),
    "2-D, one image": (Workload((64, 64), 32, 32, (1,), batch=1), (3, 5, 7, 9)),
    "2-D, stride 2": (Workload((64, 64), 8, 8, (1,), stride=2, batch=16), (3, 5, 9, 15)),
    "1-D, tiny": (Workload((40,), 1, 1, (1,), batch=1), (3, 9, 17, 33)),
    "2-D, tiny": (Workload((12, 12), 1, 1, (1,), batch=1), (3, 5, 7, 11)),
    "3-D": (Workload((16, 16, 16), 4, 8, (1,), batch=16), (3, 5, 7)),
    "3-D, one channel": (Workload((32, 32, 32), 1, 4, (1,), batch=4), (3, 5, 7)),
}


def grid(names) -> dict[tuple[str, int], Workload]:
    """Every layer of these families, by the family's name and the kernel's size."""
    return {
        (name, size): replace(layer, kernel=(size,) * len(layer.inputs), padding=size // 2)
        for name in names
        for layer, sizes in [FAMILIES[name]]
        for size in sizes
    }


def timed(work: Workload, torch, count: int) -> Times:
    """Milliseconds of each method in each round."""
    runs = {
        "gemm": convolution.functions(work, method="gemm")["all"],
        "fft": convolution.functions(work, method="fft")["all"],
        "layer": layer_run(work),
    }
    if "winograd" in counts(work.shape, work.filters, work.window.axes(work.inputs)):
        runs["winograd"] = convolution.functions(work, method="winograd")["all"]
    if torch is not None:
        runs["torch"] = convolution.torch_functions(work, torch, "contiguous_format")["all"]
    expected = runs["gemm"]()
    for name, run in runs.items():
        for what, ours, theirs in zip(("z", "dx", "dw"), run(), expected, strict=True):
            measure.agree(f"{work}: {what} of {name}", ours, theirs, 1e-4)
    return measure.rounds(runs, count)


def layer_run(work: Workload) -> Callable:
    """A layer, which keeps its transforms from one sum to the next."""
    x, w, dz = work.arrays()
    layer = Conv(work.filters, work.kernel, bias=False, method="fft", **work.how)
    layer.build(x.shape[1:], np.random.default_rng(0), x.dtype)
    layer.params["w"] = w
    return lambda: (layer.forward(x), layer.backward(dz), layer.grads["w"])


def report(works: dict[tuple[str, int], Workload], times: dict[tuple[str, int], Times]) -> str:
    """The table, the largest loss, and the crossovers."""
    methods = list(dict.fromkeys(method for each in times.values() for method in each))
    rows = [["", "batch, channels, kernel", *methods, "auto", "loss"]]
    losses, crossings = [], {}
    for key, work in works.items():
        median = {method: float(np.median(each)) for method, each in times[key].items()}
        auto = faster(work.shape, work.filters, work.window)
        losses.append(median[auto] / min(median[m] for m in COSTS if m in median))
        cells = (f"{median[method]:.2f}" if method in median else "" for method in methods)
        rows.append([key[0], str(work), *cells])
        rows[-1] += [auto, f"{losses[-1]:.2f}"]
        if median["fft"] < median["gemm"]:
            crossings.setdefault(key[0], key[1])
    ends = [f"largest loss of auto: {max(losses):.2f}"]
    ends += [f"{name}: from size {size} on, fft wins" for name, size in crossings.items()]
    if "torch" in methods:
        key = max(works, key=lambda key: key[1] ** len(works[key].kernel))
        ratio = measure.spread(measure.ratio(times[key]["torch"], times[key]["layer"]))
        ends.append(f"torch / layer at {works[key]}: {ratio}")
    return "\n".join([measure.table(rows), "", *ends])


def fitted(works: dict[tuple[str, int], Workload], times: dict[tuple[str, int], Times]) -> str:
    """The costs that best predict how the two methods compare, above all where they are close.

    The ratio of both is steadier than either, since a slow minute of the machine slows both. The
    times themselves count a little, so that the costs are nanoseconds.
    """
    work = [counts(w.shape, w.filters, w.window.axes(w.inputs)) for w in works.values()]
    done = {m: np.array([each[m] for each in work], float) for m in ("gemm", "fft")}
    # Nanoseconds of one of the three sums.
    spent = {m: np.array([np.median(t[m]) for t in times.values()]) * 1e6 / 3 for m in done}
    ratio = np.log([measure.ratio(t["gemm"], t["fft"])[0] for t in times.values()])
    near, little = 1 / (1 + ratio**2), 0.3
    ends = np.cumsum([done[m].shape[1] for m in done])

    def off(logarithms: np.ndarray) -> np.ndarray:
        costs = np.split(np.exp(logarithms), ends[:-1])
        gemm, fft = (
            np.log(done[m] @ c) - np.log(spent[m]) for m, c in zip(done, costs, strict=True)
        )
        return np.concatenate([near * (gemm - fft), little * gemm, little * fft])

    # From a start where each count by itself explains the times.
    start = [np.median(spent[m] / column) for m in done for column in done[m].T]
    costs = np.split(np.exp(least_squares(off, np.log(start)).x), ends[:-1])
    fit = {
        m: type(COSTS[m])(*(float(f"{cost:.2g}") for cost in c))
        for m, c in zip(done, costs, strict=True)
    }
    return "\n".join(["COSTS = {", *(f"    {m!r}: {c}," for m, c in fit.items()), "}"])


def main() -> None:
    """Print the machine, then the table or the costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count")
    parser.add_argument("--fit", action="store_true", help="fit the costs of method='auto'")
    parser.add_argument("--only", nargs="+", choices=FAMILIES, default=[*FAMILIES], metavar="NAME")
    given = parser.parse_args()
    torch = measure.import_torch()
    facts = measure.machine(torch)
    print(*(f"{name}: {fact}" for name, fact in facts.items()), sep="\n", end="\n\n", flush=True)
    works, times = grid(given.only), {}
    for key, work in works.items():
        print(f"timing {key[0]}, {key[1]} ...", file=sys.stderr)
        times[key] = timed(work, None if given.fit else torch, given.rounds)
    print(fitted(works, times) if given.fit else report(works, times))


if __name__ == "__main__":
    main()
