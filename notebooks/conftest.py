"""Chapter 6 needs TensorFlow and PyTorch: without them nbval skips it, and pytest says so."""

from importlib.util import find_spec

import pytest

NEEDS = {"06_frameworks.ipynb": ("tensorflow", "torch")}


def pytest_collection_modifyitems(items):
    """Skip all cells of a notebook whose packages are missing; -ra names it with the reason."""
    for item in items:
        missing = [name for name in NEEDS.get(item.path.name, ()) if find_spec(name) is None]
        if missing:
            reason = f"{' and '.join(missing)} not installed: make test-frameworks"
            item.add_marker(pytest.mark.skip(reason))
