"""The swap panel as a page for strangers."""

import base64
import os
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from PIL import Image
from two_faces import FACE, PHOTO, BySize, png, upload

from faceswap.media.images import read_image
from faceswap.panel import SwapPage
from faceswap.panel.page import LARGEST_UPLOAD
from panels.messages import Message
from provenance import COMPOSITE, leftovers, read_mark


def widgets_of(widget) -> list:
    """A widget and all within it."""
    inner = [part for child in getattr(widget, "children", ()) for part in widgets_of(child)]
    return [widget, *inner]


def test_page_holds_no_path_and_tells_none(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "body.png")
    page = SwapPage(str(tmp_path / "body.png"), BySize())
    page.set_face(FACE, {"seed": 7})
    assert not [part for part in widgets_of(page) if isinstance(part, widgets.Text)]
    shown = " ".join(part.value for part in widgets_of(page) if isinstance(part, widgets.HTML))
    assert str(tmp_path) not in shown and "body.png: 440 x 260" in shown and "<code>" not in shown
    page.face_upload.value = ()
    upload(page.body_upload, "none.png", b"not a picture")
    assert "cannot be read" in page.message.value and "Traceback" not in page.message.value


def test_page_limits_uploads_in_bytes_pixels_and_formats(tmp_path):
    page = SwapPage(landmarker=BySize())
    upload(page.body_upload, "big.png", b"x" * (LARGEST_UPLOAD + 1))
    assert "below 12 MB" in page.message.value
    upload(page.body_upload, "wide.png", png(np.zeros((4900, 4900, 3), np.uint8)))
    assert "24 megapixels" in page.message.value
    upload(page.body_upload, "a.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert "cannot be read" in page.message.value
    upload(page.body_upload, "../../ok.png", png(PHOTO))
    assert page.message.value == "" and Path(page.taken).parent == Path(page.folder.name) / "uploads" / "photo"


def test_folder_of_a_page_names_machine_and_process_and_goes_with_the_page():
    page = SwapPage(landmarker=BySize())
    folder = Path(page.folder.name)
    assert leftovers.FOLDER.fullmatch(folder.name)[2] == str(os.getpid()) and folder.is_dir()
    page.folder.cleanup()
    assert not folder.exists()


def test_page_keeps_no_upload_that_is_not_in_use():
    page = SwapPage(landmarker=BySize())
    for name in ("a.png", "b.png"):
        upload(page.body_upload, name, png(PHOTO))
        upload(page.face_upload, name, png(FACE))
    upload(page.body_upload, "c.png", png(PHOTO))
    kept = sorted(path.relative_to(page.folder.name).as_posix() for path in Path(page.folder.name).rglob("*.png"))
    assert kept == ["uploads/face/b.png", "uploads/photo/b.png", "uploads/photo/c.png"]
    assert page.save() and page.message.value


def test_messages_of_a_page_name_files_without_their_folders():
    page = SwapPage(landmarker=BySize())
    upload(page.body_upload, "no face.png", png(np.zeros((50, 50, 3), np.uint8)))
    assert ">no face.png: no face found in the photo" in page.message.value
    message = Message(details=False)
    for text, seen in (
        ("/photos/my files/a.png: cannot be read", "a.png: cannot be read"),
        ("no such file: 'C:\\users\\x\\a.png'", "no such file: &#x27;a.png&#x27;"),
        ("give a JPEG and/or PNG picture", "give a JPEG and/or PNG picture"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
    ):
        message.fail(ValueError(text))
        assert f">{seen}<" in message.value
    page.message.fail(PermissionError(13, "Permission denied", page.out.value))
    assert ">output.jpg: Permission denied<" in page.message.value


def test_page_hands_the_marked_result_to_the_browser(tmp_path):
    page = SwapPage(landmarker=BySize())
    page.set_face(FACE, {"seed": 7})
    upload(page.body_upload, "b.png", png(PHOTO))
    page.save_button.click()
    data = base64.b64decode(page.download.value.split("base64,")[1].split('"')[0])
    (tmp_path / "got.jpg").write_bytes(data)
    assert read_mark(tmp_path / "got.jpg").source_type == COMPOSITE
    assert read_image(tmp_path / "got.jpg").shape == PHOTO.shape
    page.controls.by_name["strength"].value = 0.5
    assert page.download.value == ""
