"""Memory that is used again, and threads that share a batch (chapter 8)."""

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from cnnlib.geometry import Shape, per_axis

KEPT = 16 << 20  # bytes: larger arrays are not kept

_own = threading.local()  # `memory`: what each thread keeps, by name and type
_sharing: tuple[int, Callable[..., Iterable]] | None = None  # among how many, and what maps parts


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
    convolutions run in the caller's thread.

    The same number of threads gives the same bits. Another number gives the same up to rounding: it
    cuts the batch into other parts, and their products may be added up in another order. Where the
    system starts no thread, or not so many (a browser, a container with a limit), the caller's
    thread takes the parts one after the other: nothing is faster then, and the bits are the same.

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
    global _sharing
    from threadpoolctl import threadpool_limits

    (count,) = per_axis("count", count, 1, 1)
    before = _sharing
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(count) as pool:
        try:
            _sharing = count, pool.map if _started(pool, count) else map
            yield
        finally:
            _sharing = before


def share(count: int, part: Callable[[slice], Any]) -> list[Any]:
    """Call `part` on slices of `0..count-1`, one for each thread; their results, in order."""
    if _sharing is None:
        return [part(slice(0, count))]
    number, run = min(_sharing[0], count), _sharing[1]
    bounds = [count * n // number for n in range(number + 1)]
    return list(run(part, map(slice, bounds[:-1], bounds[1:])))


def _started(pool: ThreadPoolExecutor, count: int) -> bool:
    """Start all threads of a pool now; whether there are so many.

    A pool starts a thread when work comes and none is idle. If that failed in the middle of a
    convolution, the pool would keep the part, and might compute it later.
    """
    gate = threading.Event()  # keeps each one busy, so that the next call needs a new one
    try:
        for _ in range(count):
            pool.submit(gate.wait)
    except RuntimeError:  # can't start new thread
        return False
    finally:
        gate.set()
    return True
