"""The diagnosis of pools, heads and steps: mistakes without an entry, settings, odd results."""

import numpy as np
import pytest
from wild_parts import delta, gradients, softmax, windows

from cnnlib.diagnosis import diagnose_head, diagnose_pool, diagnose_step
from cnnlib.errors import InputError


def told(report, quantity=None):
    """The messages on one quantity, or on all of them."""
    return {one.message for one in report.findings if quantity in (None, one.quantity)}


# ---- Pooling


def pooled(reduce, x, da, k, s):
    a = np.zeros(da.shape)
    for i, j, at in windows(da, k, s):
        a[:, i, j] = reduce(x[at], axis=(1, 2))
    return a


def shared(mask_of):
    """The delta of a max-pool; `mask_of` says how much each cell of a window gets."""

    def fn(x, da, k, s):
        dx = np.zeros(x.shape)
        for n, i, j, c in np.ndindex(*da.shape):
            at = np.s_[n, i * s : i * s + k, j * s : j * s + k, c]
            dx[at] += mask_of(x[at]) * da[n, i, j, c]
        return {"dx": dx}

    return fn


def one_cell(cells, number):
    mask = np.zeros(cells.shape)
    mask.flat[np.flatnonzero(cells == cells.max())[number]] = 1
    return mask


def test_ties_that_are_shared():
    report = diagnose_pool(
        shared(lambda cells: (cells == cells.max()) / (cells == cells.max()).sum())
    )
    (message,) = told(report)
    assert message.startswith("Tied cells share the delta equally")
    (finding,) = report.findings
    assert finding.mistake is None and "with ties" in finding.config


def test_the_last_of_tied_cells():
    (message,) = told(diagnose_pool(shared(lambda cells: one_cell(cells, -1))))
    assert message.startswith("Of tied cells the last one gets the delta")


def test_the_first_of_tied_cells_is_right():
    assert diagnose_pool(shared(lambda cells: one_cell(cells, 0))).right == ["dx"]


def test_an_average_divided_twice():
    def fn(x, da, k, s):
        dx = np.zeros(x.shape)
        for i, j, at in windows(da, k, s):
            dx[at] += da[:, i : i + 1, j : j + 1] / k**4
        return {"dx": dx}

    assert told(diagnose_pool(fn, kind="avg")) == {"The average is divided twice."}


FORWARD = {
    "The windows lie side by side": lambda x, da, k, s: _forward(np.max, x, da, k, k),
    "A last window that is cut by the edge": lambda x, da, k, s: _ceiled(np.max, x, k, s),
    "The running maximum starts at 0": lambda x, da, k, s: np.maximum(
        _forward(np.max, x, da, k, s), 0
    ),
    "Maximum and average are exchanged": lambda x, da, k, s: _forward(np.mean, x, da, k, s),
}


def _forward(reduce, x, da, k, s):
    a = np.zeros(da.shape)
    for i, j in np.ndindex(da.shape[1:3]):
        cells = x[:, i * s : i * s + k, j * s : j * s + k]
        if cells.size:
            a[:, i, j] = reduce(cells, axis=(1, 2))
    return a


def _ceiled(reduce, x, k, s):
    counts = [int(np.ceil((size - k) / s)) + 1 for size in x.shape[1:3]]
    return _forward(reduce, x, np.zeros((len(x), *counts, x.shape[3])), k, s)


@pytest.mark.parametrize("words", FORWARD)
def test_a_forward_pass_of_a_pool(words):
    report = diagnose_pool(lambda *given: {"a": FORWARD[words](*given)})
    assert [one.quantity for one in report.findings] == ["a"]
    assert report.findings[0].message.startswith(words)
    assert report.missing == ["dx"]


def test_the_kinds_are_not_the_same():
    def largest(x, da, k, s):
        return {"a": pooled(np.max, x, da, k, s)}

    assert diagnose_pool(largest).right == ["a"]
    (message,) = told(diagnose_pool(largest, kind="avg"))
    assert message == "Maximum and average are exchanged."


@pytest.mark.parametrize(
    ("stride", "seen"),
    [(None, {(2, 2), (2, 1), (3, 2), (2, 3)}), (1, {(2, 1), (3, 1)}), ("window", {(2, 2), (3, 3)})],
)
def test_the_windows_and_strides_that_a_pool_gets(stride, seen):
    met = []
    diagnose_pool(lambda x, da, k, s: met.append((k, s)) or {}, stride=stride)
    assert set(met) == seen


