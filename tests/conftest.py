"""Settings that all tests share."""

import os

from hypothesis import settings

# No deadline: a busy machine is slow, not wrong. On CI the drawn examples are the same every time.
settings.register_profile("book", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("book")
