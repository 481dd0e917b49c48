"""What may come in: types, shapes, errors."""

import os
from collections import UserList, deque

import grid
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from cnnlib import arrays as layout
from cnnlib.errors import LETTERS, InputError, shown
from cnnlib.geometry import Window


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


# Any value at all


class Odd:
    """Says what it is told to of itself, or fails."""

    def __init__(self, said):
        self.said = said

    def __repr__(self):
        return self.said if self.said else 1 / 0

    __str__ = __len__ = __index__ = __array__ = __fspath__ = __repr__


SIMPLE = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text()
    | st.binary() | st.builds(Odd, st.text()) | st.builds(lambda: 10**5000)
    | st.builds(lambda: "no" * 10**5)
    | npst.arrays(npst.scalar_dtypes(), npst.array_shapes(min_dims=0, min_side=0, max_dims=3))
    | npst.arrays(float, (2,)).map(np.ma.masked_invalid)
)  # fmt: skip
ANY = st.recursive(
    SIMPLE,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
READERS = {
    "read_integer": (lambda v: layout.read_integer("v", v, 0), lambda r: type(r) is int and r >= 0),
    "per_axis": (lambda v: layout.per_axis("v", v, 2, 1), lambda r: [*map(type, r)] == [int] * 2),
    "read_shape": (lambda v: layout.read_shape("v", v), lambda r: all(type(n) is int for n in r)),
    "read_number": (lambda v: layout.read_number("v", v), lambda r: abs(r) < np.inf),
    "read_positive": (lambda v: layout.read_positive("v", v), lambda r: 0 < r < np.inf),
    "read_truth": (lambda v: layout.read_truth("v", v), lambda r: r in (True, False)),
    "read_word": (lambda v: layout.read_word("v", v, ("a", "b")), lambda r: r in ("a", "b")),
    "read_text": (lambda v: layout.read_text("v", v, "say it"), lambda r: r.strip()),
    "read_kind": (lambda v: layout.read_kind("v", v, Odd, "Odd()"), lambda r: type(r) is Odd),
    "read_generator": (lambda v: layout.read_generator("v", v), lambda r: False),
    "read_function": (lambda v: layout.read_function("v", v, "of x"), callable),
    "read_pair": (lambda v: layout.read_pair("v", v), lambda r: len(r) == 2),
    "read_path": (lambda v: layout.read_path("v", v), lambda r: type(r) is str and "\0" not in r),
    "read_float_type": (lambda v: layout.read_float_type("v", v), lambda r: r.name[:5] == "float"),
    "read_array": (lambda v: layout.read_array("v", v), lambda r: r.dtype.kind in "fiub"),
}


def test_every_reader_is_tried():
    assert READERS.keys() >= {name for name in vars(layout) if name.startswith("read_")}


@pytest.mark.parametrize("reader", READERS)
@grid.examples(15)
@given(value=ANY)
def test_a_reader_gives_what_it_promises_or_an_error_of_one_line(reader, value):
    read, holds = READERS[reader]
    try:
        result = read(value)
    except InputError as error:
        said = str(error)
        assert said.startswith("v ") and "\n" not in said[:LETTERS] and len(said) < 400
        assert "expected" in said or "masked" in said or "say it" in said or "numbers" in said
    else:
        assert holds(result)


@given(value=ANY)
@grid.examples(50)
def test_any_value_is_shown_in_a_line(value):
    assert len(shown(value)) <= LETTERS and "\n" not in shown(value)


def test_shown_by_hand():
    assert shown((1, "two")) == "(1, 'two')"
    assert shown(np.zeros((2, 2))) == "array([[0., 0.], [0., 0.]])"
    assert shown(10**5000) == "<int>" and "Odd" in shown(Odd(""))
    assert shown("n" * 99 + "o") == f"'{'n' * 37}...{'n' * 37}o'"


@pytest.mark.parametrize(
    "value, axes, message",
    [
        (True, 2, "v is True; expected an integer, or a sequence of 2 integers"),
        ({1, 2}, 2, "v is {1, 2}; expected an integer"),
        (b"ab", 2, "v is b'ab'; expected an integer"),
        ((1, False), 2, "v is (1, False); expected an integer"),
        (2**31, 1, "v is 2147483648; expected at most 2147483647"),
        ((1, 2, 3), 2, "v is (1, 2, 3), with 3 entries"),
    ],
)
def test_what_is_no_size_is_named(value, axes, message):
    with pytest.raises(InputError, match=grid.says(message)):
        layout.per_axis("v", value, axes, 1)
    assert layout.per_axis("v", np.array([2, 3]), 2, 1) == (2, 3)


def test_a_mask_in_a_list_is_no_more_dropped_than_elsewhere():
    x = np.ones((2, 3))
    masked = np.ma.array(x, mask=x > 0)
    for value in ([masked, masked], (x, [masked[0], x[0]]), [np.ma.masked, 1.0]):
        with pytest.raises(InputError, match="x is a masked array"):
            layout.read_array("x", value)
    assert layout.read_array("x", [x, x]).shape == (2, 2, 3)


def gives(value):
    return type("Gives", (), {"__array__": lambda self, dtype=None, copy=None: value})()


class Rows:
    """A sequence of nobody's base class."""

    def __init__(self, *rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, n):
        return self.rows[n]


@pytest.mark.parametrize("kind", [deque, UserList, lambda rows: Rows(*rows), lambda r: gives(r[0])])
def test_a_mask_in_any_sequence_or_behind_an_array_is_not_dropped(kind):
    masked = np.ma.array(np.ones(3), mask=[True, False, False])
    for value in (kind([masked, masked]), [kind([masked])]):
        with pytest.raises(InputError, match="x is a masked array"):
            layout.read_array("x", value)
    assert layout.read_array("x", kind([np.ones(3)])).size == 3
    assert layout.read_array("x", memoryview(np.ones((2, 3)))).shape == (2, 3)


def raising(*names):
    """Methods that raise."""

    def refuse(*_, **__):
        raise RuntimeError("no words")

    return dict.fromkeys(names, refuse)


def test_classes_that_raise_are_refused_like_others():
    number = type("Number", (float,), raising("__float__"))(1)
    word = type("Word", (str,), raising("__eq__") | {"__hash__": str.__hash__})
    path = type("Path", (os.PathLike,), raising("__fspath__"))()
    for read, name in [
        (lambda: layout.read_number("lr", number), "lr"),
        (lambda: layout.read_word("method", word("no"), ("gemm",)), "method"),
        (lambda: layout.read_path("path", path), "path"),
        (lambda: layout.read_path("path", type("P", (os.PathLike,), {"__fspath__": id})()), "path"),
        (lambda: Window(3, padding=type("P", (), raising("__array__"))()), "padding"),
        (lambda: Window(3, padding=deque([[1, 1], [1]])), "padding"),
        (lambda: Window(3).axes(([5],)), "input_shape"),
    ]:
        with pytest.raises(InputError, match=f"^{name} is "):
            read()
    assert layout.read_word("method", word("gemm"), ("auto", "gemm")) == "gemm"
