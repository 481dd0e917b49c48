"""What a reader sees who has only a picture: where things stand, the dot, dashed lines, words."""

import re

import numpy as np
import pytest

from cnnlib.book.widgets import ConvolutionExplorer, PoolingExplorer

X = [3, 0, 2, 5, 1, 4, 0, 2, 6]
ROW = dict(input=X, kernel=[1, -1, 2], padding=1)
EIGHT = [[(7 * r + 5 * c) % 8 for c in range(6)] for r in range(6)]
EDGE = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]

# Each grid's cells: its index on the screen, what it says and shows, and where it stands.
CELLS = """() => [...document.querySelectorAll(".cnn-grid")].map((grid) => ({
  title: grid.querySelector(".cnn-title").textContent,
  cells: [...grid.querySelectorAll('[role="gridcell"]')].map((cell) => {
    const {x, y, width} = cell.getBoundingClientRect();
    return {
      label: cell.getAttribute("aria-label"), marks: [...cell.classList],
      middle: x + width / 2, y, width,
      dot: getComputedStyle(cell, "::before").content !== "none",
      lies: cell.querySelector(".cnn-tag")?.textContent ?? "",
    }; }),
}))"""

LINES = """() => [...document.querySelectorAll(".cnn-lines line")].map((line) => {
  const { left, width } = line.parentNode.getBoundingClientRect();
  const pitch = width / line.parentNode.viewBox.baseVal.width;
  return [line.getAttribute("class"), getComputedStyle(line).strokeDasharray !== "none",
    ...["x1", "x2"].map((end) => left + pitch * line.getAttribute(end))]; })"""


def grid(page, title):
    return next(one["cells"] for one in page.evaluate(CELLS) if one["title"].startswith(title))


def said(page):
    return page.locator(".cnn-sum").text_content()


def note(page):
    return page.locator(".cnn-note").text_content()


def put(page, label, value):
    page.get_by_label(label, exact=True).fill(value)
    page.get_by_label(label, exact=True).press("Enter")


# ---- One row: an output under the middle of what it reads

LAID = {
    "stride 1": dict(ROW, stride=1),
    "stride 2": dict(ROW, stride=2),
    "stride 3": dict(ROW, stride=3),
    "dilation 2, no padding": dict(ROW, padding=0, dilation=2, stride=2),
    "four weights, flipped": dict(input=X, kernel=[1, -1, 2, 1], padding=2, stride=2, flip=True),
    "uneven padding": dict(ROW, padding=[[2, 1]], stride=2),
}


def check_places(page, inputs, outputs, state):
    """By hand: output i reads from s*i - before, as far as d*(U - 1) cells further on."""
    above, below = grid(page, inputs), grid(page, outputs)
    zero = next(cell for cell in above if re.search(r"x\[0\]", cell["label"]))["middle"]
    pitch = above[1]["middle"] - above[0]["middle"]
    s, d = state.get("stride", 1), state.get("dilation", 1)
    before = np.ravel(state["padding"])[0]
    size = state["window"] if "window" in state else len(state["kernel"])
    found = [(re.match(r"[a-z]+\[(\d+)\]", cell["label"]), cell) for cell in below]
    real = [(int(name[1]), cell) for name, cell in found if name]  # no zeros between
    assert [i for i, _ in real] == list(range(len(real))) and len(real) > 1
    for i, cell in real:
        middle = s * i - before + d * (size - 1) / 2
        assert cell["middle"] - zero == pytest.approx(middle * pitch, abs=1), i
    assert {cell["width"] for cell in below} == {above[0]["width"]}
    assert min(cell["y"] for cell in below) > above[0]["y"] + above[0]["width"]


@pytest.mark.parametrize("state", LAID.values(), ids=LAID)
def test_an_output_stands_under_the_middle_of_what_it_reads(open_page, state):
    page = open_page(ConvolutionExplorer(**state), width=390 if state["stride"] == 3 else 1366)
    check_places(page, "input x", "output z", state)
    page.get_by_label("weight gradient", exact=True).check()
    check_places(page, "input x", "deltas dz", state)
    page.get_by_label("delta", exact=True).check()
    check_places(page, "dx", "deltas dz", state)
    page.get_by_label("as a rotated kernel").check()
    check_places(page, "dx", "deltas dz with zeros", state)
    zeros = grid(page, "deltas dz with zeros")  # of which all stand in one piece
    steps = np.diff([cell["middle"] for cell in zeros])
    assert steps == pytest.approx(steps[0], abs=0.5) and steps[0] < 1.2 * zeros[0]["width"]


def test_an_output_of_a_pool_stands_there_too(open_page):
    state = dict(input=X, window=3, stride=2, padding=1)
    page = open_page(PoolingExplorer(**state, position=[0]))
    check_places(page, "input x", "output a", state)
    assert said(page).startswith("Output 0 meets 2 input cells.")
    assert [line[1] for line in page.evaluate(LINES)].count(True) == 1  # to the padding
    page.get_by_label("delta", exact=True).check()
    check_places(page, "dx", "deltas da", state)
    assert said(page).startswith("Input ") and "(" not in said(page).split("\n")[0]


