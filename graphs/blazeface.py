"""BlazeFace (Bazarevsky et al. 2019, arXiv 1907.05047): MediaPipe's two face detectors, with what its graphs do around.

The graphs are face_detection_short_range_cpu and face_detection_full_range_cpu of release 0.10.21.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from graphs.runners import open_graph
from graphs.squares import Square

SHORT_RANGE, FULL_RANGE = "face_detection_short_range", "face_detection_full_range_sparse"
SAME = 0.3  # intersection / union from which two boxes are averaged
POINTS = 6  # right eye, left eye, nose, mouth, ears


class Detector(NamedTuple):
    """An entry of DETECTORS: what is particular to one network."""

    help: str
    side: int  # of its picture
    cells: tuple[tuple[int, int], ...]  # (cells along a side, boxes for each cell), in the order of its output
    least: float  # score of a face; at 0.3 patterns of garments become faces


DETECTORS = {
    SHORT_RANGE: Detector("faces that fill much of the picture", 128, ((16, 2), (8, 6)), 0.5),
    FULL_RANGE: Detector("faces down to about a twentieth of the picture", 192, ((48, 1),), 0.6),
}


class Found(NamedTuple):
    """Faces in a picture, N of them, the surest first."""

    boxes: np.ndarray  # float32 [N, 4] (x0, y0, x1, y1)
    points: np.ndarray  # float32 [N, POINTS, 2]; right and left are the person's
    scores: np.ndarray  # float32 [N] in 0 to 1


class FaceDetector:
    """One of the DETECTORS: uint8 [H, W, 3] RGB -> Found. Any number of threads may call it.

    Args:
        name: which.
        least: the score of a face; the network's own when None.
    """

    def __init__(self, name: str, least: float | None = None) -> None:
        self._network, self._kind = open_graph(name), DETECTORS[name]
        self._least = self._kind.least if least is None else least
        self._anchors = _anchors(self._kind)

    def __call__(self, image: np.ndarray) -> Found:
        height, width = image.shape[:2]
        longest, side = max(height, width), self._kind.side
        square = Square(np.float32([(width - 1) / 2, (height - 1) / 2]), longest, 0.0)
        picture = square.cut(image, side, cv2.BORDER_CONSTANT).astype(np.float32) * np.float32(2 / 255) - 1
        offsets, odds = (output[0] for output in self._network(picture[None]))
        scores = 1 / (1 + np.exp(-np.clip(odds[:, 0], -80, 80)))
        keep = np.nonzero(scores >= self._least)[0]
        places = offsets[keep].reshape(-1, 2 + POINTS, 2) / np.float32(side)  # centre, size, points
        extents = places[:, 1].copy()
        places += self._anchors[keep, None]
        corners = np.stack([places[:, 0] - extents / 2, places[:, 0] + extents / 2], 1)
        places, scores = _averaged(np.concatenate([corners, places[:, 2:]], 1), scores[keep])
        pixels = places * np.float32(longest) - np.float32([(longest - width + 1) / 2, (longest - height + 1) / 2])
        return Found(pixels[:, :2].reshape(-1, 4), pixels[:, 2:], scores)


def _anchors(kind: Detector) -> np.ndarray:
    """Returns the centres [N, 2] of the cells that the boxes are told from, in parts of the picture's side."""
    grids = []
    for cells, boxes in kind.cells:
        y, x = np.mgrid[:cells, :cells]
        grids.append((np.stack([x, y], -1).reshape(-1, 2).repeat(boxes, 0) + 0.5) / cells)
    return np.concatenate(grids).astype(np.float32)


def _averaged(places: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns (places, scores) with boxes that overlap averaged by their scores (section 4), the surest first.

    Args:
        places: [N, 2 + POINTS, 2]: the corners of the box, then its points.
        scores: [N].
    """
    order = np.argsort(-scores, kind="stable")
    places, scores = places[order], scores[order]
    low, high = places[:, 0], places[:, 1]
    areas = (high - low).prod(1)
    kept, best, left = [], [], np.arange(len(scores))
    while len(left):
        top = left[0]
        shared = np.maximum(np.minimum(high[left], high[top]) - np.maximum(low[left], low[top]), 0).prod(1)
        same = shared > SAME * (areas[left] + areas[top] - shared)
        same[0] = True
        weights = scores[left[same]]
        kept.append(np.einsum("i,ijk->jk", weights, places[left[same]]) / weights.sum())
        best.append(scores[top])
        left = left[~same]
    return np.array(kept, np.float32).reshape(-1, 2 + POINTS, 2), np.array(best, np.float32)
