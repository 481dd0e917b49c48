"""The PoolingExplorer in a browser: every number it shows, every sum it writes, every move."""

import json
import re
from decimal import ROUND_HALF_UP, Context, Decimal
from itertools import product

import brute
import numpy as np
import pytest

import cnnlib
from cnnlib.book.widgets import PoolingExplorer
from cnnlib.errors import InputError

R = np.random.default_rng(4)
TALL, WIDE = R.integers(-2, 3, (7, 5)).tolist(), R.integers(-2, 3, (4, 6)).tolist()  # many ties
ROW = [3, -8, 5, 5, -1, 5, 0.25]
LAID = {
    "as it begins": {},
    "overlapping, remainder": dict(input=TALL, window=[3, 2], stride=[2, 1]),
    "windows apart, padding": dict(input=TALL, window=2, stride=3, padding=1),
    "uneven padding, flipped": dict(
        input=WIDE, window=[3, 2], stride=[2, 1], padding=[[1, 2], [0, 1]], flip=True
    ),
    "centre in a corner": dict(input=WIDE, window=[3, 2], stride=1, center=[0, 1]),
    "'same', flipped": dict(input=WIDE, window=3, stride=2, padding="same", flip=True),
    "'full'": dict(input=WIDE, window=[2, 3], padding="full"),
    "larger than the image": dict(input=[[2, -1, 2], [2, 2, -3]], window=[4, 5], center=[1, 2]),
    "one row": dict(input=ROW, window=3, stride=1, deltas=[-5, 2.5, 7, 0, 1]),
    "one row, padding on one side": dict(input=ROW, window=4, stride=3, padding=[[2, 1]]),
}
POOLS = {
    "max": dict(pool="max"),
    "average": dict(pool="average"),
    "average, padding counts": dict(pool="average", count_padding=True),
}
GRIDS = {
    "x": "input x", "window": "window,", "a": "output a", "da": "deltas da",
    "back": "back through", "dx": "dx,",
}  # fmt: skip
OWN = {"forward": "a", "delta": "dx"}

# Everything that the grids show, as text: a browser hands over one string faster than many lists.
READ = """() => JSON.stringify([...document.querySelectorAll(".cnn-grid")].map((grid) => ({
  title: grid.querySelector(".cnn-title").textContent,
  cells: [...grid.querySelectorAll('[role="row"]')].map((row) =>
    [...row.querySelectorAll('[role="gridcell"]')].map((cell) => ({
      text: cell.textContent, marks: [...cell.classList],
    }))).filter((row) => row.length),
})))"""

# A click on each cell of a grid: the sum and all grids at each.
WALK = f"""async ([title, size]) => {{
  const walked = [];
  for (let flat = 0; flat < size; flat++) {{
    const grid = [...document.querySelectorAll(".cnn-grid")].find((one) =>
      one.querySelector(".cnn-title").textContent.startsWith(title));
    const cell = grid.querySelectorAll('[role="gridcell"]')[flat];
    cell.click();
    await null; // what changed together is drawn once, afterwards
    walked.push([document.querySelector(".cnn-sum").textContent, ({READ})()]);
  }}
  return JSON.stringify(walked);
}}"""


def named(text):
    drawn = {}
    for grid in json.loads(text):
        name = next(name for name, title in GRIDS.items() if grid["title"].startswith(title))
        drawn[name] = np.array(grid["cells"], dtype=object)
    return drawn


def read(page):
    """What the grids show, by name: an array of cells each."""
    return named(page.evaluate(READ))


def walk(page, name, size):
    walked = json.loads(page.evaluate(WALK, [GRIDS[name], size]))
    return [(flat, text, named(grids)) for flat, (text, grids) in enumerate(walked)]


def texts(cells):
    return [cell["text"] for cell in cells.ravel()]


def marked(cells, mark):
    """The flat places of the cells with this mark."""
    return {m for m, cell in enumerate(cells.ravel()) if mark in cell["marks"]}


def cell_of(page, name, flat):
    title = re.compile("^" + re.escape(GRIDS[name]))
    grid = page.locator(".cnn-grid", has=page.locator(".cnn-title", has_text=title))
    return grid.locator('[role="gridcell"]').nth(flat)


def field(page, label):
    return page.get_by_role("textbox", name=label, exact=True)


def fill(page, label, text):
    field(page, label).fill(text)
    field(page, label).press("Enter")


def said(page):
    return page.locator(".cnn-sum").text_content()


def refused(page):
    return page.get_by_role("alert").text_content()


def address(page):
    return page.evaluate("decodeURIComponent(location.hash)")


