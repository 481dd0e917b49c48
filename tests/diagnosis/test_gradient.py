"""Any way back: what is right is accepted, what is wrong is described by what it is."""

import copy
import warnings

import numpy as np
import pytest
import rows_back  # noqa: F401  it adds its own
from ways_back import BACK, batchnorm, bce, cross_entropy, gelu, softmax

from cnnlib.diagnosis import diagnose_gradient, mistakes
from cnnlib.errors import InputError

CATALOGUE = {one.id for one in (*mistakes.every(), *mistakes.reported())}


@pytest.mark.parametrize(("name", "forward", "fn", "inputs", "ok", "wrong", "says"), BACK,
                         ids=[one[0] for one in BACK])  # fmt: skip
def test_what_is_said_is_true(name, forward, fn, inputs, ok, wrong, says):
    report = diagnose_gradient(forward, fn, inputs)
    text = str(report)
    assert report.ok is {"open": None, None: None}.get(ok, ok), text
    accused = {one.quantity for one in report.findings} - {""}
    assert accused == set(wrong), text
    if ok != "open" and "W13" not in wrong.values():
        judged = {f"d{n}" for n in moved(inputs)} - set(wrong) - set(report.missing)
        assert set(report.right) == judged, text
    for quantity, words in wrong.items():
        found = [one for one in report.findings if one.quantity == quantity]
        if words in CATALOGUE:
            assert words in {one.mistake for one in found}, text
        else:
            assert {one.mistake for one in found} == {None}, text
            assert words in " ".join(one.message for one in found), text
    for words in says:
        assert words in text, text


def moved(inputs):
    return [n for n, v in inputs.items()
            if (isinstance(v, str) and "or 1" not in v and "below" not in v)
            or (isinstance(v, np.ndarray) and v.dtype.kind == "f")]  # fmt: skip


def test_half_of_them_are_wrong():
    verdicts = [one[4] for one in BACK]
    assert len(BACK) >= 70
    assert min(verdicts.count(True), verdicts.count(False)) >= 25


def test_every_mistake_of_activations_and_losses_is_written():
    named = {words for one in BACK for words in one[5].values()}
    assert {one.id for one in mistakes.reported() if one.id[0] == "S"} <= named


# ---- The truth, by PyTorch


def test_forward_passes_are_those_of_pytorch(torch):
    f, r = torch.nn.functional, np.random.default_rng(0)
    z, t = r.normal(size=(4, 3)), r.integers(0, 3, 4)
    assert np.allclose(gelu(z), f.gelu(torch.tensor(z), approximate="tanh"))
    assert np.allclose(softmax(z), f.softmax(torch.tensor(z), dim=1))
    theirs = f.cross_entropy(torch.tensor(z), torch.tensor(t))
    assert np.isclose(cross_entropy(z, t)[0], theirs)
    y, yes = r.uniform(0.1, 0.9, (4, 3)), r.integers(0, 2, (4, 3))
    theirs = f.binary_cross_entropy(torch.tensor(y), torch.tensor(yes, dtype=torch.float64))
    assert np.isclose(bce(y, yes), theirs)
    ours = batchnorm(z, z[0], z[1])[0]
    theirs = f.batch_norm(torch.tensor(z), None, None, torch.tensor(z[0]), torch.tensor(z[1]), True)
    assert np.allclose(ours, theirs)


RIGHT = {one[0]: one for one in BACK if one[4] is True and one[2]}


