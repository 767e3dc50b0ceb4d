"""What a cell shows: a column of parts, with long work or without, and what is left of it where widgets are not."""

import asyncio
from collections.abc import Iterator
from typing import Any

import ipywidgets as widgets
import numpy as np
from IPython import get_ipython

from panels.messages import FAILURES, Message
from panels.parts import button
from panels.pictures import to_jpeg
from panels.work import AWAIT_FOR, show_all

SOON = 0.1  # seconds within which a job that has nothing to do says so


def is_attended() -> bool:
    """Whether a person runs the cell: JupyterLab, Notebook and VS Code allow a cell to ask for input, programs that
    execute notebooks (nbclient, papermill) do not. Outside of a kernel nobody is there."""
    parent = getattr(get_ipython(), "get_parent", dict)()
    return bool(parent.get("content", {}).get("allow_stdin"))


class Shown:
    """A text and a picture for the output of a cell; both stay readable where widgets are not."""

    def __init__(self, text: str, picture: np.ndarray | None = None):
        self.text, self.picture = text, picture

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": self.text}
        if self.picture is not None:
            bundle["image/jpeg"] = to_jpeg(self.picture)
        return bundle


class Panel(widgets.VBox):
    """A column of parts that says in plain text what it is where widgets cannot be shown."""

    def as_text(self) -> str:
        """What the panel shows, as text."""
        return type(self).__name__

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**kwargs)
        return {**bundle, "text/plain": self.as_text()} if bundle else {"text/plain": self.as_text()}


class JobPanel(Panel):
    """A panel with long work: `await panel.begin()` in a cell, `await panel.run()` for programs, and *Start*.

    A panel says what its work is: `work` yields items, of which `show` shows each, and `shown` is the result. It puts
    `start`, `stop_button`, `bar`, `status` and `message` where it likes.
    """

    failures: tuple[type[Exception], ...] = FAILURES  # what is told in the panel
    kept = "what was done is kept"  # said after an interrupt

    def __init__(self, details: bool = True):
        super().__init__()
        self.running = self.stopped = False
        self.message, self.status = Message(details), widgets.HTML()
        self.bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width="99%"))
        self.start = button("Start", self.run, "play", "success")
        self.stop_button = widgets.Button(description="Stop", icon="stop", disabled=True)
        self.stop_button.on_click(lambda _: self.stop())

    def work(self) -> Iterator[Any]:
        """Does the job, an item at a time, and ends when `stopped`; errors are told in panel and result."""
        raise NotImplementedError

    def show(self, item: Any) -> None:
        """Shows an item."""

    def shown(self, problem: str = "") -> Shown:
        """What came out, for the output of a cell. problem: why nothing more did."""
        return Shown(problem or self.as_text())

    async def breathe(self) -> None:
        """Awaited some times a second while it works."""

    def stop(self) -> None:
        """Asks the work to end; a widget's thread may call it."""
        self.stopped = True

    def show_buttons(self) -> None:
        """Lets the buttons offer what can be done now."""
        self.start.disabled, self.stop_button.disabled = self.running, not self.running

    async def run(self) -> Shown:
        """Does the job, one at a time, and returns what came out; what goes wrong is told in panel and result."""
        if self.running:
            return Shown("it is being worked on already")
        self.running, self.stopped = True, False
        self.message.say("")
        self.show_buttons()
        try:
            await asyncio.sleep(AWAIT_FOR)  # shows that it begins
            await show_all(self.work(), self.show, self.breathe)
        except self.failures as error:
            self.message.fail(error)
            return self.shown(f"{type(error).__name__}: {error}")
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.message.say(f"interrupted; {self.kept}")
            raise
        finally:
            self.running = False
            self.show_buttons()
        return self.shown()

    async def begin(self) -> Shown:
        """Starts the job, for a cell.

        With a person there the cell ends at once and the job goes on in the kernel's background, so that the cells
        below can be used and a page opened anew finds the panel; without one the cell waits for the end.
        """
        if not is_attended():
            return await self.run()
        self.task = asyncio.create_task(self.run())  # kept: a loop knows its tasks weakly
        done, _ = await asyncio.wait({self.task}, timeout=SOON)
        if done:  # there was nothing that it could do
            return self.task.result()
        return Shown("It goes on in the panel above. The cells below can be used meanwhile.")
