"""Warping the source face onto the target's landmarks: one map of coordinates, one `cv2.remap`.

The map says for every pixel of the target's frame which pixel of the source belongs there. The piecewise map gathers one
affine per mesh triangle through a rasterised picture of triangle numbers; the plain one is a similarity transform.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from faceswap.frame import Frame
from faceswap.geometry import Rect, bounding_rect, fit_similarity, triangle_affines
from faceswap.regions import BROW_LINE, LEFT_EYE, LIPS, MESH_POINTS, NOSE, OVAL, RIGHT_EYE, face_width, mesh

RIM = 1.3  # the mesh is continued outwards to this multiple of the oval, so that the map has no edge near the mask's
SOURCE_MARGIN = 0.75  # kept of the source around its landmarks / face width
SUBPIXEL_BITS = 4  # of cv2.fillConvexPoly
RIGID = (*BROW_LINE, *RIGHT_EYE, *LEFT_EYE, *NOSE, *LIPS)  # what the plain warp lays onto each other


class Source:
    """The face that gives its identity: its part of the picture, its landmarks and smaller copies for small targets.

    Args:
        image: uint8 [H, W, 3] RGB.
        points: [468, 3] mesh points in pixels of `image`.
    """

    def __init__(self, image: np.ndarray, points: np.ndarray):
        margin = SOURCE_MARGIN * face_width(points)
        self.rect: Rect = bounding_rect(points, margin, image.shape[:2])
        if self.rect[2] <= self.rect[0] or self.rect[3] <= self.rect[1]:
            raise ValueError("the landmarks of the source lie outside its picture")
        x0, y0, x1, y1 = self.rect
        self.points = np.asarray(points - np.float32([x0, y0, 0]), np.float32)
        self._levels = {0: np.ascontiguousarray(image[y0:y1, x0:x1])}

    @property
    def image(self) -> np.ndarray:
        """The part of the picture around the face, uint8 [h, w, 3]; `points` are its pixels."""
        return self._levels[0]

    def level(self, reduction: float) -> tuple[np.ndarray, tuple[float, float]]:
        """Returns the copy whose pixels are about `reduction` times as large, and (x, y) new size / old size.

        Copies are sqrt(2) apart, so that a warp never leaves out pixels (aliasing), and are made when first needed.
        """
        height, width = self.image.shape[:2]
        number = max(0, round(2 * np.log2(max(reduction, 1.0))))
        number = min(number, max(0, int(2 * np.log2(min(height, width) / 4))))
        if number not in self._levels:
            size = tuple(max(round(v * 2 ** (-number / 2)), 1) for v in (width, height))
            self._levels[number] = cv2.resize(self.image, size, interpolation=cv2.INTER_AREA)
        level = self._levels[number]
        return level, (level.shape[1] / width, level.shape[0] / height)


@lru_cache(maxsize=1)
def rimmed_triangles() -> np.ndarray:
    """Returns [970, 3] triangles: the rim around the oval first, then the mesh's."""
    n, rim = len(OVAL), MESH_POINTS + np.arange(len(OVAL))
    oval, after = np.array(OVAL), (np.arange(n) + 1) % n
    outer = np.stack([oval, rim, rim[after]], 1)
    inner = np.stack([oval, rim[after], oval[after]], 1)
    return np.concatenate([outer, inner, mesh().triangles])


def add_rim(points: np.ndarray) -> np.ndarray:
    """Returns [504, 3]: the mesh points and, beyond the oval, its ring pushed away from the centre."""
    oval = points[list(OVAL)]
    return np.concatenate([points, oval.mean(0) + RIM * (oval - oval.mean(0))]).astype(np.float32)


def triangle_map(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns int16 [h, w]: the number of the triangle seen at each pixel, -1 where there is none.

    Triangles are painted from far to near, so that on a turned head the nose covers the cheek.

    Args:
        points: [504, 3] rimmed mesh points in pixels of the grid.
        size: (h, w) of the grid.
    """
    triangles = rimmed_triangles()
    depth = points[triangles, 2].mean(1)
    depth[: 2 * len(OVAL)] = np.inf  # the rim lies behind everything
    corners = np.round(points[triangles, :2] * (1 << SUBPIXEL_BITS)).astype(np.int32)
    out = np.full(size, -1, np.int16)
    for number in np.argsort(-depth, kind="stable").tolist():
        cv2.fillConvexPoly(out, corners[number], number, cv2.LINE_8, SUBPIXEL_BITS)
    return out


def mesh_map(source: np.ndarray, target: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns float32 [h, w, 2]: for each grid pixel the (x, y) of the source that the mesh puts there.

    Args:
        source: [468, 3] mesh points in pixels of the source.
        target: [468, 3] mesh points in pixels of the grid.
    """
    src, dst = add_rim(source), add_rim(target)
    triangles = rimmed_triangles()
    dst_to_src = triangle_affines(dst[triangles, :2], src[triangles, :2]).astype(np.float32)
    everywhere = similarity_map(source, target, size)
    number = triangle_map(dst, size)
    inside = number >= 0
    y, x = np.nonzero(inside)
    m = dst_to_src[number[inside]]  # [P, 2, 3]
    everywhere[inside] = m[:, :, 0] * x[:, None] + m[:, :, 1] * y[:, None] + m[:, :, 2]
    return everywhere


def similarity_map(source: np.ndarray, target: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns float32 [h, w, 2] as `mesh_map`, by the similarity that best lays the rigid features onto each other."""
    m = fit_similarity(target[list(RIGID), :2], source[list(RIGID), :2]).astype(np.float32)
    x, y = np.arange(size[1], dtype=np.float32), np.arange(size[0], dtype=np.float32)
    return np.stack(
        [m[0, 0] * x + (m[0, 1] * y + m[0, 2])[:, None], m[1, 0] * x + (m[1, 1] * y + m[1, 2])[:, None]], -1
    )


def sample(source: Source, coordinates: np.ndarray, reduction: float) -> np.ndarray:
    """Returns uint8 [h, w, 3]: the source's pixels at `coordinates` (cubic), its edge continued outwards.

    Args:
        coordinates: float32 [h, w, 2], (x, y) in pixels of `source.image`.
        reduction: source pixels per pixel of the result.
    """
    level, (sx, sy) = source.level(reduction)
    if level is not source.image:
        coordinates = (coordinates + np.float32(0.5)) * np.float32([sx, sy]) - np.float32(0.5)
    return cv2.remap(level, coordinates, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def warp_map(source: Source, points: np.ndarray, frame: Frame, flat: bool = False) -> np.ndarray:
    """Returns float32 [gh, gw, 2]: source coordinates for each pixel of the frame's grid.

    Args:
        points: [468, 3] mesh points of the target, pixels of its picture.
        flat: the similarity transform instead of the mesh.
    """
    make = similarity_map if flat else mesh_map
    return make(source.points, frame.to_grid(points), frame.grid_size)
