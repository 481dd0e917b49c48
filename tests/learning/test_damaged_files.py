"""Damaged and forged files: a clear error that names the file, or what was saved; nothing between.

Each property counts its calls, with `pytest -s`. `make test` draws a few examples, always the same;
`make ci-long` thousands of new ones.
"""

import json
import os
import shutil
import tracemalloc
import zipfile
from collections import Counter
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib.errors import DataError, InputError
from cnnlib.learning import (
    Adam,
    AvgPool,
    Conv,
    Dense,
    Flatten,
    HalfSquaredError,
    Layer,
    MaxPool,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    fit,
    storage,
)

SAVED = Path(__file__).with_name("saved_at_5bb943c")
MOST = 32 << 20  # bytes that reading one of these files may take: they have at most 30 kB


class Training:
    """A training of few numbers, which a checkpoint may be of."""

    def __init__(self):
        rng = np.random.default_rng(0)
        layers = [Conv(2, 3, padding="same"), ReLU(), MaxPool(2), Flatten(), Dense(3)]
        self.network = Network(layers, SoftmaxCrossEntropy(), input_shape=(4, 4, 1), rng=rng)
        self.optimizer, self.rng = Adam(0.01), np.random.Generator(np.random.MT19937(1))

    def fit(self, path, epochs=2):
        data = np.random.default_rng(3)
        x, t = data.standard_normal((6, 4, 4, 1)).astype("f4"), data.integers(0, 3, 6)
        return fit(
            self.network, x, t, optimizer=self.optimizer, epochs=epochs, rng=self.rng, batch=4,
            validation=(x[:3], t[:3]), progress=False, checkpoint=path,
        )  # fmt: skip

    def all_of_it(self):
        memory = {
            n: {k: a.tobytes() for k, a in m.items()} for n, m in self.optimizer.memory.items()
        }
        params = {name: p.tobytes() for name, p in self.network.params.items()}
        return params, memory, self.optimizer.steps, storage.plain(self.rng.bit_generator.state)


def resumed(path):
    """What a training is that goes on from a file; one that is refused has not changed."""
    training = Training()
    before = training.all_of_it()
    try:
        history = training.fit(path)
    except (DataError, InputError):
        assert training.all_of_it() == before
        raise
    return training.all_of_it(), repr(history)


def loaded(path):
    network = Network.load(path)
    return network.architecture(), {name: p.tobytes() for name, p in network.params.items()}


def drawn(path):
    from cnnlib.book.widgets.network import read_network

    network = read_network(path)
    return network.architecture(), {name: p.tobytes() for name, p in network.params.items()}


