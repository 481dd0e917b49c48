"""Other ways to look at a convolution: transposed by name, coverage, shades, one's own function."""

import re

import numpy as np
import pytest
from traitlets import TraitError

import cnnlib
from cnnlib.book.widgets import ConvolutionExplorer

GRIDS = """() => Object.fromEntries([...document.querySelectorAll(".cnn-grid")].map((grid) => [
  grid.querySelector(".cnn-title").textContent.split(",")[0],
  [...grid.querySelectorAll('[role="gridcell"]')].map((cell) => ({
    text: cell.firstChild.textContent, marks: [...cell.classList],
    label: cell.getAttribute("aria-label"),
    seen: getComputedStyle(cell.firstChild).visibility === "visible",
    ground: getComputedStyle(cell).backgroundColor, shade: cell.style.getPropertyValue("--shade"),
  }))]))"""


def grids(page):
    return page.evaluate(GRIDS)


def numbers(cells):
    beside = ("padding", "dropped", "zero")
    return [float(cell["text"]) for cell in cells if not cell["label"].startswith(beside)]


def put(page, label, value):
    page.get_by_label(label, exact=True).fill(value)
    page.get_by_label(label, exact=True).press("Enter")


def said(page):
    return page.locator(".cnn-sum").text_content()


# ---- The transposed convolution


def transposed(x, w, size, **laid):
    """By hand: each input adds the whole kernel, times itself, where it lies."""
    s, before, d = laid.get("stride", 1), laid.get("padding", 0), laid.get("dilation", 1)
    z = np.zeros((size, size))
    for i, j in np.ndindex(*x.shape):
        for u, v in np.ndindex(*w.shape):
            p, q = s * i + d * u - before, s * j + d * v - before
            if 0 <= p < size and 0 <= q < size:
                z[p, q] += w[u, v] * x[i, j]
    return z


@pytest.mark.parametrize("rotated", [False, True])
def test_a_transposed_convolution_spreads_each_input_with_all_weights(open_page, rotated):
    laid = dict(stride=2, padding=1)
    explorer = ConvolutionExplorer(lens="delta", rotated=rotated, **laid)
    page = open_page(explorer)
    page.get_by_label("transposed", exact=True).check()
    drawn = grids(page)
    name = "input x with zeros between" if rotated else "input x"
    x = np.reshape(numbers(drawn[name]), (3, 3))
    w = np.array(explorer.kernel)
    assert numbers(drawn["output z"]) == transposed(x, w, 5, **laid).ravel().tolist()
    title = page.locator(".cnn-name").text_content()
    assert title == (
        "Transposed convolution, stride 2, padding 1 at each end, output padding 0: "
        "3 × 3 inputs, 3 × 3 weights, 5 × 5 outputs"
    )
    assert said(page).startswith("Output (2, 2) gets from 1 input.\nz[2,2] = w[1,1]*x[1,1]")
    assert not re.search(r"\bd[xz]\b", page.locator(".cnn-main").inner_html())
    page.get_by_text("Set up").click()
    put(page, "output padding", "1")
    drawn = grids(page)
    assert numbers(drawn["output z"]) == transposed(x, w, 6, **laid).ravel().tolist()
    put(page, "output padding", "2")
    assert "expected 0 to 1, less than the stride" in page.get_by_role("alert").text_content()
    put(page, "input size", "4,2")
    assert "4 × 2 inputs, 3 × 3 weights, 8 × 4 outputs" in page.locator(".cnn-name").text_content()
    page.get_by_label("delta", exact=True).check()
    assert "Cross-correlation" in page.locator(".cnn-name").text_content()


def test_an_input_of_a_transposed_convolution_is_edited(open_page):
    page = open_page(ConvolutionExplorer(lens="delta", transposed=True, stride=2))
    grid = page.locator(".cnn-main .cnn-grid").first
    assert grid.locator(".cnn-title").text_content().startswith("input x")
    grid.locator('[role="gridcell"]').first.dblclick()
    page.keyboard.type("9")
    page.keyboard.press("Enter")
    assert "deltas=9," in page.evaluate("decodeURIComponent(location.hash)")
    assert numbers(grids(page)["output z"])[0] == 9  # times w[0,0] = 1


def test_channels_of_a_transposed_convolution_change_places(open_page):
    r = np.random.default_rng(2)
    explorer = ConvolutionExplorer(
        input=r.integers(0, 5, (5, 5, 1)).tolist(), kernel=r.integers(-2, 3, (2, 2, 2, 1)).tolist(),
        lens="delta", transposed=True, stride=2,
    )  # fmt: skip
    page = open_page(explorer)
    assert "2 × 2 inputs in 2 channels, 2 × 2 weights of 1 filter, 5 × 5 outputs" in (
        page.locator(".cnn-name").text_content()
    )
    assert re.search(r"gets from \d inputs? of each of 2 channels\.\n  channel 0: ", said(page))