def short(value):
    """A number as it stands in a cell: whole if it fits, else in three digits, halves up."""
    whole = repr(float(value)).removesuffix(".0")
    if len(whole) <= 5:
        return whole if whole != "-0" else "0"
    rounded = Context(prec=3, rounding=ROUND_HALF_UP).plus(Decimal(float(value)))
    return f"{float(rounded) + 0.0:.6g}"


def factor(value):
    return f"({value:.6g})" if value < 0 else f"{value:.6g}"


def count(n, noun):
    return f"{n} {noun}{'' if n == 1 else 's'}"


class Truth:
    """What `cnnlib.pooling` says of an explorer's state, and the sums written from it."""

    def __init__(self, explorer):
        self.x = np.array(explorer.input, float)
        P = self.x.shape
        window = explorer.window
        self.U = (window,) * len(P) if isinstance(window, int) else tuple(window)
        laid = {n: getattr(explorer, n) for n in ("stride", "padding", "center", "flip")}
        wide = self.x[None, ..., None]
        self.max, self.counting = explorer.pool == "max", explorer.count_padding
        if self.max:
            a, winners = cnnlib.max_pool(wide, self.U, **laid)
            self.winners = winners.ravel().tolist()
        else:
            a = cnnlib.avg_pool(wide, self.U, **laid, count_padding=self.counting)
        self.a = a[0, ..., 0]
        fresh = 10.0 * (1 + np.arange(a.size))
        self.da = np.array(fresh if explorer.deltas is None else explorer.deltas).reshape(a.shape)
        if self.max:
            dx = cnnlib.max_pool_delta(self.da, winners, wide.shape)
        else:
            laid["count_padding"] = self.counting
            dx = cnnlib.avg_pool_delta(self.da, wide.shape, self.U, **laid)
        self.da, self.dx = self.da[0, ..., 0], dx[0, ..., 0]
        # The table by brute force.
        stride = self.U if explorer.stride is None else explorer.stride
        lists = (stride, explorer.padding, explorer.center)
        stride, padding, center = (as_tuple(value) for value in lists)
        axes = brute.lay(P, self.U, stride, 1, padding, center, explorer.flip)
        shapes = self.a.shape, self.U, P
        self.rows = [
            tuple(brute.flat(m, shape) for m, shape in zip(row, shapes, strict=True))
            for row in brute.rows(axes, P)
        ]
        # The cells on which the window of each output lies, padding included.
        self.axes = axes

    def name(self, letter, flat):
        array = self.x if letter == "x" else getattr(self, letter)
        return f"{letter}[{','.join(map(str, np.unravel_index(flat, array.shape)))}]"

    def inputs(self, i):
        return sorted(p for o, _, p in self.rows if o == i)

    def outputs(self, p):
        return [o for o, _, q in self.rows if q == p]

    def share(self, i):
        return np.prod(self.U) if self.counting else len(self.inputs(i))

    def forward(self, i):
        met = self.inputs(i)
        at = place(i, self.a.shape)
        words = [f"Output {at} meets {count(len(met), 'input cell')}."]
        outside = int(np.prod(self.U)) - len(met)
        if outside:
            role = "counts as 0" if self.counting else "does not count"
            role = "counts as minus infinity" if self.max else role
            words.append(f"Padding ({count(outside, 'cell')}) {role}.")
        names = [self.name("x", p) for p in met]
        values = self.x.flat[met]
        if self.max:
            best = self.winners[i]
            equal = int((values == values.max()).sum())
            if equal > 1:
                words.append(f"{equal} are equal and largest: the first of them wins.")
            words.append(f"Winner: {self.name('x', best)}.")
            lines = [f"max({', '.join(names)})", f"max({', '.join(f'{v:.6g}' for v in values)})"]
        else:
            over = self.share(i)
            lines = [f"({' + '.join(part)})/{over}" for part in (names, map(factor, values))]
        return self.text(" ".join(words), self.name("a", i), *lines, self.a.flat[i])

    def delta(self, p):
        met = self.outputs(p)
        giving = [i for i in met if not self.max or self.winners[i] == p]
        at = place(p, self.x.shape)
        words = f"Input {at} went into {count(len(met), 'output')}"
        words += f" and won {len(giving)} of them." if self.max else "."
        over = {i: "" if self.max else f"/{self.share(i)}" for i in giving}
        names = " + ".join(self.name("da", i) + over[i] for i in giving)
        numbers = " + ".join(factor(self.da.flat[i]) + over[i] for i in giving)
        return self.text(words, self.name("dx", p), names or "0", numbers or "0", self.dx.flat[p])

    def sent(self, i):
        """Where a delta goes."""
        at = place(i, self.a.shape)
        delta, share = self.da.flat[i], self.share(i)
        if self.max:
            whom, part, inputs = "to the winner of its window", f"{delta:.6g}", [self.winners[i]]
        else:
            whom = f"in {share} equal shares to its window"
            part, inputs = f"{factor(delta)}/{share} = {delta / share:.6g}", self.inputs(i)
        targets = ", ".join(self.name("dx", p) for p in inputs)
        return (
            f"The delta of output {at} goes {whom}.\n{self.name('da', i)} = {delta:.6g}\n"
            f"  adds {part}\n  to {targets}"
        )

    def text(self, words, name, names, numbers, value):
        return f"{words}\n{name} = {names}\n  = {numbers}\n  = {value:.6g}"

    def ties(self, i):
        """Inputs that equal the winner of output `i` and are not it."""
        return {p for p in self.inputs(i) if self.x.flat[p] == self.a.flat[i]} - {self.winners[i]}


