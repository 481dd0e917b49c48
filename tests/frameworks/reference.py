"""What other frameworks compute on small integers: `notebooks/results/frameworks.json`.

    python tests/frameworks/reference.py

asks TensorFlow, PyTorch and OpenCV the questions below and writes the file anew; all must be
installed. The book quotes their numbers from it, so that a reader needs none. All are integers that
float64 represents exactly: `make test-frameworks` recomputes them and compares with equality.
(Only the losses and gradients of a training are not; they are compared to 1e-12.)

A record is a question and its answer. Arrays have the book's layout: `x`, `w`, `z` are one image,
one channel, one filter, `H x W` or `P`; under `gradients` they have all axes, `(N, H, W, C)`,
`(K, kh, kw, C)`, `(N, I, J, K)`. A padding of `[py, px]` is symmetric, one number for each axis.

    same           z of a 2-D convolution
    same_1d        z of a 1-D convolution, for many sizes of input, kernel and stride
    gradients      dx, dw, db of a 2-D convolution with several images, channels and filters
    borders        z, dx, dw of a 2-D convolution whose border is not zeros
    filter2d       z of OpenCV's filter2D; its anchor is a column and a row
    transposed     x of a transposed convolution of dz
    transposed_sizes      P of one with a dilation, along one axis: I deltas, U weights
    keras_output_padding  the same in Keras, with a size that is asked for
    max_pool_ties  a and dx of a max-pool over equal numbers; dx_for_ones if all deltas are 1
    avg_pool       a and dx of an average-pool
    training       losses of 20 steps and the first step's gradients, for a convolution w, b without
                   padding, ReLU, a max-pool of 2 by 2 at stride 1, a dense layer v, c, and softmax
                   with cross-entropy; x is divided by 4, the parameters by 16
    errors         calls that are refused, with the first line of the error
    accepted       calls that have no output and are answered all the same, with the shape
"""

import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
from answers import FRAMEWORKS, connect, first_line, quiet

FILE = Path(__file__).parents[2] / "notebooks" / "results" / "frameworks.json"


# ---- Questions: what a framework is asked, without the answers.


def same(name):
    """2-D convolutions: every padding the framework knows, unequal strides, dilation."""
    rng = np.random.default_rng(20)
    images = [integers(rng, shape) for shape in ((5, 6), (6, 7), (7, 6))]
    kernels = [integers(rng, shape) for shape in ((3, 2), (2, 3), (3, 3), (4, 2))]
    geometries = {
        "tensorflow": [
            ([1, 1], [1, 1], "same"),
            ([2, 2], [1, 1], "same"),
            ([2, 1], [1, 1], "same"),
            ([3, 2], [1, 1], "valid"),
            ([1, 1], [2, 1], "same"),
            ([2, 2], [2, 2], "same"),
            ([1, 2], [1, 1], [[1, 2], [0, 1]]),
        ],
        "torch": [
            ([1, 1], [1, 1], "same"),
            ([1, 1], [2, 1], "same"),
            ([1, 1], [1, 1], [1, 1]),
            ([2, 2], [1, 1], [1, 1]),
            ([2, 1], [1, 1], [1, 0]),
            ([3, 2], [1, 1], "valid"),
            ([2, 2], [2, 1], [2, 1]),
        ],
    }
    for number, (stride, dilation, padding) in enumerate(geometries[name]):
        for shift in range(3):
            x, w = images[(number + shift) % 3], kernels[(number + 2 * shift) % 4]
            yield {"x": x, "w": w, "stride": stride, "dilation": dilation, "padding": padding}


