"""The NetworkExplorer in a browser: every number compared with cnnlib, and every way to move it."""

import json
import re
from functools import cache

import numpy as np
import pytest
from test_network_explorer import NOISE, STATES

import cnnlib
from cnnlib.book.widgets import HOST, NetworkExplorer
from cnnlib.book.widgets.network import read_image, read_network, write_image
from cnnlib.learning import receptive_field
from cnnlib.learning.layers import Conv, Dense, MaxPool, Softmax

R = np.random.default_rng(11)
OWN = "buildLayers, forwardPass, backwardPass, connectionsOf, reach, readImage, writeImage, check"
MOUNT = """async ([text, state]) => {
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const own = await import(url);
  Object.assign(window, own, {
    first: state, model: explorerModel(state), layers: own.buildLayers(state.data),
  });
  window.el = document.createElement("div");
  document.body.append(el);
  window.stop = own.default.render({ model, el });
}"""


@pytest.fixture(scope="module")
def stage(browser):
    """A page with the explorer on it, its model, and the functions that it computes with."""
    explorer, wrong = NetworkExplorer(), []
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.add_script_tag(content=HOST)
    page.add_style_tag(content=explorer.style)
    page.evaluate(MOUNT, [f"{explorer.module}\nexport {{ {OWN} }};", explorer.state()])
    yield page
    page.close()
    assert wrong == []


def set_state(page, **state):
    page.evaluate(
        "(state) => { for (const [name, value] of Object.entries(state)) model.set(name, value); }",
        {"digit": 14, "drawing": "", "target": None, "lens": "forward", **state},
    )


def said(page):
    return page.locator(".cnn-sum").text_content()


def passes(explorer):
    """Both passes in float64, without the axis of the samples, and what they were made from."""
    maps, deltas, loss, target = explorer.passes(np.float64)
    maps, deltas = ({name: a[0] for name, a in arrays.items()} for arrays in (maps, deltas))
    return maps, deltas, loss, target, read_network(dtype=np.float64)


# ---- The numbers


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_both_passes_are_those_of_cnnlib(stage, state):
    explorer = NetworkExplorer(**state)
    maps, deltas, loss, target, _ = passes(explorer)
    got = stage.evaluate(
        """([text, target]) => {
          const maps = forwardPass(layers, readImage(text));
          const { deltas, loss } = backwardPass(layers, maps, target);
          return { maps: maps.map((a) => [...a]), deltas: deltas.map((a) => [...a]), loss };
        }""",
        [explorer.drawing or explorer.data["digits"][explorer.digit]["pixels"], target],
    )
    assert got["loss"] == pytest.approx(loss, rel=1e-9)
    for name, ours, their in zip(maps, got["maps"], got["deltas"], strict=True):
        for mine, array in ((ours, maps[name]), (their, deltas[name])):
            assert len(mine) == array.size
            assert np.allclose(mine, array.ravel(), rtol=1e-9, atol=1e-10 * abs(array).max()), name


def test_the_weights_are_those_that_python_loads(stage):
    got = stage.evaluate("layers.filter(({ w }) => w).map(({ w, b }) => [[...w.data], [...b]])")
    layers = [layer for layer in read_network().layers.values() if layer.params]
    for (w, b), layer in zip(got, layers, strict=True):
        ours = layer.params["w"].T if isinstance(layer, Dense) else layer.params["w"]
        assert w == ours.ravel().tolist() and b == layer.params["b"].tolist()


@pytest.mark.parametrize(
    "x", [NOISE, 0 * NOISE, 0 * NOISE + 1, NOISE * (R.random((28, 28, 1)) < 0.2)]
)
def test_an_image_is_written_and_read_alike(stage, x):
    text = write_image(x)
    assert (
        stage.evaluate("(text) => [...readImage(text)]", text) == read_image(text).ravel().tolist()
    )
    assert stage.evaluate("(text) => writeImage(readImage(text))", text) == text


@pytest.mark.parametrize("text", ["%", ".", 785 * "B", "AB C"])
def test_what_is_no_image_is_refused(stage, text):
    assert stage.evaluate("(text) => { try { readImage(text); } catch { return true; } }", text)


# ---- The connections


