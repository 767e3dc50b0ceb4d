"""Frames in the planes they were decoded to: what a swap has not changed is encoded as it came, not converted."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import NamedTuple

import av
import numpy as np

PIXELS = "yuv420p"  # the one format of planes that is known here: each colour once for two by two pixels
CELL = 32  # pixels: what is converted anew is whole cells, so that its size seldom changes
ROOM = 8  # pixels around what has changed, over which the conversion reads
FULL_RANGE = 2


class Decoded(NamedTuple):
    """A frame as it was decoded, and the picture it became."""

    frame: av.VideoFrame
    image: np.ndarray  # uint8 [h, w, 3] RGB

    def suits(self, encoder: av.VideoCodecContext) -> bool:
        """Returns whether that encoder takes the frame's planes as they are: its size, its colours, not turned."""
        frame = self.frame
        own = (frame.format.name, frame.width, frame.height, frame.colorspace, frame.color_range == FULL_RANGE)
        wanted = (PIXELS, encoder.width, encoder.height, encoder.colorspace, encoder.color_range == FULL_RANGE)
        return encoder.pix_fmt == PIXELS and own == wanted and not frame.rotation


def with_changes(decoded: Decoded, image: np.ndarray, convert: Callable[[np.ndarray], av.VideoFrame]) -> np.ndarray:
    """Returns the planes uint8 [3h / 2, w] of a picture: those decoded, and new ones in the cells where it differs.

    Args:
        image: uint8 [h, w, 3] RGB.
        convert: makes a frame in PIXELS of uint8 RGB.
    """
    planes = decoded.frame.to_ndarray()
    changed = None if image is decoded.image else changed_cells(decoded.image, image)
    if changed is not None:
        x0, y0, x1, y1 = changed
        new = convert(np.ascontiguousarray(image[y0:y1, x0:x1])).to_ndarray()
        for whole, part, step in zip(split(planes), split(new), (1, 2, 2)):
            whole[y0 // step : y1 // step, x0 // step : x1 // step] = part
    return planes


def split(planes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns views of the luma [h, w] and the two chromas [h / 2, w / 2] of planes [3h / 2, w]."""
    rows, width = planes.shape
    height = rows * 2 // 3
    return planes[:height], *planes[height:].reshape(2, height // 2, width // 2)


def changed_cells(before: np.ndarray, after: np.ndarray) -> tuple[int, int, int, int] | None:
    """Returns (x0, y0, x1, y1) of whole cells around all that differs in two pictures [h, w, 3]; None for nothing."""
    height, width = before.shape[:2]
    unit = np.dtype(f"u{np.gcd(3 * width, 8)}")  # the more bytes are compared at once, the quicker
    differ = np.not_equal(*(np.ascontiguousarray(v).reshape(height, -1).view(unit) for v in (before, after)))
    spans = []
    for axis, end in ((0, width), (1, height)):
        where = np.flatnonzero(differ.any(axis))
        if not len(where):
            return None
        scale = unit.itemsize / 3 if axis == 0 else 1
        low, high = int(where[0] * scale) - ROOM, ceil((where[-1] + 1) * scale) + ROOM
        spans.append((max(low // CELL * CELL, 0), min(-(-high // CELL) * CELL, end)))
    (x0, x1), (y0, y1) = spans
    return x0, y0, x1, y1
