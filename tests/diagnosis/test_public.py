"""Layers as the public writes them: their truth first, then what the diagnosis says of it."""

import re
from functools import partial

import brute
import numpy as np
import pytest
from public import every

from cnnlib.diagnosis import diagnose, diagnose_head, diagnose_pool

EVERY = every()
ALIASES = {"y": "z", "Z": "z", "out": "z", "dX": "dx", "dA_prev": "dx", "dW": "dw", "A": "a"}
ACTIVATIONS = {
    "": (lambda z: z, lambda z: 1.0),
    "relu": (lambda z: np.maximum(z, 0), lambda z: z > 0),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
}


def named(truths):
    return [pytest.param(one, id=one.fn.__name__) for one in truths]


def judged(one):
    """The report, and each call with what came back or None for an error."""
    calls = []

    def watched(*given):
        kept = [np.copy(a) if isinstance(a, np.ndarray) else a for a in given]
        try:
            got = one.fn(*given)
        except Exception:
            calls.append((kept, None))
            raise
        calls.append((kept, got))
        return got

    tool = {"layer": diagnose, "head": diagnose_head}.get(one.tool, diagnose_pool)
    how = {"kind": one.tool, **one.how} if tool is diagnose_pool else one.how
    return tool(watched, **how), calls


def read(got):
    """What came back, by the quantities' own names, without axes that say nothing."""
    if isinstance(got, tuple | list):
        got = dict(zip(("dx", "dw", "db"), got, strict=True))
    return {ALIASES.get(name, name): np.asarray(a) for name, a in (got or {}).items()}


# ---- What is true


def layer_by_hand(x, w, b, dz, s, p, activation=""):
    """The four quantities by counting; an activation is on the way."""
    P, U, (f, slope) = x.shape[1:-1], w.shape[1:-1], ACTIVATIONS[activation]
    axes = brute.lay(P, U, s, padding=p)
    z = brute.conv(x, w, b, axes)
    dz = dz * slope(z)
    return {
        "z": f(z),
        "dx": brute.conv_delta(dz, w, P, axes),
        "dw": brute.conv_weight_gradient(x, dz, U, axes),
        "db": brute.conv_bias_gradient(dz),
    }


# N, image, C, K, kernel, stride, padding: not those of the diagnosis
LAYERS = [
    (1, (5, 5), 1, 1, (3, 3), 1, 0), (2, (5, 5), 1, 1, (3, 3), 2, 0),
    (1, (7, 7), 1, 1, (3, 3), 2, 1), (2, (7, 7), 2, 3, (3, 3), 2, 0),
    (3, (5, 5), 3, 2, (3, 3), 1, 1), (2, (6, 4), 2, 2, (2, 2), 2, 0),
    (2, (9, 5), 2, 3, (3, 3), 2, 1), (2, (6, 7), 3, 3, (3, 2), 2, 1),
    (1, (6, 5), 1, 1, (2, 2), 1, 0), (2, (4, 6), 2, 1, (3, 3), 1, 0),
    (2, (5, 6), 3, 3, (2, 3), 1, 1), (2, (8, 8), 3, 4, (3, 3), 3, 2),
]  # fmt: skip


def layers(how):
    """The arrays of each, as far as the limits that were declared allow."""
    r, axes = np.random.default_rng(3), how.get("axes", 2)
    for N, P, C, K, U, s, p in LAYERS[: 12 if axes < 3 else 5]:
        s, p = how.get("stride") or s, how.get("padding") or p
        C = how.get("channels", C)
        P, U = (P[:axes], U[:axes]) if axes < 3 else ((3, *P), (2, *U))
        cells = brute.lay(P, U, s, padding=p)
        dz = r.normal(size=(N, *map(len, cells), K))
        yield r.normal(size=(N, *P, C)), r.normal(size=(K, *U, C)), r.normal(size=K), dz, s, p


