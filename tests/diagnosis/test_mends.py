"""The line to mend, of each mistake: it is code, and gives what is right."""

import ast

import numpy as np
import pytest

import cnnlib
from cnnlib.diagnosis import diagnose, diagnose_pool, diagnose_step, mistakes
from cnnlib.learning import BatchNorm, ConvTranspose, Dropout, GlobalAveragePool, ReLU
from cnnlib.learning.optimizers import SGD, Adam, Momentum

ALL = [*mistakes.every(), *mistakes.reported()]


@pytest.mark.parametrize("mistake", ALL, ids=lambda mistake: mistake.id)
def test_it_is_a_line_of_code(mistake):
    if mistake.id in ("T1", "S14"):  # a mistake of checks; a line that depends on the loss
        assert mistake.mend == ""
        return
    assert len(mistake.mend) <= 100 and "\n" not in mistake.mend
    source = mistake.mend
    ast.parse(f"def f():\n    {source}" if source.startswith("return") else source)


R = np.random.default_rng(0)
X, W, DZ = R.normal(size=(2, 6, 5, 3)), R.normal(size=(4, 3, 2, 3)), R.normal(size=(2, 3, 3, 4))
S, PAD = 2, 1
HOW = {"stride": S, "padding": PAD}
DX = cnnlib.conv_delta(DZ, W, X.shape, **HOW)
DW = cnnlib.conv_weight_gradient(X, DZ, W.shape[1:3], **HOW)


def names():
    xp = np.pad(X, ((0, 0), (PAD, PAD), (PAD, PAD), (0, 0)))
    (N, H, width, C), (K, kh, kw, _) = X.shape, W.shape
    return {"np": np, "x": X, "w": W, "dz": DZ, "s": S, "pad": PAD, "xp": xp, "N": N, "H": H,
            "W": width, "C": C, "K": K, "kh": kh, "kw": kw, "oh": 3, "ow": 3,
            "dxp": np.zeros(xp.shape), "dw": np.zeros(W.shape), "db": np.zeros(4)}  # fmt: skip


@pytest.mark.parametrize("id", ["F4", "F5", "F6"])
def test_the_sizes(id):
    seen = {"P": 6, "U": 3, "pad": PAD, "s": S}
    exec(mistakes.get(id).mend, seen)
    assert seen["outputs"] == 3


def test_both_sizes():
    seen = names()
    exec(mistakes.get("F8").mend, seen)
    assert (seen["oh"], seen["ow"]) == DZ.shape[1:3]


@pytest.mark.parametrize("id", ["D3", "D4"])
@pytest.mark.parametrize("cut", ["D10", "D11"])
def test_the_way_back(id, cut):
    seen = names()
    for seen["i"], seen["j"] in np.ndindex(3, 3):
        exec(mistakes.get(id).mend, seen)
    exec(mistakes.get(cut).mend, seen)
    assert np.allclose(seen["dx"], DX)


@pytest.mark.parametrize("id", ["W2", "W12"])
def test_the_weight_gradient(id):
    seen = names()
    for seen["u"], seen["v"] in np.ndindex(3, 2):
        exec(mistakes.get(id).mend, seen)
    assert np.allclose(seen["dw"], DW)


@pytest.mark.parametrize("id", ["W3", "W10"])
def test_the_weight_gradient_by_its_cells(id):
    for last in ("W5", "W8"):
        seen = names()
        for seen["u"], seen["v"] in np.ndindex(3, 2):
            exec(mistakes.get(id).mend, seen)
            for seen["k"], seen["c"] in np.ndindex(4, 3):
                exec(mistakes.get(last).mend, seen)
        assert np.allclose(seen["dw"], DW)


@pytest.mark.parametrize("id", ["B1", "B2", "B3", "B4"])
def test_the_bias(id):
    seen = names()
    for seen["n"] in range(2 if id == "B1" else 1):
        exec(mistakes.get(id).mend, seen)
    assert np.allclose(seen["db"], DZ.sum(axis=(0, 1, 2)))
    seen["dz"], seen["db"] = DZ[:, 0, 0], np.zeros(4)  # of a dense layer
    for seen["n"] in range(2 if id == "B1" else 1):
        exec(mistakes.get(id).mend, seen)
    assert np.allclose(seen["db"], DZ[:, 0, 0].sum(axis=0))