def place(flat, shape):
    """As one reads it: a number of one axis."""
    at = tuple(map(int, np.unravel_index(flat, shape)))
    return at if len(at) > 1 else at[0]


def as_tuple(value):
    return tuple(map(as_tuple, value)) if isinstance(value, list) else value


def check_input(truth, drawn):
    """The padded grid: its numbers, and what stands in the padding. Returns the inner part."""
    firsts = [min(min(cells) for cells in axis) for axis in truth.axes]
    corner = [max(0, -first) for first in firsts]
    inner = tuple(slice(b, b + n) for b, n in zip(corner, truth.x.shape, strict=True))
    if len(inner) == 1:
        inner = (slice(0, 1), *inner)
    own = drawn["x"][inner]
    assert texts(own) == [short(v) for v in truth.x.ravel()]
    outside = "−∞" if truth.max else "0" if truth.counting else "–"
    padding = [cell for cell in drawn["x"].ravel() if "padding" in cell["marks"]]
    assert len(padding) == drawn["x"].size - truth.x.size
    assert {cell["text"] for cell in padding} <= {outside}
    return own


def every_pool(page, laid):
    """Turns the controls to each pool, and gives what is true then."""
    for traits in POOLS.values():
        page.get_by_label("maximum" if traits["pool"] == "max" else "average").check()
        if traits["pool"] == "average":
            page.get_by_label("padding counts").set_checked("count_padding" in traits)
        yield Truth(PoolingExplorer(**laid, **traits))


@pytest.mark.parametrize("laid", LAID.values(), ids=LAID)
def test_every_number_of_every_lens_is_that_of_cnnlib(open_page, laid):
    page = open_page(PoolingExplorer(**laid))
    for truth in every_pool(page, laid):
        check_forward(page, truth)
    page.get_by_label("delta", exact=True).check()
    for truth in every_pool(page, laid):
        check_delta(page, truth)


def check_forward(page, truth):
    for i, text, drawn in walk(page, "a", truth.a.size):
        assert text == truth.forward(i)
        assert texts(drawn["a"]) == [short(v) for v in truth.a.ravel()]
        assert marked(drawn["a"], "chosen") == {i}
        own, met = check_input(truth, drawn), truth.inputs(i)
        assert marked(own, "partner") == set(met)
        assert len(marked(drawn["x"], "partner")) == len(window_cells(truth, i))
        through = {u: p for o, u, p in truth.rows if o == i}
        expected = [short(truth.x.flat[through[u]]) for u in sorted(through)]
        cells = drawn["window"].ravel()
        assert [cell["text"] for cell in cells if "padding" not in cell["marks"]] == expected
        assert [u for u, c in enumerate(cells) if "padding" not in c["marks"]] == sorted(through)
        if truth.max:
            assert marked(own, "won") == {truth.winners[i]}
            assert marked(own, "tie") == truth.ties(i)
            assert {through[u] for u in marked(drawn["window"], "won")} == {truth.winners[i]}
        else:
            assert not marked(own, "won") | marked(own, "tie")


def window_cells(truth, i):
    """The cells on which the window of output `i` lies, of those that the padded grid shows."""
    place = np.unravel_index(i, truth.a.shape)
    return list(product(*(axis[k] for axis, k in zip(truth.axes, place, strict=True))))


