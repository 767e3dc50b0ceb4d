"""Squares of a picture as MediaPipe's networks want them.

Everywhere in this package points are (x, y) in pixels, with whole numbers on the pixels' centres.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np


class Square(NamedTuple):
    """A turned square in a picture."""

    centre: np.ndarray  # float32 (x, y), pixels
    side: float  # pixels
    angle: float  # radians, clockwise on the screen

    def cut(self, image: np.ndarray, size: int, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
        """Returns it as uint8 [size, size, 3], upright, from a uint8 [H, W, 3] picture.

        As MediaPipe's ImageToTensorCalculator cuts it, whose corner pixels lie on the corners of the square: half a
        pixel outwards of where they would be if pixels kept their shape.

        Args:
            border: how cv2 goes on beyond the picture.
        """
        centre = tuple(float(v) + 0.5 for v in self.centre)
        corners = cv2.boxPoints((centre, (float(self.side),) * 2, float(np.degrees(self.angle))))
        to_cut = cv2.getPerspectiveTransform(corners, np.float32([[0, size], [0, 0], [size, 0], [size, size]]))
        return cv2.warpPerspective(image, to_cut, (size, size), flags=cv2.INTER_LINEAR, borderMode=border)

    def place(self, points: np.ndarray, size: int) -> np.ndarray:
        """Returns points [N, 2 or 3] of its size x size pixels as float32 points of the picture; depth is scaled."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        unit = (points + np.float32([0.5, 0.5, 0][: points.shape[1]])) / size
        placed = (unit[:, :2] - 0.5) @ np.array([[c, s], [-s, c]]) * self.side + self.centre
        return np.concatenate([placed, unit[:, 2:] * self.side], 1).astype(np.float32)
