"""The TrainingExplorer in a browser: every number and every pixel against the recording."""

import re

import numpy as np
import pytest

pytest.importorskip("anywidget")

from traitlets import TraitError

from cnnlib.book.widgets import HOST, TrainingExplorer
from cnnlib.book.widgets.recording import load, numbers, record
from cnnlib.learning.layers import Conv, Dense, Flatten, Tanh
from cnnlib.learning.losses import SoftmaxCrossEntropy
from cnnlib.learning.network import Network
from cnnlib.learning.optimizers import SGD

# What a reader can read, and the colour of one pixel in each cell of each picture, beside the dash.
READ = """() => {
  const texts = (selector) => [...document.querySelectorAll(selector)].map((n) => n.textContent);
  const pixels = (canvas) => {
    const side = Number(canvas.dataset.side);
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    return Array.from({ length: height / side }, (_, r) =>
      Array.from({ length: width / side }, (_, c) => {
        const first = 4 * side * (r * width + c);
        return [...data.slice(first, first + 4)];
      }));
  };
  const cells = [...document.querySelectorAll('[role="gridcell"]')];
  return {
    titles: texts(".cnn-curves .cnn-title"),
    curves: [...document.querySelectorAll(".cnn-curves svg")].map((n) => n.ariaLabel),
    place: texts(".cnn-place")[0],
    valuetext: document.querySelector('input[type="range"]').getAttribute("aria-valuetext"),
    reading: texts(".cnn-reading")[0],
    said: texts(".cnn-sum")[0],
    scales: texts(".cnn-note")[0],
    sizes: texts(".cnn-histograms td"),
    layers: texts(".cnn-histograms tbody th"),
    bars: [...document.querySelectorAll(".cnn-histograms td")].map((cell) =>
      [...cell.querySelectorAll(".zeros, path:first-child")].map((n) => n.getAttribute("d"))),
    image: pixels(document.querySelector('canvas[role="img"]')),
    names: cells.map((n) => n.ariaLabel),
    tiles: cells.map((n) => pixels(n.querySelector("canvas"))),
    checked: texts("label:has(input:checked)").map((text) => text.trim()),
    hash: location.hash,
  };
}"""


def color(value, limit, signed):
    share = min(1, abs(value) / limit) if limit else 0
    full = (255, 255, 255) if not signed else (33, 102, 172) if value < 0 else (178, 24, 43)
    none = 255 if signed else 0
    return [none + share * (part - none) for part in full] + [255]


