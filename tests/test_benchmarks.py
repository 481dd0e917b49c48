"""The benchmark's own arithmetic, on made-up rounds: no test here times anything."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))  # they are programs, no package

import bench  # noqa: E402
import compare  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
import steps  # noqa: E402
import summary  # noqa: E402

MACHINE = {"processor": "made up"}


def record(slower=1.0, noise=0.0, seed=0, torch=True):
    """W1, its parts, and a training; `slower` times as slow in W1's weight gradient alone."""
    rng = np.random.default_rng(seed)

    def group(cnnlib):
        base = {"cnnlib": cnnlib, "torch a": 4.0, "torch b": 3.0, "sgemm": 20.0, "copy": 8.0}
        kept = {run: t for run, t in base.items() if torch or not run.startswith("torch")}
        # A slow minute slows all sides of a round; the noise is each one's own.
        minute = rng.uniform(1, 3, 9)
        return {r: list(t * minute * (1 + noise * rng.normal(size=9))) for r, t in kept.items()}

    parts = {"z": 1.0, "dx": 2.0, "dw": 3.0 * slower}
    times = {"W1": group(6.0), **{f"W1 {part}": group(t) for part, t in parts.items()}}
    return {
        "machine": MACHINE,
        "rounds": 9,
        "load": {"convolutions": 1.0},
        "works": {"W1": {"text": "one"}},
        "times": {"convolutions": times, "training": {"W9": group(9.0)}},
    }


def test_a_rival_is_measured_in_the_time_of_cnnlib_process_by_process():
    slow_minute = {"cnnlib": [2.0, 4.0, 8.0], "rival": [1.0, 2.0, 4.0]}
    other = {"cnnlib": [2.0, 2.0, 2.0], "rival": [3.0, 3.0, 3.0]}
    processes = [{"times": other, "load": 2.04}, {"times": slow_minute, "load": 1.0}]
    assert steps.summary(processes) == {
        "milliseconds": {"cnnlib": 2.0, "rival": 3.0},
        "times cnnlib's": [0.5, 1.5],
        "load": 2.0,
    }


def verdicts(old, new):
    return {c.name: c.verdict for c in compare.changes(old, new) if c.verdict}


@pytest.mark.parametrize("torch", [True, False])
def test_a_slowdown_of_a_fifth_is_seen_where_it_is(torch):
    for seed in range(20):
        old = record(noise=0.01, seed=seed, torch=torch)
        new = record(1.2, noise=0.01, seed=seed + 100, torch=torch)
        assert verdicts(old, new) == {"W1 dw": "SLOWER"}, seed
        assert verdicts(new, old) == {"W1 dw": "faster"}, seed


def test_the_same_speed_in_another_slow_minute_is_no_change():
    for seed in range(20):
        old, new = record(noise=0.1, seed=seed), record(noise=0.1, seed=seed + 100)
        assert verdicts(old, new) == {}, seed


def test_a_median_beyond_the_limit_is_not_enough_when_rounds_are_all_over_the_place():
    old = {"cnnlib": [1.0, 1.3, 0.7, 1.2, 0.8, 1.0, 1.3], "sgemm": [1.0] * 7}
    new = {"cnnlib": [1.15, 1.5, 0.8, 1.15, 0.9, 1.3, 0.9], "sgemm": [1.0] * 7}
    (one,) = compare.change("", old, new)
    assert one.change == pytest.approx(1.15)
    assert one.low < compare.SLOWER < one.change
    assert one.verdict == ""


def test_a_sure_slowdown_below_the_limit_is_none():
    old, new = record(), record(1.08)
    assert verdicts(old, new) == {}
    (dw,) = (c for c in compare.changes(old, new) if c.name == "W1 dw")
    assert (dw.change, dw.low, dw.high) == pytest.approx((1.08, 1.08, 1.08))


def test_the_measure_is_pytorchs_faster_run_or_without_it_a_large_product():
    for torch, measure_of_both in ((True, "torch b"), (False, "sgemm")):
        found = compare.changes(record(), record(torch=torch))
        assert {one.against for one in found} == {measure_of_both}
        assert [one.change for one in found] == pytest.approx([1] * len(found))


@pytest.mark.parametrize(("slower", "status"), [(1.0, 0), (1.2, 1)])
def test_the_exit_status_says_it(tmp_path, monkeypatch, capsys, slower, status):
    files = tmp_path / "old.json", tmp_path / "new.json"
    for file, each in zip(files, (record(), record(slower)), strict=True):
        file.write_text(json.dumps(each))
    monkeypatch.setattr(sys, "argv", ["compare.py", *map(str, files)])
    with pytest.raises(SystemExit) as stop:
        compare.main()
    assert int(stop.value.code) == status
    assert ("slower: W1 dw" in capsys.readouterr().out) == bool(status)


def test_another_machine_is_named():
    other = record() | {"machine": {"processor": "another"}}
    assert "another processor: made up before, another now" in compare.text(record(), other)


def test_ratios_are_taken_round_by_round():
    # The last two rounds hit a slow minute, which doubles both sides.
    assert measure.ratio([2, 4, 4], [1, 2, 2]) == (2, 2, 2)
    assert measure.ratio([1, 2, 3, 4, 5], [1, 1, 1, 1, 1]) == (3, 2, 4)


def test_rounds_counts_all_but_the_first():
    now = [0.0]

    def passes(seconds):
        return lambda: now.__setitem__(0, now[0] + seconds)

    times = measure.rounds({"a": passes(1), "b": passes(2)}, 3, clock=lambda: now[0])
    assert times == {"a": [1000] * 3, "b": [2000] * 3}


