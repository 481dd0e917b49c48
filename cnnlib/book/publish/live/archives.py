"""Many files in one: wheels, which are opened, and what the page takes in one piece."""

import io
import json
import re
import zipfile
from collections.abc import Mapping

# What no page can use: headers, types, tests, pictures of buttons and examples.
UNUSED = re.compile(
    r"\.(pyi|pyx|pxd|h|c|a)$|/RECORD$|/tests/|^matplotlib/(sphinxext|backends/web_backend|"
    r"mpl-data/(sample_data|images|plot_directive|fonts/(afm|pdf)))"
)


def opened(content: bytes) -> dict[str, bytes]:
    """What a page can use of a wheel, by path."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        return {name: archive.read(name) for name in names if not UNUSED.search(name)}


def zipped(contents: Mapping[str, bytes]) -> bytes:
    """The same bytes for the same contents, not packed: who asks for less packs the whole."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return made.getvalue()


def joined(contents: Mapping[str, bytes]) -> bytes:
    """A line that lists the files and their sizes, and then what is in them: quick to take apart.

    >>> joined({"a.py": b"x = 1", "b": b"12"})
    b'[["a.py", 5], ["b", 2]]\\nx = 112'
    """
    listed = [[name, len(content)] for name, content in contents.items()]
    return json.dumps(listed).encode() + b"\n" + b"".join(contents.values())
