"""The ConvolutionExplorer in a browser: every number it shows, and every way to move it."""

import re

import numpy as np
import pytest

import cnnlib
from cnnlib.book.figures.lattices import spread
from cnnlib.book.widgets import ConvolutionExplorer
from cnnlib.checks import explain
from cnnlib.data import photograph
from cnnlib.errors import InputError
from cnnlib.geometry import Window

R = np.random.default_rng(3)
TALL, WIDE = R.integers(-4, 9, (7, 6)).tolist(), R.integers(-4, 9, (5, 8)).tolist()
UNEVEN = [[1, -2, 0, 3], [0, 4, -1, 2]]
STATES = {
    "as it begins": {},
    "stride 2, padding 2": dict(input=TALL, stride=2, padding=2, bias=3),
    "two strides, sides of their own": dict(
        input=WIDE, kernel=UNEVEN, stride=[1, 2], padding=[[1, 0], [2, 3]], flip=True
    ),
    "centre in a corner, dilation": dict(input=TALL, center=[2, 0], dilation=[1, 2]),
    "'same', even kernel, flipped": dict(input=WIDE, kernel=UNEVEN, padding="same", flip=True),
    "'full', stride 2": dict(kernel=UNEVEN, padding="full", stride=2, bias=-1.5),
    "larger than the input": dict(input=[[2, -1, 3]], kernel=UNEVEN, center=[1, 3]),
    "outputs in the padding": dict(input=[[2, -1], [3, 4]], padding=[[4, 3], [3, 4]], stride=2),
    "one row": dict(input=[3, -1, 4, 1, -5, 9, 2], kernel=[1, -2, 0.5], padding=[[1, 2]]),
    "one row, stride 3, centre": dict(
        input=[3, -1, 4, 1, -5, 9, 2], kernel=[1, -2], stride=3, center=1, flip=True
    ),
}

READ = """() => [...document.querySelectorAll(".cnn-grid")].map((grid) => ({
  title: grid.querySelector(".cnn-title").textContent,
  cells: [...grid.querySelectorAll('[role="row"]')].map((row) =>
    [...row.querySelectorAll('[role="gridcell"]')].map((cell) => ({
      text: cell.firstChild.textContent, marks: [...cell.classList], tag: cell.dataset.tag,
      label: cell.getAttribute("aria-label"),
    }))).filter((row) => row.length),
}))"""

# A click on one cell of a grid after the other: the sum and all grids at each.
WALK = """async ([title, flats]) => {
  const walked = [];
  for (const flat of flats) {
    const grid = [...document.querySelectorAll(".cnn-grid")].find((one) =>
      one.querySelector(".cnn-title").textContent.startsWith(title));
    const cell = grid.querySelectorAll('[role="gridcell"]')[flat];
    cell.click();
    await new Promise((done) => setTimeout(done, 0));
    walked.push([document.querySelector(".cnn-sum").textContent, READ()]);
  }
  return walked;
}""".replace("READ", f"({READ})")

GRIDS = {
    "input": "input x", "kernel": "kernel w", "products": "products", "output": "output z",
    "deltas": "deltas dz", "dx": "dx,", "dw": "dw,", "turned": "w,",
}  # fmt: skip
OWN = {"forward": "output", "delta": "dx", "weight": "dw"}


def read(page):
    """What the grids show, by name: an array of cells each."""
    return named(page.evaluate(READ))


def walk(page, name, flats):
    """Chooses cells of a grid, and gives at each the flat place, the sum and the grids."""
    walked = page.evaluate(WALK, [GRIDS[name], list(flats)])
    return [
        (flat, unbroken(text), named(grids))
        for flat, (text, grids) in zip(flats, walked, strict=True)
    ]


def named(grids):
    drawn = {}
    for grid in grids:
        name = next(name for name, title in GRIDS.items() if grid["title"].startswith(title))
        drawn[name] = np.array(grid["cells"], dtype=object)
    return drawn


def shown(cells):
    return np.vectorize(lambda cell: float(cell["text"]), otypes=[float])(cells)


