"""Files: what comes back, what is refused, and that a write is whole or did not happen."""

import json
import os
from itertools import product

import numpy as np
import pytest

import cnnlib
from cnnlib.errors import DataError, InputError
from cnnlib.learning import storage

TREE = {
    "words": ["he", None, True, 3, -0.1, 2**100, {}, []],
    "params": {"conv1.w": np.arange(6, dtype=np.float32).reshape(1, 2, 3), "b": np.zeros(0)},
    "state": {"deep": {"m": np.array([[np.nan, -0.0], [np.inf, 5e-324]])}, "step": np.array(7)},
}


def test_a_tree_comes_back_bit_for_bit(tmp_path):
    storage.write(tmp_path / "a.npz", TREE)
    back = storage.read(str(tmp_path / "a.npz"))
    assert back.keys() == TREE.keys() and back["words"] == TREE["words"]
    found = {**back["params"], **back["state"]["deep"], "step": back["state"]["step"]}
    expected = {**TREE["params"], **TREE["state"]["deep"], "step": TREE["state"]["step"]}
    assert found.keys() == expected.keys()
    for name, a in expected.items():
        assert (found[name].dtype, found[name].shape) == (a.dtype, a.shape)
        assert found[name].tobytes() == a.tobytes()


def test_numpy_alone_reads_the_arrays_and_what_is_said_of_them(tmp_path):
    storage.write(tmp_path / "a.npz", TREE)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert set(file) == {
            "params/conv1.w", "params/b", "state/deep/m", "state/step", "about", "checksum"
        }  # fmt: skip
        about = json.loads(str(file["about"]))
    assert about["format"] == storage.FORMAT
    assert about["versions"] == {"cnnlib": cnnlib.__version__, "numpy": np.__version__}


def test_the_name_is_taken_as_it_is_and_nothing_else_stays(tmp_path):
    for name in ("weights", "weights.npz", "a b.tar"):
        storage.write(tmp_path / name, {"a": np.ones(2)})
        storage.write(tmp_path / name, {"a": np.zeros(2)})
        assert storage.read(tmp_path / name)["a"].tolist() == [0, 0]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a b.tar", "weights", "weights.npz"]


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    storage.write(path, TREE)
    whole = path.read_bytes()
    for length in {0, 1, 2, 30, *range(0, len(whole), 37), len(whole) - 1}:
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"a\.npz cannot be read: it is truncated, damaged, or"):
            storage.read(path)


def test_every_flipped_byte_is_noticed(tmp_path):
    """Either the file is refused, or (names and dates that nobody reads) it says the same."""
    path = tmp_path / "a.npz"
    storage.write(path, {"a": np.arange(4.0)})
    whole, refused = path.read_bytes(), 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            assert storage.read(path)["a"].tolist() == [0, 1, 2, 3]
        except DataError:
            refused += 1
    assert refused > len(whole) / 2


