"""The numbers of the frameworks that the book quotes: still theirs, and `cnnlib`'s too."""

import json

import numpy as np
import pytest
import reference
from answers import FRAMEWORKS, connect

import cnnlib
from cnnlib.errors import InputError
from cnnlib.learning import ConvTranspose
from cnnlib.learning.layers import Conv, Dense, Flatten, MaxPool, ReLU
from cnnlib.learning.losses import SoftmaxCrossEntropy
from cnnlib.learning.network import Network
from cnnlib.learning.optimizers import SGD, Adam, Momentum, RMSprop

TEXT = reference.FILE.read_text(encoding="utf-8")
BOOK = json.loads(TEXT)


# ---- Recomputed with the frameworks, where they are installed.


@pytest.fixture(scope="module", params=FRAMEWORKS)
def framework(request):
    """Name of the framework and the framework itself."""
    request.getfixturevalue(request.param)
    return request.param, connect(request.param)


def test_the_framework_computes_every_record_again(framework):
    name, connected = framework
    now = reference.records(name, connected)
    assert set(now) == set(BOOK) - {"made_by", "versions"}
    for kind, records in now.items():
        then = [record for record in BOOK[kind] if record["framework"] == name]
        if kind == "errors" and not made_with(connected):
            # Another version may word a refusal in another way, but it refuses.
            records = [without_text(record) for record in records]
            then = [without_text(record) for record in then]
        assert len(records) == len(then), kind
        for number, (new, old) in enumerate(zip(records, then, strict=True)):
            assert alike(new, old), f"record {number} of {kind}"


def alike(new, old):
    """Equality, but a float may differ by 1e-12: only the records of a training have any."""
    if isinstance(old, dict):
        return new.keys() == old.keys() and all(alike(new[key], old[key]) for key in old)
    if isinstance(old, list):
        return len(new) == len(old) and all(map(alike, new, old))
    return abs(new - old) <= 1e-12 if isinstance(old, float) else new == old


def made_with(framework):
    """Whether the file was made with this version."""
    return framework.versions.items() <= BOOK["versions"].items()


def without_text(record):
    return {name: value for name, value in record.items() if name != "error"}


def test_the_command_writes_the_file(tmp_path, monkeypatch, capsys, torch, tensorflow, opencv):
    connected = {name: connect(name) for name in FRAMEWORKS}
    file = tmp_path / "results" / "frameworks.json"
    monkeypatch.setattr(reference, "FILE", file)
    monkeypatch.setattr(reference, "connect", connected.get)
    reference.main()
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    written = json.loads(file.read_text(encoding="utf-8"))
    assert list(written) == list(BOOK)
    versions = written.pop("versions")
    assert versions["numpy"] == np.__version__
    if all(map(made_with, connected.values())):
        assert alike(written, {key: value for key, value in BOOK.items() if key != "versions"})
    size = sum(len(written[kind]) for kind in written if kind != "made_by")
    assert capsys.readouterr().out == f"{size} records in {file}\n"


# ---- Compared with `cnnlib`, from the committed file alone.


def each(kind):
    """One test for each record of a kind."""
    names = [f"{record['framework']}-{number}" for number, record in enumerate(BOOK[kind])]
    return pytest.mark.parametrize("record", BOOK[kind], ids=names)


def array(record, name):
    """One image or kernel, in the layout of the library."""
    return np.array(record[name], float)[None, ..., None]


def same(result, record, name):
    """Whether one image has exactly the numbers of the record."""
    return np.array_equal(result[0, ..., 0], np.array(record[name]))


@each("same")
def test_convolutions(record):
    geometry = reference.pick(record, "stride", "dilation", "padding")
    assert same(cnnlib.conv(array(record, "x"), array(record, "w"), **geometry), record, "z")


@each("same_1d")
def test_convolutions_in_one_dimension(record):
    geometry = reference.pick(record, "stride", "padding")
    assert same(cnnlib.conv(array(record, "x"), array(record, "w"), **geometry), record, "z")


@each("gradients")
def test_gradients(record):
    x, w, dz = (np.array(record[name], float) for name in ("x", "w", "dz"))
    geometry = reference.pick(record, "stride", "dilation", "padding")
    assert cnnlib.conv_delta(dz, w, x.shape, **geometry).tolist() == record["dx"]
    kernel = w.shape[1:-1]
    assert cnnlib.conv_weight_gradient(x, dz, kernel, **geometry).tolist() == record["dw"]
    assert cnnlib.conv_bias_gradient(dz).tolist() == record["db"]


