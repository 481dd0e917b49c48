"""Compiles what a page imports, where Node.js is here to run Pyodide: its own byte code fits.

More than half of what a reader waits for is Python that compiles. Without Node.js the pages work
all the same, and compile.
"""

import io
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from cnnlib.data.files import write

from .archives import zipped

HERE = Path(__file__).parent
RECIPE = ("compiling.js", "byte_code.py")
CORE = "pyodide.js", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json"
PATIENCE = 300  # seconds


def compiled(
    pyodide: Mapping[str, bytes], contents: Mapping[str, bytes], cache: Path
) -> dict[str, bytes]:
    """The byte code of Python's own modules and of `contents`, by their sources' paths in Pyodide.

    Nothing where Node.js is not here, or too old for Pyodide. What was made before is in `cache`.
    """
    node = shutil.which("node")
    if not node:
        return {}
    given = zipped(contents)
    recipe = {name: (HERE / name).read_bytes() for name in RECIPE}
    inputs = [*recipe.values(), *(pyodide[name] for name in CORE), given]
    made = cache / f"byte-code-{sha256(b''.join(inputs)).hexdigest()[:16]}.zip"
    if not made.exists():
        files = {name: pyodide[name] for name in CORE} | recipe | {"given.zip": given}
        content = _run(node, files)
        if content is None:
            return {}
        for old in cache.glob("byte-code-*.zip"):
            old.unlink()
        cache.mkdir(parents=True, exist_ok=True)
        write(made, content)
    with zipfile.ZipFile(io.BytesIO(made.read_bytes())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _run(node: str, files: Mapping[str, bytes]) -> bytes | None:
    """What the recipe makes in a folder of these files; nothing where it fails, and a sentence."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in files.items():
            (folder / file).write_bytes(content)
        command = [node, str(folder / "compiling.js"), name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
        else:
            said = done.stderr.strip()
            if not done.returncode:
                return (folder / "made.zip").read_bytes()
    print(f"Node.js could not compile for the pages, which will do so themselves: {said[:300]}")
    return None
