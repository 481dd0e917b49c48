"""The explorer of a training: scrub through its recorded steps, and compare it with another."""

from bisect import bisect
from typing import Any

import numpy as np
from numpy.typing import NDArray
from traitlets import Dict, TraitError, observe, validate

from cnnlib.arrays import MOST, read_integer, read_kind, read_positive, read_truth
from cnnlib.errors import InputError
from cnnlib.errors import shown as short

from ..figures.style import INK, Figure, new_figure, styled
from .explorer import STATE, Explorer, style
from .live import FILM, SETTINGS, read_init, read_most, run, shipped_digits
from .recording import Recording, load, numbers, read_recording
from .scripts import FrontEnd
from .traits import Read, read_list


def _read_recordings(name: str, value: Any) -> list:
    """Read one or two recordings that have a convolution in common."""
    value = read_list(name, value, '["adam", "sgd"]')
    if len(value) not in (1, 2):
        raise InputError(f"{name} has {len(value)} entries; expected one or two")
    films = [read_recording(name, film) for film in _films(value)]
    if not _filters(films):
        raise InputError(f"{name} have no convolution of the same name: nothing to compare")
    return value


def _films(recordings: list) -> list:
    """The recordings themselves, the shipped ones fetched by their names."""
    return [load(film) if isinstance(film, str) else film for film in recordings]


