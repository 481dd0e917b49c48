"""The live training of the page: its random numbers are NumPy's, its steps and frames cnnlib's."""

import json
import re
from itertools import islice

import numpy as np
import pytest
from test_training_browser import READ, compare

pytest.importorskip("anywidget")

from cnnlib.book.widgets import HOST, TrainingExplorer, live
from cnnlib.book.widgets.live import LEARNED
from cnnlib.book.widgets.recording import histogram, numbers
from cnnlib.learning import SGD, training

OWN = "Random, Learner, LiveFilm, readDigits, histogram"
SETTINGS = [
    dict(rate=0.1, batch=16, init="he", filters=4, seed=0),
    dict(rate=0.3, batch=7, init="glorot", filters=2, seed=3),
    dict(rate=0.05, batch=64, init=0.0, filters=1, seed=1),
    dict(rate=0.1, batch=299, init=1.0, filters=8, seed=2**32 - 1),
]
each_setting = pytest.mark.parametrize("settings", SETTINGS, ids=str)


@pytest.fixture(scope="module")
def page(browser):
    """A page with the functions of the explorer's module, and the digits."""
    explorer = TrainingExplorer()
    page = browser.new_page()
    page.add_script_tag(content=HOST)
    page.evaluate(
        """async ([text, state]) => {
          const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
          Object.assign(window, await import(url));
          window.digits = await readDigits(state.digits);
        }""",
        [f"{explorer.module}\nexport {{ {OWN} }};", explorer.state()],
    )
    yield page
    page.close()


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**32 - 1])
def test_the_random_numbers_are_numpys(page, seed):
    got = page.evaluate(
        """(seed) => {
          const random = new Random(seed);
          const many = (count, draw) => Array.from({ length: count }, draw);
          return [many(5, () => random.uniform()), many(4000, () => random.normal()),
            random.permutation(300), random.permutation(7), random.normal(), random.permutation(2)];
        }""",
        seed,
    )
    rng = np.random.default_rng(seed)
    assert got[0] == rng.random(5).tolist()
    np.testing.assert_allclose(got[1], rng.standard_normal(4000), rtol=1e-12)
    assert got[2:4] == [rng.permutation(300).tolist(), rng.permutation(7).tolist()]
    assert got[4] == pytest.approx(rng.standard_normal(), rel=1e-12)
    assert got[5] == rng.permutation(2).tolist()


def test_the_digits_are_those_of_python(page):
    x, t = live.digits()
    got = page.evaluate(
        "[digits.learned, digits.probe].map((all) => all.map(({ x, t }) => [[...x], t]))"
    )
    assert [len(part) for part in got] == [LEARNED, len(x) - LEARNED]
    pixels, labels = zip(*(image for part in got for image in part), strict=True)
    assert list(pixels) == x.reshape(len(x), -1).tolist() and list(labels) == t.tolist()


def test_the_shipped_digits_are_scikit_learns():
    from cnnlib.data import digits

    x, t = live.digits()
    split = digits()
    np.testing.assert_array_equal(x[:LEARNED], split.x_train[:LEARNED])
    np.testing.assert_array_equal(x[LEARNED:], split.x_test[: len(x) - LEARNED])
    assert t[:LEARNED].tolist() == split.t_train[:LEARNED].tolist()
    assert t[LEARNED:].tolist() == split.t_test[: len(x) - LEARNED].tolist()


