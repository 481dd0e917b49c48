"""The transposed convolution: hand numbers, the delta of a convolution, PyTorch, TensorFlow."""

from itertools import product

import grid
import numpy as np
import pytest

import cnnlib
from cnnlib.errors import InputError
from cnnlib.geometry import Window
from cnnlib.learning import Conv, ConvTranspose, Dense, Flatten, HalfSquaredError, Network

SMALL = [case for case in grid.CASES if not case.large]


def built(shape, *arguments, **keywords):
    layer = ConvTranspose(*arguments, **keywords)
    layer.build(shape, np.random.default_rng(0), np.float64)
    for p in layer.params.values():
        p[...] = np.random.default_rng(1).normal(size=p.shape)
    return layer


def close(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-11)


# By hand


def test_three_cells_at_stride_2_by_hand():
    """Input i goes through weights 1, 10, 100 to outputs 2i, 2i+1, 2i+2."""
    layer = built((3, 1), 1, 3, stride=2)
    layer.params["w"][...] = np.reshape([1, 10, 100], (1, 3, 1))
    layer.params["b"][...] = 1000
    z = layer.forward(np.reshape([1.0, 2, 3], (1, 3, 1)))
    assert z.ravel().tolist() == [1001, 1010, 1102, 1020, 1203, 1030, 1300]
    dx = layer.backward(np.reshape([1.0, 2, 3, 4, 5, 6, 7], (1, 7, 1)))
    assert dx.ravel().tolist() == [1 + 20 + 300, 3 + 40 + 500, 5 + 60 + 700]
    dw = [1 + 2 * 3 + 3 * 5, 2 + 2 * 4 + 3 * 6, 3 + 2 * 5 + 3 * 7]
    assert layer.grads["w"].ravel().tolist() == dw
    assert layer.grads["b"].tolist() == [28]


def test_the_remainder_is_the_bias_alone():
    layer = built((2, 1), 1, 2, stride=3, output_padding=1)
    layer.params["w"][...], layer.params["b"][...] = np.reshape([1, 10], (1, 2, 1)), 7
    z = layer.forward(np.reshape([1.0, 2], (1, 2, 1)))
    assert z.ravel().tolist() == [8, 17, 7, 9, 27, 7]


# It is the delta of a convolution


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_forwards_it_is_the_delta_and_backwards_the_convolution(case):
    """At every geometry of the grid: with the remainder that the case has."""
    x, w, _, dz = case.arrays()
    window = Window(case.U, **case.geometry)
    smallest = window.input_shape(dz.shape[1:-1])
    more = tuple(p - q for p, q in zip(case.P, smallest, strict=True))
    layer = built(dz.shape[1:], case.C, case.U, **case.geometry, output_padding=more)
    layer.params["w"][...] = w
    close(layer.forward(dz) - layer.params["b"], cnnlib.conv_delta(dz, w, x.shape, **case.geometry))
    close(layer.backward(x), cnnlib.conv(x, w, **case.geometry))
    close(layer.grads["w"], cnnlib.conv_weight_gradient(x, dz, case.U, **case.geometry))
    close(layer.grads["b"], cnnlib.conv_bias_gradient(x))


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_the_smallest_input_has_the_outputs_and_no_smaller_one_has(case):
    window, I = Window(case.U, **case.geometry), None
    for P in product(*(range(1, p + 4) for p in case.P)):
        try:
            I = window.output_shape(P)
        except InputError:
            continue
        smallest = window.input_shape(I)
        assert window.output_shape(smallest) == I
        assert all(p <= q for p, q in zip(smallest, P, strict=True))
        for axis in range(len(P)):
            less = tuple(p - (a == axis) for a, p in enumerate(smallest))
            try:
                assert 0 in less or window.output_shape(less) != I
            except InputError:
                pass


# Others


