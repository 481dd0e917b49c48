"""Trainings that are stopped, by a kill at any moment, an interrupt or an error; and resumed.

No result depends on a clock: moments are counted in lines of code, and time is what a test says.
"""

import inspect
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from disks import Full, new_files

import cnnlib
from cnnlib.data import files
from cnnlib.errors import DataError, DivergenceError, InputError
from cnnlib.learning import checkpoint, storage
from cnnlib.learning.layers import Conv, Dense, Flatten, MaxPool, ReLU
from cnnlib.learning.losses import SoftmaxCrossEntropy
from cnnlib.learning.network import Network
from cnnlib.learning.optimizers import SGD, Adam, Momentum, RMSprop
from cnnlib.learning.training import fit
from cnnlib.sums.workers import arithmetic

LOOP = {inspect.getfile(part) for part in (fit, checkpoint)}
STEP = LOOP | {inspect.getfile(part) for part in (Adam, Network)}
WRITING = LOOP | {inspect.getfile(part) for part in (storage, files)}
ALIKE = {"_without_arrays", "<dictcomp>", "digest"}  # hundreds of lines, one like another
BITS = (np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64)


def data(count=43, seed=1):
    r = np.random.default_rng(seed)
    t = r.integers(0, 3, count)
    return r.normal(size=(count, 5, 4, 1)) + t[:, None, None, None], t


def small(seed=0):
    sequence = [Conv(3, 2), ReLU(), MaxPool(2), Flatten(), Dense(3)]
    rng = np.random.default_rng(seed)
    return Network(sequence, SoftmaxCrossEntropy(), input_shape=(5, 4, 1), rng=rng)


class Training:
    """A network with all that `fit` needs, made anew as by a program that starts again."""

    def __init__(self, optimizer=None, bits=np.random.PCG64, seed=0):
        self.network, self.optimizer = small(seed), optimizer or Adam(0.01)
        self.rng = np.random.Generator(bits(seed))

    def fit(self, path=None, epochs=3, **changes):
        x, t = data()
        usual = dict(optimizer=self.optimizer, rng=self.rng, batch=8, progress=False)
        usual |= dict(validation=data(9, seed=2), checkpoint=path, epochs=epochs)
        self.history = fit(self.network, *changes.pop("set", (x, t)), **usual | changes)
        return self

    def all_of_it(self):
        """Every number that a training leaves behind, as bytes."""
        arrays = {**self.network.params}
        for name, memory in self.optimizer.memory.items():
            arrays |= {f"{name}.{letter}": a for letter, a in memory.items()}
        state = storage.plain(self.rng.bit_generator.state)
        words = [vars(self.history), self.optimizer.steps, state]
        return {name: a.tobytes() for name, a in arrays.items()}, json.dumps(words)


def state_in(path):
    """All that a checkpoint says, but for who wrote it."""
    tree = storage.read(path)
    assert tree.pop("writer")
    return repr(tree)


class Stop(Exception):
    pass


class StopsAfter(Adam):
    """Adam that stops the program in step `stop`, after `entries` of the parameters have moved."""

    def __init__(self, stop, entries, error):
        super().__init__(0.01)
        self.left, self.entries, self.error = stop, entries, error

    def step(self, params, grads):
        self.left -= 1
        if self.left == 0:
            names = list(params)[: self.entries]
            super().step({n: params[n] for n in names}, {n: grads[n] for n in names})
            raise self.error
        super().step(params, grads)


def interrupted(training, stop, path=None, **changes):
    """Interrupt a training in the forward pass of step `stop`; returns the interrupt."""
    true, calls = training.network.forward, []

    def forward(x, **mode):
        calls.append(1)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return true(x, **mode)

    training.network.forward = forward
    with pytest.raises(KeyboardInterrupt) as caught:
        training.fit(path, validation=None, **changes)
    return caught.value