# ---- Coverage


@pytest.mark.parametrize("state", [dict(padding=1), dict(stride=2), dict(stride=3, padding=1)])
def test_inputs_are_tinted_by_how_many_outputs_read_them(open_page, state):
    explorer = ConvolutionExplorer(input=np.ones((6, 6)), **state)
    page = open_page(explorer)
    page.get_by_text("Set up").click()
    page.get_by_label("tint inputs").check()
    table = cnnlib.connections((6, 6), (3, 3), **state)
    reads = np.bincount(table["input"], minlength=36)
    cells = [c for c in grids(page)["input x"] if not c["label"].startswith("padding")]
    assert ["tinted" in cell["marks"] for cell in cells] == (reads > 0).tolist()
    for cell, times in zip(cells, reads.tolist(), strict=True):
        if times:
            assert f"read {times} time{'s' * (times > 1)}" in cell["label"]
            assert float(cell["shade"]) == pytest.approx(times / reads.max())
    plain = {c["shade"]: c["ground"] for c in cells if "partner" not in c["marks"] and c["shade"]}
    assert len(set(plain.values())) == len(plain)  # each count has its ground
    unread = [cell for cell in cells if "unread" in cell["marks"]]
    assert len(unread) == int((reads == 0).sum())
    assert f"{reads.min()} to {reads.max()} times." in page.locator(".cnn-note").text_content()


@pytest.mark.parametrize("flip", [False, True])
def test_the_lags_that_are_dropped_are_shown_and_crossed_out(open_page, flip):
    explorer = ConvolutionExplorer(
        input=np.arange(56).reshape(7, 8) % 9, kernel=[[1, 2], [3, 4]], stride=[2, 3],
        lens="weight", coverage=True, flip=flip,
    )  # fmt: skip
    page = open_page(explorer)
    x = np.array(explorer.input)
    dz = explorer._arrays()["dz"][0, ..., 0]
    I, J = dz.shape
    lags = np.array(  # the correlation of x with deltas that lie a stride apart, in full
        [[(x[a : a + 2 * I : 2, b : b + 3 * J : 3] * dz).sum() for b in (0, 1)] for a in (0, 1, 2)]
    )
    cells = grids(page)["dw"]
    assert len(cells) == lags.size == 6
    kept = [cell for cell in cells if "dropped" not in cell["marks"]]
    dropped = [cell for cell in cells if "dropped" in cell["marks"]]
    right = lags[:2, :2]
    right = np.flip(right) if flip else right
    assert [float(cell["text"]) for cell in kept] == right.ravel().tolist()
    beyond = lags[2, :2]
    assert [float(c["text"]) for c in dropped] == (beyond[::-1] if flip else beyond).tolist()
    assert all("cut" in cell["marks"] for cell in dropped)
    assert "lags of the correlation" in page.locator(".cnn-note").text_content()


# ---- Shades


def test_a_picture_is_shown_as_shades_with_its_numbers_on_demand(open_page):
    page = open_page(ConvolutionExplorer())
    page.get_by_text("Set up").click()
    page.get_by_label("input", exact=True).select_option("a photograph")
    page.mouse.move(1, 1)
    for name in ("input x", "output z"):
        cells = grids(page)[name]
        free = [c for c in cells if not {"partner", "chosen"} & set(c["marks"])]
        assert not any(cell["seen"] for cell in free)
        shades = sorted((float(c["text"]), int(re.findall(r"\d+", c["ground"])[0])) for c in free
                        if c["ground"].startswith("rgb"))  # fmt: skip
        assert [grey for _, grey in shades] == sorted(grey for _, grey in shades)
        lit = [c for c in cells if {"partner", "chosen"} & set(c["marks"])]
        assert lit and all(cell["seen"] for cell in lit)
    grid = page.locator(".cnn-grid", has_text="input x")
    grid.locator('[role="gridcell"]').last.hover()
    assert grids(page)["input x"][-1]["seen"]
    page.get_by_label("numbers as shades").uncheck()
    assert all(cell["seen"] for cell in grids(page)["input x"])
    assert "shades=true" not in page.evaluate("location.hash")


# ---- One's own function


