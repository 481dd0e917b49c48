"""Losses: hand numbers, central differences, PyTorch, saturation, targets, dtype, errors."""

from math import log

import numpy as np
import pytest

from cnnlib.errors import InputError
from cnnlib.learning.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Loss,
    SigmoidBinaryCrossEntropy,
    SoftmaxCrossEntropy,
    value_of,
)

FLOATS = [np.float32, np.float64]
ALL = [
    HalfSquaredError,
    BinaryCrossEntropy,
    SigmoidBinaryCrossEntropy,
    CrossEntropy,
    SoftmaxCrossEntropy,
]
CHOICES = [CrossEntropy, SoftmaxCrossEntropy]


def example(loss, rng, N=4, K=3):
    """Outputs and targets, none of them special, that the loss takes."""
    y, t = rng.normal(size=(N, K)), rng.normal(size=(N, K))
    if loss in (BinaryCrossEntropy, SigmoidBinaryCrossEntropy):
        t = rng.uniform(0, 1, (N, K))
    if loss in CHOICES:
        t = rng.dirichlet(np.ones(K), N)
    if loss is BinaryCrossEntropy:
        y = rng.uniform(0.1, 0.9, (N, K))
    if loss is CrossEntropy:
        y = rng.dirichlet(5 * np.ones(K), N)
    return y, t


# Literal numbers


def test_half_squared_error_by_hand():
    y, t = [[1, 2, 3], [4, 5, 6]], [[1, 0, 4], [2, 5, 9]]
    # differences 0, 2, -1 and 2, 0, -3; squares 0 + 4 + 1 + 4 + 0 + 9 = 18; over 2*2.
    assert HalfSquaredError().value(y, t) == 4.5
    np.testing.assert_array_equal(HalfSquaredError().delta(y, t), [[0, 1, -0.5], [1, 0, -1.5]])


def test_half_squared_error_sums_over_all_axes_of_a_sample():
    y, t = np.arange(12).reshape(2, 3, 2), np.zeros((2, 3, 2))
    # 0 + 1 + 4 + ... + 121 = 506; over 2*2.
    assert HalfSquaredError().value(y, t) == 126.5
    np.testing.assert_array_equal(HalfSquaredError().delta(y, t), y / 2)


def test_half_squared_error_takes_one_output_without_an_axis():
    assert HalfSquaredError().value([1, 5], [3, 5]) == 1.0
    np.testing.assert_array_equal(HalfSquaredError().delta([1, 5], [3, 5]), [-1, 0])


def test_cross_entropy_by_hand():
    y, t = [[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]], [2, 0]
    # -log 1/4 - log 1/8 = 5 log 2; over 2.
    assert CrossEntropy().value(y, t) == pytest.approx(2.5 * log(2), rel=1e-15)
    np.testing.assert_array_equal(CrossEntropy().delta(y, t), [[0, 0, -2], [-4, 0, 0]])


def test_cross_entropy_of_rows_by_hand():
    y, t = [[0.5, 0.25, 0.25]], [[0.5, 0.5, 0]]
    # (log 2 + log 4) / 2
    assert CrossEntropy().value(y, t) == pytest.approx(1.5 * log(2), rel=1e-15)
    np.testing.assert_array_equal(CrossEntropy().delta(y, t), [[-1, -2, 0]])


def test_softmax_cross_entropy_by_hand():
    y, t = [[0, log(2), log(5)], [7, 7, 7 + log(2)]], [1, 2]
    # softmax: 1/8, 2/8, 5/8 and 1/4, 1/4, 2/4. -log 1/4 - log 1/2 = 3 log 2; over 2.
    assert SoftmaxCrossEntropy().value(y, t) == pytest.approx(1.5 * log(2), rel=1e-14)
    by_hand = [[1 / 16, -6 / 16, 5 / 16], [1 / 8, 1 / 8, -2 / 8]]
    np.testing.assert_allclose(SoftmaxCrossEntropy().delta(y, t), by_hand, rtol=1e-14)


def test_binary_cross_entropy_by_hand():
    y, t = [[0.25, 0.5], [0.75, 0.5]], [[1, 0], [0, 0.5]]
    # -log 1/4 - log 1/2 - log 1/4 - log 1/2 = 6 log 2; over 2.
    assert BinaryCrossEntropy().value(y, t) == pytest.approx(3 * log(2), rel=1e-15)
    # (1-t)/(1-y) - t/y: -4, 2, 4, 1 - 1; over 2.
    np.testing.assert_array_equal(BinaryCrossEntropy().delta(y, t), [[-2, 1], [2, 0]])