def check_delta(page, truth):
    for p, text, drawn in walk(page, "dx", truth.x.size):
        assert text == truth.delta(p)
        assert texts(drawn["dx"]) == [short(v) for v in truth.dx.ravel()]
        assert texts(drawn["da"]) == [short(v) for v in truth.da.ravel()]
        assert texts(drawn["x"]) == [short(v) for v in truth.x.ravel()]
        assert marked(drawn["dx"], "chosen") == marked(drawn["x"], "chosen") == {p}
        met = truth.outputs(p)
        assert marked(drawn["da"], "partner") == set(met)
        through = {u: i for i, u, q in truth.rows if q == p}
        back = 0.0
        for u, cell in enumerate(drawn["back"].ravel()):
            if u not in through:
                assert cell["text"] == "–" and "padding" in cell["marks"]
                continue
            i = through[u]
            won = not truth.max or truth.winners[i] == p
            delta = truth.da.flat[i] / (1 if truth.max else truth.share(i)) * won
            assert cell["text"] == short(delta)
            assert ("zero" in cell["marks"]) == (not won)
            back += delta
        np.testing.assert_allclose(back, truth.dx.flat[p])
        if truth.max:
            assert marked(drawn["da"], "won") == {i for i in met if truth.winners[i] == p}
            assert marked(drawn["da"], "lost") == {i for i in met if truth.winners[i] != p}
            assert marked(drawn["x"], "won") == {truth.winners[i] for i in met}
    for i, text, drawn in walk(page, "da", truth.a.size):
        assert text == truth.sent(i)
        lit = marked(drawn["dx"], "partner") | marked(drawn["dx"], "chosen")
        assert set(truth.inputs(i)) <= lit
        if truth.max:
            assert marked(drawn["dx"], "won") == {truth.winners[i]}


# Moves


def test_keys_clicks_and_the_player_move_the_choice(open_page):
    page = open_page(PoolingExplorer(stride=1))
    cell_of(page, "a", 4).click()
    for key, place in (("ArrowRight", "1,2"), ("ArrowUp", "0,2"), ("Home", "0,0")):
        page.keyboard.press(key)
        assert f"a[{place}]" in said(page)
        assert f"position={place}" in address(page) or place == "0,0"
    page.get_by_role("button", name="Step").click()
    assert "a[0,1]" in said(page)
    page.get_by_role("button", name="Play").click()
    assert page.locator(".cnn-sum").get_attribute("aria-live") == "off"
    page.get_by_text("a[0,2]").wait_for()
    page.get_by_role("button", name="Pause").click()
    assert page.locator(".cnn-sum").get_attribute("aria-live") == "polite"


def test_moving_over_any_cell_lights_its_partners(open_page):
    page = open_page(PoolingExplorer(stride=1))
    page.mouse.move(1, 1)
    cell_of(page, "x", 5).hover()  # input (1, 1) lies in the outputs (0, 0) to (1, 1)
    assert marked(read(page)["a"], "partner") | {0} == {0, 1, 3, 4}
    cell_of(page, "window", 3).hover()  # the lower right cell of the chosen window
    assert marked(read(page)["x"], "partner") == {5}


def test_the_lens_turns_at_the_cell_that_is_chosen(open_page):
    page = open_page(PoolingExplorer(position=[0, 1]))
    page.get_by_label("delta", exact=True).check()
    assert "position=1,3" in address(page) and "dx[1,3] = da[0,1]" in said(page)
    page.get_by_label("forward", exact=True).check()
    assert "a[0,1]" in said(page)


def test_a_cell_of_the_window_becomes_the_centre(open_page):
    page = open_page(PoolingExplorer(window=3, stride=1, padding=1))
    assert marked(read(page)["window"], "centre") == {4}
    cell_of(page, "window", 8).click()
    assert address(page) == ""
    page.get_by_role("button", name="Centre here").click()
    assert "center=2,2" in address(page) and "padding=none" in address(page)
    assert marked(read(page)["window"], "centre") == {8}
    assert page.get_by_role("combobox", name="padding").input_value() == "by centre"
    cell_of(page, "window", 8).focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("c")
    assert "center=1,2" in address(page)
    page.get_by_role("combobox", name="padding").select_option(
        "own number"
    )  # the same picture, as a padding
    assert field(page, "cells").input_value() == "1,1;2,0"
    fill(page, "cells", "1")
    assert address(page) == ""  # as it began


def test_numbers_are_edited_in_place(open_page):
    page = open_page(PoolingExplorer())
    cell_of(page, "x", 1).dblclick()
    page.keyboard.type("9.5")
    page.keyboard.press("Enter")
    assert said(page).endswith("= max(1, 9.5, 4, 6)\n  = 9.5")
    page.get_by_label("delta", exact=True).check()
    cell_of(page, "da", 0).focus()
    page.keyboard.type("-3")
    page.keyboard.press("Enter")
    assert "deltas=-3,20;30,40" in address(page)
    assert texts(read(page)["dx"])[:4] == ["0", "-3", "0", "0"]
    fill(page, "stride", "1")  # as many deltas as there are outputs now
    assert texts(read(page)["da"]) == [str(10 * n) for n in range(1, 10)]