class TrainingExplorer(Explorer):
    """Kernels, maps, deltas, curves and histograms of one training, step by step (chapter 5).

    Every parameter is a trait: Python reads it, sets it and observes it. What cannot be is refused
    with a `traitlets.TraitError`, and the state stays.

    Parameters
    ----------
    recordings : list
        One or two: names from `recording.shipped()`, or what `recording.record` returned.
    shown : int
        Which of the two is shown, 0 or 1; the other one is a dashed line.
    live : bool
        Show the small training that the page makes itself, instead of a recording.
    rate, batch, init, filters, seed
        Its settings: the learning rate, the images in a step, the first weights as in
        `cnnlib.learning.Conv`, the number of filters (1 to 8), and the seed of
        `numpy.random.default_rng`.
    step : int
        A number of training steps. Shown is the last frame that was taken until then.
    layer : str
        The convolution whose kernels, maps and deltas are shown; both recordings have it.
    filter : int
        The chosen filter of this layer.

    Examples
    --------
    >>> explorer = TrainingExplorer(recordings=["adam", "zero"], shown=1, step=1250)
    >>> print(explorer.alt.split(";")[0])
    Training 'weights zero' after 1250 of 1250 steps: loss 2.3026, accuracy 10.0%
    """

    about = (
        "Kernels, maps, deltas, curves and histograms of one training, step by step (chapter 5)."
    )
    _esm = FrontEnd("training")
    _css = style("training")

    recordings = Read(_read_recordings, ["adam", "large"]).tag(**STATE)
    shown = Read(read_integer, 0, -MOST).tag(**STATE)
    live = Read(read_truth, False).tag(**STATE)
    rate = Read(read_positive, 0.1).tag(**STATE)
    batch = Read(read_integer, 16, 1).tag(**STATE)
    init = Read(read_init, "he").tag(**STATE)
    filters = Read(read_most, 4, 1, 8).tag(**STATE)
    seed = Read(read_most, 0, 0, 2**32 - 1).tag(**STATE)
    step = Read(read_integer, 0, -MOST).tag(**STATE)
    layer = Read(read_kind, "conv1", str, "the name of a convolution").tag(**STATE)
    filter = Read(read_integer, 0, -MOST).tag(**STATE)
    data = Dict(read_only=True).tag(sync=True)  # the shipped ones among the recordings, by name
    digits = Dict(read_only=True).tag(sync=True)  # of the live one

    def __init__(self, **traits: Any) -> None:
        self.set_trait("digits", shipped_digits())
        super().__init__(**traits)
        self._follow()
        self.set_trait("first", self._values(state=True))

    @validate("shown", "step", "layer", "filter")
    def _check(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        allowed = self._allowed()[name]
        if value not in allowed:
            words = f"0 to {allowed[-1]}" if name != "layer" else f"one of {', '.join(allowed)}"
            raise TraitError(f"{name} is {short(value)}; expected {words}")
        return value

    @observe("recordings", "layer", "live", "filters")
    def _follow(self, _: object = None) -> None:
        """Hand the front end the shipped data; what the new recordings lack starts anew."""
        names = [film for film in self.recordings if isinstance(film, str)]
        with self.hold_sync():
            self.set_trait("data", {name: load(name) for name in names})
            for name in ("shown", "step", "layer", "filter"):
                allowed = self._allowed()[name]
                if getattr(self, name) not in allowed:
                    self.set_trait(name, allowed[0])

    def _allowed(self) -> dict[str, Any]:
        films = _films(self.recordings)
        filters = {"conv1": self.filters} if self.live else _filters(films)
        last = FILM["steps"] if self.live else max(film["step"][-1] for film in films)
        return {
            "shown": range(len(films)),
            "step": range(last + 1),
            "layer": list(filters),
            "filter": range(filters.get(self.layer, 1)),
        }

    @property
    def film(self) -> Recording:
        """The recording that is shown; what the page trains live, Python trains as well."""
        return self._shown()[0]

    def _shown(self) -> list[Recording]:
        """The film that is shown, and another one to compare with, if any."""
        if self.live:
            return [run(*(getattr(self, name) for name in SETTINGS))]
        films = _films(self.recordings)
        return [films[self.shown], *films[: self.shown], *films[self.shown + 1 :]]

    @property
    def frame(self) -> int:
        """The number of its frame that is shown."""
        return bisect(self.film["step"], self.step) - 1

    @property
    def alt(self) -> str:
        """Where the training stands, and what its pictures show."""
        film, f = self.film, self.frame
        w, a, dz = (numbers(film, f"{self.layer}.{part}")[f] for part in ("w", "a", "dz"))
        return (
            f"Training '{film['title']}' after {film['step'][f]} of {film['step'][-1]} steps: loss "
            f"{film['loss'][f]:g}, accuracy {film['accuracy'][f]:.1%}; a {film['label']} is read "
            f"as {film['read'][f]}. Below the curves stand the kernels of {self.layer} (up to "
            f"{np.abs(w).max():.2g}), the maps of the image (up to {np.abs(a).max():.2g}) and "
            f"their deltas (up to {np.abs(dz).max():.2g})."
        )

    def draw(self) -> Figure:
        """The curves up to the end with the present step, and kernels, maps and deltas."""
        from matplotlib.ticker import LogLocator

        film, f = self.film, self.frame
        rows = {"w": "kernels", "a": "maps", "dz": "deltas"}
        with styled():
            figure = new_figure(7.0, 5.2)
            mosaic: list = [["loss", "accuracy"], *([part, part] for part in rows)]
            axes = figure.subplot_mosaic(mosaic, height_ratios=(2, 1, 1, 1))
            for name in mosaic[0]:
                for other in self._shown():
                    line = "-" if other is film else "--"
                    axes[name].plot(
                        other["step"], other[name], line, label=_literal(other["title"])
                    )
                axes[name].plot(film["step"][f], film[name][f], "o", color=INK)
                axes[name].set_xscale("symlog", linthresh=1)
                axes[name].set(title=f"{name} {film[name][f]:g}", xlabel="step", xlim=(0, None))
                axes[name].xaxis.set_major_formatter("{x:g}")
            axes["accuracy"].set(ylim=(0, 1))
            axes["accuracy"].legend()
            axes["loss"].set_yscale("log")
            low, high = axes["loss"].get_ylim()
            ticks = (1, 2, 5) if high < 100 * low else (1,)
            axes["loss"].yaxis.set_major_locator(LogLocator(subs=ticks))
            axes["loss"].yaxis.set_major_formatter("{x:g}")
            axes["loss"].minorticks_off()
            title = f"{film['title']}, step {film['step'][f]}, {self.layer}"
            axes["w"].set_title(_literal(title))
            for part, title in rows.items():
                values = numbers(film, f"{self.layer}.{part}")[f]
                limit = np.abs(values).max() or 1.0
                grey = part == "a" and values.min() >= 0
                cmap, low = ("gray", 0) if grey else ("RdBu_r", -limit)
                tiles = values if part == "w" else np.moveaxis(values, -1, 0)[..., None]
                row = np.concatenate(list(_squares(tiles)), axis=1)
                axes[part].imshow(row, cmap=cmap, vmin=low, vmax=limit)
                axes[part].set(xticks=[], yticks=[], ylabel=title)
                axes[part].set_frame_on(False)
                axes[part].grid(False)
        return figure


def _literal(words: str) -> str:
    """Words that matplotlib shows as they are: between two dollars it would read a formula."""
    return words.replace("$", r"\$")


def _filters(films: list[Recording]) -> dict[str, int]:
    """How many filters all films have of each convolution that they share."""
    counts = [
        {a["name"][:-2]: a["shape"][-1] for a in film["arrays"] if a["name"].endswith(".a")}
        for film in films
    ]
    shared = [name for name in counts[0] if all(name in count for count in counts)]
    return {name: min(count[name] for count in counts) for name in shared}


def _squares(tiles: NDArray) -> NDArray:
    """Pictures (K, H, W, C) as (K, rows, columns), the channels in a square with gaps of NaN."""
    K, H, W, C = tiles.shape
    side = int(np.ceil(np.sqrt(C)))
    room = ((0, 0), (0, 1), (0, 1), (0, side * side - C))
    tiles = np.pad(tiles, room, constant_values=np.nan).reshape(K, H + 1, W + 1, side, side)
    return tiles.transpose(0, 3, 1, 4, 2).reshape(K, side * (H + 1), side * (W + 1))