def test_sigmoid_binary_cross_entropy_by_hand():
    y, t = [[-log(3), 0], [log(3), 0]], [[1, 0], [0, 0.5]]
    # The sigmoids are the probabilities of the test above; a - t: -3/4, 1/2, 3/4, 0; over 2.
    assert SigmoidBinaryCrossEntropy().value(y, t) == pytest.approx(3 * log(2), rel=1e-14)
    by_hand = [[-3 / 8, 1 / 4], [3 / 8, 0]]
    np.testing.assert_allclose(SigmoidBinaryCrossEntropy().delta(y, t), by_hand, rtol=1e-14)


def test_a_network_that_knows_nothing_pays_log_K():
    assert SoftmaxCrossEntropy().value(np.zeros((5, 10)), np.arange(5)) == pytest.approx(log(10))


# The gradient, and other sources


@pytest.mark.parametrize("loss", ALL)
def test_delta_equals_central_differences(loss):
    y, t = example(loss, np.random.default_rng(1))
    h, numeric = 1e-6, np.zeros_like(y)
    for i in np.ndindex(y.shape):
        up, down = y.copy(), y.copy()
        up[i] += h
        down[i] -= h
        numeric[i] = (loss().value(up, t) - loss().value(down, t)) / (2 * h)
    np.testing.assert_allclose(loss().delta(y, t), numeric, rtol=0, atol=1e-8)


@pytest.mark.parametrize("loss", ALL)
def test_the_loss_is_a_mean_over_the_batch(loss):
    y, t = example(loss, np.random.default_rng(2), N=6)
    each = [loss().value(y[n : n + 1], t[n : n + 1]) for n in range(6)]
    assert loss().value(y, t) == pytest.approx(np.mean(each), rel=1e-14)
    deltas = [loss().delta(y[n : n + 1], t[n : n + 1])[0] / 6 for n in range(6)]
    np.testing.assert_allclose(loss().delta(y, t), deltas, rtol=1e-14)


@pytest.mark.parametrize("loss", ALL)
def test_agrees_with_pytorch(loss, torch):
    F = torch.nn.functional
    y, t = example(loss, np.random.default_rng(3), N=5, K=4)
    theirs = {
        HalfSquaredError: lambda y, t: F.mse_loss(y, t, reduction="sum") / 2 / 5,
        BinaryCrossEntropy: lambda y, t: F.binary_cross_entropy(y, t, reduction="sum") / 5,
        SigmoidBinaryCrossEntropy: lambda y, t: (
            F.binary_cross_entropy_with_logits(y, t, reduction="sum") / 5
        ),
        CrossEntropy: lambda y, t: -(t * torch.log(y)).sum() / 5,
        SoftmaxCrossEntropy: F.cross_entropy,
    }[loss]
    compare_with_torch(torch, loss(), theirs, y, t)


def test_labels_agree_with_pytorch(torch):
    F, rng = torch.nn.functional, np.random.default_rng(4)
    t = np.array([3, 0, 2, 2, 1])
    compare_with_torch(torch, SoftmaxCrossEntropy(), F.cross_entropy, rng.normal(size=(5, 4)), t)
    y = rng.dirichlet(np.ones(4), 5)
    compare_with_torch(torch, CrossEntropy(), lambda y, t: F.nll_loss(torch.log(y), t), y, t)


def compare_with_torch(torch, loss, theirs, y, t):
    yt = torch.tensor(y, requires_grad=True)
    value = theirs(yt, torch.tensor(t))
    value.backward()
    assert loss.value(y, t) == pytest.approx(value.item(), rel=1e-14)
    np.testing.assert_allclose(loss.delta(y, t), yt.grad.numpy(), rtol=1e-12, atol=1e-16)


# Targets


