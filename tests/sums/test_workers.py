"""Memory that is used again, and threads: results are new, equal, and nobody waits for ever."""

import asyncio
import contextvars
import os
import subprocess
import sys
import threading
from pathlib import Path

import grid
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

import cnnlib
from cnnlib.errors import InputError
from cnnlib.learning.layers import Conv, MaxPool
from cnnlib.sums import workers


def three(case, arrays=None):
    x, w, b, dz = arrays or case.arrays()
    yield cnnlib.conv(x, w, b, **case.geometry, method="gemm")
    yield cnnlib.conv_delta(dz, w, x.shape, **case.geometry, method="gemm")
    yield cnnlib.conv_weight_gradient(x, dz, case.U, **case.geometry, method="gemm")


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("case", grid.CASES, ids=lambda case: case.name)
def test_any_number_of_threads_gives_the_same(case, count):
    z, dx, dw = three(case)
    with cnnlib.threads(count):
        z2, dx2, dw2 = three(case)
    np.testing.assert_allclose(z2, z, rtol=0, atol=1e-12)
    np.testing.assert_allclose(dx2, dx, rtol=0, atol=1e-12)
    np.testing.assert_allclose(dw2, dw, rtol=0, atol=1e-11)


def test_the_batch_is_shared_in_order_and_evenly():
    with cnnlib.threads(3):
        parts = workers.share(7, lambda part: (part.start, part.stop, threading.get_ident()))
        assert [part[:2] for part in parts] == [(0, 2), (2, 4), (4, 7)]
        assert threading.get_ident() not in {part[2] for part in parts}
        assert workers.share(2, lambda part: part) == [slice(0, 1), slice(1, 2)]
    assert workers.share(7, lambda part: (part, threading.get_ident())) == [
        (slice(0, 7), threading.get_ident())
    ]


def blas():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def in_a_thread(run):
    """What `run` returns, called in a thread of its own that has ended."""
    found = []
    thread = threading.Thread(target=lambda: found.append(run()))
    thread.start()
    thread.join()
    return found[0]


@pytest.fixture
def two_threads_of_blas():
    """Set by a thread that has ended: threadpoolctl would heed no other one while it lives."""
    limits = in_a_thread(lambda: threadpool_limits(2, "blas"))
    assert set(blas()) == {2}
    yield
    in_a_thread(limits.restore_original_limits)


def test_threads_have_one_thread_of_blas_and_put_it_back(two_threads_of_blas):
    with cnnlib.threads(2):
        assert set(blas()) == {1}
        with cnnlib.threads(3):
            assert len(workers.share(9, lambda part: part)) == 3
        assert len(workers.share(9, lambda part: part)) == 2
        assert set(blas()) == {1}
    assert set(blas()) == {2}
    assert len(workers.share(9, lambda part: part)) == 1


# Contexts that overlap


def parts():
    return len(workers.share(60, lambda part: part))


class Inside:
    """A Python thread that enters a context, answers questions, and leaves it when told."""

    def __init__(self, count):
        self.asked, self.answered, self.count = threading.Event(), threading.Event(), count
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        self.answered.wait()

    def run(self):
        with cnnlib.threads(self.count):
            self.ask()
        self.ask()

    def ask(self):
        self.seen = parts(), set(blas())
        self.answered.set()
        self.asked.wait()
        self.asked.clear()

    def leave(self):
        self.answered.clear()
        self.asked.set()
        self.answered.wait()
        return self.seen

    def end(self):
        self.asked.set()
        self.thread.join()


@pytest.mark.parametrize("first", [0, 1])
def test_contexts_of_two_python_threads_overlap(two_threads_of_blas, first):
    """Each has its own threads; BLAS has one until both have left, in whatever order."""
    both = [Inside(2), Inside(3)]
    assert [inside.seen for inside in both] == [(2, {1}), (3, {1})]
    assert parts() == 1  # here there is no context
    one, other = both[first], both[1 - first]
    assert one.leave() == (1, {1})
    assert other.leave() == (1, {2})
    with cnnlib.threads(4):
        assert (parts(), set(blas())) == (4, {1})
    with threadpool_limits(1, "blas"):  # nobody keeps others from setting it
        assert set(blas()) == {1}
    assert (parts(), set(blas())) == (1, {2})
    for inside in both:
        inside.end()


def within(count):
    with cnnlib.threads(count):
        while True:
            yield parts()


