"""Executes the chapters that measure time where time goes otherwise: `make kernels`, by hand.

    python tests/elsewhere/kernels.py [NOTEBOOK ...]

With the matrix products of other processors (OPENBLAS_CORETYPE), with every core busy, and with a
clock that tells nothing (`mad_clock`): each cell must run, and print what is committed, but for
times.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPARE = (
    "--nbval --nbval-current-env --nbval-sanitize-with tests/sanitize.cfg --nbval-cell-timeout 600"
)
CLOCK = re.compile(r"perf_counter|process_time|timeit")
KERNEL = """
import numpy, threadpoolctl
print(next(one["architecture"] for one in threadpoolctl.threadpool_info() if "architecture" in one))
"""
MAD = str(Path(__file__).parent / "mad_clock")
CONDITIONS = {
    "kernels of Haswell": {"OPENBLAS_CORETYPE": "Haswell"},
    "kernels of SkylakeX": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "kernels as they are": {},
    "every core busy": {},
    "a mad clock, 1": {"PYTHONPATH": MAD, "MAD_CLOCK": "1"},
    "a mad clock, 2": {"PYTHONPATH": MAD, "MAD_CLOCK": "2"},
}


def main(chosen: list[str]) -> int:
    """Run every condition; 1 if a cell failed in one of them."""
    notebooks = chosen or [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
        if CLOCK.search(path.read_text(encoding="utf-8"))
    ]
    print("Chapters:", *notebooks, flush=True)
    failed = 0
    for name, settings in CONDITIONS.items():
        env = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
        env |= settings
        kernel = said([sys.executable, "-c", KERNEL], env)
        if kernel != settings.get("OPENBLAS_CORETYPE", kernel):
            print(f"{name}: not run, for this processor takes those of {kernel}", flush=True)
            continue
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0"]
        with busy(os.cpu_count() or 1 if "busy" in name else 0):
            done = subprocess.run(
                [*command, *notebooks, *COMPARE.split()],
                cwd=ROOT, env=env, capture_output=True, text=True, check=False,
            )  # fmt: skip
        print(f"{name} ({kernel}): {done.stdout.splitlines()[-1]}", flush=True)
        if done.returncode:
            failed = 1
            print(done.stdout, done.stderr, flush=True)
    return failed


def said(command: list[str], env: dict[str, str]) -> str:
    """What a program prints."""
    return subprocess.run(
        command, env=env, capture_output=True, text=True, check=True
    ).stdout.strip()


@contextmanager
def busy(cores: int) -> Iterator[None]:
    """Let other programs take their share of this many cores."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(cores)]
    try:
        yield
    finally:
        for program in spinning:
            program.kill()
            program.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
