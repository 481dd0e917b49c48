"""What is said where nothing known fits: when it is right, which entries are wrong, what factor."""

import numpy as np
import pytest
from test_report import right

from cnnlib.diagnosis import diagnose
from cnnlib.diagnosis.cases import ladder
from cnnlib.diagnosis.patterns import pattern
from cnnlib.diagnosis.report import is_right
from cnnlib.diagnosis.settings import regime

LADDER = ladder(None, None, np.random.default_rng(0))


def left_over(x, w, s, p):
    return any((x.shape[m] + 2 * p - w.shape[m]) % s for m in (1, 2))


# When it is right, of the function's arguments
RIGHT_WITH = {
    "stride 1": lambda x, w, s, p: s == 1,
    "padding 0": lambda x, w, s, p: p == 0,
    "one sample": lambda x, w, s, p: len(x) == 1,
    "one channel": lambda x, w, s, p: x.shape[3] == 1,
    "one filter": lambda x, w, s, p: len(w) == 1,
    "one channel and one filter": lambda x, w, s, p: x.shape[3] == 1 and len(w) == 1,
    "as many filters as channels": lambda x, w, s, p: x.shape[3] == len(w),
    "a square input": lambda x, w, s, p: x.shape[1] == x.shape[2],
    "a square kernel": lambda x, w, s, p: w.shape[1] == w.shape[2],
    "no row or column left over": lambda x, w, s, p: not left_over(x, w, s, p),
    "windows that do not overlap": lambda x, w, s, p: s >= max(w.shape[1:3]),
    "stride 1 and padding 0": lambda x, w, s, p: s == 1 and p == 0,
    "stride 1 and one sample": lambda x, w, s, p: s == 1 and len(x) == 1,
}


def with_holes(case, quantity, wrong):
    """The case's result, right or a number too large everywhere."""
    return case, case.right[quantity] + wrong


@pytest.mark.parametrize("words", RIGHT_WITH)
def test_what_the_right_configurations_have_in_common(words):
    def holds(case):
        return RIGHT_WITH[words](case.x, case.w, case.stride, case.padding)

    results = [with_holes(case, "dx", not holds(case)) for case in LADDER]
    assert f"It is right with {words} only." in pattern("dx", results)
    fine, failing = ([case for case in LADDER if holds(case) == sort] for sort in (True, False))
    assert regime(fine, failing) == words


def test_without_anything_in_common_they_are_counted():
    results = [with_holes(case, "dw", n in (2, 5)) for n, case in enumerate(LADDER)]
    assert pattern("dw", results).startswith(f"It is right in {len(LADDER) - 2} of {len(LADDER)} ")
    assert regime(LADDER[:3], LADDER[3:6]) == "one sample and one channel and one filter"


def test_wrong_everywhere():
    results = [with_holes(case, "z", 1) for case in LADDER]
    assert pattern("z", results) == "It is wrong in every configuration."


# Which entries are wrong, in (N, H, W, C) of z and dx, (K, kh, kw, C) of dw, (K,) of db
EDGES = {
    "the last row": [np.s_[:, -1]],
    "the last column": [np.s_[:, :, -1]],
    "the first row": [np.s_[:, 0]],
    "the first column": [np.s_[:, :, 0]],
    "the last row or column": [np.s_[:, -1], np.s_[:, :, -1]],
    "the first row or column": [np.s_[:, 0], np.s_[:, :, 0]],
    "the border": [np.s_[:, [0, -1]], np.s_[:, :, [0, -1]]],
}
FIRST_AXIS = {"z": "sample", "dx": "sample", "dw": "filter"}
LAST_AXIS = {"z": "filter", "dx": "channel", "dw": "channel"}
PLACES = [
    *((quantity, words, at) for quantity in FIRST_AXIS for words, at in EDGES.items()),
    *((quantity, f"the last {name}", [np.s_[-1]]) for quantity, name in FIRST_AXIS.items()),
    *((quantity, f"the first {name}", [np.s_[0]]) for quantity, name in FIRST_AXIS.items()),
    *((quantity, f"what comes after the first {name}", [np.s_[1:]])
      for quantity, name in FIRST_AXIS.items()),
    *((quantity, f"the last {name}", [np.s_[..., -1]]) for quantity, name in LAST_AXIS.items()),
    *((quantity, f"what comes after the first {name}", [np.s_[..., 1:]])
      for quantity, name in LAST_AXIS.items()),
    ("db", "the last filter", [np.s_[-1]]),
    ("db", "what comes after the first filter", [np.s_[1:]]),
]  # fmt: skip


def case_with_three(name):
    """So many that the last one is not all that comes after the first."""
    enough = {"sample": lambda c: len(c.x) > 2, "else": lambda c: len(c.w) == c.x.shape[3] == 3}
    return next(filter(enough["sample" if "sample" in name else "else"], LADDER))


