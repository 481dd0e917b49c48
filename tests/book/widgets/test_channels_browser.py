"""Channels and filters in the ConvolutionExplorer: which slice meets which, and every number."""

import re

import numpy as np
import pytest

import cnnlib
from cnnlib.book.widgets import ConvolutionExplorer
from cnnlib.geometry import Window

R = np.random.default_rng(7)


def layer(P, U, C, K, **more):
    x, w = R.integers(-4, 6, (*P, C)), R.integers(-3, 4, (K, *U, C))
    return ConvolutionExplorer(input=x.tolist(), kernel=w.tolist(), **more)


LAYERS = {
    "three channels, four filters": layer((4, 4), (3, 2), 3, 4, padding=1, bias=[1, 0, -2, 5]),
    "two channels, stride, dilation": layer(
        (6, 5), (2, 2), 2, 1, stride=[2, 1], dilation=2, flip=True
    ),
    "a row": layer((7,), (3,), 2, 3, center=[2], stride=2, bias=1.5),
    "three filters of one channel": layer((4, 5), (2, 3), 1, 3, padding="same"),
}
each_layer = pytest.mark.parametrize("explorer", LAYERS.values(), ids=LAYERS)


def another(explorer, **changes):
    """An explorer with these changes; it chooses its own cell."""
    traits = explorer.payload()["traits"] | changes
    return ConvolutionExplorer(**{name: traits[name] for name in traits if name != "position"})


# The numbers and the tags of each grid, by its title.
READ = """() => Object.fromEntries([...document.querySelectorAll(".cnn-grid")].map((grid) => [
  grid.querySelector(".cnn-title").textContent,
  [...grid.querySelectorAll('[role="gridcell"]')].map((cell) =>
    [cell.firstChild.textContent, cell.dataset.tag, [...cell.classList],
      cell.getAttribute("aria-label")])]))"""


def read(page):
    return page.evaluate(READ)


def own(cells):
    """The numbers of a grid, without its padding."""
    return [float(text) for text, _, _, label in cells if not label.startswith("padding")]


def tagged(cells):
    return [(float(text), float(tag[1:])) for text, tag, _, label in cells
            if tag and not label.startswith("padding")]  # fmt: skip


def said(page):
    return page.locator(".cnn-sum").text_content()


def choose(page, title, flat):
    grid = page.locator(
        ".cnn-grid", has=page.locator(".cnn-title", has_text=re.compile(f"^{title}$"))
    )
    grid.locator('[role="gridcell"]').nth(flat).evaluate("(cell) => cell.click()")


def arrays(explorer):
    made = explorer._arrays()
    geometry = explorer._geometry()
    del geometry["groups"]  # there is one
    x, w, b, dz = made["x"], made["w"], made["b"], made["dz"]
    return made | {
        "z": cnnlib.conv(x, w, b, method="loops", **geometry)[0],
        "dx": cnnlib.conv_delta(dz, w, x.shape, method="loops", **geometry)[0],
        "dw": cnnlib.conv_weight_gradient(x, dz, w.shape[1:-1], method="loops", **geometry),
        "rows": Window(w.shape[1:-1], **geometry).connections(x.shape[1:-1]),
    }


@each_layer
def test_an_output_is_a_sum_over_channels_and_each_slice_meets_its_channel(open_page, explorer):
    page, truth = open_page(explorer), arrays(explorer)
    K, C = truth["w"].shape[0], truth["x"].shape[-1]
    places = truth["z"][..., 0].size
    for k in range(K):
        for flat in (0, places - 1):
            choose(page, f"z, filter {k}", flat)
            drawn, rows = read(page), truth["rows"][truth["rows"]["output"] == flat]
            for other in range(K):
                assert own(drawn[f"z, filter {other}"]) == truth["z"][..., other].ravel().tolist()
            w = truth["w"][k].reshape(-1, C)
            x = truth["x"][0].reshape(-1, C)
            lines = said(page).splitlines()
            sums = []
            for c in range(C):
                assert own(drawn[f"x, channel {c}"]) == x[:, c].tolist()
                assert own(drawn[f"filter {k}, slice {c}"]) == w[:, c].tolist()
                met = [(x[p, c], w[u, c]) for _, u, p in rows.tolist()]
                assert sorted(tagged(drawn[f"x, channel {c}"])) == sorted(met)
                sums.append(sum(a * b for a, b in met))
                assert lines[1 + c].startswith(f"  channel {c}: ")
                assert lines[1 + c].endswith(f" = {sums[c]:g}")
                assert lines[1 + c].count("*") == len(met)
            value = truth["z"][..., k].ravel()[flat]
            assert lines[-1] == f"  = {value:g}"
            bias = truth["b"][k] if truth["b"] else 0
            assert value == sum(sums) + bias
            assert (f"b[{k}] = {bias:g}" in said(page)) == (truth["b"] is not None)