def factors(name, network, maps):
    """Each partner of each cell, by brute force: (output, input) -> d output / d input."""
    layer, names = network.layers[name], list(maps)
    x, a = maps[names[names.index(name) - 1]], maps[name]
    if isinstance(layer, Conv | MaxPool):
        conv = isinstance(layer, Conv)
        laid = {n: v for n, v in layer.geometry.items() if n not in ("method", "groups")}
        kernel = layer.params["w"].shape[1:-1] if conv else (layer.window,) * 2
        laid["stride"] = layer.window if not conv and laid["stride"] is None else laid["stride"]
        rows = cnnlib.connections(x.shape[:-1], kernel, **laid).tolist()
        (K, C), found = (a.shape[-1], x.shape[-1]), {}
        winners = None if conv else cnnlib.max_pool(x[None], layer.window)[1][0].reshape(-1, C)
        for i, u, p in rows:
            for k in range(K):
                for c in range(C) if conv else (k,):
                    w = layer.params["w"].reshape(K, -1, C)[k, u, c] if conv else winners[i, c] == p
                    found[i * K + k, p * C + c] = float(w)
        return found
    if isinstance(layer, Dense):
        w = layer.params["w"]
        return {(k, n): w[n, k] for n in range(len(w)) for k in range(w.shape[1])}
    if isinstance(layer, Softmax):
        jacobian = np.diag(a) - np.outer(a, a)
        return {(k, n): jacobian[k, n] for k in range(len(a)) for n in range(len(a))}
    slope = {"relu1": a > 0, "flatten1": 1 + 0 * a}.get(name, a * (1 - a))
    return {(n, n): float(slope.flat[n]) for n in range(a.size)}


@cache
def tables(digit=14):
    """All connections of the shipped network on one digit by their layer, and its maps."""
    maps, *_, network = passes(NetworkExplorer(digit=digit))
    return {name: factors(name, network, maps) for name in network.layers}, maps


def test_the_connections_of_cells_are_those_of_the_table(stage):
    rows, maps = tables()
    names = list(maps)
    for n, (name, table) in enumerate(rows.items()):
        for side, size in ((0, maps[name].size), (2, maps[names[n]].size)):
            cells = sorted({0, size - 1, *R.integers(0, size, 6).tolist()})
            got = stage.evaluate(
                """([n, side, flats, text]) => {
                  const maps = forwardPass(layers, readImage(text));
                  return flats.map((flat) => connectionsOf(layers[n], side, flat, maps[n + 1])
                    .map(({ at, factor }) => [at, factor]));
                }""",
                [n, side, cells, NetworkExplorer().data["digits"][14]["pixels"]],
            )
            for cell, found in zip(cells, got, strict=True):
                ours = {
                    i if side else p: w for (i, p), w in table.items() if (p if side else i) == cell
                }
                assert sorted(at for at, _ in found) == sorted(ours), (name, side, cell)
                for at, factor in found:
                    assert factor == pytest.approx(ours[at], rel=1e-9, abs=1e-12), (
                        name,
                        side,
                        cell,
                    )


@pytest.mark.parametrize("side", [0, 2], ids=["comes from", "goes to"])
def test_the_cones_are_those_of_the_tables(stage, side):
    rows, maps = tables()
    names = list(maps)
    for start, name in enumerate(names):
        flat = int(R.integers(0, maps[name].size))
        got = stage.evaluate(
            """([start, side, size, flat]) => {
              let met = new Uint8Array(size);
              met[flat] = 1;
              const marked = [];
              const step = side ? 1 : -1;
              for (let m = start; m + step >= 0 && m + step <= layers.length; m += step) {
                met = reach(layers[side ? m : m - 1], side, met);
                marked.push([...met].flatMap((one, n) => (one ? [n] : [])));
              }
              return marked;
            }""",
            [start, side, maps[name].size, flat],
        )
        met = {flat}
        later = list(rows)[start:] if side else list(rows)[:start][::-1]
        assert len(got) == len(later)
        for marked, layer in zip(got, later, strict=True):
            met = {i if side else p for i, p in rows[layer] if (p if side else i) in met}
            assert set(marked) == met, (name, layer)


# ---- What is written

CELLS = [
    ["image", 13, 14, 0], ["image", 27, 0, 0], ["conv1", 6, 7, 2], ["relu1", 5, 6, 1],
    ["maxpool1", 3, 3, 0], ["maxpool1", 6, 0, 4], ["conv2", 0, 6, 19], ["conv2", 3, 3, 7],
    ["sigmoid1", 4, 2, 3], ["flatten1", 979], ["dense1", 17], ["sigmoid2", 59], ["dense2", 7],
    ["softmax1", 7], ["softmax1", 0],
]  # fmt: skip
PRODUCT = re.compile(
    r"  (?:w\[([\d,]+)\]|slope)\*d?(\w+)\[([\d,]+)\] = (\S+)\*(\S+) = (\S+?)"
    r"(?: to (\w+)\[([\d,]+)\])?$"
)


FORMULAS = {
    "relu": "max({}, 0)", "sigmoid": "1/(1 + exp(-{}))", "maxpool": "max({})", "flatten": "{}",
    "softmax": "exp({})/(sum of exp over all cells)",
}  # fmt: skip


def place_of(flat, array):
    return ",".join(map(str, np.unravel_index(flat, array.shape)))


def index(text):
    return tuple(map(int, text.split(",")))