def before_line(number, do, run, files=None):
    """Call `run`, and `do` before a line of Python, counted from 0; how many lines there were.

    Only the lines of these files count, without those that are ALIKE; or all that there are.
    """
    total = 0

    def trace(frame, event, argument):
        nonlocal total
        code = frame.f_code
        if files and (code.co_filename not in files or code.co_name in ALIKE):
            return None
        if event == "line":
            total += 1
            if total == number + 1:
                do()
        return trace

    usual = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(usual)
    return total


def interrupt():
    raise KeyboardInterrupt


# Kills

CHILD = """
import json, os, sys
sys.path[:0] = {tests!r}
from test_checkpoint import *
checkpoint.EVERY = -1  # write after every step
"""


def program(text, **words):
    """Run a Python program with the names of this module."""
    code = CHILD.format(tests=[str(folder) for folder in Path(__file__).parents[:2]]) + text.format(
        **words
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to begin a process in no time")
def test_killed_at_many_random_moments(tmp_path):
    """Each child goes on from the file that the one before left, until one is not killed.

    The moments are lines of Python, the library's and all those below it, drawn with a seed.
    """
    result = program(
        """
import threading
from tqdm.auto import tqdm
path, kills, partial, steps = {path!r}, 0, 0, set()
Training().fit(epochs=1)  # imports what a child would import again and again
# The bar's own lock is one for all processes: a child that is killed with it would stop the others.
tqdm.set_lock(threading.RLock())
def die(): os.kill(os.getpid(), 9)
def epoch(): Training().fit(path + ".other", epochs=1)
longest, moments = before_line(math.inf, die, epoch), np.random.default_rng(0)
while not kills or os.WIFSIGNALED(status):
    child, line = os.fork(), moments.integers(longest)
    if child == 0:
        before_line(line, die, lambda: Training().fit(path, epochs=10))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    kills += os.WIFSIGNALED(status)
    partial += any(Path(path).parent.glob("run.npz.*.partial"))
    steps.add(storage.read(path)["lengths"]["loss"] if os.path.exists(path) else 0)
print(json.dumps([kills, partial, len(steps), Training().fit(path, epochs=10).all_of_it()[1]]))
""",
        path=str(tmp_path / "run.npz"),
    )
    kills, partial, moments, found = json.loads(result.stdout)
    print(f"{kills} kills at {moments} different steps, {partial} of them during a write")
    assert kills > 10 and moments > 5 and partial > 0
    resumed = Training().fit(tmp_path / "run.npz", epochs=10)
    never_stopped = Training().fit(epochs=10)
    assert resumed.all_of_it() == never_stopped.all_of_it()
    assert found == never_stopped.all_of_it()[1]
    assert len(never_stopped.history.loss) == 60 and len(never_stopped.history.validation) == 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to begin a process in no time")
def test_killed_before_during_and_after_each_part_of_a_write(tmp_path):
    """In the third write: with half a file, before and after the sync, and after the rename."""
    result = program(
        """
Training().fit(epochs=1)
def die(): os.kill(os.getpid(), 9)
def dies_at(module, name, call, before):
    true, calls = getattr(module, name), []
    def spy(*arguments, **keywords):
        calls.append(1)
        if len(calls) == call and before:
            die()
        result = true(*arguments, **keywords)
        if len(calls) == call:
            if name == "savez":
                arguments[0].truncate(arguments[0].tell() // 2)
            die()
        return result
    setattr(module, name, spy)
found = []
for number, (module, name) in enumerate([(np, "savez"), (os, "fsync"), (os, "replace")]):
    for before in (True, False):
        path = {path!r} + str(2 * number + before)
        child = os.fork()
        if child == 0:
            dies_at(module, name, 3, before)
            Training().fit(path)
            os._exit(0)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == 9
        steps = storage.read(path)["lengths"]["loss"]
        found.append([steps, *Training().fit(path).all_of_it()[1:]])
print(json.dumps(found))
""",
        path=str(tmp_path / "run"),
    )
    found = json.loads(result.stdout)
    # The writes hold 0, 1, 2 steps. Only a rename that has happened brings the third one.
    assert [steps for steps, _ in found] == [1, 1, 1, 1, 1, 2]
    expected = Training().fit().all_of_it()
    assert all(words == expected[1] for _, words in found)
    for number in range(6):
        assert Training().fit(f"{tmp_path / 'run'}{number}").all_of_it() == expected
    assert not list(tmp_path.glob("*.partial"))  # the next write has replaced it


# Stopped by an interrupt or an error, and resumed


@pytest.mark.parametrize("bits", BITS, ids=lambda bits: bits.__name__)
@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(0.1),
        lambda: Momentum(0.05, 0.8, form="keras"),
        lambda: RMSprop(0.01),
        lambda: Adam(0.01, beta2=0.95, form="keras"),
    ],
    ids=["sgd", "momentum", "rmsprop", "adam"],
)
def test_every_optimizer_and_every_rng_goes_on_with_the_same_bits(make, bits, tmp_path):
    path, expected = tmp_path / "run.npz", Training(make(), bits).fit(validation=None).all_of_it()
    for stop in (1, 6, 7, 10):  # 6 steps an epoch
        interrupted(Training(make(), bits), stop, path)
        assert Training(make(), bits).fit(path, validation=None).all_of_it() == expected
        path.unlink()


