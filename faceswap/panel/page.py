"""The swap panel as a page for strangers: no paths, limited uploads, and the result as a download."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import ipywidgets as widgets
from PIL import Image

from faceswap.find.landmarks import Landmarker
from faceswap.panel import SwapPanel
from panels import Fixed, Message, download_link
from provenance.leftovers import temporary_folder

LARGEST_UPLOAD = 12 * 2**20  # bytes
LARGEST_PICTURE = 24_000_000  # pixels
FORMATS = ("JPEG", "PNG", "WEBP")  # what browsers show; other decoders are not for files of strangers


class SwapPage(SwapPanel):
    """A SwapPanel whose user may be anybody: sees no paths, and can reach none; what is uploaded goes with the kernel.

    body: path of the photo to begin with.
    """

    def __init__(self, body: str = "", landmarker: Landmarker | None = None):
        self.folder = temporary_folder()
        self.download = widgets.HTML()
        super().__init__(body, str(Path(self.folder.name) / "output.jpg"), landmarker)
        self.save_button.description, self.save_button.icon = "Make at full size", "magic"
        self.save_button.layout.width = "auto"

    def _make_message(self) -> Message:
        return Message(details=False)

    def _make_paths(self, body: str, out: str) -> tuple[Any, Any]:
        return Fixed(body), Fixed(out)

    def _rows_below(self) -> list[widgets.Widget]:
        return [widgets.HBox([self.save_button, self.download])]

    def _choice(self) -> list[widgets.Widget]:
        return [self.body_upload]

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

    def _show_command(self) -> None:
        self.download.value = ""  # it was of another picture

    def save(self) -> list[Path]:
        """Makes the result at full size and offers it as a download; returns the path."""
        path, *_ = super().save()
        self.download.value = download_link(path.read_bytes(), "unreal-face.jpg", "save the picture")
        self.message.say("the picture says in its metadata that it is synthetic")
        return [path]