@pytest.mark.parametrize("loss", CHOICES)
def test_labels_are_one_hot_rows(loss):
    y, _ = example(loss, np.random.default_rng(5))
    for labels in ([2, 0, 1, 2], np.array([2, 0, 1, 2], np.uint8)):
        rows = [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
        assert loss().value(y, labels) == loss().value(y, rows)
        np.testing.assert_array_equal(loss().delta(y, labels), loss().delta(y, rows))


def test_binary_targets_may_be_booleans():
    y = [[0.25], [0.5]]
    assert BinaryCrossEntropy().value(y, [[True], [False]]) == pytest.approx(1.5 * log(2))


def test_float32_rows_sum_to_1_closely_enough():
    K = 1000
    t = np.full((2, K), 1 / K, np.float32)
    assert SoftmaxCrossEntropy().value(np.zeros((2, K)), t) == pytest.approx(log(K), rel=1e-6)


# Saturation


@pytest.mark.parametrize("dtype", FLOATS)
def test_fused_softmax_at_logits_of_1000(dtype):
    y = np.array([[1000, -1000, 0], [1000, -1000, 0], [-1000, -1000, -1000]], dtype)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        value = SoftmaxCrossEntropy().value(y, [0, 1, 2])
        dy = SoftmaxCrossEntropy().delta(y, [0, 1, 2])
    assert value == pytest.approx((0 + 2000 + log(3)) / 3, rel=1e-6)
    exact = np.array([[0, 0, 0], [1, -1, 0], [1 / 3, 1 / 3, -2 / 3]]) / 3
    np.testing.assert_allclose(dy, exact, rtol=0, atol=np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", FLOATS)
def test_fused_sigmoid_at_logits_of_1000(dtype):
    y = np.array([[1000, -1000], [-1000, 1000], [1000, -1000]], dtype)
    t = [[1, 0], [1, 0], [0.25, 0.25]]
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        value = SigmoidBinaryCrossEntropy().value(y, t)
        dy = SigmoidBinaryCrossEntropy().delta(y, t)
    assert value == pytest.approx((0 + 2000 + 750 + 250) / 3, rel=1e-6)
    exact = np.array([[0, 0], [-1, 1], [0.75, -0.25]]) / 3
    np.testing.assert_allclose(dy, exact, rtol=0, atol=np.finfo(dtype).eps)


def test_fused_sigmoid_keeps_small_losses():
    # log(1 + exp(-40)) is exp(-40) to 17 digits; a sum with 40 in it would lose all of them.
    value = SigmoidBinaryCrossEntropy().value([[40.0]], [[1]])
    assert value == pytest.approx(np.exp(-40), rel=1e-14)


@pytest.mark.parametrize("dtype", FLOATS)
def test_probabilities_of_exactly_0_and_1_give_finite_numbers(dtype):
    # They come from other libraries; ours stop at tiny and 1 - epsneg.
    info, y = np.finfo(dtype), np.array([[0, 1], [1, 0]], dtype)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        value = CrossEntropy().value(y, [0, 0])
        dy = CrossEntropy().delta(y, [0, 0])
        binary = BinaryCrossEntropy().value(y, [[1, 0], [1, 0]])
        dy_binary = BinaryCrossEntropy().delta(y, [[1, 0], [1, 0]])
    assert value == pytest.approx(-np.log(float(info.tiny)) / 2, rel=1e-6)
    np.testing.assert_allclose(dy, [[-1 / info.tiny / 2, 0], [-0.5, 0]], rtol=1e-6)
    assert binary == pytest.approx(-np.log([info.tiny, info.epsneg], dtype=float).sum() / 2)
    by_hand = [[-1 / info.tiny / 2, 1 / info.epsneg / 2], [-0.5, 0.5]]
    np.testing.assert_allclose(dy_binary, by_hand, rtol=1e-6)


@pytest.mark.parametrize("loss", ALL)
def test_an_output_of_nan_is_passed_on_without_a_warning(loss):
    y, t = example(loss, np.random.default_rng(6))
    y[1, 2] = np.nan
    assert np.isnan(loss().value(y, t))
    assert np.isnan(loss().delta(y, t)[1, 2])


# dtype, layout, purity


@pytest.mark.parametrize("loss", ALL)
def test_delta_has_the_dtype_of_y(loss):
    y, t = example(loss, np.random.default_rng(7))
    for dtype in FLOATS:
        assert loss().delta(y.astype(dtype), t).dtype == dtype
        assert type(loss().value(y.astype(dtype), t)) is float
    value32, value64 = loss().value(y.astype(np.float32), t), loss().value(y, t)
    assert value32 == pytest.approx(value64, rel=1e-5)
    zeros = np.zeros((2, 2), int)
    assert loss().delta(zeros, zeros if loss not in CHOICES else [0, 1]).dtype == np.float64


@pytest.mark.parametrize("loss", ALL)
def test_delta_keeps_the_memory_order_of_y(loss):
    y, t = example(loss, np.random.default_rng(8))
    y, t = np.asfortranarray(y), np.asfortranarray(t)
    assert loss().delta(y, t).strides == y.strides
    if loss in CHOICES:
        assert loss().delta(y, [0, 1, 2, 0]).strides == y.strides


@pytest.mark.parametrize("loss", ALL)
def test_arguments_are_not_changed_and_nothing_is_kept(loss):
    y, t = example(loss, np.random.default_rng(9))
    y0, t0, one = y.copy(), t.copy(), loss()
    one.value(y, t)
    one.delta(y, t)
    np.testing.assert_array_equal(y, y0)
    np.testing.assert_array_equal(t, t0)
    assert vars(one) == {}
    assert isinstance(one, Loss)


# Errors


def refuses(loss, y, t, message):
    for method in (loss().value, loss().delta):
        with pytest.raises(InputError, match=message):
            method(y, t)


@pytest.mark.parametrize("loss", CHOICES)
@pytest.mark.parametrize(
    ("t", "message"),
    [
        ([0, 3, 1], r"t\[1\] is 3, but y has 3 classes; labels are integers from 0 to 2"),
        ([0, 1, -1], r"t\[2\] is -1, but y has 3 classes; labels are integers from 0 to 2"),
        ([0.0, 1.0, 2.0], r"\(3,\), .*labels are integers, not float64: t.astype\(int\)"),
        ([True, False, True], "labels are integers, not bool"),
        ([[0], [1], [2]], r"t has shape \(3, 1\), expected labels \(3,\) or .*t.ravel\(\)"),
        (np.eye(4)[:3], r"t has shape \(3, 4\), expected .* \(3, 3\); .*each of the 3 columns"),
        ([0, 1], r"t has shape \(2,\), expected .*; y has 3 samples"),
        (np.eye(3)[:2], r"t has shape \(2, 3\), expected .*; y has 3 samples"),
        (1, r"t has shape \(\), expected labels \(3,\)"),
        ([[1, 0, 0], [0, 1, 1], [0, 0, 1]], r"t\[1\] sums to 2, .*SigmoidBinaryCrossEntropy"),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 0]], r"t\[2\] sums to 0, expected 1"),
        ([[1, 0, 0], [-1, 2, 0], [0, 0, 1]], r"t\[1, 0\] is -1, expected 0 to 1; a row of"),
        ([[1, 0, 0], [0, np.nan, 0], [0, 0, 1]], r"t\[1, 1\] is not finite"),
        (["a", "b", "c"], "t has dtype <U1; expected real numbers"),
    ],
)
def test_refuses_targets_of_a_choice(loss, t, message):
    refuses(loss, np.full((3, 3), 1 / 3), t, message)


