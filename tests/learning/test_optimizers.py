"""Optimizers: two steps by hand, PyTorch, Keras, dtype, state, errors."""

import copy
import math
import pickle
import re

import numpy as np
import pytest

from cnnlib.errors import InputError
from cnnlib.learning.optimizers import SGD, Adam, Momentum, Optimizer, RMSprop, clip_gradients

EVERY = {
    "SGD": lambda: SGD(0.1),
    "Momentum torch": lambda: Momentum(0.1),
    "Momentum keras": lambda: Momentum(0.1, form="keras"),
    "RMSprop torch": lambda: RMSprop(0.1),
    "RMSprop keras": lambda: RMSprop(0.1, form="keras"),
    "Adam torch": lambda: Adam(0.1),
    "Adam keras": lambda: Adam(0.1, form="keras"),
    "SGD decay": lambda: SGD(0.1, weight_decay=0.5),
    "AdamW": lambda: Adam(0.1, weight_decay=0.5, decoupled=True),
}
every = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY.keys())


def walk(optimizer, p, gradients, rates=None):
    """The values of one parameter after each step."""
    params, values = {"w": np.array(p, float)}, []
    for n, g in enumerate(gradients):
        if rates is not None:
            optimizer.lr = rates[n]
        optimizer.step(params, {"w": np.array(g, float)})
        values.append(params["w"].copy())
    return np.array(values)


# Two steps by hand. All start at 10.


def test_sgd_by_hand():
    # 10 - 0.5*4 = 8, 8 - 0.5*(-2) = 9
    np.testing.assert_array_equal(walk(SGD(0.5), [10], [[4], [-2]]), [[8], [9]])


@pytest.mark.parametrize("form", ["torch", "keras"])
def test_momentum_by_hand(form):
    # torch: v = 4, then 0.5*4 - 6 = -4;    p = 10 - 0.25*4 = 9, then 9 + 0.25*4 = 10
    # keras: v = -1, then 0.5*(-1) + 1.5 = 1; p = 10 - 1 = 9, then 9 + 1 = 10
    optimizer = Momentum(0.25, momentum=0.5, form=form)
    np.testing.assert_array_equal(walk(optimizer, [10], [[4], [-6]]), [[9], [10]])


@pytest.mark.parametrize(("form", "last"), [("torch", 4), ("keras", 3)])
def test_momentum_by_hand_when_the_rate_changes(form, last):
    # lr is 1, then 0.5; g is 4, then 2.
    # torch: v = 4, then 0.5*4 + 2 = 4;         p = 10 - 1*4 = 6, then 6 - 0.5*4 = 4
    # keras: v = -4, then 0.5*(-4) - 0.5*2 = -3; p = 10 - 4 = 6, then 6 - 3 = 3
    optimizer = Momentum(1, momentum=0.5, form=form)
    values = walk(optimizer, [10], [[4], [2]], rates=[1, 0.5])
    np.testing.assert_array_equal(values, [[6], [last]])


def test_rmsprop_by_hand():
    # rho = 3/4. v = 16/4 = 4, then 3/4 * 4 + 4/4 = 4.
    gradients = [[4], [2]]
    # torch: 10 - 4/(2 + 2) = 9, 9 - 2/(2 + 2) = 8.5
    torch_form = RMSprop(1, rho=0.75, epsilon=2)
    np.testing.assert_array_equal(walk(torch_form, [10], gradients), [[9], [8.5]])
    # keras: 10 - 3 * 4/sqrt(4 + 5) = 6, 6 - 3 * 2/sqrt(4 + 5) = 4
    keras_form = RMSprop(3, rho=0.75, epsilon=5, form="keras")
    np.testing.assert_array_equal(walk(keras_form, [10], gradients), [[6], [4]])


def test_adam_by_hand():
    # beta1 = 1/2, beta2 = 3/4. m = 4/2 = 2, then 2/2 - 4/2 = -1; v = 16/4 = 4, then 3 + 4 = 7.
    # 1 - beta1**t = 1/2, then 3/4; 1 - beta2**t = 1/4, then 7/16.
    gradients, betas = [[4], [-4]], {"beta1": 0.5, "beta2": 0.75}
    # torch: m̂ = 4, then -4/3; √v̂ = √16, then √16; steps 2 * 4/(4+4) = 1, 2 * (-4/3)/(4+4) = -1/3
    torch_form = Adam(2, epsilon=4, **betas)
    np.testing.assert_allclose(walk(torch_form, [10], gradients), [[9], [9 + 1 / 3]], rtol=1e-15)
    # keras: step 1 is 2 * (1/2)/(1/2) * 2/(2+2) = 1; step 2 is 2 * (√7/4)/(3/4) * (-1)/(√7+2)
    keras_form, root7 = Adam(2, epsilon=2, form="keras", **betas), math.sqrt(7)
    last = 9 + 2 / 3 * root7 / (root7 + 2)
    np.testing.assert_allclose(walk(keras_form, [10], gradients), [[9], [last]], rtol=1e-15)