CASES = [
    dict(stride=2),
    dict(stride=(2, 3), output_padding=(1, 2)),
    dict(stride=2, padding=1, output_padding=1),
    dict(stride=1, padding=2),
    dict(stride=3, padding=(1, 0), dilation=2, output_padding=(2, 1)),
    dict(stride=2, padding=1, groups=2),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_pytorch(case, torch):
    layer = built((3, 4, 4), 6, (3, 2), **case)
    w, b = (layer.params[name] for name in "wb")
    x = np.random.default_rng(2).normal(size=(2, 3, 4, 4))

    def first(array):
        return torch.tensor(np.moveaxis(array, -1, 1).copy(), requires_grad=True)

    xt, wt, bt = first(x), first(w), torch.tensor(b, requires_grad=True)
    zt = torch.nn.functional.conv_transpose2d(xt, wt, bt, **case)
    z = layer.forward(x)
    dz = np.random.default_rng(3).normal(size=z.shape)
    zt.backward(first(dz))
    close(z, np.moveaxis(zt.detach().numpy(), 1, -1))
    close(layer.backward(dz), np.moveaxis(xt.grad.numpy(), 1, -1))
    close(layer.grads["w"], np.moveaxis(wt.grad.numpy(), 1, -1))
    close(layer.grads["b"], bt.grad.numpy())


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("stride, kernel", [(2, 3), (2, 4), (3, 2), (1, 3)])
def test_against_keras(padding, stride, kernel, tensorflow):
    """Its sizes by default: with 'valid' it is as large as `s` cells for each input, at least."""
    more = max(0, stride - kernel) if padding == "valid" else None
    layer = built((3, 4, 2), 5, kernel, stride=stride, padding=padding, output_padding=more)
    theirs = tensorflow.keras.layers.Conv2DTranspose(
        5, kernel, stride, padding=padding, dtype="float64"
    )
    theirs.build((None, 3, 4, 2))
    theirs.set_weights([np.moveaxis(layer.params["w"], 0, -1), layer.params["b"]])
    x = np.random.default_rng(2).normal(size=(2, 3, 4, 2))
    close(layer.forward(x), theirs(x).numpy())


# The layer


def test_a_network_enlarges_and_learns():
    rng = np.random.default_rng(0)
    layers = [Conv(3, 2, stride=2), ConvTranspose(1, 2, stride=2), Flatten(), Dense(2)]
    network = Network(layers, HalfSquaredError(), input_shape=(6, 4, 1), rng=rng, dtype=np.float64)
    assert network.shapes["convtranspose1"] == (6, 4, 1)
    assert network.params["convtranspose1.w"].shape == (3, 2, 2, 1)
    x, t = rng.normal(size=(3, 6, 4, 1)), rng.normal(size=(3, 2))
    _, grads = network.gradients(x, t)
    w = network.params["convtranspose1.w"]

    def loss(values):
        kept, w[...] = w.copy(), values
        found = network.gradients(x, t)[0]
        w[...] = kept
        return found

    numerical = cnnlib.numerical_gradient(loss, w.copy())
    np.testing.assert_allclose(grads["convtranspose1.w"], numerical, atol=1e-8)


def test_its_first_weights_keep_the_size_of_activations():
    """At stride 2 a quarter of the 4x4 weights reaches an output: 4 * 32 numbers are summed up."""
    layer = ConvTranspose(64, 4, stride=2, padding=1)
    layer.build((8, 8, 32), np.random.default_rng(0), np.float64)
    assert layer.params["w"].std() == pytest.approx((2 / (4 * 32)) ** 0.5, rel=0.02)
    x = np.random.default_rng(1).normal(size=(4, 8, 8, 32))
    inner = layer.forward(np.maximum(x, 0) * 2**0.5)[:, 2:-2, 2:-2]
    assert inner.std() == pytest.approx(2**0.5, rel=0.1)


def test_it_is_laid_once_and_anew_for_another_shape():
    layer = built((4, 5, 2), 3, 2, stride=2)
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 2))
    layer.forward(x)
    laid = layer.laid
    layer.forward(x + 1)
    assert layer.laid is laid
    assert layer.forward(x[:1, :3]).shape == (1, 6, 10, 3)
    layer.output_padding = 1
    assert layer.forward(x).shape == (2, 9, 11, 3)
    layer.output_padding, layer.stride = None, 3
    assert layer.forward(x).shape == (2, 11, 14, 3)


def test_repr_and_config():
    layer = ConvTranspose(4, 3, stride=2, output_padding=1)
    assert repr(layer) == "ConvTranspose(4, 3, stride=2, output_padding=1)"
    assert repr(ConvTranspose(**layer.config())) == repr(layer)


WRONG = [
    (dict(stride=2, output_padding=2), (4, 2), "output_padding is 2; images of shape (11,) would"),
    (dict(output_padding=-1), (4, 2), "output_padding is -1; expected at least 0"),
    (dict(output_padding=(0, 0)), (4, 2), "output_padding is (0, 0), with 2 entries"),
    (dict(padding=5), (4, 2), "no input has outputs of shape (4,) with Window(3, padding=5)"),
    (dict(groups=2), (4, 3), "groups is 2, and the filters of w are 3"),
    (dict(groups=3), (4, 3), "groups is 3, and the channels of the outputs are 4"),
    (dict(), (4,), "samples have shape (4,); expected images"),
    (dict(method="quick"), (4, 2), "method is 'quick'"),
]


@pytest.mark.parametrize("how, shape, message", WRONG, ids=[message[:40] for *_, message in WRONG])
def test_wrong_arguments_are_named(how, shape, message):
    with pytest.raises(InputError, match=grid.says(message)):
        ConvTranspose(4, 3, **how).build(shape, np.random.default_rng(0), np.float32)


def test_wrong_inputs_are_named():
    layer = built((4, 2), 3, 2)
    with pytest.raises(InputError, match=r"x has 1 channels .* but w was made for 2"):
        layer.forward(np.ones((1, 4, 1)))
    layer.forward(np.ones((1, 4, 2)))
    for act in (layer.backward, layer.gradients, layer.delta):
        with pytest.raises(InputError, match=r"dz has shape \(1, 4, 3\); expected \(1, 5, 3\)"):
            act(np.ones((1, 4, 3)))
