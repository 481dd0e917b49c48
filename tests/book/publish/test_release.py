"""What a tag publishes."""

import io
import re
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

pytest.importorskip("nbformat")

from cnnlib.book.publish import BuildError
from cnnlib.book.publish.release import ARCHIVES, notes, release

ROOT = Path(__file__).parents[3]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def made(folder):
    for name in ARCHIVES:
        (folder / name / "below").mkdir(parents=True)
        (folder / name / "below" / "page.html").write_text(name)
    return folder


def test_a_release_has_an_archive_of_each_folder_the_wheel_and_the_notes(tmp_path, capsys):
    release(made(tmp_path), ROOT / "CHANGELOG.md", f"v{VERSION}")
    files = {path.name: path.read_bytes() for path in (tmp_path / "release").iterdir()}
    zips = {f"convolution-book-{VERSION}-{called}.zip": name for name, called in ARCHIVES.items()}
    assert set(files) == {*zips, f"cnnlib-{VERSION}-py3-none-any.whl", "NOTES.md"}
    for file, name in zips.items():
        with zipfile.ZipFile(io.BytesIO(files[file])) as archive:
            assert {n: archive.read(n).decode() for n in archive.namelist()} == {
                f"{name}/below/page.html": name
            }
    release(tmp_path, ROOT / "CHANGELOG.md", f"v{VERSION}")
    assert {p.name: p.read_bytes() for p in (tmp_path / "release").iterdir()} == files
    assert f"files of version {VERSION}" in capsys.readouterr().out


def test_what_does_not_fit_is_refused(tmp_path):
    changelog = ROOT / "CHANGELOG.md"
    with pytest.raises(BuildError, match=f"the tag is v9.9.9, the version {VERSION}"):
        release(made(tmp_path), changelog, "v9.9.9")
    with pytest.raises(BuildError, match="has nothing under ## 9.9.9"):
        notes(changelog, "9.9.9")
    (tmp_path / "slides" / "below" / "page.html").unlink()
    with pytest.raises(BuildError, match="slides is empty"):
        release(tmp_path, changelog, f"v{VERSION}")


def test_the_notes_are_those_of_one_version(tmp_path):
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(
        "# C\n\n## Unreleased\n\n- c\n\n## 0.1.10\n\n- b\n\n## 0.1.1 (a day)\n\n- a\n"
    )
    assert notes(changelog, "0.1.1") == "- a\n"
    assert notes(changelog, "0.1.10") == "- b\n"
    assert notes(ROOT / "CHANGELOG.md", VERSION).startswith("- ")


def test_the_workflow_makes_every_folder_and_publishes_what_is_made():
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["release"]["steps"]
    commands = " ".join(step.get("run", "") for step in steps)
    makes = re.search(r"make ((?:[a-z]+ ?)+)", commands)[1].split()
    assert {*makes, "instructor"} == set(ARCHIVES)  # `make handout` makes both editions
    assert 'release --tag "$GITHUB_REF_NAME"' in commands
    assert "build/release/*.zip build/release/*.whl" in commands
