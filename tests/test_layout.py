"""What may come in, and batch-last: literal arrays, every memory layout, types, errors."""

import grid
import numpy as np
import pytest

from cnnlib import layout
from cnnlib.errors import InputError

SHAPES = [(3, 5, 2), (4, 3, 5, 2), (2, 3, 2, 4, 3), (1, 7, 4, 1), (5, 1, 1, 3), (2, 600, 2)]
STAGES = [1, 100, 1000, 1 << 18]  # one cell at a time, a few, nearly all, all


def test_batch_last_by_hand():
    x = np.array([[[1, 2], [3, 4], [5, 6]], [[10, 20], [30, 40], [50, 60]]])  # (n, p, c)
    xt = layout.batch_last(x)  # (c, p, n)
    assert xt.tolist() == [[[1, 10], [3, 30], [5, 50]], [[2, 20], [4, 40], [6, 60]]]
    assert layout.channels_last(xt).tolist() == x.tolist()


def test_spatial_by_hand():
    assert layout.spatial((2, 7, 6, 3)) == (7, 6)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_last_from_every_layout(monkeypatch, shape, stage):
    monkeypatch.setattr(layout, "STAGE", stage)
    x = np.random.default_rng(1).normal(size=shape)
    expected = np.empty((shape[-1], *shape[1:-1], shape[0]))
    for n, *p, c in np.ndindex(shape):
        expected[c, *p, n] = x[n, *p, c]
    for name, same in grid.layouts(x).items():
        np.testing.assert_array_equal(same, x)  # the layouts themselves
        xt = layout.batch_last(same)
        assert xt.flags.c_contiguous, name
        assert xt.dtype == x.dtype
        np.testing.assert_array_equal(xt, expected, err_msg=name)
        np.testing.assert_array_equal(layout.channels_last(xt), x, err_msg=name)


@pytest.mark.parametrize("stage", STAGES)
def test_batch_last_does_not_copy_twice(monkeypatch, stage):
    monkeypatch.setattr(layout, "STAGE", stage)
    xt = layout.batch_last(np.random.default_rng(2).normal(size=(4, 3, 5, 2)))
    x = layout.channels_last(xt)
    assert np.shares_memory(x, xt)
    assert np.shares_memory(layout.batch_last(x), xt)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_batch_last_keeps_types(monkeypatch, dtype):
    monkeypatch.setattr(layout, "STAGE", 50)
    x = np.arange(60).reshape(3, 5, 4).astype(dtype)
    assert layout.batch_last(x).dtype == dtype
    np.testing.assert_array_equal(layout.channels_last(layout.batch_last(x)), x)


# Types


@pytest.mark.parametrize(
    "given, common",
    [
        (["f4"], "f4"),
        (["f8"], "f8"),
        (["f2"], "f2"),
        (["f4", "f8"], "f8"),
        (["f2", "f4"], "f4"),
        (["i8"], "f8"),
        (["u1"], "f8"),
        (["?"], "f8"),
        (["f4", "i4"], "f8"),
        (["?", "u1"], "f8"),
        ([">f4"], "=f4"),
    ],
)
def test_float_arrays_have_the_widest_float_type(given, common):
    values = [np.ones((1, 2, 1), dtype) for dtype in given]
    read = layout.float_arrays(**dict(zip("xw", values, strict=False)))
    assert [array.dtype for array in read] == [np.dtype(common)] * len(given)
    assert all((array == 1).all() for array in read)


def test_float_arrays_read_lists():
    x, w = layout.float_arrays(x=[[1, 2]], w=[[0.5]])
    assert (x.tolist(), w.tolist()) == ([[1.0, 2.0]], [[0.5]])
    assert x.dtype == w.dtype == np.float64


def test_float_arrays_do_not_copy_what_fits():
    x = np.ones((1, 2, 1), np.float32)
    assert layout.float_arrays(x=x)[0] is x


@pytest.mark.parametrize(
    "value, message",
    [
        (np.ones(2, complex), "x has dtype complex128; expected real numbers"),
        (np.array(["1", "2"]), "x has dtype <U1; expected real numbers"),
        (np.array([1, None]), "x has dtype object; expected real numbers"),
        (np.ones(2, "m8[s]"), "x has dtype timedelta64[s]; expected real numbers"),
        ([[1, 2], [3]], "x is no array of numbers"),
        (None, "x has dtype object; expected real numbers"),
        (np.ones(2, [("a", "f8")]), "x has dtype ...; expected real numbers"),
        (np.ma.masked_equal([1.0, 2.0], 2), "x is a masked array; ... x.filled(0)"),
    ],
)
def test_other_types_are_refused(value, message):
    with pytest.raises(InputError, match=grid.says(message)):
        layout.float_arrays(x=value)


# Shapes


@pytest.mark.parametrize(
    "shape, axes, message",
    [
        ((28, 28), 2, "x has shape (28, 28); expected 4 axes...x[None, ..., None]"),
        ((2, 28, 28), 2, "x has shape (2, 28, 28); expected 4 axes"),
        ((2, 3, 4, 5, 6), 2, "x has shape (2, 3, 4, 5, 6); expected 4 axes"),
        ((2, 3), None, "x has shape (2, 3); expected at least 3 axes"),
        ((), None, "x has shape (); expected at least 3 axes"),
        ((0, 5, 5, 1), 2, "x has shape (0, 5, 5, 1): the batch is empty; pass at least one"),
        ((2, 5, 0, 1), 2, "x has shape (2, 5, 0, 1); every axis needs at least one entry"),
        ((2, 5, 5, 0), None, "x has shape (2, 5, 5, 0); every axis needs at least one entry"),
    ],
    ids=str,
)
def test_wrong_images_are_named(shape, axes, message):
    with pytest.raises(InputError, match=grid.says(message)):
        layout.check_images("x", np.zeros(shape), axes)


def test_right_images_pass():
    layout.check_images("x", np.zeros((1, 5, 1)))
    layout.check_images("x", np.zeros((2, 5, 5, 3)), 2)


def test_input_shape_is_read():
    assert layout.check_shape([2, 7, 6, 3], 2) == (2, 7, 6, 3)
    assert layout.check_shape(np.array([2, 7, 3]), 1) == (2, 7, 3)


@pytest.mark.parametrize(
    "shape, message",
    [
        ((7, 6, 3), "input_shape is (7, 6, 3); expected all 4 numbers (N, *P, C)"),
        ((2, 7, 6, 3, 1), "input_shape is (2, 7, 6, 3, 1); expected all 4 numbers"),
        (7, "input_shape is 7; expected all 4 numbers"),
        (None, "input_shape is None; expected all 4 numbers"),
        ((2, 7.0, 6, 3), "input_shape is (2, 7.0, 6, 3); expected an integer"),
        ((0, 7, 6, 3), "input_shape is (0, 7, 6, 3); expected at least 1"),
    ],
    ids=str,
)
def test_wrong_input_shape_is_named(shape, message):
    with pytest.raises(InputError, match=grid.says(message)):
        layout.check_shape(shape, 2)


def test_wrong_deltas_are_named():
    layout.check_deltas("dz", np.zeros((2, 3, 1)), (2, 3, 1))
    with pytest.raises(
        InputError, match=r"dz has shape \(2, 4, 1\); expected \(2, 3, 1\), the sha"
    ):
        layout.check_deltas("dz", np.zeros((2, 4, 1)), (2, 3, 1))
