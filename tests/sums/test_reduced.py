"""Groups and borders: brute force over the table, PyTorch, TensorFlow, SciPy, NumPy, OpenCV."""

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from itertools import cycle, product

import brute
import grid
import numpy as np
import pytest
from scipy import ndimage, signal

import cnnlib
from cnnlib import conv, conv_delta, conv_weight_gradient
from cnnlib.convolution import lay
from cnnlib.errors import InputError
from cnnlib.geometry import BORDERS, Window
from cnnlib.sums import gemm, reduced

# The words of others for our borders, and how far each of ours reaches beyond P cells.
NUMPY = {
    "zeros": "constant",
    "reflect": "reflect",
    "symmetric": "symmetric",
    "replicate": "edge",
    "circular": "wrap",
}
NDIMAGE = {
    "zeros": "constant",
    "reflect": "mirror",
    "symmetric": "reflect",
    "replicate": "nearest",
    "circular": "wrap",
}
SIGNAL = {"zeros": "fill", "symmetric": "symm", "circular": "wrap"}
TORCH = {
    "zeros": "constant",
    "reflect": "reflect",
    "replicate": "replicate",
    "circular": "circular",
}
TENSORFLOW = {"zeros": "CONSTANT", "reflect": "REFLECT", "symmetric": "SYMMETRIC"}
OPENCV = {
    "zeros": "BORDER_CONSTANT",
    "reflect": "BORDER_REFLECT_101",
    "symmetric": "BORDER_REFLECT",
    "replicate": "BORDER_REPLICATE",
    "circular": "BORDER_WRAP",
}
MOST = {"reflect": lambda P: P - 1, "symmetric": lambda P: P, "circular": lambda P: P}

METHODS = ["loops", "gemm", "fft", "auto"]
# Each case of the grid with a border and a number of groups, which take turns.
CASES = [
    (replace(case, C=case.C * groups, K=case.K * groups), border, groups)
    for case, border, groups in zip(
        (case for case in grid.CASES if not case.large),
        cycle(["reflect", "zeros", "symmetric", "replicate", "circular"]),
        cycle([2, 3, 1, 2]),
        strict=False,
    )
]
EVERY_CASE = pytest.mark.parametrize(
    "case, border, groups", CASES, ids=[f"{c.name}, {b}, {g} groups" for c, b, g in CASES]
)