def some(size):
    """Some places among many: the ends and what lies between them."""
    return sorted({0, 1, size // 3, size // 2, size - 2, size - 1} & set(range(size)))


def marked(cells, mark):
    """The flat places of the cells with this mark."""
    return [m for m, cell in enumerate(cells.ravel()) if mark in cell["marks"]]


def cell_of(page, name, flat):
    title = re.compile("^" + re.escape(GRIDS[name]))
    grid = page.locator(".cnn-grid", has=page.locator(".cnn-title", has_text=title))
    return grid.locator('[role="gridcell"]').nth(flat)


def lens(page, name):
    page.get_by_label("weight gradient" if name == "weight" else name, exact=True).check()


def brief(explained):
    """The sum in the book's short names: without the only sample, filter and channel."""
    text = re.sub(r"\b(d?[xzw])\[0,([\d,]+),0\]", r"\1[\2]", str(explained)).replace("b[0]", "b")
    text = re.sub(r" of (sample|filter) 0, (filter|channel) 0,", "", text)
    text = re.sub(r"\((\d+),\)", r"\1", text)  # of one axis
    return text.replace(" in each sample.", ".")


def unbroken(text):
    """A long sum has a line for each row of the kernel."""
    return text.replace("\n    + ", " + ")


def said(page):
    return unbroken(page.locator(".cnn-sum").text_content())


def address(page):
    return page.evaluate("decodeURIComponent(location.hash)")


class Truth:
    """What cnnlib says of an explorer's state."""

    def __init__(self, explorer):
        geometry = ("stride", "dilation", "padding", "center", "flip")
        self.laid = {name: getattr(explorer, name) for name in geometry}
        x, w = np.array(explorer.input, float), np.array(explorer.kernel, float)
        self.window = Window(w.shape, **self.laid)
        self.axes = self.window.axes(x.shape)
        I = self.window.output_shape(x.shape)
        dz = (5 * np.arange(np.prod(I)) + 3) % 7 - 2.0
        self.b = [explorer.bias] if explorer.bias else None
        self.x, self.w, self.dz = x, w, dz.reshape(I)
        wide = self.wide()
        slow = {**self.laid, "method": "loops"}
        self.z = cnnlib.conv(wide["x"], wide["w"], self.b, **slow)[0, ..., 0]
        self.dx = cnnlib.conv_delta(wide["dz"], wide["w"], wide["x"].shape, **slow)[0, ..., 0]
        self.dw = cnnlib.conv_weight_gradient(wide["x"], wide["dz"], w.shape, **slow)[0, ..., 0]
        self.rows = self.window.connections(x.shape)

    def wide(self):
        return {name: getattr(self, name)[None, ..., None] for name in ("x", "w", "dz")}

    def explain(self, quantity, flat):
        cell = np.unravel_index(flat, getattr(self, quantity).shape)
        cell = (0, *map(int, cell), 0)
        return brief(explain(quantity, cell, b=self.b, **self.wide(), **self.laid))

    def met(self, side, flat):
        return self.rows[self.rows[side] == flat]

    def within(self, cells):
        """The part of the padded grid of inputs that is no padding."""
        corner = [max(0, axis.before) for axis in self.axes]
        parts = tuple(slice(b, b + size) for b, size in zip(corner, self.x.shape, strict=True))
        return cells[(0, *parts)[-2:]] if len(parts) == 2 else cells[:, parts[0]]


def tags(cells):
    return {m: cell["tag"] for m, cell in enumerate(cells.ravel()) if cell["tag"]}


def times(value):
    return f"×{value:.6g}"


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_every_number_of_every_lens_is_that_of_cnnlib(open_page, state):
    explorer = ConvolutionExplorer(**state)
    truth, page = Truth(explorer), open_page(explorer)
    for name, quantity, side in (
        ("forward", "z", "output"), ("delta", "dx", "input"), ("weight", "dw", "weight"),
    ):  # fmt: skip
        lens(page, name)
        values = getattr(truth, quantity)
        for flat, text, drawn in walk(page, OWN[name], some(values.size)):
            met = truth.met(side, flat)
            assert text == truth.explain(quantity, flat)
            assert marked(drawn[OWN[name]], "chosen") == [flat]
            np.testing.assert_allclose(shown(drawn[OWN[name]]).ravel(), values.ravel(), rtol=1e-5)
            assert shown(drawn["kernel"]).ravel().tolist() == truth.w.ravel().tolist()
            assert marked(drawn["kernel"], "partner") == sorted(set(met["weight"].tolist()))
            if name == "delta":
                assert shown(drawn["deltas"]).ravel().tolist() == truth.dz.ravel().tolist()
                assert marked(drawn["deltas"], "partner") == sorted(met["output"].tolist())
                weights = {i: times(truth.w.flat[u]) for i, u, _ in met.tolist()}
                assert tags(drawn["deltas"]) == weights
                continue
            inputs = truth.within(drawn["input"])
            assert shown(inputs).ravel().tolist() == truth.x.ravel().tolist()
            assert shown(drawn["input"]).sum() == truth.x.sum()  # nothing but zeros outside
            assert marked(inputs, "partner") == sorted(met["input"].tolist())
            lying = truth.w if name == "forward" else truth.dz
            over = "weight" if name == "forward" else "output"
            partners = dict(zip(met["input"].tolist(), met[over].tolist(), strict=True))
            assert tags(inputs) == {p: times(lying.flat[m]) for p, m in partners.items()}
            hanging = [cell for cell in drawn["input"].ravel() if "hangs-over" in cell["marks"]]
            assert len(hanging) == lying.size - len(met)
            assert all("padding" in cell["marks"] for cell in hanging)
            if name == "forward":
                products = np.zeros(truth.w.shape)
                for _, u, p in met.tolist():
                    products.flat[u] = truth.w.flat[u] * truth.x.flat[p]
                np.testing.assert_allclose(shown(drawn["products"]).ravel(), products.ravel())
                beside = marked(drawn["products"], "padding")
                assert beside == sorted(set(range(truth.w.size)) - set(met["weight"].tolist()))
            else:
                assert shown(drawn["deltas"]).ravel().tolist() == truth.dz.ravel().tolist()
                assert marked(drawn["deltas"], "partner") == sorted(met["output"].tolist())


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_the_rotated_kernel_over_the_zeros_gives_the_same_sum(open_page, state):
    explorer = ConvolutionExplorer(**state, lens="delta", rotated=True)
    truth, page = Truth(explorer), open_page(explorer)
    values, _ = spread(truth.dz, truth.window.stride)
    for flat, text, drawn in walk(page, "dx", some(truth.x.size)):
        assert text == truth.explain("dx", flat)
        kernel = truth.w if explorer.flip else np.flip(truth.w)
        assert shown(drawn["turned"]).ravel().tolist() == kernel.ravel().tolist()
        # The rotated kernel lies there in one piece, a dilation apart, in its own order.
        lying = [(m, cell) for m, cell in enumerate(drawn["deltas"].ravel()) if cell["tag"]]
        assert [cell["tag"] for _, cell in lying] == [times(value) for value in kernel.ravel()]
        places = np.array([np.unravel_index(m, drawn["deltas"].shape) for m, _ in lying])
        corner = places.min(axis=0)
        steps = np.array(list(np.ndindex(truth.w.shape))) * truth.window.dilation
        assert (places - corner)[:, -steps.shape[1] :].tolist() == steps.tolist()
        owed = sum(float(cell["text"]) * float(cell["tag"][1:]) for _, cell in lying)
        np.testing.assert_allclose(owed, truth.dx.flat[flat])
        assert not any("cut" in cell["marks"] for _, cell in lying)
    assert shown(drawn["deltas"]).sum() == values.sum()
    reached = set(truth.rows["output"].tolist())
    cut = [cell for cell in drawn["deltas"].ravel() if "cut" in cell["marks"]]
    numbers = [cell["label"] for cell in cut if cell["label"].startswith("dz")]
    assert len(numbers) <= truth.dz.size - len(reached)


def test_arrow_keys_and_steps_move_the_choice(open_page):
    page = open_page(ConvolutionExplorer())
    cell_of(page, "output", 4).focus()
    for key, place in (("ArrowRight", "1,2"), ("ArrowUp", "0,2"), ("Home", "0,0")):
        page.keyboard.press(key)
        assert f"z[{place}]" in said(page)
    assert "position=0,0" in address(page)
    page.get_by_role("button", name="Step").click()
    assert "z[0,1] " in said(page)
    page.get_by_role("button", name="Play").click()
    assert page.locator(".cnn-sum").get_attribute("aria-live") == "off"
    page.locator(".cnn-sum", has_text="z[0,2]").wait_for()
    page.get_by_role("button", name="Pause").click()
    assert page.locator(".cnn-sum").get_attribute("aria-live") == "polite"


def test_moving_over_any_cell_lights_its_partners(open_page):
    explorer = ConvolutionExplorer(padding=1, stride=2)
    page, truth = open_page(explorer), Truth(explorer)
    before = said(page)
    page.mouse.move(1, 1)
    cell_of(page, "kernel", 1).hover()
    met = truth.met("weight", 1)
    drawn = read(page)
    assert marked(truth.within(drawn["input"]), "partner") == sorted(met["input"].tolist())
    lit = set(marked(drawn["output"], "partner") + marked(drawn["output"], "chosen"))
    assert lit - {4} == set(met["output"].tolist()) - {4}
    cell_of(page, "input", 2 * 7 + 2).click()
    page.keyboard.press("ArrowLeft")  # from input (1, 1) to (1, 0)
    page.mouse.move(1, 1)
    met = truth.met("input", 5)
    assert marked(read(page)["kernel"], "partner") == sorted(met["weight"].tolist())
    assert said(page) == before


def drag(page, start, end):
    """Take what is at the start to the end, as a hand does."""
    from_, to = start.bounding_box(), end.bounding_box()
    page.mouse.move(from_["x"] + 4, from_["y"] + 4)
    page.mouse.down()
    page.mouse.move(to["x"] + to["width"] / 2, to["y"] + to["height"] / 2, steps=5)
    page.mouse.up()


def test_only_a_gesture_on_the_centre_moves_it(open_page):
    page = open_page(ConvolutionExplorer(padding="same"))
    cell_of(page, "kernel", 2).click()
    assert "center" not in address(page) and "padding" not in address(page)
    page.get_by_role("button", name="Centre here").click()
    assert "center=0,2" in address(page) and "padding=none" in address(page)
    assert marked(read(page)["kernel"], "centre") == [2]
    assert page.get_by_label("padding", exact=True).input_value() == "by centre"
    expected = Truth(ConvolutionExplorer(center=[0, 2]))
    assert shown(read(page)["output"]).ravel().tolist() == expected.z.ravel().tolist()
    cell_of(page, "kernel", 2).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("c")
    assert marked(read(page)["kernel"], "centre") == [5]
    drag(page, page.locator(".cnn-dot").first, cell_of(page, "kernel", 6))
    assert marked(read(page)["kernel"], "centre") == [6]
    assert "center=2,0" in address(page)
    drag(page, page.locator(".cnn-dot").first, page.locator(".cnn-task"))  # let go outside: nothing
    assert "center=2,0" in address(page)


def test_undo_goes_back_one_change_and_reset_to_what_the_text_shows(open_page):
    page = open_page(ConvolutionExplorer(stride=2, padding=1))
    undo, reset = (page.get_by_role("button", name=name, exact=True) for name in ("Undo", "Reset"))
    assert undo.is_disabled()
    first = read(page)["output"].tolist(), said(page)
    cell_of(page, "kernel", 0).focus()
    page.keyboard.press("c")
    moved = address(page)
    cell_of(page, "input", 0).dblclick()
    page.keyboard.type("9")
    page.keyboard.press("Enter")
    page.get_by_label("stride", exact=True).fill("1")
    page.get_by_label("stride", exact=True).press("Enter")
    undo.click()
    undo.click()
    assert address(page) == moved
    undo.click()
    assert (address(page), undo.is_disabled()) == ("", True)
    for name in ("delta", "weight"):
        lens(page, name)
    page.get_by_label("stride", exact=True).fill("3")
    page.get_by_label("stride", exact=True).press("Enter")
    cell_of(page, "kernel", 1).focus()
    page.keyboard.press("c")
    reset.click()
    assert (read(page)["output"].tolist(), said(page)) == first
    assert address(page) == ""
    undo.click()  # also a reset
    assert "center=0,1" in address(page)


def test_given_padding_stays_what_was_given_and_is_drawn(open_page):
    page = open_page(
        ConvolutionExplorer(stride=3, padding=1)
    )  # inputs -1 to 4 are read, of -1 to 5
    assert read(page)["input"].shape == (7, 7)
    page.get_by_text("Set up").click()
    fields = [page.get_by_label(name, exact=True) for name in ("above", "below", "left", "right")]
    assert [field.input_value() for field in fields] == ["1"] * 4
    fields[0].fill("2")
    fields[0].press("Enter")
    assert "padding=2,1;1,1" in address(page)
    assert [field.input_value() for field in fields] == ["2", "1", "1", "1"]
    assert read(page)["input"].shape == (8, 7)


def test_cells_that_no_output_reads_are_crossed_out(open_page):
    explorer = ConvolutionExplorer(input=TALL, stride=3, padding=[[0, 1], [0, 2]])
    page, truth = open_page(explorer), Truth(explorer)
    reached = set(truth.rows["input"].tolist())
    rest = sorted(set(range(truth.x.size)) - reached)
    drawn = read(page)["input"]
    assert drawn.shape == (8, 8)
    assert marked(drawn[:7, :6], "unread") == rest
    read_rows, read_columns = range(6), range(6)
    beside = [r * 8 + c for r in range(8) for c in range(8)
              if r not in read_rows or c not in read_columns]  # fmt: skip
    assert marked(drawn, "unread") == beside
    assert f"{len(rest)} of 42 inputs are crossed out" in page.locator(".cnn-note").text_content()
    lens(page, "delta")
    assert marked(read(page)["dx"], "unread") == rest
    assert set(shown(read(page)["dx"]).ravel()[rest]) == {0}


def test_the_readers_deltas_come_back_with_the_shape(open_page):
    page = open_page(ConvolutionExplorer(lens="delta"))
    cell_of(page, "deltas", 4).dblclick()
    page.keyboard.type("-9")
    page.keyboard.press("Enter")
    for value in ("2", "1"):
        page.get_by_label("stride", exact=True).fill(value)
        page.get_by_label("stride", exact=True).press("Enter")
        assert ("-9" in [c["text"] for c in read(page)["deltas"].ravel()]) == (value == "1")


def test_numbers_are_edited_in_place(open_page):
    page = open_page(ConvolutionExplorer(stride=2))
    cell_of(page, "input", 0).dblclick()
    page.keyboard.type("-7.5")
    page.keyboard.press("Enter")
    cell_of(page, "kernel", 8).dblclick()
    page.keyboard.type("4")
    page.keyboard.press("Enter")
    assert "center" not in address(page)  # the clicks of a double click do not move it
    lens(page, "delta")
    page.get_by_label("as a rotated kernel").check()
    cell_of(page, "deltas", 2 * 7 + 4).click()  # place (0, 2) of the lattice, which is delta (0, 1)
    page.keyboard.type("9")
    page.keyboard.press("Enter")
    explorer = ConvolutionExplorer(stride=2)
    x, w = np.array(explorer.input, float), np.array(explorer.kernel)
    x[0, 0], w[2, 2] = -7.5, 4
    assert f"input=-7.5,0,1,3,1;{';'.join(','.join(map(str, r)) for r in explorer.input[1:])}" in (
        address(page)
    )
    lens(page, "weight")
    deltas = shown(read(page)["deltas"])
    assert deltas[0, 1] == 9
    again = ConvolutionExplorer(
        stride=2, input=x.tolist(), kernel=w.tolist(), deltas=deltas.tolist(), lens="weight"
    )
    assert said(page) == brief(again.explain())


def test_what_cannot_be_is_refused_with_the_reason(open_page):
    page = open_page(ConvolutionExplorer())
    page.get_by_text("Set up").click()
    before = read(page)
    alert = page.get_by_role("alert")
    for label, value in (("stride", "0"), ("dilation", "3"), ("stride", "1.5")):
        page.get_by_label(label, exact=True).fill(value)
        page.get_by_label(label, exact=True).press("Enter")
        with pytest.raises(InputError) as refused:
            Window((3, 3), **{label: float(value) if "." in value else int(value)}).axes((5, 5))
        assert alert.text_content() == str(refused.value)
        assert page.get_by_label(label, exact=True).input_value() == "1"
        assert [len(grid) for grid in read(page).values()] == [len(g) for g in before.values()]
    page.get_by_label("stride", exact=True).fill("")
    page.get_by_label("stride", exact=True).press("Enter")
    assert alert.text_content().startswith("stride is empty; expected one number")
    page.get_by_label("stride", exact=True).fill("two")
    page.get_by_label("stride", exact=True).blur()
    assert alert.text_content().startswith("stride is 'two'; expected one number")
    cell_of(page, "input", 3).dblclick()
    page.keyboard.type("two")
    page.keyboard.press("Enter")
    assert alert.text_content() == "'two' is no number; the cell keeps the one it has"
    assert shown(read(page)["input"]).tolist() == shown(before["input"]).tolist()
    assert address(page) == ""
    page.get_by_label("stride", exact=True).fill("2")
    page.get_by_label("stride", exact=True).press("Enter")
    assert alert.text_content() == ""  # an accepted value ends a refusal


def test_a_number_of_many_digits_fits_its_cell_and_is_edited_whole(open_page):
    page = open_page(ConvolutionExplorer(kernel=[[1 / 9] * 3] * 3, padding=1))
    page.get_by_text("Set up").click()
    page.get_by_label("input", exact=True).select_option("a photograph")
    for name in ("kernel", "products", "output"):
        wide = page.evaluate(
            """(title) => [...document.querySelectorAll(".cnn-grid")]
            .filter((grid) => grid.textContent.startsWith(title))
            .flatMap((grid) => [...grid.querySelectorAll('[role="gridcell"]')])
            .filter((cell) => cell.firstChild.getBoundingClientRect().width > cell.clientWidth)
            .map((cell) => cell.textContent)""",
            GRIDS[name],
        )
        assert wide == []
    cell = cell_of(page, "kernel", 4)
    assert cell.locator("span").text_content() == "0.111"
    assert "0.111111" in cell.get_attribute("aria-label")
    cell.dblclick()
    page.keyboard.press("End")
    page.keyboard.press("Enter")  # nothing was changed: the number stays what it was
    assert "kernel" not in address(page)
    cell.dblclick()
    page.keyboard.type("-2/8")
    page.keyboard.press("Enter")
    assert cell.locator("span").text_content() == "-0.25"


def test_sizes_axes_and_kernels_with_a_name_are_set_up(open_page):
    page = open_page(ConvolutionExplorer(center=[2, 2]))
    page.get_by_text("Set up").click()

    def put(label, value):
        page.get_by_label(label, exact=True).fill(value)
        page.get_by_label(label, exact=True).press("Enter")

    put("kernel size", "2,4")
    put("input size", "6 x 7")
    put("stride", "1,2")
    put("dilation", "2,1")
    drawn = read(page)
    assert drawn["kernel"].shape == (2, 4)
    assert "center=1,2" in address(page)  # the centre comes back into the kernel
    window = Window((2, 4), stride=(1, 2), dilation=(2, 1), center=(1, 2))
    assert drawn["output"].shape == window.output_shape((6, 7))
    put("kernel size", "11")
    assert "expected 1 to 10 cells" in page.get_by_role("alert").text_content()
    page.get_by_label("kernel", exact=True).select_option("Gauss")
    np.testing.assert_allclose(shown(read(page)["kernel"]).sum(), 1, atol=0.01)
    page.get_by_label("axes").select_option("one")
    assert read(page)["output"].shape[0] == 1
    page.get_by_label("axes").select_option("two")
    assert read(page)["kernel"].shape == (3, 3)
    page.get_by_role("button", name="Reset", exact=True).click()
    assert address(page) == ""


def test_a_digit_and_a_photograph_replace_the_input(open_page):
    from sklearn.datasets import load_digits

    page = open_page(ConvolutionExplorer())
    page.get_by_text("Set up").click()
    page.get_by_label("input", exact=True).select_option("a digit")
    assert shown(read(page)["input"]).tolist() == load_digits().images[3].tolist()
    page.get_by_label("input", exact=True).select_option("a photograph")
    grey = 255 * photograph().mean(axis=-1)[20:272, 79:331]
    means = np.rint(grey.reshape(9, 28, 9, 28).mean(axis=(1, 3)))
    assert shown(read(page)["input"]).tolist() == means.tolist()
    page.get_by_label("input", exact=True).select_option("own numbers")
    assert address(page) == ""
    row = open_page(ConvolutionExplorer(input=[1, 2, 3], kernel=[1, 2]))
    row.get_by_text("Set up").click()
    row.get_by_label("input", exact=True).select_option("a digit")
    assert shown(read(row)["input"]).tolist() == [load_digits().images[3][3].tolist()]


def test_the_address_is_the_state(open_page):
    page = open_page(ConvolutionExplorer(), address="#lens=delta&stride=2&center=0,1")
    linked = ConvolutionExplorer(lens="delta", stride=2, center=[0, 1], position=[1, 1])
    assert said(page) == brief(linked.explain())
    assert marked(read(page)["kernel"], "centre") == [1]
    page = open_page(ConvolutionExplorer(), address="#stride=9&position=8,8&flip=true")
    assert said(page).startswith("Output (0, 0)")  # the nearest cell that there is
    page = open_page(ConvolutionExplorer(), address="#stride=0")
    assert "stride is 0; expected at least 1" in page.get_by_role("alert").first.text_content()
    assert said(page) == brief(ConvolutionExplorer().explain())


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_a_phone(open_page, color_scheme):
    Axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe
    page = open_page(ConvolutionExplorer(padding=2), color_scheme=color_scheme, width=360)
    for name in ("forward", "delta", "weight"):
        lens(page, name)
        if name == "delta":
            page.get_by_label("as a rotated kernel").check()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def texts(page, name):
    return [cell["text"] for cell in read(page)[name].ravel()]


def test_the_output_fills_as_the_kernel_travels_product_by_product(open_page):
    explorer = ConvolutionExplorer(padding=1, stride=2, bias=3)
    page, truth = open_page(explorer), Truth(explorer)
    page.get_by_label("pace").select_option("by product")
    moment = page.get_by_label("moment of the travel")
    terms = [len(truth.met("output", i)) + 1 for i in range(9)]  # and the bias
    assert moment.get_attribute("max") == str(sum(terms) - 1)
    moment.evaluate("(slider) => { slider.value = 0; slider.dispatchEvent(new Event('input')); }")
    done, now = 0, [str(n) for n in truth.z.ravel().astype(int)]
    for cell in range(3):
        part, rows = 0, truth.met("output", cell)
        for n in range(terms[cell]):
            row = rows[n] if n < len(rows) else None
            product = truth.w.flat[row["weight"]] * truth.x.flat[row["input"]] if row else 3
            part += int(product)
            assert texts(page, "output") == [*now[:cell], str(part), *[""] * (8 - cell)]
            assert said(page).endswith(", so far") == (n < len(rows))
            shown_products = [text for text in texts(page, "products") if text != ""]
            beside = truth.w.size - len(rows)
            assert len(shown_products) - beside == min(n + 1, len(rows))
            if row:
                assert marked(read(page)["kernel"], "now") == [row["weight"]]
            done += 1
            page.get_by_role("button", name="Step", exact=True).click()
    assert moment.input_value() == str(done)
    page.get_by_role("button", name="Back", exact=True).click()
    assert moment.input_value() == str(done - 1)
    page.get_by_role("button", name="Show all").click()
    assert texts(page, "output") == now
    assert "position=0,2" in address(page)


@pytest.mark.parametrize("name", ["delta", "weight"])
def test_the_other_lenses_fill_their_own_grid(open_page, name):
    explorer = ConvolutionExplorer(lens=name, stride=2)
    page, truth = open_page(explorer), Truth(explorer)
    values = [str(int(n)) for n in (truth.dx if name == "delta" else truth.dw).ravel()]
    cell_of(page, OWN[name], 0).click()
    for flat in (1, 2):
        page.get_by_role("button", name="Step", exact=True).click()
        rest = [""] * (len(values) - flat - 1)
        assert texts(page, OWN[name]) == [*values[: flat + 1], *rest]
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Pause").click()
    cell_of(page, OWN[name], 3).click()  # a choice ends the travel
    assert texts(page, OWN[name]) == values


def test_play_goes_over_the_whole_grid_and_ends_in_the_whole_picture(open_page):
    page = open_page(ConvolutionExplorer(input=[1, 2, 3, 4], kernel=[1, 1]))
    page.get_by_label("pace").select_option("fast")
    page.get_by_role("button", name="Play").click()
    seen = set()
    while page.get_by_role("button", name="Pause").count():
        seen.add(tuple(texts(page, "output")))
    assert {("3", "", ""), ("3", "5", "")} & seen
    assert texts(page, "output") == ["3", "5", "7"]


def test_one_quiet_pass_opens_the_picture_and_any_touch_ends_it(open_page):
    page = open_page(ConvolutionExplorer(), reduced_motion="no-preference")
    page.wait_for_function(
        "() => document.querySelector('.cnn-cell.waiting') !== null", timeout=20_000
    )
    assert page.locator(".cnn-sum").get_attribute("aria-live") == "off"
    assert address(page) == ""
    page.locator(".cnn-task").click()
    assert "" not in texts(page, "output")
    assert said(page) == brief(ConvolutionExplorer().explain())
    calm = open_page(ConvolutionExplorer())
    calm.wait_for_timeout(600)
    assert "" not in texts(calm, "output")
    again = open_page(ConvolutionExplorer(), reduced_motion="no-preference")
    again.wait_for_function("() => document.querySelector('.cnn-cell.waiting') !== null")
    again.wait_for_selector(".cnn-sum[aria-live=polite]", timeout=30_000)  # it has ended
    assert said(again) == brief(ConvolutionExplorer().explain())


def test_the_frame_slides_with_the_kernel_and_jumps_for_those_who_want_calm(open_page):
    page = open_page(ConvolutionExplorer(), reduced_motion="no-preference")
    frame = page.locator(".cnn-main .cnn-frame").first
    style = "(frame) => getComputedStyle(frame).transitionDuration"
    assert frame.evaluate(style) == "0.14s"
    cell_of(page, "output", 0).click()
    page.wait_for_timeout(400)
    covered = page.locator(".cnn-cell.covered")
    corner, box = covered.first.bounding_box(), frame.bounding_box()
    assert abs(corner["x"] - box["x"]) < 4 and abs(corner["y"] - box["y"]) < 4
    end = covered.last.bounding_box()
    assert abs(end["x"] + end["width"] - box["x"] - box["width"]) < 4
    assert open_page(ConvolutionExplorer()).locator(".cnn-frame").first.evaluate(style) == "0s"


def test_one_row_has_its_outputs_under_the_inputs_and_lines_between(open_page):
    explorer = ConvolutionExplorer(
        input=[3, -1, 4, 1, -5, 9, 2], kernel=[1, -2, 3], padding=[[1, 2]], stride=2
    )
    page, truth = open_page(explorer), Truth(explorer)
    rows = truth.window.connections(truth.x.shape)
    lines = page.evaluate(
        """() => [...document.querySelectorAll(".cnn-lines line")].map((line) => {
        const { left, width } = line.parentNode.getBoundingClientRect();
        const pitch = width / line.parentNode.viewBox.baseVal.width;
        return [line.getAttribute("class"),
            ...["x1", "x2"].map((end) => left + pitch * line.getAttribute(end))]; })"""
    )
    beyond = [line for line in lines if line[0] == "beyond"]  # output 2 is chosen: there are none
    assert len(lines) == len(rows) and beyond == []

    def middle(name, flat):
        box = cell_of(page, name, flat).bounding_box()
        return box["x"] + box["width"] / 2

    for (lit, above, below), (i, _, p) in zip(lines, rows.tolist(), strict=True):
        assert abs(above - middle("input", p + 1)) < 2
        assert abs(below - middle("output", i)) < 2
        assert (lit == "lit") == (i == explorer.position[0])
    above, below = (cell_of(page, name, 0).bounding_box()["y"] for name in ("input", "output"))
    assert above < below


SIZES = {"laptop": (1366, 650), "large": (1920, 1080), "tablet": (768, 1024), "phone": (390, 844)}
SHOWN = {
    "forward": {},
    "padded": dict(padding=1),
    "delta": dict(lens="delta", padding=1, stride=2),
    "rotated": dict(lens="delta", padding=1, stride=2, rotated=True),
    "weight": dict(lens="weight", padding=1),
    "a row": dict(input=[3, -1, 4, 1, -5, 9, 2], kernel=[1, -2, 3], padding=1),
}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_controls_kernel_output_and_sum_are_seen_together(open_page, size):
    width, height = size
    for name, state in SHOWN.items():
        page = open_page(ConvolutionExplorer(**state), width=width, height=height)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        top, *_, bottom = (
            page.locator(place).bounding_box() for place in (".cnn-controls >> nth=0", ".cnn-sum")
        )
        last = bottom["y"] + min(bottom["height"], 80)  # its first lines at least
        assert top["y"] >= 0 and last <= height, (name, last)
        assert page.evaluate(
            """() => [...document.querySelectorAll(".cnn-scroll, .cnn-main")]
            .every((box) => box.scrollWidth <= box.clientWidth)"""
        ), f"{name}: cells are cut off"
