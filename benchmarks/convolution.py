"""The convolutions that are timed, by cnnlib and by PyTorch, on one thread each.

W1 to W8 are one convolution each: forward pass, deltas and weight gradient in float32, all three at
once and each for itself. PyTorch runs in both of its memory formats, and the faster one counts.
W8 is the case for a Fourier transform.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

# Libraries spread unequal shares of their work over threads, and a busy machine slows threads
# unequally. One thread each is a fair race. They read these names once, when they are loaded.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"

import measure
import numpy as np
from measure import Runs

import cnnlib
from cnnlib.geometry import Window

PARTS = ("z", "dx", "dw")
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
    batch: int = 64

    def __str__(self) -> str:
        image, kernel = ("x".join(map(str, shape)) for shape in (self.inputs, self.kernel))
        text = f"{self.batch} of {image}, {self.channels} to {self.filters}, {kernel}"
        text += f", stride {self.stride}" if self.stride > 1 else ""
        return text + (f", padding {self.padding}" if self.padding else "")

    @property
    def how(self) -> dict[str, int]:
        """Stride and padding, as keywords."""
        return {"stride": self.stride, "padding": self.padding}

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the input."""
        return self.batch, *self.inputs, self.channels

    @property
    def window(self) -> Window:
        """The geometry."""
        return Window(self.kernel, self.stride, padding=self.padding)

    @property
    def outputs(self) -> tuple[int, ...]:
        """Spatial shape of the output."""
        return self.window.output_shape(self.inputs)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Random `x`, `w` and `dz`, the same ones each time."""
        rng = np.random.default_rng(0)
        x = rng.standard_normal(self.shape, dtype=np.float32)
        w = rng.standard_normal((self.filters, *self.kernel, self.channels), dtype=np.float32)
        shape = (self.batch, *self.outputs, self.filters)
        return x, w, rng.standard_normal(shape, dtype=np.float32)


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


def functions(work: Workload, **method: str) -> dict[str, Callable]:
    """`cnnlib.conv` and its two companions: "all" of them, or each."""
    (x, w, dz), how = work.arrays(), work.how | method
    each: dict[str, Callable] = {
        "z": lambda: cnnlib.conv(x, w, **how),
        "dx": lambda: cnnlib.conv_delta(dz, w, x.shape, **how),
        "dw": lambda: cnnlib.conv_weight_gradient(x, dz, work.kernel, **how),
    }
    return {"all": lambda: [run() for run in each.values()], **each}


def torch_functions(work: Workload, torch: ModuleType, form: str) -> dict[str, Callable]:
    """The same in PyTorch, in one of its memory formats: "all" as a training asks for them."""
    axes, how = len(work.inputs), work.how
    conv = getattr(torch.nn.functional, f"conv{axes}d")
    delta = getattr(torch.nn.grad, f"conv{axes}d_input")
    weight_gradient = getattr(torch.nn.grad, f"conv{axes}d_weight")
    x, w, dz = (to_torch(torch, a, form) for a in work.arrays())
    x_leaf, w_leaf = (a.clone().requires_grad_() for a in (x, w))

    def training():
        z = conv(x_leaf, w_leaf, **how)
        return ours([z.detach(), *torch.autograd.grad(z, (x_leaf, w_leaf), dz)])

    return {
        "all": training,
        "z": lambda: ours([conv(x, w, **how)])[0],
        "dx": lambda: ours([delta(x.shape, w, dz, **how)])[0],
        "dw": lambda: ours([weight_gradient(x, w.shape, dz, **how)])[0],
    }


def to_torch(torch: ModuleType, a: np.ndarray, form: str):
    """Channels-last array as a channels-first tensor in one of PyTorch's memory formats."""
    tensor = torch.tensor(np.moveaxis(a, -1, 1).copy())
    return tensor.contiguous(memory_format=getattr(torch, form))


def ours(tensors: list) -> list:
    """Channels last again; views, which take no time to speak of."""
    return [tensor.movedim(1, -1) for tensor in tensors]


def formats(work: Workload) -> tuple[str, ...]:
    """PyTorch's memory formats for images of this dimension."""
    return "contiguous_format", *FORMATS[len(work.inputs)]


def both(work: Workload, torch: ModuleType | None, parts=("all", *PARTS)) -> Runs:
    """By part and name, cnnlib's runs and PyTorch's, once their results agree."""
    sides = {"cnnlib": functions(work)}
    if torch is not None:
        sides |= {f"torch {form}": torch_functions(work, torch, form) for form in formats(work)}
    expected = sides["cnnlib"]["all"]()
    for name, side in sides.items():
        for part in parts:
            results = side["all"]() if part == "all" else [side[part]()]
            right = expected if part == "all" else [expected[PARTS.index(part)]]
            for one, other in zip(results, right, strict=True):
                measure.agree(f"{work}: {part} of {name}", one, other, 1e-4)
    return {(part, name): side[part] for part in parts for name, side in sides.items()}