def test_a_finished_training_comes_back_without_a_step(tmp_path, monkeypatch):
    first = Training().fit(tmp_path / "run.npz")

    def never(*arguments):
        raise AssertionError("a step was taken")

    second = Training()
    monkeypatch.setattr(second.network, "backward", never)
    assert second.fit(tmp_path / "run.npz").all_of_it() == first.all_of_it()


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_more_epochs_go_on_where_fewer_ended(epochs, tmp_path):
    expected = Training().fit(epochs=5).all_of_it()
    Training().fit(tmp_path / "run.npz", epochs=epochs)
    assert Training().fit(tmp_path / "run.npz", epochs=5).all_of_it() == expected


def test_the_live_objects_may_be_used_again_after_an_interrupt(tmp_path):
    """As in a notebook, whose cell is interrupted and executed once more."""
    training, path = Training(), tmp_path / "run.npz"
    assert len(interrupted(training, 9, path).history.loss) == 8
    expected = Training().fit(validation=None).all_of_it()
    assert training.fit(path, validation=None).all_of_it() == expected


def test_the_checkpoint_is_written_in_between_not_only_at_the_end(tmp_path, monkeypatch):
    written, true = [], storage.write

    def write(path, tree, ours):
        written.append(tree["lengths"]["loss"])
        true(path, tree, ours)

    monkeypatch.setattr(storage, "write", write)
    now, spent, step = [100.0], [], Adam.step  # a clock on which nothing takes time but a step

    def slow(self, params, grads):
        now[0] += spent[0]
        step(self, params, grads)

    monkeypatch.setattr(Adam, "step", slow)
    monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: now[0]))
    for seconds, expected in (
        (0, [0, 18]),
        (0.5, [0, 18]),  # nine seconds of work
        (4, [0, 3, 6, 9, 12, 15, 18, 18]),
        (11, [0, *range(1, 19), 18]),
    ):
        spent[:], written[:] = [seconds], []
        Training().fit(tmp_path / f"{seconds}.npz")
        assert written == expected, seconds


# Interrupts without a file


class Recorded(Adam):
    """Adam that keeps what the parameters and its memory are after each step."""

    def __init__(self):
        super().__init__(0.01)
        self.states, self.memories = [], []

    def step(self, params, grads):
        if not self.states:
            self._record(params)
        super().step(params, grads)
        self._record(params)

    def _record(self, params):
        self.states.append(bits_of(params))
        self.memories.append({name: bits_of(memory) for name, memory in self.memory.items()})


def bits_of(params):
    return {name: p.tobytes() for name, p in params.items()}


