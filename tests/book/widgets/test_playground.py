"""Playgrounds: the first picture, the next ones, and what goes wrong in a reader's function."""

import base64
import io

import numpy as np
import pytest

pytest.importorskip("anywidget")

from ipywidgets import Dropdown, IntSlider, fixed
from ipywidgets.widgets.widget import _instances
from PIL import Image

from cnnlib.book import figures, playground
from cnnlib.book.widgets import HOST, VIEW
from cnnlib.book.widgets.compared import compared
from cnnlib.book.widgets.playground import _Picture
from cnnlib.errors import InputError


@pytest.fixture
def play(monkeypatch):
    """Opens a playground: what the cell shows, the metadata, the picture and the controls."""
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **how: shown.append((data, how)))

    def play(draw, alt="A figure.", **controls):
        old = set(_instances)
        playground(draw, alt, **controls)
        new = [widget for name, widget in _instances.items() if name not in old]
        picture = next(widget for widget in new if isinstance(widget, _Picture))
        controls = {w.description: w for w in new if isinstance(w, IntSlider | Dropdown)}
        data, how = shown.pop()
        assert shown == []
        return data, how["metadata"], picture, controls

    return play


def raising(error):
    def draw(stride):
        raise error

    return draw


class Mute(Exception):
    def __str__(self):
        raise KeyError("k")


@pytest.mark.parametrize(
    ("error", "told"),
    [(SystemExit("bye"), "SystemExit: bye"), (GeneratorExit(), "GeneratorExit"), (Mute(), "Mute"),
     (ValueError("\x1b[2J"), r"ValueError: \x1b[2J")],
)  # fmt: skip
def test_whatever_a_function_raises_is_told(play, error, told):
    *_, picture, _ = play(raising(error), stride=(1, 3))
    assert picture.wrong.split("\n")[0] == told
    assert picture.wrong.endswith(": raise error")


def test_an_error_of_any_length_is_told_in_a_line(play):
    *_, picture, _ = play(raising(ValueError("x" * 10**6)), stride=(1, 3))
    assert picture.wrong.startswith("ValueError: xxx") and len(picture.wrong) < 1100


def test_a_control_has_the_name_of_its_argument_whatever_it_is_called(play):
    seen = []

    def draw(stride, dilation):
        seen.append((stride, dilation))
        return square()

    label = "How far the kernel goes"
    slider = IntSlider(2, min=1, max=3, description=label)
    data, _, picture, _ = play(draw, stride=slider, dilation=fixed(4))
    assert seen == [(2, 4)] and "image/png" in data
    slider.value = 3
    assert seen[-1] == (3, 4) and picture.alt == "At stride 3, dilation 4: another picture."


def square(**values):
    import matplotlib.pyplot as plt

    return plt.figure(figsize=(values.get("stride", 1), 1))


def test_it_shows_a_still_where_there_is_no_kernel(play):
    import matplotlib.pyplot as plt

    data, metadata, picture, _ = play(square, "A square.", stride=(1, 3), flip=False)
    assert set(data) == {VIEW, "image/png", "text/plain"}
    assert data["text/plain"] == "Playground: A square."
    assert metadata == {"image/png": {"alt": "A square."}}
    assert (picture.png, picture.alt) == (data["image/png"], "A square.")
    assert Image.open(io.BytesIO(base64.b64decode(picture.png))).format == "PNG"
    assert plt.get_fignums() == []


def test_it_redraws_and_comes_back(play):
    _, _, picture, controls = play(square, stride=(1, 3))
    first = picture.png
    controls["stride"].value = 1
    assert picture.png not in (first, "")
    assert picture.alt == "At stride 1: another picture."
    controls["stride"].value = 2
    assert (picture.png, picture.alt) == (first, "A figure.")


def fails_at_three(stride):
    if stride == 3:
        raise ZeroDivisionError("<no> such\nstride")
    return square(stride=stride)


