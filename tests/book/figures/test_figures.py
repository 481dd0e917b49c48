"""Figures: what is drawn, how it gets into a notebook, and that a figure is closed."""

import io

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from cnnlib.book import figures
from cnnlib.errors import InputError
from cnnlib.learning.training import History

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def no_open_figures():
    """Figures belong to who asked for them: pyplot must not keep one."""
    plt.close("all")
    yield
    assert plt.get_fignums() == []


def tiles(figure):
    """The pictures that one sees, with their axes."""
    return [(ax, picture) for ax in figure.axes for picture in ax.images if picture.get_visible()]


def draws(figure):
    """Whether the figure can be drawn; warnings are errors."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue().startswith(b"\x89PNG")


def history(steps, epoch_steps=10, epochs=0, seed=0):
    r = np.random.default_rng(seed)
    return History(
        epoch_steps,
        r.uniform(0.1, 2, steps).tolist(),
        r.uniform(0, 1, steps).tolist(),
        [(r.uniform(0.1, 2), r.uniform(0, 1)) for _ in range(epochs)],
    )


# Show


@pytest.fixture
def shown(monkeypatch):
    """What arrives at the front end: data and metadata of each output."""
    pytest.importorskip("IPython")
    from IPython.core import display_functions
    from IPython.core.interactiveshell import InteractiveShell

    outputs = []
    monkeypatch.setattr(InteractiveShell, "initialized", lambda: True)
    monkeypatch.setattr(
        display_functions,
        "publish_display_data",
        lambda data, metadata=None, **keywords: outputs.append((data, metadata)),
    )
    return outputs


def line():
    figure, axes = plt.subplots()
    axes.plot([0, 1])
    return figure


def test_show_hands_over_picture_and_alternative_text(shown):
    figures.show(line(), "A line that rises.")
    ((data, metadata),) = shown
    assert set(data) == {"image/png", "text/plain"}
    assert data["image/png"].startswith(b"\x89PNG")
    assert plt.imread(io.BytesIO(data["image/png"])).shape[2] in (3, 4)
    assert "A line that rises." in data["text/plain"]
    assert metadata == {"image/png": {"alt": "A line that rises."}}


def test_show_closes_the_figure(shown):
    kept, figure = line(), line()
    figures.show(figure, "A line.")
    assert plt.get_fignums() == [kept.number]
    plt.close(kept)


@pytest.mark.parametrize("alt", ["", " ", "\n\t"])
def test_show_refuses_an_empty_text(shown, alt):
    figure = line()
    with pytest.raises(InputError, match="alt is empty; say in a sentence"):
        figures.show(figure, alt)
    assert shown == []
    plt.close(figure)


def test_show_draws_the_same_bytes_each_time(shown):
    for _ in range(2):
        figures.show(figures.kernels(np.random.default_rng(0).normal(size=(2, 3, 3, 1))), "Two.")
    assert shown[0] == shown[1]
    assert b"Software" not in shown[0][0]["image/png"]  # else every matplotlib writes another file


# Kernels


@pytest.mark.parametrize("count", [1, 3, 8, 9, 20])
def test_kernels_draws_every_filter(count):
    w = np.random.default_rng(count).normal(size=(count, 3, 4, 2))
    figure = figures.kernels(w, channel=1)
    assert isinstance(figure, Figure)
    pictures = tiles(figure)
    assert len(pictures) == count
    limit = abs(w[..., 1]).max()
    for k, (ax, picture) in enumerate(pictures):
        assert np.array_equal(picture.get_array(), w[k, ..., 1])
        assert picture.get_clim() == (-limit, limit)  # white is 0, and one scale for all
        assert ax.get_title() == f"filter {k}"


def test_kernels_draws_the_first_channel_by_default_with_a_colour_bar():
    w = np.random.default_rng(0).normal(size=(3, 2, 2, 2))
    figure = figures.kernels(w)
    assert np.array_equal(tiles(figure)[2][1].get_array(), w[2, ..., 0])
    assert [ax.get_ylabel() for ax in figure.axes].count("weight") == 1
    assert draws(figure)


def test_kernels_blue_negative_white_zero_red_positive():
    w = np.reshape([-1.0, 0, 1], (1, 1, 3, 1))
    ((_, picture),) = tiles(figures.kernels(w))
    blue, white, red = (picture.to_rgba(value)[:3] for value in w.ravel())
    assert blue[2] > 2 * blue[0] and red[0] > 2 * red[2] and min(white) > 0.9


def test_kernels_of_zeros():
    figure = figures.kernels(np.zeros((2, 3, 3, 1)))
    assert len(tiles(figure)) == 2 and draws(figure)
    for _, picture in tiles(figure):
        assert min(picture.to_rgba(0.0)[:3]) > 0.9  # white is 0, also where nothing else is


# Images


@pytest.mark.parametrize("count", [1, 7, 8, 9, 17])
def test_images_draws_every_image(count):
    x = np.random.default_rng(count).random((count, 5, 6, 1))
    titles = [f"title {n}" for n in range(count)]
    figure = figures.images(x, titles)
    assert isinstance(figure, Figure)
    pictures = tiles(figure)
    assert len(pictures) == count
    for n, (ax, picture) in enumerate(pictures):
        assert np.array_equal(picture.get_array(), x[n, ..., 0])
        assert picture.get_clim() == (0, 1)  # a dark image stays dark
        assert ax.get_title() == titles[n]
        assert not ax.axison
    assert not any(ax.axison for ax in figure.axes)  # also where no image is left


@pytest.mark.parametrize(
    ("columns", "places"), [(1, (5, 1)), (2, (3, 2)), (5, (1, 5)), (9, (1, 5))]
)
def test_images_in_rows(columns, places):
    figure = figures.images(np.zeros((5, 3, 3, 1)), columns=columns)
    rows, across = places
    assert figure.axes[0].get_gridspec().get_geometry() == (rows, across)
    for n, (ax, _) in enumerate(tiles(figure)):
        place = ax.get_subplotspec()
        assert (place.rowspan.start, place.colspan.start) == divmod(n, across)
    assert len(tiles(figure)) == 5


def test_images_of_one_row_or_column():
    for shape in ((2, 1, 4, 1), (2, 4, 1, 1), (1, 1, 1, 1)):
        x = np.random.default_rng(0).random(shape)
        for n, (_, picture) in enumerate(tiles(figures.images(x))):
            assert np.array_equal(picture.get_array(), x[n, ..., 0])


def test_images_in_grey_and_in_colour():
    grey = figures.images(np.random.default_rng(0).random((9, 4, 4, 1)))
    assert all(picture.get_cmap().name == "gray" for _, picture in tiles(grey))
    assert all(ax.get_title() == "" for ax, _ in tiles(grey))
    assert draws(grey)
    x = np.random.default_rng(1).random((2, 4, 5, 3))
    colour = figures.images(x)
    assert [np.array_equal(p.get_array(), x[n]) for n, (_, p) in enumerate(tiles(colour))] == [
        True
    ] * 2
    assert draws(colour)


# Training curves


def lines(ax):
    return [(line.get_xdata(), line.get_ydata()) for line in ax.get_lines()]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()] if ax.get_legend() else []


def close(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert len(a) == len(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def smooth(values):
    """Means of 20 neighbours."""
    return [np.mean(values[n : n + 20]) for n in range(len(values) - 19)]


def test_one_training_with_validation():
    one = history(50, 25, epochs=2)
    figure = figures.training_curves(one)
    assert isinstance(figure, Figure)
    left, right = figure.axes
    close(lines(left)[0], (smooth(np.arange(1, 51) / 25), smooth(one.loss)))
    close(lines(right)[0], ([1, 2], [accuracy for _, accuracy in one.validation]))
    assert len(lines(left)) == len(lines(right)) == 1
    assert (left.get_title(), left.get_xlabel(), left.get_yscale()) == ("Loss", "epoch", "log")
    assert right.get_title() == "Accuracy on held-out images"
    assert legend(left) == []
    assert legend(right) == [f"{100 * one.validation[-1][1]:.1f}%"]
    assert draws(figure)


def test_one_training_without_validation():
    one = history(30)
    left, right = figures.training_curves(one).axes
    close(lines(left)[0], (smooth(np.arange(1, 31) / 10), smooth(one.loss)))
    close(lines(right)[0], (smooth(np.arange(1, 31) / 10), smooth(one.accuracy)))
    assert right.get_title() == "Accuracy on batches"
    assert legend(left) == legend(right) == []


def test_several_trainings():
    both = {"SGD": history(40, epochs=4), "Adam": history(30, epochs=3, seed=1)}
    figure = figures.training_curves(both)
    left, right = figure.axes
    assert len(lines(left)) == len(lines(right)) == 2
    for n, one in enumerate(both.values()):
        close(lines(left)[n][1:], (smooth(one.loss),))
        close(lines(right)[n][1:], ([accuracy for _, accuracy in one.validation],))
    assert legend(left) == ["SGD", "Adam"]
    last = [one.validation[-1][1] for one in both.values()]
    assert legend(right) == [f"SGD: {last[0]:.1%}", f"Adam: {last[1]:.1%}"]
    assert right.get_title() == "Accuracy on held-out images"
    # Told apart without colour too.
    assert len({line.get_linestyle() for line in left.get_lines()}) == 2
    assert len({to_rgb(line.get_color()) for line in left.get_lines()}) == 2
    assert draws(figure)


def test_trainings_with_and_without_validation():
    figure = figures.training_curves({"a": history(40, epochs=4), "b": history(40)})
    assert figure.axes[1].get_title() == "Accuracy on batches"
    assert len(lines(figure.axes[1])) == 2


def test_training_shorter_than_the_smoothing():
    one = history(3)
    left, right = figures.training_curves(one).axes
    close(lines(left)[0], ([0.2], [np.mean(one.loss)]))
    close(lines(right)[0], ([0.2], [np.mean(one.accuracy)]))


def test_training_without_accuracy():
    one = history(30, epochs=2)
    one.accuracy = [float("nan")] * 30
    one.validation = [(loss, float("nan")) for loss, _ in one.validation]
    assert draws(figures.training_curves(one))


def test_a_training_that_stopped_at_its_first_step_can_be_drawn():
    assert draws(figures.training_curves(History(epoch_steps=1)))


# Palette


def test_palette_is_told_apart():
    assert set(figures.PALETTE) == {"input", "weight", "output", "delta"}
    assert len({to_rgb(colour) for colour in figures.PALETTE.values()}) == 4