def states(**changes):
    training = Training(Recorded())
    training.fit(**changes)
    return training.optimizer.states


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), Stop()], ids=repr)
def test_a_step_that_stops_halfway_never_happened(error):
    after = states()
    for stop in (1, 2, 7, 18):
        for entries in range(5):  # of four parameters, so many have moved
            training = Training(StopsAfter(stop, entries, error))
            with pytest.raises(type(error)):
                training.fit()
            assert bits_of(training.network.params) == after[stop - 1]
            assert set(training.optimizer.steps.values()) <= {stop - 1}
            assert len(error.history.loss) == len(error.history.accuracy) == stop - 1
            whole = Training(StopsAfter(stop, 0, error))
            with pytest.raises(type(error)):
                whole.fit()
            for name, memory in whole.optimizer.memory.items():
                for letter, a in memory.items():
                    assert np.array_equal(training.optimizer.memory[name][letter], a)


class Tiny(Training):
    """Two steps an epoch, which take few lines of code."""

    def __init__(self, optimizer=None):
        super().__init__(optimizer)
        layers, loss = [Flatten(), Dense(3)], SoftmaxCrossEntropy()
        rng = np.random.default_rng(0)
        self.network = Network(layers, loss, input_shape=(2, 1, 1), rng=rng)

    def fit(self, path=None, epochs=2, **changes):
        x, t = data(10)
        x = x[:, :2, :1]
        usual = dict(set=(x, t), batch=5, validation=(x[:3], t[:3]))
        return super().fit(path, epochs, **usual | changes)


@pytest.fixture(scope="module")
def undisturbed():
    training = Tiny(Recorded())
    training.fit()
    return training.optimizer


def finished_steps(training, error, undisturbed):
    """How many steps an interrupted training has finished: all that it has is as after these."""
    steps, optimizer = len(error.history.loss), training.optimizer
    assert len(error.history.accuracy) == steps
    assert len(error.history.validation) <= steps // 2
    assert bits_of(training.network.params) == undisturbed.states[steps]
    memory = {name: bits_of(memory) for name, memory in optimizer.memory.items()}
    assert memory == undisturbed.memories[steps]
    assert set(optimizer.steps.values()) <= {steps}
    return steps


def moments(first, total):
    """Every line in `make ci-long`; else each eleventh, and the last ones, after the last step."""
    every = range(first, total)
    return every if "CNNLIB_LONG" in os.environ else sorted({*every[::11], *every[-20:]})


def test_interrupted_before_any_line(undisturbed):
    """In the forward pass, in the optimizer, between epochs, after the last step: anywhere."""
    total, seen = before_line(math.inf, interrupt, Tiny().fit, STEP), set()
    for line in moments(2, total):  # two lines make the history, and `try`
        training = Tiny()
        with pytest.raises(KeyboardInterrupt) as caught:
            before_line(line, interrupt, training.fit, STEP)
        seen.add(finished_steps(training, caught.value, undisturbed))
    assert total > 500 and seen == set(range(5))


# After its last line and before it is closed, a file is left to Python to be closed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupted_before_any_line_with_a_file(undisturbed, tmp_path, monkeypatch):
    """Whatever is written at that moment, the file goes on where the interrupt says."""
    monkeypatch.setattr(checkpoint, "EVERY", -1)
    monkeypatch.setattr(os, "fsync", lambda file: None)  # no power fails here
    path = tmp_path / "run.npz"

    def run(training):
        return lambda: training.fit(path, epochs=1)

    expected, seen = Tiny().fit(epochs=1).all_of_it(), set()
    total = before_line(math.inf, interrupt, run(Tiny()), WRITING)
    for line in moments(2, total):
        path.unlink()
        training = Tiny()
        with pytest.raises(KeyboardInterrupt) as caught:
            before_line(line, interrupt, run(training), WRITING)
        steps = finished_steps(training, caught.value, undisturbed)
        seen.add(steps)
        assert path.exists() or steps == 0
        assert not path.exists() or storage.read(path)["lengths"]["loss"] == steps
        assert run(Tiny())().all_of_it() == expected
    assert total > 200 and seen == {0, 1, 2}