# Weight decay


@pytest.mark.parametrize("decoupled", [False, True])
def test_weight_decay_by_hand_in_plain_gradient_descent(decoupled):
    # 10 - 0.5*(4 + 0.2*10) = 7; 7 - 0.5*(-2 + 0.2*7) = 7.3. Decoupled: 10 - 1 - 2 = 7, 7 - 0.7 + 1.
    optimizer = SGD(0.5, weight_decay=0.2, decoupled=decoupled)
    values = walk(optimizer, [10], [[4], [-2]])
    np.testing.assert_allclose(values, [[7], [7.3]], rtol=1e-15)


def test_weight_decay_by_hand_through_the_rule_and_past_it():
    # lr 1/4, momentum 1/2, decay 1/5; g is 4, then 4.
    # coupled: v = 4 + 2 = 6, p = 10 - 1.5 = 8.5; v = 3 + 4 + 1.7 = 8.7, p = 8.5 - 2.175 = 6.325
    coupled = Momentum(0.25, 0.5, weight_decay=0.2)
    np.testing.assert_allclose(walk(coupled, [10], [[4], [4]]), [[8.5], [6.325]], rtol=1e-15)
    # decoupled: p = 10*0.95 - 0.25*4 = 8.5; v = 2 + 4 = 6, p = 8.5*0.95 - 1.5 = 6.575
    decoupled = Momentum(0.25, 0.5, weight_decay=0.2, decoupled=True)
    np.testing.assert_allclose(walk(decoupled, [10], [[4], [4]]), [[8.5], [6.575]], rtol=1e-15)
    # AdamW's first step is lr, whatever g is: 10*(1 - 0.1*0.5) - 0.1; coupled it is lr alone
    adam_w = Adam(0.1, weight_decay=0.5, decoupled=True)
    np.testing.assert_allclose(walk(adam_w, [10, 10], [[3, -500]]), [[9.4, 9.6]], rtol=1e-9)
    adam = Adam(0.1, weight_decay=0.5)
    np.testing.assert_allclose(walk(adam, [10, 10], [[3, -500]]), [[9.9, 10.1]], rtol=1e-9)


def test_the_coupled_decay_is_the_slope_of_a_term_of_the_loss():
    p, λ, h = np.array([2.0, -3.0]), 0.3, 1e-6
    term = [
        λ / 2 * np.square(p + h * e).sum() - λ / 2 * np.square(p - h * e).sum() for e in np.eye(2)
    ]
    moved = walk(SGD(1, weight_decay=λ), p, [[0, 0]])[0] - p
    np.testing.assert_allclose(-moved, np.array(term) / (2 * h), rtol=1e-8)


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, "much", None, True])
def test_refuses_a_decay_that_is_none(value):
    for kind in (SGD, Momentum, RMSprop, Adam):
        with pytest.raises(
            InputError, match=f"weight_decay is {value!r}; expected a finite number"
        ):
            kind(0.1, weight_decay=value)


# Clipping


def test_clipping_keeps_the_direction_and_shortens_all_together():
    grads = {"w": np.array([[3.0, 0], [0, 4]]), "b": np.array([12.0])}  # the norm is 13
    kept = {name: g.copy() for name, g in grads.items()}
    for most, factor in ((6.5, 0.5), (13.0, 1), (20.0, 1)):
        for name, g in clip_gradients(grads, most).items():
            np.testing.assert_array_equal(g, factor * kept[name])
            np.testing.assert_array_equal(grads[name], kept[name])
    narrow = clip_gradients({"w": np.full(3, 2e20, np.float32)}, 1.0)["w"]
    assert narrow.dtype == np.float32  # whose squares do not fit into it
    np.testing.assert_allclose(narrow, 3**-0.5, rtol=1e-6)


