"""What a cell shows, and long work in it."""

import asyncio

import pytest

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")

from panels.pages import JobPanel, Shown


class Counting(JobPanel):
    """Counts to `end`, or until it is stopped."""

    def __init__(self, end: int):
        super().__init__()
        self.end, self.seen, self.closed = end, [], False

    def work(self):
        try:
            for number in range(self.end):
                yield number
                if self.stopped:
                    return
            if not self.end:
                raise ValueError("there is nothing to count")
        finally:
            self.closed = True

    def show(self, item):
        self.seen.append(item)

    async def breathe(self):
        await asyncio.sleep(0.01)

    def as_text(self):
        return f"{len(self.seen)} counted"


def test_shown_is_text_and_picture():
    assert Shown("text")._repr_mimebundle_() == {"text/plain": "text"}


def test_work_is_shown_item_by_item():
    panel = Counting(3)
    assert repr(asyncio.run(panel.run())) == "3 counted" and panel.seen == [0, 1, 2]
    assert panel.closed and not panel.running and not panel.message.value


def test_what_goes_wrong_is_told_in_panel_and_result():
    panel = Counting(0)
    assert repr(asyncio.run(panel.run())) == "ValueError: there is nothing to count"
    assert "there is nothing to count" in panel.message.value and not panel.start.disabled


def test_work_goes_on_once_and_ends_when_it_is_stopped_or_cancelled():
    async def together(panel, end):
        first = asyncio.ensure_future(panel.run())
        while not panel.seen:
            await asyncio.sleep(0)
        assert panel.start.disabled and not panel.stop_button.disabled
        assert "worked on already" in repr(await panel.run())
        end(first)
        return await first

    panel = Counting(10**9)
    asyncio.run(together(panel, lambda task: panel.stop_button.click()))
    assert panel.closed and not panel.running and panel.stop_button.disabled
    panel = Counting(10**9)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(together(panel, lambda task: task.cancel()))
    assert panel.closed and "interrupted; what was done is kept" in panel.message.value