def fewer(name):
    """A training or the explorer's file takes longer to read than the others."""
    share = {"training": 5, "explorer": 3}.get(name, 2)
    return settings(max_examples=settings().max_examples // share)


READERS = {"images": loaded, "volumes": loaded, "training": resumed, "explorer": drawn}


@cache
def original(name):
    """The bytes of a whole file, and what is read in it."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.npz")
        if name == "training":
            Training().fit(path)
        elif name == "explorer":
            pytest.importorskip("anywidget")
            from cnnlib.book.widgets.network import SHIPPED

            shutil.copy(SHIPPED, path)
        else:
            shutil.copy(SAVED / f"{name}.npz", path)
        return path.read_bytes(), READERS[name](path)


@cache
def tree_of(name):
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.npz")
        path.write_bytes(original(name)[0])
        return storage.read(path)


def outcome(read, path, but=DataError):
    """'clear' or 'raw', or what was read."""
    tracemalloc.start()
    try:
        return read(path)
    except (DataError, but) as error:
        assert "a.npz" in str(error) or isinstance(error, InputError), error
        assert len(str(error)) < 2000
        return "clear"
    except Exception as error:
        return f"raw: {error!r:.200}"
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MOST, peak


# Bytes


def flips(size):
    place = st.tuples(st.integers(0, size - 1), st.integers(0, 7))
    return st.lists(place, min_size=1, max_size=3).map(lambda found: ("flip", found))


def cuts(size):
    return st.tuples(st.just("cut"), st.integers(0, size - 1), st.integers(0, 64))


def damaged(content, how):
    changed = bytearray(content)
    if how[0] == "flip":
        for place, bit in how[1]:
            changed[place] ^= 1 << bit
    elif how[0] == "cut":  # its end is lost, or a piece in the middle
        _, start, length = how
        del changed[start : start + length if length else None]
    else:
        _, start, piece = how
        changed[start:start] = piece
    return bytes(changed)


def bytes_of(size):
    grown = st.tuples(st.just("grow"), st.integers(0, size), st.binary(min_size=1, max_size=9))
    return st.one_of(flips(size), cuts(size), grown)


@pytest.mark.parametrize("name", READERS)
def test_damaged_bytes_give_a_clear_error_or_what_was_saved(name, tmp_path):
    content, whole = original(name)
    counts, path = Counter(), tmp_path / "a.npz"

    @fewer(name)
    @given(bytes_of(len(content)))
    def check(how):
        path.write_bytes(damaged(content, how))
        found = outcome(READERS[name], path)
        word = "same" if found == whole else found if isinstance(found, str) else "other"
        counts[word[:5]] += 1
        assert word in ("clear", "same"), word

    check()
    print(f"{name}: {dict(counts)}")
    assert counts["clear"] > counts["same"]


# Trees with a right checksum

NASTY = (
    None, True, -1, 0, 2, 3, 10**8, 10**18, 10**40, 1e308, float("nan"), "", "x", "Dense", "Layer",
    "ReLU", "np", "float16", "object", [], [1], [[1, 2]], {}, {"@": "x"}, {"a": 1}, [10**6] * 3,
)  # fmt: skip
ARRAYS = (
    np.zeros(0), np.array(1.0), np.zeros((3, 3), "f4"), np.array(["a"]), np.zeros(4, "c16"),
    np.zeros(700, "u4"), np.array(True),
)  # fmt: skip


def places(part, at=()):
    """Where in a tree something stands."""
    yield at
    if isinstance(part, dict | list):
        for key, inner in part.items() if isinstance(part, dict) else enumerate(part):
            yield from places(inner, (*at, key))


def forged(tree, at, value):
    """A copy in which something else stands there, or nothing where the value is 'gone'."""
    tree = deepcopy(tree)
    part = tree
    for key in at[:-1]:
        part = part[key]
    if isinstance(value, np.ndarray) and any(isinstance(key, int) for key in at):
        value = "array"  # a file has none in lists
    if isinstance(value, str) and value == "gone":
        del part[at[-1]]
    else:
        part[at[-1]] = value
    return tree


def changes(tree):
    at = st.sampled_from([place for place in places(tree) if place])
    return st.lists(
        st.tuples(at, st.sampled_from((*NASTY, *ARRAYS, "gone"))), min_size=1, max_size=2
    )


@pytest.mark.parametrize("name", ["images", "volumes", "training"])
def test_a_forged_tree_gives_a_clear_error_or_a_network_that_works(name, tmp_path):
    """Whoever can write a file can compute its checksum."""
    counts, path, tree = Counter(), tmp_path / "a.npz", tree_of(name)

    @fewer(name)
    @given(changes(tree))
    def check(pairs):
        changed = tree
        for at, value in pairs:
            try:
                changed = forged(changed, at, value)
            except (KeyError, IndexError, TypeError):  # what was there is gone
                pass
        storage.write(path, changed)
        found = outcome(READERS[name], path, but=InputError)
        counts[found[:5] if isinstance(found, str) else "works"] += 1
        assert not isinstance(found, str) or found == "clear", (pairs, found)

    check()
    print(f"{name}: {dict(counts)}")
    assert counts["clear"] > counts["works"]


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (("network", "parts", 0, 1, "outputs"), 10**8, "far fewer are saved"),
        (("network", "parts", 0, 1, "outputs"), -1, "outputs is -1"),
        (("network", "parts", 0, 1, "outputs"), 3, r"dense1\.w.*\(3, 2\).*\(3, 3\).*a class has"),
        (("network", "parts", 0, 0), "Layer", "class Layer, which cnnlib does not have"),
        (("network", "parts", 0, 0), "Arrays", "class Arrays, which cnnlib does not have"),
        (("network", "parts", 1, 0), "HalfSquaredError", "is no Layer; the loss alone comes last"),
        (("network", "parts", 2, 0), "ReLU", r"ReLU\(\) is no Loss"),
        (("network", "parts"), [], "None is no Loss"),
        (("network", "input_shape"), [10**9], "far fewer are saved"),
        (("network", "input_shape"), [], "input_shape is"),
        (("network", "dtype"), "float64", "float32.*float64"),
        (("network",), None, "architecture is None"),
        (("params",), {}, "holds params of the types and shapes {}"),
        (("params", "dense1.w"), np.zeros((3, 2), complex), "complex128"),
        (("params", "dense1.w"), np.zeros((3, 2), int), "int64"),
        (("params", "dense1.w"), 1.0, "truncated, damaged"),
    ],
    ids=lambda value: f"{value!s:.40}",
)  # fmt: skip
def test_a_forged_network_is_refused_with_its_reason(at, value, words, tmp_path):
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    Network([Dense(2), ReLU()], HalfSquaredError(), input_shape=(3,), rng=rng).save(path)
    storage.write(path, forged(storage.read(path), at, value))
    kind = InputError if "does not have" in words else DataError
    assert outcome(Network.load, path, but=kind) == "clear"
    with pytest.raises(kind, match=words):
        Network.load(path)


@pytest.mark.parametrize("key", ["input_shape", "padding"])
@pytest.mark.parametrize("kind", [AvgPool, MaxPool])
def test_a_pool_that_is_laid_on_an_enormous_image_takes_no_memory(kind, key, tmp_path):
    """No parameter says how large an image is, so this is a network that may be."""
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    pool = kind(3, stride=1, padding=1)
    Network([pool], HalfSquaredError(), input_shape=(5, 1), rng=rng).save(path)
    at = ("network", "input_shape", 0) if key == "input_shape" else ("network", "parts", 0, 1, key)
    storage.write(path, forged(storage.read(path), at, 10**8))
    found = outcome(Network.load, path)
    if key == "input_shape":
        assert found.output_shape == (10**8, 1)
    else:
        assert found == "clear"  # windows that meet no input


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (("run",), 3),
        (("run", "batch"), "gone"),
        (("lengths", "loss"), "12"),
        (("lengths", "loss"), 3),
        (("history", "loss"), [1.0] * 3),
        (("history", "loss", 0), "0.5"),
        (("history", "validation", 0), [0.5]),
        (("history", "epoch_steps"), 0),
        (("epoch",), -1),
        (("epoch",), 99),
        (("shuffle",), {}),
        (("shuffle", "state", "pos"), 10**9),  # NumPy would read beyond its array
        (("shuffle", "state", "pos"), -5),
        (("shuffle", "state", "key"), np.zeros(3, "u4")),
        (("shuffle", "bit_generator"), "PCG64"),
        (("memory", "dense1.w", "m"), np.zeros((3, 8), "f4")),
        (("memory", "dense1.w", "v"), "gone"),
        (("memory", "dense1.w"), "gone"),
        (("memory", "dense2.w"), {}),
        (("steps", "dense1.w"), "4"),
        (("steps", "dense1.w"), 10**400),
        (("params", "dense1.w"), np.zeros((8, 3))),
        (("before", "dense1.b"), np.zeros(4, "f4")),
        (("buffers",), {"dense1.mean": np.zeros(3, "f4")}),
        (("params", "dense1.b"), np.full(3, np.nan, "f4")),
        (("before", "dense1.b"), np.full(3, np.inf, "f4")),
        (("memory", "dense1.b", "v"), np.full(3, np.inf, "f4")),
    ],
    ids=lambda value: f"{value!s:.40}",
)
def test_a_forged_checkpoint_is_refused_and_nothing_changes(at, value, tmp_path):
    path = tmp_path / "a.npz"
    Training().fit(path)
    storage.write(path, forged(storage.read(path), at, value))
    kept = path.read_bytes()
    with pytest.raises(DataError, match=r"a\.npz cannot be read: it is truncated, damaged, or no"):
        resumed(path)
    assert path.read_bytes() == kept


# Archives


def npy(header, data=b""):
    """An npy file with a header that may lie."""
    text = repr(header).encode() if not isinstance(header, bytes) else header
    text = text.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def archive(path, compression=zipfile.ZIP_STORED, **members):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)


FLOATS = {"descr": "<f8", "fortran_order": False}
LIES = {
    "too many numbers": npy(FLOATS | {"shape": (10**10,)}, bytes(80)),
    "far too many": npy(FLOATS | {"shape": (10**30,)}, bytes(80)),
    "too few": npy(FLOATS | {"shape": (5,)}, bytes(80)),
    "a negative number": npy(FLOATS | {"shape": (-10,)}, bytes(80)),
    "no shape": npy(FLOATS, bytes(80)),
    "objects": npy(FLOATS | {"descr": "|O", "shape": (10,)}, bytes(80)),
    "a type of gigabytes": npy(FLOATS | {"descr": ("<f8", (10**9,)), "shape": (10,)}, bytes(80)),
    "no literal": npy(b"__import__('os').abort()", bytes(80)),
    "deep": npy(b"(" * 110, bytes(80)),
    "another version": b"\x93NUMPY\x09\x00" + npy(FLOATS | {"shape": (10,)}, bytes(80))[8:],
    "no npy": b"text",
    "nothing": b"",
}


@pytest.mark.parametrize("member", ["about", "checksum", "params/dense1.w"])
@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused_before_memory_is_asked_for(lie, member, tmp_path):
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    Network([Dense(2)], HalfSquaredError(), input_shape=(3,), rng=rng).save(path)
    with zipfile.ZipFile(path) as file:
        members = {name.removesuffix(".npy"): file.read(name) for name in file.namelist()}
    archive(path, **members | {member: LIES[lie]})
    assert outcome(Network.load, path) == "clear"
    assert outcome(resumed, path) == "clear"


def test_bytes_behind_an_array_are_refused(tmp_path):
    """The checksum is of the array, and right."""
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    Network([Dense(2)], HalfSquaredError(), input_shape=(3,), rng=rng).save(path)
    with zipfile.ZipFile(path) as file:
        members = {name.removesuffix(".npy"): file.read(name) for name in file.namelist()}
    members["params/dense1.w"] += b"more"
    archive(path, **members)
    with pytest.raises(DataError, match=r"a header promises \(3, 2\) of float32"):
        Network.load(path)


def test_what_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    """A compressed member, one that says that it is short, and a short one that says it is long."""
    path, large = tmp_path / "a.npz", npy(FLOATS | {"shape": (10**7,)}, bytes(8 * 10**7))
    archive(path, zipfile.ZIP_DEFLATED, checksum=npy(FLOATS | {"shape": ()}, bytes(8)), about=large)
    content = path.read_bytes()
    assert len(content) < 100_000
    assert outcome(Network.load, path) == "clear"
    size = content.rindex(b"PK\x01\x02") + 24  # of the last member, in the directory
    path.write_bytes(content[:size] + (100).to_bytes(4, "little") + content[size + 4 :])
    assert outcome(Network.load, path) == "clear"
    archive(path, a=bytes(100))
    content = path.read_bytes()
    end = content.rindex(b"PK\x01\x02") + 20  # compressed and uncompressed size, in the directory
    size = (0xFFFFFFF0).to_bytes(4, "little")
    path.write_bytes(content[:end] + size + size + content[end + 8 :])
    assert outcome(Network.load, path) == "clear"
    with pytest.raises(DataError, match="its parts are larger than the whole"):
        Network.load(path)


def test_deep_and_long_texts_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    for text in (
        "[" * 100_000,
        '{"a":' * 50_000,
        "1" * 100_000,
        json.dumps({"format": "x" * 10**6}),
    ):
        arrays = {"about": np.array(text)}
        np.savez(path, **arrays, checksum=np.array(storage.digest(arrays)))
        assert outcome(Network.load, path) == "clear"


# Classes of one's own


class Wide(Layer):
    """Draws twice as many numbers as it keeps, and in another way than the library's layers."""

    def __init__(self, width):
        super().__init__()
        self.width = width

    def build(self, shape, rng, dtype):
        both = rng.standard_normal((2, *shape, self.width))
        self.params["w"] = (both[0] + both[1]).astype(dtype)
        self.params["g"] = rng.uniform(size=self.width).astype(dtype)
        return (self.width,)

    def forward(self, x):
        return self.params["g"] * (x @ self.params["w"])


def test_a_layer_of_ones_own_is_loaded_whatever_it_draws(tmp_path):
    path, rng, x = tmp_path / "a.npz", np.random.default_rng(0), np.ones((1, 300), "f4")
    network = Network([Wide(400)], HalfSquaredError(), input_shape=(300,), rng=rng)
    network.save(path)
    again = Network.load(path, classes=[Wide])
    assert again.forward(x).tobytes() == network.forward(x).tobytes()


def test_what_a_class_of_ones_own_raises_names_the_file(tmp_path):
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    Network([Wide(4)], HalfSquaredError(), input_shape=(3,), rng=rng).save(path)
    changed = type("Wide", (Wide,), {"__init__": lambda self: None})
    with pytest.raises(
        DataError, match=r"a\.npz cannot be read.*unexpected keyword argument"
    ) as caught:
        Network.load(path, classes=[changed])
    assert isinstance(caught.value.__cause__.__cause__, TypeError)


# What is no file, and what would take too long


@pytest.mark.parametrize("read", [Network.load, resumed], ids=["load", "resume"])
@pytest.mark.parametrize("kind", ["fifo", "zero", "folder"])
def test_what_is_no_file_is_neither_read_nor_replaced(kind, read, tmp_path):
    path = tmp_path / "a.npz"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    before = path.lstat()
    with pytest.raises(DataError, match=r"a\.npz cannot be read: it is no file"):
        read(path)
    assert path.lstat() == before


def test_a_forged_file_cannot_ask_for_any_number_of_layers(tmp_path):
    path, rng = tmp_path / "a.npz", np.random.default_rng(0)
    Network([ReLU()], HalfSquaredError(), input_shape=(3,), rng=rng).save(path)
    parts = [["ReLU", {}]] * 20_000 + [["HalfSquaredError", {}]]
    storage.write(path, forged(storage.read(path), ("network", "parts"), parts))
    with pytest.raises(DataError, match="layers has 20000 entries; expected .* at most 10000"):
        Network.load(path)