def same_picture(pixels, values, limit, signed):
    """Values (H, W, C): the channels stand in a square, with gaps where nothing is painted."""
    H, W, C = values.shape
    side = int(np.ceil(np.sqrt(C)))
    rows = -(-C // side)
    expected = np.zeros((rows * (H + 1) - 1, side * (W + 1) - 1, 4))
    for h, w, c in np.ndindex(H, W, C):
        place = c // side * (H + 1) + h, c % side * (W + 1) + w
        expected[place] = color(values[h, w, c], limit, signed)
    assert np.shape(pixels) == expected.shape
    np.testing.assert_allclose(pixels, expected, rtol=0, atol=0.51)


def short(value):
    return float(f"{value:.2g}")


def spans(text):
    """The numbers of 'from a to b', or of 'all a' twice."""
    found = re.findall(r"from (\S+) to (\S+?)[,.]?(?=$|[ \n])|all (\S+?)[,.]?(?=$|[ \n])", text)
    return [(float(a), float(b)) if a else (float(c), float(c)) for a, b, c in found]


def compare(got, explorer):
    """Everything on the page with the recording."""
    film, f, layer, k = explorer.film, explorer.frame, explorer.layer, explorer.filter
    step, loss = film["step"][f], film["loss"][f]
    accuracy = f"{100 * film['accuracy'][f]:.1f}%"
    assert got["place"] == f"{step} of {film['step'][-1]}"
    assert got["valuetext"] == f"step {step}"
    assert got["titles"] == [f"loss {loss:g}", f"accuracy {accuracy}"]
    assert got["reading"] == f"the image, a {film['label']}, is read as {film['read'][f]}"
    first, second = got["said"].split("\n")
    assert first == (
        f"{film['title']}, step {step}: loss {loss:g}, accuracy {accuracy}; "
        f"the {film['label']} is read as {film['read'][f]}."
    )
    assert second.startswith(f"{layer}, filter {k}: weights ")
    assert got["checked"] == [film["title"], layer]

    same_picture(got["image"], numbers(film, "image")[0], film["arrays"][-1]["limits"][0], False)
    w, a, dz = (numbers(film, f"{layer}.{part}")[f] for part in ("w", "a", "dz"))
    limits = {array["name"]: array["limits"] for array in film["arrays"]}
    most = max(limits[f"{layer}.w"]), limits[f"{layer}.a"][f], limits[f"{layer}.dz"][f]
    count = len(got["tiles"]) // 3
    tiles = [*w[:count], *np.moveaxis(a, -1, 0)[:count, ..., None]]
    tiles += [*np.moveaxis(dz, -1, 0)[:count, ..., None]]
    for m, (tile, pixels, name) in enumerate(zip(tiles, got["tiles"], got["names"], strict=True)):
        part, filter = divmod(m, count)
        same_picture(pixels, tile, most[part], signed=part != 1 or a.min() < 0)
        span = short(tile.min()), short(tile.max())
        assert name.startswith(f"{('kernel', 'map', 'delta')[part]} {filter}, ")
        assert spans(name.removesuffix(", chosen")) == [span]
        assert name.endswith(", chosen") == (filter == k)
        if filter == k:
            assert spans(second)[part] == span
    scales = re.findall(r"(?:kernels|maps|deltas) ([-+.e\d]*\d)", got["scales"])
    assert [float(scale) for scale in scales] == [short(limit) for limit in most]

    assert got["layers"] == [row["name"] for row in film["layers"]]
    parts = [(row, part) for row in film["layers"] for part in ("activations", "gradients")]
    for text, (others, zeros), (row, part) in zip(got["sizes"], got["bars"], parts, strict=True):
        shares = numbers(film, f"{row['name']}.{part}")[f]
        size, percent = re.fullmatch(r".*size\s(\S+), zeros\s(.+)%", text).groups()
        assert float(size) == row[part][f]
        over = shares[0] > 0.994 and row[part][f] > 0
        assert percent == ("over 99" if over else f"{int(100 * shares[0] + 0.5)}")
        heights = re.findall(r"M(\d+) 40v-([\d.]+)h", zeros + others)
        places = [0 if x == "2" else (int(x) - 12) // 6 + 1 for x, _ in heights]
        assert places == np.flatnonzero(shares > 0).tolist()
        expected = 38 * np.sqrt(shares[places])
        np.testing.assert_allclose([float(h) for _, h in heights], expected, atol=1e-9)


def freeze(page):
    """From now on, time passes in `page.clock.run_for` alone."""
    page.clock.install(time=0)
    page.clock.pause_at(1000)


@pytest.fixture(scope="module")
def mine():
    """A recording with other steps, shapes and signs than the shipped ones; it breaks."""
    rng = np.random.default_rng(3)
    x, t = rng.random((40, 7, 5, 2)), rng.integers(0, 3, 40)
    layers = [Conv(3, (3, 2)), Tanh(), Flatten(), Dense(3)]
    network = Network(
        layers, SoftmaxCrossEntropy(), input_shape=(7, 5, 2), rng=rng, dtype=np.float64
    )
    film = record(
        network, x, t, optimizer=SGD(1e307), steps=200, rng=rng, probe=(x, t), title="mine"
    )
    assert film["broken"]
    return film


STATES = [
    {},
    {"step": 125, "filter": 3},
    {"recordings": ["adam", "sigmoid"], "shown": 1, "step": 300, "layer": "conv2", "filter": 2},
    {"recordings": ["sgd", "zero"], "shown": 1, "step": 1250, "layer": "conv2"},
    {"recordings": ["large"], "step": 1249, "filter": 1},
]


@pytest.mark.parametrize("state", STATES, ids=str)
def test_every_number_is_the_recordings(open_page, state):
    explorer = TrainingExplorer(**state)
    compare(open_page(explorer).evaluate(READ), explorer)


def test_a_readers_own_recording_is_shown_with_the_step_where_it_breaks(open_page, mine):
    last = mine["step"][-1]
    explorer = TrainingExplorer(recordings=[mine, "adam"], step=last, filter=2)
    page = open_page(explorer)
    got = page.evaluate(READ)
    ended = f" Then it breaks: at step {mine['broken']} numbers are no longer finite."
    assert got["said"].endswith(ended)
    compare(got | {"said": got["said"].removesuffix(ended)}, explorer)
    page.get_by_role("radio", name="He, Adam").check()
    explorer.shown = 1
    compare(page.evaluate(READ), explorer)
    # Beyond its end the other one stays at its last frame.
    page.get_by_role("slider").press("End")
    label = page.evaluate(READ)["curves"][0]
    assert f"{mine['loss'][-1]:g} at step {last}" in label
    assert f"{load('adam')['loss'][-1]} at step 1250" in label


def test_slider_keys_and_buttons_scrub_through_all_frames(open_page):
    explorer = TrainingExplorer(recordings=["adam", "sgd"])
    page = open_page(explorer)
    slider = page.get_by_role("slider")
    steps = load("adam")["step"]
    for key, frame in [
        ("ArrowRight", 1), ("ArrowUp", 2), ("ArrowLeft", 1), ("End", 49), ("Home", 0),
    ]:  # fmt: skip
        slider.press(key)
        explorer.step = steps[frame]
        compare(page.evaluate(READ), explorer)
    page.get_by_role("button", name="Step", exact=True).click()
    assert page.evaluate(READ)["place"] == "1 of 1250"
    slider.evaluate("node => { node.value = 31; node.dispatchEvent(new Event('input')); }")
    explorer.step = steps[31]
    compare(page.evaluate(READ), explorer)
    assert page.evaluate("location.hash") == f"#step={steps[31]}"
    said = page.locator(".cnn-sum")
    texts = [slider.press("ArrowLeft") or said.text_content() for _ in range(31)]
    assert len(set(texts)) == 31


def test_play_steps_quietly_and_stops_at_the_end(open_page):
    page = open_page(TrainingExplorer(step=870), reduced_motion="no-preference")
    page.locator(".cnn-name").click()  # ends the pass that opens the page
    freeze(page)
    play = page.get_by_role("button", name="Play")
    said = page.locator(".cnn-sum")
    play.click()
    assert said.get_attribute("aria-live") == "off"
    page.clock.run_for(450)
    assert page.evaluate(READ)["place"] == "981 of 1250"
    page.get_by_role("button", name="Pause").click()
    assert said.get_attribute("aria-live") == "polite"
    page.clock.run_for(2000)
    assert page.evaluate(READ)["place"] == "981 of 1250"
    play.click()
    page.clock.run_for(5000)
    assert page.evaluate(READ)["place"] == "1250 of 1250"
    assert said.get_attribute("aria-live") == "polite"
    play.click()  # again, from the beginning
    page.clock.run_for(850)
    assert page.evaluate(READ)["place"] == "1 of 1250"


def test_play_is_slower_where_less_motion_is_wanted(open_page):
    page = open_page(TrainingExplorer(), reduced_motion="reduce")
    freeze(page)
    page.get_by_role("button", name="Play").click()
    page.clock.run_for(850)
    assert page.evaluate(READ)["place"] == "1 of 1250"


def test_a_switch_keeps_step_layer_and_filter(open_page):
    state = {"step": 60, "layer": "conv2", "filter": 4}
    page = open_page(TrainingExplorer(recordings=["adam", "sigmoid"], **state))
    for shown, title in [(1, "sigmoids"), (0, "He, Adam")]:
        page.get_by_role("radio", name=title).check()
        explorer = TrainingExplorer(recordings=["adam", "sigmoid"], shown=shown, **state)
        compare(page.evaluate(READ), explorer)
        assert page.evaluate("location.hash") == ("#shown=1" if shown else "")
    page.get_by_role("radio", name="conv1").check()  # it has four filters
    explorer = TrainingExplorer(recordings=["adam", "sigmoid"], step=60, filter=3)
    compare(page.evaluate(READ), explorer)


def test_a_place_on_the_curves_is_a_step(open_page):
    explorer = TrainingExplorer()
    page = open_page(explorer)
    for n, step in [(0, 0), (1, 10), (0, 1250), (1, 111)]:
        chart = page.locator(".cnn-curves svg").nth(n)
        box = chart.bounding_box()
        x = (44 + 306 * np.log1p(step) / np.log1p(1250)) / 360 * box["width"]
        chart.click(position={"x": x, "y": box["height"] / 2})
        explorer.step = step
        compare(page.evaluate(READ), explorer)
    dots = page.locator(".cnn-curves .dot").evaluate_all(
        "nodes => nodes.map((n) => n.getAttribute('transform').match(/[-.\\d]+/g).map(Number))"
    )
    films = [load("adam"), load("large")]
    f = films[0]["step"].index(111)
    logs = np.log([loss for film in films for loss in film["loss"]])
    low, high = logs.min() - np.log(1.5), logs.max() + np.log(1.5)
    ys = [(np.log(film["loss"][f]) - low) / (high - low) for film in films]
    ys += [film["accuracy"][f] for film in films]
    np.testing.assert_allclose([y for _, y in dots], 156 - 144 * np.array(ys), atol=1e-6)
    np.testing.assert_allclose([x for x, _ in dots], 44 + 306 * np.log(112) / np.log(1251))
    ticks = page.evaluate(
        """() => [...document.querySelector(".cnn-curves").querySelectorAll("text")]
            .map((n) => [n.textContent, n.getAttribute("x"), n.getAttribute("y")])"""
    )
    ups, overs = [
        [tick for tick in ticks if tick[axis] == at] for axis, at in ((1, "39"), (2, "171"))
    ]
    assert [text for text, *_ in ups] == ["1", "10", "100"]
    places = [(np.log(float(text)) - low) / (high - low) for text, *_ in ups]
    np.testing.assert_allclose([float(y) - 4 for *_, y in ups], 156 - 144 * np.array(places))
    assert [text for text, *_ in overs] == ["0", "1", "10", "100", "1000"]
    places = [np.log1p(float(text)) / np.log(1251) for text, *_ in overs]
    np.testing.assert_allclose([float(x) for _, x, _ in overs], 44 + 306 * np.array(places))


def test_the_choice_moves_by_click_and_keys_and_lights_its_column(open_page):
    explorer = TrainingExplorer(step=125)
    page = open_page(explorer)
    cells = page.get_by_role("gridcell")
    cells.nth(4 + 2).click()  # map 2
    explorer.filter = 2
    for key, filter in [("ArrowRight", 3), ("ArrowRight", 3), ("ArrowUp", 3), ("Home", 0)]:
        page.keyboard.press(key)
        explorer.filter = filter
        page.mouse.move(1, 1)
        compare(page.evaluate(READ), explorer)
    for column in (1, 0):
        cells.nth(8 + column).hover()
        lit = cells.evaluate_all("nodes => nodes.map((n) => n.classList.contains('partner'))")
        assert np.flatnonzero(lit).tolist() == [column, 4 + column, 8 + column]
    page.mouse.move(1, 1)
    assert page.locator(".partner").count() == 0
    assert page.evaluate("location.hash") == ""


def test_the_address_says_the_state_or_why_not(open_page):
    page = open_page(TrainingExplorer(), address="#shown=1&step=300&layer=conv2&filter=5")
    compare(page.evaluate(READ), TrainingExplorer(shown=1, step=300, layer="conv2", filter=5))
    page = open_page(TrainingExplorer(), address="#shown=1&filter=4")
    assert "filter is 4; expected 0 to 3" in page.get_by_role("alert").first.text_content()
    compare(page.evaluate(READ), TrainingExplorer())


LIVE = """async ([moduleText, state]) => {
  const url = URL.createObjectURL(new Blob([moduleText], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  window.model = explorerModel(state);
  const el = document.createElement("div");
  document.body.append(el);
  window.cleanUp = await widget.render({ model, el });
}"""


def test_the_widget_follows_the_kernel_and_cleans_up(browser, mine):
    page = browser.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    freeze(page)
    page.add_script_tag(content=HOST)
    explorer = TrainingExplorer()
    page.evaluate(LIVE, [explorer.module, explorer.state()])
    explorer.step = 41
    page.evaluate("model.set('step', 41)")
    compare(page.evaluate(READ), explorer)
    # New recordings come first and their data next, as a kernel sends them.
    explorer.recordings = ["zero", mine]
    for name in ("recordings", "data"):
        page.evaluate("([name, value]) => model.set(name, value)", [name, explorer.state()[name]])
    page.wait_for_function("document.querySelector('.cnn-sum').textContent.includes('zero')")
    compare(page.evaluate(READ), explorer)
    page.get_by_role("button", name="Play").click()
    page.evaluate("cleanUp(); model.set('step', 0)")
    page.clock.run_for(2000)
    assert page.evaluate("model.get('step')") == 0
    compare(page.evaluate(READ), explorer)
    page.close()
    assert wrong == []


CHECK = """async ([moduleText, state]) => {
  const url = URL.createObjectURL(new Blob([moduleText], { type: "text/javascript" }));
  try {
    (await import(url)).default.check(state);
    return "";
  } catch (error) {
    return error.message;
  }
}"""


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({}, ""),
        ({"filter": 4}, "filter is 4; expected 0 to 3"),
        ({"filter": 4, "layer": "conv2"}, ""),
        ({"step": 2000}, "step is 2000; expected 0 to 1250"),
        ({"step": -1}, "step is -1; expected 0 to 1250"),
        ({"layer": "dense1"}, "layer is 'dense1'; expected one of conv1, conv2"),
        ({"shown": 1.5}, "shown is 1.5; expected 0 to 1"),
        ({"recordings": ["adam", "best"]}, "recordings has 'best'; this page has adam, large"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_as_in_python(blank, wrong, reason):
    explorer = TrainingExplorer()
    assert blank.evaluate(CHECK, [explorer.module, explorer.state() | wrong]) == reason
    if reason and "recordings" not in wrong and wrong != {"shown": 1.5}:
        with pytest.raises(TraitError) as refused:
            TrainingExplorer(**wrong)
        assert str(refused.value) == reason


@pytest.fixture(scope="module")
def blank(browser):
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_a_phone(open_page, color_scheme):
    Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
    explorer = TrainingExplorer(recordings=["adam", "sigmoid"], layer="conv2", step=125)
    page = open_page(explorer, color_scheme=color_scheme, width=360)
    for title in ("sigmoids", "He, Adam"):
        page.get_by_role("radio", name=title).check()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_everything_is_reached_by_the_tab_key(open_page):
    page = open_page(TrainingExplorer())
    seen = []
    for _ in range(7):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.getAttribute('role') ?? "
                                  "document.activeElement.type"))  # fmt: skip
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
    assert seen == ["radio", "radio", "button", "button", "range", "button", "gridcell"]
