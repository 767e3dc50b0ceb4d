"""Work on the kernel's main thread: what a widget sets off, and what goes on while widgets stay live."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

AWAIT_EVERY = 0.05  # seconds between two looks at what the user did
AWAIT_FOR = 0.005  # seconds given to it: about five messages
AWAIT_SHARE = 0.02  # of the time since the last look is given at least, so that slow steps do not starve a new page


class OnMainThread:
    """A callback for widgets that runs `work`, a function or coroutine function, soon on the kernel's main thread.

    Widgets call from a thread of their own, and many times while a slider moves: calls that come before `work` runs
    become one, which then reads the newest values, and calls while its coroutine runs are dropped. Without a kernel's
    loop, as in a script, it runs at once.
    """

    def __init__(self, work: Callable[[], Any]):
        self.work, self.posted = work, False
        self.task: asyncio.Task | None = None
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            self.loop = None

    def __call__(self, *_: Any) -> None:
        if self.loop is None or not self.loop.is_running():
            made = self.work()
            if asyncio.iscoroutine(made):
                asyncio.run(made)
        elif not self.posted:
            self.posted = True
            self.loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        self.posted = False
        if self.task is None or self.task.done():
            made = self.work()
            self.task = self.loop.create_task(made) if asyncio.iscoroutine(made) else None


async def show_all(items: Iterator[Any], show: Callable[[Any], Any], breathe: Callable[[], Awaitable[None]]) -> None:
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
                await breathe()
                awaited = time.monotonic()