@each("transposed")
def test_a_transposed_convolution_is_a_delta(record):
    dz, w = array(record, "dz"), array(record, "w")
    shape = np.shape(record["x"])
    geometry = reference.pick(record, "stride", "padding")
    assert same(cnnlib.conv_delta(dz, w, (1, *shape, 1), **geometry), record, "x")
    if record["framework"] == "torch":  # output_padding is the remainder that no window reached
        s, p, q = record["stride"], record["padding"], record["output_padding"]
        I, U = np.shape(record["dz"]), np.shape(record["w"])
        assert shape == tuple(s * (I[a] - 1) + U[a] - 2 * p + q for a in (0, 1))


@each("transposed_sizes")
def test_the_size_of_a_transposed_convolution_leads_to_as_many_outputs(record):
    geometry = reference.pick(record, "stride", "dilation", "padding")
    window = cnnlib.Window(record["U"], **geometry)
    assert window.output_shape((record["P"],)) == (record["I"],)
    if record["framework"] == "torch":  # Keras has other sizes for kernels smaller than the stride
        more = {"output_padding": record["output_padding"]}
        layer = ConvTranspose(1, (record["U"],), **geometry, **more)
        assert layer.output_shape((record["I"], 1)) == (record["P"], 1)


@each("keras_output_padding")
def test_the_output_padding_of_keras_chooses_the_size(record):
    dz, w, P = array(record, "dz"), array(record, "w"), np.shape(record["x"])
    geometry = reference.pick(record, "stride", "padding")
    assert same(cnnlib.conv_delta(dz, w, (1, *P, 1), **geometry), record, "x")
    for a, (I, U) in enumerate(zip(np.shape(record["dz"]), np.shape(record["w"]), strict=True)):
        cropped = 2 * (U // 2) if record["padding"] == "same" else 0
        assert P[a] == record["stride"] * (I - 1) + U - cropped + record["output_padding"]


BORDERS = {  # what each name means: the cell that stands for cell p of an axis of P, by brute force
    "zeros": lambda p, P: p if 0 <= p < P else None,
    "replicate": lambda p, P: min(max(p, 0), P - 1),
    "reflect": lambda p, P: -p if p < 0 else min(p, 2 * P - 2 - p),
    "symmetric": lambda p, P: -1 - p if p < 0 else min(p, 2 * P - 1 - p),
    "circular": lambda p, P: p % P,
}
OPENCV = {"CONSTANT": "zeros", "REPLICATE": "replicate", "REFLECT": "symmetric"}


def rows(I, U, P, place, border):
    """Output, weight and input of each row, in two dimensions; a row may meet a cell again."""
    for i, j, u, v in np.ndindex(*I, *U):
        cells = [border(place(a, *iu), P[a]) for a, iu in enumerate(((i, u), (j, v)))]
        if None not in cells:
            yield (i, j), (u, v), tuple(cells)


@each("borders")
def test_a_border_is_rows_that_meet_a_cell_again(record):
    """The three sums over rows whose input outside is a cell inside; nothing of `cnnlib`."""
    x, w, dz = (np.array(record[name]) for name in ("x", "w", "dz"))
    s, before, border = record["stride"], record["padding"], BORDERS[record["border"].lower()]
    z, dx, dw = np.zeros_like(dz), np.zeros_like(x), np.zeros_like(w)
    for i, u, p in rows(
        dz.shape, w.shape, x.shape, lambda a, i, u: s[a] * i + u - before[a], border
    ):
        z[i] += w[u] * x[p]
        dx[p] += w[u] * dz[i]
        dw[u] += x[p] * dz[i]
    assert (z.tolist(), dx.tolist(), dw.tolist()) == (record["z"], record["dx"], record["dw"])


@each("filter2d")
def test_filter2d_is_a_cross_correlation_with_a_centre_and_a_border(record):
    x, w = np.array(record["x"]), np.array(record["w"])
    column, row = record["anchor"] or (w.shape[1] // 2, w.shape[0] // 2)
    border = OPENCV.get(record["border"], "reflect")  # its REFLECT_101 and its default
    z = np.zeros_like(x)
    centre = (row, column)
    for i, u, p in rows(
        x.shape, w.shape, x.shape, lambda a, i, u: i + u - centre[a], BORDERS[border]
    ):
        z[i] += w[u] * x[p]
    if record["dtype"] == "uint8":  # it does not wrap round: it stops at both ends
        z = z.clip(0, 255)
    elif border == "zeros":
        ours = cnnlib.conv(array(record, "x"), array(record, "w"), center=centre)
        assert same(ours, record, "z")
    assert z.tolist() == record["z"]


@each("max_pool_ties")
def test_max_pools_with_ties(record):
    x, geometry = array(record, "x"), reference.pick(record, "window", "stride", "padding")
    a, winners = cnnlib.max_pool(x, **geometry)
    assert same(a, record, "a")
    dx = cnnlib.max_pool_delta(array(record, "da"), winners, x.shape)
    assert same(dx, record, "dx")
    dx = cnnlib.max_pool_delta(np.ones(a.shape), winners, x.shape)
    assert same(dx, record, "dx_for_ones")


@each("avg_pool")
def test_average_pools(record):
    x = array(record, "x")
    geometry = reference.pick(record, "window", "stride", "padding", "count_padding")
    assert same(cnnlib.avg_pool(x, **geometry), record, "a")
    assert same(cnnlib.avg_pool_delta(array(record, "da"), x.shape, **geometry), record, "dx")


@each("training")
def test_trainings(record):
    """Twenty losses and the first gradients, in the framework's own form of the optimizer."""
    layers = [Conv(2, (2, 3)), ReLU(), MaxPool(2, stride=1), Flatten(), Dense(3)]
    rng = np.random.default_rng(0)
    shape = np.shape(record["x"])[1:]
    network = Network(layers, SoftmaxCrossEntropy(), input_shape=shape, rng=rng, dtype=np.float64)
    for p, letter in zip(network.params.values(), "wbvc", strict=True):
        p[...] = np.array(record[letter]) / 16
    rule = {"SGD": SGD, "Momentum": Momentum, "RMSprop": RMSprop, "Adam": Adam}[record["optimizer"]]
    form = {"form": {"torch": "torch", "tensorflow": "keras"}[record["framework"]]}
    optimizer = rule(record["lr"], **form if rule is not SGD else {})
    x, t = np.array(record["x"]) / 4, np.array(record["t"])
    for step, then in enumerate(record["losses"]):
        loss, grads = network.gradients(x, t)
        assert abs(loss - then) <= 1e-12
        if step == 0:
            for g, letter in zip(grads.values(), "wbvc", strict=True):
                assert np.abs(g - record[f"d{letter}"]).max() <= 1e-12
        optimizer.step(network.params, grads)
    assert record["losses"][-1] < record["losses"][0]


def test_one_record_of_each_framework_by_hand():
    """Six inputs 3 1 4 1 5 9, the kernel 2 7 1, stride 2: TensorFlow starts one cell later."""
    question = {"x": [3, 1, 4, 1, 5, 9], "w": [2, 7, 1], "stride": 2}
    found = {
        (record["framework"], record["padding"]): record["z"]
        for record in BOOK["same_1d"]
        if question.items() <= record.items()
    }
    assert found == {
        ("tensorflow", "same"): [2 * 3 + 7 * 1 + 1 * 4, 2 * 4 + 7 * 1 + 1 * 5, 2 * 5 + 7 * 9],
        ("torch", 1): [7 * 3 + 1 * 1, 2 * 1 + 7 * 4 + 1 * 1, 2 * 1 + 7 * 5 + 1 * 9],
    }


def test_a_tie_by_hand():
    """All numbers are 7: the first cell of each window gets the delta, in both frameworks."""
    question = {"x": [[7] * 4] * 4, "window": 2, "stride": 2}
    found = [record for record in BOOK["max_pool_ties"] if question.items() <= record.items()]
    first = [record for record in found if record["padding"] in ("valid", 0)]
    assert [record["framework"] for record in first] == ["tensorflow", "torch"]
    for record in first:
        assert record["dx"] == [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]


def test_what_a_framework_accepts_without_an_output_the_library_refuses():
    assert [record["shape"] for record in BOOK["accepted"]] == [[1, 0, 1]]
    with pytest.raises(InputError, match="the kernel spans 3 cells"):
        cnnlib.conv(np.ones((1, 2, 1)), np.ones((1, 3, 1)))


# ---- What a framework refuses, said to the library: it computes or refuses, never a wrong number.

X, W = np.ones((1, 6, 1)), np.ones((1, 3, 1))
X2, W2 = np.ones((1, 6, 6, 1)), np.ones((1, 3, 3, 1))


def conv(x=X, w=W, **geometry):
    return lambda: cnnlib.conv(x, w, **geometry)


def delta(dz, w, input_shape, **geometry):
    return lambda: cnnlib.conv_delta(dz, w, input_shape, **geometry)


COMPUTED = {
    "convolution(strides=2, dilations=2)": conv(stride=2, dilation=2, padding="same"),
    "keras.layers.Conv1D(strides=2, dilation_rate=2)": conv(stride=2, dilation=2),
    "the gradient of conv2d(dilations=2) on a CPU": delta(
        X2, W2, X2.shape, dilation=2, padding="same"
    ),
    "conv1d(padding=1)": conv(padding=1),
    "conv1d(padding=[[0, 0], [1, 2], [0, 0]])": conv(padding=((1, 2),)),
    "conv1d(padding='FULL')": conv(padding="full"),
    "conv1d(padding='full')": conv(padding="full"),
    "conv1d(center=0)": conv(center=0),
    "keras.layers.Conv1D(center=0)": conv(center=0),
    "conv1d(padding='same', stride=2)": conv(padding="same", stride=2),
    "conv2d(padding=((1, 2), (0, 1)))": conv(X2, W2, padding=((1, 2), (0, 1))),
    "conv_transpose1d(padding='same')": delta(X, W, X.shape, padding="same"),
    "filter2D(borderType=BORDER_WRAP)": conv(np.pad(X, ((0, 0), (1, 1), (0, 0)), "wrap")),
    "filter2D(x of int64)": conv(X.astype(np.int64)),
}
REFUSED = {
    "conv1d(padding=(1, 2))": conv(padding=(1, 2)),
    "conv1d(padding=-1)": conv(padding=-1),
    "conv1d(stride=0)": conv(stride=0),
    "conv1d(x of 2 cells, w of 3)": conv(X[:, :2]),
    "conv1d(x of 2 cells, w of 3, dilation=2, padding=1)": conv(X[:, :2], dilation=2, padding=1),
    # Six deltas, stride 2, output_padding 2: fifteen cells would have led to seven deltas.
    "conv_transpose1d(stride=2, output_padding=2)": delta(X, W, (1, 15, 1), stride=2),
    "conv2d_transpose(dz of 3x3 cells, output of 7x7, stride=2, padding='SAME')": delta(
        X2[:, :3, :3], W2, (1, 7, 7, 1), stride=2, padding="same"
    ),
    # Twelve and eleven cells have six outputs of 'same' at stride 2, ten have five.
    "keras.ops.conv_transpose(w of 2x2, 'SAME', output_padding=0)": delta(
        X2, np.ones((1, 2, 2, 1)), (1, 10, 10, 1), stride=2, padding="same"
    ),
    "filter2D(w of 1x3, anchor=(3, 0))": conv(center=3),
    "max_pool1d(window of 2, padding=2)": lambda: cnnlib.max_pool(X, 2, padding=2),
    "max_pool2d(x of 6x6 cells, window of 9)": lambda: cnnlib.max_pool(X2, 9, stride=1),
}


def test_every_refusal_is_compared():
    assert {record["call"] for record in BOOK["errors"]} == {*COMPUTED, *REFUSED}


@pytest.mark.parametrize("call", COMPUTED)
def test_the_library_computes_what_a_framework_refuses(call):
    assert np.isfinite(COMPUTED[call]()).all()


@pytest.mark.parametrize("call", REFUSED)
def test_the_library_refuses_it_too(call):
    with pytest.raises(InputError):
        REFUSED[call]()


# ---- The file itself.


def test_the_file_is_small_and_as_the_command_formats_it():
    assert len(TEXT.encode()) < 150_000
    assert reference.as_text(BOOK) == TEXT


def test_every_kind_has_records_of_all_that_are_asked():
    for kind, (asked, _, _) in reference.KINDS.items():
        assert {record["framework"] for record in BOOK[kind]} == set(asked), kind
