"""What a live preview is made of: a numbered thumbnail, a reduced view, a wipe between before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from faceswap.jobs.sheet import fit_within
from faceswap.shape.geometry import bounding_rect, scale_points
from faceswap.shape.regions import box_of, face_width

PREVIEW_PIXELS = 1_000_000  # of the preview at most, so that it follows a slider
ZOOM_MARGIN = 0.7  # room around the faces in the close-up / face width


@dataclass(frozen=True)
class View:
    """What the preview shows: uint8 [h, w, 3] RGB and the landmarks of the chosen faces in its pixels."""

    image: np.ndarray
    faces: list[np.ndarray]


def number_faces(image: np.ndarray, faces: Sequence[np.ndarray], chosen: Sequence[int], side: int) -> np.ndarray:
    """A small copy of a photo with a numbered box around each face, the chosen ones in green, uint8 RGB."""
    small = fit_within(image, side, side * 2)
    picture = Image.fromarray(small)
    draw, scale = ImageDraw.Draw(picture), small.shape[1] / image.shape[1]
    font = ImageFont.load_default(size=18)
    for number, points in enumerate(faces):
        x0, y0, x1, y1 = box_of(points) * scale
        colour = (30, 200, 60) if number in chosen else (160, 160, 160)
        draw.rectangle((x0, y0, x1, y1), outline=colour, width=2)
        text = str(number)
        draw.rectangle(draw.textbbox((x0, max(y0 - 20, 0)), text, font=font), fill=(0, 0, 0))
        draw.text((x0, max(y0 - 20, 0)), text, fill=colour, font=font)
    return np.asarray(picture)


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