@pytest.mark.parametrize(
    ("g", "most", "clipped"),
    [
        ([1e200, 1e200], 1.0, [0.5**0.5, 0.5**0.5]),
        (np.full(3, 1e-170), 1e-180, np.full(3, 1e-180 * 3**-0.5)),
        (np.full(3, 1e30, np.float32), 1e-20, np.full(3, 1e-20 * 3**-0.5)),
        ([0.0, 0.0], 1.0, [0.0, 0.0]),
        ([np.inf, 1.0], 1.0, [np.inf, 1.0]),
        ([np.nan, 1.0], 1.0, [np.nan, 1.0]),
        ([3, 4], 2.5, [1.5, 2]),
    ],
)
def test_clipping_of_huge_and_tiny_gradients(g, most, clipped):
    with np.errstate(all="raise", under="ignore"):
        found = clip_gradients({"w": g}, most)["w"]
    np.testing.assert_allclose(found, clipped, rtol=1e-6)


@pytest.mark.parametrize("g", [None, "x", [1j], [True], [object()], np.ma.array([1.0], mask=[1])])
def test_clipping_reads_gradients(g):
    with pytest.raises(InputError, match="grads\\['w'\\]"):
        clip_gradients({"w": g}, 1.0)


@pytest.mark.parametrize("most", [0, -1, math.nan, "long", None])
def test_refuses_a_norm_that_is_not_positive(most):
    with pytest.raises(InputError, match=f"most is {most!r}; expected a positive finite number"):
        clip_gradients({"w": np.ones(2)}, most)


def test_clipping_agrees_with_pytorch(torch):
    g = np.random.default_rng(18).normal(size=(2, 5, 4))
    for most in (0.5, 3.0, 100.0):
        p = [torch.zeros(5, 4, dtype=torch.float64, requires_grad=True) for _ in g]
        for one, gradient in zip(p, g, strict=True):
            one.grad = torch.tensor(gradient)
        torch.nn.utils.clip_grad_norm_(p, most)
        ours = clip_gradients({"0": g[0], "1": g[1]}, most)
        for one, gradient in zip(p, ours.values(), strict=True):  # theirs adds 1e-6 to the norm
            np.testing.assert_allclose(one.grad.numpy(), gradient, rtol=1e-6)


# PyTorch


@pytest.mark.parametrize("changes", [False, True], ids=["one rate", "two rates"])
@pytest.mark.parametrize(
    ("ours", "name", "settings"),
    [
        (lambda: SGD(0.05), "SGD", {"lr": 0.05}),
        (lambda: Momentum(0.05), "SGD", {"lr": 0.05, "momentum": 0.9}),
        (lambda: Momentum(0.05, 0.5), "SGD", {"lr": 0.05, "momentum": 0.5}),
        (lambda: RMSprop(), "RMSprop", {"lr": 1e-3}),
        (
            lambda: RMSprop(0.05, rho=0.8, epsilon=0.01),
            "RMSprop",
            {"lr": 0.05, "alpha": 0.8, "eps": 0.01},
        ),
        (lambda: Adam(), "Adam", {}),
        (
            lambda: Adam(0.05, beta1=0.8, beta2=0.9, epsilon=0.01),
            "Adam",
            {"lr": 0.05, "betas": (0.8, 0.9), "eps": 0.01},
        ),
        (lambda: SGD(0.05, weight_decay=0.2), "SGD", {"lr": 0.05, "weight_decay": 0.2}),
        (
            lambda: Momentum(0.05, weight_decay=0.2),
            "SGD",
            {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.2},
        ),
        (lambda: RMSprop(weight_decay=0.2), "RMSprop", {"lr": 1e-3, "weight_decay": 0.2}),
        (lambda: Adam(weight_decay=0.2), "Adam", {"weight_decay": 0.2}),
        (lambda: Adam(weight_decay=0.2, decoupled=True), "AdamW", {"weight_decay": 0.2}),
    ],
)
def test_50_steps_agree_with_pytorch(ours, name, settings, changes, torch):
    rng = np.random.default_rng(10)
    start, gradients = rng.normal(size=(3, 4)), rng.normal(size=(50, 3, 4))
    optimizer = ours()
    rates = [optimizer.lr] * 25 + [optimizer.lr / (3 if changes else 1)] * 25
    p = torch.tensor(start, requires_grad=True)
    theirs, expected = getattr(torch.optim, name)([p], **settings), []
    for lr, g in zip(rates, gradients, strict=True):
        theirs.param_groups[0]["lr"] = lr
        p.grad = torch.tensor(g)
        theirs.step()
        expected.append(p.detach().numpy().copy())
    np.testing.assert_allclose(walk(optimizer, start, gradients, rates), expected, atol=1e-12)


