"""Face Mesh (Kartynnik et al. 2019, arXiv 1907.06724): 468 points of a face, with what its graph does around it.

That is MediaPipe's graph face_landmark_front_cpu, release 0.10.21, for single pictures.
"""

from __future__ import annotations

import numpy as np

from graphs.blazeface import SHORT_RANGE, FaceDetector
from graphs.runners import open_graph
from graphs.squares import Square

SIDE = 192  # of the square that the network sees, pixels
REACH = 1.5  # side of that square / longer side of a detector's box
SAME = 0.5  # intersection / union of two such squares from which they are one


class MeshNetwork:
    """The network alone, for squares that are cut around a face already. Any number of threads may call it."""

    def __init__(self) -> None:
        self._network = open_graph("face_landmark")

    def __call__(self, crop: np.ndarray) -> np.ndarray | None:
        """Returns the mesh [468, 3] float32 in pixels of a square crop, or None when it shows no face.

        Args:
            crop: uint8 [SIDE, SIDE, 3] RGB: a face, eyes level, with a margin of half its size.
        """
        points, odds = self._network(crop[None].astype(np.float32) * np.float32(1 / 255))
        if odds.reshape(-1)[0] < 0:  # log odds
            return None
        return points.reshape(-1, 3) - np.float32([0.5, 0.5, 0.0])


class FaceMesh:
    """The network behind the short-range detector: uint8 [H, W, 3] RGB -> the mesh [468, 3] of each face, in pixels.

    Args:
        most: faces that are looked at, the surest of the detector's.
    """

    def __init__(self, most: int = 1) -> None:
        self._detector, self._mesh, self._most = FaceDetector(SHORT_RANGE), MeshNetwork(), most

    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        meshes = []
        for square in self._squares(image):
            points = self._mesh(square.cut(image, SIDE))
            if points is not None:
                meshes.append(square.place(points, SIDE))
        return meshes

    def _squares(self, image: np.ndarray) -> list[Square]:
        """Returns where to look: of squares that overlap, the last one, as in MediaPipe."""
        kept: list[Square] = []
        found = self._detector(image)
        for box, points in zip(found.boxes[: self._most], found.points):
            across = points[1] - points[0]
            side = REACH * float((box[2:] - box[:2]).max())
            square = Square((box[:2] + box[2:]) / 2, side, float(np.arctan2(across[1], across[0])))
            kept = [other for other in kept if _overlap(square, other) <= SAME] + [square]
        return kept


def _overlap(one: Square, other: Square) -> float:
    """Returns intersection / union of two squares as if they were upright."""
    reach = (one.side + other.side) / 2 - np.abs(one.centre - other.centre)
    shared = np.clip(reach, 0, min(one.side, other.side)).prod()
    return float(shared / (one.side**2 + other.side**2 - shared))
