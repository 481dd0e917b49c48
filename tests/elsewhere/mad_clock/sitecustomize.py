"""A clock that tells nothing: what a cell asserts or prints of the time must not matter.

Python imports this file by itself where its folder is on PYTHONPATH.
"""

import itertools
import os
import random
import time

_steps = random.Random(int(os.environ.get("MAD_CLOCK", "0")))
# From a nanosecond to seconds: any program may seem faster than any other one.
_told = itertools.accumulate(10 ** _steps.uniform(-9, 0.5) for _ in itertools.count())


def _tell() -> float:
    return next(_told)


time.perf_counter = time.process_time = time.thread_time = _tell