def test_negative_images_and_ties_are_among_the_configurations():
    images = []
    diagnose_pool(lambda x, da, k, s: images.append(x) or {})
    assert any((x < 0).all() and len(set(x.ravel())) == x.size for x in images)
    assert any(len(set(x.ravel())) < x.size / 2 for x in images)
    assert all(len(set(x.ravel())) == x.size for x in _images_of_an_average())


def _images_of_an_average():
    images = []
    diagnose_pool(lambda x, da, k, s: images.append(x) or {}, kind="avg")
    return images


@pytest.mark.parametrize(
    ("factor", "name"), [(2, "2"), (0.5, "1/2"), (-1, "-1"), (0, "0"), (3, None)]
)
def test_known_factors(factor, name):
    def fn(x, da, k, s):
        return {"dx": factor * shared(lambda cells: one_cell(cells, 0))(x, da, k, s)["dx"]}

    said = f"dx is {name} times the right one." if name else "No known mistake gives this."
    assert {message[: len(said)] for message in told(diagnose_pool(fn))} == {said}


def test_none_and_a_wrong_shape_of_a_pool():
    assert told(diagnose_pool(lambda *_: {"dx": None})) == {"dx is None."}
    report = diagnose_pool(lambda *_: {"a": np.zeros(7)})
    assert report.findings[0].evidence == "The shape is (7,), expected (1, 1, 1, 1)."


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "mean"}, "kind is 'mean'; expected 'max' or 'avg'"),
        ({"stride": 0}, "stride is 0; expected at least 1"),
        ({"stride": 1.5}, "stride is 1.5; expected an integer"),
        ({"stride": "windows"}, "stride is 'windows'; expected an integer"),
    ],
)
def test_wrong_settings_of_a_pool(settings, message):
    with pytest.raises(InputError) as error:
        diagnose_pool(lambda *_: {}, **settings)
    assert str(error.value).startswith(message)


# ---- The head


HEADS = {"The sign is reversed": lambda p, t: t - p, "The target is missing": lambda p, t: p}


@pytest.mark.parametrize("words", HEADS)
def test_a_delta_of_the_head(words):
    def fn(x, w, b, t):
        d = HEADS[words](softmax(x @ w + b), np.eye(len(b))[t]) / len(x)
        return {"dz": d, "dw": x.T @ d, "db": d.sum(axis=0), "dx": d @ w.T}

    report = diagnose_head(fn)
    assert [one.quantity for one in report.findings] == ["dz", "dw", "db", "dx"]
    assert all(one.message.startswith(words) for one in report.findings)
    assert report.missing == ["p", "loss"]


def test_each_quantity_of_the_head_is_compared():
    def fn(x, w, b, t):
        z = x @ w + b
        d = delta(x, w, b, t)
        loss = -np.mean(np.log(softmax(z)[np.arange(len(x)), t]))
        one = {"p": softmax(z), "loss": loss, "dz": d, "dw": x.T @ d, "db": d.sum(axis=0)}
        return {**one, "dx": d @ w.T}

    assert diagnose_head(fn).right == ["p", "loss", "dz", "dw", "db", "dx"]
    assert diagnose_head(fn).ok
    for name in ("p", "loss", "dz", "dw", "db", "dx"):
        report = diagnose_head(lambda *given, name=name: {**fn(*given), name: fn(*given)[name] + 1})
        assert {one.quantity for one in report.findings} == {name}
    # Without a ReLU before it, x is not cut; with one, it is.
    assert {one.quantity for one in diagnose_head(fn, relu=True).findings} >= {"p", "dw"}


# ---- The step


def step(rates):
    """A step whose rate for each parameter is `rates(name)` times the right one."""

    def fn(params, x, t, rate):
        g = gradients(params, x, t)
        return {name: params[name] - rates(name) * rate * g[name] for name in params}

    return fn


def test_a_step_up_the_slope():
    report = diagnose_step(step(lambda name: -1))
    assert {one.message for one in report.findings} == {
        "The step goes up the slope: + where - belongs."
    }
    assert {one.quantity for one in report.findings} == {"w1", "b1", "w2", "b2"}