# Keras


def test_100_steps_agree_with_keras():
    # Numbers of Keras 3.15.1 (TensorFlow 2.21.0), made by
    #     keras.config.set_floatx("float64")
    #     O = keras.optimizers
    #     for optimizer in (O.SGD(0.05, momentum=0.9), O.RMSprop(1e-3), O.Adam(1e-3)):
    #         p = keras.Variable([1.0, -2.0, 3.0], dtype="float64")
    #         for t in range(1, 101):
    #             if t == 51: optimizer.learning_rate = 0.01
    #             g = (t * np.array([3, 5, 7]) % 11 - 5) / 4
    #             optimizer.apply([keras.ops.convert_to_tensor(g)], [p])
    #             if t in (1, 10, 100): print(p.numpy().tolist())
    keras = {
        Momentum: [
            [1.025, -2.0, 2.975],
            [0.8677229832551657, -2.4652361035254238, 2.616848263195922],
            [0.9735121379556413, -3.0079135848548915, 2.2060640071150215],
        ],
        RMSprop: [
            [1.003162271335632, -2.0, 2.996837728664368],
            [0.9983194266536939, -2.0033243416693183, 2.996410831292234],
            [0.9988303909696082, -1.974960306638556, 3.0150568533090536],
        ],
        Adam: [
            [1.0009999869997876, -2.0, 2.9990000130002126],
            [1.0003236122446433, -2.003281631718625, 2.9967851022691523],
            [0.9987945897127173, -2.0009858337658346, 2.9972022762563895],
        ],
    }
    gradients = [(t * np.array([3, 5, 7]) % 11 - 5) / 4 for t in range(1, 101)]
    for kind, expected in keras.items():
        optimizer = kind(0.05 if kind is Momentum else 1e-3, form="keras")
        values = walk(optimizer, [1, -2, 3], gradients, [optimizer.lr] * 50 + [0.01] * 50)
        np.testing.assert_allclose(values[[0, 9, 99]], expected, rtol=0, atol=1e-14)


def test_keras_forms_equal_their_formulas():
    rng = np.random.default_rng(11)
    gradients, start = rng.normal(size=(100, 4)), rng.normal(size=4)
    rates = np.where(np.arange(100) < 50, 0.01, 0.002)
    through_float32 = {x: np.float64(np.float32(x)) for x in (0.9, 0.999)}
    mu = beta1 = through_float32[0.9]
    beta2 = through_float32[0.999]

    p, v, momentum = start, 0, []
    for g, lr in zip(gradients, rates, strict=True):
        v = mu * v - lr * g
        p = p + v
        momentum.append(p)

    p, v, rmsprop = start, 0, []
    for g, lr in zip(gradients, rates, strict=True):
        v = 0.9 * v + 0.1 * g**2
        p = p - lr * g / np.sqrt(v + 1e-7)
        rmsprop.append(p)

    p, adam = start, []
    for n, lr in enumerate(rates):
        # The running means written out as the weighted sums that they are.
        age = np.arange(n, -1, -1)[:, None]
        m = 0.1 * np.sum(0.9**age * gradients[: n + 1], axis=0)
        v = 0.001 * np.sum(0.999**age * gradients[: n + 1] ** 2, axis=0)
        correction = np.sqrt(1 - beta2 ** (n + 1)) / (1 - beta1 ** (n + 1))
        p = p - lr * correction * m / (np.sqrt(v) + 1e-7)
        adam.append(p)

    for kind, expected in ((Momentum, momentum), (RMSprop, rmsprop), (Adam, adam)):
        values = walk(kind(0.01, form="keras"), start, gradients, rates)
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)


def test_the_forms_differ_as_the_frameworks_do():
    gradients = np.random.default_rng(12).normal(size=(5, 3))
    for kind in (RMSprop, Adam):
        torch_form, keras_form = kind(0.1, epsilon=0.5), kind(0.1, epsilon=0.5, form="keras")
        apart = walk(torch_form, np.ones(3), gradients) - walk(keras_form, np.ones(3), gradients)
        assert abs(apart).min() > 1e-4


