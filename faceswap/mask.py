"""Where the source's face is shown: the oval, less what hides skin in the source and what lies over the face in the target.

All on the reduced grid, in [0, 1]; every length is a share of the face's width.
"""

from __future__ import annotations

import cv2
import numpy as np

from faceswap.regions import (
    BROW_LINE,
    LEFT_BROW,
    LEFT_EYE,
    LIPS,
    MOUTH,
    NOSE,
    OVAL,
    RIGHT_BROW,
    RIGHT_EYE,
    face_width,
    opening,
)
from faceswap.skin import smoothstep

FEATHER = 0.10  # width of the soft edge / face width
MASK_KINDS = ("auto", "oval", "brows")
INSET = 0.01  # the edge starts this far inside the oval / face width
SMOOTH = 0.025  # sigma that calms skin likeness / face width
FOREHEAD_SEEN = 0.55  # share of the source's forehead that must be bare for it to be used
OPEN, CLOSED = 0.10, 0.05  # opening of the mouth above which it is open, below which it is closed


def polygon(points: np.ndarray, ring: tuple[int, ...], size: tuple[int, int], scale: float = 1.0) -> np.ndarray:
    """Returns uint8 [h, w], 1 inside the ring of points, which may be scaled about its centre."""
    corners = points[list(ring), :2]
    corners = corners.mean(0) + scale * (corners - corners.mean(0))
    out = np.zeros(size, np.uint8)
    cv2.fillPoly(out, [np.round(corners * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    return out


def soften(inside: np.ndarray, feather: float, inset: float = 0.0) -> np.ndarray:
    """Returns float32 [h, w]: 0 at the edge of a binary shape and outside, rising inwards over `feather` pixels to 1."""
    padded = cv2.copyMakeBorder(
        inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE
    )  # an edge of the picture is no edge of the face
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    return smoothstep(distance - 0.5, inset, inset + max(feather, 0.5))


def oval_mask(points: np.ndarray, size: tuple[int, int], feather: float) -> np.ndarray:
    """Returns float32 [h, w]: the face's oval with its soft edge inside.

    Args:
        feather: width of the edge / face width.
    """
    width = face_width(points)
    return soften(polygon(points, OVAL, size), feather * width, INSET * width)


def features(points: np.ndarray, size: tuple[int, int], grow: float) -> np.ndarray:
    """Returns uint8 [h, w]: brows, eyes, nose and mouth, which differ from skin without being hidden.

    Args:
        grow: by how much they are widened / face width.
    """
    out = np.zeros(size, np.uint8)
    for ring in (RIGHT_EYE, LEFT_EYE, RIGHT_BROW, LEFT_BROW, LIPS, NOSE):
        cv2.fillConvexPoly(out, cv2.convexHull(np.round(points[list(ring), :2]).astype(np.int32)), 1)
    for brow, eye in ((RIGHT_BROW, RIGHT_EYE), (LEFT_BROW, LEFT_EYE)):
        cv2.fillConvexPoly(out, cv2.convexHull(np.round(points[list(brow + eye), :2]).astype(np.int32)), 1)
    return grow_mask(out, grow * face_width(points))


def grow_mask(mask: np.ndarray, radius: float) -> np.ndarray:
    """Returns a uint8 mask widened by `radius` pixels in all directions."""
    r = max(int(round(radius)), 1)
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1, 2 * r + 1)))


def lower_face(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns uint8 [h, w]: everything below a line across the face under the nose, where a beard may grow."""
    across = (points[454, :2] - points[234, :2]).astype(np.float64)
    down = points[152, :2] - points[10, :2]
    normal = np.array([-across[1], across[0]])
    normal *= np.sign(normal @ down) or 1.0
    base = points[2, :2] - 0.25 * (points[2, :2] - points[6, :2])
    y, x = np.mgrid[: size[0], : size[1]]
    return ((x - base[0]) * normal[0] + (y - base[1]) * normal[1] > 0).astype(np.uint8)


def connected_skin(skin: np.ndarray, sure: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns uint8 [h, w]: what looks like skin and hangs together with the middle of the face.

    Args:
        skin: float32 [h, w] likeness.
        sure: uint8 [h, w], counted as skin whatever it looks like.
        points: [468, 3] mesh points on the grid.
    """
    calm = cv2.GaussianBlur(skin, (0, 0), max(SMOOTH * face_width(points), 0.6))
    shown = ((calm > 0.5) | (sure > 0)).astype(np.uint8)
    count, labels = cv2.connectedComponents(shown, connectivity=4)
    x, y = np.round(points[5, :2]).astype(int)
    x, y = np.clip(x, 0, skin.shape[1] - 1), np.clip(y, 0, skin.shape[0] - 1)
    return (labels == labels[y, x]).astype(np.uint8) if count > 1 and labels[y, x] else shown


def bare_forehead(skin: np.ndarray, points: np.ndarray) -> float:
    """Returns the share of the forehead above the brows that looks like skin."""
    forehead = polygon(points, OVAL, skin.shape, 0.95) & ~below_brows(points, skin.shape)
    forehead &= 1 - features(points, skin.shape, 0.02)
    return float(skin[forehead > 0].mean()) if forehead.any() else 1.0


def below_brows(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns uint8 [h, w]: the part of the oval below a line just above the brows."""
    ring = list(OVAL)
    right, left = ring.index(127), ring.index(356)
    lower = ring[left : right + 1]  # from the left temple round the chin to the right temple
    top = points[list(BROW_LINE), :2]
    lift = 0.035 * (points[10, :2] - points[152, :2])
    corners = np.concatenate([points[lower, :2], top + lift])
    out = np.zeros(size, np.uint8)
    cv2.fillPoly(out, [np.round(corners * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    return out


def face_mask(
    points: np.ndarray, source_skin: np.ndarray, target_skin: np.ndarray, kind: str, feather: float
) -> np.ndarray:
    """Returns float32 [h, w]: the share of the source at each pixel of the grid.

    Args:
        points: [468, 3] mesh points of the target on the grid.
        source_skin: float32 [h, w], skin likeness of the warped source.
        target_skin: float32 [h, w], skin likeness of the target.
        kind: "oval" the geometric shape alone; "brows" the oval below the brows; "auto" the oval, cut at the brows when
            hair covers the source's forehead, less hair in the source and what lies over the target's face.
        feather: width of the soft edge / face width.
    """
    size, width = source_skin.shape, face_width(points)
    shape = polygon(points, OVAL, size)
    if kind == "brows" or (kind == "auto" and bare_forehead(source_skin, points) < FOREHEAD_SEEN):
        shape &= below_brows(points, size)
    mask = soften(shape, feather * width, INSET * width)
    if kind != "auto":
        return mask
    beard = lower_face(points, size)
    for skin, grow in ((source_skin, 0.035), (target_skin, 0.05)):
        sure = features(points, size, grow) | beard
        shown = connected_skin(skin, sure, points)
        hidden = 1 - grow_mask(1 - shown, 0.012 * width)
        mask = np.minimum(mask, soften(hidden, 0.6 * feather * width))
    return mask


def keep_target_mouth(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns the mask without the inside of the target's mouth."""
    inside = polygon(points, MOUTH, mask.shape).astype(np.float32)
    soft = cv2.GaussianBlur(inside, (0, 0), max(0.008 * face_width(points), 0.5))
    return mask * (1 - soft)


def mouth_differs(source: np.ndarray, target: np.ndarray) -> bool:
    """Returns whether only the target's mouth is open, so that the source has no teeth to show there."""
    return opening(target, MOUTH) > OPEN and opening(source, MOUTH) < CLOSED
