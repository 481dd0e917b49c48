"""Lines over an axis: any curves, and those of a training."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Final

import numpy as np

from cnnlib.arrays import count_axes, read_array, read_kind, read_positive, read_truth, read_word
from cnnlib.errors import InputError, shown
from cnnlib.learning.training import History

from .cells import read_line
from .style import Figure, new_figure, styled

_LINES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v")
_PLACE: Final = "best"  # of a legend; not said, matplotlib warns where the search takes a second


def curves(
    x: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    *,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    log: str = "",
    markers: bool = False,
    size: tuple[float, float] = (5.2, 3.0),
) -> Figure:
    """Draw lines over a common axis; each has a colour, a dash pattern and a marker of its own.

    Parameters
    ----------
    x : sequence of float
        The places on the horizontal axis.
    lines : dict
        Name and values of each line; a name '' gets no entry in the legend.
    xlabel, ylabel, title : str
        Words at the axes and above.
    log : {'', 'x', 'y', 'xy'}
        Which axes are logarithmic.
    markers : bool
        Whether each value is marked.
    size : (float, float)
        Width and height in inches.
    """
    read_kind("lines", lines, Mapping, "{name: values}")
    places, markers = read_array("x", x), read_truth("markers", markers)
    read_word("log", log, ("", "x", "y", "xy"))
    for name, text in (("xlabel", xlabel), ("ylabel", ylabel), ("title", title)):
        read_line(name, text)
    for name, y in lines.items():
        if read_array("an entry of lines", y).shape != places.shape or places.ndim != 1:
            shapes = f"{np.shape(y)} and x {places.shape}"
            raise InputError(f"lines[{name!r}] has shape {shapes}; expected one value for each x")
    if count_axes(size) != 2:
        raise InputError(f"size is {shown(size)}; expected width and height in inches: (5.2, 3.0)")
    for side in size:
        read_positive("size", side)
    with styled():
        figure = new_figure(*size)
        axes = figure.subplots()
        for (name, y), line, marker in zip(lines.items(), cycle(_LINES), cycle(_MARKERS)):
            mark = marker if markers else None
            axes.plot(places, y, line, label=name or None, marker=mark, markersize=4)
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
        axes.set(**{f"{axis}scale": "log" for axis in log})
        if any(lines):
            axes.legend(loc=_PLACE)
    return figure


def training_curves(histories: History | dict[str, History]) -> Figure:
    """Draw loss and accuracy of one training, or of several by name, over the epochs.

    The loss is that of each batch, smoothed over 20 steps. The accuracy is that of the held-out
    set after each epoch where there is one, else of the batches.
    """
    if isinstance(histories, History):
        histories = {"": histories}
    read_kind("histories", histories, Mapping, "one History, or {name: history}")
    for history in histories.values():
        read_kind("an entry of histories", history, History, "what fit returns")
    with styled():
        figure = new_figure(7.0, 3.2)
        left, right = figure.subplots(1, 2)
        for (name, history), line in zip(histories.items(), cycle(_LINES)):
            epochs = (1 + np.arange(len(history.loss))) / history.epoch_steps
            left.plot(*_smooth(epochs, history.loss), line, label=name)
            if history.validation:
                accuracy = [a for _, a in history.validation]
                label = f"{name}: {accuracy[-1]:.1%}" if name else f"{accuracy[-1]:.1%}"
                right.plot(1 + np.arange(len(accuracy)), accuracy, line, marker="o", label=label)
            else:
                right.plot(*_smooth(epochs, history.accuracy), line, label=name)
        left.set(xlabel="epoch", ylabel="loss of a batch", title="Loss", yscale="log")
        held_out = all(history.validation for history in histories.values())
        right.set(
            xlabel="epoch",
            ylabel="accuracy",
            title="Accuracy on held-out images" if held_out else "Accuracy on batches",
        )
        for axes in (left, right):
            axes.xaxis.get_major_locator().set_params(integer=True)
            if axes.get_legend_handles_labels()[1]:
                axes.legend(loc=_PLACE)
    return figure


def _smooth(
    t: np.ndarray, values: Sequence[float], width: int = 20
) -> tuple[np.ndarray, np.ndarray]:
    """Means of `width` neighbours; the ends are left out."""
    if not len(values):  # a training that stopped at its first step
        return t, np.zeros(0)
    width = min(width, len(values))
    ones = np.full(width, 1 / width)
    return np.convolve(t, ones, "valid"), np.convolve(values, ones, "valid")