def near(text, number):
    return float(text.strip("()")) == pytest.approx(number, rel=6e-6, abs=1e-30)


def check_products(lines, partners, maps, w):
    """The lines name the largest products of `partners`, (layer, flat cell): (factor, value).

    `w` are the layer's weights, or None. Returns the lines that follow.
    """
    sizes = sorted((abs(factor * number) for factor, number in partners.values()), reverse=True)[:4]
    for line, size in zip(lines, sizes, strict=False):
        weight, name, place, factor, number, product, to, to_place = PRODUCT.match(line).groups()
        name, place = (to, to_place) if to else (name, place)
        ours = partners[name, int(np.ravel_multi_index(index(place), maps[name].shape))]
        assert near(factor, ours[0]) and near(number, ours[1]), line
        assert near(product, ours[0] * ours[1]) and near(product.strip("-"), size), line
        assert (weight is None) if w is None else near(factor, w[index(weight)]), line
    return lines[len(sizes) :]


def check_rest(line, partners):
    """The line adds up the products that are not written out."""
    products = sorted((factor * number for factor, number in partners.values()), key=abs)
    count, total = re.match(r"  and (\d+) smaller ones?: (\S+)$", line).groups()
    assert int(count) == len(products) - 4
    slack = 1e-9 * sum(map(abs, products))
    assert float(total) == pytest.approx(sum(products[:-4]), rel=6e-6, abs=slack)


def cells_of(count):
    return f"{count} cell{'s' * (count != 1)}"


@pytest.mark.parametrize("digit", [14, 5])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_what_is_written_in_the_forward_lens(stage, digit, cell):
    rows, maps = tables(digit)
    network, names = read_network(), list(maps)
    name, *place = cell
    n, flat = names.index(name), int(np.ravel_multi_index(place, maps[name].shape))
    a, label = maps[name].flat[flat], f"{name}[{','.join(map(str, place))}]"
    set_state(stage, digit=digit, cell=cell)
    first, *lines = said(stage).split("\n")
    assert first.startswith(f"{label} = ")
    if name == "image":
        assert near(first.split(" = ")[1].split(",")[0], a) and lines == []
        return
    before, layer = names[n - 1], network.layers[name]
    partners = {
        (before, p): (factor, maps[before].flat[p])
        for (i, p), factor in rows[name].items()
        if i == flat
    }
    if layer.params:
        assert near(first.split(" = ")[1].split(",")[0], a)
        assert first.endswith(f"the sum of {len(partners)} products and a bias:")
        lines = check_products(lines, partners, maps, layer.params["w"])
        if len(partners) > 4:
            check_rest(lines.pop(0), partners)
        bias = re.match(r"  and (\S+), the bias$", lines.pop(0))[1]
        assert near(bias, layer.params["b"][place[-1]])
    else:
        met = sorted(p for _, p in partners) if name == "maxpool1" else [flat]
        x = [maps[before].flat[p] for p in met]
        texts = [f"{before}[{place_of(p, maps[before])}]" for p in met]
        numbers = [f"({v:.6g})" if v < 0 and "sigmoid" in name else f"{v:.6g}" for v in x]
        form = FORMULAS[name.rstrip("12")]
        assert first == f"{label} = {form.format(', '.join(texts))}"
        assert lines.pop(0) == f"  = {form.format(', '.join(numbers))} = {a:.6g}"
    met = {flat}
    for later in names[n:0:-1]:
        met = {p for i, p in rows[later] if i in met}
    row, column = np.unravel_index(sorted(met), (28, 28))
    assert lines == [
        f"It sees {cells_of(len(met))} of the image: rows {min(row)} to {max(row)}, columns "
        f"{min(column)} to {max(column)}."
    ]


@pytest.mark.parametrize(("digit", "target"), [(14, None), (5, None), (5, 7)])
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_what_is_written_in_the_backward_lens(stage, digit, target, cell):
    rows, maps = tables(digit)
    _, deltas, _, wanted, network = passes(NetworkExplorer(digit=digit, target=target))
    names, (name, *place) = list(maps), cell
    n, flat = names.index(name), int(np.ravel_multi_index(place, maps[name].shape))
    delta, label = deltas[name].flat[flat], f"d{name}[{place_of(flat, maps[name])}]"
    set_state(stage, digit=digit, target=target, lens="backward", cell=cell)
    first, *lines = said(stage).split("\n")
    if name != "softmax1":
        after = names[n + 1]
        owed = {
            (after, i): (factor, deltas[after].flat[i])
            for (i, p), factor in rows[after].items()
            if p == flat
        }
        assert near(first.removeprefix(f"{label} = ").split(":")[0], delta)
        assert first.endswith(f": it owes the sum of {products_of(len(owed))},")
        lines = check_products(lines, owed, maps, network.layers[after].params.get("w"))
        if len(owed) > 4:
            check_rest(lines.pop(0), owed)
    elif flat == wanted:
        assert first == f"{label} = -1/{label[1:]} = {delta:.6g}: the loss is -log of it."
    else:
        assert first == f"{label} = 0: the loss reads the probability of class {wanted} alone."
    if name != "image":
        sent = {
            (names[n - 1], p): (factor, delta) for (i, p), factor in rows[name].items() if i == flat
        }
        assert lines.pop(0) == f"and sends on {products_of(len(sent))}:"
        lines = check_products(lines, sent, maps, network.layers[name].params.get("w"))
        if len(sent) > 4:
            others = len(sent) - 4
            assert lines.pop(0) == f"  and smaller ones to {others} other cell{'s' * (others != 1)}"
        assert lines.pop().startswith("It sees ")
    assert lines == []