@each_setting
def test_every_step_is_cnnlibs_number_for_number(page, settings):
    """Two epochs and more: loss and all parameters after each step."""
    rng = np.random.default_rng(settings["seed"])
    network = live.network(settings["init"], settings["filters"], rng)
    x, t = live.digits()
    steps = training.steps(
        network, x[:LEARNED], t[:LEARNED], optimizer=SGD(settings["rate"]), rng=rng,
        batch=settings["batch"],
    )  # fmt: skip
    count = 2 * -(-LEARNED // settings["batch"]) + 3
    got = page.evaluate(
        """([settings, count]) => {
          const learner = new Learner(settings, digits.learned, digits.shape);
          const params = () => Object.fromEntries(
            Object.entries(learner.params).map(([name, p]) => [name, [...p]]));
          const first = params();
          return [first, Array.from({ length: count }, () => [learner.step(), params()])];
        }""",
        [settings, count],
    )
    for name, p in network.params.items():
        np.testing.assert_allclose(got[0][name], p.ravel(), rtol=1e-12, err_msg=name)
    for step, (loss, params) in zip(islice(steps, count), got[1], strict=True):
        assert loss == pytest.approx(step.loss, rel=1e-9), step.number
        for name, p in network.params.items():
            np.testing.assert_allclose(
                params[name], p.ravel(), rtol=1e-8, atol=1e-10, err_msg=f"{name}, {step.number}"
            )


@each_setting
def test_the_film_is_the_recording(page, settings):
    film = live.run(**settings)
    last = 9  # frames: the first ones hold all there is to compare
    got = page.evaluate(
        """([settings, how, last]) => {
          const film = new LiveFilm(settings, how, digits);
          while (film.step.length < last) film.take(50);
          const { step, loss, accuracy, read, label, broken, layers, wanted } = film;
          const names = ["conv1.w", "conv1.a", "conv1.dz", "conv1.activations", "conv1.gradients",
            "dense1.activations", "dense1.gradients", "image"];
          const arrays = Object.fromEntries(names.map((name) => [name, film.at(name, last - 1)]));
          return { step, loss, accuracy, read, label, broken, layers, wanted, arrays };
        }""",
        [settings, live.FILM, last],
    )
    assert got["wanted"] == film["step"]
    assert got["label"] == film["label"] and got["broken"] is film["broken"] is None
    for name in ("step", "loss", "accuracy", "read"):
        assert got[name] == film[name][:last]
    for mine, theirs in zip(got["layers"], film["layers"], strict=True):
        assert mine == {key: v if key == "name" else v[:last] for key, v in theirs.items()}
    for array in film["arrays"]:
        name, f = array["name"], 0 if array["name"] == "image" else last - 1
        limit = array["limits"][f if len(array["limits"]) > 1 else 0]
        mine = got["arrays"][name]
        np.testing.assert_allclose(
            mine["values"], numbers(film, name)[f].ravel(), atol=limit / 126 * 1.001, err_msg=name
        )
        if "limit" in mine:
            assert mine["shape"] == array["shape"][1:]
            assert mine["limit"] <= limit * (1 + 1e-9)


def test_a_histogram_is_that_of_a_recording(page):
    values = [0, 1e-9, 1e-8, -1, 2, 20, 1e5, 3.1622776, 3.1622777]
    assert page.evaluate("(values) => histogram(values)", values) == histogram(values).tolist()


def test_numbers_that_break_end_the_film(page):
    settings = SETTINGS[0] | dict(rate=1e200)
    got = page.evaluate(
        """([settings, how]) => {
          const film = new LiveFilm(settings, how, digits);
          while (film.more) film.take();
          return [film.broken, film.step];
        }""",
        [settings, live.FILM],
    )
    assert got == [live.run(**settings)["broken"], live.run(**settings)["step"]]


# ---- On the page


def trained(page, step):
    """Wait until the film has the frame of this step."""
    page.locator(".cnn-place", has_text=re.compile(f"^{step} of")).wait_for(timeout=60_000)


def titled(page, film, step):
    """Wait until the loss of this step is shown."""
    loss = film["loss"][film["step"].index(step)]
    page.locator(".cnn-title", has_text=re.compile(f"^loss {loss:g}$")).wait_for(timeout=60_000)


def test_the_page_shows_the_numbers_of_the_run(open_page):
    page = open_page(TrainingExplorer(live=True, filters=2, filter=1, step=12))
    trained(page, 12)
    got, film = page.evaluate(READ), live.run(0.1, 16, "he", 2, 0)
    f = film["step"].index(12)
    accuracy = f"{100 * film['accuracy'][f]:.1f}%"
    assert got["titles"] == [f"loss {film['loss'][f]:g}", f"accuracy {accuracy}"]
    assert got["reading"] == f"the image, a {film['label']}, is read as {film['read'][f]}"
    assert got["place"] == "12 of 400"
    assert got["layers"] == ["conv1", "dense1"]
    assert len(got["tiles"]) == 6
    assert [name.endswith("chosen") for name in got["names"]] == [False, True] * 3
    sizes = [row[part][f] for row in film["layers"] for part in ("activations", "gradients")]
    assert all(f"size\xa0{size:g}," in text for size, text in zip(sizes, got["sizes"], strict=True))


@pytest.mark.parametrize(
    ("label", "option", "changes"),
    [
        ("learning rate", "0.3", {"rate": 0.3}),
        ("batch", "4", {"batch": 4}),
        ("first weights", "too large, 1", {"init": 1}),
        ("filters", "2", {"filters": 2}),
        ("seed", "3", {"seed": 3}),
    ],
)
def test_a_change_trains_anew_and_keeps_the_run_before(open_page, label, option, changes):
    page = open_page(TrainingExplorer(live=True, step=12, filter=1))
    trained(page, 12)
    page.get_by_label(label, exact=True).select_option(option)
    film, before = live.run(**SETTINGS[0] | changes), live.run(**SETTINGS[0])
    f = film["step"].index(12)
    titled(page, film, 12)
    curves = page.evaluate(READ)["curves"][0]
    assert f"{before['loss'][f]:g} at step 12" in curves  # dashed
    ((name, value),) = changes.items()
    assert page.evaluate("location.hash") == f"#{name}={value}"
    page.get_by_role("button", name="Undo").click()
    titled(page, before, 12)
    assert page.evaluate("location.hash") == ""


def test_play_trains_and_reset_goes_back(open_page):
    page = open_page(TrainingExplorer(live=True))
    page.get_by_role("button", name="Step", exact=True).click()
    trained(page, 1)
    page.get_by_role("button", name="Play").click()
    trained(page, 3)
    page.get_by_role("button", name="Pause").click()
    page.get_by_label("filters", exact=True).select_option("8")
    page.get_by_role("button", name="Reset").click()
    trained(page, 0)
    assert page.evaluate("location.hash") == ""
    assert page.evaluate(READ)["titles"][0] == f"loss {live.run(**SETTINGS[0])['loss'][0]:g}"


def test_the_recordings_and_the_live_one_change_places(open_page):
    explorer = TrainingExplorer(step=125)
    page = open_page(explorer)
    page.get_by_role("radio", name="live").check()
    trained(page, 117)  # the last frame until then
    assert page.evaluate("location.hash") == "#live=true"
    assert page.get_by_label("learning rate").is_visible()
    page.get_by_role("radio", name="He, Adam").check()
    assert page.get_by_label("learning rate").is_hidden()
    compare(page.evaluate(READ), explorer)


def test_a_value_that_no_menu_offers_is_shown(open_page):
    page = open_page(TrainingExplorer(live=True, rate=0.07, init=0.25))
    menus = {"learning rate": "0.07", "first weights": "0.25"}
    for label, text in menus.items():
        select = page.get_by_label(label, exact=True)
        assert select.evaluate("(one) => one.selectedOptions[0].textContent") == text


# ---- The pass that opens a page


def test_a_page_opens_on_one_quiet_pass_and_a_touch_ends_it(open_page):
    page = open_page(TrainingExplorer(), reduced_motion="no-preference")
    page.locator(".cnn-place", has_text=re.compile("^[1-9]")).wait_for()
    assert page.locator(".cnn-sum").get_attribute("aria-live") == "off"
    assert page.evaluate("location.hash") == ""
    page.locator(".cnn-name").click()
    assert page.evaluate(READ)["place"] == "0 of 1250"
    assert page.locator(".cnn-sum").get_attribute("aria-live") == "polite"
    assert page.evaluate("location.hash") == ""


def test_the_pass_comes_to_its_end_and_back(open_page):
    page = open_page(TrainingExplorer(recordings=["zero"], step=3), reduced_motion="no-preference")
    page.evaluate(
        """() => {
          const place = document.querySelector(".cnn-place");
          window.places = [];
          new MutationObserver(() => places.push(Number.parseInt(place.textContent, 10)))
            .observe(place, { childList: true, characterData: true, subtree: true });
        }"""
    )
    page.locator('.cnn-sum[aria-live="polite"]').wait_for(timeout=60_000)
    places = page.evaluate("places")
    assert places[-2:] == [1250, 3] and places[:-1] == sorted(places[:-1])
    assert len(places) > 10
    assert page.evaluate("location.hash") == ""


# ---- In Python


def test_the_state_makes_the_same_run_in_python():
    explorer = TrainingExplorer(live=True, filters=2, seed=3, step=400, filter=1)
    assert explorer.film == live.run(0.1, 16, "he", 2, 3)
    assert "after 400 of 400 steps" in explorer.alt
    again = TrainingExplorer(**json.loads(json.dumps(explorer.payload()["traits"])))
    assert again.state() == explorer.state()
    assert explorer.address() == "filter=1&filters=2&live=true&seed=3&step=400"
    assert explorer.draw().axes
    explorer.live = False
    assert (explorer.step, explorer.filter) == (400, 1)
    explorer.step = 1250
    explorer.live = True
    assert explorer.step == 0
