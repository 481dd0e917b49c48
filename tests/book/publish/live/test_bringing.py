"""Bytes are taken only where their sum is right, and without them the site is as it was."""

import pytest

from cnnlib.book.publish import BuildError
from cnnlib.book.publish.live import bringing, table


@pytest.fixture
def small(monkeypatch):
    """Two files in the place of those of Pyodide."""
    contents = {"a.js": b"aa", "b.whl": b"bbb"}
    from hashlib import sha256

    rows = tuple(
        table.File(name, len(c), sha256(c).hexdigest(), "python", f"{name} 1", "MIT", "")
        for name, c in contents.items()
    )
    monkeypatch.setattr(bringing, "files", lambda: rows)
    monkeypatch.delenv(bringing.FOLDER, raising=False)
    return contents


def no_network(*_, **__):
    raise OSError("unreachable")


def test_a_folder_that_is_named_must_have_all_files_and_the_right_ones(
    small, tmp_path, monkeypatch
):
    monkeypatch.setenv(bringing.FOLDER, str(tmp_path))
    with pytest.raises(BuildError, match=r"lacks a\.js"):
        bringing.bring(tmp_path / "cache")
    for name, content in small.items():
        (tmp_path / name).write_bytes(content)
    assert bringing.bring(tmp_path / "cache") == (small, "")
    (tmp_path / "b.whl").write_bytes(b"bbx")
    with pytest.raises(BuildError, match=r"b\.whl is damaged or of another version"):
        bringing.bring(tmp_path / "cache")


def test_without_a_network_there_are_no_buttons_and_a_sentence_says_how_to_get_them(
    small, tmp_path, monkeypatch
):
    monkeypatch.setattr(bringing, "urlopen", no_network)
    got, said = bringing.bring(tmp_path)
    assert got is None and "no Run buttons" in said and "make live" in said


def test_what_was_kept_is_taken_from_there_unless_it_is_damaged(small, tmp_path, monkeypatch):
    monkeypatch.setattr(bringing, "urlopen", no_network)
    assert [file.name for file in bringing.keep(tmp_path, {"a.js": b"aa", "b.whl": b"no"})] == [
        "b.whl"
    ]
    assert bringing.keep(tmp_path, small) == []
    assert bringing.bring(tmp_path) == (small, "")
    (tmp_path / "a.js").write_bytes(b"ax")
    assert bringing.bring(tmp_path)[0] is None


def test_what_comes_from_outside_is_kept_where_it_is_right(small, tmp_path, monkeypatch):
    import io

    sent = dict(small)
    monkeypatch.setattr(
        bringing, "urlopen", lambda url, timeout: io.BytesIO(sent[url.rsplit("/", 1)[1]])
    )
    sent["b.whl"] = b"bbX"
    assert bringing.bring(tmp_path)[0] is None and not (tmp_path / "b.whl").exists()
    sent["b.whl"] = b"bbb"
    assert bringing.bring(tmp_path)[0] == small and (tmp_path / "b.whl").exists()


def test_the_table_has_the_sums_of_the_official_lock_file(pyodide):
    import json

    lock = {
        p["file_name"]: p["sha256"]
        for p in json.loads(pyodide["pyodide-lock.json"])["packages"].values()
    }
    wheels = [file for file in table.files() if file.name in lock]
    assert len(wheels) >= 14 and all(file.sha256 == lock[file.name] for file in wheels)
    assert all(file.is_right(pyodide[file.name]) for file in table.files())