FIELDS = [["image", 3, 9, 0], ["conv1", 13, 2, 4], ["maxpool1", 6, 0, 1], ["relu1", 5, 5, 0],
          ["conv2", 0, 3, 19], ["sigmoid1", 6, 6, 2], ["dense1", 59]]  # fmt: skip
# Which pixels of the drawn image are as they were, of the middles of its cells.
LOOK = """() => {
  const canvas = document.querySelector(".cnn-sheet canvas");
  const [pen, unit] = [canvas.getContext("2d"), canvas.width / 28];
  return [...Array(784).keys()].map((p) => [...pen.getImageData(
    (p % 28 + 0.5) * unit, (Math.floor(p / 28) + 0.5) * unit, 1, 1).data].slice(0, 3));
}"""


@pytest.mark.parametrize("cell", FIELDS, ids=str)
def test_a_field_is_that_of_the_library_and_marked_on_the_image(stage, cell):
    name, *index = cell
    fields = receptive_field(read_network())
    seen = np.zeros((28, 28), bool)
    if name == "image":
        seen[index[0], index[1]] = True
        size, jump, start = (1, 1), (1, 1), (0, 0)
    else:
        field = fields[name]
        size, jump, start = field.size, field.jump, field.start
        i, j = index[:2] if len(index) > 1 else (0, 0)
        seen = np.outer(field.seen[0][i], field.seen[1][j])
    set_state(stage, drawing=write_image(NOISE), cell=cell)
    before = np.array(stage.evaluate(LOOK))
    set_state(stage, drawing=write_image(NOISE), lens="field", cell=cell)
    first, *lines = said(stage).split("\n")
    assert (
        first == f"{name}[{','.join(map(str, index))}] may see size cells, from start + jump*i on:"
    )
    low, high = [], []
    for n, axis in enumerate(("rows", "columns")):
        i = index[n] if len(index) > 1 else 0
        low.append(start[n] + jump[n] * i)
        high.append(low[n] + size[n] - 1)
        assert lines.pop(0) == f"  {axis} from {start[n]} + {jump[n]}*{i} = {low[n]} to {high[n]}"
    if min(low) < 0 or max(high) > 27:
        assert lines.pop(0) == "What of them is beside 0 to 27 is padding."
    if name != "image":
        assert lines.pop().startswith(f"It sees {cells_of(int(seen.sum()))} of the image: rows ")
    assert lines == []
    # What it does not see lies in the shade, what it sees is as it was; a line goes around it.
    shaded = np.abs(np.array(stage.evaluate(LOOK)) - (0.35 * before + 0.65 * 124)).max(axis=1) < 2
    grey = np.abs(before - 124).max(axis=1) < 6  # so it looks the same in the shade
    inner = seen.copy()
    for axis in (0, 1):
        inner &= np.roll(seen, 1, axis) & np.roll(seen, -1, axis)
    outer = ~seen
    for axis in (0, 1):
        outer &= ~np.roll(seen, 1, axis) & ~np.roll(seen, -1, axis)
    assert shaded[outer.ravel() & ~grey].all() and not shaded[inner.ravel() & ~grey].any()


def test_each_layer_shows_size_jump_and_start_in_the_lens_of_fields(open_page):
    page = open_page(NetworkExplorer())
    page.get_by_label("receptive field").check()
    assert "lens=field" in page.url
    titles = page.locator(".cnn-title").all_text_contents()
    fields = receptive_field(read_network())
    right = [f"size {f.size[0]}, jump {f.jump[0]}, start {f.start[0]}" for f in fields.values()]
    assert [title.split("size")[1] for title in titles[1:]] == [one[4:] for one in right]
    assert page.locator(".cnn-task").text_content().startswith("Click a cell of any layer")
    page.get_by_role("button", name="Undo").click()
    assert "lens" not in page.url and "jump" not in page.locator(".cnn-title").nth(1).text_content()
    again = open_page(NetworkExplorer(lens="field"), color_scheme="dark", width=390)
    again.locator('[role="gridcell"]').nth(4).press("ArrowRight")  # conv2's chosen cell
    assert "conv2[3,4,0] may see" in said(again)
    assert again.evaluate("document.documentElement.scrollWidth") <= 390


