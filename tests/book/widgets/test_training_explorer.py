"""The TrainingExplorer in Python: traits, what it refuses, what it carries, and its still."""

import base64
import io
import json
import zlib

import numpy as np
import pytest

pytest.importorskip("anywidget")

from PIL import Image
from traitlets import TraitError

from cnnlib.book.figures import png
from cnnlib.book.widgets import TrainingExplorer
from cnnlib.book.widgets.recording import load, numbers, read_recording, record, shipped
from cnnlib.learning.layers import Conv, Dense, Flatten, ReLU
from cnnlib.learning.losses import SoftmaxCrossEntropy
from cnnlib.learning.network import Network
from cnnlib.learning.optimizers import SGD


@pytest.fixture(scope="module")
def mine():
    """A reader's own recording: another network, other steps, and one convolution."""
    rng = np.random.default_rng(3)
    x, t = rng.random((40, 6, 5, 1)), rng.integers(0, 2, 40)
    layers = [Conv(3, 2), ReLU(), Flatten(), Dense(2)]
    network = Network(layers, SoftmaxCrossEntropy(), input_shape=(6, 5, 1), rng=rng)
    return record(
        network, x, t, optimizer=SGD(0.1), steps=20, rng=rng, probe=(x, t), title="mine", frames=9
    )


def test_what_is_shown_is_the_last_frame_until_the_step():
    explorer = TrainingExplorer(recordings=["adam"])
    for step, frame in [(0, 0), (1, 1), (11, 10), (12, 11), (1249, -2), (1250, -1)]:
        explorer.step = step
        assert explorer.frame == frame % 50
    assert load("adam")["step"][9:13] == [9, 10, 12, 13]


def test_the_text_says_what_the_recording_says():
    film = load("sigmoid")
    explorer = TrainingExplorer(recordings=["adam", "sigmoid"], shown=1, step=300, layer="conv2")
    assert explorer.film == film
    f = film["step"].index(292)
    w = np.abs(numbers(film, "conv2.w")[f]).max()
    for said in (
        f"'sigmoids' after 292 of 1250 steps: loss {film['loss'][f]}, accuracy 77.7%;",
        f"a 3 is read as {film['read'][f]}.",
        f"kernels of conv2 (up to {w:.2g})",
    ):
        assert said in explorer.alt
    assert repr(explorer) == f"TrainingExplorer: {explorer.alt}"


def test_a_switch_keeps_the_step_the_layer_and_the_filter():
    explorer = TrainingExplorer(recordings=["adam", "zero"], step=92, layer="conv2", filter=5)
    seen = []
    explorer.observe(lambda change: seen.append((change.name, change.new)))
    explorer.shown = 1
    assert seen == [("shown", 1)]
    assert (explorer.step, explorer.layer, explorer.filter) == (92, "conv2", 5)


REFUSED = [
    ({"shown": 2}, "shown is 2; expected 0 to 1"),
    ({"shown": -1}, "shown is -1; expected 0 to 1"),
    ({"step": 1251}, "step is 1251; expected 0 to 1250"),
    ({"layer": "conv3"}, "layer is 'conv3'; expected one of conv1, conv2"),
    ({"layer": "dense1"}, "layer is 'dense1'; expected one of conv1, conv2"),
    ({"filter": 4}, "filter is 4; expected 0 to 3"),
    ({"recordings": ["best"]}, "name is 'best'; expected 'adam', "),
    ({"recordings": []}, "recordings has 0 entries; expected one or two"),
    ({"recordings": ["adam"] * 3}, "recordings has 3 entries"),
    ({"recordings": [{"format": "cnnlib recording 0"}]}, "expected a name or what `record`"),
    ({"recordings": [7]}, "expected a name or what `record`"),
    ({"rate": 0}, "rate is 0; expected a positive finite number"),
    ({"batch": 0}, "batch is 0; expected at least 1"),
    ({"init": "best"}, "init is 'best'; expected 'he' or 'glorot'"),
    ({"init": 11}, "init is 11; expected 'he', 'glorot' or a number from 0 to 10"),
    ({"filters": 9}, "filters is 9; expected at most 8"),
    ({"seed": -1}, "seed is -1; expected at least 0"),
    ({"live": "yes"}, "live is 'yes'; expected True or False"),
    ({"recordings": [{"format": "cnnlib recording 1"}]}, "no whole recording: it has no 'step'"),
]


