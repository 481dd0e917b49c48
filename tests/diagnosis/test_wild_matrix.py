"""The matrix of checks and mistakes against the mistakes as people write them."""

import numpy as np
import pytest
from wild import SINGLE

import cnnlib
from cnnlib.diagnosis.mistakes import matrix, ways

MADE = [way.id for way in ways.ways()]
# What stands where windows hang over the edge, and which term stays, is the program's own affair;
# None for zeros, and exchanged arguments, also change the shape; a memory lasts for all checks.
OWN = {"F6", "F8", "D19", "D23", "W2", "W13"}


def right(quantity, s, check):
    geometry = {"stride": check.stride, "padding": check.padding}
    if quantity == "z":
        return cnnlib.conv(s.x, s.w, s.b, **geometry, method="loops")
    if quantity == "dx":
        return cnnlib.conv_delta(s.dz, s.w, s.x.shape, **geometry, method="loops")
    if quantity == "dw":
        return cnnlib.conv_weight_gradient(s.x, s.dz, s.w.shape[1:-1], **geometry, method="loops")
    return cnnlib.conv_bias_gradient(s.dz)


def notices(check, fn, quantity):
    """Whether the check fails for the function: by numbers, or by an error."""
    s = matrix.layer_sum(check, quantity, [])
    expected = right(quantity, s, check)
    for _ in range(check.calls):
        try:
            got = fn(s.x, s.w, s.b, s.dz, check.stride, check.padding)[quantity]
        except Exception:
            return True
        if got is None:
            return True
        a, b = np.asarray(expected), np.asarray(got)
        if check.compare == "mean":
            a, b = a.mean(), b.mean() if b.size else np.nan
        if np.shape(a) != np.shape(b):
            return True
        if check.compare != "shape" and not np.allclose(a, b, 1e-6, 1e-7):
            return True
    return False


def name(value):
    return getattr(value, "__name__", "")


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
@pytest.mark.parametrize(("fn", "quantity", "ids"), SINGLE, ids=name)
def test_a_check_sees_what_people_write_as_the_matrix_says(fn, quantity, ids):
    for check in matrix.CHECKS:
        if check.compare == "numerical":
            continue
        seen = notices(check, fn, quantity)
        for id in ids:
            said = matrix.matrix()[id][check.name]
            if said:  # every way of making it is noticed
                assert seen, (id, check.name)
            elif said is False and MADE.count(id) == 1 and id not in OWN:
                assert not seen, (id, check.name)
