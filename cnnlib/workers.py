"""Memory that is used again, and threads that share a batch (chapter 8)."""

import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from .geometry import Shape, per_axis

KEPT = 16 << 20  # bytes: larger arrays are not kept

_own = threading.local()  # `memory`: what each thread keeps, by name and type
_pool: tuple[int, ThreadPoolExecutor] | None = None


def scratch(name: str, shape: Shape, dtype: np.dtype) -> np.ndarray:
    """An array for the moment: the next one of this name in this thread has the same memory.

    Memory that the system hands out anew has to be cleared and mapped first, which can take as long
    as a convolution. Nothing that is returned to a caller may lie there.
    """
    size = math.prod(shape)
    kept: dict = vars(_own).setdefault("memory", {})
    memory = kept.get((name, dtype))
    if memory is None or memory.size < size:
        memory = np.empty(size, dtype)
        if memory.nbytes <= KEPT:
            kept[name, dtype] = memory
    return memory[:size].reshape(shape)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let convolutions share the images of a batch among threads (chapter 8, "Two cores").

    Every thread takes an equal part of the batch, with one thread of BLAS. That is faster than one
    thread of Python and several of BLAS, which wait for each other at every product. Without it,
    convolutions run in the caller's thread. Outputs and deltas are the same for every number of
    threads, if all numbers are finite; weight gradients are sums over the batch, added up part by
    part, and may differ by rounding.

    Parameters
    ----------
    count : int
        Number of threads, at least 1; no more than the machine has cores.

    Raises
    ------
    InputError
        `count` is not such a number.

    Examples
    --------
    >>> import cnnlib
    >>> x, w = np.arange(12.0).reshape(4, 3, 1), np.ones((1, 2, 1))
    >>> with cnnlib.threads(2):
    ...     z = cnnlib.conv(x, w)
    >>> z.ravel().tolist()
    [1.0, 3.0, 7.0, 9.0, 13.0, 15.0, 19.0, 21.0]
    """
    global _pool
    from threadpoolctl import threadpool_limits

    (count,) = per_axis("count", count, 1, 1)
    before = _pool
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(count) as pool:
        _pool = count, pool
        try:
            yield
        finally:
            _pool = before


def share(count: int, part: Callable[[slice], Any]) -> list[Any]:
    """Call `part` on slices of `0..count-1`, one for each thread; their results, in order."""
    if _pool is None:
        return [part(slice(0, count))]
    number, pool = _pool
    number = min(number, count)
    bounds = [count * n // number for n in range(number + 1)]
    return list(pool.map(part, map(slice, bounds[:-1], bounds[1:])))
