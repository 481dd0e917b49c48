"""The ways in for a test and for a shell: the verdict is an assertion, or an exit status."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from layers_as_written import ConvLayer, ConvMeans, MaxPool, MaxPoolMask
from strangers import forward

from cnnlib.diagnosis import assert_gradients
from cnnlib.diagnosis.__main__ import main
from cnnlib.errors import InputError

HERE = Path(__file__).parent
FILE = str(HERE / "layers_as_written.py")


def test_what_is_right_passes():
    assert assert_gradients(ConvLayer, layout="NCHW", limits=["square kernel"]).ok
    assert assert_gradients(MaxPool, kind="max").right == ["a", "dx"]
    assert assert_gradients(lambda x, w, b, dz, s, p: {"z": forward(x, w, b, s, p)},
                            missing=["dx", "dw", "db"]).ok  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "how", "words"),
    [(ConvMeans, {}, "mistake B3"), (MaxPoolMask, {"kind": "max"}, "mistake P1"),
     (lambda x, w, b, dz, s, p: 3, {}, "expected a dict"),
     (lambda params, x, t, rate: params, {"kind": "step"}, "mistake T2"),
     (lambda x, w, b, t: {"p": x}, {"kind": "head"}, "p is wrong")],
)  # fmt: skip
def test_what_is_wrong_or_not_examined_fails_with_the_report(layer, how, words):
    with pytest.raises(AssertionError, match=words):
        assert_gradients(layer, **how)


@pytest.mark.parametrize(("missing", "passes"), [([], False), (["db"], False), (("dw",), True)])
def test_a_gradient_that_is_not_returned_fails_unless_that_is_said(missing, passes):
    pair, inputs = (lambda x, w: x * w, lambda d, x, w: (w * d,)), {"x": "N C", "w": "C"}
    if passes:
        assert assert_gradients(pair, kind="gradient", inputs=inputs, missing=missing).ok
        return
    with pytest.raises(AssertionError, match=r"(?s)Not returned: dw.*say missing=\['dw'\]"):
        assert_gradients(pair, kind="gradient", inputs=inputs, missing=missing)


@pytest.mark.parametrize("missing", ["dw", None, 3])
def test_what_may_be_missing_are_names(missing):
    with pytest.raises(InputError, match="expected names"):
        assert_gradients(ConvLayer, missing=missing)


def test_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match="kind is 'conv'"):
        assert_gradients(ConvLayer, kind="conv")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([f"{FILE}:ConvLayer", "--layout", "NCHW", "--limits", "square kernel"], 0, "Right in all"),
        ([f"{FILE}:ConvMeans", "--stride", "1"], 1, "mistake B3"),
        ([f"{FILE}:MaxPoolMask", "--kind", "max"], 1, "mistake P1"),
        ([f"{FILE}:conv_forward,conv_backward"], 0, "square kernel"),
        ([f"{FILE}:conv2d,conv2d_back", "--kind", "gradient", "--inputs", "x: N C 5 5; w: K C 3 3"],
         0, "Right in all"),
        ([f"{FILE}:padded"], 2, "raises everywhere"),
    ],
)  # fmt: skip
def test_the_exit_status_is_the_verdict(capsys, arguments, status, words):
    assert main(arguments) == status
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["no.py:Conv"], "is no FILE.py:NAME"), ([f"{FILE}:Nothing"], "has no 'Nothing'"),
     ([FILE], "is no FILE.py:NAME"), ([f"{FILE}:ConvLayer", "--layout", "N"], "layout is 'N'"),
     ([f"{FILE}:padded", "--kind", "gradient", "--inputs", "x"], "--inputs"),
     ([f"{FILE}:padded", "--kind", "gradient", "--inputs", "x: N; x: C"], "a name of its own"),
     ([f"{FILE}:padded", "--kind", "gradient", "--inputs", ": N"], "a name of its own"),
     ([f"{FILE}:ConvLayer", "--loss", "none"], "loss")],
)  # fmt: skip
def test_what_cannot_be_examined_says_why(capsys, arguments, words):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_a_file_that_raises_says_so(capsys, tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    assert main([f"{tmp_path / 'broken.py'}:Conv"]) == 2
    (tmp_path / "ends.py").write_text("import sys\nsys.exit()\n")  # a script without a guard
    assert main([f"{tmp_path / 'ends.py'}:Conv"]) == 2
    assert "broken.py raises ZeroDivisionError" in capsys.readouterr().err


def test_the_report_is_written_as_a_page(tmp_path):
    assert main([f"{FILE}:ConvMeans", "--html", str(tmp_path / "report.html")]) == 1
    assert "mistake B3" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["", "no/such/report.html", "mine.py/report.html"])
def test_a_page_that_cannot_be_written_is_named_as_it_was_given(
    tmp_path, monkeypatch, capsys, path
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").touch()
    assert main([f"{FILE}:ConvMeans", "--html", path]) == 2
    said = capsys.readouterr()
    assert "mistake B3" in said.out and said.err.startswith(f"--html {path} cannot be written: ")
    assert "partial" not in said.err


GRADIENT = "{python} -m cnnlib.diagnosis mine.py:forward,{way} --kind gradient --inputs x:N"
SILENT = ("{command} | true; exit ${{PIPESTATUS[0]}}", "{command} >/dev/full", "{command} >&-",
          "PYTHONIOENCODING=ascii {command}")  # fmt: skip


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the shell of Linux")
@pytest.mark.parametrize("shell", SILENT)
@pytest.mark.parametrize(("way", "status"), [("wrong", 1), ("odd", 2)])
def test_the_exit_status_is_the_verdict_whoever_reads(tmp_path, shell, way, status):
    (tmp_path / "mine.py").write_text(
        "def forward(x):\n    return x**2\n"
        "def wrong(d, x):\n    return 3 * x * d\n"
        "def odd(d, x):\n    raise ValueError('é✗')\n",
        encoding="utf-8",
    )
    line = shell.format(command=GRADIENT.format(python=sys.executable, way=way))
    run = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, check=False)
    assert run.returncode == status, run.stderr
    assert b"Traceback" not in run.stderr and b"Exception" not in run.stderr


def test_the_command_runs_as_it_is_documented(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def layer(x, w, b, dz, stride, padding):\n    return {'db': dz.mean(axis=(0, 1, 2))}\n"
    )
    run = subprocess.run([sys.executable, "-m", "cnnlib.diagnosis", "mine.py:layer"], cwd=tmp_path,
                         capture_output=True, text=True, check=False)  # fmt: skip
    assert run.returncode == 1 and "mistake B3" in run.stdout, run.stderr


@pytest.mark.parametrize(
    ("layer", "how", "why"),
    [
        ((), {"kind": "gradient", "inputs": {"x": "N"}}, "expected a pair (forward, backward)"),
        ((abs,) * 3, {"kind": "gradient", "inputs": {"x": "N"}}, "expected a pair"),
        ((abs, abs), {"kind": "gradient", "layout": "NCHW"}, "layout says nothing of a gradient"),
        (abs, {"kind": "head", "stride": 1}, "stride says nothing of a head"),
        (abs, {"strides": 1}, "strides says nothing of a layer; expected some of"),
    ],
)
def test_what_a_kind_does_not_know_is_refused(layer, how, why):
    with pytest.raises(InputError, match=re.escape(why)):
        assert_gradients(layer, **how)