@pytest.mark.parametrize("one", named(t for t in EVERY if t.tool == "layer" and t.ok is not None))
def test_the_truth_of_a_layer(one):
    wrong, ran = set(), 0
    for given in layers(one.how):
        x, w, _, _, s, p = given
        if not one.runs(x, w, s, p):
            with pytest.raises(Exception):  # noqa: B017  whatever it is
                one.fn(*given)
            continue
        right = layer_by_hand(*given, activation=one.activation)
        try:
            got = read(one.fn(*[np.copy(a) for a in given[:4]], s, p))
        except Exception:
            assert not one.ok
            wrong |= one.wrong
            continue
        ran += 1
        if "N" in one.says:  # the mean is taken in the layer
            got = {q: a * (len(x) if q in ("dw", "db") else 1) for q, a in got.items()}
        for quantity, a in got.items():
            same = a.size == right[quantity].size and a.ndim and a.shape[0] >= 1
            same = same and np.allclose(a.reshape(right[quantity].shape), right[quantity])
            wrong |= set() if same else {quantity}
    assert ran >= 3
    assert wrong == one.wrong


def test_by_hand_is_pytorch(torch):
    conv = [torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d]
    for axes in (1, 2, 3):
        for x, w, b, dz, s, p in layers({"axes": axes}):
            tensors = [torch.tensor(np.moveaxis(a, -1, 1)) for a in (x, w)] + [torch.tensor(b)]
            for one in tensors:
                one.requires_grad_()
            z = torch.relu(conv[axes - 1](*tensors, stride=s, padding=p))
            z.backward(torch.tensor(np.moveaxis(dz, -1, 1)))
            gx, gw, gb = (one.grad.numpy() for one in tensors)
            right = layer_by_hand(x, w, b, dz, s, p, "relu")
            assert np.allclose(right["z"], np.moveaxis(z.detach().numpy(), 1, -1))
            assert np.allclose(right["dx"], np.moveaxis(gx, 1, -1))
            assert np.allclose(right["dw"], np.moveaxis(gw, 1, -1))
            assert np.allclose(right["db"], gb)


def test_other_kinds_are_what_they_say(torch):
    kinds = {one.fn.__name__: one.fn for one in EVERY}
    f, first = torch.nn.functional, lambda a: torch.tensor(np.moveaxis(a, -1, 1))
    for x, w, b, dz, s, p in layers({}):
        given, bias = (x, w, b, dz, s, p), torch.tensor(b)
        wanted = {"transposed": f.conv_transpose2d(first(x), first(w).swapaxes(0, 1), bias, s, p)}
        if x.shape[1] + 2 * p > 2 * w.shape[1] and x.shape[2] + 2 * p > 2 * w.shape[2]:
            wanted["dilated"] = f.conv2d(first(x), first(w), bias, s, p, 2)
        if len(w) == x.shape[-1]:
            own = np.einsum("kuvk->kuv", w)[:, None]
            wanted["depthwise"] = f.conv2d(first(x), torch.tensor(own), bias, s, p, 1, len(w))
        for name, z in wanted.items():
            assert np.allclose(np.moveaxis(z.numpy(), 1, -1), kinds[name](*given)["z"])


def pool_by_hand(x, da, k, s, kind):
    """The first maximum, or the mean, of each window."""
    a, dx = np.zeros(da.shape), np.zeros(x.shape)
    for n, i, j, c in np.ndindex(*da.shape):
        cells = [(r, t) for r in range(i * s, i * s + k) for t in range(j * s, j * s + k)]
        values = [x[n, r, t, c] for r, t in cells]
        if kind == "max":
            a[n, i, j, c] = max(values)
            dx[n, *cells[values.index(max(values))], c] += da[n, i, j, c]
        else:
            a[n, i, j, c] = sum(values) / k**2
            for r, t in cells:
                dx[n, r, t, c] += da[n, i, j, c] / k**2
    return {"a": a, "dx": dx}


# N, image, C, window, stride
POOLS = [
    (1, (4, 4), 1, 2, 2), (2, (6, 6), 3, 2, 2), (2, (5, 5), 2, 2, 1), (2, (7, 5), 2, 3, 2),
    (3, (6, 4), 2, 2, 2), (2, (6, 6), 2, 3, 3),
]  # fmt: skip


