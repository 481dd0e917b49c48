"""A reader's own function behind sliders, drawn at once; it needs a kernel."""

import io
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from inspect import signature
from typing import Any

import anywidget
from ipywidgets import interactive
from traitlets import TraitError, Unicode

from cnnlib.arrays import read_function, read_kind, read_text
from cnnlib.diagnosis.calling import place_of
from cnnlib.errors import InputError, line, shown

from ..figures import png
from .compared import AGREE, compared
from .host import host
from .scripts import FrontEnd

EXACT = 2**53  # up to it, JavaScript knows every integer
PRINTED = 2000  # characters of what was printed: the last ones


class _Picture(anywidget.AnyWidget):
    """What was drawn, or why nothing was; and what was printed meanwhile."""

    _esm = FrontEnd("picture")
    _css = """
.cnn-wrong { color: light-dark(#a4000f, #ff9aa2); font-weight: 600; }
[data-jp-theme-light="false"] .cnn-wrong { color-scheme: dark; }
"""

    png = Unicode().tag(sync=True)  # base64; '' where it went wrong
    alt = Unicode().tag(sync=True)
    printed = Unicode().tag(sync=True)
    wrong = Unicode().tag(sync=True)


def playground(draw: Callable[..., Any], alt: str, **controls: Any) -> None:
    """Show `draw(**values)` below plain ipywidgets controls that change the values.

    Readers rewrite what `draw` calls in the cell above, run both cells, and move the controls. An
    error of theirs appears in place of the picture, with the line of theirs that it comes from, and
    what they print below it. Where there is no kernel, a still of the first values stands instead.

    Parameters
    ----------
    draw : callable
        Gets one argument for each control. It returns a matplotlib Figure, or a pair: the reader's
        numbers, and the right ones as an array or as a `figures.Grid`. Both are drawn then, with
        the cells lit that differ.
    alt : str
        What the first picture says.
    **controls
        As for `ipywidgets.interact`: `(1, 3)` is a slider, a list a menu, a bool a tick box.

    Raises
    ------
    InputError
        draw is no function, alt says nothing, or a control is none, has nothing to choose, has
        bounds that a page cannot hold, or belongs to no argument.
    """
    from IPython.display import display

    read_function("draw", draw, "of the controls that returns a Figure")
    read_text("alt", alt, "say in a sentence what the first picture shows")
    # `interactive` knows which control fits which value. Its own output area is not used: to nbval,
    # which has none, the picture would be a second output of the cell.
    try:
        signature(draw).bind(**controls)
        named = dict(zip(controls, interactive(_nothing, **controls).kwargs_widgets, strict=True))
    except (TypeError, ValueError, OverflowError, TraitError) as error:
        raise InputError(
            f"the controls {shown(controls)} fit no function or no slider ({error!s:.200}); "
            "expected one for each argument of draw, such as stride=(1, 3), a list, or a bool"
        ) from None
    for name, control in named.items():
        _check(name, control)
    first = _values(named)
    picture = _Picture()

    def redraw(_: object = None) -> None:
        values = _values(named)
        shown = _drawn(draw, values)
        if values == first and shown["alt"] in ("", AGREE):
            shown["alt"] = alt
        else:
            at = ", ".join(f"{name} {value}" for name, value in values.items())
            shown["alt"] = f"At {at}: {shown['alt'] or 'another picture'}."
        with picture.hold_sync():
            for name, text in shown.items():
                setattr(picture, name, text)

    redraw()
    sliders = [one for one in named.values() if hasattr(one, "model_id")]  # the others are fixed
    for slider in sliders:
        slider.observe(redraw, names="value")
    data, metadata = host().playground(sliders, picture)
    display(data, metadata=metadata, raw=True)


def _nothing(**_: Any) -> None:
    """What `interactive` wants to call."""


def _check(name: str, control: Any) -> None:
    """Refuse a menu without entries, and bounds that JavaScript would round or cannot read."""
    if not getattr(control, "options", True):
        raise InputError(f"{name} is a menu without entries; expected at least one")
    for bound in (getattr(control, end, 0) for end in ("min", "max")):
        if isinstance(bound, int | float) and not abs(bound) <= EXACT:
            raise InputError(f"{name} reaches to {shown(bound)}; expected bounds within 2**53")


def _values(named: Mapping[str, Any]) -> dict[str, Any]:
    return {name: control.value for name, control in named.items()}


def _drawn(draw: Callable[..., Any], values: dict[str, Any]) -> dict[str, str]:
    """What `_Picture` shows of one call: the reader's, so whatever it raises is told."""
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    printed, picture, words, wrong = io.StringIO(), b"", "", ""
    try:
        with redirect_stdout(printed):
            drawn = draw(**values)
        if isinstance(drawn, tuple) and len(drawn) == 2:
            drawn, words = compared(*drawn)
        figure = read_kind("what draw returns", drawn, Figure, "figures.grid(...)")
        plt.close(figure)
        picture = png(figure)
    except (Exception, SystemExit, GeneratorExit) as error:
        wrong = _told(error)
    return {
        "png": b64encode(picture).decode(),
        "alt": words,
        "printed": printed.getvalue()[-PRINTED:],
        "wrong": wrong,
    }


def _told(error: BaseException) -> str:
    """An error in a line, and in another the line of the reader's that it comes from."""
    try:
        said = str(error).partition("\n")[0]
    except Exception:  # of a class of the reader's
        said = ""
    said = line(f"{type(error).__name__}: {said}".rstrip(": "))
    place = place_of(error.__traceback__)
    return said if place is None else f"{said}\nline {place[1]}: {place[2]}".rstrip(": ")
