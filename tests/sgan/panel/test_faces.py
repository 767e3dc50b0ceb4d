"""The face panel and its checkpoint."""

from sgan.panel import FacePanel, newest_checkpoint
from sgan.panel.tabs.mix import MixTab


def test_missing_checkpoint_is_told(tmp_path, checkpoint):
    panel = FacePanel(str(tmp_path / "no"), tmp_path)
    images = panel.face.image, panel.part(MixTab).image
    assert [image.layout.display for image in images] == ["none"] * 2  # no empty picture is shown as a broken one
    panel.checkpoint.value = str(checkpoint)
    assert panel.face.image.layout.display is None and panel.message.value == ""
    panel = FacePanel(str(tmp_path / "no"), tmp_path)
    assert "does not exist" in panel.message.value and "no face" in repr(panel)
    assert newest_checkpoint(tmp_path, "other") == "other"
