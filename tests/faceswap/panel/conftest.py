"""A swap panel without a kernel (callbacks then run at once), with landmarks known beforehand."""

import pytest
from PIL import Image
from two_faces import FACE, PHOTO, BySize

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")

from faceswap.panel import SwapPanel


@pytest.fixture
def panel(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "body.png")
    panel = SwapPanel(tmp_path / "body.png", tmp_path / "out" / "o.png", BySize())
    panel.set_face(FACE, {"seed": 7})
    assert panel.message.value == ""
    return panel
