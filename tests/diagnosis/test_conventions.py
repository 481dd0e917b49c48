"""Conventions are recognised and said; other kinds of layers are known; gradients that fit z."""

import numpy as np
import pytest
from test_report import found, right

import cnnlib
from cnnlib.diagnosis import channels_first, diagnose
from cnnlib.errors import InputError

ACTIVATIONS = {
    "ReLU": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "leaky ReLU of slope 0.2": (
        lambda z: np.where(z > 0, z, z / 5), lambda z: np.where(z > 0, 1, 0.2)),
}  # fmt: skip


def activated(name, z=True, derivative=None):
    f, slope = ACTIVATIONS[name]

    def fn(x, w, b, dz, s, p):
        before = right(x, w, b, dz, s, p)["z"]
        one = right(x, w, b, (derivative or slope)(before) * dz, s, p)
        return {**one, "z": f(before)} if z else {"dx": one["dx"], "dw": one["dw"]}

    return fn


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_inside_is_found_out(name):
    for report in (diagnose(activated(name)), diagnose(activated(name, z=False))):
        assert report.ok is True, str(report)
        assert f"The layer has a {name} inside" in str(report)
    assert diagnose(activated(name), activation=name).ok is True
    assert diagnose(activated(name), activation="").ok is not True  # declared otherwise


@pytest.mark.parametrize(
    ("name", "derivative", "ids"),
    [("ReLU", np.ones_like, {"S2", "S3"}), ("tanh", np.ones_like, {"S3"})],
)  # fmt: skip
def test_a_wrong_derivative_is_named(name, derivative, ids):
    findings = diagnose(activated(name, derivative=derivative)).findings
    assert {one.quantity for one in findings} == {"dx", "dw", "db"}
    assert {one.mistake for one in findings} == ids


def test_a_mask_in_place_of_a_delta_is_named():
    def fn(x, w, b, dz, s, p):
        z = right(x, w, b, dz, s, p)["z"]
        return {**right(x, w, b, (z > 0) * 1.0, s, p), "z": np.maximum(z, 0)}

    assert found(diagnose(fn)) == [("dx", "S1"), ("dw", "S1"), ("db", "S1")]


def test_the_mean_in_the_layer_is_said_and_not_accused():
    def fn(*given):
        one, N = right(*given), len(given[0])
        return {**one, "dw": one["dw"] / N, "db": one["db"] / N}

    report = diagnose(fn)
    assert report.ok is True and "mistake W6" in str(report)
    for alone in ("dw", "db"):  # only one of the two: they contradict each other
        one = diagnose(lambda *given, alone=alone: {**right(*given), alone: fn(*given)[alone]})
        assert found(one) == [(alone, "W6")]


@pytest.mark.parametrize("shape", [(-1, 1), (1, -1), (1, 1, 1, -1)], ids=str)
def test_a_bias_in_another_shape_is_compared(shape):
    report = diagnose(lambda *given: {"db": right(*given)["db"].reshape(shape)})
    assert report.ok is True and "db has the shape of" in str(report)
    mean = diagnose(lambda *given: {"db": given[3].mean(axis=(0, 1, 2)).reshape(shape)})
    assert found(mean) == [("db", "B3")]


def test_a_step_inside_is_no_changed_argument():
    def fn(x, w, b, dz, s, p):
        one = right(x, w, b, dz, s, p)
        w -= 0.25 * one["dw"]
        b -= 0.25 * one["db"]
        return one

    report = diagnose(fn)
    assert report.ok is True
    assert report.notes == [f"It updates {n} inside, by -0.25 times its d{n}." for n in "wb"]

    def worse(x, w, b, dz, s, p):
        one = fn(x, w, b, dz, s, p)
        w[0] += 1
        return one

    assert diagnose(worse).ok is False


# ---- What fits its own z


def true(x, w, b, dz, s, p):
    one = right(x, w[:, ::-1, ::-1], b, dz, s, p)
    return {**one, "dw": one["dw"][:, ::-1, ::-1]}


def test_a_true_convolution_has_one_finding():
    report = diagnose(true)
    assert found(report) == [("z", "F1")] and report.right == ["db"]
    assert "dx and dw fit your z: the layer is a true convolution." in report.findings[0].message