def test_interrupted_before_any_line_while_it_resumes(undisturbed, tmp_path, monkeypatch):
    """The file is never replaced by less, and the live objects go on as those of a new program."""
    monkeypatch.setattr(os, "fsync", lambda file: None)
    path = tmp_path / "run.npz"
    interrupted(Tiny(), 2, path)
    kept = path.read_bytes()
    expected = Tiny().fit(epochs=1, validation=None).all_of_it()

    def run(training):
        return lambda: training.fit(path, epochs=1, validation=None)

    total, seen = before_line(math.inf, interrupt, run(Tiny()), LOOP), set()
    for line in moments(2, total):
        path.write_bytes(kept)
        training = Tiny()
        with pytest.raises(KeyboardInterrupt) as caught:
            before_line(line, interrupt, run(training), LOOP)
        steps = finished_steps(training, caught.value, undisturbed)
        seen.add(steps)
        assert storage.read(path)["lengths"]["loss"] == max(1, steps)
        assert run(training)().all_of_it() == expected
    assert total > 100 and seen == {0, 1, 2}


@pytest.mark.parametrize(
    ("module", "name", "call"), [(np, "copyto", 1), (np, "copyto", 2), (storage, "write", 2)]
)
def test_interrupted_again_while_an_interrupt_is_answered(
    module, name, call, undisturbed, tmp_path, monkeypatch
):
    """While the parameters are put back, and while the file is written."""
    path, expected = tmp_path / "run.npz", Tiny().fit().all_of_it()

    def at(number, true, words):
        calls = []

        def called(*arguments):
            result = true(*arguments)
            calls.append(1)
            if len(calls) == number:
                raise KeyboardInterrupt(words)
            return result

        return called

    stepped = at(3, Adam.step, "first")  # when all parameters have moved
    monkeypatch.setattr(Adam, "step", lambda *arguments: stepped(*arguments))
    monkeypatch.setattr(module, name, at(call, getattr(module, name), "second"))
    training = Tiny()
    with pytest.raises(KeyboardInterrupt, match="second") as caught:
        training.fit(path)
    assert finished_steps(training, caught.value, undisturbed) == 2
    monkeypatch.undo()
    assert Tiny().fit(path).all_of_it() == expected


def test_a_training_that_diverges_after_a_resumption_ends_with_the_same_parameters(tmp_path):
    """The parameters that gave the last good loss are those before the last step: kept, too."""
    x, t = data()
    x[np.random.default_rng(0).permutation(43)[8 * 3]] = np.nan  # in the fourth step
    expected, path = Training(), tmp_path / "run.npz"
    with pytest.raises(DivergenceError) as caught:
        expected.fit(set=(x, t), validation=None)
    interrupted(Training(), 4, path, set=(x, t))
    kept, resumed = state_in(path), Training()
    with pytest.raises(DivergenceError) as again:
        resumed.fit(path, set=(x, t), validation=None)
    assert str(again.value) == str(caught.value) and "at step 4" in str(again.value)
    assert again.value.history == caught.value.history
    assert bits_of(resumed.network.params) == bits_of(expected.network.params)
    assert state_in(path) == kept and len(storage.read(path)["history"]["loss"]) == 3


class Explodes(Recorded):
    """Recorded, whose sixth step, the last of the first epoch, makes the next loss overflow."""

    def step(self, params, grads):
        super().step(params, grads)
        if len(self.states) == 1 + 6:
            for name in ("conv1.w", "dense1.w"):
                params[name] *= 1e30


def test_an_evaluation_is_no_step():
    """The evaluation after the epoch must not pass for the step that gave the last good loss."""
    training = Training(Explodes())
    with pytest.raises(DivergenceError, match="at step 7"):
        training.fit()
    assert bits_of(training.network.params) == training.optimizer.states[5]


# Two trainings with one file

TAKEN = r"run\.npz was written by another program meanwhile.*Give each training a path of its own"


class Meets(Adam):
    """An Adam, also in a file, that lets something happen before step `at`: another one begins."""

    def __init__(self, at, happens):
        super().__init__(0.01)
        self.at, self.happens = at, happens

    def step(self, params, grads):
        self.at -= 1
        if self.at == 0:
            self.happens()
        super().step(params, grads)

    def config(self):
        return Adam(0.01).config()


Meets.__name__ = "Adam"