TOLD = (
    "ZeroDivisionError: <no> such\n"
    f"line {fails_at_three.__code__.co_firstlineno + 2}: "
    'raise ZeroDivisionError("<no> such\\nstride")'
)


def test_an_error_is_told_with_the_readers_own_line(play):
    _, _, picture, controls = play(fails_at_three, stride=(1, 3))
    first = picture.png
    controls["stride"].value = 3
    assert (picture.png, picture.wrong) == ("", TOLD)
    controls["stride"].value = 2
    assert (picture.png, picture.wrong) == (first, "")


def test_an_error_on_the_first_run_is_told_in_the_same_words(play):
    data, _, picture, controls = play(fails_at_three, stride=(3, 4))
    assert set(data) == {VIEW, "text/html", "text/plain"}
    assert data["text/plain"] == f"Playground: {TOLD}"
    assert data["text/html"].startswith("<pre>ZeroDivisionError: &lt;no&gt; such")
    assert picture.wrong == TOLD
    controls["stride"].value = 4
    assert picture.wrong == "" and picture.png


def test_an_error_within_numpy_names_the_line_that_called_it(play):
    def draw(stride):
        return np.ones(3) + np.ones(stride + 3)

    *_, picture, _ = play(draw, stride=(1, 3))
    first, line = picture.wrong.split("\n")
    assert first.startswith("ValueError: operands could not be broadcast together")
    assert line.endswith(": return np.ones(3) + np.ones(stride + 3)")


def test_what_is_no_picture_is_told(play):
    *_, picture, _ = play(lambda stride: 7, stride=(1, 3))
    assert picture.wrong.startswith("InputError: what draw returns is 7; expected a Figure")


def test_prints_are_shown_and_not_in_the_cell(play, capsys):
    def draw(stride):
        print("stride", stride)
        if stride == 3:
            print("x" * 5000)
            raise ValueError
        return square()

    *_, picture, controls = play(draw, stride=(1, 3))
    assert picture.printed == "stride 2\n"
    controls["stride"].value = 3
    assert picture.printed == "x" * 1999 + "\n"  # the last ones
    assert picture.wrong.startswith("ValueError\nline ")
    assert "stride" not in capsys.readouterr().out


def test_a_pair_is_drawn_with_the_cells_lit_that_differ(play):
    right = np.array([3.0, 1, 4, 1])

    def draw(cell):
        mine = right.copy()
        if cell < 4:
            mine[cell] = 9
        return mine, right

    _, metadata, picture, controls = play(draw, "Like the library's.", cell=[4, 0, 2])
    assert picture.alt == "Like the library's." == metadata["image/png"]["alt"]
    agreeing = picture.png
    controls["cell"].value = 2
    assert picture.png != agreeing
    assert picture.alt == "At cell 2: they differ in one cell at [2]: 9, not 4."


@pytest.mark.parametrize(
    ("mine", "right", "words"),
    [
        ([1, 2], [1, 2], "they agree"),
        ([1, 2 + 1e-9], np.array([1, 2]), "they agree"),
        ([1, 2], [1, 3], "they differ in one cell at [1]: 2, not 3"),
        ([np.nan, 2], [1, 2], "they differ in one cell at [0]: nan, not 1"),
        ([[1, 2], [-3, 4]], [[1, 2], [3, 4]],
         "they differ in one cell at [1, 0]: \N{MINUS SIGN}3, not 3"),
        (range(5), range(1, 6),
         "they differ in 5 cells at [0]: 0, not 1; [1]: 1, not 2; [2]: 2, not 3; and 2 more"),
        ([1, 2, 3], [1, 2], "they differ: shape (3,), not (2,)"),
        ([[1, 2]], [1, 2], "they differ: shape (1, 2), not (2,)"),
    ],
)  # fmt: skip
def test_where_they_differ_is_said(mine, right, words):
    figure, said = compared(mine, right)
    assert said == words
    assert ("≠" in [text.get_text() for text in figure.axes[0].texts]) == (words != "they agree")