@pytest.mark.parametrize(
    ("name", "theirs"),
    {
        "sigmoid_right": "sigmoid(z)", "silu_right": "nn.functional.silu(z)",
        "gelu_right": "nn.functional.gelu(z, approximate='tanh')",
        "leaky_right": "nn.functional.leaky_relu(z, 0.1)", "elu_right": "nn.functional.elu(z)",
        "softmax_right": "softmax(z, 1)", "dense_right": "x @ w + b",
        "batchnorm_right": "nn.functional.batch_norm(x, None, None, gamma, beta, True)",
        "layernorm_right": "nn.functional.layer_norm(x, x.shape[1:])",
        "depthwise_right": "nn.functional.conv1d(x, w[:, None], groups=len(w))",
        "transposed_right": "nn.functional.conv_transpose1d(x, w, stride=2)",
        "grouped_right": "nn.functional.conv2d(x, w.flatten(0, 1), groups=2)",
        "groups_right": "nn.functional.conv1d(x, w, groups=3)",
        "multiplied_right": "nn.functional.conv1d(x, w.flatten(0, 1)[:, None], groups=len(w))",
        "enlarged_right": "nn.functional.conv_transpose2d("
        "x.movedim(3, 1), w.movedim(3, 1), None, 2, 1, 1).movedim(1, 3)",
        "reflect_right": "nn.functional.conv2d(nn.functional.pad(x, (1,) * 4, 'reflect'), w)",
        "edge_right": "nn.functional.conv2d(nn.functional.pad(x, (1,) * 4, 'replicate'), w)",
        "wrap_right": "nn.functional.conv2d(nn.functional.pad(x, (1,) * 4, 'circular'), w)",
        "block_right": "nn.functional.relu(x + nn.functional.relu(x @ w) @ w)",
        "leaky_downwards_right": "nn.functional.leaky_relu(z, -2.0)",
        "mean_of_a_map_right": "nn.functional.adaptive_avg_pool2d(x, 1)[:, :, 0, 0]",
        "volume_right": "nn.functional.conv3d(x[:, None], w[None, None])[:, 0]",
        "mse_right": "nn.functional.mse_loss(y, t)",
        "bce_right": "nn.functional.binary_cross_entropy(y, t.double())",
    }.items(),
    ids=lambda one: one if "(" not in one and "@" not in one else "",
)  # fmt: skip
def test_what_is_right_is_right_by_pytorch(torch, name, theirs):
    from cnnlib.diagnosis.inputs import configurations
    from cnnlib.diagnosis.passes import Passes

    _, forward, fn, inputs, *_ = RIGHT[name]
    given = configurations(inputs, 5)[3]
    passes = Passes(forward, fn, list(given.values))
    output, kept = passes.run(list(given.values.values()))
    passes.form = passes.forms(list(given.values.values()), output, kept)[0]
    deltas = np.random.default_rng(6).normal(size=np.shape(output))
    if not np.ndim(output):  # a loss
        passes.form = next(f for f in passes.forms([1, 2], output, kept) if not f.deltas)
        deltas = np.ones(())
    got = passes.named(passes.gradients(list(given.values.values()), deltas)[1], given.moved)
    tensors = {n: torch.tensor(v, requires_grad=n in given.moved)
               for n, v in given.values.items() if isinstance(v, np.ndarray)}  # fmt: skip
    z = eval(
        theirs, {"nn": torch.nn, "sigmoid": torch.sigmoid, "softmax": torch.softmax, **tensors}
    )
    z.backward(torch.tensor(deltas))
    for quantity, gradient in got.items():
        assert np.allclose(gradient, tensors[quantity[1:]].grad, atol=1e-8), quantity


# ---- How it is called


def test_an_object_keeps_its_parameters_and_their_gradients():
    class Layer:
        def __init__(self):
            self.W, self.b = np.ones((3, 2)), np.ones(2)

        def forward(self, x):
            self.x = x
            return x @ self.W + self.b

        def backward(self, dout):
            self.dW, self.db = self.x.T @ dout, dout.mean(axis=0)
            return dout @ self.W.T

    report = diagnose_gradient(Layer(), inputs={"x": "N 3", "W": "3 2", "b": "2"})
    assert report.right == ["dx", "dW"]
    assert [one.quantity for one in report.findings] == ["db"]


def test_a_dict_of_gradients_by_either_name():
    def back(d, x, w):
        return {"w": x.T @ d, "dx": d @ w.T}

    assert diagnose_gradient(np.matmul, back, {"x": "N C", "w": "C K"}).right == ["dx", "dw"]


def test_float32_is_judged_by_its_digits():
    def low(x):
        return np.tanh(x.astype(np.float32))

    right = diagnose_gradient(low, lambda d, x: d * (1 - np.tanh(x) ** 2), {"x": "N D"})
    assert right.ok and "two digits" in str(right)
    assert diagnose_gradient(low, lambda d, x: d * (1 - np.tanh(x)), {"x": "N D"}).ok is False