@pytest.mark.parametrize("at", [1, 2, 3])
def test_the_training_that_began_first_stops_and_the_other_goes_on(at, undisturbed, tmp_path):
    """The first keeps all that it has, and leaves the file to the other."""
    path, expected, others = tmp_path / "run.npz", Tiny().fit().all_of_it(), []

    first = Tiny(Meets(at, lambda: others.append(Tiny().fit(path))))
    with pytest.raises(DataError, match=TAKEN) as caught:
        first.fit(path)
    # Every ten seconds it looks: here at the end, when all steps are taken.
    assert finished_steps(first, caught.value, undisturbed) == 4
    (other,) = others
    assert other.all_of_it() == expected
    assert Tiny().fit(path).all_of_it() == expected  # the file is the other's


def test_one_stops_at_the_next_writing_and_a_third_may_begin(undisturbed, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", -1)
    path = tmp_path / "run.npz"
    true, depth = storage.write, []

    def write(*arguments):
        """Before the third writing of the first two, another training begins."""
        depth.append(1)
        if len(depth) in (3, 6):
            trainings.append(Tiny().fit(path))
        true(*arguments)

    trainings = []
    monkeypatch.setattr(storage, "write", write)
    first = Tiny()
    with pytest.raises(DataError, match=TAKEN) as caught:
        first.fit(path)
    assert finished_steps(first, caught.value, undisturbed) == 2
    monkeypatch.undo()
    assert trainings and trainings[0].all_of_it() == Tiny().fit().all_of_it()


@pytest.mark.parametrize("name", ["savez", "fsync", "replace"])
def test_one_that_is_in_the_middle_of_writing_gives_way(name, tmp_path, monkeypatch):
    """The other one sweeps its half file away; the reason is the other one, not the disk."""
    module, path, others, calls = np if name == "savez" else os, tmp_path / "run.npz", [], []
    true = getattr(module, name)

    def before(*arguments, **keywords):
        calls.append(1)
        if len(calls) == 2:
            others.append(Tiny().fit(path))
        return true(*arguments, **keywords)

    monkeypatch.setattr(module, name, before)
    with pytest.raises(DataError, match=TAKEN):
        Tiny().fit(path)
    assert Tiny().fit(path).all_of_it() == others[0].all_of_it()
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_one_that_has_just_begun_finds_that_another_has_too(tmp_path, monkeypatch):
    """Neither has seen a file."""
    path, true, others = tmp_path / "run.npz", checkpoint.TrainingState.resume, []

    def resume(self, most):
        true(self, most)
        if not others:
            others.append(None)
            others.append(Tiny().fit(path))

    monkeypatch.setattr(checkpoint.TrainingState, "resume", resume)
    with pytest.raises(DataError, match=TAKEN):
        Tiny().fit(path)
    assert Tiny().fit(path).all_of_it() == others[1].all_of_it()


def test_a_file_that_is_gone_is_written_again(tmp_path):
    path = tmp_path / "run.npz"
    Tiny(Adam(0.01)).fit(path)
    training = Tiny()
    true = training.network.backward
    training.network.backward = lambda *arguments: (path.unlink(missing_ok=True), true(*arguments))[
        1
    ]
    training.fit(path, epochs=3)
    assert Tiny().fit(path, epochs=3).all_of_it() == training.all_of_it()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to begin a process in no time")
def test_two_trainings_at_once_that_are_killed(tmp_path):
    """Two programs begin again and again with one file, and die at lines of Python; one ends."""
    result = program(
        """
import threading
from tqdm.auto import tqdm
Training().fit(epochs=1)
tqdm.set_lock(threading.RLock())
path, draw, counts = {path!r}, np.random.default_rng(0), dict(killed=0, told=0, ended=0, read=0)
def die(): os.kill(os.getpid(), 9)
def epoch(): Training().fit(path + ".other", epochs=1)
longest = before_line(math.inf, die, epoch)
while not counts["ended"]:
    running = set()
    for _ in range(2):
        line, child = draw.integers(longest), os.fork()
        if child == 0:
            try:
                before_line(line, die, lambda: Training().fit(path, epochs=3))
            except DataError as error:
                assert "was written by another program meanwhile" in str(error), error
                os._exit(3)
            os._exit(0)
        running.add(child)
    while running:
        if os.path.exists(path):
            storage.read(path)
            counts["read"] += 1
        for child in list(running):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                running.discard(child)
                assert status in (0, 9, 3 << 8), status
                counts[dict([(0, "ended"), (9, "killed"), (3 << 8, "told")])[status]] += 1
print(json.dumps([counts, Training().fit(path, epochs=3).all_of_it()[1]]))
""",
        path=str(tmp_path / "run.npz"),
    )
    counts, found = json.loads(result.stdout)
    print(counts)
    assert counts["killed"] > 0  # how many are told depends on which core is faster
    resumed = Training().fit(tmp_path / "run.npz", epochs=3)
    assert resumed.all_of_it() == Training().fit(epochs=3).all_of_it()
    assert found == resumed.all_of_it()[1]
    assert {p.name for p in tmp_path.glob("run.npz*")} == {"run.npz", "run.npz.other"}


# A full disk


@pytest.mark.parametrize("after", range(1, 6))
def test_a_disk_that_is_full_in_the_middle(after, undisturbed, tmp_path, monkeypatch):
    """History and parameters are those of the last step, the file that of the last writing."""
    monkeypatch.setattr(checkpoint, "EVERY", -1)
    path, opened = tmp_path / "run.npz", []

    def disk(name):
        opened.append(name)
        return Full(name, 10**6 if len(opened) <= after else 700)

    monkeypatch.setattr(files, "open", new_files(disk), raising=False)
    training = Tiny()
    with pytest.raises(
        DataError, match=r"run\.npz cannot be written.*No space left.*has room"
    ) as caught:
        training.fit(path)
    steps = finished_steps(training, caught.value, undisturbed)
    # One writing before the first step, then one after each, and one at the end.
    assert steps == min(after, 4) and storage.read(path)["lengths"]["loss"] == after - 1
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]
    monkeypatch.undo()
    assert training.fit(path).all_of_it() == Tiny().fit().all_of_it()  # there is room again
    assert Tiny().fit(path).all_of_it() == Tiny().fit().all_of_it()


