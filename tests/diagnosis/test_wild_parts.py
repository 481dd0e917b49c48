"""Mistakes in pooling, head and training step, as people write them, are named; right ones not."""

import numpy as np
import pytest
from wild_parts import HEAD, POOL, STEP, delta, gradients, softmax

from cnnlib.diagnosis import diagnose_head, diagnose_pool, diagnose_step, mistakes

ALL = [
    (diagnosis, *one)
    for diagnosis, wild in ((diagnose_pool, POOL), (diagnose_head, HEAD), (diagnose_step, STEP))
    for one in wild
]


def test_every_mistake_of_the_parts_is_written():
    wanted = {one.id for one in mistakes.every() if one.id[0] in "PST"} - {"T1"}
    assert wanted | {"D22", "W6", "W13"} <= {id for *_, id in ALL}


@pytest.mark.parametrize(("diagnosis", "fn", "how", "quantity", "id"), ALL)
def test_it_is_named(diagnosis, fn, how, quantity, id):
    report = diagnosis(fn, **how)
    found = {(finding.quantity, finding.mistake) for finding in report.findings}
    assert (quantity, id) in found, str(report)
    assert None not in {mistake for _, mistake in found}, str(report)


def test_two_at_once_are_named():
    def pool(x, da, k, s):
        return {"dx": da.repeat(k, axis=1).repeat(k, axis=2)}

    def head(x, w, b, t):
        p = softmax(np.maximum(x, 0) @ w + b)
        d = p - np.eye(len(b))[t]
        return {"dz": d, "dx": d @ w.T}

    found = {finding.mistake for finding in diagnose_pool(pool, kind="avg").findings}
    assert {"P3", "P6"} <= found
    found = {(one.quantity, one.mistake) for one in diagnose_head(head, relu=True).findings}
    assert found >= {("dz", "S5"), ("dx", "S5"), ("dx", "S3")}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_right_parts_are_not_accused(dtype, seed):
    def max_pool(x, da, k, s):
        view = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))[:, ::s, ::s]
        dx, at = np.zeros(x.shape), np.indices(da.shape)
        u, v = np.divmod(view.reshape(*da.shape, k * k).argmax(axis=-1), k)
        np.add.at(dx, (at[0], at[1] * s + u, at[2] * s + v, at[3]), da)
        return {"a": view.max(axis=(-1, -2)).astype(dtype), "dx": dx.astype(dtype)}

    def average_pool(x, da, k, s):
        view = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))[:, ::s, ::s]
        dx = np.zeros(x.shape, dtype)
        for u, v in np.ndindex(k, k):
            ends = u + s * (da.shape[1] - 1) + 1, v + s * (da.shape[2] - 1) + 1
            dx[:, u : ends[0] : s, v : ends[1] : s] += da.astype(dtype) / k**2
        return {"a": view.mean(axis=(-1, -2)), "dx": dx}

    def head(x, w, b, t):
        x, w, b = (a.astype(dtype) for a in (x, w, b))
        a = np.maximum(x, 0)
        p, d = softmax(a @ w + b), delta(a, w, b, t)
        loss = -np.mean(np.log(p[np.arange(len(x)), t]))
        dx = np.where(x > 0, d @ w.T, 0)
        return {"p": p, "loss": loss, "dz": d, "dw": a.T @ d, "db": d.sum(axis=0), "dx": dx}

    def step(params, x, t, rate):
        low = {name: a.astype(dtype) for name, a in params.items()}
        g = gradients(low, x.astype(dtype), t)
        return {name: low[name] - rate * g[name] for name in low}

    for report in (
        diagnose_pool(max_pool, seed=seed),
        diagnose_pool(average_pool, kind="avg", seed=seed),
        diagnose_pool(max_pool, stride="window", seed=seed),
        diagnose_head(head, relu=True, seed=seed),
        diagnose_step(step, seed=seed),
    ):
        assert report.ok, str(report)


def test_a_mistake_of_the_whole_step_is_not_mixed_up_with_another():
    def weights_only(params, x, t, rate):
        g = gradients(params, x, t)
        return {n: params[n] - rate * g[n] if n[0] == "w" else params[n] for n in params}

    findings = diagnose_step(weights_only).findings
    assert {one.mistake for one in findings} == {None}
    assert {"The biases are not updated."} <= {one.message for one in findings}