@pytest.mark.parametrize("id", ["D1", "D15", "D16", "D18"])
def test_half_a_turn(id):
    seen = names()
    exec(mistakes.get(id).mend, seen)
    assert np.array_equal(seen["turned"], W[:, ::-1, ::-1])


def slope_of(f, z):
    return (f(z + 1e-6) - f(z - 1e-6)) / 2e-6


@pytest.mark.parametrize(
    ("id", "f"),
    [("S8", np.tanh), ("S8", lambda z: 1 / (1 + np.exp(-z))),
     ("S9", lambda z: 1 / (1 + np.exp(-z))),
     ("S11", np.tanh), ("S1", lambda z: np.maximum(z, 0)), ("S2", lambda z: np.maximum(z, 0)),
     ("S13", lambda z: np.where(z > 0, z, 0.1 * z)), ("S3", np.tanh), ("S12", np.tanh)],
)  # fmt: skip
def test_activations(id, f):
    z, da = R.normal(size=(3, 4)), R.normal(size=(3, 4))
    seen = {"np": np, "z": z, "a": f(z), "da": da, "leak": 0.1,
            "tanh": f is np.tanh, "slope": lambda z: 1 - np.tanh(z) ** 2}  # fmt: skip
    exec(mistakes.get(id).mend, seen)
    assert np.allclose(seen["dz"], da * slope_of(f, z), atol=1e-8)


@pytest.mark.parametrize("id", ["P3", "P6"])
def test_the_average(id):
    x, k, s = R.normal(size=(2, 5, 6, 3)), 2, 1
    da = R.normal(size=(2, 4, 5, 3))
    seen = {"dx": np.zeros(x.shape), "da": da, "k": k, "s": s}
    for seen["i"], seen["j"] in np.ndindex(4, 5):
        exec(mistakes.get(id).mend, seen)
    assert np.allclose(seen["dx"], cnnlib.avg_pool_delta(da, x.shape, k, stride=s))


def test_the_maximum():
    x, s = R.integers(0, 3, (2, 5, 6, 3)) / 2, 1
    da = R.normal(size=(2, 4, 5, 3))
    seen = {"dx": np.zeros(x.shape), "da": da, "kw": 2, "s": s}
    for seen["n"], seen["i"], seen["j"], seen["c"] in np.ndindex(*da.shape):
        at = np.s_[seen["n"], seen["i"] : seen["i"] + 2, seen["j"] : seen["j"] + 2, seen["c"]]
        seen["window"] = x[at]
        exec(mistakes.get("P1").mend, seen)
        exec(mistakes.get("P2").mend, seen)
    right = cnnlib.max_pool_delta(da, cnnlib.max_pool(x, 2, stride=s)[1], x.shape)
    assert np.allclose(seen["dx"], right)


def test_losses():
    y, t = R.uniform(0.1, 0.9, (3, 4)), R.integers(0, 2, (3, 4)) * 1.0
    bce = cnnlib.numerical_gradient(
        lambda y: -(t * np.log(y) + (1 - t) * np.log(1 - y)).sum() / 3, y
    )
    for id, right in (("S15", bce), ("S16", bce)):
        seen = {"y": y, "t": t, "N": 3}
        exec(mistakes.get(id).mend, seen)
        assert np.allclose(seen["dy"], right)