def test_the_checksum_covers_values_names_types_and_shapes():
    a = {"x": np.arange(4.0), "y": np.zeros(2)}
    others = [
        {"x": np.array([0, 1, 2, 3 + 1e-15]), "y": np.zeros(2)},
        {"x": np.arange(4.0).reshape(2, 2), "y": np.zeros(2)},
        {"z": np.arange(4.0), "y": np.zeros(2)},
        {"x": np.arange(4.0), "y": np.zeros(4, np.float32)},
        {"x": np.arange(4.0)},
        {"y": np.arange(4.0), "x": np.zeros(2)},
    ]
    digests = {storage.digest(tree) for tree in [a, *others]}
    assert len(digests) == 1 + len(others)
    assert storage.digest(a) == storage.digest(dict(reversed(a.items())))
    columns = {"x": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    assert storage.digest(columns) == storage.digest({"x": np.arange(6.0).reshape(2, 3)})


def test_values_that_were_changed_in_a_valid_archive_are_noticed(tmp_path):
    storage.write(tmp_path / "a.npz", TREE)
    with np.load(tmp_path / "a.npz") as file:
        members = dict(file)
    members["params/conv1.w"][0, 1, 2] += 1
    np.savez(tmp_path / "a.npz", **members)
    with pytest.raises(DataError, match="its contents do not have its checksum"):
        storage.read(tmp_path / "a.npz")


def resealed(path, about):
    """A file with these words and the right checksum for them."""
    arrays = {"a": np.ones(1), "about": np.array(about)}
    np.savez(path, **arrays, checksum=np.array(storage.digest(arrays)))


@pytest.mark.parametrize("kind", ["text", "npy", "npz", "zip", "pickle", "words"])
def test_a_foreign_file_is_refused(kind, tmp_path):
    path = tmp_path / "a.npz"
    if kind == "text":
        path.write_text("not an archive")
    elif kind == "npy":
        with open(path, "wb") as file:
            np.save(file, np.ones(3))
    elif kind == "npz":
        np.savez(path, w=np.ones(3))
    elif kind == "zip":
        path.write_bytes(b"PK\x05\x06" + bytes(18))
    elif kind == "pickle":
        np.savez(path, about=np.array({"a": 1}, dtype=object), checksum=np.array("0"))
    else:
        resealed(path, "[1, 2]")
    with pytest.raises(DataError, match="cannot be read: it is truncated, damaged, or no file"):
        storage.read(path)


def test_another_format_names_the_version_that_reads_it(tmp_path):
    path = tmp_path / "a.npz"
    resealed(path, json.dumps({"format": 99, "versions": {"cnnlib": "8.1"}, "tree": {}}))
    with pytest.raises(DataError, match=r"has format 99, not 1: install cnnlib 8\.1"):
        storage.read(path)


def test_a_missing_file_and_a_missing_folder(tmp_path):
    with pytest.raises(DataError, match=r"b\.npz cannot be read: there is no such file"):
        storage.read(tmp_path / "b.npz")
    with pytest.raises(DataError, match=r"cannot be written .*Name a file in a folder that exists"):
        storage.write(tmp_path / "no" / "b.npz", TREE)
    with pytest.raises(DataError, match="cannot be written"):
        storage.write(tmp_path, TREE)


@pytest.mark.parametrize("broken", ["savez", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(broken, tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    storage.write(path, {"a": np.ones(3)})
    old = path.read_bytes()

    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np if broken == "savez" else os, broken, fail)
        with pytest.raises(DataError, match="No space left"):
            storage.write(path, {"a": np.zeros(3)})
    assert path.read_bytes() == old
    storage.write(path, {"a": np.zeros(3)})  # and the next one works
    assert storage.read(path)["a"].tolist() == [0, 0, 0]
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def test_plain_is_what_json_gives_back():
    for value, expected in [((1, (2, 3)), [1, [2, 3]]), (np.float32(0.1), float(np.float32(0.1)))]:
        assert storage.plain({"a": value}) == {"a": expected}
    for a, b in product([np.int64(3), 3], [np.array([3]), (3,)]):
        assert storage.plain([a, b]) == [3, [3]]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("a\0b", np.ones(3), "checksum"),  # an archive would cut the name
        ("x" * 70_000, np.ones(3), "error"),
        ("\ud800", np.ones(3), "surrogates"),
        ("a", np.array([None]), "of object"),  # would be pickled
        ("a", {"@": "b"}, "KeyError"),  # means that an array stood there
        ("a", 10**5000, "4300"),
    ],
    ids=["null", "long", "surrogate", "objects", "at", "digits"],
)
def test_what_a_file_would_not_bring_back_is_not_written(name, value, words, tmp_path):
    path = tmp_path / "a.npz"
    storage.write(path, TREE)
    old = path.read_bytes()
    with pytest.raises(InputError, match=f"a.npz would not bring back.*{words}") as caught:
        storage.write(path, {name: value})
    assert len(str(caught.value)) < 1000 and path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"]


def circle():
    value = []
    value.append([value])
    return value


@pytest.mark.parametrize(
    "value", [{1: 2}, {None: 1}, {(1, 2): 3}, {1, 2}, circle(), np.longdouble(1), 1j, b"a"],
    ids=lambda value: f"{value!s:.20}",
)  # fmt: skip
def test_what_json_would_bring_back_as_something_else_is_refused(value):
    with pytest.raises(InputError, match="a file holds numbers, words|in a circle"):
        storage.plain({"a": [value]})
    assert storage.plain({"a": [{"1": 2}]}) == {"a": [{"1": 2}]}


def test_what_a_killed_save_has_left_is_swept_by_a_later_one(tmp_path):
    """Old drafts alone: another program may be writing a new one."""
    path = tmp_path / "net.npz"
    old, new, foreign = (
        tmp_path / f"net.npz.{letter * 16}.cnnlib.partial" for letter in ("a", "b", "c")
    )
    for draft in (old, new):
        draft.write_bytes(storage.BEGINS + b"cut off")
    foreign.write_bytes(b"something else")
    for draft in (old, foreign):
        os.utime(draft, (0, 0))
    storage.write(path, {"numbers": np.arange(3)})
    assert not old.exists() and new.exists() and foreign.exists()