def test_a_full_disk_when_an_interrupt_is_answered(undisturbed, tmp_path, monkeypatch):
    path, room = tmp_path / "run.npz", [10**6, 0]
    training = Tiny(Meets(3, interrupt))
    new = new_files(lambda name: Full(name, room.pop(0)))
    monkeypatch.setattr(files, "open", new, raising=False)
    with pytest.raises(DataError, match="No space left") as caught:
        training.fit(path)
    assert finished_steps(training, caught.value, undisturbed) == 2
    assert storage.read(path)["lengths"]["loss"] == 0  # as it began


# What a file is, and what it is not


def test_a_checkpoint_is_a_network_too(tmp_path):
    training = Training().fit(tmp_path / "run.npz")
    network = Network.load(tmp_path / "run.npz")
    assert bits_of(network.params) == bits_of(training.network.params)


def test_without_a_checkpoint_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Training().fit()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(batch=9), "batch: it is 8 there and 9 here"),
        (dict(optimizer=Adam(0.02)), "settings: it is .*'_lr': 0.01.* there and .*'_lr': 0.02"),
        (dict(optimizer=RMSprop(0.01)), "optimizer: it is Adam there and RMSprop here"),
        (dict(set=data(44)), "x, t or validation: the numbers or types are others"),
        (dict(validation=None), "x, t or validation: the numbers or types are others"),
        (dict(rng=np.random.Generator(np.random.MT19937(0))), "rng: it is PCG64 there and MT19937"),
        (dict(epochs=2), "epochs: they end at step 12, and checkpoint .* is past that"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(list(value)),
)
def test_another_training_is_refused_and_nothing_changes(changes, message, tmp_path):
    path = tmp_path / "run.npz"
    Training().fit(path)
    other, kept = Training(), path.read_bytes()
    before = bits_of(other.network.params)
    with pytest.raises(InputError, match=message):
        other.fit(path, **changes)
    assert bits_of(other.network.params) == before and other.optimizer.memory == {}
    assert path.read_bytes() == kept


