"""Plane and space geometry of point sets: numpy only.

Convention everywhere in this package: points are float32 (x, y) or (x, y, z) in pixels, x to the right and y down,
and whole numbers lie on pixel *centres*: the top left pixel of an image covers [-0.5, 0.5] x [-0.5, 0.5]. Matrices
are named by direction (`src_to_dst`) and act on column vectors. Rectangles are (x0, y0, x1, y1), half open.
"""

from __future__ import annotations

import numpy as np

Rect = tuple[int, int, int, int]


def scale_points(points: np.ndarray, scale: float | tuple[float, float]) -> np.ndarray:
    """Returns points of an image after the image was resized by `scale`.

    With centres on whole numbers the edge of the image lies at -0.5, hence the half pixel.

    Args:
        points: [N, 2] or [N, 3]; a z column is scaled by the factor of x.
        scale: new size / old size, one number or (x, y).
    """
    sx, sy = (scale, scale) if np.isscalar(scale) else scale
    out = np.array(points, np.float32)
    out[:, 0] = (out[:, 0] + 0.5) * sx - 0.5
    out[:, 1] = (out[:, 1] + 0.5) * sy - 0.5
    if out.shape[1] > 2:
        out[:, 2] *= sx
    return out


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Returns [N, 2] points moved by the affine `matrix` [2, 3]."""
    return points[:, :2] @ matrix[:, :2].T + matrix[:, 2]


def fit_similarity(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
    """Returns src_to_dst [2, 3] float64: turn, uniform scale and shift of least squared error, never a mirror image.

    Umeyama 1991, "Least-squares estimation of transformation parameters between two point patterns"; in the plane its
    solution is a division of complex numbers.

    Raises:
        ValueError: fewer than two distinct points.
    """
    a, b = (np.asarray(points, np.float64)[:, :2].T for points in (src, dst))
    (ax, ay), (bx, by) = a - a.mean(1)[:, None], b - b.mean(1)[:, None]
    variance = ax @ ax + ay @ ay
    if a.shape[1] < 2 or variance < 1e-12:
        raise ValueError("a similarity needs at least two distinct points")
    along, across = (ax @ bx + ay @ by) / variance, (ax @ by - ay @ bx) / variance
    linear = np.array([[along, -across], [across, along]])
    return np.concatenate([linear, (b.mean(1) - linear @ a.mean(1))[:, None]], 1)


def fit_projection(solid: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns the [3, 4] affine map of least squared error from a solid shape to its picture, depth included.

    Rows x and y are the free affine camera; row z is at right angles to both with their mean length, so that the
    depth has the scale of the picture (weak perspective).

    Args:
        solid: [N, 3] model points.
        points: [N, 2] pixels, N >= 4 not in one plane.
    """
    design = np.concatenate([solid, np.ones((len(solid), 1))], 1)
    camera = np.linalg.lstsq(design, np.asarray(points, np.float64)[:, :2], rcond=None)[0].T  # [2, 4]
    x, y = camera[0, :3], camera[1, :3]
    z = np.cross(x, y)
    length = np.sqrt(np.linalg.norm(x) * np.linalg.norm(y))
    z *= length / max(np.linalg.norm(z), 1e-12)
    return np.concatenate([camera, [[*z, 0.0]]], 0)


def triangle_affines(src: np.ndarray, dst: np.ndarray) -> np.ndarray:
    """Returns src_to_dst [T, 2, 3] float64, one affine map per triangle; triangles flat in `src` give zeros.

    Args:
        src: [T, 3, 2] corners.
        dst: [T, 3, 2] corners.
    """
    (x0, y0, x1, y1, x2, y2), (u0, v0, u1, v1, u2, v2) = (
        np.ascontiguousarray(corners.reshape(-1, 6).T, np.float64) for corners in (src, dst)
    )
    x1, y1, x2, y2 = x1 - x0, y1 - y0, x2 - x0, y2 - y0  # edges from the first corner
    det = x1 * y2 - x2 * y1
    flat = np.abs(det) < 1e-9
    unit = np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, det))
    out = np.empty((2, 3, len(det)))
    for row, (w0, w1, w2) in zip(out, ((u0, u1 - u0, u2 - u0), (v0, v1 - v0, v2 - v0))):
        row[0] = (w1 * y2 - w2 * y1) * unit
        row[1] = (w2 * x1 - w1 * x2) * unit
        row[2] = np.where(flat, 0.0, w0 - row[0] * x0 - row[1] * y0)
    return out.transpose(2, 0, 1)


def signed_areas(triangles: np.ndarray) -> np.ndarray:
    """Returns [T] areas of [T, 3, 2] triangles, positive where the corners run clockwise on the screen (y down)."""
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    return 0.5 * ((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))


def bounding_rect(points: np.ndarray, margin: float, size: tuple[int, int]) -> Rect:
    """Returns the rectangle around `points` widened by `margin` pixels and cut to an image of `size` (h, w).

    Points wholly outside the image give an empty rectangle (x1 <= x0 or y1 <= y0).
    """
    low = np.floor(points[:, :2].min(0) - margin).astype(int)
    high = np.ceil(points[:, :2].max(0) + margin).astype(int) + 1
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    return x0, y0, max(min(int(high[0]), size[1]), x0), max(min(int(high[1]), size[0]), y0)


def median(values: np.ndarray) -> float:
    """Returns the median of a flat array (of an even number of values the upper one); quicker than numpy's on few."""
    half = len(values) // 2
    return float(np.partition(values, half)[half])


def smoothstep(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Returns 0 below `low`, 1 above `high` and 3t^2 - 2t^3 between."""
    t = (values - np.float32(low)) * np.float32(1 / (high - low))
    t = np.minimum(np.maximum(t, 0), 1)  # np.clip takes longer
    return t * t * (3 - 2 * t)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Returns intersection / smaller area of two boxes (x0, y0, x1, y1): 1 when one lies inside the other."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return float(w * h / max(smaller, 1e-9))


def middle_of(points: np.ndarray) -> np.ndarray:
    """Returns the mean (x, y) of float32 points [N, 2 or 3]; numpy takes ten times as long for it."""
    return (np.full(len(points), 1 / len(points), np.float32) @ points)[:2]
