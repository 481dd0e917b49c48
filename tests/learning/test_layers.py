"""Layers: central differences, geometry keywords, first weights, dtype, memory, errors."""

import ast
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import cnnlib
from cnnlib.checks import numerical_gradient
from cnnlib.errors import InputError
from cnnlib.geometry import Window
from cnnlib.learning import (
    BatchNorm,
    ConvTranspose,
    Dropout,
    GlobalAveragePool,
    LeakyReLU,
    Residual,
    layers,
)
from cnnlib.learning.chain import walk
from cnnlib.learning.later import LATER
from cnnlib.learning.layers import (
    AvgPool,
    Conv,
    Dense,
    Flatten,
    MaxPool,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from cnnlib.learning.losses import CrossEntropy
from cnnlib.learning.network import Network
from cnnlib.learning.optimizers import Adam
from cnnlib.sums import loops

# A layer, and the shape of the batch that it meets: odd numbers, and more than one sample.
CASES = {
    "Conv 1-D, stride 2, remainder": (lambda: Conv(3, 3, stride=2), (2, 8, 2)),
    "Conv 1-D, pair": (lambda: Conv(2, 4, stride=3, padding=((1, 2),)), (3, 11, 2)),
    "Conv 2-D": (lambda: Conv(3, (2, 3)), (2, 5, 4, 2)),
    "Conv 2-D, stride 2, padding 2": (lambda: Conv(3, 3, stride=2, padding=2), (2, 7, 6, 3)),
    "Conv 2-D, no bias": (lambda: Conv(2, (3, 2), padding="same", bias=False), (3, 5, 4, 2)),
    "Conv 2-D, centre, flipped": (
        lambda: Conv(3, 2, stride=2, center=(0, 1), flip=True),
        (2, 5, 7, 2),
    ),
    "Conv 2-D, dilation": (lambda: Conv(2, 2, dilation=(1, 3), flip=True), (2, 4, 7, 3)),
    "Conv 2-D, 'loops'": (lambda: Conv(2, 2, padding=1, method="loops"), (2, 3, 4, 2)),
    "Conv 1-D, 'fft', stride 2": (lambda: Conv(3, 4, stride=2, method="fft"), (2, 9, 2)),
    "Conv 2-D, 'fft', centre, flipped": (
        lambda: Conv(3, (2, 3), center=(0, 1), flip=True, method="fft"),
        (3, 4, 5, 2),
    ),
    "Conv 3-D, 'fft'": (
        lambda: Conv(2, (2, 3, 2), dilation=(1, 1, 2), padding=1, method="fft"),
        (2, 3, 4, 3, 2),
    ),
    "Conv 3-D": (lambda: Conv(2, (2, 3, 2), stride=(1, 2, 1), padding="full"), (2, 3, 4, 2, 2)),
    "Conv 2-D, groups, border": (
        lambda: Conv(6, (2, 3), padding=1, border="symmetric", groups=2),
        (2, 4, 5, 4),
    ),
    "Conv 1-D, depthwise, circular": (
        lambda: Conv(3, 3, stride=2, center=2, border="circular", groups=3, bias=False),
        (2, 7, 3),
    ),
    "ConvTranspose 1-D, output padding": (
        lambda: ConvTranspose(3, 4, stride=3, output_padding=2),
        (2, 3, 2),
    ),
    "ConvTranspose 2-D, padding, flipped": (
        lambda: ConvTranspose(2, (3, 2), stride=2, padding=((1, 0), (0, 1)), flip=True),
        (2, 3, 2, 3),
    ),
    "ConvTranspose 2-D, 'same', groups": (
        lambda: ConvTranspose(4, 3, stride=(2, 1), padding="same", groups=2, bias=False),
        (2, 2, 3, 2),
    ),
    "ConvTranspose 2-D, border": (
        lambda: ConvTranspose(2, 2, dilation=(1, 2), center=(1, 0), border="reflect"),
        (2, 3, 4, 2),
    ),
    "ConvTranspose 3-D": (lambda: ConvTranspose(2, 2, stride=(1, 2, 1)), (2, 2, 2, 1, 3)),
    "Dense": (lambda: Dense(4), (3, 5)),
    "Dense, no bias": (lambda: Dense(2, bias=False), (4, 3)),
    "Flatten 1-D": (Flatten, (3, 4, 2)),
    "Flatten 3-D": (Flatten, (2, 3, 2, 4, 2)),
    "MaxPool 1-D, overlapping": (lambda: MaxPool(3, stride=2, padding=1), (2, 7, 3)),
    "MaxPool 2-D, remainder": (lambda: MaxPool((2, 3)), (2, 5, 7, 2)),
    "MaxPool 2-D, centre, flipped": (
        lambda: MaxPool(3, stride=2, center=0, flip=True),
        (3, 5, 6, 2),
    ),
    "MaxPool 3-D": (lambda: MaxPool(2, stride=1), (2, 3, 2, 4, 2)),
    "AvgPool 1-D": (lambda: AvgPool(3, stride=2, padding=1), (2, 7, 3)),
    "AvgPool 2-D, padding counts": (
        lambda: AvgPool(3, padding=1, count_padding=True),
        (2, 5, 7, 2),
    ),
    "AvgPool 2-D, centre, flipped": (
        lambda: AvgPool(3, stride=2, center=0, flip=True),
        (3, 5, 6, 2),
    ),
    "AvgPool 3-D": (lambda: AvgPool((2, 1, 3), stride=1), (2, 3, 2, 4, 2)),
    "ReLU": (ReLU, (3, 5, 2)),
    "Sigmoid": (Sigmoid, (2, 3, 4, 2)),
    "Tanh": (Tanh, (3, 5)),
    "Softmax": (Softmax, (4, 5)),
    "Softmax over channels": (Softmax, (2, 3, 4)),
    "BatchNorm": (BatchNorm, (3, 4, 2)),
    "BatchNorm of rows": (lambda: BatchNorm(epsilon=0.1), (3, 4)),
    "Dropout": (lambda: Dropout(0.5), (2, 3, 2)),
    "LeakyReLU": (LeakyReLU, (3, 5, 2)),
    "LeakyReLU, rising to the left": (lambda: LeakyReLU(-0.5), (3, 5)),
    "GlobalAveragePool 1-D": (GlobalAveragePool, (3, 5, 2)),
    "GlobalAveragePool 3-D": (GlobalAveragePool, (2, 3, 1, 4, 2)),
    "Residual, x itself": (
        lambda: Residual([Conv(2, 3, padding="same"), Tanh(), Conv(2, (1, 2), padding="same")]),
        (2, 4, 3, 2),
    ),
    "Residual, with a shortcut": (
        lambda: Residual(
            [Conv(3, 3, stride=2, padding=1), Tanh()], shortcut=[AvgPool(1), Conv(3, 1, stride=2)]
        ),
        (2, 7, 2),
    ),
    "Residual within one": (lambda: Residual([Residual([Dense(4), Tanh()])]), (3, 4)),
}
every = pytest.mark.parametrize("case", CASES.values(), ids=CASES)

GEOMETRIES = [
    dict(stride=2),
    dict(stride=(1, 3)),
    dict(padding="same"),
    dict(padding="full"),
    dict(padding=1),
    dict(padding=((1, 0), (0, 1))),
    dict(center=(1, 0)),
    dict(flip=True, center=0),
]


def built(make, shape, seed=0):
    """The layer with random parameters, and random `x` and `dz`, all of float64."""
    r = np.random.default_rng(seed)
    layer = make()
    out = layer.build(shape[1:], r, np.float64)
    for p in arrays(layer, "params").values():
        p[...] = r.normal(size=p.shape)
    return layer, r.normal(size=shape), r.normal(size=(shape[0], *out))


def arrays(layer, what):
    """Those of the layer and of the layers inside it."""
    parts = walk({"": layer})
    return {f"{at}.{name}": a for at, part in parts for name, a in getattr(part, what).items()}


def close(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


# Gradients


@every
def test_delta_against_central_differences(case):
    layer, x, dz = built(*case)

    def f(x):
        return (layer.forward(x) * dz).sum()

    numerical = numerical_gradient(f, x)
    layer.forward(x)
    close(layer.backward(dz), numerical)


@every
def test_parameter_gradients_against_central_differences(case):
    layer, x, dz = built(*case)
    numerical = {}
    for name, p in arrays(layer, "params").items():
        kept = p.copy()

        def f(values, p=p):
            p[...] = values
            return (layer.forward(x) * dz).sum()

        numerical[name] = numerical_gradient(f, kept)
        p[...] = kept
    layer.forward(x)
    layer.backward(dz)
    grads = arrays(layer, "grads")
    assert grads.keys() == arrays(layer, "params").keys()
    for name, gradient in numerical.items():
        close(grads[name], gradient)


def test_bias_can_be_left_out():
    for make, shape in ((Conv(3, 2), (5, 4, 2)), (Dense(3), (4,))):
        make.build(shape, np.random.default_rng(0), np.float64)
        assert set(make.params) == {"w", "b"}
    for make, shape in ((Conv(3, 2, bias=False), (5, 4, 2)), (Dense(3, bias=False), (4,))):
        make.build(shape, np.random.default_rng(0), np.float64)
        assert set(make.params) == {"w"}


def test_dense_by_hand():
    layer = Dense(2)
    layer.build((2,), np.random.default_rng(0), np.float64)
    layer.params["w"][...] = [[1, 2], [3, 4]]
    layer.params["b"][...] = [10, 20]
    assert layer.forward(np.array([[1.0, 0], [2, 5]])).tolist() == [[11, 22], [27, 44]]
    assert layer.backward(np.array([[1.0, 0], [2, -1]])).tolist() == [[1, 3], [0, 2]]
    assert layer.grads["w"].tolist() == [[5, -2], [10, -5]]
    assert layer.grads["b"].tolist() == [3, -1]


def test_conv_by_hand():
    layer = Conv(1, 2)
    layer.build((3, 1), np.random.default_rng(0), np.float64)
    layer.params["w"][...] = np.reshape([1, 2], (1, 2, 1))
    layer.params["b"][...] = 4
    assert layer.forward(np.reshape([10.0, 20, 30], (1, 3, 1))).ravel().tolist() == [54, 84]
    assert layer.backward(np.reshape([5.0, 7], (1, 2, 1))).ravel().tolist() == [5, 17, 14]
    assert layer.grads["w"].ravel().tolist() == [190, 310]
    assert layer.grads["b"].tolist() == [12]


def test_flatten_puts_channels_fastest():
    x = np.array([[[[111, 112], [121, 122]], [[211, 212], [221, 222]]]], float)
    layer = Flatten()
    rows = layer.forward(x)
    assert rows.tolist() == [[111, 112, 121, 122, 211, 212, 221, 222]]
    assert layer.backward(rows).tolist() == x.tolist()


def test_flatten_reads_by_index_whatever_lies_in_memory():
    # Batch last in memory, as a convolution leaves it; on one axis that is Fortran's order.
    for shape in ((2, 3, 2), (2, 2, 3, 2)):
        x = np.arange(np.prod(shape), dtype=float).reshape(shape)
        axes = (len(shape) - 1, *range(1, len(shape) - 1), 0)
        turned = np.ascontiguousarray(x.transpose(axes)).transpose(axes)
        assert not turned.flags.c_contiguous
        assert Flatten().forward(turned).tolist() == x.reshape(2, -1).tolist()


# Geometry keywords


@pytest.mark.parametrize(
    "geometry", [*GEOMETRIES, dict(dilation=2), dict(dilation=(1, 2))], ids=str
)
def test_conv_passes_geometry_on(geometry):
    layer, x, _ = built(lambda: Conv(3, 2, **geometry), (2, 5, 6, 2))
    w, b = layer.params["w"], layer.params["b"]
    z = cnnlib.conv(x, w, b, **geometry)
    dz = np.random.default_rng(1).normal(size=z.shape)
    close(layer.forward(x), z)
    close(layer.backward(dz), cnnlib.conv_delta(dz, w, x.shape, **geometry))
    close(layer.grads["w"], cnnlib.conv_weight_gradient(x, dz, (2, 2), **geometry))
    close(layer.grads["b"], cnnlib.conv_bias_gradient(dz))


def test_conv_lays_its_window_once_and_passes_every_keyword_on(monkeypatch):
    keywords = dict(stride=2, dilation=(1, 2), padding=None, center=(0, 1), flip=True)
    layer, x, dz = built(lambda: Conv(3, 2, **keywords, method="loops"), (2, 5, 6, 2))
    layer.forward(x)
    laid = layer.laid
    assert (laid.window, laid.engine) == (Window((2, 2), **keywords), loops)
    assert (laid.input_shape, laid.kernel_shape) == (x.shape, (3, 2, 2, 2))
    layer.backward(dz)
    layer.forward(x + 1)
    assert layer.laid is laid
    layer.forward(x[:1])
    assert layer.laid == replace(laid, input_shape=(1, *x.shape[1:]))


def test_what_is_asked_for_later_is_not_imported_before():
    code = (
        "import sys, cnnlib.learning as l; print(sorted(m for m in sys.modules if 'cnnlib' in m))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    modules = {f"cnnlib.learning.{module}" for module in LATER.values()}
    assert len(modules) == 7 and not modules & set(ast.literal_eval(result.stdout))
    with pytest.raises(AttributeError, match="'cnnlib.learning' has no attribute 'Batchnorm'"):
        cnnlib.learning.Batchnorm  # noqa: B018


def test_every_layer_has_a_case():
    public = [getattr(cnnlib.learning, name) for name in cnnlib.learning.__all__]
    kinds = {kind for kind in public if isinstance(kind, type)}
    layers_there = {kind for kind in kinds if issubclass(kind, layers.Layer)} - {layers.Layer}
    assert {type(make()) for make, _ in CASES.values()} == layers_there


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_max_pool_passes_geometry_on(geometry):
    layer, x, _ = built(lambda: MaxPool(2, **geometry), (2, 5, 6, 2))
    a, winners = cnnlib.max_pool(x, 2, **geometry)
    da = np.random.default_rng(1).normal(size=a.shape)
    close(layer.forward(x), a)
    close(layer.backward(da), cnnlib.max_pool_delta(da, winners, x.shape))


@pytest.mark.parametrize("geometry", [*GEOMETRIES, dict(count_padding=True, padding=1)], ids=str)
def test_avg_pool_passes_geometry_on(geometry):
    layer, x, _ = built(lambda: AvgPool(2, **geometry), (2, 5, 6, 2))
    a = cnnlib.avg_pool(x, 2, **geometry)
    da = np.random.default_rng(1).normal(size=a.shape)
    close(layer.forward(x), a)
    close(layer.backward(da), cnnlib.avg_pool_delta(da, x.shape, 2, **geometry))


@every
def test_build_names_the_output_shape(case):
    layer, x, dz = built(*case)
    assert layer.forward(x).shape == dz.shape


# First weights


@pytest.mark.parametrize(
    ("init", "deviation"),
    # 3x3 weights: 16 channels in, 40 filters out
    [("he", (2 / 144) ** 0.5), ("glorot", (2 / (144 + 360)) ** 0.5), (0.3, 0.3)],
    ids=["he", "glorot", "0.3"],
)
def test_deviation_of_first_conv_weights(init, deviation):
    layer = Conv(40, 3, init=init)
    layer.build((4, 5, 16), np.random.default_rng(0), np.float64)
    w = layer.params["w"]
    assert w.shape == (40, 3, 3, 16)
    assert w.std() == pytest.approx(deviation, rel=0.03)
    assert abs(w.mean()) < 0.05 * deviation
    # Normal: about 4.6 of a hundred lie beyond two deviations, and some beyond three.
    assert (abs(w) > 2 * deviation).mean() == pytest.approx(0.0455, abs=0.015)
    assert 0 < (abs(w) > 3 * deviation).mean() < 0.01
    assert layer.params["b"].tolist() == [0] * 40


@pytest.mark.parametrize(
    ("init", "deviation"),
    [("he", (2 / 50) ** 0.5), ("glorot", (2 / 250) ** 0.5), (0.3, 0.3)],
    ids=["he", "glorot", "0.3"],
)
def test_deviation_of_first_dense_weights(init, deviation):
    layer = Dense(200, init=init)
    layer.build((50,), np.random.default_rng(0), np.float64)
    assert layer.params["w"].shape == (50, 200)
    assert layer.params["w"].std() == pytest.approx(deviation, rel=0.03)
    assert layer.params["b"].tolist() == [0] * 200


def test_first_weights_of_groups_count_the_channels_that_they_meet():
    """9 weights of 16 channels in each of two groups, and of 40 filters."""
    for init, deviation in (("he", (2 / 144) ** 0.5), ("glorot", (2 / (144 + 360)) ** 0.5)):
        layer = Conv(80, 3, groups=2, init=init)
        layer.build((4, 5, 32), np.random.default_rng(0), np.float64)
        assert layer.params["w"].shape == (80, 3, 3, 16)
        assert layer.params["w"].std() == pytest.approx(deviation, rel=0.03)


def test_first_weights_default_to_he():
    for make in (lambda **k: Conv(3, 2, **k), lambda **k: Dense(3, **k)):
        a, b = make(), make(init="he")
        for layer in (a, b):
            shape = (4,) if isinstance(layer, Dense) else (5, 4, 2)
            layer.build(shape, np.random.default_rng(7), np.float64)
        assert a.params["w"].tolist() == b.params["w"].tolist()


def test_first_weights_come_from_the_generator():
    def first(seed):
        layer = Conv(2, 3)
        layer.build((4, 4, 1), np.random.default_rng(seed), np.float32)
        return layer.params["w"].tolist()

    assert first(1) == first(1) != first(2)


# dtype


def test_float32_stays_float32():
    r = np.random.default_rng(0)
    sequence = [
        Conv(3, 3, padding=1),
        ReLU(),
        MaxPool(2),
        Conv(4, 2, center=(0, 0), flip=True, bias=False),
        Sigmoid(),
        AvgPool(2, stride=1, padding=1),
        Conv(2, 3, stride=2, method="loops", padding="same"),
        Tanh(),
        Flatten(),
        Dense(6),
        Tanh(),
        Dense(3, init=0.5),
        Softmax(),
    ]
    network = Network(sequence, CrossEntropy(), input_shape=(9, 7, 2), rng=r)
    optimizer = Adam()
    y = x = r.random((4, 9, 7, 2), np.float32)
    t = np.array([0, 2, 1, 1])
    for name, layer in network.layers.items():
        y = layer.forward(y)
        assert y.dtype == np.float32, f"output of {name}"
    dz = network.loss.delta(y, t)
    assert dz.dtype == np.float32, "delta of the loss"
    for name, layer in reversed(network.layers.items()):
        dz = layer.backward(dz)
        assert dz.dtype == np.float32, f"delta of {name}"
        for p, gradient in layer.grads.items():
            assert gradient.dtype == np.float32, f"gradient of {name}.{p}"
    _, grads = network.gradients(x.astype(np.float64), t)
    assert {g.dtype for g in grads.values()} == {np.dtype(np.float32)}
    optimizer.step(network.params, grads)
    assert {p.dtype for p in network.params.values()} == {np.dtype(np.float32)}


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_of_a_layer(case, dtype):
    make, shape = case
    r = np.random.default_rng(0)
    layer = make()
    layer.build(shape[1:], r, dtype)
    z = layer.forward(r.normal(size=shape).astype(dtype))
    dx = layer.backward(r.normal(size=z.shape).astype(dtype))
    every = [z, dx, *arrays(layer, "params").values(), *arrays(layer, "grads").values()]
    assert {a.dtype for a in every} == {np.dtype(dtype)}


# Memory: buffers that remember


@every
def test_second_backward_equals_the_first(case):
    layer, x, dz = built(*case)
    kept_x, kept_dz = x.copy(), dz.copy()
    z = layer.forward(x)
    kept_z = z.copy()
    dx = layer.backward(dz).copy()
    grads = {name: g.copy() for name, g in arrays(layer, "grads").items()}
    for _ in range(2):
        assert np.array_equal(layer.backward(dz), dx)
        assert arrays(layer, "grads").keys() == grads.keys()
        assert all(np.array_equal(arrays(layer, "grads")[name], g) for name, g in grads.items())
    assert np.array_equal(x, kept_x) and np.array_equal(dz, kept_dz) and np.array_equal(z, kept_z)


@every
def test_a_batch_leaves_nothing_behind(case):
    make, shape = case
    used, x, dz = built(make, shape)
    other = np.random.default_rng(9).normal(size=(shape[0] + 3, *shape[1:]))
    used.backward(np.ones_like(used.forward(other)))
    fresh, _, _ = built(make, shape)
    results = []
    for layer in (used, fresh):
        z = layer.forward(x)
        results.append([z, layer.backward(dz), *arrays(layer, "grads").values()])
    for a, b in zip(*results, strict=True):
        assert np.array_equal(a, b)


@every
def test_layers_of_one_kind_share_nothing(case):
    make, shape = case
    one, x, dz = built(make, shape)
    two, _, _ = built(make, shape, seed=1)
    one.forward(x)
    dx = one.backward(dz).copy()
    grads = {name: g.copy() for name, g in arrays(one, "grads").items()}
    two.backward(np.ones_like(two.forward(-2 * x)))
    assert np.array_equal(one.backward(dz), dx)
    assert all(np.array_equal(arrays(one, "grads")[name], g) for name, g in grads.items())


# Errors


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: Dense(3), (4, 4, 2), "samples have shape .4, 4, 2.; put a Flatten before Dense"),
        (lambda: Conv(3, 2), (4,), "samples have shape .4,.; expected images"),
        (lambda: Conv(3, 2, init="xavier"), (4, 4, 1), "init is 'xavier'; expected 'he', 'glorot'"),
        (lambda: Dense(3, init="zeros"), (4,), "init is 'zeros'; .* or a number from 0 up"),
        (lambda: Conv(0, 2), (4, 4, 1), "filters is 0; expected at least 1"),
        (lambda: Conv(2.5, 2), (4, 4, 1), "filters is 2.5; expected an integer"),
        (lambda: Dense(0), (4,), "outputs is 0; expected at least 1"),
        (lambda: Conv(3, (2, 2, 2)), (4, 4, 1), "kernel is .2, 2, 2., with 3 entries"),
        (lambda: Conv(3, 0), (4, 4, 1), "kernel is 0"),
        (lambda: Conv(3, 5), (4, 6, 1), "kernel spans 5 cells on spatial axis 0"),
        (lambda: Conv(3, 2, padding=1, center=0), (4, 4, 1), "padding is 1 and center is"),
        (lambda: Conv(3, 2, stride=0), (4, 4, 1), "stride is 0"),
        (lambda: Conv(3, 2, method="fast"), (4, 4, 1), "method is 'fast'"),
        (lambda: Conv(4, 2, groups=2), (4, 4, 3), "groups is 2, and the channels of x are 3"),
        (lambda: Conv(3, 2, groups=2), (4, 4, 2), "groups is 2, and the filters of w are 3"),
        (lambda: Conv(3, 2, groups=0), (4, 4, 2), "groups is 0; expected at least 1"),
        (lambda: Conv(3, 2, border="edge"), (4, 4, 2), "border is 'edge'; expected 'zeros'"),
        (lambda: Conv(3, 9, padding=4, border="circular"), (3, 4, 2), "repeats at most 3"),
        (lambda: MaxPool((2, 2, 2)), (4, 4, 1), "window is .2, 2, 2., with 3 entries"),
        (lambda: MaxPool(2), (4,), "expected images"),
        (lambda: AvgPool(5), (4, 6, 1), "spans 5 cells on spatial axis 0"),
        (GlobalAveragePool, (4,), "expected images"),
        (lambda: LeakyReLU(np.inf), (4,), "slope is inf; expected a finite number"),
    ],
)
def test_errors(make, shape, message):
    with pytest.raises(InputError, match=message):
        make().build(shape, np.random.default_rng(0), np.float32)


