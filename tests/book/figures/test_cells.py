"""Figures of cells: they fit their paper, are told apart without colour, and stay small."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Text

from cnnlib.book import figures
from cnnlib.book.figures.cells import WIDEST, Canvas, number, read_index
from cnnlib.book.figures.style import GREY, INK, KINDS
from cnnlib.errors import InputError
from cnnlib.learning.layers import Conv, Dense, Flatten, MaxPool, ReLU, Softmax
from cnnlib.learning.losses import CrossEntropy
from cnnlib.learning.network import Network

X, W, DZ = np.arange(20).reshape(4, 5), np.arange(9).reshape(3, 3) - 3, [[5, -7], [1, 2]]


THIRD = figures.Grid(DZ, "output", center=(0, 0))


def a_network():
    layers = [Conv(5, 3), ReLU(), MaxPool(2), Conv(20, 2), Flatten(), Dense(10), Softmax()]
    rng = np.random.default_rng(0)
    return Network(layers, CrossEntropy(), input_shape=(28, 28, 1), rng=rng)


MADE = {
    "grid": lambda: figures.grid(X, padding=((1, 2), (0, 3)), highlight=[(0, 1)], note="a note"),
    "grids": lambda: figures.grids(figures.Grid(X), "*", figures.Grid(W, "weight"), "=", THIRD),
    "one row": lambda: figures.grid([1.25, -1000, None, "a"], "delta", center=2),
    "placement": lambda: figures.placement(X, W, (1, 0), stride=(1, 2), center=(1, 1)),
    "placement of one axis": lambda: figures.placement([10, 20, 30], [1, 2], 1),
    "placements": lambda: figures.placements(X, W, [(0, 0), (0, 1), (1, 0)], padding=1, b=2),
    "delta": lambda: figures.delta_placement(DZ, W, (6, 5), (2, 3), stride=2),
    "weight": lambda: figures.weight_placement(X, DZ, (3, 3), (0, 2), stride=(1, 2)),
    "connections": lambda: figures.connections(12, 3, stride=2, padding=1, overhang=True),
    "lattice": lambda: figures.lattice(DZ, stride=(2, 3), padding=((-1, 2), (2, 0))),
    "network": lambda: figures.network(a_network()),
}  # fmt: skip


@pytest.fixture(params=MADE, ids=str, scope="module")
def figure(request):
    return MADE[request.param]()


def test_nothing_is_cut_off_and_little_paper_is_wasted(figure):
    width, height = figure.get_size_inches() * figure.dpi
    (axes,) = figure.axes
    boxes = [a.get_window_extent() for a in [*axes.patches, *axes.lines, *axes.texts]]
    assert min(box.x0 for box in boxes) >= 0 and max(box.x1 for box in boxes) <= width + 1
    assert min(box.y0 for box in boxes) >= 0 and max(box.y1 for box in boxes) <= height + 1
    assert min(box.x0 for box in boxes) <= 15 and min(box.y0 for box in boxes) <= 15
    assert (
        max(box.x1 for box in boxes) >= width - 15 and max(box.y1 for box in boxes) >= height - 15
    )


def test_fits_a_page_can_be_read_and_is_small(figure):
    assert figure.get_size_inches()[0] <= WIDEST + 1e-6
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 5
    assert len(figures.png(figure)) <= 30_000


def test_words_do_not_lie_on_words(figure):
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    for n, a in enumerate(boxes):
        for b in boxes[:n]:
            width = min(a.x1, b.x1) - max(a.x0, b.x0)
            height = min(a.y1, b.y1) - max(a.y0, b.y0)
            assert min(width, height) <= 2.5  # pixels


def drawn(kind, lit=False, tag=None, tag_kind="weight"):
    canvas = Canvas()
    canvas.cell((1, 1), 3, kind, lit, tag, tag_kind)
    return canvas.axes


def shape_of(axes):
    """What remains of a cell in black and white."""
    patches = axes.patches
    first = patches[0]
    rounded = isinstance(first, FancyBboxPatch)
    return rounded, len(patches), first.get_linestyle(), first.get_linewidth(), len(axes.lines)


def test_kinds_are_told_apart_without_colour():
    shapes = {kind: shape_of(drawn(kind)) for kind in KINDS}
    assert len(set(shapes.values())) == len(KINDS)
    assert all(shape_of(drawn(kind)) != shape_of(drawn(kind, lit=True)) for kind in KINDS)


def test_the_colours_are_those_of_the_palette():
    for kind, color in figures.PALETTE.items():
        assert drawn(kind).patches[0].get_edgecolor()[:3] == to_rgb(color)


def luminance(color):
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return np.dot(parts, [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("lit", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_stand_out_from_their_cells(kind, lit):
    axes = drawn(kind, lit)
    text, ground = axes.texts[0].get_color(), axes.patches[0].get_facecolor()
    assert text in (INK, GREY)
    assert (luminance(ground) + 0.05) / (luminance(text) + 0.05) >= 4.5  # WCAG AA


def test_a_lit_cell_is_darker_and_bold():
    dim, lit = drawn("input"), drawn("input", lit=True)
    assert luminance(lit.patches[0].get_facecolor()) < luminance(dim.patches[0].get_facecolor())
    assert (dim.texts[0].get_weight(), lit.texts[0].get_weight()) == ("normal", "bold")


def test_a_tag_frames_its_cell_with_its_own_kind():
    axes = drawn("input", tag="7", tag_kind="weight")
    assert [text.get_text() for text in axes.texts] == ["3", "×7"]
    assert axes.patches[1].get_edgecolor()[:3] == to_rgb(figures.PALETTE["weight"])
    assert len(drawn("input", tag="7", tag_kind="delta").patches) == 3  # a double border
    assert isinstance(axes.patches[1], Rectangle)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"), (-3, "−3"), (0.5, "0.5"), (1 / 3, "0.333"), (1234, "1234"), (-54321.0, "−54321"),
        (-0.0, "0"), (-0.0625, "−0.0625"), (None, ""), ("w[0]", "w[0]"), (np.float32(2), "2"),
        (np.int64(-12), "−12"),
    ],
)  # fmt: skip
def test_number(value, text):
    assert number(value) == text


def test_a_wide_figure_is_scaled_down_with_its_words():
    small, wide = figures.grid(np.zeros((2, 5))), figures.grid(np.zeros((2, 40)))
    assert 0.9 * WIDEST < wide.get_size_inches()[0] <= WIDEST  # cells of whole pixels
    assert small.get_size_inches()[0] < WIDEST
    assert max(t.get_fontsize() for t in wide.findobj(Text)) < max(
        t.get_fontsize() for t in small.findobj(Text)
    )


def test_read_index():
    assert read_index("a", 2, (1, 3)) == (0, 2)
    assert read_index("a", (1, 2), (2, 3)) == (1, 2)
    for wrong in (3, -1, (1, 0), (0, 0, 0)):
        with pytest.raises(InputError, match="a names the cell|a is -1; expected at least 0"):
            read_index("a", wrong, (1, 3))