@pytest.mark.parametrize(("wrong", "reason"), REFUSED, ids=str)
def test_what_cannot_be_is_refused_and_the_state_stays(wrong, reason):
    with pytest.raises(TraitError, match=reason.replace("(", r"\(")):
        TrainingExplorer(**wrong)
    explorer = TrainingExplorer()
    before = explorer.state()
    ((name, value),) = wrong.items()
    with pytest.raises(TraitError):
        setattr(explorer, name, value)
    assert explorer.state() == before


def test_filters_are_those_of_the_layer():
    explorer = TrainingExplorer(layer="conv2", filter=5)
    explorer.layer = "conv1"  # has four
    assert explorer.filter == 0
    explorer.filter = 3
    explorer.layer = "conv2"
    assert explorer.filter == 3


def test_the_payload_has_names_and_the_state_has_the_data():
    explorer = TrainingExplorer(recordings=["adam", "sigmoid"], step=5)
    payload = explorer.payload()
    assert payload["traits"] == {
        "recordings": ["adam", "sigmoid"], "shown": 0, "step": 5, "layer": "conv1", "filter": 0,
        "live": False, "rate": 0.1, "batch": 16, "init": "he", "filters": 4, "seed": 0,
    }  # fmt: skip
    assert explorer.state()["data"] == {name: load(name) for name in ("adam", "sigmoid")}
    assert len(json.dumps(explorer.state())) < 105_000
    assert explorer.address() == "recordings=adam,sigmoid&step=5"


def test_a_readers_own_recording_is_kept_whole_and_once(mine):
    explorer = TrainingExplorer(recordings=["adam", mine], shown=1, step=30)
    assert explorer.film == mine and explorer.frame == len(mine["step"]) - 1
    payload = json.loads(json.dumps(explorer.payload()))
    assert payload["traits"]["recordings"] == ["adam", mine]
    assert set(explorer.state()["data"]) == {"adam"}
    again = TrainingExplorer(**payload["traits"])
    assert again.state() == explorer.state()
    assert "'mine' after 20 of 20 steps" in again.alt
    with pytest.raises(TraitError, match="filter is 3; expected 0 to 2"):  # mine has three
        explorer.filter = 3
    with pytest.raises(TraitError, match="expected one of conv1"):  # and one convolution
        explorer.layer = "conv2"


def test_other_recordings_keep_what_fits_them(mine):
    explorer = TrainingExplorer(
        recordings=["adam", "sgd"], shown=1, step=900, layer="conv2", filter=5
    )
    explorer.recordings = ["adam", "zero"]
    assert set(explorer.data) == {"adam", "zero"}
    assert (explorer.shown, explorer.step, explorer.layer, explorer.filter) == (1, 900, "conv2", 5)
    explorer.recordings = [mine]
    assert explorer.data == {}
    assert (explorer.shown, explorer.step, explorer.layer, explorer.filter) == (0, 0, "conv1", 0)


def test_recordings_that_share_no_layer_are_refused(mine):
    other = json.loads(json.dumps(mine).replace("conv1", "conv9"))
    with pytest.raises(TraitError, match="no convolution"):
        TrainingExplorer(recordings=["adam", other])


@pytest.mark.parametrize(
    ("name", "step", "layer"), [("adam", 0, "conv1"), ("sigmoid", 300, "conv2")]
)
def test_the_still_is_small(name, step, layer):
    explorer = TrainingExplorer(recordings=[name, "large"], step=step, layer=layer)
    picture = png(explorer.draw())
    assert len(picture) < 30_000
    assert Image.open(io.BytesIO(picture)).width > 500


