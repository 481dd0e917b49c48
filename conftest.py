"""What all tests share: marks that say what a test needs, and fixtures that skip without it."""

import os
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

# Before NumPy is loaded, and for the kernels of the notebooks: workers that share the cores would
# wait for each other's threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# TensorFlow reads this once, whichever test imports it first: with oneDNN it does not refuse what
# the records say that it refuses.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

# `make test` draws the same examples every time; `make ci-long` draws many new ones.
LONG = "CNNLIB_LONG" in os.environ
settings.register_profile("book", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=2000)
settings.load_profile("long" if LONG else "book")

# By a fixture's name: what a test needs that has it.
NEEDS = {
    "chromium": "browser",
    "firefox": "browser",
    "torch": "frameworks",
    "tensorflow": "frameworks",
    "opencv": "frameworks",
    "framework": "frameworks",
    "mnist_folder": "mnist",
    "brotli": "dev",
}
# What stands on the numeric core. `make check` leaves it to `make test`, which takes minutes.
SLOW = tuple(f"tests/{name}" for name in (
    "book/", "diagnosis/", "test_chapters", "test_clocks", "test_data", "test_notebooks",
    "test_readme", "test_wrong_calls"))  # fmt: skip
# Doctests and cells have no fixtures.
collect_ignore = ["cnnlib/book/earlier/chapter_6.py"]  # it has none, and imports both
WITH_FRAMEWORKS = ("cnnlib/interop/", "notebooks/06_frameworks.ipynb")
MNIST = [f"{part}-idx{n}-ubyte.gz" for part, n in (
    ("train-images", 3), ("train-labels", 1), ("t10k-images", 3), ("t10k-labels", 1))]  # fmt: skip
MNIST_FOLDERS = (os.environ.get("CNNLIB_DATA"), Path(__file__).parents[1] / "shared/data/mnist")


def pytest_collection_modifyitems(items):
    """Mark each test by what it needs; skip the doctests and the cells that lack the frameworks.

    What takes minutes is left out, not skipped: nothing is missing that one could install.
    """
    missing = [name for name in ("tensorflow", "torch") if find_spec(name) is None]
    items[:] = [item for item in items if LONG or item.get_closest_marker("long") is None]
    for item in items:
        for fixture in NEEDS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(NEEDS[fixture])
        if item.path.suffix == ".ipynb":
            item.add_marker("notebook")
        if item.nodeid.startswith(SLOW):
            item.add_marker("slow")
        if item.nodeid.startswith(WITH_FRAMEWORKS):
            item.add_marker("frameworks")
            if missing:
                item.add_marker(pytest.mark.skip(_not_installed(*missing)))


def pytest_terminal_summary(terminalreporter):
    """One line for each reason why tests were skipped."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[-1].removeprefix("Skipped: ") for report in skipped)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"SKIPPED [{count}] {reason}")


def _not_installed(*names):
    return f"{' and '.join(names)} not installed: make test-frameworks"


@pytest.fixture(scope="session")
def torch():
    """PyTorch with one thread: on a busy machine two wait for each other."""
    torch = pytest.importorskip("torch", reason=_not_installed("torch"))
    torch.set_num_threads(1)
    return torch


@pytest.fixture(scope="session")
def tensorflow():
    """TensorFlow."""
    return pytest.importorskip("tensorflow", reason=_not_installed("tensorflow"))


@pytest.fixture(scope="session")
def opencv():
    """OpenCV."""
    return pytest.importorskip("cv2", reason=_not_installed("opencv"))


@pytest.fixture(scope="session")
def brotli():
    """What reads and makes the pages' font."""
    for name in ("brotli", "fontTools", "ziamath"):
        pytest.importorskip(name, reason=f"{name} not installed: make lint installs it")


@pytest.fixture(scope="session")
def mnist_folder():
    """The folder of the real files."""
    for folder in filter(None, MNIST_FOLDERS):
        if all(Path(folder, name).is_file() for name in MNIST):
            return Path(folder)
    pytest.skip("CNNLIB_DATA names no folder with the four files of MNIST")
