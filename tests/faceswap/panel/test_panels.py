"""What holds for every panel that works with a swap panel."""

import asyncio
import inspect

import pytest
from two_faces import BySize

from faceswap.panel import PANELS, SwapPage, SwapPanel

STAND_INS = {"candidates": lambda n: iter(()), "choose": print}  # for what a panel asks for beside the swap panel


@pytest.mark.parametrize("swap", [SwapPanel, SwapPage])
@pytest.mark.parametrize("name", PANELS)
def test_every_panel_tells_what_it_lacks_and_can_be_started_again(name, swap):
    kind, text = PANELS[name]
    asked = inspect.signature(kind).parameters
    panel = kind(swap(landmarker=BySize()), **{key: STAND_INS[key] for key in STAND_INS.keys() & asked.keys()})
    before = repr(panel)
    result = asyncio.run(panel.run())
    assert panel.message.failed and result.text and before and "\n" not in text
    assert ("Traceback" in panel.message.value) == (swap is SwapPanel)
    assert not panel.running and not panel.start.disabled and panel.stop_button.disabled
    panel.message.say("")
    panel.start.click()
    assert panel.message.failed
