"""The rectangle around one face, at the picture's own size and reduced.

What varies slowly (masks, colour shifts, the map of the warp) is computed on the reduced grid, where every face has
about the same size, and enlarged; so time and memory are bounded by the face, not by the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from faceswap.shape.geometry import Rect, bounding_rect, scale_points
from faceswap.shape.regions import face_width

GRID_FACE = 144  # a face is at most about this wide on the reduced grid, pixels
MOVING_FACE = 96  # ... in one frame of many
MARGIN = 0.04  # room around the landmarks / face width: nothing outside the oval changes


@dataclass(frozen=True)
class Frame:
    """A rectangle of a picture and the whole number by which its grid is coarser."""

    rect: Rect
    step: int

    @classmethod
    def around(cls, points: np.ndarray, size: tuple[int, int], grid_face: int = GRID_FACE) -> Frame:
        """Returns the frame of a face with [468, 3] `points` in a picture of `size` (h, w)."""
        width = face_width(points)
        rect, step = bounding_rect(points, MARGIN * width + 2, size), max(1, int(np.ceil(width / grid_face)))
        return cls(whole_cells(rect, step, points[:, :2].mean(0), size), step)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) of the rectangle in pixels."""
        return self.rect[3] - self.rect[1], self.rect[2] - self.rect[0]

    @property
    def grid_size(self) -> tuple[int, int]:
        """(h, w) of the reduced grid."""
        return tuple(-(-v // self.step) for v in self.size)

    def cut(self, image: np.ndarray) -> np.ndarray:
        """Returns the view of an image [H, W, ...] inside the rectangle."""
        x0, y0, x1, y1 = self.rect
        return image[y0:y1, x0:x1]

    def part(self, rows: slice, columns: slice) -> Frame:
        """Returns the frame of some rows and columns of the grid."""
        x0, y0, x1, y1 = self.rect
        right, below = (min(first + s.stop * self.step, end) for first, s, end in ((x0, columns, x1), (y0, rows, y1)))
        return Frame((x0 + columns.start * self.step, y0 + rows.start * self.step, right, below), self.step)

    def inside(self, part: Frame) -> tuple[slice, slice]:
        """Returns where in this frame's rectangle the rectangle of a part of it lies: rows and columns."""
        x0, y0 = self.rect[:2]
        return slice(part.rect[1] - y0, part.rect[3] - y0), slice(part.rect[0] - x0, part.rect[2] - x0)

    def reduce(self, part: np.ndarray) -> np.ndarray:
        """Returns an array [h, w(, C)] of the rectangle averaged onto the grid, same dtype."""
        if self.step == 1:
            return part
        (h, w), (gh, gw), s = self.size, self.grid_size, self.step
        if (h, w) != (gh * s, gw * s):
            part = cv2.copyMakeBorder(part, 0, gh * s - h, 0, gw * s - w, cv2.BORDER_REPLICATE)
        return cv2.resize(part, (gw, gh), interpolation=cv2.INTER_AREA)

    def enlarge(self, grid: np.ndarray) -> np.ndarray:
        """Returns a smooth array [gh, gw(, C)] of the grid at the size of the rectangle (linear)."""
        if self.step == 1:
            return grid
        (h, w), (gh, gw), s = self.size, grid.shape[:2], self.step
        return cv2.resize(grid, (gw * s, gh * s), interpolation=cv2.INTER_LINEAR)[:h, :w]

    def to_grid(self, points: np.ndarray) -> np.ndarray:
        """Returns picture points in pixels of the grid."""
        out = np.array(points, np.float32)
        out[:, :2] -= self.rect[:2]
        return scale_points(out, 1.0 / self.step)


def cells_around(values: np.ndarray, unit: int = 1) -> tuple[slice, slice] | None:
    """Returns rows and columns of a grid [gh, gw] around all that is above 0, with a cell of room; None for nothing.

    Args:
        unit: the first row and the first column are multiples of it.
    """
    spans = []
    for axis in (1, 0):
        where = np.flatnonzero(values.max(axis) > 0)
        if not len(where):
            return None
        spans.append(slice(max(int(where[0]) - 1, 0) // unit * unit, min(int(where[-1]) + 2, values.shape[1 - axis])))
    return tuple(spans)


def whole_cells(rect: Rect, step: int, middle: np.ndarray, size: tuple[int, int]) -> Rect:
    """Returns a rectangle made larger on both sides until it holds whole cells, so far as the picture reaches.

    The cells of a mirrored face then are the mirrored cells. What cannot be shared out evenly goes to the side that is
    nearer to the middle of the face.

    Args:
        step: side of a cell in pixels.
        middle: (x, y) of the face.
        size: (h, w) of the picture.
    """
    low, high = list(rect[:2]), list(rect[2:])
    for axis, end in enumerate(size[::-1]):
        more = -(high[axis] - low[axis]) % step
        nearer = middle[axis] - low[axis] + 0.5 < high[axis] - middle[axis] - 0.5  # edges lie half a pixel out
        before = more // 2 + (more % 2 and int(nearer))
        if low[axis] >= before and high[axis] + more - before <= end:
            low[axis] -= before
            high[axis] += more - before
    return *low, *high
