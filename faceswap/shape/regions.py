"""Which points are oval, brow, eye, lip and nose, in both landmark conventions, and how one becomes the other.

The convention used inside is MediaPipe's Face Mesh: 468 points (x, y, z), 478 with irises. The 68 points of the iBUG
300-W annotation (dlib, face-alignment) are lifted to it through a mean face, so that all geometry below needs one
table.

`mesh.json` holds that mean face (mean of Procrustes-aligned, mirrored Face Mesh results; 1000 = distance between the
centres of the eyes), the point each point is mirrored to, and the triangles with eyes and mouth closed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from faceswap.shape.geometry import fit_projection

MESH_POINTS = 468
CONVENTIONS = (468, 478, 68)

# Rings run around the region; the oval starts at the top of the forehead and ends beside it.
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
_OVAL = np.array(OVAL)  # as an index, quicker than a tuple
RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)  # the person's right
LEFT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
MOUTH = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)  # inside the lips
NOSE = (
    *(168, 193, 122, 196, 236, 198, 209, 49, 48, 64, 98, 97, 2),
    *(326, 327, 294, 278, 279, 429, 420, 456, 419, 351, 417),
)
BROW_LINE = (127, 46, 70, 63, 105, 66, 107, 9, 336, 296, 334, 293, 300, 276, 356)  # along the top of the brows

# The Face Mesh point that sits where each of the 68 points does.
FROM_68 = (
    *(127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356),  # jaw 0-16
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),  # brows 17-26
    *(168, 197, 5, 4, 240, 97, 2, 326, 460),  # nose 27-35
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),  # eyes 36-47
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87),  # lips 48-67
)


@dataclass(frozen=True)
class Mesh:
    """The fixed part of a face: what does not depend on the picture."""

    points: np.ndarray  # [468, 3] float64 mean face, x to the right, y down, z away from the camera
    mirror: np.ndarray  # [468] int, the point on the other side
    triangles: np.ndarray  # [898, 3] int, corners clockwise when seen from the front


@lru_cache(maxsize=1)
def mesh() -> Mesh:
    """Returns the mean face with its triangles, read once."""
    data = json.loads((Path(__file__).parent / "mesh.json").read_text(encoding="utf-8"))
    return Mesh(*(np.array(data[k], t) for k, t in (("points", float), ("mirror", int), ("triangles", int))))


def to_mesh(points: np.ndarray) -> np.ndarray:
    """Returns [468, 3] float32 mesh points from points of either convention.

    Args:
        points: [468 or 478, 2 or 3] Face Mesh or [68, 2 or 3] iBUG points, pixels. A missing depth is filled in from
        the
            mean face.

    Raises:
        ValueError: another shape, or coordinates that are not finite.
    """
    points = np.asarray(points, np.float32)
    if points.ndim != 2 or points.shape[0] not in CONVENTIONS or points.shape[1] not in (2, 3):
        raise ValueError(f"landmarks must be [468, 478 or 68, 2 or 3], not {list(points.shape)}")
    if not np.isfinite(points).all():
        raise ValueError("landmarks must be finite numbers")
    if len(points) == 68:
        return lift_68(points)
    if points.shape[1] == 3:
        return points[:MESH_POINTS]
    solid = mesh().points
    camera = fit_projection(solid, points[:MESH_POINTS])
    depth = solid @ camera[2, :3] + camera[2, 3]
    return np.concatenate([points[:MESH_POINTS], depth[:, None]], 1).astype(np.float32)


def lift_68(points: np.ndarray) -> np.ndarray:
    """Returns [468, 3] float32: the mean face projected onto 68 points, then bent to pass through them exactly.

    The bend is the radial basis |r| (the polyharmonic spline in space, Duchon 1977) on the error of the projection;
    it fades towards the forehead, which the 68 points do not see.

    Args:
        points: [68, 2 or 3] pixels; a depth column is not used.
    """
    solid = mesh().points
    anchors = solid[list(FROM_68)]
    camera = fit_projection(anchors, points)
    guess = solid @ camera[:, :3].T + camera[:, 3]
    error = points[:, :2] - guess[list(FROM_68), :2]
    kernel = np.linalg.norm(anchors[:, None] - anchors[None], axis=-1)
    system = np.block([[kernel, np.ones((68, 1))], [np.ones((1, 68)), np.zeros((1, 1))]])
    weights = np.linalg.solve(system, np.concatenate([error, np.zeros((1, 2))]))
    reach = np.linalg.norm(solid[:, None] - anchors[None], axis=-1)
    guess[:, :2] += reach @ weights[:-1] + weights[-1]
    return guess.astype(np.float32)


def mirror_points(points: np.ndarray, width: int) -> np.ndarray:
    """Returns the [468, 3] mesh points of the picture mirrored left to right, in the order of a normal face."""
    out = points[mesh().mirror].copy()
    out[:, 0] = width - 1 - out[:, 0]
    return out


def face_width(points: np.ndarray) -> float:
    """Returns the size of a face in pixels: geometric mean of its oval's extent along and across, independent of roll.

    Used wherever a length must be relative to the face (feather, blur, erosion).
    """
    return float(np.sqrt(abs(polygon_area(points[_OVAL])) * 4 / np.pi))


def polygon_area(ring: np.ndarray) -> float:
    """Returns the signed area of a closed polygon [N, 2] (shoelace formula)."""
    x, y = ring[:, :2].astype(np.float64).T
    return float(0.5 * (x[:-1] @ y[1:] - x[1:] @ y[:-1] + x[-1] * y[0] - x[0] * y[-1]))


def opening(points: np.ndarray, ring: tuple[int, ...]) -> float:
    """Returns height / width of an eye or of the mouth, about 0 when closed: mean area over squared length."""
    corners = points[[ring[0], ring[len(ring) // 2]], :2]
    length = float(np.linalg.norm(corners[0] - corners[1]))
    return abs(polygon_area(points[list(ring), :2])) / max(length**2, 1e-6)


def box_of(points: np.ndarray) -> np.ndarray:
    """Returns (x0, y0, x1, y1) float32 around the points."""
    return np.concatenate([points[:, :2].min(0), points[:, :2].max(0)]).astype(np.float32)
