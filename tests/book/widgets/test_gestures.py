"""Every gesture on every grid of every lens: what it changes in the state, and what it does not.

A gesture may change what its name says and nothing else: looking changes nothing, choosing moves
the chosen cell, editing changes one number, and only a gesture on the centre moves the centre.
"""

import pytest

pytest.importorskip("anywidget")

from cnnlib.book.widgets import ConvolutionExplorer, PoolingExplorer, TrainingExplorer

ROW = dict(input=[3, -1, 4, 1, -5, 9, 2], kernel=[1, -2, 3])
DEEP = dict(
    input=[[[3, 1], [-1, 2]], [[4, 0], [1, 5]]], kernel=[[[[1, -1], [0, 2]]], [[[3, 1], [-2, 2]]]]
)
PAGES = {
    "forward": ConvolutionExplorer(padding=1, stride=2),
    "delta": ConvolutionExplorer(padding=1, stride=2, lens="delta"),
    "rotated": ConvolutionExplorer(padding=1, stride=2, lens="delta", rotated=True),
    "weight": ConvolutionExplorer(padding=1, stride=2, lens="weight"),
    "forward, one row": ConvolutionExplorer(**ROW, center=[1]),
    "weight, one row": ConvolutionExplorer(**ROW, lens="weight"),
    "transposed": ConvolutionExplorer(padding=1, stride=2, lens="delta", transposed=True),
    "side by side": ConvolutionExplorer(padding=1, beside={"padding": 0}, coverage=True),
    "channels": ConvolutionExplorer(**DEEP, padding=1),
    "channels, delta": ConvolutionExplorer(**DEEP, lens="delta"),
    "channels, weight": ConvolutionExplorer(**DEEP, lens="weight", flip=True),
    "pooling": PoolingExplorer(padding=1, stride=1),
    "pooling, delta": PoolingExplorer(padding=1, stride=1, lens="delta"),
    "training": TrainingExplorer(step=12, layer="conv2"),
    "training, live": TrainingExplorer(live=True, filters=2),
    "pooling, average, one row": PoolingExplorer(input=[3, 1, 4, 1, 5], pool="average"),
}
OWN = {"forward": ("output", "z,"), "delta": ("dx,",), "weight": ("dw,",)}
EDITED = {  # by a title's first word
    "input": "input", "kernel": "kernel", "deltas": "deltas",
    "x,": "input", "filter": "kernel", "dz,": "deltas",
}  # fmt: skip
each_page = pytest.mark.parametrize("explorer", PAGES.values(), ids=PAGES)


class Hand:
    """A hand on one page: it knows a real cell of each grid, and what the state says."""

    def __init__(self, page, explorer):
        self.page, self.explorer = page, explorer

    @property
    def chosen(self):
        """The part of the state that says which cell is chosen."""
        return "filter" if isinstance(self.explorer, TrainingExplorer) else "position"

    def grids(self):
        return self.page.locator(".cnn-grid").all()

    def title(self, grid):
        return grid.locator(".cnn-title").text_content()

    def cell(self, grid, number=-1):
        """One of the cells that stand for a number of the layer's own."""
        numbers = grid.locator(
            '[role="gridcell"]:not([aria-label^="padding"], [aria-label^="zero between"])'
        )
        return numbers.nth(number)

    def owns(self, grid):
        """Whether the lens chooses in this grid, or in one of the same shape beside it."""
        if isinstance(self.explorer, TrainingExplorer):
            return True
        lens, pool = self.explorer.lens, isinstance(self.explorer, PoolingExplorer)
        beside = "input" if pool and lens == "delta" else "kernel" if lens == "weight" else "none"
        own = OWN["forward"] if self.transposed() else OWN[lens]
        return self.title(grid).startswith((*own, beside))

    def edited(self, grid):
        """The part of the state that an edit in this grid changes."""
        word = self.title(grid).split()[0]
        return "deltas" if word == "input" and self.transposed() else EDITED.get(word)

    def transposed(self):
        return getattr(self.explorer, "transposed", False)

    def state(self):
        """What the address says, by name."""
        hash = self.page.evaluate("decodeURIComponent(location.hash.slice(1))")
        return dict(part.split("=", 1) for part in hash.split("&") if part)

    def changed(self, before):
        now = self.state()
        return {name for name in now.keys() | before.keys() if now.get(name) != before.get(name)}

    def point(self, cell, steps=2):
        """Move the mouse onto a cell, as a hand does."""
        box = cell.bounding_box()
        self.page.mouse.move(
            box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.7, steps=steps
        )

    def leave(self):
        self.page.mouse.move(2, 2, steps=2)

    def picture(self):
        """The sum and the looks of all cells."""
        return self.page.evaluate(
            """() => [document.querySelector(".cnn-sum").textContent,
                ...[...document.querySelectorAll('[role="gridcell"]')].map((cell) =>
                    `${cell.className} ${cell.getAttribute("aria-label")}`)]"""
        )