def test_what_a_context_makes_first_is_not_timed():
    now, anew = [0.0], [False]

    @contextmanager
    def context():
        anew[0] = True
        yield

    def run():
        now[0] += 5 if anew[0] else 1
        anew[0] = False

    times = measure.rounds({"a": run}, 3, clock=lambda: now[0], within={"a": context})
    assert times == {"a": [1000] * 3}


def test_the_floor_by_hand():
    """Each sum: the faster of both products, or its bytes if they take longer."""
    z, dx, dw = (
        {"windows": [4.0], "blocks": [3.0]},
        {"windows": [1.0], "blocks": [2.0]},
        {"windows": [6.0], "blocks": [6.0]},
    )
    z["copies"] = [4.0]  # twice the bytes of one sum: 2 ms each
    times = {
        "W1": {"cnnlib": [22.0], "torch a": [11.0], "sgemm": [0.002], "copy": [1.0]},
        **{"W1 z": z, "W1 dx": dx, "W1 dw": dw},
    }
    work = {"multiplications": 1100, "side": 10, "copied": 1e6}
    found = summary.floor("W1", times, work)
    assert found["products"] == 3 + 1 + 6
    assert found["bytes"] == 3 * 2
    assert found["floor"] == 3 + 2 + 6
    assert found["cnnlib over floor"] == 2
    assert found["floor over torch"] == 1
    # The product of 10x10 matrices does 2000 operations in 0.002 ms; here 6600 take 22 ms.
    assert found["peak, GFlop/s"] == pytest.approx(1)
    assert found["share of peak"] == pytest.approx(6600 / 22 / (2000 / 0.002))
    assert found["copy, GB/s"] == pytest.approx(2)


def test_the_mean_leaves_the_fourier_case_out():
    group = {"cnnlib": [2.0], "torch a": [1.0]}
    quick = {"cnnlib": [0.01], "torch a": [1.0]}
    times = {}
    for name, each in (("W1", group), ("W2", {"cnnlib": [8.0], "torch a": [1.0]}), ("W8", quick)):
        times |= {name: each, **{f"{name} {part}": each for part in summary.PARTS}}
    found = summary.convolutions(times, {name: {"text": ""} for name in ("W1", "W2", "W8")})
    assert found["geometric mean"] == pytest.approx(4)
    assert found["maximum"] == 8
    assert found["W8"]["ratio"] == (0.01, 0.01, 0.01)


def test_the_exponent_of_a_power():
    assert summary.slope([1, 2, 4], [3, 12, 48]) == pytest.approx(2)


def test_figures_have_three_digits():
    assert summary.rounded({"a": (1234.5, [0.0123456]), "b": "1.23456", "n": 0.0}) == {
        "a": [1230.0, [0.0123]],
        "b": "1.23456",
        "n": 0.0,
    }


def test_every_section_has_its_table():
    assert report.TABLES.keys() == summary.SECTIONS.keys()


def test_a_machine_without_pytorch_gets_its_tables():
    text = report.text(summary.figures(record(torch=False)))
    assert "W1" in text
    assert "geometric mean" not in text


def test_a_record_is_named_by_processor_and_kernels():
    for processor, numpy, slug in [
        ("AMD EPYC, 2 cores", "2.4.6, openblas 0.3.31, core type Haswell, threads: 1; openblas "
         "0.3.30, core type Zen, threads: 1", "amd-epyc-haswell"),
        ("Intel(R) Xeon(R) Processor, 2 cores", "2, openblas 1, core type SkylakeX",
         "intel-xeon-skylakex"),
        ("Apple M1, 8 cores", "2.4.6, accelerate", "apple-m1"),
    ]:  # fmt: skip
        assert summary.slug({"processor": processor, "NumPy": numpy}) == slug


def test_machines_stand_side_by_side():
    def made(name, ratio, load, **limits):
        machine = {"processor": name, "NumPy": "2; SciPy's", "PyTorch": "2.13"} | limits
        rows = {row: {"ratio": (ratio, ratio, ratio)} for row in report.README_ROWS}
        steps = {"ratio": {f"torch {how}": (2 * ratio, 0, 0) for how in ("default", "best")}}
        convolutions = rows | {"geometric mean": ratio}
        return {"machine": machine, "load": {"convolutions": load}, "convolutions": convolutions,
                "training": steps}  # fmt: skip

    machines = made("A", 0.5, 1.0), made("B", 1.25, 3.0, OPENBLAS_CORETYPE="Haswell")
    lines = report.markdown(list(machines)).splitlines()
    assert lines[0] == "| workload | A | B |"
    assert lines[5] == "| 64 images 32x32, 32 to 64 channels, 3x3 | 0.50 | 1.25 |"
    assert "| **0.50** | **1.25** |" in lines[9] and lines[10].endswith("| 1.00 | 2.50 |")
    assert lines[-1] == "| B | 2 | 2.13 | `OPENBLAS_CORETYPE=Haswell` | 3.0 |"


def test_what_a_record_has_stays_if_the_machine_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "RECORDS", tmp_path)
    machine = {"processor": "A", "NumPy": "2"}
    bench.keep({"machine": machine, "load": {"peers": 1}, "peers": 1})
    bench.keep({"machine": machine, "load": {"training": 2}, "training": 2})
    kept = {"machine": machine, "load": {"peers": 1, "training": 2}, "peers": 1, "training": 2}
    assert summary.recorded(tmp_path) == [kept]
    other = {"machine": machine | {"Python": "4"}, "load": {"training": 3}, "training": 3}
    bench.keep(other)
    assert summary.recorded(tmp_path) == [other]


def test_the_readme_shows_the_recorded_figures():
    """`bench.py --record build/bench.json --summary` writes both."""
    recorded = summary.recorded(ROOT / "notebooks" / "results" / "speed")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert report.README_TABLE.findall(readme) == [report.markdown(recorded)]