def pools(how):
    r = np.random.default_rng(5)
    for N, P, C, k, s in POOLS:
        s = k if how else s
        da = r.normal(size=(N, *((n - k) // s + 1 for n in P), C))
        yield r.permutation(N * P[0] * P[1] * C).reshape(N, *P, C) / 2.0, da, k, s
        yield r.integers(0, 3, (N, *P, C)) / 2.0, da, k, s


@pytest.mark.parametrize("one", named(t for t in EVERY if t.tool in ("max", "avg")))
def test_the_truth_of_a_pool(one):
    wrong, ran = set(), 0
    for x, da, k, s in pools(one.how):
        if not one.runs(x, k, s):
            with pytest.raises(Exception):  # noqa: B017
                one.fn(x, da, k, s)
            continue
        ran += 1
        right = pool_by_hand(x, da, k, s, one.tool)
        for quantity, a in read(one.fn(x.copy(), da, k, s)).items():
            if not np.allclose(a, right[quantity]):
                wrong.add(quantity)
    assert ran >= 4
    assert wrong == one.wrong


def test_a_pool_by_hand_is_pytorch(torch):
    pool = {"max": torch.nn.functional.max_pool2d, "avg": torch.nn.functional.avg_pool2d}
    for x, da, k, s in pools({}):
        for kind, theirs in pool.items():
            own = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
            a = theirs(own, k, s)
            a.backward(torch.tensor(np.moveaxis(da, -1, 1)))
            right = pool_by_hand(x, da, k, s, kind)
            assert np.allclose(right["a"], np.moveaxis(a.detach().numpy(), 1, -1))
            assert np.allclose(right["dx"], np.moveaxis(own.grad.numpy(), 1, -1))


@pytest.mark.parametrize("one", named(t for t in EVERY if t.tool == "head"))
def test_the_truth_of_a_head(one):
    """By central differences of the mean loss; a guarded logarithm is right to six digits."""
    r, wrong = np.random.default_rng(7), set()
    for N, D, K in ((2, 3, 4), (5, 2, 3)):
        x, w, b, t = (
            r.normal(size=(N, D)),
            r.normal(size=(D, K)),
            r.normal(size=K),
            np.arange(N) % K,
        )

        def loss(x=x, w=w, b=b, t=t):
            z = x @ w + b
            return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(t)), t])

        right = {"loss": loss(), "p": np.exp(x @ w + b)}
        right["p"] /= right["p"].sum(axis=1, keepdims=True)
        for name, a in {"x": x, "w": w, "b": b}.items():
            right[f"d{name}"] = slopes(a, lambda moved, name=name: loss(**{name: moved}))
        z = x @ w + b
        right["dz"] = slopes(z, partial(loss, np.eye(N), b=0))
        for quantity, a in read(one.fn(x, w, b, t)).items():
            if one.says and quantity == "dz":  # the mean is taken after it
                a = a / N
            if not np.allclose(a.reshape(right[quantity].shape), right[quantity], atol=1e-5):
                wrong.add(quantity)
    assert wrong == one.wrong


def slopes(a, f, step=1e-5):
    g = np.zeros(a.shape)
    for at in np.ndindex(*a.shape):
        e = np.zeros(a.shape)
        e[at] = step
        g[at] = (f(a + e) - f(a - e)) / (2 * step)
    return g


# ---- What is said


@pytest.mark.parametrize("one", named(EVERY))
def test_what_is_said_is_true(one):
    report, calls = judged(one)
    text, names = str(report), {one.mistake for one in report.findings} - {None}
    assert report.ok is one.ok, text
    # No quantity is accused that is right, and none is called right that is wrong.
    accused = {finding.quantity for finding in report.findings} - {""}
    if one.ok is None:
        assert "is wrong" not in text, text
        assert not names, text
        return
    assert accused <= one.wrong, text
    assert not set(report.right) & one.wrong, text
    # A name is one that is true; where one is known, it is found.
    assert names <= one.names, text
    assert bool(names) == bool(one.names), text
    for words in one.says:
        assert words in text, text
    # "In all configurations" is said of what was seen in all of them.
    raised = sum(got is None for _, got in calls)
    for count in re.findall(r"Right in all (\d+) configurations", text):
        assert not raised and int(count) <= len(calls), text


def test_half_of_them_are_wrong():
    verdicts = [one.ok for one in EVERY]
    assert len(EVERY) >= 38
    assert min(verdicts.count(True), verdicts.count(False)) >= 15
    assert verdicts.count(None) >= 7
