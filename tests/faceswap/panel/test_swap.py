"""The swap panel."""

import numpy as np
import pytest
from PIL import Image
from two_faces import FACE, FACE_POINTS, PHOTO, POINTS, BySize

from faceswap.media.images import read_image
from faceswap.options import Options
from faceswap.panel import SwapPanel, example_photo
from faceswap.swap import Swapper
from provenance import COMPOSITE, GENERATED, read_mark


def test_saved_picture_is_full_size_and_marked_and_so_is_its_face(panel, tmp_path):
    panel.sheet.value = True
    out, face, sheet = panel.save()
    assert np.array_equal(read_image(out), Swapper(FACE, Options(), points=FACE_POINTS).swap(PHOTO, POINTS))
    mark = read_mark(out)
    assert mark.source_type == COMPOSITE and mark.settings["source"] == {"seed": 7} and mark.settings["faces"] == 2
    assert read_mark(face).source_type == GENERATED and np.array_equal(read_image(face), FACE)
    assert read_mark(sheet).source_type == COMPOSITE
    assert {path.name for path in tmp_path.rglob("*.*")} >= {"o.png", "o-face.png", "o-before_after.jpg"}


def test_command_names_the_one_chosen_face(panel):
    assert "--face" not in panel.command_text.value
    panel.choice.numbers.children[0].value = False
    assert "--face 1" in panel.command_text.value


def test_problems_are_told_in_the_panel(panel, tmp_path):
    panel.set_face(np.zeros((30, 30, 3), np.uint8))
    assert "no face found" in panel.message.value and panel.swapper is None
    panel.set_body(tmp_path / "none.jpg")
    assert "none.jpg" in panel.message.value.split("<details>")[0]
    assert "no photo yet" in repr(SwapPanel(landmarker=BySize()))
    assert read_image(example_photo()).shape == (512, 512, 3)


def test_a_path_that_cannot_be_read_changes_nothing_of_what_is_saved(panel, tmp_path):
    (tmp_path / "other.png").write_text("no picture")
    panel.body_path.value = str(tmp_path / "other.png")
    assert "other.png" in panel.message.value
    panel.draw()
    assert str(tmp_path / "body.png") in panel.command_text.value and "other.png" not in panel.command_text.value
    assert panel.as_text().startswith("body.png: ")
    out, _ = panel.save()
    assert read_mark(out).settings["dst"] == "body.png"
    panel.out.value = str(tmp_path / "body.png")
    with pytest.raises(ValueError, match="overwrite"):
        panel.save()
    for name in ("p-face.png", "p-before_after.jpg"):  # what is written beside the result
        Image.fromarray(PHOTO).save(tmp_path / name)
        panel.set_body(tmp_path / name)
        panel.out.value, panel.sheet.value = str(tmp_path / "p.png"), True
        with pytest.raises(ValueError, match="overwrite"):
            panel.save()


@pytest.mark.parametrize(("left_out", "which"), [((), "all"), ((0,), 1), ((0, 1), [])])
def test_a_saved_picture_says_which_faces_were_chosen(panel, left_out, which):
    for number in left_out:
        panel.choice.numbers.children[number].value = False
    settings = read_mark(panel.save()[0]).settings
    assert settings["face"] == which and settings["src_face"] == "largest" and settings["landmarks"] == "BySize"
