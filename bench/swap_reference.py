"""The classical way to swap a face on a frame, as a measure of speed: 68 points, one triangle after the other.

Written after the method of wuhuikai/FaceSwap (its warp, colour correction and Poisson blending), not from its text, and
without its detector (dlib), which takes more than half of that program's time.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import Delaunay

EYES_68 = (slice(36, 42), slice(42, 48))
BLUR = 0.75  # sigma of the colour correction's blur comes from this / distance between the eyes
ERODE = 10  # pixels taken off the mask


def bilinear(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Returns float64 [N, 3]: the image at each place (x, y) of [2, N]."""
    x, y = (np.clip(v, 0, limit - 2) for v, limit in zip(places, image.shape[1::-1]))
    left, top = x.astype(int), y.astype(int)
    dx, dy = (x - left)[:, None], (y - top)[:, None]
    upper = image[top, left] * (1 - dx) + image[top, left + 1] * dx
    lower = image[top + 1, left] * (1 - dx) + image[top + 1, left + 1] * dx
    return upper * (1 - dy) + lower * dy


def warp_by_triangles(source: np.ndarray, src: np.ndarray, dst: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns uint8 [h, w, 3]: the source's triangles moved onto those of the target, in a loop over triangles."""
    out = np.zeros((*size, 3), np.uint8)
    mesh = Delaunay(dst)
    x0, y0 = np.floor(dst.min(0)).astype(int)
    x1, y1 = np.ceil(dst.max(0)).astype(int)
    pixels = np.array(
        [(x, y) for y in range(max(y0, 0), min(y1 + 1, size[0])) for x in range(x0, min(x1 + 1, size[1]))]
    )
    owner = mesh.find_simplex(pixels)
    for number, corners in enumerate(mesh.simplices):
        from_dst = np.vstack([src[corners].T, np.ones(3)]) @ np.linalg.inv(np.vstack([dst[corners].T, np.ones(3)]))
        mine = pixels[owner == number]
        places = from_dst[:2] @ np.vstack([mine.T, np.ones(len(mine))])
        out[mine[:, 1], mine[:, 0]] = bilinear(source, places)
    return out


def swap_by_triangles(source: np.ndarray, src: np.ndarray, image: np.ndarray, dst: np.ndarray) -> np.ndarray:
    """Returns uint8 [H, W, 3]: the frame with the source's face, colour corrected and cloned into it.

    Args:
        source: uint8 [h, w, 3] with 68 points `src`.
        image: uint8 [H, W, 3] with 68 points `dst`.
    """
    face = warp_by_triangles(source, src, dst, image.shape[:2])
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(dst.astype(np.int32)), 255)
    apart = np.linalg.norm(dst[EYES_68[0]].mean(0) - dst[EYES_68[1]].mean(0))
    side = int(BLUR * apart) | 1
    soft_face, soft_image = (cv2.GaussianBlur(picture, (side, side), 0).astype(np.float64) for picture in (face, image))
    tinted = face.astype(np.float64) * soft_image / np.maximum(soft_face + 128 * (soft_face <= 1), 1)
    mask = cv2.erode(mask, np.ones((ERODE, ERODE), np.uint8))
    x, y, w, h = cv2.boundingRect(mask)
    face = np.clip(tinted, 0, 255).astype(np.uint8)
    return cv2.seamlessClone(face, image, mask, (x + w // 2, y + h // 2), cv2.NORMAL_CLONE)
