"""Activations: hand numbers, central differences, PyTorch, saturation, dtype, layout, errors."""

import warnings

import numpy as np
import pytest

from cnnlib.errors import InputError
from cnnlib.learning import activations, leaky_relu, leaky_relu_delta, losses

# function, its delta, and whether the delta takes the output (else the input)
PAIRS = [
    (activations.relu, activations.relu_delta, False),
    (activations.sigmoid, activations.sigmoid_delta, True),
    (activations.tanh, activations.tanh_delta, True),
    (activations.softmax, activations.softmax_delta, True),
    (leaky_relu, leaky_relu_delta, False),
]
NAMES = [f.__name__ for f, _, _ in PAIRS]
FLOATS = [np.float32, np.float64]


def batch_last(x):
    """The same array, channels-last by index and batch-last in memory, as the library lays it."""
    return np.ascontiguousarray(x.T).T


# Literal numbers


def test_relu_by_hand():
    np.testing.assert_array_equal(activations.relu([[-2, 0], [3, -1]]), [[0, 0], [3, 0]])


def test_relu_delta_by_hand_has_slope_0_at_the_kink():
    dz = activations.relu_delta([[5, 6], [7, -8]], [[-2, 0], [3, 1e-300]])
    np.testing.assert_array_equal(dz, [[0, 0], [7, -8]])


@pytest.mark.parametrize("of", [leaky_relu, lambda z, slope: leaky_relu_delta(z, z, slope)])
def test_a_slope_beyond_the_type_is_refused(of):
    """It would be infinite, and what is 0 no number."""
    with pytest.raises(InputError, match="slope is 1e\\+39; the numbers are float32"):
        of(np.float32([0, -1]), 1e39)


def test_leaky_relu_by_hand_has_the_left_slope_at_the_kink():
    assert leaky_relu([[-8, 0], [3, -1]], 0.25).tolist() == [[-2, 0], [3, -0.25]]
    dz = leaky_relu_delta([[5, 6], [7, -8]], [[-2, 0], [3, 1e-300]], 0.5)
    assert dz.tolist() == [[2.5, 3], [7, -8]]
    assert leaky_relu([-8.0]).tolist() == [-0.08]  # PyTorch's own slope


def test_relu_keeps_nan_visible_and_cuts_minus_infinity():
    z = [np.nan, -np.inf, -1, np.inf]
    np.testing.assert_array_equal(activations.relu(z), [np.nan, 0, 0, np.inf])


def test_sigmoid_by_hand():
    # exp(-z) is 4, 1, 1/3, so a is 1/5, 1/2, 3/4.
    a = activations.sigmoid([-np.log(4), 0, np.log(3)])
    np.testing.assert_allclose(a, [1 / 5, 1 / 2, 3 / 4], rtol=1e-15)


def test_sigmoid_delta_by_hand():
    # a(1-a) is 4/25, 1/4, 3/16.
    dz = activations.sigmoid_delta([25, -8, 32], [1 / 5, 1 / 2, 3 / 4])
    np.testing.assert_allclose(dz, [4, -2, 6], rtol=1e-15)


def test_tanh_by_hand():
    # z = log 2: (4 - 1) / (4 + 1); z = -log 3: (1/9 - 1) / (1/9 + 1).
    np.testing.assert_allclose(
        activations.tanh([np.log(2), -np.log(3)]), [3 / 5, -4 / 5], rtol=1e-15
    )


def test_tanh_delta_by_hand():
    # 1 - a**2 is 16/25 and 9/25.
    dz = activations.tanh_delta([25, -50], [3 / 5, -4 / 5])
    np.testing.assert_allclose(dz, [16, -18], rtol=1e-15)


def test_softmax_by_hand():
    # exp(z) is 1, 2, 3 and 4, 4, 8, whatever constant a row carries besides.
    z = [[0, np.log(2), np.log(3)], [7 + np.log(4), 7 + np.log(4), 7 + np.log(8)]]
    a = [[1 / 6, 2 / 6, 3 / 6], [1 / 4, 1 / 4, 1 / 2]]
    np.testing.assert_allclose(activations.softmax(z), a, rtol=1e-14)