@pytest.mark.parametrize(
    "layer", [ReLU(), Sigmoid(), Tanh(), Softmax(), LeakyReLU(), Dropout(0.5), Flatten()]
)
@pytest.mark.parametrize("x", [1.0, np.ones((0, 3)), np.ones((3, 0))])
def test_what_is_no_batch_is_refused(layer, x):
    with pytest.raises(InputError, match="x has shape .*expected a batch"):
        layer.forward(x)


def test_base_layer_must_be_filled_in():
    with pytest.raises(NotImplementedError):
        layers.Layer().forward(np.zeros((1, 2)))
    with pytest.raises(NotImplementedError):
        layers.Layer().delta(np.zeros((1, 2)))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "bool", "int64"])
def test_a_dense_layer_sums_integers_without_wrapping(dtype):
    """100 * 100, a thousand times: by hand 10**7, and 1000 where all are True."""
    layer = Dense(1)
    layer.build((1,), np.random.default_rng(0), np.float64)
    layer.params["w"][...] = 1
    x = np.full((1000, 1), 100).astype(dtype)
    dz, each = x.copy(), 1 if dtype == "bool" else 100
    assert (layer.forward(x) == each).all() and (layer.backward(dz) == each).all()
    assert layer.grads["w"].tolist() == [[1000 * each**2]]
    assert layer.grads["b"].tolist() == [1000 * each]