def test_a_large_input_is_judged_by_entries_that_are_drawn():
    report = diagnose_gradient(np.tanh, lambda d, x: d * (1 - np.tanh(x) ** 2),
                               [{"x": np.linspace(-1, 1, 999)}])  # fmt: skip
    assert report.right == ["dx"]


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_given_no_cause(seed):
    """Numbers that nothing explains are not explained."""
    r = np.random.default_rng(seed)
    noise = r.normal(size=4000)

    def back(d, x, w, b):
        return tuple(a + noise[7 * a.size + seed :][: a.size].reshape(a.shape) for a in (x, w, b))

    report = diagnose_gradient(lambda x, w, b: x @ w + b, back, {"x": "N C", "w": "C K", "b": "K"})
    assert [one.message.split(".")[0] for one in report.findings] == 3 * [
        "No known mistake gives this"
    ]


@pytest.mark.parametrize(
    "name", ["groups_right", "multiplied_right", "wrap_right", "enlarged_right", "block_right"]
)
def test_noise_in_a_layer_that_is_recognised_is_given_no_name(name):
    _, forward, fn, inputs, *_ = RIGHT[name]
    noise = np.random.default_rng(0).normal(size=9999)

    def back(d, *given):
        return tuple(a + noise[: a.size].reshape(a.shape) for a in fn(d, *given))

    report = diagnose_gradient(forward, back, inputs)
    assert {one.quantity for one in report.findings} == {"dx", "dw"}
    assert {one.mistake for one in report.findings} == {None}, report


def test_what_is_not_known_explains_nothing():
    """Of a large input few slopes are known: a sum over all of them is not, and fits anything."""
    noise = np.random.default_rng(0).normal(size=999)
    report = diagnose_gradient(np.tanh, lambda d, x: noise, [{"x": np.linspace(-1, 1, 999)}])
    assert report.findings[0].message.startswith("No known mistake gives this")


def test_kinks_are_left_out_and_counted():
    x = np.array([[0.0, 1, -1, 2], [3, -2, 0, 5]])
    report = diagnose_gradient(lambda x: np.maximum(x, 0), lambda d, x: d * (x > 0), {"x": x})
    assert report.ok and "2 of 8 entries" in str(report)


def test_two_causes_are_told_apart_by_shapes_that_vary():
    """The sum over the batch, divided by N where N is 2 only."""
    report = diagnose_gradient(lambda x, b: x + b, lambda d, x, b: (d, d.sum(axis=0) / 2),
                               {"x": "N D", "b": "D"})  # fmt: skip
    assert report.findings[0].message == "db is 0.5 times the right one."


@pytest.mark.parametrize(
    ("inputs", "words"),
    [((), "expected a mapping"), ({"x": "N -3"}, "the shape of x"), ({"x": "N, above 3"}, "shape"),
     ({"t": "N, below 3"}, "no array of floats"), (3, "inputs is 3"), ([3], "expected a mapping")],
)  # fmt: skip
def test_inputs_that_cannot_be_read_are_refused(inputs, words):
    with pytest.raises(InputError, match=words):
        diagnose_gradient(np.tanh, np.tanh, inputs)


def test_functions_that_cannot_be_called_are_refused():
    with pytest.raises(InputError, match="forward is 3"):
        diagnose_gradient(3, None, {"x": "N"})
    with pytest.raises(InputError, match="backward cannot be called"):
        diagnose_gradient(np.tanh, lambda a, b, c, d, e, f: a, {"x": "N"})


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"x": "1000000000"}, "at most 16 axes and 1000000 numbers"),
        ({"x": "100000 100000"}, "at most 16 axes"),
        ({"x": " ".join(["1"] * 70)}, "at most 16 axes"),
        ({"x": "N", "t": "N, below 0"}, "t is to be below 0; expected a number from 1 to"),
        ({"x": "N K", "t": "N, below Q"}, "t is to be below Q"),
        ({1: "N"}, "inputs has the name 1"),
        ([{"x": "N"}, {"y": "N"}], "expected the same in each"),
        ({"x": np.array([[1.0, np.nan]])}, "x holds a number that is not finite"),
        ({"x": np.ma.array([1.0, 2])}, "x is a masked array"),
        ({"x": [np.ma.array([1.0, 2])]}, "x is a masked array"),
        ({"x": [[1.0], [2.0, 3.0]]}, "expected rows of one length"),
        ({"x": "9" * 5000}, "at most 16 axes"),
        ({"x": "N", "t": f"N, below {10**20}"}, "expected a number from 1 to"),
        ({"x": "N", "t": "N, below " + "9" * 5000}, "expected a number from 1 to"),
    ],
)
def test_inputs_that_say_nothing_are_refused(inputs, words):
    with pytest.raises(InputError, match=words):
        diagnose_gradient(lambda x, *_: x**2, lambda d, x, *_: 2 * x * d, inputs)


