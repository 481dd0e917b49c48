"""Files are whole or as they were: two writers, kills, interrupts, full disks, readers at the time.

Moments are counted in lines of code; no result depends on a clock.
"""

import errno
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from disks import Full, new_files

from cnnlib.data import files
from cnnlib.errors import DataError, InputError

OLD, NEW = b"old " * 1000, b"new" * 2000


@pytest.fixture
def path(tmp_path):
    """A file in a folder of its own."""
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "run [1].npz"
    path.write_bytes(OLD)
    return path


def names(path):
    return [one.name for one in path.parent.iterdir()]


def test_written_and_replaced(path):
    files.write(path, NEW)
    assert path.read_bytes() == NEW and names(path) == [path.name]
    files.write(os.fsencode(path.with_name("other")), OLD)
    assert path.with_name("other").read_bytes() == OLD
    path.with_name("usual").write_bytes(b"")
    assert path.stat().st_mode == path.with_name("usual").stat().st_mode  # who may read it


def test_what_a_link_leads_to_is_replaced(path):
    link = path.parent.parent / "link"
    link.symlink_to(path)
    files.write(link, NEW)
    assert link.is_symlink() and path.read_bytes() == NEW and names(path) == [path.name]


class Nowhere(os.PathLike):
    def __fspath__(self):
        raise RuntimeError("no path")


@pytest.mark.parametrize(
    "value",
    [True, 1, None, ["a"], object(), "a\0b", "\ud800", Nowhere()],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_path_is_refused(value):
    with pytest.raises(InputError, match="path is .*expected the path of a file"):
        files.write(value, NEW)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), MemoryError(), KeyboardInterrupt()]
)
def test_what_fails_leaves_the_old_file_and_nothing_else(error, path):
    with pytest.raises(type(error)) as caught, files.replacing(path) as file:
        file.write(NEW[:10])
        assert path.read_bytes() == OLD and len(names(path)) == 2
        raise error
    assert caught.value is error and path.read_bytes() == OLD and names(path) == [path.name]


def test_it_is_on_the_disk_before_it_has_its_name(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda file: (calls.append(os.fstat(file).st_size), fsync(file))
    )
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("replace"), replace(*names)))
    files.write(path, NEW)
    assert calls == [len(NEW), "replace"]


@pytest.mark.parametrize("refusals", [0, 3, 1000])
def test_on_windows_a_reader_is_waited_for(refusals, path, monkeypatch):
    """There a file that is open cannot be replaced."""
    replace, calls = os.replace, []

    def busy(*names):
        calls.append(names)
        if len(calls) <= refusals:
            raise PermissionError("it is open in another program")
        replace(*names)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(files.time, "sleep", lambda seconds: None)
    if refusals == 1000:
        with pytest.raises(PermissionError):
            files.write(path, NEW)
        assert path.read_bytes() == OLD
    else:
        files.write(path, NEW)
        assert path.read_bytes() == NEW and len(calls) == refusals + 1
    assert names(path) == [path.name]


def interrupted_before(number, run):
    """Call `run`, and interrupt it before a line of the writer, counted from 0, if there is one."""
    lines = 0

    def trace(frame, event, argument):
        nonlocal lines
        if frame.f_code.co_filename != files.__file__:
            return None
        lines += event == "line"
        if event == "line" and lines == number + 1:
            raise KeyboardInterrupt
        return trace

    usual = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(usual)
    return False


# One that is open, and has no name yet, is left to Python to be closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_before_any_line_leaves_one_whole_file(path):
    found = []
    while interrupted_before(len(found), lambda: files.write(path, NEW)):
        assert names(path) == [path.name]
        found.append(path.read_bytes())
        path.write_bytes(OLD)
    assert len(found) > 10 and set(found) == {OLD, NEW}


def test_what_killed_programs_left_can_be_swept(path):
    ending = f"{'0123abcd' * 2}.cnnlib.partial"
    mine = [f"{path.name}.{ending}", f"{path.name}.{'f' * 16}.cnnlib.partial"]
    others = [f"{path.name}.partial", f"{path.name}.0123abcd.partial", f"run 1.npz.{ending}"]
    for name, content in zip(mine, (b"PK\x03half", b""), strict=True):
        path.with_name(name).write_bytes(content)
    others.append(f"{path.name}.{'0' * 16}.cnnlib.partial")  # somebody's notes, by chance
    for name in others:
        path.with_name(name).write_bytes(b"half")
    files.sweep(path, b"PK\x03\x04")
    assert sorted(names(path)) == sorted([path.name, mine[0], *others])  # half of one
    path.with_name(mine[0]).write_bytes(b"PK\x03\x04half")
    files.sweep(path, b"PK\x03\x04")
    assert sorted(names(path)) == sorted([path.name, *others])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_with_the_name_of_a_draft_is_not_waited_for(path, monkeypatch):
    draft = path.with_name(f"{path.name}.{'0' * 16}.cnnlib.partial")
    os.mkfifo(draft)
    monkeypatch.setattr("builtins.open", lambda name, mode: pytest.fail("it waits for a writer"))
    files.sweep(path, b"PK")
    monkeypatch.undo()
    assert draft.exists()