def test_softmax_delta_by_hand():
    # sum_k da_k a_k is 2 + 2 + 0 = 4 and 1 + 0 - 3 = -2.
    dz = activations.softmax_delta([[8, 4, 0], [4, 0, -6]], [[0.25, 0.5, 0.25], [0.25, 0.25, 0.5]])
    np.testing.assert_allclose(dz, [[1, 0, -1], [1.5, 0.5, -2]], rtol=1e-15)


def test_softmax_jacobian_by_hand():
    jacobian = activations.softmax_jacobian([0.5, 0.25, 0.25])
    # diagonal a(1-a): 4/16, 3/16, 3/16; beside it -a_k a_l: 2/16 and 1/16.
    by_hand = np.array([[4, -2, -2], [-2, 3, -1], [-2, -1, 3]]) / 16
    np.testing.assert_array_equal(jacobian, by_hand)


# Derivatives


@pytest.mark.parametrize(("function", "delta", "takes_output"), PAIRS, ids=NAMES)
def test_delta_equals_central_differences(function, delta, takes_output):
    rng = np.random.default_rng(3)
    z, da, h = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 4, 3)), 1e-6
    z[abs(z) < 1e-3] = 0.5  # central differences cannot straddle the kink of ReLU
    numeric = np.zeros_like(z)
    for i in np.ndindex(z.shape):
        up, down = z.copy(), z.copy()
        up[i] += h
        down[i] -= h
        numeric[i] = np.sum(da * (function(up) - function(down))) / (2 * h)
    dz = delta(da, function(z) if takes_output else z)
    np.testing.assert_allclose(dz, numeric, rtol=0, atol=1e-9)


def test_softmax_jacobian_equals_central_differences_and_gives_the_delta():
    rng = np.random.default_rng(4)
    z, da, h = rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 3, 5)), 1e-6
    a = activations.softmax(z)
    jacobian = activations.softmax_jacobian(a)
    assert jacobian.shape == (2, 3, 5, 5)
    for column in range(5):
        step = h * np.eye(5)[column]
        numeric = (activations.softmax(z + step) - activations.softmax(z - step)) / (2 * h)
        np.testing.assert_allclose(jacobian[..., column], numeric, rtol=0, atol=1e-9)
    dz = np.einsum("nmk,nmkl->nml", da, jacobian)
    np.testing.assert_allclose(activations.softmax_delta(da, a), dz, rtol=0, atol=1e-15)


@pytest.mark.parametrize(("function", "delta", "takes_output"), PAIRS, ids=NAMES)
def test_agrees_with_pytorch(function, delta, takes_output, torch):
    rng = np.random.default_rng(5)
    z, da = 3 * rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
    z[0, 0, 0] = 0  # the kink
    theirs = {
        "relu": torch.relu,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "softmax": lambda z: torch.softmax(z, dim=-1),
        "leaky_relu": torch.nn.functional.leaky_relu,
    }[function.__name__]
    zt = torch.tensor(z, requires_grad=True)
    at = theirs(zt)
    at.backward(torch.tensor(da))
    a = function(z)
    np.testing.assert_allclose(a, at.detach().numpy(), rtol=1e-13)
    dz = delta(da, a if takes_output else z)
    np.testing.assert_allclose(dz, zt.grad.numpy(), rtol=1e-12, atol=1e-15)


