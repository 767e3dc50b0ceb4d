"""Work on the main thread."""

import asyncio

import pytest

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")

from panels.work import OnMainThread


def test_calls_that_pile_up_become_one():
    done = []

    async def work():
        later = OnMainThread(lambda: done.append(1))
        for _ in range(50):
            later()
        assert done == []
        await asyncio.sleep(0)

    asyncio.run(work())
    assert done == [1]
    OnMainThread(lambda: done.append(2))()  # no loop: at once
    assert done == [1, 2]


def test_a_coroutine_runs_as_one_task_at_a_time():
    done = []

    async def wait():
        await asyncio.sleep(0.01)
        done.append(1)

    async def work():
        later = OnMainThread(wait)
        for _ in range(3):
            later()
            await asyncio.sleep(0)
        await later.task
        later()
        await asyncio.sleep(0)
        await later.task

    asyncio.run(work())
    assert done == [1, 1]
    OnMainThread(wait)()  # no loop: at once, to its end
    assert done == [1, 1, 1]