def products_of(count):
    return f"{count} product{'s' * (count != 1)}"


# ---- What is shown


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_the_probabilities_and_the_loss_are_shown(stage, state):
    set_state(stage, **state)
    maps, _, loss, target, _ = passes(NetworkExplorer(**state))
    y = maps["softmax1"]
    for k, line in enumerate(stage.locator(".cnn-classes li").all_text_contents()):
        marks = ["read"] * int(k == y.argmax()) + ["target"] * int(k == target)
        number, *words = line.removeprefix(f"{k}: ").replace(",", "").split()
        assert abs(float(number) - y[k]) <= 0.000501 and words == marks
    written = re.match(r"Loss E = -log (\S+) = (\S+)$", stage.locator(".cnn-loss").text_content())
    assert near(written[1], y[target])
    assert float(written[2]) == pytest.approx(loss, rel=6e-6)


# The middle of each cell of each picture: its colour, 0xrrggbb.
MIDDLES = """() => JSON.stringify([...document.querySelectorAll(".cnn-sheet")].map((sheet) => {
  const cell = sheet.querySelector('[role="gridcell"]').offsetWidth;
  return [...sheet.querySelectorAll("canvas")].map((canvas) => {
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const step = cell * width / canvas.offsetWidth, middles = [];
    for (let y = step / 2; y < height; y += step) {
      for (let x = step / 2; x < width; x += step) {
        const n = 4 * (Math.floor(y) * width + Math.floor(x));
        middles.push(65536 * data[n] + 256 * data[n + 1] + data[n + 2]);
      }
    }
    return middles;
  });
}))"""


@pytest.mark.parametrize("lens", ["forward", "backward"])
def test_each_map_is_painted(stage, lens):
    """Blue below 0, grey at 0 and yellow above; the image from black to white."""
    set_state(stage, digit=5, lens=lens, cell=["image", 0, 0, 0])
    maps, deltas, *_ = passes(NetworkExplorer(digit=5))
    stops = np.array([[0, 34, 78], [124, 123, 120], [254, 232, 56]], float)
    for name, sheet in zip(maps, json.loads(stage.evaluate(MIDDLES)), strict=True):
        a = (maps if lens == "forward" else deltas)[name]
        pictures = a.reshape(-1, len(sheet))  # a row of numbers is one picture
        for picture, middles in zip(pictures.T, sheet, strict=True):
            share = picture / (abs(a).max() or 1)
            colors = np.stack([np.interp(share, [-1, 0, 1], stop) for stop in stops.T], axis=-1)
            if name == "image" and lens == "forward":
                colors = 255 * share[:, None] * [1, 1, 1]
            painted = np.array(middles)[:, None] >> np.array([16, 8, 0]) & 255
            off = abs(painted - colors).max(axis=1) > 1
            assert off.sum() <= 2, name  # the ring, and the line around what the pixel goes to


# ---- The moves, on the page of its own


def sheet(page, name):
    return page.locator(".cnn-layer", has=page.get_by_role("grid", name=re.compile(rf"^{name} ")))


def state_of(page):
    """The state in the address, as an explorer of it."""
    pairs = dict(pair.split("=") for pair in page.evaluate("location.hash").strip("#").split("&"))
    if "cell" in pairs:
        name, *place = pairs["cell"].strip(",").split(",")
        pairs["cell"] = [name, *map(int, place)]
    for name in {"digit", "target"} & set(pairs):
        pairs[name] = None if pairs[name] == "none" else int(pairs[name])
    return NetworkExplorer(**pairs)


def check_numbers(page, explorer):
    y = explorer.passes(np.float64)[0]["softmax1"][0]
    lines = page.locator(".cnn-classes li").all_text_contents()
    shown = [float(line.split(": ")[1].split()[0]) for line in lines]
    assert np.allclose(shown, y, atol=0.000501)