@pytest.fixture
def hand(open_page, explorer):
    return Hand(open_page(explorer, height=1400, has_touch=True), explorer)


@each_page
def test_looking_changes_nothing_and_leaving_returns_to_what_was_pinned(hand):
    for grid in hand.grids():
        hand.leave()
        before, state = hand.picture(), hand.state()
        hand.point(hand.cell(grid))
        assert hand.changed(state) == set()
        hand.point(hand.cell(grid, 0))
        hand.leave()
        assert hand.picture() == before, hand.title(grid)
        assert hand.changed(state) == set()


@each_page
def test_looking_shows_partners_and_a_preview_of_the_own_sum(hand):
    for grid in hand.grids():
        hand.leave()
        before = hand.picture()
        hand.point(hand.cell(grid, 0))
        first = hand.picture()
        hand.point(hand.cell(grid, -1))
        assert before != first or before != hand.picture(), hand.title(grid)


@each_page
@pytest.mark.parametrize("way", ["click", "tap"])
def test_a_click_or_a_tap_pins_and_changes_nothing_else(hand, way):
    for grid in hand.grids():
        state = hand.state()
        for number in (0, -1):
            getattr(hand.cell(grid, number), way)()
        assert hand.changed(state) <= ({hand.chosen} if hand.owns(grid) else set())
        pinned = hand.picture()
        for other in hand.grids():
            hand.point(hand.cell(other, 0))
        hand.leave()
        assert hand.picture() == pinned, hand.title(grid)
        assert hand.page.locator(".cnn-edit").count() == 0


@each_page
def test_a_second_click_on_a_pinned_cell_changes_nothing(hand):
    for grid in hand.grids():
        cell = hand.cell(grid, -1)
        cell.click()
        state = hand.state()
        hand.page.wait_for_timeout(20)
        cell.click()
        assert hand.changed(state) == set(), hand.title(grid)


@each_page
def test_a_double_click_edits_twice_and_escape_gives_back(hand):
    for grid in hand.grids():
        for number in (0, -1):
            name = hand.edited(grid)
            for value in ("51", "6"):
                cell = hand.cell(grid, number)
                state = hand.state()
                cell.dblclick()
                editor = hand.page.locator(".cnn-edit")
                assert editor.count() == (name is not None), hand.title(grid)
                assert hand.changed(state) <= ({hand.chosen} if hand.owns(grid) else set())
                state = hand.state()
                if name is None:
                    continue
                text = cell.locator("span").first.text_content()
                hand.page.keyboard.type("88")
                hand.page.keyboard.press("Escape")
                assert editor.count() == 0
                assert hand.changed(state) == set(), "Escape did not give back"
                assert cell.locator("span").first.text_content() == text
                cell.dblclick()
                hand.page.keyboard.type(value)
                hand.page.keyboard.press("Enter")
                assert cell.locator("span").first.text_content() == value
                assert hand.changed(state) == {name}, hand.title(grid)