# Saturation


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("function", "delta", "takes_output"), PAIRS, ids=NAMES)
def test_logits_of_1000_are_safe(function, delta, takes_output, dtype):
    z = np.array([[1000, -1000, 0, 3], [-1000, -1000, -1000, -999]], dtype)
    with warnings.catch_warnings(), np.errstate(over="raise", divide="raise", invalid="raise"):
        warnings.simplefilter("error")
        a = function(z)
        dz = delta(np.full_like(z, -2), a if takes_output else z)
    assert np.isfinite(a).all()
    assert np.isfinite(dz).all()
    exact = {
        "relu": [1000, 0, 0, 3],
        "sigmoid": [1, 0, 0.5, 1 / (1 + np.exp(-3))],
        "tanh": [1, -1, 0, np.tanh(3)],
        "softmax": [1, 0, 0, 0],
        "leaky_relu": [1000, -10, 0, 3],
    }
    np.testing.assert_allclose(a[0], exact[function.__name__], rtol=0, atol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", FLOATS)
def test_probabilities_stop_short_of_0_and_1(dtype):
    tiny, below_1 = np.finfo(dtype).tiny, np.nextafter(dtype(1), dtype(0))
    z = np.array([-np.inf, -1000, 1000, np.inf], dtype)
    np.testing.assert_array_equal(activations.sigmoid(z), [tiny, tiny, below_1, below_1])
    np.testing.assert_array_equal(activations.softmax(z[1:3]), [tiny, 1])


@pytest.mark.parametrize("dtype", FLOATS)
def test_small_probabilities_keep_their_relative_precision(dtype):
    z = np.array([-20, -50, -80], dtype)
    exact = np.exp(z.astype(float))  # 1/(1 + exp(-z)) to 2e-9 for z <= -20
    np.testing.assert_allclose(activations.sigmoid(z), exact, rtol=4e-6)
    two = np.stack([z, np.zeros_like(z)], axis=-1)
    np.testing.assert_allclose(activations.softmax(two)[:, 0], exact, rtol=4e-6)


@pytest.mark.parametrize("N", [1, 3, 128])
@pytest.mark.parametrize("gap", [0, 5, 40, 88, 100, 710, 1000, 2000])
@pytest.mark.parametrize("dtype", FLOATS)
def test_separate_softmax_and_cross_entropy_give_y_minus_t_at_any_gap(dtype, gap, N):
    # The reason for the floor: -t/y of the loss times the Jacobian's y must be -t.
    rng = np.random.default_rng(gap + N)
    z = (rng.uniform(-1, 1, (N, 4)) + gap * np.array([0.5, -0.5, -0.5, -0.25])).astype(dtype)
    for t in (np.zeros(N, int), np.ones(N, int), rng.dirichlet(np.ones(4), N)):
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            y = activations.softmax(z)
            dz = activations.softmax_delta(losses.CrossEntropy().delta(y, t), y)
        rows = np.eye(4)[t] if t.ndim == 1 else t
        assert dz.dtype == dtype
        exact = (exact_softmax(z) - rows) / N
        np.testing.assert_allclose(dz, exact, rtol=0, atol=8 * np.finfo(dtype).eps / N)


def exact_softmax(z):
    e = np.exp(z.astype(float) - z.max(axis=-1, keepdims=True).astype(float))
    return e / e.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("N", [1, 128])
@pytest.mark.parametrize("z0", [0, 5, 20, 40, 88, 100, 710, 1000])
@pytest.mark.parametrize("dtype", FLOATS)
def test_separate_sigmoid_and_binary_cross_entropy_give_a_minus_t(dtype, z0, N):
    z = np.tile(np.array([z0, -z0, z0, -z0, z0, -z0], dtype), (N, 1))
    t = np.tile([1, 0, 0, 1, 0.25, 0.25], (N, 1))
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        a = activations.sigmoid(z)
        dz = activations.sigmoid_delta(losses.BinaryCrossEntropy().delta(a, t), a)
    high = 1 / (1 + np.exp(-float(z0)))
    exact = (np.array([high, 1 - high] * 3) - t) / N
    assert dz.dtype == dtype
    np.testing.assert_allclose(dz, exact, rtol=0, atol=4 * np.finfo(dtype).eps / N)


# dtype and memory order


@pytest.mark.parametrize(("function", "delta", "takes_output"), PAIRS, ids=NAMES)
def test_dtype_is_kept_and_integers_become_float64(function, delta, takes_output):
    for dtype in FLOATS:
        a = function(np.array([[1, -2], [0, 3]], dtype))
        assert a.dtype == dtype
        assert delta(np.ones_like(a), a / 4).dtype == dtype
        if function is not activations.softmax:
            assert function(dtype(1)).dtype == dtype
    assert function(np.array([[1, -2], [0, 3]])).dtype == np.float64
    assert delta(np.array([2, 3]), np.array([0, 1])).dtype == np.float64


@pytest.mark.parametrize(("function", "delta", "takes_output"), PAIRS, ids=NAMES)
@pytest.mark.parametrize("shape", [(4, 3), (2, 5, 4, 3)])
def test_memory_order_is_kept(function, delta, takes_output, shape):
    rng = np.random.default_rng(6)
    z, da = rng.normal(size=(2, *shape)).astype(np.float32)
    a = function(z)
    b = function(batch_last(z))
    assert b.strides == batch_last(z).strides != z.strides
    np.testing.assert_allclose(b, a, rtol=1e-6)
    dz = delta(da, a if takes_output else z)
    dzb = delta(batch_last(da), b if takes_output else batch_last(z))
    assert dzb.strides == b.strides
    np.testing.assert_allclose(dzb, dz, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("function", "delta", "takes_output"), PAIRS, ids=NAMES)
def test_arguments_are_not_changed(function, delta, takes_output):
    z, da = np.array([[0.25, -0.5, 0.75]]), np.array([[3.0, 4.0, 5.0]])
    a = function(z)
    kept = a.copy()
    delta(da, a)
    activations.softmax_jacobian(activations.softmax(z))
    np.testing.assert_array_equal(z, [[0.25, -0.5, 0.75]])
    np.testing.assert_array_equal(da, [[3, 4, 5]])
    np.testing.assert_array_equal(a, kept)


# Errors


@pytest.mark.parametrize(("function", "delta", "takes_output"), PAIRS, ids=NAMES)
def test_refuses_what_is_no_real_number(function, delta, takes_output):
    with pytest.raises(InputError, match="z has dtype complex128"):
        function([1j])
    with pytest.raises(InputError, match="da has dtype complex128"):
        delta([1j], [1.0])


@pytest.mark.parametrize(("function", "delta", "takes_output"), PAIRS, ids=NAMES)
def test_refuses_shapes_that_would_broadcast(function, delta, takes_output):
    name = "a" if takes_output else "z"
    message = rf"da has shape \(3, 1\) but {name} has shape \(3, 2\); expected equal shapes"
    with pytest.raises(InputError, match=message):
        delta(np.ones((3, 1)), np.ones((3, 2)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: activations.sigmoid_delta(a, a), "from -0.5 to 2, expected 0 to 1: .*sigmoid"),
        (lambda a: activations.tanh_delta(a, a), "from -0.5 to 2, expected -1 to 1: .*tanh"),
        (lambda a: activations.softmax_delta(a, a), "from -0.5 to 2, expected 0 to 1: .*softmax"),
        (lambda a: activations.softmax_jacobian(a), "from -0.5 to 2, expected 0 to 1: .*softmax"),
        (lambda a: activations.sigmoid_delta(a[:1], a[:1]), "from -0.5 to -0.5"),
        (lambda a: activations.sigmoid_delta(a[1:], a[1:]), "from 2 to 2"),
        (lambda a: activations.tanh_delta(3 * a[:1], 3 * a[:1]), "from -1.5 to -1.5"),
    ],
)
def test_refuses_the_input_in_the_place_of_the_output(call, message):
    with pytest.raises(InputError, match=f"a holds values {message}"):
        call(np.array([-0.5, 2.0]))