def test_the_still_draws_the_numbers_of_the_recording():
    explorer = TrainingExplorer(recordings=["adam", "large"], step=125)
    film, f = explorer.film, explorer.frame
    axes = {ax.get_ylabel() or ax.get_title().split()[0]: ax for ax in explorer.draw().axes}
    for name in ("loss", "accuracy"):
        first, second, dot = axes[name].lines
        assert first.get_xydata().T.tolist() == [film["step"], film[name]]
        assert second.get_ydata().tolist() == load("large")[name]
        assert dot.get_xydata().tolist() == [[125, film[name][f]]]
    w, a, dz = (numbers(film, f"conv1.{part}")[f] for part in ("w", "a", "dz"))
    for label, tiles in [
        ("kernels", [w[k, ..., 0] for k in range(4)]),
        ("maps", [a[..., k] for k in range(4)]),
        ("deltas", [dz[..., k] for k in range(4)]),
    ]:
        (image,) = axes[label].images
        got = np.asarray(image.get_array())
        H, W = tiles[0].shape
        for k, tile in enumerate(tiles):
            assert (got[:H, k * (W + 1) : k * (W + 1) + W] == tile).all()


def test_channels_stand_in_a_square():
    from cnnlib.book.widgets.training import _squares

    w = np.arange(1 * 2 * 1 * 3).reshape(1, 2, 1, 3)  # one filter, 2 by 1, three channels
    n = np.nan
    expected = [[0, n, 1, n], [3, n, 4, n], [n] * 4, [2, n, n, n], [5, n, n, n], [n] * 4]
    np.testing.assert_array_equal(_squares(w.astype(float))[0], expected)


FORGED = {
    "a missing part": ("it has no 'title'", lambda film: film.pop("title")),
    "too few losses": ("finite numbers, one for each step", lambda film: film["loss"].pop()),
    "an infinite loss": ("loss is not", lambda film: film["loss"].__setitem__(2, 1e999)),
    "words for numbers": ("could not convert", lambda film: film["loss"].__setitem__(2, "low")),
    "steps that fall": ("step does not rise", lambda film: film["step"].reverse()),
    "no steps": ("step does not rise", lambda film: film["step"].clear()),
    "a step of 1.5": ("step is 99.5", lambda film: film["step"].__setitem__(-1, 99.5)),
    "no bytes": ("bytes hold 0 numbers", lambda film: film.update(bytes="eJwDAAAAAAE=")),
    "bytes of another kind": ("", lambda film: film.update(bytes="AAAA")),
    "a larger shape": ("shape", lambda film: film["arrays"][1]["shape"].append(7)),
    "a bomb": ("arrays name", lambda film: film.update(bytes=BOMB)),
    "no map": ("", lambda film: film["arrays"].remove(film["arrays"][0])),
    "a layer without sizes": ("activations", lambda film: film["layers"][0].pop("activations")),
    "a title of 7": ("title is 7", lambda film: film.update(title=7)),
    "layers of 7": ("", lambda film: film.update(layers=7)),
    "arrays of 7": ("", lambda film: film.update(arrays=7)),
    "a limit of infinity": (
        "not finite",
        lambda film: film["arrays"][0]["limits"].__setitem__(0, 1e999),
    ),
}
BOMB = base64.b64encode(zlib.compress(bytes(10**8), 1)).decode()


@pytest.mark.parametrize(("reason", "forge"), FORGED.values(), ids=FORGED)
def test_a_forged_recording_is_refused_in_a_sentence(mine, reason, forge):
    film = json.loads(json.dumps(mine))
    TrainingExplorer(recordings=[film])
    forge(film)
    with pytest.raises(TraitError) as refused:
        TrainingExplorer(recordings=[film])
    said = str(refused.value)
    assert said.startswith("recordings is no whole recording: ") and reason in said
    assert said.endswith("; expected a name or what `record` returns")
    assert len(said) < 300 and "\n" not in said


def test_every_shipped_recording_is_whole():
    for name in shipped():
        assert read_recording(name, load(name))["title"]
