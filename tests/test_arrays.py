"""What may come in: types, shapes, errors."""

import grid
import numpy as np
import pytest

from cnnlib import arrays as layout
from cnnlib.errors import InputError


def test_spatial_by_hand():
    assert layout.spatial((2, 7, 6, 3)) == (7, 6)


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
        (None, "x is None; expected real numbers"),
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
