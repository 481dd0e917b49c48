"""Who shows explorers and playgrounds: Jupyter, or the page in whose worker this runs."""

import base64
from collections.abc import Sequence
from html import escape
from typing import Any, Protocol

from ..figures import png

MIME = "application/vnd.cnnlib.explorer+json"
VIEW = "application/vnd.jupyter.widget-view+json"
Bundle = tuple[dict[str, Any], dict[str, Any]]  # what a cell shows, by kind, and its metadata


class Host(Protocol):
    """What a host does with what a cell shows."""

    def explorer(self, explorer: Any) -> Bundle:
        """An explorer that follows its object, and the other way round."""

    def playground(self, controls: Sequence[Any], picture: Any) -> Bundle:
        """Controls, and below them what was drawn."""


class Jupyter:
    """A live view, and for those who have no kernel a still."""

    def explorer(self, explorer: Any) -> Bundle:
        """The still is drawn here; `explorer.payload` makes the explorer again."""
        still = base64.b64encode(png(explorer.draw())).decode()
        data, metadata = _output(explorer.model_id, still, explorer.alt, repr(explorer))
        return {**data, MIME: explorer.payload()}, metadata

    def playground(self, controls: Sequence[Any], picture: Any) -> Bundle:
        """The still is the picture of the first values."""
        from ipywidgets import VBox

        panel = VBox([*controls, picture])
        text = f"Playground: {picture.alt}"
        data, metadata = _output(panel.model_id, picture.png, picture.alt, text)
        if picture.wrong:
            wrong = f"<pre>{escape(picture.wrong)}</pre>"
            text = f"Playground: {picture.wrong}"
            data = {VIEW: data[VIEW], "text/html": wrong, "text/plain": text}
        return data, metadata


def _output(model_id: str, still: str, alt: str, text: str) -> Bundle:
    view = {"version_major": 2, "version_minor": 0, "model_id": model_id}
    data = {VIEW: view, "image/png": still, "text/plain": text}
    return data, {"image/png": {"alt": alt}}


_hosts: list[Host] = [Jupyter()]


def host() -> Host:
    """The present one."""
    return _hosts[-1]


def use(other: Host) -> None:
    """Another host from now on."""
    _hosts.append(other)