def test_the_differing_cells_are_lit_in_both_grids(monkeypatch):
    seen = []
    monkeypatch.setattr("cnnlib.book.widgets.compared.grids", lambda *items: seen.extend(items))
    compared([[1, 2], [3, 4]], figures.Grid([[1, 0], [3, 5]], "delta"))
    assert [grid.highlight for grid in (seen[0], seen[2])] == [[(0, 1), (1, 1)]] * 2
    assert {grid.kind for grid in (seen[0], seen[2])} == {"delta"}
    seen.clear()
    compared([1, 7, 3], [1, 2])  # the third is one too many
    assert [grid.highlight for grid in (seen[0], seen[2])] == [[(1,), (2,)], [(1,)]]


def test_what_cannot_be_compared_is_told():
    with pytest.raises(InputError, match="yours is None; expected real numbers"):
        compared(None, [1])


def test_without_a_description_it_is_refused():
    with pytest.raises(ValueError, match="alt is empty"):
        playground(lambda stride: None, " ", stride=(1, 3))


def test_the_page_shows_the_picture_in_its_own_size_and_no_broken_icon(browser):
    made = io.BytesIO()
    Image.new("RGB", (300, 120)).save(made, "png")
    png = base64.b64encode(made.getvalue()).decode()
    page = browser.new_page(viewport={"width": 1000, "height": 400})
    page.set_content('<div id="here" style="display: flex; flex-direction: column"></div>')
    page.add_script_tag(content=HOST)
    page.evaluate(
        """async ([text, state]) => {
          const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
          window.model = explorerModel(state);
          (await import(url)).default.render({ model, el: document.querySelector("#here") });
        }""",
        [str(_Picture._esm), dict(png=png, alt="Black.", printed="said\n", wrong="")],
    )
    picture = page.get_by_role("img", name="Black.")
    picture.evaluate("(image) => image.decode()")
    assert picture.evaluate("(one) => [one.clientWidth, one.clientHeight]") == [300, 120]
    assert page.get_by_label("printed").text_content() == "said\n"
    page.evaluate(
        "() => { model.set('png', ''); model.set('wrong', 'KeyError: 1\\nline 3: x[1]'); }"
    )
    assert page.get_by_role("alert").inner_text() == "KeyError: 1\nline 3: x[1]"
    assert page.locator("img").is_hidden()
    page.set_viewport_size({"width": 200, "height": 400})
    page.evaluate("(png) => model.set('png', png)", png)
    assert picture.evaluate("(one) => [one.clientWidth, one.clientHeight]") == [184, 74]
    page.close()


@pytest.mark.parametrize(
    "controls",
    [{"stride": (1, 2, 3, 4)}, {"stride": (3, 1)}, {"stride": None}, {"stride": object()},
     {"other": (1, 3)}, {}],
)  # fmt: skip
def test_odd_controls_are_refused(controls):
    with pytest.raises(InputError, match="fit no function or no slider"):
        playground(lambda stride: None, "A picture.", **controls)


@pytest.mark.parametrize(
    ("choices", "reason"),
    [([], "stride is a menu without entries"), ({}, "stride is a menu without entries"),
     (Dropdown(), "stride is a menu without entries"),
     ((1, 2**60), "stride reaches to 1152921504606846976; expected bounds within"),
     (float("inf"), "stride reaches to -?inf"), (10**20, "stride reaches to -1000"),
     ((1, 10**400), "fit no function or no slider"),
     ([np.arange(3), np.arange(3)], "fit no function or no slider")],
    ids=range(8),
)  # fmt: skip
def test_controls_with_nothing_to_choose_or_beyond_bounds_are_refused(choices, reason):
    with pytest.raises(InputError, match=reason) as error:
        playground(lambda stride: None, "A picture.", stride=choices)
    assert len(str(error.value)) < 500
