"""What the notebook panels of both packages share: pictures, messages, and work on the kernel's main thread.

A leaf: it knows nothing of faces or networks.
"""

import asyncio
import base64
import contextlib
import html
import io
import mimetypes
import re
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import ipywidgets as widgets
import numpy as np
from IPython import get_ipython
from PIL import Image

AWAIT_EVERY = 0.05  # seconds between two looks at what the user did
AWAIT_FOR = 0.005  # seconds given to it: about five messages
AWAIT_SHARE = 0.02  # of the time since the last look is given at least, so that slow steps do not starve a new page
LABEL = {"description_width": "170px"}
FOLDERS = re.compile(r"""(?<![\w/\\])(?:[A-Za-z]:)?[/\\](?:[^/\\:'"\n]+[/\\])+""")  # of an absolute path
SMALLEST_SHOWN = 320  # a picture is enlarged by a whole factor to at least about this side, pixels


def to_png(image: np.ndarray) -> bytes:
    """PNG bytes of a uint8 [H, W, 3] RGB picture."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def to_jpeg(image: np.ndarray, quality: int = 90) -> bytes:
    """JPEG bytes of a uint8 [H, W, 3] RGB picture."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def enlarge(image: np.ndarray, at_least: int = SMALLEST_SHOWN) -> np.ndarray:
    """uint8 [H, W, 3] with every pixel repeated so that the longer side is near `at_least` or above."""
    factor = max(1, round(at_least / max(image.shape[:2])))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def smooth_enlarge(image: np.ndarray, side: int) -> np.ndarray:
    """uint8 [side, side, 3] of a smaller square picture, by Lanczos; a larger one is returned as it is."""
    if len(image) >= side:
        return image
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS))


def one_sentence(error: BaseException) -> str:
    """An exception's message on one line, with the file where it has one."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


class Message(widgets.HTML):
    """One line of text below the controls; an error shows its sentence with the traceback folded away.

    details: whether there are a traceback and the folders of files; not for strangers, whom they would tell about the
    machine.
    """

    def __init__(self, details: bool = True):
        super().__init__()
        self.details, self.failed = details, False

    def say(self, text: str) -> None:
        """Shows plain text."""
        self.value, self.failed = html.escape(text), False

    def forget_failure(self) -> None:
        """Takes back what went wrong, once something else is tried; other text stays."""
        if self.failed:
            self.say("")

    def fail(self, error: BaseException) -> None:
        """Shows an exception."""
        self.failed = True
        sentence = one_sentence(error) if self.details else FOLDERS.sub("", one_sentence(error))
        self.value = f'<div style="color:#b00020">{html.escape(sentence)}</div>'
        if self.details:
            lines = "".join(traceback.format_exception(error))
            self.value += f"<details><summary>details</summary><pre>{html.escape(lines)}</pre></details>"


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


class OnMainThread:
    """A callback for widgets that runs `work` soon on the kernel's main thread.

    Widgets call from a thread of their own, and many times while a slider moves: calls that come before `work` runs
    become one, which then reads the newest values. Without a kernel's loop, as in a script, it runs at once.
    """

    def __init__(self, work: Callable[[], Any]):
        self.work, self.posted = work, False
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            self.loop = None

    def __call__(self, *_: Any) -> None:
        if self.loop is None or not self.loop.is_running():
            self.work()
        elif not self.posted:
            self.posted = True
            self.loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        self.posted = False
        self.work()


async def show_all(
    items: Iterator[Any], show: Callable[[Any], Any], breathe: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Shows every item of a running job, handing the thread over up to 20 times a second so that widgets stay live.

    breathe: awaited at those moments too. However it ends, `items` is closed.
    """
    awaited = 0.0
    with contextlib.closing(items):
        for item in items:
            show(item)
            worked = time.monotonic() - awaited
            if worked >= AWAIT_EVERY:
                await asyncio.sleep(max(AWAIT_FOR, min(worked * AWAIT_SHARE, AWAIT_EVERY)))
                if breathe is not None:
                    await breathe()
                awaited = time.monotonic()


class TaskStarter(OnMainThread):
    """A callback for a Start button: runs a coroutine on the kernel's main thread, one at a time."""

    def __init__(self, make: Callable[[], Coroutine]):
        super().__init__(self._start)
        self.make, self.task = make, None

    def _start(self) -> None:
        if self.loop is None or not self.loop.is_running():
            asyncio.run(self.make())
        elif self.task is None or self.task.done():
            self.task = self.loop.create_task(self.make())


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
    """A column of widgets that says in plain text what it is where widgets cannot be shown."""

    def as_text(self) -> str:
        """What the panel shows, as text."""
        return type(self).__name__

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**kwargs)
        return {**bundle, "text/plain": self.as_text()} if bundle else {"text/plain": self.as_text()}


class JobPanel(Panel):
    """A panel with a job: `await panel.begin()` in a cell, `run` for programs, and a button that calls `starter`."""

    starter: TaskStarter

    async def run(self) -> Shown:
        """Does the job and returns what came out; what goes wrong is told in the panel and in the result."""
        raise NotImplementedError

    async def begin(self) -> Shown:
        """Starts the job, for a cell.

        With a person there the cell ends at once and the job goes on in the kernel's background, so that the cells
        below can be used and a page opened anew finds the panel; without one the cell waits for the end.
        """
        if not is_attended():
            return await self.run()
        self.starter()
        await asyncio.sleep(2 * AWAIT_FOR)
        task = self.starter.task
        if task is not None and task.done() and not task.cancelled():  # there was nothing that it could do
            return task.result()
        return Shown("It goes on in the panel above. The cells below can be used meanwhile.")


def static_picture(left: np.ndarray | None, right: np.ndarray | None) -> np.ndarray | None:
    """Two uint8 pictures side by side at one height on white; None for none."""
    pictures = [picture for picture in (left, right) if picture is not None]
    if not pictures:
        return None
    height = max(len(picture) for picture in pictures)
    parts = []
    for picture in pictures:
        width = round(picture.shape[1] * height / len(picture))
        parts.append(np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)))
    return np.concatenate(parts, axis=1)