def test_contexts_of_two_generators_overlap(two_threads_of_blas):
    first, second = within(2), within(3)
    assert next(first) == 2 and next(second) == 3
    first.close()
    assert next(second) == 3 and set(blas()) == {1}
    second.close()
    assert parts() == 1 and set(blas()) == {2}
    assert len(list(three(grid.SHARPEST))) == 3


@grid.examples(40)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30))
def test_generators_that_overlap_in_any_way(calls):
    """The last one that was entered and not left counts; afterwards nothing is left behind."""
    before, inside = blas(), {}
    for name, enter in calls:
        if enter and name not in inside:
            inside[name] = within(name + 2)
            next(inside[name])
        elif not enter and name in inside:
            inside.pop(name).close()
        assert parts() == (list(inside)[-1] + 2 if inside else 1)
        assert not inside or set(blas()) == {1}
    for generator in inside.values():
        generator.close()
    assert parts() == 1 and blas() == before and workers._teams.get() == ()


def test_a_generator_that_another_thread_closes(two_threads_of_blas):
    generator = within(2)
    next(generator)
    in_a_thread(generator.close)
    assert parts() == 1 and set(blas()) == {2}


def test_a_copy_of_the_context_outlives_it():
    with cnnlib.threads(3):
        copy = contextvars.copy_context()
        assert copy.run(parts) == 3
    assert copy.run(parts) == 1


def test_a_team_that_is_dissolved_before_it_is_asked(monkeypatch):
    """As by a thread with a copy of the context, between two lines of `share`."""
    with cnnlib.threads(3):
        team = workers._at_work()
    monkeypatch.setattr(workers, "_at_work", lambda: team)
    assert parts() == 3


def test_a_training_outlasts_a_context_that_it_began_in(two_threads_of_blas):
    from cnnlib.learning import SGD, Dense, HalfSquaredError, Network, fit

    outer, seen = within(2), []
    next(outer)

    class Leaves(SGD):
        def step(self, params, grads):
            outer.close()
            seen.append(set(blas()))

    rng = np.random.default_rng(0)
    network = Network([Dense(1)], HalfSquaredError(), input_shape=(1,), rng=rng)
    x = np.ones((2, 1))
    fit(network, x, x, optimizer=Leaves(0.1), epochs=1, batch=1, rng=rng, progress=False)
    assert seen == [{1}, {1}] and set(blas()) == {2}