@pytest.mark.parametrize("z", [3.0, np.zeros((4, 0))])
def test_softmax_refuses_a_missing_or_empty_last_axis(z):
    for call in (activations.softmax, activations.softmax_jacobian):
        with pytest.raises(InputError, match="softmax needs a last axis with at least one entry"):
            call(z)
    with pytest.raises(InputError, match="softmax needs a last axis with at least one entry"):
        activations.softmax_delta(z, z)


def test_empty_arrays_pass_through_the_elementwise_functions():
    empty = np.zeros((0, 3))
    for function, delta, _ in PAIRS:
        if function is activations.softmax:  # needs a row
            continue
        assert delta(empty, function(empty)).shape == (0, 3)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "softmax"])
def test_what_numpy_is_told_to_raise_or_to_warn_of_changes_nothing(name):
    from cnnlib import learning

    f, delta = getattr(learning, name), getattr(learning, f"{name}_delta")
    z, wild = np.array([0.0, -1000, 5e-324]), np.array([np.inf, 0.0, -np.inf, np.nan])
    expected = f(z)
    with np.errstate(all="raise"):
        assert np.array_equal(f(z), expected)
        f(wild)
        delta(np.array([np.inf, -1e308, 5e-324]), expected)
    assert f(wild).shape == (4,)  # and no warning
