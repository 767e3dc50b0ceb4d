"""The 468 points of Face Mesh, for faces of any size and tilt, in pictures and from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from faceswap.find.detection import ALL, BOTH, SAME_FACE, Detector, crop_upright
from faceswap.shape.geometry import middle_of, overlap, scale_points, transform_points
from faceswap.shape.regions import LEFT_EYE, RIGHT_EYE, box_of, face_width, mirror_points
from graphs.facemesh import SIDE, FaceMesh, MeshNetwork

CROP = 320  # side of the square in which a detected face is looked for, pixels
CROP_MARGIN = 2.0  # side of that square / longer side of the detector's box
MESH_MARGIN = 1.35  # side of the square the mesh is made for / longer side of the upright box around its points
STRAY = 0.05  # face widths off the middle of that square from which a followed face is looked at again
LOOKS = 4  # times at most
SMALL = 384  # pictures with a shorter longer side are enlarged to it before they are searched


class MeshLandmarker:
    """MediaPipe's Face Mesh behind a cascade of detectors.

    Each face is cut out upright at the size the network was made for and looked at twice, as it is and mirrored; the
    mean of both is steadier than one alone and treats left and right alike. The networks are loaded when first used.
    Any number of threads may use it; it remembers nothing.
    """

    name = "mesh"

    def __init__(self):
        self._detector, self._mesh, self._network = Detector(), FaceMesh(), MeshNetwork()

    def find(self, image: np.ndarray) -> list[np.ndarray]:
        """Returns [468, 3] float32 mesh points per face, largest face first; small pictures are looked at enlarged."""
        height, width = image.shape[:2]
        if max(height, width) < SMALL:
            factor = SMALL / max(height, width)
            size = (max(round(width * factor), 1), max(round(height * factor), 1))
            large = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
            back = (width / size[0], height / size[1])
            return [scale_points(points, back) for points in self.find_others(large, ())]
        return self.find_others(image, ())

    def find_others(
        self, image: np.ndarray, known: Sequence[np.ndarray], whole: Sequence[str] = BOTH, tile: int | None = ALL
    ) -> list[np.ndarray]:
        """Returns the faces that are not among the `known`, largest first.

        Args:
            image: uint8 [H, W, 3] RGB.
            known: landmarks of faces that need not be looked at again.
            whole, tile: where to search, as for `Detector.detect`.
        """
        boxes, found = [box_of(points) for points in known], []
        for detection in self._detector.detect(image, whole, tile):
            if any(overlap(detection.box, box) >= SAME_FACE for box in boxes):
                continue
            points = self.fit(image, detection.eyes, detection.size)
            if points is None:
                continue
            box = box_of(points)
            if all(overlap(box, other) < SAME_FACE for other in boxes):
                boxes.append(box)
                found.append(points)
        return sorted(found, key=lambda p: -np.prod(box_of(p)[2:] - box_of(p)[:2]))

    def follow(self, image: np.ndarray, points: np.ndarray) -> np.ndarray | None:
        """Returns the landmarks of the face that is about where `points` are, or None when it is not there.

        A face that has moved is looked at again where it was seen: the mesh errs when it is off the middle of its
        square.
        """
        for _ in range(LOOKS):
            crop, to_image = _crop_around(image, points)
            seen = self._network(crop)
            if seen is None:
                return None
            before, points = points, _move(seen, to_image)
            if np.linalg.norm(middle_of(points - before)) < STRAY * face_width(points):
                break
        return points

    def fit(self, image: np.ndarray, eyes: np.ndarray, size: float) -> np.ndarray | None:
        """Returns the mesh [468, 3] of the one face near `eyes` ([2, 2], the person's right eye first), or None.

        Args:
            size: longer side of the face's box in pixels.
        """
        crop, to_image = crop_upright(image, eyes, size * CROP_MARGIN, CROP)
        seen = self._mesh(crop)
        if not seen:
            return None
        first = _move(seen[0], to_image)
        for _ in range(2):
            crop, to_image = _crop_around(image, first)
            straight, mirrored = self._network(crop), self._network(np.ascontiguousarray(crop[:, ::-1]))
            if straight is None or mirrored is None:
                break
            first = _move(0.5 * (straight + mirror_points(mirrored, SIDE)), to_image)
        return first


def _crop_around(image: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the upright square around known landmarks that the mesh was made for, and crop_to_image [2, 3]."""
    eyes = points[[RIGHT_EYE[0], LEFT_EYE[0]], :2]
    across = eyes[1] - eyes[0]
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    turn = np.stack([across, (-across[1], across[0])])  # image_to_upright
    upright = points[:, :2] @ turn.T
    low, high = upright.min(0), upright.max(0)
    return crop_upright(image, eyes, MESH_MARGIN * float((high - low).max()), SIDE, centre=(low + high) / 2 @ turn)


def _move(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Returns [N, 3] points moved by a similarity [2, 3]; depth is scaled along."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return np.concatenate([transform_points(points, matrix), points[:, 2:] * scale], 1).astype(np.float32)
