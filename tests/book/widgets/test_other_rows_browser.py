"""Groups and borders in the ConvolutionExplorer: which slice meets which, what a copy repeats."""

import numpy as np
import pytest

import cnnlib
from cnnlib.book.widgets import ConvolutionExplorer
from cnnlib.geometry import BORDERS

R = np.random.default_rng(18)
X, W = R.integers(-4, 6, (3, 4)), R.integers(1, 5, (3, 2))
# Of each cell of a grid: its number, the number on it, its classes, what is said, what it repeats.
READ = """(title) => [...document.querySelectorAll(".cnn-grid")]
  .filter((grid) => grid.querySelector(".cnn-title").textContent.startsWith(title))
  .flatMap((grid) => [...grid.querySelectorAll('[role="gridcell"]')].map((cell) => ({
    text: cell.firstChild.textContent, tag: cell.dataset.tag, classes: [...cell.classList],
    label: cell.getAttribute("aria-label"), from: cell.dataset.from,
  })))"""


def state(page):
    return page.url.partition("#")[2]


def choose(page, title, flat):
    grid = page.locator(".cnn-grid", has=page.locator(".cnn-title", has_text=title)).first
    grid.locator('[role="gridcell"]').nth(flat).evaluate("(cell) => cell.click()")


@pytest.mark.parametrize("border", [name for name in BORDERS if name != "zeros"])
def test_a_copy_shows_the_input_that_it_repeats_and_stands_for_it(open_page, border):
    laid = dict(padding=((2, 0), (1, 1)), border=border)
    page = open_page(ConvolutionExplorer(input=X, kernel=W, **laid, position=[0, 0]))
    cells = page.evaluate(READ, "input x")
    mode = {"replicate": "edge", "circular": "wrap"}.get(border, border)
    framed = np.pad(X, laid["padding"], mode)
    places = np.pad(np.arange(12).reshape(3, 4), laid["padding"], mode)
    assert [float(cell["text"]) for cell in cells] == framed.ravel().tolist()
    for (row, column), cell in zip(np.ndindex(framed.shape), cells, strict=True):
        copied = row < 2 or column in (0, 5)
        index = np.unravel_index(places[row, column], X.shape)
        name = f"x[{index[0]},{index[1]}]"
        assert cell["from"] == (f"{index[0]},{index[1]}" if copied else "")
        assert cell["label"].startswith(f"copy of {name}" if copied else name)
        assert ("copy" in cell["classes"]) == copied
    # A click on the copy in the first corner pins its input: the outputs that read it are lit.
    choose(page, "input x", 0)
    rows = cnnlib.connections(X.shape, W.shape, **laid)
    read = set(rows["output"][rows["input"] == places[0, 0]].tolist())
    lit = [m for m, cell in enumerate(page.evaluate(READ, "output z"))
           if {"partner", "looked"} & set(cell["classes"])]  # fmt: skip
    assert {0, *lit} == {0, *read}  # output 0 is the chosen one
    z = cnnlib.conv(X[None, ..., None], W[None, ..., None], **laid)[0, ..., 0]
    assert [float(cell["text"]) for cell in page.evaluate(READ, "output z")] == z.ravel().tolist()
    # Another number on a copy is another number of its input.
    grid = page.locator(".cnn-grid", has=page.locator(".cnn-title", has_text="input x"))
    grid.locator('[role="gridcell"]').first.press("F2")
    page.locator(".cnn-edit").fill("9")
    page.locator(".cnn-edit").press("Enter")
    changed = X.copy()
    changed.flat[places[0, 0]] = 9
    cells = page.evaluate(READ, "input x")
    right = np.pad(changed, laid["padding"], mode).ravel().tolist()
    assert [float(cell["text"]) for cell in cells] == right
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Reset").click()
    cells = page.evaluate(READ, "input x")
    assert [float(cell["text"]) for cell in cells] == framed.ravel().tolist()


def test_deltas_add_up_where_a_row_names_an_input_again(open_page):
    laid = dict(padding=1, border="replicate")
    explorer = ConvolutionExplorer(input=[2, 5, 7], kernel=[100, 10, 1], deltas=[3, -2, 4], **laid)
    explorer.lens, explorer.position = "delta", [0]
    page = open_page(explorer)
    # Output 0 reads input 0 through weights 0 and 1, output 1 through weight 0: 330 - 200. Input 1:
    # 1*3 - 10*2 + 100*4. Input 2: -1*2 + 10*4 + 1*4.
    assert [cell["text"] for cell in page.evaluate(READ, "dx")] == ["130", "383", "42"]
    assert [cell["tag"] for cell in page.evaluate(READ, "deltas")] == ["×100+10", "×100", ""]
    said = page.locator(".cnn-sum").text_content()
    assert said == (
        "Input 0 went into 2 outputs.\ndx[0] = w[0]*dz[0] + w[1]*dz[0] + w[0]*dz[1]\n"
        "  = 100*3 + 10*3 + 100*(-2)\n  = 130"
    )
    assert page.locator(".cnn-note").text_content().startswith("1 of 3 rows go through copies")
    assert not page.get_by_label("as a rotated kernel over zeros put between").is_visible()
    page.get_by_label("forward", exact=True).check()
    page.get_by_text("Set up").click()
    page.get_by_label("tint inputs").check()
    labels = [cell["label"] for cell in page.evaluate(READ, "input x")]
    times = ["read 3 times", "read 3 times", "read 3 times"]
    assert [label.split(", ")[1] for label in labels[1:4]] == times
    page.get_by_label("border", exact=True).select_option("zeros")
    labels = [cell["label"] for cell in page.evaluate(READ, "input x")]
    assert [label.split(", ")[1] for label in labels[1:4]] == [
        "read 2 times",
        "read 3 times",
        "read 2 times",
    ]