def test_the_button_makes_a_tie_until_all_are_equal(open_page):
    page = open_page(PoolingExplorer(position=[0, 1]))  # 2 3 / 6 8
    tie = page.get_by_role("button", name="Make a tie")
    for numbers in ("2, 3, 8, 8", "2, 8, 8, 8", "8, 8, 8, 8"):
        tie.click()
        assert f"= max({numbers})" in said(page)
    assert "4 are equal and largest: the first of them wins. Winner: x[0,2]" in said(page)
    assert marked(read(page)["x"], "won") == {2}
    assert marked(read(page)["x"], "tie") == {3, 6, 7}
    tie.click()
    assert refused(page) == "all inputs of this window are equal already"


def test_controls_that_play_no_part_are_hidden(open_page):
    page = open_page(PoolingExplorer())
    tie = page.get_by_role("button", name="Make a tie")
    counts = page.get_by_label("padding counts")
    assert tie.is_visible() and not counts.is_visible() and not field(page, "cells").is_visible()
    page.get_by_label("the average").check()
    page.get_by_role("combobox", name="padding").select_option("own number")
    assert not tie.is_visible() and counts.is_visible() and field(page, "cells").is_visible()


def test_what_cannot_be_is_refused_with_the_reason(open_page):
    page = open_page(PoolingExplorer())
    for label, value, laid in (
        ("stride", "0", dict(window=2, stride=0)),
        ("window", "5", dict(window=5)),
        ("window", "2,0", dict(window=[2, 0])),
        ("window", "2,2,2", dict(window=[2, 2, 2])),
    ):
        fill(page, label, value)
        with pytest.raises(InputError) as expected:
            cnnlib.max_pool(np.zeros((1, 4, 4, 1)), **laid)
        assert refused(page) == str(expected.value)
        assert field(page, label).input_value() == "2"
        assert address(page) == ""
    page.get_by_role("combobox", name="padding").select_option("own number")
    fill(page, "cells", "2")
    with pytest.raises(InputError) as expected:
        cnnlib.max_pool(np.zeros((1, 4, 4, 1)), 2, padding=2)
    assert refused(page) == str(expected.value)
    cell_of(page, "x", 3).dblclick()
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    assert refused(page) == "'two' is no number; the cell keeps the one it has"
    assert texts(read(page)["x"])[3] == "3"


@pytest.mark.parametrize(
    ("hash", "traits"),
    [
        ("#lens=delta&stride=1&position=1,1", dict(lens="delta", stride=1, position=[1, 1])),
        ("#pool=average&window=3&stride=1&center=0,2", dict(pool="average", window=3, stride=1,
                                                           center=[0, 2])),
        ("#input=3,8,5&stride=1", dict(input=[3, 8, 5], stride=1)),
        ("#padding=1,0;0,1&stride=1,2", dict(padding=[[1, 0], [0, 1]], stride=[1, 2])),
    ],
)  # fmt: skip
def test_an_address_is_one_exact_picture(open_page, hash, traits):
    explorer = PoolingExplorer(**traits)
    page, truth = open_page(PoolingExplorer(), address=hash), Truth(explorer)
    here = np.ravel_multi_index(explorer.position, np.shape(explorer.input)
                                if explorer.lens == "delta" else truth.a.shape)  # fmt: skip
    assert said(page) == (truth.delta(here) if explorer.lens == "delta" else truth.forward(here))


@pytest.mark.parametrize(
    ("hash", "reason"),
    [
        ("#stride=0", "stride is 0; expected at least 1"),
        ("#pool=min", "pool is 'min'; expected 'max' or 'average'"),
        ("#input=a,b", "input is no row or grid of finite numbers, of at most 16 cells"),
        ("#input=1,2;3,;4,5,6", "input is no row or grid of finite numbers"),
        ("#input=", "input is no row or grid of finite numbers"),
    ],
)
def test_an_address_that_cannot_be_is_refused(open_page, hash, reason):
    page = open_page(PoolingExplorer(), address=hash)
    assert reason in page.get_by_role("alert").first.text_content()
    assert said(page) == Truth(PoolingExplorer()).forward(0)


# Accessibility


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_the_way_of_any_reader(open_page, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for name, width in product(OWN, (1000, 360)):
        explorer = PoolingExplorer(lens=name, stride=1, padding=1)
        page = open_page(explorer, color_scheme=scheme, width=width)
        cell_of(page, "x", 8).focus()
        found = axe.run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
