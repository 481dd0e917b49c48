"""What a tag publishes: the course, the handout and more as archives, the library, what changed."""

import io
import re
import zipfile
from pathlib import Path

from . import BuildError
from .reading import write
from .wheels import wheel

# Each folder of `build` and what its archive is called: for readers, for students, for instructors.
ARCHIVES = {
    "html": "course",
    "handout": "handout",
    "instructor": "instructor",
    "slides": "slides",
    "assignments": "assignments",
}


def release(build: Path, changelog: Path, tag: str) -> None:
    """Write into `build/release` what belongs to a tag, such as `v0.1.0`.

    Raises
    ------
    BuildError
        The tag is not that of this version, the changelog does not tell of it, or a folder has not
        been made.
    """
    name, content = wheel()
    version = name.split("-")[1]
    if tag != f"v{version}":
        raise BuildError(f"the tag is {tag}, the version {version}: set it in pyproject.toml")
    files: dict[str, bytes] = {name: content, "NOTES.md": notes(changelog, version).encode()}
    for folder, called in ARCHIVES.items():
        files[f"convolution-book-{version}-{called}.zip"] = archive(build / folder)
    for old in (build / "release").glob("*"):
        old.unlink()
    for file, data in files.items():
        write(build / "release" / file, data)
    print(f"{len(files)} files of version {version}: {build / 'release'}")


def archive(folder: Path) -> bytes:
    """The files of a folder, below its name: the same files give the same bytes."""
    packed, files = io.BytesIO(), [p for p in sorted(folder.rglob("*")) if p.is_file()]
    if not files:
        raise BuildError(f"{folder} is empty: make it first")
    with zipfile.ZipFile(packed, "w") as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(folder.parent).as_posix())
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def notes(changelog: Path, version: str) -> str:
    """What the changelog says of a version."""
    text = changelog.read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(version)}\b.*\n((?:(?!## ).*\n)*)", text, re.MULTILINE)
    if not found or not found[1].strip():
        raise BuildError(f"{changelog.name} has nothing under ## {version}: say what is new")
    return found[1].strip() + "\n"