@pytest.mark.parametrize(
    ("optimizer", "usual"),
    [
        (Momentum(1), {"momentum": 0.9}),
        (RMSprop(), {"lr": 1e-3, "rho": 0.99, "epsilon": 1e-8}),
        (RMSprop(form="keras"), {"lr": 1e-3, "rho": 0.9, "epsilon": 1e-7}),
        (Adam(), {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}),
        (Adam(form="keras"), {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7}),
        (RMSprop(rho=0, epsilon=1), {"rho": 0, "epsilon": 1}),
    ],
)
def test_usual_settings(optimizer, usual):
    assert {name: getattr(optimizer, name) for name in usual} == usual


# In place, dtype, state


@every
def test_step_changes_params_in_place_and_leaves_grads(make):
    rng = np.random.default_rng(13)
    p, g = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    params, grads, g0, p0 = {"w": p}, {"w": g}, g.copy(), p.copy()
    optimizer = make()
    assert [optimizer.step(params, grads) for _ in range(3)] == [None] * 3
    assert params["w"] is p
    assert (p != p0).all()
    np.testing.assert_array_equal(g, g0)
    for m in optimizer.memory["w"].values():
        assert not np.shares_memory(m, g)


@every
def test_float32_stays_float32_and_close_to_float64(make):
    rng = np.random.default_rng(14)
    start, gradients = rng.normal(size=4), rng.normal(size=(20, 4))
    optimizer, params = make(), {"w": start.astype(np.float32)}
    for n, g in enumerate(gradients):
        optimizer.lr = np.float64(0.1)
        assert type(optimizer.lr) is float  # a NumPy float64 would widen every product
        optimizer.step(params, {"w": g if n % 2 else g.astype(np.float32)})
    assert params["w"].dtype == np.float32
    assert all(m.dtype == np.float32 for m in optimizer.memory["w"].values())
    np.testing.assert_allclose(params["w"], walk(make(), start, gradients)[-1], rtol=0, atol=1e-5)


@every
def test_gradients_count_in_the_precision_of_their_parameter(make):
    gradients = np.random.default_rng(17).normal(size=(20, 50))
    wide, narrow = {"w": np.ones(50, np.float32)}, {"w": np.ones(50, np.float32)}
    for params, dtype in ((wide, np.float64), (narrow, np.float32)):
        optimizer = make()
        for g in gradients:
            optimizer.step(params, {"w": g.astype(dtype)})
    np.testing.assert_array_equal(wide["w"], narrow["w"])


@every
def test_integer_gradients_and_any_rank_or_memory_order(make):
    expected = walk(make(), np.ones((2, 3)), [[[1, -2, 3], [4, 100, -6]]])[0]
    params = {"w": np.asfortranarray(np.ones((2, 3))), "scalar": np.array(1, np.float32)}
    g = np.array([[1, -2, 3], [4, 100, -6]], np.int8)  # the square of 100 does not fit int8
    make_one = make()
    make_one.step(params, {"w": g, "scalar": np.array(-6)})
    np.testing.assert_allclose(params["w"], expected, rtol=1e-15)
    assert params["scalar"] == pytest.approx(expected[1, 2], rel=1e-6)
    assert params["scalar"].dtype == np.float32
    assert all(m.strides == params["w"].strides for m in make_one.memory["w"].values())


@every
def test_each_parameter_has_its_own_memory_and_count(make):
    rng = np.random.default_rng(15)
    a, b = rng.normal(size=(6, 3)), rng.normal(size=(6, 2))
    optimizer, params = make(), {"a": np.ones(3), "b": np.ones(2)}
    optimizer.step({"a": params["a"]}, {"a": a[0]})  # b is frozen for one step
    for n in range(1, 6):
        optimizer.step(params, {"b": b[n], "a": a[n]})
    np.testing.assert_array_equal(params["a"], walk(make(), np.ones(3), a)[-1])
    np.testing.assert_array_equal(params["b"], walk(make(), np.ones(2), b[1:])[-1])
    assert optimizer.steps == {"a": 6, "b": 5}


@every
def test_memory_and_steps_are_the_whole_state(make):
    gradients = np.random.default_rng(16).normal(size=(7, 3))
    whole = walk(make(), np.ones(3), gradients)
    first, second = make(), make()
    params = {"w": walk(first, np.ones(3), gradients[:4])[-1]}
    second.memory, second.steps = first.memory, first.steps
    assert list(first.memory.get("w", {})) == list(first.letters)
    for g in gradients[4:]:
        second.step(params, {"w": g})
    np.testing.assert_array_equal(params["w"], whole[-1])


