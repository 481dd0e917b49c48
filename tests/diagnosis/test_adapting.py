"""Layers are judged as they stand: classes, pairs of functions, PyTorch's, in any order of axes."""

import numpy as np
import pytest
from layers_as_written import LAYERS, ConvLayer, conv_backward_naive, conv_forward_naive
from strangers import delta, forward, weight_gradient

from cnnlib.diagnosis import adapt, channels_first, diagnose, diagnose_pool
from cnnlib.errors import InputError


@pytest.mark.parametrize(
    ("name", "layer", "how", "says", "pool", "wrong"), LAYERS, ids=[one[0] for one in LAYERS]
)
def test_what_is_said_is_true(name, layer, how, says, pool, wrong):
    fn = adapt(layer, **how)
    report = diagnose_pool(fn, kind=pool) if pool else diagnose(fn)
    text = str(report)
    assert report.ok is not bool(wrong), text
    assert {(one.quantity, one.mistake) for one in report.findings} == {*wrong.items()}, text
    for words in says:
        assert words in text, text
    if not wrong:
        assert set(report.right) >= ({"a", "dx"} if pool else {"z", "dx", "dw"}), text


def test_half_the_forms_are_met():
    assert len(LAYERS) >= 14
    assert {bool(one[4]) for one in LAYERS} == {True, False}


def test_one_function_in_another_order():
    def turned(x, w, b, dz, s, p):
        x, w, dz = (np.moveaxis(a, 1, -1) for a in (x, w, dz))
        z, dw = forward(x, w, b, s, p), weight_gradient(x, w, dz, s, p)
        return {"z": np.moveaxis(z, -1, 1), "dw": np.moveaxis(dw, -1, 1)}

    assert diagnose(channels_first(turned)).ok
    report = diagnose(adapt(turned))
    assert report.ok and "Read as NCHW with kernels OIHW" in str(report)
    assert diagnose(adapt(turned, "NCHW", "OIHW")).notes == []


def test_a_layout_that_is_told_is_not_said():
    fn = adapt(ConvLayer, "nchw", "OIHW")
    assert not any("Read as" in note for note in diagnose(fn).notes)


def test_a_wrong_layout_is_no_verdict_of_right():
    report = diagnose(adapt(ConvLayer, "NHWC", "HWIO"))
    assert report.ok is not True


def test_what_never_runs_says_how_it_was_tried():
    class Broken:
        def __init__(self, in_channels, out_channels, kernel_size):
            self.W = np.zeros(3)

        def forward(self, x):
            return x

    report = diagnose(adapt(Broken))
    assert report.ok is None
    assert "weight=" in str(report)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: adapt(3), "layer is 3"),
        (lambda: adapt(ConvLayer(1, 1, 3)), "hand over its class"),
        (lambda: adapt(ConvLayer, "NCHH"), "layout is 'NCHH'"),
        (lambda: adapt(ConvLayer, "NCHW", 3), "weights is 3"),
        (lambda: adapt(ConvLayer, forward=""), "forward is empty"),
        (lambda: adapt(ConvLayer, weight=3), "weight is 3"),
        (lambda: adapt(ConvLayer, grads={"dz": "a"}), "grads is"),
        (lambda: adapt(ConvLayer, make=3), "make is 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_adapted_is_refused(call, words):
    with pytest.raises(InputError, match=words):
        call()


def test_a_constructor_that_is_not_understood_says_the_cure():
    class Strange:
        def __init__(self, blueprint):
            pass

    report = diagnose(adapt(Strange))
    assert report.ok is None and "make=" in str(report) and "'blueprint'" in str(report)


def test_an_object_of_pytorch(torch):
    report = diagnose(adapt(torch.nn.Conv2d))
    assert report.ok and report.right == ["z", "dx", "dw", "db"] and report.limits == []

    class Mine(torch.nn.Module):
        def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0):
            super().__init__()
            self.c = torch.nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding)

        def forward(self, x):
            return self.c(x.flip(3))

    assert diagnose(adapt(Mine)).ok is False


def test_a_function_of_pytorch(torch):
    class Mine(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w, b, stride, padding):
            ctx.save_for_backward(x, w)
            ctx.how = {"stride": stride, "pad": padding}
            arrays = [one.detach().numpy() for one in (x, w, b)]
            return torch.tensor(conv_forward_naive(*arrays, ctx.how)[0])

        @staticmethod
        def backward(ctx, dout):
            x, w = (one.detach().numpy() for one in ctx.saved_tensors)
            dx, dw, db = conv_backward_naive(dout.numpy(), (x, w, None, ctx.how))
            return torch.tensor(dx), torch.tensor(dw), torch.tensor(db / len(x)), None, None

    report = diagnose(adapt(Mine, "NCHW", "OIHW"))
    assert [(one.quantity, one.mistake) for one in report.findings] == [("db", "W6")]


def test_a_pool_of_pytorch(torch):
    report = diagnose_pool(adapt(torch.nn.MaxPool2d))
    assert report.ok and report.right == ["a", "dx"]


def test_an_axis_alone_and_three_of_them(torch):
    assert diagnose(adapt(torch.nn.Conv1d), axes=1).ok
    assert diagnose(adapt(torch.nn.Conv3d), axes=3, stride=1).ok


def test_a_way_back_alone():
    def alone(x, w, b, dz, s, p):
        return {"dx": delta(x, w, dz, s, p)}

    assert "dx" in str(diagnose(adapt(alone, "NHWC", "OHWI")))