def test_what_is_wrong_in_a_true_convolution_is_judged_beside_it():
    def fn(x, w, b, dz, s, p):
        return {**true(x, w, b, dz, s, p), "dw": true(x[-1:], w, b, dz[-1:], s, p)["dw"]}

    assert found(diagnose(fn)) == [("z", "F1"), ("dw", "W9")]


def test_a_mistake_on_both_sides_is_told_on_both():
    def fn(x, w, b, dz, s, p):
        one = right(x, w, b, dz, s, p)
        return {"z": 2 * one["z"] - b, "dx": 2 * one["dx"], "dw": 2 * one["dw"], "db": one["db"]}

    report = diagnose(fn)
    assert {q for q, _ in found(report)} == {"z", "dx", "dw"} and report.right == ["db"]


def test_gradients_of_an_unknown_z_are_not_accused():
    """Each window is weighted by its place: linear, and no mistake that is known."""

    def weights(dz):
        return 1 + np.arange(dz[0, :, :, 0].size).reshape(1, *dz.shape[1:3], 1) / 4

    def fn(x, w, b, dz, s, p):
        one = right(x, w, b, dz * weights(dz), s, p)
        return {**one, "z": right(x, w, b, dz, s, p)["z"] * weights(dz)}

    report = diagnose(fn)
    (finding,) = report.findings
    assert (finding.quantity, finding.mistake) == ("z", None)
    assert "dx, dw and db fit your z" in finding.message and report.right == []


# ---- Other kinds


def test_a_layer_of_another_kind_is_told_whether_it_fits_itself():
    def swish(x, w, b, dz, s, p):
        z = right(x, w, b, dz, s, p)["z"]
        one = 1 / (1 + np.exp(-z))
        return {**right(x, w, b, dz * (one + z * one * (1 - one)), s, p), "z": z * one}

    report = diagnose(swish)
    assert report.ok is None and report.right == []
    assert "dx, dw and db fit your z" in str(report)
    half = diagnose(lambda *given: {**swish(*given), "dw": 2 * swish(*given)["dw"]})
    assert half.ok is None and "dx and db fit your z" in str(half)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(
    "how", [{}, {"stride": 2, "padding": 1}, {"stride": 1, "padding": "same"}, {"channels": 1}],
    ids=str,
)  # fmt: skip
def test_any_number_of_axes(axes, how):
    def fn(x, w, b, dz, stride, padding):
        assert x.ndim == w.ndim == dz.ndim == axes + 2
        assert "channels" not in how or x.shape[-1] == w.shape[-1] == 1
        assert all(value == {"stride": stride, "padding": padding}[name]
                   for name, value in how.items() if name != "channels")  # fmt: skip
        geometry = {"stride": stride, "padding": padding}
        return {
            "z": cnnlib.conv(x, w, b, **geometry),
            "dx": cnnlib.conv_delta(dz, w, x.shape, **geometry),
            "dw": cnnlib.conv_weight_gradient(x, dz, w.shape[1:-1], **geometry),
            "db": cnnlib.conv_bias_gradient(dz),
        }

    report = diagnose(fn, axes=axes, **how)
    assert report.ok is True and len(report.right) == 4, str(report)

    def turned(x, w, b, dz, stride, padding):
        return {"dx": fn(x, np.flip(w, range(1, axes + 1)), b, dz, stride, padding)["dx"]}

    assert {id for _, id in found(diagnose(turned, axes=axes, **how))} == {"D1", "D2", "D3"}

    def first(x, w, b, dz, stride, padding):
        x, w, dz = (np.moveaxis(a, 1, -1) for a in (x, w, dz))
        one = fn(x, w, b, dz, stride, padding)
        return {q: a if q == "db" else np.moveaxis(a, -1, 1) for q, a in one.items()}

    assert diagnose(channels_first(first), axes=axes, **how).ok is True


@pytest.mark.parametrize(
    ("how", "words"),
    [({"axes": 4}, "axes is 4"), ({"axes": "2"}, "axes is '2'"), ({"channels": 0}, "channels is 0"),
     ({"padding": "full"}, "padding is 'full'"), ({"activation": "relu"}, "activation is 'relu'"),
     ({"axes": 1, "stride": (1, 2)}, "stride is")],
)  # fmt: skip
def test_bad_declarations_are_refused(how, words):
    with pytest.raises(InputError, match=f"^{words}"):
        diagnose(right, **how)