@each_page
def test_f2_enter_and_digits_edit_and_escape_gives_back(hand):
    for grid in hand.grids():
        name = hand.edited(grid)
        cell = hand.cell(grid, -1)
        cell.click()
        text = cell.locator("span").first.text_content()
        state = hand.state()
        for key in ("F2", "Enter", "7", "-"):
            hand.page.keyboard.press(key)
            assert hand.page.locator(".cnn-edit").count() == (name is not None), key
            hand.page.keyboard.press("Escape")
            assert hand.page.locator(".cnn-edit").count() == 0
            assert hand.changed(state) == set(), (hand.title(grid), key)
            assert cell.locator("span").first.text_content() == text
        if name is None:
            continue
        digit = "4" if text != "4" else "3"
        hand.page.keyboard.press(digit)
        hand.page.keyboard.press("Enter")
        assert cell.locator("span").first.text_content() == digit
        assert hand.changed(state) == {name}
        hand.page.keyboard.press("F2")
        hand.page.keyboard.type("1/4")
        hand.page.keyboard.press("Enter")
        assert cell.locator("span").first.text_content() == "0.25"


@each_page
def test_arrows_move_within_a_grid_and_choose_in_the_own_one(hand):
    for grid in hand.grids():
        hand.cell(grid, 0).click()
        state, before = hand.state(), hand.picture()
        for key in ("ArrowRight", "ArrowDown", "End", "Home", "ArrowUp", "ArrowRight", "ArrowLeft"):
            hand.page.keyboard.press(key)
            assert hand.changed(state) <= ({hand.chosen} if hand.owns(grid) else set()), key
        focused = grid.locator('[role="gridcell"]:focus')
        assert focused.count() == 1
        hand.cell(grid, 0).click()
        assert hand.picture() == before


@each_page
def test_the_wheel_scrolls_the_page_and_moves_no_choice(hand):
    hand.page.set_viewport_size({"width": 1000, "height": 300})
    hand.page.evaluate("document.body.style.paddingBottom = '1500px'")
    for grid in hand.grids():
        hand.leave()
        hand.page.evaluate("scrollTo(0, 0)")
        hand.page.wait_for_timeout(30)
        before, state = hand.picture(), hand.state()
        hand.point(hand.cell(grid, 0))
        hand.page.mouse.move(990, 290, steps=3)  # beside all grids
        for _ in range(6):
            hand.page.mouse.wheel(0, 37)
        hand.page.wait_for_timeout(60)
        assert hand.changed(state) == set()
        assert hand.picture() == before, hand.title(grid)


@each_page
def test_a_page_that_scrolls_under_a_resting_mouse_moves_nothing(hand):
    hand.page.evaluate("document.body.style.padding = '1000px 0'")
    before = hand.picture()
    box = hand.cell(hand.grids()[-1], 0).bounding_box()
    hand.page.evaluate("scrollTo(0, 0)")
    hand.page.mouse.move(box["x"] + 15, 300, steps=3)  # over the padding of the page
    for _ in range(20):
        hand.page.mouse.wheel(0, 60)
        hand.page.wait_for_timeout(30)
        assert hand.picture() == before
        assert hand.state() == {}


@each_page
def test_a_drag_over_cells_is_no_edit_and_moves_no_centre(hand):
    for grid in hand.grids():
        state = hand.state()
        hand.point(hand.cell(grid, 0))
        hand.page.mouse.down()
        hand.point(hand.cell(grid, -1))
        hand.page.mouse.up()
        assert hand.changed(state) <= {hand.chosen}, hand.title(grid)
        assert hand.page.locator(".cnn-edit").count() == 0


@each_page
def test_keys_of_the_notebook_stay_away(hand):
    hand.page.evaluate(
        """() => { window.heard = [];
        document.addEventListener("keydown", (event) => window.heard.push(event.key)); }"""
    )
    for grid in hand.grids():
        hand.cell(grid, 0).click()
        state = hand.state()
        for key in ("m", "x", "a", "b", "d", "z", "Enter", "Escape", "Shift+M"):
            hand.page.keyboard.press(key)
        hand.page.keyboard.press("Escape")
        assert hand.changed(state) == set(), hand.title(grid)
    assert hand.page.evaluate("window.heard.filter((key) => key !== 'Shift')") == []
    hand.page.keyboard.press("Control+s")
    assert hand.page.evaluate("window.heard.includes('s')")