def test_steps_without_a_gradient_stay_finite():
    for make in EVERY.values():
        values = walk(make(), [1, 2], [[0, 0]] * 3)
        if make().weight_decay:
            assert (0 < values).all() and (values < [1, 2]).all()
        else:
            np.testing.assert_array_equal(values, [[1, 2]] * 3)


# Errors


@pytest.mark.parametrize("lr", [0, -0.1, math.nan, math.inf, "fast", None])
def test_refuses_a_rate_that_is_not_positive_and_finite(lr):
    for kind in (SGD, Momentum, RMSprop, Adam):
        with pytest.raises(InputError, match=f"lr is {lr!r}; expected a positive finite number"):
            kind(lr)
    optimizer = SGD(0.5)
    with pytest.raises(InputError, match="lr is"):
        optimizer.lr = lr
    assert optimizer.lr == 0.5


@pytest.mark.parametrize("value", [1, 1.5, -0.1, math.nan, "much", 1 - 1e-12, 1e300])
@pytest.mark.parametrize(
    ("kind", "name"), [(Momentum, "momentum"), (RMSprop, "rho"), (Adam, "beta1"), (Adam, "beta2")]
)
def test_refuses_fractions_outside_0_to_1(kind, name, value):
    message = re.escape(f"{name} is {value!r}; expected a number from 0 to below 1")
    with pytest.raises(InputError, match=message):
        kind(0.1, **{name: value})


@pytest.mark.parametrize("kind", [RMSprop, Adam])
@pytest.mark.parametrize("epsilon", [0, -1e-8, math.nan])
def test_refuses_an_epsilon_that_is_not_positive(kind, epsilon):
    with pytest.raises(InputError, match=f"epsilon is {epsilon!r}; expected a positive"):
        kind(0.1, epsilon=epsilon)


@pytest.mark.parametrize("kind", [Momentum, RMSprop, Adam])
def test_refuses_an_unknown_form(kind):
    with pytest.raises(InputError, match="form is 'tf'; expected 'torch' or 'keras'"):
        kind(0.1, form="tf")


def read_only(p):
    p = np.array(p)
    p.flags.writeable = False
    return p


@every
@pytest.mark.parametrize(
    ("p", "g", "message"),
    [
        (np.ones(2), None, r"without a gradient: \['last'\], without a parameter: \[\]"),
        (None, np.ones(2), r"without a gradient: \[\], without a parameter: \['last'\]"),
        (np.ones(2), np.ones((2, 1)), r"grads\['last'\] is float64 \(2, 1\); .*\(2,\)"),
        (np.ones(2), np.ones(1), r"grads\['last'\] is float64 \(1,\); expected .*\(2,\)"),
        (np.ones(2), np.ones(2, complex), r"grads\['last'\] has dtype complex128; expected real"),
        (
            np.ones(2, np.int64),
            np.ones(2),
            r"params\['last'\] is int64; expected an array of float32",
        ),
        (np.ones(2, np.float16), np.ones(2), r"params\['last'\] is float16; expected"),
        ([1.0, 2.0], np.ones(2), r"params\['last'\] is list; expected an array of float32"),
        (read_only([1.0, 2.0]), np.ones(2), r"params\['last'\] is read-only"),
    ],
)
def test_refuses_what_does_not_fit_and_changes_nothing(make, p, g, message):
    optimizer = make()
    good = {"first": np.ones(3), "last": np.ones(2)}
    optimizer.step(good, {"first": np.ones(3), "last": np.ones(2)})
    first, memory = good["first"].copy(), {n: dict(m) for n, m in optimizer.memory.items()}
    copies = {n: {k: a.copy() for k, a in m.items()} for n, m in memory.items()}
    params = {"first": good["first"]} | ({} if p is None else {"last": p})
    grads = {"first": np.ones(3)} | ({} if g is None else {"last": g})
    with pytest.raises(InputError, match=message):
        optimizer.step(params, grads)
    np.testing.assert_array_equal(good["first"], first)
    assert optimizer.steps == {"first": 1, "last": 1}
    for name, arrays in copies.items():
        for letter, a in arrays.items():
            np.testing.assert_array_equal(optimizer.memory[name][letter], a)