def test_a_rate_in_the_delta():
    # 0.5 is the rate, so the first layer moves by 0.25 of its gradient.
    report = diagnose_step(step(lambda name: 0.5 if name in ("w1", "b1") else 1))
    (message,) = told(report)
    assert message.startswith("The learning rate is multiplied into the delta")


def test_a_step_may_change_the_arrays_in_place_and_return_nothing():
    def fn(params, x, t, rate):
        for name, gradient in gradients(params, x, t).items():
            params[name] -= rate * gradient

    assert diagnose_step(fn).right == ["w1", "b1", "w2", "b2"]


def test_two_batches_follow_each_other():
    seen = []

    def fn(params, x, t, rate):
        seen.append((x, rate))
        return step(lambda name: 1)(params, x, t, rate)

    assert diagnose_step(fn).ok
    # The last configuration comes twice before the others, with two batches each.
    assert len(seen) == 2 * (2 + 3)
    assert all(rate == 0.5 for _, rate in seen)
    assert not np.array_equal(seen[0][0], seen[1][0]) and np.array_equal(seen[0][0], seen[2][0])


def test_a_momentum_is_no_mistake_and_no_certificate():
    velocity = {}

    def fn(params, x, t, rate):
        for name, gradient in gradients(params, x, t).items():
            key = name, gradient.shape
            velocity[key] = 0.9 * velocity.get(key, 0) - rate * gradient
            params[name] = params[name] + velocity[key]
        return params

    report = diagnose_step(fn)
    (finding,) = report.findings
    assert report.ok is None and report.right == []
    assert "returns another w1, b1, w2, b2" in finding.message and finding.quantity == ""


# ---- What quantities say of each other


def whole_head(x, w, b, t):
    d = delta(x, w, b, t)
    return {"dz": d, "dw": x.T @ d, "db": d.sum(axis=0), "dx": d @ w.T}


@pytest.mark.parametrize(
    ("db", "id"),
    [(lambda d: d.mean(axis=0), "B3"), (lambda d: np.full(d.shape[1], d.sum()), "B2"),
     (lambda d: d[-1], "B1")],
)  # fmt: skip
def test_where_all_else_is_right_the_bias_alone_is_named(db, id):
    report = diagnose_head(lambda *given: {**whole_head(*given), "db": db(delta(*given))})
    assert [(one.quantity, one.mistake) for one in report.findings] == [("db", id)]
    assert report.right == ["dz", "dw", "dx"]


def test_a_mean_of_the_deltas_alone_may_be_one_of_two():
    report = diagnose_head(lambda *given: {"db": delta(*given).mean(axis=0)})
    assert {one.mistake for one in report.findings} == {"S5", "B3"}
    assert all("one of them was made" in one.message for one in report.findings)


@pytest.mark.parametrize("eps", [1e-3, 1e-5, 1e-7, 1e-10])
def test_a_guarded_logarithm_is_recognised_whatever_eps_is(eps):
    def loss(x, w, b, t, sign=1):
        p = softmax(x @ w + b)[np.arange(len(t)), t]
        return {"loss": -np.log(p + sign * eps).mean()}

    report = diagnose_head(loss)
    assert report.ok is True and f"log(p + eps) with eps = {eps:.2g}" in str(report)
    # The other way it is no guard.
    assert not diagnose_head(lambda *given: loss(*given, sign=-1)).ok


def test_the_mean_may_be_taken_after_dz():
    def fn(x, w, b, t):
        one = whole_head(x, w, b, t)
        return {**one, "dz": len(x) * one["dz"]}

    report = diagnose_head(fn)
    assert report.ok is True and "dz without the 1/N" in str(report)
    # If the parameters lack it as well, it is S5 everywhere.
    alike = diagnose_head(
        lambda *given: {q: len(given[0]) * a for q, a in whole_head(*given).items()}
    )
    assert {one.mistake for one in alike.findings} == {"S5"} and alike.right == []


def test_one_error_of_a_pool_is_named_by_its_shapes():
    def repeated(x, da, k, s):
        return {"dx": da.repeat(k, 1).repeat(k, 2) / k**2 + 0 * x}

    report = diagnose_pool(repeated, kind="avg", stride="window")
    assert [(one.quantity, one.mistake) for one in report.findings] == [("dx", "P6")]
