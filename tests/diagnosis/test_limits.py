"""Limits are found out or declared, and within them the configurations stay awkward."""

from itertools import combinations

import numpy as np
import pytest
from test_report import right

from cnnlib.diagnosis import diagnose, diagnose_pool
from cnnlib.diagnosis.cases import ladder
from cnnlib.diagnosis.settings import read_limits
from cnnlib.errors import InputError


def left_over(x, w, s, p):
    return any((x.shape[m] + 2 * p - w.shape[m]) % s for m in (1, 2))


# By the name of the limit: its words, and when a layer runs that has it
LIMITS = {
    "square kernel": ("a square kernel", lambda x, w, s, p: w.shape[1] == w.shape[2]),
    "square input": ("a square input", lambda x, w, s, p: x.shape[1] == x.shape[2]),
    "odd kernel": ("an odd kernel", lambda x, w, s, p: w.shape[1] % 2 and w.shape[2] % 2),
    "exact fit": ("no row or column left over", lambda *g: not left_over(*g)),
    "one sample": ("one sample", lambda x, w, s, p: len(x) == 1),
    "one channel": ("one channel", lambda x, w, s, p: x.shape[3] == 1),
    "one filter": ("one filter", lambda x, w, s, p: len(w) == 1),
    "as many filters as channels": (
        "as many filters as channels", lambda x, w, s, p: len(w) == x.shape[3]),
    "stride 1": ("stride 1", lambda x, w, s, p: s == 1),
    "padding 0": ("padding 0", lambda x, w, s, p: p == 0),
    "side by side": ("windows side by side", lambda x, w, s, p: w.shape[1] == w.shape[2] == s),
    "no overlap": ("windows that do not overlap", lambda x, w, s, p: s >= max(w.shape[1:3])),
}  # fmt: skip
NAMES = list(LIMITS)
PAIRS = [
    ("square kernel", "exact fit"),
    ("one sample", "one channel"),
    ("square input", "odd kernel"),
    ("stride 1", "padding 0"),
    ("square kernel", "square input", "exact fit"),
]


def limited(names, returns=right, seen=None):
    def fn(x, w, b, dz, s, p):
        if not all(LIMITS[name][1](x, w, s, p) for name in names):
            raise ValueError("not for me")
        if seen is not None:
            seen.append((x, w, s, p))
        return returns(x, w, b, dz, s, p)

    return fn


@pytest.mark.parametrize("names", [*[(name,) for name in NAMES], *PAIRS], ids=", ".join)
def test_limits_are_found_out(names):
    report = diagnose(limited(names))
    assert report.ok is True, str(report)
    assert set(report.limits) == {LIMITS[name][0] for name in names}
    assert "Right in all" not in str(report) and "raises ValueError: not for me" in str(report)


@pytest.mark.parametrize("names", [*[(name,) for name in NAMES], *PAIRS], ids=", ".join)
def test_limits_that_are_declared_are_kept_to(names):
    report = diagnose(limited(names), limits=names)
    assert report.ok is True and report.limits == []
    assert f"Right in all {report.count} configurations" in str(report)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_within_a_limit_all_else_is_awkward(name, declared):
    seen = []
    diagnose(limited([name], seen=seen), limits=[name] if declared else ())

    def some(condition):
        return any(condition(x, w, s, p) for x, w, s, p in seen)

    impossible = {
        "as many filters as channels": ("one channel", "one filter"),
        "stride 1": ("exact fit", "no overlap", "side by side"),  # windows fit then, and overlap
        "side by side": ("square kernel", "no overlap"),  # a single stride for both axes
    }
    for other in NAMES:
        if other not in (name, "as many filters as channels", *impossible.get(name, ())):
            assert some(lambda *g, other=other: not LIMITS[other][1](*g)), other
    # All together: a batch, maps, and what the limit leaves free.
    wide = {"one sample": 0, "one channel": 1, "one filter": 2}.get(name)

    def rich(x, w, s, p):
        sizes = [len(x), x.shape[3], len(w)]
        return all(n > 1 for m, n in enumerate(sizes) if m != wide)

    assert some(rich)
    assert name == "stride 1" or some(lambda *g: rich(*g) and g[2] > 1)
    assert name == "padding 0" or some(lambda *g: rich(*g) and g[3] > 0)
    if name in ("square kernel", "square input", "odd kernel", "exact fit"):
        assert some(lambda *g: rich(*g) and g[2] > 1 and g[3] > 0)


SOME = [("square kernel",), PAIRS[-1], ("one sample",), ("one channel", "one sample")]