@pytest.mark.parametrize("loss", CHOICES)
def test_refuses_outputs_that_are_no_choice(loss):
    refuses(loss, [[0.5], [0.5]], [0, 0], r"\(2, 1\), expected \(N, K\) with K >= 2 .*Sigmoid")
    refuses(loss, np.full((2, 3, 3), 0.5), [0, 0], r"\(2, 3, 3\), expected \(N, K\).*; flatten")
    refuses(loss, [0.5, 0.5], [0, 0], r"y has shape \(2,\), expected \(N, K\)")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[2.0, -3.5]], r"y\[0, 0\] is 2, expected 0 to 1; do logits come in\? .* {}"),
        ([[0.5, -3.5]], r"y\[0, 1\] is -3.5, expected 0 to 1; do logits come in\? .* {}"),
    ],
)
def test_refuses_logits_for_probabilities(y, message):
    refuses(CrossEntropy, y, [0], message.format("SoftmaxCrossEntropy"))
    refuses(BinaryCrossEntropy, y, [[0, 1]], message.format("SigmoidBinaryCrossEntropy"))


def test_accepts_probabilities_that_rounding_put_above_1():
    assert CrossEntropy().value([[1 + 1e-6, 0]], [0]) == pytest.approx(0, abs=2e-6)
    assert BinaryCrossEntropy().value([[1 + 1e-6, 0]], [[1, 0]]) == pytest.approx(0, abs=2e-6)


@pytest.mark.parametrize("loss", [BinaryCrossEntropy, SigmoidBinaryCrossEntropy])
@pytest.mark.parametrize("t", [1.5, -0.25])
def test_refuses_binary_targets_outside_0_to_1(loss, t):
    refuses(loss, [[0.5, 0.5]], [[0, t]], rf"t\[0, 1\] is {t}, expected 0 to 1; a target is the")


@pytest.mark.parametrize("loss", [HalfSquaredError, BinaryCrossEntropy, SigmoidBinaryCrossEntropy])
@pytest.mark.parametrize(
    ("y", "t", "message"),
    [
        ((4, 1), (4,), r"t has shape \(4,\), expected the shape of y, \(4, 1\); .*reshape"),
        ((4,), (4, 1), r"t has shape \(4, 1\), expected the shape of y, \(4,\); .*reshape"),
        ((4, 3), (4,), r"t has shape \(4,\), .*one-hot rows: np.eye\(3\)\[t\]"),
        ((4, 3), (3, 3), r"t has shape \(3, 3\), expected the shape of y, \(4, 3\); .*same"),
        ((4, 3), (1, 3), r"t has shape \(1, 3\), expected the shape of y"),
    ],
)
def test_refuses_targets_that_would_broadcast(loss, y, t, message):
    refuses(loss, np.full(y, 0.5), np.full(t, 0.5), message)


