"""Small parts that panels are put together from."""

import base64
import html
import mimetypes
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from panels.work import OnMainThread

LABEL = {"description_width": "170px"}


def labelled(text: str, width: int = 440) -> dict[str, Any]:
    """What a control with its name on the left is made with. width: of both, pixels."""
    return dict(description=text, style=LABEL, layout=widgets.Layout(width=f"{width}px"))


def wrapped(*children: widgets.Widget, gap: int = 0, **layout: str) -> widgets.HBox:
    """A row that breaks where the page is narrow. gap: between its children, pixels."""
    return widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap", grid_gap=f"{gap}px", **layout))


def button(text: str, work: Callable[[], Any], icon: str = "", style: str = "", wide: bool = False) -> widgets.Button:
    """A button that runs `work`, a function or coroutine function, on the kernel's main thread.

    wide: as its text asks for, instead of as wide as others.
    """
    made = widgets.Button(description=text, icon=icon, button_style=style)
    made.layout.width = "auto" if wide else None
    made.on_click(OnMainThread(work))
    return made


def observe(controls: Sequence[widgets.Widget], work: Callable[[], Any]) -> OnMainThread:
    """Runs `work` on the kernel's main thread when any of the controls changes; returns the callback."""
    callback = OnMainThread(work)
    for control in controls:
        control.observe(callback, "value")
    return callback


class ImageView(widgets.Image):
    """An image that takes no room while there is none; browsers show an empty one as broken."""

    def __init__(self, **named: Any):
        super().__init__(**named)
        self.observe(self._appear, "value")
        self._appear()

    def _appear(self, *_: Any) -> None:
        self.layout.display = None if self.value else "none"


class Fixed:
    """Stands where a box for a path would, and does not change: what a page holds can be set by whoever opened it."""

    def __init__(self, value: str):
        self.value = value


def download_link(data: bytes, name: str, text: str) -> str:
    """HTML of a link that hands these bytes to the browser as a file of that name."""
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    address = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    style = "text-decoration:underline;color:#1565c0"
    return f'<a download="{html.escape(name)}" href="{address}" style="{style}">{html.escape(text)}</a>'