@pytest.mark.parametrize("kind", [Momentum, RMSprop, Adam])
def test_refuses_another_network_under_the_same_names(kind):
    optimizer = kind(0.1)
    optimizer.step({"w": np.ones(2)}, {"w": np.ones(2)})
    for p, now in ((np.ones(3), r"float64 \(3,\)"), (np.ones(2, np.float32), r"float32 \(2,\)")):
        message = rf"params\['w'\] was float64 \(2,\) in earlier steps and is {now} now"
        with pytest.raises(InputError, match=message):
            optimizer.step({"w": p}, {"w": np.ones(p.shape)})
        np.testing.assert_array_equal(p, np.ones(p.shape))


@pytest.mark.parametrize("memory", [None, 3, {}, {"v": None}, {"v": [0.0, 0.0]}])
def test_a_memory_that_is_none_is_named(memory):
    optimizer, p = Momentum(0.1), {"w": np.ones(2)}
    optimizer.step(p, {"w": np.ones(2)})
    optimizer.memory["w"] = memory
    before = p["w"].copy()
    with pytest.raises(InputError, match=r"memory\['w'\] is .*expected"):
        optimizer.step(p, {"w": np.ones(2)})
    assert np.array_equal(p["w"], before)


@pytest.mark.parametrize("count", [-3, 0.5, True, None, "x", float("nan"), 10**30])
def test_a_count_of_steps_that_is_none_is_named(count):
    optimizer, p = Adam(0.1), {"w": np.ones(2)}
    optimizer.step(p, {"w": np.ones(2)})
    optimizer.steps["w"] = count
    with pytest.raises(InputError, match=r"steps\['w'\] is "):
        optimizer.step(p, {"w": np.ones(2)})


@pytest.mark.parametrize("name", ["memory", "steps"])
@pytest.mark.parametrize("value", [None, 3, "x", []])
def test_a_state_that_is_none_is_named(name, value):
    optimizer = Adam(0.1)
    setattr(optimizer, name, value)
    with pytest.raises(InputError, match=f"^{name} is .*expected a Mapping"):
        optimizer.step({"w": np.ones(2)}, {"w": np.ones(2)})


def test_arrays_that_share_memory_later_are_refused():
    a, b, g = np.ones(2), np.ones(2), {"a": np.ones(2), "b": np.ones(2)}
    optimizer = Momentum(0.5)
    optimizer.step({"a": a, "b": b}, g)
    optimizer.step({"a": a, "b": b}, g)
    for params, grads in (({"a": a, "b": a}, g), ({"a": a, "b": b}, g | {"b": a})):
        before = a.copy(), b.copy()
        with pytest.raises(InputError, match="share memory"):
            optimizer.step(params, grads)
        assert np.array_equal(a, before[0]) and np.array_equal(b, before[1])
    optimizer.memory["b"]["v"] = optimizer.memory["a"]["v"]
    with pytest.raises(InputError, match="share memory"):
        optimizer.step({"a": a, "b": b}, g)
    optimizer.memory["b"]["v"] = read_only([1.0, 2.0])
    with pytest.raises(InputError, match=r"memory\['b'\] is read-only"):
        optimizer.step({"a": a, "b": b}, g)


def test_an_array_whose_numbers_share_a_place_is_refused():
    one = np.lib.stride_tricks.as_strided(np.ones(2), (3,), (0,))
    with pytest.raises(InputError, match="numbers that share a place"):
        SGD(0.5).step({"a": one}, {"a": np.ones(3)})


def test_an_optimizer_is_one_of_the_four_rules():
    with pytest.raises(TypeError, match="abstract"):
        Optimizer(0.1)


@pytest.mark.parametrize("kind", [Adam, RMSprop])
def test_an_epsilon_that_is_zero_in_float32_is_refused(kind):
    """With gradients of zero it would make NaN of every parameter."""
    for wrong in (1e-50, 1e50):
        with pytest.raises(InputError, match="epsilon is .*expected a positive .*in float32 too"):
            kind(epsilon=wrong)
    params = {"w": np.ones(2, "f4")}
    kind(epsilon=1e-44, form="keras").step(params, {"w": np.zeros(2)})
    assert params["w"].tolist() == [1, 1]


def test_a_step_is_whole_whatever_numpy_is_told_to_raise():
    params = {"a": np.ones(1, "f4"), "b": np.ones(1, "f4")}
    with np.errstate(all="raise"):
        SGD(0.5).step(params, {"a": np.ones(1), "b": np.full(1, 1e300)})
    assert params["a"] == 0.5 and params["b"] == -np.inf