def test_the_title_of_the_outputs_stands_above_their_row(open_page):
    page = open_page(ConvolutionExplorer(**ROW))
    titles = page.locator(".cnn-main .cnn-title")
    assert titles.last.text_content() == "output z, 9"
    box = titles.last.bounding_box()
    above, below = grid(page, "input x")[0], grid(page, "output z")[0]
    assert above["y"] + above["width"] < box["y"]
    assert box["y"] + box["height"] <= below["y"]


# ---- Weights on dashed zeros


@pytest.mark.parametrize(("lens", "own", "below", "beyond"), [
    ("forward", "output z", "output z", {0: (-1, 0), 2: None, 4: (9, 4)}),
    ("weight", "dw", "deltas dz", {0: (-1, 0), 1: None, 2: (9, 4)}),
])  # fmt: skip
def test_dashed_lines_go_to_the_zeros_that_the_chosen_cell_meets(
    open_page, lens, own, below, beyond
):
    page = open_page(ConvolutionExplorer(**ROW, stride=2, lens=lens))
    inputs, under = grid(page, "input x"), grid(page, below)  # the first input is padding, -1
    for at, line in beyond.items():
        title = page.locator(".cnn-title", has_text=re.compile(f"^{own}"))
        chosen = page.locator(".cnn-grid", has=title).locator('[role="gridcell"]').nth(at)
        chosen.click()
        found = [one for one in page.evaluate(LINES) if one[1]]
        assert [one[0] for one in found] == ["beyond"] * (line is not None)
        if line is not None:
            ends = [inputs[line[0] + 1]["middle"], under[line[1]]["middle"]]
            assert found[0][2:] == pytest.approx(ends, abs=2)


@pytest.mark.parametrize(("state", "expected"), [
    (dict(ROW, position=[0]), "1 of 3 weights lies on a dashed zero and adds nothing."),
    (dict(ROW, padding=2, position=[0]), "2 of 3 weights lie on dashed zeros and add nothing."),
    (dict(ROW, position=[4]), ""),
    (dict(ROW, lens="weight", position=[0]),
     "1 of 9 deltas lies on a dashed zero and adds nothing."),
    (dict(ROW, padding=2, lens="weight", position=[0]),
     "2 of 11 deltas lie on dashed zeros and add nothing."),
])  # fmt: skip
def test_the_remark_says_what_lies_on_zeros(open_page, state, expected):
    page = open_page(ConvolutionExplorer(**state))
    assert note(page) == expected
    colour = "(node) => getComputedStyle(node).color"
    assert page.locator(".cnn-note").evaluate(colour) == page.locator(".cnn-name").evaluate(colour)


# ---- The dot of the centre


def dotted(page, title):
    cells = grid(page, title)
    marked = [n for n, cell in enumerate(cells) if "centre" in cell["marks"]]
    assert marked == [n for n, cell in enumerate(cells) if cell["dot"]]
    assert all("centre" in cells[n]["label"].split(", ") for n in marked)
    return marked


def test_the_input_under_the_centre_has_its_dot(open_page):
    page = open_page(ConvolutionExplorer(**ROW, stride=2))
    cells = page.locator(".cnn-main .cnn-grid").last.locator('[role="gridcell"]')
    assert dotted(page, "kernel") == [1]
    for i in range(5):
        cells.nth(i).click()
        assert dotted(page, "input x") == [2 * i + 1]  # the first cell is input -1
    cells.nth(1).hover()
    assert dotted(page, "input x") == [3] and dotted(page, "output z") == []
    title = page.locator(".cnn-dot").get_attribute("title")
    assert title == "the centre, which lies on the output's own place: drag it"
    page.get_by_label("weight gradient", exact=True).check()
    assert dotted(page, "input x") == []  # no output is chosen


def test_no_weight_of_an_uneven_place_is_the_centre(open_page):
    page = open_page(ConvolutionExplorer(**ROW, dilation=2))
    assert dotted(page, "kernel") == dotted(page, "input x") == []


@pytest.mark.parametrize(("center", "stride"), [((0, 0), 1), ((2, 2), 1), ((0, 1), 2), ((1, 1), 3)])
def test_the_dot_lies_on_two_axes_as_well(open_page, center, stride):
    state = dict(input=EIGHT, kernel=EDGE, center=list(center), stride=stride)
    page = open_page(ConvolutionExplorer(**state, position=[1, 1]))
    (found,) = dotted(page, "input x")
    place = f"x[{stride},{stride}]"
    assert grid(page, "input x")[found]["label"].startswith(place)
    assert dotted(page, "kernel") == [3 * center[0] + center[1]]


def test_back_from_an_input_the_dot_lies_on_its_delta_or_between(open_page):
    page = open_page(ConvolutionExplorer(**ROW, stride=2, lens="delta", position=[4]))
    assert dotted(page, "deltas dz") == [2]
    inputs = page.locator(".cnn-main .cnn-grid").first.locator('[role="gridcell"]')
    inputs.nth(3).click()
    assert dotted(page, "deltas dz") == []
    page.get_by_label("as a rotated kernel").check()
    (found,) = dotted(page, "deltas dz with zeros")
    assert grid(page, "deltas dz with zeros")[found]["label"].startswith("zero between [3]")
    inputs.nth(2).click()
    (found,) = dotted(page, "deltas dz with zeros")
    assert grid(page, "deltas dz with zeros")[found]["label"].startswith("dz[1]")


