"""Putting the finished face into the picture."""

from __future__ import annotations

import cv2
import numpy as np

BLEND_KINDS = ("feather", "poisson")


def feather_blend(face: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns uint8 [h, w, 3]: mask * face + (1 - mask) * target; where the mask is 0 the target bit for bit.

    Args:
        face: float32 [h, w, 3] RGB, 0..255.
        target: uint8 [h, w, 3] RGB.
        mask: float32 [h, w] in [0, 1].
    """
    shown = cv2.add(face, (0.0, 0.0, 0.0, 0.0), dtype=cv2.CV_8U)  # rounds and cuts off at 0 and 255
    return cv2.blendLinear(shown, np.ascontiguousarray(target), mask, 1 - mask)


def poisson_blend(face: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns uint8 [h, w, 3]: the gradients of the face inside the mask, the target's values around it.

    Perez, Gangnet & Blake 2003, "Poisson image editing"; the seam is then softened with the mask, so that pixels
    outside stay bit for bit. Falls back to the feather where the shape is too small to solve for.
    """
    inside = (mask > 0.02).astype(np.uint8)
    inside[[0, -1]] = 0
    inside[:, [0, -1]] = 0
    y, x = np.nonzero(inside)
    if len(y) < 16 or np.ptp(x) < 4 or np.ptp(y) < 4:
        return feather_blend(face, target, mask)
    centre = (int(x.min() + x.max() + 1) // 2, int(y.min() + y.max() + 1) // 2)
    source = np.clip(face + 0.5, 0, 255).astype(np.uint8)
    try:
        cloned = cv2.seamlessClone(source, np.ascontiguousarray(target), inside * 255, centre, cv2.NORMAL_CLONE)
    except cv2.error:
        return feather_blend(face, target, mask)
    return feather_blend(cloned.astype(np.float32), target, np.minimum(1, 4 * mask))