def test_arrays_that_share_memory_are_refused():
    a = np.arange(4.0)
    g = {"a": np.ones(3), "b": np.ones(3)}
    with pytest.raises(InputError, match="params.'a'. and params.'b'. share memory"):
        SGD(0.1).step({"a": a[:3], "b": a[1:]}, g)
    np.testing.assert_array_equal(a, np.arange(4.0))
    apart = np.arange(6.0)
    SGD(0.1).step({"a": apart[::2], "b": apart[1::2]}, g)  # they only lie between each other
    np.testing.assert_allclose(apart, np.arange(6.0) - 0.1)


@every
def test_a_gradient_that_is_its_parameter_is_refused(make):
    """The step would change it."""
    p = {"b": np.array([1.0, 2.0])}
    for g in (p, {"b": p["b"][::-1]}):
        with pytest.raises(InputError, match="params.'b'. and grads.'b'. share memory"):
            make().step(p, g)
    optimizer = make()
    optimizer.step(p, {"b": np.ones(2)})
    with pytest.raises(InputError, match="share memory"):
        optimizer.step(p, p)
    a = np.arange(4.0)
    make().step({"b": a[::2]}, {"b": a[1::2]})  # they only lie between each other
    assert a[1::2].tolist() == [1, 3]


@every
def test_a_network_of_other_shapes_wants_an_optimizer_of_its_own(make):
    optimizer = make()
    optimizer.step({"w": np.ones((2, 3))}, {"w": np.ones((2, 3))})
    for other in (np.ones((2, 4)), np.ones((2, 3), np.float32)):
        with pytest.raises(InputError, match="make a new optimizer for another network"):
            optimizer.step({"w": other}, {"w": np.ones(other.shape)})
    optimizer.step({"w": np.ones((2, 3))}, {"w": np.ones((2, 3))})
    assert optimizer.steps == {"w": 2}


@every
@pytest.mark.parametrize("name", ["learning_rate", "eps", "betas", "nesterov", "LR"])
def test_an_attribute_that_no_rule_reads_is_refused(make, name):
    optimizer = make()
    with pytest.raises(InputError, match=f"has no '{name}', .*; expected one of lr, "):
        setattr(optimizer, name, 0.5)
    optimizer.lr = 0.5
    again = copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))
    assert [repr(one) for one in again] == [repr(optimizer)] * 2


def test_an_optimizer_of_ones_own_keeps_what_it_likes():
    class Counts(SGD):
        def __init__(self, lr):
            super().__init__(lr)
            self.taken = 0

        def _update(self, p, g, t, memory):
            super()._update(p, g, t, memory)
            self.taken, self.last = self.taken + 1, t

    optimizer = Counts(0.5)
    optimizer.step({"w": np.ones(1)}, {"w": np.ones(1)})
    assert (optimizer.taken, optimizer.last) == (1, 1)


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8"])
def test_the_smallest_integer_is_clipped(kind):
    """It has no absolute value of its type."""
    least = np.iinfo(kind).min
    assert clip_gradients({"w": np.array([least], kind)}, 1.0)["w"].tolist() == [-1.0]
    assert clip_gradients({"w": np.array([least], kind)}, 1e30)["w"].tolist() == [float(least)]


def test_numbers_beyond_float64_are_clipped():
    if np.finfo(np.longdouble).max == np.finfo(float).max:
        pytest.skip("there are none on this machine")
    large = np.array([3, 4], np.longdouble) * np.longdouble("1e4000")
    found = clip_gradients({"w": large, "b": np.ones(1, np.float32)}, 1.0)
    np.testing.assert_allclose(found["w"].astype(float), [0.6, 0.8])
    assert [g.dtype for g in found.values()] == [np.longdouble, np.float32]
    tiny = np.array([3, 4], np.longdouble) * np.longdouble("1e-4000")
    assert (clip_gradients({"w": tiny}, 1.0)["w"] == tiny).all()


def test_one_gradient_that_is_not_finite_leaves_them_all():
    for bad in (np.nan, np.inf):
        for grads in ({"a": np.array([30.0]), "b": np.array([bad])}, {"b": np.array([bad, 30.0])}):
            found = clip_gradients(grads, 1.0)
            assert all(np.array_equal(found[k], grads[k], equal_nan=True) for k in grads)