@pytest.mark.parametrize("loss", ALL)
def test_refuses_an_empty_batch_and_what_is_no_number(loss):
    refuses(loss, np.zeros((0, 3)), np.zeros((0, 3)), r"y has shape \(0, 3\); .*at least one")
    refuses(loss, 0.5, 0.5, r"y has shape \(\); expected \(N, ...\) with at least one sample")
    refuses(loss, [[1j, 0]], [[1, 0]], "y has dtype complex128")
    refuses(loss, [[0.5, 0.5]], [[np.inf, 0]], r"t\[0, 0\] is not finite")


# Accuracy


@pytest.mark.parametrize("loss", [CrossEntropy, SoftmaxCrossEntropy, HalfSquaredError])
def test_the_class_of_several_outputs_is_the_largest(loss):
    y = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.1, 0.2, 0.7]])
    t = np.eye(3)[[0, 2, 2, 1]]  # right, wrong, right, wrong
    assert loss().accuracy(y, t) == 2 / 4
    if loss in CHOICES:
        assert loss().accuracy(y, [0, 2, 2, 2]) == 3 / 4  # labels do as well


def test_one_output_says_yes_from_a_probability_of_a_half_or_a_logit_of_zero():
    t = [[1], [1], [0], [0]]
    probability = [[0.9], [0.4], [0.1], [0.6]]  # right, wrong, right, wrong
    logit = [[2.0], [-0.1], [-3.0], [0.4]]  # 0.4 is yes as a logit, no as a probability
    assert BinaryCrossEntropy().accuracy(probability, t) == 2 / 4
    assert SigmoidBinaryCrossEntropy().accuracy(logit, t) == 2 / 4


def test_what_is_no_choice_between_classes_has_no_accuracy():
    assert np.isnan(HalfSquaredError().accuracy([[1.0], [2.0]], [[1.0], [2.0]]))
    images = np.ones((2, 3, 3, 1))
    assert np.isnan(HalfSquaredError().accuracy(images, images))
    assert np.isnan(HalfSquaredError().accuracy([[3.0, -2.0]], [[1.0, 0.5]]))  # two numbers
    assert np.isnan(SigmoidBinaryCrossEntropy().accuracy([[3.0, -2.0]], [[1, 1]]))  # two labels


@pytest.mark.parametrize(
    "loss", [SoftmaxCrossEntropy(), CrossEntropy(), SigmoidBinaryCrossEntropy()]
)
def test_outputs_with_a_nan_are_no_class(loss):
    y = np.array([[0.1, 0.9], [np.nan, 0.5], [0.9, np.nan]])
    assert loss.accuracy(y, np.eye(2)[[1, 0, 0]]) == pytest.approx(1 / 3)
    assert loss.accuracy(np.full((4, 3), np.nan), np.eye(3)[[0] * 4]) == 0
    if loss._yes is not None:
        assert loss.accuracy([[np.nan], [1]], [[0], [1]]) == 0.5


def test_a_target_that_is_infinite_in_the_type_of_y_is_refused():
    y = np.zeros((1, 1), "f4")
    with pytest.raises(InputError, match=r"t\[0, 0\] is not finite in float32"):
        HalfSquaredError().value(y, [[1e300]])
    assert HalfSquaredError().value(y, [[1e30]]) == np.inf  # and no warning


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), SigmoidBinaryCrossEntropy()])
def test_a_caller_who_lets_numpy_raise_gets_the_same_numbers(loss):
    y, t = np.array([[0.0, -1000], [1000, 0]]), np.eye(2)
    expected = loss.value(y, t), loss.delta(y, t)
    with np.errstate(all="raise"):
        assert loss.value(y, t) == expected[0]
        assert np.array_equal(loss.delta(y, t), expected[1])


@pytest.mark.parametrize(("number", "said"), [(10**400, np.inf), (-(10**400), -np.inf), (2, 2.0)])
def test_a_loss_of_ones_own_may_be_too_large_for_a_float(number, said):
    class Own(HalfSquaredError):
        def value(self, y, t):
            return number

    assert value_of(Own(), np.ones((1, 1)), np.ones((1, 1))) == said
