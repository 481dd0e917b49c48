"""The catalogue's mistakes as people write them: each is caught and named on the default call."""

import pytest
from wild import PAIRS, SAME, SINGLE, WILD

from cnnlib.diagnosis import diagnose, mistakes


def found(report):
    return {(finding.quantity, finding.mistake) for finding in report.findings}


def name(value):
    return getattr(value, "__name__", "")


def test_every_mistake_of_the_layer_is_written():
    of_the_layer = {one.id for one in mistakes.every() if one.id[0] in "FDWB"} - {"D22"}
    assert {id for _, _, ids in SINGLE for id in ids} == of_the_layer


@pytest.mark.parametrize(("fn", "quantity", "ids"), SINGLE, ids=name)
def test_it_is_named(fn, quantity, ids):
    report = diagnose(fn)
    assert (quantity, ids[0]) in found(report), str(report)
    # Nothing unnamed beside it: an error where the mistake does not fit is no second mistake.
    assert {q for q, _ in found(report)} == {quantity}
    assert None not in {finding.mistake for finding in report.findings}, str(report)


@pytest.mark.parametrize(("fn", "quantity", "ids"), SAME, ids=name)
def test_both_in_the_same_quantity_are_named(fn, quantity, ids):
    report = diagnose(fn)
    assert {(quantity, id) for id in ids} <= found(report), str(report)


@pytest.mark.parametrize("names", PAIRS, ids=" ".join)
def test_both_in_two_quantities_are_named(names):
    parts = [one for one in WILD if name(one[0]) in names]
    wanted = {(quantity, id) for _, quantity, ids in parts for id in ids}
    assert len(wanted) == 2

    def fn(*given):
        return {q: a for part, _, _ in parts for q, a in part(*given).items()}

    report = diagnose(fn)
    assert wanted <= found(report), str(report)
    assert None not in {finding.mistake for finding in report.findings}, str(report)


def test_there_are_twelve_pairs():
    assert len(PAIRS) + len(SAME) >= 12
