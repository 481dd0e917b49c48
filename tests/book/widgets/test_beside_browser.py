"""Two settings side by side in the ConvolutionExplorer, with what differs marked."""

import numpy as np
import pytest

import cnnlib
from cnnlib.book.widgets import ConvolutionExplorer

PAIRS = {
    "same against valid": dict(padding="same", beside={"padding": "valid"}),
    "stride 1 against 2": dict(padding=1, beside={"stride": 2}),
    "a centre against a padding": dict(center=[0, 2], beside={"padding": 1}, bias=2),
    "flipped": dict(padding=1, beside={"flip": True}),
    "PyTorch against TensorFlow": dict(
        input=np.arange(36).reshape(6, 6) % 7, stride=2, padding=1, beside={"padding": "same"}
    ),
    "a row": dict(input=[3, 1, 4, 1, 5, 9], kernel=[1, -2, 3], padding=[[1, 1]], stride=2,
                  beside={"padding": "same"}),
}  # fmt: skip

READ = """() => [...document.querySelectorAll(".cnn-main .cnn-grid")].map((grid) => [
  grid.querySelector(".cnn-title").textContent,
  [...grid.querySelectorAll('[role="gridcell"]')].map((cell) =>
    [cell.firstChild.textContent, cell.dataset.tag, [...cell.classList]])])"""


def outputs(explorer, **changes):
    laid = explorer._geometry() | changes
    if "padding" in changes:
        laid["center"] = None
    arrays = explorer._arrays()
    return cnnlib.conv(arrays["x"], arrays["w"], arrays["b"], **laid)[0, ..., 0]


@pytest.mark.parametrize("state", PAIRS.values(), ids=PAIRS)
def test_both_outputs_are_those_of_cnnlib_and_what_differs_is_marked(open_page, state):
    explorer = ConvolutionExplorer(**state)
    page = open_page(explorer)
    first, second = outputs(explorer), outputs(explorer, **state["beside"])
    drawn = page.evaluate(READ)
    assert [title[0] for title, _ in drawn] == ["x", "z", "x", "z"]
    assert drawn[1][0] != drawn[3][0]
    shared = tuple(slice(min(n)) for n in zip(first.shape, second.shape, strict=True))
    for mine, theirs, (_, cells) in ((first, second, drawn[1]), (second, first, drawn[3])):
        assert [float(text) for text, *_ in cells] == mine.ravel().tolist()
        unlike = np.ones(mine.shape, bool)
        unlike[shared] = mine[shared] != theirs[shared]
        marked = [m for m, (_, _, marks) in enumerate(cells) if "differs" in marks]
        assert marked == np.flatnonzero(unlike).tolist()
    unlike = int((first[shared] != second[shared]).sum())
    assert f"Of {first[shared].size} outputs that both have, {unlike} " in (
        page.locator(".cnn-note").text_content()
    )


def test_one_choice_shows_what_both_read(open_page):
    explorer = ConvolutionExplorer(padding=1, beside={"stride": 2}, position=[2, 1])
    page = open_page(explorer)
    drawn = page.evaluate(READ)
    for n, stride in ((0, 1), (2, 2)):
        table = cnnlib.connections((5, 5), (3, 3), padding=1, stride=stride)
        J = 5 if stride == 1 else 3
        rows = table[table["output"] == 2 * J + 1]
        w = np.ravel(explorer.kernel)
        tags = {(p // 5 + 1) * 7 + p % 5 + 1: w[u] for _, u, p in rows.tolist()}
        covered = {m: tag for m, (_, tag, _) in enumerate(drawn[n][1]) if tag}
        assert {m: covered[m] for m in tags} == {m: f"×{w}" for m, w in tags.items()}
    said = page.locator(".cnn-sum").text_content()
    assert f"= {outputs(explorer)[2, 1]:g}\nWith stride 2" in said
    assert said.endswith(f"= {outputs(explorer, stride=2)[2, 1]:g}")
    corner = page.locator(".cnn-main .cnn-grid").nth(1).locator('[role="gridcell"]').last
    corner.click()
    assert "There is no output (4, 4)." in page.locator(".cnn-sum").text_content()
    tags = [tag for _, tag, _ in page.evaluate(READ)[2][1] if tag]
    assert tags == []


def test_the_travel_fills_both(open_page):
    page = open_page(ConvolutionExplorer(padding=1, beside={"stride": 2}, position=[0, 4]))
    page.get_by_role("button", name="Step", exact=True).click()  # to (1, 0)
    texts = [[text for text, *_ in cells] for _, cells in page.evaluate(READ)]
    assert [n for n, text in enumerate(texts[1]) if text] == list(range(6))
    assert [n for n, text in enumerate(texts[3]) if text] == list(range(4))


def test_the_pairs_are_in_a_menu_and_the_address_keeps_them(open_page):
    page = open_page(ConvolutionExplorer())
    page.get_by_text("Set up").click()
    menu = page.get_by_label("beside it")
    menu.select_option("PyTorch's padding against TensorFlow's SAME")
    assert "6 × 6 inputs" in page.locator(".cnn-name").text_content()
    assert "8 have other numbers" in page.locator(".cnn-note").text_content()
    hash = page.evaluate("location.hash")
    again = open_page(ConvolutionExplorer(), address=hash)
    assert again.evaluate(READ) == page.evaluate(READ)
    page.get_by_label("input size").fill("5")
    page.get_by_label("input size").press("Enter")
    assert "0 have other numbers" in page.locator(".cnn-note").text_content()
    page.get_by_label("its stride").fill("3")
    page.get_by_label("its stride").press("Enter")
    assert menu.evaluate("(menu) => menu.selectedOptions[0].text") == "a setting of its own"
    menu.select_option("nothing")
    assert page.locator(".cnn-main .cnn-grid").count() == 2
    page.get_by_role("button", name="Reset", exact=True).click()
    assert page.evaluate("location.hash") == ""
    wrong = open_page(ConvolutionExplorer(), address="#beside=%7B%22lens%22%3A1%7D")
    assert "expected some of stride" in wrong.get_by_role("alert").first.text_content()


@pytest.mark.parametrize("size", [(1366, 650), (1920, 1080), (768, 1024), (390, 844)])
@pytest.mark.parametrize("name", ["same against valid", "PyTorch against TensorFlow", "a row"])
def test_both_are_seen_with_the_sum(open_page, size, name):
    width, height = size
    page = open_page(ConvolutionExplorer(**PAIRS[name]), width=width, height=height)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width > 1000:
        box = page.locator(".cnn-sum").bounding_box()
        assert box["y"] + min(box["height"], 80) <= height
