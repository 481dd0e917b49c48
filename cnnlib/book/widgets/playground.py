"""A reader's own function behind sliders, drawn at once; it needs a kernel."""

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import anywidget
from ipywidgets import HTML, Image, VBox, interactive
from matplotlib.figure import Figure

from cnnlib.arrays import read_function, read_kind, read_text

from ..figures import png
from .explorer import output
from .scripts import joined


class _Keeper(anywidget.AnyWidget):
    """Shows nothing, and has a saved notebook show its stills."""

    _esm = joined("keeper")


def playground(draw: Callable[..., Figure], alt: str, **controls: Any) -> None:
    """Show `draw(**values)` below plain ipywidgets controls that change the values.

    Readers rewrite what `draw` calls in the cell above, run both cells, and move the controls. An
    error of theirs appears in place of the picture. Where there is no kernel, a still of the first
    values stands instead.

    Parameters
    ----------
    draw : callable
        Gets one argument for each control and returns a matplotlib Figure.
    alt : str
        What the first picture says.
    **controls
        As for `ipywidgets.interact`: `(1, 3)` is a slider, a list a menu, a bool a tick box.

    Raises
    ------
    InputError
        draw is no function, or alt says nothing.
    """
    from IPython.display import display

    read_function("draw", draw, "of the controls that returns a Figure")
    read_text("alt", alt, "say in a sentence what the first picture shows")
    # `interactive` knows which control fits which value. Its own output area is not used: to nbval,
    # which has none, the picture would be a second output of the cell.
    *sliders, _ = interactive(lambda **_: None, **controls).children
    still = _drawn(draw, sliders)
    picture, error = Image(value=still, format="png"), HTML()

    def redraw(_: object) -> None:
        try:
            picture.value, error.value = _drawn(draw, sliders), ""
        except Exception as reason:  # the reader's: whatever it is, it is told
            said = f"{type(reason).__name__}: {reason}"
            picture.value, error.value = b"", f"<pre>{escape(said)}</pre>"

    for slider in sliders:
        slider.observe(redraw, names="value")
    panel = VBox([*sliders, picture, error, _Keeper()])
    data, metadata = output(panel.model_id, still, alt, f"Playground: {alt}")
    display(data, metadata=metadata, raw=True)


def _drawn(draw: Callable[..., Figure], sliders: Sequence[Any]) -> bytes:
    import matplotlib.pyplot as plt

    drawn = draw(**{slider.description: slider.value for slider in sliders})
    figure = read_kind("what draw returns", drawn, Figure, "figures.grid(...)")
    plt.close(figure)
    return png(figure)
