"""One palette, one style file, and how a figure gets into a notebook."""

import io
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnnlib.arrays import read_kind, read_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image
else:
    Figure = "Figure"  # for annotations: the first drawing loads matplotlib, not the first import

# Colours that readers with any kind of colour vision can tell apart (M. Okabe and K. Ito, 2002).
PALETTE = {"input": "#0072B2", "weight": "#E69F00", "output": "#009E73", "delta": "#D55E00"}
STYLE = Path(__file__).with_name("figures.mplstyle")
INK = "#1A1A1A"  # numbers
SMALL = 30_000  # bytes: the goal for a figure
GREY = "#595959"  # indices and whatever is not there: still 7:1 against white


@dataclass(frozen=True)
class Kind:
    """How a cell of this kind looks, so that its shape tells it apart without its colour."""

    label: str  # above its grid
    color: str
    width: float = 1.2  # of the border, in points
    line: str = "-"
    rounded: bool = False
    double: bool = False


KINDS = {
    "input": Kind("input x", PALETTE["input"]),
    "weight": Kind("kernel w", PALETTE["weight"], width=2.8),
    "output": Kind("output z", PALETTE["output"], width=1.4, rounded=True),
    "delta": Kind("delta dz", PALETTE["delta"], width=1.0, double=True),
    "padding": Kind("padding", GREY, width=0.9, line="--"),
    "zero": Kind("zero put between", GREY, width=1.1, line=":"),
    "cut": Kind("cut off", GREY, width=0.9),  # crossed out
    "plain": Kind("", GREY, width=0.9),
}


def tint(color: str, share: float) -> tuple[float, ...]:
    """Mix a colour with white."""
    from matplotlib.colors import to_rgb

    return tuple(1 - share * (1 - part) for part in to_rgb(color))


def styled() -> AbstractContextManager[None]:
    """What is drawn within has the book's style."""
    from matplotlib import style

    return style.context(STYLE)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in the book's style; the size is in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with styled():
        figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)  # keeps one renderer; else each text would make its own to be measured
    return figure


def show(figure: Figure, alt: str) -> None:
    """Show a figure in a notebook with its alternative text, and close it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to show.
    alt : str
        What the picture says, for readers who cannot see it: one or two sentences.
    """
    import matplotlib.pyplot as plt
    from IPython.display import display

    read_text("alt", alt, "say in a sentence what the figure shows")
    data = {"image/png": png(figure), "text/plain": f"Figure: {alt}"}
    plt.close(figure)
    display(data, metadata={"image/png": {"alt": alt}}, raw=True)


def png(figure: Figure) -> bytes:
    """A figure as a small PNG: with a palette of its own where nobody sees the difference."""
    from matplotlib.figure import Figure
    from PIL import Image

    read_kind("figure", figure, Figure, "matplotlib.figure.Figure()")
    drawn = io.BytesIO()
    with styled():
        figure.savefig(drawn, format="png")
    image = Image.open(drawn).convert("RGB")
    for size in (24, 64, 240):
        data, mean, largest = _with_palette(image, size)
        if mean <= 0.6 and largest <= 32:
            return data
    data = _bytes(image)
    return data if len(data) <= SMALL else _with_palette(image, 240)[0]


def _with_palette(image: "Image.Image", size: int) -> tuple[bytes, float, float]:
    """An image with few colours, and how far its pixels are off, of 255: in the mean and at most.

    The 16 most frequent colours, which are those of grounds, fills and lines, stay exactly as they
    are. The others lie between them where an edge is smoothed; they share `size` colours.
    """
    from PIL import Image

    pixels = np.asarray(image, np.int32)
    codes = pixels @ [1 << 16, 1 << 8, 1]
    kinds, counts = np.unique(codes, return_counts=True)
    exact = kinds[np.argsort(-counts, kind="stable")[:16]]
    shared = image.quantize(size, Image.Quantize.MAXCOVERAGE, 3, dither=Image.Dither.NONE)
    off = np.abs(pixels - np.asarray(shared.convert("RGB")))
    off[np.isin(codes, exact)] = 0
    entries = np.asarray(shared) + len(exact)
    for place, code in enumerate(exact):
        entries[codes == code] = place
    result = Image.fromarray(entries.astype(np.uint8), "P")
    own = b"".join(int(code).to_bytes(3, "big") for code in exact)
    result.putpalette(own + bytes((shared.getpalette() or [])[: 3 * size]))
    return _bytes(result), float(off.mean()), float(off.max())


def _bytes(image: "Image.Image") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()