# What may be replaced


def test_who_may_read_the_old_file_may_read_the_new_one(path):
    path.chmod(0o600)
    with files.replacing(path) as file:
        assert Path(file.name).stat().st_mode & 0o777 == 0o600  # from the first byte on
    assert path.stat().st_mode & 0o777 == 0o600


def fifo(path):
    os.mkfifo(path)


def loop(path):
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: (path.write_bytes(OLD), path.chmod(0o444)), "write-protected"),
        (fifo, "no file, but a folder or a device"),
        (Path.mkdir, "no file, but a folder or a device"),
        (loop, "symbolic link"),
    ],
    ids=["read-only", "fifo", "folder", "loop"],
)
def test_what_is_not_to_be_replaced_stays(make, words, tmp_path):
    place = tmp_path / "a"
    make(place)
    before = place.lstat()
    with pytest.raises(OSError, match=words):
        files.write(place, NEW)
    assert place.lstat() == before and names(place) == ["a"]


def test_a_name_that_ends_like_a_folder_is_none_of_a_file(tmp_path):
    with pytest.raises(OSError, match="the name of a folder"):
        files.write(f"{tmp_path / 'a'}/", NEW)
    assert list(tmp_path.iterdir()) == []


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path):
    path = tmp_path / ("ü" * 127 + "x")  # 255 bytes
    files.write(path, OLD)
    files.write(path, NEW)
    assert path.read_bytes() == NEW and names(path) == [path.name]


@pytest.mark.parametrize("make", [fifo, Path.mkdir])
def test_what_might_never_end_is_not_opened(make, tmp_path):
    make(tmp_path / "a")
    with pytest.raises(DataError, match="a cannot be read: it is no file"):
        files.reading(tmp_path / "a").__enter__()


def test_a_file_that_may_not_be_opened_is_not_called_damaged(path, monkeypatch):
    def closed(name, mode):
        raise PermissionError(errno.EACCES, "Permission denied", name)

    monkeypatch.setattr(files, "open", closed, raising=False)
    with pytest.raises(DataError, match=r"npz cannot be read: Permission denied$"):
        files.reading(path).__enter__()


# Two programs at once