@pytest.mark.parametrize("names", SOME, ids=", ".join)
def test_a_mistake_is_found_within_the_limits(names):
    def fn(x, w, b, dz, s, p):
        one = right(x, w, b, dz, s, p)
        wide = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
        dw = np.zeros(w.shape)
        for i, j in np.ndindex(*dz.shape[1:3]):
            dw += np.tensordot(dz[:, i, j], wide[:, i : i + w.shape[1], j : j + w.shape[2]], (0, 0))
        return {**one, "dw": dw}

    report = diagnose(limited(names, fn))
    assert [(one.quantity, one.mistake) for one in report.findings] == [("dw", "W3")]
    assert set(report.limits) == {LIMITS[name][0] for name in names}
    assert set(report.right) == {"z", "dx", "db"}


def test_what_a_limit_hides_is_listed():
    hidden = diagnose(limited(["stride 1"])).hidden
    assert {"D4", "D5", "D6"} <= set(hidden["dx"]) and "D1" not in hidden["dx"]
    assert "B1" in diagnose(limited(["one sample"])).hidden["db"]


def test_pools_have_limits_too():
    def fn(x, da, window, stride):
        if x.shape[1] != x.shape[2] or window != stride:
            raise ValueError("not for me")
        size = [n // window for n in x.shape[1:3]]
        cut = x[:, : size[0] * window, : size[1] * window]
        blocks = cut.reshape(len(x), size[0], window, size[1], window, x.shape[3])
        return {"a": blocks.max(axis=(2, 4))}

    report = diagnose_pool(fn, stride="window")
    assert report.ok is True and report.limits == ["a square input"]
    assert diagnose_pool(fn, stride="window", limits=["square input"]).limits == []
    seen = []
    diagnose_pool(lambda *given: seen.append(given) or {}, limits=["square input"])
    assert any(len(x) > 1 and x.shape[3] > 1 and x.shape[1] == x.shape[2] for x, *_ in seen)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    "how", [(None, None), (1, 0), (2, 1), (3, "same"), (None, "same")], ids=str
)
def test_any_two_limits_are_built_with_any_stride_and_padding(axes, how):
    for names in combinations(NAMES, 2):
        limits = read_limits(names)
        for case in ladder(*how, np.random.default_rng(0), axes, limits=limits):
            assert min(case.dz.shape) >= 1
            if how == (None, None):
                assert all(limit.holds(case.facts) for limit in limits), (names, str(case))


def test_pools_are_built_with_any_two_limits():
    for names in combinations(NAMES, 2):
        seen = []
        diagnose_pool(lambda *given, seen=seen: seen.append(given) or {}, limits=names)
        assert all(min(da.shape) >= 1 for _, da, *_ in seen) and seen


def test_an_unknown_limit_is_refused_with_the_known_ones():
    with pytest.raises(
        InputError, match="an entry of limits is 'square'; expected 'stride 1', 'padding 0'"
    ):
        diagnose(right, limits=["square"])


def test_a_diagnosis_calls_seldom():
    """A reader's loops are slow: what counts is how often they run."""
    calls = []

    def counted(fn):
        calls.clear()
        return lambda *given: calls.append(1) or fn(*given)

    diagnose(counted(right))
    assert len(calls) <= 30
    diagnose(counted(limited(["one sample", "one channel"])))
    assert len(calls) <= 70
    diagnose(counted(lambda *given: {**right(*given), "z": np.sin(right(*given)["z"])}))
    assert len(calls) <= 300


def test_the_last_remainder_that_raises_is_no_limit():
    """D6 in the form that raises: what was computed back lacks the rest, and is added to dx."""

    def fn(x, w, b, dz, s, p):
        wide = np.zeros((len(x), *(n + 2 * p for n in x.shape[1:3]), x.shape[3]))
        size = [s * (n - 1) + k for n, k in zip(dz.shape[1:3], w.shape[1:3], strict=True)]
        back = np.zeros((len(x), *size, x.shape[3]))
        for i, j in np.ndindex(*dz.shape[1:3]):
            at = np.s_[:, s * i : s * i + w.shape[1], s * j : s * j + w.shape[2]]
            back[at] += np.tensordot(dz[:, i, j], w, 1)
        wide += back
        one = right(x, w, b, dz, s, p)
        return {**one, "dx": wide[:, p : p + x.shape[1], p : p + x.shape[2]]}

    report = diagnose(fn)
    assert [(one.quantity, one.mistake) for one in report.findings] == [("dx", "D6")]
    assert report.right == ["z", "dw", "db"] and report.limits == []
