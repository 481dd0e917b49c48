"""Strides, dilations and paddings of any size: no memory is asked for that is not needed."""

import io
import os
import subprocess
import sys
import tracemalloc

import grid
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cnnlib
from cnnlib import arrays
from cnnlib.errors import InputError
from cnnlib.geometry import Window
from cnnlib.sums import choice, loops, room

MODEST = 50e6  # bytes, for arrays of a few numbers
HUGE = st.sampled_from([1, 2, 3, 10**3, 10**5, 10**9, 2**31 - 1, 10**400])


@pytest.fixture(autouse=True)
def a_small_machine(monkeypatch):
    monkeypatch.setattr(arrays, "memory", lambda: int(MODEST))


def peak(run):
    """What `run` returns, and the most memory that it had."""
    tracemalloc.start()
    try:
        return run(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def both(x, w, dz, **keywords):
    yield cnnlib.conv_delta(dz, w, x.shape, **keywords)
    yield cnnlib.conv_weight_gradient(x, dz, w.shape[1:-1], **keywords)


def test_a_dilation_beyond_the_image_takes_what_the_loops_take():
    """Only the centre meets an input; it asked for 149 GB."""
    x, w = np.arange(16.0).reshape(1, 4, 4, 1), np.arange(9.0).reshape(1, 3, 3, 1)
    for dilation in (10**5, 10**9, 2**31 - 1):
        keywords = {"dilation": dilation, "center": 1}
        z, most = peak(lambda keywords=keywords: cnnlib.conv(x, w, **keywords))
        np.testing.assert_array_equal(z, 4 * x)
        assert most < MODEST
        (dx, dw), most = peak(lambda keywords=keywords: list(both(x, w, x, **keywords)))
        np.testing.assert_array_equal(dx, 4 * x)
        assert dw.ravel().tolist() == [0] * 4 + [float((x * x).sum())] + [0] * 4
        assert most < MODEST


def test_a_stride_beyond_the_image_takes_what_the_loops_take():
    """One output; its deltas asked for 11.7 GB."""
    x, w, dz = np.arange(6.0).reshape(1, 6, 1), np.arange(3.0).reshape(1, 3, 1), np.ones((1, 1, 1))
    for method in ("auto", "gemm", "loops"):
        keywords = {"stride": 10**9, "method": method}
        assert cnnlib.conv(x, w, **keywords).tolist() == [[[0 * 0 + 1 * 1 + 2 * 2]]]
        (dx, dw), most = peak(lambda keywords=keywords: list(both(x, w, dz, **keywords)))
        assert dx.ravel().tolist() == [0, 1, 2, 0, 0, 0] and dw.ravel().tolist() == [0, 1, 2]
        assert most < MODEST


@pytest.mark.parametrize("method", ["gemm", "fft"])
def test_a_method_that_takes_too_much_names_another(method):
    x, w = np.ones((1, 4, 4, 1)), np.ones((1, 3, 3, 1))
    message = f"method '{method}' would take .* GB of memory.*or let method='auto' choose"
    with pytest.raises(InputError, match=message):
        cnnlib.conv(x, w, dilation=10**5, center=1, method=method)


def test_a_result_that_no_machine_holds_is_refused():
    x, w = np.ones((1, 6, 1)), np.ones((1, 3, 1))
    for method in ("auto", "gemm", "fft", "loops"):
        with pytest.raises(
            InputError, match=r"input, kernel and output .*\(1, 2000000004, 1\).* take 8 GB"
        ):
            cnnlib.conv(x, w, padding=10**9, method=method)
    with pytest.raises(InputError, match="input, kernel and output"):
        cnnlib.conv_delta(np.ones((1, 1, 1)), w, (1, 10**9, 1), stride=2 * 10**9)


@pytest.mark.parametrize("pool", [cnnlib.max_pool, cnnlib.avg_pool])
def test_a_pool_in_far_padding_meets_nothing(pool):
    x = np.ones((1, 6, 1))
    for pads, window in [((10**9, 0), 0), ((3, 3), 0), ((0, 3), 6), ((0, 10**9), 6)]:
        with pytest.raises(InputError, match=f"window {window} on spatial axis 0 meets no input"):
            peak(lambda pads=pads: pool(x, 3, stride=1, padding=(pads,)))
    found, most = peak(lambda: cnnlib.connections(6, 3, padding=((0, 10**9),)))
    assert len(found) == 6 + 5 + 4 and most < MODEST


@st.composite
def geometries(draw):
    n = draw(st.integers(1, 2))
    P = draw(st.tuples(*[st.integers(1, 6)] * n))
    U = draw(st.tuples(*[st.integers(1, 3)] * n))
    how = {"stride": draw(HUGE), "dilation": draw(HUGE), "flip": draw(st.booleans())}
    kind = draw(st.sampled_from(["center", "same", "full", "valid", "pads"]))
    if kind == "center":
        how["center"] = tuple(draw(st.integers(0, u - 1)) for u in U)
    elif kind == "pads":
        how["padding"] = tuple((draw(HUGE), draw(HUGE)) for _ in U)
    else:
        how["padding"] = kind
    return P, U, how


@grid.examples(100)
@given(geometries(), st.sampled_from(["auto", "gemm", "fft", "loops"]))
def test_any_geometry_is_computed_in_modest_memory_or_refused(geometry, method):
    P, U, how = geometry
    r = np.random.default_rng(0)
    x, w = r.normal(size=(2, *P, 2)), r.normal(size=(3, *U, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "memory", lambda: int(MODEST))
        patch.setattr(room, "FREE", int(MODEST) // 4)
        try:
            z, most = peak(lambda: cnnlib.conv(x, w, method=method, **how))
        except InputError:
            return
        assert most < 4 * MODEST  # float64 is twice what is certain to be needed
        window, dz = Window(U, **how), r.normal(size=z.shape)
        np.testing.assert_allclose(z, loops.conv(x, w, None, window), atol=1e-9)
        (dx, dw), most = peak(lambda: list(both(x, w, dz, method=method, **how)))
        assert most < 4 * MODEST
    np.testing.assert_allclose(dx, loops.conv_delta(dz, w, x.shape, window), atol=1e-9)
    np.testing.assert_allclose(dw, loops.conv_weight_gradient(x, dz, window), atol=1e-8)


def test_auto_leaves_out_what_takes_too_much():
    for dilation, method in [(1, "gemm"), (10**5, "loops")]:
        window = Window((3, 3), dilation=dilation, center=1)
        assert choice.choose("auto", (1, 8, 8, 1), 1, window) == method


def test_a_limit_of_the_process_counts(monkeypatch):
    """Of a limit, what the process has taken is gone."""
    resource = pytest.importorskip("resource")
    monkeypatch.undo()  # of the small machine
    whole, used = arrays.memory(), 1 << 30
    for limit, left in [(resource.RLIM_INFINITY, whole), (used + 10**9, 10**9), (used - 1, 0)]:
        monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        pages = used // os.sysconf("SC_PAGE_SIZE")
        monkeypatch.setattr("builtins.open", lambda *_, pages=pages, **__: io.StringIO(f"{pages} "))
        found = arrays.memory()
        monkeypatch.undo()
        assert found == left


LIMITED = """
import resource, numpy as np, cnnlib
from cnnlib.learning import HalfSquaredError, Network, ReLU, clip_gradients, sigmoid
resource.setrlimit(resource.RLIMIT_AS, (3 << 30,) * 2)
x, w = np.ones((1, 5, 1)), np.ones((1, 3, 1))
wide = np.broadcast_to(np.float32(0.5), (2**30, 2))
network = Network([ReLU()], HalfSquaredError(), input_shape=(2,), rng=np.random.default_rng(0))
for call in (
    lambda: sigmoid(wide),
    lambda: HalfSquaredError().value(wide, wide),
    lambda: network.forward(wide),
    lambda: clip_gradients({"w": wide}, 1.0),
    lambda: cnnlib.relative_error(wide, wide),
    lambda: cnnlib.conv(x, w, padding=2**28),
    lambda: cnnlib.conv(x, w, padding=2**30),
    lambda: cnnlib.conv(x, w, dilation=2**28, padding="full"),
    lambda: cnnlib.conv(x, w, dilation=2**30, padding="full"),
    lambda: cnnlib.conv_delta(np.ones((1, 1, 1)), w, (1, 2**29, 1), stride=2**29),
    lambda: cnnlib.max_pool(x, 2**28, padding=2**28 - 1, stride=1),
    lambda: cnnlib.avg_pool_delta(np.ones((1, 1, 1)), (1, 2**29, 1), 2**29),
):
    try:
        call()
    except cnnlib.errors.InputError as error:
        print(error)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the limit is that of Linux")
def test_what_a_limited_process_cannot_hold_is_refused():
    alone = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    call = [sys.executable, "-c", LIMITED]
    run = subprocess.run(call, capture_output=True, text=True, check=True, env=alone)
    assert run.stdout.count("memory") == 12, run.stdout + run.stderr


BIG = (1, 10**5, 10**5, 1)
VIRTUAL = np.broadcast_to(np.uint8(1), BIG)  # takes a byte


@pytest.mark.parametrize(
    "name, call",
    [
        ("the result", lambda: cnnlib.max_pool(np.broadcast_to(np.float32(1), BIG), 2)),
        ("the result", lambda: cnnlib.avg_pool(np.broadcast_to(np.float32(1), BIG), 2)),
        ("the result", lambda: cnnlib.avg_pool_delta(np.ones((1, 1, 1, 1)), BIG, 10**5)),
        (
            "the result",
            lambda: cnnlib.max_pool_delta(np.ones((1, 1, 1, 1)), np.zeros((1, 1, 1, 1), int), BIG),
        ),
        ("x, of shape", lambda: cnnlib.conv(VIRTUAL, np.ones((1, 3, 3, 1)))),
        ("w, of shape", lambda: cnnlib.conv(np.ones((1, 3, 3, 1)), VIRTUAL)),
        ("x, of shape", lambda: cnnlib.max_pool(VIRTUAL, 2)),
        ("a, of shape", lambda: cnnlib.relative_error(VIRTUAL, VIRTUAL)),
        ("x, of shape", lambda: cnnlib.numerical_gradient(lambda x: 0.0, VIRTUAL)),
        (
            "input, kernel and output",
            lambda: cnnlib.conv_weight_gradient(
                np.ones((1, 3, 1)), np.ones((1, 3, 1)), 10**9, padding="same"
            ),
        ),
    ],
)
def test_what_no_machine_holds_is_refused_before_it_is_asked_for(name, call):
    def refused():
        with pytest.raises(InputError, match=f"^{name}.* would take .* GB of memory"):
            call()

    assert peak(refused)[1] < MODEST