@each_layer
def test_an_input_owes_a_sum_over_filters(open_page, explorer):
    explorer = another(explorer, lens="delta")
    page, truth = open_page(explorer), arrays(explorer)
    K, C = truth["w"].shape[0], truth["x"].shape[-1]
    for c in range(C):
        for flat in (1, truth["x"][0, ..., 0].size - 1):
            choose(page, f"dx, channel {c}", flat)
            drawn, rows = read(page), truth["rows"][truth["rows"]["input"] == flat]
            lines = said(page).splitlines()
            for k in range(K):
                assert own(drawn[f"dz, filter {k}"]) == truth["dz"][0, ..., k].ravel().tolist()
                w, dz = truth["w"][k, ..., c].ravel(), truth["dz"][0, ..., k].ravel()
                assert own(drawn[f"filter {k}, slice {c}"]) == w.tolist()
                met = [(dz[i], w[u]) for i, u, _ in rows.tolist()]
                assert sorted(tagged(drawn[f"dz, filter {k}"])) == sorted(met)
                assert lines[1 + k].startswith(f"  filter {k}: ")
                assert lines[1 + k].endswith(f" = {sum(a * b for a, b in met):g}")
            for other in range(C):
                owed = truth["dx"][..., other].ravel().tolist()
                assert own(drawn[f"dx, channel {other}"]) == owed
            assert lines[-1] == f"  = {truth['dx'][..., c].ravel()[flat]:g}"


@each_layer
def test_a_weight_met_one_channel_and_the_deltas_of_its_filter(open_page, explorer):
    explorer = another(explorer, lens="weight")
    page, truth = open_page(explorer), arrays(explorer)
    K, C = truth["w"].shape[0], truth["x"].shape[-1]
    for k in range(K):
        choose(page, f"dz, filter {k}", 0)  # looks at another filter only
        if K > 1:
            page.get_by_label("filter", exact=True).select_option(str(k))
        for c in range(C):
            choose(page, f"dw, filter {k}, slice {c}", 1)
            drawn, rows = read(page), truth["rows"][truth["rows"]["weight"] == 1]
            owed = truth["dw"][k, ..., c].ravel().tolist()
            assert own(drawn[f"dw, filter {k}, slice {c}"]) == owed
            x, dz = truth["x"][0, ..., c].ravel(), truth["dz"][0, ..., k].ravel()
            met = [(x[p], dz[i]) for i, _, p in rows.tolist()]
            assert sorted(tagged(drawn[f"x, channel {c}"])) == sorted(met)
            others = [tagged(drawn[f"x, channel {one}"]) for one in range(C) if one != c]
            assert not any(others)
            assert said(page).splitlines()[-1] == f"  = {truth['dw'][k, ..., c].ravel()[1]:g}"