def test_the_names_say_which_argument_is_which():
    inputs = [{"a": "3", "b": "3"}, {"b": "3", "a": "3"}]
    assert diagnose_gradient(lambda a, b: a * b, lambda d, a, b: (d * b, d * a), inputs).ok


@pytest.mark.parametrize("size", [1e-6, 1e-3, 1.0])
@pytest.mark.parametrize("factor", [3, 2])
def test_inputs_of_any_size_are_moved_in_their_size(size, factor):
    """The slope of a cube; wrong where the factor is 2."""
    inputs = [{"x": np.random.default_rng(n).normal(size=(2, 3)) * size} for n in range(4)]
    report = diagnose_gradient(lambda x: x**3, lambda d, x: factor * d * x**2, inputs)
    assert report.ok is (factor == 3), report


@pytest.mark.parametrize(
    ("backward", "words"),
    [(lambda d, x: 0 * x, "dx is 0 everywhere"), (lambda d, x: 2 * x * d, "mistake S5"),
     (lambda x: 0 * x, "dx is 0 everywhere"), (lambda x: -2 * x / len(x), "sign reversed")],
)  # fmt: skip
def test_a_loss_without_a_target_is_judged(backward, words):
    """The mean over the samples of a sum of squares."""
    report = diagnose_gradient(lambda x: np.sum(x**2) / len(x), backward, {"x": "N C"})
    assert report.ok is False and words in str(report), report
    assert "backward may be" not in str(report)


def test_a_way_back_that_may_be_read_in_two_ways_is_told_so():
    """Wrong as the slopes, and wrong as what takes the deltas to the inputs."""
    report = diagnose_gradient(lambda x: np.maximum(x, 0), lambda a: 1.0 * (a < 0), {"x": "N C"})
    assert report.ok is False
    assert "is right as none of them. What is said of it is true of backward(deltas)." in str(
        report
    )


@pytest.mark.parametrize("forward", [lambda x: x[:0], lambda x: (), lambda x: []])
def test_an_empty_output_has_no_slopes(forward):
    report = diagnose_gradient(forward, lambda d, x: 0 * x, {"x": "N C"})
    assert report.ok is None and "the output is empty" in str(report), report


def test_slopes_that_would_take_hours_are_refused():
    with pytest.raises(InputError, match="x has 10000 numbers and the output 10000"):
        diagnose_gradient(np.square, lambda d, x: 2 * x * d, {"x": np.ones(10_000)})


def test_a_large_input_is_not_copied_for_each_slope(monkeypatch):
    """150 entries are moved to two sides."""
    copied, x = [], np.random.default_rng(0).normal(size=1000)

    def deepcopy(what, memo=None, whole=copy.deepcopy):
        values = what.values() if isinstance(what, dict) else [what]
        copied.extend(one for one in values if getattr(one, "size", 0) == x.size)
        return whole(what, memo)

    monkeypatch.setattr(copy, "deepcopy", deepcopy)
    assert diagnose_gradient(lambda x: np.mean(x**2), lambda x: 2 * x / x.size, {"x": x}).ok
    assert len(copied) < 150


def test_what_overflows_warns_of_nothing():
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        report = diagnose_gradient(lambda x: x * 1e300 * 1e300, lambda d, x: d, {"x": "N C"})
    assert report.ok is None and not said


def test_user_code_that_ends_the_program_is_an_error():
    def ends(*_):
        raise SystemExit(0)

    for pair in ((ends, lambda d, x: d), (np.square, ends), (np.square, lambda d, x: ends())):
        report = diagnose_gradient(*pair, {"x": "N C"})
        assert report.ok is None and "it raises SystemExit" in str(report), report


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: 1e-12 * x**2,
        lambda x: 1e9 + x**2,
        lambda x: np.maximum(0, x - 100),
        lambda x: 1e-8 * x**2,
    ],
)
def test_slopes_that_do_not_show_give_no_verdict(forward):
    report = diagnose_gradient(forward, lambda d, x: 0 * x, {"x": "N C"})
    assert report.ok is None and "zeros would pass as well" in str(report), report
