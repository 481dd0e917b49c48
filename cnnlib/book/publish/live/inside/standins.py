"""Small stand-ins for anywidget and ipywidgets: as much of them as the library uses.

What they stand for speaks with Jupyter; these speak with the page, through `link`.
"""

import base64
import contextlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from traitlets import HasTraits, Unicode

LIVE = "application/vnd.cnnlib.live+json"
PANEL = "application/vnd.cnnlib.panel+json"

FRONT = {"module": "_esm", "style": "_css"}  # anywidget's names


class Link:
    """What joins objects here to their pictures in the page: both know them by a model's id."""

    def __init__(self) -> None:
        self.models: dict[str, Any] = {}
        self.send: Callable[[str, str, Any], None] = lambda *_: None
        self.known: dict[str, Any] = {}  # what the page has just sent need not be sent back

    def tell(self, model: str, name: str, value: Any) -> None:
        """The page follows a change made here."""
        value = _plain(value)
        if name not in self.known or self.known[name] != value:
            self.send(model, name, value)

    def hear(self, model: str, values: dict[str, Any]) -> None:
        """What a reader moved in the page happens here, and what follows from it goes back."""
        widget = self.models.get(model)
        if widget is None:
            return
        self.known = values
        try:
            widget.hear(values)
        finally:
            self.known = {}


link = Link()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return json.loads(json.dumps(value))


class AnyWidget(HasTraits):
    """As anywidget's: traits, some of which the front end shares."""

    _esm = Unicode("")
    _css = Unicode("")

    def __init__(self, **traits: Any) -> None:
        self.model_id = uuid.uuid4().hex
        super().__init__(**traits)
        link.models[self.model_id] = self
        self.observe(self._changed)

    def _changed(self, change: Any) -> None:
        if self.trait_metadata(change["name"], "sync"):
            link.tell(self.model_id, change["name"], change["new"])

    def hear(self, values: dict[str, Any]) -> None:
        """All that came together changes together; what is refused goes back as it was."""
        try:
            with self.hold_trait_notifications():
                for name, value in values.items():
                    setattr(self, name, value)
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
            link.known = {}
            for name in values:
                link.tell(self.model_id, name, getattr(self, name))

    @contextlib.contextmanager
    def hold_sync(self) -> Iterator[None]:
        """A page takes changes one by one."""
        yield

    def close(self) -> None:
        """Nobody hears of it any more."""
        link.models.pop(self.model_id, None)


class Control:
    """A slider, a list, a tick box or a field, as `ipywidgets.interactive` makes them."""

    def __init__(self, kind: str, description: str, value: Any, **options: Any) -> None:
        self.kind, self.description, self.value, self.more = kind, description, value, options
        self.min, self.max = options.get("min", 0), options.get("max", 0)
        self.model_id = uuid.uuid4().hex
        self.heard: list[Callable[[Any], None]] = []
        link.models[self.model_id] = self

    def observe(self, function: Callable[[Any], None], names: str = "value") -> None:
        """Call a function when the reader has moved it."""
        self.heard.append(function)

    def hear(self, values: dict[str, Any]) -> None:
        """A choice comes as its place in the list: that has a value of any type."""
        value = values["value"]
        self.value = self.more["values"][value] if self.kind == "menu" else value
        for function in self.heard:
            function({"name": "value", "new": self.value, "owner": self})

    def view(self) -> dict[str, Any]:
        """What the page needs to show it."""
        view = {"kind": self.kind, "label": self.description, "model": self.model_id}
        if self.kind == "menu":
            return view | {"labels": self.more["labels"], "value": 0}
        return view | {"value": self.value} | self.more


def control(name: str, choices: Any) -> Control:
    """The control that fits, by the rules of `ipywidgets.interact`."""
    if isinstance(choices, bool):
        return Control("checkbox", name, choices)
    if isinstance(choices, str):
        return Control("text", name, choices)
    if isinstance(choices, int | float):
        low, high = sorted((-choices, 3 * choices)) if choices else (0, 1)
        step = 1 if isinstance(choices, int) else 0.1
        return Control("slider", name, choices, min=low, max=high, step=step)
    if isinstance(choices, tuple) and len(choices) in (2, 3) and all(map(_number, choices)):
        low, high = choices[:2]
        whole = all(isinstance(number, int) for number in choices)
        step = choices[2] if len(choices) == 3 else (1 if whole else 0.1)
        middle = low + (high - low) // 2 if whole else low + (high - low) / 2
        if whole:
            middle = low + (middle - low) // step * step
        return Control("slider", name, middle, min=low, max=high, step=step)
    pairs = list(choices.items()) if isinstance(choices, dict) else list(choices)
    if not pairs:
        raise ValueError("a menu without entries")
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
        pairs = [(str(choice), choice) for choice in pairs]
    labels, values = [str(label) for label, _ in pairs], [value for _, value in pairs]
    return Control("menu", name, values[0], labels=labels, values=values)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Interactive:
    """The controls for the arguments of a function."""

    def __init__(self, function: Callable[..., Any], **controls: Any) -> None:
        self.kwargs_widgets = [control(name, choices) for name, choices in controls.items()]


class PageHost:
    """What a page needs to show an explorer or a playground; it draws them itself."""

    def explorer(self, explorer: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """No still: the page has the front end at once."""
        return {LIVE: _view(explorer, explorer.state()), "text/plain": repr(explorer)}, {}

    def playground(
        self, controls: Sequence[Control], picture: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The controls stand in the page, each with the id of its model here."""
        names = picture.trait_names(sync=True)
        state = {name: getattr(picture, name) for name in names}
        views = [one.view() for one in controls]
        panel = {"controls": views, "picture": _view(picture, state)}
        return {PANEL: panel, "text/plain": f"Playground: {picture.alt}"}, {}


def _view(widget: Any, state: dict[str, Any]) -> dict[str, Any]:
    front = {name: str(getattr(widget, text)) for name, text in FRONT.items()}
    return front | {"model": widget.model_id, "state": _plain(state)}


WIDGETS = {"AnyWidget": AnyWidget, "interactive": Interactive}  # by the names of the genuine ones
