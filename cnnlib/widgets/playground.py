"""A reader's own function behind sliders, drawn at once; it needs a kernel."""

import base64
from collections.abc import Callable

from ipywidgets import interactive
from matplotlib.figure import Figure

from ..errors import InputError
from ..figures import png
from .explorer import VIEW


def playground(draw: Callable[..., Figure], alt: str, **controls) -> None:
    """Show `draw(**values)` above plain ipywidgets controls that change the values.

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
    """
    import matplotlib.pyplot as plt
    from IPython.display import Image, display

    if not alt.strip():
        raise InputError("alt is empty; say in a sentence what the first picture shows")

    def show(**values):
        figure = draw(**values)
        plt.close(figure)
        display(Image(png(figure)))

    panel = interactive(show, **controls)
    *sliders, _ = panel.children
    figure = draw(**{slider.description: slider.value for slider in sliders})
    plt.close(figure)
    view = {"version_major": 2, "version_minor": 0, "model_id": panel.model_id}
    still = base64.b64encode(png(figure)).decode()
    data = {VIEW: view, "image/png": still, "text/plain": f"Playground: {alt}"}
    display(data, metadata={"image/png": {"alt": alt}}, raw=True)