def test_the_travel_goes_through_one_filter_and_one_channel_after_the_other(open_page):
    explorer = LAYERS["three channels, four filters"]
    page, truth = open_page(explorer), arrays(explorer)
    page.get_by_label("pace").select_option("by product")
    moment = page.get_by_label("moment of the travel")
    moment.evaluate("(slider) => { slider.value = 0; slider.dispatchEvent(new Event('input')); }")
    rows = truth["rows"][truth["rows"]["output"] == 0]
    for n in range(3 * len(rows) + 1):  # and the bias
        lines = said(page).splitlines()
        begun = [line for line in lines if line.startswith("  channel")]
        assert len(begun) == min(3, n // len(rows) + 1)
        assert lines[-1].endswith(", so far") == (n < 3 * len(rows))
        page.get_by_role("button", name="Step", exact=True).click()
    page.get_by_label("pace").select_option("by cell")
    page.get_by_role("button", name="Step", exact=True).click()
    drawn = read(page)
    assert [text for text, *_ in drawn["z, filter 0"]].count("") == truth["z"][..., 0].size - 2
    assert {text for text, *_ in drawn["z, filter 1"]} == {""}


def test_channels_and_filters_are_set_up_and_taken_away(open_page):
    page = open_page(ConvolutionExplorer(padding=1))
    first = page.locator(".cnn-sum").text_content()
    page.get_by_text("Set up").click()
    page.get_by_label("channels").select_option("3")
    page.get_by_label("filters").select_option("2")
    drawn = read(page)
    assert [len(own(drawn[f"x, channel {c}"])) for c in range(3)] == [25] * 3
    assert own(drawn["x, channel 0"]) == np.ravel(ConvolutionExplorer().input).tolist()
    assert own(drawn["filter 0, slice 0"]) == np.ravel(ConvolutionExplorer().kernel).tolist()
    page.get_by_label("bias").fill("1,2")
    page.get_by_label("bias").press("Enter")
    page.get_by_label("kernel size").fill("2,3")
    page.get_by_label("kernel size").press("Enter")
    hash = page.evaluate("decodeURIComponent(location.hash)")
    again = open_page(ConvolutionExplorer(padding=1), address=hash)
    assert read(again) == read(page)
    assert said(again) == said(page)
    page.get_by_label("axes").select_option("one")
    name = page.locator(".cnn-name").text_content()
    assert "5 inputs in 3 channels, 2 filters of 3 weights" in name
    page.get_by_label("axes").select_option("two")
    page.get_by_label("filters").select_option("1")
    page.get_by_label("channels").select_option("1")
    assert "input x" in page.locator(".cnn-title").all_text_contents()[2]
    page.get_by_role("button", name="Reset", exact=True).click()
    assert said(page) == first


def test_an_edit_changes_one_number_of_its_slice_and_the_centre_moves_for_all(open_page):
    explorer = LAYERS["three channels, four filters"]
    page = open_page(explorer)
    choose(page, "z, filter 2", 0)
    grid = page.locator(".cnn-grid", has_text="filter 2, slice 1")
    grid.locator('[role="gridcell"]').nth(3).click()
    page.keyboard.type("9")
    page.keyboard.press("Enter")
    w = np.array(explorer.kernel)
    w[2, 1, 1, 1] = 9
    changed = another(explorer, kernel=w.tolist())
    assert own(read(page)["z, filter 2"]) == arrays(changed)["z"][..., 2].ravel().tolist()
    page.keyboard.press("c")
    assert "center=1,1" in page.evaluate("location.hash")
    assert page.locator(".cnn-dot").count() == 3


@pytest.mark.parametrize("size", [(1366, 650), (1920, 1080), (768, 1024), (390, 844)])
@pytest.mark.parametrize("lens", ["forward", "delta", "weight"])
def test_all_slices_are_seen_with_the_sum(open_page, size, lens):
    r = np.random.default_rng(1)
    width, height = size
    x, w = r.integers(0, 5, (5, 5, 3)), r.integers(-2, 3, (4, 3, 3, 3))
    page = open_page(
        ConvolutionExplorer(input=x.tolist(), kernel=w.tolist(), padding=1, lens=lens),
        width=width, height=height,
    )  # fmt: skip
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(
        """() => [...document.querySelectorAll(".cnn-scroll")]
        .every((box) => box.scrollWidth <= box.clientWidth)"""
    ), "cells are cut off"
    if width > 1000:
        box = page.locator(".cnn-sum").bounding_box()
        assert box["y"] + min(box["height"], 80) <= height