@pytest.mark.parametrize(("quantity", "words", "places"), PLACES)
def test_what_alone_is_wrong(quantity, words, places):
    case = case_with_three(words)
    got = case.right[quantity].copy()
    for at in places:
        got[at] += 1
    beside = case, case.right[quantity]
    assert pattern(quantity, [(case, got)]) == (
        f"It is wrong in every configuration. Where it is wrong, only {words} is wrong."
    )
    assert pattern(quantity, [beside, (case, got)]) == (
        f"It is right in 1 of 2 configurations. Where it is wrong, only {words} is wrong."
    )


@pytest.mark.parametrize(("quantity", "words", "places"), PLACES)
def test_one_more_wrong_entry_beside_it_is_not_passed_over(quantity, words, places):
    case = case_with_three(words)
    for beside in [np.s_[1]] if quantity == "db" else [np.s_[:, 1, 1], np.s_[:, -2, -2]]:
        got = case.right[quantity].copy()
        for at in [*places, beside]:
            got[at] += 1
        if quantity != "db" or "comes after" not in words:  # that has it already
            assert f"only {words} is wrong" not in pattern(quantity, [(case, got)])


@pytest.mark.parametrize("quantity", ["z", "dx", "dw", "db"])
def test_what_is_wrong_as_a_whole_has_no_place(quantity):
    for case in LADDER:
        for got in (case.right[quantity][:-1], case.right[quantity] + 1):
            assert pattern(quantity, [(case, got)]) == "It is wrong in every configuration."


def test_what_is_wrong_must_be_so_in_all_configurations():
    results = []
    for case, at in zip(LADDER[-2:], (0, 3), strict=True):
        got = case.right["dx"].copy()
        got[:, at] += 1
        results.append((case, got))
    assert pattern("dx", results) == "It is wrong in every configuration."


# Factors. 1/N and 1/(N*oh*ow) of dw and db are mistakes of the catalogue.
FACTORS = {
    "-1": lambda x, w, dz, s: -1,
    "2": lambda x, w, dz, s: 2,
    "1/2": lambda x, w, dz, s: 1 / 2,
    "N": lambda x, w, dz, s: len(x),
    "1/N": lambda x, w, dz, s: 1 / len(x),
    "C": lambda x, w, dz, s: x.shape[3],
    "1/C": lambda x, w, dz, s: 1 / x.shape[3],
    "K": lambda x, w, dz, s: len(w),
    "1/K": lambda x, w, dz, s: 1 / len(w),
    "kh*kw": lambda x, w, dz, s: w.shape[1] * w.shape[2],
    "1/(kh*kw)": lambda x, w, dz, s: 1 / (w.shape[1] * w.shape[2]),
    "oh*ow": lambda x, w, dz, s: dz.shape[1] * dz.shape[2],
    "1/(oh*ow)": lambda x, w, dz, s: 1 / (dz.shape[1] * dz.shape[2]),
    "N*oh*ow": lambda x, w, dz, s: dz[..., 0].size,
    "1/(N*oh*ow)": lambda x, w, dz, s: 1 / dz[..., 0].size,
    "stride": lambda x, w, dz, s: s,
    "1/stride": lambda x, w, dz, s: 1 / s,
    "stride^2": lambda x, w, dz, s: s**2,
    "1/(stride^2)": lambda x, w, dz, s: 1 / s**2,
}


@pytest.mark.parametrize("name", FACTORS)
def test_a_factor_is_named_in_the_letters_of_the_shapes(name):
    def fn(x, w, b, dz, s, p):
        factor, one = FACTORS[name](x, w, dz, s), right(x, w, b, dz, s, p)
        return {"z": factor * (one["z"] - b) + b, "dx": factor * one["dx"]}

    assert [finding.message for finding in diagnose(fn).findings] == [
        f"The sums are {name} times the right ones, the bias is right.",
        f"dx is {name} times the right one.",
    ]


def test_a_mistake_and_a_factor_together():
    def fn(x, w, b, dz, s, p):
        return {"dx": 2 * right(x, w[:, ::-1, ::-1], b, dz, s, p)["dx"]}

    findings = diagnose(fn).findings
    assert [finding.mistake for finding in findings] == ["D1", "D2", "D3"]
    for finding in findings:
        assert "Besides, it is multiplied by 2." in finding.message
        assert "one of them was made: D1, D2, D3." in finding.message


# What counts as right


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_thousand_roundings_of_the_largest_number_are_allowed(dtype):
    largest = np.array([512.0, 0])
    step = 1000 * np.finfo(dtype).eps
    small = np.array([0.25, 0])  # numbers below 1 count as 1
    for array, scale in ((largest, 512), (small, 1)):
        near, far = (array + np.array([0, k * scale * step]) for k in (0.9, 1.1))
        assert is_right(array, near.astype(dtype))
        assert not is_right(array, far.astype(dtype))


def test_another_shape_or_nan_is_never_right():
    assert not is_right(np.zeros(2), np.zeros((1, 2)))
    assert not is_right(np.zeros(2), np.array([0, np.nan]))
    assert not is_right(np.zeros(2), np.array([0, np.inf]))
