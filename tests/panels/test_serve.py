"""How many visitors the server of the pages lets in."""

import asyncio

import pytest

pytest.importorskip("voila", reason="voila is not installed")

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError

from panels.serve import MOST_KERNELS, VisitorKernels


def test_a_burst_of_visitors_does_not_pass_the_limit(monkeypatch):
    """Kernels that are starting count, each once, and one that failed to start does not count any more."""
    running, seen, failing = [], [], []

    async def start(self, *, kernel_id, **named):
        seen.append(named)
        await asyncio.sleep(0)
        if failing:
            raise OSError("no memory")
        running.append(kernel_id)
        await asyncio.sleep(0)
        return kernel_id

    monkeypatch.setattr(AsyncMappingKernelManager, "start_kernel", start)
    monkeypatch.setattr(VisitorKernels, "list_kernel_ids", lambda self: list(running))

    async def arrive(kernels, count):
        starts = [kernels.start_kernel(kernel_name="python3", path="") for _ in range(count)]
        return await asyncio.gather(*starts, return_exceptions=True)

    async def visits():
        kernels = VisitorKernels()
        failing.append(True)
        assert {type(answer) for answer in await arrive(kernels, MOST_KERNELS)} == {OSError}
        failing.clear()
        first = await arrive(kernels, MOST_KERNELS - 2)
        return first, await arrive(kernels, 10)

    first, second = asyncio.run(visits())
    assert len(running) == MOST_KERNELS and set(first) <= set(running)
    refused = [answer for answer in second if isinstance(answer, HTTPError)]
    assert len(refused) == 8 and all(answer.status_code == 503 for answer in refused)
    assert all(named == {"kernel_name": "python3", "path": ""} for named in seen)