def loops(x, w, stride=1, padding=0):
    padded = np.pad(x, padding)
    sizes = [(n - u) // stride + 1 for n, u in zip(padded.shape, w.shape, strict=True)]
    z = np.zeros(sizes)
    for i in np.ndindex(*z.shape):
        for u in np.ndindex(*w.shape):
            z[i] += w[u] * padded[tuple(stride * a + b for a, b in zip(i, u, strict=True))]
    return z


def test_a_right_function_and_one_with_a_known_mistake():
    explorer = ConvolutionExplorer(padding=1, stride=2)
    assert explorer.compare(loops) is explorer
    assert explorer.theirs["says"] == "Your function is right in all 9 cells."
    explorer.compare(lambda x, w, stride, padding: loops(x, np.flip(w), stride, padding))
    assert "mistake F1" in explorer.theirs["says"]
    assert re.match(r"Your function differs in \d of 9 cells\.", explorer.theirs["says"])
    explorer.stride = 1  # it is called anew
    assert re.match(r"Your function differs in \d+ of 25 cells\.", explorer.theirs["says"])
    explorer.lens = "weight"  # and gets other things
    assert explorer.theirs["says"].startswith("Your function raised TypeError")
    with pytest.raises(TypeError):
        explorer.compare(explorer._compared)
    explorer.compare(None)
    assert explorer.theirs is None


def test_what_a_function_gets_and_what_it_gives():
    got = []

    def owed(dz, w, shape, *, stride, flip):
        got.append((dz.shape, w.shape, shape, stride, flip))
        return np.zeros(shape)

    explorer = ConvolutionExplorer(lens="delta", stride=2, flip=True)
    explorer.compare(owed)
    assert got == [((2, 2), (3, 3), (5, 5), 2, True)]
    assert "differs" in explorer.theirs["says"]
    explorer.compare(lambda dz, w, shape: np.zeros(3))
    assert explorer.theirs["says"] == "Your function gave shape (3,); expected (5, 5)."
    assert explorer.theirs["values"] == []
    r = np.random.default_rng(0)
    deep = ConvolutionExplorer(
        input=r.integers(0, 5, (4, 4, 2)).tolist(), kernel=r.integers(0, 5, (3, 2, 2, 2)).tolist(),
        bias=[1, 2, 3],
    )  # fmt: skip
    deep.compare(lambda x, w, b: cnnlib.conv(x[None], w, b)[0])
    assert deep.theirs["says"] == "Your function is right in all 27 cells."
    deep.compare(lambda x, w, b: cnnlib.conv(x[None], w)[0])
    assert deep.theirs["says"] == "Your function differs in 27 of 27 cells."  # no name is known
    deep.compare(lambda x, w, b: cnnlib.conv(x[None], w, b, flip=True)[0])
    assert "mistake F1" in deep.theirs["says"]
    with pytest.raises(cnnlib.errors.InputError, match="fn is 3"):
        deep.compare(3)


def test_the_cells_that_differ_are_marked_until_the_numbers_change(open_page):
    def first_row_wrong(x, w):
        z = loops(x, w)
        z[0] += 1
        return z

    page = open_page(ConvolutionExplorer().compare(first_row_wrong))
    cells = grids(page)["output z"]
    assert [m for m, cell in enumerate(cells) if "wrong" in cell["marks"]] == [0, 1, 2]
    assert f"yours {float(cells[0]['text']) + 1:g}" in cells[0]["label"]
    assert page.locator(".cnn-note").text_content().startswith("Your function differs in 3 of 9")
    page.locator(".cnn-grid", has_text="input x").locator('[role="gridcell"]').last.dblclick()
    page.keyboard.type("9")
    page.keyboard.press("Enter")
    assert not any("wrong" in cell["marks"] for cell in grids(page)["output z"])
    page.get_by_role("button", name="Undo").click()
    assert any("wrong" in cell["marks"] for cell in grids(page)["output z"])
    put(page, "stride", "2")
    assert not any("wrong" in cell["marks"] for cell in grids(page)["output z"])
    assert "Your function" not in page.locator(".cnn-note").text_content()


def test_a_zero_has_no_sign(open_page):
    from cnnlib.book.widgets import PoolingExplorer

    assert str(ConvolutionExplorer(input=[-0.0, 1], kernel=[-0.0]).input) == "[0.0, 1.0]"
    hash = "#input=-0,-0,1&kernel=-0,0&position=0"
    page = open_page(ConvolutionExplorer(input=[1, 2], kernel=[1]), address=hash)
    assert said(page).endswith("= 0*0 + 0*0\n  = 0")
    grid = page.locator(".cnn-grid", has_text="input x")
    grid.locator('[role="gridcell"]').nth(2).dblclick()
    page.keyboard.type("-0")
    page.keyboard.press("Enter")
    pool = open_page(PoolingExplorer(input=[1, 2]), address="#input=-0,-0")
    for one in (page, pool):
        labels = one.locator('[role="gridcell"]').evaluate_all(
            "(cells) => cells.map((cell) => cell.getAttribute('aria-label'))"
        )
        assert not any(re.search(r"-0(?!\.)", label) for label in labels)


def test_words_that_are_no_truth_are_refused():
    for name in ("transposed", "coverage", "shades"):
        with pytest.raises(TraitError, match=f"{name} is 2"):
            ConvolutionExplorer(**{name: 2})
    for wrong in ({"lens": "delta"}, [1], {"stride": 0}, {"padding": 1, "center": [0, 0]}):
        with pytest.raises(TraitError, match="beside|stride|padding"):
            ConvolutionExplorer(beside=wrong)