def arrays(case, groups):
    r = np.random.default_rng(len(case.name))
    return (
        r.normal(size=case.x_shape),
        r.normal(size=(case.K, *case.U, case.C // groups)),
        r.normal(size=case.K),
        r.normal(size=(case.N, *brute.outputs(case.axes), case.K)),
    )


def beyond(case):
    """How many cells the windows reach beyond each axis, before it and after it."""
    return [
        (max(0, -min(map(min, cells))), max(0, max(map(max, cells)) + 1 - P))
        for cells, P in zip(case.axes, case.P, strict=True)
    ]


def rows(case, border):
    """The table by hand: NumPy's padding says which input stands where."""
    named = [
        dict(zip(range(-before, P + after), np.pad(range(P), pads, NUMPY[border]), strict=True))
        if border != "zeros"
        else {p: p for p in range(P)}
        for P, pads in zip(case.P, beyond(case), strict=True)
        for before, after in [pads]
    ]
    for i in brute.positions(brute.outputs(case.axes)):
        for u in brute.positions(case.U):
            cells = [axis[k][v] for axis, k, v in zip(case.axes, i, u, strict=True)]
            if all(p in cell for p, cell in zip(cells, named, strict=True)):
                yield i, u, tuple(cell[p] for p, cell in zip(cells, named, strict=True))


def truth(case, border, groups):
    """The three sums over the rows between the channels and filters of one group."""
    x, w, b, dz = arrays(case, groups)
    z, dx, dw = np.zeros_like(dz) + b, np.zeros_like(x), np.zeros_like(w)
    filters, channels = case.K // groups, case.C // groups
    for (i, u, p), k, own in product(rows(case, border), range(case.K), range(channels)):
        c = k // filters * channels + own  # the channel of its group
        z[:, *i, k] += w[k, *u, own] * x[:, *p, c]
        dx[:, *p, c] += w[k, *u, own] * dz[:, *i, k]
        dw[k, *u, own] += x[:, *p, c] @ dz[:, *i, k]
    return z, dx, dw


def found(case, **keywords):
    x, w, b, dz = arrays(case, keywords.get("groups", 1))
    keywords = case.geometry | keywords
    return (
        conv(x, w, b, **keywords),
        conv_delta(dz, w, x.shape, **keywords),
        conv_weight_gradient(x, dz, case.U, **keywords),
    )


def close(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11)


def too_far(case, border):
    most = MOST.get(border, lambda P: max(map(max, beyond(case))))
    return any(max(pads) > most(P) for P, pads in zip(case.P, beyond(case), strict=True))


@EVERY_CASE
def test_every_method_against_brute_force(case, border, groups):
    if too_far(case, border):
        with pytest.raises(InputError, match=f"border is '{border}', and the windows reach"):
            found(case, border=border, groups=groups)
        return
    expected = truth(case, border, groups)
    for method in METHODS:
        close(found(case, border=border, groups=groups, method=method), expected)


def test_the_cases_are_awkward():
    within = [(c, b, g) for c, b, g in CASES if not too_far(c, b)]
    assert {border for _, border, _ in within} == set(BORDERS)
    beside = {(b, len(c.P)) for c, b, _ in within if max(map(max, beyond(c))) > 0}
    assert {(b, n) for b in BORDERS for n in (1, 2)} <= beside
    assert any(c.C == g < c.K for c, _, g in CASES) or any(c.C > g for c, _, g in CASES)
    assert 3 <= len(CASES) - len(within) <= 20


@EVERY_CASE
def test_the_table_names_an_input_for_every_cell(case, border, groups):
    if too_far(case, border):
        return
    table = cnnlib.connections(case.P, case.U, **case.geometry, border=border)
    by_hand = [
        (brute.flat(i, brute.outputs(case.axes)), brute.flat(u, case.U), brute.flat(p, case.P))
        for i, u, p in rows(case, border)
    ]
    assert table.tolist() == sorted(by_hand)


@pytest.mark.parametrize("multiplier", [1, 2, 3])
@pytest.mark.parametrize("method", METHODS)
def test_depthwise_filters_meet_one_channel(multiplier, method):
    r = np.random.default_rng(0)
    x, w = r.normal(size=(2, 5, 6, 4)), r.normal(size=(4 * multiplier, 3, 2, 1))
    z = conv(x, w, padding=1, groups=4, method=method)
    for k in range(len(w)):
        c = k // multiplier
        one = conv(x[..., c : c + 1], w[k : k + 1], padding=1, method="loops")
        np.testing.assert_allclose(z[..., k], one[..., 0], rtol=0, atol=1e-12)


def test_minimal_filtering_serves_groups_and_borders():
    case = replace(grid.Case("3 by 3", 2, (7, 9), 4, 6, (3, 3)), padding=((1, 2), (0, 1)))
    for border, groups in (("reflect", 1), ("circular", 2), ("zeros", 2)):
        how = {"border": border, "groups": groups}
        close(found(case, method="winograd", **how), truth(case, border, groups))


# By hand


@pytest.mark.parametrize("method", METHODS)
def test_borders_by_hand(method):
    """Inputs 1 2 3, weights 100 10 1, the centre in the middle."""
    x, w = np.array([1, 2, 3]).reshape(1, 3, 1), np.array([100, 10, 1]).reshape(1, 3, 1)
    dz = np.array([5, 6, 7]).reshape(1, 3, 1)
    z = {"zeros": [12, 123, 230], "reflect": [212, 123, 232], "symmetric": [112, 123, 233],
         "replicate": [112, 123, 233], "circular": [312, 123, 231]}  # fmt: skip
    # Input 0 went into output 0 by weight 10, into 1 by 100; and where the border names it again.
    dx = {"zeros": [650, 765, 76], "reflect": [650, 765 + 500 + 7, 76],
          "symmetric": [650 + 500, 765, 76 + 7], "replicate": [650 + 500, 765, 76 + 7],
          "circular": [650 + 7, 765, 76 + 500]}  # fmt: skip
    for border in BORDERS:
        how = {"center": 1, "border": border, "method": method}
        assert np.round(conv(x, w, **how).ravel(), 9).tolist() == z[border]
        assert np.round(conv_delta(dz, w, x.shape, **how).ravel(), 9).tolist() == dx[border]
    how |= {"border": "circular"}
    dw = conv_weight_gradient(x, dz, 3, **how).ravel()
    assert np.round(dw, 9).tolist() == [3 * 5 + 1 * 6 + 2 * 7, 5 + 12 + 21, 2 * 5 + 3 * 6 + 1 * 7]


@pytest.mark.parametrize("method", METHODS)
def test_groups_by_hand(method):
    """Two cells, channels (1, 10) and (2, 20); filter 0 meets channel 0, filter 1 channel 1."""
    x, w = np.array([[[1, 10], [2, 20]]]), np.array([[[3]], [[4]]])
    dz = np.array([[[5, 6], [7, 8]]])
    how = {"groups": 2, "method": method}
    assert np.round(conv(x, w, [1000, 0], **how), 9).tolist() == [[[1003, 40], [1006, 80]]]
    assert np.round(conv_delta(dz, w, x.shape, **how), 9).tolist() == [[[15, 24], [21, 32]]]
    dw = conv_weight_gradient(x, dz, 1, **how)
    assert np.round(dw, 9).tolist() == [[[5 + 14]], [[60 + 160]]]


@pytest.mark.parametrize(
    "border, cells",
    {"reflect": "3 2 1 2 3 2 1", "symmetric": "2 1 1 2 3 3 2", "replicate": "1 1 1 2 3 3 3",
     "circular": "2 3 1 2 3 1 2", "zeros": "0 0 1 2 3 0 0"}.items(),
)  # fmt: skip
def test_the_line_of_the_docstring(border, cells):
    one = np.ones((1, 1, 1))
    padded = conv(np.array([1, 2, 3]).reshape(1, 3, 1), one, padding=2, border=border)
    assert " ".join(f"{n:g}" for n in padded.ravel()) == cells
    left, right = cells[:3], cells[-3:]
    assert f"`{left} [1 2 3] {right}`" in " ".join(Window.__doc__.split())


# Others


@EVERY_CASE
def test_against_pytorch(case, border, groups, torch):
    if border not in TORCH or too_far(case, border):
        return
    x, w, b, dz = arrays(case, groups)
    n = len(case.P)

    def first(array):
        return torch.tensor(np.moveaxis(array, -1, 1).copy(), requires_grad=True)

    pads = [cells for pair in reversed(beyond(case)) for cells in pair]
    xt, wt = first(x), first(w)
    zt = getattr(torch.nn.functional, f"conv{n}d")(
        torch.nn.functional.pad(xt, pads, TORCH[border]),
        wt.flip(list(range(2, n + 2))) if case.flip else wt,
        torch.tensor(b),
        stride=case.stride,
        dilation=case.dilation,
        groups=groups,
    )
    zt = zt[:, :, *(slice(0, I) for I in dz.shape[1:-1])]
    zt.backward(first(dz))
    theirs = [np.moveaxis(t.detach().numpy(), 1, -1) for t in (zt, xt.grad, wt.grad)]
    close(found(case, border=border, groups=groups), theirs)


@pytest.mark.parametrize("border", TENSORFLOW)
@pytest.mark.parametrize("multiplier", [1, 2])
def test_against_tensorflow(border, multiplier, tensorflow):
    tf, r = tensorflow, np.random.default_rng(1)
    x, w = r.normal(size=(2, 6, 7, 3)), r.normal(size=(3 * multiplier, 3, 2, 1))
    geometry = {"stride": 2, "padding": ((2, 1), (0, 1)), "border": border, "groups": 3}
    xt = tf.constant(x)
    wt = tf.constant(np.moveaxis(w.reshape(3, multiplier, 3, 2), (0, 1), (2, 3)))
    with tf.GradientTape() as tape:
        tape.watch([xt, wt])
        padded = tf.pad(xt, [[0, 0], [2, 1], [0, 1], [0, 0]], TENSORFLOW[border])
        zt = tf.nn.depthwise_conv2d(padded, wt, [1, 2, 2, 1], "VALID")
    dz = r.normal(size=zt.shape)
    dx, dw = tape.gradient(zt, [xt, wt], tf.constant(dz))
    dw = np.moveaxis(dw.numpy(), (2, 3), (0, 1)).reshape(w.shape)
    ours = (
        conv(x, w, **geometry),
        conv_delta(dz, w, x.shape, **geometry),
        conv_weight_gradient(x, dz, (3, 2), **geometry),
    )
    close(ours, (zt.numpy(), dx.numpy(), dw))


@pytest.mark.parametrize("U", [(3,), (4,), (3, 2), (2, 5), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("border", BORDERS)
def test_borders_of_scipy(border, U):
    r = np.random.default_rng(2)
    x, w = r.normal(size=(6, 5, 7)[: len(U)]), r.normal(size=U)
    z = ndimage.correlate(x, w, mode=NDIMAGE[border])
    how = {"center": tuple(u // 2 for u in U), "border": border}
    close([conv(x[None, ..., None], w[None, ..., None], **how)[0, ..., 0]], [z])
    if len(U) == 2 and border in SIGNAL:
        z = signal.correlate2d(x, w, "same", SIGNAL[border])
        how["center"] = tuple((u - 1) // 2 for u in U)
        close([conv(x[None, ..., None], w[None, ..., None], **how)[0, ..., 0]], [z])


@pytest.mark.parametrize("border", BORDERS)
def test_borders_of_numpy_and_opencv(border, opencv):
    x = np.random.default_rng(3).normal(size=(4, 5))
    one = np.ones((1, 1, 1, 1))
    padded = conv(x[None, ..., None], one, padding=((3, 2), (1, 3)), border=border)[0, ..., 0]
    close([padded], [np.pad(x, ((3, 2), (1, 3)), NUMPY[border])])
    theirs = opencv.copyMakeBorder(x, 3, 2, 1, 3, getattr(opencv, OPENCV[border]))
    close([padded], [theirs])


def test_a_causal_convolution_has_its_centre_at_the_last_weight(tensorflow):
    r = np.random.default_rng(4)
    x, w = r.normal(size=(2, 9, 3)), r.normal(size=(4, 3, 3))
    z = conv(x, w, center=2, dilation=2)
    layer = tensorflow.keras.layers.Conv1D(
        4, 3, padding="causal", dilation_rate=2, use_bias=False, dtype="float64"
    )
    layer.build(x.shape)
    layer.set_weights([np.moveaxis(w, 0, -1)])
    close([z], [layer(x).numpy()])
    later = x.copy()
    later[:, 5:] += 1
    assert np.array_equal(conv(later, w, center=2, dilation=2)[:, :5], z[:, :5])


# What is not finite, and types


@pytest.mark.parametrize("method", ["loops", "gemm", "auto"])
def test_nan_reaches_what_it_meets_and_nothing_else(method):
    x, w = np.ones((1, 6, 2)), np.ones((2, 3, 1))
    x[0, 0, 1] = np.nan
    z = conv(x, w, center=1, border="circular", groups=2, method=method)
    assert np.isnan(z[0, :, 1]).tolist() == [True, True, False, False, False, True]
    assert np.isfinite(z[0, :, 0]).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64])
@pytest.mark.parametrize("method", METHODS)
def test_types_stay(method, dtype):
    case = replace(grid.SHARPEST, C=4, K=2)
    x, w, _, dz = (np.round(2 * a).astype(dtype) for a in arrays(case, 2))
    how = {"padding": 1, "border": "symmetric", "groups": 2, "method": method}
    z = conv(x, w, **how)
    dz = np.ones(z.shape, dtype)
    results = (z, conv_delta(dz, w, x.shape, **how), conv_weight_gradient(x, dz, (3, 3), **how))
    wanted = np.float64 if dtype is np.int64 else dtype
    exact = conv(x.astype(float), w.astype(float), **how)
    assert [a.dtype for a in results] == [wanted] * 3
    assert all(a.flags.c_contiguous and a.flags.writeable for a in results)
    np.testing.assert_allclose(z, exact, atol=1e-2)


def test_inputs_stay():
    case, border, groups = CASES[0]
    given = arrays(case, groups)
    kept = [a.copy() for a in given]
    for method in METHODS:
        found(case, border=border, groups=groups, method=method)
    assert all(map(np.array_equal, given, kept))


# How it is made


def test_the_loops_read_the_table_of_a_border_as_it_is():
    window = Window(3, center=1, border="reflect")
    assert lay(window, (1, 5, 1), (1, 3, 1), "loops").chosen == "loops"
    assert isinstance(lay(window, (1, 5, 1), (1, 3, 1), "gemm").chosen, reduced.Bordered)
    grouped = lay(Window(3), (1, 5, 4), (2, 3, 2), "loops", groups=2).chosen
    assert (grouped.chosen, grouped.groups) == ("loops", 2)


def test_nothing_of_it_is_imported_before_it_is_asked_for():
    code = """
import sys
import numpy as np
import cnnlib, cnnlib.learning
x, w = np.ones((1, 9, 2)), np.ones((1, 2, 2))
cnnlib.conv(x, w, padding=1)
late = {"cnnlib.sums.reduced", "cnnlib.learning.transposed"}
assert not late & set(sys.modules), late & set(sys.modules)
cnnlib.conv(x, w[..., :1].repeat(2, 0), groups=2)
cnnlib.learning.ConvTranspose(1, 2)
assert late <= set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_matrix_products_compute_the_groups(monkeypatch):
    """A method is that of each group, not the loops in its place."""
    called = []
    right = gemm.conv
    monkeypatch.setattr(gemm, "conv", lambda *a, **k: called.append(a[0].shape) or right(*a, **k))
    conv(np.ones((1, 5, 6)), np.ones((3, 2, 2)), groups=3, method="gemm")
    assert called == [(1, 5, 2)] * 3


def test_explain_names_the_rows_of_a_border_and_of_a_group():
    x = np.arange(1, 9).reshape(1, 2, 4)
    w, dz = np.arange(1, 13).reshape(2, 3, 2), np.arange(1, 5).reshape(1, 2, 2)
    how = {"center": 1, "border": "replicate", "groups": 2}
    z = conv(x, w, **how)
    dx, dw = conv_delta(dz, w, x.shape, **how), conv_weight_gradient(x, dz, 3, **how)
    for quantity, right in (("z", z), ("dx", dx), ("dw", dw)):
        for cell in np.ndindex(right.shape):
            said = cnnlib.explain(quantity, cell, x=x, w=w, dz=dz, **how)
            assert said.value == right[cell], (quantity, cell)
    said = cnnlib.explain("dx", (0, 0, 3), x=x, w=w, dz=dz, **how)
    assert "Input (0,) of sample 0, channel 3, went into 2 outputs." in said.words
    assert "w[1,0,1]*dz[0,0,1]" in str(said) and "w[1,1,1]*dz[0,0,1]" in str(said)


# Errors

X, W = np.ones((2, 5, 6)), np.ones((4, 3, 3))
WRONG = [
    (lambda: conv(X, W, groups=4), "groups is 4, and the channels of x are 6; ...multiple of 4"),
    (lambda: conv(X, np.ones((5, 3, 3)), groups=2), "groups is 2, and the filters of w are 5"),
    (lambda: conv(X, W, groups=3), "groups is 3, and the filters of w are 4"),
    (lambda: conv(X, np.ones((4, 3, 6)), groups=2), "w was made for 6 in each of 2 groups"),
    (lambda: conv(X, W, groups=0), "groups is 0; expected at least 1"),
    (lambda: conv(X, W, groups=True), "groups is True; expected an integer"),
    (lambda: conv(X, W, groups=None), "groups is None; expected an integer"),
    (lambda: conv(X, W), "x has 6 channels (shape (2, 5, 6)) but w was made for 3"),
    (
        lambda: conv_delta(np.ones((2, 3, 4)), W, (2, 5, 5), groups=2),
        "groups is 2, and the channels of input_shape are 5",
    ),
    (lambda: conv_weight_gradient(X, np.ones((2, 3, 4)), 3, groups=7), "groups is 7, and the"),
    (lambda: conv_weight_gradient(X, np.ones((2, 3, 5)), 3, groups=2), "the filters of w are 5"),
    (lambda: conv(X, W, border="mirror"), "border is 'mirror'; expected 'zeros', 'reflect'"),
    (lambda: conv(X, W, border=None), "border is None; expected 'zeros', 'reflect'"),
    (
        lambda: conv(X, np.ones((4, 9, 6)), padding=5, border="reflect"),
        "border is 'reflect', and the windows reach 5 cells beyond the 5 of spatial axis 0; it "
        "repeats at most 4",
    ),
    (
        lambda: conv(X, np.ones((4, 7, 6)), padding=((0, 6),), border="symmetric"),
        "the windows reach 6 cells beyond the 5 of spatial axis 0; it repeats at most 5",
    ),
    (lambda: conv(X, W, groups=2, border="circular", method="quick"), "method is 'quick'"),
    (lambda: conv(X, W, np.ones(3), groups=2), "b has shape (3,); expected (4,)"),
]


@pytest.mark.parametrize("call, message", WRONG, ids=[message[:50] for _, message in WRONG])
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(InputError, match=grid.says(message)):
        call()


def test_a_bias_is_one_for_each_filter_of_all_groups():
    assert conv(X, W, np.arange(4.0), groups=2).shape == (2, 3, 4)


@pytest.mark.parametrize("far", [10**8, 10**9])
def test_a_border_far_beside_the_image_takes_no_frame(far):
    """Outputs 0 and 2 meet the first and the last cell only; the frame asked for gigabytes."""
    how = {"padding": far, "stride": far, "border": "replicate"}
    x, w = np.array([1.0, 2, 3, 4, 5]).reshape(1, 5, 1), np.array([1.0, 10, 100]).reshape(1, 3, 1)
    dz = np.ones((1, 3, 1))
    tracemalloc.start()
    z, dx = conv(x, w, **how), conv_delta(dz, w, x.shape, **how)
    dw, (_, most) = conv_weight_gradient(x, dz, 3, **how), tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert z.ravel().tolist() == [111, 321, 555] and most < 10**6
    assert dx.ravel().tolist() == [112, 10, 100, 0, 111]
    assert dw.ravel().tolist() == [1 + 1 + 5, 1 + 2 + 5, 1 + 3 + 5]


def test_outputs_that_no_machine_holds_are_refused():
    """Of 2**15 groups each is small."""
    big = np.broadcast_to(np.ones(1), (1, 2**24, 2**15))
    with pytest.raises(InputError, match="input and output would take .* GB"):
        conv(big, np.ones((2**15, 1, 1)), groups=2**15)