def test_pointer_and_keys_move_the_choice(open_page):
    page = open_page(NetworkExplorer())
    grid = sheet(page, "conv1")
    picture, size = grid.locator("canvas").nth(2), 5
    before = said(page)
    page.mouse.move(5, 5)  # the first move of a mouse has no length
    picture.hover(position={"x": 3 * size + 2, "y": 9 * size + 2})
    assert said(page).startswith("conv1[9,3,2] = ")  # a look, and nothing is spoken
    assert page.locator(".cnn-sum").get_attribute("aria-live") == "off"
    assert page.evaluate("location.hash") in ("", "#")
    page.mouse.move(5, 5)
    assert said(page) == before
    picture.click(position={"x": 3 * size + 2, "y": 9 * size + 2})
    assert state_of(page).cell == ["conv1", 9, 3, 2]
    assert page.locator(".cnn-sum").get_attribute("aria-live") == "polite"
    grid.get_by_role("gridcell").focus()
    for key, cell in {
        "ArrowRight": [9, 4, 2], "ArrowDown": [10, 4, 2], "PageDown": [10, 4, 3],
        "End": [10, 13, 4], "ArrowRight ": [10, 13, 4], "PageUp": [10, 13, 3],
        "ArrowLeft": [10, 12, 3], "ArrowUp": [9, 12, 3], "Home": [9, 0, 0], "ArrowLeft ": [9, 0, 0],
    }.items():  # fmt: skip
        page.keyboard.press(key.strip())
        assert state_of(page).cell == ["conv1", *cell], key
        name = ",".join(map(str, cell))
        chosen = grid.get_by_role("gridcell")
        assert chosen.get_attribute("aria-label").startswith(f"conv1[{name}], ")
        assert chosen.get_attribute("aria-selected") == "true"
        assert said(page).startswith(f"conv1[{name}] = ")
        ring, drawn = chosen.bounding_box(), grid.locator("canvas").nth(cell[2]).bounding_box()
        assert ring["x"] == pytest.approx(drawn["x"] + cell[1] * size, abs=0.51)
        assert ring["y"] == pytest.approx(drawn["y"] + cell[0] * size, abs=0.51)
    page.keyboard.press("Tab")  # the next layer: its cell is reached, and Space chooses it
    page.keyboard.press(" ")
    assert state_of(page).cell == ["relu1", 0, 0, 0]
    sheet(page, "dense1").locator("canvas").click(position={"x": 5 * 14 + 3, "y": 2 * 14 + 3})
    assert state_of(page).cell == ["dense1", 45]


def test_controls_change_digit_target_and_lens(open_page):
    page = open_page(NetworkExplorer())
    page.get_by_label("Digit").select_option(index=3)
    page.get_by_label("backward").check()
    page.get_by_label("Target").select_option("8")
    explorer = state_of(page)
    assert (explorer.digit, explorer.lens, explorer.target) == (3, "backward", 8)
    check_numbers(page, explorer)
    loss = explorer.passes(np.float64)[2]
    assert f"= {loss:.6g}" in page.locator(".cnn-loss").text_content()
    assert said(page).startswith("dconv2[3,3,0] = ")
    page.get_by_label("Digit").select_option(index=4)  # another digit has another label
    assert state_of(page).target is None


@pytest.mark.parametrize("touch", [False, True], ids=["pointer", "touch"])
def test_a_digit_is_drawn(open_page, touch):
    page = open_page(NetworkExplorer(), has_touch=touch)
    page.get_by_role("button", name="Clear").click()
    assert state_of(page).drawing == "A"
    box = sheet(page, "image").locator("canvas").bounding_box()
    places = [(box["x"] + 7 * 14 + 3.5, box["y"] + 7 * r + 3.5) for r in (5, 13, 22)]
    if touch:
        client = page.context.new_cdp_session(page)
        for kind, place in zip(("touchStart", "touchMove", "touchMove"), places, strict=True):
            points = [{"x": place[0], "y": place[1]}]
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    else:
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()
    page.wait_for_function("location.hash.length > 20")
    explorer = state_of(page)
    x = explorer.image[..., 0]
    assert (x[5:23, 14] == 1).all() and (x[5:23, 13] > 0.5).all()
    assert (x[:3] == 0).all() and (x[:, :11] == 0).all() and (x[:, 18:] == 0).all()
    assert explorer.passes()[3] == 1  # a stroke from top to bottom
    check_numbers(page, explorer)
    assert page.get_by_label("Digit").evaluate("menu => menu.value") == "a drawing"


def test_a_digit_is_drawn_with_keys(open_page):
    page = open_page(NetworkExplorer(drawing="A", cell=["image", 5, 14, 0]))
    sheet(page, "image").get_by_role("gridcell").focus()
    page.keyboard.press(" ")
    for _ in range(17):
        page.keyboard.press("Shift+ArrowDown")
    explorer = state_of(page)
    assert explorer.cell == ["image", 22, 14, 0]
    assert (explorer.image[5:23, 14, 0] == 1).all() and explorer.passes()[3] == 1
    check_numbers(page, explorer)
    page.keyboard.press("Delete")
    again = state_of(page)
    assert again.image[22, 14] == 0 and (again.image[22] <= explorer.image[22]).all()
    assert (again.image[10] == explorer.image[10]).all()
    page.keyboard.press("ArrowUp")  # moves, and draws nothing
    assert state_of(page).drawing == again.drawing


