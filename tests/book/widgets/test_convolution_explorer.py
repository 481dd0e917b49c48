"""The Python side of the ConvolutionExplorer: its traits, its refusals, its sum and its still."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

import cnnlib
from cnnlib.book.figures import png
from cnnlib.book.figures.style import SMALL
from cnnlib.book.widgets import ConvolutionExplorer
from cnnlib.checks import explain
from cnnlib.errors import InputError

X, W = [[1, 2, 0, 4], [3, -1, 5, 2], [0, 6, 1, 1]], [[2, -1], [0, 3]]


def test_it_begins_with_small_integers_and_an_asymmetric_kernel():
    explorer = ConvolutionExplorer()
    kernel = np.array(explorer.kernel)
    turned = [np.rot90(kernel, k).tolist() for k in (1, 2, 3)]
    assert kernel.tolist() not in [*turned, kernel.T.tolist(), np.flip(kernel, 0).tolist()]
    assert np.array(explorer.input).dtype.kind == kernel.dtype.kind == "i"
    assert explorer.position == [1, 1]
    # 1*3 + 2*2 + 0*0 + 0*1 + 3*4 - 1*2 - 2*2 + 0*0 + 1*1
    assert explorer.explain().value == 14
    assert repr(explorer) == (
        "ConvolutionExplorer: Cross-correlation of 5 by 5 inputs with a kernel of 3 by 3, "
        "stride 1. Output (1, 1) of sample 0, filter 0, meets 9 input cells. z[0,1,1,0] = 14."
    )


@pytest.mark.parametrize(("lens", "said"), [
    (dict(lens="forward"), "Output 1 of sample 0, filter 0, meets 2 input cells. z[0,1,0] = 80."),
    (dict(lens="delta"), "Input 1 of sample 0, channel 0, went into 2 outputs. dx[0,1,0] = 3."),
    (dict(lens="weight"), "Weight 1 of filter 0, channel 0, joined 2 pairs in each sample. "
                          "dw[0,1,0] = 50."),
    (dict(lens="delta", transposed=True), "Output 1 is a sum of 2 products. z[0,1,0] = 3."),
])  # fmt: skip
def test_a_place_on_one_axis_is_said_as_a_number(lens, said):
    # Deltas 1, 1: dx[1] = 2*1 + 1*1, dw[1] = 20 + 30.
    laid = dict(input=[10, 20, 30], kernel=[1, 2], deltas=[1, 1], position=[1], **lens)
    assert ConvolutionExplorer(**laid).alt.endswith(said)


@pytest.mark.parametrize(
    ("lens", "quantity"), [("forward", "z"), ("delta", "dx"), ("weight", "dw")]
)
def test_the_sum_is_that_of_explain(lens, quantity):
    laid = dict(stride=[1, 2], dilation=1, padding=[[1, 0], [0, 2]], flip=True)
    x, w = (np.array(a, float)[None, ..., None] for a in (X, W))
    z = cnnlib.conv(x, w, [2.5], stride=(1, 2), padding=((1, 0), (0, 2)), flip=True)
    dz = np.random.default_rng(1).integers(-5, 6, z.shape)
    explorer = ConvolutionExplorer(
        input=X,
        kernel=W,
        bias=2.5,
        deltas=dz[0, ..., 0].tolist(),
        lens=lens,
        position=[1, 1],
        **laid,
    )
    expected = explain(quantity, (0, 1, 1, 0), x=x, w=w, b=[2.5], dz=dz, **laid)
    assert str(explorer.explain()) == str(expected)


def test_the_deltas_that_nobody_gave():
    explorer = ConvolutionExplorer(input=[0] * 9, kernel=[1], lens="delta")
    owed = []
    for p in range(9):
        explorer.position = [p]
        owed.append(explorer.explain().value)
    assert owed == [1, -1, 4, 2, 0, -2, 3, 1, -1]


def test_python_reads_sets_and_observes_the_state():
    explorer, seen = ConvolutionExplorer(), []
    explorer.observe(
        lambda change: seen.append((change["name"], change["new"])), ["stride", "lens"]
    )
    explorer.stride = 2
    explorer.lens = "weight"
    assert seen == [("stride", 2), ("lens", "weight")]
    explorer.center = np.array([0, 1])
    assert explorer.center == [0, 1]
    explorer.center, explorer.padding = None, ((1, 2), (0, 1))
    assert explorer.state()["padding"] == [[1, 2], [0, 1]]


def test_numbers_of_numpy_are_kept_as_pythons():
    explorer = ConvolutionExplorer(stride=np.int8(2), padding=np.int64(1))
    assert explorer.stride == 2 and type(explorer.stride) is type(explorer.padding) is int
    assert explorer.explain().value == ConvolutionExplorer(stride=2, padding=1).explain().value


def test_the_choice_and_the_deltas_follow_the_grids():
    explorer = ConvolutionExplorer(input=X, kernel=W, position=[1, 2])
    explorer.deltas = [[1, 2, 3], [4, 5, 6]]
    explorer.flip = True  # as many outputs
    assert explorer.deltas == [[1, 2, 3], [4, 5, 6]]
    explorer.stride = 2
    assert (explorer.position, explorer.deltas) == ([0, 1], None)
    explorer.lens = "delta"
    explorer.position = [2, 3]
    explorer.lens = "weight"
    assert explorer.position == [1, 1]
    with explorer.hold_trait_notifications():  # valid together only
        explorer.input, explorer.kernel = [1, 2, 3], [1, 0]
    assert explorer.position == [1]
    assert explorer.explain().name == "dw[0,1,0]"


DEEP = dict(input=np.arange(24).reshape(3, 4, 2), kernel=np.arange(16).reshape(4, 2, 2, 1))


@pytest.mark.parametrize("border", ["reflect", "symmetric", "replicate", "circular"])
@pytest.mark.parametrize("lens", ["forward", "delta", "weight"])
def test_groups_and_borders_are_those_of_the_library(lens, border):
    explorer = ConvolutionExplorer(**DEEP, groups=2, lens=lens, padding=1, border=border)
    explorer.position = (
        [1, 1, 1] if lens == "delta" else [2, 1, 1, 0] if lens == "weight" else [1, 1, 2]
    )
    x, w, laid = DEEP["input"][None], DEEP["kernel"], dict(padding=1, border=border, groups=2)
    dz = (5 * np.arange(80) + 3).reshape(1, 4, 5, 4) % 7 - 2
    right = {
        "forward": lambda: cnnlib.conv(x, w, **laid)[0, 1, 1, 2],
        "delta": lambda: cnnlib.conv_delta(dz, w, x.shape, **laid)[0, 1, 1, 1],
        "weight": lambda: cnnlib.conv_weight_gradient(x, dz, (2, 2), **laid)[2, 1, 1, 0],
    }[lens]()
    assert explorer.explain().value == right
    assert (
        f"border '{border}'" in explorer.alt and "4 kernels of 2 by 2 in 2 groups" in explorer.alt
    )
    assert len(png(explorer.draw())) <= SMALL
    one = ConvolutionExplorer(input=X, kernel=W, lens=lens, padding=1, border=border)
    assert len(png(one.draw())) <= SMALL


def test_a_function_is_compared_in_groups_and_with_a_border():
    def theirs(x, w, padding, border, groups):
        return cnnlib.conv(x[None], w, padding=padding, border=border, groups=groups)[0]

    explorer = ConvolutionExplorer(**DEEP, groups=2, padding=1, border="circular").compare(theirs)
    assert explorer.theirs["says"] == "Your function is right in all 80 cells."
    explorer.compare(lambda x, w, padding: cnnlib.conv(x[None], w, padding=padding, groups=2)[0])
    assert explorer.theirs["says"] == "Your function differs in 56 of 80 cells."


REFUSED = [
    ("stride", 0, "stride is 0; expected at least 1"),
    ("stride", 1.5, "stride is 1.5; expected an integer, or a sequence of 2 integers"),
    ("dilation", 9, "the kernel spans 10 cells on spatial axis 0"),
    ("padding", "some", "padding is 'some'; expected 'valid', 'same' or 'full'"),
    ("padding", [[1, -1], [0, 0]], "padding is (-1, 0); expected at least 0"),
    ("center", [0, 2], "center is [0, 2], outside the kernel of shape (2, 2)"),
    ("flip", "yes", "flip"),
    ("lens", "backward", "lens"),
    ("input", [1, 2, 3], "the input has spatial shape (3,), the kernel (2, 2)"),
    ("input", [[1, 2], [3]], "inhomogeneous"),
    ("input", [[1, float("nan")], [0, 1]], "input holds a number that is not finite"),
    (
        "input",
        np.zeros((11, 3)),
        "input has shape (11, 3); expected one channel of one image: 1 or 2 axes of at most 10",
    ),
    ("input", np.zeros((2, 2, 2)), "input has shape (2, 2, 2)"),
    ("kernel", [["a", "b"]], "kernel has dtype"),
    ("kernel", np.zeros((4, 2)), "the kernel spans 4 cells on spatial axis 0"),
    ("bias", [1], "bias is [1]; expected a finite number"),
    ("bias", float("inf"), "bias is inf; expected a finite number"),
    ("bias", None, "bias is None; expected a finite number"),
    ("stride", None, "stride is None; expected an integer"),
    ("kernel", None, "kernel is None; expected real numbers"),
    ("position", None, "position is None"),
    ("deltas", [[1, 2], [3, 4]], "deltas has shape (2, 2); expected (2, 3)"),
    ("position", [2, 0], "position is [2, 0]; the grid has shape (2, 3)"),
    ("position", [0], "position is [0], with 1 entries"),
    ("rotated", 2, "rotated"),
    ("border", "mirror", "border is 'mirror'; expected 'zeros', 'reflect', "),
    ("border", None, "border is None; expected 'zeros', 'reflect', "),
    ("groups", 0, "groups is 0; expected at least 1"),
    ("groups", 2, "groups is 2, and the channels of the input are 1; expected a multiple of 2"),
    (
        "padding",
        1000,
        "the padded input has 1000 + 3 + 1000 cells on spatial axis 0; the explorer draws",
    ),
    (
        "padding",
        [[0, 28], [0, 0]],
        "the padded input has 0 + 3 + 28 cells on spatial axis 0; the explorer draws",
    ),
]


@pytest.mark.parametrize(("name", "value", "reason"), REFUSED)
def test_what_cannot_be_is_refused_with_the_reason_and_the_state_stays(name, value, reason):
    explorer = ConvolutionExplorer(input=X, kernel=W)
    before = explorer.state()
    with pytest.raises(TraitError) as refused:
        setattr(explorer, name, value)
    assert reason in str(refused.value)
    assert explorer.state() == before
    if name in ("stride", "dilation", "padding", "center") and "draws" not in reason:
        with pytest.raises(InputError) as library:
            cnnlib.connections((3, 4), (2, 2), **{name: value})
        assert str(refused.value) == str(library.value)


def test_a_padding_and_a_centre_together_are_refused():
    with pytest.raises(TraitError, match="give one of them"):
        ConvolutionExplorer(padding=1, center=[0, 0])


@pytest.mark.parametrize(
    ("lens", "rotated"), [("forward", False), ("delta", False), ("delta", True), ("weight", False)]
)
def test_the_still_is_small_and_made_again_from_the_traits(lens, rotated):
    laid = dict(input=X, kernel=W, padding=[[1, 0], [2, 1]], stride=[2, 1], flip=True)
    explorer = ConvolutionExplorer(lens=lens, rotated=rotated, bias=1, **laid)
    drawn = png(explorer.draw())
    assert len(drawn) <= SMALL
    assert Image.open(io.BytesIO(drawn)).width > 200
    again = ConvolutionExplorer(**json.loads(json.dumps(explorer.payload()["traits"])))
    assert png(again.draw()) == drawn


def test_stills_of_one_row_and_of_the_largest_input():
    row = dict(input=[1, 2, 3, 4], kernel=[1, -1, 2], center=0, position=[2])
    for lens in ("forward", "delta", "weight"):
        assert len(png(ConvolutionExplorer(lens=lens, **row).draw())) <= SMALL
    large = dict(input=np.arange(100).reshape(10, 10) % 19, kernel=W, padding="same")
    assert len(png(ConvolutionExplorer(lens="weight", **large).draw())) <= SMALL


@pytest.mark.parametrize("odd", [object(), {"a": object()}, "<script>", [1], None])
def test_what_a_compared_function_gave_is_no_setting(odd):
    with pytest.raises(TraitError, match="theirs"):
        ConvolutionExplorer(theirs=odd)
    explorer = ConvolutionExplorer()
    with pytest.raises(TraitError, match="theirs"):
        explorer.theirs = odd
    assert explorer.state()["theirs"] is None


@pytest.mark.parametrize("name", ["input", "kernel", "deltas"])
def test_numbers_whose_sums_would_overflow_are_refused(name):
    most = ConvolutionExplorer(input=[1e100] * 4, kernel=[-1e100, 1e100], deltas=[1e100] * 3)
    assert most.state() and most.draw()
    for odd in ([1e308, -1e308], [1, -1.1e100]):
        with pytest.raises(TraitError, match=rf"^{name} holds a number beyond 1e\+100; replace it"):
            ConvolutionExplorer(**{name: odd})
