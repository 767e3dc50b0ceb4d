"""Sharpness and grain: the swapped face is as sharp and as noisy as the photo it is put into.

Both faces are split into bands of detail. Where the source lacks a band (it was small, or smooth) the band of the
target itself is lent to it, limited to the strength of skin texture and noise, so that no feature of the target
comes through; where it has too much (it was noisy, the target is soft) the band is turned down.
"""

from __future__ import annotations

import cv2
import numpy as np

SIGMAS = (0.8, 1.6, 3.2)  # bands lie below, between and between these, pixels
CLIP = 2.5  # a lent band is limited to this many of its own sigmas
DEAD_ZONE = 0.05  # relative difference of strength that is left alone
SHARPEN = 1.5  # a weak band of the source is strengthened at most this much; the rest is lent
SAMPLES = 20000


def detail_bands(luma: np.ndarray) -> list[np.ndarray]:
    """Returns the bands of float32 [h, w], finest first; their sum and the rest below the last give the image back."""
    bands, above = [], luma
    for sigma in SIGMAS:
        below = cv2.GaussianBlur(luma, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        bands.append(above - below)
        above = below
    return bands


def match_grain(face: np.ndarray, target: np.ndarray, skin: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Returns the face float32 [h, w, 3] with the target's detail strength.

    Args:
        face: float32 [h, w, 3] RGB, 0..255.
        target: uint8 [h, w, 3] RGB.
        skin: bool [h, w]: bare skin of both, where strengths are compared.
        strength: 0 leaves the face as it is, 1 matches fully.
    """
    chosen = np.flatnonzero(skin)
    if len(chosen) < 64 or strength <= 0:
        return face
    chosen = chosen[:: max(1, len(chosen) // SAMPLES)]
    weights = np.float32([0.299, 0.587, 0.114])
    pairs = zip(detail_bands(face @ weights), detail_bands(target.astype(np.float32) @ weights))
    change = np.zeros(face.shape[:2], np.float32)
    for own, lent in pairs:
        have, want = _spread(own.ravel()[chosen]), _spread(lent.ravel()[chosen])
        change += _band_change(own, lent, have, want)
    return face + np.float32(strength) * change[:, :, None]


def _band_change(own: np.ndarray, lent: np.ndarray, have: float, want: float) -> np.ndarray | float:
    """Returns what to add to a band of strength `have` so that it gets strength `want`."""
    if abs(want - have) <= DEAD_ZONE * max(want, have) or max(want, have) < 0.05:
        return 0.0
    if have > want:
        return own * np.float32(want / have - 1)
    gain = min(SHARPEN, want / max(have, 1e-3))
    share = np.sqrt(max(0.0, want**2 - (gain * have) ** 2)) / want
    limit = np.float32(CLIP * want)
    return own * np.float32(gain - 1) + np.clip(lent, -limit, limit) * np.float32(share)


def _spread(values: np.ndarray) -> float:
    """Returns the robust standard deviation: 1.4826 times the median absolute deviation from zero."""
    return 1.4826 * float(np.median(np.abs(values)))
