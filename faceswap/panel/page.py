"""The swap panel as a page for strangers: no paths, limited uploads, and the result as a download."""

from __future__ import annotations

import io
from pathlib import Path

import ipywidgets as widgets
from PIL import Image

from faceswap.find.landmarkers import Landmarker
from faceswap.panel.swap import Swap
from panels.messages import Message
from panels.parts import Fixed, download_link
from provenance.leftovers import temporary_folder

LARGEST_UPLOAD = 12 * 2**20  # bytes
LARGEST_PICTURE = 24_000_000  # pixels
FORMATS = ("JPEG", "PNG", "WEBP")  # what browsers show; other decoders are not for files of strangers


class SwapPage(Swap):
    """A swap whose user may be anybody: sees no paths, and can reach none; what is uploaded goes with the kernel.

    body: path of the photo to begin with; landmarker: as of `Swap`.
    """

    def __init__(self, body: str = "", landmarker: Landmarker | None = None):
        self.folder, self.download = temporary_folder(), widgets.HTML()
        out = Fixed(str(Path(self.folder.name) / "output.jpg"))
        super().__init__(Fixed(str(body)), out, Message(details=False), self._check_upload, landmarker)
        self.save_button.description, self.save_button.icon = "Make at full size", "magic"
        self.save_button.layout.width = "auto"
        self.arrange([self.body_upload], [widgets.HBox([self.save_button, self.download])])
        self.on_change(self._forget_download)
        if body:
            self.set_body(body)

    def _check_upload(self, name: str, content: bytes) -> None:
        if len(content) > LARGEST_UPLOAD:
            raise ValueError(f"{name} is too large; give a picture below {LARGEST_UPLOAD // 2**20} MB")
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                width, height = image.size
        except Exception:  # whatever a decoder may raise on bytes of strangers
            raise ValueError(f"{name} cannot be read; give a JPEG, PNG or WebP picture") from None
        if width * height > LARGEST_PICTURE:
            raise ValueError(f"{name} has too many pixels; give a picture below {LARGEST_PICTURE // 10**6} megapixels")
        self._drop_uploads()

    def _drop_uploads(self) -> None:
        """Deletes the uploads that are not in use."""
        for path in Path(self.folder.name).glob("uploads/*/*"):
            if str(path) not in (self.face_path, self.taken):
                path.unlink()

    def _forget_download(self) -> None:
        self.download.value = ""  # it was of another picture

    def save(self) -> list[Path]:
        """Makes the result at full size and offers it as a download; returns the path."""
        path, *_ = super().save()
        self.download.value = download_link(path.read_bytes(), "unreal-face.jpg", "save the picture")
        self.message.say("the picture says in its metadata that it is synthetic")
        return [path]
