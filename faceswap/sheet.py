"""Pictures made of pictures: before and after, galleries, contact sheets."""

from __future__ import annotations

import cv2
import numpy as np

INSET = 0.28  # the source's side / height of the comparison
GAP = 0.012  # between pictures / height
TALLEST = 1600  # pixels


def fit_within(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns a copy that fits into (height, width), in proportion: averaged when made smaller, cubic when larger."""
    factor = min(height / image.shape[0], width / image.shape[1])
    size = (max(round(image.shape[1] * factor), 1), max(round(image.shape[0] * factor), 1))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def before_after(target: np.ndarray, result: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Returns photo and result side by side on white, the source small in the photo's lower left corner.

    Args:
        target, result, source: uint8 [H, W, 3] RGB; the first two of one size.
    """
    height = min(max(target.shape[0], 384), TALLEST)
    left, right = (fit_within(image, height, 4 * height) for image in (target, result))
    gap = max(round(GAP * height), 2)
    inset = fit_within(source, round(INSET * height), round(INSET * height))
    inset = cv2.copyMakeBorder(inset, gap // 2, gap // 2, gap // 2, gap // 2, cv2.BORDER_CONSTANT, value=(255,) * 3)
    left = left.copy()
    h, w = (min(a, b) for a, b in zip(inset.shape[:2], left.shape[:2]))
    left[left.shape[0] - h :, :w] = inset[:h, :w]
    return np.hstack([left, np.full((left.shape[0], gap, 3), 255, np.uint8), right])
