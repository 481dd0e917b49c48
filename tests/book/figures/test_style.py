"""PNG files: a palette where nobody sees it, all colours where one would."""

import io

import numpy as np
import pytest
from matplotlib.backends import backend_agg
from matplotlib.figure import Figure

from cnnlib.book import figures
from cnnlib.book.figures.style import PALETTE

Image = pytest.importorskip("PIL.Image")


def opened(figure):
    return Image.open(io.BytesIO(figures.png(figure)))


def pixels(image):
    return np.asarray(image.convert("RGB")).astype(int)


def truth(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return pixels(Image.open(buffer))


def test_a_drawing_keeps_its_colours_exactly_and_gets_a_palette():
    figure = figures.grids(
        *(figures.Grid([[1, 2], [3, 4]], kind, highlight=[(0, 0)]) for kind in PALETTE)
    )
    image, true = opened(figure), truth(figure)
    assert image.mode == "P"
    assert np.abs(pixels(image) - true).max() <= 32
    kinds, counts = np.unique(true.reshape(-1, 3), axis=0, return_counts=True)
    for colour in kinds[np.argsort(-counts)[:12]]:
        where = (true == colour).all(axis=2)
        assert (pixels(image)[where] == colour).all()


def test_many_colours_stay_as_they_are():
    y, x = np.mgrid[0:90, 0:120] / 120
    figure = figures.images(np.stack([x, y, 1 - x * y], axis=-1)[None], size=3)
    image = opened(figure)
    assert np.abs(pixels(image) - truth(figure)).mean() <= 0.5


def test_a_photograph_is_small_and_close():
    datasets = pytest.importorskip("sklearn.datasets")
    photo = datasets.load_sample_image("china.jpg")[None, 100:228, 200:392] / 255
    figure = figures.images(photo, size=3)
    assert len(figures.png(figure)) <= 30_000
    assert np.abs(pixels(opened(figure)) - truth(figure)).mean() <= 3


def test_training_curves_are_small():
    r = np.random.default_rng(0)
    from cnnlib.learning.training import History

    steps = np.arange(3000)
    loss = (2.3 * np.exp(-steps / 300) + 0.05) * np.exp(0.6 * r.normal(size=3000))
    history = History(250, loss.tolist(), loss.tolist(), [(0.3, 0.9)] * 12)
    figure = figures.training_curves({"one": history, "two": history})
    assert len(figures.png(figure)) <= 30_000


def test_an_empty_figure():
    assert opened(Figure(figsize=(1, 1))).size == (110, 110)


def test_one_renderer_measures_all_texts_of_a_figure(monkeypatch):
    """A renderer holds a whole picture: one for each text takes hundreds of megabytes."""
    made = []

    class Counted(backend_agg.RendererAgg):
        def __init__(self, *arguments):
            made.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr(backend_agg, "RendererAgg", Counted)
    figure = figures.grid(np.arange(60).reshape(6, 10))
    assert len(figure.axes[0].texts) > 60 and len(made) == 1
    figures.png(figure)
    assert len(made) == 2  # the figure has been cut to what was drawn: a picture of another size
