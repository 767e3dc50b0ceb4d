"""A folder of pictures."""

import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path):
    """Two sub-folders, 6 and 2 plain colours, whose red value is their number."""
    for i in range(8):
        path = tmp_path / "faces" / ("a" if i < 6 else "b") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), (i * 10, 100, 200)).save(path)
    return tmp_path / "faces"