def drag(page, *places):
    """A drag of the mouse over pixels (row, column) of the image."""
    box = sheet(page, "image").locator("canvas").bounding_box()
    at = [(box["x"] + 7 * c + 3.5, box["y"] + 7 * r + 3.5) for r, c in places]
    page.mouse.move(*at[0])
    page.mouse.down()
    for place in at[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()


def test_a_drag_draws_at_once_on_the_shipped_digit_and_a_click_chooses(open_page):
    page = open_page(NetworkExplorer())
    drag(page, (2, 2), (2, 12))
    explorer = state_of(page)
    assert explorer.cell == NetworkExplorer().cell  # the click that ends a stroke chooses nothing
    seven = NetworkExplorer().image[..., 0]
    assert (explorer.image[2, 2:13, 0] == 1).all()
    assert np.allclose(explorer.image[5:, :, 0], seven[5:])
    check_numbers(page, explorer)
    canvas = sheet(page, "image").locator("canvas")
    canvas.click(position={"x": 30, "y": 80})
    again = state_of(page)
    assert again.drawing == explorer.drawing and again.cell == ["image", 11, 4, 0]
    page.get_by_label("Rub out").check()
    drag(page, (2, 2), (2, 12))
    assert (state_of(page).image[2, 2:13] == 0).all()
    page.get_by_role("button", name="Undo").click()  # a stroke is one step
    assert state_of(page).drawing == explorer.drawing
    page.get_by_role("button", name="Reset").click()
    assert page.evaluate("location.hash") in ("", "#")
    check_numbers(page, NetworkExplorer())


def test_a_stroke_that_leaves_the_image_lets_the_next_click_choose(open_page):
    page = open_page(NetworkExplorer())
    drag(page, (2, 20), (2, 60))
    sheet(page, "conv1").locator("canvas").first.click(position={"x": 12, "y": 12})
    assert state_of(page).cell == ["conv1", 2, 2, 0]


def test_no_number_is_minus_zero(open_page):
    page = open_page(NetworkExplorer(drawing="A"))
    for lens in ("forward", "backward"):
        page.get_by_label(lens).check()
        for name in ("image", "conv1", "relu1", "maxpool1", "conv2", "softmax1"):
            sheet(page, name).locator("canvas").first.click(position={"x": 12, "y": 12})
            said_there = said(page)
            assert not re.search(r"-0(?![.\d])", said_there), said_there
            label = sheet(page, name).get_by_role("gridcell").get_attribute("aria-label")
            assert not label.endswith("-0")


# ---- The gestures of all explorers, on sheets

SHEETS = {"image": 4, "conv2": 30, "dense1": 20}
each_sheet = pytest.mark.parametrize(("name", "at"), SHEETS.items(), ids=SHEETS)


@each_sheet
@pytest.mark.parametrize("way", ["click", "tap", "dblclick"])
def test_clicks_and_taps_choose_and_change_nothing_else(open_page, name, at, way):
    page = open_page(NetworkExplorer(), has_touch=True)
    canvas = sheet(page, name).locator("canvas").first
    getattr(canvas, way)(position={"x": at, "y": 4})
    state = page.evaluate("location.hash")
    assert re.fullmatch(rf"#cell={name},[\d,]+", state)
    pinned = said(page)
    page.mouse.move(3, 3)
    sheet(page, "conv1").locator("canvas").nth(3).hover()
    assert said(page) != pinned
    page.mouse.move(3, 3)
    assert said(page) == pinned and page.evaluate("location.hash") == state


@each_sheet
def test_escape_ends_a_look_and_keys_of_the_notebook_stay_away(open_page, name, at):
    page = open_page(NetworkExplorer())
    canvas = sheet(page, name).locator("canvas").first
    canvas.click(position={"x": at, "y": 4})
    pinned, state = said(page), page.evaluate("location.hash")
    page.evaluate(
        """() => { window.heard = [];
        document.addEventListener("keydown", (event) => heard.push(event.key)); }"""
    )
    sheet(page, "relu1").locator("canvas").nth(2).hover()
    sheet(page, name).get_by_role("gridcell").focus()
    for key in ("m", "x", "Enter", "Escape", "F2", "7", "c"):
        page.keyboard.press(key)
    assert said(page) == pinned and page.evaluate("location.hash") == state
    assert page.evaluate("heard") == []


@each_sheet
def test_a_page_that_scrolls_under_a_resting_mouse_moves_nothing(open_page, name, at):
    page = open_page(NetworkExplorer(), height=500)
    page.evaluate("document.body.style.padding = '900px 0'")
    before = said(page)
    box = sheet(page, name).locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + at, 250, steps=3)  # over the padding of the page
    for _ in range(16):
        page.mouse.wheel(0, 60)
        page.wait_for_timeout(20)
        assert said(page) == before
    assert page.evaluate("location.hash") in ("", "#")