def test_first_weights_that_nothing_could_hold_are_refused():
    rng, how = np.random.default_rng(0), {"fan_in": 1, "fan_out": 1, "dtype": np.float32}
    with pytest.raises(InputError, match=r"init is 1e\+300; too large for float32"):
        layers.first_weights((2,), init=1e300, rng=rng, **how)
    for shape in ((2**31 - 1,) * 2, (2**31 - 1,) * 3):
        with pytest.raises(InputError, match="that takes more memory than there is"):
            layers.first_weights(shape, init="he", rng=rng, **how)


def test_a_pool_asks_for_no_memory_to_know_its_shape():
    assert MaxPool(1).output_shape((2**31 - 1,) * 4) == (2**31 - 1,) * 4


def test_the_kernel_of_a_layer_that_has_its_weights_stays():
    layer = Conv(2, 3)
    layer.kernel = 5  # not built yet
    layer.build((6, 6, 1), np.random.default_rng(0), np.float64)
    layer.kernel = 5
    for kernel in (1, (3, 1), [5, 5]):
        with pytest.raises(InputError, match="kernel of a layer that has its weights is 5"):
            layer.kernel = kernel
    assert layer.kernel == 5 and layer.forward(np.ones((1, 6, 6, 1))).shape == (1, 2, 2, 2)