def test_tasks_have_contexts_of_their_own():
    async def task(count):
        with cnnlib.threads(count):
            seen = []
            for _ in range(3):
                await asyncio.sleep(0)
                seen.append(parts())
        return seen

    async def both():
        return await asyncio.gather(task(2), task(3))

    assert asyncio.run(both()) == [[2] * 3, [3] * 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_within_the_context_computes_the_same_bits():
    """In the child there are no threads that would take a part; an alarm ends one that waits."""
    code = """
import os, signal, sys, warnings
sys.path[:0] = {paths!r}
import cnnlib, grid, numpy as np
from test_workers import parts, three
warnings.simplefilter("ignore")  # Python 3.12 warns of every fork beside threads
case = next(case for case in grid.CASES if case.large)
with cnnlib.threads(3):
    expected = list(three(case))
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        same = all(map(np.array_equal, three(case), expected)) and parts() == 3
    else:
        status = os.waitpid(child, 0)[1]
if child == 0:
    with cnnlib.threads(2):  # it can have threads of its own
        assert same and parts() == 2
    sys.exit(7)
assert os.waitstatus_to_exitcode(status) == 7, status
"""
    here = Path(__file__).parent
    code = code.format(paths=[str(here), str(here.parent)])
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_error_in_a_thread_comes_out_and_ends_the_threads():
    def part(images):
        raise ValueError("seen")

    with pytest.raises(ValueError, match="seen"), cnnlib.threads(2):
        workers.share(4, part)
    assert len(workers.share(4, lambda part: part)) == 1


def allow(monkeypatch, most, error=None):
    """From now on the system starts `most` threads and no more, as in a browser or a container."""
    true, started = threading.Thread.start, []

    def start(thread):
        if len(started) == most:
            raise error or RuntimeError("can't start new thread")
        started.append(thread)
        true(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    return started


@pytest.mark.parametrize(("count", "most"), [(1, 0), (2, 0), (2, 1), (3, 2), (7, 0), (7, 3)])
def test_without_so_many_threads_the_caller_computes_the_same_bits(count, most, monkeypatch):
    case = next(case for case in grid.CASES if case.large)
    with cnnlib.threads(count):
        expected = list(three(case))
    started = allow(monkeypatch, most)
    with cnnlib.threads(count):
        found = list(three(case))
        seen = workers.share(9, lambda part: (part, threading.get_ident()))
    assert len(started) == most and not any(thread.is_alive() for thread in started)
    assert [part for part, _ in seen] == [
        slice(9 * n // count, 9 * (n + 1) // count) for n in range(count)
    ]
    assert {thread for _, thread in seen} == {threading.get_ident()}
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert workers.share(9, lambda part: part) == [slice(0, 9)]


def test_an_interrupt_while_threads_start_ends_them(monkeypatch):
    started = allow(monkeypatch, 1, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt), cnnlib.threads(2):
        pass
    assert len(started) == 1 and not started[0].is_alive()


@pytest.mark.parametrize("count", [0, -1, 1.5, None, "2"])
def test_a_wrong_count_is_named(count):
    with pytest.raises(InputError, match="count is"), cnnlib.threads(count):
        pass


def test_scratch_is_the_same_memory_within_a_thread_and_another_one_elsewhere():
    first = workers.scratch("test", (3, 4), np.dtype("f8"))
    again = workers.scratch("test", (2, 5), np.dtype("f8"))
    assert np.shares_memory(first, again) and again.shape == (2, 5)
    assert not np.shares_memory(first, workers.scratch("other", (2,), np.dtype("f8")))
    assert not np.shares_memory(first, workers.scratch("test", (2,), np.dtype("f4")))
    elsewhere = []
    thread = threading.Thread(
        target=lambda: elsewhere.append(workers.scratch("test", (2,), np.dtype("f8")))
    )
    thread.start()
    thread.join()
    assert not np.shares_memory(first, elsewhere[0])


def test_large_scratch_is_not_kept(monkeypatch):
    monkeypatch.setattr(workers, "KEPT", 800)
    large = workers.scratch("large", (101,), np.dtype("f8"))
    assert not np.shares_memory(large, workers.scratch("large", (101,), np.dtype("f8")))
    kept = workers.scratch("kept", (100,), np.dtype("f8"))
    assert np.shares_memory(kept, workers.scratch("kept", (100,), np.dtype("f8")))


@pytest.mark.parametrize("count", [1, 2])
def test_results_never_share_memory(count):
    """Neither with each other, nor with what the next call returns or leaves in its buffers."""
    case = next(case for case in grid.CASES if case.large)
    with cnnlib.threads(count):
        found = [a for _ in range(2) for a in three(case)]
        kept = [a.copy() for a in found]
        list(three(case, [a + 1 for a in case.arrays()]))
    for n, a in enumerate(found):
        np.testing.assert_array_equal(a, kept[n])
        assert not any(np.shares_memory(a, other) for other in found[n + 1 :])


def test_two_callers_at_once_do_not_disturb_each_other():
    """Convolutions in threads of the caller's own: each has buffers of its own."""
    case = next(case for case in grid.CASES if case.large)
    arrays = [[a * (n + 1) for a in case.arrays()] for n in range(4)]
    expected = [list(three(case, some)) for some in arrays]
    wrong = []

    def run(n):
        for _ in range(20):
            for found, right in zip(three(case, arrays[n]), expected[n], strict=True):
                if not np.array_equal(found, right):
                    wrong.append(n)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_layers_return_contiguous_arrays_of_their_own():
    x = np.random.default_rng(0).normal(size=(3, 8, 7, 2)).astype("f4")
    pools = MaxPool(2), MaxPool(1), MaxPool((1, 2), stride=2), MaxPool(3, stride=2, padding=1)
    for layer in (Conv(3, 3, stride=2), *pools):
        layer.build(x.shape[1:], np.random.default_rng(0), x.dtype)
        z = layer.forward(x)
        dx = layer.backward(np.ones_like(z))
        assert z.flags.c_contiguous and dx.flags.c_contiguous
        assert not np.shares_memory(z, x)


@pytest.mark.parametrize("count", [-1, 0, "2", 1.5, (2,), [2], True])
def test_a_wrong_number_of_threads_is_refused_at_once(count):
    with pytest.raises(InputError, match="count is"):
        cnnlib.threads(count)


def test_a_context_that_was_not_entered_is_not_left():
    with pytest.raises(InputError, match="not entered before"):
        cnnlib.threads(2).__exit__(None, None, None)


def test_a_context_can_be_used_again_and_within_itself():
    context = cnnlib.threads(2)
    for _ in range(2):
        with context:
            with context:
                assert workers.sharing() == 2
            assert workers.sharing() == 2
        assert workers.sharing() == 1
