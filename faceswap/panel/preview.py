"""A live preview: a reduced view of the photo, and a line that is wiped across between before and after."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import ipywidgets as widgets
import numpy as np

from faceswap.panel.options import NARROW
from faceswap.shape.geometry import bounding_rect, scale_points
from faceswap.shape.regions import face_width
from panels.parts import ImageView, observe
from panels.pictures import to_jpeg

PREVIEW_PIXELS = 1_000_000  # of the preview at most, so that it follows a slider
ZOOM_MARGIN = 0.7  # room around the faces in the close-up / face width


@dataclass(frozen=True)
class View:
    """What the preview shows: uint8 [h, w, 3] RGB and the landmarks of the chosen faces in its pixels."""

    image: np.ndarray
    faces: list[np.ndarray]


def make_view(image: np.ndarray, faces: Sequence[np.ndarray], zoom: bool) -> View:
    """The part of a photo to preview (all of it, or around the faces), reduced to PREVIEW_PIXELS."""
    faces = [np.asarray(points, np.float32) for points in faces]
    if zoom and faces:
        margin = ZOOM_MARGIN * max(face_width(points) for points in faces)
        x0, y0, x1, y1 = bounding_rect(np.concatenate(faces), margin, image.shape[:2])
        image = image[y0:y1, x0:x1]
        offset = np.zeros(faces[0].shape[1], np.float32)
        offset[:2] = x0, y0
        faces = [points - offset for points in faces]
    height, width = image.shape[:2]
    scale = min(1.0, (PREVIEW_PIXELS / (height * width)) ** 0.5)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    factors = (size[0] / width, size[1] / height)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else np.ascontiguousarray(image)
    return View(small, [scale_points(points, factors) for points in faces])


def wipe(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    """uint8 [h, w, 3]: `before` left of a line at `share` of the width, `after` right of it."""
    at = round(before.shape[1] * share)
    out = after.copy()
    out[:, :at] = before[:, :at]
    if 0 < at < before.shape[1]:
        out[:, at - 1 : at + 1] = 255
    return out


class Preview(widgets.VBox):
    """The photo before and after. recut: called on the kernel's main thread when another part is to be shown."""

    def __init__(self, recut: Callable[[], Any]):
        self.view: View | None = None
        self.after: np.ndarray | None = None
        self.line = widgets.FloatSlider(0, min=0, max=1, step=0.01, description="before | after", style=NARROW)
        self.line.layout.width, self.line.readout = "420px", False
        self.line.tooltip = "slide a line across: before on its left, after on its right"
        observe([self.line], self._draw)
        self.zoom = widgets.Checkbox(description="close-up of the face", indent=False)
        observe([self.zoom], recut)
        self.image = ImageView(format="jpeg", layout=widgets.Layout(width="100%", object_fit="contain"))
        self.image.add_class("ruf-preview")
        self.caption = widgets.HTML()
        wide = widgets.Layout(flex="1 1 420px", max_width="720px")
        super().__init__([widgets.HBox([self.line, self.zoom]), self.image, self.caption], layout=wide)

    def cut(self, photo: np.ndarray, faces: Sequence[np.ndarray]) -> None:
        """Takes the part of a photo that is to be shown."""
        self.view = make_view(photo, faces, self.zoom.value)

    def show(self, after: np.ndarray, caption: str) -> None:
        """Shows what became of the view, uint8 [h, w, 3] RGB of its size."""
        self.after, self.caption.value = after, html.escape(caption)
        self._draw()

    def _draw(self) -> None:
        if self.after is not None:
            self.image.value = to_jpeg(wipe(self.view.image, self.after, self.line.value))