WRITERS = """
import json, os, random, sys
from cnnlib.data import files

def content(letter, number):
    return letter * 50_000 + b"%03d" % (number % 1000)

def run(letter, fatal):
    lines = 0
    def trace(frame, event, argument):
        nonlocal lines
        if frame.f_code.co_filename != files.__file__:
            return None
        lines += event == "line"
        if lines == fatal:
            os.kill(os.getpid(), 9)
        return trace
    sys.settrace(trace)
    for number in range(20):
        files.write(path, content(letter, number))
    os._exit(0)

def look():
    with open(path, "rb") as file:
        found = file.read()
    counts["reads"] += 1
    counts["seen"].add(found[:1])
    counts["torn"] += not (len(found) == 50_003 and found[:-3] == found[:1] * 50_000)

path, rounds, draw = sys.argv[1], int(sys.argv[2]), random.Random(0)
files.write(path, content(b"C", 0))
counts = dict(kills=0, reads=0, torn=0, seen=set())
for _ in range(rounds):
    running = set()
    for letter in (b"A", b"B"):
        fatal = draw.randrange(1, 400)  # of about 360 lines
        child = os.fork()
        if child == 0:
            run(letter, fatal)
        running.add(child)
    while running:
        look()
        for child in list(running):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                running.discard(child)
                counts["kills"] += os.WIFSIGNALED(status)
                assert os.WIFSIGNALED(status) or status == 0
    look()
counts["left"] = len(os.listdir(os.path.dirname(path))) - 1
files.sweep(path)
counts["seen"] = b"".join(sorted(counts["seen"])).decode()
print(json.dumps(counts | {"files": os.listdir(os.path.dirname(path))}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to begin a process in no time")
def test_two_writers_of_one_file_that_are_killed_and_a_reader(path):
    """Whatever dies wherever, everyone who reads at the time finds one of the whole versions."""
    rounds = 300 if "CNNLIB_LONG" in os.environ else 15
    command = [sys.executable, "-c", WRITERS, str(path), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    counts = json.loads(done.stdout)
    print(counts)
    assert counts["torn"] == 0 and counts["files"] == [path.name]
    assert counts["kills"] > rounds and set(counts["seen"]) & {"A", "B"}
    assert counts["left"] > 0  # some died in the middle of a file


# A full disk


@pytest.mark.parametrize("left", [0, 1, len(NEW) - 1])
def test_a_disk_that_is_full(left, path, monkeypatch):
    monkeypatch.setattr(files, "open", new_files(lambda name: Full(name, left)), raising=False)
    with pytest.raises(OSError, match="No space left"):
        files.write(path, NEW)
    assert path.read_bytes() == OLD and names(path) == [path.name]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 kB in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_real_disk_that_is_full(small_disk):
    path = small_disk / "a"
    files.write(path, OLD)
    with pytest.raises(OSError, match="No space left"):
        files.write(path, bytes(300_000))
    assert path.read_bytes() == OLD and names(path) == ["a"]
    files.write(path, bytes(100_000))
    assert path.stat().st_size == 100_000


# What cannot be read


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FileNotFoundError("x"), "cannot be read: there is no such file"),
        (KeyError("about"), r"cannot be read: it is truncated, damaged, .*\(KeyError\('about'\)\)"),
        (MemoryError(), r"truncated, damaged.*\(MemoryError\(\)\)"),
        (RecursionError("deep"), r"truncated, damaged.*deep"),
        (InputError("lr is 0"), r"/a\.npz cannot be read: lr is 0$"),
        (ValueError("x" * 10**6), "truncated, damaged"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_place_says_which_file_is_at_fault(error, words):
    with pytest.raises(DataError, match=words) as caught, files.blaming(Path("/a.npz")):
        raise error
    assert caught.value.__cause__ is error and len(str(caught.value)) < 400


def test_what_is_not_the_files_fault_passes():
    for error in (DataError("b.npz cannot be read"), InputError("classes"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, files.blaming("a.npz", but=InputError):
            raise error
        assert caught.value is error


def test_nothing_here_writes_a_file_in_another_way():
    """But for what only reads, or writes into a folder that is thrown away."""
    library = Path(inspect.getfile(files)).parents[1]
    ways = ("write_text(", "write_bytes(", "savefig(", '"wb"', '"w")', "np.save(", "shutil.copy")
    found = {
        f"{module.relative_to(folder).as_posix()}: {way}"
        for folder in (library, Path(__file__).parents[1] / "benchmarks")
        for module in folder.rglob("*.py")
        for way in ways
        if way in module.read_text(encoding="utf-8")
    }
    assert found == {
        "book/figures/style.py: savefig(",  # into memory
        'book/publish/wheels.py: "w")',  # a wheel in memory
        'book/publish/live/archives.py: "w")',  # an archive in memory
        'book/publish/live/byte_code.py: "w")',  # an archive in Pyodide's own files
        "book/publish/live/compiling.py: write_bytes(",  # what Node.js runs, in a temporary folder
        'book/publish/release.py: "w")',  # an archive in memory
        "moving_picture.py: write_text(",  # a page, in a temporary folder
        "book/publish/pdf.py: write_text(",  # what chromium prints, in a temporary folder
    }


@pytest.mark.skipif(not hasattr(os, "chown"), reason="Windows has no owners")
def test_owner_and_group_of_a_replaced_file_stay(tmp_path, monkeypatch):
    """As far as the system allows: here it allows the group alone."""
    path, given = tmp_path / "a.bin", []
    files.write(path, b"old")
    old = path.stat()

    def chown(draft, uid, gid):
        given.append((uid, gid))
        if uid != -1:
            raise PermissionError("not yours to give")

    monkeypatch.setattr(os, "chown", chown)
    files.write(path, b"new")
    assert given == [(old.st_uid, old.st_gid), (-1, old.st_gid)]
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() != 0, reason="only root gives files away")
def test_root_leaves_a_file_to_whom_it_belongs(tmp_path):
    path = tmp_path / "a.bin"
    files.write(path, b"old")
    os.chown(path, 1234, 2345)
    path.chmod(0o640)
    files.write(path, b"new")
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1234, 2345, 0o640)
