"""Pictures that the browser sends."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from two_faces import FACE, PHOTO, BySize, png, upload

from faceswap.media.images import read_image
from faceswap.panel import SwapPage, SwapPanel


def test_an_upload_is_kept_beside_the_results(panel, tmp_path):
    Image.fromarray(FACE).save(tmp_path / "f.png")
    upload(panel.face_upload, "../../f.png", (tmp_path / "f.png").read_bytes())
    assert panel.face_path == str(tmp_path / "out" / "uploads" / "face" / "f.png")
    assert panel.save() == [tmp_path / "out" / "o.png"]
    upload(panel.body_upload, "run.sh", b"#!/bin/sh")
    assert "not a picture" in panel.message.value
    assert not list((tmp_path / "out" / "uploads").rglob("run.sh"))
    upload(panel.body_upload, "f.png", png(PHOTO))
    assert panel.taken == str(tmp_path / "out" / "uploads" / "photo" / "f.png")
    assert np.array_equal(read_image(panel.face_path), FACE) and np.array_equal(read_image(panel.taken), PHOTO)


@pytest.mark.parametrize("kind", [SwapPanel, SwapPage])
def test_an_upload_that_is_no_picture_takes_nobodys_place(kind, tmp_path):
    panel = kind(landmarker=BySize())
    panel.out.value = str(tmp_path / "o.png")
    upload(panel.face_upload, "f.png", png(FACE))
    upload(panel.body_upload, "f.png", png(PHOTO))
    files, shown = {path: Path(path).read_bytes() for path in (panel.face_path, panel.taken)}, panel.preview.after
    for control, content in ((panel.face_upload, png(FACE)[:-400]), (panel.body_upload, png(PHOTO)[:200])):
        upload(control, "f.png", content)
        assert "f.png: cannot be read" in panel.message.value.split("<details>")[0]
        assert "/" not in panel.message.value.split("cannot be read")[0].replace("</", "")
    assert {path: Path(path).read_bytes() for path in (panel.face_path, panel.taken)} == files
    assert panel.preview.after is shown and panel.swapper is not None
    assert sorted(path.name for path in (tmp_path / "uploads").rglob("*") if path.is_file()) == ["f.png", "f.png"]
