"""`python -OO` drops docstrings and `assert`: what readers are told must not depend on either."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import rooms

ROOT = Path(__file__).parents[1]

SAID = {
    "a mistake of the catalogue": (
        "print(diagnose(lambda x, w, b, dz, s, p: {'db': dz.mean(axis=(0, 1, 2))}))",
        "mistake B3",
    ),
    "a guess": (
        "print(diagnose(lambda x, w, b, dz, s, p: {'z': cnnlib.conv(x, w, -b, stride=s, "
        "padding=p)}))",
        "The bias is subtracted.",
    ),
    "a shift": (
        "print(diagnose(lambda x, w, b, dz, s, p: {'z': cnnlib.conv(np.roll(np.pad(x, ((0, 0), "
        "(9, 9), (9, 9), (0, 0))), -1, 1)[:, 9 - p : p - 9, 9 - p : p - 9], w, b, stride=s)}))",
        "shifted against each other by 1 row.",
    ),
    "a pool": (
        "print(diagnosis.diagnose_pool(lambda x, da, k, s: {'a': cnnlib.avg_pool(x, k, stride=s) "
        "* k**2}, kind='avg'))",
        "mistake P3",
    ),
    "the head": (
        "print(diagnosis.diagnose_head(lambda x, w, b, t: {'loss': 2.0}))",
        "No known mistake gives this.",
    ),
    "a step": (
        "print(diagnosis.diagnose_step(lambda params, x, t, rate: params))",
        "mistake T2",
    ),
    "an exercise": ("print(check('3.1', [8, 2, 4, -2, 6]))", "mistake D19"),
    "a hint": ("print(hint('3.1'))", "Write the three outputs as sums."),
    "a solution": ("print(solution('3.1'))", "dx_by_hand ="),
    "the clinic's rows": (
        "from cnnlib.diagnosis.mistakes import ways\nprint([way.words for way in ways.ways()])",
        "dz[I-1-i] where dz[i] belongs.",
    ),
}  # fmt: skip


def optimised(*arguments):
    command = [sys.executable, "-OO", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def said():
    """What is said of each, from one process."""
    code = [
        "import cnnlib, numpy as np",
        "from cnnlib import diagnose, diagnosis",
        "from cnnlib.book.exercises import check, hint, solution",
        "print('docstrings', diagnose.__doc__)",
    ]
    for statement, _ in SAID.values():
        code += ["print('#' * 9)", statement]
    head, *told = optimised("-c", "\n".join(code)).split("#" * 9)
    assert head.strip() == "docstrings None"
    return dict(zip(SAID, told, strict=True))


@pytest.mark.parametrize("name", SAID)
def test_readers_are_told_the_same(said, name):
    assert SAID[name][1] in said[name]


def test_the_builder_says_what_it_does():
    said = optimised("-m", "cnnlib.book.publish", "--help")
    assert "executes the notebooks and renders them to HTML" in said


@pytest.mark.parametrize("module", rooms.MODULES)
def test_nothing_depends_on_a_docstring_or_an_assert(module):
    text = rooms.MODULES[module].read_text(encoding="utf-8")
    nodes = list(ast.walk(ast.parse(text)))
    if ".earlier." not in module:  # the chapters' own words, whose cells assert as well
        assert not any(isinstance(node, ast.Assert) for node in nodes)
    names = {getattr(node, "attr", getattr(node, "id", None)) for node in nodes}
    names |= {node.name for node in nodes if isinstance(node, ast.alias)}
    assert not names & {"__doc__", "getdoc"}
