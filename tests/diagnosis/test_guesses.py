"""What can be said of a mistake that has no entry: each sentence, of code that deserves it."""

import numpy as np
import pytest
from strangers import cut, delta, forward, pad, weight_gradient, windows

from cnnlib.diagnosis import diagnose

CASES: list = []


def said(quantity, *words):
    """Register a function whose `quantity` is wrong, and what must be said of it."""

    def register(fn):
        CASES.append(pytest.param(fn, quantity, words, id=f"{quantity}, {fn.__name__}"))
        return fn

    return register


def back(x, w, dz, s, p):
    return cut(delta(x, w, dz, s, p), x, p)


# ---- Padding


@said("z", "the padding mirrors")
def mirrored(x, w, b, dz, s, p):
    return forward(x, w, b, s, p, mode="reflect")


@said("z", "the padding continues at the other end")
def wrapped(x, w, b, dz, s, p):
    return forward(x, w, b, s, p, mode="wrap")


@said("dw", "the padding repeats the cells of the edge")
def edge(x, w, b, dz, s, p):
    return weight_gradient(pad(x, p, mode="edge"), w, dz, s, 0)


@said("dw", "the padding mirrors")
def mirrored_gradient(x, w, b, dz, s, p):
    return weight_gradient(pad(x, p, mode="reflect"), w, dz, s, 0)


@said("dx", "the padding continues at the other end")
def folded(x, w, b, dz, s, p):
    wide, dx = delta(x, w, dz, s, p), np.zeros(x.shape)
    for i, j in np.ndindex(wide.shape[1:3]):
        dx[:, (i - p) % x.shape[1], (j - p) % x.shape[2]] += wide[:, i, j]
    return dx


# ---- Shifts


def moved(rows, columns):
    """The forward pass on an image that lies this much further up and left, beyond the padding."""

    def fn(x, w, b, dz, s, p):
        z = np.zeros(dz.shape)
        wide = np.pad(x, ((0, 0), (p + 2, p + 2), (p + 2, p + 2), (0, 0)))
        for i, j in np.ndindex(z.shape[1:3]):
            at = i * s + 2 + rows, j * s + 2 + columns
            patch = wide[:, at[0] : at[0] + w.shape[1], at[1] : at[1] + w.shape[2]]
            z[:, i, j] = np.einsum("nabc,kabc->nk", patch, w) + b
        return z

    fn.__name__ = f"moved {rows} {columns}"
    return fn


said("z", "by 1 row.")(moved(1, 0))
said("z", "by -1 row.")(moved(-1, 0))
said("z", "by 2 columns.")(moved(0, 2))
said("z", "by -2 rows and 1 column.")(moved(-2, 1))
said("z", "by -1 row and -1 column, -1 cell along each axis.")(moved(-1, -1))
said("z", "by 2 rows and 2 columns, 2 cells along each axis.")(moved(2, 2))


# ---- Order


@said("z", "the kernel's rows are reversed, its columns are not")
def rows_reversed(x, w, b, dz, s, p):
    return forward(x, w[:, ::-1], b, s, p)


@said("dx", "the kernel's columns are reversed, its rows are not")
def columns_reversed(x, w, b, dz, s, p):
    return back(x, w[:, :, ::-1], dz, s, p)


@said("z", "the filters are in the reverse order")
def filters_reversed(x, w, b, dz, s, p):
    return forward(x, w[::-1], b, s, p)


@said("dx", "the filters are in the reverse order")
def filters_of_dx_reversed(x, w, b, dz, s, p):
    return back(x, w[::-1], dz, s, p)


@said("z", "the channels are in the reverse order")
def channels_reversed(x, w, b, dz, s, p):
    return forward(x[..., ::-1], w, b, s, p)


@said("dw", "the channels are in the reverse order")
def channels_of_dw_reversed(x, w, b, dz, s, p):
    return weight_gradient(x[..., ::-1], w, dz, s, p)


@said("dx", "the deltas of each image are rotated by 180 degrees")
def deltas_turned(x, w, b, dz, s, p):
    return back(x, w, dz[:, ::-1, ::-1], s, p)


