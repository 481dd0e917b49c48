"""Settings that all tests share."""

import os
from importlib.util import find_spec

import pytest
from hypothesis import settings

# No deadline: a busy machine is slow, not wrong. On CI the drawn examples are the same every time.
settings.register_profile("book", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("book")


def pytest_collection_modifyitems(items):
    """The examples of `cnnlib.interop` need the frameworks: without them they are skipped."""
    missing = [name for name in ("torch", "tensorflow") if find_spec(name) is None]
    for item in items:
        if missing and item.nodeid.startswith("cnnlib/interop/"):
            said = f"{', '.join(missing)} not installed: make test-frameworks"
            item.add_marker(pytest.mark.skip(said))