def test_another_network_is_refused(tmp_path):
    Training().fit(tmp_path / "run.npz")
    other = Training()
    sequence = [Conv(3, 2, flip=True), ReLU(), MaxPool(2), Flatten(), Dense(3)]
    rng = np.random.default_rng(0)
    other.network = Network(sequence, SoftmaxCrossEntropy(), input_shape=(5, 4, 1), rng=rng)
    with pytest.raises(InputError, match="of another training: network: it is"):
        other.fit(tmp_path / "run.npz")


def test_files_that_are_no_checkpoint_are_refused_and_stay(tmp_path):
    foreign, network = tmp_path / "notes.txt", tmp_path / "network.npz"
    foreign.write_text("my only copy")
    with pytest.raises(DataError, match=r"notes\.txt cannot be read"):
        Training().fit(foreign)
    assert foreign.read_text() == "my only copy"
    small().save(network)
    kept = network.read_bytes()
    with pytest.raises(InputError, match="holds no training"):
        Training().fit(network)
    assert network.read_bytes() == kept
    truncated = tmp_path / "run.npz"
    Training().fit(truncated)
    truncated.write_bytes(truncated.read_bytes()[:-100])
    with pytest.raises(DataError, match="truncated"):
        Training().fit(truncated)
    with pytest.raises(DataError, match="cannot be written"):  # before any work
        Training().fit(tmp_path / "no" / "run.npz")


# Other arithmetic


def test_the_checkpoint_knows_threads_and_kernels(tmp_path):
    path = tmp_path / "run.npz"
    with cnnlib.threads(2):
        Training().fit(path, epochs=1)
        Training().fit(path, epochs=2)  # the same: no warning
    found = storage.read(path)["arithmetic"]
    assert found == {**arithmetic(), "threads": 2} and found["NumPy"] == np.__version__
    with pytest.warns(UserWarning, match="threads 2 there and 1 here.* last bits may differ"):
        resumed = Training().fit(path)
    Training().fit(path)  # written anew, with what is here
    for name, p in Training().fit().network.params.items():
        np.testing.assert_allclose(resumed.network.params[name], p, atol=1e-4)


@pytest.mark.parametrize("known", [True, False])
def test_other_kernels_are_said_and_unknown_ones_do_no_harm(tmp_path, monkeypatch, known):
    path, pool = tmp_path / "run.npz", {"user_api": "blas", "filepath": "numpy.libs/blas.so"}
    pool |= {"internal_api": "openblas", "version": "1", "architecture": "Haswell"}
    pools = [pool] if known else []
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: pools)
    Training().fit(path, epochs=1)
    Training().fit(path, epochs=2)
    assert arithmetic()["BLAS"] == ("openblas 1 Haswell" if known else "unknown")
    pools[:] = [{**pool, "architecture": "Zen"}]
    with pytest.warns(UserWarning, match="BLAS .* there and openblas 1 Zen here"):
        Training().fit(path)


def test_a_file_from_before_says_nothing_of_its_arithmetic(tmp_path):
    path = tmp_path / "run.npz"
    Training().fit(path, epochs=1)
    tree = storage.read(path)
    del tree["arithmetic"]
    storage.write(path, tree)
    Training().fit(path)


def test_a_relative_path_stays_where_it_was(tmp_path, monkeypatch):
    """The program goes to another folder between two writings."""
    monkeypatch.chdir(tmp_path)
    Path("other").mkdir()
    training = Training()
    training.fit("run.npz", epochs=2, schedule=lambda number: os.chdir(tmp_path / "other") or 0.1)
    assert [path.name for path in tmp_path.rglob("*.npz")] == ["run.npz"]
    assert (tmp_path / "run.npz").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the folder of a program")
def test_a_relative_path_in_a_folder_that_is_gone_is_refused(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(DataError, match="run.npz cannot be .*: the folder .* is gone"):
        Training().fit("run.npz")
    Training().fit(str(tmp_path / "run.npz"))
    assert (tmp_path / "run.npz").exists()