# ---- A pass is played

WAITING = """[...document.querySelectorAll(".cnn-layer")]
    .map((one) => one.classList.contains("waiting"))"""


def test_steps_go_through_the_layers_and_end_with_all_of_them(open_page):
    page = open_page(NetworkExplorer())
    count = len(page.evaluate(WAITING))
    step = page.get_by_role("button", name="Step", exact=True)
    for n in range(count):
        step.click()
        assert page.evaluate(WAITING) == [m > n for m in range(count)]
    step.click()
    assert not any(page.evaluate(WAITING))
    page.get_by_label("backward").check()
    step.click()
    assert page.evaluate(WAITING) == [m < count - 1 for m in range(count)]
    page.get_by_role("button", name="Reset").click()
    assert not any(page.evaluate(WAITING))
    assert page.evaluate("location.hash") in ("", "#")


def test_a_page_opens_on_one_quiet_pass(open_page):
    page = open_page(NetworkExplorer(), reduced_motion="no-preference")
    page.locator(".cnn-layer.waiting").first.wait_for()
    assert page.locator(".cnn-sum").get_attribute("aria-live") == "off"
    page.locator('.cnn-sum[aria-live="polite"]').wait_for(timeout=60_000)
    assert not any(page.evaluate(WAITING))
    assert page.evaluate("location.hash") in ("", "#")


def test_an_address_gives_the_picture(open_page):
    wanted = NetworkExplorer(
        drawing=write_image(NOISE), cell=["dense2", 4], lens="backward", target=6
    )
    page = open_page(NetworkExplorer(), address=f"#{wanted.address()}")
    assert said(page).startswith("ddense2[4] = ")
    check_numbers(page, wanted)


@pytest.mark.parametrize(
    ("address", "reason"),
    {
        "cell=conv9,1,1,1": "there is no cell conv9,1,1,1",
        "cell=conv1,14,1,1": "there is no cell conv1,14,1,1",
        "cell=dense1,2,3": "there is no cell dense1,2,3",
        "digit=20": "there is no digit 20",
        "target=10": "there is no target 10",
        "lens=up": "there is no lens up",
        "drawing=$": "the drawing is no image of 28 by 28 pixels",
    }.items(),
)
def test_an_address_that_cannot_be_is_refused(stage, address, reason):
    refused = stage.evaluate(
        """(text) => {
          const [name, value] = text.split("=");
          const wanted = { ...first, [name]: readAddress(value) };
          try { check(wanted); } catch (error) { return error.message; }
        }""",
        address,
    )
    assert refused == reason


def test_the_page_says_why_it_does_not_follow_an_address(open_page):
    page = open_page(NetworkExplorer(), address="#cell=conv1,14,1,1&lens=backward")
    assert "there is no cell conv1,14,1,1" in page.get_by_role("alert").first.text_content()
    assert said(page).startswith("conv2[3,3,0] = ")  # the first picture


# ---- For everybody


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, color_scheme):
    pytest.importorskip("axe_playwright_python")
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(NetworkExplorer(digit=5), color_scheme=color_scheme)
    for lens in ("forward", "backward"):
        page.get_by_label(lens).check()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", [360, 1000])
def test_nothing_is_wider_than_the_screen(open_page, width):
    page = open_page(NetworkExplorer(digit=5, lens="backward", cell=["dense2", 1]), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for canvas in page.locator(".cnn-sheet canvas").all():
        box = canvas.bounding_box()
        assert 0 <= box["x"] and box["x"] + box["width"] <= width


def test_the_ring_follows_when_the_page_becomes_narrow(open_page):
    page = open_page(NetworkExplorer(cell=["conv2", 2, 3, 19]))
    page.set_viewport_size({"width": 360, "height": 800})
    conv2 = sheet(page, "conv2")
    ring, picture = conv2.get_by_role("gridcell"), conv2.locator("canvas").nth(19)
    page.wait_for_function(
        """() => {
          const grids = [...document.querySelectorAll(".cnn-sheet")];
          const grid = grids.find((one) => one.querySelectorAll("canvas").length === 20);
          const ring = grid.querySelector('[role="gridcell"]').getBoundingClientRect();
          const picture = grid.querySelectorAll("canvas")[19].getBoundingClientRect();
          return Math.abs(ring.x - picture.x - 15) < 1 && Math.abs(ring.y - picture.y - 10) < 1;
        }"""
    )
    assert ring.bounding_box()["width"] == 5 and picture.bounding_box()["width"] == 35


def test_the_clean_up_lets_go_of_the_model(stage):
    """The last test on this stage: the explorer hears nothing any more."""
    text = said(stage)
    stage.evaluate("stop()")
    set_state(stage, cell=["dense2", 9], lens="backward")
    assert said(stage) == text
