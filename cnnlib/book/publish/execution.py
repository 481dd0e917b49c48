"""Executes notebooks side by side, each in a kernel of its own; a failure ends that one alone."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from jupyter_core.utils import ensure_async
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from tqdm import tqdm

from .outline import tagged
from .reading import code_cells, titles

CELL_TIMEOUT = 600  # seconds; as long as nbval gives a cell in `make test`
START_TIMEOUT = 300  # seconds until a kernel answers: a machine that does other work needs them
SIDE_BY_SIDE = 4  # kernels at the most: each takes some 0.4 GB
# One thread of BLAS each: kernels that share the cores would wait for each other's threads.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
INTERRUPTED = "the build was interrupted"


@dataclass(frozen=True)
class Failure:
    """Why a notebook could not be executed: in one line, and in more, which help to mend it.

    Where it was a cell, also the number of that code cell and what became of it.
    """

    reason: str
    details: tuple[str, ...] = ()
    cell: int = 0
    what: str = ""


def cores() -> int:
    """The cores that this process may use."""
    asked = getattr(os, "sched_getaffinity", None)  # macOS and Windows do not have it
    return len(asked(0)) if asked else os.cpu_count() or 1


def execute(
    books: dict[Path, NotebookNode], done: Callable[[Path, Failure | None], None], jobs: int = 0
) -> None:
    """Execute the notebooks in place and call `done` for each, as it ends.

    An interrupt ends the notebooks that run and those that wait; `done` hears of them, too.

    Parameters
    ----------
    books : dict
        The notebooks by their files; each works in its file's folder.
    done : callable
        Is called in the caller's thread, with the file and why it failed, or None.
    jobs : int
        How many run at a time; 0: as many as there are cores, and at most `SIDE_BY_SIDE`.
    """
    if not books:
        return
    jobs = jobs or min(cores(), SIDE_BY_SIDE)
    tqdm.monitor_interval = 0  # its thread would only redraw a bar that stands still
    cells = sum(len(code_cells(book)) for book in books.values())
    with tqdm(total=cells, unit="cell", disable=None) as bar, ThreadPoolExecutor(jobs) as pool:
        runs = {path: Run(path, book, bar.update) for path, book in books.items()}
        waiting = {pool.submit(run): path for path, run in runs.items()}

        what = "1 notebook" if len(books) == 1 else f"{len(books)} notebooks"
        bar.write(f"Executing {what}, {min(jobs, len(books))} at a time ...")

        def collect() -> None:
            for future in as_completed(list(waiting)):
                path, failure = waiting[future], future.result()
                if failure != Failure(INTERRUPTED):
                    result = f"FAILED, {failure.reason}" if failure else "executed"
                    bar.write(f"{path.name}: {result} ({len(waiting) - 1} to go)")
                done(path, failure)
                del waiting[future]  # an interrupt before this line collects it again

        try:
            collect()
        except KeyboardInterrupt:
            bar.write("Interrupted: the chapters that run are stopped, then the pages are made.")
            for run in runs.values():
                run.stop()
            collect()


class Run:
    """One execution, from top to bottom, each part alone; it says why it failed, or None."""

    def __init__(self, path: Path, notebook: NotebookNode, tick: Callable[[], object]):
        self.notebook = notebook
        self.stopped = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None  # of the thread that runs it
        self.client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=CELL_TIMEOUT,
            startup_timeout=START_TIMEOUT,
            extra_arguments=["--log-level=ERROR"],  # its start-up advice would break the bar
            coalesce_streams=True,  # otherwise the kernel's timing decides where a stream is cut
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_start=self._begin,
            on_cell_execute=self._alone,
            on_cell_executed=lambda **_: tick(),
        )

    def __call__(self) -> Failure | None:
        """Run all cells, unless it is stopped before or meanwhile."""
        failure = None if self.stopped.is_set() else self._execute()
        return Failure(INTERRUPTED) if self.stopped.is_set() else failure

    def _execute(self) -> Failure | None:
        try:
            # Jupyter's sockets want this loop on every system.
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                self.loop = runner.get_loop()
                runner.run(self.client.async_execute(env=ONE_THREAD | os.environ))
        except CellExecutionError as error:
            raised = f"{error.ename}: {error.evalue}".removesuffix(": ")
            return self._failed(f"stops with {_one_line(raised)}", error.traceback)
        except CellTimeoutError:
            return self._failed(f"timed out: it ran longer than {CELL_TIMEOUT} seconds")
        except DeadKernelError:
            return self._failed("ended its kernel: Python crashed, or the memory was full")
        except OSError as error:
            return Failure(f"its kernel could not start: {without_path(error)}")
        except Exception as error:  # whatever else ends a chapter ends this chapter alone
            return Failure(_one_line(f"the kernel failed with {type(error).__name__}: {error}"))
        return None

    def stop(self) -> None:
        """End it soon: the cell that runs is interrupted, and no other one begins."""
        self.stopped.set()
        if self.loop and self.client.km is not None and self.client.km.has_kernel:
            asyncio.run_coroutine_threadsafe(self._interrupt(), self.loop)

    def _alone(self, cell: NotebookNode, **_: object) -> None:
        """A part runs alone: where its setup begins, no name of an earlier part is left."""
        if tagged(cell, "setup") and self.client.kc is not None:
            # The kernel does this first, then the cell; nobody needs the answer.
            self.client.kc.execute("get_ipython().reset(new_session=False)", silent=True)

    async def _interrupt(self) -> None:
        if self.client.km is not None:
            await ensure_async(self.client.km.interrupt_kernel())

    def _begin(self, **_: object) -> None:
        if self.stopped.is_set():
            raise InterruptedError

    def _failed(self, what: str, traceback: str = "") -> Failure:
        """Name the cell and its section; report its first lines and the last ones of the error."""
        number = self.client.code_cells_executed
        cell = code_cells(self.notebook)[number - 1]
        lines = ["Its first lines:", *_indented(cell.source.splitlines()[:4])]
        if traceback:
            last = strip_ansi(traceback).splitlines()[-4:]
            lines += ["The last lines of the error:", *_indented(last)]
        section = _section(self.notebook, cell)
        return Failure(f"code cell {number}{section} {what}", tuple(lines), number, what)


def without_path(error: OSError) -> str:
    """What the system says, such as "No space left on device"; a page names no folder."""
    return error.strerror or type(error).__name__


def _section(notebook: NotebookNode, cell: NotebookNode) -> str:
    """The heading that a cell stands under, in brackets."""
    title = ""
    for other in notebook.cells:
        if other is cell:
            break
        title = [title, *titles(other)][-1]
    return f" ({title})" if title else ""


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _one_line(text: str, most: int = 200) -> str:
    line = " ".join(strip_ansi(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"