def test_a_border_is_chosen_and_stays_in_the_address(open_page):
    page = open_page(ConvolutionExplorer())
    page.get_by_text("Set up").click()
    menu = page.get_by_label("border", exact=True)
    menu.select_option("circular")  # without padding there would be none
    assert "border=circular" in state(page) and "padding=same" in state(page)
    assert page.get_by_label("padding", exact=True).evaluate("(e) => e.value") == "same"
    address = state(page)
    again = open_page(ConvolutionExplorer(), address=f"#{address}")
    assert again.evaluate(READ, "input x")[0]["from"] == "4,4"
    page.get_by_role("button", name="Undo").click()
    assert state(page) == ""


@pytest.mark.parametrize(("C", "K", "groups"), [(2, 4, 2), (3, 3, 3), (2, 2, 2)])
def test_a_filter_meets_the_channels_of_its_own_group(open_page, C, K, groups):
    x, w = R.integers(-4, 6, (4, 4, C)), R.integers(-3, 4, (K, 2, 3, C // groups))
    laid = dict(padding=1, stride=2, groups=groups)
    z = cnnlib.conv(x[None], w, **laid)[0]
    explorer = ConvolutionExplorer(input=x, kernel=w, **laid, position=[0, 0, 0])
    page = open_page(explorer)
    for k in range(K):
        choose(page, f"z, filter {k}", 1)
        own = k * groups // K
        assert page.locator(".cnn-sum").text_content().endswith(f"  = {z[0, 1, k]:g}")
        titles = page.locator(".cnn-title").all_text_contents()
        assert titles.count(f"filter {k}: no slice") == C - 1
        for c in range(C):
            lies = [cell["tag"] for cell in page.evaluate(READ, f"x, channel {c}") if cell["tag"]]
            assert bool(lies) == (c == own)
        got = [float(cell["text"]) for cell in page.evaluate(READ, f"filter {k}, slice 0")]
        assert got == w[k, ..., 0].ravel().tolist()
        got = [float(cell["text"]) for cell in page.evaluate(READ, f"z, filter {k}")]
        assert got == z[..., k].ravel().tolist()
    absent = page.evaluate(READ, f"filter {K - 1}: no slice")
    assert all(cell["text"] == "" and "cut" in cell["classes"] for cell in absent)

    dz = explorer._arrays()["dz"]
    dx = cnnlib.conv_delta(dz, w, (1, *x.shape), **laid)[0]
    page.get_by_label("delta", exact=True).check()
    for c in range(C):
        choose(page, f"dx, channel {c}", 5)
        assert page.locator(".cnn-sum").text_content().endswith(f"  = {dx[1, 1, c]:g}")
        for k in range(K):
            lies = [cell["tag"] for cell in page.evaluate(READ, f"dz, filter {k}") if cell["tag"]]
            assert bool(lies) == (k * groups // K == c)
    dw = cnnlib.conv_weight_gradient(x[None], dz, (2, 3), **laid)
    page.get_by_label("weight gradient", exact=True).check()
    for k in range(K):
        page.get_by_label("filter", exact=True).select_option(str(k))
        got = [float(cell["text"]) for cell in page.evaluate(READ, f"dw, filter {k}, slice 0")]
        assert got == dw[k, ..., 0].ravel().tolist()


def test_groups_are_chosen_where_they_divide_channels_and_filters(open_page):
    page = open_page(ConvolutionExplorer())
    page.get_by_text("Set up").click()
    groups = page.get_by_label("groups", exact=True)
    assert not groups.is_visible()
    page.get_by_label("channels", exact=True).select_option("2")
    assert not groups.is_visible()
    page.get_by_label("filters", exact=True).select_option("4")
    offered = groups.locator("option:not([hidden])").all_text_contents()
    assert offered == ["1", "2"]
    groups.select_option("2")
    assert "4 filters in 2 groups" in page.locator(".cnn-name").text_content()
    assert "groups=2" in state(page)
    page.get_by_label("filters", exact=True).select_option("3")  # 2 divides it no longer
    assert (
        "groups" not in state(page)
        and "in 2 groups" not in page.locator(".cnn-name").text_content()
    )
    page.get_by_role("button", name="Undo").click()
    assert "groups=2" in state(page)
    page.get_by_label("axes", exact=True).select_option("one")
    page.get_by_label("axes", exact=True).select_option("two")
    assert "4 filters in 2 groups of 3 × 3" in page.locator(".cnn-name").text_content()