@said("dx", "a sample meets the deltas of another one")
def samples_reversed(x, w, b, dz, s, p):
    return back(x, w, dz[::-1], s, p)


# ---- Sums


@said("dw", "every sample gets the deltas of all samples")
def added_too_early(x, w, b, dz, s, p):
    return weight_gradient(x, w, np.repeat(dz.sum(axis=0)[None], len(dz), axis=0), s, p)


@said("z", "only the first channel counts")
def first_channel(x, w, b, dz, s, p):
    return forward(x[..., :1], w[..., :1], b, s, p)


@said("dx", "only the first filter counts")
def first_filter(x, w, b, dz, s, p):
    return back(x, w[:1], dz[..., :1], s, p)


@said("dw", "the last row of the kernel is left out")
def without_the_last_row(x, w, b, dz, s, p):
    dw = weight_gradient(x, w, dz, s, p)
    dw[:, -1] = 0
    return dw


@said("z", "the last row and the last column of outputs are left out")
def without_the_last_outputs(x, w, b, dz, s, p):
    z = forward(x, w, b, s, p)
    z[:, -1], z[:, :, -1] = b, b
    return z


# ---- Numbers


@said("z", "the bias is subtracted")
def bias_subtracted(x, w, b, dz, s, p):
    return forward(x, w, -b, s, p)


@said("dx", "cut to whole numbers")
def whole_dx(x, w, b, dz, s, p):
    return back(x, w, dz, s, p).astype(int)


@said("dw", "cut to whole numbers")
def whole_dw(x, w, b, dz, s, p):
    return weight_gradient(x, w, dz, s, p).astype(int)


@said("db", "cut to whole numbers")
def whole_db(x, w, b, dz, s, p):
    return dz.sum(axis=(0, 1, 2)).astype(int)


@said("z", "zero everywhere")
def nothing_forward(x, w, b, dz, s, p):
    return np.zeros(dz.shape)


@said("dw", "zero everywhere")
def nothing_for_the_weights(x, w, b, dz, s, p):
    return np.zeros(w.shape)


@said("db", "zero everywhere")
def nothing_for_the_bias(x, w, b, dz, s, p):
    return np.zeros(len(w))


@pytest.mark.parametrize(("fn", "quantity", "words"), CASES)
def test_it_is_said(fn, quantity, words):
    report = diagnose(lambda *given: {quantity: fn(*given)})
    assert {(one.quantity, one.mistake) for one in report.findings} == {(quantity, None)}
    told = " ".join(one.message for one in report.findings).lower()
    assert all(word in told for word in words), told


def last_cell_of_the_window(x, w, b, dz, s, p):
    z = np.zeros(dz.shape)
    for (i, j), patch in windows(x, w, s, p):
        for u, v in np.ndindex(w.shape[1:3]):
            z[:, i, j] = patch[:, u, v] @ w[:, u, v].T + b
    return z


def last_window(x, w, b, dz, s, p):
    for (i, j), patch in windows(x, w, s, p):
        dw = np.einsum("nabc,nk->kabc", patch, dz[:, i, j])
    return dw


@pytest.mark.parametrize(("fn", "quantity"), [(last_cell_of_the_window, "z"), (last_window, "dw")])
@pytest.mark.parametrize("padding", [None, 0])
def test_a_sum_without_plus_is_said(fn, quantity, padding):
    report = diagnose(lambda *given: {quantity: fn(*given)}, padding=padding)
    assert [(one.quantity, one.mistake) for one in report.findings] == [(quantity, None)]
    assert report.findings[0].message.startswith("Terms are overwritten where they belong added up")


def test_an_entry_and_a_guess_together():
    def fn(x, w, b, dz, s, p):
        return {"dx": back(x, w[-1:, ::-1, ::-1], dz[..., -1:], s, p)}

    findings = diagnose(fn).findings
    assert [one.mistake for one in findings] == ["D1", "D2", "D3", None]
    for one in findings:
        assert "Two mistakes together give this result, this and another one." in one.message
    assert findings[-1].message.startswith("Only the last filter counts")