def test_batch_norm_and_dropout():
    x, dz, gamma, epsilon = R.normal(size=(5, 3)), R.normal(size=(5, 3)), R.uniform(1, 2, 3), 0.1
    layer = BatchNorm(epsilon=epsilon)
    layer.build((3,), R, np.float64)
    layer.params["gamma"][...] = gamma
    h = (layer.forward(x, training=True) - layer.params["beta"]) / gamma
    dx = layer.backward(dz)
    seen = {"np": np, "h": h, "dz": dz, "gamma": gamma, "M": 5, "v": x.var(0), "epsilon": epsilon}
    for id in ("S21", "S23"):
        exec(mistakes.get(id).mend, seen)
    for id in ("S17", "S18", "S19", "S20"):
        exec(mistakes.get(id).mend, seen)
        assert np.allclose(seen.pop("dx"), dx), id
    exec(mistakes.get("S22").mend, seen)
    assert np.allclose(seen["dgamma"], layer.grads["gamma"])
    layer.forward(x)
    exec(mistakes.get("S24").mend, seen | {"running_variance": layer.buffers["variance"]}, seen)
    assert np.allclose(seen["dx"], layer.backward(dz))

    drop, da = Dropout(0.3, np.random.default_rng(0)), R.normal(size=(5, 3))
    mask, dx = drop.forward(np.ones((5, 3)), training=True) > 0, drop.backward(da)
    for id in ("S25", "S26", "S27", "S28"):
        seen = {"mask": mask, "da": da, "rate": 0.3}
        exec(mistakes.get(id).mend, seen)
        assert np.allclose(seen["dx"], dx), id
    drop.forward(x)
    exec(mistakes.get("S29").mend, seen)
    assert np.array_equal(seen["dx"], drop.backward(da))


def test_groups():
    x, w, dz = (R.normal(size=shape) for shape in ((2, 6, 5), (4, 3, 3), (2, 4, 3)))
    last = [np.moveaxis(a, 1, -1) for a in (x, w, dz)]
    right = cnnlib.conv_weight_gradient(last[0], last[2], 3, groups=2)
    for g in (0, 1):
        seen = {"x": x, "g": g, "C": 6, "G": 2}
        exec(mistakes.get("S30").mend, seen)
        own = cnnlib.conv_weight_gradient(
            np.moveaxis(seen["channels"], 1, -1), last[2][..., 2 * g : 2 * g + 2], 3
        )
        assert np.allclose(own, right[2 * g : 2 * g + 2])
    seen = {"dz": dz, "N": 2, "C": 2, "M": 2}  # two channels, two filters for each
    exec(mistakes.get("S31").mend, seen)
    w = R.normal(size=(2, 2, 3))
    dx = np.zeros((2, 2, 5))
    for i in range(3):
        dx[:, :, i : i + 3] += np.einsum("ncm,cmu->ncu", seen["dz"][..., i], w)
    right = cnnlib.conv_delta(last[2], w.reshape(4, 3, 1), (2, 5, 2), groups=2)
    assert np.allclose(dx, np.moveaxis(right, -1, 1))


def test_transposed_convolutions():
    x, w = R.normal(size=(2, 3, 4)), R.normal(size=(3, 2, 3))  # (N, C, P), (C, K, U)
    for pad, rest, ids in ((0, 0, ("S32", "S33")), (1, 1, ("S34", "S32"))):
        layer = ConvTranspose(2, 3, stride=2, padding=pad, output_padding=rest)
        layer.build((4, 3), R, np.float64)
        layer.params["w"][...] = w.transpose(0, 2, 1)
        dz = R.normal(size=layer.forward(x.transpose(0, 2, 1)).shape)
        dx = layer.backward(dz).transpose(0, 2, 1)
        seen = {"np": np, "x": x, "w": w, "dz": dz.transpose(0, 2, 1), "s": 2, "U": 3, "P": 4,
                "pad": pad, "dx": np.zeros(x.shape), "dw": np.zeros(w.shape)}  # fmt: skip
        if "S34" in ids:
            exec(mistakes.get("S34").mend, seen)
            seen["dz"] = seen["wide"]
        for seen["p"] in range(4):
            exec(mistakes.get("S32").mend, seen)
        assert np.allclose(seen["dx"], dx)
        if "S33" in ids:
            for seen["c"], seen["k"], seen["u"] in np.ndindex(3, 2, 3):
                exec(mistakes.get("S33").mend, seen)
            assert np.allclose(seen["dw"], layer.grads["w"].transpose(0, 2, 1))