def same_1d(name):
    """1-D convolutions: 'same', and in torch also the symmetric padding `U//2`."""
    x, w = [3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 3]
    for P in (5, 6, 7, 8):
        for U in (2, 3, 4, 5):
            for s in (1, 2, 3):
                for padding in ["same"] if name == "tensorflow" else ["same", U // 2]:
                    if name == "torch" and padding == "same" and s > 1:
                        continue  # refused: see the errors
                    yield {"x": x[:P], "w": w[:U], "stride": s, "padding": padding}


def gradients(name):
    """Images with two channels, three filters, unequal sides; deltas of all values."""
    geometries = {
        "tensorflow": [
            ((3, 3), [1, 1], [1, 1], "same"),
            ((3, 3), [2, 2], [1, 1], "same"),
            ((2, 3), [2, 1], [1, 1], "same"),
            ((4, 2), [1, 1], [1, 1], "same"),
            ((3, 2), [1, 1], [1, 1], "valid"),
            ((2, 2), [2, 3], [1, 1], "valid"),
        ],
        "torch": [
            ((3, 3), [1, 1], [1, 1], [1, 1]),
            ((3, 3), [2, 2], [1, 1], [1, 1]),
            ((2, 3), [2, 1], [1, 1], [1, 2]),
            ((4, 2), [1, 1], [1, 1], "same"),
            ((3, 2), [1, 1], [1, 1], "valid"),
            ((3, 3), [2, 2], [2, 2], [2, 2]),
            ((2, 2), [1, 2], [3, 2], [0, 1]),
        ],
    }
    rng = np.random.default_rng(21)
    for kernel, stride, dilation, padding in geometries[name]:
        x, w = integers(rng, (2, 5, 6, 2)), integers(rng, (3, *kernel, 2))
        yield {"x": x, "w": w, "stride": stride, "dilation": dilation, "padding": padding}


def transposed(name):
    """Deltas of 3x4 cells carried back, to every size that leads to as many outputs."""
    rng = np.random.default_rng(22)
    dz = integers(rng, (3, 4))
    for kernel in ((3, 3), (2, 3), (2, 2)):
        w = integers(rng, kernel)
        for stride in (1, 2, 3):
            if name == "tensorflow":
                paddings = [("same", None), ("valid", None)]
            else:
                paddings = [(p, q) for p in (0, 1) for q in range(stride)]
            for padding, more in paddings:
                geometry = {"stride": stride, "padding": padding, "output_padding": more}
                yield {"dz": dz, "w": w} | geometry


def transposed_sizes(name):
    """Sizes alone, since TensorFlow computes a dilation with some of its kernels only. Keras
    refuses a dilation beside a stride."""
    for U, stride, dilation in product((1, 2, 3), repeat=3):
        axis = {"I": 4, "U": U, "stride": stride, "dilation": dilation}
        if name == "torch":
            for more in range(stride):
                yield axis | {"padding": 0, "output_padding": more}
        elif stride == 1 or dilation == 1:
            for padding in ("same", "valid"):
                yield axis | {"padding": padding, "output_padding": None}


def keras_output_padding(name):
    """Keras alone. With 'same' it refuses 0 where the kernel is even: see the errors."""
    rng = np.random.default_rng(27)
    dz = integers(rng, (3, 4))
    for U in (2, 3, 4):
        w = integers(rng, (U, U))
        for stride in (1, 2, 3):
            for padding in ("same", "valid"):
                first = 1 if padding == "same" and U % 2 == 0 else 0
                for more in range(first, stride):
                    geometry = {"stride": stride, "padding": padding, "output_padding": more}
                    yield {"dz": dz, "w": w} | geometry


def borders(name):
    """Each border that the framework has, unequal paddings, and a stride; deltas of all values."""
    rng = np.random.default_rng(28)
    names = {
        "tensorflow": ["REFLECT", "SYMMETRIC"],
        "torch": ["zeros", "reflect", "replicate", "circular"],
    }
    for border in names[name]:
        for kernel, stride, padding in (
            ((1, 3), [1, 1], [0, 1]),
            ((3, 5), [1, 1], [1, 2]),
            ((2, 4), [2, 1], [2, 1]),
        ):
            x, w = integers(rng, (4, 5)), integers(rng, kernel)
            yield {"x": x, "w": w, "stride": stride, "padding": padding, "border": border}


def filter2d(name):
    """Every centre of small kernels, every border, and images of bytes."""
    rng = np.random.default_rng(29)
    anchors = [None, *([a, b] for a in range(3) for b in range(2))]
    borders = [None, "CONSTANT", "REPLICATE", "REFLECT", "REFLECT_101"]
    for kernel in ((1, 2), (1, 3), (1, 4), (1, 5), (2, 3), (4, 4)):
        yield opencv(integers(rng, (5, 6)), integers(rng, kernel), border="CONSTANT")
    for anchor in anchors:
        yield opencv(integers(rng, (4, 5)), integers(rng, (2, 3)), anchor, "CONSTANT")
    for border in borders:
        yield opencv(integers(rng, (4, 5)), integers(rng, (3, 4)), border=border)
    row = [[10, 200, 250, 30]]
    for w in ([[1, 1, 1]], [[-1, 0, 1]]):
        yield opencv(row, w, border="CONSTANT")
        yield opencv(row, w, border="CONSTANT", dtype="uint8")


def opencv(x, w, anchor=None, border=None, dtype="float64"):
    """One question for `filter2D`; None stands for its own default."""
    return {"x": x, "w": w, "dtype": dtype, "anchor": anchor, "border": border}


def max_pool_ties(name):
    """Images of few different numbers, negative ones too: padding must not win with its zero."""
    rng = np.random.default_rng(23)
    even, odd = rng.integers(1, 4, (4, 6)).tolist(), rng.integers(-3, 0, (5, 7)).tolist()
    flat = np.full((4, 4), 7).tolist()
    windows = [(2, 2), (3, 1), (3, 2), (2, 3)]
    for x in (flat, even, odd):
        for window, stride in windows:
            paddings = {"tensorflow": ["valid", "same"], "torch": [0, 1]}[name]
            for padding in paddings:
                yield {"x": x, "window": window, "stride": stride, "padding": padding}


def avg_pool(name):
    """Multiples of 36, so that the mean of 1, 2, 3, 4, 6 or 9 of them is an integer."""
    rng = np.random.default_rng(24)
    x = (36 * rng.integers(-4, 5, (5, 6))).tolist()
    for window, stride in [(2, 2), (3, 1), (3, 2)]:
        if name == "tensorflow":
            choices = [("valid", False), ("same", False)]
        else:
            choices = [(0, True), (1, True), (1, False)]
        for padding, count in choices:
            geometry = {"window": window, "stride": stride, "padding": padding}
            yield {"x": x} | geometry | {"count_padding": count}


def training(name):
    """A small network with each optimizer. Every lr is a float32 number, as Keras wants it."""
    rng = np.random.default_rng(26)
    x, t = integers(rng, (5, 4, 5, 2)), rng.integers(0, 3, 5).tolist()
    shapes = {"w": (2, 2, 3, 2), "b": (2,), "v": (2 * 2 * 2, 3), "c": (3,)}
    numbers = {"x": x, "t": t} | {letter: integers(rng, shape) for letter, shape in shapes.items()}
    for optimizer, lr in {
        "SGD": 1 / 8,
        "Momentum": 1 / 32,
        "RMSprop": 1 / 512,
        "Adam": 1 / 512,
    }.items():
        yield numbers | {"optimizer": optimizer, "lr": lr}


def integers(rng, shape):
    """Small integers, as lists; 0 does not occur, so that no term of a sum is invisible."""
    return (rng.integers(1, 5, shape) * rng.choice([-1, 1], shape)).tolist()


# ---- Answers: `framework` is a `Torch` or a `TensorFlow`, `q` a question.


def answer_same(framework, q):
    geometry = pick(q, "stride", "dilation", "padding")
    return {"z": bare(framework.conv(image(q["x"]), kernel(q["w"]), **geometry))}


def answer_same_1d(framework, q):
    padding = q["padding"] if q["padding"] == "same" else [q["padding"]]
    return {"z": bare(framework.conv(image(q["x"]), kernel(q["w"]), [q["stride"]], [1], padding))}


def answer_gradients(framework, q):
    x, w = np.array(q["x"], float), np.array(q["w"], float)
    geometry = pick(q, "stride", "dilation", "padding")
    dz = integers(np.random.default_rng(25), framework.conv(x, w, **geometry).shape)
    dx, dw, db = framework.gradients(x, w, np.array(dz, float), **geometry)
    return {"dz": dz, "dx": plain(dx), "dw": plain(dw), "db": plain(db)}


def answer_transposed(framework, q):
    geometry = pick(q, "stride", "padding", "output_padding")
    return {"x": bare(framework.transposed(image(q["dz"]), kernel(q["w"]), **geometry))}


def answer_transposed_sizes(framework, q):
    return {"P": framework.transposed_size(**q)}


def answer_borders(framework, q):
    geometry = pick(q, "stride", "padding", "border")
    z, dx, dw = framework.borders(image(q["x"]), kernel(q["w"]), counted, **geometry)
    return {"z": bare(z), "dz": bare(counted(z.shape)), "dx": bare(dx), "dw": bare(dw)}


def answer_filter2d(framework, q):
    return {"z": plain(framework.filter2d(**q))}


def answer_max_pool_ties(framework, q):
    x, geometry = image(q["x"]), pick(q, "window", "stride", "padding")
    a, dx = framework.max_pool(x, counted, **geometry)
    _, ones = framework.max_pool(x, np.ones, **geometry)
    da = counted(a.shape)
    return {"a": bare(a), "da": bare(da), "dx": bare(dx), "dx_for_ones": bare(ones)}


def answer_avg_pool(framework, q):
    x, geometry = image(q["x"]), pick(q, "window", "stride", "padding", "count_padding")
    a, dx = framework.avg_pool(x, counted_36, **geometry)
    return {"a": bare(a), "da": bare(counted_36(a.shape)), "dx": bare(dx)}


def answer_training(framework, q):
    x, params = np.array(q["x"]) / 4, [np.array(q[letter]) / 16 for letter in "wbvc"]
    losses, grads = framework.training(x, q["t"], params, q["optimizer"], q["lr"], 20)
    named = {f"d{letter}": g.tolist() for letter, g in zip("wbvc", grads, strict=True)}
    return {"losses": losses} | named


def pick(question, *names):
    return {name: question[name] for name in names}


def image(x):
    """One image of one channel, of numbers in rows or in a row."""
    return np.array(x, float)[None, ..., None]


kernel = image  # one filter, one channel: the axes lie alike


def bare(x):
    """The numbers of the only image and channel."""
    return plain(x[0, ..., 0])


def plain(x):
    """Lists of integers; anything else is no exact record."""
    whole = np.rint(x).astype(int)
    if not np.array_equal(whole, x):
        raise ValueError(f"not integers: {x}")
    return whole.tolist()


def counted(shape):
    """Deltas that are all different: 1, 2, 3, ..."""
    return np.arange(1.0, 1 + np.prod(shape)).reshape(shape)


def counted_36(shape):
    return 36 * counted(shape)


# ---- Records: questions with answers.

BOTH = ("tensorflow", "torch")
KINDS = {  # who is asked, the questions, the answer to one
    "same": (BOTH, same, answer_same),
    "same_1d": (BOTH, same_1d, answer_same_1d),
    "gradients": (BOTH, gradients, answer_gradients),
    "borders": (BOTH, borders, answer_borders),
    "filter2d": (("opencv",), filter2d, answer_filter2d),
    "transposed": (BOTH, transposed, answer_transposed),
    "transposed_sizes": (BOTH, transposed_sizes, answer_transposed_sizes),
    "keras_output_padding": (("tensorflow",), keras_output_padding, answer_transposed),
    "max_pool_ties": (BOTH, max_pool_ties, answer_max_pool_ties),
    "avg_pool": (BOTH, avg_pool, answer_avg_pool),
    "training": (BOTH, training, answer_training),
}


def records(name, framework):
    """All that one framework says: for each kind a list of records that bear its name."""
    with quiet():
        told = {
            kind: [
                {"framework": name} | question | answer(framework, question)
                for question in (questions(name) if name in asked else ())
            ]
            for kind, (asked, questions, answer) in KINDS.items()
        }
        told["errors"] = [
            {"framework": name, "call": call, "error": refusal(call, function)}
            for call, function in framework.refused().items()
        ]
        told["accepted"] = [
            {"framework": name, "call": call, "shape": list(result.shape)}
            for call, result in framework.accepted().items()
        ]
    return told


def refusal(call, function):
    """First line of the error that a call raises."""
    try:
        result = function()
    except Exception as error:  # each framework has several types, some of its own
        return first_line(error)
    raise ValueError(f"{call} is not refused, it gives {result}")


def as_text(content):
    """The file: JSON with one record a line, so that a difference shows which record changed."""
    parts = []
    for key, value in content.items():
        if isinstance(value, list):
            lines = ",\n".join(f"  {compact(record)}" for record in value)
            parts.append(f'"{key}": [\n{lines}\n ]')
        else:
            parts.append(f'"{key}": {compact(value)}')
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def main():
    try:
        frameworks = {name: connect(name) for name in FRAMEWORKS}
    except ImportError as error:
        sys.exit(f"{error}: install all frameworks, make test-frameworks does it.")
    told = [records(name, framework) for name, framework in frameworks.items()]
    versions = {"numpy": np.__version__}
    for framework in frameworks.values():
        versions |= framework.versions
    content = {"made_by": "python tests/frameworks/reference.py", "versions": versions}
    for kind in told[0]:
        content[kind] = [record for one in told for record in one[kind]]
    FILE.parent.mkdir(exist_ok=True)
    draft = FILE.with_name(FILE.name + ".part")  # replaced at once: a stop leaves the old file
    draft.write_text(as_text(content), encoding="utf-8", newline="\n")
    draft.replace(FILE)
    print(f"{sum(len(content[kind]) for kind in told[0])} records in {FILE}")


if __name__ == "__main__":
    main()
