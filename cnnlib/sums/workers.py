"""Memory that is used again, and threads that share a batch (chapter 8)."""

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from cnnlib.arrays import Shape, read_integer
from cnnlib.errors import InputError

KEPT = 16 << 20  # bytes: larger arrays are not kept

_own = threading.local()  # `memory`: what each thread keeps, by name and type
# Of the contexts that a Python thread or a task is in; the last one that is open counts.
_teams: ContextVar[tuple["Team", ...]] = ContextVar("cnnlib.threads", default=())
_lock = threading.RLock()  # of all teams, and of BLAS
if hasattr(os, "register_at_fork"):  # else a child could inherit it locked, by a thread it has not
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


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


def threads(count: int) -> AbstractContextManager[None]:
    """Let convolutions share the images of a batch among threads (chapter 8, "Two cores").

    Every thread takes an equal part of the batch, with one thread of BLAS. That is faster than one
    thread of Python and several of BLAS, which wait for each other at every product. Without it,
    convolutions run in the caller's thread.

    What holds about bits: on one machine, with the same NumPy and BLAS, the same call with the same
    number of threads gives the same bits, each time. Another number of threads, as another BLAS or
    another processor, whose kernels BLAS chooses, gives the same numbers up to rounding: the batch
    is cut into other parts, and BLAS may add up the products of another shape in another order.
    Where the system starts no thread, or not so many (a browser, a container with a limit), and in
    a process that was forked within the context, the caller's thread takes the parts one after the
    other: nothing is faster then, and the bits are those of `count` threads.

    The context is that of the Python thread or the asyncio task that enters it; others may be in
    contexts of their own at the same time. (A generator that is within one leaves its caller in it
    between two steps; of contexts that overlap so, the last one that is open counts.) BLAS has
    one setting for the whole process: it has one thread until the last of all these contexts ends.
    'loops' and 'fft' run in the caller's thread.

    Parameters
    ----------
    count : int
        Number of threads, at least 1; more than the machine has cores bring nothing.

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
    return _Threads(read_integer("count", count, 1))


class _Threads(AbstractContextManager):
    """What `threads` returns: it may be entered again, also within itself."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.entered: list[AbstractContextManager] = []

    def __enter__(self) -> None:
        context = _with_team(self.count)
        context.__enter__()
        self.entered.append(context)

    def __exit__(self, *error: Any) -> None:
        if not self.entered:
            raise InputError("this context was left, but not entered before: with threads(2): ...")
        self.entered.pop().__exit__(*error)


@contextmanager
def _with_team(count: int) -> Iterator[None]:
    with one_blas_thread, ThreadPoolExecutor(count) as pool:
        team = Team(count, pool)
        _teams.set((*_open_teams(), team))
        try:
            yield
        finally:
            team.dissolve()


def share(count: int, part: Callable[[slice], Any]) -> list[Any]:
    """Call `part` on slices of `0..count-1`, one for each thread; their results, in order."""
    team = _at_work()
    if team is None:
        return [part(slice(0, count))]
    number = min(team.count, count)
    bounds = [count * n // number for n in range(number + 1)]
    return team.map(part, map(slice, bounds[:-1], bounds[1:]))


def sharing() -> int:
    """Among how many threads a batch is shared here and now."""
    team = _at_work()
    return team.count if team else 1


def arithmetic() -> dict[str, Any]:
    """What bits depend on: the number of threads, NumPy, and its BLAS with the kernels it took."""
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    own = [pool for pool in pools if "numpy" in str(pool.get("filepath"))] or pools  # not SciPy's
    parts = ("internal_api", "version", "architecture")
    names = {" ".join(str(pool.get(part)) for part in parts) for pool in own}
    blas = " and ".join(sorted(names)) or "unknown"  # say, Apple's Accelerate
    return {"threads": sharing(), "NumPy": np.__version__, "BLAS": blas}


class Team:
    """The threads of a `threads` context."""

    def __init__(self, count: int, pool: ThreadPoolExecutor) -> None:
        self.count, self.pool, self.open = count, pool, True
        self.process, self.started = os.getpid(), _started(pool, count)

    def map(self, part: Callable[[slice], Any], slices: Iterable[slice]) -> list[Any]:
        """The results of `part`, in order; without threads the caller computes them."""
        with _lock:  # so that the team is not dissolved while parts are handed out
            # A fork copies this object, but none of its threads: nobody would take the parts.
            ready = self.open and self.started and self.process == os.getpid()
            results = self.pool.map(part, slices) if ready else map(part, slices)
        return list(results)

    def dissolve(self) -> None:
        """From now on hand out nothing, wherever this team is still known."""
        with _lock:
            self.open = False
        _teams.set(_open_teams())


def _open_teams() -> tuple[Team, ...]:
    return tuple(team for team in _teams.get() if team.open)


def _at_work() -> Team | None:
    return next(reversed(_open_teams()), None)


class _OneThread:
    """One thread of BLAS while anybody is in this context; afterwards as many as before.

    BLAS has one setting for the process. Contexts that overlap would put back each other's, so the
    first one that is entered changes it, and the last one that is left puts it back.
    """

    inside = 0

    def __enter__(self) -> None:
        from threadpoolctl import threadpool_limits

        with _lock:
            if self.inside == 0:
                self.limits = threadpool_limits(1, "blas")
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with _lock:
            self.inside -= 1
            if self.inside == 0:
                _release_blas()
                self.limits.restore_original_limits()
                _release_blas()


one_blas_thread = _OneThread()


def _release_blas() -> None:
    """Let any thread set the limits: threadpoolctl 3.8 heeds only the one that did so first."""
    import threadpoolctl

    openblas = getattr(threadpoolctl, "OpenBLASController", None)
    release = getattr(openblas, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)


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