@pytest.mark.parametrize("mode", ["reflect", "symmetric", "edge", "wrap"])
def test_borders(mode):
    border = {"edge": "replicate", "wrap": "circular"}.get(mode, mode)
    w, dz = R.normal(size=(1, 3, 1)), R.normal(size=(2, 5, 1))
    for id in ("S35", "S37"):
        seen = {"np": np, "P": 5, "pad": 1, "mode": mode, "dx": np.zeros((2, 5, 1)),
                "frame": cnnlib.conv_delta(dz, w, (2, 7, 1))}  # fmt: skip
        exec(mistakes.get("S36").mend, seen)
        exec(mistakes.get(id).mend, seen)
        right = cnnlib.conv_delta(dz, w, (2, 5, 1), padding=1, border=border)
        assert np.allclose(seen["dx"], right)


def test_sums_means_and_leaks():
    class InPlace(ReLU):
        def backward(self, da):
            da[...] = super().backward(da)
            return da

    x, dz = R.normal(size=(2, 5)), R.normal(size=(2, 5))
    for id, kind in (("S38", ReLU), ("S39", InPlace)):
        seen = {"layers": kind(), "dz": dz.copy()}
        seen["layers"].forward(x)
        exec(mistakes.get(id).mend, seen)
        assert np.allclose(seen["dx"], dz * (x > 0) + dz)
    seen = {"np": np, "z": x, "da": dz, "leak": -2.0}
    exec(mistakes.get("S40").mend, seen)
    assert np.allclose(
        seen["dz"], dz * slope_of(lambda z: np.where(z > 0, z, -2 * z), x), atol=1e-8
    )
    maps, da = R.normal(size=(2, 3, 4, 5)), R.normal(size=(2, 5))
    pool = GlobalAveragePool()
    pool.forward(maps)
    for id in ("S41", "S42"):
        seen = {"np": np, "x": maps, "da": da, "H": 3, "W": 4}
        exec(mistakes.get(id).mend, seen)
        assert np.allclose(seen["dx"], pool.backward(da))


def test_optimizers():
    w, g = R.normal(size=3), R.normal(size=3)
    for id in ("T4", "T5"):
        seen = {"v": {"w": 0 * w}, "momentum": 0.9, "grads": {"w": g}, "params": {"w": w.copy()},
                "rate": 0.1, "name": "w"}  # fmt: skip
        right, rule = {"w": w.copy()}, Momentum(0.1)
        for _ in range(3):
            exec(mistakes.get(id).mend, seen)
            rule.step(right, {"w": g})
        assert np.allclose(seen["params"]["w"], right["w"])
    seen = {"beta1": 0.9, "beta2": 0.999, "m": 0 * w, "v": 0 * w, "g": g}
    right, rule, mine = {"w": w.copy()}, Adam(0.1), w.copy()
    for seen["t"] in (1, 2, 3):
        for id in ("T11", "T6"):
            exec(mistakes.get(id).mend, seen)
        mine -= 0.1 * seen["m_hat"] / (np.sqrt(seen["v_hat"]) + 1e-8)
        rule.step(right, {"w": g})
    assert np.allclose(mine, right["w"])
    seen = {"w": w.copy(), "dw": g, "decay": 0.1, "rate": 0.2}
    exec(mistakes.get("T15").mend, seen)
    right = {"w": w.copy()}
    SGD(0.2).step(right, {"w": g + 0.1 * w})
    assert np.allclose(seen["w"], right["w"])


def test_a_line_is_shown_where_it_fits():
    def without_stride(x, da, k, s):
        dx = np.zeros(x.shape)
        for i, j in np.ndindex(*da.shape[1:3]):
            dx[:, i : i + k, j : j + k] += da[:, i : i + 1, j : j + 1] / k**2
        return {"dx": dx}

    report = diagnose_pool(without_stride, kind="avg")
    assert "mistake D4" in str(report) and "To mend" not in str(report)
    report = diagnose(lambda x, w, b, dz, s, p: {"db": dz.mean(axis=(0, 1, 2))})
    assert "To mend: db = dz.sum(" in str(report)
    report = diagnose_step(lambda params, x, t, rate: params)
    assert str(report).count("To mend: params[name] -= rate * grads[name]") == 1