def test_every_channel_of_the_input_has_the_dot(open_page):
    x, w = np.arange(32).reshape(4, 4, 2) % 5, np.arange(36).reshape(2, 3, 3, 2) % 4 - 1
    state = dict(input=x.tolist(), kernel=w.tolist(), padding=1, position=[1, 2, 1])
    page = open_page(ConvolutionExplorer(**state))
    for channel in range(2):
        (found,) = dotted(page, f"x, channel {channel}")
        assert grid(page, f"x, channel {channel}")[found]["label"].startswith(f"x[1,2,{channel}]")


# ---- Words and numbers


@pytest.mark.parametrize(("lens", "head"), [
    ("forward", "Output 2 meets 3 input cells."), ("delta", "Input 2 went into 3 outputs."),
    ("weight", "Weight 2 joined 8 pairs."),
])  # fmt: skip
def test_a_place_on_one_axis_is_a_number(open_page, lens, head):
    explorer = ConvolutionExplorer(**ROW, lens=lens, position=[2])
    assert said(open_page(explorer)).split("\n")[0] == head


def test_a_place_of_a_channel_is_a_number_too(open_page):
    deep = dict(input=[[1, 2], [3, 4], [5, 6]], kernel=[[[1, 0], [2, 1]], [[1, 1], [0, 3]]])
    page = open_page(ConvolutionExplorer(**deep, position=[1, 0]))
    assert said(page).startswith("Output 1 of filter 0 meets 2 input cells in each of 2 channels.")


def test_one_number_of_padding_is_seen_and_changed(open_page):
    page = open_page(ConvolutionExplorer(**ROW))
    field = page.get_by_label("cells at each end", exact=True)
    assert field.is_visible() and field.input_value() == "1"
    title = page.locator(".cnn-name")
    assert title.text_content().startswith("Cross-correlation, stride 1, padding 1 at each end: ")
    put(page, "cells at each end", "2")
    assert "padding=2" in page.evaluate("location.hash")
    assert len(grid(page, "output z")) == 11
    page.get_by_text("Set up").click()
    put(page, "left", "0")
    assert not field.is_visible()
    assert "padding 0 and 2: " in title.text_content()
    page.get_by_label("padding", exact=True).select_option("valid")
    assert not field.is_visible()
    assert "padding 0: " in title.text_content()


@pytest.mark.parametrize("width", [1366, 390])
def test_a_factor_below_zero_has_a_minus_and_room(open_page, width):
    page = open_page(ConvolutionExplorer(**ROW, position=[3]), width=width)
    assert [cell["lies"] for cell in grid(page, "input x")[3:6]] == ["×1", "×−1", "×2"]
    for node in page.locator(".cnn-tag").element_handles():
        room = "(tag) => tag.getBoundingClientRect().width <= tag.parentNode.clientWidth"
        assert node.evaluate(room)


def test_a_long_sum_has_a_line_for_each_row_of_the_kernel(open_page):
    state = dict(input=EIGHT, kernel=EDGE, padding=1, bias=4, position=[1, 1])
    page = open_page(ConvolutionExplorer(**state))
    assert (
        said(page)
        == """Output (1, 1) meets 9 input cells.
z[1,1] = w[0,0]*x[0,0] + w[0,1]*x[0,1] + w[0,2]*x[0,2]
    + w[1,0]*x[1,0] + w[1,1]*x[1,1] + w[1,2]*x[1,2]
    + w[2,0]*x[2,0] + w[2,1]*x[2,1] + w[2,2]*x[2,2] + b
  = 1*0 + 0*5 + (-1)*2
    + 2*7 + 0*4 + (-2)*1
    + 1*6 + 0*3 + (-1)*0 + 4
  = 20"""
    )
    corner = page.locator(".cnn-main .cnn-grid").last.locator('[role="gridcell"]').first
    room = page.locator(".cnn-sum").bounding_box()
    corner.click()  # four weights and the bias
    assert said(page).split("\n")[1:3] == ["z[0,0] = w[1,1]*x[0,0] + w[1,2]*x[0,1]",
                                           "    + w[2,1]*x[1,0] + w[2,2]*x[1,1] + b"]  # fmt: skip
    assert page.locator(".cnn-sum").bounding_box() == room  # nothing jumps
    page.get_by_label("weight gradient", exact=True).check()
    lines = said(page).split("\n    + ")
    assert len(lines) > 5 and all(line.count("dz[") < 7 for line in lines)


def test_a_page_has_one_typeface(open_page):
    page = open_page(ConvolutionExplorer(**ROW))
    face = "(node) => getComputedStyle(node).fontFamily"
    embed = page.get_by_role("button", name="Copy the embedding code")
    assert embed.evaluate(face) == page.get_by_role("button", name="Reset").evaluate(face)
